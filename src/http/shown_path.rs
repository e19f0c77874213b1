//! Paths as the log shows them: without what may be a secret in the wrong place.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::auth::random::{TOKEN_PREFIX, may_be_secret};

/// What identifiers of credentials follow.
const CREDENTIALS: [&str; 2] = ["/registry/v1/keys/", "/registry/v1/tokens/"];

/// How often a path is decoded. Nobody escapes one more than twice by mistake.
const DECODED: usize = 8;

/// A path for the log, cut before a secret that was sent where an identifier belongs, however it is escaped, and even if it is
/// sent to a path that does not exist because of an empty segment.
pub(super) fn shown(path: &str) -> String {
    let Some(plain) = plain(path) else { return "...".to_owned() };
    let token = plain.find(TOKEN_PREFIX).map(|at| at + TOKEN_PREFIX.len());
    let secret = CREDENTIALS.into_iter().filter_map(|before| {
        let at = plain.find(before)? + before.len();
        let id = plain.get(at..)?;
        may_be_secret(id.strip_suffix("/rotate").unwrap_or(id)).then_some(at)
    });
    match secret.chain(token).min().and_then(|at| plain.get(..at)) {
        Some(begin) => format!("{begin}..."),
        None => path.to_owned(),
    }
}

/// A path without escapes and without segments that say nothing; `None` if it is escaped too often.
fn plain(path: &str) -> Option<Cow<'_, str>> {
    // nearly every path
    if !path.contains('%') && !path.contains("//") && !path.contains("/./") {
        return Some(path.into());
    }
    let mut plain = path.to_owned();
    for _ in 0..DECODED {
        let decoded = percent_decode_str(&plain).decode_utf8_lossy();
        if decoded == plain {
            let segments = plain.split('/').filter(|segment| !matches!(*segment, "" | "."));
            return Some(segments.fold(String::new(), |path, segment| path + "/" + segment).into());
        }
        plain = decoded.into_owned();
    }
    None
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
            ("/v2/%2574agd_abc".to_owned(), "/v2/tagd_..."),
            ("/v2/%25252574agd%25255fabc".to_owned(), "/v2/tagd_..."),
            (format!("/v2/%{}74agd_abc", "25".repeat(100)), "..."),
            (format!("/registry/v1//keys/{secret}"), "/registry/v1/keys/..."),
            (format!("//registry/./v1/keys%2F%252F{secret}//rotate/"), "/registry/v1/keys/..."),
        ] {
            assert_eq!(shown(&path), cut, "{path}");
        }
        for path in [
            "/registry/v1/keys/TAGD0123456789ABCDEF/rotate",
            "/registry/v1/keys/MYACCESSKEY",
            "/registry/v1/tokens/0123456789ab",
            "/v2/p/images/0123456789-0123456789/tags/%ff%2F",
            "/registry/v1/types",
            "//registry/v1//keys/./MYACCESSKEY/",
            "/v2/p/images/a%2525b/tags",
        ] {
            assert_eq!(shown(path), path);
        }
    }
}
