//! How a command reaches the house: through the socket of the daemon that holds the state folder,
//! or in this process when there is none. Nobody has to know which.

use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{House, Need, Place};
use crate::daemon::control::lines::{LineError, LineReader, LineWriter};
use crate::daemon::control::{
    Answer, AnswerError, Answered, ControlError, ControlLimits, ErrorKind, Hello, PROTOCOL,
    Progress, ReplyLine, RequestLine, ToolRequest, causes_of, socket,
};
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, mpsc};

/// How long a daemon may take to greet.
const GREETING_TIME: Duration = Duration::from_secs(5);

/// How long we wait for a process that holds the lock to serve the socket or let go.
const LOCK_TIME: Duration = Duration::from_secs(5);

/// Between two tries.
pub(super) const RETRY: Duration = Duration::from_millis(50);

/// Reaches the daemon, or opens the house here.
///
/// A lock that is held while no socket answers belongs to a daemon that starts or ends, or to
/// another short command: we try both again for a while.
pub async fn reach(
    house: &dyn House,
    place: &Place,
    need: Need,
) -> Result<Arc<dyn Answer>, Failure> {
    let deadline = tokio::time::Instant::now() + LOCK_TIME;
    loop {
        if let Some(connection) = to_daemon(&place.state).await? {
            return Ok(Arc::new(connection));
        }
        match house.open(place, need).await {
            Err(failure)
                if failure.kind == FailureKind::Locked
                    && tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(RETRY).await;
            }
            opened => return opened,
        }
    }
}

/// Reaches the daemon; `None` when none serves this state folder, or none is left in a moment.
pub async fn to_daemon(state: &Path) -> Result<Option<Connection>, ControlError> {
    let Some(stream) = socket::connect(state).await? else {
        return Ok(None);
    };
    Connection::greet(stream, state).await
}

/// A connection to a daemon; one call at a time.
pub struct Connection {
    hello: Hello,
    wire: Mutex<Option<Wire>>,
}

struct Wire {
    reader: LineReader<OwnedReadHalf>,
    writer: LineWriter<OwnedWriteHalf>,
    last_id: u64,
}

impl Connection {
    /// The daemon's greeting.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    async fn greet(stream: UnixStream, state: &Path) -> Result<Option<Self>, ControlError> {
        let limits = ControlLimits::default();
        let (read, write) = stream.into_split();
        let mut reader = LineReader::new(read, limits.reply_bytes_max, limits.write_time);
        let greeting = tokio::time::timeout(GREETING_TIME, reader.next()).await;
        let line = match greeting {
            Ok(Ok(Some(line))) => line,
            // It hung up before it said anything: it was just ending.
            Ok(Ok(None) | Err(LineError::Io(_) | LineError::CutOff)) => return Ok(None),
            Ok(Err(_)) => return Err(ControlError::Malformed),
            Err(_) => {
                return Err(ControlError::Io {
                    what: "hear from",
                    path: socket::socket_path(state).display().to_string(),
                    source: std::io::ErrorKind::TimedOut.into(),
                });
            }
        };
        let Ok(hello) = serde_json::from_slice::<Hello>(&line) else {
            return Err(refusal(&line));
        };
        if hello.protocol != PROTOCOL {
            return Err(ControlError::OtherProtocol { rota: hello.rota, theirs: hello.protocol });
        }
        let writer = LineWriter::new(write, limits.request_bytes_max, limits.write_time);
        let wire = Mutex::new(Some(Wire { reader, writer, last_id: 0 }));
        Ok(Some(Self { hello, wire }))
    }
}

/// What a daemon says instead of a greeting.
fn refusal(line: &[u8]) -> ControlError {
    match serde_json::from_slice::<ReplyLine>(line).ok().and_then(|reply| reply.error) {
        Some(error) => {
            ControlError::Refused { busy: error.kind == ErrorKind::Busy, message: error.message }
        }
        None => ControlError::Malformed,
    }
}

#[async_trait]
impl Answer for Connection {
    async fn answer(
        &self,
        request: ToolRequest,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        // Taken out, and put back only after a whole answer: a call that is given up half-way
        // leaves no wire on which its answer could be taken for the next one's.
        let mut held = self.wire.lock().await;
        let mut wire = held.take().ok_or_else(|| not_begun(None))?;
        let answered = wire.call(request, &progress).await;
        let is_over =
            |error: &AnswerError| matches!(error.kind, ErrorKind::Gone | ErrorKind::NotBegun);
        if !answered.as_ref().is_err_and(is_over) {
            *held = Some(wire);
        }
        answered
    }

    fn outlives_us(&self) -> bool {
        true
    }
}

impl Wire {
    async fn call(
        &mut self,
        request: ToolRequest,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        self.last_id += 1;
        let id = self.last_id;
        match self.writer.send(&RequestLine::new(id, request)).await {
            Ok(()) => {}
            Err(error @ (LineError::TooLong { .. } | LineError::Json(_))) => {
                let reason = crate::domain::Reason::InvalidArguments;
                return Err(AnswerError::rejected(reason, error.to_string()));
            }
            // The line did not get there as a whole: nobody acts on a part of one.
            Err(error) => return Err(not_begun(Some(&error))),
        }
        loop {
            let line = match self.reader.next().await {
                Ok(Some(line)) => line,
                Ok(None) => return Err(gone(None)),
                Err(error) => return Err(gone(Some(&error))),
            };
            // Not in the words of the error: they repeat the answer, and that may be a secret.
            let reply = serde_json::from_slice::<ReplyLine>(&line).map_err(|_| gone(None))?;
            if reply.id.is_some_and(|theirs| theirs != id) {
                continue;
            }
            match reply {
                ReplyLine { error: Some(error), .. } => return Err(error),
                ReplyLine { result: Some(result), .. } => return Ok(result),
                ReplyLine { progress: Some(happened), .. } => {
                    // Whoever is slow to look misses some of it; the answer is not held up.
                    let _ = progress.try_send(happened);
                }
                _ => {}
            }
        }
    }
}

fn not_begun(error: Option<&(dyn std::error::Error + 'static)>) -> AnswerError {
    AnswerError {
        causes: causes_of(error),
        ..AnswerError::of(ErrorKind::NotBegun, "", "the daemon was gone before it could be asked")
    }
}

fn gone(error: Option<&(dyn std::error::Error + 'static)>) -> AnswerError {
    AnswerError {
        causes: causes_of(error),
        ..AnswerError::of(ErrorKind::Gone, "", "the daemon hung up before it answered")
    }
}
