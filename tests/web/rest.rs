//! Tools, tasks and decisions over REST: who may, what comes back, what is refused.

use super::{Api, sent};
use crate::mcp::{team, token};
use crate::support::rota::{Rota, Serving};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_called_by_name_and_answers_with_its_structure() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let task = api.tool("getTicket", json!({ "id": 1 })).await.ok();
    assert_eq!(task["headline"], "Fix the footer");
    let edit = json!({ "id": 1, "params": { "headline": "Fix the header" } });
    api.tool("editTask", edit).await.ok();
    let shown = rota.run(["task", "show", "1", "--json"]).ok().json();
    assert_eq!(shown["headline"], "Fix the header");
    // Also a tool of a toolset that no listing of MCP shows unasked.
    assert!(api.tool("listReviews", json!({})).await.ok()["items"].is_array());
    // No body is an empty one.
    let bare = sent(api.request("POST", "/api/v1/tools/getAllProjects")).await.ok();
    assert_eq!(bare["items"][0]["name"], "Website");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_a_problem_with_a_stable_code() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    for (tool, args, status, code) in [
        ("getTicket", json!({ "id": 4711 }), 404, "not_found"),
        ("getTicket", json!({ "idd": 1 }), 400, "invalid_arguments"),
        ("editTask", json!({ "id": 1, "params": { "status": "Nirvana" } }), 422, "unknown_status"),
        ("deleteTask", json!({ "id": 1 }), 409, "confirmation_needed"),
        ("dropTables", json!({}), 404, "unknown_tool"),
        ("createToken", json!({}), 404, "unknown_tool"),
    ] {
        assert_eq!(api.tool(tool, args).await.problem(status), code, "{tool}");
    }
    assert_eq!(api.get("/api/v1/nowhere").await.problem(404), "no_such_route");
    assert_eq!(api.get("/api/v1/tools/getTicket").await.problem(405), "method_not_allowed");
    assert_eq!(api.get("/api/v1/state?x=1").await.problem(400), "invalid_arguments");
    let tool = || api.request("POST", "/api/v1/tools/getTicket");
    let plain = tool().header("content-type", "text/plain").body("{\"id\": 1}");
    assert_eq!(sent(plain).await.problem(415), "unsupported_media_type");
    for wrong in ["[1]", "{\"id\": 1", "7", "{\"id\": 1} x"] {
        let request = tool().header("content-type", "application/json").body(wrong);
        assert_eq!(sent(request).await.problem(400), "invalid_arguments", "{wrong}");
    }
    let large = tool().header("content-type", "application/json");
    let large = large.body(format!("{{\"id\": \"{}\"}}", "x".repeat(1024 * 1024)));
    assert_eq!(sent(large).await.problem(413), "request_too_large");
    let confirmed = json!({ "id": 1, "confirm": "1" });
    assert_eq!(api.tool("deleteTask", confirmed).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_of_mcp_stands_before_it() {
    let rota = team().with_env("MCP_RATE_LIMIT", "8");
    let ada = token(&rota, &["laptop"]);
    let bob = token(&rota, &["bobs", "--person", "Bob"]);
    let eve = token(&rota, &["eves", "--person", "Eve"]);
    let narrow = token(&rota, &["narrow", "--tool", "get*"]);
    let serving = rota.serve(Vec::<&str>::new());
    let nobody = Api::of(&serving, None);
    let refused = nobody.get("/api/v1/state").await;
    assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"rota\"");
    assert_eq!(refused.problem(401), "unauthorized");
    assert_eq!(nobody.get("/api/v1/openapi.json").await.problem(401), "unauthorized");
    assert_eq!(nobody.get("/api/v1/events").await.problem(401), "unauthorized");
    let wrong = Api::of(&serving, Some("rota_nonsense"));
    assert_eq!(wrong.get("/api/v1/state").await.problem(401), "unauthorized");
    let eve = Api::of(&serving, Some(&eve));
    assert_eq!(eve.get("/api/v1/state").await.problem(403), "role_too_low");
    let bob = Api::of(&serving, Some(&bob));
    let arm = bob.post("/api/v1/playbooks/ai-worker/arm", json!({})).await;
    assert_eq!(arm.problem(403), "role_too_low", "an editor arms nothing");
    let narrow = Api::of(&serving, Some(&narrow));
    assert_eq!(narrow.tool("getTicket", json!({ "id": 1 })).await.status, 200);
    let edit = json!({ "id": 1, "params": {} });
    assert_eq!(narrow.tool("editTask", edit).await.problem(404), "unknown_tool");

    let ada = Api::of(&serving, Some(&ada));
    let from = |name: &str, value: &str| ada.request("GET", "/api/v1/state").header(name, value);
    assert_eq!(sent(from("host", "evil.example")).await.problem(403), "forbidden");
    assert_eq!(sent(from("origin", "https://evil.example")).await.problem(403), "forbidden");
    assert_eq!(sent(from("origin", "http://localhost:3001")).await.status, 200);
    let mut last = 200;
    for _ in 0..8 {
        last = ada.get("/api/v1/state").await.status;
    }
    assert_eq!(last, 429, "the rate is that of MCP");
    let slow = ada.get("/api/v1/state").await;
    assert!(!slow.header("retry-after").is_empty());
    assert_eq!(slow.problem(429), "too_many_requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_some_projects_knows_no_others_and_no_daemon() {
    let rota = team();
    rota.run(["project", "add", "Secret"]).ok();
    rota.run(["task", "add", "Hidden", "--project", "Secret"]).ok();
    let secret = token(&rota, &["partner", "--project", "Website"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    assert_eq!(api.get("/api/v1/tasks/1").await.status, 200);
    assert_eq!(api.get("/api/v1/tasks/2").await.problem(404), "not_found");
    for path in ["state", "runs", "claims", "playbooks", "occurrences"] {
        let refused = api.get(&format!("/api/v1/{path}")).await;
        assert_eq!(refused.problem(404), "unknown_tool", "{path}");
    }
    assert_eq!(api.get("/api/v1/review").await.ok()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_changes_only_from_the_revision_that_was_seen() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let first = api.get("/api/v1/tasks/1").await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    assert_eq!(first.ok()["headline"], "Fix the footer");
    let known = api.request("GET", "/api/v1/tasks/1").header("if-none-match", &tag);
    let known = sent(known).await;
    assert_eq!((known.status, known.header("etag")), (304, tag.as_str()));

    let patch = |tag: &str, headline: &str| {
        let request = api.request("PATCH", "/api/v1/tasks/1").header("if-match", tag.to_owned());
        sent(request.json(&json!({ "headline": headline })))
    };
    let changed = patch(&tag, "Fix the header").await;
    let newer = changed.header("etag").to_owned();
    assert_ne!(newer, tag);
    assert_eq!(changed.ok()["headline"], "Fix the header");
    assert_eq!(patch(&tag, "Lost update").await.problem(412), "revision_conflict");
    assert_eq!(patch("\"nonsense\"", "x").await.problem(412), "revision_conflict");
    let stale = api.request("GET", "/api/v1/tasks/1").header("if-none-match", &tag);
    assert_eq!(sent(stale).await.status, 200, "it changed since");
    assert_eq!(patch("*", "Whatever it was").await.status, 200);
    // Whoever lost the tag does not want to be the last one who wins.
    assert_eq!(patch("", "Lost update").await.problem(400), "invalid_arguments");
    let bare = api.request("PATCH", "/api/v1/tasks/1").json(&json!({ "priority": 1 }));
    assert_eq!(sent(bare).await.ok()["priority"], 1);
    assert_eq!(api.get("/api/v1/tasks/4711").await.problem(404), "not_found");
    let unknown = api.request("PATCH", "/api/v1/tasks/1").json(&json!({ "headlin": "x" }));
    assert_eq!(sent(unknown).await.problem(400), "invalid_arguments");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_with_its_key_is_done_once() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let add = || {
        let request = api.request("POST", "/api/v1/tools/addTask").header("idempotency-key", "k1");
        sent(request.json(&json!({ "headline": "Once", "projectId": 1 })))
    };
    let (first, second) = (add().await.ok(), add().await.ok());
    assert!(first.get("repeated").is_none() && second["repeated"].is_string(), "{second:#}");
    assert_eq!(api.tasks_called("Once").await, 1);
}

/// A team with an agent: its folder, its daemon, a person there, the agent.
fn with_a_robot() -> (Rota, Serving, Api, Api) {
    let rota = team();
    rota.run(["person", "add", "Robot", "--agent", "--role", "editor"]).ok();
    let ada = token(&rota, &["laptop"]);
    let robot = token(&rota, &["robots", "--person", "Robot"]);
    let serving = rota.serve(Vec::<&str>::new());
    let (ada, robot) = (Api::of(&serving, Some(&ada)), Api::of(&serving, Some(&robot)));
    (rota, serving, ada, robot)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_listed_and_decided_once() {
    let (_rota, _serving, ada, robot) = with_a_robot();
    let fence = robot.tool("claimTask", json!({ "task": 1 })).await.ok()["fence"].clone();
    let claims = ada.get("/api/v1/claims").await.ok();
    assert_eq!(claims["items"][0]["by"], "Robot", "{claims:#}");
    let submit = json!({ "task": 1, "fence": fence, "summary": "Done.", "reviewer": "Ada" });
    robot.tool("submitForReview", submit).await.ok();
    let waits = ada.get("/api/v1/review").await.ok();
    assert_eq!(waits["items"][0]["item"], "1", "{waits:#}");
    let decide = |api: &Api| {
        let body = json!({ "decision": "approve", "comment": "Good." });
        let api = api.clone();
        async move { api.post("/api/v1/review/1/decide", body).await }
    };
    assert_eq!(decide(&robot).await.status, 403, "nobody approves their own work");
    let other = json!({ "decision": "approve", "run": "r-000000000000" });
    let other = ada.post("/api/v1/review/1/decide", other).await;
    assert_eq!(other.problem(409), "review_changed", "it is not what was seen");
    let decided = decide(&ada).await.ok();
    assert!(decided.get("repeated").is_none_or(|repeated| repeated == false), "{decided:#}");
    assert_eq!(decide(&ada).await.ok()["repeated"], true, "the first decision stands");
    assert_eq!(ada.get("/api/v1/review").await.ok()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_put_off_sent_back_and_answered_and_the_list_says_age_and_owner() {
    let (rota, _serving, ada, robot) = with_a_robot();
    let claim = async || robot.tool("claimTask", json!({ "task": 1 })).await.ok()["fence"].clone();
    let submit =
        json!({ "task": 1, "fence": claim().await, "summary": "Done.", "reviewer": "Bob" });
    robot.tool("submitForReview", submit).await.ok();
    let first = async || ada.get("/api/v1/review").await.ok()["items"][0].clone();
    let item = first().await;
    assert_eq!((&item["owner"], &item["age"]), (&json!("Bob"), &json!("0m")), "{item:#}");
    let table = rota.run(["review", "list"]).ok().out;
    let line = table.lines().find(|line| line.starts_with("1 ")).unwrap();
    for word in ["hand_over", "0m", "Robot", "Bob", "Fix the footer"] {
        assert!(line.contains(word), "{word}: {table}");
    }
    assert!(table.lines().next().unwrap().contains("AGE") && table.contains("OWNER"), "{table}");

    let decide = async |body: Value| ada.post("/api/v1/review/1/decide", body).await;
    decide(json!({ "decision": "snooze", "until": "+2d" })).await.ok();
    let item = first().await;
    assert!(item["snoozed"].is_string() && item["owner"] == "Bob", "{item:#}");
    let unsaid = decide(json!({ "decision": "request_changes" })).await;
    assert_eq!(unsaid.problem(400), "invalid_arguments", "it has to say what");
    decide(json!({ "decision": "request_changes", "comment": "The link is missing." })).await.ok();
    assert!(rota.run(["task", "show", "1"]).ok().out.contains("The link is missing."));
    assert_eq!(ada.get("/api/v1/review").await.ok()["items"], json!([]));

    let ask = json!({ "task": 1, "fence": claim().await, "question": "Which footer?" });
    robot.tool("askPerson", ask).await.ok();
    let item = first().await;
    assert_eq!((&item["kind"], &item["text"]), (&json!("question"), &json!("Which footer?")));
    decide(json!({ "decision": "answer", "comment": "The lower one." })).await.ok();
    assert_eq!(ada.get("/api/v1/review").await.ok()["items"], json!([]));
    let held = robot.tool("claimTask", json!({ "task": 1 })).await.ok();
    assert_eq!(held["answer"], "The lower one.", "{held:#}");
}
