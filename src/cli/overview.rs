//! The daemon at a glance, for people: its status, the playbooks, what a switch did, a project.

use super::answer::{is_blank, rows};
use super::page::{Page, Style, Table};
use crate::domain::Value;

/// Columns of runs under way.
const RUNNING: &[(&str, &str)] =
    &[("RUN", "id"), ("PLAYBOOK", "playbook"), ("TASK", "task"), ("STARTED", "started")];

/// Columns of occurrences that have not ended.
const OPEN: &[(&str, &str)] =
    &[("OCCURRENCE", "id"), ("TRIGGER", "trigger"), ("PLANNED", "planned"), ("STATE", "state")];

/// Columns of a project's labels.
const LABELS: &[(&str, &str)] = &[("ID", "id"), ("LABEL", "label"), ("KIND", "kind")];

/// What the daemon is doing, and how each playbook stands.
pub fn status(value: &Value) -> Option<Page> {
    let mut page = Page::new();
    let daemon = text(value, "daemon")?;
    page.line(Style::Bold, daemon);
    if value.get("scheduling").and_then(Value::as_bool)? {
        page.add(Style::Good, "  serving");
        page.add(Style::Plain, &format!(" since {}", text(value, "since").unwrap_or("")));
    } else {
        page.add(Style::Warn, "  no daemon runs").add(Style::Plain, " (`rota serve` starts one)");
    }
    if let Some(stopped) = text(value, "stopped") {
        page.line(Style::Bad, "everything is stopped").add(Style::Plain, &format!(" {stopped}"));
        page.add(Style::Plain, " (`rota start-all` lifts it)");
    }
    let number = |name: &str| value.get(name).and_then(Value::as_int).unwrap_or(0);
    let zone = text(value, "zone").unwrap_or("UTC");
    page.line(Style::Dim, &format!("  slots {}, zone {zone}", number("slots")));
    if number("notices_waiting") > 0 {
        let waiting = format!("  messages on their way: {}", number("notices_waiting"));
        page.line(Style::Warn, &waiting);
    }
    if number("dead_letters") > 0 {
        let dead = format!("  messages that could not be told: {}", number("dead_letters"));
        page.line(Style::Bad, &dead).add(Style::Plain, " (`rota outbox list` shows them)");
    }
    of_newer(&mut page, value);
    list(&mut page, "runs", value.get("runs"), RUNNING);
    list(&mut page, "occurrences", value.get("occurrences"), OPEN);
    let books = value.get("playbooks").and_then(Value::as_list).unwrap_or(&[]);
    if !books.is_empty() {
        page.gap();
        playbook_table(books).onto(&mut page);
    }
    faults(&mut page, value);
    Some(page)
}

/// What a newer Rota wrote on the same store and this one cannot read.
fn of_newer(page: &mut Page, value: &Value) {
    let left_alone = value.get("left_alone").and_then(Value::as_int).unwrap_or(0);
    if left_alone == 0 {
        return;
    }
    page.line(Style::Warn, &format!("  written by a newer Rota and left alone: {left_alone}"));
    let tasks = value.get("claims_of_newer").and_then(Value::as_list).unwrap_or(&[]);
    let tasks = tasks.iter().filter_map(|claim| claim.get("task")?.as_int());
    let tasks: Vec<String> = tasks.map(|id| id.to_string()).collect();
    if !tasks.is_empty() {
        page.add(Style::Plain, &format!(" (of these the claims of tasks {})", tasks.join(", ")));
    }
}

/// Columns of what waits for each channel.
const QUEUES: &[(&str, &str)] = &[
    ("CHANNEL", "channel"),
    ("WAITING", "waiting"),
    ("SINCE", "since"),
    ("TRIED", "attempts"),
    ("NEXT", "next"),
    ("WHY", "error"),
];

/// Columns of what was given up.
const DEAD: &[(&str, &str)] = &[
    ("CHANNEL", "channel"),
    ("GIVEN UP", "given_up"),
    ("WHY", "error"),
    ("TEXT", "text"),
    ("KEY", "key"),
];

/// What is to be told: what waits, and what was given up.
pub fn outbox(value: &Value) -> Option<Page> {
    let rows = |name: &str| value.get(name).and_then(Value::as_list);
    let (queues, dead) = (rows("queues")?, rows("dead")?);
    let mut page = Page::new();
    if queues.is_empty() && dead.is_empty() {
        page.line(Style::Good, "everything was told");
    }
    list(&mut page, "waiting", value.get("queues"), QUEUES);
    list(&mut page, "given up", value.get("dead"), DEAD);
    if !dead.is_empty() {
        page.gap().line(Style::Plain, "`rota outbox retry` sends again what was given up");
    }
    Some(page)
}

/// What was put into its queue again.
pub fn retried(value: &Value) -> Option<Page> {
    let retried = value.get("retried").and_then(Value::as_int)?;
    let mut page = Page::new();
    page.line(Style::Bold, &format!("{retried}")).add(Style::Plain, " messages are sent again");
    Some(page)
}

/// How each playbook stands: armed or not, paused, when it wakes next; and what is faulty.
pub fn playbooks(value: &Value) -> Option<Page> {
    let items = value.get("items")?.as_list()?;
    let mut page = Page::new();
    if items.is_empty() {
        page.line(Style::Dim, "no playbooks; `rota init` writes some to start from");
    } else {
        playbook_table(items).onto(&mut page);
    }
    faults(&mut page, value);
    Some(page)
}

fn playbook_table(items: &[Value]) -> Table {
    let mut table = Table::new(["PLAYBOOK", "STATE", "NEXT", "AGENT", "RUNNER", ""]);
    for item in items {
        let of = |name: &str| text(item, name).unwrap_or("").to_owned();
        let (style, state) = state_of(item);
        // What is not armed, or paused, does not wake.
        let next = if state == "armed" { of("next") } else { String::new() };
        let why = item.get("arm_reasons").filter(|_| state == "not armed");
        let why = why.map(ToString::to_string).unwrap_or_default();
        table.row([
            (Style::Plain, of("name")),
            (style, state.to_owned()),
            (Style::Plain, next),
            (Style::Plain, of("agent")),
            (Style::Plain, of("runner")),
            (Style::Dim, why),
        ]);
    }
    table
}

fn state_of(item: &Value) -> (Style, &'static str) {
    let is = |name: &str| item.get(name).and_then(Value::as_bool) == Some(true);
    match (is("paused"), is("armed")) {
        (true, _) => (Style::Warn, "paused"),
        (false, true) => (Style::Good, "armed"),
        (false, false) => (Style::Warn, "not armed"),
    }
}

/// Faulty playbooks, whose last good version goes on.
fn faults(page: &mut Page, value: &Value) {
    let faults = value.get("faults").and_then(Value::as_list).unwrap_or(&[]);
    if faults.is_empty() {
        return;
    }
    page.gap().line(Style::Bad, "faults").add(Style::Plain, " (`rota check` shows each)");
    for fault in faults {
        page.indented("  ", Style::Plain, fault.as_text().unwrap_or(""));
    }
}

/// `arm`, `pause`, `resume`: how the playbook stands now.
pub fn switch(value: &Value) -> Option<Page> {
    let name = text(value, "playbook")?;
    value.get("armed").and_then(Value::as_bool)?;
    let (style, state) = state_of(value);
    let mut page = Page::new();
    page.line(Style::Bold, name).add(Style::Plain, "  ").add(style, state);
    match (state, text(value, "next")) {
        ("armed", Some(next)) => page.add(Style::Plain, &format!(", next {next}")),
        ("paused", _) => page.add(Style::Plain, &format!("; `rota resume {name}` ends it")),
        ("not armed", _) => page.add(Style::Plain, &format!("; `rota arm {name}` accepts it")),
        _ => &mut page,
    };
    Some(page)
}

/// A claim that was taken away.
pub fn released(value: &Value) -> Option<Page> {
    let task = value.get("task").and_then(Value::as_int)?;
    let fence = value.get("fence").and_then(Value::as_int)?;
    let mut page = Page::new();
    page.line(Style::Bold, &format!("task {task}"));
    page.add(Style::Plain, &format!("  the claim is taken away (fence {fence})"));
    Some(page)
}

/// What was decided about a task that waited, or answered.
pub fn decided(value: &Value) -> Option<Page> {
    let mut page = Page::new();
    let subject = match value.get("task").and_then(Value::as_int) {
        Some(task) => format!("task {task}"),
        None => text(value, "item")?.to_owned(),
    };
    page.line(Style::Bold, &subject);
    if let Some(answer) = text(value, "answer") {
        page.add(Style::Dim, &format!("  asked: {}", text(value, "question").unwrap_or("")));
        page.add(Style::Plain, &format!("  answer: {answer}"));
    } else {
        page.add(Style::Plain, &format!("  {}", text(value, "what")?));
    }
    if value.get("repeated").and_then(Value::as_bool) == Some(true) {
        page.add(Style::Warn, "  it was decided before; the first decision stands");
    }
    Some(page)
}

/// What is proposed for a task, each write as `field: from → to`.
pub fn proposed(value: &Value) -> Option<Page> {
    let mut page = Page::new();
    page.line(Style::Bold, &format!("task {}", value.get("task")?.as_int()?));
    page.add(Style::Plain, &format!("  {} proposes", text(value, "playbook")?));
    page.add(Style::Dim, &format!("  run {}", text(value, "run").unwrap_or("")));
    if value.get("open").and_then(Value::as_bool) == Some(true) {
        let until = text(value, "until").unwrap_or("");
        page.line(Style::Warn, &format!("  waits for a decision until {until}"));
    }
    if let Some(decided) = value.get("decided").filter(|decided| decided.as_map().is_some()) {
        let of = |name| text(decided, name).unwrap_or("");
        page.line(Style::Plain, &format!("  {}: {} ({})", of("by"), of("verdict"), of("at")));
        page.add(Style::Plain, &format!("  {}", of("comment")));
    }
    page.indented("  | ", Style::Plain, text(value, "summary").unwrap_or(""));
    for item in value.get("items")?.as_list()? {
        let number = item.get("number").and_then(Value::as_int).unwrap_or(0);
        page.gap().line(Style::Bold, &format!("{number}  {}", text(item, "tool").unwrap_or("")));
        page.add(Style::Dim, &format!("  {}", text(item, "entity").unwrap_or("")));
        let state = text(item, "state").unwrap_or("");
        if state != "open" {
            let why = text(item, "why").unwrap_or("");
            page.add(Style::Warn, &format!("  {state}")).add(Style::Plain, &format!("  {why}"));
        }
        for change in item.get("changes").and_then(Value::as_list).unwrap_or(&[]) {
            page.indented("    ", Style::Plain, change.as_text().unwrap_or(""));
        }
    }
    Some(page)
}

/// A project, with its status labels from the left.
pub fn project(value: &Value) -> Option<Page> {
    let mut page = Page::new();
    page.line(Style::Bold, &format!("project {}", value.get("id")?.as_int()?));
    page.add(Style::Plain, &format!("  {}", text(value, "name")?));
    if value.get("closed").and_then(Value::as_bool) == Some(true) {
        page.add(Style::Warn, "  closed");
    }
    let details = text(value, "details").unwrap_or("");
    if !details.trim().is_empty() {
        page.gap().indented("  | ", Style::Plain, details);
    }
    list(&mut page, "status labels", value.get("statuses"), LABELS);
    Some(page)
}

fn list(page: &mut Page, heading: &str, items: Option<&Value>, columns: &[(&str, &str)]) {
    let items = items.filter(|items| !is_blank(Some(items))).and_then(Value::as_list);
    if let Some(items) = items {
        page.gap().line(Style::Bold, heading);
        rows(items, columns).onto(page);
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_text)
}
