//! What is counted and measured, kept until somebody reads it.

use crate::daemon::Daemon;
use crate::instruments::{self, Kind};
use crate::mcp::http::Written;
use crate::mcp::instruments as of_mcp;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often measurements become sums, whether or not somebody reads them: else they would pile up.
const SUM_UP: Duration = Duration::from_secs(5);

/// Begins to count, and sums up on the tracker until `stop`; how all of it is written down.
pub(super) fn written(
    daemon: &Arc<Daemon>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> Written {
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
    let daemon = Arc::clone(daemon);
    Arc::new(move || {
        let (daemon, kept) = (Arc::clone(&daemon), kept.clone());
        Box::pin(async move {
            daemon.measure().await;
            kept.as_ref().map(PrometheusHandle::render).unwrap_or_default()
        })
    })
}

fn recorder() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let name = |name: &str| Matcher::Full(name.to_owned());
    let mut builder = PrometheusBuilder::new()
        .set_buckets_for_metric(name(of_mcp::CALL_SECONDS), &of_mcp::CALL_SECONDS_BUCKETS)?;
    for instrument in instruments::ALL {
        if let Kind::Histogram(bounds) = instrument.kind {
            builder = builder.set_buckets_for_metric(name(instrument.name), bounds)?;
        }
    }
    let kept = builder.install_recorder()?;
    of_mcp::describe();
    instruments::describe();
    Ok(kept)
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` gives")]
fn not_counted(error: metrics_exporter_prometheus::BuildError) {
    tracing::warn!(error = &error as &dyn std::error::Error, "nothing is counted for /metrics");
}
