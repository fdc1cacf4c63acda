//! Playbooks: from TOML to `domain::Playbook`, with every fault at its line and column.

pub mod library;
pub mod rights;
pub mod schema;
pub mod watch;

use crate::domain::{Channel, Playbook, PlaybookName};
use crate::fault::table::Marks;
use crate::fault::{Fault, Source};
use crate::template::Templates;
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub use library::{Changes, Library};
pub use rights::{Rights, is_wider, rights};

/// What `rota.toml` says that a playbook may leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The zone; `None` when `rota.toml` names none.
    pub zone: Option<Tz>,
    /// How long a lease lasts.
    pub lease: Duration,
    /// How often a claim is renewed; a lease is at least three times as long.
    pub renew: Duration,
}

/// A playbook as it was read.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The playbook.
    pub playbook: Playbook,
    /// What somebody should look at.
    pub warnings: Vec<Fault>,
    /// The text.
    pub source: Source,
    /// Where its values stand.
    pub marks: Marks,
}

/// The names that exist outside of playbooks.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// Tools that playbooks may use, by name; the value says whether the tool writes.
    pub tools: BTreeMap<String, bool>,
    /// Models of `rota.toml`.
    pub models: BTreeSet<String>,
    /// Channels of `rota.toml`, with `stdout`.
    pub channels: BTreeSet<Channel>,
    /// Names of the board's users; `None` when the board was not asked.
    pub agents: Option<BTreeSet<String>>,
    /// Playbooks.
    pub playbooks: BTreeSet<PlaybookName>,
    /// Says what is wrong with a cron pattern.
    pub cron: fn(&str) -> Result<(), String>,
    /// The templates.
    pub templates: Arc<Templates>,
}

/// Reads a playbook.
pub fn parse(text: &str, path: &str, defaults: &Defaults) -> Result<Parsed, Vec<Fault>> {
    todo!()
}

/// Compares a playbook with what exists.
pub fn check(parsed: &Parsed, vocabulary: &Vocabulary) -> Vec<Fault> {
    todo!()
}

/// The playbooks that ship with the program: file name and text.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    todo!()
}
