//! What is told of what a newer Rota wrote on the same store: what was not compared is not said to be whole,
//! and who is there is named.

use super::newer::{as_a_daemon, newer, now, plant, sha256};
use super::{Fixture, a_run, at, ledger, on_both_stores};
use rota::domain::*;
use rota::ledger::{AuditVerdict, Ledger, Unread};
use rota::store::Batch;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;

on_both_stores! {
    a_newer_entry_in_the_audit_log_breaks_nothing_and_is_told
    what_a_newer_rota_recorded_of_a_run_is_not_said_to_be_as_it_was
    what_is_not_compared_is_told_chain_by_chain
    a_daemon_that_cannot_be_understood_is_there_and_is_left_alone
    a_newer_daemon_is_named_by_its_record_or_else_by_its_key
}

fn unread(of: &str, entries: u64, runs: u64, first: u64) -> Unread {
    Unread { of: of.to_owned(), entries, runs, first }
}

/// From now on a newer Rota wrote this record; how it was.
async fn becomes_newer(f: &Fixture, key: &str) -> Vec<u8> {
    let known = f.store.get(key).await.unwrap().unwrap().value;
    let mut marked: Json = serde_json::from_slice(&known).unwrap();
    marked["rota"] = json!(2);
    marked["who"] = json!({ "several": ["Ada", "Bo"] });
    f.store.commit(Batch::new().put(key, marked.to_string())).await.unwrap();
    known
}

/// The comment that is a run's write of this number.
pub(super) fn comment(run: &Run, seq: u32) -> Effect {
    Effect {
        mark: Mark { run: run.id.clone(), seq },
        actor: EffectActor::Agent,
        tool: "addComment".into(),
        bulk: None,
        args: Value::map([("text", "I look.")]),
        claimed: run.task,
        fence: None,
        intended: at(2),
        result: None,
    }
}

/// A run that commented, and has ended.
async fn has_run(ledger: &Ledger, id: &str) {
    let run = a_run(id, "ai-worker", 1);
    ledger.start_run(&run, "text").await.unwrap();
    let effect = comment(&run, 1);
    ledger.intend(&effect, None).await.unwrap();
    ledger.conclude(&effect.mark, EffectResult::Recorded, vec![]).await.unwrap();
    let ended = Run { state: RunState::Cancelled, ended: Some(at(3)), ..run };
    ledger.finish_run(&ended, vec![]).await.unwrap();
}

async fn a_newer_entry_in_the_audit_log_breaks_nothing_and_is_told(f: Fixture) {
    let one = ledger(&f, "d/1");
    for what in ["first", "second", "third"] {
        one.audit("Ada", what, "").await.unwrap();
    }
    becomes_newer(&f, "audit/00000000000000000002").await;
    assert_eq!(one.audit("Ada", "fourth", "").await.unwrap().number, 4);
    let verdict = one.verify().await.unwrap();
    let unread = vec![unread("the audit log", 1, 0, 2)];
    assert_eq!(verdict, AuditVerdict::Newer { entries: 4, unread });
    let read: Vec<u64> =
        one.audit_log(9, None).await.unwrap().iter().map(|entry| entry.number).collect();
    assert_eq!(read, [4, 3, 1]);
    // What can be read is compared all the same.
    let key = "audit/00000000000000000003";
    let third = String::from_utf8(f.store.get(key).await.unwrap().unwrap().value).unwrap();
    f.store.commit(Batch::new().put(key, third.replace("third", "other"))).await.unwrap();
    let verdict = one.verify().await.unwrap();
    assert!(matches!(verdict, AuditVerdict::Broken { at: 3, .. }), "{verdict:?}");
}

async fn what_a_newer_rota_recorded_of_a_run_is_not_said_to_be_as_it_was(f: Fixture) {
    let one = ledger(&f, "d/1");
    for id in ["r-1", "r-2", "r-3"] {
        has_run(&one, id).await;
    }
    let whole = AuditVerdict::Intact { entries: 3 };
    assert_eq!(one.verify().await.unwrap(), whole);
    let effect = f.store.scan("effect/r-3/", None, 1).await.unwrap().remove(0).key;
    for (key, first) in [("run/r-2", 2), (effect.as_str(), 3)] {
        let known = becomes_newer(&f, key).await;
        let unread = vec![unread("the chain of runs", 0, 1, first)];
        assert_eq!(
            one.verify().await.unwrap(),
            AuditVerdict::Newer { entries: 3, unread },
            "{key}"
        );
        f.store.commit(Batch::new().put(key, known)).await.unwrap();
        assert_eq!(one.verify().await.unwrap(), whole, "{key}");
    }
    let (effects, has_newer) = one.effects_and_newer(&RunId::new("r-3")).await.unwrap();
    assert_eq!((effects.len(), has_newer), (1, false));
    becomes_newer(&f, &effect).await;
    let (effects, has_newer) = one.effects_and_newer(&RunId::new("r-3")).await.unwrap();
    assert_eq!((effects.len(), has_newer), (0, true));
    let (effects, has_newer) = one.effects_and_newer(&RunId::new("r-2")).await.unwrap();
    assert_eq!((effects.len(), has_newer), (1, false));
}

async fn what_is_not_compared_is_told_chain_by_chain(f: Fixture) {
    let one = ledger(&f, "d/1");
    for what in ["first", "second"] {
        one.audit("Ada", what, "").await.unwrap();
    }
    for id in ["r-1", "r-2", "r-3"] {
        has_run(&one, id).await;
    }
    becomes_newer(&f, "audit/00000000000000000001").await;
    becomes_newer(&f, "run/r-2").await;
    let both = vec![unread("the audit log", 1, 0, 1), unread("the chain of runs", 0, 1, 2)];
    let verdict = one.verify().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Newer { entries: 5, unread: both });
    // What comes after it is compared all the same.
    let third = String::from_utf8(f.store.get("run/r-3").await.unwrap().unwrap().value).unwrap();
    let forged = third.replace("cancelled", "succeeded");
    assert_ne!(forged, third);
    f.store.commit(Batch::new().put("run/r-3", forged)).await.unwrap();
    let verdict = one.verify().await.unwrap();
    assert!(matches!(verdict, AuditVerdict::Broken { at: 3, .. }), "{verdict:?}");
}

async fn a_daemon_that_cannot_be_understood_is_there_and_is_left_alone(f: Fixture) {
    let (one, two) = (ledger(&f, "one/1"), ledger(&f, "two/1"));
    one.enroll(&as_a_daemon()).await.unwrap();
    two.enroll(&as_a_daemon()).await.unwrap();
    let mut known: Json =
        serde_json::from_slice(&f.store.get("daemon/two").await.unwrap().unwrap().value).unwrap();
    known["rota"] = json!(2);
    known["version"] = json!("9.0.0");
    let planted = BTreeMap::from([
        ("daemon/odd".to_owned(), newer().into_bytes()),
        ("daemon/two".to_owned(), known.to_string().into_bytes()),
    ]);
    plant(&f, &planted).await;
    let all = one.daemons().await.unwrap();
    let seen: Vec<_> = all
        .iter()
        .map(|known| (known.record.id.as_str(), known.is_there, known.is_newer))
        .collect();
    assert_eq!(seen, [("odd", true, true), ("one", true, false), ("two", true, true)]);
    assert_eq!(all[2].record.version, "9.0.0");
    assert_eq!(all[2].record.life, two.options().life.clone());
    f.clock.advance(Duration::from_hours(30 * 24));
    one.forget_daemons().await.unwrap();
    let there: Vec<bool> =
        one.daemons().await.unwrap().iter().map(|known| known.is_there).collect();
    assert_eq!(there, [true, false, false], "of one that says until when, that is understood");
    assert!(two.enroll(&as_a_daemon()).await.is_err(), "its name is the newer program's");
    assert_eq!(now(&f, &planted).await, planted);
}

async fn a_newer_daemon_is_named_by_its_record_or_else_by_its_key(f: Fixture) {
    let one = ledger(&f, "one/1");
    // Of a long name only a hash stands in its key.
    let (typed, long) = (DaemonId::new("two").by_hand("x"), DaemonId::new("n".repeat(500)));
    let said = json!({ "rota": 2, "id": long, "version": "9.0.0" });
    let planted = BTreeMap::from([
        ("daemon/two%2fby-hand-x".to_owned(), newer().into_bytes()),
        (format!("daemon/#{}", sha256(long.as_str())), said.to_string().into_bytes()),
    ]);
    plant(&f, &planted).await;
    let all = one.daemons().await.unwrap();
    let names: Vec<DaemonId> = all.into_iter().map(|known| known.record.id).collect();
    assert!(names[1].is_by_hand() && names[1].configured() == "two", "{names:?}");
    assert_eq!(names, [long, typed]);
}
