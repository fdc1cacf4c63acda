//! Agents that keep each other busy are stopped: by answering each other, or by delegating deeper and
//! deeper. What a person does lets them go on.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use super::reviews::REVIEW;
use crate::support::daemon::{ADA, Life, Team, request};
use rota::domain::*;
use rota::tools::desk::Desk as _;
use std::time::Duration;

/// Answers every comment on whatever task.
const ANSWERS: &str = r#"
agent = "AI-Docs"
[on]
event = "comment.added"
[gather.tasks]
tool = "findTasks"
args = { projectIds = "{{all_project_ids}}" }
[[step]]
each = "{{gathered.tasks}}"
tool = "addComment"
args = { module = "ticket", entityId = "{{item.id}}", text = "What do you think?" }
[scope]
write = "board"
max = { addComment = 50 }
[on_failure]
to = ["slack:ops"]
"#;

/// Moves what is new along, from time to time.
const MOVES: &str = r#"
agent = "AI-Docs"
[on]
every = "1m"
[select]
status = "New"
[[step]]
tool = "editTask"
args = { id = "{{task.id}}", params = { status = "In Progress" } }
[scope]
write = "project"
"#;

/// Makes another task of each.
const DELEGATES: &str = r#"
agent = "AI-Docs"
[on]
event = "task.created"
[[step]]
tool = "addTask"
args = { headline = "And another thing", projectId = 1, tags = ["AI-Suitable"], acceptanceCriteria = "It works." }
[scope]
write = "board"
"#;

fn by(agent: &str, playbook: &str) -> String {
    playbook.replace("AI-Docs", agent)
}

fn skipped(occurrences: &[Occurrence], reason: Reason) -> usize {
    let state = OccurrenceState::Skipped { reason };
    occurrences.iter().filter(|occurrence| occurrence.state == state).count()
}

async fn why(life: &Life, task: TaskId) -> String {
    let why = life.daemon.why(&task.to_string(), None).await.unwrap();
    serde_json::to_string(&why).unwrap()
}

fn stops(team: &Team) -> usize {
    team.told.texts().iter().filter(|text| text.contains("does not go on at task")).count()
}

#[tokio::test(start_paused = true)]
async fn two_agents_who_answer_each_other_are_stopped_until_a_person_says_something() {
    let team = Team::new().await;
    team.playbook("answers", ANSWERS);
    team.playbook("replies", &by("AI-Reviewer", ANSWERS));
    let task = team.task("Fix the login").await;
    let mut life = team.start().await;
    life.work().await;
    let mut before = 0;
    for round in 1..=2 {
        team.say(ADA, task, "Hello?").await;
        for _ in 0..20 {
            life.work().await;
        }
        let said = team.comments(task).await.len();
        // Six exchanges, and what both say in the same moment.
        assert!((6..=17).contains(&(said - before)), "round {round}: {said} comments");
        before = said;
        assert_eq!(stops(&team), round, "{:#?}", team.told.texts());
        let refused = [life.occurrences("answers").await, life.occurrences("replies").await];
        let refused: usize = refused.iter().map(|all| skipped(all, Reason::PingPong)).sum();
        assert!((round..=2 * round).contains(&refused), "{refused}");
        let why = why(&life, task).await;
        assert!(why.contains("ping_pong") && why.contains("between agents"), "{why}");
        // A restart does not begin anew.
        life.stop().await;
        life = team.start().await;
        life.work().await;
        assert_eq!(team.comments(task).await.len(), before);
    }
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_writes_wakes_no_playbook_of_the_same_agent() {
    let team = Team::new().await;
    team.playbook("answers", ANSWERS);
    team.playbook("also", ANSWERS);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    life.work().await;
    team.say(ADA, task, "Hello?").await;
    for _ in 0..5 {
        life.work().await;
    }
    assert_eq!(team.comments(task).await.len(), 3, "Ada, and each of the two once");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_playbooks_that_move_a_task_to_and_fro_by_the_clock_are_stopped_too() {
    let team = Team::new().await;
    let back = by("AI-Reviewer", MOVES)
        .replace("\"In Progress\"", "\"_\"")
        .replace("\"New\"", "\"In Progress\"")
        .replace("\"_\"", "\"New\"");
    team.playbook("moves", MOVES);
    team.playbook("moves-back", &back);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    for _ in 0..20 {
        life.work().await;
        team.clock.advance(Duration::from_mins(1));
    }
    let moved = |rows: &[Activity]| rows.iter().filter(|row| row.field == "status").count();
    let before = moved(&team.activity(task).await);
    let exchange = life.ledger.exchange(task).await.unwrap();
    let rows = team.activity(task).await;
    assert_eq!(before, 7, "the first move, and six exchanges: {exchange:#?} {rows:#?}");
    assert_eq!(stops(&team), 1, "{:#?}", team.told.texts());
    let why = why(&life, task).await;
    assert!(why.contains("ping_pong"), "{why}");
    // Whoever changes anything lets them go on.
    team.edit(ADA, task, TaskEdit::Priority(Some(1))).await;
    for _ in 0..20 {
        life.work().await;
        team.clock.advance(Duration::from_mins(1));
    }
    assert_eq!(moved(&team.activity(task).await), before + 7);
    assert_eq!(stops(&team), 2);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_rounds_of_a_review_are_bounded_by_themselves_and_are_no_exchanges() {
    const FINDS_FAULT: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "changes_requested", summary = "Not blue." } }]
"#;
    let mut team = Team::new().await;
    team.guards.exchanges_max = 1;
    team.playbook("ai-worker", &WORKER_PLAYBOOK.replace("assign = \"{{task.author}}\"\n", ""));
    team.playbook("code-review", REVIEW);
    team.model("worker", &[QUICK]);
    team.model("reviewer", &[FINDS_FAULT; 6]);
    let task = team.task("Make it blue").await;
    let life = team.start().await;
    life.work().await;
    life.run("ai-worker").await;
    let mut reasons = Vec::new();
    for _ in 0..3 {
        life.work().await;
        reasons.push(life.run("code-review").await.reason);
        life.work().await;
    }
    assert_eq!(reasons, [Reason::SentBack, Reason::SentBack, Reason::HandedOver]);
    assert_eq!((life.runs(task).await.len(), stops(&team)), (6, 0));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_agents_delegate_is_taken_only_so_deep() {
    let team = Team::new().await;
    team.playbook("delegates", DELEGATES);
    team.playbook("passes-on", &by("AI-Reviewer", DELEGATES));
    let life = team.start().await;
    life.work().await;
    let first = team.task("Fix the login").await;
    for _ in 0..4 {
        life.work().await;
    }
    life.stop().await;
    let life = team.start().await;
    for _ in 0..8 {
        life.work().await;
    }
    // Two of each depth, down to the one that nobody takes any more.
    let all = team.board.below.tasks(&TaskQuery { limit: 1_000, ..TaskQuery::default() }).await;
    let mut depths = Vec::new();
    for task in all.unwrap().items {
        depths.push(life.ledger.depth(task.id).await.unwrap());
    }
    depths.sort_unstable();
    assert_eq!(depths, [0, 1, 1, 2, 2, 3, 3, 4, 4]);
    assert_eq!(life.ledger.depth(first).await.unwrap(), 0);
    let refused = [life.occurrences("delegates").await, life.occurrences("passes-on").await];
    assert_eq!(refused.map(|all| skipped(&all, Reason::DelegationDepth)), [1, 1]);
    let deepest = *life.ledger.deeper_than(3).await.unwrap().keys().next().unwrap();
    let why = why(&life, deepest).await;
    assert!(why.contains("delegation_depth") && why.contains("4 deep"), "{why}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_too_deep_is_taken_only_when_a_person_names_it() {
    let mut team = Team::new().await;
    team.guards.delegation_depth_max = 0;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.playbook("delegates", DELEGATES);
    team.model("worker", &[QUICK]);
    let life = team.start().await;
    life.run("delegates").await;
    let deep = TaskId(1);
    assert_eq!(life.ledger.depth(deep).await.unwrap(), 1);
    assert_eq!(life.run("ai-worker").await.reason, Reason::NothingToDo);
    let text = why(&life, deep).await;
    assert!(text.contains("delegation_depth"), "{text}");
    let named = rota::tools::desk::RunRequest { task: Some(deep), ..request("ai-worker") };
    let report = life.daemon.run_playbook(named).await.unwrap();
    assert_eq!(report.reason, Reason::HandedOver);
    life.stop().await;
}
