//! Long work that a client asks after: the tasks extension of MCP (SEP-2663), for tools that do many
//! things in one call.
//!
//! The SDK's manager runs and keeps them, in memory; it does not know whose they are. A client sees
//! its own only: another's is not there. Work that was begun goes on when its client is gone, and what it did
//! is on the board; what is lost at a restart is its report.

use super::calling::Asker;
use super::{Caller, Handler};
use crate::domain::Value;
use crate::tools::Definition;
use rmcp::ErrorData;
use rmcp::model::{DetailedTask, Task};
use rmcp::task_manager::{TaskExit, TaskManager, TaskOptions};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long it may take.
pub(super) const JOB_TIME: Duration = Duration::from_mins(10);
/// How long it is kept at least; work that took longer would be broken off half-way.
const KEPT_MS: u64 = 30 * 60 * 1_000;
const POLL_MS: u64 = 500;
/// So many of one caller are kept, under way or ended; beyond, a call is answered when it is done.
const OWN_MAX: usize = 16;
/// So many are kept in all.
const ALL_MAX: usize = 256;

/// What was begun for clients.
#[derive(Default)]
pub(super) struct Jobs {
    manager: TaskManager,
    /// Whose each is: the id of a [`Caller`].
    owners: Mutex<BTreeMap<String, String>>,
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
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.retain(|id, _| self.manager.get_task(id).is_ok());
        let own = owners.values().filter(|owner| **owner == caller.id).count();
        if own >= OWN_MAX || owners.len() >= ALL_MAX {
            return None;
        }
        let (handler, owner) = (handler.clone(), caller.clone());
        let options = TaskOptions::new().with_ttl_ms(KEPT_MS).with_poll_interval_ms(POLL_MS);
        let task = self.manager.spawn(options, |job| {
            Box::pin(async move {
                let asker = Asker::Job(&job);
                let result = handler.answered(&owner, tool, args, JOB_TIME, asker).await;
                if job.is_cancel_requested() && result.is_error == Some(true) {
                    return Err(TaskExit::Cancelled);
                }
                Ok(result)
            })
        });
        owners.insert(task.task_id.clone(), caller.id.clone());
        Some(task)
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
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own = owners.get(id).is_some_and(|owner| *owner == caller.id);
        if is_own { Ok(()) } else { Err(unknown(id)) }
    }
}

fn unknown(id: &str) -> ErrorData {
    let shown: String = id.chars().filter(|c| !c.is_control()).take(80).collect();
    let message = format!("there is no task {shown:?} of yours; it may have expired");
    ErrorData::invalid_params(message, None)
}
