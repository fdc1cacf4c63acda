//! A stream of events as messages, and the stream on which a server speaks unasked.

use super::carry::Bridge;
use super::message::Message;
use super::session::Session;
use super::trouble::{Fate, Trouble};
use super::wire::{self, ANSWER_BYTES_MAX, Wire};
use crate::sse::{Event, Parser};
use reqwest::Response;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The least time between two requests for the stream, whatever a server asks for.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// A message that came on a stream.
#[derive(Debug)]
pub(super) struct Heard {
    pub message: Message,
    pub text: String,
}

/// Reads the messages of a response that is a stream of events.
#[derive(Debug)]
pub(super) struct Stream {
    response: Response,
    parser: Parser,
    waiting: VecDeque<Event>,
}

impl Stream {
    pub fn new(response: Response) -> Self {
        Self { response, parser: Parser::new(ANSWER_BYTES_MAX), waiting: VecDeque::new() }
    }

    /// The id after which the server may be asked to go on.
    pub fn last_id(&self) -> Option<String> {
        self.parser.last_id().map(str::to_owned)
    }

    pub fn retry(&self) -> Option<Duration> {
        self.parser.retry().map(|pause| pause.max(PAUSE_MIN))
    }

    /// Goes on with another response; what was begun and not finished is not part of it.
    pub fn resume(&mut self, response: Response) {
        self.response = response;
        self.parser.start_over();
    }

    pub fn into_response(self) -> Response {
        self.response
    }

    /// The next message; `None` at the end. What is no message is passed over.
    pub async fn next(&mut self, wire: &Wire) -> Result<Option<Heard>, Trouble> {
        loop {
            while let Some(event) = self.waiting.pop_front() {
                if !event.is_message() || event.data.is_empty() {
                    continue;
                }
                match Message::read(&event.data) {
                    Ok(message) => return Ok(Some(Heard { message, text: event.data })),
                    Err(_) => {
                        tracing::warn!("the server sent an event that is no JSON-RPC message");
                    }
                }
            }
            let Some(piece) = wire.piece(&mut self.response).await? else { return Ok(None) };
            let mut events = Vec::new();
            self.parser.feed(piece.as_ref(), &mut events).map_err(|error| {
                Trouble::new("too_large", Fate::Final, format!("{error}: ask for less"))
            })?;
            self.waiting.extend(events);
        }
    }
}

/// Listens to what the server says unasked until it does not know the session any more, or has no
/// such stream.
pub(super) async fn listen(bridge: Arc<Bridge>, session: Session) {
    let mut last_id = None::<String>;
    let mut failures = 0;
    loop {
        let pause = match bridge.wire.listen(&session, last_id.as_deref()).await {
            Ok(response) if is_stream(&response) => {
                let mut stream = Stream::new(response);
                let mut said_nothing = true;
                while let Ok(Some(heard)) = stream.next(&bridge.wire).await {
                    said_nothing = false;
                    // An answer here belongs to a request that was given up.
                    bridge.pass(heard, None).await;
                }
                last_id = stream.last_id().or(last_id);
                failures = if said_nothing { failures + 1 } else { 0 };
                stream.retry()
            }
            Ok(response) if is_passing(response.status().as_u16()) => {
                failures += 1;
                wire::retry_after(&response)
            }
            // There is none, or the session is lost: the next request finds out.
            Ok(_) => return,
            Err(trouble) if trouble.fate == Fate::Final => return,
            Err(_) => {
                failures += 1;
                None
            }
        };
        let pause = pause.unwrap_or_default().max(bridge.pause(failures));
        tokio::time::sleep(pause).await;
    }
}

fn is_stream(response: &Response) -> bool {
    response.status().is_success() && wire::media_type(response) == "text/event-stream"
}

fn is_passing(status: u16) -> bool {
    status == 429 || matches!(status, 500 | 502..=504)
}
