//! What works with Leantime's own server works here: its tools by their names, and their arguments by theirs.

use crate::support::house::{House, json};
use rota::domain::{Reason, Value};
use serde_json::Value as Json;

/// By tool what Leantime's takes and needs, and calls as its clients make them.
fn known() -> Json {
    serde_json::from_str(include_str!("../../fixtures/leantime-arguments.json")).unwrap()
}

#[tokio::test]
async fn every_argument_of_leantimes_tools_is_known_by_ours() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let known = known();
    let tools = known["arguments"].as_object().unwrap();
    assert_eq!(tools.len(), 55);
    for (name, theirs) in tools {
        let ours = house.tools.definition(name).unwrap_or_else(|| panic!("there is no {name}"));
        for argument in theirs["takes"].as_array().unwrap() {
            let argument = argument.as_str().unwrap();
            let called = house.tools.call(name, Value::map([(argument, Value::Null)]), &ada).await;
            let told = called.map_or_else(|error| error.to_string(), |done| done.text);
            assert!(!told.contains("unknown argument"), "{name} {argument}: {told}");
        }
        let schema = serde_json::to_value(&**ours.input_schema).unwrap();
        for needed in schema["required"].as_array().into_iter().flatten() {
            let needed = needed.as_str().unwrap();
            let needs = theirs["needs"].as_array().unwrap();
            assert!(
                needs.iter().any(|one| one == needed),
                "{name} needs {needed}, and Leantime's does not"
            );
        }
    }
}

#[tokio::test]
async fn calls_as_leantimes_clients_make_them_are_understood() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let known = known();
    let calls = known["calls"].as_array().unwrap();
    assert!(calls.len() >= 55, "{}", calls.len());
    for call in calls {
        let name = call["tool"].as_str().unwrap();
        let args = json(&call["arguments"].to_string());
        let called = house.tools.call(name, args, &ada).await;
        if let Err(error) = called {
            let is_shape = error.reason() == Reason::InvalidArguments;
            assert!(!is_shape, "{call}: {error}");
        }
    }
}
