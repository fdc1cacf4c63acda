//! What waits for channels: each has a queue of its own, and what cannot be told here is passed over.

use super::outbox::QueueState;
use super::records::{self, PAGE, Record};
use super::{Ledger, Result, keys};
use crate::domain::{Channel, Notice, Timestamp};

/// At most so many queues are looked at.
const QUEUES_MAX: usize = 1_000;

impl Ledger {
    /// The channels that something waits for.
    pub async fn waiting_channels(&self) -> Result<Vec<Channel>> {
        let mut channels = Vec::new();
        let (mut after, mut rows) = (None::<String>, 1);
        self.know_last_place().await?;
        while channels.len() < QUEUES_MAX {
            let store = self.store.as_ref();
            let page: Vec<(String, Record<String>)> =
                records::scan(store, keys::QUEUE, after.as_deref(), rows).await?;
            let Some((last, _)) = page.last() else { break };
            let names: Vec<String> = page.iter().map(|(_, key)| keys::notice(&key.value)).collect();
            let found = records::find_all::<Notice>(store, &names).await?;
            let mut found = page.iter().zip(found);
            (after, rows) = match found.find_map(|((row, _), it)| Some((row, it.known()?))) {
                Some((row, head)) => {
                    channels.push(head.value.to);
                    (keys::after_queue(row), 1)
                }
                // They cannot be told here: a later one in the queue may. There may be many.
                None => (Some(last.clone()), PAGE),
            };
        }
        Ok(channels)
    }

    /// What waits for a channel, in the order in which it is told, at most `limit`.
    pub async fn queue(&self, channel: &Channel, limit: usize) -> Result<Vec<Notice>> {
        self.know_last_place().await?;
        self.first_of(&keys::queue(channel), limit).await
    }

    /// The first of a list that can be told here.
    async fn first_of(&self, prefix: &str, limit: usize) -> Result<Vec<Notice>> {
        let (mut notices, mut after) = (Vec::new(), None::<String>);
        let mut rows = PAGE.min(limit);
        while notices.len() < limit {
            let page: Vec<(String, Record<String>)> =
                records::scan(self.store.as_ref(), prefix, after.as_deref(), rows).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let listed = page.len();
            let known = self.notices_by_key(page.into_iter()).await?;
            // Of what cannot be told here there may be many: it is passed over by the page.
            rows = if known.len() < listed { PAGE } else { PAGE.min(limit) };
            notices.extend(known);
        }
        notices.truncate(limit);
        Ok(notices)
    }

    /// The first alarm that waits for a channel.
    pub async fn first_alarm(&self, channel: &Channel) -> Result<Option<Notice>> {
        self.know_last_place().await?;
        Ok(self.first_of(&keys::alarms(channel), 1).await?.pop())
    }

    /// How many notices, alarms aside, a channel was told since an instant; at most `limit` are counted.
    pub async fn count_told(
        &self,
        channel: &Channel,
        since: Timestamp,
        limit: usize,
    ) -> Result<usize> {
        let (prefix, since) = (keys::told(channel), keys::told_since(channel, since));
        Ok(self.store.scan(&prefix, Some(&since), limit).await?.len())
    }

    /// How each queue stands; of each at most `limit` are counted.
    pub async fn queues(&self, limit: usize) -> Result<Vec<QueueState>> {
        let mut queues = Vec::new();
        for channel in self.waiting_channels().await? {
            let prefix = keys::queue(&channel);
            let waiting = self.store.scan(&prefix, None, limit).await?.len();
            let head = self.queue(&channel, 1).await?.into_iter().next();
            queues.extend(head.map(|head| QueueState { channel, waiting, head }));
        }
        Ok(queues)
    }
}
