//! Each fault that was seen in Leantime's own server, and a proof that ours does not have it.
//!
//! Proved elsewhere:
//! - *A result is one block of Markdown, with neither structure nor a schema*:
//!   `mcp::http::a_tool_is_called_and_answers_with_structure_and_a_text_that_stands_alone`,
//!   `mcp::listing::what_a_tool_answers_is_what_its_schema_says`,
//!   `flow::tools::table::results_fit_the_schemas_that_are_listed`.
//! - *There are neither resources nor prompts*: `mcp::reading::what_is_listed_can_be_read_and_nothing_else`,
//!   `mcp::reading::a_prompt_is_filled_in_with_todays_date_and_names_are_completed`.
//! - *Annotations are on readers only*: here, and how they are listed by
//!   `mcp::listing::every_tool_is_listed_as_all_hosts_bear_it`.
//! - *A failure is an error of code 0 with a raw message*: here, and as a result with `isError` and a
//!   code by `mcp::http::an_error_that_the_caller_can_mend_is_a_result_with_a_stable_code`.
//! - *`editProject` fails without a name*:
//!   `flow::tools::around::a_project_is_found_by_a_term_and_its_id_is_one_that_tools_take`,
//!   `flow::tools::around::a_patched_project_keeps_what_is_not_named_and_can_be_put_back`.
//! - *`addTask` sets neither tags nor priority, storypoints or acceptance criteria, and one status*:
//!   `flow::tools::beyond_leantime::every_tool_that_makes_or_edits_a_task_takes_the_same_fields`.
//! - *`findProject` mangles the id*:
//!   `flow::tools::around::a_project_is_found_by_a_term_and_its_id_is_one_that_tools_take`.
//! - *`scheduleDay` mixes up the lengths of `taskIds`*:
//!   `flow::tools::planning::tasks_of_a_day_take_their_own_hours_and_may_be_planned_anew`.
//! - *`bulkEditTasks` takes flat fields only*: here, and
//!   `flow::tools::bulk::what_many_did_is_taken_back_one_by_one`.
//! - *`editEvent` makes every event one of whole days*:
//!   `flow::tools::calendar::an_event_stays_all_day_or_not_unless_told`; a bad date erases nothing of
//!   one, nor of a goal: `flow::tools::calendar::what_is_no_date_or_no_order_is_refused_and_erases_nothing`,
//!   `flow::tools::goals::what_an_edit_does_not_name_stays_and_a_bad_date_erases_nothing`.
//! - *`stopTimer` stops what does not run*:
//!   `flow::tools::time::stopping_a_timer_when_none_runs_is_an_error`.
//! - *A key that only reads edits tasks*: `flow::tools::limits::every_tool_asks_for_its_role_and_no_more`,
//!   `mcp::guard::a_role_below_the_required_one_is_not_let_in_and_a_token_gives_no_more_than_its_own`.
//! - *"Mine" of a key is an empty list*: `mcp::guard::a_service_key_is_nobody_and_nothing_is_its_own`,
//!   `flow::tools::time::a_service_key_has_no_time_of_its_own_but_may_name_a_person`.

use super::goals::{call, ids, refused};
use crate::support::house::{House, json};
use rota::domain::{MilestoneId, Reason, Timestamp, Value};
use rota::tools::{Context, ToolKind};
use serde_json::{Value as Json, json as js};
use std::collections::BTreeSet;
use std::time::Duration;

/// A call's answer as JSON.
async fn shown(house: &House, context: &Context, tool: &str, args: &str) -> Json {
    serde_json::to_value(call(house, context, tool, args).await).unwrap()
}

#[tokio::test]
async fn a_task_is_shown_with_the_label_of_its_status_its_parts_and_what_was_said() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    call(&house, &ada, "editTask", r#"{"id":1,"params":{"status":"In Progress"}}"#).await;
    let said = r#"{"module":"ticket","entityId":1,"text":"Half of it is done."}"#;
    call(&house, &ada, "addComment", said).await;
    let shown = house.tools.call("getTicket", json(r#"{"id":1}"#), &ada).await.unwrap();
    let task = serde_json::to_value(&shown.value).unwrap();
    assert_eq!((&task["status"], &task["status_label"]), (&js!(4), &js!("In Progress")));
    assert_eq!(task["status_kind"], "in_progress");
    assert_eq!(task["subtasks"][0]["headline"], "Write the test");
    assert_eq!(task["comments"][0]["text"], "Half of it is done.");
    for part in ["status_label: In Progress", "Write the test", "Half of it is done."] {
        assert!(shown.text.contains(part), "the text alone says it: {}", shown.text);
    }
}

#[tokio::test]
async fn labels_come_with_their_kinds_in_the_order_of_the_columns() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let rows = |labels: &Json| -> Json {
        let rows = labels["items"].as_array().unwrap().iter();
        rows.map(|one| js!([one["id"], one["label"], one["kind"], one["order"]])).collect()
    };
    let labels = shown(&house, &ada, "getStatusLabels", r#"{"projectId":"Website"}"#).await;
    let expected = js!([
        [3, "New", "new", 0],
        [1, "Blocked", "blocked", 1],
        [4, "In Progress", "in_progress", 2],
        [2, "Waiting for Approval", "waiting", 3],
        [0, "Done", "done", 4],
    ]);
    assert_eq!(rows(&labels), expected);
    let own = r#"{"id":"Shop","statuses":[{"id":0,"label":"Sold","kind":"done"},
        {"id":3,"label":"Ordered","kind":"new"}]}"#;
    call(&house, &ada, "editProject", own).await;
    let labels = shown(&house, &ada, "getStatusLabels", r#"{"projectId":"Shop"}"#).await;
    assert_eq!(rows(&labels), js!([[0, "Sold", "done", 0], [3, "Ordered", "new", 1]]));
}

#[tokio::test]
async fn tasks_are_found_by_when_they_were_changed() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    // All were made on the third; it is noon in Berlin.
    house.clock.advance(Duration::from_hours(24));
    call(&house, &ada, "editTask", r#"{"id":3,"params":{"priority":1}}"#).await;
    house.clock.advance(Duration::from_hours(48));
    call(&house, &ada, "editTask", r#"{"id":4,"params":{"priority":1}}"#).await;
    for (range, expected) in [
        (r#""dateRangeFrom":"2026-11-04""#, &[3, 4][..]),
        (r#""dateRangeFrom":"2026-11-04","projectIds":["Website"]"#, &[3]),
        (r#""dateRangeFrom":"2026-11-05""#, &[4]),
        (r#""dateRangeFrom":"yesterday""#, &[4]),
        (r#""dateRangeFrom":"tomorrow""#, &[]),
        (r#""dateRangeFrom":"2026-11-04T12:00:00+01:00""#, &[3, 4]),
        (r#""dateRangeFrom":"2026-11-04T12:00:01+01:00""#, &[4]),
        (r#""dateRangeTo":"2026-11-02""#, &[]),
        (r#""dateRangeTo":"2026-11-03""#, &[1, 2]),
        (r#""dateRangeTo":"2026-11-04""#, &[1, 2, 3]),
        (r#""dateRangeTo":"2026-11-04T11:00:00Z""#, &[1, 2]),
        (r#""dateRangeTo":"today""#, &[1, 2, 3, 4]),
        (r#""dateRangeFrom":"2026-11-04","dateRangeTo":"2026-11-05""#, &[3]),
        (r#""dateRangeFrom":"2026-11-03","dateRangeTo":"2026-11-04","status":"done""#, &[]),
    ] {
        let found = call(&house, &ada, "findTasks", &format!("{{{range}}}")).await;
        assert_eq!(ids(&found), expected, "{range}");
    }
    for (range, said) in
        [(r#"{"dateRangeFrom":"soon"}"#, "dateRangeFrom"), (r#"{"dateRangeTo":""}"#, "dateRangeTo")]
    {
        let (reason, message) = refused(&house, &ada, "findTasks", range).await;
        assert_eq!(reason, Reason::InvalidArguments, "{range}");
        assert!(message.contains(said), "{message}");
    }
}

#[tokio::test]
async fn of_more_tasks_than_a_page_shows_none_is_left_out() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let one = r#"{"projectId":1,"headline":"One of many"}"#;
    let many = format!(r#"{{"tasks":[{}]}}"#, vec![one; 25].join(","));
    call(&house, &ada, "bulkAddTasks", &many).await;
    let first = call(&house, &ada, "findTasks", r#"{"projectIds":[1]}"#).await;
    let next = first.get("next").and_then(Value::as_text).expect("there are more");
    let rest = js!({ "projectIds": [1], "cursor": next }).to_string();
    let rest = call(&house, &ada, "findTasks", &rest).await;
    assert_eq!((ids(&first).len(), ids(&rest).len(), rest.get("next")), (20, 8, None));
    let all: BTreeSet<i64> = ids(&first).into_iter().chain(ids(&rest)).collect();
    assert_eq!(all.len(), 28, "each once");
}

#[tokio::test]
async fn an_instant_is_the_same_one_for_callers_of_all_zones_wherever_it_is_shown() {
    let instant = |text: &Json| -> Timestamp {
        let text = text.as_str().unwrap_or_else(|| panic!("{text} is no instant"));
        text.parse::<Timestamp>().unwrap_or_else(|e| panic!("{text}: {e}"))
    };
    let (from, to) = (js!("2026-11-03T09:00:00-08:00"), js!("2026-11-03T10:30:00-08:00"));
    let (now, end) = (js!("2026-11-03T11:00:00Z"), js!("2026-11-03T11:25:00Z"));
    for zone in [
        chrono_tz::Europe::Berlin,
        chrono_tz::America::Los_Angeles,
        chrono_tz::Asia::Kathmandu,
        chrono_tz::UTC,
    ] {
        let house = House::build().await;
        let mut ada = house.person("Ada").await;
        ada.zone = zone;
        call(&house, &ada, "editTask", r#"{"id":3,"params":{"editorId":"me"}}"#).await;
        let planned = js!({ "id": 3, "editFrom": from, "editTo": to }).to_string();
        call(&house, &ada, "scheduleTaskOnCalendar", &planned).await;
        let timer = shown(&house, &ada, "startTimer", r#"{"duration":"25m","taskId":3}"#).await;
        let task = shown(&house, &ada, "getTicket", r#"{"id":3}"#).await;
        let span = js!({ "from": from, "until": to }).to_string();
        let day = shown(&house, &ada, "getCalendar", &span).await;
        let log = shown(&house, &ada, "getActivity", r#"{"taskId":3,"limit":1}"#).await;
        for (what, told, meant) in [
            ("work_from", &task["work_from"], &from),
            ("work_to", &task["work_to"], &to),
            ("modified", &task["modified"], &now),
            ("from of the calendar", &day["from"], &from),
            ("from in the calendar", &day["items"][0]["from"], &from),
            ("to in the calendar", &day["items"][0]["to"], &to),
            ("at", &log["items"][0]["at"], &now),
            ("started", &timer["after"]["started"], &now),
            ("until", &timer["after"]["until"], &end),
        ] {
            assert_eq!(instant(told), instant(meant), "{what} in {zone}");
        }
    }
}

/// Fields that make no sense, what they are refused with, and what is said.
const NONSENSE: &[(&str, Reason, &str)] = &[
    (r#"{"status":"Finished"}"#, Reason::UnknownStatus, "there is no status \"Finished\""),
    (r#"{"status":99}"#, Reason::UnknownStatus, "there is no status \"99\""),
    (r#"{"status":"kind:finished"}"#, Reason::InvalidArguments, "after \"kind:\""),
    (r#"{"dateToFinish":"next week"}"#, Reason::InvalidArguments, "\"next week\" is no date"),
    (r#"{"dateToFinish":""}"#, Reason::InvalidArguments, "dateToFinish: \"\" is no date"),
    (r#"{"dateToFinish":"0000-00-00 00:00:00"}"#, Reason::InvalidArguments, "is no date"),
    (r#"{"editFrom":"31.12.2026"}"#, Reason::InvalidArguments, "editFrom: \"31.12.2026\""),
    (r#"{"headlin":"x"}"#, Reason::InvalidArguments, "did you mean \"headline\"?"),
    (r#"{"headline":" "}"#, Reason::InvalidArguments, "the headline is blank"),
    (r#"{"description":7}"#, Reason::InvalidArguments, "expected a string"),
    (r#"{"editorId":"Nobody Known"}"#, Reason::NotFound, "there is no person \"Nobody Known\""),
    (r#"{"editorId":99}"#, Reason::NotFound, "there is no person \"99\""),
    (r#"{"milestoneId":99}"#, Reason::NotFound, "there is no milestone \"99\""),
    (r#"{"milestoneid":"Lunch"}"#, Reason::NotFound, "there is no milestone \"Lunch\""),
    (r#"{"milestone":1,"milestoneId":1}"#, Reason::InvalidArguments, "milestone is given, too"),
    (r#"{"sprint":99}"#, Reason::InvalidArguments, "sprint 99 is not one of project 1"),
    (r#"{"priority":9}"#, Reason::InvalidArguments, "expected 1 (critical) to 5 (lowest)"),
    (r#"{"priority":"huge"}"#, Reason::InvalidArguments, "expected a priority: 1 to 5"),
    (r#"{"storypoints":"lots"}"#, Reason::InvalidArguments, "storypoints: expected XS"),
    (r#"{"effort":-1}"#, Reason::InvalidArguments, "storypoints of -1"),
    (r#"{"planHours":"two"}"#, Reason::InvalidArguments, "string \"two\""),
    (r#"{"tags":7}"#, Reason::InvalidArguments, "expected a sequence"),
    (r#"{"type":"epic"}"#, Reason::InvalidArguments, "task, story, bug"),
];

/// What fields of the first task are refused with, by each way to edit it: code and text.
async fn refusals(house: &House, context: &Context, fields: &str) -> Vec<(String, String)> {
    let nested = format!(r#"{{"id":1,"params":{fields}}}"#);
    let flat = fields.replacen('{', r#"{"id":1,"#, 1);
    let (reason, message) = refused(house, context, "editTask", &nested).await;
    let mut told = vec![(reason.code().to_owned(), message)];
    for update in [flat, nested] {
        let args = format!(r#"{{"updates":[{update}]}}"#);
        let report = shown(house, context, "bulkEditTasks", &args).await;
        let error = &report["items"][0]["error"];
        let part = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        told.push((part("code"), part("message")));
    }
    told
}

#[tokio::test]
async fn an_edit_that_makes_no_sense_is_refused_and_erases_nothing() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (tool, args) in [
        (
            "addMilestone",
            r#"{"projectId":"Website","headline":"Launch","editFrom":"today","editTo":"+7d"}"#,
        ),
        (
            "editTask",
            r#"{"id":1,"params":{"status":"In Progress","priority":2,"description":"All of it.",
                "editorId":"Bo","dateToFinish":"+3d","editFrom":"today","editTo":"+2d",
                "planHours":3,"storypoints":5,"milestone":"Launch","type":"story"}}"#,
        ),
    ] {
        call(&house, &ada, tool, args).await;
    }
    let before = house.the_task().await;
    for (fields, reason, said) in NONSENSE {
        for (code, message) in refusals(&house, &ada, fields).await {
            assert_eq!(code, reason.code(), "{fields}: {message}");
            assert!(message.contains(said), "{fields}: {message}");
        }
        assert_eq!(house.the_task().await, before, "{fields}");
    }
}

#[tokio::test]
async fn a_milestone_is_taken_under_each_name_that_it_has_there() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let add = r#"{"projectId":"Website","headline":"Launch","editFrom":"today","editTo":"+7d"}"#;
    call(&house, &ada, "addMilestone", add).await;
    for name in ["milestone", "milestoneid", "milestoneId"] {
        for (tool, args) in [
            ("editTask", format!(r#"{{"id":1,"params":{{"{name}":1}}}}"#)),
            ("bulkEditTasks", format!(r#"{{"updates":[{{"id":1,"{name}":"Launch"}}]}}"#)),
            ("bulkEditTasks", format!(r#"{{"updates":[{{"id":1,"params":{{"{name}":"1"}}}}]}}"#)),
        ] {
            call(&house, &ada, tool, &args).await;
            let found = house.the_task().await.milestone;
            assert_eq!(found, Some(MilestoneId(1)), "{tool} {args}");
            call(&house, &ada, "editTask", r#"{"id":1,"params":{"milestoneid":0}}"#).await;
            assert_eq!(house.the_task().await.milestone, None, "0 is none there");
        }
    }
}

#[tokio::test]
async fn what_a_call_lacks_is_said_with_correct_arguments() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let known = include_str!("../../fixtures/leantime-arguments.json");
    let known: Json = serde_json::from_str(known).unwrap();
    let mut lacking = 0;
    for name in known["arguments"].as_object().unwrap().keys() {
        let tool = house.tools.definition(name).unwrap();
        let schema = serde_json::to_value(&**tool.input_schema).unwrap();
        if schema["required"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        lacking += 1;
        let (reason, message) = refused(&house, &ada, name, "{}").await;
        assert_eq!(reason, Reason::InvalidArguments, "{name}: {message}");
        assert!(message.contains("missing field"), "{name}: {message}");
        assert!(message.contains(tool.example), "{name}: {message}");
    }
    assert!(lacking >= 40, "{lacking}");
}

/// Values of another kind than they should be.
const WRONG_KINDS: &[(&str, &str)] = &[
    ("getTicket", r#"{"id":"seven"}"#),
    ("getTicket", r#"{"id":1.5}"#),
    ("getTicket", r#"{"id":true}"#),
    ("getTicket", r#"{"id":[1]}"#),
    ("getProject", r#"{"projectId":{"id":1}}"#),
    ("getAllProjects", r#"{"showClosedProjects":"yes"}"#),
    ("findTasks", r#"{"projectIds":{"id":1}}"#),
    ("findTasks", r#"{"limit":"many"}"#),
    ("findTasks", r#"{"limit":-1}"#),
    ("findTasks", r#"{"limit":0}"#),
    ("findTasks", r#"{"hasDue":"yes"}"#),
    ("findTasks", r#"{"dateRangeFrom":20261103}"#),
    ("getCalendar", r#"{"from":7,"until":"today"}"#),
    ("addTask", r#"{"projectId":1,"headline":7}"#),
    ("addTask", r#"{"projectId":1,"headline":"x","planHours":"two"}"#),
    ("addSubtask", r#"{"parentTicket":"the first","headline":"x"}"#),
    ("addSubtask", r#"{"parentTicket":1,"headline":"x","params":"status=Done"}"#),
    ("editTask", r#"{"id":1,"params":"status=Done"}"#),
    ("editTask", r#"{"id":1,"params":{"tags":{"a":1}}}"#),
    ("bulkAddTasks", r#"{"tasks":[7]}"#),
    ("bulkEditTasks", r#"{"updates":{"id":1,"priority":1}}"#),
    ("addComment", r#"{"module":"ticket","entityId":1,"text":7}"#),
    ("addMilestone", r#"{"projectId":1,"headline":"M","editFrom":"today","editTo":7}"#),
    ("addEvent", r#"{"eventTitle":7,"dateFrom":"today","dateTo":"today"}"#),
    ("addProject", r#"{"name":["x"],"clientId":0}"#),
    ("startTimer", r#"{"duration":25,"taskId":1}"#),
];

#[tokio::test]
async fn a_value_of_the_wrong_kind_is_refused_and_nothing_is_guessed() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (tool, args) in WRONG_KINDS {
        let (reason, message) = refused(&house, &ada, tool, args).await;
        assert_eq!(reason, Reason::InvalidArguments, "{tool} {args}: {message}");
        assert!(message.contains("expected"), "{tool} {args}: {message}");
    }
    assert_eq!(house.happened(), Vec::<String>::new(), "nothing was written");
}

/// Questions about what is not there.
const NOWHERE: &[(&str, &str)] = &[
    ("findTasks", r#"{"projectIds":[99]}"#),
    ("findTasks", r#"{"projectIds":["Website","Nowhere"]}"#),
    ("findTasks", r#"{"assignee":"Nobody Known"}"#),
    ("findTasks", r#"{"userId":99}"#),
    ("findTasks", r#"{"parent":99}"#),
    ("findTasks", r#"{"milestone":99}"#),
    ("findTasks", r#"{"sprint":99}"#),
    ("getTicket", r#"{"id":99}"#),
    ("getProject", r#"{"projectId":99}"#),
    ("getStatusLabels", r#"{"projectId":99}"#),
    ("getFullProjectOverview", r#"{"projectId":99}"#),
    ("findMilestones", r#"{"projectId":99}"#),
    ("getMilestone", r#"{"id":99}"#),
    ("findSprints", r#"{"projectId":99}"#),
    ("getComments", r#"{"module":"ticket","entityId":99}"#),
    ("getComments", r#"{"module":"goal","entityId":99}"#),
    ("getComments", r#"{"module":"project","entityId":99}"#),
    ("getAllProjectComments", r#"{"projectId":99}"#),
    ("getProjectsAssignedToUser", r#"{"userId":99}"#),
    ("getAllStatusLabelsByUserId", r#"{"userId":"Nobody Known"}"#),
    ("getCalendar", r#"{"from":"today","until":"+7d","userId":99}"#),
    ("getUserTimesheets", r#"{"dateFrom":"today","dateTo":"today","userId":99}"#),
    ("getProjectTimesheets", r#"{"dateFrom":"today","dateTo":"today","projectId":99}"#),
    ("getWeeklyTimesheets", r#"{"weekStart":"today","projectId":99}"#),
    (
        "getTimesheetSummary",
        r#"{"dateFrom":"today","dateTo":"today","groupBy":"day","projectId":99}"#,
    ),
];

#[tokio::test]
async fn what_is_not_there_is_an_error_and_what_has_nothing_an_empty_list() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (tool, args) in NOWHERE {
        let (reason, message) = refused(&house, &ada, tool, args).await;
        assert_eq!(reason, Reason::NotFound, "{tool} {args}: {message}");
    }
    for (tool, args) in [
        (
            "addMilestone",
            r#"{"projectId":"Website","headline":"Launch","editFrom":"today","editTo":"+7d"}"#,
        ),
        (
            "addSprint",
            r#"{"projectId":"Website","name":"One","startDate":"today","endDate":"+2w"}"#,
        ),
    ] {
        call(&house, &ada, tool, args).await;
    }
    for (tool, args) in [
        ("findTasks", r#"{"parent":3}"#),
        ("findTasks", r#"{"milestone":1}"#),
        ("findTasks", r#"{"sprint":1}"#),
        ("getComments", r#"{"module":"ticket","entityId":3}"#),
        ("getComments", r#"{"module":"project","entityId":"Shop"}"#),
    ] {
        assert!(ids(&call(&house, &ada, tool, args).await).is_empty(), "{tool} {args}");
    }
}

#[tokio::test]
async fn a_timer_is_told_in_words_and_not_in_the_code_of_a_page() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let start = json(r#"{"duration":"25m","taskId":1}"#);
    let told = house.tools.call("startTimer", start, &ada).await.unwrap().text;
    assert!(
        told.contains("duration: 25m") && told.contains("until: 2026-11-03T11:25:00"),
        "{told}"
    );
    assert!(!told.contains("[timer"), "{told}");
}

#[tokio::test]
async fn what_a_call_does_to_the_board_is_told_by_its_annotations() {
    let house = House::build().await;
    let begins = |name: &str, words: &[&str]| words.iter().any(|word| name.starts_with(word));
    let (mut losing, mut alike, mut anew) = (0, 0, 0);
    for tool in house.tools.definitions().filter(|tool| tool.kind == ToolKind::Write) {
        let (name, hints) = (tool.name, tool.annotations);
        // A second call of these adds another one; of a tag and of a dependency there is one.
        let adds = begins(name, &["add", "create", "bulkAdd", "log", "bulkLog"])
            && !["addTag", "addDependency"].contains(&name);
        if name.starts_with("delete") {
            assert!(hints.destructive && hints.idempotent, "{name}");
            losing += 1;
        } else if begins(name, &["edit", "patch", "remove", "bulkEdit"]) {
            assert!(!hints.destructive && hints.idempotent, "{name}");
            alike += 1;
        } else if adds {
            assert!(!hints.destructive && !hints.idempotent, "{name}");
            anew += 1;
        }
    }
    assert!(losing >= 5 && alike >= 8 && anew >= 10, "{losing} {alike} {anew}");
}
