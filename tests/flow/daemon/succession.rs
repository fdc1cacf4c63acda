//! One claim after another: what a new one finds that an ended one left, what is left of one that
//! never showed, and who writes down what became of a write.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, Life, Team, WORKER, request};
use rota::domain::*;
use rota::tools::desk::Desk as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

async fn team() -> (Team, TaskId) {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    let task = team.task("Fix the login").await;
    (team, task)
}

async fn how_often(team: &Team, task: TaskId, words: &str) -> usize {
    team.comments(task).await.iter().filter(|(_, text)| text.contains(words)).count()
}

async fn nothing_is_left(life: &Life) {
    assert!(life.ledger.orphans().await.unwrap().is_empty());
    assert!(life.ledger.claims().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_refused_puts_back_what_an_ended_one_before_it_left() {
    let (team, task) = team().await;
    let (dead, two) = (team.start_as("one").await, team.start_as("two").await);
    let mut reserving = team.gates.stop("after comments");
    let meanwhile = async {
        // It has chosen the task, and is slow to claim it.
        reserving.reached().await;
        let mut working = team.gates.stop("model");
        tokio::select! {
            report = dead.daemon.run_playbook(request("ai-worker")) => panic!("{report:?}"),
            () = working.reached() => {}
        }
        // Another daemon announced it, and its process is gone.
        drop(working);
        team.clock.advance(Duration::from_secs(61));
        reserving.open();
    };
    let (report, ()) = tokio::join!(two.run("ai-worker"), meanwhile);
    assert_eq!(report.reason, Reason::LostRace, "{report:#?}");
    for _ in 0..3 {
        team.clock.advance(Duration::from_secs(61));
        two.work().await;
    }
    let now = team.look(task).await;
    assert_ne!(now.assignee, Some(WORKER), "the task stays with the agent for ever");
    assert_eq!((now.assignee, team.status(task).await), (None, "New".into()));
    assert!(!now.has_tag("AI-Agent"));
    assert_eq!(how_often(&team, task, "hands this task back").await, 1);
    nothing_is_left(&two).await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hand_back_of_what_was_never_announced_is_not_taken_up_as_the_next_attempt() {
    let (team, task) = team().await;
    let life = team.start().await;
    let mut announcing = team.gates.stop("raiseFence");
    let goes_down = async {
        announcing.reached().await;
        team.board.watch.down.store(true, Ordering::SeqCst);
        announcing.open();
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), goes_down);
    assert_eq!(report.reason, Reason::BoardUnavailable, "{report:#?}");
    assert_eq!(life.ledger.orphans().await.unwrap().len(), 1, "it could not be handed back");
    team.board.watch.down.store(false, Ordering::SeqCst);
    team.clock.advance(Duration::from_mins(10));
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 1, "nothing was there to be taken up");
    assert!(team.comments(task).await.is_empty());
    nothing_is_left(&life).await;
    // As after any failure, somebody looks at it before it is taken again, and afresh.
    team.edit(ADA, task, TaskEdit::Headline("Fix the login page".into())).await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    assert_eq!(how_often(&team, task, "takes this task").await, 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_lost_a_claim_does_not_say_what_became_of_its_new_holders_writes() {
    for also_sweeps in [false, true] {
        let (team, task) = team().await;
        let (one, two) = (team.start_as("one").await, team.start_as("two").await);
        let mut sleeping = team.gates.stop_after("before addComment", 1);
        let meanwhile = async {
            // It has begun to hand over, and sleeps longer than its lease.
            sleeping.reached().await;
            team.clock.advance(Duration::from_secs(61));
            let mut writing = team.gates.stop("before addComment");
            two.daemon.tick().await;
            writing.reached().await;
            // Now the other one writes the outcome, under the same run; the sleeper wakes up.
            sleeping.open();
            writing
        };
        let (report, writing) = tokio::join!(one.run("ai-worker"), meanwhile);
        assert_eq!(report.state, RunState::ClaimLost, "{report:#?}");
        if also_sweeps {
            one.daemon.tick().await;
        }
        writing.open();
        two.daemon.idle().await;
        assert_eq!(team.status(task).await, "Ready for Review", "{also_sweeps}");
        assert_eq!(how_often(&team, task, "hands this over").await, 1, "{also_sweeps}");
        let run = two.the_run(task).await;
        let end = (run.state, run.reason);
        assert_eq!(end, (RunState::Succeeded, Some(Reason::HandedOver)), "{also_sweeps}");
        let effects = two.ledger.effects(&run.id).await.unwrap();
        let is_done = |e: &&Effect| matches!(e.result, Some(EffectResult::Done { .. }));
        let comments = effects.iter().filter(|e| e.tool == "addComment");
        let done = comments.filter(is_done).count();
        assert_eq!(done, 2, "announced and handed over: {also_sweeps} {effects:#?}");
        nothing_is_left(&two).await;
        one.stop().await;
        two.stop().await;
    }
}
