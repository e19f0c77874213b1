//! The request as it was sent: what a signature is checked against.

use super::error::SignatureError;

/// The headers of a request.
pub trait Headers {
    /// Every value of a header, in the order in which they were sent. Names are compared without case. Values have no line
    /// breaks, and `Host` is what HTTP/2 sends as `:authority`.
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]>;
}

/// A request without its body.
pub struct Request<'a, H> {
    /// The method as it was sent.
    pub method: &'a str,
    /// The path as it was sent, with its escapes.
    pub path: &'a str,
    /// The query as it was sent, without the question mark; empty if there is none.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a H,
    /// Whether this operation accepts a body that is not signed.
    pub may_be_unsigned: bool,
}

/// The value of a header that may be sent once, without outer white space.
pub(super) fn single<'a>(headers: &'a impl Headers, name: &str) -> Result<Option<&'a [u8]>, SignatureError> {
    let mut values = headers.values(name);
    let first = values.next();
    if values.next().is_some() {
        return Err(SignatureError::Repeated(name.to_owned()));
    }
    Ok(first.map(<[u8]>::trim_ascii))
}
