//! The `Authorization` header of a signed request.

use super::{
    error::{MAX_ACCESS_KEY, MAX_AUTHORIZATION, SignatureError},
    hex,
};

/// The algorithm of both forms, which is also the authentication scheme.
pub(super) const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// What the header says.
pub(super) struct Authorization {
    pub access_key: String,
    /// `date/region/service/sdk_request`, of a request signed with `Credential`.
    pub scope: Option<String>,
    /// Names in lower case, sorted, separated by `;`. Among them is `x-sdk-date`.
    pub signed_headers: String,
    pub signature: [u8; 32],
}

impl Authorization {
    /// Reads the header; `None` if it has another scheme.
    pub(super) fn parse(header: &[u8]) -> Result<Option<Self>, SignatureError> {
        let (scheme, fields) = match header.iter().position(u8::is_ascii_whitespace) {
            Some(end) => header.split_at(end),
            None => (header, [].as_slice()),
        };
        if !scheme.eq_ignore_ascii_case(ALGORITHM.as_bytes()) {
            return Ok(None);
        }
        if header.len() > MAX_AUTHORIZATION {
            return Err(SignatureError::TooLong(header.len()));
        }
        let fields = str::from_utf8(fields).ok().filter(|text| text.is_ascii()).ok_or(SignatureError::NotAscii)?;
        Self::read(fields.trim_ascii()).map(Some)
    }

    fn read(fields: &str) -> Result<Self, SignatureError> {
        let (mut access, mut credential, mut signed_headers, mut signature) = (None, None, None, None);
        for field in fields.split(',') {
            let (name, value) = field.trim_ascii().split_once('=').ok_or(SignatureError::UnknownField)?;
            let (name, slot) = match name {
                "Access" => ("Access", &mut access),
                "Credential" => ("Credential", &mut credential),
                "SignedHeaders" => ("SignedHeaders", &mut signed_headers),
                "Signature" => ("Signature", &mut signature),
                _ => return Err(SignatureError::UnknownField),
            };
            if slot.replace(value).is_some() {
                return Err(SignatureError::DuplicateField(name));
            }
        }
        let (access_key, scope) = match (access, credential) {
            (Some(access_key), None) => (access_key, None),
            (None, Some(credential)) => {
                let (access_key, scope) = split_credential(credential).ok_or(SignatureError::Credential)?;
                (access_key, Some(scope.to_owned()))
            }
            (Some(_), Some(_)) => return Err(SignatureError::BothForms),
            (None, None) => return Err(SignatureError::MissingField("Access or Credential")),
        };
        if !(1..=MAX_ACCESS_KEY).contains(&access_key.len()) || !access_key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SignatureError::AccessKey);
        }
        let signed_headers = signed_headers.ok_or(SignatureError::MissingField("SignedHeaders"))?;
        check_names(signed_headers)?;
        let signature = signature.ok_or(SignatureError::MissingField("Signature"))?;
        let is_lower = !signature.bytes().any(|b| b.is_ascii_uppercase());
        let signature = hex::read(signature.as_bytes()).filter(|_| is_lower).ok_or(SignatureError::Signature)?;
        Ok(Self { access_key: access_key.to_owned(), scope, signed_headers: signed_headers.to_owned(), signature })
    }

    /// The names of the signed headers.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.signed_headers.split(';')
    }
}

/// Access key and scope. The Go client leaves region and service empty.
fn split_credential(credential: &str) -> Option<(&str, &str)> {
    let (access_key, scope) = credential.split_once('/')?;
    let mut parts = scope.split('/');
    let (date, _region, _service, end) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_date = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit());
    (is_date && end == "sdk_request" && parts.next().is_none()).then_some((access_key, scope))
}

/// All clients sort the names. As they have to be sorted, a name that is there twice is next to itself.
fn check_names(names: &str) -> Result<(), SignatureError> {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
    let mut last = "";
    for name in names.split(';') {
        // the first one fails here if it is empty
        if name <= last || !name.bytes().all(is_letter) {
            return Err(SignatureError::SignedHeaders);
        }
        last = name;
    }
    if names.split(';').any(|name| name == "x-sdk-date") { Ok(()) } else { Err(SignatureError::UnsignedDate) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn parse(header: &str) -> Result<Option<Authorization>, SignatureError> {
        Authorization::parse(header.replace("DIGITS", DIGITS).as_bytes())
    }

    #[test]
    fn other_schemes_are_left_to_others() {
        for header in ["", "Bearer abc", "SDK-HMAC-SM3 Access=AK", "SDK-HMAC-SHA2567 a", "Basic \u{e9}"] {
            assert!(parse(header).unwrap().is_none(), "{header}");
        }
    }

    #[test]
    fn white_space_and_the_order_of_fields_are_free() {
        for header in [
            "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=DIGITS",
            "sdk-hmac-sha256 \t Signature=DIGITS,SignedHeaders=host;x-sdk-date ,\tAccess=AK",
        ] {
            let authorization = parse(header).unwrap().unwrap();
            assert_eq!(authorization.access_key, "AK");
            assert_eq!(authorization.scope, None);
            assert_eq!(authorization.names().collect::<Vec<_>>(), ["host", "x-sdk-date"]);
            assert_eq!(authorization.signature[..4], [0x00, 0x11, 0x22, 0x33]);
        }
    }

    #[test]
    fn a_credential_is_a_key_and_a_scope() {
        for scope in ["20260102///sdk_request", "20260102/eu-de/ims/sdk_request"] {
            let header = format!("SDK-HMAC-SHA256 Credential=AK/{scope}, SignedHeaders=x-sdk-date, Signature=DIGITS");
            let authorization = parse(&header).unwrap().unwrap();
            assert_eq!(authorization.access_key, "AK");
            assert_eq!(authorization.scope.as_deref(), Some(scope));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let known = "unknown field, expected Access or Credential, SignedHeaders and Signature";
        let key = "the access key must have between 1 and 128 visible ASCII characters";
        let credential = "Credential must be of the form access_key/date/region/service/sdk_request";
        let names = "SignedHeaders must be different names in lower case, sorted and separated by semicolons";
        let digits = "Signature must be 64 hexadecimal digits in lower case";
        let long = format!("Access={}", "a".repeat(8192));
        let cases = [
            ("", known),
            ("AK", known),
            ("Access=AK,", known),
            ("access=AK", known),
            ("Access=AK, Signature=DIGITS", "SignedHeaders is required"),
            ("Access=AK, SignedHeaders=x-sdk-date", "Signature is required"),
            ("SignedHeaders=x-sdk-date, Signature=DIGITS", "Access or Credential is required"),
            ("Access=AK, Access=AK, SignedHeaders=x-sdk-date", "duplicate Access"),
            ("Access=AK, SignedHeaders=x-sdk-date, SignedHeaders=x-sdk-date", "duplicate SignedHeaders"),
            ("Access=AK, Credential=AK/20260102///sdk_request", "must have either Access or Credential, not both"),
            ("Access=", key),
            ("Access=A K", key),
            (&format!("Access={}", "a".repeat(129)), key),
            ("Credential=/20260102///sdk_request", key),
            ("Credential=AK", credential),
            ("Credential=AK/20260102/sdk_request", credential),
            ("Credential=AK/20260102//sdk_request", credential),
            ("Credential=AK/20260102////sdk_request", credential),
            ("Credential=AK/20260102///sdk_request/", credential),
            ("Credential=AK/20260102///sdk-request", credential),
            ("Credential=AK/2026010///sdk_request", credential),
            ("Access=AK, SignedHeaders=", names),
            ("Access=AK, SignedHeaders=x-sdk-date;", names),
            ("Access=AK, SignedHeaders=host;;x-sdk-date", names),
            ("Access=AK, SignedHeaders=Host;x-sdk-date", names),
            ("Access=AK, SignedHeaders=x-sdk-date;host", names),
            ("Access=AK, SignedHeaders=x-sdk-date;x-sdk-date", names),
            ("Access=AK, SignedHeaders=ho st;x-sdk-date", names),
            ("Access=AK, SignedHeaders=host", "SignedHeaders must contain x-sdk-date"),
            ("Access=AK, SignedHeaders=x-sdk-date, Signature=", digits),
            ("Access=AK, SignedHeaders=x-sdk-date, Signature=0DIGITS", digits),
            (&format!("Access=AK, SignedHeaders=x-sdk-date, Signature={}", DIGITS.to_uppercase()), digits),
            ("Access=\u{e9}", "must be ASCII"),
            (&long, "must be at most 8192 bytes, got 8215"),
        ];
        for (fields, reason) in cases {
            let error = parse(&format!("SDK-HMAC-SHA256 {fields}")).err().unwrap();
            assert_eq!(error.to_string(), format!("Authorization: {reason}"), "{fields}");
        }
        assert_eq!(parse("SDK-HMAC-SHA256").err(), Some(SignatureError::UnknownField));
    }
}
