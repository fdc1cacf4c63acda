//! The log: lines on standard error, as much as was asked for.

use crate::app::failure::Failure;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbosity {
    /// How often `-v` was typed.
    pub more: u8,
    /// Whether `-q` was typed.
    pub quiet: bool,
    /// Whether this is the daemon, which tells of its doings unasked.
    pub daemon: bool,
}

impl Verbosity {
    /// The filter that this means. Other people's crates stay quieter than the house.
    pub fn filter(self) -> &'static str {
        let level = i16::from(self.more) + i16::from(self.daemon) - i16::from(self.quiet) * 2;
        match level {
            // The MCP library warns of each error that a client is told, as if it were ours.
            ..=-1 => "error,rmcp::service=off",
            0 => "warn,rmcp::service=off",
            1 => "warn,rota=info,rmcp::service=off",
            2 => "info,rota=debug",
            _ => "debug,rota=trace",
        }
    }
}

/// Begins to log. `filter` (`ROTA_LOG`) takes the place of what `verbosity` means.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(
    filter: Option<&str>,
    verbosity: Verbosity,
    format: LogFormat,
    colour: bool,
) -> Result<(), Failure> {
    let text = filter.unwrap_or_else(|| verbosity.filter());
    let filter = EnvFilter::try_new(text).map_err(|error| {
        Failure::usage(format!("ROTA_LOG={text:?} cannot be read"))
            .because(&error)
            .hint("write a level or a list such as ROTA_LOG=warn,rota=debug")
    })?;
    let shown = filter_fn(is_shown);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_span_events(FmtSpan::NONE);
    let begun = match format {
        LogFormat::Text => lines.finish().with(shown).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().with(shown).try_init(),
    };
    // A second start in one process (tests) keeps the first log.
    drop(begun);
    Ok(())
}

/// Below `info` the MCP library logs whole messages, and some hold a secret that is told once.
fn is_shown(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("rmcp") || *metadata.level() <= Level::INFO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_says_more_than_a_command_and_quiet_says_least() {
        let filter = |more, quiet, daemon| Verbosity { more, quiet, daemon }.filter();
        assert_eq!(filter(0, false, false), "warn,rmcp::service=off");
        assert_eq!(filter(0, false, true), "warn,rota=info,rmcp::service=off");
        assert_eq!(filter(1, false, true), "info,rota=debug");
        assert_eq!(filter(0, true, true), "error,rmcp::service=off");
        assert_eq!(filter(9, false, false), "debug,rota=trace");
    }
}
