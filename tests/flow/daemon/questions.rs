//! A question parks the task; an answer, a takeover or the end of patience takes it up again.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK, asks_to_hear};
use crate::support::daemon::{ADA, BO, Life, Team, WORKER};
use rota::domain::*;
use rota::store::Batch;
use rota::tools::desk::{Desk as _, Switch};
use std::time::Duration;

async fn asked() -> (Team, Life, TaskId) {
    let mut team = Team::new().await;
    team.slots = 1;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[&asks_to_hear("Green"), QUICK]);
    let task = team.task("Paint the shed").await;
    let life = team.start().await;
    let report = life.run("ai-worker").await;
    assert_eq!((report.state, report.reason), (RunState::Waiting, Reason::Waiting));
    team.clock.advance(Duration::from_mins(1));
    (team, life, task)
}

#[tokio::test(start_paused = true)]
async fn a_question_stands_on_the_board_and_waits_without_lease_or_slot() {
    let (team, life, task) = asked().await;
    let claim = life.claim(task).await;
    assert_eq!((claim.phase, claim.holder, claim.lease_ends), (Phase::Parked, None, None));
    let parked = claim.parked.unwrap();
    assert!(parked.question.contains("Which colour is it to be?"));
    assert_eq!(parked.until - parked.since, chrono::TimeDelta::days(3));
    let (author, text) = team.comments(task).await.pop().unwrap();
    assert_eq!(author, WORKER);
    assert!(text.contains("Which colour is it to be?"), "{text}");
    // The one slot is free, and hours later nothing has happened to the task.
    let other = team.task("Fix the login").await;
    team.clock.advance(Duration::from_hours(5));
    life.work().await;
    assert_eq!(life.claim(task).await.phase, Phase::Parked);
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    assert_eq!(life.runs(other).await.len(), 1);
    assert_eq!(life.runs(task).await.len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_takes_the_task_up_again_in_the_conversation_that_asked() {
    let (team, life, task) = asked().await;
    team.say(BO, task, "Green, like the door.").await;
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert_eq!((runs[0].state, runs[0].reason), (RunState::Succeeded, Some(Reason::HandedOver)));
    assert_eq!((runs[0].attempt, runs[0].fence), (1, Some(Fence(2))));
    assert_eq!(team.prompts().len(), 1, "no new conversation was begun");
    assert_eq!(team.status(task).await, "Ready for Review");
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 2);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_while_the_daemon_is_off_is_found_when_it_is_back() {
    let (team, life, task) = asked().await;
    life.stop().await;
    team.say(BO, task, "Green.").await;
    team.clock.advance(Duration::from_hours(1));
    let life = team.start().await;
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!((runs.len(), runs[0].reason), (2, Some(Reason::HandedOver)), "{runs:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_handed_back() {
    let (team, life, task) = asked().await;
    team.clock.advance(Duration::from_hours(72));
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!((runs[0].state, runs[0].reason), (RunState::Failed, Some(Reason::AnswerOverdue)));
    let now = team.look(task).await;
    assert_eq!((now.assignee, now.has_tag("AI-Agent")), (None, false));
    assert_eq!(team.status(task).await, "New");
    let (_, text) = team.comments(task).await.pop().unwrap();
    assert!(text.contains("hands this task back"), "{text}");
    assert_eq!(life.claim(task).await.phase, Phase::Free);
    assert_eq!(team.prompts().len(), 1);
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 2);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_takes_a_waiting_task_keeps_it() {
    for says_stop in [false, true] {
        let (team, life, task) = asked().await;
        if says_stop {
            team.say(ADA, task, "stop").await;
        } else {
            team.edit(ADA, task, TaskEdit::Assignee(Some(ADA))).await;
        }
        life.work().await;
        let run = life.runs(task).await.remove(0);
        let reason = if says_stop { Reason::StopComment } else { Reason::PersonTookOver };
        assert_eq!((run.state, run.reason), (RunState::Yielded, Some(reason)));
        let now = team.look(task).await;
        assert_eq!(now.assignee, if says_stop { None } else { Some(ADA) });
        assert!(!now.has_tag("AI-Agent"));
        assert_eq!(team.status(task).await, "New");
        assert_eq!(team.prompts().len(), 1);
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_patience_comes_also_while_the_playbook_is_paused_or_gone() {
    for (is_gone, answers) in [(false, false), (false, true), (true, false)] {
        let (team, life, task) = asked().await;
        if is_gone {
            std::fs::remove_file(team.folder.path().join("agents/ai-worker.toml")).unwrap();
            life.daemon.reload().await;
        } else {
            let name = PlaybookName::new("ai-worker");
            life.daemon.set_playbook(&name, Switch::Pause, "Ada").await.unwrap();
        }
        if answers {
            team.say(BO, task, "Green.").await;
        }
        life.work().await;
        assert_eq!(life.claim(task).await.phase, Phase::Parked, "an answer waits for the playbook");
        team.clock.advance(Duration::from_hours(72));
        life.work().await;
        let run = life.runs(task).await.remove(0);
        let reason = if answers { Reason::Paused } else { Reason::AnswerOverdue };
        assert_eq!(run.reason, Some(reason), "{run:#?}");
        assert_eq!((team.look(task).await.assignee, team.status(task).await), (None, "New".into()));
        assert_eq!(life.claim(task).await.phase, Phase::Free);
        assert_eq!(team.prompts().len(), 1);
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_can_hear_any_more_is_written_down_once() {
    let (team, life, task) = asked().await;
    std::fs::remove_file(team.folder.path().join("agents/ai-worker.toml")).unwrap();
    life.daemon.reload().await;
    // Nor is it known any more what the run was to do: nobody can hand the task back either.
    let definitions = team.store.scan("definition/", None, 10).await.unwrap();
    assert_eq!(definitions.len(), 1);
    team.store.commit(Batch::new().delete(definitions[0].key.clone())).await.unwrap();
    team.say(BO, task, "Green.").await;
    life.work().await;
    let kept = team.store.scan("answer/", None, 10).await.unwrap();
    assert_eq!((kept.len(), life.claim(task).await.phase), (1, Phase::Parked));
    for _ in 0..3 {
        team.clock.advance(Duration::from_mins(1));
        life.work().await;
    }
    let later = team.store.scan("answer/", None, 10).await.unwrap();
    assert_eq!(later[0].version, kept[0].version, "nothing changed");
    // What is said after it does change it.
    team.say(ADA, task, "Or blue.").await;
    life.work().await;
    let changed = team.store.scan("answer/", None, 10).await.unwrap();
    assert_ne!(changed[0].version, kept[0].version);
    assert_eq!(life.runs(task).await.len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_takes_a_waiting_task_of_a_paused_playbook_keeps_it() {
    let (team, life, task) = asked().await;
    let name = PlaybookName::new("ai-worker");
    life.daemon.set_playbook(&name, Switch::Pause, "Ada").await.unwrap();
    team.edit(ADA, task, TaskEdit::Assignee(Some(ADA))).await;
    life.work().await;
    assert_eq!(life.runs(task).await[0].reason, Some(Reason::PersonTookOver));
    assert!(!team.look(task).await.has_tag("AI-Agent"));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_everything_is_stopped_questions_wait_and_nothing_is_written() {
    let (team, life, task) = asked().await;
    life.daemon.stop_all("Ada", "fire").await.unwrap();
    let before = team.activity(task).await.len();
    team.clock.advance(Duration::from_hours(72));
    life.work().await;
    assert_eq!(
        (life.claim(task).await.phase, team.activity(task).await.len()),
        (Phase::Parked, before)
    );
    life.daemon.start_all("Ada").await.unwrap();
    life.work().await;
    assert_eq!(life.runs(task).await[0].reason, Some(Reason::AnswerOverdue));
    life.stop().await;
}
