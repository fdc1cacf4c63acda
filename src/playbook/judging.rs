//! `[suitability]` and `[review]`: what is judged before the work, and by whom after it.

use super::{keys, words};
use crate::domain::{
    Gate, PlaybookName, Review, Reviewer, Rubric, Suitability, Verdict, WhenUnsuitable,
};
use crate::fault::did_you_mean;
use crate::fault::table::Table;
use std::time::Duration;

pub(super) fn suitability(table: &Table<'_, '_>) -> Suitability {
    const GATES: [(&str, Gate); 4] = [
        ("acceptance_criteria", Gate::AcceptanceCriteria),
        ("estimate", Gate::Estimate),
        ("no_open_blockers", Gate::NoOpenBlockers),
        ("description", Gate::Description),
    ];
    let gate = |text: &str| {
        let found = GATES.iter().find(|(name, _)| *name == text).map(|(_, gate)| *gate);
        found.ok_or_else(|| did_you_mean(text, GATES.map(|(name, _)| name)).unwrap_or_default())
    };
    let require = table.items("require", false, gate).unwrap_or_default();
    let rubric = rubric(table);
    let inner = table.table("when_unsuitable");
    let when_unsuitable = inner.is_present().then(|| WhenUnsuitable {
        comment: inner.text("comment"),
        add_tags: inner.texts("add_tags", false).unwrap_or_default(),
    });
    if when_unsuitable.as_ref().is_some_and(|w| w.comment.is_none() && w.add_tags.is_empty()) {
        table.add(table.fault("when_unsuitable", "`when_unsuitable` says nothing to do"));
    }
    inner.finish(keys::elsewhere);
    table.finish(keys::elsewhere);
    Suitability { require, rubric, when_unsuitable }
}

/// What a model is asked; both keys or neither.
fn rubric(table: &Table<'_, '_>) -> Option<Rubric> {
    let template = table.needed_if_written("rubric");
    let model = table.needed_if_written("model");
    for (key, other) in [("rubric", "model"), ("model", "rubric")] {
        if table.has(key) && !table.has(other) {
            let fault = table.fault(key, format!("`{key}` needs `{other}`"));
            table.add(
                fault.with_help("write `rubric = \"suitability.md.hbs\"` and `model = \"…\"`"),
            );
        }
    }
    Some(Rubric { template: template?, model: model? })
}

pub(super) fn review(table: &Table<'_, '_>) -> Review {
    let second = Duration::from_secs(1);
    let by = table.parsed("by", |text| match text.split_once(':') {
        None if text == "person" => Ok(Reviewer::Person),
        None if text == "none" => Ok(Reviewer::Nobody),
        Some(("agent", name)) => words::name(name).map(Reviewer::Playbook),
        _ => Err("expected person, none or agent:PLAYBOOK".to_owned()),
    });
    let review = Review {
        by: by.unwrap_or_default(),
        rounds: table.count("rounds", 1).unwrap_or(3),
        waiting_max: table.count("waiting_max", 1),
        apply_within: table
            .duration("apply_within", 60 * second..=Duration::from_hours(366 * 24))
            .unwrap_or(Duration::from_hours(24)),
        independent: table.truth("independent").unwrap_or_default(),
    };
    table.finish(keys::elsewhere);
    review
}

/// What an outcome says of the work that was looked at, where it does not say so itself.
pub(super) fn default_verdict(name: &str, rework: Option<&PlaybookName>) -> Option<Verdict> {
    match name {
        _ if rework.is_some() => Some(Verdict::ChangesRequested),
        "changes_requested" => Some(Verdict::ChangesRequested),
        "approved" => Some(Verdict::Approved),
        _ => None,
    }
}

/// What an outcome says of the work that was looked at.
pub(super) fn verdict(
    table: &Table<'_, '_>,
    name: &str,
    rework: Option<&PlaybookName>,
) -> Option<Verdict> {
    const VERDICTS: [(&str, Option<Verdict>); 3] = [
        ("approved", Some(Verdict::Approved)),
        ("changes_requested", Some(Verdict::ChangesRequested)),
        ("none", None),
    ];
    let verdict = table.choice("verdict", &VERDICTS);
    if rework.is_some() && verdict.is_some_and(|it| it != Some(Verdict::ChangesRequested)) {
        let message = "an outcome with `rework` asks for changes";
        table.add(table.fault("verdict", message));
    }
    verdict.unwrap_or_else(|| default_verdict(name, rework))
}
