//! `GET /metrics`: what is counted and measured, for Prometheus.
//!
//! Who reads it is asked as at `/mcp`: address, name of the host, token, rate; any token will do,
//! whatever its role, because nothing of the board is told. Pages of browsers are not let in.

use super::gate::Gate;
use super::guard::{self, Guard};
use super::refusal::FORBIDDEN;
use crate::domain::Role;
use crate::mcp::instruments::{self, Refused};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use std::sync::Arc;

/// Looks how things stand, and writes all of it down in Prometheus' words.
pub type Written = Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>;

/// What the route needs.
#[derive(Clone)]
struct Told {
    gate: Arc<Gate>,
    /// Who knows the sessions, where MCP is served.
    guard: Option<Arc<Guard>>,
    written: Written,
}

/// The route, beside `/mcp`.
pub(super) fn router(guard: Arc<Guard>, written: Written) -> Router {
    let gate = Arc::clone(&guard.gate);
    routes(Told { gate, guard: Some(guard), written })
}

/// The route alone, where MCP is not served.
pub fn metrics_alone(gate: Arc<Gate>, written: Written) -> Router {
    routes(Told { gate, guard: None, written })
}

fn routes(told: Told) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(told)
}

async fn metrics(State(told): State<Told>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let gate = &told.gate;
    if let Err(refusal) = gate.let_in(&parts, Role::Readonly).await {
        return refusal.spoken();
    }
    let foreign = if !names_us(&parts.headers, &gate.options().hosts) {
        Some((Refused::Host, "the Host header names somebody else"))
    } else if parts.headers.contains_key(header::ORIGIN) {
        Some((Refused::Origin, "this is not for pages of browsers"))
    } else {
        None
    };
    if let Some((why, message)) = foreign {
        instruments::refused(why);
        return guard::refuse(StatusCode::FORBIDDEN, FORBIDDEN, message);
    }
    if let Some(guard) = &told.guard {
        guard.tell_what_is_held().await;
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")];
    (headers, (told.written)().await).into_response()
}

/// Whether a request names us: loopback, or one of our names, at any port.
pub fn names_us(headers: &HeaderMap, hosts: &[String]) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = bare(&authority);
    let is_own = |own: &String| {
        own.eq_ignore_ascii_case(name) || own.eq_ignore_ascii_case(authority.as_str())
    };
    is_loopback(name) || hosts.iter().any(is_own)
}

/// Whether no page of a browser asks, or one of ours: of loopback, or of one of these origins.
pub(super) fn is_from_us(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if origins.iter().any(|own| own.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = origin.strip_prefix("http://").map(str::parse::<Authority>);
    host.is_some_and(|host| host.is_ok_and(|host| is_loopback(bare(&host))))
}

fn bare(authority: &Authority) -> &str {
    authority.host().trim_start_matches('[').trim_end_matches(']')
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_named_by_loopback_and_by_our_own_names() {
        let ours = ["board.example.com".to_owned(), "other.example:8443".to_owned()];
        for (host, is) in [
            ("127.0.0.1:3001", true),
            ("[::1]:3001", true),
            ("LocalHost", true),
            ("Board.example.com:443", true),
            ("other.example:8443", true),
            ("other.example", false),
            ("evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("a b", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(names_us(&headers, &ours), is, "{host}");
        }
        assert!(!names_us(&HeaderMap::new(), &ours));
    }
    #[test]
    fn a_page_is_ours_by_loopback_or_by_an_origin_that_was_named() {
        let ours = ["https://board.example.com".to_owned()];
        assert!(is_from_us(&HeaderMap::new(), &ours), "no page at all");
        for (origin, is) in [
            ("http://localhost:3001", true),
            ("http://[::1]", true),
            ("https://board.example.com", true),
            ("https://board.example.com:444", false),
            ("https://localhost", false),
            ("http://127.0.0.1.evil.example", false),
            ("null", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            assert_eq!(is_from_us(&headers, &ours), is, "{origin}");
        }
    }
}
