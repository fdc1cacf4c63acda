//! What is particular to the store in a folder: reopening, locking, damage, and many threads that
//! share a flush.

use rota::clock::SystemClock;
use rota::store::open::{Engine, StoreOptions, open};
use rota::store::sled::{SledOptions, SledStore};
use rota::store::{Batch, Store, StoreError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn open_at(dir: &Path) -> Result<SledStore, StoreError> {
    SledStore::open(dir, SledOptions::default(), SystemClock::shared())
}

#[tokio::test]
async fn what_was_committed_is_there_after_reopening_and_versions_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..3_u32 {
        let store = open_at(dir.path()).unwrap();
        let rows = store.scan("k/", None, 100).await.unwrap();
        assert_eq!(rows.len(), usize::try_from(round).unwrap() * 10);
        for n in 0..10 {
            store.commit(Batch::new().put(format!("k/{round}/{n}"), "v")).await.unwrap();
        }
        store.commit(Batch::new().delete("same")).await.unwrap();
        store.commit(Batch::new().put("same", "v")).await.unwrap();
        let version = store.get("same").await.unwrap().unwrap().version;
        assert!(version > last, "a version came twice after reopening");
        last = version;
    }
}

#[tokio::test]
async fn a_second_opening_fails_at_once_and_says_who_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = SledOptions { life: "life-7".to_owned(), ..SledOptions::default() };
    let clock = SystemClock::shared();
    let since = clock.wall().format("%Y-").to_string();
    let first = SledStore::open(dir.path(), options, clock).unwrap();
    match open_at(dir.path()) {
        Err(StoreError::Locked { holder, .. }) => {
            assert!(holder.contains(&format!("process {}", std::process::id())), "{holder}");
            assert!(holder.contains("life life-7") && holder.contains(&since), "{holder}");
        }
        other => panic!("{other:?}"),
    }
    drop(first);
    open_at(dir.path()).unwrap();
}

#[tokio::test]
async fn a_lock_file_left_behind_by_a_dead_process_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lock"), "process 1, life old, since 1970").unwrap();
    open_at(dir.path()).unwrap();
}

#[tokio::test]
async fn damaged_files_are_unusable_or_have_lost_nothing() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("the log cut in half", |data| {
            let log = std::fs::File::options().write(true).open(data.join("db")).unwrap();
            log.set_len(log.metadata().unwrap().len() / 2).unwrap();
        }),
        ("no files at all", |data| std::fs::remove_dir_all(data).unwrap()),
        ("garbage for the log", |data| {
            let length = std::fs::metadata(data.join("db")).unwrap().len();
            let garbage = vec![0xa5; usize::try_from(length).unwrap()];
            std::fs::write(data.join("db"), garbage).unwrap();
        }),
        ("garbage for the settings", |data| {
            std::fs::write(data.join("conf"), b"\xde\xad\xbe\xef").unwrap();
        }),
        ("the middle of the log overwritten", |data| {
            let mut bytes = std::fs::read(data.join("db")).unwrap();
            let end = bytes.len();
            bytes[64..end].fill(0x5a);
            std::fs::write(data.join("db"), bytes).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let dir = tempfile::tempdir().unwrap();
        let store = open_at(dir.path()).unwrap();
        for n in 0..200 {
            store.commit(Batch::new().put(format!("k/{n}"), vec![b'v'; 4000])).await.unwrap();
        }
        drop(store);
        damage(&dir.path().join("data"));
        match open_at(dir.path()) {
            Err(StoreError::Unusable { .. }) => {}
            // The engine writes its settings anew; nothing else may be mended in silence.
            Ok(store) if what == "garbage for the settings" => {
                assert_eq!(store.scan("k/", None, 999).await.unwrap().len(), 200);
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn a_folder_that_is_out_of_reach_is_not_called_damaged() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store"), "a file where the folder should be").unwrap();
    let refused = open_at(&dir.path().join("store"));
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
}

#[tokio::test]
async fn a_store_written_by_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_at(dir.path()).unwrap());
    let db = sled::open(dir.path().join("data")).unwrap();
    db.insert(b"\xffformat", b"3").unwrap();
    db.flush().unwrap();
    drop(db);
    let refused = open_at(dir.path());
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
}

#[test]
fn threads_that_share_flushes_lose_no_commit_and_share_no_version() {
    const THREADS: u64 = 8;
    const EACH: u64 = 200;
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = Arc::new(open_at(dir.path()).unwrap());
    let conflicts = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                runtime.block_on(async {
                    let mut done = 0;
                    while done < EACH {
                        let found = store.get("counter").await.unwrap();
                        let (version, count) = found.map_or((None, 0), |found| {
                            let text = String::from_utf8(found.value).unwrap();
                            (Some(found.version), text.parse::<u64>().unwrap())
                        });
                        let batch = Batch::new()
                            .check("counter", version)
                            .check(format!("step/{count:05}"), None)
                            .put("counter", (count + 1).to_string())
                            .put(format!("step/{count:05}"), "done");
                        match store.commit(batch).await {
                            Ok(()) => done += 1,
                            Err(StoreError::Conflict { key }) => {
                                assert_eq!(key, "counter", "a step was done under an old counter");
                                conflicts.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
            });
        }
    });
    assert!(conflicts.load(Ordering::Relaxed) > 0, "nobody raced");
    drop(store);
    let store = open_at(dir.path()).unwrap();
    runtime.block_on(async {
        let steps = store.scan("step/", None, 10_000).await.unwrap();
        assert_eq!(steps.len() as u64, THREADS * EACH);
        assert!(steps.windows(2).all(|pair| pair[0].version < pair[1].version));
        let counter = store.get("counter").await.unwrap().unwrap();
        assert_eq!(counter.value, (THREADS * EACH).to_string().into_bytes());
    });
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_any_more_is_still_carried_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_at(dir.path()).unwrap();
    let mut commit = Box::pin(store.commit(Batch::new().put("a", "1")));
    // Sent, but the answer is not awaited.
    assert!(futures::poll!(commit.as_mut()).is_pending());
    drop(commit);
    store.commit(Batch::new().put("b", "1")).await.unwrap();
    assert!(store.get("a").await.unwrap().is_some());
}

#[tokio::test]
async fn the_options_choose_the_engine() {
    let state = tempfile::tempdir().unwrap();
    let life = rota::domain::LifeId::new("l");
    let memory = StoreOptions { engine: Engine::Memory, ..StoreOptions::default() };
    open(&memory, state.path(), &life, SystemClock::shared()).unwrap();
    assert!(!StoreOptions::default().folder(state.path()).exists());
    open(&StoreOptions::default(), state.path(), &life, SystemClock::shared()).unwrap();
    assert!(StoreOptions::default().folder(state.path()).join("data").exists());
    let unknown = serde_json::from_str::<StoreOptions>(r#"{"engin":"sled"}"#);
    assert!(unknown.is_err());
}
