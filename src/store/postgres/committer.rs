//! The one task that commits: it takes what waits, sends it as one statement over a connection of its
//! own, and answers when the server is ready again, which it is when the commit is on its disk.
//!
//! A connection that is lost in the middle leaves a question: the server may still be at it. So before
//! anything else is sent, that session is ended there, and waited for: what was sent first is decided
//! first, also where nobody is told how. One that has committed and waits for a standby is not ended: it
//! would not wait any more, and what others would see then is lost if that server is.

use super::changes::Own;
use super::failure::Fault;
use super::group::{COMMITS_MAX, Group, Locks, Request, Swap};
use super::times::Times;
use crate::postgres::{Cluster, Meaning, Session};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, Postgres, Row as _};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};

/// So many commits may wait before callers do.
pub(super) const WAITING_MAX: usize = 1024;
/// How often a group is sent again when others were in its way.
const TRIES_MAX: u32 = 5;
/// The same where a lock was waited for as long as that may take.
const LOCK_TRIES_MAX: u32 = 2;
/// How long after a statement's own limit the server has to say so.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// After a failed connection the next is not tried at once.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What its session is, whether commits are durable (`off` is the one setting that says they are not),
/// and its share of the table of locks.
const ABOUT: &str = "select pg_backend_pid(), \
     (select backend_start::text from pg_stat_activity where pid = pg_backend_pid()), \
     current_setting('max_locks_per_transaction')::int, \
     set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), false)";
/// The one commit whose only check is of what it puts, and no more: a statement that finds the row
/// changed since it began looks at it again, so that it needs no second one after the locks. Each answer
/// holds the server's time.
const CREATE: &str = concat!(
    "insert into ledger (key, version, value) select $3, nextval('ledger_version'), $4 \
     where case when pg_advisory_xact_lock_shared($1) is not null \
     then pg_advisory_xact_lock($2) is not null end \
     on conflict (key) do nothing returning true, ",
    clock!()
);
const UPDATE: &str = concat!(
    "update ledger set version = nextval('ledger_version'), value = $4 \
     where key = $3 and version = $5 \
     and case when pg_advisory_xact_lock_shared($1) is not null \
     then pg_advisory_xact_lock($2) is not null end returning true, ",
    clock!()
);
/// A row that is made, with one more, whatever was there: as a first claim is, with its place in the list of
/// those that are held.
const CREATE_TWO: &str = concat!(
    "with made as (insert into ledger (key, version, value) \
     select $4, nextval('ledger_version'), $5 \
     where case when pg_advisory_xact_lock_shared($1) is not null \
     then case when pg_advisory_xact_lock($2) is not null \
     then pg_advisory_xact_lock($3) is not null end end \
     on conflict (key) do nothing returning true) \
     insert into ledger (key, version, value) select $6, nextval('ledger_version'), $7 from made \
     on conflict (key) do update set version = excluded.version, value = excluded.value returning true, ",
    clock!()
);
/// With more to put and delete.
const SWAP: &str = concat!("select ledger_swap_1($1, $2, $3, $4, $5, $6, $7, $8), ", clock!());
/// Any others.
const MANY: &str =
    concat!("select ledger_commit_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11), ", clock!());

/// A statement with its values.
type Statement = Query<'static, Postgres, PgArguments>;

/// The task's own.
pub(super) struct Committer {
    cluster: Cluster,
    requests: mpsc::Receiver<Request>,
    /// What was taken from there and not sent yet.
    waiting: VecDeque<Request>,
    locks: Locks,
    line: Option<Line>,
    /// The session of a lost connection, until it is known to have ended.
    left: Option<Session>,
    /// Not before this is a connection tried again, and by how much more after the next failure.
    pause: (Instant, Duration),
    own: Arc<Own>,
    times: Arc<Times>,
}

/// An open connection.
struct Line {
    connection: PgConnection,
    session: Session,
}

impl Committer {
    pub(super) fn new(
        cluster: Cluster,
        requests: mpsc::Receiver<Request>,
        own: Arc<Own>,
        times: Arc<Times>,
    ) -> Self {
        let locks = Locks::new(cluster.schema().as_str());
        Self {
            cluster,
            requests,
            waiting: VecDeque::new(),
            locks,
            line: None,
            left: None,
            pause: (Instant::now(), PAUSE_MIN),
            own,
            times,
        }
    }

    /// Until nobody can ask for anything any more, and all is done that was asked for.
    pub(super) async fn run(mut self) {
        while self.wait().await {
            let group = Group::take(&mut self.waiting, &self.locks);
            let is_crowd = group.len() > 1;
            self.commit(group).await;
            if is_crowd {
                // Whoever was answered may have the next one ready: they go together again.
                yield_now().await;
            }
        }
        if let Some(line) = self.line {
            let _ = line.connection.close().await;
        }
    }

    /// Waits for something to do, and takes along what came meanwhile.
    async fn wait(&mut self) -> bool {
        if self.waiting.is_empty() {
            match self.requests.recv().await {
                Some(request) => self.waiting.push_back(request),
                None => return false,
            }
        }
        while self.waiting.len() < COMMITS_MAX {
            let Ok(request) = self.requests.try_recv() else { break };
            self.waiting.push_back(request);
        }
        true
    }

    /// Decides a group and answers its callers.
    async fn commit(&mut self, group: Group) {
        let Err((fault, group)) = self.settle(group).await else { return };
        // One of them may be what the server cannot bear; the others are not to suffer for it.
        let took_long = fault.meaning() == Meaning::TooSlow || fault.is_late_lock();
        if group.len() > 1 && fault.is_refusal() && !took_long {
            let locks = self.locks.clone();
            for alone in group.apart(&locks) {
                if let Err((fault, alone)) = self.settle(alone).await {
                    alone.fail(&fault);
                }
            }
            return;
        }
        group.fail(&fault);
        if matches!(fault, Fault::Unreachable(_) | Fault::UnderWay) {
            self.refuse_all(&fault);
        }
    }

    /// Nobody waits in line to find out one after the other that nothing can be sent.
    fn refuse_all(&mut self, fault: &Fault) {
        while let Ok(request) = self.requests.try_recv() {
            self.waiting.push_back(request);
        }
        while !self.waiting.is_empty() {
            Group::take(&mut self.waiting, &self.locks).fail(fault);
        }
    }

    /// Sends a group, again where others were in its way: then nothing of it happened.
    async fn settle(&mut self, group: Group) -> Result<(), (Fault, Group)> {
        let mut tries = 1;
        loop {
            self.own.sends(group.versions());
            let asked = self.ask(&group).await;
            let versions = group.versions();
            match asked {
                Ok(refused) => {
                    let decided = group.answer(&refused);
                    self.own.sent(versions, decided.versions, decided.changed);
                    return Ok(());
                }
                Err(fault) => {
                    // Where it may have happened, others are told.
                    self.own.sent(versions, 0, !fault.is_refusal());
                    let most = if fault.is_late_lock() { LOCK_TRIES_MAX } else { TRIES_MAX };
                    if fault.meaning() != Meaning::Again || tries >= most {
                        return Err((fault, group));
                    }
                    tries += 1;
                }
            }
        }
    }

    /// One round trip: which checks failed.
    async fn ask(&mut self, group: &Group) -> Result<Vec<Option<String>>, Fault> {
        let mut line = match self.line.take() {
            Some(line) => line,
            None => self.connect().await?,
        };
        let patience = self.cluster.statement_timeout() + GRACE;
        let since = self.times.asks();
        let asked = statement(group, self.locks.whole()).fetch_optional(&mut line.connection);
        // Whoever is dropped here closes the connection.
        match timeout(patience, asked).await {
            Ok(Ok(row)) => {
                self.line = Some(line);
                self.hear(since, row.as_ref());
                refused(row.as_ref(), group).map_err(|error| Fault::Answer(Arc::new(error)))
            }
            Ok(Err(error)) => {
                let fault = Fault::from(error);
                self.cluster.count(fault.meaning());
                if fault.is_refusal() {
                    self.line = Some(line);
                } else {
                    self.left = Some(line.session);
                }
                Err(fault)
            }
            Err(_) => {
                self.cluster.count(Meaning::Gone);
                self.left = Some(line.session);
                Err(Fault::Silent(patience))
            }
        }
    }

    /// What the server says of its time. That it was set back is told to whoever asks for the time.
    fn hear(&self, since: Option<Duration>, row: Option<&PgRow>) {
        if let Some(Ok(said)) = row.map(|row| row.try_get(1)) {
            let _ = self.times.hear(since, said);
        }
    }

    async fn connect(&mut self) -> Result<Line, Fault> {
        sleep_until(self.pause.0).await;
        let connected = self.try_connect().await;
        if connected.is_ok() {
            self.pause.1 = PAUSE_MIN;
        } else {
            self.pause.0 = Instant::now() + self.pause.1;
            self.pause.1 = (self.pause.1 * 2).min(PAUSE_MAX);
        }
        connected
    }

    async fn try_connect(&mut self) -> Result<Line, Fault> {
        let mut connection = self.cluster.connect().await?;
        let begun = async {
            let row = sqlx::query(ABOUT).fetch_one(&mut connection).await?;
            let locks: i32 = row.try_get(2)?;
            let session = Session::read(&row)?;
            let is_over = match &self.left {
                Some(left) => {
                    let limit = self.cluster.statement_timeout();
                    left.end(&mut connection, limit, false).await?
                }
                None => true,
            };
            Ok::<_, sqlx::Error>((session, locks, is_over))
        };
        let patience = self.cluster.statement_timeout() + GRACE;
        let Ok(begun) = timeout(patience, begun).await else {
            return Err(Fault::Silent(patience));
        };
        let (session, locks, is_over) = begun?;
        if !is_over {
            return Err(Fault::UnderWay);
        }
        self.left = None;
        self.locks.max = usize::try_from(locks).unwrap_or(1).max(1);
        Ok(Line { connection, session })
    }
}

/// The key of each commit whose check failed.
fn refused(row: Option<&PgRow>, group: &Group) -> sqlx::Result<Vec<Option<String>>> {
    if let Some(swap) = group.swap() {
        let stands = row.map_or(Ok(false), |row| row.try_get(0))?;
        return Ok(if stands { Vec::new() } else { vec![Some(swap.key.to_owned())] });
    }
    let row = row.ok_or(sqlx::Error::RowNotFound)?;
    Ok(row.try_get::<Option<_>, _>(0)?.unwrap_or_default())
}

fn statement(group: &Group, whole: i64) -> Statement {
    match group.swap() {
        Some(swap) => one(swap, whole),
        None => many(group, whole),
    }
}

fn one(swap: Swap<'_>, whole: i64) -> Statement {
    if let ([one, two], None, [key], [value], []) =
        (swap.locks, swap.version, &*swap.puts.0, &*swap.puts.1, &*swap.deletes)
    {
        let query = sqlx::query(CREATE_TWO).bind(whole).bind(*one).bind(*two);
        return query.bind(swap.key).bind(swap.value).bind(*key).bind(*value);
    }
    let ([lock], true) = (swap.locks, swap.puts.0.is_empty() && swap.deletes.is_empty()) else {
        return sqlx::query(SWAP)
            .bind(whole)
            .bind(swap.locks)
            .bind(swap.key)
            .bind(swap.version)
            .bind(swap.value)
            .bind(swap.puts.0)
            .bind(swap.puts.1)
            .bind(swap.deletes);
    };
    let text = if swap.version.is_some() { UPDATE } else { CREATE };
    let query = sqlx::query(text).bind(whole).bind(*lock).bind(swap.key).bind(swap.value);
    match swap.version {
        Some(version) => query.bind(version),
        None => query,
    }
}

fn many(group: &Group, whole: i64) -> Statement {
    let arrays = group.arrays();
    sqlx::query(MANY)
        .bind(whole)
        .bind(group.locks())
        .bind(group.ends())
        .bind(arrays.checks.0)
        .bind(arrays.checks.1)
        .bind(arrays.checks.2)
        .bind(arrays.puts.0)
        .bind(arrays.puts.1)
        .bind(arrays.puts.2)
        .bind(arrays.deletes.0)
        .bind(arrays.deletes.1)
}
