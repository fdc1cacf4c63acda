//! `/costs`: tokens and money by day, playbook, project, agent.

use super::shown::{empty, int, is, list, money, number, object, text};
use super::visit::Visit;
use crate::domain::Value;
use crate::mcp::CallError;
use crate::tools::desk::CostBy;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Response;
use maud::{Markup, html};

/// The chart's own measure.
const WIDTH: i64 = 720;
const HEIGHT: i64 = 160;
const FOOT: i64 = 18;

/// `GET /costs`.
pub(super) async fn page(Extension(visit): Extension<Visit>) -> Response<Body> {
    match body(&visit).await {
        Ok(body) => visit.page("Costs", &body),
        Err(error) => visit.trouble(&error),
    }
}

async fn body(visit: &Visit) -> Result<Markup, CallError> {
    let by = visit.query.filled("by").unwrap_or("playbook");
    let since = visit.query.filled("since");
    let days = visit.call("reportCost", [("by", "day".into()), ("since", since.into())]).await?;
    let report = visit.call("reportCost", [("by", by.into()), ("since", since.into())]).await?;
    let currency = text(&report, "currency");
    Ok(html! {
        (choose(by, since.unwrap_or("")))
        @if is(&report, "narrowed") {
            p.quiet {
                "You belong to some projects only: what is here is of runs at their tasks. Other projects, and \
                 runs that are about no task, are left out."
            }
        }
        (totals(&report, currency))
        @if list(&report, "items").is_empty() {
            (empty("Nothing was used yet.", &html! {
                "Runs stand here with their tokens and money once they have ended. Prices of models "
                "stand in " code { "rota.toml" } "."
            }))
        } @else {
            section aria-labelledby="by-day" { h2 #by-day { "By day" } (chart(list(&days, "items"), currency)) }
            section aria-labelledby="by-line" { h2 #by-line { "By " (by) } (table(&report, by, currency)) }
        }
    })
}

fn choose(by: &str, since: &str) -> Markup {
    html! {
        form.filters method="get" action="/costs" {
            div {
                label for="by" { "By" }
                select #by name="by" {
                    @for own in CostBy::ALL { option value=(own.as_str()) selected[own.as_str() == by] { (own.as_str()) } }
                }
            }
            div {
                label for="since" { "Since" }
                select #since name="since" {
                    @for (value, word) in [("", "thirty days ago"), ("today", "today"), ("-7d", "a week ago"), ("-90d", "ninety days ago")] {
                        option value=(value) selected[value == since] { (word) }
                    }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

fn totals(report: &Value, currency: &str) -> Markup {
    let total = object(report, "total").cloned().unwrap_or_default();
    let count = |name: &str| number(int(&total, name).unwrap_or(0));
    html! {
        p.figures {
            span { strong { (sum(&total, currency)) } }
            span { strong { (count("runs")) } " runs" }
            span { strong { (count("accepted")) } " accepted" }
            @if let Some(micros) = int(&total, "cost_micros_per_accepted") {
                span { strong { (money(micros, currency)) } " each" }
            }
            span { strong { (count("tokens_in")) } " tokens in, " strong { (count("tokens_out")) } " out" }
        }
        @if int(&total, "unpriced_runs").unwrap_or(0) > 0 {
            p.quiet { "Of " (count("unpriced_runs")) " runs nobody knows the money: their model has no price in rota.toml." }
        }
        @if is(report, "cut") { p.quiet { "There were more runs than are looked at; choose a shorter time." } }
    }
}

/// Money, or that nobody knows it.
fn sum(line: &Value, currency: &str) -> String {
    int(line, "cost_micros").map_or_else(|| "–".to_owned(), |micros| money(micros, currency))
}

/// What a day's bar stands for: money, or tokens where no money is known.
fn height(line: &Value, by_money: bool) -> i64 {
    if by_money {
        return int(line, "cost_micros").unwrap_or(0).max(0);
    }
    let tokens = |name: &str| int(line, name).unwrap_or(0).max(0);
    tokens("tokens_in").saturating_add(tokens("tokens_out"))
}

/// A bar for each day.
fn chart(days: &[Value], currency: &str) -> Markup {
    let by_money = days.iter().any(|day| int(day, "cost_micros").unwrap_or(0) > 0);
    let most = days.iter().map(|day| height(day, by_money)).max().unwrap_or(0);
    if most == 0 {
        return html! { p.quiet { "No tokens were used." } };
    }
    let wide = (WIDTH / i64::try_from(days.len().max(1)).unwrap_or(1)).max(2);
    let what = if by_money { "Money" } else { "Tokens" };
    let plot = HEIGHT - FOOT;
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ (what) " by day, also in the table below" } {
            line x1="0" y1=(plot) x2=(WIDTH) y2=(plot) {}
            @for (place, day) in (0..).zip(days) {
                @let amount = height(day, by_money);
                @let tall = share(amount, most, plot - 4);
                rect x=(place * wide + 1) y=(plot - tall) width=((wide - 2).clamp(1, 48)) height=(tall) {
                    title { (text(day, "day")) ": " (sum(day, currency)) ", " (int(day, "runs").unwrap_or(0)) " runs" }
                }
                @if place == 0 || place == days_last(days) {
                    text x=(if place == 0 { 0 } else { WIDTH }) y=(HEIGHT - 4)
                        text-anchor=(if place == 0 { "start" } else { "end" }) { (text(day, "day")) }
                }
            }
        }
    }
}

fn days_last(days: &[Value]) -> i64 {
    i64::try_from(days.len()).unwrap_or(1) - 1
}

/// So much of a whole, as a length; something is always seen of what is there.
fn share(amount: i64, most: i64, whole: i64) -> i64 {
    let share = i128::from(amount) * i128::from(whole) / i128::from(most.max(1));
    let share = i64::try_from(share).unwrap_or(whole);
    if amount > 0 { share.max(1) } else { 0 }
}

fn table(report: &Value, by: &str, currency: &str) -> Markup {
    let items = list(report, "items");
    let by_money = items.iter().any(|line| int(line, "cost_micros").unwrap_or(0) > 0);
    let most = items.iter().map(|line| height(line, by_money)).max().unwrap_or(0);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of costs" {
            table {
                thead {
                    tr {
                        th scope="col" { (by) } th.amount scope="col" { "Money" } th scope="col" { "Share" }
                        th.amount scope="col" { "Runs" } th.amount scope="col" { "Accepted" }
                        th.amount scope="col" { "Tokens in" } th.amount scope="col" { "Tokens out" } th.amount scope="col" { "Hours" }
                    }
                }
                tbody {
                    @for line in items {
                        tr {
                            td { (line.get(by).map(ToString::to_string).unwrap_or_default()) }
                            td.amount { (sum(line, currency)) }
                            td {
                                span.bar { svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
                                    rect width=(share(height(line, by_money), most, 100)) height="8" {}
                                } }
                            }
                            td.amount { (number(int(line, "runs").unwrap_or(0))) }
                            td.amount { (number(int(line, "accepted").unwrap_or(0))) }
                            td.amount { (number(int(line, "tokens_in").unwrap_or(0))) }
                            td.amount { (number(int(line, "tokens_out").unwrap_or(0))) }
                            td.amount { (line.get("hours").map(ToString::to_string).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_seen_and_nothing_is_higher_than_the_chart() {
        assert_eq!((share(0, 10, 100), share(10, 10, 100), share(1, 1_000_000, 100)), (0, 100, 1));
        assert_eq!(share(i64::MAX, i64::MAX, 100), 100);
        assert_eq!(share(0, 0, 100), 0);
    }
}
