//! The program as a user runs it: commands, settings, secrets in files, health, import and export, CSV files, the private Postgres, sockets, containers, backups, and what stands around it.

mod backup;
mod cluster;
mod compose;
mod credentials;
mod csv_files;
mod definition_batches;
mod definitions;
mod deploy;
mod health;
mod import_export;
mod listen;
mod private;
mod program;
mod proxy;
mod prune;
mod report;
mod rolling;
mod secrets;
mod upgrade;
