//! A board in memory, over another board or over nothing.

use super::Board;
use crate::clock::Clock;
use crate::domain::{Activity, BoardName};
use std::sync::Arc;

/// Writes are kept in memory; reads show them over the board below. Over nothing it is a strict
/// in-memory board.
#[derive(Debug)]
pub struct Overlay {}

impl Overlay {
    /// Over nothing.
    pub fn empty(name: BoardName, clock: Arc<dyn Clock>) -> Self {
        todo!("{name} {clock:?}")
    }

    /// Over a board, which is never written to. New entities get ids from `1 << 40` on.
    pub fn over(below: Arc<dyn Board>, clock: Arc<dyn Clock>) -> Self {
        todo!("{below:?} {clock:?}")
    }

    /// What was written, in order.
    pub fn changes_made(&self) -> Vec<Activity> {
        todo!()
    }
}
