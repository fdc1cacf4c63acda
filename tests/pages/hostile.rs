//! What people, agents and models write is text on every page, whatever stands in it.

use super::{Browser, PAGES, agent, somebody};
use crate::mcp::{team, token};
use serde_json::json;

/// Each tries another way out of the text that it stands in.
const ATTEMPTS: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</textarea></title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}<!--",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_somebody_wrote_runs_on_any_page() {
    let rota = team();
    rota.run(["person", "add", "<script>Robot</script>", "--agent", "--role", "editor"]).ok();
    rota.run(["project", "add", "\"><img src=x onerror=alert(1)>"]).ok();
    let robot = token(&rota, &["</td><script>x</script>", "--person", "<script>Robot</script>"]);
    let serving = rota.serve(Vec::<&str>::new());
    let robot = agent(&serving, &robot);
    for attempt in ATTEMPTS {
        let task = json!({
            "projectId": 1, "headline": attempt, "description": attempt, "acceptanceCriteria": attempt,
            "tags": [attempt.replace(',', " ")], "editorId": "<script>Robot</script>"
        });
        let added = robot.call("addTask", task).await;
        assert_eq!(added["isError"], false, "{added:#}");
        let id = added["structuredContent"]["id"].clone();
        let comment = json!({ "module": "ticket", "entityId": id, "text": attempt });
        assert_eq!(robot.call("addComment", comment).await["isError"], false);
        let part = json!({ "parentTicket": id, "headline": attempt });
        assert_eq!(robot.call("addSubtask", part).await["isError"], false);
        let update = json!({ "projectId": 1, "status": "red", "text": attempt });
        assert_eq!(robot.call("addProjectStatusUpdate", update).await["isError"], false);
    }
    for (task, tool, more) in [
        (2, "askPerson", json!({ "question": ATTEMPTS[1], "person": "Ada" })),
        (
            4,
            "submitForReview",
            json!({ "summary": ATTEMPTS[3], "evidence": [ATTEMPTS[0]], "reviewer": "Ada" }),
        ),
    ] {
        let held = robot.call("claimTask", json!({ "task": task })).await;
        assert_eq!(held["isError"], false, "{held:#}");
        let mut args = json!({ "task": task, "fence": held["structuredContent"]["fence"] });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let done = robot.call(tool, args).await;
        assert_eq!(done["isError"], false, "{done:#}");
    }
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let tasks: Vec<String> = (1..=13).map(|id| format!("/task/{id}")).collect();
    let mut seen = 0;
    let paths = PAGES.iter().copied().chain(tasks.iter().map(String::as_str));
    for path in paths.chain(["/board?project=2", "/digest?since=-7d"]) {
        seen += looked_at(&mut ada, path).await;
    }
    assert!(seen > 40, "what was planted is shown, as text: {seen}");
    // What comes by the address is text, too.
    for attempt in ATTEMPTS {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("text", attempt)
            .append_pair("tag", attempt)
            .append_pair("assignee", attempt);
        query
            .append_pair("playbook", attempt)
            .append_pair("next", attempt)
            .append_pair("since", attempt);
        let query = query.finish();
        for path in ["/board", "/runs", "/sign-in", "/digest", "/costs"] {
            let reply = ada.get(&format!("{path}?{query}")).await;
            assert!(reply.status < 500, "{path}: {reply:#?}");
            reply.page();
        }
        let told = ada.submit("/task/1/move", &[("status", attempt), ("back", attempt)]).await;
        assert!(told.contains("no such status"), "{told}");
    }
}

/// Reads a page strictly; how often something that was planted stands on it.
async fn looked_at(browser: &mut Browser, path: &str) -> usize {
    let reply = browser.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {reply:#?}");
    let page = reply.page();
    ATTEMPTS.iter().map(|attempt| page.text().matches(attempt).count()).sum()
}
