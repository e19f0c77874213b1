//! `tagd key` and `tagd token`: creates, lists and revokes credentials.

use std::io::{Read, Write};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::{CliError, master_key, open::open};
use crate::{
    app::credentials_of,
    auth::{Principal, Secret},
    config::Settings,
    domain::{
        Role,
        credential::{Credential, CredentialKind},
    },
    http::{CredentialReply, IssuedReply, time_of},
    service::{AuthSettings, ConfiguredKey, Credentials, Issued, NewCredential, configured_key},
    store::SessionProfile,
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
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Create a token, which is shown once
    Create(NewArgs),
    /// List the tokens
    List(ListArgs),
    /// Revoke a token
    Revoke {
        /// Identifier of the token: the 12 characters after tagd_
        id: String,
    },
    /// Replace a token by another with the same identifier and rights; the old one ends at once
    Rotate {
        /// Identifier of the token: the 12 characters after tagd_
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What every credential has.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Name, by which changes are recorded
    #[arg(long)]
    name: String,
    /// Role: reader, tagger, administrator or operator; each includes those before it
    #[arg(long)]
    role: Role,
    /// Domain whose projects it covers; required unless the role is operator
    #[arg(long, value_name = "ID")]
    domain: Option<String>,
    /// The only project that it covers; repeat the flag for several [default: all of the domain]
    #[arg(long = "project", value_name = "ID")]
    projects: Vec<String>,
    /// When it ends: a number and s, m, h or d, such as 90d [default: never]
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
    /// Create a temporary key that ends after this time, with a security token that its requests must send too
    #[arg(long, value_name = "TIME", value_parser = read_lifetime, conflicts_with = "expires")]
    temporary: Option<i64>,
    /// Bring an access key along that exists elsewhere, with its secret on standard input
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
    let master = if needs_master { Some(master_key::load(settings, &opened, &store).await?) } else { None };
    if let (KeyCommand::Create(_), Some(master)) = (&command, &master) {
        master.check(&store).await?;
    }
    let configured = configured_keys(settings)?;
    let master = master.and_then(|master| master.keys);
    let credentials =
        credentials_of(&store, AuthSettings { keys: true, master, configured, ..AuthSettings::default() });
    let principal = Principal::command("key");
    let kind = CredentialKind::Key;
    match command {
        KeyCommand::Create(CreateKey { mut new, temporary, access, secret_stdin: _ }) => {
            new.expires = new.expires.or(temporary);
            let given = access.map(|access| Ok::<_, CliError>((access, read_secret()?))).transpose()?;
            create(&credentials, kind, new, temporary.is_some(), given, "key").await?;
        }
        KeyCommand::List(ListArgs { json }) => list(&credentials.list(&principal, kind).await?, json)?,
        KeyCommand::Revoke { id } => credentials.revoke(&principal, kind, &id).await?,
        KeyCommand::Rotate { id, json } => show(&credentials.rotate(&principal, kind, &id).await?, json)?,
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
    let principal = Principal::command("token");
    let kind = CredentialKind::Token;
    match command {
        TokenCommand::Create(new) => create(&credentials, kind, new, false, None, "token").await?,
        TokenCommand::List(ListArgs { json }) => list(&credentials.list(&principal, kind).await?, json)?,
        TokenCommand::Revoke { id } => credentials.revoke(&principal, kind, &id).await?,
        TokenCommand::Rotate { id, json } => show(&credentials.rotate(&principal, kind, &id).await?, json)?,
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
    command: &str,
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
    show(&credentials.create(&Principal::command(command), kind, new).await?, json)
}

/// Prints a credential with its secret. If that fails, nobody knows the secret, and the credential has to be revoked.
fn show(issued: &Issued, json: bool) -> Result<(), CliError> {
    let credential = &issued.credential;
    let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    let lines = if json {
        vec![serde_json::to_string_pretty(&IssuedReply::of(issued)).unwrap_or_default()]
    } else {
        let mut lines = match credential.kind {
            CredentialKind::Key => {
                vec![format!("access key: {}", credential.id), format!("secret: {}", text(&issued.secret))]
            }
            CredentialKind::Token => vec![format!("token: {}", text(&issued.secret))],
        };
        lines.extend(issued.security_token.as_ref().map(|token| format!("security token: {}", text(token))));
        lines.push(describe(credential));
        lines
    };
    print(&lines).map_err(|source| CliError::File {
        what: format!("the secret could not be printed, revoke {} {}", credential.kind.name(), credential.id),
        source,
    })?;
    eprintln!("tagd: the secret is shown only now");
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
    let domain = rights.domain_id().map_or_else(String::new, |domain_id| format!(" in domain {domain_id}"));
    let projects = rights.projects().map_or_else(String::new, |projects| format!(", projects {}", projects.join(", ")));
    let ends = credential.expires_at.map_or_else(|| "never ends".to_owned(), |end| format!("ends {}", time_of(end)));
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
        let key = configured_key(&key.access, &key.secret, key.name.as_deref(), rights)
            .map_err(|error| CliError::Stopped(format!("keys[{i}]: {error}")))?;
        if configured.iter().any(|known| known.access_key == key.access_key) {
            return Err(CliError::Stopped(format!("keys[{i}]: duplicate access key {:?}", key.access_key)));
        }
        configured.push(key);
    }
    Ok(configured)
}
