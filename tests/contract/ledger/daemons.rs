//! Several daemons on one store: who is there, at which one an occurrence is, who tells a channel.

use super::{Fixture, MARGIN, an_occurrence, at, at_once, ledger, on_both_stores};
use rota::domain::*;
use rota::ledger::{Enrolment, KnownDaemon, Ledger, LedgerError, Presence};
use rota::store::Batch;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

on_both_stores! {
    of_two_lives_of_one_name_the_one_that_is_there_keeps_it
    a_daemon_that_wrote_nothing_for_a_lease_is_gone_and_knows_it_a_margin_earlier
    one_that_ended_in_good_order_is_not_waited_for
    a_daemon_of_a_later_version_is_left_alone
    who_is_drained_stays_so_in_its_next_life
    daemons_that_have_been_gone_for_long_are_forgotten
    an_occurrence_is_settled_where_it_was_begun_and_nowhere_else
    of_several_that_take_an_occurrence_over_one_has_it
    what_somebody_waits_for_at_one_daemon_no_other_begins
    a_channel_is_told_by_one_daemon_at_a_time
    whoever_is_asked_first_to_stop_a_run_stands
}

const LEASE: Duration = Duration::from_mins(1);

fn as_a_daemon() -> Enrolment {
    let (version, labels) = ("0.1.0".to_owned(), vec!["gpu".to_owned()]);
    Enrolment { version, labels, slots: 4, since: at(0), lease: LEASE }
}

async fn known(ledger: &Ledger, name: &str) -> KnownDaemon {
    let all = ledger.daemons().await.unwrap();
    all.into_iter().find(|known| known.record.id.as_str() == name).unwrap()
}

fn is_conflict<T>(answer: Result<T, LedgerError>) -> bool {
    answer.is_err_and(|error| matches!(error, LedgerError::Conflict { .. }))
}

async fn of_two_lives_of_one_name_the_one_that_is_there_keeps_it(f: Fixture) {
    let (first, second) = (ledger(&f, "d/1"), ledger(&f, "d/2"));
    assert_eq!(first.enroll(&as_a_daemon()).await.unwrap(), Presence::There);
    f.clock.advance(LEASE.saturating_sub(Duration::from_secs(1)));
    let Presence::Taken(other) = second.enroll(&as_a_daemon()).await.unwrap() else {
        panic!("the first one is there")
    };
    assert_eq!((other.id.as_str(), other.life.as_str(), other.since), ("d", "1", at(0)));
    assert_eq!(first.stay(&as_a_daemon()).await.unwrap(), Presence::There);
    f.clock.advance(LEASE);
    assert_eq!(second.enroll(&as_a_daemon()).await.unwrap(), Presence::There);
    // The first one was gone for a lease, and learns that it has no name any more.
    let late = first.stay(&as_a_daemon()).await.unwrap();
    assert!(matches!(late, Presence::Taken(other) if other.life.as_str() == "2"));
    assert!(!first.is_there() && second.is_there());
}

async fn a_daemon_that_wrote_nothing_for_a_lease_is_gone_and_knows_it_a_margin_earlier(f: Fixture) {
    let (one, two) = (ledger(&f, "one/1"), ledger(&f, "two/1"));
    assert!(one.is_there(), "who never said that it is there shares with nobody");
    one.enroll(&as_a_daemon()).await.unwrap();
    f.clock.advance(LEASE.saturating_sub(MARGIN + Duration::from_millis(1)));
    assert!(one.is_there());
    f.clock.advance(Duration::from_millis(1));
    assert!(!one.is_there());
    assert!(known(&two, "one").await.is_there);
    f.clock.advance(MARGIN);
    let seen = known(&two, "one").await;
    assert_eq!((seen.is_there, seen.seen_ago), (false, Some(LEASE)));
    assert_eq!(one.stay(&as_a_daemon()).await.unwrap(), Presence::Back);
    assert!(known(&two, "one").await.is_there);
    assert!(!one.is_there(), "before it has let go of what others may have taken over");
    assert_eq!(one.stay(&as_a_daemon()).await.unwrap(), Presence::There);
    assert!(!one.is_there(), "however often it says so");
    one.come_back();
    assert!(one.is_there());
    assert_eq!(known(&two, "one").await.record.labels, ["gpu"]);
}

async fn one_that_ended_in_good_order_is_not_waited_for(f: Fixture) {
    let (first, second) = (ledger(&f, "d/1"), ledger(&f, "d/2"));
    first.enroll(&as_a_daemon()).await.unwrap();
    first.leave().await.unwrap();
    let left = known(&second, "d").await;
    assert!(!left.is_there && left.record.left.is_some());
    assert_eq!(second.enroll(&as_a_daemon()).await.unwrap(), Presence::There);
    // Nobody leaves for another life.
    first.leave().await.unwrap();
    assert!(known(&second, "d").await.is_there);
}

async fn a_daemon_of_a_later_version_is_left_alone(f: Fixture) {
    let one = ledger(&f, "one/1");
    one.enroll(&as_a_daemon()).await.unwrap();
    let later = json!({"id": "later", "shape": {"of": "another kind"}}).to_string();
    f.store.commit(Batch::new().put("daemon/later", later.clone())).await.unwrap();
    let all = one.daemons().await.unwrap();
    let seen: Vec<_> = all.iter().map(|it| (it.record.id.as_str(), it.is_newer)).collect();
    assert_eq!(seen, [("later", true), ("one", false)]);
    f.clock.advance(Duration::from_hours(30 * 24));
    one.forget_daemons().await.unwrap();
    let row = f.store.get("daemon/later").await.unwrap().unwrap();
    assert_eq!(String::from_utf8(row.value).unwrap(), later);
}

async fn who_is_drained_stays_so_in_its_next_life(f: Fixture) {
    let (first, second, other) = (ledger(&f, "d/1"), ledger(&f, "d/2"), ledger(&f, "e/1"));
    let d = DaemonId::new("d");
    let unknown = other.drain_daemon(&d, true, "Ada").await;
    assert!(matches!(unknown, Err(LedgerError::NotFound { .. })));
    first.enroll(&as_a_daemon()).await.unwrap();
    assert!(other.drain_daemon(&d, true, "Ada").await.unwrap());
    assert!(!other.drain_daemon(&d, true, "Bo").await.unwrap(), "it was so before");
    first.leave().await.unwrap();
    second.enroll(&as_a_daemon()).await.unwrap();
    assert_eq!(second.drained().await.unwrap().unwrap().by, "Ada");
    assert_eq!(known(&other, "d").await.drained.unwrap().by, "Ada");
    assert!(other.drain_daemon(&d, false, "Bo").await.unwrap());
    assert_eq!(second.drained().await.unwrap(), None);
    let acts = other.audit_log(9, None).await.unwrap();
    let acts: Vec<_> = acts.iter().map(|act| (act.who.as_str(), act.what.as_str())).collect();
    assert_eq!(acts, [("Bo", "undrain"), ("Ada", "drain")]);
}

async fn daemons_that_have_been_gone_for_long_are_forgotten(f: Fixture) {
    let (one, two) = (ledger(&f, "one/1"), ledger(&f, "two/1"));
    one.enroll(&as_a_daemon()).await.unwrap();
    two.drain_daemon(&DaemonId::new("one"), true, "Ada").await.unwrap();
    f.clock.advance(Duration::from_hours(6 * 24));
    two.enroll(&as_a_daemon()).await.unwrap();
    two.forget_daemons().await.unwrap();
    assert_eq!(two.daemons().await.unwrap().len(), 2);
    f.clock.advance(Duration::from_hours(2 * 24));
    two.forget_daemons().await.unwrap();
    let left = two.daemons().await.unwrap();
    assert_eq!(left.iter().map(|known| known.record.id.as_str()).collect::<Vec<_>>(), ["two"]);
    assert_eq!(one.drained().await.unwrap(), None);
}

async fn an_occurrence_is_settled_where_it_was_begun_and_nowhere_else(f: Fixture) {
    let (one, two) = (ledger(&f, "one/1"), ledger(&f, "two/1"));
    let occurrence = an_occurrence("digest", 1);
    let id = &occurrence.id;
    one.put_occurrence(&occurrence).await.unwrap();
    assert_eq!(two.occurrence_at(id).await.unwrap(), None);
    assert_eq!(one.begin_occurrence(id).await.unwrap(), OccurrenceState::Queued);
    assert_eq!(two.occurrence_at(id).await.unwrap(), Some(one.own_life()));
    let skipped = OccurrenceState::Skipped { reason: Reason::NothingToDo };
    assert!(is_conflict(two.set_occurrence_state(id, skipped.clone()).await));
    assert_eq!(two.occurrence(id).await.unwrap().unwrap().state, OccurrenceState::Running);
    one.set_occurrence_state(id, skipped).await.unwrap();
    assert_eq!(one.occurrence_at(id).await.unwrap(), None);
}

async fn of_several_that_take_an_occurrence_over_one_has_it(f: Fixture) {
    let gone = ledger(&f, "gone/1");
    let others: Vec<_> = (0..8).map(|n| Arc::new(ledger(&f, &format!("d{n}/1")))).collect();
    for second in 0..10 {
        let id = an_occurrence("digest", second).id;
        gone.put_occurrence(&an_occurrence("digest", second)).await.unwrap();
        gone.begin_occurrence(&id).await.unwrap();
        let from = gone.own_life();
        let take = |ledger: &Arc<Ledger>| {
            let (ledger, id, from) = (Arc::clone(ledger), id.clone(), from.clone());
            async move { ledger.take_over_occurrence(&id, &from).await.unwrap() }
        };
        let taken = at_once(others.iter().map(take)).await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
        // What the one that was gone still has to say of it does not count.
        assert!(is_conflict(gone.set_occurrence_state(&id, OccurrenceState::Queued).await));
        let whose = gone.occurrence_at(&id).await.unwrap().unwrap();
        let owner = others.iter().find(|other| other.own_life() == whose).unwrap();
        assert!(owner.take_over_occurrence(&id, &from).await.unwrap(), "asked again it has it");
        let skipped = OccurrenceState::Skipped { reason: Reason::Interrupted };
        owner.set_occurrence_state(&id, skipped).await.unwrap();
        assert!(!owner.take_over_occurrence(&id, &whose).await.unwrap(), "it has settled");
    }
}

async fn what_somebody_waits_for_at_one_daemon_no_other_begins(f: Fixture) {
    let (one, two) = (ledger(&f, "one/1"), ledger(&f, "two/1"));
    let wish = Occurrence { trigger: Trigger::Manual, ..an_occurrence("digest", 1) };
    one.put_occurrence(&wish).await.unwrap();
    assert!(is_conflict(two.begin_occurrence(&wish.id).await));
    assert_eq!(one.begin_occurrence(&wish.id).await.unwrap(), OccurrenceState::Queued);
}

async fn a_channel_is_told_by_one_daemon_at_a_time(f: Fixture) {
    let (one, two, again) = (ledger(&f, "one/1"), ledger(&f, "two/1"), ledger(&f, "one/2"));
    let (team, log) = (Channel::Slack("team".into()), Channel::File("log".into()));
    assert!(one.take_lane(&team, LEASE).await.unwrap().is_some());
    assert_eq!(two.take_lane(&team, LEASE).await.unwrap(), None);
    assert!(
        two.take_lane(&log, LEASE).await.unwrap().is_some(),
        "another channel is another matter"
    );
    f.clock.advance(LEASE / 2);
    assert!(one.take_lane(&team, LEASE).await.unwrap().is_some(), "it says so again");
    f.clock.advance(LEASE / 2);
    assert_eq!(two.take_lane(&team, LEASE).await.unwrap(), None);
    assert!(again.take_lane(&team, LEASE).await.unwrap().is_some(), "its next life need not wait");
    // What is not one's own cannot be left.
    one.leave_lane(&team).await.unwrap();
    assert_eq!(two.take_lane(&team, LEASE).await.unwrap(), None);
    again.leave_lane(&team).await.unwrap();
    assert!(two.take_lane(&team, LEASE).await.unwrap().is_some());
    f.clock.advance(LEASE);
    assert!(one.take_lane(&team, LEASE).await.unwrap().is_some(), "nobody said so again");
}

async fn whoever_is_asked_first_to_stop_a_run_stands(f: Fixture) {
    let (one, two) = (ledger(&f, "one/1"), ledger(&f, "two/1"));
    let run = RunId::new("r-1");
    assert_eq!(two.stop_asked(&run).await.unwrap(), None);
    one.ask_stop(&run, "Ada").await.unwrap();
    one.ask_stop(&run, "Bo").await.unwrap();
    let asked = two.stops_asked().await.unwrap();
    assert_eq!(
        asked.iter().map(|it| (it.run.as_str(), it.by.as_str())).collect::<Vec<_>>(),
        [("r-1", "Ada")]
    );
    two.forget_stop(&run).await.unwrap();
    assert!(one.stops_asked().await.unwrap().is_empty());
}
