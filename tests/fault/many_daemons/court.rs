//! The checker of many daemons: a pure function over what they left. To what is asked of one daemon it adds
//! that each claim was one run's, that the board shows no write of an earlier claim behind one of a later,
//! that the audit chain tells of each run's end, and that each task was done once.

use super::testimony::Testimony;
use super::{TAG, WORK};
use crate::fault::checker::{Finding, Moment, Wrong, judge};
use crate::fault::evidence::Evidence;
use rota::domain::{
    Activity, Comment, CommentTarget, Effect, EffectResult, Entity, Fence, Mark, RunId, RunState,
    StatusKind, TaskId,
};
use rota::ledger::AuditVerdict;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Everything that is wrong, once all daemons have ended and nothing was left to do.
pub fn judge_many(testimony: &Testimony) -> Vec<Finding> {
    let mut court = Court { testimony, found: judge(&testimony.evidence, Moment::AtRest) };
    court.winners();
    court.order();
    court.chain();
    court.tasks();
    court.entities();
    court.found
}

/// Fails the test when anything is wrong.
#[track_caller]
pub fn acquit_many(testimony: &Testimony) {
    let found: Vec<String> = judge_many(testimony).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

struct Court<'a> {
    testimony: &'a Testimony,
    found: Vec<Finding>,
}

/// How far a task has come on the board.
#[derive(Default)]
struct Standing<'a> {
    /// The highest fence of a write so far.
    fence: Fence,
    /// Whose the last write was.
    run: Option<&'a RunId>,
    /// Whose turn is over: another run has written since.
    over: BTreeSet<&'a RunId>,
}

/// What was done at a task.
#[derive(Default)]
struct Done {
    successes: usize,
    subtasks: Shown,
    works: Shown,
    hand_overs: usize,
    hand_backs: usize,
}

/// What the board shows of one sort of an agent's writes, beside what the journal says of them.
#[derive(Default)]
struct Shown {
    times: usize,
    /// Fewer than asked for where the board was away: this model does not try again.
    done: usize,
}

impl<'a> Court<'a> {
    fn say(&mut self, wrong: Wrong, what: String) {
        self.found.push(Finding { wrong, what });
    }

    /// Each claim is one run's, and the record of the last one names that run.
    fn winners(&mut self) {
        let testimony = self.testimony;
        let winners = testimony.winners();
        for ((task, fence), runs) in winners.iter().filter(|(_, runs)| runs.len() > 1) {
            self.say(Wrong::ClaimedTwice, format!("task {task}, fence {fence}: {runs:?}"));
        }
        for effect in testimony.evidence.effects.values().flatten() {
            if effect.claimed.is_some() && effect.fence.is_none() {
                self.say(Wrong::OldFence, format!("{} ({}): none", effect.mark, effect.tool));
            }
        }
        let tasks: BTreeSet<TaskId> = winners.keys().map(|(task, _)| *task).collect();
        for task in tasks {
            let mut claims = winners.range((task, Fence(0))..=(task, Fence(u64::MAX)));
            let Some(((_, last), runs)) = claims.next_back() else { continue };
            match testimony.evidence.claims.get(&task) {
                None => self.say(Wrong::Fence, format!("task {task} has no record of its claims")),
                Some(claim) if claim.fence < *last => {
                    let what =
                        format!("task {task}: the claim has {}, {runs:?} {last}", claim.fence);
                    self.say(Wrong::Fence, what);
                }
                Some(claim) if claim.fence == *last && !runs.contains(&claim.run) => {
                    let what = format!("task {task}, fence {last}: {} and {runs:?}", claim.run);
                    self.say(Wrong::ClaimedTwice, what);
                }
                Some(_) => {}
            }
        }
    }

    /// In the board's own order no write stands behind one of a later claim, and no run goes on after
    /// another one began to write.
    fn order(&mut self) {
        let testimony = self.testimony;
        let evidence = &testimony.evidence;
        let mut rows: Vec<&Activity> = evidence.activity.iter().collect();
        rows.sort_by_key(|row| row.id);
        let mut at: BTreeMap<TaskId, Standing<'a>> = BTreeMap::new();
        for row in rows {
            let intent = row.mark.as_ref().and_then(|mark| intent(evidence, mark));
            let Some(effect) = intent else { continue };
            let (Some(task), Some(fence)) = (effect.claimed, effect.fence) else { continue };
            let (mark, run) = (&effect.mark, &effect.mark.run);
            let standing = at.entry(task).or_default();
            let newest = standing.fence;
            standing.fence = newest.max(fence);
            if let Some(last) = standing.run.replace(run)
                && last != run
            {
                standing.over.insert(last);
            }
            let is_back = standing.over.contains(run);
            if fence < newest {
                let what = format!("{mark} of task {task}: {fence} behind {newest}");
                self.say(Wrong::OldFence, what);
            }
            if is_back {
                self.say(
                    Wrong::HeldTwice,
                    format!("{mark} of task {task}: another wrote before it"),
                );
            }
        }
    }

    /// The chain is whole, and tells of the end of each run once.
    fn chain(&mut self) {
        let testimony = self.testimony;
        if let AuditVerdict::Broken { at, of, why } = &testimony.verdict {
            self.say(Wrong::Chain, format!("entry {at} of {of}: {why}"));
        }
        let mut ends: BTreeMap<&RunId, usize> = BTreeMap::new();
        for covers in testimony.endings.iter().filter_map(|entry| entry.covers.as_ref()) {
            *ends.entry(&covers.run).or_default() += 1;
        }
        for run in testimony.evidence.runs.values().filter(|run| run.ended.is_some()) {
            let times = ends.remove(&run.id).unwrap_or(0);
            if times != 1 {
                self.say(Wrong::Chain, format!("{} ended, and is told of {times} times", run.id));
            }
        }
        for run in ends.into_keys() {
            self.say(Wrong::Chain, format!("{run} is told of, and did not end"));
        }
    }

    /// Each task for agents was done by one run, and shows that once; once more for each time that it was
    /// handed back in between.
    fn tasks(&mut self) {
        let testimony = self.testimony;
        let done = done(testimony);
        for (task, kind) in testimony.evidence.tasks.iter().filter(|(task, _)| task.has_tag(TAG)) {
            let nothing = Done::default();
            let (task, done) = (task.id, done.get(&task.id).unwrap_or(&nothing));
            if *kind != StatusKind::Waiting || done.successes == 0 {
                let (runs, told) = (done.successes, told(testimony, task));
                self.say(
                    Wrong::Undone,
                    format!("task {task} is {kind:?}, {runs} runs succeeded{told}"),
                );
            }
            if done.successes > 1 {
                let what = format!("task {task}: {} runs succeeded", done.successes);
                self.say(Wrong::DoneTwice, what);
            }
            if done.hand_overs == 0 {
                let what = format!("task {task}: nobody handed it over{}", told(testimony, task));
                self.say(Wrong::WriteLost, what);
            }
            let shown = [("subtasks", &done.subtasks), ("comments of the work", &done.works)];
            for (what, shown) in shown {
                let Shown { times, done: said } = shown;
                let what = format!(
                    "task {task}: {times} {what}, {said} by the journal, {} hand-backs{}",
                    done.hand_backs,
                    told(testimony, task)
                );
                if *times > 1 + done.hand_backs || times > said {
                    self.say(Wrong::DoneTwice, what);
                } else if times < said {
                    self.say(Wrong::WriteLost, what);
                }
            }
            if done.hand_overs > 1 + done.hand_backs {
                let what = format!("task {task}: {} hand-overs", done.hand_overs);
                self.say(Wrong::DoneTwice, what);
            }
        }
    }

    /// What the journal says was made is there.
    fn entities(&mut self) {
        let testimony = self.testimony;
        let evidence = &testimony.evidence;
        let comments = testimony.comments.iter().map(|comment| Entity::Comment(comment.id));
        let tasks = evidence.tasks.iter().map(|(task, _)| Entity::Task(task.id));
        let removed = evidence.activity.iter().filter(|row| row.field == "deleted");
        let known: BTreeSet<Entity> =
            comments.chain(tasks).chain(removed.map(|row| row.entity)).collect();
        for effect in evidence.effects.values().flatten() {
            let Some(EffectResult::Done { entity, .. }) = &effect.result else { continue };
            let is_looked_for = matches!(entity, Entity::Comment(_) | Entity::Task(_));
            if is_looked_for && !known.contains(entity) {
                let what = format!("{} ({}): {entity} is not there", effect.mark, effect.tool);
                self.say(Wrong::WriteLost, what);
            }
        }
    }
}

fn intent<'a>(evidence: &'a Evidence, mark: &Mark) -> Option<&'a Effect> {
    evidence.effects.get(&mark.run)?.iter().find(|effect| effect.mark == *mark)
}

/// What was done at each task.
fn done(testimony: &Testimony) -> BTreeMap<TaskId, Done> {
    let evidence = &testimony.evidence;
    let mut done: BTreeMap<TaskId, Done> = BTreeMap::new();
    for run in evidence.runs.values().filter(|run| run.state == RunState::Succeeded) {
        if let Some(task) = run.task {
            done.entry(task).or_default().successes += 1;
        }
    }
    for parent in evidence.tasks.iter().filter_map(|(task, _)| task.parent) {
        done.entry(parent).or_default().subtasks.times += 1;
    }
    for effect in evidence.effects.values().flatten() {
        let Some(task) = effect.claimed else { continue };
        let done = done.entry(task).or_default();
        let text = effect.args.as_map().and_then(|args| args.get("text"));
        let shown = match effect.tool.as_str() {
            "addSubtask" => &mut done.subtasks,
            "addComment" if text == Some(&WORK.into()) => &mut done.works,
            _ => continue,
        };
        shown.done += usize::from(matches!(effect.result, Some(EffectResult::Done { .. })));
    }
    for Comment { on, text, .. } in &testimony.comments {
        let CommentTarget::Task(task) = on else { continue };
        let done = done.entry(*task).or_default();
        done.works.times += usize::from(text == WORK);
        done.hand_overs += usize::from(text.contains("hands this over"));
        done.hand_backs += usize::from(text.contains("hands this task back"));
    }
    done
}

/// What runs and journal say about a task, for whoever has to find out.
fn told(testimony: &Testimony, task: TaskId) -> String {
    let evidence = &testimony.evidence;
    let mut lines = String::new();
    for run in evidence.runs.values().filter(|run| run.task == Some(task)) {
        let (state, reason, daemon) = (run.state, run.reason, &run.daemon);
        let _ = write!(
            lines,
            "\n  {}: {state:?} {reason:?} {:?} by {daemon:?}, {} to {:?}: {}",
            run.id, run.fence, run.started, run.ended, run.detail
        );
        for effect in evidence.effects.get(&run.id).into_iter().flatten() {
            let result = match &effect.result {
                Some(EffectResult::Done { entity, at, .. }) => format!("done at {entity}, {at}"),
                other => format!("{other:?}"),
            };
            let (mark, tool, fence) = (&effect.mark, &effect.tool, effect.fence);
            let _ = write!(lines, "\n    {mark} {tool} {fence:?}, {}: {result}", effect.intended);
        }
    }
    lines
}
