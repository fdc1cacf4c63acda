//! `[select]` made ready: names of projects, labels and people resolved against the board, once per plan.

use super::Refused;
use super::board_words::missing_words;
use super::candidates::folded;
use crate::domain::{
    AssigneeSelector, Person, PersonId, Playbook, Project, ProjectId, Reason, Select, StatusId,
    StatusSelector,
};

/// A playbook's `[select]`, with names resolved against the board's projects and people.
#[derive(Debug)]
pub struct Criteria<'a> {
    pub(super) playbook: &'a Playbook,
    pub(super) select: Option<&'a Select>,
    /// The projects that are asked for, each with its labels; `None`: not narrowed.
    pub(super) places: Option<Vec<(ProjectId, Option<StatusId>)>>,
    pub(super) projects: Vec<ProjectId>,
    pub(super) tags_all: Vec<String>,
    pub(super) tags_any: Vec<String>,
    pub(super) tags_none: Vec<String>,
    pub(super) agent: Option<PersonId>,
    pub(super) named: Option<PersonId>,
    /// Projects that lack a word the playbook would write there, each with the first of them.
    pub(super) lacking: Vec<(ProjectId, Refused)>,
    /// What could not be resolved, for people.
    pub unresolved: Vec<Refused>,
}

impl<'a> Criteria<'a> {
    /// Resolves a playbook's `[select]`. A name that resolves to nothing narrows to nothing and is told
    /// in `unresolved`.
    pub fn new(playbook: &'a Playbook, projects: &[Project], people: &[Person]) -> Self {
        let select = playbook.select.as_ref();
        let mut unresolved = Vec::new();
        let wanted = select.map_or(&[][..], |select| &select.projects);
        let found = resolve_projects(wanted, projects, &mut unresolved);
        let statuses = select.map_or(&[][..], |select| &select.status);
        let places = resolve_places(statuses, &found, !wanted.is_empty(), &mut unresolved);
        let fold = |tags: &[String]| tags.iter().map(|tag| folded(tag)).collect::<Vec<_>>();
        let empty: Vec<String> = Vec::new();
        let tags = |pick: fn(&Select) -> &Vec<String>| {
            fold(select.map_or(&empty[..], |select| pick(select)))
        };
        let person = |name: &str| {
            let name = folded(name);
            people.iter().find(|person| folded(&person.name) == name).map(|person| person.id)
        };
        let named = match select.map(|select| &select.assignee) {
            Some(AssigneeSelector::Named(name)) => {
                let found = person(name);
                if found.is_none() {
                    let detail = format!("select.assignee: nobody on the board is named {name:?}");
                    unresolved.push(Refused::new(Reason::NotFound, detail));
                }
                found
            }
            _ => None,
        };
        Self {
            playbook,
            select,
            places,
            projects: found.iter().map(|project| project.id).collect(),
            tags_all: tags(|s| &s.tags_all),
            tags_any: tags(|s| &s.tags_any),
            tags_none: tags(|s| &s.tags_none),
            agent: person(&playbook.agent),
            named,
            lacking: projects
                .iter()
                .filter_map(|project| {
                    let missing = missing_words(playbook, project, people).into_iter().next();
                    missing.map(|missing| (project.id, missing))
                })
                .collect(),
            unresolved,
        }
    }

    /// What the board lacks of the words that the playbook would write, one for each project whose
    /// tasks it may take.
    pub fn missing_words(&self) -> impl Iterator<Item = &Refused> {
        let is_place = |id: ProjectId| {
            self.places.as_ref().is_none_or(|places| places.iter().any(|(place, _)| *place == id))
        };
        self.lacking.iter().filter(move |(id, _)| is_place(*id)).map(|(_, missing)| missing)
    }

    /// Tags of which a task has to have one, where that narrows.
    pub(super) fn narrowing_tags(&self) -> Option<&[String]> {
        match (self.tags_all.first(), self.tags_any.is_empty()) {
            (Some(_), _) => Some(&self.tags_all[..1]),
            (None, false) => Some(&self.tags_any),
            (None, true) => None,
        }
    }
}

/// Projects by name or id; all of them if none is named.
fn resolve_projects<'p>(
    wanted: &[String],
    projects: &'p [Project],
    unresolved: &mut Vec<Refused>,
) -> Vec<&'p Project> {
    if wanted.is_empty() {
        return projects.iter().collect();
    }
    let mut found: Vec<&Project> = Vec::new();
    for text in wanted {
        let name = folded(text);
        let by_name = projects.iter().find(|project| folded(&project.name) == name);
        let by_id = || projects.iter().find(|project| project.id.to_string() == name);
        match by_name.or_else(by_id) {
            Some(project) if found.iter().any(|known| known.id == project.id) => {}
            Some(project) => found.push(project),
            None => {
                let detail = format!("select.project: no project is named {text:?}");
                unresolved.push(Refused::new(Reason::NotFound, detail));
            }
        }
    }
    found
}

/// The labels that are looked for, project by project; `None` if neither narrows.
fn resolve_places(
    statuses: &[StatusSelector],
    projects: &[&Project],
    projects_narrow: bool,
    unresolved: &mut Vec<Refused>,
) -> Option<Vec<(ProjectId, Option<StatusId>)>> {
    if statuses.is_empty() {
        let mut places: Vec<_> = projects.iter().map(|project| (project.id, None)).collect();
        places.sort_unstable();
        return projects_narrow.then_some(places);
    }
    let mut places = Vec::new();
    for selector in statuses {
        let before = places.len();
        for project in projects {
            let ids = statuses_of(project, selector).into_iter().map(|id| (project.id, Some(id)));
            places.extend(ids);
        }
        if places.len() == before && !projects.is_empty() {
            let detail = format!("select.status: no selected project has a status {selector}");
            unresolved.push(Refused::new(Reason::UnknownStatus, detail));
        }
    }
    places.sort_unstable();
    places.dedup();
    Some(places)
}

/// The labels of a project that a selector means: by label, by id, by kind.
fn statuses_of(project: &Project, selector: &StatusSelector) -> Vec<StatusId> {
    match selector {
        StatusSelector::Kind(kind) => {
            let of_kind = project.statuses.iter().filter(|status| status.kind == *kind);
            of_kind.map(|status| status.id).collect()
        }
        StatusSelector::Label(text) => {
            let by_label = project.status_named(text);
            let by_id =
                || project.statuses.iter().find(|status| status.id.to_string() == text.trim());
            by_label.or_else(by_id).map(|status| status.id).into_iter().collect()
        }
    }
}
