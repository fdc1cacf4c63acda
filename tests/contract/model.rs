//! The contract of the port `model`, for every adapter: over real sockets against strict servers, and
//! for the script.

use crate::support::model_double::{Ends, Fails, KEY, ModelDouble, Said, Turn};
use rota::domain::Value;
use rota::model::open::Wire;
use rota::model::scripted::ScriptedModel;
use rota::model::{Call, Exchange, Message, Model, ModelError, OfferedTool, Prices, Reply, Stop};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const PRICES: Prices =
    Prices { input: 3_000_000, cached: 300_000, cache_write: 3_750_000, output: 15_000_000 };

/// A model that answers so, and the server behind it.
struct Fixture {
    model: Arc<dyn Model>,
    double: Option<ModelDouble>,
}

fn server(wire: Wire, turns: Vec<Turn>, stream: bool) -> Fixture {
    let double = ModelDouble::start(wire, turns);
    let mut options = double.options();
    options.price = Some(PRICES);
    options.stream = stream;
    Fixture { model: double.model(options), double: Some(double) }
}

fn openai(turns: Vec<Turn>) -> Fixture {
    server(Wire::Completions, turns, true)
}

fn openai_whole(turns: Vec<Turn>) -> Fixture {
    server(Wire::Completions, turns, false)
}

fn anthropic(turns: Vec<Turn>) -> Fixture {
    server(Wire::Messages, turns, true)
}

fn anthropic_whole(turns: Vec<Turn>) -> Fixture {
    server(Wire::Messages, turns, false)
}

/// The same as a script.
fn scripted(turns: Vec<Turn>) -> Fixture {
    let mut script = String::from("[[conversation]]\n");
    for turn in turns {
        script.push_str("[[conversation.turn]]\nunlisted = true\n");
        match turn {
            Turn::Said(said) => {
                let quoted = |text: &str| serde_json::to_string(text).unwrap();
                writeln!(script, "say = {}", quoted(&said.text)).unwrap();
                let calls = said.calls.iter().map(|(_, tool, args)| {
                    format!("{{ tool = {}, text = {} }}", quoted(tool), quoted(args))
                });
                let calls: Vec<String> = calls.collect();
                writeln!(script, "call = [{}]", calls.join(", ")).unwrap();
                match said.ends {
                    Ends::Itself => {}
                    Ends::Cut => script.push_str("stop = \"cut\"\n"),
                    Ends::Declined => script.push_str("stop = \"declined\"\n"),
                }
                let (fresh, cached, out) = said.tokens;
                let cost =
                    (fresh * 3_000_000 + cached * 300_000 + out * 15_000_000).div_ceil(1_000_000);
                writeln!(
                    script,
                    "usage = {{ tokens_in = {}, tokens_cached = {cached}, tokens_out = {out}, cost_micros = {cost} }}",
                    fresh + cached,
                )
                .unwrap();
            }
            Turn::Fails(fails) => {
                let error = match fails {
                    Fails::RateLimited { seconds } => {
                        writeln!(script, "retry_after_ms = {}", seconds * 1_000).unwrap();
                        "rate_limited"
                    }
                    Fails::Overloaded => "overloaded",
                    Fails::Unavailable => "unavailable",
                    Fails::TooLong => "context_too_long",
                    Fails::Declined => "declined",
                    Fails::Denied => "denied",
                    Fails::Refused => "refused",
                };
                writeln!(script, "error = \"{error}\"").unwrap();
            }
            Turn::Raw(_) => panic!("a script has no bytes"),
        }
    }
    Fixture { model: Arc::new(ScriptedModel::from_toml("suite", &script).unwrap()), double: None }
}

/// A conversation that goes on turn by turn.
struct Talk {
    fixture: Fixture,
    exchange: Exchange,
    heard: AtomicUsize,
}

impl Talk {
    fn over(fixture: Fixture) -> Self {
        let tool = |name: &str, schema: &str| OfferedTool {
            name: name.to_owned(),
            description: "Reads a task. Example: {\"id\": 7}.".repeat(40),
            input_schema: serde_json::from_str(schema).unwrap(),
        };
        let tools = vec![
            tool("getTicket", r#"{"type":"object","properties":{"id":{"type":"integer"}}}"#),
            tool("finish", "null"),
            tool("calendar:list events", r#"{"$schema":"x","anyOf":[],"type":"object"}"#),
            tool(&"x".repeat(100), r#"{"type":"string"}"#),
        ];
        let messages = vec![Message::User("Do it.\nNow.".to_owned())];
        let exchange = Exchange { messages, tools, tokens_max: 1_000, turn: 0 };
        Self { fixture, exchange, heard: AtomicUsize::new(0) }
    }

    async fn ask(&mut self) -> Result<Reply, ModelError> {
        let heard = || {
            self.heard.fetch_add(1, Ordering::Relaxed);
        };
        let reply = self.fixture.model.exchange(&self.exchange, &heard).await?;
        self.exchange.turn += 1;
        Ok(reply)
    }

    /// Puts a reply into the conversation, with a result for each of its calls.
    fn go_on(&mut self, reply: &Reply) {
        let Reply { text, calls, echo, .. } = reply.clone();
        self.exchange.messages.push(Message::Assistant { text, calls: calls.clone(), echo });
        for call in calls {
            let is_error = call.args.is_err();
            let text = "<<<UNTRUSTED>>>\nnothing \"much\"\n<<<END>>>".to_owned();
            self.exchange.messages.push(Message::ToolResult { id: call.id, text, is_error });
        }
    }
}

fn object(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

async fn what_is_said_and_called_comes_back_in_its_order_with_what_it_used(
    make: fn(Vec<Turn>) -> Fixture,
) {
    let said = Said::text("I look at both: ä, \"€\", 🚀.\n")
        .and_call("a", "getTicket", r#"{"id": 7, "note": "ä\n\"€\" 🚀"}"#)
        .and_call("b", "getTicket", r#"{"id": 8, "deep": {"list": [1, 2.5, null, true]}}"#)
        .tokens((1_000, 10_000, 500));
    let mut talk = Talk::over(make(vec![Turn::Said(said), Turn::Said(Said::text("Done."))]));
    let reply = talk.ask().await.unwrap();
    assert_eq!(reply.text, "I look at both: ä, \"€\", 🚀.\n");
    let args: Vec<_> =
        reply.calls.iter().map(|call| (call.tool.as_str(), call.args.clone())).collect();
    assert_eq!(args[0], ("getTicket", Ok(object(r#"{"id": 7, "note": "ä\n\"€\" 🚀"}"#))));
    assert_eq!(
        args[1],
        ("getTicket", Ok(object(r#"{"id": 8, "deep": {"list": [1, 2.5, null, true]}}"#)))
    );
    assert_eq!((args.len(), reply.stop), (2, Stop::Ended));
    let usage = reply.usage;
    assert_eq!((usage.tokens_in, usage.tokens_cached, usage.tokens_out), (11_000, 10_000, 500));
    assert_eq!(usage.cost_micros, 3_000 + 3_000 + 7_500);
    assert!(talk.heard.load(Ordering::Relaxed) >= 1, "nothing was heard");
    talk.go_on(&reply);
    let reply = talk.ask().await.unwrap();
    assert_eq!((reply.text.as_str(), reply.calls.len()), ("Done.", 0));
}

async fn every_call_has_an_id_of_its_own_whatever_the_other_side_gives(
    make: fn(Vec<Turn>) -> Fixture,
) {
    let again = || {
        let call = Said::call("same", "getTicket", r#"{"id": 1}"#).and_call(
            "",
            "getTicket",
            r#"{"id": 2}"#,
        );
        Turn::Said(call.and_call("other", "getTicket", r#"{"id": 3}"#))
    };
    let mut talk = Talk::over(make(vec![again(), again(), again(), Turn::Said(Said::finish())]));
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let reply = talk.ask().await.unwrap();
        assert_eq!(reply.calls.len(), 3);
        for (place, call) in reply.calls.iter().enumerate() {
            assert!(ids.insert(call.id.clone()), "{} is two calls'", call.id);
            let id = i64::try_from(place).unwrap() + 1;
            assert_eq!(call.args, Ok(Value::map([("id", id)])), "no call took another's arguments");
        }
        talk.go_on(&reply);
    }
    assert_eq!(talk.ask().await.unwrap().calls[0].tool, "finish");
}

async fn no_arguments_are_an_empty_object_and_broken_ones_are_told(make: fn(Vec<Turn>) -> Fixture) {
    let said = Said::call("a", "getTicket", "")
        .and_call("b", "getTicket", "{\"id\": 7")
        .and_call("c", "getTicket", "[7]")
        .and_call("d", "getTicket", "{}");
    let cut = |args: &str| {
        let said = Said::call("a", "getTicket", r#"{"id": 1}"#).and_call("b", "getTicket", args);
        Turn::Said(said.ends(Ends::Cut))
    };
    let turns =
        vec![Turn::Said(said), cut("{\"id\": 2, \"st"), cut(""), Turn::Said(Said::finish())];
    let mut talk = Talk::over(make(turns));
    let reply = talk.ask().await.unwrap();
    let fits: Vec<bool> = reply.calls.iter().map(|call| call.args.is_ok()).collect();
    assert_eq!(fits, [true, false, false, true]);
    assert_eq!(reply.calls[0].args, Ok(object("{}")));
    talk.go_on(&reply);
    for _ in 0..2 {
        let reply = talk.ask().await.unwrap();
        assert_eq!(reply.stop, Stop::Cut);
        assert_eq!(reply.calls[0].args, Ok(object(r#"{"id": 1}"#)), "what was whole counts");
        assert!(reply.calls[1].args.is_err(), "{:?}", reply.calls[1]);
        talk.go_on(&reply);
    }
    // What is sent back is in order, or the server would say so.
    assert_eq!(talk.ask().await.unwrap().calls[0].tool, "finish");
}

async fn names_that_do_not_fit_a_wire_come_back_as_they_were(make: fn(Vec<Turn>) -> Fixture) {
    let long = "x".repeat(64);
    let said = Said::call("a", "calendar_list_events", "{}").and_call("b", &long, "{}").and_call(
        "c",
        "no tool of ours, at all!",
        "{}",
    );
    let mut talk = Talk::over(make(vec![Turn::Said(said), Turn::Said(Said::finish())]));
    let reply = talk.ask().await.unwrap();
    let tools: Vec<&str> = reply.calls.iter().map(|call| call.tool.as_str()).collect();
    if talk.fixture.double.is_some() {
        assert_eq!(tools, ["calendar:list events", &"x".repeat(100), "no tool of ours, at all!"]);
    }
    talk.go_on(&reply);
    assert_eq!(talk.ask().await.unwrap().calls[0].tool, "finish");
}

async fn words_in_between_and_empty_replies_keep_the_order_of_who_speaks(
    make: fn(Vec<Turn>) -> Fixture,
) {
    let turns = vec![
        Turn::Said(Said::text("")),
        Turn::Said(Said::call("a", "getTicket", r#"{"id": 7}"#)),
        Turn::Said(Said::text("I think ")),
        Turn::Said(Said::finish()),
    ];
    let mut talk = Talk::over(make(turns));
    talk.exchange.messages.push(Message::User("What was left out.".to_owned()));
    for word in [true, false, true] {
        let reply = talk.ask().await.unwrap();
        talk.go_on(&reply);
        if word {
            talk.exchange.messages.push(Message::User("Call a tool.".to_owned()));
        }
    }
    assert_eq!(talk.ask().await.unwrap().calls[0].tool, "finish");
}

async fn a_reply_that_was_declined_says_so(make: fn(Vec<Turn>) -> Fixture) {
    let said = Said::text("I will not do that.").ends(Ends::Declined);
    let mut talk = Talk::over(make(vec![Turn::Said(said), Turn::Fails(Fails::Declined)]));
    let reply = talk.ask().await.unwrap();
    assert_eq!((reply.stop, reply.text.as_str()), (Stop::Declined, "I will not do that."));
    match talk.ask().await {
        Err(error) => assert_eq!((error.class(), error.is_transient()), ("declined", false)),
        Ok(reply) => assert_eq!(reply.stop, Stop::Declined),
    }
}

async fn an_error_says_whether_it_passes_and_how_long_to_wait(make: fn(Vec<Turn>) -> Fixture) {
    for (fails, class, is_transient) in [
        (Fails::RateLimited { seconds: 7 }, "rate_limited", true),
        (Fails::Overloaded, "overloaded", true),
        (Fails::Unavailable, "unavailable", true),
        (Fails::TooLong, "context_too_long", false),
        (Fails::Denied, "denied", false),
        (Fails::Refused, "refused", false),
    ] {
        let mut talk = Talk::over(make(vec![Turn::Fails(fails)]));
        let error = talk.ask().await.unwrap_err();
        assert_eq!((error.class(), error.is_transient()), (class, is_transient), "{error}");
        let seconds = error.retry_after().map(|after| after.as_secs());
        assert_eq!(seconds, (class == "rate_limited").then_some(7), "{class}");
        let shown = format!("{error} {error:?} {:?}", talk.fixture.model);
        assert!(!shown.contains(KEY), "{shown}");
    }
}

async fn a_look_spends_nothing(make: fn(Vec<Turn>) -> Fixture) {
    let fixture = make(Vec::new());
    assert_eq!(fixture.model.look().await.unwrap(), rota::model::Look::Ready);
    if let Some(double) = &fixture.double {
        assert!(double.bodies().is_empty());
    }
}

macro_rules! suite {
    ($adapter:ident: $($sentence:ident),* $(,)?) => {
        mod $adapter {
            $(
                #[tokio::test]
                async fn $sentence() {
                    super::$sentence(super::$adapter).await;
                }
            )*
        }
    };
}

macro_rules! for_each_adapter {
    ($($adapter:ident),*) => { $( suite! { $adapter:
        what_is_said_and_called_comes_back_in_its_order_with_what_it_used,
        every_call_has_an_id_of_its_own_whatever_the_other_side_gives,
        names_that_do_not_fit_a_wire_come_back_as_they_were,
        words_in_between_and_empty_replies_keep_the_order_of_who_speaks,
        a_reply_that_was_declined_says_so,
        an_error_says_whether_it_passes_and_how_long_to_wait,
        a_look_spends_nothing,
    } )* };
}

for_each_adapter!(openai, openai_whole, anthropic, anthropic_whole, scripted);

// An answer of Messages that comes whole has its arguments as JSON already: none of them is broken.
mod broken_arguments {
    #[tokio::test]
    async fn openai() {
        super::no_arguments_are_an_empty_object_and_broken_ones_are_told(super::openai).await;
    }

    #[tokio::test]
    async fn openai_whole() {
        super::no_arguments_are_an_empty_object_and_broken_ones_are_told(super::openai_whole).await;
    }

    #[tokio::test]
    async fn anthropic() {
        super::no_arguments_are_an_empty_object_and_broken_ones_are_told(super::anthropic).await;
    }

    #[tokio::test]
    async fn scripted() {
        super::no_arguments_are_an_empty_object_and_broken_ones_are_told(super::scripted).await;
    }
}

#[tokio::test]
async fn the_strict_servers_find_what_is_against_the_rules() {
    let call = || Call::new("a", "getTicket", Value::map([("id", 7_i64)]));
    let said = |calls| Message::Assistant { text: "Look.".to_owned(), calls, echo: Value::Null };
    let result =
        |id: &str| Message::ToolResult { id: id.to_owned(), text: "7".to_owned(), is_error: false };
    let word = || Message::User("Go on.".to_owned());
    let conversations = [
        vec![word(), said(vec![call()])],
        vec![word(), said(vec![call()]), word()],
        vec![word(), said(vec![call()]), result("a"), result("a")],
        vec![word(), said(vec![call()]), result("b")],
        vec![word(), said(vec![call(), call()]), result("a"), result("a")],
        vec![said(vec![])],
    ];
    for wire in [Wire::Completions, Wire::Messages] {
        for messages in &conversations {
            let faulty = tokio::task::spawn_blocking({
                let messages = messages.clone();
                move || {
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        let runtime =
                            tokio::runtime::Builder::new_current_thread().enable_all().build();
                        runtime.unwrap().block_on(async {
                            let double = ModelDouble::start(wire, vec![Turn::Said(Said::finish())]);
                            let model = double.model(double.options());
                            let exchange =
                                Exchange { messages, tools: vec![], tokens_max: 9, turn: 0 };
                            let _ = model.exchange(&exchange, &|| ()).await;
                        });
                    }))
                    .is_err()
                }
            });
            assert!(faulty.await.unwrap(), "{wire:?} takes {messages:?}");
        }
    }
}

#[tokio::test]
async fn what_is_kept_is_marked_only_where_it_is_asked_for() {
    for cache in [true, false] {
        let double = ModelDouble::start(Wire::Messages, vec![Turn::Said(Said::finish())]);
        let mut options = double.options();
        options.cache = cache;
        let model = double.model(options);
        let mut talk = Talk::over(Fixture { model, double: Some(double) });
        talk.ask().await.unwrap();
        let body = talk.fixture.double.as_ref().unwrap().bodies()[0].to_string();
        assert_eq!(body.matches("cache_control").count(), if cache { 2 } else { 0 }, "{body}");
    }
}

#[tokio::test]
async fn neither_redirects_nor_anybody_else_is_given_the_key() {
    use crate::support::http_double::{Double, Reply as Answer};
    let other = Double::start_other(|_| None, |_| Answer::text(200, "application/json", "{}"));
    for wire in [Wire::Completions, Wire::Messages] {
        let elsewhere = Answer::text(307, "text/plain", "")
            .with("Location", &format!("http://{}/v1/messages", other.address));
        let double = ModelDouble::start(wire, vec![Turn::Raw(elsewhere)]);
        let error = double.model(double.options()).exchange(&exchange(), &|| ()).await.unwrap_err();
        assert_eq!(error.class(), "refused");
        assert!(error.to_string().contains("elsewhere"), "{error}");
    }
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_proxy_and_further_headers_are_used_and_what_is_extra_is_sent() {
    use crate::support::http_double::{Double, Reply as Answer};
    let proxy = Double::start_other(|_| None, |_| Answer::text(500, "text/plain", "no"));
    let double = ModelDouble::start(Wire::Completions, Vec::new());
    let mut options = double.options();
    options.url = Some("http://model.invalid/openai/deployments/d".to_owned());
    options.proxy = Some(format!("http://{}", proxy.address).into());
    options.headers = vec![("api-key".to_owned(), "azure".into())];
    options.query = vec![("api-version".to_owned(), "2024-10-21".into())];
    options.extra =
        Value::map([("temperature", Value::from(0.5)), ("max_completion_tokens", 9_i64.into())]);
    options.key = None;
    let error = double.model(options).exchange(&exchange(), &|| ()).await.unwrap_err();
    assert_eq!(error.class(), "unavailable", "{error}");
    let asked = &proxy.asked()[0];
    assert_eq!(
        asked.path,
        "http://model.invalid/openai/deployments/d/chat/completions?api-version=2024-10-21"
    );
    assert_eq!((asked.header("api-key"), asked.header("authorization")), (Some("azure"), None));
    let body = asked.message();
    assert_eq!((&body["temperature"], &body["max_completion_tokens"]), (&0.5.into(), &9.into()));
    assert!(body.get("max_tokens").is_none(), "{body}");
}

#[tokio::test]
async fn a_long_answer_is_heard_all_the_while_and_a_silent_one_is_given_up() {
    use crate::support::http_double::{Reply as Answer, Then};
    for wire in [Wire::Completions, Wire::Messages] {
        let silent = Answer::stream([": begins\n\n"]).then(Then::Hold);
        let double = ModelDouble::start(wire, vec![Turn::Raw(silent)]);
        let mut options = double.options();
        options.idle_time = Duration::from_millis(150);
        let heard = AtomicUsize::new(0);
        let count = || {
            heard.fetch_add(1, Ordering::Relaxed);
        };
        let error = double.model(options).exchange(&exchange(), &count).await.unwrap_err();
        assert_eq!(error.class(), "broken_off");
        assert!(error.to_string().contains("nothing came"), "{error}");
        assert!(heard.load(Ordering::Relaxed) >= 2);
    }
}

fn exchange() -> Exchange {
    let messages = vec![Message::User("Do it.".to_owned())];
    Exchange { messages, tools: vec![], tokens_max: 9, turn: 0 }
}
