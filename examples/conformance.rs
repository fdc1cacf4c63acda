//! `rota` with the fixtures of the official MCP conformance suite beside its own tools, so that the
//! suite tries the guard, the sessions and the HTTP that everybody else meets. tests/peers/run builds
//! it with `--features conformance`; nothing else should.

use rota::app::App;
use std::process::ExitCode;

fn main() -> ExitCode {
    rota::mcp::fixtures::serve();
    ExitCode::from(rota::cli::run(std::env::args_os(), App::default))
}
