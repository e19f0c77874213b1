//! The program as a user runs it: commands, settings, import and export, CSV files, the private Postgres.

mod cluster;
mod credentials;
mod csv_files;
mod import_export;
mod private;
mod program;
mod prune;
mod report;
