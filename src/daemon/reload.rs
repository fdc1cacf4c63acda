//! Reading playbooks and templates again; the last good version of each stays in force.

use super::parts::Parts;
use crate::domain::{PlaybookName, Value};
use crate::template::Templates;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

/// Reads both again and tells what changed.
pub(super) fn reload(parts: &Parts) -> Value {
    let last = parts.templates();
    let folder = parts.settings.templates.clone();
    let (templates, faults) = Templates::load(&folder, Some(&last));
    let templates = Arc::new(templates);
    *parts.templates.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&templates);
    let vocabulary = (parts.vocabulary.0)(templates);
    let mut library = parts.library.lock().unwrap_or_else(PoisonError::into_inner);
    let changes = library.reload(&vocabulary);
    let all = faults.iter().chain(&library.faults()).map(ToString::to_string).collect();
    log_new(parts, all, "the last good version goes on");
    let names = |list: &[PlaybookName]| {
        Value::from(list.iter().map(PlaybookName::as_str).collect::<Vec<_>>())
    };
    if changes.added.len() + changes.changed.len() + changes.removed.len() > 0 {
        tracing::info!(
            added = changes.added.len(),
            changed = changes.changed.len(),
            removed = changes.removed.len(),
            "playbooks were read"
        );
    }
    Value::map([
        ("added", names(&changes.added)),
        ("changed", names(&changes.changed)),
        ("removed", names(&changes.removed)),
        ("faulty", names(&changes.faulty)),
        ("template_faults", faults.iter().map(ToString::to_string).collect::<Vec<_>>().into()),
    ])
}

/// Logs what is wrong with the playbooks that a daemon starts with.
pub(super) fn log_first(parts: &Parts) {
    let library = parts.library.lock().unwrap_or_else(PoisonError::into_inner);
    let all = library.faults().iter().map(ToString::to_string).collect();
    log_new(parts, all, "it is not used");
}

/// Logs each fault once; one that was mended and comes back is a new one.
fn log_new(parts: &Parts, all: BTreeSet<String>, so: &str) {
    let mut logged = parts.logged_faults.lock().unwrap_or_else(PoisonError::into_inner);
    for fault in all.difference(&logged) {
        tracing::warn!("{fault}; {so}");
    }
    *logged = all;
}
