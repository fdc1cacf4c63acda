//! A reviewer that is to be independent does not look at work of its own model family, or of its own
//! user.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK, changed};
use super::reviews::{APPROVES, REVIEW};
use crate::support::daemon::{ADA, Life, Team};
use rota::domain::*;
use rota::tools::desk::Desk as _;

async fn team(families: &[(&str, &str)], replace: &[(&str, &str)]) -> (Team, TaskId, Life) {
    let mut team = Team::new().await;
    let worker = WORKER_PLAYBOOK.replace("assign = \"{{task.author}}\"\n", "");
    team.playbook("ai-worker", &worker);
    let review = changed(REVIEW, &[("rounds = 3", "rounds = 3\nindependent = true")]);
    team.playbook("code-review", &changed(&review, replace));
    team.model("worker", &[QUICK]);
    team.model("reviewer", &[APPROVES]);
    let family = |(name, family): &(&str, &str)| ((*name).to_owned(), (*family).to_owned());
    team.families = families.iter().map(family).collect();
    let task = team.task("Make it blue").await;
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    (team, task, life)
}

/// What `rota why` says of the reviewer and the task.
async fn why(life: &Life, task: TaskId) -> String {
    let why = life.daemon.why(&format!("task {task}"), None).await.unwrap();
    let now = why.get("now").and_then(Value::as_list).unwrap().to_vec();
    let of_reviewer = now
        .iter()
        .find(|line| line.get("playbook").and_then(Value::as_text) == Some("code-review"));
    of_reviewer.unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn another_family_may_review_and_each_run_says_which_it_was() {
    let (team, task, life) = team(&[("worker", "claude"), ("reviewer", "gpt")], &[]).await;
    life.run("code-review").await;
    assert_eq!(team.status(task).await, "Approved");
    let by: Vec<_> = life.runs(task).await.into_iter().map(|run| run.by.unwrap()).collect();
    let families: Vec<_> = by.iter().map(|by| by.family.as_deref()).collect();
    assert_eq!(families, [Some("gpt"), Some("claude")]);
    assert_eq!(by[1].model.as_deref(), Some("worker"));
    let rounds = life.ledger.rounds(task).await.unwrap().unwrap();
    assert_eq!(rounds.author.family.as_deref(), Some("claude"));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_family_is_refused_with_a_reason() {
    let (team, task, life) = team(&[("worker", "claude"), ("reviewer", "claude")], &[]).await;
    let report = life.run("code-review").await;
    assert_eq!(report.reason, Reason::NothingToDo, "{report:?}");
    assert_eq!(team.status(task).await, "Ready for Review");
    let why = why(&life, task).await;
    assert!(why.contains("not_independent") && why.contains("the family claude"), "{why}");
    let said = life.ledger.decisions_about_task(task, None).await.unwrap();
    assert!(said.iter().any(|decision| decision.reason == Reason::NotIndependent), "{said:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_family_that_is_not_known_is_not_another() {
    for families in [&[("worker", "claude")][..], &[("reviewer", "gpt")], &[]] {
        let (team, task, life) = team(families, &[]).await;
        life.run("code-review").await;
        assert_eq!(team.status(task).await, "Ready for Review");
        assert!(why(&life, task).await.contains("not known"));
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_user_of_the_board_is_refused_whatever_its_family() {
    let same = [("agent = \"AI-Reviewer\"", "agent = \"AI-Worker\"")];
    let (team, task, life) = team(&[("worker", "claude"), ("reviewer", "gpt")], &same).await;
    life.run("code-review").await;
    assert_eq!(team.status(task).await, "Ready for Review");
    assert!(why(&life, task).await.contains("was AI-Worker, too"));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_wrote_or_took_over_any_reviewer_may_look_at() {
    let (team, task, life) = team(&[], &[]).await;
    let own = team.task("Ada did this").await;
    let ready = team.labelled("Ready for Review").await;
    team.edit(ADA, own, TaskEdit::Status(ready)).await;
    life.run("code-review").await;
    assert_eq!(team.status(own).await, "Approved");
    assert_eq!(team.status(task).await, "Ready for Review");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_ask_for_independence_gets_none() {
    let off = [("independent = true", "independent = false")];
    let (team, task, life) = team(&[("worker", "claude"), ("reviewer", "claude")], &off).await;
    life.run("code-review").await;
    assert_eq!(team.status(task).await, "Approved");
    life.stop().await;
}
