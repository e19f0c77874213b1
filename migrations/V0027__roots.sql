-- What tokens of the identity API go back to, so that those of one key can be bounded (docs/adr/0028). For a million credentials this
-- takes some 50 seconds, in which none is created, revoked or noted as used.

alter table tagd.credential add column root_id text collate "C";
comment on column tagd.credential.root_id is 'Key or token that a token of the identity API goes back to, through all that it was issued for; also a key of the settings file, which has no row. Null for what was created by itself.';

with recursive descent as (
  select c.credential_id, c.issued_for as root_id
    from tagd.credential c join tagd.credential p on p.credential_id = c.issued_for
   where p.issued_for is null
   union all
  select c.credential_id, d.root_id from descent d join tagd.credential c on c.issued_for = d.credential_id)
update tagd.credential c set root_id = d.root_id from descent d where d.credential_id = c.credential_id;

-- what has ended, and what is more than put_credential keeps: the oldest. Those that were issued for them go as well
delete from tagd.credential c
 using (select t.credential_id,
                row_number() over (partition by t.root_id, t.domain_id, t.role = 'operator' order by t.created_at desc) as place
          from tagd.credential t where t.root_id is not null and t.expires_at >= now()) live
 where live.credential_id = c.credential_id and live.place > 10000;
delete from tagd.credential c where c.expires_at < now() and c.root_id is not null;

create index credential_root_idx on tagd.credential (root_id, coalesce(domain_id, ''), (role = 'operator'), created_at)
 where root_id is not null;
comment on index tagd.credential_root_idx is 'Tokens that go back to a key or another token, by domain and age.';
drop index tagd.credential_expires_at_idx;
create index credential_ended_idx on tagd.credential (expires_at) where root_id is not null;
comment on index tagd.credential_ended_idx is 'Tokens of the identity API that have ended, to be deleted.';
