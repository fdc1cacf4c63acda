//! What a person decided to apply is written: one proposal after the other, each once, under a claim
//! of its own with a new fence. What somebody changed since it was proposed stays.

use super::announce::tool_trouble;
use super::earlier;
use super::parts::Parts;
use super::worker::{Worker, store_trouble};
use crate::domain::{
    Effect, EffectActor, EffectResult, EndKind, Entity, Mode, Outcome, Phase, Proposal,
    ProposalState, Reason, Run, RunId, RunState, Staging, StatusKind, Task, Usage, Value,
};
use crate::ledger::LedgerError;
use crate::runner::WorkEnd;
use std::collections::BTreeMap;

/// So often a write is tried again when somebody changed something else meanwhile.
const TRIES_MAX: u32 = 4;

/// The values that were written to fields since they were proposed upon, by us.
type Own = BTreeMap<(Entity, String), Value>;

/// A run that applies ends as the one that proposed; from its first moment on a crash goes on applying.
pub(super) async fn begins(parts: &Parts, run: &mut Run) -> Result<(), LedgerError> {
    run.settle_from = Some(0);
    let Some(task) = run.task else { return Ok(()) };
    if let Some(staging) = parts.ledger.staging(task).await? {
        run.outcome = staging.outcome;
        run.summary = staging.summary;
    }
    Ok(())
}

impl Worker {
    /// The run whose proposals are decided under this claim.
    pub(super) fn staged_run(&self) -> Option<RunId> {
        self.held.as_ref().and_then(|held| held.claim.staged.clone())
    }

    async fn staging_of(&self, task: &Task, run: &RunId) -> Result<Staging, WorkEnd> {
        let found = self.parts.ledger.staging(task.id).await;
        let found = found.map_err(|error| store_trouble(&error))?;
        found.filter(|staging| staging.run == *run).ok_or_else(|| {
            let detail = format!("what run {run} proposed is not known any more");
            WorkEnd::ended(RunState::Failed, Reason::NotFound, detail, Usage::default())
        })
    }

    /// Applies what a person wants to be applied, the outcome last.
    pub(super) async fn apply(
        &mut self,
        task: &Task,
        outcome: &Outcome,
        run: &RunId,
        end: &WorkEnd,
    ) -> Result<WorkEnd, WorkEnd> {
        let staging = self.staging_of(task, run).await?;
        let effects = self.effects_of(&staging).await?;
        self.mark(task).await?;
        if self.held.as_ref().is_some_and(|held| held.claim.phase < Phase::Working) {
            self.advance(Phase::Working, None, None).await?;
        }
        self.is_still_ours(None).await?;
        let mut settling: Option<Task> = None;
        for item in staging.items.iter().filter(|item| item.state == ProposalState::Open) {
            let Some(effect) = effects.iter().find(|effect| effect.mark == item.mark) else {
                self.note_fate(&staging, item, (ProposalState::Failed, "it is not journaled"))
                    .await?;
                continue;
            };
            if !staging.applies(item.number) {
                let left_out = (ProposalState::Rejected, "a person left it out");
                self.note_fate(&staging, item, left_out).await?;
                continue;
            }
            if effect.actor == EffectActor::Rota {
                match &settling {
                    None => settling = Some(self.settles(end).await?),
                    seen => self.is_still_ours(seen.as_ref()).await?,
                }
            }
            let (state, why) = self.apply_one(&staging, item, effect).await?;
            self.note_fate(&staging, item, (state, &why)).await?;
        }
        if settling.is_none() {
            self.settles(end).await?;
        }
        self.applied(task, (outcome, run), &effects, end).await
    }

    /// From here on the outcome is written.
    async fn settles(&mut self, end: &WorkEnd) -> Result<Task, WorkEnd> {
        self.is_still_ours(None).await?;
        let Some(now) = self.read_task().await? else {
            return Err(yielded(Reason::NotFound, "the task is gone".to_owned()));
        };
        self.begin_settling(&now, end).await?;
        Ok(now)
    }

    /// A person who came first keeps the task; also one who is quicker by a hair.
    async fn is_still_ours(&self, seen: Option<&Task>) -> Result<(), WorkEnd> {
        if let Some((reason, detail)) = self.person_took_over().await? {
            return Err(yielded(reason, detail));
        }
        let Some(seen) = seen else { return Ok(()) };
        match self.read_task().await? {
            Some(now) if now.assignee == seen.assignee && now.status == seen.status => Ok(()),
            _ => {
                let detail = "its assignee or status changed while proposals were applied";
                Err(yielded(Reason::PersonTookOver, detail.to_owned()))
            }
        }
    }

    async fn effects_of(&self, staging: &Staging) -> Result<Vec<Effect>, WorkEnd> {
        let mut runs: Vec<&RunId> = staging.items.iter().map(|item| &item.mark.run).collect();
        runs.dedup();
        let mut effects = Vec::new();
        for run in runs {
            let of_run = self.parts.ledger.effects(run).await;
            effects.extend(of_run.map_err(|error| store_trouble(&error))?);
        }
        Ok(effects)
    }

    async fn note_fate(
        &self,
        staging: &Staging,
        item: &Proposal,
        fate: (ProposalState, &str),
    ) -> Result<(), WorkEnd> {
        let ledger = &self.parts.ledger;
        let noted = ledger.note_proposal(staging.task, &staging.run, item.number, fate).await;
        noted.map_err(|error| store_trouble(&error))
    }

    /// Writes one of them, once, whoever tried before.
    async fn apply_one(
        &mut self,
        staging: &Staging,
        item: &Proposal,
        effect: &Effect,
    ) -> Result<(ProposalState, String), WorkEnd> {
        let sentence = staging.decided.as_ref();
        let edited = sentence.and_then(|sentence| sentence.edits.get(&item.number));
        let args = edited.unwrap_or(&effect.args);
        let expected = expected(effect, &self.own_since(staging).await?);
        let mut why = String::new();
        for _ in 0..TRIES_MAX {
            let mut context = self.context(effect.actor, None).await?;
            if let Some(run) = &mut context.run {
                run.mode = Mode::Live;
                run.once = Some(format!("proposal/{}", effect.mark));
                run.applies = Some(expected.clone());
            }
            let error = match self.parts.tools.call(&effect.tool, args.clone(), &context).await {
                Ok(_) if edited.is_some() => return Ok((ProposalState::Edited, String::new())),
                Ok(_) => return Ok((ProposalState::Applied, String::new())),
                Err(error) => error,
            };
            match error.reason() {
                // Perhaps somebody changed something else in the same moment.
                Reason::RevisionConflict => why = error.to_string(),
                Reason::BoardUnavailable | Reason::StoreFailed => {
                    // It is gone on with when they are back.
                    self.unfinished = true;
                    return Err(tool_trouble(&error));
                }
                _ if error.is_fatal() => return Err(tool_trouble(&error)),
                reason => return Ok((ProposalState::Failed, format!("{reason}: {error}"))),
            }
        }
        Ok((ProposalState::Conflict, why))
    }

    /// What was written since the proposals were made, by whoever applied them.
    async fn own_since(&self, staging: &Staging) -> Result<Own, WorkEnd> {
        let unread = |error: LedgerError| store_trouble(&error);
        let mut runs = earlier::runs_before(&self.parts, &self.run).await.map_err(unread)?;
        runs.reverse();
        runs.push(self.run.clone());
        let mut own = Own::new();
        for run in runs {
            for effect in self.parts.ledger.effects(&run.id).await.map_err(unread)? {
                let Some(EffectResult::Done { entity, after, .. }) = &effect.result else {
                    continue;
                };
                if effect.intended < staging.since || run.id == staging.run {
                    continue;
                }
                for (field, value) in after.as_map().into_iter().flatten() {
                    own.insert((*entity, field.clone()), value.clone());
                }
            }
        }
        Ok(own)
    }

    /// All of them have their end: whether the outcome is among what was applied decides whether the
    /// task passes on or goes back.
    async fn applied(
        &mut self,
        task: &Task,
        (outcome, run): (&Outcome, &RunId),
        effects: &[Effect],
        end: &WorkEnd,
    ) -> Result<WorkEnd, WorkEnd> {
        let staging = self.staging_of(task, run).await?;
        let (written, all) = staging.applied();
        let tool_of = |item: &Proposal| effects.iter().find(|effect| effect.mark == item.mark);
        let left = staging.items.iter().filter(|item| !item.state.is_applied());
        let told = left.map(|item| {
            let tool = tool_of(item).map_or("a write", |effect| effect.tool.as_str());
            format!("; number {} ({tool}) not: {}", item.number, item.why)
        });
        let told: String = told.collect();
        let detail = format!("{written} of {all} proposals were applied{told}");
        let moves = |item: &&Proposal| {
            tool_of(item).is_some_and(|e| e.actor == EffectActor::Rota && e.tool == "editTask")
        };
        let last = staging.items.iter().find(moves);
        if let Some(missing) = last.filter(|item| !item.state.is_applied()) {
            let reason = match missing.state {
                ProposalState::Conflict => Reason::RevisionConflict,
                ProposalState::Failed => Reason::ToolFailed,
                _ => Reason::ProposalsRejected,
            };
            return Err(WorkEnd {
                summary: end.summary.clone(),
                ..WorkEnd::ended(RunState::Failed, reason, detail, Usage::default())
            });
        }
        let Some(now) = self.read_task().await? else { return Ok(end.clone()) };
        let project = self.project_of(&now).await?;
        let is_handed_over = last.is_some() && project.kind_of(now.status) == StatusKind::Waiting;
        let end = WorkEnd { detail, ..end.clone() };
        self.passed_on(outcome, &now, (now.status, is_handed_over), &end).await
    }

    /// Nothing more becomes of what was proposed once the claim that it was decided under ends.
    pub(super) async fn close_staging(&mut self, end: &WorkEnd, how: EndKind) {
        let Some(run) = self.staged_run() else { return };
        let Some(task) = self.job.task else { return };
        if end.state == RunState::Waiting || how == EndKind::Expired {
            return;
        }
        let state = match end.reason {
            Reason::ProposalsExpired => ProposalState::Expired,
            Reason::ProposalsRejected => ProposalState::Rejected,
            _ => ProposalState::Failed,
        };
        let why = if end.detail.is_empty() { end.reason.text() } else { end.detail.as_str() };
        if let Err(error) = self.parts.ledger.close_staging(task, &run, (state, why)).await {
            // Seen to at a tick: its claim has ended.
            tracing::warn!(run = %self.run.id, %error, "what was proposed is not put away yet");
        }
    }
}

/// The fields that a proposal changes, as it found them, or as we have left them since.
fn expected(effect: &Effect, own: &Own) -> Value {
    let Some(EffectResult::Proposed { entity, before, .. }) = &effect.result else {
        return Value::Null;
    };
    let fields = before.as_map().into_iter().flatten();
    Value::map(fields.map(|(field, found)| {
        let now = own.get(&(*entity, field.clone())).unwrap_or(found);
        (field.clone(), now.clone())
    }))
}

fn yielded(reason: Reason, detail: String) -> WorkEnd {
    WorkEnd::ended(RunState::Yielded, reason, detail, Usage::default())
}
