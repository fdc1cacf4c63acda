//! The table of tools, walked whole.

use crate::support::house::{House, json};
use rota::domain::{Reason, Role, Value};
use rota::tools::{ToolKind, Toolset};
use std::collections::BTreeSet;

#[tokio::test]
async fn every_tool_says_what_it_is_for_with_an_example_and_whole_schemas() {
    let house = House::build().await;
    let mut names = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for tool in house.tools.definitions() {
        let name = tool.name;
        assert!(names.insert(name) && titles.insert(tool.title), "{name} stands twice");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        assert!(tool.description.contains("Example:"), "{name} has no example");
        assert!(tool.description.len() > 40 && !tool.description.contains("  "), "{name}");
        for (what, schema) in [("input", &**tool.input_schema), ("output", &*tool.output_schema)] {
            let text = serde_json::to_string(schema).unwrap();
            assert!(!text.contains("$ref"), "{name}: {what} refers elsewhere");
            let schema = serde_json::to_value(schema).unwrap();
            jsonschema::validator_for(&schema).unwrap_or_else(|e| panic!("{name} {what}: {e}"));
            assert_eq!(schema["type"], "object", "{name} {what}");
        }
        let closed = tool.input_schema.get("additionalProperties");
        assert_eq!(closed, Some(&Value::Bool(false)), "{name} takes anything");
        let kind_fits = tool.annotations.read_only == (tool.kind == ToolKind::Read);
        assert!(
            kind_fits && !(tool.annotations.read_only && tool.annotations.destructive),
            "{name}"
        );
    }
    assert!(names.len() >= 40, "{}", names.len());
}

#[tokio::test]
async fn every_example_fits_its_schema_and_every_argument_is_described() {
    let house = House::build().await;
    for tool in house.tools.definitions() {
        let schema = serde_json::to_value(&**tool.input_schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let example: serde_json::Value = serde_json::from_str(tool.example).unwrap();
        assert!(validator.is_valid(&example), "{}: {}", tool.name, tool.example);
        for (name, argument) in schema["properties"].as_object().unwrap() {
            assert!(argument["description"].is_string(), "{}: {name}", tool.name);
        }
    }
}

#[tokio::test]
async fn an_unknown_argument_is_refused_by_every_tool() {
    let house = House::build().await;
    let mut context = house.person("Ada").await;
    for tool in house.tools.definitions() {
        if tool.name == "finish" {
            context = house.agent(crate::support::house::playbook(&["*"])).await;
        } else if context.run.is_some() {
            context = house.person("Ada").await;
        }
        let Value::Map(mut args) = json(tool.example) else { panic!("{}", tool.name) };
        args.insert("nonsens".into(), Value::Bool(true));
        let error = house.tools.call(tool.name, Value::Map(args), &context).await.unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidArguments, "{}: {error}", tool.name);
        assert!(error.to_string().contains("unknown argument \"nonsens\""), "{error}");
    }
}

#[tokio::test]
async fn whoever_only_looks_may_call_what_only_looks() {
    let house = House::build().await;
    let mut context = house.person("Bo").await;
    context.principal.person.role = Role::Readonly;
    for tool in house.tools.offered(&context) {
        // Their own tokens and the address of their own calendar are theirs, whatever the role: a token gives no more than it.
        let is_theirs = tool.set == Toolset::Tokens || tool.name == "getICalUrl";
        assert!(tool.kind == ToolKind::Read || is_theirs, "{}", tool.name);
    }
    assert!(house.tools.definition("findTasks").is_some());
}

#[tokio::test]
async fn a_tool_that_is_not_there_is_refused_with_the_nearest() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let error = house.tools.call("findTask", Value::Null, &ada).await.unwrap_err();
    assert_eq!(error.reason(), Reason::UnknownTool);
    assert!(error.to_string().contains("did you mean \"findTasks\"?"), "{error}");
}

#[tokio::test]
async fn results_fit_the_schemas_that_are_listed() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (tool, args) in [
        ("findTasks", "{}"),
        ("getTicket", r#"{"id": 1}"#),
        ("getAllProjects", "{}"),
        ("getStatusLabels", r#"{"projectId": "website"}"#),
        ("listPeople", "{}"),
        ("getActivity", "{}"),
        ("addTag", r#"{"id": 1, "tag": "x"}"#),
        ("addTask", r#"{"projectId": "Website", "headline": "x"}"#),
        ("getComments", r#"{"module": "ticket", "entityId": 1}"#),
    ] {
        let result = house.tools.call(tool, json(args), &ada).await.unwrap();
        let schema = &*house.tools.definition(tool).unwrap().output_schema;
        let validator = jsonschema::validator_for(&serde_json::to_value(schema).unwrap()).unwrap();
        let value = serde_json::to_value(&result.value).unwrap();
        let faults: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{tool}: {faults:?}\n{value}");
    }
}
