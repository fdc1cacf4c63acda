//! One part of a message, posted, changed or taken away.

use super::api::{Slack, SlackError};
use serde_json::{Value, json};

/// What a message says that cannot be changed any more: somebody removed it, or it is too old.
const UNCHANGEABLE: &[&str] =
    &["message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"];
/// What a message says that is gone already.
const GONE: &[&str] = &["message_not_found", "cant_delete_message", "channel_not_found"];

/// Posts a payload, below the message `thread` if there is one; its conversation and its name there.
pub(super) async fn post(
    slack: &Slack,
    channel: &str,
    mut payload: Value,
    thread: Option<&str>,
) -> Result<(String, String), SlackError> {
    payload["channel"] = json!(channel);
    payload["unfurl_links"] = json!(false);
    payload["unfurl_media"] = json!(false);
    if let Some(thread) = thread {
        payload["thread_ts"] = json!(thread);
    }
    let answer = slack.call("chat.postMessage", &payload).await?;
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let room = Some(text("channel")).filter(|room| !room.is_empty());
    Ok((room.unwrap_or_else(|| channel.to_owned()), text("ts")))
}

/// Puts a payload in the place of what stands there; false when that cannot be changed any more.
pub(super) async fn change(
    slack: &Slack,
    (room, name): (&str, &str),
    payload: Value,
) -> Result<bool, SlackError> {
    // How links unfold is said with the first message only.
    let mut changed = json!({ "channel": room, "ts": name });
    for member in ["text", "blocks"] {
        if let Some(value) = payload.get(member).filter(|value| !value.is_null()) {
            changed[member] = value.clone();
        }
    }
    match slack.call("chat.update", &changed).await {
        Ok(_) => Ok(true),
        Err(error) if error.is(UNCHANGEABLE) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes a message away.
pub(super) async fn remove(slack: &Slack, (room, name): (&str, &str)) -> Result<(), SlackError> {
    match slack.call("chat.delete", &json!({"channel": room, "ts": name})).await {
        Ok(_) => Ok(()),
        Err(error) if error.is(GONE) => Ok(()),
        Err(error) => Err(error),
    }
}
