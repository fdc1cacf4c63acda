//! Lists in pages, and what is looked at one by one.

use super::{Api, SAYS};
use crate::mcp::{team, token};
use crate::support::daemon::instant;
use crate::support::rota::Rota;
use serde_json::{Value, json};

fn with_playbooks() -> (Rota, String) {
    let rota = team();
    rota.run(["person", "add", "AI-Worker", "--agent", "--role", "editor"]).ok();
    for name in ["says", "says-too"] {
        rota.write(&format!("agents/{name}.toml"), SAYS);
    }
    let secret = token(&rota, &["laptop"]);
    (rota, secret)
}

/// Every item, page by page.
async fn all(api: &Api, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..20 {
        let joint = if path.contains('?') { '&' } else { '?' };
        let after = cursor.as_ref().map(|cursor| format!("&cursor={}", cursor.replace('/', "%2F")));
        let page = format!("{path}{joint}limit={limit}{}", after.unwrap_or_default());
        let page = api.get(&page).await.ok();
        let found = page["items"].as_array().unwrap();
        assert!(found.len() <= limit);
        items.extend(found.iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return items,
        }
    }
    panic!("no last page");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_runs_and_occurrences_hold_each_once() {
    let (rota, secret) = with_playbooks();
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    for playbook in ["says", "says", "says", "says-too"] {
        let ran = api.post(&format!("/api/v1/playbooks/{playbook}/run"), json!({})).await.ok();
        assert_eq!(ran["state"], "succeeded", "{ran:#}");
    }
    for path in ["/api/v1/runs", "/api/v1/occurrences"] {
        let whole = all(&api, path, 50).await;
        assert_eq!(whole.len(), 4, "{path}: {whole:#?}");
        for limit in 1..4 {
            assert_eq!(all(&api, path, limit).await, whole, "{path} by {limit}");
        }
        let of_one = all(&api, &format!("{path}?playbook=says"), 2).await;
        assert_eq!(of_one.len(), 3, "{path}");
        assert!(of_one.iter().all(|item| item["playbook"] == "says"));
    }
    // What a cursor names may be gone by now: that is no end of a list.
    for path in ["/api/v1/runs?cursor=r-gone", "/api/v1/occurrences?cursor=says%2Fgone"] {
        assert_eq!(api.get(path).await.problem(400), "invalid_arguments", "{path}");
    }
    let failed = all(&api, "/api/v1/runs?state=failed", 5).await;
    assert_eq!(failed, Vec::<Value>::new());

    let run = &all(&api, "/api/v1/runs", 1).await[0];
    let id = run["id"].as_str().unwrap();
    let shown = api.get(&format!("/api/v1/runs/{id}")).await.ok();
    assert_eq!(shown["run"]["id"], id);
    let occurrence = run["occurrence"].as_str().unwrap().replace('/', "%2F");
    let shown = api.get(&format!("/api/v1/occurrences/{occurrence}")).await.ok();
    assert_eq!(
        (&shown["state"], &shown["trigger"]),
        (&json!("ran"), &json!("manual")),
        "{shown:#}"
    );
    assert_eq!(shown["runs"][0], id);
    assert_eq!(api.get("/api/v1/runs/r-nothing").await.problem(404), "not_found");
    assert_eq!(api.get("/api/v1/occurrences/no%2Fsuch").await.problem(404), "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn playbooks_are_listed_switched_and_run() {
    let (rota, secret) = with_playbooks();
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let names: Vec<Value> = all(&api, "/api/v1/playbooks", 1)
        .await
        .into_iter()
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(names, ["says", "says-too"]);
    for (what, armed, paused) in
        [("arm", true, false), ("pause", true, true), ("resume", true, false)]
    {
        let done = api.post(&format!("/api/v1/playbooks/says/{what}"), json!({})).await.ok();
        assert_eq!((&done["armed"], &done["paused"]), (&json!(armed), &json!(paused)), "{what}");
    }
    let unknown = api.post("/api/v1/playbooks/nothing/run", json!({})).await;
    assert_eq!(unknown.problem(404), "not_found");
    let twice = api.post("/api/v1/playbooks/says/run", json!({ "playbook": "says-too" })).await;
    assert_eq!(twice.problem(400), "invalid_arguments", "it is in the path");
    let state = api.get("/api/v1/state").await.ok();
    assert_eq!(state["scheduling"], true);
    for wrong in ["limit=0", "limit=1001", "limit=x", "cursor=gone", "page=2", "limit=1&limit=2"] {
        let refused = api.get(&format!("/api/v1/playbooks?{wrong}")).await;
        assert_eq!(refused.problem(400), "invalid_arguments", "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_be_done_and_does_nothing() {
    let (rota, secret) = with_playbooks();
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let report = api.post("/api/v1/playbooks/says/run", json!({ "dryRun": true })).await.ok();
    assert_eq!(report["effects"][0]["tool"], "addComment", "{report:#}");
    assert!(report["changes"][0]["after"].to_string().contains("Here."), "{report:#}");
    let comments = json!({ "module": "ticket", "entityId": 1 });
    let comments = api.tool("getComments", comments).await.ok();
    assert_eq!(comments["items"], json!([]));
    assert_eq!(api.get("/api/v1/runs").await.ok()["items"], json!([]));
    // What is wrong in the house, and what people did there, are asked for as anything else.
    let health = api.tool("getHealth", json!({})).await.ok();
    assert_eq!(health["items"][0]["what"], "configuration", "{health:#}");
    api.post("/api/v1/playbooks/says/pause", json!({})).await.ok();
    let log = api.tool("listAudit", json!({ "limit": 5 })).await.ok();
    let acts: Vec<&str> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["what"].as_str())
        .collect();
    assert!(acts.contains(&"pause") && acts.len() <= 5, "{log:#}");
}

/// Every item that a tool lists, page by page.
async fn paged(api: &Api, tool: &str, args: &Value, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut after = String::new();
    for _ in 0..20 {
        let page = api.tool(&format!("{tool}?limit={limit}{after}"), args.clone()).await.ok();
        let found = page["items"].as_array().unwrap();
        assert!(found.len() <= limit, "{tool}: {page:#}");
        items.extend(found.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&cursor={}", next.replace('/', "%2F")),
            None => return items,
        }
    }
    panic!("{tool}: no last page");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_tools_that_know_no_pages_come_in_pages_all_the_same() {
    let (rota, secret) = with_playbooks();
    for name in ["Shop", "Intranet"] {
        rota.run(["project", "add", name]).ok();
    }
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    // On one day an event and a task, both with the number 1.
    for (tool, args) in [
        (
            "addEvent",
            json!({ "eventTitle": "Review", "dateFrom": "2026-11-03T09:00", "dateTo": "2026-11-03T10:00" }),
        ),
        ("editTask", json!({ "id": 1, "params": { "editorId": "me" } })),
        (
            "scheduleTaskOnCalendar",
            json!({ "id": 1, "editFrom": "2026-11-03T11:00", "editTo": "2026-11-03T12:00" }),
        ),
        (
            "addMilestone",
            json!({ "projectId": 1, "headline": "Alpha", "editFrom": "2026-11-01", "editTo": "2026-11-20" }),
        ),
        (
            "addMilestone",
            json!({ "projectId": 1, "headline": "Beta", "editFrom": "2026-11-01", "editTo": "2026-11-30" }),
        ),
    ] {
        api.tool(tool, args).await.ok();
    }
    for (tool, args, least) in [
        ("getAllProjects", json!({}), 3),
        ("listPeople", json!({}), 4),
        ("getStatusLabels", json!({ "projectId": 1 }), 3),
        ("findMilestones", json!({}), 2),
        ("getCalendar", json!({ "from": "2026-11-01", "until": "2026-11-30" }), 2),
        ("listPlaybooks", json!({}), 2),
        // It makes pages itself.
        ("findProject", json!({ "term": "e" }), 2),
    ] {
        let whole = api.tool(tool, args.clone()).await.ok();
        let whole = whole["items"].as_array().unwrap();
        assert!(whole.len() >= least, "{tool}: {whole:#?}");
        for limit in 1..=3 {
            assert_eq!(&paged(&api, tool, &args, limit).await, whole, "{tool} by {limit}");
        }
    }
    // What has no name is counted.
    let first = api.tool("getHealth?limit=2", json!({})).await.ok();
    assert_eq!((first["items"].as_array().unwrap().len(), &first["next"]), (2, &json!("2")));
    let second = api.tool("getHealth?limit=1&cursor=2", json!({})).await.ok();
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    let names =
        [&first["items"][0], &first["items"][1], &second["items"][0]].map(|one| &one["what"]);
    assert!(names[2].is_string() && names[2] != names[0] && names[2] != names[1], "{names:?}");
    let log = api.tool("listAudit?limit=1", json!({})).await.ok();
    assert_eq!(log["items"].as_array().unwrap().len(), 1);
    for (tool, args, why) in [
        ("getAllProjects?limit=0", json!({}), "no page has no item"),
        ("getAllProjects?limit=1001", json!({}), "none has more"),
        ("getAllProjects?cursor=999", json!({}), "it is gone"),
        ("getHealth?cursor=999", json!({}), "the list is shorter"),
        ("findTasks?limit=1", json!({ "limit": 5 }), "which of both?"),
        ("getTicket?limit=1", json!({ "id": 1 }), "no list"),
        ("addComment?limit=1", json!({}), "what writes answers once"),
    ] {
        assert_eq!(api.tool(tool, args).await.problem(400), "invalid_arguments", "{tool}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_what_is_coming_follow_each_other_while_time_passes() {
    let (rota, secret) = with_playbooks();
    let ticks = SAYS.replacen("[[step]]", "[on]\ncron = \"* * * * * *\"\n[[step]]", 1);
    rota.write("agents/ticks.toml", &ticks);
    let rota = rota.with_env("MCP_RATE_LIMIT", "100000");
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let args = json!({ "playbook": "ticks", "count": 5 });
    let planned = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["planned"].as_str().unwrap().to_owned()).collect()
    };
    let mut page = api.tool("nextOccurrences?limit=1", args.clone()).await.ok();
    let mut seen = planned(&page);
    // Until that is no coming one any more.
    let mut is_past = false;
    for _ in 0..20_000 {
        let fresh = api.tool("nextOccurrences?limit=1", args.clone()).await.ok();
        is_past = planned(&fresh) != seen;
        if is_past {
            break;
        }
    }
    assert!(is_past, "time does not pass");
    while let Some(next) = page["next"].as_str() {
        let next = format!("nextOccurrences?limit=2&cursor={}", next.replace('/', "%2F"));
        page = api.tool(&next, args.clone()).await.ok();
        seen.extend(planned(&page));
    }
    let seconds: Vec<i64> = seen.iter().map(|at| instant(at).timestamp()).collect();
    assert_eq!(seconds.len(), 5, "{seen:?}");
    assert!(seconds.is_sorted_by(|one, next| next - one == 1), "a gap, or one twice: {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_too_long_for_one_answer_comes_page_by_page() {
    let (rota, secret) = with_playbooks();
    for name in ["Shop", "Intranet", "Office"] {
        rota.run(["project", "add", name]).ok();
    }
    let rota = rota.with_env("MCP_MAX_RESPONSE_SIZE", "1K");
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let whole = api.tool("getAllProjects", json!({})).await;
    assert_eq!(whole.problem(422), "response_too_large");
    let all = paged(&api, "getAllProjects", &json!({}), 1).await;
    let names: Vec<&str> = all.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["Website", "Shop", "Intranet", "Office"]);
}
