//! What runs cost, for people: a line for each playbook, agent, milestone or whatever was asked for, and
//! their sum.

use super::page::{Page, Style, Table};
use crate::domain::{Value, show_money};

/// The page.
pub fn page(value: &Value) -> Option<Page> {
    let by = text(value, "by")?;
    let items = value.get("items")?.as_list()?;
    let currency = text(value, "currency").unwrap_or("");
    let mut page = Page::new();
    let (since, zone) = (text(value, "since").unwrap_or(""), text(value, "zone").unwrap_or(""));
    page.line(Style::Bold, &format!("what runs cost since {since}"));
    page.add(Style::Dim, &format!("  days of {zone}"));
    if items.is_empty() {
        page.line(Style::Dim, "no run has ended since then");
    } else {
        let heading = by.to_uppercase();
        let mut table = Table::new([
            heading.as_str(),
            "RUNS",
            "IN",
            "CACHED",
            "OUT",
            "COST",
            "HOURS",
            "PLANNED",
            "ACCEPTED",
            "EACH",
        ]);
        let total = value.get("total");
        for item in items {
            table.row(row(item, text(item, by).unwrap_or(""), currency));
        }
        table.row(total.map(|total| row(total, "total", currency)).into_iter().flatten());
        table.onto(&mut page);
    }
    notes(&mut page, value, currency);
    Some(page)
}

fn row(line: &Value, name: &str, currency: &str) -> Vec<(Style, String)> {
    let count = |member: &str| (Style::Plain, number(line, member).to_string());
    let (runs, unpriced) = (number(line, "runs"), number(line, "unpriced_runs"));
    let cost = match line.get("cost_micros").and_then(Value::as_int) {
        Some(micros) if unpriced == 0 => (Style::Plain, money(micros, currency)),
        Some(micros) => {
            let text = format!("{} + {unpriced} of {runs} runs unpriced", money(micros, currency));
            (Style::Warn, text)
        }
        None => (Style::Warn, "unpriced".to_owned()),
    };
    let hours = |member: &str| {
        let hours = line.get(member).map_or(0.0, as_number);
        (Style::Plain, if hours > 0.0 { format!("{hours:.2}") } else { String::new() })
    };
    let each = line.get("cost_micros_per_accepted").and_then(Value::as_int);
    let each = each.map_or_else(String::new, |micros| money(micros, currency));
    vec![
        (if name == "total" { Style::Bold } else { Style::Plain }, name.to_owned()),
        count("runs"),
        count("tokens_in"),
        count("tokens_cached"),
        count("tokens_out"),
        cost,
        hours("hours"),
        hours("plan_hours"),
        count("accepted"),
        (Style::Plain, each),
    ]
}

/// What the lines do not say.
fn notes(page: &mut Page, value: &Value, currency: &str) {
    let unpriced = value.get("total").map_or(0, |total| number(total, "unpriced_runs"));
    if unpriced > 0 {
        let text = "unpriced: rota.toml gives the model no price, or the program did not say; that is not \
                    nothing";
        page.line(Style::Dim, text);
    }
    let under_way = number(value, "under_way");
    if under_way > 0 {
        page.line(Style::Dim, &format!("{under_way} under way count when they have ended"));
    }
    let (tokens, micros) = (number(value, "beyond_tokens"), number(value, "beyond_cost_micros"));
    if tokens > 0 || micros > 0 {
        let text = format!(
            "the budgets of these days counted {tokens} tokens and {} more: of runs that were broken off",
            money(micros, currency)
        );
        page.line(Style::Dim, &text);
    }
    if value.get("narrowed").and_then(Value::as_bool).unwrap_or(false) {
        page.line(Style::Dim, "only runs at tasks of the projects to which you belong");
    }
    if value.get("cut").and_then(Value::as_bool).unwrap_or(false) {
        page.line(Style::Warn, "there are more runs than are looked at: name a later --since");
    }
}

fn money(micros: i64, currency: &str) -> String {
    show_money(u64::try_from(micros).unwrap_or(0), currency)
}

fn as_number(value: &Value) -> f64 {
    match value {
        Value::Float(number) => *number,
        Value::Int(number) => f64::from(i32::try_from(*number).unwrap_or(i32::MAX)),
        _ => 0.0,
    }
}

fn number(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_int).unwrap_or(0)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpriced_is_told_as_such_and_never_as_nothing() {
        let value = serde_json::json!({
            "by": "model", "since": "2026-11-01T00:00:00Z", "zone": "Europe/Berlin", "currency": "EUR",
            "items": [
                {"model": "big", "runs": 2, "tokens_in": 900, "tokens_cached": 100, "tokens_out": 40,
                 "cost_micros": 4200, "unpriced_runs": 0, "accepted": 1, "hours": 0.5, "plan_hours": 2.0,
                 "cost_micros_per_accepted": 4200},
                {"model": "local", "runs": 1, "tokens_in": 50, "tokens_cached": 0, "tokens_out": 5,
                 "cost_micros": null, "unpriced_runs": 1, "accepted": 0,
                 "cost_micros_per_accepted": null},
            ],
            "total": {"runs": 3, "tokens_in": 950, "tokens_cached": 100, "tokens_out": 45,
                      "cost_micros": 4200, "unpriced_runs": 1, "accepted": 1, "hours": 0.5, "plan_hours": 2.0,
                      "cost_micros_per_accepted": 4200},
            "under_way": 1, "beyond_tokens": 7, "beyond_cost_micros": 0, "cut": false,
        });
        let value: Value = serde_json::from_value(value).unwrap();
        assert_eq!(
            page(&value).unwrap().render(false),
            "what runs cost since 2026-11-01T00:00:00Z  days of Europe/Berlin\n\
             MODEL  RUNS  IN   CACHED  OUT  COST                               HOURS  PLANNED  ACCEPTED  EACH\n\
             big    2     900  100     40   0.0042 EUR                         0.50   2.00     1         0.0042 EUR\n\
             local  1     50   0       5    unpriced                                           0\n\
             total  3     950  100     45   0.0042 EUR + 1 of 3 runs unpriced  0.50   2.00     1         0.0042 EUR\n\
             unpriced: rota.toml gives the model no price, or the program did not say; that is not nothing\n\
             1 under way count when they have ended\n\
             the budgets of these days counted 7 tokens and 0.00 EUR more: of runs that were broken off\n"
        );
    }

    #[test]
    fn money_is_told_in_full_and_at_least_to_the_hundredth() {
        let all = [(0, "0.00"), (20_000, "0.02"), (4_200, "0.0042"), (1_234_567, "1.234567")];
        for (micros, told) in all {
            assert_eq!(money(micros, "USD"), format!("{told} USD"));
        }
    }
}
