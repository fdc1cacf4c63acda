//! When a board is looked at, and how much of it at a time.
//!
//! A look asks for everything, and a server with a large board may take seconds over that. Such a
//! one is looked at less often; in between, agents' inboxes are asked, which costs it nothing:
//! whoever is mentioned has one message more, and the look follows at once.

use super::call::Call;
use super::governor::{Governor, Lane};
use super::wire;
use super::{LeantimeBoard, REQUESTS};
use serde_json::json;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// Of the time from one look to the next, a server is to spend no more than a tenth on the look.
const SHARE: u32 = 10;
/// However slow it is, the time between two looks grows to no more than this many times the usual.
const STRETCH_MAX: u32 = 6;
/// Projects whose own threads are asked for in one look; with what else a look asks for, they fit
/// into one request.
pub(super) const THREADS: usize = 40;

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// When the last look ended, and how long it took.
    looked: Option<(Instant, Duration)>,
    /// When the inboxes were last asked.
    asked: Option<Instant>,
    /// Unread messages in each, as they were last told.
    unread: Vec<Option<i64>>,
    /// How many looks there were.
    number: usize,
}

impl Rounds {
    /// A look begins: its number.
    pub(super) fn begin(&mut self) -> usize {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    fn ended(&mut self, now: Instant, took: Duration) {
        self.looked = Some((now, took));
        self.asked = Some(now);
    }

    /// What is to be done now, when changes are to be found within `every` where that is cheap.
    /// `paced` is the least that the server's limit leaves.
    fn next(&self, now: Instant, every: Duration, paced: Duration) -> Next {
        let Some((looked, took)) = self.looked else { return Next::Look };
        let stretched = took.saturating_mul(SHARE).min(every.saturating_mul(STRETCH_MAX));
        if now >= looked + paced.max(stretched) {
            return Next::Look;
        }
        match self.asked {
            Some(asked) if now < asked + paced => Next::Nothing,
            _ => Next::Ask,
        }
    }

    /// Whether one inbox holds more than when it was last asked.
    fn has_mail(&mut self, now: Instant, unread: Vec<Option<i64>>) -> bool {
        self.asked = Some(now);
        let before = std::mem::replace(&mut self.unread, unread);
        self.unread.iter().enumerate().any(|(place, count)| match count {
            Some(count) => *count > before.get(place).copied().flatten().unwrap_or(0),
            None => false,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Look,
    Ask,
    Nothing,
}

/// Those whose turn it is in this look: all of a few, else so many at a time, one after the other.
pub(super) fn turn<T: Clone>(all: &[T], at_once: usize, number: usize) -> Vec<T> {
    if all.len() <= at_once {
        return all.to_vec();
    }
    let start = number.wrapping_mul(at_once) % all.len();
    all.iter().cycle().skip(start).take(at_once).cloned().collect()
}

impl LeantimeBoard {
    /// Looks for changes, if the last look is long enough ago or somebody was mentioned since.
    pub(super) async fn look_if_due(&self) -> crate::board::Result<()> {
        let _one = self.looking.lock().await;
        let every = self.options.look_every;
        let next = {
            let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            rounds.next(Instant::now(), every, self.paced(every))
        };
        match next {
            Next::Nothing => return Ok(()),
            Next::Ask => {
                let unread = self.unread().await;
                let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
                if !rounds.has_mail(Instant::now(), unread) {
                    return Ok(());
                }
            }
            Next::Look => {}
        }
        let begun = Instant::now();
        self.look().await?;
        let took = begun.elapsed();
        self.book.tidy().await?;
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.ended(Instant::now(), took);
        Ok(())
    }

    /// How many unread messages each identity has. One that does not say it (an old server has no
    /// such question) is as if it had none: the next look finds what there is.
    async fn unread(&self) -> Vec<Option<i64>> {
        let mut queues: Vec<&Governor> = vec![&self.own];
        for queue in self.others.values() {
            if !queues.iter().any(|known| known.is_same(queue)) {
                queues.push(queue);
            }
        }
        let ask = async |queue: &Governor| -> Option<i64> {
            let calls = vec![Call::new("notifications.getUnreadCount", json!({}))];
            let replies = queue.read(Lane::Background, calls, Duration::ZERO).await.ok()?;
            let value = wire::unwrapped(replies.first()?.clone().ok()?);
            value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
        };
        futures::future::join_all(queues.into_iter().map(ask)).await
    }

    /// How old an answer may be that may be so old where the server takes as many requests as it
    /// usually does: one that takes fewer is not to be kept busy with lists.
    pub(super) fn paced(&self, fresh: Duration) -> Duration {
        fresh.saturating_mul((REQUESTS / self.limit().max(1)).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_server_is_looked_at_less_often_and_its_inboxes_are_asked_between() {
        let (every, start) = (Duration::from_secs(5), Instant::now());
        let mut rounds = Rounds::default();
        assert_eq!(rounds.next(start, every, every), Next::Look);
        let after = |seconds| start + Duration::from_secs(seconds);
        rounds.ended(start, Duration::from_millis(80));
        assert_eq!(rounds.next(after(4), every, every), Next::Nothing);
        assert_eq!(rounds.next(after(5), every, every), Next::Look);
        rounds.ended(start, Duration::from_secs(2));
        assert_eq!(rounds.next(after(4), every, every), Next::Nothing);
        assert_eq!(rounds.next(after(5), every, every), Next::Ask);
        assert!(!rounds.has_mail(after(5), vec![Some(0), None]));
        assert_eq!(rounds.next(after(9), every, every), Next::Nothing);
        assert_eq!(rounds.next(after(10), every, every), Next::Ask);
        assert!(rounds.has_mail(after(10), vec![Some(0), Some(1)]));
        assert!(!rounds.has_mail(after(15), vec![Some(0), Some(1)]));
        assert_eq!(rounds.next(after(20), every, every), Next::Look);
        // However slow it is.
        rounds.ended(start, Duration::from_mins(10));
        assert_eq!(rounds.next(after(30), every, every), Next::Look);
    }

    #[test]
    fn where_few_requests_are_allowed_none_is_spent_on_inboxes() {
        let (every, paced, start) =
            (Duration::from_secs(5), Duration::from_mins(1), Instant::now());
        let mut rounds = Rounds::default();
        rounds.ended(start, Duration::from_secs(40));
        let mut seconds = 0..60;
        assert!(seconds.all(|s| {
            rounds.next(start + Duration::from_secs(s), every, paced) == Next::Nothing
        }));
        assert_eq!(rounds.next(start + paced, every, paced), Next::Look);
    }

    #[test]
    fn in_turn_everyone_comes_up() {
        let all: Vec<usize> = (0..100).collect();
        let mut seen: Vec<usize> = (0..5).flat_map(|number| turn(&all, 40, number)).collect();
        assert_eq!(seen.len(), 200);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, all);
        assert_eq!(turn(&all[..40], 40, 7), all[..40]);
        assert!(turn(&all[..0], 40, 7).is_empty());
    }
}
