//! What people are told: each channel's queue, what was given up, what is told together.

use super::{
    Fixture, a_notice, at, at_once, ledger, ledger_over, on_both_stores, placeless, queued, taken,
};
use crate::support::tallied::Tallied;
use rota::clock::Clock;
use rota::domain::{Body, Channel, Delivery, Notice, Receipt};
use rota::ledger::{Again, Ledger, LedgerError, Sent};
use rota::store::Batch;
use std::sync::Arc;

on_both_stores! {
    a_notice_with_a_known_key_is_ignored_whatever_became_of_the_first
    a_queue_keeps_the_order_in_which_notices_were_stored_also_when_the_clock_is_set_back
    each_channel_has_a_queue_of_its_own
    a_notice_that_was_not_taken_stays_the_first_until_it_is_taken_or_given_up
    a_part_that_was_taken_is_remembered
    of_many_that_tell_one_fact_one_notice_is_stored
    a_long_notice_is_kept_whole
    what_was_given_up_is_listed_and_goes_to_the_end_of_the_queue_when_it_is_tried_again
    another_body_takes_the_place_of_what_waits_or_can_be_changed
    a_body_that_changed_while_the_old_one_was_under_way_is_told_too
    notices_become_one_at_the_place_of_the_first_or_nothing_happens
    what_an_earlier_version_listed_by_its_next_attempt_is_adopted_once
    notices_that_only_a_newer_rota_can_tell_are_passed_over_by_the_page
}

fn keys(notices: &[Notice]) -> Vec<&str> {
    notices.iter().map(|notice| notice.key.as_str()).collect()
}

async fn store(ledger: &Ledger, names: &[&str]) {
    let notices = names.iter().map(|name| a_notice(name, 1)).collect();
    ledger.enqueue(notices).await.unwrap();
}

async fn the(ledger: &Ledger, key: &str) -> Notice {
    ledger.notice(key).await.unwrap().unwrap()
}

async fn a_notice_with_a_known_key_is_ignored_whatever_became_of_the_first(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let first = a_notice("digest 2026-11-22", 1);
    ledger.enqueue(vec![first.clone(), a_notice("digest 2026-11-22", 2)]).await.unwrap();
    ledger.enqueue(vec![a_notice("digest 2026-11-22", 3), a_notice("other", 3)]).await.unwrap();
    let stored = placeless(ledger.notices(9, None).await.unwrap());
    assert_eq!(stored, [a_notice("other", 3), first.clone()]);
    ledger.notice_sent(&first.key, &taken(5)).await.unwrap();
    ledger.enqueue(vec![first.clone()]).await.unwrap();
    assert_eq!(keys(&queued(&ledger).await), ["other"]);
}

async fn a_queue_keeps_the_order_in_which_notices_were_stored_also_when_the_clock_is_set_back(
    f: Fixture,
) {
    let one = ledger(&f, "d/l");
    f.clock.step_wall(at(1_000));
    store(&one, &["a", "b"]).await;
    f.clock.step_wall(at(10));
    store(&one, &["c"]).await;
    // A later life knows of those before it.
    let other = ledger(&f, "d/m");
    store(&other, &["d"]).await;
    assert_eq!(keys(&queued(&other).await), ["a", "b", "c", "d"]);
    let first = other.queue(&Channel::Slack("team".into()), 2).await.unwrap();
    assert_eq!(keys(&first), ["a", "b"]);
}

async fn each_channel_has_a_queue_of_its_own(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    // Names of which one begins like the other.
    let names = ["team", "team-x", "team/x", "team~"];
    for (number, name) in names.iter().enumerate() {
        for nth in 0..=number {
            let to = Channel::Slack((*name).into());
            let notice = Notice { to, ..a_notice(&format!("{name} {nth}"), 1) };
            ledger.enqueue(vec![notice]).await.unwrap();
        }
    }
    let mut found: Vec<_> = ledger.queues(99).await.unwrap();
    found.sort_by_key(|queue| queue.waiting);
    let found: Vec<_> = found.into_iter().map(|q| (q.channel, q.waiting, q.head.key)).collect();
    let expected: Vec<_> = (1..)
        .zip(names)
        .map(|(count, name)| (Channel::Slack(name.into()), count, format!("{name} 0")))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(ledger.waiting_channels().await.unwrap().len(), 4);
}

async fn a_notice_that_was_not_taken_stays_the_first_until_it_is_taken_or_given_up(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    store(&ledger, &["a", "b"]).await;
    ledger.notice_failed("a", 0, "busy", Again::From(at(10))).await.unwrap();
    ledger.notice_failed("a", 0, "busy still", Again::From(at(10))).await.unwrap();
    let queue = queued(&ledger).await;
    let last_error = Some("busy still".to_owned());
    let pending = Delivery::Pending { attempts: 2, not_before: at(10), last_error };
    assert_eq!((keys(&queue), &queue[0].delivery), (vec!["a", "b"], &pending));
    ledger.notice_sent("a", &taken(11)).await.unwrap();
    ledger.notice_sent("a", &taken(12)).await.unwrap();
    ledger.notice_failed("a", 0, "late", Again::From(at(12))).await.unwrap();
    assert_eq!(the(&ledger, "a").await.delivery, Delivery::Delivered { at: at(11) });
    ledger.notice_failed("b", 0, "no such channel", Again::Never { alarm: &[] }).await.unwrap();
    assert!(queued(&ledger).await.is_empty());
    let dead = the(&ledger, "b").await.delivery;
    assert!(matches!(dead, Delivery::Undeliverable { error, .. } if error == "no such channel"));
    let refused = ledger.notice_sent("c", &taken(1)).await;
    assert!(matches!(refused, Err(LedgerError::NotFound { .. })));
}

fn part(part: usize, is_last: bool, name: &str) -> Sent {
    let stands = Some(("C1".to_owned(), name.to_owned()));
    Sent { part, is_last, stands, ..taken(5) }
}

async fn a_part_that_was_taken_is_remembered(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    store(&ledger, &["a"]).await;
    ledger.notice_sent("a", &part(0, false, "1.0")).await.unwrap();
    ledger.notice_failed("a", 0, "busy", Again::From(at(9))).await.unwrap();
    let a = the(&ledger, "a").await;
    assert_eq!((a.parts, a.receipt.parts.as_slice()), (1, &["1.0".to_owned()][..]));
    ledger.notice_sent("a", &part(1, true, "1.1")).await.unwrap();
    let a = the(&ledger, "a").await;
    let parts = vec!["1.0".into(), "1.1".into()];
    assert_eq!(a.receipt, Receipt { room: "C1".into(), parts, ..Receipt::default() });
    assert_eq!(a.delivery, Delivery::Delivered { at: at(5) });
}

async fn of_many_that_tell_one_fact_one_notice_is_stored(f: Fixture) {
    let ledger = Arc::new(ledger(&f, "d/l"));
    let tellers = (0..8).map(|n| {
        let ledger = Arc::clone(&ledger);
        async move { ledger.enqueue(vec![a_notice("fact", n)]).await }
    });
    assert!(at_once(tellers).await.iter().all(Result::is_ok));
    assert_eq!(ledger.notices(9, None).await.unwrap().len(), 1);
    assert_eq!(queued(&ledger).await.len(), 1);
}

async fn a_long_notice_is_kept_whole(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut notice = a_notice(&"key ".repeat(1_000), 1);
    notice.body.slack = vec!["{\"blocks\":[]}".repeat(3_000); 3];
    ledger.enqueue(vec![notice.clone()]).await.unwrap();
    assert_eq!(queued(&ledger).await, [notice.clone()]);
    ledger.notice_sent(&notice.key, &taken(2)).await.unwrap();
    let stored = ledger.notices(9, None).await.unwrap();
    assert_eq!(stored[0].body, notice.body);
}

async fn what_was_given_up_is_listed_and_goes_to_the_end_of_the_queue_when_it_is_tried_again(
    f: Fixture,
) {
    let ledger = ledger(&f, "d/l");
    store(&ledger, &["a", "b", "c"]).await;
    ledger.notice_sent("a", &part(0, false, "1.0")).await.unwrap();
    for key in ["a", "b"] {
        ledger.notice_failed(key, 0, "invalid_auth", Again::Never { alarm: &[] }).await.unwrap();
    }
    assert_eq!(ledger.count_dead_letters(9).await.unwrap(), 2);
    let dead = ledger.dead_letters(9).await.unwrap();
    let mut names = keys(&dead);
    names.sort_unstable();
    assert_eq!(names, ["a", "b"]);
    assert!(ledger.retry_letter("a").await.unwrap());
    assert!(!ledger.retry_letter("a").await.unwrap(), "it waits again");
    assert!(!ledger.retry_letter("c").await.unwrap(), "it was never given up");
    assert!(matches!(ledger.retry_letter("x").await, Err(LedgerError::NotFound { .. })));
    let queue = queued(&ledger).await;
    assert_eq!((keys(&queue), queue[1].parts), (vec!["c", "a"], 1), "not from its beginning");
    assert_eq!(keys(&ledger.dead_letters(9).await.unwrap()), ["b"]);
}

fn digest(text: &str, second: i64) -> Notice {
    let body = Body { text: text.into(), ..Body::default() };
    Notice { body, replaces: true, ..a_notice("digest", second) }
}

async fn another_body_takes_the_place_of_what_waits_or_can_be_changed(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    ledger.enqueue(vec![digest("one", 1), a_notice("later", 1)]).await.unwrap();
    ledger.enqueue(vec![digest("two", 2)]).await.unwrap();
    let queue = queued(&ledger).await;
    assert_eq!((keys(&queue), queue[0].body.text.as_str()), (vec!["digest", "later"], "two"));
    let sent = |name: &str, revision| Sent { revision, ..part(0, true, name) };
    ledger.notice_sent("digest", &sent("1.0", 1)).await.unwrap();
    ledger.enqueue(vec![digest("two", 3)]).await.unwrap();
    assert_eq!(keys(&queued(&ledger).await), ["later"], "the same again is not told");
    ledger.enqueue(vec![digest("three", 3)]).await.unwrap();
    let queue = queued(&ledger).await;
    assert_eq!((keys(&queue), queue[1].parts), (vec!["later", "digest"], 0));
    assert_eq!(queue[1].receipt.parts, ["1.0"], "it is changed where it stands");
    // Where nobody can change it, what was told stands.
    let gone = Sent { stands: None, ..sent("", 2) };
    let mut plain = digest("one", 1);
    plain.key = "plain".into();
    ledger.enqueue(vec![plain.clone()]).await.unwrap();
    ledger.notice_sent("plain", &Sent { revision: 0, ..gone }).await.unwrap();
    plain.body.text = "two".into();
    ledger.enqueue(vec![plain]).await.unwrap();
    assert_eq!(the(&ledger, "plain").await.body.text, "one");
}

async fn a_body_that_changed_while_the_old_one_was_under_way_is_told_too(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    ledger.enqueue(vec![digest("one", 1)]).await.unwrap();
    ledger.enqueue(vec![digest("two", 2)]).await.unwrap();
    // What arrives now was read before.
    ledger.notice_sent("digest", &part(0, true, "1.0")).await.unwrap();
    let queue = queued(&ledger).await;
    assert_eq!((queue.len(), queue[0].parts), (1, 0));
    assert_eq!(queue[0].receipt.parts, ["1.0"]);
    ledger.notice_failed("digest", 0, "of the old one", Again::Never { alarm: &[] }).await.unwrap();
    assert_eq!(queued(&ledger).await.len(), 1, "the new one is not given up for the old one");
}

async fn notices_become_one_at_the_place_of_the_first_or_nothing_happens(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    store(&ledger, &["a", "b", "c", "d"]).await;
    let team = Channel::Slack("team".into());
    let read = ledger.queue(&team, 9).await.unwrap();
    let members = read[1..3].to_vec();
    assert!(ledger.merge_notices(&members, &a_notice("both", 7)).await.unwrap());
    assert_eq!(keys(&queued(&ledger).await), ["a", "both", "d"]);
    assert_eq!(
        the(&ledger, "b").await.delivery,
        Delivery::Merged { at: at(7), into: "both".into() }
    );
    let again = ledger.merge_notices(&members, &a_notice("again", 8)).await.unwrap();
    assert!(!again && ledger.notice("again").await.unwrap().is_none());
    // One of them is under way.
    ledger.notice_failed("d", 0, "busy", Again::From(at(9))).await.unwrap();
    let stale = [read[0].clone(), read[3].clone()];
    assert!(!ledger.merge_notices(&stale, &a_notice("stale", 9)).await.unwrap());
    assert_eq!(keys(&queued(&ledger).await), ["a", "both", "d"]);
    // Told again by whoever caused it, a member stays what it is.
    store(&ledger, &["b"]).await;
    assert_eq!(keys(&queued(&ledger).await), ["a", "both", "d"]);
}

async fn what_an_earlier_version_listed_by_its_next_attempt_is_adopted_once(f: Fixture) {
    use rota::store::Batch;
    let old = |key: &str, second: i64| {
        let mut json = serde_json::to_value(a_notice(key, second)).unwrap();
        for new in ["replaces", "revision", "place", "parts", "receipt"] {
            json.as_object_mut().unwrap().remove(new);
        }
        json.as_object_mut().unwrap()["body"] = serde_json::json!({
            "text": key, "markdown": "", "slack": []
        });
        json.to_string()
    };
    let hash = |key: &str| {
        use sha2::Digest as _;
        let mut hex = String::new();
        for byte in sha2::Sha256::digest(key) {
            std::fmt::Write::write_fmt(&mut hex, format_args!("{byte:02x}")).unwrap();
        }
        hex
    };
    let mut batch = Batch::new();
    for (key, second) in [("late", 20), ("early", 10)] {
        batch = batch.put(format!("notice/{}", hash(key)), old(key, second));
        batch = batch.put(format!("notice-due/0/{}", hash(key)), format!("{key:?}"));
    }
    f.store.commit(batch).await.unwrap();
    let first = ledger(&f, "d/l");
    store(&first, &["new"]).await;
    assert_eq!(keys(&queued(&first).await), ["early", "late", "new"]);
    let second = ledger(&f, "d/m");
    assert_eq!(keys(&queued(&second).await), ["early", "late", "new"]);
    assert!(f.store.scan("notice-due/", None, 9).await.unwrap().is_empty());
}

async fn notices_that_only_a_newer_rota_can_tell_are_passed_over_by_the_page(f: Fixture) {
    let one = ledger(&f, "d/1");
    let notices: Vec<_> = (0..300).map(|number| a_notice(&format!("n-{number:03}"), 1)).collect();
    for some in notices.chunks(50) {
        one.enqueue(some.to_vec()).await.unwrap();
    }
    for row in f.store.scan("notice/", None, 1_000).await.unwrap() {
        f.store.commit(Batch::new().put(row.key, r#"{"rota":2}"#)).await.unwrap();
    }
    store(&one, &["own"]).await;
    let tally = Tallied::new(&f.store);
    let clock = Arc::clone(&f.clock) as Arc<dyn Clock>;
    let two = ledger_over(Arc::clone(&tally) as _, clock, "d/2", 0);
    let to = Channel::Slack("team".into());
    // The first question of a life looks for the last place, too.
    two.queue(&to, 1).await.unwrap();
    tally.count("notice");
    assert_eq!(two.waiting_channels().await.unwrap(), std::slice::from_ref(&to));
    assert!(tally.questions() < 12, "{} questions", tally.questions());
    tally.count("notice");
    assert_eq!(keys(&two.queue(&to, 1).await.unwrap()), ["own"]);
    assert!(tally.questions() < 12, "{} questions", tally.questions());
}
