//! `rota`: see the library for the house, and `rota --help` for what it does.

use rota::app::App;
use std::process::ExitCode;

/// Arms a crash at a step: how tests prove that dying there loses nothing.
const CRASH_AT: &str = "ROTA_CRASH_AT";

fn main() -> ExitCode {
    if let Err(message) = armed() {
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("error: {CRASH_AT}: {message}\n"),
        );
        return ExitCode::from(2);
    }
    ExitCode::from(rota::cli::run(std::env::args_os(), App::default))
}

fn armed() -> Result<(), String> {
    match std::env::var_os(CRASH_AT) {
        Some(step) => rota::crash::arm(&step.to_string_lossy()),
        None => Ok(()),
    }
}
