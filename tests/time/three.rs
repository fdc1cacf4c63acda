//! What `rota next` forecasts, what the daemon does on the board, and what its ledger says are the
//! same, over days in which clocks are set.

use super::scene::{TICKER, live_until, marks, ran, skipped, team_at, texts};
use crate::support::daemon::{Life, instant};
use rota::domain::*;
use rota::tools::desk::{Desk as _, NextRequest};
use std::time::Duration;

/// What is forecast for a span: when it starts, and whether it will be skipped for its hours.
async fn forecast(life: &Life, to: &str) -> Vec<(Timestamp, Timestamp, bool)> {
    let playbook = Some(PlaybookName::new(TICKER));
    let request =
        NextRequest { playbook, count: None, from: None, to: Some(instant(to)), at: None };
    let answer = life.daemon.next(request).await.unwrap();
    let items = answer.get("items").unwrap().as_list().unwrap().to_vec();
    let told = |item: &Value| {
        let at = |key: &str| instant(item.get(key).unwrap().as_text().unwrap());
        (at("planned"), at("starts"), item.get("outside_hours") == Some(&Value::from(true)))
    };
    items.iter().map(told).collect()
}

/// Zone, span, `[on]`, the step of the daemon's looks in minutes, and how many instants there are.
const DAYS: [(&str, &str, &str, &str, u64, usize); 12] = [
    // Half an hour, removed and repeated.
    ("Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-05T12:00:00Z", "15 2 * * *", 15, 2),
    ("Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-05T12:00:00Z", "*/15 * * * *", 15, 96),
    // Ramadan: back in February, forward in March.
    ("Africa/Casablanca", "2026-02-14T12:00:00Z", "2026-02-16T12:00:00Z", "30 2 * * *", 30, 2),
    ("Africa/Casablanca", "2026-03-21T12:00:00Z", "2026-03-23T12:00:00Z", "30 2 * * *", 30, 2),
    // At midnight, in the last year in which it was set, and the year after.
    ("Asia/Tehran", "2022-03-20T12:00:00Z", "2022-03-23T12:00:00Z", "15 0 * * *", 15, 3),
    ("Asia/Tehran", "2022-09-20T12:00:00Z", "2022-09-23T12:00:00Z", "15 23 * * *", 15, 3),
    ("Asia/Tehran", "2023-03-20T12:00:00Z", "2023-03-23T12:00:00Z", "15 0 * * *", 15, 3),
    ("America/New_York", "2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z", "0 */4 * * *", 60, 13),
    ("America/New_York", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z", "0 1 * * *", 30, 2),
    // A day that begins at one; two hours at once.
    ("America/Santiago", "2026-09-05T12:00:00Z", "2026-09-07T12:00:00Z", "0 0 * * *", 30, 2),
    ("Antarctica/Troll", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", "30 1,2 * * *", 30, 3),
    ("Antarctica/Troll", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", "30 1,2 * * *", 30, 4),
];

#[tokio::test(start_paused = true)]
async fn the_forecast_is_what_the_daemon_does_and_what_the_ledger_says() {
    let mut instants = 0;
    for (zone, from, to, cron, step, count) in DAYS {
        let on = format!("cron = \"{cron}\"\ntimezone = \"{zone}\"");
        let team = team_at(from, &on).await;
        let life = team.start().await;
        life.work().await;
        let coming = forecast(&life, to).await;
        let planned: Vec<_> = coming.iter().map(|(planned, ..)| *planned).collect();
        live_until(&team, &life, to, Duration::from_mins(step)).await;
        let recorded = life.occurrences(TICKER).await;
        assert_eq!(texts(&ran(&recorded)), texts(&planned), "ledger, {cron} in {zone}");
        assert_eq!(texts(&marks(&team).await), texts(&planned), "board, {cron} in {zone}");
        assert_eq!((recorded.len(), planned.len()), (count, count), "{cron} in {zone}");
        instants += count;
        life.stop().await;
    }
    eprintln!("{} odd days, {instants} instants: forecast, board and ledger agree", DAYS.len());
}

#[tokio::test(start_paused = true)]
async fn hours_and_jitter_are_forecast_as_they_come() {
    let on = "cron = \"30 * * * *\"\ntimezone = \"Europe/Berlin\"\njitter = \"20m\"\n\
              hours = { days = \"SAT-SUN\", from = \"01:00\", to = \"04:00\" }";
    for (from, to) in [
        ("2026-03-28T22:10:00Z", "2026-03-29T06:10:00Z"),
        ("2026-10-24T22:10:00Z", "2026-10-25T06:10:00Z"),
    ] {
        let team = team_at(from, on).await;
        let life = team.start().await;
        life.work().await;
        let coming = forecast(&life, to).await;
        live_until(&team, &life, to, Duration::from_secs(20)).await;
        let recorded = life.occurrences(TICKER).await;
        let (outside, inside): (Vec<_>, Vec<_>) = coming.iter().partition(|(.., out)| *out);
        let planned = |list: &[&(Timestamp, Timestamp, bool)]| -> Vec<_> {
            list.iter().map(|(planned, ..)| *planned).collect()
        };
        assert!(inside.len() >= 2 && outside.len() >= 3, "{coming:?}");
        assert_eq!(texts(&ran(&recorded)), texts(&planned(&inside)));
        let skips = skipped(&recorded);
        assert!(
            skips.iter().all(|(_, reason, count)| (*reason, *count) == (Reason::OutsideHours, 1))
        );
        let skips: Vec<_> = skips.into_iter().map(|(at, ..)| at).collect();
        assert_eq!(texts(&skips), texts(&planned(&outside)));
        for (mark, (_, starts, _)) in marks(&team).await.iter().zip(&inside) {
            let late = (*mark - *starts).num_seconds();
            assert!((0..=20).contains(&late), "{late} s after its start");
        }
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_instant_that_waits_for_its_jitter_is_still_forecast() {
    let team = team_at("2026-11-03T08:59:00Z", "cron = \"0 * * * *\"\njitter = \"20m\"").await;
    let life = team.start().await;
    life.work().await;
    let first = forecast(&life, "2026-11-03T10:30:00Z").await[0];
    assert!(
        first.1 > first.0 + chrono::TimeDelta::seconds(10),
        "its share of the jitter: {first:?}"
    );
    team.clock.advance_to("2026-11-03T09:00:05Z");
    life.work().await;
    assert!(marks(&team).await.is_empty());
    assert_eq!(forecast(&life, "2026-11-03T10:30:00Z").await[0], first);
    life.stop().await;
}
