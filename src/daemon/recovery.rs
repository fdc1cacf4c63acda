//! After a crash: every claim, run and occurrence of an earlier life is seen to, by the crash table
//! of the claim protocol.
//!
//! | found | done |
//! |---|---|
//! | reserved, nothing written | freed; nothing was visible |
//! | announced, work not begun | carried on as the next attempt, or handed back |
//! | working | the run ends `interrupted`; the next attempt, or handed back |
//! | an effect of unknown fate | handed back, `unknown_effect`; it is never repeated |
//! | settling | the remaining writes are done; each is idempotent |
//! | settled, not released | released |

use super::beliefs::Open;
use super::dispatcher::Dispatcher;
use crate::board::BoardError;
use crate::domain::{
    Claim, EffectResult, EffectState, Fence, Occurrence, OccurrenceId, OccurrenceState, Phase,
    Reason, Run, RunState, Trigger,
};
use crate::ledger::LedgerError;

/// How an ended or parked claim is taken up again.
#[derive(Clone, Debug)]
pub(super) struct Resume {
    /// The fence of its record.
    pub fence: Fence,
    /// Which attempt comes next.
    pub attempt: u32,
    /// What was asked, and what a person answered.
    pub answer: Option<(String, String)>,
    /// It is only taken up to be handed back, for this reason.
    pub give_up: Option<(Reason, String)>,
    /// The run whose outcome was being written: the remaining writes are done under its name.
    pub settling: Option<Box<Run>>,
}

impl Dispatcher {
    /// Once, before the first event: takes over what the life before left behind.
    pub(super) async fn recover_all(&mut self) -> Result<(), LedgerError> {
        // The stop counts from the first moment: nothing is tried again while it stands.
        self.read_stop();
        self.reopen().await?;
        let ended = match self.parts.ledger.begin_life().await {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "the claims of an earlier life could not be ended");
                return Ok(());
            }
        };
        let still_claimed: Vec<_> = ended.iter().map(|claim| claim.run.clone()).collect();
        self.interrupt_claimless(&still_claimed).await?;
        for claim in ended {
            self.recover(claim).await;
        }
        Ok(())
    }

    /// Occurrences that were open are open again.
    async fn reopen(&mut self) -> Result<(), LedgerError> {
        for occurrence in self.parts.ledger.open_occurrences().await? {
            let playbook = self.parts.playbook(&occurrence.playbook);
            let mut open = Open::new(occurrence.clone(), playbook);
            if occurrence.state == OccurrenceState::Running {
                // What it had not begun by then waits for the next occurrence.
                open.closed = true;
                open.runs = self.runs_of(&occurrence).await?;
            }
            // Nobody waits any more for what was asked for by hand in an earlier life.
            if occurrence.trigger == Trigger::Manual && open.runs.is_empty() {
                let state = OccurrenceState::Skipped { reason: Reason::Interrupted };
                self.parts.ledger.set_occurrence_state(&occurrence.id, state).await?;
                continue;
            }
            self.beliefs.open.insert(occurrence.id, open);
        }
        Ok(())
    }

    async fn runs_of(&self, occurrence: &Occurrence) -> Result<Vec<Run>, LedgerError> {
        let filter = crate::ledger::RunFilter {
            playbook: Some(occurrence.playbook.clone()),
            since: Some(occurrence.decided.min(occurrence.planned)),
            ..crate::ledger::RunFilter::default()
        };
        let runs = self.parts.ledger.runs(&filter, 1_000).await?;
        let own = runs.into_iter().filter(|run| run.occurrence == occurrence.id);
        Ok(own.filter(|run| run.state != RunState::Running).collect())
    }

    /// Runs without a claim that were under way have ended with the process.
    async fn interrupt_claimless(
        &mut self,
        claimed: &[crate::domain::RunId],
    ) -> Result<(), LedgerError> {
        for run in self.parts.ledger.running().await? {
            if !claimed.contains(&run.id) {
                self.interrupt(run).await?;
            }
        }
        Ok(())
    }

    async fn interrupt(&mut self, run: Run) -> Result<(), LedgerError> {
        let ended = Run {
            state: RunState::Interrupted,
            reason: Some(Reason::Interrupted),
            detail: "the daemon ended while it worked".to_owned(),
            ended: Some(self.parts.clock.wall()),
            ..run
        };
        self.parts.ledger.finish_run(&ended, Vec::new()).await?;
        tracing::warn!(run = %ended.id, "interrupted by the end of the daemon");
        if let Some(open) = self.beliefs.open.get_mut(&ended.occurrence) {
            open.runs.push(ended);
        }
        Ok(())
    }

    /// Sees to one ended claim.
    pub(super) async fn recover(&mut self, claim: Claim) {
        let (task, fence) = (claim.task, claim.fence);
        match self.recover_one(&claim).await {
            Ok(Some(resume)) => self.resume(&claim, resume).await,
            Ok(None) => {
                if let Err(error) = self.parts.ledger.forget_orphan(task, fence).await {
                    tracing::warn!(%task, %error, "an ended claim could not be put away");
                }
            }
            Err(error) => {
                tracing::error!(%task, %error, "a claim could not be recovered; the next start tries again");
            }
        }
    }

    /// What is to be done with an ended claim; `None`: nothing is visible any more.
    async fn recover_one(&mut self, claim: &Claim) -> Result<Option<Resume>, LedgerError> {
        let run = self.parts.ledger.run(claim.run.as_str()).await?;
        let effects = self.parts.ledger.effects(&claim.run).await?;
        let announced = claim.wrote.status.is_some() || !effects.is_empty();
        let next = |attempt, give_up| Resume {
            fence: claim.fence,
            attempt,
            answer: None,
            give_up,
            settling: None,
        };
        let Some(run) = run else {
            return Ok(announced.then(|| next(claim.attempt, None)));
        };
        if run.state != RunState::Running && claim.phase != Phase::Reserved {
            // Settled, not released; or between two attempts.
            let between = run.state.may_retry() && run.attempt < self.attempts_max(&run);
            return Ok(between.then(|| next(run.attempt + 1, None)));
        }
        let unknown = self.unknown_effect(&run).await?;
        let attempts_max = self.attempts_max(&run);
        if claim.phase == Phase::Settling && run.settle_from.is_some() {
            let attempt = run.attempt;
            return Ok(Some(Resume { settling: Some(Box::new(run)), ..next(attempt, None) }));
        }
        let attempt = run.attempt;
        self.interrupt(run).await?;
        if !announced || self.shows_nothing(claim).await {
            return Ok(None);
        }
        let give_up = match unknown {
            Some(detail) => Some((Reason::UnknownEffect, detail)),
            None if self.beliefs.stopped => Some((
                Reason::Stopped,
                "the daemon ended while it worked, and everything is stopped".to_owned(),
            )),
            None if attempt >= attempts_max => Some((
                Reason::AttemptsUsedUp,
                format!("the daemon ended during attempt {attempt} of {attempts_max}"),
            )),
            None => None,
        };
        Ok(Some(next(attempt + 1, give_up)))
    }

    /// Whether an announcement never arrived: the task is as it was found.
    async fn shows_nothing(&self, claim: &Claim) -> bool {
        let Ok(task) = self.parts.board.task(claim.task).await else { return false };
        let wrote = &claim.wrote;
        claim.phase == Phase::Announced
            && task.assignee == claim.before.assignee
            && Some(task.status) == claim.before.status
            && !wrote.tags.iter().any(|tag| task.has_tag(tag))
    }

    fn attempts_max(&self, run: &Run) -> u32 {
        self.parts.playbook(&run.playbook).map_or(1, |playbook| playbook.limits.attempts)
    }

    /// Asks the board about every intent without a result, and writes down what it says.
    async fn unknown_effect(&self, run: &Run) -> Result<Option<String>, LedgerError> {
        let mut unknown = None;
        for effect in self.parts.ledger.open_intents(&run.id).await? {
            let state = match self.parts.board.effect_of(&effect.mark).await {
                Ok(state) => state,
                Err(BoardError::NotFound { .. }) => EffectState::Absent,
                Err(error) => {
                    tracing::warn!(mark = %effect.mark, %error, "the board cannot be asked");
                    EffectState::Unknown
                }
            };
            let result = match state {
                EffectState::Applied(entity) => EffectResult::Done {
                    entity,
                    before: crate::domain::Value::Null,
                    after: effect.args.clone(),
                    inverse: None,
                    at: self.parts.clock.wall(),
                },
                EffectState::Absent => EffectResult::Failed {
                    code: Reason::Interrupted.code().to_owned(),
                    message: "the daemon ended before it happened".to_owned(),
                },
                EffectState::Unknown => {
                    unknown = Some(format!("{} ({})", effect.tool, effect.mark));
                    EffectResult::Unknown
                }
            };
            self.parts.ledger.conclude(&effect.mark, result, Vec::new()).await?;
        }
        Ok(unknown)
    }

    /// Takes an ended or parked claim up again: as the next attempt, or to hand it back.
    pub(super) async fn resume(&mut self, claim: &Claim, resume: Resume) {
        let run = self.parts.ledger.run(claim.run.as_str()).await.ok().flatten();
        let id = match &run {
            Some(run) => run.occurrence.clone(),
            None => OccurrenceId::new(format!("{}/recovered/{}", claim.playbook, claim.run)),
        };
        if self.parts.playbook(&claim.playbook).is_none() {
            tracing::error!(
                task = %claim.task, playbook = %claim.playbook,
                "the playbook is gone: its task stays as it is until the playbook is back"
            );
            return;
        }
        let occurrence = if self.beliefs.open.contains_key(&id) {
            id
        } else {
            match self.open_again(claim).await {
                Ok(id) => id,
                Err(error) => {
                    tracing::error!(task = %claim.task, %error, "a claim could not be taken up again");
                    return;
                }
            }
        };
        if let Some(open) = self.beliefs.open.get_mut(&occurrence) {
            open.closed = true;
        }
        self.start(&occurrence, Some(claim.task), resume.attempt, Some(resume)).await;
    }

    /// What reviewers have sent back waits for its author from now on.
    pub(super) async fn take_up_rework(&mut self, runs: &[Run]) {
        for run in runs.iter().filter(|run| run.reason == Some(Reason::SentBack)) {
            let queued = match self.parts.ledger.open_occurrences().await {
                Ok(open) => open.into_iter().find(|o| super::handoff::is_rework_of(&o.id, &run.id)),
                Err(error) => {
                    tracing::error!(run = %run.id, %error, "what it sent back waits for a restart");
                    return;
                }
            };
            if let Some(occurrence) = queued {
                let playbook = self.parts.playbook(&occurrence.playbook);
                let open = Open::new(occurrence.clone(), playbook);
                self.beliefs.open.entry(occurrence.id).or_insert(open);
            }
        }
    }

    /// A settled occurrence never changes: what is taken up after it gets one of its own.
    async fn open_again(&mut self, claim: &Claim) -> Result<OccurrenceId, LedgerError> {
        let now = self.parts.clock.wall();
        let occurrence = Occurrence {
            id: OccurrenceId::new(format!(
                "{}/resumed/{}/{}",
                claim.playbook, claim.task, claim.fence
            )),
            playbook: claim.playbook.clone(),
            trigger: Trigger::Rework,
            planned: now,
            task: Some(claim.task),
            decided: now,
            state: OccurrenceState::Queued,
            covers: None,
        };
        if self.parts.ledger.occurrence(&occurrence.id).await?.is_none() {
            self.parts.ledger.put_occurrence(&occurrence).await?;
        }
        let playbook = self.parts.playbook(&claim.playbook);
        let mut open = Open::new(occurrence, playbook);
        open.closed = true;
        let id = open.occurrence.id.clone();
        self.beliefs.open.insert(id.clone(), open);
        Ok(id)
    }
}
