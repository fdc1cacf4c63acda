//! What became of several calls made by one.

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// What became of each of several.
#[derive(Serialize, JsonSchema)]
pub(in crate::tools) struct BulkView {
    /// So many were done; with dryRun, could be.
    pub done: usize,
    /// So many were not.
    pub failed: usize,
    /// So many were not begun: the call was cancelled.
    pub left: usize,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// In the order in which they were given.
    pub items: Vec<BulkItem>,
}

/// One of them.
#[derive(Default, Serialize, JsonSchema)]
pub(in crate::tools) struct BulkItem {
    /// Its place, from 0.
    pub index: usize,
    /// The number of what was changed or added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// What was changed, such as `task 7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// False when everything was so already, or when nothing is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// Why it was not done, where that is no error: `dry_run`, `recorded_only`, `done_before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The changed fields after, where the caller did not name them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<BTreeMap<String, serde_json::Value>>,
    /// The tool call that puts it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<BTreeMap<String, serde_json::Value>>,
    /// Why it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<BulkError>,
}

/// Why one of them was not done.
#[derive(Serialize, JsonSchema)]
pub(in crate::tools) struct BulkError {
    /// The stable code.
    pub code: String,
    /// What is wrong and what was expected.
    pub message: String,
}
