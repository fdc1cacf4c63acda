//! Evidence: an outcome that needs some is a success only where the journal of the run shows it.

use super::playbooks::{DILIGENT, QUICK, WORKER as WORKER_PLAYBOOK};
use super::review_queue::{decide, waiting};
use crate::support::daemon::{ADA, Life, Team};
use crate::support::playbooks::changed;
use rota::domain::*;

/// A run that says it is done; the outcome wants a comment to show for it.
async fn ended(script: &str) -> (Team, Life, TaskId) {
    let mut team = Team::new().await;
    let needs = [
        ("[outcome.ready]", "[outcome.ready]\nrequires = [\"tool:addComment\"]"),
        ("attempts = 3", "attempts = 2"),
    ];
    team.playbook("ai-worker", &changed(WORKER_PLAYBOOK, &needs));
    team.model("worker", &[script]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    life.run("ai-worker").await;
    (team, life, task)
}

#[tokio::test(start_paused = true)]
async fn what_the_journal_shows_counts() {
    let (team, life, task) = ended(DILIGENT).await;
    let run = life.the_run(task).await;
    assert_eq!((run.state, run.reason), (RunState::Succeeded, Some(Reason::HandedOver)));
    assert_eq!(waiting(&team, &life).await[0].1, "hand_over");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn words_do_not_count_the_task_is_not_moved_and_a_person_is_asked() {
    let (team, life, task) = ended(QUICK).await;
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 2, "it was tried again");
    for run in &runs {
        assert_eq!((run.state, run.reason), (RunState::Unverified, Some(Reason::Unverified)));
        assert!(run.detail.contains("tool:addComment"), "{run:#?}");
    }
    assert_eq!((team.status(task).await.as_str(), team.look(task).await.assignee), ("New", None));
    let rows = waiting(&team, &life).await;
    assert_eq!((rows.len(), rows[0].0, rows[0].1.as_str()), (1, task.0, "unverified"), "{rows:#?}");
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 2, "nothing more is spent on it meanwhile");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_says_whether_it_is_done_or_sends_it_back() {
    let (team, life, task) = ended(QUICK).await;
    decide(&team, &life, ADA, (task, "approve", "I looked.")).await.unwrap();
    assert_eq!(team.status(task).await, "Done");
    assert!(waiting(&team, &life).await.is_empty());
    life.stop().await;
    let (team, life, task) = ended(QUICK).await;
    decide(&team, &life, ADA, (task, "request_changes", "Comment on it.")).await.unwrap();
    life.work().await;
    let runs = life.runs(task).await;
    assert!(runs.len() > 2, "it works at it again: {runs:#?}");
    assert!(team.prompts().last().unwrap().contains("Comment on it."));
    life.stop().await;
}
