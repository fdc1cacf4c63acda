//! `rota serve`: the daemon with its control socket, until the system wants it to end.

use super::http::Http;
use super::{failures, open};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{Place, Ready};
use crate::daemon::control::ControlLimits;
use crate::daemon::control::server::ControlServer;
use crate::daemon::signals::Signal;
use crate::daemon::{Daemon, Wake};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) async fn serve(
    place: &Place,
    mut signals: mpsc::Receiver<Signal>,
    ready: oneshot::Sender<Ready>,
) -> Result<(), Failure> {
    crate::runner::process::adopt_orphans();
    let opened = open::house(place, open::Speak::Aloud).await?;
    tell_of_faults(&opened);
    let (state, name) = (place.state.clone(), opened.parts.settings.daemon.clone());
    let restored = opened.restored.clone();
    let http = Http::bind(&opened).await?;
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
    let addr = http.map(|http| http.spawn(&daemon, &stop, &tracker));
    let _ = ready.send(Ready { socket, addr });
    tracing::info!(daemon = %name, state = %state.display(), "ready");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let mut broken = false;
    loop {
        let signal = tokio::select! {
            signal = signals.recv() => signal,
            // Better an end that whoever started us sees than a daemon that decides nothing.
            () = daemon.gone() => {
                broken = true;
                break;
            }
        };
        match signal {
            Some(Signal::Reload) => {
                daemon.reload().await;
            }
            Some(Signal::Drain) => break,
            Some(Signal::StopNow) | None => {
                daemon.stop_now().await;
                break;
            }
        }
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    drain(&daemon, &mut signals).await;
    stop.cancel();
    tracker.close();
    tracker.wait().await;
    daemon.export().await.map_err(|error| failures::not_exported(&error))?;
    if broken {
        let message = "the dispatcher broke off: a fault of the program, see its log";
        return Err(Failure::new(FailureKind::Internal, message));
    }
    Ok(())
}

/// What runs comes to an end, at once if the system asks again.
async fn drain(daemon: &Daemon, signals: &mut mpsc::Receiver<Signal>) {
    let draining = daemon.drain();
    tokio::pin!(draining);
    loop {
        tokio::select! {
            () = &mut draining => return,
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
