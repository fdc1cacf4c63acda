//! `/`: what runs, what waits, what is coming, what is wrong, what today cost.

mod alarms;
mod health;
mod waiting;

use super::answer::see;
use super::layout::first;
use super::shown::{
    Moment, chip, empty, int, is, list, money, none, number, object, run_row, section,
    section_with, text,
};
use super::visit::Visit;
use crate::domain::Value;
use crate::mcp::CallError;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use maud::{Markup, html};

/// Of everything, so much is shown here.
const SHOWN_MAX: usize = 8;
/// The last line of so many runs is shown.
const LINES_MAX: usize = 5;

/// What the page is made of.
const NEEDED: [&str; 5] = ["getStatus", "listReviews", "nextOccurrences", "listRuns", "reportCost"];

/// What could not be read, each with why. The rest of the page is there all the same: whoever looks is to see
/// that something is wrong, and what.
#[derive(Debug, Default)]
struct Unread(Vec<CallError>);

impl Unread {
    /// What was read; what was not is told among the alarms, once.
    fn or_told<T>(&mut self, read: Result<T, CallError>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(error) => {
                if !self.0.contains(&error) {
                    self.0.push(error);
                }
                None
            }
        }
    }
}

/// `GET /`.
pub(super) async fn page(Extension(visit): Extension<Visit>) -> Response<Body> {
    // A token may be for something else.
    if !NEEDED.iter().all(|tool| visit.may(tool)) {
        return see(first(&visit));
    }
    if health::is_asked_for(&visit) {
        return match health::looked(&visit).await {
            Ok(found) => visit.page("Health", &found),
            Err(error) => visit.trouble(&error),
        };
    }
    visit.page("Now", &body(&visit).await)
}

async fn body(visit: &Visit) -> Markup {
    let (moment, mut unread) = (visit.moment(), Unread::default());
    let status = unread.or_told(visit.call("getStatus", []).await);
    let (mut running, mut today) = (None, None);
    if let Some(status) = &status {
        running = unread.or_told(self::running(visit, &moment, status).await);
        today = unread.or_told(self::today(visit, status).await);
    }
    let waiting = unread.or_told(waiting::shown(visit, &moment).await);
    let coming = unread.or_told(coming(visit, &moment).await);
    let latest = unread.or_told(latest(visit, &moment).await);
    let outbox = unread.or_told(visit.call_if_allowed("listOutbox", []).await).flatten();
    html! {
        (health::later(visit))
        div #live data-live {
            (alarms::shown(visit, &moment, (status.as_ref(), outbox.as_ref()), &unread))
            div.columns {
                (part("running", "Running", running))
                (part("waiting", "Waits for a person", waiting))
                (part("coming", "Coming", coming))
                (part("today", "Today", today))
                (part("latest", "Just ended", latest))
            }
        }
    }
}

/// A part of the page, or that it is missing.
fn part(id: &str, title: &str, shown: Option<Markup>) -> Markup {
    shown.unwrap_or_else(|| section(id, title, &none("This cannot be read just now."), &[]))
}

/// `POST /stop-all`.
pub(super) async fn stop_all(Extension(visit): Extension<Visit>) -> Response<Body> {
    let done = visit.call("stopAll", [("reason", visit.form.text("reason").into())]).await;
    visit.done("/", done.map(|_| "Everything is stopped.".to_owned()))
}

/// `POST /start-all`.
pub(super) async fn start_all(Extension(visit): Extension<Visit>) -> Response<Body> {
    let done = visit.call("startAll", []).await;
    visit.done("/", done.map(|_| "Playbooks may start runs again.".to_owned()))
}

async fn running(visit: &Visit, moment: &Moment, status: &Value) -> Result<Markup, CallError> {
    let runs = list(status, "runs");
    let mut lines = Vec::new();
    for run in runs.iter().take(LINES_MAX) {
        lines.push(last_line(visit, text(run, "id")).await?);
    }
    let slots = int(status, "slots").unwrap_or(0);
    let rows = runs.iter().enumerate().map(|(place, run)| {
        html! {
            p.facts {
                (chip("running"))
                a href={ "/runs/" (text(run, "id")) } { (text(run, "playbook")) }
                @if let Some(task) = int(run, "task") { a href={ "/task/" (task) } { "#" (task) } }
                span { "since " (moment.between(text(run, "started"), "")) }
            }
            @if let Some(line) = lines.get(place).and_then(Option::as_deref) { p.line { (line) } }
        }
    });
    let nothing = empty(
        "No agent is at work.",
        &html! {
            "A playbook starts one when its time comes; or start one by hand: "
            a href="/playbooks" { "Playbooks" } "."
        },
    );
    let below = html! { p.quiet { (runs.len()) " of " (slots) " places taken" } };
    Ok(section_with("running", "Running", &nothing, &rows.collect::<Vec<_>>(), &below))
}

/// What a run did last.
async fn last_line(visit: &Visit, run: &str) -> Result<Option<String>, CallError> {
    let asked = [("run", run.into()), ("lines", 4.into()), ("effects", 0.into())];
    match visit.call("showRun", asked).await {
        Ok(shown) => Ok(list(&shown, "transcript").last().map(|line| {
            let (kind, said) = (text(line, "kind"), text(line, "text"));
            let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            let said: String = said.chars().take(160).collect();
            format!("{kind}: {said}")
        })),
        // It may be over, and forgotten, by now.
        Err(error) if error.code == "not_found" => Ok(None),
        Err(error) => Err(error),
    }
}

async fn coming(visit: &Visit, moment: &Moment) -> Result<Markup, CallError> {
    let count = i64::try_from(SHOWN_MAX).unwrap_or(1);
    let answered = visit.call("nextOccurrences", [("count", count.into())]).await?;
    let items = list(&answered, "items");
    let rows = items.iter().take(SHOWN_MAX).map(|item| {
        html! {
            p.facts {
                (moment.when(text(item, "planned")))
                a href={ "/playbooks/" (text(item, "playbook")) } { (text(item, "playbook")) }
                @if text(item, "state") != "armed" { (chip(text(item, "state"))) }
            }
            p.quiet { (text(item, "local")) " " (text(item, "note")) }
        }
    });
    let nothing = empty(
        "Nothing is planned.",
        &html! {
            "Playbooks with " code { "cron" } " or " code { "every" } " wake by the clock: "
            a href="/playbooks" { "Playbooks" } "."
        },
    );
    Ok(section("coming", "Coming", &nothing, &rows.collect::<Vec<_>>()))
}

async fn today(visit: &Visit, status: &Value) -> Result<Markup, CallError> {
    let args = [("since", "today".into()), ("by", "playbook".into())];
    let cost = visit.call("reportCost", args).await?;
    let currency = text(&cost, "currency");
    let total = object(&cost, "total").cloned().unwrap_or_default();
    let sum = |line: &Value| int(line, "cost_micros").map(|micros| money(micros, currency));
    let said = html! {
        p.figures {
            span { strong { (sum(&total).unwrap_or_else(|| "–".to_owned())) } " spent" }
            span { strong { (int(&total, "runs").unwrap_or(0)) } " runs" }
            span { strong { (int(&total, "accepted").unwrap_or(0)) } " accepted" }
            span {
                strong { (number(int(&total, "tokens_in").unwrap_or(0))) } " tokens in, "
                strong { (number(int(&total, "tokens_out").unwrap_or(0))) } " out"
            }
        }
        @if is(&cost, "narrowed") { p.quiet { "In the projects to which you belong; the budget is everybody's." } }
        @if let Some(unpriced) = int(&total, "unpriced_runs").filter(|runs| *runs > 0) {
            p.quiet { "Of " (unpriced) " runs nobody knows the money." }
        }
        (budget(status))
        p.quiet { a href="/costs" { "By day, playbook, project and agent" } }
    };
    Ok(section("today", "Today", &said, &[]))
}

/// What is left of the day's budgets.
fn budget(status: &Value) -> Markup {
    let currency = text(status, "currency");
    let of = |name: &str| Some((int(status, &format!("{name}_left"))?, int(status, name)?));
    let (cost, tokens) = (of("budget_cost_micros"), of("budget_tokens"));
    html! {
        @if let Some((left, most)) = cost {
            p.figures { span { strong { (money(left, currency)) } " left of the day's " (money(most, currency)) } }
        }
        @if let Some((left, most)) = tokens {
            p.figures { span { strong { (number(left)) } " tokens left of the day's " (number(most)) } }
        }
        @if cost.is_none() && tokens.is_none() {
            p.quiet { "The day has no budget: " code { "[budget]" } " in " code { "rota.toml" } " gives it one." }
        }
    }
}

async fn latest(visit: &Visit, moment: &Moment) -> Result<Markup, CallError> {
    let count = i64::try_from(2 * SHOWN_MAX).unwrap_or(1);
    let answered = visit.call("listRuns", [("limit", count.into())]).await?;
    let ended = list(&answered, "items").iter().filter(|run| text(run, "state") != "running");
    let ended = ended.take(SHOWN_MAX);
    let rows = ended.map(|run| run_row(moment, run, "playbook", "ended"));
    let nothing = empty(
        "No run has ended yet.",
        &html! {
            "Try one without changing anything: a playbook's page has a dry run. "
            a href="/playbooks" { "Playbooks" } "."
        },
    );
    Ok(section("latest", "Just ended", &nothing, &rows.collect::<Vec<_>>()))
}
