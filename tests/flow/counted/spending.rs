//! What runs used, and what is left of the team's day.

use super::counting;
use crate::support::counted::Counted;
use crate::support::daemon::{Life, Team};
use crate::support::playbooks::{WORKER as WORKER_PLAYBOOK, changed};
use rota::domain::DayBudget;
use std::time::Duration;

/// A run uses 1,000 tokens, of which 300 were read before, and 5,000 millionths.
const SPENDS: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "getTicket", args = { id = "${task_id}" } }]
usage = { tokens_in = 900, tokens_cached = 300, tokens_out = 100, cost_micros = 5000 }

[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now." } }]
"#;

/// Tokens in, of which cached, and out; and the money.
fn used(counted: &Counted) -> [u64; 4] {
    let tokens = |kind: &str| counted.count(&format!("rota_tokens_total{{kind=\"{kind}\"}}"));
    let money = counted.count("rota_cost_micros_total");
    [tokens("in"), tokens("cached"), tokens("out"), money]
}

/// Tokens and money that are left.
async fn left(counted: &Counted, life: &Life) -> (u64, u64) {
    life.daemon.measure().await;
    let tokens = counted.count("rota_budget_left_tokens");
    (tokens, counted.count("rota_budget_left_cost_micros"))
}

#[tokio::test(start_paused = true)]
async fn what_a_run_used_is_counted_when_it_has_ended_and_no_more_left_of_the_day() {
    let counted = Counted::begin();
    let mut team = Team::new().await;
    team.budget = DayBudget { tokens: Some(50_000), cost_micros: Some(1_000_000) };
    let limits = "[limits]\ntokens = 5_000\ncost = \"0.02 USD\"";
    team.playbook("ai-worker", &changed(WORKER_PLAYBOOK, &[("[limits]", limits)]));
    team.model("worker", &[SPENDS]);
    team.task("One").await;
    let life = counting(&team).await;
    assert_eq!((used(&counted), left(&counted, &life).await), ([0; 4], (50_000, 1_000_000)));
    let mut gate = team.gates.stop_after("model", 1);
    let measuring = async {
        gate.reached().await;
        // What it has set aside is not spent.
        assert_eq!((used(&counted), left(&counted, &life).await), ([0; 4], (50_000, 1_000_000)));
        gate.open();
    };
    tokio::join!(life.run("ai-worker"), measuring);
    let after = (used(&counted), left(&counted, &life).await);
    assert_eq!(after, ([900, 300, 100, 5_000], (49_000, 995_000)));
    team.task("Two").await;
    life.run("ai-worker").await;
    let after = (used(&counted), left(&counted, &life).await);
    assert_eq!(after, ([1_800, 600, 200, 10_000], (48_000, 990_000)));
    // The next day has all of it again; what was counted stays.
    team.clock.advance(Duration::from_hours(24));
    let after = (used(&counted), left(&counted, &life).await);
    assert_eq!(after, ([1_800, 600, 200, 10_000], (50_000, 1_000_000)));
    life.stop().await;
}
