//! The names of what waits for people, and of what they tell agents in comments.

use super::segment;
use crate::domain::{BoardName, CommentId, PlaybookName, TaskId, WaitItem};
use chrono::NaiveDate;

/// What people noted at something that waits for a person.
pub(in crate::ledger) fn wait_note(board: &BoardName, item: &WaitItem) -> String {
    format!("wait-note/{}/{}", segment(board.as_str()), segment(&item.to_string()))
}

/// That somebody asked to take a claim away.
pub(in crate::ledger) fn release_asked(board: &BoardName, task: TaskId) -> String {
    format!("{}{task}", release_asked_prefix(board))
}

pub(in crate::ledger) fn release_asked_prefix(board: &BoardName) -> String {
    format!("release-asked/{}/", segment(board.as_str()))
}

/// How often a day's budget was granted once more.
pub(in crate::ledger) fn budget_more(day: NaiveDate, playbook: Option<&PlaybookName>) -> String {
    let whose = playbook.map_or_else(String::new, |name| format!("/{}", segment(name.as_str())));
    format!("budget-more/{day}{whose}")
}

/// A command that is to be carried out.
pub(in crate::ledger) fn command(board: &BoardName, comment: CommentId) -> String {
    format!("{}{:020}", command_prefix(board), comment.0)
}

/// Present once a command was taken to be carried out.
pub(in crate::ledger) fn command_taken(board: &BoardName, comment: CommentId) -> String {
    format!("command-taken/{}/{:020}", segment(board.as_str()), comment.0)
}

/// By which life of which daemon, until it was carried out.
pub(in crate::ledger) fn command_taker(board: &BoardName, comment: CommentId) -> String {
    format!("command-taker/{}/{:020}", segment(board.as_str()), comment.0)
}

/// Since when a playbook, by the hash of its text, waits to be armed.
pub(in crate::ledger) fn unarmed(hash: &str) -> String {
    format!("unarmed/{}", segment(hash))
}

pub(in crate::ledger) fn command_prefix(board: &BoardName) -> String {
    format!("command/{}/", segment(board.as_str()))
}
