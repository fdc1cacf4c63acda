//! What the daemon can be asked for: the trait that `daemon` implements and `app` injects, so that
//! running, stopping and explaining are tools like others.

use super::{Progress, ToolError};
use crate::domain::{
    Activity, Channel, Claim, Effect, Fence, NewToken, Occurrence, OccurrenceId, PlaybookName,
    Principal, ProjectId, Reason, Run, RunId, RunState, TaskId, Timestamp, Token, Usage, Value,
};
use crate::ledger::{AuditEntry, AuditVerdict};
use crate::store::StoreError;
use async_trait::async_trait;
use chrono_tz::Tz;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub use super::claimed::{ClaimAsk, Hold, Leave, ReleaseAsk, Standing};
pub use super::fleet::Fleet;
pub use super::house::{Feeds, Repeats, Steward};
pub use super::reviewed::{
    AnswerAsk, Answered, DecideAsk, QuestionAsk, Reviews, Ruling, Seen, Tend, TendAsk,
};
pub use super::sessions::Sessions;
pub use crate::domain::CostBy;

/// The daemon, as tools see it.
#[async_trait]
pub trait Desk: Reviews + Fleet + std::fmt::Debug {
    /// One occurrence now, through the same path as the clock; returns when it has ended.
    async fn run_playbook(&self, request: RunRequest) -> Result<RunReport, DeskError>;
    /// Asks a run to stop; returns when it has.
    async fn stop_run(&self, run: &RunId, by: &str) -> Result<(), DeskError>;
    /// Why a task or playbook was, or was not, picked, run, told: live look and last decisions.
    async fn why(&self, subject: &str, at: Option<Timestamp>) -> Result<Value, DeskError>;
    /// Coming occurrences.
    async fn next(&self, request: NextRequest) -> Result<Value, DeskError>;
    /// The playbooks, with their state (armed, paused, faulty, next wake).
    async fn playbooks(&self) -> Result<Value, DeskError>;
    /// A playbook as it is written (TOML); `None` when there is none of this name.
    async fn definition(&self, playbook: &PlaybookName) -> Result<Option<String>, DeskError>;
    /// Arms, pauses or resumes a playbook.
    async fn set_playbook(
        &self,
        playbook: &PlaybookName,
        switch: Switch,
        by: &str,
    ) -> Result<Value, DeskError>;
    /// The emergency stop: ends every run and starts none, also after a restart.
    async fn stop_all(&self, by: &str, reason: &str) -> Result<Value, DeskError>;
    /// Lifts the emergency stop.
    async fn start_all(&self, by: &str) -> Result<Value, DeskError>;
    /// Takes a claim away from its holder.
    async fn release_claim(&self, task: TaskId, reason: &str, by: &str)
    -> Result<Value, DeskError>;
    /// Takes a task for somebody outside a run, and shows it on the board.
    async fn claim_task(&self, ask: ClaimAsk) -> Result<Hold, DeskError>;
    /// Gives such a claim its lease again, or another one.
    async fn renew_claim(
        &self,
        task: TaskId,
        fence: Fence,
        minutes: Option<u32>,
        principal: &Principal,
    ) -> Result<Hold, DeskError>;
    /// Gives such a claim up.
    async fn release_task(&self, ask: ReleaseAsk) -> Result<Hold, DeskError>;
    /// How somebody stands to the claim on a task; their own is renewed. Whoever lost one and would
    /// change the task is told so instead, once.
    async fn standing(
        &self,
        task: TaskId,
        principal: &Principal,
        would_change: bool,
    ) -> Result<Standing, DeskError>;
    /// Renews the claim on a task if it is theirs.
    async fn keep_claim(&self, task: TaskId, principal: &Principal) -> Result<(), DeskError>;
    /// Puts back what a run changed.
    async fn undo_run(&self, ask: UndoAsk) -> Result<Value, DeskError>;
    /// What happened since then, and what is coming.
    async fn digest(&self, ask: DigestAsk) -> Result<Value, DeskError>;
    /// What runs cost.
    async fn cost(&self, ask: CostAsk) -> Result<Value, DeskError>;
    /// What is to be told: what waits for each channel, and what was given up; and so many of the latest
    /// messages whose keys begin so, whatever became of them.
    async fn outbox(&self, latest: usize, begin: &str) -> Result<Value, DeskError>;
    /// Sends again what was given up: one message, those of a channel, or all.
    async fn retry_outbox(
        &self,
        key: Option<&str>,
        channel: Option<&Channel>,
    ) -> Result<Value, DeskError>;
    /// What the daemon is doing: since when, runs, slots, alarms, outbox.
    async fn status(&self) -> Result<Value, DeskError>;
}

/// What the ledger remembers, as tools see it.
#[async_trait]
pub trait Records: Send + Sync + std::fmt::Debug {
    /// Claims that are held or parked, by task, and the tasks whose claims only a newer Rota can read.
    async fn claims(&self) -> Result<(Vec<Claim>, Vec<TaskId>), DeskError>;
    /// Runs that match, latest first.
    async fn runs(&self, query: &RunQuery) -> Result<Vec<Run>, DeskError>;
    /// What a run is about: a task, or no task; `None` when there is no such run.
    async fn task_of(&self, run: &RunId) -> Result<Option<Option<TaskId>>, DeskError>;
    /// Everything about one run, with so much of its transcript and of its writes; `None` when there is no
    /// such run.
    async fn run(&self, run: &RunId, ask: RecordAsk) -> Result<Option<RunRecord>, DeskError>;
    /// Every write of a run, in order and whole; none where there is no such run.
    async fn effects(&self, run: &RunId) -> Result<Vec<Effect>, DeskError>;
    /// Occurrences that match, by playbook, latest first.
    async fn occurrences(&self, query: &OccurrenceQuery) -> Result<Vec<Occurrence>, DeskError>;
    /// One of them; `None` when there is none of this id.
    async fn occurrence(&self, id: &OccurrenceId) -> Result<Option<Occurrence>, DeskError>;
    /// Whether what is recorded is as it was written.
    async fn audit(&self) -> Result<AuditVerdict, DeskError>;
    /// What people did to the daemon, newest first; before the entry of this number, if one is given.
    async fn audit_log(
        &self,
        limit: usize,
        before: Option<u64>,
    ) -> Result<Vec<AuditEntry>, DeskError>;
}

/// The tokens, as tools see them.
#[async_trait]
pub trait Tokens: Sessions + std::fmt::Debug {
    /// Makes one.
    async fn issue(&self, new: NewToken, by: &str) -> Result<IssuedToken, DeskError>;
    /// Every token.
    async fn list(&self) -> Result<Vec<Token>, DeskError>;
    /// Ends one, by its id or a service key's name.
    async fn revoke(&self, which: &str, by: &str) -> Result<Token, DeskError>;
    /// Gives one another secret; the old one counts for `overlap`.
    async fn rotate(
        &self,
        which: &str,
        overlap: Duration,
        by: &str,
    ) -> Result<IssuedToken, DeskError>;
}

/// A token with its secret, which is shown once.
#[derive(Debug)]
pub struct IssuedToken {
    /// Whose it is and what it may do.
    pub token: Token,
    /// The whole text that a client sends.
    pub secret: SecretString,
}

impl IssuedToken {
    /// The secret, for the one answer that shows it.
    pub(super) fn expose_secret(&self) -> &str {
        self.secret.expose_secret()
    }
}

/// Which runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Of this playbook.
    pub playbook: Option<PlaybookName>,
    /// At this task.
    pub task: Option<TaskId>,
    /// In this state.
    pub state: Option<RunState>,
    /// Those that come after this one.
    pub after: Option<RunId>,
    /// At most so many.
    pub limit: usize,
}

/// Which occurrences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OccurrenceQuery {
    /// Of this playbook; of all when absent.
    pub playbook: Option<PlaybookName>,
    /// Those that come after this one.
    pub after: Option<OccurrenceId>,
    /// At most so many.
    pub limit: usize,
}

/// Which lines of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinesAsk {
    /// The latest so many.
    pub most: usize,
    /// Of those before the line of this number; `None`: of all.
    pub before: Option<u64>,
}

/// Which writes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WritesAsk {
    /// The latest so many, as far as there is room.
    pub most: usize,
    /// Of those before the one of this number; `None`: of all, or of those that were made before the
    /// line before which lines are asked for.
    pub before: Option<u32>,
}

/// How much of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordAsk {
    /// Of its transcript.
    pub lines: LinesAsk,
    /// Of its writes.
    pub writes: WritesAsk,
}

/// Everything about one run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// The run.
    pub run: Run,
    /// What woke it.
    pub occurrence: Option<Occurrence>,
    /// The writes that were asked for, in order, in bounds: of a long text its beginning.
    pub effects: Vec<Value>,
    /// So many come before them.
    pub earlier_writes: u64,
    /// So many there are in all.
    pub writes: u64,
    /// There are others, which a newer Rota wrote and only that one can read.
    pub has_newer_writes: bool,
    /// What shows how it went.
    pub evidence: Vec<Value>,
    /// The composed prompt; empty where there was none.
    pub prompt: String,
    /// The lines of its transcript that were asked for, oldest first: `number`, `at`, `kind`, `text`
    /// and, where it has parts, `data`.
    pub transcript: Vec<Value>,
    /// So many lines come before them.
    pub earlier: u64,
    /// So many lines there are in all.
    pub lines: u64,
    /// The definition it ran with (TOML).
    pub definition: String,
}

/// What is to be run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// Which playbook.
    pub playbook: PlaybookName,
    /// Only this task, past `[select]`, not past the gates.
    #[serde(default)]
    pub task: Option<TaskId>,
    /// As if it were this instant.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Values for templates, by name, under `set`.
    #[serde(default)]
    pub set: std::collections::BTreeMap<String, String>,
    /// Who asked.
    #[serde(default)]
    pub by: String,
    /// Told of each run when it begins.
    #[serde(skip)]
    pub told: Progress,
}

/// Which coming occurrences.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextRequest {
    /// Of this playbook; of all when absent.
    #[serde(default)]
    pub playbook: Option<PlaybookName>,
    /// At most so many a playbook (default 10).
    #[serde(default)]
    pub count: Option<usize>,
    /// From this instant (default now).
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Until this instant.
    #[serde(default)]
    pub to: Option<Timestamp>,
    /// As if it were this instant (default now).
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// Which run is to be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoAsk {
    /// The run, or the beginning of its name.
    pub run: RunId,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Who asks: with their rights it is put back.
    pub principal: Principal,
    /// Where bare dates are days.
    pub zone: Tz,
}

/// Which digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestAsk {
    /// As if it were this instant; `None`: now.
    pub now: Option<Timestamp>,
    /// What happened since then; `None`: since yesterday began.
    pub since: Option<Timestamp>,
    /// Only of these projects; empty: of all that are open.
    pub projects: Vec<ProjectId>,
    /// Whose days are meant.
    pub zone: Tz,
    /// Also as the message that channels are sent.
    pub rendered: bool,
}

/// What of the costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostAsk {
    /// Of runs that began then or later; `None`: of the last 30 days.
    pub since: Option<Timestamp>,
    /// What a line stands for.
    pub by: CostBy,
    /// Only of runs at tasks of these projects; `None`: of all runs.
    pub projects: Option<Vec<ProjectId>>,
}

/// What is done with a playbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Its triggers and rights are accepted; only those of this definition, where it is said.
    Arm(Option<String>),
    /// It starts nothing until resumed.
    Pause,
    /// It may start again.
    Resume,
}

/// What an occurrence came to; the document that `rota run-once --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The first run, if any started.
    pub run: Option<RunId>,
    /// The playbook.
    pub playbook: PlaybookName,
    /// The occurrence.
    pub occurrence: OccurrenceId,
    /// How it ended.
    pub state: RunState,
    /// Why.
    pub reason: Reason,
    /// More about why.
    pub detail: String,
    /// Task by task.
    pub tasks: Vec<TaskReport>,
    /// Every write, in order.
    pub effects: Vec<EffectReport>,
    /// Every message.
    pub notices: Vec<NoticeReport>,
    /// What it used.
    pub usage: UsageReport,
    /// In a dry run: every change that the overlay board holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Activity>,
}

/// One task of an occurrence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    /// The task.
    pub id: TaskId,
    /// The run at it.
    pub run: RunId,
    /// Its claim, where the playbook claims.
    pub claim: Option<ClaimReport>,
    /// How the run ended.
    pub state: RunState,
    /// Why.
    pub reason: Reason,
    /// The outcome that the work named.
    pub outcome: Option<String>,
    /// How many writes.
    pub effects: usize,
}

/// A claim, in a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimReport {
    /// Its fence.
    pub fence: Fence,
}

/// A write, in a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectReport {
    /// The tool.
    pub tool: String,
    /// What changed (`task 7`).
    pub entity: String,
    /// The changed fields before.
    pub before: Value,
    /// The changed fields after.
    pub after: Value,
}

/// A message, in a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeReport {
    /// The channel.
    pub to: String,
    /// `text`, `markdown` or `slack`.
    pub format: String,
    /// The message.
    pub body: String,
}

/// What a run used, in a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UsageReport {
    /// Tokens sent to a model.
    pub tokens_in: u64,
    /// Tokens a model sent back.
    pub tokens_out: u64,
    /// Money.
    pub cost: f64,
    /// Wall time.
    pub seconds: f64,
}

impl From<Usage> for UsageReport {
    #[expect(clippy::cast_precision_loss, reason = "amounts for people, far below 2^52")]
    fn from(usage: Usage) -> Self {
        Self {
            tokens_in: usage.tokens_in,
            tokens_out: usage.tokens_out,
            cost: usage.cost_micros as f64 / 1e6,
            seconds: usage.elapsed_ms as f64 / 1e3,
        }
    }
}

/// Why the daemon did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// There is no such playbook, run or task: says which there are.
    #[error("{0}")]
    NotFound(String),
    /// It may not be done now: says why.
    #[error("{message}")]
    Refused {
        /// The stable code.
        reason: Reason,
        /// Why, and what to do.
        message: String,
    },
    /// Something failed.
    #[error("{what}")]
    Failed {
        /// What was attempted.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl From<DeskError> for ToolError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::NotFound(what) => Self::rejected(Reason::NotFound, what),
            DeskError::Refused { reason, message } => Self::rejected(reason, message),
            DeskError::Failed { what, source } => {
                let reason = match &source {
                    Some(source) if is_of_the_store(source.as_ref()) => Reason::StoreFailed,
                    _ => Reason::ToolFailed,
                };
                Self::Fatal { reason, message: what, source }
            }
        }
    }
}

/// Whether an error comes from local state: a full or failing disk, say.
fn is_of_the_store(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(<dyn std::error::Error + 'static>::is::<StoreError>)
}
