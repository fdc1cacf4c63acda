//! `GET /api/v1/openapi.json`: the `OpenAPI` 3.1 document, made of the table of routes and of the tools.

use super::begun::RUN;
use super::pages::{CURSOR, LIMIT, Lists, PAGE_DEFAULT, PAGE_MAX};
use super::routes::{Call, Does, Method, ROUTES, Route, named};
use crate::mcp::{Served, served};
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value as Json, json};
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

pub(super) fn response() -> Response {
    let mut response = DOCUMENT.clone().into_response();
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The document.
pub(super) fn document() -> Json {
    let mut paths = Map::new();
    for route in ROUTES {
        if matches!(route.does, Does::AnyTool) {
            for tool in served() {
                let path = route.path.replace("{name}", tool.definition.name);
                add(&mut paths, &path, route.method, of_tool(tool));
            }
            continue;
        }
        add(&mut paths, route.path, route.method, operation(route));
    }
    add(&mut paths, "/hooks/{playbook}", Method::Post, hook());
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Rota",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The tools of Rota and what the daemon knows, over HTTP. Each tool has its \
                own path under /api/v1/tools; the other paths are shorter ways to the same tools.",
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearer": [] }, { "key": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "key": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
            },
            "schemas": { "Problem": problem_schema() },
            "responses": { "Problem": {
                "description": "It was not done: why, with a stable code (RFC 9457)",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" } } },
            } },
        },
    })
}

fn add(paths: &mut Map<String, Json>, path: &str, method: Method, operation: Json) {
    let item = paths.entry(path).or_insert_with(|| json!({}));
    let name = match method {
        Method::Get => "get",
        Method::Post => "post",
        Method::Patch => "patch",
    };
    item[name] = operation;
}

fn problem_schema() -> Json {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "retryable"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "code": { "type": "string", "description": "Stable; docs/reasons.md explains most" },
            "retryable": { "type": "boolean" },
        },
    })
}

/// An operation that answers with JSON of this schema.
fn answers(id: &str, tag: &str, summary: &str, schema: &Json) -> Json {
    json!({
        "operationId": id,
        "tags": [tag],
        "summary": summary,
        "responses": {
            "200": { "description": "Done", "content": { "application/json": { "schema": schema } } },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    })
}

fn of_tool(tool: Served) -> Json {
    let definition = tool.definition;
    let id = format!("tool_{}", definition.name);
    let mut schema = output(tool);
    let without = match Lists::of(tool) {
        None => None,
        Some(Lists::Paged) => Some("as the body says"),
        Some(Lists::Whole(_)) => Some("the whole list"),
    };
    let parameters = without.map(|without| in_pages(&mut schema, Some(without)));
    let mut operation = answers(&id, "tools", definition.title, &schema);
    operation["description"] = json!(definition.description);
    operation["requestBody"] = body(&Json::Object(tool.input.clone()), definition.example);
    operation["x-role"] = json!(definition.role.to_string());
    if let Some(parameters) = parameters {
        operation["parameters"] = json!(parameters);
    }
    operation
}

/// A body of this schema, which may be left out where nothing in it is needed.
fn body(schema: &Json, example: &str) -> Json {
    let is_needed = schema["required"].as_array().is_some_and(|needed| !needed.is_empty());
    let mut content = json!({ "schema": schema });
    if let Ok(example) = serde_json::from_str::<Json>(example) {
        content["example"] = example;
    }
    json!({ "required": is_needed, "content": { "application/json": content } })
}

fn output(tool: Served) -> Json {
    tool.output.map_or_else(|| json!({ "type": "object" }), |schema| Json::Object(schema.clone()))
}

/// A parameter, as the tool describes it.
fn parameter(tool: Served, place: &str, name: &str) -> Json {
    let about = tool.input.get("properties").and_then(|all| all.get(name));
    let mut schema = about.cloned().unwrap_or_else(|| json!({ "type": "string" }));
    let told = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    if place == "path" {
        // What is read from a path is a text with something in it.
        schema = json!({ "type": "string", "minLength": 1 });
    }
    json!({ "name": name, "in": place, "required": place == "path", "schema": schema,
        "description": told.unwrap_or_else(|| json!("")) })
}

fn operation(route: &Route) -> Json {
    match &route.does {
        Does::Describe => {
            answers(route.operation, "about", route.summary, &json!({ "type": "object" }))
        }
        Does::Tell => stream(route),
        Does::AnyTool => json!({}),
        Does::Tool(call) => called(route, call, false),
        Does::List(call) => called(route, call, true),
        Does::Task | Does::EditTask => task(route),
    }
}

/// What may be said in the query about a page, and that a page tells of the next one.
/// `without`: what is answered where nothing of it is said; else the first page is.
fn in_pages(schema: &mut Json, without: Option<&str>) -> [Json; 2] {
    if let Some(Json::Object(members)) = schema.get_mut("properties") {
        members.entry("next").or_insert_with(|| json!({ "type": "string" }));
    }
    let mut limit = json!({ "type": "integer", "minimum": 1, "maximum": PAGE_MAX });
    let mut told = "Items of a page".to_owned();
    match without {
        None => limit["default"] = json!(PAGE_DEFAULT),
        Some(without) => {
            let more = format!("; {PAGE_DEFAULT} with `cursor` alone, without both {without}");
            told.push_str(&more);
        }
    }
    [
        json!({ "name": LIMIT, "in": "query", "schema": limit, "description": told }),
        json!({ "name": CURSOR, "in": "query", "schema": { "type": "string" },
            "description": "`next` of the page before" }),
    ]
}

fn called(route: &Route, call: &Call, is_list: bool) -> Json {
    let Some(tool) = named(call.tool) else { return json!({}) };
    let mut schema = output(tool);
    let mut parameters = Vec::new();
    if !call.path.is_empty() {
        parameters.push(parameter(tool, "path", call.path));
    }
    parameters.extend(call.query.iter().map(|name| parameter(tool, "query", name)));
    if is_list {
        parameters.extend(in_pages(&mut schema, None));
    }
    let mut operation = answers(route.operation, "daemon", route.summary, &schema);
    operation["parameters"] = json!(parameters);
    operation["description"] = json!(format!("Calls the tool {}.", call.tool));
    if call.tool == RUN {
        may_answer_early(&mut operation);
    }
    if call.has_body {
        let mut input = Json::Object(tool.input.clone());
        // What stands in the path does not stand in the body.
        for name in [call.path, "item", "task"].iter().take(if call.path == "item" { 3 } else { 1 })
        {
            if let Some(properties) = input["properties"].as_object_mut() {
                properties.remove(*name);
            }
            if let Some(required) = input["required"].as_array_mut() {
                required.retain(|needed| needed != name);
            }
        }
        operation["requestBody"] = body(&input, "");
    }
    operation
}

/// A run that has begun may be all that is waited for.
fn may_answer_early(operation: &mut Json) {
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.push(json!({ "name": "Prefer", "in": "header", "schema": { "type": "string" },
            "description": "respond-async: 202 once the run has begun (RFC 7240)" }));
    }
    let text = json!({ "type": "string" });
    let begun = json!({
        "type": "object",
        "required": ["run", "state", "status"],
        "properties": {
            "run": text,
            "state": { "const": "running" },
            "status": { "type": "string", "description": "Where to ask what came of it" },
        },
    });
    operation["responses"]["202"] = json!({
        "description": "It has begun, and goes on; 200 where it ended before, or began no run",
        "headers": { "Location": { "schema": text, "description": "The same as `status`" },
            "Preference-Applied": { "schema": text } },
        "content": { "application/json": { "schema": begun } },
    });
}

fn task(route: &Route) -> Json {
    let (Some(get), Some(edit)) = (named("getTicket"), named("editTask")) else { return json!({}) };
    let header = |name: &str, told: &str| json!({ "name": name, "in": "header", "schema": { "type": "string" }, "description": told });
    let mut operation = answers(route.operation, "tasks", route.summary, &output(get));
    operation["responses"]["200"]["headers"] =
        json!({ "ETag": { "schema": { "type": "string" } } });
    let id = parameter(get, "path", "id");
    if matches!(route.does, Does::Task) {
        let known = header("If-None-Match", "Tags of what is known: 304 where nothing changed");
        operation["parameters"] = json!([id, known]);
        operation["responses"]["304"] = json!({ "description": "It is as it is known" });
        return operation;
    }
    let seen = header("If-Match", "The tag that was seen: 412 where the task changed since");
    operation["parameters"] = json!([id, seen]);
    let params = edit.input.get("properties").and_then(|all| all.get("params")).cloned();
    operation["requestBody"] = body(&params.unwrap_or_else(|| json!({ "type": "object" })), "");
    operation
}

fn stream(route: &Route) -> Json {
    json!({
        "operationId": route.operation,
        "tags": ["events"],
        "summary": route.summary,
        "parameters": [{ "name": "Last-Event-ID", "in": "header", "schema": { "type": "string" },
            "description": "Goes on after this event" }],
        "responses": {
            "200": { "description": "Server-sent events: hello, progress, changed, missed, over",
                "content": { "text/event-stream": { "schema": { "type": "string" } } } },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    })
}

fn hook() -> Json {
    let header = |name: &str, told: &str| {
        json!({ "name": name, "in": "header", "required": true, "schema": { "type": "string" },
            "description": told })
    };
    let received = json!({
        "type": "object",
        "required": ["occurrence", "status", "repeated"],
        "properties": {
            "occurrence": { "type": "string" },
            "status": { "type": "string", "description": "Where to ask what came of it" },
            "repeated": { "type": "boolean" },
        },
    });
    json!({
        "operationId": "hook",
        "tags": ["hooks"],
        "summary": "Wakes a playbook that has `[on] webhook`",
        "security": [],
        "parameters": [
            { "name": "playbook", "in": "path", "required": true,
                "schema": { "type": "string", "minLength": 1 } },
            header("webhook-id", "Names the delivery: a second one of this name wakes nothing"),
            header("webhook-timestamp", "When it was sent, in seconds since 1970"),
            header("webhook-signature", "v1, and the HMAC-SHA256 of `id.timestamp.body` in base64"),
        ],
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": {} },
            "text/plain": { "schema": { "type": "string" } },
        } },
        "responses": {
            "202": { "description": "It was received", "content": {
                "application/json": { "schema": received } } },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let document = document();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
            })
            .collect();
        let mut routed = BTreeSet::from([("/hooks/{playbook}".to_owned(), "post".to_owned())]);
        for route in ROUTES {
            let method = format!("{:?}", route.method).to_lowercase();
            if matches!(route.does, Does::AnyTool) {
                let path = |tool: Served| route.path.replace("{name}", tool.definition.name);
                routed.extend(served().map(|tool| (path(tool), method.clone())));
            } else {
                routed.insert((route.path.to_owned(), method));
            }
        }
        assert_eq!(described, routed);
    }

    #[test]
    fn what_an_operation_refers_to_is_there_and_its_name_is_its_own() {
        let document = document();
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                let name = operation["operationId"].as_str().unwrap().to_owned();
                assert!(names.insert(name.clone()), "{name} twice");
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let in_path = parameters.iter().filter(|one| one["in"] == "path");
                let in_path: Vec<&str> = in_path.filter_map(|one| one["name"].as_str()).collect();
                let wanted: Vec<&str> = path
                    .split('/')
                    .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                    .collect();
                assert_eq!(in_path, wanted, "{path}");
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let is_told = response["description"].is_string();
                    let refers = response["$ref"] == "#/components/responses/Problem";
                    assert!(is_told || refers, "{path} {status}");
                    let schema = &response["content"]["application/json"]["schema"];
                    assert!(schema.is_null() || jsonschema::meta::is_valid(schema), "{path}");
                }
            }
        }
        assert!(document["components"]["responses"]["Problem"].is_object());
    }
}
