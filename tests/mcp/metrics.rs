//! `/metrics`: each cause shows in what Prometheus reads, and nobody's secret or words do.

use super::{Client, team, token};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The samples by series, as they are written.
type Samples = BTreeMap<String, String>;

/// A sample that is a whole number.
#[track_caller]
fn count(samples: &Samples, series: &str) -> u64 {
    let sample = samples.get(series).unwrap_or_else(|| panic!("no {series} in {samples:#?}"));
    sample.parse().unwrap_or_else(|error| panic!("{series} {sample}: {error}"))
}

/// Reads `/metrics` as whoever the client is.
async fn scrape(client: &Client) -> (String, Samples) {
    let mut request = client.http.get(client.url.replace("/mcp", "/metrics"));
    if let Some(token) = &client.token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = response.text().await.unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let samples = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.to_owned())
    });
    let samples = samples.collect();
    (text, samples)
}

/// Asks until it is so.
async fn until(scraper: &Client, series: &str, wanted: impl Fn(u64) -> bool) -> Samples {
    for _ in 0..5_000 {
        let (_, samples) = scrape(scraper).await;
        if wanted(count(&samples, series)) {
            return samples;
        }
    }
    panic!("{series} never became so");
}

fn refused(reason: &str) -> String {
    format!("rota_mcp_refused_requests_total{{reason=\"{reason}\"}}")
}

fn denied(reason: &str) -> String {
    format!("rota_mcp_denied_calls_total{{reason=\"{reason}\"}}")
}

fn called(tool: &str, code: &str) -> String {
    format!("rota_mcp_tool_calls_total{{tool=\"{tool}\",code=\"{code}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_not_let_in_is_counted_by_the_reason() {
    let rota = team().with_env("MCP_RATE_LIMIT", "40");
    let config = "[people]\nme = \"Ada\"\n[mcp]\ntrusted_proxies = \"127.0.0.1\"\n";
    rota.write("rota.toml", config);
    let (ada, eve) = (token(&rota, &["laptop"]), token(&rota, &["eves", "--person", "Eve"]));
    let reader = token(&rota, &["prometheus", "--service", "--role", "readonly"]);
    let serving = rota.serve(Vec::<&str>::new());
    let scraper = Client::of(&serving, Some(&reader));
    let (_, before) = scrape(&scraper).await;
    for reason in
        ["address", "host", "origin", "no_credentials", "login", "logins", "role", "rate", "memory"]
    {
        assert_eq!(count(&before, &refused(reason)), 0, "{reason} is there before it happens");
    }
    let client = Client::of(&serving, Some(&ada));
    let nobody = Client::of(&serving, None);
    let guesser = Client::of(&serving, Some("lt_guess_0123456789abcdef"));
    let ask = async |client: Client| client.ask("tools/list", json!({})).await.status;
    assert_eq!(ask(client.with("x-forwarded-for", "198.51.100.7")).await, 403);
    assert_eq!(ask(client.with("host", "evil.example")).await, 403);
    assert_eq!(ask(client.with("origin", "http://evil.example")).await, 403);
    assert_eq!(ask(nobody).await, 401);
    assert_eq!(ask(Client::of(&serving, Some(&eve))).await, 403);
    // Ten are told that they failed, the rest to wait.
    for _ in 0..12 {
        assert!([401, 429].contains(&ask(guesser.clone()).await));
    }
    let mut status = 200;
    while status == 200 {
        status = ask(client.clone()).await;
    }
    assert_eq!(status, 429);
    let (text, after) = scrape(&scraper).await;
    for (reason, times) in [
        ("address", 1),
        ("host", 1),
        ("origin", 1),
        ("no_credentials", 1),
        ("role", 1),
        ("login", 10),
        ("logins", 2),
        ("rate", 1),
        ("memory", 0),
    ] {
        assert_eq!(count(&after, &refused(reason)), times, "{reason}\n{text}");
    }
    assert_eq!(count(&after, "rota_mcp_failed_logins_total"), 12);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(count(&after, &format!("rota_build_info{{version=\"{version}\"}}")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_and_timed_by_tool_and_code_and_nothing_tells_who_or_what() {
    let rota = team().with_env("MCP_REQUIRED_ROLE", "readonly");
    let ada = token(&rota, &["laptop"]);
    let bob = token(&rota, &["bobs", "--person", "Bob"]);
    let narrow = token(&rota, &["narrow", "--project", "Website"]);
    rota.run(["project", "add", "Shop"]).ok();
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&ada));
    for id in [1, 1, 99] {
        client.call("getTicket", json!({ "id": id })).await;
    }
    let secret = "Mustermann\"} 1";
    client.call("addTask", json!({ "projectId": 1, "headline": secret })).await;
    let unknown = json!({ "name": secret, "arguments": {} });
    assert!(client.ask("tools/call", unknown).await.text.contains("-32602"));
    let of_bob = Client::of(&serving, Some(&bob));
    of_bob.call("addProject", json!({ "name": secret })).await;
    let of_narrow = Client::of(&serving, Some(&narrow));
    let edit = json!({ "name": "addPerson", "arguments": { "name": secret } });
    of_narrow.ask("tools/call", edit).await;
    let (text, samples) = scrape(&client).await;
    assert_eq!(count(&samples, &called("getTicket", "ok")), 2, "{text}");
    assert_eq!(count(&samples, &called("getTicket", "not_found")), 1);
    assert_eq!(count(&samples, &called("addTask", "ok")), 1);
    assert_eq!(count(&samples, &called("addProject", "role_too_low")), 1);
    assert_eq!(count(&samples, &denied("role")), 1);
    // One that there is not for anybody, one not for the narrow token.
    assert_eq!(count(&samples, &denied("tool")), 2);
    let timed = "rota_mcp_tool_call_duration_seconds";
    assert_eq!(count(&samples, &format!("{timed}_count{{tool=\"getTicket\"}}")), 3);
    assert_eq!(count(&samples, &format!("{timed}_bucket{{tool=\"getTicket\",le=\"30\"}}")), 3);
    let sum: f64 = samples[&format!("{timed}_sum{{tool=\"getTicket\"}}")].parse().unwrap();
    assert!(sum > 0.0, "{text}");
    for word in [&ada, &bob, &narrow, "Mustermann", "Ada", "Bob", "Website", "laptop"] {
        assert!(!text.contains(word), "{word} is told:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_what_is_held_are_told_as_they_are_now() {
    let rota = team().with_env("MCP_RATE_LIMIT", "100000").with_env("MCP_MEMORY_LIMIT", "64K");
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let (_, samples) = scrape(&client).await;
    assert_eq!(count(&samples, "rota_mcp_open_sessions"), 0);
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" } });
    let begun = client.ask("initialize", hello).await;
    let session = begun.headers["mcp-session-id"].to_str().unwrap().to_owned();
    until(&client, "rota_mcp_open_sessions", |sessions| sessions == 1).await;
    let end = client.http.delete(&client.url).bearer_auth(&secret);
    let end = end.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25");
    assert!(end.send().await.unwrap().status().is_success());
    until(&client, "rota_mcp_open_sessions", |sessions| sessions == 0).await;

    let (half, told) = super::limits::held(&client, &secret).await;
    assert_eq!(told.status, 503);
    until(&client, "rota_mcp_held_bytes", |bytes| bytes >= 65_536).await;
    let (_, samples) = scrape(&client).await;
    assert!(count(&samples, &refused("memory")) >= 1);
    drop(half);
    until(&client, "rota_mcp_held_bytes", |bytes| bytes == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_is_not_told_and_every_name_is_documented_with_its_unit() {
    let rota = team();
    let (ada, eve) = (token(&rota, &["laptop"]), token(&rota, &["eves", "--person", "Eve"]));
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&ada));
    let get = |token: Option<&str>, header: Option<(&str, &str)>| {
        let mut request = client.http.get(client.url.replace("/mcp", "/metrics"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(get(None, None).await, 401);
    assert_eq!(get(Some("lt_guess_0123456789abcdef"), None).await, 401);
    assert_eq!(get(Some(&eve), None).await, 200, "nothing of the board is told");
    assert_eq!(get(Some(&ada), Some(("host", "evil.example"))).await, 403);
    assert_eq!(get(Some(&ada), Some(("origin", "http://localhost"))).await, 403);
    client.call("getTicket", json!({ "id": 1 })).await;
    let (text, _) = scrape(&client).await;
    let kinds: BTreeSet<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert!(kinds.len() >= 8, "{text}");
    let documents = include_str!("../../docs/operations.md");
    for (name, kind) in kinds {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} says nothing of itself");
        let row =
            documents.lines().find(|line| line.starts_with(&format!("| `{name}` | {kind} |")));
        assert!(row.is_some(), "{name}, a {kind}, is not in docs/operations.md");
    }
}

/// Works at each new task at once.
const BY_THE_CLOCK: &str = r#"
description = "Works by the clock."
agent = "AI-Worker"
[on]
cron = "* * * * * *"
[select]
status = "kind:new"
[claim]
[work]
runner = "command"
command = ["sh", "-c", "true"]
[outcome.done]
status = "kind:waiting"
[report]
template = "told"
to = ["stdout"]
when = "always"
"#;

const WATCHED: &str = "timezone = \"Europe/Berlin\"\narm = \"auto\"\n[people]\nme = \"Ada\"\n\
    [daemon]\ntick = \"1s\"\n";
const BUDGET: &str = "[budget]\nper_day = \"20.00 USD\"\ntokens_per_day = 1000\n";

/// Every name that is used, with what stands around it: the expressions of the dashboard and the rules.
fn expressions() -> Vec<String> {
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../docs/instruments/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let shown = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let rules = include_str!("../../docs/instruments/alerts.yml").lines();
    let rules = rules.filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned);
    shown.chain(rules).collect()
}

/// The names in an expression, as they are told: a histogram's without what its parts are called.
fn names(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("rota_"));
    ours.map(|word| {
        let parts = ["_bucket", "_sum", "_count"];
        parts.iter().find_map(|part| word.strip_suffix(part)).unwrap_or(word).to_owned()
    })
    .collect()
}

/// The labels that an expression asks for: in braces, and those it sums by.
fn labels(expression: &str) -> BTreeSet<String> {
    let braces = expression.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let asked =
        braces.flat_map(|inner| inner.split(',').filter_map(|one| one.split(['=', '!']).next()));
    let sums = expression.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    let all = asked.chain(sums.flat_map(|inner| inner.split(',')));
    let known = |label: &str| ["le", "instance"].contains(&label);
    all.map(|label| label.trim().to_owned()).filter(|label| !known(label)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_and_rules_use_what_is_told_and_all_of_it_is_there_from_the_start() {
    let rota = team().with_env("MCP_RATE_LIMIT", "100000");
    rota.write("rota.toml", &format!("{WATCHED}{BUDGET}"));
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    client.call("getTicket", json!({ "id": 1 })).await;
    let (text, samples) = scrape(&client).await;
    let told: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for instrument in rota::instruments::ALL {
        assert!(told.contains(instrument.name), "{} is not told\n{text}", instrument.name);
    }
    let all = expressions();
    assert!(all.len() > 40, "{}", all.len());
    let mut used = BTreeSet::new();
    for expression in all.iter().filter(|expression| !expression.starts_with("up{")) {
        let names = names(expression);
        assert!(!names.is_empty(), "{expression} asks for nothing of ours");
        for name in &names {
            assert!(told.contains(name.as_str()), "{expression}: {name} is not told\n{text}");
        }
        let has = |label: &str| {
            let wanted = format!("{label}=\"");
            let of_one = |series: &&String| names.iter().any(|name| series.starts_with(name));
            samples.keys().filter(of_one).any(|series| series.contains(&wanted))
        };
        for label in labels(expression) {
            assert!(has(&label), "{expression}: {names:?} has no label {label:?}\n{text}");
        }
        used.extend(names);
    }
    // What is measured of the house's own work is seen somewhere.
    for instrument in rota::instruments::ALL {
        assert!(used.contains(instrument.name), "nobody looks at {}", instrument.name);
    }
    assert_eq!(count(&samples, "rota_budget_left_tokens"), 1_000);
    assert_eq!(count(&samples, "rota_budget_left_cost_micros"), 20_000_000);
    assert_eq!(count(&samples, "rota_stopped"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_house_does_is_counted_where_it_is_written_down() {
    let rota = team().with_env("MCP_RATE_LIMIT", "100000");
    rota.write("rota.toml", WATCHED);
    rota.write("templates/told.txt.hbs", "It was worked.");
    rota.write("agents/by-the-clock.toml", BY_THE_CLOCK);
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let ended = "rota_runs_ended_total{state=\"succeeded\",reason=\"handed_over\"}";
    let handed_over = async || {
        for _ in 0..5_000 {
            let (_, samples) = scrape(&client).await;
            let delivered = "rota_notices_total{channel=\"stdout\",result=\"delivered\"}";
            if samples.contains_key(ended) && count(&samples, delivered) > 0 {
                return samples;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no run ended");
    };
    let samples = handed_over().await;
    assert_eq!(count(&samples, ended), 1);
    assert_eq!(count(&samples, "rota_claims_taken_total"), 1);
    assert_eq!(count(&samples, "rota_claims_ended_total{how=\"released\"}"), 1);
    assert_eq!(count(&samples, "rota_run_duration_seconds_count"), 1);
    assert!(count(&samples, "rota_occurrence_lateness_seconds_count") >= 1);
    assert_eq!(count(&samples, "rota_claims{phase=\"working\"}"), 0);
    assert_eq!(count(&samples, "rota_playbooks{state=\"faulty\"}"), 0);
    assert!(count(&samples, "rota_tool_calls_total{tool=\"editTask\",code=\"ok\"}") >= 1);
    // A rehearsal is none of it.
    rota.run(["pause", "by-the-clock"]).ok();
    rota.run(["task", "add", "Another"]).ok();
    let rehearsed = rota.run(["run-once", "by-the-clock", "--task", "2", "--dry-run"]).ok().out;
    assert!(rehearsed.contains("claimed (fence 1)"), "{rehearsed}");
    let (_, samples) = scrape(&client).await;
    assert_eq!(count(&samples, "rota_run_duration_seconds_count"), 1);
    assert_eq!(count(&samples, "rota_claims_taken_total"), 1);
    assert_eq!(count(&samples, "rota_playbooks{state=\"paused\"}"), 1);
    rota.run(["stop-all", "--reason", "Enough."]).ok();
    until(&client, "rota_stopped", |stopped| stopped == 1).await;
}
