//! Staged: what a run would write waits for a person, who applies it, changes it, or does not.

use super::playbooks::{DILIGENT, WORKER as WORKER_PLAYBOOK};
use super::review_queue::waiting;
use crate::support::daemon::{ADA, BO, Life, Team, WORKER, request};
use crate::support::playbooks::changed;
use rota::domain::*;
use rota::tools::ToolError;
use rota::tools::desk::Desk as _;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Changes the task's text and priority, adds a subtask, comments; and would hand over.
const THOROUGH: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [
  { tool = "editTask", args = { id = "${task_id}", params = { description = "A guess.", priority = 2 } } },
  { tool = "addSubtask", args = { parentTicket = "${task_id}", headline = "Write the test" } },
  { tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "I found it." } },
]

[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now." } }]
"#;

fn playbook() -> String {
    let text = changed(WORKER_PLAYBOOK, &[("tools = [", "tools = [\"editTask\", ")]);
    format!("mode = \"staged\"\n{text}")
}

async fn team(scripts: &[&str]) -> Team {
    let mut team = Team::new().await;
    team.playbook("ai-worker", &playbook());
    team.model("worker", scripts);
    team
}

/// A run has proposed: edit, subtask, comment, and of its outcome comment and edit.
async fn proposed() -> (Team, Life, TaskId) {
    let team = team(&[THOROUGH]).await;
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let report = life.run("ai-worker").await;
    assert_eq!((report.state, report.reason), (RunState::Waiting, Reason::Proposed), "{report:#?}");
    team.clock.advance(Duration::from_secs(1));
    (team, life, task)
}

#[tokio::test(start_paused = true)]
async fn what_is_proposed_and_not_decided_fills_the_queue_of_reviews() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", &format!("{}\n[review]\nwaiting_max = 1\n", playbook()));
    team.model("worker", &[THOROUGH]);
    let (one, other) = (team.task("One").await, team.task("Two").await);
    let life = team.start().await;
    life.run("ai-worker").await;
    let report = life.run("ai-worker").await;
    assert_eq!(report.reason, Reason::ReviewQueueFull);
    let runs = [life.runs(one).await.len(), life.runs(other).await.len()];
    assert_eq!(runs, [1, 0]);
    decide(
        &team,
        &life,
        ADA,
        json!({ "task": one.0, "decision": "request_changes", "comment": "No." }),
    )
    .await
    .unwrap();
    life.work().await;
    let report = life.run("ai-worker").await;
    assert_eq!(report.reason, Reason::Proposed);
    assert_eq!(life.runs(other).await.len(), 1);
    life.stop().await;
}

async fn decide(team: &Team, life: &Life, who: PersonId, args: Json) -> Result<Json, ToolError> {
    let who = team.person(who).await;
    let answer = life.call(&who, "decideReview", args).await?;
    Ok(serde_json::to_value(&answer).unwrap())
}

async fn show(team: &Team, life: &Life, task: TaskId) -> Json {
    let ada = team.person(ADA).await;
    let shown = life.call(&ada, "showReview", json!({ "task": task.0 })).await.unwrap();
    serde_json::to_value(&shown).unwrap()
}

fn states(shown: &Json) -> Vec<String> {
    let items = shown["items"].as_array().unwrap().iter();
    items.map(|item| item["state"].as_str().unwrap().to_owned()).collect()
}

async fn subtasks(team: &Team, task: TaskId) -> usize {
    let query = TaskQuery { limit: 100, ..TaskQuery::default() };
    let all = team.board.below.tasks(&query).await.unwrap().items;
    all.iter().filter(|one| one.parent == Some(task)).count()
}

async fn said(team: &Team, task: TaskId, part: &str) -> usize {
    team.comments(task).await.iter().filter(|(_, text)| text.contains(part)).count()
}

/// All of it stands on the board, each once.
async fn all_is_written(team: &Team, life: &Life, task: TaskId, place: &str) {
    let now = team.look(task).await;
    assert_eq!(now.description, "A guess.", "{place}");
    assert_eq!(subtasks(team, task).await, 1, "{place}");
    assert_eq!(said(team, task, "I found it.").await, 1, "{place}");
    assert_eq!(said(team, task, "hands this over").await, 1, "{place}");
    assert_eq!(team.status(task).await, "Ready for Review", "{place}");
    assert_eq!(life.claim(task).await.phase, Phase::Free, "{place}");
    assert!(life.ledger.running().await.unwrap().is_empty(), "{place}");
    assert!(life.ledger.orphans().await.unwrap().is_empty(), "{place}");
    let staging = life.ledger.staging(task).await.unwrap().unwrap();
    assert!(staging.closed.is_some(), "{place}");
    assert_eq!(staging.applied(), (5, 5), "{place}: {staging:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_announcement_is_live_and_every_other_write_waits_for_a_person() {
    let (team, life, task) = proposed().await;
    assert_eq!(team.status(task).await, "In Progress");
    let now = team.look(task).await;
    assert_eq!((now.assignee, now.description.as_str()), (Some(WORKER), ""));
    assert_eq!((team.comments(task).await.len(), subtasks(&team, task).await), (1, 0));
    let claim = life.claim(task).await;
    assert_eq!((claim.phase, claim.holder, claim.lease_ends), (Phase::Parked, None, None));
    let row = (task.0, "proposals".into(), "the playbook ai-worker".into(), json!("AI-Worker"));
    assert_eq!(waiting(&team, &life).await, [row]);
    let shown = show(&team, &life, task).await;
    assert_eq!(states(&shown), ["open"; 5], "{shown:#}");
    let changes = |place: usize| shown["items"][place]["changes"].to_string();
    assert!(
        changes(0).contains("description: nothing → A guess.")
            || changes(0).contains("description:  → A guess."),
        "{shown:#}"
    );
    assert!(changes(1).contains("headline: nothing → Write the test"), "{shown:#}");
    assert!(changes(4).contains("status_label: In Progress → Ready for Review"), "{shown:#}");
    let told = team.told.texts();
    let own = told.iter().filter(|text| text.contains("proposes 5 writes")).count();
    assert_eq!(own, 1, "{told:#?}");
    // The model was told that nothing was written, and by which number people know it.
    let run = life.the_run(task).await;
    assert_eq!((run.state, run.reason), (RunState::Waiting, Some(Reason::Proposed)));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_approves_is_written_once_under_a_new_fence_in_the_agents_name() {
    let (team, life, task) = proposed().await;
    let args = json!({ "task": task.0, "decision": "approve", "dryRun": true });
    let would = decide(&team, &life, BO, args).await.unwrap();
    assert_eq!(would["what"], "would: apply 1, 2, 3, 4, 5", "{would:#}");
    let args = json!({ "task": task.0, "decision": "approve", "comment": "Go." });
    let ruling = decide(&team, &life, BO, args).await.unwrap();
    assert_eq!(ruling["what"], "5 of 5 proposals were applied", "{ruling:#}");
    all_is_written(&team, &life, task, "").await;
    assert_eq!(team.look(task).await.assignee, Some(ADA), "the outcome's assign");
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 2);
    assert_eq!((runs[0].fence, runs[1].fence), (Some(Fence(2)), Some(Fence(1))));
    assert_eq!((runs[0].state, runs[0].reason), (RunState::Succeeded, Some(Reason::HandedOver)));
    let (who, _) = team.comments(task).await.into_iter().find(|(_, t)| t == "I found it.").unwrap();
    assert_eq!(who, WORKER);
    assert_eq!(team.prompts().len(), 1, "no model was asked again");
    let audit = life.ledger.audit_log(10, None).await.unwrap();
    assert!(audit.iter().any(|entry| entry.what == "apply" && entry.who == "Bo"), "{audit:#?}");
    // The task waits for its review now, which is another decision.
    assert_eq!(waiting(&team, &life).await[0].1, "hand_over");
    life.work().await;
    all_is_written(&team, &life, task, "a tick later").await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_changes_what_is_written_and_what_cannot_be_written_is_refused_before() {
    let (team, life, task) = proposed().await;
    let edited =
        |args: Json| json!({ "task": task.0, "decision": "approve", "edits": { "1": args } });
    let wrong = edited(json!({ "id": task.0, "params": { "priority": "soon-ish" } }));
    let error = decide(&team, &life, ADA, wrong).await.unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidArguments, "{error}");
    let unknown = json!({ "task": task.0, "decision": "approve", "only": [9] });
    assert!(
        decide(&team, &life, ADA, unknown).await.unwrap_err().to_string().contains("no proposal 9")
    );
    assert_eq!(life.claim(task).await.phase, Phase::Parked, "nothing is decided yet");
    let right = edited(json!({ "id": task.0, "params": { "description": "A proof." } }));
    let ruling = decide(&team, &life, ADA, right).await.unwrap();
    assert_eq!(ruling["what"], "5 of 5 proposals were applied", "{ruling:#}");
    let now = team.look(task).await;
    assert_eq!((now.description.as_str(), now.priority), ("A proof.", None));
    let shown = show(&team, &life, task).await;
    assert_eq!(states(&shown), ["edited", "applied", "applied", "applied", "applied"], "{shown:#}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_some_that_are_approved_without_the_outcome_these_are_written_and_the_task_goes_back() {
    let (team, life, task) = proposed().await;
    let args = json!({ "task": task.0, "decision": "approve", "only": [3] });
    let ruling = decide(&team, &life, ADA, args).await.unwrap();
    assert!(ruling["what"].as_str().unwrap().starts_with("1 of 5"), "{ruling:#}");
    let now = team.look(task).await;
    assert_eq!(
        (now.description.as_str(), now.assignee, now.has_tag("AI-Agent")),
        ("", None, false)
    );
    assert_eq!((said(&team, task, "I found it.").await, subtasks(&team, task).await), (1, 0));
    assert_eq!(team.status(task).await, "New");
    assert_eq!(said(&team, task, "hands this task back").await, 1);
    let run = life.runs(task).await.remove(0);
    assert_eq!(run.reason, Some(Reason::ProposalsRejected), "{run:#?}");
    let shown = show(&team, &life, task).await;
    assert_eq!(states(&shown), ["rejected", "rejected", "applied", "rejected", "rejected"]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_rejects_is_not_written_and_the_task_goes_back_with_their_words() {
    let (team, life, task) = proposed().await;
    let args = json!({ "task": task.0, "decision": "request_changes", "comment": "Not so." });
    decide(&team, &life, ADA, args).await.unwrap();
    let now = team.look(task).await;
    assert_eq!((now.description.as_str(), now.assignee), ("", None));
    assert_eq!((team.status(task).await.as_str(), subtasks(&team, task).await), ("New", 0));
    let (_, words) = team.comments(task).await.pop().unwrap();
    assert!(words.contains("hands this task back") && words.contains("Ada: Not so."), "{words}");
    let run = life.runs(task).await.remove(0);
    assert_eq!((run.state, run.reason), (RunState::Failed, Some(Reason::ProposalsRejected)));
    assert_eq!(states(&show(&team, &life, task).await), ["rejected"; 5]);
    assert!(waiting(&team, &life).await.is_empty());
    // Until somebody has touched it, nobody spends anything on it again.
    assert_eq!(life.run("ai-worker").await.tasks.len(), 0);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_decides_about_in_a_day_is_not_written_and_people_are_told() {
    let (team, life, task) = proposed().await;
    team.clock.advance(Duration::from_hours(24) - Duration::from_secs(10));
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Parked, "not before");
    team.clock.advance(Duration::from_secs(10));
    // Also where no look has come by yet, the time is over.
    let late = json!({ "task": task.0, "decision": "approve" });
    let error = decide(&team, &life, ADA, late.clone()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ProposalsExpired, "{error}");
    life.work().await;
    let run = life.runs(task).await.remove(0);
    assert_eq!((run.state, run.reason), (RunState::Failed, Some(Reason::ProposalsExpired)));
    assert_eq!((team.status(task).await.as_str(), team.look(task).await.assignee), ("New", None));
    assert_eq!(said(&team, task, "hands this task back").await, 1);
    assert_eq!(states(&show(&team, &life, task).await), ["expired"; 5]);
    let told = team.told.texts();
    assert!(told.iter().any(|text| text.contains("proposals_expired")), "{told:#?}");
    let error = decide(&team, &life, ADA, late).await.unwrap_err();
    assert_eq!(error.reason(), Reason::NotFound, "{error}");
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 2);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_changed_since_stays_and_the_rest_is_written() {
    let (team, life, task) = proposed().await;
    team.edit(BO, task, TaskEdit::Description("Mine.".into())).await;
    // Another field of the same task is in nobody's way.
    team.edit(BO, task, TaskEdit::AddTag("urgent".into())).await;
    let args = json!({ "task": task.0, "decision": "approve" });
    let ruling = decide(&team, &life, ADA, args).await.unwrap();
    let what = ruling["what"].as_str().unwrap();
    assert!(what.starts_with("4 of 5") && what.contains("number 1"), "{ruling:#}");
    assert!(what.contains("description"), "{ruling:#}");
    let now = team.look(task).await;
    assert_eq!((now.description.as_str(), now.priority), ("Mine.", None));
    assert!(now.has_tag("urgent"));
    assert_eq!((subtasks(&team, task).await, said(&team, task, "I found it.").await), (1, 1));
    assert_eq!(team.status(task).await, "Ready for Review");
    assert_eq!(states(&show(&team, &life, task).await)[0], "conflict");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_takes_the_task_over_keeps_it_and_nothing_is_written() {
    for says_stop in [false, true] {
        let (team, life, task) = proposed().await;
        if says_stop {
            team.edit(ADA, task, TaskEdit::AddTag("AI-Stop".into())).await;
        } else {
            team.edit(ADA, task, TaskEdit::Assignee(Some(ADA))).await;
        }
        life.work().await;
        let run = life.runs(task).await.remove(0);
        let reason = if says_stop { Reason::StopTag } else { Reason::PersonTookOver };
        assert_eq!((run.state, run.reason), (RunState::Yielded, Some(reason)));
        let now = team.look(task).await;
        assert_eq!((now.description.as_str(), subtasks(&team, task).await), ("", 0));
        assert_eq!(now.assignee, if says_stop { None } else { Some(ADA) });
        assert_eq!(states(&show(&team, &life, task).await), ["failed"; 5]);
        let late = json!({ "task": task.0, "decision": "approve" });
        assert!(decide(&team, &life, ADA, late).await.is_err());
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_who_decide_at_once_one_does() {
    let (team, life, task) = proposed().await;
    let approve = json!({ "task": task.0, "decision": "approve" });
    let reject = json!({ "task": task.0, "decision": "request_changes", "comment": "No." });
    let (one, other) =
        tokio::join!(decide(&team, &life, ADA, approve.clone()), decide(&team, &life, BO, reject));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one["decision"]["verdict"], other["decision"]["verdict"], "{one:#} {other:#}");
    assert_ne!(one["repeated"], other["repeated"]);
    // Who comes a moment later is told the same, and does not decide about the hand-over by it.
    let late = decide(&team, &life, BO, approve).await.unwrap();
    assert_eq!(late["repeated"], true, "{late:#}");
    assert_ne!(team.status(task).await, "Done");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn only_people_decide() {
    let (team, life, task) = proposed().await;
    let args = json!({ "task": task.0, "decision": "approve" });
    let error = decide(&team, &life, WORKER, args).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TokenRefused, "{error}");
    assert_eq!(life.claim(task).await.phase, Phase::Parked);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_everything_is_stopped_a_decision_waits_and_is_carried_out_after_a_restart() {
    let (team, life, task) = proposed().await;
    life.daemon.stop_all("Ada", "fire").await.unwrap();
    let args = json!({ "task": task.0, "decision": "approve" });
    let ruling = decide(&team, &life, ADA, args).await.unwrap();
    assert!(ruling["what"].as_str().unwrap().contains("it is decided"), "{ruling:#}");
    life.work().await;
    assert_eq!(subtasks(&team, task).await, 0);
    life.stop().await;
    let life = team.start().await;
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Parked);
    life.daemon.start_all("Ada").await.unwrap();
    life.work().await;
    all_is_written(&team, &life, task, "").await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn proposals_survive_a_restart_and_another_daemon_may_apply_them() {
    let (team, life, task) = proposed().await;
    life.stop().await;
    let life = team.start_as("two").await;
    life.work().await;
    assert_eq!(states(&show(&team, &life, task).await), ["open"; 5]);
    let args = json!({ "task": task.0, "decision": "approve" });
    decide(&team, &life, BO, args).await.unwrap();
    all_is_written(&team, &life, task, "").await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_proposals_are_applied_loses_and_repeats_nothing() {
    // Each write has a gate before and behind it: the edit, the subtask, the comment of the agent; the
    // comment and the edit of the outcome.
    for (place, let_pass) in [
        ("raiseFence", 0),
        ("before editTask", 0),
        ("after editTask", 0),
        ("before addTask", 0),
        ("after addTask", 0),
        ("before addComment", 0),
        ("after addComment", 0),
        ("before addComment", 1),
        ("after addComment", 1),
        ("before editTask", 1),
        ("after editTask", 1),
    ] {
        let (team, dead, task) = proposed().await;
        let mut gate = team.gates.stop_after(place, let_pass);
        let args = json!({ "task": task.0, "decision": "approve" });
        tokio::select! {
            ruling = decide(&team, &dead, ADA, args) => panic!("{place}: it came to an end: {ruling:?}"),
            () = gate.reached() => {}
        }
        drop(gate);
        team.clock.advance(Duration::from_secs(1));
        let life = team.start().await;
        life.work().await;
        let place = format!("{place} {let_pass}");
        all_is_written(&team, &life, task, &place).await;
        assert_eq!(team.prompts().len(), 1, "{place}: it was worked at again");
        life.work().await;
        all_is_written(&team, &life, task, &place).await;
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_a_run_proposes_leaves_no_half_of_a_proposal() {
    for (place, let_pass) in [("model", 0), ("model", 1), ("readTask", 3), ("readTask", 6)] {
        let team = team(&[THOROUGH]).await;
        let task = team.task("Fix the login").await;
        let dead = team.start().await;
        let mut gate = team.gates.stop_after(place, let_pass);
        tokio::select! {
            report = dead.daemon.run_playbook(request("ai-worker")) => panic!("{place}: {report:?}"),
            () = gate.reached() => {}
        }
        drop(gate);
        team.clock.advance(Duration::from_secs(1));
        let life = team.start().await;
        life.work().await;
        let shown = show(&team, &life, task).await;
        assert_eq!(states(&shown), ["open"; 5], "{place} {let_pass}: {shown:#}");
        assert_eq!(
            (team.look(task).await.description.as_str(), subtasks(&team, task).await),
            ("", 0)
        );
        assert!(life.ledger.running().await.unwrap().is_empty(), "{place} {let_pass}");
        let args = json!({ "task": task.0, "decision": "approve" });
        decide(&team, &life, ADA, args).await.unwrap();
        all_is_written(&team, &life, task, place).await;
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_board_that_is_away_while_proposals_are_applied_is_waited_for() {
    let (team, life, task) = proposed().await;
    let mut gate = team.gates.stop("before addTask");
    let args = json!({ "task": task.0, "decision": "approve" });
    let deciding = decide(&team, &life, ADA, args);
    let outage = async {
        gate.reached().await;
        team.board.watch.down.store(true, std::sync::atomic::Ordering::SeqCst);
        gate.open();
    };
    let (ruling, ()) = tokio::join!(deciding, outage);
    assert!(ruling.is_ok(), "{ruling:?}");
    team.board.watch.down.store(false, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..4 {
        team.clock.advance(Duration::from_mins(2));
        life.work().await;
    }
    all_is_written(&team, &life, task, "").await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_is_live_and_what_was_proposed_before_it_is_decided_with_the_rest() {
    const ASKS_IN_BETWEEN: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "I found it." } }]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "blocked", summary = "Which colour is it to be?" } }]
"#;
    let goes_on = changed(DILIGENT, &[("[[conversation]]\n", "")]);
    let team = team(&[&format!("{ASKS_IN_BETWEEN}{goes_on}")]).await;
    let task = team.task("Paint the shed").await;
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::Waiting);
    assert_eq!(said(&team, task, "Which colour").await, 1);
    assert_eq!(waiting(&team, &life).await[0].1, "question");
    team.clock.advance(Duration::from_mins(1));
    team.say(BO, task, "Green.").await;
    life.work().await;
    let shown = show(&team, &life, task).await;
    assert_eq!(states(&shown), ["open"; 5], "one before, four after: {shown:#}");
    let numbers: Vec<_> =
        shown["items"].as_array().unwrap().iter().map(|i| i["number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let args = json!({ "task": task.0, "decision": "approve" });
    decide(&team, &life, ADA, args).await.unwrap();
    assert_eq!(said(&team, task, "I found it.").await, 2);
    assert_eq!(team.status(task).await, "Ready for Review");
    life.stop().await;
}
