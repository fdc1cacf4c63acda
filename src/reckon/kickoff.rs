//! How a new project begins: phases one after the other, with dates and colours.

use super::days::is_workday;
use chrono::{Days, NaiveDate};

/// The most phases.
pub const PHASES_MAX: usize = 20;
/// The most weeks of a phase.
const WEEKS_MAX: u32 = 104;
/// What milestones look like that name no colour, in turn.
const COLORS: [&str; 6] = ["#1b75bb", "#2f855a", "#b7791f", "#6b46c1", "#c05621", "#2c7a7b"];

/// A part of a project, as a team's template says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The milestone's name.
    pub name: String,
    /// How long it takes.
    pub weeks: u32,
    /// `#rrggbb`; `None`: the next of ours.
    pub color: Option<String>,
    /// What is to be done first in it.
    pub tasks: Vec<String>,
}

/// A milestone in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilestonePlan {
    /// Its name.
    pub name: String,
    /// `#rrggbb`.
    pub color: String,
    /// Its first day.
    pub from: NaiveDate,
    /// Its deadline, a working day.
    pub to: NaiveDate,
    /// Its tasks; each is due on its deadline.
    pub tasks: Vec<String>,
}

/// A project in the making.
pub type Laid = Vec<MilestonePlan>;

/// Why phases cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhaseFault {
    /// None, or too many.
    #[error("expected 1 to {PHASES_MAX} phases")]
    Count,
    /// One without a name, or without time.
    #[error("each phase needs a name, and from 1 to {WEEKS_MAX} weeks")]
    Phase,
    /// Two of the same name.
    #[error("two phases have the same name")]
    Twice,
    /// The calendar ends.
    #[error("the project would not end in this calendar")]
    Dates,
}

/// Lays phases one after the other, the first from a day on (the next working day, if it is none); each
/// ends on a Friday or whichever working day its weeks end with.
///
/// # Errors
/// What is wrong with the phases.
pub fn lay_out(start: NaiveDate, phases: &[Phase]) -> Result<Laid, PhaseFault> {
    if phases.is_empty() || phases.len() > PHASES_MAX {
        return Err(PhaseFault::Count);
    }
    let mut laid: Laid = Vec::with_capacity(phases.len());
    let mut from = start;
    for (phase, color) in phases.iter().zip(COLORS.iter().cycle()) {
        let name = phase.name.trim().to_owned();
        if name.is_empty() || !(1..=WEEKS_MAX).contains(&phase.weeks) {
            return Err(PhaseFault::Phase);
        }
        if laid.iter().any(|known| known.name.to_lowercase() == name.to_lowercase()) {
            return Err(PhaseFault::Twice);
        }
        let begin = next_workday(from).ok_or(PhaseFault::Dates)?;
        let days = u64::from(phase.weeks) * 7 - 1;
        let last = begin.checked_add_days(Days::new(days)).ok_or(PhaseFault::Dates)?;
        let to = super::workdays_before(last.succ_opt().ok_or(PhaseFault::Dates)?, 1, &[]);
        laid.push(MilestonePlan {
            name,
            color: phase.color.clone().unwrap_or_else(|| (*color).to_owned()),
            from: begin,
            to,
            tasks: phase.tasks.clone(),
        });
        from = to.succ_opt().ok_or(PhaseFault::Dates)?;
    }
    Ok(laid)
}

fn next_workday(day: NaiveDate) -> Option<NaiveDate> {
    day.iter_days().take(7).find(|day| is_workday(*day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(name: &str, weeks: u32) -> Phase {
        Phase { name: name.into(), weeks, color: None, tasks: vec!["Begin".into()] }
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn phases_follow_each_other_on_working_days_in_colours() {
        let laid = lay_out(day("2026-10-31"), &[phase("Find out", 1), phase("Build", 2)]).unwrap();
        let dates: Vec<_> = laid.iter().map(|m| (m.from.to_string(), m.to.to_string())).collect();
        assert_eq!(
            dates,
            [
                ("2026-11-02".to_owned(), "2026-11-06".to_owned()),
                ("2026-11-09".to_owned(), "2026-11-20".to_owned()),
            ]
        );
        assert_ne!(laid[0].color, laid[1].color);
    }

    #[test]
    fn faulty_phases_are_refused() {
        let start = day("2026-11-02");
        assert_eq!(lay_out(start, &[]), Err(PhaseFault::Count));
        assert_eq!(lay_out(start, &[phase(" ", 1)]), Err(PhaseFault::Phase));
        assert_eq!(lay_out(start, &[phase("a", 0)]), Err(PhaseFault::Phase));
        assert_eq!(lay_out(start, &[phase("a", 1), phase("A ", 1)]), Err(PhaseFault::Twice));
        let end = NaiveDate::MAX.pred_opt().unwrap();
        assert_eq!(lay_out(end, &[phase("a", 100)]), Err(PhaseFault::Dates));
    }
}
