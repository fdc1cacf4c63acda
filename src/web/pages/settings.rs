//! `/settings`: tokens, people, the record of what people did, other servers.

mod sessions;

use super::shown::{Moment, chip, empty, filled, int, is, list, text};
use super::visit::Visit;
use crate::domain::Value;
use crate::mcp::CallError;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use maud::{Markup, html};

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
    let audit = visit.call_if_allowed("verifyAudit", []).await?;
    let upstream = visit.call_if_allowed("listUpstreamTools", []).await?;
    Ok(html! {
        section aria-labelledby="you" {
            h2 #you { "You" }
            p { "You are signed in as " strong { (visit.name()) } ", with the role " strong { (visit.role()) } "." }
        }
        @if let Some(sessions) = &signed_in { (sessions::shown(visit, &moment, sessions)) }
        @if let Some(tokens) = &tokens { (tokens_of(visit, &moment, tokens)) }
        @if let Some(people) = &people { (everybody(people)) }
        section aria-labelledby="health" {
            h2 #health { "Health" }
            p { "On the machine where the daemon runs, " code { "rota doctor" } " looks at configuration, board, models, channels and disk, and says what to do." }
        }
        @if let Some(audit) = &audit {
            section aria-labelledby="audit" {
                h2 #audit { "Record" }
                p.quiet { "What people did, each entry chained to the one before:" }
                @if is(audit, "intact") {
                    p { (chip("ok")) " " (int(audit, "entries").unwrap_or(0)) " entries, as they were written" }
                } @else {
                    (chip("fail"))
                    pre { (audit) }
                }
            }
        }
        @if let Some(upstream) = &upstream { (servers(upstream)) }
    })
}

fn tokens_of(visit: &Visit, moment: &Moment, tokens: &Value) -> Markup {
    let items = list(tokens, "items");
    html! {
        section aria-labelledby="tokens" {
            h2 #tokens { "Tokens" }
            @if items.is_empty() {
                (empty("No tokens yet.", &html! {
                    "Assistants and programs come in with one: " code { "rota token create laptop --expires 90d" } "."
                }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="List of tokens" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Name" } th scope="col" { "Sort" } th scope="col" { "Whose" } th scope="col" { "Role" }
                                th scope="col" { "Made" } th scope="col" { "Last used" } th scope="col" { "Ends" } th scope="col" { "Revoke" }
                            }
                        }
                        tbody { @for token in items { (token_row(visit, moment, token)) } }
                    }
                }
            }
        }
    }
}

fn token_row(visit: &Visit, moment: &Moment, token: &Value) -> Markup {
    let when = |name: &str| filled(token, name).map(|at| moment.when(at));
    let is_over = filled(token, "revoked").is_some();
    html! {
        tr {
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
}

fn everybody(people: &Value) -> Markup {
    html! {
        section aria-labelledby="people" {
            h2 #people { "People and agents" }
            div.scroll tabindex="0" role="region" aria-label="List of people and agents" {
                table {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Sort" } th scope="col" { "Role" } th scope="col" { "E-mail" } } }
                    tbody {
                        @for person in list(people, "items") {
                            tr {
                                td { (text(person, "name")) }
                                td { (text(person, "kind")) }
                                td { (text(person, "role")) }
                                td { (text(person, "email")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn servers(upstream: &Value) -> Markup {
    let tools = upstream.as_list().unwrap_or_else(|| list(upstream, "items"));
    html! {
        section aria-labelledby="upstreams" {
            h2 #upstreams { "Other servers" }
            @if tools.is_empty() {
                p.quiet { "None are named under " code { "[upstream.NAME]" } " in rota.toml." }
            }
            ul.rows {
                @for tool in tools {
                    li {
                        p.facts { code { (text(tool, "tool")) } (chip(text(tool, "state"))) }
                        p.line { (text(tool, "description")) }
                    }
                }
            }
        }
    }
}

/// `POST /settings`.
pub(super) async fn act(Extension(visit): Extension<Visit>) -> Response<Body> {
    let done = match visit.form.text("act") {
        "revoke" => {
            let token = visit.form.text("token");
            let done = visit.call("revokeToken", [("token", token.into())]).await;
            done.map(|token| format!("The token {} does not count any more.", text(&token, "name")))
        }
        "end-session" | "end-sessions" => sessions::end(&visit).await,
        _ => Err(CallError::of("invalid_arguments", "there is nothing of that name to do")),
    };
    visit.done("/settings", done)
}
