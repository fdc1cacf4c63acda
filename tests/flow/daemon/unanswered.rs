//! A store that does not answer, or answers that it failed, when something was to begin or to end: what
//! was meant comes about once, whether the commit happened or not.

use super::several::{REPORT, runs, start, team};
use crate::support::daemon::{Life, request};
use crate::support::refusing::Refusing;
use rota::daemon::Wake;
use rota::domain::*;
use rota::tools::desk::{Desk as _, DeskError};
use std::sync::Arc;
use std::time::Duration;

/// One second more than a lease.
const LEASE_OVER: Duration = Duration::from_secs(61);
/// What the commit by which an occurrence begins says of it.
const BEGINS: &str = "\"state\":\"running\"";

async fn states(life: &Life) -> Vec<OccurrenceState> {
    life.occurrences("report").await.into_iter().map(|occurrence| occurrence.state).collect()
}

fn succeeded(daemon: &str) -> Vec<(String, RunState)> {
    vec![(daemon.to_owned(), RunState::Succeeded)]
}

#[tokio::test(start_paused = true)]
async fn a_report_that_could_not_be_begun_is_begun_by_the_next_look() {
    let (mut team, _shared) = team("report", REPORT).await;
    let store = Refusing::over(&team.store);
    team.store = Arc::clone(&store) as _;
    let life = team.start().await;
    team.clock.advance(Duration::from_mins(10));
    store.refuse(BEGINS);
    life.daemon.tick().await;
    assert_eq!(states(&life).await, [OccurrenceState::Queued]);
    store.take_all();
    life.work().await;
    assert_eq!(runs(&life).await, succeeded("one"));
    let OccurrenceState::Ran { runs, .. } = states(&life).await.remove(0) else {
        panic!("it has not ended")
    };
    assert_eq!(runs.len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_whose_beginning_was_not_answered_is_made_by_another_when_its_daemon_dies() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, answers) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    team.clock.advance(Duration::from_mins(10));
    answers.deafen();
    one.daemon.tick().await;
    answers.die();
    assert_eq!(states(&two).await, [OccurrenceState::Running]);
    assert!(runs(&two).await.is_empty(), "it has come no further");
    team.clock.advance(LEASE_OVER);
    two.work().await;
    assert_eq!(runs(&two).await, succeeded("two"));
    assert!(two.ledger.open_occurrences().await.unwrap().is_empty());
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_whose_beginning_was_not_answered_before_a_drain_is_made_by_the_next_life() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, answers) = start(&mut team, &shared, "one").await;
    team.clock.advance(Duration::from_mins(10));
    answers.deafen();
    one.daemon.tick().await;
    answers.mend();
    one.stop().await;
    let (again, _door) = start(&mut team, &shared, "one").await;
    again.daemon.idle().await;
    assert_eq!(runs(&again).await, succeeded("one"));
    again.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_a_report_that_cannot_be_begun_is_told_and_nobody_makes_it_later() {
    let (mut team, _shared) = team("report", REPORT).await;
    let store = Refusing::over(&team.store);
    team.store = Arc::clone(&store) as _;
    let command = team.try_start("one", Wake::ByHand).await.unwrap();
    store.refuse(BEGINS);
    let refused = command.daemon.run_playbook(request("report")).await.unwrap_err();
    assert!(
        matches!(refused, DeskError::Refused { reason: Reason::StoreFailed, .. }),
        "{refused:?}"
    );
    store.take_all();
    command.stop().await;
    let life = team.start().await;
    life.work().await;
    assert_eq!(states(&life).await, [OccurrenceState::Skipped { reason: Reason::Interrupted }]);
    assert!(runs(&life).await.is_empty());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_could_not_be_written_down_and_was_is_ended_by_the_next_look() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, answers) = start(&mut team, &shared, "one").await;
    answers.deafen();
    let failed = one.daemon.run_playbook(request("report")).await.unwrap_err();
    assert!(matches!(failed, DeskError::Failed { .. }), "{failed:?}");
    assert_eq!(states(&one).await, [OccurrenceState::Queued], "it was written down all the same");
    answers.mend();
    one.work().await;
    assert_eq!(states(&one).await, [OccurrenceState::Skipped { reason: Reason::Interrupted }]);
    assert!(runs(&one).await.is_empty());
    assert_eq!(one.run("report").await.state, RunState::Succeeded, "who asks again gets it");
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_whose_end_could_not_be_written_holds_back_no_later_one_at_another() {
    let (mut team, shared) = team("report", &format!("{REPORT}[limits]\nattempts = 1\n")).await;
    let (one, door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let mut gate = team.gates.stop("model");
    team.clock.advance(Duration::from_mins(10));
    one.daemon.tick().await;
    gate.reached().await;
    door.cut();
    gate.open();
    one.daemon.idle().await;
    door.mend();
    let of_one = |state: RunState| [("one".to_owned(), state)];
    assert_eq!(
        runs(&two).await,
        of_one(RunState::Running),
        "nobody could write down that it ended"
    );
    one.daemon.tick().await;
    assert_eq!(runs(&two).await, of_one(RunState::Interrupted));
    team.clock.advance(Duration::from_mins(10));
    two.work().await;
    assert_eq!(runs(&two).await[0], ("two".to_owned(), RunState::Succeeded));
    one.stop().await;
    two.stop().await;
}
