//! Somebody sets the clock of a running daemon: nothing runs twice, nothing is silently lost.

use super::scene::{TICKER, hours, marks, pass, ran, skipped, team_at, texts};
use chrono::TimeDelta;
use rota::clock::Clock as _;
use rota::domain::*;
use std::collections::BTreeSet;
use std::time::Duration;

const ON: &str = "cron = \"0 * * * *\"\ntimezone = \"Europe/Berlin\"";

#[tokio::test(start_paused = true)]
async fn set_forward_a_day_the_instants_between_are_missed_for_a_reason() {
    let team = team_at("2026-11-03T08:30:00Z", ON).await;
    let life = team.start_by_itself().await;
    hours(&team, 1).await;
    team.clock.set(TimeDelta::days(1));
    pass(Duration::from_secs(10)).await;
    hours(&team, 1).await;
    let recorded = life.occurrences(TICKER).await;
    // 09:00; the latest of the missed, 09:00 a day later; then 10:00.
    assert_eq!(texts(&ran(&recorded)), ["11-03 09:00:00", "11-04 09:00:00", "11-04 10:00:00"]);
    assert_eq!(marks(&team).await.len(), 3);
    let skips = skipped(&recorded);
    assert!(skips.iter().all(|(_, why, _)| *why == Reason::Superseded), "{skips:?}");
    assert_eq!(skips.iter().map(|(.., count)| count).sum::<u64>(), 23);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn set_back_a_day_nothing_runs_twice_and_what_comes_later_runs() {
    let team = team_at("2026-11-03T08:30:00Z", ON).await;
    let life = team.start_by_itself().await;
    hours(&team, 3).await;
    assert_eq!(marks(&team).await.len(), 3);
    team.clock.set(TimeDelta::days(-1));
    // A day is shown again; its instants have their records already.
    pass(Duration::from_secs(10)).await;
    hours(&team, 24).await;
    let again = marks(&team).await.len();
    hours(&team, 2).await;
    let recorded = life.occurrences(TICKER).await;
    let unique: BTreeSet<_> = recorded.iter().map(|o| o.planned).collect();
    assert_eq!(unique.len(), recorded.len());
    assert_eq!(again, 3, "an instant ran twice");
    assert_eq!(
        texts(&ran(&recorded)),
        ["09", "10", "11", "12", "13"].map(|hour| format!("11-03 {hour}:00:00"))
    );
    assert_eq!(marks(&team).await.len(), 5);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn set_forward_a_day_by_mistake_and_back_again_nothing_runs_twice() {
    let team = team_at("2026-11-03T08:30:00Z", ON).await;
    let life = team.start_by_itself().await;
    hours(&team, 1).await;
    team.clock.set(TimeDelta::days(1));
    pass(Duration::from_secs(10)).await;
    team.clock.set(TimeDelta::days(-1));
    hours(&team, 26).await;
    let recorded = life.occurrences(TICKER).await;
    let unique: BTreeSet<_> = recorded.iter().map(|o| o.planned).collect();
    assert_eq!(unique.len(), recorded.len());
    assert_eq!(marks(&team).await.len(), ran(&recorded).len(), "each that ran ran once");
    let told: u64 = skipped(&recorded).iter().map(|(.., count)| count).sum();
    let passed = (team.clock.wall() - recorded[0].planned).num_hours() + 1;
    assert_eq!(told + u64::try_from(ran(&recorded).len()).unwrap(), passed.unsigned_abs());
    assert!(ran(&recorded).last() >= Some(&"2026-11-04T10:00:00Z".parse().unwrap()));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn set_back_three_days_nothing_runs_twice_and_the_playbook_is_not_silent() {
    let team = team_at("2026-11-03T08:30:00Z", ON).await;
    let life = team.start_by_itself().await;
    hours(&team, 3).await;
    assert_eq!(marks(&team).await.len(), 3);
    team.clock.set(TimeDelta::days(-3));
    // Nobody was awake for these hours before: they are new instants, and they run.
    hours(&team, 3).await;
    let recorded = life.occurrences(TICKER).await;
    assert_eq!(marks(&team).await.len(), 6, "{recorded:#?}");
    // Up to the hours that ran before the clock was set, and past them.
    hours(&team, 75).await;
    let recorded = life.occurrences(TICKER).await;
    let unique: BTreeSet<_> = recorded.iter().map(|o| o.planned).collect();
    assert_eq!(unique.len(), recorded.len());
    assert_eq!(ran(&recorded).len(), recorded.len(), "{recorded:#?}");
    assert_eq!(marks(&team).await.len(), recorded.len(), "an instant ran twice or not at all");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn years_ahead_for_a_moment_the_playbook_goes_on() {
    let team = team_at("2026-11-03T08:30:00Z", ON).await;
    let life = team.start_by_itself().await;
    hours(&team, 1).await;
    team.clock.set(TimeDelta::days(3_650));
    pass(Duration::from_secs(20)).await;
    team.clock.set(TimeDelta::days(-3_650));
    hours(&team, 5).await;
    let recorded = life.occurrences(TICKER).await;
    assert_eq!(marks(&team).await.len(), ran(&recorded).len(), "each that ran ran once");
    let this_year = ran(&recorded).iter().filter(|at| **at < instant_2027()).count();
    assert!(this_year >= 5, "silent: {recorded:#?}");
    life.stop().await;
}

fn instant_2027() -> Timestamp {
    "2027-01-01T00:00:00Z".parse().unwrap()
}
