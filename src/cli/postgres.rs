//! `tagd postgres`: runs programs of Postgres on the private database.

use std::{
    ffi::OsString,
    io::{self, ErrorKind},
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus},
};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    CliError,
    open::{DATABASE, Opened, open},
};
use crate::{cluster::Cluster, config::Settings};

/// Variables that the program must not inherit: what libpq reads to find and enter a server, which may name another one
/// than tagd's, or change its sessions; the folder of a server, which `pg_ctl` would stop; and secrets of tagd, which are none of the
/// program's business.
const FOREIGN: [&str; 45] = [
    "PGAPPNAME",
    "PGCHANNELBINDING",
    "PGCLIENTENCODING",
    "PGCONNECT_TIMEOUT",
    "PGDATA",
    "PGDATESTYLE",
    "PGGEQO",
    "PGGSSDELEGATION",
    "PGGSSENCMODE",
    "PGGSSLIB",
    "PGHOSTADDR",
    "PGKRBSRVNAME",
    "PGLOADBALANCEHOSTS",
    "PGMAXPROTOCOLVERSION",
    "PGMINPROTOCOLVERSION",
    "PGOAUTHDEBUG",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGREALM",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLCERT",
    "PGSSLCERTMODE",
    "PGSSLCOMPRESSION",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLKEY",
    "PGSSLKEYLOGFILE",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLMODE",
    "PGSSLNEGOTIATION",
    "PGSSLROOTCERT",
    "PGSSLSNI",
    "PGSYSCONFDIR",
    "PGTARGETSESSIONATTRS",
    "PGTTY",
    "PGTZ",
    "TAGD_DATABASE_PASSWORD",
    "TAGD_MASTER_KEY",
    "TAGD_READ_DATABASE_URLS",
];

#[derive(Debug, Args)]
pub(super) struct PostgresArgs {
    /// The program, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

pub(super) async fn run(settings: &Settings, args: PostgresArgs) -> Result<(), CliError> {
    if settings.database_url.is_some() {
        return Err(CliError::Stopped(
            "a database is given: run the program itself, with the URL of this database".into(),
        ));
    }
    let opened = open(settings).await?;
    // Ctrl-C is for the program: psql ends a statement with it. It reaches tagd as well, whose end would stop Postgres
    let _for_the_program = [SignalKind::interrupt(), SignalKind::quit()].map(signal);
    let outcome = match &opened {
        Opened { cluster: Some(cluster), .. } => start(settings, cluster, &args.command),
        Opened { cluster: None, .. } => Err(CliError::Stopped("there is no private Postgres".into())),
    };
    let ended = match outcome {
        Ok(Started { name, mut program }) => {
            let waited = tokio::task::spawn_blocking(move || program.wait()).await.map_err(io::Error::other);
            match waited.flatten() {
                Ok(status) => check(&name, status),
                Err(source) => Err(CliError::File { what: format!("cannot run {name}"), source }),
            }
        }
        Err(error) => Err(error),
    };
    opened.close().await;
    ended
}

fn check(name: &str, status: ExitStatus) -> Result<(), CliError> {
    match status.signal() {
        _ if status.success() => Ok(()),
        Some(signal) => Err(CliError::Stopped(format!("{name} was ended by signal {signal}"))),
        // the program has said why
        None => Err(CliError::Reported),
    }
}

struct Started {
    name: String,
    program: std::process::Child,
}

/// Starts a program that finds the private Postgres by its environment.
fn start(settings: &Settings, cluster: &Cluster, command: &[OsString]) -> Result<Started, CliError> {
    let Some((name, arguments)) = command.split_first() else {
        return Err(CliError::Stopped("a program is required".into()));
    };
    let bin = cluster.programs()?;
    // before others of the same name, which may be of another version
    let mut path = bin.clone().into_os_string();
    if let Some(others) = &settings.path {
        path.push(":");
        path.push(others);
    }
    let mut program = Command::new(name);
    for name in FOREIGN {
        program.env_remove(name);
    }
    let started = program
        .args(arguments)
        .env("PATH", path)
        .env("PGHOST", cluster.socket_dir())
        .env("PGPORT", cluster.port().to_string())
        .env("PGUSER", cluster.user())
        .env("PGDATABASE", DATABASE)
        .spawn();
    let name = name.to_string_lossy().into_owned();
    match started {
        Ok(program) => Ok(Started { name, program }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let reason = format!("there is no program {name} in {} or on PATH", bin.display());
            Err(CliError::Stopped(reason))
        }
        Err(source) => Err(CliError::File { what: format!("cannot run {name}"), source }),
    }
}
