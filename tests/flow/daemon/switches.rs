//! People hold the switches: arming, faults in an edit, the emergency stop.

use super::playbooks::{DILIGENT, QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{Life, Team, request};
use rota::domain::*;
use rota::tools::desk::{Desk as _, DeskError, NextRequest, Switch};
use std::time::Duration;

const NAME: &str = "ai-worker";

fn woken_by(on: &str, tools: &str) -> String {
    WORKER_PLAYBOOK
        .replace("[select]", &format!("[on]\n{on}\n[select]"))
        .replace("\"addComment\", \"addSubtask\", ", tools)
}

async fn team(text: &str) -> Team {
    let mut team = Team::new().await;
    team.arms_itself = false;
    team.playbook(NAME, text);
    team.model("worker", &[QUICK]);
    team
}

#[tokio::test(start_paused = true)]
async fn only_what_was_seen_is_armed() {
    let team = team(&woken_by("every = \"10m\"", "")).await;
    let life = team.start().await;
    let answer = life.daemon.playbooks().await.unwrap();
    let book = answer.get("items").unwrap().as_list().unwrap()[0].clone();
    let definition = book.get("definition").unwrap().as_text().unwrap().to_owned();
    let rights = serde_json::to_string(book.get("rights").unwrap()).unwrap();
    assert!(rights.contains("wakes: every 10m") && rights.contains("acts as"), "{rights}");
    let name = PlaybookName::new(NAME);
    let other = Switch::Arm(Some(format!("{definition}0")));
    let error = life.daemon.set_playbook(&name, other, "Ada").await.unwrap_err();
    assert!(matches!(error, DeskError::Refused { reason: Reason::ReviewChanged, .. }), "{error:?}");
    assert!(!is_armed(&life).await);
    let seen = Switch::Arm(Some(definition));
    life.daemon.set_playbook(&name, seen, "Ada").await.unwrap();
    assert!(is_armed(&life).await);
    life.stop().await;
}

async fn arm(life: &Life) {
    life.daemon.set_playbook(&PlaybookName::new(NAME), Switch::Arm(None), "Ada").await.unwrap();
}

/// Ten minutes pass; what became of the instants so far: true, it ran.
async fn ten_minutes(team: &Team, life: &Life) -> Vec<Result<(), Reason>> {
    team.clock.advance(Duration::from_mins(10));
    life.work().await;
    let occurrences = life.occurrences(NAME).await;
    occurrences
        .iter()
        .map(|o| match &o.state {
            OccurrenceState::Ran { .. } => Ok(()),
            OccurrenceState::Skipped { reason } => Err(*reason),
            other => panic!("not settled: {other:?}"),
        })
        .collect()
}

async fn is_armed(life: &Life) -> bool {
    let answer = life.daemon.playbooks().await.unwrap();
    answer.get("items").unwrap().as_list().unwrap()[0].get("armed").unwrap().as_bool().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_new_playbook_and_every_wider_edit_wait_for_a_person_to_arm_them() {
    use Reason::NotArmed;
    let team = team(&woken_by("every = \"10m\"", "")).await;
    team.task("Fix the login").await;
    let life = team.start().await;
    life.work().await;
    assert_eq!(ten_minutes(&team, &life).await, [Err(NotArmed)]);
    assert!(team.prompts().is_empty());
    arm(&life).await;
    assert_eq!(ten_minutes(&team, &life).await, [Err(NotArmed), Ok(())]);
    assert_eq!(team.prompts().len(), 1);

    // One more tool that writes: wider.
    team.playbook(NAME, &woken_by("every = \"10m\"", "\"addComment\", "));
    life.daemon.reload().await;
    assert!(!is_armed(&life).await);
    assert_eq!(ten_minutes(&team, &life).await.last(), Some(&Err(NotArmed)));
    arm(&life).await;
    assert_eq!(ten_minutes(&team, &life).await.last(), Some(&Ok(())));
    // Back again: narrower, and it stays armed.
    team.playbook(NAME, &woken_by("every = \"10m\"", ""));
    life.daemon.reload().await;
    assert!(is_armed(&life).await);
    assert_eq!(ten_minutes(&team, &life).await.last(), Some(&Ok(())));
    life.stop().await;
    let life = team.start().await;
    assert!(is_armed(&life).await, "a restart disarmed it");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn coming_occurrences_that_will_not_run_as_things_stand_are_marked() {
    let team = team(&woken_by("every = \"10m\"", "")).await;
    let life = team.start().await;
    let name = PlaybookName::new(NAME);
    let states = async || {
        let next = life.daemon.next(NextRequest::default()).await.unwrap();
        let items = next.get("items").unwrap().as_list().unwrap().to_vec();
        assert_eq!(items.len(), 10);
        let of = |item: &Value, key: &str| item.get(key).unwrap().to_string();
        let mut found: Vec<_> =
            items.iter().map(|item| (of(item, "state"), of(item, "note"))).collect();
        found.dedup();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    let told = |state: &str, note: &str| (state.to_owned(), note.to_owned());
    assert_eq!(states().await, told("not_armed", "not armed: skipped unless it is armed by then"));
    arm(&life).await;
    assert_eq!(states().await, told("armed", ""));
    life.daemon.set_playbook(&name, Switch::Pause, "Ada").await.unwrap();
    assert_eq!(states().await, told("paused", "paused: skipped unless it is resumed by then"));
    life.daemon.stop_all("Ada", "fire").await.unwrap();
    assert_eq!(
        states().await,
        told("stopped", "everything is stopped: skipped unless that is lifted by then")
    );
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_faulty_edit_leaves_the_last_good_version_in_force_and_is_shown() {
    let team = team(&woken_by("every = \"10m\"", "")).await;
    let life = team.start().await;
    life.work().await;
    arm(&life).await;
    let before = life.daemon.playbooks().await.unwrap();
    team.playbook(NAME, &woken_by("evry = \"1m\"", "\"addSubtask\", "));
    let changes = life.daemon.reload().await;
    assert_eq!(changes.get("faulty").unwrap().as_list().unwrap().len(), 1, "{changes:?}");
    let after = life.daemon.playbooks().await.unwrap();
    assert_eq!(
        before.get("items").unwrap().as_list().unwrap()[0].get("definition"),
        after.get("items").unwrap().as_list().unwrap()[0].get("definition")
    );
    let faults = serde_json::to_string(after.get("faults").unwrap()).unwrap();
    assert!(faults.contains("evry"), "{faults}");
    assert_eq!(ten_minutes(&team, &life).await, [Ok(())]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_with_the_definition_that_it_began_with() {
    let mut team = Team::new().await;
    team.playbook(NAME, WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let mut gate = team.gates.stop("model");
    let editing = async {
        gate.reached().await;
        team.playbook(NAME, &WORKER_PLAYBOOK.replace("Ready for Review", "Approved"));
        life.daemon.reload().await;
        gate.open();
    };
    let (report, ()) = tokio::join!(life.run(NAME), editing);
    assert_eq!(report.reason, Reason::HandedOver);
    assert_eq!(team.status(task).await, "Ready for Review");
    let run = life.the_run(task).await;
    let definition = life.ledger.definition(&run.definition).await.unwrap().unwrap();
    assert!(definition.contains("Ready for Review"));
    let other = team.task("Fix the logout").await;
    life.run(NAME).await;
    assert_eq!(team.status(other).await, "Approved");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stop_all_hands_everything_back_and_holds_over_a_restart_until_it_is_lifted() {
    let mut team = Team::new().await;
    team.playbook(NAME, &woken_by("every = \"10m\"", "\"addComment\", \"addSubtask\", "));
    team.model("worker", &[DILIGENT]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    life.work().await;
    team.clock.advance(Duration::from_mins(10));
    let mut gate = team.gates.stop("model");
    life.daemon.tick().await;
    gate.reached().await;
    life.daemon.stop_all("Ada", "fire").await.unwrap();
    life.daemon.idle().await;
    let run = life.the_run(task).await;
    assert_eq!((run.state, run.reason), (RunState::Cancelled, Some(Reason::Stopped)));
    let now = team.look(task).await;
    assert_eq!((now.assignee, now.has_tag("AI-Agent")), (None, false));
    assert_eq!(team.status(task).await, "New");
    let (_, text) = team.comments(task).await.pop().unwrap();
    assert!(text.contains("hands this task back") && text.contains("fire"), "{text}");
    assert!(text.contains("Done so far: nothing that shows"), "{text}");
    drop(gate);
    life.stop().await;

    let life = team.start().await;
    assert_eq!(ten_minutes(&team, &life).await.last(), Some(&Err(Reason::Stopped)));
    let refused = life.daemon.run_playbook(request(NAME)).await;
    let is_stopped =
        |e: &DeskError| matches!(e, DeskError::Refused { reason: Reason::Stopped, .. });
    assert!(refused.as_ref().is_err_and(is_stopped), "{refused:?}");
    assert_eq!(team.prompts().len(), 1);
    life.daemon.start_all("Ada").await.unwrap();
    assert_eq!(ten_minutes(&team, &life).await.last(), Some(&Ok(())));
    assert_eq!(life.runs(task).await[0].reason, Some(Reason::HandedOver));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_takes_a_claim_away_and_the_run_writes_nothing_more() {
    let mut team = Team::new().await;
    team.playbook(NAME, WORKER_PLAYBOOK);
    team.model("worker", &[DILIGENT]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let mut gate = team.gates.stop_after("model", 1);
    let taking = async {
        gate.reached().await;
        life.daemon.release_claim(task, "it hangs", "Ada").await.unwrap();
        gate.open();
        team.activity(task).await.len()
    };
    let (report, before) = tokio::join!(life.run(NAME), taking);
    assert_eq!(report.state, RunState::ClaimLost, "{report:#?}");
    assert_eq!(team.activity(task).await.len(), before);
    let claim = life.claim(task).await;
    assert!(claim.fence > Fence(1) && claim.holder.is_none(), "{claim:?}");
    let log = life.ledger.audit_log(10, None).await.unwrap();
    assert!(log.iter().any(|entry| entry.detail.contains("it hangs")), "{log:?}");
    life.stop().await;
}
