//! Who is on a board that was just made: the person who types, and the agents of the playbooks.

use crate::app::failure::{Failure, FailureKind};
use crate::board::{Board, BoardError};
use crate::domain::{
    Initiative, NewPerson, Person, PersonId, PersonKind, Playbook, Principal, Role, Stamp, Work,
};
use crate::tools;
use std::sync::Arc;

/// The name of the system's user, for records of who did what.
#[expect(clippy::disallowed_methods, reason = "whoever types is known by the environment alone")]
pub(super) fn typist() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
        .unwrap_or_else(|| "owner".to_owned())
}

/// Whoever types: `[people] me` by name or address, else the board's first owner. On an empty board they are added.
pub(super) async fn me(board: &dyn Board, configured: Option<&str>) -> Result<Principal, Failure> {
    let people = board.people().await.map_err(|error| super::failures::board(&error))?;
    let found = match configured {
        Some(name) => named(&people, name),
        None => people.iter().find(|p| p.role == Role::Owner && p.kind == PersonKind::Person),
    };
    let person = match found {
        Some(person) => person.clone(),
        None if people.iter().all(|person| person.kind == PersonKind::Agent) => {
            let name = configured.map_or_else(typist, str::to_owned);
            add(board, &name, PersonKind::Person, Role::Owner).await?
        }
        None => {
            let names: Vec<_> = people.iter().map(|person| person.name.as_str()).collect();
            return Err(Failure::new(
                FailureKind::Config,
                format!(
                    "[people] me: nobody on the board is {:?}; there are {}",
                    configured.unwrap_or("an owner"),
                    names.join(", ")
                ),
            ));
        }
    };
    Ok(principal(person))
}

/// Whose name or address this is.
pub(super) fn named<'a>(people: &'a [Person], name: &str) -> Option<&'a Person> {
    let is = |text: &str| text.trim().eq_ignore_ascii_case(name.trim());
    people.iter().find(|p| is(&p.name) || p.email.as_deref().is_some_and(is))
}

/// A person who acts on their own.
pub(super) fn principal(person: Person) -> Principal {
    Principal { person, by: Initiative::Person }
}

/// Adds the users that playbooks act as, where the board is ours and lacks them.
pub(super) async fn agents(board: &dyn Board, playbooks: &[Arc<Playbook>]) -> Result<(), Failure> {
    let people = board.people().await.map_err(|error| super::failures::board(&error))?;
    let mut known: Vec<String> = people.iter().map(|p| p.name.trim().to_lowercase()).collect();
    for playbook in playbooks {
        let name = playbook.agent.trim().to_lowercase();
        if !known.contains(&name) {
            let role = role_for(&playbook.agent, playbooks);
            add(board, playbook.agent.trim(), PersonKind::Agent, role).await?;
            known.push(name);
        }
    }
    Ok(())
}

/// What an agent needs to be: editor, or manager where all it does are written steps and one of them
/// takes a manager (milestones, other people's time). What a model or a program may come to do is not
/// known, so that no agent of theirs is one by itself.
fn role_for(agent: &str, playbooks: &[Arc<Playbook>]) -> Role {
    let own = |one: &&Arc<Playbook>| one.agent.trim().eq_ignore_ascii_case(agent.trim());
    let mut role = Role::Editor;
    for playbook in playbooks.iter().filter(own) {
        let Work::Steps(steps) = &playbook.work else { return Role::Editor };
        let tools = steps.iter().filter_map(|step| {
            tools::catalogue().iter().find(|tool| tool.name == step.tool).map(|tool| tool.role)
        });
        // Somebody else's time is logged by managers alone.
        let of_others = steps.iter().any(|step| step.args.get("userId").is_some());
        role = role.max(tools.max().unwrap_or(role));
        role = role.max(if of_others { Role::Manager } else { role });
    }
    role.min(Role::Manager)
}

async fn add(
    board: &dyn Board,
    name: &str,
    kind: PersonKind,
    role: Role,
) -> Result<Person, Failure> {
    let new = NewPerson { name: name.to_owned(), email: None, kind, role };
    // Nobody is there yet who could have done it.
    match board.add_person(&Stamp::by(PersonId(0)), new).await {
        Ok(written) => Ok(written.after),
        Err(error @ BoardError::Conflict(_)) => {
            // Another daemon of the same board began at the same time.
            let people = board.people().await.map_err(|error| super::failures::board(&error))?;
            named(&people, name).cloned().ok_or_else(|| super::failures::board(&error))
        }
        Err(error) => Err(super::failures::board(&error)),
    }
}
