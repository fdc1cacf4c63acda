//! The real program dies at every step it has a name for, and starts again: what is found then in
//! ledger and board is held against the crash table of the claim protocol. It is killed at any
//! instant, the disk is full, its files are damaged; several of them are killed beside a database that dies
//! as well: whatever happens, a checker judges what is left.

use crate::support::asked::{asked, skip};
use std::io::Write as _;

mod checker;
mod clock_back;
mod crash_table;
mod disk;
mod every_step;
mod everything_open;
pub mod evidence;
mod kills;
mod left_over;
mod many_daemons;
mod orphans;
mod planted;
mod power_loss;
mod scene;
mod unusable;

/// A line for whoever runs the tests; also where the test succeeds, whose output is not shown.
fn say(text: &str) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "{name}: {text}");
}
