//! The bridge by itself. Hosts start one for each of their windows and leave it there all day, so it has a
//! way past what other commands need: the tree of all of them, and the house.

use super::args::MannerArgs;
use super::args::bridge::BridgeArgs;
use super::commands::bridge;
use super::environment::Environment;
use super::logging::{self, Verbosity};
use super::{END_TIME, arm_crash, caught, output};
use crate::app::failure::Failure;
use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;

/// Carries MCP between standard input and output and a server that speaks it over HTTP
///
/// For clients that know pipes only; it takes the options and variables of Leantime's Node bridge.
#[derive(Debug, Parser)]
#[command(
    name = "leantime-mcp",
    version,
    after_help = "Examples:\n  leantime-mcp http://127.0.0.1:3001/mcp --token-file token\n  \
                  leantime-mcp https://board.example.com/mcp --auth-method X-API-Key --ca ca.pem\n\n\
                  It is `rota bridge` in a program of its own."
)]
pub struct Alone {
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(flatten)]
    manner: MannerArgs,
    /// Taken and not used: nothing is configured and nothing kept
    #[arg(long, hide = true)]
    config: Option<PathBuf>,
    /// Taken and not used, like that one
    #[arg(long, hide = true)]
    state: Option<PathBuf>,
}

impl Alone {
    /// Reads `rota bridge …`; `None` where that is not what was typed, or not all of it is understood
    /// here.
    pub(super) fn of(argv: &[OsString]) -> Option<Self> {
        let [name, word, rest @ ..] = argv else { return None };
        if word != "bridge" {
            return None;
        }
        Self::try_parse_from(std::iter::once(name).chain(rest)).ok()
    }

    /// Carries until one of the two ends goes; the exit code.
    pub(super) fn perform(self) -> u8 {
        caught(|| {
            let environment = Environment::of_this_process();
            let output = self.manner.output(&environment);
            let verbosity = self.manner.verbosity(false);
            self.carry(&environment, verbosity, output.colours_remarks()).unwrap_or_else(
                |failure| {
                    output.failure(&failure);
                    failure.kind.exit_code()
                },
            )
        })
    }

    fn carry(
        &self,
        environment: &Environment,
        verbosity: Verbosity,
        colour: bool,
    ) -> Result<u8, Failure> {
        let collector = environment.collector.as_deref();
        let manner = logging::Manner { colour, collector, ..logging::Manner::default() };
        // It tells until the bridge has ended.
        let _log = logging::start(environment.log.as_deref(), verbosity, manner)?;
        arm_crash(environment)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::internal("cannot start threads").because(&error))?;
        let done = runtime.block_on(bridge::carry(&self.bridge));
        runtime.shutdown_timeout(END_TIME);
        done
    }
}

/// The program `leantime-mcp`: reads what was typed, carries, and tells the exit code.
pub fn bridge(argv: impl IntoIterator<Item = OsString>) -> u8 {
    output::tell_of_panics();
    let argv: Vec<OsString> = argv.into_iter().collect();
    match Alone::try_parse_from(&argv) {
        Ok(alone) => alone.perform(),
        Err(error) => super::not_understood(&error, &argv),
    }
}
