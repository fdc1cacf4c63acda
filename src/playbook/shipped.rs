//! The playbooks that ship with the program, for `rota demo` and `rota init`.

/// File name and text of each.
const TEXTS: &[(&str, &str)] = &[
    ("ai-worker.toml", include_str!("../../agents/ai-worker.toml")),
    ("code-review.toml", include_str!("../../agents/code-review.toml")),
    ("daily-digest.toml", include_str!("../../agents/daily-digest.toml")),
    ("documentation.toml", include_str!("../../agents/documentation.toml")),
    ("due-soon.toml", include_str!("../../agents/due-soon.toml")),
    ("stale.toml", include_str!("../../agents/stale.toml")),
];

/// The playbooks that ship with the program: file name and text.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    TEXTS
}
