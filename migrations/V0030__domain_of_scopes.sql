-- The domain of a project beside its scopes. Whoever changes tags has to know it, and finds it with the scope: of several machines,
-- only one has the projects, and their locks, while all have the scopes (docs/adr/0044).

do $$
begin
  -- a writer of projects that is active would not know of the copy
  lock table tagd.project in share row exclusive mode;
end
$$;
alter table tagd.scope add column domain_id text collate "C";
comment on column tagd.scope.domain_id is 'Copy of the domain of its project, by tagd.copy_domains; null while there is no such project.';
update tagd.scope s set domain_id = p.domain_id from tagd.project p where p.project_id = s.project_id;
