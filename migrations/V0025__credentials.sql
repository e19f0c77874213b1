-- Credentials that tagd issues: keys and tokens (docs/adr/0025).

create table tagd.credential (
  credential_id  text collate "C" not null,
  kind           smallint not null,
  name           text collate "C" not null,
  role           text collate "C" not null,
  domain_id      text collate "C",
  project_ids    text[] collate "C",
  secret         bytea not null,
  security_token bytea,
  issued_for     text collate "C",
  created_at     timestamptz not null default now(),
  created_by     text collate "C" not null,
  expires_at     timestamptz,
  last_used_at   timestamptz,
  constraint credential_pkey primary key (credential_id),
  constraint credential_role_check check (role in ('reader', 'tagger', 'administrator', 'operator')),
  constraint credential_domain_check check (domain_id is not null or role = 'operator'),
  constraint credential_issued_for_fkey foreign key (issued_for) references tagd.credential on delete cascade
);
create index credential_issued_for_idx on tagd.credential (issued_for) where issued_for is not null;
create index credential_expires_at_idx on tagd.credential (expires_at) where expires_at is not null;
comment on table tagd.credential is 'Keys and tokens that tagd issues. A revoked one has no row.';
comment on column tagd.credential.credential_id is 'Of a key the access key, of a token the part of it that is no secret.';
comment on column tagd.credential.kind is '0: a key, by which requests are signed; 1: a token.';
comment on column tagd.credential.name is 'Name, as the log shows it.';
comment on column tagd.credential.role is 'reader, tagger, administrator or operator; each includes those before it.';
comment on column tagd.credential.domain_id is 'Domain in which the role holds. An operator''s role holds everywhere; it may have no domain.';
comment on column tagd.credential.project_ids is 'The only projects of the domain in which the role holds; null for all.';
comment on column tagd.credential.secret is 'Of a key its secret, sealed with a master key that the database does not have; of a token its SHA-256.';
comment on column tagd.credential.security_token is 'SHA-256 of the security token that requests signed by a temporary key must send; null for other credentials.';
comment on column tagd.credential.issued_for is 'Key or token that a token was issued for by the identity API, and with which it ends; null for one that was created by itself.';
comment on column tagd.credential.created_at is 'When it was created.';
comment on column tagd.credential.created_by is 'Name of the principal that created it, or a command.';
comment on column tagd.credential.expires_at is 'When it ends; null for never.';
comment on column tagd.credential.last_used_at is 'When it was last used, to the minute; null for never.';
comment on index tagd.credential_issued_for_idx is 'Tokens that were issued for a key or another token.';
comment on index tagd.credential_expires_at_idx is 'Credentials that have ended, to be deleted.';
