//! Many by one call, told of one by one.

use super::{Piped, team};
use crate::support::rota::{Rota, Serving, until};
use serde_json::json;

#[test]
fn whoever_asks_for_progress_is_told_of_each_item_before_the_answer() {
    let rota = team();
    let mut piped = Piped::start(&rota, &[]);
    piped.shake_hands();
    let one = |headline: &str| json!({ "projectId": 1, "headline": headline });
    let mut params = json!({ "name": "bulkAddTasks" });
    params["arguments"] = json!({ "tasks": [one("A"), one("B"), one("C")] });
    params["_meta"] = json!({ "progressToken": "p" });
    let request = json!({ "jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": params });
    piped.send(&request);
    let mut told = Vec::new();
    let answer = loop {
        let message = piped.next();
        if message["id"] == 77 {
            break message;
        }
        assert_eq!(message["method"], "notifications/progress", "{message:#}");
        assert_eq!(message["params"]["progressToken"], "p");
        told.push(message["params"]["message"].as_str().unwrap().to_owned());
    };
    assert_eq!(answer["result"]["structuredContent"]["done"], 3, "{answer:#}");
    let lines: Vec<_> = told.iter().filter(|line| line.starts_with("bulkAddTasks")).collect();
    assert_eq!(lines.len(), 3, "{told:?}");
    assert_eq!(lines[2], "bulkAddTasks 3 of 3: task 4");
}

/// Cancels a call of a hundred as soon as the first is told of; how many were done in the end.
fn cancelled(rota: &Rota, serving: Option<Serving>) -> usize {
    let mut piped = Piped::start(rota, &[]);
    piped.shake_hands();
    let tasks: Vec<_> =
        (0..100).map(|number| json!({ "projectId": 1, "headline": format!("{number}") })).collect();
    let mut params = json!({ "name": "bulkAddTasks", "_meta": { "progressToken": "p" } });
    params["arguments"] = json!({ "tasks": tasks });
    piped.send(&json!({ "jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": params }));
    let first = piped.next();
    assert_eq!(first["method"], "notifications/progress", "{first:#}");
    let cancel = json!({ "requestId": 77, "reason": "changed my mind" });
    let method = "notifications/cancelled";
    piped.send(&json!({ "jsonrpc": "2.0", "method": method, "params": cancel }));
    // The house ends, or is let go, when what was begun has come to its end; to hang up before would be
    // to cancel in another way.
    let socket = rota.state().join("control.sock");
    match serving {
        Some(serving) => assert_eq!(serving.stop(), 0),
        None => until("the folder is let go", || (!socket.exists()).then_some(())),
    }
    assert_eq!(piped.hang_up(), 0);
    let listed = rota.run(["task", "list", "-n", "1000", "--json"]).ok().json();
    listed["items"].as_array().unwrap().len() - 1
}

#[test]
fn a_call_of_many_that_is_cancelled_at_a_pipe_begins_no_other_item() {
    // Fast machines may be through before they hear of it.
    let without = (0..5).map(|_| cancelled(&team(), None)).find(|done| *done < 100);
    assert!(without.is_some_and(|done| done > 0), "without a daemon: {without:?}");
    let with = (0..5).map(|_| {
        let rota = team();
        let serving = rota.serve(Vec::<&str>::new());
        cancelled(&rota, Some(serving))
    });
    let with = with.into_iter().find(|done| *done < 100);
    assert!(with.is_some_and(|done| done > 0), "with a daemon: {with:?}");
}
