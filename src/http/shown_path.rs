//! Paths and methods as the log shows them: without what may be a secret in the wrong place.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::auth::random::{TOKEN_PREFIX, may_be_secret};

/// What is before the kind of a credential and its identifier.
const BEFORE: [&str; 2] = ["registry", "v1"];

/// The kinds of credentials.
const KINDS: [&str; 2] = ["keys", "tokens"];

/// How often a path is decoded. Nobody escapes one more than twice by mistake.
const DECODED: usize = 8;

/// A path for the log, cut before a secret that was sent where an identifier belongs, however it is escaped, and even if it is
/// sent to a path that does not exist because of an empty segment, a space or another case.
pub(super) fn shown(path: &str) -> String {
    let mut plain = Cow::Borrowed(path);
    for _ in 0..DECODED {
        // in each form: some of a secret of one's own may look like an escape
        if let Some(kind) = kind_before_secret(&plain) {
            return format!("/registry/v1/{kind}/...");
        }
        let next = plain.contains('%').then(|| decoded(&plain).into_owned()).filter(|next| *next != *plain);
        let Some(next) = next else {
            let begin = plain.split_once(TOKEN_PREFIX).map(|(begin, _)| begin);
            return begin.map_or_else(|| path.to_owned(), |begin| format!("{begin}{TOKEN_PREFIX}..."));
        };
        plain = next.into();
    }
    "...".to_owned()
}

/// A method for the log. Those that exist are shorter than any secret.
pub(super) fn shown_method(method: &str) -> &str {
    if may_be_secret(method) { "..." } else { method }
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// The kind of the credential whose identifier may be a secret in a path, if it may.
fn kind_before_secret(path: &str) -> Option<&'static str> {
    let (mut depth, mut is_before) = (0_usize, [false; BEFORE.len()]);
    let mut rest = path;
    while let Some((segment, behind)) = rest.split_once(['/', '\\']) {
        rest = behind;
        let segment = if segment.contains('%') { decoded(segment) } else { segment.into() };
        match segment.trim() {
            "" | "." => {}
            ".." => depth = depth.saturating_sub(1),
            segment => {
                let is_named = |name: &str| segment.eq_ignore_ascii_case(name);
                if let Some((before, name)) = is_before.get_mut(depth).zip(BEFORE.get(depth)) {
                    *before = is_named(name);
                } else if depth == BEFORE.len()
                    && is_before == [true; BEFORE.len()]
                    && let Some(kind) = KINDS.into_iter().find(|kind| is_named(kind))
                    && is_secret(rest)
                {
                    return Some(kind);
                }
                depth += 1;
            }
        }
    }
    None
}

/// Whether what follows the kind of a credential may be a secret.
fn is_secret(rest: &str) -> bool {
    let segments = rest.split('/').filter(|segment| !matches!(*segment, "" | "."));
    let rest = segments.fold(String::new(), |path, segment| path + "/" + segment);
    let id = rest.strip_prefix('/').unwrap_or(&rest);
    may_be_secret(id.strip_suffix("/rotate").unwrap_or(id))
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
            (format!("/registry/v1/types/../keys/{secret}"), "/registry/v1/keys/..."),
            (format!("/v2/../registry/v1/x/%2e%2E/tokens/{secret}"), "/registry/v1/tokens/..."),
            (format!("/registry/v1/keys/{secret}/../../types"), "/registry/v1/keys/..."),
            (format!("/Registry/v1/KEYS/{secret}"), "/registry/v1/keys/..."),
            (format!("/registry/v1/keys%20/{secret}"), "/registry/v1/keys/..."),
            (format!("/registry/v1\\keys\\{secret}"), "/registry/v1/keys/..."),
            ("/registry/v1/keys/ab%41cdefghijklmn".to_owned(), "/registry/v1/keys/..."),
            ("/registry/v1/k%65ys/ab%41cdefghijklmn".to_owned(), "/registry/v1/keys/..."),
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
            "/registry/v1/projects/keys/types/images/resources/r",
            "/v2/registry/v1/keys/0123456789-0123456789",
        ] {
            assert_eq!(shown(path), path);
        }
    }

    #[test]
    fn a_method_is_shown_unless_it_may_be_a_secret() {
        for method in ["GET", "VERSION-CONTROL", "x"] {
            assert_eq!(shown_method(method), method);
        }
        for method in ["tagd_abc", "0123456789abcdefghijABCDEFGHIJ0123456789"] {
            assert_eq!(shown_method(method), "...");
        }
    }
}
