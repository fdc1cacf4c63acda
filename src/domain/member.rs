//! Who belongs to a project.
//!
//! A project that lists nobody is open: everybody on the board works on it with the role they have
//! on the board. Boards were like that before there were members, and stay so.

use super::{Cursor, Person, PersonId, ProjectId, Role};
use serde::{Deserialize, Serialize};

/// A person of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The project.
    pub project: ProjectId,
    /// The person.
    pub person: PersonId,
    /// The most that they may do in it; `None`: what they may do on the board.
    pub role: Option<Role>,
}

/// What a person may do in a project whose members these are; `None`: nothing.
///
/// A role in the project can only lessen that on the board, which may already be what a token leaves of
/// it; managers and those above keep theirs, and need not be listed.
pub fn role_in(person: &Person, members: &[Member]) -> Option<Role> {
    if members.is_empty() || person.role >= Role::Manager {
        return Some(person.role);
    }
    let member = members.iter().find(|member| member.person == person.id)?;
    Some(member.role.map_or(person.role, |role| role.min(person.role)))
}

/// Which members, by project and person; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemberQuery {
    /// Of one of these projects.
    pub projects: Vec<ProjectId>,
    /// One of these people.
    pub people: Vec<PersonId>,
    /// At most so many; 0 means 100, more than 1,000 means 1,000.
    pub limit: usize,
    /// Go on after this page's end.
    pub after: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PersonKind;

    #[test]
    fn a_project_that_lists_nobody_is_open_and_managers_need_not_be_listed() {
        let person = |id: i64, role| Person {
            id: PersonId(id),
            name: String::new(),
            email: None,
            kind: PersonKind::Person,
            role,
        };
        let member = |id: i64, role| Member { project: ProjectId(1), person: PersonId(id), role };
        let (editor, manager) = (person(1, Role::Editor), person(2, Role::Manager));
        assert_eq!(role_in(&editor, &[]), Some(Role::Editor));
        let listed = [member(3, None)];
        assert_eq!(role_in(&editor, &listed), None);
        assert_eq!(role_in(&manager, &listed), Some(Role::Manager));
        assert_eq!(role_in(&editor, &[member(1, None)]), Some(Role::Editor));
        let less = [member(1, Some(Role::Readonly)), member(2, Some(Role::Readonly))];
        assert_eq!(role_in(&editor, &less), Some(Role::Readonly));
        assert_eq!(role_in(&manager, &less), Some(Role::Manager));
        let more = [member(1, Some(Role::Admin))];
        assert_eq!(role_in(&editor, &more), Some(Role::Editor));
    }
}
