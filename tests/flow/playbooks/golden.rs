//! What people read, in text, Markdown and Block Kit, for every playbook that ships.

use super::with_a_model::{DRAFTS, FOLLOWS, MEETING, READS, SOME_MAILS};
use super::workflows::{finished_features, timesheet};
use super::{EVERYWHERE, run, run_well, told};
use crate::support::daemon::Team;
use crate::support::golden;
use crate::support::sample_board::sample;
use rota::domain::{Body, Reason};
use std::collections::BTreeSet;

pub(super) fn check(name: &str, body: &Body) {
    assert!(!body.text.is_empty() && !body.markdown.is_empty() && !body.slack.is_empty(), "{name}");
    golden::holds(&format!("playbook_{name}_text"), &body.text);
    golden::holds(&format!("playbook_{name}_markdown"), &body.markdown);
    golden::holds(&format!("playbook_{name}_slack"), &golden::block_kit(&body.slack));
}

/// The playbook in New York's zone, at nine o'clock there.
async fn in_new_york(team: &Team, name: &str, set: &[(&str, &str)]) -> Body {
    team.clock.advance_to("2026-10-26T13:00:00Z");
    team.shipped(name, &[EVERYWHERE, ("[on]\n", "[on]\ntimezone = \"America/New_York\"\n")]);
    let life = team.start().await;
    let before = team.told.0.lock().unwrap().len();
    run_well(&life, name, set).await;
    let told = team.told.0.lock().unwrap()[before].1.clone();
    life.stop().await;
    told
}

#[tokio::test(start_paused = true)]
async fn each_report_reads_well_in_every_format() {
    let reports: [(&str, &[(&str, &str)]); 9] = [
        ("standup", &[]),
        ("weekly-planning", &[]),
        ("project-planning", &[("project", "Machines"), ("finish_by", "2026-11-13")]),
        (
            "client-status-report",
            &[("budget", "20"), ("project", "Website"), ("since", "2026-10-19")],
        ),
        ("workload", &[]),
        ("sprint-planning", &[]),
        ("okr-tracking", &[]),
        ("project-kickoff", &[("project", "Intranet"), ("start", "2026-11-02")]),
        ("blocked-handover", &[]),
    ];
    for (name, set) in reports {
        let team = sample().await;
        check(&name.replace('-', "_"), &told(&team, name, set).await);
    }
}

#[tokio::test(start_paused = true)]
async fn each_reminder_reads_well_in_every_format() {
    let reminders: [(&str, &[(&str, &str)]); 4] = [
        ("daily-digest", &[]),
        ("due-soon", &[]),
        ("stale", &[]),
        ("focus-time", &[("person", "Bo")]),
    ];
    for (name, set) in reminders {
        let team = sample().await;
        check(&name.replace('-', "_"), &told(&team, name, set).await);
    }
    let team = sample().await;
    finished_features(&team).await;
    check("documentation", &told(&team, "documentation", &[]).await);
    let silent = told_again(&team, "documentation").await;
    assert!(silent.is_empty(), "nothing new is no message: {silent:#?}");
}

/// What the same playbook tells when it runs once more.
async fn told_again(team: &Team, name: &str) -> Vec<(String, Body)> {
    let life = team.start().await;
    let before = team.told.0.lock().unwrap().len();
    run_well(&life, name, &[]).await;
    life.stop().await;
    team.told.0.lock().unwrap()[before..].to_vec()
}

#[tokio::test(start_paused = true)]
async fn what_is_proposed_reads_well_in_every_format() {
    let team = sample().await;
    let everywhere = ("to = [\"stdout\"]", "to = [\"stdout\", \"file:log\", \"slack:ops\"]");
    team.shipped("time-catch-up", &[everywhere]);
    timesheet(&team).await;
    let life = team.start().await;
    assert_eq!(run(&life, "time-catch-up", &[]).await.reason, Reason::Proposed);
    life.stop().await;
    let told = team.told.0.lock().unwrap().clone();
    assert_eq!(told.len(), 3, "one for each channel: {told:#?}");
    check("time_catch_up", &told[0].1);
}

#[tokio::test(start_paused = true)]
async fn what_a_model_made_of_words_reads_well_in_every_format() {
    for (name, script, set) in [
        ("email-intake", READS, &[("project", "Website"), ("text", SOME_MAILS)][..]),
        ("meeting-follow-up", FOLLOWS, &MEETING),
        ("stakeholder-email", DRAFTS, &[("project", "Website")]),
    ] {
        let mut team = sample().await;
        team.model("worker", &[script]);
        check(&name.replace('-', "_"), &told(&team, name, set).await);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_morning_reads_otherwise_in_new_york() {
    let team = sample().await;
    check("standup_new_york", &in_new_york(&team, "standup", &[]).await);
    let team = sample().await;
    check("weekly_planning_new_york", &in_new_york(&team, "weekly-planning", &[]).await);
}

#[test]
fn every_playbook_that_ships_has_its_golden_messages() {
    let there: BTreeSet<String> = golden::names().collect();
    let mut missing = Vec::new();
    for (file, _) in rota::playbook::shipped() {
        let name = file.trim_end_matches(".toml").replace('-', "_");
        let formats = ["text", "markdown", "slack"];
        let wanted = formats.map(|format| format!("playbook_{name}_{format}"));
        missing.extend(wanted.into_iter().filter(|name| !there.contains(name)));
    }
    assert!(missing.is_empty(), "no golden message: {missing:#?}");
}

#[test]
fn slack_takes_every_golden_message() {
    let mut payloads = 0;
    for name in golden::names().filter(|name| name.ends_with("_slack")) {
        for payload in golden::payloads(&name) {
            golden::is_taken_by_slack(&name, &payload);
            payloads += 1;
        }
    }
    assert!(payloads >= rota::playbook::shipped().len(), "{payloads}");
}
