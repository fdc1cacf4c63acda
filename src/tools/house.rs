//! What else tools ask the house for: repeated calls, the addresses of calendars, dry runs, and whether all is
//! well.

use super::desk::{DeskError, RunReport, RunRequest};
use crate::domain::{PersonId, Principal, Timestamp, Value};
use crate::ledger::Repeat;
use async_trait::async_trait;
use secrecy::SecretString;

/// Calls that may be repeated, as tools see them.
#[async_trait]
pub trait Repeats: Send + Sync + std::fmt::Debug {
    /// A call is about to be made under somebody's key: durable when it returns.
    async fn begin(&self, who: &str, key: &str, call: &str) -> Result<Repeat, DeskError>;
    /// What came of it; `None`: nothing was done, and the key is free again.
    async fn end(&self, who: &str, key: &str, answer: Option<Value>) -> Result<(), DeskError>;
}

/// The addresses of calendars, as tools see them.
#[async_trait]
pub trait Feeds: Send + Sync + std::fmt::Debug {
    /// Since when somebody's calendar has one.
    async fn since(&self, person: PersonId) -> Result<Option<Timestamp>, DeskError>;
    /// Makes one, and ends the one before: its secret part.
    async fn make(&self, person: PersonId, by: &str) -> Result<SecretString, DeskError>;
    /// Ends it; whether there was one.
    async fn end(&self, person: PersonId, by: &str) -> Result<bool, DeskError>;
}

/// Whoever put the house together, as tools see them: what takes its configuration and all of its parts.
#[async_trait]
pub trait Steward: Send + Sync + std::fmt::Debug {
    /// A dry run: what the request would do, with nothing changed anywhere.
    async fn rehearse(
        &self,
        request: RunRequest,
        principal: &Principal,
    ) -> Result<RunReport, DeskError>;
    /// What everything that the daemon needs looks like: what `rota doctor` finds.
    async fn examine(&self) -> Result<Value, DeskError>;
}
