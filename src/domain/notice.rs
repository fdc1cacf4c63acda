//! Notices: what people are told, and by which channel.

use super::{Hours, Timestamp};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A message that waits in the outbox, or was delivered. Stored with the fact that caused it,
/// delivered at least once, deduplicated by its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The same fact to the same channel has the same key.
    pub key: String,
    /// Where to.
    pub to: Channel,
    /// The message.
    pub body: Body,
    /// When it was stored.
    pub created: Timestamp,
    /// What became of it.
    pub delivery: Delivery,
}

/// A message, in every format a channel may want.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Plain text, for terminals and as Slack's fallback.
    pub text: String,
    /// Markdown, for files; empty where the text will do.
    pub markdown: String,
    /// Slack payloads (incoming-webhook bodies), one a message; the later ones continue the first.
    pub slack: Vec<String>,
}

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Not delivered yet.
    Pending {
        /// How often it was tried.
        attempts: u32,
        /// Not tried again before this instant.
        not_before: Timestamp,
        /// What went wrong the last time; never a secret.
        last_error: Option<String>,
    },
    /// Delivered.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// Given up: the channel will never take it.
    Undeliverable {
        /// When.
        at: Timestamp,
        /// What went wrong; never a secret.
        error: String,
    },
}

/// When somebody may be told something, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// What `rota.toml` calls them.
    pub name: String,
    /// How they are told.
    pub channels: Vec<Channel>,
    /// Their zone.
    pub zone: Tz,
    /// Only then; `None`: at any time.
    pub hours: Option<Hours>,
    /// So long notices wait for others that are told with them.
    pub merge: Duration,
    /// At most so many a civil day of theirs; the rest is told on the next.
    pub per_day: Option<u32>,
    /// Whether alarms are told at any time.
    pub alarms_always: bool,
}

/// Where a notice goes: `stdout`, `file:NAME` or `slack:NAME`; names are defined in `rota.toml`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// The daemon's or command's standard output.
    Stdout,
    /// A file of `[notify.file.NAME]`.
    File(String),
    /// A Slack destination of `[notify.slack.NAME]`.
    Slack(String),
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(name) => write!(f, "file:{name}"),
            Self::Slack(name) => write!(f, "slack:{name}"),
        }
    }
}

impl FromStr for Channel {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "stdout" => Ok(Self::Stdout),
            Some(("file", name)) if !name.is_empty() => Ok(Self::File(name.to_owned())),
            Some(("slack", name)) if !name.is_empty() => Ok(Self::Slack(name.to_owned())),
            _ => Err("expected \"stdout\", \"file:NAME\" or \"slack:NAME\"".to_owned()),
        }
    }
}

impl Serialize for Channel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
