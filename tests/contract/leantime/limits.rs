//! How often one may ask, and what one is told then.

use super::{Client, asked, client, with_editor, with_editor_of};
use crate::support::leantime::{Options, Role, Version};
use serde_json::{Value, json};
use std::time::Duration;

fn anything() -> Value {
    asked("install.currentVersion", json!({}))
}

#[tokio::test]
async fn a_hundred_and_twenty_pass_in_a_minute_of_the_test() {
    let (fake, _, first) = with_editor().await;
    let (_, second) = client(&fake, Role::Editor, &[1]);
    assert_eq!(first.status(&anything()).await, 200);
    fake.advance(Duration::from_secs(20));
    for _ in 1..120 {
        assert_eq!(first.status(&anything()).await, 200);
    }
    let refused = first.post(&anything()).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let header = |name: &str| refused.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("retry-after"), "40", "the window began with the first request");
    assert_eq!(header("x-ratelimit-retry-after"), "40");
    assert_eq!(
        (header("x-ratelimit-remaining"), header("x-ratelimit-limit")),
        ("0".into(), "120".into())
    );
    assert!(header("content-type").starts_with("text/html"));
    assert_eq!(second.status(&anything()).await, 200, "each user has an own window");
    fake.advance(Duration::from_secs(40));
    assert_eq!(first.status(&anything()).await, 200);
}

#[tokio::test]
async fn a_batch_counts_as_one() {
    let options = Options { rate_per_minute: Some(2), ..Options::default() };
    let (_fake, _, client) = with_editor_of(options).await;
    let batch = Value::Array(vec![anything(); 100]);
    assert_eq!(client.ask(&batch).await.as_array().unwrap().len(), 100);
    assert_eq!(client.status(&batch).await, 200);
    assert_eq!(client.status(&batch).await, 429);
}

#[tokio::test]
async fn older_releases_let_ten_pass() {
    let options = Options { version: Version::V3_5_12, ..Options::default() };
    let (_fake, _, client) = with_editor_of(options).await;
    for _ in 0..10 {
        assert_eq!(client.status(&anything()).await, 200);
    }
    assert_eq!(client.status(&anything()).await, 429);
}

#[tokio::test]
async fn a_wrong_key_locks_everyone_out_for_a_minute() {
    let (fake, _, good) = with_editor().await;
    let bad = Client::new(&fake.url(), "x-api-key", "lt_wrong_key");
    for _ in 0..20 {
        assert_eq!(bad.status(&anything()).await, 401);
    }
    let refused = good.post(&anything()).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(!refused.headers().contains_key("retry-after"));
    fake.advance(Duration::from_mins(1));
    assert_eq!(good.status(&anything()).await, 200);
}

#[tokio::test]
async fn keys_and_tokens_are_no_longer_good_when_they_are_revoked() {
    let (fake, id, client) = with_editor().await;
    let token = fake.add_token(1);
    let ada = Client::new(&fake.url(), "authorization", &format!("Bearer {token}"));
    assert_eq!(ada.call("users.getUser", json!({})).await["firstname"], "Ada");
    fake.revoke(&token);
    assert_eq!(ada.status(&anything()).await, 401);
    let odd = Client::new(&fake.url(), "x-api-key", "lt_a_b_c");
    assert_eq!(odd.status(&anything()).await, 401);
    assert_eq!(client.status(&anything()).await, 200);
    fake.as_person(1).deactivate(id);
    assert_eq!(client.status(&anything()).await, 401);
}
