//! What our tools take beside Leantime's arguments, and the words for what it takes as numbers.

use super::goals::{call, ids, refused};
use crate::support::house::House;
use rota::board::{Milestones as _, Tasks as _};
use rota::domain::{MilestoneId, Reason, StatusId, Task, TaskId, TaskKind, TimeKind, Value};
use rota::tools::Context;
use std::time::Duration;

const FIELDS: &str = r#""priority":"high","tags":["a","b"],"storypoints":5,"planHours":2.5,
    "acceptanceCriteria":"It works.","type":"bug","status":"In Progress""#;

/// The task that a call made or changed, as the board has it.
async fn left_by(house: &House, context: &Context, tool: &str, args: &str) -> Task {
    let done = call(house, context, tool, args).await;
    let one = done.get("items").and_then(Value::as_list).map_or(&done, |items| &items[0]);
    let id = one.get("id").and_then(Value::as_int);
    let id = id.unwrap_or_else(|| panic!("{tool} {args}: {done}"));
    house.board.task(TaskId(id)).await.unwrap()
}

/// Edits the first task, and says what became of it.
async fn edited(house: &House, context: &Context, field: &str, value: &str) -> Task {
    let args = format!(r#"{{"id":1,"params":{{"{field}":{value}}}}}"#);
    left_by(house, context, "editTask", &args).await
}

#[tokio::test]
async fn every_tool_that_makes_or_edits_a_task_takes_the_same_fields() {
    let new = r#""projectId":"Website","headline":"New""#;
    let part = r#""headline":"New""#;
    for (tool, args, parent) in [
        ("addTask", format!("{{{new},{FIELDS}}}"), None),
        ("addTask", format!(r#"{{{new},"params":{{{FIELDS}}}}}"#), None),
        ("addSubtask", format!(r#"{{"parentTicket":1,{part},{FIELDS}}}"#), Some(1)),
        ("addSubtask", format!(r#"{{"parentTicket":1,{part},"params":{{{FIELDS}}}}}"#), Some(1)),
        ("editTask", format!(r#"{{"id":3,"params":{{{FIELDS}}}}}"#), None),
        ("bulkAddTasks", format!(r#"{{"tasks":[{{{new},{FIELDS}}}]}}"#), None),
        (
            "createSubtasksForTask",
            format!(r#"{{"parentTaskId":1,"subtasks":[{{{part},{FIELDS}}}]}}"#),
            Some(1),
        ),
        ("bulkEditTasks", format!(r#"{{"updates":[{{"id":3,{FIELDS}}}]}}"#), None),
    ] {
        let house = House::build().await;
        let ada = house.person("Ada").await;
        let task = left_by(&house, &ada, tool, &args).await;
        assert_eq!((task.priority, task.storypoints), (Some(2), Some(5.0)), "{tool} {args}");
        assert_eq!(task.plan_hours, Some(2.5), "{tool} {args}");
        assert_eq!(task.acceptance_criteria, "It works.", "{tool} {args}");
        assert_eq!((task.kind, task.status), (TaskKind::Bug, StatusId(4)), "{tool} {args}");
        assert_eq!(task.tags, ["a", "b"], "{tool} {args}");
        assert_eq!(task.parent.map(|id| id.0), parent, "{tool} {args}");
    }
}

#[tokio::test]
async fn a_part_is_a_subtask_unless_it_is_said_to_be_something_else() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (tool, args, kind) in [
        ("addSubtask", r#"{"parentTicket":1,"headline":"x"}"#, TaskKind::Subtask),
        ("addSubtask", r#"{"parentTicket":1,"headline":"x","type":"story"}"#, TaskKind::Story),
        ("addTask", r#"{"projectId":1,"headline":"x","params":{"parent":1}}"#, TaskKind::Subtask),
        (
            "addTask",
            r#"{"projectId":1,"headline":"x","type":"bug","params":{"parent":1}}"#,
            TaskKind::Bug,
        ),
    ] {
        let task = left_by(&house, &ada, tool, args).await;
        assert_eq!((task.kind, task.parent), (kind, Some(TaskId(1))), "{tool} {args}");
    }
    for (args, said) in [
        (
            r#"{"parentTicket":1,"headline":"x","params":{"parent":3}}"#,
            "parentTicket is the parent",
        ),
        (r#"{"parentTicket":1,"headline":"x","type":"bug","params":{"type":"bug"}}"#, "params has"),
        (r#"{"parentTicket":1,"headline":"x","params":{"typ":"bug"}}"#, "typ"),
    ] {
        let (reason, message) = refused(&house, &ada, "addSubtask", args).await;
        assert_eq!(reason, Reason::InvalidArguments, "{args}: {message}");
        assert!(message.contains(said), "{message}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_of_many_stops_no_other() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (tool, args) in [
        (
            "bulkAddTasks",
            r#"{"tasks":[{"projectId":1,"headline":"A","effort":"huge"},
                {"projectId":1,"headline":"B","effort":"XL","milestoneid":0,"tags":"a, b"}]}"#,
        ),
        (
            "bulkEditTasks",
            r#"{"updates":[{"id":3,"storypoints":"huge"},{"id":1,"effort":"xl","tags":"a,b"}]}"#,
        ),
        (
            "createSubtasksForTask",
            r#"{"parentTaskId":1,"subtasks":[{"headline":"A","effort":"huge"},
                {"headline":"B","effort":"8","tags":"b,a"}]}"#,
        ),
    ] {
        let report = serde_json::to_value(call(&house, &ada, tool, args).await).unwrap();
        let error = &report["items"][0]["error"];
        assert_eq!(error["code"], "invalid_arguments", "{tool}: {report:#}");
        assert!(error["message"].as_str().unwrap().contains("XS, S, M"), "{error:#}");
        let id = TaskId(report["items"][1]["id"].as_i64().unwrap());
        let task = house.board.task(id).await.unwrap();
        assert_eq!((task.storypoints, task.milestone), (Some(8.0), None), "{tool}");
        assert_eq!(task.tags, ["a", "b"], "{tool}");
    }
}

#[tokio::test]
async fn a_size_and_a_priority_are_given_as_a_number_or_in_a_word() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (size, points) in [
        ("\"XS\"", 1.0),
        ("\"s\"", 2.0),
        ("\"M\"", 3.0),
        ("\"l\"", 5.0),
        ("\" XL \"", 8.0),
        ("\"xxl\"", 13.0),
        ("\"8\"", 8.0),
        ("2.5", 2.5),
    ] {
        for field in ["effort", "storypoints"] {
            edited(&house, &ada, field, "null").await;
            let task = edited(&house, &ada, field, size).await;
            assert_eq!(task.storypoints, Some(points), "{field} {size}");
        }
    }
    for (priority, number) in [
        ("\"critical\"", 1),
        ("\"Urgent\"", 1),
        ("\"high\"", 2),
        ("\"important\"", 2),
        ("\"medium\"", 3),
        ("\"normal\"", 3),
        ("\"low\"", 4),
        ("\"minor\"", 4),
        ("\"lowest\"", 5),
        ("\"trivial\"", 5),
        ("\" 2 \"", 2),
        ("4", 4),
    ] {
        edited(&house, &ada, "priority", "null").await;
        let task = edited(&house, &ada, "priority", priority).await;
        assert_eq!(task.priority, Some(number), "{priority}");
    }
}

#[tokio::test]
async fn a_task_is_given_to_somebody_by_name_or_id_and_to_nobody_in_three_ways() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (who, expected) in [
        ("\"me\"", Some(1)),
        ("0", Some(1)),
        ("\"bo\"", Some(3)),
        ("3", Some(3)),
        ("\"#3\"", Some(3)),
        ("null", None),
        ("\"none\"", None),
        ("\"\"", None),
    ] {
        edited(&house, &ada, "editorId", "\"AI-Developer\"").await;
        let task = edited(&house, &ada, "editorId", who).await;
        assert_eq!(task.assignee.map(|id| id.0), expected, "{who}");
    }
}

#[tokio::test]
async fn a_day_is_given_in_words_and_echoed_as_the_instant_that_it_came_to() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    // It is a Tuesday.
    for (day, due) in [
        ("2026-12-04", "2026-12-04T22:59:59Z"),
        ("friday", "2026-11-06T22:59:59Z"),
        ("today", "2026-11-03T22:59:59Z"),
        ("+3d", "2026-11-06T22:59:59Z"),
        ("2026-12-04T09:00", "2026-12-04T08:00:00Z"),
        ("+2h", "2026-11-03T13:00:00Z"),
    ] {
        let args = format!(r#"{{"id":3,"params":{{"dateToFinish":"{day}"}}}}"#);
        let done = call(&house, &ada, "editTask", &args).await;
        let after = done.get("after").and_then(|after| after.get("due"));
        assert_eq!(after.and_then(Value::as_text), Some(due), "{day}");
    }
}

#[tokio::test]
async fn a_colour_is_given_by_name_or_in_hexadecimal() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let add = |color: &str| {
        format!(
            r#"{{"projectId":1,"headline":"M","editFrom":"today","editTo":"+7d","color":"{color}"}}"#
        )
    };
    for (color, hex) in [
        ("blue", "#1b75bb"),
        ("Red", "#c62828"),
        ("GREY", "#5f6368"),
        ("gray", "#5f6368"),
        ("#12ab56", "#12ab56"),
    ] {
        let made = call(&house, &ada, "addMilestone", &add(color)).await;
        let id = MilestoneId(made.get("id").and_then(Value::as_int).unwrap());
        assert_eq!(house.board.milestone(id).await.unwrap().color, hex, "{color}");
        let paint = |color: &str| format!(r#"{{"id":{id},"params":{{"color":"{color}"}}}}"#);
        call(&house, &ada, "editMilestone", &paint("#000000")).await;
        call(&house, &ada, "editMilestone", &paint(color)).await;
        assert_eq!(house.board.milestone(id).await.unwrap().color, hex, "{color}");
    }
    for color in ["mauve", "#12345", "1b75bb", "#gggggg", ""] {
        let (reason, message) = refused(&house, &ada, "addMilestone", &add(color)).await;
        assert_eq!(reason, Reason::InvalidArguments, "{color}");
        assert!(message.contains("#rrggbb") && message.contains("blue"), "{message}");
    }
}

#[tokio::test]
async fn every_kind_of_work_is_named_by_its_code_or_its_label() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for kind in TimeKind::ALL {
        for name in [kind.as_str(), kind.label(), &kind.label().to_lowercase()] {
            let args = format!(r#"{{"ticketId":1,"hours":0.25,"date":"today","kind":"{name}"}}"#);
            let logged = call(&house, &ada, "logTime", &args).await;
            let stored = logged.get("after").and_then(|after| after.get("kind"));
            assert_eq!(stored.and_then(Value::as_text), Some(kind.as_str()), "{name}");
        }
    }
}

#[tokio::test]
async fn tasks_are_found_by_what_leantime_cannot_be_asked() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let add = r#"{"projectId":"Website","headline":"Launch","editFrom":"today","editTo":"+7d"}"#;
    call(&house, &ada, "addMilestone", add).await;
    for edit in [
        r#"{"id":3,"params":{"editorId":"Bo","tags":["a","b"],"dateToFinish":"yesterday",
            "milestone":"Launch"}}"#,
        r#"{"id":4,"params":{"editorId":"AI-Developer","tags":["b"],"status":"Blocked"}}"#,
    ] {
        house.clock.advance(Duration::from_hours(1));
        call(&house, &ada, "editTask", edit).await;
    }
    for (args, expected) in [
        (r#"{"tags":"b"}"#, &[3, 4][..]),
        (r#"{"tags":["a","b"]}"#, &[3]),
        (r#"{"tagsAny":["a","AI-Suitable"]}"#, &[1, 3]),
        (r#"{"tagsNone":"b"}"#, &[1, 2]),
        (r#"{"assignee":"bo"}"#, &[3]),
        (r#"{"assignee":3}"#, &[3]),
        (r#"{"userId":"Bo"}"#, &[3]),
        (r#"{"assignee":"person"}"#, &[3]),
        (r#"{"assignee":"any"}"#, &[1, 2, 3, 4]),
        (r#"{"status":"kind:blocked"}"#, &[4]),
        (r#"{"status":"Blocked"}"#, &[4]),
        (r#"{"projectIds":["Shop"],"status":1}"#, &[4]),
        (r#"{"hasDue":false}"#, &[2, 4]),
        (r#"{"dueFrom":"yesterday","dueTo":"yesterday"}"#, &[3]),
        (r#"{"dueFrom":"today"}"#, &[1]),
        (r#"{"milestone":1}"#, &[3]),
        (r#"{"type":["subtask","bug"]}"#, &[2]),
        // It is two hours later: the third was changed one hour ago, the fourth just now.
        (r#"{"unchangedFor":"90m"}"#, &[1, 2]),
        (r#"{"unchangedFor":"30m"}"#, &[1, 2, 3]),
        (r#"{"order":"modified","limit":2}"#, &[4, 3]),
        (r#"{"order":"due","hasDue":true}"#, &[3, 1]),
        (r#"{"order":"id"}"#, &[1, 2, 3, 4]),
    ] {
        let found = call(&house, &ada, "findTasks", args).await;
        assert_eq!(ids(&found), expected, "{args}");
    }
}
