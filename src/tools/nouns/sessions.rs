//! Sessions of the pages: who is signed in, and signing them out. Asked for by people at a terminal or on
//! the pages; never offered to models.

use super::operate::desk_error;
use super::records::{Anything, Nothing};
use crate::domain::{PersonId, Reason, Role, Value};
use crate::tools::arguments::IdOrName;
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<Nothing, Anything>(
            Words {
                name: "listSessions",
                title: "List sessions",
                description: "Sessions of the dashboard: whose, by which token or by a link, since when, last use. \
                    Others' are shown to administrators only. Example: {}.",
                example: "{}",
            },
            Role::Readonly,
            |parts, context, _| Box::pin(list(parts, context)),
        ),
        Definition::operate::<EndSessions, Anything>(
            Words {
                name: "endSessions",
                title: "End sessions",
                description: "Signs you out of the dashboard everywhere, or ends one session; somebody else's are \
                    ended by administrators only. Example: {}.",
                example: "{}",
            },
            Role::Readonly,
            true,
            |parts, context, args| Box::pin(end(parts, context, args)),
        ),
    ]
}

async fn list(parts: &Parts, context: &Context) -> Result<Value, ToolError> {
    let me = &context.principal.person;
    let all = parts.tokens()?.sessions().await.map_err(desk_error)?;
    let tokens = parts.tokens()?.list().await.map_err(desk_error)?;
    let people = parts.board.people().await.map_err(|e| told(&e))?;
    let visible = all.iter().filter(|one| one.person == me.id || me.role >= Role::Admin);
    let items = visible.map(|one| {
        let person = people.iter().find(|person| person.id == one.person);
        let token = tokens.iter().find(|token| Some(&token.id) == one.token.as_ref());
        Value::map([
            ("id", Value::from(one.id.as_str())),
            ("person", one.person.0.into()),
            ("person_name", person.map(|person| person.name.clone()).into()),
            ("token", one.token.as_ref().map(|token| token.as_str().to_owned()).into()),
            ("token_name", token.map(|token| token.name.clone()).into()),
            ("begun", show::value(&one.begun)),
            ("last_used", show::value(&one.used)),
        ])
    });
    Ok(Value::map([("items", Value::List(items.collect()))]))
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct EndSessions {
    /// Only this one, by its id in listSessions; default: all.
    session: Option<String>,
    /// Whose, by id or name; default: your own.
    person: Option<IdOrName>,
}

async fn end(parts: &Parts, context: &Context, args: EndSessions) -> Result<Value, ToolError> {
    let me = &context.principal.person;
    let whose = match &args.person {
        Some(person) => Directory::read(parts, context).await?.person(person)?,
        None => me.id,
    };
    may_end(parts, context, whose).await?;
    let which = args.session.as_deref().map(str::trim);
    let ended = parts.tokens()?.end_sessions(whose, which, &me.name).await.map_err(desk_error)?;
    if which.is_some() && ended == 0 {
        let message = "there is no such session of theirs; see listSessions";
        return Err(ToolError::rejected(Reason::NotFound, message));
    }
    Ok(Value::map([("ended", Value::Int(i64::try_from(ended).unwrap_or(i64::MAX)))]))
}

/// Everybody their own; an administrator those of whoever has no higher role.
async fn may_end(parts: &Parts, context: &Context, whose: PersonId) -> Result<(), ToolError> {
    let me = &context.principal.person;
    if whose == me.id {
        return Ok(());
    }
    let person = parts.board.person(whose).await.map_err(|e| told(&e))?;
    if me.role >= Role::Admin && person.role <= me.role {
        return Ok(());
    }
    let message = "somebody else's sessions are ended by an admin or owner";
    Err(ToolError::rejected(Reason::RoleTooLow, message))
}
