//! What every answer has, and what becomes of what somebody wrote, with a house that is made up.

use super::*;
use crate::clock::ManualClock;
use crate::domain::from_millis;
use crate::mcp::http::{Address, HttpOptions};
use crate::mcp::{About, Access, News, NewsError};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode, header};
use secrecy::ExposeSecret as _;
use std::collections::BTreeSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Everybody is Ada, and each request brings another secret.
struct House(Arc<ManualClock>);

#[async_trait]
impl Access for House {
    async fn caller(&self, _: &SecretString) -> Result<Caller, Denied> {
        Ok(Caller::owner())
    }

    async fn anybody(&self) -> Result<Caller, Denied> {
        Ok(Caller::owner())
    }

    async fn still_counts(&self, _: &str) -> bool {
        true
    }
}

#[async_trait]
impl Household for House {
    async fn begin(&self, _: &SecretString) -> Result<SecretString, SignInError> {
        Ok(SecretString::from("s-1"))
    }

    async fn begin_by_link(&self, _: &SecretString) -> Result<Option<SecretString>, SignInError> {
        Ok(None)
    }

    async fn known(&self, secret: &SecretString) -> Result<Option<Known>, SignInError> {
        let is_known = secret.expose_secret() == "s-1";
        Ok(is_known.then(|| Known {
            caller: Caller::owner(),
            session: "s".to_owned(),
            mark: "m".to_owned(),
            next: Some(SecretString::from("s-2")),
        }))
    }

    async fn end(&self, _: &SecretString) -> Result<(), SignInError> {
        Ok(())
    }

    async fn again(&self, _: &str, before: &Caller) -> Option<Caller> {
        Some(before.clone())
    }

    async fn call(&self, _: &Caller, tool: &str, _: Value) -> Result<Called, CallError> {
        if tool == "findTasks" {
            let value = Value::List(vec![Value::from("x".repeat(1024 * 1024)); 5]);
            return Ok(Called { value, text: String::new() });
        }
        if tool == "getStatus" {
            let value = Value::map([("slots", Value::Int(2))]);
            return Ok(Called { value, text: String::new() });
        }
        if tool == "listReviews" {
            return Err(CallError::of("board_unavailable", "the server says 503"));
        }
        if tool == "getAllProjects" {
            let statuses = (0..6).map(|id| Value::map([("id", Value::Int(id))])).collect();
            let project = [("id", Value::Int(1)), ("statuses", Value::List(statuses))];
            let value = Value::map([("items", Value::List(vec![Value::map(project)]))]);
            return Ok(Called { value, text: String::new() });
        }
        let code = if tool == "addComment" { "conflict" } else { "unsupported" };
        Err(CallError::of(code, format!("{tool} is not done")))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0) as _
    }
}

/// Nothing ever happens.
struct Quiet;

#[async_trait]
impl News for Quiet {
    async fn since(&self, _: Option<i64>) -> Result<(BTreeSet<About>, i64), NewsError> {
        Ok((BTreeSet::new(), 0))
    }

    async fn sees(&self, _: &Caller, _: About) -> bool {
        true
    }

    async fn sees_run(&self, _: &Caller, _: Option<&str>) -> bool {
        true
    }
}

fn pages() -> Router {
    pages_over(Wire::Proxied)
}

fn pages_over(wire: Wire) -> Router {
    let clock = Arc::new(ManualClock::at(from_millis(0)));
    let house = Arc::new(House(Arc::clone(&clock)));
    let door = Door::new(Arc::clone(&house) as _, &HttpOptions::default(), clock);
    let feed = Feed::new("life".to_owned(), Arc::new(Quiet), CancellationToken::new());
    router(house, Arc::new(door), wire, feed)
}

async fn sent(
    pages: &Router,
    (path, cookie, form): (&str, &str, Option<&str>),
    more: &[(&str, &str)],
) -> (StatusCode, Option<String>, String) {
    let mut request = Request::builder().uri(path).header(header::HOST, "127.0.0.1:3001");
    for (name, value) in more.iter().chain(&[("cookie", cookie)]) {
        request = request.header(*name, *value);
    }
    let request = match form {
        Some(form) => request.method("POST").body(Body::from(form.to_owned())),
        None => request.body(Body::empty()),
    };
    let mut request = request.unwrap();
    let peer: Address = "127.0.0.1:4711".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let response: Response<Body> = pages.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let cookie = response.headers().get(header::SET_COOKIE);
    let cookie = cookie.map(|cookie| cookie.to_str().unwrap().to_owned());
    let body = axum::body::to_bytes(response.into_body(), 1_000_000).await.unwrap();
    (status, cookie, String::from_utf8(body.to_vec()).unwrap())
}

const ADA: &str = "rota_3001=s-1";

#[tokio::test]
async fn a_renewed_secret_comes_with_whatever_is_answered() {
    let pages = pages();
    let long = format!("mark=m&text={}", "x".repeat(600 * 1024));
    for (path, form, more, expected) in [
        ("/settings", None, &[][..], StatusCode::OK),
        ("/task/7", None, &[], StatusCode::BAD_REQUEST),
        ("/task/7/comment", Some("text=x"), &[], StatusCode::FORBIDDEN),
        ("/task/7/comment", Some("mark=m&text=x"), &[], StatusCode::CONFLICT),
        ("/task/7/comment", Some(long.as_str()), &[], StatusCode::PAYLOAD_TOO_LARGE),
        (
            "/task/7/comment",
            Some("mark=m&text=x"),
            &[("origin", "http://evil.example")],
            StatusCode::FORBIDDEN,
        ),
    ] {
        let (status, cookie, text) = sent(&pages, (path, ADA, form), more).await;
        assert_eq!(status, expected, "{path} {text}");
        assert!(cookie.unwrap().starts_with("rota_3001=s-2;"), "{path} {expected}");
    }
    let mut last = StatusCode::OK;
    for _ in 0..RATE_PER_MINUTE {
        let (status, cookie, _) = sent(&pages, ("/task/x", ADA, None), &[]).await;
        assert!(cookie.is_some(), "{status}");
        last = status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn over_tls_a_renewed_secret_comes_in_a_cookie_that_travels_over_tls_alone() {
    let before_us = [("x-forwarded-proto", "https")];
    for (wire, more) in [(Wire::Tls, &[][..]), (Wire::Proxied, &before_us[..])] {
        let pages = pages_over(wire);
        let ada = "__Host-rota_3001=s-1";
        let (status, cookie, text) = sent(&pages, ("/settings", ada, None), more).await;
        assert_eq!(status, StatusCode::OK, "{wire:?} {text}");
        let expected = "__Host-rota_3001=s-2; Path=/; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(cookie.as_deref(), Some(expected), "{wire:?}");
        // Who is between could set a cookie of the name without the prefix: it is nobody's.
        let (status, ..) = sent(&pages, ("/settings", ADA, None), more).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{wire:?}");
    }
    let (_, cookie, _) = sent(&pages_over(Wire::Plain), ("/settings", ADA, None), &[]).await;
    assert_eq!(cookie.as_deref(), Some("rota_3001=s-2; Path=/; HttpOnly; SameSite=Lax"));
}

#[tokio::test]
async fn what_cannot_be_read_is_said_on_the_first_page_beside_what_can() {
    let (status, _, page) = sent(&pages(), ("/", ADA, None), &[]).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    for said in [
        "The board cannot be reached.",
        "the server says 503",
        "<code>rota doctor</code>",
        "href=\"/settings?look=health\"",
        "This cannot be read just now.",
        "No agent is at work.",
        "0 of 2 places taken",
    ] {
        assert!(page.contains(said), "{said} in {page}");
    }
}

#[tokio::test]
async fn what_somebody_wrote_is_given_back_where_it_was_not_done() {
    let pages = pages();
    let text = "text=Long%20thoughts%20%3Cb%3E&mark=";
    for (cookie, mark, expected) in [
        (ADA, "m", StatusCode::CONFLICT),
        (ADA, "another", StatusCode::FORBIDDEN),
        ("rota_3001=gone-1", "m", StatusCode::UNAUTHORIZED),
        ("", "m", StatusCode::UNAUTHORIZED),
    ] {
        let form = format!("{text}{mark}");
        let (status, _, page) = sent(&pages, ("/task/7/comment", cookie, Some(&form)), &[]).await;
        assert_eq!(status, expected, "{page}");
        assert!(page.contains("Long thoughts &lt;b&gt;</textarea>"), "{page}");
    }
    let elsewhere = [("origin", "http://evil.example")];
    let (status, _, page) = sent(&pages, ("/task/7/comment", "", Some(text)), &elsewhere).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(!page.contains("Long thoughts"), "another page's form is not shown");
}

#[tokio::test]
async fn no_page_is_made_of_more_than_fits() {
    let (status, _, page) = sent(&pages(), ("/board", ADA, None), &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{} bytes", page.len());
    assert!(page.contains("response_too_large") && page.len() < 10_000, "{} bytes", page.len());
}

#[tokio::test]
async fn one_person_signs_in_so_often_and_no_more() {
    let pages = pages();
    for _ in 0..SIGN_INS_MAX {
        let (status, ..) = sent(&pages, ("/sign-in", "", Some("token=x")), &[]).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
    }
    let (status, cookie, _) = sent(&pages, ("/sign-in", "", Some("token=x")), &[]).await;
    assert_eq!((status, cookie), (StatusCode::TOO_MANY_REQUESTS, None));
}
