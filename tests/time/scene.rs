//! A daemon with one playbook that leaves a mark on the board each time it runs: what it did can be
//! told without asking its ledger.

use crate::support::daemon::{ADA, Life, Team, instant};
use rota::clock::Clock as _;
use rota::domain::*;
use std::time::Duration;

/// The playbook's name.
pub const TICKER: &str = "ticker";

/// A playbook that comments on the first task, once in each run; `on` without its header.
pub fn ticker(on: &str) -> String {
    format!(
        r#"
agent = "AI-Docs"
[on]
{on}
[[step]]
tool = "addComment"
args = {{ module = "ticket", entityId = "1", text = "tick" }}
[scope]
write = "board"
max = {{ addComment = 1 }}
"#
    )
}

/// A team with the playbook and the task.
pub async fn team_at(now: &str, on: &str) -> Team {
    let team = Team::at(now).await;
    team.task("Where the ticker leaves its marks").await;
    team.playbook(TICKER, &ticker(on));
    team
}

/// When the playbook left its marks, in order.
pub async fn marks(team: &Team) -> Vec<Timestamp> {
    let on = Some(CommentTarget::Task(TaskId(1)));
    let query = CommentQuery { on, limit: 100_000, ..CommentQuery::default() };
    let page = team.board.below.comments(&query).await.unwrap();
    page.items.into_iter().filter(|c| c.author != ADA).map(|comment| comment.created).collect()
}

/// The instants that ran, earliest first.
pub fn ran(occurrences: &[Occurrence]) -> Vec<Timestamp> {
    let ran = occurrences.iter().filter(|o| matches!(o.state, OccurrenceState::Ran { .. }));
    ran.map(|o| o.planned).collect()
}

/// The instants that were skipped, each with its reason and how many it stands for.
pub fn skipped(occurrences: &[Occurrence]) -> Vec<(Timestamp, Reason, u64)> {
    let skipped = occurrences.iter().filter_map(|o| match o.state {
        OccurrenceState::Skipped { reason } => {
            Some((o.planned, reason, o.covers.map_or(1, |covers| covers.count)))
        }
        _ => None,
    });
    skipped.collect()
}

/// Time passes in steps, and the daemon looks after each.
pub async fn live_until(team: &Team, life: &Life, end: &str, step: Duration) {
    while team.clock.wall() < instant(end) {
        let left = (instant(end) - team.clock.wall()).to_std().unwrap();
        team.clock.advance(step.min(left));
        life.work().await;
    }
}

/// As texts, for messages and comparisons.
pub fn texts(instants: &[Timestamp]) -> Vec<String> {
    instants.iter().map(|at| at.format("%m-%d %H:%M:%S").to_string()).collect()
}

/// The runtime's time goes on, and with it the alarm's and the timer's.
pub async fn pass(by: Duration) {
    let end = tokio::time::Instant::now() + by;
    tokio::time::sleep_until(end).await;
}

/// Hours pass; the machine sleeps but for a few seconds around each full hour, so that it is quick.
pub async fn hours(team: &Team, count: u32) {
    for _ in 0..count {
        let to_next = 3_600 - team.clock.wall().timestamp().rem_euclid(3_600);
        let asleep = u64::try_from(to_next).unwrap().saturating_sub(4);
        team.clock.advance(Duration::from_secs(asleep));
        pass(Duration::from_secs(7)).await;
    }
}
