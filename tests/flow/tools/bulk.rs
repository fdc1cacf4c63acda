//! Many of one kind by one call: reported one by one, or all or nothing.

use crate::support::house::{House, Mishap, json, playbook};
use crate::support::watched::{Call, Watch, Watched};
use async_trait::async_trait;
use rota::board::{
    Board, BoardError, Calendar as _, Milestones as _, Result, Tasks as _, Timesheets as _,
};
use rota::domain::{
    EffectResult, EventId, MilestoneQuery, Mode, Reason, TaskId, TaskQuery, TimeQuery, Value, When,
};
use rota::tools::{Context, Parts, Progress, Tally, ToolError, ToolRegistry, ToolResult};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

const TWO: &str =
    r#"{"tasks": [{"projectId": 1, "headline": "One"}, {"projectId": 1, "headline": "Two"}]"#;

async fn call(
    house: &House,
    tool: &str,
    args: &str,
    context: &Context,
) -> std::result::Result<ToolResult, ToolError> {
    house.tools.call(tool, json(args), context).await
}

fn number(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_int).unwrap_or_else(|| panic!("{name}: {value:?}"))
}

fn items(value: &Value) -> &[Value] {
    value.get("items").and_then(Value::as_list).unwrap()
}

fn code(item: &Value) -> Option<&str> {
    item.get("error")?.get("code")?.as_text()
}

async fn headlines(house: &House) -> Vec<String> {
    let page = house.board.tasks(&TaskQuery::default()).await.unwrap();
    page.items.into_iter().map(|task| task.headline).collect()
}

async fn agent(house: &House, tools: &[&str]) -> Context {
    let mut book = playbook(tools);
    book.scope.write = rota::domain::WriteScope::Project;
    house.agent(book).await
}

#[tokio::test]
async fn each_of_many_is_done_and_reported_by_itself() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let args = r#"{"tasks": [{"projectId": "Website", "headline": "One", "tags": ["a"]},
        {"projectId": "Nowhere", "headline": "Lost"}, {"projectId": 1, "headlin": "Typo"},
        {"projectId": "Shop", "headline": "Two"}]}"#;
    let value = call(&house, "bulkAddTasks", args, &ada).await.unwrap().value;
    assert_eq!(
        (number(&value, "done"), number(&value, "failed"), number(&value, "left")),
        (2, 2, 0)
    );
    let items = items(&value);
    let codes: Vec<_> = items.iter().map(code).collect();
    assert_eq!(codes, [None, Some("not_found"), Some("invalid_arguments"), None]);
    let message = items[2].get("error").unwrap().get("message").unwrap().as_text().unwrap();
    assert!(message.contains("did you mean \"headline\"?"), "{message}");
    for (index, item) in items.iter().enumerate() {
        assert_eq!(number(item, "index"), i64::try_from(index).unwrap());
    }
    let one = house.board.task(TaskId(number(&items[0], "id"))).await.unwrap();
    assert_eq!((&*one.headline, one.tags.as_slice()), ("One", ["a".to_owned()].as_slice()));
    assert_eq!(items[3].get("undo").unwrap().get("tool").unwrap().as_text(), Some("deleteTask"));
}

#[tokio::test]
async fn all_or_nothing_is_nothing_if_one_fails_and_says_which() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let before = headlines(&house).await;
    for bad in [
        r#"{"projectId": "Nowhere", "headline": "x"}"#,
        r#"{"projectId": 1, "headline": " "}"#,
        r#"{"projectId": 1, "headline": "x", "priority": 9}"#,
    ] {
        let three = TWO.replace(']', &format!(", {bad}]"));
        let args = format!("{three}, \"atomic\": true}}");
        let error = call(&house, "bulkAddTasks", &args, &ada).await.unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with("item 2: ") && said.ends_with("nothing was written"), "{said}");
        assert_eq!(headlines(&house).await, before);
    }
    let value = call(&house, "bulkAddTasks", &format!("{TWO}, \"atomic\": true}}"), &ada).await;
    assert_eq!(number(&value.unwrap().value, "done"), 2);
    assert_eq!(headlines(&house).await.len(), before.len() + 2);
}

#[tokio::test]
async fn in_a_run_each_is_its_own_effect_and_none_reaches_the_board_before_all_are_journaled() {
    let house = House::build().await;
    let context = agent(&house, &["bulk*"]).await;
    call(&house, "bulkAddTasks", &format!("{TWO}}}"), &context).await.unwrap();
    let one = ["fence", "intend addTask", "act addTask", "conclude done"];
    assert_eq!(house.happened(), [one, one].concat());
    call(&house, "bulkAddTasks", &format!("{TWO}, \"atomic\": true}}"), &context).await.unwrap();
    let all = [
        "fence",
        "intend addTask",
        "intend addTask",
        "act addTask",
        "act addTask",
        "conclude done",
        "conclude done",
    ];
    assert_eq!(house.happened(), all);
    let effects = house.journal.effects.lock().unwrap().clone();
    let marks: Vec<u32> = effects.iter().map(|effect| effect.mark.seq).collect();
    assert_eq!(marks, [1, 2, 3, 4]);
    for effect in &effects {
        assert_eq!(
            (effect.tool.as_str(), effect.bulk.as_deref()),
            ("addTask", Some("bulkAddTasks"))
        );
        let Some(EffectResult::Done { inverse, .. }) = &effect.result else { panic!("{effect:?}") };
        assert_eq!(inverse.as_ref().unwrap().tool, "deleteTask");
    }
}

#[tokio::test]
async fn every_item_counts_against_scope_max_of_its_own_tool_and_of_the_one_for_many() {
    for (limited, max, before) in [("addTask", 3, 0), ("bulkAddTasks", 1, 0), ("addTask", 4, 1)] {
        let house = House::build().await;
        let mut context = agent(&house, &["addTask", "bulkAddTasks"]).await;
        let run = context.run.as_mut().unwrap();
        let mut book = (*run.playbook).clone();
        book.scope.max.insert(limited.into(), max);
        run.playbook = Arc::new(book);
        run.tally = Arc::new(Tally::new(0, [("addTask".to_owned(), before)].into()));
        let single = json(r#"{"projectId": 1, "headline": "x"}"#);
        house.tools.call("addTask", single.clone(), &context).await.unwrap();
        if limited == "addTask" {
            house.tools.call("addTask", single, &context).await.unwrap();
        }
        let atomic = format!("{TWO}, \"atomic\": true}}");
        let error = call(&house, "bulkAddTasks", &atomic, &context).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ScopeMax, "{error}");
        // What was refused counts nowhere: one is left.
        let value =
            call(&house, "bulkAddTasks", &format!("{TWO}}}"), &context).await.unwrap().value;
        let codes: Vec<_> = items(&value).iter().map(code).collect();
        assert_eq!(codes, [None, Some("scope_max")], "{limited}");
    }
}

#[tokio::test]
async fn out_of_scope_is_out_of_scope_for_one_of_many() {
    let house = House::build().await;
    let context = agent(&house, &["bulk*"]).await;
    let args =
        r#"{"tasks": [{"projectId": 1, "headline": "In"}, {"projectId": 2, "headline": "Out"}]"#;
    let error =
        call(&house, "bulkAddTasks", &format!("{args}, \"atomic\": true}}"), &context).await;
    assert_eq!(error.unwrap_err().reason(), Reason::OutOfScope);
    assert!(house.happened().is_empty());
    let value = call(&house, "bulkAddTasks", &format!("{args}}}"), &context).await.unwrap().value;
    assert_eq!(code(&items(&value)[1]), Some("out_of_scope"));
    // No agent finishes a task by the dozen either.
    let done = r#"{"updates": [{"id": 1, "status": "Done"}]}"#;
    let value = call(&house, "bulkEditTasks", done, &context).await.unwrap().value;
    assert_eq!(code(&items(&value)[0]), Some("out_of_scope"));
}

#[tokio::test]
async fn a_tool_for_many_is_listed_by_itself_and_needs_the_role_of_the_one() {
    let house = House::build().await;
    let context = agent(&house, &["addTask"]).await;
    let error = call(&house, "bulkAddTasks", &format!("{TWO}}}"), &context).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ToolNotListed);
    for tool in house.tools.definitions() {
        let Some(single) = (match tool.name {
            "bulkAddTasks" => Some("addTask"),
            "bulkEditTasks" => Some("editTask"),
            "createSubtasksForTask" | "breakdownTask" => Some("addSubtask"),
            "addMilestonesForProject" => Some("addMilestone"),
            "bulkAddEvents" | "scheduleDay" => Some("addEvent"),
            "bulkEditEvents" => Some("editEvent"),
            "bulkLogTime" => Some("logTime"),
            "bulkScheduleTasks" => Some("scheduleTaskOnCalendar"),
            _ => None,
        }) else {
            continue;
        };
        assert_eq!(tool.role, house.tools.definition(single).unwrap().role, "{}", tool.name);
    }
}

#[tokio::test]
async fn a_run_that_only_records_writes_nothing_of_many() {
    let house = House::build().await;
    let mut context = agent(&house, &["bulk*"]).await;
    context.run.as_mut().unwrap().mode = Mode::Shadow;
    let before = headlines(&house).await;
    for atomic in ["", ", \"atomic\": true"] {
        let value = call(&house, "bulkAddTasks", &format!("{TWO}{atomic}}}"), &context).await;
        for item in items(&value.unwrap().value) {
            assert_eq!(item.get("note").and_then(Value::as_text), Some("recorded_only"));
            assert_eq!(item.get("changed").and_then(Value::as_bool), Some(false));
        }
        assert!(!house.happened().iter().any(|what| what.starts_with("act")));
    }
    assert_eq!(headlines(&house).await, before);
    let effects = house.journal.effects.lock().unwrap().clone();
    assert_eq!(effects.len(), 4);
    assert!(effects.iter().all(|effect| effect.result == Some(EffectResult::Recorded)));
}

#[tokio::test]
async fn what_is_only_shown_is_neither_written_nor_journaled_nor_counted() {
    let house = House::build().await;
    let context = agent(&house, &["bulk*"]).await;
    let before = headlines(&house).await;
    for atomic in ["", ", \"atomic\": true"] {
        let args = format!("{TWO}, \"dryRun\": true{atomic}}}");
        let value = call(&house, "bulkAddTasks", &args, &context).await.unwrap().value;
        assert_eq!(value.get("dry_run").and_then(Value::as_bool), Some(true));
        let after = items(&value)[1].get("after").unwrap();
        assert_eq!(after.get("headline").and_then(Value::as_text), Some("Two"));
    }
    assert!(house.happened().is_empty() && headlines(&house).await == before);
    assert!(context.run.unwrap().tally.counts().is_empty());
}

#[tokio::test]
async fn if_the_answer_to_all_is_lost_the_board_is_asked_what_became_of_it() {
    for (mishap, expected) in [
        (Mishap::AnswerLost, "conclude done"),
        (Mishap::NeverArrived, "conclude failed"),
        (Mishap::NobodyKnows, "conclude unknown"),
        (Mishap::Denied, "conclude failed"),
    ] {
        let house = House::build().await;
        let context = agent(&house, &["bulk*"]).await;
        let before = headlines(&house).await.len();
        // The last word is about the last of them.
        if matches!(mishap, Mishap::AnswerLost | Mishap::NobodyKnows) {
            house.board.next(mishap);
            house.board.next(mishap);
        } else {
            house.board.next(mishap);
        }
        let outcome =
            call(&house, "bulkAddTasks", &format!("{TWO}, \"atomic\": true}}"), &context).await;
        let concluded: Vec<String> =
            house.happened().into_iter().filter(|what| what.starts_with("conclude")).collect();
        assert_eq!(concluded, [expected, expected], "{mishap:?}");
        let added = headlines(&house).await.len() - before;
        match mishap {
            Mishap::AnswerLost => assert_eq!((outcome.is_ok(), added), (true, 2)),
            Mishap::NobodyKnows => {
                let error = outcome.unwrap_err();
                assert_eq!((error.reason(), error.is_fatal()), (Reason::UnknownEffect, true));
            }
            _ => assert_eq!((outcome.is_err(), added), (true, 0)),
        }
    }
}

#[tokio::test]
async fn somebody_elses_edit_in_between_is_looked_at_unless_a_revision_was_named() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    house.board.next(Mishap::EditedBefore);
    let args =
        r#"{"updates": [{"id": 1, "priority": 1}, {"id": 3, "priority": 2}], "atomic": true}"#;
    let value = call(&house, "bulkEditTasks", args, &ada).await.unwrap().value;
    assert_eq!(number(&value, "done"), 2);
    let task = house.the_task().await;
    assert_eq!((task.priority, &*task.description), (Some(1), "somebody was quicker"));
    let stale =
        r#"{"updates": [{"id": 3, "priority": 4}, {"id": 1, "priority": 3, "revision": 1}]"#;
    let error = call(&house, "bulkEditTasks", &format!("{stale}, \"atomic\": true}}"), &ada).await;
    assert_eq!(error.unwrap_err().reason(), Reason::RevisionConflict);
    assert_eq!(house.board.task(TaskId(3)).await.unwrap().priority, Some(2));
    let value = call(&house, "bulkEditTasks", &format!("{stale}}}"), &ada).await.unwrap().value;
    assert_eq!(code(&items(&value)[1]), Some("revision_conflict"));
}

#[tokio::test]
async fn one_thing_twice_is_refused_for_all_or_nothing_and_done_in_order_otherwise() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let args = r#"{"updates": [{"id": 1, "priority": 1}, {"id": 1, "priority": 2}]"#;
    let error = call(&house, "bulkEditTasks", &format!("{args}, \"atomic\": true}}"), &ada).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("item 1: task 1 is item 0 already"), "{error}");
    assert_eq!(house.the_task().await.priority, None);
    call(&house, "bulkEditTasks", &format!("{args}}}"), &ada).await.unwrap();
    assert_eq!(house.the_task().await.priority, Some(2));
}

#[tokio::test]
async fn nothing_and_more_than_a_hundred_are_refused() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for count in [0, 101] {
        let one = r#"{"projectId": 1, "headline": "x"}"#;
        let args = format!("{{\"tasks\": [{}]}}", vec![one; count].join(","));
        let error = call(&house, "bulkAddTasks", &args, &ada).await.unwrap_err();
        assert!(error.to_string().contains("expected 1 to 100"), "{error}");
    }
    assert_eq!(headlines(&house).await.len(), 4);
}

#[tokio::test]
async fn under_one_key_each_of_many_is_done_once() {
    for atomic in ["", ", \"atomic\": true"] {
        let house = House::build().await;
        let mut context = agent(&house, &["bulk*"]).await;
        context.run.as_mut().unwrap().once = Some("weekly".into());
        let args = format!("{TWO}{atomic}}}");
        call(&house, "bulkAddTasks", &args, &context).await.unwrap();
        let before = headlines(&house).await;
        let value = call(&house, "bulkAddTasks", &args, &context).await.unwrap().value;
        for item in items(&value) {
            assert_eq!(item.get("note").and_then(Value::as_text), Some("done_before"), "{item:?}");
        }
        assert_eq!(headlines(&house).await, before);
    }
}

/// Hangs up at the second write.
#[derive(Debug)]
struct HangsUp(Mutex<(usize, Option<mpsc::Receiver<String>>)>);

#[async_trait]
impl Watch for HangsUp {
    async fn before(&self, call: &Call<'_>) -> Result<()> {
        let mut seen = self.0.lock().unwrap();
        seen.0 += usize::from(call.is_write());
        if seen.0 == 2 {
            seen.1 = None;
        }
        Ok(())
    }

    async fn after(&self, _: &Call<'_>, _: std::result::Result<bool, &BoardError>) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_is_told_of_as_it_is_done_and_a_cancelled_call_begins_no_other() {
    let house = House::build().await;
    let mut ada = house.person("Ada").await;
    let (told, mut lines) = mpsc::channel(8);
    ada.progress = Progress::to(told);
    call(&house, "bulkAddTasks", &format!("{TWO}}}"), &ada).await.unwrap();
    assert_eq!(lines.recv().await.unwrap(), "bulkAddTasks 1 of 2: task 5");
    assert_eq!(lines.recv().await.unwrap(), "bulkAddTasks 2 of 2: task 6");
    let (told, lines) = mpsc::channel(8);
    ada.progress = Progress::to(told);
    let below: Arc<dyn Board> = house.board.clone();
    let watch = HangsUp(Mutex::new((0, Some(lines))));
    let board = Arc::new(Watched { below, watch });
    let tools = ToolRegistry::new(Parts::new(board, house.journal.clone(), house.clock.clone()));
    let one = r#"{"projectId": 1, "headline": "x"}"#;
    let args = json(&format!("{{\"tasks\": [{one}, {one}, {one}, {one}]}}"));
    let value = tools.call("bulkAddTasks", args, &ada).await.unwrap().value;
    assert_eq!((number(&value, "done"), number(&value, "left")), (2, 2));
    assert_eq!(headlines(&house).await.len(), 8);
}

#[tokio::test]
async fn subtasks_milestones_events_and_times_come_by_the_dozen_as_they_come_one_by_one() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for atomic in ["", ", \"atomic\": true"] {
        for (tool, args) in [
            (
                "createSubtasksForTask",
                r#"{"parentTaskId": 1, "subtasks": [{"headline": "A", "planHours": 2}, {"headline": "B", "userId": 0}]"#,
            ),
            (
                "addMilestonesForProject",
                r##"{"projectId": "Website", "editorId": "me", "milestones": [{"headline": "Beta", "color": "#1b75bb", "editFrom": "today", "editTo": "+7d"}, {"headline": "Gold", "editFrom": "today", "editTo": "+9d", "editorId": "Bo"}]"##,
            ),
            (
                "bulkAddEvents",
                r#"{"events": [{"eventTitle": "Fair", "dateFrom": "2026-11-03", "dateTo": "2026-11-04"}, {"eventTitle": "Call", "dateFrom": "2026-11-03T09:00", "dateTo": "2026-11-03T10:00"}]"#,
            ),
            (
                "bulkLogTime",
                r#"{"entries": [{"ticketId": 1, "hours": 1, "date": "today", "kind": "TESTING"}, {"ticketId": 3, "hours": 0.5, "date": "today", "kind": "TESTING"}]"#,
            ),
            (
                "bulkScheduleTasks",
                r#"{"schedules": [{"taskId": 1, "editFrom": "2026-11-03T09:00", "editTo": "2026-11-03T10:00"}, {"taskId": 3, "editFrom": "today", "editTo": "today"}]"#,
            ),
        ] {
            let value = call(&house, tool, &format!("{args}{atomic}}}"), &ada).await.unwrap().value;
            assert_eq!(number(&value, "done"), 2, "{tool}{atomic}: {value:?}");
        }
    }
    let subtasks = TaskQuery { parent: Some(house.task), ..TaskQuery::default() };
    let subtasks = house.board.tasks(&subtasks).await.unwrap().items;
    assert_eq!(subtasks.iter().filter(|task| task.plan_hours == Some(2.0)).count(), 2);
    let milestones = house.board.milestones(&MilestoneQuery::default()).await.unwrap();
    let by: Vec<_> =
        milestones.iter().map(|m| (m.headline.as_str(), m.assignee.unwrap().0)).collect();
    assert_eq!(by, [("Beta", 1), ("Beta", 1), ("Gold", 3), ("Gold", 3)]);
    let entries = house.board.time_entries(&TimeQuery::default()).await.unwrap().items;
    assert_eq!(entries.iter().map(|entry| entry.seconds).collect::<Vec<_>>(), [7_200, 3_600]);
}

#[tokio::test]
async fn an_event_is_edited_in_the_fields_that_are_named_and_stays_in_the_others() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let add = r#"{"events": [{"eventTitle": "Fair", "dateFrom": "2026-11-03", "dateTo": "2026-11-05"}, {"eventTitle": "Call", "dateFrom": "2026-11-03T09:00", "dateTo": "2026-11-03T10:00"}]}"#;
    call(&house, "bulkAddEvents", add, &ada).await.unwrap();
    let edit = r#"{"updates": [{"id": 1, "eventTitle": "Trade fair"}, {"id": 2, "dateTo": "2026-11-03T11:00"}, {"id": 1}], "atomic": false}"#;
    let value = call(&house, "bulkEditEvents", edit, &ada).await.unwrap().value;
    assert_eq!((number(&value, "done"), code(&items(&value)[2])), (2, Some("invalid_arguments")));
    let fair = house.board.event(EventId(1)).await.unwrap();
    let days =
        When::Days { first: "2026-11-03".parse().unwrap(), last: "2026-11-05".parse().unwrap() };
    assert_eq!((fair.title.as_str(), fair.when), ("Trade fair", days));
    let call = house.board.event(EventId(2)).await.unwrap();
    let When::Timed(span) = call.when else { panic!("{call:?}") };
    assert_eq!(call.title, "Call");
    assert_eq!((span.to - span.from).num_minutes(), 120);
}

#[tokio::test]
async fn what_many_did_is_taken_back_one_by_one() {
    let house = House::build().await;
    let context = agent(&house, &["*"]).await;
    let ada = house.person("Ada").await;
    let before = house.the_task().await;
    let neighbour = house.board.task(house.neighbour).await.unwrap();
    for atomic in ["", ", \"atomic\": true"] {
        for args in [
            r#"{"updates": [{"id": 1, "priority": 1, "addTags": ["x"], "dateToFinish": null}, {"id": 3, "params": {"headline": "New", "planHours": 3}}]"#,
        ] {
            call(&house, "bulkEditTasks", &format!("{args}{atomic}}}"), &context).await.unwrap();
        }
        call(&house, "bulkAddTasks", &format!("{TWO}{atomic}}}"), &context).await.unwrap();
        let effects = std::mem::take(&mut *house.journal.effects.lock().unwrap());
        assert_eq!(effects.len(), 4);
        for effect in effects.into_iter().rev() {
            let Some(EffectResult::Done { inverse, .. }) = effect.result else { panic!() };
            let inverse = inverse.unwrap();
            house.tools.call(&inverse.tool, inverse.args, &ada).await.unwrap();
        }
        let now = house.the_task().await;
        assert_eq!((now.priority, &now.tags, now.due), (before.priority, &before.tags, before.due));
        let now = house.board.task(house.neighbour).await.unwrap();
        assert_eq!((&now.headline, now.plan_hours), (&neighbour.headline, neighbour.plan_hours));
        assert_eq!(headlines(&house).await.len(), 4);
    }
}
