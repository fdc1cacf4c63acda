//! Who hears about a playbook's work, and when.

use super::{Channel, CostBy, Playbook, Work};
use serde::{Deserialize, Serialize};

/// What people hear about an occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The template; its name tells the format (`digest.hbs` stands for all three).
    pub template: String,
    /// Where to.
    pub to: Vec<Channel>,
    /// When.
    pub when: ReportWhen,
    /// By what a digest tells costs.
    pub cost_by: Vec<CostBy>,
}

impl Report {
    /// Whether it is the daily digest.
    pub fn is_digest(&self) -> bool {
        self.template.trim_end_matches(".hbs") == "digest"
    }
}

impl Playbook {
    /// Whether it takes tasks. Where all it does is to tell a digest, `[select]` says of which projects.
    pub fn takes_tasks(&self) -> bool {
        let is_digest = self.report.as_ref().is_some_and(Report::is_digest);
        let works = !matches!(&self.work, Work::Steps(steps) if steps.is_empty());
        self.select.is_some() && (self.claim.is_some() || works || !is_digest)
    }
}

/// When people hear about an occurrence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportWhen {
    /// Each time.
    Always,
    /// When something changed.
    #[default]
    Changes,
    /// When something went wrong.
    Problems,
}

/// What happens when a playbook fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnFailure {
    /// Who is told.
    pub to: Vec<Channel>,
    /// After so many failures in a row it pauses itself and says so.
    pub pause_after: Option<u32>,
}
