//! A person's code is reviewed by the real binary, in rounds: the reviewer looks with its tools for code,
//! asks for changes, hears the answer, looks at what was pushed, and approves by evidence.

use super::team::{QUICK, json, team_with, until_status};
use crate::support::den::{git, has_git, has_sandbox};
use crate::support::rota::{Rota, until};
use serde_json::Value;
use std::path::{Path, PathBuf};

const PROMPT: &str = "task_id: {{task.id}}\nround: {{review.round}}\nsince: {{review.since}}\n\
                      {{#each review.open_findings}}open {{number}} at {{place}}: {{text}}\n{{/each}}\
                      {{#each review.answers}}answer: {{text}}\n{{/each}}";

const SCRIPT: &str = r#"
[[conversation]]
match = ["round: 2", "open 1 at main.rs:2: It may panic.", "answer: It cannot any more."]
[[conversation.turn]]
call = [{ tool = "codeDiff", args = { since = "${since}" } }]
[[conversation.turn]]
expect = "unwrap_or_default"
call = [
  { tool = "codeComment", args = { settles = 1 } },
  { tool = "codeComment", args = { file = "main.rs", line = 1, severity = "note", text = "A better name would help." } },
  { tool = "runCheck", args = { name = "tests" } },
]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "approved", summary = "It is safe now." } }]

[[conversation]]
match = ["round: 1"]
[[conversation.turn]]
call = [{ tool = "codeDiff", args = {} }, { tool = "codeRead", args = { path = "main.rs" } }]
[[conversation.turn]]
expect = "unwrap()"
call = [{ tool = "codeComment", args = { file = "main.rs", line = 2, severity = "major", text = "It may panic.", suggestion = "Handle the error." } }]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "changes_requested", summary = "One thing." } }]
"#;

fn playbook(site: &Path) -> String {
    format!(
        r#"
description = "Reviews code."
agent = "AI-Reviewer"
[on]
cron = "* * * * * *"
[select]
status = "Ready for Review"
[claim]
status = "Ready for Review"
[workspace]
source = {{ git = "{}", ref = "feature" }}
link = "https://git.example/site/blob/{{commit}}/{{path}}#L{{line}}"
[checks]
tests = {{ command = ["grep", "-q", "unwrap_or_default", "main.rs"] }}
[work]
runner = "model"
model = "reviewer"
prompt = "look.md.hbs"
tools = ["code*", "runCheck", "finish"]
[outcome.approved]
requires = ["check:tests"]
status = "Approved"
comment = "review-approved.md.hbs"
[outcome.changes_requested]
status = "Changes Requested"
comment = "review-changes.md.hbs"
[review]
rounds = 3
"#,
        site.display()
    )
}

fn commit(site: &Path, text: &str) -> String {
    std::fs::write(site.join("main.rs"), text).unwrap();
    git(site, &["add", "."]);
    git(site, &["commit", "-q", "-m", "work"]);
    git(site, &["rev-parse", "HEAD"])
}

/// A repository whose branch `feature` has something to find.
fn repository(rota: &Rota) -> (PathBuf, String) {
    let site = rota.path().canonicalize().unwrap().join("site");
    std::fs::create_dir(&site).unwrap();
    git(&site, &["init", "-q", "-b", "main"]);
    commit(&site, "fn main() {\n}\n");
    git(&site, &["switch", "-qc", "feature"]);
    let first = commit(&site, "fn main() {\n    read().unwrap();\n}\n");
    (site, first)
}

/// What a run noted, by its journal.
fn noted(rota: &Rota, run: &Value) -> Vec<(u64, bool)> {
    let shown = json(rota, &["runs", "show", run["id"].as_str().unwrap()]);
    let effects = shown["effects"].as_array().unwrap().iter();
    effects
        .filter(|effect| effect["tool"] == "codeComment")
        .map(|effect| &effect["result"]["done"]["after"])
        .map(|after| (after["number"].as_u64().unwrap(), after["is_settled"] == true))
        .collect()
}

#[test]
fn a_persons_code_is_looked_at_mended_and_approved_by_what_its_checks_show() {
    if !has_git() || !has_sandbox() {
        return;
    }
    let rota = team_with("code-review", "");
    let (site, first) = repository(&rota);
    rota.write("rota.toml", QUICK);
    rota.write("agents/code-review.toml", &playbook(&site));
    rota.write("templates/look.md.hbs", PROMPT);
    rota.write("model.toml", SCRIPT);
    rota.run(["check"]).ok();
    rota.run(["task", "edit", "1", "--status", "Ready for Review"]).ok();
    let serving = rota.serve(Vec::<&str>::new());
    let task = until_status(&rota, "1", "Changes Requested").to_string();
    for part in ["main.rs:2", "It may panic.", "Handle the error.", "major"] {
        assert!(task.contains(part), "{part} is missing in {task}");
    }
    assert!(task.contains(&format!("https://git.example/site/blob/{first}/main.rs#L2")), "{task}");
    let second = commit(&site, "fn main() {\n    read().unwrap_or_default();\n}\n");
    rota.run(["task", "comment", "1", "It cannot any more."]).ok();
    let task = until_status(&rota, "1", "Approved").to_string();
    assert!(task.contains("A better name would help."), "{task}");
    assert!(task.contains(&format!("blob/{second}/main.rs#L1")), "the workspace followed: {task}");
    let runs = until("both looks have ended", || {
        let runs = json(&rota, &["runs", "list", "--task", "1"])["items"].clone();
        (runs.as_array().unwrap().iter().all(|run| run["state"] == "succeeded")).then_some(runs)
    });
    assert_eq!(runs.as_array().unwrap().len(), 2, "{runs:#}");
    assert_eq!(noted(&rota, &runs[1]), [(1, false)]);
    assert_eq!(noted(&rota, &runs[0]), [(1, true), (2, false)]);
    assert_eq!(serving.stop(), 0);
}
