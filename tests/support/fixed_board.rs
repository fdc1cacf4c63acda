//! A board that holds what it is given, answers in tiny pages, and refuses every question and
//! every filter that a digest has no need for.

use async_trait::async_trait;
use rota::board::{
    Board, BoardError, Capabilities, Comments, History, Milestones, People, Projects, Result, Tasks,
};
use rota::domain::*;

/// What the board holds.
#[derive(Clone, Debug, Default)]
pub struct FixedBoard {
    pub people: Vec<Person>,
    pub projects: Vec<Project>,
    pub tasks: Vec<Task>,
    pub milestones: Vec<Milestone>,
    pub comments: Vec<Comment>,
    /// Items in a page; 0: as many as asked for.
    pub page: usize,
    /// Whether every page promises another.
    pub is_stuck: bool,
}

fn no<T>() -> Result<T> {
    Err(BoardError::Unsupported("the fixed board only answers what a digest asks".into()))
}

super::delegate::delegate_nouns!(FixedBoard, self, (no::<&dyn Board>()?));

impl FixedBoard {
    fn kind_of(&self, task: &Task) -> StatusKind {
        let project = self.projects.iter().find(|project| project.id == task.project).unwrap();
        project.kind_of(task.status)
    }

    fn page<T>(&self, mut items: Vec<T>, asked: usize) -> (Vec<T>, bool) {
        let size = if self.page == 0 { asked } else { self.page.min(asked) };
        let has_more = items.len() > size;
        items.truncate(size);
        (items, has_more || self.is_stuck)
    }
}

#[async_trait]
impl Tasks for FixedBoard {
    async fn task(&self, _: TaskId) -> Result<Task> {
        no()
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>> {
        let understood = TaskQuery {
            projects: query.projects.clone(),
            kinds_of_status: query.kinds_of_status.clone(),
            due_from: query.due_from,
            due_to: query.due_to,
            order: TaskOrder::Due,
            limit: query.limit,
            after: query.after.clone(),
            ..TaskQuery::default()
        };
        if *query != understood {
            return no();
        }
        let mut tasks: Vec<_> = self
            .tasks
            .iter()
            .filter(|task| query.projects.is_empty() || query.projects.contains(&task.project))
            .filter(|task| query.kinds_of_status.contains(&self.kind_of(task)))
            .filter(|task| task.due.is_some_and(|due| query.due_from.unwrap() <= due))
            .filter(|task| task.due.is_some_and(|due| due < query.due_to.unwrap()))
            .cloned()
            .collect();
        tasks.sort_by_key(|task| (task.due, task.id));
        let skip = query.after.as_ref().map_or(0, |cursor| cursor.0.parse().unwrap());
        let (items, has_more) =
            self.page(tasks.into_iter().skip(skip).collect(), query.page_size());
        let next = has_more.then(|| Cursor((skip + items.len()).to_string()));
        Ok(Page { items, next })
    }

    async fn add_task(&self, _: &Stamp, _: NewTask) -> Result<Written<Task>> {
        no()
    }

    async fn edit_task(&self, _: &Stamp, _: TaskId, _: &[TaskEdit]) -> Result<Written<Task>> {
        no()
    }

    async fn delete_task(&self, _: &Stamp, _: TaskId) -> Result<Written<Task>> {
        no()
    }
}

#[async_trait]
impl Comments for FixedBoard {
    async fn comments(&self, query: &CommentQuery) -> Result<Page<Comment>> {
        if query.on.is_some() {
            return no();
        }
        let is_in = |comment: &&Comment| match comment.on {
            CommentTarget::Project(id) => query.projects.is_empty() || query.projects.contains(&id),
            CommentTarget::Task(_) | CommentTarget::Goal(_) => query.projects.is_empty(),
        };
        let comments = self
            .comments
            .iter()
            .filter(is_in)
            .filter(|comment| !query.rated || comment.rating.is_some())
            .filter(|comment| query.from.is_none_or(|from| from <= comment.created))
            .filter(|comment| query.to.is_none_or(|to| comment.created < to))
            .filter(|comment| query.after.is_none_or(|after| after < comment.id))
            .cloned()
            .collect();
        let (items, has_more) = self.page(comments, query.page_size());
        Ok(Page { items, next: has_more.then(|| Cursor("opaque".into())) })
    }

    async fn add_comment(&self, _: &Stamp, _: NewComment) -> Result<Written<Comment>> {
        no()
    }

    async fn delete_comment(&self, _: &Stamp, _: CommentId) -> Result<Written<Comment>> {
        no()
    }

    async fn edit_comment(&self, _: &Stamp, _: CommentId, _: String) -> Result<Written<Comment>> {
        no()
    }
}

#[async_trait]
impl Milestones for FixedBoard {
    async fn milestone(&self, _: MilestoneId) -> Result<Milestone> {
        no()
    }

    async fn milestones(&self, query: &MilestoneQuery) -> Result<Vec<Milestone>> {
        let is_in = |id: &ProjectId| query.projects.is_empty() || query.projects.contains(id);
        let mut found: Vec<_> = self
            .milestones
            .iter()
            .filter(|milestone| is_in(&milestone.project))
            .filter(|milestone| query.to_from.is_none_or(|from| from <= milestone.to))
            .filter(|milestone| query.to_before.is_none_or(|to| milestone.to < to))
            .filter(|milestone| query.done.is_none_or(|done| done == milestone.done))
            .cloned()
            .collect();
        found.sort_by_key(|milestone| (milestone.to, milestone.id));
        Ok(found)
    }

    async fn add_milestone(&self, _: &Stamp, _: NewMilestone) -> Result<Written<Milestone>> {
        no()
    }

    async fn edit_milestone(
        &self,
        _: &Stamp,
        _: MilestoneId,
        _: &[MilestoneEdit],
    ) -> Result<Written<Milestone>> {
        no()
    }
}

#[async_trait]
impl People for FixedBoard {
    async fn people(&self) -> Result<Vec<Person>> {
        Ok(self.people.clone())
    }

    async fn person(&self, _: PersonId) -> Result<Person> {
        no()
    }

    async fn add_person(&self, _: &Stamp, _: NewPerson) -> Result<Written<Person>> {
        no()
    }
}

#[async_trait]
impl Projects for FixedBoard {
    async fn projects(&self) -> Result<Vec<Project>> {
        Ok(self.projects.clone())
    }

    async fn project(&self, _: ProjectId) -> Result<Project> {
        no()
    }

    async fn add_project(&self, _: &Stamp, _: NewProject) -> Result<Written<Project>> {
        no()
    }

    async fn edit_project(
        &self,
        _: &Stamp,
        _: ProjectId,
        _: &[ProjectEdit],
    ) -> Result<Written<Project>> {
        no()
    }
}

#[async_trait]
impl History for FixedBoard {
    async fn activity(&self, _: &ActivityQuery) -> Result<Page<Activity>> {
        no()
    }

    async fn latest_activity(&self) -> Result<ActivityId> {
        no()
    }
}

#[async_trait]
impl Board for FixedBoard {
    fn name(&self) -> BoardName {
        BoardName::new("fixed")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            fencing: false,
            marks: false,
            actors: false,
            blockers: false,
            steps: false,
            labels: false,
            goal_boards: false,
            project_roles: false,
        }
    }

    async fn raise_fence(&self, _: TaskId, _: Fence) -> Result<()> {
        no()
    }

    async fn effect_of(&self, _: &Mark) -> Result<EffectState> {
        no()
    }
}
