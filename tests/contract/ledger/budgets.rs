//! What runs may use of a day: set aside before they begin, so that no number of them side by side can
//! use more together.

use super::{Fixture, a_run, at, at_once, ledger, on_both_stores};
use rota::domain::*;
use rota::ledger::{Amount, AuditVerdict, Ledger, ReserveAsk};
use rota::store::Batch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

on_both_stores! {
    of_two_hundred_runs_at_once_no_more_begin_than_the_day_lasts_for
    what_was_set_aside_is_settled_once_with_the_end_of_the_run
    a_run_that_was_broken_off_has_used_what_was_noted_and_a_program_all_it_might
    a_programs_own_word_counts_within_reason
    what_an_earlier_life_set_aside_for_runs_that_never_began_is_given_back
    a_new_day_begins_anew
    a_sum_that_a_newer_rota_wrote_keeps_no_run_from_ending
    the_chain_of_runs_names_the_one_whose_records_were_changed
}

const CAP: u64 = 10_000;

fn day(text: &str) -> chrono::NaiveDate {
    text.parse().unwrap()
}

fn ask(run: &str, tokens: u64) -> ReserveAsk {
    ReserveAsk {
        run: RunId::new(run),
        playbook: PlaybookName::new("ai-worker"),
        day: day("2026-11-03"),
        tokens,
        cost_micros: None,
        team: DayBudget { tokens: Some(CAP), cost_micros: None },
        own: DayBudget::default(),
        metered: true,
    }
}

fn used(tokens: u64) -> Usage {
    Usage { tokens_in: tokens, ..Usage::default() }
}

fn ended(run: &Run, state: RunState, usage: Usage) -> Run {
    Run { state, usage, ended: Some(at(9)), reason: Some(Reason::Done), ..run.clone() }
}

async fn sums(ledger: &Ledger) -> (u64, u64) {
    let team = ledger.spent(None, day("2026-11-03")).await.unwrap();
    let own = ledger.spent(Some(&PlaybookName::new("ai-worker")), day("2026-11-03")).await.unwrap();
    assert_eq!(team, own, "one playbook is all there is");
    (team.spent.tokens, team.reserved.tokens)
}

async fn of_two_hundred_runs_at_once_no_more_begin_than_the_day_lasts_for(f: Fixture) {
    // Two daemons over one store; each run may use 1,000 and makes calls of 300 until it has.
    const EACH: u64 = 1_000;
    const CALL: u64 = 300;
    let ledgers = [Arc::new(ledger(&f, "one/l")), Arc::new(ledger(&f, "two/l"))];
    let (spent, begun) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let runs = (0..200_usize).map(|n| {
        let ledger = Arc::clone(&ledgers[n % 2]);
        let (spent, begun) = (Arc::clone(&spent), Arc::clone(&begun));
        async move {
            let run = a_run(&format!("r-{n}"), "ai-worker", 1);
            let Ok(_) = ledger.reserve(&ask(run.id.as_str(), EACH)).await.unwrap() else { return };
            begun.fetch_add(1, Ordering::SeqCst);
            ledger.start_run(&run, "text").await.unwrap();
            let mut own = 0;
            while own < EACH {
                own += CALL;
                spent.fetch_add(CALL, Ordering::SeqCst);
                ledger.meter(&run.id, used(CALL)).await.unwrap();
                let day = ledger.spent(None, day("2026-11-03")).await.unwrap();
                assert!(day.spent.tokens + day.reserved.tokens <= CAP + 200 * CALL);
            }
            ledger.finish_run(&ended(&run, RunState::Succeeded, used(own)), vec![]).await.unwrap();
        }
    });
    at_once(runs).await;
    let (spent, begun) = (spent.load(Ordering::SeqCst), begun.load(Ordering::SeqCst));
    assert!((CAP / (EACH + CALL)..=CAP / EACH).contains(&begun), "{begun} began");
    // Each run overshoots its own limit by less than one call.
    assert!(spent <= CAP + begun * CALL, "{spent}");
    assert_eq!(sums(&ledgers[0]).await, (spent, 0));
    let more = ledgers[1].reserve(&ask("r-late", EACH)).await.unwrap();
    assert!(more.unwrap_err().contains("are left for 2026-11-03"));
}

async fn what_was_set_aside_is_settled_once_with_the_end_of_the_run(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let run = a_run("r-1", "ai-worker", 1);
    for _ in 0..2 {
        let amount = ledger.reserve(&ask("r-1", 4_000)).await.unwrap().unwrap();
        assert_eq!(amount, Amount { tokens: 4_000, cost_micros: 0 });
    }
    assert_eq!(sums(&ledger).await, (0, 4_000));
    ledger.start_run(&run, "text").await.unwrap();
    let end = ended(&run, RunState::Succeeded, used(700));
    for _ in 0..2 {
        ledger.finish_run(&end, vec![]).await.unwrap();
        assert_eq!(sums(&ledger).await, (700, 0));
    }
    // One that did not begin after all leaves nothing.
    ledger.reserve(&ask("r-2", 4_000)).await.unwrap().unwrap();
    for _ in 0..2 {
        ledger.give_back_budget(&RunId::new("r-2")).await.unwrap();
        assert_eq!(sums(&ledger).await, (700, 0));
    }
}

async fn a_run_that_was_broken_off_has_used_what_was_noted_and_a_program_all_it_might(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for (id, metered) in [("r-1", true), ("r-2", false)] {
        let run = a_run(id, "ai-worker", 1);
        let ask = ReserveAsk { metered, ..ask(id, 4_000) };
        ledger.reserve(&ask).await.unwrap().unwrap();
        ledger.start_run(&run, "text").await.unwrap();
        if metered {
            ledger.meter(&run.id, used(300)).await.unwrap();
        }
        let end = ended(&run, RunState::Interrupted, Usage::default());
        ledger.finish_run(&end, vec![]).await.unwrap();
    }
    assert_eq!(sums(&ledger).await, (4_300, 0));
}

async fn a_programs_own_word_counts_within_reason(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for (id, said, reason) in [
        ("r-1", 6_000, Reason::Done),
        ("r-2", u64::MAX, Reason::Done),
        ("r-3", 0, Reason::CommandFailed),
        ("r-4", 0, Reason::WorkspaceBusy),
    ] {
        let run = a_run(id, "ai-worker", 1);
        let ask = ReserveAsk { metered: false, team: DayBudget::default(), ..ask(id, 4_000) };
        ledger.reserve(&ask).await.unwrap().unwrap();
        ledger.start_run(&run, "text").await.unwrap();
        let state = if reason == Reason::Done { RunState::Succeeded } else { RunState::Failed };
        let end = Run { reason: Some(reason), ..ended(&run, state, used(said)) };
        ledger.finish_run(&end, vec![]).await.unwrap();
    }
    // What it said; ten times what was set aside; all that was set aside; nothing was begun.
    assert_eq!(sums(&ledger).await, (6_000 + 40_000 + 4_000, 0));
}

async fn what_an_earlier_life_set_aside_for_runs_that_never_began_is_given_back(f: Fixture) {
    let earlier = ledger(&f, "d/1");
    earlier.reserve(&ask("r-never", 4_000)).await.unwrap().unwrap();
    earlier.reserve(&ask("r-begun", 1_000)).await.unwrap().unwrap();
    earlier.start_run(&a_run("r-begun", "ai-worker", 1), "text").await.unwrap();
    ledger(&f, "other/1").reserve(&ask("r-others", 2_000)).await.unwrap().unwrap();
    assert_eq!(earlier.give_back_left_over().await.unwrap(), 0, "this life's own");
    let next = ledger(&f, "d/2");
    assert_eq!(next.give_back_left_over().await.unwrap(), 1);
    assert_eq!(sums(&next).await, (0, 3_000), "the others are still under way");
}

async fn a_new_day_begins_anew(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let money = DayBudget { tokens: None, cost_micros: Some(2_000_000) };
    let of = |run: &str, on: &str, cost_micros| ReserveAsk {
        day: day(on),
        cost_micros,
        team: DayBudget::default(),
        own: money,
        ..ask(run, 400_000)
    };
    // One without a limit of its own gets what is left, and nobody else anything beside it.
    let first = ledger.reserve(&of("r-1", "2026-11-03", None)).await.unwrap().unwrap();
    assert_eq!(first.cost_micros, 2_000_000);
    for cost in [None, Some(1)] {
        let why = ledger.no_budget(&of("r-2", "2026-11-03", cost)).await.unwrap().unwrap();
        assert!(why.contains("0.00 is left"), "{why}");
    }
    assert_eq!(ledger.no_budget(&of("r-2", "2026-11-04", Some(2_000_000))).await.unwrap(), None);
    let other =
        ReserveAsk { playbook: PlaybookName::new("other"), ..of("r-3", "2026-11-03", None) };
    assert!(ledger.reserve(&other).await.unwrap().is_ok(), "another playbook has its own");
}

async fn the_chain_of_runs_names_the_one_whose_records_were_changed(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for n in 1..=3 {
        let run = a_run(&format!("r-{n}"), "ai-worker", n);
        ledger.start_run(&run, "text").await.unwrap();
        let effect = Effect {
            mark: Mark { run: run.id.clone(), seq: 1 },
            actor: EffectActor::Agent,
            tool: "addComment".into(),
            bulk: None,
            args: Value::map([("text", format!("number {n}"))]),
            claimed: run.task,
            fence: None,
            intended: at(n),
            result: None,
        };
        ledger.intend(&effect, None).await.unwrap();
        if n != 3 {
            ledger.conclude(&effect.mark, EffectResult::Recorded, vec![]).await.unwrap();
        }
        ledger.finish_run(&ended(&run, RunState::Succeeded, used(5)), vec![]).await.unwrap();
    }
    let whole = AuditVerdict::Intact { entries: 3 };
    assert_eq!(ledger.verify().await.unwrap(), whole);
    // What becomes known later was not known when the run ended: that is no change.
    let late = Mark { run: RunId::new("r-3"), seq: 1 };
    let failed = EffectResult::Failed { code: "interrupted".into(), message: String::new() };
    ledger.conclude(&late, failed, vec![]).await.unwrap();
    assert_eq!(ledger.verify().await.unwrap(), whole);
    let forge = |key: String, from: &'static str, to: &'static str| {
        let f = &f;
        async move {
            let old = f.store.get(&key).await.unwrap().unwrap().value;
            let text = String::from_utf8(old.clone()).unwrap();
            assert!(text.contains(from), "{key}: {text}");
            f.store.commit(Batch::new().put(key.clone(), text.replace(from, to))).await.unwrap();
            (key, old)
        }
    };
    let effect = f.store.scan("effect/r-2/", None, 1).await.unwrap().remove(0).key;
    let entry = f.store.scan("ending/", None, 1).await.unwrap().remove(0).key;
    for (key, from, to, at_link, whose) in [
        ("run/r-2".to_owned(), "\"succeeded\"", "\"failed\"", 2, "run r-2"),
        (effect.clone(), "number 2", "number 7", 2, "run r-2"),
        (entry, "ai-worker", "somebody", 1, "the chain of runs"),
    ] {
        let (key, old) = forge(key, from, to).await;
        match ledger.verify().await.unwrap() {
            AuditVerdict::Broken { at, of, .. } => {
                assert_eq!((at, of.as_str()), (at_link, whose), "{key}");
            }
            verdict => panic!("{key}: {verdict:?}"),
        }
        f.store.commit(Batch::new().put(key, old)).await.unwrap();
        assert_eq!(ledger.verify().await.unwrap(), whole);
    }
    // An effect that is gone is missed, too.
    f.store.commit(Batch::new().delete(effect)).await.unwrap();
    assert!(matches!(ledger.verify().await.unwrap(), AuditVerdict::Broken { at: 2, .. }));
}

async fn a_sum_that_a_newer_rota_wrote_keeps_no_run_from_ending(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let run = a_run("r-1", "ai-worker", 1);
    ledger.reserve(&ask("r-1", 900)).await.unwrap().unwrap();
    ledger.start_run(&run, "text").await.unwrap();
    let (key, newer) = ("spent/2026-11-03", r#"{"rota":2,"spent":"much"}"#);
    f.store.commit(Batch::new().put(key, newer)).await.unwrap();
    ledger.finish_run(&ended(&run, RunState::Succeeded, used(300)), vec![]).await.unwrap();
    assert_eq!(f.store.get(key).await.unwrap().unwrap().value, newer.as_bytes());
    assert!(f.store.scan("reservation/", None, 9).await.unwrap().is_empty());
    // The playbook's own sum, which can be read, is settled.
    let own = ledger.spent(Some(&run.playbook), day("2026-11-03")).await.unwrap();
    assert_eq!((own.spent.tokens, own.reserved.tokens), (300, 0));
}
