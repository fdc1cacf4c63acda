//! A run is undone by the inverses of its effects, as far as nobody has changed since what it changed.

use super::playbooks::{DILIGENT, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, BO, Life, REVIEWER, Team};
use rota::board::Projects as _;
use rota::domain::*;
use rota::store::Batch;
use serde_json::json;

async fn done() -> (Team, Life, TaskId, RunId) {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[DILIGENT]);
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    let report = life.run("ai-worker").await;
    assert_eq!(report.tasks[0].state, RunState::Succeeded, "{report:#?}");
    let run = life.the_run(task).await.id;
    (team, life, task, run)
}

fn int(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_int).unwrap()
}

/// The states of the effects, by tool, the newest first.
fn fates(report: &Value) -> Vec<(String, String, String)> {
    let items = report.get("items").and_then(Value::as_list).unwrap();
    let text = |item: &Value, name: &str| {
        item.get(name).and_then(Value::as_text).unwrap_or_default().to_owned()
    };
    items.iter().map(|i| (text(i, "tool"), text(i, "state"), text(i, "detail"))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_nobody_touched_since_is_undone_whole() {
    let (team, life, task, run) = done().await;
    let ada = team.person(ADA).await;
    let seen = team.look(task).await;
    let args = json!({ "run": run.as_str(), "dryRun": true });
    let planned = life.call(&ada, "undoRun", args).await.unwrap();
    assert_eq!((int(&planned, "undone"), int(&planned, "refused")), (0, 0), "{planned}");
    assert!(fates(&planned).iter().all(|(_, state, _)| state == "would_undo"), "{planned}");
    assert_eq!(team.look(task).await, seen, "only looked at");
    let effects = life.ledger.effects(&run).await.unwrap();
    assert!(effects.len() >= 5, "announced, worked, settled");
    let report = life.call(&ada, "undoRun", json!({ "run": run.as_str() })).await.unwrap();
    assert_eq!(int(&report, "refused"), 0, "{report}");
    assert_eq!(int(&report, "undone"), i64::try_from(effects.len()).unwrap());
    let seqs: Vec<i64> = report
        .get("items")
        .and_then(Value::as_list)
        .unwrap()
        .iter()
        .map(|item| int(item, "seq"))
        .collect();
    assert!(seqs.is_sorted_by(|a, b| a > b), "the newest first: {seqs:?}");
    let now = team.look(task).await;
    assert_eq!((now.assignee, team.status(task).await.as_str()), (None, "New"));
    assert_eq!(now.tags, ["AI-Suitable"]);
    assert!(team.comments(task).await.is_empty());
    let gone = rota::board::Tasks::task(team.board.below.as_ref(), TaskId(task.0 + 1)).await;
    assert!(gone.is_err(), "the subtask is gone");
    // It is a run of its own, whose claim is over, and a second time there is nothing left to do.
    let own = report.get("undo").and_then(Value::as_text).unwrap();
    let own = life.ledger.run(own).await.unwrap().unwrap();
    assert_eq!((own.state, own.task), (RunState::Succeeded, Some(task)));
    assert_eq!(life.claim(task).await.phase, Phase::Free);
    let again = life.call(&ada, "undoRun", json!({ "run": run.as_str() })).await.unwrap();
    assert_eq!(int(&again, "undone"), 0, "{again}");
    let audit = life.ledger.audit_log(10, None).await.unwrap();
    assert!(audit.iter().any(|entry| entry.what == "undo" && entry.who == "Ada"), "{audit:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_changed_since_stays_and_is_told_effect_by_effect() {
    let (team, life, task, run) = done().await;
    let blocked = team.labelled("Blocked").await;
    team.edit(BO, task, TaskEdit::Status(blocked)).await;
    team.edit(BO, TaskId(task.0 + 1), TaskEdit::Headline("Write two tests".into())).await;
    let ada = team.person(ADA).await;
    let report = life.call(&ada, "undoRun", json!({ "run": run.as_str() })).await.unwrap();
    assert_eq!(team.status(task).await, "Blocked");
    assert_eq!(team.look(TaskId(task.0 + 1)).await.headline, "Write two tests");
    let fates = fates(&report);
    let refused: Vec<_> = fates.iter().filter(|(_, state, _)| state == "refused").collect();
    assert!(refused.len() >= 3, "both edits and the subtask: {fates:#?}");
    assert!(refused.iter().any(|(_, _, why)| why.contains("status (at ")), "{refused:#?}");
    assert!(refused.iter().any(|(tool, _, _)| tool == "addSubtask"), "{refused:#?}");
    assert!(fates.iter().any(|(tool, state, _)| tool == "addComment" && state == "undone"));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_somebody_holds_the_task_nothing_is_undone() {
    let (team, life, task, run) = done().await;
    let ada = team.person(ADA).await;
    let claimed = json!({ "task": task.0 });
    let claimed = life.call(&team.person(BO).await, "claimTask", claimed).await.unwrap();
    let args = json!({ "run": run.as_str() });
    let error = life.call(&ada, "undoRun", args.clone()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::AlreadyClaimed, "{error}");
    assert!(error.to_string().contains("Bo's assistant"), "{error}");
    let held = claimed.get("run").and_then(Value::as_text).unwrap();
    let error = life.call(&ada, "undoRun", json!({ "run": held })).await.unwrap_err();
    assert!(error.to_string().contains("under way"), "{error}");
    let error = life.call(&ada, "undoRun", json!({ "run": "r-nobody" })).await.unwrap_err();
    assert_eq!(error.reason(), Reason::NotFound, "{error}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_undone_with_the_rights_of_whoever_asks() {
    let (team, life, task, run) = done().await;
    let mut eve = team.person(REVIEWER).await;
    eve.role = Role::Commenter;
    let args = json!({ "run": run.as_str() });
    let error = life.call(&eve, "undoRun", args).await.unwrap_err();
    assert_eq!(error.reason(), Reason::RoleTooLow, "{error}");
    assert_eq!(team.status(task).await, "Ready for Review");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_assistant_did_under_its_claim_is_undone_alike() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    let bo = team.person(BO).await;
    let claimed = life.call(&bo, "claimTask", json!({ "task": task.0 })).await.unwrap();
    let edit = json!({ "id": task.0, "params": { "description": "A guess." } });
    life.call(&bo, "editTask", edit).await.unwrap();
    let args = json!({ "task": task.0, "fence": int(&claimed, "fence"), "comment": "Done.",
        "outcome": "review" });
    life.call(&bo, "releaseTask", args).await.unwrap();
    let run = claimed.get("run").and_then(Value::as_text).unwrap();
    let report = life.call(&bo, "undoRun", json!({ "run": run })).await.unwrap();
    assert_eq!(int(&report, "refused"), 0, "{report}");
    let now = team.look(task).await;
    assert_eq!((now.assignee, now.description.as_str()), (None, ""));
    assert_eq!(team.status(task).await, "New");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_digest_can_be_asked_for_at_any_time() {
    let (team, life, _, _) = done().await;
    let ada = team.person(ADA).await;
    let digest = life.call(&ada, "getDigest", json!({})).await.unwrap();
    let summary = digest.get("summary").and_then(Value::as_text).unwrap();
    assert!(summary.contains("1 waiting for review"), "{digest}");
    assert!(digest.get("window").is_none(), "nothing is sent: {digest}");
    let args = json!({ "since": "tomorrow", "projectIds": ["Website"] });
    let digest = life.call(&ada, "getDigest", args).await.unwrap();
    assert_eq!(digest.get("quiet").and_then(Value::as_bool), Some(true), "{digest}");
    // What agents did elsewhere is not told either.
    let elsewhere =
        NewProject { name: "Elsewhere".into(), details: String::new(), statuses: Vec::new() };
    team.board.add_project(&Stamp::by(ADA), elsewhere).await.unwrap();
    let args = json!({ "projectIds": ["Elsewhere"] });
    let digest = life.call(&ada, "getDigest", args).await.unwrap().to_string();
    assert!(!digest.contains("Fix the login") && !digest.contains("1 waiting"), "{digest}");
    let error = life.call(&ada, "getDigest", json!({ "projectIds": ["Nowhere"] })).await;
    assert_eq!(error.unwrap_err().reason(), Reason::NotFound);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_of_whose_writes_only_a_newer_rota_can_read_some_is_shown_so_and_not_undone() {
    let (team, life, task, run) = done().await;
    let ada = team.person(ADA).await;
    let shown = json!({ "run": run.as_str() });
    let told = life.call(&ada, "showRun", shown.clone()).await.unwrap();
    assert_eq!(told.get("note"), None);
    let rows = team.store.scan(&format!("effect/{run}/"), None, 100).await.unwrap();
    let mut newer: serde_json::Value = serde_json::from_slice(&rows[1].value).unwrap();
    newer["rota"] = json!(2);
    let batch = Batch::new().put(rows[1].key.as_str(), newer.to_string());
    team.store.commit(batch).await.unwrap();
    let told = life.call(&ada, "showRun", shown).await.unwrap();
    let note = told.get("note").and_then(Value::as_text).unwrap();
    assert!(note.contains("writes of a newer Rota"), "{note}");
    let seen = team.look(task).await;
    for dry_run in [true, false] {
        let args = json!({ "run": run.as_str(), "dryRun": dry_run });
        let refused = life.call(&ada, "undoRun", args).await.unwrap_err().to_string();
        assert!(refused.contains("newer Rota: undo it there"), "{refused}");
    }
    assert_eq!(team.look(task).await, seen, "nothing was put back");
    life.stop().await;
}
