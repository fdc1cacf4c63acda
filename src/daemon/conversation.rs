//! Whoever asked a person goes on in the same conversation: it is kept with the claim that waits, and the
//! answer is told in it. Where that cannot be, a new one begins with question and answer in its prompt.

use super::earlier;
use super::worker::{Next, Worker};
use crate::domain::{Claim, Comment, Parked, Person, Reason, RunId, RunState, TaskId, Value, Work};
use crate::ledger::{KeptAnswer, KeptConversation};
use crate::runner::conversation::{Answered, Conversation, News};
use crate::runner::{PROMPT, WorkEnd};
use crate::schedule::backoff;

/// At most so much of what was said after the answer is told, the latest of it.
const LATER_MAX: usize = 20;
/// So much of each, in bytes.
const LATER_BYTES_MAX: usize = 4 * 1024;

/// What was answered, of all that people said since the question.
pub(super) fn answer_of(
    claim: &Claim,
    parked: &Parked,
    said: Vec<Comment>,
    people: &[Person],
) -> Option<KeptAnswer> {
    let mut said = said.into_iter();
    let text = said.next()?.text;
    let mut later: Vec<String> = said.map(|comment| with_author(&comment, people)).collect();
    let left_out = later.len().saturating_sub(LATER_MAX);
    later.drain(..left_out);
    let (run, question) = (claim.run.clone(), parked.question.clone());
    Some(KeptAnswer { run, question, text, later, left_out })
}

fn with_author(comment: &Comment, people: &[Person]) -> String {
    let author = people.iter().find(|person| person.id == comment.author);
    let text = &comment.text;
    let begin = &text[..text.floor_char_boundary(LATER_BYTES_MAX)];
    let cut = if begin.len() < text.len() { " … (the rest is on the task)" } else { "" };
    format!("{}: {begin}{cut}", author.map_or("somebody", |person| person.name.as_str()))
}

impl Worker {
    /// What was answered before a run that heard it broke off: whoever takes its claim up hears it, too.
    pub(super) async fn recall_answer(&mut self) {
        let Some(task) = self.job.task else { return };
        let Some(resume) = self.job.resume.as_mut().filter(|resume| resume.goes_on()) else {
            return;
        };
        match self.parts.ledger.answer(task).await {
            Ok(answer) => resume.answer = answer,
            Err(error) => {
                self.note(&format!("what a person answered cannot be read: {error}")).await;
            }
        }
    }

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

    /// The digest of what its prompt is made from, as that is loaded now.
    pub(super) fn template_digest(&self) -> Option<String> {
        match &self.job.playbook.work {
            Work::Model { prompt, .. }
            | Work::Command { prompt, .. }
            | Work::Acp { prompt, .. } => self.parts.templates().digest(prompt),
            Work::Steps(_) => None,
        }
    }

    /// Keeps the conversation in which was asked. Before anything of the question shows: whoever finishes
    /// asking after a crash knows nothing of it.
    pub(super) async fn keep_conversation(&self, end: &WorkEnd) {
        let (Some(held), Some(conversation)) = (&self.held, &end.conversation) else { return };
        let kept = match conversation.written() {
            Ok(what) => {
                let (run, definition) = (self.run.id.clone(), self.run.definition.clone());
                let kept =
                    KeptConversation { run, definition, template: self.template.clone(), what };
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
        let answer = self.job.resume.as_ref()?.answer.as_ref()?;
        match self.kept(self.job.task?, &answer.run).await {
            Ok(conversation) => {
                let workspace = self.brief.get("workspace").and_then(|it| it.get("note"));
                let news = News {
                    answer: &answer.text,
                    later: &answer.later,
                    left_out: answer.left_out,
                    workspace: workspace.and_then(Value::as_text),
                };
                Some(Answered::new(conversation?, &news))
            }
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
        let Some(kept) = kept else { return Ok(None) };
        if kept.run != *asked {
            return Err(format!("what is kept is that of another run, {}", kept.run));
        }
        if kept.definition != self.run.definition {
            return Err("the playbook has changed since".to_owned());
        }
        if kept.template != self.template {
            return Err("the template of its prompt has changed since".to_owned());
        }
        self.stands_as_it_was(asked).await?;
        if self.job.playbook.workspace.is_some() && self.was_elsewhere(asked).await {
            return Err("the files that it is about are at another daemon".to_owned());
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

    /// Whether a run was carried out with the files of another daemon that shares the store.
    async fn was_elsewhere(&self, run: &RunId) -> bool {
        let run = self.parts.ledger.run(run.as_str()).await.ok().flatten();
        let daemon = run.and_then(|run| run.daemon);
        let own = self.parts.settings.daemon.configured();
        self.parts.ledger.is_shared() && daemon.is_some_and(|daemon| daemon.configured() != own)
    }

    /// Whether no run since the question has failed, or has done what the conversation does not tell.
    async fn stands_as_it_was(&self, asked: &RunId) -> Result<(), String> {
        let before = earlier::runs_before(&self.parts, &self.run).await;
        let before = before.map_err(|error| error.to_string())?;
        for run in before.iter().take_while(|run| run.id != *asked) {
            if !matches!(run.state, RunState::Interrupted | RunState::ClaimLost) {
                return Err("an attempt after the answer has failed".to_owned());
            }
            if earlier::wrote(&self.parts, run).await.map_err(|error| error.to_string())? {
                return Err(
                    "a run after the answer broke off when it had changed something".to_owned()
                );
            }
        }
        Ok(())
    }

    /// What is told first, where that is known before the work: an agent that is to load its session is told
    /// one of two things.
    pub(super) async fn log_prompt(&self, answered: Option<&Answered>, prompt: &str) {
        let told: &str = match answered {
            Some(Answered { conversation: Conversation::Session { .. }, .. }) => return,
            Some(Answered { told, .. }) => told,
            None => prompt,
        };
        if !told.is_empty() {
            self.log(PROMPT, told).await;
        }
    }

    /// Who failed in the conversation that asked, with nothing done, gets one attempt more in a new one,
    /// whatever it failed of: the conversation may be what it failed of.
    pub(super) async fn or_anew(&self, end: &WorkEnd, next: Next) -> Next {
        let is_over = !end.state.may_retry()
            || end.reason == Reason::UnknownEffect
            || self.job.halt.cause().is_some();
        if !end.went_on || is_over || !matches!(next, Next::HandBack) {
            return next;
        }
        // What is not known counts as done.
        if earlier::wrote(&self.parts, &self.run).await.unwrap_or(true) {
            return next;
        }
        self.note("it failed in the conversation that asked: once more, in a new one").await;
        let limits = &self.job.playbook.limits;
        Next::Anew(backoff(self.run.attempt, limits.backoff_min, limits.backoff_max))
    }
}
