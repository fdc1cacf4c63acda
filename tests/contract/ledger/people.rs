//! What people decide and what they switch: decisions, switches, audit.

use super::{Fixture, TASK, an_occurrence, at, at_once, ledger, on_both_stores};
use rota::domain::{Decision, OccurrenceState, PlaybookName, Reason, RunId};
use rota::ledger::stop::Stopped;
use rota::ledger::{AuditVerdict, InRow, Ledger};
use rota::store::Batch;
use std::sync::Arc;

on_both_stores! {
    the_same_decision_again_is_not_a_new_one
    playbooks_that_take_turns_at_a_task_do_not_flood_its_decisions
    fifty_decisions_a_subject_are_kept
    decisions_can_be_seen_as_they_stood_at_an_instant
    a_playbook_is_armed_paused_and_resumed_by_name
    failures_in_a_row_are_counted_and_forgotten
    everything_is_stopped_until_it_is_started
    the_audit_log_keeps_its_order_under_many_writers
    the_audit_chain_shows_a_planted_change
}

fn decision(playbook: &str, detail: &str, second: i64) -> Decision {
    Decision {
        playbook: PlaybookName::new(playbook),
        task: Some(TASK),
        reason: Reason::MissingTag,
        detail: detail.to_owned(),
        run: None,
        at: at(second),
    }
}

async fn the_same_decision_again_is_not_a_new_one(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for (detail, second) in [("a", 1), ("a", 2), ("b", 3), ("b", 4), ("a", 5)] {
        ledger.decide(decision("p", detail, second)).await.unwrap();
    }
    let found = ledger.decisions_about_task(TASK, None).await.unwrap();
    assert_eq!(found, [decision("p", "a", 5), decision("p", "b", 3), decision("p", "a", 1)]);
    let other = Decision { reason: Reason::Assigned, ..decision("p", "a", 6) };
    ledger.decide(other).await.unwrap();
    let ran = Decision { run: Some(RunId::new("r-1")), ..decision("p", "a", 7) };
    ledger.decide(ran).await.unwrap();
    assert_eq!(ledger.decisions_about_task(TASK, None).await.unwrap().len(), 5);
    assert!(
        ledger.decisions_about_playbook(&PlaybookName::new("p"), None).await.unwrap().is_empty()
    );
}

async fn playbooks_that_take_turns_at_a_task_do_not_flood_its_decisions(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for second in 0..10 {
        for playbook in ["p", "q"] {
            ledger.decide(decision(playbook, "same", second)).await.unwrap();
        }
    }
    assert_eq!(ledger.decisions_about_task(TASK, None).await.unwrap().len(), 2);
}

async fn fifty_decisions_a_subject_are_kept(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for n in 0..70 {
        ledger.decide(decision("p", &n.to_string(), n)).await.unwrap();
        ledger.decide(Decision { task: None, ..decision("p", &n.to_string(), n) }).await.unwrap();
    }
    let name = PlaybookName::new("p");
    for found in [
        ledger.decisions_about_task(TASK, None).await.unwrap(),
        ledger.decisions_about_playbook(&name, None).await.unwrap(),
    ] {
        let seconds: Vec<_> = found.iter().map(|decision| decision.at).collect();
        assert_eq!(seconds, (20..70).rev().map(at).collect::<Vec<_>>());
    }
}

async fn decisions_can_be_seen_as_they_stood_at_an_instant(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for second in [10, 20, 30] {
        ledger.decide(decision("p", &second.to_string(), second)).await.unwrap();
    }
    let found = ledger.decisions_about_task(TASK, Some(at(25))).await.unwrap();
    assert_eq!(found[0], decision("p", "20", 20));
    assert_eq!(found.len(), 2);
    assert!(ledger.decisions_about_task(TASK, Some(at(9))).await.unwrap().is_empty());
}

async fn a_playbook_is_armed_paused_and_resumed_by_name(f: Fixture) {
    let (ledger, name) = (ledger(&f, "d/l"), PlaybookName::new("ai-worker"));
    assert_eq!(ledger.playbook_switch(&name).await.unwrap().armed, None);
    ledger.arm(&name, "abc", "ada").await.unwrap();
    ledger.arm(&name, "abc", "ada").await.unwrap();
    let paused = ledger.pause(&name, "bob", "too chatty").await.unwrap();
    assert_eq!(ledger.pause(&name, "cy", "me too").await.unwrap(), paused);
    let switch = ledger.playbook_switch(&name).await.unwrap();
    assert_eq!(switch.armed.as_deref(), Some("abc"));
    assert_eq!(switch.paused.map(|paused| paused.by).as_deref(), Some("bob"));
    assert_eq!(ledger.resume(&name, "ada").await.unwrap().paused, None);
    assert_eq!(ledger.disarm(&name, "ada").await.unwrap().armed, None);
    assert_eq!(ledger.playbook_switch(&PlaybookName::new("other")).await.unwrap().paused, None);
    let log = ledger.audit_log(9, None).await.unwrap();
    let whats: Vec<_> = log.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(whats, ["disarm", "resume", "pause", "arm"]);
}

/// How many failures in a row there are once an occurrence of `p` has come to this, which is said twice.
async fn comes_to(ledger: &Ledger, second: i64, what: InRow) -> u32 {
    let occurrence = an_occurrence("p", second);
    ledger.put_occurrence(&occurrence).await.unwrap();
    let ran = OccurrenceState::Ran { runs: Vec::new(), reason: Reason::Done, at: at(second) };
    for _ in 0..2 {
        ledger.settle_occurrence(&occurrence.id, ran.clone(), &[], Some(what)).await.unwrap();
    }
    ledger.playbook_switch(&occurrence.playbook).await.unwrap().failures_in_row
}

async fn failures_in_a_row_are_counted_and_forgotten(f: Fixture) {
    let (ledger, name) = (Arc::new(ledger(&f, "d/l")), PlaybookName::new("p"));
    let failing = (0..6).map(|second| {
        let ledger = Arc::clone(&ledger);
        async move { comes_to(&ledger, second, InRow::Failure).await }
    });
    assert_eq!(at_once(failing).await.len(), 6);
    assert_eq!(ledger.playbook_switch(&name).await.unwrap().failures_in_row, 6);
    assert_eq!(comes_to(&ledger, 6, InRow::Success).await, 0);
    assert_eq!(comes_to(&ledger, 7, InRow::Failure).await, 1);
    // What has settled otherwise counts no more.
    let id = an_occurrence("p", 7).id;
    let other = OccurrenceState::Skipped { reason: Reason::TooLate };
    assert!(ledger.settle_occurrence(&id, other, &[], Some(InRow::Failure)).await.is_err());
    assert_eq!(ledger.playbook_switch(&name).await.unwrap().failures_in_row, 1);
    ledger.pause(&name, "rota", "failed").await.unwrap();
    assert_eq!(ledger.resume(&name, "ada").await.unwrap().failures_in_row, 0);
    ledger.record_silence(&name, true).await.unwrap();
    assert_eq!(ledger.record_silence(&name, true).await.unwrap().silent_in_row, 2);
    assert_eq!(ledger.record_silence(&name, false).await.unwrap().silent_in_row, 0);
}

async fn everything_is_stopped_until_it_is_started(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    assert_eq!(ledger.stopped().await.unwrap(), None);
    let stop = Stopped { by: "ada".into(), reason: "fire".into(), at: Some(at(1)) };
    ledger.set_stopped(Some(stop.clone()), "ada").await.unwrap();
    let other = Stopped { by: "bob".into(), ..stop.clone() };
    ledger.set_stopped(Some(other), "bob").await.unwrap();
    assert_eq!(ledger.stopped().await.unwrap(), Some(stop));
    ledger.set_stopped(None, "ada").await.unwrap();
    assert_eq!(ledger.stopped().await.unwrap(), None);
    let log = ledger.audit_log(9, None).await.unwrap();
    let whats: Vec<_> = log.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(whats, ["start-all", "stop-all"]);
}

async fn the_audit_log_keeps_its_order_under_many_writers(f: Fixture) {
    let ledger = Arc::new(ledger(&f, "d/l"));
    assert_eq!(ledger.verify().await.unwrap(), AuditVerdict::Intact { entries: 0 });
    let writers = (0..8).map(|n| {
        let ledger = Arc::clone(&ledger);
        async move {
            for _ in 0..5 {
                ledger.audit(&format!("p{n}"), "test", "some").await.unwrap();
            }
        }
    });
    at_once(writers).await;
    assert_eq!(ledger.verify().await.unwrap(), AuditVerdict::Intact { entries: 40 });
    let latest = ledger.audit_log(3, None).await.unwrap();
    assert_eq!(latest.iter().map(|entry| entry.number).collect::<Vec<_>>(), [40, 39, 38]);
    for (before, expected) in [(38, vec![37, 36, 35]), (3, vec![2, 1]), (1, vec![]), (0, vec![])] {
        let page = ledger.audit_log(3, Some(before)).await.unwrap();
        assert_eq!(page.iter().map(|entry| entry.number).collect::<Vec<_>>(), expected);
    }
}

async fn the_audit_chain_shows_a_planted_change(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for n in 1..=6 {
        ledger.audit("ada", "test", &format!("entry {n}")).await.unwrap();
    }
    let rows = f.store.scan("audit/", None, 9).await.unwrap();
    let text = |n: usize| String::from_utf8(rows[n].value.clone()).unwrap();
    let forged = text(2).replace("ada", "eve");
    let plants = [
        ("changed", Batch::new().put(rows[2].key.clone(), forged), 3),
        ("removed", Batch::new().delete(rows[2].key.clone()), 3),
        ("swapped", Batch::new().put(rows[2].key.clone(), text(3)), 3),
        ("cut off", Batch::new().delete(rows[5].key.clone()), 5),
    ];
    for (what, plant, place) in plants {
        f.store.commit(plant).await.unwrap();
        match ledger.verify().await.unwrap() {
            AuditVerdict::Broken { at, .. } => assert_eq!(at, place, "{what}"),
            verdict => panic!("{what}: {verdict:?}"),
        }
        let restore = rows
            .iter()
            .fold(Batch::new(), |batch, row| batch.put(row.key.clone(), row.value.clone()));
        f.store.commit(restore).await.unwrap();
        assert_eq!(ledger.verify().await.unwrap(), AuditVerdict::Intact { entries: 6 });
    }
}
