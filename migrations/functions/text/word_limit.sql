create or replace function tagd.word_limit() returns integer language sql immutable parallel safe as 'select 64';
comment on function tagd.word_limit() is 'Fewest resources of a scope, in one batch of an import or in all, that make a word of their names a label.';
revoke execute on function tagd.word_limit() from public;
