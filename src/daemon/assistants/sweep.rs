//! What the daemon does about assistants' claims by itself: nobody renewed one, an operator took one
//! away, or a person took its task over.

use super::board::Ending;
use super::{Assistants, DeskError, InHand, name_of, of_claim, of_ledger};
use crate::board::BoardError;
use crate::daemon::brief::text_of;
use crate::daemon::dispatcher::Dispatcher;
use crate::daemon::{earlier, fate};
use crate::domain::{Claim, EndKind, Phase, Reason, Run, RunState, TaskId, Wrote};
use crate::ledger::{Acquire, ClaimError, Held};
use crate::tools::desk::Leave;
use std::time::Duration;

/// Long enough to put a task back.
const LEASE: Duration = Duration::from_mins(1);

impl Assistants<'_> {
    /// Hands a task back whose assistant is gone, where no daemon has done so yet.
    pub(super) async fn sweep(&self, task: TaskId) -> Result<(), DeskError> {
        let ledger = &self.parts.ledger;
        let mut ended = ledger.expire_assistant(task).await.map_err(of_claim)?;
        if ended.is_none() {
            ended = self.overdue(task).await?;
        }
        if ended.is_none() {
            let orphans = ledger.orphans().await.map_err(of_claim)?;
            let is_its = |orphan: &Claim| orphan.task == task && orphan.assistant.is_some();
            ended = orphans.into_iter().find(is_its);
        }
        match ended {
            Some(claim) => self.hand_back(&claim).await,
            None => Ok(()),
        }
    }

    /// Puts the task of an ended claim back, with a comment that says why; where its holder had asked
    /// for another end already, that is finished.
    pub(in crate::daemon) async fn hand_back(&self, claim: &Claim) -> Result<(), DeskError> {
        let ledger = &self.parts.ledger;
        let run = ledger.run(claim.run.as_str()).await.map_err(of_ledger)?;
        let may_show = claim.phase > Phase::Reserved || claim.wrote != Wrote::default();
        let Some(run) = run.filter(|run| may_show && run.state == RunState::Running) else {
            return self.put_away(claim).await;
        };
        let Some(assistant) = claim.assistant.clone() else { return Ok(()) };
        let ask = Acquire {
            task: claim.task,
            run: claim.run.clone(),
            playbook: claim.playbook.clone(),
            attempt: claim.attempt,
            lease: LEASE,
            nonce: ledger.nonce(),
            resume: Some(claim.fence),
            comment: None,
        };
        let held = match ledger.acquire_for(ask, assistant.clone()).await {
            Ok(held) => held,
            // Somebody else saw it first, and sees to it.
            Err(ClaimError::Held { .. } | ClaimError::Lost { .. }) => return Ok(()),
            Err(error) => return Err(of_claim(error)),
        };
        // From here on nobody else acts for it. What is still on its way may not arrive any more, once
        // it is asked what did.
        match self.parts.board.raise_fence(claim.task, held.claim.fence).await {
            Ok(()) | Err(BoardError::NotFound { .. }) => {}
            Err(error) => return Err(super::of_board(error)),
        }
        fate::learn(self.parts, &run).await.map_err(of_ledger)?;
        let mut hand = self.in_hand(held).await?;
        if hand.run.reason.is_none() {
            // Known also to whoever has to try again.
            hand.run.fence = Some(hand.held.claim.fence);
            (hand.run.reason, hand.run.detail) = why_it_ended(claim, assistant.minutes);
            ledger.update_run(&hand.run).await.map_err(of_ledger)?;
        }
        // Until it was announced the values of before may stand there, and nobody set them.
        let is_new = matches!(hand.run.reason, Some(Reason::Interrupted | Reason::ForceReleased));
        let announced = claim.phase <= Phase::Announced && is_new;
        let phase = if announced { Phase::Announced } else { Phase::Working };
        let looked = Claim { phase, ..hand.held.claim.clone() };
        let found = self.parts.journal.look(&looked).await.map_err(super::of_board)?;
        let ending = match found {
            Some(found) => {
                let last_words = hand.run.summary.clone();
                self.giving_way(&hand, found, &last_words).await
            }
            None => match asked_for(&hand.run) {
                Some(leave) => self.ending_as_asked(&hand, leave).await,
                None => self.handing_back(&hand).await,
            },
        };
        self.leave(hand, ending).await.map(|_| ())
    }

    /// The holder is gone, or has to go.
    async fn handing_back(&self, hand: &InHand) -> Ending {
        let why = hand.run.detail.clone();
        let comment = format!(
            "**{}** does not hold this task any more: {why}.\n\n- Done so far: {}\n\nAssignee, status \
             and tags are as they were before the claim, where nobody else changed them.",
            name_of(&hand.held.claim),
            self.done_so_far(&hand.run).await
        );
        Ending {
            state: RunState::ClaimLost,
            how: EndKind::Released,
            reason: hand.run.reason.unwrap_or(Reason::LeaseExpired),
            detail: why,
            comment,
            leave: Leave::PutBack,
        }
    }

    /// A person took over: what they set stays, the rest goes back, and a comment tells how it stands.
    pub(super) async fn give_way(
        &self,
        held: Held,
        found: (Reason, String),
        last_words: &str,
    ) -> Result<(), DeskError> {
        let mut hand: InHand = self.in_hand(held).await?;
        last_words.trim().clone_into(&mut hand.run.summary);
        let ending = self.giving_way(&hand, found, last_words).await;
        self.leave(hand, ending).await.map(|_| ())
    }

    /// How it is left when a person took over.
    pub(super) async fn giving_way(
        &self,
        hand: &InHand,
        (reason, detail): (Reason, String),
        last_words: &str,
    ) -> Ending {
        let last_words = match last_words.trim() {
            "" => String::new(),
            words => format!("\n\n{words}"),
        };
        let comment = format!(
            "**{}** gives way: {detail}.\n\n- Done so far: {}{last_words}",
            name_of(&hand.held.claim),
            self.done_so_far(&hand.run).await
        );
        let (state, how, leave) = (RunState::Yielded, EndKind::Yielded, Leave::PutBack);
        Ending { state, how, reason, detail, comment, leave }
    }

    async fn done_so_far(&self, run: &Run) -> String {
        match earlier::done_text(self.parts, &[], run).await {
            done if done.is_empty() => "nothing that shows".to_owned(),
            done => done,
        }
    }

    /// Nothing of it shows: its record ends, and that is all.
    async fn put_away(&self, claim: &Claim) -> Result<(), DeskError> {
        let ledger = &self.parts.ledger;
        if let Some(run) = ledger.run(claim.run.as_str()).await.map_err(of_ledger)?
            && run.state == RunState::Running
        {
            let ended = Run {
                state: RunState::ClaimLost,
                reason: claim.ended.as_ref().map(|end| end.reason),
                ended: Some(self.parts.clock.wall()),
                ..run
            };
            ledger.finish_run(&ended, Vec::new()).await.map_err(of_ledger)?;
        }
        self.unmark(claim).await?;
        ledger.forget_orphan(claim.task, claim.fence).await.map_err(of_claim)
    }
}

/// What a claim that nobody ended by a call came to.
fn why_it_ended(claim: &Claim, minutes: u32) -> (Option<Reason>, String) {
    let (reason, why) = if claim.was_taken_away() {
        (Reason::ForceReleased, "the claim was taken away".to_owned())
    } else if let Some(parked) = &claim.parked {
        let asked = text_of(parked.since);
        let why = "was not answered in time, or it did not come for the answer";
        (Reason::AnswerOverdue, format!("what it asked at {asked} {why}"))
    } else if claim.phase != Phase::Working {
        (Reason::Interrupted, "something broke off while it was written to".to_owned())
    } else {
        (Reason::LeaseExpired, format!("nothing was heard for {minutes} minutes"))
    };
    (Some(reason), why)
}

/// How its holder asked for the task to be left, where they did before something broke off.
fn asked_for(run: &Run) -> Option<Leave> {
    match run.reason {
        Some(Reason::Cancelled) => Some(Leave::PutBack),
        Some(Reason::HandedOver) => Some(Leave::Review),
        _ => None,
    }
}

impl Dispatcher {
    /// Sees to the ended claim of an assistant.
    pub(in crate::daemon) async fn recover_of_assistant(&self, claim: &Claim) {
        if let Err(error) = Box::pin(Assistants::new(&self.parts).hand_back(claim)).await {
            tracing::warn!(
                task = %claim.task, error = &error as &dyn std::error::Error,
                "an assistant's task could not be handed back; it is tried again"
            );
        }
    }

    /// People win over assistants, too.
    pub(in crate::daemon) async fn reconcile_assistants(&self) {
        let claims = match self.parts.ledger.claims().await {
            Ok(claims) => claims,
            Err(error) => return tracing::warn!(%error, "the claims could not be read"),
        };
        let assistants = Assistants::new(&self.parts);
        let held = |claim: &Claim| claim.assistant.is_some() && claim.phase == Phase::Working;
        for claim in claims.into_iter().filter(held) {
            let task = claim.task;
            if let Err(error) = Box::pin(assistants.give_way_if_taken_over(&claim)).await {
                tracing::warn!(
                    %task, error = &error as &dyn std::error::Error,
                    "an assistant's task could not be looked at"
                );
            }
        }
    }
}

impl Assistants<'_> {
    async fn give_way_if_taken_over(&self, claim: &Claim) -> Result<(), DeskError> {
        let Some(found) = self.took_over(claim).await? else { return Ok(()) };
        // One whose lease has just ended is handed back by the sweep.
        let Ok(held) = self.parts.ledger.take_up(claim.task, claim.fence).await else {
            return Ok(());
        };
        tracing::info!(task = %claim.task, run = %claim.run, reason = %found.0, "a person took over");
        self.give_way(held, found, "").await
    }
}
