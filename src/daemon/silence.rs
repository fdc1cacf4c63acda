//! Playbooks of which nobody hears: why there is nothing to hear, and when somebody has to look at it.
//! Healthy idleness, a filter that matches nothing any more, gates that nothing passes and a board that is
//! not reached are told apart.

use super::beliefs::Beliefs;
use super::brief::text_of;
use super::by_rota::selected_projects;
use super::look::{self, LookError};
use super::parts::Parts;
use super::telling::alarmed;
use super::worker::Worker;
use super::{books, warnings, why};
use crate::board::BoardError;
use crate::domain::{
    ActivityQuery, Notice, OccurrenceState, Playbook, Reason, RunState, Timestamp,
};
use crate::ledger::{LedgerError, PlaybookSwitch, RunFilter};
use crate::schedule::{Criteria, judge};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// So many reports in a row with nothing to say raise an alarm.
const SILENT_MAX: u32 = 3;
/// How often it is looked at.
const EVERY: Duration = Duration::from_mins(10);
/// So many occurrences in a row came to nothing before somebody is told.
const ROW_MIN: usize = 20;
/// And for so long.
const SPAN_MIN: chrono::TimeDelta = chrono::TimeDelta::days(7);
/// So many tasks are looked at for a gate that kept them.
const TASKS_MAX: usize = 200;
/// A board that is not reached for so long is told of.
const UNREACHED_MIN: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// Why a playbook that takes tasks takes none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Quiet {
    /// It matched something until then, and nothing since.
    MatchesNothing(Timestamp),
    /// Tasks are there, and none passes; mostly for this reason.
    Gate(Reason),
    /// The board was not reached.
    Unreached,
}

impl Quiet {
    /// By which time it is told: a filter once for each time that it stops matching, a gate once a
    /// week, a board once a day.
    fn time(&self, now: Timestamp) -> String {
        match self {
            Self::MatchesNothing(last) => text_of(*last),
            Self::Gate(reason) => format!("{}:{}", reason.code(), now.format("%G-W%V")),
            Self::Unreached => now.format("%Y-%m-%d").to_string(),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::MatchesNothing(last) => format!(
                "its selection has matched nothing any more since {}: was a status, tag or project renamed?",
                text_of(*last)
            ),
            Self::Gate(reason) => {
                format!("there are tasks, and none passes: {} ({})", reason.text(), reason.code())
            }
            Self::Unreached => "the board could not be reached".to_owned(),
        }
    }
}

impl Worker {
    /// One more digest with nothing to say, or one with something; a row of the former raises one
    /// alarm.
    pub(super) async fn silence(&self, playbook: &Playbook, silent: bool) -> Vec<Notice> {
        let name = &playbook.name;
        let switch = match self.parts.ledger.record_silence(name, silent).await {
            Ok(switch) => switch,
            Err(error) => {
                tracing::warn!(playbook = %name, %error, "the silence could not be counted");
                return Vec::new();
            }
        };
        let (Some(row), Some(since)) = (silent_row(&switch), switch.silent_since) else {
            return Vec::new();
        };
        tracing::warn!(playbook = %name, "{row}");
        let why = self.why_silent(playbook, since).await;
        let text = format!("{name}: {row}. {why} `rota why {name}` tells more.");
        let key = format!("silence:{name}:{}", text_of(since));
        warnings::to(&self.parts, &key, &alarmed(playbook), &text)
    }

    /// Why a report has nothing to say.
    async fn why_silent(&self, playbook: &Playbook, since: Timestamp) -> &'static str {
        let wanted = playbook.select.as_ref().is_some_and(|select| !select.projects.is_empty());
        if wanted {
            let projects = self.parts.board.projects().await.unwrap_or_default();
            if selected_projects(playbook, &projects).is_empty() {
                return "None of the projects that it selects is on the board.";
            }
        }
        let query = ActivityQuery { latest_first: true, limit: 1, ..ActivityQuery::default() };
        match self.parts.board.activity(&query).await {
            Ok(page) if page.items.first().is_none_or(|row| row.at < since) => {
                "Nothing at all has happened on the board in that time: it is idle."
            }
            _ => {
                "The board has changed in that time, and nothing of it was for this report: does its \
                 selection still match anything, and are its templates whole?"
            }
        }
    }
}

/// That report after report had nothing to say, once there are enough of them.
pub(super) fn silent_row(switch: &PlaybookSwitch) -> Option<String> {
    let (count, since) = (switch.silent_in_row, switch.silent_since?);
    let enough = count >= SILENT_MAX;
    enough.then(|| format!("{count} reports in a row had nothing to say, since {}", text_of(since)))
}

/// Looks until it is dropped.
pub(super) async fn keep(parts: Arc<Parts>) {
    let mut timer = super::upkeep::timer(EVERY);
    loop {
        timer.tick().await;
        look(&parts).await;
    }
}

/// Tells of playbooks that take nothing, once for each time that begins.
pub(super) async fn look(parts: &Parts) {
    for playbook in parts.playbooks() {
        match quiet(parts, &playbook).await {
            Ok(Some((quiet, since))) => {
                let name = &playbook.name;
                let text = format!(
                    "{name} takes nothing since {}: {}. `rota why {name}` tells more.",
                    text_of(since),
                    quiet.text()
                );
                let key = format!("quiet:{name}:{}", quiet.time(parts.clock.wall()));
                let notices = warnings::to(parts, &key, &alarmed(&playbook), &text);
                if let Err(error) = parts.ledger.enqueue(notices).await {
                    tracing::warn!(playbook = %name, %error, "its silence could not be told");
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(playbook = %playbook.name, %error, "its occurrences could not be read");
            }
        }
    }
}

/// Why a playbook that takes tasks takes none, and since when, where somebody has to look at it.
pub(super) async fn quiet(
    parts: &Parts,
    playbook: &Arc<Playbook>,
) -> Result<Option<(Quiet, Timestamp)>, LedgerError> {
    if !playbook.takes_tasks() || !playbook.on.wakes() {
        return Ok(None);
    }
    if let Some(since) = waits_for_board(parts, playbook).await? {
        return Ok(Some((Quiet::Unreached, since)));
    }
    let mut row = Vec::new();
    for occurrence in parts.ledger.occurrences(&playbook.name, 2 * ROW_MIN).await? {
        if let OccurrenceState::Ran { reason, .. } = occurrence.state {
            row.push((occurrence.decided, reason));
        }
    }
    let Some((found, since)) = judge_row(&row, parts.clock.wall()) else { return Ok(None) };
    if found == Row::Unreached {
        return Ok(Some((Quiet::Unreached, since)));
    }
    if let Some(reason) = gate(parts, playbook).await? {
        return Ok(Some((Quiet::Gate(reason), since)));
    }
    let filter = RunFilter { playbook: Some(playbook.name.clone()), ..RunFilter::default() };
    let runs = parts.ledger.runs(&filter, ROW_MIN).await?;
    let worked = |state| !matches!(state, RunState::Refused | RunState::NothingToDo);
    let last = runs.iter().find(|run| run.task.is_some() && worked(run.state));
    // What never matched anything is idle.
    Ok(last.map(|run| (Quiet::MatchesNothing(run.ended.unwrap_or(run.started)), since)))
}

/// Since when an occurrence waits because the board is not reached: without it nobody can say what there
/// is to do.
async fn waits_for_board(
    parts: &Parts,
    playbook: &Playbook,
) -> Result<Option<Timestamp>, LedgerError> {
    let open = parts.ledger.open_occurrences().await?;
    let own = open.iter().filter(|own| own.playbook == playbook.name);
    let waits = own.filter(|own| own.state == OccurrenceState::Queued).map(|own| own.decided).min();
    let since = waits.filter(|since| parts.clock.wall() - *since >= UNREACHED_MIN);
    let Some(since) = since else { return Ok(None) };
    // Others wait, too: for their turn, or for the one before them.
    let reached = parts.board.projects().await;
    Ok(matches!(reached, Err(BoardError::Unavailable { .. })).then_some(since))
}

/// Which gate keeps the tasks that are there now, the most of them, if none passes. What was decided once
/// does not count: the task may have passed since, or not be meant any more.
async fn gate(parts: &Parts, playbook: &Arc<Playbook>) -> Result<Option<Reason>, LedgerError> {
    let mut beliefs = Beliefs::default();
    books::refresh(parts, &mut beliefs).await?;
    let open = why::imagined(parts, playbook, None);
    beliefs.open.insert(open.occurrence.id.clone(), open);
    let snapshot = match look::look(parts, &mut beliefs).await {
        Ok(snapshot) => snapshot,
        Err(LookError::Ledger(error)) => return Err(error),
        // Where they cannot be read nothing is said of them.
        Err(_) => return Ok(None),
    };
    let Some(facts) = snapshot.playbooks.get(&playbook.name) else { return Ok(None) };
    let criteria = Criteria::new(playbook, &snapshot.projects, &snapshot.people);
    let mut kept: BTreeMap<&str, (usize, Reason)> = BTreeMap::new();
    for task in snapshot.tasks.all().take(TASKS_MAX) {
        let reason = match judge(&criteria, task, false, &snapshot.situation(facts, task.id)) {
            Ok(()) if facts.no_budget.is_some() => Reason::BudgetDay,
            Ok(()) => return Ok(None),
            Err(refused) => refused.reason,
        };
        if is_gate(reason) {
            kept.entry(reason.code()).or_insert((0, reason)).0 += 1;
        }
    }
    Ok(kept.into_values().max_by_key(|(count, _)| *count).map(|(_, reason)| reason))
}

/// What a row of occurrences says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// The board was not reached.
    Unreached,
    /// There was nothing to do.
    Nothing,
}

/// What a row of occurrences, the latest first, says, and since when.
fn judge_row(row: &[(Timestamp, Reason)], now: Timestamp) -> Option<(Row, Timestamp)> {
    let same = |of: Reason| {
        let mut last = None;
        let row = row.iter().take_while(|(_, reason)| *reason == of);
        let count = row.inspect(|(at, _)| last = Some(*at)).count();
        (count, last)
    };
    let (count, since) = same(Reason::BoardUnavailable);
    if let Some(since) = since.filter(|since| count > 1 && now - *since >= UNREACHED_MIN) {
        return Some((Row::Unreached, since));
    }
    let (count, since) = same(Reason::NothingToDo);
    let since = since.filter(|since| count >= ROW_MIN && now - *since >= SPAN_MIN)?;
    Some((Row::Nothing, since))
}

/// Whether tasks were there, and a rule kept them from being taken.
fn is_gate(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NoAcceptanceCriteria
            | Reason::NoEstimate
            | Reason::NoDescription
            | Reason::OpenBlockers
            | Reason::Unsuitable
            | Reason::RubricFailed
            | Reason::NotIndependent
            | Reason::ConditionFalse
            | Reason::ConditionFailed
            | Reason::BudgetDay
            | Reason::ReviewQueueFull
            | Reason::UnknownAgent
            | Reason::UnknownStatus
            | Reason::UnknownPerson
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::from_millis;

    const HOUR: i64 = 3_600_000;

    fn at(hours_ago: i64) -> Timestamp {
        from_millis((10_000 - hours_ago) * HOUR)
    }

    fn row(count: i64, every: i64, reason: Reason) -> Vec<(Timestamp, Reason)> {
        (0..count).map(|n| (at(n * every), reason)).collect()
    }

    #[test]
    fn a_board_that_is_away_is_known_in_an_hour_and_having_nothing_to_do_in_a_week() {
        assert_eq!(
            judge_row(&row(30, 12, Reason::NothingToDo), at(0)),
            Some((Row::Nothing, at(29 * 12)))
        );
        assert_eq!(
            judge_row(&row(3, 1, Reason::BoardUnavailable), at(0)),
            Some((Row::Unreached, at(2)))
        );
    }

    #[test]
    fn a_short_time_or_something_in_between_is_no_reason_to_tell_anybody() {
        assert_eq!(judge_row(&row(30, 1, Reason::NothingToDo), at(0)), None);
        assert_eq!(judge_row(&row(19, 24, Reason::NothingToDo), at(0)), None);
        assert_eq!(judge_row(&row(1, 1, Reason::BoardUnavailable), at(0)), None);
        let mut mixed = row(30, 24, Reason::NothingToDo);
        mixed[3].1 = Reason::HandedOver;
        assert_eq!(judge_row(&mixed, at(0)), None);
    }
}
