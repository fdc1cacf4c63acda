//! Time that was worked and not logged.

use super::read::{self, dates};
use super::view::{LineView, SectionView, day_text, filled, line, project_of, task_line};
use crate::domain::{
    PersonId, Role, Scheduled, Span, StatusKind, TaskId, TaskQuery, TimeKind, TimeQuery, Value,
    When,
};
use crate::reckon::{Gap, Seen, Worked, gaps, hours, hours_text, midnight};
use crate::tools::arguments::{IdOrName, OneOrMany};
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::super::tasks::refuse;

/// The longest span that is looked at.
const DAYS_MAX: i64 = 31;
/// The most entries that are read.
const ENTRIES_MAX: usize = 10_000;
/// What is planned for longer than this says when work may be done, not that it was.
const PLANNED_MAX: i64 = 12 * 60;

pub(super) fn tool() -> Definition {
    Definition::read::<FindTimeGaps, GapsView>(
        Words {
            name: "findTimeGaps",
            title: "Find time that was not logged",
            description: "Compares a person's calendar and finished tasks with the time they logged, and \
                proposes entries that logTime takes. Writes nothing. Example: {\"userId\": \"me\", \
                \"dateFrom\": \"-4d\"}.",
            example: r#"{"userId": "me", "dateFrom": "-4d", "dateTo": "today", "meetingTask": 7}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(find(parts, context, args)),
    )
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct FindTimeGaps {
    /// Whose; default yours.
    user_id: Option<IdOrName>,
    /// First day; default six days ago.
    date_from: Option<String>,
    /// Last day; default today.
    date_to: Option<String>,
    /// The task that meetings are logged on; absent: they are only told.
    meeting_task: Option<OneOrMany<IdOrName>>,
    /// Kind of work that is proposed for tasks; default DEVELOPMENT.
    kind: Option<String>,
}

/// An entry that logTime takes.
#[derive(Serialize, JsonSchema)]
struct EntryProposal {
    task: i64,
    /// The day.
    date: String,
    hours: f64,
    kind: String,
    description: String,
}

/// What seems to be missing.
#[derive(Serialize, JsonSchema)]
struct GapsView {
    person: i64,
    name: String,
    from: String,
    to: String,
    summary: String,
    logged_hours: f64,
    missing_hours: f64,
    entries: Vec<EntryProposal>,
    /// Proposed, by day; Meetings without a task: those that have lines.
    sections: Vec<SectionView>,
    /// Nothing is missing.
    quiet: bool,
}

async fn find(parts: &Parts, context: &Context, args: FindTimeGaps) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let person = directory.person(&args.user_id.unwrap_or(IdOrName::Id(0)))?;
    let dates = dates(parts, context);
    let first = read::day_or(dates, "dateFrom", args.date_from.as_deref(), "-6d")?;
    let last = read::day_or(dates, "dateTo", args.date_to.as_deref(), "today")?;
    if last < first || (last - first).num_days() > DAYS_MAX {
        return Err(refuse("dateTo: expected it not before dateFrom, and within 31 days of it"));
    }
    let kind: TimeKind = match args.kind.as_deref().map(str::trim).filter(|kind| !kind.is_empty()) {
        Some(word) => word.parse().map_err(|expected| refuse(&format!("kind: {expected}")))?,
        None => TimeKind::Development,
    };
    let meeting_task = read::ids("meetingTask", args.meeting_task)?.first().copied();
    let desk = Desk { parts, context, directory: &directory, person, days: (first, last) };
    let worked = desk.worked().await?;
    let (logged, total) = desk.logged(&worked.tasks, meeting_task).await?;
    let found = gaps(person, &worked.tasks, &worked.times, &logged);
    let (meetings, without) = desk.meetings(&worked.meetings, meeting_task, &logged);
    let mut entries: Vec<EntryProposal> = found.iter().map(|gap| proposal(gap, kind)).collect();
    entries.extend(meetings);
    let minutes: i64 = found.iter().map(|gap| gap.minutes).sum();
    let of_meetings: f64 = entries.iter().skip(found.len()).map(|entry| entry.hours).sum();
    let missing = hours(minutes) + of_meetings;
    let name = crate::digest::one_line(&directory.names.person(Some(person)).unwrap_or_default());
    let mut sections = desk.sections(&worked.tasks, &found, &entries);
    sections.push(SectionView::new("Meetings without a task", without));
    Ok(show::value(&GapsView {
        person: person.0,
        summary: format!(
            "{} to {}: {} logged, {} proposed for {}",
            first.format("%a %-d %b"),
            last.format("%a %-d %b"),
            hours_text(total),
            hours_text(crate::reckon::minutes_of(missing)),
            super::view::counted(entries.len(), "entry", "entries"),
        ),
        name,
        from: first.to_string(),
        to: last.to_string(),
        logged_hours: hours(total),
        missing_hours: missing,
        quiet: entries.is_empty(),
        entries,
        sections: filled(sections),
    }))
}

fn proposal(gap: &Gap, kind: TimeKind) -> EntryProposal {
    EntryProposal {
        task: gap.task.0,
        date: gap.day.to_string(),
        hours: hours(gap.minutes),
        kind: kind.to_string(),
        description: reason(gap.worked).to_owned(),
    }
}

fn reason(worked: Worked) -> &'static str {
    match worked {
        Worked::Planned(_) => "planned in the calendar",
        Worked::Finished => "finished that day",
    }
}

/// What a person did by the board.
struct Work {
    tasks: BTreeMap<TaskId, Seen>,
    times: Vec<(NaiveDate, TaskId, Worked)>,
    meetings: Vec<(String, Span)>,
}

/// Minutes by task and day.
type Logged = BTreeMap<(TaskId, NaiveDate), i64>;

struct Desk<'a> {
    parts: &'a Parts,
    context: &'a Context,
    directory: &'a Directory,
    person: PersonId,
    days: (NaiveDate, NaiveDate),
}

impl Desk<'_> {
    async fn worked(&self) -> Result<Work, ToolError> {
        let (first, last) = self.days;
        let zone = self.context.zone;
        let now = self.parts.clock.wall();
        let until = midnight(last.succ_opt().unwrap_or(last), zone).min(now);
        let since = midnight(first, zone);
        let (mut times, mut meetings) = (Vec::new(), Vec::new());
        let mut tasks = BTreeMap::new();
        for one in read::calendar(self.parts, self.context, self.person, self.days).await? {
            let Some(When::Timed(span)) = one.when() else { continue };
            // What has not ended was not worked yet.
            if span.to > until || span.from < since {
                continue;
            }
            let minutes = (span.to - span.from).num_minutes();
            match one {
                Scheduled::Event(_) if read::is_focus(&one) => {}
                Scheduled::Event(event) => meetings.push((event.title, span)),
                Scheduled::Task(task) if minutes <= PLANNED_MAX => {
                    let day = span.from.with_timezone(&zone).date_naive();
                    times.push((day, task.id, Worked::Planned(minutes)));
                    tasks.insert(task.id, self.seen(*task));
                }
                Scheduled::Task(_) => {}
            }
        }
        let query = TaskQuery {
            projects: self.directory.names.projects.keys().copied().collect(),
            kinds_of_status: vec![StatusKind::Done],
            assignee: crate::domain::AssigneeFilter::OneOf(vec![self.person]),
            modified_from: Some(since),
            ..TaskQuery::default()
        };
        let done = read::tasks(self.parts, self.directory, query).await?;
        let at = read::done_since(self.parts, self.directory, &done, since).await?;
        for seen in done {
            let finished = at.get(&seen.task.id).filter(|at| (since..until).contains(at));
            if let Some(at) = finished {
                let day = at.with_timezone(&zone).date_naive();
                times.push((day, seen.task.id, Worked::Finished));
                tasks.insert(seen.task.id, seen);
            }
        }
        Ok(Work { tasks, times, meetings })
    }

    fn seen(&self, task: crate::domain::Task) -> Seen {
        let project = self.directory.names.projects.get(&task.project);
        let kind = project.map_or(StatusKind::New, |project| project.kind_of(task.status));
        Seen { task, kind }
    }

    /// What was logged on these tasks, whenever it was; and how much in all on these days.
    async fn logged(
        &self,
        tasks: &BTreeMap<TaskId, Seen>,
        meeting_task: Option<TaskId>,
    ) -> Result<(Logged, i64), ToolError> {
        let (first, last) = self.days;
        let of = TimeQuery { people: vec![self.person], ..TimeQuery::default() };
        let in_days = TimeQuery { from: Some(first), to: last.succ_opt(), ..of.clone() };
        let total: i64 = self.entries(in_days).await?.values().sum();
        let wanted: BTreeSet<TaskId> = tasks.keys().copied().chain(meeting_task).collect();
        if wanted.is_empty() {
            return Ok((Logged::new(), total));
        }
        let on_tasks = TimeQuery { tasks: wanted.into_iter().collect(), ..of };
        Ok((self.entries(on_tasks).await?, total))
    }

    async fn entries(&self, mut query: TimeQuery) -> Result<Logged, ToolError> {
        query.limit = 1_000;
        let mut logged = Logged::new();
        let mut read = 0;
        loop {
            let page = self.parts.board.time_entries(&query).await.map_err(|e| told(&e))?;
            read += page.items.len();
            for entry in page.items {
                *logged.entry((entry.task, entry.day)).or_default() +=
                    i64::from(entry.seconds) / 60;
            }
            if page.next.is_none() || page.next == query.after {
                return Ok(logged);
            }
            if read > ENTRIES_MAX {
                return Err(refuse(&format!("more than {ENTRIES_MAX} entries: name fewer days")));
            }
            query.after = page.next;
        }
    }

    /// Meetings as entries on their task, one for each day as far as less is logged there; without a task
    /// as lines.
    fn meetings(
        &self,
        meetings: &[(String, Span)],
        task: Option<TaskId>,
        logged: &Logged,
    ) -> (Vec<EntryProposal>, Vec<LineView>) {
        let zone = self.context.zone;
        let length = |span: &Span| (span.to - span.from).num_minutes();
        let Some(task) = task else {
            let shown = meetings.iter().map(|(title, span)| {
                line(title, &[day_text(span.from, zone), hours_text(length(span))])
            });
            return (Vec::new(), shown.collect());
        };
        let mut days: BTreeMap<NaiveDate, (i64, Vec<String>)> = BTreeMap::new();
        for (title, span) in meetings {
            let day = days.entry(span.from.with_timezone(&zone).date_naive()).or_default();
            day.0 += length(span);
            day.1.push(crate::digest::one_line(title));
        }
        let entries = days.into_iter().filter_map(|(day, (minutes, titles))| {
            let missing = minutes - logged.get(&(task, day)).copied().unwrap_or(0);
            (missing > 0).then(|| EntryProposal {
                task: task.0,
                date: day.to_string(),
                hours: hours(missing),
                kind: TimeKind::ProjectManagement.to_string(),
                description: crate::digest::one_line(&titles.join(", ")),
            })
        });
        (entries.collect(), Vec::new())
    }

    fn sections(
        &self,
        tasks: &BTreeMap<TaskId, Seen>,
        found: &[Gap],
        entries: &[EntryProposal],
    ) -> Vec<SectionView> {
        let mut days: BTreeMap<NaiveDate, Vec<LineView>> = BTreeMap::new();
        for gap in found {
            let Some(seen) = tasks.get(&gap.task) else { continue };
            let project = project_of(&self.directory.names, &seen.task);
            let notes = [project, hours_text(gap.minutes), reason(gap.worked).to_owned()];
            days.entry(gap.day).or_default().push(task_line(&seen.task, &notes));
        }
        for entry in entries.iter().skip(found.len()) {
            let Ok(day) = entry.date.parse() else { continue };
            let mut shown = line(&entry.description, &[format!("{:.2} h", entry.hours)]);
            (shown.task, shown.reference) = (Some(entry.task), format!("task {}", entry.task));
            days.entry(day).or_default().push(shown);
        }
        let title = |day: NaiveDate| day.format("%A %-d %b").to_string();
        let sections = days.into_iter().map(|(day, lines)| SectionView::new(title(day), lines));
        sections.collect()
    }
}
