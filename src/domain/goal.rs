//! Goals: numbers that a project wants to reach, on goal boards.

use super::{Cursor, GoalBoardId, GoalId, MilestoneId, PersonId, ProjectId, Timestamp};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A set of goals of one project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoalBoard {
    /// The board's id.
    pub id: GoalBoardId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// One line.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// Who added it.
    pub author: PersonId,
    /// When it was added.
    pub created: Timestamp,
}

/// What is needed to add a goal board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewGoalBoard {
    /// The project it belongs to.
    pub project: ProjectId,
    /// One line, not blank.
    pub title: String,
    /// Markdown.
    pub description: String,
}

/// A number that is to be reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// The board's id.
    pub id: GoalId,
    /// The goal board it is on.
    pub board: GoalBoardId,
    /// The goal board's project.
    pub project: ProjectId,
    /// One line.
    pub title: String,
    /// What is measured, and how; Markdown.
    pub description: String,
    /// Who answers for it.
    pub owner: Option<PersonId>,
    /// Where it began.
    pub start_value: f64,
    /// Where it stands.
    pub current_value: f64,
    /// Where it is to go; below `start_value` for what is to fall.
    pub end_value: f64,
    /// What the numbers are.
    pub metric: Metric,
    /// How it is going, as people say.
    pub status: GoalStatus,
    /// The milestone that it counts towards, of the same project.
    pub milestone: Option<MilestoneId>,
    /// The goal of which this is a part, of any project.
    pub parent: Option<GoalId>,
    /// The first day.
    pub start: Option<NaiveDate>,
    /// The last day.
    pub end: Option<NaiveDate>,
    /// Who added it.
    pub author: PersonId,
    /// When it was added.
    pub created: Timestamp,
    /// When anything about it last changed.
    pub modified: Timestamp,
    /// Grows by one with every change.
    pub revision: u64,
}

impl Goal {
    /// How much of the way is done, 0 to 100.
    pub fn progress(&self) -> f64 {
        progress(self.start_value, self.current_value, self.end_value)
    }
}

/// How much of the way from `start` to `end` is done, 0 to 100; also downwards. A way of no length
/// is done once its end is reached or passed upwards. Anything that is no number counts as 0.
pub fn progress(start: f64, current: f64, end: f64) -> f64 {
    let way = end - start;
    let done = if way.abs() > 0.0 {
        (current - start) / way
    } else if current >= end {
        1.0
    } else {
        0.0
    };
    if done.is_nan() { 0.0 } else { done.clamp(0.0, 1.0) * 100.0 }
}

/// What a goal's numbers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Just numbers.
    #[default]
    Number,
    /// Hundredths of a whole.
    Percent,
    /// Money.
    Currency,
}
words!(Metric { Number => "number", Percent => "percent", Currency => "currency" });

/// How a goal is going, as people say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoalStatus {
    /// As planned.
    #[default]
    OnTrack,
    /// May be missed.
    AtRisk,
    /// Was missed.
    Missed,
}
words!(GoalStatus { OnTrack => "on_track", AtRisk => "at_risk", Missed => "missed" });

/// What is needed to add a goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewGoal {
    /// The goal board it is on.
    pub board: GoalBoardId,
    /// One line, not blank.
    pub title: String,
    /// Where it begins.
    pub start_value: f64,
    /// Where it is to go.
    pub end_value: f64,
    /// Everything else, applied in order to the bare goal before it is stored.
    pub edits: Vec<GoalEdit>,
}

edits! {
    /// One change to one field of a goal.
    GoalEdit of Goal {
        /// Its one line; not blank.
        Title(String) => title,
        /// What is measured.
        Description(String) => description,
        /// Who answers for it.
        Owner(Option<PersonId>) => owner,
        /// Where it began.
        StartValue(f64) => start_value,
        /// Where it stands.
        CurrentValue(f64) => current_value,
        /// Where it is to go.
        EndValue(f64) => end_value,
        /// What the numbers are.
        Metric(Metric) => metric,
        /// How it is going.
        Status(GoalStatus) => status,
        /// The milestone that it counts towards.
        Milestone(Option<MilestoneId>) => milestone,
        /// The goal of which this is a part.
        Parent(Option<GoalId>) => parent,
        /// The first day.
        Start(Option<NaiveDate>) => start,
        /// The last day; not before the first.
        End(Option<NaiveDate>) => end,
    }
}

/// Which goal boards, by id; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoalBoardQuery {
    /// Of one of these projects.
    pub projects: Vec<ProjectId>,
    /// At most so many; 0 means 100, more than 1,000 means 1,000.
    pub limit: usize,
    /// Go on after this page's end.
    pub after: Option<Cursor>,
}

/// Which goals, by id; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoalQuery {
    /// Of one of these projects.
    pub projects: Vec<ProjectId>,
    /// On one of these goal boards.
    pub boards: Vec<GoalBoardId>,
    /// Counting towards this milestone.
    pub milestone: Option<MilestoneId>,
    /// Parts of this goal.
    pub parent: Option<GoalId>,
    /// That are parts of another goal, or that are not.
    pub has_parent: Option<bool>,
    /// At most so many; 0 means 100, more than 1,000 means 1,000.
    pub limit: usize,
    /// Go on after this page's end.
    pub after: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_the_part_of_the_way_that_is_done_in_both_directions() {
        let cases = [
            (0.0, 5.0, 10.0, 50.0),
            (0.0, -3.0, 10.0, 0.0),
            (0.0, 12.0, 10.0, 100.0),
            (100.0, 75.0, 0.0, 25.0),
            (100.0, 120.0, 0.0, 0.0),
            (100.0, -5.0, 0.0, 100.0),
            (5.0, 5.0, 5.0, 100.0),
            (5.0, 4.0, 5.0, 0.0),
            (5.0, 6.0, 5.0, 100.0),
            (-1e300, 0.0, 1e300, 50.0),
            (f64::MIN, 0.0, f64::MAX, 0.0),
            (f64::NAN, 0.0, 1.0, 0.0),
        ];
        for (start, current, end, expected) in cases {
            let found = progress(start, current, end);
            assert!((found - expected).abs() < 1e-9, "{start} {current} {end}: {found}");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for metric in Metric::ALL {
            assert_eq!(metric.as_str().parse(), Ok(*metric));
        }
        assert_eq!(
            "late".parse::<GoalStatus>().unwrap_err(),
            "expected one of on_track, at_risk, missed"
        );
    }
}
