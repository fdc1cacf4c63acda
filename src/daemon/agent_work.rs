//! What agents did in the window of a digest.

use super::belongs::Belongs;
use super::cost;
use super::parts::Parts;
use crate::digest::{AgentWork, DigestRequest, Work};
use crate::domain::{CostBy, Reason, Run, RunState, StatusKind};
use crate::ledger::RunFilter;
use crate::tools::desk::DeskError;
use std::collections::BTreeSet;

/// What agents did in the window of a digest, for its projects only, with their costs by each of these.
pub(super) async fn agent_work(
    parts: &Parts,
    digest: &DigestRequest,
    by: &[CostBy],
) -> Result<AgentWork, DeskError> {
    let day = chrono::TimeDelta::days(1);
    let yesterday = super::look::civil_midnight(digest.now - day, digest.zone);
    let since = Some(digest.since.unwrap_or(yesterday));
    let filter = RunFilter { since, ..RunFilter::default() };
    let runs = parts.ledger.runs(&filter, cost::RUNS_MAX).await;
    let runs = runs.map_err(super::dispatcher::failed)?;
    let mut belongs = Belongs::new(parts);
    belongs.know(runs.iter().filter_map(|run| run.task)).await?;
    let mut told = Vec::new();
    for run in runs.into_iter().rev().filter(|run| run.playbook != digest.playbook) {
        if digest.projects.is_empty() || is_in(&mut belongs, &run, digest).await? {
            told.push(run);
        }
    }
    let mut work = AgentWork::default();
    let mut waiting = BTreeSet::new();
    for run in &told {
        let line = line_of(parts, run, &mut belongs).await?;
        if run.fence.is_some() {
            work.claimed.push(line.clone());
        }
        match run.reason {
            Some(Reason::HandedOver) => work.handed_over.push(line.clone()),
            _ if run.state.may_retry() => work.failed.push(line.clone()),
            _ => {}
        }
        if run.reason == Some(Reason::HandedOver)
            && is_waiting(parts, run, &mut belongs).await?
            && waiting.insert(run.task)
        {
            work.waiting_review.push(line);
        }
    }
    told.retain(|run| run.state != RunState::Running);
    for by in by {
        work.costs.push(cost::for_digest(parts, &told, *by).await?);
    }
    Ok(work)
}

/// Whether a run was about a task of the digest's projects. Of a task that is gone nobody knows.
async fn is_in(
    belongs: &mut Belongs<'_>,
    run: &Run,
    digest: &DigestRequest,
) -> Result<bool, DeskError> {
    let Some(id) = run.task else { return Ok(false) };
    let task = belongs.task(id).await?;
    Ok(task.is_some_and(|task| digest.projects.contains(&task.project)))
}

async fn line_of(parts: &Parts, run: &Run, belongs: &mut Belongs<'_>) -> Result<Work, DeskError> {
    let headline = match run.task {
        Some(id) => belongs.task(id).await?.map(|task| task.headline).unwrap_or_default(),
        None => String::new(),
    };
    let playbook = parts.playbook(&run.playbook);
    Ok(Work {
        run: run.id.clone(),
        task: run.task,
        headline: if headline.is_empty() { run.playbook.to_string() } else { headline },
        agent: playbook.map(|playbook| playbook.agent.clone()).unwrap_or_default(),
        playbook: run.playbook.clone(),
        detail: match run.reason {
            Some(reason) if run.state.may_retry() => reason.text().to_owned(),
            _ => run.outcome.clone().unwrap_or_default(),
        },
    })
}

async fn is_waiting(
    parts: &Parts,
    run: &Run,
    belongs: &mut Belongs<'_>,
) -> Result<bool, DeskError> {
    let Some(id) = run.task else { return Ok(false) };
    if !belongs.is_of_kind(id, StatusKind::Waiting).await? {
        return Ok(false);
    }
    let decided = super::reviews::is_decided(parts, run).await;
    decided.map(|decided| !decided).map_err(super::dispatcher::failed)
}
