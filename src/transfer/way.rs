//! What it takes to say on the target what an item says on the source: who and what is who and what.

use super::links::Links;
use super::noun::Kind;
use crate::board::{Board, BoardError, Capabilities, Result};
use crate::domain::{
    GoalId, MilestoneId, Person, PersonId, Project, ProjectId, SprintId, StatusId, StatusKind,
    TaskId, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// From one board to the other.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) target: Arc<dyn Board>,
    pub(super) can: Capabilities,
    /// Whose name stands under what is written.
    pub(super) writer: PersonId,
    pub(super) links: Links,
    /// Whether people who are not on the target are added.
    pub(super) adds_people: bool,
    /// Everybody on the source.
    pub(super) people: BTreeMap<PersonId, Person>,
    /// Projects of the source, with what they are on the target.
    homes: Mutex<BTreeMap<ProjectId, Arc<Home>>>,
}

/// A project, on both boards.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) source: Project,
    pub(super) target: Project,
}

macro_rules! ids {
    ($($name:ident: $id:ident of $kind:ident;)*) => { $(
        pub(super) fn $name(&self, id: $id) -> Option<$id> {
            self.links.id(Kind::$kind, id.0).map($id)
        }
    )* };
}

impl Way {
    pub(super) fn new(
        target: Arc<dyn Board>,
        writer: PersonId,
        links: Links,
        adds_people: bool,
        people: Vec<Person>,
    ) -> Self {
        let people = people.into_iter().map(|person| (person.id, person)).collect();
        let (can, homes) = (target.capabilities(), Mutex::default());
        Self { target, can, writer, links, adds_people, people, homes }
    }

    ids! {
        project: ProjectId of Project;
        sprint: SprintId of Sprint;
        milestone: MilestoneId of Milestone;
        task: TaskId of Task;
        goal: GoalId of Goal;
    }

    /// Who somebody is on the target, or why nobody is.
    pub(super) fn person(&self, id: PersonId) -> std::result::Result<PersonId, String> {
        let found = self.links.id(Kind::Person, id.0).map(PersonId);
        found.ok_or_else(|| format!("{} is not there", self.name(id)))
    }

    /// What somebody of the source is called.
    pub(super) fn name(&self, id: PersonId) -> String {
        self.people.get(&id).map_or_else(|| format!("person {id}"), |person| person.name.clone())
    }

    pub(super) fn settle(&self, home: Home) {
        let mut homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        homes.insert(home.source.id, Arc::new(home));
    }

    pub(super) fn home(&self, project: ProjectId) -> Option<Arc<Home>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner).get(&project).cloned()
    }

    /// What a label of a project is on the target.
    pub(super) fn status(&self, project: ProjectId, status: StatusId) -> Option<StatusId> {
        let home = self.home(project)?;
        label_there(&home, status).map(|(status, _)| status)
    }
}

/// What is named is not on the target.
pub(super) fn missing(what: &str) -> BoardError {
    BoardError::Unsupported(format!("{what} is not there"))
}

/// An id that must be on the target.
pub(super) fn needed<T>(id: Option<T>, what: &str) -> Result<T> {
    id.ok_or_else(|| missing(what))
}

/// The label that means the same on the target, and whether it has the same name: that of the same
/// name if it means the same, else the first that does, else the nearest.
pub(super) fn label_there(home: &Home, status: StatusId) -> Option<(StatusId, bool)> {
    let Some(own) = home.source.status(status) else {
        let first = home.target.status_of_kind(StatusKind::New).or(home.target.statuses.first());
        return first.map(|status| (status.id, false));
    };
    let same = home.target.status_named(&own.label).filter(|there| there.kind == own.kind);
    if let Some(same) = same {
        return Some((same.id, true));
    }
    let nearest: &[StatusKind] = match own.kind {
        StatusKind::New => &[StatusKind::New],
        StatusKind::InProgress => &[StatusKind::InProgress, StatusKind::New],
        StatusKind::Blocked => &[StatusKind::Blocked, StatusKind::Waiting, StatusKind::InProgress],
        StatusKind::Waiting => &[StatusKind::Waiting, StatusKind::Blocked, StatusKind::InProgress],
        StatusKind::Done => &[StatusKind::Done],
    };
    let found = nearest.iter().find_map(|kind| home.target.status_of_kind(*kind));
    found.or(home.target.statuses.first()).map(|status| (status.id, false))
}

/// A name within a text of ours: one line, and nothing that Markdown would take for more.
fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars().take(255) {
        match c {
            c if c.is_control() => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '!' | '|' | '~' | '&' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}

/// A text of somebody who does not write it here: who wrote it, and when, stands above it.
pub(super) fn quoted(author: &str, at: Timestamp, text: &str) -> String {
    format!("**{}** wrote on {}:\n\n{text}", plain(author), at.format("%Y-%m-%d %H:%M UTC"))
}

/// Letters and digits of a text: what is left of it however it is formatted.
pub(super) fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Whether two texts begin with the same letters: a board may format one otherwise than it was given.
pub(super) fn begins_alike(one: &str, other: &str) -> bool {
    let begin = |text: &str| letters(text).chars().take(64).collect::<String>();
    begin(one) == begin(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Status, default_statuses, from_millis};

    fn project(statuses: &[(i64, &str, StatusKind)]) -> Project {
        let label = |(order, (id, label, kind)): (i32, &(i64, &str, StatusKind))| Status {
            id: StatusId(*id),
            label: (*label).to_owned(),
            kind: *kind,
            order,
        };
        Project {
            id: ProjectId(1),
            name: String::new(),
            details: String::new(),
            closed: false,
            statuses: (0..).zip(statuses).map(label).collect(),
            created: from_millis(0),
        }
    }

    #[test]
    fn a_label_is_the_one_of_its_name_or_what_means_the_same_or_what_is_nearest() {
        let source = project(&[
            (1, "Neu", StatusKind::New),
            (2, "done", StatusKind::Done),
            (3, "QA", StatusKind::Waiting),
            (4, "New", StatusKind::Blocked),
        ]);
        let target = Project { statuses: default_statuses(), ..source.clone() };
        let home = Home { source: source.clone(), target };
        let of = |home: &Home, id| label_there(home, StatusId(id)).map(|(id, same)| (id.0, same));
        assert_eq!(of(&home, 1), Some((3, false)));
        assert_eq!(of(&home, 2), Some((0, true)));
        assert_eq!(of(&home, 3), Some((2, false)));
        // It is called New and means something else.
        assert_eq!(of(&home, 4), Some((1, false)));
        // A label that its own project does not have counts as new.
        assert_eq!(of(&home, 99), Some((3, false)));
        let bare = project(&[(7, "Open", StatusKind::New), (8, "Closed", StatusKind::Done)]);
        let home = Home { source, target: bare };
        assert_eq!((of(&home, 3), of(&home, 2)), (Some((7, false)), Some((8, false))));
    }

    #[test]
    fn a_name_cannot_pretend_to_be_a_text_of_somebody_else() {
        let text = quoted("Eve**\n\n**Boss", from_millis(0), "hi");
        assert_eq!(text, "**Eve\\*\\*  \\*\\*Boss** wrote on 1970-01-01 00:00 UTC:\n\nhi");
    }
}
