//! Commits that are sent as one statement, and what has to be locked for them.
//!
//! A group is a run of what waits, in its order. Where one commit writes a key that an earlier one of
//! the group checks or writes, or checks one that it writes, it comes in a later wave: the server
//! decides wave after wave, and those of one wave at once.

use super::failure::Fault;
use crate::postgres::locks::StoreLocks;
use crate::store::{Batch, QUIET, Result, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use tokio::sync::oneshot;

/// So many commits go together at most.
pub(super) const COMMITS_MAX: usize = 64;
/// A group takes no more commits once it has so many bytes.
const BYTES_MAX: usize = 512 * 1024;

/// A commit and where its answer goes.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) answer: oneshot::Sender<Result<()>>,
}

/// What is locked for a commit.
#[derive(Clone, Debug)]
pub(super) struct Locks {
    keys: StoreLocks,
    /// So many are taken at a time. A connection has its share of the server's table of locks, and
    /// what goes beyond takes that of others.
    pub(super) max: usize,
}

impl Locks {
    pub(super) fn new(schema: &str) -> Self {
        Self { keys: StoreLocks::of(schema), max: 64 }
    }

    fn of(&self, key: &str) -> i64 {
        self.keys.key(key)
    }

    /// The lock of everything.
    pub(super) fn whole(&self) -> i64 {
        self.keys.whole()
    }
}

/// Commits that are decided together.
#[derive(Debug)]
pub(super) struct Group {
    /// In the order of their waves.
    requests: Vec<Request>,
    /// The numbers, from 1, at which waves end.
    ends: Vec<i32>,
    /// In order; `None`: they are too many, and all of the store is locked.
    locks: Option<Vec<i64>>,
}

/// The arrays that a group is sent as; those of commits' numbers first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arrays<'a> {
    pub(super) checks: (Vec<i32>, Vec<&'a str>, Vec<Option<i64>>),
    pub(super) puts: (Vec<i32>, Vec<&'a str>, Vec<&'a [u8]>),
    pub(super) deletes: (Vec<i32>, Vec<&'a str>),
}

/// A commit whose only check is of a key that it puts, as nearly all are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Swap<'a> {
    pub(super) locks: &'a [i64],
    pub(super) key: &'a str,
    /// What the key has before; `None`: it is not there.
    pub(super) version: Option<i64>,
    pub(super) value: &'a [u8],
    /// What else it puts and deletes.
    pub(super) puts: (Vec<&'a str>, Vec<&'a [u8]>),
    pub(super) deletes: Vec<&'a str>,
}

impl Group {
    /// Takes what fits from the front of what waits: one commit at least, if there is any.
    pub(super) fn take(waiting: &mut VecDeque<Request>, locks: &Locks) -> Self {
        let (mut ids, mut bytes, mut count) = (BTreeSet::new(), 0, 0);
        for Request { batch, .. } in waiting.iter().take(COMMITS_MAX) {
            let own: BTreeSet<i64> = keys(batch).map(|key| locks.of(key)).collect();
            let more = own.difference(&ids).count();
            if count > 0 && (bytes > BYTES_MAX || ids.len() + more > locks.max) {
                break;
            }
            ids.extend(own);
            bytes += size(batch);
            count += 1;
        }
        let requests: Vec<Request> = waiting.drain(..count).collect();
        let locks = (ids.len() <= locks.max).then(|| ids.into_iter().collect());
        Self::of(requests, locks)
    }

    fn of(requests: Vec<Request>, locks: Option<Vec<i64>>) -> Self {
        let waves = waves(requests.iter().map(|request| &request.batch));
        let mut ends = vec![0; waves.iter().max().map_or(0, |last| last + 1)];
        for wave in &waves {
            ends[*wave..].iter_mut().for_each(|end| *end += 1);
        }
        let mut numbered: Vec<_> = waves.into_iter().zip(requests).collect();
        numbered.sort_by_key(|(wave, _)| *wave);
        Self { requests: numbered.into_iter().map(|(_, request)| request).collect(), ends, locks }
    }

    /// Each of its commits by itself, in order.
    pub(super) fn apart(self, locks: &Locks) -> impl Iterator<Item = Self> {
        self.requests.into_iter().map(|request| Self::take(&mut VecDeque::from([request]), locks))
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn ends(&self) -> &[i32] {
        &self.ends
    }

    pub(super) fn locks(&self) -> Option<&[i64]> {
        self.locks.as_deref()
    }

    /// What is sent. The last value of a key counts, and a key that is deleted is not put before.
    pub(super) fn arrays(&self) -> Arrays<'_> {
        let mut arrays = Arrays::default();
        for (number, Request { batch, .. }) in (1..).zip(&self.requests) {
            for (key, version) in &batch.checks {
                arrays.checks.0.push(number);
                arrays.checks.1.push(key);
                arrays.checks.2.push(version.map(written_version));
            }
            for (key, value) in rows(batch) {
                arrays.puts.0.push(number);
                arrays.puts.1.push(key);
                arrays.puts.2.push(value);
            }
            for key in &batch.deletes {
                arrays.deletes.0.push(number);
                arrays.deletes.1.push(key);
            }
        }
        arrays
    }

    /// The one commit of a group, where it is such.
    pub(super) fn swap(&self) -> Option<Swap<'_>> {
        let ([Request { batch, .. }], Some(locks)) = (self.requests.as_slice(), &self.locks) else {
            return None;
        };
        let [(key, version)] = batch.checks.as_slice() else { return None };
        let mut rows = rows(batch);
        let value = rows.remove(key.as_str())?;
        Some(Swap {
            locks,
            key,
            version: version.map(written_version),
            value,
            puts: rows.into_iter().unzip(),
            deletes: batch.deletes.iter().map(String::as_str).collect(),
        })
    }

    /// How many versions it takes from the sequence if all of its commits stand.
    pub(super) fn versions(&self) -> u64 {
        let count: usize = self.requests.iter().map(|request| rows(&request.batch).len()).sum();
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Answers each: `refused` holds the key of every one whose check failed, `None` for all others.
    pub(super) fn answer(self, refused: &[Option<String>]) -> Decided {
        let mut decided = Decided::default();
        // A row that is not made because there is one already has a version by then.
        let spent = self.swap().is_some_and(|swap| swap.version.is_none());
        for (place, Request { batch, answer }) in self.requests.into_iter().enumerate() {
            let verdict = if let Some(key) = refused.get(place).cloned().flatten() {
                decided.versions += u64::from(spent);
                Err(StoreError::Conflict { key })
            } else {
                decided.versions += u64::try_from(rows(&batch).len()).unwrap_or(0);
                decided.changed |= written(&batch).any(|key| !is_quiet(key));
                Ok(())
            };
            // A caller that no longer waits is told by its nonce when it asks again.
            let _ = answer.send(verdict);
        }
        decided
    }

    /// Answers all: this is why nobody knows, or why it did not happen.
    pub(super) fn fail(self, fault: &Fault) {
        for request in self.requests {
            let _ = request.answer.send(Err(fault.clone().into()));
        }
    }
}

/// What became of a group.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decided {
    /// How many versions were taken from the sequence.
    pub(super) versions: u64,
    /// Whether anything was put or deleted that others are told of.
    pub(super) changed: bool,
}

/// The wave of each commit, from 0: later than every earlier one that it must not be decided with.
fn waves<'a>(batches: impl Iterator<Item = &'a Batch>) -> Vec<usize> {
    // The first wave that may check a key, and the first that may write it.
    let mut free: HashMap<&str, (usize, usize)> = HashMap::new();
    batches
        .map(|batch| {
            let checked = batch.checks.iter().map(|(key, _)| free.get(key.as_str()).map(|it| it.0));
            let written = written(batch).map(|key| free.get(key).map(|it| it.1));
            let wave = checked.chain(written).flatten().max().unwrap_or(0);
            for (key, _) in &batch.checks {
                let after = free.entry(key).or_default();
                after.1 = after.1.max(wave + 1);
            }
            for key in self::written(batch) {
                let after = free.entry(key).or_default();
                *after = (after.0.max(wave + 1), after.1.max(wave + 1));
            }
            wave
        })
        .collect()
}

/// No row has a version that the server cannot write down, and none has this one.
fn written_version(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(-1)
}

fn written(batch: &Batch) -> impl Iterator<Item = &str> {
    batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes).map(String::as_str)
}

/// Whether others need not be told of a row.
fn is_quiet(key: &str) -> bool {
    QUIET.iter().any(|begin| key.starts_with(begin))
}

fn keys(batch: &Batch) -> impl Iterator<Item = &str> {
    batch.checks.iter().map(|(key, _)| key.as_str()).chain(written(batch))
}

/// The rows that a commit leaves behind.
fn rows(batch: &Batch) -> BTreeMap<&str, &[u8]> {
    let puts = batch.puts.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
    let mut rows: BTreeMap<_, _> = puts.collect();
    for key in &batch.deletes {
        rows.remove(key.as_str());
    }
    rows
}

fn size(batch: &Batch) -> usize {
    keys(batch).map(str::len).sum::<usize>()
        + batch.puts.iter().map(|(_, value)| value.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(batches: Vec<Batch>) -> VecDeque<Request> {
        let request = |batch| Request { batch, answer: oneshot::channel().0 };
        batches.into_iter().map(request).collect()
    }

    fn put(key: &str) -> Batch {
        Batch::new().put(key, "v")
    }

    #[test]
    fn commits_that_only_look_at_a_key_go_together_and_writers_come_after() {
        let batches = [
            put("a").check("stop", None),
            put("b").check("stop", None),
            put("stop"),
            put("c").check("stop", None),
            put("a").delete("b"),
            put("d"),
        ];
        assert_eq!(waves(batches.iter()), [0, 0, 1, 2, 1, 0]);
    }

    #[test]
    fn commits_are_numbered_wave_by_wave_and_keep_their_order_within() {
        let mut all =
            waiting(vec![put("a"), put("a").put("a", "w"), put("b").delete("c"), put("a")]);
        let group = Group::take(&mut all, &Locks::new("team"));
        assert_eq!(group.ends(), [2, 3, 4]);
        let arrays = group.arrays();
        assert_eq!(arrays.puts.0, [1, 2, 3, 4]);
        assert_eq!(arrays.puts.1, ["a", "b", "a", "a"]);
        assert_eq!(arrays.puts.2, [b"v", b"v", b"w", b"v"]);
        assert_eq!(arrays.deletes, (vec![2], vec!["c"]));
        assert_eq!(group.locks().map(<[i64]>::len), Some(3));
    }

    #[test]
    fn what_is_put_and_deleted_is_only_deleted_and_takes_no_version() {
        let batch = put("a").put("b", "1").put("b", "2").delete("a").check("c", Some(u64::MAX));
        let group = Group::take(&mut waiting(vec![batch]), &Locks::new("team"));
        let arrays = group.arrays();
        assert_eq!(arrays.puts, (vec![1], vec!["b"], vec![&b"2"[..]]));
        assert_eq!(arrays.checks.2, [Some(-1)]);
        assert_eq!(group.versions(), 1);
    }

    #[test]
    fn a_commit_that_checks_only_what_it_puts_is_a_swap() {
        let locks = Locks::new("team");
        let of = |batch: Batch| Group::take(&mut waiting(vec![batch]), &locks);
        let group = of(put("b").check("b", Some(3)).put("a", "w").delete("c"));
        let swap = group.swap().unwrap();
        assert_eq!((swap.key, swap.version, swap.value), ("b", Some(3), &b"v"[..]));
        assert_eq!((swap.puts, swap.deletes), ((vec!["a"], vec![&b"w"[..]]), vec!["c"]));
        assert_eq!(swap.locks.len(), 3);
        for other in [
            put("a"),
            put("a").check("b", None),
            put("a").check("a", None).check("b", None),
            put("a").check("a", None).delete("a"),
            Batch::new().check("a", None),
        ] {
            assert_eq!(of(other.clone()).swap(), None, "{other:?}");
        }
        let mut two = waiting(vec![put("a").check("a", None), put("b").check("b", None)]);
        assert_eq!(Group::take(&mut two, &locks).swap(), None);
    }

    #[test]
    fn a_group_ends_where_locks_commits_or_bytes_do() {
        let locks = Locks { max: 3, ..Locks::new("team") };
        let mut all = waiting(vec![put("a").put("b", ""), put("b").put("c", ""), put("d")]);
        assert_eq!(Group::take(&mut all, &locks).len(), 2);
        assert_eq!((Group::take(&mut all, &locks).len(), all.len()), (1, 0));
        let mut many = waiting((0..100).map(|_| put("same")).collect());
        assert_eq!(Group::take(&mut many, &locks).len(), COMMITS_MAX);
        let large = || Batch::new().put("a", vec![0; BYTES_MAX]).put("b", vec![0; 9]);
        let mut two = waiting(vec![large(), put("a"), put("a")]);
        assert_eq!(Group::take(&mut two, &locks).len(), 1);
    }

    #[test]
    fn one_commit_with_more_keys_than_locks_locks_everything() {
        let locks = Locks { max: 3, ..Locks::new("team") };
        let large = (0..4).fold(Batch::new(), |batch, n| batch.put(format!("k{n}"), ""));
        let mut all = waiting(vec![large, put("a")]);
        let group = Group::take(&mut all, &locks);
        assert_eq!((group.len(), group.locks()), (1, None));
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn each_commit_of_a_group_can_go_by_itself() {
        let locks = Locks::new("team");
        let group = Group::take(&mut waiting(vec![put("a"), put("b")]), &locks);
        let alone: Vec<_> = group.apart(&locks).collect();
        assert_eq!(alone.len(), 2);
        assert!(alone.iter().all(|group| group.ends() == [1]));
        assert_eq!(alone[1].arrays().puts.1, ["b"]);
    }

    #[tokio::test]
    async fn every_caller_is_answered_its_own() {
        let (mut all, mut answers) = (VecDeque::new(), Vec::new());
        for batch in [put("a"), put("b").put("c", ""), Batch::new().check("d", None)] {
            let (answer, answered) = oneshot::channel();
            all.push_back(Request { batch, answer });
            answers.push(answered);
        }
        let group = Group::take(&mut all, &Locks::new("team"));
        let decided = group.answer(&[None, Some("b".to_owned()), None]);
        assert_eq!(decided, Decided { versions: 1, changed: true });
        let mut answered = answers.into_iter();
        assert!(matches!(answered.next().unwrap().await, Ok(Ok(()))));
        let second = answered.next().unwrap().await.unwrap();
        assert!(matches!(second, Err(StoreError::Conflict { key }) if key == "b"));
        assert!(matches!(answered.next().unwrap().await, Ok(Ok(()))));
    }

    #[test]
    fn that_a_daemon_is_there_and_what_a_run_says_is_not_announced() {
        let of = |batch: Batch| Group::take(&mut waiting(vec![batch]), &Locks::new("team"));
        for (batch, changed) in [
            (put("daemon/one"), false),
            (put("log/run/1").put("log-head/run", "1"), false),
            (put("notice-lane/ops").delete("log/run/1"), false),
            (put("daemon-drained/one"), true),
            (put("log/run/1").put("claim/b/1", "c"), true),
            (Batch::new().delete("stop-asked/run"), true),
            (Batch::new().check("claim/b/1", None), false),
        ] {
            assert_eq!(of(batch.clone()).answer(&[]).changed, changed, "{batch:?}");
        }
    }

    #[test]
    fn a_row_that_was_not_made_took_a_version() {
        let of = |batch: Batch| Group::take(&mut waiting(vec![batch]), &Locks::new("team"));
        let refused = [Some("a".to_owned())];
        let made = of(put("a").check("a", None)).answer(&refused);
        assert_eq!(made, Decided { versions: 1, changed: false });
        let changed = of(put("a").check("a", Some(1))).answer(&refused);
        assert_eq!(changed, Decided::default());
    }
}
