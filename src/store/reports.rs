//! Reports: the views of the schema `report`, row by row.

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Row};

use super::{Store, StoreError, forms::Form, pool::PooledConnection};

/// A report: a view, and how it is shown to people.
#[derive(Debug)]
pub struct Report {
    /// Name, that of the view.
    pub name: &'static str,
    /// What it answers.
    pub about: &'static str,
    /// What a table for people shows: heading and expression. The other forms have all columns of the view.
    pub columns: &'static [(&'static str, &'static str)],
    /// The column with the time of a row.
    pub time: Option<&'static str>,
    /// Whether its rows belong to types in projects.
    pub is_by_scope: bool,
    order: &'static str,
}

/// The project of a row as a table for people shows it.
const PROJECT: (&str, &str) = ("project", "coalesce(nullif(v.project_name, ''), v.project_id)");
const TYPE: (&str, &str) = ("type", "v.resource_type");
const ID: (&str, &str) = ("id", "v.resource_id");
const NAME: (&str, &str) = ("name", "v.resource_name");

/// All reports, by name.
pub const REPORTS: [Report; 14] = [
    Report {
        name: "audit",
        about: "Administrative acts: credentials, projects, types, policies, history, and failed authentications",
        columns: &[
            ("time", "to_char(v.recorded_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS')"),
            ("operation", "v.operation"),
            ("object", "v.object"),
            ("principal", "v.principal"),
            ("address", "v.address"),
            ("detail", "v.detail"),
        ],
        time: Some("recorded_at"),
        is_by_scope: false,
        order: "v.recorded_at desc, v.operation, v.object",
    },
    Report {
        name: "changes",
        about: "Every change of a resource or its tags: who, when, before and after",
        columns: &[
            ("time", "to_char(v.changed_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS')"),
            PROJECT,
            TYPE,
            ID,
            ("operation", "v.operation"),
            ("principal", "v.principal"),
            ("before", "v.old_tags"),
            ("after", "v.new_tags"),
        ],
        time: Some("changed_at"),
        is_by_scope: true,
        order: "v.changed_at desc, v.resource_id",
    },
    Report {
        name: "coverage",
        about: "How many resources of each type have each key that their project uses",
        columns: &[
            PROJECT,
            TYPE,
            ("key", "v.key"),
            ("present", "v.with_key"),
            ("missing", "v.without_key"),
            ("%", "v.percent"),
        ],
        time: None,
        is_by_scope: true,
        order: "v.project_id, v.resource_type, v.key",
    },
    Report {
        name: "index_health",
        about: "The size of the index of each type in a project, and when it was last verified",
        columns: &[
            PROJECT,
            TYPE,
            ("registrations", "v.registrations"),
            ("labels", "v.labels"),
            ("dense", "v.dense_labels"),
            ("chunks", "v.chunks"),
            ("verified", "to_char(v.verified_at at time zone 'utc', 'YYYY-MM-DD HH24:MI')"),
            ("differences", "v.differences"),
        ],
        time: None,
        is_by_scope: true,
        order: "v.project_id, v.resource_type",
    },
    Report {
        name: "keys",
        about: "Keys in use, with the number of resources that have them",
        columns: &[PROJECT, TYPE, ("key", "v.key"), ("resources", "v.resources")],
        time: None,
        is_by_scope: true,
        order: "v.project_id, v.resource_type, v.key",
    },
    Report {
        name: "pairs",
        about: "Keys and values in use, with the number of resources that have them",
        columns: &[PROJECT, TYPE, ("key", "v.key"), ("value", "v.value"), ("resources", "v.resources")],
        time: None,
        is_by_scope: true,
        order: "v.project_id, v.resource_type, v.key, v.resources desc, v.value",
    },
    Report {
        name: "policies",
        about: "How many resources of each type in a project comply with each policy",
        columns: &[
            PROJECT,
            TYPE,
            ("policy", "v.policy_name"),
            ("key", "v.key"),
            ("resources", "v.resources"),
            ("missing", "v.missing"),
            ("value", "v.wrong_value"),
            ("spelling", "v.misspelled"),
            ("compliant %", "v.compliant_percent"),
        ],
        time: None,
        is_by_scope: true,
        order: "v.project_id, v.resource_type, v.policy_name",
    },
    Report {
        name: "resources",
        about: "Every resource with its tags",
        columns: &[PROJECT, TYPE, ID, NAME, ("tags", "v.tags")],
        time: Some("registered_at"),
        is_by_scope: true,
        order: "v.project_id, v.resource_type, v.registration_number desc",
    },
    Report {
        name: "scopes",
        about: "The number of resources of each type in a project, and how many of them are tagged",
        columns: &[
            PROJECT,
            TYPE,
            ("resources", "v.resources"),
            ("untagged", "v.untagged"),
            ("tagged %", "v.tagged_percent"),
        ],
        time: None,
        is_by_scope: true,
        order: "v.project_id, v.resource_type",
    },
    Report {
        name: "storage",
        about: "The size of each table of tagd, and its dead rows",
        columns: &[
            ("table", "v.table_name"),
            ("rows", "v.estimated_rows"),
            ("dead", "v.dead_rows"),
            ("table size", "pg_size_pretty(v.table_bytes)"),
            ("index size", "pg_size_pretty(v.index_bytes)"),
        ],
        time: None,
        is_by_scope: false,
        order: "v.table_bytes + v.index_bytes desc, v.table_name",
    },
    Report {
        name: "tags",
        about: "Every tag of every resource",
        columns: &[PROJECT, TYPE, ID, NAME, ("key", "v.key"), ("value", "v.value")],
        time: None,
        is_by_scope: true,
        order: "v.project_id, v.resource_type, v.resource_id, v.key",
    },
    Report {
        name: "tags_per_resource",
        about: "How many resources have how many tags",
        columns: &[PROJECT, TYPE, ("tags", "v.tags_count"), ("resources", "v.resources")],
        time: None,
        is_by_scope: true,
        order: "v.project_id, v.resource_type, v.tags_count",
    },
    Report {
        name: "untagged",
        about: "Resources without a tag",
        columns: &[
            PROJECT,
            TYPE,
            ID,
            NAME,
            ("registered", "to_char(v.registered_at at time zone 'utc', 'YYYY-MM-DD HH24:MI')"),
        ],
        time: Some("registered_at"),
        is_by_scope: true,
        order: "v.project_id, v.resource_type, v.registration_number desc",
    },
    Report {
        name: "violations",
        about: "Resources that violate policies, and what is wrong with each",
        columns: &[
            PROJECT,
            TYPE,
            ID,
            NAME,
            ("policy", "v.policy_name"),
            ("key", "v.key"),
            ("problem", "v.problem"),
            ("found", "v.found"),
        ],
        time: Some("registered_at"),
        is_by_scope: true,
        order: "v.project_id, v.resource_type, v.policy_name, v.registration_number desc, v.problem, v.found",
    },
];

/// Which rows of a report are asked for.
#[derive(Debug, Default)]
pub struct ReportFilter {
    /// Only these projects; empty for all.
    pub projects: Vec<String>,
    /// Only these types; empty for all.
    pub types: Vec<String>,
    /// Only rows since this time, in seconds since 1970.
    pub since: Option<i64>,
}

/// What a row of a report is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportForm {
    /// The columns for people, as text.
    Table,
    /// All columns, as text.
    Columns,
    /// One JSON object.
    Object,
}

/// A report that can be read.
#[derive(Debug)]
pub struct ReportReader {
    connection: PooledConnection,
    statement: String,
    projects: Option<Vec<String>>,
    types: Option<Vec<String>>,
    earliest: Option<i64>,
    /// Names of the columns of each row.
    pub columns: Vec<String>,
}

/// Why a report cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The filter names a project or a type that does not exist.
    #[error("{field}: there is no {field} {name:?}")]
    Unknown {
        /// `project` or `type`.
        field: &'static str,
        /// Its name.
        name: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Prepares to read a report: checks that what the filter names exists, and finds the columns.
    pub async fn report(
        &self,
        report: &Report,
        filter: ReportFilter,
        form: ReportForm,
    ) -> Result<ReportReader, ReportError> {
        let mut connection = self.cheap(Form::ReadReport).acquire().await.map_err(StoreError::of)?;
        let ReportFilter { projects, types, since: earliest } = filter;
        let known: Vec<String> =
            sqlx::query_scalar("select p.project_id from tagd.project p where p.project_id = any($1)")
                .bind(&projects)
                .fetch_all(&mut *connection)
                .await
                .map_err(StoreError::of)?;
        if let Some(name) = projects.iter().find(|name| !known.contains(name)) {
            return Err(ReportError::Unknown { field: "project", name: name.clone() });
        }
        let types_found: Vec<(String, String)> = sqlx::query_as(
            "select t.resource_type, coalesce(t.alias_of, t.resource_type) from tagd.resource_type t where t.resource_type = any($1)",
        )
        .bind(&types)
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::of)?;
        if let Some(name) = types.iter().find(|name| !types_found.iter().any(|(known, _)| known == *name)) {
            return Err(ReportError::Unknown { field: "type", name: name.clone() });
        }
        let types: Vec<String> = types_found.into_iter().map(|(_, resource_type)| resource_type).collect();
        let columns: Vec<(String, String)> = match form {
            ReportForm::Table => report
                .columns
                .iter()
                .map(|(heading, expression)| ((*heading).to_owned(), (*expression).to_owned()))
                .collect(),
            ReportForm::Object => vec![("row".to_owned(), "to_jsonb(v)".to_owned())],
            ReportForm::Columns => {
                let names: Vec<String> = sqlx::query_scalar(
                    "select a.attname::text from pg_attribute a
                      where a.attrelid = ('report.' || $1)::regclass and a.attnum > 0 and not a.attisdropped
                      order by a.attnum",
                )
                .bind(report.name)
                .fetch_all(&mut *connection)
                .await
                .map_err(StoreError::of)?;
                names.into_iter().map(|name| (name.clone(), format!("v.{name}"))).collect()
            }
        };
        let list: Vec<String> = columns.iter().map(|(_, expression)| format!("({expression})::text")).collect();
        // every statement has the same three parameters; the caller sets only those that the report has
        let by_scope = if report.is_by_scope {
            "($1::text[] is null or v.project_id = any($1)) and ($2::text[] is null or v.resource_type = any($2))"
        } else {
            "$1::text[] is null and $2::text[] is null"
        };
        let since = report.time.map_or_else(String::new, |time| format!(" or v.{time} >= to_timestamp($3)"));
        let statement = format!(
            "select {} from report.{} v where {by_scope} and ($3::int8 is null{since}) order by {}",
            list.join(", "),
            report.name,
            report.order
        );
        let some = |names: Vec<String>| Some(names).filter(|names| !names.is_empty());
        let columns = columns.into_iter().map(|(name, _)| name).collect();
        Ok(ReportReader { connection, statement, projects: some(projects), types: some(types), earliest, columns })
    }
}

impl ReportReader {
    /// Passes each row to `each`, in order.
    pub async fn run<E: From<StoreError>>(
        mut self,
        mut each: impl FnMut(Vec<Option<String>>) -> Result<(), E>,
    ) -> Result<(), E> {
        // constants of this program and names of columns
        let statement = AssertSqlSafe(self.statement);
        let query = sqlx::query(statement).bind(self.projects).bind(self.types).bind(self.earliest);
        let mut rows = query.fetch(&mut *self.connection);
        while let Some(row) = rows.try_next().await.map_err(StoreError::of)? {
            let cells: Result<Vec<Option<String>>, sqlx::Error> = (0..row.len()).map(|at| row.try_get(at)).collect();
            each(cells.map_err(StoreError::of)?)?;
        }
        Ok(())
    }
}
