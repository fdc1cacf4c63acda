//! Undoing a run: its effects are put back by their recorded inverses, the newest first.
//!
//! What somebody else changed since stays, and the report says so, effect by effect. Its own writes are
//! journaled as a run of its own, under a claim where the run had a task, so nobody works there meanwhile.

use super::brief::text_of;
use super::by_hand as playbook;
use super::dispatcher::failed;
use super::marker::Marking;
use super::parts::Parts;
use crate::domain::{
    Activity, ActivityQuery, Assistant, Effect, EffectActor, EffectResult, EndKind, Entity, Mode,
    OccurrenceId, Phase, Reason, Run, RunId, RunState, TaskId, ToolCall, Usage, Value,
};
use crate::ledger::{Acquire, ClaimError, Held, LedgerError};
use crate::tools::desk::{DeskError, UndoAsk};
use crate::tools::{Context, Progress, RunContext, Tally, Trust};
use std::collections::BTreeSet;
use std::sync::Arc;

/// At most so many effects are undone in one go.
const EFFECTS_MAX: usize = 1_000;
/// So many pages of what happened since are looked through.
const PAGES_MAX: usize = 20;
/// Long enough for all of it; the guard ends what takes longer.
const LEASE_MINUTES: u32 = 10;

/// An undoing under way.
struct Undo<'a> {
    parts: &'a Parts,
    ask: &'a UndoAsk,
    run: Run,
    /// What it writes under; `None` where it only says what it would do.
    own: Option<Own>,
    /// Fields that stay as they are: what lies below them stays, too.
    stuck: BTreeSet<(String, String)>,
}

/// Its own record, and its claim.
struct Own {
    run: Run,
    held: Option<Held>,
    tally: Arc<Tally>,
}

/// What became of one effect.
struct Fate {
    state: &'static str,
    reason: Option<Reason>,
    detail: String,
}

/// Undoes a run, or says what that would do.
pub(super) async fn undo(parts: &Parts, ask: &UndoAsk) -> Result<Value, DeskError> {
    let ledger = &parts.ledger;
    let run = ledger.run(ask.run.as_str()).await.map_err(|error| match error {
        error @ LedgerError::Ambiguous { .. } => DeskError::NotFound(error.to_string()),
        error => failed(error),
    })?;
    let run = run
        .ok_or_else(|| DeskError::NotFound(format!("there is no run {}; see listRuns", ask.run)))?;
    let (effects, has_newer) = ledger.effects_and_newer(&run.id).await.map_err(failed)?;
    if has_newer {
        // To put back the others only would leave half of it.
        let run = &run.id;
        let message =
            format!("some of the writes of {run} were written by a newer Rota: undo it there");
        return Err(DeskError::Refused { reason: Reason::Unsupported, message });
    }
    if effects.len() > EFFECTS_MAX {
        let message = format!("it has {} effects, at most {EFFECTS_MAX} are undone", effects.len());
        return Err(DeskError::Refused { reason: Reason::Unsupported, message });
    }
    may_begin(parts, &run).await?;
    let own = if ask.dry_run { None } else { Some(begin(parts, ask, &run).await?) };
    let mut undo = Undo { parts, ask, run, own, stuck: BTreeSet::new() };
    let mut items = Vec::new();
    for effect in effects.iter().rev() {
        let fate = undo.one(effect).await;
        items.push((effect, fate));
    }
    undo.end(&items).await?;
    Ok(undo.report(&items))
}

/// A run that works, or whose task is held or still to be handed back, is left alone.
async fn may_begin(parts: &Parts, run: &Run) -> Result<(), DeskError> {
    let refused = |message| Err(DeskError::Refused { reason: Reason::AlreadyClaimed, message });
    if run.state == RunState::Running {
        return refused(format!("run {} is under way; stop it first", run.id));
    }
    let Some(task) = run.task else { return Ok(()) };
    let last = parts.ledger.claim(task).await.map_err(of_claim)?;
    // Also one whose lease has ended, until it was seen to: it may still show.
    if let Some(claim) = last.filter(|last| last.holder.is_some() || last.phase == Phase::Parked) {
        let by = claim.assistant.map_or(claim.playbook.to_string(), |assistant| assistant.name);
        return refused(format!("task {task} is held by {by} (run {}); try later", claim.run));
    }
    let orphans = parts.ledger.orphans().await.map_err(of_claim)?;
    if orphans.iter().any(|orphan| orphan.task == task) {
        return refused(format!("task {task} is still to be handed back; try later"));
    }
    // Another daemon's, which shares the board and not the ledger.
    let Some(marking) = Marking::on(parts) else { return Ok(()) };
    let look = marking.first_look(task).await;
    look.map(|_| ()).map_err(|(reason, message)| DeskError::Refused { reason, message })
}

/// Takes the run's task, and begins the record of the undoing.
async fn begin(parts: &Parts, ask: &UndoAsk, run: &Run) -> Result<Own, DeskError> {
    let id = RunId::new(format!("u-{}", parts.entropy.nonce()));
    let held = match run.task {
        Some(task) => Some(claim(parts, ask, task, &id).await?),
        None => None,
    };
    let own = Run {
        occurrence: OccurrenceId::new(format!("{}/{id}", playbook::UNDO)),
        id,
        playbook: playbook::name_of(playbook::UNDO),
        definition: playbook::HASH.to_owned(),
        task: run.task,
        attempt: 1,
        fence: held.as_ref().map(|held| held.claim.fence),
        state: RunState::Running,
        reason: None,
        detail: String::new(),
        outcome: None,
        summary: format!("undoes run {}", run.id),
        started: parts.clock.wall(),
        ended: None,
        usage: Usage::default(),
        daemon: Some(parts.settings.daemon.clone()),
        settle_from: None,
        left: None,
        reviewer: None,
        by: None,
        looked_at: None,
        evidence: Vec::new(),
    };
    parts.ledger.start_run(&own, playbook::SOURCE).await.map_err(failed)?;
    Ok(Own { run: own, held, tally: Arc::default() })
}

async fn claim(parts: &Parts, ask: &UndoAsk, task: TaskId, run: &RunId) -> Result<Held, DeskError> {
    let assistant = Assistant::of(&ask.principal, LEASE_MINUTES);
    let acquire = Acquire {
        task,
        run: run.clone(),
        playbook: playbook::name_of(playbook::UNDO),
        attempt: 1,
        lease: assistant.lease(),
        nonce: parts.ledger.nonce(),
        resume: None,
        comment: None,
    };
    let held = parts.ledger.acquire_for(acquire, assistant).await.map_err(of_claim)?;
    // A write of the run's that is still on its way is refused from here on.
    let raised = parts.board.raise_fence(task, held.claim.fence).await;
    match raised {
        Ok(()) | Err(crate::board::BoardError::NotFound { .. }) => Ok(held),
        Err(error) => {
            let mut held = held;
            let ended = parts.ledger.end(&mut held, EndKind::Released, Reason::BoardUnavailable);
            ended.await.map_err(of_claim)?;
            let reason = Reason::BoardUnavailable;
            Err(DeskError::Refused { reason, message: error.to_string() })
        }
    }
}

impl Undo<'_> {
    async fn one(&mut self, effect: &Effect) -> Fate {
        if effect.is_beside_board() {
            return Fate { state: "nothing", reason: None, detail: String::new() };
        }
        let (entity, after, inverse) = match &effect.result {
            Some(EffectResult::Done { entity, after, inverse, .. }) => (*entity, after, inverse),
            Some(
                EffectResult::Failed { .. }
                | EffectResult::Recorded
                | EffectResult::Proposed { .. },
            ) => {
                return Fate { state: "nothing", reason: None, detail: String::new() };
            }
            Some(EffectResult::Unknown) | None => {
                let reason = Reason::UnknownEffect;
                return refused(reason, reason.text().to_owned());
            }
        };
        let fields = fields_of(after);
        if fields.is_empty() {
            return Fate { state: "nothing", reason: None, detail: String::new() };
        }
        let fate = match self.hindrance(effect, entity, &fields).await {
            Err(fate) => fate,
            Ok(()) => match inverse {
                None => refused(Reason::Unsupported, "nothing can put it back".to_owned()),
                Some(inverse) => self.put_back(entity, inverse).await,
            },
        };
        if fate.state == "refused" {
            let names = fields.into_iter().map(|field| (entity.to_string(), field));
            self.stuck.extend(names);
        }
        fate
    }

    /// What stands against putting an effect back: somebody changed what it changed.
    async fn hindrance(
        &self,
        effect: &Effect,
        entity: Entity,
        fields: &[String],
    ) -> Result<(), Fate> {
        let is_stuck =
            |field: &&String| self.stuck.contains(&(entity.to_string(), (*field).clone()));
        if let Some(field) = fields.iter().find(is_stuck) {
            let detail = format!("a later change of its {field} could not be undone");
            return Err(refused(Reason::RevisionConflict, detail));
        }
        self.is_free(entity).await?;
        let is_removed = matches!(fields_are(effect), Made::Anew);
        let since = self.since(effect, entity).await?;
        let is_ours = |run: &RunId| *run == self.run.id || Some(run) == self.own_of();
        let foreign: BTreeSet<String> = since
            .iter()
            .filter(|row| row.mark.as_ref().is_none_or(|mark| !is_ours(&mark.run)))
            .filter(|row| {
                let is_it = row.entity == entity;
                let of_task = matches!(entity, Entity::Task(id) if row.task == Some(id));
                let is_field = !matches!(entity, Entity::Task(_)) || fields.contains(&row.field);
                if is_removed { is_it || of_task } else { is_it && is_field }
            })
            .map(|row| format!("{} (at {})", row.field, text_of(row.at)))
            .collect();
        if foreign.is_empty() {
            return Ok(());
        }
        let changed: Vec<String> = foreign.into_iter().take(10).collect();
        let detail = format!("somebody else changed it since: {}", changed.join(", "));
        Err(refused(Reason::RevisionConflict, detail))
    }

    /// Another task than the run's own may be somebody's by now.
    async fn is_free(&self, entity: Entity) -> Result<(), Fate> {
        let Entity::Task(id) = entity else { return Ok(()) };
        if self.run.task == Some(id) {
            return Ok(());
        }
        match self.parts.ledger.holding(id).await {
            Ok(None) => Ok(()),
            Ok(Some((claim, _))) => {
                let detail = format!("task {id} is held by run {}", claim.run);
                Err(refused(Reason::AlreadyClaimed, detail))
            }
            Err(error) => Err(refused(Reason::StoreFailed, error.to_string())),
        }
    }

    fn own_of(&self) -> Option<&RunId> {
        self.own.as_ref().map(|own| &own.run.id)
    }

    /// What happened after an effect to what it is about, the latest first.
    async fn since(&self, effect: &Effect, entity: Entity) -> Result<Vec<Activity>, Fate> {
        let task = match entity {
            Entity::Task(id) => Some(id),
            _ => None,
        };
        let mut query =
            ActivityQuery { task, latest_first: true, limit: 1_000, ..ActivityQuery::default() };
        let mut since = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self
                .parts
                .board
                .activity(&query)
                .await
                .map_err(|error| refused(Reason::BoardUnavailable, error.to_string()))?;
            let Some(last) = page.items.last().map(|row| row.id) else { break };
            query.after = Some(last);
            for row in page.items {
                if row.mark.as_ref() == Some(&effect.mark) {
                    return Ok(since);
                }
                since.push(row);
            }
        }
        let detail = "the board does not tell what happened since".to_owned();
        Err(refused(Reason::Unsupported, detail))
    }

    async fn put_back(&self, entity: Entity, inverse: &ToolCall) -> Fate {
        let Some(own) = &self.own else {
            let detail = inverse.tool.clone();
            return Fate { state: "would_undo", reason: None, detail };
        };
        let context = match self.context(own, entity).await {
            Ok(context) => context,
            Err(fate) => return fate,
        };
        match self.parts.tools.call(&inverse.tool, inverse.args.clone(), &context).await {
            Ok(_) => Fate { state: "undone", reason: None, detail: inverse.tool.clone() },
            Err(error) => refused(error.reason(), error.to_string()),
        }
    }

    /// The caller's own rights, under the claim; what is edited is as it was looked at.
    async fn context(&self, own: &Own, entity: Entity) -> Result<Context, Fate> {
        let claim = own.held.as_ref().map(|held| (held.claim.task, held.claim.fence));
        let (task, revision) = match entity {
            Entity::Task(id) => match self.parts.board.task(id).await {
                Ok(task) => (Some(id), Some(task.revision)),
                Err(error) => return Err(refused(Reason::NotFound, error.to_string())),
            },
            _ => (None, None),
        };
        let trust = own.held.as_ref().map_or_else(Trust::without_lease, |held| {
            Trust::window(held.trust.clone(), Arc::clone(&self.parts.clock))
        });
        let person = &self.ask.principal.person;
        Ok(Context {
            principal: self.ask.principal.clone(),
            zone: self.ask.zone,
            only_projects: Vec::new(),
            progress: Progress::default(),
            is_by_hand: false,
            is_of_daemon: false,
            run: Some(RunContext {
                run: own.run.id.clone(),
                playbook: Arc::new(playbook::of(playbook::UNDO, &person.name, self.ask.zone)),
                task,
                claim,
                projects: Vec::new(),
                trust,
                // As the daemon hands back: also what the run said, which is no one else's to delete.
                actor: EffectActor::Rota,
                mode: Mode::Live,
                revision,
                marker: None,
                once: None,
                applies: None,
                workspace: None,
                tally: Arc::clone(&own.tally),
                span: tracing::Span::none(),
            }),
        })
    }

    async fn end(&mut self, items: &[(&Effect, Fate)]) -> Result<(), DeskError> {
        let summary = format!(
            "undid {} of {} effects of run {}",
            count(items, "undone"),
            items.len(),
            self.run.id
        );
        let Some(own) = &mut self.own else { return Ok(()) };
        let ended = Run {
            state: RunState::Succeeded,
            reason: Some(Reason::Done),
            summary: summary.clone(),
            ended: Some(self.parts.clock.wall()),
            ..own.run.clone()
        };
        // The record first: whoever finds the claim free finds the run ended.
        self.parts.ledger.finish_run(&ended, Vec::new()).await.map_err(failed)?;
        if let Some(held) = &mut own.held {
            match self.parts.ledger.end(held, EndKind::Released, Reason::Done).await {
                Ok(()) | Err(ClaimError::Lost { .. }) => {}
                Err(error) => return Err(of_claim(error)),
            }
        }
        let who = &self.ask.principal.person.name;
        self.parts.ledger.audit(who, "undo", &summary).await.map_err(failed)?;
        Ok(())
    }

    fn report(&self, items: &[(&Effect, Fate)]) -> Value {
        let number = |state| i64::try_from(count(items, state)).unwrap_or(i64::MAX);
        let item = |(effect, fate): &(&Effect, Fate)| {
            let entity = match &effect.result {
                Some(EffectResult::Done { entity, .. }) => entity.to_string(),
                _ => String::new(),
            };
            Value::map([
                ("seq", Value::from(i64::from(effect.mark.seq))),
                ("tool", effect.tool.as_str().into()),
                ("entity", entity.into()),
                ("state", fate.state.into()),
                ("reason", fate.reason.map(Reason::code).into()),
                ("detail", fate.detail.as_str().into()),
            ])
        };
        Value::map([
            ("run", Value::from(self.run.id.as_str())),
            ("undo", self.own_of().map(|id| id.as_str().to_owned()).into()),
            ("dryRun", self.own.is_none().into()),
            ("undone", number("undone").into()),
            ("refused", number("refused").into()),
            ("items", Value::List(items.iter().map(item).collect())),
        ])
    }
}

/// What an effect did to its entity.
enum Made {
    /// It was not there before.
    Anew,
    /// Its fields were changed.
    Change,
}

fn fields_are(effect: &Effect) -> Made {
    match &effect.result {
        Some(EffectResult::Done { before, .. }) if fields_of(before).is_empty() => Made::Anew,
        _ => Made::Change,
    }
}

fn fields_of(value: &Value) -> Vec<String> {
    value.as_map().map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

fn count(items: &[(&Effect, Fate)], state: &str) -> usize {
    items.iter().filter(|(_, fate)| fate.state == state).count()
}

fn refused(reason: Reason, detail: String) -> Fate {
    Fate { state: "refused", reason: Some(reason), detail }
}

fn of_claim(error: ClaimError) -> DeskError {
    match error {
        ClaimError::Store(source) => failed(LedgerError::Store(source)),
        error => DeskError::Refused { reason: Reason::AlreadyClaimed, message: error.to_string() },
    }
}
