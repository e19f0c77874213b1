-- Functions that no supported version of tagd calls any more: `drop function if exists tagd.name(types);`, one per line. A
-- function is added here one release after the last program that calls it (README.md, "Functions").
drop function if exists tagd.put_credential(text, smallint, text, text, text, text[], bytea, bytea, text, bigint, tagd.caller);
drop function if exists tagd.replace_tags_if(bigint, text, text[], text[], tagd.caller);
drop function if exists tagd.index_of(bigint);
