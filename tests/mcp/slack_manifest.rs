//! The app manifest in `docs/` asks for what the program needs, and for nothing else.

use super::slack::{COMMAND, Scene};
use crate::support::slack::scope_of;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn manifest() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/slack-manifest.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The methods of Slack's Web API that our source names.
fn methods() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/notify/slack");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let quoted = text.split('"').skip(1).step_by(2);
        let families = ["chat.", "users.", "auth.", "views.", "conversations.", "files.", "apps."];
        let is_method = |text: &&str| {
            families.iter().any(|family| text.starts_with(family))
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        };
        found.extend(quoted.filter(is_method).map(str::to_owned));
    }
    found
}

#[test]
fn its_scopes_are_those_of_the_methods_that_are_called_and_of_the_command() {
    let methods = methods();
    assert!(methods.contains("chat.postMessage") && methods.len() > 4, "{methods:?}");
    let mut needed: BTreeSet<&str> = methods
        .iter()
        .filter_map(|method| scope_of(method).unwrap_or_else(|| panic!("what is {method}?")))
        .collect();
    needed.insert("commands");
    let manifest = manifest();
    let asked = &manifest["oauth_config"]["scopes"];
    let scopes: BTreeSet<&str> =
        asked["bot"].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
    assert_eq!(scopes, needed);
    assert_eq!(asked.as_object().unwrap().len(), 1, "nothing in the name of a user");
    let commands = manifest["features"]["slash_commands"].as_array().unwrap();
    let names: Vec<&str> = commands.iter().map(|it| it["command"].as_str().unwrap()).collect();
    assert_eq!(names, [COMMAND]);
    let hint = commands[0]["usage_hint"].as_str().unwrap();
    assert!(["status", "why", "run", "stop"].iter().all(|word| hint.contains(word)), "{hint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_addresses_are_places_where_the_daemon_listens() {
    let scene = Scene::new();
    let manifest = manifest();
    let interactivity = &manifest["settings"]["interactivity"];
    assert_eq!(interactivity["is_enabled"], true);
    let knock = async |path: &str| {
        let request = scene.http.post(format!("{}{path}", scene.address)).body("x=y");
        request.send().await.unwrap().status().as_u16()
    };
    for url in [&manifest["features"]["slash_commands"][0]["url"], &interactivity["request_url"]] {
        let url = reqwest::Url::parse(url.as_str().unwrap()).unwrap();
        assert_eq!(url.scheme(), "https");
        assert_eq!(knock(url.path()).await, 401, "{url}: it is there, and wants a signature");
    }
    assert_ne!(knock("/slack/nothing").await, 401);
}
