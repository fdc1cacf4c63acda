//! An occurrence that several daemons know is taken up by one of them only.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{Team, request};
use crate::support::gates::Gates;
use async_trait::async_trait;
use rota::domain::*;
use rota::store::{Batch, Result, Row, Store, Versioned};
use rota::tools::desk::Desk as _;
use std::sync::Arc;
use std::time::Duration;

/// The store as one daemon sees it, with a gate before and after each commit that writes an
/// occurrence (`before occurrence`, `after occurrence`).
#[derive(Debug)]
struct Gated {
    below: Arc<dyn Store>,
    gates: Arc<Gates>,
}

#[async_trait]
impl Store for Gated {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.below.get(key).await
    }
    async fn commit(&self, batch: Batch) -> Result<()> {
        let is_one = batch.puts.iter().any(|(key, _)| key.starts_with("occurrence/"));
        if is_one {
            self.gates.pass("before occurrence").await;
        }
        let answer = self.below.commit(batch).await;
        if is_one {
            self.gates.pass("after occurrence").await;
        }
        answer
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.below.scan(prefix, after, limit).await
    }
    async fn now(&self) -> Result<StoreTime> {
        self.below.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.below.now_at_most()
    }
}

/// Daemons that start from now on have gates before the store; returns the store without.
fn put_gates(team: &mut Team) -> Arc<dyn Store> {
    let below = Arc::clone(&team.store);
    let gates = Arc::clone(&team.gates);
    team.store = Arc::new(Gated { below: Arc::clone(&below), gates });
    below
}

#[tokio::test(start_paused = true)]
async fn of_two_daemons_that_begin_one_occurrence_one_makes_the_report() {
    let mut team = Team::new().await;
    let text = "agent = \"AI-Worker\"\n[on]\nevery = \"30s\"\n[work]\nrunner = \"model\"\n\
        model = \"worker\"\nprompt = \"report.md.hbs\"\ntools = [\"finish\"]\n[outcome.ready]\n";
    std::fs::write(team.folder.path().join("templates/report.md.hbs"), "Report.").unwrap();
    team.playbook("report", text);
    team.model("worker", &[QUICK]);
    let below = put_gates(&mut team);
    let one = team.start_as("one").await;
    one.daemon.tick().await;
    team.store = below;
    team.clock.advance(Duration::from_secs(30));
    // It has read that the occurrence waits, and is about to write that it begins.
    let mut beginning = team.gates.stop_after("before occurrence", 1);
    let other = async {
        beginning.reached().await;
        let mut working = team.gates.stop("model");
        let two = team.start_as("two").await;
        two.daemon.tick().await;
        working.reached().await;
        beginning.open();
        (two, working)
    };
    let ((), (two, working)) = tokio::join!(one.daemon.tick(), other);
    one.daemon.idle().await;
    working.open();
    two.daemon.idle().await;
    let runs = two.ledger.runs(&rota::ledger::RunFilter::default(), 10).await.unwrap();
    assert_eq!(runs.len(), 1, "{runs:#?}");
    assert!(two.ledger.open_occurrences().await.unwrap().is_empty());
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_about_to_be_taken_up_is_no_work_for_others() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    let task = team.task("Fix the login").await;
    let one = team.start_as("one").await;
    let mut working = team.gates.stop("model");
    tokio::select! {
        report = one.daemon.run_playbook(request("ai-worker")) => panic!("{report:?}"),
        () = working.reached() => {}
    }
    drop(working);
    // Its process is gone; so is that of the next one, as soon as it has noted what it takes up.
    team.clock.advance(Duration::from_secs(61));
    let below = put_gates(&mut team);
    let mut noted = team.gates.stop("after occurrence");
    let two = team.start_as("two").await;
    tokio::select! {
        () = two.daemon.tick() => {}
        () = noted.reached() => {}
    }
    drop(noted);
    team.store = below;
    let three = team.start_as("three").await;
    for _ in 0..3 {
        team.clock.advance(Duration::from_secs(61));
        three.work().await;
    }
    let runs = three.runs(task).await;
    let ends: Vec<_> = runs.iter().rev().map(|run| (run.attempt, run.state)).collect();
    assert_eq!(ends, [(1, RunState::Interrupted), (2, RunState::Succeeded)], "{runs:#?}");
    assert_eq!(team.status(task).await, "Ready for Review");
    three.stop().await;
}
