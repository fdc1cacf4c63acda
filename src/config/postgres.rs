//! `[board]` and `[store]` with `kind = "postgres"`: where the database is, and how it is used.

use super::read::Env;
use super::secret::secret_if;
use crate::fault::table::Table;
use crate::postgres::{Address, PostgresOptions, Schema};
use secrecy::ExposeSecret as _;
use std::path::Path;
use std::time::Duration;

/// A statement that takes longer has gone wrong.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// Reads it; nothing where the address is missing or faulty, which is a fault.
pub(super) fn postgres(
    table: &Table<'_, '_>,
    folder: &Path,
    env: Env<'_>,
    connections: u32,
) -> Option<PostgresOptions> {
    let plain = table.truth("plain").unwrap_or(false);
    let url = secret_if(table, "url", folder, env, has_password);
    let address = url.and_then(|url| match Address::parse(url.expose_secret(), plain) {
        Ok(address) => Some(address),
        Err(wrong) => {
            table.add(table.secret_fault("url", format!("`url`: {wrong}")));
            None
        }
    });
    let schema = table.parsed("schema", Schema::parse);
    let schema = schema.or_else(|| Schema::parse(DEFAULT_SCHEMA).ok());
    let asked = table.int("connections", 1..=100).and_then(|number| u32::try_from(number).ok());
    let second = Duration::from_secs(1);
    let timeout = table.duration("statement_timeout", second..=Duration::from_mins(10));
    Some(PostgresOptions {
        address: address?,
        schema: schema?,
        connections: asked.unwrap_or(connections),
        statement_timeout: timeout.unwrap_or(STATEMENT_TIMEOUT),
    })
}

/// The schema where none is named.
pub const DEFAULT_SCHEMA: &str = "rota";

/// Whether an address holds one; whoever is let in by the system's user needs none.
fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
        || url.contains("password=")
}
