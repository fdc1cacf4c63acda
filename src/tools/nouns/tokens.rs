//! Tokens: who may call from outside. Asked for from a terminal; never offered to models.

use super::operate::desk_error;
use super::people::role;
use super::records::{Anything, Nothing};
use super::tasks::refuse;
use crate::domain::{
    NewPerson, NewToken, Person, PersonKind, Reason, Role, Stamp, Token, TokenKind, Value,
    parse_duration, to_delta,
};
use crate::tools::arguments::IdOrName;
use crate::tools::definition::{Definition, Words};
use crate::tools::desk::IssuedToken;
use crate::tools::guard::{matches_any, told};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError, Toolset};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::operate::<CreateToken, Anything>(
            Words {
                name: "createToken",
                title: "Make a token",
                description: "Makes a personal token, or with service a key for a program. Its secret is in \
                    the answer, once. Nobody gives more than their own role. Example: {\"name\": \"laptop\"}.",
                example: r#"{"name": "laptop", "expires": "90d"}"#,
            },
            Role::Readonly,
            false,
            |parts, context, args| Box::pin(create(parts, context, args)),
        ),
        Definition::read::<Nothing, Anything>(
            Words {
                name: "listTokens",
                title: "List tokens",
                description: "Tokens with role, age, last use and end; never a secret. Others' tokens are \
                    shown to administrators only. Example: {}.",
                example: "{}",
            },
            Role::Readonly,
            |parts, context, _| Box::pin(list(parts, context)),
        ),
        Definition::operate::<OneToken, Anything>(
            Words {
                name: "revokeToken",
                title: "Revoke a token",
                description: "From now on the token does not count. token is its id, or a service key's name. \
                    Example: {\"token\": \"ci\"}.",
                example: r#"{"token": "ci"}"#,
            },
            Role::Readonly,
            true,
            |parts, context, args| Box::pin(revoke(parts, context, args)),
        ),
        Definition::operate::<RotateToken, Anything>(
            Words {
                name: "rotateToken",
                title: "Rotate a token",
                description: "Gives a token another secret; the old one counts for overlap (default none, at \
                    most 30d). Example: {\"token\": \"ci\", \"overlap\": \"24h\"}.",
                example: r#"{"token": "ci", "overlap": "24h"}"#,
            },
            Role::Readonly,
            false,
            |parts, context, args| Box::pin(rotate(parts, context, args)),
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateToken {
    /// What it is called: a device, or a program. A service key's name is unique: a-z, 0-9, - and _.
    name: String,
    /// Whose it is; default: the caller's.
    person: Option<IdOrName>,
    /// A key for a program: it acts as the board's agent of that name, which is added if need be.
    #[serde(default)]
    service: bool,
    /// At most this role; default: the person's own, or editor for a service key.
    role: Option<String>,
    /// Only these tools; * at the end of a name stands for any rest, set:tasks for a toolset.
    #[serde(default)]
    tools: Vec<String>,
    /// Only these projects, by id or name: for its holder there are no others.
    #[serde(default)]
    projects: Vec<IdOrName>,
    /// For how long it counts: 90d, 12h; default: until it is revoked.
    expires: Option<String>,
}

async fn create(parts: &Parts, context: &Context, args: CreateToken) -> Result<Value, ToolError> {
    let me = &context.principal.person;
    let name = args.name.trim().to_owned();
    let asked = args.role.as_deref().map(role).transpose()?;
    let kind = if args.service { TokenKind::Service } else { TokenKind::Personal };
    if args.service && args.person.is_some() {
        return Err(refuse("person: a service key is nobody's; leave person out"));
    }
    let wanted = asked.unwrap_or(if args.service { Role::Editor } else { me.role });
    if wanted > me.role {
        return Err(too_low("role: nobody gives more than their own role"));
    }
    for tool in &args.tools {
        let is_named = |name: &str| matches_any(std::slice::from_ref(tool), name);
        let is_set = Toolset::in_pattern(tool).is_some();
        let is_known = is_set || crate::tools::catalogue().iter().any(|known| is_named(known.name));
        if !is_known {
            return Err(refuse(&unknown(tool)));
        }
    }
    let expires = args.expires.as_deref().map(span).transpose()?;
    let mut projects = Vec::new();
    if !args.projects.is_empty() {
        let directory = Directory::read(parts, context).await?;
        for named in &args.projects {
            projects.push(directory.project(named)?.id);
        }
    }
    let new = NewToken {
        kind,
        name,
        person: me.id,
        role: wanted,
        tools: args.tools,
        projects,
        expires: expires.map(|span| parts.clock.wall() + to_delta(span)),
    };
    if let Some(expected) = new.name_fault() {
        return Err(refuse(&format!("name: {expected}")));
    }
    let person = match (&args.person, kind) {
        (_, TokenKind::Service) => agent_of(parts, context, &new).await?,
        (Some(which), TokenKind::Personal) => {
            let person = Directory::read(parts, context).await?.person(which)?;
            let person = parts.board.person(person).await.map_err(|e| told(&e))?;
            if person.id != me.id {
                is_admin(context, "a token for somebody else")?;
            }
            person
        }
        (None, TokenKind::Personal) => me.clone(),
    };
    let new = NewToken { person: person.id, role: wanted.min(person.role), ..new };
    let issued = parts.tokens()?.issue(new, &me.name).await.map_err(desk_error)?;
    Ok(shown(&issued, &person))
}

fn unknown(tool: &str) -> String {
    let shown = crate::tools::arguments::shown(tool);
    if tool.starts_with("set:") {
        let names = Toolset::names().join(", ");
        return format!("tools: {shown} is no toolset; after set: there may be {names}");
    }
    format!("tools: no tool is named {shown}")
}

/// The agent that a service key acts as; only an administrator adds one.
async fn agent_of(parts: &Parts, context: &Context, key: &NewToken) -> Result<Person, ToolError> {
    is_admin(context, "a service key")?;
    let name = key.name.as_str();
    let all = parts.tokens()?.list().await.map_err(desk_error)?;
    let now = parts.clock.wall();
    // Before anybody is added to the board for nothing.
    if all.iter().any(|t| t.kind == TokenKind::Service && t.name == name && t.counts(now)) {
        return Err(refuse(
            "name: there is a service key of that name; rotate it, or revoke it first",
        ));
    }
    let people = parts.board.people().await.map_err(|e| told(&e))?;
    if let Some(found) = people.into_iter().find(|person| person.name.eq_ignore_ascii_case(name)) {
        if found.kind == PersonKind::Agent {
            return Ok(found);
        }
        return Err(refuse("name: a person has this name; a service key is a program's"));
    }
    let stamp = Stamp::by(context.principal.person.id);
    let (name, role) = (name.to_owned(), key.role);
    let new = NewPerson { name, email: None, kind: PersonKind::Agent, role };
    let added = parts.board.add_person(&stamp, new).await.map_err(|e| told(&e))?;
    Ok(added.after)
}

async fn list(parts: &Parts, context: &Context) -> Result<Value, ToolError> {
    let me = &context.principal.person;
    let all = parts.tokens()?.list().await.map_err(desk_error)?;
    let people = parts.board.people().await.map_err(|e| told(&e))?;
    let name = |id| people.iter().find(|p| p.id == id).map(|p| p.name.clone());
    let visible = all.iter().filter(|token| token.person == me.id || me.role >= Role::Admin);
    let items = visible.map(|token| {
        let mut item = show::value(token);
        if let Value::Map(map) = &mut item {
            map.insert("person_name".to_owned(), name(token.person).unwrap_or_default().into());
        }
        item
    });
    Ok(Value::map([("items", Value::List(items.collect()))]))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneToken {
    /// Its id, or a service key's name.
    token: String,
}

async fn revoke(parts: &Parts, context: &Context, args: OneToken) -> Result<Value, ToolError> {
    let token = meant(parts, context, &args.token).await?;
    let by = &context.principal.person.name;
    let revoked = parts.tokens()?.revoke(token.id.as_str(), by).await.map_err(desk_error)?;
    Ok(show::value(&revoked))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RotateToken {
    /// Its id, or a service key's name.
    token: String,
    /// For how long the old secret still counts: 24h; default: not at all.
    overlap: Option<String>,
}

async fn rotate(parts: &Parts, context: &Context, args: RotateToken) -> Result<Value, ToolError> {
    let token = meant(parts, context, &args.token).await?;
    // Its secret would be in the answer, and with it that person's name and rights.
    if token.kind == TokenKind::Personal && token.person != context.principal.person.id {
        return Err(too_low("another person's token is theirs to rotate; you may revoke it"));
    }
    let overlap = args.overlap.as_deref().map(span).transpose()?.unwrap_or_default();
    let by = &context.principal.person.name;
    let issued =
        parts.tokens()?.rotate(token.id.as_str(), overlap, by).await.map_err(desk_error)?;
    let person = parts.board.person(issued.token.person).await.map_err(|e| told(&e))?;
    Ok(shown(&issued, &person))
}

/// A token and its secret, once.
fn shown(issued: &IssuedToken, person: &Person) -> Value {
    let mut shown = show::value(&issued.token);
    if let Value::Map(map) = &mut shown {
        map.insert("person_name".to_owned(), person.name.clone().into());
        map.insert("secret".to_owned(), issued.expose_secret().into());
    }
    shown
}

/// The one token that is meant: by its id, a service key by its name, or one of the caller's own by
/// its name. What is checked is what is acted on. Whoever may not have it is not told that it is there.
async fn meant(parts: &Parts, context: &Context, which: &str) -> Result<Token, ToolError> {
    let me = &context.principal.person;
    let which = which.trim();
    let all = parts.tokens()?.list().await.map_err(desk_error)?;
    let now = parts.clock.wall();
    let by_id = all.iter().find(|token| token.id.as_str() == which);
    let mut named = all.iter().filter(|token| {
        let is_key = token.kind == TokenKind::Service && me.role >= Role::Admin;
        token.name == which && token.counts(now) && (is_key || token.person == me.id)
    });
    let mut by_name = || match (named.next(), named.next()) {
        (Some(_), Some(_)) => Err(refuse("token: more than one has this name; give its id")),
        (found, _) => Ok(found),
    };
    let found = match by_id {
        Some(token) => Some(token),
        None => by_name()?,
    };
    let is_mine = |token: &&Token| token.person == me.id;
    let is_under_me = |token: &&Token| me.role >= Role::Admin && token.role <= me.role;
    let found = found.filter(|token| is_mine(token) || is_under_me(token)).cloned();
    found.ok_or_else(|| {
        ToolError::rejected(Reason::NotFound, "there is no such token of yours; see listTokens")
    })
}

fn is_admin(context: &Context, what: &str) -> Result<(), ToolError> {
    if context.principal.person.role >= Role::Admin {
        return Ok(());
    }
    Err(too_low(&format!("{what} is made by an admin or owner")))
}

fn too_low(message: &str) -> ToolError {
    ToolError::rejected(Reason::RoleTooLow, message)
}

fn span(text: &str) -> Result<Duration, ToolError> {
    parse_duration(text).map_err(|expected| refuse(&expected))
}
