//! Tasks and subtasks.

use super::super::noun::{Card, Key, Kind, Noun, there};
use super::super::way::{Way, begins_alike};
use super::{all, home, no_field};
use crate::board::Result;
use crate::domain::{
    NewTask, Stamp, Task, TaskEdit, TaskId, TaskKind, TaskQuery, Timestamp, Value,
};
use async_trait::async_trait;

fn instant(at: Option<Timestamp>) -> Value {
    at.map(|at| at.timestamp_millis()).into()
}

fn ids(ids: impl Iterator<Item = i64>) -> Value {
    Value::List(ids.map(Value::Int).collect())
}

/// The edits that make a list as it is to be.
fn listed<T: PartialEq + Clone>(
    was: &[T],
    is: &[T],
    add: fn(T) -> TaskEdit,
    remove: fn(T) -> TaskEdit,
) -> Vec<TaskEdit> {
    let gone = was.iter().filter(|one| !is.contains(one)).cloned().map(remove);
    let new = is.iter().filter(|one| !was.contains(one)).cloned().map(add);
    gone.chain(new).collect()
}

/// What it is on the target: a subtask is one only below its parent.
fn kind_there(task: &Task, way: &Way) -> TaskKind {
    let has_parent = task.parent.is_some_and(|parent| way.task(parent).is_some());
    if task.kind == TaskKind::Subtask && !has_parent { TaskKind::Task } else { task.kind }
}

/// What is the same on every board.
fn plain(task: &Task, field: &str) -> Option<TaskEdit> {
    Some(match field {
        "headline" => TaskEdit::Headline(task.headline.clone()),
        "description" => TaskEdit::Description(task.description.clone()),
        "acceptance_criteria" => TaskEdit::AcceptanceCriteria(task.acceptance_criteria.clone()),
        "priority" => TaskEdit::Priority(task.priority),
        "storypoints" => TaskEdit::Storypoints(task.storypoints),
        "plan_hours" => TaskEdit::PlanHours(task.plan_hours),
        "hours_remaining" => TaskEdit::HoursRemaining(task.hours_remaining),
        "due" => TaskEdit::Due(task.due),
        "work_from" => TaskEdit::WorkFrom(task.work_from),
        "work_to" => TaskEdit::WorkTo(task.work_to),
        "sort" => TaskEdit::Sort(task.sort),
        _ => return None,
    })
}

/// What names something else, which is another there.
fn reference(
    of: &Task,
    field: &str,
    was: Option<&Task>,
    way: &Way,
) -> std::result::Result<Vec<TaskEdit>, String> {
    let task = |id: TaskId| way.task(id).ok_or_else(|| format!("task {id} is not there"));
    Ok(match field {
        "kind" => vec![TaskEdit::Kind(kind_there(of, way))],
        "status" => {
            let status = way.status(of.project, of.status);
            vec![TaskEdit::Status(status.ok_or("its project is not there")?)]
        }
        "assignee" => {
            vec![TaskEdit::Assignee(of.assignee.map(|id| way.person(id)).transpose()?)]
        }
        "collaborators" => {
            let people = of.collaborators.iter().map(|id| way.person(*id));
            vec![TaskEdit::Collaborators(people.collect::<std::result::Result<_, _>>()?)]
        }
        "milestone" => {
            let there = of
                .milestone
                .map(|id| way.milestone(id).ok_or_else(|| format!("milestone {id} is not there")));
            vec![TaskEdit::Milestone(there.transpose()?)]
        }
        "sprint" => {
            let there = of
                .sprint
                .map(|id| way.sprint(id).ok_or_else(|| format!("sprint {id} is not there")));
            vec![TaskEdit::Sprint(there.transpose()?)]
        }
        "parent" => vec![TaskEdit::Parent(of.parent.map(task).transpose()?)],
        "blocked_by" => {
            let there = of.blocked_by.iter().map(|id| task(*id));
            let there: Vec<TaskId> = there.collect::<std::result::Result<_, _>>()?;
            let was = was.map(|was| was.blocked_by.clone()).unwrap_or_default();
            listed(&was, &there, TaskEdit::AddBlocker, TaskEdit::RemoveBlocker)
        }
        _ => return no_field(field),
    })
}

#[async_trait]
impl Noun for Task {
    type Edit = TaskEdit;
    const KIND: Kind = Kind::Task;
    const LATE: &'static [&'static str] = &["blocked_by"];

    fn key(&self) -> Key {
        (self.id.0, 0)
    }

    fn title(&self) -> String {
        self.headline.clone()
    }

    fn card(&self) -> Card {
        let fields = self.fields.iter().map(|(k, v)| (k.clone(), v.as_str().into()));
        vec![
            // Before the kind: a subtask has one.
            ("parent", self.parent.map(|task| task.0).into()),
            ("headline", self.headline.as_str().into()),
            ("description", self.description.as_str().into()),
            ("acceptance_criteria", self.acceptance_criteria.as_str().into()),
            ("kind", self.kind.as_str().into()),
            ("status", self.status.0.into()),
            ("priority", self.priority.into()),
            ("storypoints", self.storypoints.into()),
            ("plan_hours", self.plan_hours.into()),
            ("hours_remaining", self.hours_remaining.into()),
            ("tags", self.tags.clone().into()),
            ("assignee", self.assignee.map(|who| who.0).into()),
            ("collaborators", ids(self.collaborators.iter().map(|who| who.0))),
            ("due", instant(self.due)),
            ("work_from", instant(self.work_from)),
            ("work_to", instant(self.work_to)),
            ("milestone", self.milestone.map(|id| id.0).into()),
            ("sprint", self.sprint.map(|id| id.0).into()),
            ("sort", self.sort.into()),
            ("fields", Value::Map(fields.collect())),
            ("blocked_by", ids(self.blocked_by.iter().map(|task| task.0))),
        ]
    }

    fn wish(
        &self,
        field: &str,
        was: Option<&Self>,
        way: &Way,
    ) -> std::result::Result<Vec<Self::Edit>, String> {
        if let Some(edit) = plain(self, field) {
            return Ok(vec![edit]);
        }
        match field {
            "tags" => {
                let was = was.map(|was| was.tags.clone()).unwrap_or_default();
                Ok(listed(&was, &self.tags, TaskEdit::AddTag, TaskEdit::RemoveTag))
            }
            "fields" => {
                let was = was.map(|was| was.fields.clone()).unwrap_or_default();
                let gone = was.keys().filter(|name| !self.fields.contains_key(*name));
                let gone = gone.map(|name| TaskEdit::Field(name.clone(), None));
                let new = self.fields.iter().filter(|(name, text)| was.get(*name) != Some(text));
                let new = new.map(|(k, v)| TaskEdit::Field(k.clone(), Some(v.clone())));
                Ok(gone.chain(new).collect())
            }
            _ => reference(self, field, was, way),
        }
    }

    fn apply(edit: &Self::Edit, to: &mut Self) {
        edit.apply(to);
    }

    fn refusal(&self, way: &Way) -> Option<String> {
        home(way, self.project).err().map(|error| error.to_string())
    }

    async fn alike(&self, way: &Way) -> Result<Vec<Self>> {
        let query = TaskQuery { projects: vec![home(way, self.project)?], ..TaskQuery::default() };
        let found = all(|after| {
            let query = TaskQuery { after, limit: 1_000, ..query.clone() };
            async move { way.target.tasks(&query).await }
        });
        let mut found = found.await?;
        found.retain(|task| {
            task.headline.trim() == self.headline.trim()
                && begins_alike(&task.description, &self.description)
        });
        Ok(found)
    }

    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>> {
        there(way.target.task(TaskId(key.0)).await)
    }

    async fn add(&self, way: &Way, stamp: &Stamp, edits: &[Self::Edit]) -> Result<Self> {
        let project = home(way, self.project)?;
        let is_begun_with = |edit: &&TaskEdit| {
            matches!(
                edit,
                TaskEdit::Headline(_)
                    | TaskEdit::Kind(_)
                    | TaskEdit::Parent(_)
                    | TaskEdit::Status(_)
            )
        };
        let new = NewTask {
            project,
            headline: self.headline.clone(),
            kind: kind_there(self, way),
            parent: self.parent.and_then(|parent| way.task(parent)),
            status: way.status(self.project, self.status),
            edits: edits.iter().filter(|edit| !is_begun_with(edit)).cloned().collect(),
        };
        Ok(way.target.add_task(stamp, new).await?.after)
    }

    async fn edit(
        &self,
        way: &Way,
        stamp: &Stamp,
        was: &Self,
        edits: &[Self::Edit],
    ) -> Result<Self> {
        Ok(way.target.edit_task(stamp, was.id, edits).await?.after)
    }
}
