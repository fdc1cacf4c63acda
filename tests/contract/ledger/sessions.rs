//! Sessions of clients from outside: what is kept of them, and that what makes room leaves nothing.

use super::{Fixture, at, ledger, memory, on_both_stores};

on_both_stores! {
    what_a_session_subscribed_to_is_kept_with_it_and_the_oldest_of_a_hundred_makes_room
    of_a_session_that_is_over_nothing_is_left
}

/// So many addresses are kept with a session.
const SUBSCRIBED: usize = 100;
/// So many sessions are kept.
const SESSIONS: usize = 1_000;

fn address(number: usize) -> String {
    format!("rota://task/{number}")
}

async fn what_a_session_subscribed_to_is_kept_with_it_and_the_oldest_of_a_hundred_makes_room(
    f: Fixture,
) {
    let ledger = ledger(&f, "one/a");
    ledger.subscribe_outside_session("s", &address(1), true).await.unwrap();
    assert_eq!(ledger.outside_session("s").await.unwrap(), None, "none is begun so");
    ledger.keep_outside_session("s", "token 1", "hello").await.unwrap();
    for number in 0..=SUBSCRIBED {
        ledger.subscribe_outside_session("s", &address(number), true).await.unwrap();
    }
    // A second time changes nothing.
    ledger.subscribe_outside_session("s", &address(7), true).await.unwrap();
    ledger.subscribe_outside_session("s", &address(8), false).await.unwrap();
    ledger.subscribe_outside_session("s", "rota://task/never", false).await.unwrap();
    let kept = ledger.outside_session("s").await.unwrap().unwrap();
    assert_eq!((kept.owner.as_str(), kept.handshake.as_str()), ("token 1", "hello"));
    let expected: Vec<String> = (1..=SUBSCRIBED).filter(|n| *n != 8).map(address).collect();
    assert_eq!(kept.subscribed, expected);
}

async fn of_a_session_that_is_over_nothing_is_left(f: Fixture) {
    let ledger = ledger(&f, "one/a");
    // More than one value of the store holds.
    ledger.keep_outside_session("s", "token 1", &"x".repeat(8_000)).await.unwrap();
    ledger.forget_outside_session("s").await.unwrap();
    for prefix in ["session", "part/session"] {
        assert_eq!(f.store.scan(prefix, None, 100).await.unwrap(), [], "{prefix}");
    }
}

#[tokio::test]
async fn a_session_that_makes_room_leaves_nothing_either() {
    let f = memory();
    let ledger = ledger(&f, "one/a");
    f.clock.step_wall(at(0));
    ledger.keep_outside_session("oldest", "token 1", &"x".repeat(8_000)).await.unwrap();
    for number in 0..SESSIONS {
        f.clock.step_wall(at(i64::try_from(number).unwrap() + 1));
        ledger.keep_outside_session(&format!("s{number}"), "token 1", "hello").await.unwrap();
    }
    let left = f.store.scan("session", None, 3 * SESSIONS).await.unwrap();
    assert_eq!(left.len(), 2 * SESSIONS, "each has a row and a place");
    assert_eq!(f.store.scan("part/session", None, 100).await.unwrap(), []);
    assert_eq!(ledger.outside_session("oldest").await.unwrap(), None);
    assert!(ledger.outside_session("s0").await.unwrap().is_some());
}
