//! JSON Schema as clients can bear it.
//!
//! Some hosts refuse a whole listing for one schema that they do not understand: a list of types, a
//! schema that is `true`, an array that does not say of what. What is sent holds no `null` either
//! ([`without_nulls`]), so outputs need not allow it.

use crate::domain::Value;
use serde_json::{Map, Value as Json};

/// A schema of ours without what clients stumble over. `null` for what is optional is still read.
pub(super) fn tidy(schema: &Value) -> Map<String, Json> {
    let mut json = serde_json::to_value(schema).unwrap_or_default();
    tidy_one(&mut json);
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

fn tidy_one(schema: &mut Json) {
    if schema.is_boolean() {
        *schema = Json::Object(Map::new());
    }
    let Json::Object(map) = schema else { return };
    for noise in ["$schema", "format", "title", "default"] {
        // A property of that name is an object; the keyword is not.
        if map.get(noise).is_some_and(|value| !value.is_object()) {
            map.remove(noise);
        }
    }
    // That nothing else is taken costs every model a hundred times; whoever tries is told so.
    if map.get("additionalProperties").is_some_and(Json::is_boolean) {
        map.remove("additionalProperties");
    }
    one_type(map);
    one_of_several(map);
    for inner in ["properties", "patternProperties", "$defs"] {
        if let Some(Json::Object(members)) = map.get_mut(inner) {
            members.values_mut().for_each(tidy_one);
        }
    }
    for inner in ["items", "additionalProperties", "not"] {
        if let Some(inner) = map.get_mut(inner).filter(|inner| inner.as_bool() != Some(false)) {
            tidy_one(inner);
        }
    }
    for inner in ["anyOf", "oneOf", "allOf"] {
        if let Some(Json::Array(members)) = map.get_mut(inner) {
            members.iter_mut().for_each(tidy_one);
        }
    }
    if map.get("type").and_then(Json::as_str) == Some("array") {
        map.entry("items").or_insert_with(|| Json::Object(Map::new()));
    }
}

/// `["string", "null"]` is a string.
fn one_type(map: &mut Map<String, Json>) {
    let Some(Json::Array(types)) = map.get_mut("type") else { return };
    types.retain(|one| one.as_str() != Some("null"));
    let types = std::mem::take(types);
    match <[Json; 1]>::try_from(types) {
        Ok([one]) => {
            map.insert("type".to_owned(), one);
        }
        Err(several) => {
            let any = several.into_iter().map(|one| serde_json::json!({ "type": one }));
            let any = Json::Array(any.collect());
            map.remove("type");
            map.insert("anyOf".to_owned(), any);
        }
    }
    if let Some(Json::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

/// `anyOf: [X, null]` is X.
fn one_of_several(map: &mut Map<String, Json>) {
    for key in ["anyOf", "oneOf"] {
        let Some(Json::Array(members)) = map.get_mut(key) else { continue };
        let is_null = |one: &Json| one.get("type").and_then(Json::as_str) == Some("null");
        members.retain(|one| !is_null(one));
        if members.len() != 1 {
            continue;
        }
        if let Some(Json::Array(members)) = map.remove(key)
            && let Some(Json::Object(only)) = members.into_iter().next()
        {
            for (name, value) in only {
                map.entry(name).or_insert(value);
            }
        }
    }
}

/// Arguments that mean the same wherever they stand: told once, in the instructions, or by their name.
const TOLD_ONCE: [&str; 58] = [
    "acceptanceCriteria",
    "addDependencies",
    "addTags",
    "allDay",
    "atomic",
    "collaborators",
    "comment",
    "currentValue",
    "cursor",
    "date",
    "dateFrom",
    "dateTo",
    "dateToFinish",
    "dependsOn",
    "description",
    "details",
    "done",
    "dryRun",
    "editFrom",
    "editTo",
    "editorId",
    "endDate",
    "endValue",
    "eventTitle",
    "expectedRevision",
    "fence",
    "headline",
    "hoursRemaining",
    "id",
    "idempotencyKey",
    "label",
    "limit",
    "milestone",
    "milestoneId",
    "name",
    "order",
    "ownerId",
    "parent",
    "parentId",
    "parentTicket",
    "planHours",
    "playbook",
    "projectId",
    "reason",
    "removeDependencies",
    "removeTags",
    "run",
    "showClosedProjects",
    "sort",
    "sprint",
    "startDate",
    "startValue",
    "subtasks",
    "tag",
    "taskId",
    "text",
    "title",
    "userId",
];

/// The arguments of a tool, in few words: a model reads all of them before it does anything. That there
/// are no others is told by the refusal of one, with the nearest there is; so is a bound. What is read as
/// a number or a name is listed as a text, and what is one or several as several: a number and a single
/// one are taken as well.
pub(super) fn tidy_input(schema: &Value) -> Map<String, Json> {
    let mut map = tidy(schema);
    shorten(&mut map);
    map
}

fn shorten(map: &mut Map<String, Json>) {
    for bound in ["minimum", "maximum"] {
        // A property of such a name is an object; the keyword is not.
        if map.get(bound).is_some_and(Json::is_number) {
            map.remove(bound);
        }
    }
    if map.get("additionalProperties").is_some_and(|more| more.as_bool() == Some(false)) {
        map.remove("additionalProperties");
    }
    plainest(map);
    if let Some(Json::String(told)) = map.get_mut("description") {
        let plain = told.replace('`', "").replace('\n', " ");
        plain.trim_end_matches('.').clone_into(told);
    }
    if let Some(Json::Object(members)) = map.get_mut("properties") {
        for (name, member) in members {
            let Json::Object(member) = member else { continue };
            if TOLD_ONCE.contains(&name.as_str()) {
                member.remove("description");
            }
            shorten(member);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(Json::Object(inner)) = map.get_mut(inner) {
            shorten(inner);
        }
    }
}

/// The one form of several that can say everything.
fn plainest(map: &mut Map<String, Json>) {
    let Some(Json::Array(several)) = map.get_mut("anyOf") else { return };
    for one in several.iter_mut() {
        if let Json::Object(one) = one {
            plainest(one);
        }
    }
    let is = |one: &Json, kind: &str| one.get("type").and_then(Json::as_str) == Some(kind);
    let widest =
        ["array", "string"].iter().find_map(|kind| several.iter().find(|one| is(one, kind)));
    let Some(Json::Object(widest)) = widest.cloned() else { return };
    map.remove("anyOf");
    for (name, value) in widest {
        map.entry(name).or_insert(value);
    }
}

/// What may be missing from a result is not required of it; and an error may be in its place, because
/// some clients hold that against the schema too.
pub(super) fn tidy_output(schema: &Value) -> Map<String, Json> {
    let mut json = serde_json::to_value(schema).unwrap_or_default();
    relax(&mut json);
    let relaxed: Value = serde_json::from_value(json).unwrap_or_default();
    let mut tidied = tidy(&relaxed);
    let is_empty = |required: &Json| required.as_array().is_some_and(Vec::is_empty);
    if let Some(required) = tidied.remove("required").filter(|required| !is_empty(required)) {
        let either = serde_json::json!([{ "required": required }, { "required": ["error"] }]);
        tidied.insert("anyOf".to_owned(), either);
    }
    tidied
}

/// Members that may be `null` are left out when they are, so they are not required.
fn relax(schema: &mut Json) {
    let Json::Object(map) = schema else { return };
    let nullable: Vec<String> = map
        .get("properties")
        .and_then(Json::as_object)
        .map(|members| {
            members.iter().filter(|(_, one)| may_be_null(one)).map(|(name, _)| name.clone())
        })
        .into_iter()
        .flatten()
        .collect();
    if let Some(Json::Array(required)) = map.get_mut("required") {
        required.retain(|name| !nullable.iter().any(|one| name.as_str() == Some(one)));
    }
    map.values_mut().for_each(|inner| match inner {
        Json::Object(members) => {
            members.values_mut().for_each(relax);
            relax(inner);
        }
        Json::Array(members) => members.iter_mut().for_each(relax),
        _ => {}
    });
}

fn may_be_null(schema: &Json) -> bool {
    let is_null = |one: &Json| one.as_str() == Some("null");
    let by_type = schema.get("type").is_some_and(|types| {
        is_null(types) || types.as_array().is_some_and(|types| types.iter().any(is_null))
    });
    let by_choice = ["anyOf", "oneOf"].iter().any(|key| {
        let members = schema.get(*key).and_then(Json::as_array);
        members.is_some_and(|members| members.iter().any(may_be_null))
    });
    schema.as_bool() == Some(true)
        || by_type
        || by_choice
        || schema.as_object().is_some_and(Map::is_empty)
}

/// A result without its nulls: what is not there is not said.
pub(super) fn without_nulls(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => truth.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::List(items) => items.into_iter().map(without_nulls).collect(),
        Value::Map(map) => {
            let there = map.into_iter().filter(|(_, value)| !value.is_null());
            Json::Object(there.map(|(name, value)| (name, without_nulls(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(json: Json) -> Value {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn arguments_are_listed_without_what_a_refusal_tells_and_keep_properties_of_such_names() {
        let schema: Value = serde_json::from_value(serde_json::json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "minimum": { "type": "integer", "minimum": 0 },
                "inner": { "type": "object", "additionalProperties": false, "properties": {} },
                "who": { "type": ["integer", "string"], "description": "A `name`,\nor an id." },
                "projectId": { "type": ["integer", "string"], "description": "Told elsewhere." },
                "description": { "type": "string", "description": "Markdown." },
                "ids": { "anyOf": [
                    { "type": ["integer", "string"] },
                    { "type": "array", "items": { "type": ["integer", "string"] } },
                ] },
            },
        }))
        .unwrap();
        let expected = serde_json::json!({
            "type": "object",
            "properties": {
                "minimum": { "type": "integer" },
                "inner": { "type": "object", "properties": {} },
                "who": { "type": "string", "description": "A name, or an id" },
                "projectId": { "type": "string" },
                "description": { "type": "string" },
                "ids": { "type": "array", "items": { "type": "string" } },
            },
        });
        assert_eq!(Json::Object(tidy_input(&schema)), expected);
    }

    #[test]
    fn what_clients_stumble_over_is_gone() {
        let schema = value(json!({
            "$schema": "x", "type": "object", "additionalProperties": false,
            "properties": {
                "format": { "type": ["string", "null"], "format": "date" },
                "count": { "type": ["integer", "null"], "format": "uint32", "minimum": 0 },
                "either": { "anyOf": [{ "type": "integer" }, { "type": "string" }, { "type": "null" }] },
                "maybe": { "anyOf": [{ "type": "object", "properties": {} }, { "type": "null" }] },
                "any": true,
                "list": { "type": "array" },
                "open": { "type": "object", "additionalProperties": true },
                "word": { "type": ["string", "null"], "enum": ["a", null] },
                "two": { "type": ["string", "integer"] }
            },
            "required": ["count"]
        }));
        assert_eq!(
            Json::Object(tidy(&schema)),
            json!({
                "type": "object",
                "properties": {
                    "format": { "type": "string" },
                    "count": { "type": "integer", "minimum": 0 },
                    "either": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
                    "maybe": { "type": "object", "properties": {} },
                    "any": {},
                    "list": { "type": "array", "items": {} },
                    "open": { "type": "object" },
                    "word": { "type": "string", "enum": ["a"] },
                    "two": { "anyOf": [{ "type": "string" }, { "type": "integer" }] }
                },
                "required": ["count"]
            })
        );
    }

    #[test]
    fn an_output_requires_nothing_that_may_be_null() {
        let schema = value(json!({
            "type": "object",
            "properties": {
                "id": { "type": "integer" }, "due": { "type": ["string", "null"] },
                "inner": { "type": "object", "properties": { "x": { "type": "null" } }, "required": ["x"] },
                "any": true
            },
            "required": ["id", "due", "any"]
        }));
        let tidied = Json::Object(tidy_output(&schema));
        assert_eq!(tidied["anyOf"], json!([{ "required": ["id"] }, { "required": ["error"] }]));
        assert!(tidied.get("required").is_none());
        assert_eq!(tidied["properties"]["inner"]["required"], json!([]));
        let sent = without_nulls(value(json!({ "id": 1, "due": null, "list": [{ "x": null }] })));
        assert_eq!(sent, json!({ "id": 1, "list": [{}] }));
    }
}
