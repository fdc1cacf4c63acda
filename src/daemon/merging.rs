//! What waited long for one channel is told together: nothing is lost, and nobody finds hundreds of
//! messages when a channel is there again.

use super::brief::text_of;
use super::parts::Parts;
use super::{telling, waits};
use crate::domain::{Body, Channel, Delivery, Mention, Notice, Timestamp};
use chrono::TimeDelta;
use std::fmt::Write as _;

/// Whoever waits so long may be told together with others.
const WAITED: TimeDelta = TimeDelta::minutes(10);
/// Fewer are told one by one.
const MEMBERS_MIN: usize = 4;
/// At most so many are told together.
const MEMBERS_MAX: usize = 50;
/// Longer messages, such as digests, are told alone.
const MEMBER_CHARS_MAX: usize = 1_500;
/// At most so many characters are told together.
const MERGED_CHARS_MAX: usize = 9_000;
/// So many are looked at at once.
const LOOK: usize = 120;
/// The keys of messages that others were put into begin so.
const MERGED: &str = "merged:";

/// Whether a notice waited so long that it may be told together with others.
pub(super) fn waits_long(notice: &Notice, now: Timestamp) -> bool {
    now - notice.created >= WAITED
}

/// What is put together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Together {
    /// Whoever waits so long.
    pub waited: TimeDelta,
    /// If there are so many.
    pub members_min: usize,
}

impl Default for Together {
    fn default() -> Self {
        Self { waited: WAITED, members_min: MEMBERS_MIN }
    }
}

/// Whether others were put into it.
pub(super) fn is_merged(notice: &Notice) -> bool {
    notice.key.starts_with(MERGED)
}

/// Puts what waited for a channel together; whether anything was.
pub(super) async fn merge(
    parts: &Parts,
    channel: &Channel,
    now: Timestamp,
    what: Together,
) -> bool {
    let queue = match parts.ledger.queue(channel, LOOK).await {
        Ok(queue) => queue,
        Err(error) => {
            tracing::warn!(%error, "the outbox could not be read");
            return false;
        }
    };
    let mut merged = false;
    for members in groups(&queue, now, what) {
        let key = format!("{MERGED}{}:{}", channel, members[0].place);
        let notice = Notice { key, ..telling::notice(parts, "", channel, together(members)) };
        match parts.ledger.merge_notices(members, &notice).await {
            Ok(done) => merged |= done,
            Err(error) => tracing::warn!(%error, "what waits could not be put together"),
        }
    }
    merged
}

/// Neighbours in a queue that are told together.
fn groups(queue: &[Notice], now: Timestamp, what: Together) -> Vec<&[Notice]> {
    let mut groups = Vec::new();
    let mut rest = queue;
    while let Some(first) = rest.iter().position(|notice| fits(notice, now, what)) {
        rest = &rest[first..];
        let mut chars = 0;
        let count = rest
            .iter()
            .take(MEMBERS_MAX)
            .take_while(|notice| {
                chars += notice.body.text.chars().count();
                fits(notice, now, what) && chars <= MERGED_CHARS_MAX
            })
            .count();
        let (group, others) = rest.split_at(count.max(1));
        if group.len() >= what.members_min {
            groups.push(group);
        }
        rest = others;
    }
    groups
}

/// One that was tried stays what it is: by it the channel is probed. So does one whose place another
/// one may take, an alarm, what is for some readers only, and what has buttons: they have to stand below
/// what they are about.
fn fits(notice: &Notice, now: Timestamp, what: Together) -> bool {
    let is_untried = matches!(notice.delivery, Delivery::Pending { attempts: 0, .. });
    is_untried
        && notice.parts == 0
        && !notice.replaces
        && !notice.is_alarm
        && notice.body.asks.is_empty()
        && notice.receipt.readers.is_empty()
        && !is_merged(notice)
        && notice.body.slack.len() <= 1
        && notice.body.text.chars().count() <= MEMBER_CHARS_MAX
        && now - notice.created >= what.waited
}

/// One message of many.
fn together(members: &[Notice]) -> Body {
    let span = |notice: Option<&Notice>| notice.map(|n| text_of(n.created)).unwrap_or_default();
    let mut text = format!(
        "{} messages waited for this channel, from {} to {}:",
        members.len(),
        span(members.first()),
        span(members.last())
    );
    let mut markdown = text.clone();
    let (mut mentions, mut asks): (Vec<Mention>, Vec<_>) = Default::default();
    for member in members {
        let (at, body) = (text_of(member.created), &member.body);
        let _ = write!(text, "\n\n[{at}] {}", body.text.trim());
        let marked = if body.markdown.trim().is_empty() { &body.text } else { &body.markdown };
        let _ = write!(markdown, "\n\n---\n\n[{at}]\n\n{}", marked.trim());
        for mention in &body.mentions {
            if !mentions.contains(mention) {
                mentions.push(mention.clone());
            }
        }
        asks.extend(body.asks.iter().cloned());
    }
    let slack = waits::payloads(&text, &asks);
    Body { text, markdown, slack, mentions, asks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Receipt, from_millis};

    fn notice(place: u64, minute: i64, text: &str) -> Notice {
        let created = from_millis(minute * 60_000);
        Notice {
            key: format!("n{place}"),
            to: Channel::Slack("team".into()),
            body: Body { text: text.into(), ..Body::default() },
            created,
            delivery: Delivery::Pending { attempts: 0, not_before: created, last_error: None },
            replaces: false,
            revision: 0,
            place,
            parts: 0,
            receipt: Receipt::default(),
            is_alarm: false,
        }
    }

    fn sizes(queue: &[Notice], minute: i64) -> Vec<usize> {
        groups(queue, from_millis(minute * 60_000), Together::default())
            .into_iter()
            .map(<[Notice]>::len)
            .collect()
    }

    #[test]
    fn only_what_waited_long_and_is_short_is_told_together() {
        let queue: Vec<_> = (0..10).map(|n| notice(n, 0, "short")).collect();
        assert_eq!(sizes(&queue, 9), Vec::<usize>::new(), "not long enough");
        assert_eq!(sizes(&queue, 10), [10]);
        assert_eq!(sizes(&queue[..3], 10), Vec::<usize>::new(), "too few");
        let mut mixed = queue.clone();
        mixed[4].body.text = "x".repeat(2_000);
        assert_eq!(sizes(&mixed, 10), [4, 5], "a long one stays between them");
        let mut probed = queue;
        let Delivery::Pending { attempts, .. } = &mut probed[0].delivery else { panic!() };
        *attempts = 3;
        assert_eq!(sizes(&probed, 10), [9]);
    }

    #[test]
    fn a_thousand_become_few_and_nothing_of_them_is_lost() {
        let queue: Vec<_> = (0..1_000).map(|n| notice(n, 0, &format!("fact {n}."))).collect();
        let groups = groups(&queue, from_millis(3_600_000), Together::default());
        assert_eq!(groups.len(), 20);
        let texts: String = groups.into_iter().map(|group| together(group).text + "\n").collect();
        assert!((0..1_000).all(|n| texts.contains(&format!(" fact {n}.\n"))), "{texts}");
    }

    #[test]
    fn neither_text_nor_blocks_of_a_merged_message_mention_anybody() {
        let queue: Vec<_> = (0..5).map(|n| notice(n, 0, "# x\n<!channel> @here & <@U1>")).collect();
        let body = together(&queue);
        assert!(!body.slack.is_empty());
        assert!(body.slack.iter().all(|json| !json.contains("<!") && !json.contains("<@")));
        assert!(body.slack.iter().all(|json| !json.contains("@here")), "{:?}", body.slack);
    }
}
