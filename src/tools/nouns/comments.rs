//! Comments on tasks, projects and goals, and a project's status updates.

use super::tasks::refuse;
use crate::domain::{
    Comment, CommentId, CommentQuery, CommentTarget, GoalId, Initiative, NewComment, Page,
    PersonKind, ProjectId, Rating, Reason, Role, TaskId, Value,
};
use crate::schedule::command::{self, Command};
use crate::tools::arguments::{Id, IdOrName, number_in, shown};
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::scope::Reach;
use crate::tools::show::{self, Change, CommentView, Items};
use crate::tools::write::{Planned, Write};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

/// The longest comment.
const TEXT_BYTES_MAX: usize = 64 * 1024;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<GetComments, Items<CommentView>>(
            Words {
                name: "getComments",
                title: "Get comments",
                description: "The comments on a task, project or goal, newest first (commentOrder 1: oldest first). \
                    Example: {\"module\": \"ticket\", \"entityId\": 7}.",
                example: r#"{"module": "ticket", "entityId": 7}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(get_comments(parts, context, args)),
        ),
        Definition::write::<AddComment, Change>(
            Words {
                name: "addComment",
                title: "Add a comment",
                description: "Writes a comment in Markdown on a task (module ticket), project or goal. Example: {\"module\": \"ticket\", \
                    \"entityId\": 7, \"text\": \"The fix is in review.\"}.",
                example: r#"{"module": "ticket", "entityId": 7, "text": "The fix is in review."}"#,
            },
            Role::Commenter,
            (false, false),
            |parts, context, args| Box::pin(add_comment(parts, context, args)),
        ),
        Definition::write::<DeleteComment, Change>(
            Words {
                name: "deleteComment",
                title: "Delete a comment",
                description: "Removes a comment for good. entityId names the task it is on, module project a \
                    project's. Example: {\"id\": 12, \"entityId\": 7}.",
                example: r#"{"id": 12, "entityId": 7}"#,
            },
            Role::Commenter,
            (true, true),
            |parts, context, args| Box::pin(delete_comment(parts, context, args)),
        ),
        Definition::write::<StatusUpdate, Change>(
            Words {
                name: "addProjectStatusUpdate",
                title: "Add a project status update",
                description: "Says how a project is doing: green as planned, yellow at risk, red in trouble, \
                    with a text. Example: {\"projectId\": \"Website\", \"status\": \"yellow\", \"text\": \
                    \"The launch waits for legal.\"}.",
                example: r#"{"projectId": "Website", "status": "yellow", "text": "The launch waits."}"#,
            },
            Role::Editor,
            (false, false),
            |parts, context, args| Box::pin(add_status_update(parts, context, args)),
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct GetComments {
    /// ticket, project or goal.
    module: Option<String>,
    /// Id of the task or goal; id or name of the project.
    entity_id: Option<IdOrName>,
    /// 0 newest first (default), 1 oldest first.
    comment_order: Option<u8>,
    /// Only a project's status updates: of entityId, or of all projects.
    #[serde(default)]
    status_updates: bool,
    /// Written at or after.
    from: Option<String>,
    /// Written before; a day counts whole.
    to: Option<String>,
    /// At most so many, 1 to 1000 (default 100).
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<Id>,
}

async fn get_comments(
    parts: &Parts,
    context: &Context,
    args: GetComments,
) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let dates = crate::tools::dates::Dates { zone: context.zone, now: parts.clock.wall() };
    let mut query = CommentQuery {
        latest_first: args.comment_order != Some(1),
        rated: args.status_updates,
        from: args.from.as_deref().map(|text| dates.begin("from", text)).transpose()?,
        to: args.to.as_deref().map(|text| dates.end("to", text)).transpose()?,
        after: args.cursor.map(|id| CommentId(id.0)),
        limit: args.limit.map_or(100, |limit| usize::try_from(limit).unwrap_or(1_000)),
        ..CommentQuery::default()
    };
    match (&args.entity_id, args.module.as_deref()) {
        (Some(entity), module) => {
            query.on = Some(target(&directory, module.unwrap_or("ticket"), entity)?);
        }
        (None, _) if args.status_updates => {}
        (None, _) => return Err(refuse("entityId: say on which task, project or goal")),
    }
    let limit = query.page_size();
    let (mut comments, mut next) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        query.limit = limit - comments.len();
        let page = parts.board.comments(&query).await.map_err(|e| told(&e))?;
        next = after(&page);
        comments.extend(page.items);
        // A page may show less than was looked at: whoever asks for the newest is shown as many as they
        // asked for.
        if next.is_none() || comments.len() >= limit || !query.latest_first {
            break;
        }
        query.after = next;
    }
    if let Some(on) = query.on.filter(|_| comments.is_empty()) {
        // Of what is not there, an empty list would say that nobody wrote anything.
        reach(parts, on).await?;
    }
    let next = next.map(|id| id.to_string());
    let items = comments.into_iter().map(|comment| directory.names.comment(comment)).collect();
    Ok(show::value(&Items::<CommentView> { items, next }))
}

/// Where the next page of comments begins. A page may show less than was looked at, so the board's
/// own word counts before what is shown.
pub(super) fn after(page: &Page<Comment>) -> Option<CommentId> {
    let next = page.next.as_ref()?;
    let said = next.0.parse().ok().map(CommentId);
    said.or_else(|| page.items.last().map(|comment| comment.id))
}

/// Of the newest, at most so many pages are looked at for one.
const PAGES_MAX: usize = 100;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AddComment {
    /// ticket, project or goal.
    module: String,
    /// Id of the task or goal; id or name of the project.
    entity_id: IdOrName,
    /// Markdown, not blank.
    text: String,
    /// For a project: green, yellow or red makes it a status update.
    status: Option<String>,
    /// The comment this answers.
    parent: Option<Id>,
}

/// What a person writes on the board tells agents what to do, with all that person's rights. A program
/// with a token of theirs has no more than the token: it calls the tool for it.
async fn no_command(parts: &Parts, context: &Context, text: &str) -> Result<(), ToolError> {
    let principal = &context.principal;
    let is_a_persons =
        principal.by == Initiative::Person && principal.person.kind == PersonKind::Person;
    if context.is_by_hand || context.run.is_some() || !is_a_persons {
        return Ok(());
    }
    let people = parts.board.people().await.map_err(|error| told(&error))?;
    let agents = people.iter().filter(|person| person.kind == PersonKind::Agent);
    let agents: Vec<&str> = agents.map(|agent| agent.name.as_str()).collect();
    match command::told(text, &agents).map(|told| told.command) {
        Some(Ok(Command::Stop | Command::Status) | Err(_)) | None => Ok(()),
        Some(Ok(_)) => Err(refuse(
            "text: a command to an agent is for people to write; call decideReview, releaseClaim or \
             runPlaybook instead",
        )),
    }
}

async fn add_comment(
    parts: &Parts,
    context: &Context,
    args: AddComment,
) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let on = target(&directory, &args.module, &args.entity_id)?;
    let rating = match args.status.as_deref().filter(|text| !text.is_empty()) {
        Some(text) if matches!(on, CommentTarget::Project(_)) => Some(rating(text)?),
        Some(_) => return Err(refuse("status: only a project's comment has one")),
        None => None,
    };
    let parent = args.parent.map(|id| CommentId(id.0));
    let new = NewComment { on, text: text(args.text)?, parent, rating };
    if matches!(on, CommentTarget::Task(_)) {
        no_command(parts, context, &new.text).await?;
    }
    Ok(Planned::new(reach(parts, on).await?, Write::AddComment(new)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StatusUpdate {
    /// Id or name of the project.
    project_id: IdOrName,
    /// Markdown, not blank.
    text: String,
    /// green, yellow or red.
    status: String,
}

async fn add_status_update(
    parts: &Parts,
    context: &Context,
    args: StatusUpdate,
) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(&args.project_id)?.id;
    let new = NewComment {
        on: CommentTarget::Project(project),
        text: text(args.text)?,
        parent: None,
        rating: Some(rating(&args.status)?),
    };
    Ok(Planned::new(Reach::Project(project), Write::AddComment(new)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DeleteComment {
    /// The comment.
    id: Id,
    /// ticket (default), project or goal.
    module: Option<String>,
    /// The task or project it is on; found by itself when left out.
    entity_id: Option<IdOrName>,
}

/// What a run has besides: a comment of its own in another wording.
pub(super) fn run_tools() -> Vec<Definition> {
    vec![Definition::write::<EditComment, Change>(
        Words {
            name: "editComment",
            title: "Edit a comment",
            description: "Puts another text in the place of a comment of yours, so that one comment tells how \
                things stand now. Example: {\"id\": 12, \"text\": \"Two of three are done.\"}.",
            example: r#"{"id": 12, "text": "Two of three are done."}"#,
        },
        Role::Commenter,
        (false, true),
        |parts, context, args| Box::pin(edit_comment(parts, context, args)),
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EditComment {
    /// The comment.
    id: Id,
    /// Markdown, not blank.
    text: String,
}

async fn edit_comment(
    parts: &Parts,
    context: &Context,
    args: EditComment,
) -> Result<Planned, ToolError> {
    let id = CommentId(args.id.0);
    let query = CommentQuery {
        after: Some(CommentId(id.0.saturating_sub(1))),
        limit: 1,
        ..CommentQuery::default()
    };
    let page = parts.board.comments(&query).await.map_err(|e| told(&e))?;
    let seen = page.items.into_iter().find(|comment| comment.id == id).ok_or_else(|| {
        ToolError::rejected(Reason::NotFound, format!("there is no comment {id}"))
    })?;
    if seen.author != context.principal.person.id {
        let message = format!("comment {id} is somebody else's; everybody edits their own only");
        return Err(ToolError::rejected(Reason::OutOfScope, message));
    }
    let (reach, text) = (reach(parts, seen.on).await?, text(args.text)?);
    Ok(Planned::new(reach, Write::EditComment { seen, text }))
}

async fn delete_comment(
    parts: &Parts,
    context: &Context,
    args: DeleteComment,
) -> Result<Planned, ToolError> {
    let id = CommentId(args.id.0);
    let mut query = CommentQuery {
        after: Some(CommentId(id.0.saturating_sub(1))),
        limit: 1,
        ..CommentQuery::default()
    };
    if let Some(entity) = &args.entity_id {
        let directory = Directory::read(parts, context).await?;
        query.on = Some(target(&directory, args.module.as_deref().unwrap_or("ticket"), entity)?);
    }
    let page = parts.board.comments(&query).await.map_err(|e| told(&e))?;
    let seen = page.items.into_iter().find(|comment| comment.id == id).ok_or_else(|| {
        ToolError::rejected(Reason::NotFound, format!("there is no comment {id} there"))
    })?;
    let me = &context.principal.person;
    let may_others = match &context.run {
        Some(run) => run.actor != crate::domain::EffectActor::Agent,
        None => me.role >= Role::Manager,
    };
    if seen.author != me.id && !may_others {
        let message = format!(
            "comment {id} is somebody else's; everybody deletes their own, people with the role manager \
             any"
        );
        return Err(ToolError::rejected(Reason::OutOfScope, message));
    }
    Ok(Planned::new(reach(parts, seen.on).await?, Write::DeleteComment(seen)))
}

fn target(
    directory: &Directory,
    module: &str,
    entity: &IdOrName,
) -> Result<CommentTarget, ToolError> {
    let number = |what: &str| match entity {
        IdOrName::Id(id) => Ok(*id),
        IdOrName::Name(text) => number_in(text)
            .ok_or_else(|| refuse(&format!("entityId: expected the id of a {what}, such as 7"))),
    };
    match module.trim().to_lowercase().as_str() {
        "ticket" | "task" => Ok(CommentTarget::Task(TaskId(number("task")?))),
        // The first is Leantime's word.
        "goalcanvasitem" | "goal" => Ok(CommentTarget::Goal(GoalId(number("goal")?))),
        "project" => Ok(CommentTarget::Project(directory.project(entity)?.id)),
        other => {
            let other = shown(other);
            Err(refuse(&format!("module: expected ticket, project or goal, not \"{other}\"")))
        }
    }
}

async fn reach(parts: &Parts, on: CommentTarget) -> Result<Reach, ToolError> {
    let id = match on {
        CommentTarget::Project(id) => return Ok(Reach::Project(ProjectId(id.0))),
        CommentTarget::Goal(id) => {
            let goal = parts.board.goal(id).await.map_err(|e| told(&e))?;
            return Ok(Reach::Project(goal.project));
        }
        CommentTarget::Task(id) => id,
    };
    let task = parts.board.task(id).await.map_err(|e| told(&e))?;
    Ok(Reach::Task { id, parent: task.parent, project: task.project })
}

fn rating(text: &str) -> Result<Rating, ToolError> {
    match text.trim().to_lowercase().as_str() {
        "green" => Ok(Rating::Green),
        "yellow" => Ok(Rating::Yellow),
        "red" => Ok(Rating::Red),
        _ => Err(refuse("status: expected green, yellow or red")),
    }
}

fn text(text: String) -> Result<String, ToolError> {
    if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(refuse("text: expected Markdown that is not blank, at most 64 KiB"));
    }
    Ok(text)
}
