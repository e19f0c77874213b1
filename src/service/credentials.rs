//! Keys and tokens: created, listed, revoked, and given another secret.

use std::sync::Arc;

use super::{
    AuthSettings, ConfiguredKey, CredentialCache,
    access::{AccessControl, Action, Grant, Target},
    clock::now,
    finish::finish,
    origin::is_of_domain,
};
use crate::{
    auth::{
        MasterKeys, Principal, Secret,
        random::{
            MIN_SECRET_LENGTH, hash_of, may_be_secret, new_access_key, new_secret, new_token, new_token_of, token_id,
        },
    },
    domain::{
        FieldKind, ProjectFilter, RequestError, Rights, Role,
        credential::{Credential, CredentialKind, StoredSecret, check_name},
        is_storable,
        reason::{REQUIRED, quote},
        registration::{check_domain_id, check_project_id},
        registry::RegistryError,
    },
};

/// Shortest and longest time until a credential ends, in seconds: a minute and ten years.
const LIFETIME: (i64, i64) = (60, 10 * 366 * 86_400);
/// Maximum number of characters of a name.
const NAME_LENGTH: usize = 64;
/// Maximum number of projects that a credential names.
const PROJECTS: usize = 100;
/// Maximum number of characters of an access key of one's own, and of its secret.
const GIVEN_LENGTH: usize = 128;

/// The use cases of credentials.
#[derive(Debug, Clone)]
pub struct Credentials {
    access: AccessControl,
    cache: Arc<CredentialCache>,
    settings: Arc<AuthSettings>,
}

/// A credential to create.
#[derive(Debug, Clone, Default)]
pub struct NewCredential {
    /// Name, as the log shows it.
    pub name: String,
    /// Role; mandatory.
    pub role: Option<Role>,
    /// Domain; of the principal if none is given.
    pub domain_id: Option<String>,
    /// The only projects; `None` for all of the domain.
    pub projects: Option<Vec<String>>,
    /// Seconds until it ends; `None` for never.
    pub lifetime: Option<i64>,
    /// Whether a key gets a security token, which its requests must send too.
    pub temporary: bool,
    /// An access key and its secret from elsewhere.
    pub given: Option<(String, Secret)>,
}

/// A credential with its secret, which is shown once.
#[derive(Debug)]
pub struct Issued {
    /// The credential.
    pub credential: Credential,
    /// The secret of a key, or a token.
    pub secret: Secret,
    /// The security token of a temporary key.
    pub security_token: Option<Secret>,
}

fn invalid(field: &str, reason: impl Into<String>) -> RequestError {
    RequestError::invalid(FieldKind::General, field, reason)
}

impl Credentials {
    pub(super) fn new(access: AccessControl, cache: Arc<CredentialCache>, settings: Arc<AuthSettings>) -> Self {
        Self { access, cache, settings }
    }

    async fn grant<'a>(&'a self, principal: &'a Principal) -> Result<Grant<'a>, RequestError> {
        self.access.may(principal, Action::ManageCredentials, Target::Account).await
    }

    /// Credentials of a kind, sorted by identifier: those that the principal may revoke.
    pub async fn list(&self, principal: &Principal, kind: CredentialKind) -> Result<Vec<Credential>, RegistryError> {
        let grant = self.grant(principal).await?;
        let found = grant.store().list_credentials(kind, grant.confined_to()).await?;
        Ok(found.into_iter().map(|(credential, _)| credential).collect())
    }

    /// Creates a credential.
    pub async fn create(
        &self,
        principal: &Principal,
        kind: CredentialKind,
        new: NewCredential,
    ) -> Result<Issued, RegistryError> {
        let grant = self.grant(principal).await?;
        check_name("name", &new.name, NAME_LENGTH)?;
        let rights = check_rights(&grant, &new)?;
        check_projects(&grant, &rights, new.projects.as_deref().unwrap_or_default()).await?;
        let expires_at = new.lifetime.map(check_lifetime).transpose()?.map(|lifetime| now() + lifetime);
        let (id, secret) = match (kind, new.given) {
            (CredentialKind::Key, Some((access_key, secret))) => {
                // access keys are unique across domains: one domain must not find out or take those of others
                if grant.confined_to().is_some() {
                    let reason = "access: only an operator may choose the access key".to_owned();
                    return Err(RequestError::Forbidden { reason }.into());
                }
                check_given(access_key, secret)?
            }
            (CredentialKind::Key, None) => (new_access_key()?, new_secret()?),
            (CredentialKind::Token, _) => new_token()?,
        };
        let is_temporary = kind == CredentialKind::Key && new.temporary;
        if is_temporary && expires_at.is_none() {
            return Err(invalid("expires_in", format!("{REQUIRED} for a temporary key")).into());
        }
        let security_token = if is_temporary { Some(new_token()?.1) } else { None };
        let credential = Credential {
            id,
            kind,
            name: new.name,
            rights,
            is_temporary,
            issued_for: None,
            root_id: None,
            created_at: now(),
            expires_at,
            last_used_at: None,
        };
        let stored = self.store_of(kind, &credential.id, &secret, security_token.as_ref())?;
        // a key of the settings would take its place
        let is_configured = self.settings.configured.iter().any(|key| key.access_key == credential.id);
        if is_configured {
            return Err(RegistryError::KeyExists { access_key: credential.id });
        }
        let (writer, cache) = (grant.writer(), Arc::clone(&self.cache));
        finish(async move {
            let put = writer.put_credential(&credential, &stored).await;
            // it may have been tried before
            cache.forget(kind, &credential.id);
            if put? {
                Ok(Issued { credential, secret, security_token })
            } else {
                Err(RegistryError::KeyExists { access_key: credential.id })
            }
        })
        .await
    }

    /// Revokes a credential, with the tokens that were issued for it.
    pub async fn revoke(&self, principal: &Principal, kind: CredentialKind, id: &str) -> Result<(), RegistryError> {
        let grant = self.grant(principal).await?;
        let id = token_id(id).unwrap_or(id);
        if is_storable(id) && revoke_and_forget(&grant, &self.cache, kind, id.to_owned()).await? {
            Ok(())
        } else {
            Err(unknown(kind, id))
        }
    }

    /// Gives a credential another secret; the old one ends at once.
    pub async fn rotate(&self, principal: &Principal, kind: CredentialKind, id: &str) -> Result<Issued, RegistryError> {
        let grant = self.grant(principal).await?;
        let id = token_id(id).unwrap_or(id);
        let found = if is_storable(id) { grant.store().find_credential(id).await? } else { None };
        let may_see = |found: &Credential| {
            grant.confined_to().is_none_or(|own| {
                found.rights.role() < Role::Operator
                    && found.rights.domain_id().is_some_and(|domain_id| **domain_id == *own)
            })
        };
        let found = found.filter(|(found, _)| found.kind == kind && may_see(found));
        let (mut credential, _) = found.ok_or_else(|| unknown(kind, id))?;
        if let Some(own) = grant.confined_to()
            && !is_of_domain(&grant, &self.settings, &credential, own).await?
        {
            return Err(unknown(kind, id));
        }
        let secret = match kind {
            CredentialKind::Key => new_secret()?,
            CredentialKind::Token => new_token_of(id)?,
        };
        let security_token = if credential.is_temporary { Some(new_token()?.1) } else { None };
        let stored = self.store_of(kind, id, &secret, security_token.as_ref())?;
        credential.last_used_at = None;
        let (writer, cache) = (grant.writer(), Arc::clone(&self.cache));
        finish(async move {
            let replaced = writer.replace_credential_secret(&credential.id, kind, &stored).await;
            cache.clear();
            if replaced? {
                Ok(Issued { credential, secret, security_token })
            } else {
                Err(unknown(kind, &credential.id))
            }
        })
        .await
    }

    /// The access keys whose secrets none of the master keys opens, without those that have ended.
    pub async fn sealed_elsewhere(&self, principal: &Principal) -> Result<Vec<String>, RegistryError> {
        let grant = self.access.may(principal, Action::ChangeTypes, Target::Account).await?;
        let opens = |id: &str, sealed: &[u8]| {
            self.settings.master.as_ref().is_some_and(|master| master.open(id, sealed).is_some())
        };
        let mut found = grant.store().list_credentials(CredentialKind::Key, None).await?;
        found.retain(|(key, stored)| {
            key.expires_at.is_none_or(|expires_at| expires_at > now()) && !opens(&key.id, &stored.secret)
        });
        Ok(found.into_iter().map(|(key, _)| key.id).collect())
    }

    /// Seals the secrets of all keys with the first master key. Returns how many had to be, and how many cannot be opened.
    pub async fn reseal(&self, principal: &Principal) -> Result<(u64, u64), RegistryError> {
        let grant = self.access.may(principal, Action::ChangeTypes, Target::Account).await?;
        let master = self.master()?;
        let (mut sealed, mut lost) = (0, 0);
        for (credential, stored) in grant.store().list_credentials(CredentialKind::Key, None).await? {
            if master.is_current(&stored.secret) {
                continue;
            }
            let Some(secret) = master.open(&credential.id, &stored.secret) else {
                lost += 1;
                continue;
            };
            // a key that is rotated meanwhile keeps its new secret, which is sealed with the first master key already
            let resealed = master.seal(&credential.id, &secret)?;
            if grant.writer().reseal_credential(&credential.id, &stored.secret, &resealed).await? {
                sealed += 1;
            }
        }
        Ok((sealed, lost))
    }

    fn master(&self) -> Result<&MasterKeys, RequestError> {
        self.settings.master.as_deref().ok_or_else(|| {
            if self.settings.keys {
                invalid("master_key_file", format!("{REQUIRED} for keys, whose secrets are sealed with the master key"))
            } else {
                invalid("auth", "keys can only be created and rotated by a tagd that runs with --auth keys")
            }
        })
    }

    fn store_of(
        &self,
        kind: CredentialKind,
        id: &str,
        secret: &Secret,
        security_token: Option<&Secret>,
    ) -> Result<StoredSecret, RequestError> {
        let hash = |token: &Secret| hash_of(token.expose());
        let secret = match kind {
            CredentialKind::Key => self.master()?.seal(id, secret)?,
            CredentialKind::Token => hash(secret),
        };
        Ok(StoredSecret { secret, security_token: security_token.map(hash) })
    }
}

/// Revokes a credential, and forgets what is remembered of it and of what was issued for it.
pub(super) async fn revoke_and_forget(
    grant: &Grant<'_>,
    cache: &Arc<CredentialCache>,
    kind: CredentialKind,
    id: String,
) -> Result<bool, RequestError> {
    let (writer, cache) = (grant.writer(), Arc::clone(cache));
    finish(async move {
        let removed = writer.remove_credential(&id, kind).await;
        cache.clear();
        removed
    })
    .await
}

fn unknown(kind: CredentialKind, id: &str) -> RegistryError {
    // a secret, or a whole token with a typing error, where the identifier belongs
    let id = if may_be_secret(id) { "...".to_owned() } else { id.to_owned() };
    RegistryError::UnknownCredential { kind, id }
}

fn check_lifetime(lifetime: i64) -> Result<i64, RequestError> {
    let (shortest, longest) = LIFETIME;
    if (shortest..=longest).contains(&lifetime) {
        Ok(lifetime)
    } else {
        Err(invalid("expires_in", format!("must be between 60 and {longest} seconds, got {lifetime}")))
    }
}

/// The rights of a new credential: never more than those of its creator.
fn check_rights(grant: &Grant<'_>, new: &NewCredential) -> Result<Rights, RequestError> {
    let role = new.role.ok_or_else(|| invalid("role", REQUIRED))?;
    let domain_id = match (new.domain_id.as_deref(), grant.confined_to()) {
        (Some(given), Some(own)) if given != own => {
            return Err(RequestError::forbidden_domain());
        }
        (given, own) => given.or(own),
    };
    if role > grant.role() {
        let reason = format!("role: must be {} or lower, got {role}", grant.role());
        return Err(RequestError::Forbidden { reason });
    }
    rights_of(role, domain_id, new.projects.as_deref())
}

/// Refuses projects that the domain does not have. Whether another domain has them is not told.
async fn check_projects(grant: &Grant<'_>, rights: &Rights, projects: &[String]) -> Result<(), RequestError> {
    let Some(domain_id) = rights.domain_id().filter(|_| !projects.is_empty()) else { return Ok(()) };
    let named = ProjectFilter { domain_id: Some(domain_id), projects: Some(projects) };
    let limit = u32::try_from(PROJECTS).unwrap_or(u32::MAX);
    let found = grant.store().list_projects(None, limit, named).await?;
    let is_found = |project_id: &String| found.iter().any(|known| known.project_id == *project_id);
    match projects.iter().enumerate().find(|(_, project_id)| !is_found(project_id)) {
        None => Ok(()),
        Some((i, project_id)) => {
            let reason = format!("unknown project {} in domain {}", quote(project_id), quote(domain_id));
            Err(invalid(&format!("projects[{i}]"), reason))
        }
    }
}

/// The rights of a role in a domain, or in some projects of it.
fn rights_of(role: Role, domain_id: Option<&str>, projects: Option<&[String]>) -> Result<Rights, RequestError> {
    if let Some(domain_id) = domain_id {
        check_domain_id(domain_id)?;
    }
    if let Some(projects) = projects {
        if projects.is_empty() {
            return Err(invalid("projects", "must not be empty; without it, all projects of the domain are covered"));
        }
        if projects.len() > PROJECTS {
            return Err(invalid("projects", format!("must be at most {PROJECTS} projects, got {}", projects.len())));
        }
        for (i, project_id) in projects.iter().enumerate() {
            check_project_id(&format!("projects[{i}]"), project_id)?;
        }
    }
    match (role, domain_id) {
        (Role::Operator, _) if projects.is_some() => {
            Err(invalid("projects", "must not be given for the role operator, which covers every project"))
        }
        (Role::Operator, domain_id) => Ok(Rights::operator(domain_id.map(Arc::from))),
        (_, Some(domain_id)) => {
            let mut projects = projects.map(<[String]>::to_vec);
            if let Some(projects) = &mut projects {
                projects.sort();
                projects.dedup();
            }
            Ok(Rights::in_domain(role, domain_id.into(), projects))
        }
        (_, None) => Err(invalid("domain_id", format!("{REQUIRED} for the role {role}"))),
    }
}

/// A key from the settings, checked as one that is created is.
pub fn configured_key(
    access_key: &str,
    secret: &str,
    name: Option<&str>,
    (role, domain_id, projects): (&str, Option<&str>, Option<&[String]>),
) -> Result<ConfiguredKey, RequestError> {
    let (access_key, secret) = check_given(access_key.to_owned(), Secret::new(secret))?;
    let role: Role =
        role.parse().map_err(|reason: String| invalid("role", format!("{reason}, got {}", quote(role))))?;
    let name = match name {
        Some(name) => name.to_owned(),
        // what an operator does in a domain shows its name there
        None if role == Role::Operator => {
            return Err(invalid("name", format!("{REQUIRED} for the role operator, since every domain may see it")));
        }
        None => access_key.clone(),
    };
    check_name("name", &name, NAME_LENGTH)?;
    Ok(ConfiguredKey { access_key, secret, name, rights: rights_of(role, domain_id, projects)? })
}

fn check_given(access_key: String, secret: Secret) -> Result<(String, Secret), RequestError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !(1..=GIVEN_LENGTH).contains(&access_key.len()) || !access_key.bytes().all(is_plain) {
        let reason = format!("must be 1 to {GIVEN_LENGTH} letters, digits, - or _, got {}", quote(&access_key));
        return Err(invalid("access", reason));
    }
    let bytes = secret.expose();
    if !bytes.iter().all(u8::is_ascii_graphic) {
        return Err(invalid("secret", "must be letters, digits and signs of ASCII, without spaces and line breaks"));
    }
    if !(MIN_SECRET_LENGTH..=GIVEN_LENGTH).contains(&bytes.len()) {
        let reason = format!("must be {MIN_SECRET_LENGTH} to {GIVEN_LENGTH} characters, got {}", bytes.len());
        return Err(invalid("secret", reason));
    }
    Ok((access_key, secret))
}
