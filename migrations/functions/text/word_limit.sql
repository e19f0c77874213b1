create or replace function tagd.word_limit() returns integer language sql immutable parallel safe as 'select 64';
comment on function tagd.word_limit() is 'The minimum number of resources of a scope, in one batch of an import or in a rebuild of the index, that must have a word in their names for it to become a label.';
revoke execute on function tagd.word_limit() from public;
