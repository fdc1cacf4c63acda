//! `rota serve`: the clock, commands as clients of the daemon, signals, two daemons, faulty edits.

use super::team::{EVERY_SECOND, content, gated_team, json, team, team_with, until_status};
use crate::support::den::runs;
use crate::support::rota::{Rota, Serving, until};
use nix::sys::signal::Signal::{SIGHUP, SIGTERM};
use rota::clock::{Clock as _, SystemClock};
use serde_json::Value;
use std::time::Duration;

/// So long after `stop-all` nothing of a run's program is left (docs/claims.md).
const BOUND: Duration = Duration::from_secs(15);

/// The run that is under way.
fn running(rota: &Rota) -> String {
    let run = until("a run", || {
        let runs = json(rota, &["runs", "list", "--in-state", "running"]);
        runs["items"].as_array().unwrap().first().cloned()
    });
    run["id"].as_str().unwrap().to_owned()
}

/// Starts the playbook that waits at its gate, through the daemon, without waiting for its end.
fn start_gated(rota: &Rota) -> (std::process::Child, String) {
    let child = rota
        .command(["run-once", "gated", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let run = running(rota);
    until("the claim at work", || {
        let claims = json(rota, &["claims", "list"]);
        claims["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|claim| claim["phase"] == "working")
            .cloned()
    });
    (child, run)
}

fn open_gate(rota: &Rota) {
    rota.write("gate", "");
}

fn document(child: std::process::Child) -> (i32, Value) {
    let ended = child.wait_with_output().unwrap();
    let out = String::from_utf8(ended.stdout).unwrap();
    let document = serde_json::from_str(&out).unwrap_or_else(|error| {
        panic!("{error}: {out:?} {:?}", String::from_utf8_lossy(&ended.stderr))
    });
    (ended.status.code().unwrap_or(-1), document)
}

fn stop(daemon: Serving) {
    let log = daemon.log();
    assert_eq!(daemon.stop(), 0, "{log}");
}

#[test]
fn a_playbook_fires_by_itself_and_its_task_is_seen_done() {
    let rota = team_with("worker", EVERY_SECOND);
    let daemon = rota.serve(Vec::<&str>::new());
    assert!(daemon.ready.starts_with("ready addr=127.0.0.1:"), "{}", daemon.ready);
    assert!(daemon.ready.contains(" socket="), "{}", daemon.ready);
    let task = until_status(&rota, "1", "Done");
    assert_eq!(task["assignee_name"], "AI-Worker");
    let runs = json(&rota, &["runs", "list"]);
    assert_eq!(runs["items"].as_array().unwrap().len(), 1, "{runs}");
    assert_eq!(runs["items"][0]["state"], "succeeded");
    // A task that comes later is taken too, without being told.
    rota.run(["task", "add", "More", "--tag", "AI-Suitable"]).ok();
    until_status(&rota, "2", "Done");
    let status = rota.run(["status"]).ok();
    assert!(status.out.contains("serving since"), "{status:#?}");
    assert!(
        status.out.lines().any(|l| l.starts_with("worker") && l.contains("armed")),
        "{status:#?}"
    );
    for line in ["worker claims task 1 (fence 1)", "worker: succeeded (done)"] {
        daemon.wait_for_log(line);
    }
    stop(daemon);
    // What it did is there for the next life, and for commands without a daemon.
    assert_eq!(json(&rota, &["runs", "list"])["items"].as_array().unwrap().len(), 2);
    let why = json(&rota, &["why", "worker"]);
    assert!(why["occurrences"].as_array().unwrap().len() > 1, "{why}");
}

#[test]
fn commands_are_clients_of_the_daemon_that_holds_the_folder() {
    let rota = team();
    let daemon = rota.serve(Vec::<&str>::new());
    rota.run(["project", "add", "App"]).ok();
    rota.run(["task", "add", "Through the socket", "-p", "App"]).ok();
    assert_eq!(json(&rota, &["task", "show", "2"])["project_name"], "App");
    rota.run(["run-once", "ai-worker"]).ok();
    assert_eq!(json(&rota, &["task", "show", "1"])["status_label"], "Ready for Review");
    rota.run(["why", "1"]).ok();
    rota.run(["next", "-n", "1"]).ok();
    assert!(json(&rota, &["status"])["scheduling"].as_bool().unwrap());
    assert!(rota.run(["doctor"]).ok().out.contains("answers on its socket"));
    rota.run(["run-once", "nothing"]).ended(1);
    rota.run(["task", "edit", "2", "--status", "Nowhere"]).ended(1);
    // The digest goes to the daemon's standard output, and the command tells it too.
    let digest = json(&rota, &["run-once", "daily-digest"]);
    assert!(digest["notices"][0]["body"].as_str().unwrap().contains("Daily digest"));
    while !daemon.line().contains("Daily digest") {}
    stop(daemon);
}

#[test]
fn a_rehearsal_beside_a_daemon_changes_nothing() {
    let rota = team();
    let daemon = rota.serve(Vec::<&str>::new());
    let before = (json(&rota, &["task", "show", "1"]), json(&rota, &["runs", "list"]));
    let report = json(&rota, &["run-once", "ai-worker", "--dry-run"]);
    assert_eq!(report["state"], "succeeded", "{report}");
    assert!(report["changes"].as_array().unwrap().len() > 3, "{report}");
    rota.run(["run-once", "daily-digest", "--dry-run"]).ok();
    let after = (json(&rota, &["task", "show", "1"]), json(&rota, &["runs", "list"]));
    assert_eq!(before, after);
    assert_eq!(rota.run(["claims", "list"]).ok().out, "no claims\n");
    stop(daemon);
}

#[test]
fn a_second_daemon_on_the_folder_is_told_who_holds_it() {
    let rota = team();
    let daemon = rota.serve(Vec::<&str>::new());
    let second = rota.run(["serve"]).ended(6);
    assert!(second.err.contains(&daemon.pid().to_string()), "{second:#?}");
    assert!(second.out.is_empty(), "{second:#?}");
    let second = rota.run(["serve", "--json"]).ended(6);
    assert!(second.json()["error"]["message"].as_str().unwrap().len() > 5);
    // The first one did not suffer.
    rota.run(["task", "comment", "1", "still there"]).ok();
    stop(daemon);
    let again = rota.serve(Vec::<&str>::new());
    stop(again);
}

#[test]
fn a_stop_lets_what_runs_come_to_its_end() {
    let rota = gated_team();
    let mut daemon = rota.serve(Vec::<&str>::new());
    let (child, _) = start_gated(&rota);
    daemon.signal(SIGTERM);
    daemon.wait_for_log("draining");
    // Nothing new is begun.
    let refused = rota.run(["run-once", "gated"]);
    assert_ne!(refused.code, 0, "{refused:#?}");
    open_gate(&rota);
    assert_eq!(daemon.wait(), 0, "{}", daemon.log());
    let (code, report) = document(child);
    assert_eq!((code, &report["state"]), (0, &"succeeded".into()), "{report}");
    assert_eq!(json(&rota, &["task", "show", "1"])["status_label"], "Ready for Review");
    assert_eq!(rota.run(["claims", "list"]).ok().out, "no claims\n");
}

#[test]
fn a_second_signal_stops_at_once_and_leaves_no_claim() {
    let rota = gated_team();
    let mut daemon = rota.serve(Vec::<&str>::new());
    let (child, run) = start_gated(&rota);
    daemon.signal(SIGTERM);
    daemon.wait_for_log("draining");
    daemon.signal(SIGTERM);
    assert_eq!(daemon.wait(), 0, "{}", daemon.log());
    let _ = child.wait_with_output();
    assert!(!rota.path().join("gate").exists());
    let shown = json(&rota, &["runs", "show", &run]);
    assert_eq!(shown["run"]["state"], "cancelled", "{shown}");
    assert_eq!(rota.run(["claims", "list"]).ok().out, "no claims\n");
    let task = json(&rota, &["task", "show", "1"]);
    assert_eq!((&task["status_label"], &task["assignee"]), (&"New".into(), &Value::Null), "{task}");
}

#[test]
fn a_run_is_followed_and_stopped() {
    let rota = gated_team();
    let daemon = rota.serve(Vec::<&str>::new());
    let (child, run) = start_gated(&rota);
    let follower = rota
        .command(["runs", "follow", &run])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let status = rota.run(["status"]).ok();
    assert!(status.out.contains(&run), "{status:#?}");
    let claims = rota.run(["claims", "list"]).ok();
    assert!(claims.out.contains("working") && claims.out.contains(&run), "{claims:#?}");
    rota.run(["runs", "stop", &run]).ok();
    let (code, report) = document(child);
    assert_eq!((code, &report["state"]), (1, &"cancelled".into()), "{report}");
    let story = follower.wait_with_output().unwrap();
    let story = String::from_utf8(story.stdout).unwrap();
    assert!(story.contains("cancelled"), "{story}");
    assert_eq!(json(&rota, &["task", "show", "1"])["status_label"], "New");
    stop(daemon);
}

#[test]
fn a_claim_is_taken_away_with_a_reason() {
    let rota = gated_team();
    let daemon = rota.serve(Vec::<&str>::new());
    let (child, _) = start_gated(&rota);
    let released = rota.run(["claims", "release", "1", "--reason", "I do it myself"]).ok();
    assert!(released.out.contains("task 1  the claim is taken away"), "{released:#?}");
    let (code, report) = document(child);
    assert_eq!((code, &report["tasks"][0]["state"]), (1, &"claim_lost".into()), "{report}");
    assert_eq!(rota.run(["claims", "list"]).ok().out, "no claims\n");
    stop(daemon);
}

#[test]
fn the_emergency_stop_ends_what_runs_and_survives_a_restart() {
    let rota = gated_team();
    let daemon = rota.serve(Vec::<&str>::new());
    let (child, _) = start_gated(&rota);
    let stopped = rota.run(["stop-all", "--reason", "enough"]).ok();
    assert!(stopped.out.contains("everything is stopped: enough"), "{stopped:#?}");
    let (code, report) = document(child);
    assert_eq!((code, &report["reason"]), (1, &"stopped".into()), "{report}");
    stop(daemon);
    let daemon = rota.serve(Vec::<&str>::new());
    let refused = rota.run(["run-once", "gated", "--json"]).ended(1).json();
    assert_eq!(refused["error"]["reason"], "stopped", "{refused}");
    assert!(rota.run(["status"]).ok().out.contains("everything is stopped"));
    rota.run(["start-all"]).ok();
    open_gate(&rota);
    rota.run(["run-once", "gated"]).ok();
    stop(daemon);
}

#[test]
fn the_emergency_stop_leaves_no_program_however_deaf_it_is() {
    // Deaf to SIGTERM, with a grandchild in a session of its own that is so, too.
    let script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ >grandchild; \
                  while :; do sleep 0.1; done' & echo $$ >child; while :; do sleep 0.1; done";
    let playbook = "agent = \"AI-Worker\"\n[select]\nstatus = \"kind:new\"\n[claim]\n[work]\n\
                    runner = \"command\"\ncommand = [\"sh\", \"deaf.sh\"]\n[outcome.done]\n";
    let rota = team_with("deaf", playbook);
    rota.write("state/work/deaf.sh", script);
    let daemon = rota.serve(Vec::<&str>::new());
    let mut child = rota.command(["run-once", "deaf"]).spawn().unwrap();
    let pid = |name: &str| {
        let path = rota.state().join("work").join(name);
        until(name, || std::fs::read_to_string(&path).ok().filter(|pid| !pid.trim().is_empty()))
    };
    let pids = ["child", "grandchild"].map(pid);
    assert!(pids.iter().all(|pid| runs(pid)), "{pids:?}");
    let clock = SystemClock::new();
    let begun = clock.boot();
    rota.run(["stop-all", "--reason", "enough"]).ok();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    until("no program is left", || pids.iter().all(|pid| !runs(pid)).then_some(()));
    let took = clock.boot().saturating_sub(begun);
    assert!(took < BOUND, "{took:?}");
    stop(daemon);
}

#[test]
fn a_faulty_edit_keeps_the_last_good_version_and_is_shown() {
    let rota = team_with("worker", EVERY_SECOND);
    let daemon = rota.serve(Vec::<&str>::new());
    until_status(&rota, "1", "Done");
    rota.write("agents/worker.toml", &EVERY_SECOND.replace("cron = ", "crn = "));
    daemon.signal(SIGHUP);
    until("the fault in the status", || {
        let status = json(&rota, &["status"]);
        let faults = status["faults"].as_array().unwrap().clone();
        faults.iter().any(|fault| fault.to_string().contains("crn")).then_some(status)
    });
    assert!(rota.run(["status"]).ok().out.contains("crn"));
    assert!(rota.run(["playbooks"]).ok().out.contains("crn"));
    daemon.wait_for_log("the last good version goes on");
    let check = rota.run(["check"]).ended(3);
    assert!(check.out.contains("did you mean `cron`?"), "{check:#?}");
    rota.run(["task", "add", "More", "--tag", "AI-Suitable"]).ok();
    until_status(&rota, "2", "Done");
    // A good version takes its place.
    rota.write("agents/worker.toml", &EVERY_SECOND.replace("\"Done\"", "\"Approved\""));
    daemon.signal(SIGHUP);
    until("no fault", || {
        let status = json(&rota, &["status"]);
        status["faults"].as_array().unwrap().is_empty().then_some(status)
    });
    rota.run(["task", "add", "Still more", "--tag", "AI-Suitable"]).ok();
    until_status(&rota, "3", "Approved");
    stop(daemon);
}

#[test]
fn a_hang_up_reads_new_playbooks() {
    let rota = team();
    let daemon = rota.serve(Vec::<&str>::new());
    rota.write("agents/newcomer.toml", &EVERY_SECOND.replace("Takes", "Newly takes"));
    daemon.signal(SIGHUP);
    until("the new playbook", || {
        let list = json(&rota, &["playbooks"]);
        list["items"].as_array().unwrap().iter().find(|p| p["name"] == "newcomer").cloned()
    });
    // It has a trigger: a person arms it.
    let list = json(&rota, &["playbooks"]);
    let found = list["items"].as_array().unwrap().iter().find(|p| p["name"] == "newcomer").unwrap();
    assert_eq!(found["armed"], false);
    rota.run(["arm", "newcomer"]).ok();
    until_status(&rota, "1", "Done");
    stop(daemon);
}

#[test]
fn a_killed_daemon_leaves_nothing_that_the_next_one_does_not_settle() {
    let rota = gated_team();
    let mut daemon = rota.serve(Vec::<&str>::new());
    let (child, run) = start_gated(&rota);
    daemon.signal(nix::sys::signal::Signal::SIGKILL);
    assert_eq!(daemon.wait(), -1);
    let (code, gone) = document(child);
    assert_eq!((code, &gone["error"]["kind"]), (4, &"unreachable".into()), "{gone}");
    let daemon = rota.serve(Vec::<&str>::new());
    let shown = until("the end of the run", || {
        let shown = json(&rota, &["runs", "show", &run]);
        (shown["run"]["state"] != "running").then_some(shown)
    });
    assert_eq!(shown["run"]["state"], "interrupted", "{shown}");
    until_status(&rota, "1", "New");
    // The claim ends after the last write to the board.
    until("the end of the claim", || {
        (rota.run(["claims", "list"]).ok().out == "no claims\n").then_some(())
    });
    stop(daemon);
}

#[test]
fn the_socket_goes_with_the_daemon_and_the_folder_is_its_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let rota = team();
    let daemon = rota.serve(Vec::<&str>::new());
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&rota.state()), 0o700);
    assert_eq!(mode(&rota.state().join("control.sock")), 0o600);
    stop(daemon);
    assert!(!rota.state().join("control.sock").exists());
    assert!(content(&rota.state()).len() > 3);
}
