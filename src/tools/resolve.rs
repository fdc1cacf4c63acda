//! Names become ids: projects, people, status labels and milestones may be named by id or by exact
//! name, without regard to case. A name that fits more than one is refused with the candidates.

use super::arguments::{IdOrName, nearest, number_in, shown};
use super::guard::told;
use super::registry::Parts;
use super::show::Names;
use super::{Context, ToolError};
use crate::domain::{
    GoalBoard, GoalBoardQuery, Initiative, Milestone, MilestoneQuery, Person, PersonId, Project,
    ProjectId, Reason, Status, StatusId, StatusKind,
};
use std::collections::BTreeMap;

/// At most so many names stand in a refusal.
const NAMES_SHOWN_MAX: usize = 12;

/// The projects and people of the board, read once for a call.
#[derive(Debug)]
pub(super) struct Directory {
    pub names: Names,
    /// Who asks; `me` and 0 stand for them. The name of the key, where it is a program's.
    me: Result<PersonId, String>,
}

impl Directory {
    pub(super) async fn read(parts: &Parts, context: &Context) -> Result<Self, ToolError> {
        let known = parts.board.directory().await.map_err(|e| told(&e))?;
        Ok(Self {
            names: Names { projects: known.projects, people: known.people, zone: context.zone },
            me: match &context.principal.by {
                Initiative::Service(key) => Err(key.clone()),
                _ => Ok(context.principal.person.id),
            },
        })
    }

    pub(super) fn project(&self, name: &IdOrName) -> Result<&Project, ToolError> {
        let all: Vec<&Project> = self.names.projects.values().collect();
        pick("project", name, &all, |p| p.id.0, |p| &p.name).copied()
    }

    pub(super) fn project_by_id(&self, id: ProjectId) -> Result<&Project, ToolError> {
        self.project(&IdOrName::Id(id.0))
    }

    /// A person; 0 and `me` are the caller.
    pub(super) fn person(&self, name: &IdOrName) -> Result<PersonId, ToolError> {
        match name {
            IdOrName::Id(0) => return self.me(),
            IdOrName::Name(text) if text.trim().eq_ignore_ascii_case("me") => return self.me(),
            _ => {}
        }
        let all: Vec<&Person> = self.names.people.iter().collect();
        pick("person", name, &all, |p| p.id.0, |p| &p.name).map(|person| person.id)
    }

    /// Whoever asks.
    fn me(&self) -> Result<PersonId, ToolError> {
        self.me.clone().map_err(|key| {
            ToolError::rejected(
                Reason::ServiceIsNobody,
                format!(
                    "the service key {} belongs to no person, so nothing is \"mine\": name the \
                     person, or use that person's own token",
                    shown(&key)
                ),
            )
        })
    }

    /// A person, or nobody (`none`, an empty text).
    pub(super) fn person_or_nobody(&self, name: &IdOrName) -> Result<Option<PersonId>, ToolError> {
        if matches!(name, IdOrName::Name(text) if is_none(text)) {
            return Ok(None);
        }
        self.person(name).map(Some)
    }
}

/// Whether a text says *nobody* or *nothing*.
pub(super) fn is_none(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.eq_ignore_ascii_case("none")
}

/// A status of one project: an id, a label, or `kind:waiting` for the first label of a kind.
pub(super) fn status<'a>(project: &'a Project, name: &IdOrName) -> Result<&'a Status, ToolError> {
    if let Some(kind) = kind_in(name)? {
        return project.status_of_kind(kind).ok_or_else(|| {
            ToolError::rejected(
                Reason::UnknownStatus,
                format!("the project {} has no status of kind {kind}", shown(&project.name)),
            )
        });
    }
    let all: Vec<&Status> = project.statuses.iter().collect();
    pick("status", name, &all, |s| s.id.0, |s| &s.label).copied().map_err(|error| match error {
        ToolError::Rejected { reason: Reason::NotFound, message, .. } => ToolError::rejected(
            Reason::UnknownStatus,
            format!("in the project {}: {message}", shown(&project.name)),
        ),
        other => other,
    })
}

/// The kind in `kind:waiting`.
pub(super) fn kind_in(name: &IdOrName) -> Result<Option<StatusKind>, ToolError> {
    let IdOrName::Name(text) = name else { return Ok(None) };
    let Some(kind) = text.trim().strip_prefix("kind:") else { return Ok(None) };
    kind.trim().parse().map(Some).map_err(|expected: String| {
        ToolError::rejected(Reason::InvalidArguments, format!("status: {expected} after \"kind:\""))
    })
}

/// The statuses that fit a name, project by project. Projects that lack it are left out; when all
/// lack it, it is refused.
pub(super) fn statuses_in<'a>(
    projects: impl Iterator<Item = &'a Project>,
    name: &IdOrName,
) -> Result<BTreeMap<ProjectId, Vec<StatusId>>, ToolError> {
    let mut found: BTreeMap<ProjectId, Vec<StatusId>> = BTreeMap::new();
    let mut refusal = None;
    for project in projects {
        match status(project, name) {
            Ok(status) => found.entry(project.id).or_default().push(status.id),
            Err(error) => refusal = Some(error),
        }
    }
    match refusal {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

/// A milestone of a project.
pub(super) async fn milestone(
    parts: &Parts,
    project: ProjectId,
    name: &IdOrName,
) -> Result<Milestone, ToolError> {
    let query = MilestoneQuery { projects: vec![project], ..MilestoneQuery::default() };
    let all = parts.board.milestones(&query).await.map_err(|e| told(&e))?;
    pick("milestone", name, &all, |m| m.id.0, |m| &m.headline).cloned()
}

/// A goal board, of one project or of all.
pub(super) async fn goal_board(
    parts: &Parts,
    project: Option<ProjectId>,
    name: &IdOrName,
) -> Result<GoalBoard, ToolError> {
    let all = goal_boards(parts, project).await?;
    pick("goal board", name, &all, |board| board.id.0, |board| &board.title).cloned()
}

/// The goal boards of one project or of all.
pub(super) async fn goal_boards(
    parts: &Parts,
    project: Option<ProjectId>,
) -> Result<Vec<GoalBoard>, ToolError> {
    let projects = project.into_iter().collect();
    let mut query = GoalBoardQuery { projects, limit: 1_000, after: None };
    let mut all = Vec::new();
    loop {
        let page = parts.board.goal_boards(&query).await.map_err(|e| told(&e))?;
        all.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            return Ok(all);
        }
    }
}

/// The one of these that has the id or the name.
fn pick<'a, T>(
    what: &str,
    wanted: &IdOrName,
    all: &'a [T],
    id: impl Fn(&T) -> i64,
    name: impl Fn(&T) -> &str,
) -> Result<&'a T, ToolError> {
    let by_id = |wanted: i64| all.iter().find(|item| id(item) == wanted);
    let text = match wanted {
        IdOrName::Id(wanted) => {
            return by_id(*wanted)
                .ok_or_else(|| missing(what, &wanted.to_string(), all, &id, &name));
        }
        IdOrName::Name(text) => text.trim(),
    };
    let lower = text.to_lowercase();
    let fits: Vec<&T> =
        all.iter().filter(|item| name(item).trim().to_lowercase() == lower).collect();
    match fits.as_slice() {
        [one] => Ok(one),
        [] => number_in(text).and_then(by_id).ok_or_else(|| missing(what, text, all, &id, &name)),
        several => {
            let list: Vec<String> = several
                .iter()
                .map(|item| format!("{} ({})", id(item), shown(name(item))))
                .collect();
            Err(ToolError::rejected(
                Reason::Ambiguous,
                format!(
                    "the {what} \"{}\" fits more than one: {}; name it by its id",
                    shown(text),
                    list.join(", ")
                ),
            ))
        }
    }
}

fn missing<T>(
    what: &str,
    wanted: &str,
    all: &[T],
    id: &impl Fn(&T) -> i64,
    name: &impl Fn(&T) -> &str,
) -> ToolError {
    let hint = nearest(wanted, all.iter().map(name)).map_or_else(
        || {
            let list: Vec<String> = all
                .iter()
                .take(NAMES_SHOWN_MAX)
                .map(|item| format!("{} ({})", id(item), shown(name(item))))
                .collect();
            if list.is_empty() {
                "there are none".to_owned()
            } else {
                format!("there are {}", list.join(", "))
            }
        },
        |near| format!("did you mean \"{}\"?", shown(near)),
    );
    ToolError::rejected(
        Reason::NotFound,
        format!("there is no {what} \"{}\"; {hint}", shown(wanted)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::default_statuses;

    fn project(labels: &[(i64, &str)]) -> Project {
        let statuses = labels
            .iter()
            .map(|(id, label)| Status {
                id: StatusId(*id),
                label: (*label).to_owned(),
                kind: StatusKind::New,
                order: 0,
            })
            .collect();
        Project {
            id: ProjectId(1),
            name: "Website".to_owned(),
            details: String::new(),
            closed: false,
            statuses,
            created: crate::domain::from_millis(0),
        }
    }

    fn name(text: &str) -> IdOrName {
        IdOrName::Name(text.to_owned())
    }

    #[test]
    fn a_status_is_named_by_id_label_or_kind() {
        let mut project = project(&[]);
        project.statuses = default_statuses();
        for (given, id) in [
            (IdOrName::Id(4), 4),
            (name("4"), 4),
            (name(" in progress "), 4),
            (name("kind:waiting"), 2),
        ] {
            assert_eq!(status(&project, &given).unwrap().id, StatusId(id), "{given:?}");
        }
    }

    #[test]
    fn a_label_that_is_not_there_is_refused_with_the_nearest() {
        let mut project = project(&[]);
        project.statuses = default_statuses();
        let error = status(&project, &name("In Progres")).unwrap_err();
        assert_eq!(error.reason(), Reason::UnknownStatus);
        assert!(error.to_string().contains("did you mean \"In Progress\"?"), "{error}");
        assert!(status(&project, &name("kind:finished")).is_err());
    }

    #[test]
    fn a_name_that_fits_two_is_refused_with_both() {
        let project = project(&[(7, "Review"), (9, "review")]);
        let error = status(&project, &name("REVIEW")).unwrap_err();
        assert_eq!(error.reason(), Reason::Ambiguous);
        assert!(error.to_string().contains("7 (Review), 9 (review)"), "{error}");
    }
}
