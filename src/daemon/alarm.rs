//! The alarm clock: wakes named entries at instants that others decide.
//!
//! tokio-cron-scheduler is the engine, and this is the only file that knows it. It decides nothing
//! here: *when* is asked of our own metadata storage (`Entries`), which hands out each instant once and
//! does so synchronously, because the engine itself writes the next tick from a spawned task and fires
//! twice under load. The engine's own cron patterns, offsets and repeated jobs are not used (fixed UTC
//! offsets, dead after a clock jump).
//!
//! An entry that fired is silent until it is [`Alarm::set`] again. What fired and was not delivered (the
//! engine's broadcast channel drops messages when it lags) is handed out again.

use crate::clock::Clock;
use crate::domain::Timestamp;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_cron_scheduler::job::job_data::{JobAndNextTick, JobStoredData};
use tokio_cron_scheduler::store::{DataStore, InitStore};
use tokio_cron_scheduler::{
    Job, JobScheduler, JobSchedulerError, MetaDataStorage, SimpleJobCode, SimpleMetadataStore,
    SimpleNotificationCode, SimpleNotificationStore,
};
use uuid::Uuid;

/// The engine's channels.
const CHANNEL_SIZE: usize = 4096;

/// At most so many entries are handed to the engine at once; the others come half a second later.
const DUE_MAX: usize = 1_000;

/// What was handed out and not delivered after this time is handed out again.
const REDELIVER_AFTER: Duration = Duration::from_secs(5);

/// A pattern of which the engine never thinks that it is due; ours are the instants that count.
const NEVER: &str = "0 0 0 1 1 *";

/// The clocks disagree by more than this: the wall clock was set, or the machine slept.
const JUMP_MIN: TimeDelta = TimeDelta::seconds(2);

/// Between two looks at the clocks, more than this passed on both: nobody looked, the machine slept.
const PAUSE_MIN: Duration = Duration::from_secs(30);

/// The alarm rang.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Woken {
    /// For one entry.
    Entry {
        /// Its name.
        name: String,
        /// The instant it was set to.
        at: Timestamp,
    },
    /// For all: the clocks jumped, everything is to be considered again.
    Jumped(Jump),
}

/// Why the alarm does not work.
#[derive(Debug, thiserror::Error)]
#[error("the alarm clock: {what}")]
pub struct AlarmError {
    what: &'static str,
    #[source]
    source: JobSchedulerError,
}

/// The alarm clock of one daemon.
pub struct Alarm {
    scheduler: JobScheduler,
    entries: Entries,
    sender: mpsc::Sender<Woken>,
    /// One adder at a time: the engine loses additions otherwise.
    adding: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm")
            .field("entries", &self.entries.lock().by_name.len())
            .finish_non_exhaustive()
    }
}

impl Alarm {
    /// An alarm clock that goes by `clock` and rings into `sender`. It does not run yet.
    ///
    /// # Errors
    /// When the engine cannot be set up.
    pub async fn new(
        clock: Arc<dyn Clock>,
        sender: mpsc::Sender<Woken>,
    ) -> Result<Self, AlarmError> {
        let entries = Entries::new(clock);
        let storage = Storage { inner: SimpleMetadataStore::default(), entries: entries.clone() };
        let scheduler = JobScheduler::new_with_storage_and_code(
            Box::new(storage),
            Box::new(SimpleNotificationStore::default()),
            Box::new(SimpleJobCode::default()),
            Box::new(SimpleNotificationCode::default()),
            CHANNEL_SIZE,
        )
        .await
        .map_err(|source| AlarmError { what: "it cannot be set up", source })?;
        let alarm = Self { scheduler, entries, sender, adding: tokio::sync::Mutex::new(()) };
        let jumps = alarm.add(Tick::Jumps).await?;
        alarm.entries.lock().jumps = Some(jumps);
        Ok(alarm)
    }

    /// Sets an entry to an instant, or silences it; adds it if it is new.
    ///
    /// # Errors
    /// When the engine does not take it.
    pub async fn set(&self, name: &str, at: Option<Timestamp>) -> Result<(), AlarmError> {
        if self.entries.set(name, at) {
            return Ok(());
        }
        let adding = self.adding.lock().await;
        if self.entries.set(name, at) {
            return Ok(());
        }
        let id = self.add_locked(Tick::Entry).await?;
        self.entries.insert(id, name, at);
        drop(adding);
        Ok(())
    }

    /// Removes an entry; an unknown name is no error.
    ///
    /// # Errors
    /// When the engine does not let go of it.
    pub async fn remove(&self, name: &str) -> Result<(), AlarmError> {
        let _adding = self.adding.lock().await;
        let Some(id) = self.entries.remove(name) else { return Ok(()) };
        let removed = self.scheduler.remove(&id).await;
        removed.map_err(|source| AlarmError { what: "an entry cannot be removed", source })
    }

    /// When an entry rings next.
    pub fn next(&self, name: &str) -> Option<Timestamp> {
        let state = self.entries.lock();
        state.by_name.get(name).and_then(|id| state.by_id.get(id)).and_then(|entry| entry.next)
    }

    /// Runs.
    ///
    /// # Errors
    /// When the engine does not start, or has been started.
    pub async fn start(&self) -> Result<(), AlarmError> {
        let started = self.scheduler.start().await;
        started.map_err(|source| AlarmError { what: "it does not start", source })
    }

    /// Rings no more, from now on.
    ///
    /// # Errors
    /// When the engine does not stop; nothing rings all the same.
    pub async fn stop(&self) -> Result<(), AlarmError> {
        self.entries.lock().stopped = true;
        let stopped = self.scheduler.clone().shutdown().await;
        stopped.map_err(|source| AlarmError { what: "it does not stop", source })
    }

    async fn add(&self, tick: Tick) -> Result<Uuid, AlarmError> {
        let _adding = self.adding.lock().await;
        self.add_locked(tick).await
    }

    /// Adds a job that delivers what the storage handed out for it.
    async fn add_locked(&self, tick: Tick) -> Result<Uuid, AlarmError> {
        let (entries, sender) = (self.entries.clone(), self.sender.clone());
        let job = Job::new_async(NEVER, move |id, _scheduler| {
            let woken = match tick {
                Tick::Entry => entries.take(id),
                Tick::Jumps => entries.lock().jumped.take().map(Woken::Jumped),
            };
            let sender = sender.clone();
            Box::pin(async move {
                if let Some(woken) = woken {
                    // A receiver that is gone means that the daemon ends.
                    let _ = sender.send(woken).await;
                }
            })
        });
        let job = job.map_err(|source| AlarmError { what: "an entry cannot be made", source })?;
        let added = self.scheduler.add(job).await;
        added.map_err(|source| AlarmError { what: "an entry cannot be added", source })
    }
}

/// What a job delivers.
#[derive(Clone, Copy)]
enum Tick {
    Entry,
    Jumps,
}

/// The entries and their instants, shared between the alarm, its jobs and the engine's storage.
#[derive(Clone)]
struct Entries {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

struct State {
    by_id: BTreeMap<Uuid, Entry>,
    by_name: BTreeMap<String, Uuid>,
    detector: JumpDetector,
    jumps: Option<Uuid>,
    jumped: Option<Jump>,
    stopped: bool,
}

struct Entry {
    name: String,
    next: Option<Timestamp>,
    /// Handed to the engine and not yet delivered: for which instant, and since when (boot clock).
    handed: Option<(Timestamp, Duration)>,
}

impl Entries {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State {
            by_id: BTreeMap::new(),
            by_name: BTreeMap::new(),
            detector: JumpDetector::default(),
            jumps: None,
            jumped: None,
            stopped: false,
        };
        Self { state: Arc::new(Mutex::new(state)), clock }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if there is no such entry.
    fn set(&self, name: &str, at: Option<Timestamp>) -> bool {
        let mut state = self.lock();
        let Some(id) = state.by_name.get(name).copied() else { return false };
        state.by_id.get_mut(&id).is_some_and(|entry| {
            entry.next = at;
            // What was handed out for the earlier setting is no longer wanted.
            entry.handed = None;
            true
        })
    }

    fn insert(&self, id: Uuid, name: &str, at: Option<Timestamp>) {
        let mut state = self.lock();
        state.by_name.insert(name.to_owned(), id);
        state.by_id.insert(id, Entry { name: name.to_owned(), next: at, handed: None });
    }

    fn remove(&self, name: &str) -> Option<Uuid> {
        let mut state = self.lock();
        let id = state.by_name.remove(name)?;
        state.by_id.remove(&id);
        Some(id)
    }

    /// What is to be delivered for an entry; once for each instant.
    fn take(&self, id: Uuid) -> Option<Woken> {
        let mut state = self.lock();
        if state.stopped {
            return None;
        }
        let entry = state.by_id.get_mut(&id)?;
        let (at, _) = entry.handed.take()?;
        Some(Woken::Entry { name: entry.name.clone(), at })
    }

    /// Hands out what is due, earliest first, and silences it in the same step.
    fn due(&self) -> Vec<Uuid> {
        let (wall, boot) = (self.clock.wall(), self.clock.boot());
        let mut state = self.lock();
        if state.stopped {
            return Vec::new();
        }
        if let Some(jump) = state.detector.feed(wall, boot) {
            state.jumped = Some(jump);
        }
        let jumps = state.jumps.filter(|_| state.jumped.is_some());
        let mut due: Vec<(Timestamp, Uuid)> = Vec::new();
        for (id, entry) in &state.by_id {
            let lost = |since: Duration| boot.saturating_sub(since) >= REDELIVER_AFTER;
            let again = entry.handed.filter(|(_, since)| lost(*since)).map(|(at, _)| at);
            if let Some(at) = entry.next.filter(|at| *at <= wall).or(again) {
                due.push((at, *id));
            }
        }
        due.sort_unstable();
        due.truncate(DUE_MAX);
        for (at, id) in &due {
            if let Some(entry) = state.by_id.get_mut(id) {
                entry.next = entry.next.filter(|next| next > at);
                entry.handed = Some((*at, boot));
            }
        }
        jumps.into_iter().chain(due.into_iter().map(|(_, id)| id)).collect()
    }

    fn till_next(&self) -> Option<Duration> {
        let next = self.lock().by_id.values().filter_map(|entry| entry.next).min()?;
        Some((next - self.clock.wall()).to_std().unwrap_or_default())
    }
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, JobSchedulerError>> + Send>>;

/// The engine's storage, as far as it is not ours, is its own simple one.
struct Storage {
    inner: SimpleMetadataStore,
    entries: Entries,
}

impl InitStore for Storage {
    fn init(&mut self) -> Answer<()> {
        self.inner.init()
    }

    fn inited(&mut self) -> Answer<bool> {
        self.inner.inited()
    }
}

impl DataStore<JobStoredData> for Storage {
    fn get(&mut self, id: Uuid) -> Answer<Option<JobStoredData>> {
        self.inner.get(id)
    }

    fn add_or_update(&mut self, data: JobStoredData) -> Answer<()> {
        self.inner.add_or_update(data)
    }

    fn delete(&mut self, id: Uuid) -> Answer<()> {
        self.inner.delete(id)
    }
}

impl MetaDataStorage for Storage {
    fn list_next_ticks(&mut self) -> Answer<Vec<JobAndNextTick>> {
        // A next tick of 1 is long past by the engine's own clock: it always runs what we hand out.
        let tick = |id: Uuid| JobAndNextTick {
            id: Some(id.into()),
            job_type: 0,
            next_tick: 1,
            last_tick: None,
        };
        let due = self.entries.due().into_iter().map(tick).collect();
        Box::pin(ready(Ok(due)))
    }

    fn set_next_and_last_tick(
        &mut self,
        _id: Uuid,
        _next: Option<DateTime<Utc>>,
        _last: Option<DateTime<Utc>>,
    ) -> Answer<()> {
        // Ours were advanced when they were handed out; the engine's are wrong after a clock change.
        Box::pin(ready(Ok(())))
    }

    fn time_till_next_job(&mut self) -> Answer<Option<Duration>> {
        Box::pin(ready(Ok(self.entries.till_next())))
    }
}

/// What happened to the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// How much time nobody looked, by the boot clock.
    pub asleep: Duration,
    /// By how much the wall clock was set, forward or back.
    pub stepped: TimeDelta,
}

/// Notices that the machine slept or that somebody set the wall clock. Fed from time to time with both
/// clocks; decides nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct JumpDetector {
    last: Option<(Timestamp, Duration)>,
}

impl JumpDetector {
    /// Takes a look at both clocks; says so if one of them jumped since the last look.
    pub fn feed(&mut self, wall: Timestamp, boot: Duration) -> Option<Jump> {
        let (last_wall, last_boot) = self.last.replace((wall, boot))?;
        let passed = boot.saturating_sub(last_boot);
        let stepped = (wall - last_wall) - crate::domain::to_delta(passed);
        let set = stepped.abs() >= JUMP_MIN;
        if !set && passed < PAUSE_MIN {
            return None;
        }
        Some(Jump {
            asleep: if passed < PAUSE_MIN { Duration::ZERO } else { passed },
            stepped: if set { stepped } else { TimeDelta::zero() },
        })
    }
}
