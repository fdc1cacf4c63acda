//! How answers of tools are shown to people.

use super::call::View;
use super::page::{Page, Style, Table};
use crate::daemon::control::Answered;
use crate::domain::Value;

/// Characters of a field's value in a line of change.
const VALUE_CHARS_MAX: usize = 160;

/// Characters of a table's cell.
const CELL_CHARS_MAX: usize = 80;

/// The page that shows an answer; [`View::Run`] has its own in `report`.
pub fn page(answered: &Answered, view: View) -> Page {
    match view {
        View::Table { columns, empty } => {
            table(&answered.value, columns, empty).unwrap_or_else(|| Page::of(&answered.text))
        }
        View::Change => change(&answered.value).unwrap_or_else(|| Page::of(&answered.text)),
        View::Detail(detail) => detail(&answered.value).unwrap_or_else(|| Page::of(&answered.text)),
        View::Text | View::Story | View::Run { .. } => Page::of(&answered.text),
    }
}

/// A table of the answer's items; `None` for an answer that is no list.
fn table(value: &Value, columns: &[(&str, &str)], empty: &str) -> Option<Page> {
    let items = value.as_list().or_else(|| value.get("items")?.as_list())?;
    let mut page = Page::new();
    if items.is_empty() {
        page.line(Style::Dim, empty);
        return Some(page);
    }
    rows(items, columns).onto(&mut page);
    if let Some(next) = value.get("next").and_then(Value::as_text) {
        page.line(Style::Dim, &format!("there are more (after {next}); ask for more with -n"));
    }
    if let Some(hint) = value.get("hint").and_then(Value::as_text) {
        page.line(Style::Dim, hint);
    }
    Some(page)
}

/// A table with a row an item. A column that is empty throughout says nothing and is left out.
pub fn rows(items: &[Value], columns: &[(&str, &str)]) -> Table {
    let filled: Vec<_> = columns
        .iter()
        .filter(|(_, path)| items.iter().any(|item| !is_blank(member(item, path))))
        .collect();
    let mut table = Table::new(filled.iter().map(|(heading, _)| *heading));
    for item in items {
        table.row(filled.iter().map(|(heading, path)| cell(heading, member(item, path))));
    }
    table
}

fn cell(heading: &str, value: Option<&Value>) -> (Style, String) {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(value) => shortened(&value.to_string(), CELL_CHARS_MAX),
    };
    (if heading == "STATE" { style_of_state(&text) } else { Style::Plain }, text)
}

/// The colour of a run's state, or of a daemon's.
pub fn style_of_state(state: &str) -> Style {
    match state {
        "succeeded" => Style::Good,
        "running" | "nothing_to_do" | "there" => Style::Plain,
        "drained" | "left" | "waiting" | "yielded" | "cancelled" | "refused" | "interrupted" => {
            Style::Warn
        }
        _ => Style::Bad,
    }
}

/// What a write changed: the entity, then `field: from → to`.
fn change(value: &Value) -> Option<Page> {
    let entity = value.get("entity")?.as_text()?;
    let (before, after) = (value.get("before")?, value.get("after")?);
    let changed = value.get("changed").and_then(Value::as_bool)?;
    let mut page = Page::new();
    page.line(Style::Bold, entity);
    if !changed {
        let note = value.get("note").and_then(Value::as_text).unwrap_or("it was so already");
        page.add(Style::Dim, &format!("  nothing changed: {note}"));
    }
    fields(&mut page, "  ", before, after);
    Some(page)
}

/// Adds a line `field: from → to` for every field that is in either object and not empty in both.
/// Where a name stands beside an id (`status_label` beside `status`), the name is shown.
pub fn fields(page: &mut Page, margin: &str, before: &Value, after: &Value) {
    let has = |name: &str| before.get(name).is_some() || after.get(name).is_some();
    let mut all: Vec<&String> =
        [before, after].into_iter().filter_map(Value::as_map).flat_map(|map| map.keys()).collect();
    all.sort_unstable();
    all.dedup();
    for name in all {
        let is_caption = CAPTIONS.iter().filter_map(|end| name.strip_suffix(end)).any(&has);
        let (from, to) = (captioned(before, name), captioned(after, name));
        let is_empty = is_blank(from) && is_blank(to);
        if !is_caption && !is_empty {
            field(page, margin, name, from, to);
        }
    }
}

/// How the name that stands beside an id is called: the id's field, then one of these.
const CAPTIONS: [&str; 2] = ["_label", "_name"];

/// A field's value, or the name beside it.
fn captioned<'a>(of: &'a Value, name: &str) -> Option<&'a Value> {
    let caption = CAPTIONS.iter().find_map(|end| of.get(&format!("{name}{end}")));
    caption.filter(|caption| !is_blank(Some(caption))).or_else(|| of.get(name))
}

/// Adds a line `field: from → to`.
pub fn field(
    page: &mut Page,
    margin: &str,
    name: &str,
    before: Option<&Value>,
    after: Option<&Value>,
) {
    let show = |value: Option<&Value>| match value {
        value if is_blank(value) => "–".to_owned(),
        Some(value) => shortened(&readable(value), VALUE_CHARS_MAX),
        None => "–".to_owned(),
    };
    page.line(Style::Plain, margin).add(Style::Dim, &format!("{name}: "));
    page.add(Style::Plain, &show(before)).add(Style::Dim, " → ");
    page.add(Style::Plain, &show(after));
}

/// A value for people. Status labels are `New (new), Done (done)`.
fn readable(value: &Value) -> String {
    let label = |item: &Value| {
        let text = item.get("label").and_then(Value::as_text)?;
        let kind = item.get("kind").and_then(Value::as_text)?;
        Some(format!("{text} ({kind})"))
    };
    let labels: Option<Vec<String>> =
        value.as_list().and_then(|items| items.iter().map(label).collect());
    labels.map_or_else(|| value.to_string(), |labels| labels.join(", "))
}

/// Whether there is nothing to show.
pub fn is_blank(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Text(text)) => text.is_empty(),
        Some(Value::List(items)) => items.is_empty(),
        Some(Value::Map(map)) => map.is_empty(),
        Some(_) => false,
    }
}

/// A member, a member's member behind a dot.
fn member<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

/// The text's first line, at most so many characters; `…` stands for the rest.
fn shortened(text: &str, chars_max: usize) -> String {
    let mut lines = text.trim().lines();
    let first = lines.next().unwrap_or("");
    let mut short: String = first.chars().take(chars_max).collect();
    if lines.next().is_some() || first.chars().count() > chars_max {
        short.push('…');
    }
    short
}
