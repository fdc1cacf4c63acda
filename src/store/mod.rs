//! What the daemon must not forget: a small ordered key-value store with compare-and-swap.
//!
//! There is no policy here; claims, occurrences and everything else are in `ledger`. A new engine
//! is four methods and the suite in `tests/contract/store/`.
//!
//! # Contract
//! 1. [`Store::commit`] is all or nothing: if one check fails, nothing of it happens and the answer
//!    names the first key whose check failed.
//! 2. When it returns `Ok`, the commit survives `kill -9` and a power cut.
//! 3. Of two commits that check the same version of a key, at most one succeeds.
//! 4. A version never comes twice, also not after a delete or a restart.
//! 5. [`Store::get`] and [`Store::scan`] show every commit that returned before they were called,
//!    and never a part of one.
//! 6. A scan is in the order of the keys' bytes, begins after `after`, holds at most `limit` rows, fewer
//!    only where there are no more, and only keys that start with `prefix`.
//! 7. Keys are 1 to 512 bytes, values at most [`VALUE_BYTES_MAX`]; anything else is
//!    [`StoreError::TooLarge`] and nothing of that commit happens.
//! 8. A commit that could not be made durable fails; whether it happened is then unknown. Where the
//!    engine cannot go on it is [`StoreError::Closed`], and so are all later commits until the store
//!    is opened again; after [`StoreError::Failed`] later ones may succeed. The same holds for reads.
//! 9. [`Store::now`] never goes back within one era and is not moved by this machine's wall clock.
//! 10. A second opening of the same folder fails at once and says who holds it. A store on a server may
//!     be opened by any number of daemons, and all of this holds between them.
//! 11. A key put twice in one commit has the last value; one that is put and deleted is gone.
//! 12. Where several daemons share a store, [`Store::changes`] counts up soon after another one
//!     committed: once for several of their commits, perhaps, and rarely once too often. What this one
//!     committed is not counted; where one has the store alone there is nothing to count. A commit of
//!     [`QUIET`] rows alone may be counted later, or not at all.
//! 13. [`Store::look`] says what [`Store::get_all`] and [`Store::now`] say, and the time is not earlier than
//!     the state that it read, nor later than the answer.
//! 14. [`Store::now_at_most`] is not earlier than any answer of [`Store::now`] that was asked for before, while
//!     the store's clock is not set. An engine that would have to ask says nothing.

pub mod lock;
pub mod memory;
pub mod open;
pub mod postgres;
pub mod sled;
pub mod watched;

use crate::domain::StoreTime;
use async_trait::async_trait;
use std::path::PathBuf;

/// The longest key.
pub const KEY_BYTES_MAX: usize = 512;

/// The largest value: 17 of them with the longest keys still fit into a page that stays in the
/// embedded engine's log (131,052 bytes); larger pages go to files of their own, which nobody syncs.
pub const VALUE_BYTES_MAX: usize = 7 * 1024;

/// How the keys begin of rows that no other daemon waits for: who writes nothing else is not announced.
pub const QUIET: &[&str] = &["daemon/", "notice-lane/", "log/", "log-head/", "log-prompt/"];

/// What a store answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// An ordered key-value store.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// The value of a key, with its version.
    async fn get(&self, key: &str) -> Result<Option<Versioned>>;

    /// The values of several keys, in their order. They are read one after the other, or as one
    /// instant had them where the engine asks for all at once.
    async fn get_all(&self, keys: &[&str]) -> Result<Vec<Option<Versioned>>> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.get(key).await?);
        }
        Ok(found)
    }

    /// The store's time with the values of several keys, in their order; by one question where the engine
    /// can.
    ///
    /// Whoever judges a lease asks so. A lease that has not ended by this time had not ended in the state that
    /// was read, so whoever acts on a look without a commit acts under a lease that was live there. Whoever
    /// commits after it checks the version: a lease that is over by this time is over when the commit stands,
    /// and nobody has renewed it in between. A lease that is given counts from this time, which is later than
    /// when its holder began to ask, from when that one believes it.
    async fn look(&self, keys: &[&str]) -> Result<(StoreTime, Vec<Option<Versioned>>)> {
        let found = self.get_all(keys).await?;
        Ok((self.now().await?, found))
    }

    /// Checks, then puts and deletes, all or nothing. Many callers share one flush.
    async fn commit(&self, batch: Batch) -> Result<()>;

    /// Keys that start with `prefix` and come after `after`, in order.
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>>;

    /// The store's own time, by which leases end.
    async fn now(&self) -> Result<StoreTime>;

    /// A time than which the store's is not later now, where that is known without a question.
    ///
    /// A lease that is given may count from it: it is longer by what this is ahead, never shorter. Nobody
    /// judges by it whether a lease has ended.
    fn now_at_most(&self) -> Option<StoreTime>;

    /// Counts up when another process has committed something, where several share the store; `None`:
    /// it is open in this process alone.
    fn changes(&self) -> Option<tokio::sync::watch::Receiver<u64>> {
        None
    }

    /// Whoever reads finds that only a newer program can read this version of a key: whoever stands at
    /// the door of a store takes no commit then that would change it ([`watched`]). An engine knows
    /// nothing of that.
    fn leave_alone(&self, _key: &str, _version: u64) {}

    /// Tells the instruments how its connections stand, where it has some.
    fn measure(&self) {}
}

/// A value and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Grows with every commit to the key; never repeats.
    pub version: u64,
    /// The value.
    pub value: Vec<u8>,
}

/// One row of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: String,
    /// Its version.
    pub version: u64,
    /// Its value.
    pub value: Vec<u8>,
}

/// What is to be committed together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Each key must have this version; `None`: must not exist.
    pub checks: Vec<(String, Option<u64>)>,
    /// Keys to set.
    pub puts: Vec<(String, Vec<u8>)>,
    /// Keys to remove; a missing one is no error.
    pub deletes: Vec<String>,
}

impl Batch {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires this version of a key; `None`: that it does not exist.
    #[must_use]
    pub fn check(mut self, key: impl Into<String>, version: Option<u64>) -> Self {
        self.checks.push((key.into(), version));
        self
    }

    /// Sets a key.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.puts.push((key.into(), value.into()));
        self
    }

    /// Removes a key.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.deletes.push(key.into());
        self
    }

    /// Whether every key and value has an allowed size (7).
    pub fn check_sizes(&self) -> Result<()> {
        let checked = self.checks.iter().map(|(key, _)| key);
        let put = self.puts.iter().map(|(key, _)| key);
        for key in checked.chain(put).chain(&self.deletes) {
            if key.is_empty() || key.len() > KEY_BYTES_MAX {
                let (key, bytes) = (key.chars().take(64).collect(), key.len());
                return Err(StoreError::TooLarge { key, bytes, max: KEY_BYTES_MAX });
            }
        }
        match self.puts.iter().find(|(_, value)| value.len() > VALUE_BYTES_MAX) {
            Some((key, value)) => Err(StoreError::TooLarge {
                key: key.clone(),
                bytes: value.len(),
                max: VALUE_BYTES_MAX,
            }),
            None => Ok(()),
        }
    }

    /// This and then that.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.checks.extend(other.checks);
        self.puts.extend(other.puts);
        self.deletes.extend(other.deletes);
        self
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A check did not hold; nothing happened.
    #[error("{key} was changed by somebody else")]
    Conflict {
        /// The first key whose check failed.
        key: String,
    },
    /// A key or value is too large; nothing happened.
    #[error("{key}: {bytes} bytes, at most {max}")]
    TooLarge {
        /// Which.
        key: String,
        /// How large.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
    /// Somebody else has it open.
    #[error("{} is in use by {holder}", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Who: pid and since when.
        holder: String,
    },
    /// Its files cannot be used.
    #[error("{}: the store cannot be opened", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A read or write failed; for a commit it is unknown whether it happened.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A commit could not be made durable, and nobody knows what is on the disk: the store takes no
    /// more until it is opened again. Whether the commit happened is unknown.
    #[error("the store takes no more until it is opened again")]
    Closed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored is read by newer programs only; it stays as it is.
    #[error("{key} was written by a newer Rota and is left alone")]
    Newer {
        /// Which key.
        key: String,
        /// What of it is not understood.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is stored is not what was written: a newer version's, or damaged.
    #[error("{key} cannot be read")]
    Corrupt {
        /// Which key.
        key: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
