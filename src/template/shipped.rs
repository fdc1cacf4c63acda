//! The templates that ship with the program, so that `rota demo` and `rota init` need no folder.

/// File name and text of each; a test compares the list with the folder.
pub(super) const TEXTS: &[(&str, &str)] = &[
    ("_earlier.md.hbs", include_str!("../../templates/_earlier.md.hbs")),
    ("_findings.md.hbs", include_str!("../../templates/_findings.md.hbs")),
    ("_receipt.md.hbs", include_str!("../../templates/_receipt.md.hbs")),
    ("_rules.md.hbs", include_str!("../../templates/_rules.md.hbs")),
    ("_task.md.hbs", include_str!("../../templates/_task.md.hbs")),
    ("claim.md.hbs", include_str!("../../templates/claim.md.hbs")),
    ("digest.md.hbs", include_str!("../../templates/digest.md.hbs")),
    ("digest.slack.hbs", include_str!("../../templates/digest.slack.hbs")),
    ("digest.txt.hbs", include_str!("../../templates/digest.txt.hbs")),
    ("due-soon.slack.hbs", include_str!("../../templates/due-soon.slack.hbs")),
    ("due-soon.txt.hbs", include_str!("../../templates/due-soon.txt.hbs")),
    ("hand-back.md.hbs", include_str!("../../templates/hand-back.md.hbs")),
    ("hand-over.md.hbs", include_str!("../../templates/hand-over.md.hbs")),
    ("question.md.hbs", include_str!("../../templates/question.md.hbs")),
    ("review-approved.md.hbs", include_str!("../../templates/review-approved.md.hbs")),
    ("review-changes.md.hbs", include_str!("../../templates/review-changes.md.hbs")),
    ("review.md.hbs", include_str!("../../templates/review.md.hbs")),
    ("stale.slack.hbs", include_str!("../../templates/stale.slack.hbs")),
    ("stale.txt.hbs", include_str!("../../templates/stale.txt.hbs")),
    ("suitability-ask.md.hbs", include_str!("../../templates/suitability-ask.md.hbs")),
    ("suitability.md.hbs", include_str!("../../templates/suitability.md.hbs")),
    ("work.md.hbs", include_str!("../../templates/work.md.hbs")),
    ("yield.md.hbs", include_str!("../../templates/yield.md.hbs")),
];
