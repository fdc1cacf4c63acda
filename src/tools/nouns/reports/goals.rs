//! Whether goals keep pace, and which tasks hold them up.

use super::read::{self, dates};
use super::view::{LineView, SectionView, counted, filled, hindrance, line, task_line};
use crate::domain::{Goal, GoalQuery, MilestoneId, Role, StatusKind, TaskQuery, Timestamp, Value};
use crate::reckon::{Pace, Seen, pace};
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

use super::super::tasks::refuse;

/// The most goals of one report.
const GOALS_MAX: usize = 2_000;

pub(super) fn tool() -> Definition {
    Definition::read::<GetGoalProgress, ProgressView>(
        Words {
            name: "getGoalProgress",
            title: "Get the pace of goals",
            description: "Each goal against what is expected by now: on track (not more than 10 points \
                behind), at risk (not more than 30), behind; with the tasks of its milestone that hold it \
                up. Example: {\"projectId\": \"Website\"}.",
            example: r#"{"projectId": "Website"}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(get(parts, context, args)),
    )
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct GetGoalProgress {
    /// Id or name of a project, or a list; absent: all that are open.
    project_id: Option<OneOrMany<IdOrName>>,
    /// The day; default today.
    on: Option<String>,
}

/// A goal's pace.
#[derive(Serialize, JsonSchema)]
struct GoalPace {
    id: i64,
    title: String,
    /// behind, at risk, on track, reached, or no dates.
    pace: String,
    /// Hundredths of the way.
    progress: f64,
    /// The hundredths that are expected by now.
    expected: Option<f64>,
    /// Tasks of its milestone that are blocked or overdue.
    blocked_by: Vec<i64>,
}

/// Goals by how they are doing.
#[derive(Serialize, JsonSchema)]
struct ProgressView {
    day: String,
    summary: String,
    goals: Vec<GoalPace>,
    /// Behind, At risk, On track, Reached, No dates: those that have lines.
    sections: Vec<SectionView>,
    /// There is no goal.
    quiet: bool,
}

async fn get(parts: &Parts, context: &Context, args: GetGoalProgress) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let projects = read::projects(&directory, args.project_id)?;
    let dates = dates(parts, context);
    let day = read::day_or(dates, "on", args.on.as_deref(), "today")?;
    let mut goals = Vec::new();
    if !projects.is_empty() {
        goals = all_goals(parts, GoalQuery { projects, ..GoalQuery::default() }).await?;
    }
    let mut told = Vec::new();
    for goal in goals {
        let held_up = match goal.milestone {
            Some(milestone) => held_up(parts, &directory, milestone, dates.now).await?,
            None => Vec::new(),
        };
        let (pace, expected) = pace(&goal, day);
        told.push(Told { goal, pace, expected, held_up });
    }
    told.sort_by_key(|one| (one.pace, one.goal.end, one.goal.id));
    let number = |wanted: Pace| told.iter().filter(|one| one.pace == wanted).count();
    let summary = format!(
        "{}: {} behind, {} at risk, {} on track, {} reached",
        counted(told.len(), "goal", "goals"),
        number(Pace::Behind),
        number(Pace::AtRisk),
        number(Pace::OnTrack),
        number(Pace::Reached),
    );
    Ok(show::value(&ProgressView {
        day: day.format("%A %-d %B %Y").to_string(),
        summary,
        quiet: told.is_empty(),
        sections: sections(&told, &directory, dates.now),
        goals: told.iter().map(Told::view).collect(),
    }))
}

/// A goal, judged.
struct Told {
    goal: Goal,
    pace: Pace,
    expected: Option<f64>,
    held_up: Vec<Seen>,
}

impl Told {
    fn view(&self) -> GoalPace {
        GoalPace {
            id: self.goal.id.0,
            title: crate::digest::one_line(&self.goal.title),
            pace: self.pace.as_str().to_owned(),
            progress: self.goal.progress().round(),
            expected: self.expected,
            blocked_by: self.held_up.iter().map(|seen| seen.task.id.0).collect(),
        }
    }

    fn line(&self, directory: &Directory) -> LineView {
        let goal = &self.goal;
        let names = &directory.names;
        let project = names.projects.get(&goal.project).map(|project| project.name.clone());
        let done = format!("{:.0} %", goal.progress());
        let mut notes: Vec<String> = project.into_iter().collect();
        notes.push(format!("{} of {}", goal.current_value, goal.end_value));
        notes.push(match self.expected {
            Some(expected) => format!("{done}, expected {expected:.0} %"),
            None => done,
        });
        notes.extend(goal.end.map(|end: NaiveDate| format!("ends {}", end.format("%a %-d %b"))));
        notes.extend(names.person(goal.owner));
        LineView { reference: format!("goal {}", goal.id), ..line(&goal.title, &notes) }
    }
}

fn sections(told: &[Told], directory: &Directory, now: Timestamp) -> Vec<SectionView> {
    let titles = [
        (Pace::Behind, "Behind"),
        (Pace::AtRisk, "At risk"),
        (Pace::OnTrack, "On track"),
        (Pace::Reached, "Reached"),
        (Pace::Open, "No dates"),
    ];
    let mut sections: Vec<SectionView> = titles
        .into_iter()
        .map(|(pace, title)| {
            let of = told.iter().filter(|one| one.pace == pace);
            SectionView::new(title, of.map(|one| one.line(directory)).collect())
        })
        .collect();
    let mut blocking = Vec::new();
    for one in told.iter().filter(|one| one.pace != Pace::Reached) {
        for seen in &one.held_up {
            let mut notes = hindrance(seen, &[], now);
            notes.push(format!("holds up goal {}", one.goal.id));
            blocking.push(task_line(&seen.task, &notes));
        }
    }
    sections.push(SectionView::new("Blocking tasks", blocking));
    filled(sections)
}

/// Tasks of a milestone that are blocked or overdue.
async fn held_up(
    parts: &Parts,
    directory: &Directory,
    milestone: MilestoneId,
    now: Timestamp,
) -> Result<Vec<Seen>, ToolError> {
    let query = TaskQuery {
        projects: directory.names.projects.keys().copied().collect(),
        kinds_of_status: read::open_kinds(),
        milestone: Some(milestone),
        ..TaskQuery::default()
    };
    let tasks = read::tasks(parts, directory, query).await?;
    let is_held_up = |seen: &Seen| seen.kind == StatusKind::Blocked || seen.is_overdue(now);
    Ok(tasks.into_iter().filter(is_held_up).collect())
}

async fn all_goals(parts: &Parts, mut query: GoalQuery) -> Result<Vec<Goal>, ToolError> {
    query.limit = 1_000;
    let mut all = Vec::new();
    loop {
        let page = parts.board.goals(&query).await.map_err(|e| told(&e))?;
        all.extend(page.items);
        if all.len() > GOALS_MAX {
            return Err(refuse(&format!("more than {GOALS_MAX} goals: name fewer projects")));
        }
        if page.next.is_none() || page.next == query.after {
            return Ok(all);
        }
        query.after = page.next;
    }
}
