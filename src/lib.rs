//! tagd, a tag service: resources and their tags in Postgres, queried over the wire dialects of four cloud services.
//!
//! The modules. Each may use those that its row names, and no others; a test reads the `use` lines and holds it.
//!
//! | module | what it is for | uses |
//! |---|---|---|
//! | [`domain`] | what a tag is: resources, queries and what they mean | |
//! | [`json`] | reads JSON from any source, with errors that say where they are | domain |
//! | [`text`] | how text that comes in begins: byte order marks, encodings | |
//! | [`parameters`] | the parameters of a query string | domain |
//! | [`dialects`] | how each wire speaks: bytes to domain and back | domain, json, text, parameters |
//! | [`compiler`] | from a query to one SQL statement | domain |
//! | [`cluster`] | the private Postgres of a tagd that was given no database | |
//! | [`config`] | all settings; the only reader of the environment | |
//! | [`store`] | the only module that runs SQL | domain, compiler, cluster |
//! | [`auth`] | who asks | domain |
//! | [`transfer`] | resources in bulk as lines of NDJSON | domain, json, text, store |
//! | [`service`] | use cases, and who may | domain, text, store, auth, compiler, transfer |
//! | [`app`] | puts pools, queues, caches and use cases together | domain, dialects, store, service |
//! | [`http`] | actix-web: server, router, dispatch, registry | domain, json, text, parameters, dialects, auth, service, transfer, app |
//! | [`telemetry`] | log lines | config |
//! | [`cli`] | the commands | all |
//!
//! The walk of a request is told in `docs/ARCHITECTURE.md`.

pub mod app;
pub mod auth;
pub mod cli;
pub mod cluster;
pub mod compiler;
pub mod config;
pub mod dialects;
pub mod domain;
pub mod http;
pub mod json;
pub mod parameters;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod transfer;
