//! Looking at tasks: findTasks, getTicket, getActivity.

use crate::domain::{
    ActivityId, ActivityQuery, AssigneeFilter, CommentQuery, CommentTarget, Cursor, PersonKind,
    ProjectId, Reason, Role, StatusId, StatusKind, TaskId, TaskKind, TaskOrder, TaskQuery, Value,
    parse_duration, to_delta,
};
use crate::tools::arguments::{Id, IdOrName, OneOrMany};
use crate::tools::dates::Dates;
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::{self, Directory};
use crate::tools::show::{self, ActivityView, CommentView, Items, TaskView};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The page of findTasks when nothing is said, as in Leantime.
const TASKS_DEFAULT: usize = 20;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<FindTasks, Items<TaskView>>(
            Words {
                name: "findTasks",
                title: "Find tasks",
                description: "Finds tasks. Every argument narrows. Example: {\"projectIds\": [\"Website\"], \
                    \"status\": [\"open\"], \"dueTo\": \"today\"}.",
                example: r#"{"projectIds": ["Website"], "status": "open", "dueTo": "today"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(find_tasks(parts, context, args)),
        ),
        Definition::read::<GetTicket, TicketView>(
            Words {
                name: "getTicket",
                title: "Get a task",
                description: "Everything about a task: texts, names, subtasks and comments (oldest first). \
                    Use it before working on one. Example: {\"id\": 7}.",
                example: r#"{"id": 7}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(get_ticket(parts, context, args)),
        ),
        Definition::read::<GetActivity, Items<ActivityView>>(
            Words {
                name: "getActivity",
                title: "Get the activity",
                description: "What changed on the board, field by field, latest first. Use it to see who did \
                    what since when. Example: {\"taskId\": 7, \"from\": \"yesterday\"}.",
                example: r#"{"taskId": 7, "from": "yesterday"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(get_activity(parts, context, args)),
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[derive(Default)]
struct FindTasks {
    /// Ids or names; absent: all.
    project_ids: Option<OneOrMany<IdOrName>>,
    /// Changed since.
    date_range_from: Option<String>,
    /// Changed before or on.
    date_range_to: Option<String>,
    /// Assigned to them; 0: you.
    user_id: Option<IdOrName>,
    /// open (not done), done, all (default), labels, ids, or kind:new, `kind:in_progress`,
    /// kind:blocked, kind:waiting.
    status: Option<OneOrMany<IdOrName>>,
    /// Of a page, 1 to 1000 (default 20).
    limit: Option<u32>,
    /// Due since.
    due_from: Option<String>,
    /// Due before or on.
    due_to: Option<String>,
    /// With a due date, or without.
    has_due: Option<bool>,
    /// All of them.
    tags: Option<OneOrMany<String>>,
    /// One of them.
    tags_any: Option<OneOrMany<String>>,
    /// None of them.
    tags_none: Option<OneOrMany<String>>,
    /// none, me, agent, person, any, id or name.
    assignee: Option<IdOrName>,
    /// task, story, bug or subtask.
    #[serde(rename = "type")]
    kind: Option<OneOrMany<String>>,
    /// Id, or headline with one project.
    milestone: Option<IdOrName>,
    /// An id.
    sprint: Option<Id>,
    /// Its subtasks.
    parent: Option<Id>,
    /// In headline or description.
    text: Option<String>,
    /// Such as 7d, 12h.
    unchanged_for: Option<String>,
    /// Default: id.
    order: Option<Order>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    Id,
    Priority,
    Due,
    Modified,
}

async fn find_tasks(parts: &Parts, context: &Context, args: FindTasks) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let mut query = dated(&args, dates)?;
    for name in args.project_ids.map(OneOrMany::into_vec).unwrap_or_default() {
        query.projects.push(directory.project(&name)?.id);
    }
    let by_project = statuses(&directory, &mut query, args.status)?;
    query.assignee = assignee(&directory, args.user_id.as_ref(), args.assignee.as_ref())?;
    for kind in args.kind.map(OneOrMany::into_vec).unwrap_or_default() {
        query.kinds.push(kind.parse::<TaskKind>().map_err(|e| refuse(&format!("type: {e}")))?);
    }
    query.sprint = args.sprint.map(|id| crate::domain::SprintId(id.0));
    if let Some(name) = &args.milestone {
        query.milestone = Some(match (name, query.projects.as_slice()) {
            (IdOrName::Id(id), _) => crate::domain::MilestoneId(*id),
            (name, [project]) => resolve::milestone(parts, *project, name).await?.id,
            _ => {
                return Err(refuse(
                    "a milestone by its headline needs exactly one project in projectIds",
                ));
            }
        });
    }
    query.tags_all = args.tags.map(OneOrMany::into_vec).unwrap_or_default();
    query.tags_any = args.tags_any.map(OneOrMany::into_vec).unwrap_or_default();
    query.tags_none = args.tags_none.map(OneOrMany::into_vec).unwrap_or_default();
    query.parent = args.parent.map(|id| TaskId(id.0));
    query.has_due = args.has_due;
    query.text = args.text.filter(|text| !text.trim().is_empty());
    query.after = args.cursor.filter(|cursor| !cursor.is_empty()).map(Cursor);
    let page = parts.board.tasks(&query).await.map_err(|e| told(&e))?;
    if page.items.is_empty() {
        are_there(parts, &query).await?;
    }
    let items = page
        .items
        .into_iter()
        // A status id belongs to its project: the same number may mean something else elsewhere.
        .filter(|task| by_project.as_ref().is_none_or(|ids| fits(ids, task.project, task.status)))
        .map(|task| directory.names.task(task))
        .collect();
    Ok(show::value(&Items::<TaskView> { items, next: page.next.map(|cursor| cursor.0) }))
}

/// What the tasks were to belong to: of what is not there, an empty list would say that it has none.
async fn are_there(parts: &Parts, query: &TaskQuery) -> Result<(), ToolError> {
    if let Some(id) = query.parent {
        parts.board.task(id).await.map_err(|e| told(&e))?;
    }
    if let Some(id) = query.milestone {
        parts.board.milestone(id).await.map_err(|e| told(&e))?;
    }
    if let Some(id) = query.sprint {
        parts.board.sprint(id).await.map_err(|e| told(&e))?;
    }
    Ok(())
}

fn fits(ids: &BTreeMap<ProjectId, Vec<StatusId>>, project: ProjectId, status: StatusId) -> bool {
    ids.get(&project).is_some_and(|ids| ids.contains(&status))
}

/// The parts of the query that hold dates, the limit and the order.
fn dated(args: &FindTasks, dates: Dates) -> Result<TaskQuery, ToolError> {
    let mut query = TaskQuery::default();
    let limit = args.limit.map_or(TASKS_DEFAULT, |limit| usize::try_from(limit).unwrap_or(1_000));
    if limit == 0 || limit > 1_000 {
        return Err(refuse("limit: expected 1 to 1000"));
    }
    query.limit = limit;
    let begin = |name: &str, text: &Option<String>| {
        text.as_deref().map(|text| dates.begin(name, text)).transpose()
    };
    let end = |name: &str, text: &Option<String>| {
        text.as_deref().map(|text| dates.end(name, text)).transpose()
    };
    query.modified_from = begin("dateRangeFrom", &args.date_range_from)?;
    query.unchanged_since = end("dateRangeTo", &args.date_range_to)?;
    query.due_from = begin("dueFrom", &args.due_from)?;
    query.due_to = end("dueTo", &args.due_to)?;
    if let Some(text) = &args.unchanged_for {
        let span = parse_duration(text).map_err(|e| refuse(&format!("unchangedFor: {e}")))?;
        let since = dates.now - to_delta(span);
        query.unchanged_since = Some(query.unchanged_since.map_or(since, |to| to.min(since)));
    }
    query.order = match args.order.unwrap_or(Order::Id) {
        Order::Id => TaskOrder::Id,
        Order::Priority => TaskOrder::Priority,
        Order::Due => TaskOrder::Due,
        Order::Modified => TaskOrder::Modified,
    };
    Ok(query)
}

/// Puts the statuses into the query; labels and ids are returned project by project.
fn statuses(
    directory: &Directory,
    query: &mut TaskQuery,
    names: Option<OneOrMany<IdOrName>>,
) -> Result<Option<BTreeMap<ProjectId, Vec<StatusId>>>, ToolError> {
    let mut labels: BTreeMap<ProjectId, Vec<StatusId>> = BTreeMap::new();
    let names = names.map(OneOrMany::into_vec).unwrap_or_default();
    for name in &names {
        let word = match name {
            IdOrName::Name(text) => text.trim().to_lowercase(),
            IdOrName::Id(_) => String::new(),
        };
        match word.as_str() {
            "all" | "any" => return Ok(None),
            "open" => query
                .kinds_of_status
                .extend(StatusKind::ALL.into_iter().filter(|kind| *kind != StatusKind::Done)),
            // A team's own label of this name means the same.
            "done" => query.kinds_of_status.push(StatusKind::Done),
            _ => {
                if let Some(kind) = resolve::kind_in(name)? {
                    query.kinds_of_status.push(kind);
                    continue;
                }
                let projects = directory.names.projects.values().filter(|project| {
                    query.projects.is_empty() || query.projects.contains(&project.id)
                });
                for (project, ids) in resolve::statuses_in(projects, name)? {
                    labels.entry(project).or_default().extend(ids);
                }
            }
        }
    }
    if labels.is_empty() {
        return Ok(None);
    }
    if !query.kinds_of_status.is_empty() {
        return Err(refuse("status: give labels or ids, or open, done and kinds, not both"));
    }
    query.projects = labels.keys().copied().collect();
    query.statuses = labels.values().flatten().copied().collect();
    query.statuses.sort_unstable();
    query.statuses.dedup();
    Ok(Some(labels))
}

fn assignee(
    directory: &Directory,
    user: Option<&IdOrName>,
    assignee: Option<&IdOrName>,
) -> Result<AssigneeFilter, ToolError> {
    let of_kind = |kind: PersonKind| {
        let people = directory.names.people.iter().filter(|person| person.kind == kind);
        AssigneeFilter::OneOf(people.map(|person| person.id).collect())
    };
    let Some(name) = assignee.or(user) else { return Ok(AssigneeFilter::Any) };
    if let IdOrName::Name(text) = name {
        match text.trim().to_lowercase().as_str() {
            "any" => return Ok(AssigneeFilter::Any),
            "none" => return Ok(AssigneeFilter::Nobody),
            "agent" => return Ok(of_kind(PersonKind::Agent)),
            "person" => return Ok(of_kind(PersonKind::Person)),
            _ => {}
        }
    }
    Ok(AssigneeFilter::OneOf(vec![directory.person(name)?]))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetTicket {
    /// The task.
    id: Id,
}

/// A task with what hangs on it.
#[derive(Serialize, JsonSchema)]
struct TicketView {
    #[serde(flatten)]
    task: TaskView,
    subtasks: Vec<TaskView>,
    /// Oldest first; of many the newest.
    comments: Vec<CommentView>,
    /// Present when there are more subtasks or comments than are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<String>,
}

async fn get_ticket(parts: &Parts, context: &Context, args: GetTicket) -> Result<Value, ToolError> {
    let id = TaskId(args.id.0);
    let directory = Directory::read(parts, context).await?;
    let task = parts.board.task(id).await.map_err(|e| told(&e))?;
    let subtasks = TaskQuery { parent: Some(id), ..TaskQuery::default() };
    let subtasks = parts.board.tasks(&subtasks).await.map_err(|e| told(&e))?;
    // Of a long talk its end.
    let on = Some(CommentTarget::Task(id));
    let comments = CommentQuery { on, latest_first: true, ..CommentQuery::default() };
    let comments = parts.board.comments(&comments).await.map_err(|e| told(&e))?;
    let more = (subtasks.next.is_some() || comments.next.is_some())
        .then(|| "use findTasks with parent, and getComments, for the rest".to_owned());
    Ok(show::value(&TicketView {
        task: directory.names.task(task),
        subtasks: subtasks.items.into_iter().map(|task| directory.names.task(task)).collect(),
        comments: comments.items.into_iter().rev().map(|c| directory.names.comment(c)).collect(),
        more,
    }))
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct GetActivity {
    /// About this task.
    task_id: Option<Id>,
    /// About this project, by id or name; or a list.
    project_id: Option<OneOrMany<IdOrName>>,
    /// About this field: status, assignee, due, created, deleted …
    field: Option<String>,
    /// At or after.
    from: Option<String>,
    /// Before; a day counts whole.
    to: Option<String>,
    /// At most so many, 1 to 1000 (default 100).
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<Id>,
}

async fn get_activity(
    parts: &Parts,
    context: &Context,
    args: GetActivity,
) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let mut query = ActivityQuery {
        task: args.task_id.map(|id| TaskId(id.0)),
        field: args.field,
        from: args.from.as_deref().map(|text| dates.begin("from", text)).transpose()?,
        to: args.to.as_deref().map(|text| dates.end("to", text)).transpose()?,
        after: args.cursor.map(|id| ActivityId(id.0)),
        limit: args.limit.map_or(0, |limit| usize::try_from(limit).unwrap_or(1_000)),
        latest_first: true,
        projects: Vec::new(),
    };
    for name in args.project_id.map(OneOrMany::into_vec).unwrap_or_default() {
        query.projects.push(directory.project(&name)?.id);
    }
    let page = parts.board.activity(&query).await.map_err(|e| told(&e))?;
    let next = page.next.and(page.items.last()).map(|row| row.id.to_string());
    let items = page.items.into_iter().map(|row| directory.names.activity(row)).collect();
    Ok(show::value(&Items::<ActivityView> { items, next }))
}

fn refuse(message: &str) -> ToolError {
    ToolError::rejected(Reason::InvalidArguments, message)
}
