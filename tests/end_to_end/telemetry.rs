//! Traces and logs reach a collector: the cargo feature `otlp`, by the real binary.

use super::team::{EVERY_SECOND, team_with, until_status};
use crate::support::http_double::{Asked, Double, Reply};
use crate::support::rota::{Rota, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Collectors that take everything.
fn collector() -> Double {
    Double::start_other(
        |_| None,
        |asked| {
            let is_known = matches!(asked.path.as_str(), "/v1/traces" | "/v1/logs");
            if is_known && asked.method == "POST" {
                Reply::json(&json!({}))
            } else {
                Reply::text(404, "text/plain", "")
            }
        },
    )
}

fn told(rota: Rota, collector: &Double, protocol: &str) -> Rota {
    rota.with_env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", collector.address))
        .with_env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .with_env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=website")
        .with_env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .with_env("OTEL_BLRP_SCHEDULE_DELAY", "50")
}

/// A span, as far as it matters here.
#[derive(Clone, Debug)]
struct Span {
    name: String,
    id: String,
    parent: String,
    trace: String,
    keys: BTreeMap<String, Value>,
}

fn spans(asked: &[Asked]) -> Vec<Span> {
    let traces = asked.iter().filter(|asked| asked.path == "/v1/traces");
    let messages: Vec<Value> = traces.map(Asked::message).collect();
    let mut found = Vec::new();
    for message in &messages {
        for resource in message["resourceSpans"].as_array().unwrap() {
            let of = keys(&resource["resource"]["attributes"]);
            assert_eq!(of["service.name"], "rota", "{resource:#}");
            for scope in resource["scopeSpans"].as_array().unwrap() {
                found.extend(scope["spans"].as_array().unwrap().iter().map(span));
            }
        }
    }
    found
}

fn span(span: &Value) -> Span {
    let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
    Span {
        name: text("name"),
        id: text("spanId"),
        parent: text("parentSpanId"),
        trace: text("traceId"),
        keys: keys(&span["attributes"]),
    }
}

/// By name; every kind of value as it is.
fn keys(attributes: &Value) -> BTreeMap<String, Value> {
    let pairs = attributes.as_array().into_iter().flatten();
    let value = |pair: &Value| pair["value"].as_object().unwrap().values().next().unwrap().clone();
    pairs.map(|pair| (pair["key"].as_str().unwrap().to_owned(), value(pair))).collect()
}

#[test]
fn a_collector_sees_each_tool_call_in_its_turn_its_run_and_its_occurrence() {
    let collector = collector();
    let rota = told(team_with("worker", EVERY_SECOND), &collector, "http/json");
    let daemon = rota.serve(Vec::<&str>::new());
    until_status(&rota, "1", "Done");
    let run = until("the run to be told", || {
        spans(&collector.asked()).into_iter().find(|span| span.name == "run")
    });
    assert_eq!(daemon.stop(), 0);

    let asked = collector.asked();
    let spans = spans(&asked);
    let by_id = |id: &str| spans.iter().find(|span| span.id == id).cloned();
    assert_eq!(
        [&run.keys["playbook"], &run.keys["state"], &run.keys["reason"]],
        ["worker", "succeeded", "done"],
        "{run:#?}"
    );
    let turns: Vec<_> =
        spans.iter().filter(|span| span.name == "turn" && span.parent == run.id).collect();
    assert!(!turns.is_empty(), "{spans:#?}");
    assert!(turns.iter().all(|turn| turn.keys["gen_ai.operation.name"] == "chat"), "{turns:#?}");
    let finished = spans
        .iter()
        .find(|span| span.name == "tool_call" && span.keys["tool"] == "finish")
        .unwrap();
    assert!(turns.iter().any(|turn| turn.id == finished.parent), "{finished:#?}");
    let occurrence = by_id(&run.parent).expect("what it was an occurrence of");
    assert_eq!((occurrence.name.as_str(), occurrence.parent.as_str()), ("occurrence", ""));
    assert!([&run, finished].iter().all(|span| span.trace == occurrence.trace));

    // Lines stand in the span in which they were written, and nothing else is told than by what was asked.
    let lines: Vec<Value> =
        asked.iter().filter(|asked| asked.path == "/v1/logs").map(Asked::message).collect();
    assert!(lines.iter().any(|line| line.to_string().contains(&run.trace)), "{lines:#?}");
    assert!(asked.iter().all(|asked| asked.header("x-team") == Some("website")));
}

#[test]
fn protobuf_is_spoken_where_nothing_else_is_asked_for_and_a_silent_collector_holds_up_nothing() {
    let silent = Double::start_other(|_| None, |_| Reply::json(&json!({})).cut());
    let rota = told(team_with("worker", EVERY_SECOND), &silent, "http/protobuf");
    let daemon = rota.serve(Vec::<&str>::new());
    until_status(&rota, "1", "Done");
    let asked = until("the collector to be asked", || silent.asked().into_iter().next());
    assert_eq!(asked.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(daemon.stop(), 0);

    let rota = rota.with_env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let daemon = rota.serve(Vec::<&str>::new());
    daemon.wait_for_log("expected http/protobuf or http/json");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn another_server_is_told_which_work_a_call_is_part_of() {
    let collector = collector();
    let other = Double::start(|asked| {
        let result = match asked.message()["method"].as_str() {
            Some("initialize") => json!({ "protocolVersion": "2025-11-25", "capabilities": {} }),
            Some("tools/list") => json!({ "tools": [{
                "name": "look", "description": "Looks.", "inputSchema": { "type": "object" },
                "annotations": { "readOnlyHint": true },
            }] }),
            Some("tools/call") => json!({ "content": [{ "type": "text", "text": "seen" }] }),
            _ => return Reply::accepted(),
        };
        Reply::result(asked, &result)
    });
    let asks = r#"
agent = "AI-Assistant"
[[step]]
tool = "other:look"
args = {}
[work]
tools = ["other:look"]
[scope]
write = "board"
"#;
    let rota = told(team_with("asks", asks), &collector, "http/json");
    let config = rota.read("rota.toml");
    rota.write(
        "rota.toml",
        &format!("{config}[upstream.other]\nurl = \"http://{}/mcp\"\n", other.address),
    );
    rota.run(["upstream", "accept", "other"]).ok();
    rota.run(["run-once", "asks"]).ok();
    let call = other.asked().into_iter().find(|asked| asked.is("tools/call")).unwrap().message();
    let parent = call["params"]["_meta"]["traceparent"].as_str().unwrap().to_owned();
    let parts: Vec<&str> = parent.split('-').collect();
    assert_eq!(
        (parts[0], parts[1].len(), parts[2].len(), parts[3]),
        ("00", 32, 16, "01"),
        "{parent}"
    );
    let spans = spans(&collector.asked());
    let call = spans.iter().find(|span| span.id == parts[2]).expect("the call's own span");
    assert_eq!((call.name.as_str(), call.trace.as_str()), ("tool_call", parts[1]));
}

#[test]
fn each_line_of_a_json_log_is_an_object_with_the_spans_in_which_it_was_written() {
    let rota = team_with("worker", EVERY_SECOND).with_env("ROTA_LOG", "warn,rota=trace");
    let daemon = rota.serve(["--log-format", "json"]);
    until_status(&rota, "1", "Done");
    let log = daemon.log_path();
    assert_eq!(daemon.stop(), 0);
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        let is_whole = ["timestamp", "level", "target"].iter().all(|key| line[*key].is_string());
        assert!(is_whole, "{line:#}");
    }
    let named = |line: &Value, name: &str| -> Option<Value> {
        line["spans"].as_array()?.iter().find(|span| span["name"] == name).cloned()
    };
    let within =
        lines.iter().find_map(|line| Some((named(line, "occurrence")?, named(line, "run")?)));
    let (occurrence, run) = within.unwrap_or_else(|| panic!("no line of a run: {text}"));
    assert_eq!((&occurrence["playbook"], &run["playbook"]), (&json!("worker"), &json!("worker")));
}
