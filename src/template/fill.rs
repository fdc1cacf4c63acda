//! Texts inside a playbook that are templates: `args`, `each`, `once`, `assign`.
//!
//! A text that is exactly one `{{name}}` passes the value with its type; any other text is text.

use super::render::{self, Bounded, explain};
use super::{OUTPUT_BYTES_MAX, TemplateError, helpers, lint, work};
use crate::domain::Value;
use crate::fault::shown;
use handlebars::template::TemplateElement;
use handlebars::{Handlebars, Template};
use std::sync::OnceLock;

/// The deepest nesting of arguments.
const DEPTH_MAX: usize = 32;
/// The longest text, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// The arguments of a tool, every text in them filled in. Keys are taken as they are.
///
/// # Errors
/// A name that has no value, or a text that is too long.
pub fn fill(args: &Value, context: &Value) -> Result<Value, TemplateError> {
    fill_at(args, context, 0)
}

fn fill_at(args: &Value, context: &Value, depth: usize) -> Result<Value, TemplateError> {
    if depth > DEPTH_MAX {
        return Err(error("…", "arguments are nested too deeply"));
    }
    match args {
        Value::Text(text) => fill_value(text, context),
        Value::List(items) => Ok(Value::List(
            items.iter().map(|item| fill_at(item, context, depth + 1)).collect::<Result<_, _>>()?,
        )),
        Value::Map(map) => {
            let filled = map
                .iter()
                .map(|(key, value)| Ok((key.clone(), fill_at(value, context, depth + 1)?)));
            Ok(Value::Map(filled.collect::<Result<_, _>>()?))
        }
        other => Ok(other.clone()),
    }
}

/// Knows no template: the texts of playbooks are rendered as they come.
static REGISTRY: OnceLock<Handlebars<'static>> = OnceLock::new();

/// A text, filled in.
///
/// # Errors
/// A name that has no value, or a text that is too long.
pub fn fill_text(text: &str, context: &Value) -> Result<String, TemplateError> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    check_size(text)?;
    // The walk refuses what the parser or the renderer should not be given.
    let template =
        lint::check_text(text, &every_name(context)).map_err(|finding| found(text, finding))?;
    let mut registry = REGISTRY.get_or_init(|| render::registry(handlebars::no_escape)).clone();
    registry.register_template("", work::counted(template));
    let mut out = Bounded::new(OUTPUT_BYTES_MAX);
    helpers::with_nonce("", || registry.render_to_write("", context, &mut out)).map_err(|e| {
        TemplateError { template: shown(text), ..explain(text, &e, OUTPUT_BYTES_MAX) }
    })?;
    out.into_text(text)
}

fn every_name(context: &Value) -> Vec<&str> {
    context.as_map().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// The value that a text stands for: of any type when it is exactly one `{{name}}`.
///
/// # Errors
/// A name that has no value, or a text that is too long.
pub fn fill_value(text: &str, context: &Value) -> Result<Value, TemplateError> {
    let trimmed = text.trim();
    if trimmed.starts_with("{{") && trimmed.ends_with("}}") {
        check_size(text)?;
        let template = lint::check_text(trimmed, &every_name(context))
            .map_err(|finding| found(text, finding))?;
        if let Some(path) = single_path(&template) {
            return resolve(&path, context)
                .ok_or_else(|| error(text, &format!("there is no `{}`", shown(&path))));
        }
    }
    fill_text(text, context).map(Value::Text)
}

/// Checks a text of a playbook: it may speak of these names.
///
/// # Errors
/// What is wrong, with line and column within the text.
pub fn lint_text(text: &str, names: &[&str]) -> Result<(), TemplateError> {
    if !text.contains("{{") {
        return Ok(());
    }
    check_size(text)?;
    lint::check_text(text, names).map(drop).map_err(|finding| found(text, finding))
}

fn check_size(text: &str) -> Result<(), TemplateError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(error(text, "text is longer than 16 KiB"));
    }
    Ok(())
}

fn found(text: &str, finding: lint::Finding) -> TemplateError {
    let message = match finding.help {
        Some(help) => format!("{}; {help}", finding.message),
        None => finding.message,
    };
    TemplateError { template: shown(text), line: finding.line, column: finding.column, message }
}

fn error(text: &str, message: &str) -> TemplateError {
    TemplateError { template: shown(text), line: 1, column: 1, message: message.to_owned() }
}

/// The name, when a template is exactly one name.
fn single_path(template: &Template) -> Option<String> {
    let [TemplateElement::Expression(tag)] = template.elements.as_slice() else { return None };
    let name = tag.name.as_name()?;
    let alone = tag.params.is_empty() && tag.hash.is_empty();
    (alone && !name.starts_with('@') && !helpers::is_inline(name)).then(|| name.to_owned())
}

/// The value under a name such as `item.id` or `gathered.done.[0]`.
fn resolve(path: &str, context: &Value) -> Option<Value> {
    let path = path.trim_start_matches("./").trim_start_matches("this.");
    let mut at = context;
    for part in path.split(['.', '/']).map(|part| part.trim_matches(['[', ']'])) {
        at = match at {
            Value::Map(map) => map.get(part)?,
            Value::List(items) => items.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(at.clone())
}
