//! A task is added on the board with all that people say of one, and what cannot be is said beside the form.

use super::{Browser, somebody};
use crate::mcp::{team, token};
use serde_json::json;

/// Everything that the form asks.
const ALL: [(&str, &str); 9] = [
    ("project", "1"),
    ("headline", "Paint <the> door"),
    ("description", "With a brush.\n\n- twice"),
    ("criteria", "It is <blue>."),
    // The embedded board's label "In Progress".
    ("status", "4"),
    ("assignee", "2"),
    ("priority", "2"),
    ("due", "2031-05-06"),
    ("tags", "house, paint"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_added_with_everything_and_its_page_shows_it() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let board = bob.get("/board?project=1").await.page();
    assert!(board.deeds().contains(&"/board"));
    let form: Vec<_> = ALL.into_iter().chain([("back", "/board?project=1")]).collect();
    assert_eq!(bob.submit("/board", &form).await, "#2 is added.");
    let page = bob.get("/task/2").await.page();
    for said in ["Paint <the> door", "With a brush.", "It is <blue>.", "Bob", "2031-05-06", "paint"]
    {
        page.says(said);
    }
    let task = rota.run(["task", "show", "2", "--json"]).ok().json();
    assert_eq!(
        (&task["acceptance_criteria"], &task["priority"], &task["assignee_name"]),
        (&json!("It is <blue>."), &json!(2), &json!("Bob"))
    );
    assert_eq!(task["status_kind"], "in_progress", "{task:#}");
    assert_eq!(task["tags"], json!(["house", "paint"]));
    // What the form says of the task when it is opened to be edited is the same.
    assert_eq!((page.field("headline"), page.field("due")), ("Paint <the> door", "2031-05-06"));
    assert_eq!(page.field("tags"), "house, paint");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_added_is_said_beside_the_form_and_nothing_typed_is_lost() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let mark = bob.mark.clone();
    for (field, wrong, why) in [
        ("priority", "9", "expected 1 (critical) to 5 (lowest)"),
        ("priority", "<soon>", "expected a priority"),
        ("status", "4711", "4711"),
        ("assignee", "4711", "4711"),
        ("due", "someday", "someday"),
        ("headline", " ", "expected one line that is not blank"),
    ] {
        let said =
            ALL.into_iter().map(|(name, value)| (name, if name == field { wrong } else { value }));
        let more = [("mark", mark.as_str()), ("back", "/board?project=1&tag=x")];
        let form: Vec<_> = said.chain(more).collect();
        let reply = bob.post("/board", &form).await;
        assert_eq!(reply.status, 409, "{field}={wrong}: {}", reply.text);
        let page = reply.page();
        let told = page.remark();
        assert!(told.starts_with("This was not done") && told.contains(why), "{wrong}: {told}");
        assert_eq!(page.deeds().iter().filter(|deed| **deed == "/board").count(), 1);
        assert_eq!(page.field("back"), "/board?project=1&tag=x");
        for (name, value) in form.iter().take(ALL.len()) {
            let kept = match *name {
                "description" | "criteria" => page.text().contains(value),
                "status" | "assignee" | "priority" => page.chosen(name) == *value,
                _ => page.field(name) == value.trim(),
            };
            assert!(kept, "{field}={wrong}: {name}={value} is lost: {}", reply.text);
        }
    }
    let board = rota.run(["task", "list", "--json"]).ok();
    assert!(!board.out.contains("Paint"), "{}", board.out);
    // Sent again with what was wrong mended, it is added.
    assert_eq!(bob.submit("/board", &ALL).await, "#2 is added.");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_only_read_or_comment_sees_no_such_form_and_adds_nothing() {
    let rota = team();
    let commenter = token(&rota, &["narrow", "--role", "commenter"]);
    let serving = rota.serve(Vec::<&str>::new());
    let eve = somebody(&rota, &serving, "Eve").await;
    for mut browser in [eve, Browser::signed_in(&serving, &commenter).await] {
        let page = browser.get("/board").await.page();
        page.says("Fix the footer");
        assert!(!page.deeds().contains(&"/board") && !page.text().contains("Add a task"));
        let mark = browser.mark.clone();
        let form: Vec<_> = ALL.into_iter().chain([("mark", mark.as_str())]).collect();
        assert_eq!(browser.post("/board", &form).await.status, 403);
    }
    let board = rota.run(["task", "list", "--json"]).ok();
    assert!(!board.out.contains("Paint"), "{}", board.out);
}
