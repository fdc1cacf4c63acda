//! What is counted and measured, kept until somebody reads it.

use crate::mcp::http::Written;
use crate::mcp::instruments;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often measurements become sums, whether or not somebody reads them: else they would pile up.
const SUM_UP: Duration = Duration::from_secs(5);

/// Begins to count, and sums up on the tracker until `stop`; how all of it is written down.
pub(super) fn written(stop: &CancellationToken, tracker: &TaskTracker) -> Written {
    // There is one recorder in a process, whoever serves in it.
    static KEPT: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let kept = KEPT.get_or_init(|| recorder().map_err(not_counted).ok()).clone();
    if let Some(kept) = kept.clone() {
        let stop = stop.clone();
        tracker.spawn(async move {
            while tokio::time::timeout(SUM_UP, stop.cancelled()).await.is_err() {
                kept.run_upkeep();
            }
        });
    }
    Arc::new(move || kept.as_ref().map(PrometheusHandle::render).unwrap_or_default())
}

fn recorder() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let name = Matcher::Full(instruments::CALL_SECONDS.to_owned());
    let builder = PrometheusBuilder::new();
    let kept = builder
        .set_buckets_for_metric(name, &instruments::CALL_SECONDS_BUCKETS)?
        .install_recorder()?;
    instruments::describe();
    Ok(kept)
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` gives")]
fn not_counted(error: metrics_exporter_prometheus::BuildError) {
    tracing::warn!(error = &error as &dyn std::error::Error, "nothing is counted for /metrics");
}
