//! A token for some projects only, over HTTP and at a pipe.

use super::pipe::Piped;
use super::{Client, team, token};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_for_one_project_there_are_no_others() {
    let rota = team();
    rota.run(["project", "add", "Shop"]).ok();
    rota.run(["task", "add", "Count the stock", "--project", "Shop"]).ok();
    let secret = token(&rota, &["website", "--project", "Website"]);
    let shown = rota.run(["token", "list", "--json"]).ok().json();
    assert_eq!(shown["items"][0]["projects"], json!([1]), "{shown:#}");
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let listed = client.ask("tools/list", json!({})).await.result();
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(names.contains(&"getTicket") && names.contains(&"claimTask"), "{names:?}");
    for hidden in ["listRuns", "listClaims", "stopAll", "undoRun", "addProject", "addPerson"] {
        assert!(!names.contains(&hidden), "{hidden}");
    }
    let is_hidden = |result: &Value| {
        result["isError"] == true
            && result["content"][0]["text"].as_str().unwrap().starts_with("not_found")
    };
    for (tool, args) in [
        ("getTicket", json!({ "id": 2 })),
        ("claimTask", json!({ "task": 2 })),
        ("addTask", json!({ "projectId": "Shop", "headline": "x" })),
        ("deleteTask", json!({ "id": 2, "confirm": "2" })),
    ] {
        let refused = client.call(tool, args).await;
        assert!(is_hidden(&refused), "{tool}: {refused:#}");
    }
    assert_eq!(client.call("getTicket", json!({ "id": 1 })).await["isError"], false);
    let claimed = client.call("claimTask", json!({ "task": 1 })).await;
    assert_eq!(claimed["isError"], false, "{claimed:#}");
    let digest = client.call("getDigest", json!({})).await;
    assert_eq!(digest["isError"], false, "{digest:#}");
    for (uri, is_there) in
        [("rota://task/1", true), ("rota://task/2", false), ("rota://claims", false)]
    {
        let read = client.ask("resources/read", json!({ "uri": uri })).await.message();
        assert_eq!(read["error"].is_null(), is_there, "{uri}: {read:#}");
    }
    drop(serving);
    // At a pipe alike.
    let path = rota.path().join("token");
    std::fs::write(&path, &secret).unwrap();
    let mut pipe = Piped::start(&rota, &["--token-file", path.to_str().unwrap()]);
    pipe.shake_hands();
    assert!(is_hidden(&pipe.call("getTicket", json!({ "id": 2 }))));
    assert_eq!(pipe.call("getTicket", json!({ "id": 1 }))["isError"], false);
    assert_eq!(pipe.hang_up(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_toolsets_reaches_no_other_tool_and_shows_those_that_others_have_to_name() {
    let rota = team();
    let refused = rota.run(["token", "create", "wrong", "--toolset", "taskz"]);
    assert!(refused.err.contains("after set: there may be tasks, "), "{}", refused.err);
    let refused = rota.run(["token", "create", "wrong", "--toolset", "tokens"]);
    assert_ne!(refused.code, 0, "tokens are made at a terminal");
    let secret = token(&rota, &["notes", "--toolset", "comments", "--toolset", "sprints"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let names = async |client: &Client| -> Vec<String> {
        let listed = client.ask("tools/list", json!({})).await.result();
        let tools = listed["tools"].as_array().unwrap().clone();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = names(&client).await;
    let has = |name: &str| all.iter().any(|one| one == name);
    assert!(has("addComment") && has("findSprints") && !has("getTicket"), "{all:?}");
    let text = json!({ "module": "ticket", "entityId": 1, "text": "Hello." });
    assert_eq!(client.call("addComment", text).await["isError"], false);
    let refused =
        client.ask("tools/call", json!({ "name": "getTicket", "arguments": { "id": 1 } }));
    assert_eq!(refused.await.message()["error"]["code"], -32_602);
    let read = client.ask("resources/read", json!({ "uri": "rota://task/1" })).await.message();
    assert_eq!(read["error"]["code"], -32_002, "{read:#}");
    // What the client asks for narrows it further, and never widens it.
    let mut narrow = client.clone();
    narrow.url += "?toolsets=tasks,comments";
    let all = names(&narrow).await;
    assert!(all.iter().any(|name| name == "addComment"), "{all:?}");
    assert!(!all.iter().any(|name| name == "getTicket" || name == "findSprints"), "{all:?}");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_cut_and_the_rest_is_read_by_its_address() {
    let rota = team().with_env("MCP_MAX_RESPONSE_SIZE", "6000");
    for n in 0..40 {
        rota.run(["project", "add", &format!("Project {n} with a name of some length")]).ok();
    }
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let reply =
        client.ask("tools/call", json!({ "name": "getAllProjects", "arguments": {} })).await;
    assert!(reply.text.len() < 6_500, "{}", reply.text.len());
    let result = reply.result();
    assert_eq!(result["isError"], false, "{result:#}");
    let names = |items: &Value| -> Vec<String> {
        let items = items.as_array().unwrap().iter();
        items.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut all = names(&result["structuredContent"]["items"]);
    assert!(!all.is_empty() && all.len() < 41, "{}", all.len());
    let blocks = result["content"].as_array().unwrap();
    let link = blocks.iter().find(|block| block["type"] == "resource_link").unwrap();
    let mut next = Some(link["uri"].as_str().unwrap().to_owned());
    while let Some(uri) = next {
        let read = client.ask("resources/read", json!({ "uri": uri })).await;
        assert!(read.text.len() < 6_500, "{}", read.text.len());
        let read = read.result();
        let text = read["contents"][0]["text"].as_str().unwrap();
        let page: Value = serde_json::from_str(text).unwrap();
        all.extend(names(&page["items"]));
        next = page["rest"].as_str().map(str::to_owned);
    }
    assert_eq!(all.len(), 41);
    assert_eq!(std::collections::BTreeSet::from_iter(all).len(), 41);
    // By address it is cut alike, and says where it goes on.
    let read = client.ask("resources/read", json!({ "uri": "rota://projects" })).await.result();
    let text = read["contents"][0]["text"].as_str().unwrap();
    let shown: Value = serde_json::from_str(text).unwrap();
    assert!(shown["rest"]["items"].as_str().unwrap().starts_with("rota://rest/getAllProjects/"));
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_is_told_what_their_token_gives_them_and_its_use_is_listed() {
    let rota = team();
    let own =
        token(&rota, &["laptop", "--role", "editor", "--project", "Website", "--expires", "90d"]);
    let key = token(&rota, &["ci", "--service"]);
    let serving = rota.serve(Vec::<&str>::new());
    let told = Client::of(&serving, Some(&own)).call("whoami", json!({})).await;
    let told = &told["structuredContent"];
    assert_eq!((&told["name"], &told["role"]), (&json!("Ada"), &json!("editor")), "{told:#}");
    assert_eq!(told["only_projects"], json!([1]), "{told:#}");
    assert_eq!((&told["zone"], &told["service_key"]), (&json!("Europe/Berlin"), &Value::Null));
    let listed = rota.run(["token", "list", "--json"]).ok().json();
    for (name, is_used) in [("laptop", true), ("ci", false)] {
        let item = listed["items"].as_array().unwrap().iter().find(|item| item["name"] == name);
        let item = item.unwrap_or_else(|| panic!("no {name} in {listed:#}"));
        assert_eq!(item["last_used"].is_string(), is_used, "{item:#}");
        assert!(item["created"].is_string() && item["role"] == "editor", "{item:#}");
    }
    let told = Client::of(&serving, Some(&key)).call("whoami", json!({})).await;
    let told = &told["structuredContent"];
    assert_eq!((&told["kind"], &told["service_key"]), (&json!("agent"), &json!("ci")), "{told:#}");
    let table = rota.run(["token", "list"]).ok().out;
    for column in ["ROLE", "MADE", "LAST USED", "EXPIRES"] {
        assert!(table.contains(column), "{column}: {table}");
    }
}

/// A request whose body does not come: what it says that it has is kept for it.
fn half_a_request(url: &str, secret: &str, bytes: usize) -> std::net::TcpStream {
    use std::io::Write as _;
    let address = url.trim_start_matches("http://").split('/').next().unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {secret}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Content-Length: {bytes}\r\n\r\n{{"
    )
    .unwrap();
    stream
}

/// Asks until the answer is as wanted, so many times at most.
async fn first(
    client: &Client,
    times: usize,
    wanted: impl Fn(u16) -> bool,
) -> Option<super::Reply> {
    for _ in 0..times {
        let reply = client.ask("tools/list", json!({})).await;
        if wanted(reply.status) {
            return Some(reply);
        }
    }
    None
}

/// All of the memory held by a request, and what another is told meanwhile. The answer before may still
/// hold some of it: then the request that was to hold it is the one that is refused, and comes again.
pub(super) async fn held(client: &Client, secret: &str) -> (std::net::TcpStream, super::Reply) {
    for _ in 0..1_000 {
        let holds = half_a_request(&client.url, secret, 65_536);
        if let Some(refused) = first(client, 20, |status| status != 200).await {
            return (holds, refused);
        }
    }
    panic!("it never came")
}

#[tokio::test(flavor = "multi_thread")]
async fn while_others_hold_all_the_memory_a_request_is_refused_and_told_to_wait() {
    let rota = team().with_env("MCP_MEMORY_LIMIT", "64K").with_env("MCP_RATE_LIMIT", "100000");
    let secret = token(&rota, &["website"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    assert_eq!(client.ask("tools/list", json!({})).await.status, 200, "one alone always fits");
    let (others, refused) = held(&client, &secret).await;
    assert_eq!(refused.status, 503, "{refused:#?}");
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(refused.text.contains("MCP_MEMORY_LIMIT"), "{refused:#?}");
    drop(others);
    first(&client, 5_000, |status| status == 200).await.expect("it is let go");
    assert_eq!(serving.stop(), 0);
}
