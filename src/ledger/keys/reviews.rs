//! The names of what was handed over, of how far its review has come, and of what is proposed.

use super::{FITNESS, ROUNDS, segment};
use crate::domain::{BoardName, PlaybookName, RunId, TaskId};

/// The last hand-over of a task.
pub(in crate::ledger) fn review(board: &BoardName, task: TaskId) -> String {
    format!("{}{task}", review_prefix(board))
}

pub(in crate::ledger) fn review_prefix(board: &BoardName) -> String {
    format!("review/{}/", segment(board.as_str()))
}

/// Present while a hand-over waits for a person.
pub(in crate::ledger) fn review_open(board: &BoardName, task: TaskId) -> String {
    format!("{}{task}", review_open_prefix(board))
}

pub(in crate::ledger) fn review_open_prefix(board: &BoardName) -> String {
    format!("review-open/{}/", segment(board.as_str()))
}

/// Present while the board does not show a decision.
pub(in crate::ledger) fn review_unwritten(board: &BoardName, task: TaskId) -> String {
    format!("{}{task}", review_unwritten_prefix(board))
}

pub(in crate::ledger) fn review_unwritten_prefix(board: &BoardName) -> String {
    format!("review-unwritten/{}/", segment(board.as_str()))
}

/// How far the review of a task has come.
pub(in crate::ledger) fn rounds(board: &BoardName, task: TaskId) -> String {
    format!("{ROUNDS}{}/{task}", segment(board.as_str()))
}

/// Present while a person is to answer a review.
pub(in crate::ledger) fn rounds_open(board: &BoardName, task: TaskId) -> String {
    format!("{}{task}", rounds_open_prefix(board))
}

pub(in crate::ledger) fn rounds_open_prefix(board: &BoardName) -> String {
    format!("rounds-open/{}/", segment(board.as_str()))
}

/// What a model said of a task.
pub(in crate::ledger) fn fitness(
    playbook: &PlaybookName,
    board: &BoardName,
    task: TaskId,
) -> String {
    format!("{FITNESS}{}/{}/{task}", segment(playbook.as_str()), segment(board.as_str()))
}

/// A decision about what was handed over before, which the board did not show when the task was handed
/// over anew.
pub(in crate::ledger) fn review_overtaken(board: &BoardName, task: TaskId, run: &RunId) -> String {
    format!("{}{task}/{}", review_overtaken_prefix(board), segment(run.as_str()))
}

pub(in crate::ledger) fn review_overtaken_prefix(board: &BoardName) -> String {
    format!("review-overtaken/{}/", segment(board.as_str()))
}

/// The last proposals about a task.
pub(in crate::ledger) fn staging(board: &BoardName, task: TaskId) -> String {
    format!("staging/{}/{task}", segment(board.as_str()))
}

/// Present while something is to become of them.
pub(in crate::ledger) fn staging_open(board: &BoardName, task: TaskId) -> String {
    format!("{}{task}", staging_open_prefix(board))
}

pub(in crate::ledger) fn staging_open_prefix(board: &BoardName) -> String {
    format!("staging-open/{}/", segment(board.as_str()))
}
