//! How a house is asked over HTTP: with whose token, and where it listens.

use crate::house::House;
use anyhow::Context as _;

/// Listens where there is room, and lets somebody ask as often as they like.
pub const CONFIG: &str =
    "timezone = \"UTC\"\n[people]\nme = \"owner\"\n[mcp]\nport = 0\nrate_limit = 1000000\n";

/// The secret of a new token of the owner's.
pub fn token(house: &House) -> anyhow::Result<String> {
    let made = house.rota(&["token", "create", "bench", "--json"])?;
    let made: serde_json::Value = serde_json::from_slice(&made)?;
    Ok(made["secret"].as_str().context("no secret")?.to_owned())
}

/// The address in the line by which a daemon says that it is ready.
pub fn address(ready: &str) -> anyhow::Result<&str> {
    let address = ready.split("addr=").nth(1).context("no address")?;
    Ok(address.split_whitespace().next().unwrap_or_default())
}
