//! What stands where a run has its playbook: nothing that wakes, and no rules but those of the caller.

use crate::domain::{
    CatchUp, DayBudget, Fold, Gap, Limits, Mode, On, OnFailure, Outcome, Overlap, Playbook,
    PlaybookName, Review, Reviewer, Scope, Suitability, Work, WriteScope,
};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::time::Duration;

/// The claim of an assistant. No playbook of a file has such a name.
pub(super) const ASSISTANT: &str = "(assistant)";
/// The undoing of a run.
pub(super) const UNDO: &str = "(undo)";
/// Under what the definition of both is kept.
pub(super) const HASH: &str = "by-hand";
/// What is kept as that.
pub(super) const SOURCE: &str = "# Done by somebody's calls, not by a playbook.\n";

pub(super) fn name_of(what: &str) -> PlaybookName {
    PlaybookName::new(what)
}

pub(super) fn of(what: &str, agent: &str, zone: Tz) -> Playbook {
    let no_time = Duration::ZERO;
    // Whoever calls has the rights of their role, and no rules of a playbook beside them.
    let outcome = Outcome { done_by_agent: true, ..Outcome::default() };
    Playbook {
        name: name_of(what),
        description: String::new(),
        agent: agent.to_owned(),
        runs_on: Vec::new(),
        mode: Mode::Live,
        on: On {
            cron: None,
            every: None,
            events: Vec::new(),
            webhook: None,
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
        set: BTreeMap::new(),
        gather: BTreeMap::new(),
        suitability: Suitability::default(),
        claim: None,
        workspace: None,
        checks: BTreeMap::new(),
        work: Work::Steps(Vec::new()),
        family: None,
        tools: vec!["*".to_owned()],
        outcomes: BTreeMap::from([("done".to_owned(), outcome)]),
        review: Review {
            by: Reviewer::Person,
            rounds: 0,
            waiting_max: None,
            apply_within: no_time,
            independent: false,
        },
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
            day: DayBudget::default(),
        },
        report: None,
        on_failure: OnFailure::default(),
        hash: HASH.to_owned(),
        source: SOURCE.to_owned(),
        path: String::new(),
    }
}
