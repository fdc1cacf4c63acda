//! What people read of work at a task: the comments on it, and what is asked of them beside the board.

use super::golden::check;
use super::run;
use crate::support::daemon::{ADA, Life, REVIEWER, Team, WORKER};
use crate::support::sample_board::sample;
use rota::domain::*;

/// Asks Ada once, then is done.
const ASKS: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "blocked", summary = "Which <colour> is the button to be? *Blue*, or green?" } }]
"#;
/// Goes on with the answer.
const ENDS: &str = r#"
[[conversation.turn]]
expect = "Blue."
call = [{ tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "The button is blue in both themes." } }]

[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "The button is blue." } }]
"#;
const APPROVES: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "approved", summary = "Each criterion holds." } }]
"#;

/// The sample board with an author and a reviewer at work, and where people hear what waits for them.
async fn at_work() -> (Team, TaskId) {
    let mut team = sample().await;
    team.shipped("ai-worker", &[]);
    team.shipped("code-review", &[]);
    team.model("worker", &[&format!("{ASKS}{ENDS}")]);
    team.model("reviewer", &[APPROVES]);
    team.reviews = Some(Channel::Slack("ops".into()));
    let task = team.task("Make the button blue").await;
    (team, task)
}

/// What these agents wrote on a task and what was told since, without the names of runs.
async fn read(
    (team, life): (&Team, &Life),
    task: TaskId,
    who: PersonId,
    heard: std::ops::Range<usize>,
) -> Body {
    let comments = team.comments(task).await;
    let own = comments.into_iter().filter(|(author, _)| *author == who).map(|(_, text)| text);
    let told = team.told.0.lock().unwrap()[heard].to_vec();
    assert_eq!(told.len(), 1, "{told:#?}");
    let mut body = Body {
        markdown: own.collect::<Vec<_>>().join("\n\n---\n\n"),
        text: told[0].1.text.clone(),
        slack: told[0].1.slack.clone(),
        ..Body::default()
    };
    for (place, run) in life.runs(task).await.iter().rev().enumerate() {
        let plain = |text: &str| text.replace(run.id.as_str(), &format!("r-{}", place + 1));
        body.text = plain(&body.text);
        body.markdown = plain(&body.markdown);
        body.slack = body.slack.iter().map(|payload| plain(payload)).collect();
    }
    body
}

async fn told_what_waits(life: &Life) {
    life.daemon.ask_people().await;
    life.daemon.deliver().await;
}

#[tokio::test(start_paused = true)]
async fn an_authors_words_and_a_reviewers_read_well() {
    let (team, task) = at_work().await;
    let life = team.start().await;
    let asked = run(&life, "ai-worker", &[]).await;
    assert_eq!(asked.state, RunState::Waiting, "{asked:#?}");
    told_what_waits(&life).await;
    let told = team.told.0.lock().unwrap().len();
    team.say(ADA, task, "Blue.").await;
    life.work().await;
    for _ in 0..3 {
        life.work().await;
    }
    assert_eq!(team.status(task).await, "Approved");
    told_what_waits(&life).await;
    check("ai_worker", &read((&team, &life), task, WORKER, 0..told).await);
    let all = team.told.0.lock().unwrap().len();
    check("code_review", &read((&team, &life), task, REVIEWER, told..all).await);
    life.stop().await;
}
