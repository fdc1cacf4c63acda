//! A request, answered: its parts become the arguments of a tool, and the tool's answer the body.

use super::routes::{Call, Does, Route};
use super::{Behind, hearing, openapi, tasks};
use crate::mcp::{Caller, served};
use crate::tools::ToolKind;
use crate::web::problem::Problem;
use axum::RequestExt as _;
use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use serde_json::{Map, Value as Json, json};

/// Items of a page when nothing is said.
const PAGE_DEFAULT: usize = 50;
/// Items of the longest page.
const PAGE_MAX: usize = 1_000;
/// Repeats a request without doing it twice, as the IETF's draft of this header has it.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request in its parts.
pub(super) struct Asked {
    pub caller: Caller,
    pub headers: HeaderMap,
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    body: Bytes,
}

/// Answers a request that was let in.
pub(super) async fn answer(
    behind: &Behind,
    route: &'static Route,
    mut request: Request,
) -> Response {
    let asked = match Asked::of(&mut request).await {
        Ok(asked) => asked,
        Err(problem) => return problem.response(),
    };
    let answered = match &route.does {
        Does::Describe => return openapi::response(),
        Does::Tell => return hearing::response(behind, &asked),
        Does::AnyTool => any_tool(behind, &asked).await,
        Does::Tool(call) => one_tool(behind, call, &asked).await,
        Does::List(call, name) => list(behind, call, name, &asked).await,
        Does::Task => tasks::show(behind, &asked).await,
        Does::EditTask => tasks::edit(behind, &asked).await,
    };
    answered.unwrap_or_else(Problem::response)
}

impl Asked {
    async fn of(request: &mut Request) -> Result<Self, Problem> {
        let path = request.extract_parts::<RawPathParams>().await;
        let path = path.map_err(|_| Problem::invalid("the path is not UTF-8"))?;
        let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let query = request.uri().query().unwrap_or_default().as_bytes();
        let query = form_urlencoded::parse(query).into_owned().collect();
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(Problem::no_such_route)?;
        let headers = request.headers().clone();
        // The gate has read it, within its bounds.
        let body = std::mem::take(request.body_mut());
        let body = axum::body::to_bytes(body, usize::MAX).await;
        let body = body.map_err(|_| Problem::invalid("the body broke off"))?;
        Ok(Self { caller, headers, path, query, body })
    }

    /// What stands in the path under this name.
    pub(super) fn in_path(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// This route has no query.
    pub(super) fn takes_no_query(&self) -> Result<(), Problem> {
        self.in_query(&[]).map(drop)
    }

    /// The arguments that the query gives, each once; no other may be there.
    fn in_query(&self, known: &[&str]) -> Result<Map<String, Json>, Problem> {
        let mut given = Map::new();
        for (name, value) in &self.query {
            let shown = crate::fault::shown(name);
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let message = format!("unknown query parameter {shown}; there are: {known}");
                return Err(Problem::invalid(message));
            }
            if given.insert(name.clone(), Json::from(value.as_str())).is_some() {
                return Err(Problem::invalid(format!("{shown} stands in the query twice")));
            }
        }
        Ok(given)
    }

    /// The members of the body; an absent one has none.
    pub(super) fn in_body(&self) -> Result<Map<String, Json>, Problem> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        // A page of a browser cannot send this without asking first.
        if !["application/json", "application/merge-patch+json"].contains(&kind) {
            let status = axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let message = "the body is to be application/json";
            return Err(Problem::new(status, "unsupported_media_type", message));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Json::Object(members)) => Ok(members),
            Ok(_) => Err(Problem::invalid("the body is to be a JSON object")),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                let message = format!("the body is no JSON: line {line}, column {column}");
                Err(Problem::invalid(message))
            }
        }
    }
}

async fn any_tool(behind: &Behind, asked: &Asked) -> Result<Response, Problem> {
    asked.takes_no_query()?;
    let mut args = asked.in_body()?;
    let name = asked.in_path("name");
    let writes =
        || served().any(|t| t.definition.name == name && t.definition.kind == ToolKind::Write);
    if let Some(key) = asked.headers.get(IDEMPOTENCY_KEY)
        && writes()
    {
        let key = key.to_str().map_err(|_| Problem::invalid("Idempotency-Key: expected a text"))?;
        args.entry("idempotencyKey").or_insert_with(|| Json::from(key));
    }
    let answer = behind.handler.answer_program(&asked.caller, name, args, false).await?;
    Ok(ok(&answer))
}

/// The arguments of a call, by the parts of the request.
fn arguments(call: &Call, asked: &Asked) -> Result<Map<String, Json>, Problem> {
    let mut args = if call.has_body { asked.in_body()? } else { Map::new() };
    if !call.path.is_empty() {
        let given = asked.in_path(call.path);
        if args.contains_key(call.path) {
            return Err(Problem::invalid(format!("{}: it is in the path", call.path)));
        }
        args.insert(call.path.to_owned(), Json::from(given));
    }
    Ok(args)
}

async fn one_tool(behind: &Behind, call: &Call, asked: &Asked) -> Result<Response, Problem> {
    let mut args = asked.in_query(call.query)?;
    args.extend(arguments(call, asked)?);
    if call.tool == "decideReview" {
        let item = args.remove("item").unwrap_or_default();
        let text = item.as_str().unwrap_or_default();
        let argument = if text.parse::<i64>().is_ok() { "task" } else { "item" };
        args.insert(argument.to_owned(), item);
    }
    let answer = behind.call(&asked.caller, call.tool, args).await?;
    Ok(ok(&answer))
}

/// A page of a list. A tool that knows pages makes them; of another the part is taken.
async fn list(
    behind: &Behind,
    call: &Call,
    name: &'static str,
    asked: &Asked,
) -> Result<Response, Problem> {
    let known: Vec<&str> = call.query.iter().chain(&["limit", "cursor"]).copied().collect();
    let mut args = asked.in_query(&known)?;
    let limit = match args.remove("limit") {
        Some(text) => limit(text.as_str().unwrap_or_default())?,
        None => PAGE_DEFAULT,
    };
    let cursor = args.remove("cursor").and_then(|text| text.as_str().map(str::to_owned));
    let pages = served().any(|tool| {
        tool.definition.name == call.tool && tool.input["properties"].get("cursor").is_some()
    });
    if pages {
        args.insert("limit".to_owned(), Json::from(limit));
        args.extend(cursor.map(|cursor| ("cursor".to_owned(), Json::from(cursor))));
        let answer = behind.call(&asked.caller, call.tool, args).await?;
        return Ok(ok(&answer));
    }
    let mut answer = behind.call(&asked.caller, call.tool, args).await?;
    take_page(&mut answer, name, cursor.as_deref(), limit)?;
    Ok(ok(&answer))
}

fn limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    limit.ok_or_else(|| Problem::invalid(format!("limit: expected 1 to {PAGE_MAX}")))
}

/// Leaves of the items those after the one that the cursor names, so many at most.
fn take_page(
    answer: &mut Json,
    name: &str,
    cursor: Option<&str>,
    limit: usize,
) -> Result<(), Problem> {
    let name_of = |item: &Json| match item.get(name) {
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let Some(Json::Array(items)) = answer.get_mut("items") else { return Ok(()) };
    if let Some(cursor) = cursor {
        let at = items.iter().position(|item| name_of(item) == cursor).ok_or_else(|| {
            Problem::invalid("cursor: what it names is gone; begin at the first page")
        })?;
        items.drain(..=at);
    }
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| has_more).map(name_of);
    if let (Some(next), Json::Object(members)) = (next, answer) {
        members.insert("next".to_owned(), json!(next));
    }
    Ok(())
}

/// A JSON body.
pub(super) fn ok(answer: &Json) -> Response {
    let mut response = Response::new(Body::from(answer.to_string()));
    let headers: [(HeaderName, &'static str); 3] = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let all = json!({ "items": [{ "id": 1 }, { "id": "b" }, { "id": 3 }], "faults": [] });
        let page = |cursor: Option<&str>, limit| {
            let mut answer = all.clone();
            take_page(&mut answer, "id", cursor, limit).map(|()| answer)
        };
        let first = page(None, 2).unwrap();
        assert_eq!(first["items"], json!([{ "id": 1 }, { "id": "b" }]));
        assert_eq!(first["next"], "b");
        assert!(first["faults"].is_array(), "what else is said stays");
        let last = page(Some("b"), 2).unwrap();
        assert_eq!(last, json!({ "items": [{ "id": 3 }], "faults": [] }));
        assert_eq!(page(Some("1"), 9).unwrap()["items"].as_array().unwrap().len(), 2);
        assert_eq!(page(Some("gone"), 2).unwrap_err().code, "invalid_arguments");
    }
}
