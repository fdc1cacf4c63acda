//! What people type: commands, output, exit codes.
//!
//! A verb exists once, in `tools`: a command reads what was typed, makes one tool call
//! ([`call::Call`]), and shows the answer. It reaches the daemon that holds the state folder, or
//! opens the house in this process ([`connection`]), and does not know which.
//!
//! Only [`output`] prints. Whatever is shown to people goes over a [`page::Page`], which makes
//! hostile text harmless. A [`failure::Failure`] decides the exit code.

mod alone;
pub mod answer;
pub mod args;
pub mod call;
pub mod commands;
pub mod connection;
mod cost;
pub mod detail;
pub mod environment;
pub mod instant;
pub mod logging;
pub mod output;
pub mod overview;
pub mod page;
mod pipe;
pub mod progress;
pub mod report;
mod secret;
#[cfg(feature = "otlp")]
mod telemetry;
mod told;
mod unit;

pub use alone::bridge;

use crate::app::failure::{self, Failure};
use crate::app::house::House;
use alone::Alone;
use args::{Cli, Command};
use clap::Parser as _;
use clap::error::ErrorKind;
use commands::Session;
use environment::Environment;
use output::{Manner, Output};
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long work that cannot be cancelled may hold up the end of a command.
const END_TIME: Duration = Duration::from_secs(2);

/// Reads what was typed, does it, and tells the exit code. Nothing is opened before the arguments
/// have been read; `house` is made for commands that need it only.
pub fn run<H: House + 'static>(
    argv: impl IntoIterator<Item = OsString>,
    house: impl FnOnce() -> H,
) -> u8 {
    output::tell_of_panics();
    let argv: Vec<OsString> = argv.into_iter().collect();
    if argv.first().is_some_and(|name| Path::new(name).file_stem() == Some("leantime-mcp".as_ref()))
    {
        return bridge(argv);
    }
    // Not typed by anybody: the program starts itself like this, and nothing else may be done first.
    if let [_, word, rest @ ..] = argv.as_slice()
        && word == crate::runner::CONFINE
    {
        return crate::runner::confined(rest);
    }
    if let Some(alone) = Alone::of(&argv) {
        return alone.perform();
    }
    match Cli::try_parse_from(&argv) {
        Ok(cli) => caught(|| perform(cli, house)),
        Err(error) => not_understood(&error, &argv),
    }
}

/// The exit code of what is done, also where it panics.
fn caught(what: impl FnOnce() -> u8) -> u8 {
    let done = catch_unwind(AssertUnwindSafe(what));
    done.unwrap_or_else(|_| failure::FailureKind::Internal.exit_code())
}

/// Help and version are what was asked for; the rest is a usage failure, for programs in the form
/// that they asked for as far as they could be understood.
fn not_understood(error: &clap::Error, argv: &[OsString]) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // That nobody reads it changes nothing.
        let _ = error.print();
        return 0;
    }
    if argv.iter().any(|word| word == "--json") {
        let message = error.render().to_string();
        let message = message.trim_start_matches("error: ").trim_end();
        let manner = Manner { json: true, ..Manner::default() };
        Output::standard(manner).failure(&Failure::usage(message));
    } else {
        let _ = error.print();
    }
    failure::FailureKind::Usage.exit_code()
}

fn perform<H: House + 'static>(cli: Cli, house: impl FnOnce() -> H) -> u8 {
    let environment = Environment::of_this_process();
    let Cli { globals, command } = cli;
    let output = globals.manner.output(&environment);
    let verbosity = globals.manner.verbosity(matches!(command, Command::Serve { .. }));
    let format = match &command {
        Command::Serve { log_format } => *log_format,
        _ => logging::LogFormat::Text,
    };
    let log = environment.log.as_deref();
    let manner = logging::Manner {
        format,
        colour: output.colours_remarks(),
        collector: environment.collector.as_deref(),
    };
    let begun = logging::start(log, verbosity, manner);
    // It tells until the command has ended.
    let done = begun.and_then(|_log| {
        arm_crash(&environment)?;
        let place = globals.place(&environment);
        let session = Session { house: Arc::new(house()), place, output: &output };
        in_runtime(&command, &session)
    });
    done.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.kind.exit_code()
    })
}

/// Whoever tests what a crash leaves behind names the step at which we die.
fn arm_crash(environment: &Environment) -> Result<(), Failure> {
    let Some(step) = &environment.crash_at else { return Ok(()) };
    crate::crash::arm(step)
        .map_err(|why| Failure::usage(format!("ROTA_CRASH_AT={step:?} cannot be armed: {why}")))
}

/// The daemon gets a thread for every core; a command two, so that starting is quick; the bridge
/// none but its own, so that a message does not change threads on its way.
fn in_runtime(command: &Command, session: &Session<'_>) -> Result<u8, Failure> {
    let mut builder = match command {
        Command::Bridge(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if !matches!(command, Command::Serve { .. } | Command::Demo { serve: true }) {
        builder.worker_threads(2);
    }
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::internal("cannot start threads").because(&error))?;
    let code = runtime.block_on(session.perform(command));
    runtime.shutdown_timeout(END_TIME);
    Ok(code)
}
