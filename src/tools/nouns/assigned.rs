//! Finding projects, and who works on which.

use super::projects::patch;
use super::tasks::refuse;
use super::timesheets::page_size;
use crate::domain::{
    Member, MemberQuery, Person, PersonId, Project, ProjectId, Role, Value, role_in,
};
use crate::tools::arguments::{Id, IdOrName};
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show::{self, Items, PersonView, StatusView};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<FindProject, Items<ProjectHit>>(
            Words {
                name: "findProject",
                title: "Find a project",
                description: "Projects whose name or text contains a term. Example: {\"term\": \"web\"}.",
                example: r#"{"term": "web"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(find(parts, context, args)),
        ),
        Definition::read::<UsersOf, Items<MemberView>>(
            Words {
                name: "getUsersAssignedToProject",
                title: "Who works on a project",
                description: "Who works on a project, with their role in it. Example: {\"projectId\": \
                    \"Website\"}.",
                example: r#"{"projectId": "Website"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(users_of(parts, context, args)),
        ),
        Definition::read::<ProjectsOf, Items<ProjectHit>>(
            Words {
                name: "getProjectsAssignedToUser",
                title: "A person's projects",
                description: "The projects that a person works on. Example: {\"userId\": \"me\"}.",
                example: r#"{"userId": "me"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(projects_of(parts, context, args)),
        ),
        Definition::read::<LabelsOf, Items<LabelsView>>(
            Words {
                name: "getAllStatusLabelsByUserId",
                title: "All status labels of a person",
                description: "The status labels of a person's open projects. Example: {\"userId\": \"me\"}.",
                example: r#"{"userId": "me"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(labels_of(parts, context, args)),
        ),
        patch(),
    ]
}

/// A project in few words.
#[derive(Serialize, JsonSchema)]
struct ProjectHit {
    id: i64,
    name: String,
    closed: bool,
}

impl From<&Project> for ProjectHit {
    fn from(project: &Project) -> Self {
        Self { id: project.id.0, name: project.name.clone(), closed: project.closed }
    }
}

/// The page of these that begins after the id in the cursor; they are in the order of ids.
fn page<T, V>(
    all: impl Iterator<Item = T>,
    id: impl Fn(&T) -> i64,
    view: impl Fn(T) -> V,
    limit: Option<i64>,
    cursor: Option<Id>,
) -> Result<Items<V>, ToolError> {
    let limit = page_size(limit)?;
    let after = cursor.map(|cursor| cursor.0);
    let mut rest = all.filter(|item| after.is_none_or(|after| id(item) > after)).peekable();
    let (mut items, mut last) = (Vec::new(), None);
    while items.len() < limit
        && let Some(item) = rest.next()
    {
        last = Some(id(&item));
        items.push(view(item));
    }
    let next = last.filter(|_| rest.peek().is_some()).map(|id| id.to_string());
    Ok(Items { items, next })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FindProject {
    /// Some of it.
    term: String,
    /// Default 100.
    limit: Option<i64>,
    /// `next` of a page.
    cursor: Option<Id>,
}

async fn find(parts: &Parts, context: &Context, args: FindProject) -> Result<Value, ToolError> {
    let term = args.term.trim().to_lowercase();
    if term.is_empty() {
        return Err(refuse("term: expected some of a project's name, such as \"web\""));
    }
    let directory = Directory::read(parts, context).await?;
    let fits = |project: &&Project| {
        project.name.to_lowercase().contains(&term)
            || project.details.to_lowercase().contains(&term)
    };
    let all = directory.names.projects.values().filter(fits);
    let items = page(all, |project| project.id.0, ProjectHit::from, args.limit, args.cursor)?;
    Ok(show::value(&items))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct UsersOf {
    /// Id or name.
    project_id: IdOrName,
    /// Only those who are listed as members.
    #[serde(default)]
    team_only: bool,
    /// Default 100.
    limit: Option<i64>,
    /// `next` of a page.
    cursor: Option<Id>,
}

/// Somebody who works on a project.
#[derive(Serialize, JsonSchema)]
struct MemberView {
    #[serde(flatten)]
    person: PersonView,
    /// What they may do in the project.
    project_role: String,
    /// Whether the project lists them: one that lists nobody is everybody's, and managers need not
    /// be listed.
    member: bool,
}

async fn users_of(parts: &Parts, context: &Context, args: UsersOf) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(&args.project_id)?.id;
    let members = members_of(parts, project).await?;
    let is_member = |id: PersonId| members.iter().any(|member| member.person == id);
    let all = directory.names.people.iter().filter_map(|person: &Person| {
        let role = role_in(person, &members)?;
        let member = is_member(person.id);
        (member || !args.team_only).then_some((person, role, member))
    });
    let view = |(person, role, member): (&Person, Role, bool)| MemberView {
        person: PersonView::from(person.clone()),
        project_role: show::value(&role).to_string(),
        member,
    };
    let items = page(all, |(person, ..)| person.id.0, view, args.limit, args.cursor)?;
    Ok(show::value(&items))
}

/// Everybody whom a project lists.
pub(super) async fn members_of(
    parts: &Parts,
    project: ProjectId,
) -> Result<Vec<Member>, ToolError> {
    let mut query = MemberQuery { projects: vec![project], limit: 1_000, ..MemberQuery::default() };
    let mut members = Vec::new();
    loop {
        let page = parts.board.members(&query).await.map_err(|e| told(&e))?;
        members.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            return Ok(members);
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ProjectsOf {
    /// An id, a name, me.
    user_id: IdOrName,
    /// open (default), closed or all.
    project_status: Option<String>,
    /// Only 0: there are no clients here.
    client_id: Option<Id>,
    /// all (default) or project, the only type here.
    project_types: Option<String>,
    /// Default 100.
    limit: Option<i64>,
    /// `next` of a page.
    cursor: Option<Id>,
}

async fn projects_of(
    parts: &Parts,
    context: &Context,
    args: ProjectsOf,
) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let person = directory.person(&args.user_id)?;
    let closed = match args.project_status.as_deref().unwrap_or("open").trim() {
        "open" | "" => Some(false),
        "closed" => Some(true),
        "all" => None,
        _ => return Err(refuse("projectStatus: expected open, closed or all")),
    };
    if args.client_id.is_some_and(|id| id.0 != 0) {
        return Err(refuse(
            "clientId: projects belong to no clients here; leave it out, or give 0",
        ));
    }
    let types = args.project_types.unwrap_or_default();
    let is_ours = |word: &str| matches!(word.trim(), "all" | "project" | "");
    if !types.split(',').any(is_ours) {
        return Err(refuse("projectTypes: expected all or project, the only type there is here"));
    }
    let projects = parts.board.projects_of(person).await.map_err(|e| told(&e))?;
    let all = projects.iter().filter(|p| closed.is_none_or(|closed| p.closed == closed));
    let items = page(all, |project| project.id.0, ProjectHit::from, args.limit, args.cursor)?;
    Ok(show::value(&items))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LabelsOf {
    /// An id, a name, me.
    user_id: IdOrName,
    /// Default 100.
    limit: Option<i64>,
    /// `next` of a page.
    cursor: Option<Id>,
}

/// A project's status labels.
#[derive(Serialize, JsonSchema)]
struct LabelsView {
    project: i64,
    project_name: String,
    statuses: Vec<StatusView>,
}

async fn labels_of(parts: &Parts, context: &Context, args: LabelsOf) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let person = directory.person(&args.user_id)?;
    let projects = parts.board.projects_of(person).await.map_err(|e| told(&e))?;
    let view = |project: &Project| LabelsView {
        project: project.id.0,
        project_name: project.name.clone(),
        statuses: project.statuses.iter().map(StatusView::from).collect(),
    };
    let all = projects.iter().filter(|project| !project.closed);
    Ok(show::value(&page(all, |project| project.id.0, view, args.limit, args.cursor)?))
}
