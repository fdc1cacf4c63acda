//! Claims of people's assistants: who works by calling tools, not as a run of a playbook.
//!
//! The same ledger, fences and order as for runs: the claim is durable before anything shows, what is
//! found and written is known before it is written, and people win. What differs is who says that the
//! holder lives: each of its calls renews a long lease, and the end of a daemon ends nothing. A record
//! of a run keeps what is done under the claim.

mod board;
mod marked;
mod question;
mod sweep;

use super::brief::text_of;
use super::by_hand as playbook;
use super::earlier;
use super::marker::Marking;
use super::parts::Parts;
use super::receipt;
use crate::board::BoardError;
use crate::domain::{
    Assistant, Claim, EndKind, Fence, OccurrenceId, PersonKind, Phase, Principal, Reason, Run,
    RunId, RunState, StatusKind, Task, TaskId, Untold, Usage, to_delta,
};
use crate::fault::without_secrets;
use crate::ledger::{Acquire, ClaimError, Held, LedgerError};
use crate::schedule::STOP_TAG;
use crate::tools::desk::{ClaimAsk, DeskError, Hold, Leave, ReleaseAsk, Standing};
use crate::tools::{Tally, ToolError};
use board::{Ending, Left};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A call within so much of a renewal needs no other: each is a commit.
const RENEWED_JUST_NOW: Duration = Duration::from_secs(5);

/// Somebody else has marked the task.
fn refused((reason, message): (Reason, String)) -> DeskError {
    DeskError::Refused { reason, message }
}

/// Claims of assistants, over the parts of a daemon.
pub(super) struct Assistants<'a> {
    parts: &'a Parts,
}

/// A claim in hand, with the record of what is done under it.
struct InHand {
    held: Held,
    run: Run,
    tally: Arc<Tally>,
}

impl<'a> Assistants<'a> {
    pub(super) fn new(parts: &'a Parts) -> Self {
        Self { parts }
    }

    /// Takes a task and shows it on the board.
    pub(super) async fn claim(&self, ask: ClaimAsk) -> Result<Hold, DeskError> {
        Box::pin(self.sweep(ask.task)).await?;
        let by = ask.principal.key();
        let nonce = match &ask.key {
            Some(key) => format!("{by}/{key}"),
            None => self.parts.ledger.nonce(),
        };
        let granted = |claim: &Claim| claim.nonce == nonce && claim.phase == Phase::Working;
        if let Some((claim, left)) = self.parts.ledger.holding(ask.task).await.map_err(of_claim)? {
            return if granted(&claim) {
                let answer = self.answer_given(&claim).await;
                Ok(Hold { answer, ..self.hold(&claim, left) })
            } else if Self::is_asked_by(&claim, &ask.principal) {
                self.may_work(&ask.principal).await?;
                Box::pin(self.go_on(claim, nonce, &ask)).await
            } else {
                Err(self.taken(&claim, left, &ask.principal))
            };
        }
        let task = self.task(ask.task).await?;
        self.may_take(&task, &ask.principal).await?;
        let hand = self.acquire(&task, &ask, nonce).await?;
        let lease = hand.held.claim.assistant.as_ref().map_or(Duration::ZERO, Assistant::lease);
        let claim = self.show(hand, &task, &ask.principal).await?;
        Ok(self.hold(&claim, lease))
    }

    /// Gives a claim its lease again.
    pub(super) async fn renew(
        &self,
        task: TaskId,
        fence: Fence,
        minutes: Option<u32>,
        principal: &Principal,
    ) -> Result<Hold, DeskError> {
        let mut held = self.own(task, fence, principal).await?;
        if held.claim.phase == Phase::Settling {
            // It would never end: whoever began to hand it back may be gone.
            return Err(handed_back_already(task));
        }
        let before = held.claim.assistant.as_ref().map_or(1, |assistant| assistant.minutes);
        if let Some((reason, detail)) = self.took_over(&held.claim).await? {
            return Err(self.yielded(held, (reason, detail), "", principal).await?);
        }
        let ledger = &self.parts.ledger;
        ledger.renew_for(&mut held, minutes.unwrap_or(before)).await.map_err(of_claim)?;
        self.keep_marked(&held.claim).await;
        let lease = held.claim.assistant.as_ref().map_or(Duration::ZERO, Assistant::lease);
        Ok(self.hold(&held.claim, lease))
    }

    /// Gives a claim up.
    pub(super) async fn release(&self, ask: ReleaseAsk) -> Result<Hold, DeskError> {
        // As what runs say at their end, wherever it is told: on the board, in the record, to the next one.
        let ask = ReleaseAsk { comment: without_secrets(&ask.comment), ..ask };
        let held = self.own(ask.task, ask.fence, &ask.principal).await?;
        if let Some(found) = self.took_over(&held.claim).await? {
            return Err(self.yielded(held, found, &ask.comment, &ask.principal).await?);
        }
        if ask.leave == Leave::Review {
            // Refused before anything is written, or not at all.
            self.review_status(&self.task(ask.task).await?).await?;
        }
        let task = held.claim.task;
        let mut hand = self.in_hand(held).await?;
        hand.run.summary = ask.comment;
        hand.run.reviewer = ask.reviewer;
        // As what runs offer: masked before it is cut.
        let evidence: Vec<String> =
            ask.evidence.iter().map(|piece| without_secrets(piece)).collect();
        hand.run.evidence = receipt::kept(&evidence);
        let ending = self.ending_as_asked(&hand, ask.leave).await;
        match self.leave(hand, ending).await? {
            Left::As(claim, Ending { how: EndKind::Released, .. }) => {
                Ok(self.hold(&claim, Duration::ZERO))
            }
            Left::As(_, Ending { reason, detail, .. }) => {
                self.knows(task, &ask.principal).await;
                Err(gave_way(task, reason, &detail))
            }
            Left::ByOthers => Err(handed_back_already(task)),
        }
    }

    /// How somebody stands to the claim on a task; their own is renewed. Whoever lost one and would
    /// change the task is told first, once.
    pub(super) async fn standing(
        &self,
        task: TaskId,
        principal: &Principal,
        would_change: bool,
    ) -> Result<Standing, DeskError> {
        let held = self.parts.ledger.holding(task).await.map_err(of_claim)?;
        let own = held.as_ref().filter(|(claim, _)| is_of(claim, principal));
        if own.is_none() && would_change {
            Box::pin(self.tell_loser(task, principal)).await?;
        }
        let Some((claim, left)) = held else { return Ok(Standing::Free) };
        if Self::is_asked_by(&claim, principal) {
            return Ok(Standing::Asked);
        }
        if !is_of(&claim, principal) || claim.phase != Phase::Working {
            return Ok(Standing::Others(self.hold(&claim, left)));
        }
        let held = self.own(task, claim.fence, principal).await?;
        if let Some(found) = self.took_over(&claim).await? {
            return Err(self.yielded(held, found, "", principal).await?);
        }
        let held = self.renewed(held).await?;
        let hand = self.in_hand(held).await?;
        Ok(Standing::Own(Box::new(self.run_context(&hand, crate::domain::EffectActor::Agent))))
    }

    /// An assistant that lost its claim on a task does not know by itself: it calls when it likes.
    async fn tell_loser(&self, task: TaskId, principal: &Principal) -> Result<(), DeskError> {
        let ledger = &self.parts.ledger;
        let Some(claim) = ledger.claim(task).await.map_err(of_claim)? else { return Ok(()) };
        if claim.holder.is_some() && is_of(&claim, principal) {
            // Its lease is over, and nobody has seen to it yet.
            Box::pin(self.sweep(task)).await?;
        } else if claim.untold.is_empty() {
            return Ok(());
        }
        let told = ledger.tell_loser(task, &principal.key()).await.map_err(of_claim)?;
        let Some(Untold { run, reason, at, why, .. }) = told else { return Ok(()) };
        let record = ledger.run(run.as_str()).await.map_err(of_ledger)?;
        let detail = record.map(|run| run.detail).unwrap_or_default();
        let said = [why, detail].into_iter().find(|text| !text.is_empty());
        let message = format!(
            "your claim on task {task} (run {run}) ended at {}: {}; nothing was written. Look at the \
             task; claimTask takes it again, and the same call once more is done without a claim",
            text_of(at),
            said.unwrap_or_else(|| reason.text().to_owned())
        );
        Err(DeskError::Refused { reason: Reason::ClaimLost, message })
    }

    /// Whoever is being told otherwise need not be told again.
    async fn knows(&self, task: TaskId, principal: &Principal) {
        if let Err(error) = self.parts.ledger.tell_loser(task, &principal.key()).await {
            tracing::warn!(%task, %error, "somebody may be told twice that their claim ended");
        }
    }

    /// Renews the claim on a task if it is theirs.
    pub(super) async fn keep(&self, task: TaskId, principal: &Principal) -> Result<(), DeskError> {
        let Some((claim, _)) = self.parts.ledger.holding(task).await.map_err(of_claim)? else {
            return Ok(());
        };
        if is_of(&claim, principal) && claim.phase == Phase::Working {
            let held = self.own(task, claim.fence, principal).await?;
            self.renewed(held).await?;
        }
        Ok(())
    }

    async fn renewed(&self, mut held: Held) -> Result<Held, DeskError> {
        if self.parts.ledger.since_renewal(&held) > RENEWED_JUST_NOW {
            self.parts.ledger.renew(&mut held).await.map_err(of_claim)?;
            self.keep_marked(&held.claim).await;
        }
        Ok(held)
    }

    /// The claim of a caller who names its fence.
    async fn own(
        &self,
        task: TaskId,
        fence: Fence,
        principal: &Principal,
    ) -> Result<Held, DeskError> {
        let found = self.parts.ledger.holding(task).await.map_err(of_claim)?;
        if let Some((claim, left)) = found.filter(|(claim, _)| !is_of(claim, principal)) {
            self.knows(task, principal).await;
            return Err(self.taken(&claim, left, principal));
        }
        let taken = self.parts.ledger.take_up(task, fence).await;
        if matches!(taken, Err(ClaimError::Lost { .. })) {
            self.knows(task, principal).await;
        }
        taken.map_err(|error| match error {
            ClaimError::Lost { reason, detail } => DeskError::Refused {
                reason,
                message: format!(
                    "you do not hold task {task} under fence {fence}: {detail}; listClaims says who \
                     does, claimTask takes it when it is free"
                ),
            },
            error => of_claim(error),
        })
    }

    /// No agent works while everything is stopped.
    async fn may_work(&self, principal: &Principal) -> Result<(), DeskError> {
        if principal.person.kind != PersonKind::Agent {
            return Ok(());
        }
        if self.parts.stopped().await.map_err(of_ledger)?.is_some() {
            let message = Reason::Stopped.text().to_owned();
            return Err(DeskError::Refused { reason: Reason::Stopped, message });
        }
        Ok(())
    }

    /// Whether this principal may take this task at all.
    async fn may_take(&self, task: &Task, principal: &Principal) -> Result<(), DeskError> {
        let refused = |reason, message: String| Err(DeskError::Refused { reason, message });
        let (id, me) = (task.id, principal.person.id);
        let is_agent = principal.person.kind == PersonKind::Agent;
        self.may_work(principal).await?;
        if self.left_to_people(id, principal).await?.is_some() {
            let message = format!("task {id} was handed over and waits for a person's decision");
            return refused(Reason::Waiting, message);
        }
        if is_agent && task.has_tag(STOP_TAG) {
            return refused(Reason::StopTag, format!("task {id} has the tag {STOP_TAG}"));
        }
        if is_agent && task.assignee.is_some_and(|assignee| assignee != me) {
            let message =
                format!("task {id} is assigned to somebody else; ask them to unassign it");
            return refused(Reason::Assigned, message);
        }
        let project = self.parts.board.project(task.project).await.map_err(of_board)?;
        if project.kind_of(task.status) == StatusKind::Done {
            return refused(Reason::OtherStatus, format!("task {id} is done; reopen it first"));
        }
        Ok(())
    }

    /// Takes the claim in the ledger, and begins the record of what is done under it.
    async fn acquire(
        &self,
        task: &Task,
        ask: &ClaimAsk,
        nonce: String,
    ) -> Result<InHand, DeskError> {
        let ledger = &self.parts.ledger;
        // Before the claim is reserved: whatever is said from here on is said on a claimed task.
        let last = match Marking::on(self.parts) {
            Some(marking) => marking.first_look(task.id).await.map_err(refused)?,
            None => self.parts.journal.last_comment(task.id).await.map_err(of_board)?,
        };
        let assistant = Assistant::of(&ask.principal, ask.minutes);
        let run = RunId::new(format!("m-{}", self.parts.entropy.nonce()));
        let acquire = Acquire {
            task: task.id,
            run,
            playbook: playbook::name_of(playbook::ASSISTANT),
            attempt: 1,
            lease: assistant.lease(),
            nonce,
            resume: None,
            comment: Some(last),
        };
        let mut answer = ledger.acquire_for(acquire.clone(), assistant.clone()).await;
        if matches!(answer, Err(ClaimError::Store(_))) {
            // A reply that was lost is recognised by its nonce (C6).
            answer = ledger.acquire_for(acquire, assistant).await;
        }
        let held = match answer {
            Ok(held) => held,
            Err(ClaimError::Held { claim }) => {
                let left = ledger.holding(task.id).await.map_err(of_claim)?;
                let left = left.map_or(Duration::ZERO, |(_, left)| left);
                return Err(self.taken(&claim, left, &ask.principal));
            }
            Err(error) => return Err(of_claim(error)),
        };
        let run = Run {
            id: held.claim.run.clone(),
            playbook: playbook::name_of(playbook::ASSISTANT),
            definition: playbook::HASH.to_owned(),
            occurrence: OccurrenceId::new(format!("{}/{}", playbook::ASSISTANT, held.claim.run)),
            task: Some(task.id),
            attempt: 1,
            fence: Some(held.claim.fence),
            state: RunState::Running,
            reason: None,
            detail: String::new(),
            outcome: None,
            summary: String::new(),
            started: self.parts.clock.wall(),
            ended: None,
            usage: Usage::default(),
            daemon: Some(self.parts.settings.daemon.clone()),
            settle_from: None,
            left: None,
            reviewer: None,
            by: None,
            looked_at: None,
            evidence: Vec::new(),
        };
        let hand = InHand { held, run, tally: Arc::default() };
        if let Err(error) = ledger.start_run(&hand.run, playbook::SOURCE).await {
            self.end(hand, EndKind::Released, Reason::StoreFailed).await;
            return Err(of_ledger(error));
        }
        Ok(hand)
    }

    /// A claim with its record.
    async fn in_hand(&self, held: Held) -> Result<InHand, DeskError> {
        let found = self.parts.ledger.run(held.claim.run.as_str()).await.map_err(of_ledger)?;
        let run = found.ok_or_else(|| DeskError::Failed {
            what: format!("the record of {} is not there", held.claim.run),
            source: None,
        })?;
        let last = earlier::last_seq(self.parts, &run).await.map_err(of_ledger)?;
        let tally = Arc::new(Tally::new(last, BTreeMap::new()));
        Ok(InHand { held, run, tally })
    }

    /// Whether a person took over the task of a claim that is held.
    async fn took_over(&self, claim: &Claim) -> Result<Option<(Reason, String)>, DeskError> {
        let claim = Claim { phase: Phase::Working, ..claim.clone() };
        self.parts.journal.look(&claim).await.map_err(of_board)
    }

    /// A person took over: the claim ends, and the caller is told why.
    async fn yielded(
        &self,
        held: Held,
        (reason, detail): (Reason, String),
        last_words: &str,
        principal: &Principal,
    ) -> Result<DeskError, DeskError> {
        let task = held.claim.task;
        self.give_way(held, (reason, detail.clone()), last_words).await?;
        self.knows(task, principal).await;
        Ok(gave_way(task, reason, &detail))
    }

    async fn task(&self, task: TaskId) -> Result<Task, DeskError> {
        match self.parts.board.task(task).await {
            Ok(task) => Ok(task),
            Err(BoardError::NotFound { .. }) => {
                Err(DeskError::NotFound(format!("task {task} is not on the board")))
            }
            Err(error) => Err(of_board(error)),
        }
    }

    fn hold(&self, claim: &Claim, left: Duration) -> Hold {
        let is_held = claim.holder.is_some();
        Hold {
            task: claim.task,
            fence: claim.fence,
            run: claim.run.clone(),
            by: name_of(claim),
            phase: claim.phase,
            until: is_held.then(|| self.parts.clock.wall() + to_delta(left)),
            answer: None,
        }
    }

    fn taken(&self, claim: &Claim, left: Duration, principal: &Principal) -> DeskError {
        let hold = self.hold(claim, left);
        let until = hold.until.map_or("a person has answered".to_owned(), text_of);
        let whose = if is_of(claim, principal) {
            format!("you, or another assistant of yours, hold task {}", hold.task)
        } else {
            format!("task {} is held by {}", hold.task, hold.by)
        };
        let (run, fence) = (&hold.run, hold.fence);
        let message =
            format!("{whose} (run {run}, fence {fence}) until {until}, or longer if renewed");
        DeskError::Refused { reason: Reason::AlreadyClaimed, message }
    }
}

fn gave_way(task: TaskId, reason: Reason, detail: &str) -> DeskError {
    let message = format!("your claim on task {task} has ended: {detail}; what they did stays");
    DeskError::Refused { reason, message }
}

/// Whether the claim is this caller's.
pub(super) fn is_of(claim: &Claim, principal: &Principal) -> bool {
    claim.assistant.as_ref().is_some_and(|assistant| assistant.principal == principal.key())
}

/// Who holds or held a claim, for people.
pub(super) fn name_of(claim: &Claim) -> String {
    claim.assistant.as_ref().map_or_else(
        || format!("the playbook {}", claim.playbook),
        |assistant| assistant.name.clone(),
    )
}

pub(super) fn of_claim(error: ClaimError) -> DeskError {
    match error {
        ClaimError::Store(source) => of_ledger(LedgerError::Store(source)),
        ClaimError::Lost { reason, detail } => DeskError::Refused { reason, message: detail },
        error => DeskError::Refused { reason: Reason::AlreadyClaimed, message: error.to_string() },
    }
}

fn of_ledger(error: LedgerError) -> DeskError {
    super::dispatcher::failed(error)
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
pub(super) fn of_board(error: BoardError) -> DeskError {
    DeskError::Refused { reason: Reason::BoardUnavailable, message: error.to_string() }
}

pub(super) fn of_tool(error: ToolError) -> DeskError {
    match error {
        ToolError::Rejected { reason, message, .. } => DeskError::Refused { reason, message },
        ToolError::Fatal { reason, message, source: None } => {
            DeskError::Refused { reason, message }
        }
        ToolError::Fatal { message, source, .. } => DeskError::Failed { what: message, source },
    }
}

fn handed_back_already(task: TaskId) -> DeskError {
    let message = format!("task {task} is being handed back already");
    DeskError::Refused { reason: Reason::ClaimLost, message }
}
