//! TLS by certificate files.

use super::{team, token};
use crate::support::rota::{Rota, Serving, until};
use serde_json::json;

const CERTIFICATE: &str = include_str!("../fixtures/tls/server.pem");
const KEY: &str = include_str!("../fixtures/tls/server.key");
pub const AUTHORITY: &str = include_str!("../fixtures/tls/ca.pem");

pub fn with_files(extra: &str) -> Rota {
    let rota = team();
    rota.write("cert.pem", CERTIFICATE);
    rota.write("key.pem", KEY);
    rota.write("ca.pem", AUTHORITY);
    let mcp = format!("[mcp]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n{extra}");
    let config = format!("{}{mcp}", rota.read("rota.toml"));
    rota.write("rota.toml", &config);
    rota
}

fn address(serving: &Serving) -> String {
    let addr = serving.ready.split_whitespace().find_map(|word| word.strip_prefix("addr="));
    addr.unwrap().to_owned()
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = reqwest::Certificate::from_pem(AUTHORITY.as_bytes()).unwrap();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([authority]);
    builder.pool_max_idle_per_host(0).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_certificate_speaks_tls_and_nothing_else() {
    let rota = with_files("");
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let address = address(&serving);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "getTicket", "arguments": { "id": 1 } } });
    let asked = client()
        .post(format!("https://{address}/mcp"))
        .bearer_auth(&secret)
        .header("accept", "application/json, text/event-stream")
        .json(&body);
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("Fix the footer"));
    let plain = client().get(format!("http://{address}/healthz")).send().await;
    assert!(plain.is_err(), "{plain:?}");
    // The bridge and the doctor come through with the authority's certificate.
    let url = format!("https://{address}/mcp");
    let ca = rota.path().join("ca.pem").display().to_string();
    let words = ["doctor", &url, "--ca", &ca, "--token", &secret];
    tokio::task::block_in_place(|| drop(rota.run(words).ok()));
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greeting_that_never_comes_holds_nobody_up() {
    let rota = with_files("");
    let serving = rota.serve(Vec::<&str>::new());
    let address = address(&serving);
    let _silent: Vec<_> =
        (0..20).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    let health = client().get(format!("https://{address}/healthz")).send().await.unwrap();
    assert_eq!(health.text().await.unwrap(), "ok\n");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn with_tls_it_may_be_served_beyond_loopback_and_without_it_may_not() {
    let rota = with_files("host = \"0.0.0.0\"\n");
    rota.run(["check"]).ok();
    let config = rota.read("rota.toml");
    let bare = config.replace("certificate = \"cert.pem\"\nkey = \"key.pem\"\n", "");
    rota.write("rota.toml", &bare);
    let refused = rota.run(["check"]).ended(3);
    assert!(refused.out.contains("give certificate and key"), "{refused:?}");
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_is_wrong_and_no_key_is_shown() {
    let rota = with_files("");
    let fails = |what: &str| {
        let ran = rota.run(["serve"]).ended(3);
        assert!(ran.err.contains(what), "{}", ran.err);
        assert!(!ran.err.contains("MIG") && !ran.err.contains("PRIVATE"), "{}", ran.err);
    };
    rota.write("key.pem", "nothing");
    fails("key.pem holds no private key in PEM");
    std::fs::remove_file(rota.path().join("key.pem")).unwrap();
    fails("key.pem cannot be read");
    rota.write("key.pem", KEY);
    rota.write("cert.pem", AUTHORITY);
    fails("and its key cannot be used together");
    rota.write("cert.pem", "");
    fails("cert.pem holds no certificate in PEM");
    let config = rota.read("rota.toml").replace("key = \"key.pem\"\n", "");
    rota.write("rota.toml", &config);
    let alone = rota.run(["check"]).ended(3);
    assert!(alone.out.contains("a certificate needs its key"), "{alone:?}");
}

#[test]
fn files_that_change_are_read_again_and_bad_ones_are_not_taken() {
    let rota = with_files("");
    let serving = rota.serve(Vec::<&str>::new());
    let address = address(&serving);
    rota.write("cert.pem", "a renewal that went wrong");
    // Each look makes a connection, which is what lets the files be looked at.
    until("it was looked at", || {
        let _ = std::net::TcpStream::connect(&address);
        serving.log().contains("the certificate of before is kept").then_some(())
    });
    rota.write("cert.pem", CERTIFICATE);
    until("it was read again", || {
        let _ = std::net::TcpStream::connect(&address);
        serving.log().contains("the certificate was read again").then_some(())
    });
    assert_eq!(serving.stop(), 0);
}
