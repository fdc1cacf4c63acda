//! What comes next: the instants of timetables, and whether a playbook would run then.

use super::Daemon;
use super::brief::text_of;
use crate::cron::Odd;
use crate::domain::{Playbook, PlaybookName, Timestamp, Value};
use crate::schedule::{AHEAD_MAX, Forecast, Timetable, forecast};
use crate::tools::desk::{DeskError, NextRequest};
use chrono::TimeDelta;

/// Coming occurrences of a playbook that are told when nobody says how many.
const NEXT_COUNT: usize = 10;
/// At most so many are told in one answer, the earliest.
const NEXT_MAX: usize = 10_000;

impl Daemon {
    /// What comes of a playbook, or of all.
    pub(super) async fn coming(&self, request: &NextRequest) -> Result<Value, DeskError> {
        let names = match &request.playbook {
            Some(name) => vec![name.clone()],
            None => self.parts.playbooks().iter().map(|playbook| playbook.name.clone()).collect(),
        };
        let now = request.at.unwrap_or_else(|| self.parts.clock.wall());
        let (mut coming, mut left_out) = (Vec::new(), 0);
        for name in &names {
            coming.extend(self.next_of(name, request, now).await?);
            if coming.len() > 2 * NEXT_MAX {
                left_out += keep_earliest(&mut coming);
            }
        }
        left_out += keep_earliest(&mut coming);
        let items = coming.iter().map(Coming::shown).collect();
        let mut answer = vec![("items", Value::List(items)), ("at", text_of(now).into())];
        if left_out > 0 {
            // A moment before it: what is left out may have the same instant.
            let before = |last: &Coming| text_of(last.instant.planned - TimeDelta::seconds(1));
            let last = coming.last().map(before).unwrap_or_default();
            let left_out = i64::try_from(left_out).unwrap_or(i64::MAX);
            let hint = format!(
                "{left_out} later ones are left out: name a playbook, ask for fewer of each (-n 1), \
                 or go on with --from {last}"
            );
            answer.extend([("left_out", Value::from(left_out)), ("hint", hint.into())]);
        }
        Ok(Value::map(answer))
    }

    /// Whether a playbook would run if its time came now.
    async fn readiness(&self, playbook: &Playbook) -> Result<Readiness, DeskError> {
        let switch = self.parts.ledger.playbook_switch(&playbook.name).await;
        let switch = switch.map_err(super::dispatcher::failed)?;
        let stopped = self.parts.stopped().await.map_err(super::dispatcher::failed)?.is_some();
        Ok(if stopped {
            Readiness::Stopped
        } else if switch.paused.is_some() {
            Readiness::Paused
        } else if self.parts.settings.arms_itself
            || super::books::why_not_armed(playbook, &switch).is_empty()
        {
            Readiness::Armed
        } else {
            Readiness::NotArmed
        })
    }

    /// What comes of one playbook, and whether it would run then.
    async fn next_of(
        &self,
        name: &PlaybookName,
        request: &NextRequest,
        now: Timestamp,
    ) -> Result<Vec<Coming>, DeskError> {
        let Some(playbook) = self.parts.playbook(name) else {
            return Err(DeskError::NotFound(format!("there is no playbook {name}")));
        };
        let timetable = Timetable::new(&playbook.on, name).map_err(|error| DeskError::Failed {
            what: format!("{name}: its timetable cannot be read"),
            source: Some(Box::new(error)),
        })?;
        let Some(timetable) = timetable else { return Ok(Vec::new()) };
        let from = match request.from {
            Some(from) => from,
            None => self.accounted_until(name, &timetable, now).await?,
        };
        let count = request.count.unwrap_or(if request.to.is_some() { 1_000 } else { NEXT_COUNT });
        let coming = forecast(&timetable, from, request.to, count);
        let readiness = self.readiness(&playbook).await?;
        let of_playbook = |instant| Coming { playbook: name.clone(), instant, readiness };
        Ok(coming.into_iter().map(of_playbook).collect())
    }

    /// Up to where a playbook's instants are behind it, as if it were `now`: those that wait for their
    /// jitter still come, and after the clock was set back those that have their records come no more.
    pub(super) async fn accounted_until(
        &self,
        name: &PlaybookName,
        timetable: &Timetable,
        now: Timestamp,
    ) -> Result<Timestamp, DeskError> {
        let mark = self.parts.ledger.watermark(name).await.map_err(super::dispatcher::failed)?;
        // One that only time has moved says nothing of an instant before it.
        let [until, due] = [now, self.parts.clock.wall()].map(|at| timetable.due_until(at));
        let is_ahead = |mark: &Timestamp| *mark > due && *mark - due <= AHEAD_MAX;
        Ok(mark.filter(is_ahead).map_or(until, |mark| mark.max(until)))
    }

    /// Since when a playbook's timetable holds, and up to when its instants have their records.
    pub(super) async fn accounted(
        &self,
        playbook: &Playbook,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), DeskError> {
        let (ledger, name) = (&self.parts.ledger, &playbook.name);
        let print = super::books::fingerprint(&playbook.on);
        let since =
            ledger.timetable_began(name, &print).await.map_err(super::dispatcher::failed)?;
        let until = ledger.watermark(name).await.map_err(super::dispatcher::failed)?;
        Ok((since, until))
    }
}

/// One coming occurrence.
struct Coming {
    playbook: PlaybookName,
    instant: Forecast,
    readiness: Readiness,
}

impl Coming {
    fn shown(&self) -> Value {
        let Self { playbook, instant, readiness } = self;
        let of_instant = match (&instant.odd, instant.outside_hours) {
            (_, true) => "outside hours: skipped",
            (Some(odd), _) => odd_text(*odd),
            (None, _) => "",
        };
        let notes = [readiness.note(), of_instant];
        let notes: Vec<&str> = notes.into_iter().filter(|n| !n.is_empty()).collect();
        Value::map([
            ("playbook", Value::from(playbook.as_str())),
            ("planned", text_of(instant.planned).into()),
            ("local", instant.local.format("%a %Y-%m-%d %H:%M:%S %Z").to_string().into()),
            ("zone", instant.local.timezone().name().into()),
            ("starts", text_of(instant.starts).into()),
            ("outside_hours", instant.outside_hours.into()),
            ("state", readiness.word().into()),
            ("note", notes.join("; ").into()),
        ])
    }
}

/// Keeps the earliest of them; says how many are left out.
fn keep_earliest(coming: &mut Vec<Coming>) -> usize {
    coming.sort_by(|a, b| (a.instant.planned, &a.playbook).cmp(&(b.instant.planned, &b.playbook)));
    let left_out = coming.len().saturating_sub(NEXT_MAX);
    coming.truncate(NEXT_MAX);
    left_out
}

/// Whether a playbook would run if its time came now; the first hindrance, in the order in which
/// they are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Armed,
    Stopped,
    Paused,
    NotArmed,
}

impl Readiness {
    fn word(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::NotArmed => "not_armed",
        }
    }

    fn note(self) -> &'static str {
        match self {
            Self::Armed => "",
            Self::Stopped => "everything is stopped: skipped unless that is lifted by then",
            Self::Paused => "paused: skipped unless it is resumed by then",
            Self::NotArmed => "not armed: skipped unless it is armed by then",
        }
    }
}

/// What is odd about an instant around which the clock is set.
fn odd_text(odd: Odd) -> &'static str {
    match odd {
        Odd::Gap => "the clock skips the planned time: the first instant after it",
        Odd::FoldFirst => "this local time comes twice: the first",
        Odd::FoldSecond => "this local time comes twice: the second",
    }
}
