//! Templates and the texts of playbooks: whatever they say, rendering ends, within its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rota::template::{OUTPUT_BYTES_MAX, Templates, fill_value};
use serde_json::json;

fuzz_target!(|texts: (&str, &str)| {
    let (text, partial) = texts;
    let (templates, _) = Templates::from_texts([("a.md.hbs", text), ("_b.slack.hbs", partial)]);
    let context = serde_json::from_value(json!({
        "task": {"headline": text, "tags": ["a", partial], "due": "2026-11-22T08:00:00Z"},
        "tasks": [{"id": 1}, {"id": 2}], "agent": "AI", "zone": "UTC", "set": {},
    }));
    let context = context.expect("an object is a value");
    for name in ["a.md.hbs", "_b.slack.hbs"] {
        if let Ok(out) = templates.render(name, &context, "nonce") {
            assert!(out.len() <= OUTPUT_BYTES_MAX);
        }
    }
    let _ = fill_value(text, &context);
});
