//! A connection that was lent by the pool, and how it goes back: soon, or not at all.

use super::counting::One;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnection;
use std::ops::{Deref, DerefMut};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a connection that goes back has to show that its server is there. Until then nobody else can
/// have its place, and a host that lost its power never says anything.
const RETURN_MAX: Duration = Duration::from_secs(5);

/// A connection of a [`super::Cluster`], for as long as this lives.
#[derive(Debug)]
pub struct Acquired {
    connection: PoolConnection<Postgres>,
    /// It goes back when this is dropped.
    goes_back: bool,
    /// Counts it among those that are lent.
    one: Option<One>,
}

impl Acquired {
    pub(super) fn new(connection: PoolConnection<Postgres>, one: One) -> Self {
        Self { connection, goes_back: true, one: Some(one) }
    }

    /// Ends it at once, without a word to the server: it is dead, or an answer is still on its way that
    /// is nobody's any more. Another one may be made in its place.
    pub fn discard(mut self) {
        self.goes_back = false;
    }

    /// From here on it is only put in order before it goes back: it is not lent any more.
    pub fn let_go(&mut self) {
        self.one = None;
    }
}

impl Deref for Acquired {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Acquired {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Acquired {
    fn drop(&mut self) {
        // The pool asks the server first. Where this is dropped before it is through, the connection ends
        // and its place is free.
        let back = self.connection.return_to_pool();
        let Some(runtime) = Handle::try_current().ok().filter(|_| self.goes_back) else {
            drop(back);
            return;
        };
        runtime.spawn(async move {
            let _ = timeout(RETURN_MAX, back).await;
        });
    }
}
