//! Handed-over work that nobody has decided about.

use super::counting;
use crate::support::counted::Counted;
use crate::support::daemon::{ADA, Team};
use crate::support::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_was_handed_over_waits_with_its_age_until_somebody_decides() {
    let counted = Counted::begin();
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    let (first, second) = (team.task("One").await, team.task("Two").await);
    let life = counting(&team).await;
    let waiting = async || {
        life.daemon.measure().await;
        let age = counted.sample("rota_reviews_oldest_seconds");
        (counted.count("rota_reviews_waiting"), age)
    };
    assert_eq!(waiting().await, (0, 0.0));
    life.run("ai-worker").await;
    team.clock.advance(Duration::from_hours(1));
    let (count, age) = waiting().await;
    assert_eq!(count, 2);
    assert!((3_600.0..3_700.0).contains(&age), "{age}");
    let ada = team.person(ADA).await;
    for (task, left) in [(first, 1), (second, 0)] {
        let args = json!({ "task": task.0, "decision": "approve", "comment": "" });
        life.call(&ada, "decideReview", args).await.unwrap();
        assert_eq!(waiting().await.0, left);
    }
    assert_eq!(waiting().await, (0, 0.0));
    life.stop().await;
}
