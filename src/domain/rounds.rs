//! How far the review of a task has come: rounds, what is still open, and whose turn it is.

use super::{
    CommentId, Finding, PersonId, Playbook, PlaybookName, RunId, Severity, StatusId, TaskId,
    Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};

/// At most so many open findings are remembered, the most severe ones.
pub const FINDINGS_MAX: usize = 100;
/// At most so many characters of each text of a finding are remembered.
pub const FINDING_CHARS_MAX: usize = 4_000;

/// The review of a task. There is one record a task, of the last look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounds {
    /// The task.
    pub task: TaskId,
    /// Which look it was, from 1.
    pub round: u32,
    /// The playbook that looked.
    pub reviewer: PlaybookName,
    /// Its run.
    pub run: RunId,
    /// What it came to.
    pub verdict: Verdict,
    /// Whether a person decides from here on: the rounds are used up.
    #[serde(default)]
    pub is_over: bool,
    /// Whose work it is.
    #[serde(default)]
    pub author: Author,
    /// In which status it was left: as long as the task has that, it is the author's turn.
    pub status: StatusId,
    /// What is still open, by number.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The highest number that a finding has had.
    #[serde(default)]
    pub numbered: u32,
    /// The commit that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The commit that its branch was at then, where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
    /// Where it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ReviewSource>,
    /// The last comment on the task that the review knows of.
    pub heard: CommentId,
    /// When.
    pub at: Timestamp,
}

/// Where reviewed work comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewSource {
    /// The repository: an address, or a path on this machine.
    pub repository: String,
    /// The branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Whose work is reviewed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The playbook that did it; `None`: a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playbook: Option<PlaybookName>,
    /// The model family of that playbook's last run, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The person whose turn it is, where a person does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
}

impl Rounds {
    /// Whether a person who wrote the work is to answer now, or to push.
    pub fn waits_for_a_person(&self) -> bool {
        self.verdict == Verdict::ChangesRequested && !self.is_over && self.author.playbook.is_none()
    }
}

impl Playbook {
    /// Whether it looks at what others did: one of its outcomes asks for changes.
    pub fn reviews(&self) -> bool {
        let mut verdicts = self.outcomes.values().map(|outcome| outcome.verdict);
        verdicts.any(|verdict| verdict == Some(Verdict::ChangesRequested))
    }
}

/// What is open after a look: `open` before it, and what it noted in its order. A number means one
/// finding: a later word about it takes the place of the earlier one. The result is by number.
#[must_use]
pub fn settled_by(open: Vec<Finding>, noted: Vec<Finding>) -> Vec<Finding> {
    let mut all = open;
    for finding in noted {
        let known = all.iter().position(|known| known.number == finding.number);
        match known {
            Some(at) if finding.is_settled => {
                all.remove(at);
            }
            Some(at) => all[at] = finding,
            None if finding.is_settled => {}
            None => all.push(finding),
        }
    }
    all.sort_by_key(|finding| finding.number);
    all
}

/// Findings as they are remembered: not too many, each not too long, by number.
#[must_use]
pub fn bounded(findings: Vec<Finding>) -> Vec<Finding> {
    let mut findings = most_severe_first(findings);
    findings.truncate(FINDINGS_MAX);
    let short = |text: String| -> String { text.chars().take(FINDING_CHARS_MAX).collect() };
    let mut all: Vec<Finding> = findings
        .into_iter()
        .map(|finding| Finding {
            file: finding.file.map(short),
            text: short(finding.text),
            suggestion: finding.suggestion.map(short),
            ..finding
        })
        .collect();
    all.sort_by_key(|finding| finding.number);
    all
}

/// The same findings, the most severe first, then by number.
#[must_use]
pub fn most_severe_first(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.number));
    findings
}

/// How many of these are blockers.
pub fn blockers(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.severity == Severity::Blocker).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(number: u32, severity: Severity) -> Finding {
        Finding {
            number,
            file: Some("src/lib.rs".into()),
            line: Some(number),
            severity,
            text: format!("finding {number}"),
            suggestion: None,
            is_settled: false,
        }
    }

    #[test]
    fn what_is_settled_is_open_no_more_and_what_is_said_anew_takes_its_place() {
        let open = vec![finding(1, Severity::Blocker), finding(2, Severity::Minor)];
        let settled = Finding { is_settled: true, ..finding(1, Severity::Blocker) };
        let worse = Finding { text: "worse".into(), ..finding(2, Severity::Major) };
        let unknown = Finding { is_settled: true, ..finding(9, Severity::Note) };
        let after = settled_by(open, vec![settled, finding(3, Severity::Note), worse, unknown]);
        let numbers: Vec<u32> = after.iter().map(|finding| finding.number).collect();
        assert_eq!(numbers, [2, 3]);
        assert_eq!((after[0].text.as_str(), after[0].severity), ("worse", Severity::Major));
    }

    #[test]
    fn of_too_many_findings_the_most_severe_are_kept() {
        let mut many: Vec<Finding> = (1..=150).map(|n| finding(n, Severity::Note)).collect();
        many[149].severity = Severity::Blocker;
        many[149].text = "x".repeat(10_000);
        let kept = bounded(many);
        assert_eq!(kept.len(), FINDINGS_MAX);
        let last = kept.last().unwrap();
        assert_eq!((last.number, last.text.len()), (150, FINDING_CHARS_MAX));
        assert_eq!(blockers(&kept), 1);
    }

    #[test]
    fn a_record_of_an_earlier_version_can_be_read() {
        let text = r#"{"task": 7, "round": 2, "reviewer": "code-review", "run": "r-1",
            "verdict": "changes_requested", "status": 3, "heard": 4, "at": "2026-11-03T09:00:00Z"}"#;
        let rounds: Rounds = serde_json::from_str(text).unwrap();
        assert!(rounds.waits_for_a_person() && rounds.findings.is_empty());
    }
}
