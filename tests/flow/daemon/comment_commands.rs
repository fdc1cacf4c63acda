//! What people tell agents in comments: by the right people, once, and never as an answer.

use super::playbooks::{ASKS, BREAKS_OFF, QUICK, WORKER as WORKER_PLAYBOOK};
use super::review_queue::submitted;
use crate::support::daemon::{ADA, BO, Life, Team, WORKER};
use crate::support::playbooks::changed;
use rota::domain::*;
use serde_json::json;
use std::time::Duration;

/// One attempt, and no waiting for another.
pub fn one_attempt() -> String {
    changed(WORKER_PLAYBOOK, &[("attempts = 3", "attempts = 1")])
}

async fn team(scripts: &[&str]) -> (Team, TaskId, Life) {
    let mut team = Team::new().await;
    team.playbook("ai-worker", &one_attempt());
    team.model("worker", scripts);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    // What was said before the first look is no news.
    life.work().await;
    (team, task, life)
}

/// Somebody says something, and time is given to hear and to do it.
pub async fn say(team: &Team, life: &Life, who: PersonId, task: TaskId, text: &str) {
    team.clock.advance(Duration::from_secs(1));
    team.say(who, task, text).await;
    hear(life).await;
}

async fn hear(life: &Life) {
    life.work().await;
    life.daemon.obey().await;
    life.work().await;
}

/// What agents said on a task, the last of it.
pub async fn answer(team: &Team, task: TaskId) -> Option<String> {
    let comments = team.comments(task).await;
    let mut own = comments.into_iter().filter(|(who, _)| *who != ADA && *who != BO);
    own.next_back().map(|(_, text)| text)
}

async fn said(team: &Team, task: TaskId, text: &str) -> usize {
    team.comments(task).await.iter().filter(|(_, said)| said.contains(text)).count()
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_how_it_stands_is_answered_once_by_the_agent_that_was_asked() {
    let (team, task, life) = team(&[QUICK]).await;
    say(&team, &life, BO, task, "@AI-Docs status").await;
    let comments = team.comments(task).await;
    let (who, text) = comments.last().unwrap();
    let docs = team.person(*who).await;
    assert_eq!((docs.name.as_str(), comments.len()), ("AI-Docs", 2));
    assert!(text.starts_with("No agent has worked at this task."), "{text}");
    hear(&life).await;
    assert_eq!(team.comments(task).await.len(), 2, "once");
    life.run("ai-worker").await;
    say(&team, &life, BO, task, "@agent status!").await;
    let text = answer(&team, task).await.unwrap();
    let run = life.the_run(task).await.id;
    assert!(text.starts_with(&format!("Run `{run}` handed this over at 2026-11-03")), "{text}");
    assert!(text.ends_with(&format!("`rota why {task}` tells more.")), "{text}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_word_that_is_no_command_is_told_once_which_ones_there_are() {
    let (team, task, life) = team(&[]).await;
    let words = "I understand `stop`, `release`, `retry`, `approve`, `status`";
    say(&team, &life, BO, task, "@AI-Worker dance").await;
    assert_eq!(said(&team, task, words).await, 1);
    say(&team, &life, ADA, task, "@AI-Worker sing").await;
    say(&team, &life, ADA, task, "@AI-Worker, what do you think of this?").await;
    assert_eq!(said(&team, task, words).await, 1, "and talk is left alone");
    assert_eq!(team.comments(task).await.len(), 4);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_says_is_no_command() {
    let (team, task, life) = team(&[]).await;
    let agent = team.person(WORKER).await;
    let args = json!({ "module": "ticket", "entityId": task.0, "text": "@AI-Agent status" });
    life.call(&agent, "addComment", args).await.unwrap();
    team.say(WORKER, task, "@AI-Agent retry").await;
    hear(&life).await;
    assert_eq!(team.comments(task).await.len(), 2, "nobody answered");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_failed_is_tried_again_for_whoever_may_start_it() {
    let (team, task, life) = team(&[BREAKS_OFF, QUICK]).await;
    say(&team, &life, BO, task, "@AI-Agent retry").await;
    let text = answer(&team, task).await.unwrap();
    assert!(text.contains("No playbook has worked at this task"), "{text}");
    assert_eq!(life.run("ai-worker").await.state, RunState::Failed);
    say(&team, &life, BO, task, "@AI-Worker retry").await;
    assert_eq!(said(&team, task, "ai-worker is to take this task again.").await, 1);
    let runs = life.runs(task).await;
    assert_eq!(runs[0].reason, Some(Reason::HandedOver), "{runs:#?}");
    // Heard again after a crash, it is the same occurrence.
    hear(&life).await;
    assert_eq!(life.runs(task).await.len(), runs.len());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn only_a_manager_takes_a_claim_away_by_a_comment() {
    let (team, task, life) = team(&[QUICK]).await;
    let agent = team.person(WORKER).await;
    life.call(&agent, "claimTask", json!({ "task": task.0 })).await.unwrap();
    say(&team, &life, BO, task, "@AI-Agent release").await;
    let text = answer(&team, task).await.unwrap();
    assert!(text.contains("manager"), "{text}");
    assert_ne!(life.claim(task).await.phase, Phase::Free, "it was only asked for");
    say(&team, &life, ADA, task, "@AI-Agent release").await;
    assert_eq!(said(&team, task, "The claim of run").await, 1);
    assert_eq!(life.claim(task).await.phase, Phase::Free);
    say(&team, &life, ADA, task, "@AI-Agent release").await;
    assert_eq!(answer(&team, task).await.unwrap(), "Nobody holds this task.");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_playbook_handed_over_is_approved_by_a_comment_and_an_assistants_own_is_not() {
    let (team, task, life) = team(&[QUICK]).await;
    say(&team, &life, BO, task, "@AI-Agent approve").await;
    let text = answer(&team, task).await.unwrap();
    assert!(text.contains("does not wait for a decision"), "{text}");
    life.run("ai-worker").await;
    say(&team, &life, BO, task, "@AI-Agent approve").await;
    assert_eq!(team.status(task).await, "Done");
    assert_eq!(said(&team, task, "**Bo** approves this").await, 1);
    // Whoever writes as Ada may be the assistant that handed it over in her name.
    let own = super::review_queue::submitted_by(&team, &life, ADA).await;
    say(&team, &life, ADA, own, "@AI-Agent approve").await;
    let text = answer(&team, own).await.unwrap();
    assert!(text.contains("does not decide itself"), "{text}");
    assert_ne!(team.status(own).await, "Done");
    // An agent's assistant is somebody else.
    let other = submitted(&team, &life).await;
    say(&team, &life, ADA, other, "@AI-Agent approve").await;
    assert_eq!(team.status(other).await, "Done");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_program_with_a_persons_token_gives_no_command_in_their_name() {
    let (team, task, life) = team(&[QUICK]).await;
    life.run("ai-worker").await;
    let ada = team.person(ADA).await;
    for command in ["@AI-Agent approve", "@AI-Worker retry", "@agent release."] {
        let args = json!({ "module": "ticket", "entityId": task.0, "text": command });
        let refused = life.call(&ada, "addComment", args.clone()).await.unwrap_err();
        assert!(refused.to_string().contains("for people to write"), "{refused}");
    }
    for harmless in ["@AI-Agent status", "@AI-Worker, please approve of this"] {
        let args = json!({ "module": "ticket", "entityId": task.0, "text": harmless });
        life.call(&ada, "addComment", args).await.unwrap();
    }
    // At their own terminal they write what they want.
    let args = json!({ "module": "ticket", "entityId": task.0, "text": "@AI-Agent approve" });
    life.call_by_hand(&ada, "addComment", args).await.unwrap();
    hear(&life).await;
    assert_eq!(team.status(task).await, "Done");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_is_about_what_was_there_when_it_was_given() {
    let (team, task, life) = team(&[QUICK, QUICK]).await;
    life.run("ai-worker").await;
    team.say(ADA, task, "@AI-Agent approve").await;
    life.daemon.tick().await;
    // Before it is carried out, somebody sends the work back, and other work is handed over.
    let args = json!({ "task": task.0, "decision": "request_changes", "comment": "More." });
    life.call(&team.person(BO).await, "decideReview", args).await.unwrap();
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 2);
    life.daemon.obey().await;
    assert_ne!(team.status(task).await, "Done");
    let text = answer(&team, task).await.unwrap();
    assert!(text.starts_with("Other work waits here by now"), "{text}");
    // What is too old by then is not carried out at all.
    team.say(BO, task, "@AI-Agent status").await;
    life.daemon.tick().await;
    team.clock.advance(Duration::from_hours(25));
    let before = team.comments(task).await.len();
    life.daemon.obey().await;
    assert_eq!(team.comments(task).await.len(), before);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_answers_no_question_and_a_word_may() {
    let (team, task, life) = team(&[ASKS, QUICK]).await;
    assert_eq!(life.run("ai-worker").await.state, RunState::Waiting);
    say(&team, &life, BO, task, "@AI-Worker status").await;
    let text = answer(&team, task).await.unwrap();
    assert!(text.contains("has asked, and waits for an answer"), "{text}");
    assert_eq!(life.claim(task).await.phase, Phase::Parked);
    say(&team, &life, BO, task, "@AI-Worker blue").await;
    assert_eq!(life.runs(task).await[0].reason, Some(Reason::HandedOver));
    assert_eq!(said(&team, task, "I understand").await, 0);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_works_stops_and_where_nobody_does_that_is_said() {
    let (team, task, life) = team(&[QUICK]).await;
    say(&team, &life, BO, task, "@AI-Agent stop").await;
    assert_eq!(answer(&team, task).await.unwrap(), "Nobody works at this task for now.");
    let mut gate = team.gates.stop("model");
    let told = async {
        gate.reached().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        team.clock.advance(Duration::from_secs(1));
        team.say(BO, task, "@AI-Agent stop").await;
        life.daemon.tick().await;
        gate.open();
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), told);
    assert_eq!(report.reason, Reason::StopComment, "{report:#?}");
    let before = team.comments(task).await.len();
    hear(&life).await;
    assert_eq!(team.comments(task).await.len(), before, "the run has said it");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_heard_is_carried_out_by_the_next_life_once() {
    let (team, task, life) = team(&[]).await;
    team.say(BO, task, "@AI-Agent status").await;
    life.work().await;
    life.stop().await;
    assert_eq!(team.comments(task).await.len(), 1);
    let life = team.start().await;
    life.daemon.obey().await;
    life.daemon.obey().await;
    assert_eq!(team.comments(task).await.len(), 2);
    life.stop().await;
}
