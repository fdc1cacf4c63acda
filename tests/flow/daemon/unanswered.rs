//! A store that does not answer, or answers that it failed, when something was to begin or to end: what
//! was meant comes about once, whether the commit happened or not.

use super::outbox::notice;
use super::playbooks::{WORKER as WORKER_PLAYBOOK, asks_to_hear};
use super::review_queue::{decide, submitted};
use super::several::{LEASE_OVER, REPORT, begun, runs, start, team};
use crate::support::daemon::{ADA, BO, Life, Team, WORKER, request};
use crate::support::mailbox::Mailbox;
use crate::support::refusing::Refusing;
use rota::clock::Clock as _;
use rota::daemon::Wake;
use rota::domain::*;
use rota::tools::desk::{Desk as _, DeskError};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What the commit by which an occurrence begins says of it.
const BEGINS: &str = "\"state\":\"running\"";

/// Somebody stands at the store's door from now on.
fn guarded(team: &mut Team) -> Arc<Refusing> {
    let store = Refusing::over(&team.store);
    team.store = Arc::clone(&store) as _;
    store
}

async fn states(life: &Life) -> Vec<OccurrenceState> {
    life.occurrences("report").await.into_iter().map(|occurrence| occurrence.state).collect()
}

fn succeeded(daemon: &str) -> Vec<(String, RunState)> {
    vec![(daemon.to_owned(), RunState::Succeeded)]
}

#[tokio::test(start_paused = true)]
async fn a_report_that_could_not_be_begun_is_begun_by_the_next_look() {
    let (mut team, _shared) = team("report", REPORT).await;
    let store = guarded(&mut team);
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
async fn such_a_report_that_a_drain_broke_off_when_it_was_begun_again_is_made_after_all() {
    let text = format!("{REPORT}[limits]\nattempts = 3\n");
    let (mut team, shared) = team("report", &text).await;
    let (one, answers) = start(&mut team, &shared, "one").await;
    team.clock.advance(Duration::from_mins(10));
    answers.deafen();
    one.daemon.tick().await;
    answers.mend();
    one.stop().await;
    let mut gate = team.gates.stop("model");
    let (again, _door) = start(&mut team, &shared, "one").await;
    gate.reached().await;
    again.daemon.stop_now().await;
    again.stop().await;
    gate.open();
    let (third, _door) = start(&mut team, &shared, "one").await;
    third.daemon.idle().await;
    let mut states: Vec<RunState> = runs(&third).await.into_iter().map(|(_, it)| it).collect();
    states.sort_by_key(|state| *state == RunState::Succeeded);
    assert_eq!(states, [RunState::Cancelled, RunState::Succeeded]);
    third.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_is_told_when_the_board_does_not_say_what_there_is_to_do() {
    let (team, _shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    let task = team.task("Fix the login").await;
    let command = team.try_start("one", Wake::ByHand).await.unwrap();
    team.board.watch.lists_nothing.store(true, Ordering::SeqCst);
    let patience = Duration::from_hours(1);
    let asked = command.daemon.run_playbook(request("ai-worker"));
    let refused = tokio::time::timeout(patience, asked).await.expect("it waits for ever");
    let Err(DeskError::Refused { reason, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(reason, Reason::BoardUnavailable);
    tokio::time::timeout(patience, command.daemon.idle()).await.expect("it never ends");
    team.board.watch.lists_nothing.store(false, Ordering::SeqCst);
    assert_eq!(command.run("ai-worker").await.reason, Reason::HandedOver);
    assert_eq!(command.the_run(task).await.state, RunState::Succeeded);
    command.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_a_report_that_cannot_be_begun_is_told_and_nobody_makes_it_later() {
    let (mut team, _shared) = team("report", REPORT).await;
    let store = guarded(&mut team);
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
    let gate = begun(&team, &one).await;
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
    assert_eq!(runs(&two).await, of_one(RunState::Failed), "the next look writes it down");
    team.clock.advance(Duration::from_mins(10));
    two.work().await;
    assert_eq!(runs(&two).await[0], ("two".to_owned(), RunState::Succeeded));
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_skipped_and_could_not_be_written_down_is_not_begun_after_all() {
    let (mut team, _shared) = team("report", REPORT).await;
    let store = guarded(&mut team);
    let life = team.start().await;
    life.work().await;
    life.daemon.stop_all("Ada", "a look at everything").await.unwrap();
    let now = team.clock.wall();
    let occurrence = Occurrence {
        id: OccurrenceId::new("report/event/1"),
        playbook: PlaybookName::new("report"),
        trigger: Trigger::Event,
        planned: now,
        task: None,
        decided: now,
        state: OccurrenceState::Queued,
        covers: None,
        status: None,
    };
    life.ledger.put_occurrence(&occurrence).await.unwrap();
    store.refuse("\"skipped\":{");
    life.daemon.tick().await;
    life.daemon.start_all("Ada").await.unwrap();
    life.work().await;
    assert_eq!(states(&life).await, [OccurrenceState::Queued]);
    store.take_all();
    life.work().await;
    assert_eq!(states(&life).await, [OccurrenceState::Skipped { reason: Reason::Stopped }]);
    assert!(runs(&life).await.is_empty());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_of_which_it_was_not_said_that_it_waits_waits_for_its_answer() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[&asks_to_hear("Green")]);
    let task = team.task("Paint the shed").await;
    let store = guarded(&mut team);
    let life = team.start().await;
    store.lose_answers("\"phase\":\"parked\"");
    let report = life.run("ai-worker").await;
    assert_eq!((report.state, report.reason), (RunState::Waiting, Reason::Waiting));
    store.take_all();
    team.clock.advance(Duration::from_mins(1));
    team.say(BO, task, "Green, like the door.").await;
    life.work().await;
    assert_eq!(team.status(task).await, "Ready for Review");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_release_of_which_it_was_not_said_that_it_begins_leaves_the_task_to_the_next_look() {
    let mut team = Team::new().await;
    let task = team.task("Fix the login").await;
    let store = guarded(&mut team);
    let life = team.start().await;
    let agent = team.person(WORKER).await;
    let claimed = life.call(&agent, "claimTask", json!({ "task": task.0 })).await.unwrap();
    let fence = claimed.get("fence").and_then(Value::as_int).unwrap();
    store.lose_answers("\"phase\":\"settling\"");
    let args = json!({ "task": task.0, "fence": fence, "comment": "Not today." });
    life.call(&agent, "releaseTask", args).await.unwrap_err();
    store.take_all();
    // Long before its lease would have ended.
    team.clock.advance(Duration::from_mins(1));
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Free);
    assert_eq!((team.status(task).await.as_str(), team.look(task).await.assignee), ("New", None));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_was_not_answered_stands_and_is_shown_once() {
    let mut team = Team::new().await;
    let store = guarded(&mut team);
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    store.lose_answers("\"verdict\":\"approved\"");
    decide(&team, &life, ADA, (task, "approve", "Well done.")).await.unwrap_err();
    store.take_all();
    assert_eq!(team.status(task).await, "Ready for Review", "it is not on the board yet");
    life.work().await;
    assert_eq!(team.status(task).await, "Done");
    let again = decide(&team, &life, ADA, (task, "approve", "Well done.")).await.unwrap();
    assert_eq!(again["repeated"], true, "{again:#}");
    let comments = team.comments(task).await;
    let shown = comments.iter().filter(|(_, text)| text.contains("approves this")).count();
    assert_eq!(shown, 1, "{comments:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_taking_was_not_answered_is_carried_out_once_by_whoever_has_it() {
    let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    let task = team.task("Fix the login").await;
    let (one, answers) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    // What was said before the first look is no news.
    one.work().await;
    team.clock.advance(Duration::from_secs(1));
    team.say(BO, task, "@AI-Docs status").await;
    one.work().await;
    answers.deafen();
    one.daemon.obey().await;
    // It has it; who has it not leaves it alone.
    two.daemon.obey().await;
    assert_eq!(team.comments(task).await.len(), 1, "nobody has answered");
    answers.mend();
    for life in [&one, &two, &one] {
        life.daemon.obey().await;
    }
    let comments = team.comments(task).await;
    assert_eq!(comments.len(), 2, "{comments:#?}");
    assert!(two.ledger.commands().await.unwrap().is_empty());
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_of_which_it_could_not_be_written_down_that_it_arrived_is_told_once() {
    for is_taken in [true, false] {
        let mut team = Team::new().await;
        let (to, mailbox) = (Channel::Slack("ops".into()), Mailbox::new(Duration::ZERO));
        team.channels.insert(to.clone(), Arc::clone(&mailbox) as _);
        let store = guarded(&mut team);
        let life = team.start().await;
        let now = team.clock.wall();
        let notices = ["first", "second"].map(|text| notice(&to, text, text, now));
        life.ledger.enqueue(notices.to_vec()).await.unwrap();
        if is_taken {
            store.lose_answers("\"delivered\"");
        } else {
            store.refuse("\"delivered\"");
        }
        assert!(!life.daemon.deliver().await, "{is_taken}");
        store.take_all();
        assert!(life.daemon.deliver().await, "{is_taken}");
        assert_eq!(mailbox.texts(), ["first", "second"], "{is_taken}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_program_told_and_was_not_confirmed_wakes_its_playbook_once() {
    let by_hook = "webhook = { secret = \"${REPORT_SECRET}\" }";
    let (mut team, _shared) = team("report", &REPORT.replace("every = \"10m\"", by_hook)).await;
    let store = guarded(&mut team);
    let life = team.start().await;
    let arrival = Arrival {
        playbook: PlaybookName::new("report"),
        delivery: "d-1".into(),
        name: String::new(),
        text: "It is time.".into(),
        at: team.clock.wall(),
    };
    store.lose_answers("\"delivery\":\"d-1\"");
    life.daemon.receive(arrival.clone()).await.unwrap_err();
    store.take_all();
    assert!(life.daemon.receive(arrival).await.unwrap().is_repeated, "its sender tries again");
    life.work().await;
    assert_eq!(runs(&life).await, succeeded("one"));
    life.stop().await;
}
