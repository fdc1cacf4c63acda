//! Questions of assistants: a claim waits for a person's answer, without a lease, and goes on when its
//! holder comes for it. A playbook's question is resumed by the daemon; here nobody else could work on.

use super::{Assistants, DeskError, gave_way, name_of, of_board, of_claim, of_ledger, of_tool};
use crate::daemon::brief::text_of;
use crate::daemon::dispatcher::Dispatcher;
use crate::domain::{
    Assistant, Claim, CommentId, EffectResult, Entity, Phase, Reason, Timestamp, to_delta,
};
use crate::ledger::Acquire;
use crate::tools::ToolResult;
use crate::tools::desk::{ClaimAsk, Hold, QuestionAsk};
use std::time::Duration;

impl Assistants<'_> {
    /// Asks a person on the task, and lets the claim wait.
    pub(in crate::daemon) async fn ask_person(&self, ask: QuestionAsk) -> Result<Hold, DeskError> {
        let held = self.own(ask.task, ask.fence, &ask.principal).await?;
        if held.claim.phase != Phase::Working {
            return Err(super::handed_back_already(ask.task));
        }
        if let Some(found) = self.took_over(&held.claim).await? {
            return Err(self.yielded(held, found, &ask.question, &ask.principal).await?);
        }
        let task = self.task(ask.task).await?;
        let mut hand = self.in_hand(held).await?;
        let until = self.parts.clock.wall() + to_delta(ask.within);
        let whom = ask.person.map_or_else(String::new, |person| format!(" {person}"));
        let text = format!(
            "**{}** asks{whom}:\n\n{}\n\nThe next comment of a person is the answer. Without one until \
             {} the task goes back.",
            name_of(&hand.held.claim),
            ask.question,
            text_of(until)
        );
        let said = self.comment(&hand, &task, text).await.map_err(of_tool)?;
        let asked = match comment_of(&said) {
            Some(comment) => comment,
            None => self.parts.journal.last_comment(ask.task).await.map_err(of_board)?,
        };
        let ledger = &self.parts.ledger;
        let parked = ledger.park(&mut hand.held, &ask.question, Some(asked), until).await;
        parked.map_err(of_claim)?;
        let claim = ledger.claim(ask.task).await.map_err(of_claim)?.unwrap_or(hand.held.claim);
        Ok(Hold { until: Some(until), ..self.hold(&claim, Duration::ZERO) })
    }

    /// The holder comes back for the answer to its question.
    pub(super) async fn go_on(&self, claim: Claim, ask: &ClaimAsk) -> Result<Hold, DeskError> {
        let Some(parked) = claim.parked.clone() else {
            return Err(super::handed_back_already(claim.task));
        };
        if let Some((reason, detail)) = self.took_over(&claim).await? {
            self.hand_back(&claim).await?;
            self.knows(claim.task, &ask.principal).await;
            return Err(gave_way(claim.task, reason, &detail));
        }
        let answer = self.parts.journal.answer_to(&claim, &parked).await.map_err(of_board)?;
        let Some(answer) = answer else {
            return Err(DeskError::Refused {
                reason: Reason::Waiting,
                message: format!(
                    "nobody has answered yet what you asked about task {} at {}; come again until {}",
                    claim.task,
                    text_of(parked.since),
                    text_of(parked.until)
                ),
            });
        };
        let ledger = &self.parts.ledger;
        let assistant = Assistant::of(&ask.principal, ask.minutes);
        let lease = assistant.lease();
        let acquire = Acquire {
            task: claim.task,
            run: claim.run.clone(),
            playbook: claim.playbook.clone(),
            attempt: claim.attempt,
            lease,
            nonce: ledger.nonce(),
            resume: Some(claim.fence),
            comment: None,
        };
        let mut held = ledger.acquire_for(acquire, assistant).await.map_err(of_claim)?;
        let fence = held.claim.fence;
        self.parts.board.raise_fence(claim.task, fence).await.map_err(of_board)?;
        let mut run = self.in_hand(held.clone()).await?.run;
        run.fence = Some(fence);
        ledger.update_run(&run).await.map_err(of_ledger)?;
        ledger.advance(&mut held, Phase::Working, None, None).await.map_err(of_claim)?;
        Ok(Hold { answer: Some(answer.text), ..self.hold(&held.claim, lease) })
    }
}

/// The comment that a call wrote.
fn comment_of(said: &ToolResult) -> Option<CommentId> {
    match said.effect.as_ref()?.result.as_ref()? {
        EffectResult::Done { entity: Entity::Comment(id), .. } => Some(*id),
        _ => None,
    }
}

impl Dispatcher {
    /// A question of an assistant that is overdue, or whose task a person took over, is given up; the
    /// answer of another waits for the assistant.
    pub(in crate::daemon) async fn see_to_assistants_question(
        &self,
        claim: &Claim,
        now: Timestamp,
    ) {
        let assistants = Assistants::new(&self.parts);
        let is_overdue = claim.parked.as_ref().is_some_and(|parked| parked.until <= now);
        let given_up = match assistants.took_over(claim).await {
            Ok(found) => is_overdue || found.is_some(),
            Err(error) => {
                return tracing::warn!(
                    task = %claim.task, error = &error as &dyn std::error::Error,
                    "an assistant's task could not be looked at"
                );
            }
        };
        if given_up {
            self.recover_of_assistant(claim).await;
        }
    }
}
