//! Exchanges with models in the shapes that the providers document: what is sent in them, and what the
//! adapters make of what comes back, served byte for byte over loopback.

use crate::support::http_double::Reply as Answer;
use crate::support::model_double::{ModelDouble, Turn};
use rota::domain::{Usage, Value};
use rota::model::open::Wire;
use rota::model::{Call, Exchange, Message, ModelError, OfferedTool, Prices, Reply};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

const PRICES: Prices =
    Prices { input: 3_000_000, cached: 300_000, cache_write: 3_750_000, output: 15_000_000 };

/// The documented exchanges of each wire.
fn documented() -> [(Wire, Json); 2] {
    let read = |text: &str| serde_json::from_str(text).unwrap();
    [
        (Wire::Completions, read(include_str!("../fixtures/models/chat_completions.json"))),
        (Wire::Messages, read(include_str!("../fixtures/models/messages.json"))),
    ]
}

/// A conversation in its second turn: two calls, one of which failed.
fn conversation() -> Exchange {
    let object = |json: Json| serde_json::from_value::<Value>(json).unwrap();
    let schema = json!({
        "type": "object", "properties": { "id": { "type": "integer" } }, "required": ["id"]
    });
    let calls = vec![
        Call::new("call_1", "getTicket", object(json!({ "id": 7 }))),
        Call::new("call_2", "getComments", object(json!({ "module": "ticket", "entityId": 7 }))),
    ];
    let result = |id: &str, text: &str, is_error: bool| Message::ToolResult {
        id: id.to_owned(),
        text: text.to_owned(),
        is_error,
    };
    Exchange {
        messages: vec![
            Message::User("What is task 7 about?".to_owned()),
            Message::Assistant { text: "I look at it.".to_owned(), calls, echo: Value::Null },
            result("call_1", "Fix the login.", false),
            result("call_2", "There is no such tool.", true),
        ],
        tools: vec![OfferedTool {
            name: "getTicket".to_owned(),
            description: "Reads a task.".to_owned(),
            input_schema: object(schema),
        }],
        tokens_max: 1_024,
        turn: 1,
    }
}

/// An answer as its server sends it.
fn answer(wire: Wire, exchange: &Json) -> Answer {
    let status = exchange["status"].as_u64().map_or(200, |status| u16::try_from(status).unwrap());
    let answer = match exchange["events"].as_array() {
        // Cut anywhere but where events end.
        Some(events) => Answer::stream(stream(wire, events).as_bytes().chunks(61)),
        None => Answer::text(status, "application/json", &exchange["body"].to_string()),
    };
    let headers = exchange["headers"].as_object().into_iter().flatten();
    headers.fold(answer, |answer, (name, value)| answer.with(name, value.as_str().unwrap()))
}

fn stream(wire: Wire, events: &[Json]) -> String {
    let mut text = String::new();
    for event in events {
        if let (Wire::Messages, Some(kind)) = (wire, event["type"].as_str()) {
            writeln!(text, "event: {kind}").unwrap();
        }
        let data = event.as_str().map_or_else(|| event.to_string(), str::to_owned);
        write!(text, "data: {data}\n\n").unwrap();
    }
    text
}

/// What came of it, in the words of the fixtures.
fn made(result: Result<Reply, ModelError>) -> Json {
    match result {
        Ok(reply) => {
            let calls = reply.calls.iter().map(|call| match &call.args {
                Ok(args) => json!({ "id": call.id, "tool": call.tool, "args": args }),
                Err(_) => json!({ "id": call.id, "tool": call.tool, "broken": true }),
            });
            json!({
                "text": reply.text, "calls": calls.collect::<Vec<_>>(), "echo": reply.echo,
                "stop": reply.stop.as_str(), "usage": used(reply.usage),
            })
        }
        Err(error) => json!({
            "error": error.class(), "transient": error.is_transient(), "says": error.to_string(),
            "retry_after_ms": error.retry_after().map(|after| after.as_millis().to_string()),
            "spent": used(error.usage()),
        }),
    }
}

fn used(usage: Usage) -> Json {
    json!({
        "tokens_in": usage.tokens_in, "tokens_cached": usage.tokens_cached,
        "tokens_out": usage.tokens_out, "cost_micros": usage.cost_micros,
    })
}

/// Whether all that is expected is so; of what is said, it has to stand somewhere in it.
fn fits(made: &Json, expected: &Json) -> bool {
    expected.as_object().unwrap().iter().all(|(member, expected)| match member.as_str() {
        "says" => made["says"].as_str().unwrap_or("").contains(expected.as_str().unwrap()),
        "retry_after_ms" => made["retry_after_ms"] == expected.to_string().as_str(),
        member => made[member] == *expected,
    })
}

#[tokio::test]
async fn documented_exchanges_are_asked_for_in_their_shape_and_read_as_they_are_meant() {
    for (wire, documented) in documented() {
        for exchange in documented["exchanges"].as_array().unwrap() {
            let name = exchange["name"].as_str().unwrap();
            let double = ModelDouble::start(wire, vec![Turn::Raw(answer(wire, exchange))]);
            let mut options = double.options();
            options.price = Some(PRICES);
            options.stream = exchange["events"].is_array();
            let model = double.model(options);
            let heard = AtomicUsize::new(0);
            let count = || {
                heard.fetch_add(1, Ordering::Relaxed);
            };
            let made = made(model.exchange(&conversation(), &count).await);
            let expected = &exchange["makes"];
            assert!(fits(&made, expected), "{wire:?}, {name}: {made:#} is not {expected:#}");
            assert!(heard.load(Ordering::Relaxed) > 0, "{wire:?}, {name}: nothing was heard");

            let mut asked = documented["request"].clone();
            if !exchange["events"].is_array() {
                asked["stream"] = false.into();
                asked.as_object_mut().unwrap().remove("stream_options");
            }
            assert_eq!(double.bodies(), [asked], "{wire:?}, {name}");
        }
    }
}

/// A fixture that expects nothing would prove nothing, and so would a table in which a sort is missing.
#[test]
fn every_sort_of_end_is_among_the_documented_exchanges_of_each_wire() {
    for (wire, documented) in documented() {
        let mut names = BTreeSet::new();
        let mut ends = BTreeSet::new();
        let (mut streams, mut parallel, mut cached) = (0, 0, 0);
        for exchange in documented["exchanges"].as_array().unwrap() {
            let name = exchange["name"].as_str().unwrap();
            assert!(names.insert(name), "{wire:?}: {name} stands twice");
            let made = &exchange["makes"];
            let end = made["error"].as_str().or(made["stop"].as_str());
            ends.insert(end.unwrap_or_else(|| panic!("{wire:?}: {name} expects nothing")));
            streams += usize::from(exchange["events"].is_array());
            parallel += usize::from(made["calls"].as_array().is_some_and(|calls| calls.len() > 1));
            cached += usize::from(made["usage"]["tokens_cached"].as_u64() > Some(0));
        }
        let all = [
            "broken_off",
            "context_too_long",
            "cut",
            "declined",
            "denied",
            "ended",
            "overloaded",
            "rate_limited",
            "refused",
            "unavailable",
        ];
        assert!(ends.iter().copied().eq(all), "{wire:?}: {ends:?}");
        assert!(streams >= 6 && parallel >= 2 && cached >= 2, "{wire:?}");
    }
}
