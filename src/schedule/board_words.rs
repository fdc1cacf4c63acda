//! The words of a playbook that the board has to know: status labels, people, its own agent. What
//! is missing is found before a task is claimed, not after the work.

use super::Refused;
use crate::domain::{
    Outcome, Person, Playbook, Project, Reason, StatusId, StatusKind, StatusSelector, Work,
};
use std::borrow::Cow;

/// The status that a selector means in a project, for writing.
pub fn find_status(project: &Project, selector: &StatusSelector) -> Option<StatusId> {
    match selector {
        StatusSelector::Kind(kind) => project.status_of_kind(*kind).map(|status| status.id),
        StatusSelector::Label(label) => project
            .status_named(label)
            .or_else(|| label.trim().parse().ok().and_then(|id| project.status(id)))
            .map(|status| status.id),
    }
}

/// The user of this id or name, without regard to case.
pub fn find_person<'p>(people: &'p [Person], text: &str) -> Option<&'p Person> {
    let text = text.trim();
    people.iter().find(|p| p.id.to_string() == text || p.name.eq_ignore_ascii_case(text))
}

/// What a playbook says of an outcome; work that names none, where none is defined for it, is handed
/// over to the task's author.
pub fn outcome_of<'p>(playbook: &'p Playbook, named: Option<&str>) -> Cow<'p, Outcome> {
    let defined = playbook.outcomes.get(named.unwrap_or(UNNAMED));
    defined.map_or_else(|| Cow::Owned(hand_over()), Cow::Borrowed)
}

/// The outcome of work that names none.
const UNNAMED: &str = "done";

fn hand_over() -> Outcome {
    Outcome {
        status: Some(StatusSelector::Kind(StatusKind::Waiting)),
        comment: Some("hand-over.md.hbs".to_owned()),
        assign: Some("{{task.author}}".to_owned()),
        ..Outcome::default()
    }
}

/// The label that an outcome sets in a project; *done* is a person's word, unless the playbook says
/// otherwise: then the task waits for one.
///
/// # Errors
/// The selector that means nothing there.
pub fn outcome_status(
    outcome: &Outcome,
    project: &Project,
) -> Result<Option<StatusId>, StatusSelector> {
    let Some(selector) = &outcome.status else { return Ok(None) };
    let found = find_status(project, selector).ok_or_else(|| selector.clone())?;
    if project.kind_of(found) != StatusKind::Done || outcome.done_by_agent {
        return Ok(Some(found));
    }
    let waiting = StatusSelector::Kind(StatusKind::Waiting);
    find_status(project, &waiting).map(Some).ok_or(waiting)
}

/// The words that a playbook which claims will write and the board does not know: where they stand
/// in it, and why a task of the project is not taken.
pub(super) fn missing_words(
    playbook: &Playbook,
    project: &Project,
    people: &[Person],
) -> Vec<Refused> {
    let Some(claim) = &playbook.claim else { return Vec::new() };
    let mut missing = Vec::new();
    let lacks = |key: &str, selector: &StatusSelector| {
        let detail = format!("{key}: project {:?} has no status {selector}", project.name);
        Refused::new(Reason::UnknownStatus, detail)
    };
    if !people.iter().any(|p| p.name.to_lowercase() == playbook.agent.to_lowercase()) {
        let detail = format!("agent: the board has no user named {:?}", playbook.agent);
        missing.push(Refused::new(Reason::UnknownAgent, detail));
    }
    if find_status(project, &claim.status).is_none() {
        missing.push(lacks("claim.status", &claim.status));
    }
    let defined = playbook.outcomes.iter().map(|(name, outcome)| (name.as_str(), outcome));
    // A model always names one of those that are defined.
    let may_be_unnamed =
        playbook.outcomes.is_empty() || !matches!(playbook.work, Work::Model { .. });
    let handed_over = hand_over();
    let unnamed = (may_be_unnamed && !playbook.outcomes.contains_key(UNNAMED))
        .then_some((UNNAMED, &handed_over));
    // A question changes nothing but a comment.
    for (name, outcome) in defined.chain(unnamed).filter(|(_, outcome)| outcome.ask.is_none()) {
        if let Err(selector) = outcome_status(outcome, project) {
            missing.push(lacks(&format!("outcome.{name}.status"), &selector));
        }
        let assign = outcome.assign.as_deref().unwrap_or_default().trim();
        let is_known = assign.is_empty() || assign.contains("{{");
        if !is_known && find_person(people, assign).is_none() {
            let detail = format!("outcome.{name}.assign: nobody on the board is {assign:?}");
            missing.push(Refused::new(Reason::UnknownPerson, detail));
        }
    }
    missing
}
