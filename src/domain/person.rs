//! People and agents on the board, and who is asking for something.

use super::{PersonId, RunId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A user of the board: a person, or the account an agent acts as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The board's id.
    pub id: PersonId,
    /// The name shown on the board; unique without regard to case.
    pub name: String,
    /// An address for notices, if known.
    pub email: Option<String>,
    /// A person or an agent.
    pub kind: PersonKind,
    /// What they may do.
    pub role: Role,
}

/// Whether somebody breathes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonKind {
    /// A human being.
    Person,
    /// A program that acts on the board.
    Agent,
}

/// What a user may do, least first; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Readonly,
    /// Comments.
    Commenter,
    /// Changes tasks.
    Editor,
    /// Changes projects.
    Manager,
    /// Changes people.
    Admin,
    /// Everything.
    Owner,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Readonly => "readonly",
            Self::Commenter => "commenter",
            Self::Editor => "editor",
            Self::Manager => "manager",
            Self::Admin => "admin",
            Self::Owner => "owner",
        })
    }
}

/// What is needed to add somebody to the board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPerson {
    /// The name shown on the board.
    pub name: String,
    /// An address for notices.
    pub email: Option<String>,
    /// A person or an agent.
    pub kind: PersonKind,
    /// What they may do.
    pub role: Role,
}

/// Who asks for something, and in which capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The board user whose rights hold and whose name is written.
    pub person: Person,
    /// On whose initiative.
    pub by: Initiative,
}

impl Principal {
    /// Tells those apart who may hold something: the same for every token of a person.
    pub fn key(&self) -> String {
        match &self.by {
            Initiative::Person => format!("person {}", self.person.id),
            Initiative::Service(key) => format!("service {key}"),
            Initiative::Agent(run) | Initiative::Rota(run) => format!("run {run}"),
        }
    }
}

/// On whose initiative something is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initiative {
    /// A person at a terminal or an assistant of theirs.
    Person,
    /// A program with a service key of this name: nobody, so nothing is "mine".
    Service(String),
    /// An agent inside a run.
    Agent(RunId),
    /// The daemon itself, for a run: announce, hand-back, settle.
    Rota(RunId),
}
