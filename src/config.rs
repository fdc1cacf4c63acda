//! What was configured: `rota.toml` with its defaults.

use crate::fault::Fault;
use chrono_tz::Tz;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from; `None` for the defaults.
    pub path: Option<PathBuf>,
    /// The daemon.
    pub daemon: DaemonConfig,
    /// The board.
    pub board: BoardConfig,
    /// The store.
    pub store: StoreConfig,
    /// The name of the board user who types commands.
    pub me: Option<String>,
    /// The team's zone.
    pub timezone: Option<Tz>,
    /// Claims.
    pub claims: ClaimsConfig,
    /// Language models, by name.
    pub models: BTreeMap<String, ModelConfig>,
    /// Slack destinations, by name.
    pub slack: BTreeMap<String, SlackConfig>,
    /// Files that notices go to, by name.
    pub files: BTreeMap<String, PathBuf>,
    /// Whether playbooks with new triggers or wider rights arm themselves.
    pub arm: Arm,
    /// The folder of playbooks.
    pub agents: PathBuf,
    /// The folder of templates.
    pub templates: PathBuf,
    /// The currency of costs.
    pub currency: String,
    /// What somebody should look at.
    pub warnings: Vec<Fault>,
}

/// `[daemon]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonConfig {
    /// Its name among daemons; `None`: the host's name.
    pub id: Option<String>,
    /// Runs at once.
    pub slots: u32,
    /// Labels that `runs_on` asks for.
    pub labels: Vec<String>,
    /// How often it looks at the board.
    pub tick: Duration,
    /// How long a shutdown waits for runs.
    pub drain: Duration,
}

/// `[board]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoardConfig {
    /// The embedded board; the path is relative to the state folder unless absolute.
    Sqlite {
        /// The database file.
        path: PathBuf,
    },
}

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// The embedded store; the path is relative to the state folder unless absolute.
    Sled {
        /// Its folder.
        path: PathBuf,
    },
    /// Nothing is kept when the process ends.
    Memory,
}

/// `[claims]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimsConfig {
    /// How long a lease lasts without a renewal.
    pub lease: Duration,
    /// How often a claim is renewed.
    pub renew: Duration,
    /// How long before the lease's end a worker stops trusting it.
    pub margin: Duration,
}

/// `[models.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelConfig {
    /// A script that plays the model.
    Scripted {
        /// The script file; relative to the configuration file.
        script: PathBuf,
    },
}

/// `[notify.slack.NAME]`.
#[derive(Clone, Debug)]
pub struct SlackConfig {
    /// The incoming webhook's address.
    pub webhook: SecretString,
}

/// Whether playbooks with new triggers or wider rights arm themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arm {
    /// A person arms them.
    #[default]
    Ask,
    /// They do.
    Auto,
}

impl Default for Config {
    fn default() -> Self {
        todo!()
    }
}

impl Config {
    /// Reads a file; without one, the defaults.
    pub fn load(
        path: Option<&Path>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<Fault>> {
        todo!()
    }
}

/// JSON Schema of `rota.toml` (draft 2020-12).
pub fn schema() -> serde_json::Value {
    todo!()
}
