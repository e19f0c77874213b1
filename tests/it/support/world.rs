//! A server over a database of its own, and a client.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tagd::{
    app::{App, AppSettings},
    domain::{
        Network, RequestError, Resource, Tag,
        change::Registration,
        registry::{Condition, RegistryError},
    },
    http::{LimitSettings, Running, ServerSettings, start},
    service::{AuthSettings, MAX_AGE},
    store::{BatchOutcome, ImportBatch, Importer, SessionProfile, Store, StoreError, StoreSettings},
};

use super::{TestDb, block_on};

/// A server, its database, a client.
pub struct World {
    pub db: Arc<TestDb>,
    pub url: String,
    server: Option<Running>,
    agent: ureq::Agent,
    /// Headers of every request that does not have its own.
    defaults: Vec<(&'static str, String)>,
}

/// A client. The server closes a connection that lies unused for five seconds; on a busy machine a request could go out
/// on one just then, so none is used again that has lain there for a second.
pub fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_idle_age(Duration::from_secs(1));
    config.build().new_agent()
}

/// An answer of the server.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl World {
    /// A server over a fresh database.
    pub fn new() -> Self {
        let db = TestDb::new();
        let store = db.settings();
        Self::over(db, store)
    }

    /// A server over a database with no resource in it, for tests that are content with that.
    pub fn empty() -> Arc<Self> {
        static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());
        Self::share(&SHARED, Self::new)
    }

    /// One world for all tests that only read it: making a database takes longer than most tests.
    /// It is gone with its last holder.
    pub fn share(shared: &Mutex<Weak<Self>>, make: impl FnOnce() -> Self) -> Arc<Self> {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let world = Arc::new(make());
            *shared = Arc::downgrade(&world);
            world
        })
    }

    /// A server that reaches the database, or another one, by settings of the test's own.
    pub fn over(db: TestDb, store: StoreSettings) -> Self {
        Self::guarded(db.into(), store, AuthSettings::default(), Vec::new(), LimitSettings::default(), MAX_AGE)
    }

    /// A server whose requests must have credentials.
    pub fn with_auth(auth: AuthSettings) -> Self {
        let db = TestDb::new();
        let store = db.settings();
        Self::guarded(db.into(), store, auth, Vec::new(), LimitSettings::default(), MAX_AGE)
    }

    /// A server that limits requests, behind proxies.
    pub fn with_limits(auth: AuthSettings, trusted_proxies: Vec<Network>, limits: LimitSettings) -> Self {
        let db = TestDb::new();
        let store = db.settings();
        Self::guarded(db.into(), store, auth, trusted_proxies, limits, MAX_AGE)
    }

    /// A server over a database that others may use as well. What it remembers of projects and credentials it uses for an hour:
    /// only if it is told of changes does it see them earlier.
    pub fn remembering(db: Arc<TestDb>, store: StoreSettings, auth: AuthSettings) -> Self {
        Self::guarded(db, store, auth, Vec::new(), LimitSettings::default(), Duration::from_hours(1))
    }

    fn guarded(
        db: Arc<TestDb>,
        store: StoreSettings,
        auth: AuthSettings,
        trusted_proxies: Vec<Network>,
        limits: LimitSettings,
        max_age: Duration,
    ) -> Self {
        let server = block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            // the name that tests over plain connections use
            let allowed_hosts = vec!["tagd".into()];
            let app =
                App::new(AppSettings { workers: 1, region: "region-1".into(), store, auth, max_age, replicas: None });
            start(ServerSettings {
                listener: listener.into(),
                tls: None,
                http_listener: None,
                allowed_hosts,
                trusted_proxies,
                limits,
                app,
                metrics_listener: None,
                sources: Vec::new(),
                traces: None,
            })
            .unwrap()
        });
        let agent = agent();
        Self { url: format!("http://{}", server.address), db, server: Some(server), agent, defaults: Vec::new() }
    }

    /// The same with headers that are sent with every request from now on.
    pub fn sending(mut self, defaults: Vec<(&'static str, String)>) -> Self {
        self.defaults = defaults;
        self
    }

    /// The same with resources in it.
    pub fn with(fleet: &[Registration]) -> Self {
        let world = Self::new();
        world.load(fleet);
        world
    }

    /// Registers resources in order.
    pub fn load(&self, fleet: &[Registration]) {
        block_on(async {
            let store = self.db.store(SessionProfile::Bulk, 1).await;
            let mut import = store.import().await.unwrap();
            for batch in fleet.chunks(1000) {
                import_all(&mut import, batch).await.unwrap();
            }
            drop(import);
            store.close().await;
        });
    }

    /// Forgets every resource; scopes stay, as they always do.
    ///
    /// What comes next gets slots from `slot` on, which may be close to the end of a block, and labels on more than
    /// `sparse` resources are dense, words of names that `word` resources have are labels: small fleets meet the ways
    /// that large ones go.
    pub fn clear(&self, slot: i32, sparse: i32, word: i32) {
        let statement = format!(
            "truncate tagd.resource, tagd.name, tagd.tag, tagd.label, tagd.chunk;
             insert into tagd.scope_counter (scope_id) select scope_id from tagd.scope on conflict do nothing;
             update tagd.scope_counter set next_slot = {slot};
             {}{}",
            sparse_limit(sparse),
            word_limit(word)
        );
        block_on(async {
            let mut owner = self.db.connect().await;
            owner.execute(AssertSqlSafe(statement)).await.unwrap();
            owner.close().await.unwrap();
        });
    }

    /// Posts JSON.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("Content-Type", "application/json")], body.as_bytes())
    }

    /// Sends a request.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let is_missing = |name: &str| !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let defaults = self.defaults.iter().filter(|(name, _)| is_missing(name));
        let all: Vec<_> =
            defaults.map(|(name, value)| (*name, value.as_str())).chain(headers.iter().copied()).collect();
        send(&self.agent, &self.url, method, path, &all, body)
    }
}

/// The statement that makes labels dense which are on more resources than this.
pub fn sparse_limit(limit: i32) -> String {
    format!(
        "create or replace function tagd.sparse_limit() returns integer language sql immutable parallel safe as 'select {limit}';"
    )
}

/// The statement that makes a word of names a label where as many resources have it.
pub fn word_limit(limit: i32) -> String {
    format!(
        "create or replace function tagd.word_limit() returns integer language sql immutable parallel safe as 'select {limit}';"
    )
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            block_on(server.stop()).unwrap();
        }
    }
}

/// Sends a request to a server.
pub fn send(agent: &ureq::Agent, url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{url}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = agent.run(request.body(body).unwrap()).unwrap();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Answer {
        status: answer.status().as_u16(),
        headers,
        body: answer.body_mut().with_config().limit(1 << 30).read_to_string().unwrap(),
    }
}

/// A tag.
pub fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.into(), value: value.into() }
}

/// A resource in project `p`, its tags given in the order of keys.
pub fn registration(resource_type: &str, id: &str, name: &str, tags: &[(&str, &str)]) -> Registration {
    Registration {
        project_id: "p".into(),
        resource_type: resource_type.into(),
        resource: Resource {
            resource_id: id.into(),
            resource_name: name.into(),
            detail: None,
            tags: tags.iter().map(|(key, value)| tag(key, value)).collect(),
        },
        ..Registration::default()
    }
}

/// Imports resources as one batch.
pub async fn import_all(import: &mut Importer, resources: &[Registration]) -> Result<BatchOutcome, StoreError> {
    let batch: ImportBatch = resources.iter().collect();
    import.run(&batch, 0..batch.len()).await
}

/// Makes these the tags of a resource, whatever it is like.
pub async fn replace_tags(store: &Store, scope_id: i64, resource_id: &str, tags: &[Tag]) -> Result<(), RequestError> {
    match store.replace_tags_if(scope_id, resource_id, tags, &Condition::None, "replace").await {
        Ok(_) => Ok(()),
        Err(RegistryError::Other(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

/// Unregisters a resource, whatever it is like. False if it is unknown.
pub async fn unregister(store: &Store, scope_id: i64, resource_id: &str) -> bool {
    match store.unregister(scope_id, resource_id, &Condition::None).await {
        Ok(()) => true,
        Err(RegistryError::Other(RequestError::UnknownResource { .. })) => false,
        Err(error) => panic!("{error}"),
    }
}
