//! Programs that outlive a crashed daemon do not go on working.

use super::scene::{PLAYBOOK, recovers, rows, scene_of};
use crate::support::rota::Rota;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use rota::domain::RunState;
use std::path::PathBuf;

/// The example that plays an agent; built with the tests.
fn fake_agent() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().and_then(|deps| deps.parent()).unwrap();
    target.join("examples").join("fake_agent")
}

#[test]
fn a_child_that_survives_its_daemon_is_ended_by_the_next_one() {
    let playbook = format!(
        r#"
description = "A program works."
agent = "AI-Worker"
[on]
event = ["task.created"]
[select]
status = "kind:new"
[claim]
[work]
runner = "command"
command = ["{}", "--escape", "pid", "--hang"]
[outcome.done]
status = "kind:waiting"
[limits]
attempts = 1
"#,
        fake_agent().display()
    );
    let rota = scene_of(&playbook);
    let pidfile = rota.state().join("work").join("pid");
    let mut command = rota.command(["run-once", PLAYBOOK, "--task", "1"]);
    let mut daemon = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let pid = Pid::from_raw(Rota::wait_for_file(&pidfile).trim().parse().unwrap());
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert!(kill(pid, None).is_ok(), "the grandchild outlives its daemon");
    recovers(&rota);
    assert!(is_gone(pid), "the grandchild still works");
    let found = rows(&rota);
    found.are_as_before();
    assert_eq!(found.runs[0].state, RunState::Interrupted, "{found:#?}");
}

/// Nobody reaps what init would: a zombie has ended as well.
pub fn is_gone(pid: Pid) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}
