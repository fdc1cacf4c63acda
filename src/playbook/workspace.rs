//! `[workspace]` and `[checks]`: where work has its files, and what may be run there by name.

use super::keys;
use super::read::template;
use super::words;
use crate::domain::{
    Check, HostPort, SandboxLevel, WorkspaceHooks, WorkspaceRules, WorkspaceSource, check_link,
    check_repository,
};
use crate::fault::table::Table;
use crate::template::vocabulary;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest time of a hook or a check.
const TIME_MAX: Duration = Duration::from_hours(24);

/// `[workspace]`, if it is there.
pub(super) fn workspace(root: &Table<'_, '_>) -> Option<WorkspaceRules> {
    let table = root.table("workspace");
    let second = Duration::from_secs(1);
    let source_table = table.table("source");
    let source = source_table.is_present().then(|| source(&source_table)).flatten();
    let rules = WorkspaceRules {
        source,
        repositories: table.items("repositories", false, repository).unwrap_or_default(),
        hooks: WorkspaceHooks {
            after_create: table.needed_if_written("after_create"),
            before_run: table.needed_if_written("before_run"),
            after_run: table.needed_if_written("after_run"),
            before_remove: table.needed_if_written("before_remove"),
        },
        hook_time: table.duration("hook_time", second..=TIME_MAX).unwrap_or(Duration::from_mins(1)),
        hosts: table.items("hosts", false, str::parse::<HostPort>).unwrap_or_default(),
        sandbox: table.choice("sandbox", &SandboxLevel::ALL).unwrap_or_default(),
        link: table.parsed("link", |text| check_link(text).map(|()| text.to_owned())),
    };
    if table.has("hosts") && !rules.hosts.is_empty() && rules.sandbox != SandboxLevel::Strict {
        let message = "`hosts` has no meaning: only the sandbox `strict` keeps the others off";
        table.add(table.fault("hosts", message).as_warning());
    }
    table.finish(keys::elsewhere);
    if !table.is_present() {
        return None;
    }
    if !root.has("select") {
        let fault = root.fault("workspace", "a workspace belongs to a task: [select] is missing");
        root.add(fault.with_help("write [select], or leave [workspace] out"));
    }
    Some(rules)
}

fn source(table: &Table<'_, '_>) -> Option<WorkspaceSource> {
    let git = table.checked("git", template(vocabulary::args));
    let path = table.needed_if_written("path");
    let reference = table.checked("ref", template(vocabulary::args));
    if let Some(git) = git.as_deref().filter(|git| !git.contains("{{"))
        && let Err(why) = check_repository(git, true)
    {
        table.add(table.fault("git", format!("`git`: {why}")));
    }
    match (table.has("git"), table.has("path")) {
        (true, true) => table.add(table.fault("path", "write `git` or `path`, not both")),
        (false, false) => {
            let fault = table.own_fault("`source` names neither `git` nor `path`");
            table.add(fault.with_help("write `source = { git = \"https://…\" }`"));
        }
        _ => {}
    }
    table.finish(keys::elsewhere);
    let is_path = git.is_none();
    Some(WorkspaceSource { repository: git.or(path)?, is_path, reference })
}

/// A pattern of `repositories`.
fn repository(text: &str) -> Result<String, String> {
    let as_if = text.replace('*', "x");
    check_repository(&as_if, true).map_err(str::to_owned)?;
    if text.split(['/', ':']).nth(1).is_none() || text.matches('*').count() > 4 {
        return Err("expected an address, with `*` for one part of its path".to_owned());
    }
    Ok(text.to_owned())
}

/// `[checks]`.
pub(super) fn checks(root: &Table<'_, '_>) -> BTreeMap<String, Check> {
    let table = root.table("checks");
    let mut out = BTreeMap::new();
    for (name, table) in table.named() {
        if words::name(&name).is_err() {
            table.add(table.own_fault("a check's name has small letters, digits, - and _"));
        }
        if !table.has("command") {
            let fault = table.own_fault("`command` is missing");
            table.add(fault.with_help("write `command = [\"cargo\", \"test\"]`"));
        }
        let command = table.texts("command", false).unwrap_or_default();
        if table.has("command") && command.first().is_none_or(|program| program.trim().is_empty()) {
            table.add(table.fault("command", "`command` names no program"));
        }
        let second = Duration::from_secs(1);
        let time = table.duration("time", second..=TIME_MAX).unwrap_or(Duration::from_mins(10));
        table.finish(keys::elsewhere);
        out.insert(name, Check { command, time });
    }
    if table.is_present() && !root.has("workspace") {
        let fault = root.fault("checks", "checks are run in a workspace: [workspace] is missing");
        root.add(fault.with_help("write [workspace], or leave [checks] out"));
    }
    out
}
