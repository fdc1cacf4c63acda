//! The day's budget: what does not fit is not begun, and says why.

use super::playbooks::{DILIGENT, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{Life, Team, request};
use crate::support::playbooks::changed;
use rota::domain::*;
use rota::tools::desk::Desk as _;
use std::time::Duration;

/// Each run uses 1,000 tokens and 5,000 millionths, and may use five times that.
const SPENDS: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "getTicket", args = { id = "${task_id}" } }]
usage = { tokens_in = 900, tokens_out = 100, cost_micros = 5000 }

[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now." } }]
"#;

fn playbook(limits: &str) -> String {
    changed(WORKER_PLAYBOOK, &[("[limits]", &format!("[limits]\n{limits}"))])
}

async fn team(limits: &str, tasks: usize) -> (Team, Vec<TaskId>) {
    let mut team = Team::new().await;
    team.slots = 300;
    team.playbook("ai-worker", &playbook(limits));
    team.model("worker", &[SPENDS]);
    let mut all = Vec::new();
    for n in 0..tasks {
        all.push(team.task(&format!("Task {n}")).await);
    }
    (team, all)
}

fn day(text: &str) -> chrono::NaiveDate {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn runs_side_by_side_never_use_more_together_than_the_day_allows() {
    let (mut team, tasks) = team("tokens = 5_000", 40).await;
    team.budget = DayBudget { tokens: Some(23_000), cost_micros: None };
    let life = team.start().await;
    life.daemon.run_playbook(request("ai-worker")).await.unwrap();
    let spent = life.ledger.spent(None, day("2026-11-03")).await.unwrap();
    assert_eq!(spent.reserved.tokens, 0, "all of them have ended");
    let mut begun = 0;
    for task in &tasks {
        begun += life.runs(*task).await.len();
    }
    assert_eq!(u64::try_from(begun).unwrap() * 1_000, spent.spent.tokens);
    assert!(spent.spent.tokens <= 23_000, "{spent:?}");
    // What a run did not use is there for the next one, until less is left than one may use.
    for _ in 0..30 {
        life.daemon.run_playbook(request("ai-worker")).await.unwrap();
    }
    let spent = life.ledger.spent(None, day("2026-11-03")).await.unwrap();
    assert_eq!(spent.spent.tokens, 19_000, "{spent:?}");
    let report = life.daemon.run_playbook(request("ai-worker")).await.unwrap();
    assert_eq!(report.reason, Reason::BudgetDay, "{report:#?}");
    // The rest was never claimed, and both playbook and task can say why.
    let left = tasks.last().unwrap();
    assert!(life.ledger.claim(*left).await.unwrap().is_none());
    for subject in ["ai-worker", &left.to_string()] {
        let why = life.daemon.why(subject, None).await.unwrap().to_string();
        assert!(why.contains("budget_day"), "{subject}: {why}");
        assert!(why.contains("4000 are left for 2026-11-03"), "{subject}: {why}");
    }
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_playbook_has_a_budget_of_its_own_in_money() {
    let (team, _) = team("cost = \"0.02 USD\"\ncost_per_day = \"0.03 USD\"", 10).await;
    let life = team.start().await;
    for _ in 0..9 {
        life.daemon.run_playbook(request("ai-worker")).await.unwrap();
    }
    let name = PlaybookName::new("ai-worker");
    let spent = life.ledger.spent(Some(&name), day("2026-11-03")).await.unwrap();
    assert_eq!((spent.spent.cost_micros, spent.reserved.cost_micros), (15_000, 0));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_day_is_the_teams_civil_day_also_where_the_clocks_are_set() {
    // Berlin: 2026-10-25 has 25 hours. Its midnight is 22:00 before and 23:00 after in UTC.
    let mut team = Team::at("2026-10-24T21:30:00Z").await;
    team.playbook("ai-worker", &playbook("tokens = 1_500"));
    team.model("worker", &[SPENDS]);
    team.budget = DayBudget { tokens: Some(1_500), cost_micros: None };
    for n in 0..9 {
        team.task(&format!("Task {n}")).await;
    }
    let life = team.start().await;
    let run = || life.daemon.run_playbook(request("ai-worker"));
    // One a day, whatever its length.
    for (hours_on, reason) in [
        (0, Reason::HandedOver),
        (0, Reason::BudgetDay),
        (1, Reason::HandedOver), // 00:30 on the 25th
        (24, Reason::BudgetDay), // 23:30 on the 25th, by winter time
        (1, Reason::HandedOver), // 00:30 on the 26th
    ] {
        team.clock.advance(Duration::from_hours(hours_on));
        let report = run().await.unwrap();
        assert_eq!(report.reason, reason, "{hours_on}: {report:#?}");
    }
    for date in ["2026-10-24", "2026-10-25", "2026-10-26"] {
        assert_eq!(life.ledger.spent(None, day(date)).await.unwrap().spent.tokens, 1_000, "{date}");
    }
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_run_used_before_a_crash_is_not_forgotten_and_the_rest_is_given_back() {
    let (mut team, tasks) = team("tokens = 5_000\n", 1).await;
    team.budget = DayBudget { tokens: Some(11_000), cost_micros: None };
    let dead = team.start().await;
    let mut gate = team.gates.stop_after("model", 1);
    tokio::select! {
        report = dead.daemon.run_playbook(request("ai-worker")) => panic!("{report:?}"),
        () = gate.reached() => {}
    }
    drop(gate);
    let sums = |life: &Life| {
        let ledger = std::sync::Arc::clone(&life.ledger);
        async move {
            let sums = ledger.spent(None, day("2026-11-03")).await.unwrap();
            (sums.spent.tokens, sums.reserved.tokens)
        }
    };
    assert_eq!(sums(&dead).await, (0, 5_000));
    team.clock.advance(Duration::from_secs(1));
    let life = team.start().await;
    life.work().await;
    assert_eq!(life.runs(tasks[0]).await.len(), 2, "the next attempt came to an end");
    assert_eq!(sums(&life).await, (2_000, 0), "1,000 before the crash, 1,000 after it");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_any_budget_everything_runs_and_is_summed_up() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[DILIGENT]);
    team.task("Fix the login").await;
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    let spent = life.ledger.spent(None, day("2026-11-03")).await.unwrap();
    assert_eq!((spent.spent.tokens, spent.spent.cost_micros), (940, 3_000));
    assert_eq!(spent.reserved, rota::ledger::Amount::default());
    life.stop().await;
}
