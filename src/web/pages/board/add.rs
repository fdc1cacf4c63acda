//! A new task, from the board.

use super::{Board, here};
use crate::domain::Value;
use crate::mcp::CallError;
use crate::web::pages::form::inside;
use crate::web::pages::shown::int;
use crate::web::pages::task::{TEXT_MAX, people};
use crate::web::pages::visit::Visit;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use maud::{Markup, html};

pub(super) fn form(visit: &Visit, board: &Board) -> Markup {
    html! {
        details.card {
            summary { "Add a task" }
            form method="post" action="/board" {
                (visit.seal())
                input type="hidden" name="project" value=(int(&board.project, "id").unwrap_or_default());
                input type="hidden" name="back" value=(here(visit, board, &[]));
                div.fields {
                    div.wide {
                        label for="new-headline" { "Headline" }
                        input #new-headline name="headline" maxlength="250" required;
                    }
                    div {
                        label for="new-assignee" { "Assigned to" }
                        select #new-assignee name="assignee" {
                            option value="" { "nobody" }
                            (people(&board.people, None))
                        }
                    }
                    div {
                        label for="new-due" { "Due" }
                        input #new-due type="date" name="due";
                    }
                    div {
                        label for="new-tags" { "Tags, with commas between them" }
                        input #new-tags name="tags";
                    }
                    div.wide {
                        label for="new-description" { "Description" }
                        textarea #new-description name="description" rows="3" maxlength=(TEXT_MAX) {}
                    }
                }
                button.primary type="submit" { "Add" }
            }
        }
    }
}

/// `POST /board`.
pub(in crate::web::pages) async fn add(Extension(visit): Extension<Visit>) -> Response<Body> {
    let done = carry_out(&visit).await;
    visit.done(inside(visit.form.text("back")), done)
}

async fn carry_out(visit: &Visit) -> Result<String, CallError> {
    let form = &visit.form;
    let number = |name: &str| form.text(name).parse::<i64>().ok();
    let tags = form.text("tags").split(',').map(str::trim).filter(|tag| !tag.is_empty());
    let tags: Vec<&str> = tags.collect();
    let args = [
        ("projectId", Value::from(number("project"))),
        ("headline", form.text("headline").into()),
        ("description", form.filled("description").into()),
        ("editorId", number("assignee").into()),
        ("dateToFinish", form.filled("due").into()),
        ("tags", tags.into()),
    ];
    let added = visit.call("addTask", args).await?;
    Ok(format!("#{} is added.", int(&added, "id").unwrap_or_default()))
}
