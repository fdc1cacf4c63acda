//! How assistants' claims end: whoever lost one is told before they change the task again, and what
//! was asked for at the end is done, whatever breaks off and whoever comes between.

use crate::support::daemon::{ADA, BO, Life, REVIEWER, Team, WORKER};
use rota::domain::*;
use rota::tools::ToolError;
use serde_json::json;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_mins(1);

async fn claim(life: &Life, who: &Person, task: TaskId) -> Result<i64, ToolError> {
    let claimed = life.call(who, "claimTask", json!({ "task": task.0 })).await?;
    Ok(claimed.get("fence").and_then(Value::as_int).unwrap())
}

async fn edit(life: &Life, who: &Person, task: TaskId, text: &str) -> Result<(), ToolError> {
    let args = json!({ "id": task.0, "params": { "description": text } });
    life.call(who, "editTask", args).await.map(drop)
}

async fn release(
    life: &Life,
    who: &Person,
    (task, fence): (TaskId, i64),
    outcome: &str,
) -> Result<Value, ToolError> {
    let args = json!({ "task": task.0, "fence": fence, "comment": "The login works.",
        "outcome": outcome });
    life.call(who, "releaseTask", args).await
}

async fn said(team: &Team, task: TaskId) -> Vec<String> {
    team.comments(task).await.into_iter().map(|(_, text)| text).collect()
}

/// The first edit is refused and told why, the second is the caller's own business.
async fn is_told_once(life: &Life, team: &Team, who: &Person, task: TaskId, why: &str) {
    let error = edit(life, who, task, "Mine.").await.unwrap_err();
    assert_eq!(error.reason(), Reason::ClaimLost, "{error}");
    assert!(!error.is_fatal());
    assert!(error.to_string().contains(why), "{error}");
    assert_ne!(team.look(task).await.description, "Mine.");
    edit(life, who, task, "Mine.").await.unwrap();
    assert_eq!(team.look(task).await.description, "Mine.");
}

#[tokio::test(start_paused = true)]
async fn whoever_lost_a_claim_is_told_at_the_first_edit_and_only_there() {
    // A person's assistant as well as a board's agent: neither knows by itself.
    for who in [WORKER, BO] {
        for ticks in [true, false] {
            let team = Team::new().await;
            let life = team.start().await;
            let task = team.task("Fix the login").await;
            let who = team.person(who).await;
            claim(&life, &who, task).await.unwrap();
            team.clock.advance(MINUTE * 31);
            if ticks {
                life.work().await;
            }
            // Looking, and talking, is no edit.
            life.call(&who, "getTicket", json!({ "id": task.0 })).await.unwrap();
            let hello = json!({ "module": "ticket", "entityId": task.0, "text": "Hello?" });
            life.call(&who, "addComment", hello).await.unwrap();
            is_told_once(&life, &team, &who, task, "nothing was heard for 30 minutes").await;
            assert_eq!(life.the_run(task).await.state, RunState::ClaimLost);
            life.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_took_the_claim_away_and_why_is_named() {
    let team = Team::new().await;
    let life = team.start().await;
    let (ada, agent) = (team.person(ADA).await, team.person(WORKER).await);
    let task = team.task("Fix the login").await;
    claim(&life, &agent, task).await.unwrap();
    let take = json!({ "task": task.0, "reason": "I do it myself." });
    life.call(&ada, "releaseClaim", take).await.unwrap();
    is_told_once(&life, &team, &agent, task, "Ada took it away: I do it myself.").await;
    let task = team.task("Fix the logout").await;
    claim(&life, &agent, task).await.unwrap();
    team.edit(BO, task, TaskEdit::Assignee(Some(BO))).await;
    life.work().await;
    is_told_once(&life, &team, &agent, task, "the task was assigned to Bo").await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_knows_is_not_told_again() {
    let team = Team::new().await;
    let life = team.start().await;
    let agent = team.person(WORKER).await;
    // By renewing, by releasing, by being refused at the moment of the loss, by claiming anew.
    for way in ["renewClaim", "releaseTask", "editTask", "claimTask"] {
        let task = team.task("Fix the login").await;
        let fence = claim(&life, &agent, task).await.unwrap();
        if way == "editTask" {
            team.edit(BO, task, TaskEdit::Status(team.labelled("Blocked").await)).await;
            let error = edit(&life, &agent, task, "Mine.").await.unwrap_err();
            assert_eq!(error.reason(), Reason::PersonTookOver, "{error}");
        } else {
            team.clock.advance(MINUTE * 31);
            life.work().await;
            let args = match way {
                "renewClaim" => json!({ "task": task.0, "fence": fence }),
                "releaseTask" => json!({ "task": task.0, "fence": fence, "comment": "Done." }),
                _ => json!({ "task": task.0 }),
            };
            let answer = life.call(&agent, way, args).await;
            assert_eq!(answer.is_ok(), way == "claimTask", "{answer:?}");
        }
        edit(&life, &agent, task, "Mine.").await.unwrap_or_else(|error| panic!("{way}: {error}"));
    }
    // Who gave it up on purpose lost nothing.
    for outcome in ["put_back", "review"] {
        let task = team.task("Fix the login").await;
        let fence = claim(&life, &agent, task).await.unwrap();
        release(&life, &agent, (task, fence), outcome).await.unwrap();
        edit(&life, &agent, task, "Mine.").await.unwrap();
    }
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_told_also_after_somebody_else_had_the_task_and_in_another_life() {
    let team = Team::new().await;
    let life = team.start().await;
    let (agent, other) = (team.person(WORKER).await, team.person(REVIEWER).await);
    let task = team.task("Fix the login").await;
    claim(&life, &agent, task).await.unwrap();
    team.clock.advance(MINUTE * 31);
    let fence = claim(&life, &other, task).await.unwrap();
    release(&life, &other, (task, fence), "put_back").await.unwrap();
    life.stop().await;
    let life = team.start().await;
    edit(&life, &other, task, "Theirs.").await.unwrap();
    is_told_once(&life, &team, &agent, task, "nothing was heard").await;
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_at_their_own_terminal_is_not_their_assistant() {
    let team = Team::new().await;
    let life = team.start().await;
    let bo = team.person(BO).await;
    let task = team.task("Fix the login").await;
    claim(&life, &bo, task).await.unwrap();
    // What they do by hand is a person's: it wins over their own assistant, too.
    let blocked = json!({ "id": task.0, "params": { "status": "Blocked" } });
    life.call_by_hand(&bo, "editTask", blocked).await.unwrap();
    life.work().await;
    assert_eq!(team.status(task).await, "Blocked");
    assert_eq!(life.the_run(task).await.state, RunState::Yielded);
    // The assistant is told, the person never waits for that.
    let text = json!({ "id": task.0, "params": { "description": "By hand." } });
    life.call_by_hand(&bo, "editTask", text).await.unwrap();
    assert_eq!(team.look(task).await.description, "By hand.");
    is_told_once(&life, &team, &bo, task, "the task's status was set").await;
    // Nor does looking by hand keep an assistant's claim alive.
    let task = team.task("Fix the logout").await;
    claim(&life, &bo, task).await.unwrap();
    for _ in 0..2 {
        team.clock.advance(MINUTE * 16);
        life.call_by_hand(&bo, "getTicket", json!({ "id": task.0 })).await.unwrap();
    }
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Free);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_release_that_breaks_off_half_way_is_finished_as_it_was_asked() {
    for (outcome, status, state) in [
        ("review", "Ready for Review", RunState::Succeeded),
        ("put_back", "New", RunState::Cancelled),
    ] {
        for place in ["before editTask", "after editTask", "before addComment", "after addComment"]
        {
            let team = Team::new().await;
            let life = team.start().await;
            let task = team.task("Fix the login").await;
            let agent = team.person(WORKER).await;
            let fence = claim(&life, &agent, task).await.unwrap();
            let mut gate = team.gates.stop(place);
            tokio::select! {
                _ = release(&life, &agent, (task, fence), outcome) => panic!("{place}: it went through"),
                () = gate.reached() => {}
            }
            drop(gate);
            // Renewing would keep it for ever: nobody is at it.
            let args = json!({ "task": task.0, "fence": fence });
            let refused = life.call(&agent, "renewClaim", args).await.unwrap_err();
            assert_eq!(refused.reason(), Reason::ClaimLost, "{outcome}, {place}");
            let next = team.start().await;
            next.work().await;
            assert_eq!(team.status(task).await, status, "{outcome}, {place}");
            let run = next.the_run(task).await;
            assert_eq!((run.state, run.summary.as_str()), (state, "The login works."), "{place}");
            let said = said(&team, task).await;
            assert_eq!(said.len(), 2, "{outcome}, {place}: {said:#?}");
            assert!(said[1].starts_with("The login works."), "{outcome}, {place}: {said:#?}");
            assert_eq!(next.claim(task).await.phase, Phase::Free);
            edit(&next, &agent, task, "More.").await.unwrap();
            next.stop().await;
            life.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_the_board_did_not_take_is_finished_when_it_is_back() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    let agent = team.person(WORKER).await;
    let fence = claim(&life, &agent, task).await.unwrap();
    let mut gate = team.gates.stop("after editTask");
    let falls_away = async {
        gate.reached().await;
        team.board.watch.down.store(true, SeqCst);
        gate.open();
    };
    let (_, ()) = tokio::join!(release(&life, &agent, (task, fence), "review"), falls_away);
    team.board.watch.down.store(false, SeqCst);
    for _ in 0..3 {
        team.clock.advance(MINUTE * 2);
        life.work().await;
    }
    assert_eq!(team.status(task).await, "Ready for Review");
    assert_eq!(life.the_run(task).await.state, RunState::Succeeded);
    assert_eq!(said(&team, task).await.len(), 2);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_does_not_overwrite_what_a_person_set_meanwhile() {
    for place in ["raiseFence", "before editTask"] {
        let team = Team::new().await;
        let life = team.start().await;
        let task = team.task("Fix the login").await;
        let agent = team.person(WORKER).await;
        let fence = claim(&life, &agent, task).await.unwrap();
        let mut gate = team.gates.stop(place);
        let meanwhile = async {
            gate.reached().await;
            team.edit(BO, task, TaskEdit::Status(team.labelled("Blocked").await)).await;
            gate.open();
        };
        let (released, ()) =
            tokio::join!(release(&life, &agent, (task, fence), "review"), meanwhile);
        assert_eq!(released.unwrap_err().reason(), Reason::PersonTookOver, "{place}");
        assert_eq!(team.status(task).await, "Blocked", "{place}: a person set it");
        let run = life.the_run(task).await;
        assert_eq!((run.state, run.reason), (RunState::Yielded, Some(Reason::PersonTookOver)));
        let said = said(&team, task).await;
        assert_eq!(said.len(), 2, "{place}: {said:#?}");
        assert!(said[1].contains("gives way") && said[1].contains("The login works."), "{said:#?}");
        // What a person changed beside it does not stand in the way.
        let task = team.task("Fix the logout").await;
        let fence = claim(&life, &agent, task).await.unwrap();
        let mut gate = team.gates.stop(place);
        let meanwhile = async {
            gate.reached().await;
            team.edit(BO, task, TaskEdit::Description("More of it.".into())).await;
            gate.open();
        };
        let (released, ()) =
            tokio::join!(release(&life, &agent, (task, fence), "review"), meanwhile);
        released.unwrap();
        assert_eq!(team.status(task).await, "Ready for Review");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_who_see_to_one_claim_at_once_one_does() {
    for place in ["before editTask", "before addComment"] {
        // A person took over, and both the tick and the holder's call see it.
        let team = Team::new().await;
        let life = team.start().await;
        let task = team.task("Fix the login").await;
        let agent = team.person(WORKER).await;
        claim(&life, &agent, task).await.unwrap();
        team.edit(BO, task, TaskEdit::Assignee(Some(BO))).await;
        let mut looks = team.gates.stop("readTask");
        let ticked = CancellationToken::new();
        let ticks = async {
            life.work().await;
            ticked.cancel();
        };
        let meanwhile = async {
            looks.reached().await;
            let mut writes = team.gates.stop(place);
            let goes_on = async {
                writes.reached().await;
                looks.open();
                ticked.cancelled().await;
                writes.open();
            };
            tokio::join!(edit(&life, &agent, task, "Mine."), goes_on).0
        };
        let ((), edited) = tokio::join!(ticks, meanwhile);
        assert_eq!(edited.unwrap_err().reason(), Reason::PersonTookOver, "{place}");
        let said = said(&team, task).await;
        assert_eq!(said.len(), 2, "{place}: {said:#?}");
        let run = life.the_run(task).await;
        assert_eq!((run.state, run.reason), (RunState::Yielded, Some(Reason::PersonTookOver)));
        assert_eq!(life.claim(task).await.ended.unwrap().how, EndKind::Yielded, "{place}");
        assert!(life.ledger.orphans().await.unwrap().is_empty());
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_daemons_that_hand_one_task_back_at_once_one_does() {
    for place in ["raiseFence", "before editTask", "before addComment"] {
        let team = Team::new().await;
        let (life, second) = (team.start().await, team.start_as("second").await);
        let task = team.task("Fix the login").await;
        let agent = team.person(WORKER).await;
        claim(&life, &agent, task).await.unwrap();
        team.clock.advance(MINUTE * 31);
        let mut gate = team.gates.stop(place);
        let other = async {
            gate.reached().await;
            second.work().await;
            let error = claim(&second, &team.person(REVIEWER).await, task).await.unwrap_err();
            assert_eq!(error.reason(), Reason::AlreadyClaimed, "{place}: {error}");
            gate.open();
        };
        tokio::join!(life.work(), other);
        let said = said(&team, task).await;
        assert_eq!(said.len(), 2, "{place}: {said:#?}");
        assert!(said[1].contains("nothing was heard for 30 minutes"), "{place}: {said:#?}");
        let run = life.the_run(task).await;
        assert_eq!((run.state, run.reason), (RunState::ClaimLost, Some(Reason::LeaseExpired)));
        let ended = life.claim(task).await.ended.unwrap();
        assert_eq!(ended.how, EndKind::Released, "{place}");
        assert_eq!(team.status(task).await, "New");
        second.stop().await;
        life.stop().await;
    }
}
