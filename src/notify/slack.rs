//! Slack's incoming webhooks.

use super::{Notifier, NotifyError, SlackOptions};
use crate::clock::Clock;
use crate::domain::Body;
use async_trait::async_trait;
use std::sync::Arc;

/// Posts to one webhook.
#[derive(Debug)]
pub struct SlackWebhook {
    clock: Arc<dyn Clock>,
}

impl SlackWebhook {
    /// A client for this webhook; nothing is sent. The error never holds the address.
    pub fn new(_options: &SlackOptions, clock: Arc<dyn Clock>) -> Result<Self, String> {
        Ok(Self { clock })
    }
}

#[async_trait]
impl Notifier for SlackWebhook {
    async fn deliver(&self, _key: &str, _body: &Body, _from: usize) -> Result<(), NotifyError> {
        let _ = &self.clock;
        todo!()
    }
}
