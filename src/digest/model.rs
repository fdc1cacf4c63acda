//! The one model behind every format of the digest.

use super::{CivilDay, Costs, DigestRequest, Evidence, LinkBase, Section, SectionKind};
use crate::domain::{PlaybookName, RunId, TaskId};
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
    /// What was used, once for each sort of line that was asked for.
    pub costs: Vec<Costs>,
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

impl Digest {
    /// One with nothing to report.
    pub fn nothing(request: &DigestRequest) -> Self {
        let date = CivilDay::of(request.now, request.zone).date;
        let window = Self::window_key(&request.playbook, date);
        Self { window, date, zone: request.zone, sections: Vec::new() }
    }

    /// Whether there is nothing to report.
    pub fn is_quiet(&self) -> bool {
        self.sections.iter().all(Section::is_empty)
    }

    /// The key under which one digest of this playbook and date is sent.
    pub fn window_key(playbook: &PlaybookName, date: NaiveDate) -> String {
        format!("digest:{playbook}:{date}")
    }
}

impl AgentWork {
    /// The sections that stand below the board's.
    pub fn sections(&self, links: &LinkBase) -> Vec<Section> {
        let told =
            |kind, work: &[Work]| Section::bounded(kind, work.iter().map(|work| work.line(links)));
        let mut sections = vec![
            told(SectionKind::Claimed, &self.claimed),
            told(SectionKind::HandedOver, &self.handed_over),
            told(SectionKind::WaitingReview, &self.waiting_review),
            told(SectionKind::Failed, &self.failed),
        ];
        sections.extend(self.costs.iter().map(|costs| costs.section(links)));
        sections
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

#[cfg(test)]
mod tests {
    use super::*;

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
