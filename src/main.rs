//! The program: parses arguments, runs the command, sets the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    tagd::cli::main()
}
