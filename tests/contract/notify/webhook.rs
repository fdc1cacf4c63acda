//! Webhooks of other servers.

use super::{Way, deliver, opened};
use crate::support::http_double::{Double, Reply};
use rota::domain::{Body, Mention};
use rota::notify::{Notifier, NotifyOptions, WebhookFormat, WebhookOptions};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

fn at(double: &Double, format: WebhookFormat) -> Arc<dyn Notifier> {
    let url = format!("http://{}/hooks/s3cr3t", double.address).into();
    let time_limit = Duration::from_secs(10);
    let mut options = NotifyOptions::default();
    options.webhook.insert("team".into(), WebhookOptions { url, format, time_limit });
    assert!(!format!("{options:?}").contains("s3cr3t"));
    let notifier = opened("webhook:team", &options);
    assert!(!format!("{notifier:?}").contains("s3cr3t"));
    notifier
}

/// A server that refuses what the real ones refuse.
fn server(format: WebhookFormat) -> Double {
    let faults = move |asked: &crate::support::http_double::Asked| {
        let message = asked.message();
        let keys: Vec<&String> = message.as_object()?.keys().collect();
        let known: &[&str] = match format {
            WebhookFormat::Discord => &["content", "allowed_mentions", "flags"],
            WebhookFormat::Mattermost => &["text"],
            WebhookFormat::Json => &["key", "part", "parts", "text", "for"],
        };
        let unknown = keys.into_iter().find(|key| !known.contains(&key.as_str()));
        if let Some(unknown) = unknown {
            return Some(format!("unknown {unknown}"));
        }
        let text = message["content"].as_str().or(message["text"].as_str())?;
        let max = match format {
            WebhookFormat::Discord => 2_000,
            WebhookFormat::Mattermost => 16_383,
            WebhookFormat::Json => 60_000,
        };
        if text.trim().is_empty() || text.chars().count() > max {
            return Some(format!("{} characters", text.chars().count()));
        }
        let pings = message["allowed_mentions"]["parse"].as_array().is_none_or(|p| !p.is_empty());
        (format == WebhookFormat::Discord && pings).then(|| "it may ping".to_owned())
    };
    Double::start_other(faults, |_| Reply::text(200, "text/plain", "ok"))
}

fn text(text: &str) -> Body {
    Body { text: text.to_owned(), ..Body::default() }
}

/// What was taken, as readers see it: without the signs that keep markup from being markup.
fn seen(double: &Double) -> Vec<String> {
    let texts = double.asked().into_iter().map(|asked| {
        let message = asked.message();
        let text = message["content"].as_str().or(message["text"].as_str()).unwrap().to_owned();
        let mut out = String::new();
        let mut chars = text.chars().filter(|c| *c != '\u{2060}');
        while let Some(c) = chars.next() {
            let escapes = c == '\\' && message.get("key").is_none();
            out.extend(if escapes { chars.next() } else { Some(c) });
        }
        out
    });
    texts.collect()
}

#[tokio::test]
async fn a_long_message_is_split_between_words_and_nothing_of_it_is_lost() {
    let words: Vec<String> = (0..9_000).map(|n| format!("w{n}_*")).collect();
    for (_, format) in WebhookFormat::ALL {
        let double = server(format);
        deliver(&at(&double, format), "k", &text(&words.join(" "))).await.unwrap();
        let seen = seen(&double);
        assert!(seen.len() > 1, "{format:?}");
        let again: Vec<&str> = seen.iter().flat_map(|part| part.split(' ')).collect();
        assert_eq!(again, words, "{format:?}");
    }
}

#[tokio::test]
async fn a_word_longer_than_a_message_is_cut_between_characters() {
    let word = "🦀ä*<@1>".repeat(4_000);
    for (_, format) in WebhookFormat::ALL {
        let double = server(format);
        deliver(&at(&double, format), "k", &text(&word)).await.unwrap();
        assert_eq!(seen(&double).concat(), word, "{format:?}");
    }
}

#[tokio::test]
async fn hostile_text_is_shown_as_it_was_written_and_pings_nobody() {
    let hostile = "@everyone @here @channel @all @bob <@123> <@&4> <#5> [Approve](https://evil.example) \
                   **b** `c` ||s|| > q\n# head\n:smile: ~~x~~ \u{200b}z";
    for format in [WebhookFormat::Discord, WebhookFormat::Mattermost] {
        let double = server(format);
        let mention = Mention { name: "@all".into(), email: None, slack: None };
        let body = Body { mentions: vec![mention], ..text(hostile) };
        deliver(&at(&double, format), "k", &body).await.unwrap();
        let asked = double.asked()[0].message();
        let sent = asked["content"].as_str().or(asked["text"].as_str()).unwrap();
        for group in
            ["@everyone", "@here", "@channel", "@all", "@bob", "<@123>", "[Approve](", "**"]
        {
            assert!(!sent.contains(group), "{group}: {sent}");
        }
        assert_eq!(seen(&double), [format!("@all: {hostile}")]);
    }
    let double = server(WebhookFormat::Json);
    deliver(&at(&double, WebhookFormat::Json), "the key", &text(hostile)).await.unwrap();
    let sent: Value = double.asked()[0].message();
    assert_eq!((&sent["key"], &sent["text"]), (&"the key".into(), &hostile.into()));
}

#[tokio::test]
async fn a_part_that_was_taken_is_not_sent_again_and_waits_are_passed_on() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let count = AtomicU32::new(0);
    let double = Double::start_other(
        |_| None,
        move |_| match count.fetch_add(1, Ordering::SeqCst) {
            1 => Reply::text(429, "application/json", "{\"retry_after\":1.5}")
                .with("Retry-After", "1.5"),
            2 => Reply::text(500, "text/html", "<s3cr3t>"),
            _ => Reply::text(204, "text/plain", ""),
        },
    );
    let notifier = at(&double, WebhookFormat::Discord);
    let words: Vec<String> = (0..900).map(|n| format!("{n:04}")).collect();
    let body = text(&words.join(" "));
    let mut way = Way::default();
    let error = way.go(&notifier, "k", &body).await.unwrap_err();
    assert_eq!((way.part, error.retry_after), (1, Some(Duration::from_millis(1_500))));
    let error = way.go(&notifier, "k", &body).await.unwrap_err();
    assert!(error.is_transient && !error.what.contains("s3cr3t"), "{error}");
    way.go(&notifier, "k", &body).await.unwrap();
    let sent: Vec<String> = double.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!((sent.len(), &sent[1], &sent[2]), (5, &sent[2], &sent[3]));
    assert_ne!(sent[0], sent[1]);
}

#[tokio::test]
async fn a_refusal_stays_and_nothing_is_sent_to_look() {
    let double = Double::start_other(|_| None, |_| Reply::text(404, "text/plain", "gone"));
    let notifier = at(&double, WebhookFormat::Mattermost);
    assert!(notifier.look().await.unwrap().contains("mattermost webhook is configured"));
    assert!(double.asked().is_empty());
    let error = deliver(&notifier, "k", &text("x")).await.unwrap_err();
    assert!(!error.is_transient);
    assert_eq!(error.to_string(), "Mattermost refuses the message: status 404 (gone)");
}
