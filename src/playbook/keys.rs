//! Every key of the format, once: for the JSON Schema, and to say where a misplaced key belongs.

/// What a key's value looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Truth,
    /// A list of texts.
    Texts,
    /// A text or a list of texts.
    TextOrTexts,
    /// A whole number from here on.
    Count(u32),
    /// A duration such as `"1h30m"`.
    Duration,
    /// An object of any content.
    Args,
    /// An object of whole numbers.
    Counts,
    /// A table of its own, which has keys of its own.
    Table,
    /// Tables under names that people choose.
    Named,
    /// A list of tables.
    Tables,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// The table it belongs to; empty for the top.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// What it is for.
    pub about: &'static str,
    /// What holds when it is left out; empty where nothing does.
    pub default: &'static str,
    /// Whether its table cannot do without it.
    pub needed: bool,
}

const fn key(
    table: &'static str,
    name: &'static str,
    shape: Shape,
    default: &'static str,
    about: &'static str,
) -> Key {
    Key { table, name, shape, about, default, needed: false }
}

const fn needed(table: &'static str, name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { table, name, shape, about, default: "", needed: true }
}

use Shape::{
    Args, Count, Counts, Duration, Named, Table, Tables, Text, TextOrTexts, Texts, Truth, Word,
};

/// Every key.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    key("", "name", Text, "the file's name", "its name: small letters, digits, - and _"),
    key("", "description", Text, "", "what it is for"),
    needed("", "agent", Text, "the board user it acts as"),
    key("", "runs_on", Texts, "any daemon", "labels of the daemons that may run it"),
    key("", "mode", Word(&["live", "staged", "shadow"]), "live", "live; staged: writes become proposals that a person applies; shadow: writes are only recorded"),
    key("", "on", Table, "only by hand", "when it wakes"),
    key("", "select", Table, "", "which tasks it takes; every key narrows"),
    key("", "set", Args, "", "what --set may say, and what holds without it; templates see it as set"),
    key("", "gather", Named, "", "data for templates and steps, by name"),
    key("", "suitability", Table, "", "gates that a task must pass before it is claimed"),
    key("", "claim", Table, "", "how it claims; left out: it works without claiming"),
    key("", "workspace", Table, "none", "where the work has its files, and what its programs may see and reach"),
    key("", "checks", Named, "", "what may be run in the workspace, by name"),
    key("", "work", Table, "", "how it works"),
    key("", "step", Tables, "", "one plain step (runner = \"steps\")"),
    key("", "outcome", Named, "", "how the work may end, by name"),
    key("", "review", Table, "", "who looks at the work"),
    key("", "scope", Table, "", "what the work may change"),
    key("", "limits", Table, "", "what the work may use"),
    key("", "report", Table, "", "what people hear"),
    key("", "on_failure", Table, "", "what happens when it fails"),

    key("on", "cron", Text, "", "5 fields, 6 with seconds first, or @hourly @daily @weekly @monthly"),
    key("on", "every", Duration, "", "an interval, counted from midnight in the zone"),
    key("on", "event", TextOrTexts, "", "changes on the board: task.created, task.status_changed, task.assigned, task.changed, comment.added"),
    key("on", "webhook", Table, "", "another program wakes it: POST /hooks/NAME"),
    needed("on.webhook", "secret", Text, "the variable of the environment with the secret by which that program signs: \"${NAME}\""),
    key("on.webhook", "events", Texts, "everything", "only what is called so (the member `type` of what is sent)"),
    key("on", "timezone", Text, "timezone of rota.toml", "an IANA zone such as Europe/Berlin"),
    key("on", "gap", Word(&["next", "skip"]), "next", "a local time that daylight saving removes"),
    key("on", "fold", Word(&["first", "second", "both"]), "first", "a local time that daylight saving repeats"),
    key("on", "catch_up", Word(&["none", "latest", "all"]), "latest", "after downtime or suspend"),
    key("on", "catch_up_max", Count(1), "10", "at most so many are caught up"),
    key("on", "late", Duration, "", "older than this when we get to it: skipped"),
    key("on", "overlap", Word(&["skip", "queue", "replace", "allow"]), "skip", "when the one before still runs"),
    key("on", "jitter", Duration, "0s", "starts are spread by up to this, by the name"),
    key("on", "hours", Table, "", "it may only start then"),
    key("on.hours", "days", TextOrTexts, "every day", "MON-FRI, or a list of days"),
    needed("on.hours", "from", Text, "a time of day, 08:00"),
    needed("on.hours", "to", Text, "a time of day, 18:00; earlier than `from`: of the next day"),
    key("on.hours", "holidays", Texts, "", "days that do not count, such as 2026-12-25"),

    key("select", "project", TextOrTexts, "any", "names or ids"),
    key("select", "status", TextOrTexts, "any", "labels, ids, or kind:new, kind:in_progress, kind:blocked, kind:waiting, kind:done"),
    key("select", "tags", Table, "", "by tags"),
    key("select.tags", "all", Texts, "", "with all of these"),
    key("select.tags", "any", Texts, "", "with one of these"),
    key("select.tags", "none", Texts, "", "with none of these"),
    key("select", "assignee", Text, "any", "any, none, me, agent, person, or a name"),
    key("select", "type", TextOrTexts, "any", "task, story, bug, subtask"),
    key("select", "due", Text, "any", "any, none, overdue, today, within 3d (to the end of the third day from today) or within 12h"),
    key("select", "unchanged_for", Duration, "", "nothing happened to it for so long"),
    key("select", "where", Text, "", "a CEL expression over task, project, now, agent"),
    key("select", "order", Text, "priority, due, created", "priority, due, created, modified"),
    key("select", "limit", Count(1), "3", "at most so many in one occurrence"),

    needed("gather.*", "tool", Text, "a tool that reads"),
    key("gather.*", "args", Args, "", "its arguments; texts are templates"),
    key("gather.*", "limit", Count(1), "1000", "more items than this is a failure, never a silent cut"),

    key("suitability", "require", Texts, "", "acceptance_criteria, estimate, no_open_blockers, description"),
    key("suitability", "rubric", Text, "", "the template of what a model is asked about a task that passed all of these, once per revision of the task"),
    key("suitability", "model", Text, "", "who is asked: [models.NAME] of rota.toml"),
    key("suitability", "when_unsuitable", Table, "", "what is done, once per revision of the task"),
    key("suitability.when_unsuitable", "comment", Text, "", "the template of a comment"),
    key("suitability.when_unsuitable", "add_tags", Texts, "", "tags to add"),

    key("claim", "status", Text, "kind:in_progress", "the status a claimed task gets"),
    key("claim", "add_tags", Texts, "[\"AI-Agent\"]", "tags it gets"),
    key("claim", "comment", Text, "claim.md.hbs", "the template of the comment it gets"),
    key("claim", "lease", Duration, "lease of rota.toml", "how long a lease lasts without a renewal"),
    key("claim", "progress", Truth, "false", "a run of more than a minute keeps one comment that tells how far it is"),
    key("claim", "hand_back", Word(&["restore", "leave"]), "restore", "assignee and status after the last failed attempt"),

    key("workspace", "source", Table, "an empty folder", "what is checked out in it"),
    key("workspace.source", "git", Text, "", "a repository; one that a template takes from the board must be among the repositories that are allowed"),
    key("workspace.source", "path", Text, "", "the folder of a repository on this machine, from the playbook's folder"),
    key("workspace.source", "ref", Text, "the repository's own", "a branch, tag or commit"),
    key("workspace", "repositories", Texts, "", "repositories that a template of source.git may name, besides those of rota.toml; * stands for one part of the path"),
    key("workspace", "after_create", Text, "", "run by sh once, when it was made; if it fails there is none"),
    key("workspace", "before_run", Text, "", "run by sh before each attempt; if it fails, so does the attempt"),
    key("workspace", "after_run", Text, "", "run by sh after each attempt; a failure is only told"),
    key("workspace", "before_remove", Text, "", "run by sh before it is removed; a failure is only told"),
    key("workspace", "hook_time", Duration, "1m", "how long one of these may take"),
    key("workspace", "hosts", Texts, "", "hosts that its programs may reach in the sandbox strict: crates.io, or with a port crates.io:443"),
    key("workspace", "sandbox", Word(&["strict", "workspace", "none"]), "strict", "strict (its own files, the system's, the listed hosts), workspace (the same files, the whole network) or none"),
    key("workspace", "link", Text, "", "where people see its files: https://github.com/acme/site/blob/{commit}/{path}#L{line}; also {branch}"),

    needed("checks.*", "command", Texts, "program and arguments"),
    key("checks.*", "time", Duration, "10m", "how long it may take"),

    key("work", "runner", Word(&["model", "command", "acp", "steps"]), "steps", "who does the work"),
    key("work", "model", Text, "", "[models.NAME] of rota.toml (runner = \"model\")"),
    key("work", "prompt", Text, "work.md.hbs", "the template of the prompt (runner = \"model\", \"command\" or \"acp\")"),
    key("work", "tools", Texts, "those of the steps", "tools the work may call; * at the end stands for any rest"),
    key("work", "command", Texts, "", "program and arguments (runner = \"command\" or \"acp\")"),
    key("work", "env", Texts, "", "environment variables the program gets besides the basic ones"),
    key("work", "permissions", Word(&["playbook", "deny", "allow"]), "playbook", "how an agent's requests for permission are answered (runner = \"acp\"): playbook allows the run's own tools, its checks and files in its workspace; deny nothing; allow everything"),
    key("work", "family", Text, "unknown", "the family of the model behind the program, such as claude or gpt: [review] independent compares it (runner = \"command\" or \"acp\")"),
    key("work", "input", Word(&["stdin"]), "stdin", "how the program gets its prompt"),

    key("step", "each", Text, "", "once per item of this list, as item"),
    key("step", "when", Text, "", "a CEL expression over task, project, now, agent, item, gathered, set, run"),
    needed("step", "tool", Text, "the tool"),
    key("step", "args", Args, "", "its arguments; texts are templates"),
    key("step", "once", Text, "", "never twice for the same key, across restarts"),

    key("outcome.*", "requires", Texts, "", "evidence: tool:NAME, or check:NAME, must have succeeded in this run, else it ends unverified"),
    key("outcome.*", "status", Text, "", "the status the task gets"),
    key("outcome.*", "assign", Text, "", "who it is assigned to; empty unassigns"),
    key("outcome.*", "comment", Text, "", "the template of a comment"),
    key("outcome.*", "add_tags", Texts, "", "tags the task gets"),
    key("outcome.*", "remove_tags", Texts, "", "tags it loses"),
    key("outcome.*", "ask", Text, "", "the template of a question: the claim parks until a person answers"),
    key("outcome.*", "answer_within", Duration, "3d", "how long an answer is waited for"),
    key("outcome.*", "done_by", Word(&["person", "agent"]), "person", "who may set a status of kind done"),
    key("outcome.*", "verdict", Word(&["approved", "changes_requested", "none"]), "changes_requested with rework, or by the outcome's name", "what it says of work that was looked at; approved: not while a blocker is open"),
    key("outcome.*", "rework", Text, "", "another playbook takes the task next, past its [select]; of a review: what a person wrote goes back to them instead"),

    key("review", "by", Text, "person", "person, none, or agent:PLAYBOOK"),
    key("review", "rounds", Count(1), "3", "then a person decides"),
    key("review", "waiting_max", Count(1), "", "claims nothing while so many wait for a person"),
    key("review", "independent", Truth, "false", "the reviewer is of another model family than the author, and another user of the board"),
    key("review", "apply_within", Duration, "24h", "mode = \"staged\": what nobody applies for so long is not applied any more"),

    key("scope", "write", Word(&["claimed", "project", "board"]), "claimed", "claimed (the task, its subtasks and comments), project or board"),
    key("scope", "max", Counts, "", "at most so many calls of a tool in one run"),

    key("limits", "turns", Count(1), "40", "exchanges with a model in one run"),
    key("limits", "tokens", Count(1), "400000", "tokens in one run"),
    key("limits", "cost", Text, "", "money in one run, such as \"2.00 USD\""),
    key("limits", "time", Duration, "30m", "wall time of one run"),
    key("limits", "idle", Duration, "5m", "no sign of life for so long: stalled"),
    key("limits", "attempts", Count(1), "3", "runs at one task, then it is handed back"),
    key("limits", "backoff", Text, "10s..5m", "the wait before another attempt, from .. to"),
    key("limits", "concurrent", Count(1), "1", "runs at once"),
    key("limits", "runs_per_day", Count(1), "", "runs in one day of the zone"),
    key("limits", "tokens_per_day", Count(1), "", "tokens of all its runs in one day of the team's zone"),
    key("limits", "cost_per_day", Text, "", "money of all its runs in one day of the team's zone"),

    needed("report", "template", Text, "a template, or the name before .txt.hbs, .md.hbs and .slack.hbs"),
    needed("report", "to", TextOrTexts, "stdout, file:NAME, slack:NAME, webhook:NAME, email:NAME"),
    key("report", "when", Word(&["always", "changes", "problems"]), "changes", "when people hear it"),
    key("report", "cost_by", Texts, "[\"playbook\"]", "by what a digest tells what agents cost: playbook, agent, model, task, project, milestone, goal, day"),

    key("on_failure", "to", TextOrTexts, "", "who is told"),
    key("on_failure", "pause_after", Count(1), "", "occurrences in a row that failed, then it pauses itself and says so"),
];

/// Where a key belongs, when it belongs to another table than the one it was written in.
pub(super) fn elsewhere(name: &str) -> Option<String> {
    let tables: Vec<String> =
        KEYS.iter().filter(|key| key.name == name).map(|key| shown_table(key.table)).collect();
    if tables.is_empty() {
        return None;
    }
    Some(format!("this key belongs {}", tables.join(" or ")))
}

fn shown_table(table: &str) -> String {
    match table {
        "" => "at the top of the file".to_owned(),
        "step" => "to [[step]]".to_owned(),
        table => format!("to [{}]", table.replace('*', "NAME")),
    }
}
