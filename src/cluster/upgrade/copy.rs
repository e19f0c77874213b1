//! Copies what is in the old cluster: databases and roles through `pg_dumpall` and `psql`, and the administrator's settings.

use std::{
    io::{BufRead, BufReader, BufWriter, Error, ErrorKind, Read, Write},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
};

use super::error::UpgradeError;
use crate::cluster::{
    Cluster, ClusterError, SUPERUSER,
    error::{says_full, telling_line},
    place::Place,
    programs::Programs,
};

/// Files of the data directory that belong to the administrator.
const FILES: [&str; 3] = [SETTINGS, "pg_hba.conf", "pg_ident.conf"];
const SETTINGS: &str = "postgresql.auto.conf";
/// How much is read and written at once.
const PIECE: usize = 64 << 10;

/// Copies all roles and databases. No file lies between the programs, so it needs no space and no one can read it.
pub(super) fn databases(
    programs: &Programs,
    old: &Cluster,
    new: &Cluster,
    with_lz4: bool,
    mut progress: impl FnMut(u64),
) -> Result<(), UpgradeError> {
    let mut dump = client(programs, "pg_dumpall", old);
    if !with_lz4 {
        dump.arg("--no-toast-compression");
    }
    let mut load = client(programs, "psql", new);
    load.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]);
    dump.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    load.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut dump = Running::start(dump, programs, "pg_dumpall")?;
    let mut load = Running::start(load, programs, "psql")?;
    let piped = match (dump.child.stdout.take(), load.child.stdin.take()) {
        (Some(from), Some(to)) => pipe(BufReader::with_capacity(PIECE, from), to, &mut progress),
        _ => Err(Error::from(ErrorKind::BrokenPipe)),
    };
    // the program that fails first makes the other one fail: what psql says is the cause then
    let (loaded, dumped) = (load.finish(new)?, dump.finish(new)?);
    match (loaded, dumped, piped) {
        (Some(error), ..) | (None, Some(error), _) => Err(error),
        (None, None, Err(error)) => Err(ClusterError::at(&programs.bin)(error).into()),
        (None, None, Ok(())) => Ok(()),
    }
}

/// A program that talks to a server.
fn client(programs: &Programs, name: &str, cluster: &Cluster) -> Command {
    let mut command = cluster.place.runner().command(programs.bin.join(name), None);
    command
        .arg("-h")
        .arg(&cluster.socket_dir)
        .args(["-p", &cluster.port.to_string(), "-U", SUPERUSER, "-w"])
        // whatever the administrator's settings of the server are
        .env("PGOPTIONS", "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=0");
    command
}

/// Passes the dump on, without the statement that creates tagd's own role, which `initdb` has created, and without what not every
/// server understands.
fn pipe(mut from: impl BufRead, to: impl Write, progress: &mut impl FnMut(u64)) -> Result<(), Error> {
    let mut to = BufWriter::with_capacity(PIECE, to);
    let own = format!("CREATE ROLE {SUPERUSER};\n");
    let (mut line, mut done) = (Vec::new(), 0);
    // roles come before the first database
    while !line.starts_with(b"\\connect ") {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return to.flush();
        }
        if line != own.as_bytes() {
            to.write_all(&line)?;
        }
    }
    let mut is_data = false;
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return to.flush();
        }
        if is_data {
            is_data = line != b"\\.\n";
        } else if line.starts_with(b"COPY ") && line.ends_with(b" FROM stdin;\n") {
            is_data = true;
        }
        if is_data || !is_attribute_version(&line) {
            to.write_all(&line)?;
        }
        done += u64::try_from(line.len()).unwrap_or_default();
        progress(done);
    }
}

/// Whether a line of a dump sets the option `pg_attver` of a column. Servers such as 15.20 keep it for themselves; dump programs that do
/// not know it print it, and servers that do not know it refuse it.
fn is_attribute_version(line: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(line) else { return false };
    let option = line.strip_prefix("ALTER TABLE ONLY ").and_then(|line| line.strip_suffix(");\n"));
    option
        .and_then(|line| line.rsplit_once(" SET (pg_attver="))
        .is_some_and(|(_, version)| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A program under way, with what it says.
struct Running {
    name: &'static str,
    child: Child,
    said: JoinHandle<String>,
}

impl Running {
    fn start(mut command: Command, programs: &Programs, name: &'static str) -> Result<Self, UpgradeError> {
        let mut child = command.spawn().map_err(ClusterError::at(&programs.bin.join(name)))?;
        let errors = child.stderr.take();
        let said = thread::spawn(move || {
            let mut text = Vec::new();
            // what could be read is told
            let _ = errors.map(|errors| errors.take(1 << 20).read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        Ok(Self { name, child, said })
    }

    /// Waits for the end; what went wrong, if anything did.
    fn finish(mut self, new: &Cluster) -> Result<Option<UpgradeError>, UpgradeError> {
        let status: ExitStatus = self.child.wait().map_err(ClusterError::at(Path::new(self.name)))?;
        let said = self.said.join().unwrap_or_default();
        if status.success() {
            return Ok(None);
        }
        if says_full(&said) {
            return Ok(Some(ClusterError::DiskFull { path: new.place.data() }.into()));
        }
        let line = said.lines().find(|line| line.contains("ERROR:")).map_or_else(|| telling_line(&said), str::to_owned);
        Ok(Some(UpgradeError::Copy { program: self.name, line }))
    }
}

/// Copies the administrator's files into the new cluster, which is stopped. The server's user does it, since root
/// follows no link of theirs.
pub(super) fn files(old: &Place, new: &Place) -> Result<(), UpgradeError> {
    let mut command = old.runner().command("/bin/cp", None);
    command.arg("-p").args(FILES.map(|name| old.data().join(name))).arg(new.data());
    finish(command, "cp")?;
    if !is_archiving(new)? {
        return Ok(());
    }
    // The numbers of WAL files begin again, and the archive has files of these names.
    let mut command = new.runner().command("/bin/sh", None);
    command.args(["-c", r#"printf '\narchive_mode = off\n' >> "$1""#, "sh"]).arg(new.data().join(SETTINGS));
    finish(command, "sh")
}

/// Whether the administrator's settings have the WAL archived. The server's user reads them.
pub(super) fn is_archiving(place: &Place) -> Result<bool, UpgradeError> {
    let mut command = place.runner().command("/bin/cat", None);
    let output = command.arg(place.data().join(SETTINGS)).stdin(Stdio::null()).output();
    let output = output.map_err(ClusterError::at(Path::new("/bin/cat")))?;
    Ok(sets_archiving(&String::from_utf8_lossy(&output.stdout)))
}

/// Of several lines, the last one counts; names are not case-sensitive, and the equals sign may be missing.
fn sets_archiving(settings: &str) -> bool {
    let value = |line: &str| {
        let line = line.trim_start().to_lowercase();
        let value = line.strip_prefix("archive_mode")?.strip_prefix(['=', ' ', '\t'])?;
        let value = value.trim_start_matches(['=', ' ', '\t', '\'']);
        Some(value.chars().take_while(char::is_ascii_alphanumeric).collect::<String>())
    };
    let last = settings.lines().rev().find_map(value);
    // "of" is the shortest beginning of "off" that Postgres accepts
    last.is_some_and(|value| !["off", "of", "false", "fals", "fal", "fa", "f", "no", "n", "0"].contains(&&*value))
}

/// Writes the new cluster to the disk: its server ran without doing so.
pub(super) fn sync(new: &Place, programs: &Programs) -> Result<(), UpgradeError> {
    let mut command = new.runner().command(programs.bin.join("initdb"), None);
    command.arg("--sync-only").arg("-D").arg(new.data());
    finish(command, "initdb")
}

fn finish(mut command: Command, program: &'static str) -> Result<(), UpgradeError> {
    let output = command.stdin(Stdio::null()).output().map_err(ClusterError::at(Path::new(program)))?;
    if output.status.success() {
        return Ok(());
    }
    Err(UpgradeError::Copy { program, line: telling_line(&String::from_utf8_lossy(&output.stderr)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piped(dump: &str) -> String {
        let mut out = Vec::new();
        pipe(dump.as_bytes(), &mut out, &mut |_| {}).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_the_statement_that_creates_tagds_role_is_left_out() {
        let before =
            "--\nCREATE ROLE reader;\nCREATE ROLE tagd;\nALTER ROLE tagd WITH SUPERUSER;\n\\connect template1\n";
        // a value of a user
        let after = "\\connect tagd\nCOPY a FROM stdin;\nCREATE ROLE tagd;\n\\.\nlast line without an end";
        assert_eq!(piped(&format!("{before}{after}")), format!("{}{after}", before.replace("CREATE ROLE tagd;\n", "")));
        assert_eq!(piped(""), "");
        assert_eq!(piped("CREATE ROLE tagd;\nx"), "x");
    }

    #[test]
    fn archiving_is_what_the_last_line_of_its_setting_says() {
        for settings in
            ["archive_mode = on", "  Archive_Mode 'always'", "archive_mode=off\narchive_mode=on # since May"]
        {
            assert!(sets_archiving(settings), "{settings}");
        }
        for settings in ["", "# archive_mode = on", "archive_mode = on\narchive_mode = 'off'", "archive_modes = on"] {
            assert!(!sets_archiving(settings), "{settings}");
        }
    }

    #[test]
    fn what_a_server_keeps_for_itself_is_left_out_but_no_data() {
        let option = "ALTER TABLE ONLY tagd.history ALTER COLUMN slot SET (pg_attver=30041064);\n";
        let other = "ALTER TABLE ONLY tagd.history ALTER COLUMN slot SET (n_distinct=-1);\n";
        let data = format!("COPY tagd.note (text) FROM stdin;\n{option}\\.\n");
        let start = "CREATE ROLE reader;\n\\connect tagd\n";
        assert_eq!(
            piped(&format!("{start}{option}{other}{data}{option}-- end")),
            format!("{start}{other}{data}-- end")
        );
    }
}
