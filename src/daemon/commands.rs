//! What people tell agents in comments (`@AI-Agent status`): heard with the board's news, written down,
//! and carried out beside the loop that decides, with the rights of whoever wrote the comment.

use super::brief::text_of;
use super::guards::News;
use super::hear::Trouble;
use super::parts::Parts;
use super::reviews::was_written;
use crate::domain::{
    Activity, Claim, Comment, CommentId, CommentQuery, CommentTarget, Entity, Initiative,
    Occurrence, OccurrenceId, OccurrenceState, Person, PersonKind, Phase, Principal, Reason, Run,
    RunState, TaskId, Trigger, Value,
};
use crate::ledger::{CommandGiven, RunFilter};
use crate::schedule::command::{self, Command};
use crate::tools::{Context, ToolError};
use std::sync::Arc;
use std::time::Duration;

/// So many runs at a task are looked at.
const RUNS_MAX: usize = 20;
/// How often it is looked for what was heard.
const EVERY: Duration = Duration::from_secs(2);
/// What could not be carried out for so long is not carried out any more.
const PATIENCE: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// Why a command is not carried out now.
#[derive(Debug, thiserror::Error)]
enum NotNow {
    #[error("{0}")]
    Board(#[from] crate::board::BoardError),
    #[error("{0}")]
    Ledger(#[from] crate::ledger::LedgerError),
    #[error("{0}")]
    Claim(#[from] crate::ledger::ClaimError),
    #[error("{0}")]
    Tool(#[from] ToolError),
}

/// Writes a command down that a new comment gives.
pub(super) async fn heed(
    parts: &Parts,
    news: &News,
    row: &Activity,
    task: TaskId,
) -> Result<(), Trouble> {
    let (Entity::Comment(id), "created") = (row.entity, row.field.as_str()) else { return Ok(()) };
    let text = row.after.as_text().unwrap_or_default();
    let Some(told) = command::told(text, &news.agents()) else { return Ok(()) };
    // To whoever was asked something, a word that is no command may be the answer.
    let (claim, is_newers) = match parts.ledger.claim(task).await {
        // Whoever can read who works there carries it out: it is heard by one daemon alone.
        Err(error) if error.is_of_newer() => (None, true),
        claim => (claim?, false),
    };
    let was_asked = is_newers || claim.as_ref().is_some_and(|claim| claim.parked.is_some());
    if told.command.is_err() && was_asked {
        return Ok(());
    }
    // Not every board's record says who it was; the comment does.
    let Some(comment) = find(parts, task, id).await? else { return Ok(()) };
    let handed = parts.ledger.hand_over(task).await?;
    let fence = if is_newers {
        parts.ledger.fence_glimpsed(task).await?
    } else {
        claim.filter(|claim| claim.phase != Phase::Free).map(|claim| claim.fence)
    };
    let given = CommandGiven {
        fence,
        handed: handed.filter(|it| it.decided.is_none()).map(|it| it.run),
        comment: id,
        task,
        author: comment.author,
        agent: told.agent.map(str::to_owned),
        word: told.command.map_or_else(|word| word, |command| command.as_str().to_owned()),
        at: comment.created,
    };
    Ok(parts.ledger.put_command(&given).await?)
}

async fn find(
    parts: &Parts,
    task: TaskId,
    id: CommentId,
) -> Result<Option<Comment>, crate::board::BoardError> {
    let query = CommentQuery {
        on: Some(CommentTarget::Task(task)),
        after: Some(CommentId(id.0 - 1)),
        limit: 1,
        ..CommentQuery::default()
    };
    let found = parts.board.comments(&query).await?.items.into_iter().next();
    Ok(found.filter(|comment| comment.id == id))
}

/// Carries commands out until it is dropped.
pub(super) async fn keep(parts: Arc<Parts>) {
    let mut timer = super::upkeep::timer(EVERY);
    loop {
        timer.tick().await;
        obey(&parts).await;
    }
}

/// Carries out what was heard.
pub(super) async fn obey(parts: &Parts) {
    let given = match parts.ledger.commands().await {
        Ok(given) => given,
        Err(error) => return tracing::warn!(%error, "what people told agents could not be read"),
    };
    for given in given {
        let (task, word) = (given.task, given.word.as_str());
        if parts.clock.wall() - given.at >= PATIENCE {
            tracing::warn!(%task, word, "what a comment told an agent is too old by now");
            done(parts, &given).await;
            continue;
        }
        // Whoever can read who works there carries it out.
        if parts.ledger.claim(task).await.is_err_and(|error| error.is_of_newer()) {
            continue;
        }
        match parts.ledger.take_command(given.comment).await {
            Ok(true) => {}
            Ok(false) => {
                match parts.ledger.is_command_elsewhere(given.comment).await {
                    Ok(true) => {}
                    // Whoever had it has died, or is done with it.
                    Ok(false) => done(parts, &given).await,
                    Err(error) => tracing::warn!(%task, word, %error, "who has it is not known"),
                }
                continue;
            }
            Err(error) => {
                tracing::warn!(%task, word, %error, "what a comment tells an agent has to wait");
                continue;
            }
        }
        match carry_out(parts, &given).await {
            Ok(()) => tracing::info!(%task, word, "what a comment told an agent is seen to"),
            Err(error) => {
                tracing::warn!(%task, word, %error, "what a comment tells an agent has to wait");
                if let Err(error) = parts.ledger.leave_command(given.comment).await {
                    tracing::error!(%task, word, %error, "it is not carried out any more");
                }
                continue;
            }
        }
        done(parts, &given).await;
    }
}

async fn done(parts: &Parts, given: &CommandGiven) {
    if let Err(error) = parts.ledger.command_done(given.comment).await {
        tracing::warn!(task = %given.task, %error, "a command could not be marked as carried out");
    }
}

async fn carry_out(parts: &Parts, given: &CommandGiven) -> Result<(), NotNow> {
    let people = parts.board.people().await?;
    let is_author = |p: &&Person| p.id == given.author && p.kind == PersonKind::Person;
    let Some(author) = people.iter().find(is_author) else { return Ok(()) };
    let principal = Principal { person: author.clone(), by: Initiative::Person };
    let context = Context::person(principal, parts.settings.zone);
    let claim = parts.ledger.claim(given.task).await?.filter(|claim| claim.phase != Phase::Free);
    let filter = RunFilter { task: Some(given.task), ..RunFilter::default() };
    let runs = parts.ledger.runs(&filter, RUNS_MAX).await?;
    // Neither what was refused nor what only put something back.
    let worked = |run: &&Run| {
        !matches!(run.state, RunState::Refused | RunState::NothingToDo)
            && parts.playbook(&run.playbook).is_some()
    };
    let worked = runs.iter().find(worked).cloned();
    let last = worked.or_else(|| runs.into_iter().next());
    let scene = Scene { parts, given, people: &people, context, claim, last };
    let known = Command::ALL.into_iter().find(|command| command.as_str() == given.word);
    let answer = match known {
        Some(Command::Stop) => scene.stop(),
        Some(Command::Release) => scene.release().await?,
        Some(Command::Retry) => scene.retry().await?,
        Some(Command::Approve) => scene.approve().await?,
        Some(Command::Status) => Some(scene.status().await?),
        None => scene.unknown().await?,
    };
    match answer {
        Some(answer) => scene.say(&answer).await,
        None => Ok(()),
    }
}

/// Whether it is worth asking again later.
fn is_passing(reason: Reason) -> bool {
    matches!(reason, Reason::BoardUnavailable | Reason::RevisionConflict)
}

/// A command, and how things stand at its task.
struct Scene<'a> {
    parts: &'a Parts,
    given: &'a CommandGiven,
    people: &'a [Person],
    /// With the rights of whoever gave it.
    context: Context,
    claim: Option<Claim>,
    last: Option<Run>,
}

impl Scene<'_> {
    /// Whoever works stops by itself and says so; where nobody does, that is said.
    fn stop(&self) -> Option<String> {
        let ended = self.last.as_ref().and_then(|run| run.ended);
        let was_at_work = self.claim.is_some() || ended.is_some_and(|ended| ended >= self.given.at);
        (!was_at_work).then(|| "Nobody works at this task for now.".to_owned())
    }

    async fn release(&self) -> Result<Option<String>, NotNow> {
        let Some(claim) = &self.claim else {
            return Ok(Some("Nobody holds this task.".to_owned()));
        };
        if self.given.fence != Some(claim.fence) {
            return Ok(Some("Somebody else holds this task by now; that stays.".to_owned()));
        }
        let reason = format!("asked for in comment {}", self.given.comment);
        let args = [("task", Value::from(self.given.task.0)), ("reason", reason.into())];
        let released = format!("The claim of run `{}` was taken away.", claim.run);
        Ok(Some(match self.call("releaseClaim", args).await? {
            // Whoever may not take it away has asked those who may.
            Ok(answer) => match answer.get("what").and_then(Value::as_text) {
                Some(what) => what.to_owned(),
                None => released,
            },
            Err(refused) => refused,
        }))
    }

    async fn approve(&self) -> Result<Option<String>, NotNow> {
        let now = self.parts.ledger.hand_over(self.given.task).await?;
        let now = now.filter(|it| it.decided.is_none()).map(|it| it.run);
        if now.is_some() && now != self.given.handed {
            let text = "Other work waits here by now: look at it, and say so again.";
            return Ok(Some(text.to_owned()));
        }
        let args = [("task", Value::from(self.given.task.0)), ("decision", "approve".into())];
        // The decision says on the task who approved what.
        Ok(self.call("decideReview", args).await?.err())
    }

    /// The playbook that worked here last takes the task again, past its selection.
    async fn retry(&self) -> Result<Option<String>, NotNow> {
        if self.claim.is_some() {
            return Ok(Some(self.status().await?));
        }
        let playbook = self.last.as_ref().and_then(|run| self.parts.playbook(&run.playbook));
        let Some(playbook) = playbook else {
            let text = "No playbook has worked at this task that could be tried again.";
            return Ok(Some(text.to_owned()));
        };
        if !self.parts.tools.may_on(&self.context, "runPlaybook", self.given.task).await? {
            return Ok(Some("Your role here does not let you start playbooks.".to_owned()));
        }
        let now = self.parts.clock.wall();
        let task = self.parts.board.task(self.given.task).await?;
        let occurrence = Occurrence {
            id: OccurrenceId::new(format!("{}@comment/{}", playbook.name, self.given.comment)),
            playbook: playbook.name.clone(),
            trigger: Trigger::Rework,
            planned: self.given.at,
            task: Some(self.given.task),
            decided: now,
            state: OccurrenceState::Queued,
            covers: None,
            status: Some(task.status),
        };
        if !self.parts.ledger.knows_occurrence(&occurrence.id).await? {
            self.parts.ledger.put_occurrence(&occurrence).await?;
        }
        Ok(Some(format!("{} is to take this task again.", playbook.name)))
    }

    async fn status(&self) -> Result<String, NotNow> {
        let more = format!("`rota why {}` tells more.", self.given.task);
        if let Some(claim) = &self.claim {
            let what = match (&claim.parked, &claim.staged) {
                (Some(_), Some(_)) => "has proposed what it would write, and waits for a decision",
                (Some(_), None) => "has asked, and waits for an answer",
                (None, _) => "is at work",
            };
            let (run, attempt) = (&claim.run, claim.attempt);
            return Ok(format!("Run `{run}` (attempt {attempt}) {what}. {more}"));
        }
        let hand_over = self.parts.ledger.hand_over(self.given.task).await?;
        if let Some(open) = hand_over.filter(|hand_over| hand_over.decided.is_none()) {
            let since = text_of(open.since);
            return Ok(format!("Run `{}` handed this over at {since}. {more}", open.run));
        }
        Ok(match &self.last {
            Some(run) => {
                let at = run.ended.map_or_else(|| "now".to_owned(), text_of);
                let why =
                    run.reason.map(|reason| format!(": {}", reason.text())).unwrap_or_default();
                format!("Run `{}` ended {} at {at}{why}. {more}", run.id, run.state)
            }
            None => format!("No agent has worked at this task. {more}"),
        })
    }

    /// Which words there are, said once on a task.
    async fn unknown(&self) -> Result<Option<String>, NotNow> {
        let words = Command::ALL.map(|command| format!("`{}`", command.as_str()));
        let text = format!("In a comment like this I understand {}.", words.join(", "));
        let is_said = was_written(self.parts, self.given.task, None, &text).await?;
        Ok((!is_said).then_some(text))
    }

    /// What a tool answers, or refuses in its own words.
    async fn call<const N: usize>(
        &self,
        tool: &str,
        args: [(&'static str, Value); N],
    ) -> Result<Result<Value, String>, NotNow> {
        match self.parts.tools.call(tool, Value::map(args), &self.context).await {
            Ok(result) => Ok(Ok(result.value)),
            Err(ToolError::Rejected { reason, message, .. }) if !is_passing(reason) => {
                Ok(Err(message))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Answers on the task, as the agent that was spoken to; once.
    async fn say(&self, text: &str) -> Result<(), NotNow> {
        let Some(agent) = self.agent() else {
            tracing::warn!(task = %self.given.task, "there is no agent on the board to answer");
            return Ok(());
        };
        let principal = Principal { person: agent.clone(), by: Initiative::Person };
        let context = Context::person(principal, self.parts.settings.zone).by_hand().of_daemon();
        let args = Value::map([
            ("module", Value::from("ticket")),
            ("entityId", self.given.task.0.into()),
            ("text", text.into()),
            ("idempotencyKey", format!("comment {}", self.given.comment).into()),
        ]);
        match self.parts.tools.call("addComment", args, &context).await {
            Ok(_) => Ok(()),
            // It may not write there, now or later.
            Err(error @ ToolError::Rejected { .. }) if !is_passing(error.reason()) => {
                tracing::warn!(task = %self.given.task, %error, "a command was not answered");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Who was spoken to: the agent that was named, whose playbook has or had the task, or any.
    fn agent(&self) -> Option<&Person> {
        let of_playbook = |name| self.parts.playbook(name).map(|playbook| playbook.agent.clone());
        let at_it = self.claim.as_ref().map(|claim| &claim.playbook);
        let named = [
            self.given.agent.clone(),
            at_it.and_then(of_playbook),
            self.last.as_ref().and_then(|run| of_playbook(&run.playbook)),
        ];
        let all = self.parts.playbooks();
        let any = all.iter().map(|playbook| playbook.agent.clone());
        named.into_iter().flatten().chain(any).find_map(|name| {
            let is_it = |p: &&Person| p.kind == PersonKind::Agent && p.name == name;
            self.people.iter().find(is_it)
        })
    }
}
