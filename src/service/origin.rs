//! What tokens of the identity API go back to.

use super::{AuthSettings, access::Grant};
use crate::{
    auth::random::hash_of,
    domain::{
        RequestError, Rights, Role,
        credential::{Credential, CredentialKind},
    },
};

/// The credential that a token goes back to, through all that it was issued for.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) id: String,
    pub(super) kind: CredentialKind,
    pub(super) role: Role,
    pub(super) generations: usize,
}

impl Origin {
    /// A key itself.
    pub(super) fn of_key(access_key: &str, role: Role) -> Self {
        Self { id: access_key.to_owned(), kind: CredentialKind::Key, role, generations: 0 }
    }

    /// The identifier of a key as the user of a token that goes back to it. A token for one domain may be handed on there, where the
    /// access keys of operators are not shown: then it is always the same text, from which the access key cannot be computed.
    pub(super) fn user_id(&self, token: &Credential) -> String {
        if self.role < Role::Operator || token.rights.confined_to().is_none() {
            return self.id.clone();
        }
        let hash = hash_of(format!("user {}", self.id).as_bytes());
        hash.first_chunk().map(|begin| format!("{:032x}", u128::from_be_bytes(*begin))).unwrap_or_default()
    }
}

/// What a token goes back to; `None` if some of it was revoked meanwhile.
pub(super) async fn origin_of(grant: &Grant<'_>, token: &Credential) -> Result<Option<Origin>, RequestError> {
    let mut origin = Origin { id: token.id.clone(), kind: token.kind, role: token.rights.role(), generations: 0 };
    let mut parent = token.issued_for.clone();
    while let Some(id) = parent {
        let Some((found, _)) = grant.store().find_credential(&id).await? else { return Ok(None) };
        origin = Origin { id, kind: found.kind, role: found.rights.role(), generations: origin.generations + 1 };
        parent = found.issued_for;
    }
    Ok(Some(origin))
}

/// Whether a credential and what it goes back to belong to a domain. A token that an operator made for a domain can be revoked there,
/// but not used and not traced back.
pub(super) async fn is_of_domain(
    grant: &Grant<'_>,
    settings: &AuthSettings,
    credential: &Credential,
    domain_id: &str,
) -> Result<bool, RequestError> {
    let is_within = |rights: &Rights| rights.confined_to().is_some_and(|own| **own == *domain_id);
    if !is_within(&credential.rights) {
        return Ok(false);
    }
    let Some(root) = credential.root_id.as_ref().or(credential.issued_for.as_ref()) else { return Ok(true) };
    // both, if a key of the settings takes the place of one in the database
    let stored = grant.store().find_credential(root).await?.map(|(stored, _)| stored.rights);
    let configured = settings.configured.iter().find(|key| key.access_key == *root).map(|key| &key.rights);
    Ok((stored.is_some() || configured.is_some()) && stored.iter().chain(configured).all(is_within))
}
