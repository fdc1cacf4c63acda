//! Who is let in, and who is not.

use super::{Client, team, token};
use crate::support::rota::Rota;
use serde_json::json;

async fn lists(client: &Client) -> u16 {
    client.ask("tools/list", json!({})).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn either_kind_of_token_is_taken_in_either_header() {
    let rota = team();
    let personal = token(&rota, &["laptop"]);
    let service = token(&rota, &["ci", "--service"]);
    assert!(personal.starts_with("rota_") && service.starts_with("lt_ci_"));
    let serving = rota.serve(Vec::<&str>::new());
    let none = Client::of(&serving, None);
    for secret in [&personal, &service] {
        for scheme in ["Bearer", "bearer", "ApiKey", "Token"] {
            let client = none.with("authorization", &format!("{scheme} {secret}"));
            assert_eq!(lists(&client).await, 200, "{scheme}");
        }
        assert_eq!(lists(&none.with("x-api-key", secret)).await, 200);
    }
    let refused = none.ask("tools/list", json!({})).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"rota\"");
    assert!(refused.text.contains("rota token create"), "{}", refused.text);
    let wrong = format!("rota_{}_{}", "0".repeat(12), "0".repeat(52));
    for (name, value) in [
        ("authorization", format!("Bearer {wrong}")),
        ("authorization", format!("Basic {personal}")),
        ("authorization", personal.clone()),
        ("x-api-key", wrong.clone()),
        ("x-api-key", "x".repeat(5_000)),
    ] {
        let refused = none.with(name, &value).ask("tools/list", json!({})).await;
        assert_eq!(refused.status, 401, "{name}");
        assert_eq!(refused.message()["error"]["code"], -31_401);
    }
    let log = serving.log();
    for secret in [&personal, &service, &wrong] {
        let chance = secret.rsplit_once('_').unwrap().1;
        assert!(!log.contains(chance), "a token stands in the log");
    }
    assert!(log.contains("a login failed"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_refused_at_once_and_says_so() {
    let rota = team();
    let secret = token(&rota, &["ci", "--service"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    assert_eq!(lists(&client).await, 200);
    let rotated = rota.run(["token", "rotate", "ci", "--overlap", "1h", "--json"]).ok().json();
    let new = Client::of(&serving, rotated["secret"].as_str());
    assert_eq!((lists(&client).await, lists(&new).await), (200, 200));
    rota.run(["token", "revoke", "ci"]).ok();
    assert_eq!(lists(&client).await, 401, "the overlap is over too");
    let refused = new.ask("tools/list", json!({})).await;
    assert_eq!(refused.status, 401);
    assert!(refused.text.contains("was revoked"), "{}", refused.text);
    let listed = rota.run(["token", "list"]).ok();
    assert!(listed.out.contains("ci") && !listed.out.contains("lt_"), "{}", listed.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_below_the_required_one_is_not_let_in_and_a_token_gives_no_more_than_its_own() {
    let rota = team();
    let eve = token(&rota, &["eves", "--person", "Eve"]);
    let narrow = token(&rota, &["narrow", "--role", "readonly"]);
    let serving = rota.serve(Vec::<&str>::new());
    for secret in [&eve, &narrow] {
        let refused = Client::of(&serving, Some(secret)).ask("tools/list", json!({})).await;
        assert_eq!(refused.status, 403);
        assert!(refused.text.contains("MCP_REQUIRED_ROLE"), "{}", refused.text);
    }
    serving.stop();
    let rota = rota.with_env("MCP_REQUIRED_ROLE", "readonly");
    let serving = rota.serve(Vec::<&str>::new());
    let narrow = Client::of(&serving, Some(&narrow));
    assert_eq!(narrow.call("getTicket", json!({ "id": 1 })).await["isError"], false);
    let edit = json!({ "id": 1, "params": { "headline": "No" } });
    let refused = narrow.call("editTask", edit).await;
    assert_eq!(refused["structuredContent"]["error"]["code"], "role_too_low", "{refused:#}");
    let tools = narrow.ask("tools/list", json!({})).await.result();
    let names: Vec<&str> =
        tools["tools"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(names.contains(&"getTicket") && !names.contains(&"editTask"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_key_is_nobody_and_nothing_is_its_own() {
    let rota = team();
    let secret = token(&rota, &["ci", "--service"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let mine = client.call("findTasks", json!({ "projectIds": [1], "userId": 0 })).await;
    assert_eq!(mine["structuredContent"]["error"]["code"], "service_is_nobody", "{mine:#}");
    let text = mine["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("ci") && text.contains("own token"), "{text}");
    let said = json!({ "module": "ticket", "entityId": 1, "text": "Built." });
    assert_eq!(client.call("addComment", said).await["isError"], false);
    let people = rota.run(["person", "list", "--json"]).ok().json();
    let ci = people["items"].as_array().unwrap().iter().find(|p| p["name"] == "ci").unwrap();
    assert_eq!(ci["kind"], "agent", "it writes under a name of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_some_tools_reaches_no_others() {
    let rota = team();
    let secret = token(&rota, &["reader", "--tool", "get*"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    assert_eq!(client.call("getTicket", json!({ "id": 1 })).await["isError"], false);
    let edit = json!({ "name": "editTask", "arguments": { "id": 1, "params": {} } });
    let refused = client.ask("tools/call", edit).await;
    assert_eq!(refused.message()["error"]["code"], -32_602, "as if it were not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_hosts_and_origins_are_checked_before_anything_is_told() {
    let rota = team().with_env("MCP_ALLOWED_IPS", "192.0.2.1");
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let refused = client.ask("tools/list", json!({})).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("MCP_ALLOWED_IPS"), "{}", refused.text);
    let spoofed = client.with("x-forwarded-for", "192.0.2.1");
    assert_eq!(lists(&spoofed).await, 403, "anybody can write that header");
    serving.stop();

    let config = "[people]\nme = \"Ada\"\n[mcp]\ntrusted_proxies = \"127.0.0.1\"\n";
    rota.write("rota.toml", config);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    assert_eq!(lists(&client.with("x-forwarded-for", "192.0.2.1")).await, 200);
    let behind = client.with("x-forwarded-for", "192.0.2.1, 198.51.100.7");
    assert_eq!(lists(&behind).await, 403, "the last one named by the proxy counts");
    for (named, status) in [
        ("192.0.2.1:4711", 200),
        ("::ffff:192.0.2.1", 200),
        ("192.0.2.1, 127.0.0.1", 200),
        ("198.51.100.7:4711", 403),
        ("[2001:db8::1]:443", 403),
        ("unknown", 403),
        ("192.0.2.1,", 403),
        ("", 403),
    ] {
        assert_eq!(lists(&client.with("x-forwarded-for", named)).await, status, "{named:?}");
    }
    let twice = client.with("x-forwarded-for", "192.0.2.1").with("x-forwarded-for", "198.51.100.7");
    assert_eq!(lists(&twice).await, 403);
    let unreadable = client.http.post(&client.url).bearer_auth(&secret).body("{}").header(
        "x-forwarded-for",
        reqwest::header::HeaderValue::from_bytes(b"\xff, 198.51.100.7").unwrap(),
    );
    assert_eq!(unreadable.send().await.unwrap().status(), 403);
    serving.stop();

    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    for (name, value, status) in [
        ("origin", "http://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://localhost:5173", 200),
        ("host", "evil.example", 403),
    ] {
        assert_eq!(lists(&client.with(name, value)).await, status, "{name}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_asks_too_often_is_told_when_to_come_back_and_holds_nobody_up() {
    let rota = team().with_env("MCP_RATE_LIMIT", "5");
    let ada = token(&rota, &["laptop"]);
    let bob = token(&rota, &["bobs", "--person", "Bob"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&ada));
    for _ in 0..5 {
        assert_eq!(lists(&client).await, 200);
    }
    let refused = client.ask("tools/list", json!({})).await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert_eq!(refused.message()["error"]["code"], -31_429);
    assert_eq!(lists(&Client::of(&serving, Some(&bob))).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_at_one_token_is_slowed_down_and_locks_out_no_other() {
    let rota = team();
    let ada = token(&rota, &["laptop"]);
    let bob = token(&rota, &["bobs", "--person", "Bob"]);
    let serving = rota.serve(Vec::<&str>::new());
    let guess = format!("{}_{}", ada.rsplit_once('_').unwrap().0, "0".repeat(52));
    let guessing = Client::of(&serving, Some(&guess));
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(lists(&guessing).await);
    }
    assert_eq!(answers[..10], [401; 10]);
    assert_eq!(answers[10..], [429; 2]);
    assert_eq!(lists(&Client::of(&serving, Some(&bob))).await, 200);
    assert_eq!(lists(&Client::of(&serving, Some(&ada))).await, 200, "its owner is not kept out");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_authentication_whoever_started_it_is_meant() {
    let rota = team().with_env("MCP_REQUIRE_AUTH", "false");
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, None);
    let said = json!({ "module": "ticket", "entityId": 1, "text": "Hello." });
    assert_eq!(client.call("addComment", said).await["isError"], false);
    let shown = client.call("getComments", json!({ "module": "ticket", "entityId": 1 })).await;
    assert!(shown["content"][0]["text"].as_str().unwrap().contains("Ada"), "{shown:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_that_is_switched_off_is_not_there() {
    let rota = team().with_env("MCP_SERVER_ENABLED", "false");
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, None);
    assert_eq!(lists(&client).await, 404);
    let well = client.http.get(client.url.replace("/mcp", "/healthz")).send().await.unwrap();
    assert_eq!(well.status(), 200, "the rest is served");
    let token = token(&rota, &["watcher"]);
    let metrics = client.http.get(client.url.replace("/mcp", "/metrics")).bearer_auth(token);
    let told = metrics.send().await.unwrap();
    assert_eq!(told.status(), 200);
    assert!(told.text().await.unwrap().contains("rota_playbooks"));
}

#[test]
fn a_setting_that_cannot_be_read_keeps_the_daemon_from_starting() {
    let rota: Rota = team().with_env("MCP_RATE_LIMIT", "plenty");
    let refused = rota.run(["serve"]).ended(3);
    assert!(refused.err.contains("MCP_RATE_LIMIT"), "{}", refused.err);
}

#[test]
fn nobody_gives_more_than_they_have() {
    let rota = team();
    rota.write("rota.toml", "[people]\nme = \"Bob\"\n");
    for words in
        [&["boss", "--role", "owner"][..], &["robot", "--service"], &["for-ada", "--person", "Ada"]]
    {
        let refused = rota.run(["token", "create"].iter().chain(words)).ended(1);
        assert!(refused.err.contains("role_too_low"), "{words:?}: {}", refused.err);
    }
    let unknown = rota.run(["token", "create", "odd", "--tool", "noSuchTool"]).ended(2);
    assert!(unknown.err.contains("noSuchTool"), "{}", unknown.err);
    assert!(token(&rota, &["mine"]).starts_with("rota_"));
    rota.write("rota.toml", "[people]\nme = \"Ada\"\n");
    let hers = rota.run(["token", "create", "hers", "--json"]).ok().json();
    rota.write("rota.toml", "[people]\nme = \"Bob\"\n");
    let refused = rota.run(["token", "revoke", hers["id"].as_str().unwrap()]).ended(1);
    assert!(refused.err.contains("no such token of yours"), "{}", refused.err);
    assert!(!rota.run(["token", "list"]).ok().out.contains("hers"));
}

#[test]
fn nobody_gets_at_anothers_secret() {
    let rota = team();
    let as_me = |name: &str| rota.write("rota.toml", &format!("[people]\nme = \"{name}\"\n"));
    rota.run(["person", "add", "Carl", "--role", "admin"]).ok();
    rota.run(["token", "create", "ci", "--service", "--role", "admin"]).ok();
    let hers = rota.run(["token", "create", "hers", "--json"]).ok().json();
    let hers = hers["id"].as_str().unwrap().to_owned();
    // A token of one's own that has another's name or id is one's own all the same.
    as_me("Bob");
    rota.run(["token", "create", "ci"]).ok();
    rota.run(["token", "create", &hers]).ok();
    for named in ["ci", hers.as_str()] {
        let rotated = rota.run(["token", "rotate", named, "--json"]);
        if rotated.code == 0 {
            let rotated = rotated.json();
            assert_eq!(rotated["person_name"], "Bob", "{named}: {rotated:#}");
            assert_eq!(rotated["kind"], "personal", "{named}");
        }
    }
    rota.run(["token", "revoke", "ci"]).ok();
    as_me("Carl");
    let refused = rota.run(["token", "rotate", &hers]).ended(1);
    assert!(!refused.out.contains("rota_"), "{}", refused.out);
    as_me("Ada");
    let listed = rota.run(["token", "list", "--json"]).ok().json();
    let items = listed["items"].as_array().unwrap();
    let key = items.iter().find(|item| item["kind"] == "service").unwrap();
    assert!(key["revoked"].is_null(), "Bob ended only his own: {key:#}");
    rota.run(["token", "create", "No Name", "--service"]).ended(2);
    let people = rota.run(["person", "list"]).ok();
    assert!(!people.out.contains("No Name"), "nobody was added for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_in_other_words_is_refused_and_requests_are_logged() {
    let rota = team().with_env("MCP_LOG_REQUESTS", "true");
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    assert_eq!(lists(&client.with("x-api-key", "")).await, 200, "an empty key is none");
    for query in ["toolset=comments", "Toolsets=comments"] {
        let mut other = client.clone();
        other.url = format!("{}?{query}", client.url);
        assert_eq!(lists(&other).await, 400, "{query}");
    }
    client.call("getTicket", json!({ "id": 1 })).await;
    serving.wait_for_log("getTicket");
    let log = serving.log();
    assert!(log.contains("tools/call") && log.contains("status=200"), "{log}");
    assert!(!log.contains(secret.rsplit_once('_').unwrap().1), "{log}");
}

#[test]
fn a_secret_is_shown_once_with_how_to_send_it() {
    let rota = team();
    let made = rota.run(["token", "create", "laptop", "--expires", "90d"]).ok();
    assert!(made.out.contains("shown this once") && made.out.contains("  rota_"), "{}", made.out);
    assert!(made.out.contains("for Ada, role owner, until 20"), "{}", made.out);
    assert!(made.out.contains("Authorization: Bearer"), "{}", made.out);
}
