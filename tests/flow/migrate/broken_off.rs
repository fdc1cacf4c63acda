//! Stopped by a person or cut off in the middle of anything, a move goes on where it was.

use super::{Scene, content, nobody};
use rota::app::App;
use rota::app::house::{House as _, MigrateOptions, MoveReport, MoveStep, MoveTo, Need};
use rota::clock::{Entropy as _, SeededEntropy};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Moves until it is over; each time a person stops it after a step that they see. How often it was
/// stopped.
async fn stopped_at_each_step(scene: &Scene, to: impl Fn() -> MoveTo) -> (MoveReport, u32) {
    let mut stopped = 0;
    loop {
        let (tell, mut told) = watch::channel(MoveStep::default());
        let stop = CancellationToken::new();
        let place = scene.place();
        let options = MigrateOptions { to: to(), dry_run: false };
        let mut moving = App.migrate(&place, options, tell, stop.clone());
        let report = loop {
            tokio::select! {
                biased;
                Ok(()) = told.changed() => stop.cancel(),
                report = &mut moving => break report.unwrap(),
            }
        };
        if !report.stopped {
            return (report, stopped);
        }
        stopped += 1;
        assert!(stopped < 500, "it never comes to its end");
    }
}

/// Moves until it is over; each time it is cut off after a while. How often it was cut off.
async fn cut_off_anywhere(scene: &Scene, to: impl Fn() -> MoveTo, seed: u64) -> (MoveReport, u32) {
    let entropy = SeededEntropy::new(seed);
    let (mut cut, mut patience) = (0, 20);
    loop {
        let place = scene.place();
        let options = MigrateOptions { to: to(), dry_run: false };
        let moving = App.migrate(&place, options, nobody(), CancellationToken::new());
        let span = Duration::from_millis(1 + entropy.next_u64() % patience);
        if let Ok(report) = tokio::time::timeout(span, moving).await {
            return (report.unwrap(), cut);
        }
        cut += 1;
        // Slow machines come to an end, too.
        patience += patience / 8 + 1;
        assert!(cut < 200, "it never comes to its end");
    }
}

#[tokio::test]
async fn a_move_that_is_stopped_at_each_step_is_one_move() {
    let Some(scene) = Scene::new().await else { return };
    let (rows, ledger) = (scene.rows().await, content(&scene.store()).await);
    let (report, stopped) = stopped_at_each_step(&scene, || scene.to_server()).await;
    assert!(stopped > 3 && report.resumed, "{stopped}: {report:#?}");
    assert_eq!(content(&scene.store_there().await).await, ledger);
    scene.as_told(&report);
    let (report, stopped) = stopped_at_each_step(&scene, || MoveTo::Embedded).await;
    assert!(stopped > 3 && report.resumed, "{stopped}: {report:#?}");
    scene.at_home();
    assert_eq!(scene.rows().await, rows);
    assert_eq!(content(&scene.store()).await, ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_cut_off_anywhere_doubles_and_loses_nothing() {
    let mut cut = 0;
    for seed in 1..=3 {
        let Some(scene) = Scene::new().await else { return };
        let (rows, ledger) = (scene.rows().await, content(&scene.store()).await);
        let (report, times) = cut_off_anywhere(&scene, || scene.to_server(), seed).await;
        cut += times;
        assert_eq!(content(&scene.store_there().await).await, ledger, "seed {seed}");
        scene.as_told(&report);
        let (_, times) = cut_off_anywhere(&scene, || MoveTo::Embedded, seed).await;
        cut += times;
        scene.at_home();
        assert_eq!(scene.rows().await, rows, "seed {seed}");
        assert_eq!(content(&scene.store()).await, ledger, "seed {seed}");
    }
    assert!(cut >= 6, "it was cut off {cut} times only");
}

#[tokio::test]
async fn while_a_move_is_unfinished_neither_end_is_opened() {
    let Some(scene) = Scene::new().await else { return };
    let (tell, mut told) = watch::channel(MoveStep::default());
    let stop = CancellationToken::new();
    let place = scene.place();
    let options = MigrateOptions { to: scene.to_server(), dry_run: false };
    let mut moving = App.migrate(&place, options, tell, stop.clone());
    let report = loop {
        tokio::select! {
            biased;
            Ok(()) = told.changed() => stop.cancel(),
            report = &mut moving => break report.unwrap(),
        }
    };
    assert!(report.stopped, "{report:#?}");
    drop(moving);
    let here = App.open(&place, Need::Look).await.err().unwrap();
    assert!(here.message.contains("is being moved to"), "{here:?}");
    assert!(here.hints[0].contains("goes on where it stopped"), "{here:?}");
    scene.as_told(&report);
    let there = App.open(&place, Need::Look).await.err().unwrap();
    assert!(there.message.contains("is being filled from"), "{there:?}");
    scene.at_home();
    let other = MoveTo::Postgres {
        url: scene.team.url().to_owned().into(),
        schema: "elsewhere".to_owned(),
        plain: false,
    };
    let refused = scene.go(other).await.unwrap_err();
    assert!(refused.message.contains("a move to") && refused.message.contains("is under way"));
    scene.go(scene.to_server()).await.unwrap();
}
