//! Where people are signed in, and signing them out there.

use crate::domain::Value;
use crate::mcp::CallError;
use crate::web::pages::shown::{Moment, filled, int, list, text};
use crate::web::pages::visit::Visit;
use maud::{Markup, html};

/// So many are shown, those used last.
const SHOWN_MAX: usize = 50;

/// The section.
pub(super) fn shown(visit: &Visit, moment: &Moment, sessions: &Value) -> Markup {
    let items = list(sessions, "items");
    html! {
        section aria-labelledby="sessions" {
            h2 #sessions { "Signed in" }
            div.scroll tabindex="0" role="region" aria-label="List of sessions" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Whose" } th scope="col" { "By" } th scope="col" { "Since" }
                            th scope="col" { "Last used" } th scope="col" { "End" }
                        }
                    }
                    tbody { @for session in items.iter().take(SHOWN_MAX) { (row(visit, moment, session)) } }
                }
            }
            @if items.len() > SHOWN_MAX {
                p.quiet { "All " (items.len()) " of them: " code { "rota sessions list" } "." }
            }
            @if visit.may("endSessions") {
                form method="post" action="/settings" {
                    (visit.seal())
                    p.quiet { "Ends every session of yours, this one, too. Tokens stay as they are." }
                    button type="submit" name="act" value="end-sessions" { "Sign out everywhere" }
                }
            }
        }
    }
}

fn row(visit: &Visit, moment: &Moment, session: &Value) -> Markup {
    let id = text(session, "id");
    let is_this = id == visit.session;
    html! {
        tr {
            td { (text(session, "person_name")) }
            td {
                @match (filled(session, "token_name"), filled(session, "token")) {
                    (Some(name), _) => { "token " (name) }
                    (None, Some(token)) => { "token " (token) }
                    (None, None) => "a link",
                }
            }
            td { (moment.when(text(session, "begun"))) }
            td { (moment.when(text(session, "last_used"))) }
            td {
                @if is_this {
                    "this one"
                } @else if visit.may("endSessions") {
                    form method="post" action="/settings" {
                        (visit.seal())
                        input type="hidden" name="session" value=(id);
                        input type="hidden" name="person" value=(int(session, "person").unwrap_or_default());
                        button type="submit" name="act" value="end-session" aria-label={ "End session " (id) } { "End" }
                    }
                }
            }
        }
    }
}

/// All sessions of whoever asks, or one that they see.
pub(super) async fn end(visit: &Visit) -> Result<String, CallError> {
    let form = &visit.form;
    let (session, person) = (form.filled("session"), form.text("person").parse::<i64>().ok());
    let args = match (form.text("act"), session) {
        ("end-session", Some(session)) => {
            vec![("session", session.into()), ("person", person.into())]
        }
        ("end-session", None) => {
            return Err(CallError::of("invalid_arguments", "say which session"));
        }
        _ => Vec::new(),
    };
    visit.call("endSessions", args).await?;
    Ok("The session is ended.".to_owned())
}
