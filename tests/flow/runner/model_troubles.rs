//! What goes wrong with models, and how the loop goes on or ends: by script, on a clock of our own.

use super::job;
use crate::support::house::{House, playbook};
use rota::domain::{Playbook, Reason, RunState, Value};
use rota::model::scripted::ScriptedModel;
use rota::model::{Exchange, Heard, Message, Model, ModelError, Reply};
use rota::runner::model_loop::ModelRunner;
use rota::runner::{Runner as _, Sign, Signs, WorkEnd};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PROMPT: &str = "You are AI-Developer.\nTask 1 in project \"Website\"\n";
const FINISH: &str = r#"
    [[conversation.turn]]
    call = [{ tool = "finish", args = { outcome = "done", summary = "Fixed." } }]
"#;

/// The entries of a run's transcript, as JSON lines hold them.
type Told = Vec<(&'static str, String, Value)>;

async fn work_with(house: &House, book: Playbook, model: Arc<dyn Model>) -> (WorkEnd, Told) {
    let (job, tools) = job(house, book, PROMPT).await;
    let (signs, mut end) = Signs::channel(1_000);
    let ended = ModelRunner::new(model).work(&job, &tools, &signs, CancellationToken::new()).await;
    let mut told = Vec::new();
    while let Ok(sign) = end.try_recv() {
        match sign {
            Sign::Entry { kind, text, data } => told.push((kind, text, data)),
            Sign::Line(line) => panic!("a line without parts: {line}"),
        }
    }
    (ended, told)
}

async fn work(house: &House, book: Playbook, script: &str) -> (WorkEnd, Told) {
    let script = format!("[[conversation]]\n{script}");
    let model = Arc::new(ScriptedModel::from_toml("test", &script).unwrap());
    work_with(house, book, model).await
}

fn of_kind<'a>(told: &'a Told, kind: &str) -> Vec<&'a (&'static str, String, Value)> {
    told.iter().filter(|(own, ..)| *own == kind).collect()
}

#[tokio::test]
async fn a_call_whose_arguments_are_broken_is_not_carried_out_and_told() {
    let house = House::build().await;
    for stop in ["", "stop = \"cut\"\n"] {
        let script = format!(
            r#"
            [[conversation.turn]]
            {stop}call = [{{ tool = "addComment", text = "{{\"module\": \"ticket\", \"entityId\": 1, \"text\": \"Do not" }}]
            [[conversation.turn]]
            expect = "Nothing was done"
            call = [{{ tool = "finish", text = "" }}]
            [[conversation.turn]]
            expect = "outcome"
            call = [{{ tool = "finish", args = {{ outcome = "done" }} }}]
            "#
        );
        let (end, told) = work(&house, playbook(&["addComment"]), &script).await;
        assert_eq!(end.state, RunState::Succeeded, "{end:?}");
        let calls = of_kind(&told, "tool");
        assert!(calls[0].1.starts_with("addComment: refused (invalid_arguments"), "{}", calls[0].1);
        assert!(calls[0].2.get("args").and_then(|args| args.get("broken")).is_some());
    }
    assert!(house.happened().is_empty());
}

#[tokio::test]
async fn a_reply_that_is_cut_before_a_call_is_told_so() {
    let house = House::build().await;
    let cut = "[[conversation.turn]]\nsay = \"Well, first of\"\nstop = \"cut\"\n";
    let shorter = "[[conversation.turn]]\nexpect = \"was cut\"\ncall = [{ tool = \"finish\", args = { outcome = \"done\" } }]\n";
    let (end, _) = work(&house, playbook(&[]), &format!("{cut}{shorter}")).await;
    assert_eq!(end.outcome.as_deref(), Some("done"), "{end:?}");
    let (end, _) = work(&house, playbook(&[]), &format!("{cut}{cut}")).await;
    assert_eq!((end.state, end.reason), (RunState::Failed, Reason::NoOutcome));
    assert!(end.detail.contains("cut"), "{}", end.detail);
}

#[tokio::test]
async fn a_model_that_declines_ends_the_run_with_its_words_and_none_of_its_calls() {
    let house = House::build().await;
    let said = r#"
        [[conversation.turn]]
        say = "I cannot help with that."
        stop = "declined"
        call = [{ tool = "addComment", args = { module = "ticket", entityId = 1, text = "x" } }]
        usage = { tokens_in = 9, cost_micros = 5 }
    "#;
    let (end, _) = work(&house, playbook(&["addComment"]), said).await;
    assert_eq!((end.state, end.reason), (RunState::Failed, Reason::ModelDeclined));
    assert_eq!((end.summary.as_str(), end.usage.cost_micros), ("I cannot help with that.", 5));
    let filtered = "[[conversation.turn]]\nerror = \"declined\"\n";
    let (end, _) = work(&house, playbook(&["addComment"]), filtered).await;
    assert_eq!(end.reason, Reason::ModelDeclined);
    assert!(house.happened().is_empty());
}

#[tokio::test]
async fn the_same_failing_call_ends_the_run_the_third_time() {
    let house = House::build().await;
    let outside =
        r#"{ tool = "addComment", args = { module = "ticket", entityId = 3, text = "x" } }"#;
    let again = format!("[[conversation.turn]]\ncall = [{outside}]\n");
    let (end, told) = work(&house, playbook(&["addComment"]), &again.repeat(9)).await;
    assert_eq!((end.state, end.reason), (RunState::Failed, Reason::RepeatedFailure), "{end:?}");
    assert!(end.detail.starts_with("addComment: refused (out_of_scope)"), "{}", end.detail);
    assert_eq!((end.usage.turns, of_kind(&told, "tool").len()), (3, 3));
    // All in one reply is no different; others between them change nothing.
    let at_once = format!("[[conversation.turn]]\ncall = [{}]\n", [outside; 9].join(", "));
    let (end, told) = work(&house, playbook(&["addComment"]), &at_once).await;
    assert_eq!((end.reason, of_kind(&told, "tool").len()), (Reason::RepeatedFailure, 3));
    let read = "[[conversation.turn]]\ncall = [{ tool = \"getTicket\", args = { id = 1 } }]\n";
    let mixed = format!("{again}{read}{again}{read}{again}{FINISH}");
    let (end, _) = work(&house, playbook(&["addComment", "getTicket"]), &mixed).await;
    assert_eq!((end.reason, end.usage.turns), (Reason::RepeatedFailure, 5));
    // Other arguments are another call.
    let other = |n: u32| again.replace("\"x\"", &format!("\"x{n}\""));
    let others: String = (0..9).map(other).collect();
    let (end, _) = work(&house, playbook(&["addComment"]), &format!("{others}{FINISH}")).await;
    assert_eq!(end.outcome.as_deref(), Some("done"), "{end:?}");
    assert!(house.happened().is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_to_wait_is_waited_for_and_waiting_is_no_silence() {
    let house = House::build().await;
    let mut book = playbook(&[]);
    book.limits.idle = Duration::from_secs(20);
    book.limits.time = Duration::from_mins(10);
    let started = tokio::time::Instant::now();
    let busy = |error: &str| {
        format!(
            "[[conversation.turn]]\nerror = \"{error}\"\nretry_after_ms = 90000\ntimes = 2\ncall = [{{ tool = \"finish\", args = {{ outcome = \"done\" }} }}]\n"
        )
    };
    for error in ["rate_limited", "overloaded"] {
        let started = tokio::time::Instant::now();
        let (end, told) = work(&house, book.clone(), &busy(error)).await;
        assert_eq!(end.outcome.as_deref(), Some("done"), "{end:?}");
        assert!(
            (180.0..182.0).contains(&started.elapsed().as_secs_f64()),
            "{:?}",
            started.elapsed()
        );
        let retries = of_kind(&told, "retry");
        assert_eq!(retries.len(), 2);
        assert_eq!(retries[0].2.get("class"), Some(&error.into()));
    }
    assert!(started.elapsed() < Duration::from_mins(7));
    // A wait beyond the run's end is not begun.
    book.limits.time = Duration::from_mins(1);
    let started = tokio::time::Instant::now();
    let (end, _) = work(&house, book, &busy("rate_limited")).await;
    assert_eq!((end.state, end.reason), (RunState::Failed, Reason::ModelFailed));
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_and_what_it_cost_is_counted() {
    let house = House::build().await;
    for error in ["unavailable", "broken_off", "malformed"] {
        let script = format!(
            "[[conversation.turn]]\nerror = \"{error}\"\ntimes = 2\nusage = {{ tokens_in = 100, cost_micros = 7 }}\n\
             call = [{{ tool = \"finish\", args = {{ outcome = \"done\" }} }}]\n"
        );
        let (end, _) = work(&house, playbook(&[]), &script).await;
        assert_eq!(end.outcome.as_deref(), Some("done"), "{error}: {end:?}");
        let paid = if error == "broken_off" { 3 } else { 1 };
        assert_eq!((end.usage.cost_micros, end.usage.turns), (7 * paid, 1), "{error}");
    }
    // A limit holds also where nothing came of it.
    let mut book = playbook(&[]);
    book.limits.cost_micros = Some(10);
    let broken = "[[conversation.turn]]\nerror = \"broken_off\"\nusage = { cost_micros = 7 }\n";
    let (end, _) = work(&house, book, broken).await;
    assert_eq!((end.reason, end.usage.cost_micros), (Reason::BudgetSpent, 14), "{end:?}");
    for (error, words) in [("denied", "key"), ("refused", "refused")] {
        let script = format!("[[conversation.turn]]\nerror = \"{error}\"\n");
        let started = tokio::time::Instant::now();
        let (end, _) = work(&house, playbook(&[]), &script).await;
        assert_eq!(end.reason, Reason::ModelFailed);
        assert!(end.detail.contains(words), "{}", end.detail);
        assert_eq!(started.elapsed(), Duration::ZERO, "it is not tried again");
    }
}

/// Remembers every conversation that it was sent, and holds it to the rules.
#[derive(Debug)]
struct Remembering {
    script: ScriptedModel,
    context: Option<u64>,
    seen: Mutex<Vec<Exchange>>,
}

#[async_trait::async_trait]
impl Model for Remembering {
    fn describe(&self) -> String {
        self.script.describe()
    }

    async fn exchange(&self, exchange: &Exchange, heard: &Heard<'_>) -> Result<Reply, ModelError> {
        let mut open: Vec<&str> = Vec::new();
        for message in &exchange.messages {
            match message {
                Message::ToolResult { id, .. } => {
                    let place = open.iter().position(|own| own == id).expect("a call");
                    open.remove(place);
                }
                other => {
                    assert!(open.is_empty(), "calls without a result: {open:?}");
                    if let Message::Assistant { calls, .. } = other {
                        open.extend(calls.iter().map(|call| call.id.as_str()));
                    }
                }
            }
        }
        assert!(open.is_empty(), "calls without a result: {open:?}");
        self.seen.lock().unwrap().push(exchange.clone());
        self.script.exchange(exchange, heard).await
    }

    fn context(&self) -> Option<u64> {
        self.context
    }
}

impl Remembering {
    fn new(script: &str, context: Option<u64>) -> Arc<Self> {
        let script =
            ScriptedModel::from_toml("test", &format!("[[conversation]]\n{script}")).unwrap();
        Arc::new(Self { script, context, seen: Mutex::default() })
    }

    fn bytes(&self) -> Vec<usize> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|e| e.messages.iter().map(Message::bytes).sum()).collect()
    }
}

const READ: &str = "[[conversation.turn]]\ncall = [{ tool = \"getTicket\", args = { id = 1 } }]\nusage = { tokens_in = 10 }\n";

#[tokio::test]
async fn a_conversation_that_is_too_long_is_made_shorter_and_goes_on() {
    let house = House::build().await;
    let too_long = "[[conversation.turn]]\nerror = \"context_too_long\"\nbytes_max = 2000\ncall = [{ tool = \"finish\", args = { outcome = \"done\" } }]\n";
    let model = Remembering::new(&format!("{}{too_long}", READ.repeat(12)), None);
    let mut book = playbook(&["getTicket"]);
    book.limits.turns = 50;
    let (end, told) = work_with(&house, book, Arc::clone(&model) as _).await;
    assert_eq!(end.outcome.as_deref(), Some("done"), "{end:?}");
    let bytes = model.bytes();
    let last = bytes[bytes.len() - 1];
    assert!(last <= 2_000 && bytes[12] > 2_000, "{bytes:?}");
    let compact = of_kind(&told, "compact");
    assert!(!compact.is_empty() && compact[0].1.contains("made shorter"), "{compact:?}");
    let seen = model.seen.lock().unwrap();
    let Message::User(prompt) = &seen.last().unwrap().messages[0] else { panic!() };
    assert_eq!(prompt, PROMPT);
    let Message::User(note) = &seen.last().unwrap().messages[1] else { panic!() };
    assert!(note.contains("- getTicket (id: 1): done"), "{note}");
}

#[tokio::test]
async fn a_prompt_that_alone_is_too_long_fails_the_run_at_once() {
    let house = House::build().await;
    let too_long = "[[conversation.turn]]\nerror = \"context_too_long\"\n";
    let (end, _) = work(&house, playbook(&[]), too_long).await;
    assert_eq!((end.state, end.reason), (RunState::Failed, Reason::ModelFailed));
    assert!(end.detail.contains("too long"), "{}", end.detail);
}

#[tokio::test]
async fn room_is_made_before_the_model_has_to_say_so() {
    let house = House::build().await;
    let turn = READ.replace("tokens_in = 10", "tokens_in = 3000");
    let model = Remembering::new(&format!("{}{FINISH}", turn.repeat(12)), Some(4_096));
    let mut book = playbook(&["getTicket"]);
    book.limits.turns = 50;
    let (end, told) = work_with(&house, book, Arc::clone(&model) as _).await;
    assert_eq!(end.outcome.as_deref(), Some("done"), "{end:?}");
    assert!(!of_kind(&told, "compact").is_empty(), "{told:?}");
    let seen = model.seen.lock().unwrap();
    assert!(seen.iter().all(|e| e.tokens_max <= 4_096 && e.tokens_max >= 1_024), "{seen:?}");
}

#[tokio::test]
async fn a_transcript_tells_every_turn_and_call_by_its_parts() {
    let house = House::build().await;
    let script = r#"
        [[conversation.turn]]
        say = "I use sk-abcdefgh12345678 now."
        call = [{ tool = "getTicket", args = { id = 1 } }]
        usage = { tokens_in = 100, tokens_cached = 60, tokens_out = 10, cost_micros = 7 }
        [[conversation.turn]]
        call = [{ tool = "finish", args = { outcome = "done", summary = "Fixed.", details = { password = "hunter2" } } }]
    "#;
    let (end, told) = work(&house, playbook(&["getTicket"]), script).await;
    assert_eq!(end.state, RunState::Succeeded, "{end:?}");
    let kinds: Vec<&str> = told.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, ["model", "tool", "model", "tool"]);
    let part = |at: usize, name: &str| told[at].2.get(name).cloned().unwrap_or_default();
    assert_eq!((part(0, "turn"), part(0, "stop")), (Value::Int(1), "ended".into()));
    assert_eq!(part(0, "usage").get("tokens_cached"), Some(&Value::Int(60)));
    assert_eq!(part(1, "tool"), "getTicket".into());
    assert_eq!(part(1, "args").get("id"), Some(&Value::Int(1)));
    assert!(part(1, "result").to_string().contains("Fix the login"), "{:?}", part(1, "result"));
    assert_eq!(part(2, "turn"), Value::Int(2));
    let all = format!("{told:?}");
    assert!(!all.contains("sk-abcdefgh") && !all.contains("hunter2"), "{all}");
}

#[tokio::test]
async fn a_model_without_a_price_is_told_where_cost_is_limited() {
    #[derive(Debug)]
    struct Unpriced(ScriptedModel);
    #[async_trait::async_trait]
    impl Model for Unpriced {
        fn describe(&self) -> String {
            "unpriced".to_owned()
        }
        async fn exchange(&self, e: &Exchange, heard: &Heard<'_>) -> Result<Reply, ModelError> {
            self.0.exchange(e, heard).await
        }
        fn is_priced(&self) -> bool {
            false
        }
    }
    let house = House::build().await;
    let script = ScriptedModel::from_toml("x", &format!("[[conversation]]\n{FINISH}")).unwrap();
    let mut book = playbook(&[]);
    book.limits.cost_micros = Some(5);
    let (end, told) = work_with(&house, book, Arc::new(Unpriced(script))).await;
    assert_eq!(end.state, RunState::Succeeded);
    assert!(told[0].1.contains("limits.cost is not watched"), "{told:?}");
}
