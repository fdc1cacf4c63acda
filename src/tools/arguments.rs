//! Reading arguments: strict, and helpful about what is wrong.

use super::ToolError;
use crate::domain::{Reason, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;

/// Reads a tool's arguments. Unknown names are refused with the nearest known one.
pub(super) fn read<A: DeserializeOwned>(
    tool: &str,
    example: &str,
    schema: &Value,
    args: Value,
) -> Result<A, ToolError> {
    let refuse = |what: String| {
        ToolError::rejected(
            Reason::InvalidArguments,
            format!("{tool}: {what} (correct arguments are, for example, {example})"),
        )
    };
    let mut args = if args.is_null() { Value::map::<&str, Value>([]) } else { args };
    if args.as_map().is_none() {
        return Err(refuse("expected an object".to_owned()));
    }
    super::leantime::understood(tool, &mut args).map_err(refuse)?;
    unknown_names(schema, &args).map_err(refuse)?;
    serde_json::to_value(&args)
        .and_then(serde_json::from_value)
        .map_err(|error| refuse(error.to_string()))
}

/// Looks for names that the schema does not know, also in objects within.
fn unknown_names(schema: &Value, args: &Value) -> Result<(), String> {
    let (Some(known), Some(given)) =
        (schema.get("properties").and_then(Value::as_map), args.as_map())
    else {
        return Ok(());
    };
    let closed = schema.get("additionalProperties").and_then(Value::as_bool) == Some(false);
    for (name, value) in given {
        match known.get(name) {
            Some(inner) => unknown_names(inner, value)?,
            None if closed => {
                let near = nearest(name, known.keys().map(String::as_str));
                let hint = near.map_or_else(
                    || {
                        let names: Vec<&str> = known.keys().map(String::as_str).collect();
                        if names.is_empty() {
                            "it takes none".to_owned()
                        } else {
                            format!("it takes {}", names.join(", "))
                        }
                    },
                    |near| format!("did you mean \"{near}\"?"),
                );
                return Err(format!("unknown argument \"{}\"; {hint}", shown(name)));
            }
            None => {}
        }
    }
    Ok(())
}

/// The refusal of a tool that is not there.
pub(super) fn unknown_tool<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> ToolError {
    let hint = nearest(name, known).map_or_else(
        || "see the list of tools".to_owned(),
        |near| format!("did you mean \"{near}\"?"),
    );
    ToolError::rejected(
        Reason::UnknownTool,
        format!("there is no tool \"{}\"; {hint}", shown(name)),
    )
}

/// The known name that is most like this one, if any is.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .map(|other| (strsim::jaro_winkler(&name, &other.to_lowercase()), other))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other)
}

/// A name from outside, short enough for a message.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect();
    if text.chars().count() > CHARS_MAX {
        short.push('…');
    }
    short
}

/// A number that stands for something; models also write it as text (`"7"`, `"#7"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub i64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match IdOrName::deserialize(deserializer)? {
            IdOrName::Id(id) => Ok(Self(id)),
            IdOrName::Name(text) => number_in(&text).map(Self).ok_or_else(|| {
                D::Error::custom(format!("expected an id such as 7, not \"{}\"", shown(&text)))
            }),
        }
    }
}

impl JsonSchema for Id {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer" })
    }
}

/// An id, or an exact name without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected an id or a name")]
pub(super) enum IdOrName {
    Id(i64),
    Name(String),
}

impl JsonSchema for IdOrName {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "IdOrName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"] })
    }
}

/// A task's priority, as a number or as people say it. Whether the number is one is for the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Priority(pub u8);

impl Priority {
    fn of(text: &str) -> Option<u8> {
        let text = text.trim().to_lowercase();
        let words = [["critical", "urgent"], ["high", "important"], ["medium", "normal"]];
        let words = words.into_iter().chain([["low", "minor"], ["lowest", "trivial"]]);
        let named = (1..).zip(words).find(|(_, words)| words.contains(&text.as_str()));
        named.map(|(number, _)| number).or_else(|| text.parse().ok())
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match IdOrName::deserialize(deserializer) {
            Ok(IdOrName::Id(number)) => u8::try_from(number).ok(),
            Ok(IdOrName::Name(text)) => Self::of(&text),
            Err(_) => None,
        };
        number.map(Self).ok_or_else(|| {
            D::Error::custom("expected a priority: 1 to 5, critical, high, medium, low or lowest")
        })
    }
}

impl JsonSchema for Priority {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Priority".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"] })
    }
}

/// The id in a text such as `7` or `#7`.
pub(super) fn number_in(text: &str) -> Option<i64> {
    let text = text.trim();
    text.strip_prefix('#').unwrap_or(text).parse().ok()
}

/// One, or a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected one value or a list")]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(super) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(item) => vec![item],
            Self::Many(items) => items,
        }
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// A number, also where it was written as text; an absent one is none.
pub(super) fn number_or_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number")]
    enum Given {
        Number(f64),
        Text(String),
    }
    match Option::<Given>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Given::Number(number)) => Ok(Some(number)),
        Some(Given::Text(text)) => text.trim().parse().map(Some).map_err(|_| {
            D::Error::custom(format!("expected a number such as 42, not \"{}\"", shown(&text)))
        }),
    }
}

/// For `Option<Option<T>>`: absent leaves as it is, `null` clears.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        id: Id,
        #[serde(default)]
        #[expect(dead_code, reason = "only its name is used")]
        headline: Option<String>,
    }

    fn read_sample(json: &str) -> Result<Sample, ToolError> {
        let schema = schemars::generate::SchemaSettings::draft2020_12()
            .into_generator()
            .into_root_schema_for::<Sample>();
        let schema = serde_json::from_value(schema.to_value()).unwrap();
        read("sample", r#"{"id": 7}"#, &schema, serde_json::from_str(json).unwrap())
    }

    #[test]
    fn an_unknown_argument_is_refused_with_the_nearest_known_one() {
        let error = read_sample(r#"{"id": 7, "headlin": "x"}"#).unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidArguments);
        let message = error.to_string();
        assert!(message.contains("did you mean \"headline\"?"), "{message}");
        assert!(message.contains(r#"{"id": 7}"#), "{message}");
    }

    #[test]
    fn ids_may_be_written_as_text() {
        for json in [r#"{"id": 7}"#, r#"{"id": "7"}"#, r##"{"id": "#7"}"##] {
            assert_eq!(read_sample(json).unwrap().id, Id(7), "{json}");
        }
        assert!(read_sample(r#"{"id": "seven"}"#).is_err());
    }

    #[test]
    fn arguments_must_be_an_object() {
        assert!(read_sample("[1]").is_err());
        assert!(read_sample("null").unwrap_err().to_string().contains("missing field `id`"));
    }
}
