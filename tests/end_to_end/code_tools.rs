//! Tools for the workspace, in runs of the real binary: what a check came to is evidence, what the work
//! says of it is none; and an agent outside of the daemon has the same tools by its run token.

use super::team::{json, team_with};
use crate::mcp::Client;
use crate::support::den::{git, has_git, has_sandbox, runs};
use crate::support::rota::{Rota, until};
use serde_json::{Value, json as value};
use std::path::PathBuf;

/// Steps that call these checks and then say that the tests passed.
fn steps(checks: &[&str]) -> String {
    let calls = checks
        .iter()
        .map(|name| format!("[[step]]\ntool = \"runCheck\"\nargs = {{ name = \"{name}\" }}\n"));
    format!(
        r#"
description = "Checks its work."
agent = "AI-Worker"
[select]
status = "kind:new"
tags = {{ any = ["AI-Suitable"] }}
[claim]
[workspace]
[checks]
tests = {{ command = ["sh", "-c", "test -e mended"] }}
mend = {{ command = ["touch", "mended"] }}
break = {{ command = ["rm", "mended"] }}
[work]
runner = "steps"
tools = ["runCheck", "finish"]
{}
[[step]]
tool = "finish"
args = {{ outcome = "done", summary = "All tests pass.", evidence = ["check:tests passed"] }}
[outcome.done]
requires = ["check:tests"]
status = "Ready for Review"
[limits]
attempts = 1
"#,
        calls.collect::<String>()
    )
}

fn ended(checks: &[&str]) -> (Rota, Value) {
    let rota = team_with("worker", &steps(checks));
    let report = rota.run(["run-once", "worker", "--json"]).json();
    (rota, report)
}

#[test]
fn a_check_that_fails_is_mended_and_passes_is_evidence() {
    if !has_sandbox() {
        return;
    }
    let (rota, report) = ended(&["tests", "mend", "tests"]);
    assert_eq!(report["state"], "succeeded", "{report:#}");
    assert_eq!(json(&rota, &["task", "show", "1"])["status_label"], "Ready for Review");
    let runs = json(&rota, &["runs", "list"]);
    let id = runs["items"][0]["id"].as_str().unwrap();
    let shown = json(&rota, &["runs", "show", id]);
    let effects = shown["effects"].as_array().unwrap();
    let passed: Vec<&Value> = effects
        .iter()
        .filter(|effect| effect["tool"] == "runCheck" && effect["args"]["name"] == "tests")
        .map(|effect| &effect["result"]["done"]["after"]["passed"])
        .collect();
    assert_eq!(passed, [false, true], "{shown:#}");
    // There is nothing of it to take back, and nothing stands in the way of the rest.
    let undone = rota.run(["runs", "undo", id, "--json"]).json();
    let items = undone["items"].as_array().unwrap();
    let checks = items.iter().filter(|item| item["tool"] == "runCheck");
    assert!(checks.map(|item| &item["state"]).all(|state| state == "nothing"), "{undone:#}");
}

#[test]
fn what_the_work_only_says_of_its_checks_is_no_evidence() {
    if !has_sandbox() {
        return;
    }
    for checks in [&[][..], &["tests"], &["mend"], &["mend", "tests", "break", "tests"]] {
        let (rota, report) = ended(checks);
        assert_eq!(report["state"], "unverified", "{checks:?}: {report:#}");
        let task = json(&rota, &["task", "show", "1"]);
        assert_eq!(task["status_label"], "New", "{checks:?}: it is not moved");
    }
}

#[test]
fn tools_for_a_workspace_that_is_not_there_are_faults() {
    let whole = steps(&["tests"]);
    let files = &whole[whole.find("[workspace]").unwrap()..whole.find("[work]").unwrap()];
    for (change, by, told) in [
        (files, "", "`runCheck` is for a workspace, and there is none"),
        ("\"check:tests\"]\nstatus", "\"check:test\"]\nstatus", "there is no check `test`"),
        ("[\"runCheck\", \"finish\"]", "[\"codeRead\", \"runCheck\", \"finish\"]", ""),
    ] {
        let rota = team_with("worker", &whole.replace(change, by));
        let checked = rota.run(["check"]);
        assert!(checked.out.contains(told) || checked.err.contains(told), "{checked:#?}");
        assert_eq!(checked.code == 0, told.is_empty(), "{checked:#?}");
    }
}

/// A program that works until the file `gate` is in its workspace.
const GATED: &str = r#"
description = "Works until the gate opens."
agent = "AI-Worker"
[select]
status = "kind:new"
[claim]
[workspace]
source = { git = "SITE" }
[checks]
tests = { command = ["sh", "-c", "test -e mended"] }
[work]
runner = "command"
command = ["sh", "-c", "touch begun; while [ ! -e gate ]; do sleep 0.05; done; touch over", "{{mcp_config}}"]
tools = ["code*", "runCheck", "finish"]
[outcome.done]
requires = ["check:tests", "tool:codeComment"]
status = "Ready for Review"
[limits]
attempts = 1
idle = "20s"
"#;

fn client(rota: &Rota, serving: &crate::support::rota::Serving) -> Client {
    let room = rota.state().join("workspaces/.rooms/main-1");
    let config: Value = until("a configuration", || {
        // In one of the folders that are the run's own.
        let own = std::fs::read_dir(&room).ok()?.flatten();
        let runs = own.filter_map(|own| std::fs::read_dir(own.path()).ok()).flatten().flatten();
        let mut found = runs.filter_map(|run| std::fs::read(run.path().join("mcp.json")).ok());
        found.find_map(|text| serde_json::from_slice(&text).ok())
    });
    let server = &config["mcpServers"]["rota"];
    let bearer = server["headers"]["Authorization"].as_str().unwrap();
    let mut client = Client::of(serving, bearer.strip_prefix("Bearer "));
    client.url = server["url"].as_str().unwrap().to_owned();
    client
}

#[tokio::test]
async fn an_agent_outside_has_the_same_tools_by_its_run_token_and_outlives_its_checks() {
    if !has_sandbox() || !has_git() {
        return;
    }
    let rota = team_with("gated", "");
    let site: PathBuf = rota.path().join("site");
    std::fs::create_dir(&site).unwrap();
    git(&site, &["init", "-q", "-b", "main"]);
    std::fs::write(site.join("README"), "read me\n").unwrap();
    git(&site, &["add", "."]);
    git(&site, &["commit", "-qm", "first"]);
    let site = site.canonicalize().unwrap();
    rota.write("agents/gated.toml", &GATED.replace("SITE", site.to_str().unwrap()));
    let serving = rota.serve(Vec::<&str>::new());
    let words = ["run-once", "gated", "--task", "1"];
    let child = rota.command(words).stdout(std::process::Stdio::null()).spawn().unwrap();
    drop(std::thread::spawn(move || child.wait_with_output()));
    let client = client(&rota, &serving);
    let tree = rota.state().join("workspaces/main-1");
    until("the program works", || tree.join("begun").exists().then_some(()));
    let listed = client.ask("tools/list", value!({})).await.result();
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    let code = [
        "codeBlame",
        "codeComment",
        "codeDiff",
        "codeList",
        "codeLog",
        "codeRead",
        "codeSearch",
        "finish",
        "runCheck",
    ];
    assert_eq!(names, code);
    let of = |called: Value| called["structuredContent"].clone();
    let read = of(client.call("codeRead", value!({ "path": "README" })).await);
    assert_eq!(read["text"], "read me\n", "{read:#}");
    let failed = of(client.call("runCheck", value!({ "name": "tests" })).await);
    assert_eq!(failed["passed"], false, "{failed:#}");
    std::fs::write(tree.join("mended"), "").unwrap();
    let passed = of(client.call("runCheck", value!({ "name": "tests" })).await);
    assert_eq!(passed["passed"], true, "{passed:#}");
    let diff = of(client.call("codeDiff", value!({ "stat": true })).await);
    assert!(diff["text"].as_str().unwrap().contains("mended"), "{diff:#}");
    let finding = value!({ "file": "README", "line": 1, "severity": "minor", "text": "Say more." });
    assert_eq!(of(client.call("codeComment", finding).await)["number"], 1);
    let end = value!({ "outcome": "done", "summary": "Done." });
    client.call("finish", end).await;
    std::fs::write(tree.join("gate"), "").unwrap();
    super::team::until_status(&rota, "1", "Ready for Review");
    assert!(tree.join("over").exists(), "a check ended the program of its run");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_daemon_that_dies_while_a_check_runs_leaves_nothing_of_it_and_the_next_attempt_goes_on() {
    if !has_sandbox() {
        return;
    }
    let slow = "test -e again || { touch again; echo $$ >pid; sleep 600; }";
    let text = steps(&["tests"])
        .replace("\"test -e mended\"", &format!("\"{slow}\""))
        .replace("attempts = 1", "attempts = 2\nbackoff = \"1s..1s\"");
    let rota = team_with("worker", &text);
    let mut command = rota.command(["run-once", "worker"]);
    let mut daemon = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = Rota::wait_for_file(&rota.state().join("workspaces/main-1/pid"));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    until("the check ends with its daemon", || (!runs(&pid)).then_some(()));
    let serving = rota.serve(Vec::<&str>::new());
    super::team::until_status(&rota, "1", "Ready for Review");
    assert_eq!(serving.stop(), 0);
    let runs = json(&rota, &["runs", "list"]);
    let states: Vec<&str> = runs["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["succeeded", "interrupted"], "{runs:#}");
    let first = json(&rota, &["runs", "show", runs["items"][1]["id"].as_str().unwrap()]);
    let effects = first["effects"].as_array().unwrap();
    let check = effects.iter().find(|effect| effect["tool"] == "runCheck").unwrap();
    assert_eq!(check["result"]["failed"]["code"], "interrupted", "{check:#}");
}
