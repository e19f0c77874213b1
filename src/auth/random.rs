//! Random texts: access keys, secrets and tokens.

use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};

use super::secret::{Secret, is_equal};
use crate::domain::RequestError;

/// What every token of tagd begins with, so that secret scanners and people recognise one.
pub const TOKEN_PREFIX: &str = "tagd_";
/// What every access key that tagd makes up begins with.
const KEY_PREFIX: &str = "TAGD";
/// Characters of the rest of such an access key.
const KEY_LENGTH: usize = 16;

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of the part of a token that is no secret, by which its row is found.
const ID_LENGTH: usize = 12;
/// Characters of its secret part: 190 bits.
const SECRET_LENGTH: usize = 32;
/// Characters of its checksum.
const CHECK_LENGTH: usize = 6;

/// Minimum number of characters of a secret of a key, also of one that is brought along. Who reads a signed request can try out
/// shorter ones.
pub const MIN_SECRET_LENGTH: usize = 16;

/// Random letters and digits. Of the 62 characters each is equally likely.
fn letters(count: usize) -> Result<String, RequestError> {
    let random = SystemRandom::new();
    let mut text = String::with_capacity(count);
    let mut bytes = [0; 64];
    while text.len() < count {
        random.fill(&mut bytes).map_err(|_| RequestError::internal("the system has no random numbers"))?;
        // 248 is the largest multiple of 62 in a byte; larger ones would favour some characters
        let usable = bytes.iter().filter(|byte| **byte < 248);
        let drawn = usable.filter_map(|byte| LETTERS.get(usize::from(byte % 62)));
        text.extend(drawn.take(count - text.len()).map(|byte| char::from(*byte)));
    }
    Ok(text)
}

/// A new access key, which is no secret.
pub fn new_access_key() -> Result<String, RequestError> {
    Ok(format!("{KEY_PREFIX}{}", letters(KEY_LENGTH)?.to_ascii_uppercase()))
}

/// A new secret of a key.
pub fn new_secret() -> Result<Secret, RequestError> {
    Ok(Secret::new(letters(40)?))
}

/// A new token and its identifier.
pub fn new_token() -> Result<(String, Secret), RequestError> {
    let id = letters(ID_LENGTH)?;
    let token = new_token_of(&id)?;
    Ok((id, token))
}

/// Another token with the same identifier.
pub fn new_token_of(id: &str) -> Result<Secret, RequestError> {
    let body = format!("{TOKEN_PREFIX}{id}{}", letters(SECRET_LENGTH)?);
    let check = check_of(&body);
    Ok(Secret::new(format!("{body}{check}")))
}

/// The identifier of a token of tagd; `None` for another text, or one with a typing error.
pub fn token_id(token: &str) -> Option<&str> {
    let (body, check) = token.split_at_checked(TOKEN_PREFIX.len() + ID_LENGTH + SECRET_LENGTH)?;
    if check.len() != CHECK_LENGTH || check != check_of(body) {
        return None;
    }
    body.strip_prefix(TOKEN_PREFIX)?.get(..ID_LENGTH)
}

/// Whether a text that was given as the identifier of a credential may be a secret instead, and is not to be shown. It is none if
/// it is shorter than any secret, or has the form of an access key that tagd makes up.
pub fn may_be_secret(text: &str) -> bool {
    let made_up = text.strip_prefix(KEY_PREFIX).is_some_and(|rest| {
        rest.len() == KEY_LENGTH && rest.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    });
    text.contains(TOKEN_PREFIX) || (text.len() >= MIN_SECRET_LENGTH && !made_up)
}

/// Six characters by which a token with a typing error is told apart from a revoked one without a look-up. They protect
/// nothing.
fn check_of(body: &str) -> String {
    let hash = digest(&SHA256, body.as_bytes());
    let letters = hash.as_ref().iter().filter_map(|byte| LETTERS.get(usize::from(byte % 62)));
    letters.take(CHECK_LENGTH).map(|byte| char::from(*byte)).collect()
}

/// What is kept of a token. It is random, so a plain hash cannot be searched.
pub fn hash_of(token: &[u8]) -> Vec<u8> {
    digest(&SHA256, token).as_ref().to_vec()
}

/// Whether this is what is kept of a token.
pub fn is_hash_of(token: &[u8], kept: &[u8]) -> bool {
    is_equal(&hash_of(token), kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_identifier_and_no_typing_error() {
        let (id, token) = new_token().unwrap();
        let token = String::from_utf8(token.expose().to_vec()).unwrap();
        assert_eq!((token.len(), token_id(&token)), (55, Some(id.as_str())));
        for i in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[i] = if bytes[i] == b'x' { b'y' } else { b'x' };
            assert_eq!(token_id(str::from_utf8(&bytes).unwrap()), None, "{i}");
        }
        assert_eq!(token_id(&token[..54]), None);
        assert_eq!(token_id(&format!("{token}x")), None);
        assert_eq!(token_id("ä".repeat(60).as_str()), None);
    }

    #[test]
    fn what_may_be_a_secret_is_no_identifier_that_tagd_makes_up() {
        let (id, token) = new_token().unwrap();
        for id in [&*id, &new_access_key().unwrap(), "MYACCESSKEY", ""] {
            assert!(!may_be_secret(id), "{id}");
        }
        let text = |secret: &Secret| String::from_utf8(secret.expose().to_vec()).unwrap();
        for secret in
            [&*text(&token), &text(&new_secret().unwrap()), "x tagd_", "TAGD0123456789abcdef", "sixteen characte"]
        {
            assert!(may_be_secret(secret), "{secret}");
        }
    }

    #[test]
    fn random_texts_differ() {
        assert_ne!(new_access_key().unwrap(), new_access_key().unwrap());
        assert_eq!(new_access_key().unwrap().len(), 20);
        assert_ne!(new_secret().unwrap().expose(), new_secret().unwrap().expose());
    }
}
