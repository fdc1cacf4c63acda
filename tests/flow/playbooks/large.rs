//! Ten thousand lines: Slack's limits hold, and what is not told is counted.

use super::{EVERYWHERE, run_well};
use crate::support::daemon::{ADA, Team, WEBSITE, instant};
use crate::support::golden::is_taken_by_slack;
use rota::digest::{DIGEST_TEMPLATE, Digest, Fill, Line, LinkBase, Section, SectionKind, render};
use rota::domain::*;
use rota::template::Templates;

/// What the daemon fills reports with.
struct Shipped(Templates);

impl Fill for Shipped {
    fn fill(&self, template: &str, data: &Value) -> Result<String, String> {
        self.0.render_escaped(template, data).map_err(|error| error.to_string())
    }
    fn has(&self, template: &str) -> bool {
        self.0.has(template)
    }
}

/// Slack takes each of these; how many lines they have together.
fn lines_of(name: &str, payloads: &[String]) -> usize {
    for json in payloads {
        let message = serde_json::from_str(json).unwrap();
        is_taken_by_slack(name, &message);
        assert!(message["blocks"].to_string().chars().count() <= 11_000, "{name}");
    }
    payloads.iter().map(|json| json.matches('•').count()).sum()
}

#[test]
fn a_digest_of_ten_thousand_tasks_is_messages_that_slack_takes() {
    let links = LinkBase::parse("https://board.example").unwrap();
    let line = |id: i64| Line {
        evidence: links.task(TaskId(id)),
        headline: format!("Task {id} with <some> text & more"),
        notes: vec!["Website".to_owned(), "Ada".to_owned()],
    };
    let mut sections: Vec<Section> =
        SectionKind::ALL.map(|kind| Section { kind, lines: Vec::new(), rest: 0 }).into();
    sections[0].lines = (0..5_000).map(line).collect();
    sections[1].lines = (5_000..10_000).map(line).collect();
    let digest = Digest {
        window: "digest:x:2026-10-26".into(),
        date: "2026-10-26".parse().unwrap(),
        zone: chrono_tz::Europe::Berlin,
        sections,
    };
    let body = render(&digest, &Shipped(Templates::shipped()), DIGEST_TEMPLATE).unwrap();
    assert_eq!(lines_of("digest", &body.slack), 10_000);
    for (text, bullet) in [(&body.text, "- "), (&body.markdown, "- ")] {
        assert_eq!(text.lines().filter(|line| line.starts_with(bullet)).count(), 10_000);
    }
}

/// So many tasks are due on Monday, as many were on Sunday.
const TASKS: usize = 1_500;

#[tokio::test(start_paused = true)]
async fn a_standup_and_a_digest_of_a_large_board_are_told_whole() {
    let team = Team::at("2026-10-24T08:00:00Z").await;
    for place in 0..TASKS {
        let due = if place % 2 == 0 { "2026-10-25T10:00:00Z" } else { "2026-10-26T10:00:00Z" };
        let new = NewTask::new(WEBSITE, format!("Task {place} with <some> text & more"))
            .with(TaskEdit::Due(Some(instant(due))))
            .with(TaskEdit::Assignee(Some(ADA)));
        team.board.below.add_task(&Stamp::by(ADA), new).await.unwrap();
    }
    team.clock.advance_to("2026-10-26T07:00:00Z");
    for name in ["daily-digest", "standup"] {
        team.shipped(name, &[EVERYWHERE]);
    }
    let life = team.start().await;
    for name in ["daily-digest", "standup"] {
        let before = team.told.0.lock().unwrap().len();
        run_well(&life, name, &[]).await;
        let body = team.told.0.lock().unwrap()[before].1.clone();
        assert_eq!(lines_of(name, &body.slack), TASKS, "{name}: each task stands on a line");
    }
    life.stop().await;
}

/// More than anybody reads.
const MANY: usize = 10_000;

#[tokio::test(start_paused = true)]
async fn a_digest_of_ten_thousand_tasks_that_are_due_on_one_day_tells_the_first_and_counts_all() {
    let team = Team::at("2026-10-24T08:00:00Z").await;
    for place in 0..MANY {
        let new = NewTask::new(WEBSITE, format!("Task {place} with <some> text & more"))
            .with(TaskEdit::Due(Some(instant("2026-10-26T10:00:00Z"))));
        team.board.below.add_task(&Stamp::by(ADA), new).await.unwrap();
    }
    team.clock.advance_to("2026-10-26T07:00:00Z");
    team.shipped("daily-digest", &[EVERYWHERE]);
    let life = team.start().await;
    run_well(&life, "daily-digest", &[]).await;
    let body = team.told.0.lock().unwrap()[0].1.clone();
    assert!(body.text.contains(", 10000 due today, "), "{}", &body.text[..300]);
    let told = lines_of("daily-digest", &body.slack) - 1;
    assert!(told >= 500, "{told}");
    let all = body.slack.concat();
    assert!(all.contains(&format!("• … and {} more", MANY - told)), "{told}");
    assert!(all.contains("Task 0 with") && body.slack.len() <= 30, "{}", body.slack.len());
    life.stop().await;
}
