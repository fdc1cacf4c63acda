//! A connection as its server knows it, so that another one can end it there: what was sent over a
//! connection that is lost may still be carried out, and lands after somebody looked for it.

use crate::domain::millis;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use std::time::Duration;

/// How long a session has to end, at most.
const END_MAX: Duration = Duration::from_secs(5);
/// One that has committed and waits for a standby is not ended: it would not wait any more, and what
/// others would see then is lost if that server is. Whoever has time lets it first come to an end by itself,
/// where it does not wait for somebody's lock.
const END: &str = "select case when wait_event = 'SyncRep' then false \
     when $4 and state = 'active' and wait_event_type is distinct from 'Lock' then false \
     else pg_terminate_backend(pid, $1) end from pg_stat_activity \
     where pid = $2 and backend_start::text = $3";
/// What a new connection keeps of itself, so that it can say it with whatever else it is asked: its
/// process alone may be another session's later.
pub(super) const KEEP: &str = "select set_config('rota.begun', backend_start::text, false) \
     from pg_stat_activity where pid = pg_backend_pid()";

/// A connection as the server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pid: i32,
    begun: String,
}

impl Session {
    /// Two columns that say which one a connection is.
    pub const WHICH: &'static str = "pg_backend_pid(), current_setting('rota.begun')";

    /// Reads it from the first two columns of a row: process, and when it began.
    pub fn read(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self { pid: row.try_get(0)?, begun: row.try_get(1)? })
    }

    /// Ends it from another connection, and waits until it has ended: then what was sent over it is
    /// decided. `false` where that is not so yet. It is told within half of what a statement may take here.
    /// Whoever `lets` it finish, and asks again, does not break off what is done in a moment.
    pub async fn end(
        &self,
        from: &mut PgConnection,
        statement_timeout: Duration,
        lets: bool,
    ) -> sqlx::Result<bool> {
        let within = END_MAX.min(statement_timeout / 2);
        let ended: Option<bool> = sqlx::query_scalar(END)
            .bind(i64::try_from(millis(within)).unwrap_or(i64::MAX))
            .bind(self.pid)
            .bind(&self.begun)
            .bind(lets)
            .fetch_optional(from)
            .await?;
        Ok(ended != Some(false))
    }
}
