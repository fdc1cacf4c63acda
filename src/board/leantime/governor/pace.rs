//! When the next request may go out: the limit, the server's wish to be left alone, the breaker.

use super::Lane;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Failures in a row after which nothing is sent for a while.
const FAILURES_MAX: u32 = 4;
/// The first pause; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// What may go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    /// Everything down to this lane.
    Lanes(Lane),
    /// Nothing before then.
    Wait(Instant),
}

#[derive(Debug)]
pub(super) struct Pace {
    limit: u32,
    window: Duration,
    /// When requests went out, within the window.
    sent: VecDeque<Instant>,
    not_before: Option<Instant>,
    failures: u32,
    open_until: Option<Instant>,
}

impl Pace {
    pub(super) fn new(limit: u32, window: Duration) -> Self {
        let sent = VecDeque::new();
        // Requests may be counted a little later there than they were sent here.
        let window = window + window / 50;
        Self { limit: limit.max(1), window, sent, not_before: None, failures: 0, open_until: None }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// How long nothing is to be sent at all.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    /// Whether callers are to be turned away, and for how long.
    pub(super) fn is_broken(&self, now: Instant) -> Option<Duration> {
        self.open_until.filter(|until| now < *until).map(|until| until - now)
    }

    /// Whether the next request is a trial after a pause.
    pub(super) fn is_probing(&self, now: Instant) -> bool {
        self.open_until.is_some_and(|until| now >= until)
    }

    /// Of those who wait, the first is of this lane.
    pub(super) fn go(&mut self, first: Lane, now: Instant) -> Go {
        if let Some(at) = self.not_before.filter(|at| now < *at) {
            return Go::Wait(at);
        }
        while self.sent.front().is_some_and(|at| *at + self.window <= now) {
            self.sent.pop_front();
        }
        let used = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
        // A tenth is kept for claims, four tenths from those who look in the background.
        let allowed = match first {
            Lane::Claims => self.limit,
            Lane::People => (self.limit - self.limit.div_ceil(10)).max(1),
            Lane::Background => (self.limit * 6 / 10).max(1),
        };
        if used >= allowed {
            let over = usize::try_from(used - allowed).unwrap_or(0);
            return Go::Wait(self.sent.get(over).map_or(now, |at| *at + self.window));
        }
        // With half of the minute's requests gone, the rest is spread over it: what comes meanwhile
        // goes together.
        if let Some(last) =
            self.sent.back().filter(|_| first != Lane::Claims && used * 2 >= self.limit)
        {
            let at = *last + self.window / self.limit;
            if now < at {
                return Go::Wait(at);
            }
        }
        // A long look in the background is not to hold up a claim.
        Go::Lanes(if first == Lane::Claims { Lane::People } else { Lane::Background })
    }

    pub(super) fn sent(&mut self, now: Instant) {
        self.sent.push_back(now);
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.open_until = None;
    }

    /// The server asked to wait: its window begins anew then.
    pub(super) fn limited(&mut self, now: Instant, wait: Duration, limit: Option<u32>) {
        self.not_before = Some(now + wait);
        self.sent.clear();
        if let Some(limit) = limit {
            self.limit = self.limit.min(limit);
        }
        // It answers, so it is there.
        self.succeeded();
    }

    /// True if nothing is to be sent for a while.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        let Some(over) = self.failures.checked_sub(FAILURES_MAX) else { return false };
        let pause = PAUSE.saturating_mul(1 << over.min(8)).min(PAUSE_MAX);
        self.open_until = Some(now + pause);
        true
    }
}
