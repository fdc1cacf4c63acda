//! What takes the configuration and all parts of a house, for whoever asks by a tool: dry runs, and what
//! `rota doctor` finds.

use super::doctor;
use super::rehearsal::Rehearsal;
use crate::app::house::{Finding, Health, Place};
use crate::clock::Clock;
use crate::daemon::Parts;
use crate::daemon::control::{AnswerError, ErrorKind};
use crate::domain::{Principal, Reason, Value};
use crate::ledger::Ledger;
use crate::tools::desk::{self, DeskError, RunReport, RunRequest};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::task::TaskTracker;

/// What was found is told again for so long: looking asks servers.
const FRESH: Duration = Duration::from_secs(30);

/// Whoever put the house together.
pub(super) struct Steward {
    rehearsal: Arc<Rehearsal>,
    place: Place,
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
    /// A rehearsal holds a copy of the ledger: one at a time.
    turn: Arc<Semaphore>,
    rehearsals: TaskTracker,
    /// What was found last, and when, on the boot-time clock.
    found: Mutex<Option<(Duration, Value)>>,
}

impl std::fmt::Debug for Steward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Steward").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Steward {
    pub(super) fn new(rehearsal: Arc<Rehearsal>, place: Place, parts: &Parts) -> Self {
        Self {
            rehearsal,
            place,
            ledger: Arc::clone(&parts.ledger),
            clock: Arc::clone(&parts.clock),
            turn: Arc::new(Semaphore::new(1)),
            rehearsals: TaskTracker::new(),
            found: Mutex::default(),
        }
    }
}

#[async_trait]
impl desk::Steward for Steward {
    async fn rehearse(
        &self,
        request: RunRequest,
        principal: &Principal,
    ) -> Result<RunReport, DeskError> {
        let ending = || failed("the daemon is ending".to_owned());
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| ending())?;
        let (rehearsal, person) = (Arc::clone(&self.rehearsal), principal.person.clone());
        // It comes to its end, and closes what it opened, also when nobody waits for it any more.
        let running = self.rehearsals.spawn(async move {
            let report = rehearsal.run(request, person).await;
            drop(turn);
            report
        });
        running.await.map_err(|_| ending())?.map_err(told)
    }

    async fn examine(&self) -> Result<Value, DeskError> {
        let mut found = self.found.lock().await;
        let now = self.clock.boot();
        if let Some((at, value)) = found.as_ref()
            && now.saturating_sub(*at) < FRESH
        {
            return Ok(value.clone());
        }
        let ledger = Some((&*self.ledger, self.clock.wall()));
        let findings = doctor::examine(&self.place, false, ledger).await;
        let findings = findings.map_err(|failure| failed(failure.message))?;
        let items = findings.iter().map(shown).collect();
        let value = Value::map([("items", Value::List(items))]);
        *found = Some((now, value.clone()));
        Ok(value)
    }
}

/// What a rehearsal was refused with, as other calls are.
fn told(error: AnswerError) -> DeskError {
    let reason = Reason::ALL.iter().find(|reason| reason.code() == error.reason);
    match reason {
        Some(reason) if error.kind == ErrorKind::Rejected => {
            DeskError::Refused { reason: *reason, message: error.message }
        }
        _ => DeskError::Failed { what: error.message, source: because(&error.causes) },
    }
}

/// What led to it, told only where that is configured.
fn because(causes: &[String]) -> Option<Box<dyn std::error::Error + Send + Sync>> {
    (!causes.is_empty()).then(|| causes.join(": ").into())
}

fn failed(what: String) -> DeskError {
    DeskError::Failed { what, source: None }
}

fn shown(finding: &Finding) -> Value {
    let health = match finding.health {
        Health::Ok => "ok",
        Health::Warn => "warn",
        Health::Fail => "fail",
    };
    Value::map([
        ("what", finding.what.as_str()),
        ("health", health),
        ("found", finding.found.as_str()),
        ("advice", finding.advice.as_str()),
    ])
}
