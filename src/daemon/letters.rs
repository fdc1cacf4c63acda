//! Dead letters: notices that were given up. They are kept, told of on another channel, and can be sent
//! again.

use super::brief::text_of;
use super::dispatcher::failed;
use super::parts::Parts;
use super::warnings;
use crate::domain::{Channel, Delivery, Notice, Value};
use crate::tools::desk::DeskError;

/// The keys of alarms about dead letters begin so; there are none about those.
const ALARM: &str = "dead-letters:";
/// At most so many are listed or sent again at once.
const LETTERS_MAX: usize = 1_000;
/// At most so many that wait are counted for each channel.
const WAITING_MAX: usize = 10_000;
/// More of a message is not shown in a list.
const SHOWN_CHARS: usize = 120;

/// A notice is given up: the log says so each time, and another channel hears this once a day.
pub(super) async fn alarm(parts: &Parts, notice: &Notice, error: &str) -> Vec<Notice> {
    tracing::error!(
        key = %notice.key, to = %notice.to, error,
        "a message is given up; `rota outbox list` shows it"
    );
    if notice.key.starts_with(ALARM) {
        return Vec::new();
    }
    let Some(other) = another_channel(parts, &notice.to).await else { return Vec::new() };
    let day = parts.clock.wall().format("%Y-%m-%d");
    let text = format!(
        "{} did not take a message, and it was given up: {error}. It is kept: `rota outbox list` shows \
         what could not be told, `rota outbox retry` sends it again.",
        notice.to
    );
    let key = format!("{ALARM}{}:{day}", notice.to);
    warnings::to(parts, &key, &[other], &text)
}

/// Another channel: one that works as far as we know, where people look rather than logs.
async fn another_channel(parts: &Parts, but: &Channel) -> Option<Channel> {
    let queues = parts.ledger.queues(1).await.unwrap_or_default();
    let is_in_trouble = |channel: &Channel| {
        queues.iter().any(|queue| {
            let attempts = match queue.head.delivery {
                Delivery::Pending { attempts, .. } => attempts,
                _ => 0,
            };
            queue.channel == *channel && attempts > 0
        })
    };
    let rank = |channel: &&Channel| match channel {
        Channel::Slack(_) => 0,
        Channel::Webhook(_) => 1,
        Channel::Email(_) => 2,
        Channel::File(_) => 3,
        Channel::Stdout => 4,
    };
    let others = parts.notifiers.keys().filter(|channel| *channel != but);
    others.filter(|channel| !is_in_trouble(channel)).min_by_key(rank).cloned()
}

/// The outbox: what waits for each channel, and what was given up; and of the latest messages so many
/// whose keys begin so.
pub(super) async fn outbox(parts: &Parts, latest: usize, begin: &str) -> Result<Value, DeskError> {
    let queues = parts.ledger.queues(WAITING_MAX).await.map_err(failed)?;
    let letters = parts.ledger.dead_letters(LETTERS_MAX).await.map_err(failed)?;
    let count = |count: usize| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
    let queues: Vec<Value> = queues
        .iter()
        .map(|queue| {
            let (attempts, next, error) = match &queue.head.delivery {
                Delivery::Pending { attempts, not_before, last_error } => {
                    (*attempts, Some(text_of(*not_before)), last_error.clone())
                }
                _ => (0, None, None),
            };
            Value::map([
                ("channel", Value::from(queue.channel.to_string())),
                ("waiting", count(queue.waiting)),
                ("since", text_of(queue.head.created).into()),
                ("attempts", attempts.into()),
                ("next", next.into()),
                ("error", error.into()),
            ])
        })
        .collect();
    let dead: Vec<Value> = letters
        .iter()
        .map(|letter| {
            let (at, error) = match &letter.delivery {
                Delivery::Undeliverable { at, error } => (text_of(*at), error.clone()),
                _ => (String::new(), String::new()),
            };
            Value::map([
                ("key", Value::from(letter.key.as_str())),
                ("channel", letter.to.to_string().into()),
                ("created", text_of(letter.created).into()),
                ("given_up", at.into()),
                ("error", error.into()),
                ("text", beginning(&letter.body.text).into()),
            ])
        })
        .collect();
    let mut answer = vec![("queues", Value::List(queues)), ("dead", Value::List(dead))];
    if latest > 0 {
        answer.push(("latest", Value::List(told(parts, latest, begin).await?)));
    }
    Ok(Value::map(answer))
}

/// The latest messages whose keys begin so, whole, with what became of each.
async fn told(parts: &Parts, most: usize, begin: &str) -> Result<Vec<Value>, DeskError> {
    let notices = parts.ledger.notices(LETTERS_MAX, None).await.map_err(failed)?;
    let meant = notices.iter().filter(|notice| notice.key.starts_with(begin)).take(most);
    let shown = meant.map(|notice| {
        let (state, at) = match &notice.delivery {
            Delivery::Pending { not_before, .. } => ("waiting", *not_before),
            Delivery::Delivered { at } => ("told", *at),
            Delivery::Merged { at, .. } => ("told_with_others", *at),
            Delivery::Undeliverable { at, .. } => ("given_up", *at),
        };
        Value::map([
            ("key", Value::from(notice.key.as_str())),
            ("channel", notice.to.to_string().into()),
            ("created", text_of(notice.created).into()),
            ("state", state.into()),
            ("at", text_of(at).into()),
            ("text", notice.body.text.as_str().into()),
            ("slack", notice.body.slack.clone().into()),
        ])
    });
    Ok(shown.collect())
}

fn beginning(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let shown: String = line.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.trim().len() { format!("{shown} …") } else { shown }
}

/// Sends again what was given up: one, those of a channel, or all.
pub(super) async fn retry(
    parts: &Parts,
    key: Option<&str>,
    channel: Option<&Channel>,
) -> Result<Value, DeskError> {
    if let Some(key) = key {
        let known = parts.ledger.notice(key).await.map_err(failed)?;
        let is_dead =
            known.is_some_and(|known| matches!(known.delivery, Delivery::Undeliverable { .. }));
        if !is_dead {
            let what = format!("no message {key:?} was given up; listOutbox says which were");
            return Err(DeskError::NotFound(what));
        }
        let again = parts.ledger.retry_letter(key).await.map_err(failed)?;
        return Ok(Value::map([("retried", i64::from(again))]));
    }
    let mut letters = parts.ledger.dead_letters(LETTERS_MAX).await.map_err(failed)?;
    // In the order in which they were to be told.
    letters.sort_by_key(|letter| letter.place);
    let mut again = 0_i64;
    for letter in letters {
        let is_meant = channel.is_none_or(|channel| letter.to == *channel);
        if is_meant && parts.ledger.retry_letter(&letter.key).await.map_err(failed)? {
            again += 1;
        }
    }
    Ok(Value::map([("retried", again)]))
}
