//! Delivering to each kind of channel.

mod file;
mod slack;
mod stdout;

use rota::clock::{Clock, ManualClock};
use rota::domain::{Body, Channel, Timestamp};
use rota::notify::{Notifier, NotifyOptions, SharedWriter, open};
use std::sync::{Arc, Mutex};

fn wall() -> Timestamp {
    "2026-11-23T07:00:00Z".parse().unwrap()
}

fn body(text: &str, slack: &[&str]) -> Body {
    let slack = slack.iter().map(|payload| (*payload).to_owned()).collect();
    Body { text: text.into(), markdown: String::new(), slack }
}

fn opened(channel: &str, options: &NotifyOptions) -> Arc<dyn Notifier> {
    let stdout: SharedWriter = Arc::new(Mutex::new(Vec::new()));
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(wall()));
    let channel: Channel = channel.parse().unwrap();
    open(&channel, options, &stdout, &clock).unwrap()
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
