//! Goals and goal boards: finding them, changing them, putting back what was changed.

use crate::support::house::{House, SHOP, WEBSITE, json, playbook};
use rota::domain::{Mode, Reason, ToolCall, Value, WriteScope};
use rota::tools::Context;

/// A call that is expected to work, and whose answer is expected to fit its schema.
pub(super) async fn call(house: &House, context: &Context, tool: &str, args: &str) -> Value {
    let result = house.tools.call(tool, json(args), context).await;
    let value = result.unwrap_or_else(|error| panic!("{tool} {args}: {error}")).value;
    let schema = &*house.tools.definition(tool).unwrap().output_schema;
    let validator = jsonschema::validator_for(&serde_json::to_value(schema).unwrap()).unwrap();
    let answer = serde_json::to_value(&value).unwrap();
    let faults: Vec<String> = validator.iter_errors(&answer).map(|e| e.to_string()).collect();
    assert!(faults.is_empty(), "{tool}: {faults:?}\n{answer:#}");
    value
}

pub(super) async fn refused(
    house: &House,
    context: &Context,
    tool: &str,
    args: &str,
) -> (Reason, String) {
    match house.tools.call(tool, json(args), context).await {
        Ok(result) => panic!("{tool} {args} passed: {}", result.text),
        Err(error) => (error.reason(), error.to_string()),
    }
}

/// The call that an answer offers as `undo`.
pub(super) fn undo_of(answer: &Value) -> Option<ToolCall> {
    let undo = serde_json::to_value(answer.get("undo")?).unwrap();
    Some(serde_json::from_value(undo).unwrap())
}

/// Makes the call that an answer offers as `undo`.
pub(super) async fn undo(house: &House, context: &Context, of: &Value) {
    let undo = undo_of(of).unwrap_or_else(|| panic!("no undo: {of}"));
    let args = serde_json::to_string(&undo.args).unwrap();
    call(house, context, &undo.tool, &args).await;
}

/// An answer as JSON, without what every write changes.
pub(super) fn lasting(value: &Value) -> serde_json::Value {
    let mut json = serde_json::to_value(value).unwrap();
    let map = json.as_object_mut().unwrap();
    map.remove("revision");
    map.remove("modified");
    json
}

pub(super) fn ids(value: &Value) -> Vec<i64> {
    let items = value.get("items").and_then(Value::as_list).unwrap();
    items.iter().map(|item| item.get("id").and_then(Value::as_int).unwrap()).collect()
}

const FASTER: &str = r#"{"title":"Faster","description":"Seconds to load","startValue":9,
    "currentValue":7,"endValue":5,"canvasId":"2026"}"#;

/// Boards `2026` of the website (1) and `Sales` of the shop (2), a milestone of the website (1).
async fn boards(house: &House) -> Context {
    let ada = house.person("Ada").await;
    for (tool, args) in [
        ("createGoalboard", r#"{"title":"2026","projectId":"Website","description":"All"}"#),
        ("createGoalboard", r#"{"title":"Sales","projectId":"Shop"}"#),
        (
            "addMilestone",
            r#"{"projectId":"Website","headline":"Launch","editFrom":"today","editTo":"+7d"}"#,
        ),
    ] {
        call(house, &ada, tool, args).await;
    }
    ada
}

#[tokio::test]
async fn a_goal_is_created_with_everything_and_shown_with_names() {
    let house = House::build().await;
    let ada = boards(&house).await;
    let args = r#"{"title":" Faster ","description":"Seconds","startValue":9,"currentValue":7.5,
        "endValue":5,"canvasId":1,"startDate":"today","endDate":"2026-12-31T23:30:00Z",
        "milestoneId":"launch","metricType":"number","status":"status_atrisk","ownerId":"me"}"#;
    let made = call(&house, &ada, "createGoal", args).await;
    let after = serde_json::to_value(made.get("after").unwrap()).unwrap();
    // A day of the caller's zone, echoed as it was understood.
    assert_eq!(
        (&after["startDate"], &after["endDate"]),
        (&"2026-11-03".into(), &"2027-01-01".into())
    );
    assert_eq!((&after["owner_name"], &after["project_name"]), (&"Ada".into(), &"Website".into()));
    assert_eq!(made.get("entity"), Some(&"goal 1".into()));
    let goal = serde_json::to_value(call(&house, &ada, "getGoal", r#"{"goalId":"1"}"#).await);
    let goal = goal.unwrap();
    for (field, expected) in [
        ("title", serde_json::json!("Faster")),
        ("description", "Seconds".into()),
        ("board", 1.into()),
        ("project_name", "Website".into()),
        ("owner_name", "Ada".into()),
        ("start_value", 9.0.into()),
        ("current_value", 7.5.into()),
        ("end_value", 5.0.into()),
        ("progress", 37.5.into()),
        ("metric", "number".into()),
        ("status", "at_risk".into()),
        ("milestone", 1.into()),
        ("start", "2026-11-03".into()),
        ("end", "2027-01-01".into()),
    ] {
        assert_eq!(goal[field], expected, "{field}: {goal:#}");
    }
}

#[tokio::test]
async fn goals_are_found_by_project_board_milestone_and_parent() {
    let house = House::build().await;
    let ada = boards(&house).await;
    call(&house, &ada, "createGoal", &FASTER.replace("2026\"", "2026\",\"milestoneId\":1")).await;
    call(&house, &ada, "createGoal", &FASTER.replace("2026", "Sales")).await;
    call(&house, &ada, "editGoal", r#"{"id":2,"parentId":1}"#).await;
    for (tool, args, expected) in [
        ("getAllGoals", r#"{"projectId":"website"}"#, &[1][..]),
        ("getAllGoals", r#"{"projectId":2,"boardId":"sales"}"#, &[2]),
        ("getGoalsByMilestone", r#"{"milestoneId":1}"#, &[1]),
        ("getChildGoals", r#"{"parentId":1}"#, &[2]),
        ("getChildGoals", r#"{"parentId":2}"#, &[]),
        ("getParentKPIs", r#"{"projectId":"Shop"}"#, &[1]),
        ("getParentKPIs", r#"{"projectId":"Website"}"#, &[]),
    ] {
        assert_eq!(ids(&call(&house, &ada, tool, args).await), expected, "{tool} {args}");
    }
    let all = call(&house, &ada, "getAllGoals", r#"{"projectId":1}"#).await;
    let boards = serde_json::to_value(all.get("boards").unwrap()).unwrap();
    assert_eq!((&boards[0]["id"], &boards[0]["title"]), (&1.into(), &"2026".into()));
    assert_eq!(boards.as_array().unwrap().len(), 1, "the shop's is not the website's: {boards}");
    for (tool, args) in [
        ("getGoal", r#"{"goalId":9}"#),
        ("getChildGoals", r#"{"parentId":9}"#),
        ("getGoalsByMilestone", r#"{"milestoneId":9}"#),
        ("getParentKPIs", r#"{"projectId":9}"#),
        ("getAllGoals", r#"{"projectId":"Website","boardId":"Sales"}"#),
    ] {
        assert_eq!(refused(&house, &ada, tool, args).await.0, Reason::NotFound, "{tool} {args}");
    }
}

#[tokio::test]
async fn goals_come_in_pages_to_the_end() {
    let house = House::build().await;
    let ada = boards(&house).await;
    for _ in 0..5 {
        call(&house, &ada, "createGoal", FASTER).await;
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let args = format!(r#"{{"projectId":1,"limit":2,"cursor":"{cursor}"}}"#);
        let page = call(&house, &ada, "getAllGoals", &args).await;
        seen.extend(ids(&page));
        pages += 1;
        match page.get("next").and_then(Value::as_text) {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    assert!(pages >= 3, "{pages}");
    let limit = r#"{"projectId":1,"limit":0}"#;
    assert!(refused(&house, &ada, "getAllGoals", limit).await.1.contains("1 to 1000"));
}

#[tokio::test]
async fn what_a_tool_did_to_a_goal_its_undo_puts_back() {
    let house = House::build().await;
    let ada = boards(&house).await;
    let made = call(&house, &ada, "createGoal", FASTER).await;
    call(&house, &ada, "createGoal", FASTER).await;
    let before = lasting(&call(&house, &ada, "getGoal", r#"{"goalId":1}"#).await);
    for args in [
        r#"{"id":1,"title":"Slower","description":"d","startValue":1,"currentValue":2,"endValue":3,
            "startDate":"today","endDate":"+7d","milestoneId":"Launch","metricType":"currency",
            "status":"missed","ownerId":"Bo","parentId":2}"#,
        r#"{"id":1,"currentValue":6}"#,
        r#"{"id":1,"status":"status_miss"}"#,
    ] {
        let done = call(&house, &ada, "editGoal", args).await;
        assert_eq!(done.get("changed"), Some(&true.into()), "{args}");
        assert_ne!(lasting(&call(&house, &ada, "getGoal", r#"{"goalId":1}"#).await), before);
        undo(&house, &ada, &done).await;
        assert_eq!(lasting(&call(&house, &ada, "getGoal", r#"{"goalId":1}"#).await), before);
    }
    undo(&house, &ada, &made).await;
    assert_eq!(refused(&house, &ada, "getGoal", r#"{"goalId":1}"#).await.0, Reason::NotFound);
    let board = call(&house, &ada, "createGoalboard", r#"{"title":"x","projectId":2}"#).await;
    undo(&house, &ada, &board).await;
    let all = call(&house, &ada, "getAllGoals", r#"{"projectId":2}"#).await;
    assert_eq!(all.get("boards").and_then(Value::as_list).map(<[_]>::len), Some(1), "{all}");
    let nothing = call(&house, &ada, "editGoal", r#"{"id":2,"title":"Faster"}"#).await;
    assert_eq!((nothing.get("changed"), nothing.get("undo")), (Some(&false.into()), None));
}

#[tokio::test]
async fn what_an_edit_does_not_name_stays_and_a_bad_date_erases_nothing() {
    let house = House::build().await;
    let ada = boards(&house).await;
    call(&house, &ada, "createGoal", FASTER).await;
    let set = r#"{"id":1,"startDate":"2026-11-01","endDate":"2026-12-31","milestoneId":1}"#;
    call(&house, &ada, "editGoal", set).await;
    let before = call(&house, &ada, "getGoal", r#"{"goalId":1}"#).await;
    for (args, expected) in [
        (r#"{"id":1,"endDate":"soon"}"#, "endDate: \"soon\" is no date"),
        (r#"{"id":1,"startDate":""}"#, "startDate: \"\" is no date"),
        (r#"{"id":1,"endDate":"2026-10-01"}"#, "expected the same or a later one"),
        (r#"{"id":1,"status":"late"}"#, "expected one of on_track, at_risk, missed"),
        (r#"{"id":1,"metricType":"euro"}"#, "expected one of number, percent, currency"),
        (r#"{"id":1,"title":" "}"#, "expected one line that is not blank"),
        (r#"{"id":1,"currentValue":"many"}"#, "expected a number such as 42"),
        (r#"{"id":1,"parentId":1}"#, "would be a part of itself"),
        (r#"{"id":1}"#, "name at least one field, such as {\"currentValue\": 5}"),
    ] {
        let (reason, message) = refused(&house, &ada, "editGoal", args).await;
        assert_eq!(reason, Reason::InvalidArguments, "{args}: {message}");
        assert!(message.contains(expected), "{args}: {message}");
    }
    assert_eq!(call(&house, &ada, "getGoal", r#"{"goalId":1}"#).await, before);
    call(&house, &ada, "editGoal", r#"{"id":1,"endDate":null,"milestoneId":null}"#).await;
    let after = call(&house, &ada, "getGoal", r#"{"goalId":1}"#).await;
    assert_eq!(
        (after.get("end"), after.get("milestone")),
        (Some(&Value::Null), Some(&Value::Null))
    );
    assert_eq!(after.get("start"), before.get("start"));
    let (reason, message) =
        refused(&house, &ada, "editGoal", r#"{"id":1,"milestoneId":"Lanch"}"#).await;
    assert_eq!(reason, Reason::NotFound);
    assert!(message.contains("did you mean \"Launch\"?"), "{message}");
    let stale = r#"{"id":1,"currentValue":1,"revision":1}"#;
    assert_eq!(refused(&house, &ada, "editGoal", stale).await.0, Reason::RevisionConflict);
}

#[tokio::test]
async fn a_goal_board_that_two_projects_name_alike_is_refused_with_both() {
    let house = House::build().await;
    let ada = boards(&house).await;
    call(&house, &ada, "createGoalboard", r#"{"title":"2026","projectId":"Shop"}"#).await;
    let (reason, message) = refused(&house, &ada, "createGoal", FASTER).await;
    assert_eq!(reason, Reason::Ambiguous);
    assert!(message.contains("1 (2026), 3 (2026)"), "{message}");
    let (reason, message) =
        refused(&house, &ada, "createGoal", &FASTER.replace("\"2026\"", "9")).await;
    assert_eq!(reason, Reason::NotFound);
    assert!(message.contains("2 (Sales)"), "{message}");
    let (reason, message) = refused(&house, &ada, "createGoal", r#"{"title":"x"}"#).await;
    assert_eq!(reason, Reason::InvalidArguments);
    assert!(message.contains("missing field") && message.contains("canvasId"), "{message}");
}

#[tokio::test]
async fn whoever_only_comments_looks_at_goals_and_comments_on_them() {
    let house = House::build().await;
    let ada = boards(&house).await;
    call(&house, &ada, "createGoal", FASTER).await;
    let bo = house.person("Bo").await;
    for (tool, args) in [
        ("createGoal", FASTER),
        ("createGoalboard", r#"{"title":"x","projectId":1}"#),
        ("editGoal", r#"{"id":1,"currentValue":1}"#),
        ("deleteGoal", r#"{"id":1}"#),
        ("deleteGoalboard", r#"{"id":2}"#),
    ] {
        assert_eq!(refused(&house, &bo, tool, args).await.0, Reason::RoleTooLow, "{tool}");
    }
    assert_eq!(ids(&call(&house, &bo, "getAllGoals", r#"{"projectId":1}"#).await), [1]);
    let text = r#"{"module":"goalcanvasitem","entityId":1,"text":"Well done"}"#;
    let said = call(&house, &bo, "addComment", text).await;
    let args = r#"{"module":"goal","entityId":"1"}"#;
    let found = call(&house, &bo, "getComments", args).await;
    let found = serde_json::to_value(found.get("items").unwrap()).unwrap();
    assert_eq!((&found[0]["goal"], &found[0]["text"]), (&1.into(), &"Well done".into()));
    undo(&house, &bo, &said).await;
    assert!(ids(&call(&house, &bo, "getComments", args).await).is_empty());
    let elsewhere = r#"{"module":"wiki","entityId":1,"text":"x"}"#;
    let (_, message) = refused(&house, &bo, "addComment", elsewhere).await;
    assert!(message.contains("expected ticket, project or goal, not \"wiki\""), "{message}");
}

#[tokio::test]
async fn a_goal_board_goes_only_when_it_has_no_goals() {
    let house = House::build().await;
    let ada = boards(&house).await;
    call(&house, &ada, "createGoal", FASTER).await;
    let (_, message) = refused(&house, &ada, "deleteGoalboard", r#"{"id":1}"#).await;
    assert!(message.contains("still has goal 1"), "{message}");
    let gone = call(&house, &ada, "deleteGoal", r#"{"id":1}"#).await;
    assert_eq!(gone.get("before").unwrap().get("title"), Some(&"Faster".into()));
    assert_eq!(gone.get("undo"), None, "nothing brings a goal back under its number");
    call(&house, &ada, "deleteGoalboard", r#"{"id":1}"#).await;
}

#[tokio::test]
async fn a_run_changes_the_goals_of_its_projects_only() {
    for (scope, least) in [
        (WriteScope::Claimed, &[][..]),
        (WriteScope::Project, &[WEBSITE]),
        (WriteScope::Board, &[WEBSITE, SHOP]),
    ] {
        let house = House::build().await;
        let ada = boards(&house).await;
        call(&house, &ada, "createGoal", FASTER).await;
        call(&house, &ada, "createGoal", &FASTER.replace("2026", "Sales")).await;
        let mut book = playbook(&["*"]);
        book.scope.write = scope;
        let context = house.agent(book).await;
        for (project, id) in [(WEBSITE, 1), (SHOP, 2)] {
            let args = format!(r#"{{"id":{id},"currentValue":1}}"#);
            if least.contains(&project) {
                call(&house, &context, "editGoal", &args).await;
            } else {
                let reason = refused(&house, &context, "editGoal", &args).await.0;
                assert_eq!(reason, Reason::OutOfScope, "{scope:?} {args}");
            }
        }
    }
}

#[tokio::test]
async fn a_shadow_records_a_goal_and_creates_none() {
    let house = House::build().await;
    let ada = boards(&house).await;
    let mut book = playbook(&["*"]);
    book.scope.write = WriteScope::Board;
    let mut shadow = house.agent(book).await;
    shadow.run.as_mut().unwrap().mode = Mode::Shadow;
    let recorded = call(&house, &shadow, "createGoal", FASTER).await;
    assert_eq!(recorded.get("note"), Some(&"recorded_only".into()));
    assert_eq!(recorded.get("entity"), Some(&"new goal".into()));
    let all = call(&house, &ada, "getAllGoals", r#"{"projectId":1}"#).await;
    assert!(ids(&all).is_empty(), "{all}");
}
