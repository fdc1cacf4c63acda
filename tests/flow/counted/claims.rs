//! Claims as they are held, the rest of their leases, and how they end; runs under way, and those that wait.

use super::counting;
use crate::support::counted::Counted;
use crate::support::daemon::{ADA, Life, Team};
use crate::support::playbooks::{ASKS, QUICK, WORKER as WORKER_PLAYBOOK};
use rota::domain::{TaskEdit, TaskId};
use rota::tools::desk::Desk as _;
use std::time::Duration;

const AGE: &str = "rota_claim_age_seconds";
const LEFT: &str = "rota_claim_lease_left_seconds";

async fn team(script: &str) -> (Team, Life, TaskId) {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[script, QUICK]);
    let task = team.task("Fix the login").await;
    let life = counting(&team).await;
    (team, life, task)
}

/// How many claims are in a phase, and runs in a state.
async fn now(counted: &Counted, life: &Life, phase: &str, state: &str) -> (u64, u64) {
    life.daemon.measure().await;
    let claims = counted.count(&format!("rota_claims{{phase=\"{phase}\"}}"));
    (claims, counted.count(&format!("rota_runs{{state=\"{state}\"}}")))
}

fn ended(counted: &Counted, how: &str) -> u64 {
    counted.count(&format!("rota_claims_ended_total{{how=\"{how}\"}}"))
}

#[tokio::test(start_paused = true)]
async fn a_claim_at_work_is_told_with_its_age_and_the_rest_of_its_lease() {
    let counted = Counted::begin();
    let (team, life, _) = team(QUICK).await;
    let mut gate = team.gates.stop("model");
    let measuring = async {
        gate.reached().await;
        assert_eq!(now(&counted, &life, "working", "running").await, (1, 1));
        let (age, left) = (counted.sample(AGE), counted.sample(LEFT));
        assert!(left > 10.0, "{left}");
        team.clock.advance(Duration::from_secs(10));
        life.daemon.measure().await;
        let (older, less) = (counted.sample(AGE), counted.sample(LEFT));
        assert!((older - age - 10.0).abs() < 0.1, "{age} {older}");
        assert!((left - less - 10.0).abs() < 0.1, "{left} {less}");
        gate.open();
    };
    tokio::join!(life.run("ai-worker"), measuring);
    assert_eq!(now(&counted, &life, "working", "running").await, (0, 0));
    // As nothing was held.
    assert_eq!((counted.count(AGE), counted.count(LEFT)), (0, 0));
    assert_eq!((counted.count("rota_claims_taken_total"), ended(&counted, "released")), (1, 1));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_renewed_is_below_nothing_until_it_is_expired() {
    let counted = Counted::begin();
    let (team, life, _) = team(QUICK).await;
    let mut gate = team.gates.stop("model");
    let sleeping = async {
        gate.reached().await;
        team.clock.advance(Duration::from_secs(90));
        life.daemon.measure().await;
        assert!(counted.sample(LEFT) < 0.0, "{}", counted.sample(LEFT));
        assert_eq!(ended(&counted, "expired"), 0);
        life.daemon.tick().await;
        assert_eq!(ended(&counted, "expired"), 1);
        gate.open();
    };
    tokio::join!(life.run("ai-worker"), sleeping);
    assert_eq!(ended(&counted, "released"), 0);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_taken_away_and_one_that_is_yielded_are_counted_as_such() {
    let counted = Counted::begin();
    let (team, life, task) = team(ASKS).await;
    life.run("ai-worker").await;
    assert_eq!(now(&counted, &life, "parked", "waiting").await, (1, 1));
    assert_eq!(now(&counted, &life, "working", "running").await, (0, 0));
    team.edit(ADA, task, TaskEdit::Assignee(Some(ADA))).await;
    life.work().await;
    assert_eq!(now(&counted, &life, "parked", "waiting").await, (0, 0));
    assert_eq!((ended(&counted, "yielded"), ended(&counted, "revoked")), (1, 0));

    let other = team.task("Fix the footer").await;
    let mut gate = team.gates.stop("model");
    let taking = async {
        gate.reached().await;
        life.daemon.release_claim(other, "wrong task", "Ada").await.unwrap();
    };
    tokio::join!(life.run("ai-worker"), taking);
    assert_eq!((ended(&counted, "yielded"), ended(&counted, "revoked")), (1, 1));
    life.stop().await;
}
