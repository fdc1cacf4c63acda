//! What is around the loop that decides: what turns time, alarms, files and the commits of other daemons
//! into events, and all that looks again and again by itself.

use super::alarm::Woken;
use super::event::Event;
use super::{Daemon, answers, commands, escalate, silence, upkeep, waits};
use crate::playbook::watch::Watch;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// How often folders are looked at even when nothing was reported.
const RECHECK: Duration = Duration::from_secs(30);
/// Others commit several things after one another: they are looked at together.
const GATHER: Duration = Duration::from_millis(50);
/// After a look at what others did it is not looked again for so long.
const REST: Duration = Duration::from_millis(500);

impl Daemon {
    /// What turns time, alarms, files and others' commits into events.
    pub(super) fn surround(&self, rings: mpsc::Receiver<Woken>, outbox: Arc<Notify>) {
        let until = |work| {
            let stop = self.stop.clone();
            async move {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = work => {}
                }
            }
        };
        self.around.spawn(until(Box::pin(forward(rings, self.events.clone())) as Boxed));
        self.around.spawn(until(Box::pin(beat(self.parts.settings.tick, self.events.clone()))));
        if let Some(changes) = self.parts.ledger.changes() {
            let events = self.events.clone();
            self.around.spawn(until(Box::pin(listen(changes, events, outbox))));
        }
        self.around.spawn(until(Box::pin(upkeep::keep(Arc::clone(&self.parts)))));
        self.around.spawn(until(Box::pin(answers::keep(Arc::clone(&self.parts)))));
        self.around.spawn(until(Box::pin(commands::keep(Arc::clone(&self.parts)))));
        self.around.spawn(until(Box::pin(escalate::keep(Arc::clone(&self.parts)))));
        self.around.spawn(until(Box::pin(silence::keep(Arc::clone(&self.parts)))));
        let asked = Arc::clone(&self.asked);
        self.around.spawn(until(Box::pin(waits::keep(Arc::clone(&self.parts), asked))));
        let folders = [
            self.parts.library.lock().unwrap_or_else(PoisonError::into_inner).folder().to_owned(),
            self.parts.settings.templates.clone(),
        ];
        match Watch::new(&folders, RECHECK) {
            Ok(watch) => {
                self.around.spawn(until(Box::pin(reread(watch, self.events.clone()))));
            }
            Err(error) => {
                tracing::warn!(%error, "playbooks are only read again on SIGHUP");
            }
        }
    }
}

type Boxed = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn forward(mut rings: mpsc::Receiver<Woken>, events: mpsc::Sender<Event>) {
    while let Some(woken) = rings.recv().await {
        if events.send(Event::Woken(woken)).await.is_err() {
            return;
        }
    }
}

async fn beat(every: Duration, events: mpsc::Sender<Event>) {
    let mut timer = upkeep::timer(every);
    loop {
        timer.tick().await;
        let (done, looked) = oneshot::channel();
        match events.try_send(Event::Tick(Some(done))) {
            // Over a slow board a look may take longer than this: others behind it would be no use,
            // and all else that happens would wait behind them.
            Ok(()) => {
                let _ = looked.await;
                timer.reset();
            }
            Err(mpsc::error::TrySendError::Full(_)) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => return,
        }
    }
}

async fn reread(mut watch: Watch, events: mpsc::Sender<Event>) {
    loop {
        watch.changed().await;
        if events.send(Event::Reload(None)).await.is_err() {
            return;
        }
    }
}

/// Looks when another daemon has committed something. Where that is not heard of, the next tick looks.
async fn listen(
    mut changes: watch::Receiver<u64>,
    events: mpsc::Sender<Event>,
    outbox: Arc<Notify>,
) {
    while changes.changed().await.is_ok() {
        tokio::time::sleep(GATHER).await;
        changes.borrow_and_update();
        outbox.notify_one();
        let (done, looked) = oneshot::channel();
        match events.try_send(Event::Heard(done)) {
            Ok(()) => {
                let _ = looked.await;
            }
            Err(mpsc::error::TrySendError::Full(_)) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => return,
        }
        tokio::time::sleep(REST).await;
    }
}
