//! The names that templates may speak of, by what the template is for. Whoever renders a template
//! supplies exactly these names (a name without a value is `null`, never missing).
//!
//! | name | what it holds |
//! |---|---|
//! | `task` | the task as `rota task show --json` prints it, plus `project_name`, `status_label`, `status_kind`, `assignee_name`, `author_name`, `url`, and `comments`: a list of `{ author, text, at, is_agent }`, oldest first |
//! | `project` | `{ id, name, details, statuses }` |
//! | `agent` | the name of the board user that the playbook acts as |
//! | `playbook` | `{ name, description }` |
//! | `run` | `{ id, attempt, attempts_max, playbook }` |
//! | `claim` | `{ fence }`, or `null` |
//! | `outcomes` | the names by which the work may end, a list of texts |
//! | `outcome` | `{ name, summary }`, or `null` |
//! | `earlier` | what earlier attempts changed: a list of `{ attempt, tool, entity, summary }` |
//! | `previous` | how the attempt before ended: `{ state, reason, detail, summary }`, or `null` |
//! | `review` | `{ round, rounds (and rounds_max), findings, open_findings, left_out, since, answers, settled }`, or `null`: `findings` is a text for the author; `open_findings` a list as `findings` below; `since` the commit looked at last; `answers` what others said since, a list of `{ author, text, at, is_agent }`; `settled` the numbers of findings that this look settled; `left_out` how many findings did not fit |
//! | `findings` | what is open after a review, the most severe first: a list of `{ number, place, file, line, link, severity, begins_group, text, suggestion }` |
//! | `workspace` | `{ branch, head, target, note }`: its own branch, the commit that is checked out, that of `source.ref`, and what was or was not brought up to date; or `null` |
//! | `question` | `{ text, answer, answered_by }`, or `null` |
//! | `receipt` | what a hand-over rests on: `{ used, checks, evidence, left_out, writes, undo }`: what all attempts used in one line, the checks that passed, what was offered as evidence, how many writes stand, the command that puts them back; or `null` |
//! | `ended` | why a claim ended without a result: `{ reason, text, done, left, minutes, attempts }`, or `null` |
//! | `missing` | the gates that a task did not pass, in words: a list of texts |
//! | `gathered` | the results of `[gather.NAME]`, by name |
//! | `item` | the item that a step's `each` is at |
//! | `event` | what another program told (`on.webhook`): `{ name, delivery, payload, text }`, `payload` its JSON and `text` all of it as it was sent; or `null` |
//! | `set` | the values of `--set k=v` |
//! | `tasks` | the tasks of an occurrence: a list of `task`s, each with `outcome` and `state` |
//! | `problems` | what went wrong in an occurrence: a list of `{ task, reason, detail }` |
//! | `changes` | what the runs of an occurrence wrote, or propose to: a list of `{ tool, reference, url, link, headline, notes }` |
//! | `until` | until when proposals may be applied (RFC 3339), or `null` |
//! | `now`, `zone` | this instant (RFC 3339) and the playbook's zone |
//! | the names of [`INSTANTS`] | beginnings and ends of days in the playbook's zone (RFC 3339) |

use crate::domain::{Timestamp, Value};
use chrono::{NaiveTime, SecondsFormat, TimeDelta};
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// Beginnings and ends of days in the playbook's zone; an end is the next day's beginning.
pub const INSTANTS: [&str; 8] = [
    "yesterday_start",
    "yesterday_end",
    "today_start",
    "today_end",
    "tomorrow_end",
    "in_3_days",
    "in_7_days",
    "a_week_ago",
];

/// What every template may speak of.
pub const COMMON: [&str; 6] = ["agent", "playbook", "now", "zone", "set", "event"];

/// What prompts, comments and questions may speak of, besides [`COMMON`].
pub const WORK: [&str; 17] = [
    "task",
    "project",
    "run",
    "claim",
    "outcomes",
    "outcome",
    "earlier",
    "previous",
    "review",
    "findings",
    "question",
    "receipt",
    "ended",
    "missing",
    "gathered",
    "item",
    "workspace",
];

/// What reports may speak of, besides [`COMMON`].
pub const REPORT: [&str; 6] = ["tasks", "problems", "changes", "until", "gathered", "run"];

/// What `args`, `each` and `once` may speak of, besides [`COMMON`], [`WORK`] and [`INSTANTS`]:
/// the ids of all projects, and of those of `[select]`.
pub const ARGS: [&str; 2] = ["all_project_ids", "project_ids"];

/// Members of the names that have a fixed shape.
pub(crate) const MEMBERS: [(&str, &[&str]); 12] = [
    (
        "task",
        &[
            "id",
            "project",
            "kind",
            "headline",
            "description",
            "acceptance_criteria",
            "status",
            "priority",
            "storypoints",
            "plan_hours",
            "hours_remaining",
            "tags",
            "author",
            "assignee",
            "collaborators",
            "due",
            "work_from",
            "work_to",
            "milestone",
            "sprint",
            "parent",
            "blocked_by",
            "sort",
            "fields",
            "created",
            "modified",
            "revision",
            "project_name",
            "status_label",
            "status_kind",
            "assignee_name",
            "author_name",
            "url",
            "comments",
            "outcome",
            "state",
        ],
    ),
    ("project", &["id", "name", "details", "statuses"]),
    ("event", &["name", "delivery", "payload", "text"]),
    ("playbook", &["name", "description"]),
    ("run", &["id", "attempt", "attempts_max", "playbook"]),
    ("claim", &["fence"]),
    ("outcome", &["name", "summary"]),
    ("previous", &["state", "reason", "detail", "summary"]),
    (
        "review",
        &[
            "round",
            "rounds",
            "rounds_max",
            "findings",
            "open_findings",
            "left_out",
            "since",
            "answers",
            "settled",
        ],
    ),
    ("workspace", &["branch", "head", "target", "note"]),
    ("receipt", &["used", "checks", "evidence", "left_out", "writes", "undo"]),
    ("ended", &["reason", "text", "done", "left", "minutes", "attempts"]),
];

/// What any file in `templates/` may speak of.
pub fn any_file() -> Vec<&'static str> {
    let mut names: Vec<&str> = COMMON.iter().chain(&WORK).chain(&REPORT).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What prompts, comments and questions may speak of.
pub fn work() -> Vec<&'static str> {
    COMMON.iter().chain(&WORK).copied().collect()
}

/// What reports may speak of.
pub fn report() -> Vec<&'static str> {
    COMMON.iter().chain(&REPORT).copied().collect()
}

/// What `args`, `each`, `once` and `assign` may speak of.
pub fn args() -> Vec<&'static str> {
    COMMON.iter().chain(&WORK).chain(&INSTANTS).chain(&ARGS).copied().collect()
}

/// The instants of [`INSTANTS`], seen from an instant in a zone. A midnight that the zone skips is
/// the first instant after it.
pub fn instants(now: Timestamp, zone: Tz) -> BTreeMap<String, Value> {
    let today = now.with_timezone(&zone).date_naive();
    let midnight = |days: i64| {
        let day = today.checked_add_signed(TimeDelta::days(days)).unwrap_or(today);
        // No zone skips more than a few hours.
        let start = (0..=24).find_map(|quarter| {
            let local = day.and_time(NaiveTime::MIN) + TimeDelta::minutes(15 * quarter);
            local.and_local_timezone(zone).earliest()
        });
        start.map_or(now, |start| start.to_utc())
    };
    let values = [-1, 0, 0, 1, 2, 4, 8, -7].map(midnight);
    INSTANTS
        .into_iter()
        .zip(values)
        .map(|(name, at)| (name.to_owned(), at.to_rfc3339_opts(SecondsFormat::Secs, true).into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_in_the_zone_of_the_playbook() {
        let now = "2026-11-22T23:30:00Z".parse().unwrap();
        let at = instants(now, Tz::Europe__Berlin);
        assert_eq!(at["yesterday_start"], "2026-11-21T23:00:00Z".into());
        assert_eq!(at["today_start"], "2026-11-22T23:00:00Z".into());
        assert_eq!(at["yesterday_end"], at["today_start"]);
        assert_eq!(at["tomorrow_end"], "2026-11-24T23:00:00Z".into());
        assert_eq!(at["in_3_days"], "2026-11-26T23:00:00Z".into());
    }

    #[test]
    fn a_day_without_midnight_begins_at_its_first_instant() {
        // In Santiago, 6 September 2026 begins at 01:00.
        let now = "2026-09-06T12:00:00Z".parse().unwrap();
        let at = instants(now, Tz::America__Santiago);
        assert_eq!(at["today_start"], "2026-09-06T04:00:00Z".into());
    }
}
