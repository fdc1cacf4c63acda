//! A person takes a task over: whatever they did stays, whatever we did goes back, and nothing more
//! of the run reaches the board (C4).

use super::playbooks::{DILIGENT, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, BO, Life, Team, WORKER};
use crate::support::gates::Gate;
use rota::domain::*;
use rota::tools::desk::RunReport;
use std::time::Duration;

async fn team() -> Team {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[DILIGENT]);
    team
}

/// Runs ai-worker, and does something exactly when it stands at a gate.
async fn meanwhile(life: &Life, mut gate: Gate, what: impl Future<Output = ()>) -> RunReport {
    let meddling = async {
        gate.reached().await;
        what.await;
        gate.open();
    };
    tokio::join!(life.run("ai-worker"), meddling).0
}

/// What a person does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Assigns,
    MovesOn,
    TagsStop,
    SaysStop,
    Deletes,
}

const DEEDS: [Deed; 5] =
    [Deed::Assigns, Deed::MovesOn, Deed::TagsStop, Deed::SaysStop, Deed::Deletes];

impl Deed {
    async fn done_by_bo(self, team: &Team, task: TaskId) {
        // The person comes later than the claim: comments from before it are no stop command.
        team.clock.advance(Duration::from_secs(1));
        match self {
            Self::Assigns => team.edit(BO, task, TaskEdit::Assignee(Some(BO))).await,
            Self::MovesOn => {
                let blocked = team.labelled("Blocked").await;
                team.edit(BO, task, TaskEdit::Status(blocked)).await;
            }
            Self::TagsStop => team.edit(BO, task, TaskEdit::AddTag("AI-Stop".into())).await,
            Self::SaysStop => team.say(BO, task, "/stop").await,
            Self::Deletes => {
                team.board.below.delete_task(&Stamp::by(BO), task).await.unwrap();
            }
        }
    }

    fn reason(self) -> Reason {
        match self {
            Self::Assigns | Self::MovesOn => Reason::PersonTookOver,
            Self::TagsStop => Reason::StopTag,
            Self::SaysStop => Reason::StopComment,
            Self::Deletes => Reason::NotFound,
        }
    }

    /// Bo's field is as Bo put it, the others are as they were before the claim.
    async fn shows(self, team: &Team, task: TaskId) {
        if let Self::Deletes = self {
            return;
        }
        let now = team.look(task).await;
        let assignee = if let Self::Assigns = self { Some(BO) } else { None };
        assert_eq!(now.assignee, assignee, "{self:?}");
        let status = if let Self::MovesOn = self { "Blocked" } else { "New" };
        assert_eq!(team.status(task).await, status, "{self:?}");
        assert!(!now.has_tag("AI-Agent"), "{self:?}: {:?}", now.tags);
        assert!(now.has_tag("AI-Suitable"));
        let is_tagged = matches!(self, Self::TagsStop);
        assert_eq!(now.has_tag("AI-Stop"), is_tagged, "{self:?}");
        let comments = team.comments(task).await;
        let (author, text) = comments.last().unwrap();
        assert_eq!(*author, WORKER);
        assert!(text.contains("a person took over"), "{self:?}: {text}");
        assert!(text.contains("What you changed stays"), "{self:?}: {text}");
    }
}

async fn yielded(life: &Life, report: &RunReport, task: TaskId, deed: Deed) {
    assert_eq!((report.state, report.reason), (RunState::Yielded, deed.reason()), "{deed:?}");
    let run = life.the_run(task).await;
    assert_eq!((run.state, run.reason), (RunState::Yielded, Some(deed.reason())), "{deed:?}");
    let claim = life.claim(task).await;
    assert_eq!((claim.phase, claim.holder), (Phase::Free, None), "{deed:?}");
    assert_eq!(claim.ended.unwrap().how, EndKind::Yielded, "{deed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_person_who_takes_over_while_the_model_thinks_stops_the_next_effect() {
    for deed in DEEDS {
        let team = team().await;
        let task = team.task("Fix the login").await;
        let life = team.start().await;
        // The second answer: it has read the task and is about to write.
        let gate = team.gates.stop_after("model", 1);
        let report = meanwhile(&life, gate, deed.done_by_bo(&team, task)).await;
        yielded(&life, &report, task, deed).await;
        deed.shows(&team, task).await;
        let run = life.the_run(task).await;
        let effects = life.ledger.effects(&run.id).await.unwrap();
        let done = effects.iter().filter(|effect| {
            effect.actor == EffectActor::Agent
                && matches!(effect.result, Some(EffectResult::Done { .. }))
        });
        assert_eq!(done.count(), 0, "{deed:?}: {effects:#?}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_tick_tells_a_run_that_only_thinks_that_a_person_took_over() {
    for deed in DEEDS {
        let team = team().await;
        let task = team.task("Fix the login").await;
        let life = team.start().await;
        let mut gate = team.gates.stop("model");
        let meddling = async {
            gate.reached().await;
            deed.done_by_bo(&team, task).await;
            life.daemon.tick().await;
            // The model never answers any more: dropped while the run waits for it.
        };
        let (report, ()) = tokio::join!(life.run("ai-worker"), meddling);
        yielded(&life, &report, task, deed).await;
        deed.shows(&team, task).await;
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn between_two_effects_of_one_reply_the_second_is_stopped_and_the_comment_says_what_was_done()
{
    let team = team().await;
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let gate = team.gates.stop_after("after addComment", 1);
    let deed = Deed::Assigns;
    let report = meanwhile(&life, gate, deed.done_by_bo(&team, task)).await;
    yielded(&life, &report, task, deed).await;
    deed.shows(&team, task).await;
    let query = TaskQuery { limit: 10, ..TaskQuery::default() };
    let tasks = team.board.below.tasks(&query).await.unwrap().items;
    assert_eq!(tasks.len(), 1, "the subtask was added: {tasks:#?}");
    let comments = team.comments(task).await;
    assert!(
        comments.last().unwrap().1.contains("Done so far: addComment (comment"),
        "{comments:#?}"
    );
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_comes_before_the_announcement_wins_the_race_and_nothing_is_shown() {
    for place in ["readTask", "raiseFence", "before editTask"] {
        for deed in [Deed::Assigns, Deed::MovesOn, Deed::TagsStop] {
            let team = team().await;
            let task = team.task("Fix the login").await;
            let life = team.start().await;
            let gate = team.gates.stop(place);
            let report = meanwhile(&life, gate, deed.done_by_bo(&team, task)).await;
            assert_eq!(report.reason, Reason::LostRace, "{place} {deed:?}");
            let run = life.the_run(task).await;
            let end = (run.state, run.reason);
            assert_eq!(end, (RunState::Refused, Some(Reason::LostRace)), "{place} {deed:?}");
            assert!(team.comments(task).await.is_empty(), "{place} {deed:?}");
            let last = team.activity(task).await.pop().unwrap();
            assert_eq!(last.actor, Some(BO), "{place} {deed:?}: {last:?}");
            assert!(life.ledger.claim(task).await.unwrap().unwrap().holder.is_none());
            life.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_takes_the_task_while_it_is_announced_keeps_it() {
    for deed in [Deed::Assigns, Deed::MovesOn] {
        let team = team().await;
        let task = team.task("Fix the login").await;
        let life = team.start().await;
        let gate = team.gates.stop("before addComment");
        let report = meanwhile(&life, gate, deed.done_by_bo(&team, task)).await;
        let run = life.the_run(task).await;
        assert!(team.prompts().is_empty(), "a model was asked");
        let now = team.look(task).await;
        let assignee = if let Deed::Assigns = deed { Some(BO) } else { None };
        assert_eq!(now.assignee, assignee, "{deed:?}");
        let status = if let Deed::MovesOn = deed { "Blocked" } else { "New" };
        assert_eq!(team.status(task).await, status, "{deed:?}");
        assert!(!now.has_tag("AI-Agent"));
        let ended = (report.state, run.reason);
        assert!(
            matches!(ended.1, Some(Reason::LostRace | Reason::PersonTookOver)),
            "{deed:?}: {ended:?}"
        );
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_comes_while_the_outcome_is_written_keeps_what_they_did() {
    for place in [("before addComment", 2), ("after addComment", 2), ("before editTask", 1)] {
        for deed in [Deed::Assigns, Deed::MovesOn] {
            let team = team().await;
            let task = team.task("Fix the login").await;
            let life = team.start().await;
            let gate = team.gates.stop_after(place.0, place.1);
            let report = meanwhile(&life, gate, deed.done_by_bo(&team, task)).await;
            yielded(&life, &report, task, deed).await;
            deed.shows(&team, task).await;
            life.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_the_outcome_is_written_leaves_the_task_where_it_was() {
    for deed in [Deed::TagsStop, Deed::SaysStop] {
        let team = team().await;
        let task = team.task("Fix the login").await;
        let life = team.start().await;
        let gate = team.gates.stop_after("after addComment", 2);
        let report = meanwhile(&life, gate, deed.done_by_bo(&team, task)).await;
        yielded(&life, &report, task, deed).await;
        deed.shows(&team, task).await;
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_only_talks_or_describes_does_not_stop_the_run() {
    let team = team().await;
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let gate = team.gates.stop_after("model", 1);
    let report = meanwhile(&life, gate, async {
        team.say(BO, task, "Stop me if I am wrong, but the login is fine.").await;
        team.edit(BO, task, TaskEdit::Description("On phones only.".into())).await;
    })
    .await;
    assert_eq!(report.reason, Reason::HandedOver);
    assert_eq!(team.look(task).await.description, "On phones only.");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_a_person_took_over_is_not_taken_again_until_somebody_edits_it() {
    let team = team().await;
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    let gate = team.gates.stop_after("model", 1);
    meanwhile(&life, gate, Deed::SaysStop.done_by_bo(&team, task)).await;
    let again = life.run("ai-worker").await;
    assert_eq!(again.reason, Reason::NothingToDo, "{again:#?}");
    team.clock.advance(Duration::from_mins(5));
    team.edit(ADA, task, TaskEdit::Description("Now really.".into())).await;
    team.clock.advance(Duration::from_mins(5));
    let again = life.run("ai-worker").await;
    assert_eq!(again.reason, Reason::HandedOver, "{again:#?}");
    assert_eq!(life.runs(task).await.len(), 2);
    life.stop().await;
}
