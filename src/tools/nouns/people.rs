//! Who is on the board.

use super::tasks::refuse;
use crate::domain::{Initiative, NewPerson, PersonKind, Role, Value};
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::limited::Within;
use crate::tools::registry::Parts;
use crate::tools::scope::Reach;
use crate::tools::show::{self, Change, Items, PersonView};
use crate::tools::write::{Planned, Write};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<ListPeople, Items<PersonView>>(
            Words {
                name: "listPeople",
                title: "List people",
                description: "Everybody on the board, people and agents, with their roles. Use it to find whom \
                    to assign. Example: {\"kind\": \"person\"}.",
                example: r#"{"kind": "person"}"#,
            },
            Role::Readonly,
            |parts, _, args| {
                Box::pin(async move {
                    let kind = args.kind.as_deref().map(kind).transpose()?;
                    let people = parts.board.people().await.map_err(|e| told(&e))?;
                    let items = people
                        .into_iter()
                        .filter(|person| kind.is_none_or(|kind| person.kind == kind))
                        .map(PersonView::from)
                        .collect();
                    Ok(show::value(&Items::<PersonView>::all(items)))
                })
            },
        ),
        Definition::read::<Nothing, Whoever>(
            Words {
                name: "whoami",
                title: "Who you are here",
                description: "For whom you act: user or service key, role, projects, zone. Example: {}.",
                example: "{}",
            },
            Role::Readonly,
            |parts, context, _: Nothing| Box::pin(std::future::ready(Ok(whoever(parts, context)))),
        ),
        Definition::write::<AddPerson, Change>(
            Words {
                name: "addPerson",
                title: "Add a person or agent",
                description: "Adds a user to the board. Roles, least first: readonly, commenter, editor, \
                    manager, admin, owner; nobody gives a higher role than their own. Example: {\"name\": \
                    \"AI-Developer\", \"kind\": \"agent\", \"role\": \"editor\"}.",
                example: r#"{"name": "AI-Developer", "kind": "agent", "role": "editor"}"#,
            },
            Role::Admin,
            (false, false),
            |_, context, args| {
                Box::pin(std::future::ready(add(context.principal.person.role, args)))
            },
        ),
    ]
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ListPeople {
    /// person or agent; absent: both.
    kind: Option<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Nothing {}

/// Whoever asks.
#[derive(Serialize, JsonSchema)]
struct Whoever {
    /// The user whose rights hold and whose name is written.
    #[serde(flatten)]
    user: PersonView,
    /// The service key that asks; it is nobody, so nothing is its own. `null`: the user does.
    service_key: Option<String>,
    /// The projects there are for whoever asks; `null`: all.
    only_projects: Option<Vec<i64>>,
    /// Where days begin.
    zone: String,
}

fn whoever(parts: &Parts, context: &Context) -> Value {
    let service_key = match &context.principal.by {
        Initiative::Service(key) => Some(key.clone()),
        Initiative::Person | Initiative::Agent(_) | Initiative::Rota(_) => None,
    };
    let only = parts.within().map(Within::projects);
    show::value(&Whoever {
        user: context.principal.person.clone().into(),
        service_key,
        only_projects: only.map(|only| only.iter().map(|id| id.0).collect()),
        zone: context.zone.name().to_owned(),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AddPerson {
    /// The name shown on the board; unique.
    name: String,
    /// An address for notices.
    email: Option<String>,
    /// person (default) or agent.
    kind: Option<String>,
    /// Default editor.
    role: Option<String>,
}

fn add(own: Role, args: AddPerson) -> Result<Planned, ToolError> {
    let name = args.name.trim().to_owned();
    if name.is_empty() {
        return Err(refuse("name: expected one that is not blank"));
    }
    let role = role(args.role.as_deref().unwrap_or("editor"))?;
    if role > own {
        return Err(ToolError::rejected(
            crate::domain::Reason::RoleTooLow,
            "role: nobody gives a higher role than their own",
        ));
    }
    let kind = kind(args.kind.as_deref().unwrap_or("person"))?;
    let new = NewPerson { name, email: args.email, kind, role };
    Ok(Planned::new(Reach::Board, Write::AddPerson(new)))
}

fn kind(text: &str) -> Result<PersonKind, ToolError> {
    match text.trim().to_lowercase().as_str() {
        "person" => Ok(PersonKind::Person),
        "agent" => Ok(PersonKind::Agent),
        _ => Err(refuse("kind: expected person or agent")),
    }
}

pub(super) fn role(text: &str) -> Result<Role, ToolError> {
    match text.trim().to_lowercase().as_str() {
        "readonly" => Ok(Role::Readonly),
        "commenter" => Ok(Role::Commenter),
        "editor" => Ok(Role::Editor),
        "manager" => Ok(Role::Manager),
        "admin" => Ok(Role::Admin),
        "owner" => Ok(Role::Owner),
        _ => Err(refuse("role: expected readonly, commenter, editor, manager, admin or owner")),
    }
}
