//! Runs that take too long, or fall silent: they end, their task goes back, and their slot is free.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK, changed};
use crate::support::daemon::Team;
use rota::domain::*;
use std::fmt::Write as _;

/// Reads its task again and again, each time after a while.
fn slow() -> String {
    let mut script = String::from("[[conversation]]\n");
    for _ in 0..10 {
        writeln!(
            script,
            "[[conversation.turn]]\nwait_ms = 50000\n\
             call = [{{ tool = \"getTicket\", args = {{ id = \"${{task_id}}\" }} }}]"
        )
        .unwrap();
    }
    script
}

/// Is never heard of again.
const SILENT: &str = "[[conversation]]\n[[conversation.turn]]\nwait_ms = 86400000\n";

/// A run under these limits ends so, after so many seconds, and leaves nothing behind.
async fn ends_too_late(limits: &str, script: &str, end: (RunState, Reason), seconds: i64) {
    let mut team = Team::new().await;
    // The only one: whatever comes next needs it.
    team.slots = 1;
    let limits = format!("attempts = 1\n{limits}");
    team.playbook("ai-worker", &changed(WORKER_PLAYBOOK, &[("attempts = 3", &limits)]));
    team.model("worker", &[script, QUICK]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let report = life.run("ai-worker").await;
    assert_eq!((report.state, report.reason), end);

    let run = life.the_run(task).await;
    assert_eq!((run.state, run.reason), (end.0, Some(end.1)));
    let took = (run.ended.unwrap() - run.started).num_seconds();
    assert!((seconds..seconds + 10).contains(&took), "it took {took} s");
    let now = team.look(task).await;
    assert_eq!((now.assignee, now.has_tag("AI-Agent")), (None, false));
    assert_eq!(team.status(task).await, "New");
    let (_, last) = team.comments(task).await.pop().unwrap();
    let why = end.1.text().split('`').next().unwrap().trim();
    let said = format!("hands this task back: {why}");
    assert!(last.contains(&said) && last.contains("Attempts: 1 of 1"), "{last}");
    assert_eq!(life.ledger.claims().await.unwrap(), []);
    assert_eq!(life.ledger.running().await.unwrap(), []);

    let next = team.task("Polish the footer").await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    assert_eq!(team.status(next).await, "Ready for Review");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_is_timed_out_however_busy_and_its_task_goes_back() {
    let end = (RunState::TimedOut, Reason::TimedOut);
    ends_too_late("time = \"2m\"\nidle = \"1m\"", &slow(), end, 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_without_a_sign_of_life_is_stalled_long_before_its_time_and_its_task_goes_back() {
    let end = (RunState::Stalled, Reason::Stalled);
    ends_too_late("time = \"2h\"\nidle = \"1m\"", SILENT, end, 60).await;
}
