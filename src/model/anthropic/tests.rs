//! Answers and requests of Messages, by its public documentation; the words are ours.

use super::answer::Answered;
use super::*;
use crate::domain::Value;
use crate::model::{Message, Prices, Stop};

fn model() -> Anthropic {
    Anthropic::new(ServerOptions::new("m", None)).unwrap()
}

fn exchange() -> Exchange {
    Exchange {
        messages: vec![Message::User("Do it.".to_owned())],
        tools: vec![],
        tokens_max: 9,
        turn: 0,
    }
}

const PRICES: Prices =
    Prices { input: 4_000_000, cached: 400_000, cache_write: 5_000_000, output: 20_000_000 };

fn read(events: &[&str]) -> Result<Reply, ModelError> {
    let model = model();
    let mut answered = Answered::default();
    for event in events {
        answered.take(event, &model.server)?;
    }
    answered.reply(&exchange(), &Names::new(&exchange()), Some(&PRICES))
}

const START: &str = r#"{"type":"message_start","message":{"id":"m","role":"assistant","content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":1}}}"#;

#[test]
fn thoughts_are_signed_and_go_back_in_their_place() {
    let reply = read(&[
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"signed 1"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"xyz"}}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"I look. "}}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"x","input":{}}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"n\":1}"}}"#,
        r#"{"type":"some_new_event","index":"odd"}"#,
    ]);
    assert_eq!(reply.unwrap_err().class(), "malformed", "an index is a number");
    let reply = read(&[
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"Hm.","signature":"signed 1"}}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"xyz"}}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"server_thing"}}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"x","input":{}}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"n\":1}"}}"#,
        r#"{"type":"some_new_event"}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":50}}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    let reply = reply.unwrap();
    let usage = reply.usage;
    assert_eq!((usage.tokens_in, usage.tokens_cached, usage.tokens_out), (1_110, 1_000, 50));
    assert_eq!(usage.cost_micros, 40 + 500 + 400 + 1_000);
    let Reply { text, calls, echo, .. } = reply;
    let mut next = exchange();
    next.messages.push(Message::Assistant { text, calls, echo });
    let body = request::body(&next, &ServerOptions::new("m", None), &Names::new(&next));
    let kinds: Vec<&str> = body["messages"][1]["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| block["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["thinking", "redacted_thinking", "tool_use"]);
    assert_eq!(body["messages"][1]["content"][0]["signature"], "signed 1");
    assert_eq!(body["messages"][1]["content"][2]["input"]["n"], 1);
}

#[test]
fn thoughts_alone_are_no_message() {
    let reply = read(&[
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"Hm.","signature":"s"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":50}}"#,
    ]);
    let Reply { text, calls, echo, stop, .. } = reply.unwrap();
    assert_eq!((stop, calls.len(), &echo), (Stop::Cut, 0, &Value::Null));
    let mut next = exchange();
    next.messages.push(Message::Assistant { text, calls, echo });
    next.messages.push(Message::User("Go on.".to_owned()));
    let body = request::body(&next, &ServerOptions::new("m", None), &Names::new(&next));
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
    assert_eq!(body["messages"][0]["content"].as_array().unwrap().len(), 2);
}

#[test]
fn ends_and_errors_are_known() {
    for (reason, stop) in [
        ("end_turn", Stop::Ended),
        ("stop_sequence", Stop::Ended),
        ("max_tokens", Stop::Cut),
        ("model_context_window_exceeded", Stop::Cut),
        ("refusal", Stop::Declined),
        ("something_new", Stop::Ended),
    ] {
        let end = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}}}}"#);
        assert_eq!(read(&[START, &end]).unwrap().stop, stop, "{reason}");
    }
    for (kind, class) in [
        ("overloaded_error", "overloaded"),
        ("rate_limit_error", "rate_limited"),
        ("api_error", "broken_off"),
    ] {
        let error = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"Sorry"}}}}"#);
        assert_eq!(read(&[START, &error]).unwrap_err().class(), class);
    }
    assert_eq!(read(&[START]).unwrap_err().class(), "broken_off");
    for bad in ["", "[]", "{}", r#"{"type":7}"#] {
        assert_eq!(read(&[bad]).unwrap_err().class(), "malformed", "{bad}");
    }
}

#[test]
fn results_come_before_words_and_nothing_blank_is_sent() {
    let call = crate::model::Call::new("a", "x", Value::map([("n", 1_i64)]));
    let mut talk = exchange();
    talk.messages.push(Message::Assistant {
        text: " ".into(),
        calls: vec![call],
        echo: Value::Null,
    });
    talk.messages.push(Message::ToolResult { id: "a".into(), text: "7".into(), is_error: true });
    talk.messages.push(Message::User(" \n".into()));
    talk.messages.push(Message::User("Go on.".into()));
    let body = request::body(&talk, &ServerOptions::new("m", None), &Names::new(&talk));
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[1]["content"].as_array().unwrap().len(), 1, "{body}");
    assert_eq!(messages[2]["content"][0]["type"], "tool_result");
    assert_eq!(messages[2]["content"][0]["is_error"], true);
    assert_eq!(messages[2]["content"][1]["text"], "Go on.");
}

#[test]
fn both_ways_of_writing_a_base_lead_to_the_same_place() {
    for url in ["http://127.0.0.1:1", "http://127.0.0.1:1/v1/", "http://127.0.0.1:1/v1"] {
        let model = Anthropic::new(ServerOptions::new("m", Some(url.to_owned()))).unwrap();
        assert_eq!(model.server.url("messages").path(), "/v1/messages", "{url}");
    }
    assert_eq!(model().describe(), "anthropic:m");
}
