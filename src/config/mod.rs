//! All settings: from flags, environment and file, in this order of precedence.
//!
//! `environment.rs` is the only reader of the environment.

mod auth;
mod environment;
mod error;
mod file;
mod keystone;
mod limits;
mod metrics;
mod otlp;
mod replicas;
mod secrets;
mod tls;
mod values;

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser};
use validator::Validate;

use crate::domain::{ListenAddress, Network};
pub use auth::{AuthMode, KeySetting, MasterKeySource};
use auth::{auth_modes, read_mode};
pub use environment::passed_sockets;
use environment::{SESSION_OPTIONS, default_data_dir, restart_without, variable};
pub use error::ConfigError;
use file::SettingsFile;
pub use keystone::{KeystoneArgs, KeystoneSetting};
pub use limits::LimitArgs;
use limits::{check_principal_rate, networks};
pub use metrics::MetricsArgs;
pub use otlp::{OtlpArgs, OtlpSetting};
use otlp::{Variables, otlp};
use replicas::ReadDatabases;
pub use replicas::{ReadDatabase, ReplicaArgs};
pub use secrets::DatabasePassword;
use secrets::{DatabaseSettings, PASSWORD, not_both, read_keys};
pub use tls::TlsSettings;
use tls::tls;
pub use values::{LogFormat, Switch};
use values::{given, host_name, path_parser, processors, read_flag, read_switch, secret_files, set_path};

/// Settings that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::doc_markdown, reason = "shown as help, where backticks would stand as they are")]
pub struct CommonArgs {
    /// Database to use, postgres://USER:PASSWORD@HOST:PORT/NAME. Without one, tagd runs a private Postgres of its own
    #[arg(long, global = true, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// File with this URL [default: none]
    #[arg(long, global = true, env = "DATABASE_URL_FILE", value_name = "FILE", value_parser = path_parser())]
    pub database_url_file: Option<PathBuf>,

    /// File with the password of the database, whatever characters it has; the URL then has none. The variable
    /// TAGD_DATABASE_PASSWORD may have the password itself [default: none]
    #[arg(long, global = true, env = "TAGD_DATABASE_PASSWORD_FILE", value_name = "FILE", value_parser = path_parser())]
    pub database_password_file: Option<PathBuf>,

    /// Folder of the private Postgres [default: /var/lib/tagd as root, else $XDG_DATA_HOME/tagd or ~/.local/share/tagd]
    #[arg(long, global = true, env = "TAGD_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Folder with the Postgres programs for the private Postgres [default: found on PATH and in the usual directories]
    #[arg(long, global = true, env = "TAGD_POSTGRES_BIN", value_name = "DIR")]
    pub postgres_bin: Option<PathBuf>,

    /// Maximum number of database connections, 1 to 500 [default: 16]
    #[arg(long, global = true, env = "TAGD_CONNECTIONS", value_name = "N")]
    pub connections: Option<u32>,

    /// File with the master key, with which access keys are sealed in the database: 64 hexadecimal digits, as `openssl rand
    /// -hex 32` prints them. Older keys may follow, one a line. The variable TAGD_MASTER_KEY may have the keys themselves
    /// [default: master.key in the data directory of the private Postgres; none for another database]
    #[arg(long, global = true, env = "TAGD_MASTER_KEY_FILE", value_name = "FILE", value_parser = path_parser())]
    pub master_key_file: Option<PathBuf>,

    /// Settings file in TOML, with the names of the flags and _ for - (listen = "127.0.0.1:8080") [default: none]
    #[arg(long, global = true, env = "TAGD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Format of the log lines on standard error: text, json or auto (text on a terminal) [default: auto]
    #[arg(long, global = true, env = "TAGD_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Log level: error, warn, info, debug, or a filter such as info,tagd::store=debug [default: info for serve, warn for
    /// the other commands]
    #[arg(long, global = true, env = "TAGD_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

/// Settings of `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Address and port to listen on, where port 0 picks a free one, or unix: and the path of a socket [default:
    /// 127.0.0.1:8080, or the socket that systemd passes]
    #[arg(long, env = "TAGD_LISTEN", value_name = "ADDRESS:PORT|unix:PATH")]
    pub listen: Option<ListenAddress>,

    /// Credentials that requests must have: keys (requests are signed with an access key), tokens (of tagd), keystone (tokens of
    /// a Keystone), or none. Separate several with commas. With none, anyone who can reach tagd can read and change everything [default: none]
    #[arg(long, env = "TAGD_AUTH", value_name = "MODES", value_delimiter = ',', value_parser = read_mode)]
    pub auth: Vec<AuthMode>,

    /// The Keystone.
    #[command(flatten)]
    pub keystone: KeystoneArgs,

    /// Allow plain HTTP on an address that other machines can reach, for example behind a proxy that terminates TLS. What is
    /// sent can be read on the way, and with --auth none anyone who can reach it can read and change everything [default: off]
    #[arg(long, env = "TAGD_INSECURE_LISTEN", value_parser = read_flag)]
    pub insecure_listen: bool,

    /// Certificate of the server in PEM, followed by those of the CAs between it and the root. With it, the address of
    /// --listen speaks HTTPS only. It is read again on SIGHUP, and so are the next two files [default: none]
    #[arg(long, env = "TAGD_TLS_CERT", value_name = "FILE", value_parser = path_parser())]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate in PEM: PKCS#8, PKCS#1 or SEC1, not encrypted [default: none]
    #[arg(long, env = "TAGD_TLS_KEY", value_name = "FILE", value_parser = path_parser())]
    pub tls_key: Option<PathBuf>,

    /// CA certificates in PEM. With it, clients must present a certificate that one of these CAs has signed [default:
    /// none]
    #[arg(long, env = "TAGD_TLS_CLIENT_CA", value_name = "FILE", value_parser = path_parser())]
    pub tls_client_ca: Option<PathBuf>,

    /// The same for plain HTTP beside HTTPS, for clients on this machine [default: none]
    #[arg(long, env = "TAGD_HTTP_LISTEN", value_name = "ADDRESS:PORT|unix:PATH")]
    pub http_listen: Option<ListenAddress>,

    /// Read replicas.
    #[command(flatten)]
    pub replicas: ReplicaArgs,

    /// Metrics.
    #[command(flatten)]
    pub metrics: MetricsArgs,

    /// Traces.
    #[command(flatten)]
    pub otlp: OtlpArgs,

    /// Number of threads that handle requests, 1 to 256 [default: one for each processor]
    #[arg(long, env = "TAGD_WORKERS", value_name = "N")]
    pub workers: Option<u32>,

    /// Timeout of each database statement of a request in seconds, 1 to 3600 [default: 30]
    #[arg(long, env = "TAGD_STATEMENT_TIMEOUT", value_name = "SECONDS")]
    pub statement_timeout: Option<u32>,

    /// Name of the region whose resources are served, as the cross-service API (TMS) shows it [default: region-1]
    #[arg(long, env = "TAGD_REGION", value_name = "NAME")]
    pub region: Option<String>,

    /// Load the demo fleet first, if the database has never had a resource [default: off]
    #[arg(long, env = "TAGD_WITH_DEMO", value_parser = read_flag)]
    pub with_demo: bool,

    /// Whether changes of resources and their tags are recorded: on or off. It holds for all programs of the database until a
    /// server is started with the other value [default: on]
    #[arg(long, env = "TAGD_HISTORY", value_name = "SWITCH", value_parser = read_switch)]
    pub history: Option<Switch>,

    /// Proxies and limits.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Host name that requests may be addressed to, besides localhost and IP addresses. Repeat the flag for several
    /// names; in the variable, separate them with commas. Requests to other hosts are refused, so that a web page cannot
    /// reach tagd through a host name of its own [default: none]
    #[arg(long = "allowed-host", env = "TAGD_ALLOWED_HOSTS", value_name = "NAME", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
}

impl ServeArgs {
    /// What the environment has of them, for a command that asks a server which the same environment started.
    pub fn of_environment() -> Result<Self, ConfigError> {
        /// Nothing but the settings of `serve`.
        #[derive(Parser)]
        struct Environment {
            #[command(flatten)]
            serve: ServeArgs,
        }
        let read = Environment::try_parse_from(["tagd"]).map_err(|error| {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            ConfigError::Environment(line.strip_prefix("error: ").unwrap_or(line).to_owned())
        });
        Ok(read?.serve)
    }
}

/// Every setting, with its default filled in.
#[derive(Debug, Clone, Validate)]
pub struct Settings {
    /// Database, if one was given.
    pub database_url: Option<String>,
    /// Its password, if the URL has none.
    pub database_password: Option<DatabasePassword>,
    /// Replicas of the database.
    pub read_databases: Vec<ReadDatabase>,
    /// How far one may be behind, in seconds.
    #[validate(range(min = 1, max = 3600))]
    pub max_replica_lag: u32,
    /// Folder of the private Postgres.
    pub data_dir: PathBuf,
    /// Folder with its programs, if one was given.
    pub postgres_bin: Option<PathBuf>,
    /// The directories that are searched for programs.
    pub path: Option<OsString>,
    /// Maximum number of database connections.
    #[validate(range(min = 1, max = 500))]
    pub connections: u32,
    /// Format of the log lines.
    pub log_format: LogFormat,
    /// Log filter, if given.
    pub log: Option<String>,
    /// Where the master keys are, if that was given.
    pub master_key: Option<MasterKeySource>,
    /// The files with secrets, each with the setting that names it.
    pub secret_files: Vec<(&'static str, PathBuf)>,
    /// Credentials that requests must have; empty for none.
    pub auth: Vec<AuthMode>,
    /// Access keys.
    pub keys: Vec<KeySetting>,
    /// The Keystone, if its tokens are accepted.
    pub keystone: Option<KeystoneSetting>,
    /// Where to listen, if that was given.
    pub listen: Option<ListenAddress>,
    /// Whether other machines may reach that address.
    pub insecure_listen: bool,
    /// The files of TLS, if that address speaks HTTPS.
    pub tls: Option<TlsSettings>,
    /// Where to listen for plain HTTP beside HTTPS.
    pub http_listen: Option<ListenAddress>,
    /// Where to serve metrics, if they have an address of their own.
    pub metrics_listen: Option<ListenAddress>,
    /// The time after which a request is slow, if there is one.
    pub slow_request: Option<Duration>,
    /// Where traces are sent, if anywhere.
    pub otlp: Option<OtlpSetting>,
    /// Number of threads that handle requests.
    #[validate(range(min = 1, max = 256))]
    pub workers: u32,
    /// Timeout of a statement of a request, in seconds.
    #[validate(range(min = 1, max = 3600))]
    pub statement_timeout: u32,
    /// Name of the region whose resources are served.
    pub region: String,
    /// Whether an empty database gets the demo fleet.
    pub with_demo: bool,
    /// Whether changes are recorded.
    pub history: bool,
    /// Names of hosts that requests may be addressed to, in lower case and without a dot at the end.
    pub allowed_hosts: Vec<String>,
    /// Proxies that are believed which address a request comes from.
    pub trusted_proxies: Vec<Network>,
    /// Requests a second of each principal.
    #[validate(range(min = 1, max = 1_000_000))]
    pub rate_limit_principal: Option<u32>,
    /// Requests a second of each address.
    #[validate(range(min = 1, max = 1_000_000))]
    pub rate_limit_address: Option<u32>,
    /// Requests under way at the same time.
    #[validate(range(min = 1, max = 1_000_000))]
    pub max_requests: u32,
    /// Time for a request as a whole, in seconds.
    #[validate(range(min = 1, max = 7200))]
    pub request_timeout: u32,
}

impl Settings {
    /// Puts flags (and with them the environment, which clap has read), file and defaults together.
    pub fn load(common: &CommonArgs, serve: &ServeArgs) -> Result<Self, ConfigError> {
        let file = common.config.as_deref().map(SettingsFile::read).transpose()?.unwrap_or_default();
        let has_secrets = file.has_secrets();
        let data_dir = common.data_dir.clone().or(file.data_dir);
        let hosts = given(&serve.allowed_hosts, file.allowed_hosts);
        let proxies = given(&serve.limits.trusted_proxies, file.trusted_proxies);
        let http_listen = serve.http_listen.clone().or(file.http_listen);
        let tls = tls(
            set_path(serve.tls_cert.as_ref(), file.tls_cert),
            set_path(serve.tls_key.as_ref(), file.tls_key),
            set_path(serve.tls_client_ca.as_ref(), file.tls_client_ca),
            http_listen.as_ref(),
        )?;
        let auth = auth_modes(Some(&serve.auth).filter(|modes| !modes.is_empty()).cloned().or(file.auth))?;
        let keystone = serve.keystone.or(KeystoneArgs {
            keystone_url: file.keystone_url,
            keystone_ca_file: file.keystone_ca_file,
            keystone_user: file.keystone_user,
            keystone_password_file: file.keystone_password_file,
            keystone_domain: file.keystone_domain,
            keystone_project: file.keystone_project,
        });
        let master_key = variable("TAGD_MASTER_KEY");
        let flag = set_path(common.master_key_file.as_ref(), None);
        not_both(("TAGD_MASTER_KEY", master_key.is_some()), ("master_key_file", flag.is_some()))?;
        let master_key_file = set_path(flag.as_ref(), file.master_key_file);
        let database = DatabaseSettings::new(
            (common.database_url.as_ref(), common.database_url_file.as_ref()),
            (variable(PASSWORD), common.database_password_file.as_ref()),
            (file.database_url, file.database_url_file, file.database_password_file),
        );
        let read_databases =
            ReadDatabases::new(&serve.replicas, (file.read_database_urls, file.read_database_urls_file));
        let keys = file.keys.unwrap_or_default();
        let mut files = vec![
            ("config", common.config.as_ref().filter(|_| has_secrets)),
            ("database_url_file", database.url_file.as_ref()),
            ("database_password_file", database.password_file.as_ref()),
            ("read_database_urls_file", read_databases.file.as_ref()),
            ("master_key_file", master_key_file.as_ref()),
            ("tls_key", tls.as_ref().map(|tls| &tls.key)),
            ("keystone_password_file", keystone.keystone_password_file.as_ref()),
        ];
        files.extend(keys.iter().map(|key| ("keys.secret_file", key.secret_file.as_ref())));
        let secret_files = secret_files(files)?;
        let (database_url, database_password) = database.read()?;
        let statement_timeout = serve.statement_timeout.or(file.statement_timeout).unwrap_or(30);
        let request_timeout = serve.limits.request_timeout.or(file.request_timeout);
        let settings = Self {
            read_databases: read_databases.read(database_url.is_some())?,
            max_replica_lag: serve.replicas.max_replica_lag.or(file.max_replica_lag).unwrap_or(10),
            database_url,
            database_password,
            data_dir: data_dir.map_or_else(default_data_dir, Ok)?,
            postgres_bin: common.postgres_bin.clone().or(file.postgres_bin),
            path: variable("PATH"),
            connections: common.connections.or(file.connections).unwrap_or(16),
            log_format: common.log_format.or(file.log_format).unwrap_or_default(),
            log: common.log.clone().or(file.log),
            master_key: master_key
                .map(|text| MasterKeySource::Text(text.to_string_lossy().into_owned()))
                .or(master_key_file.map(MasterKeySource::File)),
            secret_files,
            keystone: keystone::keystone(&auth, keystone, variable("TAGD_KEYSTONE_PASSWORD"), file.keystone_roles)?,
            auth,
            keys: read_keys(keys)?,
            listen: serve.listen.clone().or(file.listen),
            insecure_listen: serve.insecure_listen || file.insecure_listen.unwrap_or_default(),
            tls,
            http_listen,
            metrics_listen: serve.metrics.metrics_listen.clone().or(file.metrics_listen),
            slow_request: metrics::slow_request(serve.metrics.slow_request.or(file.slow_request))?,
            otlp: otlp(
                &serve.otlp,
                (file.otlp_url, file.otlp_sample),
                Variables {
                    endpoint: variable("OTEL_EXPORTER_OTLP_ENDPOINT"),
                    ratio: variable("OTEL_TRACES_SAMPLER_ARG"),
                    service: variable("OTEL_SERVICE_NAME"),
                },
            )?,
            workers: serve.workers.or(file.workers).unwrap_or_else(processors),
            statement_timeout,
            region: serve
                .region
                .clone()
                .or(file.region)
                .filter(|region| !region.is_empty())
                .unwrap_or_else(|| "region-1".to_owned()),
            history: serve.history.and_then(|switch| switch.0).or(file.history).unwrap_or(true),
            with_demo: serve.with_demo || file.with_demo.unwrap_or_default(),
            allowed_hosts: hosts.iter().map(|host| host_name(host)).collect::<Result<_, _>>()?,
            trusted_proxies: networks(&proxies)?,
            rate_limit_principal: serve.limits.rate_limit_principal.or(file.rate_limit_principal),
            rate_limit_address: serve.limits.rate_limit_address.or(file.rate_limit_address),
            max_requests: serve.limits.max_requests.or(file.max_requests).unwrap_or(4096),
            request_timeout: limits::request_timeout(request_timeout, statement_timeout),
        };
        settings.validate().map_err(|errors| ConfigError::of_range(&errors))?;
        check_principal_rate(settings.rate_limit_principal, &settings.auth)?;
        Ok(settings)
    }

    /// Where to listen if systemd passes no socket.
    pub fn listen(&self) -> ListenAddress {
        self.listen.clone().unwrap_or(ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))))
    }

    /// Checks both addresses to listen on.
    pub fn check_listen(&self) -> Result<(), ConfigError> {
        self.check_address("listen", &self.listen(), self.tls.is_some())?;
        self.http_listen.as_ref().map_or(Ok(()), |address| self.check_address("http_listen", address, false))
    }

    /// Refuses to listen on an address that other machines can reach, unless its requests are authenticated and encrypted
    /// or `--insecure-listen` is set.
    pub fn check_address(
        &self,
        setting: &'static str,
        address: &ListenAddress,
        is_encrypted: bool,
    ) -> Result<(), ConfigError> {
        if is_encrypted && matches!(address, ListenAddress::Unix(_)) {
            return Err(ConfigError::TlsOnSocket { setting });
        }
        let reason = match (!self.auth.is_empty(), is_encrypted) {
            (true, true) => return Ok(()),
            (false, _) => "requests are not authenticated",
            (true, false) => "plain HTTP is not encrypted",
        };
        if self.insecure_listen || !address.is_reachable_from_outside() {
            return Ok(());
        }
        Err(ConfigError::OpenListen { setting, address: address.clone(), reason })
    }

    /// Timeout of a statement of a request.
    pub fn statement_timeout(&self) -> Duration {
        Duration::from_secs(self.statement_timeout.into())
    }
}

/// Starts the program again without the options for sessions that the environment has, unless a database is given, which they may be
/// for: the private one is none that the user of a shell has meant. It stays the same process. Must be called before settings are
/// read, since a secret may be in a pipe, which is read only once.
pub fn drop_session_options(common: &CommonArgs) -> Result<(), ConfigError> {
    if variable(SESSION_OPTIONS).is_none() {
        return Ok(());
    }
    let file = common.config.as_deref().map(SettingsFile::read).transpose()?.unwrap_or_default();
    let database = DatabaseSettings::new(
        (common.database_url.as_ref(), common.database_url_file.as_ref()),
        (None, None),
        (file.database_url, file.database_url_file, None),
    );
    if database.is_given() {
        return Ok(());
    }
    Err(ConfigError::SessionOptions { variable: SESSION_OPTIONS, source: restart_without(SESSION_OPTIONS) })
}
