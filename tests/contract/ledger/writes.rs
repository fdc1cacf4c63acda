//! A run's writes as whoever looks at it is told them: all that can be read, whatever a newer Rota wrote
//! between them, and each is read once.

use super::newer::newer;
use super::newer_told::comment;
use super::{Fixture, a_run, ledger, ledger_over, memory, on_both_stores};
use crate::support::house::{House, json};
use crate::support::tallied::Tallied;
use rota::clock::Clock;
use rota::domain::{Run, Value};
use rota::ledger::Ledger;
use rota::store::{Batch, Store};
use rota::tools::desk::{LinesAsk, RecordAsk, Records, WritesAsk};
use rota::tools::{Parts, ToolRegistry};
use std::ops::RangeInclusive;
use std::sync::Arc;

on_both_stores! {
    writes_that_only_a_newer_rota_can_read_hide_none_that_come_after_them
}

/// So many writes are read at a time.
const PAGE: u32 = 64;

/// The run makes the writes of these numbers.
async fn wrote(ledger: &Ledger, run: &Run, numbers: RangeInclusive<u32>) {
    for number in numbers {
        ledger.intend(&comment(run, number), None).await.unwrap();
    }
}

/// A newer Rota makes them.
async fn wrote_newer(store: &dyn Store, run: &Run, numbers: RangeInclusive<u32>) {
    let key = |number: u32| format!("effect/{}/{number:020}", run.id);
    let planted = numbers.fold(Batch::new(), |batch, number| batch.put(key(number), newer()));
    store.commit(planted).await.unwrap();
}

async fn writes_that_only_a_newer_rota_can_read_hide_none_that_come_after_them(f: Fixture) {
    let one = ledger(&f, "d/1");
    let lines = LinesAsk { most: 1, before: None };
    let ask = RecordAsk { lines, writes: WritesAsk { most: 99, before: None } };
    for (before, between, after) in [
        (0, 1, 1),
        (0, PAGE, 2),
        (1, PAGE - 1, 1),
        (0, 2 * PAGE, 1),
        (2, 3 * PAGE + 5, 3),
        (3, PAGE, 0),
        (0, PAGE, 0),
    ] {
        let case = format!("{before}-{between}-{after}");
        let run = a_run(&format!("r-{case}"), "ai-worker", 1);
        one.start_run(&run, "text").await.unwrap();
        let (first, last) = (before + between + 1, before + between + after);
        wrote(&one, &run, 1..=before).await;
        wrote_newer(f.store.as_ref(), &run, before + 1..=before + between).await;
        wrote(&one, &run, first..=last).await;
        let expected: Vec<u32> = (1..=before).chain(first..=last).collect();
        let (effects, has_newer) = one.effects_and_newer(&run.id).await.unwrap();
        let read: Vec<u32> = effects.iter().map(|effect| effect.mark.seq).collect();
        assert_eq!((&read, has_newer), (&expected, true), "{case}");
        let told = Records::run(&one, &run.id, ask).await.unwrap().unwrap();
        let number = |effect: &Value| effect.get("mark")?.get("seq")?.as_int();
        let shown: Vec<i64> = told.effects.iter().filter_map(number).collect();
        let expected: Vec<i64> = expected.into_iter().map(i64::from).collect();
        assert_eq!((shown, told.has_newer_writes), (expected, true), "{case}");
    }
}

#[tokio::test]
async fn whoever_is_shown_a_run_asks_the_store_for_its_writes_once_a_page() {
    let (f, house) = (memory(), House::build().await);
    let tally = Tallied::new(&f.store);
    let clock = Arc::clone(&f.clock) as Arc<dyn Clock>;
    let ledger = Arc::new(ledger_over(Arc::clone(&tally) as _, Arc::clone(&clock), "d/1", 0));
    let tools = ToolRegistry::new(Parts::new(house.board.clone(), ledger.clone(), clock));
    tools.set_records(ledger.clone());
    let ada = house.person("Ada").await;
    // After a full page it is asked whether there are more.
    for (own, others, pages) in [
        (0, 0, 1),
        (5, 0, 1),
        (PAGE - 1, 0, 1),
        (PAGE, 0, 2),
        (2 * PAGE + 1, 0, 3),
        (1, 2, 1),
        (1, 2 * PAGE, 3),
    ] {
        let case = format!("{own}-{others}");
        let run = Run { task: Some(house.task), ..a_run(&format!("r-{case}"), "ai-worker", 1) };
        ledger.start_run(&run, "text").await.unwrap();
        wrote(&ledger, &run, 1..=own).await;
        wrote_newer(f.store.as_ref(), &run, own + 1..=own + others).await;
        tally.count("effect/");
        let args = json(&format!(r#"{{"run":"{}"}}"#, run.id));
        let shown = tools.call("showRun", args, &ada).await.unwrap().value;
        let writes = shown.get("writes").and_then(Value::as_int);
        assert_eq!(writes, Some(i64::from(own)), "{case}");
        assert_eq!(shown.get("note").is_some(), others > 0, "{case}");
        let rows = usize::try_from(own + others).unwrap();
        assert_eq!((tally.questions(), tally.rows()), (pages, rows), "{case}");
    }
}
