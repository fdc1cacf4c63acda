//! The real program dies at every step it has a name for, and starts again: what is found then in
//! ledger and board is held against the crash table of the claim protocol. It is killed at any
//! instant, the disk is full, its files are damaged: whatever happens, a checker judges what is left.

use std::io::Write as _;

mod checker;
mod clock_back;
mod crash_table;
mod disk;
mod every_step;
mod evidence;
mod kills;
mod left_over;
mod orphans;
mod planted;
mod power_loss;
mod scene;
mod unusable;

/// What somebody asked of the tests by a variable.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how much of them")]
fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty() && text != "0")
}

/// A line for whoever runs the tests; also where the test succeeds, whose output is not shown.
fn say(text: &str) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "{name}: {text}");
}

/// Says what this machine does not allow, so that it is counted (`.ci/run`) and not overlooked.
fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "\n-- skipped: {name}: {why}");
}
