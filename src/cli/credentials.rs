//! `tagd key` and `tagd token`: creates, lists and revokes credentials.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use clap::{Args, Subcommand};

use super::{
    CliError,
    open::{Opened, open},
};
use crate::{
    app::credentials_of,
    auth::{MasterKeys, Principal, Secret},
    config::{MasterKeySource, Settings},
    domain::{
        Role,
        credential::{Credential, CredentialKind},
    },
    http::{CredentialReply, IssuedReply, time_of},
    service::{Credentials, Issued, NewCredential},
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
    let master = if needs_master { master_keys(settings, &opened)? } else { None };
    let credentials = credentials_of(&store, master);
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
    let credentials = credentials_of(&store, None);
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

/// A secret from standard input, without the line break at its end.
fn read_secret() -> Result<Secret, CliError> {
    let mut secret = Vec::new();
    let read = std::io::stdin().take(4096).read_to_end(&mut secret);
    read.map_err(|source| CliError::File { what: "cannot read the secret from standard input".into(), source })?;
    while matches!(secret.last(), Some(b'\n' | b'\r')) {
        secret.pop();
    }
    Ok(Secret::new(secret))
}

/// The master keys: those that the settings name, or those of the private Postgres, which are made when they are first needed.
pub(super) fn master_keys(settings: &Settings, opened: &Opened) -> Result<Option<Arc<MasterKeys>>, CliError> {
    let wrong = |place: String, reason: String| CliError::Stopped(format!("{place}: {reason}"));
    let (place, text) = match (&settings.master_key, &opened.cluster) {
        (Some(MasterKeySource::Text(text)), _) => ("TAGD_MASTER_KEY".to_owned(), text.clone()),
        (Some(MasterKeySource::File(path)), _) => (format!("master_key_file {}", path.display()), read_file(path)?),
        (None, Some(_)) => {
            let path = settings.data_dir.join("master.key");
            if !path.exists() {
                write_new(&path)?;
            }
            (path.display().to_string(), read_file(&path)?)
        }
        (None, None) => return Ok(None),
    };
    let keys = MasterKeys::parse(&text).map_err(|error| wrong(place, error.to_string()))?;
    Ok(Some(Arc::new(keys)))
}

fn read_file(path: &Path) -> Result<String, CliError> {
    let failed = |source| CliError::File { what: format!("cannot read the master key in {}", path.display()), source };
    fs::read_to_string(path).map_err(failed)
}

/// Makes a master key that only this user can read. If another tagd is faster, its key is used.
fn write_new(path: &Path) -> Result<(), CliError> {
    let key = MasterKeys::generate()?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(key.expose())?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => {
            Err(CliError::File { what: format!("cannot write the master key to {}", path.display()), source })
        }
        Ok(()) => Ok(()),
    }
}
