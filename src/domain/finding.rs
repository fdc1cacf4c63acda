//! What a reviewer finds in somebody's work.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The tool by which a reviewer notes a finding; its effect holds the [`Finding`] after it.
pub const CODE_COMMENT: &str = "codeComment";

/// One thing that a reviewer found, or an earlier one that is settled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which of the review's findings, from 1; the same in every round.
    pub number: u32,
    /// The file, from the workspace's root; `None`: the work as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong.
    pub text: String,
    /// What to do instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Whether a later look found it settled.
    #[serde(default)]
    pub is_settled: bool,
}

/// How much a finding matters, the least first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    #[default]
    Note,
    /// Better done otherwise.
    Minor,
    /// Wrong, or likely to become so.
    Major,
    /// The work cannot be taken in like this.
    Blocker,
}

impl Severity {
    /// All of them, with their names.
    pub const ALL: [(&str, Self); 4] = [
        ("note", Self::Note),
        ("minor", Self::Minor),
        ("major", Self::Major),
        ("blocker", Self::Blocker),
    ];
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, it)| it == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl fmt::Display for Finding {
    /// Where it is, as compilers say it: `src/lib.rs:7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}"),
            (Some(file), None) => f.write_str(file),
            _ => f.write_str("the whole"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_where_it_is() {
        let mut finding = Finding {
            number: 1,
            file: Some("src/lib.rs".into()),
            line: Some(7),
            severity: Severity::Major,
            text: "it may panic".into(),
            suggestion: None,
            is_settled: false,
        };
        assert_eq!(finding.to_string(), "src/lib.rs:7");
        finding.line = None;
        assert_eq!(finding.to_string(), "src/lib.rs");
        finding.file = None;
        assert_eq!(finding.to_string(), "the whole");
        assert_eq!(finding.severity.to_string(), "major");
        assert!(Severity::Note < Severity::Blocker);
    }
}
