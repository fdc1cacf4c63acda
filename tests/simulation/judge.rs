//! Sees every commit to the store and every write to the board, in the order in which they happen,
//! and says when one of them must not have been.

use super::model::SUMMARY;
use rota::domain::*;
use rota::store::Batch;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

/// So much of a story is told when it ends badly.
const LINES_TOLD: usize = 2_000;

/// The lease of the playbook that claims.
pub const LEASE: Duration = Duration::from_mins(1);

/// One life of a daemon.
#[derive(Clone, Debug)]
pub struct Who {
    pub daemon: String,
    pub life: u64,
}

impl Who {
    pub fn life_name(&self) -> String {
        format!("life-{}", self.life)
    }
}

/// What a life wrote to the board.
#[derive(Clone, Copy, Debug)]
pub enum Write<'a> {
    Task,
    Edits(TaskId, &'a [TaskEdit]),
    Comment(&'a str),
}

/// What is known of everything that happened.
#[derive(Debug, Default)]
pub struct Judge {
    story: VecDeque<String>,
    /// When the last commit was.
    now: Duration,
    /// The same seed gives the same.
    pub digest: DefaultHasher,
    pub steps: u64,
    pub violations: Vec<String>,
    pub claims: BTreeMap<TaskId, Claim>,
    pub runs: BTreeMap<RunId, Run>,
    intents: BTreeMap<Mark, EffectActor>,
    done: BTreeSet<Mark>,
    given_up: BTreeSet<Mark>,
    fences_on_board: BTreeMap<TaskId, Fence>,
    pub notices: BTreeSet<String>,
    /// Those that were put into another one, which tells them.
    pub merged: BTreeMap<String, String>,
    pub told: BTreeSet<String>,
    handed_over: BTreeSet<RunId>,
    /// Runs whose task a person took over, with what they intended since.
    overruled: BTreeMap<RunId, u32>,
    /// The last stop comment of a person on each task.
    stops: BTreeMap<TaskId, CommentId>,
    /// The life that each daemon is in.
    pub lives: BTreeMap<String, u64>,
    /// At most so many claims are held by one life.
    pub slots: Option<usize>,
    pub review: Option<StatusId>,
}

impl Judge {
    pub fn note(&mut self, at: Duration, text: &str) {
        text.hash(&mut self.digest);
        self.steps += 1;
        if self.story.len() == LINES_TOLD {
            self.story.pop_front();
        }
        self.story.push_back(format!("{:>9.3} {text}", at.as_secs_f64()));
    }

    /// What happened last.
    pub fn story(&self) -> String {
        self.story.iter().fold(String::new(), |all, line| all + line + "\n")
    }

    pub fn fingerprint(&self) -> u64 {
        self.digest.finish()
    }

    fn wrong(&mut self, law: &str, what: &str) {
        self.story.push_back(format!("          !! {law}: {what}"));
        self.violations.push(format!("{law}: {what}"));
    }

    fn tell(&mut self, who: &Who, text: &str) {
        let at = self.now;
        self.note(at, &format!("{}/{}: {text}", who.daemon, who.life));
    }

    /// A commit that happened at this time of the store.
    pub fn committed(&mut self, who: &Who, batch: &Batch, now: &StoreTime) {
        self.now = Duration::from_millis(now.ms).saturating_sub(Duration::from_hours(24));
        for (key, value) in &batch.puts {
            match key.split_once('/').map(|(room, _)| room) {
                Some("claim") => {
                    if let Some(claim) = read(value) {
                        self.claim(who, &claim, now);
                    }
                }
                Some("run") => {
                    if let Some(run) = read(value) {
                        self.run(who, &run);
                    }
                }
                Some("effect") => {
                    if let Some(entry) = read::<Entry>(value) {
                        self.effect(who, &entry.effect);
                    }
                }
                Some("notice") => {
                    if let Some(notice) = read(value) {
                        self.notice(notice);
                    }
                }
                _ => {}
            }
        }
        if let Some(key) = batch.deletes.iter().find(|key| key.starts_with("claim/")) {
            self.wrong("C2", &format!("the record {key} was deleted"));
        }
    }

    fn claim(&mut self, who: &Who, new: &Claim, now: &StoreTime) {
        let task = new.task;
        let holder = new.holder.as_ref().map(|h| format!("{}/{}", h.daemon, h.life));
        self.tell(
            who,
            &format!(
                "claim of {task}: {:?}, fence {}, run {}, {}{}",
                new.phase,
                new.fence,
                new.run,
                holder.unwrap_or_else(|| "nobody".into()),
                new.ended.as_ref().map_or_else(String::new, |end| format!(", {end:?}")),
            ),
        );
        let ends = new.lease_ends.as_ref().filter(|_| new.holder.is_some());
        if ends.is_some_and(|end| !end.is_past(&now.plus(LEASE + Duration::from_millis(1)))) {
            self.wrong("C10", &format!("the lease of {task} is longer than it may be"));
        }
        let old = self.claims.insert(task, new.clone());
        if let Some(old) = old {
            self.succession(who, &old, new, now);
        }
        self.count_slots(who, now);
    }

    /// One record of a claim after another.
    fn succession(&mut self, who: &Who, old: &Claim, new: &Claim, now: &StoreTime) {
        let task = new.task;
        if new.fence < old.fence {
            self.wrong(
                "C2",
                &format!("the fence of {task} went from {} to {}", old.fence, new.fence),
            );
        }
        let passed_on = new.holder.is_some() && new.holder != old.holder;
        if passed_on && new.fence <= old.fence {
            self.wrong("C2", &format!("two holders of {task} have fence {}", new.fence));
        }
        if passed_on && old.revoked.as_ref().is_some_and(|r| !r.until.is_past(now)) {
            self.wrong(
                "C8",
                &format!("{task} was taken although the revoked holder may still act"),
            );
        }
        let Some(holder) = old.holder.as_ref().filter(|_| old.is_live(now)) else { return };
        if new.holder.as_ref() == Some(holder) {
            return;
        }
        let own = holder.daemon.as_str() == who.daemon;
        let by_itself = own && holder.life.as_str() == who.life_name();
        let by_next_life = own && holder.life.as_str() != who.life_name();
        let by_force = new.revoked.is_some();
        if !by_itself && !by_next_life && !by_force {
            self.wrong("C1/C8", &format!("{task} was taken from a live holder"));
        }
    }

    /// Runs at work count. A claim alone does not: whose worker never learned that it got it, nobody
    /// works under, and it ends with its lease. Nor does a run whose record says why it ends: its worker
    /// may be gone and have failed to write the rest down.
    fn count_slots(&mut self, who: &Who, now: &StoreTime) {
        let life = who.life_name();
        let held = self.claims.values().filter(|claim| {
            let is_at_work = |r: &Run| r.state == RunState::Running && r.reason.is_none();
            self.runs.get(&claim.run).is_some_and(is_at_work)
                && claim.is_live(now)
                && claim
                    .holder
                    .as_ref()
                    .is_some_and(|h| h.daemon.as_str() == who.daemon && h.life.as_str() == life)
        });
        let held = held.count();
        if self.slots.is_some_and(|slots| held > slots) {
            self.wrong("slots", &format!("{} holds {held} claims", who.daemon));
        }
    }

    fn run(&mut self, who: &Who, new: &Run) {
        let text = format!("run {} (attempt {}): {}", new.id, new.attempt, new.state);
        self.tell(who, &format!("{text} {:?} {}", new.reason, new.detail));
        let old = self.runs.insert(new.id.clone(), new.clone());
        let Some(old) = old.filter(|old| old.state != RunState::Running) else { return };
        if old.state != new.state || old.outcome != new.outcome {
            self.wrong(
                "one outcome",
                &format!("run {} was {} and is {} now", new.id, old.state, new.state),
            );
        }
    }

    fn effect(&mut self, who: &Who, effect: &Effect) {
        let is_new = self.intents.insert(effect.mark.clone(), effect.actor).is_none();
        let result = match &effect.result {
            None => "intended",
            Some(EffectResult::Done { .. }) => "done",
            Some(EffectResult::Failed { .. }) => "failed",
            Some(EffectResult::Unknown) => "unknown",
            Some(EffectResult::Recorded) => "recorded",
            Some(EffectResult::Proposed { .. }) => "proposed",
        };
        self.tell(who, &format!("effect {} {} {result}", effect.mark, effect.tool));
        if matches!(effect.result, Some(EffectResult::Failed { .. })) {
            self.given_up.insert(effect.mark.clone());
            if self.done.contains(&effect.mark) {
                self.wrong("C3", &format!("{} was done and stands as failed", effect.mark));
            }
        }
        if !is_new || effect.actor != EffectActor::Agent {
            return;
        }
        if self.is_told_to_stop(&effect.mark.run) {
            self.overruled.entry(effect.mark.run.clone()).or_insert(0);
        }
        if let Some(since) = self.overruled.get_mut(&effect.mark.run) {
            *since += 1;
            // One may have looked at the task before the person came.
            if *since > 1 {
                let what = format!("{} goes on although a person took over", effect.mark);
                self.wrong("C4", &what);
            }
        }
    }

    fn notice(&mut self, notice: Notice) {
        if let Delivery::Merged { into, .. } = notice.delivery {
            self.merged.insert(notice.key.clone(), into);
        }
        self.notices.insert(notice.key);
    }

    /// Whether a channel took a notice, or the one that it was put into.
    pub fn is_told(&self, key: &str) -> bool {
        self.told.contains(key) || self.merged.get(key).is_some_and(|into| self.is_told(into))
    }

    /// A channel took a notice.
    pub fn told(&mut self, key: &str) {
        self.told.insert(key.to_owned());
    }

    pub fn raised(&mut self, who: &Who, task: TaskId, fence: Fence) {
        self.tell(who, &format!("fence {fence} of {task} on the board"));
        let seen = self.fences_on_board.entry(task).or_insert(fence);
        *seen = fence.max(*seen);
    }

    /// A write to the board that happened.
    pub fn wrote(&mut self, who: &Who, stamp: &Stamp, write: Write<'_>, changed: bool) {
        let mark = stamp.mark.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
        self.tell(who, &format!("board: {mark} {write:?} (changed: {changed})"));
        let Some(mark) = &stamp.mark else {
            return self.wrong("C3", "a daemon wrote without a mark");
        };
        if !changed {
            return;
        }
        if !self.intents.contains_key(mark) {
            self.wrong("C3", &format!("{mark} was done before it was intended"));
        }
        self.done.insert(mark.clone());
        if self.given_up.contains(mark) {
            self.wrong("C3", &format!("{mark} was done after it stood as failed"));
        }
        if let Some((task, fence)) = stamp.claim {
            if self.fences_on_board.get(&task).is_some_and(|seen| fence < *seen) {
                self.wrong("C2", &format!("{mark} was done under the old fence {fence}"));
            }
            if self.claims.get(&task).is_none_or(|claim| claim.fence < fence) {
                self.wrong("C3", &format!("{mark} was done under a claim that is not stored"));
            }
        }
        match write {
            Write::Comment(text) if text.contains(SUMMARY) => {
                self.handed_over.insert(mark.run.clone());
            }
            Write::Edits(task, edits)
                if edits
                    .iter()
                    .any(|e| matches!(e, TaskEdit::Status(s) if Some(*s) == self.review))
                    && !self.handed_over.contains(&mark.run) =>
            {
                self.wrong(
                    "hand-over",
                    &format!("{task} is in review and nothing was handed over"),
                );
            }
            _ => {}
        }
    }

    /// A worker acted because its trust window was open.
    pub fn acted(&mut self, who: &Who, task: TaskId, fence: Fence, run: &RunId) {
        self.tell(who, &format!("{run} acts on {task} under fence {fence}"));
        let Some(claim) = self.claims.get(&task) else {
            return self.wrong("C3", "somebody acts without a claim");
        };
        let is_revoked = claim.revoked.as_ref().is_some_and(|r| r.holder.run == *run);
        if claim.fence != fence && !is_revoked {
            let what = format!("{run} acts on {task} under fence {fence} of {}", claim.fence);
            self.wrong("C1", &what);
        }
    }

    /// A person told the agent to stop, whatever is claimed just now.
    pub fn person_said_stop(&mut self, task: TaskId, comment: CommentId) {
        self.stops.insert(task, comment);
    }

    /// Whether somebody said stop after the task of a run was claimed.
    fn is_told_to_stop(&self, run: &RunId) -> bool {
        let claim = self.claims.values().find(|claim| claim.run == *run);
        claim.is_some_and(|claim| {
            let stop = self.stops.get(&claim.task).copied();
            stop.is_some_and(|stop| claim.before.comment.is_none_or(|before| before < stop))
        })
    }

    /// A person changed a task; this is how it is now.
    pub fn person_acted(&mut self, task: &Task) {
        let Some(claim) = self.claims.get(&task.id) else { return };
        if claim.phase != Phase::Working || claim.holder.is_none() {
            return;
        }
        let run = claim.run.clone();
        let wrote = &claim.wrote;
        let differs = wrote.assignee.is_some_and(|assignee| assignee != task.assignee)
            || wrote.status.is_some_and(|status| status != task.status)
            || task.has_tag("AI-Stop");
        if differs {
            self.overruled.entry(run).or_insert(0);
        } else {
            self.overruled.remove(&run);
        }
    }
}

/// A line of the journal, as far as it matters here.
#[derive(serde::Deserialize)]
struct Entry {
    effect: Effect,
}

/// A record, unless it is one of several parts.
fn read<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    if value.first() == Some(&b'#') {
        return None;
    }
    let text = || String::from_utf8_lossy(value).into_owned();
    Some(serde_json::from_slice(value).unwrap_or_else(|error| panic!("{error}: {}", text())))
}
