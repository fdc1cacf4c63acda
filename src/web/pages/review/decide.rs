//! `POST /review`: a decision, carried out as whoever sent it.

use super::proposals::written;
use crate::domain::Value;
use crate::mcp::CallError;
use crate::web::pages::shown::{filled, int, is, list, text};
use crate::web::pages::visit::Visit;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use std::collections::BTreeMap;

/// The decision of a form.
pub(in crate::web::pages) async fn decide(Extension(visit): Extension<Visit>) -> Response<Body> {
    let outcome = carry_out(&visit).await;
    visit.done("/review", outcome)
}

async fn carry_out(visit: &Visit) -> Result<String, CallError> {
    let form = &visit.form;
    let (item, decision) = (form.text("item"), form.text("decision"));
    // The form is about what was shown: where something else waits by now, the tool decides nothing.
    let mut args = vec![
        ("item", Value::from(item)),
        ("decision", decision.into()),
        ("run", form.filled("run").into()),
        ("since", form.filled("since").into()),
    ];
    match decision {
        "approve" => {
            args.push(("comment", form.text("comment").into()));
            args.extend(chosen(visit, item).await?);
        }
        "request_changes" | "answer" => args.push(("comment", form.text("comment").into())),
        "snooze" => args.extend(form.filled("until").map(|until| ("until", until.into()))),
        "reassign" => args.push(("to", form.text("to").into())),
        _ => {}
    }
    let said = visit.call("decideReview", args).await?;
    Ok(told(item, decision, &said))
}

/// What is proposed for a task, where anything is and whoever asks may see it.
async fn proposed(visit: &Visit, item: &str) -> Result<Option<Value>, CallError> {
    let Ok(task) = item.parse::<i64>() else { return Ok(None) };
    match visit.call_if_allowed("showReview", [("task", task.into())]).await {
        Err(error) if error.code == "not_found" => Ok(None),
        found => found,
    }
}

/// Of proposals, those that were chosen, and what was edited of them. Nothing stands for all of them: they
/// are named, or nothing is applied.
async fn chosen(visit: &Visit, item: &str) -> Result<Vec<(&'static str, Value)>, CallError> {
    let form = &visit.form;
    let only: Vec<i64> = form.all("only").filter_map(|number| number.parse().ok()).collect();
    let proposals = proposed(visit, item).await?;
    let is_open = proposals.as_ref().is_some_and(|proposals| is(proposals, "open"));
    if !form.has("proposals") && !is_open {
        return Ok(Vec::new());
    }
    let Some(proposals) = proposals.filter(|found| text(found, "run") == form.text("run")) else {
        let message =
            "other writes are proposed by now than were shown; nothing was decided: look again";
        return Err(CallError::of("review_changed", message));
    };
    if only.is_empty() {
        let message = "nothing is chosen: choose what is to be applied, or reject all of it";
        return Err(CallError::of("invalid_arguments", message));
    }
    let mut edits = BTreeMap::new();
    for proposal in list(&proposals, "items") {
        let number = int(proposal, "number").unwrap_or_default();
        let field = format!("edit-{number}");
        let Some(edited) = form.filled(&field).filter(|_| only.contains(&number)) else { continue };
        let args: Value = serde_json::from_str(edited).map_err(|error| {
            CallError::of("invalid_arguments", format!("number {number} is not JSON: {error}"))
        })?;
        if serde_json::from_str(&written(proposal)).ok().as_ref() != Some(&args) {
            edits.insert(number.to_string(), args);
        }
    }
    let only = only.into_iter().map(Value::from).collect();
    Ok(vec![("only", Value::List(only)), ("edits", Value::Map(edits))])
}

/// What came of it, in a line.
fn told(item: &str, decision: &str, said: &Value) -> String {
    let what = filled(said, "answer").or_else(|| filled(said, "what")).unwrap_or_default();
    if is(said, "repeated") {
        return format!("{item} was decided before, and that stands: {what}");
    }
    match decision {
        "answer" => format!("The question about {item} is answered."),
        "snooze" => format!("{item} is put off."),
        "acknowledge" => format!("It is noted that you have seen {item}."),
        "reassign" => format!("{item} is passed on."),
        _ => format!("{item}: {what}"),
    }
}
