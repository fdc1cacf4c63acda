//! Arguments that nobody would mean: whatever a model makes up, a tool answers or says what is wrong
//! with it. Nothing panics, nothing is blamed on the board or the store, and what is said is short
//! and harmless.

use crate::support::house::House;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rota::domain::Reason;
use rota::tools::{ToolError, ToolKind, catalogue};
use serde_json::{Value as Json, json as js};

/// Made-up calls of each tool.
const CALLS: usize = 60;
/// The longest error, with the sign that it was cut.
const SAID_CHARS_MAX: usize = 2_001;

/// Something that a member could be.
fn anything() -> impl Strategy<Value = Json> {
    let texts = prop_oneof![
        Just("\u{0}\u{1b}[2J\u{202e}"),
        Just("0000-99-99T99:99:99Z"),
        Just("+999999999999999999w"),
        Just("-1d"),
        Just("friday"),
        Just("2026-02-30"),
        Just("9999-12-31"),
        Just("none"),
        Just("me"),
        Just("kind:done"),
        Just("#12"),
        Just("1e999"),
        Just("{{task}}"),
        Just("'; drop table tasks; --"),
        Just("25:00"),
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), -3..20_i64].prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        texts.prop_map(Json::from),
        "\\PC{0,40}".prop_map(Json::from),
        Just(Json::from("x".repeat(70_000))),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map("[a-zA-Z]{1,12}", inner, 0..5)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// Deep enough to hurt whoever follows it by calling themselves.
fn deep() -> Json {
    (0..100).fold(js!(1), |inner, _| js!([inner]))
}

#[tokio::test]
async fn whatever_arguments_are_made_up_every_tool_answers_or_says_what_is_wrong() {
    let config = Config { rng_algorithm: RngAlgorithm::ChaCha, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let mut make = || anything().new_tree(&mut runner).unwrap().current();
    let (mut answered, mut refused) = (0, 0);
    for tool in catalogue() {
        // A house for each: what a tool really does is no matter here.
        let house = House::build().await;
        let ada = house.person("Ada").await;
        let schema = serde_json::to_value(&**tool.input_schema).unwrap();
        let names: Vec<String> =
            schema["properties"].as_object().unwrap().keys().cloned().collect();
        let example: Json = serde_json::from_str(tool.example).unwrap();
        for round in 0..CALLS {
            let mut args = example.clone();
            match round {
                0 => args = make(),
                1 => args = js!({}),
                2 => args = names.iter().map(|name| (name.clone(), deep())).collect(),
                _ => {}
            }
            // One or two members are something else, or missing, or of no name that is known; in a third
            // of the calls one is missing and the rest is well.
            if let Some(map) = args.as_object_mut() {
                let places = if round % 3 == 0 { vec![round / 3] } else { vec![round, round / 3] };
                for place in places {
                    let Some(name) = names.get(place % names.len().max(1)) else { continue };
                    match make() {
                        value if round % 3 != 0 => drop(map.insert(name.clone(), value)),
                        _ => drop(map.remove(name)),
                    }
                }
                if round % 11 == 1 {
                    map.insert("no such member".to_owned(), make());
                }
            }
            let said = format!("{}({})", tool.name, shortened(&args));
            let Ok(args) = serde_json::from_value(args) else { continue };
            match house.tools.call(tool.name, args, &ada).await {
                Ok(_) => answered += 1,
                Err(error) => {
                    refused += 1;
                    is_harmless(tool.kind, &error, &said);
                }
            }
        }
    }
    // Neither is the rule: else nothing was tried.
    assert!(answered > 300 && refused > 3_000, "{answered} answered, {refused} refused");
}

#[track_caller]
fn is_harmless(kind: ToolKind, error: &ToolError, said: &str) {
    let text = error.to_string();
    let length = text.chars().count();
    assert!(length <= SAID_CHARS_MAX, "{said}: {length} characters");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{said}: {text:?}");
    let faults = [Reason::BoardUnavailable, Reason::UnknownEffect, Reason::StoreFailed];
    // There is no daemon in this house, which is what tools of the daemon say.
    assert!(kind == ToolKind::Operate || !faults.contains(&error.reason()), "{said}: {text}");
}

fn shortened(args: &Json) -> String {
    args.to_string().chars().take(600).collect()
}
