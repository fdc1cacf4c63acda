//! JSON Schema of playbooks, for editors (taplo, Even Better TOML). Made from the table of keys, so
//! that it cannot forget one.

use super::keys::{KEYS, Key, Shape};
use serde_json::{Map, Value, json};

/// The schema (draft 2020-12).
pub fn schema() -> Value {
    let mut schema = table("");
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Rota playbook");
    schema["description"] = json!("What an agent does: one TOML file in agents/");
    // It is committed: one order, whatever a crate makes of maps.
    schema.sort_all_objects();
    schema
}

/// The schema of one table and those below it.
fn table(path: &str) -> Value {
    let mut properties = Map::new();
    let mut needed = Vec::new();
    for key in KEYS.iter().filter(|key| key.table == path) {
        if key.needed {
            needed.push(key.name);
        }
        properties.insert(key.name.to_owned(), property(key, path));
    }
    let mut schema =
        json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !needed.is_empty() {
        schema["required"] = json!(needed);
    }
    schema
}

fn property(key: &Key, path: &str) -> Value {
    let inner = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
    let text = || json!({"type": "string"});
    let mut schema = match key.shape {
        Shape::Text => json!({"type": "string", "minLength": usize::from(key.needed)}),
        Shape::Word(words) => json!({"enum": words}),
        Shape::Truth => json!({"type": "boolean"}),
        Shape::Texts => json!({"type": "array", "items": text()}),
        Shape::TextOrTexts => json!({"oneOf": [text(), {"type": "array", "items": text()}]}),
        Shape::Count(least) => json!({"type": "integer", "minimum": least}),
        Shape::Duration => {
            json!({"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d|w))+$"})
        }
        Shape::Args => json!({"type": "object"}),
        Shape::Counts => {
            json!({"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}})
        }
        Shape::Table => table(&inner),
        Shape::Named => {
            json!({"type": "object", "additionalProperties": table(&format!("{inner}.*"))})
        }
        Shape::Tables => json!({"type": "array", "items": table(&inner)}),
    };
    let about = if key.default.is_empty() {
        key.about.to_owned()
    } else {
        format!("{} (default: {})", key.about, key.default)
    };
    schema["description"] = json!(about);
    schema
}
