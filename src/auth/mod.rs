//! Who asks.
//!
//! Requests are not authenticated yet: everyone is the same principal, who may see and do everything.

use std::{borrow::Cow, sync::Arc};

use crate::domain::Caller;

/// Who a request acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What is recorded with a change: the name, and the request.
    pub caller: Arc<Caller>,
    /// Account whose projects a request without a project covers; `None` covers all there are.
    pub domain_id: Option<String>,
}

impl Principal {
    /// Anyone who reaches a tagd that asks for no credentials.
    pub fn anyone(request_id: Arc<str>) -> Self {
        Self { caller: Arc::new(Caller { principal: Cow::Borrowed("anyone"), request_id }), domain_id: None }
    }

    /// A command of the program, which acts for the operator who runs it and serves no request.
    pub fn command(name: &str) -> Self {
        Self { caller: Arc::new(Caller::command(name)), domain_id: None }
    }

    /// The account that owns what belongs to no project; empty where tagd knows no accounts.
    pub fn account(&self) -> &str {
        self.domain_id.as_deref().unwrap_or_default()
    }
}
