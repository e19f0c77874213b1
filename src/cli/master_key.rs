//! The master key of a command: where it is, and whether it opens the secrets of the keys in the database.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{CliError, open::Opened};
use crate::{
    app::credentials_of,
    auth::{MasterKeys, Principal, Secret, master_key::MasterKeyError},
    config::{AuthMode, MasterKeySource, Settings},
    service::AuthSettings,
    store::Store,
};

/// The file of a private Postgres.
pub(super) fn own_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join("master.key")
}

/// The master keys of a command.
pub(super) struct Loaded {
    /// `None` if there are none, which is only possible with a database that was given.
    pub(super) keys: Option<Arc<MasterKeys>>,
    /// Where they are.
    place: String,
}

/// Reads the master keys that the settings name, if they name any: where they are, and the text. A server reads them only if it
/// accepts keys.
pub(super) fn given_to_server(settings: &Settings) -> Result<Option<(String, Secret)>, CliError> {
    if settings.auth.contains(&AuthMode::Keys) { given(settings) } else { Ok(None) }
}

/// Reads the master keys that the settings name, if they name any: where they are, and the text.
pub(super) fn given(settings: &Settings) -> Result<Option<(String, Secret)>, CliError> {
    Ok(match &settings.master_key {
        Some(MasterKeySource::Text(text)) => Some(("TAGD_MASTER_KEY".to_owned(), Secret::new(text.as_bytes()))),
        Some(MasterKeySource::File(path)) => Some((format!("master_key_file {}", path.display()), read(path)?)),
        None => None,
    })
}

/// The master keys that were given, or those of the private Postgres, which are made when they are first needed.
pub(super) async fn load(
    settings: &Settings,
    given: Option<(String, Secret)>,
    opened: &Opened,
    store: &Store,
) -> Result<Loaded, CliError> {
    let (place, text) = match (given, &opened.cluster) {
        (Some(given), _) => given,
        (None, Some(_)) => {
            let path = own_file(settings);
            if !path.exists() {
                // another key would open none of the secrets
                let sealed = sealed_elsewhere(store, None).await?;
                if let Some(first) = sealed.first() {
                    return Err(CliError::Stopped(format!(
                        "{}: is missing, but the database has {}; restore the file, or {WAYS_OUT}",
                        path.display(),
                        counted(&sealed, first)
                    )));
                }
                write_new(&path)?;
            }
            (path.display().to_string(), read(&path)?)
        }
        (None, None) => return Ok(Loaded { keys: None, place: "master_key_file".to_owned() }),
    };
    let keys = MasterKeys::parse(&String::from_utf8_lossy(text.expose())).map_err(|error| {
        let hint = match error {
            MasterKeyError::Empty => "; restore it, or delete the file if no access key was ever created",
            MasterKeyError::Line(_) => "",
        };
        CliError::Stopped(format!("{place}: {error}{}", if settings.master_key.is_none() { hint } else { "" }))
    })?;
    Ok(Loaded { keys: Some(Arc::new(keys)), place })
}

/// What to do about secrets that cannot be opened any more.
const WAYS_OUT: &str = "with a new master key give each key another secret (`tagd key rotate`) or revoke it (`tagd key list`, `tagd key revoke`)";

impl Loaded {
    /// Refuses master keys that do not open the secrets of all keys in the database: requests that are signed with the others
    /// would fail.
    pub(super) async fn check(&self, store: &Store) -> Result<(), CliError> {
        let sealed = sealed_elsewhere(store, self.keys.clone()).await?;
        let Some(first) = sealed.first() else { return Ok(()) };
        let (place, counted) = (&self.place, counted(&sealed, first));
        Err(CliError::Stopped(match self.keys {
            Some(_) => format!(
                "{place}: does not open the secrets of {counted}; add the master key that they were sealed with, or {WAYS_OUT}"
            ),
            None => format!("{place}: is required, because the database has {counted}; give it, or {WAYS_OUT}"),
        }))
    }

    /// The access keys whose secrets these master keys do not open.
    pub(super) async fn sealed_elsewhere(&self, store: &Store) -> Result<Vec<String>, CliError> {
        sealed_elsewhere(store, self.keys.clone()).await
    }

    /// Warns of keys whose secrets these master keys did not open before the key `rotated` was given another secret: only this way
    /// out of a lost master key is open, but with a wrong master key, the key that was changed is one that the server cannot open.
    pub(super) fn warn_after_rotation(&self, rotated: &str, sealed_before: &[String]) {
        let others = sealed_before.iter().filter(|id| *id != rotated).count();
        let keys = match others {
            0 if sealed_before.is_empty() => return,
            0 => "the old secret of the key was".to_owned(),
            1 => "1 other key is".to_owned(),
            others => format!("{others} other keys are"),
        };
        let place = &self.place;
        eprintln!(
            "tagd: warning: {keys} sealed with another master key than that of {place}; if it is the wrong one, rotate the key \
             again with the right one"
        );
    }
}

/// The access keys whose secrets none of these master keys opens.
async fn sealed_elsewhere(store: &Store, master: Option<Arc<MasterKeys>>) -> Result<Vec<String>, CliError> {
    let credentials = credentials_of(store, AuthSettings { keys: true, master, ..AuthSettings::default() });
    Ok(credentials.sealed_elsewhere(&Principal::command("key")).await?)
}

/// Access keys in a message.
fn counted(sealed: &[String], first: &str) -> String {
    match sealed.len() - 1 {
        0 => format!("the access key {first}"),
        others => format!("the access key {first} and {others} more"),
    }
}

fn read(path: &Path) -> Result<Secret, CliError> {
    let failed = |source| CliError::File { what: format!("cannot read the master key in {}", path.display()), source };
    fs::read(path).map(Secret::new).map_err(failed)
}

/// Makes a master key that only this user can read. If another tagd is faster, its key is used.
fn write_new(path: &Path) -> Result<(), CliError> {
    let key = MasterKeys::generate()?;
    write_whole(path, &key)
        .map_err(|source| CliError::File { what: format!("cannot write the master key to {}", path.display()), source })
}

/// Writes a file that is there as a whole or not at all, whenever tagd or the machine stops.
fn write_whole(path: &Path, key: &Secret) -> io::Result<()> {
    let unfinished = path.with_extension(format!("new-{}", std::process::id()));
    // of a process with the same number that was killed
    let _ = fs::remove_file(&unfinished);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let written = file.write_all(key.expose()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all());
    // unlike renaming it, this does not replace a file
    let linked = written.and_then(|()| match fs::hard_link(&unfinished, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let _ = fs::remove_file(&unfinished);
    linked?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
