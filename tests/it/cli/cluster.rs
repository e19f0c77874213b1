//! The private Postgres: made, kept, shared, and gone with its last holder.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tagd::cluster::{Cluster, ClusterError, ClusterSettings};
use tempfile::TempDir;

use crate::support::{PATIENCE, eventually};

fn settings(data_dir: &Path) -> ClusterSettings {
    ClusterSettings {
        data_dir: data_dir.to_path_buf(),
        programs: std::env::var_os("TAGD_POSTGRES_BIN").map(PathBuf::from),
        path: std::env::var_os("PATH"),
        durable: false,
        max_connections: 20,
    }
}

fn attach(dir: &TempDir) -> Cluster {
    Cluster::attach(&settings(dir.path())).expect("a running cluster")
}

fn refusal(settings: &ClusterSettings) -> ClusterError {
    let error = Cluster::attach(settings).expect_err("a refusal");
    let line = error.to_string();
    assert!(!line.contains('\n') && line.len() < 1000, "not one clear line: {line}");
    error
}

fn data(dir: &TempDir) -> PathBuf {
    dir.path().join("postgres/data")
}

fn answers(cluster: &Cluster) -> bool {
    let name = format!(".s.PGSQL.{}", cluster.port());
    UnixStream::connect(cluster.socket_dir().join(name)).is_ok()
}

fn postmaster(dir: &TempDir) -> Option<String> {
    let text = fs::read_to_string(data(dir).join("postmaster.pid")).ok()?;
    text.lines().next().map(ToOwned::to_owned)
}

/// Every test ends with it: no server may outlive its directory.
fn wait_stopped(dir: &TempDir) {
    eventually("the server has stopped", || postmaster(dir).is_none());
}

fn kill(signal: &str, pid: &str) {
    let killed = Command::new("sh").args(["-c", "kill \"$1\" \"$2\"", "sh", signal, pid]).status();
    assert!(killed.expect("a shell").success());
}

fn parent(pid: &str) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).expect("its parent").to_owned()
}

#[test]
fn the_first_start_makes_a_cluster_and_the_second_finds_it() {
    let dir = TempDir::new().unwrap();
    let first = attach(&dir);
    assert!(first.created() && first.started());
    assert_eq!(first.user(), "tagd");
    assert!(first.major() >= 14);
    assert!(answers(&first));
    let sockets = fs::metadata(first.socket_dir()).unwrap();
    assert_eq!(sockets.mode() & 0o777, 0o700, "others could connect");
    let identifier = || fs::read(data(&dir).join("global/pg_control")).unwrap()[..8].to_vec();
    let before = identifier();
    drop(first);
    wait_stopped(&dir);

    let second = attach(&dir);
    assert!(!second.created() && second.started());
    assert_eq!(identifier(), before);
    drop(second);
    wait_stopped(&dir);
}

/// glibc's own limits depend on what a session did first: see `MEMORY` in `src/cluster/guard.rs`.
#[cfg(target_os = "linux")]
#[test]
fn the_server_is_told_to_keep_memory_that_it_will_need_again() {
    let dir = TempDir::new().unwrap();
    let cluster = attach(&dir);
    let pid = postmaster(&dir).expect("a server");
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    for name in ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"] {
        let value = environment.split('\0').find_map(|set| set.strip_prefix(name)?.strip_prefix('='));
        // the largest piece that Postgres asks for by itself is 8 MB
        assert!(
            value.is_some_and(|value| value.parse::<u64>().is_ok_and(|bytes| bytes > 8 << 20)),
            "{name}: {value:?}"
        );
    }
    drop(cluster);
    wait_stopped(&dir);
}

#[test]
fn a_second_tagd_attaches_and_the_last_one_stops_the_server() {
    let dir = TempDir::new().unwrap();
    let first = attach(&dir);
    let second = attach(&dir);
    assert!(first.started() && !second.started());
    assert_eq!(first.socket_dir(), second.socket_dir());
    assert!(!first.leave(Duration::from_secs(10)), "the server went before its last holder");
    assert!(answers(&second));
    assert!(second.leave(PATIENCE), "the last one left and the server stayed");
    assert_eq!(postmaster(&dir), None);
}

#[test]
fn two_starting_at_once_on_nothing_make_one_cluster() {
    let dir = TempDir::new().unwrap();
    let clusters: Vec<Cluster> = thread::scope(|scope| {
        let starts: Vec<_> = (0..3).map(|_| scope.spawn(|| attach(&dir))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(clusters.iter().filter(|cluster| cluster.created()).count(), 1);
    assert!(clusters.iter().all(answers));
    drop(clusters);
    wait_stopped(&dir);
}

#[test]
fn attaching_while_the_last_one_leaves_neither_hangs_nor_fails() {
    let dir = TempDir::new().unwrap();
    thread::scope(|scope| {
        for worker in 0..3_u64 {
            let dir = &dir;
            scope.spawn(move || {
                for round in 0..6 {
                    assert!(answers(&attach(dir)));
                    thread::sleep(Duration::from_millis(worker * 7 + round * 5));
                }
            });
        }
    });
    wait_stopped(&dir);
}

#[test]
fn a_killed_holder_lets_go_like_any_other() {
    let dir = TempDir::new().unwrap();
    let cluster = attach(&dir);
    let mut holder = Command::new("sh")
        .args(["-c", "exec 3>\"$1\"; echo held; exec sleep 1000", "sh"])
        .arg(dir.path().join("postgres/holders"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert!(!cluster.leave(Duration::from_secs(1)));
    assert!(postmaster(&dir).is_some(), "the server left a holder alone");
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_stopped(&dir);
}

#[test]
fn a_killed_server_comes_back_for_its_holders() {
    let dir = TempDir::new().unwrap();
    let cluster = attach(&dir);
    let before = postmaster(&dir).unwrap();
    kill("-KILL", &before);
    eventually("there is a new server", || postmaster(&dir).is_some_and(|now| now != before) && answers(&cluster));
    let second = attach(&dir);
    assert!(!second.started());
    drop((cluster, second));
    wait_stopped(&dir);
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_lost_its_guard_gets_a_new_one() {
    let dir = TempDir::new().unwrap();
    let mut cluster = attach(&dir);
    let server = postmaster(&dir).unwrap();
    let guard = fs::read_to_string(dir.path().join("postgres/guard.pid")).unwrap();
    assert!(!cluster.is_lost());
    kill("-KILL", guard.trim());
    kill("-KILL", &parent(&server));
    eventually("the loss is noticed", || cluster.is_lost());
    let second = attach(&dir);
    assert!(second.started());
    drop(second);
    thread::sleep(Duration::from_millis(300));
    assert!(answers(&cluster), "the new guard does not count the old holder");
    assert!(!cluster.is_lost(), "the new guard reads the old pipe");
    drop(cluster);
    wait_stopped(&dir);
}

#[test]
fn what_killed_processes_left_behind_is_cleared_away() {
    let dir = TempDir::new().unwrap();
    drop(attach(&dir));
    wait_stopped(&dir);
    fs::create_dir(dir.path().join("postgres/data.new-1")).unwrap();
    // A process number that is somebody else's by now: Postgres alone would refuse to start.
    let stale = format!("{}\n/nowhere\n1\n5432\n/nowhere\n\n 1 1\nready   \n", std::process::id());
    fs::write(data(&dir).join("postmaster.pid"), stale).unwrap();
    let lock = dir.path().join("postgres/run/.s.PGSQL.5432.lock");
    fs::write(&lock, format!("{}\n", std::process::id())).unwrap();
    let cluster = attach(&dir);
    assert!(cluster.started() && answers(&cluster));
    drop(cluster);
    wait_stopped(&dir);
}

#[test]
fn a_half_made_cluster_is_made_again() {
    let dir = TempDir::new().unwrap();
    let half = dir.path().join("postgres/data.new-1");
    fs::create_dir_all(half.join("base")).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(dir.path().join("postgres"), Permissions::from_mode(0o711)).unwrap();
    let cluster = attach(&dir);
    assert!(cluster.created() && !half.exists());
    drop(cluster);
    wait_stopped(&dir);
}

#[test]
fn a_path_too_long_for_a_socket_gets_a_short_one() {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let deep = settings(&dir.path().join("it's a \"long\" name, ".repeat(6)));
    let first = Cluster::attach(&deep).expect("a running cluster");
    let second = Cluster::attach(&deep).expect("the same cluster");
    assert!(first.socket_dir().as_os_str().len() < 80 && answers(&first));
    assert_eq!(first.socket_dir(), second.socket_dir());
    let sockets = second.socket_dir().to_path_buf();
    drop(first);
    assert!(second.leave(PATIENCE));
    fs::remove_dir(sockets).unwrap();
}

#[test]
fn a_cluster_of_another_major_version_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(attach(&dir));
    wait_stopped(&dir);
    fs::write(data(&dir).join("PG_VERSION"), "99\n").unwrap();
    let error = refusal(&settings(dir.path()));
    assert!(matches!(error, ClusterError::WrongMajor { cluster: 99, .. }), "{error}");
}

#[test]
fn a_directory_that_is_not_a_cluster_is_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::create_dir_all(data(&dir)).unwrap();
    fs::write(data(&dir).join("letters.txt"), "dear").unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let error = refusal(&settings(dir.path()));
    assert!(matches!(error, ClusterError::NotACluster { .. }), "{error}");
    assert!(data(&dir).join("letters.txt").exists());
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let closed = dir.path().canonicalize().unwrap().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o500)).unwrap();
    let error = refusal(&settings(&closed.join("data")));
    // Root may write anywhere, but its server must get there as another user.
    match &error {
        ClusterError::Unwritable { path, .. } => assert_eq!(path, &closed.join("data")),
        ClusterError::Unreachable { blocked, .. } => assert_eq!(blocked, &closed),
        _ => panic!("{error}"),
    }
    fs::write(dir.path().join("file"), "").unwrap();
    let error = refusal(&settings(&dir.path().join("file")));
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn a_programs_directory_without_programs_is_refused() {
    let dir = TempDir::new().unwrap();
    let settings = ClusterSettings { programs: Some(dir.path().join("bin")), ..settings(dir.path()) };
    let error = refusal(&settings);
    assert!(matches!(error, ClusterError::BadPrograms { .. }), "{error}");
    assert!(error.to_string().contains("TAGD_POSTGRES_BIN"), "{error}");
}

#[test]
fn without_programs_the_error_says_how_to_get_some() {
    let line = ClusterError::NoPrograms { looked: "PATH".to_owned(), oldest: 14 }.to_string();
    for word in ["tools/postgres", "apt-get", "brew", "pip", "--postgres-bin", "database URL"] {
        assert!(line.contains(word), "{word} is missing: {line}");
    }
    assert!(!line.contains('\n'));
}

/// Root works in a directory of another user, who may have put anything there.
#[test]
#[cfg(target_os = "linux")]
fn root_gives_away_nothing_that_it_has_not_made() {
    use std::os::unix::fs::{chown, symlink};

    if !nix::unistd::geteuid().is_root() {
        // there is nothing to give away
        return;
    }
    let user = nix::unistd::User::from_name("nobody").unwrap().expect("a user nobody");
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let secret = dir.path().join("secret");
    let (home, place) = (dir.path().join("home"), dir.path().join("home/postgres"));
    let files = ["lock", "server.log", "tagd.conf", "tagd.conf.new", "guard.sh", "guard.sh.new"];
    let theirs = || {
        for path in [&home, &place] {
            fs::create_dir(path).unwrap();
            chown(path, Some(uid), Some(gid)).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
    };
    let check = |what: &str| {
        let found = fs::metadata(&secret).unwrap();
        assert_eq!((found.uid(), found.mode() & 0o7777), (0, 0o640), "{what}");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "root only", "{what}");
    };
    fs::write(&secret, "root only").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o640)).unwrap();

    // under another name, as where the kernel lets everybody link, or moved here
    theirs();
    for name in files {
        fs::hard_link(&secret, place.join(name)).unwrap();
    }
    let cluster = Cluster::attach(&settings(&home)).expect("a running cluster");
    assert!(answers(&cluster));
    check("hard links");
    // what it has made is the user's, who can go on without root
    for name in ["server.log", "tagd.conf", "guard.sh", "holders", "data", "run"] {
        assert_eq!(fs::symlink_metadata(place.join(name)).unwrap().uid(), uid, "{name}");
    }
    assert!(cluster.leave(Duration::from_secs(30)));
    fs::remove_dir_all(&home).unwrap();

    // behind links
    for name in files.into_iter().chain(["run", "data"]) {
        theirs();
        let target = if ["run", "data"].contains(&name) { dir.path() } else { &secret };
        symlink(target, place.join(name)).unwrap();
        if let Ok(cluster) = Cluster::attach(&settings(&home)) {
            assert!(cluster.leave(Duration::from_secs(30)), "{name}");
        }
        check(name);
        assert_eq!(fs::metadata(dir.path()).unwrap().uid(), 0, "{name}");
        fs::remove_dir_all(&home).unwrap();
    }

    // directories of root's with something in them
    for name in ["run", "data"] {
        theirs();
        fs::create_dir(place.join(name)).unwrap();
        fs::hard_link(&secret, place.join(name).join("file")).unwrap();
        Cluster::attach(&settings(&home)).expect_err("a refusal");
        check(name);
        assert_eq!(fs::metadata(place.join(name)).unwrap().uid(), 0, "{name}");
        fs::remove_dir_all(&home).unwrap();
    }
}

/// The file that is opened is changed for a link to root's between two looks, as often as that goes.
#[test]
#[cfg(target_os = "linux")]
fn root_gives_away_nothing_while_names_change_under_it() {
    use std::{
        os::unix::fs::{chown, symlink},
        sync::atomic::{AtomicBool, Ordering},
    };

    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let user = nix::unistd::User::from_name("nobody").unwrap().expect("a user nobody");
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let secret = dir.path().join("secret");
    fs::write(&secret, "root only").unwrap();
    let place = dir.path().join("home/postgres");
    fs::create_dir_all(&place).unwrap();
    for path in [&dir.path().join("home"), &place] {
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
    // no programs: a start ends behind what is tried here
    let settings = ClusterSettings { programs: Some(dir.path().join("none")), ..settings(&dir.path().join("home")) };
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (stop, secret, place) = (&stop, &secret, &place);
        scope.spawn(move || {
            let (link, file, lock) = (place.join("link"), place.join("file"), place.join("lock"));
            while !stop.load(Ordering::Relaxed) {
                let _ = symlink(secret, &link);
                let _ = fs::rename(&link, &lock);
                let _ = fs::write(&file, "");
                let _ = fs::rename(&file, &lock);
                let _ = fs::remove_file(&lock);
            }
        });
        for _ in 0..300 {
            let _ = Cluster::attach(&settings);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::metadata(&secret).unwrap().uid(), 0, "root's file was given away");
}
