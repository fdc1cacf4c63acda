//! What agents used, for a digest.

use super::{Evidence, Line, LinkBase, Section, SectionKind};
use crate::domain::{CostBy, MilestoneId, PlaybookName, ProjectId, TaskId, Usage};

/// What agents used, in lines of one sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Costs {
    /// What a line stands for.
    pub by: CostBy,
    /// The lines.
    pub spent: Vec<Spent>,
}

/// What some runs used together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// What the line stands for.
    pub of: SpentOf,
    /// How many runs.
    pub runs: u64,
    /// Their sum.
    pub usage: Usage,
    /// Of so many the money is not known.
    pub unpriced: u64,
    /// The work of so many was accepted.
    pub accepted: u64,
    /// What was planned for their tasks, in minutes; nothing where a task may be in several lines.
    pub planned_minutes: u64,
}

/// What a line of costs stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpentOf {
    /// A playbook.
    Playbook(PlaybookName),
    /// A task.
    Task(TaskId),
    /// A project, by name.
    Project(ProjectId, String),
    /// A milestone, by name.
    Milestone(MilestoneId, String),
    /// Something that has only a name: an agent, a model, a day, goals, what is gone.
    Named(String),
}

impl SpentOf {
    /// How it is called.
    pub fn name(&self) -> String {
        match self {
            Self::Playbook(name) => name.to_string(),
            Self::Task(id) => id.to_string(),
            Self::Project(id, name) => format!("{name} (project {id})"),
            Self::Milestone(id, name) => format!("{name} (milestone {id})"),
            Self::Named(name) => name.clone(),
        }
    }

    /// Where it can be seen, and what a line about it begins with.
    fn told(&self, by: CostBy, links: &LinkBase) -> (Evidence, Option<String>) {
        match self {
            Self::Playbook(name) => (links.playbook(name), None),
            Self::Task(id) => (links.task(*id), None),
            Self::Project(id, name) => (links.project(*id), Some(name.clone())),
            Self::Milestone(id, name) => (links.milestone(*id), Some(name.clone())),
            Self::Named(name) => (links.costs(by), Some(name.clone())),
        }
    }
}

impl Costs {
    pub(super) fn section(&self, links: &LinkBase) -> Section {
        let told = self.spent.iter().map(|spent| spent.line(self.by, links));
        Section::bounded(SectionKind::Spent(self.by), told)
    }
}

impl Spent {
    fn line(&self, by: CostBy, links: &LinkBase) -> Line {
        let (evidence, name) = self.of.told(by, links);
        let runs = if self.runs == 1 { "1 run".to_owned() } else { format!("{} runs", self.runs) };
        let mut notes = Vec::new();
        let headline = match name {
            Some(name) => {
                notes.push(runs);
                name
            }
            None => runs,
        };
        notes.extend(self.used());
        if self.planned_minutes > 0 {
            let worked = hours(self.usage.elapsed_ms / 60_000);
            notes.push(format!("{worked} h of {} h planned", hours(self.planned_minutes)));
        }
        if let Some(each) = self.usage.cost_micros.checked_div(self.accepted) {
            let each = if each > 0 { format!(" ({} each)", amount(each)) } else { String::new() };
            notes.push(format!("{} accepted{each}", self.accepted));
        }
        Line { evidence, headline, notes }
    }

    fn used(&self) -> Vec<String> {
        let mut used = Vec::new();
        let tokens = self.usage.tokens_in.saturating_add(self.usage.tokens_out);
        if tokens > 0 {
            used.push(format!("{} tokens", grouped(tokens)));
        }
        if self.usage.cost_micros > 0 {
            used.push(format!("{} spent", amount(self.usage.cost_micros)));
        }
        if self.unpriced > 0 {
            // What nobody knows is not nothing.
            used.push(format!("{} unpriced", self.unpriced));
        }
        if used.is_empty() {
            used.push("no model used".to_owned());
        }
        used
    }
}

/// Minutes as hours, to the hundredth.
fn hours(minutes: u64) -> String {
    let hundredths = minutes.saturating_mul(100).saturating_add(30) / 60;
    format!("{}.{:02}", grouped(hundredths / 100), hundredths % 100)
}

/// Millionths of the currency unit as a sum, rounded to the hundredth, never to zero.
fn amount(micros: u64) -> String {
    let cents = micros.saturating_add(5_000) / 10_000;
    if cents == 0 {
        return "under 0.01".to_owned();
    }
    format!("{}.{:02}", grouped(cents / 100), cents % 100)
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_grouped_and_never_rounded_to_nothing() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(amount(1), "under 0.01");
        assert_eq!(amount(1_234_567), "1.23");
        assert_eq!(amount(1_000_005_000_000), "1,000,005.00");
        assert_eq!((hours(1), hours(90)), ("0.02".to_owned(), "1.50".to_owned()));
    }

    #[test]
    fn a_line_says_what_was_used_beside_what_was_planned_and_what_each_piece_cost() {
        let usage = Usage { cost_micros: 30_000, elapsed_ms: 5_400_000, ..Usage::default() };
        let of = SpentOf::Project(ProjectId(7), "Website".into());
        let spent = Spent { of, runs: 3, usage, unpriced: 1, accepted: 2, planned_minutes: 150 };
        let line = spent.line(CostBy::Project, &LinkBase::none());
        assert_eq!(line.evidence.reference, "project 7");
        assert_eq!(line.headline, "Website");
        let notes = [
            "3 runs",
            "0.03 spent",
            "1 unpriced",
            "1.50 h of 2.50 h planned",
            "2 accepted (0.02 each)",
        ];
        assert_eq!(line.notes, notes);
        let of = SpentOf::Named("AI-Worker".into());
        let idle = Spent {
            of,
            usage: Usage::default(),
            runs: 1,
            unpriced: 0,
            accepted: 0,
            planned_minutes: 0,
        };
        let line = idle.line(CostBy::Agent, &LinkBase::parse("https://b.example").unwrap());
        assert_eq!(line.evidence.reference, "costs by agent");
        assert_eq!(line.evidence.url.as_deref(), Some("https://b.example/costs?by=agent"));
        assert_eq!(
            (line.headline.as_str(), line.notes.join(" ")),
            ("AI-Worker", "1 run no model used".into())
        );
    }
}
