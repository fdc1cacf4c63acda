//! The switches of a playbook, and one occurrence by hand.

use crate::domain::Value;
use crate::mcp::CallError;
use crate::web::pages::form::Form;
use crate::web::pages::shown::{filled, text};
use crate::web::pages::visit::Visit;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::http::Response;
use std::time::Duration;

/// So long somebody waits for what they started.
const PATIENCE: Duration = Duration::from_secs(5);

/// `POST /playbooks/{name}`.
pub(in crate::web::pages) async fn act(
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
) -> Response<Body> {
    let done = carry_out(&visit, &name).await;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let place = if name.bytes().all(is_name) {
        format!("/playbooks/{name}")
    } else {
        "/playbooks".to_owned()
    };
    visit.done(&place, done)
}

async fn carry_out(visit: &Visit, name: &str) -> Result<String, CallError> {
    let (tool, said) = match visit.form.text("act") {
        "arm" => return arm(visit, name).await,
        "pause" => ("pausePlaybook", "is paused: it starts nothing until it is resumed."),
        "resume" => ("resumePlaybook", "may start again."),
        "run" => return run(visit, name).await,
        _ => return Err(CallError::of("invalid_arguments", "there is no such switch")),
    };
    visit.call(tool, [("playbook", name.into())]).await?;
    Ok(format!("{name} {said}"))
}

/// Only what was shown is accepted: where the playbook was changed since, nothing is armed.
async fn arm(visit: &Visit, name: &str) -> Result<String, CallError> {
    // Also where the form says nothing: then it is about no definition that there is.
    let definition = visit.form.text("definition");
    let args = [("playbook", name.into()), ("definition", definition.into())];
    visit.call("armPlaybook", args).await?;
    Ok(format!("{name} is armed: it starts by itself from now on."))
}

/// The task that a form names; nothing where it names none.
pub(super) fn task_in(form: &Form) -> Result<Value, CallError> {
    match form.text("task").trim_start_matches('#') {
        "" => Ok(Value::Null),
        task => task
            .parse::<i64>()
            .map(Value::Int)
            .map_err(|_| CallError::of("invalid_arguments", "a task is named by its number")),
    }
}

async fn run(visit: &Visit, name: &str) -> Result<String, CallError> {
    let task = task_in(&visit.form)?;
    let running = visit.call("runPlaybook", [("playbook", name.into()), ("task", task)]);
    // It goes on without us.
    let Ok(report) = tokio::time::timeout(PATIENCE, running).await else {
        return Ok(format!("{name} has begun, and goes on."));
    };
    let report = report?;
    let (state, reason) = (text(&report, "state"), text(&report, "reason"));
    let run = filled(&report, "run").map(|run| format!(", run {run}")).unwrap_or_default();
    let detail = filled(&report, "detail").map(|detail| format!(": {detail}")).unwrap_or_default();
    Ok(format!("{name}: {} ({reason}){run}{detail}", state.replace('_', " ")))
}
