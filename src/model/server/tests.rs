//! Refusals in the words of servers that there are, and what is never told.

use super::*;

fn class(status: u16, body: &str) -> &'static str {
    let said = Said::read(body.as_bytes());
    said.as_error(status, None, said.message.clone()).class()
}

#[test]
fn a_refusal_is_known_by_its_class_whoever_writes_it() {
    let openai = |code: &str, message: &str| {
        format!(
            r#"{{"error":{{"message":"{message}","type":"invalid_request_error","code":"{code}"}}}}"#
        )
    };
    let anthropic = |kind: &str, message: &str| {
        format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#)
    };
    for (status, body, expected) in [
        (401, openai("invalid_api_key", "Incorrect key"), "denied"),
        (403, anthropic("permission_error", "no"), "denied"),
        (429, openai("rate_limit_exceeded", "slow down"), "rate_limited"),
        (429, openai("insufficient_quota", "pay"), "refused"),
        (429, anthropic("rate_limit_error", "slow down"), "rate_limited"),
        (529, anthropic("overloaded_error", "Overloaded"), "overloaded"),
        (503, "<html>busy</html>".to_owned(), "overloaded"),
        (500, anthropic("api_error", "oops"), "unavailable"),
        (502, String::new(), "unavailable"),
        (408, String::new(), "unavailable"),
        (400, openai("context_length_exceeded", "too many"), "context_too_long"),
        (400, anthropic("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), "context_too_long"),
        (413, anthropic("request_too_large", "too large"), "context_too_long"),
        (400, r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","code":400}"#.to_owned(), "context_too_long"),
        (400, r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#.to_owned(), "context_too_long"),
        (400, r#"{"error":{"code":"content_filter","message":"The prompt was filtered","status":400}}"#.to_owned(), "declined"),
        (400, anthropic("invalid_request_error", "Your credit balance is too low"), "refused"),
        (400, openai("null", "Unknown parameter"), "refused"),
        (402, r#"{"error":{"message":"Insufficient Balance"}}"#.to_owned(), "refused"),
        (404, r#"{"error":"model 'x' not found"}"#.to_owned(), "refused"),
        (422, r#"{"detail":"Unprocessable"}"#.to_owned(), "refused"),
        (302, String::new(), "refused"),
    ] {
        assert_eq!(class(status, &body), expected, "{status} {body}");
    }
}

#[test]
fn what_a_server_says_is_found_wherever_it_stands() {
    for body in [
        r#"{"error":{"message":"why"}}"#,
        r#"{"error":"why"}"#,
        r#"{"message":"why"}"#,
        r#"{"detail":"why"}"#,
        "why",
    ] {
        assert_eq!(Said::read(body.as_bytes()).message, "why", "{body}");
    }
    assert_eq!(Said::read(b"<html><body>502</body></html>").message, "");
    assert_eq!(Said::read(b"[1]").message, "");
}

#[test]
fn a_wait_is_seconds_milliseconds_or_an_instant_of_the_servers_own_clock() {
    let read = |pairs: &[(&'static str, &'static str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        retry_after(&headers)
    };
    assert_eq!(read(&[("retry-after", " 7 ")]), Some(Duration::from_secs(7)));
    assert_eq!(read(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
    assert_eq!(
        read(&[("retry-after-ms", "250"), ("retry-after", "7")]),
        Some(Duration::from_millis(250))
    );
    let dates = [
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"),
    ];
    assert_eq!(read(&dates), Some(Duration::from_secs(30)));
    for odd in ["-1", "NaN", "inf", "soon", "1e300", "Sun, 06 Nov 1994 08:50:07 GMT"] {
        assert_eq!(read(&[("retry-after", odd)]), None, "{odd}");
    }
}

#[test]
fn a_base_address_has_no_password_query_or_fragment() {
    for good in ["https://api.example.com/v1", "http://127.0.0.1:8080", " http://[::1]:1/x/ "] {
        assert!(base(good).is_ok(), "{good}");
    }
    for bad in
        ["", "api.example.com", "ftp://x/", "https://a:b@x/", "https://x/?k=v", "https://x/#a"]
    {
        assert!(base(bad).is_err(), "{bad}");
    }
}

fn server() -> Server {
    let mut options = ServerOptions::new("m", None);
    options.key = Some(SecretString::from("sk-SECRET-1"));
    options.headers = vec![("x-extra".to_owned(), SecretString::from("SECRET-2"))];
    options.query = vec![("code".to_owned(), SecretString::from("SECRET-3"))];
    let base = base("https://example.com/openai/").unwrap();
    Server::new(options, base, Auth::Bearer, &[]).unwrap()
}

#[test]
fn no_secret_is_told_or_shown() {
    let server = server();
    let told = server.told("Incorrect key sk-SECRET-1 and\u{1b}[2J\nSECRET-2 at ?code=SECRET-3");
    assert!(!told.contains("SECRET") && !told.contains('\u{1b}'), "{told}");
    let shown = format!("{server:?} {:?}", server.options);
    assert!(!shown.contains("SECRET"), "{shown}");
    assert!(server.told(&"é".repeat(5_000)).chars().count() <= TOLD_CHARS_MAX + 1);
}

#[test]
fn paths_are_added_to_the_address_and_what_is_added_to_every_one_follows() {
    let url = server().url("chat/completions");
    assert_eq!(url.as_str(), "https://example.com/openai/chat/completions?code=SECRET-3");
}

#[test]
fn what_cannot_stand_in_a_header_is_refused_without_being_shown() {
    let mut options = ServerOptions::new("m", None);
    options.key = Some(SecretString::from("SECRET\nx: y"));
    let base = base("https://example.com").unwrap();
    let error = Server::new(options, base.clone(), Auth::ApiKey, &[]).unwrap_err();
    assert!(error.contains("key") && !error.contains("SECRET"), "{error}");
    let mut options = ServerOptions::new("m", None);
    options.headers = vec![("no header".to_owned(), SecretString::from("SECRET"))];
    let error = Server::new(options, base, Auth::ApiKey, &[]).unwrap_err();
    assert!(error.contains("no header") && !error.contains("SECRET"), "{error}");
}
