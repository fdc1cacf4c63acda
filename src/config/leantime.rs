//! `[board]` with `kind = "leantime"`: where it is, and who acts there.

use super::secret::secret;
use crate::fault::table::Table;
use chrono_tz::Tz;
use secrecy::SecretString;
use std::path::Path;

/// The keys that only this kind has.
pub(super) const KEYS: &[&str] = &["url", "key", "zone", "requests_per_minute", "user"];

/// A Leantime server as the board.
#[derive(Clone, Debug)]
pub struct LeantimeConfig {
    /// Its address, as in a browser.
    pub url: String,
    /// An API key (`lt_…`) or an access token.
    pub key: SecretString,
    /// The zone that the server is set to.
    pub zone: Tz,
    /// How many requests it takes in a minute; fewer are learned.
    pub requests_per_minute: u32,
    /// The user that the key belongs to, where the server is too old to say it.
    pub user: Option<i64>,
}

/// Reads it; nothing where a needed key is missing, which is a fault.
pub(super) fn leantime(
    table: &Table<'_, '_>,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Option<LeantimeConfig> {
    let url = table.parsed("url", address);
    if !table.has("url") {
        let fault = table.own_fault("`url` is missing: where is Leantime?".to_owned());
        table.add(fault.with_help("write `url = \"https://projects.example.org\"`"));
    }
    let key = secret(table, "key", folder, env);
    let zone = table.parsed("zone", |text| {
        text.parse::<Tz>().map_err(|_| "expected an IANA zone such as Europe/Berlin".to_owned())
    });
    let requests = table.int("requests_per_minute", 1..=100_000);
    let user = table.int("user", 1..=i64::MAX);
    Some(LeantimeConfig {
        url: url?,
        key: key?,
        zone: zone.unwrap_or(Tz::UTC),
        requests_per_minute: requests.and_then(|n| u32::try_from(n).ok()).unwrap_or(120),
        user,
    })
}

fn address(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') && !text.contains('@') => {
            Ok(text.to_owned())
        }
        _ => Err("expected an address that begins with https:// or http://, without a password"
            .to_owned()),
    }
}
