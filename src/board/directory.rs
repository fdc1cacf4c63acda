//! Who and what there is on a board.

use crate::domain::{Person, Project, ProjectId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All projects and everybody, as one question found them; many may hold them.
#[derive(Clone, Debug)]
pub struct Directory {
    /// By their ids.
    pub projects: Arc<BTreeMap<ProjectId, Project>>,
    /// In the order of their ids.
    pub people: Arc<[Person]>,
}

impl Directory {
    /// Of these.
    pub fn new(projects: Vec<Project>, people: Vec<Person>) -> Self {
        let projects = projects.into_iter().map(|project| (project.id, project)).collect();
        Self { projects: Arc::new(projects), people: people.into() }
    }
}
