//! What is counted and measured of those who ask over HTTP, by the names that are told outside.
//!
//! Labels are of closed sets: tools of the table, codes and reasons of ours. Nothing that a caller
//! wrote, and nobody's name, is in them. Without a recorder, which the composition root puts in, all
//! of this does nothing.

use crate::domain::Reason;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use std::time::Duration;

/// How long calls of tools took.
pub const CALL_SECONDS: &str = "rota_mcp_tool_call_duration_seconds";
/// The bounds of its buckets, in seconds: one row takes a millisecond, and a call at most a while.
pub const CALL_SECONDS_BUCKETS: [f64; 11] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

const BUILD: &str = "rota_build_info";
const FAILED_LOGINS: &str = "rota_mcp_failed_logins_total";
const REFUSED: &str = "rota_mcp_refused_requests_total";
const DENIED: &str = "rota_mcp_denied_calls_total";
const CALLS: &str = "rota_mcp_tool_calls_total";
const SESSIONS: &str = "rota_mcp_open_sessions";
const HELD: &str = "rota_mcp_held_bytes";

/// Codes of ours that are no reasons of the house: how a call ended.
const CODES: &[&str] =
    &["cancelled", "tool_failed", "timed_out", "response_too_large", "unavailable"];

/// Why a request was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its address may not connect, or is not known.
    Address,
    /// It named a host that is not ours.
    Host,
    /// A browser's page of another origin asked.
    Origin,
    /// It had no credentials.
    NoCredentials,
    /// Its credentials do not count.
    Login,
    /// Too many failed logins came from its address.
    Logins,
    /// The caller's role is too low.
    Role,
    /// The caller asks too often.
    Rate,
    /// Too much is held at once.
    Memory,
}

impl Refused {
    const ALL: [Self; 9] = [
        Self::Address,
        Self::Host,
        Self::Origin,
        Self::NoCredentials,
        Self::Login,
        Self::Logins,
        Self::Role,
        Self::Rate,
        Self::Memory,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Host => "host",
            Self::Origin => "origin",
            Self::NoCredentials => "no_credentials",
            Self::Login => "login",
            Self::Logins => "logins",
            Self::Role => "role",
            Self::Rate => "rate",
            Self::Memory => "memory",
        }
    }
}

/// Says what each is, and begins what can be known before it happens: a rate over a series that is
/// not there yet shows nothing of its first increase.
pub fn describe() {
    describe_gauge!(BUILD, "1; its version is in the label");
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    describe_counter!(
        FAILED_LOGINS,
        Unit::Count,
        "Requests with a token that is not known, expired, or revoked"
    );
    counter!(FAILED_LOGINS).absolute(0);
    describe_counter!(REFUSED, Unit::Count, "Requests that were not let in, by reason");
    for why in Refused::ALL {
        counter!(REFUSED, "reason" => why.word()).absolute(0);
    }
    describe_counter!(
        DENIED,
        Unit::Count,
        "Calls of tools that the caller may not make: tool, not shown to them; role, too low; scope, \
         beyond their projects"
    );
    for reason in ["tool", "role", "scope"] {
        counter!(DENIED, "reason" => reason).absolute(0);
    }
    describe_counter!(CALLS, Unit::Count, "Calls of tools, by tool and code: ok, or the error's");
    describe_histogram!(CALL_SECONDS, Unit::Seconds, "How long calls of tools took, by tool");
    describe_gauge!(SESSIONS, Unit::Count, "Sessions under way");
    describe_gauge!(HELD, Unit::Bytes, "Bytes that requests and answers hold (MCP_MEMORY_LIMIT)");
}

/// A request was not let in.
pub(super) fn refused(why: Refused) {
    if matches!(why, Refused::Login | Refused::Logins) {
        counter!(FAILED_LOGINS).increment(1);
    }
    counter!(REFUSED, "reason" => why.word()).increment(1);
}

/// A tool that there is not for this caller was called.
pub(super) fn no_such_tool() {
    counter!(DENIED, "reason" => "tool").increment(1);
}

/// A tool was called; `None`: with success.
pub(super) fn called(tool: &'static str, code: Option<&str>, elapsed: Duration) {
    let code = code.map_or("ok", ours);
    match code {
        "role_too_low" => counter!(DENIED, "reason" => "role").increment(1),
        "out_of_scope" => counter!(DENIED, "reason" => "scope").increment(1),
        _ => {}
    }
    counter!(CALLS, "tool" => tool, "code" => code).increment(1);
    histogram!(CALL_SECONDS, "tool" => tool).record(elapsed.as_secs_f64());
}

/// What is so now, for whoever reads it now.
pub(super) fn now(sessions: usize, held: u64) {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let (sessions, held) = (sessions as f64, held as f64);
    gauge!(SESSIONS).set(sessions);
    gauge!(HELD).set(held);
}

/// The code as one of a closed set.
fn ours(code: &str) -> &'static str {
    let reasons = Reason::ALL.iter().map(|reason| reason.code());
    reasons.chain(CODES.iter().copied()).find(|known| *known == code).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_is_of_a_callers_choosing() {
        assert_eq!(ours("not_found"), "not_found");
        assert_eq!(ours("timed_out"), "timed_out");
        assert_eq!(ours("x\"} 1\nrota_build_info 7"), "other");
        let words: std::collections::BTreeSet<_> = Refused::ALL.map(Refused::word).into();
        assert_eq!(words.len(), Refused::ALL.len());
    }
}
