//! What goes wrong, and when: chosen by a seed, and spread over the work by how many tasks are done, so that
//! a slow machine meets as much of it as a quick one.

use crate::fault::kills::Random;
use crate::fault::say;
use std::collections::VecDeque;

/// At least so many daemons are killed, and for this many tasks one.
const KILLS: (usize, usize) = (8, 60);
/// The same of restarts of the database.
const RESTARTS: (usize, usize) = (2, 600);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A daemon that is at work dies.
    Kill,
    /// The database dies and comes back.
    Restart,
    /// It dies for good, and its standby takes over.
    Promotion,
}

pub struct Storm {
    seed: u64,
    pub random: Random,
    /// What comes once so many tasks are done.
    faults: VecDeque<(usize, Fault)>,
}

impl Storm {
    /// What a seed makes of so many tasks.
    pub fn of(seed: u64, tasks: usize) -> Self {
        let mut random = Random(seed);
        let times = |(least, each): (usize, usize)| least.max(tasks / each);
        let mut kinds = vec![Fault::Kill; times(KILLS)];
        kinds.resize(kinds.len() + times(RESTARTS), Fault::Restart);
        kinds.push(Fault::Promotion);
        for last in (1..kinds.len()).rev() {
            kinds.swap(last, index(&mut random, last + 1));
        }
        let (first, span) = (tasks / 20, tasks * 7 / 10);
        let mut at: Vec<usize> =
            kinds.iter().map(|_| first + index(&mut random, span.max(1))).collect();
        at.sort_unstable();
        Self { seed, random, faults: at.into_iter().zip(kinds).collect() }
    }

    /// What is due now that so many tasks are done.
    pub fn due(&mut self, done: usize) -> Option<Fault> {
        self.faults.front().filter(|(at, _)| *at <= done)?;
        self.faults.pop_front().map(|(_, fault)| fault)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&format!("ROTA_SEED={} chose what went wrong", self.seed));
        }
    }
}

/// A random place in a list of this length.
pub fn index(random: &mut Random, length: usize) -> usize {
    usize::try_from(random.below(u64::try_from(length).unwrap())).unwrap()
}

#[test]
fn a_seed_makes_the_same_storm_each_time_and_each_fault_comes_while_there_is_work() {
    for tasks in [60, 120, 5_000] {
        let (mut one, mut other) = (Storm::of(7, tasks), Storm::of(7, tasks));
        assert_eq!(one.faults, other.faults);
        let (mut kills, mut restarts, mut promotions) = (0, 0, 0);
        assert_eq!(one.due(0), None, "there is nothing to disturb yet");
        while let Some(fault) = one.due(tasks - tasks / 5) {
            match fault {
                Fault::Kill => kills += 1,
                Fault::Restart => restarts += 1,
                Fault::Promotion => promotions += 1,
            }
        }
        assert!(one.faults.is_empty(), "{tasks}: {:?}", one.faults);
        assert!(kills >= 8 && restarts >= 2 && promotions == 1, "{kills} {restarts} {promotions}");
        assert_ne!(other.faults, Storm::of(8, tasks).faults);
        other.faults.clear();
        assert_eq!(other.due(tasks), None);
    }
}
