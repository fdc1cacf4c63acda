//! Asks whoever holds a state folder to let go: a house that was opened for a pipe does when nothing
//! is under way, a daemon keeps it.

use super::lines::{LineReader, LineWriter};
use super::{
    ControlLimits, ErrorKind, Hello, LET_GO, PROTOCOL, ReplyLine, RequestLine, ToolRequest,
    no_args, socket,
};
use std::path::Path;
use std::time::Duration;

/// How long the holder may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// What the holder said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing: it has no socket, or is just ending, or is too busy to say.
    Nothing,
    /// It lets go once nothing is under way.
    LetsGo,
    /// It keeps the folder: it is a daemon.
    Keeps,
}

/// Asks the holder of this state folder to let go.
pub async fn ask_to_let_go(state: &Path) -> Said {
    let asked = tokio::time::timeout(ANSWER_TIME, ask(state)).await;
    asked.ok().flatten().unwrap_or(Said::Nothing)
}

async fn ask(state: &Path) -> Option<Said> {
    let limits = ControlLimits::default();
    let (read, write) = socket::connect(state).await.ok()??.into_split();
    let mut reader = LineReader::new(read, limits.reply_bytes_max, ANSWER_TIME);
    let mut writer = LineWriter::new(write, limits.request_bytes_max, ANSWER_TIME);
    let hello: Hello = serde_json::from_slice(&reader.next().await.ok()??).ok()?;
    if hello.protocol != PROTOCOL {
        return Some(Said::Keeps);
    }
    let (tool, args) = (LET_GO.to_owned(), no_args());
    let (zone, dry_run, token, assistant) = Default::default();
    let request = ToolRequest { tool, args, zone, dry_run, token, assistant };
    writer.send(&RequestLine::new(1, request)).await.ok()?;
    let reply: ReplyLine = serde_json::from_slice(&reader.next().await.ok()??).ok()?;
    Some(match reply.error.map(|error| error.kind) {
        None => Said::LetsGo,
        Some(ErrorKind::NotBegun | ErrorKind::Busy) => Said::Nothing,
        Some(_) => Said::Keeps,
    })
}
