//! The table of commands and the tool calls they stand for, and walks over all that can be typed.

use super::commands::report;
use crate::support::backend::{Expected, StrictBackend, TestHouse, expect, type_to};
use clap::CommandFactory as _;
use rota::app::house::Need;
use rota::cli::args::Cli;
use rota::daemon::control::DryRun;
use rota::domain::{Reason, RunState};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) struct Row {
    words: &'static [&'static str],
    tool: &'static str,
    args: Value,
    need: Need,
}
pub(super) fn row(
    words: &'static [&'static str],
    tool: &'static str,
    args: Value,
    need: Need,
) -> Row {
    Row { words, tool, args, need }
}
fn calls() -> Vec<Row> {
    running()
        .into_iter()
        .chain(operating())
        .chain(task_calls())
        .chain(task_changes())
        .chain(project_calls())
        .chain(team_calls())
        .chain(token_calls())
        .chain(super::calls_of_reviews::rows())
        .chain(super::calls_of_teams::rows())
        .collect()
}

fn token_calls() -> Vec<Row> {
    use Need::{Act, Look};
    vec![
        row(&["audit", "verify"], "verifyAudit", json!({}), Look),
        row(&["outbox", "list"], "listOutbox", json!({}), Look),
        row(&["outbox", "retry"], "retryOutbox", json!({}), Act),
        row(&["daemons", "list"], "listDaemons", json!({}), Look),
        row(&["daemons", "drain", "b-1"], "drainDaemon", json!({"daemon": "b-1"}), Act),
        row(&["report", "cost"], "reportCost", json!({"by": "playbook"}), Look),
        row(
            &["report", "cost", "--by", "day", "--since", "-7d"],
            "reportCost",
            json!({"by": "day", "since": "-7d"}),
            Look,
        ),
        row(
            &[
                "token",
                "create",
                "laptop",
                "--person",
                "Bob",
                "--role",
                "editor",
                "--tool",
                "get*",
                "--project",
                "Website",
                "--expires",
                "90d",
            ],
            "createToken",
            json!({"name": "laptop", "person": "Bob", "role": "editor", "tools": ["get*"],
                   "projects": ["Website"],
                   "expires": "90d"}),
            Act,
        ),
        row(
            &["token", "create", "ci", "--service"],
            "createToken",
            json!({"name": "ci", "service": true}),
            Act,
        ),
        row(&["token", "list"], "listTokens", json!({}), Look),
        row(
            &["token", "rotate", "ci", "--overlap", "24h"],
            "rotateToken",
            json!({"token": "ci", "overlap": "24h"}),
            Act,
        ),
        row(&["token", "revoke", "ci"], "revokeToken", json!({"token": "ci"}), Act),
        row(&["sessions", "list"], "listSessions", json!({}), Look),
        row(&["sessions", "end"], "endSessions", json!({}), Act),
        row(
            &["sessions", "end", "8d3kq1v7xw2mz", "--person", "Bob"],
            "endSessions",
            json!({"session": "8d3kq1v7xw2mz", "person": "Bob"}),
            Act,
        ),
    ]
}

fn running() -> Vec<Row> {
    use Need::{Act, Look, Rehearse};
    vec![
        row(&["run-once", "daily-digest"], "runPlaybook", json!({"playbook": "daily-digest"}), Act),
        row(
            &["run-once", "x", "--task", "7", "--at", "2026-07-01T08:00", "--set", "a=b=c"],
            "runPlaybook",
            json!({"playbook": "x", "task": 7, "at": "2026-07-01T06:00:00Z", "set": {"a": "b=c"}}),
            Act,
        ),
        row(
            &["run-once", "x", "--dry-run", "--execute"],
            "runPlaybook",
            json!({"playbook": "x"}),
            Rehearse,
        ),
        row(&["next"], "nextOccurrences", json!({"count": 10}), Look),
        row(
            &["next", "x", "-n", "3", "--from", "2026-03-29", "--to", "2026-03-30T00:00:00Z"],
            "nextOccurrences",
            json!({"playbook": "x", "count": 3, "from": "2026-03-28T23:00:00Z",
                   "to": "2026-03-30T00:00:00Z"}),
            Look,
        ),
        row(
            &["why", "7", "--at", "2026-01-01T00:00:00+01:00"],
            "whyNot",
            json!({"subject": "7", "at": "2025-12-31T23:00:00Z"}),
            Look,
        ),
    ]
}

fn operating() -> Vec<Row> {
    use Need::{Act, Look};
    vec![
        row(&["runs", "list"], "listRuns", json!({"limit": 20}), Look),
        row(
            &[
                "runs",
                "list",
                "--playbook",
                "x",
                "--task",
                "7",
                "--in-state",
                "timed_out",
                "-n",
                "5",
            ],
            "listRuns",
            json!({"playbook": "x", "task": 7, "state": "timed_out", "limit": 5}),
            Look,
        ),
        row(&["runs", "show", "r-1"], "showRun", json!({"run": "r-1"}), Look),
        row(
            &["runs", "show", "r-1", "--effects", "5", "--effects-before", "201"],
            "showRun",
            json!({"run": "r-1", "effects": 5, "effectsBefore": 201}),
            Look,
        ),
        row(&["runs", "follow", "r-1"], "followRun", json!({"run": "r-1"}), Look),
        row(&["runs", "stop", "r-1"], "stopRun", json!({"run": "r-1"}), Act),
        row(&["runs", "undo", "r-1"], "undoRun", json!({"run": "r-1"}), Act),
        row(
            &["runs", "undo", "r-1", "--dry-run"],
            "undoRun",
            json!({"run": "r-1", "dryRun": true}),
            Look,
        ),
        row(&["claims", "list"], "listClaims", json!({}), Look),
        row(
            &["claims", "release", "7", "--reason", "stuck"],
            "releaseClaim",
            json!({"task": 7, "reason": "stuck"}),
            Act,
        ),
        row(&["arm", "x"], "armPlaybook", json!({"playbook": "x"}), Act),
        row(&["pause", "x"], "pausePlaybook", json!({"playbook": "x"}), Act),
        row(&["resume", "x"], "resumePlaybook", json!({"playbook": "x"}), Act),
        row(&["status"], "getStatus", json!({}), Look),
        row(&["playbooks"], "listPlaybooks", json!({}), Look),
        row(&["backup", "x.tar"], "exportLedger", json!({}), Look),
        row(&["open"], "openPages", json!({}), Act),
    ]
}

fn task_calls() -> Vec<Row> {
    use Need::{Act, Look};
    vec![
        row(
            &[
                "task",
                "add",
                "Write it",
                "-p",
                "Web",
                "-t",
                "a",
                "-t",
                "b",
                "--due",
                "+3d",
                "--assign",
                "Ada",
                "--priority",
                "2",
                "--acceptance",
                "it is there",
            ],
            "addTask",
            json!({"headline": "Write it", "projectId": "Web", "tags": ["a", "b"],
                   "dateToFinish": "+3d", "editorId": "Ada", "priority": 2,
                   "acceptanceCriteria": "it is there"}),
            Act,
        ),
        row(
            &["task", "add", "A part", "--parent", "7"],
            "addSubtask",
            json!({"headline": "A part", "parentTicket": 7}),
            Act,
        ),
        row(&["task", "list"], "findTasks", json!({"status": ["open"], "limit": 50}), Look),
        row(
            &[
                "task",
                "list",
                "-p",
                "Web",
                "-p",
                "3",
                "-s",
                "kind:blocked",
                "-a",
                "none",
                "-t",
                "x",
                "--due-from",
                "today",
                "--due-to",
                "+1w",
                "--text",
                "logo",
                "-n",
                "5",
            ],
            "findTasks",
            json!({"projectIds": ["Web", 3], "status": ["kind:blocked"], "assignee": "none",
                   "tags": ["x"], "dueFrom": "today", "dueTo": "+1w", "text": "logo", "limit": 5}),
            Look,
        ),
    ]
}

fn task_changes() -> Vec<Row> {
    use Need::{Act, Look};
    vec![
        row(&["task", "show", "7"], "getTicket", json!({"id": 7}), Look),
        row(
            &[
                "task",
                "edit",
                "7",
                "--status",
                "In Progress",
                "--due",
                "none",
                "--add-tag",
                "x",
                "--remove-tag",
                "y",
                "--effort",
                "3",
                "--headline",
                "New",
            ],
            "editTask",
            json!({"id": 7, "params": {"status": "In Progress", "dateToFinish": null,
                   "addTags": ["x"], "removeTags": ["y"], "effort": 3.0, "headline": "New"}}),
            Act,
        ),
        row(
            &["task", "comment", "7", "Hello"],
            "addComment",
            json!({"module": "ticket", "entityId": 7, "text": "Hello"}),
            Act,
        ),
        row(&["task", "delete", "7", "--yes"], "deleteTask", json!({"id": 7}), Act),
    ]
}

fn project_calls() -> Vec<Row> {
    use Need::{Act, Look};
    vec![
        row(
            &["project", "add", "Web", "--details", "The site", "--label", "To do=new"],
            "addProject",
            json!({"name": "Web", "details": "The site",
                   "statuses": [{"label": "To do", "kind": "new"}]}),
            Act,
        ),
        row(
            &["project", "add", "App"],
            "addProject",
            json!({"name": "App", "statuses": [
                {"label": "New", "kind": "new"},
                {"label": "In Progress", "kind": "in_progress"},
                {"label": "Blocked", "kind": "blocked"},
                {"label": "Ready for Review", "kind": "waiting"},
                {"label": "Changes Requested", "kind": "in_progress"},
                {"label": "Approved", "kind": "waiting"},
                {"label": "Waiting for Approval", "kind": "waiting"},
                {"label": "Done", "kind": "done"}
            ]}),
            Act,
        ),
        row(&["project", "list"], "getAllProjects", json!({}), Look),
        row(
            &["project", "list", "--closed"],
            "getAllProjects",
            json!({"showClosedProjects": true}),
            Look,
        ),
        row(&["project", "show", "3"], "getProject", json!({"projectId": 3}), Look),
        row(
            &["project", "edit", "Web", "--close", "--name", "Site"],
            "editProject",
            json!({"id": "Web", "state": 1, "name": "Site"}),
            Act,
        ),
        row(
            &["project", "update", "Web", "yellow", "Late"],
            "addProjectStatusUpdate",
            json!({"projectId": "Web", "status": "yellow", "text": "Late"}),
            Act,
        ),
    ]
}

fn team_calls() -> Vec<Row> {
    use Need::{Act, Look};
    vec![
        row(&["upstream", "list"], "listUpstreamTools", json!({}), Look),
        row(
            &["upstream", "accept", "calendar:list_events", "--fingerprint", "9f2c"],
            "acceptUpstreamTools",
            json!({"server": "calendar", "tools": {"list_events": "9f2c"}}),
            Act,
        ),
        row(&["person", "list"], "listPeople", json!({}), Look),
        row(
            &["person", "add", "AI-Writer", "--agent", "--email", "a@b.c", "--role", "manager"],
            "addPerson",
            json!({"name": "AI-Writer", "kind": "agent", "email": "a@b.c", "role": "manager"}),
            Act,
        ),
        row(
            &["milestone", "list", "-p", "Web", "--open"],
            "findMilestones",
            json!({"projectId": ["Web"], "done": false}),
            Look,
        ),
        row(
            &["milestone", "add", "Launch", "-p", "3", "--to", "+7d", "--assign", "Ada"],
            "addMilestone",
            json!({"headline": "Launch", "projectId": 3, "editFrom": "today", "editTo": "+7d",
                   "editorId": "Ada"}),
            Act,
        ),
    ]
}

#[tokio::test]
async fn every_command_makes_the_tool_call_it_stands_for() {
    for row in calls() {
        let value = match row.tool {
            "runPlaybook" => report(RunState::Succeeded, Reason::Done),
            _ => json!({"ok": true}),
        };
        let dry_run = (row.need == Need::Rehearse).then_some(DryRun { execute: true });
        let call = Expected { dry_run, ..expect(row.tool, row.args, value) };
        let backend = StrictBackend::expecting([call]);
        let house = Arc::new(TestHouse { backend: Arc::clone(&backend), ..TestHouse::default() });
        let typed = type_to(Arc::clone(&house) as _, row.words).await;
        assert_eq!(typed.code, 0, "{:?} {typed:?}", row.words);
        assert_eq!(*house.opened.lock().unwrap(), [row.need], "{:?}", row.words);
        assert_eq!(backend.finish(), 1, "{:?} did not close what it opened", row.words);
    }
}

/// Commands that make no tool call of their own, or only to a daemon.
const WITHOUT_CALL: &str = "demo,init,serve,check,stop-all,start-all,board import,board export,mcp,\
                            bridge,doctor,leantime add-agent,schema,completions,man,restore,migrate,\
                            service install,service uninstall,service status";

/// The paths of all commands that have no commands below them.
fn leaves(command: &clap::Command, path: &str) -> BTreeSet<String> {
    let below: Vec<_> = command.get_subcommands().collect();
    if below.is_empty() {
        return BTreeSet::from([path.to_owned()]);
    }
    below
        .into_iter()
        .flat_map(|sub| leaves(sub, format!("{path} {}", sub.get_name()).trim()))
        .collect()
}

#[test]
fn no_command_is_missing_from_the_table_of_calls() {
    let mut known: BTreeSet<String> = WITHOUT_CALL.split(',').map(str::to_owned).collect();
    for row in calls() {
        let two = matches!(
            row.words[0],
            "runs"
                | "claims"
                | "review"
                | "audit"
                | "outbox"
                | "daemons"
                | "report"
                | "task"
                | "project"
                | "person"
                | "milestone"
                | "sprint"
                | "member"
                | "token"
                | "sessions"
                | "upstream"
        );
        known.insert(row.words[..if two { 2 } else { 1 }].join(" "));
    }
    assert_eq!(leaves(&Cli::command(), ""), known);
}

#[test]
fn every_command_has_help_with_an_example_and_clap_finds_no_fault() {
    fn walk(command: &clap::Command, path: &str) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Example"), "{path} has no example");
        assert!(help.contains(&format!("rota {}", path.trim())), "{path}: {help}");
        assert!(command.get_about().is_some(), "{path} does not say what it does");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path} {} has no help", argument.get_id());
        }
        for sub in command.get_subcommands() {
            walk(sub, &format!("{path} {}", sub.get_name()));
        }
    }
    Cli::command().debug_assert();
    walk(&Cli::command(), "");
}

#[test]
fn every_example_in_the_help_can_be_typed() {
    fn walk(command: &clap::Command, examples: &mut Vec<String>) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = help.lines().filter_map(|line| line.strip_prefix("  rota "));
        examples.extend(lines.map(str::to_owned));
        for sub in command.get_subcommands() {
            walk(sub, examples);
        }
    }
    let mut examples = Vec::new();
    walk(&Cli::command(), &mut examples);
    assert!(examples.len() > 25, "{examples:?}");
    for example in examples {
        let line = example.split(['>', '|']).next().unwrap();
        let words = words_of(line);
        let parsed =
            Cli::command().try_get_matches_from(std::iter::once("rota".to_owned()).chain(words));
        assert!(parsed.is_ok(), "{example}: {parsed:?}");
    }
}

/// The words of a line, where double quotes hold some together.
fn words_of(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, part) in line.split('"').enumerate() {
        if place % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
