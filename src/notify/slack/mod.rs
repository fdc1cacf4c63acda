//! Slack: an incoming webhook, or the Web API with a bot token.

mod api;
mod payload;
mod post;
mod response;
mod web_api;
mod webhook;

pub use api::{Slack, SlackError};
pub use response::ResponseAddress;
pub(super) use web_api::SlackWebApi;
pub(super) use webhook::SlackWebhook;

use std::time::Duration;

/// Slack takes about one message a second in each conversation.
const PACE: Duration = Duration::from_millis(1_050);
