//! Calls that may be repeated, and revisions that were seen: the same for every tool that writes.

use crate::support::house::{House, Mishap, json, playbook};
use rota::board::Tasks as _;
use rota::clock::Clock;
use rota::domain::{Initiative, Reason, TaskQuery, Value};
use rota::tools::{Context, Parts, ToolError, ToolKind, ToolRegistry, ToolResult};
use std::sync::Arc;
use std::time::Duration;

const ADD: &str = r#"{"projectId": 1, "headline": "Once", "idempotencyKey": "kickoff-1"}"#;

struct Lasting {
    house: House,
    tools: ToolRegistry,
    ada: Context,
}

impl Lasting {
    async fn build() -> Self {
        let house = House::build().await;
        let clock: Arc<dyn Clock> = house.clock.clone();
        let ledger = house.ledger();
        let tools = ToolRegistry::new(Parts::new(house.board.clone(), ledger.clone(), clock));
        tools.set_repeats(ledger);
        let ada = house.person("Ada").await;
        Self { house, tools, ada }
    }

    async fn call(&self, tool: &str, args: &str) -> Result<ToolResult, ToolError> {
        self.tools.call(tool, json(args), &self.ada).await
    }

    async fn count(&self) -> usize {
        self.house.board.tasks(&TaskQuery::default()).await.unwrap().items.len()
    }
}

#[tokio::test]
async fn a_call_under_one_key_is_done_once_and_answered_the_same() {
    let lasting = Lasting::build().await;
    let first = lasting.call("addTask", ADD).await.unwrap();
    assert_eq!(lasting.count().await, 5);
    lasting.house.clock.advance(Duration::from_hours(1));
    let again = lasting.call("addTask", ADD).await.unwrap();
    assert_eq!(lasting.count().await, 5);
    assert_eq!(again.value.get("id"), first.value.get("id"));
    assert_eq!(again.value.get("repeated"), Some(&"2026-11-03T11:00:00+00:00".into()));
    assert!(again.text.starts_with("done before, at 2026-11-03T11:00"), "{}", again.text);
    // Without the key, or under another one, it is another intent.
    lasting.call("addTask", r#"{"projectId": 1, "headline": "Once"}"#).await.unwrap();
    lasting.call("addTask", &ADD.replace("kickoff-1", "kickoff-2")).await.unwrap();
    assert_eq!(lasting.count().await, 7);
}

#[tokio::test]
async fn several_at_one_time_under_one_key_are_one() {
    let lasting = Lasting::build().await;
    let calls = (0..8).map(|_| lasting.call("addTask", ADD));
    let answers = futures::future::join_all(calls).await;
    assert_eq!(lasting.count().await, 5);
    assert!(answers.iter().any(Result::is_ok));
    for error in answers.into_iter().filter_map(Result::err) {
        assert_eq!(error.reason(), Reason::UnknownEffect, "{error}");
    }
}

#[tokio::test]
async fn a_key_that_stands_for_another_call_is_refused() {
    let lasting = Lasting::build().await;
    lasting.call("addTask", ADD).await.unwrap();
    for (tool, args) in [
        ("addTask", ADD.replace("Once", "Twice")),
        (
            "bulkAddTasks",
            r#"{"tasks": [{"projectId": 1, "headline": "Once"}], "idempotencyKey": "kickoff-1"}"#
                .into(),
        ),
    ] {
        let error = lasting.call(tool, &args).await.unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidArguments, "{tool}");
        assert!(error.to_string().contains("another call"), "{error}");
    }
    assert_eq!(lasting.count().await, 5);
}

#[tokio::test]
async fn a_key_is_its_callers_own_and_lasts_a_day() {
    let mut lasting = Lasting::build().await;
    lasting.call("addTask", ADD).await.unwrap();
    let ada = lasting.ada.clone();
    lasting.ada.principal.by = Initiative::Service("ci".into());
    lasting.call("addTask", ADD).await.unwrap();
    assert_eq!(lasting.count().await, 6);
    lasting.ada = ada;
    lasting.house.clock.advance(Duration::from_hours(24));
    let answer = lasting.call("addTask", ADD).await.unwrap();
    assert!(answer.value.get("repeated").is_none());
    assert_eq!(lasting.count().await, 7);
}

#[tokio::test]
async fn what_was_refused_may_be_mended_under_the_same_key_and_what_is_unknown_is_said_to_be() {
    let lasting = Lasting::build().await;
    let wrong = ADD.replace("\"projectId\": 1", "\"projectId\": \"Nowhere\"");
    assert_eq!(lasting.call("addTask", &wrong).await.unwrap_err().reason(), Reason::NotFound);
    lasting.house.board.next(Mishap::Denied);
    lasting.call("addTask", ADD).await.unwrap_err();
    lasting.call("addTask", ADD).await.unwrap();
    assert_eq!(lasting.count().await, 5);
    let lost = ADD.replace("kickoff-1", "kickoff-2");
    lasting.house.board.next(Mishap::AnswerLost);
    lasting.call("addTask", &lost).await.unwrap_err();
    let error = lasting.call("addTask", &lost).await.unwrap_err();
    assert_eq!((error.reason(), error.is_fatal()), (Reason::UnknownEffect, false));
    assert!(error.to_string().contains("look at the board"), "{error}");
    assert_eq!(lasting.count().await, 6, "it was done, and is not done again");
}

#[tokio::test]
async fn many_under_one_key_are_reported_again_as_they_were_and_no_item_has_a_key_of_its_own() {
    let lasting = Lasting::build().await;
    let args = r#"{"tasks": [{"projectId": 1, "headline": "A"}, {"projectId": 9, "headline": "B"}], "idempotencyKey": "k"}"#;
    let first = lasting.call("bulkAddTasks", args).await.unwrap().value;
    let again = lasting.call("bulkAddTasks", args).await.unwrap().value;
    assert_eq!(first.get("items"), again.get("items"));
    assert_eq!(lasting.count().await, 5);
    let inner = r#"{"tasks": [{"projectId": 1, "headline": "A", "idempotencyKey": "x"}]}"#;
    let value = lasting.call("bulkAddTasks", inner).await.unwrap().value;
    let error = value.get("items").unwrap().as_list().unwrap()[0].get("error").unwrap().clone();
    assert!(error.get("message").unwrap().as_text().unwrap().contains("whole call"), "{error:?}");
}

#[tokio::test]
async fn every_tool_that_writes_takes_a_key_and_no_other_does() {
    let lasting = Lasting::build().await;
    for tool in lasting.tools.definitions() {
        let takes = tool.input_schema.get("properties").unwrap().get("idempotencyKey").is_some();
        // A claim has its key in the ledger (C6).
        let is_expected = tool.kind == ToolKind::Write || tool.name == "claimTask";
        assert_eq!(takes, is_expected, "{}", tool.name);
    }
    for key in ["\"\"", "7", "\"  \"", &format!("\"{}\"", "x".repeat(201))] {
        let args = ADD.replace("\"kickoff-1\"", key);
        let error = lasting.call("addTask", &args).await.unwrap_err();
        assert!(error.to_string().starts_with("idempotencyKey: expected"), "{error}");
    }
    lasting.call("addTask", &ADD.replace("\"kickoff-1\"", "null")).await.unwrap();
    // A key promises what cannot be kept without a ledger.
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let error = house.tools.call("addTask", json(ADD), &ada).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Unsupported);
}

#[tokio::test]
async fn a_change_is_refused_if_the_revision_that_was_seen_is_not_the_one_that_is_there() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let milestone = r##"{"projectId": 1, "headline": "M", "color": "#112233", "editFrom": "today", "editTo": "+3d"}"##;
    house.tools.call("addMilestone", json(milestone), &ada).await.unwrap();
    let event = r#"{"eventTitle": "E", "dateFrom": "today", "dateTo": "today"}"#;
    house.tools.call("addEvent", json(event), &ada).await.unwrap();
    house
        .tools
        .call("createGoalboard", json(r#"{"title": "B", "projectId": 1}"#), &ada)
        .await
        .unwrap();
    let goal = r#"{"title": "G", "description": "d", "startValue": 0, "currentValue": 0, "endValue": 1, "canvasId": 1}"#;
    house.tools.call("createGoal", json(goal), &ada).await.unwrap();
    let mut checked = 0;
    for (tool, args) in [
        ("addTag", r#"{"id": 1, "tag": "x"}"#),
        ("removeTag", r#"{"id": 1, "tag": "AI-Suitable"}"#),
        ("addDependency", r#"{"id": 1, "dependsOn": 3}"#),
        ("removeDependency", r#"{"id": 1, "dependsOn": 3}"#),
        ("editTask", r#"{"id": 1, "params": {"headline": "New"}}"#),
        ("scheduleTaskOnCalendar", r#"{"id": 1, "editFrom": "today", "editTo": "today"}"#),
        ("editMilestone", r#"{"id": 1, "params": {"headline": "New"}}"#),
        ("editEvent", r#"{"id": 1, "eventTitle": "New"}"#),
        ("editGoal", r#"{"id": 1, "title": "New"}"#),
        ("deleteEvent", r#"{"id": 1}"#),
        ("deleteGoal", r#"{"id": 1}"#),
        ("deleteTask", r#"{"id": 1}"#),
    ] {
        let definition = house.tools.definition(tool).unwrap();
        let properties = definition.input_schema.get("properties").unwrap();
        assert!(properties.get("expectedRevision").is_some(), "{tool}");
        for name in ["expectedRevision", "revision"] {
            let Value::Map(mut map) = json(args) else { panic!() };
            map.insert(name.into(), 99.into());
            let error = house.tools.call(tool, Value::Map(map), &ada).await.unwrap_err();
            assert_eq!(error.reason(), Reason::RevisionConflict, "{tool}: {error}");
        }
        let Value::Map(mut map) = json(args) else { panic!() };
        map.insert("expectedRevision".into(), "one".into());
        let error = house.tools.call(tool, Value::Map(map), &ada).await.unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidArguments, "{tool}");
        house.tools.call(tool, json(args), &ada).await.unwrap();
        checked += 1;
    }
    let all = house.tools.definitions().filter(|tool| {
        tool.input_schema.get("properties").unwrap().get("expectedRevision").is_some()
    });
    assert_eq!(all.count(), checked);
    let error = house
        .tools
        .call("addTask", json(r#"{"headline": "x", "projectId": 1, "expectedRevision": 1}"#), &ada)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("unknown argument \"expectedRevision\""), "{error}");
}

#[tokio::test]
async fn the_journal_holds_the_arguments_without_the_key() {
    let lasting = Lasting::build().await;
    let agent = lasting.house.agent(playbook(&["addTag"])).await;
    let house = &lasting.house;
    let args = r#"{"id": 1, "tag": "x", "idempotencyKey": null, "expectedRevision": 1}"#;
    house.tools.call("addTag", json(args), &agent).await.unwrap();
    let effects = house.journal.effects.lock().unwrap().clone();
    assert_eq!(effects[0].args, json(r#"{"id": 1, "tag": "x"}"#));
}
