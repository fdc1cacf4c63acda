//! People's assistants claim tasks by tools: the same exclusion as between runs, with a lease that
//! their calls renew.

use super::playbooks::{DILIGENT, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, BO, Life, REVIEWER, Team, WORKER};
use rota::board::Projects as _;
use rota::domain::*;
use rota::tools::ToolError;
use serde_json::json;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

async fn claim(life: &Life, who: &Person, task: TaskId) -> Result<i64, ToolError> {
    let claimed = life.call(who, "claimTask", json!({ "task": task.0 })).await?;
    Ok(claimed.get("fence").and_then(Value::as_int).unwrap())
}

/// Whether the task is as it was before anybody claimed it.
async fn is_as_before(team: &Team, task: TaskId) {
    let now = team.look(task).await;
    assert_eq!((now.assignee, team.status(task).await.as_str()), (None, "New"));
    assert!(!now.has_tag("AI-Agent") && now.has_tag("AI-Suitable"), "{:?}", now.tags);
}

async fn last_words(team: &Team, task: TaskId) -> String {
    team.comments(task).await.pop().expect("nothing was said").1
}

#[tokio::test(start_paused = true)]
async fn of_two_who_claim_one_task_one_wins_and_the_other_is_told_who_holds_it() {
    let team = Team::new().await;
    let life = team.start().await;
    for (one, other) in [(WORKER, REVIEWER), (BO, ADA), (WORKER, WORKER)] {
        let task = team.task("Fix the login").await;
        let (one, other) = (team.person(one).await, team.person(other).await);
        let (first, second) = tokio::join!(claim(&life, &one, task), claim(&life, &other, task));
        let (fence, error, winner) = match (first, second) {
            (Ok(fence), Err(error)) => (fence, error, &one),
            (Err(error), Ok(fence)) => (fence, error, &other),
            both => panic!("{both:?}"),
        };
        assert_eq!(error.reason(), Reason::AlreadyClaimed, "{error}");
        let text = error.to_string();
        let is_told = text.contains(&winner.name) || text.contains("another assistant of yours");
        assert!(is_told && text.contains(&format!("fence {fence}")), "{text}");
        assert_eq!(team.look(task).await.assignee, Some(winner.id));
        assert_eq!(team.comments(task).await.len(), 1, "the loser said nothing");
    }
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_shows_on_the_board_and_in_the_ledger() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    let agent = team.person(WORKER).await;
    let fence = claim(&life, &agent, task).await.unwrap();
    let now = team.look(task).await;
    assert_eq!((now.assignee, team.status(task).await.as_str()), (Some(WORKER), "In Progress"));
    assert!(now.has_tag("AI-Agent"));
    let held = life.claim(task).await;
    assert_eq!((held.phase, held.fence), (Phase::Working, Fence(u64::try_from(fence).unwrap())));
    assert_eq!(held.assistant.unwrap().name, "AI-Worker");
    assert!(last_words(&team, task).await.contains(held.run.as_str()));
    let run = life.the_run(task).await;
    assert_eq!((run.id, run.state), (held.run, RunState::Running));
    let listed = life.call(&agent, "listClaims", json!({})).await.unwrap();
    assert!(listed.to_string().contains("AI-Worker"), "{listed}");
    let why = life.call(&agent, "whyNot", json!({ "subject": task.0 })).await.unwrap();
    assert!(why.to_string().contains("AI-Worker"), "{why}");
    // A person keeps their board tidy: no tag of agents for a person's own assistant.
    let other = team.task("Fix the logout").await;
    claim(&life, &team.person(BO).await, other).await.unwrap();
    assert!(!team.look(other).await.has_tag("AI-Agent"));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_who_vanishes_loses_the_task_with_a_comment_and_another_takes_it() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    let (agent, other) = (team.person(WORKER).await, team.person(REVIEWER).await);
    let fence = claim(&life, &agent, task).await.unwrap();
    team.clock.advance(MINUTE * 29);
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Working, "its lease has not ended");
    team.clock.advance(MINUTE * 2);
    life.work().await;
    is_as_before(&team, task).await;
    let said = last_words(&team, task).await;
    assert!(said.contains("AI-Worker") && said.contains("30 minutes"), "{said}");
    let run = life.the_run(task).await;
    assert_eq!((run.state, run.reason), (RunState::ClaimLost, Some(Reason::LeaseExpired)));
    // It comes back, and learns it.
    let renew = json!({ "task": task.0, "fence": fence });
    let error = life.call(&agent, "renewClaim", renew.clone()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::StaleFence, "{error}");
    let next = claim(&life, &other, task).await.unwrap();
    assert!(next > fence);
    let error = life.call(&agent, "renewClaim", renew).await.unwrap_err();
    assert_eq!(error.reason(), Reason::AlreadyClaimed, "{error}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn where_no_daemon_sweeps_whoever_comes_next_hands_back_first() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    claim(&life, &team.person(WORKER).await, task).await.unwrap();
    team.clock.advance(MINUTE * 31);
    // No tick in between.
    claim(&life, &team.person(REVIEWER).await, task).await.unwrap();
    let said: Vec<String> = team.comments(task).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(said[1].contains("nothing was heard"), "{said:#?}");
    let before = life.claim(task).await.before;
    assert_eq!((before.assignee, before.tags), (None, vec!["AI-Suitable".to_owned()]));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_call_of_the_holder_on_the_task_renews_the_lease() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    let agent = team.person(WORKER).await;
    claim(&life, &agent, task).await.unwrap();
    for (tool, args) in [
        ("getTicket", json!({ "id": task.0 })),
        ("editTask", json!({ "id": task.0, "params": { "description": "More." } })),
        ("getComments", json!({ "module": "ticket", "entityId": task.0 })),
        ("addComment", json!({ "module": "ticket", "entityId": task.0, "text": "Half done." })),
    ] {
        team.clock.advance(MINUTE * 20);
        life.call(&agent, tool, args).await.unwrap();
        life.work().await;
        assert_eq!(life.claim(task).await.phase, Phase::Working, "{tool} renews");
    }
    // Nobody else's does.
    team.clock.advance(MINUTE * 20);
    let args = json!({ "id": task.0 });
    life.call(&team.person(REVIEWER).await, "getTicket", args).await.unwrap();
    team.clock.advance(MINUTE * 11);
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Free);
    let said = last_words(&team, task).await;
    assert!(said.contains("editTask (task 1), addComment (comment 2)"), "{said}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_outlives_the_daemon_and_ends_with_its_lease() {
    let team = Team::new().await;
    let life = team.start().await;
    let (task, other) = (team.task("Fix the login").await, team.task("Fix the logout").await);
    let agent = team.person(WORKER).await;
    let fence = claim(&life, &agent, task).await.unwrap();
    claim(&life, &agent, other).await.unwrap();
    life.stop().await;
    let life = team.start().await;
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Working);
    let edit = json!({ "id": task.0, "params": { "description": "More." } });
    life.call(&agent, "editTask", edit).await.unwrap();
    let renew = json!({ "task": task.0, "fence": fence, "minutes": 240 });
    life.call(&agent, "renewClaim", renew).await.unwrap();
    life.stop().await;
    team.clock.advance(MINUTE * 120);
    let life = team.start().await;
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Working, "four hours");
    is_as_before(&team, other).await;
    assert!(last_words(&team, other).await.contains("nothing was heard for 30 minutes"));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn runs_and_assistants_exclude_each_other() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[DILIGENT]);
    let life = team.start().await;
    let (task, agent) = (team.task("Fix the login").await, team.person(REVIEWER).await);
    // An assistant's task is not for a run, also one that still looks free on the board.
    let fence = claim(&life, &agent, task).await.unwrap();
    let report = life.run("ai-worker").await;
    assert_eq!(report.reason, Reason::NothingToDo, "{report:#?}");
    let mut named = crate::support::daemon::request("ai-worker");
    named.task = Some(task);
    let report = rota::tools::desk::Desk::run_playbook(life.daemon.as_ref(), named).await.unwrap();
    assert_eq!(report.reason, Reason::AlreadyClaimed, "{report:#?}");
    let release = json!({ "task": task.0, "fence": fence, "comment": "Not mine after all." });
    life.call(&agent, "releaseTask", release).await.unwrap();
    // A run's task is not for an assistant.
    let mut gate = team.gates.stop("model");
    let meanwhile = async {
        gate.reached().await;
        let error = claim(&life, &agent, task).await.unwrap_err();
        assert_eq!(error.reason(), Reason::AlreadyClaimed, "{error}");
        assert!(error.to_string().contains("ai-worker"), "{error}");
        gate.open();
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), meanwhile);
    assert_eq!(report.tasks[0].state, RunState::Succeeded, "{report:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_agents_write_to_a_task_of_somebody_elses_is_refused_and_a_persons_never_is() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    let (agent, other) = (team.person(WORKER).await, team.person(REVIEWER).await);
    claim(&life, &agent, task).await.unwrap();
    let before = team.look(task).await;
    for (tool, args) in [
        ("editTask", json!({ "id": task.0, "params": { "editorId": "AI-Reviewer" } })),
        ("editTask", json!({ "id": task.0, "params": { "description": "Mine." } })),
        ("addTag", json!({ "id": task.0, "tag": "mine" })),
        ("deleteTask", json!({ "id": task.0 })),
    ] {
        let error = life.call(&other, tool, args).await.unwrap_err();
        assert_eq!(error.reason(), Reason::AlreadyClaimed, "{tool}: {error}");
        let text = error.to_string();
        assert!(text.contains("AI-Worker") && text.contains("claimTask"), "{text}");
    }
    assert_eq!(team.look(task).await, before);
    // Talking about it is no taking.
    let question = json!({ "module": "ticket", "entityId": task.0, "text": "How is it?" });
    life.call(&other, "addComment", question).await.unwrap();
    let edit = json!({ "id": task.0, "params": { "description": "A person's." } });
    life.call(&team.person(BO).await, "editTask", edit).await.unwrap();
    assert_eq!(team.look(task).await.description, "A person's.");
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Working, "that alone takes nothing over");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_holder_writes_is_journaled_under_its_fence_and_is_no_takeover() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    let bo = team.person(BO).await;
    claim(&life, &bo, task).await.unwrap();
    let edit = json!({ "id": task.0, "params": { "status": "Blocked" } });
    life.call(&bo, "editTask", edit).await.unwrap();
    life.work().await;
    let held = life.claim(task).await;
    assert_eq!(held.phase, Phase::Working, "its own change is no takeover");
    let effects = life.ledger.effects(&held.run).await.unwrap();
    let edits: Vec<_> = effects.iter().filter(|e| e.actor == EffectActor::Agent).collect();
    assert_eq!((edits.len(), edits[0].fence), (1, Some(held.fence)));
    let mark = team.activity(task).await.into_iter().rfind(|row| row.field == "status");
    assert_eq!(mark.unwrap().mark.unwrap().run, held.run);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_takes_over_wins_and_the_holder_is_told() {
    for ticks in [true, false] {
        let team = Team::new().await;
        let life = team.start().await;
        let task = team.task("Fix the login").await;
        let agent = team.person(WORKER).await;
        let fence = claim(&life, &agent, task).await.unwrap();
        team.edit(BO, task, TaskEdit::Assignee(Some(BO))).await;
        if ticks {
            life.work().await;
        } else {
            let edit = json!({ "id": task.0, "params": { "description": "Mine." } });
            let error = life.call(&agent, "editTask", edit).await.unwrap_err();
            assert_eq!(error.reason(), Reason::PersonTookOver, "{error}");
        }
        let now = team.look(task).await;
        assert_eq!((now.assignee, now.description.as_str()), (Some(BO), ""));
        assert_eq!(team.status(task).await, "New", "the rest goes back");
        assert!(!now.has_tag("AI-Agent"));
        assert!(last_words(&team, task).await.contains("gives way: the task was assigned to Bo"));
        assert_eq!(life.the_run(task).await.state, RunState::Yielded);
        let release = json!({ "task": task.0, "fence": fence, "comment": "Done." });
        let error = life.call(&agent, "releaseTask", release).await.unwrap_err();
        assert_eq!(error.reason(), Reason::PersonTookOver, "{error}");
        let error = claim(&life, &agent, task).await.unwrap_err();
        assert_eq!(error.reason(), Reason::Assigned, "{error}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_puts_back_or_hands_over_and_its_fence_is_worth_nothing_after() {
    let team = Team::new().await;
    let life = team.start().await;
    let agent = team.person(WORKER).await;
    for (outcome, status) in [("put_back", "New"), ("review", "Ready for Review")] {
        let task = team.task("Fix the login").await;
        let fence = claim(&life, &agent, task).await.unwrap();
        let release = json!({ "task": task.0, "fence": fence, "comment": "The login works.",
            "outcome": outcome });
        let released = life.call(&agent, "releaseTask", release.clone()).await.unwrap();
        assert_eq!(released.get("phase").and_then(Value::as_text), Some("free"), "{released}");
        assert_eq!(team.status(task).await, status);
        assert!(last_words(&team, task).await.starts_with("The login works."));
        for (tool, args) in
            [("releaseTask", release), ("renewClaim", json!({ "task": task.0, "fence": fence }))]
        {
            let error = life.call(&agent, tool, args).await.unwrap_err();
            assert!(error.to_string().contains("do not hold"), "{tool}: {error}");
        }
    }
    let error = life
        .call(&agent, "releaseTask", json!({ "task": 1, "fence": 1, "comment": " " }))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidArguments);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_repeated_by_its_key_is_given_the_same_claim() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    let agent = team.person(WORKER).await;
    let args = json!({ "task": task.0, "idempotencyKey": "login-1" });
    let first = life.call(&agent, "claimTask", args.clone()).await.unwrap();
    let again = life.call(&agent, "claimTask", args.clone()).await.unwrap();
    assert_eq!(first.get("fence"), again.get("fence"));
    assert_eq!(team.comments(task).await.len(), 1);
    let error = claim(&life, &agent, task).await.unwrap_err();
    assert_eq!(error.reason(), Reason::AlreadyClaimed, "another request is another assistant");
    let error = life.call(&team.person(REVIEWER).await, "claimTask", args).await.unwrap_err();
    assert_eq!(error.reason(), Reason::AlreadyClaimed, "a key is one caller's own");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_taken_away_is_handed_back_at_once() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    let (ada, agent) = (team.person(ADA).await, team.person(WORKER).await);
    let fence = claim(&life, &agent, task).await.unwrap();
    let take = json!({ "task": task.0, "reason": "I do it myself." });
    life.call(&ada, "releaseClaim", take).await.unwrap();
    is_as_before(&team, task).await;
    assert!(last_words(&team, task).await.contains("taken away"));
    let error = life.call(&agent, "renewClaim", json!({ "task": task.0, "fence": fence })).await;
    assert_eq!(error.unwrap_err().reason(), Reason::StaleFence);
    assert!(claim(&life, &team.person(REVIEWER).await, task).await.is_ok(), "nobody waits");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_leaves_alone_what_is_not_for_it() {
    let team = Team::new().await;
    let life = team.start().await;
    let agent = team.person(WORKER).await;
    let (stopped, assigned, done) =
        (team.task("One").await, team.task("Two").await, team.task("Three").await);
    team.edit(ADA, stopped, TaskEdit::AddTag("AI-Stop".into())).await;
    team.edit(ADA, assigned, TaskEdit::Assignee(Some(BO))).await;
    team.edit(ADA, done, TaskEdit::Status(team.labelled("Done").await)).await;
    for (task, reason) in [
        (stopped, Reason::StopTag),
        (assigned, Reason::Assigned),
        (done, Reason::OtherStatus),
        (TaskId(99), Reason::NotFound),
    ] {
        let error = claim(&life, &agent, task).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
    }
    for minutes in [0, 241] {
        let args = json!({ "task": stopped.0, "minutes": minutes });
        let error = life.call(&agent, "claimTask", args).await.unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidArguments, "{error}");
    }
    // A person's assistant takes what is assigned to somebody, as the person may.
    claim(&life, &team.person(ADA).await, assigned).await.unwrap();
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_broken_off_half_way_is_handed_back_by_the_next_life() {
    for place in ["before editTask", "after editTask", "after addComment"] {
        let team = Team::new().await;
        let life = team.start().await;
        let task = team.task("Fix the login").await;
        let agent = team.person(WORKER).await;
        let mut gate = team.gates.stop(place);
        let broken_off = async {
            let _ = claim(&life, &agent, task).await;
        };
        tokio::select! {
            () = broken_off => panic!("{place}: it went through"),
            () = gate.reached() => {}
        }
        drop(gate);
        let held = life.claim(task).await;
        assert_eq!(held.phase, Phase::Announced, "{place}");
        let next = team.start().await;
        next.work().await;
        is_as_before(&team, task).await;
        assert!(claim(&next, &agent, task).await.is_ok(), "{place}");
        next.stop().await;
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_board_that_is_away_is_tried_again_until_the_task_is_handed_back() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    claim(&life, &team.person(WORKER).await, task).await.unwrap();
    team.clock.advance(MINUTE * 31);
    team.board.watch.down.store(true, SeqCst);
    life.work().await;
    assert_eq!(team.look(task).await.assignee, Some(WORKER));
    team.board.watch.down.store(false, SeqCst);
    for _ in 0..3 {
        team.clock.advance(MINUTE * 2);
        life.work().await;
    }
    is_as_before(&team, task).await;
    assert_eq!(team.comments(task).await.len(), 2, "said once");
    assert!(life.ledger.orphans().await.unwrap().is_empty());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn with_a_token_for_other_projects_nothing_is_claimed_however_the_task_is_named() {
    let team = Team::new().await;
    let life = team.start().await;
    let task = team.task("Fix the login").await;
    let new = NewProject { name: "Elsewhere".into(), details: String::new(), statuses: Vec::new() };
    let elsewhere = team.board.add_project(&Stamp::by(ADA), new).await.unwrap().after.id;
    let ada = team.person(ADA).await;
    for name in [json!(task.0), json!(task.0.to_string()), json!(format!("#{task}"))] {
        for (tool, more) in [
            ("claimTask", json!({})),
            ("renewClaim", json!({ "fence": 1 })),
            ("releaseTask", json!({ "fence": 1, "comment": "I was here." })),
        ] {
            let mut args = more;
            args["task"] = name.clone();
            let refused = life.call_within(&ada, &[elsewhere], tool, args).await.unwrap_err();
            assert_eq!(refused.reason(), Reason::NotFound, "{tool} {name}: {refused}");
        }
    }
    is_as_before(&team, task).await;
    assert!(team.comments(task).await.is_empty());
    life.stop().await;
}
