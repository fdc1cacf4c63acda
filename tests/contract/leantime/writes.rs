//! Tickets are written without a look at what is written.

use super::{asked, with_editor};
use crate::support::leantime::{FakeLeantime, Options, Role};
use serde_json::{Value, json};

#[tokio::test]
async fn as_json_strings_are_trimmed_and_empty_ones_are_null() {
    let (fake, _, client) = with_editor().await;
    let id = client.add(json!({ "headline": "  A  ", "projectId": 1, "tags": "x" })).await;
    assert_eq!(fake.ticket(id).unwrap()["headline"], "A");
    client.patch(id, json!({ "tags": "", "description": "  a\n  b \n" })).await;
    let kept = fake.ticket(id).unwrap();
    assert_eq!((&kept["tags"], &kept["description"]), (&Value::Null, &json!("a\n  b")));
    let values = json!({ "tags": "", "description": "  a\n  b \n" });
    let call = asked("tickets.patchTicket", json!({ "id": id, "values": values }));
    let request = client.post(&call).build().unwrap();
    let mut plain = request;
    plain.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    client.http.execute(plain).await.unwrap();
    let kept = fake.ticket(id).unwrap();
    assert_eq!((&kept["tags"], &kept["description"]), (&json!(""), &json!("  a\n  b \n")));
}

#[tokio::test]
async fn html_is_kept_as_it_came() {
    let (_fake, _, client) = with_editor().await;
    let html = "<p onclick=\"x()\">a</p><script>alert(1)</script>";
    let id = client.add(json!({ "headline": "A", "projectId": 1, "description": html })).await;
    assert_eq!(client.ticket(id).await["description"], html);
}

#[tokio::test]
async fn update_empties_what_it_is_not_told_and_is_done() {
    let (fake, _, client) = with_editor().await;
    let full = json!({
        "headline": "A", "projectId": 1, "description": "d", "tags": "t", "editorId": 1,
        "storypoints": 3, "dateToFinish": "2026-12-24", "collaborators": [1],
    });
    let id = client.add(full).await;
    let values = json!({ "id": id, "projectId": 1 });
    assert_eq!(client.call("tickets.updateTicket", json!({ "values": values })).await, true);
    let kept = fake.ticket(id).unwrap();
    let expected = json!(["A", "", "", "", 0, 0, [], "0000-00-00 00:00:00"]);
    let names = [
        "headline",
        "description",
        "tags",
        "editorId",
        "status",
        "storypoints",
        "collaborators",
        "dateToFinish",
    ];
    assert_eq!(names.iter().map(|name| kept[*name].clone()).collect::<Value>(), expected);
}

#[tokio::test]
async fn nonsense_is_stored_and_called_a_success() {
    let (fake, _, client) = with_editor().await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    let kept = async |values: Value, name: &str| {
        assert_eq!(client.patch(id, values).await, true);
        fake.ticket(id).unwrap()[name].clone()
    };
    assert_eq!(kept(json!({ "status": 777 }), "status").await, 777);
    assert_eq!(kept(json!({ "status": "In Progress" }), "status").await, 0);
    assert_eq!(kept(json!({ "editorId": 99_999 }), "editorId").await, "99999");
    let long = kept(json!({ "headline": "ä".repeat(300) }), "headline").await;
    assert_eq!(long.as_str().unwrap().chars().count(), 255);
    let long = kept(json!({ "description": "ä".repeat(40_000) }), "description").await;
    assert_eq!(long.as_str().unwrap().len(), 65_534, "bytes count, and characters stay whole");
    assert_eq!(kept(json!({ "tags": "x".repeat(256) }), "tags").await, "x".repeat(255));
    // Nothing known: the only refusal there is, and it is no error.
    assert_eq!(client.patch(id, json!({ "milestoneId": 3 })).await, false);
    assert_eq!(client.code("tickets.patchTicket", json!({ "id": 9, "values": {} })).await, -32002);
}

#[tokio::test]
async fn nobody_is_written_in_many_ways() {
    let (_fake, _, client) = with_editor().await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    let mut seen = vec![client.ticket(id).await["editorId"].clone()];
    for nobody in [json!(0), json!(""), json!(5)] {
        client.patch(id, json!({ "editorId": nobody })).await;
        seen.push(client.ticket(id).await["editorId"].clone());
    }
    assert_eq!(seen, [json!(""), json!("0"), Value::Null, json!("5")]);
}

#[tokio::test]
async fn no_answer_says_when_a_ticket_was_changed() {
    let (_fake, _, client) = with_editor().await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    assert_eq!(client.ticket(id).await["modified"], Value::Null);
    let rows = client.call("tickets.getAll", json!({})).await;
    assert!(rows[0].get("modified").is_none());
}

#[tokio::test]
async fn a_search_has_a_limit_and_no_pages_and_hides_what_is_archived() {
    let (fake, _, client) = with_editor().await;
    let ada = fake.as_person(1);
    let id = |status: i64, kind: &str| {
        ada.add_ticket(json!({ "headline": "T", "projectId": 1, "status": status, "type": kind }))
    };
    let (new, done, archived) = (id(3, "task"), id(0, "task"), id(-1, "task"));
    let milestone = id(3, "milestone");
    let all = json!({ "currentProject": 1 });
    assert_eq!(client.found(all.clone()).await, [milestone, done, new]);
    let with = |key: &str, value: Value| {
        let mut criteria = all.clone();
        criteria[key] = value;
        criteria
    };
    assert_eq!(client.found(with("status", json!("-1"))).await, [archived]);
    assert_eq!(client.found(with("status", json!("Done"))).await, [done]);
    assert_eq!(client.found(with("status", json!("all"))).await.len(), 4);
    assert_eq!(client.found(with("status", json!("not_done"))).await, [milestone, new]);
    // Without a project the words mean nothing.
    assert_eq!(client.found(json!({ "status": "not_done" })).await.len(), 4);
    assert_eq!(client.found(with("excludeType", json!("milestone"))).await, [done, new]);
    assert_eq!(client.found(with("nonsense", json!("x"))).await.len(), 3);
    let limited = json!({ "searchCriteria": all, "limit": 1, "offset": 1 });
    let rows = client.call("tickets.getAll", limited).await;
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["id"]), (1, &json!(milestone)));
    assert_eq!(rows[0]["statusLabel"], "New");
    assert_eq!(rows[0]["bookedHours"], "0.00");
    let rows = client.call("tickets.getAll", json!({ "searchCriteria": { "status": "0" } })).await;
    assert!(rows[0].get("statusLabel").is_none(), "what is done has no label");
    ada.close_project(1);
    assert_eq!(client.found(json!({})).await, Vec::<i64>::new());
    assert_eq!(client.found(all.clone()).await.len(), 3);
}

#[tokio::test]
async fn a_search_looks_for_people_tags_and_terms() {
    let (_fake, me, client) = with_editor().await;
    let first = json!({
        "headline": "Fix login", "projectId": 1, "tags": "agent,web", "editorId": me, "priority": 1,
    });
    let first = client.add(first).await;
    let second =
        json!({ "headline": "agents", "projectId": 1, "collaborators": [me], "sprint": 2 });
    let second = client.add(second).await;
    let found = async |key: &str, value: &str| {
        let mut criteria = json!({ "currentProject": 1 });
        criteria[key] = json!(value);
        client.found(criteria).await
    };
    assert_eq!(found("users", &me.to_string()).await, [second, first]);
    assert_eq!(found("term", "LOGIN").await, [first]);
    assert_eq!(found("term", "agent").await, [second, first]);
    assert_eq!(found("term", "web").await, [first]);
    assert_eq!(found("priority", "1").await, [first]);
    assert_eq!(found("sprint", "backlog").await, [first]);
    assert_eq!(found("tags", "web").await, [second, first], "the key is ignored");
    assert_eq!(found("orderBy", "priority").await, [second, first]);
    assert_eq!(found("orderBy", "duedate").await, [second, first]);
    let last = client.call("tickets.getLastTickets", json!({ "projectId": 1, "limit": 1 })).await;
    assert_eq!(last[0]["id"], second);
    let done = client.call("tickets.getAllDoneUserTickets", json!({})).await;
    assert_eq!(done, json!([]));
    let open = async |user: Value| {
        let rows = client.call("tickets.getAllOpenUserTickets", user).await;
        rows.as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Vec<_>>()
    };
    client.patch(first, json!({ "editorId": 1 })).await;
    assert_eq!(open(json!({ "userId": me })).await, [json!(second)], "who works on it, too");
    assert_eq!(open(json!({})).await.len(), 2, "without a user they are everybody's");
    client.patch(second, json!({ "status": 777 })).await;
    assert_eq!(open(json!({})).await, [json!(first)], "neither open nor done");
}

#[tokio::test]
async fn what_is_deleted_leaves_its_comments_and_its_number_is_not_given_again() {
    let (fake, _, client) = with_editor().await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    fake.as_person(1).comment(id, "hello");
    assert_eq!(client.call("tickets.delete", json!({ "id": id })).await, true);
    assert_eq!(fake.comments("ticket", id).len(), 1);
    assert_eq!(client.call("tickets.delete", json!({ "id": id })).await["type"], "error");
    assert_eq!(client.add(json!({ "headline": "B", "projectId": 1 })).await, id + 1);
}

#[tokio::test]
async fn a_ticket_that_moves_loses_what_it_belonged_to() {
    let fake = FakeLeantime::start(Options::default()).await;
    let other = fake.add_project("Other", &[]);
    let (_, client) = super::client(&fake, Role::Editor, &[1, other]);
    let values = json!({
        "headline": "A", "projectId": 1, "sprint": 4, "milestoneid": 3, "dependingTicketId": 2,
    });
    let id = client.add(values).await;
    let moved = json!({ "id": id, "projectId": other });
    assert_eq!(client.call("tickets.moveTicket", moved).await, true);
    let kept = fake.ticket(id).unwrap();
    let names = ["projectId", "sprint", "milestoneid", "dependingTicketId"];
    let values: Value = names.iter().map(|name| kept[*name].clone()).collect();
    assert_eq!(values, json!([other, null, null, null]), "null this time, and not 0");
    let ada = fake.as_person(1);
    let milestone = ada.add_ticket(json!({ "headline": "M", "projectId": 1, "type": "milestone" }));
    let below =
        client.add(json!({ "headline": "B", "projectId": 1, "milestoneid": milestone })).await;
    let moved = json!({ "id": milestone, "projectId": other });
    assert_eq!(client.call("tickets.moveTicket", moved).await, true);
    assert_eq!(fake.ticket(below).unwrap()["projectId"], other);
    let third = fake.add_project("Third", &[]);
    let moved = json!({ "id": id, "values": { "projectId": third } });
    assert_eq!(client.code("tickets.patchTicket", moved).await, -32001);
}

#[tokio::test]
async fn of_two_who_assign_both_are_told_that_it_went_well() {
    let (fake, me, first) = with_editor().await;
    let (other, second) = super::client(&fake, Role::Editor, &[1]);
    let id = first.add(json!({ "headline": "A", "projectId": 1 })).await;
    assert_eq!(first.patch(id, json!({ "editorId": me })).await, true);
    assert_eq!(second.patch(id, json!({ "editorId": other })).await, true);
    assert_eq!(fake.ticket(id).unwrap()["editorId"], other.to_string());
}
