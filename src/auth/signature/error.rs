//! Why a signature is refused, without the secret and without what would have been right.

/// The longest `Authorization`, in bytes. Those of the SDKs have about 200.
pub(super) const MAX_AUTHORIZATION: usize = 8192;
/// The longest access key, in bytes.
pub(super) const MAX_ACCESS_KEY: usize = 128;
/// How long before and after its date a request is accepted. The cloud's own gateway has the same limit.
pub(super) const MAX_SKEW_MINUTES: i64 = 15;

/// A request is not signed as it should be. The text names the header, and is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header that may only be sent once was sent several times.
    #[error("{0}: must be sent only once")]
    Repeated(String),
    /// A signed request has no time.
    #[error("X-Sdk-Date: is required")]
    MissingDate,
    /// `X-Sdk-Date` is not a time.
    #[error("X-Sdk-Date: must be a UTC time of the form 20260102T030405Z")]
    MalformedDate,
    /// The request is too old, or from the future.
    #[error("X-Sdk-Date: must be at most {MAX_SKEW_MINUTES} minutes from the time of the server, which is {now}")]
    Skew {
        /// The time of the server, in the form of the header.
        now: String,
    },
    /// `Authorization` is too long.
    #[error("Authorization: must be at most {MAX_AUTHORIZATION} bytes, got {0}")]
    TooLong(usize),
    /// `Authorization` has bytes that are not ASCII.
    #[error("Authorization: must be ASCII")]
    NotAscii,
    /// A field of `Authorization` has another name than those that are known, or no `=`.
    #[error("Authorization: unknown field, expected Access or Credential, SignedHeaders and Signature")]
    UnknownField,
    /// A field of `Authorization` is missing.
    #[error("Authorization: {0} is required")]
    MissingField(&'static str),
    /// A field of `Authorization` is there twice.
    #[error("Authorization: duplicate {0}")]
    DuplicateField(&'static str),
    /// Both forms of signature at once.
    #[error("Authorization: must have either Access or Credential, not both")]
    BothForms,
    /// The access key cannot be one.
    #[error("Authorization: the access key must have between 1 and {MAX_ACCESS_KEY} visible ASCII characters")]
    AccessKey,
    /// `Credential` does not have its five parts.
    #[error("Authorization: Credential must be of the form access_key/date/region/service/sdk_request")]
    Credential,
    /// The date in `Credential` is that of another day.
    #[error("Authorization: the date in Credential must be that of X-Sdk-Date")]
    CredentialDate,
    /// `SignedHeaders` is not a sorted list of names.
    #[error("Authorization: SignedHeaders must be different names in lower case, sorted and separated by semicolons")]
    SignedHeaders,
    /// The time of the request is not signed.
    #[error("Authorization: SignedHeaders must contain x-sdk-date")]
    UnsignedDate,
    /// `Signature` is not the text of a signature.
    #[error("Authorization: Signature must be 64 hexadecimal digits in lower case")]
    Signature,
    /// A header is named in `SignedHeaders` but is not there.
    #[error("{0}: is named in SignedHeaders but was not sent")]
    NotSent(String),
    /// `X-Sdk-Content-Sha256` is not the text of a hash.
    #[error("X-Sdk-Content-Sha256: must be 64 hexadecimal digits or UNSIGNED-PAYLOAD")]
    ContentHash,
    /// The body is not what was signed.
    #[error("X-Sdk-Content-Sha256: is not the SHA-256 of the body")]
    Body,
    /// The body is not signed, but has to be.
    #[error("X-Sdk-Content-Sha256: UNSIGNED-PAYLOAD is not accepted for this request")]
    UnsignedBody,
    /// The body is not signed, but may be JSON.
    #[error("Content-Type: must be signed and not application/json if X-Sdk-Content-Sha256 is UNSIGNED-PAYLOAD")]
    UnsignedJson,
    /// Another secret, or another request, or nobody has the access key: which of them is not told.
    #[error("Authorization: the access key is unknown, or the signature does not match the request")]
    Mismatch,
}
