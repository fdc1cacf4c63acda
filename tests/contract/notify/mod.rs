//! Delivering to each kind of channel.

mod email;
mod file;
mod slack;
mod slack_api;
mod stdout;
mod webhook;

use rota::clock::{Clock, ManualClock};
use rota::domain::{Body, Channel, Receipt, Timestamp};
use rota::notify::{Notifier, NotifyError, NotifyOptions, Post, SharedWriter, open};
use std::sync::{Arc, Mutex};

fn wall() -> Timestamp {
    "2026-11-23T07:00:00Z".parse().unwrap()
}

fn body(text: &str, slack: &[&str]) -> Body {
    let slack = slack.iter().map(|payload| (*payload).to_owned()).collect();
    Body { text: text.into(), slack, ..Body::default() }
}

fn opened(channel: &str, options: &NotifyOptions) -> Arc<dyn Notifier> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(wall()));
    opened_at(channel, options, &clock)
}

fn opened_at(channel: &str, options: &NotifyOptions, clock: &Arc<dyn Clock>) -> Arc<dyn Notifier> {
    let stdout: SharedWriter = Arc::new(Mutex::new(Vec::new()));
    let channel: Channel = channel.parse().unwrap();
    open(&channel, options, &stdout, clock).unwrap()
}

/// How far the delivery of a message has come.
#[derive(Clone, Debug, Default)]
struct Way {
    part: usize,
    receipt: Receipt,
}

impl Way {
    /// Goes on with a message to its end, or to the first part that is not taken.
    async fn go(
        &mut self,
        notifier: &Arc<dyn Notifier>,
        key: &str,
        body: &Body,
    ) -> Result<(), NotifyError> {
        loop {
            assert!(self.part < 1_000, "it never ends");
            let post = Post { key, body, part: self.part, receipt: &self.receipt };
            let delivered = notifier.deliver(&post).await?;
            if let Some((room, name)) = delivered.stands {
                self.receipt.room = room;
                if self.part < self.receipt.parts.len() {
                    self.receipt.parts[self.part] = name;
                } else {
                    self.receipt.parts.push(name);
                }
            }
            self.part += 1;
            if delivered.is_last {
                return Ok(());
            }
        }
    }

    /// The same message again, with another body.
    fn again(self) -> Self {
        let mut receipt = self.receipt;
        receipt.parts.retain(|name| !name.is_empty());
        Self { part: 0, receipt }
    }
}

/// A whole message.
async fn deliver(notifier: &Arc<dyn Notifier>, key: &str, body: &Body) -> Result<Way, NotifyError> {
    let mut way = Way::default();
    way.go(notifier, key, body).await.map(|()| way)
}

#[test]
fn a_channel_that_is_not_configured_is_named_with_those_that_are() {
    let stdout: SharedWriter = Arc::new(Mutex::new(Vec::new()));
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(wall()));
    let mut options = NotifyOptions::default();
    options.file.insert("log".into(), rota::notify::FileOptions::new("x.md"));
    let channel = Channel::Slack("team".into());
    let error = open(&channel, &options, &stdout, &clock).unwrap_err();
    assert_eq!(
        error.to_string(),
        "channel slack:team is not configured; known are stdout, file:log"
    );
}
