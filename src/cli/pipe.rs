//! Tool calls of an MCP client at a pipe: the house is reached at the first call; one that was opened
//! here lets itself go when nobody calls for a while, so that other processes get at the state folder.
//!
//! Every call is a task of its own: a client that cancels it, or does not wait for it, ends neither
//! the call nor the count of those under way.

use super::connection::{RETRY, reach};
use crate::app::failure::Failure;
use crate::app::house::{House, Need, Place};
use crate::daemon::control::{Answer, AnswerError, Answered, AskToken, ErrorKind, ToolRequest};
use crate::domain::{Reason, Value};
use crate::mcp::{CallError, Called, Caller, Calls};
use crate::tools::{ToolKind, catalogue};
use async_trait::async_trait;
use secrecy::SecretString;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Lines that wait to be told.
const PROGRESS_MAX: usize = 64;
/// Calls under way at one time; more wait. A daemon is asked over a connection for each.
const CALLS_MAX: usize = 16;
/// So often a call is offered to somebody new when whoever was asked had just ended.
const TRIES_MAX: u32 = 10;

/// Reaches the house when it is needed.
pub(super) struct Pipe {
    reacher: Arc<Reacher>,
    slots: Arc<Semaphore>,
    tracker: TaskTracker,
}

/// What each call needs.
struct Reacher {
    house: Arc<dyn House>,
    place: Place,
    token: Option<SecretString>,
    /// The house that was opened in this process.
    opened: Mutex<Option<Arc<dyn Answer>>>,
    /// The board did not let us in. Each further try would bring nearer that it shuts out
    /// everybody at this address, so there is none until this process is started anew.
    refused: OnceLock<Failure>,
    stop: CancellationToken,
}

impl Pipe {
    pub(super) fn new(house: Arc<dyn House>, place: Place, token: Option<SecretString>) -> Self {
        let (opened, refused, stop) = Default::default();
        let reacher = Arc::new(Reacher { house, place, token, opened, refused, stop });
        let slots = Arc::new(Semaphore::new(CALLS_MAX));
        Self { reacher, slots, tracker: TaskTracker::new() }
    }

    /// Lets everything go. What was opened here ends with us, and calls in it with it; a daemon goes
    /// on with what it was asked.
    pub(super) async fn close(&self) {
        self.reacher.stop.cancel();
        let opened = self.reacher.opened.lock().await.take();
        if let Some(answer) = opened {
            answer.close().await;
            self.tracker.close();
            self.tracker.wait().await;
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
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
            return Err(CallError::of("unavailable", "the pipe is closing"));
        };
        let (reacher, tool) = (Arc::clone(&self.reacher), tool.to_owned());
        let calling = self.tracker.spawn(async move {
            let called = reacher.call(&tool, args, &told).await;
            drop(slot);
            called
        });
        match calling.await {
            Ok(called) => called,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(CallError::of("unavailable", "the pipe is closing")),
            },
        }
    }
}

impl Reacher {
    /// The house in this process, or a daemon over a connection of its own: so no call waits for
    /// another, and none meets a connection that broke long ago.
    async fn reach(&self) -> Result<Arc<dyn Answer>, Failure> {
        let mut opened = self.opened.lock().await;
        if self.stop.is_cancelled() {
            return Err(Failure::internal("the client hung up"));
        }
        if let Some(answer) = opened.as_ref() {
            return Ok(Arc::clone(answer));
        }
        if let Some(refusal) = self.refused.get() {
            return Err(refusal.clone());
        }
        let reached = reach(self.house.as_ref(), &self.place, Need::Share).await;
        let answer = reached.inspect_err(|failure| {
            if is_refusal(failure) {
                let _ = self.refused.set(failure.clone());
            }
        })?;
        if !answer.outlives_us() {
            *opened = Some(Arc::clone(&answer));
        }
        Ok(answer)
    }

    /// It was let go: the next call looks for whoever has the folder by then.
    async fn forget(&self, gone: &Arc<dyn Answer>) {
        let mut opened = self.opened.lock().await;
        if opened.as_ref().is_some_and(|answer| Arc::ptr_eq(answer, gone)) {
            *opened = None;
        }
    }

    async fn call(
        &self,
        tool: &str,
        args: Value,
        told: &mpsc::Sender<String>,
    ) -> Result<Called, CallError> {
        let only_looks = catalogue().iter().any(|t| t.name == tool && t.kind == ToolKind::Read);
        let (mut tries, mut repeated) = (0, false);
        loop {
            let answer = self.reach().await.map_err(|failure| not_reached(&failure))?;
            if told.is_closed() {
                // Nobody waits any more for what was not begun.
                return Err(CallError::of("cancelled", "the call was not begun"));
            }
            match self.ask(answer.as_ref(), tool, args.clone(), told).await {
                Ok(Answered { value, text }) => return Ok(Called { value, text }),
                Err(error) if error.kind == ErrorKind::NotBegun && tries < TRIES_MAX => {
                    self.forget(&answer).await;
                    if tries > 0 {
                        tokio::time::sleep(RETRY).await;
                    }
                    tries += 1;
                }
                Err(error) if error.kind == ErrorKind::Gone && only_looks && !repeated => {
                    repeated = true;
                }
                Err(error) if error.kind == ErrorKind::Gone && !only_looks => {
                    return Err(unknown(tool, error));
                }
                Err(error) => return Err(not_done(error)),
            }
        }
    }

    async fn ask(
        &self,
        answer: &dyn Answer,
        tool: &str,
        args: Value,
        told: &mpsc::Sender<String>,
    ) -> Result<Answered, AnswerError> {
        let request = ToolRequest {
            tool: tool.to_owned(),
            args,
            zone: self.place.zone.clone(),
            dry_run: None,
            token: self.token.clone().map(AskToken),
            assistant: true,
        };
        let (tell, mut lines) = mpsc::channel(PROGRESS_MAX);
        let mut answering = answer.answer(request, tell);
        let mut is_heard = true;
        let answered = loop {
            tokio::select! {
                biased;
                answered = &mut answering => break answered,
                Some(line) = lines.recv() => {
                    // Whoever is slow to look misses some of it.
                    let _ = told.try_send(line.text);
                }
                // The client cancelled it. What was begun comes to its end; no more is begun. A daemon is
                // told by hanging up.
                () = told.closed(), if is_heard && answer.outlives_us() => {
                    return Err(AnswerError::of(ErrorKind::Gone, "", "nobody waits any more"));
                }
                () = told.closed(), if is_heard => {
                    is_heard = false;
                    lines.close();
                }
            }
        };
        while let Ok(line) = lines.try_recv() {
            let _ = told.try_send(line.text);
        }
        answered
    }
}

/// The board does not let us in, which it says at once and every time.
fn is_refusal(failure: &Failure) -> bool {
    failure.reason.as_deref() == Some(Reason::RoleTooLow.code())
}

fn not_reached(failure: &Failure) -> CallError {
    let causes = failure.causes.clone();
    if is_refusal(failure) {
        let why = causes.first().map(|why| format!(": {why}")).unwrap_or_default();
        let message = format!("{failure}{why}");
        return CallError { causes, ..CallError::of(Reason::RoleTooLow.code(), message) };
    }
    CallError { retryable: true, causes, ..CallError::of("unavailable", failure.to_string()) }
}

/// It was sent, and nobody said what became of it: to repeat it might do it twice.
fn unknown(tool: &str, error: AnswerError) -> CallError {
    let message = format!(
        "whoever had the state folder ended before it answered; whether {tool} was done is unknown: \
         look before you repeat it"
    );
    CallError { causes: error.causes, ..CallError::of("outcome_unknown", message) }
}

fn not_done(error: AnswerError) -> CallError {
    let is_later = matches!(error.kind, ErrorKind::Busy | ErrorKind::Gone | ErrorKind::NotBegun);
    // A failure without a code is a call that broke off somewhere.
    let retryable = is_later || (error.kind == ErrorKind::Fatal && !error.reason.is_empty());
    let code = match error.reason {
        reason if !reason.is_empty() => reason,
        _ if is_later => "unavailable".to_owned(),
        _ => Reason::ToolFailed.code().to_owned(),
    };
    CallError { code, message: error.message, causes: error.causes, retryable }
}
