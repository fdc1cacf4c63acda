//! Who calls.

use super::Selection;
use crate::domain::{Principal, ProjectId, Role};
use crate::runner::Granted;
use crate::tools::{Definition, Toolset, catalogue, matches_any};
use async_trait::async_trait;
use chrono_tz::Tz;
use secrecy::SecretString;

/// Somebody who was let in.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Tells callers apart: for limits, for who owns a session, and for the log. Never a secret.
    pub id: String,
    /// The board user whose rights hold, with the role that the token leaves of them.
    pub principal: Principal,
    /// The zone in which a bare date is a day.
    pub zone: Tz,
    /// The only tools that the token lets call (`*` at the end stands for any rest, `set:tasks` for a
    /// toolset); empty: all.
    pub tools: Vec<String>,
    /// The only projects that there are for this caller; empty: all.
    pub projects: Vec<ProjectId>,
    /// Which of them the client asked to see.
    pub selection: Selection,
    /// The run in whose name the caller works: its tools are all that there is, and they are called
    /// as the run's own.
    pub run: Option<Granted>,
}

impl Caller {
    /// Whether the token lets this caller call the tool.
    pub fn may_reach(&self, tool: &str) -> bool {
        let is_in_a_set =
            || catalogue().iter().any(|known| known.name == tool && self.names_set_of(known));
        self.tools.is_empty() || matches_any(&self.tools, tool) || is_in_a_set()
    }

    /// Whether the token is for this tool's whole toolset.
    pub(super) fn names_set_of(&self, tool: &Definition) -> bool {
        self.tools.iter().any(|pattern| Toolset::in_pattern(pattern) == Some(tool.set))
    }
}

#[cfg(test)]
impl Caller {
    /// An owner who asks for everything that is shown unasked, for tests.
    pub fn owner() -> Self {
        use crate::domain::{Initiative, Person, PersonId, PersonKind};
        let person = Person {
            id: PersonId(1),
            name: "Ada".to_owned(),
            email: None,
            kind: PersonKind::Person,
            role: Role::Owner,
        };
        Self {
            id: "x".to_owned(),
            principal: Principal { person, by: Initiative::Person },
            zone: Tz::UTC,
            tools: Vec::new(),
            projects: Vec::new(),
            selection: Selection::default(),
            run: None,
        }
    }
}

/// Finds out who somebody is.
#[async_trait]
pub trait Access: Send + Sync {
    /// Whose token or key this is.
    async fn caller(&self, credential: &SecretString) -> Result<Caller, Denied>;

    /// Who somebody without a token is, where none is asked for.
    async fn anybody(&self) -> Result<Caller, Denied>;

    /// Whether a caller of this id who was let in earlier would still be.
    async fn still_counts(&self, caller: &str) -> bool;

    /// Who somebody is by now who was let in as `before`, where their credential is not at hand; `None`: they
    /// would not be let in any more.
    async fn still(&self, before: &Caller) -> Option<Caller> {
        self.still_counts(&before.id).await.then(|| before.clone())
    }

    /// Who somebody is by now who was let in as `before`, with this credential or without any; `None`:
    /// they would not be let in any more.
    async fn again(&self, _before: &Caller, credential: Option<&SecretString>) -> Option<Caller> {
        match credential {
            Some(credential) => self.caller(credential).await.ok(),
            None => self.anybody().await.ok(),
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// There is no such token.
    #[error("the token is unknown; make one with `rota token create`")]
    Unknown,
    /// It was revoked.
    #[error("the token {name:?} was revoked; make another with `rota token create`")]
    Revoked {
        /// What it is called.
        name: String,
    },
    /// Its time is over.
    #[error("the token {name:?} has expired; make another with `rota token create`")]
    Expired {
        /// What it is called.
        name: String,
    },
    /// Its user is no longer on the board.
    #[error("the user of the token {name:?} is no longer on the board")]
    NoUser {
        /// What it is called.
        name: String,
    },
    /// Its role is below what this server asks of everybody.
    #[error("the role {role} is too low: this server asks for {needed} (MCP_REQUIRED_ROLE)")]
    RoleTooLow {
        /// The caller's.
        role: Role,
        /// What is asked for.
        needed: Role,
    },
    /// It cannot be looked up now.
    #[error("tokens cannot be looked up now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
