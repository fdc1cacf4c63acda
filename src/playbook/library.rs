//! The playbooks of a folder. A faulty edit keeps the last good version and shows the fault; a
//! reload says what changed.

use super::{Defaults, PLAYBOOK_BYTES_MAX, Parsed, Vocabulary, check, parse};
use crate::domain::{Playbook, PlaybookName};
use crate::fault::{Fault, Showing, sort};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most playbooks of a folder.
const PLAYBOOKS_MAX: usize = 500;

/// The playbooks of one folder.
#[derive(Debug)]
pub struct Library {
    folder: PathBuf,
    defaults: Defaults,
    /// What is in use, by file name.
    good: BTreeMap<String, Arc<Playbook>>,
    /// What is wrong, by file name; the folder's own faults stand under the empty name.
    faults: BTreeMap<String, Vec<Fault>>,
    /// Warnings, by file name.
    warnings: BTreeMap<String, Vec<Fault>>,
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

impl Changes {
    /// Whether nothing changed and nothing is faulty.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Library {
    /// An empty library; [`Library::reload`] fills it.
    pub fn new(folder: impl Into<PathBuf>, defaults: Defaults) -> Self {
        Self {
            folder: folder.into(),
            defaults,
            good: BTreeMap::new(),
            faults: BTreeMap::new(),
            warnings: BTreeMap::new(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A definition that was in use before, read from its kept text; `None` if it is none any more.
    pub fn old(&self, name: &PlaybookName, text: &str) -> Option<Arc<Playbook>> {
        let path = self.folder.join(format!("{name}.toml"));
        let parsed = parse(text, &path.to_string_lossy(), &self.defaults).ok()?;
        (parsed.playbook.name == *name).then(|| Arc::new(parsed.playbook))
    }

    /// Reads the folder again. A folder that cannot be read changes nothing: its fault is shown,
    /// and what was good goes on. A folder that does not exist is empty.
    pub fn reload(&mut self, vocabulary: &Vocabulary) -> Changes {
        let files = match read_folder(&self.folder) {
            Ok(files) => files,
            Err(message) => {
                let fault = Fault::of_file(self.folder.display().to_string(), message);
                self.faults.insert(String::new(), vec![fault]);
                return Changes::default();
            }
        };
        let mut faults: BTreeMap<String, Vec<Fault>> = BTreeMap::new();
        let mut parsed: BTreeMap<String, Parsed> = BTreeMap::new();
        for (file, text) in files {
            let path = self.folder.join(&file).display().to_string();
            let read = text
                .map_err(|message| vec![Fault::of_file(path.clone(), message)])
                .and_then(|text| parse(&text, &path, &self.defaults));
            match read {
                Ok(playbook) => drop(parsed.insert(file, playbook)),
                Err(found) => drop(faults.insert(file, found)),
            }
        }
        self.refuse_doubles(&mut parsed, &mut faults);
        let vocabulary = self.with_names(vocabulary, &parsed, &faults);
        let mut warnings = BTreeMap::new();
        let mut good = BTreeMap::new();
        for (file, playbook) in parsed {
            let found = check(&playbook, &vocabulary);
            if found.is_empty() {
                warnings.insert(file.clone(), playbook.warnings);
                good.insert(file, Arc::new(playbook.playbook));
            } else {
                faults.insert(file, found);
            }
        }
        // The last good version of a faulty file goes on, unless another file took its name.
        let taken: BTreeSet<PlaybookName> = good.values().map(|p| p.name.clone()).collect();
        for file in faults.keys() {
            if let Some(last) = self.good.get(file).filter(|last| !taken.contains(&last.name)) {
                good.insert(file.clone(), last.clone());
            }
        }
        let changes = self.compare(&good, &faults);
        self.good = good;
        self.faults = faults;
        self.warnings = warnings;
        changes
    }

    /// Two files with one name: the one that had it keeps it, else the first by file name.
    fn refuse_doubles(
        &self,
        parsed: &mut BTreeMap<String, Parsed>,
        faults: &mut BTreeMap<String, Vec<Fault>>,
    ) {
        let mut owners: BTreeMap<PlaybookName, String> = BTreeMap::new();
        for (file, playbook) in parsed.iter() {
            let name = &playbook.playbook.name;
            let had = self.good.get(file).is_some_and(|last| last.name == *name);
            if had || !owners.contains_key(name) {
                owners.insert(name.clone(), file.clone());
            }
        }
        let doubles: Vec<(String, String)> = parsed
            .iter()
            .filter_map(|(file, p)| owners.get(&p.playbook.name).map(|o| (file.clone(), o.clone())))
            .filter(|(file, owner)| file != owner)
            .collect();
        for (file, owner) in doubles {
            let Some(double) = parsed.remove(&file) else { continue };
            let span = double.marks.get("name").cloned().unwrap_or(0..0);
            let name = &double.playbook.name;
            let message = format!("`{owner}` already defines a playbook named `{name}`");
            let fault = double.source.fault(span, Showing::Values, message);
            faults.insert(file, vec![fault.with_help("give each playbook its own name")]);
        }
    }

    /// The vocabulary with the names of this folder, faulty playbooks included: that one is faulty
    /// is no fault of those that name it.
    fn with_names(
        &self,
        vocabulary: &Vocabulary,
        parsed: &BTreeMap<String, Parsed>,
        faults: &BTreeMap<String, Vec<Fault>>,
    ) -> Vocabulary {
        let mut vocabulary = vocabulary.clone();
        vocabulary.playbooks.extend(parsed.values().map(|p| p.playbook.name.clone()));
        vocabulary.playbooks.extend(faults.keys().map(|file| self.name_of(file)));
        vocabulary
    }

    /// The name of the playbook that a file defines, or would define.
    fn name_of(&self, file: &str) -> PlaybookName {
        match self.good.get(file) {
            Some(last) => last.name.clone(),
            None => PlaybookName::new(file.strip_suffix(".toml").unwrap_or(file)),
        }
    }

    fn compare(
        &self,
        good: &BTreeMap<String, Arc<Playbook>>,
        faults: &BTreeMap<String, Vec<Fault>>,
    ) -> Changes {
        let by_name = |map: &BTreeMap<String, Arc<Playbook>>| -> BTreeMap<PlaybookName, String> {
            map.values().map(|p| (p.name.clone(), p.hash.clone())).collect()
        };
        let (old, new) = (by_name(&self.good), by_name(good));
        let mut changes = Changes::default();
        for (name, hash) in &new {
            match old.get(name) {
                None => changes.added.push(name.clone()),
                Some(before) if before != hash => changes.changed.push(name.clone()),
                Some(_) => {}
            }
        }
        changes.removed = old.keys().filter(|name| !new.contains_key(name)).cloned().collect();
        changes.faulty = faults.keys().map(|file| self.name_of(file)).collect();
        changes
    }

    /// All playbooks, by name.
    pub fn all(&self) -> Vec<Arc<Playbook>> {
        let mut all: Vec<_> = self.good.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// One playbook.
    pub fn get(&self, name: &PlaybookName) -> Option<Arc<Playbook>> {
        self.good.values().find(|playbook| playbook.name == *name).cloned()
    }

    /// What is wrong, file by file (warnings too).
    pub fn faults(&self) -> Vec<Fault> {
        let mut all: Vec<Fault> =
            self.faults.values().chain(self.warnings.values()).flatten().cloned().collect();
        sort(&mut all);
        all
    }

    /// What is wrong with the file that defines this playbook.
    pub fn faults_of(&self, name: &PlaybookName) -> Vec<Fault> {
        let of = |map: &BTreeMap<String, Vec<Fault>>| -> Vec<Fault> {
            map.iter()
                .filter(|(file, _)| self.name_of(file) == *name)
                .flat_map(|(_, faults)| faults.clone())
                .collect()
        };
        let mut all = of(&self.faults);
        all.extend(of(&self.warnings));
        sort(&mut all);
        all
    }
}

type Texts = BTreeMap<String, Result<String, String>>;

/// The texts of a folder's playbooks, by file name.
fn read_folder(folder: &Path) -> Result<Texts, String> {
    let cannot = |error: std::io::Error| format!("folder cannot be read: {}", error.kind());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Texts::new()),
        Err(error) => return Err(cannot(error)),
    };
    let mut texts = Texts::new();
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        // Editors leave hidden files beside the one they write.
        let Some(name) = name.filter(|name| is_toml && !name.starts_with('.')) else { continue };
        if texts.len() == PLAYBOOKS_MAX {
            return Err(format!("folder holds more than {PLAYBOOKS_MAX} playbooks"));
        }
        let text = crate::fault::read_text(&path, PLAYBOOK_BYTES_MAX);
        texts.insert(name, text);
    }
    Ok(texts)
}
