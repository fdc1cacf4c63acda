//! The crash table: one crash at each step, two in a row, and crashes until no attempt is left.

use super::scene::{
    self, PLAYBOOK, SCRIPT, WORKER, add_task, dies_at, recovers, rows, run_once, scene, scene_of,
    serving_dies_at,
};
use crate::support::rota::Rota;
use rota::domain::{Delivery, OccurrenceState, Reason, RunState, StatusKind};

#[test]
fn a_step_that_is_not_there_is_a_usage_fault() {
    let rota = Rota::new();
    let mut command = rota.command(["project", "list"]);
    command.env("ROTA_CRASH_AT", "effect.never");
    let ran = Rota::finish(command).ended(2);
    assert!(ran.err.contains("effect.intended"), "{ran:#?}");
}

#[test]
fn reserved_and_not_announced_nothing_is_visible_and_it_may_be_taken_again() {
    let rota = scene();
    dies_at(&rota, "claim.reserved");
    recovers(&rota);
    let found = rows(&rota);
    found.are_as_before();
    assert!(found.comments.is_empty() && found.runs.is_empty(), "{found:#?}");
    let first = found.claim.unwrap().fence;
    run_once(&rota, "").ok();
    let found = rows(&rota);
    found.are_done();
    assert!(found.claim.as_ref().unwrap().fence > first);
}

#[test]
fn without_a_crash_everything_is_done_and_told_once() {
    let rota = scene();
    run_once(&rota, "").ok();
    let found = rows(&rota);
    found.are_done();
    let told = rota.read("told.md");
    assert_eq!(told.matches(&found.notices[0].key).count(), 1, "{told}");
}

/// Dies at a step once, starts again, and the work is done once, by the second run.
#[track_caller]
fn the_next_attempt_carries_on(step: &str) {
    let rota = scene();
    dies_at(&rota, step);
    recovers(&rota);
    let found = rows(&rota);
    found.are_done();
    assert_eq!(found.runs.len(), 2, "{step}: {found:#?}");
    assert_eq!(found.runs[1].attempt, 2, "{step}: {found:#?}");
    settled_as_ran(&found);
}

#[track_caller]
fn settled_as_ran(found: &scene::Rows) {
    assert_eq!(found.occurrences.len(), 1, "{found:#?}");
    let OccurrenceState::Ran { runs, .. } = &found.occurrences[0].state else {
        panic!("{:#?}", found.occurrences);
    };
    let ids: Vec<_> = found.runs.iter().map(|run| run.id.clone()).collect();
    let mut told = runs.clone();
    told.sort_by_key(|id| ids.iter().position(|known| known == id));
    assert_eq!(told, ids, "{found:#?}");
}

/// The announcement never arrived: the task goes free, and may be taken again.
#[test]
fn announced_and_not_written() {
    for step in ["announce.begun", "effect.intended:1"] {
        let rota = scene();
        dies_at(&rota, step);
        recovers(&rota);
        let found = rows(&rota);
        found.are_as_before();
        assert!(found.comments.is_empty(), "{step}: {found:#?}");
        assert_eq!(found.runs.len(), 1, "{step}: {found:#?}");
        assert_eq!(found.runs[0].state, RunState::Interrupted, "{step}: {found:#?}");
        run_once(&rota, "").ok();
        rows(&rota).are_done();
    }
}

#[test]
fn announce_done() {
    the_next_attempt_carries_on("announce.done");
}

#[test]
fn run_started() {
    the_next_attempt_carries_on("run.started");
}

/// The writes of a run, in order: announce, its comment, subtask, comment; then the outcome's.
#[test]
fn an_effect_was_intended() {
    for pass in 2..=4 {
        the_next_attempt_carries_on(&format!("effect.intended:{pass}"));
    }
}

#[test]
fn an_effect_was_acted() {
    for pass in 1..=4 {
        the_next_attempt_carries_on(&format!("effect.acted:{pass}"));
    }
}

#[test]
fn an_effect_was_concluded() {
    for pass in 1..=4 {
        the_next_attempt_carries_on(&format!("effect.concluded:{pass}"));
    }
}

#[test]
fn run_ended() {
    the_next_attempt_carries_on("run.ended");
}

#[test]
fn settle_begun() {
    the_next_attempt_carries_on("settle.begun");
}

/// The outcome's writes that are left are done by the run that began them.
#[track_caller]
fn the_same_run_settles(step: &str) {
    let rota = scene();
    dies_at(&rota, step);
    recovers(&rota);
    let found = rows(&rota);
    found.are_done();
    assert_eq!(found.runs.len(), 1, "{step}: {found:#?}");
    settled_as_ran(&found);
}

#[test]
fn while_settling() {
    for pass in 5..=6 {
        for step in ["effect.intended", "effect.acted", "effect.concluded"] {
            the_same_run_settles(&format!("{step}:{pass}"));
        }
    }
}

#[test]
fn settle_done() {
    the_same_run_settles("settle.done");
}

#[test]
fn claim_released() {
    the_same_run_settles("claim.released");
}

#[test]
fn a_notice_was_delivered_and_that_was_not_recorded() {
    let rota = scene();
    dies_at(&rota, "notice.delivered");
    recovers(&rota);
    let found = rows(&rota);
    found.are_done();
    assert_eq!(found.notices.len(), 1, "{found:#?}");
    assert!(matches!(found.notices[0].delivery, Delivery::Delivered { .. }), "{found:#?}");
    // At least once: the second time under the same key.
    let told = rota.read("told.md");
    assert_eq!(told.matches(&found.notices[0].key).count(), 2, "{told}");
}

#[test]
fn a_settling_run_of_a_later_attempt_is_finished_too() {
    for step in ["effect.intended:2", "effect.acted:2", "settle.done"] {
        let rota = scene();
        dies_at(&rota, "effect.concluded:4");
        serving_dies_at(&rota, step);
        recovers(&rota);
        let found = rows(&rota);
        found.are_done();
        assert_eq!(found.runs.len(), 2, "{step}: {found:#?}");
    }
}

#[test]
fn two_crashes_in_a_row_leave_the_third_attempt() {
    for (first, second) in [
        ("effect.acted:3", "run.started"),
        ("effect.acted:1", "run.started"),
        ("announce.done", "claim.reserved"),
        ("run.ended", "claim.reserved"),
    ] {
        let rota = scene();
        dies_at(&rota, first);
        serving_dies_at(&rota, second);
        recovers(&rota);
        let found = rows(&rota);
        found.are_done();
        assert!(found.runs.len() >= 2, "{first}, {second}: {found:#?}");
        settled_as_ran(&found);
    }
}

#[test]
fn when_every_attempt_crashed_the_task_goes_back_with_a_word() {
    let rota = scene();
    dies_at(&rota, "effect.acted:3");
    serving_dies_at(&rota, "run.started");
    serving_dies_at(&rota, "run.started");
    recovers(&rota);
    let found = rows(&rota);
    found.are_as_before();
    assert_eq!(found.comments_with("hands this task back"), 1, "{found:#?}");
    let last = found.runs.last().unwrap();
    assert_eq!((last.state, last.reason), (RunState::Failed, Some(Reason::AttemptsUsedUp)));
    let why = rota.run(["why", "1"]).ok();
    assert!(why.out.contains("attempts_used_up"), "{why:#?}");
}

#[test]
fn a_crash_while_handing_back_is_finished_and_told_once() {
    for step in ["effect.intended", "effect.acted", "effect.concluded"] {
        for pass in 1..=2 {
            let rota = scene_of(
                &WORKER
                    .replace("[limits]", "[limits]\nturns = 1")
                    .replace("attempts = 3", "attempts = 1"),
            );
            // Announce and its comment, the subtask; one turn is all there is: then back.
            dies_at(&rota, &format!("{step}:{}", 3 + pass));
            recovers(&rota);
            let found = rows(&rota);
            found.are_as_before();
            assert_eq!(found.comments_with("hands this task back"), 1, "{step} {pass} {found:#?}");
            assert_eq!(found.comments_with("a person took over"), 0, "{step} {pass} {found:#?}");
            assert_eq!(found.runs.len(), 1, "{step} {pass}: {found:#?}");
        }
    }
}

#[test]
fn a_crash_between_two_attempts_loses_neither() {
    // The work breaks off before it names its end; its second attempt finds everything done.
    let ending = r#"args = { outcome = "ready", summary = "All there." } }]"#;
    for step in ["claim.reserved", "run.started:2"] {
        let rota = scene();
        let (begin, last) = SCRIPT.rsplit_once(ending).unwrap();
        assert!(last.trim().is_empty());
        let broken = begin.rsplit_once("call = ").unwrap().0;
        rota.write("model.toml", &format!("{broken}error = \"denied\"\n"));
        dies_at(&rota, if step == "claim.reserved" { "effect.concluded:4" } else { step });
        recovers(&rota);
        let found = rows(&rota);
        found.are_whole();
        assert_eq!(found.kind, StatusKind::Waiting, "{found:#?}");
    }
}

#[test]
fn what_is_told_after_a_crash_is_true() {
    let rota = scene();
    dies_at(&rota, "effect.acted:3");
    recovers(&rota);
    let runs = rota.run(["--json", "runs", "list"]).ok().json();
    let states: Vec<_> =
        runs["items"].as_array().unwrap().iter().map(|run| run["state"].clone()).collect();
    assert_eq!(states, ["succeeded", "interrupted"], "{runs:#}");
    let why = rota.run(["why", "1"]).ok().out;
    assert!(why.contains("interrupted") && why.contains("handed_over"), "{why}");
    let why = rota.run(["why", PLAYBOOK]).ok().out;
    assert!(why.contains("handed_over") || why.contains("interrupted"), "{why}");
}

#[test]
fn while_everything_is_stopped_nothing_is_begun_again() {
    let rota = scene();
    dies_at(&rota, "effect.acted:3");
    rota.run(["stop-all", "--reason", "fire"]).ok();
    recovers(&rota);
    let found = rows(&rota);
    found.are_as_before();
    assert_eq!(found.works(), 0, "{found:#?}");
    assert_eq!(found.comments_with("hands this task back"), 1, "{found:#?}");
}

#[test]
fn a_playbook_that_is_gone_hands_its_task_back() {
    let rota = scene();
    dies_at(&rota, "effect.acted:3");
    std::fs::remove_file(rota.path().join("agents/worker.toml")).unwrap();
    recovers(&rota);
    let found = rows(&rota);
    found.are_as_before();
    assert_eq!(found.comments_with("hands this task back"), 1, "{found:#?}");
}

#[test]
fn a_playbook_that_may_do_more_now_is_not_taken_up_before_it_is_armed() {
    let rota = scene();
    dies_at(&rota, "effect.acted:3");
    let config = rota.read("rota.toml").replace("arm = \"auto\"", "");
    rota.write("rota.toml", &config);
    let wider = WORKER.replace("\"finish\"]", "\"finish\", \"editTask\"]");
    rota.write("agents/worker.toml", &wider);
    recovers(&rota);
    let found = rows(&rota);
    found.are_as_before();
    assert_eq!(found.works(), 0, "{found:#?}");
}

/// A command that acts without a daemon is there for a moment only: it works at nothing that nobody
/// asked it for.
#[test]
fn a_command_hands_an_interrupted_run_back_at_once_and_it_may_be_taken_again() {
    let rota = scene();
    dies_at(&rota, "effect.acted:3");
    add_task(&rota);
    let found = rows(&rota);
    found.are_as_before();
    assert_eq!(found.works(), 0, "{found:#?}");
    assert_eq!(found.comments_with("hands this task back"), 1, "{found:#?}");
    let ends: Vec<_> = found.runs.iter().map(|run| (run.attempt, run.state, run.reason)).collect();
    let interrupted = (1, RunState::Interrupted, Some(Reason::Interrupted));
    assert_eq!(ends, [interrupted, interrupted], "{found:#?}");
    run_once(&rota, "").ok();
    let last = rows(&rota).runs.pop().unwrap();
    assert_eq!((last.attempt, last.state), (1, RunState::Succeeded), "{last:#?}");
}

#[test]
fn a_command_finishes_what_was_being_settled() {
    let rota = scene();
    dies_at(&rota, "effect.acted:5");
    add_task(&rota);
    rows(&rota).are_done();
}

#[test]
fn what_a_daemon_left_behind_a_command_sees_to() {
    let rota = scene();
    dies_at(&rota, "effect.acted:2");
    serving_dies_at(&rota, "run.started");
    add_task(&rota);
    rows(&rota).are_as_before();
}
