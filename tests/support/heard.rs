//! A stream of server-sent events, read event by event.

use serde_json::Value;
use std::time::Duration;

/// So long an event is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// One event.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub id: String,
    pub name: String,
    pub data: Value,
}

/// A stream that was opened.
pub struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    #[track_caller]
    pub fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if event.starts_with(':') {
                    continue;
                }
                return Some(heard(&event));
            }
            let bytes = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let bytes = bytes.expect("no event came").ok()??;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next event of this name, whatever comes before it.
    pub async fn named(&mut self, name: &str) -> Heard {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the end before {name}"));
            if event.name == name {
                return event;
            }
        }
    }

    /// Reads on until something of this name has these data.
    pub async fn until(&mut self, name: &str, data: &Value) {
        while self.named(name).await.data != *data {}
    }
}

fn heard(text: &str) -> Heard {
    let mut event = Heard::default();
    for line in text.lines() {
        match line.split_once(": ").or_else(|| line.split_once(':')) {
            Some(("id", id)) => event.id = id.to_owned(),
            Some(("event", name)) => event.name = name.to_owned(),
            Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
            _ => {}
        }
    }
    event
}
