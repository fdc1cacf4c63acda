//! A team for tests of the real binary: a folder after `rota init`, a project, tasks, playbooks.

use crate::support::rota::{Rota, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Takes tasks with the tag AI-Suitable every second; the scripted model ends with `ready`.
pub const EVERY_SECOND: &str = r#"
description = "Takes tasks every second."
agent = "AI-Worker"
[on]
cron = "* * * * * *"
[select]
status = "kind:new"
tags = { any = ["AI-Suitable"] }
assignee = "none"
[claim]
[work]
runner = "model"
model = "worker"
prompt = "work.md.hbs"
tools = ["addComment", "finish"]
[outcome.ready]
status = "Done"
done_by = "agent"
comment = "hand-over.md.hbs"
"#;

/// A configuration whose playbooks arm themselves, with a quick tick.
pub const QUICK: &str = r#"
timezone = "Europe/Berlin"
arm = "auto"
[daemon]
tick = "1s"
[models.worker]
kind = "scripted"
script = "model.toml"
[models.reviewer]
kind = "scripted"
script = "model.toml"
"#;

/// A folder after `rota init`, with the project Website and the task 1, which agents may take.
pub fn team() -> Rota {
    let rota = Rota::new();
    rota.run(["init"]).ok();
    rota.run(["project", "add", "Website"]).ok();
    rota.run(["task", "add", "Write it", "--tag", "AI-Suitable", "--acceptance", "It is there"])
        .ok();
    rota
}

/// The same, with only this playbook, which arms itself.
pub fn team_with(name: &str, playbook: &str) -> Rota {
    let rota = team();
    std::fs::remove_dir_all(rota.path().join("agents")).unwrap();
    rota.write(&format!("agents/{name}.toml"), playbook);
    rota.write("rota.toml", QUICK);
    rota
}

/// A playbook by hand whose program works until the file `gate` is there.
pub fn waits_at_gate(rota: &Rota) -> String {
    let gate = rota.path().join("gate");
    format!(
        r#"
description = "Works until the gate opens."
agent = "AI-Worker"
[select]
status = "kind:new"
assignee = "none"
[claim]
[work]
runner = "command"
command = ["sh", "-c", "echo begun; while [ ! -e '{}' ]; do sleep 0.05; done; echo '{{\"outcome\": \"done\", \"summary\": \"through the gate\"}}'"]
[outcome.done]
status = "Ready for Review"
[limits]
attempts = 1
"#,
        gate.display()
    )
}

/// A team whose playbook `gated` waits at a gate.
pub fn gated_team() -> Rota {
    let rota = team();
    std::fs::remove_dir_all(rota.path().join("agents")).unwrap();
    rota.write("agents/gated.toml", &waits_at_gate(&rota));
    rota.write("rota.toml", QUICK);
    rota
}

/// The command's document.
#[track_caller]
pub fn json(rota: &Rota, words: &[&str]) -> Value {
    rota.run(words.iter().copied().chain(["--json"])).ok().json()
}

/// Waits until the task has the status.
#[track_caller]
pub fn until_status(rota: &Rota, task: &str, label: &str) -> Value {
    until(&format!("task {task} in {label}"), || {
        let task = json(rota, &["task", "show", task]);
        (task["status_label"] == label).then_some(task)
    })
}

/// Every file below a folder with its content, and every folder.
pub fn content(folder: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            found.extend(content(&path));
            found.insert(name, None);
        } else {
            // A socket has no content.
            found.insert(name, std::fs::read(&path).ok());
        }
    }
    found
}

/// The names of an object's members, in order of the alphabet.
pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
