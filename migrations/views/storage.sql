create or replace view report.storage with (security_barrier = true) as
select c.relname::text as table_name, obj_description(c.oid, 'pg_class') as contents, greatest(c.reltuples, 0)::bigint as estimated_rows,
       t.n_dead_tup as dead_rows, pg_table_size(c.oid) as table_bytes, pg_indexes_size(c.oid) as index_bytes,
       greatest(t.last_vacuum, t.last_autovacuum) as last_vacuum, greatest(t.last_analyze, t.last_autoanalyze) as last_analyze
  from pg_class c
  join pg_stat_all_tables t on t.relid = c.oid
 where c.relnamespace = 'tagd'::regnamespace
   and c.relkind = 'r'
   and (select r.reads_all from tagd.current_reader r);
comment on view report.storage is 'A row for each table of tagd: its size and its dead rows, of all domains together. Empty for readers of single domains.';
comment on column report.storage.table_name is 'Name of the table.';
comment on column report.storage.contents is 'What it holds.';
comment on column report.storage.estimated_rows is 'Number of rows, as last estimated by Postgres.';
comment on column report.storage.dead_rows is 'Estimated number of rows that were replaced or deleted and not yet vacuumed.';
comment on column report.storage.table_bytes is 'Size of the table in bytes.';
comment on column report.storage.index_bytes is 'Size of its indexes in bytes.';
comment on column report.storage.last_vacuum is 'When it was last vacuumed, by hand or by autovacuum; null for never.';
comment on column report.storage.last_analyze is 'When its statistics were last collected; null for never.';
grant select on report.storage to tagd_reader, tagd_domain_reader;
