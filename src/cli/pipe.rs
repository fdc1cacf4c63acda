//! Tool calls of an MCP client at a pipe: the house is reached at the first call, kept while calls
//! come, and let go when none came for a while, so that other processes get at the state folder.

use super::connection::reach;
use crate::app::failure::Failure;
use crate::app::house::{House, Need, Place};
use crate::daemon::control::{Answer, AnswerError, AskToken, ErrorKind, ToolRequest};
use crate::domain::{Reason, Value};
use crate::mcp::{CallError, Called, Caller, Calls};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The house is let go when nobody called for so long.
const IDLE: Duration = Duration::from_secs(2);
/// Lines that wait to be told.
const PROGRESS_MAX: usize = 64;

/// Reaches the house when it is needed.
pub(super) struct Pipe {
    house: Arc<dyn House>,
    place: Place,
    token: Option<SecretString>,
    reached: Arc<Mutex<Reached>>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

#[derive(Default)]
struct Reached {
    answer: Option<Arc<dyn Answer>>,
    /// Calls under way.
    busy: usize,
    /// Counts calls: who waited to let go sees whether another came meanwhile.
    calls: u64,
}

impl Pipe {
    pub(super) fn new(house: Arc<dyn House>, place: Place, token: Option<SecretString>) -> Self {
        let (reached, tracker, stop) = Default::default();
        Self { house, place, token, reached, tracker, stop }
    }

    async fn begin(&self) -> Result<Arc<dyn Answer>, Failure> {
        let mut reached = self.reached.lock().await;
        let answer = match &reached.answer {
            Some(answer) => Arc::clone(answer),
            None => reach(self.house.as_ref(), &self.place, Need::Share).await?,
        };
        reached.answer = Some(Arc::clone(&answer));
        reached.busy += 1;
        reached.calls += 1;
        Ok(answer)
    }

    /// The call is over. One that found the daemon gone makes the next call look for another.
    async fn end(&self, gone: bool) {
        let mut reached = self.reached.lock().await;
        reached.busy = reached.busy.saturating_sub(1);
        if gone {
            reached.answer = None;
        }
        let calls = reached.calls;
        let (shared, stop) = (Arc::clone(&self.reached), self.stop.clone());
        self.tracker.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(IDLE) => {}
            }
            let mut reached = shared.lock().await;
            if reached.busy == 0
                && reached.calls == calls
                && let Some(answer) = reached.answer.take()
            {
                // Under the lock: whoever calls now waits until it is given back.
                answer.close().await;
            }
        });
    }

    /// Lets everything go.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        if let Some(answer) = self.reached.lock().await.answer.take() {
            answer.close().await;
        }
    }
}

#[async_trait]
impl Calls for Pipe {
    async fn call(
        &self,
        _: &Caller,
        tool: &str,
        args: Value,
        told: mpsc::Sender<String>,
    ) -> Result<Called, CallError> {
        let answer = self.begin().await.map_err(|failure| not_reached(&failure))?;
        let request = ToolRequest {
            tool: tool.to_owned(),
            args,
            zone: self.place.zone.clone(),
            dry_run: None,
            token: self.token.as_ref().map(|t| AskToken(t.expose_secret().to_owned())),
        };
        let (tell, mut lines) = mpsc::channel(PROGRESS_MAX);
        let mut answering = answer.answer(request, tell);
        let answered = loop {
            tokio::select! {
                biased;
                answered = &mut answering => break answered,
                Some(line) = lines.recv() => {
                    // Whoever is slow to look misses some of it.
                    let _ = told.try_send(line.text);
                }
            }
        };
        drop(answering);
        let gone = answered.as_ref().is_err_and(|error| error.kind == ErrorKind::Gone);
        self.end(gone).await;
        let answered = answered.map_err(not_done)?;
        Ok(Called { value: answered.value, text: answered.text })
    }
}

fn not_reached(failure: &Failure) -> CallError {
    let retryable = true;
    CallError { retryable, ..CallError::of("unavailable", failure.to_string()) }
}

fn not_done(error: AnswerError) -> CallError {
    let code = match error.kind {
        _ if !error.reason.is_empty() => error.reason,
        ErrorKind::Busy | ErrorKind::Gone => "unavailable".to_owned(),
        _ => Reason::ToolFailed.code().to_owned(),
    };
    let retryable = error.kind != ErrorKind::Rejected;
    CallError { code, message: error.message, causes: error.causes, retryable }
}
