//! Paths as the log shows them: without what may be a secret in the wrong place.

use percent_encoding::percent_decode_str;

use crate::auth::random::{TOKEN_PREFIX, may_be_secret};

/// What identifiers of credentials follow.
const CREDENTIALS: [&str; 2] = ["/registry/v1/keys/", "/registry/v1/tokens/"];

/// A path for the log, cut before a secret that was sent where an identifier belongs, however it is escaped.
pub(super) fn shown(path: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let token = decoded.find(TOKEN_PREFIX).map(|at| at + TOKEN_PREFIX.len());
    let secret = CREDENTIALS.into_iter().filter_map(|before| {
        let at = decoded.find(before)? + before.len();
        let id = decoded.get(at..)?;
        may_be_secret(id.strip_suffix("/rotate").unwrap_or(id)).then_some(at)
    });
    match secret.chain(token).min().and_then(|at| decoded.get(..at)) {
        Some(begin) => format!("{begin}..."),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_cut_and_an_identifier_is_not() {
        let secret = "0123456789abcdefghijABCDEFGHIJ0123456789";
        for (path, cut) in [
            ("/v2/p/images/tagd_abc/tags".to_owned(), "/v2/p/images/tagd_..."),
            ("/v3/auth/%74agd%5Fabc".to_owned(), "/v3/auth/tagd_..."),
            ("/registry/v1/tokens/tagd_abc".to_owned(), "/registry/v1/tokens/..."),
            (format!("/registry/v1/keys/{secret}"), "/registry/v1/keys/..."),
            (format!("/registry/v1/%6beys/{secret}/rotate"), "/registry/v1/keys/..."),
            ("/registry/v1/keys/ab%2fcdefghijklmnop".to_owned(), "/registry/v1/keys/..."),
        ] {
            assert_eq!(shown(&path), cut, "{path}");
        }
        for path in [
            "/registry/v1/keys/TAGD0123456789ABCDEF/rotate",
            "/registry/v1/keys/MYACCESSKEY",
            "/registry/v1/tokens/0123456789ab",
            "/v2/p/images/0123456789-0123456789/tags/%ff%2F",
            "/registry/v1/types",
        ] {
            assert_eq!(shown(path), path);
        }
    }
}
