//! `rota check`: every fault of configuration, templates and playbooks at once.

use super::open;
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{CheckFault, CheckReport, Place};
use crate::board::overlay::Overlay;
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::{BoardConfig, Config};
use crate::domain::{BoardName, DaemonId, LifeId};
use crate::fault::{Fault, Severity};
use crate::ledger::{Ledger, LedgerOptions};
use crate::playbook::Library;
use crate::schedule::Criteria;
use crate::store::memory::MemoryStore;
use crate::template::Templates;
use crate::tools::{Parts, ToolRegistry};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// At most so many missing words of a playbook are told.
const WORDS_MAX: usize = 5;

/// Checks the place, or only these files and folders; also against the embedded board, if there is one.
pub(super) async fn check(place: &Place, paths: &[PathBuf]) -> Result<CheckReport, Failure> {
    let mut report = files(place, paths)?;
    let Ok(config) = open::config(place) else { return Ok(report) };
    for folder in folders(&config, paths)? {
        let (templates, _) = Templates::load(&config.templates, None);
        let library = library(&config, folder, Arc::new(templates));
        let wanted = |fault: &CheckFault| {
            paths.is_empty() || paths.iter().any(|path| fault.file.starts_with(path))
        };
        let lacking = lacking(place, &config, &library).await;
        report.faults.extend(lacking.iter().map(told).filter(wanted));
    }
    Ok(report)
}

/// Checks the files of the place, or only these.
pub(super) fn files(place: &Place, paths: &[PathBuf]) -> Result<CheckReport, Failure> {
    let mut report = CheckReport::default();
    let default = PathBuf::from("rota.toml");
    let path = place.config.clone().or_else(|| default.exists().then_some(default));
    let config = match Config::load(path.as_deref(), &open::read_variable) {
        Ok(config) => {
            report.faults.extend(config.warnings.iter().map(told));
            config
        }
        Err(faults) => {
            report.faults.extend(faults.iter().map(told));
            Config::default()
        }
    };
    report.files.extend(path);
    let (templates, faults) = Templates::load(&config.templates, None);
    report.faults.extend(faults.iter().map(told));
    let templates = Arc::new(templates);
    for folder in folders(&config, paths)? {
        let library = library(&config, folder.clone(), Arc::clone(&templates));
        report.files.extend(toml_files(&folder));
        report.faults.extend(library.faults().iter().map(told));
    }
    if !paths.is_empty() {
        let wanted = |file: &PathBuf| paths.iter().any(|path| file.starts_with(path));
        report.files.retain(wanted);
        report.faults.retain(|fault| wanted(&fault.file));
    }
    Ok(report)
}

/// The playbooks of a folder, read by what is configured.
pub(super) fn library(config: &Config, folder: PathBuf, templates: Arc<Templates>) -> Library {
    let words = open::words(config, &registry(), config.models.keys().cloned().collect());
    let mut library =
        Library::new(folder, config.playbook_defaults()).at_most(config.daemon.playbooks);
    library.reload(&(words.0)(templates));
    library
}

/// Words of playbooks that the embedded board lacks, where there is one already: statuses, people,
/// projects. A server is asked by `rota doctor`.
async fn lacking(place: &Place, config: &Config, library: &Library) -> Vec<Fault> {
    let is_there = match &config.board {
        BoardConfig::Sqlite { path } => place.state.join(path).exists(),
        BoardConfig::Leantime(_) | BoardConfig::Postgres(_) => false,
    };
    if !is_there {
        return Vec::new();
    }
    let clock = SystemClock::shared();
    // One that cannot be read is the doctor's to tell of.
    let Ok(board) = open::open_board(config, &place.state, &clock, None).await else {
        return Vec::new();
    };
    let (Ok(projects), Ok(people)) = tokio::join!(board.projects(), board.people()) else {
        return Vec::new();
    };
    let mut lacking = Vec::new();
    for playbook in library.all().iter().filter(|_| !projects.is_empty()) {
        let criteria = Criteria::new(playbook, &projects, &people);
        let words = criteria.missing_words().chain(&criteria.unresolved);
        lacking.extend(words.take(WORDS_MAX).map(|word| {
            Fault::of_file(playbook.path.as_str(), word.detail.as_str())
                .with_help("add it to the board, or change the playbook")
                .as_warning()
        }));
    }
    lacking
}

/// The folders whose playbooks are read: that of the configuration, or those that were named.
fn folders(config: &Config, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if paths.is_empty() {
        return Ok(vec![config.agents.clone()]);
    }
    let mut folders = Vec::new();
    for path in paths {
        if !path.exists() {
            let message = format!("{}: there is no such file or folder", path.display());
            return Err(Failure::new(FailureKind::Usage, message));
        }
        let folder = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
        let folder = folder.filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folders.contains(&folder.to_owned()) {
            folders.push(folder.to_owned());
        }
    }
    Ok(folders)
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    files
}

fn told(fault: &Fault) -> CheckFault {
    CheckFault {
        fatal: fault.severity == Severity::Error,
        file: PathBuf::from(&fault.path),
        line: fault.line,
        column: fault.column,
        message: fault.message.clone(),
        rendered: fault.render(false),
    }
}

/// The tools by name: over an empty board and store, nothing is opened.
fn registry() -> ToolRegistry {
    let clock = SystemClock::shared();
    let board = Arc::new(Overlay::empty(BoardName::new("check"), Arc::clone(&clock)));
    let options = LedgerOptions {
        board: BoardName::new("check"),
        daemon: DaemonId::new("check"),
        life: LifeId::new("check"),
        margin: Duration::from_secs(5),
        epoch: 0,
    };
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let ledger = Ledger::new(store, Arc::clone(&clock), Arc::new(SystemEntropy), options);
    ToolRegistry::new(Parts::new(board, Arc::new(ledger), clock))
}
