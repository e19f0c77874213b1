//! `tagd key` and `tagd token`: creates, lists and revokes credentials.

use std::io::{Read, Write};

use clap::{Args, Subcommand};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    CliError, master_key,
    open::{Opened, open},
};
use crate::{
    app::credentials_of,
    auth::{Principal, Secret, random::token_id},
    config::Settings,
    domain::{
        ProjectFilter, Role,
        credential::{Credential, CredentialKind},
        reason::quote,
        registry::RegistryError,
    },
    http::{CredentialReply, IssuedReply, time_of},
    service::{AuthSettings, ConfiguredKey, Credentials, Issued, NewCredential, configured_key},
    store::{SessionProfile, Store},
};

/// Commands of keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Create an access key and its secret, which is shown once
    Create(CreateKey),
    /// List the access keys
    List(ListArgs),
    /// Revoke an access key and the tokens that were issued for it
    Revoke {
        /// The access key
        id: String,
    },
    /// Give an access key another secret; the old one ends at once
    Rotate {
        /// The access key
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Seal the secrets of all keys with the first master key, after a new one was put in front of the others
    Reseal,
}

/// Commands of tokens.
impl KeyCommand {
    /// Whether it creates one.
    pub(super) fn is_create(&self) -> bool {
        matches!(self, Self::Create(_))
    }
}

impl TokenCommand {
    /// Whether it creates one.
    pub(super) fn is_create(&self) -> bool {
        matches!(self, Self::Create(_))
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Create a token, which is shown once
    Create(NewArgs),
    /// List the tokens
    List(ListArgs),
    /// Revoke a token
    Revoke {
        /// Identifier of the token: the 12 characters after tagd_. The whole token works too
        id: String,
    },
    /// Replace a token by another with the same identifier and rights; the old one ends at once
    Rotate {
        /// Identifier of the token: the 12 characters after tagd_. The whole token works too
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What every credential has.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Name, which the log shows with each request
    #[arg(long)]
    name: String,
    /// Role: reader, tagger, administrator or operator; each includes those before it
    #[arg(long)]
    role: Role,
    /// Domain whose projects it covers; required unless the role is operator. An operator covers every domain, and has the
    /// predefined tags of this one
    #[arg(long, value_name = "ID")]
    domain: Option<String>,
    /// The only project that it covers; repeat the flag for several [default: all of the domain]
    #[arg(long = "project", value_name = "ID")]
    projects: Vec<String>,
    /// When it ends: a number and s, m, h or d, such as 90d; at least 60s and at most 3660d [default: never]
    #[arg(long, value_name = "TIME", value_parser = read_lifetime)]
    expires: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A key to create.
#[derive(Debug, Args)]
pub(super) struct CreateKey {
    #[command(flatten)]
    new: NewArgs,
    /// Create a temporary key that ends after this time, 60s to 3660d, with a security token that its requests must send too
    #[arg(long, value_name = "TIME", value_parser = read_lifetime, conflicts_with = "expires")]
    temporary: Option<i64>,
    /// Access key of your own, such as one that exists elsewhere, with its secret on standard input [default: a new one]
    #[arg(long, value_name = "KEY", requires = "secret_stdin")]
    access: Option<String>,
    /// Read the secret of --access from standard input
    #[arg(long, requires = "access")]
    secret_stdin: bool,
}

/// How to list.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A time such as 90d, in seconds.
fn read_lifetime(text: &str) -> Result<i64, String> {
    let wrong = || "must be a number and s, m, h or d, such as 90d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 = text.strip_suffix(unit).unwrap_or_default().parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).ok_or_else(wrong)
}

pub(super) async fn run_key(settings: &Settings, command: KeyCommand) -> Result<(), CliError> {
    let opened = open(settings).await?;
    let store = opened.store(SessionProfile::Bulk).await?;
    // only what seals or opens a secret needs the master key
    let needs_master = matches!(command, KeyCommand::Create(_) | KeyCommand::Rotate { .. } | KeyCommand::Reseal);
    let master = if needs_master {
        Some(master_key::load(settings, master_key::given(settings)?, &opened, &store).await?)
    } else {
        None
    };
    if let (KeyCommand::Create(_), Some(master)) = (&command, &master) {
        master.check(&store).await?;
    }
    let configured = configured_keys(settings)?;
    let keys = master.as_ref().and_then(|master| master.keys.clone());
    let credentials =
        credentials_of(&store, AuthSettings { keys: true, master: keys, configured, ..AuthSettings::default() });
    let (principal, place) = (Principal::command("key"), place(&opened));
    let kind = CredentialKind::Key;
    match command {
        KeyCommand::Create(CreateKey { mut new, temporary, access, secret_stdin: _ }) => {
            new.expires = new.expires.or(temporary);
            let domain = new.domain.clone();
            let given = access.map(|access| Ok::<_, CliError>((access, read_secret()?))).transpose()?;
            create(&credentials, kind, new, temporary.is_some(), given, &place).await?;
            warn_of_domain(&store, domain).await;
        }
        KeyCommand::List(ListArgs { json }) => list(&credentials.list(&principal, kind).await?, json)?,
        KeyCommand::Revoke { id } => revoke(&credentials, kind, &id, &place).await?,
        KeyCommand::Rotate { id, json } => {
            let sealed = match &master {
                Some(master) => master.sealed_elsewhere(&store).await?,
                None => Vec::new(),
            };
            let rotated = credentials.rotate(&principal, kind, &id).await?;
            show(&rotated, json, &place)?;
            if let Some(master) = &master {
                master.warn_after_rotation(&rotated.credential.id, &sealed);
            }
        }
        KeyCommand::Reseal => {
            let (sealed, lost) = credentials.reseal(&principal).await?;
            println!("{sealed} secrets sealed with the first master key");
            if lost > 0 {
                eprintln!("tagd: {lost} secrets were sealed with a master key that is not in the settings");
                return Err(CliError::Reported);
            }
        }
    }
    opened.close().await;
    Ok(())
}

pub(super) async fn run_token(settings: &Settings, command: TokenCommand) -> Result<(), CliError> {
    let opened = open(settings).await?;
    let store = opened.store(SessionProfile::Bulk).await?;
    let credentials = credentials_of(&store, AuthSettings::default());
    let (principal, place) = (Principal::command("token"), place(&opened));
    let kind = CredentialKind::Token;
    match command {
        TokenCommand::Create(new) => {
            let domain = new.domain.clone();
            create(&credentials, kind, new, false, None, &place).await?;
            warn_of_domain(&store, domain).await;
        }
        TokenCommand::List(ListArgs { json }) => list(&credentials.list(&principal, kind).await?, json)?,
        TokenCommand::Revoke { id } => revoke(&credentials, kind, &id, &place).await?,
        TokenCommand::Rotate { id, json } => show(&credentials.rotate(&principal, kind, &id).await?, json, &place)?,
    }
    opened.close().await;
    Ok(())
}

async fn create(
    credentials: &Credentials,
    kind: CredentialKind,
    new: NewArgs,
    temporary: bool,
    given: Option<(String, Secret)>,
    place: &str,
) -> Result<(), CliError> {
    let NewArgs { name, role, domain, projects, expires, json } = new;
    let new = NewCredential {
        name,
        role: Some(role),
        domain_id: domain,
        projects: Some(projects).filter(|projects| !projects.is_empty()),
        lifetime: expires,
        temporary,
        given,
    };
    let issued = credentials.create(&Principal::command(kind.name()), kind, new).await;
    let named = |error: RegistryError| {
        let expires = if temporary { "--temporary" } else { "--expires" };
        let options = [
            ("name", "--name"),
            ("role", "--role"),
            ("domain_id", "--domain"),
            ("projects", "--project"),
            ("expires_in", expires),
            ("access", "--access"),
        ];
        CliError::Stopped(renamed(&error.to_string(), &options))
    };
    show(&issued.map_err(named)?, json, place)
}

/// A message about a field, by the name that the field has here.
fn renamed(message: &str, names: &[(&str, &str)]) -> String {
    let renamed = message.split_once(": ").and_then(|(field, reason)| {
        let field = field.split('[').next()?;
        let (_, name) = names.iter().find(|(of, _)| *of == field)?;
        Some(format!("{name}: {reason}"))
    });
    renamed.unwrap_or_else(|| message.to_owned())
}

/// The database that a command has changed, which need not be the one of the server.
fn place(opened: &Opened) -> String {
    match &opened.cluster {
        None => format!("the database at {}", opened.store.place()),
        Some(cluster) if cluster.created() => format!(
            "{}, which this command has made; if the server has another one, give its --data-dir or --database-url",
            opened.description
        ),
        Some(_) => opened.description.clone(),
    }
}

/// Tells of a domain that may be a typing error. The credential is there whether or not this can be found out.
async fn warn_of_domain(store: &Store, domain: Option<String>) {
    let Some(domain) = domain else { return };
    let of_domain = ProjectFilter { domain_id: Some(&domain), projects: None };
    if store.list_projects(None, 1, of_domain).await.is_ok_and(|found| found.is_empty()) {
        eprintln!("tagd: warning: no project is in the domain {} yet", quote(&domain));
    }
}

async fn revoke(credentials: &Credentials, kind: CredentialKind, id: &str, place: &str) -> Result<(), CliError> {
    credentials.revoke(&Principal::command(kind.name()), kind, id).await?;
    let id = token_id(id).unwrap_or(id);
    eprintln!("tagd: {} {id} was revoked in {place}", kind.name());
    Ok(())
}

/// Prints a credential with its secret. If that fails, nobody knows the secret, and the credential has to be revoked.
fn show(issued: &Issued, json: bool, place: &str) -> Result<(), CliError> {
    let credential = &issued.credential;
    let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    let lines = if json {
        vec![serde_json::to_string_pretty(&IssuedReply::of(issued)).unwrap_or_default()]
    } else {
        let mut lines = match credential.kind {
            CredentialKind::Key => {
                vec![format!("access key: {}", credential.id), format!("secret: {}", text(&issued.secret))]
            }
            CredentialKind::Token => vec![format!("token: {}", text(&issued.secret)), format!("id: {}", credential.id)],
        };
        lines.extend(issued.security_token.as_ref().map(|token| format!("security token: {}", text(token))));
        lines.push(describe(credential));
        lines
    };
    print(&lines).map_err(|source| CliError::File {
        what: format!("the secret could not be printed, revoke {} {}", credential.kind.name(), credential.id),
        source,
    })?;
    let shown = match credential.kind {
        CredentialKind::Key => "secret",
        CredentialKind::Token => "token",
    };
    eprintln!("tagd: the {shown} is shown only once; the {} is in {place}", credential.kind.name());
    Ok(())
}

/// Writes lines to standard output, which may be closed.
fn print(lines: &[String]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn describe(credential: &Credential) -> String {
    let rights = &credential.rights;
    let domain = rights.domain_id().map_or_else(String::new, |domain_id| match rights.confined_to() {
        Some(_) => format!(" in domain {domain_id}"),
        None => format!(" in every domain, predefined tags of {domain_id}"),
    });
    let projects = rights.projects().map_or_else(String::new, |projects| format!(", projects {}", projects.join(", ")));
    let ends = credential.expires_at.map_or_else(
        || "never ends".to_owned(),
        |end| {
            let has_ended = end <= OffsetDateTime::now_utc().unix_timestamp();
            format!("{} {}", if has_ended { "ended" } else { "ends" }, time_of(end))
        },
    );
    format!("{}: {}{domain}{projects}, {ends}", credential.name, rights.role())
}

fn list(credentials: &[Credential], json: bool) -> Result<(), CliError> {
    let lines: Vec<String> = if json {
        let list: Vec<_> = credentials.iter().map(CredentialReply::of).collect();
        vec![serde_json::to_string_pretty(&list).unwrap_or_default()]
    } else {
        let line = |credential: &Credential| {
            let used =
                credential.last_used_at.map(time_of).map_or_else(|| "never used".to_owned(), |at| format!("used {at}"));
            format!("{}  {}, {used}", credential.id, describe(credential))
        };
        credentials.iter().map(line).collect()
    };
    print(&lines).map_err(|source| CliError::File { what: "cannot write to standard output".to_owned(), source })
}

/// Maximum number of bytes that are read of a secret: far more than any secret may have.
const READ: u64 = 64 * 1024;

/// A secret from standard input, without the line break at its end.
fn read_secret() -> Result<Secret, CliError> {
    let mut secret = Zeroizing::new(Vec::new());
    let read = std::io::stdin().take(READ).read_to_end(&mut secret);
    read.map_err(|source| CliError::File { what: "cannot read the secret from standard input".into(), source })?;
    let line = secret.strip_suffix(b"\n").unwrap_or(&secret);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Err(CliError::Stopped("secret: must be a single line on standard input".to_owned()));
    }
    Ok(Secret::new(line))
}

/// The keys of the settings file.
pub(super) fn configured_keys(settings: &Settings) -> Result<Vec<ConfiguredKey>, CliError> {
    let mut configured: Vec<ConfiguredKey> = Vec::new();
    for (i, key) in settings.keys.iter().enumerate() {
        let rights = (key.role.as_str(), key.domain.as_deref(), key.projects.as_deref());
        let secret = key.secret.as_deref().unwrap_or_default();
        let key = configured_key(&key.access, secret, key.name.as_deref(), rights).map_err(|error| {
            let reason = renamed(&error.to_string(), &[("domain_id", "domain")]);
            CliError::Stopped(format!("keys[{i}]: {reason}"))
        })?;
        if configured.iter().any(|known| known.access_key == key.access_key) {
            return Err(CliError::Stopped(format!("keys[{i}]: duplicate access key {:?}", key.access_key)));
        }
        configured.push(key);
    }
    Ok(configured)
}
