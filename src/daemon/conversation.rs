//! Whoever asked a person goes on in the same conversation: it is kept with the claim that waits, and the
//! answer is told in it. Where that cannot be, a new one begins with question and answer in its prompt.

use super::worker::Worker;
use crate::domain::{RunId, TaskId, Value, Work};
use crate::ledger::KeptConversation;
use crate::runner::WorkEnd;
use crate::runner::conversation::{Answered, Conversation};

/// What was asked, and what a person answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The run that asked.
    pub run: RunId,
    /// The question, as it stands on the task.
    pub question: String,
    /// The answer.
    pub text: String,
}

impl Worker {
    /// What was asked and answered, when the claim was parked.
    pub(super) fn put_answer(&mut self) {
        let Some(answer) = self.job.resume.as_ref().and_then(|resume| resume.answer.clone()) else {
            return;
        };
        self.brief.put(
            "question",
            Value::map([
                ("text", Value::from(answer.question)),
                ("answer", answer.text.into()),
                ("answered_by", Value::Null),
            ]),
        );
    }

    /// Keeps the conversation in which was asked. Before anything of the question shows: whoever finishes
    /// asking after a crash knows nothing of it.
    pub(super) async fn keep_conversation(&self, end: &WorkEnd) {
        let (Some(held), Some(conversation)) = (&self.held, &end.conversation) else { return };
        let kept = match conversation.written() {
            Ok(what) => {
                let (run, definition) = (self.run.id.clone(), self.run.definition.clone());
                let kept = KeptConversation { run, definition, what };
                let kept = self.parts.ledger.keep_conversation(held, &kept).await;
                kept.map_err(|error| error.to_string())
            }
            Err(why) => Err(why),
        };
        if let Err(why) = kept {
            self.note(&format!(
                "the conversation is not kept ({why}): the answer begins a new one"
            ))
            .await;
        }
    }

    /// The conversation in which was asked what a person answered, for the attempt that goes on with it.
    /// One that fails is tried again in a new one.
    pub(super) async fn answered(&self) -> Option<Answered> {
        let is_first = self.run.attempt == self.job.attempt;
        let resume = self.job.resume.as_ref().filter(|_| is_first)?;
        let (answer, task) = (resume.answer.as_ref()?, self.job.task?);
        match self.kept(task, &answer.run).await {
            Ok(conversation) => Some(Answered::new(conversation?, &answer.text)),
            Err(why) => {
                let text = format!("the conversation that asked is not gone on with: {why}");
                self.note(&text).await;
                None
            }
        }
    }

    /// What is kept of the run that asked, if anything is; why nobody can go on with it.
    async fn kept(&self, task: TaskId, asked: &RunId) -> Result<Option<Conversation>, String> {
        let kept = self.parts.ledger.conversation(task).await;
        let kept = kept.map_err(|error| format!("it cannot be read: {error}"))?;
        let Some(kept) = kept.filter(|kept| kept.run == *asked) else { return Ok(None) };
        if kept.definition != self.run.definition {
            return Err("the playbook has changed since".to_owned());
        }
        let conversation = Conversation::read(&kept.what)?;
        let fits = match (&conversation, &self.job.playbook.work) {
            (Conversation::Messages(messages), Work::Model { model, .. }) => {
                let model = self.parts.models.get(model);
                model.is_some_and(|model| model.describe() == messages.model)
            }
            (Conversation::Session { .. }, Work::Acp { .. }) => true,
            _ => false,
        };
        if fits { Ok(Some(conversation)) } else { Err("it was another model's".to_owned()) }
    }
}
