//! Time that passes in steps, and only when nothing is on its way to the fake Leantime: an hour of a
//! daemon's life over real sockets takes seconds, and no request runs into its time limit.

use super::office::Office;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Rounds of the runtime in which nobody asks anything.
const QUIET: usize = 200;
const STEP: Duration = Duration::from_millis(500);

/// As long as it is there, time passes only when it is told to. For a runtime of one thread.
pub struct Stepped {
    _holds: Sender<()>,
}

impl Stepped {
    pub fn begin() -> Self {
        tokio::time::pause();
        let (holds, held) = channel::<()>();
        // The runtime lets its time pass by itself only when no such work is under way.
        tokio::task::spawn_blocking(move || {
            // Ends when the other end is dropped.
            let _ = held.recv();
        });
        Self { _holds: holds }
    }

    /// Returns when nothing more happens without time.
    pub async fn settle(&self, office: &Office) {
        let mut quiet = 0;
        let mut last = office.fake.requests();
        while quiet < QUIET {
            tokio::task::yield_now().await;
            let now = office.fake.requests();
            quiet = if now == last && now.0 == now.1 { quiet + 1 } else { 0 };
            last = now;
        }
    }

    /// Lets time pass until something is done.
    pub async fn until<T>(&self, office: &Office, done: impl Future<Output = T>) -> T {
        let hour = Duration::from_hours(1);
        tokio::select! {
            biased;
            done = done => done,
            () = self.pass(office, hour, async || false) => panic!("not within an hour"),
        }
    }

    /// Lets so much time pass, here and at the server, looking on after each step.
    pub async fn pass(&self, office: &Office, by: Duration, mut looks: impl AsyncFnMut() -> bool) {
        let mut passed = Duration::ZERO;
        while passed < by {
            self.settle(office).await;
            if looks().await {
                return;
            }
            tokio::time::advance(STEP).await;
            office.fake.advance(STEP);
            passed += STEP;
        }
        self.settle(office).await;
    }
}
