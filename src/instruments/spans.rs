//! The spans of the house's work, each nested in the one before: an occurrence, a run, a turn of a model, a
//! call of a tool. Their names and keys are told outside, in JSON logs and to collectors, and stay.
//!
//! What a model does is named as OpenTelemetry's conventions for generative AI name it (`gen_ai.*`), beside
//! our own keys. Values are ours: names of playbooks, runs and tools, numbers, states; nothing that a board
//! or a model wrote.

use crate::domain::{Occurrence, Reason, Run, Usage};
use tracing::field::Empty;
use tracing::{Span, info_span};

/// An occurrence, as long as it has work.
pub fn occurrence(occurrence: &Occurrence) -> Span {
    info_span!(
        parent: None,
        "occurrence",
        occurrence = occurrence.id.as_str(),
        playbook = occurrence.playbook.as_str(),
        trigger = occurrence.trigger.as_str(),
    )
}

/// A run, from its claim to its end. Its parent is the current span.
pub fn run(run: &Run) -> Span {
    info_span!(
        "run",
        run = run.id.as_str(),
        playbook = run.playbook.as_str(),
        task = run.task.map(|task| task.0),
        attempt = run.attempt,
        state = Empty,
        reason = Empty,
        turns = Empty,
        tokens_in = Empty,
        tokens_out = Empty,
        cost_micros = Empty,
        otel.status_code = Empty,
    )
}

/// How a run ended.
pub fn run_ended(span: &Span, run: &Run) {
    let Usage { turns, tokens_in, tokens_out, cost_micros, .. } = run.usage;
    span.record("state", run.state.as_str());
    span.record("reason", run.reason.map(Reason::code));
    span.record("turns", turns).record("tokens_in", tokens_in).record("tokens_out", tokens_out);
    span.record("cost_micros", cost_micros);
    if run.state.may_retry() {
        span.record("otel.status_code", "ERROR");
    }
}

/// One exchange with a model, and what it had done by it.
pub fn turn(number: u32, model: &str) -> Span {
    info_span!(
        "turn",
        turn = number,
        gen_ai.operation.name = "chat",
        gen_ai.request.model = model,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
    )
}

/// What an exchange used.
pub fn turn_used(span: &Span, usage: &Usage) {
    span.record("gen_ai.usage.input_tokens", usage.tokens_in);
    span.record("gen_ai.usage.output_tokens", usage.tokens_out);
}

/// A call of a tool by a run, whose span it is in where nobody's is current: an agent outside the house
/// calls from nowhere.
pub fn tool_call(tool: &str, of: Option<&Span>) -> Span {
    let current = Span::current();
    let parent = if current.is_none() { of.unwrap_or(&current) } else { &current };
    info_span!(
        parent: parent,
        "tool_call",
        tool = tool,
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = tool,
        code = Empty,
        otel.status_code = Empty,
    )
}

/// Why a tool refused or failed.
pub fn tool_refused(span: &Span, code: &str) {
    span.record("code", code);
    span.record("otel.status_code", "ERROR");
}

/// The current span as W3C Trace Context writes it, for whoever is asked from within it; `None` where
/// nothing is traced.
#[cfg(feature = "otlp")]
pub fn traceparent() -> Option<String> {
    use opentelemetry::trace::TraceContextExt as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| {
        let flags = span.trace_flags().to_u8();
        format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())
    })
}

/// The current span for whoever is asked from within it: this program traces nothing.
#[cfg(not(feature = "otlp"))]
pub fn traceparent() -> Option<String> {
    None
}
