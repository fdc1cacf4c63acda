//! What an agent shows of its work: signs of life, lines of the transcript, and what it has spent.

use crate::domain::Usage;
use crate::runner::Signs;
use agent_client_protocol::v1::schema::{
    ContentBlock, SessionUpdate, ToolCallId, ToolCallStatus, ToolCallUpdateFields,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Text waits so long for its line to end; then it is shown as it is.
const TEXT_BYTES_MAX: usize = 2_000;
/// Of so many tool calls it is remembered what they are; of later ones it is not.
const CALLS_MAX: usize = 4_096;
/// What is remembered of one call has so many bytes at most: more cannot be judged, and is not.
const INPUT_BYTES_MAX: usize = 16 * 1024;
/// A call's places are counted up to here.
const LOCATIONS_MAX: usize = 64;
/// A tool call's title is cut.
const TITLE_CHARS_MAX: usize = 200;
/// More money than this in one session is a mistake of whoever says it.
const COST_MICROS_MAX: u64 = 1_000_000_000_000;
/// In place of an input that is not remembered: it names no command, and leads out of any workspace.
const TOO_LONG: &str = "/(too long)";
/// So many lines say that something was passed over.
const PASSED_OVER_MAX: u32 = 20;

/// What was shown so far.
pub(super) struct Shown {
    signs: Signs,
    cost_micros_max: Option<u64>,
    state: Mutex<State>,
    spent: CancellationToken,
}

#[derive(Default)]
struct State {
    text: String,
    calls: BTreeMap<String, ToolCallUpdateFields>,
    passed_over: u32,
    usage: Usage,
    /// The session, where it can be loaded again.
    session: Option<String>,
    /// What is shown was told by a run before.
    is_replay: bool,
    /// The session was loaded.
    is_loaded: bool,
    /// What the session had cost before it was loaded; not spent now.
    cost_before: u64,
    /// Since when that is known.
    base: Base,
    /// What it says that the session has cost altogether.
    cost: u64,
}

/// Where it is known from what a session had cost before.
#[derive(Default, PartialEq, Eq)]
enum Base {
    /// The run before kept it; an agent that says less counts from where it loaded.
    #[default]
    Kept,
    /// The same, but the agent has not worked since: what it says next may be it.
    Open,
    /// The agent has said it.
    Said,
}

impl Shown {
    pub(super) fn new(signs: Signs, cost_micros_max: Option<u64>) -> Self {
        Self { signs, cost_micros_max, state: Mutex::default(), spent: CancellationToken::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It lives.
    pub(super) fn alive(&self) {
        self.signs.alive();
    }

    /// A line of ours.
    pub(super) fn line(&self, text: &str) {
        self.flush();
        self.signs.line(text);
    }

    /// Something that it wrote was passed over.
    pub(super) fn passed_over(&self, what: &str) {
        let count = {
            let mut state = self.state();
            state.passed_over = state.passed_over.saturating_add(1);
            state.passed_over
        };
        if count <= PASSED_OVER_MAX {
            self.signs.line(&format!("({what} was passed over)"));
        }
    }

    /// One turn more.
    pub(super) fn turn(&self) {
        self.state().usage.turns += 1;
    }

    /// What it has spent.
    pub(super) fn usage(&self) -> Usage {
        self.state().usage
    }

    /// The session can be loaded again by this name.
    pub(super) fn in_session(&self, id: &str) {
        self.state().session = Some(id.to_owned());
    }

    /// That session, and what it has cost.
    pub(super) fn session(&self) -> Option<(String, u64)> {
        let state = self.state();
        state.session.clone().map(|id| (id, state.cost))
    }

    /// A session is loaded that had cost so much: what comes now is only its past.
    pub(super) fn begin_replay(&self, cost_micros: u64) {
        let mut state = self.state();
        (state.is_replay, state.base) = (true, Base::Open);
        (state.cost_before, state.cost) = (cost_micros, cost_micros);
    }

    /// What comes now is new; where the session was not loaded, another begins.
    pub(super) fn end_replay(&self, was_loaded: bool) {
        let mut state = self.state();
        (state.is_replay, state.is_loaded) = (false, was_loaded);
        if !was_loaded {
            (state.cost_before, state.cost, state.base) = (0, 0, Base::Kept);
        }
    }

    /// Whether a session of an earlier run goes on.
    pub(super) fn is_loaded(&self) -> bool {
        self.state().is_loaded
    }

    /// What it is told first.
    pub(super) fn prompt(&self, text: &str) {
        self.signs.prompt(text);
    }

    /// Which limit is used up, if one is.
    pub(super) fn spent(&self) -> Option<String> {
        let max = self.cost_micros_max.filter(|_| self.spent.is_cancelled())?;
        Some(format!("limits.cost: {max} millionths"))
    }

    /// Returns when a limit is used up.
    pub(super) async fn until_spent(&self) {
        self.spent.cancelled().await;
    }

    /// What is known of a tool call.
    pub(super) fn call(&self, id: &ToolCallId) -> Option<ToolCallUpdateFields> {
        self.state().calls.get(id.0.as_ref()).cloned()
    }

    /// The rest of the text.
    pub(super) fn flush(&self) {
        let text = std::mem::take(&mut self.state().text);
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            self.signs.line(line);
        }
    }

    /// It shows something.
    pub(super) fn update(&self, update: SessionUpdate) {
        if let SessionUpdate::UsageUpdate(usage) = update {
            if let Some(cost) = usage.cost.filter(|cost| cost.currency == "USD") {
                self.cost(cost.amount);
            }
            return;
        }
        if self.state().is_replay {
            return;
        }
        match update {
            SessionUpdate::AgentThoughtChunk(_) => self.works(),
            SessionUpdate::AgentMessageChunk(chunk) => {
                self.works();
                if let ContentBlock::Text(text) = chunk.content {
                    self.text(&text.text);
                }
            }
            SessionUpdate::ToolCall(call) => {
                self.works();
                self.line(&format!("{}: begun", titled(&call.title)));
                let mut fields = ToolCallUpdateFields::default();
                fields.kind = Some(call.kind);
                fields.title = Some(call.title);
                fields.name = call.name;
                fields.locations = Some(call.locations);
                fields.raw_input = call.raw_input;
                self.remember(&call.tool_call_id, fields);
            }
            SessionUpdate::ToolCallUpdate(update) => {
                let known = self.call(&update.tool_call_id);
                let ended = match update.fields.status {
                    Some(ToolCallStatus::Completed) => Some("done"),
                    Some(ToolCallStatus::Failed) => Some("failed"),
                    _ => None,
                };
                let fields = merged(known, update.fields);
                if let Some(ended) = ended {
                    let title = fields.title.as_deref().unwrap_or("a tool");
                    self.line(&format!("{}: {ended}", titled(title)));
                }
                self.remember(&update.tool_call_id, fields);
            }
            SessionUpdate::Plan(plan) => {
                self.works();
                self.line(&format!("a plan of {} steps", plan.entries.len()));
            }
            _ => {}
        }
    }

    /// It works: what it costs from now on is spent.
    fn works(&self) {
        let mut state = self.state();
        if state.base == Base::Open {
            state.base = Base::Kept;
        }
    }

    fn text(&self, text: &str) {
        let full = {
            let mut state = self.state();
            state.text.push_str(text);
            let end = state.text.rfind('\n').map(|end| end + 1);
            let end =
                end.or_else(|| (state.text.len() > TEXT_BYTES_MAX).then_some(state.text.len()));
            let rest = end.map(|end| state.text.split_off(end));
            rest.map(|rest| std::mem::replace(&mut state.text, rest)).unwrap_or_default()
        };
        for line in full.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            self.signs.line(line);
        }
    }

    fn remember(&self, id: &ToolCallId, mut fields: ToolCallUpdateFields) {
        // What a call came to is nobody's business here, and may be long.
        (fields.content, fields.raw_output) = (None, None);
        bound(&mut fields);
        let mut state = self.state();
        if state.calls.len() < CALLS_MAX || state.calls.contains_key(id.0.as_ref()) {
            state.calls.insert(id.0.to_string(), fields);
        }
    }

    /// It says what the session has cost so far.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float becomes the nearest whole number that there is"
    )]
    fn cost(&self, amount: f64) {
        let micros = ((amount * 1e6).round() as u64).min(COST_MICROS_MAX);
        let mut state = self.state();
        state.cost = micros;
        let is_first = state.base == Base::Open && micros <= state.cost_before;
        if state.is_replay || is_first {
            (state.cost_before, state.base) = (micros, Base::Said);
        } else if micros < state.cost_before && state.base != Base::Said {
            // It counts from where it was loaded.
            state.cost_before = 0;
        }
        let spent = micros.saturating_sub(state.cost_before);
        state.usage.cost_micros = state.usage.cost_micros.max(spent);
        if self.cost_micros_max.is_some_and(|max| state.usage.cost_micros >= max) {
            self.spent.cancel();
        }
    }
}

/// Lets go of what is too long to be remembered: whoever judges by it finds nothing, and refuses.
fn bound(fields: &mut ToolCallUpdateFields) {
    let is_long = |input: &serde_json::Value| input.to_string().len() > INPUT_BYTES_MAX;
    if fields.raw_input.as_ref().is_some_and(is_long) {
        // Not `None`: what is asked for later is not taken for a call without input.
        fields.raw_input = Some(serde_json::json!({ "path": TOO_LONG }));
    }
    let has_many = |locations: &Vec<_>| locations.len() > LOCATIONS_MAX;
    if fields.locations.as_ref().is_some_and(has_many) {
        fields.locations = Some(Vec::new());
    }
    for text in [&mut fields.title, &mut fields.name].into_iter().flatten() {
        text.truncate(text.floor_char_boundary(INPUT_BYTES_MAX));
    }
}

/// What is known of a call, with what is said of it now.
pub(super) fn merged(
    known: Option<ToolCallUpdateFields>,
    now: ToolCallUpdateFields,
) -> ToolCallUpdateFields {
    let Some(mut known) = known else { return now };
    known.kind = now.kind.or(known.kind);
    known.title = now.title.or(known.title);
    known.name = now.name.or(known.name);
    known.locations = now.locations.or(known.locations);
    known.raw_input = now.raw_input.or(known.raw_input);
    known
}

/// A title for one line of the transcript.
fn titled(title: &str) -> String {
    let title: String = title.chars().take(TITLE_CHARS_MAX).collect();
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(fields: serde_json::Value) -> SessionUpdate {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn what_is_remembered_of_calls_is_bounded_and_what_is_too_long_is_in_no_workspace() {
        let (signs, _end) = Signs::channel(8);
        let shown = Shown::new(signs, None);
        let long = "x".repeat(1 << 20);
        for number in 0..200 {
            shown.update(update(serde_json::json!({
                "sessionUpdate": "tool_call",
                "toolCallId": format!("c{number}"),
                "title": long,
                "kind": "edit",
                "locations": (0..200).map(|n| serde_json::json!({ "path": format!("/{n}") }))
                    .collect::<Vec<_>>(),
                "rawInput": { "path": "a.txt", "text": long },
            })));
        }
        let state = shown.state();
        let bytes: usize =
            state.calls.values().map(|call| serde_json::to_string(call).unwrap().len()).sum();
        assert!(state.calls.len() == 200 && bytes < 200 * 20 * 1024, "{bytes}");
        let call = state.calls.values().next().unwrap();
        assert_eq!(call.raw_input, Some(serde_json::json!({ "path": TOO_LONG })));
        assert_eq!(call.locations.as_deref(), Some(&[][..]));
    }

    #[test]
    fn what_a_loaded_session_had_cost_before_is_not_spent_again_and_its_past_is_not_told() {
        for (says, spent) in [(1.5, 500_000), (0.25, 250_000)] {
            let (signs, mut end) = Signs::channel(8);
            let shown = Shown::new(signs, None);
            let chunk = || {
                update(serde_json::json!({
                    "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "So.\n" },
                }))
            };
            shown.begin_replay(1_000_000);
            shown.update(chunk());
            shown.end_replay(true);
            assert!(end.try_recv().is_err());
            shown.update(chunk());
            assert!(end.try_recv().is_ok());
            shown.cost(says);
            assert_eq!(shown.usage().cost_micros, spent);
        }
    }

    fn costs(amount: f64) -> SessionUpdate {
        update(serde_json::json!({
            "sessionUpdate": "usage_update", "used": 1, "size": 2,
            "cost": { "amount": amount, "currency": "USD" },
        }))
    }

    #[test]
    fn what_an_agent_says_of_the_past_counts_more_than_what_was_kept_and_its_last_word_is_kept() {
        /// While it is loaded, after that before it works, while it works; what it spent, and has cost.
        type Case<'a> = (&'a [f64], &'a [f64], &'a [f64], u64, u64);
        let cases: &[Case<'_>] = &[
            (&[0.1, 0.8], &[], &[0.9], 100_000, 900_000),
            (&[1.25], &[], &[1.5], 250_000, 1_500_000),
            (&[], &[0.8], &[0.9], 100_000, 900_000),
            (&[], &[], &[0.3, 0.4], 400_000, 400_000),
            (&[], &[1.25], &[1.5, 1.75], 750_000, 1_750_000),
            (&[0.5], &[], &[0.75, 0.25], 250_000, 250_000),
            (&[], &[], &[], 0, 1_000_000),
        ];
        let thought = || {
            update(serde_json::json!({
                "sessionUpdate": "agent_thought_chunk", "content": { "type": "text", "text": "So." },
            }))
        };
        for case in cases {
            let (loading, loaded, working, spent, cost) = case;
            let (signs, _end) = Signs::channel(8);
            let shown = Shown::new(signs, None);
            shown.begin_replay(1_000_000);
            loading.iter().for_each(|amount| shown.update(costs(*amount)));
            shown.end_replay(true);
            loaded.iter().for_each(|amount| shown.update(costs(*amount)));
            shown.update(thought());
            working.iter().for_each(|amount| shown.update(costs(*amount)));
            shown.in_session("s-1");
            assert_eq!(shown.usage().cost_micros, *spent, "{case:?}");
            assert_eq!(shown.session(), Some(("s-1".to_owned(), *cost)), "{case:?}");
        }
    }

    #[test]
    fn no_amount_of_money_is_beyond_reason() {
        let (signs, _end) = Signs::channel(8);
        let shown = Shown::new(signs, Some(5));
        for amount in [1e300, f64::NAN, -3.0] {
            shown.cost(amount);
        }
        assert_eq!(shown.usage().cost_micros, COST_MICROS_MAX);
    }
}
