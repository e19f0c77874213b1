//! Requests that are signed with an access key and its secret key (AK/SK).
//!
//! Two forms are in use, both called `SDK-HMAC-SHA256`. The SDKs and Terraform send
//!
//! ```text
//! Authorization: SDK-HMAC-SHA256 Access=AK, SignedHeaders=content-type;host;x-sdk-date, Signature=64 hexadecimal digits
//! X-Sdk-Date: 20260102T030405Z
//! ```
//!
//! and use the secret key as it is. Open Telekom Cloud's Go client sends `Credential=AK/20260102///sdk_request`, with or
//! without a region and a service between the slashes, and derives a key from the secret key and these parts. Its requests
//! also differ in the order of the query and in white space within headers, and a POST without a body signs its query in
//! place of the body. If it sends a parameter twice, it only signs the first value; such a request is refused.
//!
//! A request may give the hash of its body in `X-Sdk-Content-Sha256`. Its signature can then be verified before the body is
//! read:
//!
//! 1. [`Signature::parse`] and [`Signature::check_time`], then look up the secret of [`Signature::access_key`].
//! 2. [`Signature::verify_head`]. If it returns what was signed of the body, read the body and let [`SignedBody::check`]
//!    compare their hashes.
//! 3. If it returns `None`, read the body and call [`Signature::verify`] with its hash.
//!
//! A signature does not cover headers that it does not name, among them `X-Project-Id` of some clients, nor whether a slash
//! in the path is escaped or the path ends with one. With `Credential`, it does not cover whether the parameters of a POST
//! are its query or its body.

mod authorization;
mod canonical;
mod date;
mod error;
mod hex;
mod request;

use std::fmt;

use ring::{digest, hmac};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use self::{
    authorization::{ALGORITHM, Authorization},
    canonical::QueryStyle,
    error::MAX_SKEW_MINUTES,
    request::single,
};
pub use self::{
    error::SignatureError,
    request::{Headers, Request},
};
use super::secret::{Secret, is_equal};

/// In place of a hash, of a body that is not signed.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The signature of a request, which is not verified yet.
pub struct Signature {
    authorization: Authorization,
    date: OffsetDateTime,
    /// The date as it was sent.
    date_text: String,
    /// `X-Sdk-Content-Sha256` as it was sent, and what it says.
    given_body: Option<(String, SignedBody)>,
}

/// What a valid signature says about the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedBody {
    /// It has this SHA-256.
    Hash([u8; 32]),
    /// Nothing. The operation accepts that.
    Unsigned,
}

/// What the last line of a canonical request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// No body.
    Empty,
    /// A body with this SHA-256.
    Body(&'a [u8; 32]),
    /// The value of `X-Sdk-Content-Sha256`.
    Given(&'a str),
}

impl Signature {
    /// Reads the headers; `None` if the request has no `Authorization` or one of another scheme.
    pub fn parse(headers: &impl Headers) -> Result<Option<Self>, SignatureError> {
        let Some(authorization) = single(headers, "Authorization")? else { return Ok(None) };
        let Some(authorization) = Authorization::parse(authorization)? else { return Ok(None) };
        let date_text = single(headers, "X-Sdk-Date")?.ok_or(SignatureError::MissingDate)?;
        let date_text = str::from_utf8(date_text).map_err(|_| SignatureError::MalformedDate)?;
        let date = date::parse(date_text).ok_or(SignatureError::MalformedDate)?;
        // both have been checked to have the same form
        if authorization.scope.as_ref().is_some_and(|scope| scope.get(..8) != date_text.get(..8)) {
            return Err(SignatureError::CredentialDate);
        }
        // the SDKs treat an empty header as none
        let given = single(headers, "X-Sdk-Content-Sha256")?.filter(|given| !given.is_empty());
        let given_body = given.map(read_content_hash).transpose()?;
        Ok(Some(Self { authorization, date, date_text: date_text.to_owned(), given_body }))
    }

    /// The access key that the request claims to be signed with.
    pub fn access_key(&self) -> &str {
        &self.authorization.access_key
    }

    /// Whether the date of the request is within 15 minutes of now.
    pub fn check_time(&self, now: OffsetDateTime) -> Result<(), SignatureError> {
        let is_near = (now - self.date).abs() <= Duration::minutes(MAX_SKEW_MINUTES);
        if is_near { Ok(()) } else { Err(SignatureError::Skew { now: date::format(now) }) }
    }

    /// Verifies the signature before the body is read. The body is then left to check, by [`SignedBody::check`].
    ///
    /// `None` if the request does not give the hash of its body: nothing is verified, since the body is needed for it.
    pub fn verify_head<H: Headers>(
        &self,
        secret: &Secret,
        request: &Request<'_, H>,
    ) -> Result<Option<SignedBody>, SignatureError> {
        let Some((given, body)) = &self.given_body else { return Ok(None) };
        let key = self.key(secret);
        if self.is_signed(&key, request, Content::Given(given))? {
            if *body == SignedBody::Unsigned {
                self.check_unsigned(request)?;
            }
            Ok(Some(*body))
        } else if self.is_signed(&key, request, Content::Empty)? {
            // an empty body is signed as such, whatever the header says
            Ok(Some(SignedBody::Hash(sha256(b""))))
        } else {
            Err(SignatureError::Mismatch)
        }
    }

    /// Verifies the signature and that the body, of which this is the SHA-256, is what was signed.
    pub fn verify<H: Headers>(
        &self,
        secret: &Secret,
        request: &Request<'_, H>,
        body: &[u8; 32],
    ) -> Result<(), SignatureError> {
        if let Some(signed) = self.verify_head(secret, request)? {
            return signed.check(body);
        }
        let content = if *body == sha256(b"") { Content::Empty } else { Content::Body(body) };
        if self.is_signed(&self.key(secret), request, content)? { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    /// The canonical request: what is signed, apart from date and scope.
    pub fn canonical_request<H: Headers>(
        &self,
        request: &Request<'_, H>,
        content: Content<'_>,
    ) -> Result<Vec<u8>, SignatureError> {
        let is_scoped = self.authorization.scope.is_some();
        let query_is_body = is_scoped && content == Content::Empty && request.method == "POST";
        let mut text = Vec::with_capacity(1024);
        text.extend(request.method.as_bytes());
        text.push(b'\n');
        canonical::push_path(&mut text, request.path);
        text.push(b'\n');
        if !query_is_body {
            let style = if is_scoped { QueryStyle::SortedWithoutCase } else { QueryStyle::Sorted };
            canonical::push_query(&mut text, request.query, style);
        }
        text.push(b'\n');
        for name in self.authorization.names() {
            let value = single(request.headers, name)?.ok_or_else(|| SignatureError::NotSent(name.to_owned()))?;
            text.extend(name.as_bytes());
            text.push(b':');
            if is_scoped {
                canonical::push_collapsed(&mut text, value);
            } else {
                text.extend(value);
            }
            text.push(b'\n');
        }
        text.push(b'\n');
        text.extend(self.authorization.signed_headers.as_bytes());
        text.push(b'\n');
        match content {
            Content::Given(given) => text.extend(given.as_bytes()),
            Content::Body(body) => hex::push(&mut text, body),
            Content::Empty => {
                let mut body = Vec::new();
                if query_is_body {
                    canonical::push_query(&mut body, request.query, QueryStyle::Form);
                }
                hex::push(&mut text, &sha256(&body));
            }
        }
        Ok(text)
    }

    /// The text that the signature is computed from.
    pub fn string_to_sign(&self, canonical_request: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(256);
        for line in [Some(ALGORITHM), Some(&self.date_text), self.authorization.scope.as_deref()].into_iter().flatten()
        {
            text.extend(line.as_bytes());
            text.push(b'\n');
        }
        hex::push(&mut text, &sha256(canonical_request));
        text
    }

    /// Whether this is the signature of the request with this content.
    fn is_signed<H: Headers>(
        &self,
        key: &hmac::Key,
        request: &Request<'_, H>,
        content: Content<'_>,
    ) -> Result<bool, SignatureError> {
        let text = self.string_to_sign(&self.canonical_request(request, content)?);
        // takes the same time wherever the signature differs
        Ok(hmac::verify(key, &text, &self.authorization.signature).is_ok())
    }

    /// The secret itself, or derived from it: by the date, with the result by the region, and so on.
    fn key(&self, secret: &Secret) -> hmac::Key {
        let new = |secret: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
        let Some(scope) = &self.authorization.scope else { return new(secret.expose()) };
        let first = Zeroizing::new([b"SDK", secret.expose()].concat());
        scope.split('/').fold(new(&first), |key, part| new(hmac::sign(&key, part.as_bytes()).as_ref()))
    }

    /// Whether a body that is not signed is accepted.
    ///
    /// The SDKs sign every JSON body. If the type of the body were not signed, it could be changed to JSON.
    fn check_unsigned<H: Headers>(&self, request: &Request<'_, H>) -> Result<(), SignatureError> {
        if !request.may_be_unsigned {
            return Err(SignatureError::UnsignedBody);
        }
        let is_signed = self.authorization.names().any(|name| name == "content-type");
        let content_type = single(request.headers, "Content-Type")?.unwrap_or_default();
        let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if !is_signed || media_type.is_empty() || media_type.eq_ignore_ascii_case(b"application/json") {
            return Err(SignatureError::UnsignedJson);
        }
        Ok(())
    }
}

/// Without the signature itself: anyone who has it can send the request again.
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature")
            .field("access_key", &self.authorization.access_key)
            .field("date", &self.date_text)
            .field("signed_headers", &self.authorization.signed_headers)
            .finish_non_exhaustive()
    }
}

impl SignedBody {
    /// Whether a body with this SHA-256 is the one that was signed.
    pub fn check(&self, hash: &[u8; 32]) -> Result<(), SignatureError> {
        match self {
            Self::Hash(signed) if !is_equal(signed, hash) => Err(SignatureError::Body),
            Self::Hash(_) | Self::Unsigned => Ok(()),
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// `X-Sdk-Content-Sha256`. It is signed as it was sent, so its text is kept.
fn read_content_hash(text: &[u8]) -> Result<(String, SignedBody), SignatureError> {
    let body = match hex::read(text) {
        Some(hash) => SignedBody::Hash(hash),
        None if text == UNSIGNED.as_bytes() => SignedBody::Unsigned,
        None => return Err(SignatureError::ContentHash),
    };
    let text = str::from_utf8(text).map_err(|_| SignatureError::ContentHash)?;
    Ok((text.to_owned(), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The headers of a request, as a test writes them.
    #[derive(Debug)]
    struct Sent(Vec<(&'static str, String)>);

    impl Headers for Sent {
        fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
            self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_bytes())
        }
    }

    const FORM_A: &str = "Access=AK, SignedHeaders=x-sdk-date";
    const FORM_B: &str = "Credential=AK/20260102///sdk_request, SignedHeaders=x-sdk-date";

    fn sent(fields: &str, date: &str) -> Sent {
        let authorization = format!("SDK-HMAC-SHA256 {fields}, Signature={}", "0123456789abcdef".repeat(4));
        Sent(vec![("Authorization", authorization), ("X-Sdk-Date", date.to_owned())])
    }

    fn error(headers: &Sent) -> String {
        Signature::parse(headers).unwrap_err().to_string()
    }

    #[test]
    fn a_request_without_a_signature_is_left_to_others() {
        assert!(Signature::parse(&Sent(Vec::new())).unwrap().is_none());
        let token = Sent(vec![("Authorization", "Bearer abc".to_owned())]);
        assert!(Signature::parse(&token).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_with_a_header_is_said() {
        for date in ["", "20260102T030460Z"] {
            let wrong = "X-Sdk-Date: must be a UTC time of the form 20260102T030405Z";
            assert_eq!(error(&sent(FORM_A, date)), wrong, "{date}");
        }
        let wrong = "Authorization: the date in Credential must be that of X-Sdk-Date";
        assert_eq!(error(&sent(FORM_B, "20260103T000000Z")), wrong);
        let mut headers = sent(FORM_A, "20260102T030405Z");
        headers.0.push(("X-Sdk-Content-Sha256", "UNSIGNED".to_owned()));
        assert_eq!(error(&headers), "X-Sdk-Content-Sha256: must be 64 hexadecimal digits or UNSIGNED-PAYLOAD");
        for name in ["X-Sdk-Content-Sha256", "X-Sdk-Date", "Authorization"] {
            headers.0.push((name, String::new()));
            assert_eq!(error(&headers), format!("{name}: must be sent only once"));
        }
        headers.0.retain(|(name, _)| *name == "Authorization");
        headers.0.pop();
        assert_eq!(error(&headers), "X-Sdk-Date: is required");
    }

    #[test]
    fn debug_shows_who_signed_and_not_the_signature() {
        let shown = format!("{:?}", Signature::parse(&sent(FORM_B, " 20260102T030405Z\t")).unwrap().unwrap());
        assert_eq!(
            shown,
            r#"Signature { access_key: "AK", date: "20260102T030405Z", signed_headers: "x-sdk-date", .. }"#
        );
    }
}
