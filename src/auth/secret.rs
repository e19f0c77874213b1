//! A secret that is not printed by accident and does not stay in memory.

use std::fmt;

use zeroize::Zeroizing;

/// The secret key of an access key, or another secret that a request proves to know.
///
/// It cannot be displayed or compared, `Debug` shows nothing of it, and its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// From its bytes, which are not copied.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// Its bytes, for a computation that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Whether two texts are equal. The comparison takes the same time wherever they differ.
pub fn is_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_in_what_debug_prints() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{:?}", Some(&secret)), "Some(Secret(..))");
        assert_eq!(secret.clone().expose(), b"hunter2");
    }

    #[test]
    fn texts_are_equal_if_every_byte_is() {
        assert!(is_equal(b"", b"") && is_equal(b"hunter2", b"hunter2"));
        for other in [&b""[..], b"hunter", b"hunter22", b"Hunter2", b"hunter3"] {
            assert!(!is_equal(b"hunter2", other), "{other:?}");
        }
    }
}
