//! Export: resource types, projects, predefined tags, resources and policies, in order, from one snapshot.

use futures_util::{TryStreamExt, stream::BoxStream};
use sqlx::{Executor, PgConnection};

use super::{
    Store, StoreError, breaker::Watcher, forms::Form, policies::PolicyRow, pool::PooledConnection, rows::tags_of,
};
use crate::domain::{
    ProjectFilter, Resource, Tag,
    change::Registration,
    command::ResourceType,
    definition::{Definition, Entry, Kind, NewPredefined, NewType},
    policy::StoredPolicy,
    registry::NewProject,
};

/// An export in progress: a connection that reads one snapshot.
#[derive(Debug)]
pub struct Exporter {
    connection: PooledConnection,
    scopes: Vec<ExportScope>,
    kinds: Vec<Kind>,
    /// The only domain.
    domain_id: Option<String>,
    /// The only projects of it.
    projects: Option<Vec<String>>,
}

/// A scope, with the columns of its project that each line has.
#[derive(Debug)]
struct ExportScope {
    scope_id: i64,
    project_id: String,
    project_name: String,
    domain_id: String,
    resource_type: String,
}

/// The entries of one kind, or of one scope.
type Entries<'c> = BoxStream<'c, sqlx::Result<Entry>>;

/// The size of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportTotals {
    /// Resources.
    pub resources: u64,
    /// Policies that are left out, since their project now belongs to another domain: they concern nothing.
    pub lost_policies: u64,
}

impl Store {
    /// Takes the snapshot and checks that it can be read: once an answer has begun, an error can no longer be reported. It has
    /// these kinds of entries, as far as they belong to what is covered: resource types belong to nobody's domain; projects and
    /// predefined tags to a whole domain, not to some of its projects.
    pub async fn export(&self, covered: ProjectFilter<'_>, kinds: &[Kind]) -> Result<Exporter, StoreError> {
        let is_covered = |kind: &&Kind| match kind {
            Kind::Type => covered.domain_id.is_none(),
            Kind::Project | Kind::PredefinedTag => covered.projects.is_none(),
            Kind::Resource | Kind::Policy => true,
        };
        let kinds: Vec<Kind> = kinds.iter().filter(is_covered).copied().collect();
        let begin = || async {
            let mut connection = self.cheap(Form::BeginExport).acquire().await?;
            connection.execute("begin isolation level repeatable read read only").await?;
            // reads along the primary key, so that the first row comes immediately and nothing is sorted on disk
            connection.execute("select set_config('enable_sort', 'off', true)").await?;
            let scopes = sqlx::query_as!(
                ExportScope,
                "select s.scope_id, s.project_id, p.project_name, p.domain_id, s.resource_type
               from tagd.scope s
               join tagd.project p on p.project_id = s.project_id
              where ($1::text is null or p.domain_id = $1)
                and ($2::text[] is null or p.project_id = any($2))
              order by s.project_id, s.resource_type",
                covered.domain_id,
                covered.projects
            )
            .fetch_all(&mut *connection)
            .await?;
            connection.execute("select from tagd.resource limit 0").await?;
            let (domain_id, projects) = (covered.domain_id.map(ToOwned::to_owned), covered.projects.map(<[_]>::to_vec));
            Ok(Exporter { connection, scopes, kinds: kinds.clone(), domain_id, projects })
        };
        Ok(self.cheap(Form::BeginExport).begin(begin).await?)
    }
}

impl Exporter {
    /// The number of resources in the snapshot.
    pub async fn totals(&mut self) -> Result<ExportTotals, StoreError> {
        let scopes: Vec<i64> = self.scopes.iter().map(|scope| scope.scope_id).collect();
        let resources = sqlx::query_scalar!(
            r#"select coalesce(sum(coalesce(cardinality(l.slots),
                                        (select sum(c.hits) from tagd.chunk c
                                          where c.scope_id = l.scope_id and c.label_id = l.label_id))), 0)::int8 as "resources!"
                 from tagd.label l
                where l.scope_id = any($1) and l.key = '' and l.kind = 0 and l.value = ''"#,
            &scopes
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let lost_policies = sqlx::query_scalar!(
            r#"select count(*) as "lost!"
                 from tagd.policy p
                where ($1::text is null or p.domain_id = $1)
                  and ($2::text[] is null or p.project_id = any($2))
                  and p.project_id is not null and p.domain_id is not null
                  and not exists (select from tagd.project j where j.project_id = p.project_id and j.domain_id = p.domain_id)"#,
            self.domain_id,
            self.projects.as_deref()
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let (resources, lost) =
            (u64::try_from(resources).unwrap_or_default(), u64::try_from(lost_policies).unwrap_or_default());
        let has = |kind: Kind, count: u64| if self.kinds.contains(&kind) { count } else { 0 };
        Ok(ExportTotals { resources: has(Kind::Resource, resources), lost_policies: has(Kind::Policy, lost) })
    }

    /// Passes every entry to `each`, kind by kind.
    ///
    /// An export that is imported elsewhere and exported again is identical, so nothing is ordered by a number of the database, such as
    /// that of the scope, which depends on the order of registration. Resources are ordered by project, type and registration.
    pub async fn run<E: From<StoreError>>(
        mut self,
        mut each: impl AsyncFnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        let watcher = self.connection.watcher();
        for kind in Kind::ALL {
            if !self.kinds.contains(&kind) {
                continue;
            }
            let domain_id = self.domain_id.as_deref();
            let connection = &mut *self.connection;
            match kind {
                Kind::Type => pass(&watcher, types(connection), &mut each).await?,
                Kind::Project => pass(&watcher, projects(connection, domain_id), &mut each).await?,
                Kind::PredefinedTag => pass(&watcher, predefined(connection, domain_id), &mut each).await?,
                Kind::Resource => {
                    for scope in &self.scopes {
                        pass(&watcher, resources(connection, scope), &mut each).await?;
                    }
                }
                Kind::Policy => {
                    let policies = policies(connection, domain_id, self.projects.as_deref());
                    pass(&watcher, policies, &mut each).await?;
                }
            }
        }
        Ok(())
    }
}

/// Passes entries to `each` as they are read.
async fn pass<E: From<StoreError>>(
    watcher: &Watcher,
    mut entries: Entries<'_>,
    each: &mut impl AsyncFnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    while let Some(entry) = watcher.watch(entries.try_next()).await.map_err(StoreError::of)? {
        each(entry).await?;
    }
    Ok(())
}

fn types(connection: &mut PgConnection) -> Entries<'_> {
    sqlx::query!(
        r#"select t.resource_type, t.service, t.regional, t.tag_quota,
                  array(select a.resource_type from tagd.resource_type a
                         where a.alias_of = t.resource_type
                         order by a.resource_type) as "aliases!"
             from tagd.resource_type t
            where t.alias_of is null
            order by t.resource_type"#
    )
    .map(|row| {
        let resource_type = ResourceType {
            resource_type: row.resource_type,
            service: row.service,
            regional: row.regional,
            tag_quota: u32::try_from(row.tag_quota).unwrap_or_default(),
            aliases: Vec::new(),
        };
        Entry::Definition(Definition::Type(NewType { resource_type, aliases: Some(row.aliases) }))
    })
    .fetch(connection)
}

fn projects<'c>(connection: &'c mut PgConnection, domain_id: Option<&str>) -> Entries<'c> {
    sqlx::query!(
        "select p.project_id, p.project_name, p.domain_id
           from tagd.project p
          where $1::text is null or p.domain_id = $1
          order by p.project_id",
        domain_id
    )
    .map(|row| {
        Entry::Definition(Definition::Project(NewProject {
            project_id: row.project_id,
            project_name: row.project_name,
            domain_id: Some(row.domain_id),
        }))
    })
    .fetch(connection)
}

fn predefined<'c>(connection: &'c mut PgConnection, domain_id: Option<&str>) -> Entries<'c> {
    sqlx::query!(
        r#"select t.domain_id, t.key, t.value,
                  (extract(epoch from t.updated_at) * 1000000)::bigint as "updated_at!"
             from tagd.predefined_tag t
            where $1::text is null or t.domain_id = $1
            order by t.domain_id, t.key, t.value"#,
        domain_id
    )
    .map(|row| {
        Entry::Definition(Definition::PredefinedTag(NewPredefined {
            domain_id: Some(row.domain_id),
            tag: Tag { key: row.key, value: row.value },
            updated_at: Some(row.updated_at),
        }))
    })
    .fetch(connection)
}

fn policies<'c>(connection: &'c mut PgConnection, domain_id: Option<&str>, projects: Option<&[String]>) -> Entries<'c> {
    sqlx::query_as!(
        PolicyRow,
        r#"select p.policy_id as "policy_id!", p.policy_name as "policy_name!", p.domain_id, p.project_id, p.resource_types, p.key as "key!",
                  p.is_required as "is_required!", p.is_exact as "is_exact!", p.allowed_values, p.pattern, p.is_enforced as "is_enforced!",
                  p.description as "description!", tagd.policy_etag(p.policy) as "etag!",
                  floor(extract(epoch from p.created_at))::bigint as "created_at!",
                  floor(extract(epoch from p.updated_at))::bigint as "updated_at!"
             from tagd.policy_row p
            where ($1::text is null or p.domain_id = $1)
              and ($2::text[] is null or p.project_id = any($2))
              and (p.project_id is null or p.domain_id is null
                   or exists (select from tagd.project j where j.project_id = p.project_id and j.domain_id = p.domain_id))
            order by p.policy_name, p.domain_id nulls first"#,
        domain_id,
        projects
    )
    // the other columns of a stored policy differ between databases
    .map(|row| Entry::Definition(Definition::Policy(StoredPolicy::from(row).policy)))
    .fetch(connection)
}

fn resources<'c>(connection: &'c mut PgConnection, scope: &'c ExportScope) -> Entries<'c> {
    sqlx::query!(
        "select r.resource_id, r.resource_name, r.detail::text as detail, r.tags
           from tagd.resource r
          where r.scope_id = $1
          order by r.slot",
        scope.scope_id
    )
    .map(|row| {
        Entry::Resource(Registration {
            project_id: scope.project_id.clone(),
            project_name: Some(scope.project_name.clone()).filter(|name| !name.is_empty()),
            domain_id: Some(scope.domain_id.clone()).filter(|id| !id.is_empty()),
            resource_type: scope.resource_type.clone(),
            resource: Resource {
                resource_id: row.resource_id,
                resource_name: row.resource_name,
                detail: row.detail,
                tags: tags_of(row.tags),
            },
        })
    })
    .fetch(connection)
}
