-- The index of V0012 takes the place of the one before. Not in its own file: all files run in one transaction, and this one
-- keeps readers of names away to its end, as V0013 those of labels. A statement that reads both takes labels first, so the
-- locks are taken in that order, and all that takes time is done by then.

drop index tagd.name_gram_idx;
alter index tagd.name_gram_new_idx rename to name_gram_idx;
