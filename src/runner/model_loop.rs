//! A model works in a loop of turns: it is offered the tools that its playbook lists, calls them, is
//! told what came of it, and ends by calling `finish`.
//!
//! The loop keeps every limit: turns, tokens, cost, time, silence. An exchange that fails is tried again
//! by the class of its failure; a conversation that is too long is made shorter and goes on; a model that
//! declines, makes the same failing call three times or only talks ends the run with a reason of its own.

mod compact;
mod keep;
mod patience;
mod told;

use super::conversation::{Answered, Conversation, Messages};
use super::signs::{Overrun, Watch};
use super::transcript::{self, Made};
use super::{Job, Runner, Signs, ToolSession, WorkEnd};
use crate::domain::{Limits, Reason, RunId, RunState, Usage, Value};
use crate::fault::masked;
use crate::instruments::spans;
use crate::model::{Call, Exchange, Message, Model, ModelError, Reply, Stop};
use crate::tools::ToolError;
use async_trait::async_trait;
use patience::Patience;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
pub(super) use told::told_of;
use told::{REMINDER, RESULT_BYTES_MAX, WAS_CUT, as_data, bounded};
use tracing::{Instrument as _, Span};

/// At most so many calls in one reply.
const CALLS_MAX: usize = 32;
/// At most so many tokens in one reply, where the model sets no limit.
const REPLY_TOKENS_MAX: u64 = 16_384;
/// What a model must have room for to answer at all.
const REPLY_TOKENS_MIN: u64 = 1_024;
/// The same call may fail so often; then the run ends.
const SAME_FAILURES_MAX: u32 = 3;
/// A conversation is made shorter so often for one exchange.
const COMPACTIONS_MAX: u32 = 4;
/// So much of what a model said when it declined is told.
const DECLINED_BYTES_MAX: usize = 1_000;

/// Runs a model until it names an outcome.
#[derive(Debug)]
pub struct ModelRunner {
    model: Arc<dyn Model>,
}

impl ModelRunner {
    /// With this model.
    pub fn new(model: Arc<dyn Model>) -> Self {
        Self { model }
    }
}

#[async_trait]
impl Runner for ModelRunner {
    async fn work(
        &self,
        job: &Job,
        tools: &ToolSession,
        signs: &Signs,
        stop: CancellationToken,
    ) -> WorkEnd {
        let (messages, before) = begun(job, signs);
        let exchange = Exchange {
            messages,
            tools: tools.offered().await,
            tokens_max: REPLY_TOKENS_MAX,
            turn: before,
        };
        let mut turns = Turns {
            model: self.model.as_ref(),
            run: &job.run,
            limits: &job.playbook.limits,
            tools,
            signs,
            stop: &stop,
            watch: Watch::start(&job.playbook.limits),
            usage: Usage::default(),
            before,
            exchange,
            counted: (0, 0),
            failures: BTreeMap::new(),
        };
        let went_on = goes_on(job).is_some();
        let end = WorkEnd { went_on, ..turns.run().await.without_secrets(signs) };
        if !job.asks(&end) {
            return end;
        }
        WorkEnd { conversation: turns.kept().map(Arc::new), ..end }
    }
}

/// How the conversation begins, and how many exchanges of it there were: anew, or where it asked.
fn begun(job: &Job, signs: &Signs) -> (Vec<Message>, u32) {
    let Some((kept, told)) = goes_on(job) else {
        return (vec![Message::User(job.prompt.clone())], 0);
    };
    let text = "the conversation goes on where it asked";
    signs.entry("note", text, Value::map([("turns", kept.turns)]));
    (kept.answered(told), kept.turns)
}

/// The conversation that goes on, and what is told in it.
fn goes_on(job: &Job) -> Option<(&Messages, &str)> {
    match &job.answered {
        Some(Answered { conversation: Conversation::Messages(kept), told }) => {
            Some((kept, told.as_str()))
        }
        _ => None,
    }
}

struct Turns<'a> {
    model: &'a dyn Model,
    run: &'a RunId,
    limits: &'a Limits,
    tools: &'a ToolSession,
    signs: &'a Signs,
    stop: &'a CancellationToken,
    watch: Watch,
    usage: Usage,
    /// How many exchanges of the conversation were in runs before.
    before: u32,
    exchange: Exchange,
    /// How many tokens the conversation was when the model counted it last, and how many bytes.
    counted: (u64, usize),
    /// How often each call, by its digest, has failed since it was last done.
    failures: BTreeMap<[u8; 32], u32>,
}

type End = Box<WorkEnd>;

impl Turns<'_> {
    async fn run(&mut self) -> WorkEnd {
        if self.limits.cost_micros.is_some() && !self.model.is_priced() {
            let text = "limits.cost is not watched: rota.toml gives the model no price";
            self.signs.entry("note", text, Value::Null);
        }
        let mut was_reminded = false;
        let model = self.model.describe();
        loop {
            if let Some(spent) = self.spent() {
                return self.end(RunState::Failed, Reason::BudgetSpent, spent);
            }
            self.exchange.turn = self.before.saturating_add(self.usage.turns);
            self.make_room();
            let span = spans::turn(self.exchange.turn, &model);
            if let Err(end) = self.turn(&mut was_reminded).instrument(span).await {
                return *end;
            }
        }
    }

    /// One exchange, and what it asks for.
    async fn turn(&mut self, was_reminded: &mut bool) -> Result<(), End> {
        let reply = self.ask().await?;
        spans::turn_used(&Span::current(), &reply.usage);
        self.count(&reply);
        if reply.stop == Stop::Declined {
            return Err(Box::new(self.declined(&reply.text)));
        }
        let Reply { text, calls, echo, stop, .. } = reply;
        let said = Message::Assistant { text, calls: calls.clone(), echo };
        self.exchange.messages.push(said);
        if !calls.is_empty() {
            return self.call_all(calls).await;
        }
        if *was_reminded {
            let what = if stop == Stop::Cut { ", and its reply was cut" } else { "" };
            let detail = format!("it was reminded once{what}");
            return Err(Box::new(self.end(RunState::Failed, Reason::NoOutcome, detail)));
        }
        *was_reminded = true;
        let word = if stop == Stop::Cut { WAS_CUT } else { REMINDER };
        self.exchange.messages.push(Message::User(word.to_owned()));
        Ok(())
    }

    /// Carries out the calls of one reply; the end of the run when one of them is its end.
    async fn call_all(&mut self, calls: Vec<Call>) -> Result<(), End> {
        let turn = self.usage.turns;
        for (place, call) in calls.into_iter().enumerate() {
            let before = self.tools.writes();
            let (text, is_error) = if place >= CALLS_MAX {
                (format!("at most {CALLS_MAX} calls in one reply; call it again"), true)
            } else {
                if self.stop.is_cancelled() {
                    let end = self.end(RunState::Cancelled, Reason::Cancelled, String::new());
                    return Err(Box::new(end));
                }
                self.call(&call).await?
            };
            let what = if is_error { "refused" } else { "done" };
            let line = match text.split_once([')', ':']).filter(|_| is_error) {
                Some((begin, _)) if begin.starts_with("refused (") => {
                    format!("{}: {begin})", call.tool)
                }
                _ => format!("{}: {what}", call.tool),
            };
            let made = Made { told: &text, is_error, writes: self.tools.writes_since(before) };
            let data = transcript::call(turn, &call, &made, self.signs);
            self.signs.entry("tool", &line, data);
            self.exchange.messages.push(Message::ToolResult {
                id: call.id.clone(),
                text,
                is_error,
            });
            if let Some(ending) = self.tools.finished() {
                self.usage.elapsed_ms = self.watch.elapsed_ms();
                return Err(Box::new(WorkEnd::finished(ending, self.usage)));
            }
            if place < CALLS_MAX {
                self.note_failure(&call, is_error)?;
            }
        }
        Ok(())
    }

    /// Carries out one call; what the model is told of it, and whether it is an error.
    async fn call(&mut self, call: &Call) -> Result<(String, bool), End> {
        let args = match &call.args {
            Ok(args) => args.clone(),
            // Never carried out: what is missing may be what matters.
            Err(why) => {
                let told = format!(
                    "refused ({}): {why}. Nothing was done. Call {} again, with one whole JSON \
                     object that fits its schema.",
                    Reason::InvalidArguments,
                    bounded(&call.tool, 64),
                );
                return Ok((told, true));
            }
        };
        let before = self.tools.writes();
        // Awaited to its end: a write that is under way is never dropped.
        match self.tools.call(&call.tool, args).await {
            Ok(result) => Ok((as_data(&call.tool, &result.text), false)),
            Err(error) if error.is_fatal() => {
                let told = error.to_string();
                let writes = self.tools.writes_since(before);
                let made = Made { told: &told, is_error: true, writes };
                let data = transcript::call(self.usage.turns, call, &made, self.signs);
                let line = format!("{}: failed ({})", call.tool, error.reason());
                self.signs.entry("tool", &line, data);
                self.usage.elapsed_ms = self.watch.elapsed_ms();
                Err(Box::new(ToolSession::end_by(&error, self.usage)))
            }
            Err(error) => Ok((refusal(&call.tool, &error), true)),
        }
    }

    /// The same failing call again and again leads nowhere.
    fn note_failure(&mut self, call: &Call, is_error: bool) -> Result<(), End> {
        let args = match &call.args {
            Ok(args) => serde_json::to_string(args).unwrap_or_default(),
            Err(why) => why.clone(),
        };
        let key: [u8; 32] = Sha256::digest(format!("{} {args}", call.tool)).into();
        if !is_error {
            self.failures.remove(&key);
            return Ok(());
        }
        let count = self.failures.entry(key).or_default();
        *count += 1;
        if *count < SAME_FAILURES_MAX {
            return Ok(());
        }
        let told = self.exchange.messages.last().map(|message| match message {
            Message::ToolResult { text, .. } => masked(&bounded(&self.signs.harmless(text), 400)),
            _ => String::new(),
        });
        let detail = format!("{}: {}", bounded(&call.tool, 64), told.unwrap_or_default());
        Err(Box::new(self.end(RunState::Failed, Reason::RepeatedFailure, detail)))
    }

    /// One exchange, tried again while that may help and the run may go on.
    async fn ask(&mut self) -> Result<Reply, End> {
        let mut patience = Patience::new(self.run, self.exchange.turn);
        let mut shortened = 0;
        loop {
            let signs = self.signs;
            let heard = move || signs.alive();
            let answer = tokio::select! {
                biased;
                overrun = signs.overrun(&mut self.watch, self.stop) => {
                    return Err(self.overrun(overrun));
                }
                answer = self.model.exchange(&self.exchange, &heard) => answer,
            };
            let error = match answer {
                Ok(reply) => {
                    self.signs.alive();
                    return Ok(reply);
                }
                Err(error) => error,
            };
            self.usage = self.usage.plus(Usage { turns: 0, ..error.usage() });
            match error.cause() {
                ModelError::Declined(said) => return Err(Box::new(self.declined(said))),
                ModelError::ContextTooLong(_) if shortened < COMPACTIONS_MAX => {
                    shortened += 1;
                    let bytes = compact::bytes(&self.exchange.messages);
                    if self.compact(bytes / 2) {
                        continue;
                    }
                }
                _ => {}
            }
            self.be_patient(&mut patience, &error).await?;
        }
    }

    /// Waits before the next try; the end of the run where there is none.
    async fn be_patient(&mut self, patience: &mut Patience, error: &ModelError) -> Result<(), End> {
        if let Some(spent) = self.spent() {
            return Err(Box::new(self.end(RunState::Failed, Reason::BudgetSpent, spent)));
        }
        let wait = patience.wait(error).filter(|wait| *wait < self.watch.left());
        let Some(wait) = wait else {
            let detail = error.to_string();
            return Err(Box::new(self.end(RunState::Failed, Reason::ModelFailed, detail)));
        };
        let seconds = wait.as_millis().div_ceil(1_000);
        let data = Value::map([
            ("class", Value::from(error.class())),
            ("wait_ms", i64::try_from(wait.as_millis()).unwrap_or(i64::MAX).into()),
        ]);
        self.signs.entry("retry", &format!("{error}; again in {seconds}s"), data);
        match self.signs.pause(&mut self.watch, self.stop, wait).await {
            None => Ok(()),
            Some(overrun) => Err(self.overrun(overrun)),
        }
    }

    /// Keeps the conversation within what the model takes, as far as that is known, and the reply
    /// within what is left.
    fn make_room(&mut self) {
        let most = self.model.reply_max().unwrap_or(REPLY_TOKENS_MAX);
        let mut tokens_max = most.min(self.tokens_left());
        if let Some(context) = self.model.context() {
            let room = context.saturating_sub(tokens_max.min(context / 4).max(REPLY_TOKENS_MIN));
            let tokens = self.tokens_of_conversation();
            if tokens > room {
                let bytes = u64::try_from(compact::bytes(&self.exchange.messages)).unwrap_or(0);
                // Some way below, so that it is not the same again at the next turn.
                let target =
                    u128::from(bytes) * u128::from(room) * 2 / 3 / u128::from(tokens.max(1));
                self.compact(usize::try_from(target).unwrap_or(usize::MAX));
            }
            let rest = context.saturating_sub(self.tokens_of_conversation());
            tokens_max = tokens_max.min(rest.max(REPLY_TOKENS_MIN));
        }
        self.exchange.tokens_max = tokens_max.max(1);
    }

    /// About how many tokens the conversation is: what the model counted last, and three bytes to a
    /// token for what came since.
    fn tokens_of_conversation(&self) -> u64 {
        let (tokens, bytes) = self.counted;
        let now = compact::bytes(&self.exchange.messages);
        let third = |bytes: usize| u64::try_from(bytes / 3).unwrap_or(u64::MAX);
        if tokens == 0 {
            let tools = self.exchange.tools.iter();
            let tools =
                tools.map(|tool| tool.description.len() + tool.input_schema.to_string().len());
            return third(now + tools.sum::<usize>());
        }
        if now >= bytes {
            return tokens.saturating_add(third(now - bytes));
        }
        tokens.saturating_sub(third(bytes - now))
    }

    fn compact(&mut self, target: usize) -> bool {
        let before = compact::bytes(&self.exchange.messages);
        let is_shorter = compact::compact(&mut self.exchange.messages, target);
        let after = compact::bytes(&self.exchange.messages);
        if is_shorter {
            let count = |bytes: usize| Value::from(i64::try_from(bytes).unwrap_or(i64::MAX));
            let data = Value::map([("bytes_before", count(before)), ("bytes_after", count(after))]);
            let text = format!("the conversation was made shorter: {before} to {after} bytes");
            self.signs.entry("compact", &text, data);
        }
        is_shorter
    }

    fn count(&mut self, reply: &Reply) {
        let turns = self.usage.turns + 1;
        self.usage = self.usage.plus(reply.usage);
        self.usage.turns = turns;
        let tokens = reply.usage.tokens_in;
        self.counted = (tokens, compact::bytes(&self.exchange.messages));
        let text = match reply.text.trim() {
            "" => reply.calls.iter().map(|call| call.tool.as_str()).collect::<Vec<_>>().join(", "),
            text => masked(text),
        };
        self.signs.entry("model", &text, transcript::reply(turns, reply));
    }

    /// The conversation in which a person was asked, to go on with the answer.
    fn kept(&mut self) -> Option<Conversation> {
        let messages = std::mem::take(&mut self.exchange.messages);
        let turns = self.before.saturating_add(self.usage.turns);
        match keep::kept(messages, (self.model.describe(), turns), self.signs) {
            Ok(kept) => Some(Conversation::Messages(kept)),
            Err(why) => {
                let text =
                    format!("the conversation is not kept ({why}): the answer begins a new one");
                self.signs.entry("note", &text, Value::Null);
                None
            }
        }
    }

    fn tokens_left(&self) -> u64 {
        let used = self.usage.tokens_in.saturating_add(self.usage.tokens_out);
        self.limits.tokens.saturating_sub(used)
    }

    /// Which limit is used up, if one is.
    fn spent(&self) -> Option<String> {
        if self.usage.turns >= self.limits.turns {
            return Some(format!("limits.turns: {}", self.limits.turns));
        }
        if self.tokens_left() == 0 {
            return Some(format!("limits.tokens: {}", self.limits.tokens));
        }
        let cost = self.limits.cost_micros.filter(|max| self.usage.cost_micros >= *max)?;
        Some(format!("limits.cost: {cost} millionths"))
    }

    fn declined(&mut self, said: &str) -> WorkEnd {
        let detail = masked(&bounded(said.trim(), DECLINED_BYTES_MAX));
        let end = self.end(RunState::Failed, Reason::ModelDeclined, detail.clone());
        WorkEnd { summary: detail, ..end }
    }

    fn overrun(&mut self, overrun: Overrun) -> End {
        let (state, reason) = overrun.state();
        Box::new(self.end(state, reason, String::new()))
    }

    fn end(&mut self, state: RunState, reason: Reason, detail: String) -> WorkEnd {
        self.usage.elapsed_ms = self.watch.elapsed_ms();
        WorkEnd::ended(state, reason, detail, self.usage)
    }
}

/// What a model is told of a call that was refused.
fn refusal(tool: &str, error: &ToolError) -> String {
    let told = format!("refused ({}): {error}", error.reason());
    // The words may be another server's.
    if tool.contains("__") || tool.contains(':') {
        return as_data(tool, &told);
    }
    bounded(&told, RESULT_BYTES_MAX)
}
