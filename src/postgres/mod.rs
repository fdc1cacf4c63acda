//! Connections to a PostgreSQL server that a team's daemons share, for the board and the store alike.
//!
//! No question about tasks or claims is here. What is: the address with its hosts ([`Address`]), the
//! pool that always ends at the host that takes writes ([`Cluster`]), the steps of a schema that several
//! daemons may begin at once ([`steps`]), the locks by which they keep out of each other's way ([`locks`]),
//! whether a schema is being filled or was left ([`moves`]), how a server is ([`health`]), what its errors
//! mean ([`failure`]), and how what a lost connection left there is ended ([`Session`]).

mod acquired;
pub mod address;
mod counting;
pub mod failure;
pub mod health;
pub mod locks;
pub mod moves;
mod race;
mod session;
pub mod steps;

pub use acquired::Acquired;
pub use address::Address;
pub use failure::{ConnectError, Meaning};
pub use session::Session;

use crate::instruments::pools::Part;
use counting::{Counting, Wait};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Postgres, Row as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a caller waits for a connection; then the server counts as not there.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Of several hosts, the others are looked at when the one at hand has let nobody in for so long.
const ELSEWHERE_AFTER: Duration = Duration::from_secs(1);
/// How long the hosts together may take to let somebody in, and one that is looked at by itself.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// So many statements a connection knows by heart: a board alone has more than the usual hundred.
const STATEMENTS: usize = 256;
/// A connection older than this is made anew, so that a new balance of hosts is found.
const LIFETIME_MAX: Duration = Duration::from_hours(1);

/// Whoever is gone is noticed within a second: a statement that nobody waits for any more ends, and its
/// session with it, so that there are not more of them at the server than the pool has connections.
const NOTICES_GONE: &str = "set client_connection_check_interval = '1s'";

/// Within a transaction that may wait for others, or for a large table, as long as that takes.
const UNHURRIED: &str = "set local statement_timeout = 0; set local lock_timeout = 0";

/// What is said of a database in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Where it is.
    pub address: Address,
    /// The schema of this team.
    pub schema: Schema,
    /// How many connections there may be.
    pub connections: u32,
    /// How long one statement may take; the server ends it then.
    pub statement_timeout: Duration,
}

/// The name of a schema: small letters, digits and `_`, at most 48, so that it needs no quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema(String);

impl Schema {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !begins || text.len() > 48 || !text.chars().all(fits) || text.starts_with("pg_") {
            return Err(
                "a schema has small letters, digits and _, begins with a letter, at most 48, \
                        and not with pg_"
                    .to_owned(),
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The hosts of a database, with a pool of connections to the one that takes writes.
#[derive(Clone, Debug)]
pub struct Cluster {
    options: Arc<PostgresOptions>,
    /// What a new connection is told first.
    settings: Arc<str>,
    /// Which host new connections are made to.
    at: Arc<Mutex<usize>>,
    counting: Counting,
    pool: PgPool,
}

impl Cluster {
    /// A pool that connects when it is first asked. Nothing is sent yet.
    pub fn new(options: PostgresOptions) -> Self {
        let settings = settings(&options);
        Self::build(Arc::new(options), settings.into())
    }

    /// The same hosts, with a pool of its own whose connections are told this on top.
    #[must_use]
    pub fn tuned(&self, more: &str) -> Self {
        Self::build(Arc::clone(&self.options), format!("{}; {more}", self.settings).into())
    }

    fn build(options: Arc<PostgresOptions>, settings: Arc<str>) -> Self {
        let most = options.connections.max(1);
        let counting = Counting::of(most);
        let pool = pool_options(&settings, &counting)
            .max_connections(most)
            .max_lifetime(LIFETIME_MAX)
            .connect_lazy_with(way_to(&options.address.hosts()[0]));
        Self { options, settings, at: Arc::default(), counting, pool }
    }

    /// From now on what happens to its connections is counted as this part's.
    pub fn counted_as(&self, part: Part) {
        self.counting.is_of(part);
    }

    /// A statement failed, or was not answered ([`Meaning::Gone`]).
    pub fn count(&self, meaning: Meaning) {
        self.counting.failed(meaning);
    }

    /// Tells the instruments how its pool stands now.
    pub fn measure(&self) {
        let idle = idle_of(self.pool.num_idle(), self.pool.size());
        self.counting.stands(self.counting.lent(), idle, self.most());
    }

    /// The schema of this team.
    pub fn schema(&self) -> &Schema {
        &self.options.schema
    }

    /// The hosts, for people: without a password.
    pub fn place(&self) -> String {
        self.options.address.to_string()
    }

    /// How long one statement may take; the server ends it then.
    pub fn statement_timeout(&self) -> Duration {
        self.options.statement_timeout
    }

    /// The pool. Where a statement fails because its host is gone, [`Cluster::acquire`] finds the other.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection to the host that takes writes. Where the last one does not any more, or says nothing,
    /// the others are asked beside it.
    pub async fn acquire(&self) -> Result<Acquired, ConnectError> {
        let wait = Wait::begin(&self.counting, self.is_full());
        // Large: a connection may be made in there.
        let acquired = Box::pin(self.lent()).await;
        let acquired = acquired.map_err(|error| error.of_exhausted(self.is_exhausted()));
        wait.over(&acquired);
        acquired
    }

    async fn lent(&self) -> Result<Acquired, ConnectError> {
        let lent = |connection| Acquired::new(connection, self.counting.lends());
        let refused = |error| self.refused(error);
        if self.options.address.hosts().len() == 1 {
            return self.pool.acquire().await.map(lent).map_err(refused);
        }
        match self.at_hand().await {
            Some(Ok(connection)) => return Ok(lent(connection)),
            Some(Err(error)) => {
                let error = self.refused(error);
                // Where callers have all connections, that is what this one waited for.
                if error.is_late() && self.is_exhausted() {
                    return Err(error);
                }
                self.find_primary().await?;
            }
            None => {}
        }
        self.pool.acquire().await.map(lent).map_err(refused)
    }

    /// What the pool lends, or says. `None` where another host takes the writes by now: at a silent one
    /// the pool would go on trying as long as it is let.
    async fn at_hand(&self) -> Option<sqlx::Result<PoolConnection<Postgres>>> {
        let hand = self.at();
        let acquiring = self.pool.acquire();
        tokio::pin!(acquiring);
        if let Ok(acquired) = timeout(ELSEWHERE_AFTER, &mut acquiring).await {
            return Some(acquired);
        }
        if self.is_exhausted() {
            return Some(acquiring.await);
        }
        // Somebody else may have found it.
        if self.at() == hand {
            tokio::select! {
                acquired = &mut acquiring => return Some(acquired),
                _ = self.find_primary() => {}
            }
        }
        // A pool waits for a host that refuses as for one that begins.
        if self.at() == hand { Some(acquiring.await) } else { None }
    }

    /// Whether all connections that there may be are in use: what to ask when no more is waited for one.
    pub fn is_exhausted(&self) -> bool {
        self.counting.is_exhausted()
    }

    /// Whether no connection lies idle and no other may be made: they are lent, being made or on their way
    /// back.
    fn is_full(&self) -> bool {
        self.pool.num_idle() == 0 && self.pool.size() >= self.most()
    }

    fn most(&self) -> u32 {
        self.pool.options().get_max_connections()
    }

    /// A connection of one's own beside the pool, to the host that takes writes.
    pub async fn connect(&self) -> Result<PgConnection, ConnectError> {
        self.reach().await.inspect_err(|error| self.counting.failed(error.meaning()))
    }

    /// The hosts are tried side by side, the one that was used last first: the first that takes writes is
    /// the one.
    async fn reach(&self) -> Result<PgConnection, ConnectError> {
        let (hosts, end) = (self.options.address.hosts(), Instant::now() + CONNECT_TIMEOUT);
        let order = race::order(self.at(), hosts.len());
        match race::first(order, |host| self.try_host(host, end)).await {
            Ok((host, connection)) => {
                self.counting.connected();
                self.moved_to(host);
                Ok(connection)
            }
            Err(mut failures) => {
                failures.sort_unstable_by_key(|(host, _)| *host);
                let told = |(host, error): (usize, _)| (address::place_of(&hosts[host]), error);
                let each = failures.into_iter().map(told).collect();
                Err(ConnectError::of_hosts(self.place(), each))
            }
        }
    }

    /// Hears what is said in a channel, on a connection of its own to the host that takes writes.
    ///
    /// It does not connect again by itself when it is lost: by then another host may be the one.
    pub async fn listen(&self, channel: &str) -> Result<PgListener, ConnectError> {
        let _ = self.connect().await?.close().await;
        let host = &self.options.address.hosts()[self.at()];
        let pool = pool_options(&self.settings, &self.counting)
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(way_to(host));
        let listening = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen(channel).await?;
            Ok(listener)
        };
        listening.await.map_err(|error| self.refused(error))
    }

    /// Ends all connections when they are free again.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Looks which host takes writes: from here on new connections are made to that.
    async fn find_primary(&self) -> Result<(), ConnectError> {
        let _ = self.reach().await?.close().await;
        Ok(())
    }

    async fn try_host(&self, host: usize, end: Instant) -> sqlx::Result<PgConnection> {
        let options = way_to(&self.options.address.hosts()[host]);
        let opened = async {
            let mut connection = options.connect().await?;
            settle(&mut connection, &self.settings).await?;
            Ok(connection)
        };
        timeout_at(end, opened).await.unwrap_or_else(|_| Err(failure::silence(CONNECT_TIMEOUT)))
    }

    /// Which host new connections are made to.
    fn at(&self) -> usize {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New connections are made to this host from here on.
    fn moved_to(&self, host: usize) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if *at == host {
            return;
        }
        // Under the lock: whoever reads there that it is another one finds the pool on its way to it.
        self.pool.set_connect_options(way_to(&self.options.address.hosts()[host]));
        *at = host;
        drop(at);
        self.counting.failed_over();
        // Those to the host before are not lent any more.
        self.forget_idle();
    }

    /// Lets go the connections that lie idle in the pool: where one is dead, those beside it are, too.
    pub fn forget_idle(&self) {
        for _ in 0..self.pool.size() {
            let Some(connection) = self.pool.try_acquire() else { break };
            drop(connection.detach());
        }
    }

    fn refused(&self, source: sqlx::Error) -> ConnectError {
        ConnectError::new(self.place(), source)
    }
}

/// Of so many connections so many lie idle. The pool lends one before it has counted that it came back, and
/// for that moment has fewer than none.
fn idle_of(counted: usize, size: u32) -> u32 {
    u32::try_from(counted).unwrap_or(0).min(size)
}

/// How a host is connected to.
fn way_to(host: &PgConnectOptions) -> PgConnectOptions {
    host.clone().disable_statement_logging().statement_cache_capacity(STATEMENTS)
}

/// How every pool behaves: its connections are told the settings, and not asked again before use.
fn pool_options(settings: &Arc<str>, counting: &Counting) -> PgPoolOptions {
    let (settings, counting) = (Arc::clone(settings), counting.clone());
    PgPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).test_before_acquire(false).after_connect(
        move |connection, _| {
            let (settings, counting) = (Arc::clone(&settings), counting.clone());
            Box::pin(async move {
                settle(connection, &settings).await?;
                counting.connected();
                Ok(())
            })
        },
    )
}

/// What a new connection is told first.
fn settings(options: &PostgresOptions) -> String {
    let timeout = crate::domain::millis(options.statement_timeout);
    format!(
        "set search_path = {schema}; set statement_timeout = {timeout}; set lock_timeout = {timeout}; \
         set idle_in_transaction_session_timeout = {idle}; set time zone 'UTC'; \
         set client_min_messages = warning; set default_transaction_isolation = 'read committed'; {keep}",
        keep = session::KEEP,
        schema = options.schema.as_str(),
        idle = timeout.saturating_mul(2),
    )
}

/// Tells a new connection how to behave, and gives one up that cannot write: a standby's.
async fn settle(connection: &mut PgConnection, settings: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(settings.to_owned())).execute(&mut *connection).await?;
    match sqlx::raw_sql(NOTICES_GONE).execute(&mut *connection).await {
        // On some systems a server cannot, and says so.
        Ok(_) | Err(sqlx::Error::Database(_)) => {}
        Err(error) => return Err(error),
    }
    let row = sqlx::query("select pg_is_in_recovery()").fetch_one(connection).await?;
    if row.try_get::<bool, _>(0)? {
        return Err(failure::standby());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_needs_no_quotes() {
        for good in ["rota", "team_7", "_x"] {
            assert_eq!(Schema::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "Rota", "7up", "a-b", "a b", "a;drop", "pg_x", "é", &"x".repeat(49)] {
            assert!(Schema::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_more_connections_lie_idle_than_there_are() {
        for (counted, size, idle) in [(0, 0, 0), (1, 2, 1), (2, 2, 2), (3, 2, 2)] {
            assert_eq!(idle_of(counted, size), idle, "{counted} of {size}");
        }
        assert_eq!(idle_of(0_usize.wrapping_sub(1), 2), 0, "lent before it was counted");
    }

    #[test]
    fn a_connection_is_told_its_schema_and_its_limits() {
        let options = PostgresOptions {
            address: Address::parse("postgres://u@127.0.0.1/d", false).unwrap(),
            schema: Schema::parse("team").unwrap(),
            connections: 2,
            statement_timeout: Duration::from_secs(20),
        };
        let told = settings(&options);
        assert!(
            told.starts_with("set search_path = team; set statement_timeout = 20000;"),
            "{told}"
        );
        assert!(told.contains("idle_in_transaction_session_timeout = 40000"), "{told}");
        assert!(told.contains("default_transaction_isolation = 'read committed'"), "{told}");
    }
}
