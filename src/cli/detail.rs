//! How one thing is shown to people in full: a task, a run, the reasons for a decision. An answer
//! of another form gives `None`, and the text that came with it is shown instead.

use super::answer::{fields, is_blank, rows, style_of_state};
use super::page::{Page, Style};
use crate::domain::Value;

/// Columns of what is decided now.
const NOW: &[(&str, &str)] =
    &[("PLAYBOOK", "playbook"), ("REASON", "reason"), ("", "text"), ("", "detail")];

/// Columns of what was decided.
const DECISIONS: &[(&str, &str)] = &[
    ("AT", "at"),
    ("PLAYBOOK", "playbook"),
    ("REASON", "reason"),
    ("", "text"),
    ("", "detail"),
    ("RUN", "run"),
];

/// Columns of runs, below something else.
const RUNS: &[(&str, &str)] = &[
    ("RUN", "id"),
    ("PLAYBOOK", "playbook"),
    ("STATE", "state"),
    ("REASON", "reason"),
    ("STARTED", "started"),
    ("DETAIL", "detail"),
];

/// Columns of occurrences, below something else.
const OCCURRENCES: &[(&str, &str)] =
    &[("OCCURRENCE", "id"), ("TRIGGER", "trigger"), ("PLANNED", "planned"), ("STATE", "state")];

/// A token with its secret, which is shown this once.
pub fn token(value: &Value) -> Option<Page> {
    let (id, secret) = (text(value, "id")?, text(value, "secret")?);
    let mut page = Page::new();
    page.line(Style::Bold, &format!("token {id}"));
    let whose = text(value, "person_name").unwrap_or_default();
    let role = text(value, "role").unwrap_or_default();
    let until =
        text(value, "expires").map_or("until it is revoked".to_owned(), |at| format!("until {at}"));
    page.add(Style::Plain, &format!("  for {whose}, role {role}, {until}"));
    page.line(Style::Plain, "its secret, shown this once:");
    page.line(Style::Good, &format!("  {secret}"));
    page.line(Style::Dim, "send it as `Authorization: Bearer …` or `X-API-Key: …`");
    Some(page)
}

/// A link by which somebody signs in once.
pub fn link(value: &Value) -> Option<Page> {
    let (url, name) = (text(value, "url")?, text(value, "person_name")?);
    let minutes = value.get("minutes")?.as_int()?;
    let mut page = Page::new();
    page.line(Style::Good, url);
    page.line(Style::Dim, &format!("signs {name} in, once, within {minutes} minutes"));
    Some(page)
}

/// Why a task or playbook was, or was not, picked, run, told.
pub fn why(value: &Value) -> Option<Page> {
    let mut page = Page::new();
    page.line(Style::Bold, text(value, "subject")?);
    page.add(Style::Plain, &format!("  {}", text(value, "headline").unwrap_or("")));
    if let Some(writer) = value.get("claim").and_then(|claim| text(claim, "written_by")) {
        page.line(Style::Warn, &format!("its claim was written by {writer}"));
        page.add(Style::Plain, ": who holds it can be asked there alone");
    }
    if let Some(holder) = value.get("claim").and_then(|claim| claim.get("holder"))
        && !holder.is_null()
    {
        let run = text(holder, "run").unwrap_or("a run");
        let by = value.get("claim").and_then(|claim| claim.get("assistant"));
        let by = by.and_then(|assistant| text(assistant, "name"));
        let by = by.map_or(run.to_owned(), |name| format!("{name} ({run})"));
        page.line(Style::Plain, &format!("held by {by}"));
    }
    list(&mut page, "now", value.get("now")?, NOW);
    list(&mut page, "decisions", value.get("decisions")?, DECISIONS);
    for (heading, columns) in [("runs", RUNS), ("occurrences", OCCURRENCES)] {
        if let Some(items) = value.get(heading) {
            list(&mut page, heading, &with_plain_states(items), columns);
        }
    }
    Some(page)
}

/// Occurrences with their state as `ran [done]`, whatever else is recorded of it.
fn with_plain_states(items: &Value) -> Value {
    let plain = |item: &Value| {
        let (Value::Map(members), Some(Value::Map(state))) = (item, item.get("state")) else {
            return item.clone();
        };
        let mut members = members.clone();
        let word = state.iter().next().map(|(word, rest)| match text(rest, "reason") {
            Some(reason) => format!("{word} [{reason}]"),
            None => word.clone(),
        });
        members.insert("state".to_owned(), word.unwrap_or_default().into());
        Value::Map(members)
    };
    Value::List(items.as_list().unwrap_or(&[]).iter().map(plain).collect())
}

/// A run: how it went, what it wrote, what it was told and what it said.
pub fn run(value: &Value) -> Option<Page> {
    let run = value.get("run")?;
    let state = text(run, "state")?;
    let mut page = Page::new();
    page.line(Style::Bold, text(run, "id")?).add(Style::Plain, "  ");
    page.add(style_of_state(state), state);
    if let Some(reason) = text(run, "reason") {
        page.add(Style::Plain, &format!(" [{reason}]"));
    }
    for name in
        ["playbook", "task", "attempt", "fence", "outcome", "started", "ended", "occurrence"]
    {
        member(&mut page, run, name);
    }
    if let Some(usage) = run.get("usage") {
        page.line(Style::Dim, "  usage: ").add(Style::Plain, &usage.to_string());
    }
    for name in ["detail", "summary"] {
        block(&mut page, name, text(run, name).unwrap_or(""));
    }
    effects(&mut page, value)?;
    if let Some(note) = text(value, "note") {
        page.line(Style::Warn, &format!("  {note}"));
    }
    let evidence = value.get("evidence").and_then(Value::as_list).unwrap_or(&[]);
    let evidence: Vec<String> = evidence.iter().map(piece).collect();
    block(&mut page, "evidence", &evidence.join("\n"));
    block(&mut page, "prompt", text(value, "prompt").unwrap_or(""));
    let transcript = value.get("transcript").and_then(Value::as_list).unwrap_or(&[]);
    let lines: Vec<String> = transcript.iter().filter_map(said).collect();
    block(&mut page, "transcript", &lines.join("\n"));
    let earlier = value.get("earlier").and_then(Value::as_int).unwrap_or(0);
    if earlier > 0 {
        page.line(Style::Dim, &format!("  {earlier} earlier lines are not shown"));
    }
    block(&mut page, "definition", text(value, "definition").unwrap_or(""));
    Some(page)
}

/// A piece of evidence: what sort, its name, what it came to.
fn piece(piece: &Value) -> String {
    let parts = ["kind", "name", "state", "text"].map(|name| text(piece, name).unwrap_or(""));
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("  ")
}

/// A line of a transcript as people read it.
fn said(line: &Value) -> Option<String> {
    Some(format!("{}: {}", text(line, "kind")?, text(line, "text")?))
}

/// Each write as `field: from → to`, or why it is not known to have happened.
fn effects(page: &mut Page, value: &Value) -> Option<()> {
    let effects = value.get("effects")?.as_list().unwrap_or(&[]);
    let earlier = value.get("earlier_writes").and_then(Value::as_int).unwrap_or(0);
    if effects.is_empty() && earlier == 0 {
        return Some(());
    }
    page.gap().line(Style::Bold, "effects");
    if earlier > 0 {
        let run = value.get("run").and_then(|run| text(run, "id")).unwrap_or_default();
        let first = effects.first().and_then(|effect| effect.get("mark")?.get("seq")?.as_int());
        let how = match first {
            Some(first) => format!("rota runs show {run} --effects-before {first}"),
            None => format!("rota runs show {run}"),
        };
        page.line(Style::Dim, &format!("  {earlier} earlier ones are not shown: {how}"));
    }
    for effect in effects {
        page.line(Style::Plain, "  ").add(Style::Bold, text(effect, "tool").unwrap_or("a tool"));
        let result = effect.get("result").unwrap_or(&Value::Null);
        if let Some(done) = result.get("done") {
            // `{"task": 7}` is `task 7`.
            let entity = done.get("entity").map(|entity| entity.to_string().replace(": ", " "));
            let entity = entity.unwrap_or_default();
            page.add(Style::Dim, &format!("  {entity}"));
            let none = Value::Null;
            let (before, after) = (done.get("before"), done.get("after"));
            fields(page, "    ", before.unwrap_or(&none), after.unwrap_or(&none));
        } else if let Some(failed) = result.get("failed") {
            let what = text(failed, "message").unwrap_or("it failed");
            page.add(Style::Bad, &format!("  failed: {what}"));
        } else {
            let word = result.as_text().unwrap_or("under way");
            page.add(Style::Warn, &format!("  {word}"));
        }
    }
    Some(())
}

/// A task, with its subtasks and comments.
pub fn ticket(value: &Value) -> Option<Page> {
    let mut page = Page::new();
    page.line(Style::Bold, &format!("task {}", value.get("id")?.as_int()?));
    page.add(Style::Plain, &format!("  {}", text(value, "headline")?));
    for (name, path) in [
        ("project", "project_name"),
        ("status", "status_label"),
        ("type", "type"),
        ("priority", "priority"),
        ("assignee", "assignee_name"),
        ("author", "author_name"),
        ("due", "due_day"),
        ("tags", "tags"),
        ("effort", "storypoints"),
        ("plan_hours", "plan_hours"),
        ("milestone", "milestone"),
        ("parent", "parent"),
        ("blocked_by", "blocked_by"),
        ("fields", "fields"),
        ("modified", "modified"),
    ] {
        let found = value.get(path).filter(|found| !is_blank(Some(found)));
        if let Some(found) = found {
            page.line(Style::Dim, &format!("  {name}: "));
            page.add(Style::Plain, &found.to_string());
        }
    }
    block(&mut page, "description", text(value, "description").unwrap_or(""));
    block(&mut page, "acceptance criteria", text(value, "acceptance_criteria").unwrap_or(""));
    let subtasks = &[("ID", "id"), ("STATUS", "status_label"), ("HEADLINE", "headline")];
    list(&mut page, "subtasks", value.get("subtasks").unwrap_or(&Value::Null), subtasks);
    for comment in value.get("comments").and_then(Value::as_list).unwrap_or(&[]) {
        page.gap().line(Style::Bold, text(comment, "author_name").unwrap_or("somebody"));
        page.add(Style::Dim, &format!("  {}", text(comment, "created").unwrap_or("")));
        page.indented("  | ", Style::Plain, text(comment, "text").unwrap_or(""));
    }
    if let Some(more) = text(value, "more") {
        page.gap().line(Style::Dim, more);
    }
    Some(page)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_text)
}

/// A line `name: value`, unless it is empty.
fn member(page: &mut Page, of: &Value, name: &str) {
    if let Some(found) = of.get(name).filter(|found| !is_blank(Some(found))) {
        page.line(Style::Dim, &format!("  {name}: ")).add(Style::Plain, &found.to_string());
    }
}

/// A text of several lines under its heading, behind a margin, so that it cannot pass for ours.
fn block(page: &mut Page, heading: &str, text: &str) {
    if !text.trim().is_empty() {
        page.gap().line(Style::Bold, heading).indented("  | ", Style::Plain, text);
    }
}

/// A table under its heading; nothing when it is empty.
fn list(page: &mut Page, heading: &str, items: &Value, columns: &[(&str, &str)]) {
    let items = items.as_list().unwrap_or(&[]);
    if !items.is_empty() {
        page.gap().line(Style::Bold, heading);
        rows(items, columns).onto(page);
    }
}
