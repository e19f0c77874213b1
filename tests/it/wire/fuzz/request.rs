//! A request as bytes: what it says, how it is framed, and whether the server owes it an answer.

use crate::support::Dice;

/// How the end of a body is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By its length; without a body by nothing.
    Length,
    /// In chunks.
    Chunked,
    /// By headers that the request has already, or not at all.
    Given,
}

/// What the server owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    /// A whole answer: the request is HTTP as RFC 9112 has it.
    Answer,
    /// An answer or the end of the connection.
    AnswerOrEnd,
    /// Nothing: the client hangs up at once.
    Nothing,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: Vec<u8>,
    pub version: &'static str,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub framing: Framing,
    pub owed: Owed,
    /// Bytes that are put in the place of the whole request.
    pub raw: Option<Vec<u8>>,
}

/// Chooses one.
pub fn one<'a, T: ?Sized>(dice: &mut Dice, from: &[&'a T]) -> &'a T {
    from[dice.roll(from.len())]
}

/// Whether something that happens once in so many times happens now.
pub fn chance(dice: &mut Dice, once_in: usize) -> bool {
    dice.roll(once_in) == 0
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.as_bytes().to_vec(),
            version: "HTTP/1.1",
            headers: vec![("Host".to_owned(), b"localhost".to_vec())],
            body: Vec::new(),
            framing: Framing::Length,
            owed: Owed::Answer,
            raw: None,
        }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.set(name, value);
        self
    }

    /// The same with a body of a type.
    #[must_use]
    pub fn with_body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut request = self.with("Content-Type", content_type);
        request.body = body.into();
        request
    }

    /// Adds a header, beside others of this name.
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
    }

    /// Adds a header in the place of others of this name.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.remove(name);
        self.add(name, value);
    }

    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
    }

    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// What is sent.
    pub fn bytes(&self, dice: &mut Dice) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut bytes = format!("{} ", self.method).into_bytes();
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(format!(" {}\r\n", self.version).as_bytes());
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        let takes_body = matches!(self.method.as_str(), "POST" | "PUT");
        match self.framing {
            Framing::Length if takes_body || !self.body.is_empty() => {
                bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
                bytes.extend_from_slice(&self.body);
            }
            Framing::Length => bytes.extend_from_slice(b"\r\n"),
            Framing::Chunked => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                bytes.extend_from_slice(&chunks(dice, &self.body));
            }
            Framing::Given => {
                bytes.extend_from_slice(b"\r\n");
                bytes.extend_from_slice(&self.body);
            }
        }
        bytes
    }

    /// The beginning of the request, for a message.
    pub fn shown(&self) -> String {
        let bytes = self.bytes(&mut Dice(1));
        let text: String =
            bytes.iter().take(1500).flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
        format!("{} bytes: {text}", bytes.len())
    }
}

/// A body in chunks of any size.
pub fn chunks(dice: &mut Dice, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let size = (1 + dice.roll(rest.len())).max(rest.len() / 20);
        let (chunk, behind) = rest.split_at(size);
        bytes.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        rest = behind;
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}
