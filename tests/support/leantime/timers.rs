//! Running timers: whoever starts one first on a ticket has it, and nobody else can.

use super::error::Outcome;
use super::rows::{Columns as _, Row, number, row};
use super::rpc::{EDIT, Method, VIEW};
use super::state::{Caller, State};
use super::{dates, timesheets};
use chrono::{DateTime, Utc};
use serde_json::json;

pub const METHODS: &[Method] = &[
    ("timesheets.punchIn", "ticketId: int", EDIT, start),
    ("timesheets.punchOut", "ticketId: int", EDIT, stop),
    ("timesheets.stopActiveTimer", "", EDIT, stop_first),
    ("timesheets.isClocked", "sessionId: any", VIEW, running),
];

/// Takes any ticket, also one that is not there.
fn start(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let ticket = args.int("ticketId");
    if state.seen_ticket(caller, ticket).is_none() {
        state.violation(&format!("a timer on ticket {ticket}, which the caller cannot see"));
    }
    let mut taken = state.timers.keys().filter(|(own, _)| *own == ticket);
    let is_taken = if state.options.old_timers {
        taken.any(|(_, user)| *user == caller.id)
    } else {
        taken.next().is_some()
    };
    if !is_taken {
        state.timers.insert((ticket, caller.id), state.now);
    }
    Ok(json!(!is_taken))
}

/// Less than about a minute is not booked.
fn stop(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let ticket = args.int("ticketId");
    let Some(begin) = state.timers.remove(&(ticket, caller.id)) else { return Ok(json!(false)) };
    #[expect(clippy::cast_precision_loss, reason = "seconds of a test are few")]
    let hours = ((state.now - begin).num_seconds() as f64 / 36.0).round() / 100.0;
    if hours < 0.016 {
        return Ok(json!(0));
    }
    let day = begin.with_timezone(&state.options.zone).date_naive().to_string();
    let entry = json!({
        "userId": caller.id, "ticketId": ticket, "hours": hours, "kind": "GENERAL_BILLABLE",
        "workDate": dates::day(&day, false, state.options.zone), "description": "",
    });
    timesheets::book(state, &row(entry), true);
    Ok(number(hours))
}

fn first(state: &State, caller: &Caller) -> Option<(i64, DateTime<Utc>)> {
    let own = state.timers.iter().filter(|((_, user), _)| *user == caller.id);
    own.map(|((ticket, _), begin)| (*ticket, *begin)).min_by_key(|(_, begin)| *begin)
}

fn stop_first(state: &mut State, caller: &Caller, _: &Row) -> Outcome {
    match first(state, caller) {
        Some((ticket, _)) => stop(state, caller, &row(json!({ "ticketId": ticket }))),
        None => Ok(json!(false)),
    }
}

/// Only the caller's first one, whatever is asked for.
fn running(state: &mut State, caller: &Caller, _: &Row) -> Outcome {
    let Some((ticket, begin)) = first(state, caller) else { return Ok(json!(false)) };
    let headline = state.tickets.get(ticket).map(|ticket| ticket.value("headline").clone());
    let minutes = (state.now - begin).num_minutes();
    Ok(json!({
        "id": ticket, "since": begin.timestamp(), "headline": headline,
        "totalTime": format!("{:02}:{:02}", minutes / 60, minutes % 60),
    }))
}
