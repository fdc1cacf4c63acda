//! One queue for everything that is asked of a server under one identity.
//!
//! Whoever calls waits here for their turn: claims before people, people before background work.
//! What waits is packed into as few requests as possible, since a batch counts as one; nothing is
//! sent faster than the server allows, nothing at all after it refused the credential, and after
//! several failures only one request is tried from time to time until one succeeds.

mod cache;
mod pace;
mod queue;
#[cfg(test)]
mod tests;

use super::call::{Call, Parcel, Reply, Trouble};
use super::client::Line;
use crate::instruments::{self, BoardAnswer};
use cache::Cache;
use pace::{Go, Pace};
use queue::{Job, Queue};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

/// Who is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Writes of runs under a claim, and looks at claimed tasks.
    Claims,
    /// Whoever waits for an answer.
    People,
    /// Looking for changes.
    Background,
}

/// How often a read is sent in all when its answer is lost.
const READ_TRIES: u8 = 3;

/// What came of a request: shared by all who asked the same.
pub(super) type Answer = Result<Arc<Vec<Reply>>, Trouble>;

/// The limits of a governor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) requests: u32,
    pub(super) window: Duration,
    pub(super) patience: Duration,
}

/// See the module's head.
#[derive(Clone, Debug)]
pub(super) struct Governor {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    line: Arc<dyn Line>,
    patience: Duration,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    pace: Pace,
    cache: Cache,
    is_pumping: bool,
    is_locked_out: bool,
    requests: u64,
    /// Grows when something was written by another way than this queue.
    epoch: u64,
}

impl Governor {
    pub(super) fn new(line: Arc<dyn Line>, limits: Limits) -> Self {
        let state = State {
            queue: Queue::default(),
            pace: Pace::new(limits.requests, limits.window),
            cache: Cache::default(),
            is_pumping: false,
            is_locked_out: false,
            requests: 0,
            epoch: 0,
        };
        let (state, patience) = (Mutex::new(state), limits.patience);
        Self { inner: Arc::new(Inner { line, patience, state, news: Notify::new() }) }
    }

    /// Reads: calls that belong together, asked in one request. Asked again if an answer is lost.
    /// An answer that is not older than `fresh` will do; with zero it is given after now.
    pub(super) async fn read(&self, lane: Lane, calls: Vec<Call>, fresh: Duration) -> Answer {
        let key: String = calls.iter().map(Call::key).collect();
        let waiting = {
            let mut state = self.inner.lock();
            if let Some(known) = state.cache.get(&key, fresh, Instant::now()) {
                return Ok(known);
            }
            state.enter(&self.inner, lane, Parcel::Calls(calls), Some(key))?
        };
        self.wait(waiting).await
    }

    /// Writes: calls that are run one after the other, in one request, at most once.
    pub(super) async fn write(&self, lane: Lane, parcel: Parcel) -> Answer {
        let waiting = self.inner.lock().enter(&self.inner, lane, parcel, None)?;
        self.wait(waiting).await
    }

    /// The credential is to be tried again.
    pub(super) fn admit(&self) {
        self.inner.lock().is_locked_out = false;
    }

    /// Something was written under another identity.
    pub(super) fn forget(&self, methods: &[&'static str]) {
        let mut state = self.inner.lock();
        state.epoch += 1;
        state.cache.forget(methods.iter().copied());
    }

    /// Whether it is one queue with another.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// How many requests were sent.
    pub(super) fn requests(&self) -> u64 {
        self.inner.lock().requests
    }

    /// The limit as it is known by now.
    pub(super) fn limit(&self) -> u32 {
        self.inner.lock().pace.limit()
    }

    async fn wait(&self, waiting: oneshot::Receiver<Answer>) -> Answer {
        if self.inner.begins_to_pump() {
            let inner = Arc::clone(&self.inner);
            #[expect(
                clippy::disallowed_methods,
                reason = "it ends by itself as soon as nobody waits, and owns nothing else"
            )]
            tokio::spawn(async move { inner.pump().await });
        }
        self.inner.news.notify_one();
        waiting.await.unwrap_or_else(|_| Err(Trouble::sent("the request was given up")))
    }
}

impl State {
    fn enter(
        &mut self,
        inner: &Inner,
        lane: Lane,
        parcel: Parcel,
        key: Option<String>,
    ) -> Result<oneshot::Receiver<Answer>, Trouble> {
        let now = Instant::now();
        if self.is_locked_out {
            return Err(Trouble::Unauthorized);
        }
        if let Some(wait) = self.pace.is_broken(now) {
            let shown = crate::domain::show_duration(wait);
            return Err(Trouble::unsent(format!(
                "it failed several times in a row and is tried again in {shown}"
            )));
        }
        Ok(self.queue.enter(lane, parcel, key, now + inner.patience))
    }

    /// What to do next.
    fn next(&mut self, now: Instant) -> Next {
        let wait = self.pace.wait(now);
        self.queue.give_up(now, wait);
        if self.queue.is_empty() {
            self.is_pumping = false;
            return Next::End;
        }
        let go = self.pace.go(self.queue.first_lane(), now);
        let lanes = match go {
            Go::Lanes(last) => last,
            Go::Wait(until) => {
                return Next::Wait(self.queue.next_deadline().map_or(until, |d| until.min(d)));
            }
        };
        let jobs = self.queue.take(lanes, self.pace.is_probing(now));
        if jobs.iter().any(|job| !job.is_read()) {
            self.cache.forget(jobs.iter().flat_map(Job::methods));
        }
        self.pace.sent(now);
        self.requests += 1;
        Next::Send(jobs)
    }

    fn settle(
        &mut self,
        jobs: Vec<Job>,
        outcome: Result<Vec<Reply>, Trouble>,
        epoch: u64,
        now: Instant,
    ) {
        match outcome {
            Ok(replies) => {
                self.pace.succeeded();
                self.deliver(jobs, replies, epoch, now);
            }
            Err(Trouble::Unauthorized) => {
                self.is_locked_out = true;
                self.queue.restore(jobs);
                self.queue.fail_all(&Trouble::Unauthorized);
            }
            Err(Trouble::Limited { wait, limit }) => {
                self.pace.limited(now, wait, limit);
                self.queue.restore(jobs);
            }
            Err(trouble @ Trouble::Unreachable { .. }) => {
                let is_broken = self.pace.failed(now);
                let was_sent = matches!(trouble, Trouble::Unreachable { was_sent: true, .. });
                let mut again = Vec::new();
                for mut job in jobs {
                    job.tries += 1;
                    if !is_broken && job.tries < READ_TRIES && (job.is_read() || !was_sent) {
                        again.push(job);
                    } else {
                        job.answer(&Err(trouble.clone()));
                    }
                }
                self.queue.restore(again);
                if is_broken {
                    self.queue.fail_all(&Trouble::unsent("it failed several times in a row"));
                }
            }
        }
    }

    fn deliver(&mut self, jobs: Vec<Job>, replies: Vec<Reply>, epoch: u64, now: Instant) {
        let wrote: Vec<&'static str> =
            jobs.iter().filter(|job| !job.is_read()).flat_map(Job::methods).collect();
        self.cache.forget(wrote.iter().copied());
        let is_fresh = wrote.is_empty() && epoch == self.epoch;
        let mut replies = replies.into_iter();
        for job in jobs {
            let own: Vec<Reply> = replies.by_ref().take(job.calls()).collect();
            let own = Arc::new(own);
            if let Some(key) = job.key.as_ref().filter(|_| is_fresh) {
                self.cache.put(key.clone(), job.methods(), Arc::clone(&own), now);
            }
            job.answer(&Ok(own));
        }
    }
}

fn answer_of(trouble: Option<&Trouble>) -> BoardAnswer {
    match trouble {
        None => BoardAnswer::Answered,
        Some(Trouble::Unauthorized) => BoardAnswer::Unauthorized,
        Some(Trouble::Limited { .. }) => BoardAnswer::Limited,
        Some(Trouble::Unreachable { .. }) => BoardAnswer::Unreachable,
    }
}

enum Next {
    End,
    Wait(Instant),
    Send(Vec<Job>),
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the caller is to start the pump.
    fn begins_to_pump(&self) -> bool {
        !std::mem::replace(&mut self.lock().is_pumping, true)
    }

    async fn pump(&self) {
        loop {
            // Whoever calls at the same moment goes with the same request.
            tokio::task::yield_now().await;
            let (next, epoch) = {
                let mut state = self.lock();
                (state.next(Instant::now()), state.epoch)
            };
            match next {
                Next::End => return,
                Next::Wait(until) => {
                    tokio::select! {
                        () = sleep_until(until) => {}
                        () = self.news.notified() => {}
                    }
                }
                Next::Send(jobs) => {
                    let parcel = queue::pack(&jobs);
                    let begun = Instant::now();
                    let outcome = self.line.send(&parcel).await;
                    let answer = answer_of(outcome.as_ref().err());
                    let mut state = self.lock();
                    state.settle(jobs, outcome, epoch, Instant::now());
                    instruments::board_asked(answer, begun.elapsed(), state.pace.limit());
                }
            }
        }
    }
}
