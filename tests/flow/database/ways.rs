//! The way to the database, or the database itself, goes away while daemons work: nobody acts longer than
//! they may, and everybody goes on by themselves.

use super::{LONG, PACE, Scene, Wanted, comes, each_second, until};
use crate::support::asked::asked;
use crate::support::playbooks::DILIGENT;
use crate::support::postgres::{Proxy, Server};
use rota::domain::*;
use rota::store::{Batch, Store as _, StoreError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

fn worker() -> (&'static str, String) {
    ("ai-worker", each_second())
}

/// What the work of a task leaves behind is there once.
async fn was_done_once(scene: &Scene, tasks: &[TaskId]) {
    scene.is_sound(tasks).await;
    for task in tasks {
        assert_eq!(scene.said(*task, "I found it.").await, 1);
        assert_eq!(scene.said(*task, "hands this over").await, 1);
    }
}

/// One of two daemons is cut off while it works at a task; later all is well again.
async fn one_is_cut_off(cut: fn(&Proxy)) {
    let Some(server) = Server::start().await else { return };
    let way = Proxy::to(server.port());
    let scene = Scene::new(server.team(), &[], worker(), &[DILIGENT]).await;
    let task = scene.task("Fix the login").await;
    let mut gate = scene.gates.stop("model");
    let ports = [way.port()];
    let one = scene.start(Wanted { ports: &ports, ..Wanted::named("one") }).await;
    comes("the first run works", gate.reached()).await;
    let two = scene.start(Wanted::named("two")).await;
    cut(&way);
    comes("the first run stops", gate.left()).await;
    let stopped = scene.now().await;
    let second = scene.handed_over(task).await;
    let runs = scene.runs(task).await;
    assert_eq!(runs.len(), 2, "{runs:#?}");
    let by = |run: &Run| run.daemon.as_ref().unwrap().as_str().to_owned();
    assert_eq!((by(&runs[0]), by(&second)), ("one".to_owned(), "two".to_owned()));
    assert!(second.started >= stopped, "it began at {} before {stopped}", second.started);
    way.heal();
    // From here on only the first takes anything.
    two.ledger.drain_daemon(&DaemonId::new("two"), true, "Ada").await.unwrap();
    two.daemon.tick().await;
    let next = scene.task("Fix the logout").await;
    assert_eq!(by(&scene.handed_over(next).await), "one");
    let runs = scene.runs(task).await;
    assert_ne!(runs[0].state, RunState::Succeeded, "{runs:#?}");
    was_done_once(&scene, &[task, next]).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_that_is_cut_off_stops_before_another_takes_over_and_goes_on_when_that_is_mended()
{
    one_is_cut_off(Proxy::cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_whose_database_falls_silent_stops_before_another_takes_over_and_goes_on_later() {
    one_is_cut_off(Proxy::silence).await;
}

/// Two daemons work at a task each when the database goes away, for as long as this at least.
async fn nobody_has_a_database(pause: Duration) {
    let Some(server) = Server::start().await else { return };
    let scene = Scene::new(server.team(), &[], worker(), &[DILIGENT]).await;
    let tasks = [scene.task("Fix the login").await, scene.task("Fix the logout").await];
    let mut gates = [scene.gates.stop("model"), scene.gates.stop("model")];
    let one = scene.start(Wanted { slots: 1, ..Wanted::named("one") }).await;
    comes("the first works", gates[0].reached()).await;
    let two = scene.start(Wanted { slots: 1, ..Wanted::named("two") }).await;
    comes("the second works", gates[1].reached()).await;
    let end = Instant::now() + pause;
    server.stop().await;
    for gate in &mut gates {
        comes("a run stops", gate.left()).await;
    }
    sleep_until(end).await;
    server.start_again().await;
    for task in tasks {
        scene.handed_over(task).await;
    }
    was_done_once(&scene, &tasks).await;
    let next = scene.task("Fix the rest").await;
    scene.handed_over(next).await;
    was_done_once(&scene, &[next]).await;
    until("both are there again", async || {
        let known = scene.eye.ledger.daemons().await.ok()?;
        (known.iter().filter(|daemon| daemon.is_there).count() == 2).then_some(())
    })
    .await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_is_away_longer_than_a_lease_costs_no_effect_and_all_go_on_by_themselves() {
    let full = asked("ROTA_FULL").is_some();
    let pause = if full { Duration::from_secs(30) } else { PACE.lease + PACE.margin };
    nobody_has_a_database(pause).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_with_a_run_under_way_goes_on_by_itself_at_the_standby_that_was_promoted() {
    let Some(primary) = Server::start().await else { return };
    let standby = primary.standby().await;
    let ports = [primary.port(), standby.port()];
    let scene = Scene::new(primary.team(), &ports, worker(), &[DILIGENT]).await;
    let task = scene.task("Fix the login").await;
    let mut gate = scene.gates.stop("model");
    // Longer than another server takes to be the one that takes writes.
    let lease = LONG;
    let one = scene.start(Wanted { ports: &ports, lease, ..Wanted::named("one") }).await;
    comes("the run works", gate.reached()).await;
    primary.stop().await;
    standby.promote().await;
    // A check that never holds writes nothing, and says that what is written is.
    until("its store is at the standby", async || {
        let asked = one.store.commit(Batch::new().check("never", Some(u64::MAX))).await;
        matches!(asked, Err(StoreError::Conflict { .. })).then_some(())
    })
    .await;
    gate.open();
    scene.handed_over(task).await;
    let runs = scene.runs(task).await;
    assert_eq!(runs.len(), 1, "the run under way went on: {runs:#?}");
    let next = scene.task("Fix the logout").await;
    scene.handed_over(next).await;
    was_done_once(&scene, &[task, next]).await;
    assert_eq!(standby.psql("select pg_is_in_recovery()"), "f");
    one.stop().await;
}
