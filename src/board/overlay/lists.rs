//! Everything but tasks: what was written, over what is below.

use super::super::{
    Board, BoardError, Comments, History, Milestones, People, Projects, Result, check, write,
};
use super::Overlay;
use crate::domain::{
    Activity, ActivityId, ActivityQuery, Comment, CommentId, CommentQuery, CommentTarget, Cursor,
    Entity, Milestone, MilestoneEdit, MilestoneId, MilestoneQuery, NewComment, NewMilestone,
    NewPerson, NewProject, Page, Person, PersonId, Project, ProjectEdit, ProjectId, Stamp, Written,
};
use async_trait::async_trait;
use std::collections::BTreeMap;

fn not_found(entity: Entity) -> BoardError {
    BoardError::NotFound { what: entity.to_string() }
}

pub(super) async fn people(board: &Overlay) -> Result<BTreeMap<PersonId, Person>> {
    let below = match &board.below {
        Some(below) => below.people().await?,
        None => Vec::new(),
    };
    let mut all: BTreeMap<_, _> = below.into_iter().map(|person| (person.id, person)).collect();
    all.extend(board.layer().people.clone());
    Ok(all)
}

pub(super) async fn projects(board: &Overlay) -> Result<BTreeMap<ProjectId, Project>> {
    let below = match &board.below {
        Some(below) => below.projects().await?,
        None => Vec::new(),
    };
    let mut all: BTreeMap<_, _> = below.into_iter().map(|project| (project.id, project)).collect();
    all.extend(board.layer().projects.clone());
    Ok(all)
}

/// A comment of a board, which gives them by their place only.
pub(super) async fn comment_below(below: &dyn Board, id: CommentId) -> Result<Option<Comment>> {
    let query = CommentQuery {
        after: Some(CommentId(id.0.saturating_sub(1))),
        limit: 1,
        ..CommentQuery::default()
    };
    let found = below.comments(&query).await?.items.into_iter().next();
    Ok(found.filter(|comment| comment.id == id))
}

fn means(query: &CommentQuery, comment: &Comment) -> bool {
    query.on.is_none_or(|on| comment.on == on)
        && (query.projects.is_empty()
            || matches!(comment.on, CommentTarget::Project(id) if query.projects.contains(&id)))
        && (!query.rated || comment.rating.is_some())
        && query.from.is_none_or(|from| comment.created >= from)
        && query.to.is_none_or(|to| comment.created < to)
        && query.after.is_none_or(|after| comes_after(query, comment.id, after))
}

fn comes_after(query: &CommentQuery, id: CommentId, other: CommentId) -> bool {
    if query.latest_first { id < other } else { id > other }
}

/// Pages are merged by id: what is written here waits until the board below has come so far.
pub(super) async fn comments(board: &Overlay, query: &CommentQuery) -> Result<Page<Comment>> {
    let size = query.page_size();
    let mut found: BTreeMap<CommentId, Comment> = BTreeMap::new();
    let mut ask = query.clone();
    let mut reached = None;
    while let Some(below) = &board.below {
        let answer = below.comments(&ask).await?;
        reached = answer.next.and(answer.items.last().map(|comment| comment.id));
        let layer = board.layer();
        let shown = answer.items.into_iter().filter(|c| !layer.comments.contains_key(&c.id));
        found.extend(shown.map(|comment| (comment.id, comment)));
        if reached.is_none() || found.len() >= size {
            break;
        }
        ask.after = reached;
    }
    let own: Vec<Comment> = board.layer().comments.values().flatten().cloned().collect();
    let own = own.into_iter().filter(|comment| means(query, comment));
    let is_reached = |id| reached.is_none_or(|reached| !comes_after(query, id, reached));
    found.extend(own.filter(|own| is_reached(own.id)).map(|comment| (comment.id, comment)));
    let more = reached.is_some() || found.len() > size;
    let mut items: Vec<Comment> = found.into_values().collect();
    if query.latest_first {
        items.reverse();
    }
    items.truncate(size);
    let next = items.last().filter(|_| more).map(|last| Cursor(last.id.to_string()));
    Ok(Page { items, next })
}

#[async_trait]
impl People for Overlay {
    async fn people(&self) -> Result<Vec<Person>> {
        Ok(people(self).await?.into_values().collect())
    }

    async fn person(&self, id: PersonId) -> Result<Person> {
        self.find_person(id).await?.ok_or_else(|| not_found(Entity::Person(id)))
    }

    async fn add_person(&self, stamp: &Stamp, new: NewPerson) -> Result<Written<Person>> {
        let mut session = self.session().await;
        let written = write::add_person(&mut session, self.now(), stamp, new).await?;
        session.commit();
        Ok(written)
    }
}

#[async_trait]
impl Projects for Overlay {
    async fn projects(&self) -> Result<Vec<Project>> {
        Ok(projects(self).await?.into_values().collect())
    }

    async fn project(&self, id: ProjectId) -> Result<Project> {
        self.find_project(id).await?.ok_or_else(|| not_found(Entity::Project(id)))
    }

    async fn add_project(&self, stamp: &Stamp, new: NewProject) -> Result<Written<Project>> {
        let mut session = self.session().await;
        let written = write::add_project(&mut session, self.now(), stamp, new).await?;
        session.commit();
        Ok(written)
    }

    async fn edit_project(
        &self,
        stamp: &Stamp,
        id: ProjectId,
        edits: &[ProjectEdit],
    ) -> Result<Written<Project>> {
        let mut session = self.session().await;
        let written = write::edit_project(&mut session, self.now(), stamp, id, edits).await?;
        session.commit();
        Ok(written)
    }
}

#[async_trait]
impl Milestones for Overlay {
    async fn milestone(&self, id: MilestoneId) -> Result<Milestone> {
        self.find_milestone(id).await?.ok_or_else(|| not_found(Entity::Milestone(id)))
    }

    async fn milestones(&self, query: &MilestoneQuery) -> Result<Vec<Milestone>> {
        check::asked_projects(query.projects.len())?;
        let mut all = match &self.below {
            Some(below) => below.milestones(query).await?,
            None => Vec::new(),
        };
        let layer = self.layer();
        all.retain(|milestone| !layer.milestones.contains_key(&milestone.id));
        let own = layer.milestones.values().filter(|milestone| {
            (query.projects.is_empty() || query.projects.contains(&milestone.project))
                && query.to_from.is_none_or(|from| milestone.to >= from)
                && query.to_before.is_none_or(|to| milestone.to < to)
                && query.done.is_none_or(|done| milestone.done == done)
        });
        all.extend(own.cloned());
        all.sort_by_key(|milestone| (milestone.to, milestone.id));
        Ok(all)
    }

    async fn add_milestone(&self, stamp: &Stamp, new: NewMilestone) -> Result<Written<Milestone>> {
        let mut session = self.session().await;
        let written = write::add_milestone(&mut session, self.now(), stamp, new).await?;
        session.commit();
        Ok(written)
    }

    async fn edit_milestone(
        &self,
        stamp: &Stamp,
        id: MilestoneId,
        edits: &[MilestoneEdit],
    ) -> Result<Written<Milestone>> {
        let mut session = self.session().await;
        let written = write::edit_milestone(&mut session, self.now(), stamp, id, edits).await?;
        session.commit();
        Ok(written)
    }
}

#[async_trait]
impl Comments for Overlay {
    async fn comments(&self, query: &CommentQuery) -> Result<Page<Comment>> {
        check::asked_projects(query.projects.len())?;
        comments(self, query).await
    }

    async fn add_comment(&self, stamp: &Stamp, new: NewComment) -> Result<Written<Comment>> {
        let mut session = self.session().await;
        let written = write::add_comment(&mut session, self.now(), stamp, new).await?;
        session.commit();
        Ok(written)
    }

    async fn edit_comment(
        &self,
        stamp: &Stamp,
        id: CommentId,
        text: String,
    ) -> Result<Written<Comment>> {
        let mut session = self.session().await;
        let written = write::edit_comment(&mut session, self.now(), stamp, id, text).await?;
        session.commit();
        Ok(written)
    }

    async fn delete_comment(&self, stamp: &Stamp, id: CommentId) -> Result<Written<Comment>> {
        let mut session = self.session().await;
        let written = write::delete_comment(&mut session, self.now(), stamp, id).await?;
        session.commit();
        Ok(written)
    }
}

fn row_means(query: &ActivityQuery, row: &Activity) -> bool {
    let beyond =
        |after: ActivityId| if query.latest_first { row.id < after } else { row.id > after };
    query.task.is_none_or(|task| row.task == Some(task))
        && (query.projects.is_empty() || row.project.is_some_and(|id| query.projects.contains(&id)))
        && query.field.as_ref().is_none_or(|field| row.field == *field)
        && query.from.is_none_or(|from| row.at >= from)
        && query.to.is_none_or(|to| row.at < to)
        && query.after.is_none_or(beyond)
}

#[async_trait]
impl History for Overlay {
    /// Rows of the board below come before those that were written here.
    async fn activity(&self, query: &ActivityQuery) -> Result<Page<Activity>> {
        check::asked_projects(query.projects.len())?;
        let size = query.page_size();
        let mut own: Vec<Activity> =
            self.layer().activity.iter().filter(|row| row_means(query, row)).cloned().collect();
        let mut more_below = false;
        let mut below = Vec::new();
        if let Some(board) = &self.below {
            let answer = board.activity(query).await?;
            more_below = answer.next.is_some();
            below = answer.items;
        }
        let mut items = if query.latest_first {
            own.reverse();
            own.into_iter().chain(below).collect()
        } else if more_below {
            below
        } else {
            [below, own].concat()
        };
        let more = more_below || items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(|last| Cursor(last.id.to_string()));
        Ok(Page { items, next })
    }

    async fn latest_activity(&self) -> Result<ActivityId> {
        let own = self.layer().activity.last().map(|row| row.id);
        match (own, &self.below) {
            (Some(id), _) => Ok(id),
            (None, Some(below)) => below.latest_activity().await,
            (None, None) => Ok(ActivityId(0)),
        }
    }
}
