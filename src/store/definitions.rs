//! Statements of an import for what is not a resource: types, projects, predefined tags and policies.

use std::time::Duration;

use sqlx::{Executor, PgConnection};

use super::{
    Importer, StoreError, WholeImport,
    caller::row_of,
    failure::{meaning_of, refusal_of},
    imports::{begin, end},
    policies::{put_error, put_policy_query},
    put_queries::{put_project_query, put_type_query},
    registry::registry_error,
    states::{Meaning, Refusal},
};
use crate::domain::{
    Caller, CheckedPolicy, RequestError, Tag,
    command::ResourceType,
    definition::{AdmittedDefinition, NewType},
    moment::write_time,
    registry::{Aliases, Condition, NewProject, RegistryError},
};

/// How often definitions are tried that the server has rolled back.
const ATTEMPTS: u32 = 5;

/// What became of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is new.
    Created,
    /// It is another than before.
    Changed,
    /// It was the same before.
    Unchanged,
}

/// What became of a definition, or why it was not stored.
pub type DefinitionOutcome = Result<Put, String>;

/// Why one was not stored, or why none can be.
enum Failure {
    Refused(RegistryError),
    /// The database cannot store a value that passed the checks.
    BadValue(StoreError),
    Database(sqlx::Error),
}

impl Failure {
    /// Why the definition was not stored, unless none can be. Whether another type has its name or an alias of it.
    fn reason(self) -> Result<(String, bool), sqlx::Error> {
        match self {
            Self::Refused(error) => Ok((error.to_string(), matches!(error, RegistryError::NameTaken { .. }))),
            Self::BadValue(error) => {
                tracing::error!(error = ?error, "the database refused a value that the checks let through");
                Ok((error.to_string(), false))
            }
            Self::Database(error) => Err(error),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Importer {
    /// Stores definitions, in order. Those that are refused are left out. Returns what became of each, and the types of all
    /// aliases as they are then.
    pub async fn put_definitions(
        &mut self,
        definitions: &[AdmittedDefinition],
    ) -> Result<(Vec<DefinitionOutcome>, Aliases), StoreError> {
        for attempt in 1.. {
            let (connection, caller) = self.connection_and_caller().await?;
            let watcher = connection.watcher();
            let stored = watcher.watch(async {
                begin(connection).await?;
                match enter_and_put(connection, caller, definitions).await {
                    Err(error)
                        if attempt < ATTEMPTS && matches!(meaning_of(&error), Meaning::RolledBack | Meaning::Gone) =>
                    {
                        connection.execute("rollback").await.map_err(StoreError::of)?;
                        Ok(None)
                    }
                    outcome => end(connection, outcome).await.map(Some),
                }
            });
            let stored: Result<_, StoreError> = stored.await;
            match stored? {
                Some(stored) => return Ok(stored),
                None => tokio::time::sleep(Duration::from_millis(5 << attempt)).await,
            }
        }
        Ok((Vec::new(), Aliases::default()))
    }
}

impl WholeImport {
    /// The same within the transaction of the import.
    pub async fn put_definitions(
        &mut self,
        definitions: &[AdmittedDefinition],
    ) -> Result<Vec<DefinitionOutcome>, StoreError> {
        let (connection, caller) = self.connection_and_caller();
        let watcher = connection.watcher();
        watcher.watch(put_all(connection, caller, definitions)).await.map_err(StoreError::of)
    }
}

/// Stores definitions as one batch of an import.
async fn enter_and_put(
    connection: &mut PgConnection,
    caller: &Caller,
    definitions: &[AdmittedDefinition],
) -> Result<(Vec<DefinitionOutcome>, Aliases), sqlx::Error> {
    sqlx::query!("select tagd.enter_import(false)").execute(&mut *connection).await?;
    let outcomes = put_all(connection, caller, definitions).await?;
    let aliases = sqlx::query!(
        r#"select t.resource_type as alias, t.alias_of as "resource_type!"
                         from tagd.resource_type t
                        where t.alias_of is not null"#
    )
    .fetch_all(connection)
    .await?;
    Ok((outcomes, aliases.into_iter().map(|row| (row.alias, row.resource_type)).collect()))
}

/// Types that could not get a name yet, because another type has it: the position of each.
type Waiting<'a> = Vec<(usize, &'a NewType)>;

/// Stores definitions in order, except that a name that moves from one type to another is given up first.
///
/// A savepoint that was rolled back to stays, and those after it would be within it: one level deeper, with one lock more, for
/// every definition that is refused. So it is released as well.
async fn put_all(
    connection: &mut PgConnection,
    caller: &Caller,
    definitions: &[AdmittedDefinition],
) -> Result<Vec<DefinitionOutcome>, sqlx::Error> {
    let mut outcomes: Vec<DefinitionOutcome> = Vec::with_capacity(definitions.len());
    let mut waiting = Waiting::new();
    for definition in definitions {
        if !matches!(definition, AdmittedDefinition::Type(_)) {
            put_waiting(connection, caller, &mut waiting, &mut outcomes).await?;
        }
        connection.execute("savepoint definition").await?;
        match put(connection, caller, definition).await {
            Ok(put) => {
                connection.execute("release savepoint definition").await?;
                outcomes.push(Ok(put));
            }
            Err(failure) => {
                let (reason, is_taken) = failure.reason()?;
                connection.execute("rollback to savepoint definition; release savepoint definition").await?;
                if let AdmittedDefinition::Type(new) = definition
                    && is_taken
                {
                    waiting.push((outcomes.len(), new));
                }
                outcomes.push(Err(reason));
            }
        }
    }
    put_waiting(connection, caller, &mut waiting, &mut outcomes).await?;
    Ok(outcomes)
}

/// Stores types that exchange names: all of them first give up the aliases that they are not to have.
async fn put_waiting(
    connection: &mut PgConnection,
    caller: &Caller,
    waiting: &mut Waiting<'_>,
    outcomes: &mut [DefinitionOutcome],
) -> Result<(), sqlx::Error> {
    while !waiting.is_empty() {
        connection.execute("savepoint exchange").await?;
        let mut before = Vec::with_capacity(waiting.len());
        for (_, new) in &*waiting {
            let found = find_type(connection, &new.resource_type.resource_type).await?;
            if let (Some(found), Some(wanted)) = (&found, &new.aliases) {
                let kept: Vec<String> = found.aliases.iter().filter(|alias| wanted.contains(alias)).cloned().collect();
                put_type_query(found, Some(&kept), caller).fetch_one(&mut *connection).await?;
            }
            before.push(found);
        }
        let mut taken = Vec::new();
        for ((position, new), before) in waiting.iter().zip(before) {
            connection.execute("savepoint definition").await?;
            let put = match put_type(connection, caller, new, before).await {
                Err(failure) => {
                    let (reason, _) = failure.reason()?;
                    connection.execute("rollback to savepoint definition; release savepoint definition").await?;
                    taken.push(*position);
                    Err(reason)
                }
                Ok(put) => {
                    connection.execute("release savepoint definition").await?;
                    Ok(put)
                }
            };
            if let Some(outcome) = outcomes.get_mut(*position) {
                *outcome = put;
            }
        }
        if taken.is_empty() {
            waiting.clear();
            connection.execute("release savepoint exchange").await?;
        } else {
            // without those that nobody gives up the name for
            connection.execute("rollback to savepoint exchange; release savepoint exchange").await?;
            waiting.retain(|(position, _)| !taken.contains(position));
        }
    }
    Ok(())
}

async fn put(connection: &mut PgConnection, caller: &Caller, definition: &AdmittedDefinition) -> Result<Put, Failure> {
    match definition {
        AdmittedDefinition::Type(new) => {
            let before = find_type(connection, &new.resource_type.resource_type).await?;
            put_type(connection, caller, new, before).await
        }
        AdmittedDefinition::Project(project) => put_project(connection, caller, project).await,
        AdmittedDefinition::PredefinedTag { domain_id, tag, updated_at, quota } => {
            put_predefined(connection, caller, domain_id, tag, (*updated_at, *quota)).await
        }
        AdmittedDefinition::Policy { checked, projects } => {
            put_policy(connection, caller, checked, projects.as_deref()).await
        }
    }
}

async fn find_type(connection: &mut PgConnection, name: &str) -> Result<Option<ResourceType>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select t.service, t.regional, t.tag_quota,
                  array(select a.resource_type from tagd.resource_type a
                         where a.alias_of = t.resource_type
                         order by a.resource_type) as "aliases!"
             from tagd.resource_type t
            where t.resource_type = $1 and t.alias_of is null"#,
        name
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| ResourceType {
        resource_type: name.to_owned(),
        service: row.service,
        regional: row.regional,
        tag_quota: u32::try_from(row.tag_quota).unwrap_or_default(),
        aliases: row.aliases,
    }))
}

async fn put_type(
    connection: &mut PgConnection,
    caller: &Caller,
    new: &NewType,
    before: Option<ResourceType>,
) -> Result<Put, Failure> {
    if let Some(before) = before {
        let ResourceType { service, regional, tag_quota, .. } = &new.resource_type;
        let is_same = (service, regional, tag_quota) == (&before.service, &before.regional, &before.tag_quota);
        if is_same && new.aliases.as_ref().is_none_or(|aliases| *aliases == before.aliases) {
            return Ok(Put::Unchanged);
        }
    }
    let put = put_type_query(&new.resource_type, new.aliases.as_deref(), caller).fetch_one(connection).await;
    let put = put.map_err(|error| refused(error, registry_error))?;
    Ok(if put.created { Put::Created } else { Put::Changed })
}

async fn put_project(connection: &mut PgConnection, caller: &Caller, project: &NewProject) -> Result<Put, Failure> {
    let NewProject { project_id, project_name, domain_id } = project;
    let before =
        sqlx::query!("select p.project_name, p.domain_id from tagd.project p where p.project_id = $1", project_id)
            .fetch_optional(&mut *connection)
            .await?;
    if let Some(before) = before {
        let is_there = domain_id.as_ref().is_none_or(|domain_id| *domain_id == before.domain_id);
        if is_there && *project_name == before.project_name {
            return Ok(Put::Unchanged);
        }
    }
    let put = put_project_query(project_id, project_name, domain_id.as_deref(), caller).fetch_one(connection).await?;
    match put.created {
        Some(true) => Ok(Put::Created),
        Some(false) => Ok(Put::Changed),
        // it was registered in another domain since the caller's rights were checked
        None => Err(Failure::Refused(RequestError::forbidden_project(project_id).into())),
    }
}

async fn put_predefined(
    connection: &mut PgConnection,
    caller: &Caller,
    domain_id: &str,
    tag: &Tag,
    (updated_at, quota): (Option<i64>, u32),
) -> Result<Put, Failure> {
    let row = sqlx::query!(
        r#"select created as "created!", changed as "changed!"
             from tagd.import_predefined($1, $2, $3, $4::text::timestamptz, $5, $6::text::tagd.caller)"#,
        domain_id,
        tag.key,
        tag.value,
        // as text: a sum of numbers would be rounded
        updated_at.map(write_time),
        i32::try_from(quota).unwrap_or(i32::MAX),
        row_of(caller)
    )
    .fetch_one(connection)
    .await
    .map_err(|error| refused(error, registry_error))?;
    Ok(match (row.created, row.changed) {
        (true, _) => Put::Created,
        (false, true) => Put::Changed,
        (false, false) => Put::Unchanged,
    })
}

async fn put_policy(
    connection: &mut PgConnection,
    caller: &Caller,
    checked: &CheckedPolicy,
    projects: Option<&[String]>,
) -> Result<Put, Failure> {
    let before = sqlx::query_scalar!(
        r#"select tagd.policy_etag(p.policy) as "etag!" from tagd.policy_row p where p.policy_name = $1 and p.domain_id is not distinct from $2"#,
        checked.policy().name,
        checked.policy().domain_id
    )
    .fetch_optional(&mut *connection)
    .await?;
    let put = put_policy_query(checked, projects, &Condition::None, caller).fetch_one(connection).await;
    let put = put.map_err(|error| match refusal_of(&error) {
        // one of another domain is refused as one that does not exist
        Some(Refusal::UnknownProject) if caller.domain_id.is_some() => {
            let project_id = checked.policy().project_id.as_deref().unwrap_or_default();
            Failure::Refused(RequestError::forbidden_project(project_id).into())
        }
        _ => refused(error, |error| put_error(checked, error)),
    })?;
    Ok(match before {
        _ if put.created => Put::Created,
        Some(before) if before == put.etag => Put::Unchanged,
        _ => Put::Changed,
    })
}

/// What an error says of one definition, or of the database.
fn refused(error: sqlx::Error, told: impl FnOnce(sqlx::Error) -> RegistryError) -> Failure {
    match meaning_of(&error) {
        Meaning::Refused(_) => Failure::Refused(told(error)),
        Meaning::Value => Failure::BadValue(StoreError::of(error)),
        _ => Failure::Database(error),
    }
}
