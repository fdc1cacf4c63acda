//! Rounds of review between two agents, until a person decides.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, REVIEWER, Team};
use rota::domain::*;

pub(super) const REVIEW: &str = r#"
agent = "AI-Reviewer"

[select]
status = "Ready for Review"

[claim]
status = "Ready for Review"
add_tags = ["AI-Agent"]

[work]
runner = "model"
model = "reviewer"
prompt = "review.md.hbs"
tools = ["getTicket", "finish"]

[outcome.approved]
status = "Approved"
comment = "review-approved.md.hbs"

[outcome.changes_requested]
status = "Changes Requested"
comment = "review-changes.md.hbs"
rework = "ai-worker"

[review]
rounds = 3
"#;

const FINDS_FAULT: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "changes_requested", summary = "The button is not blue." } }]
"#;

pub(super) const APPROVES: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "approved", summary = "All criteria hold." } }]
"#;

/// Without `assign`: a reviewing agent takes it from there.
fn worker() -> String {
    WORKER_PLAYBOOK.replace("assign = \"{{task.author}}\"\n", "")
}

async fn team(reviews: &[&str]) -> Team {
    let mut team = Team::new().await;
    team.playbook("ai-worker", &worker());
    team.playbook("code-review", REVIEW);
    team.model("worker", &[QUICK]);
    // The prompts of both models are counted together: worker, reviewer, worker, reviewer, …
    let scripts: Vec<&str> = reviews.iter().flat_map(|script| [*script, *script]).collect();
    team.model("reviewer", &scripts);
    team
}

#[tokio::test(start_paused = true)]
async fn changes_asked_for_go_back_to_the_author_with_the_findings() {
    let team = team(&[FINDS_FAULT, APPROVES]).await;
    let task = team.task("Make it blue").await;
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    assert_eq!(team.status(task).await, "Ready for Review");
    let report = life.run("code-review").await;
    assert_eq!((report.state, report.reason), (RunState::Succeeded, Reason::SentBack));
    let comments = team.comments(task).await;
    let told = |(who, text): &(PersonId, String)| *who == REVIEWER && text.contains("not blue");
    assert!(comments.iter().any(told), "{comments:#?}");
    // The rework is queued; it does not need `[select]` to fit.
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 3, "{runs:#?}");
    assert_eq!((runs[0].playbook.as_str(), runs[0].attempt), ("ai-worker", 1));
    assert_eq!(runs[0].reason, Some(Reason::HandedOver));
    let prompt = &team.prompts()[2];
    assert!(prompt.contains("A reviewer asked for changes (round 1 of"), "{prompt}");
    assert!(prompt.contains("The button is not blue."), "{prompt}");
    assert_eq!(team.status(task).await, "Ready for Review");
    let report = life.run("code-review").await;
    assert_eq!((report.state, report.reason), (RunState::Succeeded, Reason::HandedOver));
    assert_eq!(team.status(task).await, "Approved");
    assert!(team.prompts()[3].contains("This is round 2 of 3"), "{}", team.prompts()[3]);
    let fences: Vec<_> = life.runs(task).await.iter().map(|run| run.fence.unwrap().0).collect();
    assert_eq!(fences, [4, 3, 2, 1]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_the_last_round_a_person_decides() {
    let team = team(&[FINDS_FAULT]).await;
    let task = team.task("Make it blue").await;
    let life = team.start().await;
    life.run("ai-worker").await;
    let mut reasons = Vec::new();
    for _ in 0..4 {
        reasons.push(life.run("code-review").await.reason);
        life.work().await;
    }
    let (back, over) = (Reason::SentBack, Reason::HandedOver);
    assert_eq!(reasons, [back, back, over, Reason::NothingToDo]);
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 6);
    assert!(runs[0].detail.contains("a person decides"), "{:?}", runs[0]);
    assert_eq!(team.status(task).await, "Changes Requested");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_takes_the_task_before_the_rework_begins_keeps_it() {
    let team = team(&[FINDS_FAULT]).await;
    let task = team.task("Make it blue").await;
    let life = team.start().await;
    life.run("ai-worker").await;
    let mut gate = team.gates.stop_after("after editTask", 1);
    let stopping = async {
        gate.reached().await;
        team.edit(ADA, task, TaskEdit::AddTag("AI-Stop".into())).await;
        gate.open();
    };
    let (report, ()) = tokio::join!(life.run("code-review"), stopping);
    assert_eq!(report.reason, Reason::SentBack);
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 2);
    assert!(life.ledger.open_occurrences().await.unwrap().is_empty());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_is_taken_while_reviewers_are_swamped() {
    let mut team = Team::new().await;
    let text = format!("{}\n[review]\nwaiting_max = 2\n", worker());
    team.playbook("ai-worker", &text.replace("concurrent = 50", "concurrent = 1"));
    team.model("worker", &[QUICK]);
    let mut tasks = Vec::new();
    for headline in ["One", "Two", "Three"] {
        tasks.push(team.task(headline).await);
    }
    let life = team.start().await;
    life.run("ai-worker").await;
    assert_eq!(team.prompts().len(), 2);
    let again = life.run("ai-worker").await;
    assert_eq!(again.reason, Reason::ReviewQueueFull);
    let done = team.labelled("Done").await;
    team.edit(ADA, tasks[0], TaskEdit::Status(done)).await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    assert_eq!(team.prompts().len(), 3);
    life.stop().await;
}
