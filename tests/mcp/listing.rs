//! How the tools are listed.

use super::{Client, team, token};
use serde_json::{Map, Value, json};

async fn tools(client: &Client) -> Vec<Value> {
    let listed = client.ask("tools/list", json!({})).await.result();
    assert!(listed.get("nextCursor").is_none(), "some clients read one page only");
    listed["tools"].as_array().unwrap().clone()
}

/// What hosts have choked on: lists of types, schemas that are `true`, arrays of nothing known.
fn strict(path: &str, schema: &Value) {
    let Value::Object(map) = schema else { panic!("{path}: {schema} is no object") };
    if let Some(kind) = map.get("type") {
        assert!(kind.is_string(), "{path}: type is {kind}");
        if kind == "array" {
            assert!(map.get("items").is_some_and(Value::is_object), "{path}: items");
        }
    }
    for absent in ["$schema", "$ref", "$defs", "format", "const"] {
        let keyword = map.get(absent).filter(|value| !value.is_object());
        assert!(keyword.is_none(), "{path}: {absent}");
    }
    let empty = Map::new();
    let members = map.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    for (name, inner) in members {
        strict(&format!("{path}.{name}"), inner);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = map.get(inner).filter(|inner| **inner != json!(false)) {
            strict(path, inner);
        }
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        let several = map.get(choice).and_then(Value::as_array);
        for (index, inner) in several.into_iter().flatten().enumerate() {
            strict(&format!("{path}|{index}"), inner);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_is_listed_as_all_hosts_bear_it() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let tools = tools(&Client::of(&serving, Some(&secret))).await;
    assert!(tools.len() > 80, "{}", tools.len());
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted(), "always in the same order: {names:?}");
    for tool in &tools {
        let name = tool["name"].as_str().unwrap();
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(plain && name.len() <= 32, "{name}");
        assert!(!tool["description"].as_str().unwrap().is_empty(), "{name}");
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{name}");
        assert_eq!(tool["annotations"]["openWorldHint"], false, "{name}");
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{name}");
            strict(&format!("{name}.{schema}"), &tool[schema]);
            jsonschema::draft202012::new(&tool[schema]).unwrap();
        }
    }
    for hidden in ["finish", "createToken", "rotateToken", "listTokens"] {
        assert!(!names.contains(&hidden), "{hidden}");
    }
    for (name, loses, is_alike) in
        [("deleteTask", true, true), ("editTask", false, true), ("addTask", false, false)]
    {
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
        let hints = &tool["annotations"];
        assert_eq!(hints["destructiveHint"], loses, "{name}");
        assert_eq!(hints["idempotentHint"], is_alike, "{name}");
    }
}

/// Four bytes to a token: what several tokenizers need for JSON of this kind, or a little less.
const BYTES_A_TOKEN: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_listing_costs_a_model_little() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let tools = tools(&Client::of(&serving, Some(&secret))).await;
    // What a host shows its model: name, description and arguments.
    let shown: Vec<Value> = tools
        .iter()
        .map(|tool| json!({ "name": tool["name"], "description": tool["description"], "input_schema": tool["inputSchema"] }))
        .collect();
    let tokens = serde_json::to_string(&shown).unwrap().len() / BYTES_A_TOKEN;
    println!("{} tools, about {tokens} tokens", tools.len());
    // With what no model is shown: titles, annotations and the schemas of results.
    let whole = serde_json::to_string(&tools).unwrap().len() / BYTES_A_TOKEN;
    println!("{whole} with everything that is sent");
    // A client that asks for some toolsets pays for those alone.
    assert!(tokens < 9_000, "{tokens} tokens");
    assert!(whole < 32_000, "{whole} tokens");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_ask_for_some_toolsets_by_address_or_header() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let all = tools(&client).await.len();
    let mut comments = client.clone();
    comments.url += "?toolsets=comments";
    let shown = tools(&comments).await;
    assert!((1..all).contains(&shown.len()));
    let refused =
        comments.ask("tools/call", json!({ "name": "getTicket", "arguments": { "id": 1 } })).await;
    assert_eq!(refused.message()["error"]["code"], -32_602);
    assert_eq!(tools(&client.with("x-mcp-toolsets", "comments")).await, shown);
    let mut readonly = client.clone();
    readonly.url += "?readonly";
    for tool in tools(&readonly).await {
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{}", tool["name"]);
    }
    let mut unknown = client.clone();
    unknown.url += "?toolsets=tasks,nonsense";
    let refused = unknown.ask("tools/list", json!({})).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("nonsense") && refused.text.contains("comments"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_header_only_tools_that_look_are_there_and_an_unknown_toolset_is_refused() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let all = tools(&client).await;
    let looks: Vec<Value> =
        all.iter().filter(|tool| tool["annotations"]["readOnlyHint"] == true).cloned().collect();
    assert!(!looks.is_empty() && looks.len() < all.len());
    for (value, expected) in
        [("true", &looks), ("1", &looks), ("false", &all), ("0", &all), ("no", &all), ("", &all)]
    {
        let shown = tools(&client.with("x-mcp-readonly", value)).await;
        assert!(shown == *expected, "{value:?}: {} tools", shown.len());
    }
    let looking = client.with("x-mcp-readonly", "true");
    assert_eq!(looking.call_status("getTicket", json!({ "id": 1 })).await, "none");
    for (tool, args) in [
        ("editTask", json!({ "id": 1, "params": { "headline": "No" } })),
        ("stopAll", json!({ "reason": "No" })),
    ] {
        let asked = json!({ "name": tool, "arguments": args });
        let refused = looking.ask("tools/call", asked).await.message();
        assert_eq!(refused["error"]["code"], -32_602, "as if it were not there: {refused:#}");
    }
    let shown = rota.run(["task", "show", "1", "--json"]).ok().json();
    assert_eq!(shown["headline"], "Fix the footer");
    assert!(!rota.state().join("STOPPED").exists());
    // Both headers narrow it.
    let both = tools(&looking.with("x-mcp-toolsets", "comments")).await;
    let names: Vec<&str> = both.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"getComments") && !names.contains(&"addComment"), "{names:?}");
    assert!(both.iter().all(|tool| looks.contains(tool)), "{names:?}");

    let refused =
        client.with("x-mcp-toolsets", "tasks,nonsense").ask("tools/list", json!({})).await;
    assert_eq!(refused.status, 400, "{refused:#?}");
    let error = refused.message()["error"].clone();
    assert_eq!(error["code"], -32_602, "{error:#}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("there is no toolset \"nonsense\"; there are "), "{message}");
    assert!(message.contains("comments, ") && message.ends_with("and readonly"), "{message}");
}

/// Calls, with what they are called with.
type Calls = Vec<(&'static str, Value)>;

fn one_by_one() -> Calls {
    vec![
        ("getTicket", json!({ "id": 1 })),
        ("findTasks", json!({ "projectIds": [1] })),
        ("getAllProjects", json!({})),
        ("getProject", json!({ "projectId": 1 })),
        ("getStatusLabels", json!({ "projectId": 1 })),
        ("listPeople", json!({})),
        ("getComments", json!({ "module": "ticket", "entityId": 1 })),
        ("addComment", json!({ "module": "ticket", "entityId": 1, "text": "Hello" })),
        ("editTask", json!({ "id": 1, "params": { "headline": "Other" } })),
        ("addTask", json!({ "projectId": 1, "headline": "Another" })),
        ("findMilestones", json!({ "projectId": 1 })),
        ("createGoalboard", json!({ "title": "2026", "projectId": 1 })),
        ("getAllGoals", json!({ "projectId": 1 })),
        ("getCalendar", json!({ "from": "today", "until": "+7d" })),
        ("listClaims", json!({})),
        ("listRuns", json!({})),
        ("getStatus", json!({})),
        ("listPlaybooks", json!({})),
        ("whyNot", json!({ "subject": "1" })),
        ("logTime", json!({ "ticketId": 1, "hours": 1, "date": "today", "kind": "TESTING" })),
        ("getUserTimesheets", json!({ "dateFrom": "today", "dateTo": "today" })),
        ("getProjectTimesheets", json!({ "projectId": 1, "dateFrom": "today", "dateTo": "today" })),
        (
            "getTimesheetSummary",
            json!({ "dateFrom": "today", "dateTo": "today", "groupBy": "kind" }),
        ),
        ("getWeeklyTimesheets", json!({ "weekStart": "today" })),
        ("startTimer", json!({ "duration": "5m", "taskId": 1 })),
        ("stopTimer", json!({})),
        ("findProject", json!({ "term": "web" })),
        ("getUsersAssignedToProject", json!({ "projectId": 1 })),
        ("getProjectsAssignedToUser", json!({ "userId": 1 })),
        ("getAllStatusLabelsByUserId", json!({ "userId": 1 })),
        ("patchProject", json!({ "id": 1, "params": { "details": "The new site." } })),
        ("getAllProjectComments", json!({ "projectId": 1 })),
        ("pollComments", json!({})),
        ("getFullProjectOverview", json!({ "projectId": 1, "includeTimesheets": true })),
    ]
}

fn many() -> Calls {
    vec![
        (
            "bulkAddTasks",
            json!({ "tasks": [{ "projectId": 1, "headline": "A" }, { "projectId": 9, "headline": "B" }] }),
        ),
        ("bulkAddTasks", json!({ "tasks": [{ "projectId": 1, "headline": "A" }], "dryRun": true })),
        ("bulkEditTasks", json!({ "updates": [{ "id": 1, "priority": 2 }], "atomic": true })),
        (
            "createSubtasksForTask",
            json!({ "parentTaskId": 1, "subtasks": [{ "headline": "A" }], "idempotencyKey": "k" }),
        ),
        (
            "createSubtasksForTask",
            json!({ "parentTaskId": 1, "subtasks": [{ "headline": "A" }], "idempotencyKey": "k" }),
        ),
        (
            "addMilestonesForProject",
            json!({ "projectId": 1, "milestones": [{ "headline": "A", "editFrom": "today", "editTo": "+3d" }] }),
        ),
        (
            "bulkAddEvents",
            json!({ "events": [{ "eventTitle": "A", "dateFrom": "today", "dateTo": "today" }] }),
        ),
        ("bulkEditEvents", json!({ "updates": [{ "id": 1, "eventTitle": "B" }] })),
        (
            "bulkLogTime",
            json!({ "entries": [{ "ticketId": 1, "hours": 1, "date": "today", "kind": "TESTING" }] }),
        ),
        (
            "bulkScheduleTasks",
            json!({ "schedules": [{ "taskId": 1, "editFrom": "tomorrow", "duration": 30 }] }),
        ),
        (
            "scheduleDay",
            json!({ "date": "tomorrow", "events": [{ "title": "A", "duration": 30 }], "taskIds": [1] }),
        ),
        (
            "breakdownTask",
            json!({ "taskId": 1, "startDate": "tomorrow", "subtasks": [{ "title": "A", "duration": 30 }] }),
        ),
        ("getICalUrl", json!({})),
        ("getICalUrl", json!({})),
        ("getICalUrl", json!({ "revoke": true })),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tool_answers_is_what_its_schema_says() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let tools = tools(&client).await;
    let mut checked = 0;
    for (name, args) in one_by_one().into_iter().chain(many()) {
        let result = client.call(name, args).await;
        assert_eq!(result["isError"], false, "{name}: {result:#}");
        let tool =
            tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("{name}"));
        let schema = jsonschema::draft202012::new(&tool["outputSchema"]).unwrap();
        let faults: Vec<_> = schema.iter_errors(&result["structuredContent"]).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        checked += 1;
    }
    assert_eq!(checked, 49);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_would_be_too_large_is_a_shorter_page_with_a_cursor() {
    let rota = team();
    for number in 0..30 {
        let headline = format!("{number} {}", "long ".repeat(40));
        rota.run(["task", "add", &headline, "--project", "Website"]).ok();
    }
    let secret = token(&rota, &["laptop"]);
    let rota = rota.with_env("MCP_MAX_RESPONSE_SIZE", "16K");
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let (mut seen, mut cursor, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let mut args = json!({ "projectIds": [1], "limit": 100 });
        if !cursor.is_null() {
            args["cursor"] = cursor;
        }
        let result = client.call("findTasks", args).await;
        assert_eq!(result["isError"], false, "{result:#}");
        assert!(result.to_string().len() <= 16 * 1024 + 256, "{}", result.to_string().len());
        let items = result["structuredContent"]["items"].as_array().unwrap().clone();
        seen.extend(items.iter().map(|item| item["id"].as_i64().unwrap()));
        pages += 1;
        cursor = result["structuredContent"]["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=31).collect::<Vec<_>>(), "each once");
    assert!(pages > 1, "{pages}");
}
