//! The commands.

mod build;
mod cluster;
mod credentials;
mod demo;
mod descriptors;
mod error;
mod export;
mod health;
mod history;
mod import;
mod index;
mod master_key;
mod migrate;
mod open;
mod policy;
mod postgres;
mod private;
mod progress;
mod report;
mod secret_files;
mod serve;
mod time;
mod totals;
mod upkeep;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

pub(crate) use error::CliError;

use crate::{
    config::{CommonArgs, ServeArgs, Settings, drop_session_options},
    telemetry,
};

/// A persistent tag service: resources and their tags in Postgres, queried in the wire dialects of IMS, DNS, TMS and CTS
#[derive(Debug, Parser)]
#[command(name = "tagd", version, arg_required_else_help = true, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer requests over HTTP until SIGTERM or SIGINT
    Serve(Box<ServeArgs>),
    /// Bring the schema of the database up to date
    ///
    /// `serve` and the other commands do this too. As a separate command it lets the owner of the schema prepare a
    /// database that the service then uses with a less privileged login.
    Migrate,
    /// Register resources with their tags from NDJSON or CSV
    Import(import::ImportArgs),
    /// Write every resource with its tags as NDJSON, in order, from one snapshot
    Export(export::ExportArgs),
    /// Verify or rebuild the tag index
    #[command(subcommand)]
    Index(index::IndexCommand),
    /// Show a report: keys and values in use, coverage, untagged resources and others
    ///
    /// The reports are views in the schema report of the database, which other programs can read too.
    Report(report::ReportArgs),
    /// Show and prune the history of changes, and set for how long it is kept
    #[command(subcommand)]
    History(history::HistoryCommand),
    /// Manage access keys, by which requests are signed
    #[command(subcommand)]
    Key(credentials::KeyCommand),
    /// Manage tokens, which are sent with requests
    #[command(subcommand)]
    Token(credentials::TokenCommand),
    /// Manage policies: which keys resources must have, and with which values
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Show and upgrade the private Postgres
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Run a program of Postgres on the private database: psql, pg_dump, pg_restore, pg_basebackup
    ///
    /// The private Postgres runs as long as the program does, and the program finds it by its environment. The database is
    /// taken as it is: a new one is empty. Example: tagd postgres -- pg_dump -Fc -f tagd.dump
    #[expect(clippy::doc_markdown, reason = "shown as help, where backticks would stand as they are")]
    Postgres(postgres::PostgresArgs),
    /// Load a small, realistic fleet to try queries on
    Demo,
    /// Ask a running server whether it is ready: exit code 0 if it is, else 1
    ///
    /// It asks the server that the environment and the settings file describe. One that was started with other flags is
    /// named by --url.
    Health(health::HealthArgs),
}

impl Command {
    /// Whether it makes sense on a database that has nothing yet, and so may create one.
    fn may_begin(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Migrate | Self::Import(_) | Self::Postgres(_) | Self::Demo
            // these look for themselves
            | Self::Cluster(_) | Self::Health(_) => true,
            Self::Key(command) => command.is_create(),
            Self::Token(command) => command.is_create(),
            Self::Policy(command) => command.is_put(),
            Self::Export(_) | Self::Index(_) | Self::Report(_) | Self::History(_) => false,
        }
    }
}

/// How long threads may take to end.
const THREADS: Duration = Duration::from_secs(1);

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Reported) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tagd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    let (serve, default_log) = match &cli.command {
        Command::Serve(args) => (args.clone(), "info"),
        Command::Health(_) => (Box::new(ServeArgs::of_environment()?), "warn"),
        // that a cluster is created is told: it may be due to a mistyped data directory
        _ => (Box::default(), "warn,tagd::cluster::setup=info"),
    };
    drop_session_options(&cli.common)?;
    let settings = Settings::load(&cli.common, &serve)?;
    telemetry::start(settings.log_format, settings.log.as_deref().unwrap_or(default_log))?;
    if !cli.command.may_begin() {
        cluster::expect_data(&settings)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| CliError::File { what: "cannot start threads".into(), source })?;
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Serve(_) => serve::run(&settings).await,
            Command::Migrate => migrate::run(&settings).await,
            Command::Import(args) => import::run(&settings, args).await,
            Command::Export(args) => export::run(&settings, args).await,
            Command::Index(command) => index::run(&settings, command).await,
            Command::Report(args) => report::run(&settings, args).await,
            Command::History(command) => history::run(&settings, command).await,
            Command::Key(command) => credentials::run_key(&settings, command).await,
            Command::Token(command) => credentials::run_token(&settings, command).await,
            Command::Policy(command) => policy::run(&settings, command).await,
            Command::Cluster(command) => cluster::run(&settings, command).await,
            Command::Postgres(args) => postgres::run(&settings, args).await,
            Command::Demo => demo::run(&settings).await,
            Command::Health(args) => health::run(&settings, &args),
        }
    });
    // a thread that waits for Postgres or for input must not delay the end
    runtime.shutdown_timeout(THREADS);
    outcome.map_err(|error| match settings.database_url {
        None => error.of_private(&settings.data_dir),
        Some(_) => error,
    })
}
