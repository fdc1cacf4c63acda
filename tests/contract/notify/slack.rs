//! Slack's incoming webhooks, as far as a server on loopback can stand for Slack.

use super::{Way, body, deliver, opened};
use rota::domain::{Body, Mention};
use rota::notify::{Notifier, NotifyError, NotifyOptions, SlackOptions, SlackWay};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use wiremock::matchers::{body_string, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SECRET: &str = "T0/B0/s3cr3t";

fn at(uri: &str, time_limit: Duration) -> Arc<dyn Notifier> {
    let webhook = SecretString::from(format!("{uri}/services/{SECRET}"));
    let mut options = NotifyOptions::default();
    let way = SlackWay::Webhook(webhook);
    options.slack.insert("team".into(), SlackOptions { way, time_limit });
    assert!(!format!("{options:?}").contains("s3cr3t"));
    let notifier = opened("slack:team", &options);
    assert!(!format!("{notifier:?}").contains("s3cr3t"));
    notifier
}

fn notifier(server: &MockServer) -> Arc<dyn Notifier> {
    at(&server.uri(), Duration::from_secs(20))
}

async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    server
}

async fn failure(notifier: &Arc<dyn Notifier>) -> NotifyError {
    let error = deliver(notifier, "k", &body("t", &["{\"text\":\"t\"}"])).await.unwrap_err();
    for told in [format!("{error}"), format!("{error:?}")] {
        assert!(!told.contains("s3cr3t") && !told.contains("services"), "{told}");
    }
    error
}

async fn failure_of(answer: ResponseTemplate) -> NotifyError {
    failure(&notifier(&answering(answer).await)).await
}

#[tokio::test]
async fn parts_are_posted_in_order_to_the_webhook() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(format!("/services/{SECRET}")))
        .and(header("content-type", "application/json"))
        .respond_with(ResponseTemplate::new(200).set_body_string("ok"))
        .expect(3)
        .mount(&server)
        .await;
    let body = body("t", &["{\"text\":\"1\"}", "{\"text\":\"2\"}", "{\"text\":\"3\"}"]);
    deliver(&notifier(&server), "k", &body).await.unwrap();
    let received = server.received_requests().await.unwrap();
    let texts: Vec<_> = received.iter().map(|request| &request.body).collect();
    assert_eq!(texts, [b"{\"text\":\"1\"}", b"{\"text\":\"2\"}", b"{\"text\":\"3\"}"]);
}

#[tokio::test]
async fn a_later_part_that_fails_is_where_the_next_attempt_goes_on() {
    let server = MockServer::start().await;
    Mock::given(body_string("2"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let notifier = notifier(&server);
    let body = body("t", &["1", "2", "3"]);
    let mut way = Way::default();
    let error = way.go(&notifier, "k", &body).await.unwrap_err();
    assert_eq!((way.part, error.is_transient), (1, true));
    way.go(&notifier, "k", &body).await.unwrap();
    let received = server.received_requests().await.unwrap();
    let texts: Vec<_> = received.iter().map(|request| request.body.clone()).collect();
    assert_eq!(texts, [b"1", b"2", b"2", b"3"]);
}

#[tokio::test]
async fn whom_a_message_is_addressed_to_stands_in_front_by_the_id_that_is_known() {
    let server = answering(ResponseTemplate::new(200)).await;
    let mention = |name: &str, slack: Option<&str>| Mention {
        name: name.into(),
        email: Some("ada@example.org".into()),
        slack: slack.map(str::to_owned),
    };
    // What is no id is no mention.
    let mentions = vec![mention("Ada", Some("U1ADA")), mention("<!here>", Some("!channel"))];
    let body = Body { mentions, ..body("t", &["{\"text\":\"t\"}", "{\"text\":\"u\"}"]) };
    deliver(&notifier(&server), "k", &body).await.unwrap();
    let received = server.received_requests().await.unwrap();
    assert_eq!(received[0].body, b"{\"text\":\"<@U1ADA> &lt;!here&gt; t\"}");
    assert_eq!(received[1].body, b"{\"text\":\"u\"}");
}

#[tokio::test]
async fn what_slack_asks_to_wait_is_passed_on() {
    let wait = |value: &str| ResponseTemplate::new(429).insert_header("retry-after", value);
    let error = failure_of(wait("17")).await;
    assert!(error.is_transient);
    assert_eq!(error.retry_after, Some(Duration::from_secs(17)));
    // The clock of these tests stands at 07:00:00.
    let error = failure_of(wait("Mon, 23 Nov 2026 07:01:30 GMT")).await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(90)));
    let error = failure_of(wait("Mon, 23 Nov 2026 06:00:00 GMT")).await;
    assert_eq!(error.retry_after, Some(Duration::ZERO));
    let error = failure_of(wait("soon")).await;
    assert_eq!((error.retry_after, error.is_transient), (None, true));
    let error = failure_of(wait("99999999999")).await;
    assert_eq!(error.retry_after, Some(Duration::from_hours(24)));
}

#[tokio::test]
async fn trouble_at_slack_may_pass_and_a_refusal_does_not() {
    for status in [500, 502, 503, 408] {
        assert!(failure_of(ResponseTemplate::new(status)).await.is_transient, "{status}");
    }
    for (status, word) in
        [(400, "invalid_blocks"), (404, "no_service"), (410, "channel_is_archived")]
    {
        let error = failure_of(ResponseTemplate::new(status).set_body_string(word)).await;
        assert!(!error.is_transient, "{status}");
        let told = format!("Slack refuses the message: status {status} ({word})");
        assert_eq!(error.to_string(), told);
    }
}

#[tokio::test]
async fn an_answer_that_echoes_the_address_or_never_ends_is_not_repeated() {
    let echo = ResponseTemplate::new(403).set_body_string(format!("/services/{SECRET}"));
    assert_eq!(failure_of(echo).await.to_string(), "Slack refuses the message: status 403");
    let long = ResponseTemplate::new(403).set_body_string("x".repeat(1_000_000));
    assert_eq!(failure_of(long).await.to_string(), "Slack refuses the message: status 403");
}

#[tokio::test]
async fn a_redirect_is_refused() {
    let elsewhere = answering(ResponseTemplate::new(200)).await;
    let error = failure_of(
        ResponseTemplate::new(307).insert_header("location", format!("{}/x", elsewhere.uri())),
    )
    .await;
    assert!(!error.is_transient);
    assert_eq!(elsewhere.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_delivery_ends_within_its_time_limit() {
    let silent = answering(ResponseTemplate::new(200).set_delay(Duration::from_mins(10))).await;
    let error = failure(&at(&silent.uri(), Duration::from_millis(200))).await;
    assert!(error.is_transient);
    assert_eq!(error.to_string(), "Slack did not answer within 200ms");
}

#[tokio::test]
async fn nobody_at_the_address_may_pass() {
    let port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    };
    let error = failure(&at(&format!("http://127.0.0.1:{port}"), Duration::from_secs(20))).await;
    assert!(error.is_transient);
    assert_eq!(error.to_string(), "no connection to Slack could be made");
}
