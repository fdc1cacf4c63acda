//! Commits that were sent and never answered: over a lost connection, or for somebody who went away. The
//! server may be at them still, so that they land after somebody looked and did not find them. Each is
//! decided, by the end of its session, before this board is asked anything else.
//!
//! Only a commit is so. The session of a connection that was lost before has nobody who tells it to
//! commit, and undoes what it did.

use super::{GRACE, Lent, State, away, failed};
use crate::board::Result;
use crate::postgres::Session;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long whoever wrote waits until what became of it is decided. Where that takes longer, as where
/// nobody answers any more, whoever asks next has to see to it first.
const DECIDED_WITHIN: Duration = GRACE.saturating_mul(2);

/// For so long a session is let do by itself what it is at, such as to wait for a standby that is there.
const MOMENT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// The sessions over which they were sent, until these are known to have ended. No more than there are
/// turns: no write begins before there are none.
#[derive(Debug, Default)]
pub(super) struct Left(Mutex<Vec<Session>>);

impl Left {
    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first(&self) -> Option<Session> {
        self.lock().first().cloned()
    }
}

impl Lent {
    /// Lets go a connection whose commit is not answered.
    pub(super) fn leave(&mut self) {
        self.left.lock().extend(self.session.take());
        self.end();
        self.state = State::Free;
        self.is_owed = false;
        self.turn = None;
    }

    /// Has what was left decided by another connection. Whether it is.
    pub(super) async fn decide(&mut self) -> bool {
        let decided = async {
            self.go_on_by_another().await?;
            self.settle().await
        };
        matches!(timeout(DECIDED_WITHIN, decided).await, Ok(Ok(())))
    }

    /// Ends what was left before anything else is asked. Mostly it is done in a moment.
    pub(super) async fn settle(&mut self) -> Result<()> {
        while let Some(session) = self.left.first() {
            let until = Instant::now() + MOMENT;
            let has_ended = loop {
                let lets = Instant::now() < until;
                if self.end_by_some(&session, lets).await? {
                    break true;
                }
                if !lets {
                    break false;
                }
                sleep(PAUSE).await;
            };
            if !has_ended {
                let what = "what was written last is still under way at PostgreSQL: see what it \
                            waits for, such as a standby";
                return Err(away(what, None));
            }
            self.left.lock().retain(|left| *left != session);
        }
        Ok(())
    }

    /// By this connection, or another where this one has gone.
    async fn end_by_some(&mut self, session: &Session, lets: bool) -> Result<bool> {
        let mut tries = self.at.pool().size();
        loop {
            match self.end_there(session, lets).await {
                Err(error) if tries > 0 && self.has_gone(&error) => {
                    tries -= 1;
                    self.go_on_by_another().await?;
                }
                ended => return ended.map_err(failed),
            }
        }
    }

    async fn end_there(&mut self, session: &Session, lets: bool) -> sqlx::Result<bool> {
        let (patience, limit) = (self.patience(), self.at.statement_timeout());
        self.is_owed = true;
        let connection = self.connection()?;
        let ended = timeout(patience, session.end(connection, limit, lets)).await;
        self.answered(ended)
    }
}
