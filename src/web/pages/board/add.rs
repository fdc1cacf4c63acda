//! A new task, from the board.

use super::{Board, here};
use crate::domain::Value;
use crate::mcp::CallError;
use crate::web::pages::form::{Form, inside};
use crate::web::pages::shown::{int, list, text};
use crate::web::pages::task::{Fields, tags};
use crate::web::pages::visit::Visit;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use maud::{Markup, html};

/// The form, below the filters.
pub(super) fn form(visit: &Visit, board: &Board) -> Markup {
    let statuses = list(&board.project, "statuses");
    let begins = statuses.iter().find(|status| text(status, "kind") == "new");
    let begins = begins.and_then(|status| int(status, "id")).map(|id| id.to_string());
    let said = Form::of([("status", begins.unwrap_or_default())]);
    html! {
        details.card {
            summary { "Add a task" }
            (filled_in(visit, board, &said, &here(visit, board, &[])))
        }
    }
}

/// The same with what somebody typed into it.
fn filled_in(visit: &Visit, board: &Board, said: &Form, back: &str) -> Markup {
    let statuses = list(&board.project, "statuses");
    let fields = Fields { ids: "new-", said, statuses, people: list(&board.people, "items") };
    html! {
        form method="post" action="/board" {
            (visit.seal())
            input type="hidden" name="project" value=(int(&board.project, "id").unwrap_or_default());
            input type="hidden" name="back" value=(back);
            (fields.shown())
            button.primary type="submit" { "Add" }
        }
    }
}

/// `POST /board`.
pub(in crate::web::pages) async fn add(Extension(visit): Extension<Visit>) -> Response<Body> {
    let back = inside(visit.form.text("back"));
    match carry_out(&visit).await {
        Err(error) => match again(&visit, back).await {
            Ok(Some(form)) => visit.once_more(&error, &form),
            _ => visit.done(back, Err(error)),
        },
        done => visit.done(back, done),
    }
}

/// The form as it was sent; nothing where it is of no project that is there.
async fn again(visit: &Visit, back: &str) -> Result<Option<Markup>, CallError> {
    let board = Board::read(visit, visit.form.text("project").parse().ok()).await?;
    Ok(board.map(|board| {
        html! {
            div.card { (filled_in(visit, &board, &visit.form, back)) }
            p { a href=(back) { "Back to the board" } }
        }
    }))
}

async fn carry_out(visit: &Visit) -> Result<String, CallError> {
    let form = &visit.form;
    // A number is an id, and anything else a name: what is neither is refused in words.
    let named = |name: &str| {
        let said = form.filled(name)?;
        Some(said.parse::<i64>().map_or_else(|_| Value::from(said), Value::Int))
    };
    let args = [
        ("projectId", Value::from(named("project"))),
        ("headline", form.text("headline").into()),
        ("description", form.filled("description").into()),
        ("acceptanceCriteria", form.filled("criteria").into()),
        ("status", named("status").into()),
        ("priority", named("priority").into()),
        ("editorId", named("assignee").into()),
        ("dateToFinish", form.filled("due").into()),
        ("tags", tags(form.text("tags")).into()),
    ];
    let added = visit.call("addTask", args).await?;
    Ok(format!("#{} is added.", int(&added, "id").unwrap_or_default()))
}
