//! `/runs/…/undo`: what putting a run back would do, and doing it.

use super::one::at;
use crate::domain::Value;
use crate::web::pages::shown::{chip, int, list, table, text};
use crate::web::pages::visit::Visit;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::http::Response;
use maud::{Markup, html};

/// `GET /runs/{id}/undo`.
pub(in crate::web::pages) async fn page(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    let args = [("run", id.as_str().into()), ("dryRun", true.into())];
    match visit.call("undoRun", args).await {
        Ok(foreseen) => visit.page("Undo a run", &body(&visit, &id, &foreseen)),
        Err(error) => visit.trouble(&error),
    }
}

/// `POST /runs/{id}/undo`.
pub(in crate::web::pages) async fn undo(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    let done = visit.call("undoRun", [("run", id.as_str().into())]).await;
    let done = done.map(|done| {
        let count = |name: &str| int(&done, name).unwrap_or(0);
        format!("{} writes are put back, {} stay.", count("undone"), count("refused"))
    });
    visit.done(&at(&id), done)
}

fn body(visit: &Visit, id: &str, foreseen: &Value) -> Markup {
    let items = list(foreseen, "items");
    let rows = items.iter().map(|item| {
        html! {
            td { (int(item, "seq").unwrap_or_default()) }
            td { code { (text(item, "tool")) } }
            td { (text(item, "entity")) }
            td { (chip(text(item, "state"))) }
            td { (text(item, "detail")) " " code { (text(item, "reason")) } }
        }
    });
    let rows: Vec<Markup> = rows.collect();
    html! {
        p { "Of run " a href=(at(id)) { code { (id) } } ", this would be put back:" }
        section {
            (table("Writes", &["Write", "Tool", "What", "Then", "Why"], &[], &rows))
            @if items.is_empty() { p.quiet { "The run wrote nothing." } }
        }
        form method="post" action={ (at(id)) "/undo" } {
            (visit.seal())
            div.actions {
                button.danger type="submit" { "Put it back" }
                a href=(at(id)) { "Leave it" }
            }
        }
    }
}
