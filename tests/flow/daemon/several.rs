//! Several daemons on one store and one board: who runs what, and where.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, Life, Team, request};
use crate::support::gates::Gate;
use crate::support::playbooks::changed;
use crate::support::shared_store::{Door, SharedStore};
use crate::support::tallied::Tallied;
use rota::clock::Clock as _;
use rota::daemon::{StartError, Wake};
use rota::domain::*;
use rota::ledger::RunFilter;
use rota::store::Store;
use rota::tools::desk::{Desk as _, DeskError};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A report of a model, every ten minutes.
pub const REPORT: &str = "agent = \"AI-Worker\"\n[on]\nevery = \"10m\"\n[work]\nrunner = \"model\"\n\
    model = \"worker\"\nprompt = \"report.md.hbs\"\ntools = [\"finish\"]\n[outcome.ready]\n";

/// A team whose daemons share its store.
pub async fn team(playbook: &str, text: &str) -> (Team, Arc<SharedStore>) {
    let mut team = Team::new().await;
    std::fs::write(team.folder.path().join("templates/report.md.hbs"), "Report.").unwrap();
    team.playbook(playbook, text);
    team.model("worker", &[QUICK]);
    let shared = SharedStore::over(&team.store);
    (team, shared)
}

/// Starts a daemon with a door of its own.
pub async fn start(team: &mut Team, shared: &Arc<SharedStore>, name: &str) -> (Life, Arc<Door>) {
    let door = shared.door();
    team.store = Arc::clone(&door) as _;
    (team.start_as(name).await, door)
}

/// One second more than the lease by which a daemon is there.
pub const LEASE_OVER: Duration = Duration::from_secs(61);

/// The next instant of ten minutes is begun by this daemon, and its run stands before it asks the model.
pub async fn begun(team: &Team, one: &Life) -> Gate {
    let mut gate = team.gates.stop("model");
    team.clock.advance(Duration::from_mins(10));
    one.daemon.tick().await;
    gate.reached().await;
    gate
}

/// All runs, the latest first, by which daemon each was.
pub async fn runs(life: &Life) -> Vec<(String, RunState)> {
    let runs = life.ledger.runs(&RunFilter::default(), 100).await.unwrap();
    let of = |run: Run| (run.daemon.unwrap().as_str().to_owned(), run.state);
    runs.into_iter().map(of).collect()
}

async fn reports(life: &Life) -> Vec<OccurrenceState> {
    life.occurrences("report").await.into_iter().map(|occurrence| occurrence.state).collect()
}

async fn stop(lives: impl IntoIterator<Item = Life>) {
    for life in lives {
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_three_daemons_that_see_every_instant_one_runs_each() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let (three, _door) = start(&mut team, &shared, "three").await;
    for _ in 0..5 {
        team.clock.advance(Duration::from_mins(10));
        tokio::join!(one.work(), two.work(), three.work());
    }
    let occurrences = one.occurrences("report").await;
    assert_eq!(occurrences.len(), 5, "{occurrences:#?}");
    let all = one.ledger.runs(&RunFilter::default(), 100).await.unwrap();
    assert_eq!(all.len(), 5, "{all:#?}");
    for occurrence in occurrences {
        let OccurrenceState::Ran { runs, .. } = &occurrence.state else { panic!("{occurrence:?}") };
        let own: Vec<_> = all.iter().filter(|run| run.occurrence == occurrence.id).collect();
        assert!(own.len() == 1 && *runs == [own[0].id.clone()], "{occurrence:?} {own:?}");
    }
    assert!(two.ledger.open_occurrences().await.unwrap().is_empty());
    stop([one, two, three]).await;
}

#[tokio::test(start_paused = true)]
async fn what_one_daemon_has_no_slot_for_another_takes() {
    let on = "[on]\nevery = \"10s\"\noverlap = \"allow\"\n[select]";
    let text = changed(WORKER_PLAYBOOK, &[("[select]", on), ("limit = 50", "limit = 1")]);
    let (mut team, shared) = team("ai-worker", &text).await;
    team.slots = 1;
    let tasks = [team.task("Fix the login").await, team.task("Fix the logout").await];
    let (one, _door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let (mut first, mut second) = (team.gates.stop("model"), team.gates.stop("model"));
    team.clock.advance(Duration::from_secs(10));
    one.daemon.tick().await;
    first.reached().await;
    // The next instant is recorded by the daemon that has no room for it.
    team.clock.advance(Duration::from_secs(10));
    one.daemon.tick().await;
    assert_eq!(one.ledger.running().await.unwrap().len(), 1);
    two.daemon.tick().await;
    second.reached().await;
    let running = one.ledger.running().await.unwrap();
    let who: BTreeMap<_, _> = running.iter().map(|run| (run.task, run.daemon.clone())).collect();
    let names: BTreeSet<_> = who.values().flatten().map(DaemonId::as_str).collect();
    assert_eq!((who.len(), names), (2, BTreeSet::from(["one", "two"])), "{running:#?}");
    first.open();
    second.open();
    tokio::join!(one.daemon.idle(), two.daemon.idle());
    for task in tasks {
        assert_eq!(team.status(task).await, "Ready for Review");
        assert_eq!(one.the_run(task).await.reason, Some(Reason::HandedOver));
    }
    stop([one, two]).await;
}

#[tokio::test(start_paused = true)]
async fn while_one_daemon_makes_a_report_no_other_begins_the_next_one() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let gate = begun(&team, &one).await;
    for _ in 0..20 {
        team.clock.advance(Duration::from_secs(30));
        two.daemon.tick().await;
        one.daemon.tick().await;
    }
    let skipped = OccurrenceState::Skipped { reason: Reason::Overlap };
    assert_eq!(reports(&two).await, [OccurrenceState::Running, skipped]);
    gate.open();
    one.daemon.idle().await;
    team.clock.advance(Duration::from_mins(10));
    two.work().await;
    let states = [("two".to_owned(), RunState::Succeeded), ("one".to_owned(), RunState::Succeeded)];
    assert_eq!(runs(&two).await, states);
    stop([one, two]).await;
}

#[tokio::test(start_paused = true)]
async fn a_look_at_which_nothing_happens_lists_what_is_open_once() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let door: Arc<dyn Store> = shared.door();
    let tally = Tallied::new(&door);
    team.store = Arc::clone(&tally) as _;
    let two = team.start_as("two").await;
    two.daemon.tick().await;
    let gate = begun(&team, &one).await;
    two.daemon.tick().await;
    tally.count("occurrence-open/");
    two.daemon.tick().await;
    // One is open; that there is no other is a question of its own.
    assert_eq!((tally.questions(), tally.rows()), (2, 1));
    gate.open();
    one.daemon.idle().await;
    stop([one, two]).await;
}

#[tokio::test(start_paused = true)]
async fn a_playbook_runs_where_one_of_its_labels_is_and_is_skipped_when_no_daemon_has_one() {
    let text = format!("runs_on = [\"gpu\", \"tpu\"]\n{REPORT}");
    let (mut team, shared) = team("report", &text).await;
    team.labels.insert("two".into(), vec!["gpu".into()]);
    let (one, _door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    // Each was there a moment before the instant comes.
    team.clock.advance(Duration::from_secs(590));
    tokio::join!(one.work(), two.work());
    team.clock.advance(Duration::from_secs(10));
    one.work().await;
    assert!(reports(&one).await.is_empty(), "it is for the other to account for");
    let refused = one.daemon.run_playbook(request("report")).await.unwrap_err();
    let DeskError::Refused { reason: Reason::NotThisDaemon, message } = refused else {
        panic!("{refused:?}")
    };
    assert!(message.contains("gpu, tpu: two"), "{message}");
    let why = one.daemon.why("report", None).await.unwrap().to_string();
    assert!(why.contains("not_this_daemon") && why.contains("another daemon does"), "{why}");
    two.work().await;
    assert_eq!(runs(&one).await, [("two".to_owned(), RunState::Succeeded)]);
    two.stop().await;
    // Another one with the label may come in a moment.
    team.clock.advance(Duration::from_mins(10));
    one.work().await;
    assert_eq!(reports(&one).await.len(), 1);
    team.clock.advance(Duration::from_secs(61));
    one.work().await;
    let last = reports(&one).await.pop().unwrap();
    assert_eq!(last, OccurrenceState::Skipped { reason: Reason::NotThisDaemon });
    assert_eq!(runs(&one).await.len(), 1);
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_typed_is_no_daemon_that_has_room_or_labels_for_others() {
    let text = format!("runs_on = [\"gpu\"]\n{REPORT}");
    let (mut team, shared) = team("report", &text).await;
    team.labels.insert("two/by-hand-x7".into(), vec!["gpu".into()]);
    let (one, _door) = start(&mut team, &shared, "one").await;
    team.store = shared.door();
    let typed = team.try_start("two/by-hand-x7", Wake::ByHand).await.unwrap();
    let known = one.ledger.daemons().await.unwrap();
    assert!(known.iter().any(|it| it.is_there && it.record.labels == ["gpu"]), "{known:#?}");
    let refused = one.daemon.run_playbook(request("report")).await.unwrap_err();
    let DeskError::Refused { reason: Reason::NotThisDaemon, message } = refused else {
        panic!("{refused:?}")
    };
    assert!(message.contains("gpu: none that is there"), "{message}");
    let why = one.daemon.why("report", None).await.unwrap().to_string();
    assert!(why.contains("not_this_daemon") && !why.contains("another daemon does"), "{why}");
    let ada = team.person(ADA).await;
    let status = one.call(&ada, "getStatus", json!({})).await.unwrap();
    assert_eq!(status.get("slots").and_then(Value::as_int), Some(i64::from(team.slots)));
    stop([typed, one]).await;
}

#[tokio::test(start_paused = true)]
async fn a_drained_daemon_finishes_what_it_has_and_takes_nothing_new_also_in_its_next_life() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let ada = team.person(ADA).await;
    let mut gate = team.gates.stop("model");
    team.clock.advance(Duration::from_mins(10));
    two.daemon.tick().await;
    gate.reached().await;
    let drained = one.call(&ada, "drainDaemon", json!({"daemon": "two"})).await.unwrap();
    assert_eq!(drained.get("changed").and_then(Value::as_bool), Some(true));
    two.daemon.tick().await;
    gate.open();
    two.daemon.idle().await;
    assert_eq!(runs(&one).await, [("two".to_owned(), RunState::Succeeded)]);
    two.stop().await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    team.clock.advance(Duration::from_mins(10));
    two.work().await;
    assert_eq!(reports(&two).await.pop(), Some(OccurrenceState::Queued), "it is accounted for");
    one.work().await;
    assert_eq!(runs(&one).await[0], ("one".to_owned(), RunState::Succeeded));
    let refused = two.daemon.run_playbook(request("report")).await.unwrap_err();
    assert!(matches!(refused, DeskError::Refused { reason: Reason::Draining, .. }), "{refused:?}");
    let all = one.call(&ada, "listDaemons", json!({})).await.unwrap();
    let states: Vec<String> = all
        .get("items")
        .and_then(Value::as_list)
        .unwrap()
        .iter()
        .map(|it| {
            let text = |name: &str| it.get(name).and_then(Value::as_text).unwrap_or_default();
            format!("{} {}", text("daemon"), text("state"))
        })
        .collect();
    assert_eq!(states, ["one there", "two drained"]);
    one.call(&ada, "drainDaemon", json!({"daemon": "two", "undo": true})).await.unwrap();
    two.work().await;
    assert_eq!(two.run("report").await.state, RunState::Succeeded);
    stop([one, two]).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_daemons_of_one_name_the_second_does_not_start_as_long_as_the_first_is_there() {
    let (mut team, shared) = team("report", REPORT).await;
    let door = shared.door();
    team.store = Arc::clone(&door) as _;
    let first = team.try_start("one", Wake::ByItself).await.unwrap();
    team.store = shared.door() as _;
    let refused = team.try_start("one", Wake::ByTicks).await.err();
    let Some(StartError::SameName { daemon, .. }) = &refused else { panic!("{refused:?}") };
    assert_eq!(daemon.as_str(), "one");
    assert!(refused.unwrap().to_string().contains("a daemon one is at work on this store already"));
    first.stop().await;
    // One that ended in good order is not waited for.
    let before = team.clock.boot();
    let door = shared.door();
    team.store = Arc::clone(&door) as _;
    let second = team.try_start("one", Wake::ByTicks).await.unwrap();
    assert!(team.clock.boot().saturating_sub(before) < Duration::from_secs(1));
    // One whose process is gone is, for as long as its lease lasts.
    door.die();
    team.store = shared.door() as _;
    let third = team.try_start("one", Wake::ByTicks).await.unwrap();
    let waited = team.clock.boot().saturating_sub(before);
    assert!(waited > Duration::from_secs(50) && waited < Duration::from_secs(70), "{waited:?}");
    drop(second);
    third.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_long_gone_is_forgotten_while_another_goes_on() {
    let (mut team, shared) = team("report", REPORT).await;
    let (_one, gone) = start(&mut team, &shared, "one").await;
    gone.die();
    team.store = shared.door() as _;
    let two = team.try_start("two", Wake::ByItself).await.unwrap();
    let names = async || {
        let known = two.ledger.daemons().await.unwrap().into_iter();
        known.map(|known| known.record.id.as_str().to_owned()).collect::<Vec<_>>()
    };
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(names().await, ["one", "two"]);
    team.clock.advance(Duration::from_hours(7 * 24));
    let began = team.clock.boot();
    while names().await != ["two"] {
        let waited = team.clock.boot().saturating_sub(began);
        assert!(waited < Duration::from_hours(2), "it is remembered");
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_daemon_commits_wakes_a_daemon_at_once() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    team.store = shared.door() as _;
    let two = team.try_start("two", Wake::ByItself).await.unwrap();
    for number in 0..4 {
        let now = team.clock.wall();
        let occurrence = Occurrence {
            id: OccurrenceId::new(format!("report/event/{number}")),
            playbook: PlaybookName::new("report"),
            trigger: Trigger::Event,
            planned: now,
            task: None,
            decided: now,
            state: OccurrenceState::Queued,
            covers: None,
            status: None,
        };
        one.ledger.put_occurrence(&occurrence).await.unwrap();
        // By its own ticks, which are five seconds apart, it would hear of one of them so early.
        let began = team.clock.boot();
        while !one.ledger.open_occurrences().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let waited = team.clock.boot().saturating_sub(began);
            assert!(waited < Duration::from_secs(2), "{number}: {waited:?}");
        }
    }
    assert_eq!(runs(&one).await, vec![("two".to_owned(), RunState::Succeeded); 4]);
    two.stop().await;
    one.stop().await;
}
