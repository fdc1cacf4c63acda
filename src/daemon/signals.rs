//! What the system tells the daemon: SIGTERM and SIGINT drain, a second one stops at once, SIGHUP
//! reloads.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many signals wait to be heard; more of the same say nothing new.
const WAITING_MAX: usize = 8;

/// A wish of the system or of whoever sits at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Start nothing more, let what runs come to an end, within bounds.
    Drain,
    /// End now.
    StopNow,
    /// Read playbooks and templates again.
    Reload,
}

/// Listens from now on; the task ends with `stop`. Must be called inside a runtime.
///
/// # Errors
/// When the system does not let us listen.
pub fn listen(
    tracker: &TaskTracker,
    stop: CancellationToken,
) -> std::io::Result<mpsc::Receiver<Signal>> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut hup = signal(SignalKind::hangup())?;
    let (tell, heard) = mpsc::channel(WAITING_MAX);
    tracker.spawn(async move {
        let mut meaning = Meaning::default();
        loop {
            let signal = tokio::select! {
                () = stop.cancelled() => return,
                _ = term.recv() => meaning.of_a_stop(),
                _ = int.recv() => meaning.of_a_stop(),
                _ = hup.recv() => Signal::Reload,
            };
            // Full means that the same wish already waits; closed, that nobody listens.
            if let Err(mpsc::error::TrySendError::Closed(_)) = tell.try_send(signal) {
                return;
            }
        }
    });
    Ok(heard)
}

/// What the next signal to stop means: the first is a request, those after it are not.
#[derive(Debug, Default)]
struct Meaning {
    asked: bool,
}

impl Meaning {
    fn of_a_stop(&mut self) -> Signal {
        if std::mem::replace(&mut self.asked, true) { Signal::StopNow } else { Signal::Drain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stop_drains_and_every_later_one_stops_at_once() {
        let mut meaning = Meaning::default();
        assert_eq!(meaning.of_a_stop(), Signal::Drain);
        assert_eq!(meaning.of_a_stop(), Signal::StopNow);
        assert_eq!(meaning.of_a_stop(), Signal::StopNow);
    }
}
