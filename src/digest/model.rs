//! The one model behind every format of the digest.

use super::{Evidence, LinkBase};
use crate::domain::{PlaybookName, RunId, TaskId, Usage};
use chrono::NaiveDate;
use chrono_tz::Tz;

/// What happened, and what is coming, seen on one morning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// One digest is sent per key: `digest:<playbook>:<civil date>`.
    pub window: String,
    /// The day it is about.
    pub date: NaiveDate,
    /// The team's zone.
    pub zone: Tz,
    /// Every section, in the order of reading; a section may be empty.
    pub sections: Vec<Section>,
}

/// Lines of one sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which sort.
    pub kind: SectionKind,
    /// The lines; their number is the section's count.
    pub lines: Vec<Line>,
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
    /// What each playbook used.
    Spent,
}

/// One fact and what it rests on. Its texts come from the board and are hostile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it can be checked.
    pub evidence: Evidence,
    /// What it is about: a headline, or the text of an update.
    pub headline: String,
    /// What else there is to know: project, person, date.
    pub notes: Vec<String>,
}

/// What the agents did since the last digest, as the ledger knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentWork {
    /// Tasks claimed.
    pub claimed: Vec<Work>,
    /// Tasks handed over for review.
    pub handed_over: Vec<Work>,
    /// Tasks that wait for a person right now.
    pub waiting_review: Vec<Work>,
    /// Runs that failed.
    pub failed: Vec<Work>,
    /// What was used, a line for each playbook.
    pub spent: Vec<Spent>,
}

/// One thing an agent did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The run that did it.
    pub run: RunId,
    /// The task it was about; then the line links to the task, otherwise to the run.
    pub task: Option<TaskId>,
    /// The task's headline, or what the run was for.
    pub headline: String,
    /// Who did it.
    pub agent: String,
    /// By which playbook.
    pub playbook: PlaybookName,
    /// The outcome, the reason, the waiting time: whatever belongs to this section; may be empty.
    pub detail: String,
}

/// What the runs of one playbook used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The playbook.
    pub playbook: PlaybookName,
    /// How many runs.
    pub runs: u32,
    /// Their sum.
    pub usage: Usage,
    /// The work of so many was accepted.
    pub accepted: u32,
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
        Self::Spent,
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
            Self::Spent => "spent",
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
            Self::Spent => "Spent by agents",
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
            Self::Spent => ("playbook at work", "playbooks at work"),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }
}

impl Digest {
    /// Whether there is nothing to report.
    pub fn is_quiet(&self) -> bool {
        self.sections.iter().all(|section| section.lines.is_empty())
    }

    /// The key under which one digest of this playbook and date is sent.
    pub fn window_key(playbook: &PlaybookName, date: NaiveDate) -> String {
        format!("digest:{playbook}:{date}")
    }
}

impl AgentWork {
    /// The sections that stand below the board's.
    pub fn sections(&self, links: &LinkBase) -> Vec<Section> {
        let told = |work: &[Work]| work.iter().map(|work| work.line(links)).collect();
        vec![
            Section { kind: SectionKind::Claimed, lines: told(&self.claimed) },
            Section { kind: SectionKind::HandedOver, lines: told(&self.handed_over) },
            Section { kind: SectionKind::WaitingReview, lines: told(&self.waiting_review) },
            Section { kind: SectionKind::Failed, lines: told(&self.failed) },
            Section {
                kind: SectionKind::Spent,
                lines: self.spent.iter().map(|spent| spent.line(links)).collect(),
            },
        ]
    }
}

impl Work {
    fn line(&self, links: &LinkBase) -> Line {
        let mut notes = vec![self.agent.clone(), self.playbook.to_string()];
        notes.push(self.detail.clone());
        if self.task.is_some() {
            notes.push(format!("run {}", self.run));
        }
        notes.retain(|note| !note.trim().is_empty());
        let evidence = self.task.map_or_else(|| links.run(&self.run), |task| links.task(task));
        Line { evidence, headline: self.headline.clone(), notes }
    }
}

impl Spent {
    /// Before any run.
    pub fn nothing(playbook: PlaybookName) -> Self {
        Self { playbook, runs: 0, usage: Usage::default(), accepted: 0 }
    }

    fn line(&self, links: &LinkBase) -> Line {
        let tokens = self.usage.tokens_in.saturating_add(self.usage.tokens_out);
        let runs = if self.runs == 1 { "1 run".to_owned() } else { format!("{} runs", self.runs) };
        let mut notes = Vec::new();
        if tokens > 0 {
            notes.push(format!("{} tokens", grouped(tokens)));
        }
        if self.usage.cost_micros > 0 {
            notes.push(format!("{} spent", amount(self.usage.cost_micros)));
        }
        if notes.is_empty() {
            notes.push("no model used".to_owned());
        }
        if self.accepted > 0 {
            let each = self.usage.cost_micros / u64::from(self.accepted);
            let each = if each > 0 { format!(" ({} each)", amount(each)) } else { String::new() };
            notes.push(format!("{} accepted{each}", self.accepted));
        }
        Line { evidence: links.playbook(&self.playbook), headline: runs, notes }
    }
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
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(SectionKind::StatusUpdates.counted(1), "1 status update");
        assert_eq!(SectionKind::StatusUpdates.counted(0), "0 status updates");
    }

    #[test]
    fn work_without_a_task_links_to_its_run() {
        let work = Work {
            run: RunId::new("r-1"),
            task: None,
            headline: "standup".into(),
            agent: "AI-Agent".into(),
            playbook: PlaybookName::new("standup"),
            detail: String::new(),
        };
        let line = work.line(&LinkBase::none());
        assert_eq!(line.evidence.reference, "run r-1");
        assert_eq!(line.notes, ["AI-Agent", "standup"]);
    }
}
