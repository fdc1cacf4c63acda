//! The trust window: while it is open, a worker may believe its own lease; outside it the worker
//! stops, whatever the store says.

use crate::domain::millis;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// From when an acquire or renew was *started* until its lease's end minus the margin, on the
/// boot-time clock. Clones share one window.
#[derive(Clone, Debug)]
pub struct TrustWindow {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    until_ms: AtomicU64,
    lost: AtomicBool,
}

impl TrustWindow {
    /// Open until `lease - margin` after `started` (the boot-time clock before the first byte was
    /// sent to the store).
    pub fn new(started: Duration, lease: Duration, margin: Duration) -> Self {
        let until_ms = AtomicU64::new(Self::end(started, lease, margin));
        Self { shared: Arc::new(Shared { until_ms, lost: AtomicBool::new(false) }) }
    }

    /// Whether the lease may be believed at this instant of the boot-time clock.
    pub fn is_open(&self, boot: Duration) -> bool {
        !self.is_lost() && millis(boot) < self.shared.until_ms.load(Ordering::Acquire)
    }

    /// When it closes by itself, on the boot-time clock.
    pub fn closes(&self) -> Duration {
        Duration::from_millis(self.shared.until_ms.load(Ordering::Acquire))
    }

    /// Whether it was closed for good.
    pub fn is_lost(&self) -> bool {
        self.shared.lost.load(Ordering::Acquire)
    }

    /// Closes it for good, for every clone; a later renewal does not open it.
    pub fn lose(&self) {
        self.shared.lost.store(true, Ordering::Release);
    }

    /// A renewal that was started then gave this much lease.
    pub fn extend(&self, started: Duration, lease: Duration, margin: Duration) {
        // An answer that comes late never shortens what a later renewal has given.
        self.shared.until_ms.fetch_max(Self::end(started, lease, margin), Ordering::AcqRel);
    }

    fn end(started: Duration, lease: Duration, margin: Duration) -> u64 {
        millis(started).saturating_add(millis(lease)).saturating_sub(millis(margin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn it_closes_a_margin_before_the_lease_ends() {
        let window = TrustWindow::new(S(100), S(60), S(5));
        assert!(window.is_open(S(100)) && window.is_open(Duration::from_millis(154_999)));
        assert!(!window.is_open(S(155)));
    }

    #[test]
    fn once_lost_no_renewal_opens_it_in_any_clone() {
        let window = TrustWindow::new(S(100), S(60), S(5));
        let other = window.clone();
        other.lose();
        window.extend(S(120), S(60), S(5));
        assert!(!window.is_open(S(121)) && !other.is_open(S(121)));
    }

    #[test]
    fn a_lease_shorter_than_the_margin_opens_no_window() {
        assert!(!TrustWindow::new(S(100), S(4), S(5)).is_open(S(100)));
    }
}
