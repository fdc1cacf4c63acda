//! What surrounds an answer: ids, batches, notifications, and what older releases did otherwise.

use super::{Client, asked, client, with_editor, with_editor_of};
use crate::support::leantime::{FakeLeantime, Options, Role, Version};
use serde_json::{Value, json};

fn of(version: Version) -> Options {
    Options { version, ..Options::default() }
}

#[tokio::test]
async fn ids_come_back_as_they_were() {
    let (_fake, _, client) = with_editor().await;
    for id in [json!(7), json!("seven"), json!(0)] {
        let mut call = asked("projects.getAll", json!({}));
        call["id"] = id.clone();
        assert_eq!(client.ask(&call).await["id"], id);
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_fails_in_parts() {
    let (fake, _, client) = with_editor().await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    let part = |number: i64, id: i64, headline: &str| {
        let params = json!({ "id": id, "values": { "headline": headline } });
        let mut call = asked("tickets.patchTicket", params);
        call["id"] = json!(number);
        call
    };
    let mut silent = part(0, id, "C");
    silent.as_object_mut().unwrap().remove("id");
    let batch = json!([part(8, id, "B"), part(7, 999, "?"), silent, part(6, id, "D")]);
    let answers = client.ask(&batch).await;
    assert_eq!(answers.as_array().unwrap().len(), 4);
    assert_eq!((&answers[0]["id"], &answers[0]["result"]), (&json!(8), &json!(true)));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!(7), &json!(-32002)));
    assert_eq!(answers[2], Value::Null);
    assert_eq!(fake.ticket(id).unwrap()["headline"], "D");
    assert_eq!(fake.asked().last().unwrap().methods.len(), 4);
    assert_eq!(fake.calls("tickets.patchTicket"), 4);
}

#[tokio::test]
async fn a_notification_is_carried_out_and_never_answered() {
    let (fake, _, client) = with_editor().await;
    let values = json!({ "headline": "Silent", "projectId": 1 });
    let mut call = asked("tickets.addTicket", json!({ "values": values }));
    call["id"] = Value::Null;
    let answer = client.post(&call).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "");
    assert_eq!(fake.tickets().len(), 1);
}

#[tokio::test]
async fn names_are_understood_in_both_spellings_and_with_a_slash_behind_the_path() {
    let (fake, _, client) = with_editor().await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    for name in ["Tickets.GetTicket", "tickets.get_ticket"] {
        assert_eq!(client.call(name, json!({ "id": id })).await["headline"], "A", "{name}");
    }
    let url = format!("{}/api/jsonrpc/", fake.url());
    let call = asked("tickets.getTicket", json!({ "id": id.to_string() }));
    let request = client.http.post(url).header("x-api-key", &client.header.1);
    let answer = request.body(call.to_string()).send().await.unwrap();
    assert!(answer.text().await.unwrap().contains("\"headline\":\"A\""));
    let seen = fake.asked().pop().unwrap();
    assert_eq!((seen.verb.as_str(), seen.path.as_str()), ("POST", "/api/jsonrpc/"));
    assert!(seen.body.contains("getTicket"), "the body as it came: {}", seen.body);
    let put = client.http.put(format!("{}/api/jsonrpc", fake.url())).send().await.unwrap();
    assert_eq!(put.status(), 404);
}

#[tokio::test]
async fn arguments_are_cast_where_they_can_be() {
    let (_fake, _, client) = with_editor().await;
    let code = |params: Value| client.code("tickets.findTicket", params);
    // Nullable and given as null; given; missing.
    for user in [json!(null), json!(5)] {
        let params = json!({ "term": "a", "projectId": 1, "userId": user });
        assert_ne!(code(params).await, 0);
    }
    assert_eq!(code(json!({ "term": "a", "projectId": "1" })).await, -32602);
    let sheets = json!({ "dateFrom": "2026-11-01", "dateTo": "2026-11-30", "userId": null });
    assert_eq!(client.code("timesheets.getAll", sheets).await, -32602);
    let empty = json!({ "projectId": 1, "term": "" });
    let answer = client.ask(&asked("tags.getTags", empty)).await;
    assert_eq!(answer["error"]["data"], "Parameter term can't be null");
    // What nobody knows is dropped.
    let params = json!({ "id": 99, "nonsense": [] });
    assert_eq!(client.call("tickets.getTicket", params).await, false);
}

#[tokio::test]
async fn old_releases_patch_otherwise_and_wrap_what_is_no_row() {
    let (fake, _, client) = with_editor_of(of(Version::V3_5_12)).await;
    let created = json!({ "values": { "headline": "A", "projectId": 1 } });
    let id = client.call("tickets.addTicket", created).await;
    assert_eq!(id, json!([1]));
    assert_eq!(client.code("tickets.patchTicket", json!({ "id": 1, "values": {} })).await, -32601);
    assert_eq!(client.code("api.config.getSystemInfo", json!({})).await, -32601);
    assert_eq!(client.call("install.currentVersion", json!({})).await, json!(["3.5.12"]));
    let patch = json!({ "id": 1, "params": { "headline": "B" } });
    assert_eq!(client.call("tickets.patch", patch).await, json!([true]));
    assert_eq!(fake.ticket(1).unwrap()["headline"], "B");
    // Rows are not wrapped; roles are not looked at; who one is cannot be asked.
    assert_eq!(client.ticket(1).await["headline"], "B");
    assert!(client.call("users.getAll", json!({})).await.is_array());
    assert_eq!(client.code("users.getUser", json!({})).await, -32602);
    let token = Client::new(&fake.url(), "authorization", &format!("Bearer {}", fake.add_token(1)));
    assert_eq!(token.status(&asked("projects.getAll", json!({}))).await, 401);
}

#[tokio::test]
async fn releases_between_have_some_of_it() {
    let fake = FakeLeantime::start(of(Version::V3_8_0)).await;
    let (_, old) = client(&fake, Role::Editor, &[1]);
    assert_eq!(
        old.call(
            "tickets.addTicket",
            json!({ "values": {
        "headline": "A", "projectId": 1 } })
        )
        .await,
        1
    );
    assert_eq!(
        old.call("tickets.patch", json!({ "id": 1, "params": { "tags": "a" } })).await,
        true
    );
    let fake = FakeLeantime::start(of(Version::V3_9_0)).await;
    let (_, new) = client(&fake, Role::Editor, &[1]);
    assert_eq!(new.code("tickets.patch", json!({ "id": 1, "params": {} })).await, -32601);
    assert_eq!(new.code("users.getAll", json!({})).await, -32001);
    let info = new.call("api.config.getSystemInfo", json!({})).await;
    assert_eq!(info["version"], "3.9.0");
}

#[tokio::test]
async fn some_servers_write_all_numbers_as_strings() {
    let options = Options { numbers_as_strings: true, ..Options::default() };
    let (_fake, _, client) = with_editor_of(options).await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    let ticket = client.ticket(id).await;
    assert_eq!((&ticket["id"], &ticket["status"]), (&json!("1"), &json!("3")));
}

#[tokio::test]
async fn every_release_says_which_one_it_is() {
    for version in Version::ALL {
        let (_fake, _, client) = with_editor_of(of(version)).await;
        let said = client.call("install.currentVersion", json!({})).await;
        let said = if said.is_array() { &said[0] } else { &said };
        assert_eq!(said, version.name());
    }
}
