//! Tokens: how somebody outside proves who they are. What is kept never holds the secret itself.

use super::{PersonId, ProjectId, Role, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

/// A token as it is listed: whose it is and what it may do, never its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Twelve characters; part of a personal token's text, so that it is found without its secret.
    pub id: TokenId,
    /// A person's own, or a program's.
    pub kind: TokenKind,
    /// What it is called; a service key's name is unique among those that count.
    pub name: String,
    /// The board user whose rights hold and whose name is written.
    pub person: PersonId,
    /// At most this role, whatever the user's own is.
    pub role: Role,
    /// Only these tools (`*` at the end stands for any rest); empty: all that the role allows.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Only these projects, as if there were no others; empty: all.
    #[serde(default)]
    pub projects: Vec<ProjectId>,
    /// When it was made.
    pub created: Timestamp,
    /// By whom.
    pub by: String,
    /// From when on it does not count any more.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// When it was last used, to the hour: each use would be a write.
    pub last_used: Option<Timestamp>,
}

/// Whose a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Tied to a person: "my tasks" are that person's.
    Personal,
    /// A program's, `lt_{name}_{secret}`: it is nobody, so nothing is "mine".
    Service,
}

/// What is needed to make a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// A person's own, or a program's.
    pub kind: TokenKind,
    /// What it is called.
    pub name: String,
    /// The board user it stands for.
    pub person: PersonId,
    /// At most this role.
    pub role: Role,
    /// Only these tools; empty: all that the role allows.
    pub tools: Vec<String>,
    /// Only these projects; empty: all.
    pub projects: Vec<ProjectId>,
    /// From when on it does not count any more.
    pub expires: Option<Timestamp>,
}

/// The longest name.
const NAME_CHARS_MAX: usize = 64;

impl NewToken {
    /// What is wrong with the name, if anything is.
    pub fn name_fault(&self) -> Option<&'static str> {
        let name = self.name.trim();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let is_short = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX;
        let (fits, expected) = match self.kind {
            TokenKind::Personal => {
                (!name.chars().any(char::is_control), "a name has 1 to 64 characters")
            }
            // It stands in the key's text, and in a header.
            TokenKind::Service => {
                (name.chars().all(plain), "a service key's name has 1 to 64 of a-z, 0-9, - and _")
            }
        };
        (!fits || !is_short).then_some(expected)
    }
}

impl Token {
    /// Whether it counts at this time.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }
}
