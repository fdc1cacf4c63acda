//! How much work a task is, in whole minutes: what people said of it, or what is assumed.

use crate::domain::Task;

/// A point counts as so many hours, where nobody says otherwise.
pub const HOURS_PER_POINT: f64 = 3.0;
/// A task of which nobody said anything takes so long, in minutes.
const ASSUMED: i64 = 60;
/// No task is taken for longer than this: a year of working hours, in minutes.
const MINUTES_MAX: i64 = 2_000 * 60;

/// What an estimate rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The hours that remain, as somebody said.
    Remaining,
    /// The hours that were planned.
    Planned,
    /// Its points.
    Points,
    /// Nobody said anything.
    Assumed,
}

impl Basis {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remaining => "remaining hours",
            Self::Planned => "planned hours",
            Self::Points => "points",
            Self::Assumed => "assumed",
        }
    }
}

/// Hours in whole minutes; what is no number, or below nothing, is nothing.
pub fn minutes_of(hours: f64) -> i64 {
    let minutes = (hours * 60.0).round();
    if minutes.is_nan() || minutes <= 0.0 {
        return 0;
    }
    let most = f64::from(i32::try_from(MINUTES_MAX).unwrap_or(i32::MAX));
    #[expect(clippy::cast_possible_truncation, reason = "a year of minutes at most")]
    let whole = minutes.min(most) as i64;
    whole
}

/// Minutes as hours.
pub fn hours(minutes: i64) -> f64 {
    let bounded = minutes.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
    f64::from(i32::try_from(bounded).unwrap_or_default()) / 60.0
}

/// Minutes as people write hours: `3 h`, `1.5 h`, `0.25 h`.
pub fn hours_text(minutes: i64) -> String {
    let sign = if minutes < 0 { "-" } else { "" };
    let minutes = minutes.abs();
    let (whole, hundredths) = (minutes / 60, (minutes % 60 * 100 + 30) / 60);
    let fraction = match hundredths {
        0 => String::new(),
        tenths if tenths % 10 == 0 => format!(".{}", tenths / 10),
        hundredths => format!(".{hundredths:02}"),
    };
    format!("{sign}{whole}{fraction} h")
}

/// How much of a task is left to do, in minutes, and why we think so. Hours that remain count before
/// those that were planned, these before points.
pub fn estimate(task: &Task, hours_per_point: f64) -> (i64, Basis) {
    let said = |hours: Option<f64>| hours.map(minutes_of).filter(|minutes| *minutes > 0);
    if let Some(minutes) = said(task.hours_remaining) {
        return (minutes, Basis::Remaining);
    }
    if let Some(minutes) = said(task.plan_hours) {
        return (minutes, Basis::Planned);
    }
    match said(task.storypoints.map(|points| points * hours_per_point)) {
        Some(minutes) => (minutes, Basis::Points),
        None => (ASSUMED, Basis::Assumed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_read_as_people_write_them() {
        for (minutes, text) in [
            (0, "0 h"),
            (15, "0.25 h"),
            (90, "1.5 h"),
            (180, "3 h"),
            (100, "1.67 h"),
            (-30, "-0.5 h"),
        ] {
            assert_eq!(hours_text(minutes), text);
        }
        assert_eq!(hours_text(59), "0.98 h");
    }

    #[test]
    fn what_is_no_length_is_nothing_and_no_task_takes_forever() {
        for hours in [f64::NAN, -1.0, 0.0, f64::NEG_INFINITY] {
            assert_eq!(minutes_of(hours), 0, "{hours}");
        }
        assert_eq!(minutes_of(f64::INFINITY), MINUTES_MAX);
        assert_eq!(minutes_of(1.25), 75);
    }
}
