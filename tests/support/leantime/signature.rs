//! What methods take, and how what came in is fitted to it.

use super::error::RpcError;
use super::rows::{Columns as _, Row};
use serde_json::{Value, json};

/// A parameter, written as `id: int`; `?` after the name where it may be left out, before the type
/// where it may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parameter<'a> {
    name: &'a str,
    is_optional: bool,
    kind: &'a str,
}

fn parameters(takes: &str) -> impl Iterator<Item = Parameter<'_>> {
    takes.split(", ").filter_map(|part| {
        let (name, kind) = part.split_once(": ")?;
        let bare = name.strip_suffix('?');
        Some(Parameter { name: bare.unwrap_or(name), is_optional: bare.is_some(), kind })
    })
}

/// The arguments by name; what the method does not know is dropped.
pub fn fit(takes: &str, given: &Value) -> Result<Row, RpcError> {
    let empty = Row::new();
    let given = given.as_object().unwrap_or(&empty);
    let mut args = Row::new();
    for parameter in parameters(takes) {
        match given.get(parameter.name) {
            None if parameter.is_optional => {}
            None => {
                let data = format!("Required Parameter Missing: {}", parameter.name);
                return Err(RpcError::params(&data));
            }
            Some(value) => {
                args.insert(parameter.name.to_owned(), cast(parameter, value)?);
            }
        }
    }
    Ok(args)
}

fn cast(parameter: Parameter<'_>, value: &Value) -> Result<Value, RpcError> {
    let failed = || Err(RpcError::cast(parameter.name));
    let kind = parameter.kind;
    // Types that are unions or nullable are not understood by what casts.
    if kind.contains('|') {
        return failed();
    }
    if value.is_null() && kind != "any" {
        return match kind.strip_prefix('?') {
            Some(_) => failed(),
            None => Err(RpcError::params(&format!("Parameter {} can't be null", parameter.name))),
        };
    }
    match kind.trim_start_matches('?') {
        "int" => match value {
            Value::Number(number) if number.is_i64() => Ok(value.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(json!(super::rows::whole(value))),
            Value::String(text) => match text.parse::<f64>() {
                Ok(_) => Ok(json!(super::rows::whole(value))),
                Err(_) => failed(),
            },
            _ => failed(),
        },
        "string" => match value {
            Value::Array(_) | Value::Object(_) => failed(),
            other => Ok(json!(super::rows::words(other))),
        },
        "array" if !value.is_array() && !value.is_object() => failed(),
        "date" => match super::dates::parse(&super::rows::words(value)).0 {
            super::dates::Form::Unreadable | super::dates::Form::Nothing => failed(),
            _ => Ok(value.clone()),
        },
        _ => Ok(value.clone()),
    }
}

/// The object in an argument; nothing where something else came.
pub fn object(args: &Row, name: &str) -> Row {
    args.value(name).as_object().cloned().unwrap_or_default()
}
