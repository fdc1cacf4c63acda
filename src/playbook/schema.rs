//! JSON Schema of playbooks, for editors.

/// The schema (draft 2020-12).
pub fn schema() -> serde_json::Value {
    todo!()
}
