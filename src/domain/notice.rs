//! Notices: what people are told, and by which channel.

use super::{Hours, RunId, TaskId, Timestamp, WaitKind};
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
    /// Told again with another body, it takes the place of what was told, where the channel can.
    #[serde(default)]
    pub replaces: bool,
    /// Which body this is: grows with each that takes the place of the one before.
    #[serde(default)]
    pub revision: u32,
    /// Its place in its channel's queue; the ledger gives it.
    #[serde(default)]
    pub place: u64,
    /// So many parts of its body were taken.
    #[serde(default)]
    pub parts: usize,
    /// Where in the channel its parts stand.
    #[serde(default)]
    pub receipt: Receipt,
    /// Something is wrong that somebody has to see to.
    #[serde(default)]
    pub is_alarm: bool,
}

/// Where a message stands, in the channel's own words; empty where the channel does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The conversation, say.
    pub room: String,
    /// The name of each part, in their order.
    pub parts: Vec<String>,
    /// Of a channel with several readers only these get it; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readers: Vec<String>,
    /// Readers who have the part that is under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub have: Vec<String>,
}

/// A reader who did not get what the others got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Who.
    pub reader: String,
    /// What went wrong; never a secret.
    pub what: String,
    /// Whether trying again soon makes sense.
    pub is_transient: bool,
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reader, self.what)
    }
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
    /// Whom it is addressed to; each channel mentions them in its own way.
    #[serde(default)]
    pub mentions: Vec<Mention>,
    /// What it asks people to decide.
    #[serde(default)]
    pub asks: Vec<Ask>,
}

/// Somebody of the board who is mentioned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mention {
    /// Their name.
    pub name: String,
    /// Their e-mail address, if the board knows it.
    pub email: Option<String>,
    /// Their id in Slack, if `[slack.people]` says it.
    #[serde(default)]
    pub slack: Option<String>,
}

/// Something that waits for a person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The task.
    pub task: TaskId,
    /// What is to be decided.
    pub kind: WaitKind,
    /// The run that left it.
    pub run: RunId,
    /// Since when it waits: a claim may ask more than once. Of what was told before it was kept there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
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
    /// Told within another notice, together with others that waited.
    Merged {
        /// Since when it is a part of that one.
        at: Timestamp,
        /// That one's key.
        into: String,
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

/// Where a notice goes: `stdout`, or `file:NAME`, `slack:NAME`, `webhook:NAME` and `email:NAME`; names
/// are defined in `rota.toml`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// The daemon's or command's standard output.
    Stdout,
    /// A file of `[notify.file.NAME]`.
    File(String),
    /// A Slack destination of `[notify.slack.NAME]`.
    Slack(String),
    /// A webhook of `[notify.webhook.NAME]`.
    Webhook(String),
    /// Readers of `[notify.email.NAME]`.
    Email(String),
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(name) => write!(f, "file:{name}"),
            Self::Slack(name) => write!(f, "slack:{name}"),
            Self::Webhook(name) => write!(f, "webhook:{name}"),
            Self::Email(name) => write!(f, "email:{name}"),
        }
    }
}

impl FromStr for Channel {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        let name = name.to_owned();
        match (kind, name.is_empty()) {
            _ if text == "stdout" => Ok(Self::Stdout),
            ("file", false) => Ok(Self::File(name)),
            ("slack", false) => Ok(Self::Slack(name)),
            ("webhook", false) => Ok(Self::Webhook(name)),
            ("email", false) => Ok(Self::Email(name)),
            _ => Err("expected \"stdout\", \"file:NAME\", \"slack:NAME\", \"webhook:NAME\" or \
                      \"email:NAME\""
                .to_owned()),
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
