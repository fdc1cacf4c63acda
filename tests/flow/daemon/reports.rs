//! What people hear without any model: digest, documentation, due soon, stale.

use super::playbooks::{DILIGENT, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, BO, Team, WEBSITE, instant};
use rota::domain::*;
use std::time::Duration;

const EVERYWHERE: (&str, &str) =
    ("to = [\"stdout\"]", "to = [\"stdout\", \"file:log\", \"slack:ops\"]");

fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Monday: one task is overdue since, one is due tomorrow, a milestone ends on Friday.
async fn a_monday() -> Team {
    let mut team = Team::at("2026-11-02T09:00:00Z").await;
    team.shipped("daily-digest", &[EVERYWHERE]);
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[DILIGENT]);
    for (headline, due) in [
        ("Pay the invoice", "2026-11-02T16:00:00Z"),
        ("Send <the> offer", "2026-11-03T16:00:00Z"),
        ("Plan the party", "2026-11-20T16:00:00Z"),
    ] {
        let new = NewTask::new(WEBSITE, headline)
            .with(TaskEdit::Assignee(Some(BO)))
            .with(TaskEdit::Due(Some(instant(due))));
        team.board.below.add_task(&Stamp::by(ADA), new).await.unwrap();
    }
    let milestone = NewMilestone {
        project: WEBSITE,
        headline: "Version 2".into(),
        color: "#336699".into(),
        assignee: Some(ADA),
        from: instant("2026-10-01T00:00:00Z"),
        to: instant("2026-11-06T16:00:00Z"),
        depends_on: None,
    };
    team.board.below.add_milestone(&Stamp::by(ADA), milestone).await.unwrap();
    team
}

#[tokio::test(start_paused = true)]
async fn every_morning_at_eight_the_team_hears_what_is_due_and_what_the_agents_did_once() {
    let team = a_monday().await;
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    life.work().await;
    let update = NewComment {
        on: CommentTarget::Project(WEBSITE),
        text: "The bank is closed today. @channel".into(),
        parent: None,
        rating: Some(Rating::Yellow),
    };
    team.board.below.add_comment(&Stamp::by(BO), update).await.unwrap();
    team.clock.advance(Duration::from_hours(1));
    life.run("ai-worker").await;
    let run = life.the_run(task).await;
    let told_before = team.told.0.lock().unwrap().len();
    team.clock.advance_to("2026-11-03T06:59:59Z");
    life.work().await;
    assert_eq!(team.told.0.lock().unwrap().len(), told_before, "it was told before eight");
    team.clock.advance_to("2026-11-03T07:00:00Z");
    life.work().await;
    let told: Vec<_> = team.told.0.lock().unwrap()[told_before..].to_vec();
    assert_eq!(told.len(), 3, "one for each channel: {told:#?}");
    let body = &told[0].1;
    let plain = |text: &str| text.replace(run.id.as_str(), "r-RUN");
    golden("daemon_digest_text", &plain(&body.text));
    golden("daemon_digest_markdown", &plain(&body.markdown));
    let slack: Vec<serde_json::Value> =
        body.slack.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect();
    golden("daemon_digest_slack", &plain(&serde_json::to_string_pretty(&slack).unwrap()));

    // Again on the same day, by hand and after a restart: not told twice.
    team.clock.advance(Duration::from_hours(2));
    life.run("daily-digest").await;
    life.stop().await;
    let life = team.start().await;
    life.run("daily-digest").await;
    life.work().await;
    assert_eq!(team.told.0.lock().unwrap().len(), told_before + 3);
    // The next morning it is.
    team.clock.advance_to("2026-11-04T07:00:00Z");
    life.work().await;
    assert_eq!(team.told.0.lock().unwrap().len(), told_before + 6);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_finished_feature_gets_its_documentation_subtask_once_over_restarts() {
    let team = Team::new().await;
    team.shipped("documentation", &[]);
    let life = team.start().await;
    life.work().await;
    let mut feature = NewTask::new(WEBSITE, "Dark mode");
    feature.kind = TaskKind::Story;
    let feature = team.board.below.add_task(&Stamp::by(ADA), feature).await.unwrap().after.id;
    let done = team.labelled("Done").await;
    team.edit(ADA, feature, TaskEdit::Status(done)).await;
    life.work().await;
    life.stop().await;
    for _ in 0..2 {
        team.clock.advance(Duration::from_hours(1));
        let life = team.start().await;
        life.work().await;
        life.run("documentation").await;
        life.stop().await;
    }
    let query = TaskQuery { limit: 10, ..TaskQuery::default() };
    let tasks = team.board.below.tasks(&query).await.unwrap().items;
    let parts: Vec<_> = tasks.iter().filter(|task| task.parent == Some(feature)).collect();
    assert_eq!(parts.len(), 1, "{parts:#?}");
    assert_eq!(parts[0].headline, "Update documentation for Dark mode");
    assert!(parts[0].has_tag("documentation"));
}

#[tokio::test(start_paused = true)]
async fn tasks_that_are_due_soon_are_asked_about_once_for_each_date() {
    let team = Team::new().await;
    team.shipped("due-soon", &[]);
    let task = team.task("Pay the invoice").await;
    let due = |text: &str| TaskEdit::Due(Some(instant(text)));
    team.edit(ADA, task, due("2026-11-05T16:00:00Z")).await;
    team.task("Plan the party").await;
    let life = team.start().await;
    life.run("due-soon").await;
    let comments = team.comments(task).await;
    assert_eq!(comments.len(), 1);
    assert!(comments[0].1.starts_with("Due Thursday, 05 November"), "{comments:?}");
    assert_eq!(team.told.texts().len(), 1);
    assert!(team.told.texts()[0].contains("Pay the invoice"));
    assert!(!team.told.texts()[0].contains("Plan the party"));
    team.clock.advance(Duration::from_hours(1));
    life.run("due-soon").await;
    assert_eq!(team.comments(task).await.len(), 1);
    assert_eq!(team.told.texts().len(), 1, "nothing has changed: {:#?}", team.told.texts());
    team.edit(ADA, task, due("2026-11-06T09:00:00Z")).await;
    life.run("due-soon").await;
    assert_eq!(team.comments(task).await.len(), 2);
    assert_eq!(team.told.texts().len(), 2);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_in_progress_without_an_update_for_a_week_is_asked_about() {
    let team = Team::new().await;
    team.shipped("stale", &[]);
    let task = team.task("Fix the login").await;
    let progress = team.labelled("In Progress").await;
    team.edit(BO, task, TaskEdit::Status(progress)).await;
    let life = team.start().await;
    life.run("stale").await;
    assert!(team.comments(task).await.is_empty() && team.told.texts().is_empty());
    team.clock.advance(Duration::from_hours(7 * 24 + 1));
    life.run("stale").await;
    let comments = team.comments(task).await;
    assert_eq!(comments.len(), 1);
    assert!(comments[0].1.contains("Nothing has happened here since Tuesday, 03 November"));
    assert!(team.told.texts()[0].contains("Fix the login"));
    // The question itself is an update.
    team.clock.advance(Duration::from_hours(24));
    life.run("stale").await;
    assert_eq!(team.comments(task).await.len(), 1);
    assert_eq!(team.told.texts().len(), 1);
    life.stop().await;
}
