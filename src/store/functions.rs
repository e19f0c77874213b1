//! The set of SQL functions: the files in `migrations/functions`, applied as a whole after the migrations.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write};

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::{StoreError, version::FUNCTION_SET};

/// Path and text of each file; `build.rs` lists them.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/function_files.rs"));

/// Functions that are applied together, under one number.
#[derive(Debug, Clone)]
pub struct FunctionSet {
    number: i32,
    files: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

impl FunctionSet {
    /// The set that is built into this program.
    pub fn embedded() -> Self {
        let files = FILES.iter().map(|(name, text)| (Cow::Borrowed(*name), Cow::Borrowed(*text))).collect();
        Self { number: FUNCTION_SET, files }
    }

    /// The set of another version of the program, for tests: files are replaced or added, by path.
    #[doc(hidden)]
    #[must_use]
    pub fn with(mut self, number: i32, changed: &[(&str, &str)]) -> Self {
        self.number = number;
        for (name, text) in changed {
            self.files.retain(|(known, _)| known != name);
            self.files.push((Cow::Owned((*name).to_owned()), Cow::Owned((*text).to_owned())));
        }
        self
    }

    pub(super) fn number(&self) -> i32 {
        self.number
    }

    /// Paths of the files, below `migrations/`.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| &**name)
    }

    /// Checksum of each file, by path.
    pub fn checksums(&self) -> BTreeMap<String, String> {
        self.files.iter().map(|(name, text)| (name.to_string(), checksum(text))).collect()
    }

    /// Refuses a database in which different files were applied under the same number.
    pub(super) async fn check(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("select file, checksum from tagd.function_file").fetch_all(connection).await?;
        let applied: BTreeMap<String, String> = rows.into_iter().collect();
        let known = self.checksums();
        let other = known.iter().find(|(file, checksum)| applied.get(*file) != Some(*checksum));
        let other = other.map(|(file, _)| file).or_else(|| applied.keys().find(|file| !known.contains_key(*file)));
        match other {
            None => Ok(()),
            Some(file) => {
                let number = self.number;
                let what = match (known.contains_key(file), applied.contains_key(file)) {
                    (true, true) => "has another text in the database",
                    (true, false) => "is missing in the database",
                    _ => "is unknown to this tagd",
                };
                Err(StoreError::OtherSchema(format!("migrations/{file} of function set {number} {what}")))
            }
        }
    }

    /// Applies the set, within the caller's transaction.
    pub(super) async fn apply(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        // Postgres checks that everything in the body of an SQL function exists, so each file would have to come after
        // those that it uses. Without the check, files can be applied in the order of their paths; a test creates all
        // functions again with the check
        connection.execute("set local check_function_bodies = off").await?;
        for (name, text) in &self.files {
            // the texts are the files of the set
            let applied = connection.execute(AssertSqlSafe(text.to_string())).await;
            applied.map_err(|error| match error {
                sqlx::Error::Database(error) if error.code().as_deref() != Some("42501") => {
                    StoreError::Migrate(format!("migrations/{name}: {error}"))
                }
                other => StoreError::Database(other),
            })?;
        }
        connection.execute("set local check_function_bodies = on").await?;
        connection.execute("delete from tagd.function_file").await?;
        let (files, checksums): (Vec<String>, Vec<String>) = self.checksums().into_iter().unzip();
        sqlx::query(
            "insert into tagd.function_file (file, checksum, set_number)
             select f.file, f.checksum, $3 from unnest($1::text[], $2::text[]) as f (file, checksum)",
        )
        .bind(files)
        .bind(checksums)
        .bind(self.number)
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Number of the set in a database; 0 for none.
pub(super) async fn applied_set(connection: &mut PgConnection) -> Result<i32, StoreError> {
    let known: bool =
        sqlx::query_scalar("select to_regclass('tagd.function_file') is not null").fetch_one(&mut *connection).await?;
    if !known {
        return Ok(0);
    }
    let number: Option<i32> =
        sqlx::query_scalar("select max(set_number) from tagd.function_file").fetch_one(connection).await?;
    Ok(number.unwrap_or_default())
}

fn checksum(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        // writing to a String cannot fail
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
