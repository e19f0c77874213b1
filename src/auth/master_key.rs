//! The master key, with which the secrets of keys are sealed: whoever has only the database cannot read them.

use std::fmt::{self, Write};

use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};

use super::Secret;
use crate::domain::RequestError;

/// Bytes of a master key.
const KEY_LENGTH: usize = 32;
/// Bytes of the name of a master key in a sealed secret.
const NAME_LENGTH: usize = 4;

/// Master keys: the first seals, all open.
pub struct MasterKeys {
    keys: Vec<([u8; NAME_LENGTH], LessSafeKey)>,
}

/// Names only.
impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(name, _)| name)).finish()
    }
}

/// Why a text has no master keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// It has none.
    #[error("has no key, must have at least one of 64 hexadecimal digits, such as `openssl rand -hex 32` prints")]
    Empty,
    /// A line is wrong.
    #[error("line {0}: must be 64 hexadecimal digits, such as `openssl rand -hex 32` prints")]
    Line(usize),
}

impl MasterKeys {
    /// Reads keys of 64 hexadecimal digits, one a line. The first seals; older ones follow for as long as secrets that they
    /// sealed are there.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let mut keys = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bytes = bytes_of(line).ok_or(MasterKeyError::Line(i + 1))?;
            let mut name = [0; NAME_LENGTH];
            for (to, from) in name.iter_mut().zip(digest(&SHA256, &bytes).as_ref()) {
                *to = *from;
            }
            let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| MasterKeyError::Line(i + 1))?;
            keys.push((name, LessSafeKey::new(key)));
        }
        if keys.is_empty() { Err(MasterKeyError::Empty) } else { Ok(Self { keys }) }
    }

    /// A new key, as [`parse`](Self::parse) reads it.
    pub fn generate() -> Result<Secret, RequestError> {
        let mut bytes = [0; KEY_LENGTH];
        fill(&mut bytes)?;
        let mut text = String::with_capacity(2 * KEY_LENGTH);
        for byte in bytes {
            // writing to a String cannot fail
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Secret::new(text))
    }

    /// Seals the secret of a key, which can only be opened for the same key.
    pub fn seal(&self, access_key: &str, secret: &Secret) -> Result<Vec<u8>, RequestError> {
        let refused = || RequestError::internal("the secret cannot be sealed");
        let (name, key) = self.keys.first().ok_or_else(refused)?;
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce)?;
        let mut sealed = secret.expose().to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(access_key.as_bytes()),
            &mut sealed,
        )
        .map_err(|_| refused())?;
        Ok([name.as_slice(), &nonce, &sealed].concat())
    }

    /// Opens the sealed secret of a key; `None` if none of the master keys has sealed it, or it was changed.
    pub fn open(&self, access_key: &str, sealed: &[u8]) -> Option<Secret> {
        let (name, rest) = sealed.split_at_checked(NAME_LENGTH)?;
        let (nonce, rest) = rest.split_at_checked(NONCE_LEN)?;
        let (_, key) = self.keys.iter().find(|(known, _)| known == name)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = rest.to_vec();
        let secret = key.open_in_place(nonce, Aad::from(access_key.as_bytes()), &mut buffer).ok()?;
        Some(Secret::new(secret.to_vec()))
    }

    /// Whether a secret is sealed with the first key.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        self.keys.first().is_some_and(|(name, _)| sealed.starts_with(name))
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), RequestError> {
    SystemRandom::new().fill(bytes).map_err(|_| RequestError::internal("the system has no random numbers"))
}

fn bytes_of(hex: &str) -> Option<[u8; KEY_LENGTH]> {
    let mut bytes = [0; KEY_LENGTH];
    // also since from_str_radix would take a plus sign
    if hex.len() != 2 * KEY_LENGTH || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: u8) -> String {
        format!("{key:02x}").repeat(KEY_LENGTH)
    }

    #[test]
    fn a_secret_is_opened_for_its_key_only_and_by_an_older_master_key_too() {
        let old = MasterKeys::parse(&text(1)).unwrap();
        let sealed = old.seal("AK", &Secret::new("SK")).unwrap();
        assert!(!sealed.windows(2).any(|two| two == b"SK"));
        let both = MasterKeys::parse(&format!("# rotated\n{}\n\n {} \n", text(2), text(1))).unwrap();
        assert_eq!(both.open("AK", &sealed).unwrap().expose(), b"SK");
        assert!(!both.is_current(&sealed));
        assert!(both.is_current(&both.seal("AK", &Secret::new("SK")).unwrap()));
        assert!(both.open("AL", &sealed).is_none());
        assert!(MasterKeys::parse(&text(2)).unwrap().open("AK", &sealed).is_none());
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert!(both.open("AK", &changed).is_none(), "{i}");
            assert!(both.open("AK", &sealed[..i]).is_none(), "{i}");
        }
    }

    #[test]
    fn what_is_no_master_key_is_refused_by_its_line() {
        assert_eq!(MasterKeys::parse(" \n# none\n").unwrap_err(), MasterKeyError::Empty);
        assert_eq!(MasterKeys::parse(&format!("{}\nabc", text(1))).unwrap_err(), MasterKeyError::Line(2));
        assert_eq!(MasterKeys::parse(&"é".repeat(32)).unwrap_err(), MasterKeyError::Line(1));
        assert!(MasterKeys::parse(str::from_utf8(MasterKeys::generate().unwrap().expose()).unwrap()).is_ok());
    }
}
