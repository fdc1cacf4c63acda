//! Dates as tools take them: whatever the text, it is no date, or one that reads back equal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rota::domain::Timestamp;
use rota::tools::dates::{Dates, When};

fuzz_target!(|input: (&str, u32, u16)| {
    let (text, now, zone) = input;
    let zone = chrono_tz::TZ_VARIANTS[usize::from(zone) % chrono_tz::TZ_VARIANTS.len()];
    let Some(now) = Timestamp::from_timestamp(i64::from(now), 0) else { return };
    let dates = Dates { zone, now };
    let Ok(when) = dates.read("x", text) else { return };
    let echoed = match when {
        When::At(at) => at.to_rfc3339(),
        When::Day(day) => day.to_string(),
    };
    assert_eq!(dates.read("x", &echoed).expect("a date"), when);
    let end = dates.end("x", text).expect("a date");
    if let (Ok(begin), Ok(last)) = (dates.begin("x", text), dates.last("x", text)) {
        assert!(begin <= last && last <= end, "{begin} {last} {end}");
    }
    dates.day("x", text).expect("a date");
});
