//! The projects that there are for whoever asks, and what they may do in each.

use crate::board::BoardError;
use crate::domain::{EffectActor, Member, MemberQuery, ProjectId, Role, role_in};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::{Context, RunContext, ToolError};
use std::collections::{BTreeMap, BTreeSet};

/// The projects that there are for somebody, each with the most that they may do there.
#[derive(Debug)]
pub(in crate::tools) struct Within(BTreeMap<ProjectId, Role>);

impl Within {
    /// All of them.
    pub(in crate::tools) fn projects(&self) -> Vec<ProjectId> {
        self.0.keys().copied().collect()
    }

    /// What they may do in one; `None` where it is not there.
    pub(in crate::tools) fn role_in(&self, project: ProjectId) -> Option<Role> {
        self.0.get(&project).copied()
    }
}

/// What there is for whoever asks; `None`: everything, with the role that they have on the board.
///
/// A token's projects and those that somebody belongs to narrow each other. Managers belong everywhere.
/// What a run is about is there for its agent: the playbook says so.
pub(in crate::tools) async fn within(
    parts: &Parts,
    context: &Context,
) -> Result<Option<Within>, ToolError> {
    let (person, only) = (&context.principal.person, &context.only_projects);
    let members = match &context.run {
        // The daemon acts for the claim, wherever that is.
        Some(run) if run.actor == EffectActor::Rota => BTreeMap::new(),
        None if context.is_of_daemon => BTreeMap::new(),
        _ if person.role >= Role::Manager => BTreeMap::new(),
        // There the server says what each key sees, and users of keys are on no list.
        _ if !parts.board.capabilities().project_roles => BTreeMap::new(),
        _ => members(parts).await?,
    };
    let of_token = || {
        let all = only.iter().map(|project| (*project, person.role));
        (!only.is_empty()).then(|| Within(all.collect()))
    };
    if members.is_empty() {
        return Ok(of_token());
    }
    let of_run = match &context.run {
        Some(run) => of_run(parts, run).await?,
        None => BTreeSet::new(),
    };
    let known = parts.board.directory().await.map_err(|error| told(&error))?;
    // Whoever belongs everywhere does so by their own role, whatever a token leaves of it.
    if known.people.iter().any(|other| other.id == person.id && other.role >= Role::Manager) {
        return Ok(of_token());
    }
    let ids = known.projects.keys().copied();
    let role = |project: ProjectId| {
        let listed = members.get(&project).map_or(&[][..], Vec::as_slice);
        let of_playbook = of_run.contains(&project).then_some(person.role);
        role_in(person, listed).or(of_playbook).map(|role| (project, role))
    };
    let named = ids.filter(|project| only.is_empty() || only.contains(project));
    Ok(Some(Within(named.filter_map(role).collect())))
}

/// Whom each project lists; a project that lists nobody is not in it.
async fn members(parts: &Parts) -> Result<BTreeMap<ProjectId, Vec<Member>>, ToolError> {
    let mut query = MemberQuery { limit: 1_000, ..MemberQuery::default() };
    let mut all: BTreeMap<ProjectId, Vec<Member>> = BTreeMap::new();
    loop {
        let page = parts.board.members(&query).await.map_err(|error| told(&error))?;
        for member in page.items {
            all.entry(member.project).or_default().push(member);
        }
        query.after = page.next;
        if query.after.is_none() {
            return Ok(all);
        }
    }
}

/// The projects that a run is about.
async fn of_run(parts: &Parts, run: &RunContext) -> Result<BTreeSet<ProjectId>, ToolError> {
    let mut all: BTreeSet<ProjectId> = run.projects.iter().copied().collect();
    let Some(task) = run.task else { return Ok(all) };
    match parts.board.task(task).await {
        Ok(task) => all.extend([task.project]),
        Err(BoardError::NotFound { .. }) => {}
        Err(error) => return Err(told(&error)),
    }
    Ok(all)
}
