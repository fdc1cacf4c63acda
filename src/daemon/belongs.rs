//! What a task counts towards, by name: its project, its milestone, its goals. Many tasks are read together,
//! and each once.

use super::parts::Parts;
use super::reviews::of_board;
use crate::board::BoardError;
use crate::digest::SpentOf;
use crate::domain::{
    GoalQuery, MilestoneId, Project, ProjectId, StatusKind, Task, TaskId, TaskQuery,
};
use crate::tools::desk::DeskError;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Of so many goals of a milestone the names are told.
const GOALS_MAX: usize = 20;
/// So many tasks are read together.
const TOGETHER: usize = 500;

/// What was read so far.
#[derive(Debug)]
pub(super) struct Belongs<'a> {
    parts: &'a Parts,
    /// Only these projects are there for whoever asks; `None`: all.
    only: Option<Vec<ProjectId>>,
    /// `None`: it is gone.
    tasks: BTreeMap<TaskId, Option<Task>>,
    /// `None`: they were not read yet.
    projects: Option<BTreeMap<ProjectId, Project>>,
    milestones: BTreeMap<MilestoneId, SpentOf>,
    goals: BTreeMap<MilestoneId, String>,
}

impl<'a> Belongs<'a> {
    pub(super) fn new(parts: &'a Parts) -> Self {
        Self::within(parts, None)
    }

    /// The same for somebody for whom there are these projects only.
    pub(super) fn within(parts: &'a Parts, only: Option<Vec<ProjectId>>) -> Self {
        Self {
            parts,
            only,
            tasks: BTreeMap::new(),
            projects: None,
            milestones: BTreeMap::new(),
            goals: BTreeMap::new(),
        }
    }

    /// Reads those of these tasks that were not read yet.
    pub(super) async fn know(
        &mut self,
        tasks: impl Iterator<Item = TaskId>,
    ) -> Result<(), DeskError> {
        let mut ids: Vec<TaskId> = tasks.filter(|id| !self.tasks.contains_key(id)).collect();
        ids.sort_unstable();
        ids.dedup();
        for some in ids.chunks(TOGETHER) {
            let query = TaskQuery { ids: some.to_vec(), limit: TOGETHER, ..TaskQuery::default() };
            let page = self.parts.board.tasks(&query).await.map_err(of_board)?;
            self.tasks.extend(some.iter().map(|id| (*id, None)));
            self.tasks.extend(page.items.into_iter().map(|task| (task.id, Some(task))));
        }
        Ok(())
    }

    /// Its project, or that the task is gone.
    pub(super) async fn project(&mut self, task: TaskId) -> Result<SpentOf, DeskError> {
        let Some(task) = self.task(task).await? else { return Ok(gone()) };
        let id = task.project;
        let project = self.read_project(id).await?;
        Ok(project.map_or_else(gone, |project| SpentOf::Project(id, project.name)))
    }

    /// Its milestone, or that it has none.
    pub(super) async fn milestone(&mut self, task: TaskId) -> Result<SpentOf, DeskError> {
        let Some(task) = self.task(task).await? else { return Ok(gone()) };
        let Some(id) = task.milestone else {
            return Ok(SpentOf::Named("no milestone".to_owned()));
        };
        if let Some(known) = self.milestones.get(&id) {
            return Ok(known.clone());
        }
        let name = match there(self.parts.board.milestone(id).await)? {
            Some(milestone) => SpentOf::Milestone(id, milestone.headline),
            None => gone(),
        };
        self.milestones.insert(id, name.clone());
        Ok(name)
    }

    /// `Revenue (goal 2)`: the goals that its milestone counts towards, as one line if there are several,
    /// so that nothing is counted twice.
    pub(super) async fn goal(&mut self, task: TaskId) -> Result<SpentOf, DeskError> {
        let Some(task) = self.task(task).await? else { return Ok(gone()) };
        let none = || "no goal".to_owned();
        let Some(id) = task.milestone else { return Ok(SpentOf::Named(none())) };
        if let Some(known) = self.goals.get(&id) {
            return Ok(SpentOf::Named(known.clone()));
        }
        let query = GoalQuery {
            milestone: Some(id),
            projects: self.only.clone().unwrap_or_default(),
            limit: GOALS_MAX,
            ..GoalQuery::default()
        };
        let page = self.parts.board.goals(&query).await.map_err(of_board)?;
        let mut names: Vec<String> =
            page.items.iter().map(|goal| format!("{} (goal {})", goal.title, goal.id)).collect();
        if page.next.is_some() {
            names.push("and more".to_owned());
        }
        let name = if names.is_empty() { none() } else { names.join(", ") };
        self.goals.insert(id, name.clone());
        Ok(SpentOf::Named(name))
    }

    /// What is planned for it; nothing where that is not known.
    pub(super) async fn planned_minutes(&mut self, task: TaskId) -> Result<u64, DeskError> {
        let planned = self.task(task).await?.and_then(|task| task.plan_hours).unwrap_or(0.0);
        let minutes = (planned * 60.0).round();
        // A plan is a number of people's making, far below what this holds.
        let minutes = if minutes.is_finite() { minutes.clamp(0.0, 1e9) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in bounds")]
        Ok(minutes as u64)
    }

    /// Whether it has a status of this kind.
    pub(super) async fn is_of_kind(
        &mut self,
        task: TaskId,
        kind: StatusKind,
    ) -> Result<bool, DeskError> {
        let Some(task) = self.task(task).await? else { return Ok(false) };
        let project = self.read_project(task.project).await?;
        Ok(project.is_some_and(|project| project.kind_of(task.status) == kind))
    }

    /// A task, unless it is gone.
    pub(super) async fn task(&mut self, id: TaskId) -> Result<Option<Task>, DeskError> {
        if let Entry::Vacant(entry) = self.tasks.entry(id) {
            entry.insert(there(self.parts.board.task(id).await)?);
        }
        Ok(self.tasks.get(&id).cloned().flatten())
    }

    async fn read_project(&mut self, id: ProjectId) -> Result<Option<Project>, DeskError> {
        if self.projects.is_none() {
            let all = self.parts.board.projects().await.map_err(of_board)?;
            self.projects = Some(all.into_iter().map(|project| (project.id, project)).collect());
        }
        Ok(self.projects.as_ref().and_then(|projects| projects.get(&id).cloned()))
    }
}

fn gone() -> SpentOf {
    SpentOf::Named("gone".to_owned())
}

fn there<T>(read: Result<T, BoardError>) -> Result<Option<T>, DeskError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(BoardError::NotFound { .. }) => Ok(None),
        Err(error) => Err(of_board(error)),
    }
}
