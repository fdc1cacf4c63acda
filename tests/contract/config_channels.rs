//! `[notify]` and `[slack]` of `rota.toml`.

use rota::config::{Config, SlackWay, schema};
use rota::fault::{Fault, render_all};
use rota::notify::{EmailTls, WebhookFormat};
use secrecy::ExposeSecret;
use std::path::Path;

const SLACK: &str = r#"
[notify.slack.team]
token = "${TOKEN}"
channel = "C012AB3CD"
[slack]
signing_secret = "${HOOK}"
reviews = "slack:team"
people = { U012AB3CD = "Ada", W1X = "bo@example.org" }
"#;

#[test]
fn slack_is_reached_by_a_webhook_or_by_a_token_and_people_are_known_by_their_ids() {
    let env = |name: &str| match name {
        "TOKEN" => Some("xoxb-SECRET".to_owned()),
        "HOOK" => Some("SECRET".to_owned()),
        _ => None,
    };
    let read = |text: &str| Config::parse(text, Path::new("rota.toml"), &env);
    let config = read(SLACK).unwrap();
    assert!(!format!("{config:?}").contains("SECRET"));
    let SlackWay::WebApi { api, token, channel } = &config.slack["team"] else { panic!() };
    assert_eq!((api.as_str(), channel.as_str()), ("https://slack.com/api/", "C012AB3CD"));
    assert_eq!(token.expose_secret(), "xoxb-SECRET");
    let app = &config.slack_app;
    assert_eq!((app.reviews.as_deref(), app.people.len()), (Some("team"), 2));
    assert_eq!(app.people["W1X"], "bo@example.org");
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let json = serde_json::to_value(toml::from_str::<toml::Table>(SLACK).unwrap()).unwrap();
    assert!(validator.is_valid(&json));
    for (from, to, fault) in [
        ("channel = \"C012AB3CD\"", "channel = \"#general\"", "expected a conversation's id"),
        ("channel = \"C012AB3CD\"", "", "`channel` is missing"),
        ("channel = ", "webhook = \"${HOOK}\"\nchannel = ", "not both"),
        ("\"${TOKEN}\"", "\"${HOOK}\"", "no bot token"),
        ("token = \"${TOKEN}\"", "webhook = \"https://x.org\"", "`channel` is for the Web API"),
        ("signing_secret = \"${HOOK}\"", "", "`reviews` needs `signing_secret`"),
        ("slack:team", "other", "there is no [notify.slack.other]"),
        ("W1X", "ada", "no id of a Slack user"),
        ("\"Ada\"", "3", "expected the name or e-mail address"),
        ("\"Ada\"", "\" \"", "names nobody"),
    ] {
        assert!(SLACK.contains(from), "{from}");
        let faults = read(&SLACK.replace(from, to)).unwrap_err();
        let told = render_all(&faults, false);
        assert!(told.contains(fault) && !told.contains("SECRET"), "{fault}: {told}");
    }
}

fn read(text: &str) -> Result<Config, Vec<Fault>> {
    let env = |name: &str| match name {
        "HOOK" => Some("https://chat.example.org/hooks/SECRET".to_owned()),
        "HTTP" => Some("http://chat.example.org/hooks/SECRET".to_owned()),
        "WORD" => Some("SECRET".to_owned()),
        _ => None,
    };
    Config::parse(text, Path::new("rota.toml"), &env)
}

const OTHERS: &str = r#"
[notify.webhook.chat]
url = "${HOOK}"
format = "mattermost"
[notify.email.team]
server = "mail.example.org"
user = "rota"
password = "${WORD}"
from = "Rota <rota@example.org>"
to = ["team@example.org"]
"#;

#[test]
fn other_webhooks_and_readers_of_e_mail_are_named() {
    let config = read(OTHERS).unwrap();
    assert!(!format!("{config:?}").contains("SECRET"));
    assert_eq!(config.webhooks["chat"].format, WebhookFormat::Mattermost);
    let email = &config.emails["team"];
    assert_eq!((email.tls, email.port, email.to.len()), (EmailTls::StartTls, None, 1));
    assert!(email.login.is_some());
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let json = serde_json::to_value(toml::from_str::<toml::Table>(OTHERS).unwrap()).unwrap();
    assert!(validator.is_valid(&json));
    for (from, to, fault) in [
        ("\"${HOOK}\"", "\"${HTTP}\"", "no https:// address"),
        ("\"mattermost\"", "\"teams\"", "mattermost"),
        ("format = \"mattermost\"", "", "`format` is missing"),
        ("user = \"rota\"", "tls = \"none\"", "on this machine only"),
        ("user = \"rota\"", "", "belong together"),
        ("to = [\"team@example.org\"]", "to = []", "`to` takes"),
        ("server = \"mail.example.org\"", "", "server"),
    ] {
        assert!(OTHERS.contains(from), "{from}");
        let told = render_all(&read(&OTHERS.replace(from, to)).unwrap_err(), false);
        assert!(told.contains(fault) && !told.contains("SECRET"), "{fault}: {told}");
    }
}
