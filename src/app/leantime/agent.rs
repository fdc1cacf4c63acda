//! `rota leantime add-agent`: a user of its own for an agent, so that what it writes bears its name.

use super::health;
use super::setup::{Kept, key_file, of_file, quoted, read};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{AddAgent, AgentAdded, Place};
use crate::app::{failures, open};
use crate::board::leantime::Minted;
use crate::board::{BoardError, Projects};
use crate::config::{BoardConfig, Config, LeantimeConfig};
use crate::domain::{PersonId, Project};
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Makes the user, keeps its key, and names both in the configuration.
pub(in crate::app) async fn add(place: &Place, agent: &AddAgent) -> Result<AgentAdded, Failure> {
    let (path, config, named) = configured(place, agent)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let key = agent.admin.as_ref().map(read).transpose()?.unwrap_or_else(|| named.key.clone());
    let by_admin = LeantimeConfig { key, user: None, agents: BTreeMap::new(), ..named };
    let board = health::open(&config, &by_admin)?;
    board.may_mint(&agent.name).await.map_err(|error| refused(&error))?;
    let all = board.projects().await.map_err(|error| refused(&error))?;
    let projects = meant(&all, &agent.projects)?;
    let file = agent.variable.is_none().then(|| key_file(folder, &agent.name));
    let mut added = AgentAdded {
        user: None,
        projects: projects.iter().map(|project| project.name.clone()).collect(),
        lines: lines(agent, None),
        file,
        key: None,
        is_configured: false,
    };
    if let Some(file) = added.file.as_ref().filter(|file| file.exists()) {
        let message = format!("{} is there already: no key is written over", file.display());
        return Err(Failure::new(FailureKind::Refused, message));
    }
    if agent.dry_run {
        return Ok(added);
    }
    let mut kept = match &added.file {
        Some(_) => Some(Kept::reserve(folder, &agent.name)?),
        None => None,
    };
    let ids: Vec<_> = projects.iter().map(|project| project.id).collect();
    let minted =
        board.mint(&agent.name, agent.role, &ids).await.map_err(|error| refused(&error))?;
    added.user = Some(minted.person.0);
    match &mut kept {
        Some(kept) => kept.fill(&minted.key).map_err(|failure| lost(&minted, failure))?,
        None => added.key = Some(minted.key.clone()),
    }
    added.lines = lines(agent, Some(minted.person));
    added.is_configured = append(&path, agent, &minted, &added.lines);
    Ok(added)
}

/// The configuration, its file and its board, where the agent is none of it yet.
fn configured(
    place: &Place,
    agent: &AddAgent,
) -> Result<(PathBuf, Config, LeantimeConfig), Failure> {
    let Some(path) = open::config_path(place) else {
        return Err(Failure::new(
            FailureKind::Config,
            "there is no rota.toml to name the agent in",
        )
        .hint("`rota init --leantime URL` writes one"));
    };
    let config = open::config(place)?;
    let BoardConfig::Leantime(named) = &config.board else {
        let message = format!("the board of {} is no Leantime", path.display());
        return Err(Failure::new(FailureKind::Config, message)
            .hint("on the built-in board: `rota person add NAME --agent`"));
    };
    if named.agents.contains_key(&agent.name) {
        let message = format!("{} has [board.agents.{}] already", path.display(), agent.name);
        return Err(Failure::new(FailureKind::Refused, message));
    }
    let named = LeantimeConfig::clone(named);
    Ok((path, config, named))
}

fn refused(error: &BoardError) -> Failure {
    let failure = failures::board(error);
    match error {
        BoardError::Denied(_) => failure.hint(
            "give an admin's key with --admin-key-from env:NAME or file:PATH; it is used once and \
             not kept",
        ),
        _ => failure,
    }
}

/// The user is there, and its key is nowhere.
fn lost(minted: &Minted, failure: Failure) -> Failure {
    failure.hint(format!(
        "user {} was made and its key is lost: remove it in Leantime under Company Settings, API Keys",
        minted.person
    ))
}

/// Projects by number or name.
fn meant<'a>(all: &'a [Project], asked: &[String]) -> Result<Vec<&'a Project>, Failure> {
    let find = |text: &String| {
        let is = |project: &&Project| {
            project.id.to_string() == *text || project.name.eq_ignore_ascii_case(text.trim())
        };
        let mut found = all.iter().filter(is);
        match (found.next(), found.next()) {
            (Some(project), None) => Ok(project),
            (Some(_), Some(_)) => Err(Failure::usage(format!(
                "several projects are called {text:?}: give its number"
            ))),
            _ => {
                let names: Vec<&str> = all.iter().map(|project| project.name.as_str()).collect();
                let names = names.join(", ");
                Err(Failure::usage(format!("no project is {text:?}; there are: {names}")))
            }
        }
    };
    asked.iter().map(find).collect()
}

/// What the configuration says of it.
fn lines(agent: &AddAgent, user: Option<PersonId>) -> String {
    let user = user.map_or_else(|| "…".to_owned(), |user| user.to_string());
    let key = match &agent.variable {
        Some(name) => format!("{{ env = {} }}", quoted(name)),
        None => of_file(&key_file(Path::new(""), &agent.name)),
    };
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_bare = agent.name.chars().all(is_bare);
    let name = if is_bare { agent.name.clone() } else { quoted(&agent.name) };
    format!("[board.agents.{name}]\nuser = {user}\nkey = {key}\n")
}

/// Adds them to the file, if it can be read with them; whether it was done.
fn append(path: &Path, agent: &AddAgent, minted: &Minted, lines: &str) -> bool {
    let Ok(before) = std::fs::read_to_string(path) else { return false };
    let after = format!("{}\n\n{lines}", before.trim_end());
    let env = |name: &str| match &agent.variable {
        Some(own) if own == name => Some(minted.key.expose_secret().to_owned()),
        _ => open::read_variable(name),
    };
    let is_read = Config::parse(&after, path, &env).is_ok_and(|config| match &config.board {
        BoardConfig::Leantime(named) => named.agents.contains_key(&agent.name),
        BoardConfig::Sqlite { .. } | BoardConfig::Postgres(_) => false,
    });
    is_read && replace(path, &after).is_ok()
}

/// All of it or nothing, with the file's own rights.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // A link leads to the file that is meant.
    let path = path.canonicalize()?;
    let beside = path.with_extension("toml.new");
    let mut open = std::fs::OpenOptions::new();
    let mut file = open.write(true).create_new(true).mode(0o600).open(&beside)?;
    let mut put = || {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::set_permissions(&beside, path.metadata()?.permissions())?;
        std::fs::rename(&beside, &path)
    };
    put().inspect_err(|_| {
        let _ = std::fs::remove_file(&beside);
    })
}
