//! How much fits into the columns; what is longer is cut without a word.

use super::rows::{Row, first_bytes};
use super::state::State;
use serde_json::{Value, json};

/// How much a column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Chars(usize),
    /// 65,535 bytes.
    Text,
    /// 32 bits; what is greater becomes the greatest.
    Int,
}

/// The columns of a table that have one.
pub type Widths = &'static [(&'static str, Width)];

pub const TEXT_BYTES_MAX: usize = 65_535;

pub const COMMENTS: Widths = &[("text", Width::Text), ("status", Width::Chars(50))];
pub const EVENTS: Widths = &[("description", Width::Text)];
pub const GOALS: Widths = &[("title", Width::Chars(255)), ("status", Width::Chars(255))];
pub const PROJECTS: Widths = &[
    ("name", Width::Chars(100)),
    ("details", Width::Text),
    ("state", Width::Int),
    ("dollarBudget", Width::Int),
    ("parent", Width::Int),
];
pub const SHEETS: Widths = &[("kind", Width::Chars(175)), ("description", Width::Text)];
pub const SPRINTS: Widths = &[("name", Width::Chars(45))];
pub const TICKETS: Widths = &[
    ("headline", Width::Chars(255)),
    ("type", Width::Chars(255)),
    ("tags", Width::Chars(255)),
    ("priority", Width::Chars(60)),
    ("editorId", Width::Chars(75)),
    ("description", Width::Text),
    ("acceptanceCriteria", Width::Text),
    ("status", Width::Int),
    ("sprint", Width::Int),
    ("milestoneid", Width::Int),
    ("dependingTicketId", Width::Int),
];
pub const USERS: Widths = &[
    ("firstname", Width::Chars(100)),
    ("lastname", Width::Chars(100)),
    ("phone", Width::Chars(25)),
    ("jobTitle", Width::Chars(200)),
    ("jobLevel", Width::Chars(50)),
    ("department", Width::Chars(200)),
];

fn fitted(value: &Value, width: Width) -> Option<Value> {
    let cut = match (value, width) {
        (Value::String(text), Width::Chars(most)) => {
            json!(text.chars().take(most).collect::<String>())
        }
        (Value::String(text), Width::Text) => json!(first_bytes(text, TEXT_BYTES_MAX)),
        (Value::Number(number), Width::Int) => {
            let number = number.as_i64().unwrap_or(i64::MAX);
            json!(number.clamp(i64::from(i32::MIN), i64::from(i32::MAX)))
        }
        _ => return None,
    };
    (cut != *value).then_some(cut)
}

/// Cuts what is too long, and writes it down.
pub fn fit(state: &mut State, method: &str, row: &mut Row, widths: Widths) {
    for (name, width) in widths {
        if let Some(cut) = row.get(*name).and_then(|value| fitted(value, *width)) {
            row.insert((*name).to_owned(), cut);
            state.violation(&format!("{method}: {name} is too long and was cut"));
        }
    }
}
