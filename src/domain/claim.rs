//! A claim: a lease on one task, with a fence.

use super::{
    BoardName, CommentId, DaemonId, Fence, Initiative, LifeId, PersonId, PersonKind, PlaybookName,
    Principal, Reason, RunId, StatusId, StoreTime, TaskId, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The record of a task's claims. It is never deleted, so a fence never repeats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The board the task is on.
    pub board: BoardName,
    /// The task.
    pub task: TaskId,
    /// The fence of the current or last claim.
    pub fence: Fence,
    /// How far the claim has got.
    pub phase: Phase,
    /// Who holds it; `None` when free or parked.
    pub holder: Option<Holder>,
    /// For which run it is or was held.
    pub run: RunId,
    /// For whose assistant, where no playbook of ours does the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assistant: Option<Assistant>,
    /// By which playbook.
    pub playbook: PlaybookName,
    /// Which attempt of the playbook at the task, from 1.
    pub attempt: u32,
    /// When the lease ends, in the store's own time; `None` when free or parked.
    pub lease_ends: Option<StoreTime>,
    /// Distinguishes two attempts to write the same record.
    pub nonce: String,
    /// What was found on the task, so that it can be put back.
    pub before: Before,
    /// What we last wrote to the task: whatever else is found there, a person put there.
    pub wrote: Wrote,
    /// The comment that marks the task as taken, on boards where nothing else excludes (C9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<CommentId>,
    /// Set while the claim waits for a person.
    pub parked: Option<Parked>,
    /// The run whose proposals wait with the claim, or are applied under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<RunId>,
    /// How the last claim ended, once it has.
    pub ended: Option<ClaimEnd>,
    /// A revoked claim's old holder and the end of its lease plus margin: until then, or until
    /// the holder has acknowledged, nobody acquires.
    pub revoked: Option<Revoked>,
    /// Assistants who lost a claim of the task and have not been told yet, the latest last. They are
    /// kept beside whatever claim comes after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<Untold>,
}

/// So many are remembered at one task; the earliest are forgotten.
const UNTOLD_MAX: usize = 16;

/// An assistant that lost its claim and does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// Whose calls counted as the holder's ([`Principal::key`]).
    pub principal: String,
    /// What was done under the claim is recorded there.
    pub run: RunId,
    /// Why it ended.
    pub reason: Reason,
    /// When, by the wall clock.
    pub at: Timestamp,
    /// Who ended it and why, where somebody said so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// How far a claim has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nobody holds it.
    Free,
    /// Held; nothing is visible on the board.
    Reserved,
    /// Held; the board is being told.
    Announced,
    /// Held; the run works.
    Working,
    /// Held; the outcome is being written.
    Settling,
    /// Not held: it waits for a person's answer or decision.
    Parked,
}

/// Who holds a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The daemon.
    pub daemon: DaemonId,
    /// Which of its lives.
    pub life: LifeId,
    /// The run.
    pub run: RunId,
}

/// Somebody outside who holds a claim: a person's assistant, or a program with a key. It renews by
/// calling tools, so its lease is long, and whichever daemon serves it, it is the same holder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Assistant {
    /// Whose calls count as the holder's ([`Principal::key`]).
    pub principal: String,
    /// The board user it acts as.
    pub person: PersonId,
    /// What people call it.
    pub name: String,
    /// How long its lease lasts, from each renewal on.
    pub minutes: u32,
}

impl Assistant {
    /// The assistant that a principal calls tools by.
    pub fn of(principal: &Principal, minutes: u32) -> Self {
        let person = &principal.person;
        let name = match (&principal.by, person.kind) {
            (Initiative::Service(key), _) => format!("the service key {key}"),
            (_, PersonKind::Agent) => person.name.clone(),
            (_, PersonKind::Person) => format!("{}'s assistant", person.name),
        };
        Self { principal: principal.key(), person: person.id, name, minutes }
    }

    /// How long its lease lasts.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(u64::from(self.minutes) * 60)
    }
}

/// What was found on a task when it was claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Its assignee.
    pub assignee: Option<PersonId>,
    /// Its status; `None` until the task has been read.
    pub status: Option<StatusId>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its revision.
    pub revision: u64,
    /// The last comment that stood on it, read before the claim was reserved: whatever has a larger
    /// id was said on a claimed task, by the board's own order. `CommentId(0)` if there was none;
    /// `None` in records of earlier versions, which did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<CommentId>,
}

/// What we last wrote to a task's fields; a field that was not written is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrote {
    /// The assignee, if we wrote one.
    pub assignee: Option<Option<PersonId>>,
    /// The status, if we wrote one.
    pub status: Option<StatusId>,
    /// The tags that we added.
    pub tags: Vec<String>,
}

/// A claim that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Since when.
    pub since: Timestamp,
    /// Until when an answer is waited for.
    pub until: Timestamp,
    /// What is asked.
    pub question: String,
    /// The comment that asks, or the last one before the claim was parked: an answer is a later one.
    /// `None` in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<CommentId>,
    /// The comment that is known to be a person's answer, also where the board names another author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<CommentId>,
}

/// How a claim ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimEnd {
    /// In which way.
    pub how: EndKind,
    /// Why.
    pub reason: Reason,
    /// When, by the wall clock (for people; nothing is decided by it).
    pub at: Timestamp,
}

/// In which way a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndKind {
    /// On purpose.
    Released,
    /// A person took over.
    Yielded,
    /// Nobody renewed.
    Expired,
    /// An operator forced it.
    Revoked,
}

/// The shadow of a revoked claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Who held it.
    pub holder: Holder,
    /// When its lease plus margin ends.
    pub until: StoreTime,
}

impl Claim {
    /// Whether somebody holds it at this time of the store.
    pub fn is_live(&self, now: &StoreTime) -> bool {
        self.holder.is_some() && self.lease_ends.as_ref().is_some_and(|end| !end.is_past(now))
    }

    /// Whether an operator took it away.
    pub fn was_taken_away(&self) -> bool {
        self.ended.as_ref().is_some_and(|end| end.how == EndKind::Revoked)
    }

    /// To be called when the claim has just ended from this phase: an assistant that did not end it
    /// by itself is to be told, one that did has nothing to learn.
    pub fn remember_loser(&mut self, from: Phase, why: &str) {
        let (Some(assistant), Some(end)) = (&self.assistant, &self.ended) else { return };
        let principal = assistant.principal.clone();
        let is_as_asked = end.how == EndKind::Released
            && matches!(end.reason, Reason::Cancelled | Reason::HandedOver);
        let (reason, at) = (end.reason, end.at);
        // Before that nobody was told that they have it.
        let was_theirs = matches!(from, Phase::Working | Phase::Settling | Phase::Parked);
        // Its question was given up without it.
        let is_unasked = end.how != EndKind::Released || end.reason == Reason::AnswerOverdue;
        if is_as_asked {
            self.was_told(&principal);
        } else if was_theirs && is_unasked {
            self.was_told(&principal);
            let (run, why) = (self.run.clone(), why.to_owned());
            self.untold.push(Untold { principal, run, reason, at, why });
            let surplus = self.untold.len().saturating_sub(UNTOLD_MAX);
            self.untold.drain(..surplus);
        }
    }

    /// This principal knows, or need not know any more; what they were to be told.
    pub fn was_told(&mut self, principal: &str) -> Option<Untold> {
        let place = self.untold.iter().position(|untold| untold.principal == principal)?;
        Some(self.untold.remove(place))
    }
}
