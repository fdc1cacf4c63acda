//! Long work that a client asks after: the tasks extension of MCP (SEP-2663), for tools that do many
//! things in one call.
//!
//! The SDK's manager runs and keeps them, in memory; it does not know whose they are. A caller sees
//! its own only: another's is not there (without credentials everybody is one caller). Work that was
//! begun goes on when its client is gone, and what it did is on the board; what is lost at a restart is
//! its report. It stops between two items when it is cancelled, when its caller is no longer let in, and
//! when the daemon ends; its report then says what was done.

use super::calling::Asker;
use super::{Access, Caller, Handler};
use crate::domain::Value;
use crate::tools::Definition;
use rmcp::ErrorData;
use rmcp::model::{DetailedTask, Task};
use rmcp::task_manager::{TaskManager, TaskOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long it may take.
pub(super) const JOB_TIME: Duration = Duration::from_mins(10);
/// How long it is kept; work that took longer would be broken off half-way.
const KEPT: Duration = Duration::from_mins(30);
const POLL_MS: u64 = 500;
/// A longer report is cut to what is short in it.
pub(super) const REPORT_BYTES_MAX: usize = 256 * 1024;
/// So many of one caller are kept, under way or ended; beyond, a call is answered when it is done.
const OWN_MAX: usize = 16;
/// So many are kept in all.
const ALL_MAX: usize = 64;
/// How often it is asked whether those who began something are still let in.
const LOOK: Duration = Duration::from_secs(2);

/// What was begun for clients.
#[derive(Default)]
pub(super) struct Jobs {
    manager: TaskManager,
    begun: Mutex<BTreeMap<String, Begun>>,
}

struct Begun {
    /// The id of a [`Caller`].
    owner: String,
    at: Instant,
    /// Whether it is still under way.
    works: Arc<()>,
}

impl Jobs {
    /// Begins a call on a caller's behalf; `None` where there are too many already.
    pub(super) fn begin(
        &self,
        handler: &Handler,
        caller: &Caller,
        tool: &'static Definition,
        args: Value,
    ) -> Option<Task> {
        let mut begun = self.lock();
        begun.retain(|_, job| job.at.elapsed() < KEPT || job.is_under_way());
        let own = begun.values().filter(|job| job.owner == caller.id).count();
        if own >= OWN_MAX || begun.len() >= ALL_MAX {
            return None;
        }
        let (handler, owner) = (handler.clone(), caller.clone());
        let works = Arc::new(());
        let working = Arc::clone(&works);
        let kept_ms = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
        let options = TaskOptions::new().with_ttl_ms(kept_ms).with_poll_interval_ms(POLL_MS);
        let task = self.manager.spawn(options, |job| {
            Box::pin(async move {
                let asker = Asker::Job(&job);
                // Also where it was cancelled: the report says what was done.
                let result = handler.answered(&owner, tool, args, asker).await;
                drop(working);
                Ok(result)
            })
        });
        let job = Begun { owner: caller.id.clone(), at: Instant::now(), works };
        begun.insert(task.task_id.clone(), job);
        Some(task)
    }

    /// Stops what was begun by those who are no longer let in, and everything at `stop`.
    pub(super) async fn watch(self: Arc<Self>, access: Arc<dyn Access>, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            let is_end = tokio::select! {
                () = stop.cancelled() => true,
                _ = look.tick() => false,
            };
            let works = |job: &&Begun| job.is_under_way();
            let owners: BTreeSet<_> =
                self.lock().values().filter(works).map(|job| job.owner.clone()).collect();
            for owner in owners {
                if is_end || !access.still_counts(&owner).await {
                    self.stop_all_of(&owner);
                }
            }
            if is_end {
                return;
            }
        }
    }

    fn stop_all_of(&self, owner: &str) {
        for (id, _) in self.lock().iter().filter(|(_, job)| job.owner == owner) {
            // One that has ended stays as it is.
            let _ = self.manager.cancel_task(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands with a caller's own.
    pub(super) fn get(&self, caller: &Caller, id: &str) -> Result<DetailedTask, ErrorData> {
        self.own(caller, id)?;
        self.manager.get_task(id).map_err(|_| unknown(id))
    }

    /// Asks a caller's own to stop: it does so between two items.
    pub(super) fn cancel(&self, caller: &Caller, id: &str) -> Result<(), ErrorData> {
        self.own(caller, id)?;
        self.manager.cancel_task(id).map_err(|_| unknown(id))
    }

    /// Nothing begun here asks its client anything.
    pub(super) fn update(&self, caller: &Caller, id: &str) -> Result<(), ErrorData> {
        self.own(caller, id)
    }

    fn own(&self, caller: &Caller, id: &str) -> Result<(), ErrorData> {
        let is_own = self.lock().get(id).is_some_and(|job| job.owner == caller.id);
        if is_own { Ok(()) } else { Err(unknown(id)) }
    }
}

impl Begun {
    fn is_under_way(&self) -> bool {
        Arc::strong_count(&self.works) > 1
    }
}

fn unknown(id: &str) -> ErrorData {
    let shown: String = id.chars().filter(|c| !c.is_control()).take(80).collect();
    let message = format!("there is no task {shown:?} of yours; it may have expired");
    ErrorData::invalid_params(message, None)
}

#[cfg(test)]
mod tests {
    use super::super::{CallError, Called, Calls, Denied, Limits, Seals, Selection};
    use super::*;
    use crate::clock::{ManualClock, SystemEntropy};
    use crate::domain::{Initiative, Person, PersonId, PersonKind, Principal, Role, from_millis};
    use async_trait::async_trait;
    use rmcp::model::TaskStatus;
    use secrecy::SecretString;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::mpsc;

    /// Goes on until it is told to stop.
    struct Endless;

    #[async_trait]
    impl Calls for Endless {
        async fn call(
            &self,
            _: &Caller,
            _: &str,
            _: Value,
            told: mpsc::Sender<String>,
        ) -> Result<Called, CallError> {
            told.closed().await;
            Ok(Called { text: "stopped".to_owned(), ..Called::default() })
        }
    }

    /// Lets everybody in until it is told otherwise.
    struct Door(AtomicBool);

    #[async_trait]
    impl Access for Door {
        async fn caller(&self, _: &SecretString) -> Result<Caller, Denied> {
            Err(Denied::Unknown)
        }

        async fn anybody(&self) -> Result<Caller, Denied> {
            Err(Denied::Unknown)
        }

        async fn still_counts(&self, _: &str) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn somebody(id: &str) -> Caller {
        let person = Person {
            id: PersonId(1),
            name: "Ada".to_owned(),
            email: None,
            kind: PersonKind::Person,
            role: Role::Editor,
        };
        let principal = Principal { person, by: Initiative::Person };
        let (zone, selection) = (chrono_tz::UTC, Selection::default());
        let (id, tools, projects) = (id.to_owned(), Vec::new(), Vec::new());
        Caller { id, principal, zone, tools, projects, selection, run: None }
    }

    fn begun() -> (Arc<Jobs>, Caller, String) {
        let clock = Arc::new(ManualClock::at(from_millis(0)));
        let seals = Seals::new(&SystemEntropy);
        let handler = Handler::for_http(Arc::new(Endless), clock, seals, Limits::default());
        let caller = somebody("ada");
        let tool = super::super::listing::definition_for("bulkAddTasks", &caller).unwrap();
        let jobs = Arc::clone(handler.jobs());
        let task = jobs.begin(&handler, &caller, tool, Value::Null).unwrap();
        (jobs, caller, task.task_id)
    }

    async fn until_ended(jobs: &Jobs, caller: &Caller, id: &str) {
        while jobs.get(caller, id).unwrap().status() == TaskStatus::Working {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(jobs.get(caller, id).unwrap().status(), TaskStatus::Completed);
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_began_who_is_no_longer_let_in_is_stopped() {
        let (jobs, caller, id) = begun();
        let door = Arc::new(Door(AtomicBool::new(true)));
        let stop = CancellationToken::new();
        let watching = Arc::clone(&jobs).watch(Arc::clone(&door) as _, stop.clone());
        let revoked = async {
            tokio::time::sleep(LOOK * 10).await;
            assert_eq!(jobs.get(&caller, &id).unwrap().status(), TaskStatus::Working);
            door.0.store(false, Ordering::SeqCst);
            until_ended(&jobs, &caller, &id).await;
            stop.cancel();
        };
        tokio::join!(watching, revoked);
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_stopped_at_the_end() {
        let (jobs, caller, id) = begun();
        let door = Arc::new(Door(AtomicBool::new(true)));
        let stop = CancellationToken::new();
        stop.cancel();
        Arc::clone(&jobs).watch(door, stop).await;
        until_ended(&jobs, &caller, &id).await;
    }
}
