//! Who is on the board, as it was a moment ago: many streams ask for it again and again, and each answer may
//! be several requests to a server.

use crate::board::Board;
use crate::clock::Clock;
use crate::domain::Person;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// So long an answer holds, also that there was none.
const AGE_MAX: Duration = Duration::from_secs(5);

/// So long it is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the board said last.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<Option<Said>>);

#[derive(Debug)]
struct Said {
    /// By the boot-time clock.
    at: Duration,
    people: Option<Arc<[Person]>>,
}

impl Lately {
    /// Everybody; `None`: the board does not say.
    pub(super) async fn people(
        &self,
        board: &dyn Board,
        clock: &dyn Clock,
    ) -> Option<Arc<[Person]>> {
        // Whoever asks meanwhile waits for the same answer.
        let mut last = self.0.lock().await;
        if let Some(said) = last.as_ref()
            && clock.boot().saturating_sub(said.at) < AGE_MAX
        {
            return said.people.clone();
        }
        let people = match tokio::time::timeout(PATIENCE, board.people()).await {
            Ok(people) => people
                .inspect_err(|error| tracing::debug!(%error, "people are as they were"))
                .ok()
                .map(Arc::from),
            // Streams do not fall silent because a board does.
            Err(_) => None,
        };
        *last = Some(Said { at: clock.boot(), people: people.clone() });
        people
    }
}
