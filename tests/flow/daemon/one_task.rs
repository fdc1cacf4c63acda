//! One task through every phase.

use super::playbooks::{DILIGENT, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, Team, WORKER};
use rota::domain::*;
use rota::tools::desk::Desk as _;

async fn team() -> Team {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[DILIGENT]);
    team
}

#[tokio::test(start_paused = true)]
async fn why_a_task_is_not_taken_is_told_without_looking_at_any_other() {
    let team = team().await;
    let task = team.task("Fix the login").await;
    for count in 0..50 {
        team.task(&format!("Another {count}")).await;
    }
    let life = team.start().await;
    let before = life.daemon.why(&task.to_string(), None).await.unwrap();
    assert!(serde_json::to_string(&before).unwrap().contains("would_be_taken"), "{before}");
    team.board.watch.lists_nothing.store(true, std::sync::atomic::Ordering::SeqCst);
    let alone = life.daemon.why(&task.to_string(), None).await.unwrap();
    assert_eq!(alone, before);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_task_is_claimed_announced_worked_at_handed_over_and_released() {
    let team = team().await;
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let report = life.run("ai-worker").await;
    assert_eq!((report.state, report.reason), (RunState::Succeeded, Reason::HandedOver));

    let run = life.the_run(task).await;
    assert_eq!((run.state, run.attempt, run.fence), (RunState::Succeeded, 1, Some(Fence(1))));
    assert_eq!(run.outcome.as_deref(), Some("ready"));
    assert_eq!(run.summary, "It works now.");
    assert_eq!((run.usage.tokens_in, run.usage.cost_micros, run.usage.turns), (900, 3000, 3));

    let now = team.look(task).await;
    assert_eq!(team.status(task).await, "Ready for Review");
    assert_eq!(now.assignee, Some(ADA));
    assert!(now.has_tag("AI-Agent"));
    let comments = team.comments(task).await;
    assert_eq!(comments.len(), 3, "{comments:#?}");
    assert!(comments.iter().all(|(author, _)| *author == WORKER));
    assert!(comments[0].1.contains(run.id.as_str()), "{}", comments[0].1);
    assert_eq!(comments[1].1, "I found it.");
    assert!(comments[2].1.contains("It works now."), "{}", comments[2].1);

    let claim = life.claim(task).await;
    assert_eq!((claim.phase, claim.holder), (Phase::Free, None));
    assert_eq!(claim.ended.unwrap().how, EndKind::Released);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_write_bears_the_mark_of_its_run_and_stands_in_the_journal() {
    let team = team().await;
    let task = team.task("Fix the login").await;
    let before = team.activity(task).await.len();
    let life = team.start().await;
    life.run("ai-worker").await;
    let run = life.the_run(task).await;
    let rows = team.activity(task).await;
    assert!(rows.len() >= before + 7, "{rows:#?}");
    for row in &rows[before..] {
        let mark = row.mark.as_ref().unwrap_or_else(|| panic!("no mark: {row:?}"));
        assert_eq!(mark.run, run.id);
        assert_eq!(row.actor, Some(WORKER));
    }
    let effects = life.ledger.effects(&run.id).await.unwrap();
    let tools: Vec<_> = effects.iter().map(|e| (e.actor, e.tool.as_str())).collect();
    let (agent, rota) = (EffectActor::Agent, EffectActor::Rota);
    assert_eq!(
        tools,
        [
            (rota, "editTask"),
            (rota, "addComment"),
            (agent, "addComment"),
            (agent, "addSubtask"),
            (rota, "addComment"),
            (rota, "editTask"),
        ]
    );
    assert!(effects.iter().all(|e| matches!(e.result, Some(EffectResult::Done { .. }))));
    let page = team.board.below.tasks(&TaskQuery { limit: 10, ..TaskQuery::default() }).await;
    let parts: Vec<_> =
        page.unwrap().items.into_iter().filter(|t| t.parent == Some(task)).collect();
    assert_eq!(parts.len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_claim_goes_through_its_phases_in_order_and_is_durable_before_the_board_is_told() {
    let team = team().await;
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let mut places = Vec::new();
    for (place, after) in [("readTask", 0), ("raiseFence", 0), ("before editTask", 0)] {
        places.push((team.gates.stop_after(place, after), Phase::Announced));
    }
    places[0].1 = Phase::Reserved;
    places.push((team.gates.stop("model"), Phase::Working));
    // The comment of the claim, the agent's own, then the one that hands over.
    places.push((team.gates.stop_after("before addComment", 2), Phase::Settling));
    let working = async {
        let report = life.run("ai-worker").await;
        assert_eq!(report.reason, Reason::HandedOver);
    };
    let probing = async {
        for (mut gate, phase) in places {
            gate.reached().await;
            let claim = life.claim(task).await;
            assert_eq!(claim.phase, phase);
            assert_eq!(claim.holder.as_ref().unwrap().daemon.as_str(), "one");
            assert_eq!(claim.fence, Fence(1));
            assert_eq!(life.the_run(task).await.state, RunState::Running);
            if phase <= Phase::Announced {
                assert!(team.comments(task).await.is_empty());
                assert_eq!(team.look(task).await.assignee, None);
            }
            gate.open();
        }
    };
    tokio::join!(working, probing);
    assert_eq!(life.claim(task).await.phase, Phase::Free);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_is_decided_upon_told_and_explained() {
    let team = team().await;
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    life.run("ai-worker").await;
    let decisions = life.ledger.decisions_about_task(task, None).await.unwrap();
    assert!(decisions.iter().any(|d| d.reason == Reason::HandedOver && d.run.is_some()));
    let notices = life.ledger.notices(10, None).await.unwrap();
    assert_eq!(notices.len(), 1, "{notices:#?}");
    assert!(matches!(notices[0].delivery, Delivery::Delivered { .. }), "{notices:#?}");
    assert_eq!(team.told.texts().len(), 1);
    assert!(team.told.texts()[0].contains("Fix the login"), "{:?}", team.told.texts());
    let why = life.daemon.why(&task.to_string(), None).await.unwrap();
    let why = serde_json::to_string(&why).unwrap();
    assert!(why.contains("other_status") && why.contains("handed_over"), "{why}");
    // Nobody takes it again.
    let again = life.run("ai-worker").await;
    assert_eq!(again.reason, Reason::NothingToDo);
    assert_eq!(team.told.texts().len(), 1);
    life.stop().await;
}
