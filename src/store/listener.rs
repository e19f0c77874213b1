//! Listens for changes by others of what a tagd remembers of the database.
//!
//! `docs/adr/0041-caches-follow-the-database.md` explains which changes are notified, and why.

use std::{
    io::{self, ErrorKind},
    time::Duration,
};

use sqlx::postgres::{PgListener, PgNotification};
use tokio::{task::JoinHandle, time::timeout};

use super::{
    changed::Changed,
    connect::StoreSettings,
    session::{Connector, Listening, SessionProfile},
};

/// The channel on which functions of the schema notify.
const CHANNEL: &str = "tagd";

/// After this time without a notification the server is asked for a sign of life.
const BEAT: Duration = Duration::from_secs(1);

/// How long a sign of life may take, or a new connection; on a busy server it takes a while.
const PATIENCE: Duration = Duration::from_secs(5);

/// Notifications that follow one another this closely are taken together, for so long at most.
const TOGETHER: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

/// Delay before the server is asked for a connection again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Listens for changes until it is dropped.
#[derive(Debug)]
pub struct Listener {
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens on the runtime of the caller, and passes to `forget` what was changed. While notifications may be lost that is
    /// anything, again and again.
    pub fn start(settings: &StoreSettings, forget: impl Fn(&Changed) + Send + Sync + 'static) -> Self {
        let mut settings = settings.clone();
        settings.acquire_timeout = PATIENCE;
        settings.statement_timeout = PATIENCE;
        Self { task: tokio::spawn(run(Connector::new(&settings, SessionProfile::Serve), forget)) }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(connector: Connector, forget: impl Fn(&Changed)) {
    let (mut pause, mut is_away) = (PAUSES.0, false);
    loop {
        let listening = timeout(PATIENCE, connector.listen(CHANNEL)).await.unwrap_or_else(|_| Err(silent()));
        // what was notified before did not arrive
        forget(&Changed::anything());
        let error = match listening {
            Ok(mut listening) => {
                if is_away {
                    tracing::info!("listening for changes by others again");
                }
                (pause, is_away) = (PAUSES.0, false);
                let error = receive(&connector, &mut listening, &forget).await;
                forget(&Changed::anything());
                error
            }
            Err(error) => error,
        };
        if is_away {
            tracing::debug!(%error, "still not listening for changes by others");
        } else {
            tracing::warn!(%error, "not listening for changes by others, which take effect here some seconds later");
        }
        is_away = true;
        tokio::time::sleep(pause).await;
        pause = PAUSES.1.min(2 * pause);
    }
}

/// Passes on what is notified until the connection fails, or its server is not used any more: then nobody notifies there.
async fn receive(connector: &Connector, listening: &mut Listening, forget: &impl Fn(&Changed)) -> sqlx::Error {
    loop {
        let listener = &mut listening.listener;
        match timeout(BEAT, next(listener)).await {
            Ok(Ok(first)) => {
                let mut changed = Changed::default();
                changed.add(first.payload());
                let (apart, longest) = TOGETHER;
                // the driver reports a lost connection once, and opens another one for the next call
                let lost = timeout(longest, async {
                    while let Ok(received) = timeout(apart, next(listener)).await {
                        match received {
                            Ok(other) => changed.add(other.payload()),
                            Err(error) => return Some(error),
                        }
                    }
                    None
                })
                .await;
                forget(&changed);
                if let Ok(Some(error)) = lost {
                    return error;
                }
            }
            Ok(Err(error)) => return error,
            Err(_) => match timeout(PATIENCE, connector.check(listening)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error,
                Err(_) => return silent(),
            },
        }
    }
}

/// The next notification.
async fn next(listener: &mut PgListener) -> Result<PgNotification, sqlx::Error> {
    let lost = || io::Error::new(ErrorKind::ConnectionAborted, "the connection was closed");
    listener.try_recv().await?.ok_or_else(|| sqlx::Error::Io(lost()))
}

fn silent() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, "the database did not answer in time"))
}
