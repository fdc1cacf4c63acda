//! A request, answered: its parts become the arguments of a tool, and the tool's answer the body.

use super::begun::{self, RUN};
use super::pages::{CURSOR, LIMIT, Lists, Page};
use super::routes::{Call, Does, Route, named};
use super::{Behind, hearing, openapi, pages, tasks};
use crate::mcp::Caller;
use crate::tools::ToolKind;
use crate::web::problem::Problem;
use axum::RequestExt as _;
use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use serde_json::{Map, Value as Json};

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
        Does::List(call) => list(behind, call, &asked).await,
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
    let name = asked.in_path("name");
    let tool = named(name);
    let lists = tool.and_then(|tool| Some((tool, Lists::of(tool)?)));
    let mut query = asked.in_query(if lists.is_some() { &[LIMIT, CURSOR] } else { &[] })?;
    let page = Page::taken(&mut query)?;
    let mut args = asked.in_body()?;
    if let Some((lists, page)) = lists.zip(page) {
        return Ok(ok(&pages::called(behind, &asked.caller, lists, args, &page).await?));
    }
    let writes = tool.is_some_and(|tool| tool.definition.kind == ToolKind::Write);
    if let Some(key) = asked.headers.get(IDEMPOTENCY_KEY)
        && writes
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
    if call.tool == RUN && begun::is_preferred(&asked.headers) {
        return begun::answer(behind, &asked.caller, args).await;
    }
    let answer = behind.call(&asked.caller, call.tool, args).await?;
    Ok(ok(&answer))
}

/// A page of a list.
async fn list(behind: &Behind, call: &Call, asked: &Asked) -> Result<Response, Problem> {
    let known: Vec<&str> = call.query.iter().chain(&[LIMIT, CURSOR]).copied().collect();
    let mut args = asked.in_query(&known)?;
    let page = Page::taken(&mut args)?.unwrap_or_else(Page::first);
    let tool = named(call.tool).ok_or_else(Problem::no_such_route)?;
    let lists = Lists::of(tool).ok_or_else(Problem::no_such_route)?;
    let answer = pages::called(behind, &asked.caller, (tool, lists), args, &page).await?;
    Ok(ok(&answer))
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
