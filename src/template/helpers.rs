//! The helpers that templates may call.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderError,
    RenderErrorReason, ScopedJson,
};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::fmt::Write as _;

/// Blocks that templates may use.
pub(super) const BLOCKS: [&str; 4] = ["if", "unless", "each", "with"];
/// Helpers that templates may call.
pub(super) const INLINE: [&str; 18] = [
    "lookup",
    "len",
    "eq",
    "ne",
    "gt",
    "gte",
    "lt",
    "lte",
    "and",
    "or",
    "not",
    "date",
    "plural",
    "truncate",
    "default",
    "join",
    "line",
    "untrusted",
];
/// The longest text from outside that a prompt is given, in characters.
const UNTRUSTED_CHARS_MAX: usize = 40_000;

/// The longest name from outside that a prompt shows outside of marks, in characters.
const LINE_CHARS_MAX: usize = 160;

/// Whether a word is a helper.
pub(super) fn is_inline(name: &str) -> bool {
    INLINE.contains(&name)
}

thread_local! {
    /// The nonce of the rendering under way on this thread. A partial replaces the context, so
    /// the context cannot carry it.
    static NONCE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a rendering with a nonce.
pub(super) fn with_nonce<T>(nonce: &str, render: impl FnOnce() -> T) -> T {
    super::work::begin();
    NONCE.with(|cell| nonce.clone_into(&mut cell.borrow_mut()));
    let result = render();
    NONCE.with(|cell| cell.borrow_mut().clear());
    result
}

/// Makes the helpers known; those of handlebars that write elsewhere are taken away.
pub(super) fn register(engine: &mut Handlebars<'static>) {
    for name in ["log", "raw"] {
        engine.unregister_helper(name);
    }
    engine.register_helper("date", Box::new(Pure(date)));
    engine.register_helper("plural", Box::new(Pure(plural)));
    engine.register_helper("truncate", Box::new(Pure(truncate)));
    engine.register_helper("default", Box::new(Pure(default)));
    engine.register_helper("join", Box::new(Pure(join)));
    engine.register_helper("line", Box::new(Pure(line)));
    engine.register_helper("untrusted", Box::new(Untrusted));
    super::work::register(engine);
}

/// A helper that makes a value of its arguments; the value is escaped like any other.
struct Pure(fn(&[&Json], &Json) -> Result<Json, String>);

impl HelperDef for Pure {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let mut args = Vec::new();
        for arg in helper.params() {
            if arg.is_value_missing() {
                let name = arg.relative_path().cloned();
                return Err(RenderErrorReason::MissingVariable(name).into());
            }
            args.push(arg.value());
        }
        (self.0)(&args, context.data())
            .and_then(|made| {
                super::work::made(made.as_str().map_or(0, str::len))?;
                Ok(ScopedJson::Derived(made))
            })
            .map_err(|error| RenderErrorReason::Other(error).into())
    }
}

fn text_of(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

fn date(args: &[&Json], context: &Json) -> Result<Json, String> {
    let value = args.first().ok_or("`date` needs an instant")?;
    if value.is_null() || value.as_str() == Some("") {
        return Ok(Json::String(String::new()));
    }
    let instant = value
        .as_str()
        .and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok())
        .ok_or("`date` needs an instant such as 2026-11-22T08:00:00Z")?;
    let format = args.get(1).and_then(|f| f.as_str()).unwrap_or("%d %b %Y");
    let named = args.get(2).and_then(|zone| zone.as_str());
    let zone = named.or_else(|| context.get("zone").and_then(Json::as_str)).unwrap_or("UTC");
    let zone: chrono_tz::Tz = zone.parse().map_err(|_| "`date` was given an unknown zone")?;
    let mut out = String::new();
    // An unknown letter in the format is an error of the formatter, not a panic.
    write!(out, "{}", instant.with_timezone(&zone).format(format))
        .map_err(|_| "`date` was given an unknown format")?;
    Ok(Json::String(out))
}

fn plural(args: &[&Json], _: &Json) -> Result<Json, String> {
    let [count, one, many] = args else {
        return Err("`plural` needs a number and two words".to_owned());
    };
    let count = count.as_f64().ok_or("`plural` needs a number")?;
    let word = if (count - 1.0).abs() < f64::EPSILON { one } else { many };
    Ok(Json::String(format!("{count} {}", text_of(word))))
}

fn truncate(args: &[&Json], _: &Json) -> Result<Json, String> {
    let text = text_of(args.first().ok_or("`truncate` needs a text")?);
    let most = args.get(1).and_then(|n| n.as_u64()).ok_or("`truncate` needs a number")?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if text.chars().count() <= most {
        return Ok(Json::String(text));
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    // Cut after a word, unless that loses most of the text.
    let word = cut.rfind(char::is_whitespace).filter(|at| *at * 2 >= cut.len());
    Ok(Json::String(format!("{}…", cut[..word.unwrap_or(cut.len())].trim_end())))
}

fn default(args: &[&Json], _: &Json) -> Result<Json, String> {
    let [value, other] = args else { return Err("`default` needs two values".to_owned()) };
    let empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
    Ok(if empty { (*other).clone() } else { (*value).clone() })
}

fn join(args: &[&Json], _: &Json) -> Result<Json, String> {
    let items = args.first().and_then(|list| list.as_array()).ok_or("`join` needs a list")?;
    let between = args.get(1).and_then(|text| text.as_str()).unwrap_or(", ");
    Ok(Json::String(items.iter().map(text_of).collect::<Vec<_>>().join(between)))
}

/// A name from outside, so that it can begin no line and no mark of its own.
fn line(args: &[&Json], _: &Json) -> Result<Json, String> {
    let text = text_of(args.first().ok_or("`line` needs a text")?);
    let seen: String = text.chars().filter(|c| c.is_whitespace() || is_visible(*c)).collect();
    let words = seen.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = words.replace("<<<", "‹‹‹").replace(">>>", "›››");
    truncate(&[&Json::String(words), &Json::from(LINE_CHARS_MAX)], &Json::Null)
}

/// Text from outside, between marks. It writes past the escaping: inside the marks a prompt shows
/// the text as it is.
struct Untrusted;

impl HelperDef for Untrusted {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        engine: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let value = helper
            .param(0)
            .filter(|value| !value.is_value_missing())
            .ok_or(RenderErrorReason::ParamNotFoundForIndex("untrusted", 0))?;
        let label = helper.hash_get("from").map_or_else(String::new, |l| text_of(l.value()));
        let nonce = NONCE.with(|cell| cell.borrow().clone());
        if nonce.is_empty() {
            let message = "untrusted text needs a nonce".to_owned();
            return Err(RenderErrorReason::Other(message).into());
        }
        let text = between_marks(&text_of(value.value()), &label, &nonce);
        // Slack would take a `<…>` inside for a link or a mention, wherever it stands.
        let escape = engine.get_escape_fn();
        if escape("<") == "&lt;" {
            out.write(&escape(&text))?;
        } else {
            out.write(&text)?;
        }
        Ok(())
    }
}

/// A text between marks that hold the nonce. Whatever the text says, it can write no mark.
pub(super) fn between_marks(text: &str, label: &str, nonce: &str) -> String {
    let label: String = label
        .chars()
        .filter(|c| !c.is_control() && is_visible(*c) && !"<>()".contains(*c))
        .take(80)
        .collect();
    let total = text.chars().count();
    let mut inside: String =
        text.chars().take(UNTRUSTED_CHARS_MAX).filter(|c| is_visible(*c)).collect();
    inside = inside.replace(nonce, "").replace("<<<", "‹‹‹").replace(">>>", "›››");
    let cut = total.saturating_sub(UNTRUSTED_CHARS_MAX);
    let note = if cut > 0 { format!("\n[{cut} more characters left out]") } else { String::new() };
    let from = if label.is_empty() { String::new() } else { format!(" ({label})") };
    format!("<<<UNTRUSTED {nonce}{from}>>>\n{}{note}\n<<<END {nonce}>>>", inside.trim_end())
}

/// Leaves out what a reader does not see but a model does: control characters, directions, tags.
fn is_visible(c: char) -> bool {
    let hidden = c.is_control() && c != '\n' && c != '\t'
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' | '\u{ad}');
    !hidden
}
