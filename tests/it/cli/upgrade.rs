//! `tagd cluster`: the private Postgres moved from one major version to another, with real programs of both.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Command, Stdio},
    sync::LazyLock,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::program::FOR_OTHERS;
use crate::support::{Program, Said, Tool, eventually, finish};

static MAJORS: Tool = Tool::of("tools/postgres-majors");

/// Two majors with their programs, the first older than the second.
struct Majors {
    old: (u32, String),
    new: (u32, String),
}

/// Each that can be had here with the newest, the oldest first; nothing where there are not two, which is said.
fn pairs(test: &str) -> &'static [Majors] {
    static PAIRS: LazyLock<Vec<Majors>> = LazyLock::new(|| {
        let Some(lines) = MAJORS.path("tagd cluster upgrade") else { return Vec::new() };
        let found = lines.lines().map(|line| line.split_once(' ').expect("a major and its directory"));
        let mut found: Vec<(u32, String)> =
            found.map(|(major, dir)| (major.parse().unwrap(), dir.to_owned())).collect();
        found.sort();
        let Some(new) = found.pop() else { return Vec::new() };
        found.into_iter().map(|old| Majors { old, new: new.clone() }).collect()
    });
    if PAIRS.is_empty() {
        let said = format!("{test} DID NOT RUN: there are no two major versions of Postgres here\n");
        std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes()).unwrap();
    }
    &PAIRS
}

/// The oldest and the newest.
fn majors(test: &str) -> Option<&'static Majors> {
    pairs(test).first()
}

/// A program with a data directory of its own and the old programs.
struct Site {
    program: Program,
    data: PathBuf,
    majors: &'static Majors,
}

impl Site {
    fn new(majors: &'static Majors) -> Self {
        let (program, data) = with_data_dir();
        Self { program: program.with("TAGD_POSTGRES_BIN", &majors.old.1), data, majors }
    }

    /// The same with some resources.
    fn filled(majors: &'static Majors) -> Self {
        let site = Self::new(majors);
        let lines: String = (0..300)
            .map(|number| {
                format!(
                    "{{\"project_id\":\"p\",\"resource_type\":\"images\",\"resource_id\":\"r{number}\",\"resource_name\":\
                     \"größe {number}\",\"tags\":[{{\"key\":\"env\",\"value\":\"prod\"}},{{\"key\":\"n\",\"value\":\"{number}\"}}]}}\n"
                )
            })
            .collect();
        let said = site.program.import(lines);
        assert_eq!(said.code, Some(0), "{said:?}");
        site
    }

    /// The same data with the new programs.
    fn with_new(&self) -> Program {
        Program::new().with("TAGD_DATA_DIR", self.data.to_str().unwrap()).with("TAGD_POSTGRES_BIN", &self.majors.new.1)
    }

    fn upgrade(&self) -> [&str; 4] {
        ["cluster", "upgrade", "--to-bin", &self.majors.new.1]
    }

    fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.data.join("postgres")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("data") || name == "upgrade");
        names.sort();
        names
    }

    /// What `psql` of the old version prints, while a server runs.
    fn sql(&self, bin: &str, database: &str, statement: &str) -> String {
        let output = Command::new(format!("{bin}/psql"))
            .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "tagd", "-d", database, "-c", statement, "-h"])
            .arg(self.data.join("postgres/run"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn with_data_dir() -> (Program, PathBuf) {
    let program = Program::new();
    let data = program.dir().join("data");
    let program = program.with("TAGD_DATA_DIR", data.to_str().unwrap());
    (program, data)
}

#[test]
fn an_upgrade_moves_everything_and_keeps_the_old_cluster() {
    let Some(majors) = majors("an_upgrade_moves_everything_and_keeps_the_old_cluster") else { return };
    let site = Site::filled(majors);
    let (old, new) = (&majors.old, &majors.new);
    let server = site.program.serve(&["--listen", "127.0.0.1:0"]);
    for (database, statement) in [
        ("tagd", "create role auditor login password 'secret'"),
        ("tagd", "grant tagd_reader to auditor"),
        ("tagd", "alter role auditor in database tagd set work_mem = '7MB'"),
        ("tagd", "alter system set work_mem = '6MB'"),
        ("postgres", "create database other"),
        ("other", "create table counted (id bigint generated always as identity, text text)"),
        ("other", "insert into counted (text) select 'row ' || n from generate_series(1, 1000) n"),
    ] {
        site.sql(&old.1, database, statement);
    }
    assert_eq!(server.stop().code, Some(0));
    let exported = site.program.expect(&["export"]);

    let before = site.program.expect(&["cluster", "status"]);
    assert!(before.contains(&format!("Postgres {}\n", old.0)) && before.contains("running   no"), "{before}");
    let planned = site.program.expect(&[&site.upgrade()[..], &["--dry-run"]].concat());
    assert!(planned.contains(&format!("Postgres {} -> {}", old.0, new.0)), "{planned}");
    assert!(planned.ends_with("nothing was changed\n") && planned.contains(" are free"), "{planned}");
    assert_eq!(site.entries(), ["data"]);

    // whatever the shell has for other servers
    let mut upgrade = site.program.command(&site.upgrade());
    upgrade.envs(FOR_OTHERS);
    let Said { code: Some(0), out: said, .. } = finish(upgrade, b"") else { panic!("it failed") };
    let kept = format!("data.postgres-{}", old.0);
    assert!(said.contains("1 scopes, index and tags agree") && said.contains(&kept), "{said}");
    // the setting names the old programs
    assert!(said.contains(&format!("TAGD_POSTGRES_BIN to {}", new.1)), "{said}");
    assert_eq!(site.entries(), ["data", &kept]);

    let program = site.with_new();
    assert_eq!(program.expect(&["export"]), exported);
    assert_eq!(program.expect(&["index", "verify"]), "1 scopes, index and tags agree\n");
    let server = program.serve(&["--listen", "127.0.0.1:0"]);
    assert!(server.ready.contains(&format!("Postgres {}", new.0)), "{}", server.ready);
    let after = program.expect(&["cluster", "status"]);
    assert!(after.contains(&format!("Postgres {}\n", new.0)) && after.contains("running   yes"), "{after}");
    assert!(after.contains(&kept), "{after}");
    for (database, statement, expected) in [
        ("tagd", "select pg_has_role('auditor', 'tagd_reader', 'member')", "t"),
        ("tagd", "select rolpassword is not null from pg_authid where rolname = 'auditor'", "t"),
        ("tagd", "select setconfig from pg_db_role_setting where setrole = 'auditor'::regrole", "{work_mem=7MB}"),
        ("tagd", "show work_mem", "6MB"),
        ("tagd", "show fsync", "on"),
        ("other", "select count(*) from counted", "1000"),
        ("other", "insert into counted (text) values ('next') returning id", "1001\n\nINSERT 0 1"),
    ] {
        assert_eq!(site.sql(&new.1, database, statement).replace("\nINSERT", "\n\nINSERT"), expected, "{statement}");
    }
    let again = program.run(&["cluster", "upgrade"]);
    assert_eq!((again.code, again.out.contains("nothing to do")), (Some(0), true), "{again:?}");
    assert_eq!(server.stop().code, Some(0));

    // back to the old one
    let root = site.data.join("postgres");
    fs::rename(root.join("data"), root.join("data.given-up")).unwrap();
    fs::rename(root.join(&kept), root.join("data")).unwrap();
    assert_eq!(site.program.expect(&["export"]), exported);
}

/// Builds differ in more than their version: some lack a compression that others have.
#[test]
fn the_versions_between_move_to_the_newest_as_well() {
    for majors in pairs("the_versions_between_move_to_the_newest_as_well").iter().skip(1) {
        let site = Site::filled(majors);
        let exported = site.program.expect(&["export"]);
        site.program.expect(&site.upgrade());
        let program = site.with_new();
        assert_eq!(program.expect(&["export"]), exported, "from {}", majors.old.0);
        assert_eq!(program.expect(&["index", "verify"]), "1 scopes, index and tags agree\n", "from {}", majors.old.0);
    }
}

#[test]
fn an_upgrade_that_is_killed_at_any_step_leaves_the_old_cluster_in_use() {
    let Some(majors) = majors("an_upgrade_that_is_killed_at_any_step_leaves_the_old_cluster_in_use") else { return };
    let site = Site::filled(majors);
    let exported = site.program.expect(&["export"]);
    for step in ["1/5", "2/5", "3/5", "4/5"] {
        let mut child = site.program.command(&site.upgrade()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.starts_with(step)), "no step {step}");
        child.kill().unwrap();
        child.wait().unwrap();
        // it is a server for writing again, and the old cluster
        site.program.expect(&["token", "create", "--name", "written", "--role", "operator"]);
        // a step later the guards of both servers have seen it
        assert_eq!(site.program.expect(&["export"]), exported, "killed at {step}");
        assert_eq!(site.entries(), ["data"], "killed at {step}");
    }
    // killed once more, and then carried out at once
    let mut child = site.program.command(&site.upgrade()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.starts_with("3/5")));
    child.kill().unwrap();
    child.wait().unwrap();
    site.program.expect(&site.upgrade());
    assert_eq!(site.with_new().expect(&["export"]), exported);
    let guards = || fs::read_to_string(site.data.join("postgres/data/postmaster.pid")).is_err();
    eventually("no server is left", guards);
}

/// The guard of the old server, which is for reading only, may live for a moment longer than the upgrade.
#[test]
fn a_tagd_that_waits_for_an_upgrade_which_is_killed_gets_a_server_for_writing() {
    let test = "a_tagd_that_waits_for_an_upgrade_which_is_killed_gets_a_server_for_writing";
    let Some(majors) = majors(test) else { return };
    let site = Site::filled(majors);
    let mut child = site.program.command(&site.upgrade()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.starts_with("2/5")));
    // it gets no further
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGSTOP).unwrap();
    let create = ["token", "create", "--name", "written", "--role", "operator"];
    let waiting = site.program.command(&create).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // the guard does not notice the end of the upgrade until the next tagd resumes it
    let guard = fs::read_to_string(site.data.join("postgres/guard.pid")).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(guard), Signal::SIGSTOP).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let said = waiting.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let settings = fs::read_to_string(site.data.join("postgres/tagd.conf")).unwrap();
    assert!(!settings.contains("read_only"), "{settings}");
}

#[test]
fn an_upgrade_ends_the_archiving_of_the_wal_and_says_so() {
    let Some(majors) = majors("an_upgrade_ends_the_archiving_of_the_wal_and_says_so") else { return };
    let site = Site::filled(majors);
    let archive = site.program.dir().join("archive");
    fs::create_dir(&archive).unwrap();
    fs::set_permissions(&archive, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let settings = site.data.join("postgres/data/postgresql.auto.conf");
    let mut file = fs::OpenOptions::new().append(true).open(settings).unwrap();
    let command = format!("cp \"%p\" \"{}/{}-%f\"", archive.display(), "$(cat PG_VERSION)");
    write!(file, "wal_level = replica\narchive_mode = on\narchive_command = '{command}'\n").unwrap();
    drop(file);
    let said = site.program.expect(&site.upgrade());
    assert!(said.contains("archiving of the WAL is off now") && said.contains("base backup"), "{said}");
    let server = site.with_new().serve(&["--listen", "127.0.0.1:0"]);
    assert_eq!(site.sql(&majors.new.1, "tagd", "show archive_mode"), "off");
    assert_eq!(site.sql(&majors.new.1, "tagd", "show wal_level"), "replica");
    site.sql(&majors.new.1, "tagd", "select pg_switch_wal()");
    assert_eq!(server.stop().code, Some(0));
    let archived: Vec<_> = fs::read_dir(&archive).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let of_new = format!("{}-", majors.new.0);
    assert!(archived.iter().all(|name| !name.to_string_lossy().starts_with(&of_new)), "{archived:?}");
}

#[test]
fn an_upgrade_that_was_killed_between_its_two_renames_is_finished_by_the_next_start() {
    let Some(majors) = majors("an_upgrade_that_was_killed_between_its_two_renames_is_finished_by_the_next_start")
    else {
        return;
    };
    let site = Site::filled(majors);
    let exported = site.program.expect(&["export"]);
    site.program.expect(&site.upgrade());
    let root = site.data.join("postgres");
    // as it is after the first rename
    fs::rename(root.join("data"), root.join("data.next")).unwrap();
    let kept = format!("data.postgres-{}", majors.old.0);
    // those who only look leave it so
    let status = site.with_new().expect(&["cluster", "status"]);
    assert!(status.contains("the next start of tagd finishes it") && status.contains("data.next"), "{status}");
    assert!(status.contains(&format!("Postgres {}\n", majors.new.0)), "{status}");
    let said = site.program.run(&[&site.upgrade()[..], &["--dry-run"]].concat());
    assert!(said.code == Some(1) && said.err.contains("the next start of tagd finishes it"), "{said:?}");
    assert_eq!(site.entries(), ["data.next", &kept]);
    assert_eq!(site.with_new().expect(&["export"]), exported);
    assert_eq!(site.entries(), ["data", &kept]);

    // as it is before the first rename: the old cluster is in use, and the copy goes
    fs::rename(root.join("data"), root.join("data.next")).unwrap();
    fs::rename(root.join(&kept), root.join("data")).unwrap();
    assert_eq!(site.program.expect(&["export"]), exported);
    assert_eq!(site.entries(), ["data"]);
}

#[test]
fn a_look_at_an_empty_data_directory_leaves_it() {
    let (program, data) = with_data_dir();
    fs::create_dir_all(data.join("postgres/data")).unwrap();
    for args in [&["cluster", "status"][..], &["cluster", "upgrade", "--dry-run"]] {
        let said = program.run(args);
        assert!(said.code == Some(1) && said.err.contains("there is no cluster"), "{said:?}");
        assert!(data.join("postgres/data").is_dir(), "{args:?}");
    }
}

#[test]
fn a_cluster_that_a_tagd_uses_is_not_upgraded() {
    let Some(majors) = majors("a_cluster_that_a_tagd_uses_is_not_upgraded") else { return };
    let site = Site::filled(majors);
    let server = site.program.serve(&["--listen", "127.0.0.1:0"]);
    for args in [site.upgrade().to_vec(), [&site.upgrade()[..], &["--dry-run"]].concat()] {
        let said = site.program.run(&args);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
        assert!(said.err.contains("a tagd is using the cluster") && said.err.lines().count() == 1, "{said:?}");
    }
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn what_cannot_be_upgraded_is_said_in_one_line_and_nothing_is_changed() {
    let Some(majors) = majors("what_cannot_be_upgraded_is_said_in_one_line_and_nothing_is_changed") else { return };
    let (old, new) = (&majors.old, &majors.new);
    let refused = |program: &Program, args: &[&str], part: &str| {
        let said = program.run(args);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{args:?}: {said:?}");
        assert!(said.err.contains(part) && said.err.lines().count() == 1, "{args:?}: {part}: {said:?}");
    };
    let (empty, data) = with_data_dir();
    refused(&empty, &["cluster", "upgrade"], "no cluster");
    refused(&empty, &["cluster", "status"], "no cluster");
    assert!(!data.exists(), "made by a look");
    let given = Program::new().with("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    refused(&given, &["cluster", "upgrade"], "a database URL is given");

    let site = Site::filled(majors);
    let exported = site.program.expect(&["export"]);
    refused(&site.program, &["cluster", "upgrade", "--to-bin", "/nowhere"], "--to-bin) cannot be used");
    refused(&site.program, &["cluster", "upgrade", "--from-bin", &new.1, "--to-bin", &new.1], "was made by");
    // with newer programs alone, nothing is started
    let newer = site.with_new();
    refused(&newer, &["serve", "--listen", "127.0.0.1:0"], "`tagd cluster upgrade`");
    refused(&newer, &["export"], &format!("was made by Postgres {}", old.0));
    if !std::path::Path::new(&format!("/usr/lib/postgresql/{}", old.0)).exists() {
        refused(&newer, &["cluster", "upgrade"], &format!("apt-get install postgresql-{}", old.0));
    }
    // a directory that lacks the programs that copy
    let half = site.program.dir().join("half");
    fs::create_dir(&half).unwrap();
    for name in ["postgres", "initdb"] {
        fs::write(half.join(name), format!("#!/bin/sh\nexec '{}/{name}' \"$@\"\n", new.1)).unwrap();
        fs::set_permissions(half.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    refused(&site.program, &["cluster", "upgrade", "--to-bin", half.to_str().unwrap()], "pg_dumpall is missing");
    // and one whose copy fails
    fs::write(half.join("psql"), "#!/bin/sh\necho 'psql: ERROR:  no such luck' >&2\nexit 3\n").unwrap();
    for name in ["pg_dumpall", "pg_dump"] {
        fs::write(half.join(name), format!("#!/bin/sh\nexec '{}/{name}' \"$@\"\n", new.1)).unwrap();
    }
    for name in ["psql", "pg_dumpall", "pg_dump"] {
        fs::set_permissions(half.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let said = site.program.run(&["cluster", "upgrade", "--to-bin", half.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("psql failed: psql: ERROR:  no such luck"), "{said:?}");
    assert!(said.err.contains("the cluster is as it was"), "{said:?}");
    assert_eq!(site.entries(), ["data"]);
    assert_eq!(site.program.expect(&["export"]), exported);

    let root = site.data.join("postgres");
    fs::rename(root.join("data"), root.join("data.elsewhere")).unwrap();
    symlink(root.join("data.elsewhere"), root.join("data")).unwrap();
    refused(&site.program, &site.upgrade(), "is a link");
}
