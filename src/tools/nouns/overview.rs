//! A project at a glance: what it takes several questions to learn.

use super::tasks::refuse;
use super::timesheets::{Span, hours};
use crate::domain::{
    CommentQuery, CommentTarget, MilestoneQuery, Project, Role, StatusKind, TaskQuery, TimeGroup,
    TimeKey, TimeQuery, Value,
};
use crate::tools::arguments::IdOrName;
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show::{self, CommentView, MilestoneView, ProjectView};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So many of the latest status updates are shown.
const UPDATES_SHOWN: usize = 5;
/// So many milestones are shown, the soonest first.
const MILESTONES_SHOWN: usize = 50;
/// So many people are shown, those with the most hours first.
const PEOPLE_SHOWN: usize = 100;
/// Tasks are counted to so many pages of 1,000.
const PAGES_MAX: usize = 100;

pub(super) fn tools() -> Vec<Definition> {
    vec![Definition::read::<Overview, OverviewView>(
        Words {
            name: "getFullProjectOverview",
            title: "A project at a glance",
            description: "A project with progress, open milestones and latest status updates. Example: \
                {\"projectId\": \"Website\"}.",
            example: r#"{"projectId": "Website"}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(overview(parts, context, args)),
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Overview {
    /// Id or name.
    project_id: IdOrName,
    /// Also the hours of each person.
    #[serde(default)]
    include_timesheets: bool,
    /// Their first day; default -30d.
    date_from: Option<String>,
    /// Their last day; default today.
    date_to: Option<String>,
}

/// How many tasks there are.
#[derive(Default, Serialize, JsonSchema)]
struct Progress {
    tasks: u64,
    done: u64,
    /// Not done.
    open: u64,
    /// Not done, and due before now.
    overdue: u64,
    /// Open tasks whose status is of kind blocked.
    blocked: u64,
    /// Of all tasks, rounded down; 0 without tasks.
    done_percent: u64,
    /// False when there are more than could be counted.
    complete: bool,
}

/// The hours of a person.
#[derive(Serialize, JsonSchema)]
struct PersonHours {
    person: i64,
    person_name: Option<String>,
    hours: f64,
    billable_hours: f64,
}

/// What was logged in a span.
#[derive(Serialize, JsonSchema)]
struct Spent {
    /// The first day.
    from: String,
    /// The last day.
    to: String,
    total_hours: f64,
    billable_hours: f64,
    /// The most hours first.
    people: Vec<PersonHours>,
}

/// A project at a glance.
#[derive(Serialize, JsonSchema)]
struct OverviewView {
    project: ProjectView,
    progress: Progress,
    /// Those not reached, soonest deadline first.
    milestones: Vec<MilestoneView>,
    /// Latest first.
    status_updates: Vec<CommentView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timesheets: Option<Spent>,
}

async fn overview(parts: &Parts, context: &Context, args: Overview) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(&args.project_id)?.clone();
    if !args.include_timesheets && (args.date_from.is_some() || args.date_to.is_some()) {
        return Err(refuse(
            "dateFrom, dateTo: they are for timesheets; add includeTimesheets: true",
        ));
    }
    let timesheets = if args.include_timesheets {
        let from = args.date_from.as_deref().unwrap_or("-30d");
        let to = args.date_to.as_deref().unwrap_or("today");
        let span = Span::read(parts, context, from, to)?;
        Some(spent(parts, &directory, &project, span).await?)
    } else {
        None
    };
    let query = MilestoneQuery {
        projects: vec![project.id],
        done: Some(false),
        ..MilestoneQuery::default()
    };
    let milestones = parts.board.milestones(&query).await.map_err(|e| told(&e))?;
    let query = CommentQuery {
        on: Some(CommentTarget::Project(project.id)),
        rated: true,
        latest_first: true,
        limit: UPDATES_SHOWN,
        ..CommentQuery::default()
    };
    let updates = parts.board.comments(&query).await.map_err(|e| told(&e))?.items;
    let names = &directory.names;
    Ok(show::value(&OverviewView {
        progress: progress(parts, &project).await?,
        project: ProjectView::from(project),
        milestones: milestones
            .into_iter()
            .take(MILESTONES_SHOWN)
            .map(|milestone| names.milestone(milestone))
            .collect(),
        status_updates: updates.into_iter().map(|update| names.comment(update)).collect(),
        timesheets,
    }))
}

async fn progress(parts: &Parts, project: &Project) -> Result<Progress, ToolError> {
    let now = parts.clock.wall();
    let mut query = TaskQuery { projects: vec![project.id], limit: 1_000, ..TaskQuery::default() };
    let mut progress = Progress::default();
    for _ in 0..PAGES_MAX {
        let page = parts.board.tasks(&query).await.map_err(|e| told(&e))?;
        for task in page.items {
            let kind = project.kind_of(task.status);
            let is_open = kind != StatusKind::Done;
            progress.tasks += 1;
            progress.done += u64::from(!is_open);
            progress.open += u64::from(is_open);
            progress.overdue += u64::from(is_open && task.due.is_some_and(|due| due < now));
            progress.blocked += u64::from(kind == StatusKind::Blocked);
        }
        query.after = page.next;
        if query.after.is_none() {
            progress.complete = true;
            break;
        }
    }
    progress.done_percent = (progress.done * 100).checked_div(progress.tasks).unwrap_or(0);
    Ok(progress)
}

async fn spent(
    parts: &Parts,
    directory: &Directory,
    project: &Project,
    span: Span,
) -> Result<Spent, ToolError> {
    let query = span.within(TimeQuery { projects: vec![project.id], ..TimeQuery::default() });
    let mut sums = parts.board.time_sums(&query, TimeGroup::Person).await.map_err(|e| told(&e))?;
    sums.sort_by_key(|sum| (std::cmp::Reverse(sum.seconds), sum.key));
    let people = sums.iter().take(PEOPLE_SHOWN).filter_map(|sum| {
        let TimeKey::Person(person) = sum.key else { return None };
        Some(PersonHours {
            person: person.0,
            person_name: directory.names.person(Some(person)),
            hours: hours(sum.seconds),
            billable_hours: hours(sum.billable),
        })
    });
    Ok(Spent {
        people: people.collect(),
        total_hours: hours(sums.iter().map(|sum| sum.seconds).sum()),
        billable_hours: hours(sums.iter().map(|sum| sum.billable).sum()),
        from: span.from.to_string(),
        to: span.to.to_string(),
    })
}
