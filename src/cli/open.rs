//! Opens the database that the settings name, or the private one.

use std::time::Duration;

use crate::{
    cli::CliError,
    cluster::{Cluster, ClusterSettings},
    config::Settings,
    store::{ReplicaSettings, ServerConnections, SessionProfile, Store, StoreSettings, create_database},
};

/// Connections of other programs to a private Postgres that many workers use.
const OTHER_CONNECTIONS: u32 = 20;

/// Name of the database in the private cluster.
pub(super) const DATABASE: &str = "tagd";

/// Maximum number of connections of the private Postgres, including those of a concurrent import.
const CLUSTER_CONNECTIONS: u16 = 100;

/// An open database, and the private Postgres that serves it.
pub(super) struct Opened {
    pub(super) store: StoreSettings,
    pub(super) cluster: Option<Cluster>,
    /// Description of the database for log lines.
    pub(super) description: String,
}

pub(super) async fn open(settings: &Settings) -> Result<Opened, CliError> {
    let mut opened = match &settings.database_url {
        // if a database is given, it is used or the command fails: never fall back to the private one
        Some(url) => {
            let mut store = StoreSettings::of_url(url)?;
            if let Some(password) = &settings.database_password {
                store = store.password(password.expose());
            }
            warn_of_plain_text(&store);
            if store.may_be_read_only() {
                tracing::warn!(
                    "the URL of the database names several servers ({}), and any of them will do, also one that is read-only; add \
                     target_session_attrs=read-write",
                    store.place()
                );
            }
            Opened { store, cluster: None, description: "the given database".to_owned() }
        }
        None => open_private(settings).await?,
    };
    opened.store.connections = settings.connections;
    opened.store.statement_timeout = settings.statement_timeout();
    Ok(opened)
}

fn warn_of_plain_text(store: &StoreSettings) {
    if store.may_be_in_plain_text() {
        tracing::warn!(
            "the connection to the database at {} may be unencrypted: its URL leaves sslmode open; add sslmode=verify-full, \
             or sslmode=disable if that is intended",
            store.place()
        );
    }
}

/// The replicas that reads are sent to, if there are any. One whose URL has no password has that of the database.
pub(super) fn replicas(settings: &Settings) -> Result<Option<ReplicaSettings>, CliError> {
    let mut replicas = Vec::new();
    for (at, database) in settings.read_databases.iter().enumerate() {
        let mut replica = StoreSettings::of_url_in(&format!("read_database_urls[{at}]"), &database.url)?;
        if let (Some(password), false) = (&settings.database_password, database.has_password) {
            replica = replica.password(password.expose());
        }
        warn_of_plain_text(&replica);
        replicas.push(replica);
    }
    let max_lag = Duration::from_secs(settings.max_replica_lag.into());
    Ok((!replicas.is_empty()).then_some(ReplicaSettings { replicas, max_lag }))
}

/// Settings of the private Postgres.
pub(super) fn cluster_settings(settings: &Settings) -> ClusterSettings {
    let connections = ServerConnections::most(settings.connections, settings.workers) + OTHER_CONNECTIONS;
    ClusterSettings {
        data_dir: settings.data_dir.clone(),
        programs: settings.postgres_bin.clone(),
        path: settings.path.clone(),
        durable: true,
        max_connections: CLUSTER_CONNECTIONS.max(u16::try_from(connections).unwrap_or(u16::MAX)),
    }
}

async fn open_private(settings: &Settings) -> Result<Opened, CliError> {
    let wanted = cluster_settings(settings);
    let cluster = tokio::task::spawn_blocking(move || Cluster::attach(&wanted))
        .await
        .map_err(|error| CliError::Stopped(format!("the private Postgres could not be started: {error}")))??;
    let store = StoreSettings::of_cluster(&cluster, DATABASE);
    create_database(&store, DATABASE).await?;
    let description = format!("private Postgres {} in {}", cluster.major(), settings.data_dir.display());
    Ok(Opened { store, cluster: Some(cluster), description })
}

impl Opened {
    /// The store, after applying missing migrations.
    pub(super) async fn store(&self, profile: SessionProfile) -> Result<Store, CliError> {
        Ok(Store::open_migrated(&self.store, profile).await?)
    }

    /// Releases the private Postgres; if this was the last holder, waits until it has stopped cleanly.
    pub(super) async fn close(self) {
        if let Some(cluster) = self.cluster {
            let left = tokio::task::spawn_blocking(move || cluster.leave(Duration::from_secs(30))).await;
            tracing::debug!(stopped = ?left, "released the private Postgres");
        }
    }
}
