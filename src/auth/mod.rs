//! Who asks.
//!
//! Requests are not authenticated yet: everyone is the same principal, who may see and do everything.

use std::{borrow::Cow, sync::Arc};

use crate::domain::CallerContext;

/// Who a request acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Name, as changes are recorded with it.
    pub name: Cow<'static, str>,
    /// The request, by which its changes and its log lines are found; empty for a command.
    pub request_id: Arc<str>,
    /// Account whose projects a request without a project covers; `None` covers all there are.
    pub domain_id: Option<String>,
}

impl Principal {
    /// Anyone who reaches a tagd that asks for no credentials.
    pub fn anyone(request_id: Arc<str>) -> Self {
        Self { name: Cow::Borrowed("anyone"), request_id, domain_id: None }
    }

    /// A command of the program, which acts for the operator who runs it and serves no request.
    pub fn command(name: &str) -> Self {
        let CallerContext { principal, request_id } = CallerContext::command(name);
        Self { name: Cow::Owned(principal), request_id: request_id.into(), domain_id: None }
    }

    /// The account that owns what belongs to no project; empty where tagd knows no accounts.
    pub fn account(&self) -> &str {
        self.domain_id.as_deref().unwrap_or_default()
    }

    /// What is recorded with a change.
    pub fn context(&self) -> CallerContext {
        CallerContext { principal: self.name.clone().into_owned(), request_id: self.request_id.as_ref().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_recorded_with_the_name_and_the_request() {
        let context = Principal::anyone("r-1".into()).context();
        assert_eq!(context, CallerContext { principal: "anyone".into(), request_id: "r-1".into() });
        assert_eq!(Principal::command("import").context(), CallerContext::command("import"));
    }
}
