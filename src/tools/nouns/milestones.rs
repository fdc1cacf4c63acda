//! Milestones.

use super::tasks::refuse;
use crate::domain::{
    MilestoneEdit, MilestoneId, MilestoneQuery, NewMilestone, Role, Timestamp, Value,
};
use crate::tools::arguments::{Id, IdOrName, OneOrMany, present};
use crate::tools::dates::Dates;
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::{self, Directory};
use crate::tools::scope::Reach;
use crate::tools::show::{self, Change, Items, MilestoneView};
use crate::tools::write::{Planned, Write};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<FindMilestones, Items<MilestoneView>>(
            Words {
                name: "findMilestones",
                title: "Find milestones",
                description: "The milestones of one, several or all projects, soonest deadline first. \
                    Example: {\"projectId\": \"Website\", \"to\": \"+7d\"}.",
                example: r#"{"projectId": "Website", "to": "+7d"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(find(parts, context, args)),
        ),
        Definition::read::<GetMilestone, MilestoneView>(
            Words {
                name: "getMilestone",
                title: "Get a milestone",
                description: "One milestone with its dates. Example: {\"id\": 3}.",
                example: r#"{"id": 3}"#,
            },
            Role::Readonly,
            |parts, context, args| {
                Box::pin(async move {
                    let directory = Directory::read(parts, context).await?;
                    let id = MilestoneId(args.id.0);
                    let milestone = parts.board.milestone(id).await.map_err(|e| told(&e))?;
                    Ok(show::value(&directory.names.milestone(milestone)))
                })
            },
        ),
        Definition::write::<AddMilestone, Change>(
            Words {
                name: "addMilestone",
                title: "Add a milestone",
                description: "Promises a date: work from editFrom to the deadline editTo. Example: \
                    {\"projectId\": \"Website\", \"headline\": \"Launch\", \"color\": \"#1b75bb\", \
                    \"editFrom\": \"2026-11-01\", \"editTo\": \"2026-11-30\", \"editorId\": \"me\"}.",
                example: r##"{"projectId": "Website", "headline": "Launch", "color": "#1b75bb", "editFrom": "2026-11-01", "editTo": "2026-11-30", "editorId": "me"}"##,
            },
            Role::Manager,
            (false, false),
            |parts, context, args| Box::pin(add(parts, context, args)),
        ),
        Definition::write::<EditMilestone, Change>(
            Words {
                name: "editMilestone",
                title: "Edit a milestone",
                description: "Changes fields of a milestone. Example: \
                    {\"id\": 3, \"params\": {\"editTo\": \"2026-12-04\", \"done\": false}}.",
                example: r#"{"id": 3, "params": {"editTo": "2026-12-04"}}"#,
            },
            Role::Manager,
            (false, true),
            |parts, context, args| Box::pin(edit(parts, context, args)),
        ),
    ]
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct FindMilestones {
    /// Id or name of a project, or a list; absent: all.
    project_id: Option<OneOrMany<IdOrName>>,
    /// With a deadline at or after.
    from: Option<String>,
    /// With a deadline before; a day counts whole.
    to: Option<String>,
    /// true: reached; false: not yet.
    done: Option<bool>,
}

async fn find(parts: &Parts, context: &Context, args: FindMilestones) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let mut query = MilestoneQuery {
        projects: Vec::new(),
        to_from: args.from.as_deref().map(|text| dates.begin("from", text)).transpose()?,
        to_before: args.to.as_deref().map(|text| dates.end("to", text)).transpose()?,
        done: args.done,
    };
    for name in args.project_id.map(OneOrMany::into_vec).unwrap_or_default() {
        query.projects.push(directory.project(&name)?.id);
    }
    let milestones = parts.board.milestones(&query).await.map_err(|e| told(&e))?;
    let items = milestones.into_iter().map(|m| directory.names.milestone(m)).collect();
    Ok(show::value(&Items::<MilestoneView>::all(items)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetMilestone {
    /// The milestone.
    id: Id,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AddMilestone {
    /// Id or name of the project.
    project_id: IdOrName,
    /// One line.
    headline: String,
    /// `#rrggbb`; a default when left out.
    color: Option<String>,
    /// When work on it begins.
    edit_from: String,
    /// The deadline; a day means its last second.
    edit_to: String,
    /// Who answers for it: a name, an id, me.
    editor_id: Option<IdOrName>,
    /// Id or headline of the milestone that must be reached first.
    dependent_milestone: Option<IdOrName>,
}

async fn add(parts: &Parts, context: &Context, args: AddMilestone) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(&args.project_id)?.id;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let (from, to) =
        (dates.begin("editFrom", &args.edit_from)?, dates.last("editTo", &args.edit_to)?);
    in_order(from, to)?;
    let depends_on = match &args.dependent_milestone {
        Some(name) => Some(resolve::milestone(parts, project, name).await?.id),
        None => None,
    };
    let assignee = match &args.editor_id {
        Some(name) => directory.person_or_nobody(name)?,
        None => None,
    };
    let headline = headline(&args.headline)?;
    let color = color(args.color.as_deref().unwrap_or("#124f7d"))?;
    let new = NewMilestone { project, headline, color, assignee, from, to, depends_on };
    Ok(Planned::new(Reach::Project(project), Write::AddMilestone(new)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EditMilestone {
    /// The milestone.
    id: Id,
    /// The fields to change.
    params: MilestoneParams,
}

#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct MilestoneParams {
    /// One line.
    headline: Option<String>,
    /// `#rrggbb`.
    color: Option<String>,
    /// Who answers for it; null for nobody.
    #[serde(deserialize_with = "present")]
    editor_id: Option<Option<IdOrName>>,
    /// When work on it begins.
    edit_from: Option<String>,
    /// The deadline; a day means its last second.
    edit_to: Option<String>,
    /// Id or headline of the milestone that must be reached first; null for none.
    #[serde(deserialize_with = "present")]
    dependent_milestone: Option<Option<IdOrName>>,
    /// Whether it was reached.
    done: Option<bool>,
}

async fn edit(parts: &Parts, context: &Context, args: EditMilestone) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let seen = parts.board.milestone(MilestoneId(args.id.0)).await.map_err(|e| told(&e))?;
    let params = args.params;
    let mut edits = Vec::new();
    if let Some(text) = &params.headline {
        edits.push(MilestoneEdit::Headline(headline(text)?));
    }
    if let Some(text) = &params.color {
        edits.push(MilestoneEdit::Color(color(text)?));
    }
    if let Some(name) = &params.editor_id {
        let person = match name {
            Some(name) => directory.person_or_nobody(name)?,
            None => None,
        };
        edits.push(MilestoneEdit::Assignee(person));
    }
    let (mut from, mut to) = (seen.from, seen.to);
    if let Some(text) = &params.edit_from {
        from = dates.begin("editFrom", text)?;
        edits.push(MilestoneEdit::From(from));
    }
    if let Some(text) = &params.edit_to {
        to = dates.last("editTo", text)?;
        edits.push(MilestoneEdit::To(to));
    }
    in_order(from, to)?;
    if let Some(name) = &params.dependent_milestone {
        let other = match name {
            Some(name) => Some(resolve::milestone(parts, seen.project, name).await?.id),
            None => None,
        };
        edits.push(MilestoneEdit::DependsOn(other));
    }
    edits.extend(params.done.map(MilestoneEdit::Done));
    if edits.is_empty() {
        return Err(refuse("params: name at least one field, such as {\"done\": true}"));
    }
    let reach = Reach::Project(seen.project);
    Ok(Planned::new(reach, Write::EditMilestone { seen, edits }))
}

fn in_order(from: Timestamp, to: Timestamp) -> Result<(), ToolError> {
    if to < from {
        return Err(refuse("editTo: the deadline lies before editFrom"));
    }
    Ok(())
}

fn headline(text: &str) -> Result<String, ToolError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(refuse("headline: expected one line that is not blank"));
    }
    Ok(text.to_owned())
}

/// The colours that have a name here, a little darker than those of the web: white text stands on
/// them.
const COLORS: [(&str, &str); 12] = [
    ("red", "#c62828"),
    ("orange", "#c75b12"),
    ("yellow", "#8a6d00"),
    ("green", "#2e7d32"),
    ("teal", "#00796b"),
    ("blue", "#1b75bb"),
    ("navy", "#124f7d"),
    ("purple", "#6a1b9a"),
    ("pink", "#ad1457"),
    ("brown", "#5d4037"),
    ("gray", "#5f6368"),
    ("black", "#212121"),
];

fn color(text: &str) -> Result<String, ToolError> {
    let named = if text.eq_ignore_ascii_case("grey") { "gray" } else { text };
    if let Some((_, hex)) = COLORS.iter().find(|(name, _)| name.eq_ignore_ascii_case(named)) {
        return Ok((*hex).to_owned());
    }
    let hex = text.strip_prefix('#').unwrap_or_default();
    if hex.len() != 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(refuse(
            "color: expected #rrggbb, such as \"#1b75bb\", or red, orange, yellow, green, teal, blue, navy, \
             purple, pink, brown, gray or black",
        ));
    }
    Ok(text.to_owned())
}
