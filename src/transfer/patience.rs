//! What fails for the moment is tried again, with growing pauses, unless somebody wants it to stop.

use crate::board::{BoardError, Result};
use crate::store::StoreError;
use std::future::Future;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often something is tried.
const TRIES_MAX: u32 = 5;
/// Longer is no pause of our own.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Longer is no pause that a board asks for.
const ASKED_MAX: Duration = Duration::from_mins(3);

/// First pauses until what was sent counts as over.
const SETTLES: u32 = 5;

/// Why it does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    Stopped,
    Board(BoardError),
    Store(StoreError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How long to wait, and who may end it.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    /// The first pause.
    pub(super) pause: Duration,
    pub(super) stop: CancellationToken,
}

impl Patience {
    /// Waits before the next try; false when there is none.
    pub(super) async fn breathe(&self, tries: u32, error: &BoardError) -> bool {
        if tries + 1 >= TRIES_MAX || self.stop.is_cancelled() {
            return false;
        }
        let pause = match error {
            BoardError::RateLimited { retry_after } => (*retry_after).min(ASKED_MAX),
            _ => self.pause.saturating_mul(1 << tries.min(5)).min(PAUSE_MAX),
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// Gives what may be under way on a board the time to be over.
    pub(super) async fn settle(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.pause.saturating_mul(SETTLES)) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// What is asked of a board.
    pub(super) async fn ask<T, F: Future<Output = Result<T>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> std::result::Result<T, Halt> {
        let mut tries = 0;
        loop {
            if self.stop.is_cancelled() {
                return Err(Halt::Stopped);
            }
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_transient() && self.breathe(tries, &error).await => {}
                Err(_) if self.stop.is_cancelled() => return Err(Halt::Stopped),
                Err(error) => return Err(Halt::Board(error)),
            }
            tries += 1;
        }
    }
}
