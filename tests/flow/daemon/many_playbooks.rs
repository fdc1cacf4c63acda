//! Very many playbooks: what a look asks the store does not grow with them one by one.

use super::several::{REPORT, start, team};
use crate::support::daemon::{Life, Team};
use crate::support::shared_store::SharedStore;
use crate::support::tallied::Tallied;
use rota::domain::*;
use rota::store::{Batch, Store};
use std::sync::Arc;
use std::time::Duration;

/// More than are accounted for together.
const MANY: usize = 140;

fn named(number: usize) -> PlaybookName {
    PlaybookName::new(format!("report-{number:03}"))
}

/// A team with this many reports, and the store that its daemons share.
async fn with(reports: usize) -> (Team, Arc<SharedStore>) {
    let (team, shared) = team("report-000", REPORT).await;
    for number in 1..reports {
        team.playbook(named(number).as_str(), REPORT);
    }
    (team, shared)
}

/// Starts a daemon, and pauses all reports: what falls due is accounted for, and nothing begins.
async fn paused(team: &mut Team, shared: &Arc<SharedStore>, reports: usize) -> Life {
    let (life, _door) = start(team, shared, "one").await;
    for number in 0..reports {
        life.ledger.pause(&named(number), "Ada", "for now").await.unwrap();
    }
    life
}

/// A daemon whose questions to the store are counted.
async fn counted(team: &mut Team, shared: &Arc<SharedStore>) -> (Life, Arc<Tallied>) {
    let door = shared.door() as Arc<dyn Store>;
    let tallied = Tallied::new(&door);
    team.store = Arc::clone(&tallied) as _;
    (team.start_as("two").await, tallied)
}

async fn states(life: &Life, number: usize) -> Vec<OccurrenceState> {
    let found = life.occurrences(named(number).as_str()).await;
    found.into_iter().map(|occurrence| occurrence.state).collect()
}

fn skipped() -> OccurrenceState {
    OccurrenceState::Skipped { reason: Reason::Paused }
}

#[tokio::test(start_paused = true)]
async fn the_switches_of_all_playbooks_are_read_in_one_question() {
    let (mut team, shared) = with(MANY).await;
    let one = paused(&mut team, &shared, MANY).await;
    let (two, tallied) = counted(&mut team, &shared).await;
    two.work().await;
    one.ledger.resume(&named(7), "Ada").await.unwrap();
    one.ledger.pause(&named(7), "Ada", "again").await.unwrap();
    tallied.count("switch/");
    two.work().await;
    assert_eq!((tallied.questions(), tallied.rows()), (1, MANY), "somebody may have switched any");
    tallied.count("switch/");
    two.daemon.measure().await;
    assert_eq!(tallied.questions(), 1);
    team.clock.advance(Duration::from_mins(10));
    two.work().await;
    for number in [0, 7, MANY - 1] {
        assert_eq!(states(&two, number).await, [skipped()], "{number}");
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_starts_reads_all_timetables_in_one_question() {
    let (mut team, shared) = with(MANY).await;
    let one = paused(&mut team, &shared, MANY).await;
    team.clock.advance(Duration::from_mins(5));
    let door = shared.door() as Arc<dyn Store>;
    let tallied = Tallied::new(&door);
    tallied.count("timetable/");
    team.store = Arc::clone(&tallied) as _;
    let two = team.start_as("two").await;
    two.work().await;
    assert_eq!((tallied.questions(), tallied.rows()), (1, MANY));
    team.clock.advance(Duration::from_mins(5));
    two.work().await;
    assert_eq!(states(&two, 3).await, [skipped()]);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_daemon_accounted_for_is_looked_up_together() {
    let (mut team, shared) = with(MANY).await;
    let one = paused(&mut team, &shared, MANY).await;
    let (two, tallied) = counted(&mut team, &shared).await;
    two.work().await;
    team.clock.advance(Duration::from_mins(10));
    one.work().await;
    tallied.count("watermark/");
    two.work().await;
    let asked = tallied.questions();
    assert!((1..=2).contains(&asked), "{asked} questions");
    tallied.count("watermark/");
    two.work().await;
    assert_eq!(tallied.questions(), 0, "the next instant is known");
    for number in 0..MANY {
        assert_eq!(states(&two, number).await, [skipped()], "{number}");
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_daemons_that_account_for_very_many_at_once_each_instant_is_decided_once() {
    let (mut team, shared) = with(MANY).await;
    let one = paused(&mut team, &shared, MANY).await;
    let (two, _door) = start(&mut team, &shared, "two").await;
    for _ in 0..3 {
        team.clock.advance(Duration::from_mins(10));
        tokio::join!(one.work(), two.work());
    }
    for number in 0..MANY {
        assert_eq!(states(&one, number).await, [skipped(), skipped(), skipped()], "{number}");
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_watermark_that_cannot_be_read_keeps_no_other_playbook_from_its_instants() {
    let (mut team, shared) = with(5).await;
    let below = Arc::clone(&team.store);
    let one = paused(&mut team, &shared, 5).await;
    one.work().await;
    let damaged = Batch::new().put("watermark/report-002", "no JSON");
    below.commit(damaged).await.unwrap();
    team.clock.advance(Duration::from_mins(10));
    one.work().await;
    for number in [0, 1, 3, 4] {
        assert_eq!(states(&one, number).await, [skipped()], "{number}");
    }
    assert!(states(&one, 2).await.is_empty());
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn switches_that_cannot_be_read_of_a_playbook_that_is_gone_are_in_nobodys_way() {
    let (mut team, shared) = with(2).await;
    let below = Arc::clone(&team.store);
    let one = paused(&mut team, &shared, 2).await;
    below.commit(Batch::new().put("switch/gone", "no JSON")).await.unwrap();
    team.clock.advance(Duration::from_mins(10));
    one.work().await;
    assert_eq!(states(&one, 0).await, [skipped()]);
    assert_eq!(states(&one, 1).await, [skipped()]);
    one.stop().await;
}
