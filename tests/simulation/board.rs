//! The shared board as one life sees it: late, failing before or after the write, and watched.

use super::judge::Write;
use super::world::{Link, World};
use crate::support::watched::{Call, Change, Watch, Watched, What};
use async_trait::async_trait;
use rota::board::{BoardError, Result};
use std::sync::Arc;

/// What stands between one life and the board.
#[derive(Debug)]
pub struct Weathered {
    pub link: Arc<Link>,
}

pub type SimulatedBoard = Watched<Weathered>;

impl Weathered {
    fn world(&self) -> &World {
        &self.link.world
    }

    fn fails(&self, when: &str) -> Result<()> {
        if self.world().strikes(self.world().weather.board_fails) {
            self.world().note(|| format!("{}: the board fails {when}", self.link.who.daemon));
            return Err(BoardError::Unavailable { what: "simulated".into(), source: None });
        }
        Ok(())
    }
}

#[async_trait]
impl Watch for Weathered {
    async fn before(&self, call: &Call<'_>) -> Result<()> {
        self.link.pass().await;
        match call.what {
            What::Question => self.fails("to answer"),
            What::Fence(..) | What::Write(..) => self.fails("before a write"),
        }
    }

    async fn after(
        &self,
        call: &Call<'_>,
        answer: std::result::Result<bool, &BoardError>,
    ) -> Result<()> {
        let who = &self.link.who;
        let when = match (&call.what, answer) {
            (What::Question, _) | (What::Fence(..), Err(_)) => return Ok(()),
            (What::Fence(task, fence), Ok(_)) => {
                self.world().judge().raised(who, *task, *fence);
                "after raising a fence"
            }
            (What::Write(stamp, change), Ok(changed)) => {
                let write = match change {
                    Change::NewTask => Write::Task,
                    Change::Edits(task, edits) => Write::Edits(*task, edits),
                    Change::Comment(text) => Write::Comment(text),
                    Change::Other => panic!("no daemon is seen to call {}", call.name),
                };
                self.world().judge().wrote(who, stamp, write, changed);
                "after a write"
            }
            (What::Write(..), Err(_)) => {
                self.link.pass().await;
                return Ok(());
            }
        };
        self.link.pass().await;
        self.fails(when)
    }
}
