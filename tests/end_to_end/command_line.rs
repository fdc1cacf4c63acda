//! What the real binary does with what is typed, before any house is opened.

use crate::support::rota::Rota;
use std::io::Read as _;
use std::process::Stdio;

#[test]
fn help_and_version_are_results() {
    let rota = Rota::new();
    let help = rota.run(["--help"]).ok();
    assert!(help.out.contains("run-once") && help.err.is_empty(), "{help:#?}");
    let version = rota.run(["--version"]).ok();
    assert_eq!(version.out, format!("rota {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_is_typed_wrongly_ends_with_two_and_a_suggestion() {
    let rota = Rota::new();
    let typo = rota.run(["run-onec", "x"]).ended(2);
    assert!(typo.err.contains("run-once") && typo.out.is_empty(), "{typo:#?}");
    rota.run(Vec::<&str>::new()).ended(2);
    rota.run(["run-once"]).ended(2);
    rota.run(["run-once", "x", "--at", "soon"]).ended(2);
    rota.run(["run-once", "x", "--execute"]).ended(2);
    rota.run(["next", "-v", "-q"]).ended(2);
}

#[test]
fn a_usage_failure_is_one_document_for_programs() {
    let rota = Rota::new();
    let failure = rota.run(["--json", "run-once"]).ended(2).json();
    assert_eq!(failure["error"]["kind"], "usage");
    assert_eq!(failure["error"]["exit_code"], 2);
}

#[test]
fn completions_and_the_manual_name_every_command() {
    let rota = Rota::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = rota.run(["completions", shell]).ok();
        assert!(script.out.contains("run-once") && script.err.is_empty(), "{shell}");
    }
    let manual = rota.run(["man"]).ok();
    assert!(manual.out.contains("rota\\-run\\-once"), "{}", manual.out);
    assert!(rota.run(["man", "--json"]).ok().json().is_string());
    rota.run(["man", "--dir", "pages"]).ok();
    assert!(rota.read("pages/rota-run-once.1").contains("dry"));
}

#[test]
fn a_log_filter_that_cannot_be_read_is_named() {
    let rota = Rota::new().with_env("ROTA_LOG", "rota=loud");
    let failure = rota.run(["completions", "bash"]).ended(2);
    assert!(failure.err.contains("ROTA_LOG"), "{failure:#?}");
}

#[test]
fn a_reader_that_hangs_up_is_no_failure() {
    let rota = Rota::new();
    let mut child = rota
        .command(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before the command has begun to write more than a pipe holds.
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn a_state_folder_with_something_else_in_the_sockets_place_is_told() {
    let rota = Rota::new();
    rota.write("elsewhere/control.sock", "not a socket");
    let rota = rota.with_env("ROTA_STATE", "elsewhere");
    let failure = rota.run(["status"]).ended(6);
    assert!(failure.err.contains("is not a socket"), "{failure:#?}");
    assert!(failure.err.contains("hint: move that file"), "{failure:#?}");
}
