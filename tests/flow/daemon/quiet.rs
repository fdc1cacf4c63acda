//! Playbooks that take nothing any more are told of, once, with the reason.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, Life, Team};
use crate::support::playbooks::changed;
use rota::domain::*;
use rota::tools::desk::Desk as _;
use std::time::Duration;

fn every_six_hours(more: &str) -> String {
    let on = format!("[on]\nevery = \"6h\"\nlate = \"12h\"\n{more}\n[select]");
    changed(WORKER_PLAYBOOK, &[("[select]", &on)])
}

/// So many days pass, with a look every six hours.
async fn days(team: &Team, life: &Life, count: u32) {
    for _ in 0..4 * count {
        team.clock.advance(Duration::from_hours(6));
        life.work().await;
    }
}

async fn told(life: &Life) -> Vec<String> {
    life.daemon.tell_of_silence().await;
    let notices = life.ledger.notices(200, None).await.unwrap();
    let about = notices.into_iter().filter(|notice| notice.key.starts_with("quiet:"));
    about.map(|notice| format!("{}: {}", notice.to, notice.body.text)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_matches_nothing_any_more_is_told_of_and_one_that_never_did_is_idle() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", &every_six_hours(""));
    let never = changed(&every_six_hours(""), &[("AI-Suitable", "AI-Never")]);
    team.playbook("idle", &never);
    team.model("worker", &[QUICK, QUICK]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    life.work().await;
    days(&team, &life, 1).await;
    assert_eq!(life.the_run(task).await.reason, Some(Reason::HandedOver));
    days(&team, &life, 6).await;
    assert!(told(&life).await.is_empty(), "not for long");
    days(&team, &life, 2).await;
    let first = told(&life).await;
    assert_eq!(first.len(), 1, "{first:#?}");
    assert!(first[0].starts_with("slack:ops: ai-worker takes nothing since"), "{first:#?}");
    assert!(first[0].contains("matched nothing any more since 2026-11-03"), "{first:#?}");
    let why = life.daemon.why("ai-worker", None).await.unwrap().to_string();
    assert!(why.contains("matched nothing any more"), "{why}");
    days(&team, &life, 2).await;
    assert_eq!(told(&life).await.len(), 1, "once");
    // It works again, and then nothing more: that is another time.
    team.task("Fix the logout").await;
    days(&team, &life, 10).await;
    assert_eq!(told(&life).await.len(), 2);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn gates_that_nothing_passes_are_told_of_by_their_reason() {
    let mut team = Team::new().await;
    let gated = format!("{}\n[suitability]\nrequire = [\"estimate\"]\n", every_six_hours(""));
    team.playbook("ai-worker", &gated);
    team.model("worker", &[]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    life.work().await;
    days(&team, &life, 9).await;
    let told = told(&life).await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("none passes") && told[0].contains("no_estimate"), "{told:#?}");
    assert!(life.runs(task).await.is_empty());
    assert_eq!(team.look(task).await.assignee, None);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_gate_kept_once_is_not_told_of_when_it_is_not_there_any_more() {
    let mut team = Team::new().await;
    let gated = format!("{}\n[suitability]\nrequire = [\"estimate\"]\n", every_six_hours(""));
    team.playbook("ai-worker", &gated);
    team.model("worker", &[QUICK]);
    let done = team.task("Fix the login").await;
    team.edit(ADA, done, TaskEdit::Storypoints(Some(3.0))).await;
    let kept = team.task("Fix the logout").await;
    let life = team.start().await;
    life.work().await;
    days(&team, &life, 1).await;
    assert_eq!(life.the_run(done).await.reason, Some(Reason::HandedOver));
    let decided = life.ledger.decisions_about_task(kept, None).await.unwrap();
    assert_eq!(decided[0].reason, Reason::NoEstimate);
    // Nobody means it for agents any more: the selection matches nothing.
    team.edit(ADA, kept, TaskEdit::RemoveTag("AI-Suitable".into())).await;
    days(&team, &life, 8).await;
    let told = told(&life).await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("matched nothing any more since 2026-11-03"), "{told:#?}");
    life.stop().await;
}
