//! The room's options, and the choice between adapters.

use super::Notifier;
use super::email::EmailNotifier;
use super::file::FileNotifier;
use super::slack::{Slack, SlackWebApi, SlackWebhook};
use super::stdout::WriterNotifier;
use super::webhook::WebhookNotifier;
use crate::clock::Clock;
use crate::domain::Channel;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where `stdout` goes: standard output in production, a buffer in tests and the demo.
pub type SharedWriter = Arc<Mutex<dyn Write + Send>>;

/// The destinations of `[notify]`, by name.
#[derive(Clone, Debug, Default)]
pub struct NotifyOptions {
    /// `[notify.file.NAME]`.
    pub file: BTreeMap<String, FileOptions>,
    /// `[notify.slack.NAME]`.
    pub slack: BTreeMap<String, SlackOptions>,
    /// `[notify.webhook.NAME]`.
    pub webhook: BTreeMap<String, WebhookOptions>,
    /// `[notify.email.NAME]`.
    pub email: BTreeMap<String, EmailOptions>,
}

/// A webhook of another server than Slack's.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// Its address, which is a secret: whoever has it can post.
    pub url: SecretString,
    /// What it takes.
    pub format: WebhookFormat,
    /// The delivery of a part takes no longer.
    pub time_limit: Duration,
}

/// What a webhook takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookFormat {
    /// Mattermost's messages.
    Mattermost,
    /// Discord's.
    Discord,
    /// A JSON object: `key`, `part`, `parts`, `text`, `for`.
    Json,
}

impl WebhookFormat {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 3] =
        [("mattermost", Self::Mattermost), ("discord", Self::Discord), ("json", Self::Json)];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}

/// Readers, and the mail server that takes letters to them.
#[derive(Clone, Debug)]
pub struct EmailOptions {
    /// The mail server's name.
    pub server: String,
    /// Its port; `None`: the usual one.
    pub port: Option<u16>,
    /// How it is spoken to.
    pub tls: EmailTls,
    /// Who we are there.
    pub login: Option<(String, SecretString)>,
    /// Who writes.
    pub from: String,
    /// Who reads.
    pub to: Vec<String>,
    /// A delivery takes no longer.
    pub time_limit: Duration,
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailTls {
    /// TLS after the greeting, or not at all.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Nothing, for a server on this machine.
    None,
}

/// A file that messages are appended to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// Where; missing folders are made.
    pub path: PathBuf,
    /// Beyond this size the file is moved to `<path>.1` and begun anew.
    pub size_bytes_max: u64,
}

/// A Slack destination.
#[derive(Clone, Debug)]
pub struct SlackOptions {
    /// By which way.
    pub way: SlackWay,
    /// The delivery of a part takes no longer.
    pub time_limit: Duration,
}

/// How messages come to Slack.
#[derive(Clone, Debug)]
pub enum SlackWay {
    /// By an incoming webhook. Its address is a secret: whoever has it can post.
    Webhook(SecretString),
    /// By the Web API.
    WebApi {
        /// Where it is.
        api: String,
        /// The app's bot token.
        token: SecretString,
        /// The conversation's id.
        channel: String,
    },
}

/// Why a channel cannot be opened. Never holds a webhook's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Nothing of this name is configured.
    #[error("channel {channel} is not configured; known are {known}")]
    Unknown {
        /// The channel asked for.
        channel: Channel,
        /// The channels there are.
        known: String,
    },
    /// Its options make no sense.
    #[error("channel {channel} cannot be opened: {fault}")]
    Faulty {
        /// The channel.
        channel: Channel,
        /// What is wrong and what was expected.
        fault: String,
    },
}

impl FileOptions {
    /// A file with the default size limit of 10 MiB.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), size_bytes_max: 10 * 1024 * 1024 }
    }
}

impl SlackOptions {
    /// With the default time limit of 30 seconds.
    pub fn new(way: SlackWay) -> Self {
        Self { way, time_limit: Duration::from_secs(30) }
    }
}

impl NotifyOptions {
    /// Every channel there is.
    pub fn channels(&self) -> Vec<Channel> {
        let files = self.file.keys().cloned().map(Channel::File);
        let slacks = self.slack.keys().cloned().map(Channel::Slack);
        let webhooks = self.webhook.keys().cloned().map(Channel::Webhook);
        let emails = self.email.keys().cloned().map(Channel::Email);
        let own = std::iter::once(Channel::Stdout).chain(files);
        own.chain(slacks).chain(webhooks).chain(emails).collect()
    }
}

fn slack_of(options: &SlackOptions, clock: Arc<dyn Clock>) -> Result<Arc<dyn Notifier>, String> {
    Ok(match &options.way {
        SlackWay::Webhook(address) => {
            Arc::new(SlackWebhook::new(address, options.time_limit, clock)?)
        }
        SlackWay::WebApi { api, token, channel } => {
            let slack = Slack::new(api, token.clone(), options.time_limit, clock)?;
            Arc::new(SlackWebApi::new(Arc::new(slack), channel.clone()))
        }
    })
}

/// Opens a channel. Nothing is sent, written or created by it.
pub fn open(
    channel: &Channel,
    options: &NotifyOptions,
    stdout: &SharedWriter,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Notifier>, OpenError> {
    let unknown = || OpenError::Unknown {
        channel: channel.clone(),
        known: options.channels().iter().map(Channel::to_string).collect::<Vec<_>>().join(", "),
    };
    let faulty = |fault| OpenError::Faulty { channel: channel.clone(), fault };
    Ok(match channel {
        Channel::Stdout => Arc::new(WriterNotifier::new(Arc::clone(stdout))),
        Channel::File(name) => {
            let file = options.file.get(name).ok_or_else(unknown)?;
            Arc::new(FileNotifier::new(file.clone()))
        }
        Channel::Slack(name) => {
            let slack = options.slack.get(name).ok_or_else(unknown)?;
            slack_of(slack, Arc::clone(clock)).map_err(faulty)?
        }
        Channel::Webhook(name) => {
            let webhook = options.webhook.get(name).ok_or_else(unknown)?;
            Arc::new(WebhookNotifier::new(webhook, Arc::clone(clock)).map_err(faulty)?)
        }
        Channel::Email(name) => {
            let email = options.email.get(name).ok_or_else(unknown)?;
            Arc::new(EmailNotifier::new(email).map_err(faulty)?)
        }
    })
}
