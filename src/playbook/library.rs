//! The playbooks of a folder. A faulty edit keeps the last good version and shows the fault; a
//! reload says what changed.

use super::folder::{FileText, Texts, read};
use super::{Defaults, Parsed, Vocabulary, Worker, check, parse};
use crate::domain::{Playbook, PlaybookName, Reviewer};
use crate::fault::{Fault, Severity, Showing, sort};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most playbooks of a folder, unless it is said otherwise.
pub const PLAYBOOKS_MAX: usize = 10_000;

/// The playbooks of one folder.
#[derive(Debug)]
pub struct Library {
    folder: PathBuf,
    defaults: Defaults,
    playbooks_max: usize,
    /// How often something changed.
    loads: u64,
    /// The files as they were at the last look.
    texts: Texts,
    /// The words that the last look compared with.
    words: Option<Vocabulary>,
    /// What is in use, by name.
    by_name: BTreeMap<PlaybookName, Arc<Playbook>>,
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
            playbooks_max: PLAYBOOKS_MAX,
            loads: 0,
            texts: Texts::default(),
            words: None,
            by_name: BTreeMap::new(),
            good: BTreeMap::new(),
            faults: BTreeMap::new(),
            warnings: BTreeMap::new(),
        }
    }

    /// The same, for a folder of at most so many playbooks.
    #[must_use]
    pub fn at_most(self, playbooks_max: usize) -> Self {
        Self { playbooks_max, ..self }
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
    ///
    /// A file that is as it was, and was found good against the same words, is not read again.
    pub fn reload(&mut self, vocabulary: &Vocabulary) -> Changes {
        let files = match self.texts.look(&self.folder, self.playbooks_max) {
            Ok(files) => files,
            Err(message) => {
                let fault = Fault::of_file(self.folder.display().to_string(), message);
                self.faults.insert(String::new(), vec![fault]);
                return Changes::default();
            }
        };
        let same_words = self.words.as_ref().is_some_and(|words| words.is_same(vocabulary));
        let mut faults: BTreeMap<String, Vec<Fault>> = BTreeMap::new();
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        for (file, text) in files {
            let is_good = !self.faults.contains_key(&file);
            let known = self.good.get(&file).filter(|_| is_good && same_words);
            let read = match (text, known) {
                (FileText::Same, Some(known)) => Ok(Found::Known(Arc::clone(known))),
                (FileText::Same, None) => self.parse(&file, read(&self.folder.join(&file))),
                (FileText::Other(text), _) => self.parse(&file, text),
            };
            match read {
                Ok(playbook) => drop(found.insert(file, playbook)),
                Err(wrong) => drop(faults.insert(file, wrong)),
            }
        }
        self.refuse_doubles(&mut found, &mut faults);
        let all = self.with_names(vocabulary, &found, &faults);
        let mut warnings = BTreeMap::new();
        let mut good = BTreeMap::new();
        for (file, found) in found {
            match self.judge(&file, found, &all) {
                Ok((playbook, warned)) => {
                    warnings.extend(warned.map(|warned| (file.clone(), warned)));
                    good.insert(file, playbook);
                }
                Err(wrong) => drop(faults.insert(file, wrong)),
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
        if changes.added.len() + changes.changed.len() + changes.removed.len() > 0 {
            self.loads += 1;
        }
        self.by_name = good.values().map(|p| (p.name.clone(), Arc::clone(p))).collect();
        self.good = good;
        self.faults = faults;
        self.warnings = warnings;
        self.words = Some(vocabulary.clone());
        changes
    }

    fn parse(&self, file: &str, text: Result<String, String>) -> Result<Found, Vec<Fault>> {
        let path = self.folder.join(file).display().to_string();
        let text = text.map_err(|message| vec![Fault::of_file(path.clone(), message)])?;
        parse(&text, &path, &self.defaults).map(|parsed| Found::Read(Box::new(parsed)))
    }

    /// Compares what was found with all the words there are. What is known was found good against
    /// the same ones but for the names of playbooks: one that it speaks of may be gone.
    fn judge(&self, file: &str, found: Found, all: &Vocabulary) -> Result<Judged, Vec<Fault>> {
        let parsed = match found {
            Found::Read(parsed) => parsed,
            Found::Known(playbook)
                if names_of(&playbook).all(|n| all.playbooks.contains(n))
                    && self.workers_of(&playbook, all) =>
            {
                return Ok((playbook, self.warnings.get(file).cloned()));
            }
            Found::Known(_) => match self.parse(file, read(&self.folder.join(file)))? {
                Found::Read(parsed) => parsed,
                Found::Known(playbook) => return Ok((playbook, None)),
            },
        };
        let (wrong, in_vain): (Vec<Fault>, Vec<Fault>) =
            check(&parsed, all).into_iter().partition(|fault| fault.severity == Severity::Error);
        if wrong.is_empty() {
            let warnings = [parsed.warnings, in_vain].concat();
            let warnings = Some(warnings).filter(|warnings| !warnings.is_empty());
            Ok((Arc::new(parsed.playbook), warnings))
        } else {
            Err(wrong)
        }
    }

    /// Whether the reviewer of a playbook works as it did when the playbook was found good.
    fn workers_of(&self, playbook: &Playbook, all: &Vocabulary) -> bool {
        let Reviewer::Playbook(name) = &playbook.review.by else { return true };
        let before = self.by_name.get(name).map(|old| Worker::of(old, &all.families));
        before.as_ref() == all.workers.get(name)
    }

    /// Two files with one name: the one that had it keeps it, else the first by file name.
    fn refuse_doubles(
        &self,
        found: &mut BTreeMap<String, Found>,
        faults: &mut BTreeMap<String, Vec<Fault>>,
    ) {
        let mut owners: BTreeMap<PlaybookName, String> = BTreeMap::new();
        for (file, playbook) in found.iter() {
            let name = playbook.name();
            let had = self.good.get(file).is_some_and(|last| last.name == *name);
            if had || !owners.contains_key(name) {
                owners.insert(name.clone(), file.clone());
            }
        }
        let doubles: Vec<(String, String)> = found
            .iter()
            .filter_map(|(file, p)| owners.get(p.name()).map(|o| (file.clone(), o.clone())))
            .filter(|(file, owner)| file != owner)
            .collect();
        for (file, owner) in doubles {
            // What is known has its name already: only what was read can be a double.
            let Some(Found::Read(double)) = found.remove(&file) else { continue };
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
        found: &BTreeMap<String, Found>,
        faults: &BTreeMap<String, Vec<Fault>>,
    ) -> Vocabulary {
        let mut vocabulary = vocabulary.clone();
        vocabulary.playbooks.extend(found.values().map(|p| p.name().clone()));
        vocabulary.playbooks.extend(faults.keys().map(|file| self.name_of(file)));
        let workers = found.values().map(|found| {
            let playbook = found.playbook();
            (playbook.name.clone(), Worker::of(playbook, &vocabulary.families))
        });
        let workers: Vec<_> = workers.collect();
        vocabulary.workers.extend(workers);
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

    /// How often a reload changed something.
    pub fn loads(&self) -> u64 {
        self.loads
    }

    /// All playbooks, by name.
    pub fn all(&self) -> Vec<Arc<Playbook>> {
        self.by_name.values().cloned().collect()
    }

    /// One playbook.
    pub fn get(&self, name: &PlaybookName) -> Option<Arc<Playbook>> {
        self.by_name.get(name).cloned()
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

/// A playbook that passed, with its warnings.
type Judged = (Arc<Playbook>, Option<Vec<Fault>>);

/// What a file holds.
enum Found {
    /// What it held before.
    Known(Arc<Playbook>),
    /// Something else, or it is looked at anew.
    Read(Box<Parsed>),
}

impl Found {
    fn playbook(&self) -> &Playbook {
        match self {
            Self::Known(playbook) => playbook,
            Self::Read(parsed) => &parsed.playbook,
        }
    }

    fn name(&self) -> &PlaybookName {
        &self.playbook().name
    }
}

/// The other playbooks that one speaks of.
fn names_of(playbook: &Playbook) -> impl Iterator<Item = &PlaybookName> {
    let reviewer = match &playbook.review.by {
        Reviewer::Playbook(name) => Some(name),
        _ => None,
    };
    let rework = playbook.outcomes.values().filter_map(|outcome| outcome.rework.as_ref());
    rework.chain(reviewer)
}
