//! What the real one takes without a word, and a careful client never sends.

use super::{Client, asked, with_editor, with_editor_of};
use crate::support::leantime::Options;
use serde_json::{Value, json};

/// Whether each of these is written down once.
async fn seen(calls: &[(&str, Value)], word: &str) {
    let (fake, _, client) = with_editor().await;
    client.add(json!({ "headline": "A", "projectId": 1 })).await;
    assert_eq!(fake.violations(), Vec::<String>::new());
    for (method, params) in calls {
        let before = fake.violations().len();
        client.call(method, params.clone()).await;
        let new = fake.violations().split_off(before);
        assert!(new.len() == 1 && new[0].contains(word), "{method} {params}: {new:?}");
    }
}

fn patch(values: Value) -> (&'static str, Value) {
    ("tickets.patchTicket", json!({ "id": 1, "values": values }))
}

#[tokio::test]
async fn values_that_are_stored_wrong_are_seen() {
    seen(&[patch(json!({ "status": 777 })), patch(json!({ "status": "Done" }))], "status").await;
    seen(&[patch(json!({ "editorId": 99 }))], "editor that does not exist").await;
    let long = [
        patch(json!({ "headline": "x".repeat(256) })),
        patch(json!({ "tags": "x".repeat(256) })),
        patch(json!({ "description": "ä".repeat(32_768) })),
    ];
    seen(&long, "too long").await;
    let dates = [
        patch(json!({ "dateToFinish": "2026-12-24T00:00:00.000Z" })),
        patch(json!({ "dateToFinish": "24.12.2026" })),
        patch(json!({ "dateToFinish": "2026-12-24 00:00:00" })),
        patch(json!({ "dateToFinish": "12/24/2026" })),
        patch(json!({ "editFrom": "2026-12-24" })),
    ];
    seen(&dates, "form that does not say").await;
    seen(&[patch(json!({ "milestoneId": 1 }))], "ignored").await;
    seen(&[patch(json!({ "headline": "" }))], "empty headline").await;
    let missing = json!({ "values": { "headline": "B", "projectId": 2, "status": "Done" } });
    let (fake, _, client) = with_editor_of(Options::default()).await;
    client.call("tickets.addTicket", missing).await;
    assert_eq!(fake.violations(), Vec::<String>::new(), "what is refused is no violation");
}

#[tokio::test]
async fn methods_that_destroy_are_seen() {
    let update = json!({ "values": { "id": 1, "projectId": 1 } });
    seen(&[("tickets.updateTicket", update)], "updateTicket").await;
    let milestone = json!({ "params": { "id": 1 } });
    seen(&[("tickets.quickUpdateMilestone", milestone)], "replaces everything").await;
    let time = json!({ "values": { "id": 1 } });
    seen(&[("timesheets.updateTime", time)], "replaces everything").await;
    seen(&[("timesheets.punchIn", json!({ "ticketId": 99 }))], "cannot see").await;
    let entry = json!({ "hours": 1, "kind": "TESTING", "date": "2026-11-20" });
    let log = json!({ "ticketId": 99, "params": entry });
    seen(&[("timesheets.logTime", log)], "cannot see").await;
    let entry = json!({ "hours": 1, "kind": "NONSENSE", "date": "2026-11-20" });
    let log = json!({ "ticketId": 1, "params": entry });
    seen(&[("timesheets.logTime", log)], "kind of time").await;
    let comment = json!({ "values": { "text": "x" }, "module": "tickets", "entityId": 1 });
    seen(&[("comments.addComment", comment)], "no module").await;
    let event = json!({ "values": { "description": "x", "dateFrom": "2026-11-23" } });
    seen(&[("calendar.addEvent", event)], "no instant").await;
    seen(&[("projects.getProject", json!([1]))], "positional").await;
    seen(&[("tickets.noSuch", json!({}))], "does not play").await;
    let named = json!({ "searchCriteria": { "currentProject": 1, "status": "New" } });
    seen(&[("tickets.getAll", named)], "by its name").await;
}

#[tokio::test]
async fn manners_are_seen() {
    let (fake, _, client) = with_editor().await;
    let call = asked("projects.getAll", json!({}));
    client.post(&call).header("x-requested-with", "XMLHttpRequest").send().await.unwrap();
    let url = format!("{}/api/jsonrpc?jsonrpc=2.0&id=1", fake.url());
    client.http.get(url).header("x-api-key", &client.header.1).send().await.unwrap();
    let mut silent = call.clone();
    silent["id"] = Value::Null;
    client.ask(&silent).await;
    let bad = Client::new(&fake.url(), "x-api-key", "lt_wrong_key");
    assert_eq!(bad.status(&call).await, 401);
    assert_eq!(fake.violations().len(), 3, "{:?}", fake.violations());
    assert_eq!(bad.status(&call).await, 401);
    let all = fake.violations();
    let words = ["X-Requested-With", "GET", "without an id", "tried again"];
    assert_eq!(all.len(), words.len());
    for (violation, word) in all.iter().zip(words) {
        assert!(violation.contains(word), "{violation}");
    }
}

#[tokio::test]
async fn who_is_not_strict_writes_nothing_down() {
    let options = Options { strict: false, ..Options::default() };
    let (fake, _, client) = with_editor_of(options).await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    client.patch(id, json!({ "status": 777 })).await;
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_careful_client_has_nothing_written_down() {
    let (fake, me, client) = with_editor().await;
    let values = json!({
        "headline": "A", "projectId": 1, "editorId": me, "status": 3, "priority": 2,
        "dateToFinish": "2026-12-24", "editFrom": "2026-12-20T09:00:00Z",
        "editTo": "2026-12-20T10:00:00Z", "collaborators": [1],
    });
    let id = client.add(values).await;
    assert_eq!(client.patch(id, json!({ "status": 4, "editorId": 0 })).await, true);
    let search = json!({ "currentProject": 1, "status": "not_done", "excludeType": "milestone" });
    assert_eq!(client.found(search).await, [id]);
    assert_eq!(fake.violations(), Vec::<String>::new());
}
