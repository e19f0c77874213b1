//! The private Postgres of a server under fire: its processes are killed, suspended or can no longer be started.

#![cfg(target_os = "linux")]

use std::{
    fs,
    io::Write,
    os::unix::{fs::symlink, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::program::{FOR_OTHERS, Private};
use crate::support::{Program, Said, Serving, TestDb, eventually, finish, json_lines};

/// What a server takes to stop, also where it cannot reach its Postgres: less than the half minute that a Postgres
/// without a guard used to be waited for.
const SOON: Duration = Duration::from_secs(20);

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).unwrap().parse().unwrap()
}

/// Whether a process runs or is suspended; the first process of a container may leave one that has ended in the list.
fn is_there(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// Whether a process is a child of another, which may end meanwhile.
fn is_child(pid: i32, of: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(&of.to_string())
}

/// The processes of the private Postgres: guard, keeper, server.
struct Processes {
    guard: i32,
    keeper: i32,
    server: i32,
}

impl Private {
    /// A private Postgres with the demo fleet, and a server on it.
    fn serving() -> (Self, Serving) {
        let private = Self::new();
        private.0.expect(&["demo"]);
        let serving = private.0.serve(&[]);
        (private, serving)
    }

    fn processes(&self) -> Processes {
        let guard = self.0.read("data/postgres/guard.pid").trim().parse().unwrap();
        let server = self.postmaster().unwrap();
        Processes { guard, keeper: parent(server), server }
    }

    /// Waits until the server answers from a Postgres that is another one than before.
    fn wait_answered(&self, serving: &Serving, before: i32) {
        eventually("another Postgres answers", || {
            self.postmaster().is_some_and(|now| now != before) && answers(serving)
        });
    }

    /// Waits until no process has the folder in its command line or as its working directory.
    fn wait_gone(&self) {
        let folder = self.0.dir();
        eventually("every process of the private Postgres has ended", || leftovers(folder).is_empty());
        // a killed one leaves it, and who drops this waits for it
        let _ = fs::remove_file(self.pidfile());
    }
}

/// The processes that are in a folder or have it in their arguments.
fn leftovers(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter_map(|process| {
            let arguments = String::from_utf8_lossy(&fs::read(process.join("cmdline")).ok()?).replace('\0', " ");
            let is_inside = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
            (arguments.contains(name) || is_inside).then_some(arguments)
        })
        .collect()
}

/// Whether a query is answered; it reads several tables over several connections.
fn answers(serving: &Serving) -> bool {
    let body = r#"{"project_id":"fd73a4a14a4a4dfb9771a8475e5198ea","resource_types":["ecs","images"]}"#;
    let answer = serving.post("/v1.0/resource-instances/filter", body);
    answer.status == 200 && answer.json()["total_count"].as_u64().unwrap() > 10
}

/// Asks a server to stop, which it must do in good order and soon.
fn stops_soon(serving: Serving) -> Said {
    let begun = Instant::now();
    let said = serving.stop();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(begun.elapsed() < SOON, "it took {:?} to end", begun.elapsed());
    said
}

#[test]
fn what_the_shell_has_for_other_servers_does_not_reach_the_private_postgres() {
    let private = Private::with(&FOR_OTHERS);
    let program = &private.0;
    program.expect(&["demo"]);
    let serving = program.serve(&[]);
    assert!(answers(&serving));
    let path = "/registry/v1/projects/p/types/images/resources/r";
    let body = br#"{"tags":[{"key":"k","value":"v"}]}"#;
    let headers = [("Content-Type", "application/json")];
    let registered = serving.send("PUT", path, &headers, body);
    assert_eq!(registered.status, 201, "{registered:?}");
    assert_eq!(serving.get(path).json()["tags"][0]["value"], "v");
    let status = program.expect(&["cluster", "status"]);
    assert!(status.contains("running   yes"), "{status}");
    assert_eq!(serving.stop().code, Some(0));
    assert!(program.expect(&["export"]).contains(r#""resource_id":"r""#));
    // a secret that comes in a pipe can be read once only
    let tagd = program.command(&[]);
    let mut bash = Command::new("bash");
    let script = r#""$0" key create --name k --role operator --master-key-file <(echo "$KEY")"#;
    bash.args(["-c", script]).arg(tagd.get_program()).env_clear().current_dir(program.dir());
    bash.envs(tagd.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bash.env("KEY", "0123456789abcdef".repeat(4));
    let said = finish(bash, b"");
    assert_eq!(said.code, Some(0), "{said:?}");
    // a database that is given has what the shell has for it
    let given = Program::new().with("PGOPTIONS", "-c no_such_setting=1");
    let given = given.run(&["history", "status", "--database-url", &TestDb::new().url()]);
    assert!(given.code == Some(1) && given.err.contains("no_such_setting"), "{given:?}");
}

#[test]
fn a_killed_guard_is_noticed_and_postgres_is_started_again() {
    let (private, serving) = Private::serving();
    let before = private.processes();
    signal(before.guard, Signal::SIGKILL);
    private.wait_answered(&serving, before.server);
    eventually("it is counted", || serving.get("/metrics").body.contains("\ntagd_cluster_restarts_total 1\n"));
    let said = stops_soon(serving);
    assert!(said.err.contains("the private Postgres has ended; starting it again"), "{}", said.err);
    private.wait_gone();
}

#[test]
fn postgres_may_be_killed_any_number_of_times() {
    let (private, serving) = Private::serving();
    let mut before = 0;
    // the keeper alone restarts it five times
    for _ in 0..7 {
        private.wait_answered(&serving, before);
        before = private.postmaster().unwrap();
        signal(before, Signal::SIGKILL);
    }
    private.wait_answered(&serving, before);
    stops_soon(serving);
    private.wait_gone();
}

#[test]
fn a_worker_of_a_killed_postgres_that_never_ends_is_ended() {
    let (private, serving) = Private::serving();
    let stuck = || {
        let before = private.postmaster().unwrap();
        let workers = fs::read_dir("/proc").unwrap().flatten().filter_map(|it| it.file_name().to_str()?.parse().ok());
        // one that waits for a worker that was killed too has no other way to end either
        let worker = workers.filter(|pid| is_child(*pid, before)).max().unwrap();
        signal(worker, Signal::SIGSTOP);
        signal(before, Signal::SIGKILL);
        (before, worker)
    };
    let (before, worker) = stuck();
    private.wait_answered(&serving, before);
    assert!(!is_there(worker), "{:?}", fs::read_to_string(format!("/proc/{worker}/status")));
    // a server that is told to stop leaves none behind
    stuck();
    stops_soon(serving);
    private.wait_gone();
}

#[test]
fn two_servers_agree_on_who_starts_a_postgres_that_was_killed_with_its_guard() {
    let (private, first) = Private::serving();
    let second = private.0.serve(&[]);
    let before = private.processes();
    for pid in [before.guard, before.keeper, before.server] {
        signal(pid, Signal::SIGKILL);
    }
    private.wait_answered(&first, before.server);
    private.wait_answered(&second, before.server);
    let server = private.postmaster();
    stops_soon(first);
    // the other one is a holder of the new one too
    thread::sleep(Duration::from_millis(300));
    assert!(Private::total(&second).as_u64().unwrap() > 10);
    assert_eq!(private.postmaster(), server);
    stops_soon(second);
    private.wait_gone();
}

#[test]
fn a_killed_keeper_leaves_no_postgres_behind() {
    for killed in [Signal::SIGTERM, Signal::SIGKILL] {
        let (private, mut serving) = Private::serving();
        signal(private.processes().keeper, Signal::SIGKILL);
        assert!(Private::total(&serving).as_u64().unwrap() > 10);
        serving.signal(killed);
        serving.wait();
        private.wait_gone();
    }
}

#[test]
fn a_tagd_that_is_killed_with_the_guard_leaves_no_postgres_behind() {
    let (private, mut serving) = Private::serving();
    let guard = private.processes().guard;
    serving.signal(Signal::SIGSTOP);
    signal(guard, Signal::SIGKILL);
    serving.signal(Signal::SIGKILL);
    serving.wait();
    private.wait_gone();
}

#[test]
fn a_server_stops_soon_whatever_was_killed_just_before() {
    for (guard, keeper, server) in [(true, false, true), (true, true, true), (false, true, true), (true, true, false)] {
        let (private, serving) = Private::serving();
        let processes = private.processes();
        for (pid, killed) in [(processes.guard, guard), (processes.keeper, keeper), (processes.server, server)] {
            if killed {
                signal(pid, Signal::SIGKILL);
            }
        }
        stops_soon(serving);
        private.wait_gone();
    }
}

#[test]
fn a_server_stops_soon_where_its_postgres_is_suspended() {
    let suspended: [fn(&Processes) -> i32; 3] = [|p| p.guard, |p| p.keeper, |p| p.server];
    for pid in suspended {
        let (private, serving) = Private::serving();
        signal(pid(&private.processes()), Signal::SIGSTOP);
        stops_soon(serving);
        private.wait_gone();
    }
}

#[test]
fn a_suspended_guard_is_resumed_for_the_next_command() {
    let (private, serving) = Private::serving();
    signal(private.processes().guard, Signal::SIGSTOP);
    assert_eq!(private.0.expect(&["export", "--only", "resource"]).lines().count(), 121);
    stops_soon(serving);
    private.wait_gone();
}

#[test]
fn ctrl_c_on_the_whole_process_group_lets_postgres_end_in_good_order() {
    let private = Private::new();
    let mut command = private.0.command(&["serve"]);
    command.process_group(0);
    let mut serving = Serving::start(command);
    killpg(Pid::from_raw(serving.pid()), Signal::SIGINT).unwrap();
    let said = serving.wait();
    assert_eq!(said.code, Some(0), "{}", said.err);
    private.wait_gone();
    let log = private.0.read("data/postgres/server.log");
    assert!(log.trim_end().ends_with("database system is shut down"), "{log}");
}

/// Kills guard and server, so that a server of tagd has to start Postgres again.
fn kill_both(private: &Private) -> i32 {
    let processes = private.processes();
    signal(processes.guard, Signal::SIGKILL);
    signal(processes.server, Signal::SIGKILL);
    processes.server
}

#[test]
fn a_postgres_that_does_not_start_is_tried_again_until_it_does() {
    let (private, serving) = Private::serving();
    let settings = private.0.dir().join("data/postgres/data/postgresql.auto.conf");
    let good = fs::read(&settings).unwrap();
    fs::write(&settings, "shared_buffers = nonsense\n").unwrap();
    let before = kill_both(&private);
    let attempts = || serving.log().matches("the private Postgres was not started, next attempt in").count();
    eventually("it was tried more than once", || attempts() > 1);
    assert_eq!(serving.get("/healthz").status, 200);
    assert_eq!(serving.get("/readyz").status, 503);
    fs::write(&settings, good).unwrap();
    private.wait_answered(&serving, before);
    // and the next time it is stopped while it cannot be started
    fs::write(&settings, "shared_buffers = nonsense\n").unwrap();
    let tried = attempts();
    kill_both(&private);
    eventually("it was tried again", || attempts() > tried);
    let said = stops_soon(serving);
    let told = json_lines(&said.err).iter().any(|line| {
        let message = line["message"].as_str().unwrap();
        line["level"] == "ERROR" && message.contains("Postgres did not start: FATAL:") && message.contains("server.log")
    });
    assert!(told, "{}", said.err);
    private.wait_gone();
}

#[test]
fn a_full_disk_is_named_and_the_start_is_tried_again() {
    let private = Private::new();
    let disk = Disk(private.0.dir().join("data"));
    fs::create_dir(&disk.0).unwrap();
    if !disk.mount() {
        eprintln!("not run: no disk can be mounted here");
        return;
    }
    let serving = private.0.serve(&["--with-demo"]);
    let before = private.processes();
    let filler = disk.0.join("filler");
    fill(&filler);
    for pid in [before.guard, before.keeper, before.server] {
        signal(pid, Signal::SIGKILL);
    }
    eventually("the full disk is named", || {
        // a server that ends may have given back some kilobytes, which are enough for Postgres 14 to start
        fill(&filler);
        serving.log().contains("the disk is full: no space left for")
    });
    fs::remove_file(filler).unwrap();
    private.wait_answered(&serving, before.server);
    stops_soon(serving);
    private.wait_gone();
}

/// A small disk of its own.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(&self) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs"]).arg(&self.0).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // what still uses it is ended with its server
        let _ = Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}

/// Adds to a file what there is room for.
fn fill(path: &Path) {
    let mut file = fs::File::options().append(true).create(true).open(path).unwrap();
    let block = vec![0; 4096];
    while file.write_all(&block).is_ok() {}
}

/// A server that cannot get its Postgres back says why in its last line.
fn gives_up(mut serving: Serving, expected: &str) {
    let said = serving.wait();
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    let last = said.err.lines().last().unwrap();
    assert!(last.starts_with("tagd: ") && last.contains(expected), "{}", said.err);
}

#[test]
fn a_server_whose_data_is_removed_ends_and_makes_no_empty_database() {
    let (private, serving) = Private::serving();
    let data = private.0.dir().join("data");
    // the server writes into it meanwhile
    eventually("the data is removed", || fs::remove_dir_all(&data).is_ok() || !data.exists());
    gives_up(serving, "was removed or replaced while tagd was using it");
    private.wait_gone();
    assert!(!data.exists());
}

#[test]
fn a_server_whose_data_is_replaced_does_not_serve_the_other_one() {
    let (private, serving) = Private::serving();
    let other = Private::new();
    other.0.expect(&["migrate"]);
    let processes = private.processes();
    serving.signal(Signal::SIGSTOP);
    for pid in [processes.guard, processes.keeper, processes.server] {
        signal(pid, Signal::SIGKILL);
    }
    let data = |private: &Private| private.0.dir().join("data/postgres/data");
    fs::rename(data(&private), private.0.dir().join("old")).unwrap();
    fs::rename(data(&other), data(&private)).unwrap();
    serving.signal(Signal::SIGCONT);
    gives_up(serving, "was removed or replaced while tagd was using it");
    private.wait_gone();
}

#[test]
fn a_server_whose_postgres_programs_are_gone_says_so_and_ends() {
    let (private, serving) = Private::serving();
    let found = fs::read_link(format!("/proc/{}/exe", private.processes().server)).unwrap();
    stops_soon(serving);
    let programs = private.0.dir().join("programs");
    symlink(found.parent().unwrap(), &programs).unwrap();
    let serving = private.0.serve(&["--postgres-bin", programs.to_str().unwrap()]);
    fs::remove_file(&programs).unwrap();
    kill_both(&private);
    gives_up(serving, "the Postgres programs directory");
    private.wait_gone();
}

#[test]
fn a_command_whose_postgres_is_killed_says_so() {
    let private = Private::new();
    private.0.expect(&["demo"]);
    let mut command = private.0.command(&["import", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it has a Postgres", || {
        private.pidfile().exists() && private.0.read("data/postgres/data/postmaster.pid").contains("ready")
    });
    let line = |id: u32| {
        format!("{{\"project_id\":\"p\",\"resource_type\":\"images\",\"resource_id\":\"r{id}\",\"tags\":[]}}\n")
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(line(0).as_bytes()).unwrap();
    // its connections are there once the database knows them
    thread::sleep(Duration::from_secs(1));
    let processes = private.processes();
    for pid in [processes.guard, processes.keeper, processes.server] {
        signal(pid, Signal::SIGKILL);
    }
    for id in 0..5000 {
        if stdin.write_all(line(id).as_bytes()).is_err() {
            break;
        }
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    let expected = "tagd: from line 1 on, the lines before it were imported: the private Postgres ended while tagd was using it; \
                    run the command again (log: data/postgres/server.log)\n";
    assert!(err.ends_with(expected), "{err}");
    private.wait_gone();
    assert_eq!(private.0.import(line(1)).code, Some(0));
}
