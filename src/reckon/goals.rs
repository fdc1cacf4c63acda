//! Whether a goal keeps pace: what is reached against what should be by now.

use crate::domain::Goal;
use chrono::NaiveDate;

/// How a goal is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// More than 30 points behind what is expected, or over without being reached.
    Behind,
    /// From 10 to 30 points behind.
    AtRisk,
    /// Not more than 10 points behind.
    OnTrack,
    /// Its end is reached.
    Reached,
    /// It has no dates: nothing can be expected of it.
    Open,
}

/// So many points behind are still on track.
const SLACK: f64 = 10.0;
/// So many points behind can still be made up for.
const RISK: f64 = 30.0;

impl Pace {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::AtRisk => "at risk",
            Self::OnTrack => "on track",
            Self::Reached => "reached",
            Self::Open => "no dates",
        }
    }
}

/// How a goal is doing on a day, and how much of its way is expected by then, in hundredths: as much
/// as of its time has passed.
pub fn pace(goal: &Goal, today: NaiveDate) -> (Pace, Option<f64>) {
    let progress = goal.progress();
    let expected = expected(goal, today);
    let is_reached = progress >= 100.0;
    let pace = match expected {
        _ if is_reached => Pace::Reached,
        None => Pace::Open,
        // The last day is over.
        Some(_) if goal.end.is_some_and(|end| end < today) => Pace::Behind,
        Some(expected) if progress + SLACK >= expected => Pace::OnTrack,
        Some(expected) if progress + RISK >= expected => Pace::AtRisk,
        Some(_) => Pace::Behind,
    };
    (pace, expected)
}

fn expected(goal: &Goal, today: NaiveDate) -> Option<f64> {
    let (start, end) = (goal.start?, goal.end?);
    let days = |days: i64| f64::from(i32::try_from(days).unwrap_or(i32::MAX));
    // Both days count.
    let all = (end - start).num_days() + 1;
    let passed = (today - start).num_days();
    if all <= 0 {
        return Some(100.0);
    }
    Some((days(passed.clamp(0, all)) / days(all) * 100.0).round())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        GoalBoardId, GoalId, GoalStatus, Metric, PersonId, ProjectId, from_millis,
    };

    fn goal(current: f64) -> Goal {
        Goal {
            id: GoalId(1),
            board: GoalBoardId(1),
            project: ProjectId(1),
            title: "Faster".into(),
            description: String::new(),
            owner: None,
            start_value: 0.0,
            current_value: current,
            end_value: 100.0,
            metric: Metric::Number,
            status: GoalStatus::default(),
            milestone: None,
            parent: None,
            start: NaiveDate::from_ymd_opt(2026, 10, 1),
            end: NaiveDate::from_ymd_opt(2026, 10, 30),
            author: PersonId(1),
            created: from_millis(0),
            modified: from_millis(0),
            revision: 1,
        }
    }

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 10, day).unwrap()
    }

    #[test]
    fn pace_is_progress_against_the_time_that_has_passed() {
        // Half of thirty days have passed on the sixteenth.
        for (current, is) in [
            (50.0, Pace::OnTrack),
            (40.0, Pace::OnTrack),
            (39.0, Pace::AtRisk),
            (20.0, Pace::AtRisk),
            (19.0, Pace::Behind),
            (100.0, Pace::Reached),
        ] {
            assert_eq!(pace(&goal(current), day(16)), (is, Some(50.0)), "{current}");
        }
        assert_eq!(pace(&goal(0.0), day(1)), (Pace::OnTrack, Some(0.0)));
        assert_eq!(pace(&goal(99.0), day(31)).0, Pace::Behind, "its last day is over");
    }

    #[test]
    fn without_dates_nothing_is_expected() {
        let goal = Goal { end: None, ..goal(0.0) };
        assert_eq!(pace(&goal, day(16)), (Pace::Open, None));
    }

    #[test]
    fn a_goal_may_go_down() {
        let goal = Goal { start_value: 9.0, current_value: 4.0, end_value: 2.0, ..goal(0.0) };
        assert_eq!(pace(&goal, day(16)).0, Pace::OnTrack);
    }
}
