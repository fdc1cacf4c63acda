//! What whoever runs the tests asks of them by variables, and how a test says that it was left out.

use std::io::Write as _;

/// What somebody asked of the tests by a variable.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how much of them")]
pub fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty() && text != "0")
}

/// Says what this machine does not allow, so that it is counted (`.ci/run`) and not overlooked.
pub fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "\n-- skipped: {name}: {why}");
}

/// The same of something that whoever runs the tests may insist on: `ROTA_TEST_REQUIRE=landlock,git`.
#[track_caller]
pub fn lacks(what: &str, why: &str) {
    assert!(!is_required(what), "{what} is required: {why}");
    skip(&format!("{what}: {why}"));
}

/// Whether whoever runs the tests insists on it.
pub fn is_required(what: &str) -> bool {
    let required = asked("ROTA_TEST_REQUIRE").unwrap_or_default();
    required.split(',').any(|name| name.trim() == what)
}
