//! What the digest says of costs is what the report of costs says, by whatever was asked for.

use super::costs::{milestone, report};
use super::playbooks::WORKER as WORKER_PLAYBOOK;
use super::time_spent::works;
use crate::support::daemon::{ADA, Team};
use rota::domain::*;
use serde_json::{Value as Json, json};
use std::time::Duration;

const DIGEST: &str = r#"
agent = "AI-Docs"
[report]
template = "digest"
to = ["stdout"]
when = "always"
cost_by = ["project", "milestone", "goal", "agent", "playbook"]
"#;

const SPENDS: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now." } }]
usage = { tokens_in = 90, tokens_out = 10, cost_micros = 1230000 }
"#;

/// A line of the digest, from one of the report.
fn told(by: &str, item: &Json) -> String {
    let number = |name: &str| item[name].as_u64().unwrap();
    let money = |micros: u64| {
        let cents = (micros + 5_000) / 10_000;
        format!("{}.{:02}", cents / 100, cents % 100)
    };
    let name = item[by].as_str().unwrap();
    let name = name.split(" (project ").next().unwrap().split(" (milestone ").next().unwrap();
    let runs =
        if number("runs") == 1 { "1 run".into() } else { format!("{} runs", number("runs")) };
    let mut notes = vec![
        format!("{} tokens", number("tokens_in") + number("tokens_out")),
        format!("{} spent", money(number("cost_micros"))),
    ];
    if by != "playbook" {
        notes.insert(0, runs.clone());
    }
    let (hours, planned) = (item["hours"].as_f64().unwrap(), item["plan_hours"].as_f64().unwrap());
    if planned > 0.0 {
        notes.push(format!("{hours:.2} h of {planned:.2} h planned"));
    }
    if number("accepted") > 0 {
        let each = money(item["cost_micros_per_accepted"].as_u64().unwrap());
        notes.push(format!("{} accepted ({each} each)", number("accepted")));
    }
    let first = if by == "playbook" { runs } else { name.to_owned() };
    format!("- {first} | {} | ", notes.join(" · "))
}

#[tokio::test(start_paused = true)]
async fn the_digest_tells_costs_by_project_milestone_goal_agent_and_playbook_as_the_report_does() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.playbook("digest", DIGEST);
    team.model("worker", &[SPENDS, SPENDS]);
    let beta = milestone(&team, "Beta").await;
    let [first, second] = [team.task("One").await, team.task("Two").await];
    team.edit(ADA, first, TaskEdit::Milestone(Some(beta))).await;
    team.edit(ADA, first, TaskEdit::PlanHours(Some(2.5))).await;
    let life = team.start().await;
    works(&team, &life, Duration::from_mins(4)).await;
    let ada = team.person(ADA).await;
    for task in [first, second] {
        assert_eq!(life.the_run(task).await.reason, Some(Reason::HandedOver));
    }
    let approve = json!({ "task": first.0, "decision": "approve" });
    life.call(&ada, "decideReview", approve).await.unwrap();
    life.run("digest").await;
    life.daemon.deliver().await;
    let text = team.told.texts().pop().unwrap();
    let mut lines = 0;
    for (by, title) in [
        ("project", "Spent, by project"),
        ("milestone", "Spent, by milestone"),
        ("goal", "Spent, by goal"),
        ("agent", "Spent, by agent"),
        ("playbook", "Spent by agents"),
    ] {
        let section =
            text.split(&format!("\n{title} (")).nth(1).unwrap_or_else(|| panic!("{text}"));
        let section = section.split("\n\n").next().unwrap();
        let costs = report(&life, &ada, json!({ "by": by })).await;
        let items = costs["items"].as_array().unwrap();
        // The digest does not tell of itself.
        let priced: Vec<&Json> = items.iter().filter(|item| item["cost_micros"] != 0).collect();
        assert!(!priced.is_empty(), "{costs:#}");
        for item in &priced {
            let row = told(by, item);
            assert!(section.contains(&row), "{row}\n{section}");
        }
        assert!(section.starts_with(&format!("{})\n", priced.len())), "{section}");
        lines += priced.len();
    }
    assert_eq!(lines, 1 + 2 + 1 + 1 + 1, "{text}");
    assert!(
        text.contains("1 project worked for, 2 milestones worked for, 1 goal worked"),
        "{text}"
    );
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn hours_stand_beside_what_was_planned() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[SPENDS]);
    let task = team.task("One").await;
    team.edit(ADA, task, TaskEdit::PlanHours(Some(2.5))).await;
    let life = team.start().await;
    works(&team, &life, Duration::from_mins(4)).await;
    let ada = team.person(ADA).await;
    for by in ["project", "task", "milestone", "goal"] {
        let costs = report(&life, &ada, json!({ "by": by })).await;
        let item = &costs["items"][0];
        assert_eq!((&item["hours"], &item["plan_hours"]), (&json!(0.07), &json!(2.5)), "{costs:#}");
        assert_eq!(costs["total"]["hours"], 0.07, "{costs:#}");
    }
    let costs = report(&life, &ada, json!({})).await;
    // A task may have several playbooks: its plan is told where it stands in one line only.
    assert_eq!(
        (&costs["total"]["hours"], &costs["total"]["plan_hours"]),
        (&json!(0.07), &json!(0.0))
    );
    life.stop().await;
}
