//! The playbooks of a folder; the last good version of each is kept.
use super::{Defaults, Vocabulary};
use crate::domain::{Playbook, PlaybookName};
use crate::fault::Fault;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The playbooks of one folder.
#[derive(Debug)]
pub struct Library {
    folder: PathBuf,
    defaults: Defaults,
}

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Playbooks that are new.
    pub added: Vec<PlaybookName>,
    /// Playbooks of another definition than before.
    pub changed: Vec<PlaybookName>,
    /// Playbooks that are gone.
    pub removed: Vec<PlaybookName>,
    /// Playbooks whose file has faults (their last good version goes on, if there was one).
    pub faulty: Vec<PlaybookName>,
}

impl Library {
    /// An empty library; [`Library::reload`] fills it.
    pub fn new(folder: impl Into<PathBuf>, defaults: Defaults) -> Self {
        todo!()
    }
    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
    /// Reads the folder again.
    pub fn reload(&mut self, vocabulary: &Vocabulary) -> Changes {
        todo!()
    }
    /// All playbooks, by name.
    pub fn all(&self) -> Vec<Arc<Playbook>> {
        todo!()
    }
    /// One playbook.
    pub fn get(&self, name: &PlaybookName) -> Option<Arc<Playbook>> {
        todo!()
    }
    /// What is wrong, file by file (warnings too).
    pub fn faults(&self) -> Vec<Fault> {
        todo!()
    }
    /// What is wrong with the file that defines this playbook.
    pub fn faults_of(&self, name: &PlaybookName) -> Vec<Fault> {
        todo!()
    }
}
