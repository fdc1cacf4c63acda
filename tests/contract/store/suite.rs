//! One test per sentence of the contract, run for every adapter.

use super::{Fixture, at_once};
use rota::clock::Clock as _;
use rota::store::{Batch, KEY_BYTES_MAX, Store, StoreError, VALUE_BYTES_MAX};
use std::sync::Arc;
use std::time::Duration;

/// A server's clock is not set by a test: what relies on one is left out there.
macro_rules! for_every_adapter {
    ($($name:ident)* @by_the_clock $($timed:ident)*) => {
        mod memory { $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() { super::$name(super::super::memory()).await; })*
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $timed() { super::$timed(super::super::memory()).await; })* }
        mod sled { $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() { super::$name(super::super::sled()).await; })*
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $timed() { super::$timed(super::super::sled()).await; })* }
        mod postgres { $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() { super::on_postgres(super::$name).await; })* }
    };
}

async fn on_postgres<F: Future<Output = ()>>(case: fn(Fixture) -> F) {
    if let Some(fixture) = super::postgres().await {
        case(fixture).await;
    }
}

for_every_adapter! {
    of_a_commit_whose_check_fails_nothing_happens_and_the_first_key_is_named
    what_was_committed_is_there_with_its_version
    several_keys_are_read_in_the_order_in_which_they_are_asked_for
    a_look_is_several_keys_in_their_order_and_the_time
    of_two_swaps_against_one_version_the_second_loses
    of_many_racing_swaps_one_wins_each_round
    a_version_never_comes_twice_not_even_after_a_delete
    a_reader_never_sees_a_part_of_a_commit
    a_scan_is_in_order_begins_after_and_keeps_to_its_limit_and_prefix
    a_scan_of_everything_shows_callers_keys_only
    keys_and_values_beyond_the_limits_are_refused_and_nothing_happens
    the_longest_key_and_the_largest_value_are_kept
    the_last_put_of_a_key_counts_and_a_delete_beats_it
    deleting_what_is_not_there_is_no_error
    a_commit_without_puts_still_checks
    @by_the_clock
    time_never_goes_back_and_ignores_the_wall_clock
    what_the_time_is_at_most_is_not_before_any_that_was_told
}

async fn what_the_time_is_at_most_is_not_before_any_that_was_told(f: Fixture) {
    for _ in 0..3 {
        f.clock.advance(Duration::from_secs(7));
        let told = f.store.now().await.unwrap();
        let at_most = f.store.now_at_most().unwrap();
        assert_eq!(at_most.era, told.era);
        assert!(at_most.ms >= told.ms, "{at_most:?} is before {told:?}");
    }
}

fn put(key: &str, value: &str) -> Batch {
    Batch::new().put(key, value)
}

async fn value(store: &dyn Store, key: &str) -> Option<String> {
    store.get(key).await.unwrap().map(|found| String::from_utf8(found.value).unwrap())
}

async fn version(store: &dyn Store, key: &str) -> Option<u64> {
    store.get(key).await.unwrap().map(|found| found.version)
}

async fn of_a_commit_whose_check_fails_nothing_happens_and_the_first_key_is_named(f: Fixture) {
    f.store.commit(put("a", "1").put("b", "1")).await.unwrap();
    let good = version(&*f.store, "a").await;
    let batch = put("a", "2").delete("b").put("d", "2").check("a", good);
    let batch = batch.check("b", None).check("c", Some(7));
    match f.store.commit(batch).await {
        Err(StoreError::Conflict { key }) => assert_eq!(key, "b"),
        other => panic!("{other:?}"),
    }
    assert_eq!(value(&*f.store, "a").await.as_deref(), Some("1"));
    assert_eq!(value(&*f.store, "b").await.as_deref(), Some("1"));
    assert_eq!(value(&*f.store, "d").await, None);
}

async fn what_was_committed_is_there_with_its_version(f: Fixture) {
    assert_eq!(f.store.get("a").await.unwrap(), None);
    f.store.commit(put("a", "1").check("a", None)).await.unwrap();
    let row = f.store.get("a").await.unwrap().unwrap();
    assert_eq!(row.value, b"1");
    f.store.commit(put("a", "2").check("a", Some(row.version))).await.unwrap();
    let later = f.store.get("a").await.unwrap().unwrap();
    assert_eq!(later.value, b"2");
    assert!(later.version > row.version);
    assert_eq!(f.store.scan("a", None, 9).await.unwrap()[0].version, later.version);
}

async fn several_keys_are_read_in_the_order_in_which_they_are_asked_for(f: Fixture) {
    f.store.commit(put("a", "1").put("c", "3")).await.unwrap();
    let found = f.store.get_all(&["c", "b", "a", "c"]).await.unwrap();
    let (a, c) = (f.store.get("a").await.unwrap(), f.store.get("c").await.unwrap());
    assert_eq!(found, [c.clone(), None, a, c]);
    assert!(f.store.get_all(&[]).await.unwrap().is_empty());
}

async fn a_look_is_several_keys_in_their_order_and_the_time(f: Fixture) {
    f.store.commit(put("a", "1").put("c", "3")).await.unwrap();
    let before = f.store.now().await.unwrap();
    for keys in [vec!["c", "b", "a", "c"], vec!["b"], Vec::new()] {
        let (now, found) = f.store.look(&keys).await.unwrap();
        let after = f.store.now().await.unwrap();
        assert_eq!(found, f.store.get_all(&keys).await.unwrap(), "{keys:?}");
        assert_eq!((&now.era, &now.era), (&before.era, &after.era));
        assert!((before.ms..=after.ms).contains(&now.ms), "{before:?}, {now:?}, {after:?}");
    }
    let (_, found) = f.store.look(&["b", "a"]).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
}

async fn of_two_swaps_against_one_version_the_second_loses(f: Fixture) {
    f.store.commit(put("a", "1")).await.unwrap();
    let seen = version(&*f.store, "a").await;
    f.store.commit(put("a", "first").check("a", seen)).await.unwrap();
    let second = f.store.commit(put("a", "second").check("a", seen)).await;
    assert!(matches!(second, Err(StoreError::Conflict { .. })));
    assert_eq!(value(&*f.store, "a").await.as_deref(), Some("first"));
}

async fn of_many_racing_swaps_one_wins_each_round(f: Fixture) {
    for round in 0..30 {
        let key = format!("k{}", round % 3);
        let seen = version(&*f.store, &key).await;
        let racers = (0..8).map(|racer| {
            let (store, key) = (Arc::clone(&f.store), key.clone());
            async move {
                let batch = put(&key, &format!("{racer}")).check(&key, seen);
                store.commit(batch).await.is_ok().then_some(racer)
            }
        });
        let winners: Vec<_> = at_once(racers).await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(value(&*f.store, &key).await, Some(winners[0].to_string()));
    }
}

async fn a_version_never_comes_twice_not_even_after_a_delete(f: Fixture) {
    let mut seen = 0;
    for _ in 0..5 {
        f.store.commit(put("a", "1")).await.unwrap();
        let now = version(&*f.store, "a").await.unwrap();
        assert!(now > seen);
        seen = now;
        f.store.commit(Batch::new().delete("a")).await.unwrap();
    }
}

async fn a_reader_never_sees_a_part_of_a_commit(f: Fixture) {
    let keys: Vec<String> = (0..50).map(|n| format!("part/{n:03}")).collect();
    let commit = |n: u32| keys.iter().fold(Batch::new(), |b, key| b.put(key, n.to_string()));
    f.store.commit(commit(0)).await.unwrap();
    let store = Arc::clone(&f.store);
    let mut reader = tokio::task::JoinSet::new();
    reader.spawn(async move {
        let mut last = 0;
        while last < 100 {
            let rows = store.scan("part/", None, 100).await.unwrap();
            assert_eq!(rows.len(), 50);
            let first = rows[0].value.clone();
            assert!(rows.iter().all(|row| row.value == first), "a part of a commit was seen");
            let now: u32 = String::from_utf8(first).unwrap().parse().unwrap();
            assert!(now >= last, "a commit was taken back");
            last = now;
            tokio::task::yield_now().await;
        }
    });
    for n in 1..=100 {
        f.store.commit(commit(n)).await.unwrap();
        let seen = value(&*f.store, "part/025").await.unwrap();
        assert_eq!(seen, n.to_string(), "a commit that returned is not shown");
    }
    reader.join_all().await;
}

async fn a_scan_is_in_order_begins_after_and_keeps_to_its_limit_and_prefix(f: Fixture) {
    for key in ["b/2", "a", "b/10", "b", "b/", "b0", "c", "b/1", "b/ä"] {
        f.store.commit(put(key, key)).await.unwrap();
    }
    let keys = |prefix: &'static str, after: Option<&'static str>, limit| {
        let store = Arc::clone(&f.store);
        async move {
            let rows = store.scan(prefix, after, limit).await.unwrap();
            rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
        }
    };
    assert_eq!(keys("b/", None, 99).await, ["b/", "b/1", "b/10", "b/2", "b/ä"]);
    assert_eq!(keys("b/", Some("b/1"), 2).await, ["b/10", "b/2"]);
    assert_eq!(keys("b/", Some("a"), 1).await, ["b/"]);
    assert_eq!(keys("b/", Some("b/15"), 9).await, ["b/2", "b/ä"]);
    assert_eq!(keys("b/", Some("c"), 9).await, Vec::<String>::new());
    assert_eq!(keys("b/", None, 0).await, Vec::<String>::new());
    assert_eq!(keys("x", None, 9).await, Vec::<String>::new());
}

async fn a_scan_of_everything_shows_callers_keys_only(f: Fixture) {
    assert!(f.store.scan("", None, 10).await.unwrap().is_empty());
    f.store.commit(put("\u{10ffff}", "last").put("\u{1}", "first")).await.unwrap();
    let rows = f.store.scan("", None, 10).await.unwrap();
    let keys: Vec<_> = rows.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys, ["\u{1}", "\u{10ffff}"]);
}

async fn keys_and_values_beyond_the_limits_are_refused_and_nothing_happens(f: Fixture) {
    let (long, large) = ("k".repeat(KEY_BYTES_MAX + 1), vec![b'v'; VALUE_BYTES_MAX + 1]);
    for batch in [
        put("fine", "1").put("", "1"),
        put("fine", "1").put(long.clone(), "1"),
        put("fine", "1").put("large", large),
        put("fine", "1").delete(long.clone()),
        put("fine", "1").check(long, None),
    ] {
        let refused = f.store.commit(batch).await;
        assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
    }
    assert_eq!(f.store.get("fine").await.unwrap(), None);
}

async fn the_longest_key_and_the_largest_value_are_kept(f: Fixture) {
    let (long, large) = ("k".repeat(KEY_BYTES_MAX), vec![b'v'; VALUE_BYTES_MAX]);
    f.store.commit(Batch::new().put(long.clone(), large.clone())).await.unwrap();
    assert_eq!(f.store.get(&long).await.unwrap().unwrap().value, large);
}

async fn time_never_goes_back_and_ignores_the_wall_clock(f: Fixture) {
    let first = f.store.now().await.unwrap();
    f.clock.step_wall(f.clock.wall() - chrono::TimeDelta::days(400));
    assert_eq!(f.store.now().await.unwrap(), first);
    f.clock.step_wall(f.clock.wall() + chrono::TimeDelta::days(800));
    assert_eq!(f.store.now().await.unwrap(), first);
    f.clock.advance(Duration::from_millis(5));
    let later = f.store.now().await.unwrap();
    assert_eq!((later.era, later.ms), (first.era, first.ms + 5));
}

async fn the_last_put_of_a_key_counts_and_a_delete_beats_it(f: Fixture) {
    f.store.commit(put("a", "1").put("a", "2").put("b", "1").delete("b")).await.unwrap();
    assert_eq!(value(&*f.store, "a").await.as_deref(), Some("2"));
    assert_eq!(value(&*f.store, "b").await, None);
}

async fn deleting_what_is_not_there_is_no_error(f: Fixture) {
    f.store.commit(Batch::new().delete("nothing")).await.unwrap();
}

async fn a_commit_without_puts_still_checks(f: Fixture) {
    f.store.commit(Batch::new().check("a", None)).await.unwrap();
    let refused = f.store.commit(Batch::new().check("a", Some(1))).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
}
