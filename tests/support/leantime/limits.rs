//! How often one may ask: windows of a minute that begin with their first request.

use chrono::{DateTime, Duration, Utc};
use std::collections::BTreeMap;

/// Failed logins of one address in a minute.
pub const FAILURES_MAX: u32 = 20;

/// Counts by key.
#[derive(Debug, Default)]
pub struct Windows(BTreeMap<String, (DateTime<Utc>, u32)>);

impl Windows {
    /// The seconds until the window ends, where it is full.
    pub fn full(&self, key: &str, most: u32, now: DateTime<Utc>) -> Option<i64> {
        let (begin, count) = self.0.get(key)?;
        let rest = (*begin + Duration::minutes(1) - now).num_seconds();
        (rest > 0 && *count >= most).then_some(rest)
    }

    /// Counts one; returns how many there are now.
    pub fn count(&mut self, key: &str, now: DateTime<Utc>) -> u32 {
        let window = self.0.entry(key.to_owned()).or_insert((now, 0));
        if now >= window.0 + Duration::minutes(1) {
            *window = (now, 0);
        }
        window.1 += 1;
        window.1
    }
}

#[test]
fn a_window_opens_a_minute_after_its_first_request() {
    let begin = DateTime::UNIX_EPOCH;
    let mut windows = Windows::default();
    assert_eq!(windows.full("a", 2, begin), None);
    windows.count("a", begin);
    windows.count("a", begin + Duration::seconds(50));
    assert_eq!(windows.full("a", 2, begin + Duration::seconds(50)), Some(10));
    assert_eq!(windows.full("b", 2, begin), None);
    assert_eq!(windows.full("a", 2, begin + Duration::seconds(60)), None);
    assert_eq!(windows.count("a", begin + Duration::seconds(60)), 1);
}
