//! `rota why`: what was decided about a task or playbook, and what would be decided now.

use super::beliefs::{Beliefs, Open};
use super::brief::{plain, text_of};
use super::parts::Parts;
use super::{books, look, questions, sharing};
use crate::board::BoardError;
use crate::domain::{
    Decision, Occurrence, OccurrenceId, OccurrenceState, Playbook, PlaybookName, Reason, TaskId,
    Timestamp, Trigger, Value,
};
use crate::ledger::{NEWER, RunFilter};
use crate::schedule::{Criteria, Fits, judge};
use crate::tools::desk::DeskError;
use std::sync::Arc;

/// At most so many runs and occurrences are told.
const LATEST_MAX: usize = 10;

/// Explains a task (`7`, `task 7`) or a playbook (by name), now or as things stood at an instant.
pub(super) async fn why(
    parts: &Parts,
    subject: &str,
    at: Option<Timestamp>,
) -> Result<Value, DeskError> {
    let subject = subject.trim();
    let name = PlaybookName::new(subject);
    if let Some(playbook) = parts.playbook(&name) {
        return about_playbook(parts, &playbook, at).await;
    }
    let number = subject.strip_prefix("task").unwrap_or(subject).trim().trim_start_matches('#');
    if let Ok(task) = number.parse::<TaskId>() {
        return about_task(parts, task, at).await;
    }
    let known: Vec<_> = parts.playbooks().iter().map(|p| p.name.to_string()).collect();
    Err(DeskError::NotFound(format!(
        "{subject:?} is neither a task's number nor a playbook; there are {}",
        known.join(", ")
    )))
}

async fn about_task(
    parts: &Parts,
    task: TaskId,
    at: Option<Timestamp>,
) -> Result<Value, DeskError> {
    let found = match parts.board.task(task).await {
        Ok(found) => found,
        Err(BoardError::NotFound { .. }) => {
            return Err(DeskError::NotFound(format!("task {task} is not on the board")));
        }
        Err(error) => return Err(board(error)),
    };
    let decisions = parts.ledger.decisions_about_task(task, at).await.map_err(ledger)?;
    let (claim, is_newer) = match parts.ledger.claim(task).await {
        Ok(claim) => (claim, false),
        Err(error) if error.is_of_newer() => (None, true),
        Err(error) => {
            let what = "the claim could not be read".to_owned();
            return Err(DeskError::Failed { what, source: Some(Box::new(error)) });
        }
    };
    let now = match at {
        Some(_) => Vec::new(),
        None => judgements(parts, task).await?,
    };
    let filter = RunFilter { task: Some(task), ..RunFilter::default() };
    let mut runs = parts.ledger.runs(&filter, LATEST_MAX).await.map_err(ledger)?;
    // Here they say how they went, as in a list; what shows it stands with each.
    for run in &mut runs {
        run.evidence.clear();
    }
    let question = match at {
        Some(_) => Value::Null,
        None => questions::last(parts, claim.as_ref(), &runs).await?,
    };
    Ok(Value::map([
        ("subject", Value::from(format!("task {task}"))),
        ("headline", found.headline.into()),
        ("now", Value::List(now)),
        ("question", question),
        ("claim", if is_newer { unread() } else { claim.map(|c| plain(&c)).unwrap_or_default() }),
        ("decisions", Value::List(decisions.iter().map(describe).collect())),
        ("runs", plain(&runs)),
    ]))
}

/// A claim of which nothing is known but who can read it.
fn unread() -> Value {
    Value::map([("phase", Value::from("unknown")), ("written_by", NEWER.into())])
}

/// What each playbook that takes tasks would say of the task now.
async fn judgements(parts: &Parts, task: TaskId) -> Result<Vec<Value>, DeskError> {
    let mut beliefs = Beliefs::default();
    books::refresh(parts, &mut beliefs).await.map_err(ledger)?;
    let playbooks: Vec<Arc<Playbook>> =
        parts.playbooks().into_iter().filter(|playbook| playbook.takes_tasks()).collect();
    for playbook in &playbooks {
        let open = imagined(parts, playbook, Some(task));
        beliefs.open.insert(open.occurrence.id.clone(), open);
    }
    let snapshot =
        look::look_at_named(parts, &mut beliefs).await.map_err(|error| DeskError::Failed {
            what: "board or local state could not be read".to_owned(),
            source: Some(Box::new(error)),
        })?;
    let Some(found) = snapshot.tasks.get(task) else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    for playbook in &playbooks {
        let Some(facts) = snapshot.playbooks.get(&playbook.name) else { continue };
        let criteria = Criteria::new(playbook, &snapshot.projects, &snapshot.people);
        let situation = snapshot.situation(facts, task);
        let (code, text, detail) = match judge(&criteria, found, false, &situation) {
            Ok(()) if facts.no_budget.is_some() => {
                let why = facts.no_budget.clone().unwrap_or_default();
                (Reason::BudgetDay.code(), Reason::BudgetDay.text(), why)
            }
            Ok(()) => {
                ("would_be_taken", "it would be taken when the playbook wakes", String::new())
            }
            Err(refused) => (refused.reason.code(), refused.reason.text(), refused.detail),
        };
        lines.push(Value::map([
            ("playbook", Value::from(playbook.name.as_str())),
            ("reason", code.into()),
            ("text", text.into()),
            ("detail", detail.into()),
        ]));
    }
    Ok(lines)
}

/// An occurrence that is never recorded; one that names a task has the look read it.
pub(super) fn imagined(parts: &Parts, playbook: &Arc<Playbook>, task: Option<TaskId>) -> Open {
    let now = parts.clock.wall();
    let occurrence = Occurrence {
        id: OccurrenceId::new(format!("{}/imagined", playbook.name)),
        playbook: playbook.name.clone(),
        trigger: Trigger::Manual,
        planned: now,
        task,
        decided: now,
        state: OccurrenceState::Queued,
        covers: None,
        status: None,
    };
    Open::new(occurrence, Some(Arc::clone(playbook)))
}

async fn about_playbook(
    parts: &Parts,
    playbook: &Arc<Playbook>,
    at: Option<Timestamp>,
) -> Result<Value, DeskError> {
    let name = &playbook.name;
    let switch = parts.ledger.playbook_switch(name).await.map_err(ledger)?;
    let missing = books::why_not_armed(playbook, &switch);
    let decisions = parts.ledger.decisions_about_playbook(name, at).await.map_err(ledger)?;
    let occurrences = parts.ledger.occurrences(name, LATEST_MAX).await.map_err(ledger)?;
    let stopped = parts.stopped().await.map_err(ledger)?;
    let mut now = Vec::new();
    let mut say = |code: &str, text: String| {
        now.push(Value::map([("reason", Value::from(code)), ("text", text.into())]));
    };
    if let Some(stopped) = stopped {
        say("stopped", format!("stopped by {}: {}", stopped.by, stopped.reason));
    }
    if !missing.is_empty() {
        say("not_armed", format!("{}; `rota arm {name}` accepts it", missing.join("; ")));
    }
    let others = sharing::others(parts).await.map_err(ledger)?;
    let fits = sharing::fits(parts, &others, playbook);
    if fits != Fits::Here {
        let reason = Reason::NotThisDaemon;
        let who = if fits == Fits::Elsewhere { "another daemon does" } else { "no other does" };
        say(reason.code(), format!("{}; {who}", reason.text()));
    }
    if let Some(paused) = &switch.paused {
        say("paused", format!("by {} at {}: {}", paused.by, text_of(paused.at), paused.reason));
    }
    if let Some(row) = super::silence::silent_row(&switch) {
        say(Reason::NothingToDo.code(), row);
    }
    if let Some((quiet, since)) = super::silence::quiet(parts, playbook).await.map_err(ledger)? {
        say(Reason::NothingToDo.code(), format!("since {}: {}", text_of(since), quiet.text()));
    }
    if let Some(why) = super::budget::missing(parts, playbook).await.map_err(ledger)? {
        say(Reason::BudgetDay.code(), why);
    }
    let projects = parts.board.projects().await.map_err(board)?;
    let people = parts.board.people().await.map_err(board)?;
    let criteria = Criteria::new(playbook, &projects, &people);
    for missing in criteria.missing_words().take(LATEST_MAX) {
        say(missing.reason.code(), missing.detail.clone());
    }
    Ok(Value::map([
        ("subject", Value::from(format!("playbook {name}"))),
        ("headline", playbook.description.as_str().into()),
        ("now", Value::List(now)),
        ("decisions", Value::List(decisions.iter().map(describe).collect())),
        ("occurrences", plain(&occurrences)),
    ]))
}

fn describe(decision: &Decision) -> Value {
    Value::map([
        ("at", Value::from(text_of(decision.at))),
        ("playbook", decision.playbook.as_str().into()),
        ("reason", decision.reason.code().into()),
        ("text", decision.reason.text().into()),
        ("detail", decision.detail.as_str().into()),
        ("run", decision.run.as_ref().map(|run| run.as_str().to_owned()).into()),
    ])
}

fn ledger(error: crate::ledger::LedgerError) -> DeskError {
    super::dispatcher::failed(error)
}

fn board(error: BoardError) -> DeskError {
    DeskError::Failed {
        what: "the board could not be read".to_owned(),
        source: Some(Box::new(error)),
    }
}
