//! Goals and goal boards: looking. What changes them is in `goals/write.rs`.

mod write;

use crate::domain::{Cursor, GoalId, GoalQuery, MilestoneId, Role, Value};
use crate::tools::arguments::{Id, IdOrName};
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::{self, Directory};
use crate::tools::show::{self, GoalBoardView, GoalView, GoalsView, Items};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

use super::tasks::refuse;

/// The most goals of an answer that has no pages.
const GOALS_MAX: usize = 2_000;
/// The goals of a page, unless somebody asks for another number.
const PAGE: u32 = 100;

pub(super) fn tools() -> Vec<Definition> {
    let mut tools = vec![
        Definition::read::<AllGoals, GoalsView>(
            Words {
                name: "getAllGoals",
                title: "Get all goals",
                description: "A project's goal boards and goals. Example: {\"projectId\": \"Website\"}.",
                example: r#"{"projectId": "Website"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(all(parts, context, args)),
        ),
        Definition::read::<OneGoal, GoalView>(
            Words {
                name: "getGoal",
                title: "Get a goal",
                description: "A goal, and how far it is. Example: {\"goalId\": 3}.",
                example: r#"{"goalId": 3}"#,
            },
            Role::Readonly,
            |parts, context, args| {
                Box::pin(async move {
                    let directory = Directory::read(parts, context).await?;
                    let goal = parts.board.goal(GoalId(args.goal_id.0)).await;
                    Ok(show::value(&directory.names.goal(goal.map_err(|e| told(&e))?)))
                })
            },
        ),
    ];
    tools.extend(related());
    tools.extend(write::tools());
    tools
}

/// Goals by what they hang together with.
fn related() -> [Definition; 3] {
    [
        Definition::read::<OfMilestone, Items<GoalView>>(
            Words {
                name: "getGoalsByMilestone",
                title: "Get a milestone's goals",
                description: "The goals that a milestone serves. Example: {\"milestoneId\": 3}.",
                example: r#"{"milestoneId": 3}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(of_milestone(parts, context, args)),
        ),
        Definition::read::<Children, Items<GoalView>>(
            Words {
                name: "getChildGoals",
                title: "Get a goal's parts",
                description: "The goals that are parts of a goal. Example: {\"parentId\": 3}.",
                example: r#"{"parentId": 3}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(children(parts, context, args)),
        ),
        Definition::read::<ParentKpis, Items<GoalView>>(
            Words {
                name: "getParentKPIs",
                title: "Get parent KPIs",
                description: "The goals, of any project, that a project's goals are parts of. Example: \
                    {\"projectId\": 2}.",
                example: r#"{"projectId": 2}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(parents(parts, context, args)),
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AllGoals {
    /// Id or name.
    project_id: IdOrName,
    /// Only on this board: id or title.
    board_id: Option<IdOrName>,
    /// Goals a page, 1 to 1000.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

async fn all(parts: &Parts, context: &Context, args: AllGoals) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(&args.project_id)?.id;
    let limit = args.limit.unwrap_or(PAGE);
    if !(1..=1_000).contains(&limit) {
        return Err(refuse("limit: expected 1 to 1000, such as 100"));
    }
    let mut query = GoalQuery {
        projects: vec![project],
        limit: usize::try_from(limit).unwrap_or(1_000),
        after: args.cursor.filter(|cursor| !cursor.is_empty()).map(Cursor),
        ..GoalQuery::default()
    };
    let boards = match &args.board_id {
        Some(name) => {
            let board = resolve::goal_board(parts, Some(project), name).await?;
            query.boards.push(board.id);
            vec![board]
        }
        None => resolve::goal_boards(parts, Some(project)).await?,
    };
    let page = parts.board.goals(&query).await.map_err(|e| told(&e))?;
    Ok(show::value(&GoalsView {
        boards: boards.into_iter().map(GoalBoardView::from).collect(),
        items: page.items.into_iter().map(|goal| directory.names.goal(goal)).collect(),
        next: page.next.map(|cursor| cursor.0),
    }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OneGoal {
    /// The goal.
    goal_id: Id,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OfMilestone {
    /// The milestone.
    milestone_id: Id,
}

async fn of_milestone(
    parts: &Parts,
    context: &Context,
    args: OfMilestone,
) -> Result<Value, ToolError> {
    let id = MilestoneId(args.milestone_id.0);
    parts.board.milestone(id).await.map_err(|e| told(&e))?;
    every(parts, context, GoalQuery { milestone: Some(id), ..GoalQuery::default() }).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Children {
    /// The goal.
    parent_id: Id,
}

async fn children(parts: &Parts, context: &Context, args: Children) -> Result<Value, ToolError> {
    let id = GoalId(args.parent_id.0);
    parts.board.goal(id).await.map_err(|e| told(&e))?;
    every(parts, context, GoalQuery { parent: Some(id), ..GoalQuery::default() }).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ParentKpis {
    /// Id or name.
    project_id: IdOrName,
}

async fn parents(parts: &Parts, context: &Context, args: ParentKpis) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(&args.project_id)?.id;
    let query =
        GoalQuery { projects: vec![project], has_parent: Some(true), ..GoalQuery::default() };
    let parts_of = goals(parts, query).await?;
    let above: BTreeSet<GoalId> = parts_of.iter().filter_map(|goal| goal.parent).collect();
    let mut items = Vec::new();
    for id in above {
        let goal = parts.board.goal(id).await.map_err(|e| told(&e))?;
        items.push(directory.names.goal(goal));
    }
    Ok(show::value(&Items::all(items)))
}

async fn every(parts: &Parts, context: &Context, query: GoalQuery) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let found = goals(parts, query).await?;
    let items = found.into_iter().map(|goal| directory.names.goal(goal)).collect();
    Ok(show::value(&Items::<GoalView>::all(items)))
}

/// All goals that match, or a refusal: never some of them without a word.
async fn goals(parts: &Parts, mut query: GoalQuery) -> Result<Vec<crate::domain::Goal>, ToolError> {
    query.limit = 1_000;
    let mut all = Vec::new();
    loop {
        let page = parts.board.goals(&query).await.map_err(|e| told(&e))?;
        all.extend(page.items);
        if all.len() > GOALS_MAX {
            return Err(refuse(&format!(
                "more than {GOALS_MAX} goals match; read them in pages, such as getAllGoals \
                 {{\"projectId\": 1, \"limit\": 100}}"
            )));
        }
        query.after = page.next;
        if query.after.is_none() {
            return Ok(all);
        }
    }
}
