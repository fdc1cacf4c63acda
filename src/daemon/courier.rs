//! The courier: takes notices from the outbox to their channels, again and again until they arrive.
//!
//! Each channel has a lane of its own, on which one message is under way at a time, in the order in
//! which they were stored: what cannot be told yet is waited for there, and other lanes go on.

use super::letters;
use super::manners::{Manners, is_due};
use super::parts::Parts;
use crate::crash;
use crate::domain::{Channel, Delivery, Missed, Notice, Timestamp, to_delta};
use crate::ledger::{Again, LedgerError, Sent};
use crate::notify::{ATTEMPTS_MAX, NotifyError, Post, next_try};
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the outbox is looked at when nothing was announced.
const EVERY: Duration = Duration::from_secs(5);
/// The way to a channel is one daemon's for so long, where several share the outbox.
const LANE: Duration = Duration::from_mins(1);
/// So much of that is to be left when a message is begun to be told.
const TELLING: Duration = Duration::from_secs(30);
/// So often it is looked whether that has ended, while a message is told.
const LOOK: Duration = Duration::from_secs(1);
/// So long the last messages are tried to be told before the end.
const FAREWELL: Duration = Duration::from_secs(10);
/// So often those are tried who did not take what other readers have: about twenty minutes. Meanwhile
/// the others wait for what comes next.
const READER_ATTEMPTS_MAX: u32 = 9;

/// Carries notices.
#[derive(Debug)]
pub(super) struct Courier {
    parts: Arc<Parts>,
    lanes: Mutex<BTreeMap<Channel, Arc<tokio::sync::Mutex<Lane>>>>,
}

/// The way to one channel. However many ask for it, it is gone by one at a time: two at once would
/// tell the same thing twice.
#[derive(Debug, Default)]
struct Lane {
    /// When the last message went out.
    last: Option<Instant>,
    /// Nothing is tried before: the last message was given up because the channel was not there.
    rests_until: Option<Timestamp>,
    /// What its reader wants.
    manners: Manners,
    /// What arrived and could not be recorded; it is recorded later, not told again.
    unrecorded: Option<Unrecorded>,
    /// Where several daemons share the outbox: until when the way is this one's, on the boot-time clock.
    ours_until: Duration,
}

/// What arrived, and who is told where it did not reach everybody.
#[derive(Debug)]
struct Unrecorded {
    key: String,
    sent: Sent,
    alarm: Vec<Notice>,
}

/// Until when messages are taken along.
#[derive(Clone, Debug)]
enum Until {
    /// As long as some are due.
    Done,
    /// Somebody waits: at most so long.
    Deadline(Instant),
    /// Until it is told to stop.
    Stopped(CancellationToken),
}

impl Until {
    /// Whether one that begins at this instant is not begun any more.
    fn is_over(&self, at: Instant) -> bool {
        match self {
            Self::Done => false,
            Self::Deadline(deadline) => at > *deadline,
            Self::Stopped(stop) => stop.is_cancelled(),
        }
    }

    /// Returns at this instant, or earlier when it is told to stop.
    async fn sleep_until(&self, at: Instant) {
        match self {
            Self::Stopped(stop) => {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep_until(at) => {}
                }
            }
            Self::Done | Self::Deadline(_) => tokio::time::sleep_until(at).await,
        }
    }
}

/// The local state could not be read or written: to go on would be to tell things again and again.
struct Broken;

impl Courier {
    pub(super) fn new(parts: Arc<Parts>) -> Self {
        Self { parts, lanes: Mutex::default() }
    }

    /// Delivers until told to stop.
    pub(super) async fn run(self: Arc<Self>, wake: Arc<Notify>, stop: CancellationToken) {
        let mut under_way = FuturesUnordered::new();
        let mut busy = BTreeSet::new();
        loop {
            for channel in self.waiting().await.unwrap_or_default() {
                if busy.insert(channel.clone()) {
                    under_way.push(self.go(channel, Until::Stopped(stop.clone())));
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some((channel, _)) = under_way.next() => {
                    busy.remove(&channel);
                    // What was stored meanwhile is not looked for at once: a lane that came to its end
                    // had nothing more to tell, or has to wait.
                    Self::rest(&wake, &stop, &mut under_way, &mut busy).await;
                }
                () = wake.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        while under_way.next().await.is_some() {}
        // What the last runs had to tell is tried once more before the end.
        self.deliver_within(FAREWELL).await;
        self.leave().await;
    }

    /// Nobody has to wait until the ways that were this daemon's are another's.
    async fn leave(&self) {
        let lanes: Vec<_> =
            self.lanes().iter().map(|(to, lane)| (to.clone(), Arc::clone(lane))).collect();
        for (channel, lane) in lanes {
            let is_ours = lane.try_lock().is_ok_and(|lane| !lane.ours_until.is_zero());
            if is_ours && let Err(error) = self.parts.ledger.leave_lane(&channel).await {
                tracing::warn!(%channel, %error, "others wait a while before they tell it");
            }
        }
    }

    /// Waits for something to happen, while lanes come to their ends.
    async fn rest<F: Future<Output = (Channel, bool)>>(
        wake: &Notify,
        stop: &CancellationToken,
        under_way: &mut FuturesUnordered<F>,
        busy: &mut BTreeSet<Channel>,
    ) {
        let timer = tokio::time::sleep(EVERY);
        tokio::pin!(timer);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = wake.notified() => return,
                Some((channel, _)) = under_way.next() => {
                    busy.remove(&channel);
                }
                () = &mut timer => return,
            }
        }
    }

    /// Delivers what is due now; true when all of it arrived.
    pub(super) async fn deliver_due(&self) -> bool {
        self.deliver(&Until::Done).await
    }

    /// The same, for at most so long.
    pub(super) async fn deliver_within(&self, time: Duration) -> bool {
        self.deliver(&Until::Deadline(Instant::now() + time)).await
    }

    async fn deliver(&self, until: &Until) -> bool {
        let Some(channels) = self.waiting().await else { return false };
        let lanes = channels.into_iter().map(|channel| self.go(channel, until.clone()));
        join_all(lanes).await.into_iter().all(|(_, arrived)| arrived)
    }

    /// The channels that something waits for; `None` when nobody can say.
    async fn waiting(&self) -> Option<Vec<Channel>> {
        if self.parts.notifiers.is_empty() {
            // A rehearsal tells nobody; what it would tell is read from the ledger.
            return Some(Vec::new());
        }
        match self.parts.ledger.waiting_channels().await {
            Ok(mut channels) => {
                // What arrived is written down, also when nothing else waits there.
                channels.extend(self.lanes().keys().cloned());
                channels.sort();
                channels.dedup();
                Some(channels)
            }
            Err(error) => {
                tracing::warn!(%error, "the outbox could not be read");
                None
            }
        }
    }

    async fn go(&self, channel: Channel, until: Until) -> (Channel, bool) {
        let lane = Arc::clone(self.lanes().entry(channel.clone()).or_default());
        let mut lane = match &until {
            // Somebody else goes there, and may have much to carry.
            Until::Deadline(deadline) => {
                match tokio::time::timeout_at(*deadline, lane.lock()).await {
                    Ok(lane) => lane,
                    Err(_) => return (channel, false),
                }
            }
            Until::Done | Until::Stopped(_) => lane.lock().await,
        };
        let arrived = lane.carry(&self.parts, &channel, &until).await.unwrap_or(false);
        (channel, arrived)
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, BTreeMap<Channel, Arc<tokio::sync::Mutex<Lane>>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// Takes along what is due; whether all of it arrived.
    async fn carry(
        &mut self,
        parts: &Parts,
        channel: &Channel,
        until: &Until,
    ) -> Result<bool, Broken> {
        self.record(parts).await?;
        let pace = parts.notifiers.get(channel).map(|to| to.pace()).unwrap_or_default();
        let mut all = true;
        loop {
            let now = parts.clock.wall();
            if self.rests_until.is_some_and(|rest| now < rest) {
                return Ok(all);
            }
            let Some(first) = head(parts, channel, now).await? else { return Ok(all) };
            let next = self.manners.next(parts, first, now).await.map_err(unread)?;
            let Some(notice) = next else { return Ok(all) };
            if let Some(last) = self.last {
                let next = last + pace;
                if until.is_over(next) {
                    return Ok(false);
                }
                until.sleep_until(next).await;
            }
            if until.is_over(Instant::now()) {
                return Ok(false);
            }
            if !self.is_ours(parts) {
                if !self.take(parts, channel).await? {
                    return Ok(false);
                }
                // Whoever had it before may have told this one meanwhile.
                continue;
            }
            self.rests_until = None;
            match self.tell(parts, &notice).await {
                Ok(sent) => {
                    self.last = Some(Instant::now());
                    if wait_for_readers(parts, &notice, &sent).await? {
                        return Ok(false);
                    }
                    let mut alarm = Vec::new();
                    if !sent.missed.is_empty() {
                        alarm = letters::alarm(parts, &notice, &said(&sent.missed)).await;
                        all = false;
                    }
                    self.unrecorded = Some(Unrecorded { key: notice.key.clone(), sent, alarm });
                    self.record(parts).await?;
                }
                Err(error) => {
                    self.last = Some(Instant::now());
                    tracing::warn!(key = %notice.key, to = %notice.to, %error, "a notice was not taken");
                    self.rests_until = fail(parts, &notice, &error).await?;
                    if error.is_transient {
                        return Ok(false);
                    }
                    // The next one may be another matter, but not all of this one arrived.
                    all = false;
                }
            }
        }
    }

    /// Whether the way is this daemon's: of several that share the outbox one goes at a time.
    fn is_ours(&self, parts: &Parts) -> bool {
        !parts.ledger.is_shared() || parts.clock.boot() + TELLING < self.ours_until
    }

    /// Delivers the next part, for as long as the way is this daemon's: whoever has it then tells the same.
    async fn tell(&self, parts: &Parts, notice: &Notice) -> Result<Sent, NotifyError> {
        if !parts.ledger.is_shared() {
            return deliver(parts, notice).await;
        }
        tokio::select! {
            biased;
            sent = deliver(parts, notice) => sent,
            () = self.is_over(parts) => {
                let what = "it took longer than the way to its channel was this daemon's";
                Err(NotifyError::passing(what))
            }
        }
    }

    /// Returns when the way is not this daemon's any more. The boot-time clock counts while the machine
    /// sleeps, and timers do not.
    async fn is_over(&self, parts: &Parts) {
        while parts.clock.boot() < self.ours_until {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Takes it, unless another daemon has it.
    async fn take(&mut self, parts: &Parts, channel: &Channel) -> Result<bool, Broken> {
        let taken = parts.ledger.take_lane(channel, LANE).await.map_err(unread)?;
        self.ours_until = taken.unwrap_or_default();
        Ok(taken.is_some())
    }

    /// Writes down what arrived.
    async fn record(&mut self, parts: &Parts) -> Result<(), Broken> {
        let Some(Unrecorded { key, sent, alarm }) = &self.unrecorded else { return Ok(()) };
        match parts.ledger.notice_sent_telling(key, sent, alarm).await {
            Ok(()) | Err(LedgerError::NotFound { .. }) => {
                self.unrecorded = None;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(key = %key, %error, "a delivery could not be recorded");
                Err(Broken)
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it takes the place of an error")]
fn unread(error: LedgerError) -> Broken {
    tracing::warn!(%error, "the outbox could not be read");
    Broken
}

/// The first notice of a queue, if it is due.
async fn head(parts: &Parts, channel: &Channel, now: Timestamp) -> Result<Option<Notice>, Broken> {
    let queue = parts.ledger.queue(channel, 1).await.map_err(unread)?;
    Ok(queue.into_iter().next().filter(|first| is_due(first, now)))
}

/// Delivers the next part.
async fn deliver(parts: &Parts, notice: &Notice) -> Result<Sent, NotifyError> {
    let Some(notifier) = parts.notifiers.get(&notice.to) else {
        let what = format!("rota.toml defines no channel {}", notice.to);
        return Err(NotifyError::lasting(what));
    };
    let (body, receipt) = (&notice.body, &notice.receipt);
    let post = Post { key: &notice.key, body, part: notice.parts, receipt };
    let delivered = notifier.deliver(&post).await?;
    crash::reached("notice.delivered");
    Ok(Sent {
        revision: notice.revision,
        part: notice.parts,
        is_last: delivered.is_last,
        stands: delivered.stands,
        took: delivered.took,
        missed: delivered.missed,
        at: parts.clock.wall(),
    })
}

/// Whether readers who did not take a part are tried again before anything else is told there.
async fn wait_for_readers(parts: &Parts, notice: &Notice, sent: &Sent) -> Result<bool, Broken> {
    let tried = if sent.took.is_empty() { attempts_at(notice) } else { 1 };
    if !sent.missed.iter().any(|missed| missed.is_transient) || tried >= READER_ATTEMPTS_MAX {
        return Ok(false);
    }
    let error = said(&sent.missed);
    tracing::warn!(key = %notice.key, to = %notice.to, error, "not every reader took a notice");
    let not_before = parts.clock.wall() + to_delta(next_try(tried, None));
    let (key, ledger) = (&notice.key, &parts.ledger);
    let recorded =
        ledger.notice_partly_sent(key, sent.revision, &sent.took, &error, not_before).await;
    recorded.map_err(|error| {
        tracing::warn!(key = %notice.key, %error, "a failed delivery could not be recorded");
        Broken
    })?;
    Ok(true)
}

/// Who did not take it, and why.
fn said(missed: &[Missed]) -> String {
    missed.iter().map(Missed::to_string).collect::<Vec<_>>().join("; ")
}

/// How often its next part was tried, this time included.
fn attempts_at(notice: &Notice) -> u32 {
    match &notice.delivery {
        Delivery::Pending { attempts, .. } => attempts.saturating_add(1),
        _ => 1,
    }
}

/// Writes down that a notice was not taken. Where it is given up although the trouble may pass: until
/// when its channel is left alone.
async fn fail(
    parts: &Parts,
    notice: &Notice,
    error: &NotifyError,
) -> Result<Option<Timestamp>, Broken> {
    let attempts = attempts_at(notice);
    let wait = next_try(attempts, error.retry_after);
    let not_before = parts.clock.wall() + to_delta(wait);
    let is_for_all = notice.receipt.readers.is_empty();
    let most = if is_for_all { ATTEMPTS_MAX } else { READER_ATTEMPTS_MAX };
    let again = error.is_transient && attempts < most;
    let (key, revision) = (&notice.key, notice.revision);
    let alarm = if again { Vec::new() } else { letters::alarm(parts, notice, &error.what).await };
    let next = if again { Again::From(not_before) } else { Again::Never { alarm: &alarm } };
    let recorded = parts.ledger.notice_failed(key, revision, &error.what, next).await;
    recorded.map_err(|error| {
        tracing::warn!(key = %notice.key, %error, "a failed delivery could not be recorded");
        Broken
    })?;
    Ok((!again && error.is_transient).then_some(not_before))
}
