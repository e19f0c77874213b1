//! Principals: who a request acts for.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use super::Secret;
use crate::domain::{Caller, RequestPositions, Rights, credential::CredentialKind};

/// Who a request acts for.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Who changes something, as the database is told.
    pub caller: Arc<Caller>,
    /// What it may do.
    pub rights: Arc<Rights>,
    /// The credential that shows it.
    pub credential: CredentialRef,
    /// What its request must find and has written, if some reads are sent to replicas.
    pub positions: Option<Arc<RequestPositions>>,
}

/// The credential of a request, by which it is looked up again while the request is running.
#[derive(Debug, Clone)]
pub enum CredentialRef {
    /// None: a command, or a request that needs no credentials.
    None,
    /// A key of the settings file, which cannot be revoked; its access key.
    Configured(Arc<str>),
    /// A key or a token that tagd issued.
    Issued(Arc<IssuedRef>),
    /// A token of a Keystone, which can only be asked about the token itself.
    Keystone(Arc<Secret>),
}

/// A key or a token that tagd issued, without its secret.
#[derive(Debug)]
pub struct IssuedRef {
    /// Identifier.
    pub id: Arc<str>,
    /// Kind.
    pub kind: CredentialKind,
    /// A hash of what is kept of the secret: a credential that was given another secret is another one.
    pub secret_hash: Vec<u8>,
}

/// What the credentials of a request show.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// Name, as the log shows it.
    pub name: Arc<str>,
    /// What they allow.
    pub rights: Arc<Rights>,
    /// The credential itself.
    pub credential: CredentialRef,
}

impl Principal {
    /// The principal of one request.
    pub fn new(authenticated: Authenticated, request_id: Arc<str>, address: Option<IpAddr>) -> Self {
        let Authenticated { name, rights, credential } = authenticated;
        let domain_id = rights.confined_to().cloned();
        let credential_id = match &credential {
            CredentialRef::Configured(access_key) => Some(Arc::clone(access_key)),
            CredentialRef::Issued(issued) => Some(Arc::clone(&issued.id)),
            CredentialRef::None | CredentialRef::Keystone(_) => None,
        };
        let caller = Caller { principal: name, request_id, address, domain_id, credential_id };
        Self { caller: caller.into(), rights, credential, positions: None }
    }

    /// Anyone who reaches a tagd that requires no credentials. They may do everything.
    pub fn anyone(request_id: Arc<str>, address: Option<IpAddr>) -> Self {
        static ANYONE: LazyLock<(Arc<str>, Arc<Rights>)> =
            LazyLock::new(|| ("anyone".into(), Arc::new(Rights::operator(None))));
        let (name, rights) = &*ANYONE;
        let (name, rights) = (Arc::clone(name), Arc::clone(rights));
        Self::new(Authenticated { name, rights, credential: CredentialRef::None }, request_id, address)
    }

    /// A command of the program, which acts for the operator who runs it and serves no request.
    pub fn command(name: &str) -> Self {
        let (caller, rights) = (Arc::new(Caller::command(name)), Arc::new(Rights::operator(None)));
        Self { caller, rights, credential: CredentialRef::None, positions: None }
    }

    /// Identifier of the credential, if tagd knows one: the access key, or the part of a token that is no secret.
    pub fn credential_id(&self) -> Option<&str> {
        self.caller.credential_id.as_deref()
    }

    /// The account that owns what belongs to no project: its domain, or the empty one that all principals without a domain
    /// share.
    pub fn account(&self) -> &str {
        self.rights.domain_id().map(|domain_id| &**domain_id).unwrap_or_default()
    }
}
