//! Roles, and tokens for some projects only: every tool of the table, so that none is forgotten.

use crate::support::house::{House, SHOP, WEBSITE};
use rota::domain::*;
use rota::tools::{Context, Definition, ToolKind, Toolset};
use serde_json::{Value as Json, json as js};

pub(super) const ROLES: [Role; 6] =
    [Role::Readonly, Role::Commenter, Role::Editor, Role::Manager, Role::Admin, Role::Owner];

/// What is said in the other project, and nowhere else.
pub(super) const SECRET: &str = "SECRET";

/// What the daemon is asked for, which knows no projects; but for the digest.
pub(super) fn is_of_the_daemon(tool: &Definition) -> bool {
    let is = matches!(
        tool.set,
        Toolset::Records
            | Toolset::Operate
            | Toolset::Audit
            | Toolset::Tokens
            | Toolset::Upstreams
            | Toolset::Code
    ) && tool.name != "getDigest";
    assert!(!is || !tool.keeps_to_projects(), "{}", tool.name);
    is
}

pub(super) async fn call(
    house: &House,
    who: &Context,
    tool: &str,
    args: Json,
) -> Result<Value, Reason> {
    let args = serde_json::from_value(args).unwrap();
    let called = house.tools.call(tool, args, who).await;
    called.map(|result| result.value).map_err(|error| error.reason())
}

/// A project with one of everything in it; the ids of all of that.
async fn fill(house: &House, project: ProjectId, task: TaskId, word: &str) -> Vec<i64> {
    let ada = house.person("Ada").await;
    let (project, task) = (project.0, task.0);
    let mut ids = vec![project, task];
    for (tool, args) in [
        (
            "addMilestone",
            js!({ "projectId": project, "headline": format!("{word} milestone"),
                "editFrom": "today", "editTo": "+7d" }),
        ),
        (
            "addSprint",
            js!({ "projectId": project, "name": format!("{word} sprint"),
                "startDate": "today", "endDate": "+7d" }),
        ),
        (
            "addComment",
            js!({ "module": "ticket", "entityId": task, "text": format!("{word} talk") }),
        ),
        (
            "addProjectStatusUpdate",
            js!({ "projectId": project, "status": "red", "text": format!("{word} trouble") }),
        ),
        (
            "logTime",
            js!({ "ticketId": task, "hours": 1, "date": "today", "kind": "DEVELOPMENT", "description": format!("{word} work") }),
        ),
        ("startTimer", js!({ "taskId": task, "duration": "25m" })),
        (
            "editTask",
            js!({ "id": task, "params": { "description": format!("{word} text"), "addTags": [format!("{word}-tag")] } }),
        ),
    ] {
        let made = call(house, &ada, tool, args).await;
        let made = made.unwrap_or_else(|reason| panic!("{tool}: {reason}"));
        ids.extend(made.get("id").and_then(Value::as_int));
    }
    let by = Stamp::by(ada.principal.person.id);
    let board = NewGoalBoard {
        project: ProjectId(project),
        title: format!("{word} goals"),
        description: String::new(),
    };
    let board = house.board.below.add_goal_board(&by, board).await.unwrap().after.id;
    let goal = NewGoal {
        board,
        title: format!("{word} goal"),
        start_value: 0.0,
        end_value: 10.0,
        edits: vec![],
    };
    ids.push(board.0);
    ids.push(house.board.below.add_goal(&by, goal).await.unwrap().after.id.0);
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Whether a value of this schema may be a number.
fn takes_number(schema: &Json) -> bool {
    let is = |one: &Json| match &one["type"] {
        Json::String(name) => name == "integer" || name == "number",
        Json::Array(names) => names.iter().any(|name| name == "integer" || name == "number"),
        _ => false,
    };
    let several = ["anyOf", "oneOf"].iter().filter_map(|key| schema[key].as_array());
    is(schema) || several.flatten().any(is)
}

/// The arguments that may be ids, with whether each is a list.
fn id_arguments(tool: &Definition) -> Vec<(String, bool)> {
    let schema = serde_json::to_value(&**tool.input_schema).unwrap();
    let mut found = Vec::new();
    for (name, property) in schema["properties"].as_object().unwrap() {
        let is_amount =
            ["hours", "minutes", "limit", "fence", "priority", "state", "planHours", "duration"]
                .contains(&name.as_str());
        if !is_amount && takes_number(property) {
            found.push((name.clone(), false));
        } else if takes_number(&property["items"]) {
            found.push((name.clone(), true));
        }
    }
    found
}

fn with(tool: &Definition, values: &[(&(String, bool), Json)]) -> Json {
    let mut args: Json = serde_json::from_str(tool.example).unwrap();
    for ((name, is_list), value) in values {
        args[name] = if *is_list { js!([value]) } else { value.clone() };
    }
    args
}

/// Everything of the other project, as it stands.
pub(super) async fn snapshot(house: &House) -> String {
    let below = &house.board.below;
    let tasks = TaskQuery { projects: vec![SHOP], ..TaskQuery::default() };
    let goals = GoalQuery { projects: vec![SHOP], ..GoalQuery::default() };
    let activity = ActivityQuery { projects: vec![SHOP], limit: 1_000, ..ActivityQuery::default() };
    let comments = CommentQuery { limit: 1_000, ..CommentQuery::default() };
    let mut comments = below.comments(&comments).await.unwrap().items;
    comments.retain(|comment| comment.text.contains(SECRET));
    format!(
        "{:?} {:?} {:?} {:?} {:?}",
        below.project(SHOP).await.unwrap(),
        below.tasks(&tasks).await.unwrap().items,
        below.goals(&goals).await.unwrap().items,
        below.activity(&activity).await.unwrap().items.len(),
        comments,
    )
}

/// The sets of arguments that are tried: each id everywhere, and pairs of ids where there are two.
pub(super) fn tried(tool: &Definition, ids: &[i64]) -> Vec<Json> {
    let arguments = id_arguments(tool);
    let mut all = vec![serde_json::from_str(tool.example).unwrap()];
    for id in ids {
        let everywhere: Vec<_> = arguments.iter().map(|argument| (argument, js!(id))).collect();
        all.push(with(tool, &everywhere));
        if arguments.len() == 1 {
            continue;
        }
        for argument in &arguments {
            all.push(with(tool, &[(argument, js!(id))]));
            for other in ids.iter().filter(|other| *other != id) {
                let pair: Vec<_> = arguments
                    .iter()
                    .map(|one| (one, js!(if one == argument { id } else { other })))
                    .collect();
                all.push(with(tool, &pair));
            }
        }
    }
    all
}

pub(super) async fn team() -> (House, Vec<i64>, Vec<i64>) {
    let house = House::build().await;
    let own = fill(&house, WEBSITE, house.task, "open").await;
    let foreign = fill(&house, SHOP, house.stranger, SECRET).await;
    (house, own, foreign)
}

#[tokio::test]
async fn every_tool_asks_for_its_role_and_no_more() {
    let house = House::build().await;
    let mut who = house.person("Ada").await;
    for tool in house.tools.definitions().filter(|tool| tool.name != "finish") {
        for role in ROLES {
            who.principal.person.role = role;
            let is_offered = house.tools.offered(&who).iter().any(|one| one.name == tool.name);
            assert_eq!(is_offered, role >= tool.role, "{} for {role}", tool.name);
            // Whoever is too low is told so before anything is looked at.
            if role < tool.role {
                let args = serde_json::from_str(tool.example).unwrap();
                let refused = call(&house, &who, tool.name, args).await;
                assert_eq!(refused, Err(Reason::RoleTooLow), "{} for {role}", tool.name);
            }
        }
        assert!(
            tool.kind == ToolKind::Read
                || tool.role > Role::Readonly
                || tool.set == Toolset::Tokens
                // The address of one's own calendar, which changes nothing on the board.
                || tool.name == "getICalUrl"
        );
    }
}

#[tokio::test]
async fn with_a_token_for_one_project_nothing_of_another_is_told_or_changed_by_any_tool() {
    let (house, _, foreign) = team().await;
    let before = snapshot(&house).await;
    assert!(before.matches(SECRET).count() >= 5, "there is something to tell: {before}");
    let mut calls = 0;
    for tool in house.tools.definitions().filter(|tool| tool.name != "finish") {
        for role in ROLES {
            let mut who = house.person("Ada").await.limited_to(vec![WEBSITE]);
            who.principal.person.role = role;
            // Rights above the tool's own reach no further: all combinations for the highest alone.
            let all = tried(tool, &foreign);
            let some = if role == Role::Owner { all.len() } else { foreign.len().min(all.len()) };
            for args in all.into_iter().take(some) {
                calls += 1;
                let given = serde_json::from_value(args.clone()).unwrap();
                let said = match house.tools.call(tool.name, given, &who).await {
                    Ok(result) => {
                        assert!(!is_of_the_daemon(tool), "{} {args}", tool.name);
                        format!("{} {}", result.text, serde_json::to_string(&result.value).unwrap())
                    }
                    Err(error) => error.to_string(),
                };
                let is_told =
                    said.contains(SECRET) || said.contains("Shop") || said.contains("stock");
                assert!(!is_told, "{} {args} as {role}: {said}", tool.name);
            }
        }
        assert_eq!(snapshot(&house).await, before, "{} changed it", tool.name);
    }
    assert!(calls > 1_000, "{calls}");
    // By name it is not there either.
    let who = house.person("Ada").await.limited_to(vec![WEBSITE]);
    let named = js!({ "projectId": "Shop", "headline": "x" });
    assert_eq!(call(&house, &who, "addTask", named).await, Err(Reason::NotFound));
}

#[tokio::test]
async fn with_a_token_for_one_project_every_tool_of_the_board_works_there() {
    let boardwide = ["addPerson", "addProject", "getICalUrl"];
    for tool in House::build().await.tools.definitions().filter(|tool| tool.name != "finish") {
        let (house, own, _) = team().await;
        let who = house.person("Ada").await.limited_to(vec![WEBSITE]);
        if tool.name == "removeMember" {
            let listed = js!({ "projectId": WEBSITE.0, "userId": WEBSITE.0 });
            call(&house, &who, "setMember", listed).await.unwrap();
        }
        let mut reasons = Vec::new();
        for args in tried(tool, &own) {
            let done = call(&house, &who, tool.name, args).await;
            reasons.push(done.err());
            if reasons.last() == Some(&None) {
                break;
            }
        }
        // What is in use does not go: the tool was let at it all the same.
        let is_done = reasons.iter().any(|r| matches!(r, None | Some(Reason::RevisionConflict)));
        if boardwide.contains(&tool.name) || is_of_the_daemon(tool) {
            assert!(
                !is_done && reasons.iter().all(|r| *r == Some(Reason::OutOfScope)),
                "{}: {reasons:?}",
                tool.name
            );
            continue;
        }
        assert!(!reasons.contains(&Some(Reason::OutOfScope)), "{}: {reasons:?}", tool.name);
        // The daemon is not there in this test, there is no sprint, and nobody has an event.
        let needs_more = reasons.iter().any(|reason| {
            matches!(
                reason,
                Some(Reason::Unsupported | Reason::InvalidArguments | Reason::NotFound)
            )
        });
        let is_event = ["editEvent", "deleteEvent"].contains(&tool.name);
        let by_daemon = tool.set == Toolset::Reviews
            || ["claimTask", "renewClaim", "releaseTask", "getDigest", "findSprintCandidates"]
                .contains(&tool.name);
        assert!(is_done || ((is_event || by_daemon) && needs_more), "{}: {reasons:?}", tool.name);
    }
}

#[tokio::test]
async fn a_token_without_projects_is_for_all() {
    let (house, _, _) = team().await;
    let who = house.person("Ada").await.limited_to(vec![]);
    let found = call(&house, &who, "getTicket", js!({ "id": house.stranger.0 })).await.unwrap();
    assert!(found.to_string().contains(SECRET), "{found}");
}

#[tokio::test]
async fn nothing_of_another_project_is_tied_to_what_is_ours() {
    let (house, own, foreign) = team().await;
    let before = snapshot(&house).await;
    let who = house.person("Ada").await.limited_to(vec![WEBSITE]);
    let task = house.task.0;
    for args in [
        js!({ "id": task, "params": { "addDependencies": [house.stranger.0] } }),
        js!({ "id": task, "params": { "milestone": foreign_milestone(&house).await } }),
    ] {
        let refused = call(&house, &who, "editTask", args.clone()).await;
        assert_eq!(refused, Err(Reason::NotFound), "{args}");
    }
    let depends = js!({ "id": task, "dependsOn": house.stranger.0 });
    assert_eq!(call(&house, &who, "addDependency", depends).await, Err(Reason::NotFound));
    // Whatever of ours is named first, and of theirs beside it.
    for tool in house.tools.definitions().filter(|tool| tool.name != "finish") {
        let arguments = id_arguments(tool);
        for (first, argument) in arguments.iter().enumerate() {
            for (one, other) in own.iter().flat_map(|one| foreign.iter().map(move |o| (one, o))) {
                let ids: Vec<_> = arguments
                    .iter()
                    .enumerate()
                    .map(|(place, named)| (named, js!(if place == first { one } else { other })))
                    .collect();
                if arguments.len() < 2 {
                    continue;
                }
                let args = with(tool, &ids);
                let given = serde_json::from_value(args.clone()).unwrap();
                let said = match house.tools.call(tool.name, given, &who).await {
                    Ok(result) => serde_json::to_string(&result.value).unwrap(),
                    Err(error) => error.to_string(),
                };
                assert!(!said.contains(SECRET), "{} {args} ({}): {said}", tool.name, argument.0);
            }
        }
        assert_eq!(snapshot(&house).await, before, "{} changed it", tool.name);
    }
}

async fn foreign_milestone(house: &House) -> i64 {
    let query = MilestoneQuery { projects: vec![SHOP], ..MilestoneQuery::default() };
    house.board.below.milestones(&query).await.unwrap()[0].id.0
}

#[tokio::test]
async fn what_is_said_in_other_projects_does_not_end_the_pages_of_ours() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let update = |project: ProjectId, text: String| js!({ "projectId": project.0, "status": "green", "text": text });
    for (project, count) in [(SHOP, 60), (WEBSITE, 1), (SHOP, 60), (WEBSITE, 1), (SHOP, 3)] {
        for n in 0..count {
            let args = update(project, format!("{project} {n}"));
            call(&house, &ada, "addProjectStatusUpdate", args).await.unwrap();
        }
    }
    let who = ada.limited_to(vec![WEBSITE]);
    for (tool, args) in [
        ("getComments", js!({ "statusUpdates": true, "commentOrder": 1, "limit": 2 })),
        ("pollComments", js!({ "limit": 2 })),
    ] {
        let (mut found, mut cursor) = (Vec::new(), None);
        for round in 0.. {
            assert!(round < 20, "{tool} does not come to an end");
            let mut args = args.clone();
            if let Some(cursor) = cursor {
                args["cursor"] = cursor;
            }
            let page = serde_json::to_value(call(&house, &who, tool, args).await.unwrap()).unwrap();
            found.extend(page["items"].as_array().unwrap().iter().cloned());
            cursor = match tool {
                "getComments" => page.get("next").filter(|next| !next.is_null()).cloned(),
                _ => page["more"].as_bool().unwrap().then(|| page["cursor"].clone()),
            };
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), 2, "{tool}: {found:#?}");
    }
    // Newest first, the last page is ours however much of theirs comes before it.
    let newest = js!({ "statusUpdates": true, "limit": 2 });
    let page = call(&house, &who, "getComments", newest).await.unwrap();
    assert_eq!(page.get("items").unwrap().as_list().unwrap().len(), 2);
}
