//! The identity service: issues tokens for keys, and shows principals which domains and projects are theirs.

use std::sync::Arc;

use super::{
    Authenticator, CredentialCache, Service,
    access::{AccessControl, Action, Grant, Target},
    authenticator::TOKEN_ENDED,
    clock::now,
    credentials::revoke_and_forget,
    origin::{Origin, is_of_domain, origin_of},
};
use crate::{
    auth::{
        Authenticated, CredentialRef, Principal, Secret,
        random::{hash_of, is_hash_of, new_token, token_id},
    },
    domain::{
        ProjectFilter, RequestError, Rights, Role,
        credential::{Credential, CredentialKind, StoredSecret},
        is_storable,
        registration::check_domain_id,
        registry::Project,
    },
};

/// How long a token lasts that the identity API issues, in seconds.
pub const TOKEN_LIFETIME: i64 = 3600;

/// Maximum number of tokens in a row each of which was issued for the one before. Without it, one could make so many that to
/// revoke the first takes too long.
const GENERATIONS: usize = 16;

/// Maximum number of entries of a list; a longer one is cut.
const LIST_LIMIT: u32 = 1000;

/// What a client logs in with.
#[derive(Debug)]
pub enum Login<'a> {
    /// A key and its secret.
    Password {
        /// Access key.
        access_key: &'a str,
        /// Its secret.
        secret: &'a Secret,
    },
    /// A token, for another one with another scope.
    Token(&'a Secret),
}

/// A project as a client names it.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProjectName<'a> {
    /// Identifier.
    pub id: Option<&'a str>,
    /// Name, or the name of a region (see [`Identity::projects`]).
    pub name: Option<&'a str>,
    /// Its domain.
    pub domain_id: Option<&'a str>,
}

/// What a new token is for.
#[derive(Debug, Clone, Copy)]
pub enum TokenScope<'a> {
    /// Whatever the key covers.
    None,
    /// A domain.
    Domain(&'a str),
    /// A single project.
    Project(ProjectName<'a>),
    /// Every domain.
    System,
}

/// A token as its holder and those who validate it see it.
#[derive(Debug)]
pub struct TokenView {
    /// The token without its secret.
    pub credential: Credential,
    /// The project, if it is for a single one.
    pub project: Option<Project>,
    /// Identifier of the user: the access key that it goes back to, if the database has it, or else its name.
    pub user_id: String,
    /// Whether it was issued for that key itself.
    pub is_of_key: bool,
}

/// A new token.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: Secret,
    /// What it allows.
    pub view: TokenView,
}

/// The use cases of the identity API.
#[derive(Debug, Clone)]
pub struct Identity {
    access: AccessControl,
    authenticator: Authenticator,
    cache: Arc<CredentialCache>,
    region: Arc<str>,
}

/// Who has logged in.
#[derive(Debug)]
pub struct User {
    /// Whose rights the token will have.
    pub principal: Principal,
    /// What a token for them goes back to, if the database has it.
    origin: Option<Origin>,
    expires_at: Option<i64>,
}

/// What somebody wants with a token.
#[derive(Debug, Clone, Copy)]
enum Use {
    /// To see what it covers, and whose it is.
    Read,
    /// To revoke it.
    Revoke,
}

impl Service {
    /// The use cases of the identity API, over the same stores.
    pub fn identity(&self, authenticator: Authenticator, cache: Arc<CredentialCache>) -> Identity {
        Identity { access: self.access.clone(), authenticator, cache, region: Arc::clone(&self.region) }
    }
}

fn refused(reason: &str) -> RequestError {
    RequestError::unauthenticated(reason)
}

/// A token that does not exist and one that the principal may not see are refused alike.
fn unknown_token() -> RequestError {
    RequestError::unknown_resource("token")
}

impl Identity {
    /// The region whose resources are served.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Issues a token with the rights of a user, narrowed to a scope.
    pub async fn issue(&self, user: User, scope: TokenScope<'_>) -> Result<IssuedToken, RequestError> {
        let User { principal, origin, expires_at } = user;
        let (parent, configured) = match &principal.credential {
            CredentialRef::Issued(issued) => (Some(Arc::clone(issued)), None),
            CredentialRef::Configured(access_key) => (None, Some(access_key.to_string())),
            _ => (None, None),
        };
        let rights = self.narrow(&principal, scope).await?;
        let grant = self.grant(&principal).await?;
        let (id, token) = new_token()?;
        let created_at = now();
        let end = created_at + TOKEN_LIFETIME;
        let credential = Credential {
            id,
            kind: CredentialKind::Token,
            name: principal.caller.principal.to_string(),
            rights,
            is_temporary: false,
            issued_for: parent.as_ref().map(|parent| parent.id.to_string()),
            root_id: configured,
            created_at,
            expires_at: Some(expires_at.map_or(end, |expires_at| expires_at.min(end))),
            last_used_at: None,
        };
        let stored = StoredSecret { secret: hash_of(token.expose()), security_token: None };
        let ended = || refused("auth: the credentials were revoked or given another secret meanwhile");
        if !grant.writer().put_credential(&credential, &stored).await? {
            return Err(ended());
        }
        // a parent that is given another secret ends its tokens, of which this one may not have been yet
        if let Some(parent) = parent
            && !self.authenticator.is_current(&parent).await?
        {
            grant.writer().remove_credential(&credential.id, CredentialKind::Token).await?;
            return Err(ended());
        }
        let view = view_of(&grant, credential, origin.as_ref()).await?;
        Ok(IssuedToken { token, view })
    }

    /// The user whose key or token a client logs in with. `sender` is whoever sends the request; it needs no rights.
    pub async fn log_in(&self, sender: &Principal, login: Login<'_>) -> Result<User, RequestError> {
        if !self.authenticator.settings().tokens {
            return Err(refused("auth: tokens are not accepted here, requests must be signed"));
        }
        let act = |shown: Authenticated| {
            let caller = &sender.caller;
            Principal::new(shown, Arc::clone(&caller.request_id), caller.address)
        };
        match login {
            Login::Password { access_key, secret } => {
                let key = self.authenticator.log_in(access_key, secret).await?;
                let principal = act(key.shows().clone());
                let issued = matches!(principal.credential, CredentialRef::Issued(_));
                let origin = issued.then(|| Origin::of_key(access_key, principal.rights.role()));
                Ok(User { principal, origin, expires_at: key.expires_at() })
            }
            Login::Token(token) => {
                let unknown = || refused("token: is not a token of this service");
                // no Keystone is asked on behalf of anyone
                let known = match str::from_utf8(token.expose()).ok().and_then(token_id) {
                    Some(_) => self.authenticator.token(token.expose()).await?,
                    None => None,
                };
                let shown = known.ok_or_else(unknown)?;
                let principal = act(shown.clone());
                let grant = self.grant(&principal).await?;
                let from = find_token(&grant, token.expose()).await?.ok_or_else(unknown)?;
                let origin = origin_of(&grant, &from).await?.ok_or_else(|| refused(TOKEN_ENDED))?;
                if origin.generations >= GENERATIONS {
                    return Err(refused(&format!(
                        "token: was issued for another, and that for another, {GENERATIONS} times in a row, which is the \
                         maximum; log in with the first one"
                    )));
                }
                let principal = act(Authenticated { name: from.name.into(), rights: from.rights.into(), ..shown });
                Ok(User { principal, origin: Some(origin), expires_at: from.expires_at })
            }
        }
    }

    async fn grant<'a>(&'a self, principal: &'a Principal) -> Result<Grant<'a>, RequestError> {
        self.access.may(principal, Action::Identify, Target::Everywhere).await
    }

    /// The rights of a principal in a scope, which are never more than its own.
    async fn narrow(&self, principal: &Principal, scope: TokenScope<'_>) -> Result<Rights, RequestError> {
        let rights = &principal.rights;
        // everywhere is more than a domain: there an operator is an administrator
        let role = rights.role().min(Role::Administrator);
        match scope {
            TokenScope::None => Ok(Rights::clone(rights)),
            TokenScope::System if rights.role() == Role::Operator => Ok(Rights::clone(rights)),
            TokenScope::System => Err(refused("scope.system: is only for the role operator")),
            TokenScope::Domain(domain_id) => match rights.confined_to() {
                Some(own) if **own == *domain_id => Ok(Rights::clone(rights)),
                None if check_domain_id(domain_id).is_ok() => Ok(Rights::in_domain(role, domain_id.into(), None)),
                _ => Err(refused("scope.domain: is not the domain of the access key")),
            },
            TokenScope::Project(name) => {
                let project = self.project(principal, name).await?;
                if project.domain_id.is_empty() {
                    return Err(refused("scope.project: belongs to no domain; use the scope system"));
                }
                Ok(Rights::in_domain(role, project.domain_id.into(), Some(vec![project.project_id])))
            }
        }
    }

    /// The one project that a scope names.
    async fn project(&self, principal: &Principal, wanted: ProjectName<'_>) -> Result<Project, RequestError> {
        let unknown = || refused("scope.project: is unknown, or the access key does not cover it");
        let mut found = match wanted.id {
            Some(id) => self.project_by_id(principal, id).await?.into_iter().collect(),
            None if wanted.name.is_some() => self.projects(principal, wanted).await?.0,
            None => Vec::new(),
        };
        found.retain(|project| wanted.domain_id.is_none_or(|domain_id| domain_id == project.domain_id));
        if found.len() > 1 {
            return Err(refused("scope.project: the name belongs to several projects, use the ID"));
        }
        found.pop().ok_or_else(unknown)
    }

    /// A project, if the principal may see it.
    pub async fn project_by_id(&self, principal: &Principal, id: &str) -> Result<Option<Project>, RequestError> {
        let grant = self.grant(principal).await?;
        let covered = grant.covered();
        let project = if is_storable(id) { grant.store().find_project(id).await? } else { None };
        Ok(project.filter(|project| {
            covered.names(&project.project_id)
                && covered.domain_id.is_none_or(|domain_id| domain_id == project.domain_id)
        }))
    }

    /// The projects that a principal may see, at most 1000, and whether there are more.
    ///
    /// A name is that of a project or of a region. SDKs and Terraform ask for the projects with the name of their region, and
    /// only continue if there is one. So it means, in this order: the projects with this name; those that begin with it and
    /// an underscore, as the projects within a region do; the only project that the principal covers. The name of tagd's own
    /// region means every project.
    pub async fn projects(
        &self,
        principal: &Principal,
        wanted: ProjectName<'_>,
    ) -> Result<(Vec<Project>, bool), RequestError> {
        let grant = self.grant(principal).await?;
        let covered = grant.covered();
        let domain_id = match (covered.domain_id, wanted.domain_id) {
            (Some(own), Some(given)) if own != given => return Ok((Vec::new(), false)),
            (own, given) => own.or(given),
        };
        if [wanted.name, domain_id].into_iter().flatten().any(|text| !is_storable(text)) {
            return Ok((Vec::new(), false));
        }
        let covered = ProjectFilter { domain_id, ..covered };
        let limit = LIST_LIMIT + 1;
        let mut found = grant.store().find_projects(wanted.name, limit, covered).await?;
        if let Some(name) = wanted.name {
            if found.iter().any(|project| name_of(project) == name) {
                found.retain(|project| name_of(project) == name);
            } else if found.is_empty() {
                let is_region = name == &*self.region;
                found = grant.store().find_projects(None, if is_region { limit } else { 2 }, covered).await?;
                if found.len() > 1 && !is_region {
                    found.clear();
                }
            }
        }
        let limit = usize::try_from(LIST_LIMIT).unwrap_or(usize::MAX);
        let is_cut = found.len() > limit;
        found.truncate(limit);
        Ok((found, is_cut))
    }

    /// The domains that a principal may see, its own first.
    pub async fn domains(&self, principal: &Principal) -> Result<Vec<String>, RequestError> {
        let grant = self.grant(principal).await?;
        let own = principal.rights.domain_id().map(ToString::to_string);
        if grant.confined_to().is_some() {
            return Ok(own.into_iter().collect());
        }
        let all = grant.store().list_domains(LIST_LIMIT).await?;
        let others: Vec<_> = all.into_iter().filter(|domain_id| Some(domain_id) != own.as_ref()).collect();
        Ok(own.into_iter().chain(others).collect())
    }

    /// Whether there is a domain that the principal may see.
    pub async fn has_domain(&self, principal: &Principal, domain_id: &str) -> Result<bool, RequestError> {
        let grant = self.grant(principal).await?;
        if principal.rights.domain_id().is_some_and(|own| **own == *domain_id) {
            return Ok(true);
        }
        if grant.confined_to().is_some() || domain_id.is_empty() || !is_storable(domain_id) {
            return Ok(false);
        }
        let of_domain = ProjectFilter { domain_id: Some(domain_id), projects: None };
        Ok(!grant.store().find_projects(None, 1, of_domain).await?.is_empty())
    }

    /// What a valid token allows. `own` is the token that the request is sent with: it may be seen, and so may those that go
    /// back to the same key or token, or to the key that the request is signed with. Other tokens are shown to administrators
    /// of all of their domain, if what they go back to is of that domain too.
    pub async fn token(
        &self,
        principal: &Principal,
        own: Option<&[u8]>,
        subject: &[u8],
    ) -> Result<TokenView, RequestError> {
        let grant = self.grant(principal).await?;
        let credential = self.visible_token(&grant, principal, own, subject, Use::Read).await?;
        let origin = origin_of(&grant, &credential).await?.ok_or_else(unknown_token)?;
        view_of(&grant, credential, Some(&origin)).await
    }

    /// Revokes a token that [`token`](Self::token) would show, or that an operator made for the domain of an administrator.
    pub async fn revoke(&self, principal: &Principal, own: Option<&[u8]>, subject: &[u8]) -> Result<(), RequestError> {
        let grant = self.grant(principal).await?;
        let credential = self.visible_token(&grant, principal, own, subject, Use::Revoke).await?;
        let removed = revoke_and_forget(&grant, &self.cache, CredentialKind::Token, credential.id).await?;
        if removed { Ok(()) } else { Err(unknown_token()) }
    }

    async fn visible_token(
        &self,
        grant: &Grant<'_>,
        principal: &Principal,
        own: Option<&[u8]>,
        subject: &[u8],
        purpose: Use,
    ) -> Result<Credential, RequestError> {
        let credential = find_token(grant, subject).await?.ok_or_else(unknown_token)?;
        if own == Some(subject) {
            return Ok(credential);
        }
        let rights = &principal.rights;
        let covers = match rights.confined_to() {
            None => true,
            Some(own) => credential.rights.confined_to() == Some(own) && rights.projects().is_none(),
        };
        if rights.role() >= Role::Administrator && covers {
            let settings = self.authenticator.settings();
            let may = match (purpose, rights.confined_to()) {
                (Use::Read, Some(own)) => is_of_domain(grant, settings, &credential, own).await?,
                _ => true,
            };
            if may {
                return Ok(credential);
            }
        }
        let own = match (own, &principal.credential) {
            (Some(own), _) => {
                let own = find_token(grant, own).await?.ok_or_else(unknown_token)?;
                origin_of(grant, &own).await?.ok_or_else(unknown_token)?.id
            }
            // the request is signed
            (None, CredentialRef::Issued(issued)) if issued.kind == CredentialKind::Key => issued.id.to_string(),
            (None, _) => return Err(unknown_token()),
        };
        let is_same = origin_of(grant, &credential).await?.is_some_and(|origin| origin.id == own);
        if is_same { Ok(credential) } else { Err(unknown_token()) }
    }
}

/// A valid token, from the database.
async fn find_token(grant: &Grant<'_>, token: &[u8]) -> Result<Option<Credential>, RequestError> {
    let Some(id) = str::from_utf8(token).ok().and_then(token_id) else { return Ok(None) };
    let Some((credential, stored)) = grant.store().find_credential(id).await? else { return Ok(None) };
    let is_valid = credential.kind == CredentialKind::Token
        && is_hash_of(token, &stored.secret)
        && credential.expires_at.is_none_or(|expires_at| expires_at > now());
    Ok(is_valid.then_some(credential))
}

async fn view_of(
    grant: &Grant<'_>,
    credential: Credential,
    origin: Option<&Origin>,
) -> Result<TokenView, RequestError> {
    let project = match credential.rights.projects() {
        Some([id]) => grant.store().find_project(id).await?,
        _ => None,
    };
    // credentials may name projects that belong to others
    let own = credential.rights.domain_id();
    let project = project.filter(|project| own.is_some_and(|own| **own == *project.domain_id));
    let key = origin.filter(|origin| origin.kind == CredentialKind::Key);
    let is_of_key = key.is_some_and(|key| credential.issued_for.as_ref() == Some(&key.id));
    let user_id = key.map_or_else(|| credential.name.clone(), |key| key.user_id(&credential));
    Ok(TokenView { credential, project, user_id, is_of_key })
}

/// The name of a project: its identifier if it has no other.
fn name_of(project: &Project) -> &str {
    if project.project_name.is_empty() { &project.project_id } else { &project.project_name }
}
