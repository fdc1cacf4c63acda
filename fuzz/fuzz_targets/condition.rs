//! Conditions in CEL: whatever the text, it is answered or told, and so is one about that text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rota::expression::{Expression, SELECT_NAMES, Scope};
use serde_json::json;

fuzz_target!(|text: &str| {
    let task = json!({"headline": text, "tags": ["a", text], "priority": 2, "due": null});
    let task: rota::domain::Value = serde_json::from_value(task).expect("an object is a value");
    let now = "2026-11-23T08:00:00Z".parse().expect("an instant");
    let scope = Scope::new(now).with("task", task).with("agent", text);
    match Expression::compile(text, &SELECT_NAMES) {
        Ok(condition) => drop(condition.evaluate(&scope)),
        Err(fault) => assert!(fault.offset <= text.len()),
    }
});
