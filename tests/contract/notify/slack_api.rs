//! Slack's Web API, against a Slack that validates as Slack does.

use super::{Way, deliver, opened_at};
use crate::support::slack::limits::pings;
use crate::support::slack::{Fail, FakeSlack, TEAM, TOKEN};
use rota::clock::{Clock, ManualClock};
use rota::digest;
use rota::domain::{Body, Mention};
use rota::notify::{Notifier, NotifyError, NotifyOptions, SlackOptions, SlackWay};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

struct Scene {
    slack: FakeSlack,
    clock: Arc<ManualClock>,
    notifier: Arc<dyn Notifier>,
}

fn scene_in(channel: &str, token: &str) -> Scene {
    let slack = FakeSlack::start();
    let token = SecretString::from(token);
    let way = SlackWay::WebApi { api: slack.api(), token, channel: channel.into() };
    let mut options = NotifyOptions::default();
    let time_limit = Duration::from_secs(20);
    options.slack.insert("team".into(), SlackOptions { way, time_limit });
    assert!(!format!("{options:?}").contains("s3cr3t"));
    let clock = Arc::new(ManualClock::at(super::wall()));
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let notifier = opened_at("slack:team", &options, &shared);
    assert!(!format!("{notifier:?}").contains("s3cr3t"));
    Scene { slack, clock, notifier }
}

fn scene() -> Scene {
    scene_in(TEAM, TOKEN)
}

/// A body of so many parts.
fn parts(texts: &[&str]) -> Body {
    let payloads = texts.iter().map(|text| json!({ "text": text }).to_string());
    Body { text: "t".into(), slack: payloads.collect(), ..Body::default() }
}

async fn failure(scene: &Scene) -> NotifyError {
    let error = deliver(&scene.notifier, "k", &parts(&["a"])).await.unwrap_err();
    for told in [format!("{error}"), format!("{error:?}")] {
        assert!(!told.contains("s3cr3t") && !told.contains("127.0.0.1"), "{told}");
    }
    error
}

fn texts(scene: &Scene) -> Vec<String> {
    let messages = scene.slack.messages();
    messages.iter().map(|m| m.payload["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_does_not_fit_goes_on_in_the_thread_of_the_first_part() {
    let scene = scene();
    let way = deliver(&scene.notifier, "k", &parts(&["1", "2", "3"])).await.unwrap();
    let messages = scene.slack.messages();
    let threads: Vec<_> = messages.iter().map(|message| message.thread.clone()).collect();
    let first = Some(messages[0].ts.clone());
    assert_eq!(threads, [None, first.clone(), first]);
    let names: Vec<_> = messages.iter().map(|message| message.ts.clone()).collect();
    assert_eq!((way.receipt.room.as_str(), way.receipt.parts), (TEAM, names));
    assert_eq!(messages[0].payload["unfurl_links"], json!(false));
}

#[tokio::test]
async fn a_part_that_was_taken_is_not_sent_again() {
    let scene = scene();
    let body = parts(&["1", "2", "3"]);
    let mut way = Way::default();
    way.go(&scene.notifier, "k", &parts(&["1"])).await.unwrap();
    scene.slack.will([Fail::Status(503), Fail::Error("internal_error"), Fail::Broken]);
    for _ in 0..3 {
        assert!(way.go(&scene.notifier, "k", &body).await.unwrap_err().is_transient);
    }
    way.go(&scene.notifier, "k", &body).await.unwrap();
    assert_eq!(texts(&scene), ["1", "2", "3"]);
}

#[tokio::test]
async fn an_answer_that_got_lost_brings_that_part_once_more_and_no_other() {
    let scene = scene();
    let body = parts(&["1", "2", "3"]);
    let mut way = Way::default();
    way.go(&scene.notifier, "k", &parts(&["1"])).await.unwrap();
    scene.slack.will([Fail::DoneAndBroken]);
    assert!(way.go(&scene.notifier, "k", &body).await.unwrap_err().is_transient);
    way.go(&scene.notifier, "k", &body).await.unwrap();
    assert_eq!(texts(&scene), ["1", "2", "2", "3"]);
}

#[tokio::test]
async fn what_is_told_again_is_changed_where_it_stands_and_no_part_too_many_stays() {
    let scene = scene();
    let way = deliver(&scene.notifier, "k", &parts(&["1", "2", "3"])).await.unwrap();
    let mut way = way.again();
    way.go(&scene.notifier, "k", &parts(&["one", "two"])).await.unwrap();
    assert_eq!(texts(&scene), ["one", "two"]);
    assert!(scene.slack.messages().iter().all(|message| message.edits == 1));
    // It grows again: what is new goes into the same thread.
    let mut way = way.again();
    way.go(&scene.notifier, "k", &parts(&["eins", "zwei", "drei"])).await.unwrap();
    let messages = scene.slack.messages();
    assert_eq!(texts(&scene), ["eins", "zwei", "drei"]);
    assert_eq!(messages[2].thread.as_ref(), Some(&messages[0].ts));
    assert_eq!(scene.slack.called("chat.postMessage"), 4);
}

#[tokio::test]
async fn what_cannot_be_changed_any_more_is_told_anew() {
    for gone in ["message_not_found", "cant_update_message", "edit_window_closed"] {
        let scene = scene();
        let way = deliver(&scene.notifier, "k", &parts(&["1"])).await.unwrap();
        if gone == "message_not_found" {
            scene.slack.remove(&way.receipt.parts[0]);
        } else {
            scene.slack.will([Fail::Error(gone)]);
        }
        let before = way.receipt.parts.clone();
        let mut way = way.again();
        way.go(&scene.notifier, "k", &parts(&["one"])).await.unwrap();
        assert_eq!(texts(&scene).last().unwrap(), "one", "{gone}");
        assert_ne!(way.receipt.parts, before);
    }
}

#[tokio::test]
async fn each_of_slacks_errors_passes_or_says_what_to_do() {
    let scene = scene();
    for name in ["ratelimited", "internal_error", "fatal_error", "service_unavailable"] {
        scene.slack.will([Fail::Error(name)]);
        let error = failure(&scene).await;
        assert!(error.is_transient && error.what.contains(name), "{error}");
    }
    for name in [
        "account_inactive",
        "restricted_action",
        "msg_too_long",
        "token_expired",
        "ekm_access_denied",
    ] {
        scene.slack.will([Fail::Error(name)]);
        let error = failure(&scene).await;
        assert!(!error.is_transient && error.what.contains(name), "{error}");
    }
    scene.slack.will([Fail::Error("<script>alert(1)</script>")]);
    assert_eq!(failure(&scene).await.to_string(), "Slack says an_unknown_error");
    for status in [500, 502, 503] {
        scene.slack.will([Fail::Status(status)]);
        assert!(failure(&scene).await.is_transient, "{status}");
    }
    scene.slack.will([Fail::Status(404), Fail::Garbage, Fail::Broken]);
    assert!(!failure(&scene).await.is_transient);
    assert!(failure(&scene).await.is_transient, "what came is no answer");
    assert!(failure(&scene).await.is_transient);
    assert_eq!(scene.slack.messages().len(), 0);
}

#[tokio::test]
async fn where_it_may_not_post_slack_says_so() {
    for (channel, token, is_in, is_archived, name) in [
        ("C0NOWHERE", TOKEN, None, false, "channel_not_found"),
        ("C0OTHER", TOKEN, Some(false), false, "not_in_channel"),
        ("C0OLD", TOKEN, Some(true), true, "is_archived"),
        (TEAM, "xoxb-other-s3cr3t", None, false, "invalid_auth"),
    ] {
        let scene = scene_in(channel, token);
        if let Some(is_in) = is_in {
            scene.slack.channel(channel, is_in, is_archived);
        }
        let error = failure(&scene).await;
        assert!(!error.is_transient && error.what.contains(name), "{error}");
    }
    let scene = scene();
    scene.slack.without_scope("chat:write");
    assert!(failure(&scene).await.what.contains("missing_scope"));
    scene.slack.revoke(true);
    assert!(failure(&scene).await.what.contains("token_revoked"));
}

#[tokio::test]
async fn what_slack_asks_to_wait_is_passed_on() {
    let scene = scene();
    scene.slack.will([Fail::Limited(17)]);
    let error = failure(&scene).await;
    assert_eq!((error.is_transient, error.retry_after), (true, Some(Duration::from_secs(17))));
}

#[tokio::test]
async fn whoever_is_addressed_is_mentioned_by_the_id_that_slack_has_for_their_address() {
    let scene = scene();
    scene.slack.user("U0ADA", "ada@example.org");
    let mention = |name: &str, email: Option<&str>| Mention {
        name: name.into(),
        email: email.map(str::to_owned),
        slack: None,
    };
    let mentions = vec![
        mention("Ada", Some("Ada@Example.org")),
        mention("<!channel>", Some("nobody@example.org")),
        mention("@here Bo", None),
    ];
    let body = Body { mentions, ..parts(&["first", "second"]) };
    for _ in 0..3 {
        deliver(&scene.notifier, "k", &body).await.unwrap();
    }
    let first = &scene.slack.messages()[0].payload;
    assert_eq!(first["text"], "<@U0ADA> &lt;!channel&gt; @\u{2060}here Bo first");
    assert_eq!(pings(first), ["<@U0ADA>"]);
    assert_eq!(pings(&scene.slack.messages()[1].payload), Vec::<String>::new());
    assert_eq!(scene.slack.called("users.lookupByEmail"), 2, "what was found is remembered");
    scene.clock.advance(Duration::from_hours(2));
    deliver(&scene.notifier, "k", &body).await.unwrap();
    assert_eq!(scene.slack.called("users.lookupByEmail"), 4, "and looked up again in time");
    // That nobody may look keeps no message back.
    scene.clock.advance(Duration::from_hours(2));
    scene.slack.without_scope("users:read.email");
    deliver(&scene.notifier, "k", &body).await.unwrap();
    let last = scene.slack.messages().into_iter().rev().find(|m| m.thread.is_none()).unwrap();
    assert_eq!(pings(&last.payload), Vec::<String>::new());
}

#[tokio::test]
async fn hostile_text_is_taken_as_it_is_and_pings_nobody() {
    let scene = scene();
    let hostile = [
        "<!channel> <!here> <@U0ADA> <#C1> @here @channel @Everyone &lt;!channel&gt;".to_owned(),
        "x".repeat(10_000),
        "<https://evil.example|Approve> *b* _i_ ~s~ `c` ```".to_owned(),
        "\u{202e}gnp.exe\u{202c} \u{200b}zero\u{200d}width\u{feff} 🦀🇩🇪👩‍👩‍👧".to_owned(),
        "# head\n---\n| field\n-# small\n> quote".to_owned(),
        "\u{0}\u{1b}[31mred\u{7}\r\n\t".to_owned(),
        "&".repeat(5_000),
        "🦀".repeat(5_000),
    ];
    for text in hostile {
        let plain = Body { text: text.clone(), ..Body::default() };
        let messages = digest::slack_of_text(&text).unwrap();
        let slack = messages.iter().map(digest::blocks::Message::to_json).collect();
        for body in [plain, Body { text: text.clone(), slack, ..Body::default() }] {
            deliver(&scene.notifier, "k", &body).await.unwrap();
        }
    }
    for message in scene.slack.messages() {
        assert_eq!(pings(&message.payload), Vec::<String>::new(), "{message:?}");
        let text = message.payload.to_string();
        assert!(!text.contains("<https") && !text.contains('\u{202e}'), "{text}");
    }
}

#[tokio::test]
async fn whether_it_could_post_is_seen_without_a_word_to_anybody() {
    let scene = scene();
    let found = scene.notifier.look().await.unwrap();
    assert_eq!(found, "rota in Team posts to C0TEAM (nothing was sent)");
    scene.slack.without_scope("users:read.email");
    let error = scene.notifier.look().await.unwrap_err();
    assert!(error.what.contains("lacks users:read.email"), "{error}");
    scene.slack.revoke(true);
    assert!(scene.notifier.look().await.unwrap_err().what.contains("token_revoked"));
    let methods: Vec<String> = scene.slack.calls().into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods, ["auth.test"; 3]);
}

#[test]
fn the_fake_refuses_what_slack_refuses() {
    use crate::support::slack::limits::message;
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let blocks = |blocks: Vec<Value>| json!({"text": "t", "blocks": blocks});
    assert_eq!(message(&blocks(vec![section("x")])), Ok(()));
    let fine = "a &amp; b &lt;c&gt; <@U1A> <https://b.example/7?a=1&amp;b=2|task 7>";
    assert_eq!(message(&blocks(vec![section(fine)])), Ok(()));
    for (payload, name) in [
        (json!({"text": " "}), "no_text"),
        (json!({"text": "x".repeat(40_001)}), "msg_too_long"),
        (blocks(vec![]), "invalid_blocks"),
        (blocks(vec![json!({"type": "divider"}); 51]), "invalid_blocks"),
        (blocks(vec![section(&"x".repeat(3_001))]), "invalid_blocks"),
        (blocks(vec![section(" ")]), "invalid_blocks"),
        (blocks(vec![json!({"type": "marquee"})]), "invalid_blocks"),
        (blocks(vec![json!({"type": "divider", "x": 1})]), "invalid_blocks"),
        (blocks(vec![section(&"x".repeat(2_900)); 5]), "msg_blocks_too_long"),
        (blocks(vec![json!({"type": "actions", "elements": []})]), "invalid_blocks"),
        (json!({"text": "a & b", "blocks": [section("x")]}), "stray_markup"),
        (blocks(vec![section("a < b")]), "stray_markup"),
        (blocks(vec![section("a > b")]), "stray_markup"),
        (blocks(vec![section("a &nbsp; b")]), "stray_markup"),
        (blocks(vec![section("<!channel> hi")]), "stray_markup"),
        (blocks(vec![section("<javascript:x|task 1>")]), "stray_markup"),
    ] {
        assert_eq!(message(&payload), Err(name), "{payload}");
    }
}
