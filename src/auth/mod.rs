//! Who asks.
//!
//! Until tagd knows credentials, everyone is the same principal, who may see everything.

/// Who a request acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Account whose projects a query without a project covers; `None` covers all there are.
    pub domain_id: Option<String>,
}

impl Principal {
    /// Whoever reaches a tagd that asks for no credentials.
    pub const fn anyone() -> Self {
        Self { domain_id: None }
    }

    /// The account that owns what belongs to no project; empty where tagd knows no accounts.
    pub fn account(&self) -> &str {
        self.domain_id.as_deref().unwrap_or_default()
    }
}
