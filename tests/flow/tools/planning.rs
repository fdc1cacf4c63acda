//! Finding time for work: within working hours, beside what is there, in the caller's zone.

use crate::support::house::{House, json};
use rota::board::{Calendar as _, Tasks as _};
use rota::domain::{EventQuery, TaskId, TaskQuery, Value};
use rota::tools::Context;

/// Of each item: begin and end in UTC, or the code of its error.
async fn planned(house: &House, tool: &str, args: &str, context: &Context) -> Vec<String> {
    let value = house.tools.call(tool, json(args), context).await.unwrap().value;
    let items = value.get("items").and_then(Value::as_list).unwrap().to_vec();
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_text).map(str::to_owned);
    items
        .iter()
        .map(|item| {
            if let Some(error) = item.get("error") {
                return text(error, "code").unwrap();
            }
            let after = item.get("after").unwrap();
            let from = text(after, "dateFrom").or_else(|| text(after, "work_from"));
            let to = text(after, "dateTo").or_else(|| text(after, "work_to"));
            let short = |at: Option<String>| {
                let at = at.unwrap_or_default().replace("+00:00", "Z").replace(":00Z", "");
                at.replace("2026-", "")
            };
            format!("{} {}", short(from), short(to))
        })
        .collect()
}

async fn event(house: &House, context: &Context, from: &str, to: &str) {
    let args = format!(r#"{{"eventTitle": "Busy", "dateFrom": "{from}", "dateTo": "{to}"}}"#);
    house.tools.call("addEvent", json(&args), context).await.unwrap();
}

#[tokio::test]
async fn a_day_is_planned_by_urgency_within_hours_and_around_what_is_there() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    // It is noon in Berlin on the third; the fourth is planned. 10:00 to 11:00 is taken.
    event(&house, &ada, "2026-11-04T10:00", "2026-11-04T11:00").await;
    // Whole days and other people's days are in nobody's way.
    event(&house, &ada, "2026-11-04", "2026-11-04").await;
    let ai = house.person("AI-Developer").await;
    event(&house, &ai, "2026-11-04T09:00", "2026-11-04T18:00").await;
    let args = r#"{"date": "2026-11-04", "events": [{"title": "Mail", "duration": 30},
        {"title": "Draft", "duration": 120, "priority": 2}, {"title": "Call", "duration": 45, "priority": 1},
        {"title": "Long", "duration": 600}]}"#;
    let places = planned(&house, "scheduleDay", args, &ada).await;
    // The call comes first, the draft finds no gap before eleven in Berlin, the mail none before it.
    let expected = [
        "11-04T12:00 11-04T12:30",
        "11-04T10:00 11-04T12:00",
        "11-04T08:00 11-04T08:45",
        "invalid_arguments",
    ];
    assert_eq!(places, expected);
    let events = house.board.events(&EventQuery::default()).await.unwrap().items;
    assert_eq!(events.len(), 6, "the one that did not fit was not added");
}

#[tokio::test]
async fn tasks_of_a_day_take_their_own_hours_and_may_be_planned_anew() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (id, params) in [
        (1, r#"{"planHours": 8, "hoursRemaining": 2, "priority": 1, "editorId": "me"}"#),
        (3, r#"{"planHours": 3, "editorId": "me"}"#),
        (4, r#"{"editorId": "me", "editFrom": "2026-11-04T09:00", "editTo": "2026-11-04T18:00"}"#),
    ] {
        let args = format!(r#"{{"id": {id}, "params": {params}}}"#);
        house.tools.call("editTask", json(&args), &ada).await.unwrap();
    }
    let args = r#"{"date": "2026-11-04", "taskIds": [3, 1, 4]}"#;
    let expected =
        ["11-04T10:00 11-04T13:00", "11-04T08:00 11-04T10:00", "11-04T13:00 11-04T14:00"];
    assert_eq!(planned(&house, "scheduleDay", args, &ada).await, expected);
    let task = house.board.task(TaskId(1)).await.unwrap();
    assert_eq!(task.work_from.unwrap().to_rfc3339(), "2026-11-04T08:00:00+00:00");
    // Again comes to the same: what is planned anew is not in its own way.
    assert_eq!(planned(&house, "scheduleDay", args, &ada).await.len(), 3);
    let again = house.board.task(TaskId(1)).await.unwrap();
    assert_eq!(again.revision, task.revision);
}

#[tokio::test]
async fn nothing_is_planned_for_what_has_been() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    house.clock.advance(std::time::Duration::from_secs(61));
    let args = r#"{"date": "today", "events": [{"title": "Now", "duration": 30}]}"#;
    assert_eq!(planned(&house, "scheduleDay", args, &ada).await, ["11-03T11:15 11-03T11:45"]);
    let args = r#"{"date": "yesterday", "events": [{"title": "Late", "duration": 30}]}"#;
    assert_eq!(planned(&house, "scheduleDay", args, &ada).await, ["invalid_arguments"]);
}

#[tokio::test]
async fn the_day_on_which_the_clocks_change_has_the_hours_that_it_has() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    // In Berlin, 2027-03-28 has no 02:00 to 03:00.
    let args = r#"{"date": "2027-03-28", "workingHoursStart": "01:00", "workingHoursEnd": "05:00",
        "events": [{"title": "A", "duration": 120}, {"title": "B", "duration": 60}, {"title": "C", "duration": 60}]}"#;
    let places = planned(&house, "scheduleDay", args, &ada).await;
    assert_eq!(places[2], "invalid_arguments", "{places:?}");
    assert!(places[0].starts_with("2027-03-28T00:00") && places[1].starts_with("2027-03-28T02:00"));
    // Nine o'clock is nine o'clock on both sides of the change.
    let args = r#"{"taskId": 1, "startDate": "2027-03-26", "subtasks": [{"title": "Friday", "duration": 540}, {"title": "Monday", "duration": 60}]}"#;
    let places = planned(&house, "breakdownTask", args, &ada).await;
    assert_eq!(places, ["2027-03-26T08:00 2027-03-26T17:00", "2027-03-29T07:00 2027-03-29T08:00"]);
}

#[tokio::test]
async fn a_task_is_broken_down_in_order_on_working_days_around_the_assignees_events() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let ai = house.person("AI-Developer").await;
    let take = r#"{"id": 1, "params": {"editorId": "AI-Developer"}}"#;
    house.tools.call("editTask", json(take), &ada).await.unwrap();
    // Friday from two o'clock on.
    event(&house, &ai, "2026-11-06T14:00", "2026-11-06T18:00").await;
    let args = r#"{"taskId": 1, "startDate": "2026-11-06", "subtasks": [
        {"title": "Read", "duration": 180, "description": "all of it"}, {"title": "Write", "duration": 240},
        {"title": "Check", "duration": 30}]}"#;
    let dry = args.replacen('{', r#"{"dryRun": true, "#, 1);
    let expected =
        ["11-06T08:00 11-06T11:00", "11-09T08:00 11-09T12:00", "11-09T12:00 11-09T12:30"];
    assert_eq!(planned(&house, "breakdownTask", &dry, &ada).await, expected);
    let parts = TaskQuery { parent: Some(house.task), ..TaskQuery::default() };
    assert_eq!(house.board.tasks(&parts).await.unwrap().items.len(), 1);
    let atomic = args.replacen('{', r#"{"atomic": true, "#, 1);
    assert_eq!(planned(&house, "breakdownTask", &atomic, &ada).await, expected);
    let found = house.board.tasks(&parts).await.unwrap().items;
    let read = found.iter().find(|task| task.headline == "Read").unwrap();
    assert_eq!((read.plan_hours, &*read.description), (Some(3.0), "all of it"));
    assert_eq!(read.assignee, Some(ai.principal.person.id));
    // The next breakdown finds the first in its calendar.
    let more =
        r#"{"taskId": 3, "startDate": "2026-11-06", "subtasks": [{"title": "x", "duration": 60}]}"#;
    house
        .tools
        .call("editTask", json(r#"{"id": 3, "params": {"editorId": "AI-Developer"}}"#), &ada)
        .await
        .unwrap();
    assert_eq!(planned(&house, "breakdownTask", more, &ada).await, ["11-06T11:00 11-06T12:00"]);
}

#[tokio::test]
async fn what_does_not_fit_before_the_end_is_not_planned_and_all_or_nothing_says_so() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let args = r#"{"taskId": 1, "startDate": "2026-11-04", "endDate": "2026-11-04", "subtasks": [{"title": "A", "duration": 400}, {"title": "B", "duration": 400}]"#;
    let error =
        house.tools.call("breakdownTask", json(&format!("{args}, \"atomic\": true}}")), &ada).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("item 1") && error.contains("\"B\"") && error.contains("endDate"),
        "{error}"
    );
    assert_eq!(
        planned(&house, "breakdownTask", &format!("{args}}}"), &ada).await[1],
        "invalid_arguments"
    );
    for (bad, word) in [
        (
            r#"{"taskId": 1, "startDate": "+3d", "endDate": "today", "subtasks": [{"title": "A", "duration": 4}]}"#,
            "endDate",
        ),
        (
            r#"{"taskId": 1, "startDate": "today", "endDate": "+800d", "subtasks": [{"title": "A", "duration": 4}]}"#,
            "endDate",
        ),
        (
            r#"{"taskId": 1, "startDate": "today", "subtasks": [{"title": "A", "duration": -4}]}"#,
            "duration",
        ),
        (r#"{"taskId": 1, "startDate": "today", "subtasks": []}"#, "expected 1 to 100"),
        (
            r#"{"taskId": 1, "startDate": "today", "workingHoursStart": "25:00", "subtasks": [{"title": "A", "duration": 4}]}"#,
            "workingHoursStart",
        ),
        (
            r#"{"taskId": 1, "startDate": "today", "workingHoursEnd": "08:00", "subtasks": [{"title": "A", "duration": 4}]}"#,
            "workingHoursEnd",
        ),
    ] {
        let error =
            house.tools.call("breakdownTask", json(bad), &ada).await.unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[tokio::test]
async fn tasks_are_scheduled_as_said_or_at_the_first_free_time() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for id in [1, 3, 4] {
        let args = format!(r#"{{"id": {id}, "params": {{"editorId": "me"}}}}"#);
        house.tools.call("editTask", json(&args), &ada).await.unwrap();
    }
    event(&house, &ada, "2026-11-04T09:00", "2026-11-04T12:00").await;
    let args = r#"{"schedules": [{"taskId": 1, "editFrom": "2026-11-04", "duration": 60},
        {"taskId": 3, "editFrom": "2026-11-04", "duration": 60},
        {"taskId": 4, "editFrom": "2026-11-07T20:00", "editTo": "2026-11-07T22:00"},
        {"taskId": 4, "editFrom": "2026-11-07"}]}"#;
    let expected = [
        "11-04T11:00 11-04T12:00",
        "11-04T12:00 11-04T13:00",
        "11-07T19:00 11-07T21:00",
        "invalid_arguments",
    ];
    assert_eq!(planned(&house, "bulkScheduleTasks", args, &ada).await, expected);
}
