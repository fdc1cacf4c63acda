//! What agents did in the window of a digest.

use super::belongs::Belongs;
use super::parts::Parts;
use crate::digest::{AgentWork, DigestRequest, Spent, Work};
use crate::domain::{ProjectId, Reason, Run, StatusKind};
use crate::ledger::RunFilter;
use std::collections::{BTreeMap, BTreeSet};

/// At most so many runs are told of in one digest.
const RUNS_MAX: usize = 2_000;

/// What agents did in the window of a digest, for its projects only.
pub(super) async fn agent_work(parts: &Parts, digest: &DigestRequest) -> Result<AgentWork, String> {
    let day = chrono::TimeDelta::days(1);
    let yesterday = super::look::civil_midnight(digest.now - day, digest.zone);
    let since = Some(digest.since.unwrap_or(yesterday));
    let filter = RunFilter { since, ..RunFilter::default() };
    let runs = parts.ledger.runs(&filter, RUNS_MAX).await.map_err(|error| error.to_string())?;
    let mut work = AgentWork::default();
    let mut belongs = Belongs::new(parts);
    let accepted = super::accepted::of(parts, &runs, &mut belongs).await;
    let accepted = accepted.map_err(|error| error.to_string())?;
    let mut spent: BTreeMap<_, Spent> = BTreeMap::new();
    let mut waiting = BTreeSet::new();
    for run in runs.iter().rev().filter(|run| run.playbook != digest.playbook) {
        if !digest.projects.is_empty() && !is_in(parts, run, &digest.projects).await {
            continue;
        }
        let name = &run.playbook;
        let sum = spent.entry(name.clone()).or_insert_with(|| Spent::nothing(name.clone()));
        sum.runs += 1;
        sum.usage = sum.usage.plus(run.usage);
        sum.accepted += u32::from(accepted.contains(&run.id));
        let line = line_of(parts, run).await;
        if run.fence.is_some() {
            work.claimed.push(line.clone());
        }
        match run.reason {
            Some(Reason::HandedOver) => work.handed_over.push(line.clone()),
            _ if run.state.may_retry() => work.failed.push(line.clone()),
            _ => {}
        }
        if run.reason == Some(Reason::HandedOver) && is_waiting(parts, run).await? {
            let task = run.task;
            if waiting.insert(task) {
                work.waiting_review.push(line);
            }
        }
    }
    work.spent = spent.into_values().collect();
    Ok(work)
}

/// Whether a run was about a task of one of these projects. Of a task that is gone nobody knows.
async fn is_in(parts: &Parts, run: &Run, projects: &[ProjectId]) -> bool {
    let Some(id) = run.task else { return false };
    parts.board.task(id).await.is_ok_and(|task| projects.contains(&task.project))
}

async fn line_of(parts: &Parts, run: &Run) -> Work {
    let headline = match run.task {
        Some(id) => parts.board.task(id).await.map(|task| task.headline).unwrap_or_default(),
        None => String::new(),
    };
    let playbook = parts.playbook(&run.playbook);
    Work {
        run: run.id.clone(),
        task: run.task,
        headline: if headline.is_empty() { run.playbook.to_string() } else { headline },
        agent: playbook.map(|playbook| playbook.agent.clone()).unwrap_or_default(),
        playbook: run.playbook.clone(),
        detail: match run.reason {
            Some(reason) if run.state.may_retry() => reason.text().to_owned(),
            _ => run.outcome.clone().unwrap_or_default(),
        },
    }
}

async fn is_waiting(parts: &Parts, run: &Run) -> Result<bool, String> {
    let Some(id) = run.task else { return Ok(false) };
    let Ok(task) = parts.board.task(id).await else { return Ok(false) };
    let Ok(project) = parts.board.project(task.project).await else { return Ok(false) };
    if project.kind_of(task.status) != StatusKind::Waiting {
        return Ok(false);
    }
    let decided = super::reviews::is_decided(parts, run).await;
    decided.map(|decided| !decided).map_err(|error| error.to_string())
}
