//! `rota serve`: the daemon with its control socket, until the system wants it to end.

use super::http::Http;
use super::{failures, open};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{Place, Ready};
use crate::daemon::control::ControlLimits;
use crate::daemon::control::server::ControlServer;
use crate::daemon::control::turn::{self, Said};
use crate::daemon::signals::Signal;
use crate::daemon::{Daemon, Wake};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long clients are waited for at the end.
const CLOSE_TIME: Duration = Duration::from_secs(30);
/// How long we wait for another process that has the state folder.
const TURN_TIME: Duration = Duration::from_secs(5);
/// Between two tries: much less than a pipe that was asked for the folder stays away from it.
const TURN_RETRY: Duration = Duration::from_millis(25);

pub(super) async fn serve(
    place: &Place,
    mut signals: mpsc::Receiver<Signal>,
    ready: oneshot::Sender<Ready>,
) -> Result<(), Failure> {
    crate::runner::process::adopt_orphans();
    let Some(opened) = open_in_turn(place, &mut signals).await? else { return Ok(()) };
    tell_of_faults(&opened);
    let (state, name) = (place.state.clone(), opened.parts.settings.daemon.clone());
    let restored = opened.restored.clone();
    let http = Http::bind(&opened).await?;
    opened.parts.ledger.count();
    let front = Arc::new(opened.start_front(Wake::ByItself).await?);
    let daemon = Arc::clone(&front.daemon);
    if let Some(restored) = &restored {
        daemon.tell_of_restore(restored).await;
    }
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let server = ControlServer::bind(&state, name.as_str(), ControlLimits::default())
        .await
        .map_err(|error| {
            Failure::new(FailureKind::State, "the control socket cannot be opened").because(&error)
        })?;
    let socket = server.path();
    server.spawn(front, stop.clone(), &tracker);
    let draining = CancellationToken::new();
    let addr = Some(http.spawn(&daemon, &draining, &stop, &tracker));
    let _ = ready.send(Ready { socket, addr });
    tracing::info!(daemon = %name, state = %state.display(), "ready");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracker.spawn(until_stopped(stop.clone(), watched(Arc::clone(&daemon))));
    let broken = until_asked(&daemon, &mut signals).await;
    draining.cancel();
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    let is_lost = broken.as_ref().is_some_and(|failure| failure.kind == FailureKind::State);
    drain(&daemon, &mut signals, is_lost).await;
    stop.cancel();
    tracker.close();
    if tokio::time::timeout(CLOSE_TIME, tracker.wait()).await.is_err() {
        tracing::warn!("some clients were not waited for");
    }
    let exported = daemon.export().await;
    match (broken, exported) {
        (Some(broken), Ok(())) => Err(broken),
        (Some(broken), Err(error)) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "local state could not be exported"
            );
            Err(broken)
        }
        (None, exported) => exported.map_err(|error| failures::not_exported(&error)),
    }
}

/// Opens the house, waiting for a while for another command or a pipe that has it; `None` when the
/// system wants us to end meanwhile. A daemon is not waited for: it keeps the folder.
async fn open_in_turn(
    place: &Place,
    signals: &mut mpsc::Receiver<Signal>,
) -> Result<Option<open::Opened>, Failure> {
    let deadline = tokio::time::Instant::now() + TURN_TIME;
    let mut told = false;
    loop {
        let failure = match open::house(place, open::Speak::Aloud, Wake::ByItself).await {
            Err(failure) if failure.kind == FailureKind::Locked => failure,
            opened => return opened.map(Some),
        };
        let said = turn::ask_to_let_go(&place.state).await;
        if said == Said::Keeps || tokio::time::Instant::now() >= deadline {
            return Err(failure);
        }
        if !told {
            tracing::info!(holder = %failure, "waiting for the state folder");
            told = true;
        }
        tokio::select! {
            () = tokio::time::sleep(TURN_RETRY) => {}
            signal = signals.recv() => match signal {
                Some(Signal::Reload) => {}
                Some(Signal::Drain | Signal::StopNow) | None => return Ok(None),
            }
        }
    }
}

/// Until the system wants it to end; or why it cannot go on. Better an end that whoever started us
/// sees than a daemon that decides nothing.
async fn until_asked(daemon: &Daemon, signals: &mut mpsc::Receiver<Signal>) -> Option<Failure> {
    loop {
        let signal = tokio::select! {
            signal = signals.recv() => signal,
            () = daemon.gone() => {
                let message = "the dispatcher broke off: a fault of the program, see its log";
                return Some(Failure::new(FailureKind::Internal, message));
            }
            why = daemon.lost_its_state() => {
                tracing::error!(%why, "local state failed: the daemon ends");
                return Some(failures::state_lost(why));
            }
        };
        match signal {
            Some(Signal::Reload) => {
                daemon.reload().await;
            }
            Some(Signal::Drain) => return None,
            Some(Signal::StopNow) | None => {
                daemon.stop_now().await;
                return None;
            }
        }
    }
}

/// Tells the service manager again and again that events are handled, where it wants to know: it starts
/// anew what says nothing for as long as its unit allows.
async fn watched(daemon: Arc<Daemon>) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    let mut timer = tokio::time::interval(period / 3);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        daemon.is_alive().await;
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
    }
}

async fn until_stopped(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// What runs comes to an end, at once if the system asks again, or if nothing can be written down.
async fn drain(daemon: &Daemon, signals: &mut mpsc::Receiver<Signal>, is_lost: bool) {
    let ending = async { if is_lost { daemon.abandon().await } else { daemon.drain().await } };
    tokio::pin!(ending);
    loop {
        tokio::select! {
            () = &mut ending => return,
            Some(signal) = signals.recv() => {
                if signal == Signal::StopNow {
                    daemon.stop_now().await;
                }
            }
        }
    }
}

/// What somebody who starts a daemon should know: it runs all the same.
fn tell_of_faults(opened: &open::Opened) {
    if opened.config.path.is_none() {
        tracing::warn!("there is no rota.toml: everything is as built in");
    }
    for warning in &opened.config.warnings {
        tracing::warn!("{warning}");
    }
    let library = opened.parts.library.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for fault in library.faults() {
        tracing::warn!("{fault}");
    }
}
