//! What an error of a server means for whoever asked. The codes are those of PostgreSQL's manual,
//! appendix "PostgreSQL Error Codes".

use sqlx::postgres::{PgDatabaseError, PgSeverity};
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// How a connection to a host is given up that takes no writes.
pub(super) fn standby() -> sqlx::Error {
    let told = "this host is a standby and takes no writes";
    sqlx::Error::Io(io::Error::new(ErrorKind::ReadOnlyFilesystem, told))
}

fn is_standby(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == ErrorKind::ReadOnlyFilesystem)
}

/// How one is given up that said nothing for so long.
pub(super) fn silence(limit: Duration) -> sqlx::Error {
    let told = format!("no answer within {} s", limit.as_secs());
    sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, told))
}

/// Nobody could be reached, or no connection was free.
#[derive(Debug, thiserror::Error)]
#[error("{}", told(.place, *.is_exhausted))]
pub struct ConnectError {
    place: String,
    /// All connections that there may be were lent all the time.
    is_exhausted: bool,
    #[source]
    source: Cause,
}

/// Who said no, and how.
#[derive(Debug, thiserror::Error)]
enum Cause {
    /// The pool, or the only host.
    #[error(transparent)]
    One(sqlx::Error),
    /// Each of several hosts.
    #[error("{}", told_by(.0))]
    Hosts(Vec<(String, sqlx::Error)>),
}

impl ConnectError {
    pub(super) fn new(place: String, source: sqlx::Error) -> Self {
        Self { place, is_exhausted: false, source: Cause::One(source) }
    }

    /// Where each host said something: its place, and what that was.
    pub(super) fn of_hosts(place: String, mut each: Vec<(String, sqlx::Error)>) -> Self {
        let source = match each.pop() {
            Some((_, only)) if each.is_empty() => Cause::One(only),
            last => {
                each.extend(last);
                Cause::Hosts(each)
            }
        };
        Self { place, is_exhausted: false, source }
    }

    /// The same, where nobody gave a connection back in time.
    pub(super) fn of_exhausted(self, is_exhausted: bool) -> Self {
        let is_exhausted = is_exhausted && self.is_late();
        Self { is_exhausted, ..self }
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning {
        match &self.source {
            _ if self.is_exhausted => Meaning::Exhausted,
            Cause::One(error) => meaning(error),
            Cause::Hosts(each) => of_hosts(each),
        }
    }

    /// Whether no connection came in time, and nobody said why.
    pub(super) fn is_late(&self) -> bool {
        matches!(self.source, Cause::One(sqlx::Error::PoolTimedOut))
    }
}

fn told(place: &str, is_exhausted: bool) -> String {
    if is_exhausted {
        return format!("all connections that there may be to PostgreSQL at {place} are in use");
    }
    format!("PostgreSQL at {place} cannot be used")
}

fn told_by(each: &[(String, sqlx::Error)]) -> String {
    let told = |(place, error): &(String, sqlx::Error)| {
        // Without the words that are the same for all of them.
        let said: &dyn Display = if let sqlx::Error::Io(said) = error { said } else { error };
        format!("{place}: {said}")
    };
    each.iter().map(told).collect::<Vec<_>>().join("; ")
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

/// What it means that none of several hosts is to be used: a standby does what it should.
fn of_hosts(each: &[(String, sqlx::Error)]) -> Meaning {
    let others = each.iter().filter(|(_, error)| !is_standby(error));
    of_all(&others.map(|(_, error)| meaning(error)).collect::<Vec<_>>())
}

/// As long as one of them may be well again by itself, nobody has to see to the others.
fn of_all(means: &[Meaning]) -> Meaning {
    let passing = [Meaning::Full, Meaning::Gone].into_iter().find(|it| means.contains(it));
    passing.or_else(|| means.first().copied()).unwrap_or(Meaning::Gone)
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

    #[test]
    fn of_several_hosts_each_one_says_what_is_wrong_with_it() {
        let refused = || sqlx::Error::Io(io::Error::from(ErrorKind::ConnectionRefused));
        let certificate = || sqlx::Error::Tls("the certificate is another's".into());
        let named = |each: Vec<sqlx::Error>| {
            let places = ["db1:5432", "db2:5432", "db3:5432"].map(str::to_owned);
            ConnectError::of_hosts("db".to_owned(), places.into_iter().zip(each).collect())
        };
        let all = named(vec![silence(Duration::from_secs(5)), standby(), certificate()]);
        let told = all.source.to_string();
        for part in [
            "db1:5432: no answer within 5 s; ",
            "db2:5432: this host is a standby and takes no writes; ",
            "db3:5432: error occurred while attempting to establish a TLS connection: the \
             certificate is another's",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        let only = named(vec![refused()]).source.to_string();
        assert!(!only.contains("db1"), "the only host was named before: {only}");
        for (each, meaning) in [
            (vec![refused()], Meaning::Gone),
            (vec![refused(), standby()], Meaning::Gone),
            (vec![standby(), standby()], Meaning::Gone),
            (vec![certificate(), refused()], Meaning::Gone),
            (vec![standby(), certificate()], Meaning::Refused),
        ] {
            let told = format!("{each:?}");
            assert_eq!(named(each).meaning(), meaning, "{told}");
        }
        assert_eq!(of_all(&[Meaning::Gone, Meaning::Full, Meaning::Refused]), Meaning::Full);
        assert_eq!(of_all(&[Meaning::Other, Meaning::Refused]), Meaning::Other);
    }
}
