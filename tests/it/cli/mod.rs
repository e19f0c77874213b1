//! The program as a user runs it: commands, settings, import and export, CSV files, the private Postgres, sockets.

mod cluster;
mod credentials;
mod csv_files;
mod import_export;
mod listen;
mod private;
mod program;
mod prune;
mod report;
