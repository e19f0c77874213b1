-- The history can be distributed by scope, with its spans on every machine (docs/adr/0044).

-- A sequence that is the default of a distributed table is made on every machine.
alter table tagd.history alter column change_id set default nextval('tagd.change_id_seq');
-- An identity column of a table that every machine has would have to be a bigint. The number is that of the span before and 1: whoever
-- begins a span has locked out all writers.
alter table tagd.history_span alter column span_id drop identity;
