//! The `OpenAPI` document as it is served, held against what is answered.

use super::Api;
use crate::mcp::{team, token};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_what_is_served() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let document = api.get("/api/v1/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.1");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let schema_of = |path: &str, method: &str| {
        document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
            .clone()
    };
    // Every path without a name in it answers as it is described.
    let paths = document["paths"].as_object().unwrap();
    let plain = |path: &&String| !path.contains('{') && !path.ends_with("/events");
    let mut looked_at = 0;
    for (path, item) in paths.iter().filter(|(path, _)| plain(path)) {
        if item.get("get").is_some() {
            let answer = api.get(path).await.ok();
            assert_fits(&schema_of(path, "get"), &answer, path);
            looked_at += 1;
        }
    }
    assert!(looked_at >= 7, "{looked_at}");
    let task = api.get("/api/v1/tasks/1").await.ok();
    assert_fits(&schema_of("/api/v1/tasks/{id}", "get"), &task, "a task");
    for (tool, args) in [("findTasks", json!({})), ("getTicket", json!({ "id": 1 }))] {
        let path = format!("/api/v1/tools/{tool}");
        let body = &paths[&path]["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert_fits(body, &args, tool);
        let answer = api.tool(tool, args).await.ok();
        assert_fits(&schema_of(&path, "post"), &answer, tool);
    }
    let problem = api.get("/api/v1/nowhere").await.body;
    assert_fits(&document["components"]["schemas"]["Problem"], &problem, "a problem");
}

#[track_caller]
fn assert_fits(schema: &Value, value: &Value, what: &str) {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(schema.is_object() && errors.is_empty(), "{what}: {errors:#?}");
}
