//! `tagd serve`: answers requests until a signal stops it.

use std::{
    io::{IsTerminal, Write, stderr, stdin, stdout},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

use super::{
    CliError,
    build::Build,
    credentials::configured_keys,
    demo, descriptors, master_key,
    open::{Opened, open, replicas},
    private, secret_files,
    totals::Totals,
    upkeep::{Upkeep, apply_retention, server_caller, switch_history},
};
use crate::{
    app::{App, AppReplicas, AppSettings},
    auth::{
        Keystone, MarkerKey, Secret,
        keystone::{KeystoneSettings, RoleNames, default_roles},
    },
    config::{AuthMode, ConfigError, KeystoneSetting, OtlpSetting, Settings, passed_sockets},
    domain::{ListenAddress, credential::CredentialKind},
    http::{self, LimitSettings, Listener, Running, ServerSettings, Tls, TlsFiles},
    metrics::Process,
    pem,
    service::{AuthSettings, MAX_AGE},
    store::{ReplicaSettings, SessionProfile, Store},
    traces::{self, RunningExporter, TraceSettings, Traces},
};

pub(super) async fn run(settings: &Settings) -> Result<(), CliError> {
    let process = Process::started_now();
    settings.check_listen()?;
    // files and addresses before the database, so that what is wrong with them is reported at once
    let files = settings.tls.clone().map(|tls| TlsFiles { cert: tls.cert, key: tls.key, client_ca: tls.client_ca });
    let tls = files.map(Tls::read).transpose()?.map(Arc::new);
    let keystone = settings.keystone.as_ref().map(keystone).transpose()?;
    let listener = listener(settings)?;
    let http_listener = settings.http_listen.as_ref().map(bind).transpose()?;
    let metrics_listener = settings.metrics_listen.as_ref().map(bind).transpose()?;
    secret_files::warn(settings);
    let replicas = replicas(settings)?;
    // before signals are handled, since it may be a pipe to which nobody writes
    let master_key = master_key::given_to_server(settings)?;
    let mut stop = Stop::listen()?;
    let mut hangup = Hangup::listen(tls.clone())?;
    // Postgres may take long, or not answer at all
    let (mut opened, store, auth) = tokio::select! {
        prepared = prepare(settings, master_key, keystone) => prepared?,
        () = stop.asked() => return Ok(()),
    };
    let replicas = app_replicas(replicas, &store).await?;
    descriptors::raise_limit();
    let totals = Totals::default();
    let (traces, exporter) = start_traces(settings)?.unzip();
    let app = App::new(AppSettings {
        workers: usize::try_from(settings.workers).unwrap_or(1),
        region: settings.region.clone(),
        store: opened.store.clone(),
        auth,
        max_age: MAX_AGE,
        replicas,
    });
    let server = http::start(ServerSettings {
        listener,
        tls: tls.as_deref(),
        http_listener,
        allowed_hosts: settings.allowed_hosts.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        limits: limit_settings(settings),
        app,
        metrics_listener,
        sources: vec![Arc::new(Build), Arc::new(process), Arc::new(totals.clone())],
        traces,
    })
    .map_err(|source| CliError::Listen { address: settings.listen(), source })?;
    tell_modes(settings);
    if let Some(address) = &server.metrics_address {
        tracing::info!(%address, "serving metrics");
    }
    let urls = urls(&server, tls.is_some());
    // standard output may be closed; tagd serves anyway
    let _ = writeln!(stdout(), "tagd is ready on {urls} ({})", opened.description);
    let http_address = server.http_address.as_ref().map(tracing::field::display);
    tracing::info!(address = %server.address, http_address, database = opened.description, "ready");
    // to the log, since standard output has one line for scripts; if it fails, tagd still serves

    // a database that does not answer must not delay the handling of signals
    let url = url_to_try(&server, settings);
    let hints = tokio::time::timeout(HINT, async {
        let hints = (first_credential(&store, settings).await, query_to_try(&store, settings, &url).await);
        store.close().await;
        hints
    });
    if let Ok((first, query)) = hints.await {
        if let Ok(Some(command)) = first {
            tracing::info!("there are no credentials yet; with the database settings of this server, run: {command}");
        }
        if let Ok(Some(query)) = query {
            tracing::info!("a query to try: {query}");
        }
    }
    let upkeep = Upkeep::new(opened.store.clone(), server.failed.clone(), totals.clone());
    let failure = tokio::select! {
        () = stop.asked() => None,
        () = hangup.reload_until_closed() => None,
        () = upkeep.run() => None,
        error = private::keep_running(&mut opened.cluster, &totals) => Some(CliError::Cluster(error)),
    };
    let in_flight = server.in_flight.clone();
    let outcome = if let Some(error) = failure {
        tracing::error!("stopping: the private Postgres cannot be started again");
        // the requests in flight have no database any more
        let _ = tokio::time::timeout(HINT, server.stop()).await;
        Err(error)
    } else {
        tracing::info!("stopping: waiting for requests in flight; a second signal ends them");
        tokio::select! {
            outcome = server.stop() => outcome.map_err(|error| CliError::Stopped(format!("the server failed: {error}"))),
            // connections may be open without a request
            () = stop.asked() => if in_flight.has_any() {
                Err(CliError::Stopped("stopped with requests in flight".into()))
            } else {
                Ok(())
            },
        }
    };
    if let Some(exporter) = exporter {
        tokio::select! {
            () = exporter.stop() => {}
            () = stop.asked() => {}
        }
    }
    // a database that does not answer must not delay the end
    let _ = tokio::time::timeout(HINT, upkeep.report()).await;
    opened.close().await;
    tracing::info!("stopped");
    outcome
}

/// The replicas with what seals positions: all servers of a database have the same key.
async fn app_replicas(replicas: Option<ReplicaSettings>, store: &Store) -> Result<Option<AppReplicas>, CliError> {
    let Some(settings) = replicas else { return Ok(None) };
    let key = MarkerKey::new(&store.marker_secret().await?)?;
    Ok(Some(AppReplicas { settings, key }))
}

/// Starts to send traces, if they are sent anywhere.
fn start_traces(settings: &Settings) -> Result<Option<(Traces, RunningExporter)>, CliError> {
    let Some(OtlpSetting { url, ratio, service }) = settings.otlp.clone() else { return Ok(None) };
    tracing::info!(url, ratio, "sending traces");
    let started = traces::start(&TraceSettings { url, ratio, service });
    started.map(Some).map_err(|source| CliError::File { what: "cannot start a thread for traces".to_owned(), source })
}

/// Says in the log which credentials requests must have.
fn tell_modes(settings: &Settings) {
    if settings.auth.is_empty() {
        tracing::warn!("requests are not authenticated; credentials that are sent are ignored");
    } else {
        let modes: Vec<_> = settings.auth.iter().map(|mode| mode.name()).collect();
        tracing::info!(modes = modes.join(","), "requests must have credentials");
    }
}

/// Opens the database and does what is done before requests are answered.
async fn prepare(
    settings: &Settings,
    master_key: Option<(String, Secret)>,
    keystone: Option<Arc<Keystone>>,
) -> Result<(Opened, Store, AuthSettings), CliError> {
    let opened = open(settings).await?;
    // for the schema, the demo and what is done besides answering; the workers open their own pools
    let store = opened.store(SessionProfile::Bulk).await?.acting_for(server_caller());
    switch_history(&store, settings.history).await?;
    // before writers, whom dropping a month holds up; opening the database has made the months ahead
    apply_retention(&store).await;
    if settings.with_demo {
        if let Some(resources) = demo::load_if_empty(&store).await? {
            tracing::info!(resources, "loaded the demo fleet");
        } else {
            tracing::info!("skipped the demo fleet: the database has or had resources");
        }
    }
    let auth = auth_settings(settings, master_key, &opened, &store, keystone).await?;
    Ok((opened, store, auth))
}

/// Limits of the requests of a server.
fn limit_settings(settings: &Settings) -> LimitSettings {
    LimitSettings {
        principal_rate: settings.rate_limit_principal.and_then(NonZeroU32::new),
        address_rate: settings.rate_limit_address.and_then(NonZeroU32::new),
        max_requests: usize::try_from(settings.max_requests).unwrap_or(usize::MAX),
        deadline: Duration::from_secs(settings.request_timeout.into()),
        slow: settings.slow_request,
        ..LimitSettings::default()
    }
}

/// Which credentials requests must have.
async fn auth_settings(
    settings: &Settings,
    master_key: Option<(String, Secret)>,
    opened: &Opened,
    store: &Store,
    keystone: Option<Arc<Keystone>>,
) -> Result<AuthSettings, CliError> {
    let keys = settings.auth.contains(&AuthMode::Keys);
    if !keys && !settings.keys.is_empty() {
        return Err(CliError::Stopped("keys: are in the settings file, but --auth does not have keys".to_owned()));
    }
    let configured = configured_keys(settings)?;
    for key in &configured {
        if store.find_credential(&key.access_key).await?.is_some() {
            let access_key = &key.access_key;
            tracing::warn!(access_key, "the key in the settings file takes the place of the one in the database");
        }
    }
    let mut master = None;
    if keys {
        let loaded = master_key::load(settings, master_key, opened, store).await?;
        loaded.check(store).await?;
        master = loaded.keys;
        if master.is_none() && configured.is_empty() {
            tracing::warn!(
                "no request can be signed until there is a master key: set master_key_file, for this server and for `tagd key create`"
            );
        }
    }
    Ok(AuthSettings { keys, tokens: settings.auth.contains(&AuthMode::Tokens), configured, keystone, master })
}

/// The Keystone whose tokens are accepted.
fn keystone(setting: &KeystoneSetting) -> Result<Arc<Keystone>, CliError> {
    let roles = match &setting.roles {
        None => default_roles(),
        Some(roles) => roles
            .iter()
            .map(|(name, role)| match role.parse() {
                Ok(role) => Ok((name.clone(), role)),
                Err(reason) => Err(CliError::Stopped(format!("keystone_roles.{name}: {reason}, got {role:?}"))),
            })
            .collect::<Result<RoleNames, CliError>>()?,
    };
    let KeystoneSetting { url, ca_file, user, password, domain, project, .. } = setting.clone();
    let authorities = ca_file.map(|path| pem::authorities("keystone_ca_file", &path)).transpose()?;
    let password = Secret::new(password);
    Ok(Arc::new(Keystone::new(KeystoneSettings { url, authorities, user, password, domain, project, roles })))
}

/// The command that creates a credential, if requests need one and there is none yet.
async fn first_credential(store: &Store, settings: &Settings) -> Result<Option<String>, CliError> {
    let accepts = |mode| settings.auth.contains(&mode);
    let mut command = None;
    for (mode, kind) in [(AuthMode::Keys, CredentialKind::Key), (AuthMode::Tokens, CredentialKind::Token)] {
        if accepts(mode) {
            if !settings.keys.is_empty() || !store.list_credentials(kind, None).await?.is_empty() {
                return Ok(None);
            }
            command = Some(kind.name());
        }
    }
    let Some(command) = command else { return Ok(None) };
    // a name that a shell takes as it is
    let is_plain = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let domain = store.list_domains(1).await?.pop().filter(is_plain).unwrap_or_else(|| "DOMAIN".to_owned());
    Ok(Some(format!("tagd {command} create --name NAME --role administrator --domain {domain}")))
}

/// A query to try, with a header for a token if it needs one; `None` if requests must be signed, which curl cannot do.
async fn query_to_try(store: &Store, settings: &Settings, url: &str) -> Result<Option<String>, CliError> {
    let takes_tokens = settings.auth.iter().any(|mode| matches!(mode, AuthMode::Tokens | AuthMode::Keystone));
    let headers = match (settings.auth.is_empty(), takes_tokens) {
        (true, _) => "",
        (false, true) => " -H X-Auth-Token:$TOKEN",
        (false, false) => return Ok(None),
    };
    demo::query_to_try(store, url, headers).await.map(Some)
}

/// Timeout for what a server can do without: the hints after its start, and its last entries in the audit log.
const HINT: Duration = Duration::from_secs(2);

/// The socket that systemd passes, or else one on the address of the settings.
fn listener(settings: &Settings) -> Result<Listener, CliError> {
    let Some(passed) = Listener::passed(passed_sockets()?).map_err(ConfigError::Passed)? else {
        return bind(&settings.listen());
    };
    if let Some(listen) = &settings.listen {
        return Err(ConfigError::ListenAndPassed(listen.clone()).into());
    }
    let address = passed.address().map_err(|error| ConfigError::Passed(error.to_string()))?;
    settings.check_address("listen", &address, settings.tls.is_some())?;
    Ok(passed)
}

fn bind(address: &ListenAddress) -> Result<Listener, CliError> {
    Listener::bind(address).map_err(|source| CliError::Listen { address: address.clone(), source })
}

/// Where the server listens.
fn urls(server: &Running, is_https: bool) -> String {
    let url = |scheme: &str, address: &ListenAddress| match address {
        ListenAddress::Tcp(address) => format!("{scheme}://{address}"),
        ListenAddress::Unix(_) => address.to_string(),
    };
    let beside =
        server.http_address.as_ref().map_or_else(String::new, |address| format!(" and {}", url("http", address)));
    format!("{}{beside}", url(if is_https { "https" } else { "http" }, &server.address))
}

/// The URL of the server on this machine as an argument of curl, with the options that it needs.
fn url_to_try(server: &Running, settings: &Settings) -> String {
    let (address, scheme) = match (&server.http_address, &settings.tls) {
        (Some(address), _) => (address, "http"),
        (None, None) => (&server.address, "http"),
        // the certificate is for a name, which may lead elsewhere
        (None, Some(tls)) if tls.client_ca.is_none() => (&server.address, "--insecure https"),
        (None, Some(_)) => (&server.address, "--insecure --cert CERTIFICATE --key KEY https"),
    };
    match address {
        ListenAddress::Tcp(address) => format!("{scheme}://{}", reachable(*address)),
        ListenAddress::Unix(path) => format!("--unix-socket {} http://localhost", quoted(&path.to_string_lossy())),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The address at which this machine reaches a server that listens on `address`, which may be the one for all interfaces.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: IpAddr = match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}

/// The signals that stop tagd.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> Result<Self, CliError> {
        Ok(Self { terminate: listen_for(SignalKind::terminate())?, interrupt: listen_for(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn listen_for(kind: SignalKind) -> Result<Signal, CliError> {
    signal(kind).map_err(|source| CliError::File { what: "cannot listen for signals".to_owned(), source })
}

/// SIGHUP, which reloads TLS. A terminal that is closed sends it as well; then tagd stops, as it would without a handler.
struct Hangup {
    signal: Signal,
    had_terminal: bool,
    tls: Option<Arc<Tls>>,
}

impl Hangup {
    fn listen(tls: Option<Arc<Tls>>) -> Result<Self, CliError> {
        Ok(Self { signal: listen_for(SignalKind::hangup())?, had_terminal: has_terminal(), tls })
    }

    /// Reloads TLS with each signal, until the terminal is closed.
    async fn reload_until_closed(&mut self) {
        while self.signal.recv().await.is_some() {
            if self.had_terminal && !has_terminal() {
                return;
            }
            let Some(tls) = self.tls.clone() else {
                tracing::info!("nothing to reload: TLS is off");
                continue;
            };
            // files may be where reading takes long, and other signals are handled meanwhile
            let (sender, reloaded) = oneshot::channel();
            // a thread that the end of tagd does not wait for
            thread::spawn(move || sender.send(tls.reload()));
            match reloaded.await {
                Ok(Ok(())) => tracing::info!("reloaded the certificate and key of TLS"),
                Ok(Err(error)) => {
                    tracing::error!("TLS was not reloaded and continues with the previous files: {error}");
                }
                Err(error) => tracing::error!(%error, "TLS was not reloaded"),
            }
        }
    }
}

/// Whether a terminal is attached. None is any more once it is closed.
fn has_terminal() -> bool {
    stdin().is_terminal() || stdout().is_terminal() || stderr().is_terminal()
}
