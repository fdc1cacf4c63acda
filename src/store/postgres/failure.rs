//! Why the server did not do what it was asked, in words that say what to do.

use crate::postgres::failure::{is_refusal, meaning};
use crate::postgres::steps::StepsError;
use crate::postgres::{ConnectError, Meaning};
use crate::store::StoreError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One of them is told to many callers.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Nobody could be reached, so nothing was sent.
    #[error("nothing was sent to the store's server: {}", advice(.0.meaning()))]
    Unreachable(#[source] Arc<ConnectError>),
    /// The server said no, or went away.
    #[error("the store's server: {}", advice(meaning(.0)))]
    Server(#[source] Arc<sqlx::Error>),
    /// It did not say anything for this long.
    #[error("the store's server said nothing for {} s: see whether it is there and what it waits for", .0.as_secs())]
    Silent(Duration),
    /// Others had all connections for this long.
    #[error("nothing was sent to the store's server for {} s: {}", .0.as_secs(), advice(Meaning::Exhausted))]
    Exhausted(Duration),
    /// What was sent over a lost connection may still be carried out.
    #[error("what was sent over the last connection is still under way at the store's server")]
    UnderWay,
    /// It answered something else than it should.
    #[error("the store's server gave an answer that makes no sense: is its schema this program's?")]
    Answer(#[source] Arc<sqlx::Error>),
    /// Its clock is behind what it said before.
    #[error(
        "the clock of the store's server is {} s behind what it said before, so nobody's lease is judged \
         here: where that was wrong and is right now, start this daemon anew", .0.as_secs()
    )]
    SetBack(Duration),
    /// A key that cannot be written down there.
    #[error("a key with a zero byte cannot be kept in PostgreSQL")]
    Zero,
    /// The task that commits has ended.
    #[error("the store is closed")]
    Closed,
}

impl Fault {
    /// What it means.
    pub(super) fn meaning(&self) -> Meaning {
        match self {
            Self::Unreachable(error) => error.meaning(),
            Self::Server(error) => meaning(error),
            Self::Silent(_) | Self::UnderWay | Self::Closed => Meaning::Gone,
            Self::Exhausted(_) => Meaning::Exhausted,
            Self::Answer(_) | Self::SetBack(_) | Self::Zero => Meaning::Other,
        }
    }

    /// Whether a lock was not had in the time that there is for one.
    pub(super) fn is_late_lock(&self) -> bool {
        let Self::Server(error) = self else { return false };
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.is_some_and(|code| code == "55P03")
    }

    /// Whether it is certain that nothing happened and the connection is as good as before.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Server(error) if is_refusal(error))
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Server(Arc::new(error))
    }
}

impl From<ConnectError> for Fault {
    fn from(error: ConnectError) -> Self {
        Self::Unreachable(Arc::new(error))
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Closed => Self::Closed(Box::new(fault)),
            fault => Self::Failed(Box::new(fault)),
        }
    }
}

/// What to do about it.
fn advice(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Again => "other daemons were in the way each time; it can be tried again",
        Meaning::Gone => {
            "it is not there, or went away; it is connected to again by itself when it is back"
        }
        Meaning::Exhausted => {
            "all connections to it were in use; allow more `connections` of [store], or see what it \
             waits for"
        }
        Meaning::TooSlow => {
            "it took longer than the statement timeout; see what the server waits for, or allow more"
        }
        Meaning::Refused => {
            "it refuses; see whether the user, its password, its rights in the schema and the \
             certificate are right"
        }
        Meaning::Full => "it is full: of connections, memory or disk",
        Meaning::Moved => {
            "what was in its schema was moved away by `rota migrate`; say in rota.toml where it is now"
        }
        Meaning::Other => "it refuses",
    }
}

/// Why a store cannot be opened.
pub(super) fn unusable(place: &str, error: StepsError) -> StoreError {
    match error {
        StepsError::Connect(error) => Fault::from(error).into(),
        StepsError::Newer { .. } => {
            StoreError::Corrupt { key: place.to_owned(), source: Box::new(error) }
        }
        StepsError::Failed { .. } => StoreError::Failed(Box::new(error)),
    }
}

/// Why a database is no place for a store.
pub(super) fn unfit(place: &str, why: String) -> StoreError {
    StoreError::Unusable { path: PathBuf::from(place), source: why.into() }
}
