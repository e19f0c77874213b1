create or replace function tagd.pattern_limit() returns integer language sql immutable parallel safe as 'select 1000';
comment on function tagd.pattern_limit() is 'The maximum number of values of a key of which both the right and the wrong ones are kept while a pattern is judged, so that the fewer are read. Of more, only the wrong ones are.';
revoke execute on function tagd.pattern_limit() from public;
