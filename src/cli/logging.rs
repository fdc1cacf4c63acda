//! The log: lines on standard error, as much as was asked for.

use crate::app::failure::Failure;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

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

/// Where log lines go, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner<'a> {
    /// How they are written.
    pub format: LogFormat,
    /// Whether in colour.
    pub colour: bool,
    /// By which protocol a collector is to be told, where the environment names one.
    pub collector: Option<&'a str>,
}

/// The log, until it goes.
#[derive(Debug, Default)]
#[must_use = "a collector is told the last lines when it goes"]
pub struct Log {
    #[cfg(feature = "otlp")]
    _telemetry: Option<super::telemetry::Telemetry>,
}

/// Begins to log. `filter` (`ROTA_LOG`) takes the place of what `verbosity` means.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(filter: Option<&str>, verbosity: Verbosity, manner: Manner) -> Result<Log, Failure> {
    let text = filter.unwrap_or_else(|| verbosity.filter());
    let filter = EnvFilter::try_new(text).map_err(|error| {
        Failure::usage(format!("ROTA_LOG={text:?} cannot be read"))
            .because(&error)
            .hint("write a level or a list such as ROTA_LOG=warn,rota=debug")
    })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(manner.colour)
        .with_span_events(FmtSpan::NONE);
    let lines = match manner.format {
        LogFormat::Text => lines.with_filter(filter.and(filter_fn(is_shown))).boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_filter(filter.and(filter_fn(is_shown))).boxed()
        }
    };
    let (layers, log, untold) = told(lines, manner.collector);
    // A second start in one process (tests) keeps the first log.
    drop(tracing_subscriber::registry().with(layers).try_init());
    if let Some(why) = untold.filter(|_| verbosity.daemon) {
        tracing::warn!(why, "the collector that OTEL_EXPORTER_OTLP_* names is told nothing");
    }
    Ok(log)
}

type Lines = Box<dyn Layer<Registry> + Send + Sync>;

/// Who hears of what happens, and why a collector that was named does not.
#[cfg(feature = "otlp")]
fn told(lines: Lines, collector: Option<&str>) -> (Vec<Lines>, Log, Option<String>) {
    match collector.map(super::telemetry::Telemetry::begin) {
        None => (vec![lines], Log::default(), None),
        Some(Err(why)) => (vec![lines], Log::default(), Some(why)),
        Some(Ok(telemetry)) => {
            let layers = vec![lines, telemetry.layer().boxed()];
            (layers, Log { _telemetry: Some(telemetry) }, None)
        }
    }
}

/// Who hears of what happens: no collector does.
#[cfg(not(feature = "otlp"))]
fn told(lines: Lines, collector: Option<&str>) -> (Vec<Lines>, Log, Option<String>) {
    let why = collector.map(|_| "this program was built without the feature `otlp`".to_owned());
    (vec![lines], Log::default(), why)
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
