//! What somebody should know before anything else: what is wrong, what to do about it, and where.

use super::{SHOWN_MAX, Unread};
use crate::domain::{Role, Timestamp, Value};
use crate::mcp::CallError;
use crate::web::pages::shown::{Moment, filled, int, list, money, number, text};
use crate::web::pages::visit::Visit;
use chrono::{DateTime, TimeDelta};
use maud::{Markup, html};

/// A message that could go and has not gone for so long is held up.
const HELD_UP: TimeDelta = TimeDelta::minutes(15);

/// All of them, of what was read.
pub(super) fn shown(
    visit: &Visit,
    moment: &Moment,
    (status, outbox): (Option<&Value>, Option<&Value>),
    unread: &Unread,
) -> Markup {
    let nothing = Value::Null;
    let status = status.unwrap_or(&nothing);
    let queues = outbox.map(|outbox| list(outbox, "queues")).unwrap_or_default();
    html! {
        @for error in &unread.0 { (not_read(error)) }
        (stopped(visit, status))
        (faults(list(status, "faults")))
        @for budget in list(status, "budgets") { (used_up(visit, budget, text(status, "currency"), moment)) }
        @for queue in queues { (held_up(queue, moment)) }
        (given_up(int(status, "dead_letters").unwrap_or(0)))
        @if filled(status, "stopped").is_none() && visit.may("stopAll") { (emergency(visit)) }
    }
}

/// One of them.
fn alarm(is_bad: bool, what: &str, more: &Markup, todo: &Markup) -> Markup {
    html! {
        div.alarm.bad[is_bad].wait[!is_bad] role="alert" {
            p { strong { (what) } " " (more) }
            p { (todo) }
        }
    }
}

/// A part of the page that is missing.
fn not_read(error: &CallError) -> Markup {
    let what = match error.code.as_str() {
        "board_unavailable" => "The board cannot be reached.",
        "store_failed" => "Local state cannot be read.",
        _ => "A part of this page cannot be read just now.",
    };
    let todo = html! {
        code { "rota doctor" } " says what to do; so does " a href="/settings?look=health" { "Settings" } "."
    };
    alarm(true, what, &html! { (error.message) }, &todo)
}

fn stopped(visit: &Visit, status: &Value) -> Markup {
    html! {
        @if let Some(why) = filled(status, "stopped") {
            div.alarm.bad role="alert" {
                p { strong { "Everything is stopped " } (why) }
                @if visit.may("startAll") {
                    form method="post" action="/start-all" {
                        (visit.seal())
                        button.primary type="submit" { "Start again" }
                    }
                }
            }
        }
    }
}

fn emergency(visit: &Visit) -> Markup {
    html! {
        details.emergency {
            summary { "Stop everything" }
            form method="post" action="/stop-all" {
                (visit.seal())
                p { "Ends every run and starts none, also after a restart, until somebody starts again." }
                label for="reason" { "Why" }
                input #reason name="reason" maxlength="500" required;
                button.danger type="submit" { "Stop everything" }
            }
        }
    }
}

/// Files of playbooks that cannot be used.
fn faults(faults: &[Value]) -> Markup {
    html! {
        @if !faults.is_empty() {
            div.alarm.bad role="alert" {
                p { strong { (faults.len()) " faults in playbooks" } ": the last good versions are in force." }
                details {
                    summary { "What is wrong" }
                    @for fault in faults.iter().take(SHOWN_MAX) { pre { (fault) } }
                }
                p {
                    "Mend the files; " code { "rota check" } " tells each fault. What is in force: "
                    a href="/playbooks" { "Playbooks" } "."
                }
            }
        }
    }
}

/// A budget of which more than four fifths are used.
fn used_up(visit: &Visit, budget: &Value, currency: &str, moment: &Moment) -> Markup {
    let (used, most) = (int(budget, "used").unwrap_or(0), int(budget, "most").unwrap_or(0));
    let amount = |amount: i64| match text(budget, "of") {
        "cost" => money(amount, currency),
        _ => format!("{} tokens", number(amount)),
    };
    let whose = match filled(budget, "playbook") {
        Some(playbook) => format!("The day's budget of {playbook}"),
        None => "The day's budget".to_owned(),
    };
    let is_over = used >= most;
    if !is_over && used.saturating_mul(5) <= most.saturating_mul(4) {
        return html! {};
    }
    let percent = used.saturating_mul(100).checked_div(most).unwrap_or(100);
    let what = format!("{whose} is {}used up:", if is_over { "" } else { "nearly " });
    let more = html! {
        (amount(used)) " of " (amount(most)) " (" (percent) " %). It begins anew "
        (moment.when(text(budget, "resets"))) "."
    };
    let may_grant = visit.may("decideReview") && visit.role() >= Role::Manager;
    let todo = html! {
        "Until then runs that need more than is left do not begin"
        @if may_grant { "; where one waits for it, " a href="/review" { "Review" } " grants it once more" }
        ". "
        a href="/costs" { "What it was used for" }
        @if let Some(playbook) = filled(budget, "playbook") {
            ", " a href={ "/playbooks/" (playbook) } { (playbook) }
        }
    };
    alarm(is_over, &what, &more, &todo)
}

/// A channel that does not take what is told to it, or whose messages do not go.
fn held_up(queue: &Value, moment: &Moment) -> Markup {
    let tried = int(queue, "attempts").unwrap_or(0);
    if tried == 0 && !is_old(text(queue, "next"), moment.now) {
        return html! {};
    }
    let channel = text(queue, "channel");
    let what = match tried {
        0 => format!("Messages to {channel} do not go."),
        _ => format!("{channel} does not take messages:"),
    };
    let more = html! {
        @if let Some(error) = filled(queue, "error") { (error) ". " }
        (int(queue, "waiting").unwrap_or(0)) " wait, the first since " (moment.when(text(queue, "since"))) "."
    };
    let todo = html! {
        "Nothing is lost: they are tried again. " code { "rota outbox list" } " shows them, "
        a href="/settings?look=health" { "Settings" } " what is wrong with the channel."
    };
    alarm(false, &what, &more, &todo)
}

fn is_old(instant: &str, now: Timestamp) -> bool {
    DateTime::parse_from_rfc3339(instant).is_ok_and(|at| now - at.to_utc() > HELD_UP)
}

/// Messages that no channel took.
fn given_up(dead: i64) -> Markup {
    let todo = html! {
        code { "rota outbox list" } " shows them, " code { "rota outbox retry" } " sends them again."
    };
    html! {
        @if dead > 0 { (alarm(false, &format!("{dead} messages could not be told."), &html! {}, &todo)) }
    }
}
