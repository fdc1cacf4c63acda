//! `rota`: see the library for the house, and `rota --help` for what it does.

use rota::app::App;
use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(rota::cli::run(std::env::args_os(), App::default))
}
