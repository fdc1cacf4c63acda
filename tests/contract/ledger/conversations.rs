//! A conversation waits with its claim for a person's answer, and is gone with it.

use super::{Fixture, LEASE, MARGIN, TASK, ask, at, ledger, on_both_stores};
use rota::domain::{EndKind, Phase, Reason, RunId, Value};
use rota::ledger::{Acquire, ClaimError, KeptAnswer, KeptConversation, Ledger};
use rota::store::Batch;

on_both_stores! {
    a_conversation_is_there_for_the_next_life_until_its_claim_ends
    however_a_claim_ends_for_good_its_conversation_goes_with_it
    whoever_has_lost_the_claim_keeps_nothing
    what_cannot_be_read_any_more_is_said_and_goes_like_the_rest
    what_was_answered_outlives_whoever_hears_it_and_goes_with_the_claim
    whoever_begins_anew_has_nothing_of_what_was_said_before
}

fn of(run: &str, bytes: usize) -> KeptConversation {
    let what = Value::map([("said", "x".repeat(bytes))]);
    let (run, definition) = (RunId::new(run), "hash".to_owned());
    KeptConversation { run, definition, template: Some("digest".to_owned()), what }
}

fn answer(text: &str) -> KeptAnswer {
    let (run, question) = (RunId::new("r-1"), "blue or green?".to_owned());
    let (later, left_out) = (vec!["Ada: or red".to_owned()], 2);
    KeptAnswer { run, question, text: text.to_owned(), later, left_out }
}

/// Rows that are there of conversations.
async fn rows(f: &Fixture) -> usize {
    let mut rows = 0;
    for prefix in ["conversation/", "part/conversation/", "answer/", "part/answer/"] {
        rows += f.store.scan(prefix, None, 100).await.unwrap().len();
    }
    rows
}

async fn a_conversation_is_there_for_the_next_life_until_its_claim_ends(f: Fixture) {
    let one = ledger(&f, "d/one");
    let mut held = one.acquire(ask("r-1")).await.unwrap();
    for bytes in [40_000, 10, 20_000] {
        one.keep_conversation(&held, &of("r-1", bytes)).await.unwrap();
    }
    assert_eq!(rows(&f).await, 4, "of one that was replaced nothing is left");
    one.park(&mut held, "blue or green?", None, at(1_000)).await.unwrap();
    let two = ledger(&f, "d/two");
    assert!(two.begin_life().await.unwrap().is_empty());
    assert_eq!(two.conversation(TASK).await.unwrap(), Some(of("r-1", 20_000)));
    let resume = Acquire { resume: Some(held.claim.fence), ..ask("r-2") };
    let mut held = two.acquire(resume).await.unwrap();
    assert_eq!(two.conversation(TASK).await.unwrap(), Some(of("r-1", 20_000)));
    two.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    assert_eq!((two.conversation(TASK).await.unwrap(), rows(&f).await), (None, 0));
}

async fn however_a_claim_ends_for_good_its_conversation_goes_with_it(f: Fixture) {
    for how in ["released", "yielded", "revoked", "seen to"] {
        let ledger = ledger(&f, "d/l");
        let mut held = ledger.acquire(ask(&format!("r-{how}"))).await.unwrap();
        ledger.advance(&mut held, Phase::Announced, None, None).await.unwrap();
        ledger.keep_conversation(&held, &of(&format!("r-{how}"), 20_000)).await.unwrap();
        match how {
            "released" => ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap(),
            "yielded" => {
                let reason = Reason::PersonTookOver;
                ledger.end(&mut held, EndKind::Yielded, reason).await.unwrap();
            }
            "revoked" => {
                ledger.park(&mut held, "which?", None, at(1_000)).await.unwrap();
                ledger.revoke(TASK, "nobody answers", "Ada").await.unwrap();
            }
            _ => seen_to(&f, &ledger).await,
        }
        assert_eq!(rows(&f).await, 0, "{how}");
    }
}

/// A claim whose lease ends may be taken up again, with all that is kept; until somebody has seen to it.
async fn seen_to(f: &Fixture, ledger: &Ledger) {
    f.clock.advance(LEASE + MARGIN);
    let ended = ledger.expire().await.unwrap();
    assert_eq!((ended.len(), rows(f).await), (1, 4));
    ledger.forget_orphan(TASK, ended[0].fence).await.unwrap();
}

async fn whoever_has_lost_the_claim_keeps_nothing(f: Fixture) {
    let one = ledger(&f, "d/one");
    let held = one.acquire(ask("r-1")).await.unwrap();
    f.clock.advance(LEASE + MARGIN);
    ledger(&f, "e/l").acquire(ask("r-2")).await.unwrap();
    let lost = one.keep_conversation(&held, &of("r-1", 10)).await;
    assert!(matches!(lost, Err(ClaimError::Lost { .. })), "{lost:?}");
    assert_eq!(rows(&f).await, 0);
}

async fn what_was_answered_outlives_whoever_hears_it_and_goes_with_the_claim(f: Fixture) {
    let one = ledger(&f, "d/one");
    let mut held = one.acquire(ask("r-1")).await.unwrap();
    let early = one.keep_answer(&held.claim, &answer("Red.")).await;
    assert!(matches!(early, Err(ClaimError::Lost { .. })), "nothing waits yet: {early:?}");
    one.park(&mut held, "blue or green?", None, at(1_000)).await.unwrap();
    for text in ["Blue.".repeat(20_000), "Green.".to_owned()] {
        one.keep_answer(&held.claim, &answer(&text)).await.unwrap();
    }
    assert_eq!(rows(&f).await, 1, "of one that was replaced nothing is left");
    let kept = f.store.scan("answer/", None, 10).await.unwrap();
    one.keep_answer(&held.claim, &answer("Green.")).await.unwrap();
    let again = f.store.scan("answer/", None, 10).await.unwrap();
    assert_eq!(again[0].version, kept[0].version, "it was kept already");
    let two = ledger(&f, "d/two");
    let resume = Acquire { resume: Some(held.claim.fence), ..ask("r-2") };
    let heard = two.acquire(resume).await.unwrap();
    for text in ["Red.", "Green."] {
        let late = two.keep_answer(&held.claim, &answer(text)).await;
        assert!(matches!(late, Err(ClaimError::Lost { .. })), "it waits no more: {late:?}");
    }
    // The run that hears it breaks off.
    f.clock.advance(LEASE + MARGIN);
    assert_eq!(two.expire().await.unwrap().len(), 1);
    let resume = Acquire { resume: Some(heard.claim.fence), ..ask("r-3") };
    let mut held = two.acquire(resume).await.unwrap();
    assert_eq!(two.answer(TASK).await.unwrap(), Some(answer("Green.")));
    two.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    assert_eq!((two.answer(TASK).await.unwrap(), rows(&f).await), (None, 0));
}

async fn whoever_begins_anew_has_nothing_of_what_was_said_before(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    ledger.keep_conversation(&held, &of("r-1", 20_000)).await.unwrap();
    ledger.park(&mut held, "blue or green?", None, at(1_000)).await.unwrap();
    ledger.keep_answer(&held.claim, &answer("Green.")).await.unwrap();
    let resume = Acquire { resume: Some(held.claim.fence), ..ask("r-2") };
    ledger.acquire(resume).await.unwrap();
    f.clock.advance(LEASE + MARGIN);
    assert_eq!((ledger.expire().await.unwrap().len(), rows(&f).await), (1, 5));
    ledger.acquire(ask("r-3")).await.unwrap();
    assert_eq!((ledger.answer(TASK).await.unwrap(), rows(&f).await), (None, 0));
}

async fn what_cannot_be_read_any_more_is_said_and_goes_like_the_rest(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    ledger.keep_conversation(&held, &of("r-1", 20_000)).await.unwrap();
    let row = f.store.scan("conversation/", None, 1).await.unwrap().remove(0);
    f.store.commit(Batch::new().put(row.key, "no JSON")).await.unwrap();
    assert!(ledger.conversation(TASK).await.is_err());
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    assert_eq!((ledger.conversation(TASK).await.unwrap(), rows(&f).await), (None, 0));
}
