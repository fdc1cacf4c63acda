//! The same calls of the tools that write, on SQLite or PostgreSQL and in memory: the same answers, the
//! same board after each; and what a write says would put it back does, to the byte.
//!
//! `ROTA_FULL=1` plays many more of them, and others each time.

mod arguments;
mod boards;
mod dice;

use super::goals::undo_of;
use boards::{Pair, Story};
use dice::Dice;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use rota::tools::{ToolKind, catalogue};
use std::time::Duration;

/// What nothing puts back, as its answer says by offering no `undo`: what was deleted, what is only
/// ever added, and a timer whose time went into the timesheet.
const FOR_GOOD: [&str; 11] = [
    "addMilestone",
    "addMilestonesForProject",
    "addPerson",
    "addProject",
    "deleteComment",
    "deleteEvent",
    "deleteGoal",
    "deleteGoalboard",
    "deleteSprint",
    "deleteTask",
    "stopTimer",
];

/// One step: a tool by its place in the table, and the number that its arguments are made from.
#[derive(Clone, Debug)]
enum Step {
    Call { tool: usize, seed: u64 },
    TakeBack(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tools = written().len();
    let step = prop_oneof![
        12 => (0..tools, any::<u64>()).prop_map(|(tool, seed)| Step::Call { tool, seed }),
        3 => (1..4_usize).prop_map(Step::TakeBack),
        1 => (1..7_200_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 20..60)
}

/// The tools that write.
fn written() -> Vec<&'static str> {
    let all = catalogue().iter().filter(|tool| tool.kind == ToolKind::Write);
    all.map(|tool| tool.name).collect()
}

#[test]
fn every_tool_that_writes_is_among_those_that_are_tried() {
    let known = boards::Known::default();
    for name in written() {
        let made = arguments::of(name, &mut Dice::new(1), &known);
        assert!(made.is_some(), "{name} writes: say in in_step/arguments.rs how it is called");
    }
    for name in FOR_GOOD {
        assert!(written().contains(&name), "{name}");
    }
}

#[test]
fn all_tools_do_the_same_on_sqlite_and_in_memory_and_what_they_did_can_be_taken_back() {
    let counts = play_all(16, 400, || async { Some(Pair::of_sqlite().await) });
    // Else nothing was tried.
    assert!(counts.done > 80 && counts.refused > 20 && counts.taken_back > 40, "{counts:?}");
}

#[test]
fn all_tools_do_the_same_on_postgres_and_in_memory_and_what_they_did_can_be_taken_back() {
    let counts = play_all(6, 100, Pair::of_postgres);
    // Nothing at all was tried where there is no PostgreSQL, which was said.
    let some = counts.done > 30 && counts.refused > 5 && counts.taken_back > 15;
    assert!(some || counts.done + counts.refused == 0, "{counts:?}");
}

/// Plays so many stories; more of them if that was asked for.
fn play_all<F: Future<Output = Option<Pair>>>(
    cases: u32,
    many: u32,
    pair: impl Fn() -> F,
) -> boards::Counts {
    let full = std::env::var_os("ROTA_FULL").is_some();
    let cases = if full { many } else { cases };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let algorithm = RngAlgorithm::ChaCha;
    let mut runner = if full {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(algorithm))
    };
    let played = std::cell::Cell::new(boards::Counts::default());
    let outcome = runner.run(&steps(), |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut counts = played.get();
        let played_out = runtime.block_on(async {
            match pair().await {
                Some(pair) => play(pair, steps, &mut counts).await,
                None => Ok(()),
            }
        });
        played_out.map_err(TestCaseError::fail)?;
        played.set(counts);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let counts = played.get();
    println!("{counts:?}");
    counts
}

async fn play(pair: Pair, steps: Vec<Step>, counts: &mut boards::Counts) -> Result<(), String> {
    let mut story = Story::begin(pair).await;
    for step in steps {
        match step {
            Step::Pass(seconds) => story.pair.pass(Duration::from_secs(seconds)),
            Step::TakeBack(number) => {
                for _ in 0..number {
                    story.take_back(counts).await?;
                }
            }
            Step::Call { tool, seed } => {
                let name = written()[tool];
                let mut dice = Dice::new(seed);
                let args = arguments::of(name, &mut dice, &story.known()).unwrap_or_default();
                story.call(name, args, dice.below(20), counts).await?;
            }
        }
    }
    Ok(())
}
