//! Workspaces of the real binary: made for a task, kept over attempts, gone when it is done; nothing
//! of a program survives its daemon, and no secret reaches one.

use super::team::{QUICK, content, json, team_with};
use crate::support::den::{git, has_git, has_own_network, has_sandbox, runs};
use crate::support::rota::{Rota, until};
use std::process::Stdio;

/// A playbook whose program is this shell script, with these lines of `[workspace]`.
fn playbook(workspace: &str, script: &str) -> String {
    format!(
        r#"
description = "A program works in a workspace."
agent = "AI-Worker"
[select]
status = "kind:new"
tags = {{ any = ["AI-Suitable"] }}
[claim]
[workspace]
{workspace}
[work]
runner = "command"
command = ["sh", "-c", '''{script}''']
env = ["WANTED", "HOOK"]
[outcome.done]
status = "Ready for Review"
[limits]
attempts = 2
backoff = "1s..1s"
"#
    )
}

/// A repository beside the team's folder, with one file.
fn repository(rota: &Rota) -> String {
    let path = rota.path().join("site");
    std::fs::create_dir(&path).unwrap();
    git(&path, &["init", "-q", "-b", "main"]);
    std::fs::write(path.join("README"), "read me\n").unwrap();
    git(&path, &["add", "."]);
    git(&path, &["commit", "-q", "-m", "first"]);
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

fn source_of(repository: &str) -> String {
    format!("source = {{ git = \"{repository}\" }}")
}

#[test]
fn a_workspace_is_made_kept_over_attempts_and_gone_when_its_task_is_done() {
    if !has_git() || !has_sandbox() {
        return;
    }
    let script = "cat README; test -e tried || { touch tried; exit 1; }; echo work >new";
    let rota = team_with("worker", &playbook("", script));
    let repository = repository(&rota);
    let gone = rota.path().join("gone");
    let hooks = format!("{}\nbefore_remove = \"cat new >$HOME/../gone\"", source_of(&repository));
    rota.write("agents/worker.toml", &playbook(&hooks, script));
    let report = json(&rota, &["run-once", "worker"]);
    assert_eq!(report["state"], "succeeded", "{report:#}");
    let tree = rota.state().join("workspaces/main-1");
    assert_eq!(std::fs::read_to_string(tree.join("new")).unwrap(), "work\n");
    let attempts = json(&rota, &["runs", "list"]);
    assert_eq!(attempts["items"].as_array().unwrap().len(), 2, "{attempts:#}");
    // It waits for a review: the workspace stays. Once it is done, it goes.
    let serving = rota.serve(Vec::<&str>::new());
    rota.run(["task", "edit", "1", "--priority", "2"]).ok();
    assert!(tree.exists());
    rota.run(["task", "edit", "1", "--status", "Done"]).ok();
    assert_eq!(serving.stop(), 0);
    let serving = rota.serve(Vec::<&str>::new());
    until("the workspace is gone", || (!tree.exists()).then_some(()));
    assert_eq!(serving.stop(), 0);
    assert!(!rota.state().join("workspaces/.rooms/main-1").exists());
    assert!(!gone.exists(), "a hook wrote outside of its workspace");
}

#[test]
fn a_rehearsal_makes_no_workspace_and_an_executed_one_throws_it_away() {
    if !has_sandbox() {
        return;
    }
    let rota = team_with("worker", &playbook("", "pwd >&2; echo x >file; exit 3"));
    rota.run(["task", "list"]).ok();
    let before = content(&rota.state());
    rota.run(["run-once", "worker", "--dry-run"]).ok();
    assert_eq!(content(&rota.state()), before);
    let ran = rota.run(["run-once", "worker", "--dry-run", "--execute", "--json"]);
    assert!(ran.out.contains("rota-rehearsal-"), "{ran:#?}");
    assert_eq!(content(&rota.state()), before);
    let folder = ran.out.split("rota-rehearsal-").nth(1).unwrap();
    let folder: String = folder.chars().take_while(char::is_ascii_alphanumeric).collect();
    assert!(!std::env::temp_dir().join(format!("rota-rehearsal-{folder}")).exists());
}

#[test]
fn no_secret_reaches_a_program_by_environment_argument_or_the_daemon_itself() {
    if !has_sandbox() {
        return;
    }
    let script = "env >seen; cat /proc/[0-9]*/environ >>seen 2>/dev/null; \
                  cat /proc/[0-9]*/cmdline >>seen; cat ../../../rota.toml >>seen; true";
    let rota = team_with("worker", &playbook("", script));
    rota.write(
        "rota.toml",
        &format!("{QUICK}\n[notify.slack.ops]\nwebhook = {{ env = \"HOOK\" }}\n"),
    );
    let mut command = rota.command(["run-once", "worker", "--json"]);
    command.env("HOOK", "https://hooks.slack.example/SECRET").env("WANTED", "yes");
    command.env("LEANTIME_API_KEY", "lt_SECRET");
    Rota::finish(command).ok();
    let seen = std::fs::read(rota.state().join("workspaces/main-1/seen")).unwrap();
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("WANTED=yes") && seen.contains("ROTA_WORKSPACE="), "{seen}");
    assert!(!seen.contains("SECRET"), "{seen}");
    assert!(!seen.contains("timezone"), "{seen}");
}

#[test]
fn nothing_of_a_program_survives_its_daemon_and_what_was_half_made_is_made_anew() {
    // Without files being kept apart: the supervisor is there at every level.
    let hook = "sandbox = \"none\"\nhook_time = \"1h\"\nafter_create = '''touch half; \
                test -e ../../go || { echo $$ >../../pid; sleep 3600; }'''";
    let rota = team_with("worker", &playbook(hook, "test ! -e half || echo half made before"));
    let mut command = rota.command(["run-once", "worker"]);
    let mut daemon = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = Rota::wait_for_file(&rota.state().join("pid"));
    assert!(runs(&pid), "the hook is not under way");
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    until("the hook ends with its daemon", || (!runs(&pid)).then_some(()));
    let tree = rota.state().join("workspaces/main-1");
    assert!(tree.join("half").exists() && !tree.join("../.rooms/main-1/record.json").exists());
    std::fs::write(tree.join("left"), "by the life before").unwrap();
    std::fs::write(rota.state().join("go"), "").unwrap();
    let serving = rota.serve(Vec::<&str>::new());
    until("what was half made is gone", || (!tree.join("left").exists()).then_some(()));
    assert_eq!(serving.stop(), 0);
}

/// What a hook of the repository's own code does before the work begins: it would have the daemon
/// write its token elsewhere, and clear that away at the end.
#[test]
fn what_a_hook_lays_out_beforehand_leads_the_daemon_nowhere() {
    let hook = "sandbox = \"workspace\"\nbefore_run = '''for place in $TMPDIR $HOME; do \
                ln -s \"$PWD/../../victim\" \"$place/$ROTA_RUN\"; done; \
                ln -s /tmp \"$HOME/../given/$ROTA_RUN\" 2>/dev/null; true'''";
    let script = "test -s \"$ROTA_MCP_CONFIG\" && ! (echo >\"$ROTA_MCP_CONFIG\") 2>/dev/null";
    let text = playbook(hook, script).replace("[work]", "[work]\ntools = [\"getTicket\"]");
    let rota = team_with("worker", &text);
    if !has_sandbox() {
        return;
    }
    let victim = rota.write("state/victim/kept", "kept");
    let serving = rota.serve(Vec::<&str>::new());
    let report = json(&rota, &["run-once", "worker"]);
    assert_eq!(report["state"], "succeeded", "{report:#}");
    assert_eq!(serving.stop(), 0);
    let all = content(victim.parent().unwrap());
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "kept");
    let given = rota.state().join("workspaces/.rooms/main-1/given");
    assert!(content(&given).is_empty(), "its token stays behind");
}

#[test]
fn the_last_hook_is_not_run_as_nobody_armed_it_nor_while_everything_is_stopped() {
    let rota = team_with("worker", &playbook("sandbox = \"none\"", "echo work >new"));
    rota.write("rota.toml", &QUICK.replace("arm = \"auto\"", ""));
    rota.run(["arm", "worker"]).ok();
    json(&rota, &["run-once", "worker"]);
    let (tree, ran) = (rota.state().join("workspaces/main-1"), rota.state().join("ran"));
    let hook = "sandbox = \"none\"\nbefore_remove = \"touch ../../ran\"";
    rota.write("agents/worker.toml", &playbook(hook, "echo work >new"));
    rota.run(["task", "edit", "1", "--status", "Done"]).ok();
    let begun_anew = |what: &str| {
        // Each life looks after the workspaces as it begins; the log says that it has.
        let serving = rota.serve(Vec::<&str>::new());
        serving.wait_for_log("a workspace stays");
        assert_eq!(serving.stop(), 0, "{what}");
    };
    begun_anew("not armed");
    assert!(tree.exists() && !ran.exists(), "a hook ran that nobody had armed");
    rota.run(["arm", "worker"]).ok();
    rota.run(["stop-all", "--reason", "a test"]).ok();
    begun_anew("stopped");
    assert!(tree.exists() && !ran.exists(), "a hook ran while everything was stopped");
    rota.run(["start-all"]).ok();
    let serving = rota.serve(Vec::<&str>::new());
    until("the workspace is gone", || (!tree.exists()).then_some(()));
    assert!(ran.exists());
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_repository_that_a_task_names_must_be_allowed() {
    if !has_git() || !has_sandbox() {
        return;
    }
    let source = "source = { git = \"{{task.description}}\" }";
    let rota = team_with("worker", &playbook(source, "cat README"));
    let repository = repository(&rota);
    rota.run(["task", "edit", "1", "--description", &repository]).ok();
    let told = rota.run(["run-once", "worker", "--json"]).json();
    assert_eq!(told["reason"], "source_refused", "{told:#}");
    let task = json(&rota, &["task", "show", "1"]);
    assert_eq!((&task["status_label"], task["assignee"].is_null()), (&"New".into(), true));
    assert!(!rota.state().join("workspaces/main-1").exists());
    let folder = rota.path().canonicalize().unwrap();
    let allowed = format!("{QUICK}\n[workspaces]\nrepositories = \"{}/*\"\n", folder.display());
    rota.write("rota.toml", &allowed);
    let told = json(&rota, &["run-once", "worker", "--task", "1"]);
    assert_eq!(told["state"], "succeeded", "{told:#}");
}

#[test]
fn the_doctor_says_what_the_sandbox_can_do() {
    let rota = Rota::new();
    let doctor = rota.run(["doctor"]);
    let line = doctor.out.lines().find(|line| line.contains("sandbox"));
    assert!(
        line.is_some_and(|line| line.starts_with("ok") || line.starts_with("warn")),
        "{doctor:#?}"
    );
}

#[test]
fn where_a_program_can_have_no_network_of_its_own_it_is_given_no_way_out() {
    if !has_own_network() {
        return;
    }
    // A namespace of users in which none of networks can be made.
    let none = "echo 0 >/proc/sys/user/max_net_namespaces && exec \"$0\" \"$@\"";
    let before = ["-Ur", "sh", "-c", none, env!("CARGO_BIN_EXE_rota")].map(str::to_owned);
    let rota = Rota::of("/usr/bin/unshare".into(), before.into());
    rota.run(["init"]).ok();
    rota.run(["project", "add", "Website"]).ok();
    let tag = ["--tag", "AI-Suitable", "--acceptance", "It is there"];
    rota.run([&["task", "add", "Write it"][..], &tag].concat()).ok();
    std::fs::remove_dir_all(rota.path().join("agents")).unwrap();
    rota.write("rota.toml", QUICK);
    let told = |lines: &str| {
        rota.write("agents/worker.toml", &playbook(lines, "echo ran >ran"));
        rota.run(["run-once", "worker", "--json"]).json()
    };
    let refused = told("hosts = [\"example.org\"]");
    assert_eq!(refused["reason"], "sandbox_unavailable", "{refused:#}");
    assert!(refused.to_string().contains("userns,"), "{refused:#}");
    assert!(!rota.state().join("workspaces/main-1").exists());
    let doctor = rota.run(["doctor"]);
    let line = doctor.out.lines().find(|line| line.contains("sandbox")).unwrap();
    assert!(line.starts_with("warn") && line.contains("without `hosts`"), "{doctor:#?}");
    // Without a way out nothing is missing.
    let ran = told("");
    assert_eq!(ran["state"], "succeeded", "{ran:#}");
}
