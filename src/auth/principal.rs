//! Principals: who a request acts for.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use crate::domain::{Caller, Rights};

/// Who a request acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What is recorded with a change.
    pub caller: Arc<Caller>,
    /// What it may do.
    pub rights: Arc<Rights>,
}

impl Principal {
    /// A principal with some rights, for one request.
    pub fn new(name: Arc<str>, rights: Arc<Rights>, request_id: Arc<str>, address: Option<IpAddr>) -> Self {
        let domain_id = rights.confined_to().cloned();
        Self { caller: Arc::new(Caller { principal: name, request_id, address, domain_id }), rights }
    }

    /// Anyone who reaches a tagd that requires no credentials. They may do everything.
    pub fn anyone(request_id: Arc<str>, address: Option<IpAddr>) -> Self {
        static ANYONE: LazyLock<(Arc<str>, Arc<Rights>)> =
            LazyLock::new(|| ("anyone".into(), Arc::new(Rights::operator(None))));
        let (name, rights) = &*ANYONE;
        Self::new(Arc::clone(name), Arc::clone(rights), request_id, address)
    }

    /// A command of the program, which acts for the operator who runs it and serves no request.
    pub fn command(name: &str) -> Self {
        Self { caller: Arc::new(Caller::command(name)), rights: Arc::new(Rights::operator(None)) }
    }

    /// The account that owns what belongs to no project: its domain, or the empty one that all principals without a domain
    /// share.
    pub fn account(&self) -> &str {
        self.rights.domain_id().map(|domain_id| &**domain_id).unwrap_or_default()
    }
}
