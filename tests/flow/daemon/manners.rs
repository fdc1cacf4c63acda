//! People are told when they want to be told: in their own hours, not too much, and alarms at once.

use super::outbox;
use crate::support::daemon::{Life, Team};
use crate::support::tallied::Tallied;
use rota::clock::Clock as _;
use rota::domain::*;
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

fn ops() -> Channel {
    Channel::Slack("ops".into())
}

fn recipient(zone: chrono_tz::Tz) -> Recipient {
    let hours = Hours {
        days: vec![
            chrono::Weekday::Mon,
            chrono::Weekday::Tue,
            chrono::Weekday::Wed,
            chrono::Weekday::Thu,
            chrono::Weekday::Fri,
        ],
        from: "08:00:00".parse().unwrap(),
        to: "18:00:00".parse().unwrap(),
        holidays: vec!["2026-11-04".parse().unwrap()],
    };
    Recipient {
        name: "somebody".into(),
        channels: vec![ops()],
        zone,
        hours: Some(hours),
        merge: Duration::ZERO,
        per_day: None,
        alarms_always: true,
    }
}

async fn store(team: &Team, life: &Life, to: Channel, text: &str, is_alarm: bool) {
    let notice = outbox::notice(&to, &format!("test:{text}"), text, team.clock.wall());
    life.ledger.enqueue(vec![Notice { is_alarm, ..notice }]).await.unwrap();
}

/// Many notices that are too long to be told together.
async fn store_many(team: &Team, life: &Life, to: &Channel, count: usize) {
    let long = "word ".repeat(400);
    let notice = |n| outbox::notice(to, &format!("many {n}"), &long, team.clock.wall());
    life.ledger.enqueue((0..count).map(notice).collect()).await.unwrap();
}

/// What was told by now, in order.
async fn told(team: &Team, life: &Life) -> Vec<String> {
    life.daemon.deliver().await;
    team.told.texts()
}

async fn later(team: &Team, by: Duration) {
    team.clock.advance(by);
    // For the pace between messages.
    tokio::time::advance(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn each_is_told_in_their_own_hours_also_after_a_holiday_and_loses_nothing() {
    // A Tuesday, 10:00 in Berlin, 04:00 in New York.
    let mut team = Team::new().await;
    let york = recipient(chrono_tz::America::New_York);
    let berlin = Recipient {
        channels: vec![Channel::Stdout],
        zone: chrono_tz::Europe::Berlin,
        ..recipient(chrono_tz::UTC)
    };
    team.recipients = vec![york, berlin];
    let life = team.start().await;
    store(&team, &life, ops(), "over there", false).await;
    store(&team, &life, Channel::Stdout, "over here", false).await;
    assert_eq!(told(&team, &life).await, ["over here"]);
    // 08:00 in New York is 13:00 UTC.
    later(&team, 3 * HOUR).await;
    assert_eq!(told(&team, &life).await.len(), 1);
    later(&team, 2 * HOUR).await;
    assert_eq!(told(&team, &life).await, ["over here", "over there"]);
    later(&team, 8 * HOUR).await;
    store(&team, &life, Channel::Stdout, "in the evening", false).await;
    store(&team, &life, Channel::Stdout, "it burns", true).await;
    assert_eq!(told(&team, &life).await[2..], ["it burns"], "an alarm goes past what waits");
    // Wednesday is a holiday.
    later(&team, 24 * HOUR).await;
    assert_eq!(told(&team, &life).await.len(), 3);
    later(&team, 12 * HOUR).await;
    assert_eq!(told(&team, &life).await[3..], ["in the evening"]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_close_together_is_one_message_and_a_day_holds_only_so_many() {
    let mut team = Team::new().await;
    let base = recipient(chrono_tz::Europe::Berlin);
    team.recipients = vec![Recipient { merge: Duration::from_mins(10), per_day: Some(2), ..base }];
    let life = team.start().await;
    for n in 0..3 {
        store(&team, &life, ops(), &format!("fact {n}."), false).await;
        later(&team, Duration::from_mins(2)).await;
    }
    assert!(told(&team, &life).await.is_empty(), "they wait for each other");
    later(&team, Duration::from_mins(5)).await;
    let first = told(&team, &life).await;
    assert_eq!(first.len(), 1, "{first:#?}");
    assert!((0..3).all(|n| first[0].contains(&format!("fact {n}."))), "{first:#?}");
    for n in 3..6 {
        store(&team, &life, ops(), &format!("fact {n}."), false).await;
        later(&team, Duration::from_mins(15)).await;
        told(&team, &life).await;
    }
    let all = told(&team, &life).await;
    assert_eq!(all.len(), 2, "the rest waits for another day: {all:#?}");
    // Thursday: Wednesday is a holiday.
    later(&team, 48 * HOUR).await;
    let all = told(&team, &life).await;
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(all[2].contains("fact 4.") && all[2].contains("fact 5."), "{all:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_alarm_goes_past_however_many_wait() {
    let mut team = Team::new().await;
    team.recipients = vec![recipient(chrono_tz::America::New_York)];
    let life = team.start().await;
    store_many(&team, &life, &ops(), 1_100).await;
    store(&team, &life, ops(), "it burns", true).await;
    store(&team, &life, ops(), "it still burns", true).await;
    assert_eq!(told(&team, &life).await, ["it burns", "it still burns"]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_somebody_sleeps_nothing_is_read_of_what_waits_but_its_first() {
    let mut team = Team::new().await;
    team.recipients = vec![recipient(chrono_tz::America::New_York)];
    let tallied = Tallied::new(&team.store);
    team.store = Arc::clone(&tallied) as _;
    let life = team.start().await;
    store_many(&team, &life, &ops(), 300).await;
    later(&team, Duration::from_mins(30)).await;
    life.daemon.deliver().await;
    tallied.count("notice");
    assert!(told(&team, &life).await.is_empty());
    assert!(tallied.rows() <= 6, "{} rows were read", tallied.rows());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_day_holds_only_so_many_also_when_thousands_are_told_elsewhere() {
    let mut team = Team::new().await;
    let base = recipient(chrono_tz::Europe::Berlin);
    let channels = vec![ops(), Channel::Stdout];
    team.recipients = vec![Recipient { channels, per_day: Some(2), ..base }];
    let life = team.start().await;
    store(&team, &life, ops(), "one", false).await;
    store(&team, &life, Channel::Stdout, "two", false).await;
    assert_eq!(told(&team, &life).await.len(), 2);
    later(&team, Duration::from_mins(1)).await;
    store_many(&team, &life, &Channel::File("log".into()), 1_100).await;
    store(&team, &life, ops(), "three", false).await;
    let told = told(&team, &life).await;
    assert_eq!(told.len(), 2 + 1_100);
    assert!(!told.contains(&"three".to_owned()), "the day is full");
    // On Thursday there is room again, and alarms never took any.
    later(&team, 47 * HOUR).await;
    store(&team, &life, ops(), "it burns", true).await;
    store(&team, &life, ops(), "four", false).await;
    store(&team, &life, ops(), "five", false).await;
    life.daemon.deliver().await;
    later(&team, HOUR).await;
    life.daemon.deliver().await;
    assert_eq!(team.told.texts()[2 + 1_100..], ["three", "it burns", "four"]);
    life.stop().await;
}
