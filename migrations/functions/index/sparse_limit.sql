create or replace function tagd.sparse_limit() returns integer language sql immutable parallel safe as 'select 128';
comment on function tagd.sparse_limit() is 'The maximum number of slots of a sparse label, which take 512 bytes. A label with more is dense.';
revoke execute on function tagd.sparse_limit() from public;
grant execute on function tagd.sparse_limit() to tagd_service;
