//! What the verbs do, and that what they did can be put back.

use crate::support::house::{House, json, playbook};
use rota::board::Tasks as _;
use rota::domain::{Reason, Role, TaskId, ToolCall, Value};
use rota::tools::Context;

async fn found(house: &House, context: &Context, args: &str) -> Vec<i64> {
    let result = house.tools.call("findTasks", json(args), context).await.unwrap();
    let items = result.value.get("items").and_then(Value::as_list).unwrap();
    items.iter().map(|item| item.get("id").and_then(Value::as_int).unwrap()).collect()
}

#[tokio::test]
async fn tasks_are_found_by_every_argument() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (tool, args) in [
        ("editTask", r#"{"id":3,"params":{"status":"In Progress","editorId":"ada","priority":1}}"#),
        ("editTask", r#"{"id":4,"params":{"status":"Done","editorId":"AI-Developer"}}"#),
        (
            "addMilestone",
            r#"{"projectId":"Website","headline":"Launch","editFrom":"today","editTo":"+7d"}"#,
        ),
        ("editTask", r#"{"id":2,"params":{"milestone":"launch","type":"bug"}}"#),
        (
            "addSprint",
            r#"{"projectId":"Website","name":"One","startDate":"today","endDate":"+2w"}"#,
        ),
        ("editTask", r#"{"id":3,"params":{"sprint":1}}"#),
    ] {
        house.tools.call(tool, json(args), &ada).await.unwrap();
    }
    for (args, expected) in [
        ("{}", &[1, 2, 3, 4][..]),
        (r#"{"projectIds":["website"]}"#, &[1, 2, 3]),
        (r#"{"projectIds":2}"#, &[4]),
        (r#"{"status":"open"}"#, &[1, 2, 3]),
        (r#"{"status":"done"}"#, &[4]),
        (r#"{"status":"all"}"#, &[1, 2, 3, 4]),
        (r#"{"status":"in progress"}"#, &[3]),
        (r#"{"status":["kind:in_progress","kind:done"]}"#, &[3, 4]),
        (r#"{"tags":"ai-suitable"}"#, &[1]),
        (r#"{"tagsNone":["AI-Suitable"],"status":"open"}"#, &[2, 3]),
        (r#"{"assignee":"none"}"#, &[1, 2]),
        (r#"{"assignee":"me"}"#, &[3]),
        (r#"{"userId":0}"#, &[3]),
        (r#"{"assignee":"agent"}"#, &[4]),
        (r#"{"dueFrom":"today","dueTo":"today"}"#, &[1]),
        (r#"{"dueTo":"yesterday"}"#, &[]),
        (r#"{"hasDue":true}"#, &[1]),
        (r#"{"type":"bug"}"#, &[2]),
        (r#"{"projectIds":["Website"],"milestone":"Launch"}"#, &[2]),
        (r#"{"sprint":1}"#, &[3]),
        (r#"{"parent":1}"#, &[2]),
        (r#"{"text":"FOOTER"}"#, &[3]),
        (r#"{"unchangedFor":"1h"}"#, &[]),
        (r#"{"order":"priority","limit":1}"#, &[3]),
    ] {
        assert_eq!(found(&house, &ada, args).await, expected, "{args}");
    }
}

#[tokio::test]
async fn a_label_is_looked_up_in_each_project_by_itself() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    // In the shop, 4 stands for something else than in the website.
    let labels = r#"{"id":"Shop","statuses":[{"id":4,"label":"Fresh","kind":"new"},{"id":3,"label":"In Progress","kind":"in_progress"}]}"#;
    house.tools.call("editProject", json(labels), &ada).await.unwrap();
    let edit = r#"{"id":1,"params":{"status":"In Progress"}}"#;
    house.tools.call("editTask", json(edit), &ada).await.unwrap();
    let edit = r#"{"id":4,"params":{"status":"Fresh"}}"#;
    house.tools.call("editTask", json(edit), &ada).await.unwrap();
    assert_eq!(found(&house, &ada, r#"{"status":"In Progress"}"#).await, [1]);
    let error = house.tools.call("findTasks", json(r#"{"status":"Nowhere"}"#), &ada).await;
    assert_eq!(error.unwrap_err().reason(), Reason::UnknownStatus);
}

#[tokio::test]
async fn pages_follow_one_another_to_the_end() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut args = vec![("limit", Value::Int(3))];
        args.extend(cursor.take().map(|cursor| ("cursor", cursor.into())));
        let page = house.tools.call("findTasks", Value::map(args), &ada).await.unwrap().value;
        let items = page.get("items").and_then(Value::as_list).unwrap();
        seen.extend(items.iter().map(|item| item.get("id").and_then(Value::as_int).unwrap()));
        cursor = page.get("next").and_then(Value::as_text).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4]);
}

#[tokio::test]
async fn null_clears_a_field_and_what_is_not_named_stays() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let set = r#"{"id":1,"params":{"priority":2,"editorId":"Bo","description":"text"}}"#;
    house.tools.call("editTask", json(set), &ada).await.unwrap();
    let clear = r#"{"id":1,"params":{"priority":null,"editorId":null,"dateToFinish":null}}"#;
    house.tools.call("editTask", json(clear), &ada).await.unwrap();
    let task = house.the_task().await;
    assert_eq!((task.priority, task.assignee, task.due), (None, None, None));
    assert_eq!((&*task.description, &*task.headline), ("text", "Fix the login"));
}

#[tokio::test]
async fn a_bare_date_is_a_day_of_the_callers_zone_and_is_echoed_resolved() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let args = r#"{"id":3,"params":{"dateToFinish":"tomorrow"}}"#;
    let result = house.tools.call("editTask", json(args), &ada).await.unwrap();
    let after = result.value.get("after").and_then(|after| after.get("due"));
    assert_eq!(after, Some(&"2026-11-04T22:59:59Z".into()));
}

#[tokio::test]
async fn what_a_tool_did_its_undo_puts_back() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let add = r#"{"projectId":"Website","headline":"Launch","editFrom":"today","editTo":"+7d"}"#;
    house.tools.call("addMilestone", json(add), &ada).await.unwrap();
    let many = r#"{"id":1,"params":{"headline":"New","description":"d","status":"Blocked",
        "priority":1,"effort":3,"tags":["x","y"],"editorId":"Ada","dateToFinish":"+3d",
        "editFrom":"today","milestone":"Launch","fields":{"repository":"r"},"addDependencies":[3]}}"#;
    for (tool, args) in [
        ("editTask", many),
        ("addTag", r#"{"id":1,"tag":"urgent"}"#),
        ("removeTag", r#"{"id":1,"tag":"AI-SUITABLE"}"#),
        ("addDependency", r#"{"id":1,"dependsOn":3}"#),
        ("addComment", r#"{"module":"ticket","entityId":1,"text":"c"}"#),
        ("addSubtask", r#"{"parentTicket":1,"headline":"s"}"#),
        ("editMilestone", r#"{"id":1,"params":{"headline":"Later","editTo":"+9d","done":true}}"#),
        ("editProject", r#"{"id":"Website","name":"Site","state":1}"#),
    ] {
        let before = snapshot(&house, &ada).await;
        let result = house.tools.call(tool, json(args), &ada).await.unwrap();
        assert_ne!(snapshot(&house, &ada).await, before, "{tool} changed nothing");
        let undo: ToolCall = serde_json::from_value(
            serde_json::to_value(result.value.get("undo").unwrap()).unwrap(),
        )
        .unwrap();
        house.tools.call(&undo.tool, undo.args, &ada).await.unwrap();
        assert_eq!(snapshot(&house, &ada).await, before, "{tool}");
    }
}

/// The task and what hangs on it, without what every write changes.
async fn snapshot(house: &House, context: &Context) -> Value {
    let mut all = Vec::new();
    for (tool, args) in [
        ("getTicket", r#"{"id":1}"#),
        ("getMilestone", r#"{"id":1}"#),
        ("getProject", r#"{"projectId":1}"#),
    ] {
        let mut value = house.tools.call(tool, json(args), context).await.unwrap().value;
        if let Value::Map(map) = &mut value {
            map.remove("revision");
            map.remove("modified");
        }
        all.push(value);
    }
    Value::List(all)
}

#[tokio::test]
async fn a_write_that_changes_nothing_says_so() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let args = json(r#"{"id":1,"params":{"headline":"Fix the login"}}"#);
    let result = house.tools.call("editTask", args, &ada).await.unwrap();
    assert_eq!(result.value.get("changed"), Some(&false.into()));
    assert_eq!(result.value.get("undo"), None);
}

#[tokio::test]
async fn a_deleted_task_is_gone_and_said_to_be() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    house.tools.call("deleteTask", json(r#"{"id":3}"#), &ada).await.unwrap();
    assert!(house.board.task(TaskId(3)).await.is_err());
    let error = house.tools.call("getTicket", json(r#"{"id":3}"#), &ada).await.unwrap_err();
    assert_eq!(error.reason(), Reason::NotFound);
}

#[tokio::test]
async fn comments_come_newest_first_unless_asked_otherwise() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for text in ["one", "two", "three"] {
        let args = format!(r#"{{"module":"task","entityId":"1","text":"{text}"}}"#);
        house.tools.call("addComment", json(&args), &ada).await.unwrap();
    }
    for (args, expected) in [
        (r#"{"module":"ticket","entityId":1}"#, ["three", "two", "one"].as_slice()),
        (r#"{"module":"ticket","entityId":1,"commentOrder":1}"#, &["one", "two", "three"]),
        (r#"{"module":"ticket","entityId":1,"limit":2}"#, &["three", "two"]),
    ] {
        let value = house.tools.call("getComments", json(args), &ada).await.unwrap().value;
        let texts: Vec<&str> = value
            .get("items")
            .and_then(Value::as_list)
            .unwrap()
            .iter()
            .map(|item| item.get("text").and_then(Value::as_text).unwrap())
            .collect();
        assert_eq!(texts, expected, "{args}");
    }
}

#[tokio::test]
async fn of_many_comments_the_newest_are_shown_and_the_older_ones_page_by_page() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for number in 0..105 {
        let args = format!(r#"{{"module":"task","entityId":"1","text":"number {number}"}}"#);
        house.tools.call("addComment", json(&args), &ada).await.unwrap();
    }
    let texts = |value: &Value, name: &str| -> Vec<String> {
        let items = value.get(name).and_then(Value::as_list).unwrap().iter();
        items.map(|item| item.get("text").and_then(Value::as_text).unwrap().to_owned()).collect()
    };
    let shown = house.tools.call("getTicket", json(r#"{"id":1}"#), &ada).await.unwrap().value;
    let shown = texts(&shown, "comments");
    assert_eq!(
        (shown.len(), shown[0].as_str(), shown[99].as_str()),
        (100, "number 5", "number 104")
    );
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let more = cursor.map(|id| format!(r#","cursor":"{id}""#)).unwrap_or_default();
        let args = format!(r#"{{"module":"ticket","entityId":1,"limit":50{more}}}"#);
        let page = house.tools.call("getComments", json(&args), &ada).await.unwrap().value;
        all.extend(texts(&page, "items"));
        cursor = page.get("next").and_then(Value::as_text).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..105).rev().map(|number| format!("number {number}")).collect();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn everybody_deletes_their_own_comments_and_managers_any() {
    let house = House::build().await;
    let (mut ada, mut bob) = (house.person("Ada").await, house.person("Ada").await);
    bob.principal.person = house.person("Bo").await.principal.person;
    bob.principal.person.role = Role::Editor;
    ada.principal.person.role = Role::Manager;
    let said = async |text: &str| {
        let args = format!(r#"{{"module":"task","entityId":"1","text":"{text}"}}"#);
        house.tools.call("addComment", json(&args), &ada).await.unwrap();
        let last = json(r#"{"module":"task","entityId":"1","limit":1}"#);
        let last = house.tools.call("getComments", last, &ada).await.unwrap().value;
        let items = last.get("items").and_then(Value::as_list).unwrap();
        items[0].get("id").and_then(Value::as_int).unwrap()
    };
    let (one, two) = (said("one").await, said("two").await);
    let delete = |id: i64| json(&format!(r#"{{"id":{id},"entityId":1}}"#));
    let error = house.tools.call("deleteComment", delete(one), &bob).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OutOfScope, "{error}");
    ada.principal.person.role = Role::Commenter;
    house.tools.call("deleteComment", delete(one), &ada).await.unwrap();
    bob.principal.person.role = Role::Manager;
    house.tools.call("deleteComment", delete(two), &bob).await.unwrap();
}

#[tokio::test]
async fn a_run_ends_once_and_by_an_outcome_that_the_playbook_defines() {
    let house = House::build().await;
    let context = house.agent(playbook(&[])).await;
    let finish = async |args: &str| house.tools.call("finish", json(args), &context).await;
    let error = finish(r#"{"outcome":"blockd"}"#).await.unwrap_err();
    assert_eq!(error.reason(), Reason::UnknownOutcome);
    assert!(error.to_string().contains("did you mean \"blocked\"?"), "{error}");
    finish(r#"{"outcome":"done","summary":"s","evidence":["e"]}"#).await.unwrap();
    let ending = context.run.as_ref().unwrap().tally.finished().unwrap();
    assert_eq!((&*ending.outcome, &*ending.summary), ("done", "s"));
    assert!(finish(r#"{"outcome":"blocked"}"#).await.is_err());
    let ada = house.person("Ada").await;
    let error = house.tools.call("finish", json(r#"{"outcome":"done"}"#), &ada).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ToolNotListed);
}

#[tokio::test]
async fn without_a_daemon_its_tools_say_so() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for tool in ["getStatus", "listRuns", "listPlaybooks", "stopAll"] {
        let error = house.tools.call(tool, Value::Null, &ada).await.unwrap_err();
        assert_eq!(error.reason(), Reason::Unsupported, "{tool}");
    }
}

#[tokio::test]
async fn nobody_gives_a_higher_role_than_their_own() {
    let house = House::build().await;
    let mut ada = house.person("Ada").await;
    ada.principal.person.role = rota::domain::Role::Admin;
    let add = |role: &str| json(&format!(r#"{{"name":"New {role}","role":"{role}"}}"#));
    house.tools.call("addPerson", add("admin"), &ada).await.unwrap();
    let error = house.tools.call("addPerson", add("owner"), &ada).await.unwrap_err();
    assert_eq!(error.reason(), Reason::RoleTooLow);
}
