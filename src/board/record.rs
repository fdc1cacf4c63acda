//! The rows of activity that a write leaves: one for each field that changed.

use super::kept::Kept;
use crate::domain::{
    Activity, ActivityId, Comment, CommentTarget, Entity, Milestone, MilestoneEdit, Person,
    Project, ProjectEdit, ProjectId, Stamp, Task, TaskEdit, TaskId, Timestamp, Value,
};
use chrono::SecondsFormat;
use std::collections::BTreeSet;

/// What a row says of where it belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    entity: Entity,
    task: Option<TaskId>,
    project: Option<ProjectId>,
}

impl About {
    pub(super) fn task(task: &Task) -> Self {
        Self { entity: Entity::Task(task.id), task: Some(task.id), project: Some(task.project) }
    }

    pub(super) fn project(project: &Project) -> Self {
        Self { entity: Entity::Project(project.id), task: None, project: Some(project.id) }
    }

    pub(super) fn person(person: &Person) -> Self {
        Self { entity: Entity::Person(person.id), task: None, project: None }
    }

    pub(super) fn milestone(milestone: &Milestone) -> Self {
        let entity = Entity::Milestone(milestone.id);
        Self { entity, task: None, project: Some(milestone.project) }
    }

    /// Any other noun.
    pub(super) fn kept<T: Kept>(
        thing: &T,
        task: Option<TaskId>,
        project: Option<ProjectId>,
    ) -> Self {
        Self { entity: T::entity(thing.id()), task, project }
    }

    /// `project`: the one that the comment, or the task it is on, belongs to.
    pub(super) fn comment(comment: &Comment, project: ProjectId) -> Self {
        let task = match comment.on {
            CommentTarget::Task(task) => Some(task),
            CommentTarget::Project(_) | CommentTarget::Goal(_) => None,
        };
        Self { entity: Entity::Comment(comment.id), task, project: Some(project) }
    }
}

/// The rows of one write, in the order they were made.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    stamp: &'a Stamp,
    at: Timestamp,
    made: Vec<Activity>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(stamp: &'a Stamp, at: Timestamp) -> Self {
        Self { stamp, at, made: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// The rows; their ids are the adapter's business.
    pub(super) fn into_vec(self) -> Vec<Activity> {
        self.made
    }

    /// Something was added: `shown` is its headline, name or text.
    pub(super) fn created(&mut self, about: About, shown: &str) {
        self.changed(about, "created", Value::Null, shown.into());
    }

    /// Something was removed.
    pub(super) fn deleted(&mut self, about: About, shown: &str) {
        self.changed(about, "deleted", shown.into(), Value::Null);
    }

    /// One field, if it changed.
    pub(super) fn changed(&mut self, about: About, field: &str, before: Value, after: Value) {
        if before == after {
            return;
        }
        self.made.push(Activity {
            id: ActivityId(0),
            at: self.at,
            actor: Some(self.stamp.actor),
            entity: about.entity,
            task: about.task,
            project: about.project,
            field: field.to_owned(),
            before,
            after,
            mark: self.stamp.mark.clone(),
        });
    }

    /// What changed in any other noun.
    pub(super) fn fields<T: Kept>(&mut self, about: About, before: &T, after: &T) {
        for ((field, old), (_, new)) in before.fields().into_iter().zip(after.fields()) {
            self.changed(about, field, old, new);
        }
    }

    /// What edits changed in a task.
    pub(super) fn task(&mut self, before: &Task, after: &Task, edits: &[TaskEdit]) {
        let mut seen = BTreeSet::new();
        for edit in edits {
            let field = edit.field();
            if seen.insert(field.clone()) {
                let (old, new) = (edit.value_in(before), edit.value_in(after));
                self.changed(About::task(after), &field, old, new);
            }
        }
    }

    /// What edits changed in a project.
    pub(super) fn project(&mut self, before: &Project, after: &Project, edits: &[ProjectEdit]) {
        let mut seen = BTreeSet::new();
        for edit in edits {
            let of = |project: &Project| match edit {
                ProjectEdit::Name(_) => ("name", project.name.as_str().into()),
                ProjectEdit::Details(_) => ("details", project.details.as_str().into()),
                ProjectEdit::Closed(_) => ("closed", project.closed.into()),
                ProjectEdit::Statuses(_) => ("statuses", statuses(project)),
            };
            let ((field, old), (_, new)) = (of(before), of(after));
            if seen.insert(field) {
                self.changed(About::project(after), field, old, new);
            }
        }
    }

    /// What edits changed in a milestone.
    pub(super) fn milestone(
        &mut self,
        before: &Milestone,
        after: &Milestone,
        edits: &[MilestoneEdit],
    ) {
        let mut seen = BTreeSet::new();
        for edit in edits {
            let of = |milestone: &Milestone| match edit {
                MilestoneEdit::Headline(_) => ("headline", milestone.headline.as_str().into()),
                MilestoneEdit::Color(_) => ("color", milestone.color.as_str().into()),
                MilestoneEdit::Assignee(_) => ("assignee", milestone.assignee.map(|p| p.0).into()),
                MilestoneEdit::From(_) => ("from", instant(milestone.from)),
                MilestoneEdit::To(_) => ("to", instant(milestone.to)),
                MilestoneEdit::DependsOn(_) => {
                    ("depends_on", milestone.depends_on.map(|m| m.0).into())
                }
                MilestoneEdit::Done(_) => ("done", milestone.done.into()),
            };
            let ((field, old), (_, new)) = (of(before), of(after));
            if seen.insert(field) {
                self.changed(About::milestone(after), field, old, new);
            }
        }
    }
}

fn statuses(project: &Project) -> Value {
    Value::List(
        project
            .statuses
            .iter()
            .map(|status| {
                Value::map([
                    ("id", Value::Int(status.id.0)),
                    ("label", status.label.as_str().into()),
                    ("kind", status.kind.as_str().into()),
                    ("order", status.order.into()),
                ])
            })
            .collect(),
    )
}

fn instant(at: Timestamp) -> Value {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
}
