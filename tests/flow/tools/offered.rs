//! What a run is offered: the playbook's list, and of that only what its scope leaves any call of.

use crate::support::foreign::{Foreign, PinBoard};
use crate::support::house::{House, WEBSITE, json, playbook};
use rota::domain::{Reason, Role, Value, WriteScope};
use rota::tools::{Context, Outer, ToolError, ToolKind, ToolResult};
use rota::upstream::Upstream;
use rota::upstream::pipe::PipedServer;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Calls that could be carried out, of all tools that write on no task, with the least scope that has
/// room for them.
const FAR: [(&str, &str, WriteScope); 20] = [
    (
        "addMilestone",
        r#"{"projectId":"Website","headline":"m","editFrom":"today","editTo":"+7d"}"#,
        WriteScope::Project,
    ),
    (
        "addMilestonesForProject",
        r#"{"projectId":"Website","milestones":[{"headline":"m","editFrom":"today","editTo":"+7d"}]}"#,
        WriteScope::Project,
    ),
    (
        "addProjectStatusUpdate",
        r#"{"projectId":"Website","status":"green","text":"u"}"#,
        WriteScope::Project,
    ),
    (
        "addSprint",
        r#"{"projectId":"Website","name":"s","startDate":"today","endDate":"+7d"}"#,
        WriteScope::Project,
    ),
    (
        "createGoal",
        r#"{"canvasId":"2026","title":"g","description":"","startValue":9,"currentValue":9,"endValue":5}"#,
        WriteScope::Project,
    ),
    ("createGoalboard", r#"{"title":"2027","projectId":"Website"}"#, WriteScope::Project),
    ("deleteGoal", r#"{"id":1}"#, WriteScope::Project),
    ("deleteGoalboard", r#"{"id":2}"#, WriteScope::Project),
    ("deleteSprint", r#"{"id":1}"#, WriteScope::Project),
    ("editGoal", r#"{"id":1,"title":"h"}"#, WriteScope::Project),
    ("editMilestone", r#"{"id":1,"params":{"headline":"n"}}"#, WriteScope::Project),
    ("editProject", r#"{"id":"Website","details":"d"}"#, WriteScope::Project),
    ("patchProject", r#"{"id":"Website","params":{"details":"d"}}"#, WriteScope::Project),
    ("addEvent", r#"{"eventTitle":"e","dateFrom":"today","dateTo":"today"}"#, WriteScope::Board),
    ("addPerson", r#"{"name":"Mallory"}"#, WriteScope::Board),
    ("addProject", r#"{"name":"Newsletter"}"#, WriteScope::Board),
    (
        "bulkAddEvents",
        r#"{"events":[{"eventTitle":"e","dateFrom":"today","dateTo":"today"}]}"#,
        WriteScope::Board,
    ),
    ("bulkEditEvents", r#"{"updates":[{"id":1,"eventTitle":"f"}]}"#, WriteScope::Board),
    ("deleteEvent", r#"{"id":1}"#, WriteScope::Board),
    ("editEvent", r#"{"id":1,"eventTitle":"f"}"#, WriteScope::Board),
];

/// A house with one of each noun, the second goal board empty.
async fn furnished() -> House {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (tool, args) in [
        ("createGoalboard", r#"{"title":"2026","projectId":"Website"}"#),
        ("createGoalboard", r#"{"title":"Empty","projectId":"Website"}"#),
        named("createGoal"),
        named("addMilestone"),
        named("addSprint"),
        named("addEvent"),
    ] {
        house.tools.call(tool, json(args), &ada).await.unwrap();
    }
    house.happened();
    house
}

/// The call of this tool.
fn named(wanted: &str) -> (&'static str, &'static str) {
    let (tool, args, _) = FAR.into_iter().find(|(tool, _, _)| *tool == wanted).unwrap();
    (tool, args)
}

/// An agent that may do everything but for its scope.
async fn mighty(house: &House, scope: WriteScope) -> Context {
    let mut book = playbook(&["*"]);
    book.scope.write = scope;
    let mut context = house.agent(book).await;
    context.principal.person.role = Role::Owner;
    context
}

fn offered(house: &House, context: &Context) -> BTreeSet<&'static str> {
    house.tools.offered(context).iter().map(|tool| tool.name).collect()
}

/// The code of a refusal, also of the one item of several.
fn refusal(outcome: Result<ToolResult, ToolError>) -> Option<String> {
    match outcome {
        Err(error) => Some(error.reason().code().to_owned()),
        Ok(result) => {
            let item = result.value.get("items").and_then(Value::as_list)?.first()?;
            Some(item.get("error")?.get("code")?.as_text()?.to_owned())
        }
    }
}

#[tokio::test]
async fn a_tool_whose_every_write_is_out_of_scope_is_not_offered_and_any_other_is() {
    let house = House::build().await;
    let everything = offered(&house, &mighty(&house, WriteScope::Board).await);
    for scope in [WriteScope::Claimed, WriteScope::Project, WriteScope::Board] {
        let offered = offered(&house, &mighty(&house, scope).await);
        let missing: BTreeSet<&str> = everything.difference(&offered).copied().collect();
        let far = FAR.iter().filter(|(_, _, least)| *least > scope).map(|(tool, _, _)| *tool);
        let far: BTreeSet<&str> = far.collect();
        assert_eq!(missing, far, "{scope:?}");
    }
    for tool in ["editTask", "addComment", "logTime", "bulkEditTasks", "scheduleDay", "finish"] {
        assert!(everything.contains(tool), "{tool}");
    }
}

#[tokio::test]
async fn what_is_not_offered_for_its_scope_is_refused_and_what_is_offered_can_be_done() {
    for scope in [WriteScope::Claimed, WriteScope::Project, WriteScope::Board] {
        for (tool, args, least) in FAR {
            let house = furnished().await;
            let context = mighty(&house, scope).await;
            let refused = refusal(house.tools.call(tool, json(args), &context).await);
            let expected = (least > scope).then(|| Reason::OutOfScope.code().to_owned());
            assert_eq!(refused, expected, "{tool} in {scope:?}");
            let acted = house.happened().iter().any(|step| step.starts_with("act"));
            assert_eq!(acted, expected.is_none(), "{tool} in {scope:?}");
        }
    }
}

#[tokio::test]
async fn a_tool_that_may_be_called_no_time_at_all_is_not_offered() {
    let house = House::build().await;
    let mut book = playbook(&["add*", "codeComment", "getTicket"]);
    for (tool, max) in [("addSubtask", 0), ("addTag", 1), ("getTicket", 0)] {
        book.scope.max.insert(tool.into(), max);
    }
    let context = house.agent(book).await;
    let names = offered(&house, &context);
    assert!(!names.contains("addSubtask"), "{names:?}");
    // What only looks is not counted, so it can be called.
    assert!(names.contains("addTag") && names.contains("getTicket"), "{names:?}");
    let args = json(r#"{"parentTicket":1,"headline":"x"}"#);
    let error = house.tools.call("addSubtask", args, &context).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ScopeMax);
    house.tools.call("getTicket", json(r#"{"id":1}"#), &context).await.unwrap();
}

/// Every tool that makes several calls, with the tools for one and a call that could be carried out.
const SEVERAL: [(&str, &[&str], &str); 10] = [
    (
        "addMilestonesForProject",
        &["addMilestone"],
        r#"{"projectId":"Website","milestones":[{"headline":"m","editFrom":"today","editTo":"+7d"}]}"#,
    ),
    (
        "breakdownTask",
        &["addSubtask"],
        r#"{"taskId":1,"startDate":"+1d","subtasks":[{"title":"s","duration":30}]}"#,
    ),
    (
        "bulkAddEvents",
        &["addEvent"],
        r#"{"events":[{"eventTitle":"e","dateFrom":"today","dateTo":"today"}]}"#,
    ),
    ("bulkAddTasks", &["addTask"], r#"{"tasks":[{"projectId":"Website","headline":"n"}]}"#),
    ("bulkEditEvents", &["editEvent"], r#"{"updates":[{"id":1,"eventTitle":"f"}]}"#),
    ("bulkEditTasks", &["editTask"], r#"{"updates":[{"id":1,"priority":1}]}"#),
    (
        "bulkLogTime",
        &["logTime"],
        r#"{"entries":[{"ticketId":1,"hours":1,"date":"today","kind":"DEVELOPMENT"}]}"#,
    ),
    (
        "bulkScheduleTasks",
        &["scheduleTaskOnCalendar"],
        r#"{"schedules":[{"taskId":1,"editFrom":"+1d","editTo":"+2d"}]}"#,
    ),
    (
        "createSubtasksForTask",
        &["addSubtask"],
        r#"{"parentTaskId":1,"subtasks":[{"headline":"s"}]}"#,
    ),
    (
        "scheduleDay",
        &["addEvent", "scheduleTaskOnCalendar"],
        r#"{"date":"+1d","events":[{"title":"e","duration":30}]}"#,
    ),
];

#[tokio::test]
async fn a_tool_for_several_is_offered_where_any_of_them_could_be_one_of_them() {
    let house = House::build().await;
    let there = house.tools.definitions().filter(|tool| tool.is_bulk()).map(|tool| tool.name);
    assert!(there.eq(SEVERAL.iter().map(|(bulk, ..)| *bulk)), "one is missing here");
    for (bulk, singles, args) in SEVERAL {
        for left in 0..=1 {
            let house = furnished().await;
            let mut context = mighty(&house, WriteScope::Board).await;
            let run = context.run.as_mut().unwrap();
            let mut book = (*run.playbook).clone();
            book.scope.max.extend(singles.iter().map(|single| ((*single).into(), left)));
            run.playbook = Arc::new(book);
            assert_eq!(offered(&house, &context).contains(bulk), left == 1, "{bulk}");
            let refused = refusal(house.tools.call(bulk, json(args), &context).await);
            let expected = (left == 0).then(|| Reason::ScopeMax.code().to_owned());
            assert_eq!(refused, expected, "{bulk} with {left}");
        }
    }
    // One of the two that it makes may still be made.
    let mut context = mighty(&house, WriteScope::Board).await;
    let run = context.run.as_mut().unwrap();
    let mut book = (*run.playbook).clone();
    book.scope.max.insert("addEvent".into(), 0);
    run.playbook = Arc::new(book);
    assert!(offered(&house, &context).contains("scheduleDay"));
}

#[tokio::test]
async fn a_run_without_a_task_that_reaches_its_own_task_only_is_offered_nothing_that_writes() {
    let house = House::build().await;
    for (scope, is_offered) in
        [(WriteScope::Claimed, false), (WriteScope::Project, false), (WriteScope::Board, true)]
    {
        let mut context = mighty(&house, scope).await;
        let run = context.run.as_mut().unwrap();
        (run.task, run.claim) = (None, None);
        let offered = house.tools.offered(&context);
        let writes = offered.iter().any(|tool| tool.kind == ToolKind::Write);
        assert_eq!(writes, is_offered, "{scope:?}");
        assert!(offered.iter().any(|tool| tool.name == "findTasks"), "{scope:?}");
        let error = house.tools.call("addTag", json(r#"{"id":1,"tag":"t"}"#), &context).await;
        assert_eq!(error.is_ok(), is_offered, "{scope:?}");
    }
    // With projects of its own it reaches those.
    let house = House::build().await;
    let mut context = mighty(&house, WriteScope::Project).await;
    let run = context.run.as_mut().unwrap();
    (run.task, run.claim) = (None, None);
    run.projects = vec![WEBSITE];
    assert!(offered(&house, &context).contains("addTag"));
    house.tools.call("addTag", json(r#"{"id":1,"tag":"t"}"#), &context).await.unwrap();
}

#[tokio::test]
async fn people_are_offered_what_no_scope_is_about() {
    let house = House::build().await;
    let names = offered(&house, &house.person("Ada").await);
    assert!(FAR.iter().all(|(tool, _, _)| names.contains(tool)), "{names:?}");
}

#[tokio::test]
async fn a_tool_of_another_server_that_may_be_called_no_time_at_all_is_not_offered() {
    let house = House::build().await;
    let foreign = Arc::new(Foreign::new());
    let server = PipedServer::new("calendar", foreign, Duration::from_secs(30));
    let servers = [("calendar".to_owned(), Arc::new(server) as Arc<dyn Upstream>)];
    house.tools.set_outer(Outer::new(servers.into(), Arc::new(PinBoard::default())));
    let ada = house.person("Ada").await;
    let listed = json(r#"{"server": "calendar"}"#);
    let listed = house.tools.call("listUpstreamTools", listed, &ada).await.unwrap().value;
    let tools = Value::map(listed.as_list().unwrap().iter().map(|row| {
        let name = row.get("tool").unwrap().as_text().unwrap();
        (name.split_once(':').unwrap().1, row.get("fingerprint").unwrap().clone())
    }));
    let args = Value::map([("server", Value::from("calendar")), ("tools", tools)]);
    house.tools.call("acceptUpstreamTools", args, &ada).await.unwrap();
    let mut book = playbook(&["calendar:*"]);
    for tool in ["calendar:add", "calendar:list"] {
        book.scope.max.insert(tool.into(), 0);
    }
    let context = house.agent(book).await;
    let offered = house.tools.offered_outer(&context).await;
    let names: Vec<&str> = offered.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["calendar__list"], "which only looks, and is not counted");
    let add = house.tools.call("calendar:add", Value::map([("day", "today")]), &context).await;
    assert_eq!(add.unwrap_err().reason(), Reason::ScopeMax);
    house.tools.call("calendar:list", Value::map([("day", "today")]), &context).await.unwrap();
}
