//! What cannot go on, and who could clear it.

use super::read;
use super::view::{
    LineView, SectionView, assignee_of, counted, filled, hindrance, project_of, task_line,
    tasks_text,
};
use crate::domain::{PersonId, PersonKind, Role, StatusKind, TaskId, TaskQuery, Value};
use crate::reckon::Seen;
use crate::tools::arguments::{IdOrName, OneOrMany};
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn tool() -> Definition {
    Definition::read::<FindBlocked, BlockedView>(
        Words {
            name: "findBlockedTasks",
            title: "Find blocked tasks",
            description: "Open tasks whose status is of kind blocked, or that wait for open tasks, with who \
                could clear them. Example: {\"projectId\": \"Website\"}.",
            example: r#"{"projectId": "Website"}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(find(parts, context, args)),
    )
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct FindBlocked {
    /// Id or name of a project, or a list; absent: all that are open.
    project_id: Option<OneOrMany<IdOrName>>,
}

/// A task that cannot go on.
#[derive(Serialize, JsonSchema)]
struct BlockedTask {
    id: i64,
    /// Its version: another one may be blocked by something else.
    revision: u64,
    assignee: Option<i64>,
    /// Whether an agent has it and its status says that it cannot go on.
    is_handed_over: bool,
    /// Open tasks that must be done first.
    waits_for: Vec<i64>,
    /// The same in words; `its status says so` where it waits for no task.
    reason: String,
    /// The person who could clear it: who wrote the task, else who has what it waits for.
    hand_to: Option<i64>,
    hand_to_name: Option<String>,
}

/// What cannot go on.
#[derive(Serialize, JsonSchema)]
struct BlockedView {
    summary: String,
    /// What a person has, or nobody could clear, or only waits for its turn.
    tasks: Vec<BlockedTask>,
    /// What an agent has, is blocked, and a person could clear.
    handovers: Vec<BlockedTask>,
    /// Agents cannot go on; People cannot go on: those that have lines.
    sections: Vec<SectionView>,
    /// Nothing is blocked.
    quiet: bool,
}

async fn find(parts: &Parts, context: &Context, args: FindBlocked) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let projects = read::projects(&directory, args.project_id)?;
    let query = TaskQuery { projects, kinds_of_status: read::open_kinds(), ..TaskQuery::default() };
    let tasks = read::tasks(parts, &directory, query).await?;
    let open = read::open_ids(parts, &directory, &tasks).await?;
    let now = parts.clock.wall();
    let (mut found, mut agents, mut people) = (Vec::new(), Vec::new(), Vec::new());
    for seen in &tasks {
        let waits = seen.task.blocked_by.iter().copied().filter(|id| open.contains(id));
        let waits: Vec<TaskId> = waits.collect();
        if seen.kind != StatusKind::Blocked && waits.is_empty() {
            continue;
        }
        let by_agent = is_agent(&directory, seen.task.assignee);
        let hand_to = clearer(&directory, &tasks, seen, &waits);
        let shown = shown(&directory, seen, (&waits, hand_to), now);
        if by_agent {
            agents.push(shown);
        } else {
            people.push(shown);
        }
        found.push(BlockedTask {
            id: seen.task.id.0,
            revision: seen.task.revision,
            assignee: seen.task.assignee.map(|person| person.0),
            is_handed_over: by_agent && seen.kind == StatusKind::Blocked && hand_to.is_some(),
            reason: if waits.is_empty() {
                "its status says so".to_owned()
            } else {
                tasks_text(&waits)
            },
            waits_for: waits.iter().map(|id| id.0).collect(),
            hand_to: hand_to.map(|person| person.0),
            hand_to_name: directory.names.person(hand_to),
        });
    }
    let summary = format!(
        "{} cannot go on, {} with agents",
        counted(found.len(), "task", "tasks"),
        agents.len()
    );
    let (handovers, tasks) = found.into_iter().partition(|one| one.is_handed_over);
    Ok(show::value(&BlockedView {
        summary,
        quiet: agents.is_empty() && people.is_empty(),
        sections: filled(vec![
            SectionView::new("Agents cannot go on", agents),
            SectionView::new("People cannot go on", people),
        ]),
        handovers,
        tasks,
    }))
}

fn is_agent(directory: &Directory, person: Option<PersonId>) -> bool {
    let known = directory.names.people.iter().find(|known| Some(known.id) == person);
    known.is_some_and(|known| known.kind == PersonKind::Agent)
}

/// A person who could see to it.
fn clearer(
    directory: &Directory,
    tasks: &[Seen],
    seen: &Seen,
    waits: &[TaskId],
) -> Option<PersonId> {
    let is_person = |id: &PersonId| {
        let known = directory.names.people.iter().find(|known| known.id == *id);
        known.is_some_and(|known| known.kind == PersonKind::Person)
    };
    let holders = waits.iter().filter_map(|id| tasks.iter().find(|other| other.task.id == *id));
    let holders = holders.filter_map(|other| other.task.assignee);
    seen.task.author.into_iter().chain(holders).find(is_person)
}

fn shown(
    directory: &Directory,
    seen: &Seen,
    (waits, hand_to): (&[TaskId], Option<PersonId>),
    now: crate::domain::Timestamp,
) -> LineView {
    let names = &directory.names;
    let mut notes = vec![project_of(names, &seen.task), assignee_of(names, &seen.task)];
    notes.extend(hindrance(seen, waits, now));
    notes.extend(names.person(hand_to).map(|name| format!("{name} could clear it")));
    task_line(&seen.task, &notes)
}
