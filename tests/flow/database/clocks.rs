//! Machines whose clocks are wrong: daemons go by the clock of the database, and so agree.

use super::{PACE, Scene, Wanted, comes, each_second, until};
use crate::support::playbooks::QUICK;
use crate::support::postgres::schema;
use chrono::TimeDelta;
use rota::domain::*;
use rota::ledger::RunFilter;
use rota::store::Store as _;
use std::collections::BTreeMap;

const HOUR: TimeDelta = TimeDelta::hours(1);

/// Asks for tasks each second: a run that is over at once and changes nothing.
fn ticker() -> (&'static str, String) {
    let text = r#"
agent = "AI-Docs"
[on]
cron = "* * * * * *"
[gather.people]
tool = "findTasks"
args = { projectIds = "{{all_project_ids}}" }
[[step]]
tool = "findTasks"
args = { projectIds = "{{all_project_ids}}" }
"#;
    ("ticker", text.to_owned())
}

async fn ran(scene: &Scene) -> Vec<Occurrence> {
    let name = PlaybookName::new("ticker");
    let mut all = scene.eye.ledger.occurrences(&name, 1_000).await.unwrap();
    all.retain(|occurrence| matches!(occurrence.state, OccurrenceState::Ran { .. }));
    all
}

/// Each of these daemons is wrong by so much; what they decide is at its time, and once.
async fn decide_by_the_server(wrong: &[(&str, TimeDelta)]) {
    let Some(database) = schema().await else { return };
    let scene = Scene::new(database, &[], ticker(), &[QUICK]).await;
    let began = scene.now().await;
    let mut machines = Vec::new();
    for (name, by) in wrong {
        let machine = scene.start(Wanted { wrong_by: *by, ..Wanted::named(name) }).await;
        let apart = machine.daemon.now() - scene.now().await;
        assert!(apart.abs() < TimeDelta::minutes(1), "{name} believes it is {apart} later");
        machines.push(machine);
    }
    let ran = until("five instants have come", async || {
        let ran = ran(&scene).await;
        (ran.len() >= 5).then_some(ran)
    })
    .await;
    let now = scene.now().await;
    let second = TimeDelta::seconds(1);
    let runs = scene.eye.ledger.runs(&RunFilter::default(), 10_000).await.unwrap();
    let mut of: BTreeMap<&OccurrenceId, usize> = BTreeMap::new();
    for run in &runs {
        *of.entry(&run.occurrence).or_default() += 1;
    }
    for occurrence in &ran {
        let at = began - second..=now + second;
        assert!(at.contains(&occurrence.planned), "{at:?} {occurrence:#?}");
        assert!(at.contains(&occurrence.decided), "{at:?} {occurrence:#?}");
        // Milliseconds of the way to the server and back are all that it may be early by.
        assert!(occurrence.decided + second >= occurrence.planned, "{occurrence:#?}");
        assert_eq!(of.get(&occurrence.id), Some(&1), "{occurrence:#?}");
    }
    for machine in machines {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_whose_clock_is_an_hour_ahead_begins_nothing_an_hour_early() {
    decide_by_the_server(&[("ahead", HOUR)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_daemons_an_hour_ahead_and_behind_each_instant_is_ones_and_at_its_time() {
    decide_by_the_server(&[("ahead", HOUR), ("behind", -HOUR)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn leases_of_daemons_with_wrong_clocks_end_by_the_server_and_no_task_is_claimed_twice() {
    let Some(database) = schema().await else { return };
    let scene = Scene::new(database, &[], ("ai-worker", each_second()), &[QUICK]).await;
    let mut tasks = Vec::new();
    for number in 0..4 {
        tasks.push(scene.task(&format!("Task {number}")).await);
    }
    let mut gate = scene.gates.stop("model");
    let ahead = scene.start(Wanted { wrong_by: HOUR, ..Wanted::named("ahead") }).await;
    comes("somebody works", gate.reached()).await;
    let behind = scene.start(Wanted { wrong_by: -HOUR, ..Wanted::named("behind") }).await;
    // The claim of the one that is ahead stands for a lease, and not for an hour or for no time.
    let now = scene.eye.store.now().await.unwrap();
    let claims = scene.eye.ledger.claims().await.unwrap();
    let ends: Vec<&StoreTime> =
        claims.iter().filter_map(|claim| claim.lease_ends.as_ref()).collect();
    assert!(!ends.is_empty(), "{claims:#?}");
    let lease = millis(PACE.lease);
    // It was asked for a moment before, and may have been renewed a moment later.
    assert!(ends.iter().all(|end| end.ms > now.ms && end.ms <= now.ms + 2 * lease), "{claims:#?}");
    gate.open();
    for task in &tasks {
        scene.handed_over(*task).await;
    }
    scene.is_sound(&tasks).await;
    for task in &tasks {
        assert_eq!(scene.runs(*task).await.len(), 1);
    }
    ahead.stop().await;
    behind.stop().await;
}
