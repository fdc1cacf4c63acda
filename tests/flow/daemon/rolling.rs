//! Two releases side by side for a while: what a newer daemon wrote the older one leaves as it is, tells
//! people of it, and works on. And daemons whose playbooks are not the same, and commands beside daemons.

use super::outbox::notice;
use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK, asks_to_hear, changed};
use super::several::{REPORT, runs, start, team};
use crate::support::daemon::{ADA, BO, Life, Team, request};
use crate::support::den;
use crate::support::mailbox::Mailbox;
use rota::clock::Clock as _;
use rota::daemon::Wake;
use rota::domain::*;
use rota::ledger::AuditVerdict;
use rota::runner::Workspaces;
use rota::store::{Batch, Store};
use rota::tools::desk::{Desk as _, DeskError};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One second more than a lease.
const LEASE_OVER: Duration = Duration::from_secs(61);

/// The records that a newer daemon may write in a form of its own.
const RECORDS: &[&str] =
    &["audit/", "claim/", "daemon/", "effect/", "notice/", "occurrence/", "run/"];

fn newer(more: Json) -> Json {
    let mut value = json!({ "rota": 2, "later": { "what": ["is", "not", "known"] } });
    let members = value.as_object_mut().unwrap();
    let Json::Object(more) = more else { panic!("no members: {more}") };
    members.extend(more);
    value
}

/// All records become a newer daemon's, and there are others of its: how each such row is from then on.
async fn become_newer(store: &dyn Store, held: TaskId) -> BTreeMap<String, Vec<u8>> {
    let mut planted = BTreeMap::new();
    for row in store.scan("", None, 10_000).await.unwrap() {
        let is_record = RECORDS.iter().any(|sort| row.key.starts_with(sort));
        if is_record && let Ok(value) = serde_json::from_slice::<Json>(&row.value) {
            planted.insert(row.key, newer(value).to_string());
        }
    }
    let text = |value: Json| value.to_string();
    planted.extend([
        (format!("claim/main/{held}"), text(newer(json!({ "phase": "pondering" })))),
        (format!("held/main/{held}"), "{}".to_owned()),
        ("occurrence/o-newer".to_owned(), text(newer(json!({ "state": "pondering" })))),
        ("occurrence-open/8000000000000000/o-newer".to_owned(), text(json!("o-newer"))),
        ("command/main/00000000000000000777".to_owned(), text(newer(json!({ "word": "ponder" })))),
        ("stop-asked/r-elsewhere".to_owned(), text(newer(json!({ "softly": true })))),
        ("x-of-tomorrow/1".to_owned(), text(newer(json!({})))),
    ]);
    for (key, value) in &planted {
        store.commit(Batch::new().put(key, value.as_str())).await.unwrap();
    }
    planted.into_iter().map(|(key, value)| (key, value.into_bytes())).collect()
}

async fn now(store: &dyn Store, planted: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let rows = store.scan("", None, 10_000).await.unwrap().into_iter();
    rows.filter(|row| planted.contains_key(&row.key)).map(|row| (row.key, row.value)).collect()
}

fn with_a_mailbox(team: &mut Team) -> (Channel, Arc<Mailbox>) {
    let (to, mailbox) = (Channel::Slack("ops".into()), Mailbox::new(Duration::ZERO));
    team.channels.insert(to.clone(), Arc::clone(&mailbox) as _);
    (to, mailbox)
}

/// What Ada is told by a tool, as text.
async fn told(team: &Team, life: &Life, tool: &str, args: Json) -> String {
    let ada = team.person(ADA).await;
    life.call_by_hand(&ada, tool, args).await.unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn what_a_newer_daemon_wrote_an_older_one_leaves_as_it_is_and_works_on() {
    let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    let below = Arc::clone(&team.store);
    let (to, mailbox) = with_a_mailbox(&mut team);
    team.model("worker", &[&asks_to_hear("Green"), QUICK]);
    let asked = team.task("Paint the shed").await;
    let (one, door) = start(&mut team, &shared, "newer").await;
    assert_eq!(one.run("ai-worker").await.state, RunState::Waiting);
    one.ledger.audit("Ada", "look", "").await.unwrap();
    let letter = notice(&to, "of the newer one", "of the newer one", team.clock.wall());
    one.ledger.enqueue(vec![letter]).await.unwrap();
    door.die();
    let held = team.task("Mow the lawn").await;
    let planted = become_newer(below.as_ref(), held).await;
    for sort in RECORDS {
        assert!(planted.keys().any(|key| key.starts_with(sort)), "nothing of {sort}");
    }

    let (older, _door) = start(&mut team, &shared, "older").await;
    team.say(BO, asked, "Green, like the door.").await;
    let own = team.task("Fix the login").await;
    assert_eq!(older.run("ai-worker").await.state, RunState::Succeeded);
    let letter = notice(&to, "of the older one", "of the older one", team.clock.wall());
    older.ledger.enqueue(vec![letter]).await.unwrap();
    for _ in 0..5 {
        team.clock.advance(LEASE_OVER);
        older.work().await;
        older.daemon.obey().await;
        older.daemon.export().await.unwrap();
    }
    let long_after = team.clock.wall() + chrono::TimeDelta::days(1_000);
    while !older.ledger.prune(long_after, 1_000).await.unwrap().is_through {}
    older.work().await;
    assert_eq!(now(below.as_ref(), &planted).await, planted);

    assert_eq!(team.status(own).await, "Ready for Review");
    assert_eq!(team.status(held).await, "New", "its claim is another's");
    assert!(older.runs(held).await.is_empty() && older.runs(asked).await.is_empty());
    assert!(mailbox.texts().contains(&"of the older one".to_owned()), "{:?}", mailbox.texts());
    assert!(!mailbox.texts().contains(&"of the newer one".to_owned()), "{:?}", mailbox.texts());
    let verdict = older.ledger.verify().await.unwrap();
    let is_told = matches!(&verdict, AuditVerdict::Newer { unread, .. } if !unread.is_empty());
    assert!(is_told, "{verdict:?}");
    older.stop().await;
}

#[tokio::test(start_paused = true)]
async fn people_are_told_what_a_newer_daemon_wrote() {
    let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    let below = Arc::clone(&team.store);
    let (one, door) = start(&mut team, &shared, "newer").await;
    one.ledger.audit("Ada", "look", "").await.unwrap();
    door.die();
    let held = team.task("Mow the lawn").await;
    become_newer(below.as_ref(), held).await;
    let (older, _door) = start(&mut team, &shared, "older").await;
    older.daemon.tick().await;

    let claims = told(&team, &older, "listClaims", json!({})).await;
    assert!(claims.contains("written by a newer Rota"), "{claims}");
    let why = told(&team, &older, "whyNot", json!({ "subject": held.0 })).await;
    assert!(why.contains("written_by: a newer Rota"), "{why}");
    assert!(why.contains("its claim was written by a newer Rota"), "{why}");
    let daemons = told(&team, &older, "listDaemons", json!({})).await;
    assert!(daemons.contains("(written by a newer Rota)"), "{daemons}");
    let status = told(&team, &older, "getStatus", json!({})).await;
    assert!(status.contains(&format!("claims_of_newer: task: {held}")), "{status}");
    let ada = team.person(ADA).await;
    let verified = older.call_by_hand(&ada, "verifyAudit", json!({})).await.unwrap();
    assert_eq!(verified.get("intact"), Some(&Value::Null), "{verified}");
    assert!(verified.to_string().contains("were written by a newer Rota"), "{verified}");
    older.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_instant_runs_once_where_daemons_have_different_texts_of_its_playbook() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["agents", "templates", "state"] {
        std::fs::create_dir(elsewhere.path().join(name)).unwrap();
    }
    let other = format!("description = \"As it was last week.\"\n{REPORT}");
    std::fs::write(elsewhere.path().join("agents/report.toml"), other).unwrap();
    std::fs::write(elsewhere.path().join("templates/report.md.hbs"), "Report.").unwrap();
    let _own = std::mem::replace(&mut team.folder, elsewhere);
    let (two, _door) = start(&mut team, &shared, "two").await;
    for _ in 0..5 {
        team.clock.advance(Duration::from_mins(10));
        tokio::join!(one.work(), two.work());
    }
    assert_eq!(one.occurrences("report").await.len(), 5);
    assert_eq!(runs(&one).await.len(), 5);

    let seen = told(&team, &one, "listDaemons", json!({})).await;
    assert!(seen.contains("differ from one: report"), "{seen}");
    let seen = told(&team, &two, "listDaemons", json!({})).await;
    assert!(seen.contains("differ from two: report"), "{seen}");
    std::fs::write(team.folder.path().join("agents/report.toml"), REPORT).unwrap();
    two.daemon.reload().await;
    team.clock.advance(LEASE_OVER);
    tokio::join!(one.work(), two.work());
    let seen = told(&team, &one, "listDaemons", json!({})).await;
    assert!(!seen.contains("differ"), "{seen}");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_waits_for_no_daemon_of_its_name_and_leaves_no_trace() {
    let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    let task = team.task("Fix the login").await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let name = DaemonId::new("one").by_hand("x7");
    assert!(name.is_by_hand() && name.configured() == "one");
    assert_eq!(name.by_hand("y").as_str(), "one/by-hand-y");
    team.store = shared.door();
    let begun = tokio::time::Instant::now();
    let typed = team.try_start(name.as_str(), Wake::ByHand).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "it waited for the daemon of its name");
    let seen = told(&team, &one, "listDaemons", json!({})).await;
    assert!(seen.contains("one/by-hand-x7"), "{seen}");
    assert_eq!(typed.run("ai-worker").await.state, RunState::Succeeded);
    assert_eq!(typed.the_run(task).await.daemon.unwrap(), name);
    typed.stop().await;
    let all = one.ledger.daemons().await.unwrap();
    let all: Vec<_> = all.iter().map(|known| known.record.id.as_str()).collect();
    assert_eq!(all, ["one"]);
    one.daemon.tick().await;
    assert!(one.ledger.is_there(), "nobody pushed it out");
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_drained_is_so_for_commands_in_its_place_and_one_that_died_is_not_listed() {
    let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    one.ledger.drain_daemon(&DaemonId::new("one"), true, "Ada").await.unwrap();
    let door = shared.door();
    team.store = Arc::clone(&door) as _;
    let typed = team.try_start("one/by-hand-x7", Wake::ByHand).await.unwrap();
    let refused = typed.daemon.run_playbook(request("ai-worker")).await.unwrap_err();
    let DeskError::Refused { reason, message } = refused else { panic!("{refused:?}") };
    assert_eq!(reason, Reason::Draining);
    assert!(message.contains("`rota daemons drain one --undo`"), "{message}");
    door.die();
    team.clock.advance(LEASE_OVER);
    let seen = told(&team, &one, "listDaemons", json!({})).await;
    assert!(!seen.contains("by-hand"), "{seen}");
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_has_never_started_is_drained_by_a_command_in_its_place() {
    let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    team.store = shared.door();
    let typed = team.try_start("one/by-hand-x7", Wake::ByHand).await.unwrap();
    let ada = team.person(ADA).await;
    typed.call_by_hand(&ada, "drainDaemon", json!({ "daemon": "one" })).await.unwrap();
    let other = typed.call_by_hand(&ada, "drainDaemon", json!({ "daemon": "two" })).await;
    assert!(other.unwrap_err().to_string().contains("daemon two"), "nobody knows that one");
    typed.stop().await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let refused = one.daemon.run_playbook(request("ai-worker")).await.unwrap_err();
    assert!(matches!(refused, DeskError::Refused { reason: Reason::Draining, .. }), "{refused:?}");
    one.stop().await;
}

#[tokio::test]
async fn what_a_command_asked_in_a_daemons_place_that_daemon_goes_on_with_as_its_own() {
    let workspace = "[workspace]\nsandbox = \"none\"\n[work]";
    let text = changed(WORKER_PLAYBOOK, &[("[work]", workspace)]);
    let (mut team, shared) = team("ai-worker", &text).await;
    team.model("worker", &[&asks_to_hear("Green")]);
    let root = std::fs::canonicalize(team.folder.path()).unwrap().join("state/workspaces");
    team.workspaces = Some(Arc::new(Workspaces::new(root, den::options())));
    let task = team.task("Paint the shed").await;
    team.store = shared.door();
    // No other test has runs of these names: programs are known by their run's.
    let typed = team.try_start("asker/by-hand-x7", Wake::ByHand).await.unwrap();
    assert_eq!(typed.run("ai-worker").await.state, RunState::Waiting);
    typed.stop().await;
    team.clock.advance(Duration::from_mins(1));
    team.say(BO, task, "Green, like the door.").await;
    let (own, _door) = start(&mut team, &shared, "asker").await;
    own.work().await;
    let run = own.runs(task).await.remove(0);
    assert_eq!((run.state, run.daemon), (RunState::Succeeded, Some(DaemonId::new("asker"))));
    let prompts = team.prompts();
    assert_eq!(prompts.len(), 1, "another conversation was begun: {prompts:#?}");
    let lines = own.ledger.transcript(&run.id, 0, 1_000).await.unwrap();
    let lines: Vec<String> = lines.into_iter().map(|line| line.line.text).collect();
    let elsewhere = |line: &&String| line.contains("at daemon") || line.contains("not gone on");
    assert_eq!(lines.iter().find(elsewhere), None, "{lines:#?}");
    own.stop().await;
}
