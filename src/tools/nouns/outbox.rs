//! What is to be told: what waits for each channel, and what was given up.

use super::operate::desk_error;
use super::records::Anything;
use super::tasks::refuse;
use crate::domain::{Channel, Role, Value};
use crate::tools::definition::{Definition, Words};
use crate::tools::limited::check_everywhere;
use crate::tools::registry::Parts;
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<ListOutbox, Anything>(
            Words {
                name: "listOutbox",
                title: "List messages that wait",
                description: "How many messages wait for each channel, since when and why; and the messages that \
                    were given up, which retryOutbox sends again. Example: {}.",
                example: "{}",
            },
            Role::Editor,
            |parts, _, args| Box::pin(list(parts, args)),
        ),
        Definition::operate::<RetryOutbox, Anything>(
            Words {
                name: "retryOutbox",
                title: "Send again what was given up",
                description: "Puts messages that were given up into their channels' queues again: one by its key, \
                    those of a channel, or all. Example: {\"channel\": \"slack:team\"}.",
                example: r#"{"channel": "slack:team"}"#,
            },
            Role::Manager,
            true,
            |parts, context, args| Box::pin(retry(parts, context, args)),
        ),
    ]
}

/// So many of the latest messages are shown at most: each is there whole.
const LATEST_MAX: u32 = 50;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ListOutbox {
    /// Also so many of the latest messages, 0 to 50, whatever became of them (default 0).
    latest: u32,
    /// Of these only those whose key begins so: digest:
    begin: String,
}

async fn list(parts: &Parts, args: ListOutbox) -> Result<Value, ToolError> {
    check_everywhere(parts, "what is to be told")?;
    let latest = args.latest.min(LATEST_MAX) as usize;
    parts.desk()?.outbox(latest, &args.begin).await.map_err(desk_error)
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RetryOutbox {
    /// Only the message with this key.
    key: Option<String>,
    /// Only those of this channel.
    channel: Option<String>,
}

async fn retry(parts: &Parts, _: &Context, args: RetryOutbox) -> Result<Value, ToolError> {
    let channel = args.channel.map(|text| text.trim().parse::<Channel>()).transpose();
    let channel = channel.map_err(|fault| refuse(&format!("channel: {fault}")))?;
    let desk = parts.desk()?;
    desk.retry_outbox(args.key.as_deref(), channel.as_ref()).await.map_err(desk_error)
}
