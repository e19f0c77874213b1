//! Credentials that tagd issues: keys, which sign requests, and tokens, which are sent with them.

use super::{
    Rights,
    charset::is_invisible,
    error::{FieldKind, RequestError},
    limits::check_length,
    reason,
};

/// A kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// An access key with a secret, by which requests are signed.
    Key,
    /// A token.
    Token,
}

impl CredentialKind {
    /// The name in messages and paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Token => "token",
        }
    }

    /// The number in the database.
    pub fn number(self) -> i16 {
        match self {
            Self::Key => 0,
            Self::Token => 1,
        }
    }
}

/// A credential, without what is secret about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Identifier: of a key the access key, of a token the part that is no secret.
    pub id: String,
    /// Kind.
    pub kind: CredentialKind,
    /// Name, as the log shows it.
    pub name: String,
    /// What it allows.
    pub rights: Rights,
    /// Whether a request must send a security token too.
    pub is_temporary: bool,
    /// The key or token that a token was issued for; `None` for one that was created by itself.
    pub issued_for: Option<String>,
    /// The key or token that a token of the identity API goes back to, through all that it was issued for; also a key of the
    /// settings.
    pub root_id: Option<String>,
    /// When it was created, in seconds since 1970.
    pub created_at: i64,
    /// When it ends, in seconds since 1970; `None` for never.
    pub expires_at: Option<i64>,
    /// When it was last used, to the minute, in seconds since 1970; `None` for never.
    pub last_used_at: Option<i64>,
}

/// Checks a name by which changes are recorded.
pub fn check_name(field: &str, name: &str, most: usize) -> Result<(), RequestError> {
    let invalid = |reason: String| Err(RequestError::invalid(FieldKind::General, field, reason));
    if name.trim().is_empty() {
        return invalid(reason::EMPTY.to_owned());
    }
    check_length(FieldKind::General, field, name, most)?;
    if name.starts_with("cli:") {
        return invalid("must not begin with cli:, as the names of commands do in the history".to_owned());
    }
    match name.chars().find(|c| is_invisible(*c)) {
        None => Ok(()),
        Some(c) => invalid(format!("must not contain invisible characters, got U+{:04X}", u32::from(c))),
    }
}

/// What the database keeps of the secret part of a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// Of a key its sealed secret, of a token its hash.
    pub secret: Vec<u8>,
    /// Hash of the security token of a temporary key.
    pub security_token: Option<Vec<u8>>,
}

/// Without the secret.
impl std::fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredSecret")
    }
}
