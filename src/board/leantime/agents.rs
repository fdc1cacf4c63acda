//! Users for programs: made with an admin's key, each with a key of its own.

use super::call::{Call, Parcel};
use super::governor::Lane;
use super::people::{NAME_MAX, number_of};
use super::wire::Row;
use super::{LeantimeBoard, fault};
use crate::board::{BoardError, Result, check};
use crate::domain::{PersonId, ProjectId, Role};
use secrecy::SecretString;
use serde_json::json;

/// A user that was made, and its key, which the server does not tell again.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The user.
    pub person: PersonId,
    /// `lt_USER_SECRET`.
    pub key: SecretString,
}

impl LeantimeBoard {
    /// Whether [`LeantimeBoard::mint`] may be tried: the name can be had, and this key's user is an
    /// admin.
    pub async fn may_mint(&self, name: &str) -> Result<()> {
        let count = name.chars().count();
        if name.trim() != name || count == 0 || count > NAME_MAX {
            return check::malformed(format!(
                "expected a name of 1 to {NAME_MAX} characters, without blanks around it"
            ));
        }
        let me = self.about().await?.me;
        if me.role < Role::Admin {
            return Err(BoardError::Denied(format!(
                "only an admin can make users for programs, and this key's user ({}) is {}",
                me.name, me.role
            )));
        }
        let folded = check::fold(name);
        let people = self.all_people().await?;
        match people.iter().find(|person| check::fold(&person.name) == folded) {
            None => Ok(()),
            Some(other) => Err(BoardError::Conflict(format!(
                "user {} has the name {:?} already: agents are known by their names",
                other.id, other.name
            ))),
        }
    }

    /// Makes a user for a program, in these projects. Never tried twice: a key that was lost on its
    /// way is nobody's, and its user is to be removed.
    pub async fn mint(&self, name: &str, role: Role, projects: &[ProjectId]) -> Result<Minted> {
        let what = "make a user for a program";
        let ids: Vec<String> = projects.iter().map(|id| id.0.to_string()).collect();
        let params = json!({
            "values": {
                "firstname": name, "role": number_of(role).to_string(), "source": "api",
                "pwReset": "",
            },
            "projects": ids,
        });
        let call = Call::new("api.createApiKeyWithProjects", params);
        let answer = self.own.write(Lane::People, Parcel::Calls(vec![call])).await;
        let replies = answer.map_err(fault::troubled)?;
        let reply = replies.first().cloned().ok_or_else(|| fault::no_sense(what))?;
        let said = reply.map_err(|refusal| fault::refused(&refusal, what))?;
        let row = Row::of(said).ok_or_else(|| fault::undone(what, "it did not say whom"))?;
        let (id, user, secret) = (row.id("id"), row.text("user"), row.text("passwordClean"));
        let Some(id) = id.filter(|_| !user.is_empty() && !secret.is_empty()) else {
            return Err(fault::no_sense(what));
        };
        self.own.forget(&["users.addUser"]);
        Ok(Minted { person: PersonId(id), key: format!("lt_{user}_{secret}").into() })
    }
}
