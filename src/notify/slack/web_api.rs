//! Slack by its Web API: what does not fit into one message goes on in its thread, and what is told
//! again with another body is changed where it stands.

use super::PACE;
use super::api::{Slack, SlackError};
use super::payload::{addressed, is_user_id, payloads};
use super::post::{change, post as send, remove};
use crate::domain::{Body, Mention};
use crate::notify::{Delivered, Notifier, NotifyError, Post};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What the app must be allowed to do.
const SCOPES: &[&str] = &["chat:write", "users:read", "users:read.email"];

/// Posts to one conversation.
#[derive(Debug)]
pub struct SlackWebApi {
    slack: Arc<Slack>,
    channel: String,
}

impl SlackWebApi {
    /// Posts there; nothing is sent yet.
    pub fn new(slack: Arc<Slack>, channel: String) -> Self {
        Self { slack, channel }
    }

    async fn put(&self, post: &Post<'_>) -> Result<Delivered, SlackError> {
        let payloads = payloads(post.body);
        let before = &post.receipt.parts;
        // What stood there before and is not needed any more is taken away, part by part.
        let count = payloads.len().max(before.len());
        let is_last = post.part + 1 >= count;
        let standing = before.get(post.part).filter(|name| !name.is_empty());
        let Some(payload) = payloads.get(post.part) else {
            let room = &post.receipt.room;
            if let Some(name) = standing {
                remove(&self.slack, (room, name)).await?;
            }
            let stands = Some((room.clone(), String::new())).filter(|_| post.part < before.len());
            return Ok(Delivered { is_last, stands, ..Delivered::default() });
        };
        let payload = self.dressed(payload, post).await;
        if let Some(name) = standing
            && change(&self.slack, (&post.receipt.room, name), payload.clone()).await?
        {
            let stands = Some((post.receipt.room.clone(), name.clone()));
            return Ok(Delivered { is_last, stands, ..Delivered::default() });
        }
        let thread = before.first().filter(|name| post.part > 0 && !name.is_empty());
        let stands =
            match send(&self.slack, &self.channel, payload.clone(), thread.map(String::as_str))
                .await
            {
                // Somebody removed the message that the thread hangs on.
                Err(error)
                    if thread.is_some() && error.is(&["thread_not_found", "message_not_found"]) =>
                {
                    send(&self.slack, &self.channel, payload, None).await?
                }
                sent => sent?,
            };
        Ok(Delivered { is_last, stands: Some(stands), ..Delivered::default() })
    }

    /// A part as it is sent: the first one mentions those whom it is addressed to.
    async fn dressed(&self, payload: &str, post: &Post<'_>) -> Value {
        let mut value =
            serde_json::from_str(payload).unwrap_or_else(|_| json!({ "text": payload }));
        if post.part == 0 {
            addressed(&mut value, &self.mentioned(post.body).await);
        }
        value
    }

    /// Slack's ids of those whom a message is addressed to. That nobody can say them keeps no message.
    async fn mentioned(&self, body: &Body) -> Vec<(Mention, Option<String>)> {
        let mut found = Vec::new();
        for mention in &body.mentions {
            let mut id = mention.slack.clone().filter(|id| is_user_id(id));
            if let (None, Some(email)) = (&id, &mention.email) {
                id = self.slack.user_with(email).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "somebody is named and not mentioned");
                    None
                });
            }
            found.push((mention.clone(), id));
        }
        found
    }
}

#[async_trait]
impl Notifier for SlackWebApi {
    async fn deliver(&self, post: &Post<'_>) -> Result<Delivered, NotifyError> {
        self.put(post).await.map_err(NotifyError::from)
    }

    fn pace(&self) -> Duration {
        PACE
    }

    async fn look(&self) -> Result<String, NotifyError> {
        let (who, scopes) = self.slack.whoami().await?;
        let missing = |scopes: &Vec<String>| {
            let lacks = |wanted: &&&str| !scopes.iter().any(|scope| scope == **wanted);
            SCOPES.iter().filter(lacks).copied().collect::<Vec<_>>().join(", ")
        };
        match scopes.as_ref().map(missing) {
            Some(missing) if !missing.is_empty() => Err(NotifyError::lasting(format!(
                "{who} lacks {missing}: add the scopes and install the app anew"
            ))),
            _ => Ok(format!("{who} posts to {} (nothing was sent)", self.channel)),
        }
    }
}
