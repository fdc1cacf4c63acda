//! Plain steps.

use super::job;
use crate::support::house::{House, json, playbook};
use rota::domain::{Playbook, Reason, RunState, Step, Value, Work, WriteScope};
use rota::runner::steps::StepsRunner;
use rota::runner::{Runner as _, Signs, WorkEnd};
use tokio_util::sync::CancellationToken;

fn book(steps: Vec<Step>) -> Playbook {
    let mut book = playbook(&["addSubtask", "addTag", "finish"]);
    book.scope.write = WriteScope::Board;
    book.work = Work::Steps(steps);
    book
}

fn step(tool: &str, args: &str) -> Step {
    Step { each: None, when: None, tool: tool.into(), args: json(args), once: None }
}

async fn work(house: &House, book: Playbook) -> WorkEnd {
    let (mut job, tools) = job(house, book, "").await;
    let gathered = r#"{"items":[{"id":1,"headline":"a","tags":["x"]},{"id":3,"headline":"b","tags":["docs"]}]}"#;
    job.context = Value::map([
        ("now", Value::from("2026-11-03T11:00:00Z")),
        ("gathered", Value::map([("features", json(gathered))])),
    ]);
    let (signs, _end) = Signs::channel(100);
    StepsRunner::shipped().work(&job, &tools, &signs, CancellationToken::new()).await
}

fn documentation() -> Step {
    Step {
        each: Some("{{gathered.features.items}}".into()),
        when: Some("!(\"docs\" in item.tags)".into()),
        once: Some("docs:{{item.id}}".into()),
        ..step(
            "addSubtask",
            r#"{"parentTicket":"{{item.id}}","headline":"Document {{item.headline}}"}"#,
        )
    }
}

#[tokio::test]
async fn a_step_is_done_for_each_item_that_its_condition_lets_pass_and_once_only() {
    let house = House::build().await;
    let end = work(&house, book(vec![documentation()])).await;
    assert_eq!(end.state, RunState::Succeeded, "{end:?}");
    assert_eq!(end.summary, "1 calls, 1 changes");
    let ada = house.person("Ada").await;
    let found = json(r#"{"parent":1,"text":"Document a"}"#);
    let tasks = house.tools.call("findTasks", found.clone(), &ada).await.unwrap().value;
    assert_eq!(tasks.get("items").unwrap().as_list().unwrap().len(), 1);
    let (mut again, house_again) = (book(vec![documentation()]), &house);
    again.name = rota::domain::PlaybookName::new("ai-worker");
    house.journal.effects.lock().unwrap().clear();
    let end = work(house_again, again).await;
    assert_eq!((end.state, end.summary.as_str()), (RunState::Succeeded, "1 calls, 0 changes"));
    let tasks = house.tools.call("findTasks", found, &ada).await.unwrap().value;
    assert_eq!(tasks.get("items").unwrap().as_list().unwrap().len(), 1);
}

#[tokio::test]
async fn a_step_that_is_refused_ends_the_run_with_its_number() {
    let house = House::build().await;
    let steps =
        vec![step("addTag", r#"{"id":1,"tag":"t"}"#), step("addTag", r#"{"id":99,"tag":"t"}"#)];
    let end = work(&house, book(steps)).await;
    assert_eq!((end.state, end.reason), (RunState::Failed, Reason::NotFound));
    assert!(end.detail.starts_with("step 2: addTag was refused"), "{}", end.detail);
    assert!(house.the_task().await.has_tag("t"));
}

#[tokio::test]
async fn a_template_or_condition_that_fails_ends_the_run() {
    let house = House::build().await;
    for broken in [
        step("addTag", r#"{"id":"{{nothing.here}}","tag":"t"}"#),
        Step { when: Some("1 + ".into()), ..step("addTag", r#"{"id":1,"tag":"t"}"#) },
        Step { each: Some("{{now}}".into()), ..step("addTag", r#"{"id":1,"tag":"t"}"#) },
    ] {
        let end = work(&house, book(vec![broken])).await;
        assert_eq!((end.state, end.reason), (RunState::Failed, Reason::TemplateFailed), "{end:?}");
    }
    assert!(house.happened().is_empty());
}

#[tokio::test]
async fn steps_may_name_an_outcome_and_stop_when_told() {
    let house = House::build().await;
    let end = work(&house, book(vec![step("finish", r#"{"outcome":"blocked"}"#)])).await;
    assert_eq!(end.outcome.as_deref(), Some("blocked"));
    let (job, tools) = job(&house, book(vec![step("addTag", r#"{"id":1,"tag":"t"}"#)]), "").await;
    let (signs, _end) = Signs::channel(100);
    let stop = CancellationToken::new();
    stop.cancel();
    let end = StepsRunner::shipped().work(&job, &tools, &signs, stop).await;
    assert_eq!(end.state, RunState::Cancelled);
    assert!(house.happened().is_empty());
}
