//! `rota doctor`: looks at everything that the daemon needs, and says what to do.

use super::{check, leantime, models, open, postgres};
use crate::app::failure::Failure;
use crate::app::house::{BoardOf, Finding, Health, Place};
use crate::board::Board;
use crate::clock::{Clock, SystemClock};
use crate::config::{BoardConfig, Config};
use crate::domain::{Channel, Person, Project, Timestamp};
use crate::ledger::{Ledger, stop};
use crate::schedule::Criteria;
use crate::template::Templates;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// Less free space than this and somebody should look.
const FREE_BYTES_MIN: u64 = 512 * 1024 * 1024;

/// At most so many missing words of a playbook are told.
const WORDS_MAX: usize = 5;

/// Looks, changes nothing, and waits for nobody. Whoever has the ledger open brings it.
pub(super) async fn examine(
    place: &Place,
    asks_models: bool,
    ledger: Option<(&Ledger, Timestamp)>,
) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    let found = leantime::place(place);
    let config = found.and_then(|found| Ok((open::config(&found)?, found)));
    let (config, place) = match config {
        Ok((config, place)) => {
            let from = match (&config.path, place.board) {
                (Some(path), _) => path.display().to_string(),
                (None, BoardOf::Configuration) => "no rota.toml: built-in defaults".to_owned(),
                (None, BoardOf::Environment) => "no rota.toml: LEANTIME_URL and a key".to_owned(),
            };
            findings.push(finding("configuration", Health::Ok, from, ""));
            (config, place)
        }
        Err(failure) => {
            findings.push(finding("configuration", Health::Fail, failure.message, "`rota check`"));
            (Config::default(), place.clone())
        }
    };
    if place.board == BoardOf::Configuration {
        findings.push(playbooks(&place)?);
    }
    findings.extend(postgres::examine(&config).await);
    findings.extend(words(&place, &config).await);
    findings.extend(state(&place, &config, ledger).await);
    findings.extend(files(&config));
    findings.extend(super::channels::examine(&config).await);
    findings.extend(models::examine(&config, asks_models).await);
    findings.push(super::rooms::examine());
    findings.push(clock());
    Ok(findings)
}

pub(super) fn finding(
    what: &str,
    health: Health,
    found: impl Into<String>,
    advice: &str,
) -> Finding {
    Finding { what: what.to_owned(), health, found: found.into(), advice: advice.to_owned() }
}

fn playbooks(place: &Place) -> Result<Finding, Failure> {
    let report = check::files(place, &[])?;
    let fatal = report.faults.iter().filter(|fault| fault.fatal).count();
    let found = format!("{} files, {fatal} faults", report.files.len());
    Ok(match (fatal, report.files.len()) {
        (0, 0) => finding(
            "playbooks",
            Health::Warn,
            "there are none",
            "`rota init` writes some to start from",
        ),
        (0, _) => finding("playbooks", Health::Ok, found, ""),
        _ => finding("playbooks", Health::Fail, found, "`rota check` tells each fault"),
    })
}

/// What playbooks would write and the board does not know; nothing where there is no board yet.
async fn words(place: &Place, config: &Config) -> Vec<Finding> {
    let (mut findings, board) = match board(place, config).await {
        Ok(opened) => opened,
        Err(findings) => return findings,
    };
    let (projects, people) = match tokio::join!(board.projects(), board.people()) {
        (Ok(projects), Ok(people)) => (projects, people),
        (Err(error), _) | (_, Err(error)) => {
            let advice = match config.board {
                BoardConfig::Sqlite { .. } => "look at its file",
                BoardConfig::Leantime(_) => "see docs/leantime.md",
                BoardConfig::Postgres(_) => "see docs/scaling.md",
            };
            findings.push(finding("board", Health::Fail, error.to_string(), advice));
            return findings;
        }
    };
    let (templates, _) = Templates::load(&config.templates, None);
    let library = check::library(config, config.agents.clone(), Arc::new(templates));
    findings.push(finding("board", Health::Ok, counted(&projects, &people), ""));
    for playbook in library.all() {
        let criteria = Criteria::new(&playbook, &projects, &people);
        let missing = criteria.missing_words().chain(&criteria.unresolved).take(WORDS_MAX);
        let missing: Vec<&str> = missing.map(|missing| missing.detail.as_str()).collect();
        if !missing.is_empty() {
            let what = format!("playbook {}", playbook.name);
            let advice = match config.board {
                BoardConfig::Sqlite { .. } | BoardConfig::Postgres(_) => {
                    "add it to the board, or change the playbook"
                }
                BoardConfig::Leantime(_) => {
                    "add it to the board (an agent: `rota leantime add-agent`), or change the playbook"
                }
            };
            findings.push(finding(&what, Health::Warn, missing.join("; "), advice));
        }
    }
    findings
}

/// The board, with what was found before it is read; only that, where it is not worth reading.
async fn board(
    place: &Place,
    config: &Config,
) -> Result<(Vec<Finding>, Arc<dyn Board>), Vec<Finding>> {
    let unopened = |failure: Failure| {
        let why = failure.causes.into_iter().next().unwrap_or(failure.message);
        vec![finding("board", Health::Fail, why, "see docs/operations.md")]
    };
    match &config.board {
        BoardConfig::Sqlite { path } if !place.state.join(path).exists() => Err(Vec::new()),
        BoardConfig::Sqlite { .. } => {
            let clock = SystemClock::shared();
            let board = open::open_board(config, &place.state, &clock, None).await;
            Ok((Vec::new(), board.map_err(unopened)?))
        }
        BoardConfig::Postgres(named) => {
            if !postgres::has_tables(named, "board").await {
                return Err(Vec::new());
            }
            let board = postgres::board(named, &config.board_name, &SystemClock::shared()).await;
            Ok((Vec::new(), board.map_err(unopened)?))
        }
        BoardConfig::Leantime(named) => {
            let board = leantime::open_to_look(config, named).map_err(unopened)?;
            let findings = leantime::examine(&board, config, named).await;
            Ok((findings.map_err(|refused| vec![refused])?, Arc::new(board)))
        }
    }
}

fn counted(projects: &[Project], people: &[Person]) -> String {
    format!("answers: {} projects, {} users", projects.len(), people.len())
}

async fn state(
    place: &Place,
    config: &Config,
    ledger: Option<(&Ledger, Timestamp)>,
) -> Vec<Finding> {
    let state = &place.state;
    if !state.exists() {
        let found = format!("{} does not exist yet", state.display());
        return vec![finding("state", Health::Ok, found, "it is made when it is needed")];
    }
    let mut findings = vec![lock(state, config), free_space(state)];
    findings.push(match stop::read(state) {
        Some(stopped) => finding(
            "emergency stop",
            Health::Warn,
            format!("stopped by {}: {}", stopped.by, stopped.reason),
            "`rota start-all` lifts it",
        ),
        None => finding("emergency stop", Health::Ok, "not set", ""),
    });
    findings.push(daemon(state).await);
    findings.extend(match ledger {
        Some((ledger, now)) => super::instants::of_ledger(ledger, config, now).await,
        None => super::instants::examine(place, config).await,
    });
    findings
}

fn lock(state: &Path, config: &Config) -> Finding {
    if let Err(error) = nix::unistd::access(state, nix::unistd::AccessFlags::W_OK) {
        let found = format!("{} cannot be written: {}", state.display(), error.desc());
        return finding("state", Health::Fail, found, "make it writable for this user");
    }
    let path = open::store_options(config).folder(state).join("lock");
    let Ok(mut file) = std::fs::File::open(&path) else {
        return finding("state", Health::Ok, "no store yet", "");
    };
    if file.try_lock_shared().is_ok() {
        return finding("state", Health::Ok, format!("{} is free", state.display()), "");
    }
    let mut holder = String::new();
    let _ = file.by_ref().take(256).read_to_string(&mut holder);
    let found = format!("in use: {}", holder.trim().replace('\n', ", "));
    finding("state", Health::Ok, found, "")
}

async fn daemon(state: &Path) -> Finding {
    match crate::daemon::control::socket::connect(state).await {
        Ok(Some(_)) => finding("daemon", Health::Ok, "answers on its socket", ""),
        Ok(None) => finding("daemon", Health::Ok, "none runs", "`rota serve` starts one"),
        Err(error) => {
            finding("daemon", Health::Fail, error.to_string(), "look who made the socket")
        }
    }
}

fn free_space(state: &Path) -> Finding {
    match nix::sys::statvfs::statvfs(state) {
        Ok(found) => {
            let free = found.blocks_available().saturating_mul(found.fragment_size());
            let text = format!("{} MiB free", free / 1024 / 1024);
            if free < FREE_BYTES_MIN {
                finding("disk", Health::Warn, text, "make room: a full disk stops the daemon")
            } else {
                finding("disk", Health::Ok, text, "")
            }
        }
        Err(error) => finding("disk", Health::Warn, error.to_string(), "look at the state folder"),
    }
}

fn files(config: &Config) -> Vec<Finding> {
    let files = config.files.iter().map(|(name, path)| {
        let channel = Channel::File(name.clone()).to_string();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match folder.metadata() {
            Ok(found) if !found.permissions().readonly() => {
                finding(&channel, Health::Ok, path.display().to_string(), "")
            }
            Ok(_) => {
                finding(&channel, Health::Fail, "its folder is read-only", "give another path")
            }
            Err(_) => finding(&channel, Health::Ok, "its folder is made when it is needed", ""),
        }
    });
    files.collect()
}

fn clock() -> Finding {
    let now = SystemClock::new().wall();
    // A machine without a battery wakes up in 1970.
    if now.timestamp() < 1_700_000_000 {
        return finding("clock", Health::Fail, now.to_rfc3339(), "set the clock");
    }
    finding("clock", Health::Ok, now.to_rfc3339(), "")
}
