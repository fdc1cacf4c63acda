//! Who has how much, and what nobody has.

use super::read::{self, Amount, amount, dates};
use super::view::{LineView, SectionView, counted, due_note, filled, line, project_of, task_line};
use crate::domain::{PersonId, Role, TaskId, TaskQuery, Value};
use crate::reckon::{
    HOURS_PER_POINT, Load, Offer, Seen, estimate, hours, hours_text, loads, midnight, minutes_of,
    offers,
};
use crate::tools::arguments::{IdOrName, OneOrMany};
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use chrono::Days;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a person works in a week, where nobody says otherwise.
const WEEK_HOURS: f64 = 40.0;

pub(super) fn tool() -> Definition {
    Definition::read::<GetWorkload, WorkloadView>(
        Words {
            name: "getWorkload",
            title: "Get the workload",
            description: "Who has how many open tasks and hours, how much is due within a week, what nobody \
                has and who could take it. Example: {\"projectId\": \"Website\"}.",
            example: r#"{"projectId": "Website", "weekHours": 40}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(get(parts, context, args)),
    )
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct GetWorkload {
    /// Id or name of a project, or a list; absent: all that are open.
    project_id: Option<OneOrMany<IdOrName>>,
    /// What a person works in a week; default 40.
    week_hours: Option<Amount>,
}

/// What a person has.
#[derive(Serialize, JsonSchema)]
struct PersonLoad {
    person: i64,
    name: String,
    tasks: u64,
    hours: f64,
    overdue: u64,
    blocked: u64,
    /// Of what is due within a week, overdue tasks included.
    due_hours: f64,
    /// More is due within a week than fits into it.
    overloaded: bool,
}

/// A task that nobody has.
#[derive(Serialize, JsonSchema)]
struct UnassignedView {
    id: i64,
    /// Who has the least to do of those who work in its project.
    offer: Option<i64>,
}

/// Who has how much.
#[derive(Serialize, JsonSchema)]
struct WorkloadView {
    day: String,
    summary: String,
    people: Vec<PersonLoad>,
    unassigned: Vec<UnassignedView>,
    /// Who has how much; Nobody has: those that have lines.
    sections: Vec<SectionView>,
    /// There is no open task.
    quiet: bool,
}

async fn get(parts: &Parts, context: &Context, args: GetWorkload) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let projects = read::projects(&directory, args.project_id)?;
    let people = read::people(&directory, None)?;
    let week = amount("weekHours", args.week_hours.as_ref())?.unwrap_or(WEEK_HOURS);
    let week = minutes_of(week);
    let dates = dates(parts, context);
    let today = dates.today();
    let soon = today.checked_add_days(Days::new(7)).unwrap_or(today);
    let query = TaskQuery { projects, kinds_of_status: read::open_kinds(), ..TaskQuery::default() };
    let tasks = read::tasks(parts, &directory, query).await?;
    let loads = loads(&people, &tasks, (dates.now, midnight(soon, context.zone)));
    let offers = offers(&loads, &tasks);
    let mut sorted: Vec<(PersonId, Load)> = loads.into_iter().collect();
    sorted.sort_by_key(|(id, load)| (std::cmp::Reverse(load.minutes), *id));
    let over = sorted.iter().filter(|(_, load)| load.soon > week).count();
    let has = sorted.iter().map(|(id, load)| load_line(&directory, *id, load, week)).collect();
    let known: BTreeMap<TaskId, &Seen> = tasks.iter().map(|seen| (seen.task.id, seen)).collect();
    let nobody = offers
        .iter()
        .filter_map(|offer| Some(offer_line(&directory, context, known.get(&offer.task)?, offer)));
    let summary = format!(
        "{}, {} that nobody has, {} with more than a week's work for the week",
        counted(tasks.len(), "open task", "open tasks"),
        offers.len(),
        counted(over, "person", "people"),
    );
    Ok(show::value(&WorkloadView {
        day: today.format("%A %-d %B %Y").to_string(),
        summary,
        sections: filled(vec![
            SectionView::new("Who has how much", has),
            SectionView::new("Nobody has", nobody.collect()),
        ]),
        people: sorted.iter().map(|(id, load)| view(&directory, *id, load, week)).collect(),
        unassigned: offers
            .iter()
            .map(|offer| UnassignedView { id: offer.task.0, offer: offer.to.map(|to| to.0) })
            .collect(),
        quiet: tasks.is_empty(),
    }))
}

fn view(directory: &Directory, person: PersonId, load: &Load, week: i64) -> PersonLoad {
    PersonLoad {
        person: person.0,
        name: crate::digest::one_line(&directory.names.person(Some(person)).unwrap_or_default()),
        tasks: load.tasks,
        hours: hours(load.minutes),
        overdue: load.overdue,
        blocked: load.blocked,
        due_hours: hours(load.soon),
        overloaded: load.soon > week,
    }
}

fn load_line(directory: &Directory, person: PersonId, load: &Load, week: i64) -> LineView {
    let tasks = usize::try_from(load.tasks).unwrap_or(usize::MAX);
    let mut notes = vec![counted(tasks, "task", "tasks"), hours_text(load.minutes)];
    if load.soon > 0 {
        notes.push(format!("{} due within a week", hours_text(load.soon)));
    }
    if load.overdue > 0 {
        notes.push(format!("{} overdue", load.overdue));
    }
    if load.blocked > 0 {
        notes.push(format!("{} blocked", load.blocked));
    }
    if load.soon > week {
        notes.push(format!("too much: a week has {}", hours_text(week)));
    }
    line(&directory.names.person(Some(person)).unwrap_or_default(), &notes)
}

fn offer_line(directory: &Directory, context: &Context, seen: &Seen, offer: &Offer) -> LineView {
    let task = &seen.task;
    let (minutes, _) = estimate(task, HOURS_PER_POINT);
    let mut notes = vec![project_of(&directory.names, task), hours_text(minutes)];
    notes.extend(due_note(task, context.zone));
    notes
        .extend(directory.names.person(offer.to).map(|name| format!("{name} has the least to do")));
    task_line(task, &notes)
}
