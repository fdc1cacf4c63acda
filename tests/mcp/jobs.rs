//! The tasks extension: long work that a client asks after, and nobody else sees.

use super::{Client, team, token};
use crate::support::rota::Rota;
use serde_json::{Value, json};

/// A client without a handshake that knows tasks.
struct Patient(Client);

impl Patient {
    async fn ask(&self, method: &str, name: &str, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":
                { "extensions": { "io.modelcontextprotocol/tasks": {} } },
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" }
        });
        let client = self.0.with("mcp-protocol-version", "2026-07-28");
        let client = client.with("mcp-method", method).with("mcp-name", name);
        client.ask(method, params).await.message()
    }

    async fn add_tasks(&self, count: usize) -> Value {
        let tasks: Vec<_> = (0..count)
            .map(|number| json!({ "projectId": 1, "headline": format!("Task {number}") }))
            .collect();
        let call = json!({ "name": "bulkAddTasks", "arguments": { "tasks": tasks } });
        self.ask("tools/call", "bulkAddTasks", call).await["result"].clone()
    }

    async fn look(&self, id: &str) -> Value {
        self.ask("tasks/get", id, json!({ "taskId": id })).await
    }

    /// How it ended; it is asked for again until it has.
    async fn ended(&self, id: &str) -> Value {
        loop {
            let seen = self.look(id).await;
            assert!(seen["error"].is_null(), "{seen:#}");
            if seen["result"]["status"] != "working" {
                return seen["result"].clone();
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Whoever asks after something asks often.
fn patient_team() -> Rota {
    team().with_env("MCP_RATE_LIMIT", "1000000")
}

async fn count(client: &Client) -> usize {
    let (mut count, mut cursor) = (0, Value::Null);
    loop {
        let page = client.call("findTasks", json!({ "limit": 1000, "cursor": cursor })).await;
        count += page["structuredContent"]["items"].as_array().unwrap().len();
        cursor = page["structuredContent"]["next"].clone();
        if cursor.is_null() {
            return count;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_many_parts_is_asked_after_by_whoever_began_it_alone() {
    let rota = patient_team();
    let (ada, bob) = (token(&rota, &["laptop"]), token(&rota, &["bobs", "--person", "Bob"]));
    let serving = rota.serve(Vec::<&str>::new());
    let client = Patient(Client::of(&serving, Some(&ada)));
    let before = count(&client.0).await;
    let begun = client.add_tasks(20).await;
    assert_eq!(begun["resultType"], "task", "{begun:#}");
    let id = begun["taskId"].as_str().unwrap();
    let other = Patient(Client::of(&serving, Some(&bob)));
    let unknown = other.look("not there").await["error"].clone();
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let params = json!({ "taskId": id, "inputResponses": {} });
        let refused = other.ask(method, id, params).await["error"].clone();
        assert_eq!(refused["code"], -32_602, "{method} {refused:#}");
        let says = |error: &Value, id: &str| error["message"].as_str().unwrap().replace(id, "ID");
        assert_eq!(says(&refused, id), says(&unknown, "not there"), "it is not told apart");
    }
    let ended = client.ended(id).await;
    assert_eq!(ended["status"], "completed", "{ended:#}");
    assert_eq!(ended["result"]["isError"], false, "{ended:#}");
    assert_eq!(ended["result"]["structuredContent"]["done"], 20, "{ended:#}");
    assert_eq!(count(&client.0).await, before + 20);
    // Asked for again it is still there, and what reads is answered at once.
    assert_eq!(client.look(id).await["result"]["status"], "completed");
    let call = json!({ "name": "getTicket", "arguments": { "id": 1 } });
    let read = client.ask("tools/call", "getTicket", call).await;
    assert_eq!(read["result"]["resultType"], "complete", "{read:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_cancelled_stops_between_two_parts_and_reports_what_was_done() {
    let rota = patient_team();
    let ada = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Patient(Client::of(&serving, Some(&ada)));
    // A quick machine may be done before it is told.
    for _ in 0..9 {
        let before = count(&client.0).await;
        let begun = client.add_tasks(100).await;
        let id = begun["taskId"].as_str().unwrap();
        let stopped = client.ask("tasks/cancel", id, json!({ "taskId": id })).await;
        assert!(stopped["error"].is_null(), "{stopped:#}");
        let ended = client.ended(id).await;
        assert_eq!(ended["status"], "completed", "{ended:#}");
        let report = &ended["result"]["structuredContent"];
        let (done, left) = (report["done"].as_u64().unwrap(), report["left"].as_u64().unwrap());
        assert_eq!(done + left, 100, "{report:#}");
        // What it reports is what is on the board, then and later.
        for _ in 0..3 {
            assert_eq!(count(&client.0).await - before, usize::try_from(done).unwrap());
        }
        if left > 0 {
            return;
        }
    }
    panic!("it went on to the end each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_know_tasks_is_answered_when_it_is_done_and_so_is_who_has_too_many() {
    let rota = patient_team();
    let ada = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Patient(Client::of(&serving, Some(&ada)));
    let tasks = json!([{ "projectId": 1, "headline": "At once" }]);
    let done = client.0.call("bulkAddTasks", json!({ "tasks": tasks })).await;
    assert_eq!(done["structuredContent"]["done"], 1, "{done:#}");
    let asked_after = client.ask("tasks/get", "x", json!({ "taskId": "x" })).await;
    assert_eq!(asked_after["error"]["code"], -32_602);
    for number in 0..17 {
        let answer = client.add_tasks(1).await;
        let expected = if number < 16 { "task" } else { "complete" };
        assert_eq!(answer["resultType"], expected, "{number} {answer:#}");
    }
}
