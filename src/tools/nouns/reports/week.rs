//! People's weeks: open work into free hours.

use super::read::{self, DayHours, dates};
use super::view::{
    LineView, SectionView, counted, day_text, due_note, filled, line, project_of, task_line,
    time_text,
};
use crate::domain::{
    During, PersonId, Role, Scheduled, Span, StatusKind, Task, TaskId, TaskQuery, Value, When,
};
use crate::reckon::{HOURS_PER_POINT, Piece, Plan, Seen, Week, estimate, hours_text, plan_week};
use crate::tools::arguments::{IdOrName, OneOrMany};
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use chrono::{Datelike, Days, NaiveDate, TimeDelta, Weekday};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn tool() -> Definition {
    Definition::read::<PlanWeek, WeekView>(
        Words {
            name: "planWeek",
            title: "Plan a week",
            description: "Proposes when open tasks could be worked on: by due date, what takes over two \
                hours in the mornings, the rest in the afternoons, around the calendar, Friday afternoon \
                kept free. Writes nothing; names what does not fit. Example: {\"userId\": \"me\"}.",
            example: r#"{"userId": "me", "weekOf": "monday"}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(plan(parts, context, args)),
    )
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct PlanWeek {
    /// Whose; absent: everybody's.
    user_id: Option<OneOrMany<IdOrName>>,
    /// Only its tasks: id or name of a project, or a list.
    project_id: Option<OneOrMany<IdOrName>>,
    /// A day of the week; default today, at a weekend the coming week.
    week_of: Option<String>,
    /// The hours of a day.
    hours: DayHours,
    /// Whether Friday afternoons are planned, too.
    plan_friday_afternoon: bool,
}

/// A person's week.
#[derive(Serialize, JsonSchema)]
struct PersonWeek {
    person: i64,
    name: String,
    /// The days, and what does not fit.
    sections: Vec<SectionView>,
}

/// When a task would be worked on.
#[derive(Serialize, JsonSchema)]
struct PlannedView {
    id: i64,
    person: i64,
    /// Begin of its first part.
    from: String,
    /// End of its last part.
    to: String,
    /// It would be finished after it is due.
    late: bool,
}

/// A week.
#[derive(Serialize, JsonSchema)]
struct WeekView {
    /// Such as `26 October to 30 October 2026`.
    week: String,
    first: String,
    last: String,
    summary: String,
    /// Those who have work or events then.
    people: Vec<PersonWeek>,
    /// What scheduleTaskOnCalendar takes, one by one.
    tasks: Vec<PlannedView>,
    /// Nobody has anything to plan.
    quiet: bool,
}

async fn plan(parts: &Parts, context: &Context, args: PlanWeek) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let projects = read::projects(&directory, args.project_id)?;
    let people = read::people(&directory, args.user_id)?;
    let dates = dates(parts, context);
    let day = read::day_or(dates, "weekOf", args.week_of.as_deref(), "today")?;
    let (first, last) = week_of(day);
    let week = Week {
        zone: context.zone,
        first,
        last,
        hours: args.hours.read()?,
        not_before: crate::tools::planner::next_quarter(dates.now),
        keeps_friday: !args.plan_friday_afternoon,
    };
    let open = TaskQuery { projects, kinds_of_status: read::open_kinds(), ..TaskQuery::default() };
    let tasks = read::tasks(parts, &directory, open).await?;
    let parents: BTreeSet<TaskId> = tasks.iter().filter_map(|seen| seen.task.parent).collect();
    let mut view = WeekView {
        week: format!("{} to {}", first.format("%-d %B"), last.format("%-d %B %Y")),
        first: first.to_string(),
        last: last.to_string(),
        summary: String::new(),
        people: Vec::new(),
        tasks: Vec::new(),
        quiet: true,
    };
    let mut left_over = 0;
    for person in people {
        // A task with open parts is worked on in these.
        let own = tasks.iter().filter(|seen| seen.task.assignee == Some(person));
        let own = own.filter(|seen| !parents.contains(&seen.task.id));
        let (blocked, own) = own.partition(|seen| seen.kind == StatusKind::Blocked);
        let calendar = read::calendar(parts, context, person, (first, last)).await?;
        let lane = Lane { directory: &directory, context, week: &week, own, blocked };
        let (plan, kept) = lane.plan(&calendar);
        left_over += plan.left_over.len();
        view.tasks.extend(lane.planned(person, &plan));
        view.people.extend(lane.person(person, &plan, &kept, &calendar));
    }
    view.quiet = view.people.is_empty();
    view.summary = format!(
        "{} planned, {} fit",
        counted(view.tasks.len(), "task", "tasks"),
        match left_over {
            0 => "all".to_owned(),
            1 => "1 does not".to_owned(),
            many => format!("{many} do not"),
        }
    );
    Ok(show::value(&view))
}

/// Monday to Friday of the day's week; at a weekend of the next one.
fn week_of(day: NaiveDate) -> (NaiveDate, NaiveDate) {
    let back = u64::from(day.weekday().num_days_from_monday());
    let monday = if matches!(day.weekday(), Weekday::Sat | Weekday::Sun) {
        day.checked_add_days(Days::new(7 - back))
    } else {
        day.checked_sub_days(Days::new(back))
    };
    let monday = monday.unwrap_or(day);
    (monday, monday.checked_add_days(Days::new(4)).unwrap_or(monday))
}

/// A person's work and calendar.
struct Lane<'a> {
    directory: &'a Directory,
    context: &'a Context,
    week: &'a Week,
    own: Vec<&'a Seen>,
    /// What cannot go on is not planned.
    blocked: Vec<&'a Seen>,
}

impl Lane<'_> {
    /// What could be done when, and which tasks are planned already: those stay where they are.
    fn plan(&self, calendar: &[Scheduled]) -> (Plan, BTreeSet<TaskId>) {
        let planned = calendar.iter().filter_map(|one| match one {
            Scheduled::Task(task) => Some(task.id),
            Scheduled::Event(_) => None,
        });
        let kept: BTreeSet<TaskId> = planned.collect();
        let free = self.own.iter().filter(|seen| !kept.contains(&seen.task.id));
        let pieces: Vec<Piece> = free.map(|seen| piece(&seen.task)).collect();
        let mut busy = read::busy_but_for_focus(calendar, (self.week.hours, self.week.zone));
        busy.extend(read::busy_on_holidays(self.context));
        (plan_week(self.week, &busy, &pieces), kept)
    }

    fn task(&self, id: TaskId) -> Option<&Task> {
        self.own.iter().find(|seen| seen.task.id == id).map(|seen| &seen.task)
    }

    /// The whole span of each task.
    fn planned(&self, person: PersonId, plan: &Plan) -> Vec<PlannedView> {
        let mut spans: BTreeMap<TaskId, Span> = BTreeMap::new();
        for block in &plan.blocks {
            let span = spans.entry(block.task).or_insert(block.span);
            span.to = span.to.max(block.span.to);
        }
        let mut spans: Vec<(TaskId, Span)> = spans.into_iter().collect();
        spans.sort_by_key(|(id, span)| (span.from, *id));
        let view = |(id, span): (TaskId, Span)| PlannedView {
            id: id.0,
            person: person.0,
            from: show::instant(span.from),
            to: show::instant(span.to),
            late: self.task(id).and_then(|task| task.due).is_some_and(|due| due < span.to),
        };
        spans.into_iter().map(view).collect()
    }

    fn person(
        &self,
        person: PersonId,
        plan: &Plan,
        kept: &BTreeSet<TaskId>,
        calendar: &[Scheduled],
    ) -> Option<PersonWeek> {
        let is_free = plan.blocks.is_empty() && plan.left_over.is_empty() && kept.is_empty();
        if is_free && self.blocked.is_empty() {
            return None;
        }
        let mut sections = Vec::new();
        let days = self.week.first.iter_days().take_while(|day| *day <= self.week.last);
        for day in days {
            let lines = self.day(day, plan, calendar);
            sections.push(SectionView::new(day.format("%A %-d %b").to_string(), lines));
        }
        let left = plan.left_over.iter().filter_map(|(id, left)| Some((self.task(*id)?, *left)));
        let left = left.map(|(task, left)| {
            let mut shown = self.line(task, None);
            let minutes = left.num_minutes();
            if minutes < estimate(task, HOURS_PER_POINT).0 {
                shown.notes = format!("{} · {} of it", shown.notes, hours_text(minutes));
            }
            shown
        });
        sections.push(SectionView::new("Does not fit", left.collect()));
        let blocked = self.blocked.iter().map(|seen| self.line(&seen.task, None));
        sections.push(SectionView::new("Blocked, not planned", blocked.collect()));
        let name = self.directory.names.person(Some(person)).unwrap_or_default();
        let name = crate::digest::one_line(&name);
        Some(PersonWeek { person: person.0, name, sections: filled(sections) })
    }

    /// What is in a day, in its order: whole days first.
    fn day(&self, day: NaiveDate, plan: &Plan, calendar: &[Scheduled]) -> Vec<LineView> {
        let during = During::days(day, day, self.context.zone);
        let mut lines = Vec::new();
        for one in calendar {
            let Some(when) = one.when().filter(|when| during.meets(when)) else { continue };
            let (at, place) = match when {
                When::Days { .. } => ("all day".to_owned(), None),
                When::Timed(span) => (self.times(span), Some(span.from)),
            };
            let shown = match one {
                Scheduled::Event(event) => {
                    line(&format!("{at} {}", event.title), &["in the calendar".to_owned()])
                }
                Scheduled::Task(task) => {
                    let mut shown = task_line(task, &["planned already".to_owned()]);
                    shown.headline = format!("{at} {}", shown.headline);
                    shown
                }
            };
            lines.push((place, shown));
        }
        for block in plan.blocks.iter().filter(|block| during.meets(&When::Timed(block.span))) {
            if let Some(task) = self.task(block.task) {
                lines.push((Some(block.span.from), self.line(task, Some(block.span))));
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| line).collect()
    }

    /// From when to when; with the days, where it goes on overnight.
    fn times(&self, span: Span) -> String {
        let zone = self.context.zone;
        let (from, to) = (time_text(span.from, zone), time_text(span.to, zone));
        let (first, last) = (day_text(span.from, zone), day_text(span.to, zone));
        if first == last {
            format!("{from}–{to}")
        } else {
            format!("{first} {from} – {last} {to}")
        }
    }

    fn line(&self, task: &Task, span: Option<Span>) -> LineView {
        let (minutes, _) = estimate(task, HOURS_PER_POINT);
        let mut notes = vec![project_of(&self.directory.names, task), hours_text(minutes)];
        notes.extend(due_note(task, self.context.zone));
        if span.is_some_and(|span| task.due.is_some_and(|due| due < span.to)) {
            notes.push("too late".to_owned());
        }
        let mut shown = task_line(task, &notes);
        if let Some(span) = span {
            shown.headline = format!("{} {}", self.times(span), shown.headline);
        }
        shown
    }
}

/// A task as the scheduler takes it.
pub(super) fn piece(task: &Task) -> Piece {
    let (minutes, _) = estimate(task, HOURS_PER_POINT);
    let length = TimeDelta::minutes(minutes.max(1));
    Piece { task: task.id, length, due: task.due, priority: task.priority }
}
