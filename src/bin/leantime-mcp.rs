//! `leantime-mcp`: `rota bridge` by itself, under the name of the Node bridge whose place it takes.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(rota::cli::bridge(std::env::args_os()))
}
