//! `[recipient.NAME]`: when somebody may be told something, and how much of it.

use super::read::elsewhere;
use crate::domain::{Channel, Recipient};
use crate::fault::table::Table;
use chrono_tz::Tz;
use std::time::Duration;

/// The longest that notices wait for each other.
const MERGE_MAX: Duration = Duration::from_hours(24);

/// Everybody in the table; `zone` is the team's. Of one channel in two places the fault says so.
pub(super) fn recipients(
    table: &Table<'_, '_>,
    zone: Option<Tz>,
    known: &[Channel],
) -> Vec<Recipient> {
    let mut all: Vec<Recipient> = Vec::new();
    for (name, table) in table.named() {
        let one = recipient(name, &table, zone, known);
        let twice = one
            .channels
            .iter()
            .find(|channel| all.iter().any(|before: &Recipient| before.channels.contains(channel)));
        if let Some(channel) = twice {
            table.add(table.fault("channels", format!("{channel} is another recipient's already")));
        }
        table.finish(elsewhere);
        all.push(one);
    }
    all
}

fn recipient(
    name: String,
    table: &Table<'_, '_>,
    zone: Option<Tz>,
    known: &[Channel],
) -> Recipient {
    let own = table.parsed("timezone", |text| {
        text.parse::<Tz>().map_err(|_| "expected an IANA zone such as Europe/Berlin".to_owned())
    });
    if !table.has("channels") {
        table.add(table.own_fault("`channels` is missing: how are they told?"));
    }
    let hours = table.table("hours");
    Recipient {
        name,
        channels: table
            .items("channels", true, |text| super::review::channel(text, known))
            .unwrap_or_default(),
        zone: own.or(zone).unwrap_or(chrono_tz::UTC),
        hours: if hours.is_present() { crate::playbook::hours(&hours) } else { None },
        merge: table.duration("merge", Duration::ZERO..=MERGE_MAX).unwrap_or_default(),
        per_day: table.int("per_day", 1..=10_000).and_then(|most| u32::try_from(most).ok()),
        alarms_always: table
            .choice("alarms", &[("always", true), ("hours", false)])
            .unwrap_or(true),
    }
}
