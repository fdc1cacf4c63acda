//! The channels of `rota.toml`, opened; and what `rota doctor` says of them.

use super::doctor::finding;
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{Finding, Health};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::Channel;
use crate::notify::{self, FileOptions, Notifier, NotifyOptions, SharedWriter, SlackOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A channel is looked at for so long at most.
const LOOK_TIME: Duration = Duration::from_secs(15);

/// What `[notify]` says, as the room reads it.
fn options(config: &Config) -> NotifyOptions {
    let file = config.files.iter().map(|(n, p)| (n.clone(), FileOptions::new(p.clone())));
    let slack =
        config.slack.iter().map(|(name, way)| (name.clone(), SlackOptions::new(way.clone())));
    NotifyOptions {
        file: file.collect(),
        slack: slack.collect(),
        webhook: config.webhooks.clone(),
        email: config.emails.clone(),
    }
}

/// The names of all channels.
pub(super) fn names(config: &Config) -> BTreeSet<Channel> {
    options(config).channels().into_iter().collect()
}

/// All channels, opened.
pub(super) fn open(
    config: &Config,
    stdout: &SharedWriter,
    clock: &Arc<dyn Clock>,
) -> Result<BTreeMap<Channel, Arc<dyn Notifier>>, Failure> {
    let options = options(config);
    let mut notifiers = BTreeMap::new();
    for channel in options.channels() {
        let notifier = notify::open(&channel, &options, stdout, clock)
            .map_err(|error| Failure::new(FailureKind::Config, error.to_string()))?;
        notifiers.insert(channel, notifier);
    }
    Ok(notifiers)
}

/// A line for each channel beyond this machine. Nobody is told anything.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let (options, clock) = (options(config), SystemClock::shared());
    let stdout: SharedWriter = Arc::new(Mutex::new(std::io::sink()));
    let far = |channel: &Channel| !matches!(channel, Channel::Stdout | Channel::File(_));
    let looks = options.channels().into_iter().filter(far).map(|channel| {
        let opened = notify::open(&channel, &options, &stdout, &clock);
        async move {
            let name = channel.to_string();
            let notifier = match opened {
                Ok(notifier) => notifier,
                Err(error) => {
                    return finding(&name, Health::Fail, error.to_string(), "see docs/slack.md");
                }
            };
            match tokio::time::timeout(LOOK_TIME, notifier.look()).await {
                Ok(Ok(found)) => finding(&name, Health::Ok, found, ""),
                Ok(Err(error)) if error.is_transient => {
                    finding(&name, Health::Warn, error.what, "messages wait until it answers")
                }
                Ok(Err(error)) => finding(&name, Health::Fail, error.what, "see docs/slack.md"),
                Err(_) => finding(&name, Health::Warn, "it does not answer", "try again later"),
            }
        }
    });
    futures::future::join_all(looks).await
}
