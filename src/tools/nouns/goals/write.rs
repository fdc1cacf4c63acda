//! Adding, changing and removing goals and goal boards.

use super::super::tasks::refuse;
use crate::domain::{
    GoalBoardId, GoalEdit, GoalId, GoalStatus, Metric, NewGoal, NewGoalBoard, ProjectId, Role,
};
use crate::tools::arguments::{Id, IdOrName, number_or_text, present, shown};
use crate::tools::dates::Dates;
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::{self, Directory};
use crate::tools::scope::Reach;
use crate::tools::show::Change;
use crate::tools::write::{GoalWrite, Planned, Write};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) fn tools() -> Vec<Definition> {
    let mut tools = vec![
        Definition::write::<CreateGoal, Change>(
            Words {
                name: "createGoal",
                title: "Create a goal",
                description: "Adds a number to reach. Example: {\"canvasId\": 1, \"title\": \"Faster\", \
                    \"description\": \"Seconds\", \"startValue\": 9, \"currentValue\": 9, \"endValue\": 2}.",
                example: r#"{"canvasId": "2026", "title": "Faster", "description": "Seconds to load", "startValue": 9, "currentValue": 9, "endValue": 2}"#,
            },
            Role::Editor,
            (false, false),
            |parts, context, args| Box::pin(create(parts, context, args)),
        ),
        Definition::write::<EditGoal, Change>(
            Words {
                name: "editGoal",
                title: "Edit a goal",
                description: "Changes what is named; null clears. Example: {\"id\": 3, \
                    \"currentValue\": 5, \"status\": \"at_risk\"}.",
                example: r#"{"id": 3, "currentValue": 5, "status": "at_risk"}"#,
            },
            Role::Editor,
            (false, true),
            |parts, context, args| Box::pin(edit(parts, context, args)),
        ),
        Definition::write::<DeleteGoal, Change>(
            Words {
                name: "deleteGoal",
                title: "Delete a goal",
                description: "Removes a goal and its comments for good. Example: {\"id\": 3}.",
                example: r#"{"id": 3}"#,
            },
            Role::Editor,
            (true, true),
            |parts, _, args| Box::pin(delete(parts, args)),
        ),
    ];
    tools.extend(boards());
    tools
}

fn boards() -> [Definition; 2] {
    [
        Definition::write::<CreateGoalboard, Change>(
            Words {
                name: "createGoalboard",
                title: "Create a goal board",
                description: "Adds a goal board to a project. Example: {\"title\": \"2026\", \
                    \"projectId\": \"Website\"}.",
                example: r#"{"title": "2026", "projectId": "Website"}"#,
            },
            Role::Editor,
            (false, false),
            |parts, context, args| Box::pin(create_board(parts, context, args)),
        ),
        Definition::write::<DeleteGoalboard, Change>(
            Words {
                name: "deleteGoalboard",
                title: "Delete a goal board",
                description: "Removes a goal board without goals. Example: {\"id\": 3}.",
                example: r#"{"id": 3}"#,
            },
            Role::Editor,
            (true, true),
            |parts, _, args| Box::pin(delete_board(parts, args)),
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CreateGoalboard {
    /// One line.
    title: String,
    /// Id or name.
    project_id: IdOrName,
    /// Markdown.
    description: Option<String>,
}

async fn create_board(
    parts: &Parts,
    context: &Context,
    args: CreateGoalboard,
) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(&args.project_id)?.id;
    let description = args.description.unwrap_or_default();
    let new = NewGoalBoard { project, title: title(&args.title)?, description };
    Ok(planned(project, GoalWrite::AddBoard(new)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteGoalboard {
    /// The board.
    id: Id,
}

async fn delete_board(parts: &Parts, args: DeleteGoalboard) -> Result<Planned, ToolError> {
    let seen = parts.board.goal_board(GoalBoardId(args.id.0)).await.map_err(|e| told(&e))?;
    Ok(planned(seen.project, GoalWrite::DeleteBoard(seen)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CreateGoal {
    /// One line.
    title: String,
    /// What is measured.
    description: String,
    /// Begin.
    start_value: f64,
    /// Now.
    current_value: f64,
    /// Aim.
    end_value: f64,
    /// Goal board: id or title.
    canvas_id: IdOrName,
    /// First day.
    start_date: Option<String>,
    /// Last day.
    end_date: Option<String>,
    /// Id or headline.
    milestone_id: Option<IdOrName>,
    /// number, percent or currency.
    metric_type: Option<String>,
    /// `on_track`, `at_risk` or missed.
    status: Option<String>,
    /// Who answers for it.
    owner_id: Option<IdOrName>,
    /// Goal above.
    parent_id: Option<Id>,
}

async fn create(parts: &Parts, context: &Context, args: CreateGoal) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let board = resolve::goal_board(parts, None, &args.canvas_id).await?;
    let fields = Fields {
        title: None,
        description: Some(args.description),
        start_value: None,
        current_value: Some(args.current_value),
        end_value: None,
        start_date: args.start_date.map(Some),
        end_date: args.end_date.map(Some),
        milestone_id: args.milestone_id.map(Some),
        metric_type: args.metric_type,
        status: args.status,
        owner_id: args.owner_id.map(Some),
        parent_id: args.parent_id.map(Some),
    };
    let new = NewGoal {
        board: board.id,
        title: title(&args.title)?,
        start_value: args.start_value,
        end_value: args.end_value,
        edits: fields.edits(parts, context, &directory, board.project).await?,
    };
    Ok(planned(board.project, GoalWrite::Add { new, project: board.project }))
}

#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EditGoal {
    /// The goal.
    id: Id,
    /// One line.
    title: Option<String>,
    /// Markdown.
    description: Option<String>,
    /// Begin.
    start_value: Option<f64>,
    /// Now.
    // What `--set` hands on is a text.
    #[serde(default, deserialize_with = "number_or_text")]
    current_value: Option<f64>,
    /// Aim.
    end_value: Option<f64>,
    /// First day.
    #[serde(default, deserialize_with = "present")]
    start_date: Option<Option<String>>,
    /// Last day.
    #[serde(default, deserialize_with = "present")]
    end_date: Option<Option<String>>,
    /// Id or headline.
    #[serde(default, deserialize_with = "present")]
    milestone_id: Option<Option<IdOrName>>,
    /// As in createGoal.
    metric_type: Option<String>,
    /// As in createGoal.
    status: Option<String>,
    /// Person.
    #[serde(default, deserialize_with = "present")]
    owner_id: Option<Option<IdOrName>>,
    /// Goal above.
    #[serde(default, deserialize_with = "present")]
    parent_id: Option<Option<Id>>,
}

async fn edit(parts: &Parts, context: &Context, args: EditGoal) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let seen = parts.board.goal(GoalId(args.id.0)).await.map_err(|e| told(&e))?;
    let fields = Fields {
        title: args.title,
        description: args.description,
        start_value: args.start_value,
        current_value: args.current_value,
        end_value: args.end_value,
        start_date: args.start_date,
        end_date: args.end_date,
        milestone_id: args.milestone_id,
        metric_type: args.metric_type,
        status: args.status,
        owner_id: args.owner_id,
        parent_id: args.parent_id,
    };
    let edits = fields.edits(parts, context, &directory, seen.project).await?;
    if edits.is_empty() {
        return Err(refuse("editGoal: name at least one field, such as {\"currentValue\": 5}"));
    }
    let project = seen.project;
    Ok(planned(project, GoalWrite::Edit { seen: Box::new(seen), edits }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteGoal {
    /// The goal.
    id: Id,
}

async fn delete(parts: &Parts, args: DeleteGoal) -> Result<Planned, ToolError> {
    let seen = parts.board.goal(GoalId(args.id.0)).await.map_err(|e| told(&e))?;
    Ok(planned(seen.project, GoalWrite::Delete(Box::new(seen))))
}

fn planned(project: ProjectId, write: GoalWrite) -> Planned {
    Planned::new(Reach::Project(project), Write::Goal(write))
}

/// A goal's fields; absent ones stay, null clears.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
struct Fields {
    title: Option<String>,
    description: Option<String>,
    start_value: Option<f64>,
    current_value: Option<f64>,
    end_value: Option<f64>,
    start_date: Option<Option<String>>,
    end_date: Option<Option<String>>,
    milestone_id: Option<Option<IdOrName>>,
    metric_type: Option<String>,
    status: Option<String>,
    owner_id: Option<Option<IdOrName>>,
    parent_id: Option<Option<Id>>,
}

impl Fields {
    async fn edits(
        self,
        parts: &Parts,
        context: &Context,
        directory: &Directory,
        project: ProjectId,
    ) -> Result<Vec<GoalEdit>, ToolError> {
        let mut edits = Vec::new();
        if let Some(text) = &self.title {
            edits.push(GoalEdit::Title(title(text)?));
        }
        edits.extend(self.description.map(GoalEdit::Description));
        edits.extend(self.start_value.map(GoalEdit::StartValue));
        edits.extend(self.current_value.map(GoalEdit::CurrentValue));
        edits.extend(self.end_value.map(GoalEdit::EndValue));
        let dates = Dates { zone: context.zone, now: parts.clock.wall() };
        let day = |argument: &str, text: Option<&String>| {
            text.map(|text| dates.day(argument, text)).transpose()
        };
        if let Some(text) = &self.start_date {
            edits.push(GoalEdit::Start(day("startDate", text.as_ref())?));
        }
        if let Some(text) = &self.end_date {
            edits.push(GoalEdit::End(day("endDate", text.as_ref())?));
        }
        if let Some(text) = &self.metric_type {
            edits.push(GoalEdit::Metric(metric(text)?));
        }
        if let Some(text) = &self.status {
            edits.push(GoalEdit::Status(status(text)?));
        }
        if let Some(name) = &self.owner_id {
            let person = match name {
                Some(name) => directory.person_or_nobody(name)?,
                None => None,
            };
            edits.push(GoalEdit::Owner(person));
        }
        if let Some(name) = &self.milestone_id {
            let milestone = match name {
                Some(IdOrName::Name(text)) if resolve::is_none(text) => None,
                Some(name) => Some(resolve::milestone(parts, project, name).await?.id),
                None => None,
            };
            edits.push(GoalEdit::Milestone(milestone));
        }
        edits.extend(self.parent_id.map(|id| GoalEdit::Parent(id.map(|id| GoalId(id.0)))));
        Ok(edits)
    }
}

fn title(text: &str) -> Result<String, ToolError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(refuse("title: expected one line that is not blank, such as \"Faster\""));
    }
    Ok(text.to_owned())
}

fn metric(text: &str) -> Result<Metric, ToolError> {
    text.trim().to_lowercase().parse().map_err(|expected: String| {
        refuse(&format!("metricType: {expected}, not \"{}\"", shown(text)))
    })
}

/// In our words or in Leantime's.
fn status(text: &str) -> Result<GoalStatus, ToolError> {
    match text.trim().to_lowercase().as_str() {
        "status_ontrack" => Ok(GoalStatus::OnTrack),
        "status_atrisk" => Ok(GoalStatus::AtRisk),
        "status_miss" => Ok(GoalStatus::Missed),
        own => own.parse().map_err(|expected: String| {
            refuse(&format!("status: {expected}, not \"{}\"", shown(text)))
        }),
    }
}
