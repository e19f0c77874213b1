//! Principals: on whose behalf a request or a command acts.
//!
//! Requests are not authenticated yet: everyone is the same principal, who may see and do everything.

use std::{borrow::Cow, sync::Arc};

use crate::domain::Caller;

/// The principal of a request or a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What changes are attributed to: the name of the principal, and the request.
    pub caller: Arc<Caller>,
    /// Account whose projects a request without a project covers; `None` covers all projects.
    pub domain_id: Option<String>,
}

impl Principal {
    /// The principal of every request, as long as requests are not authenticated.
    pub fn anyone(request_id: Arc<str>) -> Self {
        Self { caller: Arc::new(Caller { principal: Cow::Borrowed("anyone"), request_id }), domain_id: None }
    }

    /// A command of the program, which acts for the operator who runs it.
    pub fn command(name: &str) -> Self {
        Self { caller: Arc::new(Caller::command(name)), domain_id: None }
    }

    /// The account that owns what does not belong to a project; empty if there are no accounts.
    pub fn account(&self) -> &str {
        self.domain_id.as_deref().unwrap_or_default()
    }
}
