//! Finding time for work: a day, the parts of a task, several tasks.

use super::bulk::as_value;
use super::tasks::refuse;
use crate::board::BATCH_MAX;
use crate::domain::{
    During, PersonId, Role, ScheduleQuery, Scheduled, Span, Task, TaskId, ToolCall, Value, When,
};
use crate::tools::arguments::{Id, IdOrName};
use crate::tools::batch::Batch;
use crate::tools::dates::Dates;
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::planner::{self, DAYS_MAX, Hours, Wish};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use schemars::JsonSchema;
use serde::Deserialize;

/// Without an end, the parts of a task are planned within so many days.
const BREAKDOWN_DAYS: u64 = 92;
/// A task that says nothing of its length takes so long.
const LENGTH: TimeDelta = TimeDelta::hours(1);
/// The least urgent.
const PRIORITY_MAX: u8 = 20;
/// What is planned for longer than this says when work may be done, not when somebody is busy.
const BUSY_MAX: TimeDelta = TimeDelta::hours(12);

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::bulk::<BreakDown>(
            Words {
                name: "breakdownTask",
                title: "Break a task down",
                description: "Adds subtasks and plans them one after the other in free working hours. \
                    Example: {\"taskId\": 7, \"startDate\": \"today\", \"subtasks\": [{\"title\": \
                    \"Draft\", \"duration\": 90}]}.",
                example: r#"{"taskId": 7, "startDate": "2026-11-03", "subtasks": [{"title": "Draft", "duration": 90}]}"#,
            },
            Role::Editor,
            (false, &["addSubtask"]),
            |parts, context, args| Box::pin(break_down(parts, context, args)),
        ),
        Definition::bulk::<ScheduleDay>(
            Words {
                name: "scheduleDay",
                title: "Plan a day",
                description: "Puts events and tasks into the free working hours of your day. Example: \
                    {\"date\": \"tomorrow\", \"events\": [{\"title\": \"Review\", \"duration\": 45}], \
                    \"taskIds\": [7]}.",
                example: r#"{"date": "2026-11-03", "events": [{"title": "Review", "duration": 45, "priority": 1}], "taskIds": [7]}"#,
            },
            Role::Editor,
            (false, &["addEvent", "scheduleTaskOnCalendar"]),
            |parts, context, args| Box::pin(schedule_day(parts, context, args)),
        ),
        Definition::bulk::<BulkSchedule>(
            Words {
                name: "bulkScheduleTasks",
                title: "Schedule tasks",
                description: "Plans up to 100 tasks; with duration instead of editTo, in free working \
                    hours from editFrom on. Example: {\"schedules\": [{\"taskId\": 7, \"editFrom\": \
                    \"today\", \"duration\": 60}]}.",
                example: r#"{"schedules": [{"taskId": 7, "editFrom": "2026-11-03T09:00", "editTo": "2026-11-03T11:00"}]}"#,
            },
            Role::Editor,
            (true, &["scheduleTaskOnCalendar"]),
            |parts, context, args| Box::pin(schedule_tasks(parts, context, args)),
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BreakDown {
    /// A task.
    task_id: Id,
    /// In their order.
    subtasks: Vec<Piece>,
    /// First day.
    start_date: String,
    /// Last day.
    end_date: Option<String>,
    /// HH:MM, default 09:00.
    working_hours_start: Option<String>,
    /// Default 18:00.
    working_hours_end: Option<String>,
    /// All or nothing.
    #[serde(default)]
    atomic: bool,
    /// Only shows.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Piece {
    title: String,
    #[serde(default)]
    description: Option<String>,
    /// Minutes.
    duration: f64,
}

async fn break_down(parts: &Parts, context: &Context, args: BreakDown) -> Result<Batch, ToolError> {
    few(args.subtasks.len())?;
    let directory = Directory::read(parts, context).await?;
    let task = parts.board.task(TaskId(args.task_id.0)).await.map_err(|e| told(&e))?;
    // Whoever does the work; nobody's calendar is empty.
    let person = task.assignee.or_else(|| directory.person(&IdOrName::Id(0)).ok());
    let hours = (args.working_hours_start.as_deref(), args.working_hours_end.as_deref());
    let desk = Desk::new(parts, context, hours)?;
    let first = desk.dates.day("startDate", &args.start_date)?;
    let last = match &args.end_date {
        Some(text) => desk.dates.day("endDate", text)?,
        None => later(first, BREAKDOWN_DAYS),
    };
    desk.in_order(first, last)?;
    let windows = planner::windows(desk.dates, desk.hours, (first, last), false);
    let busy = busy(parts, context, person, &windows, &[task.id]).await?;
    let free = planner::free(&windows, &busy, desk.soonest());
    let lengths: Result<Vec<_>, _> = args.subtasks.iter().map(|one| length(one.duration)).collect();
    let lengths = lengths?;
    let longest = windows.iter().map(|day| day.to - day.from).min().unwrap_or_default();
    let places = planner::in_order(&free, longest, &lengths);
    let calls =
        args.subtasks.into_iter().zip(places).zip(lengths).map(|((piece, place), length)| {
            let place = place.ok_or_else(|| full(&piece.title, "endDate"))?;
            let mut fields = vec![
                ("parentTicket", Value::from(task.id.0)),
                ("headline", piece.title.into()),
                ("planHours", (length.as_seconds_f64() / 3_600.0).into()),
                ("editFrom", show::instant(place.from).into()),
                ("editTo", show::instant(place.to).into()),
            ];
            fields.extend(piece.description.map(|text| ("description", text.into())));
            fields.extend(task.assignee.map(|person| ("editorId", person.0.into())));
            Ok(ToolCall { tool: "addSubtask".to_owned(), args: Value::map(fields) })
        });
    let calls = calls.collect();
    Ok(Batch { calls, atomic: args.atomic, dry_run: args.dry_run, shows: true })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ScheduleDay {
    /// Which.
    date: String,
    /// What to plan.
    #[serde(default)]
    events: Vec<DayEvent>,
    /// HH:MM, default 09:00.
    working_hours_start: Option<String>,
    /// Default 18:00.
    working_hours_end: Option<String>,
    /// Tasks, each for its remaining or planned hours, or 1.
    #[serde(default)]
    task_ids: Vec<Id>,
    /// All or nothing.
    #[serde(default)]
    atomic: bool,
    /// Only shows.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DayEvent {
    title: String,
    /// Minutes.
    duration: f64,
    /// 1 first … 20.
    #[serde(default)]
    priority: Option<u8>,
}

async fn schedule_day(
    parts: &Parts,
    context: &Context,
    args: ScheduleDay,
) -> Result<Batch, ToolError> {
    few(args.events.len() + args.task_ids.len())?;
    let directory = Directory::read(parts, context).await?;
    let me = directory.person(&IdOrName::Id(0))?;
    let hours = (args.working_hours_start.as_deref(), args.working_hours_end.as_deref());
    let desk = Desk::new(parts, context, hours)?;
    let day = desk.dates.day("date", &args.date)?;
    let mut wishes = Vec::new();
    let mut things = Vec::new();
    for event in args.events {
        let priority = event.priority.unwrap_or(PRIORITY_MAX / 2);
        if !(1..=PRIORITY_MAX).contains(&priority) {
            return Err(refuse("priority: expected 1, which is planned first, to 20"));
        }
        wishes.push(Wish { priority, length: length(event.duration)? });
        things.push(Thing::Event(event.title));
    }
    let mut own = Vec::new();
    for id in args.task_ids {
        let task = parts.board.task(TaskId(id.0)).await.map_err(|e| told(&e))?;
        // A task's 1 to 5 are spread over the 1 to 20 of a day.
        let priority = task.priority.map_or(PRIORITY_MAX / 2, |priority| priority.min(5) * 4);
        wishes.push(Wish { priority, length: length_of(&task) });
        own.push(task.id);
        things.push(Thing::Task(task.id));
    }
    let windows = planner::windows(desk.dates, desk.hours, (day, day), true);
    let busy = busy(parts, context, Some(me), &windows, &own).await?;
    let free = planner::free(&windows, &busy, desk.soonest());
    let places = planner::by_priority(&free, &wishes);
    let calls = things.into_iter().zip(places).map(|(thing, place)| thing.call(place)).collect();
    Ok(Batch { calls, atomic: args.atomic, dry_run: args.dry_run, shows: true })
}

/// What wants a place in a day.
enum Thing {
    Event(String),
    Task(TaskId),
}

impl Thing {
    fn call(self, place: Option<Span>) -> Result<ToolCall, ToolError> {
        let name = match &self {
            Self::Event(title) => title.clone(),
            Self::Task(id) => format!("task {id}"),
        };
        let place = place.ok_or_else(|| full(&name, "date"))?;
        let (from, to) = (show::instant(place.from), show::instant(place.to));
        let (tool, args) = match self {
            Self::Event(title) => (
                "addEvent",
                vec![
                    ("eventTitle", Value::from(title)),
                    ("dateFrom", from.into()),
                    ("dateTo", to.into()),
                ],
            ),
            Self::Task(id) => {
                let fields = vec![
                    ("id", Value::from(id.0)),
                    ("editFrom", from.into()),
                    ("editTo", to.into()),
                ];
                ("scheduleTaskOnCalendar", fields)
            }
        };
        Ok(ToolCall { tool: tool.to_owned(), args: Value::map(args) })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BulkSchedule {
    /// In their order.
    schedules: Vec<OneSchedule>,
    /// All or nothing.
    #[serde(default)]
    atomic: bool,
    /// Only shows.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OneSchedule {
    task_id: Id,
    edit_from: String,
    #[serde(default)]
    edit_to: Option<String>,
    /// Minutes.
    #[serde(default)]
    duration: Option<f64>,
}

async fn schedule_tasks(
    parts: &Parts,
    context: &Context,
    args: BulkSchedule,
) -> Result<Batch, ToolError> {
    few(args.schedules.len())?;
    let desk = Desk::new(parts, context, (None, None))?;
    let own: Vec<TaskId> = args.schedules.iter().map(|one| TaskId(one.task_id.0)).collect();
    // What an earlier item takes is busy for a later one of the same person.
    let mut taken: Vec<(Option<PersonId>, Span)> = Vec::new();
    let mut calls = Vec::with_capacity(args.schedules.len());
    for one in args.schedules {
        let place = match (&one.edit_to, one.duration) {
            (Some(to), None) => Ok((one.edit_from.clone(), to.clone())),
            (None, Some(minutes)) => {
                let found = desk.find(parts, context, &one, minutes, (&own, &mut taken)).await;
                found.map(|span| (show::instant(span.from), show::instant(span.to)))
            }
            _ => Err(refuse("expected editFrom with either editTo or duration, in minutes")),
        };
        calls.push(place.map(|(from, to)| ToolCall {
            tool: "scheduleTaskOnCalendar".to_owned(),
            args: Value::map([
                ("id", as_value(one.task_id.0)),
                ("editFrom", from.into()),
                ("editTo", to.into()),
            ]),
        }));
    }
    Ok(Batch { calls, atomic: args.atomic, dry_run: args.dry_run, shows: true })
}

/// In which hours of which zone work is planned, from when on.
struct Desk {
    dates: Dates,
    hours: Hours,
}

impl Desk {
    fn new(
        parts: &Parts,
        context: &Context,
        (start, end): (Option<&str>, Option<&str>),
    ) -> Result<Self, ToolError> {
        let start = time("workingHoursStart", start.unwrap_or("09:00"))?;
        let end = time("workingHoursEnd", end.unwrap_or("18:00"))?;
        if end <= start {
            return Err(refuse("workingHoursEnd: expected it later than workingHoursStart"));
        }
        let dates = Dates { zone: context.zone, now: parts.clock.wall() };
        Ok(Self { dates, hours: Hours { start, end } })
    }

    /// Nothing is planned for what has been.
    fn soonest(&self) -> crate::domain::Timestamp {
        planner::next_quarter(self.dates.now)
    }

    fn in_order(&self, first: NaiveDate, last: NaiveDate) -> Result<(), ToolError> {
        if last < first || last < self.dates.today() {
            return Err(refuse("endDate: expected it not before startDate, and not in the past"));
        }
        if last > later(first, DAYS_MAX) {
            return Err(refuse("endDate: expected it within a year of startDate"));
        }
        Ok(())
    }

    /// The first free place for one of several tasks.
    async fn find(
        &self,
        parts: &Parts,
        context: &Context,
        one: &OneSchedule,
        minutes: f64,
        (own, taken): (&[TaskId], &mut Vec<(Option<PersonId>, Span)>),
    ) -> Result<Span, ToolError> {
        let length = length(minutes)?;
        let task = parts.board.task(TaskId(one.task_id.0)).await.map_err(|e| told(&e))?;
        let first = self.dates.day("editFrom", &one.edit_from)?;
        let from = self.dates.begin("editFrom", &one.edit_from)?;
        let last = later(first, BREAKDOWN_DAYS);
        let windows = planner::windows(self.dates, self.hours, (first, last), false);
        let mut busy = busy(parts, context, task.assignee, &windows, own).await?;
        let same = taken.iter().filter(|(person, _)| *person == task.assignee);
        busy.extend(same.map(|(_, span)| *span));
        let free = planner::free(&windows, &busy, from.max(self.soonest()));
        let longest = windows.iter().map(|day| day.to - day.from).min().unwrap_or_default();
        let place = planner::in_order(&free, longest, &[length]).pop().flatten();
        let place = place.ok_or_else(|| full(&format!("task {}", task.id), "editFrom"))?;
        taken.push((task.assignee, place));
        Ok(place)
    }
}

/// When somebody is busy: their events that are no whole days, and the tasks that are planned for a part
/// of a day, without those that are about to be planned.
async fn busy(
    parts: &Parts,
    context: &Context,
    person: Option<PersonId>,
    windows: &[Span],
    own: &[TaskId],
) -> Result<Vec<Span>, ToolError> {
    let (Some(person), Some(first), Some(last)) = (person, windows.first(), windows.last()) else {
        return Ok(Vec::new());
    };
    let span = Span { from: first.from, to: last.to };
    let query = ScheduleQuery { person, during: During::instants(span, context.zone) };
    let found = parts.board.schedule(&query).await.map_err(|e| told(&e))?;
    let busy = found.iter().filter_map(|one| match (one, one.when()) {
        (Scheduled::Event(_), Some(When::Timed(span))) => Some(span),
        (Scheduled::Task(task), Some(When::Timed(span))) => {
            (!own.contains(&task.id) && span.to - span.from <= BUSY_MAX).then_some(span)
        }
        _ => None,
    });
    Ok(busy.collect())
}

fn few(count: usize) -> Result<(), ToolError> {
    if count == 0 || count > BATCH_MAX {
        return Err(refuse(&format!("{count} to plan; expected 1 to {BATCH_MAX}")));
    }
    Ok(())
}

fn full(name: &str, argument: &str) -> ToolError {
    let name = crate::tools::arguments::shown(name);
    refuse(&format!(
        "there is no free place for \"{name}\" within the working hours; give another {argument} or \
         a shorter duration"
    ))
}

fn later(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(day)
}

/// A length in minutes: at least one, at most a week of days and nights.
fn length(minutes: f64) -> Result<TimeDelta, ToolError> {
    let seconds = (minutes * 60.0).round();
    if !(60.0..=604_800.0).contains(&seconds) {
        return Err(refuse("duration: expected minutes, such as 90; at least 1, at most 10080"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a week of seconds at most, as was checked"
    )]
    let seconds = seconds as i64;
    Ok(TimeDelta::seconds(seconds))
}

/// What remains of a task, what was planned for it, or an hour.
fn length_of(task: &Task) -> TimeDelta {
    let hours = task.hours_remaining.filter(|hours| *hours > 0.0).or(task.plan_hours);
    hours.and_then(|hours| length(hours * 60.0).ok()).unwrap_or(LENGTH)
}

/// A time of day.
fn time(argument: &str, text: &str) -> Result<NaiveTime, ToolError> {
    NaiveTime::parse_from_str(text.trim(), "%H:%M").map_err(|_| {
        let shown = crate::tools::arguments::shown(text);
        refuse(&format!("{argument}: expected a time of day such as 09:00, not \"{shown}\""))
    })
}
