//! A daemon that was away: off for a week, asleep for nine hours, restarted around an instant.

use super::scene::{TICKER, hours, live_until, marks, pass, ran, skipped, team_at, texts};
use crate::support::daemon::{Life, instant};
use async_trait::async_trait;
use chrono::TimeDelta;
use rota::clock::Clock as _;
use rota::domain::*;
use rota::store::{Batch, Result, Row, Store, StoreError, Versioned};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// So often a daemon looks.
const TICK: Duration = Duration::from_secs(5);

/// Every planned instant is recorded once: that many, run or skipped.
async fn accounted(life: &Life) -> u64 {
    let recorded = life.occurrences(TICKER).await;
    let skips: u64 = skipped(&recorded).iter().map(|(.., count)| count).sum();
    assert_eq!(
        recorded.len(),
        ran(&recorded).len() + skipped(&recorded).len(),
        "not settled: {recorded:#?}"
    );
    skips + u64::try_from(ran(&recorded).len()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn off_for_a_week_each_instant_is_caught_up_or_skipped_for_a_reason() {
    use Reason::{CatchUpMax, CatchUpNone, Superseded, TooLate};
    for (on, runs, reason) in [
        ("catch_up = \"none\"", 0, CatchUpNone),
        ("catch_up = \"latest\"", 1, Superseded),
        ("catch_up = \"all\"", 10, CatchUpMax),
        ("catch_up = \"all\"\nlate = \"150m\"", 3, TooLate),
    ] {
        // The week in which Berlin's clock is set back has 169 hours.
        let on = format!("cron = \"0 * * * *\"\ntimezone = \"Europe/Berlin\"\n{on}");
        let team = team_at("2026-10-20T09:30:00Z", &on).await;
        let life = team.start().await;
        life.work().await;
        live_until(&team, &life, "2026-10-20T10:00:00Z", Duration::from_mins(30)).await;
        life.stop().await;
        team.clock.advance_to("2026-10-27T10:20:00Z");
        let life = team.start().await;
        for _ in 0..12 {
            life.work().await;
        }
        let recorded = life.occurrences(TICKER).await;
        assert_eq!(ran(&recorded).len(), 1 + runs, "{on}");
        assert_eq!(marks(&team).await.len(), 1 + runs, "{on}");
        assert!(skipped(&recorded).iter().all(|(_, why, _)| *why == reason), "{on} {recorded:#?}");
        assert_eq!(accounted(&life).await, 1 + 7 * 24, "{on}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn asleep_for_nine_hours_the_daemon_catches_up_by_itself() {
    // A laptop: both clocks go on while nothing runs; or the wall clock is only set at the wake.
    for boot_goes_on in [true, false] {
        let on = "cron = \"0 * * * *\"\ntimezone = \"Europe/Berlin\"";
        let team = team_at("2026-11-02T21:10:00Z", on).await;
        let life = team.start_by_itself().await;
        hours(&team, 1).await;
        assert_eq!(texts(&marks(&team).await).len(), 1);
        if boot_goes_on {
            team.clock.advance(Duration::from_hours(9));
        } else {
            team.clock.set(TimeDelta::hours(9));
        }
        let woke = team.clock.wall();
        pass(Duration::from_secs(30)).await;
        let (recorded, marks_after) = (life.occurrences(TICKER).await, marks(&team).await);
        assert_eq!(ran(&recorded).len(), 2, "{recorded:#?}");
        assert_eq!(ran(&recorded)[1], instant("2026-11-03T07:00:00Z"));
        assert_eq!(marks_after.len(), 2);
        let late = marks_after[1] - woke;
        assert!(late < TimeDelta::seconds(10), "{late} after it woke");
        assert!(skipped(&recorded).iter().all(|(_, why, _)| *why == Reason::Superseded));
        assert_eq!(accounted(&life).await, 10);
        hours(&team, 1).await;
        assert_eq!(marks(&team).await.len(), 3, "goes on as before");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn restarted_within_thirteen_seconds_of_an_instant_it_runs_once() {
    let team = team_at("2026-11-03T08:30:00Z", "cron = \"0 * * * *\"\ncatch_up = \"none\"").await;
    let mut hour = instant("2026-11-03T09:00:00Z");
    let (mut life, mut lives) = (team.start().await, 0_usize);
    life.work().await;
    for stops_at in [-13_i64, -7, -1, 0, 1, 7, 13] {
        for starts_after in [0_u64, 1, 5, 13] {
            let stop = hour + TimeDelta::seconds(stops_at);
            team.clock.advance_to(&(stop - TimeDelta::seconds(5)).to_rfc3339());
            life.work().await;
            team.clock.advance_to(&stop.to_rfc3339());
            life.daemon.tick().await;
            life.stop().await;
            team.clock.advance(Duration::from_secs(starts_after));
            life = team.start().await;
            live_until(&team, &life, &(hour + TimeDelta::minutes(1)).to_rfc3339(), TICK).await;
            lives += 1;
            let recorded = life.occurrences(TICKER).await;
            let what = format!("stops at {stops_at} s, starts {starts_after} s later");
            assert_eq!(ran(&recorded).last(), Some(&hour), "{what}: {recorded:#?}");
            assert_eq!((recorded.len(), marks(&team).await.len()), (lives, lives), "{what}");
            hour += TimeDelta::hours(1);
        }
    }
    life.stop().await;
    eprintln!("{lives} restarts around an instant: each ran once");
}

#[tokio::test(start_paused = true)]
async fn killed_at_an_instant_and_started_again_it_runs_once_and_is_recorded() {
    // Not stopped in good order: dropped between the record and the run.
    let team = team_at("2026-11-03T08:59:50Z", "cron = \"0 * * * *\"\ncatch_up = \"none\"").await;
    let life = team.start().await;
    life.work().await;
    let mut gate = team.gates.stop("before addComment");
    team.clock.advance_to("2026-11-03T09:00:01Z");
    life.daemon.tick().await;
    gate.reached().await;
    assert!(marks(&team).await.is_empty());
    // Whoever stands at the gate stays there: as good as killed.
    drop(gate);
    let _killed = life;
    let life = team.start().await;
    live_until(&team, &life, "2026-11-03T09:30:00Z", Duration::from_mins(5)).await;
    let recorded = life.occurrences(TICKER).await;
    assert_eq!(recorded.len(), 1, "{recorded:#?}");
    assert_eq!(marks(&team).await.len(), 1);
    assert!(recorded[0].state.is_settled(), "{recorded:#?}");
    life.stop().await;
}

/// A store that commits what moves a watermark, and then says a few times that it failed.
#[derive(Debug)]
struct LosesAnswers {
    inner: Arc<dyn Store>,
    lose: AtomicU32,
}

#[async_trait]
impl Store for LosesAnswers {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.inner.get(key).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        let moves = batch.puts.iter().any(|(key, _)| key.starts_with("watermark/"));
        self.inner.commit(batch).await?;
        let lost = |left: u32| left.checked_sub(1).filter(|_| moves);
        if self.lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lost).is_ok() {
            return Err(StoreError::Failed("the answer was lost".into()));
        }
        Ok(())
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.inner.scan(prefix, after, limit).await
    }

    async fn now(&self) -> Result<StoreTime> {
        self.inner.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.inner.now_at_most()
    }
}

#[tokio::test(start_paused = true)]
async fn an_instant_whose_record_was_written_and_not_confirmed_runs_without_a_restart() {
    let mut team = team_at("2026-11-03T08:59:00Z", "cron = \"0 * * * *\"").await;
    let lossy = LosesAnswers { inner: Arc::clone(&team.store), lose: AtomicU32::new(0) };
    let lossy = Arc::new(lossy);
    team.store = Arc::clone(&lossy) as _;
    let life = team.start().await;
    life.work().await;
    lossy.lose.store(1, Ordering::SeqCst);
    live_until(&team, &life, "2026-11-03T10:05:00Z", Duration::from_mins(5)).await;
    assert_eq!(lossy.lose.load(Ordering::SeqCst), 0, "no answer was lost");
    let recorded = life.occurrences(TICKER).await;
    assert_eq!(texts(&ran(&recorded)), ["11-03 09:00:00", "11-03 10:00:00"], "{recorded:#?}");
    assert_eq!(marks(&team).await.len(), 2);
    life.stop().await;
}
