//! `/settings`: tokens, people, health, the record of what people did, other servers.

mod servers;
mod sessions;

use super::shown::{
    Moment, beginning, chip, empty, filled, int, list, none, section_with, table, text,
};
use super::visit::Visit;
use crate::domain::Value;
use crate::mcp::CallError;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use maud::{Markup, html};

/// So much of the record is shown.
const RECORD: i64 = 20;
/// Where health is looked at.
const LOOK_AT_HEALTH: &str = "/settings?look=health";

/// `GET /settings`.
pub(super) async fn page(Extension(visit): Extension<Visit>) -> Response<Body> {
    match body(&visit).await {
        Ok(body) => visit.page("Settings", &body),
        Err(error) => visit.trouble(&error),
    }
}

async fn body(visit: &Visit) -> Result<Markup, CallError> {
    let moment = visit.moment();
    let tokens = visit.call_if_allowed("listTokens", []).await?;
    let signed_in = visit.call_if_allowed("listSessions", []).await?;
    let people = visit.call_if_allowed("listPeople", []).await?;
    let audit = record(visit, &moment).await?;
    let health = health(visit).await?;
    let upstream = servers::shown(visit).await;
    Ok(html! {
        section aria-labelledby="you" {
            h2 #you { "You" }
            p { "You are signed in as " strong { (visit.name()) } ", with the role " strong { (visit.role()) } "." }
        }
        @if let Some(sessions) = &signed_in { (sessions::shown(visit, &moment, sessions)) }
        @if let Some(tokens) = &tokens { (tokens_of(visit, &moment, tokens)) }
        @if let Some(people) = &people { (everybody(people)) }
        (health)
        (audit)
        (upstream)
    })
}

/// What `rota doctor` finds. It asks servers, so it is asked for by itself.
async fn health(visit: &Visit) -> Result<Markup, CallError> {
    if !visit.may("getHealth") {
        return Ok(html! {
            section aria-labelledby="health" {
                h2 #health { "Health" }
                p { "On the machine where the daemon runs, " code { "rota doctor" } " looks at configuration, board, models, channels and disk, and says what to do." }
            }
        });
    }
    let found = if visit.query.text("look") == "health" {
        visit.call_if_allowed("getHealth", []).await?
    } else {
        None
    };
    Ok(html! {
        section #health-part aria-labelledby="health" data-later=[found.is_none().then_some(LOOK_AT_HEALTH)] {
            h2 #health { "Health" }
            @match &found {
                Some(found) => {
                    (findings(list(found, "items")))
                    p.quiet { "What " code { "rota doctor" } " finds, at most half a minute old." }
                },
                None => p {
                    "Configuration, board, models, channels, disk: "
                    a href=(LOOK_AT_HEALTH) { "look at them" } "."
                },
            }
        }
    })
}

fn findings(items: &[Value]) -> Markup {
    let rows = items.iter().map(|finding| {
        html! {
            td { (text(finding, "what")) }
            td { (chip(text(finding, "health"))) }
            td { (text(finding, "found")) }
            td { (text(finding, "advice")) }
        }
    });
    let heads = ["What", "Health", "Found", "What to do"];
    table("What was looked at", &heads, &[], &rows.collect::<Vec<_>>())
}

/// What people did, and whether it stands there as it was written.
async fn record(visit: &Visit, moment: &Moment) -> Result<Markup, CallError> {
    let verified = match visit.call_if_allowed("verifyAudit", []).await {
        Ok(None) => return Ok(html! {}),
        Ok(Some(verified)) if matches!(verified.get("intact"), Some(Value::Null)) => html! {
            p { (chip("warn")) " " (text(&verified, "note")) }
        },
        Ok(Some(verified)) => html! {
            p { (chip("ok")) " " (int(&verified, "entries").unwrap_or(0)) " entries, each chained to the one before, as they were written" }
        },
        Err(error) if error.code == "audit_broken" => html! {
            p { (chip("fail")) " " (error.message) }
        },
        Err(error) => return Err(error),
    };
    let log = [("limit", RECORD.into())];
    let log = visit.call_if_allowed("listAudit", log).await?.unwrap_or_default();
    let rows = list(&log, "items").iter().map(|entry| {
        html! {
            p.facts {
                (moment.when(text(entry, "at")))
                strong { (text(entry, "what").replace('-', " ")) }
                " " span { "by " (text(entry, "who")) }
            }
            p.line { (beginning(text(entry, "detail"), 200)) }
        }
    });
    let rows: Vec<Markup> = rows.collect();
    Ok(section_with("audit", "Record", &none("What people did."), &rows, &verified))
}

fn tokens_of(visit: &Visit, moment: &Moment, tokens: &Value) -> Markup {
    let heads = ["Name", "Sort", "Whose", "Role", "Made", "Last used", "Ends", "Revoke"];
    let rows = list(tokens, "items").iter().map(|token| token_row(visit, moment, token));
    let rows: Vec<Markup> = rows.collect();
    html! {
        section aria-labelledby="tokens" {
            h2 #tokens { "Tokens" }
            @if rows.is_empty() {
                (empty("No tokens yet.", &html! {
                    "Assistants and programs come in with one: " code { "rota token create laptop --expires 90d" } "."
                }))
            } @else {
                (table("List of tokens", &heads, &[], &rows))
            }
        }
    }
}

fn token_row(visit: &Visit, moment: &Moment, token: &Value) -> Markup {
    let when = |name: &str| filled(token, name).map(|at| moment.when(at));
    let is_over = filled(token, "revoked").is_some();
    html! {
        td { (text(token, "name")) }
        td { (text(token, "kind")) }
        td { (text(token, "person_name")) }
        td { (text(token, "role")) }
        td { @if let Some(at) = when("created") { (at) } }
        td { @match when("last_used") { Some(at) => (at), None => "never" } }
        td { @match when("expires") { Some(at) => (at), None => "–" } }
        td {
            @if is_over {
                (chip("revoked"))
            } @else if visit.may("revokeToken") {
                form method="post" action="/settings" {
                    (visit.seal())
                    input type="hidden" name="token" value=(text(token, "id"));
                    button type="submit" name="act" value="revoke" aria-label={ "Revoke " (text(token, "name")) } { "Revoke" }
                }
            }
        }
    }
}

fn everybody(people: &Value) -> Markup {
    let rows = list(people, "items").iter().map(|person| {
        html! {
            td { (text(person, "name")) }
            td { (text(person, "kind")) }
            td { (text(person, "role")) }
            td { (text(person, "email")) }
        }
    });
    let rows: Vec<Markup> = rows.collect();
    html! {
        section aria-labelledby="people" {
            h2 #people { "People and agents" }
            (table("List of people and agents", &["Name", "Sort", "Role", "E-mail"], &[], &rows))
        }
    }
}

/// `POST /settings`.
pub(super) async fn act(Extension(visit): Extension<Visit>) -> Response<Body> {
    let done = match visit.form.text("act") {
        "revoke" => {
            let token = visit.form.text("token");
            let done = visit.call("revokeToken", [("token", token.into())]).await;
            visit.pages.somebody_left();
            done.map(|token| format!("The token {} does not count any more.", text(&token, "name")))
        }
        "end-session" | "end-sessions" => {
            let done = sessions::end(&visit).await;
            visit.pages.somebody_left();
            done
        }
        _ => Err(CallError::of("invalid_arguments", "there is nothing of that name to do")),
    };
    visit.done("/settings", done)
}
