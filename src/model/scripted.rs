//! A model that reads its answers from a script, and says so: what demo, tests and rehearsals use.
//!
//! It is strict. An exchange that the script does not foresee is [`ModelError::OffScript`]: no
//! conversation fits the prompt, no turn is left, a word that is expected does not occur, or a tool is
//! called that is not on offer.
//!
//! # The script
//! ```toml
//! [[conversation]]
//! # All of these must occur in the prompt; the first conversation that fits is taken. An empty list
//! # fits every prompt.
//! match = ["playbook: ai-worker", "Fix the login"]
//!
//! [[conversation.turn]]
//! expect = "Fix the login"              # must occur in the last message (optional)
//! say = "I look at the task."           # optional
//! call = [{ tool = "getTicket", args = { id = "${task_id}" } }]   # optional, in this order
//! usage = { tokens_in = 900, tokens_out = 40, cost_micros = 3000 }   # optional
//!
//! [[conversation.turn]]
//! call = [{ tool = "finish", args = { outcome = "done", summary = "Fixed ${task_id}." } }]
//! ```
//! The n-th turn answers the n-th exchange of a conversation, so that one script serves any number of
//! runs at once; a run that goes on with a person's answer goes on with the next turn. `${name}` is taken
//! from the first line of the prompt that reads `name: value` (`-`, `_` and blanks are the same, case does
//! not matter), `${task_id}` also from the first line that begins with `Task 7`, and `${last.name}` from
//! such a line of the last message, which is a tool's result. An argument that is exactly one placeholder becomes a number when the value is a whole number.
//!
//! What goes wrong with models goes wrong by script, too. `unlisted = true` lets a turn call a tool that
//! is not on offer; a call with `text = "{\"id\": "` in place of `args` has these arguments as they came,
//! broken or not; `stop = "cut"` or `"declined"` says why the reply ended. `error` makes a turn fail
//! instead of answering: `"unavailable"`, `"broken_off"`, `"malformed"`, `"rate_limited"` and
//! `"overloaded"` (both with `retry_after_ms`), `"context_too_long"`, `"declined"`, `"denied"` or
//! `"refused"`. With `bytes_max` it fails so only while the conversation is longer; with `times` only for
//! the first so many exchanges that it answers, in all conversations together. `wait_ms` answers late.

use super::calls::arguments;
use super::{Call, Exchange, Heard, Message, Model, ModelError, Reply, Stop};
use crate::domain::{Usage, Value};
use async_trait::async_trait;
use serde::Deserialize;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A strict script.
#[derive(Debug)]
pub struct ScriptedModel {
    name: String,
    script: Script,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    #[serde(default)]
    conversation: Vec<Conversation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Conversation {
    #[serde(default)]
    r#match: Vec<String>,
    #[serde(default)]
    turn: Vec<Turn>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Turn {
    expect: Option<String>,
    say: String,
    call: Vec<CallRow>,
    usage: TurnUsage,
    unlisted: bool,
    stop: Option<StopRow>,
    error: Option<Failure>,
    retry_after_ms: Option<u64>,
    bytes_max: Option<usize>,
    times: Option<u32>,
    wait_ms: u64,
    /// How often it failed already.
    #[serde(skip)]
    failed: AtomicU32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallRow {
    tool: String,
    #[serde(default)]
    args: Value,
    text: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StopRow {
    Cut,
    Declined,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TurnUsage {
    tokens_in: u64,
    tokens_cached: u64,
    tokens_out: u64,
    cost_micros: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Failure {
    Unavailable,
    BrokenOff,
    Malformed,
    RateLimited,
    Overloaded,
    ContextTooLong,
    Declined,
    Denied,
    Refused,
}

impl Turn {
    /// The failure that this exchange meets.
    fn failure(&self, exchange: &Exchange) -> Option<ModelError> {
        let error = self.error?;
        let bytes: usize = exchange.messages.iter().map(Message::bytes).sum();
        if self.bytes_max.is_some_and(|max| bytes <= max) {
            return None;
        }
        if let Some(times) = self.times
            && self.failed.fetch_add(1, Ordering::Relaxed) >= times
        {
            return None;
        }
        let what = "scripted".to_owned();
        let retry_after = self.retry_after_ms.map(Duration::from_millis);
        Some(match error {
            Failure::Unavailable => ModelError::Unavailable(what),
            Failure::BrokenOff => ModelError::BrokenOff { what, usage: self.usage.read() },
            Failure::Malformed => ModelError::Malformed(what),
            Failure::RateLimited => ModelError::RateLimited { retry_after },
            Failure::Overloaded => ModelError::Overloaded { retry_after },
            Failure::ContextTooLong => ModelError::ContextTooLong(what),
            Failure::Declined => ModelError::Declined(what),
            Failure::Denied => ModelError::Denied(what),
            Failure::Refused => ModelError::Refused(what),
        })
    }
}

impl TurnUsage {
    fn read(self) -> Usage {
        Usage {
            tokens_in: self.tokens_in,
            tokens_cached: self.tokens_cached,
            tokens_out: self.tokens_out,
            cost_micros: self.cost_micros,
            turns: 1,
            elapsed_ms: 0,
        }
    }
}

impl ScriptedModel {
    /// Reads a script. `name` is for people (`scripted:NAME`).
    ///
    /// # Errors
    /// A text with line and column.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, String> {
        let script: Script = toml::from_str(text).map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), script })
    }

    /// Reads a script from a file.
    ///
    /// # Errors
    /// A text that names the file.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let told = |error: String| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
        let name = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        Self::from_toml(&name, &text).map_err(told)
    }

    /// The turn that answers this exchange, and its number from 0.
    fn turn<'a>(
        &'a self,
        exchange: &'a Exchange,
    ) -> Result<(usize, &'a Turn, &'a str), ModelError> {
        let Some(Message::User(prompt)) = exchange.messages.first() else {
            return off("the first message is no prompt".to_owned());
        };
        let fits = |c: &&Conversation| c.r#match.iter().all(|part| prompt.contains(part.as_str()));
        let Some(conversation) = self.script.conversation.iter().find(fits) else {
            let begin: String = prompt.chars().take(120).collect();
            return off(format!("no conversation fits the prompt that begins {begin:?}"));
        };
        let number = usize::try_from(exchange.turn).unwrap_or(usize::MAX);
        match conversation.turn.get(number) {
            Some(turn) => Ok((number, turn, prompt)),
            None => off(format!(
                "the conversation {:?} has {} turns, and one more is asked for",
                conversation.r#match,
                conversation.turn.len()
            )),
        }
    }
}

#[async_trait]
impl Model for ScriptedModel {
    fn describe(&self) -> String {
        format!("scripted:{}", self.name)
    }

    async fn exchange(&self, exchange: &Exchange, heard: &Heard<'_>) -> Result<Reply, ModelError> {
        let (number, turn, prompt) = self.turn(exchange)?;
        if turn.wait_ms > 0 {
            tokio::time::sleep(Duration::from_millis(turn.wait_ms)).await;
        }
        heard();
        if let Some(error) = turn.failure(exchange) {
            return Err(error);
        }
        let last = exchange.messages.last().map_or("", text_of);
        if let Some(expected) = &turn.expect
            && !last.contains(expected.as_str())
        {
            let got: String = last.chars().take(400).collect();
            return off(format!("turn {} expects {expected:?}, but got {got:?}", number + 1));
        }
        let mut calls = Vec::with_capacity(turn.call.len());
        for (place, call) in turn.call.iter().enumerate() {
            if !turn.unlisted && !exchange.tools.iter().any(|tool| tool.name == call.tool) {
                return off(format!(
                    "turn {} calls {}, which is not on offer",
                    number + 1,
                    call.tool
                ));
            }
            let is_last = place + 1 == turn.call.len();
            let args = match &call.text {
                Some(text) => {
                    let is_cut = matches!(turn.stop, Some(StopRow::Cut)) && is_last;
                    arguments(&filled_text(text, prompt, last)?, is_cut)
                }
                None => Ok(filled(&call.args, prompt, last)?),
            };
            let id = format!("call-{}-{}", number + 1, place + 1);
            calls.push(Call { id, tool: call.tool.clone(), args });
        }
        let stop = match turn.stop {
            None => Stop::Ended,
            Some(StopRow::Cut) => Stop::Cut,
            Some(StopRow::Declined) => Stop::Declined,
        };
        let text = filled_text(&turn.say, prompt, last)?;
        Ok(Reply { text, calls, usage: turn.usage.read(), stop, echo: Value::Null })
    }
}

fn off<T>(what: String) -> Result<T, ModelError> {
    Err(ModelError::OffScript(what))
}

fn text_of(message: &Message) -> &str {
    match message {
        Message::User(text)
        | Message::Assistant { text, .. }
        | Message::ToolResult { text, .. } => text,
    }
}

/// A value with its placeholders replaced.
fn filled(template: &Value, prompt: &str, last: &str) -> Result<Value, ModelError> {
    Ok(match template {
        Value::Text(text) => {
            let filled = filled_text(text, prompt, last)?;
            let is_placeholder =
                text.starts_with("${") && text.find('}') == Some(text.len().saturating_sub(1));
            match filled.parse() {
                Ok(number) if is_placeholder => Value::Int(number),
                _ => Value::Text(filled),
            }
        }
        Value::List(items) => Value::List(
            items.iter().map(|item| filled(item, prompt, last)).collect::<Result<_, _>>()?,
        ),
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(name, value)| Ok((name.clone(), filled(value, prompt, last)?)))
                .collect::<Result<_, ModelError>>()?,
        ),
        plain => plain.clone(),
    })
}

fn filled_text(template: &str, prompt: &str, last: &str) -> Result<String, ModelError> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else {
            return off(format!("a placeholder in {template:?} has no end"));
        };
        let found = match name.strip_prefix("last.") {
            Some(name) => value_named(name, last),
            None => value_named(name, prompt),
        };
        let Some(value) = found else {
            return off(format!("no line gives a value for ${{{name}}}"));
        };
        out.push_str(before);
        out.push_str(value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of the first line that reads `name: value`; for `task_id`, also of one that begins with
/// `Task 7`.
fn value_named<'a>(name: &str, text: &'a str) -> Option<&'a str> {
    let plain = |text: &str| text.trim().to_lowercase().replace(['-', ' '], "_");
    let wanted = plain(name);
    text.lines().find_map(|line| {
        if let Some(noun) = wanted.strip_suffix("_id")
            && let Some((word, rest)) = line.split_once(' ')
            && plain(word) == noun
            && let Some(number) = rest.split([' ', ':', ',']).next()
            && number.parse::<i64>().is_ok()
        {
            return Some(number);
        }
        let (label, value) = line.trim_start_matches(['-', '*', ' ', '>']).split_once(':')?;
        let value = value.trim();
        (plain(label) == wanted && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::OfferedTool;

    const SCRIPT: &str = r#"
        [[conversation]]
        match = ["playbook: ai-worker", "login"]
        [[conversation.turn]]
        expect = "task-id"
        say = "On it."
        call = [{ tool = "getTicket", args = { id = "${task_id}", note = "task ${task_id}" } }]
        usage = { tokens_in = 9, tokens_out = 4, cost_micros = 2 }
        [[conversation.turn]]
        expect = "Done"
        call = [{ tool = "addComment", args = { entityId = "${last.id}" } }]
    "#;

    fn offered(names: &[&str]) -> Vec<OfferedTool> {
        let tool = |name: &&str| OfferedTool {
            name: (*name).to_owned(),
            description: String::new(),
            input_schema: Value::Null,
        };
        names.iter().map(tool).collect()
    }

    fn begin(prompt: &str) -> Exchange {
        Exchange {
            messages: vec![Message::User(prompt.to_owned())],
            tools: offered(&["getTicket", "addComment"]),
            tokens_max: 100,
            turn: 0,
        }
    }

    const PROMPT: &str = "playbook: ai-worker\nTask-ID: 7\nFix the login\ntask-id: 9";

    fn answer(mut exchange: Exchange, result: &str) -> Exchange {
        exchange.turn += 1;
        let (text, calls, echo) = (String::new(), Vec::new(), Value::Null);
        exchange.messages.push(Message::Assistant { text, calls, echo });
        exchange.messages.push(Message::ToolResult {
            id: "call-1-1".to_owned(),
            text: result.to_owned(),
            is_error: false,
        });
        exchange
    }

    async fn off_script(model: &ScriptedModel, exchange: &Exchange) -> String {
        match model.exchange(exchange, &|| ()).await {
            Err(ModelError::OffScript(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_script_is_followed_turn_by_turn_with_values_of_the_prompt_and_the_last_result() {
        let model = ScriptedModel::from_toml("demo", SCRIPT).unwrap();
        assert_eq!(model.describe(), "scripted:demo");
        let first = model.exchange(&begin(PROMPT), &|| ()).await.unwrap();
        assert_eq!((first.text.as_str(), first.usage.tokens_in), ("On it.", 9));
        let args = Value::map([("id", Value::Int(7)), ("note", "task 7".into())]);
        assert_eq!(first.calls, [Call::new("call-1-1", "getTicket", args)]);
        let second = answer(begin(PROMPT), "id: 12\nstatus: Done");
        let second = model.exchange(&second, &|| ()).await.unwrap();
        assert_eq!(second.calls[0].args.as_ref().unwrap().get("entityId"), Some(&Value::Int(12)));
    }

    #[tokio::test]
    async fn whatever_the_script_does_not_foresee_is_off_script() {
        let model = ScriptedModel::from_toml("demo", SCRIPT).unwrap();
        let what = off_script(&model, &begin("playbook: other")).await;
        assert!(what.contains("no conversation fits"), "{what}");
        let what = off_script(&model, &answer(begin(PROMPT), "status: New")).await;
        assert!(what.contains("expects \"Done\""), "{what}");
        let twice = answer(answer(begin(PROMPT), "id: 1\nDone"), "Done");
        let what = off_script(&model, &twice).await;
        assert!(what.contains("2 turns"), "{what}");
        let mut unlisted = begin(PROMPT);
        unlisted.tools = offered(&["addComment"]);
        let what = off_script(&model, &unlisted).await;
        assert!(what.contains("not on offer"), "{what}");
        let what = off_script(&model, &answer(begin(PROMPT), "Done")).await;
        assert!(what.contains("${last.id}"), "{what}");
    }

    #[tokio::test]
    async fn what_goes_wrong_with_models_goes_wrong_by_script() {
        let script = r#"
            [[conversation]]
            [[conversation.turn]]
            error = "rate_limited"
            retry_after_ms = 1500
            times = 2
            stop = "cut"
            call = [{ tool = "getTicket", text = "{\"id\": 7}" }, { tool = "addComment", text = "" }]
            usage = { tokens_in = 9, tokens_cached = 5 }
            [[conversation.turn]]
            error = "context_too_long"
            bytes_max = 40
        "#;
        let model = ScriptedModel::from_toml("odd", script).unwrap();
        for _ in 0..2 {
            let error = model.exchange(&begin(PROMPT), &|| ()).await.unwrap_err();
            assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
            assert!(error.is_transient());
        }
        let reply = model.exchange(&begin(PROMPT), &|| ()).await.unwrap();
        assert_eq!((reply.stop, reply.usage.tokens_cached), (Stop::Cut, 5));
        assert_eq!(reply.calls[0].args, Ok(Value::map([("id", 7_i64)])));
        assert!(reply.calls[1].args.is_err(), "it is cut before its arguments");
        let error = model.exchange(&answer(begin(PROMPT), "ok"), &|| ()).await.unwrap_err();
        assert_eq!((error.class(), error.is_transient()), ("context_too_long", false));
        assert!(model.exchange(&answer(begin("short"), "ok"), &|| ()).await.is_ok());
    }

    #[test]
    fn the_task_is_found_in_a_prompt_as_the_shipped_templates_write_it() {
        let prompt = "Rules\nTask 7 in project \"Website\"\n- status: New";
        assert_eq!(value_named("task_id", prompt), Some("7"));
        assert_eq!(value_named("status", prompt), Some("New"));
    }

    #[test]
    fn a_fault_in_a_script_is_told_with_its_line() {
        let error = ScriptedModel::from_toml("x", "[[conversation]]\nmatches = []\n").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
    }
}
