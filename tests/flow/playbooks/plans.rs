//! Plans that are written when somebody asks: once, around each other, and to the end.

use super::{asked, run, run_well, told};
use crate::support::daemon::{ADA, BO, Life, Team, WEBSITE, instant};
use crate::support::sample_board::sample;
use rota::domain::*;
use rota::ledger::RunFilter;
use serde_json::json;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// "Plan my week: big tasks in the morning, small ones in the afternoon, keep Friday afternoon free."
#[tokio::test(start_paused = true)]
async fn weekly_planning_writes_its_plan_only_when_asked_and_leaves_what_is_planned_alone() {
    let team = sample().await;
    let body = told(&team, "weekly-planning", &[]).await;
    assert!(!body.text.contains("Written to the calendar"), "{}", body.text);
    assert_eq!(team.look(TaskId(1)).await.work_from, None);
    let life = team.start().await;
    run_well(&life, "weekly-planning", &[("apply", "yes"), ("person", "Ada")]).await;
    // Three hours: Monday morning around the meeting, nothing before now.
    let notes = team.look(TaskId(1)).await;
    let planned = (notes.work_from, notes.work_to);
    assert_eq!(planned.0, Some(instant("2026-10-26T08:00:00Z")), "{planned:?}");
    assert_eq!(planned.1, Some(instant("2026-10-27T09:00:00Z")), "{planned:?}");
    // One hour: the first afternoon.
    let contract = team.look(TaskId(10)).await;
    assert_eq!(contract.work_from, Some(instant("2026-10-26T12:00:00Z")));
    assert_eq!(team.look(TaskId(11)).await.work_from, None, "Bo was not asked for");
    let revisions = (notes.revision, contract.revision);
    run_well(&life, "weekly-planning", &[("apply", "yes"), ("person", "Ada")]).await;
    let now = (team.look(TaskId(1)).await.revision, team.look(TaskId(10)).await.revision);
    assert_eq!(now, revisions, "what is planned is not planned again");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_plan_put_into_several_days_is_busy_for_the_next_plan() {
    let team = sample().await;
    team.shipped("weekly-planning", &[]);
    let life = team.start().await;
    let apply = [("apply", "yes"), ("person", "Ada")];
    run_well(&life, "weekly-planning", &apply).await;
    // Its three hours end on Tuesday at ten.
    assert_eq!(team.look(TaskId(1)).await.work_to, Some(instant("2026-10-27T09:00:00Z")));
    let new = NewTask::new(WEBSITE, "Write the manual")
        .with(TaskEdit::Assignee(Some(ADA)))
        .with(TaskEdit::PlanHours(Some(3.0)));
    let manual = team.board.below.add_task(&Stamp::by(ADA), new).await.unwrap().after.id;
    run_well(&life, "weekly-planning", &apply).await;
    let planned = team.look(manual).await;
    assert_eq!(planned.work_from, Some(instant("2026-10-27T09:00:00Z")), "and it begins then");
    assert_eq!(planned.work_to, Some(instant("2026-10-28T09:00:00Z")));
    let focus =
        asked(&team, &life, "findFocusTime", json!({ "dateTo": "+1d", "minutes": 60 })).await;
    let mornings = focus["blocks"].as_array().unwrap().iter().filter(|b| b["half"] == "morning");
    assert_eq!(mornings.count(), 0, "both mornings are taken: {focus:#}");
    life.stop().await;
}

/// "Estimate what remains of this project, break it down, and plan it so that we are done before …"
#[tokio::test(start_paused = true)]
async fn project_planning_says_whether_it_is_done_before_the_day_with_its_buffer_and_breaks_it_down()
 {
    let team = sample().await;
    let plan = [("project", "Machines"), ("finish_by", "2026-11-13"), ("buffer", "5")];
    let text = told(&team, "project-planning", &plan).await.text;
    assert!(text.contains("22 h remain in 3 tasks."), "{text}");
    assert!(text.contains("5 working days before it are kept free"), "{text}");
    assert!(text.contains("20 h (remaining hours)") && text.contains("(assumed)"), "{text}");
    assert!(!text.contains("Restart the cache"), "it is done: {text}");
    let life = team.start().await;
    let tight = [("project", "Machines"), ("finish_by", "2026-10-28"), ("buffer", "1")];
    run_well(&life, "project-planning", &tight).await;
    let text = team.told.texts().pop().unwrap();
    assert!(
        text.contains("It does not fit: 1 task (20 h) find no time until Tue 27 Oct."),
        "{text}"
    );
    let parts = [&plan[..], &[("subtasks", "yes"), ("apply", "yes")]].concat();
    for _ in 0..2 {
        run_well(&life, "project-planning", &parts).await;
    }
    let query = TaskQuery { parent: Some(TaskId(11)), ..TaskQuery::default() };
    let parts = team.board.below.tasks(&query).await.unwrap().items;
    let hours: f64 = parts.iter().filter_map(|part| part.plan_hours).sum();
    assert!(parts.len() > 1 && (hours - 20.0).abs() < 0.01, "each once: {parts:#?}");
    assert!(parts.iter().all(|part| part.assignee == Some(BO) && part.work_from.is_some()));
    assert!(team.look(TaskId(10)).await.work_from.is_some());
    let report = run(&life, "project-planning", &[("project", "Machines")]).await;
    assert_eq!(report.reason, Reason::GatherFailed, "{report:#?}");
    assert!(report.detail.contains("finishBy"), "{}", report.detail);
    life.stop().await;
}

/// The board goes away after the first write and is there again for the second attempt; both finish what
/// was planned.
async fn broken_off_after(team: &Team, life: &Life, name: &str, set: &[(&str, &str)], write: &str) {
    let mut gate = team.gates.stop(&format!("after {write}"));
    let breaking = async {
        gate.reached().await;
        team.board.watch.down.store(true, SeqCst);
        gate.open();
        let filter = RunFilter { playbook: Some(PlaybookName::new(name)), ..RunFilter::default() };
        let ended = || async {
            let runs = life.ledger.runs(&filter, 10).await.unwrap();
            runs.iter().any(|run| run.state == RunState::Failed)
        };
        while !ended().await {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        team.board.watch.down.store(false, SeqCst);
    };
    let (report, ()) = tokio::join!(run(life, name, set), breaking);
    assert_eq!(report.state, RunState::Succeeded, "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_move_that_broke_off_half_way_is_finished_as_it_was_begun() {
    let team = sample().await;
    team.edit(ADA, TaskId(8), TaskEdit::AcceptanceCriteria("It is dark.".into())).await;
    team.shipped("sprint-planning", &[]);
    let life = team.start().await;
    let set = [("tasks", "7, 8"), ("sprint", "1")];
    broken_off_after(&team, &life, "sprint-planning", &set, "editTask").await;
    // The first is no candidate any more, and nobody minds.
    let sprints = [team.look(TaskId(7)).await.sprint, team.look(TaskId(8)).await.sprint];
    assert_eq!(sprints, [Some(SprintId(1)); 2]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_broke_off_half_way_is_finished_as_it_was_begun() {
    let plan = [("project", "Machines"), ("finish_by", "2026-11-13"), ("subtasks", "yes")];
    let mut parts = Vec::new();
    for breaks in [false, true] {
        let team = sample().await;
        team.shipped("project-planning", &[]);
        let life = team.start().await;
        if breaks {
            broken_off_after(&team, &life, "project-planning", &plan, "addTask").await;
        } else {
            run_well(&life, "project-planning", &plan).await;
        }
        life.stop().await;
        let query = TaskQuery { parent: Some(TaskId(11)), ..TaskQuery::default() };
        let found = team.board.below.tasks(&query).await.unwrap().items;
        let shown = |part: &Task| (part.headline.clone(), part.work_from, part.plan_hours);
        parts.push(found.iter().map(shown).collect::<Vec<_>>());
    }
    assert!(parts[0].len() > 1, "{parts:#?}");
    assert_eq!(parts[0], parts[1], "each once, where it was planned");
}
