//! `/playbooks/…/dry-run`: what one occurrence would do now, and nothing of it is done.

use crate::domain::Value;
use crate::mcp::CallError;
use crate::web::pages::playbooks::acts::task_in;
use crate::web::pages::shown::{
    change, changes, chip, filled, int, list, none, object, section, text,
};
use crate::web::pages::slack::messages;
use crate::web::pages::visit::Visit;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::http::Response;
use maud::{Markup, html};
use std::time::Duration;

/// So long somebody waits for it.
const PATIENCE: Duration = Duration::from_mins(1);

/// `POST /playbooks/{name}/dry-run`: it is asked for by a form, since it takes a copy of the house.
pub(in crate::web::pages) async fn page(
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
) -> Response<Body> {
    match rehearsed(&visit, &name).await {
        Ok(report) => visit.page(&format!("Dry run of {name}"), &body(&visit, &name, &report)),
        Err(error) => visit.trouble(&error),
    }
}

async fn rehearsed(visit: &Visit, name: &str) -> Result<Value, CallError> {
    let args =
        [("playbook", name.into()), ("task", task_in(&visit.form)?), ("dryRun", true.into())];
    let running = visit.call("runPlaybook", args);
    tokio::time::timeout(PATIENCE, running).await.unwrap_or_else(|_| {
        let message =
            "the dry run takes longer than a minute: `rota run-once --dry-run` waits for it";
        Err(CallError::of("timed_out", message))
    })
}

fn body(visit: &Visit, name: &str, report: &Value) -> Markup {
    let task = visit.form.text("task");
    html! {
        p { "Nothing of this was done: the board, the ledger and every channel are as they were." }
        p.facts {
            (chip(text(report, "state")))
            code { (text(report, "reason")) }
            @if let Some(detail) = filled(report, "detail") { span { (detail) } }
        }
        (writes(report))
        (tasks(report))
        (notices(report))
        div.actions {
            @if visit.may("runPlaybook") {
                form method="post" action={ "/playbooks/" (name) } {
                    (visit.seal())
                    input type="hidden" name="task" value=(task);
                    button.primary type="submit" name="act" value="run" { "Run it now" }
                }
            }
            a href={ "/playbooks/" (name) } { "Leave it" }
        }
    }
}

/// What it would write, write by write; where it names none, what would have changed on the board.
fn writes(report: &Value) -> Markup {
    let effects = list(report, "effects").iter().map(|effect| {
        html! {
            p.facts { code { (text(effect, "tool")) } span { (text(effect, "entity")) } }
            (changes(effect))
        }
    });
    let mut rows: Vec<Markup> = effects.collect();
    if rows.is_empty() {
        rows.extend(list(report, "changes").iter().map(|row| {
            html! {
                p.facts { span { (entity(row)) } }
                (change(text(row, "field"), row.get("before"), row.get("after")))
            }
        }));
    }
    section("writes", "What it would write", &none("It would write nothing."), &rows)
}

/// `{"task": 7}` in words.
fn entity(row: &Value) -> String {
    let entity = object(row, "entity").and_then(Value::as_map).and_then(|map| map.iter().next());
    entity.map(|(noun, id)| format!("{noun} {id}")).unwrap_or_default()
}

fn tasks(report: &Value) -> Markup {
    let rows = list(report, "tasks").iter().map(|task| {
        let id = int(task, "id").unwrap_or_default();
        html! {
            p.facts {
                (chip(text(task, "state")))
                a href={ "/task/" (id) } { "#" (id) }
                code { (text(task, "reason")) }
                span { (text(task, "outcome")) }
            }
        }
    });
    section("tasks", "Tasks it would take", &none("It would take none."), &rows.collect::<Vec<_>>())
}

fn notices(report: &Value) -> Markup {
    let rows = list(report, "notices").iter().map(|notice| {
        let (said, format) = (text(notice, "body"), text(notice, "format"));
        html! {
            p.facts { span { "to " (text(notice, "to")) } }
            @if format == "slack" { (messages([said])) } @else { pre { (said) } }
        }
    });
    section(
        "notices",
        "What it would tell",
        &none("It would tell nobody."),
        &rows.collect::<Vec<_>>(),
    )
}
