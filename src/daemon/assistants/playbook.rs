//! What stands where a run has its playbook: nothing that wakes, and no rules but those of the caller.

use crate::domain::{
    CatchUp, Fold, Gap, Limits, Mode, On, OnFailure, Overlap, Playbook, PlaybookName, Review,
    Reviewer, Scope, Suitability, Work, WriteScope,
};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::time::Duration;

/// No playbook of a file has such a name.
pub(super) const NAME: &str = "(assistant)";
/// Under what its definition is kept.
pub(super) const HASH: &str = "assistant";
/// What is kept as its definition.
pub(super) const SOURCE: &str = "# A claim of somebody's assistant, taken with claimTask: no playbook.\n";

pub(super) fn name() -> PlaybookName {
    PlaybookName::new(NAME)
}

pub(super) fn of(agent: &str, zone: Tz) -> Playbook {
    let no_time = Duration::ZERO;
    Playbook {
        name: name(),
        description: String::new(),
        agent: agent.to_owned(),
        runs_on: Vec::new(),
        mode: Mode::Live,
        on: On {
            cron: None,
            every: None,
            events: Vec::new(),
            zone,
            gap: Gap::Next,
            fold: Fold::First,
            catch_up: CatchUp::None,
            catch_up_max: 0,
            late: None,
            overlap: Overlap::Skip,
            jitter: no_time,
            hours: None,
        },
        select: None,
        gather: BTreeMap::new(),
        suitability: Suitability::default(),
        claim: None,
        work: Work::Steps(Vec::new()),
        tools: vec!["*".to_owned()],
        outcomes: BTreeMap::new(),
        review: Review { by: Reviewer::Person, rounds: 0, waiting_max: None },
        scope: Scope { write: WriteScope::Board, max: BTreeMap::new() },
        limits: Limits {
            turns: 0,
            tokens: 0,
            cost_micros: None,
            time: no_time,
            idle: no_time,
            attempts: 1,
            backoff_min: no_time,
            backoff_max: no_time,
            concurrent: 0,
            runs_per_day: None,
        },
        report: None,
        on_failure: OnFailure::default(),
        hash: HASH.to_owned(),
        source: SOURCE.to_owned(),
        path: String::new(),
    }
}
