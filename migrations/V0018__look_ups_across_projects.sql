-- What spans projects without a look at all that is in them: the keys in use, and a resource that is named without its project.

-- The keys of a scope, one entry each: label_name_key has all values of a key between it and the next. Written when a
-- resource brings a key that its scope had not. Holds up writers of tagd.label while it is made: for a million labels a second.
create index label_key_idx on tagd.label (scope_id, key) where kind = 2;
comment on index tagd.label_key_idx is 'Keys of a scope, without their values.';

-- A resource by its identifier alone. The key of (scope_id, resource_id) had to be asked once for each project. Hashes:
-- identifiers are compared whole and never sorted. Of an expression, so that only a statement that names it uses it: within
-- a scope its key is right, however many projects have the same identifier. Not unique, since no constraint reaches beyond one scope. Holds up
-- writers of tagd.resource while it is made: for a million resources some seconds.
create index resource_id_idx on tagd.resource using hash ((resource_id || ''));
comment on index tagd.resource_id_idx is 'Resources by identifier, for requests that name no project.';
