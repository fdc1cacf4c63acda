//! The checker: holds a stopped state folder against the promises of the claim protocol and says
//! everything that is wrong. It believes nobody: the board's activity, the ledger's rows and the file
//! of notices are compared with each other.

use super::evidence::Evidence;
use chrono::TimeDelta;
use rota::domain::{
    Activity, Delivery, EffectResult, OccurrenceId, OccurrenceState, PlaybookName, Run, RunState,
    StatusKind, TaskId, Trigger,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// A planned instant has no record.
    OccurrenceMissing,
    /// An occurrence has not settled.
    OccurrenceOpen,
    /// A run and its occurrence do not know each other.
    RunUnaccounted,
    /// A run has not ended, or for no reason.
    RunOpen,
    /// A task's fences do not strictly increase.
    Fence,
    /// Two runs held a task at the same time.
    HeldTwice,
    /// Two runs won one claim of a task.
    ClaimedTwice,
    /// A write stands on the board behind one of a later claim, or was done under no claim.
    OldFence,
    /// More than one run of a waking did a task's work, or a success and its hand-over do not match.
    DoneTwice,
    /// A task was not done.
    Undone,
    /// A task is in progress by an agent and nobody holds it.
    Abandoned,
    /// An ended claim was not seen to.
    Orphan,
    /// Nobody knows what became of an intent.
    IntentOpen,
    /// The board shows a write by an agent that the journal does not.
    Unjournaled,
    /// The journal says that a write was done, and the board does not know it.
    WriteLost,
    /// The journal says that a write was not done, and the board knows it.
    WriteDenied,
    /// One write happened more than once.
    WrittenTwice,
    /// What people were to be told, they were not.
    Untold,
    /// What people were told, nobody knows of, or it was told again without a crash.
    ToldTwice,
    /// The audit chain is broken, or does not tell of each run's end once.
    Chain,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    pub wrong: Wrong,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.wrong, self.what)
    }
}

/// When a folder is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Whenever: also between a crash and the start after it.
    Any,
    /// A daemon has seen to everything, and has ended.
    AtRest,
}

/// Everything that is wrong.
pub fn judge(evidence: &Evidence, moment: Moment) -> Vec<Finding> {
    let mut court = Court { evidence, found: Vec::new() };
    court.instants();
    court.runs();
    if !evidence.known.several {
        court.fences();
    }
    court.successes();
    court.activity();
    court.journal();
    court.told();
    if moment == Moment::AtRest {
        court.rest();
    }
    court.found
}

/// Fails the test when anything is wrong.
#[track_caller]
pub fn acquit(evidence: &Evidence, moment: Moment) {
    let found: Vec<String> = judge(evidence, moment).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

struct Court<'a> {
    evidence: &'a Evidence,
    found: Vec<Finding>,
}

impl Court<'_> {
    fn say(&mut self, wrong: Wrong, what: String) {
        self.found.push(Finding { wrong, what });
    }

    /// Between the first planned instant and the watermark there are no holes.
    fn instants(&mut self) {
        for (playbook, pace) in &self.evidence.known.paces {
            let pace = TimeDelta::from_std(*pace).unwrap();
            let mut planned: Vec<_> = self
                .evidence
                .occurrences
                .iter()
                .filter(|o| o.playbook == *playbook && o.trigger == Trigger::Cron)
                .map(|o| (o.planned, o.covers.map_or(o.planned, |covers| covers.last)))
                .collect();
            planned.sort_unstable();
            for two in planned.windows(2) {
                let due = two[0].1 + pace;
                if two[1].0 != due {
                    let what = format!("{playbook} at {due}; next is {}", two[1].0);
                    self.say(Wrong::OccurrenceMissing, what);
                }
            }
            let last = planned.last().map(|(_, last)| *last);
            let watermark = self.evidence.watermarks.get(playbook).copied();
            let reaches = match (last, watermark) {
                (Some(last), Some(mark)) => last <= mark && mark - last < pace,
                (None, _) => true,
                (Some(_), None) => false,
            };
            if !reaches {
                let what = format!("{playbook}: recorded to {last:?}, accounted to {watermark:?}");
                self.say(Wrong::OccurrenceMissing, what);
            }
        }
    }

    /// Every run belongs to an occurrence that knows it, and the other way round.
    fn runs(&mut self) {
        let evidence = self.evidence;
        let known: BTreeMap<&OccurrenceId, _> =
            evidence.occurrences.iter().map(|o| (&o.id, o)).collect();
        for run in evidence.runs.values() {
            match known.get(&run.occurrence).map(|o| &o.state) {
                None => self.say(
                    Wrong::RunUnaccounted,
                    format!("{} is of {}, which is not there", run.id, run.occurrence),
                ),
                Some(OccurrenceState::Ran { runs, .. })
                    if !runs.contains(&run.id) && !evidence.known.several =>
                {
                    let what = format!("{} is not among the runs of {}", run.id, run.occurrence);
                    self.say(Wrong::RunUnaccounted, what);
                }
                Some(OccurrenceState::Skipped { .. }) => self.say(
                    Wrong::RunUnaccounted,
                    format!("{} ran, and {} was skipped", run.id, run.occurrence),
                ),
                Some(_) => {}
            }
        }
        for occurrence in &evidence.occurrences {
            let OccurrenceState::Ran { runs, .. } = &occurrence.state else { continue };
            for id in runs.iter().filter(|id| !evidence.runs.contains_key(id)) {
                let what = format!("{} ran {id}, which is not there", occurrence.id);
                self.say(Wrong::RunUnaccounted, what);
            }
        }
    }

    /// In the order of their starts, the runs at a task have growing fences, and none begins before
    /// the one before it has ended.
    fn fences(&mut self) {
        for (task, runs) in at_tasks(self.evidence) {
            for two in runs.windows(2) {
                if two[0].fence >= two[1].fence {
                    let what = format!(
                        "task {task}: {} has {:?}, then {} has {:?}",
                        two[0].id, two[0].fence, two[1].id, two[1].fence
                    );
                    self.say(Wrong::Fence, what);
                }
                if two[0].ended.is_none_or(|ended| ended > two[1].started) {
                    let what = format!("task {task}: {} and {} at once", two[0].id, two[1].id);
                    self.say(Wrong::HeldTwice, what);
                }
            }
            let last = runs.last().and_then(|run| run.fence);
            let claim = self.evidence.claims.get(&task).map(|claim| claim.fence);
            if claim < last {
                let what = format!("task {task}: the claim has {claim:?}, a run had {last:?}");
                self.say(Wrong::Fence, what);
            }
        }
    }

    /// One success for each waking and task, and one change of status by each success that settled.
    fn successes(&mut self) {
        let mut done: BTreeMap<(&OccurrenceId, TaskId), &Run> = BTreeMap::new();
        for run in self.evidence.runs.values() {
            let (Some(task), RunState::Succeeded) = (run.task, run.state) else { continue };
            if let Some(other) = done.insert((&run.occurrence, task), run) {
                let what = format!("task {task}: {} and {} both succeeded", other.id, run.id);
                self.say(Wrong::DoneTwice, what);
            }
            let Some(from) = run.settle_from else { continue };
            let settled = |row: &&Activity| {
                let is_of = |mark: &rota::domain::Mark| mark.run == run.id && mark.seq > from;
                row.task == Some(task)
                    && row.field == "status"
                    && row.mark.as_ref().is_some_and(is_of)
            };
            let handed = self.evidence.activity.iter().filter(settled).count();
            if handed != 1 {
                let what =
                    format!("task {task}: {} succeeded and handed over {handed} times", run.id);
                self.say(Wrong::DoneTwice, what);
            }
        }
    }

    /// Whatever an agent wrote was intended before, in the journal.
    fn activity(&mut self) {
        let mut created: BTreeSet<&rota::domain::Mark> = BTreeSet::new();
        for row in &self.evidence.activity {
            let by_agent = row.actor.is_some_and(|actor| self.evidence.agents.contains(&actor));
            let Some(mark) = &row.mark else {
                if by_agent {
                    self.say(Wrong::Unjournaled, format!("no mark: {row:?}"));
                }
                continue;
            };
            let journal = self.evidence.effects.get(&mark.run);
            let intent = journal.and_then(|effects| effects.iter().find(|e| e.mark == *mark));
            // The board keeps whole milliseconds.
            let too_early = |at| row.at + TimeDelta::milliseconds(1) < at;
            match intent {
                None => self.say(Wrong::Unjournaled, format!("{mark} has no intent: {row:?}")),
                Some(effect) if too_early(effect.intended) => self.say(
                    Wrong::Unjournaled,
                    format!("{mark} was written at {}, intended at {}", row.at, effect.intended),
                ),
                Some(_) => {}
            }
            if row.field == "created" && !created.insert(mark) {
                self.say(Wrong::WrittenTwice, format!("{mark}: {row:?}"));
            }
        }
    }

    /// What the journal says of a write is what the board knows of it.
    fn journal(&mut self) {
        for effect in self.evidence.effects.values().flatten() {
            let is_applied = self.evidence.applied.contains(&effect.mark);
            let what = || format!("{} ({}): {:?}", effect.mark, effect.tool, effect.result);
            match &effect.result {
                Some(EffectResult::Done { .. }) if !is_applied => {
                    self.say(Wrong::WriteLost, what());
                }
                Some(EffectResult::Failed { .. } | EffectResult::Recorded) if is_applied => {
                    self.say(Wrong::WriteDenied, what());
                }
                _ => {}
            }
        }
    }

    /// Each notice reached its file, under its key, once; and once more for a crash at most.
    fn told(&mut self) {
        let told = keys_of(&self.evidence.known.told);
        let mut again = 0;
        let mut keys = BTreeSet::new();
        for notice in &self.evidence.notices {
            keys.insert(notice.key.as_str());
            let times = told.get(notice.key.as_str()).copied().unwrap_or(0);
            again += times.saturating_sub(1);
            match notice.delivery {
                Delivery::Delivered { .. } if times == 0 => {
                    self.say(Wrong::Untold, format!("{} is not in the file", notice.key));
                }
                Delivery::Undeliverable { .. } => {
                    self.say(Wrong::Untold, format!("{} was given up", notice.key));
                }
                _ => {}
            }
        }
        for key in told.keys().filter(|key| !keys.contains(**key)) {
            self.say(Wrong::ToldTwice, format!("nobody knows of {key}"));
        }
        if again > self.evidence.known.kills {
            let kills = self.evidence.known.kills;
            self.say(Wrong::ToldTwice, format!("{again} told again, after {kills} kills"));
        }
    }

    /// What holds once a daemon has seen to everything.
    fn rest(&mut self) {
        let evidence = self.evidence;
        for occurrence in evidence.occurrences.iter().filter(|o| !o.state.is_settled()) {
            let what = format!("{} is {:?}", occurrence.id, occurrence.state);
            self.say(Wrong::OccurrenceOpen, what);
        }
        for run in evidence.runs.values() {
            if run.state == RunState::Running || run.ended.is_none() || run.reason.is_none() {
                let what = format!("{} is {} for {:?}", run.id, run.state, run.reason);
                self.say(Wrong::RunOpen, what);
            }
        }
        for effect in evidence.effects.values().flatten() {
            if matches!(effect.result, None | Some(EffectResult::Unknown)) {
                let what = format!("{} ({}): {:?}", effect.mark, effect.tool, effect.result);
                self.say(Wrong::IntentOpen, what);
            }
        }
        for (task, kind) in &evidence.tasks {
            let by_agent = task.assignee.is_some_and(|person| evidence.agents.contains(&person));
            let claim = evidence.claims.get(&task.id);
            let is_held = claim.is_some_and(|c| c.holder.is_some() || c.parked.is_some());
            if *kind == StatusKind::InProgress && by_agent && !is_held {
                let what = format!("task {} is {:?}'s", task.id, task.assignee);
                self.say(Wrong::Abandoned, what);
            }
        }
        for claim in evidence.claims.values().filter(|claim| claim.holder.is_some()) {
            let what = format!("task {} is held by {:?}", claim.task, claim.holder);
            self.say(Wrong::Orphan, what);
        }
        for key in &evidence.orphans {
            self.say(Wrong::Orphan, key.clone());
        }
        self.everybody_was_told();
    }

    fn everybody_was_told(&mut self) {
        let evidence = self.evidence;
        for notice in &evidence.notices {
            if let Delivery::Pending { attempts, last_error, .. } = &notice.delivery {
                let what = format!("{}: {attempts} attempts, {last_error:?}", notice.key);
                self.say(Wrong::Untold, what);
            }
        }
        let reports = |playbook: &PlaybookName| evidence.known.reporting.contains(playbook);
        for occurrence in evidence.occurrences.iter().filter(|o| reports(&o.playbook)) {
            let OccurrenceState::Ran { runs, .. } = &occurrence.state else { continue };
            let runs = runs.iter().filter_map(|id| evidence.runs.get(id));
            let is_told_of = |run: &Run| run.task.is_some() || run.state == RunState::Succeeded;
            if !runs.into_iter().any(is_told_of) {
                continue;
            }
            let key = format!("report:{}:{}|", occurrence.playbook, occurrence.id);
            if !evidence.notices.iter().any(|notice| notice.key.starts_with(&key)) {
                self.say(Wrong::Untold, format!("nobody was to be told of {}", occurrence.id));
            }
        }
    }
}

/// The keys in a file of notices, and how often each stands there.
fn keys_of(told: &str) -> BTreeMap<&str, usize> {
    let mut keys = BTreeMap::new();
    let lines = told.lines();
    for key in lines.filter_map(|line| line.strip_prefix("<!-- ")?.strip_suffix(" -->")) {
        *keys.entry(key).or_default() += 1;
    }
    keys
}

/// The runs that claimed, by task, in the order of their starts.
fn at_tasks(evidence: &Evidence) -> BTreeMap<TaskId, Vec<&Run>> {
    let mut at: BTreeMap<TaskId, Vec<&Run>> = BTreeMap::new();
    for run in evidence.runs.values().filter(|run| run.fence.is_some()) {
        at.entry(run.task.expect("a fence without a task")).or_default().push(run);
    }
    for runs in at.values_mut() {
        runs.sort_by_key(|run| (run.started, run.fence));
    }
    at
}
