//! What can be seen of a server by whoever sets it up, beside the board itself. Nothing is changed.

use super::client::HttpLine;
use super::{LeantimeBoard, fault, people};
use crate::board::Result;
use crate::domain::{Person, PersonId};
use std::sync::Arc;
use std::time::Duration;

/// What a server shows beside its board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The HTTP status of its own MCP endpoint, which a plugin brings: 404 without it.
    pub mcp_status: u16,
    /// Seconds by which its clock is before ours, where it says what time it is.
    pub ahead_seconds: Option<i64>,
}

impl LeantimeBoard {
    /// Looks at the server, past the queue: only for a key that it was seen to take.
    pub async fn sight(&self) -> Result<Sight> {
        let line = HttpLine::new(
            &self.options.place(),
            &self.options.credential,
            Arc::clone(&self.server_clock),
        )?;
        let before = self.clock.wall();
        let (mcp_status, date) = line.look().await.map_err(fault::troubled)?;
        let between = before + (self.clock.wall() - before) / 2;
        let ahead_seconds = date.map(|date| (date - between).num_seconds());
        Ok(Sight { mcp_status, ahead_seconds })
    }

    /// Whose credential it is that acts for an agent; the board's own for none.
    pub async fn whose(&self, agent: Option<PersonId>) -> Result<Person> {
        let row = match agent {
            None => self.own_row(Duration::ZERO).await?,
            Some(agent) => {
                self.row_of_whom(self.governor_of(agent), Some(agent), Duration::ZERO).await?
            }
        };
        Ok(people::read_person(&row))
    }
}
