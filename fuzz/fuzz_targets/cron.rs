//! Cron patterns: whatever the text, it is read or told, and its instants grow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rota::cron::Pattern;
use rota::domain::{Fold, Gap, Timestamp};

fuzz_target!(|input: (&str, i32, u16)| {
    let (text, from, zone) = input;
    let zone = chrono_tz::TZ_VARIANTS[usize::from(zone) % chrono_tz::TZ_VARIANTS.len()];
    let Some(from) = Timestamp::from_timestamp(i64::from(from), 0) else { return };
    let Ok(pattern) = Pattern::parse(text) else { return };
    let mut last = from;
    for at in pattern.iter(from, zone, Gap::Next, Fold::Both).take(10) {
        assert!(at > last, "{at} after {last}");
        last = at;
    }
});
