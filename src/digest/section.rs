//! Sections: lines of one sort, as many as somebody reads, and how many more there are.

use super::{Line, TEXT_CHARS_MAX};
use crate::domain::CostBy;

/// The most lines of a section that are told; more are counted.
pub const LINES_MAX: usize = 1_000;
/// The most characters of a section that are told.
const CHARS_MAX: usize = 60_000;
/// And of all sections together: in three formats, with every character escaped, it is still one message
/// that the outbox keeps.
const ALL_CHARS_MAX: usize = 150_000;

/// Lines of one sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which sort.
    pub kind: SectionKind,
    /// The lines.
    pub lines: Vec<Line>,
    /// So many more are not told.
    pub rest: usize,
}

/// The sorts of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectionKind {
    /// Tasks that became overdue yesterday.
    Overdue,
    /// Tasks that are due today.
    DueToday,
    /// Status updates of team members since the last digest.
    StatusUpdates,
    /// Milestones with a deadline today or in the seven days after.
    Milestones,
    /// Tasks that agents claimed.
    Claimed,
    /// Tasks that agents handed over.
    HandedOver,
    /// Tasks that wait for a person's review.
    WaitingReview,
    /// Runs that failed.
    Failed,
    /// What each playbook, agent, project, milestone, goal, … used.
    Spent(CostBy),
}

/// A section while its lines are found.
#[derive(Debug)]
pub(super) struct Growing {
    section: Section,
    chars: usize,
}

impl Growing {
    pub(super) fn new(kind: SectionKind) -> Self {
        Self { section: Section { kind, lines: Vec::new(), rest: 0 }, chars: 0 }
    }

    /// Takes one more line; once nobody would read on, it is only counted.
    pub(super) fn add(&mut self, line: Line) {
        let chars = self.chars + chars_of(&line);
        let is_full = self.section.lines.len() >= LINES_MAX || chars > CHARS_MAX;
        if self.section.rest > 0 || is_full {
            self.section.rest += 1;
            return;
        }
        self.chars = chars;
        self.section.lines.push(line);
    }

    pub(super) fn done(self) -> Section {
        self.section
    }
}

/// Sections that are one message: what is too much together is counted where it stands.
pub(super) fn fit_together(sections: &mut [Section]) {
    let mut left = ALL_CHARS_MAX;
    for section in sections {
        let fits = section.lines.iter().take_while(|line| {
            let rest = left.checked_sub(chars_of(line));
            left = rest.unwrap_or(left);
            rest.is_some()
        });
        let told = fits.count();
        section.rest += section.lines.len() - told;
        section.lines.truncate(told);
    }
}

/// So long a line is told at most.
fn chars_of(line: &Line) -> usize {
    let text = |text: &str| text.chars().count().min(TEXT_CHARS_MAX);
    let notes: usize = line.notes.iter().map(|note| text(note)).sum();
    let url = line.evidence.url.as_ref().map_or(0, |url| url.chars().count());
    text(&line.headline) + notes + line.evidence.reference.chars().count() + url
}

impl Section {
    /// The first of these lines, and how many more there are.
    pub fn bounded(kind: SectionKind, lines: impl IntoIterator<Item = Line>) -> Self {
        let mut section = Growing::new(kind);
        lines.into_iter().for_each(|line| section.add(line));
        section.done()
    }

    /// How many lines there are, told or not.
    pub fn count(&self) -> usize {
        self.lines.len() + self.rest
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

impl SectionKind {
    /// The sorts in the order of reading: the board first, the agents below.
    pub const ALL: [Self; 9] = [
        Self::Overdue,
        Self::DueToday,
        Self::StatusUpdates,
        Self::Milestones,
        Self::Claimed,
        Self::HandedOver,
        Self::WaitingReview,
        Self::Failed,
        Self::Spent(CostBy::Playbook),
    ];

    /// The name templates know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
            Self::DueToday => "due_today",
            Self::StatusUpdates => "status_updates",
            Self::Milestones => "milestones",
            Self::Claimed => "claimed",
            Self::HandedOver => "handed_over",
            Self::WaitingReview => "waiting_review",
            Self::Failed => "failed",
            Self::Spent(CostBy::Playbook) => "spent",
            Self::Spent(CostBy::Agent) => "spent_by_agent",
            Self::Spent(CostBy::Model) => "spent_by_model",
            Self::Spent(CostBy::Task) => "spent_by_task",
            Self::Spent(CostBy::Project) => "spent_by_project",
            Self::Spent(CostBy::Milestone) => "spent_by_milestone",
            Self::Spent(CostBy::Goal) => "spent_by_goal",
            Self::Spent(CostBy::Day) => "spent_by_day",
        }
    }

    /// The heading people read.
    pub fn title(self) -> &'static str {
        match self {
            Self::Overdue => "Became overdue yesterday",
            Self::DueToday => "Due today",
            Self::StatusUpdates => "Status updates",
            Self::Milestones => "Milestones in the next 7 days",
            Self::Claimed => "Claimed by agents",
            Self::HandedOver => "Handed over by agents",
            Self::WaitingReview => "Waiting for review",
            Self::Failed => "Failed runs",
            Self::Spent(CostBy::Playbook) => "Spent by agents",
            Self::Spent(CostBy::Agent) => "Spent, by agent",
            Self::Spent(CostBy::Model) => "Spent, by model",
            Self::Spent(CostBy::Task) => "Spent, by task",
            Self::Spent(CostBy::Project) => "Spent, by project",
            Self::Spent(CostBy::Milestone) => "Spent, by milestone",
            Self::Spent(CostBy::Goal) => "Spent, by goal",
            Self::Spent(CostBy::Day) => "Spent, by day",
        }
    }

    /// How the header counts it: `1 task due today`, `2 tasks due today`.
    pub fn counted(self, count: usize) -> String {
        let (one, many) = match self {
            Self::Overdue => ("newly overdue", "newly overdue"),
            Self::DueToday => ("due today", "due today"),
            Self::StatusUpdates => ("status update", "status updates"),
            Self::Milestones => ("milestone ahead", "milestones ahead"),
            Self::Claimed => ("claimed", "claimed"),
            Self::HandedOver => ("handed over", "handed over"),
            Self::WaitingReview => ("waiting for review", "waiting for review"),
            Self::Failed => ("failed run", "failed runs"),
            Self::Spent(CostBy::Playbook) => ("playbook at work", "playbooks at work"),
            Self::Spent(CostBy::Agent) => ("agent at work", "agents at work"),
            Self::Spent(CostBy::Model) => ("model asked", "models asked"),
            Self::Spent(CostBy::Task) => ("task worked at", "tasks worked at"),
            Self::Spent(CostBy::Project) => ("project worked for", "projects worked for"),
            Self::Spent(CostBy::Milestone) => ("milestone worked for", "milestones worked for"),
            Self::Spent(CostBy::Goal) => ("goal worked for", "goals worked for"),
            Self::Spent(CostBy::Day) => ("day of work", "days of work"),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::LinkBase;
    use crate::domain::TaskId;

    fn lines(count: i64, headline: &str) -> impl Iterator<Item = Line> + use<> {
        let headline = headline.to_owned();
        let line = move |id| Line {
            evidence: LinkBase::none().task(TaskId(id)),
            headline: headline.clone(),
            notes: Vec::new(),
        };
        (0..count).map(line)
    }

    #[test]
    fn what_nobody_would_read_is_counted() {
        let max = i64::try_from(LINES_MAX).unwrap();
        let all = Section::bounded(SectionKind::DueToday, lines(max, "x"));
        assert_eq!((all.lines.len(), all.rest), (LINES_MAX, 0));
        let more = Section::bounded(SectionKind::DueToday, lines(max + 7, "x"));
        assert_eq!((more.lines.len(), more.rest, more.count()), (LINES_MAX, 7, LINES_MAX + 7));
        let long = Section::bounded(SectionKind::DueToday, lines(200, &"&".repeat(10_000)));
        assert_eq!(long.count(), 200);
        let chars: usize = long.lines.iter().map(chars_of).sum();
        assert!(chars <= CHARS_MAX && chars > CHARS_MAX - 2 * TEXT_CHARS_MAX, "{chars}");
    }

    #[test]
    fn a_long_line_in_between_does_not_hide_that_there_is_more() {
        let mixed = lines(2, &"y".repeat(900))
            .map(|line| Line { notes: vec!["n".repeat(1_000); 70], ..line });
        let section = Section::bounded(SectionKind::Overdue, mixed.chain(lines(1, "short")));
        assert_eq!((section.lines.len(), section.rest), (0, 3), "nothing is told out of order");
    }

    #[test]
    fn sections_that_are_too_much_together_are_told_in_their_order() {
        let full = || Section::bounded(SectionKind::Failed, lines(99, &"&".repeat(10_000)));
        let mut sections = [full(), full(), full(), full()];
        fit_together(&mut sections);
        assert_eq!(sections[0], full());
        assert!(!sections[2].lines.is_empty() && sections[2].lines.len() < full().lines.len());
        assert!(sections[3].lines.is_empty());
        assert!(sections.iter().all(|section| section.count() == 99));
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(SectionKind::StatusUpdates.counted(1), "1 status update");
        assert_eq!(SectionKind::StatusUpdates.counted(0), "0 status updates");
        assert_eq!(SectionKind::Spent(CostBy::Project).counted(2), "2 projects worked for");
    }
}
