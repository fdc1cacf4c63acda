//! Many daemons, one store, one board and people who edit at random, in simulated time that a seed
//! decides: everything is slow, fails before or after it was done, is suspended, killed, and has a
//! wall clock that is set wrong. The claim protocol is judged after every step; then the trouble
//! ends, and everything has to come to rest.
//!
//! `ROTA_SIM_SEED=7` repeats one seed and tells its story; `ROTA_SIM_SEEDS=20000` tries more, and
//! `ROTA_SIM_SEEDS=20000..30000` those.

mod board;
mod judge;
mod machines;
mod model;
mod people;
mod polled;
mod scene;
mod store;
mod world;

use scene::{Ending, play};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use world::Planted;

/// So many seeds are tried in the normal run.
const SEEDS: u64 = 500;
/// After so many it is told how far it is.
const TOLD_EACH: u64 = 1_000;
/// Nobody looks at more seeds that went wrong at once.
const BAD_MAX: usize = 6;

#[expect(clippy::disallowed_methods, reason = "a seed is given from outside")]
fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text:?}")))
}

/// Which seeds: by `ROTA_SIM_SEEDS` the first so many, or those of a range (`500..2000`).
fn wanted(normally: u64) -> Range<u64> {
    #[expect(clippy::disallowed_methods, reason = "seeds are given from outside")]
    let Ok(text) = std::env::var("ROTA_SIM_SEEDS") else { return 0..normally };
    let range = text.split_once("..").unwrap_or(("0", &text));
    match (range.0.parse(), range.1.parse()) {
        (Ok(first), Ok(end)) => first..end,
        _ => panic!("ROTA_SIM_SEEDS is neither a number nor a range: {text:?}"),
    }
}

/// The first seed and how many: one by `ROTA_SIM_SEED`, more by `ROTA_SIM_SEEDS`.
fn seeds(normally: u64) -> (u64, u64) {
    if let Some(seed) = from_environment("ROTA_SIM_SEED") {
        return (seed, 1);
    }
    let wanted = wanted(normally);
    (wanted.start, wanted.end - wanted.start)
}

/// Plays a seed in a runtime of its own, whose time goes as fast as everybody sleeps.
fn try_seed(seed: u64, planted: Planted) -> Ending {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(play(seed, planted))
}

#[test]
fn whatever_happens_the_claim_protocol_holds_and_everything_comes_to_rest() {
    if let Some(seed) = from_environment("ROTA_SIM_SEED") {
        // What the daemons log is told too.
        let log = tracing_subscriber::fmt().with_env_filter("rota=debug").with_ansi(false);
        let log = log.without_time().with_writer(std::io::stderr).finish();
        let ending = tracing::subscriber::with_default(log, || try_seed(seed, Planted::Nothing));
        println!("{}", ending.story);
        assert!(ending.violations.is_empty(), "seed {seed}: {:#?}", ending.violations);
        return;
    }
    let tried = try_all(wanted(SEEDS));
    println!("{}", tried.summary());
    assert!(tried.bad.is_empty(), "{}", tried.summary());
}

/// What came of many seeds.
#[derive(Default)]
struct Tried {
    seeds: u64,
    steps: u64,
    runs: u64,
    lives: u64,
    bad: Vec<u64>,
}

impl Tried {
    fn add(&mut self, seed: u64, ending: &Ending) {
        self.seeds += 1;
        self.steps += ending.steps;
        self.runs += ending.runs;
        self.lives += ending.lives;
        if !ending.violations.is_empty() {
            self.bad.push(seed);
        }
    }

    fn summary(&self) -> String {
        let Self { seeds, steps, runs, lives, bad } = self;
        let bad: Vec<String> = bad.iter().map(u64::to_string).collect();
        let end = if bad.is_empty() {
            "none went wrong".to_owned()
        } else {
            format!("wrong: {}", bad.join(", "))
        };
        format!("{seeds} seeds tried: {steps} steps judged, {runs} runs, {lives} lives; {end}")
    }
}

/// Tries all of them, or until some went wrong.
fn try_all(seeds: Range<u64>) -> Tried {
    let next = AtomicU64::new(seeds.start);
    let tried = Mutex::new(Tried::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || tried.lock().unwrap().bad.len() >= BAD_MAX {
                        return;
                    }
                    let ending = try_seed(seed, Planted::Nothing);
                    if !ending.violations.is_empty() {
                        // At once: many seeds take long.
                        println!("ROTA_SIM_SEED={seed}: {:#?}", ending.violations);
                    }
                    let mut tried = tried.lock().unwrap();
                    tried.add(seed, &ending);
                    if tried.seeds.is_multiple_of(TOLD_EACH) {
                        println!("{} …", tried.summary());
                    }
                }
            });
        }
    });
    let mut tried = tried.into_inner().unwrap();
    tried.bad.sort_unstable();
    tried
}

#[test]
fn a_seed_repeats_itself() {
    let mut steps = 0;
    for seed in [3, 4] {
        let (one, other) = (try_seed(seed, Planted::Nothing), try_seed(seed, Planted::Nothing));
        steps += one.steps;
        assert_eq!(one.fingerprint, other.fingerprint, "seed {seed}");
    }
    assert!(steps > 100, "next to nothing happened");
}

/// So many seeds are compared between two processes.
const COMPARED: u64 = 16;

/// Nothing may hang on addresses, threads, or maps without an order: a seed that was bad elsewhere
/// has to be bad here.
#[test]
fn a_seed_repeats_itself_in_another_process() {
    const NAME: &str = "simulation::a_seed_repeats_itself_in_another_process";
    const CHILD: &str = "ROTA_SIM_FINGERPRINTS";
    let all: Vec<String> = (0..COMPARED)
        .map(|seed| format!("seed {seed}: {:016x}", try_seed(seed, Planted::Nothing).fingerprint))
        .collect();
    if from_environment(CHILD).is_some() {
        println!("\n{}", all.join("\n"));
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "the same program once more")]
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let answer = child.args(["--exact", NAME, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let told = String::from_utf8(answer.stdout).unwrap();
    let there: Vec<&str> = told.lines().filter(|line| line.starts_with("seed ")).collect();
    assert_eq!(there, all);
}

/// A planted fault has to be found by one of the first seeds, and called by its name.
#[track_caller]
fn is_found_out(planted: Planted, law: &str) {
    let breaks = |seed: &u64| {
        let ending = try_seed(*seed, planted);
        ending.violations.iter().any(|violation| violation.starts_with(law))
    };
    let found = (0..60).find(breaks);
    println!("{planted:?}: found by seed {found:?}");
    assert!(found.is_some(), "the judge does not see {planted:?}");
}

#[test]
fn a_store_that_does_not_compare_is_found_out() {
    is_found_out(Planted::NoChecks, "C");
}

#[test]
fn a_store_that_loses_the_journal_is_found_out() {
    is_found_out(Planted::NoJournal, "C3");
}

#[test]
fn a_daemon_that_runs_one_thing_too_many_is_found_out() {
    is_found_out(Planted::OneTooMany, "slots");
}
