-- The fleet in plain tables as a careful administrator would lay them out; the tags stand twice, as an array for GIN
-- (sets of tags) and as rows for btree (the newest of one tag). After the load.
alter table fleet.resource alter column tags set statistics 1000;
alter table fleet.resource add primary key (slot);
create index on fleet.resource using gin (tags) with (fastupdate = off);
create index on fleet.resource using gin (lower(name) public.gin_trgm_ops) with (fastupdate = off);
create index on fleet.resource (slot) where tags = '{}';
create table fleet.tag as select tag, slot from fleet.resource, unnest(tags) tag;
alter table fleet.tag add primary key (tag, slot);
-- not a table to ask over GraphQL
comment on table fleet.tag is E'@behavior -*';
vacuum analyze;

-- What plain conditions of PostGraphile cannot say (it has equality of a column, and no more): each question is a
-- function for the page and one for the total. They are inlined: the planner sees the tags.
create function fleet.tagged(tag text) returns setof fleet.resource language sql stable as $$
  select r.* from fleet.tag t join fleet.resource r on r.slot = t.slot where t.tag = tagged.tag order by t.slot desc
$$;
create function fleet.tagged_total(tag text) returns bigint language sql stable as $$
  select count(*) from fleet.tag t where t.tag = tagged_total.tag
$$;
create function fleet.with_all(tags text[]) returns setof fleet.resource language sql stable as $$
  select r.* from fleet.resource r where r.tags @> with_all.tags order by r.slot desc
$$;
create function fleet.with_all_total(tags text[]) returns bigint language sql stable as $$
  select count(*) from fleet.resource r where r.tags @> with_all_total.tags
$$;
create function fleet.with_any(tags text[]) returns setof fleet.resource language sql stable as $$
  select r.* from fleet.resource r where r.tags && with_any.tags order by r.slot desc
$$;
create function fleet.with_any_total(tags text[]) returns bigint language sql stable as $$
  select count(*) from fleet.resource r where r.tags && with_any_total.tags
$$;
create function fleet.without_any(tags text[]) returns setof fleet.resource language sql stable as $$
  select r.* from fleet.resource r where not r.tags && without_any.tags order by r.slot desc
$$;
-- all less those that have one: both counts come from indexes
create function fleet.without_any_total(tags text[]) returns bigint language sql stable as $$
  select (select count(*) from fleet.resource) - (select count(*) from fleet.resource r where r.tags && without_any_total.tags)
$$;
create function fleet.named(part text) returns setof fleet.resource language sql stable as $$
  select r.* from fleet.resource r where lower(r.name) like '%' || lower(part) || '%' order by r.slot desc
$$;
create function fleet.named_total(part text) returns bigint language sql stable as $$
  select count(*) from fleet.resource r where lower(r.name) like '%' || lower(part) || '%'
$$;
create function fleet.untagged() returns setof fleet.resource language sql stable as $$
  select r.* from fleet.resource r where r.tags = '{}' order by r.slot desc
$$;
create function fleet.untagged_total() returns bigint language sql stable as $$
  select count(*) from fleet.resource r where r.tags = '{}'
$$;
