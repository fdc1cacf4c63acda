//! The alarm clock under paused time: a clock that follows tokio's, and can be set.

use chrono::TimeDelta;
use rota::clock::Clock;
use rota::daemon::alarm::{Alarm, Jump, JumpDetector, Woken};
use rota::domain::{Timestamp, to_delta};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Follows tokio's time; the wall clock can be set, the machine can sleep.
#[derive(Debug)]
struct TokioClock {
    start: Timestamp,
    began: Instant,
    set: Mutex<(TimeDelta, Duration)>,
}

impl TokioClock {
    fn new() -> Arc<Self> {
        let start = "2027-03-13T13:00:00Z".parse().unwrap();
        Arc::new(Self { start, began: Instant::now(), set: Mutex::default() })
    }

    fn step(&self, by: TimeDelta) {
        self.set.lock().unwrap().0 += by;
    }

    fn sleep(&self, by: Duration) {
        self.set.lock().unwrap().1 += by;
    }
}

impl Clock for TokioClock {
    fn wall(&self) -> Timestamp {
        self.start + to_delta(self.boot()) + self.set.lock().unwrap().0
    }

    fn boot(&self) -> Duration {
        self.began.elapsed() + self.set.lock().unwrap().1
    }

    fn boot_id(&self) -> String {
        "tokio".into()
    }
}

async fn alarm() -> (Arc<TokioClock>, Alarm, mpsc::Receiver<Woken>) {
    let clock = TokioClock::new();
    let (sender, receiver) = mpsc::channel(64);
    let alarm = Alarm::new(clock.clone(), sender).await.unwrap();
    (clock, alarm, receiver)
}

/// What rings within a time.
async fn rings(receiver: &mut mpsc::Receiver<Woken>, within: Duration) -> Vec<Woken> {
    let end = Instant::now() + within;
    let mut found = Vec::new();
    while let Ok(Some(woken)) = tokio::time::timeout_at(end, receiver.recv()).await {
        found.push(woken);
    }
    found
}

fn entry(name: &str, at: Timestamp) -> Woken {
    Woken::Entry { name: name.into(), at }
}

#[tokio::test(start_paused = true)]
async fn an_entry_rings_once_at_its_time_and_then_is_silent() {
    let (clock, alarm, mut receiver) = alarm().await;
    let soon = clock.wall() + TimeDelta::minutes(5);
    alarm.set("digest", Some(soon)).await.unwrap();
    alarm.set("silent", None).await.unwrap();
    assert_eq!(alarm.next("digest"), Some(soon));
    alarm.start().await.unwrap();
    assert_eq!(rings(&mut receiver, Duration::from_secs(299)).await, []);
    assert_eq!(receiver.recv().await, Some(entry("digest", soon)));
    let late = clock.wall() - soon;
    assert!(late >= TimeDelta::zero() && late < TimeDelta::seconds(1), "{late}");
    assert_eq!(rings(&mut receiver, Duration::from_hours(3)).await, []);
    let again = clock.wall() + TimeDelta::hours(1);
    alarm.set("digest", Some(again)).await.unwrap();
    assert_eq!(receiver.recv().await, Some(entry("digest", again)));
}

#[tokio::test(start_paused = true)]
async fn a_day_of_every_ten_minutes_miss_nothing_and_double_nothing() {
    let (clock, alarm, mut receiver) = alarm().await;
    let step = TimeDelta::minutes(10);
    let first = clock.wall() + step;
    alarm.set("often", Some(first)).await.unwrap();
    alarm.start().await.unwrap();
    let mut expected = first;
    while expected < first + TimeDelta::days(1) {
        assert_eq!(receiver.recv().await, Some(entry("often", expected)));
        expected += step;
        alarm.set("often", Some(expected)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn two_thousand_entries_of_one_second_ring_once_each() {
    let (clock, alarm, mut receiver) = alarm().await;
    let soon = clock.wall() + TimeDelta::seconds(30);
    for number in 0..2_000 {
        alarm.set(&format!("entry {number}"), Some(soon)).await.unwrap();
    }
    alarm.start().await.unwrap();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for woken in rings(&mut receiver, Duration::from_mins(2)).await {
        let Woken::Entry { name, .. } = woken else { panic!("{woken:?}") };
        *times.entry(name).or_default() += 1;
    }
    assert_eq!(times.len(), 2_000);
    assert!(times.values().all(|count| *count == 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_or_stopped_does_not_ring() {
    let (clock, alarm, mut receiver) = alarm().await;
    let soon = clock.wall() + TimeDelta::seconds(10);
    alarm.set("removed", Some(soon)).await.unwrap();
    alarm.set("kept", Some(soon)).await.unwrap();
    alarm.set("later", Some(soon + TimeDelta::minutes(5))).await.unwrap();
    alarm.start().await.unwrap();
    alarm.remove("removed").await.unwrap();
    alarm.remove("unknown").await.unwrap();
    assert_eq!(rings(&mut receiver, Duration::from_mins(1)).await, [entry("kept", soon)]);
    alarm.stop().await.unwrap();
    assert_eq!(rings(&mut receiver, Duration::from_hours(1)).await, []);
}

#[tokio::test(start_paused = true)]
async fn when_the_clock_is_set_or_the_machine_slept_all_are_told() {
    let (clock, alarm, mut receiver) = alarm().await;
    let due = clock.wall() + TimeDelta::minutes(30);
    alarm.set("digest", Some(due)).await.unwrap();
    alarm.start().await.unwrap();
    assert_eq!(rings(&mut receiver, Duration::from_secs(10)).await, []);
    clock.step(TimeDelta::hours(1));
    let found = rings(&mut receiver, Duration::from_secs(10)).await;
    let jump = Jump { asleep: Duration::ZERO, stepped: TimeDelta::hours(1) };
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.contains(&Woken::Jumped(jump)) && found.contains(&entry("digest", due)));
    clock.sleep(Duration::from_hours(8));
    let found = rings(&mut receiver, Duration::from_secs(10)).await;
    assert!(
        matches!(found[..], [Woken::Jumped(Jump { asleep, stepped })]
            if asleep >= Duration::from_hours(8) && stepped == TimeDelta::zero()),
        "{found:?}"
    );
    assert_eq!(rings(&mut receiver, Duration::from_hours(2)).await, []);
}

#[tokio::test(start_paused = true)]
async fn an_instant_that_has_passed_rings_at_once() {
    let (clock, alarm, mut receiver) = alarm().await;
    alarm.start().await.unwrap();
    let past = clock.wall() - TimeDelta::hours(3);
    alarm.set("missed", Some(past)).await.unwrap();
    assert_eq!(rings(&mut receiver, Duration::from_secs(1)).await, [entry("missed", past)]);
}

#[test]
fn jumps_are_told_from_the_ordinary_passing_of_time() {
    let wall: Timestamp = "2026-11-10T09:00:00Z".parse().unwrap();
    let looks = |steps: &[(i64, u64)]| {
        let (mut detector, mut wall, mut boot) = (JumpDetector::default(), wall, Duration::ZERO);
        assert_eq!(detector.feed(wall, boot), None);
        let look = |(w, b): &(i64, u64)| {
            wall += TimeDelta::milliseconds(*w);
            boot += Duration::from_millis(*b);
            detector.feed(wall, boot)
        };
        steps.iter().map(look).collect::<Vec<_>>()
    };
    assert_eq!(looks(&[(500, 500), (1_900, 500), (-900, 500), (20_000, 20_000)]), [None; 4]);
    let set = |seconds| Some(Jump { asleep: Duration::ZERO, stepped: TimeDelta::seconds(seconds) });
    assert_eq!(
        looks(&[(3_600_500, 500), (500, 500), (-29_500, 500)]),
        [set(3_600), None, set(-30)]
    );
    let slept = Jump { asleep: Duration::from_mins(1), stepped: TimeDelta::zero() };
    assert_eq!(looks(&[(60_000, 60_000), (500, 500)]), [Some(slept), None]);
}
