//! What an agent writes, line by line: each within a bound, and what is no message passed over.
//!
//! What it shows (`session/update`) is taken out here, in its order and without a queue; requests and
//! answers go on to the protocol.

use super::shown::Shown;
use agent_client_protocol::v1::schema::SessionNotification;
use futures::{Sink, Stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

/// A longer line is passed over.
const LINE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// So many bytes of requests and answers are passed on in a session: they wait in the protocol's
/// queue as long as an agent does not read what it is answered.
const PASSED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The notification by which an agent shows what it does.
const UPDATE: &str = "session/update";

/// Where lines go.
pub(super) fn outgoing(
    to: impl AsyncWrite + Unpin + Send + 'static,
) -> impl Sink<String, Error = io::Error> + Send + 'static {
    Box::pin(futures::sink::unfold(to, |mut to, line: String| async move {
        let mut bytes = line.into_bytes();
        bytes.push(b'\n');
        to.write_all(&bytes).await?;
        to.flush().await?;
        Ok(to)
    }))
}

/// The lines that are requests, answers or other notifications.
pub(super) fn incoming(
    from: impl AsyncRead + Unpin + Send + 'static,
    shown: Arc<Shown>,
) -> impl Stream<Item = io::Result<String>> + Send + 'static {
    let lines = Lines { from: BufReader::new(from), line: Vec::new(), passed_bytes: 0 };
    Box::pin(futures::stream::unfold((lines, shown), |(mut lines, shown)| async move {
        loop {
            match lines.next().await {
                Ok(Some(Ok(bytes))) => {
                    if let Some(line) = message(&bytes, &shown) {
                        lines.passed_bytes = lines.passed_bytes.saturating_add(line.len());
                        if lines.passed_bytes > PASSED_BYTES_MAX {
                            let most = PASSED_BYTES_MAX / (1024 * 1024);
                            shown.passed_over(&format!("what followed {most} MiB of requests"));
                            return None;
                        }
                        return Some((Ok(line), (lines, shown)));
                    }
                }
                Ok(Some(Err(TooLong))) => {
                    shown.passed_over(&format!("a line of more than {LINE_BYTES_MAX} bytes"));
                }
                // However its pipe ends: what waits for an answer is told.
                Ok(None) | Err(_) => return None,
            }
        }
    }))
}

/// The head of a message.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    method: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// A line that the protocol is to see.
fn message(bytes: &[u8], shown: &Shown) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().map(str::trim)?;
    if text.is_empty() {
        return None;
    }
    let Ok(head) = serde_json::from_str::<Head<'_>>(text) else {
        shown.passed_over("a line that is no message");
        return None;
    };
    shown.alive();
    if head.method.as_deref() == Some(UPDATE) && head.id.is_none() {
        let params = head.params.map_or("null", RawValue::get);
        match serde_json::from_str::<SessionNotification>(params) {
            Ok(update) => shown.update(update.update),
            Err(_) => shown.passed_over("an update that is not known"),
        }
        return None;
    }
    Some(text.to_owned())
}

struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    passed_bytes: usize,
}

/// A line was too long; all of it is gone.
struct TooLong;

impl<R: AsyncRead + Unpin> Lines<R> {
    /// The next line without its end; `None` at the end of everything.
    async fn next(&mut self) -> io::Result<Option<Result<Vec<u8>, TooLong>>> {
        let mut too_long = false;
        loop {
            let available = self.from.fill_buf().await?;
            if available.is_empty() {
                let last = std::mem::take(&mut self.line);
                return Ok((!last.is_empty() && !too_long).then_some(Ok(last)));
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            if self.line.len() + part.len() > LINE_BYTES_MAX {
                too_long = true;
                self.line = Vec::new();
            } else if !too_long {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                return Ok(Some(if too_long { Err(TooLong) } else { Ok(line) }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::{Sign, Signs};
    use futures::StreamExt as _;

    async fn read(text: Vec<u8>) -> (Vec<String>, Vec<String>) {
        let (signs, mut end) = Signs::channel(64);
        let shown = Arc::new(Shown::new(signs, None));
        let lines = incoming(io::Cursor::new(text), Arc::clone(&shown)).map(Result::unwrap);
        let lines: Vec<String> = lines.collect().await;
        shown.flush();
        let mut told = Vec::new();
        while let Ok(sign) = end.try_recv() {
            if let Sign::Line(line) = sign {
                told.push(line);
            }
        }
        (lines, told)
    }

    #[tokio::test]
    async fn what_is_no_message_is_passed_over_and_the_rest_goes_on() {
        let text = b"hello\n\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\r\n{\"a\n[1]\n\xff\xfe\n{\"id\":2}"
            .to_vec();
        let (lines, told) = read(text).await;
        assert_eq!(lines, ["{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", "{\"id\":2}"]);
        assert_eq!(told.len(), 3, "{told:?}");
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_passed_over_without_being_kept() {
        let mut text = vec![b'x'; LINE_BYTES_MAX + 1];
        text.extend_from_slice(b"\n{\"id\":7}\n");
        let (lines, told) = read(text).await;
        assert_eq!(lines, ["{\"id\":7}"]);
        assert!(told[0].contains("more than 10485760 bytes"), "{told:?}");
    }

    #[tokio::test]
    async fn an_agent_that_floods_the_protocol_is_not_heard_any_more() {
        let request = format!("{{\"id\":1,\"method\":\"{}\"}}\n", "x".repeat(9 * 1024 * 1024));
        let (lines, told) = read(request.repeat(9).into_bytes()).await;
        assert_eq!(lines.len(), 7);
        assert!(told[0].contains("64 MiB of requests"), "{told:?}");
    }

    #[tokio::test]
    async fn updates_are_taken_out_and_unknown_ones_do_no_harm() {
        let update = |update: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","method":"session/update","params":{{"sessionId":"s","update":{update}}}}}"#
            )
        };
        let chunk = update(
            r#"{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"Hello"}}"#,
        );
        let odd = update(r#"{"sessionUpdate":"dance"}"#);
        let (lines, told) = read(format!("{chunk}\n{odd}\n").into_bytes()).await;
        assert!(lines.is_empty());
        assert_eq!(told, ["(an update that is not known was passed over)", "Hello"]);
    }
}
