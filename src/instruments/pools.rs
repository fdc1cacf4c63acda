//! What is counted and measured of the connections to a database that several daemons share.

use metrics::{counter, gauge, histogram};
use std::time::Duration;

pub(super) const CONNECTIONS: &str = "rota_database_connections";
pub(super) const CONNECTIONS_MAX: &str = "rota_database_connections_max";
pub(super) const CONNECTIONS_MADE: &str = "rota_database_connections_made_total";
pub(super) const ACQUIRES: &str = "rota_database_acquires_total";
pub(super) const ACQUIRE_SECONDS: &str = "rota_database_acquire_duration_seconds";
pub(super) const FAILOVERS: &str = "rota_database_failovers_total";
pub(super) const ERRORS: &str = "rota_database_errors_total";
pub(super) const CLOCK_AHEAD: &str = "rota_database_clock_ahead_seconds";

/// The classes of errors, from what can be tried again at once to what a person has to see to.
pub const CLASSES: [&str; 8] =
    ["again", "gone", "exhausted", "too_slow", "full", "refused", "moved", "other"];

/// Whose connections they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The board's.
    Board,
    /// The ledger's.
    Store,
}

impl Part {
    const ALL: [Self; 2] = [Self::Board, Self::Store];

    fn word(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Store => "store",
        }
    }
}

/// How somebody came by a connection, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// At once, or one was made.
    Ok,
    /// When somebody gave one back: all that there may be were lent.
    Waited,
    /// None came in time.
    GivenUp,
    /// None could be made.
    Failed,
}

impl Acquired {
    const ALL: [Self; 4] = [Self::Ok, Self::Waited, Self::GivenUp, Self::Failed];

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Waited => "waited",
            Self::GivenUp => "given_up",
            Self::Failed => "failed",
        }
    }
}

/// Begins what can be known before it happens.
pub(super) fn begin() {
    for part in Part::ALL {
        connections(part, 0, 0, 0);
        counter!(CONNECTIONS_MADE, "part" => part.word()).absolute(0);
        counter!(FAILOVERS, "part" => part.word()).absolute(0);
        for how in Acquired::ALL {
            counter!(ACQUIRES, "part" => part.word(), "result" => how.word()).absolute(0);
        }
        for class in CLASSES {
            counter!(ERRORS, "part" => part.word(), "class" => class).absolute(0);
        }
        let _ = histogram!(ACQUIRE_SECONDS, "part" => part.word());
    }
    gauge!(CLOCK_AHEAD).set(0.0);
}

/// Somebody asked for a connection, and this came of it after so long.
pub fn acquired(part: Part, how: Acquired, waited: Duration) {
    counter!(ACQUIRES, "part" => part.word(), "result" => how.word()).increment(1);
    histogram!(ACQUIRE_SECONDS, "part" => part.word()).record(waited.as_secs_f64());
}

/// A connection was made.
pub fn connected(part: Part) {
    counter!(CONNECTIONS_MADE, "part" => part.word()).increment(1);
}

/// Another host takes the writes from here on.
pub fn failed_over(part: Part) {
    counter!(FAILOVERS, "part" => part.word()).increment(1);
}

/// Something went wrong; one of [`CLASSES`].
pub fn failed(part: Part, class: &'static str) {
    counter!(ERRORS, "part" => part.word(), "class" => class).increment(1);
}

/// How many connections of a pool are lent now, lie idle, and may be there.
pub fn connections(part: Part, lent: u32, idle: u32, most: u32) {
    for (state, count) in [("lent", lent), ("idle", idle)] {
        gauge!(CONNECTIONS, "part" => part.word(), "state" => state).set(f64::from(count));
    }
    gauge!(CONNECTIONS_MAX, "part" => part.word()).set(f64::from(most));
}

/// By so many milliseconds the clock of the store's server is ahead of this machine's.
pub fn clock_ahead(ms: i64) {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    gauge!(CLOCK_AHEAD).set(ms as f64 / 1_000.0);
}
