//! Timesheets: the time that was spent, one by one, summed up, and as a week.

use super::log_time::day;
use super::tasks::refuse;
use crate::board::Board;
use crate::domain::{
    Cursor, PersonId, ProjectId, Role, TaskId, TimeEntry, TimeGroup, TimeKey, TimeKind, TimeQuery,
    TimeSum, Value, hours_of_seconds,
};
use crate::tools::arguments::IdOrName;
use crate::tools::dates::Dates;
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show::{self, Names};
use crate::tools::{Context, ToolError};
use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most in a page.
const PAGE_MAX: usize = 1_000;
/// A page when no limit is given.
const PAGE_DEFAULT: usize = 100;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<OfUser, Timesheet>(
            Words {
                name: "getUserTimesheets",
                title: "A person's time",
                description: "The time that you (or userId) logged. Example: {\"dateFrom\": \
                    \"-7d\", \"dateTo\": \"today\"}.",
                example: r#"{"dateFrom": "-7d", "dateTo": "today"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(of_user(parts, context, args)),
        ),
        Definition::read::<OfProject, Timesheet>(
            Words {
                name: "getProjectTimesheets",
                title: "A project's time",
                description: "The time that was logged on a project's tasks. Example: {\"projectId\": \
                    \"Website\", \"dateFrom\": \"-7d\", \"dateTo\": \"today\"}.",
                example: r#"{"projectId": "Website", "dateFrom": "-7d", "dateTo": "today"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(of_project(parts, context, args)),
        ),
        Definition::read::<Summary, Sums>(
            Words {
                name: "getTimesheetSummary",
                title: "Sums of time",
                description: "Sums of the time that everybody (or userId) logged. Example: \
                    {\"dateFrom\": \"-7d\", \"dateTo\": \"today\", \"groupBy\": \"project\"}.",
                example: r#"{"dateFrom": "-7d", "dateTo": "today", "groupBy": "project"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(summary(parts, context, args)),
        ),
        Definition::read::<Weekly, WeekView>(
            Words {
                name: "getWeeklyTimesheets",
                title: "A week's timesheet",
                description: "Seven days of yours (or userId's): hours by task, kind and day. Example: \
                    {\"weekStart\": \"2026-11-02\"}.",
                example: r#"{"weekStart": "2026-11-02"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(weekly(parts, context, args)),
        ),
    ]
}

/// Time that a person spent on a task on a day.
#[derive(Serialize, JsonSchema)]
struct EntryView {
    id: i64,
    task: i64,
    headline: Option<String>,
    project: i64,
    project_name: Option<String>,
    person: i64,
    person_name: Option<String>,
    day: String,
    kind: String,
    kind_label: String,
    hours: f64,
    description: String,
}

/// A page of what was logged in a span.
#[derive(Serialize, JsonSchema)]
struct Timesheet {
    /// The first day.
    from: String,
    /// The last day.
    to: String,
    /// Of the whole span, not of this page.
    total_hours: f64,
    billable_hours: f64,
    items: Vec<EntryView>,
    /// Give this as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OfUser {
    /// A day.
    date_from: String,
    /// The last day.
    date_to: String,
    /// Only of it.
    project_id: Option<IdOrName>,
    /// Default: you.
    user_id: Option<IdOrName>,
    /// Default 100.
    limit: Option<i64>,
    /// `next` of a page.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OfProject {
    /// Id or name.
    project_id: IdOrName,
    /// A day.
    date_from: String,
    /// The last day.
    date_to: String,
    /// Only theirs.
    user_id: Option<IdOrName>,
    /// Default 100.
    limit: Option<i64>,
    /// `next` of a page.
    cursor: Option<String>,
}

async fn of_user(parts: &Parts, context: &Context, args: OfUser) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let user = args.user_id.unwrap_or(IdOrName::Id(0));
    let mut query = spent(&directory, args.project_id.as_ref(), Some(&user))?;
    let span = Span::read(parts, context, &args.date_from, &args.date_to)?;
    page(&mut query, args.limit, args.cursor)?;
    Ok(show::value(&timesheet(parts, &directory, span, query).await?))
}

async fn of_project(parts: &Parts, context: &Context, args: OfProject) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let mut query = spent(&directory, Some(&args.project_id), args.user_id.as_ref())?;
    let span = Span::read(parts, context, &args.date_from, &args.date_to)?;
    page(&mut query, args.limit, args.cursor)?;
    Ok(show::value(&timesheet(parts, &directory, span, query).await?))
}

/// From this day to that one, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl Span {
    pub(super) fn read(
        parts: &Parts,
        context: &Context,
        from: &str,
        to: &str,
    ) -> Result<Self, ToolError> {
        let dates = Dates { zone: context.zone, now: parts.clock.wall() };
        let (from, to) = (day(dates, "dateFrom", from)?, day(dates, "dateTo", to)?);
        if to < from {
            return Err(refuse(&format!(
                "dateTo: {to} lies before dateFrom, {from}; expected the same day or a later one"
            )));
        }
        Ok(Self { from, to })
    }

    pub(super) fn within(self, query: TimeQuery) -> TimeQuery {
        TimeQuery { from: Some(self.from), to: self.to.succ_opt(), ..query }
    }
}

fn spent(
    directory: &Directory,
    project: Option<&IdOrName>,
    person: Option<&IdOrName>,
) -> Result<TimeQuery, ToolError> {
    let mut query = TimeQuery::default();
    if let Some(name) = project {
        query.projects.push(directory.project(name)?.id);
    }
    if let Some(name) = person {
        query.people.push(directory.person(name)?);
    }
    Ok(query)
}

fn page(
    query: &mut TimeQuery,
    limit: Option<i64>,
    cursor: Option<String>,
) -> Result<(), ToolError> {
    query.limit = page_size(limit)?;
    query.after = cursor.filter(|cursor| !cursor.is_empty()).map(Cursor);
    Ok(())
}

/// The page size that a `limit` asks for.
pub(super) fn page_size(limit: Option<i64>) -> Result<usize, ToolError> {
    let limit = limit.map_or(Some(PAGE_DEFAULT), |limit| usize::try_from(limit).ok());
    limit
        .filter(|limit| (1..=PAGE_MAX).contains(limit))
        .ok_or_else(|| refuse("limit: expected 1 to 1000, such as 100"))
}

async fn timesheet(
    parts: &Parts,
    directory: &Directory,
    span: Span,
    query: TimeQuery,
) -> Result<Timesheet, ToolError> {
    let query = span.within(query);
    let board = parts.board.as_ref();
    let page = board.time_entries(&query).await.map_err(|e| told(&e))?;
    let sums = board.time_sums(&query, TimeGroup::Kind).await.map_err(|e| told(&e))?;
    let headlines = headlines(board, page.items.iter().map(|entry| entry.task)).await;
    let view = |entry: TimeEntry| entry_view(&directory.names, &headlines, entry);
    Ok(Timesheet {
        from: span.from.to_string(),
        to: span.to.to_string(),
        total_hours: hours(sums.iter().map(|sum| sum.seconds).sum()),
        billable_hours: hours(sums.iter().map(|sum| sum.billable).sum()),
        items: page.items.into_iter().map(view).collect(),
        next: page.next.map(|cursor| cursor.0),
    })
}

fn entry_view(names: &Names, headlines: &BTreeMap<TaskId, String>, entry: TimeEntry) -> EntryView {
    EntryView {
        id: entry.id.0,
        task: entry.task.0,
        headline: headlines.get(&entry.task).cloned(),
        project: entry.project.0,
        project_name: project_name(names, entry.project),
        person: entry.person.0,
        person_name: names.person(Some(entry.person)),
        day: entry.day.to_string(),
        kind: entry.kind.to_string(),
        kind_label: entry.kind.label().to_owned(),
        hours: hours(entry.seconds.into()),
        description: entry.description,
    }
}

fn project_name(names: &Names, id: ProjectId) -> Option<String> {
    names.projects.get(&id).map(|project| project.name.clone())
}

/// What the tasks are called; one that cannot be read has no headline.
async fn headlines(
    board: &dyn Board,
    tasks: impl Iterator<Item = TaskId>,
) -> BTreeMap<TaskId, String> {
    let mut known = BTreeMap::new();
    for id in tasks {
        if !known.contains_key(&id)
            && let Ok(task) = board.task(id).await
        {
            known.insert(id, task.headline);
        }
    }
    known
}

/// To the second; what was written with two decimals comes back so.
pub(super) fn hours(seconds: u64) -> f64 {
    hours_of_seconds(seconds)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Summary {
    /// A day.
    date_from: String,
    /// The last day.
    date_to: String,
    /// project, user, day, week, ticket or kind.
    group_by: String,
    /// Only of it.
    project_id: Option<IdOrName>,
    /// Only theirs.
    user_id: Option<IdOrName>,
    /// Default 100.
    limit: Option<i64>,
    /// `next` of a page.
    cursor: Option<String>,
}

/// The time of one project, person, day, week, task or kind.
#[derive(Serialize, JsonSchema)]
struct SumView {
    /// An id, a day, the week's Monday, or a kind.
    key: String,
    /// What people call it.
    name: String,
    hours: f64,
    billable_hours: f64,
    entries: u64,
}

/// A page of sums.
#[derive(Serialize, JsonSchema)]
struct Sums {
    /// The first day.
    from: String,
    /// The last day.
    to: String,
    group_by: String,
    /// Of the whole span, not of this page.
    total_hours: f64,
    billable_hours: f64,
    items: Vec<SumView>,
    /// Give this as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

async fn summary(parts: &Parts, context: &Context, args: Summary) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let span = Span::read(parts, context, &args.date_from, &args.date_to)?;
    let group: TimeGroup = args
        .group_by
        .trim()
        .to_lowercase()
        .parse()
        .map_err(|expected| refuse(&format!("groupBy: {expected}")))?;
    let query = spent(&directory, args.project_id.as_ref(), args.user_id.as_ref())?;
    let query = span.within(query);
    let limit = page_size(args.limit)?;
    let board = parts.board.as_ref();
    let sums = board.time_sums(&query, group).await.map_err(|e| told(&e))?;
    let (total, billable) =
        sums.iter().fold((0, 0), |(all, paid), sum| (all + sum.seconds, paid + sum.billable));
    let after = match args.cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
        None => None,
        Some(cursor) => Some(key_in(group, cursor).ok_or_else(|| {
            refuse("cursor: expected the `next` of a page with the same groupBy")
        })?),
    };
    let mut rest: Vec<TimeSum> =
        sums.into_iter().filter(|sum| after.is_none_or(|after| sum.key > after)).collect();
    let more = rest.len() > limit;
    rest.truncate(limit);
    let tasks = rest.iter().filter_map(|sum| match sum.key {
        TimeKey::Task(id) => Some(id),
        _ => None,
    });
    let headlines = headlines(board, tasks).await;
    Ok(show::value(&Sums {
        from: span.from.to_string(),
        to: span.to.to_string(),
        group_by: group.to_string(),
        total_hours: hours(total),
        billable_hours: hours(billable),
        next: rest.last().filter(|_| more).map(|sum| key_text(sum.key)),
        items: rest.iter().map(|sum| sum_view(&directory.names, &headlines, sum)).collect(),
    }))
}

fn sum_view(names: &Names, headlines: &BTreeMap<TaskId, String>, sum: &TimeSum) -> SumView {
    let name = match sum.key {
        TimeKey::Project(id) => project_name(names, id),
        TimeKey::Person(id) => names.person(Some(id)),
        TimeKey::Task(id) => headlines.get(&id).cloned(),
        TimeKey::Day(_) | TimeKey::Week(_) | TimeKey::Kind(_) => None,
    };
    SumView {
        key: key_text(sum.key),
        name: name.unwrap_or_else(|| sum.key.to_string()),
        hours: hours(sum.seconds),
        billable_hours: hours(sum.billable),
        entries: sum.entries,
    }
}

fn key_text(key: TimeKey) -> String {
    match key {
        TimeKey::Project(id) => id.to_string(),
        TimeKey::Person(id) => id.to_string(),
        TimeKey::Task(id) => id.to_string(),
        TimeKey::Day(day) | TimeKey::Week(day) => day.to_string(),
        TimeKey::Kind(kind) => kind.to_string(),
    }
}

fn key_in(group: TimeGroup, text: &str) -> Option<TimeKey> {
    Some(match group {
        TimeGroup::Project => TimeKey::Project(ProjectId(text.parse().ok()?)),
        TimeGroup::Person => TimeKey::Person(PersonId(text.parse().ok()?)),
        TimeGroup::Task => TimeKey::Task(TaskId(text.parse().ok()?)),
        TimeGroup::Day => TimeKey::Day(text.parse().ok()?),
        TimeGroup::Week => TimeKey::Week(text.parse().ok()?),
        TimeGroup::Kind => TimeKey::Kind(text.parse::<TimeKind>().ok()?),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Weekly {
    /// The first of the seven days.
    week_start: String,
    /// Only of it.
    project_id: Option<IdOrName>,
    /// Default: you.
    user_id: Option<IdOrName>,
}

/// The hours of one task and kind of work.
#[derive(Serialize, JsonSchema)]
struct WeekRowView {
    task: i64,
    headline: Option<String>,
    kind: String,
    kind_label: String,
    /// Of each day.
    hours: Vec<f64>,
    total_hours: f64,
}

/// A person's week.
#[derive(Serialize, JsonSchema)]
struct WeekView {
    person: i64,
    person_name: Option<String>,
    /// The seven days.
    days: Vec<String>,
    rows: Vec<WeekRowView>,
    /// Of each day.
    day_hours: Vec<f64>,
    total_hours: f64,
}

async fn weekly(parts: &Parts, context: &Context, args: Weekly) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let start = day(dates, "weekStart", &args.week_start)?;
    let person = directory.person(&args.user_id.unwrap_or(IdOrName::Id(0)))?;
    let projects = match &args.project_id {
        Some(name) => vec![directory.project(name)?.id],
        None => Vec::new(),
    };
    let board = parts.board.as_ref();
    let week = board.week(person, start, &projects).await.map_err(|e| told(&e))?;
    let headlines = headlines(board, week.rows.iter().map(|row| row.task)).await;
    let rows = week.rows.iter().map(|row| WeekRowView {
        task: row.task.0,
        headline: headlines.get(&row.task).cloned(),
        kind: row.kind.to_string(),
        kind_label: row.kind.label().to_owned(),
        hours: row.seconds.iter().map(|seconds| hours(*seconds)).collect(),
        total_hours: hours(row.seconds.iter().sum()),
    });
    Ok(show::value(&WeekView {
        person: person.0,
        person_name: directory.names.person(Some(person)),
        days: start.iter_days().take(7).map(|day| day.to_string()).collect(),
        rows: rows.collect(),
        day_hours: week.days.iter().map(|seconds| hours(*seconds)).collect(),
        total_hours: hours(week.total()),
    }))
}
