//! Programs: what they may see, how they end, and that nothing of them is left.

use super::job;
use crate::support::house::{House, playbook};
use rota::domain::{Reason, RunId, RunState};
use rota::runner::command::CommandRunner;
use rota::runner::process::sweep_left_over;
use rota::runner::{Runner as _, Sign, Signs, WorkEnd};
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The fake agent, built beside the tests.
fn fake_agent() -> String {
    let test = std::env::current_exe().unwrap();
    let debug = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = debug.join("examples").join("fake_agent");
    assert!(path.exists(), "{} is not built", path.display());
    path.to_str().unwrap().to_owned()
}

struct Played {
    end: WorkEnd,
    lines: Vec<String>,
}

/// Plays the fake agent under a run of its own; `change` may shorten its limits.
async fn play(
    run: &str,
    args: &[&str],
    change: impl FnOnce(&mut rota::domain::Playbook),
) -> Played {
    play_until(run, args, change, None).await
}

async fn play_until(
    run: &str,
    args: &[&str],
    change: impl FnOnce(&mut rota::domain::Playbook),
    stop_at: Option<&str>,
) -> Played {
    let house = House::build().await;
    let mut book = playbook(&[]);
    change(&mut book);
    let (mut job, tools) = job(&house, book, "the prompt\nsecond line").await;
    job.run = RunId::new(run);
    job.command =
        std::iter::once(fake_agent()).chain(args.iter().map(|a| (*a).to_owned())).collect();
    job.env = vec![("WANTED".into(), "yes".into())];
    let daemon = [("PATH", "/usr/bin:/bin"), ("SLACK_TOKEN", "secret"), ("TZ", "UTC")];
    let runner = CommandRunner::new(daemon.map(|(n, v)| (n.to_owned(), v.to_owned())));
    let (signs, mut receiver) = Signs::channel(10_000);
    let stop = CancellationToken::new();
    let mut lines = Vec::new();
    let work = runner.work(&job, &tools, &signs, stop.clone());
    tokio::pin!(work);
    let end = loop {
        tokio::select! {
            end = &mut work => break end,
            Some(sign) = receiver.recv() => {
                if let Sign::Line(line) = sign {
                    if stop_at == Some(line.as_str()) {
                        stop.cancel();
                    }
                    lines.push(line);
                }
            }
        }
    };
    while let Ok(Sign::Line(line)) = receiver.try_recv() {
        lines.push(line);
    }
    Played { end, lines }
}

fn pid_in(file: &PathBuf) -> String {
    std::fs::read_to_string(file).unwrap().trim().to_owned()
}

/// Whether a process runs: it is there and no zombie.
fn runs(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit(") ").next().map(|rest| !rest.starts_with('Z')))
        .unwrap_or(false)
}

#[tokio::test]
async fn the_last_json_line_names_the_outcome_and_every_line_is_a_sign_of_life() {
    let played = play("r-plain", &["--outcome", "blocked", "--lines", "3"], |_| {}).await;
    assert_eq!(played.end.state, RunState::Succeeded, "{:?}", played.end);
    assert_eq!(played.end.outcome.as_deref(), Some("blocked"));
    assert_eq!(played.end.summary, "the prompt");
    assert_eq!(played.lines[0], "step 1: 22 characters of prompt");
    assert_eq!(played.lines.len(), 4);
}

#[tokio::test]
async fn without_a_json_line_status_0_is_done() {
    let played = play("r-quiet", &["--quiet"], |_| {}).await;
    assert_eq!(played.end.outcome.as_deref(), Some("done"));
    let played = play("r-quiet2", &["--quiet"], |book| drop(book.outcomes.remove("done"))).await;
    assert_eq!(played.end.reason, Reason::NoOutcome);
}

#[tokio::test]
async fn failure_is_failure_whatever_the_program_says() {
    for (run, args, reason) in [
        ("r-exit", &["--exit", "3"][..], Reason::CommandFailed),
        ("r-crash", &["--crash"], Reason::CommandFailed),
        ("r-name", &["--outcome", "triumph"], Reason::UnknownOutcome),
    ] {
        let played = play(run, args, |_| {}).await;
        assert_eq!((played.end.state, played.end.reason), (RunState::Failed, reason), "{run}");
        assert_eq!(played.end.outcome, None, "{run}");
    }
    let missing = {
        let house = House::build().await;
        let (mut job, tools) = job(&house, playbook(&[]), "").await;
        job.command = vec!["/nonexistent/agent".into()];
        let (signs, _end) = Signs::channel(8);
        CommandRunner::new([]).work(&job, &tools, &signs, CancellationToken::new()).await
    };
    assert_eq!(missing.reason, Reason::CommandFailed);
    assert!(missing.detail.contains("/nonexistent/agent"), "{}", missing.detail);
}

#[tokio::test]
async fn a_child_sees_the_basic_variables_those_that_are_named_and_its_tag_and_no_others() {
    let played = play("r-env", &["--env", "--lines", "0"], |_| {}).await;
    let mut names: Vec<&str> =
        played.lines.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["PATH", "ROTA_RUN", "ROTA_TASK", "TZ", "WANTED"]);
    assert!(played.lines.contains(&"ROTA_RUN=r-env".to_owned()));
    assert!(!played.lines.concat().contains("secret"));
}

#[tokio::test]
async fn a_flood_is_read_to_its_end_without_being_kept() {
    let played = play("r-flood", &["--flood", "8388608"], |_| {}).await;
    assert_eq!(played.end.outcome.as_deref(), Some("done"), "{:?}", played.end);
}

#[tokio::test]
async fn a_child_that_takes_too_long_is_timed_out_and_one_without_a_sign_of_life_stalled() {
    let played =
        play("r-long", &["--hang"], |book| book.limits.time = Duration::from_millis(300)).await;
    assert_eq!((played.end.state, played.end.reason), (RunState::TimedOut, Reason::TimedOut));
    let played =
        play("r-still", &["--hang"], |book| book.limits.idle = Duration::from_millis(300)).await;
    assert_eq!((played.end.state, played.end.reason), (RunState::Stalled, Reason::Stalled));
}

#[tokio::test]
async fn a_child_that_is_told_to_stop_is_cancelled() {
    let played = play_until("r-stop", &["--hang"], |_| {}, Some("hanging")).await;
    assert_eq!((played.end.state, played.end.reason), (RunState::Cancelled, Reason::Cancelled));
}

#[tokio::test]
async fn a_child_deaf_to_sigterm_is_killed_after_the_grace() {
    let started = tokio::time::Instant::now();
    let played = play_until("r-deaf", &["--deaf"], |_| {}, Some("deaf")).await;
    assert_eq!(played.end.state, RunState::Cancelled);
    assert!(started.elapsed() >= Duration::from_secs(5), "it was not asked politely");
    assert_eq!(sweep_left_over(&[RunId::new("r-deaf")]).await, 0);
}

#[tokio::test]
async fn one_that_shows_signs_of_life_outlives_its_silence_limit() {
    let silence = |book: &mut rota::domain::Playbook| book.limits.idle = Duration::from_secs(1);
    let began = tokio::time::Instant::now();
    let args = ["--lines", "12", "--pause", "250"];
    let played = play("r-slow", &args, silence).await;
    assert_eq!(played.end.state, RunState::Succeeded, "{:?}", played.end);
    assert!(began.elapsed() > Duration::from_secs(2), "longer than it may be silent");
    // As slow, and silent in between.
    let played = play("r-slower", &["--lines", "2", "--pause", "3000"], silence).await;
    assert_eq!(played.end.state, RunState::Stalled, "{:?}", played.end);
}

#[tokio::test]
async fn what_left_the_group_by_setsid_is_found_and_killed() {
    let dir = tempfile::tempdir().unwrap();
    for (run, extra, ends_well) in [("r-esc1", "--lines", true), ("r-esc2", "--hang", false)] {
        let file = dir.path().join(run);
        let name = file.to_str().unwrap().to_owned();
        let args = if ends_well {
            vec!["--escape", &name, extra, "1"]
        } else {
            vec!["--escape", &name, extra]
        };
        let limit = |book: &mut rota::domain::Playbook| book.limits.time = Duration::from_secs(2);
        let played = play(run, &args, limit).await;
        let expected = if ends_well { RunState::Succeeded } else { RunState::TimedOut };
        assert_eq!(played.end.state, expected, "{:?}", played.end);
        assert!(!runs(&pid_in(&file)), "{run}: the grandchild lives on");
    }
}
