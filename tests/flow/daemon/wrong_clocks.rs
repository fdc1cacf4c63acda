//! What people say on a task counts by the order of the board, whatever the clocks say: the daemon's
//! may be ahead of the board's, behind it, or set back on the way.

use super::playbooks::{DILIGENT, QUICK, WORKER as WORKER_PLAYBOOK, asks_to_hear};
use crate::support::daemon::{BO, Life, Team};
use crate::support::gates::Gate;
use chrono::TimeDelta;
use rota::domain::*;
use rota::store::Batch;
use std::time::Duration;

const HOUR: TimeDelta = TimeDelta::hours(1);

async fn team(scripts: &[&str]) -> (Team, TaskId) {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", scripts);
    let task = team.task("Paint the shed").await;
    (team, task)
}

/// Runs ai-worker; says stop when it stands at the gate, after something happened to the clocks.
async fn stopped_at(
    team: &Team,
    life: &Life,
    task: TaskId,
    mut gate: Gate,
    tick: impl Fn(),
) -> Run {
    let meddling = async {
        gate.reached().await;
        tick();
        team.say(BO, task, "@agent stop").await;
        gate.open();
    };
    tokio::join!(life.run("ai-worker"), meddling);
    life.the_run(task).await
}

async fn did_stop(team: &Team, life: &Life, run: &Run) {
    assert_eq!((run.state, run.reason), (RunState::Yielded, Some(Reason::StopComment)), "{run:#?}");
    let effects = life.ledger.effects(&run.id).await.unwrap();
    assert!(effects.iter().all(|effect| effect.actor == EffectActor::Rota), "{effects:#?}");
    let now = team.look(run.task.unwrap()).await;
    assert_eq!((now.assignee, team.status(now.id).await), (None, "New".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_daemon_whose_clock_is_an_hour_ahead_hears_a_stop_comment() {
    let (team, task) = team(&[DILIGENT]).await;
    team.machine.set_wrong_by(HOUR);
    let life = team.start().await;
    let gate = team.gates.stop_after("model", 1);
    let run = stopped_at(&team, &life, task, gate, || ()).await;
    did_stop(&team, &life, &run).await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_whose_clock_is_set_back_an_hour_after_claiming_hears_a_stop_comment() {
    for the_boards_too in [false, true] {
        let (team, task) = team(&[DILIGENT]).await;
        let life = team.start().await;
        let gate = team.gates.stop_after("model", 1);
        let set_back = || {
            if the_boards_too {
                team.clock.set(-HOUR);
            } else {
                team.machine.set_wrong_by(-HOUR);
            }
        };
        let run = stopped_at(&team, &life, task, gate, set_back).await;
        did_stop(&team, &life, &run).await;
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_heard_whatever_the_clocks_say() {
    for (while_asking, while_answering, boards) in [
        (HOUR, HOUR, TimeDelta::zero()),
        (-HOUR, -HOUR, TimeDelta::zero()),
        (HOUR, TimeDelta::zero(), TimeDelta::zero()),
        (TimeDelta::zero(), TimeDelta::zero(), -HOUR),
    ] {
        let (team, task) = team(&[&asks_to_hear("Green, like the door."), QUICK]).await;
        team.machine.set_wrong_by(while_asking);
        let life = team.start().await;
        assert_eq!(life.run("ai-worker").await.reason, Reason::Waiting);
        team.machine.set_wrong_by(while_answering);
        team.clock.set(boards);
        life.work().await;
        assert_eq!(life.claim(task).await.phase, Phase::Parked, "nobody has answered yet");
        team.say(BO, task, "Green, like the door.").await;
        life.work().await;
        let runs = life.ledger.runs(&rota::ledger::RunFilter::default(), 10).await.unwrap();
        let is_done = |run: &Run| run.reason == Some(Reason::HandedOver);
        assert!(runs.iter().any(is_done), "{while_asking} {while_answering} {boards}: {runs:#?}");
        assert_eq!(team.prompts().len(), 1, "it heard the answer where it asked");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_comment_from_before_the_claim_does_not_stop_it_whatever_the_clocks_say() {
    for wrong_by in [-HOUR, TimeDelta::zero(), HOUR] {
        let (team, task) = team(&[QUICK]).await;
        team.say(BO, task, "@agent stop").await;
        team.machine.set_wrong_by(wrong_by);
        let life = team.start().await;
        let report = life.run("ai-worker").await;
        assert_eq!(report.reason, Reason::HandedOver, "wrong by {wrong_by}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_comment_that_comes_while_the_claim_is_being_reserved_is_heard() {
    let (team, task) = team(&[DILIGENT]).await;
    let life = team.start().await;
    // It has read which comments there are, and goes on to reserve.
    let gate = team.gates.stop("after comments");
    let run = stopped_at(&team, &life, task, gate, || ()).await;
    did_stop(&team, &life, &run).await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_comment_is_heard_although_the_last_comment_before_the_claim_was_deleted() {
    let (team, task) = team(&[DILIGENT]).await;
    team.say(BO, task, "This one goes.").await;
    let on = Some(CommentTarget::Task(task));
    let query = CommentQuery { on, ..CommentQuery::default() };
    let last = team.board.below.comments(&query).await.unwrap().items.pop().unwrap();
    let life = team.start().await;
    let mut gate = team.gates.stop_after("model", 1);
    let meddling = async {
        gate.reached().await;
        team.board.below.delete_comment(&Stamp::by(BO), last.id).await.unwrap();
        team.say(BO, task, "@agent stop").await;
        gate.open();
    };
    tokio::join!(life.run("ai-worker"), meddling);
    let run = life.the_run(task).await;
    did_stop(&team, &life, &run).await;
    life.stop().await;
}

/// Makes a claim's record what an earlier version would have written.
async fn made_old(team: &Team, task: TaskId) {
    let key = format!("claim/main/{task}");
    let row = team.store.get(&key).await.unwrap().unwrap();
    let mut record: serde_json::Value = serde_json::from_slice(&row.value).unwrap();
    let gone = record["before"].as_object_mut().unwrap().remove("comment");
    assert!(gone.is_some(), "{record:#}");
    if let Some(parked) = record["parked"].as_object_mut() {
        assert!(parked.remove("comment").is_some(), "{parked:#?}");
    }
    let batch = Batch::new().check(&key, Some(row.version)).put(&key, record.to_string());
    team.store.commit(batch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn for_a_claim_of_an_earlier_version_the_clocks_decide_who_is_heard() {
    for says_before in [false, true] {
        let (team, task) = team(&[DILIGENT]).await;
        if says_before {
            team.say(BO, task, "@agent stop").await;
            team.clock.advance(Duration::from_secs(1));
        }
        let life = team.start().await;
        let mut gate = team.gates.stop_after("model", 1);
        let meddling = async {
            gate.reached().await;
            made_old(&team, task).await;
            if !says_before {
                team.say(BO, task, "@agent stop").await;
            }
            gate.open();
        };
        let (report, ()) = tokio::join!(life.run("ai-worker"), meddling);
        let expected = if says_before { Reason::HandedOver } else { Reason::StopComment };
        assert_eq!(report.reason, expected, "said before the claim: {says_before}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_question_of_an_earlier_version_is_heard_by_the_clocks() {
    let (team, task) = team(&[&asks_to_hear("Green, like the door."), QUICK]).await;
    team.say(BO, task, "This is no answer.").await;
    team.clock.advance(Duration::from_secs(1));
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::Waiting);
    made_old(&team, task).await;
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Parked, "nobody has answered yet");
    team.say(BO, task, "Green, like the door.").await;
    life.work().await;
    assert_eq!(team.prompts().len(), 1, "it heard the answer where it asked");
    assert_eq!(team.status(task).await, "Ready for Review");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_touches_a_task_that_came_to_nothing_has_it_taken_again_whatever_the_clocks_say() {
    for wrong_by in [HOUR, -HOUR] {
        let (team, task) = team(&[REFUSED, QUICK]).await;
        team.playbook("ai-worker", &WORKER_PLAYBOOK.replace("attempts = 3", "attempts = 1"));
        team.machine.set_wrong_by(wrong_by);
        let life = team.start().await;
        let report = life.run("ai-worker").await;
        assert_eq!(report.reason, Reason::ModelFailed, "{wrong_by} {report:#?}");
        // Nobody has touched it: it is left alone.
        team.clock.advance(Duration::from_mins(1));
        assert_eq!(life.run("ai-worker").await.reason, Reason::NothingToDo, "{wrong_by}");
        team.say(BO, task, "The key is under the mat.").await;
        team.clock.advance(Duration::from_mins(1));
        let report = life.run("ai-worker").await;
        assert_eq!(report.reason, Reason::HandedOver, "{wrong_by} {report:#?}");
        life.stop().await;
    }
}

/// The model does not answer, and never will.
const REFUSED: &str = r#"
[[conversation]]
[[conversation.turn]]
error = "refused"
"#;
