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
    if let Some(other) = other_run(visit, item).await? {
        let message = format!(
            "run {other} has its work here by now, and nobody who decided has seen that: look again"
        );
        return Err(CallError::of("review_changed", message));
    }
    let mut args = vec![("item", Value::from(item)), ("decision", decision.into())];
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

/// A form is about one run's work. Another one that waits by now.
async fn other_run(visit: &Visit, item: &str) -> Result<Option<String>, CallError> {
    let listed = visit.call("listReviews", []).await?;
    let found = list(&listed, "items").iter().find(|own| text(own, "item") == item);
    let run = found.and_then(|found| filled(found, "run"));
    Ok(run.filter(|run| *run != visit.form.text("run")).map(str::to_owned))
}

/// Of proposals, those that were chosen, and what was edited of them.
async fn chosen(visit: &Visit, item: &str) -> Result<Vec<(&'static str, Value)>, CallError> {
    let form = &visit.form;
    let only: Vec<i64> = form.all("only").filter_map(|number| number.parse().ok()).collect();
    let Ok(task) = item.parse::<i64>() else { return Ok(Vec::new()) };
    let Ok(proposals) = visit.call("showReview", [("task", task.into())]).await else {
        return Ok(Vec::new());
    };
    if text(&proposals, "run") != form.text("run") || !is(&proposals, "open") {
        return Ok(Vec::new());
    }
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
