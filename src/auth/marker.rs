//! Markers of lists whose positions must not be readable: their numbers would show how much happens in other domains.

use std::fmt::{self, Write};

use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};

use crate::domain::RequestError;

/// The key by which markers are sealed.
pub struct MarkerKey {
    sealing: LessSafeKey,
    random: SystemRandom,
}

/// Without the key.
impl fmt::Debug for MarkerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MarkerKey")
    }
}

impl MarkerKey {
    /// A key of 32 bytes.
    pub fn new(secret: &[u8]) -> Result<Self, RequestError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, secret)
            .map_err(|_| RequestError::internal("the key of the markers must have 32 bytes"))?;
        Ok(Self { sealing: LessSafeKey::new(key), random: SystemRandom::new() })
    }

    /// A marker of a position in a list. Each has another nonce: markers of one position that were equal would show a reader
    /// whether anybody changed anything in between.
    pub fn seal(&self, list: &str, position: &[i64]) -> Result<String, RequestError> {
        let mut sealed: Vec<u8> = position.iter().flat_map(|number| number.to_be_bytes()).collect();
        let mut nonce = [0; NONCE_LEN];
        self.random
            .fill(&mut nonce)
            .map_err(|_| RequestError::internal("the system has no random bytes for a marker"))?;
        self.sealing
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(list.as_bytes()), &mut sealed)
            .map_err(|_| RequestError::internal("a marker cannot be sealed"))?;
        let mut text = String::with_capacity(2 * (NONCE_LEN + sealed.len()));
        for byte in nonce.iter().chain(&sealed) {
            // writing to a String cannot fail
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }

    /// The position of a marker; `None` if it is not one of this list.
    pub fn open<const N: usize>(&self, list: &str, marker: &str) -> Option<[i64; N]> {
        // as it was written, and from_str_radix would take a plus sign
        if !marker.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let bytes: Vec<u8> = (0..marker.len())
            .step_by(2)
            .map(|at| marker.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
            .collect::<Option<_>>()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = sealed.to_vec();
        let opened = self.sealing.open_in_place(nonce, Aad::from(list.as_bytes()), &mut buffer).ok()?;
        let (numbers, rest) = opened.as_chunks::<8>();
        if !rest.is_empty() {
            return None;
        }
        let numbers: Vec<i64> = numbers.iter().map(|bytes| i64::from_be_bytes(*bytes)).collect();
        numbers.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_opens_for_its_list_only() {
        let key = MarkerKey::new(&[7; 32]).unwrap();
        let marker = key.seal("feed", &[1, -2, i64::MAX]).unwrap();
        assert_eq!(key.open("feed", &marker), Some([1, -2, i64::MAX]));
        assert_ne!(key.seal("feed", &[1, -2, i64::MAX]).unwrap(), marker);
        assert_eq!(key.open::<3>("other", &marker), None);
        assert_eq!(key.open::<2>("feed", &marker), None);
        assert_eq!(MarkerKey::new(&[8; 32]).unwrap().open::<3>("feed", &marker), None);
        for at in 0..marker.len() {
            let mut changed = marker.clone();
            let digit = if marker.get(at..=at) == Some("0") { "1" } else { "0" };
            changed.replace_range(at..=at, digit);
            assert_eq!(key.open::<3>("feed", &changed), None, "{at}");
        }
        // other spellings of the same bytes
        assert_eq!(key.open::<3>("feed", &marker.to_uppercase()), None);
        let marker =
            (0..10_000).find_map(|_| key.seal("feed", &[1]).ok().filter(|marker| marker.starts_with('0'))).unwrap();
        assert_eq!(key.open("feed", &marker), Some([1]));
        assert_eq!(key.open::<1>("feed", &marker.replacen('0', "+", 1)), None);
        for wrong in ["", "0", "zz", "ä", "00112233445566778899aabb"] {
            assert_eq!(key.open::<3>("feed", wrong), None, "{wrong}");
        }
    }
}
