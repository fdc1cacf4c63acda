//! Looking: what the planner has to know, read once from each source.

use super::beliefs::{Beliefs, CandidateKey};
use super::parts::Parts;
use crate::board::{self, BoardError};
use crate::domain::{
    AsLeft, AssigneeFilter, AssigneeSelector, DueSelector, Occurrence, OrderKey, Person, Playbook,
    PlaybookName, Project, Reason, Run, RunState, Select, StatusKind, StatusSelector, Task, TaskId,
    TaskOrder, TaskQuery, Timestamp, to_delta,
};
use crate::ledger::{LedgerError, RunFilter};
use crate::schedule::{
    Attempts, Blocker, Candidates, DaemonFacts, Guarded, Objection, OpenOccurrence, PlaybookFacts,
    Snapshot,
};
use chrono::{TimeDelta, TimeZone};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// At most so many tasks are looked at for one playbook.
const CANDIDATES_MAX: usize = 5_000;
/// Tasks asked for at a time.
const PAGE: usize = 1_000;
/// How far back failed attempts and hand-overs count.
const MEMORY_DAYS: i64 = 30;
/// At most so many runs of a playbook are looked at for that.
const RUNS_MAX: usize = 500;

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    /// The board could not be read.
    #[error("the board could not be read")]
    Board(#[from] BoardError),
    /// The ledger could not be read.
    #[error("the ledger could not be read")]
    Ledger(#[from] LedgerError),
    /// The claims could not be read.
    #[error("the claims could not be read")]
    Claims(#[from] crate::ledger::ClaimError),
}

/// How far a look reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// To all that playbooks may take.
    All,
    /// To what open occurrences name.
    Named,
}

/// Everything the planner looks at.
pub(super) async fn look(parts: &Parts, beliefs: &mut Beliefs) -> Result<Snapshot, LookError> {
    look_as_far(parts, beliefs, Reach::All).await
}

/// What is true of the tasks that open occurrences name, and of no other: enough to judge these, however
/// many tasks there are. How much of a playbook's work waits for people is not looked at.
pub(super) async fn look_at_named(
    parts: &Parts,
    beliefs: &mut Beliefs,
) -> Result<Snapshot, LookError> {
    look_as_far(parts, beliefs, Reach::Named).await
}

async fn look_as_far(
    parts: &Parts,
    beliefs: &mut Beliefs,
    reach: Reach,
) -> Result<Snapshot, LookError> {
    let now = parts.clock.wall();
    let known = parts.board.directory().await?;
    let projects: Vec<Project> = known.projects.values().cloned().collect();
    let people = known.people.to_vec();
    let wanted = wanted(beliefs);
    let asked = (wanted.as_slice(), reach);
    let tasks = candidates(parts, beliefs, asked, &projects, &people, now).await?;
    let mut playbooks = BTreeMap::new();
    let mut attempts = BTreeMap::new();
    for playbook in &wanted {
        let facts = facts(parts, beliefs, (playbook, reach), now, &tasks, &mut attempts).await?;
        playbooks.extend(facts.map(|facts| (playbook.name.clone(), facts)));
    }
    let objections = objections(parts, (beliefs, &wanted), &tasks, (&projects, &people)).await?;
    // What an occurrence names may be anywhere.
    let named = beliefs.open.values().filter(|open| !open.closed);
    let named: BTreeSet<TaskId> = named.filter_map(|open| open.occurrence.task).collect();
    let claims = super::taken::taken(parts, &named).await?;
    let elsewhere = beliefs.elsewhere.values().map(of_others);
    let blockers = blockers(parts, &tasks, &projects).await?;
    let slots = usize::try_from(parts.settings.slots).unwrap_or(1);
    Ok(Snapshot {
        now,
        daemon: DaemonFacts {
            slots_free: slots.saturating_sub(beliefs.workers.len()),
            stopped: beliefs.stopped,
            draining: beliefs.draining,
            drained: beliefs.drained,
        },
        playbooks,
        occurrences: beliefs.open.values().map(open_occurrence).chain(elsewhere).collect(),
        tasks,
        projects: Arc::new(projects),
        people: Arc::new(people),
        claims,
        attempts,
        objections,
        blockers,
        guarded: guarded(parts).await?,
    })
}

fn open_occurrence(open: &super::beliefs::Open) -> OpenOccurrence {
    OpenOccurrence {
        occurrence: open.occurrence.clone(),
        started: open.started,
        taken: open.taken.clone(),
        // A worker keeps its task, and the claim, through all attempts.
        retry: Vec::new(),
        closed: open.closed,
    }
}

/// One that is under way at another daemon: it counts as such, and nothing of it is begun here.
fn of_others(occurrence: &Occurrence) -> OpenOccurrence {
    let (taken, retry) = Default::default();
    OpenOccurrence { occurrence: occurrence.clone(), started: 0, taken, retry, closed: true }
}

/// The playbooks of open occurrences.
fn wanted(beliefs: &Beliefs) -> Vec<Arc<Playbook>> {
    let mut wanted: BTreeMap<PlaybookName, Arc<Playbook>> = BTreeMap::new();
    for open in beliefs.open.values().filter(|open| !open.closed) {
        let book = beliefs.books.get(&open.occurrence.playbook);
        if let Some(playbook) = book.map(|book| &book.playbook).or(open.playbook.as_ref()) {
            wanted.insert(playbook.name.clone(), Arc::clone(playbook));
        }
    }
    wanted.into_values().collect()
}

/// What is remembered against tasks that playbooks may take.
async fn objections(
    parts: &Parts,
    (beliefs, wanted): (&Beliefs, &[Arc<Playbook>]),
    tasks: &Candidates,
    (projects, people): (&[Project], &[Person]),
) -> Result<BTreeMap<(PlaybookName, TaskId), Objection>, LookError> {
    let now = parts.clock.wall();
    let mut objections = BTreeMap::new();
    // What an occurrence names may be anywhere.
    let named: BTreeSet<TaskId> =
        beliefs.open.values().filter_map(|open| open.occurrence.task).collect();
    for playbook in wanted {
        let asks = playbook.reviews() || playbook.suitability.rubric.is_some();
        let Some(select) = playbook.select.as_ref().filter(|_| asks) else { continue };
        let query = query(playbook, select, projects, people, now);
        let of_kind = |task: &Task| {
            let project = projects.iter().find(|project| project.id == task.project);
            project.is_some_and(|p| query.kinds_of_status.contains(&p.kind_of(task.status)))
        };
        let may_fit = |task: &&Arc<Task>| {
            let in_project = query.projects.is_empty() || query.projects.contains(&task.project);
            let any_status = query.statuses.is_empty() && query.kinds_of_status.is_empty();
            let in_status = any_status || query.statuses.contains(&task.status) || of_kind(task);
            in_project && in_status || named.contains(&task.id)
        };
        for task in tasks.all().filter(may_fit) {
            let found = super::independence::objection(parts, playbook, task.id).await?;
            let found = match found {
                None => super::rubric::objection(parts, playbook, task).await?,
                found => found,
            };
            let key = (playbook.name.clone(), task.id);
            objections.extend(found.map(|found| (key, found)));
        }
    }
    Ok(objections)
}

async fn candidates(
    parts: &Parts,
    beliefs: &mut Beliefs,
    (wanted, reach): (&[Arc<Playbook>], Reach),
    projects: &[Project],
    people: &[Person],
    now: Timestamp,
) -> Result<Arc<Candidates>, LookError> {
    let mut named: Vec<TaskId> = beliefs
        .open
        .values()
        .filter(|open| !open.closed)
        .filter_map(|open| open.occurrence.task)
        .collect();
    named.sort_unstable();
    named.dedup();
    let key = CandidateKey {
        activity: parts.board.latest_activity().await?.0,
        playbooks: wanted.iter().map(|p| (p.name.clone(), p.hash.clone())).collect(),
        named: named.clone(),
    };
    // Time alone moves some selections (`due`, `unchanged_for`), so those are always read again.
    let by_time = wanted.iter().filter_map(|p| p.select.as_ref()).any(is_by_time);
    if let Some((known, tasks)) = &beliefs.candidates
        && *known == key
        && !by_time
    {
        return Ok(Arc::clone(tasks));
    }
    let mut tasks: Vec<Arc<Task>> = Vec::new();
    for playbook in wanted {
        if let Some(select) = playbook.select.as_ref().filter(|_| reach == Reach::All) {
            let query = query(playbook, select, projects, people, now);
            tasks.extend(read_all(parts, query).await?);
        }
    }
    for id in named {
        match parts.board.task(id).await {
            Ok(task) => tasks.push(Arc::new(task)),
            Err(BoardError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let tasks = Arc::new(Candidates::new(tasks));
    beliefs.candidates = Some((key, Arc::clone(&tasks)));
    Ok(tasks)
}

fn is_by_time(select: &Select) -> bool {
    select.unchanged_for.is_some() || !matches!(select.due, DueSelector::Any | DueSelector::Absent)
}

async fn read_all(parts: &Parts, mut query: TaskQuery) -> board::Result<Vec<Arc<Task>>> {
    let mut tasks = Vec::new();
    loop {
        let page = parts.board.tasks(&query).await?;
        tasks.extend(page.items.into_iter().map(Arc::new));
        if tasks.len() >= CANDIDATES_MAX {
            tracing::warn!(
                looked_at = tasks.len(),
                "more tasks match than are looked at in one go"
            );
            return Ok(tasks);
        }
        let Some(next) = page.next else { return Ok(tasks) };
        query.after = Some(next);
    }
}

/// The board's part of a selection: never narrower than what [`crate::schedule::judge`] takes.
fn query(
    playbook: &Playbook,
    select: &Select,
    projects: &[Project],
    people: &[Person],
    now: Timestamp,
) -> TaskQuery {
    let chosen: Vec<&Project> = projects
        .iter()
        .filter(|p| select.projects.is_empty() || select.projects.iter().any(|n| is_named(p, n)))
        .collect();
    let (statuses, kinds_of_status) = statuses(select, &chosen);
    let agent = people.iter().find(|p| p.name.eq_ignore_ascii_case(&playbook.agent));
    let (due_from, due_to) = match select.due {
        DueSelector::Overdue => (None, Some(now)),
        DueSelector::Within(span) => (Some(now), now.checked_add_signed(to_delta(span))),
        // Wide enough for days of any zone; which of these are meant is decided there.
        DueSelector::WithinDays(days) => {
            (Some(now), now.checked_add_signed(TimeDelta::days(i64::from(days) + 2)))
        }
        DueSelector::Today => (Some(now - TimeDelta::days(2)), Some(now + TimeDelta::days(2))),
        DueSelector::Any | DueSelector::Absent => (None, None),
    };
    TaskQuery {
        projects: if select.projects.is_empty() {
            Vec::new()
        } else if chosen.is_empty() {
            vec![crate::domain::ProjectId(0)]
        } else {
            chosen.iter().map(|p| p.id).collect()
        },
        statuses,
        kinds_of_status,
        kinds: select.kinds.clone(),
        assignee: match (&select.assignee, agent) {
            (AssigneeSelector::Nobody, _) => AssigneeFilter::Nobody,
            (AssigneeSelector::Me, Some(agent)) => AssigneeFilter::OneOf(vec![agent.id]),
            _ => AssigneeFilter::Any,
        },
        tags_all: select.tags_all.clone(),
        tags_any: select.tags_any.clone(),
        due_from,
        due_to: due_to.map(|at| at + TimeDelta::milliseconds(1)),
        has_due: match select.due {
            DueSelector::Any => None,
            DueSelector::Absent => Some(false),
            _ => Some(true),
        },
        unchanged_since: select
            .unchanged_for
            .and_then(|span| now.checked_sub_signed(to_delta(span)))
            .map(|at| at + TimeDelta::milliseconds(1)),
        order: match select.order.first() {
            Some(OrderKey::Priority) => TaskOrder::Priority,
            Some(OrderKey::Due) => TaskOrder::Due,
            _ => TaskOrder::Id,
        },
        limit: PAGE,
        ..TaskQuery::default()
    }
}

fn is_named(project: &Project, name: &str) -> bool {
    project.name.trim().to_lowercase() == name.trim().to_lowercase()
        || project.id.to_string() == name.trim()
}

fn statuses(
    select: &Select,
    projects: &[&Project],
) -> (Vec<crate::domain::StatusId>, Vec<StatusKind>) {
    let mut kinds = Vec::new();
    let mut ids = Vec::new();
    for selector in &select.status {
        match selector {
            StatusSelector::Kind(kind) => kinds.push(*kind),
            StatusSelector::Label(_) => ids
                .extend(projects.iter().filter_map(|p| crate::schedule::find_status(p, selector))),
        }
    }
    // Labels and kinds together widen each other; the board would narrow by both.
    if kinds.is_empty() || ids.is_empty() { (ids, kinds) } else { (Vec::new(), Vec::new()) }
}

async fn facts(
    parts: &Parts,
    beliefs: &Beliefs,
    (playbook, reach): (&Arc<Playbook>, Reach),
    now: Timestamp,
    tasks: &Candidates,
    attempts: &mut BTreeMap<(PlaybookName, TaskId), Attempts>,
) -> Result<Option<PlaybookFacts>, LookError> {
    let Some(book) = beliefs.books.get(&playbook.name) else { return Ok(None) };
    let today = civil_midnight(now, playbook.on.zone);
    let filter = RunFilter {
        playbook: Some(playbook.name.clone()),
        since: Some(now - TimeDelta::days(MEMORY_DAYS)),
        ..RunFilter::default()
    };
    let runs = parts.ledger.runs(&filter, RUNS_MAX).await?;
    failed_attempts(playbook, &runs, tasks, attempts);
    let waiting_review = match playbook.review.waiting_max.filter(|_| reach == Reach::All) {
        Some(_) => {
            waiting_review(parts, &runs).await?.saturating_add(proposals(parts, playbook).await?)
        }
        None => 0,
    };
    Ok(Some(PlaybookFacts {
        playbook: Arc::clone(playbook),
        condition: book.condition.clone(),
        paused: book.switch.paused.is_some(),
        armed: book.armed,
        running: beliefs.running(&playbook.name).saturating_add(at_others(parts, &runs)),
        runs_today: parts.ledger.runs_started_since(&playbook.name, today).await?,
        waiting_review,
        no_budget: super::budget::missing(parts, playbook).await?,
        fits: super::sharing::fits(parts, &beliefs.others, playbook),
    }))
}

/// How many of these runs are under way at other daemons.
fn at_others(parts: &Parts, runs: &[Run]) -> u32 {
    let own = Some(&parts.settings.daemon);
    let is_others = |run: &&Run| parts.ledger.is_shared() && run.daemon.as_ref() != own;
    let running = runs.iter().filter(|run| run.state == RunState::Running).filter(is_others);
    u32::try_from(running.count()).unwrap_or(u32::MAX)
}

/// The begin of the civil day in a zone; the first valid instant where midnight does not exist.
pub(super) fn civil_midnight(now: Timestamp, zone: chrono_tz::Tz) -> Timestamp {
    let day = now.with_timezone(&zone).date_naive();
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    (0..=6)
        .filter_map(|half_hours| midnight.checked_add_signed(TimeDelta::minutes(30 * half_hours)))
        .find_map(|local| zone.from_local_datetime(&local).earliest())
        .map_or(now, |at| at.to_utc())
}

/// A task whose last run failed or was broken off by a person, and which nobody has touched since,
/// is not taken again: its attempts are used up until somebody changes it.
fn failed_attempts(
    playbook: &Playbook,
    runs: &[Run],
    tasks: &Candidates,
    attempts: &mut BTreeMap<(PlaybookName, TaskId), Attempts>,
) {
    let mut seen = BTreeSet::new();
    for run in runs {
        let Some(task) = run.task else { continue };
        if !seen.insert(task) || run.state == RunState::Running {
            continue;
        }
        let over = run.state == RunState::Yielded || run.state.may_retry();
        let untouched = tasks.get(task).is_some_and(|task| match (run.left, run.ended) {
            (Some(left), _) => left == AsLeft { revision: task.revision, modified: task.modified },
            // It could not be read at the run's end: all that is left are the clocks.
            (None, Some(ended)) => task.modified <= ended,
            (None, None) => false,
        });
        if over && untouched && run.reason != Some(Reason::Interrupted) {
            let failed = playbook.limits.attempts;
            let not_before = run.ended.unwrap_or(run.started);
            attempts.insert((playbook.name.clone(), task), Attempts { failed, not_before });
        }
    }
}

/// Tasks that the playbook handed over and that still wait for a person.
async fn waiting_review(parts: &Parts, runs: &[Run]) -> Result<u32, LookError> {
    let mut seen = BTreeSet::new();
    let mut waiting = 0;
    for run in runs.iter().filter(|run| run.reason == Some(Reason::HandedOver)) {
        let Some(id) = run.task.filter(|task| seen.insert(*task)) else { continue };
        match parts.board.task(id).await {
            Ok(task) => {
                let project = parts.board.project(task.project).await?;
                let waits = project.kind_of(task.status) == StatusKind::Waiting;
                if waits && !super::reviews::is_decided(parts, run).await? {
                    waiting += 1;
                }
            }
            Err(BoardError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(waiting)
}

/// Tasks for which what the playbook proposed waits for a person.
async fn proposals(parts: &Parts, playbook: &Playbook) -> Result<u32, LookError> {
    let claims = parts.ledger.claims().await?.into_iter();
    let waits = claims.filter(|claim| {
        claim.playbook == playbook.name && claim.parked.is_some() && claim.staged.is_some()
    });
    Ok(u32::try_from(waits.count()).unwrap_or(u32::MAX))
}

/// Tasks that agents went far enough with by themselves.
async fn guarded(parts: &Parts) -> Result<BTreeMap<TaskId, Guarded>, LedgerError> {
    let guards = parts.settings.guards;
    let mut guarded: BTreeMap<TaskId, Guarded> = BTreeMap::new();
    for (task, exchange) in parts.ledger.exchanges_of(guards.exchanges_max).await? {
        guarded.entry(task).or_default().exchange = Some(exchange);
    }
    for (task, depth) in parts.ledger.deeper_than(guards.delegation_depth_max).await? {
        guarded.entry(task).or_default().depth = Some(depth);
    }
    Ok(guarded)
}

/// Tasks that block candidates and are not among them.
async fn blockers(
    parts: &Parts,
    tasks: &Candidates,
    projects: &[Project],
) -> Result<BTreeMap<TaskId, Blocker>, LookError> {
    let mut blockers = BTreeMap::new();
    let wanted: BTreeSet<TaskId> =
        tasks.all().flat_map(|task| task.blocked_by.iter().copied()).collect();
    for id in wanted.into_iter().filter(|id| tasks.get(*id).is_none()) {
        let blocker = match parts.board.task(id).await {
            Ok(task) => {
                let project = projects.iter().find(|p| p.id == task.project);
                let status = project.and_then(|p| p.status(task.status));
                match status {
                    Some(status) if status.kind == StatusKind::Done => Blocker::Done,
                    Some(status) => Blocker::Open(status.label.clone()),
                    None => Blocker::Open(task.status.to_string()),
                }
            }
            Err(BoardError::NotFound { .. }) => Blocker::Gone,
            Err(error) => return Err(error.into()),
        };
        blockers.insert(id, blocker);
    }
    Ok(blockers)
}
