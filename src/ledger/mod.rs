//! All policy over the store, once: claims, occurrences, runs and their journal of effects, the
//! outbox, decisions, switches, the audit log, and how a lost store is restored.
//!
//! Whoever wants to know what the daemon remembers asks a [`Ledger`]. One file per topic; every
//! change is read, checked and committed by compare-and-swap, so any number of daemons and threads
//! may share a store. What must become true together is one commit.

mod arrivals;
mod audit;
mod begun;
mod budgets;
mod claims;
mod commands;
mod conversations;
mod daemons;
mod decisions;
mod effects;
mod ends;
pub mod export;
mod feeds;
mod first;
mod fitness;
mod guards;
mod holders;
mod keys;
mod lanes;
mod letters;
mod newer;
mod occurrences;
mod outbox;
mod page_sessions;
mod pins;
mod prune;
mod queues;
mod records;
mod repeats;
mod reviews;
mod rounds;
mod runs;
mod seen;
mod sessions;
mod stagings;
pub mod stop;
mod stops;
mod succession;
mod sweep;
mod switches;
mod timetables;
mod tokens;
mod trust;
mod wait_notes;

pub use audit::{AuditEntry, AuditVerdict, Covers, Unread};
pub use begun::LifeOf;
pub use budgets::{Amount, DaySpent, ReserveAsk};
pub use claims::{Acquire, Held};
pub use commands::CommandGiven;
pub use conversations::{KeptAnswer, KeptConversation};
pub use daemons::{DaemonRecord, Drained, Enrolment, KnownDaemon, OwnPlaybooks, Presence};
pub use newer::NEWER;
pub use occurrences::OPEN_MAX;
pub use outbox::{Again, QueueState, Sent};
pub use page_sessions::{LINK_LIFE, PageSession, SESSIONS_OF_ONE_MAX};
pub use pins::Pin;
pub use prune::Pruned;
pub use repeats::{REPEATABLE, Repeat};
pub use runs::{LogLine, PROMPT, RunFilter, TranscriptLine};
pub use seen::Coming;
pub use sessions::OutsideSession;
pub use stops::StopAsked;
pub use switches::{InRow, Paused, PlaybookSwitch, Switches};
pub use timetables::Timetables;
pub use tokens::{Issued, OVERLAP_MAX, TokenRefusal};
pub use trust::TrustWindow;
pub use wait_notes::{QueueNote, ReleaseAsked, Settled};

use crate::clock::{Clock, Entropy};
use crate::domain::{BoardName, Claim, CommentId, DaemonId, LifeId, Mark, Reason, StoreTime};
use crate::instruments::House;
use crate::store::watched::WatchedStore;
use crate::store::{Store, StoreError};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// How often a change is tried again when somebody else was quicker. Each failure means that
/// somebody else made progress, so this is reached only if something is wrong.
pub(in crate::ledger) const TRIES_MAX: u32 = 64;

/// What the daemon remembers, and the rules about it.
#[derive(Debug)]
pub struct Ledger {
    pub(in crate::ledger) store: Arc<dyn Store>,
    /// The same, by the name of the one at its door.
    pub(in crate::ledger) watched: Arc<WatchedStore>,
    pub(in crate::ledger) clock: Arc<dyn Clock>,
    pub(in crate::ledger) entropy: Arc<dyn Entropy>,
    pub(in crate::ledger) options: LedgerOptions,
    /// How many commits the last export held; more than there ever are: none was made.
    pub(in crate::ledger) exported: AtomicU64,
    /// Whose turn it is to write an export.
    pub(in crate::ledger) exporting: Arc<tokio::sync::Mutex<()>>,
    /// Whose turn it is to change what a day has spent: here nobody is quicker than another.
    pub(in crate::ledger) spending: tokio::sync::Mutex<()>,
    /// How far pruning has come.
    pub(in crate::ledger) pruning: Mutex<prune::Progress>,
    /// The last place that was given in a queue of the outbox, once it is known.
    pub(in crate::ledger) last_place: tokio::sync::Mutex<Option<u64>>,
    /// Commands of which it was not said whether this life has taken them.
    pub(in crate::ledger) doubtful: Mutex<BTreeSet<CommentId>>,
    /// Whether what is written down is counted for whoever watches.
    counted: AtomicBool,
    /// Until when this daemon may believe that it is there for others, in milliseconds of the boot-time
    /// clock; 0: it never said that it is.
    pub(in crate::ledger) there_until: AtomicU64,
    /// It was gone for the others, and has not let go yet what they may have taken over.
    pub(in crate::ledger) was_gone: AtomicBool,
}

/// Whose ledger it is.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// The board that claims are about.
    pub board: BoardName,
    /// This daemon.
    pub daemon: DaemonId,
    /// This life of it.
    pub life: LifeId,
    /// By how much a worker stops believing its lease before it ends.
    pub margin: Duration,
    /// The store's epoch, from [`export::read_epoch`]: no fence is below `epoch << 32`.
    pub epoch: u32,
}

impl Ledger {
    /// A ledger in this store.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: LedgerOptions,
    ) -> Self {
        let watched = Arc::new(WatchedStore::new(store));
        Self {
            store: Arc::clone(&watched) as _,
            watched,
            clock,
            entropy,
            options,
            exported: AtomicU64::new(u64::MAX),
            exporting: Arc::default(),
            spending: tokio::sync::Mutex::default(),
            pruning: Mutex::default(),
            last_place: tokio::sync::Mutex::default(),
            doubtful: Mutex::default(),
            counted: AtomicBool::new(false),
            there_until: AtomicU64::new(0),
            was_gone: AtomicBool::new(false),
        }
    }

    /// From now on what is written down is counted, too. Rehearsals are not.
    pub fn count(&self) {
        self.counted.store(true, Ordering::Relaxed);
    }

    /// Where it is counted, if it is.
    pub(in crate::ledger) fn counts(&self) -> Option<House> {
        self.counted.load(Ordering::Relaxed).then_some(House)
    }

    /// The store beneath; what is committed to it is seen by the export.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Returns when local state is of no use any more until it is opened again; says why.
    pub async fn closed(&self) -> String {
        self.watched.closed().await
    }

    /// Somebody finds that local state is of no use any more.
    pub fn give_up(&self, why: &str) {
        self.watched.give_up(why);
    }

    /// How many commits have, or may have, changed something: while it is the same, what was read
    /// is still so, as far as others tell of their commits ([`Store::changes`]).
    pub fn commits(&self) -> u64 {
        self.watched.commits()
    }

    /// Whether other processes may commit to the store, too.
    pub fn is_shared(&self) -> bool {
        self.store.changes().is_some()
    }

    /// Counts up when one of them has.
    pub fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.store.changes()
    }

    /// Whose ledger it is.
    pub fn options(&self) -> &LedgerOptions {
        &self.options
    }

    /// A nonce for one [`Acquire`].
    pub fn nonce(&self) -> String {
        self.entropy.nonce()
    }
}

/// What the ledger answers.
pub type Result<T> = std::result::Result<T, LedgerError>;

/// Why the ledger did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// What is there does not allow it: another outcome, another watermark, a settled record.
    #[error("{what}: {why}")]
    Conflict {
        /// The record.
        what: String,
        /// What stands against it.
        why: String,
    },
    /// There is no such record.
    #[error("there is no {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// A prefix fits more than one record.
    #[error("{prefix:?} fits more than one run")]
    Ambiguous {
        /// The prefix.
        prefix: String,
    },
    /// The `once` key was used by an earlier effect, which is not repeated.
    #[error("it was done before, by {mark}")]
    AlreadyDone {
        /// The effect that did it.
        mark: Mark,
    },
    /// A record or list is larger than the ledger keeps.
    #[error("{what}: {size}, at most {max}")]
    TooLarge {
        /// Which record or list.
        what: String,
        /// Its size.
        size: usize,
        /// What is allowed.
        max: usize,
    },
    /// Others changed the record each time it was tried.
    #[error("{what} is changed by others all the time")]
    Contended {
        /// The record.
        what: String,
    },
    /// The store did not.
    #[error("local state")]
    Store(#[from] StoreError),
}

/// Why a claim was not given, or is no longer held.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another run holds it.
    #[error("run {} holds task {} until its lease ends", claim.run, claim.task)]
    Held {
        /// The claim.
        claim: Box<Claim>,
    },
    /// It waits for a person; only `resume` takes it.
    #[error("it waits for a person's answer")]
    Parked,
    /// An operator took it away, and the old holder has neither acknowledged nor run out.
    #[error("an operator took it away; its old holder may act until its lease ends")]
    Revoking {
        /// Until when at the latest, in the store's own time.
        until: StoreTime,
    },
    /// The caller does not hold it, or no longer.
    #[error("{reason}: {detail}")]
    Lost {
        /// Why.
        reason: Reason,
        /// The particulars, for people.
        detail: String,
    },
    /// A claim never goes back to an earlier phase.
    #[error("a claim does not go from {from:?} to {to:?}")]
    Phase {
        /// Where it is.
        from: crate::domain::Phase,
        /// Where it was to go.
        to: crate::domain::Phase,
    },
    /// A force-release says why.
    #[error("taking a claim away needs a reason")]
    NoReason,
    /// The store did not; whether it happened is unknown (ask again with the same nonce).
    #[error("local state")]
    Store(#[from] StoreError),
}
