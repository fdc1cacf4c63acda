//! What was configured: `rota.toml` with its defaults, every fault at line and column.
//!
//! Secrets are written as `{ env = "NAME" }` or `{ file = "path" }`, or as `"${NAME}"`; what they
//! hold is never shown, in no fault and in no `Debug`. Paths are relative to the file.

mod leantime;
mod mcp;
mod models;
mod notify;
mod postgres;
mod read;
mod recipients;
mod review;
mod schema;
mod secret;
mod upstream;
mod workspaces;

pub use crate::model::open::ModelOptions as ModelConfig;
pub use crate::notify::{EmailOptions, SlackWay, WebhookOptions};
pub use leantime::{API_KEYS, LeantimeAgent, LeantimeConfig, URL};
pub use mcp::{McpConfig, Transport};
pub use postgres::DEFAULT_SCHEMA;
pub use schema::schema;
pub use upstream::{UpstreamConfig, UpstreamWay};
pub use workspaces::WorkspacesConfig;

use crate::domain::{DayBudget, Guards, Recipient, ReviewRules, TimeKind};
use crate::fault::table::Reader;
use crate::fault::{Fault, Severity, Source};
use crate::playbook::Defaults;
use crate::postgres::PostgresOptions;
use chrono_tz::Tz;
use secrecy::SecretString;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The largest configuration, in bytes.
const CONFIG_BYTES_MAX: usize = 256 * 1024;

/// The configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from; `None` for the defaults.
    pub path: Option<PathBuf>,
    /// The daemon.
    pub daemon: DaemonConfig,
    /// The board's name, as claims and records call it.
    pub board_name: String,
    /// The board.
    pub board: BoardConfig,
    /// The store.
    pub store: StoreConfig,
    /// How long history is kept: ended runs, told notices, settled occurrences.
    pub keep: Duration,
    /// The name of the board user who types commands.
    pub me: Option<String>,
    /// The team's zone.
    pub timezone: Option<Tz>,
    /// Claims.
    pub claims: ClaimsConfig,
    /// Language models, by name.
    pub models: BTreeMap<String, ModelConfig>,
    /// The families of those of which it is known.
    pub families: BTreeMap<String, String>,
    /// Slack destinations, by name.
    pub slack: BTreeMap<String, SlackWay>,
    /// Webhooks of other servers than Slack's, by name.
    pub webhooks: BTreeMap<String, WebhookOptions>,
    /// Readers of e-mail, by name.
    pub emails: BTreeMap<String, EmailOptions>,
    /// How people answer in Slack.
    pub slack_app: SlackApp,
    /// Files that notices go to, by name.
    pub files: BTreeMap<String, PathBuf>,
    /// The MCP server, and where HTTP is served.
    pub mcp: McpConfig,
    /// Other MCP servers, by the names that playbooks use.
    pub upstreams: BTreeMap<String, UpstreamConfig>,
    /// Agents' workspaces.
    pub workspaces: WorkspacesConfig,
    /// The variables of the environment that were asked for: secrets may be in them, so no program
    /// is given them.
    pub secret_names: BTreeSet<String>,
    /// Whether playbooks with new triggers or wider rights arm themselves.
    pub arm: Arm,
    /// The folder of playbooks.
    pub agents: PathBuf,
    /// The folder of templates.
    pub templates: PathBuf,
    /// What all playbooks together may use in a day.
    pub budget: DayBudget,
    /// What becomes of what waits too long for a person.
    pub review: ReviewRules,
    /// When people may be told something, and how much.
    pub recipients: Vec<Recipient>,
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
    /// The most playbooks of its folder.
    pub playbooks: usize,
    /// How far agents go without a person.
    pub guards: Guards,
}

/// `[board]`.
#[derive(Clone, Debug)]
pub enum BoardConfig {
    /// The embedded board; the path is relative to the state folder unless absolute.
    Sqlite {
        /// The database file.
        path: PathBuf,
    },
    /// A Leantime server.
    Leantime(Box<LeantimeConfig>),
    /// A schema of a PostgreSQL server, which daemons share.
    Postgres(Box<PostgresOptions>),
}

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// The embedded store.
    Sled {
        /// Its folder: a name in the state folder.
        path: PathBuf,
    },
    /// Nothing is kept when the process ends.
    Memory,
    /// A schema of a PostgreSQL server, which daemons share.
    Postgres(Box<PostgresOptions>),
}

/// `[claims]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimsConfig {
    /// How long a lease lasts without a renewal.
    pub lease: Duration,
    /// How often a claim is renewed; at most a third of the lease.
    pub renew: Duration,
    /// How long before the lease's end a worker stops trusting it; less than a quarter of the lease.
    pub margin: Duration,
    /// As which kind of work the time of a run at a claimed task is logged; `None`: it is not.
    pub log_time: Option<TimeKind>,
}

/// `[slack]`.
#[derive(Clone, Debug, Default)]
pub struct SlackApp {
    /// By which Slack signs what it sends; without it nothing is heard.
    pub signing_secret: Option<SecretString>,
    /// The destination that is told what waits for a person.
    pub reviews: Option<String>,
    /// Names or e-mail addresses of people of the board, by the ids of Slack users.
    pub people: BTreeMap<String, String>,
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

impl Default for DaemonConfig {
    fn default() -> Self {
        Self {
            id: None,
            slots: 4,
            labels: Vec::new(),
            tick: Duration::from_secs(10),
            drain: Duration::from_secs(30),
            playbooks: crate::playbook::library::PLAYBOOKS_MAX,
            guards: Guards::default(),
        }
    }
}

impl Default for ClaimsConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_mins(1),
            renew: Duration::from_secs(20),
            margin: Duration::from_secs(5),
            log_time: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: None,
            daemon: DaemonConfig::default(),
            board_name: "main".to_owned(),
            board: BoardConfig::Sqlite { path: PathBuf::from("board.sqlite") },
            store: StoreConfig::Sled { path: PathBuf::from("store") },
            keep: Duration::from_hours(90 * 24),
            me: None,
            timezone: None,
            claims: ClaimsConfig::default(),
            models: BTreeMap::new(),
            families: BTreeMap::new(),
            slack: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            emails: BTreeMap::new(),
            slack_app: SlackApp::default(),
            files: BTreeMap::new(),
            mcp: McpConfig::default(),
            upstreams: BTreeMap::new(),
            workspaces: WorkspacesConfig::default(),
            secret_names: BTreeSet::new(),
            arm: Arm::Ask,
            agents: PathBuf::from("agents"),
            templates: PathBuf::from("templates"),
            budget: DayBudget::default(),
            review: ReviewRules::default(),
            recipients: Vec::new(),
            currency: "USD".to_owned(),
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// Reads a file; without one, the defaults. `env` answers for the environment.
    ///
    /// # Errors
    /// Every fault of the file, in its order.
    pub fn load(
        path: Option<&Path>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<Fault>> {
        let Some(path) = path else {
            let mut config = Self::default();
            workspaces::from_environment(&mut config.workspaces, env);
            let faults = mcp::from_environment(&mut config.mcp, None, env);
            return if faults.is_empty() { Ok(config) } else { Err(faults) };
        };
        let shown = path.display().to_string();
        let text = crate::fault::read_text(path, CONFIG_BYTES_MAX)
            .map_err(|message| vec![Fault::of_file(shown.clone(), message)])?;
        Self::parse(&text, path, env)
    }

    /// The configuration of a Leantime that the environment alone names, by `LEANTIME_URL` and a key.
    ///
    /// # Errors
    /// A fault for each variable that is missing or cannot be read.
    pub fn of_environment(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<Fault>> {
        let mut config = leantime::of_environment(env)?;
        workspaces::from_environment(&mut config.workspaces, env);
        let faults = mcp::from_environment(&mut config.mcp, None, env);
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }

    /// Reads a text as if it stood in this file.
    ///
    /// # Errors
    /// Every fault of the text, in its order.
    pub fn parse(
        text: &str,
        path: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<Fault>> {
        let source = Source::new(path.display().to_string(), text);
        let reader = Reader::new(&source);
        let table = reader.parse();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let root = reader.root(&table);
        let asked = RefCell::new(BTreeSet::new());
        let asking = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            env(name)
        };
        let (mut config, open_to_others) = read::config(&root, &folder, &asking);
        workspaces::from_environment(&mut config.workspaces, env);
        drop(root);
        drop(table);
        let (faults, _, _) = reader.into_parts();
        let of_environment = mcp::from_environment(&mut config.mcp, open_to_others, env);
        let (errors, warnings): (Vec<_>, Vec<_>) =
            faults.into_iter().chain(of_environment).partition(|f| f.severity == Severity::Error);
        if !errors.is_empty() {
            return Err(errors);
        }
        config.path = Some(path.to_owned());
        config.secret_names = asked.into_inner();
        // The home folder is no secret.
        config.secret_names.remove("HOME");
        config.warnings = warnings;
        Ok(config)
    }

    /// What a playbook may leave out.
    pub fn playbook_defaults(&self) -> Defaults {
        Defaults {
            zone: self.timezone,
            lease: self.claims.lease,
            renew: self.claims.renew,
            currency: self.currency.clone(),
        }
    }
}
