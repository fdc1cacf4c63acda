//! `[work]` and `[[step]]`: how a playbook works.

use super::{keys, no_args, read, words};
use crate::domain::{Permissions, Step, Work};
use crate::expression::STEP_NAMES;
use crate::fault::table::Table;
use crate::template::vocabulary;

/// The most steps of a playbook.
const STEPS_MAX: usize = 100;

/// What a program's arguments may speak of: nothing that comes from the board.
fn command_names() -> Vec<&'static str> {
    vec!["agent", "playbook", "run", "claim", "now", "zone", "mcp_config", "mcp_url"]
}

const PERMISSIONS: [(&str, Permissions); 3] = [
    ("playbook", Permissions::Playbook),
    ("deny", Permissions::Deny),
    ("allow", Permissions::Allow),
];

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runner {
    Model,
    Command,
    Acp,
    Steps,
    Unknown,
}

pub(super) fn read(root: &Table<'_, '_>) -> Vec<Step> {
    let tables = root.tables("step");
    if tables.len() > STEPS_MAX {
        root.add(root.fault("step", format!("there are more than {STEPS_MAX} steps")));
    }
    tables.iter().take(STEPS_MAX).map(step).collect()
}

fn step(table: &Table<'_, '_>) -> Step {
    let each = table.checked("each", |text| {
        let text = text.trim();
        let inside = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        if inside.is_none_or(|inside| inside.contains("{{") || inside.contains("}}")) {
            return Err((0, "must be exactly one name, such as \"{{gathered.tasks}}\"".to_owned()));
        }
        read::template(vocabulary::args)(text)
    });
    let step = Step {
        each,
        when: table.checked("when", read::condition(&STEP_NAMES)),
        tool: table.needed_text("tool").unwrap_or_default(),
        args: table.args("args", read::template(vocabulary::args)).unwrap_or_else(no_args),
        once: table.checked("once", |text| {
            if text.trim().is_empty() {
                return Err((0, "is empty".to_owned()));
            }
            read::template(vocabulary::args)(text)
        }),
    };
    table.finish(keys::elsewhere);
    step
}

/// The work, the family of the model behind its program, and the tools it may call.
pub(super) fn work(
    root: &Table<'_, '_>,
    table: &Table<'_, '_>,
    steps: Vec<Step>,
) -> (Work, Option<String>, Vec<String>) {
    let runner = runner(table, !steps.is_empty());
    let tools = table.items("tools", false, tool).unwrap_or_else(|| {
        let mut tools: Vec<String> = steps.iter().map(|step| step.tool.clone()).collect();
        tools.sort();
        tools.dedup();
        tools
    });
    let permissions = table.choice("permissions", &PERMISSIONS);
    let model = table.needed_if_written("model");
    let prompt = table.needed_if_written("prompt");
    let command = command(table);
    let family = table.parsed("family", words::family);
    let env = table.items("env", false, variable);
    let _ = table.choice("input", &[("stdin", ())]);
    let only = |key: &'static str, runners: &[Runner], names: &str| {
        if table.has(key) && runner != Runner::Unknown && !runners.contains(&runner) {
            table.add(table.fault(key, format!("`{key}` is for {names} only")));
        }
    };
    only("model", &[Runner::Model], "runner = \"model\"");
    let programs = [Runner::Command, Runner::Acp];
    let prompted = [Runner::Model, Runner::Command, Runner::Acp];
    only("prompt", &prompted, "runner = \"model\", \"command\" or \"acp\"");
    only("command", &programs, "runner = \"command\" or \"acp\"");
    only("family", &programs, "runner = \"command\" or \"acp\"");
    only("env", &programs, "runner = \"command\" or \"acp\"");
    only("permissions", &[Runner::Acp], "runner = \"acp\"");
    only("input", &[Runner::Command], "runner = \"command\"");
    if !steps.is_empty() && prompted.contains(&runner) {
        root.add(root.fault("step", "[[step]] is for runner = \"steps\" only"));
    }
    let prompt = prompt.unwrap_or_else(|| "work.md.hbs".to_owned());
    let missing = |key: &str, runner: &str| {
        if !table.has(key) {
            table.add(table.own_fault(format!("`{key}` is missing for runner = \"{runner}\"")));
        }
    };
    let work = match runner {
        Runner::Model => {
            missing("model", "model");
            Work::Model { model: model.unwrap_or_default(), prompt }
        }
        Runner::Command => {
            missing("command", "command");
            Work::Command { command, prompt, env: env.unwrap_or_default() }
        }
        Runner::Acp => {
            missing("command", "acp");
            let (env, permissions) = (env.unwrap_or_default(), permissions.unwrap_or_default());
            Work::Acp { command, prompt, env, permissions }
        }
        // The playbook is refused for it; nothing else is said about its work.
        Runner::Unknown => Work::Command { command, prompt, env: env.unwrap_or_default() },
        Runner::Steps => Work::Steps(steps),
    };
    table.finish(keys::elsewhere);
    (work, family, tools)
}

fn runner(table: &Table<'_, '_>, has_steps: bool) -> Runner {
    const RUNNERS: [(&str, Runner); 4] = [
        ("model", Runner::Model),
        ("command", Runner::Command),
        ("steps", Runner::Steps),
        ("acp", Runner::Acp),
    ];
    if !table.has("runner") {
        let _ = table.text("runner");
        if has_steps || !(table.has("model") || table.has("command")) {
            return Runner::Steps;
        }
        let fault = table.own_fault("`runner` is missing in [work]");
        table.add(fault.with_help("write `runner = \"model\"`, \"command\", \"acp\" or \"steps\""));
        return Runner::Unknown;
    }
    table.choice("runner", &RUNNERS).unwrap_or(Runner::Unknown)
}

fn tool(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('*').unwrap_or(text);
    if let Some((server, tool)) = name.split_once(':') {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let is_server = !server.is_empty() && server.chars().all(fits);
        if !is_server || !tool.chars().all(fits) || tool.is_empty() && name == text {
            return Err("expected server:tool; * may stand at its end".to_owned());
        }
        return Ok(text.to_owned());
    }
    if text.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err("expected a tool's name; * may stand at its end".to_owned());
    }
    Ok(text.to_owned())
}

fn variable(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || text.len() > 128 || !text.chars().all(fits) {
        return Err("expected the name of an environment variable".to_owned());
    }
    Ok(text.to_owned())
}

fn command(table: &Table<'_, '_>) -> Vec<String> {
    let command = table.items("command", false, |text| {
        read::template(command_names)(text).map(|()| text.to_owned()).map_err(|(_, error)| {
            format!("{error}; what stands on the board goes into the prompt, never into a command")
        })
    });
    let command = command.unwrap_or_default();
    let Some(program) = command.first() else {
        if table.has("command") {
            table.add(table.fault("command", "`command` names no program"));
        }
        return command;
    };
    if program.trim().is_empty() || program.contains("{{") {
        table.add(table.fault("command", "the program must be written out"));
    }
    command
}
