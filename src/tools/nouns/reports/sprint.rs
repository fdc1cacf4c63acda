//! Which tasks could go into a sprint.

use super::read;
use super::view::{LineView, SectionView, count, counted, filled, project_of, task_line};
use crate::domain::{
    Milestone, MilestoneId, MilestoneQuery, ProjectId, Role, StatusKind, TaskId, TaskKind,
    TaskQuery, Value,
};
use crate::reckon::{Readiness, Seen, readiness};
use crate::tools::arguments::{IdOrName, OneOrMany};
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::super::tasks::refuse;

pub(super) fn tool() -> Definition {
    Definition::read::<FindCandidates, CandidatesView>(
        Words {
            name: "findSprintCandidates",
            title: "Find tasks for a sprint",
            description: "New tasks without a sprint, by milestone with points: ready (clear description, \
                acceptance criteria, nothing open that must be done first) or what they lack. Example: \
                {\"projectId\": \"Website\"}.",
            example: r#"{"projectId": "Website", "chosen": "7, 8"}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(find(parts, context, args)),
    )
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct FindCandidates {
    /// Id or name of a project, or a list; absent: all that are open.
    project_id: Option<OneOrMany<IdOrName>>,
    /// Tasks that are to be moved, such as "7, 8", or "ready" for all that are; each must be ready.
    chosen: Option<OneOrMany<IdOrName>>,
}

/// A task that could go into a sprint.
#[derive(Serialize, JsonSchema)]
struct CandidateView {
    id: i64,
    headline: String,
    project: i64,
    milestone: Option<i64>,
    points: Option<f64>,
    /// What it lacks; empty: it is ready.
    missing: Vec<String>,
}

/// Tasks that could go into a sprint.
#[derive(Serialize, JsonSchema)]
struct CandidatesView {
    summary: String,
    candidates: Vec<CandidateView>,
    /// Those that are to be moved.
    chosen: Vec<i64>,
    /// Ready, by milestone; Not ready; Chosen: those that have lines.
    sections: Vec<SectionView>,
    /// There is no candidate.
    quiet: bool,
}

async fn find(parts: &Parts, context: &Context, args: FindCandidates) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let projects = read::projects(&directory, args.project_id)?;
    let query = TaskQuery {
        projects: projects.clone(),
        kinds_of_status: read::open_kinds(),
        ..TaskQuery::default()
    };
    let tasks = read::tasks(parts, &directory, query).await?;
    let open = read::open_ids(parts, &directory, &tasks).await?;
    let is_candidate = |seen: &&Seen| {
        seen.kind == StatusKind::New
            && seen.task.sprint.is_none()
            && seen.task.kind != TaskKind::Subtask
    };
    let mut found: Vec<(&Seen, Readiness)> = tasks
        .iter()
        .filter(is_candidate)
        .map(|seen| (seen, readiness(&seen.task, &open)))
        .collect();
    found.sort_by_key(|(seen, _)| (seen.task.priority.unwrap_or(u8::MAX), seen.task.id));
    let chosen = chosen(&found, args.chosen)?;
    let milestones = milestones(parts, projects).await?;
    let ready = found.iter().filter(|(_, lacks)| lacks.is_ready()).count();
    let points = points_of(found.iter().filter(|(_, lacks)| lacks.is_ready()).map(|(s, _)| *s));
    let summary =
        format!("{}, {ready} ready with {points}", counted(found.len(), "candidate", "candidates"));
    Ok(show::value(&CandidatesView {
        summary,
        sections: sections(&directory, &found, &milestones, &chosen),
        quiet: found.is_empty(),
        chosen: chosen.iter().map(|id| id.0).collect(),
        candidates: found.into_iter().map(view).collect(),
    }))
}

fn view((seen, lacks): (&Seen, Readiness)) -> CandidateView {
    CandidateView {
        id: seen.task.id.0,
        headline: crate::digest::one_line(&seen.task.headline),
        project: seen.task.project.0,
        milestone: seen.task.milestone.map(|milestone| milestone.0),
        points: seen.task.storypoints,
        missing: lacks.missing,
    }
}

/// The tasks that are named; each must be a candidate, and ready.
fn chosen(
    found: &[(&Seen, Readiness)],
    given: Option<OneOrMany<IdOrName>>,
) -> Result<Vec<TaskId>, ToolError> {
    let given = read::named(given);
    if let [IdOrName::Name(word)] = given.as_slice()
        && word.trim().eq_ignore_ascii_case("ready")
    {
        let ready = found.iter().filter(|(_, lacks)| lacks.is_ready());
        return Ok(ready.map(|(seen, _)| seen.task.id).collect());
    }
    let wanted = read::ids("chosen", Some(OneOrMany::Many(given)))?;
    let mut seen_ids = BTreeSet::new();
    for id in &wanted {
        let candidate = found.iter().find(|(seen, _)| seen.task.id == *id);
        let Some((_, lacks)) = candidate else {
            return Err(refuse(&format!(
                "chosen: task {id} is no candidate: expected a new task without a sprint"
            )));
        };
        if !lacks.is_ready() {
            let missing = lacks.missing.join("; ");
            return Err(refuse(&format!("chosen: task {id} is not ready: {missing}")));
        }
        seen_ids.insert(*id);
    }
    Ok(seen_ids.into_iter().collect())
}

async fn milestones(
    parts: &Parts,
    projects: Vec<ProjectId>,
) -> Result<BTreeMap<MilestoneId, Milestone>, ToolError> {
    if projects.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = MilestoneQuery { projects, ..MilestoneQuery::default() };
    let found = parts.board.milestones(&query).await.map_err(|e| told(&e))?;
    Ok(found.into_iter().map(|milestone| (milestone.id, milestone)).collect())
}

fn sections(
    directory: &Directory,
    found: &[(&Seen, Readiness)],
    milestones: &BTreeMap<MilestoneId, Milestone>,
    chosen: &[TaskId],
) -> Vec<SectionView> {
    let names = &directory.names;
    let ready_line = |seen: &Seen| {
        let mut notes = vec![project_of(names, &seen.task), points_of(std::iter::once(seen))];
        notes.extend(seen.task.priority.map(|priority| format!("priority {priority}")));
        task_line(&seen.task, &notes)
    };
    // The soonest milestone first, what has none last.
    let mut groups: BTreeMap<(bool, Option<_>, Option<MilestoneId>), Vec<&Seen>> = BTreeMap::new();
    for (seen, _) in found.iter().filter(|(_, lacks)| lacks.is_ready()) {
        let milestone = seen.task.milestone.and_then(|id| milestones.get(&id));
        let key = (milestone.is_none(), milestone.map(|m| m.to), milestone.map(|m| m.id));
        groups.entry(key).or_default().push(seen);
    }
    let mut sections = Vec::new();
    for ((_, _, id), group) in groups {
        let name =
            id.and_then(|id| milestones.get(&id)).map(|m| crate::digest::one_line(&m.headline));
        let whither =
            name.map_or_else(|| " without milestone".to_owned(), |name| format!(" for {name}"));
        let title = format!("Ready{whither}, {}", points_of(group.iter().copied()));
        sections.push(SectionView::new(title, group.into_iter().map(ready_line).collect()));
    }
    let lacking = found.iter().filter(|(_, lacks)| !lacks.is_ready());
    let lacking: Vec<LineView> = lacking
        .map(|(seen, lacks)| {
            let mut notes = vec![project_of(names, &seen.task)];
            notes.extend(lacks.missing.iter().cloned());
            task_line(&seen.task, &notes)
        })
        .collect();
    sections.push(SectionView::new("Not ready", lacking));
    let moved = found.iter().filter(|(seen, _)| chosen.contains(&seen.task.id));
    sections.push(SectionView::new("Chosen", moved.map(|(seen, _)| ready_line(seen)).collect()));
    filled(sections)
}

/// `13 points`; of tasks that have none it is said, too.
fn points_of<'a>(tasks: impl Iterator<Item = &'a Seen>) -> String {
    let (mut sum, mut without) = (0.0, 0);
    for seen in tasks {
        match seen.task.storypoints {
            Some(points) => sum += points,
            None => without += 1,
        }
    }
    let said = if (sum - 1.0_f64).abs() < f64::EPSILON {
        "1 point".to_owned()
    } else {
        format!("{sum} points")
    };
    match (without, sum > 0.0) {
        (0, _) => said,
        (_, false) => "no points".to_owned(),
        (without, true) => format!("{said} ({} without)", count(without)),
    }
}
