//! The comments of whole projects, and those that are new.

use super::comments::after;
use super::timesheets::page_size;
use crate::board::{Board, BoardError};
use crate::domain::{
    Comment, CommentId, CommentQuery, CommentTarget, ProjectId, Role, TaskId, Value,
};
use crate::tools::arguments::{Id, IdOrName};
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show::{self, CommentView, Items};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One call reads at most so many pages of comments, most of which may be about other projects.
const PAGES_MAX: usize = 10;
/// So many comments each.
const PAGE: usize = 500;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<OfProject, Items<CommentView>>(
            Words {
                name: "getAllProjectComments",
                title: "All comments of a project",
                description: "Comments on a project, its tasks and its goals, oldest first. Example: \
                    {\"projectId\": \"Website\"}.",
                example: r#"{"projectId": "Website"}"#,
            },
            Role::Readonly,
            |parts, context, args| {
                Box::pin(async move {
                    let (directory, project) = named(parts, context, &args.project_id).await?;
                    let (items, next) =
                        talk(parts, Some(project), None, args.limit, args.cursor).await?;
                    let items = items.into_iter().map(|c| directory.names.comment(c)).collect();
                    Ok(show::value(&Items::<CommentView> { items, next }))
                })
            },
        ),
        Definition::read::<Poll, News>(
            Words {
                name: "pollComments",
                title: "New comments",
                description: "Comments since the cursor of the call before. Example: {\"projectId\": \
                    \"Website\", \"cursor\": 12}.",
                example: r#"{"projectId": "Website", "cursor": 12}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(poll(parts, context, args)),
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OfProject {
    /// Id or name.
    project_id: IdOrName,
    /// Default 100.
    limit: Option<i64>,
    /// `next` of a page.
    cursor: Option<Id>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Poll {
    /// Id or name; default all.
    project_id: Option<IdOrName>,
    /// Only on this task.
    module_id: Option<Id>,
    /// Default 100.
    limit: Option<i64>,
    /// Default: from the first.
    cursor: Option<Id>,
}

/// What was said since.
#[derive(Serialize, JsonSchema)]
struct News {
    /// Oldest first.
    items: Vec<CommentView>,
    /// Give this the next time.
    cursor: String,
    /// Whether there is more by now: ask again at once.
    more: bool,
}

async fn named(
    parts: &Parts,
    context: &Context,
    name: &IdOrName,
) -> Result<(Directory, ProjectId), ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(name)?.id;
    Ok((directory, project))
}

async fn poll(parts: &Parts, context: &Context, args: Poll) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = match &args.project_id {
        Some(name) => Some(directory.project(name)?.id),
        None => None,
    };
    let task = match args.module_id.map(|id| TaskId(id.0)) {
        // An unknown task is told: silence would pass for no news.
        Some(id) => Some(parts.board.task(id).await.map_err(|e| told(&e))?.id),
        None => None,
    };
    let since = args.cursor.map_or(0, |id| id.0);
    let limit = page_size(args.limit)?;
    let read = walk(parts, project, task, limit, since).await?;
    Ok(show::value(&News {
        items: read.comments.into_iter().map(|c| directory.names.comment(c)).collect(),
        cursor: read.seen.to_string(),
        more: read.more,
    }))
}

async fn talk(
    parts: &Parts,
    project: Option<ProjectId>,
    task: Option<TaskId>,
    limit: Option<i64>,
    cursor: Option<Id>,
) -> Result<(Vec<Comment>, Option<String>), ToolError> {
    let since = cursor.map_or(0, |id| id.0);
    let read = walk(parts, project, task, page_size(limit)?, since).await?;
    Ok((read.comments, read.more.then(|| read.seen.to_string())))
}

/// A part of what was said.
struct Read {
    comments: Vec<Comment>,
    /// The last comment that was looked at.
    seen: i64,
    /// Whether there are later ones.
    more: bool,
}

/// Goes through the comments after one, and keeps those of the project and task.
async fn walk(
    parts: &Parts,
    project: Option<ProjectId>,
    task: Option<TaskId>,
    limit: usize,
    since: i64,
) -> Result<Read, ToolError> {
    let mut query = CommentQuery {
        on: task.map(CommentTarget::Task),
        after: Some(CommentId(since)),
        limit: if project.is_none() { limit } else { PAGE },
        ..CommentQuery::default()
    };
    let mut homes = Homes::default();
    let mut read = Read { comments: Vec::new(), seen: since, more: false };
    for _ in 0..PAGES_MAX {
        let page = parts.board.comments(&query).await.map_err(|e| told(&e))?;
        let next = after(&page);
        for comment in page.items {
            if read.comments.len() == limit {
                read.more = true;
                return Ok(read);
            }
            read.seen = comment.id.0;
            let home = match project {
                Some(_) => homes.of(parts.board.as_ref(), comment.on).await?,
                None => None,
            };
            if home == project {
                read.comments.push(comment);
            }
        }
        read.more = next.is_some();
        let Some(next) = next else { break };
        // Also past what is not shown to whoever asks.
        read.seen = read.seen.max(next.0);
        query.after = Some(next);
    }
    Ok(read)
}

/// In which projects tasks and goals are, each asked for once.
#[derive(Default)]
struct Homes(BTreeMap<CommentTarget, Option<ProjectId>>);

impl Homes {
    /// The project of what a comment is on; `None` when that has just been deleted.
    async fn of(
        &mut self,
        board: &dyn Board,
        on: CommentTarget,
    ) -> Result<Option<ProjectId>, ToolError> {
        if let Some(home) = self.0.get(&on) {
            return Ok(*home);
        }
        let home = match on {
            CommentTarget::Project(id) => Ok(id),
            CommentTarget::Task(id) => board.task(id).await.map(|task| task.project),
            CommentTarget::Goal(id) => board.goal(id).await.map(|goal| goal.project),
        };
        let home = match home {
            Ok(home) => Some(home),
            Err(BoardError::NotFound { .. }) => None,
            Err(error) => return Err(told(&error)),
        };
        self.0.insert(on, home);
        Ok(home)
    }
}
