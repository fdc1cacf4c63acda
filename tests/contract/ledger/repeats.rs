//! The keys of calls that may be repeated: so many are kept of each caller, and what nobody knows the
//! outcome of makes no room.

use super::{at, ledger, memory, on_both_stores};
use rota::domain::Value;
use rota::ledger::{Ledger, Repeat};
use std::time::Duration;

/// So many are kept of one caller.
const OF_ONE: usize = 1_000;

on_both_stores! {
    a_key_of_yesterday_leaves_nothing_behind
}

async fn done(ledger: &Ledger, who: &str, key: &str) {
    assert_eq!(ledger.begin_repeatable(who, key, "call").await.unwrap(), Repeat::New, "{key}");
    ledger.end_repeatable(who, key, Some(Value::from(key))).await.unwrap();
}

async fn asked(ledger: &Ledger, who: &str, key: &str) -> Repeat {
    ledger.begin_repeatable(who, key, "call").await.unwrap()
}

#[tokio::test]
async fn whoever_makes_many_calls_forgets_their_own_oldest_and_nobody_elses() {
    let f = memory();
    let ledger = ledger(&f, "one/a");
    f.clock.step_wall(at(0));
    done(&ledger, "ada", "first").await;
    assert_eq!(asked(&ledger, "bo", "open").await, Repeat::New);
    done(&ledger, "bo", "done").await;
    for n in 0..OF_ONE {
        f.clock.step_wall(at(i64::try_from(n).unwrap() + 1));
        done(&ledger, "bo", &format!("key {n}")).await;
    }
    assert!(matches!(asked(&ledger, "ada", "first").await, Repeat::Answered(..)));
    assert!(matches!(asked(&ledger, "bo", "open").await, Repeat::Open(_)), "nobody knows of it");
    assert!(matches!(asked(&ledger, "bo", "key 999").await, Repeat::Answered(..)));
    assert_eq!(asked(&ledger, "bo", "done").await, Repeat::New, "it was the oldest");
}

#[tokio::test]
async fn where_all_of_ones_calls_are_open_no_other_is_begun_for_a_day() {
    let f = memory();
    let ledger = ledger(&f, "one/a");
    f.clock.step_wall(at(0));
    for n in 0..OF_ONE {
        assert_eq!(asked(&ledger, "bo", &format!("key {n}")).await, Repeat::New);
    }
    assert_eq!(asked(&ledger, "bo", "another").await, Repeat::Full(OF_ONE));
    assert_eq!(asked(&ledger, "ada", "another").await, Repeat::New, "it is bo's own trouble");
    // One of them is cleared up: there is room.
    ledger.end_repeatable("bo", "key 7", None).await.unwrap();
    assert_eq!(asked(&ledger, "bo", "another").await, Repeat::New);
    assert_eq!(asked(&ledger, "bo", "one more").await, Repeat::Full(OF_ONE));
    f.clock.step_wall(at(86_400));
    assert_eq!(asked(&ledger, "bo", "one more").await, Repeat::New);
}

async fn a_key_of_yesterday_leaves_nothing_behind(f: super::Fixture) {
    let ledger = ledger(&f, "one/a");
    f.clock.step_wall(at(0));
    for n in 0..5 {
        done(&ledger, "bo", &format!("key {n}")).await;
    }
    assert_eq!(asked(&ledger, "bo", "open").await, Repeat::New);
    f.clock.step_wall(at(86_400) + Duration::from_secs(1));
    done(&ledger, "ada", "today").await;
    let left = f.store.scan("repeat", None, 100).await.unwrap();
    let keys: Vec<&str> = left.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys.len(), 3, "the call and its two places: {keys:#?}");
}
