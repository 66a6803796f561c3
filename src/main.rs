//! The binary: parses arguments, installs logging, runs one command, and maps its outcome to an exit code.

use std::process::ExitCode;

use clap::Parser;
use rehearsal::cli::{Arguments, ExitStatus, Printer};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = if arguments.verbose { "rehearsal=debug" } else { "rehearsal=warn" };
    let filter = EnvFilter::try_from_env("REHEARSAL_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    let printer = Printer::new(arguments.quiet);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.error(&format!("the asynchronous runtime could not be started: {error}"));
            return ExitStatus::Environment.into();
        }
    };
    match runtime.block_on(rehearsal::cli::execute(arguments, &printer)) {
        Ok(status) => status.into(),
        Err(error) => {
            printer.failure(error.as_ref(), false);
            ExitStatus::Usage.into()
        }
    }
}
