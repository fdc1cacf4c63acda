//! Projects, who works on them, what is said about them, and a project at a glance.

use crate::support::house::{House, SHOP, WEBSITE, json};
use rota::board::Members as _;
use rota::domain::{Initiative, Member, PersonId, Reason, Role, Stamp, ToolCall, Value};
use rota::tools::Context;
use serde_json::Value as Json;

async fn call(house: &House, context: &Context, tool: &str, args: &str) -> Json {
    let result = house.tools.call(tool, json(args), context).await;
    let value = result.unwrap_or_else(|e| panic!("{tool} {args}: {e}")).value;
    serde_json::to_value(&value).unwrap()
}

async fn refused(house: &House, context: &Context, tool: &str, args: &str) -> (Reason, String) {
    let error = house.tools.call(tool, json(args), context).await.expect_err(args);
    (error.reason(), error.to_string())
}

fn column(answer: &Json, name: &str) -> Vec<Json> {
    answer["items"].as_array().unwrap().iter().map(|item| item[name].clone()).collect()
}

/// The website lists Bo as a manager of it; the shop lists nobody.
async fn with_members() -> (House, Context) {
    let house = House::build().await;
    let member = Member { project: WEBSITE, person: PersonId(3), role: Some(Role::Readonly) };
    house.board.put_member(&Stamp::by(PersonId(1)), member).await.unwrap();
    let ada = house.person("Ada").await;
    (house, ada)
}

#[tokio::test]
async fn a_project_is_found_by_a_term_and_its_id_is_one_that_tools_take() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let found = call(&house, &ada, "findProject", r#"{"term":" WEB "}"#).await;
    assert_eq!(column(&found, "id"), [Json::from(1)]);
    let details = r#"{"id":"Shop","details":"Sells what the website shows."}"#;
    call(&house, &ada, "editProject", details).await;
    let found = call(&house, &ada, "findProject", r#"{"term":"website","limit":1}"#).await;
    assert_eq!((column(&found, "id"), &found["next"]), (vec![Json::from(1)], &Json::from("1")));
    let rest = r#"{"term":"website","limit":1,"cursor":"1"}"#;
    let rest = call(&house, &ada, "findProject", rest).await;
    assert_eq!((column(&rest, "name"), rest.get("next")), (vec![Json::from("Shop")], None));
    assert!(column(&call(&house, &ada, "findProject", r#"{"term":"x9"}"#).await, "id").is_empty());
    let (reason, message) = refused(&house, &ada, "findProject", r#"{"term":" "}"#).await;
    assert_eq!(reason, Reason::InvalidArguments);
    assert!(message.contains("web"), "{message}");
}

#[tokio::test]
async fn those_who_work_on_a_project_are_its_members_and_managers() {
    let (house, ada) = with_members().await;
    let all = call(&house, &ada, "getUsersAssignedToProject", r#"{"projectId":"Website"}"#).await;
    assert_eq!(column(&all, "name"), ["Ada", "Bo"], "not the agent, which is not listed");
    assert_eq!(column(&all, "member"), [false, true]);
    assert_eq!(column(&all, "project_role"), ["owner", "readonly"]);
    let team = r#"{"projectId":"Website","teamOnly":true}"#;
    let team = call(&house, &ada, "getUsersAssignedToProject", team).await;
    assert_eq!(column(&team, "name"), ["Bo"]);
    let page = r#"{"projectId":"Shop","limit":2}"#;
    let open = call(&house, &ada, "getUsersAssignedToProject", page).await;
    assert_eq!(column(&open, "id"), [1, 2], "one that lists nobody is everybody's");
    let rest = r#"{"projectId":"Shop","limit":2,"cursor":2}"#;
    let rest = call(&house, &ada, "getUsersAssignedToProject", rest).await;
    assert_eq!(column(&rest, "id"), [3]);
    let (reason, message) =
        refused(&house, &ada, "getUsersAssignedToProject", r#"{"projectId":"Websit"}"#).await;
    assert_eq!(reason, Reason::NotFound);
    assert!(message.contains("did you mean"), "{message}");
}

#[tokio::test]
async fn the_projects_of_a_person_are_theirs_and_those_of_everybody() {
    let (house, ada) = with_members().await;
    for (args, expected) in [
        (r#"{"userId":"Bo"}"#, vec![1, 2]),
        (r#"{"userId":2}"#, vec![2]),
        (r#"{"userId":"Bo","projectStatus":"closed"}"#, vec![]),
        (r#"{"userId":"Bo","projectStatus":"all","limit":1}"#, vec![1]),
        (r#"{"userId":"Bo","projectTypes":"all","clientId":0}"#, vec![1, 2]),
    ] {
        let found = call(&house, &ada, "getProjectsAssignedToUser", args).await;
        assert_eq!(column(&found, "id"), expected, "{args}");
    }
    call(&house, &ada, "editProject", r#"{"id":"Shop","state":1}"#).await;
    for (args, expected) in [
        (r#"{"userId":"Bo"}"#, vec![1]),
        (r#"{"userId":"Bo","projectStatus":"closed"}"#, vec![2]),
        (r#"{"userId":"Bo","projectStatus":"all"}"#, vec![1, 2]),
    ] {
        let found = call(&house, &ada, "getProjectsAssignedToUser", args).await;
        assert_eq!(column(&found, "id"), expected, "{args}");
    }
    for (args, says) in [
        (r#"{"userId":"Bo","clientId":3}"#, "no clients"),
        (r#"{"userId":"Bo","projectTypes":"strategy"}"#, "expected all or project"),
        (r#"{"userId":"Bo","projectStatus":"shut"}"#, "open, closed or all"),
        ("{}", "userId"),
    ] {
        let (reason, message) = refused(&house, &ada, "getProjectsAssignedToUser", args).await;
        assert_eq!(reason, Reason::InvalidArguments, "{args}: nothing is silently ignored");
        assert!(message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn the_labels_of_a_person_are_those_of_each_project_with_their_kinds() {
    let (house, ada) = with_members().await;
    let found = call(&house, &ada, "getAllStatusLabelsByUserId", r#"{"userId":"Bo"}"#).await;
    assert_eq!(column(&found, "project_name"), ["Website", "Shop"]);
    assert_eq!(found["items"][0]["statuses"][0]["kind"], "new");
    let agent = r#"{"userId":"AI-Developer"}"#;
    let found = call(&house, &ada, "getAllStatusLabelsByUserId", agent).await;
    assert_eq!(column(&found, "project_name"), ["Shop"]);
}

#[tokio::test]
async fn a_service_key_has_no_projects_of_its_own() {
    let house = House::build().await;
    let mut key = house.person("Ada").await;
    key.principal.by = Initiative::Service("ci".into());
    for tool in ["getProjectsAssignedToUser", "getAllStatusLabelsByUserId"] {
        for args in [r#"{"userId":"me"}"#, r#"{"userId":0}"#] {
            assert_eq!(
                refused(&house, &key, tool, args).await.0,
                Reason::ServiceIsNobody,
                "{tool}"
            );
        }
        call(&house, &key, tool, r#"{"userId":"Ada"}"#).await;
    }
}

#[tokio::test]
async fn a_patched_project_keeps_what_is_not_named_and_can_be_put_back() {
    let house = House::build().await;
    let mut ada = house.person("Ada").await;
    let before = call(&house, &ada, "getProject", r#"{"projectId":1}"#).await;
    let patch = r#"{"id":"website","params":{"details":"New.","state":1}}"#;
    let patched = call(&house, &ada, "patchProject", patch).await;
    let now = call(&house, &ada, "getProject", r#"{"projectId":1}"#).await;
    assert_eq!((&now["name"], &now["closed"]), (&"Website".into(), &true.into()));
    let undo: ToolCall = serde_json::from_value(patched["undo"].clone()).unwrap();
    house.tools.call(&undo.tool, undo.args, &ada).await.unwrap();
    assert_eq!(call(&house, &ada, "getProject", r#"{"projectId":1}"#).await, before);
    for (args, says) in [
        (r#"{"id":1,"params":{}}"#, "at least one field"),
        (r#"{"id":1,"params":{"stat":1}}"#, "stat"),
        (r#"{"id":1,"params":{"id":2,"state":1}}"#, "id"),
        (r#"{"id":1,"params":{"state":7}}"#, "0 (open) or 1 (closed)"),
        (r#"{"id":1,"params":{"name":" "}}"#, "not blank"),
        (r#"{"id":1}"#, "params"),
    ] {
        let (reason, message) = refused(&house, &ada, "patchProject", args).await;
        assert_eq!(reason, Reason::InvalidArguments, "{args}");
        assert!(message.contains(says), "{args}: {message}");
    }
    ada.principal.person.role = Role::Editor;
    assert_eq!(refused(&house, &ada, "patchProject", patch).await.0, Reason::RoleTooLow);
}

/// Comments on the website, its task, its subtask, and on a task of the shop.
async fn talkative() -> (House, Context) {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (module, entity, text) in [
        ("project", "1", "one"),
        ("ticket", "1", "two"),
        ("ticket", "4", "elsewhere"),
        ("ticket", "2", "three"),
        ("project", "2", "elsewhere too"),
    ] {
        let args = format!(r#"{{"module":"{module}","entityId":{entity},"text":"{text}"}}"#);
        call(&house, &ada, "addComment", &args).await;
    }
    (house, ada)
}

#[tokio::test]
async fn all_comments_of_a_project_are_those_on_it_and_on_its_tasks() {
    let (house, ada) = talkative().await;
    let all = call(&house, &ada, "getAllProjectComments", r#"{"projectId":"Website"}"#).await;
    assert_eq!(column(&all, "text"), ["one", "two", "three"]);
    assert_eq!(all.get("next"), None);
    let (mut seen, mut cursor) = (Vec::new(), Json::from(0));
    loop {
        let args = format!(r#"{{"projectId":1,"limit":1,"cursor":{cursor}}}"#);
        let page = call(&house, &ada, "getAllProjectComments", &args).await;
        seen.extend(column(&page, "text"));
        match page.get("next") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert_eq!(seen, ["one", "two", "three"], "each once, page by page");
}

#[tokio::test]
async fn polling_tells_each_comment_once_and_only_of_what_was_asked_for() {
    let (house, ada) = talkative().await;
    let first = call(&house, &ada, "pollComments", r#"{"projectId":1,"limit":2}"#).await;
    assert_eq!(
        (column(&first, "text"), &first["more"]),
        (vec!["one".into(), "two".into()], &true.into())
    );
    let again = |cursor: &Json| format!(r#"{{"projectId":1,"cursor":{cursor}}}"#);
    let second = call(&house, &ada, "pollComments", &again(&first["cursor"])).await;
    assert_eq!((column(&second, "text"), &second["more"]), (vec!["three".into()], &false.into()));
    let third = call(&house, &ada, "pollComments", &again(&second["cursor"])).await;
    assert!(column(&third, "text").is_empty());
    let new = r#"{"module":"ticket","entityId":3,"text":"four"}"#;
    call(&house, &ada, "addComment", new).await;
    let fourth = call(&house, &ada, "pollComments", &again(&third["cursor"])).await;
    assert_eq!(column(&fourth, "text"), ["four"]);
    let everywhere = call(&house, &ada, "pollComments", "{}").await;
    assert_eq!(column(&everywhere, "text").len(), 6);
    let task = call(&house, &ada, "pollComments", r#"{"moduleId":4}"#).await;
    assert_eq!(column(&task, "text"), ["elsewhere"]);
    let other = call(&house, &ada, "pollComments", r#"{"moduleId":4,"projectId":1}"#).await;
    assert!(column(&other, "text").is_empty());
    assert_eq!(
        refused(&house, &ada, "pollComments", r#"{"moduleId":99}"#).await.0,
        Reason::NotFound
    );
}

#[tokio::test]
async fn an_overview_counts_what_is_done_open_and_overdue() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (tool, args) in [
        ("editTask", r#"{"id":1,"params":{"dateToFinish":"yesterday"}}"#),
        ("editTask", r#"{"id":2,"params":{"status":"Done","dateToFinish":"yesterday"}}"#),
        ("editTask", r#"{"id":3,"params":{"status":"Blocked"}}"#),
        (
            "addMilestone",
            r#"{"projectId":1,"headline":"Launch","editFrom":"today","editTo":"+7d"}"#,
        ),
        (
            "addMilestone",
            r#"{"projectId":1,"headline":"Kick-off","editFrom":"-9d","editTo":"-7d"}"#,
        ),
        ("editMilestone", r#"{"id":2,"params":{"done":true}}"#),
        ("addComment", r#"{"module":"project","entityId":1,"text":"no update"}"#),
        ("addProjectStatusUpdate", r#"{"projectId":1,"status":"green","text":"fine"}"#),
        ("addProjectStatusUpdate", r#"{"projectId":1,"status":"red","text":"late"}"#),
        ("logTime", r#"{"ticketId":1,"hours":1.5,"date":"today","kind":"TESTING"}"#),
        ("logTime", r#"{"ticketId":4,"hours":4,"date":"today","kind":"TESTING"}"#),
        ("logTime", r#"{"ticketId":1,"hours":8,"date":"-60d","kind":"TESTING"}"#),
    ] {
        call(&house, &ada, tool, args).await;
    }
    let seen = call(&house, &ada, "getFullProjectOverview", r#"{"projectId":"Website"}"#).await;
    assert_eq!(
        seen["progress"],
        serde_json::json!({ "tasks": 3, "done": 1, "open": 2, "overdue": 1, "blocked": 1,
            "done_percent": 33, "complete": true })
    );
    assert_eq!(seen["project"]["name"], "Website");
    assert_eq!(seen["milestones"].as_array().unwrap().len(), 1);
    assert_eq!(seen["milestones"][0]["headline"], "Launch");
    let updates = seen["status_updates"].as_array().unwrap();
    let texts: Vec<&Json> = updates.iter().map(|update| &update["text"]).collect();
    assert_eq!(texts, ["late", "fine"], "latest first, without plain comments");
    assert_eq!(seen.get("timesheets"), None);
    let args = r#"{"projectId":"Website","includeTimesheets":true}"#;
    let seen = call(&house, &ada, "getFullProjectOverview", args).await;
    assert_eq!(seen["timesheets"]["total_hours"], 1.5);
    assert_eq!(seen["timesheets"]["from"], "2026-10-04", "dates are echoed resolved");
    assert_eq!(seen["timesheets"]["people"][0]["person_name"], "Ada");
    let args = r#"{"projectId":1,"includeTimesheets":true,"dateFrom":"-90d"}"#;
    let seen = call(&house, &ada, "getFullProjectOverview", args).await;
    assert_eq!(seen["timesheets"]["total_hours"], 9.5);
    let empty = call(&house, &ada, "addProject", r#"{"name":"Empty"}"#).await;
    let args = format!(r#"{{"projectId":{}}}"#, empty["id"]);
    let seen = call(&house, &ada, "getFullProjectOverview", &args).await;
    assert_eq!(seen["progress"]["done_percent"], 0);
    for args in [
        r#"{"projectId":1,"dateFrom":"-90d"}"#,
        r#"{"projectId":1,"includeTimesheets":true,"dateFrom":"today","dateTo":"yesterday"}"#,
    ] {
        let (reason, _) = refused(&house, &ada, "getFullProjectOverview", args).await;
        assert_eq!(reason, Reason::InvalidArguments, "{args}");
    }
}

#[tokio::test]
async fn what_these_tools_answer_is_what_their_schemas_say() {
    let (house, ada) = talkative().await;
    let update = r#"{"projectId":1,"status":"green","text":"fine"}"#;
    call(&house, &ada, "addProjectStatusUpdate", update).await;
    let log = r#"{"ticketId":1,"hours":1.5,"date":"today","kind":"TESTING"}"#;
    call(&house, &ada, "logTime", log).await;
    assert_eq!(SHOP.0, 2);
    for (tool, args) in [
        ("findProject", r#"{"term":"web"}"#),
        ("getUsersAssignedToProject", r#"{"projectId":1}"#),
        ("getProjectsAssignedToUser", r#"{"userId":1}"#),
        ("getAllStatusLabelsByUserId", r#"{"userId":1}"#),
        ("patchProject", r#"{"id":1,"params":{"details":"x"}}"#),
        ("getAllProjectComments", r#"{"projectId":1}"#),
        ("pollComments", "{}"),
        ("getFullProjectOverview", r#"{"projectId":1,"includeTimesheets":true}"#),
        ("getUserTimesheets", r#"{"dateFrom":"today","dateTo":"today"}"#),
        ("getTimesheetSummary", r#"{"dateFrom":"today","dateTo":"today","groupBy":"user"}"#),
        ("getWeeklyTimesheets", r#"{"weekStart":"today"}"#),
    ] {
        let result = house.tools.call(tool, json(args), &ada).await.unwrap();
        let schema = &*house.tools.definition(tool).unwrap().output_schema;
        let validator = jsonschema::validator_for(&serde_json::to_value(schema).unwrap()).unwrap();
        let value = serde_json::to_value(&result.value).unwrap();
        let faults: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{tool}: {faults:?}\n{value}");
        assert!(!result.text.is_empty() && result.value != Value::Null, "{tool}");
    }
}
