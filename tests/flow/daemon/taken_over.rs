//! What a daemon leaves that is gone is another's within a lease; what one is told, all of them hear.

use super::outbox::notice;
use super::playbooks::{BREAKS_OFF, QUICK, WORKER as WORKER_PLAYBOOK, asks_to_hear};
use super::several::{LEASE_OVER, REPORT, begun, runs, start, team};
use crate::support::daemon::{ADA, BO, Life, Team, request};
use crate::support::mailbox::Mailbox;
use futures::FutureExt as _;
use rota::clock::Clock as _;
use rota::domain::*;
use rota::ledger::{Enrolment, Presence, RunFilter};
use rota::store::Batch;
use rota::tools::desk::{Desk as _, DeskError};
use std::sync::Arc;
use std::time::Duration;

/// The runs of reports, the earliest first.
async fn attempts(life: &Life) -> Vec<(String, u32, RunState)> {
    let runs = life.ledger.runs(&RunFilter::default(), 100).await.unwrap();
    let of = |run: Run| (run.daemon.unwrap().as_str().to_owned(), run.attempt, run.state);
    let mut all: Vec<_> = runs.into_iter().map(of).collect();
    all.sort_by_key(|(_, attempt, _)| *attempt);
    all
}

fn of(daemon: &str, attempt: u32, state: RunState) -> (String, u32, RunState) {
    (daemon.to_owned(), attempt, state)
}

#[tokio::test(start_paused = true)]
async fn a_report_whose_daemon_died_is_made_by_another_within_one_lease() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let (three, _door) = start(&mut team, &shared, "three").await;
    let gate = begun(&team, &one).await;
    door.die();
    drop(gate);
    two.work().await;
    assert_eq!(
        attempts(&two).await,
        [of("one", 1, RunState::Running)],
        "before its lease had ended"
    );
    team.clock.advance(LEASE_OVER);
    tokio::join!(two.work(), three.work());
    let made = attempts(&two).await;
    assert_eq!(made[0], of("one", 1, RunState::Interrupted));
    assert_eq!((made.len(), made[1].1, made[1].2), (2, 2, RunState::Succeeded), "{made:?}");
    let occurrences = two.occurrences("report").await;
    let OccurrenceState::Ran { runs, .. } = &occurrences[0].state else {
        panic!("{occurrences:?}")
    };
    assert_eq!((occurrences.len(), runs.len()), (1, 2));
    two.stop().await;
    three.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_was_cut_off_does_no_more_of_what_another_took_over() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let gate = begun(&team, &one).await;
    door.cut();
    for _ in 0..7 {
        team.clock.advance(Duration::from_secs(10));
        one.daemon.tick().await;
        two.work().await;
    }
    let made = [of("one", 1, RunState::Interrupted), of("two", 2, RunState::Succeeded)];
    assert_eq!(attempts(&two).await, made);
    // It is mended, and what it had begun comes back to it.
    door.mend();
    // That it is there is said beside the loop that decides, and may be said before that one looks.
    let ask = Enrolment {
        version: "0.1.0".to_owned(),
        labels: Vec::new(),
        slots: 4,
        since: team.clock.wall(),
        lease: Duration::from_mins(1),
    };
    assert_eq!(one.ledger.stay(&ask).await.unwrap(), Presence::Back);
    assert!(!one.ledger.is_there(), "what was taken over is still under way here");
    gate.open();
    one.work().await;
    assert!(one.ledger.is_there());
    assert_eq!(attempts(&two).await, made, "the first one has nothing more to say");
    assert!(one.daemon.lost_its_state().now_or_never().is_none());
    // It goes on by itself.
    team.clock.advance(Duration::from_mins(10));
    one.work().await;
    assert_eq!(runs(&two).await[0], ("one".to_owned(), RunState::Succeeded));
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_takeover_whose_answer_was_lost_is_carried_on_by_whoever_has_it() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, door) = start(&mut team, &shared, "one").await;
    let (two, answers) = start(&mut team, &shared, "two").await;
    let gate = begun(&team, &one).await;
    door.die();
    drop(gate);
    team.clock.advance(LEASE_OVER);
    answers.deafen();
    two.daemon.tick().await;
    let occurrence = two.ledger.open_occurrences().await.unwrap().remove(0);
    let at = two.ledger.occurrence_at(&occurrence.id).await.unwrap();
    assert_eq!(at, Some(two.ledger.own_life()), "it has it, and was not told");
    answers.mend();
    two.work().await;
    let made = [of("one", 1, RunState::Interrupted), of("two", 2, RunState::Succeeded)];
    assert_eq!(attempts(&two).await, made);
    assert!(two.ledger.open_occurrences().await.unwrap().is_empty());
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_daemon_took_over_when_it_died_its_next_life_carries_on() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, door) = start(&mut team, &shared, "one").await;
    let (two, second) = start(&mut team, &shared, "two").await;
    let gate = begun(&team, &one).await;
    door.die();
    drop(gate);
    team.clock.advance(LEASE_OVER);
    // It has it, and comes no further.
    second.deafen();
    two.daemon.tick().await;
    second.die();
    let (again, _door) = start(&mut team, &shared, "two").await;
    again.daemon.idle().await;
    let made = [of("one", 1, RunState::Interrupted), of("two", 2, RunState::Succeeded)];
    assert_eq!(attempts(&again).await, made);
    again.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_whose_beginning_was_not_answered_is_made_once_by_its_daemon() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, answers) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    team.clock.advance(Duration::from_mins(10));
    answers.deafen();
    one.daemon.tick().await;
    let begun = two.occurrences("report").await.remove(0);
    assert_eq!(begun.state, OccurrenceState::Running);
    two.work().await;
    answers.mend();
    one.work().await;
    two.work().await;
    assert_eq!(runs(&two).await, [("one".to_owned(), RunState::Succeeded)]);
    let ended = two.occurrences("report").await.remove(0);
    let OccurrenceState::Ran { runs, .. } = &ended.state else { panic!("{ended:?}") };
    assert_eq!(runs.len(), 1);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_nothing_says_the_place_of_is_left_alone_for_a_while_and_then_taken_over() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let gate = begun(&team, &one).await;
    door.die();
    drop(gate);
    // As a version left it that did not write this down.
    let occurrence = two.ledger.open_occurrences().await.unwrap().remove(0);
    let place = team.store.scan("occurrence-at/", None, 10).await.unwrap().remove(0).key;
    team.store.commit(Batch::new().delete(place)).await.unwrap();
    team.clock.advance(LEASE_OVER);
    two.work().await;
    assert_eq!(
        attempts(&two).await,
        [of("one", 1, RunState::Running)],
        "whose it is, nobody knows"
    );
    team.clock.advance(Duration::from_mins(10));
    two.work().await;
    let made = attempts(&two).await;
    assert!(made.contains(&of("one", 1, RunState::Interrupted)), "{made:?}");
    let settled = two.ledger.occurrence(&occurrence.id).await.unwrap().unwrap();
    assert!(settled.state.is_settled(), "{settled:?}");
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_for_long_ends_no_daemon() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, door) = start(&mut team, &shared, "one").await;
    door.cut();
    for _ in 0..40 {
        team.clock.advance(Duration::from_secs(30));
        one.daemon.tick().await;
    }
    assert!(one.daemon.lost_its_state().now_or_never().is_none());
    door.mend();
    one.work().await;
    assert_eq!(runs(&one).await, [("one".to_owned(), RunState::Succeeded)]);
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_daemon_that_died_is_heard_by_one_other() {
    let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    team.model("worker", &[&asks_to_hear("Green")]);
    let task = team.task("Paint the shed").await;
    let (one, door) = start(&mut team, &shared, "one").await;
    assert_eq!(one.run("ai-worker").await.state, RunState::Waiting);
    door.die();
    let (two, _door) = start(&mut team, &shared, "two").await;
    let (three, _door) = start(&mut team, &shared, "three").await;
    team.clock.advance(LEASE_OVER);
    team.say(BO, task, "Green, like the door.").await;
    tokio::join!(two.work(), three.work());
    tokio::join!(two.work(), three.work());
    let all = two.runs(task).await;
    let succeeded = all.iter().filter(|run| run.state == RunState::Succeeded).count();
    assert_eq!((all.len(), succeeded), (2, 1), "{all:#?}");
    assert_eq!(team.status(task).await, "Ready for Review");
    let comments = team.comments(task).await;
    let handed = comments.iter().filter(|(_, text)| text.contains("hands this over")).count();
    assert_eq!(handed, 1, "{comments:#?}");
    assert_eq!(two.claim(task).await.phase, Phase::Free);
    two.stop().await;
    three.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_asked_for_at_a_daemon_that_died_is_not_done_elsewhere() {
    let overlaps = REPORT.replace("every", "overlap = \"queue\"\nevery");
    let (mut team, shared) = team("report", &overlaps).await;
    let (one, door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let gate = begun(&team, &one).await;
    // It waits behind the one that is under way.
    let waits = one.daemon.run_playbook(request("report"));
    assert!(futures::poll!(Box::pin(waits)).is_pending());
    one.daemon.tick().await;
    door.die();
    drop(gate);
    team.clock.advance(LEASE_OVER);
    two.work().await;
    let states: Vec<_> = two.occurrences("report").await.into_iter().map(|it| it.state).collect();
    let wished = OccurrenceState::Skipped { reason: Reason::Interrupted };
    assert_eq!(states.len(), 2);
    assert!(states.contains(&wished), "{states:?}");
    assert!(two.ledger.open_occurrences().await.unwrap().is_empty());
    two.stop().await;
}

/// A channel that keeps what it is told.
fn with_a_mailbox(team: &mut Team) -> (Channel, Arc<Mailbox>) {
    let (to, mailbox) = (Channel::Slack("ops".into()), Mailbox::new(Duration::ZERO));
    team.channels.insert(to.clone(), Arc::clone(&mailbox) as _);
    (to, mailbox)
}

async fn tell(team: &Team, life: &Life, to: &Channel, texts: &[String]) {
    let now = team.clock.wall();
    let notices = texts.iter().map(|text| notice(to, text, text, now)).collect();
    life.ledger.enqueue(notices).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_couriers_tell_each_message_once_and_in_order() {
    let (mut team, shared) = team("report", REPORT).await;
    let (to, mailbox) = with_a_mailbox(&mut team);
    let (one, _door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let texts: Vec<String> = (0..30).map(|number| format!("message {number:02}")).collect();
    tell(&team, &one, &to, &texts).await;
    tokio::join!(one.daemon.deliver(), two.daemon.deliver());
    assert_eq!(mailbox.texts(), texts);
    one.stop().await;
    // One that ended in good order is not waited for.
    tell(&team, &two, &to, &["the last".to_owned()]).await;
    assert!(two.daemon.deliver().await);
    assert_eq!(mailbox.texts().len(), 31);
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_courier_that_died_was_to_tell_another_tells_within_one_lease() {
    let (mut team, shared) = team("report", REPORT).await;
    let (to, mailbox) = with_a_mailbox(&mut team);
    let (one, door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    tell(&team, &one, &to, &["first".to_owned()]).await;
    assert!(one.daemon.deliver().await);
    door.die();
    tell(&team, &two, &to, &["second".to_owned()]).await;
    assert!(!two.daemon.deliver().await, "the way is another's");
    team.clock.advance(LEASE_OVER);
    assert!(two.daemon.deliver().await);
    assert_eq!(mailbox.texts(), ["first", "second"]);
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_daemon_whose_clock_is_ahead_keeps_nobody_waiting() {
    let (mut team, shared) = team("report", REPORT).await;
    let (to, mailbox) = with_a_mailbox(&mut team);
    let (one, _door) = start(&mut team, &shared, "one").await;
    let ahead = team.clock.wall() + chrono::TimeDelta::hours(1);
    one.ledger.enqueue(vec![notice(&to, "ahead", "ahead", ahead)]).await.unwrap();
    tell(&team, &one, &to, &["behind it".to_owned()]).await;
    assert!(one.daemon.deliver().await);
    assert_eq!(mailbox.texts(), ["ahead", "behind it"]);
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn everything_is_stopped_at_all_of_them_and_a_stop_file_stops_its_own() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    // Daemons on other machines have state folders of their own.
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["agents", "templates", "state"] {
        std::fs::create_dir(elsewhere.path().join(name)).unwrap();
    }
    std::fs::write(elsewhere.path().join("agents/report.toml"), REPORT).unwrap();
    std::fs::write(elsewhere.path().join("templates/report.md.hbs"), "Report.").unwrap();
    let own = std::mem::replace(&mut team.folder, elsewhere);
    let (two, _door) = start(&mut team, &shared, "two").await;
    let mut gate = team.gates.stop("model");
    team.clock.advance(Duration::from_mins(10));
    two.daemon.tick().await;
    gate.reached().await;
    one.daemon.stop_all("Ada", "a look at everything").await.unwrap();
    two.daemon.tick().await;
    gate.open();
    two.daemon.idle().await;
    let run = two.ledger.runs(&RunFilter::default(), 1).await.unwrap().remove(0);
    assert_eq!((run.state, run.reason), (RunState::Cancelled, Some(Reason::Stopped)));
    let refused = two.daemon.run_playbook(request("report")).await.unwrap_err();
    assert!(matches!(refused, DeskError::Refused { reason: Reason::Stopped, .. }), "{refused:?}");
    two.daemon.start_all("Ada").await.unwrap();
    // The file of the one that was told is still there: that one stays as it is, the other goes on.
    assert!(own.path().join("state/STOPPED").exists());
    team.clock.advance(Duration::from_mins(10));
    one.work().await;
    two.work().await;
    let last = two.ledger.runs(&RunFilter::default(), 1).await.unwrap().remove(0);
    assert_eq!((last.daemon.unwrap().as_str(), last.state), ("two", RunState::Succeeded));
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_is_stopped_by_whoever_is_asked() {
    let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    let task = team.task("Fix the login").await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    let mut gate = team.gates.stop("model");
    let elsewhere = async {
        gate.reached().await;
        let run = two.the_run(task).await.id;
        let stopping = two.daemon.stop_run(&run, "Ada");
        let holder = async {
            while two.ledger.stops_asked().await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            one.daemon.tick().await;
            gate.open();
            one.daemon.idle().await;
            two.daemon.tick().await;
        };
        let (stopped, ()) = tokio::join!(stopping, holder);
        stopped.unwrap();
    };
    let (report, ()) = tokio::join!(one.run("ai-worker"), elsewhere);
    assert_eq!((report.state, report.reason), (RunState::Cancelled, Reason::Cancelled));
    assert_eq!(team.status(task).await, "New");
    one.daemon.tick().await;
    assert!(one.ledger.stops_asked().await.unwrap().is_empty(), "it has ended");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_was_asked_of_one_attempt_stops_the_next() {
    let (mut team, shared) = team("ai-worker", WORKER_PLAYBOOK).await;
    team.model("worker", &[BREAKS_OFF, QUICK]);
    let task = team.task("Fix the login").await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    // The first attempt asks its model twice.
    let mut gate = team.gates.stop_after("model", 2);
    let elsewhere = async {
        gate.reached().await;
        one.daemon.tick().await;
        let first = one.runs(task).await.into_iter().find(|run| run.attempt == 1).unwrap();
        assert_eq!(first.state, RunState::Failed);
        // It was under way when somebody asked, and nobody has read that yet.
        two.ledger.ask_stop(&first.id, "Ada").await.unwrap();
        two.daemon.tick().await;
        assert_eq!(two.ledger.stops_asked().await.unwrap().len(), 1);
        one.daemon.tick().await;
        gate.open();
    };
    let (report, ()) = tokio::join!(one.run("ai-worker"), elsewhere);
    assert_eq!((report.state, report.reason), (RunState::Cancelled, Reason::Cancelled));
    assert_eq!(one.runs(task).await.len(), 2);
    one.daemon.tick().await;
    assert!(one.ledger.stops_asked().await.unwrap().is_empty(), "it has ended");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_paused_at_one_daemon_is_paused_at_all() {
    let (mut team, shared) = team("report", REPORT).await;
    let (one, _door) = start(&mut team, &shared, "one").await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    tokio::join!(one.work(), two.work());
    let (ada, name) = (team.person(ADA).await, PlaybookName::new("report"));
    one.daemon.set_playbook(&name, rota::tools::desk::Switch::Pause, &ada.name).await.unwrap();
    team.clock.advance(Duration::from_mins(10));
    two.work().await;
    let states: Vec<_> = two.occurrences("report").await.into_iter().map(|it| it.state).collect();
    assert_eq!(states, [OccurrenceState::Skipped { reason: Reason::Paused }]);
    one.stop().await;
    two.stop().await;
}
