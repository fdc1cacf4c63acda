//! `[review]`: what becomes of what waits too long for a person.

use crate::domain::{Channel, ReviewRules};
use crate::fault::table::Table;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
const YEAR: Duration = Duration::from_hours(365 * 24);

/// A channel that is there.
pub(super) fn channel(text: &str, known: &[Channel]) -> Result<Channel, String> {
    let channel: Channel = text.parse()?;
    if known.contains(&channel) {
        return Ok(channel);
    }
    let names: Vec<String> = known.iter().map(Channel::to_string).collect();
    Err(format!("channel {channel} is not configured; known are {}", names.join(", ")))
}

/// What the table says; `known` are the channels there are.
pub(super) fn review(table: &Table<'_, '_>, known: &[Channel]) -> ReviewRules {
    let rules = ReviewRules {
        decide_within: table.duration("decide_within", MINUTE..=YEAR),
        escalate: table.items("escalate", true, |text| channel(text, known)).unwrap_or_default(),
        expire_after: table.duration("expire_after", MINUTE..=YEAR),
    };
    if table.has("escalate") && rules.decide_within.is_none() {
        let fault = table.fault("escalate", "`decide_within` is missing: when is somebody told?");
        table.add(fault);
    }
    table.finish(super::read::elsewhere);
    rules
}
