//! Names beside ids in what a write changed, as reading tools show them: `status_label` beside
//! `status`, `assignee_name` beside `assignee`, `owner_name`,
//! `person_name`, `project_name`. The ids stay.

use super::write::{Acted, Write};
use crate::board::Board;
use crate::domain::{Person, Project, ProjectId, TaskEdit, Value};
use std::collections::BTreeMap;

/// The names that one write may need.
#[derive(Debug, Default)]
pub(super) struct Captions {
    project: Option<Project>,
    people: Vec<Person>,
}

impl Captions {
    /// Reads them, before the write. A name that cannot be read is left out: the write counts.
    pub(super) async fn read(board: &dyn Board, write: &Write) -> Self {
        let (project, people) = needs(write);
        let project = match project {
            Some(id) => board.project(id).await.ok(),
            None => None,
        };
        let people = if people { board.people().await.unwrap_or_default() } else { Vec::new() };
        Self { project, people }
    }

    /// Puts them beside the ids.
    pub(super) fn beside(&self, acted: &mut Acted) {
        for side in [&mut acted.before, &mut acted.after] {
            if let Value::Map(fields) = side {
                self.caption(fields);
            }
        }
    }

    fn caption(&self, fields: &mut BTreeMap<String, Value>) {
        let id = |name: &str| fields.get(name).and_then(Value::as_int);
        let person = |wanted: i64| {
            let found = self.people.iter().find(|person| person.id.0 == wanted);
            found.map(|person| person.name.clone())
        };
        let project = self.project.as_ref();
        let label = |wanted: i64| {
            let found = project?.statuses.iter().find(|status| status.id.0 == wanted);
            found.map(|status| status.label.clone())
        };
        let named = |wanted: i64| {
            project.filter(|project| project.id.0 == wanted).map(|project| project.name.clone())
        };
        let captions = [
            ("status_label", id("status").and_then(label)),
            ("assignee_name", id("assignee").and_then(person)),
            ("owner_name", id("ownerId").or(id("userId")).and_then(person)),
            ("person_name", id("person").and_then(person)),
            ("project_name", id("project").and_then(named)),
        ];
        for (name, caption) in captions {
            if let Some(caption) = caption {
                fields.insert(name.to_owned(), caption.into());
            }
        }
    }
}

/// The project whose labels are needed, and whether people are.
fn needs(write: &Write) -> (Option<ProjectId>, bool) {
    let edits = write.task_edits();
    let person = edits.iter().any(|edit| matches!(edit, TaskEdit::Assignee(_)));
    let status = edits.iter().any(|edit| matches!(edit, TaskEdit::Status(_)));
    match write {
        Write::AddTask(new) => (Some(new.project), person),
        Write::EditTask { seen, .. } => (status.then_some(seen.project), person),
        Write::DeleteTask(seen) => (Some(seen.project), false),
        Write::AddMilestone(new) => (Some(new.project), new.assignee.is_some()),
        Write::Goal(write) => write.names(),
        Write::Event(write) => (None, write.names_person()),
        Write::Sprint(write) => (Some(write.project()), false),
        Write::Member(write) => (Some(write.project()), true),
        _ => (None, false),
    }
}
