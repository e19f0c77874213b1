//! Who reads what: a reader of reports sees nothing else, a reader of one domain no other domain.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::texts;
use crate::support::{World, block_on};

/// Roles belong to the whole server, so each test has names of its own.
struct Readers {
    all: String,
    one: String,
    none: String,
}

impl Readers {
    /// A reader of everything, one of the domain `shop`, and one to whom nobody has given a domain.
    async fn create(owner: &mut PgConnection) -> Self {
        let database: String =
            sqlx::query_scalar("select current_database()::text").fetch_one(&mut *owner).await.unwrap();
        let name = |what: &str| format!("{database}_{what}");
        let readers = Self { all: name("all"), one: name("one"), none: name("none") };
        for (role, granted) in
            [(&readers.all, "tagd_reader"), (&readers.one, "tagd_domain_reader"), (&readers.none, "tagd_domain_reader")]
        {
            owner.execute(AssertSqlSafe(format!("create role {role} login; grant {granted} to {role}"))).await.unwrap();
        }
        let mapped =
            format!("insert into tagd.reader_domain (role_name, domain_id) values ('{}', 'shop')", readers.one);
        owner.execute(AssertSqlSafe(mapped)).await.unwrap();
        readers
    }

    async fn drop(self, owner: &mut PgConnection) {
        owner.execute("reset session authorization").await.unwrap();
        for role in [self.all, self.one, self.none] {
            owner.execute(AssertSqlSafe(format!("drop owned by {role}; drop role {role}"))).await.unwrap();
        }
    }
}

/// The session of a role, as if it had logged in.
async fn log_in(connection: &mut PgConnection, role: &str) {
    connection.execute(AssertSqlSafe(format!("set session authorization {role}"))).await.unwrap();
}

async fn refusal(connection: &mut PgConnection, statement: &str) -> String {
    let refused = connection.execute(AssertSqlSafe(statement.to_owned())).await;
    refused.expect_err(statement).into_database_error().unwrap().code().unwrap().into_owned()
}

/// Two domains with a project each; what the second has is called `secret`.
fn two_domains() -> World {
    let world = World::new();
    for (project, domain, text) in [("p-shop", "shop", "known"), ("p-bank", "bank", "secret")] {
        let body = format!(r#"{{"domain_id":"{domain}","project_name":"{text}"}}"#);
        let put = world.send("PUT", &format!("/registry/v1/projects/{project}"), &JSON, body.as_bytes());
        assert!(put.status < 300, "{}", put.body);
        for number in 0..5 {
            let tags = if number == 0 {
                "[]".to_owned()
            } else {
                format!(r#"[{{"key":"{text}-key","value":"{text}-{number}"}}]"#)
            };
            let body = format!(r#"{{"resource_name":"{text}-name","tags":{tags}}}"#);
            let path = format!("/registry/v1/projects/{project}/types/images/resources/{text}-{number}");
            let put = world.send("PUT", &path, &JSON, body.as_bytes());
            assert!(put.status < 300, "{}", put.body);
        }
    }
    for (name, body) in [
        ("shop?domain_id=shop", r#"{"key":"known-key","required":true}"#),
        ("bank?domain_id=bank", r#"{"key":"secret-key","values":["secret-1"]}"#),
        ("of-all", r#"{"key":"owner","required":true}"#),
    ] {
        let put = world.send("PUT", &format!("/registry/v1/policies/{name}"), &JSON, body.as_bytes());
        assert!(put.status < 300, "{}", put.body);
    }
    world
}

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

/// Every table, view and sequence outside of the schema `report` and of Postgres's own schemas.
const RELATIONS: &str = "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
                          where n.nspname not in ('report', 'pg_catalog', 'information_schema', 'pg_toast') and c.relkind in ('r', 'p', 'v', 'm', 'S')";
/// A call of every function of tagd's own that is not in the schema `report`.
const CALLS: &str = "select format('select tagd.%I(%s)', p.proname,
                            (select string_agg(format('null::%I.%I', n.nspname, t.typname), ', ' order by a.n)
                               from unnest(p.proargtypes) with ordinality as a (oid, n)
                               join pg_type t on t.oid = a.oid
                               join pg_namespace n on n.oid = t.typnamespace))
                       from pg_proc p where p.pronamespace = 'tagd'::regnamespace and p.prokind = 'f'";

#[test]
fn a_reader_reads_the_reports_and_nothing_else() {
    let world = two_domains();
    block_on(async {
        let mut owner = world.db.connect().await;
        let readers = Readers::create(&mut owner).await;
        let (relations, calls) = (texts(&mut owner, RELATIONS).await, texts(&mut owner, CALLS).await);
        let views =
            texts(&mut owner, "select 'report.' || relname from pg_class where relnamespace = 'report'::regnamespace")
                .await;
        assert!(relations.len() > 15 && calls.len() > 40 && views.len() > 8);
        for role in [&readers.all, &readers.one, &readers.none] {
            log_in(&mut owner, role).await;
            for relation in &relations {
                for statement in [
                    "select from @",
                    "insert into @ default values",
                    "delete from @",
                    "truncate @",
                    "select nextval('@')",
                ] {
                    let statement = statement.replace('@', relation);
                    // a view cannot be written, a table is no sequence: whatever is refused first
                    let state = refusal(&mut owner, &statement).await;
                    assert_eq!(state, "42501", "{statement}");
                }
            }
            for call in &calls {
                assert_eq!(refusal(&mut owner, call).await, "42501", "{call}");
            }
            for view in &views {
                // a view that sums up cannot be written by anyone
                let state = refusal(&mut owner, &format!("delete from {view}")).await;
                assert!(["42501", "55000"].contains(&state.as_str()), "{view}: {state}");
                owner.execute(AssertSqlSafe(format!("select * from {view}"))).await.unwrap();
            }
            for schema in ["report", "tagd"] {
                assert_eq!(refusal(&mut owner, &format!("create table {schema}.mine (a int)")).await, "42501");
            }
            owner.execute("reset session authorization").await.unwrap();
        }
        readers.drop(&mut owner).await;
        owner.close().await.unwrap();
    });
}

#[test]
fn a_reader_of_one_domain_never_sees_another_and_one_without_a_domain_sees_none() {
    let world = two_domains();
    block_on(async {
        let mut owner = world.db.connect().await;
        let readers = Readers::create(&mut owner).await;
        // which credentials others have is nothing for readers of one domain either
        owner.execute("update tagd.history set credential_id = 'secret credential'").await.unwrap();
        let views =
            texts(&mut owner, "select 'report.' || relname from pg_class where relnamespace = 'report'::regnamespace")
                .await;
        owner.execute("vacuum analyze").await.unwrap();

        for view in views.iter().filter(|view| !["report.storage", "report.audit"].contains(&view.as_str())) {
            let rows = format!("select to_jsonb(v)::text from {view} v");
            let all = texts(&mut owner, &rows).await.join("\n");
            assert!(all.contains("p-shop") && all.contains("p-bank"), "{view}: {all}");
            log_in(&mut owner, &readers.all).await;
            assert_eq!(texts(&mut owner, &rows).await.len(), all.lines().count(), "{view}");
            log_in_again(&mut owner, &readers.one).await;
            let one = texts(&mut owner, &rows).await.join("\n");
            assert!(one.contains("p-shop"), "{view}");
            for foreign in ["p-bank", "secret", "bank"] {
                assert!(!one.contains(foreign), "{view}: {one}");
            }
            log_in_again(&mut owner, &readers.none).await;
            assert_eq!(texts(&mut owner, &rows).await, Vec::<String>::new(), "{view}");
            owner.execute("reset session authorization").await.unwrap();
        }

        log_in(&mut owner, &readers.one).await;
        // a function of the reader's own, the cheapest to the planner, that tells of each row it is called with
        owner
            .execute(
                "create function pg_temp.tells(p text) returns boolean language plpgsql cost 0.0001 as $$
                 begin if p like '%secret%' or p like '%bank%' then raise exception 'seen: %', p; end if; return true; end $$",
            )
            .await
            .unwrap();
        for view in &views {
            owner.execute(AssertSqlSafe(format!("select * from {view} v where pg_temp.tells(v::text)"))).await.unwrap();
            let columns = texts(
                &mut owner,
                &format!("select attname::text from pg_attribute where attrelid = '{view}'::regclass and attnum > 0"),
            )
            .await;
            for column in columns {
                let told = format!("select * from {view} v where pg_temp.tells(v.{column}::text)");
                owner.execute(AssertSqlSafe(told)).await.unwrap();
                // an error that only a foreign row would cause
                let fails = format!(
                    "select * from {view} v where 1 / (case when v.{column}::text ~ 'secret|bank' then 0 else 1 end) = 1"
                );
                owner.execute(AssertSqlSafe(fails)).await.unwrap();
            }
        }
        // Postgres's own views of statistics
        for statistics in ["pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"] {
            let seen = format!(
                "select to_jsonb(s)::text from {statistics} s where s.schemaname <> 'pg_catalog' and to_jsonb(s)::text ~ 'secret|p-bank'"
            );
            assert_eq!(texts(&mut owner, &seen).await, Vec::<String>::new());
        }
        readers.drop(&mut owner).await;
        owner.close().await.unwrap();
    });
}

async fn log_in_again(connection: &mut PgConnection, role: &str) {
    connection.execute("reset session authorization").await.unwrap();
    log_in(connection, role).await;
}

#[test]
fn a_search_of_a_reader_stays_in_the_domain_and_a_foreign_project_looks_like_an_unknown_one() {
    let world = two_domains();
    block_on(async {
        let mut owner = world.db.connect().await;
        let readers = Readers::create(&mut owner).await;
        let search = |project: &str| format!("select resource_id from report.matching('{project}', 'images', '{{}}')");
        assert_eq!(texts(&mut owner, &search("p-bank")).await.len(), 5);
        for (role, seen) in
            [(&readers.all, vec!["p-shop", "p-bank"]), (&readers.one, vec!["p-shop"]), (&readers.none, vec![])]
        {
            log_in_again(&mut owner, role).await;
            for project in ["p-shop", "p-bank", "p-none"] {
                if seen.contains(&project) {
                    assert_eq!(texts(&mut owner, &search(project)).await.len(), 5, "{role} {project}");
                    continue;
                }
                let refused = owner.execute(AssertSqlSafe(search(project))).await.unwrap_err();
                let refused = refused.into_database_error().unwrap();
                assert_eq!(refused.code().unwrap(), "22023");
                assert_eq!(
                    refused.message(),
                    format!("project_id: there is no project \"{project}\" that you may read")
                );
            }
        }
        // the rights are those of the role that is set, not of the login, and a member has those of its group
        owner.execute("reset session authorization").await.unwrap();
        owner.execute(AssertSqlSafe(format!("set role {}", readers.one))).await.unwrap();
        assert_eq!(texts(&mut owner, "select distinct project_id from report.scopes").await, ["p-shop"]);
        owner.execute(AssertSqlSafe(search("p-bank"))).await.unwrap_err();
        owner.execute("reset role").await.unwrap();
        owner.execute(AssertSqlSafe(format!("grant {} to {}", readers.one, readers.none))).await.unwrap();
        log_in(&mut owner, &readers.none).await;
        assert_eq!(texts(&mut owner, "select distinct project_id from report.scopes").await, ["p-shop"]);
        readers.drop(&mut owner).await;
        owner.close().await.unwrap();
    });
}
