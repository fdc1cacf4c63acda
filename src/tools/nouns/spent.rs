//! What runs cost.

use super::records::Anything;
use super::tasks::refuse;
use crate::domain::{Role, Value};
use crate::tools::definition::{Definition, Words};
use crate::tools::desk::{CostAsk, CostBy};
use crate::tools::limited::Within;
use crate::tools::registry::Parts;
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) fn tools() -> Vec<Definition> {
    vec![Definition::read::<ReportCost, Anything>(
        Words {
            name: "reportCost",
            title: "Report what runs cost",
            description: "Tokens, money, runs and accepted outcomes since an instant, in lines by playbook, agent, \
                model, task, project, milestone, goal or day (the team's civil day) that add up to the total. \
                Runs whose money nobody knows are counted as unpriced. Whoever belongs to some projects only is told \
                of runs at tasks of these (narrowed). Example: {\"by\": \"model\", \"since\": \"-7d\"}.",
            example: r#"{"by": "model", "since": "-7d"}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(report(parts, context, args)),
    )]
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ReportCost {
    /// Runs that began then or later (default: the last 30 days).
    since: Option<String>,
    /// playbook (default), agent, model, task, project, milestone, goal or day.
    by: Option<String>,
}

async fn report(parts: &Parts, context: &Context, args: ReportCost) -> Result<Value, ToolError> {
    let by = match args.by.as_deref().map(str::trim) {
        None => CostBy::Playbook,
        Some(text) => {
            CostBy::named(text).ok_or_else(|| refuse(&format!("by: {}", CostBy::expected())))?
        }
    };
    let since = super::records::instant(parts, context, "since", args.since.as_deref())?;
    // What was done elsewhere, and what reports used, is not theirs to know.
    let projects = parts.within().map(Within::projects);
    parts.desk()?.cost(CostAsk { since, by, projects }).await.map_err(super::operate::desk_error)
}
