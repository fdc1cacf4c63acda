//! What other programs told: recorded once, together with the occurrence that it woke, and forgotten with it.

use super::{Fixture, an_occurrence, at, ledger, on_both_stores};
use rota::domain::{
    Arrival, Occurrence, OccurrenceId, OccurrenceState, PlaybookName, Reason, Trigger,
};
use rota::ledger::LedgerError;

on_both_stores! {
    of_two_deliveries_of_one_name_the_first_is_recorded
    what_was_told_is_forgotten_with_its_occurrence
    occurrences_come_page_by_page_of_one_playbook_and_of_all
}

fn delivered(name: &str, second: i64) -> (Occurrence, Arrival) {
    let occurrence = Occurrence {
        id: OccurrenceId::new(format!("p/webhook/{name}")),
        trigger: Trigger::Webhook,
        ..an_occurrence("p", second)
    };
    let arrival = Arrival {
        playbook: PlaybookName::new("p"),
        delivery: name.to_owned(),
        name: "mail.received".to_owned(),
        // More than one value of the store holds.
        text: "\u{1}".repeat(256 * 1024),
        at: at(second),
    };
    (occurrence, arrival)
}

async fn of_two_deliveries_of_one_name_the_first_is_recorded(f: Fixture) {
    let (one, two) = (ledger(&f, "d/one"), ledger(&f, "d/two"));
    let (occurrence, arrival) = delivered("msg_1", 10);
    let (later, other) = delivered("msg_1", 20);
    let other = Arrival { text: "another".to_owned(), ..other };
    let (first, second) =
        tokio::join!(one.receive(&occurrence, Some(&arrival)), two.receive(&later, Some(&other)));
    assert!(first.unwrap() ^ second.unwrap(), "one of them is new");
    assert!(!one.receive(&later, Some(&other)).await.unwrap(), "it came before");
    let found = one.occurrence(&occurrence.id).await.unwrap().unwrap();
    let kept = one.arrival(&occurrence.id).await.unwrap().unwrap();
    assert_eq!(found.planned, kept.at, "what was told is that of the occurrence");
    assert_eq!(one.open_occurrences().await.unwrap(), [found]);
}

async fn what_was_told_is_forgotten_with_its_occurrence(f: Fixture) {
    let ledger = ledger(&f, "d/one");
    for number in 0..15 {
        let (occurrence, arrival) = delivered(&format!("msg_{number}"), number);
        let arrival = Arrival { text: "x".repeat(20_000), ..arrival };
        ledger.receive(&occurrence, Some(&arrival)).await.unwrap();
        let state = OccurrenceState::Ran { runs: vec![], reason: Reason::Done, at: at(number) };
        ledger.set_occurrence_state(&occurrence.id, state).await.unwrap();
    }
    let mut through = 0;
    while through < 2 {
        through += u32::from(ledger.prune(at(1_000), 7).await.unwrap().is_through);
    }
    let rows = f.store.scan("arrival/", None, 1_000).await.unwrap();
    let own = rows.iter().filter(|row| !row.key.contains("/part")).count();
    // The latest ten are kept, however old.
    for number in 0..15 {
        let id = OccurrenceId::new(format!("p/webhook/msg_{number}"));
        let is_kept = number >= 5;
        assert_eq!(ledger.occurrence(&id).await.unwrap().is_some(), is_kept, "{number}");
        assert_eq!(ledger.arrival(&id).await.unwrap().is_some(), is_kept, "{number}");
    }
    assert_eq!(own, 10, "nothing is left over");
}

async fn occurrences_come_page_by_page_of_one_playbook_and_of_all(f: Fixture) {
    let ledger = ledger(&f, "d/one");
    for playbook in ["a", "b"] {
        for second in 0..5 {
            ledger.put_occurrence(&an_occurrence(playbook, second)).await.unwrap();
        }
    }
    let a = PlaybookName::new("a");
    for (playbook, count) in [(Some(&a), 5), (None, 10)] {
        let whole = ledger.occurrences_after(playbook, None, 100).await.unwrap();
        assert_eq!(whole.len(), count);
        assert_eq!(whole[0].planned, at(4), "newest first");
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = ledger.occurrences_after(playbook, after.as_ref(), 3).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            pages.extend(page);
        }
        assert_eq!(pages, whole);
    }
    let gone = OccurrenceId::new("a/cron/never");
    let after_gone = ledger.occurrences_after(None, Some(&gone), 3).await;
    assert!(matches!(after_gone, Err(LedgerError::NotFound { .. })), "{after_gone:?}");
}
