//! Clients that mean no good, or know no better: the server stays up, stays small, and answers others.

use super::{Client, team, token};
use crate::support::rota::{Rota, Serving};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// So much memory is enough for whatever is thrown at it, in KiB.
const MEMORY_KIB_MAX: u64 = 400 * 1024;

fn serving(rota: &Rota) -> (Serving, Client) {
    let config = format!("{}[mcp]\nrate_limit = 1000000\n", rota.read("rota.toml"));
    rota.write("rota.toml", &config);
    let secret = token(rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    (serving, client)
}

/// The most memory it ever had, in KiB.
fn memory(serving: &Serving) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn is_well(client: &Client) {
    let shown = client.call("getTicket", json!({ "id": 1 })).await;
    assert_eq!(shown["structuredContent"]["headline"], "Fix the footer");
}

/// The same for a host that asks again when it is hung up on: its client may open a second connection
/// before the first is known to be free.
async fn is_well_at_last(client: &Client) {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "getTicket", "arguments": { "id": 1 } },
    });
    let ask = || {
        let asked = client.http.post(&client.url).header("content-type", "application/json");
        let asked = asked.header("accept", "application/json, text/event-stream");
        asked.bearer_auth(client.token.as_ref().unwrap()).body(body.to_string()).send()
    };
    let mut hung_up = 0;
    let reply = loop {
        match ask().await {
            Ok(reply) => break reply,
            Err(error) => assert!(error.is_request() && hung_up < 200, "{error:?}"),
        }
        hung_up += 1;
        tokio::task::yield_now().await;
    };
    assert_eq!(reply.status().as_u16(), 200);
    assert!(reply.text().await.unwrap().contains("Fix the footer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_are_refused_and_not_kept() {
    let rota = team();
    let (serving, client) = serving(&rota);
    let large = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(10 << 20));
    let send = || {
        let asked = client.http.post(&client.url).header("content-type", "application/json");
        asked.bearer_auth(client.token.as_ref().unwrap()).body(large.clone()).send()
    };
    for sent in futures::future::join_all((0..32).map(|_| send())).await {
        // It is hung up on while it still sends, or hears why.
        assert!(sent.is_err() || sent.is_ok_and(|reply| reply.status() == 413));
    }
    is_well(&client).await;
    let used = memory(&serving);
    assert!(used < MEMORY_KIB_MAX, "{used} KiB");
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_open_connections_and_slow_ones_do_not_keep_others_out() {
    let rota = team();
    let (serving, client) = serving(&rota);
    let address = client.url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
    // Its own connection is there already, as that of a host at work is.
    is_well(&client).await;
    let mut slow: Vec<TcpStream> = Vec::new();
    for _ in 0..1_000 {
        let mut stream = TcpStream::connect(&address).unwrap();
        // A request that never ends; those for whom there is no place are hung up on.
        let _ = stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
        slow.push(stream);
    }
    for _ in 0..20 {
        is_well_at_last(&client).await;
    }
    let used = memory(&serving);
    assert!(used < MEMORY_KIB_MAX, "{used} KiB");
    // Whoever does not say what they want is hung up on, and there is place again.
    let mut first = slow.swap_remove(0);
    first.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut rest = Vec::new();
    let _ = first.read_to_end(&mut rest);
    let fresh = Client { http: reqwest::Client::builder().no_proxy().build().unwrap(), ..client };
    is_well_at_last(&fresh).await;
    drop(slow);
    assert_eq!(serving.stop(), 0);
}

/// A value of a JSON-RPC message.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![
            Just("2.0"),
            Just("tools/call"),
            Just("tools/list"),
            Just("resources/read"),
            Just("prompts/get"),
            Just("completion/complete"),
            Just("server/discover"),
            Just("2026-07-28"),
            Just("rota://task/-1"),
            Just("getTicket"),
            Just("\u{0}"),
        ]
        .prop_map(Value::from),
        "\\PC{0,30}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let names = prop_oneof![
            Just("name".to_owned()),
            Just("arguments".to_owned()),
            Just("cursor".to_owned()),
            Just("uri".to_owned()),
            Just("_meta".to_owned()),
            Just("io.modelcontextprotocol/protocolVersion".to_owned()),
            Just("progressToken".to_owned()),
            "[a-z]{1,8}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_body_is_sent_the_answer_is_json_rpc_and_no_fault_of_the_servers() {
    let rota = team();
    let (serving, client) = serving(&rota);
    let config = Config { rng_algorithm: RngAlgorithm::ChaCha, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    for round in 0..1_500 {
        let mut make = || anything().new_tree(&mut runner).unwrap().current();
        let mut message = json!({ "jsonrpc": "2.0", "id": round, "method": "tools/call" });
        match round % 5 {
            0 => message = make(),
            1 => message["method"] = make(),
            2 => message["id"] = make(),
            3 => message["params"] = make(),
            _ => {
                message["params"] = json!({ "name": make(), "arguments": make(), "_meta": make() });
            }
        }
        let mut body = message.to_string();
        if round % 13 == 0 {
            // Cut off somewhere.
            let at = (round * 7) % (body.len() + 1);
            let at = (0..=at).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0);
            body.truncate(at);
        }
        if round % 17 == 0 {
            // No message at all.
            body = ".{0,200}".new_tree(&mut runner).unwrap().current();
        }
        let reply = client.post(&body).await;
        assert!(reply.status < 500, "{body}\n{reply:#?}");
        if reply.status == 202 {
            assert_eq!(reply.text, "", "{body}");
            continue;
        }
        let answer = reply.message();
        assert_eq!(answer["jsonrpc"], "2.0", "{body}");
        assert_ne!(answer["error"]["code"], -32_603, "{body}\n{answer:#}");
    }
    is_well(&client).await;
    let used = memory(&serving);
    assert!(used < MEMORY_KIB_MAX, "{used} KiB");
    assert!(!serving.log().contains("panicked"), "{}", serving.log());
    assert_eq!(serving.stop(), 0);
}
