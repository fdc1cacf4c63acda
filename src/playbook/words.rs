//! How playbooks write statuses, due dates, days, money and the like.

use crate::domain::{
    AssigneeSelector, CostBy, DueSelector, OrderKey, StatusKind, StatusSelector, parse_duration,
};
use crate::fault::did_you_mean;
use chrono::{NaiveDate, NaiveTime, Weekday};
use std::time::Duration;

/// `kind:waiting`, a label, or an id.
pub(super) fn status(text: &str) -> Result<StatusSelector, String> {
    let text = text.trim();
    match text.split_once(':') {
        Some(("kind", kind)) => kind.parse().map(StatusSelector::Kind).map_err(|error| {
            let near = did_you_mean(kind, StatusKind::ALL.iter().map(|kind| kind.as_str()));
            near.map_or(error.clone(), |near| format!("unknown kind of status; {near}"))
        }),
        _ if text.is_empty() => Err("expected a label, an id or kind:NAME".to_owned()),
        _ => Ok(StatusSelector::Label(text.to_owned())),
    }
}

/// The name in `${NAME}`.
pub(super) fn variable(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix("${")?.strip_suffix('}')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.len() <= 128 && name.chars().all(fits)).then_some(name)
}

/// The family of a model.
pub(super) fn family(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
        return Err("expected small letters, digits, - _ and ., such as claude".to_owned());
    }
    Ok(text.to_owned())
}

/// `any`, `none`, `me`, `agent`, `person`, or a name.
pub(super) fn assignee(text: &str) -> Result<AssigneeSelector, String> {
    Ok(match text.trim() {
        "any" => AssigneeSelector::Any,
        "none" => AssigneeSelector::Nobody,
        "me" => AssigneeSelector::Me,
        "agent" => AssigneeSelector::Agent,
        "person" => AssigneeSelector::Person,
        "" => return Err("expected any, none, me, agent, person or a name".to_owned()),
        name => AssigneeSelector::Named(name.to_owned()),
    })
}

/// `any`, `none`, `overdue`, `today`, `within 3d`.
pub(super) fn due(text: &str) -> Result<DueSelector, String> {
    let text = text.trim();
    match text {
        "any" => Ok(DueSelector::Any),
        "none" => Ok(DueSelector::Absent),
        "overdue" => Ok(DueSelector::Overdue),
        "today" => Ok(DueSelector::Today),
        _ => match text.strip_prefix("within ") {
            Some(span) => parse_duration(span).map(within),
            None => Err("expected any, none, overdue, today or \"within 3d\"".to_owned()),
        },
    }
}

/// Whole days are days of the calendar, also those that have not 24 hours.
fn within(span: Duration) -> DueSelector {
    const DAY: u64 = 24 * 60 * 60;
    match u32::try_from(span.as_secs() / DAY) {
        Ok(days) if days > 0 && span == Duration::from_secs(u64::from(days) * DAY) => {
            DueSelector::WithinDays(days)
        }
        _ => DueSelector::Within(span),
    }
}

/// `playbook`, `project`, `goal`, …
pub(super) fn cost_by(text: &str) -> Result<CostBy, String> {
    let words = || CostBy::ALL.map(CostBy::as_str);
    CostBy::named(text).ok_or_else(|| did_you_mean(text, words()).unwrap_or_else(CostBy::expected))
}

/// `priority, due, created`.
pub(super) fn order(text: &str) -> Result<Vec<OrderKey>, String> {
    let mut keys = Vec::new();
    for word in text.split(',').map(str::trim) {
        let key = match word {
            "priority" => OrderKey::Priority,
            "due" => OrderKey::Due,
            "created" => OrderKey::Created,
            "modified" => OrderKey::Modified,
            _ => {
                let words = ["priority", "due", "created", "modified"];
                return Err(did_you_mean(word, words).unwrap_or_default());
            }
        };
        if keys.contains(&key) {
            return Err(format!("`{word}` stands there twice"));
        }
        keys.push(key);
    }
    Ok(keys)
}

/// `MON-FRI`, `SAT`, `MON,WED-FRI`.
pub(super) fn days(text: &str) -> Result<Vec<Weekday>, String> {
    const EXPECTED: &str = "expected days such as MON-FRI or SAT";
    let day = |word: &str| word.trim().parse::<Weekday>().map_err(|_| EXPECTED.to_owned());
    let mut days = Vec::new();
    for part in text.split(',') {
        let (mut from, to) = match part.split_once('-') {
            Some((from, to)) => (day(from)?, day(to)?),
            None => (day(part)?, day(part)?),
        };
        loop {
            if !days.contains(&from) {
                days.push(from);
            }
            if from == to {
                break;
            }
            from = from.succ();
        }
    }
    Ok(days)
}

/// `08:00`.
pub(super) fn time_of_day(text: &str) -> Result<NaiveTime, String> {
    NaiveTime::parse_from_str(text.trim(), "%H:%M")
        .map_err(|_| "expected a time of day such as 08:00".to_owned())
}

/// `2026-12-25`.
pub(super) fn date(text: &str) -> Result<NaiveDate, String> {
    text.trim().parse().map_err(|_| "expected a date such as 2026-12-25".to_owned())
}

/// `10s..5m`.
pub(super) fn backoff(text: &str) -> Result<(Duration, Duration), String> {
    let (min, max) = text.split_once("..").ok_or("expected two durations such as \"10s..5m\"")?;
    let (min, max) = (parse_duration(min)?, parse_duration(max)?);
    if min > max {
        return Err("the first duration must not be longer than the second".to_owned());
    }
    if max > Duration::from_hours(24) {
        return Err("must not be longer than 1d".to_owned());
    }
    Ok((min, max))
}

/// `2.00 USD` in millionths; the currency, where one is written, must be this one.
pub fn money(text: &str, currency: &str) -> Result<u64, String> {
    let micros = crate::domain::parse_money(text, currency)?;
    if micros == 0 {
        return Err("must be more than nothing".to_owned());
    }
    Ok(micros)
}

/// Names of playbooks: small letters, digits, `-` and `_`.
pub(super) fn name(text: &str) -> Result<crate::domain::PlaybookName, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let first = text.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if first && text.len() <= 63 && text.chars().all(fits) {
        Ok(crate::domain::PlaybookName(text.to_owned()))
    } else {
        Err("a name has small letters, digits, - and _, at most 63".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_exact() {
        assert_eq!(money("2.00 USD", "USD"), Ok(2_000_000));
        assert_eq!(money("0.5", "EUR"), Ok(500_000));
        assert_eq!(money("3 EUR", "EUR"), Ok(3_000_000));
        for text in
            ["", "USD", "2.00 EUR", "-1 USD", "1e3 USD", "0 USD", "1.0000001 USD", "2 USD x"]
        {
            assert!(money(text, "USD").is_err(), "{text}");
        }
    }

    #[test]
    fn days_are_read_in_ranges_that_may_cross_the_weekend() {
        use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
        assert_eq!(days("MON-FRI"), Ok(vec![Mon, Tue, Wed, Thu, Fri]));
        assert_eq!(days("FRI-MON"), Ok(vec![Fri, Sat, Sun, Mon]));
        assert_eq!(days("Sat"), Ok(vec![Sat]));
        assert!(days("").is_err() && days("MON-").is_err() && days("XYZ").is_err());
    }
}
