//! The URL of a database, as libpq writes it: one server or several, and which of them is wanted.

use std::{borrow::Cow, str::FromStr};

use form_urlencoded::byte_serialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// What a URL begins with. The driver would accept any scheme.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Maximum number of servers in a URL.
const MOST_SERVERS: usize = 16;

/// The parameters of a URL that the driver knows, besides `options[NAME]` and those that may be lists.
const PARAMETERS: [&str; 15] = [
    "application_name",
    "dbname",
    "options",
    "password",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// Which of several servers is wanted: `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The first that accepts the connection.
    Any,
    /// One whose transactions may write.
    ReadWrite,
    /// One whose transactions may not.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One in recovery.
    Standby,
    /// One in recovery, or any if there is none.
    PreferStandby,
}

impl Wanted {
    const ALL: [Self; 6] =
        [Self::Any, Self::ReadWrite, Self::ReadOnly, Self::Primary, Self::Standby, Self::PreferStandby];

    /// Its name in a URL.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }

    fn of(name: &str) -> Result<Self, sqlx::Error> {
        Self::ALL.into_iter().find(|wanted| wanted.name() == name).ok_or_else(|| {
            wrong(format!(
                "target_session_attrs must be any, read-write, read-only, primary, standby or prefer-standby{}",
                shown(name)
            ))
        })
    }
}

/// A server of a URL.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// How it is reached.
    pub(super) options: PgConnectOptions,
    /// Host and port, or the socket.
    pub(super) place: String,
}

impl Server {
    fn read(url: &str) -> Result<Self, sqlx::Error> {
        let mut options = PgConnectOptions::from_str(url)?;
        let place = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        // the driver would look up an IPv6 address with its brackets as a name
        let address = options.get_host().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::to_owned);
        if let Some(address) = address {
            options = options.host(&address);
        }
        Ok(Self { options, place })
    }
}

/// The servers of a URL in their order, of which there is at least one, and which is wanted.
pub(super) fn read(url: &str) -> Result<(Vec<Server>, Wanted), sqlx::Error> {
    let Some(scheme) = SCHEMES.into_iter().find(|scheme| url.starts_with(scheme)) else {
        return Err(wrong("must be a PostgreSQL URL such as postgres://USER:PASSWORD@HOST:PORT/NAME"));
    };
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let rest = place.strip_prefix(scheme).unwrap_or_default();
    let (authority, name) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (login, hosts) = authority.rfind('@').map_or(("", authority), |at| authority.split_at(at + 1));
    let hosts: Vec<&str> = hosts.split(',').collect();
    if hosts.len() > 1 && hosts.iter().any(|host| host.is_empty() || host.starts_with(':')) {
        return Err(wrong("a host is missing beside a comma"));
    }
    let Parameters { others, host, hostaddr, port, wanted } = Parameters::read(query)?;
    let named = hostaddr.as_ref().or(host.as_ref()).map_or(hosts.len(), Vec::len);
    if named > MOST_SERVERS {
        return Err(wrong(format!("must have at most {MOST_SERVERS} hosts, got {named}")));
    }
    let counts = [
        ("names of hosts", host.as_ref().map(Vec::len), false),
        ("hosts before the name of the database", Some(hosts.len()), true),
        ("ports", port.as_ref().map(Vec::len), true),
    ];
    for (what, count, may_be_one) in counts {
        let count = count.unwrap_or(named);
        if count != named && !(may_be_one && count == 1) {
            return Err(wrong(format!("must have as many {what} as hosts, which are {named}, got {count}")));
        }
    }
    let servers = (0..named).map(|at| {
        let mut query = others.clone();
        for (name, list) in [("host", &host), ("hostaddr", &hostaddr), ("port", &port)] {
            // an empty port is the usual one
            if let Some(value) = list.as_ref().and_then(|list| one_of(list, at)).filter(|value| !value.is_empty()) {
                query.push(format!("{name}={}", byte_serialize(value.as_bytes()).collect::<String>()));
            }
        }
        let host = one_of(&hosts, at).copied().unwrap_or_default();
        Server::read(&format!("{scheme}{login}{host}{name}?{}", query.join("&")))
    });
    Ok((servers.collect::<Result<_, _>>()?, wanted))
}

/// The value of a server in a list of one for each, or one for all.
fn one_of<T>(list: &[T], at: usize) -> Option<&T> {
    if list.len() == 1 { list.first() } else { list.get(at) }
}

/// The parameters of a URL.
struct Parameters {
    /// Those that the driver reads, as they are written.
    others: Vec<String>,
    host: Option<Vec<String>>,
    hostaddr: Option<Vec<String>>,
    port: Option<Vec<String>>,
    wanted: Wanted,
}

impl Parameters {
    /// Leaves out those that the driver does not know: it would log their values, and a misspelt one may have the password.
    fn read(query: &str) -> Result<Self, sqlx::Error> {
        let mut read = Self { others: Vec::new(), host: None, hostaddr: None, port: None, wanted: Wanted::Any };
        for parameter in query.split('&') {
            let Some((name, value)) = form_urlencoded::parse(parameter.as_bytes()).next() else { continue };
            let list = |value: Cow<'_, str>| Some(value.split(',').map(str::to_owned).collect());
            match &*name {
                "host" => read.host = list(value),
                "hostaddr" => read.hostaddr = list(value),
                "port" => read.port = list(value),
                "target_session_attrs" => read.wanted = Wanted::of(&value)?,
                // the driver's error would show the value, and what follows a misspelt separator may be a secret
                "sslmode" | "ssl-mode" if PgSslMode::from_str(&value).is_err() => {
                    return Err(wrong(format!(
                        "{name} must be disable, allow, prefer, require, verify-ca or verify-full{}",
                        shown(&value)
                    )));
                }
                name if PARAMETERS.contains(&name) || name.starts_with("options[") => {
                    read.others.push(parameter.to_owned());
                }
                name => tracing::warn!(%name, "ignoring an unknown parameter in the URL of the database"),
            }
        }
        Ok(read)
    }
}

/// A wrong value for an error, if it is only a word: what follows a misspelt separator may be a secret.
fn shown(value: &str) -> String {
    let is_word = value.len() <= 32 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if is_word { format!(", got {value:?}") } else { String::new() }
}

/// An error of the driver, which has one for what it reads itself.
fn wrong(reason: impl Into<Cow<'static, str>>) -> sqlx::Error {
    sqlx::Error::Configuration(reason.into().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(url: &str) -> Vec<String> {
        read(url).unwrap().0.into_iter().map(|server| server.place).collect()
    }

    fn refusal(url: &str) -> String {
        match read(url) {
            Err(sqlx::Error::Configuration(reason)) => reason.to_string(),
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn several_servers_are_written_as_for_libpq() {
        for (url, expected) in [
            ("postgres://u:p@a/d", &["a:5432"][..]),
            ("postgresql://u:p,q@a:1,b:2,[::1]:3/d?sslmode=disable", &["a:1", "b:2", "[::1]:3"]),
            ("postgres://a,b:7/d", &["a:5432", "b:7"]),
            ("postgres:///d?host=a,b&port=1,2", &["a:1", "b:2"]),
            ("postgres:///d?host=a,b&port=3", &["a:3", "b:3"]),
            ("postgres://a,b/d?port=4,", &["a:4", "b:5432"]),
            ("postgres:///d?host=%2Frun%2Fone,%2Frun%2Ftwo", &["/run/one", "/run/two"]),
            ("postgres://%2Frun%2Fone,b/d", &["/run/one", "b:5432"]),
            ("postgres://a,b/d?hostaddr=10.0.0.1,10.0.0.2", &["10.0.0.1:5432", "10.0.0.2:5432"]),
        ] {
            assert_eq!(places(url), expected, "{url}");
        }
        let (servers, wanted) = read("postgres://u%40x:p@a,b/d%20e?target_session_attrs=read-write").unwrap();
        assert_eq!(wanted, Wanted::ReadWrite);
        for server in servers {
            assert_eq!((server.options.get_username(), server.options.get_database()), ("u@x", Some("d e")));
        }
    }

    #[test]
    fn each_value_of_target_session_attrs_is_known_and_no_other() {
        for wanted in Wanted::ALL {
            let url = format!("postgres://a/d?target_session_attrs={}", wanted.name());
            assert_eq!(read(&url).unwrap().1, wanted);
        }
        let reason = "target_session_attrs must be any, read-write, read-only, primary, standby or prefer-standby";
        assert_eq!(refusal("postgres://a/d?target_session_attrs=master"), format!("{reason}, got \"master\""));
        // a parameter may follow without its separator
        assert_eq!(refusal("postgres://a/d?target_session_attrs=any;password=p"), reason);
    }

    #[test]
    fn what_follows_a_mode_of_encryption_is_not_shown() {
        for name in ["sslmode", "ssl-mode"] {
            let reason = format!("{name} must be disable, allow, prefer, require, verify-ca or verify-full");
            assert_eq!(refusal(&format!("postgres://a/d?{name}=disable;password=p")), reason);
            assert_eq!(refusal(&format!("postgres://a/d?{name}=on")), format!("{reason}, got \"on\""));
            assert_eq!(places(&format!("postgres://a/d?{name}=verify-full")), ["a:5432"]);
        }
    }

    #[test]
    fn what_does_not_match_is_told() {
        for (url, reason) in [
            ("mysql://a/d", "must be a PostgreSQL URL such as postgres://USER:PASSWORD@HOST:PORT/NAME"),
            ("postgres://a,,b/d", "a host is missing beside a comma"),
            ("postgres://u@a,:5/d", "a host is missing beside a comma"),
            ("postgres://a,b/d?port=1,2,3", "must have as many ports as hosts, which are 2, got 3"),
            (
                "postgres:///d?host=a,b&hostaddr=10.0.0.1",
                "must have as many names of hosts as hosts, which are 1, got 2",
            ),
            (
                "postgres://a,b,c/d?host=a,b",
                "must have as many hosts before the name of the database as hosts, which are 2, got 3",
            ),
            ("postgres://a,b:x/d", "invalid port number"),
        ] {
            assert_eq!(refusal(url), reason, "{url}");
        }
        let many = vec!["a"; 17].join(",");
        assert_eq!(refusal(&format!("postgres://{many}/d")), "must have at most 16 hosts, got 17");
    }
}
