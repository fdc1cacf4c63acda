//! What is typed about what waits for people, and the tool calls it stands for.

use super::calls::{Row, row};
use rota::app::house::Need::{Act, Look};
use serde_json::json;

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(&["review", "show", "7"], "showReview", json!({"task": 7}), Look),
        row(&["review", "list"], "listReviews", json!({}), Look),
        row(
            &["review", "approve", "7", "--only", "1,3"],
            "decideReview",
            json!({"item": "7", "decision": "approve", "only": [1, 3]}),
            Act,
        ),
        row(
            &["review", "approve", "7", "--comment", "Good."],
            "decideReview",
            json!({"item": "7", "decision": "approve", "comment": "Good."}),
            Act,
        ),
        row(
            &["review", "reject", "7", "--comment", "No link.", "--dry-run"],
            "decideReview",
            json!({"item": "7", "decision": "request_changes", "comment": "No link.", "dryRun": true}),
            Look,
        ),
        row(
            &["review", "answer", "7", "--text", "Below."],
            "decideReview",
            json!({"item": "7", "decision": "answer", "comment": "Below."}),
            Act,
        ),
        row(
            &["review", "snooze", "7"],
            "decideReview",
            json!({"item": "7", "decision": "snooze", "until": "tomorrow"}),
            Act,
        ),
        row(
            &["review", "seen", "budget:standup"],
            "decideReview",
            json!({"item": "budget:standup", "decision": "acknowledge"}),
            Act,
        ),
        row(
            &["review", "reassign", "7", "--to", "Ada"],
            "decideReview",
            json!({"item": "7", "decision": "reassign", "to": "Ada"}),
            Act,
        ),
    ]
}
