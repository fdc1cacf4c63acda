//! Occurrences without holes, runs with one outcome, effects with their intent before them (C3).

use super::{
    Fixture, LEASE, TASK, a_notice, a_run, an_occurrence, ask, at, at_once, ledger, on_both_stores,
    placeless,
};
use rota::domain::{
    Cursor, Effect, EffectActor, EffectResult, EndKind, Entity, Fence, Mark, Occurrence,
    OccurrenceId, OccurrenceState, PlaybookName, Reason, Run, RunId, RunState, TaskId, Value,
};
use rota::ledger::{Acquire, LedgerError, LogLine, RunFilter};
use std::sync::Arc;
use std::time::Duration;

on_both_stores! {
    instants_and_watermark_are_recorded_together_and_without_holes
    recording_again_after_a_lost_answer_changes_nothing
    of_two_that_move_a_watermark_one_wins
    an_occurrence_that_has_settled_never_changes
    of_several_that_begin_an_occurrence_one_finds_it_waiting
    open_occurrences_come_earliest_first_and_a_playbooks_newest_first
    an_occurrence_by_hand_needs_no_watermark
    the_boards_cursor_is_remembered
    a_run_has_one_outcome
    a_run_that_a_later_claim_carries_out_is_not_written_under_an_earlier_one
    a_run_whose_claim_was_taken_over_is_not_ended_by_its_old_record
    a_run_that_was_taken_away_by_force_is_still_ended_by_whoever_held_it
    a_runs_notices_are_stored_with_its_outcome
    a_run_is_found_by_the_beginning_of_its_id
    runs_are_listed_newest_first_and_narrowed_by_every_part
    runs_of_a_day_are_counted
    a_definition_is_kept_whole_under_its_hash
    a_transcript_is_appended_in_order_and_read_in_pages
    lines_longer_than_a_row_are_kept_whole
    c3_an_intent_is_there_before_its_result
    c3_an_effect_has_one_result_but_an_unknown_one_may_become_known
    c3_a_mark_is_one_holders_alone
    c3_a_notice_commits_with_the_result_that_caused_it
    what_is_done_once_is_never_done_again
    what_failed_or_was_only_recorded_may_be_done_once_more
}

fn playbook(name: &str) -> PlaybookName {
    PlaybookName::new(name)
}

fn is_conflict<T: std::fmt::Debug>(answer: Result<T, LedgerError>) -> bool {
    match answer {
        Err(LedgerError::Conflict { .. }) => true,
        Err(LedgerError::Store(error)) => panic!("{error:?}"),
        _ => false,
    }
}

async fn instants_and_watermark_are_recorded_together_and_without_holes(f: Fixture) {
    let (ledger, name) = (ledger(&f, "d/l"), playbook("digest"));
    assert_eq!(ledger.watermark(&name).await.unwrap(), None);
    let mut expected = None;
    for step in 0..20 {
        let instants = (step * 10..step * 10 + 10).map(|s| an_occurrence("digest", s));
        let to = at(step * 10 + 9);
        ledger.record_occurrences(&name, to, expected, instants.collect()).await.unwrap();
        assert_eq!(ledger.watermark(&name).await.unwrap(), Some(to));
        expected = Some(to);
    }
    let all = ledger.occurrences(&name, 1_000).await.unwrap();
    let planned: Vec<_> = all.iter().map(|occurrence| occurrence.planned).collect();
    assert_eq!(planned, (0..200).rev().map(at).collect::<Vec<_>>());
    assert_eq!(ledger.open_occurrences().await.unwrap().len(), 200);
    let many = (0..1_001).map(|s| an_occurrence("other", s)).collect();
    let refused = ledger.record_occurrences(&playbook("other"), at(1_001), None, many).await;
    assert!(matches!(refused, Err(LedgerError::TooLarge { .. })));
    assert!(ledger.occurrences(&playbook("other"), 9).await.unwrap().is_empty());
}

async fn recording_again_after_a_lost_answer_changes_nothing(f: Fixture) {
    let (ledger, name) = (ledger(&f, "d/l"), playbook("digest"));
    let instants = vec![an_occurrence("digest", 1), an_occurrence("digest", 2)];
    ledger.record_occurrences(&name, at(2), None, instants.clone()).await.unwrap();
    let settled = OccurrenceState::Skipped { reason: Reason::Paused };
    ledger.set_occurrence_state(&instants[0].id, settled.clone()).await.unwrap();
    ledger.record_occurrences(&name, at(2), None, instants.clone()).await.unwrap();
    let kept = ledger.occurrence(&instants[0].id).await.unwrap().unwrap();
    assert_eq!(kept.state, settled, "recording again undid what had settled");
    assert!(is_conflict(ledger.record_occurrences(&name, at(3), None, Vec::new()).await));
    assert!(is_conflict(ledger.record_occurrences(&name, at(1), Some(at(2)), Vec::new()).await));
    let other = Occurrence { planned: at(77), ..instants[1].clone() };
    assert!(is_conflict(ledger.record_occurrences(&name, at(3), Some(at(2)), vec![other]).await));
    assert_eq!(ledger.watermark(&name).await.unwrap(), Some(at(2)));
}

async fn of_two_that_move_a_watermark_one_wins(f: Fixture) {
    let (one, two) = (ledger(&f, "d/l"), ledger(&f, "e/l"));
    let name = playbook("digest");
    for round in 0..20 {
        let from = (round > 0).then(|| at(round * 10));
        let (a, b) =
            (an_occurrence("digest", round * 10 + 1), an_occurrence("digest", round * 10 + 2));
        let to = at(round * 10 + 10);
        let late = at(round * 10 + 9);
        let (first, second) = tokio::join!(
            one.record_occurrences(&name, to, from, vec![a.clone()]),
            two.record_occurrences(&name, late, from, vec![b.clone()])
        );
        assert!(first.is_ok() != second.is_ok());
        let (there, absent) = if first.is_ok() { (a, b) } else { (b, a) };
        assert!(one.occurrence(&there.id).await.unwrap().is_some());
        assert_eq!(one.occurrence(&absent.id).await.unwrap(), None);
        if second.is_ok() {
            one.record_occurrences(&name, to, Some(late), Vec::new()).await.unwrap();
        }
    }
}

async fn an_occurrence_that_has_settled_never_changes(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let occurrence = an_occurrence("digest", 1);
    ledger.put_occurrence(&occurrence).await.unwrap();
    let id = &occurrence.id;
    ledger.set_occurrence_state(id, OccurrenceState::Running).await.unwrap();
    let runs = vec![RunId::new("r-1")];
    let ran = OccurrenceState::Ran { runs, reason: Reason::Done, at: at(5) };
    ledger.set_occurrence_state(id, ran.clone()).await.unwrap();
    ledger.set_occurrence_state(id, ran.clone()).await.unwrap();
    for other in [
        OccurrenceState::Queued,
        OccurrenceState::Running,
        OccurrenceState::Skipped { reason: Reason::TooLate },
        OccurrenceState::Ran { runs: Vec::new(), reason: Reason::Done, at: at(5) },
    ] {
        assert!(is_conflict(ledger.set_occurrence_state(id, other).await));
    }
    assert_eq!(ledger.occurrence(id).await.unwrap().unwrap().state, ran);
    assert!(ledger.open_occurrences().await.unwrap().is_empty());
    let unknown = an_occurrence("digest", 2).id;
    let refused = ledger.set_occurrence_state(&unknown, OccurrenceState::Running).await;
    assert!(matches!(refused, Err(LedgerError::NotFound { .. })));
}

async fn open_occurrences_come_earliest_first_and_a_playbooks_newest_first(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for (name, second) in [("b", 5), ("a", 9), ("b", 1), ("a", 3), ("a/b", 4)] {
        ledger.put_occurrence(&an_occurrence(name, second)).await.unwrap();
    }
    let open = ledger.open_occurrences().await.unwrap();
    let seconds: Vec<_> = open.iter().map(|o| o.planned).collect();
    assert_eq!(seconds, [1, 3, 4, 5, 9].map(at));
    let of_a = ledger.occurrences(&playbook("a"), 9).await.unwrap();
    assert_eq!(of_a.iter().map(|o| o.planned).collect::<Vec<_>>(), [9, 3].map(at));
    assert_eq!(ledger.occurrences(&playbook("a"), 1).await.unwrap().len(), 1);
}

async fn an_occurrence_by_hand_needs_no_watermark(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let occurrence = an_occurrence("digest", 1);
    ledger.put_occurrence(&occurrence).await.unwrap();
    ledger.put_occurrence(&occurrence).await.unwrap();
    assert_eq!(ledger.watermark(&occurrence.playbook).await.unwrap(), None);
    let other = Occurrence { planned: at(9), ..occurrence };
    assert!(is_conflict(ledger.put_occurrence(&other).await));
}

async fn the_boards_cursor_is_remembered(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    assert_eq!(ledger.board_cursor().await.unwrap(), None);
    let [seven, eight, nine] = ["7", "8", "9"].map(|text| Cursor(text.into()));
    // Whoever has heard less, and is late, does not move it back.
    for (from, to, moves) in
        [(None, &seven, true), (Some(&seven), &nine, true), (Some(&seven), &eight, false)]
    {
        assert_eq!(ledger.move_board_cursor(from, to).await.unwrap(), moves);
    }
    assert_eq!(ledger.board_cursor().await.unwrap(), Some(nine));
}

fn ended(run: &Run, state: RunState) -> Run {
    Run { state, ended: Some(at(500)), reason: Some(Reason::Done), ..run.clone() }
}

async fn of_several_that_begin_an_occurrence_one_finds_it_waiting(f: Fixture) {
    let ledger = Arc::new(ledger(&f, "d/l"));
    let queued = an_occurrence("p", 1);
    ledger.put_occurrence(&queued).await.unwrap();
    let begin = || {
        let (ledger, id) = (Arc::clone(&ledger), queued.id.clone());
        async move { ledger.begin_occurrence(&id).await.unwrap() }
    };
    let found = at_once((0..8).map(|_| begin())).await;
    let waiting = found.iter().filter(|state| **state == OccurrenceState::Queued).count();
    assert_eq!(waiting, 1, "{found:?}");
    assert_eq!(begin().await, OccurrenceState::Running);
    let skipped = OccurrenceState::Skipped { reason: Reason::Overlap };
    ledger.set_occurrence_state(&queued.id, skipped.clone()).await.unwrap();
    assert_eq!(begin().await, skipped);
    let unknown = ledger.begin_occurrence(&OccurrenceId::new("p/none")).await;
    assert!(matches!(unknown, Err(LedgerError::NotFound { .. })));
}

async fn a_run_has_one_outcome(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let run = a_run("r-1", "ai-worker", 1);
    ledger.start_run(&run, "source").await.unwrap();
    ledger.start_run(&run, "source").await.unwrap();
    assert!(is_conflict(ledger.start_run(&a_run("r-1", "other", 1), "source").await));
    let waiting = Run { state: RunState::Waiting, ..run.clone() };
    ledger.update_run(&waiting).await.unwrap();
    assert!(ledger.running().await.unwrap().is_empty());
    ledger.update_run(&run).await.unwrap();
    assert_eq!(ledger.running().await.unwrap(), std::slice::from_ref(&run));
    let done = ended(&run, RunState::Succeeded);
    assert!(is_conflict(ledger.update_run(&done).await), "an update ended it");
    assert!(is_conflict(ledger.finish_run(&run, Vec::new()).await), "it has not ended");
    ledger.finish_run(&done, Vec::new()).await.unwrap();
    ledger.finish_run(&done, Vec::new()).await.unwrap();
    assert!(is_conflict(ledger.finish_run(&ended(&run, RunState::Failed), Vec::new()).await));
    assert!(is_conflict(ledger.update_run(&run).await));
    assert!(ledger.running().await.unwrap().is_empty());
    assert_eq!(ledger.run("r-1").await.unwrap(), Some(done));
    let unknown = ended(&a_run("r-9", "ai-worker", 1), RunState::Failed);
    let refused = ledger.finish_run(&unknown, Vec::new()).await;
    assert!(matches!(refused, Err(LedgerError::NotFound { .. })));
}

async fn a_run_that_a_later_claim_carries_out_is_not_written_under_an_earlier_one(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let under = |fence| Run { fence: Some(Fence(fence)), ..a_run("r-1", "ai-worker", 1) };
    ledger.start_run(&under(1), "source").await.unwrap();
    ledger.update_run(&under(2)).await.unwrap();
    assert!(is_conflict(ledger.update_run(&under(1)).await));
    let lost = ended(&under(1), RunState::ClaimLost);
    assert!(is_conflict(ledger.finish_run(&lost, Vec::new()).await));
    assert_eq!(ledger.run("r-1").await.unwrap(), Some(under(2)));
    ledger.finish_run(&ended(&under(2), RunState::Succeeded), Vec::new()).await.unwrap();
}

async fn a_run_whose_claim_was_taken_over_is_not_ended_by_its_old_record(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let first = ledger.acquire(ask("r-1")).await.unwrap();
    let run = Run { fence: Some(first.claim.fence), ..a_run("r-1", "ai-worker", 1) };
    ledger.start_run(&run, "source").await.unwrap();
    f.clock.advance(LEASE + Duration::from_millis(1));
    assert_eq!(ledger.expire().await.unwrap().len(), 1);
    // Somebody takes the run over, and has not yet written so into its record.
    let resume = Some(first.claim.fence);
    let again = Acquire { resume, nonce: "another nonce".into(), ..ask("r-1") };
    let mut held = ledger.acquire(again).await.unwrap();
    let broken_off = ended(&run, RunState::Interrupted);
    assert!(is_conflict(ledger.finish_run(&broken_off, Vec::new()).await));
    assert_eq!(ledger.run("r-1").await.unwrap(), Some(run.clone()));
    let taken_over = Run { fence: Some(held.claim.fence), ..run };
    ledger.update_run(&taken_over).await.unwrap();
    ledger.end(&mut held, EndKind::Released, Reason::HandedOver).await.unwrap();
    ledger.finish_run(&ended(&taken_over, RunState::Succeeded), Vec::new()).await.unwrap();
}

async fn a_run_that_was_taken_away_by_force_is_still_ended_by_whoever_held_it(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let held = ledger.acquire(ask("r-1")).await.unwrap();
    let run = Run { fence: Some(held.claim.fence), ..a_run("r-1", "ai-worker", 1) };
    ledger.start_run(&run, "source").await.unwrap();
    ledger.revoke(TASK, "it hangs", "Ada").await.unwrap();
    ledger.finish_run(&ended(&run, RunState::ClaimLost), Vec::new()).await.unwrap();
}

async fn a_runs_notices_are_stored_with_its_outcome(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let run = a_run("r-1", "ai-worker", 1);
    ledger.start_run(&run, "source").await.unwrap();
    let notices = vec![a_notice("a", 1), a_notice("b", 2), a_notice("a", 3)];
    let done = ended(&run, RunState::Succeeded);
    ledger.finish_run(&done, notices.clone()).await.unwrap();
    let refused = ledger.finish_run(&ended(&run, RunState::Failed), vec![a_notice("c", 4)]).await;
    assert!(is_conflict(refused));
    let stored = placeless(ledger.notices(10, Some(&run.id)).await.unwrap());
    assert_eq!(stored, [notices[1].clone(), notices[0].clone()]);
    assert_eq!(ledger.notices(10, None).await.unwrap().len(), 2);
}

async fn a_run_is_found_by_the_beginning_of_its_id(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for id in ["r-abc1", "r-abd2", "r-abc"] {
        ledger.start_run(&a_run(id, "p", 1), "source").await.unwrap();
    }
    let found = async |text: &str| ledger.run(text).await.unwrap().map(|run| run.id.0);
    assert_eq!(found("r-abd").await.as_deref(), Some("r-abd2"));
    assert_eq!(found("abd").await.as_deref(), Some("r-abd2"));
    assert_eq!(found("r-abc").await.as_deref(), Some("r-abc"), "the whole id is meant");
    assert_eq!(found("r-x").await, None);
    assert_eq!(found(" ").await, None);
    assert_eq!(found("../claim").await, None);
    assert!(matches!(ledger.run("ab").await, Err(LedgerError::Ambiguous { .. })));
}

async fn runs_are_listed_newest_first_and_narrowed_by_every_part(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for n in 0..40 {
        let name = if n % 2 == 0 { "even" } else { "odd" };
        let task = (n % 5 != 0).then_some(TaskId(n % 5));
        let run = Run { task, ..a_run(&format!("r-{n:02}"), name, n) };
        ledger.start_run(&run, "source").await.unwrap();
        if n >= 10 {
            let state = if n % 3 == 0 { RunState::Failed } else { RunState::Succeeded };
            ledger.finish_run(&ended(&run, state), Vec::new()).await.unwrap();
        }
    }
    let list = async |filter: RunFilter, limit| {
        let runs = ledger.runs(&filter, limit).await.unwrap();
        runs.into_iter().map(|run| run.id.0[2..].parse::<i64>().unwrap()).collect::<Vec<_>>()
    };
    let any = RunFilter::default;
    let wanted = |fits: fn(i64) -> bool| (0..40).rev().filter(|n| fits(*n)).collect::<Vec<_>>();
    assert_eq!(list(any(), 100).await, wanted(|_| true));
    assert_eq!(list(any(), 3).await, [39, 38, 37]);
    assert_eq!(list(any(), 0).await, Vec::<i64>::new());
    let even = Some(playbook("even"));
    assert_eq!(
        list(RunFilter { playbook: even.clone(), ..any() }, 99).await,
        wanted(|n| n % 2 == 0)
    );
    let failed = Some(RunState::Failed);
    let filter = RunFilter { state: failed, ..any() };
    assert_eq!(list(filter, 99).await, wanted(|n| n >= 10 && n % 3 == 0));
    let filter = RunFilter { state: failed, playbook: even, task: Some(TaskId(2)), ..any() };
    assert_eq!(
        list(filter, 99).await,
        wanted(|n| n >= 10 && n % 3 == 0 && n % 2 == 0 && n % 5 == 2)
    );
    assert_eq!(list(RunFilter { since: Some(at(33)), ..any() }, 99).await, wanted(|n| n >= 33));
    let running = ledger.running().await.unwrap();
    assert_eq!(running.len(), 10);
}

async fn runs_of_a_day_are_counted(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for n in 0..30 {
        ledger.start_run(&a_run(&format!("r-{n}"), "p", n), "source").await.unwrap();
    }
    let name = playbook("p");
    for (since, count) in [(0, 30), (-5, 30), (10, 20), (29, 1), (30, 0)] {
        assert_eq!(ledger.runs_started_since(&name, at(since)).await.unwrap(), count);
    }
    assert_eq!(ledger.runs_started_since(&playbook("q"), at(0)).await.unwrap(), 0);
}

async fn a_definition_is_kept_whole_under_its_hash(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let source = "prompt = \"é…\"\n".repeat(4_000);
    ledger.start_run(&a_run("r-1", "p", 1), &source).await.unwrap();
    ledger.start_run(&a_run("r-2", "p", 2), &source).await.unwrap();
    assert_eq!(ledger.definition("hash").await.unwrap(), Some(source));
    assert_eq!(ledger.definition("other").await.unwrap(), None);
}

fn line(text: impl Into<String>) -> LogLine {
    LogLine::new(at(1), "note", text)
}

async fn a_transcript_is_appended_in_order_and_read_in_pages(f: Fixture) {
    let (ledger, run) = (Arc::new(ledger(&f, "d/l")), RunId::new("r-1"));
    let lines: Vec<_> = (0..150).map(|n| line(n.to_string())).collect();
    ledger.log(&run, &lines).await.unwrap();
    let writers = (0..8).map(|n| {
        let (ledger, run) = (Arc::clone(&ledger), run.clone());
        async move { ledger.log(&run, &[line(format!("w{n}"))]).await }
    });
    assert!(at_once(writers).await.iter().all(Result::is_ok));
    let (mut read, mut after) = (Vec::new(), 0);
    loop {
        let page = ledger.transcript(&run, after, 50).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.number;
        read.extend(page);
    }
    assert_eq!(read.iter().map(|l| l.number).collect::<Vec<_>>(), (1..=158).collect::<Vec<_>>());
    assert!(read[..150].iter().zip(&lines).all(|(read, line)| read.line == *line));
    assert!(ledger.transcript(&RunId::new("r-"), 0, 9).await.unwrap().is_empty());
}

async fn lines_longer_than_a_row_are_kept_whole(f: Fixture) {
    let (ledger, run) = (ledger(&f, "d/l"), RunId::new("r-1"));
    let long = "ü\"\\".repeat(30_000);
    ledger.log(&run, &[line("short"), line(long.clone()), line("short")]).await.unwrap();
    let read = ledger.transcript(&run, 1, 9).await.unwrap();
    assert_eq!(read[0].line.text, long);
    assert_eq!(read.len(), 2);
    let refused = ledger.log(&run, &[line("x".repeat(3_000_000))]).await;
    assert!(refused.is_err());
    assert_eq!(ledger.transcript(&run, 0, 9).await.unwrap().len(), 3);
}

fn effect(seq: u32) -> Effect {
    Effect {
        mark: Mark { run: RunId::new("r-1"), seq },
        actor: EffectActor::Agent,
        tool: "addComment".into(),
        bulk: None,
        args: Value::map([("text", "x".repeat(20_000))]),
        claimed: Some(TASK),
        fence: None,
        intended: at(1),
        result: None,
    }
}

fn done() -> EffectResult {
    let entity = Entity::Task(TASK);
    let (before, after) = (Value::Null, Value::Text("y".repeat(9_000)));
    EffectResult::Done { entity, before, after, inverse: None, at: at(2) }
}

async fn c3_an_intent_is_there_before_its_result(f: Fixture) {
    let (ledger, run) = (ledger(&f, "d/l"), RunId::new("r-1"));
    for seq in 1..=12 {
        ledger.intend(&effect(seq), None).await.unwrap();
        ledger.intend(&effect(seq), None).await.unwrap();
    }
    assert_eq!(ledger.open_intents(&run).await.unwrap().len(), 12);
    for seq in (1..=12).rev().step_by(2) {
        ledger.conclude(&effect(seq).mark, done(), Vec::new()).await.unwrap();
    }
    let open = ledger.open_intents(&run).await.unwrap();
    assert_eq!(open.iter().map(|e| e.mark.seq).collect::<Vec<_>>(), [1, 3, 5, 7, 9, 11]);
    let all = ledger.effects(&run).await.unwrap();
    assert_eq!(all.iter().map(|e| e.mark.seq).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    assert_eq!((&all[1].result, &all[1].args), (&Some(done()), &effect(2).args));
    let other = Effect { tool: "setStatus".into(), ..effect(1) };
    assert!(is_conflict(ledger.intend(&other, None).await), "one mark for two effects");
    let refused = ledger.conclude(&effect(99).mark, done(), Vec::new()).await;
    assert!(matches!(refused, Err(LedgerError::NotFound { .. })), "a result without an intent");
}

async fn c3_an_effect_has_one_result_but_an_unknown_one_may_become_known(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mark = effect(1).mark;
    ledger.intend(&effect(1), None).await.unwrap();
    for result in [EffectResult::Unknown, EffectResult::Unknown, done(), done()] {
        ledger.conclude(&mark, result, Vec::new()).await.unwrap();
    }
    for other in [EffectResult::Unknown, EffectResult::Recorded] {
        assert!(is_conflict(ledger.conclude(&mark, other, Vec::new()).await));
    }
}

async fn c3_a_mark_is_one_holders_alone(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let under = |fence| Effect { fence: Some(Fence(fence)), ..effect(1) };
    ledger.intend(&under(1), None).await.unwrap();
    // A lost answer is no reason not to go on.
    ledger.intend(&under(1), None).await.unwrap();
    // Whoever took the run over may not act on this: its first holder may conclude it at any time.
    assert!(is_conflict(ledger.intend(&under(2), None).await));
    let code = "claim_lost".to_owned();
    let failed = EffectResult::Failed { code, message: String::new() };
    ledger.conclude(&effect(1).mark, failed, Vec::new()).await.unwrap();
    assert!(is_conflict(ledger.intend(&under(2), None).await));
    assert!(is_conflict(ledger.intend(&under(1), None).await), "it has a result");
}

async fn c3_a_notice_commits_with_the_result_that_caused_it(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mark = effect(1).mark;
    ledger.intend(&effect(1), None).await.unwrap();
    ledger.conclude(&mark, done(), vec![a_notice("a", 1)]).await.unwrap();
    let refused = ledger.conclude(&mark, EffectResult::Recorded, vec![a_notice("b", 1)]).await;
    assert!(is_conflict(refused));
    let notices = placeless(ledger.notices(9, Some(&mark.run)).await.unwrap());
    assert_eq!(notices, [a_notice("a", 1)]);
}

async fn what_is_done_once_is_never_done_again(f: Fixture) {
    let (ledger, name) = (ledger(&f, "d/l"), playbook("docs"));
    let once = |key: &str| Some((name.clone(), key.to_owned()));
    assert!(!ledger.seen(&name, "docs:1").await.unwrap());
    ledger.intend(&effect(1), once("docs:1")).await.unwrap();
    ledger.intend(&effect(1), once("docs:1")).await.unwrap();
    assert!(ledger.seen(&name, "docs:1").await.unwrap());
    assert!(!ledger.seen(&playbook("other"), "docs:1").await.unwrap());
    for result in [None, Some(EffectResult::Unknown), Some(done())] {
        if let Some(result) = result {
            ledger.conclude(&effect(1).mark, result, Vec::new()).await.unwrap();
        }
        match ledger.intend(&effect(2), once("docs:1")).await {
            Err(LedgerError::AlreadyDone { mark }) => assert_eq!(mark, effect(1).mark),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ledger.effects(&effect(1).mark.run).await.unwrap().len(), 1);
    ledger.intend(&effect(2), once("docs:2")).await.unwrap();
}

async fn what_failed_or_was_only_recorded_may_be_done_once_more(f: Fixture) {
    let (ledger, name) = (ledger(&f, "d/l"), playbook("docs"));
    let failed = EffectResult::Failed { code: "denied".into(), message: "no".into() };
    for (seq, result) in [(1, failed), (2, EffectResult::Recorded), (3, done())] {
        let once = Some((name.clone(), "docs:1".to_owned()));
        ledger.intend(&effect(seq), once).await.unwrap();
        ledger.conclude(&effect(seq).mark, result, Vec::new()).await.unwrap();
    }
    assert!(ledger.seen(&name, "docs:1").await.unwrap());
}
