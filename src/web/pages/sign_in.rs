//! Signing in, by a token or by a link of `rota open`, and out.

use super::answer::{html, see};
use super::cookie::Jar;
use super::entry::{From, unavailable};
use super::form::{Form, inside};
use super::visit::Visit;
use super::{Pages, SignInError, layout};
use crate::mcp::Denied;
use crate::mcp::http::Barred;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use maud::{Markup, html};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// No token is longer.
const TOKEN_BYTES_MAX: usize = 512;
const TOO_MANY_FAILED: &str = "Too many failed sign-ins from here. Wait a minute.";

/// `GET /sign-in`.
pub(super) async fn page(Extension(asked): Extension<Form>) -> Response<Body> {
    shown(StatusCode::OK, asked.text("next"), None)
}

/// `POST /sign-in`: by a personal token.
pub(super) async fn by_token(
    Extension(pages): Extension<Arc<Pages>>,
    Extension(From(from)): Extension<From>,
    headers: HeaderMap,
    Extension(form): Extension<Form>,
) -> Response<Body> {
    let (token, next) = (form.text("token"), form.text("next"));
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
        return shown(StatusCode::BAD_REQUEST, next, Some("Paste a personal token."));
    }
    let token = SecretString::from(token);
    // The door slows those down who guess, here and at `/mcp` together.
    let caller = match pages.door.caller(&token, from).await {
        Ok(caller) => caller,
        Err(Barred::TooMany(wait)) => return slower(wait, TOO_MANY_FAILED),
        Err(Barred::Denied(denied @ Denied::Unavailable(_))) => return unavailable(&denied.into()),
        Err(Barred::Denied(denied)) => {
            return shown(StatusCode::UNAUTHORIZED, next, Some(&denied.to_string()));
        }
    };
    if let Err(wait) = pages.sign_ins.take(&caller.principal.person.id) {
        return slower(wait, "You have signed in too often. Wait a few minutes.");
    }
    match pages.house.begin(&token).await {
        Ok(secret) => begun(&pages, &headers, &secret, next).await,
        Err(error @ SignInError::Denied(Denied::Unavailable(_))) => unavailable(&error),
        Err(error) => shown(StatusCode::FORBIDDEN, next, Some(&error.to_string())),
    }
}

/// `GET /open/…`: nothing is used up by looking, so that whatever looks at links ahead of people does no
/// harm; and nobody is signed in who did not mean it.
pub(super) async fn link(Path(link): Path<String>) -> Response<Body> {
    let body = html! {
        p { "This link signs you in, once." }
        form method="post" action={ "/open/" (link) } {
            button.primary type="submit" { "Sign in" }
        }
    };
    html(StatusCode::OK, layout::outside("Sign in", &body))
}

/// `POST /open/…`.
pub(super) async fn by_link(
    Extension(pages): Extension<Arc<Pages>>,
    Extension(From(from)): Extension<From>,
    headers: HeaderMap,
    Path(link): Path<String>,
) -> Response<Body> {
    match pages.house.begin_by_link(&SecretString::from(link)).await {
        Ok(Some(secret)) => begun(&pages, &headers, &secret, "/").await,
        Ok(None) => {
            let why = "This link was used already, or is older than five minutes. Ask for another \
                       with: rota open";
            match pages.door.failed(from, &"a link that does not count") {
                Err(Barred::TooMany(wait)) => slower(wait, TOO_MANY_FAILED),
                _ => refusal(StatusCode::UNAUTHORIZED, why),
            }
        }
        Err(error) => unavailable(&error),
    }
}

/// Somebody has a new session. One that their browser had before is over: nobody else can have put it
/// there for them to go on with.
async fn begun(
    pages: &Arc<Pages>,
    headers: &HeaderMap,
    secret: &SecretString,
    next: &str,
) -> Response<Body> {
    let jar = Jar::of(pages, headers);
    if let Some(before) = jar.secret(headers)
        && let Err(error) = pages.house.end(&before).await
    {
        tracing::warn!(%error, "the session before could not be ended");
    }
    let mut response = see(inside(next));
    if let Some(cookie) = jar.set(Some(secret)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// `POST /sign-out`.
pub(super) async fn out(Extension(visit): Extension<Visit>, headers: HeaderMap) -> Response<Body> {
    let jar = Jar::of(&visit.pages, &headers);
    if let Some(secret) = jar.secret(&headers)
        && let Err(error) = visit.pages.house.end(&secret).await
    {
        return unavailable(&error);
    }
    gone(&visit, &jar)
}

/// The session is over: pages that are still open hear so.
fn gone(visit: &Visit, jar: &Jar) -> Response<Body> {
    visit.pages.somebody_left();
    let mut response = see("/sign-in");
    if let Some(cookie) = jar.set(None) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn shown(status: StatusCode, next: &str, fault: Option<&str>) -> Response<Body> {
    let body = html! {
        @if let Some(fault) = fault {
            p.remark.bad role="alert" { (fault) }
        }
        form method="post" action="/sign-in" {
            input type="hidden" name="next" value=(inside(next));
            label for="token" { "Personal token" }
            input #token type="password" name="token" required autocomplete="off"
                autocapitalize="none" spellcheck="false" autofocus;
            button.primary type="submit" { "Sign in" }
        }
        (ways())
    };
    html(status, layout::outside("Sign in", &body))
}

/// What whoever has no token does.
fn ways() -> Markup {
    html! {
        div.quiet {
            p { "No token at hand? On the machine where the daemon runs, either of these lets you in:" }
            dl {
                dt { code { "rota open" } }
                dd { "prints a link that signs you in, once" }
                dt { code { "rota token create laptop --expires 90d" } }
                dd { "prints a token, once" }
            }
        }
    }
}

fn slower(wait: Duration, why: &str) -> Response<Body> {
    let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, why);
    let seconds = wait.as_millis().div_ceil(1_000).max(1).to_string();
    if let Ok(seconds) = HeaderValue::from_str(&seconds) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// The same, with what somebody wrote: it would be lost else.
pub(super) fn returned(status: StatusCode, why: &str, form: &Form) -> Response<Body> {
    let body = html! {
        p role="alert" { (why) }
        (written(form))
        p { a href="/" { "To the dashboard" } }
    };
    html(status, layout::outside(status.canonical_reason().unwrap_or("Refused"), &body))
}

/// What somebody wrote, to be copied.
pub(super) fn written(form: &Form) -> Markup {
    html! {
        @if form.has_texts() {
            p { "What you wrote, to be copied:" }
            @for (number, (name, text)) in form.texts().enumerate() {
                @let id = format!("written-{number}");
                label for=(id) { (name) }
                textarea id=(id) rows="6" readonly { "\n" (text) }
            }
        }
    }
}

/// A page that says only why.
pub(super) fn refusal(status: StatusCode, why: &str) -> Response<Body> {
    let body = html! {
        p role="alert" { (why) }
        p { a href="/" { "To the dashboard" } }
    };
    html(status, layout::outside(status.canonical_reason().unwrap_or("Refused"), &body))
}
