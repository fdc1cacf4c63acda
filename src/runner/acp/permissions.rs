//! What an agent asks leave for, judged by the playbook's policy.
//!
//! With `permissions = "playbook"`, allowed is what the playbook allows anyway: the run's own tools
//! (each call passes the guard), a command that is one of `[checks]`, and reading and editing in the
//! workspace. What cannot be judged is rejected. Leave is given once, never for good: the next thing
//! of the kind is asked for again.

use super::shown::{Shown, merged};
use crate::domain::Permissions;
use crate::runner::grant::SERVER_NAME;
use agent_client_protocol::v1::schema::{
    PermissionOption, PermissionOptionKind as Kind, RequestPermissionOutcome,
    RequestPermissionRequest, RequestPermissionResponse, SelectedPermissionOutcome,
    ToolCallUpdateFields, ToolKind,
};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Arguments of agents' own tools that name a file or folder.
const PATHS: &[&str] = &[
    "path",
    "paths",
    "file",
    "files",
    "file_path",
    "filePath",
    "filepath",
    "abs_path",
    "absPath",
    "absolute_path",
    "notebook_path",
    "notebookPath",
    "dir",
    "dir_path",
    "directory",
    "cwd",
    "workdir",
    "source",
    "destination",
    "old_path",
    "new_path",
    "target",
];

/// By what it is judged.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub permissions: Permissions,
    /// The run's tools.
    pub tools: Vec<String>,
    /// The commands of the playbook's checks.
    pub checks: Vec<Vec<String>>,
    /// The agent's own files.
    pub workspace: Option<PathBuf>,
}

/// Answers a request, by the kinds of the options that it offers.
pub(super) fn answer(
    policy: &Policy,
    shown: &Shown,
    ask: RequestPermissionRequest,
    is_cancelled: bool,
) -> RequestPermissionResponse {
    if is_cancelled {
        return RequestPermissionResponse::new(RequestPermissionOutcome::Cancelled);
    }
    let call = merged(shown.call(&ask.tool_call.tool_call_id), ask.tool_call.fields);
    let verdict = policy.judge(&call);
    let chosen = chosen(&ask.options, verdict.is_ok(), policy.permissions);
    let title = call.title.as_deref().unwrap_or("something").chars().take(200).collect::<String>();
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    shown.line(&match verdict {
        Ok(why) => format!("asked for {title}: allowed, {why}"),
        Err(why) => format!("asked for {title}: rejected, {why}"),
    });
    RequestPermissionResponse::new(match chosen {
        Some(option) => RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(
            option.option_id.clone(),
        )),
        // It offers no way to say so.
        None => RequestPermissionOutcome::Cancelled,
    })
}

fn chosen(
    options: &[PermissionOption],
    allows: bool,
    permissions: Permissions,
) -> Option<&PermissionOption> {
    let kinds: &[Kind] = match (allows, permissions) {
        (true, Permissions::Allow) => &[Kind::AllowOnce, Kind::AllowAlways],
        (true, _) => &[Kind::AllowOnce],
        (false, _) => &[Kind::RejectOnce, Kind::RejectAlways],
    };
    let of = |kind: &Kind| options.iter().find(|option| option.kind == *kind);
    // What can only be allowed for good is not.
    kinds.iter().find_map(of).or_else(|| {
        let rejects = [Kind::RejectOnce, Kind::RejectAlways];
        rejects.iter().find_map(of).filter(|_| allows)
    })
}

impl Policy {
    /// Whether it is allowed, and why.
    fn judge(&self, call: &ToolCallUpdateFields) -> Result<&'static str, &'static str> {
        match self.permissions {
            Permissions::Allow => return Ok("as everything is"),
            Permissions::Deny => return Err("as everything is"),
            Permissions::Playbook => {}
        }
        let kind = call.kind.unwrap_or_default();
        match kind {
            ToolKind::Execute => self.judge_command(call),
            ToolKind::Read
            | ToolKind::Search
            | ToolKind::Edit
            | ToolKind::Delete
            | ToolKind::Move => self.judge_files(call),
            ToolKind::Think => Ok("it only thinks"),
            ToolKind::Other if self.is_own_tool(call) => Ok("it is a tool of this run"),
            _ => Err("the playbook says nothing of it"),
        }
    }

    fn judge_command(&self, call: &ToolCallUpdateFields) -> Result<&'static str, &'static str> {
        let input = call.raw_input.as_ref().ok_or("it does not say which command")?;
        let names = |name: &str| {
            input.get(name).is_some_and(|given| match given {
                Value::Object(map) => !map.is_empty(),
                Value::Array(list) => !list.is_empty(),
                other => !other.is_null(),
            })
        };
        // Words that stand elsewhere than in the command would be run behind it.
        let has_more = ["env", "args", "arguments", "argv", "script"].into_iter().any(names);
        if has_more || !self.paths_are_inside(input) {
            return Err("it is not run as the check is");
        }
        let command = input.get("command").or_else(|| input.get("cmd"));
        let is_check = match command {
            Some(Value::String(text)) => self.is_check(text),
            Some(Value::Array(words)) => {
                let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
                words.is_some_and(|words| match words.as_slice() {
                    [shell, "-c" | "-lc", text] if is_shell(shell) => self.is_check(text),
                    words => self.checks.iter().any(|check| check.iter().eq(words.iter())),
                })
            }
            _ => false,
        };
        if is_check {
            Ok("it is a check of the playbook")
        } else {
            Err("it is no check of the playbook")
        }
    }

    /// Word for word: nothing before, nothing behind. Words that a shell would read otherwise than
    /// they stand there are never equal.
    fn is_check(&self, text: &str) -> bool {
        let is_plain = |word: &String| {
            !word.is_empty()
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c))
        };
        self.checks.iter().any(|check| check.iter().all(is_plain) && check.join(" ") == text.trim())
    }

    fn judge_files(&self, call: &ToolCallUpdateFields) -> Result<&'static str, &'static str> {
        let Some(workspace) = &self.workspace else {
            return Err("the playbook has no [workspace]");
        };
        let locations = call.locations.as_deref().unwrap_or_default();
        if locations.is_empty() {
            return Err("it does not say where");
        }
        let are_inside = locations.iter().all(|location| is_inside(workspace, &location.path));
        let input_is = call.raw_input.as_ref().is_none_or(|input| self.paths_are_inside(input));
        if are_inside && input_is {
            Ok("it is in the workspace")
        } else {
            Err("it is outside of the workspace")
        }
    }

    /// Whether every path that the arguments name is the agent's own.
    fn paths_are_inside(&self, input: &Value) -> bool {
        let Value::Object(map) = input else { return true };
        let is_own = |path: &Value| match (path.as_str(), &self.workspace) {
            (Some(path), Some(workspace)) => is_inside(workspace, Path::new(path)),
            (Some(_), None) | (None, _) => false,
        };
        let named =
            map.iter().filter(|(name, value)| PATHS.contains(&name.as_str()) && !value.is_null());
        named.into_iter().all(|(_, value)| match value {
            Value::Array(all) => all.iter().all(is_own),
            one => is_own(one),
        })
    }

    /// Agents write the name of a server's tool each in their own way.
    fn is_own_tool(&self, call: &ToolCallUpdateFields) -> bool {
        let named = [call.name.as_deref(), call.title.as_deref()];
        named.into_iter().flatten().map(str::trim).any(|named| {
            let bare = bare_name(named);
            self.tools.iter().any(|tool| tool == bare)
        })
    }
}

/// The tool's own name, of a name that says that it is the server's.
fn bare_name(named: &str) -> &str {
    if let Some(bare) = named.strip_suffix(" (rota MCP Server)") {
        return bare;
    }
    let named = named.strip_prefix("mcp__").or_else(|| named.strip_prefix("mcp.")).unwrap_or(named);
    let Some(rest) = named.strip_prefix(SERVER_NAME) else { return "" };
    ["__", "/", ".", ":", "_"].iter().find_map(|mark| rest.strip_prefix(mark)).unwrap_or("")
}

fn is_shell(program: &str) -> bool {
    let name = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or_default();
    matches!(name, "sh" | "bash" | "zsh")
}

/// Whether a path lies in a folder, also when links on it are followed. It need not be there yet.
fn is_inside(folder: &Path, path: &Path) -> bool {
    let Ok(folder) = std::fs::canonicalize(folder) else { return false };
    let path = folder.join(path);
    if path.components().any(|part| part == Component::ParentDir) {
        return false;
    }
    // The part of it that is there says where it leads.
    let there = path.ancestors().find(|part| part.symlink_metadata().is_ok());
    there.is_some_and(|there| {
        std::fs::canonicalize(there).is_ok_and(|real| real.starts_with(&folder))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(value: Value) -> ToolCallUpdateFields {
        serde_json::from_value(value).unwrap()
    }

    fn policy(workspace: Option<&Path>) -> Policy {
        Policy {
            permissions: Permissions::Playbook,
            tools: ["getTicket", "finish"].map(str::to_owned).to_vec(),
            checks: vec![["cargo", "test"].map(str::to_owned).to_vec()],
            workspace: workspace.map(Path::to_owned),
        }
    }

    #[test]
    fn of_commands_only_the_checks_are_allowed_word_for_word() {
        let policy = policy(None);
        let allows = |input: Value| {
            policy.judge(&call(json!({ "kind": "execute", "rawInput": input }))).is_ok()
        };
        assert!(allows(json!({ "command": "cargo test" })));
        assert!(allows(json!({ "command": ["cargo", "test"], "env": {} })));
        assert!(allows(json!({ "command": ["/bin/bash", "-lc", "cargo test"] })));
        for command in [
            json!("cargo test; rm -rf /"),
            json!("cargo test && true"),
            json!("cargo  test"),
            json!("cargo"),
            json!("CARGO_HOME=/x cargo test"),
            json!(["cargo", "test", "--", "x"]),
            json!(["python", "-c", "cargo test"]),
            json!(["bash", "-c", "cargo test", "x"]),
            json!(7),
            json!(null),
        ] {
            assert!(!allows(json!({ "command": command })), "{command}");
        }
        assert!(!allows(json!({ "command": "cargo test", "env": { "RUSTC_WRAPPER": "x" } })));
        assert!(!allows(json!({ "command": "cargo test", "cwd": "/" })));
        assert!(!allows(json!({ "command": "cargo test", "args": ["--", "evil"] })));
        assert!(allows(json!({ "command": "cargo test", "args": [] })));
        assert!(policy.judge(&call(json!({ "kind": "execute", "title": "cargo test" }))).is_err());
    }

    #[test]
    fn files_are_allowed_in_the_workspace_alone_whatever_the_path_looks_like() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let own = root.join("own");
        std::fs::create_dir(&own).unwrap();
        std::os::unix::fs::symlink("/etc", own.join("away")).unwrap();
        std::os::unix::fs::symlink(root.join("nowhere"), own.join("dangling")).unwrap();
        std::fs::write(own.join("a.txt"), "a").unwrap();
        let policy = policy(Some(&own));
        let judged = |path: &str, input: Value| {
            let locations = json!([{ "path": path }]);
            let asked = json!({ "kind": "edit", "locations": locations, "rawInput": input });
            policy.judge(&call(asked)).is_ok()
        };
        let inside = own.join("a.txt").display().to_string();
        let new = own.join("src/new.rs").display().to_string();
        assert!(judged(&inside, json!({ "file_path": inside })));
        assert!(judged(&new, json!(null)) && judged("a.txt", json!({ "path": "a.txt" })));
        let outside = root.join("other").display().to_string();
        for path in [&outside, "/etc/passwd", "../other", "away/passwd", "dangling", "src/../../x"]
        {
            assert!(!judged(path, json!(null)), "{path}");
        }
        assert!(!judged(&inside, json!({ "file_path": outside })), "it says one and does another");
        assert!(policy.judge(&call(json!({ "kind": "edit" }))).is_err());
        let elsewhere = Policy { workspace: None, ..policy };
        let asked = json!({ "kind": "read", "locations": [{ "path": inside }] });
        assert!(elsewhere.judge(&call(asked)).is_err());
    }

    #[test]
    fn the_runs_own_tools_are_known_by_every_agents_spelling_and_nothing_else_passes_for_one() {
        let policy = policy(None);
        for named in [
            "mcp__rota__getTicket",
            "rota__finish",
            "rota/getTicket",
            "rota.getTicket",
            "rota:finish",
            "mcp.rota.finish",
            "getTicket (rota MCP Server)",
        ] {
            assert!(policy.judge(&call(json!({ "title": named }))).is_ok(), "{named}");
            let other = json!({ "title": "Look", "name": named, "kind": "other" });
            assert!(policy.judge(&call(other)).is_ok(), "{named}");
            let run = json!({ "title": named, "kind": "execute", "rawInput": { "command": "id" } });
            assert!(policy.judge(&call(run)).is_err(), "{named}");
        }
        for named in
            ["getTicket", "mcp__other__getTicket", "mcp__rota__deleteTicket", "rota", "", "x"]
        {
            assert!(policy.judge(&call(json!({ "title": named }))).is_err(), "{named}");
        }
        for kind in ["fetch", "switch_mode", "other"] {
            assert!(policy.judge(&call(json!({ "kind": kind, "title": "x" }))).is_err(), "{kind}");
        }
    }

    #[test]
    fn an_answer_is_chosen_by_kind_and_never_allows_for_good_by_itself() {
        let options = |kinds: &[&str]| -> Vec<PermissionOption> {
            let of = |kind: &&str| json!({ "optionId": kind, "name": "x", "kind": kind });
            serde_json::from_value(Value::Array(kinds.iter().map(of).collect())).unwrap()
        };
        let all = options(&["allow_always", "reject_always", "allow_once", "reject_once"]);
        let forever = options(&["allow_always", "reject_always"]);
        let (playbook, allow) = (Permissions::Playbook, Permissions::Allow);
        let named = |options: &[PermissionOption], allows, by| {
            chosen(options, allows, by).map(|option| option.option_id.0.to_string())
        };
        assert_eq!(named(&all, true, playbook).as_deref(), Some("allow_once"));
        assert_eq!(named(&all, false, playbook).as_deref(), Some("reject_once"));
        assert_eq!(named(&forever, true, playbook).as_deref(), Some("reject_always"));
        assert_eq!(named(&forever, true, allow).as_deref(), Some("allow_always"));
        assert_eq!(named(&options(&["allow_once"]), false, playbook), None);
        assert_eq!(named(&[], true, allow), None);
    }
}
