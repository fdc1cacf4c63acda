//! What a file made to hurt costs in memory: the real program, whose kernel gives it no more.

use super::bombs::bombs;
use crate::support::rota::{Ran, Rota};
use std::path::PathBuf;

/// What a process may write to in KiB: some six times what an ordinary file takes. The worst of these
/// files (a fault in every second byte) took between 48 and 64 MiB in an unoptimised program.
const KIB_MAX: u32 = 96 * 1024;
/// More than an ordinary file needs, and less than the worst one.
const KIB_FEW: u32 = 24 * 1024;

/// `rota` under a limit for its data (`RLIMIT_DATA`): beyond it the allocator aborts.
fn limited(kib: u32) -> Rota {
    let program = env!("CARGO_BIN_EXE_rota").to_owned();
    let script = format!("ulimit -d {kib} && exec \"$0\" \"$@\"");
    Rota::of(PathBuf::from("/bin/sh"), vec!["-c".to_owned(), script, program])
}

/// As a playbook and as a configuration.
fn checked(rota: &Rota, text: &str) -> [Ran; 2] {
    rota.write("agents/x.toml", text);
    rota.write("bomb.toml", text);
    [rota.run(["check", "agents/x.toml"]), rota.run(["--config", "bomb.toml", "check"])]
}

#[test]
fn a_file_made_to_hurt_is_answered_within_the_memory_that_is_stated() {
    let rota = limited(KIB_MAX);
    for (name, text) in bombs() {
        for ran in checked(&rota, &text) {
            let told: String = ran.err.chars().take(500).collect();
            assert_eq!(ran.code, 3, "{name}: {told}");
        }
    }
}

#[test]
fn the_limit_is_one_that_bites() {
    let rota = limited(KIB_FEW);
    for ran in checked(&rota, "lease = 1\n") {
        ran.ended(3);
    }
    let worst = bombs().into_iter().find(|(name, _)| *name == "many broken lines").unwrap().1;
    for ran in checked(&rota, &worst) {
        assert_eq!(ran.code, -1, "{KIB_FEW} KiB are enough: the stated bound can be lowered");
    }
}
