//! The playbooks that ship with the program, for `rota demo` and `rota init`.

/// File name and text of each.
const TEXTS: &[(&str, &str)] = &[
    ("ai-worker.toml", include_str!("../../agents/ai-worker.toml")),
    ("blocked-handover.toml", include_str!("../../agents/blocked-handover.toml")),
    ("client-status-report.toml", include_str!("../../agents/client-status-report.toml")),
    ("code-review.toml", include_str!("../../agents/code-review.toml")),
    ("daily-digest.toml", include_str!("../../agents/daily-digest.toml")),
    ("documentation.toml", include_str!("../../agents/documentation.toml")),
    ("due-soon.toml", include_str!("../../agents/due-soon.toml")),
    ("email-intake.toml", include_str!("../../agents/email-intake.toml")),
    ("focus-time.toml", include_str!("../../agents/focus-time.toml")),
    ("meeting-follow-up.toml", include_str!("../../agents/meeting-follow-up.toml")),
    ("okr-tracking.toml", include_str!("../../agents/okr-tracking.toml")),
    ("project-kickoff.toml", include_str!("../../agents/project-kickoff.toml")),
    ("project-planning.toml", include_str!("../../agents/project-planning.toml")),
    ("sprint-planning.toml", include_str!("../../agents/sprint-planning.toml")),
    ("stakeholder-email.toml", include_str!("../../agents/stakeholder-email.toml")),
    ("stale.toml", include_str!("../../agents/stale.toml")),
    ("standup.toml", include_str!("../../agents/standup.toml")),
    ("time-catch-up.toml", include_str!("../../agents/time-catch-up.toml")),
    ("weekly-planning.toml", include_str!("../../agents/weekly-planning.toml")),
    ("workload.toml", include_str!("../../agents/workload.toml")),
];

/// The playbooks that ship with the program: file name and text.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    TEXTS
}
