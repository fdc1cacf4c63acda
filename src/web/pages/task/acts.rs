//! What people do at a task.

use super::edit::changed;
use super::number;
use crate::domain::Value;
use crate::mcp::CallError;
use crate::web::pages::form::inside;
use crate::web::pages::shown::{int, is, list, text};
use crate::web::pages::visit::Visit;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::http::Response;

/// `POST /task/{id}/comment`.
pub(in crate::web::pages) async fn comment(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    let done: Result<String, CallError> = async {
        let said = visit.form.text("text");
        let args = [("module", "ticket".into()), ("entityId", number(&id)?), ("text", said.into())];
        visit.call("addComment", args).await?;
        Ok("Your comment is on the board.".to_owned())
    }
    .await;
    visit.done(&at(&id), done)
}

/// `POST /task/{id}/answer`: to the question that was shown, and to no other.
pub(in crate::web::pages) async fn answer(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    let done: Result<String, CallError> = async {
        let form = &visit.form;
        let args = [
            ("task", number(&id)?),
            ("decision", "answer".into()),
            ("comment", form.text("comment").into()),
            ("run", form.filled("run").into()),
            ("since", form.filled("since").into()),
        ];
        let said = visit.call("decideReview", args).await?;
        Ok(if is(&said, "repeated") {
            format!("It was answered before, and that stands: {}", text(&said, "answer"))
        } else {
            "Your answer is on the task, and the agent goes on with it.".to_owned()
        })
    }
    .await;
    visit.done(&at(&id), done)
}

/// `POST /task/{id}/delete-comment`.
pub(in crate::web::pages) async fn delete_comment(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    let done: Result<String, CallError> = async {
        let comment = visit.form.text("comment").parse::<i64>().unwrap_or_default();
        let args = [("id", comment.into()), ("entityId", number(&id)?)];
        visit.call("deleteComment", args).await?;
        Ok("The comment is deleted.".to_owned())
    }
    .await;
    visit.done(&at(&id), done)
}

/// `POST /task/{id}/edit`.
pub(in crate::web::pages) async fn edit(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    let done = carry_out_edit(&visit, &id).await;
    visit.done(&at(&id), done)
}

async fn carry_out_edit(visit: &Visit, id: &str) -> Result<String, CallError> {
    let id = number(id)?;
    let task = visit.call("getTicket", [("id", id.clone())]).await?;
    let seen = visit.form.text("revision").parse::<i64>().ok();
    if seen.is_some() && seen != int(&task, "revision") {
        let message =
            "somebody changed the task since you opened it: look at it, and edit it again";
        return Err(CallError::of("conflict", message));
    }
    let params = changed(&visit.form, &task);
    if params.is_empty() {
        return Ok("Nothing was changed.".to_owned());
    }
    let args = [("id", id), ("params", Value::Map(params)), ("expectedRevision", seen.into())];
    visit.call("editTask", args).await?;
    Ok("The task is changed.".to_owned())
}

/// `POST /task/{id}/move`: another status, and back to where it was asked for.
pub(in crate::web::pages) async fn move_to(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    let done = carry_out_move(&visit, &id).await;
    let back = visit.form.filled("back").map_or_else(|| at(&id), |back| inside(back).to_owned());
    visit.done(&back, done)
}

async fn carry_out_move(visit: &Visit, id: &str) -> Result<String, CallError> {
    let (number, wanted) = (number(id)?, visit.form.text("status").parse::<i64>().ok());
    let task = visit.call("getTicket", [("id", number.clone())]).await?;
    let project = int(&task, "project").unwrap_or_default();
    let labels = visit.call("getStatusLabels", [("projectId", project.into())]).await?;
    let known = list(&labels, "items").iter().find(|own| int(own, "id") == wanted);
    let Some(status) = known.filter(|_| wanted.is_some()) else {
        return Err(CallError::of("unknown_status", "the project has no such status"));
    };
    let params = Value::map([("status", Value::from(wanted))]);
    visit.call("editTask", [("id", number), ("params", params)]).await?;
    Ok(format!("#{id} is in {}.", text(status, "label")))
}

/// `POST /task/{id}/subtask`.
pub(in crate::web::pages) async fn subtask(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    let done: Result<String, CallError> = async {
        let headline = visit.form.text("headline");
        let args = [("parentTicket", number(&id)?), ("headline", headline.into())];
        let added = visit.call("addSubtask", args).await?;
        Ok(format!("#{} is added.", int(&added, "id").unwrap_or_default()))
    }
    .await;
    visit.done(&at(&id), done)
}

/// `POST /task/{id}/release`.
pub(in crate::web::pages) async fn release(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    let done: Result<String, CallError> = async {
        let reason = visit.form.text("reason");
        let said = visit.call("releaseClaim", [("task", number(&id)?), ("reason", reason.into())]);
        let said = said.await?;
        Ok(match int(&said, "fence") {
            Some(_) => format!("The claim on #{id} is taken away."),
            None => {
                format!("Somebody with the role manager is asked to take the claim on #{id} away.")
            }
        })
    }
    .await;
    visit.done(&at(&id), done)
}

fn at(id: &str) -> String {
    match id.parse::<i64>() {
        Ok(id) => format!("/task/{id}"),
        Err(_) => "/".to_owned(),
    }
}
