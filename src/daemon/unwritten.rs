//! Decisions that broke off before the board showed them: finished, or at least told, in the name of
//! whoever decided.

use super::assistants::of_tool;
use super::dispatcher::{Dispatcher, failed};
use super::reviews::{comment_of, of_board, was_said, write};
use crate::board::BoardError;
use crate::domain::{HandOver, Initiative, PersonId, Principal, Task, Value};
use crate::tools::Context;
use crate::tools::desk::DeskError;
use std::collections::BTreeSet;
use std::time::Duration;

/// So long whoever decided may write it down on the board.
const PATIENCE: Duration = Duration::from_mins(1);

impl Dispatcher {
    /// Decisions that broke off half-way are finished, in the name of whoever decided.
    pub(super) async fn finish_reviews(&mut self) {
        let mut unwritten = match self.parts.ledger.unwritten_reviews().await {
            Ok(unwritten) => unwritten,
            Err(error) => return tracing::warn!(%error, "decisions could not be read"),
        };
        let overtaken = match self.parts.ledger.overtaken_reviews().await {
            Ok(overtaken) => overtaken,
            Err(error) => return tracing::warn!(%error, "decisions could not be read"),
        };
        self.leave_new(&mut unwritten);
        if unwritten.is_empty() && overtaken.is_empty() {
            return;
        }
        // Whoever decides at this moment writes it alone, and the look at everything else goes on.
        let Ok(_alone) = self.parts.deciding.try_lock() else { return };
        for hand_over in unwritten {
            if let Err(error) = self.finish_review(&hand_over).await {
                tracing::warn!(
                    task = %hand_over.task, error = &error as &dyn std::error::Error,
                    "a decision is not on the board yet; it is tried again"
                );
            }
        }
        for hand_over in overtaken {
            if let Err(error) = self.say_overtaken(&hand_over).await {
                tracing::warn!(
                    task = %hand_over.task, error = &error as &dyn std::error::Error,
                    "an earlier decision is not told on the task yet; it is tried again"
                );
            }
        }
    }

    /// Where daemons share a store, another one may be writing what it has just heard: only what is known
    /// for longer has broken off.
    fn leave_new(&mut self, unwritten: &mut Vec<HandOver>) {
        let of = |hand_over: &HandOver| (hand_over.task, hand_over.run.clone());
        let known: BTreeSet<_> = unwritten.iter().map(of).collect();
        self.beliefs.unwritten.retain(|key, _| known.contains(key));
        if !self.parts.ledger.is_shared() {
            return;
        }
        let now = self.parts.clock.boot();
        unwritten.retain(|hand_over| {
            let since = *self.beliefs.unwritten.entry(of(hand_over)).or_insert(now);
            now.saturating_sub(since) >= PATIENCE
        });
    }

    /// What somebody decided about earlier work is told on the task, and moves nothing: who handed it
    /// over anew did not know of it, and they have not seen what is there now.
    async fn say_overtaken(&self, hand_over: &HandOver) -> Result<(), DeskError> {
        let parts = &self.parts;
        let Some(decided) = &hand_over.decided else { return Ok(()) };
        let text = format!(
            "{}\n\nThis was decided about run `{}`; the task was handed over anew meanwhile, and that waits \
             for a decision.",
            comment_of(hand_over, decided),
            hand_over.run
        );
        let is_there = match parts.board.task(hand_over.task).await {
            Ok(Task { .. }) => true,
            Err(BoardError::NotFound { .. }) => false,
            Err(error) => return Err(of_board(error)),
        };
        if is_there && !was_said(parts, hand_over.task, decided, &text).await? {
            let context = self.in_the_name_of(decided.by).await?;
            let args = Value::map([
                ("module", Value::from("ticket")),
                ("entityId", hand_over.task.0.into()),
                ("text", text.into()),
            ]);
            parts.tools.call("addComment", args, &context).await.map_err(of_tool)?;
        }
        let said = parts.ledger.overtaken_written(hand_over.task, &hand_over.run).await;
        said.map_err(failed)
    }

    /// With the rights of whoever decided, whom no claim stands in the way of.
    async fn in_the_name_of(&self, person: PersonId) -> Result<Context, DeskError> {
        let person = self.parts.board.person(person).await.map_err(of_board)?;
        let principal = Principal { person, by: Initiative::Person };
        Ok(Context::person(principal, self.parts.settings.zone).by_hand())
    }

    async fn finish_review(&self, hand_over: &HandOver) -> Result<(), DeskError> {
        let parts = &self.parts;
        // As it is now: it may have been written meanwhile.
        let now = parts.ledger.hand_over(hand_over.task).await.map_err(failed)?;
        let Some(now) = now.filter(|now| now.run == hand_over.run) else { return Ok(()) };
        let Some(decided) = now.decided.as_ref().filter(|decided| !decided.written) else {
            return Ok(());
        };
        match parts.board.task(now.task).await {
            Ok(Task { .. }) => {}
            Err(BoardError::NotFound { .. }) => {
                let written = parts.ledger.review_written(now.task, &now.run).await;
                return written.map_err(failed);
            }
            Err(error) => return Err(of_board(error)),
        }
        let context = self.in_the_name_of(decided.by).await?;
        write(parts, &now, &context).await.map(|_| ())
    }
}
