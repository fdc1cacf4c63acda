//! Questions of assistants: a claim waits for a person's answer, without a lease, and goes on when its
//! holder comes for it. A playbook's question is resumed by the daemon; here nobody else could work on.

use super::{
    Assistants, DeskError, gave_way, handed_back_already, is_of, name_of, of_board, of_claim,
    of_ledger, of_tool,
};
use crate::daemon::brief::text_of;
use crate::daemon::dispatcher::Dispatcher;
use crate::daemon::journal::comment_of;
use crate::daemon::questions::told;
use crate::domain::{
    Assistant, Claim, Comment, HandOver, Parked, PersonId, PersonKind, Phase, Principal, Reason,
    RunId, TaskId, Timestamp, WaitItem, to_delta,
};
use crate::fault::without_secrets;
use crate::ledger::{ClaimError, LogLine};
use crate::tools::desk::{ClaimAsk, Hold, QuestionAsk};
use std::time::Duration;

/// The line of an assistant's transcript that holds what a person answered.
const ANSWER: &str = "answer";
/// More lines than an assistant's transcript has.
const LINES_MAX: usize = 1_000;

impl Assistants<'_> {
    /// Asks a person on the task, and lets the claim wait.
    pub(in crate::daemon) async fn ask_person(&self, ask: QuestionAsk) -> Result<Hold, DeskError> {
        let ask = QuestionAsk { question: without_secrets(&ask.question), ..ask };
        let held = self.own(ask.task, ask.fence, &ask.principal).await?;
        if held.claim.phase != Phase::Working {
            return Err(handed_back_already(ask.task));
        }
        if let Some(found) = self.took_over(&held.claim).await? {
            return Err(self.yielded(held, found, &ask.question, &ask.principal).await?);
        }
        let task = self.task(ask.task).await?;
        let mut hand = self.in_hand(held).await?;
        let since = self.parts.clock.wall();
        let until = since + to_delta(ask.within);
        let whom = ask.person.as_ref().map_or_else(String::new, |asked| format!(" {}", asked.name));
        let text = format!(
            "**{}** asks{whom}:\n\n{}\n\nThe next comment of a person is the answer. Without one until \
             {} the task goes back.",
            name_of(&hand.held.claim),
            ask.question,
            text_of(until)
        );
        let said = self.comment(&hand, &task, text).await.map_err(of_tool)?;
        let asked = match said.effect.as_ref().and_then(comment_of) {
            Some(comment) => comment,
            None => self.parts.journal.last_comment(ask.task).await.map_err(of_board)?,
        };
        let parked =
            Parked { since, until, question: ask.question, comment: Some(asked), answer: None };
        match self.parts.ledger.park_for(&mut hand.held, parked).await {
            Ok(()) => {
                // Not before: where it does not wait, it is nobody's turn.
                if let Some(person) = &ask.person {
                    self.is_their_turn(ask.task, since, person.id).await;
                }
                if let Err(error) = self.unmark(&hand.held.claim).await {
                    tracing::warn!(
                        task = %ask.task, error = &error as &dyn std::error::Error,
                        "its marker is not closed and ends by itself"
                    );
                }
                Ok(Hold { until: Some(until), ..self.hold(&hand.held.claim, Duration::ZERO) })
            }
            Err(ClaimError::Phase { .. }) => Err(handed_back_already(ask.task)),
            Err(error) => Err(of_claim(error)),
        }
    }

    /// A question to somebody waits for them, whoever the task is assigned to.
    async fn is_their_turn(&self, task: TaskId, since: Timestamp, person: PersonId) {
        let item = WaitItem::Task(task);
        let noted = self.parts.ledger.note_queue(&item, since, |note| note.owner = Some(person));
        if let Err(error) = noted.await {
            tracing::warn!(%task, %error, "whom a question is for is not noted: it waits for all");
        }
    }

    /// The holder comes back for the answer to its question.
    pub(super) async fn go_on(
        &self,
        claim: Claim,
        nonce: String,
        ask: &ClaimAsk,
    ) -> Result<Hold, DeskError> {
        let Some(parked) = claim.parked.clone() else {
            return Err(handed_back_already(claim.task));
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
        // Before it works again: whoever repeats the call is told the answer again.
        let line = self.line_of(&claim, &parked, &answer).await;
        ledger.log(&claim.run, &[line]).await.map_err(of_ledger)?;
        let assistant = Assistant::of(&ask.principal, ask.minutes);
        let lease = assistant.lease();
        let held = ledger.take_up_parked(&claim, assistant, nonce).await.map_err(of_claim)?;
        self.knows(claim.task, &ask.principal).await;
        // From here on it works again, whatever fails: the record and the board are told of the new
        // fence so that what comes late under the old one is known for what it is.
        let fence = held.claim.fence;
        if let Err(error) = self.parts.board.raise_fence(claim.task, fence).await {
            tracing::warn!(task = %claim.task, %error, "the board does not know the new fence yet");
        }
        let mut hand = self.in_hand(held.clone()).await?;
        hand.run.fence = Some(fence);
        ledger.update_run(&hand.run).await.map_err(of_ledger)?;
        let task = self.task(claim.task).await?;
        let text = format!("**{}** goes on with the answer.", name_of(&claim));
        if let Err(error) = self.mark(&mut hand, &task, &text).await {
            // Another daemon was quicker.
            self.give_way(held, (Reason::LostRace, error.to_string()), "").await?;
            return Err(error);
        }
        Ok(Hold { answer: Some(answer.text), ..self.hold(&hand.held.claim, lease) })
    }

    /// The answer that a claim went on with, for a holder who did not hear it.
    pub(super) async fn answer_given(&self, claim: &Claim) -> Option<String> {
        Some(self.last_answer(&claim.run).await?.text)
    }

    /// The same with its parts: what was asked, by whom it was answered.
    pub(in crate::daemon) async fn last_answer(&self, run: &RunId) -> Option<LogLine> {
        let lines = self.parts.ledger.transcript(run, 0, LINES_MAX).await.ok()?;
        lines.into_iter().map(|line| line.line).rfind(|line| line.kind == ANSWER)
    }

    async fn line_of(&self, claim: &Claim, parked: &Parked, answer: &Comment) -> LogLine {
        let people = self.parts.board.people().await.unwrap_or_default();
        let data = told(claim, parked, Some((answer, people.as_slice())));
        LogLine { data, ..LogLine::new(self.parts.clock.wall(), ANSWER, answer.text.as_str()) }
    }

    /// The question that keeps a task, where its time is over and nobody has answered.
    pub(super) async fn overdue(&self, task: TaskId) -> Result<Option<Claim>, DeskError> {
        let claim = self.parts.ledger.claim(task).await.map_err(of_claim)?;
        let Some((claim, parked)) = claim.and_then(|claim| {
            let parked = claim.parked.clone().filter(|_| claim.assistant.is_some())?;
            Some((claim, parked))
        }) else {
            return Ok(None);
        };
        if parked.until > self.parts.clock.wall() {
            return Ok(None);
        }
        let answer = self.parts.journal.answer_to(&claim, &parked).await.map_err(of_board)?;
        Ok(Some(claim).filter(|_| answer.is_none()))
    }

    /// What an agent, or whoever handed the task over, has to leave to people: a hand-over that waits.
    pub(in crate::daemon) async fn left_to_people(
        &self,
        task: TaskId,
        principal: &Principal,
    ) -> Result<Option<HandOver>, DeskError> {
        let found = self.parts.ledger.hand_over(task).await.map_err(of_ledger)?;
        let is_open = |hand_over: &HandOver| {
            hand_over.decided.as_ref().is_none_or(|decided| !decided.written)
        };
        let Some(hand_over) = found.filter(is_open) else { return Ok(None) };
        let assistant = hand_over.assistant.as_ref();
        let is_theirs = assistant.is_some_and(|one| one.principal == principal.key());
        if !is_theirs && principal.person.kind != PersonKind::Agent {
            return Ok(None);
        }
        let now = self.task(task).await?;
        Ok(Some(hand_over).filter(|hand_over| hand_over.status == now.status))
    }

    /// Whether a claim that waits is this caller's own.
    pub(super) fn is_asked_by(claim: &Claim, principal: &Principal) -> bool {
        claim.phase == Phase::Parked && is_of(claim, principal)
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
