//! Where the evidence of a line is found.

use crate::domain::{
    CommentId, CostBy, MilestoneId, PlaybookName, ProjectId, RunId, TaskId, Value,
};

/// The longest address a link may have, in characters; longer ones are told as plain references.
pub const URL_CHARS_MAX: usize = 1_000;

/// The address under which tasks, runs and the rest are shown, if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkBase(Option<String>);

/// Why a text cannot be the base of links.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address such as \"https://board.example\", without a query or a fragment")]
pub struct LinkFault;

/// What a line rests on: its name, and where it can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// `task 7`, `run r-…`: readable where there are no links.
    pub reference: String,
    /// An `http` or `https` address.
    pub url: Option<String>,
}

impl LinkBase {
    /// No links: references stand alone.
    pub fn none() -> Self {
        Self(None)
    }

    /// Links below this address.
    ///
    /// # Errors
    /// When it is no plain `http` or `https` address of reasonable length.
    pub fn parse(text: &str) -> Result<Self, LinkFault> {
        let base = text.trim().trim_end_matches('/');
        let is_plain = !base.contains(['?', '#', '@']) && base.len() <= URL_CHARS_MAX / 2;
        match safe_url(base) {
            Some(url) if is_plain && url == base => Ok(Self(Some(url))),
            _ => Err(LinkFault),
        }
    }

    /// A task.
    pub fn task(&self, id: TaskId) -> Evidence {
        self.evidence(format!("task {id}"), &format!("tasks/{id}"))
    }

    /// A milestone.
    pub fn milestone(&self, id: MilestoneId) -> Evidence {
        self.evidence(format!("milestone {id}"), &format!("milestones/{id}"))
    }

    /// A project.
    pub fn project(&self, id: ProjectId) -> Evidence {
        self.evidence(format!("project {id}"), &format!("projects/{id}"))
    }

    /// A status update of a project.
    pub fn status_update(&self, project: ProjectId, comment: CommentId) -> Evidence {
        self.evidence(format!("update {comment}"), &format!("projects/{project}#comment-{comment}"))
    }

    /// A run.
    pub fn run(&self, id: &RunId) -> Evidence {
        self.evidence(format!("run {id}"), &format!("runs/{}", segment(id.as_str())))
    }

    /// A playbook.
    pub fn playbook(&self, name: &PlaybookName) -> Evidence {
        self.evidence(format!("playbook {name}"), &format!("playbooks/{}", segment(name.as_str())))
    }

    /// What was used.
    pub fn costs(&self, by: CostBy) -> Evidence {
        let by = by.as_str();
        self.evidence(format!("costs by {by}"), &format!("costs?by={by}"))
    }

    fn evidence(&self, reference: String, path: &str) -> Evidence {
        let url = self.0.as_ref().map(|base| format!("{base}/{path}"));
        Evidence { reference, url: url.filter(|url| url.chars().count() <= URL_CHARS_MAX) }
    }
}

impl Evidence {
    /// The members that [`super::dress`] turns into a `link` of each format.
    pub fn to_value(&self) -> Value {
        Value::map([
            ("reference", Value::Text(self.reference.clone())),
            ("url", Value::Text(self.url.clone().unwrap_or_default())),
        ])
    }
}

/// An address that can stand inside a link of any format: `http` or `https`, a host, and nothing
/// that could end the link early. `None` for everything else.
pub(super) fn safe_url(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || url.chars().count() > URL_CHARS_MAX {
        return None;
    }
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
    let is_safe = |c: char| c.is_ascii_graphic() && !"<>|\"`\\^{}()*".contains(c);
    (host.chars().all(is_host) && rest.chars().all(is_safe)).then(|| url.to_owned())
}

/// One segment of a path, percent-encoded.
fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_gives_links_and_no_base_gives_references() {
        let base = LinkBase::parse(" https://board.example/rota/ ").unwrap();
        let task = base.task(TaskId(7));
        assert_eq!(task.reference, "task 7");
        assert_eq!(task.url.as_deref(), Some("https://board.example/rota/tasks/7"));
        assert_eq!(LinkBase::none().task(TaskId(7)).url, None);
    }

    #[test]
    fn names_cannot_leave_their_segment() {
        let base = LinkBase::parse("http://127.0.0.1:3001").unwrap();
        let url = base.playbook(&PlaybookName::new("../a b|c")).url.unwrap();
        assert_eq!(url, "http://127.0.0.1:3001/playbooks/..%2Fa%20b%7Cc");
    }

    #[test]
    fn what_is_no_plain_address_is_no_base() {
        for text in [
            "",
            "board.example",
            "javascript:alert(1)",
            "ftp://a",
            "https://",
            "https://user:word@board.example",
            "https://board.example/?a=b",
            "https://board.example/|evil",
            "https://board.example/a b",
        ] {
            assert_eq!(LinkBase::parse(text), Err(LinkFault), "{text:?}");
        }
    }
}
