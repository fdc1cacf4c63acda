//! Markers: comments that say that somebody works at a task, for daemons that share the board and no
//! store. Where nothing else on a board excludes, the earliest open marker does (C9).

use super::{CommentId, PersonId, RunId, Timestamp, to_delta};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far two clocks may differ that a marker's end is written and read by. A marker counts for so
/// much longer than it says; whoever holds it believes it for so much shorter.
pub const MARKER_MARGIN: Duration = Duration::from_secs(15);
/// No marker counts that ends later than this from now: nobody writes such, and a task that a forged
/// one names would be kept from everybody.
pub const MARKER_AHEAD_MAX: Duration = Duration::from_hours(5);

/// A comment that marks its task as taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The comment; of two, the one with the smaller id came first, whatever any clock says.
    pub comment: CommentId,
    /// Whose name stands under it.
    pub author: PersonId,
    /// The claim that it is for, by its first run.
    pub run: RunId,
    /// Until when, by the board's clock.
    pub ends: Timestamp,
}

/// What a comment is to say beside its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMarker {
    /// The claim that it is for.
    pub run: RunId,
    /// For how long, from when it is written.
    pub lasts: Duration,
}

/// The markers in a task's thread. One that was closed is none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The board's own time, when it was read.
    pub now: Timestamp,
    /// The last comment; `CommentId(0)` if there is none.
    pub last: CommentId,
    /// The earliest comment first.
    pub markers: Vec<Marker>,
}

impl Thread {
    /// Whether a marker counts for others than its holder.
    pub fn is_open(&self, marker: &Marker) -> bool {
        let margin = to_delta(MARKER_MARGIN);
        self.now < marker.ends + margin
            && marker.ends <= self.now + to_delta(MARKER_AHEAD_MAX) + margin
    }

    /// The marker of this comment, if it is one.
    pub fn of(&self, comment: CommentId) -> Option<&Marker> {
        self.markers.iter().find(|marker| marker.comment == comment)
    }

    /// How long its own holder may still believe a marker; nothing once that is over. It can be
    /// renewed until then: later, somebody else may count it as ended.
    pub fn believed(&self, comment: CommentId) -> Option<Duration> {
        let ends = self.of(comment)?.ends - to_delta(MARKER_MARGIN);
        (ends - self.now).to_std().ok().filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::from_millis;

    fn thread(ends_in: i64) -> Thread {
        let now = from_millis(1_790_000_000_000);
        let ends = now + chrono::TimeDelta::seconds(ends_in);
        let run = RunId::new("r-000000000001");
        let marker = Marker { comment: CommentId(3), author: PersonId(4), run, ends };
        Thread { now, last: CommentId(3), markers: vec![marker] }
    }

    #[test]
    fn others_count_a_marker_for_longer_than_its_holder_believes_it() {
        let seen = |ends_in| {
            let thread = thread(ends_in);
            let left = thread.believed(CommentId(3)).map(|left| left.as_secs());
            (thread.is_open(&thread.markers[0]), left)
        };
        assert_eq!(seen(600), (true, Some(585)));
        assert_eq!(seen(16), (true, Some(1)));
        assert_eq!(seen(15), (true, None));
        assert_eq!(seen(-14), (true, None));
        assert_eq!(seen(-15), (false, None));
        assert_eq!(thread(600).believed(CommentId(4)), None);
    }

    #[test]
    fn a_marker_that_nobody_would_write_keeps_nobody_off() {
        let is_open = |ends_in| {
            let thread = thread(ends_in);
            thread.is_open(&thread.markers[0])
        };
        assert!(is_open(4 * 3_600 + 60));
        assert!(!is_open(6 * 3_600));
        assert!(!is_open(10 * 365 * 86_400));
    }
}
