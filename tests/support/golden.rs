//! Golden messages in `tests/snapshots`, and whether Slack takes them.

use super::slack::limits;
use serde_json::Value as Json;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots")
}

/// A text is the one that was looked at and found good.
#[track_caller]
pub fn holds(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Payloads that Slack takes, as they are kept.
#[track_caller]
pub fn block_kit(payloads: &[String]) -> String {
    let pretty = payloads.iter().map(|json| {
        let mut payload: Json = serde_json::from_str(json).unwrap();
        is_taken_by_slack(json, &payload);
        payload.sort_all_objects();
        serde_json::to_string_pretty(&payload).unwrap()
    });
    pretty.collect::<Vec<_>>().join("\n")
}

/// Fails where Slack, or the stricter rules of the fake one, refuse a payload, and where it pings anybody.
#[track_caller]
pub fn is_taken_by_slack(what: &str, payload: &Json) {
    let known = ["text", "blocks", "unfurl_links", "unfurl_media"];
    let checked = limits::members(payload, &known).and_then(|()| limits::message(payload));
    assert_eq!(checked, Ok(()), "{what}: {payload:#}");
    assert_eq!(limits::pings(payload), Vec::<String>::new(), "{what}: {payload:#}");
}

/// The names of all that are kept.
pub fn names() -> impl Iterator<Item = String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    files.filter_map(|file| Some(file.to_str()?.strip_suffix(".snap")?.to_owned()))
}

/// The payloads of one that is kept.
pub fn payloads(name: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.snap"))).unwrap();
    let body = text.splitn(3, "---\n").nth(2).expect("after its header");
    serde_json::Deserializer::from_str(body).into_iter().map(Result::unwrap).collect()
}
