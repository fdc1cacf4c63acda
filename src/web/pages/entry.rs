//! Who gets to see pages: address, host, session; and for forms, that they are ours and theirs.

use super::answer::see;
use super::cookie::Jar;
use super::form::{Form, address};
use super::visit::Visit;
use super::{Known, Pages, SignInError, sign_in};
use crate::mcp::http::names_us;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::Next;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// A longer form is not read: a task's texts fit in it.
const FORM_BYTES_MAX: usize = 512 * 1024;
/// So long a request may take to come.
const BODY_TIME: Duration = Duration::from_secs(5);

/// What a script of ours says so with that an open page looks again.
const LOOK: &str = "hx-request";

/// Where somebody asks from, once that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct From(pub(super) IpAddr);

/// Lets whoever is signed in through, with a [`Visit`].
pub(super) async fn signed_in(
    State(pages): State<Arc<Pages>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Err(refusal) = at_the_door(&pages, &parts) {
        return refusal;
    }
    let jar = Jar::of(&pages, &parts.headers);
    let known = match jar.secret(&parts.headers) {
        Some(secret) => match pages.house.known(&secret).await {
            Ok(known) => known,
            Err(error) => return unavailable(&error),
        },
        None => None,
    };
    let Some(mut known) = known else { return signed_out(&pages, &parts, body).await };
    let renewed = known.next.take();
    let mut response = served(pages, known, parts, body, next).await;
    // With whatever answer: there is no other that would bring it. Whoever signs out has none any more.
    if let Some(cookie) = renewed.as_ref().and_then(|secret| jar.set(Some(secret)))
        && !response.headers().contains_key(header::SET_COOKIE)
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

async fn served(
    pages: Arc<Pages>,
    known: Known,
    mut parts: Parts,
    body: Body,
    next: Next,
) -> Response<Body> {
    if pages.rate.take(&known.session).is_err() {
        return sign_in::refusal(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many requests: wait a moment.",
        );
    }
    let form = if parts.method == Method::POST {
        match sent(&pages, &parts, body).await {
            Ok(form) => form,
            Err(refusal) => return refusal,
        }
    } else {
        Form::default()
    };
    let is_theirs = bool::from(form.text("mark").as_bytes().ct_eq(known.mark.as_bytes()));
    if parts.method == Method::POST && !is_theirs {
        let why =
            "This form is of another session; nothing was done. Go back and load its page again.";
        return sign_in::returned(StatusCode::FORBIDDEN, why, &form);
    }
    let query = Form::read(parts.uri.query().unwrap_or_default().as_bytes());
    let Known { caller, session, mark, .. } = known;
    let place = parts.uri.path().to_owned();
    let is_look = parts.headers.contains_key(LOOK);
    let taken = Arc::default();
    let visit = Visit { pages, caller, session, mark, place, query, form, taken, is_look };
    parts.extensions.insert(visit);
    next.run(Request::from_parts(parts, Body::empty())).await
}

/// Who is not signed in is asked to, and then led to where they wanted to go. What they wrote in the
/// meantime is given back to them.
async fn signed_out(pages: &Pages, parts: &Parts, body: Body) -> Response<Body> {
    if parts.method != Method::POST {
        return to_sign_in(parts);
    }
    match sent(pages, parts, body).await {
        Ok(form) if form.has_texts() => {
            let why =
                "You are not signed in any more; nothing was done. Sign in, and send this again.";
            sign_in::returned(StatusCode::UNAUTHORIZED, why, &form)
        }
        Ok(_) => to_sign_in(parts),
        Err(refusal) => refusal,
    }
}

/// Lets anybody through who may ask at all, to where people sign in.
pub(super) async fn anybody(
    State(pages): State<Arc<Pages>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let from = match at_the_door(&pages, &parts) {
        Ok(from) => from,
        Err(refusal) => return refusal,
    };
    let form = if parts.method == Method::POST {
        match sent(&pages, &parts, body).await {
            Ok(form) => form,
            Err(refusal) => return refusal,
        }
    } else {
        Form::read(parts.uri.query().unwrap_or_default().as_bytes())
    };
    parts.extensions.insert(From(from));
    parts.extensions.insert(form);
    parts.extensions.insert(pages);
    next.run(Request::from_parts(parts, Body::empty())).await
}

/// The address may ask, and it is us who are asked: a page elsewhere cannot have its own name lead here.
fn at_the_door(pages: &Pages, parts: &Parts) -> Result<IpAddr, Response<Body>> {
    let from = pages.door.address(parts);
    let from = from.map_err(|why| sign_in::refusal(StatusCode::FORBIDDEN, why))?;
    if names_us(&parts.headers, pages.door.hosts()) {
        return Ok(from);
    }
    let why = "The Host header names somebody else. If this is a name of this server, it belongs into \
               rota.toml: [mcp] hosts";
    Err(sign_in::refusal(StatusCode::FORBIDDEN, why))
}

/// A form, from a page of ours.
async fn sent(pages: &Pages, parts: &Parts, body: Body) -> Result<Form, Response<Body>> {
    let is_secure = Jar::of(pages, &parts.headers).is_secure();
    if !is_from_our_page(&parts.headers, pages.door.origins(), is_secure) {
        let why = "This form was not sent from a page of this server; nothing was done. If it was, a proxy \
                   stands between: let it pass the name on (nginx: proxy_set_header Host $host), and name \
                   that under [mcp] hosts in rota.toml; or name the address of the pages under [mcp] origins. \
                   Where there is TLS, pages of http:// do not count.";
        return Err(sign_in::refusal(StatusCode::FORBIDDEN, why));
    }
    let body = crate::web::body::read(parts, body, FORM_BYTES_MAX, BODY_TIME).await;
    let body = body.map_err(|status| {
        sign_in::refusal(status, "The form is too long, or came too slowly; nothing was done.")
    })?;
    Ok(Form::read(&body))
}

/// Browsers say where a form was sent from: from where we are asked, or from an address that is named as
/// ours. Who is between may write pages of the same name that come without TLS: where there is TLS, ours do not,
/// whatever is named.
fn is_from_our_page(headers: &HeaderMap, ours: &[String], is_secure: bool) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Some(origin) = text("origin") else {
        // Old ones do not; they say neither. What is no browser has no cookie of somebody else.
        return matches!(text("sec-fetch-site"), None | Some("same-origin" | "none"));
    };
    let plain = after("http://", origin);
    if plain.is_some_and(|name| is_secure || is_over_tls(name, ours)) {
        return false;
    }
    if ours.iter().any(|own| own.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let said = plain.or_else(|| after("https://", origin));
    let (said, host) = (said.and_then(authority), text("host").and_then(authority));
    said.is_some() && said == host
}

/// Whether the pages of this name are named as those of a proxy that speaks TLS: it may not say so itself.
fn is_over_tls(name: &str, ours: &[String]) -> bool {
    let mut over_tls = ours.iter().filter_map(|own| after("https://", own));
    over_tls.any(|own| own.eq_ignore_ascii_case(name))
}

/// What stands behind a scheme, in whatever letters it is written.
fn after<'a>(scheme: &str, origin: &'a str) -> Option<&'a str> {
    let (begin, name) = origin.split_at_checked(scheme.len())?;
    begin.eq_ignore_ascii_case(scheme).then_some(name)
}

fn authority(text: &str) -> Option<String> {
    let authority: Authority = text.parse().ok()?;
    Some(authority.as_str().to_ascii_lowercase())
}

fn to_sign_in(parts: &Parts) -> Response<Body> {
    let wanted = parts.uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    let next = if parts.method == Method::GET && wanted != "/" { wanted } else { "" };
    see(&address("/sign-in", &[("next", next)]))
}

/// Nobody knows just now who somebody is.
pub(super) fn unavailable(error: &SignInError) -> Response<Body> {
    tracing::warn!(error = error as &dyn std::error::Error, "a session could not be looked up");
    let mut response = sign_in::refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "It cannot be looked up just now who you are. Try again in a moment.",
    );
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        pairs.collect()
    }

    #[test]
    fn a_form_counts_from_our_own_pages_alone() {
        let host = ("host", "localhost:3001");
        for (pairs, counts) in [
            (vec![host, ("origin", "http://localhost:3001")], true),
            (vec![host, ("origin", "https://LOCALHOST:3001")], true),
            (vec![host, ("origin", "http://localhost:3002")], false),
            (vec![host, ("origin", "http://evil.example")], false),
            (vec![host, ("origin", "null")], false),
            (vec![host, ("origin", "ftp://localhost:3001")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
            (vec![host, ("sec-fetch-site", "same-site")], false),
            (vec![host, ("sec-fetch-site", "same-origin")], true),
            (vec![host], true),
        ] {
            assert_eq!(is_from_our_page(&headers(&pairs), &[], false), counts, "{pairs:?}");
        }
        for (scheme, counts) in [("https", true), ("http", false)] {
            let own = format!("{scheme}://localhost:3001");
            let pairs = [host, ("origin", own.as_str())];
            assert_eq!(is_from_our_page(&headers(&pairs), &[], true), counts, "TLS: {own}");
        }
        // Behind a proxy that does not pass the name on.
        let ours = ["https://board.example.com".to_owned()];
        for (origin, counts) in [
            ("https://board.example.com", true),
            ("https://BOARD.example.com", true),
            ("http://board.example.com", false),
            ("https://board.example.com:444", false),
            ("https://board.example.com.evil.example", false),
        ] {
            let pairs = [("host", "127.0.0.1:3001"), ("origin", origin)];
            assert_eq!(is_from_our_page(&headers(&pairs), &ours, false), counts, "{origin}");
        }
    }

    #[test]
    fn where_there_is_tls_a_page_without_it_is_none_of_ours_also_where_its_origin_is_named() {
        let host = ("host", "board.example.com");
        let named = |origins: &[&str]| origins.iter().map(|&own| own.to_owned()).collect();
        let plain: Vec<String> = named(&["http://board.example.com", "http://old.example.com"]);
        let both: Vec<String> = named(&["http://board.example.com", "HTTPS://Board.example.com"]);
        for (origin, ours, is_secure, counts) in [
            ("http://board.example.com", &plain, true, false),
            ("HTTP://BOARD.example.com", &plain, true, false),
            ("http://old.example.com", &plain, true, false),
            ("https://board.example.com", &plain, true, true),
            // Where none is spoken, it is as ever.
            ("http://board.example.com", &plain, false, true),
            ("http://old.example.com", &plain, false, true),
            // A proxy that does not say what it speaks: by its name it is TLS.
            ("http://board.example.com", &both, false, false),
            ("https://board.example.com", &both, false, true),
        ] {
            let headers = headers(&[host, ("origin", origin)]);
            let told = is_from_our_page(&headers, ours, is_secure);
            assert_eq!(told, counts, "{origin} {ours:?} {is_secure}");
        }
    }
}
