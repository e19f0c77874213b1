//! Credentials that tagd issues.

use std::sync::Arc;

use super::{Store, caller::row_of, forms::Form, retry::Retry};
use crate::domain::{
    RequestError, Rights, Role,
    credential::{Credential, CredentialKind, StoredSecret},
};

/// A row of `tagd.credential`.
struct CredentialRow {
    credential_id: String,
    kind: i16,
    name: String,
    role: String,
    domain_id: Option<String>,
    project_ids: Option<Vec<String>>,
    secret: Vec<u8>,
    security_token: Option<Vec<u8>>,
    issued_for: Option<String>,
    root_id: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl CredentialRow {
    fn read(self) -> Result<(Credential, StoredSecret), RequestError> {
        let wrong = |what: &str| RequestError::internal(format!("tagd.credential has a row with a wrong {what}"));
        let role: Role = self.role.parse().map_err(|_| wrong("role"))?;
        let rights = match (role, self.domain_id) {
            (Role::Operator, domain_id) => Rights::operator(domain_id.map(Arc::from)),
            (_, Some(domain_id)) => Rights::in_domain(role, domain_id.into(), self.project_ids),
            (_, None) => return Err(wrong("domain")),
        };
        let kind = match self.kind {
            0 => CredentialKind::Key,
            1 => CredentialKind::Token,
            _ => return Err(wrong("kind")),
        };
        let credential = Credential {
            id: self.credential_id,
            kind,
            name: self.name,
            rights,
            is_temporary: self.security_token.is_some(),
            issued_for: self.issued_for,
            root_id: self.root_id,
            created_at: self.created_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
        };
        Ok((credential, StoredSecret { secret: self.secret, security_token: self.security_token }))
    }
}

impl Store {
    /// A credential with what is kept of its secret.
    pub async fn find_credential(&self, id: &str) -> Result<Option<(Credential, StoredSecret)>, RequestError> {
        let row = self
            .cheap(Form::FindCredential)
            .fetch_optional(Retry::Read, || {
                sqlx::query_as!(
                    CredentialRow,
                    r#"select c.credential_id, c.kind, c.name, c.role, c.domain_id, c.project_ids, c.secret,
                              c.security_token, c.issued_for, c.root_id,
                              floor(extract(epoch from c.created_at))::int8 as "created_at!",
                              floor(extract(epoch from c.expires_at))::int8 as expires_at,
                              floor(extract(epoch from c.last_used_at))::int8 as last_used_at
                         from tagd.credential c
                        where c.credential_id = $1"#,
                    id
                )
            })
            .await?;
        row.map(CredentialRow::read).transpose()
    }

    /// Credentials of a kind, sorted by identifier, with what is kept of their secrets: those of a domain that are no
    /// operator's, or all. Those who read one domain do not see that a token was issued for a credential outside of it.
    pub async fn list_credentials(
        &self,
        kind: CredentialKind,
        domain_id: Option<&str>,
    ) -> Result<Vec<(Credential, StoredSecret)>, RequestError> {
        let rows = self
            .cheap(Form::ListCredentials)
            .fetch_all(Retry::Read, || {
                sqlx::query_as!(
                    CredentialRow,
                    r#"select c.credential_id, c.kind, c.name, c.role, c.domain_id, c.project_ids, c.secret,
                              c.security_token, c.root_id,
                              case when $2::text is null or not exists (
                                select from tagd.credential o
                                 where o.credential_id in (c.issued_for, c.root_id)
                                   and (o.domain_id is distinct from $2 or o.role = 'operator'))
                                then c.issued_for end as issued_for,
                              floor(extract(epoch from c.created_at))::int8 as "created_at!",
                              floor(extract(epoch from c.expires_at))::int8 as expires_at,
                              floor(extract(epoch from c.last_used_at))::int8 as last_used_at
                         from tagd.credential c
                        where c.kind = $1
                          and ($2::text is null or c.domain_id = $2 and c.role <> 'operator')
                        order by c.credential_id"#,
                    kind.number(),
                    domain_id
                )
            })
            .await?;
        rows.into_iter().map(CredentialRow::read).collect()
    }

    /// Adds a credential. False if its identifier is taken, or what it is issued for is gone.
    pub async fn put_credential(&self, credential: &Credential, stored: &StoredSecret) -> Result<bool, RequestError> {
        let added = self
            .writing(Form::PutCredential)
            .fetch_one(Retry::Write, || {
                sqlx::query_scalar!(
                    "select tagd.put_credential($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::text::tagd.caller)",
                    credential.id,
                    credential.kind.number(),
                    credential.name,
                    credential.rights.role().name(),
                    credential.rights.domain_id().map(|domain_id| &**domain_id),
                    credential.rights.projects(),
                    stored.secret,
                    stored.security_token,
                    credential.issued_for,
                    credential.root_id,
                    credential.expires_at,
                    row_of(&self.caller)
                )
            })
            .await?;
        Ok(added.unwrap_or_default())
    }

    /// Revokes a credential. False if there is none that the caller may revoke.
    pub async fn remove_credential(&self, id: &str, kind: CredentialKind) -> Result<bool, RequestError> {
        let removed = self
            .writing(Form::RemoveCredential)
            .fetch_one(Retry::Write, || {
                sqlx::query_scalar!(
                    "select tagd.remove_credential($1, $2, $3::text::tagd.caller)",
                    id,
                    kind.number(),
                    row_of(&self.caller)
                )
            })
            .await?;
        Ok(removed.unwrap_or_default())
    }

    /// Gives a credential another secret. False if there is none that the caller may change.
    pub async fn replace_credential_secret(
        &self,
        id: &str,
        kind: CredentialKind,
        stored: &StoredSecret,
    ) -> Result<bool, RequestError> {
        let replaced = self
            .writing(Form::ReplaceCredentialSecret)
            .fetch_one(Retry::Write, || {
                sqlx::query_scalar!(
                    "select tagd.replace_credential_secret($1, $2, $3, $4, $5::text::tagd.caller)",
                    id,
                    kind.number(),
                    stored.secret,
                    stored.security_token,
                    row_of(&self.caller)
                )
            })
            .await?;
        Ok(replaced.unwrap_or_default())
    }

    /// Replaces the sealed secret of a key by the same one, sealed with another master key. False if the key is gone or has
    /// another secret by now.
    pub async fn reseal_credential(&self, id: &str, old: &[u8], sealed: &[u8]) -> Result<bool, RequestError> {
        let replaced = self
            .writing(Form::ResealCredential)
            .fetch_one(Retry::Write, || {
                sqlx::query_scalar!(
                    "select tagd.reseal_credential($1, $2, $3, $4::text::tagd.caller)",
                    id,
                    old,
                    sealed,
                    row_of(&self.caller)
                )
            })
            .await?;
        Ok(replaced.unwrap_or_default())
    }

    /// Notes when credentials were last used, in seconds since 1970.
    pub async fn touch_credentials(&self, ids: &[String], used_at: &[i64]) -> Result<(), RequestError> {
        self.writing(Form::TouchCredentials)
            .execute(Retry::Write, || sqlx::query!("select tagd.touch_credentials($1, $2)", ids, used_at))
            .await?;
        Ok(())
    }
}
