//! What happened to claims, and whether it was allowed to: a history of calls, each with the moments
//! between which it took effect, judged by the numbered sentences of the guide to claims.
//!
//! The judge knows nothing of the ledger. It reports only what no order of the calls could excuse,
//! so a history of a sound ledger is never blamed, however the calls overlapped. It knows of no
//! operators: a history in which claims are revoked is not for it.

use rota::clock::{Clock, ManualClock};
use rota::domain::{Fence, TaskId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One call that was answered.
#[derive(Clone, Debug)]
pub struct Event {
    pub task: TaskId,
    pub fence: Fence,
    /// The run that called; for a sweep, the sweeper.
    pub run: String,
    pub what: What,
    /// A moment before the call.
    pub began: u64,
    /// A moment after it.
    pub ended: u64,
    /// The store's time, read after `ended`.
    pub clock: u64,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The claim is held until its lease ends.
    Acquired { nonce: String, lease_ends: u64 },
    /// It is held for longer.
    Renewed { lease_ends: u64 },
    /// The guard let an effect through.
    Checked,
    /// It was given back.
    Released,
    /// A renewal, an effect or a release was refused: the claim is lost.
    Lost,
    /// A sweep ended the claim that had this fence.
    Swept,
}

/// What must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// C1: both held the task at one moment.
    TwoHolders { task: TaskId, fences: [Fence; 2] },
    /// C2: two claims of a task had one fence.
    FenceTwice { task: TaskId, fence: Fence },
    /// C2: a later claim had the lower fence.
    FenceBack { task: TaskId, earlier: Fence, later: Fence },
    /// C2: something was accepted from a holder after another had acquired.
    StaleAccepted { task: TaskId, fence: Fence, newer: Fence, what: What },
    /// C6: the same request was given two fences.
    NonceTwice { task: TaskId, nonce: String },
    /// C8: a sweep ended a claim whose lease had not ended.
    LiveFreed { task: TaskId, fence: Fence },
    /// C8: a holder was refused although its lease had not ended.
    LostWhileLive { task: TaskId, fence: Fence },
}

/// Numbers moments: of two, the one with the larger number was later.
#[derive(Debug)]
pub struct Moments {
    next: AtomicU64,
    clock: Arc<ManualClock>,
}

impl Moments {
    pub fn new(clock: Arc<ManualClock>) -> Self {
        Self { next: AtomicU64::new(0), clock }
    }

    /// This moment.
    pub fn now(&self) -> u64 {
        self.next.fetch_add(1, Ordering::SeqCst)
    }

    /// An event that ends now. The clock is read last: at `ended` it was not later than that.
    pub fn event(
        &self,
        began: u64,
        (task, fence): (TaskId, Fence),
        run: &str,
        what: What,
    ) -> Event {
        let ended = self.now();
        let clock = self.clock.store_time().ms;
        Event { task, fence, run: run.to_owned(), what, began, ended, clock }
    }
}

/// Everything in a history that must not be; empty for a sound one.
pub fn judge(history: &[Event]) -> Vec<Violation> {
    let clock = ClockReadings::of(history);
    let mut tasks: BTreeMap<i64, Vec<&Event>> = BTreeMap::new();
    for event in history {
        tasks.entry(event.task.0).or_default().push(event);
    }
    tasks.into_values().flat_map(|events| judge_task(&events, &clock)).collect()
}

/// A claim as its holder saw it.
#[derive(Debug)]
struct Hold {
    fence: Fence,
    began: u64,
    /// From here on it was surely held,
    ended: u64,
    /// until the holder began to give it back,
    given_back: u64,
    /// or its last lease ended.
    lease_ends: u64,
}

fn judge_task(events: &[&Event], clock: &ClockReadings) -> Vec<Violation> {
    let task = events[0].task;
    let (holds, mut found) = holds(task, events);
    for pair in holds.windows(2) {
        if pair[0].fence == pair[1].fence {
            found.push(Violation::FenceTwice { task, fence: pair[0].fence });
        }
    }
    found.extend(fences_back(task, &holds));
    found.extend(two_holders(task, &holds, clock));
    for event in events {
        let is_live = || {
            let hold = holds.iter().find(|hold| hold.fence == event.fence);
            hold.is_some_and(|hold| event.clock < hold.lease_ends)
        };
        match &event.what {
            What::Renewed { .. } | What::Checked | What::Released => {
                let newer = holds.iter().rev().take_while(|hold| hold.fence > event.fence);
                let newer = newer.into_iter().find(|hold| hold.ended < event.began);
                found.extend(newer.map(|newer| Violation::StaleAccepted {
                    task,
                    fence: event.fence,
                    newer: newer.fence,
                    what: event.what.clone(),
                }));
            }
            What::Lost if is_live() => {
                found.push(Violation::LostWhileLive { task, fence: event.fence });
            }
            What::Swept if is_live() => {
                found.push(Violation::LiveFreed { task, fence: event.fence });
            }
            What::Acquired { .. } | What::Lost | What::Swept => {}
        }
    }
    found
}

/// The claims of a task by fence. Repetitions of one request are one claim.
fn holds(task: TaskId, events: &[&Event]) -> (Vec<Hold>, Vec<Violation>) {
    let mut requests: BTreeMap<(&str, &str), Hold> = BTreeMap::new();
    let mut found = Vec::new();
    for event in events {
        let What::Acquired { nonce, lease_ends } = &event.what else { continue };
        let request = (event.run.as_str(), nonce.as_str());
        if let Some(hold) = requests.get_mut(&request) {
            if hold.fence != event.fence {
                found.push(Violation::NonceTwice { task, nonce: nonce.clone() });
            }
            hold.began = hold.began.min(event.began);
            hold.ended = hold.ended.min(event.ended);
            continue;
        }
        let (fence, began, ended) = (event.fence, event.began, event.ended);
        let hold = Hold { fence, began, ended, given_back: u64::MAX, lease_ends: *lease_ends };
        requests.insert(request, hold);
    }
    let mut by_holder: BTreeMap<(&str, Fence), &mut Hold> =
        requests.iter_mut().map(|((run, _), hold)| ((*run, hold.fence), hold)).collect();
    for event in events {
        let Some(hold) = by_holder.get_mut(&(event.run.as_str(), event.fence)) else { continue };
        match &event.what {
            What::Released => hold.given_back = hold.given_back.min(event.began),
            What::Renewed { lease_ends } => hold.lease_ends = hold.lease_ends.max(*lease_ends),
            _ => {}
        }
    }
    let mut holds: Vec<Hold> = requests.into_values().collect();
    holds.sort_by_key(|hold| (hold.fence, hold.ended));
    (holds, found)
}

/// A claim that began after one with a higher fence had been answered.
fn fences_back(task: TaskId, holds: &[Hold]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut first: Option<&Hold> = None;
    for hold in holds.iter().rev() {
        match first {
            Some(higher) if higher.ended < hold.began => {
                let (earlier, later) = (higher.fence, hold.fence);
                found.push(Violation::FenceBack { task, earlier, later });
            }
            _ => {}
        }
        if first.is_none_or(|first| hold.ended < first.ended) {
            first = Some(hold);
        }
    }
    found
}

/// Claims that were surely held at one moment.
fn two_holders(task: TaskId, holds: &[Hold], clock: &ClockReadings) -> Vec<Violation> {
    let mut spans: Vec<(u64, u64, Fence)> = holds
        .iter()
        .map(|hold| {
            (hold.ended, hold.given_back.min(clock.last_before(hold.lease_ends)), hold.fence)
        })
        .collect();
    spans.sort_unstable();
    let mut found = Vec::new();
    let mut longest: Option<(u64, Fence)> = None;
    for (from, to, fence) in spans {
        if let Some((until, holder)) = longest
            && from < until
        {
            found.push(Violation::TwoHolders { task, fences: [holder, fence] });
        }
        if longest.is_none_or(|(until, _)| to > until) {
            longest = Some((to, fence));
        }
    }
    found
}

/// What the events tell of the store's clock.
struct ClockReadings {
    /// Readings by time, each with the latest moment at which it was not later than that.
    latest: Vec<(u64, u64)>,
}

impl ClockReadings {
    fn of(history: &[Event]) -> Self {
        let mut latest: Vec<_> = history.iter().map(|event| (event.clock, event.ended)).collect();
        latest.sort_unstable();
        let mut moment = 0;
        for reading in &mut latest {
            moment = moment.max(reading.1);
            reading.1 = moment;
        }
        Self { latest }
    }

    /// The latest moment at which the clock had surely not come to this time.
    fn last_before(&self, time: u64) -> u64 {
        let count = self.latest.partition_point(|(clock, _)| *clock < time);
        count.checked_sub(1).map_or(0, |last| self.latest[last].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE_ENDS: u64 = 60;

    fn event(run: &str, fence: u64, what: What, moments: (u64, u64), clock: u64) -> Event {
        let (began, ended) = moments;
        Event { task: TaskId(1), fence: Fence(fence), run: run.into(), what, began, ended, clock }
    }

    fn acquired(run: &str, fence: u64, moments: (u64, u64), clock: u64) -> Event {
        let what = What::Acquired { nonce: format!("n-{run}"), lease_ends: clock + LEASE_ENDS };
        event(run, fence, what, moments, clock)
    }

    fn released(run: &str, fence: u64, moments: (u64, u64)) -> Event {
        event(run, fence, What::Released, moments, 0)
    }

    #[test]
    fn claims_one_after_another_are_sound_however_their_calls_overlap() {
        let history = [
            acquired("a", 1, (0, 3), 0),
            released("a", 1, (4, 9)),
            // It was answered before the release was.
            acquired("b", 2, (1, 6), 0),
            released("b", 2, (10, 11)),
            // Its predecessor did not give back; its lease has ended.
            acquired("c", 3, (12, 13), 0),
            event("c", 3, What::Renewed { lease_ends: 80 }, (14, 15), 20),
            event("sweeper", 3, What::Swept, (16, 17), 80),
            event("c", 3, What::Lost, (18, 19), 81),
            acquired("d", 4, (20, 21), 81),
            acquired("d", 4, (22, 23), 81),
        ];
        assert_eq!(judge(&history), []);
    }

    #[test]
    fn what_must_not_be_is_reported() {
        let (task, fences) = (TaskId(1), [Fence(1), Fence(2)]);
        let both =
            [acquired("a", 1, (0, 1), 0), acquired("b", 2, (2, 3), 0), released("a", 1, (4, 5))];
        let found = judge(&both);
        assert!(found.contains(&Violation::TwoHolders { task, fences }), "{found:?}");
        let twice =
            [acquired("a", 1, (0, 1), 0), released("a", 1, (2, 3)), acquired("b", 1, (4, 5), 0)];
        assert_eq!(judge(&twice), [Violation::FenceTwice { task, fence: Fence(1) }]);
        let back =
            [acquired("a", 2, (0, 1), 0), released("a", 2, (2, 3)), acquired("b", 1, (4, 5), 0)];
        let (earlier, later) = (Fence(2), Fence(1));
        assert_eq!(judge(&back), [Violation::FenceBack { task, earlier, later }]);
        let again =
            [acquired("a", 1, (0, 1), 0), released("a", 1, (2, 3)), acquired("a", 2, (4, 5), 0)];
        assert_eq!(judge(&again), [Violation::NonceTwice { task, nonce: "n-a".into() }]);
    }

    #[test]
    fn a_live_holder_that_is_dispossessed_and_a_dead_one_that_is_obeyed_are_reported() {
        let (task, fence) = (TaskId(1), Fence(1));
        let swept = [acquired("a", 1, (0, 1), 0), event("s", 1, What::Swept, (2, 3), 59)];
        assert_eq!(judge(&swept), [Violation::LiveFreed { task, fence }]);
        let refused = [acquired("a", 1, (0, 1), 0), event("a", 1, What::Lost, (2, 3), 59)];
        assert_eq!(judge(&refused), [Violation::LostWhileLive { task, fence }]);
        for what in [What::Renewed { lease_ends: 200 }, What::Checked, What::Released] {
            let stale = [
                acquired("a", 1, (0, 1), 0),
                acquired("b", 2, (2, 3), 60),
                released("b", 2, (4, 5)),
                event("a", 1, what.clone(), (6, 7), 61),
            ];
            let newer = Fence(2);
            let found = judge(&stale);
            let expected = Violation::StaleAccepted { task, fence, newer, what };
            assert!(found.contains(&expected), "{found:?}");
        }
    }
}
