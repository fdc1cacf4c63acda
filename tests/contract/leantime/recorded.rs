//! Every exchange that was recorded with a real Leantime 3.9.8 is had with the fake: same request,
//! same status, same kind of body, same keys with the same JSON types, and the same words where they
//! are constants.
//!
//! Left out are the recordings of Leantime's own MCP tools (`mcp-*`), an interface that the fake does
//! not play; that it is not there without a plugin is held (`mcp-endpoint-without-plugin`).

use super::{Client, http};
use crate::support::leantime::{FakeLeantime, Options, Role};
use serde_json::{Value, json};

/// One exchange a line. A shape is the name of a type (or some, with bars), an array of the shape of
/// its elements, an object of shapes (`?` after keys that some lack, `*` for any key), or `{"=": x}`
/// for exactly this.
const EXCHANGES: &str = include_str!("../../fixtures/leantime/exchanges.jsonl");

/// A server in the state in which the recordings were made, with the keys of its users.
struct World {
    http: reqwest::Client,
    fake: FakeLeantime,
    keys: Vec<(&'static str, String)>,
}

async fn world(http: &reqwest::Client) -> World {
    let fake = FakeLeantime::start(Options::default()).await;
    let roles = [
        ("owner", Role::Owner, &[1, 2, 3][..]),
        ("admin", Role::Admin, &[1]),
        ("manager", Role::Manager, &[1]),
        ("editor", Role::Editor, &[1, 2]),
        ("commenter", Role::Commenter, &[1]),
        ("readonly", Role::Readonly, &[1]),
    ];
    let mut keys = Vec::new();
    for (name, role, projects) in roles {
        keys.push((name, fake.add_key(name, role, projects).1));
    }
    let person = fake.add_person("Hubert", "Human", Role::Editor);
    fake.add_project("Orchestra", &[person]);
    fake.add_project("Secret", &[]);
    fake.add_member(person, 1, None);
    keys.push(("ada", fake.add_token(1)));
    fill(&fake);
    let world = World { http: http.clone(), fake, keys };
    fill_by_calls(&world.client(&world.keys[3].1)).await;
    world
}

impl World {
    fn client(&self, key: &str) -> Client {
        Client::over(&self.http, &self.fake.url(), "x-api-key", key)
    }
}

/// Tickets 1 to 9 with the numbers that the recordings have.
fn fill(fake: &FakeLeantime) {
    let editor = fake.as_person(5);
    let ticket = |columns: Value| editor.add_ticket(columns);
    let colour = json!("#ff0000");
    ticket(json!({
        "headline": "First", "projectId": 1, "editorId": "5", "priority": "2", "storypoints": 3,
        "description": "<p>Hello</p>",
    }));
    ticket(json!({ "headline": "Min", "projectId": 1 }));
    ticket(json!({ "headline": "Theirs", "projectId": 3 }));
    ticket(json!({ "headline": "Quick", "projectId": 1, "editorId": "5", "sortIndex": 0 }));
    for editor in ["5", ""] {
        ticket(json!({
            "headline": "Sub", "projectId": 1, "type": "subtask", "dependingTicketId": 1,
            "editorId": editor, "priority": "3",
        }));
    }
    for _ in 0..2 {
        ticket(json!({
            "headline": "M", "projectId": 1, "type": "milestone", "editorId": "5", "priority": "3",
            "tags": colour, "editTo": "2026-12-20 20:00:00",
        }));
    }
    ticket(json!({ "headline": "Ninth", "projectId": 1 }));
    fake.as_person(6).comment(1, "<p>Hello from bot</p>");
    fake.add_board(1, "Goals");
}

/// What only calls can make.
async fn fill_by_calls(editor: &Client) {
    let comment =
        |values: Value, module: &str| json!({ "values": values, "module": module, "entityId": 1 });
    let reply = comment(json!({ "text": "<p>Reply</p>", "father": 1 }), "ticket");
    let good = comment(json!({ "text": "<p>Good</p>", "status": "green" }), "project");
    let purple = comment(json!({ "text": "<p>hm</p>", "status": "purple" }), "project");
    for values in [reply, good, purple] {
        assert_eq!(editor.call("comments.addComment", values).await, true);
    }
    let hours = json!({ "hours": 3, "kind": "DEVELOPMENT", "date": "2026-11-20" });
    editor.call("timesheets.logTime", json!({ "ticketId": 1, "params": hours })).await;
    for title in ["Standup", "ISO"] {
        let event = json!({
            "description": title, "dateFrom": "2026-11-23T09:00:00Z",
            "dateTo": "2026-11-23T10:00:00Z",
        });
        editor.call("calendar.addEvent", json!({ "values": event })).await;
    }
    let sprint = json!({
        "name": "S", "startDate": "2026-11-23", "endDate": "2026-12-06", "projectId": 1,
    });
    editor.call("sprints.addSprint", json!({ "params": sprint })).await;
}

/// What a recording needs besides.
async fn prepare(name: &str, world: &World) {
    let fake = &world.fake;
    let editor = fake.as_person(5);
    match name {
        "timesheets-isClocked"
        | "timesheets-punchOut"
        | "timesheets-punchIn-twice"
        | "timesheets-stopActiveTimer" => editor.start_timer(4),
        "timesheets-punchIn-taken-by-other-user" => fake.as_person(8).start_timer(9),
        "error-delete-missing" => editor.delete(6),
        "tickets-getAll" => (2..=9).for_each(|ticket| editor.delete(ticket)),
        _ if name.starts_with("timesheets-") => editor.edit(1, "milestoneid", json!(7)),
        "error-rate-limited" => {
            let client = world.client(&world.keys[3].1);
            while client.status(&super::asked("install.currentVersion", json!({}))).await == 200 {}
        }
        "error-rate-limited-auth-failures" => {
            let client = world.client("lt_nobody_nothing");
            while client.status(&json!({})).await == 401 {}
        }
        _ => {}
    }
    let has_goal = name.starts_with("goalcanvas-") && !name.contains("create");
    if has_goal || name.starts_with("rest-") || name.starts_with("comments-addComment-goal") {
        let values = json!({
            "canvasId": 1, "title": "Ship", "box": "goal", "author": 5, "milestoneId": 7,
            "assignedTo": 5, "startDate": "2026-11-01 00:00:00", "endDate": "2026-12-31 00:00:00",
            "startValue": 0, "currentValue": 1, "endValue": 10, "metricType": "number",
        });
        let client = world.client(&world.keys[3].1);
        client.call("goalcanvas.createGoal", json!({ "values": values })).await;
    }
}

fn header(who: &str, world: &World) -> Option<(&'static str, String)> {
    let key = |name: &str| {
        let found = world.keys.iter().find(|(own, _)| *own == name);
        found.map_or_else(|| panic!("nobody is {name}"), |(_, key)| key.clone())
    };
    match who {
        "nobody" => None,
        "bad-key" => Some(("x-api-key", "lt_nobody_nothing".to_owned())),
        "bad-token" => Some(("authorization", "Bearer nothing".to_owned())),
        "key-as-token" => Some(("authorization", format!("Bearer {}", key("editor")))),
        "ada" => Some(("authorization", format!("Bearer {}", key("ada")))),
        who => Some(("x-api-key", key(who))),
    }
}

/// Where an answer differs from what was recorded.
async fn differences(exchange: &Value, http: &reqwest::Client) -> Vec<String> {
    let name = exchange["name"].as_str().unwrap();
    let world = world(http).await;
    prepare(name, &world).await;
    let text = |key: &str| exchange[key].as_str();
    let verb = text("verb").unwrap().parse().unwrap();
    let url = format!("{}{}", world.fake.url(), text("path").unwrap());
    let mut request =
        http.request(verb, url).header("content-type", text("type").unwrap_or("application/json"));
    if let Some((header, value)) = header(text("who").unwrap(), &world) {
        request = request.header(header, value);
    }
    request = match &exchange["body"] {
        Value::Null => request,
        Value::String(body) => request.body(body.clone()),
        body => request.body(body.to_string()),
    };
    let answer = request.send().await.unwrap();
    let mut found = Vec::new();
    if exchange["status"] != answer.status().as_u16() {
        found.push(format!("status {}", answer.status()));
    }
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    if Some(kind.split(';').next().unwrap()) != text("media") {
        found.push(format!("it is {kind}"));
    }
    for header in exchange["headers"].as_array().into_iter().flatten() {
        if !answer.headers().contains_key(header.as_str().unwrap()) {
            found.push(format!("no {header}"));
        }
    }
    let body = answer.text().await.unwrap();
    match (&exchange["answer"], serde_json::from_str::<Value>(&body)) {
        (Value::Null, _) if body.is_empty() => {}
        (Value::Array(shapes), Ok(Value::Array(parts))) if shapes.len() == parts.len() => {
            for (shape, part) in shapes.iter().zip(&parts) {
                differ(shape, part, name, &mut found);
            }
        }
        (shape, Ok(body)) => differ(shape, &body, name, &mut found),
        (_, Err(error)) => found.push(format!("{error}: {body:?}")),
    }
    found.into_iter().map(|fault| format!("{name}: {fault}")).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "num",
        Value::String(_) => "str",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn differ(shape: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    match (shape, value) {
        (Value::String(kinds), _) => {
            if !kinds.split('|').any(|own| own == kind(value)) {
                found.push(format!("{at} is {value}, not {kinds}"));
            }
        }
        (Value::Array(element), Value::Array(values)) => {
            if !element.is_empty() && values.is_empty() {
                found.push(format!("{at} is empty"));
            }
            for (value, shape) in values.iter().zip(element.iter().cycle()) {
                differ(shape, value, &format!("{at}[]"), found);
            }
        }
        (Value::Object(shapes), _) if shapes.contains_key("=") => {
            if shapes["="] != *value {
                found.push(format!("{at} is {value}, not {}", shapes["="]));
            }
        }
        (Value::Object(shapes), Value::Object(values)) => {
            if let Some(any) = shapes.get("*") {
                if values.is_empty() {
                    found.push(format!("{at} has no keys"));
                }
                values.values().for_each(|value| differ(any, value, &format!("{at}.*"), found));
                return;
            }
            for (key, shape) in shapes {
                match values.get(key.trim_end_matches('?')) {
                    Some(value) => differ(shape, value, &format!("{at}.{key}"), found),
                    None if key.ends_with('?') => {}
                    None => found.push(format!("{at} has no {key}")),
                }
            }
            let is_new = |key: &&String| {
                !shapes.contains_key(*key) && !shapes.contains_key(&format!("{key}?"))
            };
            found.extend(values.keys().filter(is_new).map(|key| format!("{at} has {key}, too")));
        }
        _ => found.push(format!("{at} is {value}, not {shape}")),
    }
}

#[tokio::test]
async fn the_fake_answers_as_the_real_one_did() {
    let http = http();
    let mut found = Vec::new();
    let mut count = 0;
    for line in EXCHANGES.lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        found.extend(differences(&exchange, &http).await);
        count += 1;
    }
    assert_eq!(count, 173, "exchanges went missing");
    assert!(found.is_empty(), "{} differences\n{}", found.len(), found.join("\n"));
}

#[test]
fn differences_are_seen() {
    let shape = json!({ "a": "num|null", "b": ["str"], "c?": "bool", "d": { "=": 1 } });
    let count = |value: Value| {
        let mut found = Vec::new();
        differ(&shape, &value, "", &mut found);
        found.len()
    };
    assert_eq!(count(json!({ "a": null, "b": ["x"], "d": 1 })), 0);
    assert_eq!(count(json!({ "a": 1, "b": ["x", "y"], "c": true, "d": 1 })), 0);
    assert_eq!(count(json!({ "a": "1", "b": ["x", 2], "c": true, "d": 2 })), 3);
    assert_eq!(count(json!({ "b": [], "d": 1, "e": 1 })), 3);
    assert_eq!(count(json!([])), 1);
}
