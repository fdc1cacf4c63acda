//! Playbooks that take nothing any more are told of, once, with the reason.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, Life, Team};
use crate::support::playbooks::changed;
use rota::domain::*;
use rota::tools::desk::Desk as _;
use std::sync::atomic::Ordering::SeqCst;
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

#[tokio::test(start_paused = true)]
async fn a_board_that_is_not_reached_for_an_hour_is_told_of_once_and_not_any_more_when_it_is_back()
{
    let mut team = Team::new().await;
    let often = changed(&every_six_hours(""), &[("every = \"6h\"", "every = \"20m\"")]);
    team.playbook("ai-worker", &often);
    team.model("worker", &[QUICK, QUICK]);
    let first = team.task("Fix the login").await;
    let life = team.start().await;
    life.work().await;
    let pass = async |minutes: u64| {
        for _ in 0..minutes / 20 {
            team.clock.advance(Duration::from_mins(20));
            // What waits for the board does not end while it is down.
            life.daemon.tick().await;
            if !team.board.watch.down.load(SeqCst) {
                life.daemon.idle().await;
            }
        }
    };
    pass(20).await;
    assert_eq!(life.the_run(first).await.reason, Some(Reason::HandedOver));
    team.board.watch.down.store(true, SeqCst);
    pass(40).await;
    assert!(told(&life).await.is_empty(), "not for long");
    pass(80).await;
    let about = told(&life).await;
    assert_eq!(about.len(), 1, "{about:#?}");
    assert!(
        about[0].starts_with("slack:ops: ai-worker takes nothing since 2026-11-03"),
        "{about:#?}"
    );
    assert!(about[0].contains("the board could not be reached"), "{about:#?}");
    pass(60).await;
    assert_eq!(told(&life).await.len(), 1, "once a day");
    team.board.watch.down.store(false, SeqCst);
    let second = team.task("Fix the logout").await;
    pass(40).await;
    assert_eq!(life.the_run(second).await.reason, Some(Reason::HandedOver));
    assert_eq!(told(&life).await.len(), 1);
    life.stop().await;
}

const DIGEST: &str = r#"
agent = "AI-Docs"
[report]
template = "digest"
to = ["stdout"]
when = "always"
[on_failure]
to = ["slack:ops"]
"#;

/// What is told when three mornings in a row had nothing to say.
async fn after_three_mornings(team: &Team, playbook: &str, meanwhile: impl AsyncFn()) -> String {
    team.playbook("digest", playbook);
    let life = team.start().await;
    for _ in 0..3 {
        life.run("digest").await;
        team.clock.advance(Duration::from_hours(12));
        meanwhile().await;
        team.clock.advance(Duration::from_hours(12));
    }
    let notices = life.ledger.notices(200, None).await.unwrap();
    let alarms: Vec<_> = notices.iter().filter(|it| it.key.starts_with("silence:")).collect();
    assert_eq!(alarms.len(), 1, "{alarms:#?}");
    assert!(alarms[0].is_alarm && alarms[0].to == Channel::Slack("ops".into()), "{alarms:#?}");
    life.stop().await;
    alarms[0].body.text.clone()
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_falls_silent_says_whether_its_projects_are_gone_the_board_is_idle_or_neither()
 {
    let nothing = async || {};
    let team = Team::new().await;
    team.clock.advance(Duration::from_hours(48));
    let told = after_three_mornings(&team, DIGEST, nothing).await;
    assert!(
        told.starts_with("digest: 3 reports in a row had nothing to say, since 2026-11-05"),
        "{told}"
    );
    assert!(
        told.contains("Nothing at all has happened on the board in that time: it is idle."),
        "{told}"
    );

    let team = Team::new().await;
    let busy = async || {
        team.task("Due some day").await;
    };
    let told = after_three_mornings(&team, DIGEST, busy).await;
    assert!(
        told.contains("The board has changed in that time, and nothing of it was for this"),
        "{told}"
    );

    let team = Team::new().await;
    let gone = changed(DIGEST, &[("[report]", "[select]\nproject = [\"Gone\"]\n[report]")]);
    let told = after_three_mornings(&team, &gone, nothing).await;
    assert!(told.contains("None of the projects that it selects is on the board."), "{told}");
}
