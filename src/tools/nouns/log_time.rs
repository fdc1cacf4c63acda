//! Logging time, and the timers that log it.

use super::tasks::refuse;
use crate::domain::{
    NewTimer, PersonId, Reason, Role, StopTimer, Task, TaskId, TimeAmount, TimeChange, TimeKind,
    TimeQuery, Timer, TimerKind, TimerLog, TimerQuery, parse_duration, seconds_of_hours,
    show_duration,
};
use crate::tools::arguments::{Id, IdOrName, shown};
use crate::tools::dates::{Dates, When};
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::scope::Reach;
use crate::tools::show::Change;
use crate::tools::write::{Planned, TimeWrite, Write};
use crate::tools::{Context, ToolError};
use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// How long a timer may be meant to run.
const PLANNED_MAX: Duration = Duration::from_hours(24);
/// At most so many timers stand in a refusal.
const TIMERS_SHOWN_MAX: usize = 12;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::write::<LogTime, Change>(
            Words {
                name: "logTime",
                title: "Log time",
                description: "Adds to the time spent on a task. \
                    Example: {\"ticketId\": 7, \"hours\": 1.25, \"date\": \"today\", \"kind\": \
                    \"DEVELOPMENT\"}.",
                example: r#"{"ticketId": 7, "hours": 1.25, "date": "today", "kind": "DEVELOPMENT"}"#,
            },
            Role::Editor,
            (false, false),
            |parts, context, args| Box::pin(log_time(parts, context, args)),
        ),
        Definition::write::<StartTimer, Change>(
            Words {
                name: "startTimer",
                title: "Start a timer",
                description: "Starts your timer; stopTimer logs its time. Example: {\"duration\": \
                    \"25m\", \"taskId\": 7}.",
                example: r#"{"duration": "25m", "taskId": 7}"#,
            },
            Role::Editor,
            (false, false),
            |parts, context, args| Box::pin(start(parts, context, args)),
        ),
        Definition::write::<StopTimerArgs, Change>(
            Words {
                name: "stopTimer",
                title: "Stop a timer",
                description: "Stops your timer and logs its time. Example: {\"ticketId\": 7}.",
                example: r#"{"ticketId": 7}"#,
            },
            Role::Editor,
            (false, false),
            |parts, context, args| Box::pin(stop(parts, context, args)),
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LogTime {
    /// A task.
    ticket_id: Id,
    /// Such as 1.25; negative: takes back.
    hours: f64,
    /// The day.
    date: String,
    /// `GENERAL_BILLABLE`, `GENERAL_NOT_BILLABLE`, PROJECTMANAGEMENT, DEVELOPMENT,
    /// `BUGFIXING_NOT_BILLABLE` or TESTING.
    kind: String,
    /// What was done.
    description: Option<String>,
    /// Default: you; others take a manager.
    user_id: Option<IdOrName>,
    /// true: replaces what is there; 0 removes it.
    #[serde(default)]
    total: bool,
}

async fn log_time(parts: &Parts, context: &Context, args: LogTime) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let person = whose(&directory, context, args.user_id)?;
    let day = day(Dates { zone: context.zone, now: parts.clock.wall() }, "date", &args.date)?;
    let kind = kind(&args.kind)?;
    let amount = amount(args.hours, args.total)?;
    let task = parts.board.task(TaskId(args.ticket_id.0)).await.map_err(|e| told(&e))?;
    let query = TimeQuery {
        people: vec![person],
        tasks: vec![task.id],
        kinds: vec![kind],
        from: Some(day),
        to: day.succ_opt(),
        limit: 1,
        ..TimeQuery::default()
    };
    let seen = parts.board.time_entries(&query).await.map_err(|e| told(&e))?.items.pop();
    let description = args.description;
    let change = TimeChange { task: task.id, person, day, kind, amount, description };
    Ok(Planned::new(reach_of(&task), Write::Time(TimeWrite::Log { change, seen })))
}

/// Whose time it is: the caller's, or with the role for it somebody else's.
fn whose(
    directory: &Directory,
    context: &Context,
    name: Option<IdOrName>,
) -> Result<PersonId, ToolError> {
    let person = directory.person(&name.unwrap_or(IdOrName::Id(0)))?;
    let own = &context.principal.person;
    if person != own.id && own.role < Role::Manager {
        return Err(ToolError::rejected(
            Reason::RoleTooLow,
            "userId: the time of others needs the role manager; leave it out for your own",
        ));
    }
    Ok(person)
}

fn reach_of(task: &Task) -> Reach {
    Reach::Task { id: task.id, parent: task.parent, project: task.project }
}

fn amount(hours: f64, total: bool) -> Result<TimeAmount, ToolError> {
    let expected = || refuse("hours: expected hours of a day, at most 24, such as 1.25");
    let seconds = seconds_of_hours(hours.abs()).ok_or_else(expected)?;
    match (total, hours < 0.0) {
        (true, true) => Err(refuse("hours: a total is not negative; 0 removes what was logged")),
        (true, false) => Ok(TimeAmount::Set(seconds)),
        (false, _) if seconds == 0 => {
            Err(refuse("hours: expected more or less than 0, such as 1.25; with total, 0 removes"))
        }
        (false, true) => Ok(TimeAmount::Add(-i64::from(seconds))),
        (false, false) => Ok(TimeAmount::Add(i64::from(seconds))),
    }
}

/// A day as people name it; of an instant, the day that it is in the caller's zone.
pub(super) fn day(dates: Dates, argument: &str, text: &str) -> Result<NaiveDate, ToolError> {
    Ok(match dates.read(argument, text)? {
        When::Day(day) => day,
        When::At(at) => at.with_timezone(&dates.zone).date_naive(),
    })
}

/// A kind of work by its code or its label, without regard to case and punctuation.
fn kind(text: &str) -> Result<TimeKind, ToolError> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(text);
    let fits = |kind: &&TimeKind| wanted == plain(kind.as_str()) || wanted == plain(kind.label());
    TimeKind::ALL.iter().find(fits).copied().ok_or_else(|| {
        let codes: Vec<&str> = TimeKind::ALL.iter().map(|kind| kind.as_str()).collect();
        refuse(&format!("kind: expected {}, not \"{}\"", codes.join(", "), shown(text)))
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StartTimer {
    /// Such as 25m, 1h30m.
    duration: String,
    /// A task.
    task_id: Option<Id>,
    /// work (default) or break.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Default now.
    started: Option<String>,
    /// As in logTime.
    user_id: Option<IdOrName>,
}

async fn start(parts: &Parts, context: &Context, args: StartTimer) -> Result<Planned, ToolError> {
    let person = whose(&Directory::read(parts, context).await?, context, args.user_id)?;
    let kind = match args.kind.as_deref().map(str::trim) {
        None | Some("") => TimerKind::Work,
        Some(text) => {
            text.to_lowercase().parse().map_err(|_| refuse("type: expected work or break"))?
        }
    };
    let planned = parse_duration(&args.duration)
        .ok()
        .filter(|span| (Duration::from_secs(1)..=PLANNED_MAX).contains(span))
        .and_then(|span| u32::try_from(span.as_secs()).ok())
        .ok_or_else(|| {
            refuse("duration: expected one of at most a day, such as \"25m\" or \"1h30m\"")
        })?;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let started = args.started.as_deref().map(|text| dates.begin("started", text)).transpose()?;
    let (task, reach) = match args.task_id.filter(|id| id.0 != 0) {
        None => (None, Reach::Board),
        Some(_) if kind == TimerKind::Break => {
            return Err(refuse("taskId: a break is on no task; leave it out, or use type work"));
        }
        Some(id) => {
            let task = parts.board.task(TaskId(id.0)).await.map_err(|e| told(&e))?;
            (Some(task.id), reach_of(&task))
        }
    };
    let new = NewTimer { person, task, kind, started, planned: Some(planned) };
    Ok(Planned::new(reach, Write::Time(TimeWrite::Start(new))))
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct StopTimerArgs {
    /// Its task, 0 for none; absent: your only one.
    ticket_id: Option<Id>,
    /// Default `GENERAL_BILLABLE`.
    kind: Option<String>,
    /// What was done.
    description: Option<String>,
    /// true: logs nothing.
    discard: bool,
    /// As in logTime.
    user_id: Option<IdOrName>,
}

async fn stop(parts: &Parts, context: &Context, args: StopTimerArgs) -> Result<Planned, ToolError> {
    let person = whose(&Directory::read(parts, context).await?, context, args.user_id)?;
    let seen = running(parts, person, args.ticket_id).await?;
    let kind = args.kind.as_deref().map_or(Ok(TimeKind::GeneralBillable), kind)?;
    let log = (!args.discard).then(|| TimerLog {
        day: seen.started.with_timezone(&context.zone).date_naive(),
        kind,
        description: args.description,
    });
    let reach = match seen.task {
        None => Reach::Board,
        Some(id) => reach_of(&parts.board.task(id).await.map_err(|e| told(&e))?),
    };
    let stop = StopTimer { person, task: seen.task, log };
    Ok(Planned::new(reach, Write::Time(TimeWrite::Stop { stop, seen })))
}

/// The one timer that is meant. With none running it is an error: nobody is told that something
/// was stopped when nothing was.
async fn running(parts: &Parts, person: PersonId, on: Option<Id>) -> Result<Timer, ToolError> {
    let query = TimerQuery { people: vec![person], limit: 1_000, ..TimerQuery::default() };
    let all = parts.board.timers(&query).await.map_err(|e| told(&e))?.items;
    let task = on.map(|id| Some(id).filter(|id| id.0 != 0).map(|id| TaskId(id.0)));
    let mut fits: Vec<Timer> =
        all.iter().filter(|timer| task.is_none_or(|task| timer.task == task)).cloned().collect();
    match (fits.pop(), fits.is_empty()) {
        (Some(timer), true) => Ok(timer),
        (Some(_), false) => Err(ToolError::rejected(
            Reason::Ambiguous,
            format!("several timers of yours run: {}; name one by its ticketId", list(&all, parts)),
        )),
        (None, _) if all.is_empty() => Err(ToolError::rejected(
            Reason::NotFound,
            "no timer of yours runs; startTimer starts one, such as {\"duration\": \"25m\"}",
        )),
        (None, _) => Err(ToolError::rejected(
            Reason::NotFound,
            format!("no such timer of yours runs; there is {}", list(&all, parts)),
        )),
    }
}

fn list(timers: &[Timer], parts: &Parts) -> String {
    let one = |timer: &Timer| {
        let on = timer.task.map_or_else(
            || "without a task (ticketId 0)".to_owned(),
            |task| format!("on task {task}"),
        );
        let ran = timer.ran_ms(parts.clock.wall()) / 1_000;
        let ran = show_duration(Duration::from_secs(ran));
        format!("{} {on} since {} ({ran})", timer.kind, timer.started)
    };
    let shown: Vec<String> = timers.iter().take(TIMERS_SHOWN_MAX).map(one).collect();
    shown.join(", ")
}
