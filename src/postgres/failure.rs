//! What an error of a server means for whoever asked. The codes are those of PostgreSQL's manual,
//! appendix "PostgreSQL Error Codes".

use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// A host that takes no writes: the sentence by which such a connection is given up.
pub(super) const STANDBY: &str = "this host is a standby and takes no writes";

/// Nobody could be reached, or no connection was free.
#[derive(Debug, thiserror::Error)]
#[error("{}", told(.place, *.is_exhausted))]
pub struct ConnectError {
    place: String,
    /// All connections that there may be were lent all the time.
    is_exhausted: bool,
    #[source]
    source: sqlx::Error,
}

impl ConnectError {
    pub(super) fn new(place: String, source: sqlx::Error) -> Self {
        Self { place, is_exhausted: false, source }
    }

    /// The same, where nobody gave a connection back in time.
    pub(super) fn of_exhausted(self, is_exhausted: bool) -> Self {
        let is_exhausted = is_exhausted && self.is_late();
        Self { is_exhausted, ..self }
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning {
        if self.is_exhausted { Meaning::Exhausted } else { meaning(&self.source) }
    }

    /// Whether no connection came in time, and nobody said why.
    pub(super) fn is_late(&self) -> bool {
        matches!(self.source, sqlx::Error::PoolTimedOut)
    }
}

fn told(place: &str, is_exhausted: bool) -> String {
    if is_exhausted {
        return format!("all connections that there may be to PostgreSQL at {place} are in use");
    }
    format!("PostgreSQL at {place} cannot be used")
}

/// What to make of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Another transaction was in the way and nothing happened: it can be tried again at once.
    Again,
    /// The server was not there, or went away: later it may work. Whether a commit happened is unknown.
    Gone,
    /// All connections that this program may have were in use for as long as one is waited for.
    Exhausted,
    /// It took longer than allowed, and nothing happened.
    TooSlow,
    /// The server refuses this user, database or right: a person has to see to it.
    Refused,
    /// The server is full: of connections, memory or disk.
    Full,
    /// What was in the schema was moved away: nothing is written there any more.
    Moved,
    /// Nothing that goes away by itself.
    Other,
}

impl Meaning {
    /// As it is counted: one of [`crate::instruments::pools::CLASSES`].
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Again => "again",
            Self::Gone => "gone",
            Self::Exhausted => "exhausted",
            Self::TooSlow => "too_slow",
            Self::Refused => "refused",
            Self::Full => "full",
            Self::Moved => "moved",
            Self::Other => "other",
        }
    }
}

/// What an error means.
pub fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Database(database) => {
            database.code().map_or(Meaning::Other, |code| of_code(&code))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => Meaning::Gone,
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => Meaning::Refused,
        _ => Meaning::Other,
    }
}

/// Whether it is certain that nothing happened and the connection is as good as before: the server itself
/// said that it refuses this statement.
pub fn is_refusal(error: &sqlx::Error) -> bool {
    let told = error.as_database_error().and_then(|error| error.try_downcast_ref());
    let is_deadly =
        |error: &PgDatabaseError| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic);
    told.is_some_and(|error| !is_deadly(error)) && meaning(error) != Meaning::Gone
}

fn of_code(code: &str) -> Meaning {
    match code {
        // Serialization failures and deadlocks; a lock that was not had in time.
        "40001" | "40P01" | "55P03" => Meaning::Again,
        // The statement's own limit.
        "57014" => Meaning::TooSlow,
        // Shut down, crashed, starting, a standby, ended for idling.
        "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "25P03" => Meaning::Gone,
        "42501" | "3D000" | "3F000" => Meaning::Refused,
        // This program's own: of the triggers of a schema that was left.
        "RM001" => Meaning::Moved,
        _ => match code.get(..2) {
            Some("08") => Meaning::Gone,
            Some("28") => Meaning::Refused,
            Some("53") => Meaning::Full,
            _ => Meaning::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::pools;

    #[test]
    fn each_kind_of_code_means_one_thing() {
        for (code, meaning) in [
            ("40001", Meaning::Again),
            ("40P01", Meaning::Again),
            ("55P03", Meaning::Again),
            ("57014", Meaning::TooSlow),
            ("57P01", Meaning::Gone),
            ("25006", Meaning::Gone),
            ("08006", Meaning::Gone),
            ("28P01", Meaning::Refused),
            ("42501", Meaning::Refused),
            ("53100", Meaning::Full),
            ("53300", Meaning::Full),
            ("RM001", Meaning::Moved),
            ("23505", Meaning::Other),
            ("", Meaning::Other),
        ] {
            assert_eq!(of_code(code), meaning, "{code}");
        }
        for meaning in [
            Meaning::Again,
            Meaning::Gone,
            Meaning::Exhausted,
            Meaning::TooSlow,
            Meaning::Refused,
            Meaning::Full,
            Meaning::Moved,
            Meaning::Other,
        ] {
            assert!(pools::CLASSES.contains(&meaning.word()), "{meaning:?}");
        }
        let late = || ConnectError::new("db1".to_owned(), sqlx::Error::PoolTimedOut);
        assert_eq!(late().of_exhausted(true).meaning(), Meaning::Exhausted);
        assert_eq!(late().of_exhausted(false).meaning(), Meaning::Gone);
        let closed = ConnectError::new("db1".to_owned(), sqlx::Error::PoolClosed);
        assert_eq!(closed.of_exhausted(true).meaning(), Meaning::Gone);
        let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(super::meaning(&sqlx::Error::Io(lost)), Meaning::Gone);
    }
}
