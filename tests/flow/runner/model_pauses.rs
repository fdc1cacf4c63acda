//! Answers that come in pieces: a pause between two of them is silence only where it is longer than the
//! idle time, however long the whole answer takes.

use super::job;
use crate::support::house::{House, playbook};
use crate::support::http_double::Reply as Answer;
use crate::support::model_double::{ModelDouble, Said, Turn, answer};
use async_trait::async_trait;
use rota::domain::{Reason, RunState, Value};
use rota::model::open::Wire;
use rota::model::{Call, Exchange, Heard, Model, ModelError, Reply};
use rota::runner::model_loop::ModelRunner;
use rota::runner::{Runner as _, Signs, WorkEnd};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Answers in pieces, each after its pause.
#[derive(Debug)]
struct Piecewise(Vec<Duration>);

#[async_trait]
impl Model for Piecewise {
    fn describe(&self) -> String {
        "piecewise".to_owned()
    }

    async fn exchange(&self, _: &Exchange, heard: &Heard<'_>) -> Result<Reply, ModelError> {
        for pause in &self.0 {
            tokio::time::sleep(*pause).await;
            heard();
        }
        let args = Value::map([("outcome", "done"), ("summary", "All of it.")]);
        Ok(Reply { calls: vec![Call::new("a", "finish", args)], ..Reply::default() })
    }
}

/// How a run ends that may be silent for twenty seconds, and after how many seconds.
async fn run_with(pauses: &[u64]) -> (WorkEnd, u64) {
    let house = House::build().await;
    let mut book = playbook(&[]);
    (book.limits.idle, book.limits.time) = (Duration::from_secs(20), Duration::from_hours(1));
    let (job, tools) = job(&house, book, "You are AI-Developer.").await;
    let (signs, _end) = Signs::channel(100);
    let model = Arc::new(Piecewise(pauses.iter().copied().map(Duration::from_secs).collect()));
    let started = Instant::now();
    let end = ModelRunner::new(model).work(&job, &tools, &signs, CancellationToken::new()).await;
    (end, started.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn short_pauses_are_no_silence_however_many_and_one_long_pause_stalls_the_run() {
    let (end, took) = run_with(&[19; 60]).await;
    assert_eq!((end.outcome.as_deref(), took), (Some("done"), 19 * 60), "{end:?}");
    let (end, took) = run_with(&[19, 19, 21, 1]).await;
    assert_eq!((end.state, end.reason), (RunState::Stalled, Reason::Stalled), "{end:?}");
    assert_eq!(took, 19 + 19 + 20, "counted from its last sign of life");
}

#[tokio::test]
async fn a_stream_that_never_pauses_for_long_is_read_to_its_end_over_both_wires() {
    for wire in [Wire::Completions, Wire::Messages] {
        let gap = Duration::from_millis(100);
        let slow = answer(wire, &Said::finish()).in_gaps_of(gap);
        let gaps = u32::try_from(slow.pieces.len()).unwrap() - 1;
        // With one of these, the whole answer takes longer than any pause may.
        let idle = gap * gaps * 9 / 10;
        assert!(idle > gap * 5, "too few pieces: {gaps}");
        let end = served(wire, vec![Turn::Raw(slow)], idle).await;
        assert_eq!(
            (end.outcome.as_deref(), end.usage.turns),
            (Some("done"), 1),
            "{wire:?} {end:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_that_pauses_for_too_long_is_given_up_and_asked_for_again_over_both_wires() {
    for wire in [Wire::Completions, Wire::Messages] {
        let idle = Duration::from_millis(150);
        let Answer { pieces, .. } = answer(wire, &Said::finish().tokens((50, 0, 1)));
        // Its last piece would come, but nobody waits so long.
        let halting = Answer::stream([pieces[..3].concat(), pieces[3..].concat()])
            .in_gaps_of(Duration::from_secs(30));
        let turns = vec![Turn::Raw(halting), Turn::Said(Said::finish().tokens((7, 0, 1)))];
        let started = Instant::now();
        let end = served(wire, turns, idle).await;
        assert_eq!(end.outcome.as_deref(), Some("done"), "{wire:?} {end:?}");
        assert!(started.elapsed() < Duration::from_secs(30), "it was waited for");
        assert!(end.usage.tokens_in > 7, "what broke off is paid for: {end:?}");
    }
}

/// A run whose model is behind a server that does this, and may be silent for so long.
async fn served(wire: Wire, turns: Vec<Turn>, idle: Duration) -> WorkEnd {
    let house = House::build().await;
    let (job, tools) = job(&house, playbook(&[]), "You are AI-Developer.").await;
    let double = ModelDouble::start(wire, turns);
    let mut options = double.options();
    options.idle_time = idle;
    let (signs, _end) = Signs::channel(1_000);
    let runner = ModelRunner::new(double.model(options));
    runner.work(&job, &tools, &signs, CancellationToken::new()).await
}
