//! Reading playbooks and templates again; the last good version of each stays in force.

use super::parts::Parts;
use crate::domain::{PlaybookName, Value};
use crate::template::Templates;
use std::sync::{Arc, PoisonError};

/// Reads both again and tells what changed.
pub(super) fn reload(parts: &Parts) -> Value {
    let last = parts.templates();
    let folder = parts.settings.templates.clone();
    let (templates, faults) = Templates::load(&folder, Some(&last));
    for fault in &faults {
        tracing::warn!(%fault, "a template has a fault; its last good version goes on");
    }
    let templates = Arc::new(templates);
    *parts.templates.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&templates);
    let vocabulary = (parts.vocabulary.0)(templates);
    let mut library = parts.library.lock().unwrap_or_else(PoisonError::into_inner);
    let changes = library.reload(&vocabulary);
    for fault in library.faults() {
        tracing::warn!(%fault, "a playbook has a fault; its last good version goes on");
    }
    let names = |list: &[PlaybookName]| {
        Value::from(list.iter().map(|name| name.as_str()).collect::<Vec<_>>())
    };
    if !changes.is_empty() {
        tracing::info!(
            added = ?changes.added, changed = ?changes.changed, removed = ?changes.removed,
            faulty = ?changes.faulty, "playbooks were read"
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
