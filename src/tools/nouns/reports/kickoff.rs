//! How a new project begins, by a team's template.

use super::read::{self, dates};
use super::view::{SectionView, counted, filled, line};
use crate::domain::{Role, Value};
use crate::reckon::{Laid, MilestonePlan, Phase, lay_out};
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::tasks::refuse;

/// The most starter tasks of a phase.
const TASKS_MAX: usize = 50;

pub(super) fn tool() -> Definition {
    Definition::read::<DraftKickoff, KickoffView>(
        Words {
            name: "draftKickoff",
            title: "Draft a project's start",
            description: "Lays phases one after the other: milestones with dates and colours, and first \
                tasks, as addMilestone and addTask take them. Writes nothing. Example: {\"startDate\": \
                \"monday\", \"phases\": [{\"name\": \"Design\", \"weeks\": 2, \"tasks\": [\"Sketch\"]}]}.",
            example: r#"{"startDate": "monday", "phases": [{"name": "Design", "weeks": 2, "tasks": ["Sketch"]}]}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(std::future::ready(draft(parts, context, args))),
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DraftKickoff {
    /// First day; default the coming Monday.
    start_date: Option<String>,
    /// One after the other.
    phases: Vec<PhaseArg>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PhaseArg {
    /// The milestone's name.
    name: String,
    /// How long it takes.
    weeks: u32,
    /// `#rrggbb`; absent: the next of ours.
    color: Option<String>,
    /// What is to be done first in it.
    #[serde(default)]
    tasks: Vec<String>,
}

/// What addMilestone takes.
#[derive(Serialize, JsonSchema)]
struct MilestoneDraft {
    headline: String,
    color: String,
    /// First day.
    from: String,
    /// Last day.
    to: String,
}

/// What addTask takes.
#[derive(Serialize, JsonSchema)]
struct TaskDraft {
    headline: String,
    /// The milestone's headline.
    milestone: String,
    /// The last day.
    due: String,
}

/// A project's start.
#[derive(Serialize, JsonSchema)]
struct KickoffView {
    from: String,
    to: String,
    summary: String,
    milestones: Vec<MilestoneDraft>,
    tasks: Vec<TaskDraft>,
    /// One a milestone, with its tasks.
    sections: Vec<SectionView>,
    quiet: bool,
}

fn draft(parts: &Parts, context: &Context, args: DraftKickoff) -> Result<Value, ToolError> {
    let start =
        read::day_or(dates(parts, context), "startDate", args.start_date.as_deref(), "monday")?;
    if args.phases.iter().any(|phase| phase.tasks.len() > TASKS_MAX) {
        return Err(refuse(&format!("phases: expected at most {TASKS_MAX} tasks in each")));
    }
    let phase = |phase: PhaseArg| Phase {
        name: phase.name,
        weeks: phase.weeks,
        color: phase.color,
        tasks: phase.tasks,
    };
    let phases: Vec<Phase> = args.phases.into_iter().map(phase).collect();
    let laid = lay_out(start, &phases).map_err(|fault| refuse(&format!("phases: {fault}")))?;
    Ok(show::value(&view(&laid)))
}

fn view(laid: &Laid) -> KickoffView {
    let day = |day: chrono::NaiveDate| day.format("%a %-d %b").to_string();
    let milestone = |one: &MilestonePlan| MilestoneDraft {
        headline: one.name.clone(),
        color: one.color.clone(),
        from: one.from.to_string(),
        to: one.to.to_string(),
    };
    let tasks = laid.iter().flat_map(|one| {
        one.tasks.iter().map(|task| TaskDraft {
            headline: task.clone(),
            milestone: one.name.clone(),
            due: one.to.to_string(),
        })
    });
    let tasks: Vec<TaskDraft> = tasks.collect();
    let section = |one: &MilestonePlan| {
        let mut lines = vec![line(
            "Milestone",
            &[format!("{} to {}", day(one.from), day(one.to)), one.color.clone()],
        )];
        lines.extend(one.tasks.iter().map(|task| line(task, &[format!("due {}", day(one.to))])));
        SectionView::new(crate::digest::one_line(&one.name), lines)
    };
    let text = |day: Option<chrono::NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
    KickoffView {
        from: text(laid.first().map(|one| one.from)),
        to: text(laid.last().map(|one| one.to)),
        summary: format!(
            "{} and {}",
            counted(laid.len(), "milestone", "milestones"),
            counted(tasks.len(), "task", "tasks")
        ),
        milestones: laid.iter().map(milestone).collect(),
        tasks,
        sections: filled(laid.iter().map(section).collect()),
        quiet: false,
    }
}
