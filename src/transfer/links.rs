//! Which item of one board is which of the other, kept durably from the moment it is known.
//!
//! A link stands for both directions: what was copied there is not copied back as something new. Of
//! both sides it keeps what was last seen of each field, as digests, so that a later run tells what
//! changed since, and on which side.

use super::noun::{Digests, Key, Kind, short};
use crate::store::{Batch, Result, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Rows read at a time.
const ROWS: usize = 1_000;

/// Two boards, whichever is copied from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    name: String,
    source_is_first: bool,
}

impl Pair {
    /// From what tells each board from all others: an address, or a file's path.
    pub fn of(source: &str, target: &str) -> Self {
        let source_is_first = source <= target;
        let (first, second) = if source_is_first { (source, target) } else { (target, source) };
        Self { name: short(format!("{first}\n{second}").as_bytes()), source_is_first }
    }

    /// The run under whose name an item is written.
    pub(super) fn run_of(&self, kind: Kind, key: Key, turn: Option<u32>) -> String {
        let way = if self.source_is_first { "there" } else { "back" };
        let turn = turn.map(|turn| format!(".{turn}")).unwrap_or_default();
        format!("copy-{}-{way}-{}-{}-{}{turn}", self.name, kind.as_str(), key.0, key.1)
    }

    fn prefix(&self) -> String {
        format!("transfer/{}/", self.name)
    }
}

/// A link as it is seen from the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    /// What the item is known by on the target.
    pub(super) target: Key,
    /// What was last seen of each field.
    pub(super) of_source: Digests,
    pub(super) of_target: Digests,
    /// Grows with each change that was carried over.
    pub(super) turn: u32,
    /// There would be one.
    pub(super) is_planned: bool,
}

/// As it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct LinkRow {
    first: Key,
    second: Key,
    of_first: Digests,
    of_second: Digests,
    turn: u32,
}

#[derive(Debug, Default)]
struct Known {
    links: BTreeMap<(Kind, Key), Link>,
    /// What is on the target by some link.
    taken: BTreeSet<(Kind, Key)>,
}

/// All links of a pair.
#[derive(Debug)]
pub(super) struct Links {
    store: Arc<dyn Store>,
    pub(super) pair: Pair,
    known: Mutex<Known>,
}

impl Links {
    pub(super) async fn load(store: Arc<dyn Store>, pair: Pair) -> Result<Self> {
        let mut known = Known::default();
        for kind in ALL {
            let prefix = format!("{}{}/", pair.prefix(), kind.as_str());
            let mut after: Option<String> = None;
            loop {
                let rows = store.scan(&prefix, after.as_deref(), ROWS).await?;
                after = rows.last().map(|row| row.key.clone());
                let is_end = rows.len() < ROWS;
                for row in rows {
                    let row = read(&row.key, &row.value)?;
                    let (key, link) = of_row(&pair, row);
                    known.taken.insert((kind, link.target));
                    known.links.insert((kind, key), link);
                }
                if is_end {
                    break;
                }
            }
        }
        Ok(Self { store, pair, known: Mutex::new(known) })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, kind: Kind, source: Key) -> Option<Link> {
        self.known().links.get(&(kind, source)).cloned()
    }

    /// The id on the target of what has this id on the source.
    pub(super) fn id(&self, kind: Kind, source: i64) -> Option<i64> {
        self.known().links.get(&(kind, (source, 0))).map(|link| link.target.0)
    }

    pub(super) fn is_taken(&self, kind: Kind, target: Key) -> bool {
        self.known().taken.contains(&(kind, target))
    }

    /// Keeps a link; it is durable when this returns.
    pub(super) async fn put(&self, kind: Kind, source: Key, link: Link) -> Result<()> {
        let row = to_row(&self.pair, source, &link);
        let key = format!(
            "{}{}/{:020}.{:020}",
            self.pair.prefix(),
            kind.as_str(),
            row.first.0,
            row.first.1
        );
        let bytes = serde_json::to_vec(&row).map_err(|error| StoreError::Failed(error.into()))?;
        self.store.commit(Batch::new().put(key, bytes)).await?;
        self.remember(kind, source, link);
        Ok(())
    }

    /// What a rehearsal would have copied.
    pub(super) fn plan(&self, kind: Kind, source: Key) {
        let target = (-source.0 - 1, source.1);
        let link = Link { target, is_planned: true, ..Link::default() };
        self.remember(kind, source, link);
    }

    /// What a rehearsal found to be the same.
    pub(super) fn remember(&self, kind: Kind, source: Key, link: Link) {
        let mut known = self.known();
        known.taken.insert((kind, link.target));
        known.links.insert((kind, source), link);
    }
}

const ALL: [Kind; 11] = [
    Kind::Person,
    Kind::Project,
    Kind::Member,
    Kind::Sprint,
    Kind::Milestone,
    Kind::Task,
    Kind::GoalBoard,
    Kind::Goal,
    Kind::Comment,
    Kind::Time,
    Kind::Event,
];

fn read(key: &str, value: &[u8]) -> Result<LinkRow> {
    serde_json::from_slice(value)
        .map_err(|error| StoreError::Corrupt { key: key.to_owned(), source: error.into() })
}

fn of_row(pair: &Pair, row: LinkRow) -> (Key, Link) {
    let LinkRow { first, second, of_first, of_second, turn } = row;
    let (source, target, of_source, of_target) = if pair.source_is_first {
        (first, second, of_first, of_second)
    } else {
        (second, first, of_second, of_first)
    };
    (source, Link { target, of_source, of_target, turn, is_planned: false })
}

fn to_row(pair: &Pair, source: Key, link: &Link) -> LinkRow {
    let Link { target, of_source, of_target, turn, .. } = link.clone();
    if pair.source_is_first {
        LinkRow { first: source, second: target, of_first: of_source, of_second: of_target, turn }
    } else {
        LinkRow { first: target, second: source, of_first: of_target, of_second: of_source, turn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::from_millis;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn a_link_holds_for_both_directions_and_for_its_pair_only() {
        let clock = Arc::new(ManualClock::at(from_millis(0)));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock));
        let load = async |source: &str, target: &str| {
            Links::load(Arc::clone(&store), Pair::of(source, target)).await.unwrap()
        };
        let there = load("a", "b").await;
        let of = |text: &str| Digests::from([("x".to_owned(), text.to_owned())]);
        let link = Link {
            target: (7, 0),
            of_source: of("1"),
            of_target: of("2"),
            turn: 3,
            is_planned: false,
        };
        there.put(Kind::Task, (1, 0), link.clone()).await.unwrap();
        let again = load("a", "b").await;
        assert_eq!(again.get(Kind::Task, (1, 0)), Some(link.clone()));
        assert!(again.is_taken(Kind::Task, (7, 0)) && !again.is_taken(Kind::Goal, (7, 0)));
        let back = load("b", "a").await;
        let turned =
            Link { target: (1, 0), of_source: of("2"), of_target: of("1"), ..link.clone() };
        assert_eq!(back.get(Kind::Task, (7, 0)), Some(turned));
        assert_eq!(load("a", "c").await.get(Kind::Task, (1, 0)), None);
    }

    #[test]
    fn a_write_there_is_another_than_one_back() {
        let (there, back) = (Pair::of("a", "b"), Pair::of("b", "a"));
        assert_ne!(there.run_of(Kind::Task, (1, 0), None), back.run_of(Kind::Task, (1, 0), None));
        let turns = [None, Some(0), Some(1)].map(|turn| there.run_of(Kind::Task, (1, 0), turn));
        assert!(turns[0] != turns[1] && turns[1] != turns[2]);
    }
}
