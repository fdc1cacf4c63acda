//! Who hears about a playbook's work, and when.

use super::{Channel, CostBy};
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
