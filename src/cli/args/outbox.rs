//! Commands about what is to be told and could not be.

use crate::cli::call::{Args as CallArgs, Call, View};
use crate::cli::overview;
use clap::Subcommand;

/// `rota outbox …`.
#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// What waits for each channel, since when and why; and what was given up
    #[command(after_help = "Example:\n  rota outbox list")]
    List,
    /// Send again what was given up: all, one message, or those of a channel
    #[command(
        after_help = "Examples:\n  rota outbox retry\n  rota outbox retry --channel slack:team"
    )]
    Retry {
        /// Only the message with this key
        key: Option<String>,
        /// Only those of this channel
        #[arg(long, value_name = "CHANNEL")]
        channel: Option<String>,
    },
}

impl OutboxCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        match self {
            Self::List => Call::look("listOutbox", CallArgs::new(), View::Detail(overview::outbox)),
            Self::Retry { key, channel } => {
                let args =
                    CallArgs::new().with("key", key.as_deref()).with("channel", channel.as_deref());
                Call { view: View::Detail(overview::retried), ..Call::act("retryOutbox", args) }
            }
        }
    }
}
