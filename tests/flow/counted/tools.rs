//! Calls of tools, by tool and what came of them, and how long they took.

use super::counting;
use crate::support::counted::Counted;
use crate::support::daemon::{ADA, Team};
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn calls_of_tools_are_counted_by_code_and_each_by_how_long_it_took() {
    let counted = Counted::begin();
    let team = Team::new().await;
    let task = team.task("One").await;
    let life = counting(&team).await;
    let ada = team.person(ADA).await;
    for id in [task.0, task.0, 99] {
        let found = life.call(&ada, "getTicket", json!({ "id": id })).await;
        assert_eq!(found.is_ok(), id == task.0);
    }
    let calls = |code: &str| {
        counted.count(&format!("rota_tool_calls_total{{tool=\"getTicket\",code=\"{code}\"}}"))
    };
    assert_eq!((calls("ok"), calls("not_found")), (2, 1));
    let took = |part: &str| counted.count(&format!("rota_tool_call_duration_seconds_{part}"));
    assert_eq!(took("count{tool=\"getTicket\"}"), 3);

    let mut gate = team.gates.stop("before editTask");
    let edit = json!({ "id": task.0, "params": { "headline": "Two" } });
    let waiting = async {
        gate.reached().await;
        tokio::time::advance(Duration::from_secs(2)).await;
        gate.open();
    };
    let (edited, ()) = tokio::join!(life.call(&ada, "editTask", edit), waiting);
    edited.unwrap();
    let bucket = |le: &str| took(&format!("bucket{{tool=\"editTask\",le=\"{le}\"}}"));
    assert_eq!((bucket("1"), bucket("5"), took("count{tool=\"editTask\"}")), (0, 1, 1));
    let sum = counted.sample("rota_tool_call_duration_seconds_sum{tool=\"editTask\"}");
    assert!((2.0..3.0).contains(&sum), "{sum}");
    life.stop().await;
}
