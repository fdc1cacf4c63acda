//! What is counted and measured on a test's own thread, as Prometheus reads it.

use metrics::LocalRecorderGuard;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use rota::instruments::{self, Kind};

/// Counts all that happens on this thread as long as it is there: for runtimes of one thread.
pub struct Counted {
    kept: PrometheusHandle,
    _here: LocalRecorderGuard<'static>,
}

impl Counted {
    /// From now on.
    pub fn begin() -> Self {
        let mut builder = PrometheusBuilder::new();
        for instrument in instruments::ALL {
            if let Kind::Histogram(bounds) = instrument.kind {
                let name = Matcher::Full(instrument.name.to_owned());
                builder = builder.set_buckets_for_metric(name, bounds).unwrap();
            }
        }
        // As long as the process, like the one of a daemon.
        let recorder = Box::leak(Box::new(builder.build_recorder()));
        let kept = recorder.handle();
        let here = metrics::set_default_local_recorder(recorder);
        instruments::describe();
        Self { kept, _here: here }
    }

    /// The sample of a series, which is written as it is told.
    #[track_caller]
    pub fn sample(&self, series: &str) -> f64 {
        let text = self.kept.render();
        let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let sample = found.unwrap_or_else(|| panic!("no {series} in:\n{text}"));
        sample.parse().unwrap_or_else(|error| panic!("{series} {sample}: {error}"))
    }

    /// The same, of a whole number.
    #[track_caller]
    pub fn count(&self, series: &str) -> u64 {
        let sample = self.sample(series);
        let text = sample.to_string();
        text.parse().unwrap_or_else(|error| panic!("{series} {text}: {error}"))
    }
}
