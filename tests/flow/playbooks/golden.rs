//! What people read, in text, Markdown and Block Kit.

use super::{EVERYWHERE, run_well, told};
use crate::support::daemon::Team;
use crate::support::sample_board::sample;
use rota::domain::Body;

fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn check(name: &str, body: &Body) {
    let slack = body.slack.iter().map(|json| {
        let mut value: serde_json::Value = serde_json::from_str(json).unwrap();
        value.sort_all_objects();
        serde_json::to_string_pretty(&value).unwrap()
    });
    let slack: Vec<String> = slack.collect();
    golden(&format!("playbook_{name}_text"), &body.text);
    golden(&format!("playbook_{name}_markdown"), &body.markdown);
    golden(&format!("playbook_{name}_slack"), &slack.join("\n"));
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
async fn the_same_morning_reads_otherwise_in_new_york() {
    let team = sample().await;
    check("standup_new_york", &in_new_york(&team, "standup", &[]).await);
    let team = sample().await;
    check("weekly_planning_new_york", &in_new_york(&team, "weekly-planning", &[]).await);
}
