//! What runs cost, told in lines that add up.

use super::playbooks::WORKER as WORKER_PLAYBOOK;
use crate::support::daemon::{ADA, Life, Team, WEBSITE, instant};
use crate::support::gates::{GatedBoard, Unpriced};
use crate::support::playbooks::changed;
use crate::support::tallied::Tallied;
use crate::support::watched::{Call, Watch, Watched};
use async_trait::async_trait;
use rota::domain::*;
use rota::tools::desk::{CostAsk, Desk as _};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SPENDS: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "getTicket", args = { id = "${task_id}" } }]
usage = { tokens_in = 900, tokens_cached = 300, tokens_out = 100, cost_micros = 5000 }
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now." } }]
"#;

pub async fn report(life: &Life, ada: &Person, args: Json) -> Json {
    serde_json::to_value(life.call(ada, "reportCost", args).await.unwrap()).unwrap()
}

/// The lines, without what is the same in all of them.
fn lines(report: &Json, by: &str) -> Vec<(String, u64, u64, u64, Option<u64>, u64)> {
    let number = |item: &Json, name: &str| item[name].as_u64().unwrap();
    let line = |item: &Json| {
        (
            item[by].as_str().unwrap_or("total").to_owned(),
            number(item, "runs"),
            number(item, "tokens_in"),
            number(item, "tokens_out"),
            item["cost_micros"].as_u64(),
            number(item, "unpriced_runs"),
        )
    };
    report["items"].as_array().unwrap().iter().map(line).collect()
}

fn adds_up(report: &Json) {
    for name in ["runs", "tokens_in", "tokens_cached", "tokens_out", "cost_micros", "unpriced_runs"]
    {
        let items = report["items"].as_array().unwrap().iter();
        let sum: u64 = items.map(|item| item[name].as_u64().unwrap_or(0)).sum();
        assert_eq!(report["total"][name].as_u64().unwrap(), sum, "{name}: {report:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_money_and_runs_are_told_by_the_teams_civil_day_and_whatever_else_and_add_up() {
    // Half an hour before midnight in Berlin.
    let mut team = Team::at("2026-11-03T22:30:00Z").await;
    let cheap =
        [("AI-Suitable", "AI-Cheap"), ("\"worker\"", "\"local\""), ("AI-Worker", "AI-Docs")];
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.playbook("cheap-worker", &changed(WORKER_PLAYBOOK, &cheap));
    team.model("worker", &[SPENDS]);
    team.model("local", &[&changed(SPENDS, &[("cost_micros = 5000", "cost_micros = 0")])]);
    let local = team.models.remove("local").unwrap();
    team.models.insert("local".to_owned(), Arc::new(Unpriced(local)));
    let first = team.task("One").await;
    let life = team.start().await;
    life.run("ai-worker").await;
    team.clock.advance(Duration::from_hours(1));
    let second = team.task("Two").await;
    life.run("ai-worker").await;
    let third = team.task("Three").await;
    for edit in [TaskEdit::AddTag("AI-Cheap".into()), TaskEdit::RemoveTag("AI-Suitable".into())] {
        team.edit(ADA, third, edit).await;
    }
    life.run("cheap-worker").await;
    let ada = team.person(ADA).await;

    let by_day = report(&life, &ada, json!({ "by": "day" })).await;
    let days = [
        ("2026-11-03".to_owned(), 1, 900, 100, Some(5_000), 0),
        ("2026-11-04".to_owned(), 2, 1_800, 200, Some(5_000), 1),
    ];
    assert_eq!(lines(&by_day, "day"), days);
    assert_eq!((&by_day["zone"], &by_day["currency"]), (&json!("Europe/Berlin"), &json!("USD")));
    let by_model = report(&life, &ada, json!({ "by": "model" })).await;
    let models = [
        ("worker".to_owned(), 2, 1_800, 200, Some(10_000), 0),
        ("local".to_owned(), 1, 900, 100, None, 1),
    ];
    assert_eq!(lines(&by_model, "model"), models, "no price is not nothing");
    let keys = |report: &Json, by: &str| {
        lines(report, by).into_iter().map(|line| line.0).collect::<Vec<_>>()
    };
    let by_agent = report(&life, &ada, json!({ "by": "agent" })).await;
    assert_eq!(keys(&by_agent, "agent"), ["AI-Worker", "AI-Docs"]);
    let by_playbook = report(&life, &ada, json!({})).await;
    assert_eq!(keys(&by_playbook, "playbook"), ["ai-worker", "cheap-worker"]);
    let by_task = report(&life, &ada, json!({ "by": "task" })).await;
    assert_eq!(keys(&by_task, "task"), [first, second, third].map(|task| task.to_string()));
    for all in [&by_day, &by_model, &by_agent, &by_playbook, &by_task] {
        adds_up(all);
        assert_eq!(
            (&all["total"]["runs"], &all["total"]["tokens_cached"]),
            (&json!(3), &json!(900))
        );
        assert_eq!((&all["beyond_tokens"], &all["under_way"]), (&json!(0), &json!(0)));
    }
    let since = report(&life, &ada, json!({ "by": "day", "since": "2026-11-04" })).await;
    assert_eq!(keys(&since, "day"), ["2026-11-04"]);
    adds_up(&since);
    let refused = life.call(&ada, "reportCost", json!({ "by": "colour" })).await.unwrap_err();
    assert!(refused.to_string().contains("playbook, agent, model, task, project"), "{refused}");
    life.stop().await;
}

/// A milestone, and a goal that it counts towards.
pub async fn milestone(team: &Team, headline: &str) -> MilestoneId {
    let by = Stamp::by(ADA);
    let new = NewMilestone {
        project: ProjectId(1),
        headline: headline.into(),
        color: "#336699".into(),
        assignee: None,
        from: instant("2026-10-01T00:00:00Z"),
        to: instant("2026-12-06T16:00:00Z"),
        depends_on: None,
    };
    team.board.below.add_milestone(&by, new).await.unwrap().after.id
}

#[tokio::test(start_paused = true)]
async fn what_each_accepted_piece_of_work_cost_is_told_by_project_milestone_and_goal() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[SPENDS, SPENDS, SPENDS]);
    let (beta, later) = (milestone(&team, "Beta").await, milestone(&team, "Later").await);
    let by = Stamp::by(ADA);
    let board = team.board.below.as_ref();
    let new =
        NewGoalBoard { project: ProjectId(1), title: "2026".into(), description: String::new() };
    let goals = board.add_goal_board(&by, new).await.unwrap().after.id;
    let new = NewGoal {
        board: goals,
        title: "Revenue".into(),
        start_value: 0.0,
        end_value: 10.0,
        edits: vec![GoalEdit::Milestone(Some(beta))],
    };
    board.add_goal(&by, new).await.unwrap();
    let [first, second, third] =
        [team.task("One").await, team.task("Two").await, team.task("Three").await];
    for (task, milestone) in [(first, beta), (second, beta), (third, later)] {
        team.edit(ADA, task, TaskEdit::Milestone(Some(milestone))).await;
    }
    team.edit(ADA, first, TaskEdit::PlanHours(Some(2.5))).await;
    let life = team.start().await;
    for _ in 0..3 {
        life.run("ai-worker").await;
    }
    let ada = team.person(ADA).await;
    let planned = report(&life, &ada, json!({ "by": "milestone" })).await;
    assert_eq!(planned["items"][0]["plan_hours"], 2.5, "{planned:#}");
    assert_eq!(planned["total"]["plan_hours"], 2.5, "{planned:#}");
    let approve = json!({ "task": first.0, "decision": "approve" });
    life.call(&ada, "decideReview", approve).await.unwrap();
    // Whoever moves the task by hand accepts it, too.
    let done = team.labelled("Done").await;
    team.edit(ADA, third, TaskEdit::Status(done)).await;

    let told = async |by: &str| {
        let report = report(&life, &ada, json!({ "by": by })).await;
        adds_up(&report);
        let items = report["items"].as_array().unwrap().clone();
        let costs = |item: &Json| {
            let name = item[by].as_str().unwrap().to_owned();
            (name, item["accepted"].as_u64().unwrap(), item["cost_micros_per_accepted"].as_u64())
        };
        assert_eq!(report["total"]["accepted"], 2, "{report:#}");
        items.iter().map(costs).collect::<Vec<_>>()
    };
    let milestones = [
        (format!("Beta (milestone {beta})"), 1, Some(10_000)),
        (format!("Later (milestone {later})"), 1, Some(5_000)),
    ];
    assert_eq!(told("milestone").await, milestones, "what was not accepted is paid for, too");
    let goal = told("goal").await;
    assert_eq!(goal[1], ("no goal".to_owned(), 1, Some(5_000)));
    assert!(goal[0].0.starts_with("Revenue (goal ") && goal[0].1 == 1, "{goal:?}");
    let project = told("project").await;
    assert!(project.len() == 1 && project[0].2 == Some(7_500), "{project:?}");
    assert_eq!(told("playbook").await, [("ai-worker".to_owned(), 2, Some(7_500))]);
    // A task that is gone stays paid for.
    board.delete_task(&by, second).await.unwrap();
    let gone = told("project").await;
    assert!(gone.iter().any(|(name, accepted, _)| name == "gone" && *accepted == 0), "{gone:?}");
    life.stop().await;
}

/// Counts the questions to the board about single tasks.
#[derive(Debug, Default)]
struct OneByOne(Arc<AtomicUsize>);

#[async_trait]
impl Watch for OneByOne {
    async fn before(&self, call: &Call<'_>) -> rota::board::Result<()> {
        self.0.fetch_add(usize::from(call.name == "task"), Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn however_many_tasks_runs_were_at_they_are_read_together() {
    const TASKS: usize = 40;
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[SPENDS; TASKS]);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Watched { below: Arc::clone(&team.board.below), watch: OneByOne(asked.clone()) };
    team.board = Arc::new(GatedBoard::new(Arc::new(counted), &team.gates));
    let tallied = Tallied::new(&team.store);
    team.store = Arc::clone(&tallied) as _;
    let life = team.start().await;
    for number in 0..TASKS {
        let task = team.task(&format!("Task {number}")).await;
        team.edit(ADA, task, TaskEdit::PlanHours(Some(1.0))).await;
        life.run("ai-worker").await;
    }
    let ada = team.person(ADA).await;
    for by in ["task", "project", "milestone", "goal", "playbook"] {
        asked.store(0, Ordering::SeqCst);
        tallied.count("review/");
        let told = report(&life, &ada, json!({ "by": by })).await;
        assert_eq!(told["total"]["runs"], TASKS, "{told:#}");
        if by != "playbook" {
            assert_eq!(told["total"]["plan_hours"], 40.0, "{told:#}");
        }
        let read = (asked.load(Ordering::SeqCst), tallied.questions());
        assert!(read.0 == 0 && read.1 <= 2, "{by}: {read:?}");
    }
    // Also for whoever is told of some projects only: which runs these are is asked of the board.
    for by in CostBy::ALL {
        asked.store(0, Ordering::SeqCst);
        let ask = CostAsk { since: None, by, projects: Some(vec![WEBSITE]) };
        let told = life.daemon.cost(ask).await.unwrap();
        let runs = told.get("total").and_then(|total| total.get("runs")?.as_int());
        assert_eq!(runs, Some(i64::try_from(TASKS).unwrap()), "{by:?}: {told}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "{by:?}");
    }
    life.stop().await;
}
