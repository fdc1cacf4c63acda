//! C9: the marker of a claim, from its first instant to its last, also over crashes and among people.

use super::{LABELS, WORKER, office};
use crate::support::daemon::request;
use crate::support::office::{Home, Life, Office, unlimited};
use crate::support::playbooks::{DILIGENT, QUICK};
use crate::support::stepped::Stepped;
use rota::domain::*;
use rota::tools::desk::{Desk as _, DeskError, UndoAsk};
use serde_json::json;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

/// A life that ends when a run comes to this place; it is kept, for its end must not wake the run.
async fn dies_at(office: &Office, home: &Home, place: &str, let_pass: usize) -> Life {
    let life = office.start(home, DILIGENT).await;
    let mut gate = home.gates.stop_after(place, let_pass);
    tokio::select! {
        report = life.daemon.run_playbook(request("ai-worker")) => panic!("it ended: {report:?}"),
        () = gate.reached() => {}
    }
    drop(gate);
    office.advance(Duration::from_secs(1));
    life
}

/// An office in which work may take long.
async fn patient() -> Office {
    let office = Office::new(unlimited()).await;
    let long = ("attempts = 3", "attempts = 1\ntime = \"2h\"\nidle = \"2h\"");
    office.playbook("ai-worker", WORKER, &[LABELS, &[long]].concat());
    office
}

/// A person makes a ticket look as if nobody had ever taken it.
fn reset(office: &Office, ticket: i64) {
    let person = office.fake.as_person(office.hugo);
    person.edit(ticket, "status", json!(3));
    person.edit(ticket, "editorId", json!(""));
    person.edit(ticket, "tags", json!("AI-Suitable"));
}

#[tokio::test]
async fn c9_the_marker_comes_before_any_field_and_is_closed_with_the_claim() {
    let office = office().await;
    let ticket = office.ticket("Fix the login");
    let home = office.home("laptop");
    // Whatever this machine's clock shows: the server's counts.
    office.clock.set(chrono::TimeDelta::hours(-7));
    let life = office.start(&home, QUICK).await;
    let mut gate = home.gates.stop("model");
    let looks = async {
        gate.reached().await;
        let comments = office.comments(ticket);
        assert!(comments[0].contains("takes this task"), "{comments:#?}");
        let ends = office.marked_for(ticket).expect("a marker");
        assert!((595..=600).contains(&ends), "it ends in {ends} s");
        gate.open();
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), looks);
    assert_eq!(report.reason, Reason::HandedOver);
    let asked = office.fake.asked();
    let first = |method: &str| asked.iter().position(|a| a.methods.iter().any(|m| m == method));
    assert!(first("comments.addComment") < first("tickets.patchTicket"));
    assert_eq!(office.markers(ticket), 0);
    let comments = office.comments(ticket);
    assert!(comments[0].ends_with("Whatever you do wins.</p>"), "{comments:#?}");
    // Its end is no change of the comment: nobody is told that somebody edited it.
    let query = ActivityQuery { limit: 1_000, ..ActivityQuery::default() };
    let rows = rota::board::History::activity(life.board.as_ref(), &query).await.unwrap().items;
    assert!(rows.iter().all(|row| row.field != "text"), "{rows:#?}");
    office.is_careful();
    life.stop().await;
}

#[tokio::test]
async fn c9_after_a_crash_between_marker_and_fields_the_marker_is_taken_away() {
    for place in ["after addComment", "before editTask"] {
        let office = office().await;
        let ticket = office.ticket("Fix the login");
        let home = office.home("laptop");
        let _dead = dies_at(&office, &home, place, 0).await;
        assert_eq!((office.markers(ticket), office.column(ticket, "status").as_str()), (1, "3"));
        // Nobody else takes it meanwhile.
        let other = office.home("server");
        let server = office.start(&other, QUICK).await;
        let report = server.run("ai-worker").await;
        assert_eq!((report.tasks.len(), report.reason), (0, Reason::AlreadyClaimed));
        let life = office.start(&home, QUICK).await;
        life.work().await;
        assert_eq!(office.comments(ticket), [""; 0], "{place}");
        assert_eq!((office.column(ticket, "status").as_str(), office.markers(ticket)), ("3", 0));
        assert!(life.ledger.orphans().await.unwrap().is_empty());
        assert_eq!(server.run("ai-worker").await.reason, Reason::HandedOver);
        assert_eq!(office.comments(ticket).len(), 2);
        office.is_careful();
    }
}

#[tokio::test]
async fn c9_after_a_crash_at_work_the_next_life_goes_on_under_the_same_marker() {
    let office = office().await;
    let ticket = office.ticket("Fix the login");
    let home = office.home("laptop");
    let _dead = dies_at(&office, &home, "model", 0).await;
    office.advance(Duration::from_mins(4));
    let life = office.start(&home, QUICK).await;
    let mut gate = home.gates.stop("model");
    let looks = async {
        gate.reached().await;
        assert_eq!((office.markers(ticket), office.comments(ticket).len()), (1, 1));
        let ends = office.marked_for(ticket).unwrap();
        assert!((590..=600).contains(&ends), "it was not renewed: {ends} s");
        gate.open();
    };
    tokio::join!(life.work(), looks);
    let runs = life.runs(ticket).await;
    assert_eq!(
        runs.iter().map(|run| run.state).collect::<Vec<_>>(),
        [RunState::Interrupted, RunState::Succeeded]
    );
    assert_eq!((office.markers(ticket), office.comments(ticket).len()), (0, 2));
}

#[tokio::test]
async fn c9_a_dead_daemons_marker_ends_by_itself_and_whoever_took_the_ticket_then_keeps_it() {
    let office = office().await;
    let ticket = office.ticket("Fix the login");
    let (laptop, other) = (office.home("laptop"), office.home("server"));
    let _dead = dies_at(&office, &laptop, "model", 0).await;
    reset(&office, ticket);
    let server = office.start(&other, QUICK).await;
    for _ in 0..2 {
        let report = server.run("ai-worker").await;
        assert_eq!((report.tasks.len(), report.reason), (0, Reason::AlreadyClaimed));
        assert!(report.detail.contains("another daemon has marked it"), "{report:#?}");
        office.advance(5 * MINUTE);
    }
    office.advance(MINUTE);
    let mut gate = other.gates.stop("model");
    let comes_back = async {
        gate.reached().await;
        let own = |comments: Vec<String>| comments.last().cloned();
        let before = (office.fake.ticket(ticket), own(office.comments(ticket)));
        assert_eq!(office.markers(ticket), 2);
        let life = office.start(&laptop, QUICK).await;
        life.work().await;
        let now = (office.fake.ticket(ticket), own(office.comments(ticket)));
        assert_eq!((now, office.markers(ticket), office.comments(ticket).len()), (before, 1, 2));
        let last = life.runs(ticket).await.pop().unwrap();
        assert_eq!((last.state, last.reason), (RunState::Refused, Some(Reason::LostRace)));
        assert_eq!(life.claim(ticket).await.unwrap().phase, Phase::Free);
        gate.open();
        life
    };
    let (report, _) = tokio::join!(server.run("ai-worker"), comes_back);
    assert_eq!(report.reason, Reason::HandedOver);
    assert_eq!(server.runs(ticket).await.len(), 1);
    office.is_careful();
}

#[tokio::test]
async fn c9_who_imitates_a_marker_keeps_agents_off_for_a_while_and_no_longer_than_that() {
    let office = office().await;
    let forged = |ends: &str| format!("Mine.<!-- rota r-ffffffffffff until {ends} -->");
    let (short, never) = (office.ticket("Short"), office.ticket("Never"));
    let person = office.fake.as_person(office.hugo);
    person.comment(short, &forged("2026-11-22T14:01:00Z"));
    person.comment(never, &forged("2036-11-22T14:00:00Z"));
    let home = office.home("laptop");
    let life = office.start(&home, QUICK).await;
    let worked = |report: rota::tools::desk::RunReport| -> Vec<i64> {
        report.tasks.iter().map(|task| task.id.0).collect()
    };
    assert_eq!(worked(life.run("ai-worker").await), [never]);
    assert_eq!(life.run("ai-worker").await.reason, Reason::AlreadyClaimed);
    office.advance(2 * MINUTE);
    assert_eq!(worked(life.run("ai-worker").await), [short]);
    // What is written through Rota never is one.
    let by = Stamp::by(PersonId(office.agent));
    let text = forged("2026-11-22T15:00:00Z");
    let on = CommentTarget::Task(TaskId(short));
    let new = NewComment { on, text: text.clone(), parent: None, rating: None };
    let written = rota::board::Comments::add_comment(life.board.as_ref(), &by, new).await.unwrap();
    assert_eq!(written.after.text, text);
    let stored = office.comments(short).pop().unwrap();
    assert!(stored.contains("&lt;!-- rota") && !stored.contains("<!--"), "{stored}");
}

#[tokio::test]
async fn c9_who_takes_the_announcement_away_stops_the_run_before_its_next_write() {
    let office = office().await;
    let ticket = office.ticket("Fix the login");
    let home = office.home("laptop");
    let life = office.start(&home, DILIGENT).await;
    let mut gate = home.gates.stop_after("model", 1);
    let takes_away = async {
        gate.reached().await;
        let announced = office.fake.comments("ticket", ticket)[0]["id"].as_i64().unwrap();
        office.fake.as_person(office.hugo).delete_comment(announced);
        gate.open();
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), takes_away);
    assert_eq!((report.state, report.reason), (RunState::Yielded, Reason::PersonTookOver));
    let comments = office.comments(ticket);
    assert_eq!(comments.len(), 1, "only the hand-over: {comments:#?}");
    assert!(comments[0].contains("was removed"), "{comments:#?}");
    assert_eq!(
        (office.column(ticket, "status").as_str(), office.column(ticket, "editorId")),
        ("3", String::new())
    );
    office.is_careful();
}

#[tokio::test]
async fn c9_a_marker_is_renewed_as_long_as_the_work_takes_and_never_shows_an_end_that_passed() {
    let stepped = Stepped::begin();
    let office = patient().await;
    let ticket = office.ticket("Fix the login");
    let home = office.home("laptop");
    let life = office.start(&home, QUICK).await;
    let mut gate = home.gates.stop("model");
    let long_work = async {
        stepped.settle(&office).await;
        gate.reached().await;
        let edits = office.fake.calls("comments.editComment");
        stepped
            .pass(&office, 40 * MINUTE, async || {
                let ends = office.marked_for(ticket).expect("a marker");
                assert!(ends > 240, "it ends in {ends} s");
                false
            })
            .await;
        let edits = office.fake.calls("comments.editComment") - edits;
        assert!((4..=8).contains(&edits), "{edits} edits in 40 minutes");
        gate.open();
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), long_work);
    assert_eq!(report.reason, Reason::HandedOver, "{report:#?}");
    assert_eq!((office.markers(ticket), office.comments(ticket).len()), (0, 2));
    office.is_careful();
}

#[tokio::test]
async fn how_far_a_long_run_is_stands_in_one_comment_beside_the_marker() {
    let stepped = Stepped::begin();
    let office = Office::new(unlimited()).await;
    let long = ("attempts = 3", "attempts = 1\ntime = \"2h\"\nidle = \"2h\"");
    let progress = ("[claim]\n", "[claim]\nprogress = true\n");
    office.playbook("ai-worker", WORKER, &[LABELS, &[long, progress]].concat());
    let ticket = office.ticket("Fix the login");
    let home = office.home("laptop");
    let life = office.start(&home, DILIGENT).await;
    let told = || {
        let comments = office.comments(ticket);
        comments.into_iter().filter(|text| text.contains("Progress of")).collect::<Vec<_>>()
    };
    let mut gate = home.gates.stop_after("model", 1);
    let long_work = async {
        stepped.settle(&office).await;
        gate.reached().await;
        stepped.pass(&office, 5 * MINUTE, async || false).await;
        let now = told();
        assert!(now.len() == 1 && now[0].contains("steps so far"), "{now:#?}");
        assert_eq!(office.markers(ticket), 1);
        gate.open();
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), long_work);
    assert_eq!(report.reason, Reason::HandedOver, "{report:#?}");
    let last = told();
    assert!(last.len() == 1 && last[0].contains("ended: succeeded"), "{last:#?}");
    assert_eq!(office.markers(ticket), 0);
    office.is_careful();
    // What the daemon wrote is no news of somebody else's.
    let query = ActivityQuery { limit: 1_000, ..ActivityQuery::default() };
    let rows = rota::board::History::activity(life.board.as_ref(), &query).await.unwrap().items;
    let edits: Vec<_> = rows.iter().filter(|row| row.field == "text").collect();
    assert!(!edits.is_empty() && edits.iter().all(|row| row.mark.is_some()), "{edits:#?}");
}

#[tokio::test]
async fn c9_a_marker_that_cannot_be_renewed_in_time_ends_the_work() {
    use crate::support::leantime::{Fault, Trouble};
    let stepped = Stepped::begin();
    let office = patient().await;
    let ticket = office.ticket("Fix the login");
    let home = office.home("laptop");
    let life = office.start(&home, DILIGENT).await;
    let mut gate = home.gates.stop("model");
    let fails = async {
        stepped.settle(&office).await;
        gate.reached().await;
        office
            .fake
            .trouble(Trouble::new(Fault::Status(502)).on("comments.editComment").times(1_000));
        stepped.pass(&office, 10 * MINUTE, async || false).await;
        gate.open();
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), fails);
    assert_eq!(report.state, RunState::ClaimLost, "{report:#?}");
    assert_eq!(office.comments(ticket).len(), 1, "it wrote nothing more");
}

#[tokio::test]
async fn c9_a_run_is_not_undone_while_another_daemon_works_at_its_ticket() {
    let office = office().await;
    let ticket = office.ticket("Fix the login");
    let home = office.home("laptop");
    let life = office.start(&home, QUICK).await;
    life.run("ai-worker").await;
    let run = life.runs(ticket).await.pop().unwrap();
    let person = office.fake.as_person(office.hugo);
    let other = "Mine.<!-- rota r-ffffffffffff until 2026-11-22T14:01:00Z -->";
    let comment = person.comment(ticket, other);
    let before = (office.fake.ticket(ticket), office.comments(ticket));
    let ask = UndoAsk {
        run: run.id,
        dry_run: false,
        principal: super::assistants::principal(&office, &life).await,
        zone: chrono_tz::UTC,
    };
    match life.daemon.undo_run(ask.clone()).await {
        Err(DeskError::Refused { reason: Reason::AlreadyClaimed, message }) => {
            assert!(message.contains("another daemon has marked it"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((office.fake.ticket(ticket), office.comments(ticket)), before);
    person.delete_comment(comment);
    let report = life.daemon.undo_run(ask).await.unwrap();
    assert!(report.get("undone").and_then(Value::as_int).unwrap() > 0, "{report}");
    assert_eq!(office.column(ticket, "status"), "3");
    office.is_careful();
}
