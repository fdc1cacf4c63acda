//! REST: `/api/v1`. Every answer is a tool's: a route says which tool it calls and with what, and
//! `routes` is the table of them, from which the router and the `OpenAPI` document are made.
//!
//! # What stays true
//! - The gate of `/mcp` stands before all of it: the same tokens, roles, rates and bounds.
//! - What is refused is a problem document (RFC 9457) with the tool's stable code.
//! - A page begins after the item that its cursor names; a task changes only from the revision that its
//!   `If-Match` names.

mod answer;
mod begun;
mod hearing;
mod openapi;
mod pages;
mod routes;
mod tasks;

use crate::mcp::http::Gate;
use crate::mcp::{CallError, Caller, Handler};
use crate::web::events::Feed;
use crate::web::problem::Problem;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodFilter, any, on};
use routes::{Method, ROUTES};
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// What stands behind the routes.
#[derive(Clone)]
pub struct Behind {
    /// Lets callers in.
    pub gate: Arc<Gate>,
    /// Calls tools.
    pub handler: Handler,
    /// What happens.
    pub feed: Arc<Feed>,
}

impl Behind {
    /// Calls a tool by a route of its own: the request names what it is about, and confirms it by that.
    async fn call(
        &self,
        caller: &Caller,
        tool: &str,
        args: Map<String, Json>,
    ) -> Result<Json, CallError> {
        self.handler.answer_program(caller, tool, args, true).await
    }
}

/// The routes.
pub fn router(behind: Behind) -> Router {
    let behind = Arc::new(behind);
    let mut router = Router::new();
    for route in ROUTES {
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Patch => MethodFilter::PATCH,
        };
        let own = Arc::clone(&behind);
        let handler =
            move |request: Request| async move { answer::answer(&own, route, request).await };
        router = router.route(route.path, on(filter, handler));
    }
    router
        .method_not_allowed_fallback(|| async { Problem::not_allowed().response() })
        .route("/api/v1/{*rest}", any(|| async { Problem::no_such_route().response() }))
        .route_layer(from_fn_with_state(Arc::clone(&behind.gate), guarded))
}

async fn guarded(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    gate.pass(request, next, |refusal| Problem::from(refusal).response()).await
}
