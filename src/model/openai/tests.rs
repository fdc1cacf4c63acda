//! Answers as servers write them that are not quite like the provider's, by their public documentation
//! and their known ways; the words are ours.

use super::answer::Answered;
use super::*;
use crate::domain::Value;
use crate::model::{Message, Stop};

fn model(url: &str) -> OpenAi {
    OpenAi::new(ServerOptions::new("m", Some(url.to_owned()))).unwrap()
}

fn exchange() -> Exchange {
    let messages = vec![Message::User("Do it, please: eight.".to_owned())];
    Exchange { messages, tools: vec![], tokens_max: 9, turn: 2 }
}

fn read(chunks: &[&str]) -> Result<Reply, ModelError> {
    let model = model("http://127.0.0.1:1/v1");
    let mut answered = Answered::default();
    for chunk in chunks {
        answered.take(chunk, &model.server)?;
    }
    answered.reply(&exchange(), &Names::new(&exchange()), None)
}

fn calls(reply: &Reply) -> Vec<(&str, &str, String)> {
    let show =
        |args: &Result<Value, String>| args.as_ref().map_or("broken".to_owned(), Value::to_string);
    reply.calls.iter().map(|c| (c.id.as_str(), c.tool.as_str(), show(&c.args))).collect()
}

#[test]
fn calls_are_told_apart_whatever_index_they_are_given() {
    // All with the same index, each whole.
    let same = read(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"x","arguments":"{\"n\":1}"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"x","arguments":"{\"n\":2}"}}]},"finish_reason":"stop"}]}"#,
    ]);
    // None at all.
    let none = read(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"x","arguments":"{\"n\":"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"1}"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"id":"b","function":{"name":"x","arguments":{"n":2}}}]},"finish_reason":"tool_calls"}]}"#,
    ]);
    // The id again in every piece, and the name.
    let again = read(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"x","arguments":"{\"n\""}},{"index":1,"id":"b","function":{"name":"x","arguments":""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"x","arguments":"{\"n\":2}"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"x","arguments":":1}"}}]},"finish_reason":"tool_calls"}]}"#,
    ]);
    for reply in [same, none, again] {
        let reply = reply.unwrap();
        assert_eq!(calls(&reply), [("a", "x", "n: 1".into()), ("b", "x", "n: 2".into())]);
    }
    // Neither id nor index: a name begins a call.
    let nameless = read(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"x","arguments":"{\"n\":1}"}},{"function":{"name":"x","arguments":"{\"n\":2}"}}]},"finish_reason":"stop"}]}"#,
    ]);
    let nameless = nameless.unwrap();
    let shown = calls(&nameless);
    assert_eq!(
        (shown.len(), &shown[0].2, &shown[1].2),
        (2, &"n: 1".to_owned(), &"n: 2".to_owned())
    );
    assert_ne!(shown[0].0, shown[1].0);
}

#[test]
fn what_is_missing_or_odd_does_no_harm() {
    let odd = read(&[
        r#"{"id":"x","object":"chat.completion.chunk","choices":[]}"#,
        r#"{"choices":[{"delta":{"role":"assistant","content":""},"logprobs":null}]}"#,
        r#"{"choices":[{"delta":null}]}"#,
        r#"{"choices":[{"delta":{"content":[{"type":"text","text":"Hel"},{"type":"other"}]}}],"x":{}}"#,
        r#"{"choices":[{"delta":{"content":"lo","tool_calls":null},"finish_reason":""}],"error":null}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}"#,
        r#"{"usage":{"prompt_tokens":7,"completion_tokens":null,"prompt_cache_hit_tokens":900}}"#,
    ]);
    let odd = odd.unwrap();
    assert_eq!((odd.text.as_str(), odd.stop), ("Hello", Stop::Ended));
    assert_eq!((odd.usage.tokens_in, odd.usage.tokens_cached), (7, 7), "never more than all");
    for bad in ["", "<html>", r#"{"choices":7}"#, r#"{"choices":[{"delta":{"tool_calls":7}}]}"#] {
        assert_eq!(read(&[bad]).unwrap_err().class(), "malformed", "{bad}");
    }
}

#[test]
fn tokens_that_nobody_counted_are_estimated() {
    let reply = read(&[r#"{"choices":[{"delta":{"content":"12345678"},"finish_reason":"stop"}]}"#]);
    let usage = reply.unwrap().usage;
    assert_eq!((usage.tokens_in, usage.tokens_out), (6, 2));
}

#[test]
fn an_answer_without_an_end_is_none_and_an_unexplained_end_is_a_cut() {
    let begun = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"x","arguments":""}}]}}]}"#;
    assert_eq!(read(&[begun]).unwrap_err().class(), "broken_off");
    let model = model("http://127.0.0.1:1/v1");
    let mut answered = Answered::default();
    answered.take(begun, &model.server).unwrap();
    answered.is_over = true;
    let reply = answered.reply(&exchange(), &Names::new(&exchange()), None).unwrap();
    assert_eq!(reply.stop, Stop::Cut);
    assert!(reply.calls[0].args.is_err());
}

#[test]
fn errors_in_the_middle_are_known_by_their_class() {
    for (error, class) in [
        (r#"{"message":"Provider overloaded","code":502}"#, "overloaded"),
        (r#"{"message":"Rate limit exceeded","code":429}"#, "rate_limited"),
        (r#"{"message":"maximum context length is 8"}"#, "context_too_long"),
        (r#"{"code":"content_filter","message":"no"}"#, "declined"),
        (r#"{"code":"insufficient_quota","message":"pay"}"#, "refused"),
        (r#""something""#, "broken_off"),
    ] {
        let chunk =
            format!(r#"{{"error":{error},"choices":[{{"finish_reason":"error","delta":{{}}}}]}}"#);
        assert_eq!(read(&[&chunk]).unwrap_err().class(), class, "{error}");
    }
    let refused =
        read(&[r#"{"choices":[{"delta":{"refusal":"I can't."},"finish_reason":"stop"}]}"#]);
    let refused = refused.unwrap();
    assert_eq!((refused.stop, refused.text.as_str()), (Stop::Declined, "I can't."));
}

#[test]
fn what_the_other_side_signed_goes_back_to_it() {
    let reply = read(&[
        r#"{"choices":[{"delta":{"reasoning_content":"Hm. "}}]}"#,
        r#"{"choices":[{"delta":{"reasoning_content":"So.","tool_calls":[{"index":0,"id":"a","function":{"name":"x","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}]},"finish_reason":"tool_calls"}]}"#,
    ]);
    let Reply { text, calls, echo, .. } = reply.unwrap();
    let mut next = exchange();
    next.messages.push(Message::Assistant { text, calls, echo });
    let options = ServerOptions::new("m", None);
    let body = request::body(&next, &options, &Names::new(&next), "max_tokens");
    let said = &body["messages"][1];
    assert_eq!(said["reasoning_content"], "Hm. So.");
    assert_eq!(said["tool_calls"][0]["extra_content"]["google"]["thought_signature"], "s");
    assert_eq!(said["content"], serde_json::Value::Null);
}

#[test]
fn the_address_and_the_limits_name_follow_from_the_server() {
    for (url, limit) in [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://x.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("http://127.0.0.1:11434", "max_tokens"),
    ] {
        assert_eq!(model(url).limit, limit, "{url}");
    }
    assert_eq!(model("http://127.0.0.1:1").describe(), "openai:m");
    assert!(OpenAi::new(ServerOptions::new("m", Some("x".to_owned()))).is_err());
}

#[test]
fn many_calls_are_too_many() {
    let call = |n: usize| {
        format!(r#"{{"index":{n},"id":"c{n}","function":{{"name":"x","arguments":""}}}}"#)
    };
    let calls: Vec<String> = (0..500).map(call).collect();
    let chunk = format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{}]}}}}]}}"#, calls.join(","));
    assert_eq!(read(&[&chunk]).unwrap_err().class(), "malformed");
}

proptest::proptest! {
    #[test]
    fn no_chunks_make_it_panic_and_no_call_is_given_without_an_object(
        chunks in proptest::collection::vec((0_usize..CHUNKS.len(), 0_usize..400, "[\\[\\]{}\",:0-9a-z]{0,4}"), 0..8),
        is_over in proptest::prelude::any::<bool>(),
    ) {
        let model = model("http://127.0.0.1:1/v1");
        let mut answered = Answered::default();
        answered.is_over = is_over;
        for (which, at, with) in chunks {
            let mut text = CHUNKS[which].to_owned();
            let at = at.min(text.len());
            text.replace_range(at..(at + with.len() / 2).min(text.len()), &with);
            let _ = answered.take(&text, &model.server);
        }
        if let Ok(reply) = answered.reply(&exchange(), &Names::new(&exchange()), None) {
            for call in reply.calls {
                proptest::prop_assert!(call.args.is_err() || call.args.is_ok_and(|args| args.as_map().is_some()));
            }
        }
    }
}

const CHUNKS: &[&str] = &[
    r#"{"choices":[{"delta":{"content":"Hi","tool_calls":[{"index":0,"id":"a","function":{"name":"x","arguments":"{\"n\":"}}]}}]}"#,
    r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"finish_reason":"tool_calls"}]}"#,
    r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1}}}"#,
];
