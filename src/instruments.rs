//! What is counted and measured of the house's work, by the names that are told outside: each name once,
//! with its kind, its unit and what it is.
//!
//! Labels are of closed sets: states, reasons, kinds and tools of ours. Nothing that somebody wrote, and
//! nobody's name, is in them. Without a recorder, which the composition root puts in, all of this does
//! nothing.

pub mod pools;
pub mod spans;

use crate::domain::{
    Channel, EndKind, Occurrence, OccurrenceState, Phase, Reason, Run, RunState, Timestamp, Trigger,
};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use std::collections::BTreeMap;
use std::time::Duration;

const OCCURRENCES: &str = "rota_occurrences_total";
const LATENESS: &str = "rota_occurrence_lateness_seconds";
const CLAIMS_TAKEN: &str = "rota_claims_taken_total";
const CLAIMS_ENDED: &str = "rota_claims_ended_total";
const CLAIMS: &str = "rota_claims";
const CLAIM_AGE: &str = "rota_claim_age_seconds";
const LEASE_LEFT: &str = "rota_claim_lease_left_seconds";
const RUNS: &str = "rota_runs";
const RUNS_ENDED: &str = "rota_runs_ended_total";
const RUN_SECONDS: &str = "rota_run_duration_seconds";
const TOOL_CALLS: &str = "rota_tool_calls_total";
const TOOL_SECONDS: &str = "rota_tool_call_duration_seconds";
const ACCEPTED: &str = "rota_accepted_requests_total";
const BOARD_REQUESTS: &str = "rota_board_requests_total";
const BOARD_SECONDS: &str = "rota_board_request_duration_seconds";
const BOARD_LIMIT: &str = "rota_board_request_limit";
const NOTICES: &str = "rota_notices_total";
const OUTBOX: &str = "rota_outbox_waiting";
const OUTBOX_AGE: &str = "rota_outbox_oldest_seconds";
const OUTBOX_DEAD: &str = "rota_outbox_given_up";
const REVIEWS: &str = "rota_reviews_waiting";
const REVIEWS_AGE: &str = "rota_reviews_oldest_seconds";
const TOKENS: &str = "rota_tokens_total";
const COST: &str = "rota_cost_micros_total";
const BUDGET_TOKENS: &str = "rota_budget_left_tokens";
const BUDGET_COST: &str = "rota_budget_left_cost_micros";
const PLAYBOOKS: &str = "rota_playbooks";
const STOPPED: &str = "rota_stopped";

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It only grows, from 0 at the start of the daemon.
    Counter,
    /// It is so now.
    Gauge,
    /// Spans, counted in buckets with these bounds in seconds.
    Histogram(&'static [f64]),
}

/// One name.
#[derive(Clone, Copy, Debug)]
pub struct Instrument {
    /// As it is told.
    pub name: &'static str,
    /// What kind of number.
    pub kind: Kind,
    /// What it is.
    pub about: &'static str,
}

const fn counts(name: &'static str, about: &'static str) -> Instrument {
    Instrument { name, kind: Kind::Counter, about }
}

const fn is_now(name: &'static str, about: &'static str) -> Instrument {
    Instrument { name, kind: Kind::Gauge, about }
}

const fn spans(name: &'static str, bounds: &'static [f64], about: &'static str) -> Instrument {
    Instrument { name, kind: Kind::Histogram(bounds), about }
}

/// All of them.
pub const ALL: &[Instrument] = &[
    counts(OCCURRENCES, "Occurrences that came to an end, by result (ran, skipped) and reason"),
    spans(
        LATENESS,
        &[0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0],
        "How long after their planned instant occurrences of the clock began",
    ),
    counts(CLAIMS_TAKEN, "Claims of tasks that were taken"),
    counts(CLAIMS_ENDED, "Claims that ended, by how: released, yielded, expired, revoked"),
    is_now(CLAIMS, "Claims that are not free, by phase"),
    is_now(CLAIM_AGE, "How long ago the run began that holds the oldest claim"),
    is_now(LEASE_LEFT, "The least that is left of a lease; negative: nobody renewed it"),
    is_now(RUNS, "Runs under way, and those that wait for a person"),
    counts(RUNS_ENDED, "Runs that ended, by state and reason"),
    spans(
        RUN_SECONDS,
        &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0],
        "How long runs took",
    ),
    counts(TOOL_CALLS, "Calls of tools by whomever, by tool and code: ok, or the reason"),
    spans(
        TOOL_SECONDS,
        &[0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0],
        "How long calls of tools took, by tool",
    ),
    counts(
        ACCEPTED,
        "Requests answered with 202: a run that goes on, a delivery, one that had come",
    ),
    counts(BOARD_REQUESTS, "Requests to a board over the network, by what came of them"),
    spans(
        BOARD_SECONDS,
        &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0],
        "How long requests to a board over the network took",
    ),
    is_now(BOARD_LIMIT, "Requests that such a board allows in a minute, as far as it has said"),
    counts(NOTICES, "Parts of messages, by kind of channel and what came of them"),
    is_now(OUTBOX, "Messages that wait to be told, by kind of channel"),
    is_now(OUTBOX_AGE, "How long the first message of a channel has waited, the longest"),
    is_now(OUTBOX_DEAD, "Messages that were given up and are kept"),
    is_now(REVIEWS, "Handed-over work that nobody has decided about"),
    is_now(REVIEWS_AGE, "How long the oldest of it has waited"),
    counts(TOKENS, "Tokens that ended runs used, by kind: in (with cached), cached, out"),
    counts(COST, "Money that ended runs cost, in millionths of the currency"),
    is_now(BUDGET_TOKENS, "Tokens left of the team's day; not there where it has no such budget"),
    is_now(BUDGET_COST, "Money left of the team's day, in millionths; likewise"),
    is_now(PLAYBOOKS, "Playbooks by state: armed, paused, not_armed, faulty (faults of files)"),
    is_now(STOPPED, "1 while everything is stopped"),
    is_now(pools::CONNECTIONS, "Connections to a shared database, by part and state: lent, idle"),
    is_now(pools::CONNECTIONS_MAX, "Connections that there may be at once, by part"),
    counts(pools::CONNECTIONS_MADE, "Connections that were made, by part"),
    counts(pools::ACQUIRES, "Connections that were asked for, by part and what came of it"),
    spans(
        pools::ACQUIRE_SECONDS,
        &[0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0],
        "How long connections were waited for, by part",
    ),
    counts(pools::FAILOVERS, "Times that another host was found to take the writes, by part"),
    counts(pools::ERRORS, "What went wrong with a shared database, by part and class"),
    is_now(pools::CLOCK_AHEAD, "By how much the store's server is ahead of this machine's clock"),
];

/// Says what each is, and begins what can be known before it happens.
pub fn describe() {
    for Instrument { name, kind, about } in ALL.iter().copied() {
        match kind {
            Kind::Counter => describe_counter!(name, Unit::Count, about),
            Kind::Gauge => describe_gauge!(name, about),
            Kind::Histogram(_) => describe_histogram!(name, Unit::Seconds, about),
        }
    }
    for (result, reason) in [("ran", Reason::Done), ("skipped", Reason::TooLate)] {
        counter!(OCCURRENCES, "result" => result, "reason" => reason.code()).absolute(0);
    }
    counter!(CLAIMS_TAKEN).absolute(0);
    for how in [EndKind::Released, EndKind::Yielded, EndKind::Expired, EndKind::Revoked] {
        counter!(CLAIMS_ENDED, "how" => ended_word(how)).absolute(0);
    }
    let (state, reason) = (RunState::Failed.as_str(), Reason::WorkFailed.code());
    counter!(RUNS_ENDED, "state" => state, "reason" => reason).absolute(0);
    for kind in ["in", "cached", "out"] {
        counter!(TOKENS, "kind" => kind).absolute(0);
    }
    counter!(COST).absolute(0);
    counter!(TOOL_CALLS, "tool" => UPSTREAM, "code" => "ok").absolute(0);
    for what in Accepted::ALL {
        counter!(ACCEPTED, "kind" => what.word()).absolute(0);
    }
    for result in BoardAnswer::ALL {
        counter!(BOARD_REQUESTS, "result" => result.word()).absolute(0);
    }
    for kind in CHANNELS {
        for told in [Told::Delivered, Told::Failed, Told::GivenUp] {
            counter!(NOTICES, "channel" => *kind, "result" => told.word()).absolute(0);
        }
    }
    // They are there before the first span.
    let _ = [histogram!(LATENESS), histogram!(RUN_SECONDS), histogram!(BOARD_SECONDS)];
    let _ = histogram!(TOOL_SECONDS, "tool" => UPSTREAM);
    gauge!(BOARD_LIMIT).set(0.0);
    pools::begin();
}

/// What tools of other servers are called here: their names are not ours.
pub const UPSTREAM: &str = "upstream";

/// A tool was called; `None`: with success.
pub fn tool_called(tool: &'static str, refused: Option<Reason>, elapsed: Duration) {
    let code = refused.map_or("ok", Reason::code);
    counter!(TOOL_CALLS, "tool" => tool, "code" => code).increment(1);
    histogram!(TOOL_SECONDS, "tool" => tool).record(elapsed.as_secs_f64());
}

/// What was taken on, and is not done when its sender is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// A run, for whoever would not wait for its end.
    Run,
    /// A delivery of a webhook.
    Delivery,
    /// One that had come before: it wakes nothing.
    Repeated,
}

impl Accepted {
    const ALL: [Self; 3] = [Self::Run, Self::Delivery, Self::Repeated];

    fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Delivery => "delivery",
            Self::Repeated => "repeated",
        }
    }
}

/// A request is answered with 202.
pub fn accepted(what: Accepted) {
    counter!(ACCEPTED, "kind" => what.word()).increment(1);
}

/// What came of a request to a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoardAnswer {
    /// It answered.
    Answered,
    /// It refused the credential.
    Unauthorized,
    /// It asked to wait.
    Limited,
    /// No answer, or none that makes sense.
    Unreachable,
}

impl BoardAnswer {
    const ALL: [Self; 4] = [Self::Answered, Self::Unauthorized, Self::Limited, Self::Unreachable];

    fn word(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::Unauthorized => "unauthorized",
            Self::Limited => "limited",
            Self::Unreachable => "unreachable",
        }
    }
}

/// A board was asked something over the network; it allows so many requests.
pub fn board_asked(answer: BoardAnswer, elapsed: Duration, limit: u32) {
    counter!(BOARD_REQUESTS, "result" => answer.word()).increment(1);
    histogram!(BOARD_SECONDS).record(elapsed.as_secs_f64());
    gauge!(BOARD_LIMIT).set(f64::from(limit));
}

/// What came of a part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The channel has it.
    Delivered,
    /// It is tried again.
    Failed,
    /// It is not tried again.
    GivenUp,
}

impl Told {
    fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

const CHANNELS: &[&str] = &["stdout", "file", "slack", "webhook", "email"];

fn kind_of(channel: &Channel) -> &'static str {
    match channel {
        Channel::Stdout => "stdout",
        Channel::File(_) => "file",
        Channel::Slack(_) => "slack",
        Channel::Webhook(_) => "webhook",
        Channel::Email(_) => "email",
    }
}

fn ended_word(how: EndKind) -> &'static str {
    match how {
        EndKind::Released => "released",
        EndKind::Yielded => "yielded",
        EndKind::Expired => "expired",
        EndKind::Revoked => "revoked",
    }
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Free => "free",
        Phase::Reserved => "reserved",
        Phase::Announced => "announced",
        Phase::Working => "working",
        Phase::Settling => "settling",
        Phase::Parked => "parked",
    }
}

/// Whoever writes down what the house does, and counts it then. Rehearsals write down elsewhere, and are
/// not counted.
#[derive(Clone, Copy, Debug)]
pub struct House;

impl House {
    /// An occurrence came to an end.
    pub fn settled(self, occurrence: &Occurrence) {
        let (result, reason) = match occurrence.state {
            OccurrenceState::Ran { reason, .. } => ("ran", reason),
            OccurrenceState::Skipped { reason } => ("skipped", reason),
            OccurrenceState::Queued | OccurrenceState::Running => return,
        };
        counter!(OCCURRENCES, "result" => result, "reason" => reason.code()).increment(1);
    }

    /// An occurrence begins.
    pub fn begins(self, occurrence: &Occurrence, now: Timestamp) {
        if matches!(occurrence.trigger, Trigger::Cron | Trigger::Every) {
            let late = (now - occurrence.planned).to_std().unwrap_or_default();
            histogram!(LATENESS).record(late.as_secs_f64());
        }
    }

    /// A claim was taken.
    pub fn claim_taken(self) {
        counter!(CLAIMS_TAKEN).increment(1);
    }

    /// A claim ended.
    pub fn claim_ended(self, how: EndKind) {
        counter!(CLAIMS_ENDED, "how" => ended_word(how)).increment(1);
    }

    /// A run ended.
    pub fn run_ended(self, run: &Run) {
        let reason = run.reason.map_or("none", Reason::code);
        counter!(RUNS_ENDED, "state" => run.state.as_str(), "reason" => reason).increment(1);
        let took = run.ended.map(|ended| (ended - run.started).to_std().unwrap_or_default());
        if let Some(took) = took {
            histogram!(RUN_SECONDS).record(took.as_secs_f64());
        }
        let usage = run.usage;
        counter!(TOKENS, "kind" => "in").increment(usage.tokens_in);
        counter!(TOKENS, "kind" => "cached").increment(usage.tokens_cached);
        counter!(TOKENS, "kind" => "out").increment(usage.tokens_out);
        counter!(COST).increment(usage.cost_micros);
    }

    /// Something came of a part of a message.
    pub fn told(self, channel: &Channel, what: Told) {
        counter!(NOTICES, "channel" => kind_of(channel), "result" => what.word()).increment(1);
    }
}

/// How things stand.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Phases of claims that are not free.
    pub claims: Vec<Phase>,
    /// How long ago the run began that holds the oldest one.
    pub claim_age: Duration,
    /// The least that is left of a lease, in milliseconds.
    pub lease_left_ms: Option<i64>,
    /// Runs under way.
    pub running: usize,
    /// Runs that wait for a person.
    pub waiting: usize,
    /// For each channel, how many messages wait and how long the first has.
    pub queues: Vec<(Channel, usize, Duration)>,
    /// Messages that were given up.
    pub dead: usize,
    /// Since when handed-over work waits: of each the span.
    pub reviews: Vec<Duration>,
    /// What is left of the team's day, where it has a budget.
    pub tokens_left: Option<u64>,
    /// The same in millionths of the currency.
    pub cost_left: Option<u64>,
    /// Armed playbooks, paused ones, those that are not armed, and faults of files.
    pub playbooks: [usize; 4],
    /// Whether everything is stopped.
    pub stopped: bool,
}

/// What is so now, for whoever reads it now.
pub fn now(standing: &Standing) {
    let phases =
        [Phase::Reserved, Phase::Announced, Phase::Working, Phase::Settling, Phase::Parked];
    for phase in phases {
        let count = standing.claims.iter().filter(|own| **own == phase).count();
        gauge!(CLAIMS, "phase" => phase_word(phase)).set(float(count));
    }
    gauge!(CLAIM_AGE).set(standing.claim_age.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let left = standing.lease_left_ms.map_or(0.0, |left| left as f64 / 1_000.0);
    gauge!(LEASE_LEFT).set(left);
    gauge!(RUNS, "state" => RunState::Running.as_str()).set(float(standing.running));
    gauge!(RUNS, "state" => RunState::Waiting.as_str()).set(float(standing.waiting));
    let mut queues: BTreeMap<&str, usize> = CHANNELS.iter().map(|kind| (*kind, 0)).collect();
    for (channel, waiting, _) in &standing.queues {
        *queues.entry(kind_of(channel)).or_default() += waiting;
    }
    for (kind, waiting) in queues {
        gauge!(OUTBOX, "channel" => kind).set(float(waiting));
    }
    let longest = standing.queues.iter().map(|(_, _, age)| *age).max().unwrap_or_default();
    gauge!(OUTBOX_AGE).set(longest.as_secs_f64());
    gauge!(OUTBOX_DEAD).set(float(standing.dead));
    gauge!(REVIEWS).set(float(standing.reviews.len()));
    let oldest = standing.reviews.iter().max().copied().unwrap_or_default();
    gauge!(REVIEWS_AGE).set(oldest.as_secs_f64());
    for (name, left) in [(BUDGET_TOKENS, standing.tokens_left), (BUDGET_COST, standing.cost_left)] {
        if let Some(left) = left {
            #[expect(clippy::cast_precision_loss, reason = "nobody minds the last digit")]
            gauge!(name).set(left as f64);
        }
    }
    for (state, count) in
        ["armed", "paused", "not_armed", "faulty"].into_iter().zip(standing.playbooks)
    {
        gauge!(PLAYBOOKS, "state" => state).set(float(count));
    }
    gauge!(STOPPED).set(f64::from(u8::from(standing.stopped)));
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_name_is_there_once_and_says_its_kind_and_unit_as_prometheus_wants() {
        let names: BTreeSet<_> = ALL.iter().map(|instrument| instrument.name).collect();
        assert_eq!(names.len(), ALL.len());
        for Instrument { name, kind, .. } in ALL {
            let is_total = name.ends_with("_total");
            assert_eq!(is_total, *kind == Kind::Counter, "{name}");
            if let Kind::Histogram(bounds) = kind {
                assert!(name.ends_with("_seconds") && bounds.is_sorted(), "{name}");
            }
        }
    }
}
