//! What people hear without any model: digest, documentation, due soon, stale.

use super::playbooks::{DILIGENT, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, BO, Team, WEBSITE, instant};
use crate::support::golden::{block_kit, holds};
use rota::domain::*;
use rota::tools::desk::Desk as _;
use std::time::Duration;

const EVERYWHERE: (&str, &str) =
    ("to = [\"stdout\"]", "to = [\"stdout\", \"file:log\", \"slack:ops\"]");

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
    holds("daemon_digest_text", &plain(&body.text));
    holds("daemon_digest_markdown", &plain(&body.markdown));
    holds("daemon_digest_slack", &plain(&block_kit(&body.slack)));

    // Again on the same day, by hand and after a restart: not told twice, and it says so.
    team.clock.advance(Duration::from_hours(2));
    let again = life.run("daily-digest").await;
    assert_eq!((again.state, again.reason), (RunState::Succeeded, Reason::AlreadyTold));
    for channel in ["stdout", "file:log", "slack:ops"] {
        let told = format!("{channel} was told at 2026-11-03T07:00:00Z");
        assert!(again.detail.contains(&told), "{}", again.detail);
    }
    assert!(again.notices.is_empty(), "{:#?}", again.notices);
    let run = again.run.unwrap();
    let record = life.ledger.run(run.as_str()).await.unwrap().unwrap();
    assert_eq!((record.reason, record.detail), (Some(Reason::AlreadyTold), again.detail));
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
    assert!(parts[0].has_tag("needs-docs"));
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
async fn a_digest_of_selected_projects_is_one_message_about_them_and_about_no_others() {
    const DIGEST: &str = "agent = \"AI-Docs\"\n[select]\nproject = [\"PROJECT\"]\n[report]\n\
        template = \"digest\"\nto = [\"stdout\"]\nwhen = \"always\"\n";
    let team = Team::new().await;
    let new = NewProject { name: "Shop".into(), details: String::new(), statuses: Vec::new() };
    let shop = team.board.below.add_project(&Stamp::by(ADA), new).await.unwrap().after.id;
    for (project, headline) in
        [(ProjectId(1), "Ours"), (ProjectId(1), "Ours, too"), (shop, "Theirs")]
    {
        let due = TaskEdit::Due(Some(instant("2026-11-03T16:00:00Z")));
        let new = NewTask::new(project, headline.to_owned()).with(due);
        team.board.below.add_task(&Stamp::by(ADA), new).await.unwrap();
    }
    for (name, project) in [("ours", "Website"), ("gone", "Gone")] {
        team.playbook(name, &DIGEST.replace("PROJECT", project));
    }
    let life = team.start().await;
    for name in ["ours", "gone"] {
        let report = life.run(name).await;
        assert_eq!((report.reason, report.tasks.len()), (Reason::Done, 0), "{report:#?}");
    }
    life.daemon.deliver().await;
    let told = team.told.texts();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("- Ours |") && told[0].contains("- Ours, too |"), "{told:#?}");
    assert!(!told[0].contains("Theirs") && told[1].starts_with("Nothing to report"), "{told:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_due_on_monday_evening_is_asked_about_on_friday_morning() {
    // A weekend of 49 hours in Berlin.
    let team = Team::at("2026-10-23T07:00:00Z").await;
    team.shipped("due-soon", &[]);
    let (monday, tuesday) = (team.task("Pay the invoice").await, team.task("Not yet").await);
    for (task, due) in [(monday, "2026-10-26T22:00:00Z"), (tuesday, "2026-10-26T23:00:00Z")] {
        team.edit(ADA, task, TaskEdit::Due(Some(instant(due)))).await;
    }
    let life = team.start().await;
    life.run("due-soon").await;
    assert_eq!((team.comments(monday).await.len(), team.comments(tuesday).await.len()), (1, 0));
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

#[tokio::test(start_paused = true)]
async fn what_happened_before_a_digest_was_asked_for_again_stands_in_the_next_one() {
    let team = a_monday().await;
    let life = team.start().await;
    life.work().await;
    team.clock.advance_to("2026-11-03T07:00:00Z");
    life.work().await;
    team.clock.advance(Duration::from_hours(1));
    let update = NewComment {
        on: CommentTarget::Project(WEBSITE),
        text: "The bank is open again.".into(),
        parent: None,
        rating: Some(Rating::Green),
    };
    team.board.below.add_comment(&Stamp::by(BO), update).await.unwrap();
    team.clock.advance(Duration::from_hours(1));
    life.run("daily-digest").await;
    team.clock.advance_to("2026-11-04T07:00:00Z");
    life.work().await;
    let last = team.told.texts().pop().unwrap();
    assert!(last.contains("The bank is open again."), "{last}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn three_digests_in_a_row_with_nothing_to_say_raise_one_alarm() {
    for (failures_to, channel) in
        [("[on_failure]\nto = [\"slack:ops\"]\n", "slack:ops"), ("", "stdout")]
    {
        let team = Team::at("2026-11-02T09:00:00Z").await;
        team.shipped("daily-digest", &[]);
        let path = team.folder.path().join("agents/daily-digest.toml");
        let text = std::fs::read_to_string(path).unwrap();
        let without = text.split("[on_failure]").next().unwrap();
        team.playbook("daily-digest", &format!("{without}\n{failures_to}"));
        let life = team.start().await;
        life.work().await;
        let alarms = || {
            let told = team.told.0.lock().unwrap();
            let mut keys = told.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
            keys.retain(|key| key.starts_with("silence:"));
            keys
        };
        for day in 3..=4 {
            team.clock.advance_to(&format!("2026-11-0{day}T07:00:00Z"));
            life.work().await;
            // Who asks again on the same day hears nothing new; it is no further silence.
            life.run("daily-digest").await;
        }
        assert!(alarms().is_empty(), "{:?}", alarms());
        for day in 5..=7 {
            team.clock.advance_to(&format!("2026-11-0{day}T07:00:00Z"));
            life.work().await;
        }
        let found = alarms();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with(&format!("|{channel}")), "{found:?}");
        let why = life.daemon.why("daily-digest", None).await.unwrap().to_string();
        assert!(why.contains("5 reports in a row had nothing to say"), "{why}");
        life.stop().await;
    }
}
