//! Two daemons over one store and one board.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{Team, WORKER, request};
use rota::domain::*;
use rota::store::sled::{SledOptions, SledStore};
use rota::tools::desk::Desk as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const TASKS: usize = 50;

async fn team() -> Team {
    let mut team = Team::new().await;
    team.slots = 50;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[QUICK]);
    team
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_daemons_at_once_work_at_each_of_fifty_tasks_exactly_once() {
    let team = team().await;
    let mut tasks = Vec::new();
    for number in 0..TASKS {
        tasks.push(team.task(&format!("Task {number}")).await);
    }
    let (one, two) = (team.start_as("one").await, team.start_as("two").await);
    let (first, second) = tokio::join!(one.run("ai-worker"), two.run("ai-worker"));
    let mut fences = BTreeSet::new();
    for task in tasks {
        let runs = one.runs(task).await;
        let worked: Vec<_> = runs.iter().filter(|r| r.state == RunState::Succeeded).collect();
        assert_eq!(worked.len(), 1, "{runs:#?}");
        assert!(
            runs.iter().all(|r| r.state == RunState::Succeeded || r.state == RunState::Refused)
        );
        assert_eq!(team.comments(task).await.len(), 2, "announced and handed over once");
        fences.insert((task, worked[0].fence));
        assert_eq!(one.claim(task).await.holder, None);
    }
    assert_eq!(fences.len(), TASKS);
    let succeeded = |report: &rota::tools::desk::RunReport| {
        report.tasks.iter().filter(|task| task.state == RunState::Succeeded).count()
    };
    assert_eq!(succeeded(&first) + succeeded(&second), TASKS);
    assert_eq!(team.prompts().len(), TASKS);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_task_is_worked_at_over_the_real_store_and_known_after_it_was_opened_again() {
    let mut team = team().await;
    let folder = tempfile::tempdir().unwrap();
    let open = |life: &str, team: &Team| {
        let options = SledOptions { life: life.to_owned(), ..SledOptions::default() };
        let clock = Arc::clone(&team.clock) as Arc<dyn rota::clock::Clock>;
        Arc::new(SledStore::open(folder.path(), options, clock).unwrap())
    };
    team.store = open("a", &team);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    life.stop().await;
    team.store = Arc::new(rota::store::memory::MemoryStore::new(Arc::clone(&team.clock) as _));
    tokio::task::yield_now().await;
    team.store = open("b", &team);
    let life = team.start().await;
    assert_eq!(life.the_run(task).await.reason, Some(Reason::HandedOver));
    assert_eq!(life.claim(task).await.fence, Fence(1));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_starts_leaves_the_runs_of_another_alone() {
    for reports in [false, true] {
        let mut team = team().await;
        if reports {
            let text = "agent = \"AI-Worker\"\n[work]\nrunner = \"model\"\nmodel = \"worker\"\n\
                prompt = \"report.md.hbs\"\ntools = [\"finish\"]\n[outcome.ready]\n";
            let template = team.folder.path().join("templates/report.md.hbs");
            std::fs::write(template, "Report.").unwrap();
            team.playbook("ai-worker", text);
            team.model("worker", &[QUICK]);
        }
        let task = team.task("Fix the login").await;
        let one = team.start_as("one").await;
        let mut gate = team.gates.stop("model");
        let meanwhile = async {
            gate.reached().await;
            let two = team.start_as("two").await;
            two.work().await;
            assert_eq!(
                one.ledger.running().await.unwrap().len(),
                1,
                "{reports}: it was broken off"
            );
            assert_eq!(one.ledger.open_occurrences().await.unwrap().len(), 1, "{reports}");
            gate.open();
            two
        };
        let (report, two) = tokio::join!(one.run("ai-worker"), meanwhile);
        assert_eq!(report.state, RunState::Succeeded, "{reports}: {report:#?}");
        assert_eq!(one.runs(task).await.len(), usize::from(!reports));
        one.stop().await;
        two.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_daemon_sees_to_the_runs_of_a_dead_one_when_their_lease_has_ended() {
    let team = team().await;
    let task = team.task("Fix the login").await;
    let dead = team.start_as("one").await;
    let mut gate = team.gates.stop("model");
    tokio::select! {
        report = dead.daemon.run_playbook(request("ai-worker")) => panic!("{report:?}"),
        () = gate.reached() => {}
    }
    // Its process is gone: nobody renews.
    drop(gate);
    let two = team.start_as("two").await;
    two.work().await;
    assert_eq!(two.runs(task).await.len(), 1, "before its lease had ended");
    team.clock.advance(Duration::from_secs(61));
    two.work().await;
    let runs = two.runs(task).await;
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert_eq!((runs[1].state, runs[0].state), (RunState::Interrupted, RunState::Succeeded));
    assert_eq!(team.status(task).await, "Ready for Review");
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_lands_while_its_ended_claim_is_looked_at_is_seen_to() {
    let team = team().await;
    let task = team.task("Fix the login").await;
    let one = team.start_as("one").await;
    let mut writing = team.gates.stop("before editTask");
    let meanwhile = async {
        writing.reached().await;
        // The write is on its way to the board, and stays there longer than the lease.
        team.clock.advance(Duration::from_secs(61));
        let mut looking = team.gates.stop("raiseFence");
        let two = team.start_as("two").await;
        let lands = async {
            looking.reached().await;
            writing.open();
            while team.look(task).await.assignee.is_none() {
                tokio::task::yield_now().await;
            }
            looking.open();
        };
        tokio::join!(two.daemon.tick(), lands);
        two.daemon.idle().await;
        two
    };
    let (_, two) = tokio::join!(one.run("ai-worker"), meanwhile);
    for _ in 0..3 {
        team.clock.advance(Duration::from_secs(61));
        two.work().await;
    }
    let (now, status) = (team.look(task).await, team.status(task).await);
    assert_ne!(now.assignee, Some(WORKER), "the task stays with the agent for ever: {status}");
    assert_eq!(two.claim(task).await.phase, Phase::Free);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_occurrence_that_another_daemon_took_up_meanwhile_keeps_nobody_waiting() {
    let mut team = Team::new().await;
    team.slots = 1;
    let on = "[on]\nevery = \"10s\"\noverlap = \"queue\"\n[select]";
    let text = WORKER_PLAYBOOK.replace("[select]", on).replace("limit = 50", "limit = 2");
    team.playbook("ai-worker", &text);
    team.model("worker", &[QUICK]);
    let mut tasks = Vec::new();
    for number in 0..9 {
        tasks.push(team.task(&format!("Task {number}")).await);
    }
    let one = team.start_as("one").await;
    let mut gate = team.gates.stop("model");
    one.daemon.tick().await;
    while one.ledger.running().await.unwrap().is_empty() {
        team.clock.advance(Duration::from_secs(1));
        one.daemon.tick().await;
        tokio::task::yield_now().await;
    }
    gate.reached().await;
    team.clock.advance(Duration::from_secs(10));
    one.daemon.tick().await;
    let queued = |o: &Occurrence| o.state == OccurrenceState::Queued;
    assert_eq!(one.occurrences("ai-worker").await.iter().filter(|o| queued(o)).count(), 1);
    let two = team.start_as("two").await;
    two.work().await;
    assert_eq!(one.occurrences("ai-worker").await.iter().filter(|o| queued(o)).count(), 0);
    two.stop().await;
    gate.open();
    for _ in 0..100 {
        team.clock.advance(Duration::from_secs(5));
        one.daemon.tick().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for task in tasks {
        assert_eq!(team.status(task).await, "Ready for Review", "{task}");
    }
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_after_one_whose_announcement_never_arrived_is_announced() {
    let team = team().await;
    let task = team.task("Fix the login").await;
    let dead = team.start_as("one").await;
    let mut gate = team.gates.stop("before editTask");
    tokio::select! {
        report = dead.daemon.run_playbook(request("ai-worker")) => panic!("{report:?}"),
        () = gate.reached() => {}
    }
    // Its process is gone, and its write with it.
    drop(gate);
    let two = team.start_as("two").await;
    team.clock.advance(Duration::from_secs(61));
    two.work().await;
    assert!(team.activity(task).await.iter().all(|row| row.field == "created"));
    let mut gate = team.gates.stop("model");
    let looks = async {
        gate.reached().await;
        let now = team.look(task).await;
        assert_eq!((now.assignee, team.status(task).await), (Some(WORKER), "In Progress".into()));
        assert!(now.has_tag("AI-Agent"));
        gate.open();
    };
    let (report, ()) = tokio::join!(two.run("ai-worker"), looks);
    assert_eq!(report.reason, Reason::HandedOver);
    two.stop().await;
}
