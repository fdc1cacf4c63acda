//! Thousands of playbooks due in the same second: none is lost, none doubled, however slow or broken
//! what they wake is.

use crate::contract::given;
use crate::support::daemon::{Team, instant};
use async_trait::async_trait;
use chrono::TimeDelta;
use rota::clock::SystemClock;
use rota::daemon::alarm::{Alarm, Woken};
use rota::domain::*;
use rota::model::{Exchange, Heard, Model, ModelError, Reply};
use rota::schedule::{Timetable, WakeDecision, WakeInput, wakes};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const CROWD: usize = 2_000;

/// About a millisecond of work that does not let go of its thread.
fn slow(name: &str) -> u64 {
    (0..20_000_u64).fold(name.len() as u64, |sum, n| sum.rotate_left(5) ^ n.wrapping_mul(sum | 1))
}

fn percentile(sorted: &[TimeDelta], percent: usize) -> i64 {
    sorted[(sorted.len() - 1) * percent / 100].num_milliseconds()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_due_in_one_second_ring_once_each_beside_slow_and_panicking_work() {
    let clock = SystemClock::shared();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(256);
    let alarm = Alarm::new(Arc::clone(&clock), sender).await.unwrap();
    // Set while the alarm runs, as a daemon does; far enough ahead that all of them are in.
    alarm.start().await.unwrap();
    for number in 0..CROWD {
        alarm.set(&format!("entry {number}"), None).await.unwrap();
    }
    let due = clock.wall() + TimeDelta::seconds(1);
    for number in 0..CROWD {
        alarm.set(&format!("entry {number}"), Some(due)).await.unwrap();
    }
    let mut work = JoinSet::new();
    let (mut times, mut late) = (BTreeMap::<String, usize>::new(), Vec::new());
    // What was delivered and lost would be handed out again after five seconds; so would a double.
    let mut patience = Duration::from_mins(1);
    while let Ok(Some(woken)) = tokio::time::timeout(patience, receiver.recv()).await {
        let Woken::Entry { name, at } = woken else { continue };
        assert_eq!(at, due);
        late.push(clock.wall() - at);
        *times.entry(name.clone()).or_default() += 1;
        if times.len() == CROWD {
            patience = Duration::from_secs(7);
        }
        work.spawn(async move {
            std::hint::black_box(slow(&name));
            if name.ends_with('7') {
                std::panic::resume_unwind(Box::new("broken"));
            }
        });
    }
    let mut broken = 0;
    while let Some(done) = work.join_next().await {
        broken += usize::from(done.is_err());
    }
    alarm.stop().await.unwrap();
    late.sort_unstable();
    let doubled = times.values().filter(|count| **count != 1).count();
    eprintln!(
        "{} of {CROWD} entries due in one second rang, {doubled} of them twice, {broken} broke; late by \
         p50 {} ms, p99 {} ms, at most {} ms",
        times.len(),
        percentile(&late, 50),
        percentile(&late, 99),
        percentile(&late, 100),
    );
    assert_eq!((times.len(), doubled), (CROWD, 0));
    assert!(broken == 200 && late[0] >= TimeDelta::zero());
    assert!(percentile(&late, 99) < 20_000, "a loaded machine is slow, but not that slow");
}

/// A model that breaks off.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl Model for Broken {
    fn describe(&self) -> String {
        "broken".to_owned()
    }

    async fn exchange(&self, _: &Exchange, _: &Heard<'_>) -> Result<Reply, ModelError> {
        std::panic::resume_unwind(Box::new("broken"))
    }
}

const STEPS: &str = "agent = \"AI-Docs\"\n[on]\ncron = \"0 * * * *\"\n[[step]]\ntool = \"addComment\"\n\
                     args = { module = \"ticket\", entityId = \"1\", text = \"PLAYBOOK\" }\n\
                     [scope]\nwrite = \"board\"\nmax = { addComment = 1 }\n";
const BREAKS: &str = "agent = \"AI-Docs\"\n[on]\ncron = \"0 * * * *\"\n[work]\nrunner = \"model\"\n\
                      model = \"broken\"\nprompt = \"work.md.hbs\"\ntools = [\"findTasks\", \"finish\"]\n\
                      [limits]\nattempts = 1\n[outcome.ready]\n";

/// With `ROTA_FULL=1` they are 2,000.
#[tokio::test(start_paused = true)]
async fn two_hundred_playbooks_of_one_second_are_carried_out_once_each_beside_broken_ones() {
    let mut team = Team::at("2026-11-03T08:59:00Z").await;
    team.models.insert("broken".to_owned(), Arc::new(Broken));
    let task = team.task("Where all of them leave their marks").await;
    let crowd = if std::env::var_os("ROTA_FULL").is_some() { 2_000 } else { 200 };
    let names: Vec<String> = (0..crowd).map(|number| format!("crowd-{number:04}")).collect();
    for name in &names {
        let text = if name.ends_with('7') { BREAKS } else { STEPS };
        team.playbook(name, &text.replace("PLAYBOOK", name));
    }
    let life = team.start().await;
    life.work().await;
    team.clock.advance_to("2026-11-03T09:00:00Z");
    for _ in 0..3 {
        life.work().await;
        team.clock.advance(Duration::from_secs(5));
    }
    let mut marks: Vec<_> = team.comments(task).await.into_iter().map(|(_, text)| text).collect();
    marks.sort();
    let whole: Vec<_> = names.iter().filter(|name| !name.ends_with('7')).cloned().collect();
    assert_eq!(marks, whole);
    for name in &names {
        let recorded = life.occurrences(name).await;
        assert_eq!(recorded.len(), 1, "{name}: {recorded:#?}");
        assert_eq!(recorded[0].planned, instant("2026-11-03T09:00:00Z"));
        assert!(recorded[0].state.is_settled(), "{name}: {recorded:#?}");
    }
    life.stop().await;
}

#[test]
fn however_many_are_to_be_caught_up_one_wake_makes_no_more_records_than_the_ledger_takes() {
    let name = PlaybookName::new("often");
    for catch_up_max in [10, 998, 999, 1_000, 5_000] {
        let on = On {
            every: Some(Duration::from_secs(10)),
            catch_up: CatchUp::All,
            catch_up_max,
            late: Some(Duration::from_hours(20)),
            ..given::on(chrono_tz::UTC)
        };
        let timetable = Timetable::new(&on, &name).unwrap().unwrap();
        let since = given::at("2026-11-03T00:00:00Z");
        let wakes = wakes(&WakeInput {
            lost_until: None,
            playbook: &name,
            on: &on,
            timetable: &timetable,
            watermark: None,
            since,
            armed: true,
            paused: false,
            stopped: false,
            not_this_daemon: false,
            running: false,
            queued: false,
            runs_today: 0,
            runs_per_day: None,
            now: since + TimeDelta::days(1),
        });
        assert!(wakes.decisions.len() <= 1_000, "{catch_up_max}: {}", wakes.decisions.len());
        let covered: u64 = wakes.decisions.iter().map(count).sum();
        assert_eq!(covered, 8_640, "{catch_up_max}");
    }
}

fn count(decision: &WakeDecision) -> u64 {
    match decision {
        WakeDecision::SkipRange { count, .. } => *count,
        _ => 1,
    }
}
