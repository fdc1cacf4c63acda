//! Proposals as people see them: what waits, what one decides, and what the dispatcher does then.
//!
//! A decision is written down before anything is applied, and the first one stands. It is carried out
//! by a run of its own, here or by any daemon that shares the store.

use super::brief::{plain, text_of};
use super::dispatcher::{Dispatcher, failed};
use super::hear::Trouble;
use super::parts::Parts;
use super::recovery::Resume;
use super::reviews::{is_a_persons, of_board};
use super::staging::word;
use crate::board::BoardError;
use crate::domain::{
    Claim, CommentId, Decided, Effect, EffectResult, EndKind, OccurrenceId, Phase, ProposalState,
    Reason, Run, RunState, Sentence, Staging, TaskId, Value, Verdict, WaitItem, WaitKind, Waiting,
};
use crate::ledger::LedgerError;
use crate::tools::ToolError;
use crate::tools::desk::{DecideAsk, DeskError, Ruling, RunReport};
use chrono::TimeDelta;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Of two who decide at the same time the later one may arrive when everything is applied and the task
/// waits for the next decision: for so long it counts as about the one before.
const LATE: TimeDelta = TimeDelta::seconds(60);

/// What is proposed and waits for a decision.
pub(super) async fn waiting(parts: &Parts) -> Result<Vec<Waiting>, DeskError> {
    let mut open = Vec::new();
    for staging in parts.ledger.open_stagings().await.map_err(failed)? {
        if !staging.is_open() {
            continue;
        }
        let task = match parts.board.task(staging.task).await {
            Ok(task) => task,
            Err(BoardError::NotFound { .. }) => continue,
            Err(error) => return Err(of_board(error)),
        };
        let count = staging.items.len();
        let text = match staging.summary.as_str() {
            "" => format!("{count} writes; see showReview"),
            summary => format!("{count} writes; see showReview\n\n{summary}"),
        };
        let new = Waiting::new(WaitItem::Task(task.id), WaitKind::Proposals, staging.since);
        open.push(Waiting {
            from: format!("the playbook {}", staging.playbook),
            run: Some(staging.run),
            until: Some(staging.until),
            text,
            ..new.about(&task)
        });
    }
    Ok(open)
}

/// The proposals that a decision is about; `None`: it is about something else.
pub(super) async fn meant(parts: &Parts, ask: &DecideAsk) -> Result<Option<Staging>, DeskError> {
    let found = parts.ledger.staging(ask.task).await.map_err(failed)?;
    let now = parts.clock.wall();
    let is_meant = |staging: &Staging| match staging.closed {
        None => true,
        Some(closed) => staging.decided.is_some() && now - closed < LATE,
    };
    let found = found.filter(is_meant);
    if found.is_none() && (!ask.only.is_empty() || !ask.edits.is_empty()) {
        let message =
            format!("nothing is proposed for task {} that could be chosen from", ask.task);
        return Err(DeskError::NotFound(message));
    }
    Ok(found)
}

/// Decides about them; they are applied after that.
pub(super) async fn decide(
    parts: &Parts,
    staging: Staging,
    ask: DecideAsk,
) -> Result<Ruling, DeskError> {
    is_a_persons(&ask.context.principal)?;
    // What is written down below names the run, so that nothing comes in between.
    ask.seen.holds(&WaitItem::Task(staging.task), Some(&staging.run), staging.since)?;
    if let Some(first) = &staging.decided {
        return Ok(ruling(&staging, first.decided.clone(), true));
    }
    let now = parts.clock.wall();
    if !staging.is_open() || staging.until <= now {
        return Err(lapsed(&staging));
    }
    let applies = chosen(&staging, &ask)?;
    for (number, args) in &ask.edits {
        let effect = effect_of(parts, &staging, *number).await?;
        let foreseen = parts.tools.foresee(&effect.tool, args.clone(), &ask.context).await;
        foreseen.map_err(|error| refused_edit(*number, &error))?;
    }
    let person = &ask.context.principal.person;
    let decided = Decided {
        verdict: ask.verdict,
        comment: ask.comment.clone(),
        by: person.id,
        name: person.name.clone(),
        at: now,
        after: CommentId(0),
        written: false,
    };
    if ask.dry_run {
        let mut ruling = ruling(&staging, decided, false);
        ruling.what = match ask.verdict {
            Verdict::Approved => format!("would: apply {}", numbers(&applies)),
            Verdict::ChangesRequested => "would: reject all of it; the task goes back".to_owned(),
        };
        return Ok(ruling);
    }
    let sentence = Sentence { decided: decided.clone(), applies, edits: ask.edits.clone() };
    let stands = parts.ledger.decide_staging(staging.task, &staging.run, sentence).await;
    let stands = stands.map_err(failed)?;
    match &stands.decided {
        Some(sentence) => {
            let repeated = sentence.decided != decided;
            Ok(ruling(&stands, sentence.decided.clone(), repeated))
        }
        None => Err(lapsed(&stands)),
    }
}

/// What the decision came to, once it was carried out, or why that has to wait.
pub(super) async fn told(
    parts: &Parts,
    ruling: Ruling,
    waits: Option<String>,
) -> Result<Ruling, DeskError> {
    let staging = parts.ledger.staging(ruling.task).await.map_err(failed)?;
    let Some(staging) = staging.filter(|staging| staging.run == ruling.run) else {
        return Ok(ruling);
    };
    let what = match (staging.closed, waits) {
        (Some(_), _) => became(&staging),
        (None, Some(why)) => format!("it is decided, and carried out when that is possible: {why}"),
        (None, None) => "it is decided, and is being carried out".to_owned(),
    };
    Ok(Ruling { what, ..ruling })
}

fn became(staging: &Staging) -> String {
    let (written, all) = staging.applied();
    let left = staging.items.iter().filter(|item| !item.state.is_applied());
    let left: Vec<String> =
        left.map(|item| format!("; number {}: {}", item.number, item.why)).collect();
    format!("{written} of {all} proposals were applied{}", left.concat())
}

fn ruling(staging: &Staging, decision: Decided, repeated: bool) -> Ruling {
    let at = text_of(decision.at);
    let what = format!("{} {} what is proposed ({at})", decision.name, word(decision.verdict));
    Ruling { task: staging.task, run: staging.run.clone(), decision, repeated, what }
}

fn lapsed(staging: &Staging) -> DeskError {
    DeskError::Refused {
        reason: Reason::ProposalsExpired,
        message: format!(
            "what was proposed for task {} waited until {}; it is not applied any more",
            staging.task,
            text_of(staging.until)
        ),
    }
}

/// The numbers that are applied.
fn chosen(staging: &Staging, ask: &DecideAsk) -> Result<Vec<u32>, DeskError> {
    let refused =
        |message: String| Err(DeskError::Refused { reason: Reason::InvalidArguments, message });
    let known: Vec<u32> = staging.items.iter().map(|item| item.number).collect();
    if ask.verdict == Verdict::ChangesRequested {
        if !ask.only.is_empty() || !ask.edits.is_empty() {
            return refused(
                "all proposals are rejected, or some are approved with only".to_owned(),
            );
        }
        return Ok(Vec::new());
    }
    let wanted = if ask.only.is_empty() { known.clone() } else { ask.only.clone() };
    if let Some(unknown) = wanted.iter().find(|number| !known.contains(number)) {
        return refused(format!("there is no proposal {unknown}; there are {}", numbers(&known)));
    }
    if let Some(other) = ask.edits.keys().find(|number| !wanted.contains(number)) {
        return refused(format!("proposal {other} is edited and not among those to be applied"));
    }
    Ok(known.into_iter().filter(|number| wanted.contains(number)).collect())
}

fn numbers(of: &[u32]) -> String {
    of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn refused_edit(number: u32, error: &ToolError) -> DeskError {
    DeskError::Refused {
        reason: error.reason(),
        message: format!("proposal {number} as it is edited: {error}"),
    }
}

async fn effect_of(parts: &Parts, staging: &Staging, number: u32) -> Result<Effect, DeskError> {
    let item = staging.items.iter().find(|item| item.number == number);
    if let Some(item) = item {
        let effects = parts.ledger.effects(&item.mark.run).await.map_err(failed)?;
        if let Some(effect) = effects.into_iter().find(|effect| effect.mark == item.mark) {
            return Ok(effect);
        }
    }
    Err(DeskError::NotFound(format!("proposal {number} is not known any more")))
}

/// What was last proposed for a task, as it is shown.
pub(super) async fn show(parts: &Parts, task: TaskId) -> Result<Value, DeskError> {
    let staging = parts.ledger.staging(task).await.map_err(failed)?;
    let staging = staging
        .ok_or_else(|| DeskError::NotFound(format!("nothing was ever proposed for task {task}")))?;
    let mut items = Vec::new();
    for item in &staging.items {
        let effect = effect_of(parts, &staging, item.number).await?;
        let sentence = staging.decided.as_ref();
        let edited = sentence.and_then(|sentence| sentence.edits.get(&item.number)).cloned();
        let mut fields = Vec::new();
        let mut entity = String::new();
        if let Some(EffectResult::Proposed { entity: what, before, after, .. }) = &effect.result {
            fields = changes(before, after);
            entity = match what.number() {
                0 => format!("new {}", what.noun()),
                _ => what.to_string(),
            };
        }
        items.push(Value::map([
            ("number", Value::from(item.number)),
            ("tool", effect.tool.as_str().into()),
            ("entity", entity.into()),
            ("state", plain(&item.state)),
            ("why", item.why.as_str().into()),
            ("changes", fields.into()),
            ("args", effect.args.clone()),
            ("edited", edited.into()),
        ]));
    }
    let decided = staging.decided.as_ref().map(|sentence| {
        let decided = &sentence.decided;
        Value::map([
            ("by", Value::from(decided.name.as_str())),
            ("verdict", plain(&decided.verdict)),
            ("comment", decided.comment.as_str().into()),
            ("at", text_of(decided.at).into()),
        ])
    });
    Ok(Value::map([
        ("task", Value::from(staging.task.0)),
        ("run", staging.run.as_str().into()),
        ("playbook", staging.playbook.as_str().into()),
        ("since", text_of(staging.since).into()),
        ("until", text_of(staging.until).into()),
        ("open", staging.is_open().into()),
        ("expired", staging.expired.into()),
        ("outcome", staging.outcome.clone().into()),
        ("summary", staging.summary.as_str().into()),
        ("decided", decided.into()),
        ("items", Value::List(items)),
    ]))
}

/// Each field as `field: from → to`.
fn changes(before: &Value, after: &Value) -> Vec<String> {
    let none = BTreeMap::new();
    let (before, after) = (before.as_map().unwrap_or(&none), after.as_map().unwrap_or(&none));
    let mut fields: Vec<&String> = before.keys().chain(after.keys()).collect();
    fields.sort_unstable();
    fields.dedup();
    let side = |of: &BTreeMap<String, Value>, field: &String| match of.get(field) {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(value) => value.to_string(),
    };
    let line = |field| format!("{field}: {} → {}", side(before, field), side(after, field));
    fields.into_iter().map(line).collect()
}

impl Dispatcher {
    /// Proposals that wait: decided ones are carried out, overdue ones lapse, and a person who took the
    /// task over keeps it. The occurrence that sees to it, if one does.
    pub(super) async fn see_to_proposals(
        &mut self,
        claim: &Claim,
    ) -> Result<Option<OccurrenceId>, Trouble> {
        let base = Resume::of(claim, claim.attempt);
        let give_up = |reason, detail| Resume { give_up: Some((reason, detail)), ..base.clone() };
        let ledger = &self.parts.ledger;
        let found = ledger.staging(claim.task).await?;
        let found = found.filter(|s| claim.staged.as_ref() == Some(&s.run) && s.closed.is_none());
        let resume = match (self.parts.journal.look(claim).await?, found) {
            (Some((reason, detail)), _) => give_up(reason, detail),
            (None, None) => {
                give_up(Reason::NotFound, "what it proposed is not known any more".to_owned())
            }
            (None, Some(mut staging)) => {
                if staging.is_open() && staging.until <= self.parts.clock.wall() {
                    staging = ledger.expire_staging(staging.task, &staging.run).await?;
                }
                match of_decision(&staging) {
                    None => return Ok(None),
                    Some(Carried::Applies) => Resume { applies: true, ..base },
                    Some(Carried::Goes(reason, detail)) => give_up(reason, detail),
                }
            }
        };
        Ok(self.resume(claim, resume).await)
    }

    /// Somebody has decided and waits for what comes of it.
    pub(super) async fn carry_out_decision(
        &mut self,
        task: TaskId,
        reply: oneshot::Sender<Result<RunReport, DeskError>>,
    ) {
        self.read_stop().await;
        let refuse =
            |reason: Reason| Err(DeskError::Refused { reason, message: reason.text().to_owned() });
        let claim = match self.parts.ledger.claim(task).await {
            Ok(claim) => claim.filter(|claim| {
                claim.phase == Phase::Parked && claim.staged.is_some() && !self.is_at_work(claim)
            }),
            Err(_) => None,
        };
        let Some(claim) = claim else {
            let _ = reply.send(refuse(Reason::AlreadyClaimed));
            return;
        };
        let hindrance = [
            (self.beliefs.stopped, Reason::Stopped),
            (self.beliefs.takes_nothing_new(), Reason::Draining),
            (!self.has_slot(), Reason::NoSlot),
        ];
        if let Some((_, reason)) = hindrance.into_iter().find(|(holds, _)| *holds) {
            let _ = reply.send(refuse(reason));
            return;
        }
        let begun = self.see_to_proposals(&claim).await;
        let open = match begun {
            Ok(Some(id)) => self.beliefs.open.get_mut(&id),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%task, %error, "a decision is carried out at the next look");
                None
            }
        };
        match open {
            Some(open) => open.replies.push(reply),
            None => {
                let _ = reply.send(refuse(Reason::BoardUnavailable));
            }
        }
    }

    /// A claim of which it is known what was decided while it was held: it is carried out to the end.
    pub(super) async fn recover_staged(
        &self,
        claim: &Claim,
        run: Option<&Run>,
    ) -> Result<Option<Resume>, LedgerError> {
        let Some(of) = &claim.staged else { return Ok(None) };
        let staging = self.parts.ledger.staging(claim.task).await?;
        let staging = staging.filter(|staging| staging.run == *of && staging.closed.is_none());
        let Some(staging) = staging else { return Ok(None) };
        // What was being written is finished under the name of the run that began it.
        let is_otherwise_seen_to = run.is_some_and(|run| {
            run.state == RunState::Running || run.reason == Some(Reason::UnknownEffect)
        });
        if claim.was_taken_away() || is_otherwise_seen_to {
            return Ok(None);
        }
        let base = Resume::of(claim, claim.attempt);
        Ok(Some(match of_decision(&staging) {
            Some(Carried::Applies) => Resume { applies: true, ..base },
            Some(Carried::Goes(reason, detail)) => {
                Resume { give_up: Some((reason, detail)), ..base }
            }
            // A person had taken it over.
            None => Resume { give_up: Some((Reason::Interrupted, String::new())), ..base },
        }))
    }

    /// Proposals whose claim ended without anybody seeing to them wait for nothing any more.
    pub(super) async fn close_forsaken_proposals(&self) {
        if let Err(error) = self.try_to_close_forsaken().await {
            tracing::warn!(%error, "proposals could not be looked at");
        }
    }

    async fn try_to_close_forsaken(&self) -> Result<(), Trouble> {
        let ledger = &self.parts.ledger;
        for staging in ledger.open_stagings().await? {
            let claim = match ledger.claim(staging.task).await {
                Err(error) if error.is_of_newer() => continue,
                claim => claim?,
            };
            let is_theirs = claim.is_some_and(|claim| {
                let how = claim.ended.as_ref().map(|end| end.how);
                let is_over = claim.phase == Phase::Free
                    && matches!(how, Some(EndKind::Released | EndKind::Yielded));
                !is_over
                    && (claim.staged.as_ref() == Some(&staging.run) || claim.run == staging.run)
            });
            if !is_theirs {
                let fate = (ProposalState::Failed, "the claim that they waited under has ended");
                ledger.close_staging(staging.task, &staging.run, fate).await?;
            }
        }
        Ok(())
    }
}

/// What a decision comes to.
enum Carried {
    Applies,
    Goes(Reason, String),
}

/// What is to be done about proposals; `None`: they wait.
fn of_decision(staging: &Staging) -> Option<Carried> {
    if staging.expired {
        let detail = format!("proposed at {}", text_of(staging.since));
        return Some(Carried::Goes(Reason::ProposalsExpired, detail));
    }
    let decided = &staging.decided.as_ref()?.decided;
    if staging.is_approved() {
        return Some(Carried::Applies);
    }
    let detail = format!("{}: {}", decided.name, decided.comment);
    Some(Carried::Goes(Reason::ProposalsRejected, detail))
}
