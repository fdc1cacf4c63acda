//! People are told when they want to be told: in their own hours, not too much, and alarms at once.

use crate::support::daemon::{Life, Team};
use rota::domain::*;
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
    let created = rota::clock::Clock::wall(team.clock.as_ref());
    let notice = Notice {
        key: format!("test:{text}"),
        to,
        body: Body { text: text.to_owned(), ..Body::default() },
        created,
        delivery: Delivery::Pending { attempts: 0, not_before: created, last_error: None },
        replaces: false,
        revision: 0,
        place: 0,
        parts: 0,
        receipt: Receipt::default(),
        is_alarm,
    };
    life.ledger.enqueue(vec![notice]).await.unwrap();
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
