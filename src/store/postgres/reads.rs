//! Reading, over the pool: one statement and so one snapshot each.

use super::committer::GRACE;
use super::failure::Fault;
use crate::postgres::{Acquired, Cluster, Meaning};
use crate::store::{Row, Versioned};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long the time may take, and a single row before it is asked for over another connection: whoever
/// asks wants to know it now.
const NOW_MAX: Duration = Duration::from_secs(5);

const GET: &str = "select version, value from ledger where key = $1";
const GET_ALL: &str = "select key, version, value from ledger where key = any ($1)";
/// The second is there for prefixes that nothing comes after.
const SCAN: &str =
    "select key, version, value from ledger where key >= $1 and key < $3 order by key limit $2";
const SCAN_TO_END: &str =
    "select key, version, value from ledger where key >= $1 order by key limit $2";
const NOW: &str = concat!("select ", clock!(), " as clock");
/// The clock is read once, when it is settled already which rows are seen; where none is found it comes alone.
const LOOK: &str = concat!(
    "select l.key, l.version, l.value, c.clock from (select ",
    clock!(),
    " as clock) c left join ledger l on l.key = any ($1)"
);

type Question = Query<'static, Postgres, PgArguments>;

/// Until when there is to be an answer.
struct Until {
    end: Instant,
    patience: Duration,
}

/// How long an answer is waited for.
#[derive(Clone, Copy)]
struct Patience {
    first: Duration,
    /// When it is asked once more because nobody said anything.
    again: Option<Duration>,
}

impl Until {
    fn from_now(patience: Duration) -> Self {
        Self { end: Instant::now() + patience, patience }
    }

    async fn within<T>(&self, what: impl Future<Output = T>) -> Result<T, Fault> {
        timeout_at(self.end, what).await.map_err(|_| Fault::Silent(self.patience))
    }
}

/// The reading half of a store.
#[derive(Debug)]
pub(super) struct Reads {
    cluster: Cluster,
}

impl Reads {
    pub(super) fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Versioned>, Fault> {
        let patience = Patience { first: NOW_MAX, again: Some(self.patience()) };
        let rows = self.rows(|| sqlx::query(GET).bind(key), patience).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Versioned { version: version(row.try_get(0)?), value: row.try_get(1)? }))
    }

    pub(super) async fn get_all(&self, keys: &[&str]) -> Result<Vec<Option<Versioned>>, Fault> {
        let rows = self.rows(|| sqlx::query(GET_ALL).bind(keys), self.once()).await?;
        in_order(keys, &rows)
    }

    /// The same with the server's clock, as [`Reads::now`] tells it.
    pub(super) async fn look<T: Send>(
        &self,
        keys: &[&str],
        asks: impl Fn() -> T + Send + Sync,
    ) -> Result<(T, i64, Vec<Option<Versioned>>), Fault> {
        let (asked, said, rows) = self.timed(|| sqlx::query(LOOK).bind(keys), asks).await?;
        Ok((asked, said, in_order(keys, &rows)?))
    }

    pub(super) async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row>, Fault> {
        let from = match after {
            // Nothing comes between a key and the same with the least character there is.
            Some(after) if after >= prefix => format!("{after}\u{1}"),
            _ => prefix.to_owned(),
        };
        let (to, limit) = (end_of(prefix), i64::try_from(limit).unwrap_or(i64::MAX));
        let question = || {
            let scan = sqlx::query(if to.is_some() { SCAN } else { SCAN_TO_END });
            let scan = scan.bind(&from).bind(limit);
            match &to {
                Some(to) => scan.bind(to),
                None => scan,
            }
        };
        let rows = self.rows(question, self.once()).await?;
        let row = |row: PgRow| -> Result<Row, Fault> {
            let (key, number) = (row.try_get(0)?, row.try_get(1)?);
            Ok(Row { key, version: version(number), value: row.try_get(2)? })
        };
        rows.into_iter().map(row).collect()
    }

    /// The server's clock, in milliseconds since 1970; and what `asks` gave when the question was sent. That
    /// is later than the call where a connection was made first, or waited for.
    pub(super) async fn now<T: Send>(
        &self,
        asks: impl Fn() -> T + Send + Sync,
    ) -> Result<(T, i64), Fault> {
        let (asked, said, _) = self.timed(|| sqlx::query(NOW), asks).await?;
        Ok((asked, said))
    }

    /// Asks what has the server's clock in each row of its answer.
    async fn timed<T: Send>(
        &self,
        question: impl Fn() -> Question + Send + Sync,
        asks: impl Fn() -> T + Send + Sync,
    ) -> Result<(T, i64, Vec<PgRow>), Fault> {
        let patience = Patience { first: NOW_MAX, again: Some(NOW_MAX) };
        let mut asked = None;
        let sent = || {
            asked = Some(asks());
            question()
        };
        let rows = self.rows(sent, patience).await?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let said: i64 = first.try_get("clock")?;
        Ok((asked.ok_or(Fault::Closed)?, said, rows))
    }

    fn once(&self) -> Patience {
        Patience { first: self.patience(), again: None }
    }

    fn patience(&self) -> Duration {
        self.cluster.statement_timeout() + GRACE
    }

    /// Asks, and once more over a new connection where the one at hand turns out to be dead: a read
    /// may be repeated.
    async fn rows(
        &self,
        mut question: impl FnMut() -> Question + Send,
        patience: Patience,
    ) -> Result<Vec<PgRow>, Fault> {
        let lay_idle = self.cluster.pool().num_idle() > 0;
        let until = match patience.again {
            // A connection is made first, or waited for.
            Some(again) if !lay_idle => Until::from_now(again),
            _ => Until::from_now(patience.first),
        };
        match self.ask(&mut question, &until).await {
            Err(fault @ Fault::Server(_)) => match fault.meaning() {
                Meaning::Gone => {
                    self.cluster.forget_idle();
                    self.ask(&mut question, &until).await
                }
                Meaning::Again => self.ask(&mut question, &until).await,
                _ => Err(fault),
            },
            // The way there may be gone without a word; then what lies idle is as silent. Where nothing
            // did, it was tried anew already.
            Err(fault @ Fault::Silent(_)) => {
                self.cluster.forget_idle();
                match patience.again.filter(|_| lay_idle) {
                    Some(again) => self.ask(&mut question, &Until::from_now(again)).await,
                    None => Err(fault),
                }
            }
            answer => answer,
        }
    }

    /// The question is made when there is a connection for it.
    async fn ask(
        &self,
        question: &mut (impl FnMut() -> Question + Send),
        until: &Until,
    ) -> Result<Vec<PgRow>, Fault> {
        let acquired = until.within(self.cluster.acquire()).await;
        let acquired = acquired.map_err(|silent| {
            let is_exhausted = self.cluster.is_exhausted();
            if is_exhausted { Fault::Exhausted(until.patience) } else { silent }
        })?;
        let mut lent = Lent(Some(acquired?));
        let Some(connection) = lent.0.as_mut() else { return Err(Fault::Closed) };
        let answer = until.within(question().fetch_all(&mut **connection)).await;
        let rows = answer.and_then(|rows| rows.map_err(Fault::from));
        match rows.as_ref().err().map(Fault::meaning) {
            Some(Meaning::Gone) => self.cluster.count(Meaning::Gone),
            Some(meaning) => {
                self.cluster.count(meaning);
                lent.give_back();
            }
            None => lent.give_back(),
        }
        rows
    }
}

/// A connection of the pool, which gets it back only when it has answered: otherwise the pool would wait
/// for that answer before it lends it again. Whoever asked may have gone away meanwhile.
struct Lent(Option<Acquired>);

impl Lent {
    fn give_back(mut self) {
        self.0 = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.discard();
        }
    }
}

/// What comes after everything that begins so; `None` where nothing does. Bytes of UTF-8 sort as its
/// characters do.
fn end_of(prefix: &str) -> Option<String> {
    let mut kept = prefix.to_owned();
    while let Some(last) = kept.pop() {
        // A range of characters steps over those that are none.
        if let Some(next) = (last..=char::MAX).nth(1) {
            kept.push(next);
            return Some(kept);
        }
    }
    None
}

/// What was found under each key. A row of nothing has no key.
fn in_order(keys: &[&str], rows: &[PgRow]) -> Result<Vec<Option<Versioned>>, Fault> {
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let key: Option<String> = row.try_get(0)?;
        let Some(key) = key else { continue };
        let versioned = Versioned { version: version(row.try_get(1)?), value: row.try_get(2)? };
        found.insert(key, versioned);
    }
    Ok(keys.iter().map(|key| found.get(*key).cloned()).collect())
}

/// The sequence begins at 1.
fn version(number: i64) -> u64 {
    number.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_key_that_does_not_begin_so() {
        for (prefix, end) in [
            ("b/", Some("b0")),
            ("", None),
            ("a\u{7f}", Some("a\u{80}")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}\u{10ffff}", None),
        ] {
            assert_eq!(end_of(prefix).as_deref(), end, "{prefix:?}");
        }
    }
}
