//! What waits for a person, and what can be done about it: the trait that `daemon` implements.

use super::Context;
use super::claimed::Hold;
use super::desk::DeskError;
use crate::domain::{
    Decided, Fence, HandOver, Person, PersonId, Principal, Reason, RunId, TaskId, Timestamp, Value,
    Verdict, WaitItem, Waiting,
};
use async_trait::async_trait;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The review queue, as tools see it.
#[async_trait]
pub trait Reviews: Send + Sync {
    /// Everything that waits for a person, longest first.
    async fn waiting(&self) -> Result<Vec<Waiting>, DeskError>;
    /// Asks a person about a claimed task; the claim waits for the answer, without a lease.
    async fn ask_person(&self, ask: QuestionAsk) -> Result<Hold, DeskError>;
    /// Decides about work that was handed over, or about what is proposed. The first decision stands.
    async fn decide(&self, ask: DecideAsk) -> Result<Ruling, DeskError>;
    /// A hand-over that waits and that this principal has to leave to people: an agent has to, and so
    /// has whoever handed it over.
    async fn left_to_people(
        &self,
        task: TaskId,
        principal: &Principal,
    ) -> Result<Option<HandOver>, DeskError>;
    /// What was last proposed for a task, and what became of it.
    async fn proposals(&self, task: TaskId) -> Result<Value, DeskError>;
    /// Does something else with what waits: puts it off, takes note, passes it on, grants it.
    async fn tend(&self, ask: TendAsk) -> Result<Value, DeskError>;
    /// Asks whoever may to take a claim away from its holder.
    async fn ask_release(
        &self,
        task: TaskId,
        reason: &str,
        principal: &Principal,
    ) -> Result<Value, DeskError>;
    /// Answers a question. The first answer counts.
    async fn answer(&self, ask: AnswerAsk) -> Result<Answered, DeskError>;
}

/// A question about a task that its holder cannot answer itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionAsk {
    /// The task.
    pub task: TaskId,
    /// The fence that came with the claim.
    pub fence: Fence,
    /// What is asked, in Markdown.
    pub question: String,
    /// Whoever is asked; anybody's answer counts.
    pub person: Option<Person>,
    /// For so long an answer is waited for; then the task goes back.
    pub within: Duration,
    /// Who asks.
    pub principal: Principal,
}

/// What whoever decides has seen of what waits: where it is something else by now, nothing is decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The run whose work it was, if they say.
    pub run: Option<RunId>,
    /// Since when it waited, if they say: one run may ask more than once.
    pub since: Option<Timestamp>,
}

impl Seen {
    /// Whether it is this.
    pub fn fits(&self, run: Option<&RunId>, since: Timestamp) -> bool {
        self.run.as_ref().is_none_or(|seen| Some(seen) == run)
            && self.since.is_none_or(|seen| seen == since)
    }

    /// Nothing is decided about what nobody has seen.
    ///
    /// # Errors
    /// [`Reason::ReviewChanged`], where it is not this.
    pub fn holds(
        &self,
        item: &WaitItem,
        run: Option<&RunId>,
        since: Timestamp,
    ) -> Result<(), DeskError> {
        if self.fits(run, since) {
            return Ok(());
        }
        let whose = run.map(|run| format!(" (run {run})")).unwrap_or_default();
        Err(DeskError::Refused {
            reason: Reason::ReviewChanged,
            message: format!(
                "something else waits at {item} by now{whose}, and whoever decided has not seen it; nothing \
                 was decided: look again"
            ),
        })
    }
}

/// A decision about work that was handed over.
#[derive(Clone, Debug)]
pub struct DecideAsk {
    /// The task.
    pub task: TaskId,
    /// What is decided.
    pub verdict: Verdict,
    /// What is said with it; of changes that are wanted, which.
    pub comment: String,
    /// Of what is proposed, only these; empty: all of it.
    pub only: Vec<u32>,
    /// Arguments that take the place of proposed ones, by number.
    pub edits: BTreeMap<u32, Value>,
    /// What they have seen.
    pub seen: Seen,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Who decides: with their rights the board is written.
    pub context: Context,
}

/// What is to be done with something that waits.
#[derive(Clone, Debug)]
pub struct TendAsk {
    /// What waits.
    pub item: WaitItem,
    /// What is to be done.
    pub how: Tend,
    /// What is said with it.
    pub comment: String,
    /// What they have seen.
    pub seen: Seen,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Who does it.
    pub context: Context,
}

/// What people do with what waits, besides deciding about work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tend {
    /// It is granted, or refused: an arming, a budget, the end of a claim.
    Settle(bool),
    /// It is out of the way until then.
    Snooze(Timestamp),
    /// Somebody has seen it: nobody else is told.
    Acknowledge,
    /// It is somebody else's turn.
    PassOn(PersonId),
}

/// The answer to a question.
#[derive(Clone, Debug)]
pub struct AnswerAsk {
    /// The task.
    pub task: TaskId,
    /// What is answered.
    pub text: String,
    /// What they have seen.
    pub seen: Seen,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Who answers: in their name it is written.
    pub context: Context,
}

/// What stands about a hand-over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ruling {
    /// The task.
    pub task: TaskId,
    /// The run that handed it over.
    pub run: RunId,
    /// The decision.
    pub decision: Decided,
    /// Whether it had been decided before: then the first decision is what stands.
    pub repeated: bool,
    /// What was done with the task, for people.
    pub what: String,
}

/// What stands about a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// The task.
    pub task: TaskId,
    /// What was asked.
    pub question: String,
    /// The answer that counts.
    pub answer: String,
    /// Whether it had been answered before: then the first answer is what counts.
    pub repeated: bool,
    /// Until when an answer was waited for.
    pub until: Timestamp,
}
