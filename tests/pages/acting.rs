//! A person's day at the pages: the board, a task, playbooks, the emergency stop.

use super::page::Page;
use super::{Browser, PAGES, somebody};
use crate::mcp::{Client, team, token};
use crate::support::rota::Rota;
use serde_json::json;

/// A playbook whose only step is a comment.
const GREETER: &str = r#"
description = "Says hello at a task."
agent = "AI-Greeter"
[on]
cron = "0 9 * * *"
[[step]]
tool = "addComment"
args = { module = "ticket", entityId = 1, text = "Hello." }
[scope]
write = "board"
"#;

fn shown(rota: &Rota, id: &str) -> serde_json::Value {
    rota.run(["task", "show", id, "--json"]).ok().json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_added_moved_edited_and_talked_about() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let new = [
        ("project", "1"),
        ("headline", "Write the page"),
        ("tags", "web, docs"),
        ("due", "2031-05-06"),
        ("description", "one\r\ntwo"),
        ("back", "/board?project=1"),
    ];
    assert_eq!(bob.submit("/board", &new).await, "#2 is added.");
    let page = bob.get("/task/2").await.page();
    page.says("Write the page");
    page.says("one\ntwo");
    page.says("2031-05-06");
    let board = bob.get("/board?project=1&tag=docs").await.page();
    board.says("Write the page");
    assert!(!board.text().contains("Fix the footer"), "the filter stands in the address");

    // The embedded board's last column.
    let done = [("status", "7"), ("back", "/board?project=1")];
    assert_eq!(bob.submit("/task/2/move", &done).await, "#2 is in Done.");
    assert_eq!(shown(&rota, "2")["status_kind"], "done");
    let nowhere = bob.submit("/task/2/move", &[("status", "4711")]).await;
    assert!(nowhere.contains("no such status"), "{nowhere}");

    let revision = bob.get("/task/2").await.page().field("revision").to_owned();
    let edit =
        [("revision", revision.as_str()), ("headline", "Write both pages"), ("priority", "1")];
    assert_eq!(bob.submit("/task/2/edit", &edit).await, "The task is changed.");
    let task = shown(&rota, "2");
    assert_eq!((&task["headline"], &task["priority"]), (&json!("Write both pages"), &json!(1)));
    assert_eq!(task["description"], "one\ntwo", "what the form did not say stays");
    let late = bob.submit("/task/2/edit", &[("revision", &revision), ("headline", "Late")]).await;
    assert!(late.contains("somebody changed the task since"), "{late}");
    let mark = bob.mark.clone();
    let late =
        [("mark", mark.as_str()), ("revision", &revision), ("description", "Long thoughts.")];
    bob.post("/task/2/edit", &late).await.page().says("Long thoughts.");
    assert_eq!(shown(&rota, "2")["headline"], "Write both pages");

    assert!(
        bob.submit("/task/2/comment", &[("text", "Looks good.")]).await.contains("on the board")
    );
    bob.get("/task/2").await.page().says("Looks good.");
    assert_eq!(bob.submit("/task/2/subtask", &[("headline", "A part")]).await, "#3 is added.");
    bob.get("/task/2").await.page().says("A part");
    let empty = bob.submit("/task/2/comment", &[("text", "  ")]).await;
    assert!(empty.starts_with("This was not done"), "{empty}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_seen_with_its_lease_and_taken_away() {
    let rota = team();
    rota.run(["person", "add", "Robot", "--agent", "--role", "editor"]).ok();
    let robot = token(&rota, &["robots", "--person", "Robot"]);
    let serving = rota.serve(Vec::<&str>::new());
    let robot = Client::of(&serving, Some(&robot));
    assert_eq!(robot.call("claimTask", json!({ "task": 1 })).await["isError"], false);
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let board = ada.get("/board").await.page();
    board.says("Robot");
    board.says("agent");
    let is_left = |text: &str| text.contains("m left") || text.contains("s left");
    assert!(is_left(board.text()), "{}", board.text());
    assert!(is_left(ada.get("/task/1").await.page().text()));
    // Somebody below the role manager asks; whoever may decides.
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let asked = bob.submit("/task/1/release", &[("reason", "I do it myself.")]).await;
    assert!(asked.contains("is asked"), "{asked}");
    ada.get("/review").await.page().says("claim to end");
    let released = ada.submit("/review", &[("item", "release:1"), ("decision", "approve")]).await;
    assert!(released.starts_with("release:1"), "{released}");
    assert_eq!(
        robot.call("editTask", json!({ "id": 1, "params": { "headline": "x" } })).await["isError"],
        true
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_is_armed_run_paused_and_its_run_undone() {
    let rota = team();
    rota.write("agents/greeter.toml", GREETER);
    let checked = rota.run(["check"]);
    assert_eq!(checked.code, 0, "{checked:#?}");
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let page = ada.get("/playbooks/greeter").await.page();
    page.says("not armed");
    page.says("acts as AI-Greeter");
    page.says("step: addComment");
    let unseen = ada.submit("/playbooks/greeter", &[("act", "arm")]).await;
    assert!(unseen.contains("was changed since its rights were shown"), "{unseen}");
    let definition = page.field("definition").to_owned();
    let arm = [("act", "arm"), ("definition", definition.as_str())];
    assert!(ada.submit("/playbooks/greeter", &arm).await.contains("is armed"));
    let run = ada.submit("/playbooks/greeter", &[("act", "run")]).await;
    assert!(run.contains("succeeded"), "{run}");
    let runs = ada.get("/runs?playbook=greeter").await.page();
    let one = runs.links().into_iter().find(|link| link.starts_with("/runs/")).unwrap().to_owned();
    let page = ada.get(&one).await.page();
    page.says("addComment");
    ada.get("/task/1").await.page().says("Hello.");
    let undo = format!("{one}/undo");
    ada.get(&undo).await.page().says("addComment");
    assert_eq!(shown(&rota, "1")["comments"].as_array().unwrap().len(), 1, "only looked at");
    let undone = ada.submit(&undo, &[]).await;
    assert!(undone.contains("1 writes are put back"), "{undone}");
    assert_eq!(shown(&rota, "1")["comments"].as_array().unwrap().len(), 0);
    assert!(ada.submit("/playbooks/greeter", &[("act", "pause")]).await.contains("is paused"));
    ada.get("/playbooks").await.page().says("paused");
    assert!(
        ada.submit("/playbooks/greeter", &[("act", "resume")]).await.contains("may start again")
    );
    for path in PAGES {
        let reply = ada.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.page();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_has_the_colour_of_its_sort_and_a_comment_is_its_authors() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let mut bob = somebody(&rota, &serving, "Bob").await;
    bob.submit("/task/1/move", &[("status", "7")]).await;
    let page = bob.get("/task/1").await.text;
    assert!(page.contains(r#"<span class="chip good">Done</span>"#), "{page}");
    assert!(ada.submit("/task/1/comment", &[("text", "Mine.")]).await.contains("on the board"));
    let theirs = shown(&rota, "1")["comments"][0]["id"].to_string();
    let mark = bob.mark.clone();
    let delete = [("comment", theirs.as_str()), ("mark", mark.as_str())];
    assert_eq!(bob.post("/task/1/delete-comment", &delete).await.status, 403);
    bob.get("/task/1").await.page().says("Mine.");
    let deleted = ada.submit("/task/1/delete-comment", &[("comment", &theirs)]).await;
    assert_eq!(deleted, "The comment is deleted.");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_long_talk_the_end_is_shown_and_the_rest_page_by_page() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    for number in 0..35 {
        let text = format!("comment number {number}!");
        ada.submit("/task/1/comment", &[("text", &text)]).await;
    }
    let page = ada.get("/task/1").await.page();
    page.says("comment number 34!");
    // What was written last stands among the activity, too.
    let times = |page: &Page, text: &str| page.text().matches(text).count();
    assert_eq!(times(&page, "comment number 34!"), 2, "{}", page.text());
    assert_eq!(times(&page, "comment number 4!"), 0, "{}", page.text());
    let older = page.links().into_iter().find(|link| link.starts_with("/task/1?before=")).unwrap();
    let page = ada.get(older).await.page();
    page.says("comment number 4!");
    page.says("comment number 0!");
    assert_eq!(times(&page, "comment number 34!"), 1, "{}", page.text());
    assert!(page.links().contains(&"/task/1#comments"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_project_has_its_board_yet() {
    let rota = team();
    rota.run(["project", "edit", "Website", "--close"]).ok();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let board = ada.get("/board?project=1").await;
    assert_eq!(board.status, 200);
    board.page().says("Fix the footer");
    ada.get("/board?project=4711").await.page().says("There is no such project.");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_stopped_and_started_again() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let stopped = ada.submit("/stop-all", &[("reason", "wrong <b>comments</b>")]).await;
    assert_eq!(stopped, "Everything is stopped.");
    let page = ada.get("/").await.page();
    page.says("Everything is stopped");
    page.says("wrong <b>comments</b>");
    assert!(page.deeds().contains(&"/start-all"));
    assert_eq!(ada.submit("/start-all", &[]).await, "Playbooks may start runs again.");
    assert!(!ada.get("/").await.page().text().contains("Everything is stopped"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_so_and_what_is_too_long_is_not_read() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    for path in
        ["/task/999", "/task/x", "/runs/r-000000000000", "/playbooks/none", "/playbooks/%3Cb%3E"]
    {
        let reply = ada.get(path).await;
        assert_eq!(reply.status, 404, "{path}");
        reply.page();
    }
    for path in [
        "/board?project=999",
        "/runs?state=running&limit=x",
        "/costs?by=day&since=-7d",
        "/digest?since=monday",
    ] {
        assert_eq!(ada.get(path).await.status, 200, "{path}");
    }
    assert_eq!(ada.get("/costs?by=nonsense").await.status, 400);
    let mark = ada.mark.clone();
    let long = "x".repeat(600 * 1024);
    let reply = ada.post("/task/1/comment", &[("mark", &mark), ("text", &long)]).await;
    assert_eq!(reply.status, 413);
    let mut other = Browser::of(&serving);
    assert_eq!(other.get("/nowhere").await.status, 404);
}
