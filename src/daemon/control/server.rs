//! The daemon's side of the control socket: lets callers of the same user in, and carries their
//! calls to whoever answers.

use super::lines::{LineError, LineReader, LineWriter};
use super::{
    Answer, AnswerError, Answered, ControlError, ControlLimits, ErrorKind, FOLLOW, Hello, PROTOCOL,
    Progress, ReplyLine, RequestLine, socket,
};
use crate::domain::Reason;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a failing accept rests before the next, so that a full table of files does not spin.
const ACCEPT_REST: std::time::Duration = std::time::Duration::from_millis(100);

/// A bound control socket. Its file is removed when the server ends.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    state: PathBuf,
    limits: ControlLimits,
    daemon: String,
}

/// What every connection needs.
struct Door {
    answer: Arc<dyn Answer>,
    hello: Hello,
    limits: ControlLimits,
    slots: Arc<Semaphore>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl ControlServer {
    /// Binds the socket in the state folder, whose lock the caller holds. `daemon` is the name in
    /// the greeting.
    pub async fn bind(
        state: &Path,
        daemon: &str,
        limits: ControlLimits,
    ) -> Result<Self, ControlError> {
        let listener = socket::bind(state).await?;
        Ok(Self { listener, state: state.to_owned(), limits, daemon: daemon.to_owned() })
    }

    /// Where it listens.
    pub fn path(&self) -> PathBuf {
        socket::socket_path(&self.state)
    }

    /// Serves on the tracker until `stop`; then lets nobody in, ends what is idle or followed, and
    /// leaves calls under way until they have been answered.
    pub fn spawn(self, answer: Arc<dyn Answer>, stop: CancellationToken, tracker: &TaskTracker) {
        let door = Arc::new(Door {
            answer,
            hello: Hello {
                rota: env!("CARGO_PKG_VERSION").to_owned(),
                protocol: PROTOCOL,
                pid: std::process::id(),
                daemon: self.daemon.clone(),
            },
            limits: self.limits,
            slots: Arc::new(Semaphore::new(self.limits.connections_max)),
            stop,
            tracker: tracker.clone(),
        });
        tracker.spawn(self.accept(door));
    }

    async fn accept(self, door: Arc<Door>) {
        loop {
            let accepted = tokio::select! {
                () = door.stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => admit(&door, stream),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
        if let Err(error) = socket::remove(&self.state) {
            tracing::warn!(%error, "cannot remove the control socket");
        }
    }
}

/// Lets a caller in, or says why not.
fn admit(door: &Arc<Door>, stream: UnixStream) {
    let refusal = match stream.peer_cred() {
        Ok(peer) if may_enter(peer.uid(), nix::unistd::geteuid().as_raw()) => None,
        _ => Some(AnswerError::rejected(
            Reason::RoleTooLow,
            "only the user who runs the daemon, or root, may control it",
        )),
    };
    let slot = Arc::clone(&door.slots).try_acquire_owned();
    let (refusal, slot) = match (refusal, slot) {
        (Some(refusal), _) => (refusal, None),
        (None, Ok(slot)) => (AnswerError::of(ErrorKind::Busy, "", ""), Some(slot)),
        (None, Err(_)) => {
            (AnswerError::of(ErrorKind::Busy, "", "too many connections; try again"), None)
        }
    };
    let Some(slot) = slot else {
        turn_away(&stream, refusal);
        return;
    };
    let served = Arc::clone(door);
    door.tracker.spawn(async move {
        if let Err(error) = Caller::new(served, stream).serve().await {
            tracing::debug!(%error, "a control connection ended");
        }
        drop(slot);
    });
}

/// Whether a process of this user may control a daemon of that user.
fn may_enter(caller: u32, daemon: u32) -> bool {
    caller == daemon || caller == 0
}

/// One line that fits into any socket's buffer, and the door closes. Nothing is waited for.
fn turn_away(stream: &UnixStream, error: AnswerError) {
    let reply = ReplyLine { error: Some(error), ..ReplyLine::default() };
    if let Ok(mut line) = serde_json::to_vec(&reply) {
        line.push(b'\n');
        // A new socket is writable at once; if it is not, the caller reads an end instead.
        let _ = stream.try_write(&line);
    }
}

/// One connection.
struct Caller {
    door: Arc<Door>,
    reader: LineReader<OwnedReadHalf>,
    writer: LineWriter<OwnedWriteHalf>,
    /// A request that came while another was under way.
    next: Option<Vec<u8>>,
    /// Nothing more will come.
    gone: bool,
    garbage: u32,
}

impl Caller {
    fn new(door: Arc<Door>, stream: UnixStream) -> Self {
        let (read, write) = stream.into_split();
        let limits = door.limits;
        Self {
            reader: LineReader::new(read, limits.request_bytes_max, limits.line_time),
            writer: LineWriter::new(write, limits.reply_bytes_max, limits.write_time),
            door,
            next: None,
            gone: false,
            garbage: 0,
        }
    }

    async fn serve(mut self) -> Result<(), LineError> {
        self.writer.send(&self.door.hello).await?;
        while let Some(line) = self.next_line().await? {
            match serde_json::from_slice::<RequestLine>(&line) {
                Ok(request) => self.call(request).await?,
                Err(error) => self.complain(&line, &error).await?,
            }
            if self.gone || self.garbage >= self.door.limits.garbage_max {
                break;
            }
        }
        Ok(())
    }

    async fn next_line(&mut self) -> Result<Option<Vec<u8>>, LineError> {
        // What has been read is answered, whoever wants to end.
        if let Some(line) = self.next.take() {
            return Ok(Some(line));
        }
        let line = tokio::select! {
            biased;
            () = self.door.stop.cancelled() => {
                let bye = AnswerError::of(ErrorKind::NotBegun, "", "the daemon is ending");
                self.reply_error(None, bye).await?;
                return Ok(None);
            }
            line = self.reader.next() => line,
        };
        if let Err(error @ (LineError::TooLong { .. } | LineError::TooSlow(_))) = &line {
            // Where such a line ends is not known, so nothing after it can be understood.
            let message = format!("{error}; the connection is closed");
            self.reply_error(None, protocol_error(message)).await?;
        }
        line
    }

    /// Calls, passing on what happens meanwhile, and answers.
    async fn call(&mut self, request: RequestLine) -> Result<(), LineError> {
        let id = request.id;
        let follows = request.tool == FOLLOW;
        let (tell, mut told) = mpsc::channel(self.door.limits.progress_max);
        let answer = Arc::clone(&self.door.answer);
        let stop = self.door.stop.clone();
        // On its own task: whatever becomes of this connection, the call comes to its end.
        let mut answering = self
            .door
            .tracker
            .spawn(async move { answer.answer(request.into_request(), tell).await });
        loop {
            tokio::select! {
                biased;
                Some(progress) = told.recv() => {
                    if !self.gone && self.send_progress(id, progress).await.is_err() {
                        self.gone = true;
                    }
                }
                ended = &mut answering => {
                    while let Ok(progress) = told.try_recv() {
                        self.send_progress(id, progress).await?;
                    }
                    return self.reply(id, ended).await;
                }
                line = self.reader.next(), if !self.gone && self.next.is_none() => {
                    match line {
                        Ok(Some(line)) => self.next = Some(line),
                        _ => self.gone = true,
                    }
                }
                () = stop.cancelled(), if follows => {
                    answering.abort();
                    let error = AnswerError::of(
                        ErrorKind::Busy,
                        Reason::Draining.code(),
                        "the daemon is stopping",
                    );
                    return self.reply_error(Some(id), error).await;
                }
            }
            if self.gone {
                if follows {
                    answering.abort();
                }
                // Nobody listens: the call goes on alone.
                return Ok(());
            }
        }
    }

    async fn send_progress(&mut self, id: u64, progress: Progress) -> Result<(), LineError> {
        let line = ReplyLine { id: Some(id), progress: Some(progress), ..ReplyLine::default() };
        match self.writer.send(&line).await {
            // One that does not fit is left out; it was for the eye only.
            Err(LineError::TooLong { .. }) => Ok(()),
            sent => sent,
        }
    }

    async fn reply(
        &mut self,
        id: u64,
        ended: Result<Result<Answered, AnswerError>, tokio::task::JoinError>,
    ) -> Result<(), LineError> {
        let result = match ended {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => return self.reply_error(Some(id), error).await,
            Err(error) => {
                tracing::error!(%error, "a call from the control socket broke off");
                let error =
                    AnswerError::of(ErrorKind::Fatal, "", "a fault of ours: the call broke off");
                return self.reply_error(Some(id), error).await;
            }
        };
        let line = ReplyLine { id: Some(id), result: Some(result), ..ReplyLine::default() };
        match self.writer.send(&line).await {
            Err(LineError::TooLong { max }) => {
                let message =
                    format!("the answer is longer than {max} bytes; ask for less at once");
                self.reply_error(Some(id), AnswerError::of(ErrorKind::Fatal, "", message)).await
            }
            sent => sent,
        }
    }

    async fn reply_error(&mut self, id: Option<u64>, error: AnswerError) -> Result<(), LineError> {
        self.writer.send(&ReplyLine { id, error: Some(error), ..ReplyLine::default() }).await
    }

    /// Says what is wrong with a line, naming its request where that can be read.
    async fn complain(&mut self, line: &[u8], error: &serde_json::Error) -> Result<(), LineError> {
        self.garbage += 1;
        let id = serde_json::from_slice::<serde_json::Value>(line)
            .ok()
            .and_then(|value| value.get("id").and_then(serde_json::Value::as_u64));
        // Not in the words of the error: they repeat what was sent, and that may be a secret.
        let what = match error.classify() {
            serde_json::error::Category::Data => "a field is missing, unknown or of a wrong kind",
            _ => "it is no JSON",
        };
        let message = format!(
            "not a request: {what} (column {}); expected a line such as \
             {{\"id\":1,\"tool\":\"getStatus\",\"args\":{{}}}}",
            error.column()
        );
        self.reply_error(id, protocol_error(message)).await
    }
}

fn protocol_error(message: String) -> AnswerError {
    AnswerError::of(ErrorKind::Protocol, "", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_daemons_user_and_root_may_enter() {
        assert!(may_enter(1000, 1000));
        assert!(may_enter(0, 1000));
        assert!(!may_enter(1001, 1000));
        assert!(!may_enter(1000, 0));
    }
}
