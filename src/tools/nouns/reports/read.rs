//! Reads what reports need, to the end of every list or not at all.

use crate::board::BoardError;
use crate::domain::{
    ActivityQuery, During, PersonId, PersonKind, ProjectId, ScheduleQuery, Scheduled, Span,
    StatusId, StatusKind, TaskId, TaskQuery, Timestamp, When,
};
use crate::reckon::{HOURS_PER_POINT, Hours, Seen, estimate, midnight, worked};
use crate::tools::arguments::{IdOrName, OneOrMany, shown};
use crate::tools::dates::Dates;
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::{Directory, is_none};
use crate::tools::{Context, ToolError};
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::super::tasks::refuse;

/// A report over more tasks than this names its projects.
const TASKS_MAX: usize = 20_000;
/// Changes are read to so many pages of 1,000.
const PAGES_MAX: usize = 50;
/// Items asked for at a time.
const PAGE: usize = 1_000;
/// The most people of one report.
const PEOPLE_MAX: usize = 200;
/// So many tasks outside of a report's projects are asked for.
const OUTSIDE_MAX: usize = 200;
/// What is planned for longer than this is not worked at all the time.
const BUSY_MAX: TimeDelta = TimeDelta::hours(12);

/// A number; playbooks may hand it on as text, an empty one being none.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a number")]
pub(super) enum Amount {
    Number(f64),
    Text(String),
}

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"] })
    }
}

/// A number that is not below nothing; `None` for an empty text.
pub(super) fn amount(name: &str, given: Option<&Amount>) -> Result<Option<f64>, ToolError> {
    let number = match given {
        None => return Ok(None),
        Some(Amount::Text(text)) if text.trim().is_empty() => return Ok(None),
        Some(Amount::Text(text)) => text.trim().parse().ok(),
        Some(Amount::Number(number)) => Some(*number),
    };
    let fits = number.filter(|number: &f64| number.is_finite() && *number >= 0.0);
    fits.map(Some).ok_or_else(|| refuse(&format!("{name}: expected a number such as 40")))
}

/// What the caller named, without empty texts.
pub(super) fn named(given: Option<OneOrMany<IdOrName>>) -> Vec<IdOrName> {
    let all = given.map(OneOrMany::into_vec).unwrap_or_default();
    let is_named = |name: &IdOrName| !matches!(name, IdOrName::Name(text) if is_none(text));
    all.into_iter().filter(is_named).collect()
}

/// The projects that are named; none: all that are open.
pub(super) fn projects(
    directory: &Directory,
    given: Option<OneOrMany<IdOrName>>,
) -> Result<Vec<ProjectId>, ToolError> {
    let mut ids = Vec::new();
    for name in named(given) {
        ids.push(directory.project(&name)?.id);
    }
    if ids.is_empty() {
        let open = directory.names.projects.values().filter(|project| !project.closed);
        ids = open.map(|project| project.id).collect();
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The people that are named; none: everybody who breathes.
pub(super) fn people(
    directory: &Directory,
    given: Option<OneOrMany<IdOrName>>,
) -> Result<Vec<PersonId>, ToolError> {
    let mut ids = Vec::new();
    for name in named(given) {
        ids.push(directory.person(&name)?);
    }
    if ids.is_empty() {
        let all = directory.names.people.iter().filter(|one| one.kind == PersonKind::Person);
        ids = all.map(|person| person.id).collect();
    }
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > PEOPLE_MAX {
        return Err(refuse(&format!(
            "userId: {} people are too many for one report; name up to {PEOPLE_MAX}",
            ids.len()
        )));
    }
    Ok(ids)
}

/// All kinds but *done*.
pub(super) fn open_kinds() -> Vec<StatusKind> {
    StatusKind::ALL.into_iter().filter(|kind| *kind != StatusKind::Done).collect()
}

/// Every task that matches, with what its status means; none for no projects.
pub(super) async fn tasks(
    parts: &Parts,
    directory: &Directory,
    query: TaskQuery,
) -> Result<Vec<Seen>, ToolError> {
    let mut query = TaskQuery { limit: PAGE, ..query };
    let mut all: Vec<Seen> = Vec::new();
    if query.projects.is_empty() {
        return Ok(all);
    }
    loop {
        let page = parts.board.tasks(&query).await.map_err(|e| told(&e))?;
        for task in page.items {
            let project = directory.names.projects.get(&task.project);
            let kind = project.map_or(StatusKind::New, |project| project.kind_of(task.status));
            all.push(Seen { task, kind });
        }
        if all.len() > TASKS_MAX {
            return Err(refuse(&format!("more than {TASKS_MAX} tasks: name fewer projects")));
        }
        if page.next.is_none() || page.next == query.after {
            return Ok(all);
        }
        query.after = page.next;
    }
}

/// The open ones of these and of the tasks that they wait for: those in other projects are asked for.
pub(super) async fn open_ids(
    parts: &Parts,
    directory: &Directory,
    tasks: &[Seen],
) -> Result<BTreeSet<TaskId>, ToolError> {
    let known: BTreeMap<TaskId, bool> =
        tasks.iter().map(|seen| (seen.task.id, seen.is_open())).collect();
    let mut open: BTreeSet<TaskId> =
        known.iter().filter(|(_, is_open)| **is_open).map(|(id, _)| *id).collect();
    let waited: BTreeSet<TaskId> = tasks
        .iter()
        .filter(|seen| seen.is_open())
        .flat_map(|seen| seen.task.blocked_by.iter().copied())
        .filter(|id| !known.contains_key(id))
        .collect();
    for id in waited.into_iter().take(OUTSIDE_MAX) {
        match parts.board.task(id).await {
            Ok(task) => {
                let project = directory.names.projects.get(&task.project);
                let kind = project.map_or(StatusKind::New, |project| project.kind_of(task.status));
                if kind != StatusKind::Done {
                    open.insert(id);
                }
            }
            // Nobody waits for what is gone.
            Err(BoardError::NotFound { .. }) => {}
            Err(error) => return Err(told(&error)),
        }
    }
    Ok(open)
}

/// When tasks were finished since an instant: by what happened to their status, else by their last
/// change.
pub(super) async fn done_since(
    parts: &Parts,
    directory: &Directory,
    done: &[Seen],
    since: Timestamp,
) -> Result<BTreeMap<TaskId, Timestamp>, ToolError> {
    let mut at: BTreeMap<TaskId, Timestamp> = BTreeMap::new();
    let known: BTreeSet<TaskId> = done.iter().map(|seen| seen.task.id).collect();
    let mut query = ActivityQuery {
        projects: done
            .iter()
            .map(|seen| seen.task.project)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        field: Some("status".to_owned()),
        from: Some(since),
        limit: PAGE,
        ..ActivityQuery::default()
    };
    if done.is_empty() {
        return Ok(at);
    }
    for _ in 0..PAGES_MAX {
        let page = parts.board.activity(&query).await.map_err(|e| told(&e))?;
        let Some(last) = page.items.last().map(|row| row.id) else { break };
        for row in page.items {
            let (Some(task), Some(project)) = (row.task, row.project) else { continue };
            let kind = row.after.as_int().and_then(|status| {
                Some(directory.names.projects.get(&project)?.kind_of(StatusId(status)))
            });
            if kind == Some(StatusKind::Done) && known.contains(&task) {
                at.insert(task, row.at);
            }
        }
        if page.next.is_none() || query.after == Some(last) {
            break;
        }
        query.after = Some(last);
    }
    // Where the record does not reach back so far, the last change is all there is to go by.
    let earlier = ActivityQuery { to: Some(since), limit: 1, ..ActivityQuery::default() };
    let reaches_back =
        !parts.board.activity(&earlier).await.map_err(|e| told(&e))?.items.is_empty();
    for seen in done {
        let task = &seen.task;
        if !at.contains_key(&task.id) && (task.created >= since || !reaches_back) {
            at.insert(task.id, task.modified);
        }
    }
    Ok(at)
}

/// What somebody has in their calendar on these days, in order.
pub(super) async fn calendar(
    parts: &Parts,
    context: &Context,
    person: PersonId,
    (first, last): (NaiveDate, NaiveDate),
) -> Result<Vec<Scheduled>, ToolError> {
    let during = During::days(first, last, context.zone);
    let query = ScheduleQuery { person, during };
    let mut found = parts.board.schedule(&query).await.map_err(|e| told(&e))?;
    found.sort_by_key(Scheduled::place);
    Ok(found)
}

/// What events are called that keep time free for work: nobody meets anybody then.
const FOCUS: &str = "Focus";

/// Whether an event keeps time free for work.
pub(super) fn is_focus(one: &Scheduled) -> bool {
    matches!(one, Scheduled::Event(event) if event.title.trim() == FOCUS)
}

/// The days on which nobody works, by the hours of the playbook on whose behalf it is asked.
pub(super) fn holidays(context: &Context) -> Vec<NaiveDate> {
    let hours = context.run.as_ref().and_then(|run| run.playbook.on.hours.as_ref());
    hours.map(|hours| hours.holidays.clone()).unwrap_or_default()
}

/// The same as times that are taken.
pub(super) fn busy_on_holidays(context: &Context) -> impl Iterator<Item = Span> {
    let zone = context.zone;
    holidays(context).into_iter().map(move |day| Span {
        from: midnight(day, zone),
        to: midnight(day.succ_opt().unwrap_or(day), zone),
    })
}

/// When somebody is busy by their calendar, but for time that is kept free for work.
pub(super) fn busy_but_for_focus(found: &[Scheduled], days: (Hours, Tz)) -> Vec<Span> {
    let others: Vec<Scheduled> = found.iter().filter(|one| !is_focus(one)).cloned().collect();
    busy(&others, days)
}

/// When somebody is busy by their calendar: events, whole days too, and work that is planned; where that
/// takes several days, in the hours of these.
pub(super) fn busy(found: &[Scheduled], (hours, zone): (Hours, Tz)) -> Vec<Span> {
    let (mut busy, mut long) = (Vec::new(), Vec::new());
    for one in found {
        match (one, one.when()) {
            (Scheduled::Event(_), Some(When::Days { first, last })) => {
                let to = last.succ_opt().unwrap_or(last);
                busy.push(Span { from: midnight(first, zone), to: midnight(to, zone) });
            }
            (Scheduled::Event(_), Some(When::Timed(span))) => busy.push(span),
            (Scheduled::Task(_), Some(When::Timed(span))) if span.to - span.from <= BUSY_MAX => {
                busy.push(span);
            }
            (Scheduled::Task(task), Some(When::Timed(span))) => long.push((span, task)),
            (Scheduled::Task(_), Some(When::Days { .. })) | (_, None) => {}
        }
    }
    // Each around those that begin before it, as they were planned.
    long.sort_by_key(|(span, task)| (span.from, task.id));
    for (span, task) in long {
        let length = TimeDelta::minutes(estimate(task, HOURS_PER_POINT).0);
        busy.extend(worked(span, length, (hours, zone), &busy));
    }
    busy
}

/// The caller's dates.
pub(super) fn dates(parts: &Parts, context: &Context) -> Dates {
    Dates { zone: context.zone, now: parts.clock.wall() }
}

/// A day; an absent or empty text is the other.
pub(super) fn day_or(
    dates: Dates,
    name: &str,
    given: Option<&str>,
    other: &str,
) -> Result<NaiveDate, ToolError> {
    let text = given.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(other);
    dates.day(name, text)
}

/// The hours of a day, around a break from noon to 13:00, or as the caller says.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct DayHours {
    /// HH:MM, default 09:00.
    start: Option<String>,
    /// Begin of the break, default 12:00.
    noon: Option<String>,
    /// Its end, default 13:00.
    after: Option<String>,
    /// Default 17:00.
    end: Option<String>,
}

impl DayHours {
    pub(super) fn read(&self) -> Result<Hours, ToolError> {
        let hours = Hours {
            start: time("hours.start", self.start.as_deref().unwrap_or("09:00"))?,
            noon: time("hours.noon", self.noon.as_deref().unwrap_or("12:00"))?,
            after: time("hours.after", self.after.as_deref().unwrap_or("13:00"))?,
            end: time("hours.end", self.end.as_deref().unwrap_or("17:00"))?,
        };
        if hours.is_in_order() {
            Ok(hours)
        } else {
            Err(refuse(
                "hours: expected start before noon, noon not after `after`, `after` before end",
            ))
        }
    }
}

fn time(name: &str, text: &str) -> Result<NaiveTime, ToolError> {
    NaiveTime::parse_from_str(text.trim(), "%H:%M").map_err(|_| {
        refuse(&format!("{name}: expected a time of day such as 09:00, not \"{}\"", shown(text)))
    })
}

/// The tasks that a caller named: `[7, 8]`, `7`, or `"7, 8"`.
pub(super) fn ids(
    name: &str,
    given: Option<OneOrMany<IdOrName>>,
) -> Result<Vec<TaskId>, ToolError> {
    let wrong = || refuse(&format!("{name}: expected task ids such as [7, 8] or \"7, 8\""));
    let mut found = Vec::new();
    for item in named(given) {
        match item {
            IdOrName::Id(id) => found.push(TaskId(id)),
            IdOrName::Name(text) => {
                for part in text.split(',').filter(|part| !part.trim().is_empty()) {
                    let id = part.trim().trim_start_matches('#').parse().map_err(|_| wrong())?;
                    found.push(TaskId(id));
                }
            }
        }
    }
    Ok(found)
}
