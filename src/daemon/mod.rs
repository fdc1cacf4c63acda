//! The daemon: one loop that decides, workers that carry out, a courier that tells.
//!
//! ```text
//!  alarm ─┐                       ┌─▶ worker ─▶ runner ─▶ tools ─▶ board
//!  timer ─┼─▶ Event ─▶ dispatcher ┼─▶ worker …
//!  people ┘      ▲        │       └─▶ ledger ─▶ outbox ─▶ courier ─▶ channels
//!                └────────┴── WorkDone
//! ```
//! `dispatcher` alone changes what is believed about runs and occurrences; everything that may
//! happen is an event. A `tick` looks, lets people win, accounts for every instant, plans, and starts
//! `worker`s. After a crash `recovery` sees to what was left behind. Whoever types a command gets
//! the same path by the `desk`.

mod accepted;
mod accounts;
mod again;
mod agent_work;
pub mod alarm;
mod announce;
mod answers;
mod applying;
mod around;
mod arrivals;
mod asked;
mod assistants;
mod attempt;
mod beliefs;
mod belongs;
mod books;
mod brief;
mod budget;
mod by_hand;
mod by_rota;
mod changes;
mod clarify;
mod coming;
mod commands;
pub mod condition;
pub mod control;
mod conversation;
mod cost;
mod courier;
mod daemons;
mod desk;
mod dispatcher;
mod earlier;
mod endings;
mod escalate;
mod event;
mod evidence;
mod fate;
mod findings;
mod fitted;
mod guards;
mod halt;
mod handoff;
mod hear;
mod house;
mod independence;
pub mod journal;
mod lease;
mod letters;
mod linked;
mod look;
mod manners;
mod marker;
mod measured;
mod merging;
mod parts;
mod presence;
mod progress;
mod proposals;
mod questions;
mod queue;
mod receipt;
mod recovery;
mod reload;
mod report;
mod reviews;
mod rework;
mod rooms;
mod rubric;
mod seams;
mod settle;
mod sharing;
pub mod signals;
mod silence;
mod staging;
mod stops;
mod taken;
mod takeover;
mod telling;
mod tick;
mod time_spent;
mod transcript;
mod unclaimed;
mod undo;
mod unwritten;
mod upkeep;
mod waits;
mod wake;
mod warnings;
mod why;
mod worker;

pub use accounts::Accounts;
pub use alarm::AlarmError;
pub use arrivals::Received;
pub use journal::RunJournal;
pub use parts::{Parts, Settings, Words};

use crate::domain::{DaemonId, Timestamp, Value};
use crate::ledger::LedgerError;
use alarm::Alarm;
use beliefs::Beliefs;
use courier::Courier;
use dispatcher::Dispatcher;
use event::Event;
use presence::Presence;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many events wait to be handled.
const EVENTS_MAX: usize = 1_024;
/// Who is told to stop at once has this long to hand back.
const STOP_MAX: Duration = Duration::from_secs(20);

/// What wakes the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Alarm, timer, files and board: `rota serve`.
    ByItself,
    /// Only [`Daemon::tick`], but clock and board count: the demo and tests drive the time.
    ByTicks,
    /// Only what is asked for; clock and board wake nothing: `rota run-once` without a daemon.
    ByHand,
    /// The same, and what a life before left behind is left alone: commands that only look, and
    /// rehearsals.
    ToLook,
}

/// A daemon that runs.
#[derive(Debug)]
pub struct Daemon {
    pub(in crate::daemon) parts: Arc<Parts>,
    pub(in crate::daemon) events: mpsc::Sender<Event>,
    pub(in crate::daemon) since: Timestamp,
    pub(in crate::daemon) scheduling: bool,
    dispatching: TaskTracker,
    around: TaskTracker,
    courier: TaskTracker,
    pub(in crate::daemon) post: Arc<Courier>,
    asked: Arc<waits::Asked>,
    /// That it is there, where it shares the store.
    presence: Option<Arc<Presence>>,
    stop: CancellationToken,
    stop_courier: CancellationToken,
}

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Local state could not be read or written.
    #[error("local state could not be taken over")]
    Ledger(#[from] LedgerError),
    /// The alarm clock does not run.
    #[error("the alarm clock does not run")]
    Alarm(#[from] AlarmError),
    /// Another daemon of its name shares the store.
    #[error(
        "a daemon {daemon} is at work on this store already (version {version}, since {since})"
    )]
    SameName {
        /// The name.
        daemon: DaemonId,
        /// Since when the other one is there.
        since: String,
        /// The version of its program.
        version: String,
    },
}

impl Daemon {
    /// Takes over what the life before left behind, and begins.
    ///
    /// # Errors
    /// When local state cannot be read, another daemon of its name shares it, or the alarm clock does not
    /// run.
    pub async fn start(parts: Parts, wake: Wake) -> Result<Arc<Self>, StartError> {
        let parts = Arc::new(parts);
        let (events, inbox) = mpsc::channel(EVENTS_MAX);
        let outbox = Arc::new(Notify::new());
        let (ring, rings) = mpsc::channel(EVENTS_MAX);
        let alarm = match wake {
            Wake::ByItself => Some(Alarm::new(Arc::clone(&parts.clock), ring).await?),
            Wake::ByTicks | Wake::ByHand | Wake::ToLook => None,
        };
        let scheduling = matches!(wake, Wake::ByItself | Wake::ByTicks);
        let presence = match wake {
            Wake::ToLook => None,
            _ if !parts.ledger.is_shared() => None,
            _ => Some(Presence::begin(&parts).await?),
        };
        let (around, stop) = (TaskTracker::new(), CancellationToken::new());
        // Where this does not begin after all, it does not go on saying that it is there.
        let ends = stop.clone().drop_guard();
        if let Some(presence) = presence.clone().filter(|_| wake != Wake::ByTicks) {
            // To take over what the life before left may take longer than a lease.
            around.spawn(stop.run_until_cancelled_owned(presence.keep()));
        }
        let mut dispatcher = Dispatcher {
            parts: Arc::clone(&parts),
            beliefs: Beliefs::default(),
            alarm,
            scheduling,
            workers: TaskTracker::new(),
            events: events.downgrade(),
            outbox: Arc::clone(&outbox),
            presence: presence.clone(),
        };
        if scheduling {
            reload::log_first(&parts);
        }
        if wake != Wake::ToLook {
            Box::pin(dispatcher.recover_all()).await?;
            // What recovery has brought to its end is settled now: a drain may come before any tick.
            dispatcher.settle_ended().await;
        }
        if let Some(alarm) = &dispatcher.alarm {
            alarm.start().await?;
        }
        let daemon = Arc::new(Self {
            since: parts.clock.wall(),
            parts: Arc::clone(&parts),
            events,
            scheduling,
            dispatching: TaskTracker::new(),
            around,
            courier: TaskTracker::new(),
            post: Arc::new(Courier::new(Arc::clone(&parts))),
            asked: Arc::default(),
            presence,
            stop: ends.disarm(),
            stop_courier: CancellationToken::new(),
        });
        daemon.dispatching.spawn(dispatcher.run(inbox));
        let post = Arc::clone(&daemon.post);
        daemon.courier.spawn(post.run(Arc::clone(&outbox), daemon.stop_courier.clone()));
        if wake == Wake::ByItself {
            daemon.surround(rings, outbox);
        }
        Ok(daemon)
    }

    /// Looks at everything now; returns when what is due has been started.
    pub async fn tick(&self) {
        let (done, ticked) = oneshot::channel();
        if self.events.send(Event::Tick(Some(done))).await.is_ok() {
            let _ = ticked.await;
        }
    }

    /// Returns when everything that happened before has been handled; never, while that hangs.
    pub async fn is_alive(&self) {
        let (reply, alive) = oneshot::channel();
        if self.events.send(Event::Alive(reply)).await.is_ok() {
            let _ = alive.await;
        }
    }

    /// Returns when nothing runs and nothing waits to run.
    pub async fn idle(&self) {
        let (reply, idle) = oneshot::channel();
        if self.events.send(Event::WhenIdle(reply)).await.is_ok() {
            let _ = idle.await;
        }
    }

    /// What happens, as it happens; whoever listens too slowly misses lines.
    pub fn progress(&self) -> tokio::sync::broadcast::Receiver<control::Progress> {
        self.parts.progress.subscribe()
    }

    /// Tells the instruments how things stand.
    pub async fn measure(&self) {
        measured::measure(&self.parts).await;
    }

    /// The time by the clock that everything here goes by.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.wall()
    }

    /// Whether a run is under way, here or in another life.
    pub async fn is_running(&self, run: &str) -> bool {
        let found = self.parts.ledger.run(run).await.ok().flatten();
        found.is_some_and(|run| run.state == crate::domain::RunState::Running)
    }

    /// The task that a run is about.
    pub async fn task_of(&self, run: &crate::domain::RunId) -> Option<crate::domain::TaskId> {
        self.parts.ledger.run(run.as_str()).await.ok().flatten().and_then(|run| run.task)
    }

    /// When the next playbook wakes by the clock, jitter included.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let now = self.parts.clock.wall();
        let next = self.parts.playbooks().into_iter().filter_map(|playbook| {
            let table = crate::schedule::Timetable::new(&playbook.on, &playbook.name).ok()??;
            let planned = table.after(table.due_until(now))?;
            Some(table.start_of(planned))
        });
        next.min()
    }

    /// Writes the export that a damaged store is restored from, if anything changed since the last.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn export(&self) -> Result<(), crate::ledger::export::ExportError> {
        upkeep::export(&self.parts).await
    }

    /// Local state was restored: whoever is told of failures is told of it.
    pub async fn tell_of_restore(&self, restored: &crate::ledger::export::Restored) {
        let notices = warnings::of_restore(&self.parts, restored);
        if let Err(error) = self.parts.ledger.enqueue(notices).await {
            tracing::error!(%error, "the notice of the restored state could not be stored");
        }
    }

    /// Carries out what people told agents in comments, as far as it was heard.
    pub async fn obey(&self) {
        commands::obey(&self.parts).await;
    }

    /// Tells of playbooks that take nothing any more.
    pub async fn tell_of_silence(&self) {
        silence::look(&self.parts).await;
    }

    /// Tells others of what waits too long for a person.
    pub async fn escalate(&self) {
        escalate::look(&self.parts).await;
    }

    /// Looks once what waits for a person, and stores what they are to be told of it.
    pub async fn ask_people(&self) {
        self.asked.look(&self.parts).await;
    }

    /// Looks once whether authors have pushed what reviewers asked for.
    pub async fn look_for_pushes(&self) {
        answers::Pushes::default().look(&self.parts).await;
    }

    /// Takes what is in the outbox to its channels; true when all of it arrived.
    pub async fn deliver(&self) -> bool {
        self.post.deliver_due().await
    }

    /// Reads playbooks and templates again; what changed.
    pub async fn reload(&self) -> Value {
        let (reply, changes) = oneshot::channel();
        if self.events.send(Event::Reload(Some(reply))).await.is_err() {
            return Value::Null;
        }
        changes.await.unwrap_or_default()
    }

    /// Starts nothing more, waits for what runs (at most `settings.drain`, then stops it), tells what
    /// is to be told, and ends.
    pub async fn drain(&self) {
        if !self.ends_after(Event::Drain, self.parts.settings.drain).await {
            tracing::warn!("the drain takes too long: what still runs is stopped");
            self.stop_now().await;
        }
        if tokio::time::timeout(STOP_MAX, self.close()).await.is_err() {
            tracing::error!("what is told could not be finished in time");
        }
    }

    /// Stops what runs, now; [`Daemon::drain`] then comes to its end. What does not stop in time (a
    /// board that never answers) is left behind: the next start sees to it.
    pub async fn stop_now(&self) {
        if !self.ends_after(Event::StopNow, STOP_MAX).await {
            tracing::error!("what still runs did not stop in time; the next start sees to it");
        }
    }

    /// Tells the dispatcher; whether it ended within this time.
    async fn ends_after(&self, event: Event, within: Duration) -> bool {
        let told = async {
            let _ = self.events.send(event).await;
            self.ended().await;
        };
        tokio::time::timeout(within, told).await.is_ok()
    }

    /// Returns when the dispatcher is gone: after a drain, or because it broke off.
    pub async fn gone(&self) {
        self.events.closed().await;
    }

    /// Returns when local state is of no use any more until it is opened again; says why.
    pub async fn lost_its_state(&self) -> String {
        self.parts.ledger.closed().await
    }

    /// Ends without local state: what runs is stopped, and nothing is waited for that could not be
    /// written down. Claims end with their lease; the next start sees to them.
    pub async fn abandon(&self) {
        self.stop_now().await;
        if tokio::time::timeout(STOP_MAX, self.close()).await.is_err() {
            tracing::error!("what is told could not be finished in time");
        }
    }

    async fn ended(&self) {
        self.dispatching.close();
        self.dispatching.wait().await;
    }

    async fn close(&self) {
        self.stop.cancel();
        self.around.close();
        self.around.wait().await;
        self.stop_courier.cancel();
        self.courier.close();
        self.courier.wait().await;
        if let Some(presence) = &self.presence {
            presence.end().await;
        }
    }
}
