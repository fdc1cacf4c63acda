//! A Leantime that the environment alone names: for an MCP client that starts `rota mcp` with an
//! address and a key, and for `rota doctor` when that does not work.

use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{BoardOf, Place};
use crate::app::open::{self, config_path, read_variable};
use crate::config::{BoardConfig, Config, LeantimeConfig, URL};
use secrecy::ExposeSecret;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// Bytes of the name that tells state folders apart.
const NAME_BYTES: usize = 8;

/// Where to go on: there, unless the environment names a Leantime and no file says anything of a board.
pub(in crate::app) fn place(place: &Place) -> Result<Place, Failure> {
    let Some(url) = read_variable(URL).filter(|url| !url.trim().is_empty()) else {
        return Ok(place.clone());
    };
    if let Some(file) = config_path(place) {
        let config = open::config(place)?;
        return match &config.board {
            BoardConfig::Leantime(named) if is_same(&named.url, &url) => Ok(place.clone()),
            _ => Err(contradiction(&file)),
        };
    }
    let place = Place { board: BoardOf::Environment, ..place.clone() };
    let config = open::config(&place)?;
    let BoardConfig::Leantime(named) = &config.board else { return Ok(place) };
    if place.is_state_named {
        return Ok(place);
    }
    Ok(Place { state: state_folder(&config, named)?, is_state_named: true, ..place })
}

fn contradiction(file: &Path) -> Failure {
    let message = format!("{URL} names a Leantime, and {} another board", file.display());
    Failure::new(FailureKind::Config, message)
        .hint(format!("unset {URL} to use the file, or start this where there is no rota.toml"))
}

fn is_same(one: &str, other: &str) -> bool {
    let bare = |url: &str| {
        let url = url.trim().trim_end_matches('/');
        url.trim_end_matches("/api/jsonrpc").trim_end_matches('/').to_ascii_lowercase()
    };
    bare(one) == bare(other)
}

/// A folder of this server and this user among the states of programs, never where this process
/// happens to have been started. Others who act there have others: they would act as this one.
fn state_folder(config: &Config, named: &LeantimeConfig) -> Result<PathBuf, Failure> {
    let key = named.key.expose_secret();
    // The middle part of a key is its user: it stays when the secret is changed.
    let user = key.rsplit_once('_').map_or(key, |(user, _)| user);
    let me = config.me.as_deref().unwrap_or_default();
    let digest = Sha256::digest(format!("{}\n{user}\n{me}", named.url.trim_end_matches('/')));
    let name = digest.iter().take(NAME_BYTES).fold(String::new(), |all, b| format!("{all}{b:02x}"));
    let absolute = |name: &str| {
        let path = read_variable(name).map(PathBuf::from)?;
        path.is_absolute().then_some(path)
    };
    let home = || absolute("HOME").map(|home| home.join(".local/state"));
    let Some(states) = absolute("XDG_STATE_HOME").or_else(home) else {
        let message = "there is no home folder to keep state in";
        return Err(Failure::new(FailureKind::Config, message)
            .hint("name a folder with --state or ROTA_STATE"));
    };
    Ok(states.join("rota").join(format!("leantime-{name}")))
}
