//! What remains of a project, and whether it can be done before a date.

use super::read::{self, Amount, DayHours, amount, dates};
use super::view::{
    LineView, SectionView, counted, day_text, due_note, filled, status_of, task_line, time_text,
};
use super::week::piece;
use crate::domain::{PersonId, Role, Span, Task, TaskId, TaskQuery, Timestamp, Value};
use crate::reckon::{
    Block, HOURS_PER_POINT, Piece, Plan, Seen, Week, estimate, hours, hours_text, plan_lane,
    workdays_before,
};
use crate::tools::arguments::IdOrName;
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use chrono::{NaiveDate, TimeDelta};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::super::tasks::refuse;

/// Working days between the end of the plan and the promised day, where nobody says otherwise.
const BUFFER_DAYS: f64 = 3.0;
/// A task of more than this is done in parts.
const WHOLE_MAX: i64 = 8 * 60;
/// Plans reach no further.
const DAYS_MAX: i64 = 366;
/// So much of a task's headline stands in those of its parts: with their numbers they have to fit.
const NAME_CHARS_MAX: usize = 220;
/// More parts of one project are not proposed.
const PARTS_MAX: usize = 1_000;

pub(super) fn tool() -> Definition {
    Definition::read::<PlanProject, ProjectPlanView>(
        Words {
            name: "planProject",
            title: "Plan a project",
            description: "What remains of a project: hours by task and what they rest on, who would do what \
                when, larger tasks in parts, and whether it is finished some working days before a day. \
                Writes nothing. Example: {\"projectId\": \"Website\", \"finishBy\": \"2026-12-18\"}.",
            example: r#"{"projectId": "Website", "finishBy": "2026-12-18", "bufferDays": 3}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(plan(parts, context, args)),
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PlanProject {
    /// Id or name.
    project_id: IdOrName,
    /// The promised day.
    finish_by: String,
    /// Working days kept free before it; default 3.
    buffer_days: Option<Amount>,
    /// What a point counts, where a task has no hours; default 3.
    hours_per_point: Option<Amount>,
    /// The hours of a day.
    #[serde(default)]
    hours: DayHours,
}

/// When a task would be worked on.
#[derive(Serialize, JsonSchema)]
struct TaskPlan {
    id: i64,
    from: String,
    to: String,
}

/// A part of a larger task.
#[derive(Serialize, JsonSchema)]
struct PartView {
    /// The task it is a part of.
    parent: i64,
    headline: String,
    hours: f64,
    from: String,
    to: String,
    /// Who has the task.
    person: Option<i64>,
}

/// A project's plan.
#[derive(Serialize, JsonSchema)]
struct ProjectPlanView {
    project: i64,
    project_name: String,
    /// The promised day.
    finish_by: String,
    buffer_days: u32,
    /// The last day that is planned.
    plan_until: String,
    /// Of all that remains.
    hours: f64,
    /// Everything fits.
    fits: bool,
    summary: String,
    /// Whom: what they would do when; Nobody has; Does not fit.
    sections: Vec<SectionView>,
    tasks: Vec<TaskPlan>,
    /// Of tasks over 8 hours that have no parts yet.
    parts: Vec<PartView>,
}

async fn plan(parts: &Parts, context: &Context, args: PlanProject) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(&args.project_id)?.clone();
    let dates = dates(parts, context);
    let finish = dates.day("finishBy", &args.finish_by)?;
    let today = dates.today();
    if finish < today || (finish - today).num_days() > DAYS_MAX {
        return Err(refuse("finishBy: expected a day from today on, within a year"));
    }
    let buffer = amount("bufferDays", args.buffer_days.as_ref())?.unwrap_or(BUFFER_DAYS);
    let buffer = whole_days(buffer)?;
    let last = workdays_before(finish, buffer, &read::holidays(context));
    let per_point = amount("hoursPerPoint", args.hours_per_point.as_ref())?;
    let query = TaskQuery {
        projects: vec![project.id],
        kinds_of_status: read::open_kinds(),
        ..TaskQuery::default()
    };
    let tasks = read::tasks(parts, &directory, query).await?;
    let parents: BTreeSet<TaskId> = tasks.iter().filter_map(|seen| seen.task.parent).collect();
    // A task with open parts is done in these.
    let left: Vec<&Seen> = tasks.iter().filter(|seen| !parents.contains(&seen.task.id)).collect();
    let desk = Desk {
        directory: &directory,
        context,
        per_point: per_point.unwrap_or(HOURS_PER_POINT),
        week: Week {
            zone: context.zone,
            first: today,
            last,
            hours: args.hours.read()?,
            not_before: crate::tools::planner::next_quarter(dates.now),
            keeps_friday: false,
        },
    };
    let lanes = desk.lanes(parts, &left).await?;
    let view = ProjectPlanView {
        project: project.id.0,
        project_name: crate::digest::one_line(&project.name),
        finish_by: finish.to_string(),
        buffer_days: buffer,
        plan_until: last.to_string(),
        ..desk.view(&left, &lanes)
    };
    let summary = format!(
        "{} remain in {}. {} The promised day is {}; {} before it are kept free.",
        hours_text(left.iter().map(|seen| desk.minutes(&seen.task)).sum()),
        counted(left.len(), "task", "tasks"),
        view.summary,
        finish.format("%a %-d %b %Y"),
        counted(usize::try_from(buffer).unwrap_or_default(), "working day", "working days"),
    );
    Ok(show::value(&ProjectPlanView { summary, ..view }))
}

fn whole_days(days: f64) -> Result<u32, ToolError> {
    let whole = (0..=60_u32).find(|known| (f64::from(*known) - days).abs() < 0.5);
    whole.ok_or_else(|| refuse("bufferDays: expected at most 60 working days"))
}

/// Who does what when.
type Lanes = Vec<(Option<PersonId>, Plan)>;

struct Desk<'a> {
    directory: &'a Directory,
    context: &'a Context,
    per_point: f64,
    week: Week,
}

impl Desk<'_> {
    fn minutes(&self, task: &Task) -> i64 {
        estimate(task, self.per_point).0
    }

    fn piece(&self, task: &Task) -> Piece {
        Piece { length: TimeDelta::minutes(self.minutes(task).max(1)), ..piece(task) }
    }

    /// A lane for each person, around their calendar; what nobody has is in no calendar.
    async fn lanes(&self, parts: &Parts, left: &[&Seen]) -> Result<Lanes, ToolError> {
        let mut by_person: BTreeMap<Option<PersonId>, Vec<&Seen>> = BTreeMap::new();
        for seen in left {
            by_person.entry(seen.task.assignee).or_default().push(seen);
        }
        let mut lanes = Vec::new();
        for (person, own) in by_person {
            let Some(person) = person else {
                let left_over = own.iter().map(|seen| (seen.task.id, TimeDelta::zero())).collect();
                lanes.push((None, Plan { blocks: Vec::new(), left_over }));
                continue;
            };
            let ids: BTreeSet<TaskId> = own.iter().map(|seen| seen.task.id).collect();
            let days = (self.week.first, self.week.last.max(self.week.first));
            let calendar = read::calendar(parts, self.context, person, days).await?;
            // Their own plans are made anew.
            let calendar: Vec<_> = calendar
                .into_iter()
                .filter(|one| match one {
                    crate::domain::Scheduled::Task(task) => !ids.contains(&task.id),
                    crate::domain::Scheduled::Event(_) => true,
                })
                .collect();
            let pieces: Vec<Piece> = own.iter().map(|seen| self.piece(&seen.task)).collect();
            let mut busy = read::busy_but_for_focus(&calendar, (self.week.hours, self.week.zone));
            busy.extend(read::busy_on_holidays(self.context));
            lanes.push((Some(person), plan_lane(&self.week, &busy, &pieces)));
        }
        Ok(lanes)
    }

    fn view(&self, left: &[&Seen], lanes: &Lanes) -> ProjectPlanView {
        let task = |id: TaskId| left.iter().find(|s| s.task.id == id).map(|seen| &seen.task);
        let (mut sections, mut tasks, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        let (mut nobodys, mut late) = (Vec::new(), Vec::new());
        let mut end: Option<Timestamp> = None;
        for (person, plan) in lanes {
            let target = if person.is_some() { &mut late } else { &mut nobodys };
            target.extend(plan.left_over.iter().filter_map(|(id, _)| task(*id)));
            let mut shown = Vec::new();
            for (id, blocks) in by_task(&plan.blocks) {
                let (Some(task), Some(span)) = (task(id), whole(&blocks)) else { continue };
                end = end.max(Some(span.to));
                let (from, to) = (show::instant(span.from), show::instant(span.to));
                tasks.push(TaskPlan { id: id.0, from, to });
                shown.push(self.line(task, Some(span)));
                parts.extend(self.parts(task, &blocks));
            }
            let name = self.directory.names.person(*person).unwrap_or_default();
            sections.push(SectionView::new(crate::digest::one_line(&name), shown));
        }
        let told = |tasks: &[&Task]| tasks.iter().map(|task| self.line(task, None)).collect();
        sections.push(SectionView::new("Nobody has", told(&nobodys)));
        sections.push(SectionView::new("Does not fit", told(&late)));
        let minutes = left.iter().map(|seen| self.minutes(&seen.task)).sum();
        parts.truncate(PARTS_MAX);
        ProjectPlanView {
            project: 0,
            project_name: String::new(),
            finish_by: String::new(),
            buffer_days: 0,
            plan_until: String::new(),
            hours: hours(minutes),
            fits: nobodys.is_empty() && late.is_empty(),
            summary: self.verdict(end, &nobodys, &late),
            sections: filled(sections),
            tasks,
            parts,
        }
    }

    fn verdict(&self, end: Option<Timestamp>, nobodys: &[&Task], late: &[&Task]) -> String {
        let sum = |tasks: &[&Task]| hours_text(tasks.iter().map(|task| self.minutes(task)).sum());
        let until = self.week.last.format("%a %-d %b");
        let mut said = match (end, late.is_empty()) {
            (Some(end), true) => {
                format!("It fits: the last task would end {}.", day_text(end, self.week.zone))
            }
            (None, true) => "Nothing can be planned.".to_owned(),
            (_, false) => format!(
                "It does not fit: {} ({}) find no time until {until}.",
                counted(late.len(), "task", "tasks"),
                sum(late)
            ),
        };
        if !nobodys.is_empty() {
            let open = counted(nobodys.len(), "task", "tasks");
            said = format!("{said} {open} ({}) nobody has.", sum(nobodys));
        }
        said
    }

    fn line(&self, task: &Task, span: Option<Span>) -> LineView {
        let zone = self.context.zone;
        let (minutes, basis) = estimate(task, self.per_point);
        let when = span.map(|span| {
            let (from, to) = (day_text(span.from, zone), day_text(span.to, zone));
            let (begin, end) = (time_text(span.from, zone), time_text(span.to, zone));
            if from == to { format!("{from} {begin}–{end}") } else { format!("{from} to {to}") }
        });
        let mut notes: Vec<String> = when.into_iter().collect();
        notes.push(format!("{} ({})", hours_text(minutes), basis.as_str()));
        notes.push(status_of(&self.directory.names, task));
        notes.extend(due_note(task, zone));
        task_line(task, &notes)
    }

    /// A larger task day by day.
    fn parts(&self, task: &Task, blocks: &[Block]) -> Vec<PartView> {
        if self.minutes(task) <= WHOLE_MAX || task.parent.is_some() {
            return Vec::new();
        }
        let mut days: BTreeMap<NaiveDate, (i64, Span)> = BTreeMap::new();
        for block in blocks {
            let day = block.span.from.with_timezone(&self.context.zone).date_naive();
            let entry = days.entry(day).or_insert((0, block.span));
            entry.0 += (block.span.to - block.span.from).num_minutes();
            entry.1.to = block.span.to;
        }
        let count = days.len();
        let name: String =
            crate::digest::one_line(&task.headline).chars().take(NAME_CHARS_MAX).collect();
        let part = |(number, (minutes, span)): (usize, (i64, Span))| PartView {
            parent: task.id.0,
            headline: format!("{name} (part {number} of {count})"),
            hours: hours(minutes),
            from: show::instant(span.from),
            to: show::instant(span.to),
            person: task.assignee.map(|person| person.0),
        };
        (1..).zip(days.into_values()).map(part).collect()
    }
}

/// The blocks of each task, in the order in which they begin.
fn by_task(blocks: &[Block]) -> Vec<(TaskId, Vec<Block>)> {
    let mut tasks: Vec<(TaskId, Vec<Block>)> = Vec::new();
    for block in blocks {
        match tasks.iter_mut().find(|(id, _)| *id == block.task) {
            Some((_, own)) => own.push(*block),
            None => tasks.push((block.task, vec![*block])),
        }
    }
    tasks
}

fn whole(blocks: &[Block]) -> Option<Span> {
    Some(Span { from: blocks.first()?.span.from, to: blocks.last()?.span.to })
}
