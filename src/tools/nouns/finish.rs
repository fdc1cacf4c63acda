//! How a run names its end.

use super::tasks::refuse;
use crate::domain::{Role, Value};
use crate::tools::arguments::{nearest, shown};
use crate::tools::definition::{Definition, Words};
use crate::tools::{Context, Finished, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// At most so many pieces of evidence.
const EVIDENCE_MAX: usize = 50;
/// The longest summary.
const SUMMARY_BYTES_MAX: usize = 16 * 1024;

pub(super) fn tools() -> Vec<Definition> {
    vec![Definition::read::<Finish, Ended>(
        Words {
            name: crate::tools::guard::FINISH,
            title: "Finish the run",
            description: "Ends your work by naming one of the outcomes that the instructions list. Call it \
                exactly once, as your last call, when the work is done or cannot go on. summary: what you \
                did, for the people on the task; evidence: what shows it. Example: {\"outcome\": \"done\", \
                \"summary\": \"Fixed the login and added a test.\", \"evidence\": [\"tests pass\"]}.",
            example: r#"{"outcome": "done", "summary": "Fixed the login.", "evidence": ["tests pass"]}"#,
        },
        Role::Readonly,
        |_, context, args| Box::pin(std::future::ready(finish(context, args))),
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Finish {
    /// One of the playbook's outcomes.
    outcome: String,
    /// What was done, in Markdown.
    #[serde(default)]
    summary: String,
    /// What shows it.
    #[serde(default)]
    evidence: Vec<String>,
    /// Further values for the outcome's texts, by name.
    #[serde(default)]
    details: BTreeMap<String, serde_json::Value>,
}

#[derive(serde::Serialize, JsonSchema)]
struct Ended {
    /// The outcome that was noted.
    outcome: String,
}

fn finish(context: &Context, args: Finish) -> Result<Value, ToolError> {
    let Some(run) = &context.run else { return Err(refuse("there is no run to end")) };
    let outcomes = &run.playbook.outcomes;
    let outcome = args.outcome.trim().to_owned();
    // A playbook without outcomes only asks whether it was done.
    let known =
        if outcomes.is_empty() { outcome == "done" } else { outcomes.contains_key(&outcome) };
    if !known {
        let names: Vec<&str> = if outcomes.is_empty() {
            vec!["done"]
        } else {
            outcomes.keys().map(String::as_str).collect()
        };
        let hint = nearest(&outcome, names.iter().copied())
            .map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
        return Err(ToolError::rejected(
            crate::domain::Reason::UnknownOutcome,
            format!(
                "outcome: expected one of {}, not \"{}\"{hint}",
                names.join(", "),
                shown(&outcome)
            ),
        ));
    }
    if args.summary.len() > SUMMARY_BYTES_MAX || args.evidence.len() > EVIDENCE_MAX {
        return Err(refuse("summary: at most 16 KiB; evidence: at most 50 items"));
    }
    let details = crate::tools::show::value(&args.details);
    let ending = Finished {
        outcome: outcome.clone(),
        summary: args.summary,
        evidence: args.evidence,
        details,
    };
    if !run.tally.finish(ending) {
        return Err(refuse("the run has named its end already"));
    }
    Ok(crate::tools::show::value(&Ended { outcome }))
}
