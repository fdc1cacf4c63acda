//! A connection as its server knows it, so that another one can end it there: what was sent over a
//! connection that is lost may still be carried out, and lands after somebody looked for it.

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

/// How long a session has to end, in the server's milliseconds.
const END_MS: i64 = 5_000;
/// One that has committed and waits for a standby is not ended: it would not wait any more, and what
/// others would see then is lost if that server is.
const END: &str = "select case when wait_event = 'SyncRep' then false \
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
    /// decided. `false` where that is not so yet.
    pub async fn end(&self, from: &mut PgConnection) -> sqlx::Result<bool> {
        let ended: Option<bool> = sqlx::query_scalar(END)
            .bind(END_MS)
            .bind(self.pid)
            .bind(&self.begun)
            .fetch_optional(from)
            .await?;
        Ok(ended != Some(false))
    }
}
