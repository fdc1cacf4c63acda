//! What an occurrence came to, read back from the ledger: the document of `rota run-once --json`.

use super::beliefs::Open;
use super::parts::Parts;
use crate::domain::{Channel, Effect, EffectResult, Notice, Reason, Run, RunState, Usage, Value};
use crate::ledger::LedgerError;
use crate::tools::desk::{ClaimReport, EffectReport, NoticeReport, RunReport, TaskReport};

/// At most so many notices of one run are told.
const NOTICES_MAX: usize = 100;

/// The report of an occurrence that has ended.
pub(super) async fn of_occurrence(
    parts: &Parts,
    open: &Open,
    reason: Reason,
) -> Result<RunReport, LedgerError> {
    let reason = explained(open, reason);
    let mut tasks = Vec::new();
    let mut effects = Vec::new();
    let mut notices = Vec::new();
    let mut usage = Usage::default();
    for run in &open.runs {
        let journal = parts.ledger.effects(&run.id).await?;
        tasks.extend(task_report(run, journal.len()));
        effects.extend(journal.iter().map(effect_report));
        for notice in parts.ledger.notices(NOTICES_MAX, Some(&run.id)).await? {
            notices.extend(notice_reports(&notice));
        }
        usage = usage.plus(run.usage);
    }
    for notice in told_of_occurrence(parts, open).await? {
        notices.extend(notice_reports(&notice));
    }
    Ok(RunReport {
        run: open.runs.first().map(|run| run.id.clone()),
        playbook: open.occurrence.playbook.clone(),
        occurrence: open.occurrence.id.clone(),
        state: state_of(open, reason),
        reason,
        detail: detail_of(open, reason),
        tasks,
        effects,
        notices,
        usage: usage.into(),
        changes: Vec::new(),
    })
}

/// What people were told of the occurrence's runs at tasks together.
async fn told_of_occurrence(parts: &Parts, open: &Open) -> Result<Vec<Notice>, LedgerError> {
    let at_tasks = open.runs.iter().any(|run| run.task.is_some());
    let Some(playbook) = open.playbook.as_ref().filter(|_| at_tasks) else { return Ok(Vec::new()) };
    let mut notices = Vec::new();
    for key in super::telling::keys_of_occurrence(playbook, &open.occurrence.id) {
        notices.extend(parts.ledger.notice(&key).await?);
    }
    Ok(notices)
}

/// Whoever named a task that was not taken wants to know why, and not that there was nothing to do.
fn explained(open: &Open, reason: Reason) -> Reason {
    let named = open.occurrence.task.filter(|_| reason == Reason::NothingToDo);
    let refused = named
        .filter(|_| open.runs.is_empty())
        .and_then(|named| open.refused.iter().rev().find(|(task, _, _)| *task == Some(named)));
    refused.map_or(reason, |(_, refused, _)| *refused)
}

/// The state of the whole: of the run that explains its reason; without runs, of the refusal.
fn state_of(open: &Open, reason: Reason) -> RunState {
    let telling = open.runs.iter().rev().find(|run| run.reason == Some(reason));
    match telling.or_else(|| open.runs.last()) {
        Some(run) => run.state,
        None if reason == Reason::NothingToDo => RunState::NothingToDo,
        None => RunState::Refused,
    }
}

fn detail_of(open: &Open, reason: Reason) -> String {
    let run = open.runs.iter().rev().find(|run| run.reason == Some(reason));
    if let Some(run) = run.filter(|run| !run.detail.is_empty()) {
        return run.detail.clone();
    }
    let lines = open.refused.iter().map(|(task, reason, detail)| match task {
        Some(task) => format!("task {task}: {reason} ({detail})"),
        None => format!("{reason} ({detail})"),
    });
    lines.collect::<Vec<_>>().join("; ")
}

fn task_report(run: &Run, effects: usize) -> Option<TaskReport> {
    Some(TaskReport {
        id: run.task?,
        run: run.id.clone(),
        claim: run.fence.map(|fence| ClaimReport { fence }),
        state: run.state,
        reason: run.reason.unwrap_or(Reason::WorkFailed),
        outcome: run.outcome.clone(),
        effects,
    })
}

fn effect_report(effect: &Effect) -> EffectReport {
    let (entity, before, after) = match &effect.result {
        Some(EffectResult::Done { entity, before, after, .. }) => {
            (entity.to_string(), before.clone(), after.clone())
        }
        Some(EffectResult::Recorded) => {
            ("recorded only".to_owned(), Value::Null, effect.args.clone())
        }
        Some(EffectResult::Proposed { entity, before, after, .. }) => {
            (format!("proposed ({entity})"), before.clone(), after.clone())
        }
        Some(EffectResult::Failed { code, .. }) => {
            (format!("failed ({code})"), Value::Null, Value::Null)
        }
        Some(EffectResult::Unknown) | None => ("unknown".to_owned(), Value::Null, Value::Null),
    };
    EffectReport { tool: effect.tool.clone(), entity, before, after }
}

fn notice_reports(notice: &Notice) -> Vec<NoticeReport> {
    let report = |format: &str, body: &str| NoticeReport {
        to: notice.to.to_string(),
        format: format.to_owned(),
        body: body.to_owned(),
    };
    let body = &notice.body;
    match &notice.to {
        Channel::Slack(_) if !body.slack.is_empty() => {
            body.slack.iter().map(|payload| report("slack", payload)).collect()
        }
        Channel::File(_) if !body.markdown.is_empty() => vec![report("markdown", &body.markdown)],
        _ => vec![report("text", &body.text)],
    }
}
