//! A record that a newer daemon wrote anew, met by an older one where it counts most: what is there is not
//! taken for nothing, so nothing is done twice, lost or allowed by it.

use super::playbooks::WORKER as WORKER_PLAYBOOK;
use super::several::{LEASE_OVER, REPORT, begun, start, team};
use crate::support::daemon::{BO, Life, REVIEWER};
use crate::support::playbooks::changed;
use futures::FutureExt as _;
use rota::domain::*;
use rota::store::{Batch, Store};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

const RUBRIC: &str = "[suitability]\nrubric = \"suitability.md.hbs\"\nmodel = \"judge\"\n\n[claim]";
/// What only a newer daemon can read.
const UNREAD: &str = r#"{"rota":2,"what":["is","not","known"]}"#;

/// A record becomes a newer daemon's.
async fn mark(store: &dyn Store, key: &str) {
    let row = store.get(key).await.unwrap().unwrap_or_else(|| panic!("there is no {key}"));
    let mut value: Json = serde_json::from_slice(&row.value).unwrap();
    value["rota"] = json!(2);
    plant(store, key, &value.to_string()).await;
}

async fn plant(store: &dyn Store, key: &str, text: &str) {
    store.commit(Batch::new().put(key, text)).await.unwrap();
}

async fn text_of(store: &dyn Store, key: &str) -> String {
    String::from_utf8(store.get(key).await.unwrap().unwrap().value).unwrap()
}

async fn reports(life: &Life) -> Vec<OccurrenceState> {
    life.occurrences("report").await.into_iter().map(|occurrence| occurrence.state).collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_newer_daemon_proposed_waits_on() {
    let staged = format!("mode = \"staged\"\n{WORKER_PLAYBOOK}");
    let (mut team, shared) = team("ai-worker", &staged).await;
    let below = Arc::clone(&team.store);
    let task = team.task("Fix the login").await;
    let (older, _door) = start(&mut team, &shared, "older").await;
    assert_eq!(older.run("ai-worker").await.reason, Reason::Proposed);
    let key = format!("staging/main/{task}");
    mark(below.as_ref(), &key).await;
    let (planted, status) = (text_of(below.as_ref(), &key).await, team.status(task).await);
    for _ in 0..2 {
        team.clock.advance(LEASE_OVER);
        older.work().await;
    }
    assert_eq!(older.claim(task).await.phase, Phase::Parked);
    assert_eq!(team.status(task).await, status);
    assert_eq!(older.runs(task).await.len(), 1);
    assert_eq!(text_of(below.as_ref(), &key).await, planted);
    older.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_of_which_a_newer_daemon_wrote_a_run_is_not_made_again() {
    let (mut team, shared) = team("report", REPORT).await;
    let below = Arc::clone(&team.store);
    let (one, door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let gate = begun(&team, &one).await;
    let key = below.scan("run/", None, 10).await.unwrap().remove(0).key;
    mark(below.as_ref(), &key).await;
    door.die();
    drop(gate);
    team.clock.advance(LEASE_OVER);
    two.work().await;
    two.work().await;
    let runs: Vec<String> =
        below.scan("run/", None, 10).await.unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(runs, [key]);
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_comment_tells_an_agent_is_kept_for_the_newer_daemon_that_has_the_task() {
    let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    let below = Arc::clone(&team.store);
    let task = team.task("Fix the login").await;
    let (older, _door) = start(&mut team, &shared, "older").await;
    // What was said before the first look is no news.
    older.work().await;
    let claim = newer_claim(7);
    plant(below.as_ref(), &format!("claim/main/{task}"), &claim).await;
    plant(below.as_ref(), &format!("held/main/{task}"), "{}").await;
    team.clock.advance(Duration::from_secs(1));
    team.say(BO, task, "@AI-Docs status").await;
    older.work().await;
    older.daemon.obey().await;
    let heard = older.ledger.commands().await.unwrap();
    let heard: Vec<_> = heard.iter().map(|it| (it.task, it.word.as_str(), it.fence)).collect();
    assert_eq!(heard, [(task, "status", Some(Fence(7)))]);
    assert_eq!(team.comments(task).await.len(), 1, "it is answered by whoever can read the claim");
    older.stop().await;
}

fn newer_claim(fence: u64) -> String {
    json!({ "rota": 2, "fence": fence, "phase": "pondering" }).to_string()
}

#[tokio::test(start_paused = true)]
async fn no_model_is_asked_about_what_a_newer_daemon_has_judged() {
    let (mut team, shared) =
        team("ai-worker", &changed(WORKER_PLAYBOOK, &[("[claim]", RUBRIC)])).await;
    team.model("judge", &[super::playbooks::QUICK]);
    let below = Arc::clone(&team.store);
    let task = team.task("Make it blue").await;
    plant(below.as_ref(), &format!("fitness/ai-worker/main/{task}"), UNREAD).await;
    let (older, _door) = start(&mut team, &shared, "older").await;
    for _ in 0..2 {
        older.run("ai-worker").await;
        assert_eq!(team.prompts(), Vec::<String>::new());
    }
    assert_eq!(older.ledger.claim(task).await.unwrap(), None);
    let said = older.ledger.decisions_about_task(task, None).await.unwrap();
    let told = |it: &Decision| it.detail.contains("written by a newer Rota");
    assert!(said.iter().any(told), "{said:#?}");
    older.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_review_is_a_newer_daemons_is_not_taken_until_it_can_be_read() {
    for sort in ["review", "rounds"] {
        let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
        let below = Arc::clone(&team.store);
        let task = team.task("Fix the login").await;
        let key = format!("{sort}/main/{task}");
        plant(below.as_ref(), &key, UNREAD).await;
        let (older, _door) = start(&mut team, &shared, "older").await;
        assert_eq!(older.run("ai-worker").await.reason, Reason::AlreadyClaimed, "{sort}");
        assert_eq!(older.ledger.claim(task).await.unwrap(), None, "{sort}");
        assert!(older.runs(task).await.is_empty() && team.prompts().is_empty(), "{sort}");
        // What a reviewer asked for waits.
        let now = older.daemon.now();
        let rework = Occurrence {
            id: OccurrenceId::new("ai-worker/rework/1"),
            playbook: PlaybookName::new("ai-worker"),
            trigger: Trigger::Rework,
            planned: now,
            task: Some(task),
            decided: now,
            state: OccurrenceState::Queued,
            covers: None,
            status: Some(team.look(task).await.status),
        };
        older.ledger.put_occurrence(&rework).await.unwrap();
        for _ in 0..3 {
            older.daemon.tick().await;
        }
        let waits = older.ledger.occurrence(&rework.id).await.unwrap().unwrap();
        assert_eq!(waits.state, OccurrenceState::Queued, "{sort}");
        assert!(older.runs(task).await.is_empty(), "{sort}");
        below.commit(Batch::new().delete(key)).await.unwrap();
        older.work().await;
        assert_eq!(older.the_run(task).await.state, RunState::Succeeded, "{sort}");
        older.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn agents_wake_nobody_where_a_newer_daemon_counted_how_far_they_went() {
    for (sort, reason) in [("exchange", Reason::PingPong), ("depth", Reason::DelegationDepth)] {
        let hears = REPORT.replace("every = \"10m\"", "event = \"comment.added\"");
        let (mut team, shared) = team("report", &hears).await;
        let below = Arc::clone(&team.store);
        let task = team.task("Fix the login").await;
        let (older, _door) = start(&mut team, &shared, "older").await;
        older.work().await;
        plant(below.as_ref(), &format!("guard/{sort}/main/{task}"), UNREAD).await;
        team.clock.advance(Duration::from_secs(1));
        team.say(REVIEWER, task, "What do you think?").await;
        older.work().await;
        assert_eq!(reports(&older).await, [OccurrenceState::Skipped { reason }], "{sort}");
        team.clock.advance(Duration::from_secs(1));
        team.say(BO, task, "I think that it works.").await;
        older.work().await;
        let all = reports(&older).await;
        assert!(matches!(all[1], OccurrenceState::Ran { .. }), "{sort}: {all:?}");
        older.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_was_away_while_the_database_was_put_back_ends() {
    let (mut team, shared) = team("report", REPORT).await;
    let below = Arc::clone(&team.store);
    let (one, door) = start(&mut team, &shared, "one").await;
    one.work().await;
    door.cut();
    team.clock.advance(Duration::from_mins(10));
    one.daemon.tick().await;
    plant(below.as_ref(), "epoch", "7").await;
    door.mend();
    one.daemon.tick().await;
    let why = one.daemon.lost_its_state().now_or_never().expect("it goes on");
    assert!(why.contains("epoch 7"), "{why}");
    assert!(below.scan("run/", None, 10).await.unwrap().is_empty(), "it began something");
}

#[tokio::test(start_paused = true)]
async fn timetables_go_on_where_a_newer_daemon_wrote_up_to_where_the_ledger_was_lost() {
    let (mut team, shared) = team("report", REPORT).await;
    plant(team.store.as_ref(), "lost-until", UNREAD).await;
    let (older, _door) = start(&mut team, &shared, "older").await;
    team.clock.advance(Duration::from_mins(10));
    older.work().await;
    let all = reports(&older).await;
    assert!(matches!(all[..], [OccurrenceState::Ran { .. }]), "{all:?}");
    older.stop().await;
}
