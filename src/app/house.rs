//! What commands need of the house behind them. `cli` opens no adapter: it is given a [`House`].

mod moving;

pub use moving::{MigrateOptions, MoveReport, MoveStep, MoveTo, MovedRows};

use super::failure::Failure;
use crate::daemon::control::{Answer, Answered, Progress};
use crate::daemon::signals::Signal;
use crate::domain::{Role, Timestamp, Value};
use crate::mcp::{Limits, Selection, bridge};
use crate::transfer::{Report, Step};
use async_trait::async_trait;
use secrecy::SecretString;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Where configuration and state are, as typed or from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `--config` or `ROTA_CONFIG`; `None`: `./rota.toml` if it is there, else built-in defaults.
    pub config: Option<PathBuf>,
    /// `--state` or `ROTA_STATE`; `./state` by default.
    pub state: PathBuf,
    /// Whether the state folder was named by whoever types, and is no default.
    pub is_state_named: bool,
    /// The IANA time zone of whoever types, where it can be told.
    pub zone: Option<String>,
    /// Where it is said which board it is.
    pub board: BoardOf,
}

/// Where it is said which board it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoardOf {
    /// In the configuration, or it is as built in.
    #[default]
    Configuration,
    /// In the environment alone: a Leantime.
    Environment,
}

/// What a command is going to do with an opened house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Only look: nothing is written to the board, no run is started.
    Look,
    /// Call a tool that writes or operates.
    Act,
    /// Call tools for as long as somebody asks: other processes are let in over the socket.
    Share,
    /// A rehearsal: overlay board, memory store; the state folder stays as it is, byte for byte.
    Rehearse,
}

/// How `rota serve` is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServeOptions {
    /// Whether emptied state may take the place of what cannot be read; never by default.
    pub fresh: bool,
}

/// The daemon is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The control socket.
    pub socket: PathBuf,
    /// Where HTTP is served, if it is.
    pub addr: Option<std::net::SocketAddr>,
}

/// What the configuration says of an MCP server at a pipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtPipe {
    /// What a caller is put up with.
    pub limits: Limits,
    /// Which tools are served.
    pub selection: Selection,
    /// The team's IANA time zone, if there is one.
    pub zone: Option<String>,
    /// Whether HTTP is wanted instead of a pipe.
    pub wants_http: bool,
    /// Where to go on, if it is elsewhere: over a Leantime that the environment names.
    pub place: Option<Place>,
}

/// How `rota demo` is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoOptions {
    /// Whether to stay up afterwards.
    pub serve: bool,
}

/// Which way a board is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Another board onto the configured one.
    Import,
    /// The configured board onto another one.
    Export,
}

/// How a board is to be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferOptions {
    /// Which way.
    pub direction: Direction,
    /// Where the other board is: a configuration, or a SQLite file.
    pub other: PathBuf,
    /// Only these projects, by name or id; all where none is named.
    pub projects: Vec<String>,
    /// Whether people who are not on the target are added.
    pub adds_people: bool,
    /// Only say what would be copied.
    pub dry_run: bool,
}

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// The file.
    pub file: PathBuf,
    /// When it was made.
    pub at: Timestamp,
    /// The version of the program that made it.
    pub version: String,
    /// Its parts and how many bytes each has.
    pub parts: BTreeMap<String, u64>,
}

/// What `rota check` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// Every fault.
    pub faults: Vec<CheckFault>,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckFault {
    /// Whether it keeps the file from being used; otherwise it is advice.
    pub fatal: bool,
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 where none applies.
    pub line: usize,
    /// The column, from 1; 0 where none applies.
    pub column: usize,
    /// One line: what is wrong and what was expected.
    pub message: String,
    /// The whole as people read it, several lines with the place, a caret and a hint; plain text.
    pub rendered: String,
}

/// One line of `rota doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at (`state`, `board`, `model fast`).
    pub what: String,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do; empty when all is well.
    pub advice: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Well.
    Ok,
    /// It works, but somebody should look.
    Warn,
    /// It does not work.
    Fail,
}

/// A file that `rota init` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StarterFile {
    /// Relative, with `/`.
    pub path: &'static str,
    /// Its text.
    pub content: &'static str,
}

/// Where a key is, as whoever types says it; never the key itself on a command line.
#[derive(Clone, Debug)]
pub enum KeyFrom {
    /// In a variable of the environment.
    Env(String),
    /// In a file.
    File(PathBuf),
    /// It was typed, unseen.
    Typed(SecretString),
}

/// What `rota init --leantime` asks for.
#[derive(Clone, Debug)]
pub struct LeantimeStart {
    /// Where the files will be.
    pub folder: PathBuf,
    /// The server's address.
    pub url: String,
    /// The key.
    pub key: KeyFrom,
}

/// What `rota init --leantime` found.
#[derive(Clone, Debug)]
pub struct LeantimeStarted {
    /// How the server is.
    pub findings: Vec<Finding>,
    /// `rota.toml`, if the server can be worked with.
    pub config: Option<String>,
}

/// What `rota leantime add-agent` asks for.
#[derive(Clone, Debug)]
pub struct AddAgent {
    /// The agent, as playbooks name it.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Its projects, by number or name.
    pub projects: Vec<String>,
    /// An admin's key; `None`: that of `[board]`.
    pub admin: Option<KeyFrom>,
    /// The variable that will hold the agent's key; `None`: a file of ours does.
    pub variable: Option<String>,
    /// Only look whether it could be done.
    pub dry_run: bool,
}

/// What `rota leantime add-agent` did, or would do.
#[derive(Clone, Debug)]
pub struct AgentAdded {
    /// The user; `None` where nothing was done.
    pub user: Option<i64>,
    /// Its projects, by name.
    pub projects: Vec<String>,
    /// The file with its key, if it is kept in one.
    pub file: Option<PathBuf>,
    /// Its key where nobody keeps it: it is not shown again.
    pub key: Option<SecretString>,
    /// What the configuration says of it.
    pub lines: String,
    /// Whether the configuration says it by now.
    pub is_configured: bool,
}

/// Which JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaKind {
    /// Of a playbook.
    Playbook,
    /// Of `rota.toml`.
    Config,
}

/// The house behind the commands.
#[async_trait]
pub trait House: Send + Sync {
    /// Opens what is needed in this process, taking the state folder's lock unless it rehearses.
    /// The lock being held is a [`Failure::locked`]: the caller then tries the socket again.
    async fn open(&self, place: &Place, need: Need) -> Result<Arc<dyn Answer>, Failure>;

    /// Runs the daemon until it has ended. Tells `ready` once when it is up; `signals` is what the
    /// system wants of it.
    async fn serve(
        &self,
        place: &Place,
        options: ServeOptions,
        signals: mpsc::Receiver<Signal>,
        ready: oneshot::Sender<Ready>,
    ) -> Result<(), Failure>;

    /// What the configuration says of an MCP server at a pipe. Only reads: no state is touched.
    fn at_pipe(&self, place: &Place) -> Result<AtPipe, Failure>;

    /// Plays the sample day; each line of the story goes to `tell` (waiting for it), the whole is
    /// the result.
    async fn demo(
        &self,
        options: DemoOptions,
        tell: mpsc::Sender<Progress>,
    ) -> Result<Answered, Failure>;

    /// Reads configuration, playbooks and templates (or only `paths`) and tells every fault.
    async fn check(&self, place: &Place, paths: &[PathBuf]) -> Result<CheckReport, Failure>;

    /// Copies one board onto another; `tell` shows how far it is, and with `stop` it ends between two
    /// items. What came of it is the result, also where it ended early.
    async fn transfer(
        &self,
        place: &Place,
        options: TransferOptions,
        tell: watch::Sender<Step>,
        stop: CancellationToken,
    ) -> Result<Report, Failure>;

    /// Moves board and store to a server or back; `tell` shows how far it is, and with `stop` it ends
    /// between two steps, from where the next one goes on.
    async fn migrate(
        &self,
        _: &Place,
        _: MigrateOptions,
        _: watch::Sender<MoveStep>,
        _: CancellationToken,
    ) -> Result<MoveReport, Failure> {
        nothing_here()
    }

    /// Writes a backup into a file that is not there; the ledger was exported just now.
    async fn backup(&self, place: &Place, file: &Path) -> Result<BackupReport, Failure>;

    /// Puts a backup into a state folder that holds nothing yet.
    async fn restore(&self, place: &Place, file: &Path) -> Result<BackupReport, Failure>;

    /// The folders outside the state folder that the daemon writes to by its configuration.
    fn written(&self, _: &Place) -> Result<Vec<PathBuf>, Failure> {
        Ok(Vec::new())
    }

    /// Looks at everything that the daemon needs. With `asks_models` each model is asked for a word,
    /// which costs what a word costs.
    async fn doctor(&self, place: &Place, asks_models: bool) -> Result<Vec<Finding>, Failure>;

    /// Looks at an MCP server, ours or another, as a client of it sees it.
    async fn visit(&self, server: &bridge::Options) -> Result<Vec<Finding>, Failure>;

    /// Writes the file that stops everything, without store or lock; what it says is the result.
    fn stop_all(&self, place: &Place, reason: &str) -> Result<Value, Failure>;

    /// Removes the file that stops everything.
    fn start_all(&self, place: &Place) -> Result<Value, Failure>;

    /// Tells daemons elsewhere that share a store that everything is stopped (`Some`: why), or may start
    /// again; whether any share one.
    async fn stop_everywhere(&self, _: &Place, _: Option<&str>) -> Result<bool, Failure> {
        Ok(false)
    }

    /// Begins a new epoch in a store that its database put back; what was done is the result.
    async fn new_epoch(&self, _: &Place) -> Result<Value, Failure> {
        nothing_here()
    }

    /// What `rota init` writes, in this order.
    fn starter_files(&self) -> Vec<StarterFile>;

    /// Tries a Leantime, and says how `rota.toml` is to be for it.
    async fn leantime_start(&self, start: &LeantimeStart) -> Result<LeantimeStarted, Failure>;

    /// Makes a user of its own on the Leantime for an agent, and configures it.
    async fn add_agent(&self, place: &Place, agent: &AddAgent) -> Result<AgentAdded, Failure>;

    /// A JSON Schema for editors, as pretty-printed JSON.
    fn schema(&self, kind: SchemaKind) -> Result<String, Failure>;
}

/// A house in which nothing can be opened. Commands that need none (completions, the man page,
/// help) work in it; the others say so.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyHouse;

fn nothing_here<T>() -> Result<T, Failure> {
    Err(Failure::internal("this program was put together without a daemon"))
}

#[async_trait]
impl House for EmptyHouse {
    async fn open(&self, _: &Place, _: Need) -> Result<Arc<dyn Answer>, Failure> {
        nothing_here()
    }

    async fn serve(
        &self,
        _: &Place,
        _: ServeOptions,
        _: mpsc::Receiver<Signal>,
        _: oneshot::Sender<Ready>,
    ) -> Result<(), Failure> {
        nothing_here()
    }

    fn at_pipe(&self, _: &Place) -> Result<AtPipe, Failure> {
        nothing_here()
    }

    async fn demo(&self, _: DemoOptions, _: mpsc::Sender<Progress>) -> Result<Answered, Failure> {
        nothing_here()
    }

    async fn check(&self, _: &Place, _: &[PathBuf]) -> Result<CheckReport, Failure> {
        nothing_here()
    }

    async fn transfer(
        &self,
        _: &Place,
        _: TransferOptions,
        _: watch::Sender<Step>,
        _: CancellationToken,
    ) -> Result<Report, Failure> {
        nothing_here()
    }

    async fn backup(&self, _: &Place, _: &Path) -> Result<BackupReport, Failure> {
        nothing_here()
    }

    async fn restore(&self, _: &Place, _: &Path) -> Result<BackupReport, Failure> {
        nothing_here()
    }

    async fn doctor(&self, _: &Place, _: bool) -> Result<Vec<Finding>, Failure> {
        nothing_here()
    }

    async fn visit(&self, _: &bridge::Options) -> Result<Vec<Finding>, Failure> {
        nothing_here()
    }

    fn stop_all(&self, _: &Place, _: &str) -> Result<Value, Failure> {
        nothing_here()
    }

    fn start_all(&self, _: &Place) -> Result<Value, Failure> {
        nothing_here()
    }

    fn starter_files(&self) -> Vec<StarterFile> {
        Vec::new()
    }

    async fn leantime_start(&self, _: &LeantimeStart) -> Result<LeantimeStarted, Failure> {
        nothing_here()
    }

    async fn add_agent(&self, _: &Place, _: &AddAgent) -> Result<AgentAdded, Failure> {
        nothing_here()
    }

    fn schema(&self, _: SchemaKind) -> Result<String, Failure> {
        nothing_here()
    }
}
