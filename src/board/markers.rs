//! Markers, where a board has them: what keeps daemons off each other's tasks that share the board
//! and no store.
//!
//! # Contract
//! 1. A comment on a task that is added under a stamp with a marker carries it from its first
//!    instant; its text is what it would be without.
//! 2. An answer shows every marker that was written before the question was asked, with the ids by
//!    which the board itself orders comments.
//! 3. What somebody types into a comment, through this board, never is a marker.
//! 4. Setting a marker's end changes nothing else, and is no change of the comment or its task; a
//!    comment that is gone, or no marker any more, is [`NotFound`](super::BoardError::NotFound).
//! 5. Ends are told and judged by one clock, the board's.

use super::Result;
use crate::domain::{CommentId, Stamp, TaskId, Thread};
use async_trait::async_trait;
use std::time::Duration;

/// The markers of a board.
#[async_trait]
pub trait Markers: Send + Sync {
    /// Those on a task; an answer of this age will do.
    async fn thread(&self, task: TaskId, fresh: Duration) -> Result<Thread>;
    /// Lets a marker last so long from now, or closes it. Answers with the thread after that. A mark of
    /// the stamp is not used up by it: doing it again sets the end again.
    async fn set_marker(
        &self,
        stamp: &Stamp,
        task: TaskId,
        comment: CommentId,
        lasts: Option<Duration>,
    ) -> Result<Thread>;
}
