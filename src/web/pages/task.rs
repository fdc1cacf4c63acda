//! `/task/…`: everything about one task.

mod acts;
mod edit;
mod fields;
mod question;
mod story;

pub(super) use acts::{answer, comment, delete_comment, edit, move_to, release, subtask};
pub(super) use fields::{Fields, tags};

use super::form::address;
use super::shown::{Moment, chip, filled, int, list, object, prose, somebody, text};
use super::visit::Visit;
use crate::domain::{Role, Value};
use crate::mcp::CallError;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::http::Response;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// What is needed to show a task.
pub(super) struct Facts {
    task: Value,
    statuses: Value,
    people: Value,
    why: Value,
    activity: Value,
    talk: Talk,
}

/// A page of the comments.
struct Talk {
    /// The oldest of them first.
    comments: Vec<Value>,
    /// Where those before them begin.
    older: Option<String>,
}

impl Facts {
    fn is_agent(&self, name: &str) -> bool {
        agents(&self.people).contains(name)
    }
}

/// The names of those who are agents.
pub(super) fn agents(people: &Value) -> BTreeSet<&str> {
    let all = list(people, "items").iter();
    all.filter(|person| text(person, "kind") == "agent")
        .map(|person| text(person, "name"))
        .collect()
}

/// So many changes are shown.
const ACTIVITY: i64 = 30;
/// The tool answers so many subtasks.
const SUBTASKS_MAX: usize = 100;
/// So many comments, the newest.
const COMMENTS: i64 = 30;
/// So many characters always fit into a text of the board, whatever they are: 65,535 bytes, of which one
/// takes three at most (browsers count those that take four as two).
const TEXT_MAX: u32 = 21_845;

/// `GET /task/{id}`.
pub(super) async fn page(
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response<Body> {
    match facts(&visit, &id).await {
        Ok(facts) => {
            let title = format!("#{id} {}", text(&facts.task, "headline"));
            visit.page(&title, &body(&visit, &facts))
        }
        Err(error) => visit.trouble(&error),
    }
}

/// The number in an address.
pub(super) fn number(id: &str) -> Result<Value, CallError> {
    let number = id.parse::<i64>().map(Value::Int);
    number.map_err(|_| CallError::of("not_found", "a task is named by its number"))
}

async fn facts(visit: &Visit, id: &str) -> Result<Facts, CallError> {
    let id = number(id)?;
    let task = visit.call("getTicket", [("id", id.clone())]).await?;
    let project = int(&task, "project").unwrap_or_default();
    let statuses = [("projectId", project.into())];
    let statuses = visit.call_if_allowed("getStatusLabels", statuses).await?.unwrap_or_default();
    let people = visit.call_if_allowed("listPeople", []).await?.unwrap_or_default();
    let activity = [("taskId", id.clone()), ("limit", ACTIVITY.into())];
    let activity = visit.call_if_allowed("getActivity", activity).await?.unwrap_or_default();
    let comments = talk(visit, &task, id.clone()).await?;
    let why = visit.call_if_allowed("whyNot", [("subject", id)]).await?.unwrap_or_default();
    Ok(Facts { task, statuses, people, why, activity, talk: comments })
}

/// The newest comments, or those before the ones that were looked at.
async fn talk(visit: &Visit, task: &Value, id: Value) -> Result<Talk, CallError> {
    let args = [
        ("entityId", id),
        ("limit", COMMENTS.into()),
        ("cursor", visit.query.filled("before").into()),
    ];
    let Some(page) = visit.call_if_allowed("getComments", args).await? else {
        // Without those before them.
        let newest = list(task, "comments");
        let skipped = newest.len().saturating_sub(usize::try_from(COMMENTS).unwrap_or_default());
        return Ok(Talk { comments: newest[skipped..].to_vec(), older: None });
    };
    let comments = list(&page, "items").iter().rev().cloned().collect();
    Ok(Talk { comments, older: filled(&page, "next").map(str::to_owned) })
}

fn body(visit: &Visit, facts: &Facts) -> Markup {
    let moment = visit.moment();
    let task = &facts.task;
    html! {
        div.split #live data-live {
            div {
                (question::shown(visit, facts, &moment))
                section aria-labelledby="about" {
                    h2 #about { "What is to be done" }
                    @match filled(task, "description") {
                        Some(said) => (prose(said)),
                        None => p.quiet { "No description yet." },
                    }
                    @if let Some(said) = filled(task, "acceptance_criteria") {
                        h3 { "Done when" }
                        (prose(said))
                    }
                    @if visit.may("editTask") { (edit::form(visit, facts)) }
                }
                (subtasks(visit, task))
                (comments(visit, &moment, facts))
            }
            div {
                (summary(facts, &moment))
                (held(visit, facts, &moment))
                @if !facts.why.is_null() {
                    (story::runs(facts, &moment))
                    (story::why(facts, &moment))
                }
                (story::activity(facts, &moment))
            }
        }
    }
}

fn summary(facts: &Facts, moment: &Moment) -> Markup {
    let task = &facts.task;
    let whose = |name: &str| filled(task, name).map(|name| somebody(name, facts.is_agent(name)));
    let number = |name: &str| task.get(name).filter(|value| !value.is_null());
    html! {
        section aria-labelledby="facts" {
            h2 #facts { "Facts" }
            dl {
                dt { "Status" } dd { (status(task)) }
                dt { "Project" }
                dd {
                    @let project = int(task, "project").unwrap_or_default();
                    a href={ "/board?project=" (project) } { (text(task, "project_name")) }
                }
                dt { "Assigned to" } dd { @match whose("assignee_name") { Some(who) => (who), None => "nobody" } }
                @if let Some(author) = whose("author_name") { dt { "From" } dd { (author) } }
                @if let Some(due) = filled(task, "due_day") { dt { "Due" } dd { (due) } }
                @if let Some(priority) = number("priority") { dt { "Priority" } dd { (priority) } }
                @if let Some(points) = number("storypoints") { dt { "Effort" } dd { (points) } }
                @if let Some(hours) = number("plan_hours") { dt { "Planned hours" } dd { (hours) } }
                @if !list(task, "tags").is_empty() {
                    dt { "Tags" }
                    dd { @for tag in list(task, "tags") { span.tag { (tag) } " " } }
                }
                @if !list(task, "blocked_by").is_empty() {
                    dt { "After" }
                    dd { @for id in list(task, "blocked_by") { a href={ "/task/" (id) } { "#" (id) } " " } }
                }
                @if let Some(parent) = int(task, "parent") {
                    dt { "Part of" } dd { a href={ "/task/" (parent) } { "#" (parent) } }
                }
                dt { "Changed" } dd { (moment.when(text(task, "modified"))) }
            }
        }
    }
}

/// A task's status as its project calls it, in the colour of its sort.
fn status(task: &Value) -> Markup {
    let sort = match text(task, "status_kind") {
        "done" => "good",
        "in_progress" => "busy",
        "blocked" => "bad",
        "waiting" => "wait",
        _ => "flat",
    };
    html! { span.chip.(sort) { (text(task, "status_label")) } }
}

/// Who has it, for how long yet, and taking it away.
fn held(visit: &Visit, facts: &Facts, moment: &Moment) -> Markup {
    let claim = object(&facts.why, "claim").filter(|claim| text(claim, "phase") != "free");
    let Some(claim) = claim else { return html! {} };
    let id = int(&facts.task, "id").unwrap_or_default();
    let by = object(claim, "assistant").map_or(text(claim, "playbook"), |by| text(by, "name"));
    let is_newer = !text(claim, "written_by").is_empty();
    let by = if is_newer { text(claim, "written_by") } else { by };
    html! {
        section aria-labelledby="claim" {
            h2 #claim { "Claim" }
            p.facts {
                (chip(text(claim, "phase")))
                span { "by " (by) }
                @if !is_newer {
                    a href={ "/runs/" (text(claim, "run")) } { (text(claim, "run")) }
                }
                @if let Some(left) = claim.get("lease_ends").and_then(|ends| moment.left(ends)) {
                    span { (left) " left" }
                }
            }
            @if !is_newer && visit.may("releaseClaim") {
                details {
                    summary { "Take it away" }
                    form method="post" action={ "/task/" (id) "/release" } {
                        (visit.seal())
                        label for="release-reason" { "Why (it is written down)" }
                        input #release-reason name="reason" maxlength="500" required;
                        div.actions { button.danger type="submit" { "Take it away" } }
                    }
                }
            }
        }
    }
}

fn subtasks(visit: &Visit, task: &Value) -> Markup {
    let parts = list(task, "subtasks");
    let id = int(task, "id").unwrap_or_default();
    html! {
        @if !parts.is_empty() || visit.may("addSubtask") {
            section aria-labelledby="parts" {
                h2 #parts { "Subtasks" }
                ul.rows {
                    @for part in parts {
                        @let number = int(part, "id").unwrap_or_default();
                        li {
                            p.facts {
                                (status(part))
                                a href={ "/task/" (number) } { "#" (number) " " (text(part, "headline")) }
                                span { (text(part, "assignee_name")) }
                            }
                        }
                    }
                }
                @if let Some(more) = filled(task, "more").filter(|_| parts.len() >= SUBTASKS_MAX) {
                    p.quiet { (more) }
                }
                @if visit.may("addSubtask") {
                    details {
                        summary { "Add a subtask" }
                        form method="post" action={ "/task/" (id) "/subtask" } {
                            (visit.seal())
                            label for="subtask" { "Headline" }
                            input #subtask name="headline" maxlength="250" required;
                            div.actions { button type="submit" { "Add" } }
                        }
                    }
                }
            }
        }
    }
}

fn comments(visit: &Visit, moment: &Moment, facts: &Facts) -> Markup {
    let task = &facts.task;
    let id = int(task, "id").unwrap_or_default();
    html! {
        section aria-labelledby="comments" {
            h2 #comments { "Comments" }
            @if visit.query.filled("before").is_some() {
                p { a href={ "/task/" (id) "#comments" } { "The newest comments" } }
            }
            @if let Some(older) = &facts.talk.older {
                p { a href=(address(&format!("/task/{id}"), &[("before", older)])) { "Older comments" } }
            }
            ul.rows {
                @for comment in &facts.talk.comments {
                    @let author = filled(comment, "author_name").unwrap_or("somebody");
                    li {
                        p.facts { (somebody(author, facts.is_agent(author))) (moment.when(text(comment, "created"))) }
                        (prose(text(comment, "text")))
                        @if visit.may("deleteComment") && (author == visit.name() || visit.role() >= Role::Manager) {
                            form method="post" action={ "/task/" (id) "/delete-comment" } {
                                (visit.seal())
                                input type="hidden" name="comment" value=(int(comment, "id").unwrap_or_default());
                                details { summary { "Delete" } button.danger type="submit" { "Delete this comment for good" } }
                            }
                        }
                    }
                }
            }
            @if visit.may("addComment") {
                form method="post" action={ "/task/" (id) "/comment" } {
                    (visit.seal())
                    label for="say" { "Your comment" }
                    textarea #say name="text" rows="3" maxlength=(TEXT_MAX) required {}
                    div.actions {
                        button.primary type="submit" { "Comment" }
                        span.quiet { "Agents listen: " code { "@AI-Agent stop" } ", " code { "retry" } ", " code { "approve" } "." }
                    }
                }
            }
        }
    }
}
