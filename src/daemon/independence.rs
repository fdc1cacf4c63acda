//! Whether a reviewer is somebody else than whoever worked: another model family, another user of the
//! board. What is not known does not count as another.

use super::by_hand;
use super::parts::Parts;
use crate::domain::{
    Author, Playbook, PlaybookName, Reason, Run, RunState, Task, TaskId, Work, WorkedBy,
};
use crate::ledger::{LedgerError, RunFilter};
use crate::schedule::Objection;

/// At most so many runs at a task are looked at for its author.
const RUNS_MAX: usize = 50;

/// Who works in a run of a playbook.
pub(super) fn worked_by(parts: &Parts, playbook: &Playbook) -> WorkedBy {
    let (model, family, is_model) = match &playbook.work {
        Work::Steps(_) => (None, None, false),
        Work::Command { .. } | Work::Acp { .. } => (None, playbook.family.clone(), true),
        Work::Model { model, .. } => {
            let family = parts.settings.families.get(model).cloned();
            (Some(model.clone()), family, true)
        }
    };
    WorkedBy { agent: playbook.agent.clone(), model, family, is_model }
}

/// The last run that worked at a task, but for those that only look at what others did; `None`: a
/// person did, or took it over since.
pub(super) async fn author_run(
    parts: &Parts,
    task: TaskId,
    reviewer: &PlaybookName,
) -> Result<Option<Run>, LedgerError> {
    let filter = RunFilter { task: Some(task), ..RunFilter::default() };
    for run in parts.ledger.runs(&filter, RUNS_MAX).await? {
        let reviews = || parts.playbook(&run.playbook).is_some_and(|playbook| playbook.reviews());
        if run.playbook == *reviewer || run.playbook.as_str() == by_hand::UNDO || reviews() {
            continue;
        }
        match run.state {
            // Nothing of it is in the work.
            RunState::Refused | RunState::NothingToDo | RunState::Running => {}
            RunState::Yielded => return Ok(None),
            _ => return Ok(Some(run)),
        }
    }
    Ok(None)
}

/// Whose work a task shows.
pub(super) async fn author_of(
    parts: &Parts,
    task: &Task,
    reviewer: &PlaybookName,
) -> Result<Author, LedgerError> {
    let run = author_run(parts, task.id, reviewer).await?;
    Ok(match run {
        // Whose assistant it is answers for it.
        Some(run) if run.playbook.as_str() != by_hand::ASSISTANT => Author {
            family: run.by.and_then(|by| by.family),
            playbook: Some(run.playbook),
            person: None,
        },
        _ => Author { person: task.author, ..Author::default() },
    })
}

/// Why a reviewer is not independent of a run; `None`: it is.
fn against(reviewer: &WorkedBy, author: &Run) -> Option<String> {
    let (run, playbook) = (&author.id, &author.playbook);
    let Some(by) = &author.by else {
        return Some(format!("it is not known which model worked in run {run} of {playbook}"));
    };
    if by.agent.eq_ignore_ascii_case(&reviewer.agent) {
        return Some(format!("run {run} of {playbook} was {}, too", by.agent));
    }
    if !by.is_model || !reviewer.is_model {
        return None;
    }
    match (&by.family, &reviewer.family) {
        (Some(one), Some(other)) if one.eq_ignore_ascii_case(other) => {
            Some(format!("run {run} of {playbook} worked with the family {one}, too"))
        }
        (Some(_), Some(_)) => None,
        (None, _) => Some(format!("the model family of run {run} of {playbook} is not known")),
        (_, None) => Some("the reviewer's own model family is not known".to_owned()),
    }
}

/// Why a playbook that reviews is not to look at a task.
pub(super) async fn objection(
    parts: &Parts,
    playbook: &Playbook,
    task: TaskId,
) -> Result<Option<Objection>, LedgerError> {
    if !playbook.reviews() {
        return Ok(None);
    }
    let Some(author) = author_run(parts, task, &playbook.name).await? else { return Ok(None) };
    let of_author = parts.playbook(&author.playbook);
    let is_demanded =
        playbook.review.independent || of_author.is_some_and(|author| author.review.independent);
    let why = against(&worked_by(parts, playbook), &author).filter(|_| is_demanded);
    Ok(why.map(|detail| Objection { reason: Reason::NotIndependent, detail }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(by: Option<WorkedBy>) -> Run {
        let text = r#"{"id": "r-1", "playbook": "ai-worker", "definition": "", "occurrence": "o",
            "task": 7, "attempt": 1, "fence": 1, "state": "succeeded", "reason": "done",
            "detail": "", "outcome": null, "summary": "", "started": "2026-11-03T09:00:00Z",
            "ended": null, "usage": {"tokens_in": 0, "tokens_out": 0, "cost_micros": 0,
            "turns": 0, "elapsed_ms": 0}}"#;
        Run { by, ..serde_json::from_str(text).unwrap() }
    }

    fn by(agent: &str, family: Option<&str>) -> WorkedBy {
        let family = family.map(str::to_owned);
        WorkedBy { agent: agent.to_owned(), model: None, family, is_model: true }
    }

    #[test]
    fn only_another_family_that_is_known_is_independent() {
        let reviewer = by("AI-Reviewer", Some("gpt"));
        let judged = |author| against(&reviewer, &run(author));
        assert_eq!(judged(Some(by("AI-Worker", Some("claude")))), None);
        assert!(judged(Some(by("AI-Worker", Some("GPT")))).unwrap().contains("family GPT"));
        assert!(judged(Some(by("AI-Worker", None))).unwrap().contains("not known"));
        assert!(judged(None).unwrap().contains("not known"));
        assert!(judged(Some(by("ai-reviewer", Some("claude")))).is_some(), "the same user");
        let unknown = by("AI-Reviewer", None);
        assert!(against(&unknown, &run(Some(by("AI-Worker", Some("claude"))))).is_some());
        let steps = WorkedBy { is_model: false, ..by("AI-Worker", None) };
        assert_eq!(judged(Some(steps.clone())), None, "plain steps have no family");
        assert_eq!(against(&steps, &run(Some(by("AI-Other", None)))), None);
    }
}
