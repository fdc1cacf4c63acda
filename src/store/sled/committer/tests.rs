//! What the committer does when the engine fails it.

use super::super::engine::SledEngine;
use super::super::witness::Witness;
use super::*;
use std::fs::File;

#[test]
fn a_commit_that_could_not_be_made_durable_is_not_shown_and_ends_all_commits() {
    let dir = tempfile::tempdir().unwrap();
    let db = ::sled::open(dir.path().join("data")).unwrap();
    let engine = SledEngine {
        db,
        // The kernel refuses to sync it.
        log: File::open("/dev/null").unwrap(),
        witness: Witness::open(dir.path()).unwrap().0,
    };
    let shared = Arc::new(Shared::new(engine, RwLock::default()));
    let mut committer = Committer { shared: Arc::clone(&shared), version: 0, fault: None, tail: 0 };
    for key in ["a", "b"] {
        let (answer, mut answered) = oneshot::channel();
        let batch = Batch::new().put(key, "1");
        committer.commit(vec![Request { batch, answer }]);
        let answer = answered.try_recv().unwrap();
        assert!(matches!(answer, Err(StoreError::Closed(_))), "{key}: {answer:?}");
    }
    // Readers are shown what was there before; the second was not even tried.
    assert_eq!(shared.engine.db.get("a").unwrap(), None);
    assert_eq!(shared.engine.db.get("b").unwrap(), None);
    assert_eq!(Witness::open(dir.path()).unwrap().1, 0);
}

/// An engine in memory that cannot set one key.
#[derive(Default)]
struct Stubborn(std::sync::Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Engine for Stubborn {
    type Stored = Vec<u8>;

    fn get(&self, key: &[u8]) -> std::result::Result<Option<Vec<u8>>, Fault> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn set(&self, key: &[u8], row: Option<&[u8]>) -> std::result::Result<(), Fault> {
        assert_ne!(key, b"b", "the engine breaks down");
        let mut rows = self.0.lock().unwrap();
        match row {
            Some(row) => rows.insert(key.to_vec(), row.to_vec()),
            None => rows.remove(key),
        };
        Ok(())
    }

    fn make_durable(&self) -> std::result::Result<(), Fault> {
        Ok(())
    }

    fn note(&self, _: u64) {}
}

#[test]
fn a_durable_commit_whose_rows_cannot_be_set_ends_reading_and_is_there_at_the_next_opening() {
    let shared = Arc::new(Shared::new(Stubborn::default(), RwLock::default()));
    let mut committer = Committer { shared: Arc::clone(&shared), version: 0, fault: None, tail: 0 };
    let mut commit = |batch: Batch| {
        let (answer, mut answered) = oneshot::channel();
        committer.commit(vec![Request { batch, answer }]);
        answered.try_recv().unwrap()
    };
    let shown = |key: &str| shared.shown(|engine| engine.get(key.as_bytes()));
    commit(Batch::new().put("a", "1")).unwrap();
    assert!(shown("a").unwrap().is_some());
    // It is durable: its record is.
    commit(Batch::new().put("a", "2").put("b", "2")).unwrap();
    assert!(shown("a").is_err(), "a part of a commit is shown");
    let refused = commit(Batch::new().put("c", "3"));
    assert!(matches!(refused, Err(StoreError::Closed(_))), "{refused:?}");
    let group = Group::read(|key| shared.engine.get(key)).unwrap().unwrap().unwrap();
    let keys: Vec<_> = group.rows.iter().map(|(key, _)| key.as_slice()).collect();
    assert_eq!(keys, [b"a", b"b"]);
}

/// An engine in memory that counts what was set since it was flushed.
#[derive(Default)]
struct Counting {
    rows: std::sync::Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Now, and at most.
    unsynced: std::sync::Mutex<(usize, usize)>,
}

impl Engine for Counting {
    type Stored = Vec<u8>;

    fn get(&self, key: &[u8]) -> std::result::Result<Option<Vec<u8>>, Fault> {
        Ok(self.rows.lock().unwrap().get(key).cloned())
    }

    fn set(&self, key: &[u8], row: Option<&[u8]>) -> std::result::Result<(), Fault> {
        let mut unsynced = self.unsynced.lock().unwrap();
        unsynced.0 += key.len() + row.map_or(0, <[u8]>::len);
        unsynced.1 = unsynced.1.max(unsynced.0);
        let mut rows = self.rows.lock().unwrap();
        match row {
            Some(row) => rows.insert(key.to_vec(), row.to_vec()),
            None => rows.remove(key),
        };
        Ok(())
    }

    fn make_durable(&self) -> std::result::Result<(), Fault> {
        self.unsynced.lock().unwrap().0 = 0;
        Ok(())
    }

    fn note(&self, _: u64) {}
}

#[test]
fn what_is_not_durable_stays_small_however_much_is_committed() {
    let shared = Arc::new(Shared::new(Counting::default(), RwLock::default()));
    let mut committer = Committer { shared: Arc::clone(&shared), version: 0, fault: None, tail: 0 };
    for round in 0..40_u8 {
        let mut answers = Vec::new();
        let mut group = Vec::new();
        for commit in 0..round {
            let value = vec![round; usize::from(round) * 150];
            let batch = Batch::new()
                .put(format!("{round}/{commit}"), value.clone())
                .put(format!("of all/{commit}"), value);
            let (answer, answered) = oneshot::channel();
            group.push(Request { batch, answer });
            answers.push(answered);
        }
        committer.commit(group);
        assert!(answers.iter_mut().all(|answered| answered.try_recv().unwrap().is_ok()));
    }
    let at_most = shared.engine.unsynced.lock().unwrap().1;
    assert!((TAIL_BYTES_MAX / 3..=TAIL_BYTES_MAX).contains(&at_most), "{at_most} bytes");
    let rows = shared.engine.rows.lock().unwrap();
    let ours = rows.keys().filter(|key| key[0] != 0xff).count();
    assert_eq!(ours, (0..40).sum::<usize>() + 39);
    assert_eq!(rows.keys().filter(|key| key[0] == 0xff).count(), 1, "no parts are left");
}
