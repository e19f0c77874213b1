//! tagd, a tag service: resources and their tags in Postgres, queried in the wire dialects of four cloud services.
//!
//! The modules. Each may use only those in the last column of its row; a test checks the `use` lines.
//!
//! | module | what it is for | uses |
//! |---|---|---|
//! | [`domain`] | resources, tags, and queries with their semantics | |
//! | [`json`] | reads JSON from any source, with errors that give their position | domain |
//! | [`memory`] | budgets of memory, and what each request keeps of them | |
//! | [`metrics`] | counters, gauges, histograms, and the text that Prometheus reads | |
//! | [`text`] | the beginning of input text: byte order marks, encodings | |
//! | [`http_client`] | the client for what tagd asks and tells others | |
//! | [`traces`] | spans of requests, and their way to a collector | metrics, `http_client` |
//! | [`expiring_table`] | what is counted or remembered for a while, in bounded memory | |
//! | [`pem`] | certificates in files | |
//! | [`parameters`] | the parameters of a query string | domain |
//! | [`dialects`] | the wire formats: bytes to domain types and back | domain, json, text, parameters |
//! | [`compiler`] | compiles a query to one SQL statement | domain |
//! | [`cluster`] | the private Postgres, for a tagd without a database URL | |
//! | [`config`] | all settings; the only reader of the environment | domain |
//! | [`store`] | the only module that runs SQL | domain, memory, metrics, compiler, cluster |
//! | [`auth`] | principals, signatures, secrets, tokens of a Keystone | domain, metrics, `http_client` |
//! | [`transfer`] | bulk import and export as NDJSON | domain, json, text, store |
//! | [`service`] | use cases and access control | domain, metrics, text, `expiring_table`, store, auth, compiler, transfer |
//! | [`app`] | creates pools, queues, caches and use cases | domain, metrics, dialects, auth, store, service |
//! | [`http`] | actix-web: server, router, dispatch, registry, identity API | domain, json, memory, metrics, traces, text, `expiring_table`, pem, parameters, dialects, auth, service, transfer, app |
//! | [`telemetry`] | log lines | config |
//! | [`cli`] | the commands | all |
//!
//! `docs/ARCHITECTURE.md` follows a request through them.

pub mod app;
pub mod auth;
pub mod cli;
pub mod cluster;
pub mod compiler;
pub mod config;
pub mod dialects;
pub mod domain;
pub mod expiring_table;
pub mod http;
pub mod http_client;
pub mod json;
pub mod memory;
pub mod metrics;
pub mod parameters;
pub mod pem;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod traces;
pub mod transfer;
