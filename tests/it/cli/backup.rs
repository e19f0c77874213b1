//! The commands of docs/BACKUP.md, as they are printed there: each way to back tagd up and to restore it, with the programs of Postgres.

#![cfg(target_os = "linux")]

use std::{
    io::Write,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::program::{FOR_OTHERS, Private};
use crate::{
    access::{borrowed, signed},
    support::{Answer, Program, Said, Serving, finish, json_lines, repository},
};

/// The programs that the commands use besides tagd.
const PROGRAMS: [&str; 5] = ["pg_dump", "pg_restore", "pg_basebackup", "psql", "bash"];

/// The commands of a section of the page, block by block.
fn commands_of(section: &str) -> Vec<String> {
    let page = std::fs::read_to_string(repository("docs/BACKUP.md")).unwrap();
    let (_, text) = page.split_once(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("no section {section}"));
    let text = text.split("\n## ").next().unwrap();
    text.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// A private Postgres, and folders for its backups and for what is restored from them.
struct Site {
    old: Private,
    new: Private,
}

/// A key and a token that were made before a backup.
struct Credentials {
    key: (String, String),
    token: String,
}

const ECS: &str = "/registry/v1/projects/backed-up/types/ecs/resources";

/// The folders of programs. Those of the server that the tests use come first: an older `pg_dump` refuses it.
fn path() -> String {
    let path = std::env::var("PATH").unwrap();
    std::env::var("TAGD_POSTGRES_BIN").map_or_else(|_| path.clone(), |bin| format!("{bin}:{path}"))
}

impl Site {
    /// `None` where there are no client programs of Postgres, which is said.
    fn new(test: &str) -> Option<Self> {
        let found = |program: &&str| std::env::split_paths(&path()).any(|dir| dir.join(program).exists());
        if let Some(missing) = PROGRAMS.iter().find(|program| !found(program)) {
            std::io::stderr().write_all(format!("{test} DID NOT RUN: there is no {missing}\n").as_bytes()).unwrap();
            return None;
        }
        let old = Private::new();
        let new = Private(Program::new().with("TAGD_LISTEN", "127.0.0.1:0").with("TAGD_DATA_DIR", "data"));
        let site = Self { old, new };
        // with folders of the test in place of those of the page
        let folders: Vec<_> = commands_of("Which way").concat().lines().map(str::to_owned).collect();
        let (variables, commands): (Vec<_>, Vec<_>) = folders.iter().partition(|line| line.starts_with("export "));
        assert!(variables.len() == 4 && !commands.is_empty(), "{folders:#?}");
        site.type_in(&[], &commands.iter().map(|line| line.as_str()).collect::<Vec<_>>());
        Some(site)
    }

    /// A block of commands as it would be typed, with the variables of the page.
    fn shell(&self, variables: &[(&str, &str)]) -> Command {
        let program = self.old.0.command(&[]);
        let mut command = Command::new("bash");
        let tagd = std::path::Path::new(program.get_program()).parent().unwrap();
        let at = |program: &Private, name: &str| program.0.dir().join(name);
        command.args(["-euo", "pipefail"]).env_clear().current_dir(self.old.0.dir());
        command.env("HOME", self.old.0.dir()).env("PATH", format!("{}:{}", tagd.display(), path()));
        command.envs(std::env::var_os("TAGD_POSTGRES_BIN").map(|bin| ("TAGD_POSTGRES_BIN", bin)));
        command.env("TAGD_DATA_DIR", at(&self.old, "data")).env("BACKUP", at(&self.old, "backup"));
        command.env("KEYS", at(&self.old, "keys")).env("NEW", at(&self.new, "data"));
        command.envs(variables.iter().copied());
        command
    }

    /// The permissions of a file below the old program's folder.
    fn mode_of(&self, name: &str) -> u32 {
        std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(self.old.0.dir().join(name)).unwrap()) & 0o777
    }

    /// Runs the commands of blocks, which must succeed.
    fn type_in(&self, variables: &[(&str, &str)], blocks: &[&str]) -> Said {
        let mut command = self.shell(variables);
        command.args(["-c", &blocks.join("\n")]);
        let said = finish(command, b"");
        assert_eq!(said.code, Some(0), "{blocks:#?}\n{said:?}");
        said
    }

    /// Gives the old database something of everything.
    fn fill(&self) -> Credentials {
        let program = &self.old.0;
        program.expect(&["demo"]);
        let line = |value: Value| format!("{value}\n");
        let lines = [
            line(
                json!({ "kind": "type", "resource_type": "buckets", "service": "TMS", "regional": false, "tag_quota": 7, "aliases": ["obs"] }),
            ),
            line(json!({ "kind": "project", "project_id": "empty", "project_name": "no resources", "domain_id": "d" })),
            line(
                json!({ "kind": "predefined_tag", "key": "env", "value": "prod", "updated_at": "2026-01-02T03:04:05Z" }),
            ),
            line(
                json!({ "project_id": "backed-up", "resource_type": "ecs", "resource_id": "old", "tags": [{ "key": "env", "value": "prod" }] }),
            ),
            line(
                json!({ "kind": "policy", "policy_name": "env", "key": "env", "values": ["prod", "test"], "project_id": "backed-up", "enforced": true }),
            ),
        ];
        let said = program.import(lines.concat());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        let key: Value =
            serde_json::from_str(&program.expect(&["key", "create", "--name", "k", "--role", "operator", "--json"]))
                .unwrap();
        let token: Value =
            serde_json::from_str(&program.expect(&["token", "create", "--name", "t", "--role", "operator", "--json"]))
                .unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Credentials { key: (text(&key["id"]), text(&key["secret"])), token: text(&token["token"]) }
    }
}

fn tag(serving: &Serving, token: &str, id: &str, value: &str) -> u16 {
    let body = json!({ "tags": [{ "key": "env", "value": value }] }).to_string();
    let headers = [("Content-Type", "application/json"), ("X-Auth-Token", token)];
    serving.send("PUT", &format!("{ECS}/{id}"), &headers, body.as_bytes()).status
}

/// A server that asks for credentials.
fn serve(program: &Program) -> Serving {
    program.serve(&["--auth", "keys,tokens"])
}

/// The answers to queries in every dialect, to lists, and to what is asked of history and policies.
fn answers(serving: &Serving, token: &str, with_history: bool) -> Vec<(String, Value)> {
    let project = "fd73a4a14a4a4dfb9771a8475e5198ea";
    let env = json!({ "action": "filter", "tags": [{ "key": "env", "values": ["prod"] }] });
    let mut asked = vec![
        (format!("/v2/{project}/images/resource_instances/action"), Some(env.clone())),
        (format!("/v2/{project}/DNS-public_zone/resource_instances/action"), Some(env)),
        (
            "/v1.0/resource-instances/filter".to_owned(),
            Some(
                json!({ "project_id": project, "resource_types": ["ecs", "images", "vpcs"], "tags": [{ "key": "env", "values": ["prod"] }] }),
            ),
        ),
        (format!("/v3/{project}/cts-tracker/resource-instances/filter"), Some(json!({ "without_any_tag": true }))),
        ("/v1.0/predefine_tags".to_owned(), None),
        ("/v1.0/tag-keys".to_owned(), None),
        ("/registry/v1/types".to_owned(), None),
        ("/registry/v1/projects".to_owned(), None),
        ("/registry/v1/compliance".to_owned(), None),
        (format!("{ECS}/old"), None),
    ];
    if with_history {
        asked.push((format!("{ECS}/old/history"), None));
        asked.push(("/registry/v1/audit".to_owned(), None));
        asked.push(("/registry/v1/policies".to_owned(), None));
    }
    let headers = [("Content-Type", "application/json"), ("X-Auth-Token", token)];
    let ask = |(path, body): (String, Option<Value>)| {
        let method = if body.is_some() { "POST" } else { "GET" };
        let answer = serving.send(method, &path, &headers, body.unwrap_or_default().to_string().as_bytes());
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let mut answer = answer.json();
        // markers are sealed differently each time
        answer.as_object_mut().unwrap().remove("next_marker");
        (path, answer)
    };
    asked.into_iter().map(ask).collect()
}

fn feed(serving: &Serving, token: &str, query: &str) -> Answer {
    serving.send("GET", &format!("/registry/v1/history?{query}"), &[("X-Auth-Token", token)], b"")
}

/// Whether a request that is signed with the key is answered.
fn signs(serving: &Serving, Credentials { key: (access, secret), .. }: &Credentials) -> bool {
    let path = "/registry/v1/types";
    let headers = signed((access, secret), "GET", (path, ""), &[], b"");
    serving.send("GET", path, &borrowed(&headers), b"").status == 200
}

/// What holds after every restore of the database itself: the first writes, the history, a feed that begins anew.
fn goes_on(serving: &Serving, credentials: &Credentials, marker: &str) {
    let token = &credentials.token;
    assert!(signs(serving, credentials), "{}", serving.log());
    let gone = feed(serving, token, &format!("marker={marker}"));
    assert_eq!(gone.status, 410, "a follower may be ahead: {}", gone.body);
    let end = feed(serving, token, "start=end").json()["next_marker"].as_str().unwrap().to_owned();
    assert_eq!(tag(serving, token, "new", "prod"), 201);
    assert_eq!(tag(serving, token, "old", "prod"), 200);
    assert_eq!(tag(serving, token, "old", "production"), 400, "the policy is enforced");
    let changes = feed(serving, token, &format!("marker={end}")).json();
    let ids: Vec<&Value> = changes["changes"].as_array().unwrap().iter().map(|change| &change["resource_id"]).collect();
    assert_eq!(ids, ["new", "old"]);
}

#[test]
fn an_export_restores_what_is_no_secret_and_no_history() {
    let Some(site) = Site::new("an_export_restores_what_is_no_secret_and_no_history") else { return };
    let credentials = site.fill();
    let serving = serve(&site.old.0);
    let before = answers(&serving, &credentials.token, false);
    let blocks = commands_of("Export");
    let [back_up, restore] = &blocks[..] else { panic!("{blocks:#?}") };
    // beside a server
    site.type_in(&[], &[back_up]);
    serving.stop();
    let said = site.type_in(&[], &[restore]);
    assert!(said.out.contains("index and tags agree"), "{said:?}");

    let new = &site.new.0;
    assert_eq!(new.run(&["token", "list"]).out.lines().filter(|line| line.contains(" t ")).count(), 0);
    let token: Value =
        serde_json::from_str(&new.expect(&["token", "create", "--name", "t", "--role", "operator", "--json"])).unwrap();
    let token = token["token"].as_str().unwrap();
    let serving = serve(new);
    assert_eq!(answers(&serving, token, false), before);
    assert_eq!(tag(&serving, token, "new", "prod"), 201);
    assert_eq!(tag(&serving, token, "new", "production"), 400, "the policy is enforced");
    serving.stop();
    assert_eq!(new.run(&["index", "verify"]).code, Some(0));
}

#[test]
fn a_dump_restores_everything_into_a_new_private_postgres() {
    let Some(site) = Site::new("a_dump_restores_everything_into_a_new_private_postgres") else { return };
    let credentials = site.fill();
    let serving = serve(&site.old.0);
    assert_eq!(tag(&serving, &credentials.token, "old", "prod"), 200);
    assert_eq!(tag(&serving, &credentials.token, "old", "test"), 200);
    let marker = feed(&serving, &credentials.token, "start=end").json()["next_marker"].as_str().unwrap().to_owned();
    let before = answers(&serving, &credentials.token, true);
    let blocks = commands_of("Dump");
    let [back_up, restore] = &blocks[..] else { panic!("{blocks:#?}") };
    let master_key = commands_of("What no backup has");
    // beside a server, and what it writes afterwards is not in it
    site.type_in(&[], &[&master_key[0], back_up]);
    assert_eq!(site.mode_of("backup/tagd.dump"), 0o600);
    assert_eq!(tag(&serving, &credentials.token, "late", "prod"), 201);
    serving.stop();
    let said = site.type_in(&[], &[restore]);
    assert!(said.out.contains("index and tags agree"), "{said:?}");
    let serving = serve(&site.new.0);
    assert_eq!(answers(&serving, &credentials.token, true), before);
    goes_on(&serving, &credentials, &marker);
    serving.stop();
    assert_eq!(site.new.0.run(&["index", "verify"]).code, Some(0));
}

#[test]
fn a_dump_is_restored_where_there_never_was_an_access_key() {
    let Some(site) = Site::new("a_dump_is_restored_where_there_never_was_an_access_key") else { return };
    site.old.0.expect(&["demo"]);
    assert!(!site.old.0.dir().join("data/master.key").exists());
    let blocks = commands_of("Dump");
    let [back_up, restore] = &blocks[..] else { panic!("{blocks:#?}") };
    // also where the shell is set up for another server
    site.type_in(&FOR_OTHERS, &[&commands_of("What no backup has")[0], back_up]);
    site.type_in(&FOR_OTHERS, &[restore]);
    assert_eq!(site.new.0.expect(&["export"]), site.old.0.expect(&["export"]));
}

/// Keeps a private Postgres running.
struct Held(Child);

impl Held {
    fn hold(program: &Program) -> (Self, String) {
        // the folder of the socket as part of a URL, then nothing until the end of its input
        let script = r#"echo "$PGHOST:$PGPORT"; cat"#;
        let mut command = program.command(&["postgres", "bash", "-c", script]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        let (dir, port) = line.trim().rsplit_once(':').unwrap();
        (Self(child), format!("{}:{port}", dir.replace('/', "%2F")))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_dump_of_ones_own_server_is_restored_for_another_owner_and_a_login_with_fewer_rights() {
    let Some(site) = Site::new("a_dump_of_ones_own_server_is_restored_for_another_owner_and_a_login_with_fewer_rights")
    else {
        return;
    };
    let credentials = site.fill();
    let (_from, old) = Held::hold(&site.old.0);
    let (_to, new) = Held::hold(&site.new.0);
    let url = |login: &str, place: &str, database: &str| format!("postgres://{login}@{place}/{database}");
    // as the page of the roles has them
    let page = std::fs::read_to_string(repository("docs/POSTGRES.md")).unwrap();
    let roles = page.split("\n```sql\n").nth(1).unwrap().split("\n```").next().unwrap();
    let administrator = url("tagd", &new, "postgres");
    let said = finish(site.psql(&administrator), roles.as_bytes());
    assert_eq!(said.code, Some(0), "{said:?}");

    let blocks = commands_of("Dump of your own server");
    let [back_up, restore] = &blocks[..] else { panic!("{blocks:#?}") };
    site.type_in(&[("DATABASE_URL", &url("tagd", &old, "tagd"))], &[back_up]);
    assert_eq!(site.mode_of("backup/tagd.dump"), 0o600);
    let app = url("tagd_app", &new, "tags");
    let said = site.type_in(&[("DATABASE_URL", &app), ("ADMIN_URL", &url("tagd", &new, "tags"))], &[restore]);
    assert!(said.out.contains("index and tags agree"), "{said:?}");

    let program = Program::new().with("DATABASE_URL", &app).with("TAGD_LISTEN", "127.0.0.1:0");
    let old_answers = {
        let serving = serve(&site.old.0);
        answers(&serving, &credentials.token, true)
    };
    let serving = program.serve(&["--auth", "tokens"]);
    assert_eq!(answers(&serving, &credentials.token, true), old_answers);
    assert_eq!(tag(&serving, &credentials.token, "new", "prod"), 201);
    serving.stop();
    assert_eq!(program.run(&["index", "rebuild"]).code, Some(0));
    // the new owner brings the schema up to date, and what it makes then can be read by the service
    let owner = Program::new().with("DATABASE_URL", &url("tagd_owner", &new, "tags"));
    assert!(owner.expect(&["migrate"]).contains("nothing to do"));
    let made = finish(
        site.psql(&url("tagd_owner", &new, "tags")),
        b"create table tagd.later (n integer); set role tagd_service; select count(*) from tagd.later;",
    );
    assert_eq!(made.code, Some(0), "{made:?}");
}

impl Site {
    fn psql(&self, url: &str) -> Command {
        let mut command = self.shell(&[]);
        command.args(["-c", r#"psql -v ON_ERROR_STOP=1 -d "$0""#, url]);
        command
    }
}

#[test]
fn a_base_backup_with_its_wal_restores_the_state_at_a_time() {
    let Some(site) = Site::new("a_base_backup_with_its_wal_restores_the_state_at_a_time") else { return };
    let credentials = site.fill();
    let token = &credentials.token;
    let master_key = commands_of("What no backup has");
    let blocks = commands_of("Base backup and WAL");
    let [settings, back_up, switch, restore] = &blocks[..] else { panic!("{blocks:#?}") };
    site.type_in(&[], &[&master_key[0], settings]);

    let serving = serve(&site.old.0);
    site.type_in(&[], &[back_up]);
    assert_eq!(tag(&serving, token, "old", "test"), 200);
    let marker = feed(&serving, token, "start=end").json()["next_marker"].as_str().unwrap().to_owned();
    let before = answers(&serving, token, true);
    let now = site.type_in(&[], &["tagd postgres psql -Atc 'select clock_timestamp()'"]).out;
    // what happens then is not wanted
    assert_eq!(tag(&serving, token, "late", "prod"), 201);
    assert_eq!(tag(&serving, token, "old", "prod"), 200);
    site.type_in(&[], &[switch]);
    serving.stop();

    let said = site.type_in(&[("UNTIL", now.trim())], &[restore]);
    assert!(said.out.contains("index and tags agree"), "{said:?}");
    let serving = serve(&site.new.0);
    assert_eq!(answers(&serving, token, true), before);
    goes_on(&serving, &credentials, &marker);
    serving.stop();
    assert_eq!(site.new.0.run(&["index", "verify"]).code, Some(0));
    let ids: Vec<Value> = json_lines(&site.new.0.expect(&["export", "--only", "resource"]))
        .iter()
        .map(|line| line["resource_id"].clone())
        .collect();
    assert!(ids.contains(&json!("new")) && !ids.contains(&json!("late")), "{ids:?}");
}

#[test]
fn a_program_of_postgres_inherits_no_other_server_and_no_secret() {
    let private = Private::new();
    let mut command = private.0.command(&["postgres", "bash", "-c", "env | grep -E '^(PG|TAGD_MASTER_KEY)' | sort"]);
    command.envs(FOR_OTHERS);
    command.env("TAGD_MASTER_KEY", "0123456789abcdef".repeat(4));
    let said = finish(command, b"");
    let names: Vec<&str> = said.out.lines().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names, ["PGDATABASE", "PGHOST", "PGPORT", "PGUSER"], "{said:?}");
    let values = said.out.lines().filter_map(|line| line.split_once('='));
    let is_foreign = |(name, value): (&str, &str)| FOR_OTHERS.contains(&(name, value));
    assert!(!values.into_iter().any(is_foreign), "{said:?}");
}

#[test]
fn programs_of_postgres_are_run_on_the_private_database_and_on_no_other() {
    let private = Private::new();
    private.0.expect(&["migrate"]);
    let said = private.0.run(&["postgres", "bash", "-c", r#"echo "$PGUSER $PGDATABASE"; exit 3"#]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(1), "tagd tagd\n", ""));
    let said = private.0.run(&["postgres", "no-such-program"]);
    assert!(said.code == Some(1) && said.err.starts_with("tagd: there is no program no-such-program in /"), "{said:?}");
    assert_eq!(private.0.run(&["postgres"]).code, Some(2));
    let said = private.0.run(&["postgres", "bash", "-c", "kill -KILL $$"]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), "tagd: bash was ended by signal 9\n"));
    let given = Program::new().with("DATABASE_URL", "postgres://nobody@localhost/none");
    let said = given.run(&["postgres", "psql"]);
    assert_eq!(said.err, "tagd: a database is given: run the program itself, with the URL of this database\n");
}

#[test]
fn what_only_reads_makes_no_cluster_and_what_makes_one_says_so() {
    let program = Program::new();
    let reading: [&[&str]; 7] = [
        &["export", "all.ndjson"],
        &["index", "verify"],
        &["report", "scopes"],
        &["history", "status"],
        &["key", "list"],
        &["token", "revoke", "abcdefghijkl"],
        &["policy", "list"],
    ];
    for args in reading {
        let said = program.run(&[args, &["--data-dir", "mistyped"]].concat());
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{args:?}: {said:?}");
        assert!(said.err.starts_with("tagd: there is no cluster in mistyped/postgres yet"), "{args:?}: {said:?}");
        assert_eq!(program.files(), [] as [&str; 0], "{args:?}");
    }
    // what cannot be looked at may be there all the same
    std::os::unix::fs::symlink("loop", program.dir().join("loop")).unwrap();
    let said = program.run(&["export", "all.ndjson", "--data-dir", "loop"]);
    assert!(said.code == Some(1) && said.err.starts_with("tagd: loop/postgres: Too many levels"), "{said:?}");
    let said =
        program.run(&["token", "create", "--name", "a", "--role", "reader", "--domain", "d", "--data-dir", "data"]);
    assert!(said.code == Some(0) && said.err.contains("creating a Postgres cluster"), "{said:?}");
    let said = program.run(&["token", "list", "--data-dir", "data"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
}
