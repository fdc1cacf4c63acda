//! Many by one call, told of one by one.

use super::{Piped, team};
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
