//! When the store cannot be opened: the export, and what restoring from it promises.

use super::{Acquire, LEASE, TASK, a_notice, a_run, an_occurrence, ask, at, ledger_over};
use crate::support::shared_store::SharedStore;
use rota::clock::{Clock, ManualClock, ServerClock};
use rota::domain::{EndKind, Fence, LifeId, Phase, PlaybookName, Reason, TaskId, Timestamp};
use rota::ledger::export::{
    ExportError, Restored, begin_epoch, epoch_of, export, export_path, is_restore_pending,
    needs_restore, read_epoch, restore,
};
use rota::ledger::{Ledger, stop};
use rota::store::memory::MemoryStore;
use rota::store::open::{StoreOptions, open};
use rota::store::watched::WatchedStore;
use rota::store::{Batch, Row, Store, StoreError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

struct State {
    dir: TempDir,
    clock: Arc<ManualClock>,
}

impl State {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(at(0)));
        Self { dir: tempfile::tempdir().unwrap(), clock }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn store_dir(&self) -> PathBuf {
        StoreOptions::default().folder(self.path())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        open(&StoreOptions::default(), self.path(), &LifeId::new("l"), self.clock())
    }

    fn ledger(&self, store: &Arc<dyn Store>, life: &str) -> Ledger {
        let epoch = read_epoch(self.path()).unwrap();
        ledger_over(Arc::clone(store), self.clock(), &format!("d/{life}"), epoch)
    }

    async fn export(&self, store: &Arc<dyn Store>) -> u64 {
        let epoch = read_epoch(self.path()).unwrap();
        let watched = WatchedStore::new(Arc::clone(store));
        export(&watched, &export_path(self.path()), epoch, &*self.clock).await.unwrap()
    }

    fn damage(&self) {
        let log = self.store_dir().join("data/db");
        let length = usize::try_from(std::fs::metadata(&log).unwrap().len()).unwrap();
        std::fs::write(log, vec![0xa5; length]).unwrap();
    }

    async fn restore(&self) -> Result<(Arc<dyn Store>, Restored), ExportError> {
        restore(self.path(), &self.store_dir(), || self.open(), &*self.clock).await
    }
}

/// Something of every sort.
async fn fill(ledger: &Ledger) {
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    ledger.advance(&mut held, Phase::Working, None, None).await.unwrap();
    ledger.start_run(&a_run("r-1", "p", 1), &"source é ".repeat(5_000)).await.unwrap();
    let occurrences = vec![an_occurrence("p", 1), an_occurrence("p", 2)];
    let name = PlaybookName::new("p");
    ledger.record_occurrences(&name, at(2), None, occurrences).await.unwrap();
    ledger.enqueue(vec![a_notice("n", 1)]).await.unwrap();
    ledger.arm(&name, "rights", "ada").await.unwrap();
}

#[tokio::test]
async fn what_was_exported_is_there_again_and_every_fence_is_raised() {
    let state = State::new();
    let store = state.open().unwrap();
    let one = state.ledger(&store, "one");
    fill(&one).await;
    let exported: Timestamp = state.clock.wall();
    let rows = state.export(&store).await;
    let before = store.scan("", None, 10_000).await.unwrap();
    // Claims after the export are lost with the store; their fences were used nevertheless.
    state.clock.advance(LEASE);
    let mut used = Fence(0);
    for n in 0..20 {
        let mut held = one.acquire(ask(&format!("r-after-{n}"))).await.unwrap();
        used = held.claim.fence;
        one.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    }
    drop((one, store));
    state.damage();
    assert!(matches!(state.open(), Err(StoreError::Unusable { .. })));

    let (store, restored) = state.restore().await.unwrap();
    assert_eq!((restored.rows, restored.exported), (rows, Some(exported)));
    assert_eq!((restored.export_fault, restored.epoch), (None, 1));
    let aside = restored.moved_to.unwrap();
    let name = aside.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("store.unusable-") && aside.join("data/db").exists());
    let pairs = |rows: Vec<rota::store::Row>| {
        let own = ["stopped", "epoch", "lost-until"];
        let rows = rows.into_iter().filter(|row| !own.contains(&row.key.as_str()));
        rows.map(|row| (row.key, row.value)).collect::<Vec<_>>()
    };
    assert_eq!(pairs(store.scan("", None, 10_000).await.unwrap()), pairs(before));

    let two = state.ledger(&store, "two");
    assert_eq!(two.lost_until().await.unwrap(), Some(state.clock.wall()));
    let ended = two.begin_life().await.unwrap();
    assert_eq!((ended.len(), ended[0].phase), (1, Phase::Working));
    let fence = two.acquire(ask("r-2")).await.unwrap().claim.fence;
    assert!(fence > used && fence.0 >= 1 << 32, "{fence}");
    let never_exported = Acquire { task: TaskId(7), ..ask("r-3") };
    assert!(two.acquire(never_exported).await.unwrap().claim.fence.0 >= 1 << 32);
    let verdict = two.verify().await.unwrap();
    assert_eq!(verdict, rota::ledger::AuditVerdict::Intact { entries: 1 });
    assert_eq!(two.definition("hash").await.unwrap(), Some("source é ".repeat(5_000)));
}

#[tokio::test]
async fn after_a_restore_everything_is_stopped_in_file_and_store() {
    let state = State::new();
    state.export(&state.open().unwrap()).await;
    state.damage_or_remove();
    let (store, _) = state.restore().await.unwrap();
    assert!(stop::read(state.path()).is_some());
    let ledger = state.ledger(&store, "two");
    assert!(ledger.stopped().await.unwrap().is_some());
    assert!(!is_restore_pending(state.path()));
}

impl State {
    fn damage_or_remove(&self) {
        std::fs::remove_dir_all(self.store_dir()).unwrap();
    }
}

#[tokio::test]
async fn without_a_usable_export_the_ledger_begins_anew_with_raised_fences() {
    for damage in ["none", "cut", "changed", "newer"] {
        let state = State::new();
        let store = state.open().unwrap();
        fill(&state.ledger(&store, "one")).await;
        state.export(&store).await;
        drop(store);
        let path = export_path(state.path());
        let text = std::fs::read_to_string(&path).unwrap();
        match damage {
            "none" => std::fs::remove_file(&path).unwrap(),
            "cut" => std::fs::write(&path, &text[..text.len() / 2]).unwrap(),
            "changed" => std::fs::write(&path, text.replace("rights", "wrongs")).unwrap(),
            _ => std::fs::write(&path, text.replace("rota_export\":2", "rota_export\":3")).unwrap(),
        }
        state.damage();
        let (store, restored) = state.restore().await.unwrap();
        assert_eq!((restored.rows, restored.exported), (0, None), "{damage}");
        assert!(restored.export_fault.is_some(), "{damage}");
        let held = state.ledger(&store, "two").acquire(ask("r-2")).await.unwrap();
        assert_eq!(held.claim.fence, Fence((1 << 32) + 1), "{damage}");
        let kept = std::fs::read_dir(state.path()).unwrap().any(|entry| {
            entry.unwrap().file_name().to_string_lossy().starts_with("export.jsonl.unusable-")
        });
        assert_eq!(kept, damage != "none", "{damage}: a damaged export is kept for people");
    }
}

#[tokio::test]
async fn a_restore_that_broke_off_is_done_again() {
    let state = State::new();
    let store = state.open().unwrap();
    fill(&state.ledger(&store, "one")).await;
    let rows = state.export(&store).await;
    drop(store);
    state.damage();
    let fails = || Err(StoreError::Failed("the disk is full".into()));
    let broken_off = restore(state.path(), &state.store_dir(), fails, &*state.clock).await;
    assert!(broken_off.is_err());
    assert!(is_restore_pending(state.path()), "an empty store would be used");
    assert!(stop::read(state.path()).is_some());
    drop(state.open().unwrap());
    assert!(needs_restore(state.path(), &state.store_dir()));
    let (store, restored) = state.restore().await.unwrap();
    assert_eq!((restored.rows, restored.epoch), (rows, 2));
    assert!(!needs_restore(state.path(), &state.store_dir()));
    assert!(state.ledger(&store, "two").claim(TASK).await.unwrap().is_some());
}

#[tokio::test]
async fn a_store_that_vanished_needs_a_restore_and_a_new_one_does_not() {
    let state = State::new();
    assert!(!needs_restore(state.path(), &state.store_dir()));
    let store = state.open().unwrap();
    state.export(&store).await;
    drop(store);
    assert!(!needs_restore(state.path(), &state.store_dir()));
    state.damage_or_remove();
    assert!(needs_restore(state.path(), &state.store_dir()));
    assert_eq!(state.restore().await.unwrap().1.moved_to, None);
}

#[tokio::test]
async fn a_damaged_epoch_is_taken_from_the_export_or_refused() {
    let state = State::new();
    std::fs::write(state.path().join("epoch"), "4\n").unwrap();
    let store = state.open().unwrap();
    state.export(&store).await;
    drop(store);
    std::fs::write(state.path().join("epoch"), "x").unwrap();
    assert!(matches!(read_epoch(state.path()), Err(ExportError::Epoch { .. })));
    let (store, restored) = state.restore().await.unwrap();
    assert_eq!(restored.epoch, 5);
    assert_eq!(read_epoch(state.path()).unwrap(), 5);
    drop(store);
    std::fs::write(state.path().join("epoch"), "x").unwrap();
    std::fs::remove_file(export_path(state.path())).unwrap();
    assert!(matches!(state.restore().await, Err(ExportError::Epoch { .. })));
    assert!(state.store_dir().exists(), "the store was moved although nothing could be done");
}

#[tokio::test]
async fn an_export_replaces_the_last_one_whole() {
    let state = State::new();
    let store = state.open().unwrap();
    let ledger = state.ledger(&store, "one");
    state.export(&store).await;
    fill(&ledger).await;
    let rows = state.export(&store).await;
    let text = std::fs::read_to_string(export_path(state.path())).unwrap();
    assert_eq!(text.lines().count() as u64, rows + 2);
    assert!(!state.path().join("export.tmp").exists());
}

#[tokio::test]
async fn what_has_not_changed_is_not_exported_again() {
    let state = State::new();
    let store = state.open().unwrap();
    let ledger = state.ledger(&store, "one");
    fill(&ledger).await;
    assert!(ledger.export(state.path()).await.unwrap().is_some());
    assert_eq!(ledger.export(state.path()).await.unwrap(), None);
    // What is asked and refused, or looked at, is no change.
    ledger.acquire(ask("r-2")).await.unwrap_err();
    ledger.runs(&rota::ledger::RunFilter::default(), 10).await.unwrap();
    assert_eq!(ledger.export(state.path()).await.unwrap(), None);
    ledger.audit("ada", "arm", "p").await.unwrap();
    assert!(ledger.export(state.path()).await.unwrap().is_some());
    assert_eq!(ledger.export(state.path()).await.unwrap(), None);
    std::fs::remove_file(export_path(state.path())).unwrap();
    assert!(ledger.export(state.path()).await.unwrap().is_some(), "a lost file is not made anew");
}

#[tokio::test]
async fn a_store_that_others_share_is_not_exported() {
    let state = State::new();
    let door: Arc<dyn Store> = SharedStore::over(&state.open().unwrap()).door();
    let ledger = state.ledger(&door, "one");
    fill(&ledger).await;
    assert_eq!(ledger.export(state.path()).await.unwrap(), None);
    assert!(!export_path(state.path()).exists());
}

/// Two rows, far from each other, always changed together: an export never has one without the
/// other, whatever is committed while it is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_shows_one_instant_while_commits_go_on() {
    use rota::store::Batch;
    use std::sync::atomic::{AtomicBool, Ordering};
    let state = State::new();
    let store = state.open().unwrap();
    let watched = Arc::new(WatchedStore::new(Arc::clone(&store)));
    let rows = (0..3_000).map(|n| (format!("m/{n:05}"), "x".repeat(500)));
    let full = rows.fold(Batch::new(), |batch, (key, value)| batch.put(key, value));
    store.commit(full).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (watched, over) = (Arc::clone(&watched), Arc::clone(&over));
        let mut n = 0_u32;
        async move {
            while !over.load(Ordering::SeqCst) {
                n += 1;
                let batch = Batch::new().put("a", n.to_string()).put("z", n.to_string());
                let fleeting = format!("b/{}", n % 7);
                let batch = if n.is_multiple_of(2) {
                    batch.put(fleeting, "1")
                } else {
                    batch.delete(fleeting)
                };
                watched.commit(batch).await.unwrap();
            }
            n
        }
    };
    let path = export_path(state.path());
    let exports = async {
        for _ in 0..5 {
            export(&watched, &path, 0, &*state.clock).await.unwrap();
            let (mut a, mut z) = (None, None);
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                match line["k"].as_str() {
                    Some("a") => a = line["v"].as_str().map(str::to_owned),
                    Some("z") => z = line["v"].as_str().map(str::to_owned),
                    _ => {}
                }
            }
            assert_eq!(a, z, "half a commit was exported");
        }
        over.store(true, Ordering::SeqCst);
    };
    let (written, ()) = tokio::join!(writer, exports);
    assert!(written > 5, "nothing was committed meanwhile");
}

/// The upkeep's export is broken off when the daemon ends, and its last step goes on beside the
/// export of the shutdown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_was_broken_off_does_not_spoil_the_next() {
    let state = State::new();
    let store = state.open().unwrap();
    let ledger = state.ledger(&store, "one");
    fill(&ledger).await;
    for trial in 0..120 {
        ledger.audit("ada", "arm", &format!("trial {trial}")).await.unwrap();
        // It is broken off when it waits for the so-many-th time.
        let (mut waits, mut first) = (0, Box::pin(ledger.export(state.path())));
        std::future::poll_fn(|cx| {
            waits += 1;
            let is_over = first.as_mut().poll(cx).is_ready() || waits > trial % 16;
            if is_over { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        drop(first);
        let exported = ledger.export(state.path()).await;
        assert!(exported.is_ok(), "trial {trial}: {exported:?}");
        let text = std::fs::read_to_string(export_path(state.path())).unwrap();
        let is_whole = text.lines().last().is_some_and(|line| line.contains("\"sha256\""));
        assert!(is_whole && text.contains(&format!("trial {trial}")), "trial {trial}:\n{text}");
    }
}

/// A store as a copy of it had it.
async fn put_back(state: &State, copy: &[Row]) -> Arc<dyn Store> {
    let store = Arc::new(MemoryStore::new(state.clock()));
    for row in copy {
        store.commit(Batch::new().put(row.key.as_str(), row.value.clone())).await.unwrap();
    }
    store
}

/// The fence of a claim, which ends at once.
async fn next_fence(state: &State, store: &Arc<dyn Store>, run: &str) -> Fence {
    let epoch = epoch_of(store.as_ref()).await.unwrap();
    let ledger = ledger_over(Arc::clone(store), state.clock(), "d/l", epoch);
    let mut held = ledger.acquire(ask(run)).await.unwrap();
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    held.claim.fence
}

#[tokio::test]
async fn of_a_database_that_is_put_back_again_and_again_no_fence_comes_twice() {
    let state = State::new();
    let store = put_back(&state, &[]).await;
    next_fence(&state, &store, "r-1").await;
    let copy = store.scan("", None, 10_000).await.unwrap();
    let mut given = vec![next_fence(&state, &store, "r-2").await];
    given.push(next_fence(&state, &store, "r-3").await);
    let as_it_is = put_back(&state, &copy).await;
    assert_eq!(next_fence(&state, &as_it_is, "r-x").await, given[0], "it would come again");
    let elsewhere = tempfile::tempdir().unwrap();
    for (time, folder) in
        [state.path(), state.path(), state.path(), elsewhere.path()].into_iter().enumerate()
    {
        if folder == elsewhere.path() {
            // There nobody knows of the epochs since the copy was made; the hours do.
            state.clock.advance(std::time::Duration::from_hours(24));
        }
        let back = put_back(&state, &copy).await;
        let clock = ServerClock::over(state.clock());
        let epoch = begin_epoch(back.as_ref(), folder, "ada", &clock).await.unwrap();
        assert_eq!(epoch_of(back.as_ref()).await.unwrap(), epoch);
        for claim in 0..3 {
            let fence = next_fence(&state, &back, &format!("r-{time}-{claim}")).await;
            assert!(given.iter().all(|given| *given < fence), "{fence} after {given:?}");
            given.push(fence);
        }
        let ledger = ledger_over(back, state.clock(), "d/l", epoch);
        assert!(ledger.stopped().await.unwrap().unwrap().reason.contains("look at the board"));
        assert_eq!(ledger.lost_until().await.unwrap(), Some(state.clock.wall()));
    }
}

#[tokio::test]
async fn a_stop_that_a_newer_rota_wrote_stays_where_a_database_was_put_back() {
    let state = State::new();
    let store = state.open().unwrap();
    let newer = r#"{"rota":2,"by":["Ada","Bo"]}"#;
    store.commit(Batch::new().put("stopped", newer)).await.unwrap();
    let clock = ServerClock::over(state.clock());
    begin_epoch(store.as_ref(), state.path(), "ada", &clock).await.unwrap();
    let stands = store.get("stopped").await.unwrap().unwrap().value;
    assert_eq!(stands, newer.as_bytes());
    assert!(state.ledger(&store, "one").stopped().await.unwrap().is_some());
}

#[tokio::test]
async fn a_new_epoch_begins_by_the_clock_of_the_server_whatever_the_machines_shows() {
    let state = State::new();
    let server = ServerClock::over(state.clock());
    let said = state.clock.wall() + chrono::TimeDelta::hours(1);
    server.hear(state.clock.boot(), said);
    let back = put_back(&state, &[]).await;
    begin_epoch(back.as_ref(), state.path(), "ada", &server).await.unwrap();
    let ledger = ledger_over(back, state.clock(), "d/l", 1);
    assert_eq!(ledger.lost_until().await.unwrap(), Some(said), "nothing before it is caught up");
    assert_eq!(ledger.stopped().await.unwrap().unwrap().at, Some(said));
}
