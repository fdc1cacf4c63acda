//! Playbooks: from TOML to `domain::Playbook`, with every fault at its line and column; the
//! library that keeps the last good version of each; and what a playbook is allowed to do.
//!
//! `read` says what each table means, `cross` what must hold between them, `check` compares with
//! what exists outside (tools, models, channels, templates). The format is read strictly: a key
//! that this version cannot carry out is a fault, never ignored.

mod check;
mod cross;
mod folder;
mod judging;
mod keys;
pub mod library;
mod read;
pub mod rights;
pub mod schema;
mod shipped;
mod steps;
mod told;
pub mod watch;
mod words;
mod workspace;

pub use check::check;
pub use library::{Changes, Library};
pub use read::hours;
pub use rights::{Rights, is_wider, rights};
pub use shipped::shipped;
pub use words::money;

use crate::domain::{Channel, Playbook, PlaybookName, Value, Work};
use crate::fault::table::{Marks, Reader};
use crate::fault::{Fault, Severity, Source};
use crate::template::Templates;
use chrono_tz::Tz;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The largest playbook, in bytes.
pub const PLAYBOOK_BYTES_MAX: usize = 256 * 1024;

/// What `rota.toml` says that a playbook may leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The zone; `None` when `rota.toml` names none.
    pub zone: Option<Tz>,
    /// How long a lease lasts.
    pub lease: Duration,
    /// How often a claim is renewed; a lease is at least three times as long.
    pub renew: Duration,
    /// The currency of costs, such as `USD`.
    pub currency: String,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            zone: None,
            lease: Duration::from_mins(1),
            renew: Duration::from_secs(20),
            currency: "USD".to_owned(),
        }
    }
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
    /// Their families, where they are known.
    pub families: BTreeMap<String, String>,
    /// Those of them that it gives no price.
    pub unpriced: BTreeSet<String>,
    /// Variables of the environment that no program is given: `rota.toml` reads secrets from them, or
    /// they begin so (`ROTA_*`).
    pub withheld: BTreeSet<String>,
    /// Channels of `rota.toml`, with `stdout`.
    pub channels: BTreeSet<Channel>,
    /// Names of the board's users; `None` when the board was not asked.
    pub agents: Option<BTreeSet<String>>,
    /// Playbooks. [`Library::reload`] adds those of its folder.
    pub playbooks: BTreeSet<PlaybookName>,
    /// Who works in them, as far as they are good. [`Library::reload`] adds those of its folder.
    pub workers: BTreeMap<PlaybookName, Worker>,
    /// Why nothing can be signed with what a variable of the environment holds.
    pub why_no_secret: fn(&str) -> Option<&'static str>,
    /// Says what is wrong with a cron pattern.
    pub cron: fn(&str) -> Result<(), String>,
    /// The templates.
    pub templates: Arc<Templates>,
}

/// Who works in a playbook, as far as the independence of its reviewer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// The board user that it acts as.
    pub agent: String,
    /// The family of its model, where there is one and it is known.
    pub family: Option<String>,
    /// Whether it asks for independence itself.
    pub is_independent: bool,
}

impl Worker {
    /// That of a playbook.
    pub fn of(playbook: &Playbook, families: &BTreeMap<String, String>) -> Self {
        let family = match &playbook.work {
            Work::Model { model, .. } => families.get(model).cloned(),
            _ => playbook.family.clone(),
        };
        let is_independent = playbook.review.independent;
        Self { agent: playbook.agent.clone(), family, is_independent }
    }
}

impl Vocabulary {
    /// Whether a playbook that was found good against one, names of playbooks aside, is good against
    /// the other.
    fn is_same(&self, other: &Self) -> bool {
        self.tools == other.tools
            && self.models == other.models
            && self.families == other.families
            && self.unpriced == other.unpriced
            && self.withheld == other.withheld
            && self.channels == other.channels
            && self.agents == other.agents
            && self.templates.is_same(&other.templates)
    }
}

/// Reads a playbook. `path` is how people know the file; its stem is the default name.
///
/// # Errors
/// Every fault of the file, in its order.
pub fn parse(text: &str, path: &str, defaults: &Defaults) -> Result<Parsed, Vec<Fault>> {
    if text.len() > PLAYBOOK_BYTES_MAX {
        return Err(vec![Fault::of_file(path, "file is larger than 256 KiB")]);
    }
    let source = Source::new(path, text);
    let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let reader = Reader::new(&source);
    let table = reader.parse();
    let root = reader.root(&table);
    let mut playbook = read::playbook(&root, stem, defaults);
    cross::check(&root, &playbook, defaults);
    drop(root);
    drop(table);
    let (faults, marks, _) = reader.into_parts();
    let (errors, warnings): (Vec<_>, Vec<_>) =
        faults.into_iter().partition(|fault| fault.severity == Severity::Error);
    if !errors.is_empty() {
        return Err(errors);
    }
    playbook.hash = hash(text);
    text.clone_into(&mut playbook.source);
    path.clone_into(&mut playbook.path);
    Ok(Parsed { playbook, warnings, source, marks })
}

/// SHA-256 of a text, in hex.
fn hash(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn no_args() -> Value {
    Value::Map(BTreeMap::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A playbook that names every key of the format.
    pub(super) const EVERYTHING: &str = include_str!("everything.toml");

    #[test]
    fn every_key_is_read_and_every_read_key_is_known() {
        // Steps and a model exclude each other; their keys are read all the same.
        let text = format!("{EVERYTHING}\n[[step]]\ntool = \"addTask\"\n");
        let source = Source::new("everything.toml", text);
        let reader = Reader::new(&source);
        let table = reader.parse();
        let root = reader.root(&table);
        read::playbook(&root, "everything", &Defaults::default());
        drop(root);
        drop(table);
        let (_, _, asked) = reader.into_parts();
        let known: BTreeSet<String> = keys::KEYS
            .iter()
            .map(|key| match key.table {
                "" => key.name.to_owned(),
                table => format!("{table}.{}", key.name),
            })
            .collect();
        assert_eq!(asked, known);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = parse(&text, "x.toml", &Defaults::default());
        }

        #[test]
        fn no_change_to_a_playbook_makes_it_panic(
            at in 0..EVERYTHING.len(), len in 0_usize..40, with in "[\\PC\n]{0,6}",
        ) {
            let mut text = EVERYTHING.to_owned();
            let floor = |mut at: usize| { while !text.is_char_boundary(at) { at -= 1; } at };
            let (from, to) = (floor(at), floor((at + len).min(text.len())));
            text.replace_range(from..to.max(from), &with);
            if let Err(faults) = parse(&text, "x.toml", &Defaults::default()) {
                for fault in faults {
                    fault.render(true);
                }
            }
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused() {
        for text in [
            format!("x = {}", "[".repeat(100_000)),
            format!("x = {}1{}", "{a=".repeat(5_000), "}".repeat(5_000)),
            format!("{} = 1", vec!["a"; 20_000].join(".")),
            format!("[{}]", vec!["a"; 20_000].join(".")),
        ] {
            assert!(parse(&text, "x.toml", &Defaults::default()).is_err());
        }
    }
}
