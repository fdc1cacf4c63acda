//! What becomes of each planned instant: it runs, or it is skipped for a reason. There are no holes.
//!
//! # Rules, in this order
//! 1. An instant is *due* once its start (the planned instant plus the playbook's jitter) has come.
//! 2. In the gap of a restored ledger: skipped, `lost_ledger`; it may have run, nobody knows. Everything stopped, another daemon's labels, a playbook that is not armed or is paused: skipped.
//! 3. Outside `on.hours`: skipped. The start decides, and for a missed instant also the present.
//! 4. Older than `on.late`: skipped, `too_late`.
//! 5. *Missed* is what we get to more than [`GRACE`] after its start. Whether the daemon was off, the
//!    machine asleep or the clock set is all the same. `catch_up = "none"` skips all missed ones;
//!    `latest` runs the latest one, unless an instant that is on time comes after it; `all` runs the last
//!    `catch_up_max`, one after another: they wait for each other even where `overlap` says skip.
//! 6. `limits.runs_per_day`, then `overlap`: while one is running or waiting, `skip` skips, `queue` lets
//!    one wait, `replace` keeps the last, `allow` runs all.
//!
//! A long absence makes few records: of more than [`EACH_MAX`] due instants only the latest are told
//! one by one, the others are accounted in one [`WakeDecision::SkipRange`] per reason.

use super::Timetable;
use crate::domain::{
    CatchUp, Covers, Occurrence, OccurrenceState, On, Overlap, PlaybookName, Reason, Timestamp,
    Trigger, to_delta,
};
use chrono::TimeDelta;
use std::time::Duration;

/// An instant we get to within this time after its start is on time.
pub const GRACE: Duration = Duration::from_mins(1);

/// More due instants than this are not told one by one; no wake makes more records.
pub const EACH_MAX: usize = 1_000;

/// So many of them still are, or as many as `catch_up_max` asks for.
const LATEST_MIN: usize = 100;

/// And never more than these, which leaves room for the records of all the others.
const LATEST_MAX: usize = EACH_MAX - 2;

/// A watermark further ahead than this came from a clock that was wrong; it is not believed.
pub const AHEAD_MAX: TimeDelta = TimeDelta::days(1);

/// What is true about a playbook when it is woken.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked by name")]
pub struct WakeInput<'a> {
    /// Its name.
    pub playbook: &'a PlaybookName,
    /// Its `[on]`.
    pub on: &'a On,
    /// Its planned instants.
    pub timetable: &'a Timetable,
    /// The last planned instant that is accounted; `None` if none is.
    pub watermark: Option<Timestamp>,
    /// Since when this timetable holds: first seen, or last edited. Earlier instants are nobody's.
    pub since: Timestamp,
    /// Up to here (inclusive) the ledger was lost and restored from an older export.
    pub lost_until: Option<Timestamp>,
    /// A person has armed it.
    pub armed: bool,
    /// It is paused.
    pub paused: bool,
    /// Everything is stopped.
    pub stopped: bool,
    /// Its `runs_on` asks for another daemon.
    pub not_this_daemon: bool,
    /// An occurrence of it is running.
    pub running: bool,
    /// An occurrence of it is queued.
    pub queued: bool,
    /// Its runs in the present civil day.
    pub runs_today: u32,
    /// `limits.runs_per_day`.
    pub runs_per_day: Option<u32>,
    /// The present.
    pub now: Timestamp,
}

/// What becomes of one planned instant, or of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WakeDecision {
    /// It is to run: an occurrence is queued.
    Run {
        /// The planned instant.
        planned: Timestamp,
        /// It was missed and is caught up.
        caught_up: bool,
    },
    /// It does not run.
    Skip {
        /// The planned instant.
        planned: Timestamp,
        /// Why.
        reason: Reason,
    },
    /// Many that follow each other do not run, all for the same reason.
    SkipRange {
        /// The first of them.
        first: Timestamp,
        /// The last of them.
        last: Timestamp,
        /// How many, both included.
        count: u64,
        /// Why.
        reason: Reason,
    },
}

/// What follows from a wake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wakes {
    /// Every instant that fell due, in order.
    pub decisions: Vec<WakeDecision>,
    /// The last accounted instant from now on: to be stored in one commit with the decisions.
    pub watermark: Option<Timestamp>,
    /// When the playbook is to be woken next, jitter included.
    pub next: Option<Timestamp>,
}

impl WakeDecision {
    /// The record of it. What runs is queued: [`super::plan`] starts it.
    pub fn occurrence(
        &self,
        playbook: &PlaybookName,
        trigger: Trigger,
        decided: Timestamp,
    ) -> Occurrence {
        let (planned, state, covers) = match *self {
            Self::Run { planned, .. } => (planned, OccurrenceState::Queued, None),
            Self::Skip { planned, reason } => (planned, OccurrenceState::Skipped { reason }, None),
            Self::SkipRange { first, last, count, reason } => {
                let covers = Some(Covers { last, count });
                (first, OccurrenceState::Skipped { reason }, covers)
            }
        };
        Occurrence {
            id: Occurrence::id_of(playbook, trigger, planned),
            playbook: playbook.clone(),
            trigger,
            planned,
            task: None,
            decided,
            state,
            covers,
            status: None,
        }
    }
}

/// Decides about every instant that has fallen due since the watermark.
pub fn wakes(input: &WakeInput<'_>) -> Wakes {
    let timetable = input.timetable;
    let until = timetable.due_until(input.now);
    let watermark = input.watermark.filter(|mark| *mark - input.now <= AHEAD_MAX);
    let from = watermark.map_or(input.since, |mark| mark.max(input.since));
    // After the watermark was refused, what lies behind us stays accounted.
    let from =
        if watermark.is_none() && input.watermark.is_some() { from.max(until) } else { from };
    let due: Vec<Timestamp> = timetable.between(from, until).take(EACH_MAX + 1).collect();
    let mut decisions = Vec::new();
    let due = if due.len() > EACH_MAX {
        let each = usize::try_from(input.on.catch_up_max).unwrap_or(EACH_MAX);
        let latest = timetable.latest(from, until, each.clamp(LATEST_MIN, LATEST_MAX));
        decisions.extend(ranges(input, from, latest[0]));
        latest
    } else {
        due
    };
    let last = due.last().copied();
    decisions.extend(each(input, &due));
    let next = timetable.after(from.max(until)).map(|planned| timetable.start_of(planned));
    let kept = input.watermark.map(|mark| watermark.map_or(until, |_| mark));
    Wakes { decisions, watermark: last.or(kept), next }
}

/// Everything after `from` and before `before`, in at most three pieces.
fn ranges(input: &WakeInput<'_>, from: Timestamp, before: Timestamp) -> Vec<WakeDecision> {
    let until = before - TimeDelta::milliseconds(1);
    let blocked = blocked(input);
    let reason = blocked.unwrap_or(match input.on.catch_up {
        CatchUp::None => Reason::CatchUpNone,
        CatchUp::Latest => Reason::Superseded,
        CatchUp::All => Reason::CatchUpMax,
    });
    let mut pieces = Vec::new();
    let mut from = from;
    if let Some(lost) = input.lost_until.map(|lost| lost.min(until)).filter(|lost| *lost > from) {
        pieces.extend(range(input, from, lost, Reason::LostLedger));
        from = lost;
    }
    if let (None, Some(late)) = (blocked, input.on.late) {
        let edge = input.timetable.due_until(input.now).checked_sub_signed(to_delta(late));
        let edge = edge.map_or(from, |edge| edge - TimeDelta::milliseconds(1)).min(until);
        if edge > from {
            pieces.extend(range(input, from, edge, Reason::TooLate));
            from = edge;
        }
    }
    pieces.extend(range(input, from, until, reason));
    pieces
}

fn range(
    input: &WakeInput<'_>,
    after: Timestamp,
    until: Timestamp,
    reason: Reason,
) -> Option<WakeDecision> {
    let first = input.timetable.after(after).filter(|first| *first <= until)?;
    let last = *input.timetable.latest(after, until, 1).last()?;
    let count = input.timetable.count(after, until);
    Some(WakeDecision::SkipRange { first, last, count, reason })
}

/// Why nothing may run at all, whatever the instant.
fn blocked(input: &WakeInput<'_>) -> Option<Reason> {
    [
        (input.not_this_daemon, Reason::NotThisDaemon),
        (input.stopped, Reason::Stopped),
        (!input.armed, Reason::NotArmed),
        (input.paused, Reason::Paused),
    ]
    .into_iter()
    .find_map(|(holds, reason)| holds.then_some(reason))
}

/// What an instant would be, before those around it are looked at.
#[derive(Clone, Copy)]
enum Candidate {
    OnTime,
    Missed,
    Out(Reason),
}

fn each(input: &WakeInput<'_>, due: &[Timestamp]) -> Vec<WakeDecision> {
    let candidates: Vec<_> = due.iter().map(|planned| candidate(input, *planned)).collect();
    let missed = candidates.iter().filter(|c| matches!(c, Candidate::Missed)).count();
    let last = candidates.iter().rposition(|c| !matches!(c, Candidate::Out(_)));
    let most = usize::try_from(input.on.catch_up_max).unwrap_or(usize::MAX);
    let mut passed = 0;
    let mut turn = Turn::new(input);
    for (place, (planned, candidate)) in due.iter().zip(&candidates).enumerate() {
        let caught_up = match candidate {
            Candidate::Out(reason) => {
                turn.skip(*planned, *reason);
                continue;
            }
            Candidate::OnTime => false,
            Candidate::Missed => {
                passed += 1;
                let refused = match input.on.catch_up {
                    CatchUp::None => Some(Reason::CatchUpNone),
                    CatchUp::Latest => (Some(place) != last).then_some(Reason::Superseded),
                    CatchUp::All => (missed - passed >= most).then_some(Reason::CatchUpMax),
                };
                if let Some(reason) = refused {
                    turn.skip(*planned, reason);
                    continue;
                }
                true
            }
        };
        turn.run(*planned, caught_up);
    }
    turn.decisions
}

fn candidate(input: &WakeInput<'_>, planned: Timestamp) -> Candidate {
    if input.lost_until.is_some_and(|lost| planned <= lost) {
        return Candidate::Out(Reason::LostLedger);
    }
    if let Some(reason) = blocked(input) {
        return Candidate::Out(reason);
    }
    let start = input.timetable.start_of(planned);
    let age = (input.now - start).to_std().unwrap_or_default();
    let missed = age > GRACE;
    let hours = |at| input.timetable.within_hours(at);
    if !hours(start) || (missed && !hours(input.now)) {
        return Candidate::Out(Reason::OutsideHours);
    }
    if input.on.late.is_some_and(|late| age > late) {
        return Candidate::Out(Reason::TooLate);
    }
    if missed { Candidate::Missed } else { Candidate::OnTime }
}

/// The instants that are left, one after another.
struct Turn<'a> {
    input: &'a WakeInput<'a>,
    decisions: Vec<WakeDecision>,
    running: bool,
    queued: bool,
    runs_today: u32,
    /// Where the last one to run stands in `decisions`.
    last_run: Option<usize>,
}

impl<'a> Turn<'a> {
    fn new(input: &'a WakeInput<'a>) -> Self {
        Self {
            input,
            decisions: Vec::new(),
            running: input.running,
            queued: input.queued,
            runs_today: input.runs_today,
            last_run: None,
        }
    }

    fn skip(&mut self, planned: Timestamp, reason: Reason) {
        self.decisions.push(WakeDecision::Skip { planned, reason });
    }

    fn run(&mut self, planned: Timestamp, caught_up: bool) {
        let replaces = self.input.on.overlap == Overlap::Replace && self.last_run.is_some();
        let spent = self.input.runs_per_day.is_some_and(|most| self.runs_today >= most);
        if spent && !replaces {
            return self.skip(planned, Reason::RunsPerDay);
        }
        let in_order = caught_up
            && self.input.on.catch_up == CatchUp::All
            && self.input.on.overlap != Overlap::Replace;
        match self.input.on.overlap {
            _ if in_order => {}
            Overlap::Skip if self.running || self.queued => {
                return self.skip(planned, Reason::Overlap);
            }
            Overlap::Queue if self.running && self.queued => {
                return self.skip(planned, Reason::Overlap);
            }
            Overlap::Queue if self.running => self.queued = true,
            Overlap::Replace => self.replace_last(),
            Overlap::Skip | Overlap::Queue | Overlap::Allow => {}
        }
        // Whether it starts at once or waits for a slot: for those after it, it is there.
        self.running = true;
        self.runs_today = self.runs_today.saturating_add(1);
        self.last_run = Some(self.decisions.len());
        self.decisions.push(WakeDecision::Run { planned, caught_up });
    }

    fn replace_last(&mut self) {
        let Some(last) = self.last_run.and_then(|place| self.decisions.get_mut(place)) else {
            return;
        };
        if let WakeDecision::Run { planned, .. } = *last {
            *last = WakeDecision::Skip { planned, reason: Reason::Replaced };
            self.runs_today = self.runs_today.saturating_sub(1);
        }
    }
}
