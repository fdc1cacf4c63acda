//! Every step that has a name, in every pass that a run makes at it: a step that is added is died at
//! here without being asked for, and one that no run reaches fails the test. The checker judges each.

use super::scene::{dies_at, recovers, rows, run_once, scene};
use super::{asked, say};
use crate::support::rota::Rota;
use rota::crash::STEPS;
use rota::domain::StatusKind;

/// More passes than a run of the scene makes at any step.
const PASSES_MAX: u32 = 20;

/// After whatever crash the task is done, or as it was.
#[track_caller]
fn is_done_or_as_before(rota: &Rota, step: &str) {
    let found = rows(rota);
    match found.kind {
        StatusKind::New => found.are_as_before(),
        StatusKind::Waiting => found.are_done(),
        kind => panic!("{step}: the task is {kind:?}: {found:#?}"),
    }
}

/// How often it died; in the normal run the first pass is enough, the crash table has the others.
fn dies_at_every_pass(step: &str) -> u32 {
    let is_full = asked("ROTA_FULL").is_some();
    for pass in 1..PASSES_MAX {
        if pass > 1 && !is_full {
            return 1;
        }
        let step = format!("{step}:{pass}");
        let rota = scene();
        let ran = run_once(&rota, &step);
        if ran.code == 0 {
            rows(&rota).are_done();
            return pass - 1;
        }
        assert_eq!(ran.code, -1, "{step}: {ran:#?}");
        recovers(&rota);
        is_done_or_as_before(&rota, &step);
    }
    panic!("a run passes {step} more than {PASSES_MAX} times")
}

#[test]
fn at_every_pass_of_every_step_a_crash_loses_nothing() {
    let mut passes = 0;
    for step in STEPS {
        let died = dies_at_every_pass(step);
        assert!(died > 0, "no run of the scene reaches {step}: give it a case of its own");
        passes += died;
    }
    say(&format!("{passes} crashes at {} steps", STEPS.len()));
}

/// Dies at one step, and in its recovery at another: all pairs with `ROTA_FULL=1`, else some.
#[test]
fn a_crash_in_the_recovery_from_a_crash_loses_nothing() {
    let stride = if asked("ROTA_FULL").is_some() { 1 } else { 25 };
    let pairs = STEPS.iter().flat_map(|first| STEPS.iter().map(move |second| (first, second)));
    let (mut tried, mut died) = (0, 0);
    for (first, second) in pairs.step_by(stride) {
        let rota = scene();
        dies_at(&rota, first);
        died += u32::from(serves_until(&rota, second) == -1);
        recovers(&rota);
        is_done_or_as_before(&rota, &format!("{first}, then {second}"));
        tried += 1;
    }
    say(&format!("{tried} pairs of crashes, the second reached in {died}"));
    assert!(died > 0);
}

/// A daemon that dies at a step of its recovery; where there is none to die at, it drains.
fn serves_until(rota: &Rota, step: &str) -> i32 {
    let mut command = rota.command(["serve"]);
    command.env("ROTA_CRASH_AT", step);
    rota.serve_or_die(command)
}
