//! How projects are doing, for those who pay for them.

use super::read::{self, Amount, amount, dates};
use super::view::{
    LineView, SectionView, assignee_of, counted, due_note, filled, hindrance, line, task_line,
};
use crate::domain::{
    Milestone, MilestoneQuery, Project, Role, StatusKind, TaskId, TaskQuery, TimeGroup, TimeQuery,
    Timestamp, Value,
};
use crate::reckon::{
    HealthFacts, Light, MilestoneFacts, RULES, Ruling, Seen, health, hours, hours_text, midnight,
    minutes_of,
};
use crate::tools::arguments::{IdOrName, OneOrMany};
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use chrono::{Datelike, Days, NaiveDate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::super::tasks::refuse;

/// The most projects of one report.
const PROJECTS_MAX: usize = 50;
/// Milestones due within so many days are told.
const AHEAD_DAYS: u64 = 60;

pub(super) fn tool() -> Definition {
    Definition::read::<GetHealth, HealthView>(
        Words {
            name: "getProjectHealth",
            title: "Get a project's health",
            description: "Green, yellow or red by stated rules, with what was finished this week, what is \
                under way, milestones ahead, risks, and hours against the budget. Example: \
                {\"projectId\": \"Website\", \"budgetHours\": 120}.",
            example: r#"{"projectId": "Website", "budgetHours": 120}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(get(parts, context, args)),
    )
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct GetHealth {
    /// Id or name of a project, or a list; absent: all that are open.
    project_id: Option<OneOrMany<IdOrName>>,
    /// Of one project; absent: the planned hours of all its tasks.
    budget_hours: Option<Amount>,
    /// First day of the week that is told; default its Monday.
    since: Option<String>,
}

/// How a project is doing.
#[derive(Serialize, JsonSchema)]
struct ProjectHealth {
    project: i64,
    reference: String,
    name: String,
    /// green, yellow or red.
    health: String,
    /// Which rules say so.
    reasons: Vec<String>,
    /// Such as `34.5 h of 60 h (planned hours of its tasks)`.
    hours: String,
    spent_hours: f64,
    budget_hours: Option<f64>,
    /// Done this week, In progress, Milestones ahead, Risks: those that have lines.
    sections: Vec<SectionView>,
}

/// How projects are doing.
#[derive(Serialize, JsonSchema)]
struct HealthView {
    /// The day.
    day: String,
    /// The first day of the week that is told.
    since: String,
    projects: Vec<ProjectHealth>,
    /// What makes a project red or yellow.
    rules: Vec<String>,
    /// There is no project.
    quiet: bool,
}

async fn get(parts: &Parts, context: &Context, args: GetHealth) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let projects = read::projects(&directory, args.project_id)?;
    let budget = amount("budgetHours", args.budget_hours.as_ref())?;
    if budget.is_some() && projects.len() != 1 {
        return Err(refuse("budgetHours: it is the budget of one project; name that in projectId"));
    }
    if projects.len() > PROJECTS_MAX {
        return Err(refuse(&format!("projectId: expected at most {PROJECTS_MAX} projects")));
    }
    let dates = dates(parts, context);
    let today = dates.today();
    let back = Days::new(u64::from(today.weekday().num_days_from_monday()));
    let monday = today.checked_sub_days(back).unwrap_or(today);
    let since = read::day_or(dates, "since", args.since.as_deref(), &monday.to_string())?;
    let mut told = Vec::new();
    for id in projects {
        let Some(project) = directory.names.projects.get(&id) else { continue };
        let look = Look { parts, context, directory: &directory, project, now: dates.now, today };
        told.push(look.health(budget, since).await?);
    }
    Ok(show::value(&HealthView {
        day: today.format("%A %-d %B %Y").to_string(),
        since: since.format("%a %-d %b").to_string(),
        quiet: told.is_empty(),
        projects: told,
        rules: RULES.map(str::to_owned).to_vec(),
    }))
}

/// One project, looked at.
struct Look<'a> {
    parts: &'a Parts,
    context: &'a Context,
    directory: &'a Directory,
    project: &'a Project,
    now: Timestamp,
    today: NaiveDate,
}

impl Look<'_> {
    async fn health(
        &self,
        budget: Option<f64>,
        since: NaiveDate,
    ) -> Result<ProjectHealth, ToolError> {
        let query = TaskQuery { projects: vec![self.project.id], ..TaskQuery::default() };
        let tasks = read::tasks(self.parts, self.directory, query).await?;
        let query = MilestoneQuery {
            projects: vec![self.project.id],
            done: Some(false),
            ..MilestoneQuery::default()
        };
        let board = self.parts.board.as_ref();
        let milestones = board.milestones(&query).await.map_err(|e| told(&e))?;
        let query = TimeQuery { projects: vec![self.project.id], ..TimeQuery::default() };
        let sums = board.time_sums(&query, TimeGroup::Project).await.map_err(|e| told(&e))?;
        let seconds: u64 = sums.iter().map(|sum| sum.seconds).sum();
        let spent = i64::try_from(seconds / 60).unwrap_or(i64::MAX);
        let planned: i64 = tasks.iter().filter_map(|s| s.task.plan_hours).map(minutes_of).sum();
        let (budget, basis) = match budget {
            Some(hours) => (minutes_of(hours), "budget"),
            None => (planned, "planned hours of its tasks"),
        };
        let open = read::open_ids(self.parts, self.directory, &tasks).await?;
        let facts = self.facts(&tasks, &milestones, &open, (spent, budget));
        let (light, rulings) = health(&facts);
        let done = self.done(&tasks, since).await?;
        let sections = self.sections(&tasks, &milestones, &open, done, &rulings);
        let spent_text = hours_text(spent);
        Ok(ProjectHealth {
            project: self.project.id.0,
            reference: format!("project {}", self.project.id),
            name: crate::digest::one_line(&self.project.name),
            health: light.as_str().to_owned(),
            reasons: reasons(&rulings),
            hours: match budget {
                0 => format!("{spent_text} spent; no budget and no planned hours"),
                budget => format!("{spent_text} of {} ({basis})", hours_text(budget)),
            },
            spent_hours: hours(spent),
            budget_hours: (budget > 0).then(|| hours(budget)),
            sections,
        })
    }

    fn facts(
        &self,
        tasks: &[Seen],
        milestones: &[Milestone],
        open: &BTreeSet<TaskId>,
        (spent, budget): (i64, i64),
    ) -> HealthFacts {
        let number = |wanted: &dyn Fn(&Seen) -> bool| -> u64 {
            super::view::count(tasks.iter().filter(|seen| wanted(seen)).count())
        };
        let milestone = |milestone: &Milestone| {
            let due = milestone.to.with_timezone(&self.context.zone).date_naive();
            let of = |seen: &&Seen| seen.task.milestone == Some(milestone.id);
            MilestoneFacts {
                headline: crate::digest::one_line(&milestone.headline),
                days_left: (due - self.today).num_days(),
                done_percent: percent_done(tasks.iter().filter(of)),
            }
        };
        HealthFacts {
            open: number(&Seen::is_open),
            overdue: number(&|seen| seen.is_overdue(self.now)),
            blocked: number(&|seen| is_held_up(seen, open)),
            milestones: milestones.iter().map(milestone).collect(),
            spent,
            budget: (budget > 0).then_some(budget),
            done_percent: percent_done(tasks.iter()),
        }
    }

    /// What was finished since a day began, the first first.
    async fn done<'a>(
        &self,
        tasks: &'a [Seen],
        since: NaiveDate,
    ) -> Result<Vec<&'a Seen>, ToolError> {
        let since = midnight(since, self.context.zone);
        let is_recent = |seen: &&Seen| !seen.is_open() && seen.task.modified >= since;
        let recent: Vec<Seen> = tasks.iter().filter(is_recent).cloned().collect();
        let at = read::done_since(self.parts, self.directory, &recent, since).await?;
        let in_week = |seen: &&Seen| at.get(&seen.task.id).is_some_and(|at| *at >= since);
        let mut done: Vec<&Seen> = tasks.iter().filter(in_week).collect();
        done.sort_by_key(|seen| (at.get(&seen.task.id).copied(), seen.task.id));
        Ok(done)
    }

    fn sections(
        &self,
        tasks: &[Seen],
        milestones: &[Milestone],
        open: &BTreeSet<TaskId>,
        done: Vec<&Seen>,
        rulings: &[Ruling],
    ) -> Vec<SectionView> {
        let names = &self.directory.names;
        let task = |seen: &Seen| {
            let mut notes = vec![assignee_of(names, &seen.task)];
            notes.extend(due_note(&seen.task, self.context.zone));
            task_line(&seen.task, &notes)
        };
        let under_way =
            |seen: &&Seen| matches!(seen.kind, StatusKind::InProgress | StatusKind::Waiting);
        let is_risk = |seen: &&Seen| seen.is_overdue(self.now) || is_held_up(seen, open);
        let risk = |seen: &Seen| {
            let waits = seen.task.blocked_by.iter().copied().filter(|id| open.contains(id));
            let mut notes = hindrance(seen, &waits.collect::<Vec<_>>(), self.now);
            notes.push(assignee_of(names, &seen.task));
            task_line(&seen.task, &notes)
        };
        filled(vec![
            SectionView::new("Why", reason_lines(rulings)),
            SectionView::new("Done this week", done.into_iter().map(task).collect()),
            SectionView::new("In progress", tasks.iter().filter(under_way).map(task).collect()),
            SectionView::new("Milestones ahead", self.ahead(tasks, milestones)),
            SectionView::new("Risks", tasks.iter().filter(is_risk).map(risk).collect()),
        ])
    }

    fn ahead(&self, tasks: &[Seen], milestones: &[Milestone]) -> Vec<LineView> {
        let zone = self.context.zone;
        let until = self.today.checked_add_days(Days::new(AHEAD_DAYS)).unwrap_or(self.today);
        let day = |milestone: &Milestone| milestone.to.with_timezone(&zone).date_naive();
        let mut ahead: Vec<&Milestone> = milestones.iter().filter(|m| day(m) <= until).collect();
        ahead.sort_by_key(|milestone| (milestone.to, milestone.id));
        let shown = ahead.into_iter().map(|milestone| {
            let of = |seen: &&Seen| seen.task.milestone == Some(milestone.id);
            let all = tasks.iter().filter(of).count();
            let mut notes = vec![day(milestone).format("%a %-d %b").to_string()];
            if all > 0 {
                let done = percent_done(tasks.iter().filter(of));
                notes.push(format!("{done} % of {} done", counted(all, "task", "tasks")));
            }
            let reference = format!("milestone {}", milestone.id);
            LineView { reference, ..line(&milestone.headline, &notes) }
        });
        shown.collect()
    }
}

fn reasons(rulings: &[Ruling]) -> Vec<String> {
    if rulings.is_empty() {
        return vec!["nothing is overdue, blocked, late or over budget".to_owned()];
    }
    rulings.iter().map(|ruling| ruling.why.clone()).collect()
}

fn reason_lines(rulings: &[Ruling]) -> Vec<LineView> {
    let lights = rulings.iter().map(|ruling| ruling.light).chain([Light::Green]);
    let lines = reasons(rulings).into_iter().zip(lights);
    lines.map(|(why, light)| line(&why, &[light.as_str().to_owned()])).collect()
}

fn is_held_up(seen: &Seen, open: &BTreeSet<TaskId>) -> bool {
    let waits = seen.task.blocked_by.iter().any(|id| open.contains(id));
    seen.kind == StatusKind::Blocked || seen.is_open() && waits
}

/// Of these, in hundredths, rounded down; 0 without any.
fn percent_done<'a>(tasks: impl Iterator<Item = &'a Seen>) -> u64 {
    let (mut all, mut done) = (0_u64, 0_u64);
    for seen in tasks {
        all += 1;
        done += u64::from(!seen.is_open());
    }
    (done * 100).checked_div(all).unwrap_or(0)
}
