//! A year of work leaves a store of bounded size: what is old is forgotten, what counts is kept.

use super::{
    Fixture, a_notice, a_run, an_occurrence, ask, at, ledger, on_both_stores, queued, taken,
};
use rota::domain::{
    Author, CommentId, Decision, Effect, EffectActor, EffectResult, Entity, Fitness,
    FitnessVerdict, Mark, OccurrenceState, Phase, PlaybookName, Reason, Rounds, RunId, RunState,
    StatusId, TaskId, Timestamp, Value, Verdict,
};
use rota::ledger::{Acquire, AuditVerdict, Ledger, LedgerError, LogLine, PROMPT, RunFilter};
use rota::store::Batch;
use std::time::Duration;

on_both_stores! {
    a_run_is_gone_with_all_its_rows_however_small_the_steps
    what_is_held_open_or_untold_is_kept_however_old
    the_latest_occurrences_of_each_playbook_are_kept
    rows_of_a_run_that_are_a_newer_rotas_hold_pruning_up_for_nothing
    how_far_a_review_had_come_is_written_with_the_end_of_its_run_and_goes_in_time
}

const DAY: i64 = 86_400;
const KEEP: i64 = 90;

fn pb() -> PlaybookName {
    PlaybookName::new("p")
}

fn before(day: i64) -> Timestamp {
    at((day - KEEP) * DAY)
}

async fn prune_all(ledger: &Ledger, before: Timestamp, rows: usize) {
    let mut through = 0;
    // Twice: what is forgotten in one round is cleared away in the next.
    while through < 2 {
        through += u32::from(ledger.prune(before, rows).await.unwrap().is_through);
    }
}

fn an_effect(run: &str, second: i64) -> Effect {
    Effect {
        mark: Mark { run: RunId::new(run), seq: 1 },
        actor: EffectActor::Agent,
        tool: "addComment".into(),
        bulk: None,
        args: Value::Null,
        claimed: None,
        fence: None,
        intended: at(second),
        result: None,
    }
}

/// One run about a task, from beginning to end, with everything that belongs to it.
async fn work(ledger: &Ledger, id: &str, task: i64, second: i64) {
    let mut run = a_run(id, "p", second);
    run.task = Some(TaskId(task));
    run.definition = format!("definition of {}", second / DAY);
    ledger.start_run(&run, &"source ".repeat(2_000)).await.unwrap();
    let line = |text: String| LogLine::new(at(second), "note", text);
    let lines: Vec<_> = (0..5).map(|n| line(format!("line {n}"))).collect();
    ledger.log(&run.id, &lines).await.unwrap();
    let told = LogLine::new(at(second), PROMPT, "x".repeat(20_000));
    ledger.log(&run.id, &[told]).await.unwrap();
    let effect = an_effect(id, second);
    ledger.intend(&effect, Some((pb(), format!("once {id}")))).await.unwrap();
    let (before, after) = (Value::Null, Value::Null);
    let entity = Entity::Task(TaskId(task));
    let result = EffectResult::Done { entity, before, after, inverse: None, at: at(second) };
    ledger.conclude(&effect.mark, result, vec![]).await.unwrap();
    (run.state, run.ended) = (RunState::Succeeded, Some(at(second + 60)));
    let key = format!("notice of {id}");
    ledger.finish_run(&run, vec![a_notice(&key, second)]).await.unwrap();
    ledger.notice_sent(&key, &taken(second + 61)).await.unwrap();
}

async fn a_day(ledger: &Ledger, f: &Fixture, day: i64) {
    let second = day * DAY;
    f.clock.step_wall(at(second));
    let mut occurrence = an_occurrence("p", second);
    occurrence.state = OccurrenceState::Skipped { reason: Reason::Paused };
    let last = (day > 0).then(|| at(second - DAY));
    ledger.record_occurrences(&pb(), at(second), last, vec![occurrence]).await.unwrap();
    work(ledger, &format!("r-{day}"), day, second).await;
    let (task, detail) = (Some(TaskId(day)), String::new());
    let reason = Reason::Done;
    let decision = Decision { playbook: pb(), task, reason, detail, run: None, at: at(second) };
    ledger.decide(decision).await.unwrap();
    if day % 30 == 0 {
        ledger.arm(&pb(), &format!("rights of day {day}"), "ada").await.unwrap();
    }
}

/// Rows by the first segment of their key.
async fn rows(f: &Fixture) -> std::collections::BTreeMap<String, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for row in f.store.scan("", None, 1_000_000).await.unwrap() {
        *counts.entry(row.key.split('/').next().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn a_year_leaves_no_more_than_what_is_kept() {
    let f = super::memory();
    let ledger = ledger(&f, "d/one");
    let mut after_half = None;
    for day in 0..365 {
        a_day(&ledger, &f, day).await;
        prune_all(&ledger, before(day), 200).await;
        if day == 182 {
            after_half = Some(rows(&f).await);
        }
    }
    let (mut half, mut year) = (after_half.unwrap(), rows(&f).await);
    // A promise of two years, and the chain, which is whole or nothing.
    for kept in ["audit", "once", "once-taken"] {
        half.remove(kept);
        year.remove(kept);
    }
    assert_eq!(year, half);
    let runs = ledger.runs(&RunFilter::default(), 1_000).await.unwrap();
    assert_eq!(runs.len(), 91);
    for day in 276..365 {
        let run = ledger.run(&format!("r-{day}")).await.unwrap().unwrap();
        assert_eq!(ledger.effects(&run.id).await.unwrap().len(), 1, "day {day}");
        assert_eq!(ledger.transcript(&run.id, 0, 100).await.unwrap().len(), 6, "day {day}");
        assert!(ledger.definition(&run.definition).await.unwrap().is_some(), "day {day}");
        let about = ledger.decisions_about_task(TaskId(day), None).await.unwrap();
        assert_eq!(about.len(), 1, "day {day}");
    }
    // 13 acts of people, and the runs that are kept.
    let whole = AuditVerdict::Intact { entries: 13 + 91 };
    assert_eq!(ledger.verify().await.unwrap(), whole);
    assert_eq!(ledger.watermark(&pb()).await.unwrap(), Some(at(364 * DAY)));
    let again = an_effect("r-new", 364 * DAY);
    let again = ledger.intend(&again, Some((pb(), "once r-0".into()))).await;
    assert!(matches!(again, Err(LedgerError::AlreadyDone { .. })), "it was done twice");
    // After two more years that promise is over, too.
    f.clock.step_wall(at((365 + 800) * DAY));
    prune_all(&ledger, before(365 + 800), 200).await;
    let left = rows(&f).await;
    for gone in ["once", "once-taken", "run", "definition", "notice", "effect", "part", "log"] {
        assert_eq!(left.get(gone), None, "{gone}: {left:?}");
    }
}

async fn a_run_is_gone_with_all_its_rows_however_small_the_steps(f: Fixture) {
    let ledger = ledger(&f, "d/one");
    work(&ledger, "r-1", 1, 0).await;
    let mut steps = 0;
    // The chain of runs keeps where it begins and where it ends.
    let is_kept = |key: &String| key.starts_with("once") || key.starts_with("ending-");
    while !rows(&f).await.keys().all(is_kept) {
        ledger.prune(before(200), 1).await.unwrap();
        let is_listed = ledger.run("r-1").await.unwrap().is_some();
        let run = RunId::new("r-1");
        let effects = ledger.effects(&run).await.unwrap().len();
        assert!(!is_listed || effects == 1, "a run is seen without its effects");
        steps += 1;
        assert!(steps < 500, "{:?}", rows(&f).await);
    }
}

async fn what_is_held_open_or_untold_is_kept_however_old(f: Fixture) {
    let ledger = ledger(&f, "d/one");
    // Held: an ended run and one under way at the same task.
    work(&ledger, "r-earlier", 7, 0).await;
    let asked = Acquire { task: TaskId(7), ..ask("r-held") };
    let mut held = ledger.acquire(asked).await.unwrap();
    ledger.advance(&mut held, Phase::Working, None, None).await.unwrap();
    let mut run = a_run("r-held", "p", 10);
    run.task = Some(TaskId(7));
    ledger.start_run(&run, "source").await.unwrap();
    // Of an open occurrence.
    ledger.put_occurrence(&an_occurrence("p", 20)).await.unwrap();
    let mut run = a_run("r-open", "p", 20);
    (run.task, run.occurrence) = (None, an_occurrence("p", 20).id);
    ledger.start_run(&run, "source").await.unwrap();
    (run.state, run.ended) = (RunState::Succeeded, Some(at(30)));
    ledger.finish_run(&run, vec![]).await.unwrap();
    // Not told yet.
    ledger.enqueue(vec![a_notice("untold", 1)]).await.unwrap();
    f.clock.step_wall(at(400 * DAY));
    prune_all(&ledger, before(400), 50).await;
    for run in ["r-earlier", "r-held", "r-open"] {
        assert!(ledger.run(run).await.unwrap().is_some(), "{run} is gone");
    }
    assert_eq!(ledger.open_occurrences().await.unwrap().len(), 1);
    assert_eq!(queued(&ledger).await.len(), 1);
    assert_eq!(ledger.claim(TaskId(7)).await.unwrap().unwrap().fence, held.claim.fence);
    assert!(ledger.definition("hash").await.unwrap().is_some());
}

async fn the_latest_occurrences_of_each_playbook_are_kept(f: Fixture) {
    let ledger = ledger(&f, "d/one");
    for playbook in ["p", "p0", "p-x", "q"] {
        for n in 0..25 {
            let mut occurrence = an_occurrence(playbook, n);
            occurrence.state = OccurrenceState::Skipped { reason: Reason::Paused };
            ledger.put_occurrence(&occurrence).await.unwrap();
        }
    }
    f.clock.advance(Duration::from_secs(1));
    prune_all(&ledger, before(400), 7).await;
    for playbook in ["p", "p0", "p-x", "q"] {
        let kept = ledger.occurrences(&PlaybookName::new(playbook), 100).await.unwrap();
        assert_eq!(kept.len(), 10, "{playbook}");
        assert_eq!(kept[0].planned, at(24), "{playbook}");
    }
}

async fn how_far_a_review_had_come_is_written_with_the_end_of_its_run_and_goes_in_time(f: Fixture) {
    let ledger = ledger(&f, "d/one");
    for (task, second) in [(1, 0), (2, 200 * DAY)] {
        let mut run = a_run(&format!("r-{task}"), "p", second);
        run.task = Some(TaskId(task));
        ledger.start_run(&run, "source").await.unwrap();
        let rounds = Rounds {
            task: TaskId(task),
            round: 1,
            reviewer: pb(),
            run: run.id.clone(),
            verdict: Verdict::ChangesRequested,
            is_over: false,
            author: Author::default(),
            status: StatusId(3),
            findings: Vec::new(),
            numbered: 0,
            commit: None,
            pushed: None,
            source: None,
            heard: CommentId(0),
            at: at(second),
        };
        assert!(ledger.finish_with(&run, vec![], (None, Some(&rounds))).await.is_err(), "it runs");
        assert_eq!(ledger.rounds(TaskId(task)).await.unwrap(), None);
        (run.state, run.ended) = (RunState::Succeeded, Some(at(second + 60)));
        for _ in 0..2 {
            ledger.finish_with(&run, vec![], (None, Some(&rounds))).await.unwrap();
        }
        assert_eq!(ledger.rounds(TaskId(task)).await.unwrap(), Some(rounds));
        let said = Fitness {
            task: TaskId(task),
            revision: 1,
            rubric: String::new(),
            verdict: FitnessVerdict::Suitable,
            at: at(second),
        };
        ledger.note_fitness(&pb(), &said).await.unwrap();
    }
    assert_eq!(ledger.open_rounds().await.unwrap().len(), 2);
    prune_all(&ledger, before(200), 7).await;
    let open: Vec<TaskId> =
        ledger.open_rounds().await.unwrap().into_iter().map(|rounds| rounds.task).collect();
    assert_eq!(open, [TaskId(2)]);
    assert_eq!(ledger.rounds(TaskId(1)).await.unwrap(), None);
    assert_eq!(ledger.fitness(&pb(), TaskId(1)).await.unwrap(), None);
    assert!(ledger.fitness(&pb(), TaskId(2)).await.unwrap().is_some());
    ledger.forget_rounds(TaskId(2), &RunId::new("another")).await.unwrap();
    assert_eq!(ledger.open_rounds().await.unwrap().len(), 1);
    ledger.forget_rounds(TaskId(2), &RunId::new("r-2")).await.unwrap();
    assert!(ledger.open_rounds().await.unwrap().is_empty());
}

async fn rows_of_a_run_that_are_a_newer_rotas_hold_pruning_up_for_nothing(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut run = a_run("r-1", "p", 1);
    ledger.start_run(&run, "text").await.unwrap();
    let line = |number: i32| LogLine::new(at(1), "note", format!("line {number}"));
    let lines: Vec<_> = (0..250).map(line).collect();
    ledger.log(&run.id, &lines).await.unwrap();
    (run.state, run.ended) = (RunState::Succeeded, Some(at(2)));
    ledger.finish_run(&run, vec![]).await.unwrap();
    let rows = f.store.scan("log/r-1/", None, 1_000).await.unwrap();
    assert_eq!(rows.len(), 250);
    for row in rows.iter().take(240) {
        f.store.commit(Batch::new().put(row.key.as_str(), r#"{"rota":2}"#)).await.unwrap();
    }
    // More of them than a step may look at.
    let (mut through, mut steps) = (0, 0);
    while through < 2 {
        let pruned = ledger.prune(at(100 * DAY), 50).await.unwrap();
        through += u32::from(pruned.is_through);
        steps += 1;
        assert!(steps < 200, "it stands still");
    }
    let left = f.store.scan("log/r-1/", None, 1_000).await.unwrap();
    assert_eq!(left.len(), 240, "what a newer Rota wrote, and nothing else");
    assert!(f.store.scan("forgotten/", None, 9).await.unwrap().is_empty());
}
