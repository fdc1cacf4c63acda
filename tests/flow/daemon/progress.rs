//! A long run keeps one comment that tells how far it is.

use super::playbooks::{BREAKS_OFF, DILIGENT, QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, Life, Team};
use crate::support::gates::Gate;
use crate::support::playbooks::changed;
use rota::domain::*;
use std::time::Duration;

/// Would answer everything that is said.
const LISTENS: &str = r#"
agent = "AI-Docs"
[on]
event = "comment.added"
[[step]]
tool = "addTask"
args = { headline = "Somebody said something", projectId = 1 }
[scope]
write = "board"
"#;

async fn team(scripts: &[&str]) -> (Team, TaskId) {
    let mut team = Team::new().await;
    let progress = [("[claim]\n", "[claim]\nprogress = true\n")];
    team.playbook("ai-worker", &changed(WORKER_PLAYBOOK, &progress));
    team.model("worker", scripts);
    let task = team.task("Fix the login").await;
    (team, task)
}

/// So long passes, and everybody has time for what comes.
async fn passes(span: Duration) {
    for _ in 0..span.as_secs() / 5 {
        tokio::time::advance(Duration::from_secs(5)).await;
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
}

async fn told(team: &Team, task: TaskId) -> Vec<Comment> {
    let query =
        CommentQuery { on: Some(CommentTarget::Task(task)), limit: 100, ..CommentQuery::default() };
    let all = team.board.below.comments(&query).await.unwrap().items;
    all.into_iter().filter(|comment| comment.text.starts_with("Progress of **")).collect()
}

/// How often a comment was given another text.
async fn edits(team: &Team, task: TaskId) -> usize {
    team.activity(task).await.iter().filter(|row| row.field == "text").count()
}

async fn held_up(gate: &mut Gate, span: Duration) {
    gate.reached().await;
    passes(span).await;
}

async fn run(life: &Life) -> RunState {
    life.run("ai-worker").await.state
}

#[tokio::test(start_paused = true)]
async fn a_long_run_tells_how_far_it_is_in_one_comment_that_says_at_last_how_it_ended() {
    let (team, task) = team(&[DILIGENT]).await;
    team.playbook("listens", LISTENS);
    let life = team.start().await;
    life.work().await;
    let mut gate = team.gates.stop_after("model", 1);
    let meanwhile = async {
        held_up(&mut gate, Duration::from_secs(150)).await;
        let now = told(&team, task).await;
        assert_eq!(now.len(), 1, "{now:#?}");
        assert!(now[0].text.contains("attempt 1 of 3"), "{}", now[0].text);
        assert!(now[0].text.contains("2 min, 2 steps"), "{}", now[0].text);
        assert_eq!(edits(&team, task).await, 1, "at most once a minute");
        gate.open();
    };
    let (state, ()) = tokio::join!(run(&life), meanwhile);
    assert_eq!(state, RunState::Succeeded);
    let last = told(&team, task).await;
    assert_eq!(last.len(), 1, "{last:#?}");
    assert!(last[0].text.contains("ended: succeeded"), "{}", last[0].text);
    assert_eq!(edits(&team, task).await, 2);
    // It is in the run's journal, as ours, and no news: only the other comments are.
    let run = life.the_run(task).await;
    let effects = life.ledger.effects(&run.id).await.unwrap();
    let edited = effects.iter().filter(|effect| effect.tool == "editComment");
    assert_eq!(edited.filter(|effect| effect.actor == EffectActor::Rota).count(), 2);
    let comments = team.comments(task).await.len();
    assert_eq!(comments, 4, "claimed, progress, the agent's own, handed over");
    life.work().await;
    assert_eq!(life.occurrences("listens").await.len(), 1, "by what was said besides");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn later_attempts_go_on_in_the_same_comment_and_a_short_run_makes_none() {
    let (team, task) = team(&[BREAKS_OFF, DILIGENT, QUICK]).await;
    let life = team.start().await;
    let mut gate = team.gates.stop_after("model", 1);
    let meanwhile = async {
        held_up(&mut gate, Duration::from_secs(90)).await;
        let mut second = team.gates.stop_after("model", 1);
        gate.open();
        held_up(&mut second, Duration::from_secs(90)).await;
        let now = told(&team, task).await;
        assert_eq!(now.len(), 1, "{now:#?}");
        assert!(now[0].text.contains("attempt 2 of 3"), "{}", now[0].text);
        second.open();
    };
    let (state, ()) = tokio::join!(run(&life), meanwhile);
    assert_eq!(state, RunState::Succeeded);
    let last = told(&team, task).await;
    assert!(last.len() == 1 && last[0].text.contains("attempt 2 (run"), "{last:#?}");
    let short = team.task("Another").await;
    assert_eq!(run(&life).await, RunState::Succeeded);
    assert!(told(&team, short).await.is_empty());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_deletes_the_comment_is_told_no_more() {
    let (team, task) = team(&[DILIGENT]).await;
    let life = team.start().await;
    let mut gate = team.gates.stop_after("model", 1);
    let meanwhile = async {
        held_up(&mut gate, Duration::from_secs(70)).await;
        let made = told(&team, task).await.remove(0);
        team.board.below.delete_comment(&Stamp::by(ADA), made.id).await.unwrap();
        passes(Duration::from_secs(150)).await;
        gate.open();
    };
    let (state, ()) = tokio::join!(run(&life), meanwhile);
    assert_eq!(state, RunState::Succeeded);
    assert!(told(&team, task).await.is_empty());
    life.stop().await;
}
