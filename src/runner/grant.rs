//! Run tokens: how a program that works on a task calls the run's own tools over MCP.
//!
//! A token is made when the work of a run begins, and dies with it, whatever the way it ends. It is
//! kept in memory alone, as a hash. It leads to the run's own [`ToolSession`]: what is listed,
//! allowed, counted and written down is the same as if a model in the loop had called.

use super::transcript::{self, Made};
use super::{Signs, ToolSession};
use crate::clock::Entropy;
use crate::domain::{Reason, RunId, Usage, Value};
use crate::runner::WorkEnd;
use crate::tools::{ToolError, ToolResult};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a run token begins.
const PREFIX: &str = "rota_run_";
/// More runs at once have no tokens.
const GRANTS_MAX: usize = 1_024;
/// The folder in the state folder of what only a run's own program may read.
pub const PRIVATE: &str = "private";
/// The name under which agents know our tools.
pub const SERVER_NAME: &str = "rota";

/// Where programs reach the tools of their runs.
#[async_trait]
pub trait Door: Send + Sync + fmt::Debug {
    /// Opens it, if it is not open yet.
    async fn open(&self) -> std::io::Result<Entrance>;

    /// Who may come in.
    fn grants(&self) -> &Arc<Grants>;
}

/// Where a door is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// An address of this machine alone.
    pub address: SocketAddr,
    /// This program: `rota bridge` leads agents there that speak MCP with programs only.
    pub program: PathBuf,
}

/// The run tokens that count.
#[derive(Debug, Default)]
pub struct Grants {
    open: Mutex<Vec<(Hash, Granted)>>,
}

type Hash = [u8; 32];

impl Grants {
    /// Makes a token for a run; it counts as long as the grant is held.
    ///
    /// # Errors
    /// When too many count already.
    pub fn grant(
        self: &Arc<Self>,
        session: ToolSession,
        signs: &Signs,
        entrance: Entrance,
        entropy: &dyn Entropy,
    ) -> std::io::Result<Grant> {
        let chance: String = (0..4).map(|_| entropy.nonce()).collect();
        let token = SecretString::from(format!("{PREFIX}{chance}"));
        let granted = Granted(Arc::new(Inner {
            session,
            signs: signs.clone(),
            turn: tokio::sync::Mutex::default(),
            under_way: TaskTracker::new(),
            fatal: OnceLock::new(),
            over: CancellationToken::new(),
            revoked: CancellationToken::new(),
        }));
        signs.hide("run token", token.clone());
        let hash = hash_of(&token);
        let mut open = lock(&self.open);
        if open.len() >= GRANTS_MAX {
            return Err(std::io::Error::other("too many runs have tokens"));
        }
        open.push((hash, granted.clone()));
        drop(open);
        let grants = Arc::clone(self);
        Ok(Grant { grants, hash, token, granted, entrance, config: OnceLock::new() })
    }

    /// The run whose token this is. Every token is compared, each in constant time.
    pub fn find(&self, presented: &SecretString) -> Option<Granted> {
        let hash = hash_of(presented);
        let mut found = None;
        for (known, granted) in lock(&self.open).iter() {
            if bool::from(known.ct_eq(&hash)) {
                found = Some(granted.clone());
            }
        }
        found
    }

    /// Whether a token of this run counts.
    pub fn counts(&self, run: &str) -> bool {
        lock(&self.open).iter().any(|(_, granted)| granted.run().as_str() == run)
    }

    fn revoke(&self, hash: &Hash) {
        lock(&self.open).retain(|(known, granted)| {
            let is_it = bool::from(known.ct_eq(hash));
            if is_it {
                granted.0.revoked.cancel();
            }
            !is_it
        });
    }
}

fn hash_of(token: &SecretString) -> Hash {
    Sha256::digest(token.expose_secret().as_bytes()).into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a token lets do: the tools of its run, one call at a time.
#[derive(Clone)]
pub struct Granted(Arc<Inner>);

struct Inner {
    session: ToolSession,
    signs: Signs,
    /// In the loop of a model, too, one call follows another.
    turn: tokio::sync::Mutex<()>,
    under_way: TaskTracker,
    fatal: OnceLock<ToolError>,
    /// The work named its end, or a call was its end.
    over: CancellationToken,
    revoked: CancellationToken,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted").field("run", &self.run()).finish_non_exhaustive()
    }
}

impl Granted {
    /// The run's tools.
    pub fn session(&self) -> &ToolSession {
        &self.0.session
    }

    /// The run.
    pub fn run(&self) -> RunId {
        let run = self.0.session.run().map(|run| run.run.clone());
        run.unwrap_or_else(|| RunId::new(""))
    }

    /// Calls a tool. What was begun is brought to its end, also when nobody waits for it any more.
    ///
    /// # Errors
    /// Those of the tool; and that the run is over.
    pub async fn call(&self, tool: String, args: Value) -> Result<ToolResult, ToolError> {
        let this = self.clone();
        // Counted before it is asked whether it may begin: whoever revokes waits for it.
        let calling = self.0.under_way.spawn(async move { this.carry_out(&tool, args).await });
        calling.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ToolError::rejected(Reason::Cancelled, "the daemon is ending")),
        })
    }

    async fn carry_out(&self, tool: &str, args: Value) -> Result<ToolResult, ToolError> {
        let inner = &self.0;
        let _turn = inner.turn.lock().await;
        if inner.revoked.is_cancelled() || inner.over.is_cancelled() {
            let message = "this run is over: nothing more is done in its name";
            return Err(ToolError::rejected(Reason::Cancelled, message));
        }
        inner.signs.alive();
        let (before, given) = (inner.session.writes(), args.clone());
        let called = inner.session.call(tool, args).await;
        let note = |what: &str, told: &str, is_error: bool| {
            let made = Made { told, is_error, writes: inner.session.writes_since(before) };
            let data = transcript::granted(tool, &given, &made, &inner.signs);
            inner.signs.entry("tool", &format!("{tool}: {what}"), data);
        };
        match called {
            Ok(result) => {
                note("done", &result.text, false);
                if inner.session.finished().is_some() {
                    inner.over.cancel();
                }
                Ok(result)
            }
            Err(error) if error.is_fatal() => {
                note(&format!("failed ({})", error.reason()), &error.to_string(), true);
                let told = ToolError::fatal(error.reason(), error.to_string());
                let _ = inner.fatal.set(error);
                inner.over.cancel();
                Err(told)
            }
            Err(error) => {
                note(&format!("refused ({})", error.reason()), &error.to_string(), true);
                Err(error)
            }
        }
    }
}

/// A run token that counts: it does not any more once this is dropped.
pub struct Grant {
    grants: Arc<Grants>,
    hash: Hash,
    token: SecretString,
    granted: Granted,
    entrance: Entrance,
    config: OnceLock<PathBuf>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("entrance", &self.entrance).finish_non_exhaustive()
    }
}

impl Grant {
    /// Where the tools are.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.entrance.address)
    }

    /// The port of this machine that a program has to reach.
    pub fn port(&self) -> u16 {
        self.entrance.address.port()
    }

    /// This program.
    pub(super) fn program(&self) -> &Path {
        &self.entrance.program
    }

    /// The run's tools, as its agent may name them.
    pub(super) async fn tool_names(&self) -> Vec<String> {
        let (own, outer) = self.granted.session().listed().await;
        let own = own.into_iter().map(|tool| tool.name.to_owned());
        own.chain(outer.into_iter().map(|tool| tool.name)).collect()
    }

    /// The token, for the program of the run alone.
    pub(super) fn secret(&self) -> &str {
        self.token.expose_secret()
    }

    /// What the program finds in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        let config = self.config.get().map(|path| path.display().to_string());
        let mut env = vec![
            ("ROTA_MCP_URL".to_owned(), self.url()),
            ("ROTA_RUN_TOKEN".to_owned(), self.secret().to_owned()),
        ];
        env.extend(config.map(|path| ("ROTA_MCP_CONFIG".to_owned(), path)));
        env
    }

    /// Writes the file that agents are pointed at, for this user's eyes alone, into a folder of the
    /// run's own. Both go with the grant.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_config(&self, below: &Path) -> std::io::Result<PathBuf> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(below)?;
        let folder = std::fs::canonicalize(below)?.join(self.granted.run().as_str());
        // Never one that lies there already: it may lead elsewhere, and all of it goes at the end.
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let path = folder.join("mcp.json");
        let bearer = format!("Bearer {}", self.secret());
        let config = serde_json::json!({ "mcpServers": { SERVER_NAME: {
            "type": "http", "url": self.url(), "headers": { "Authorization": bearer },
        } } });
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let _ = self.config.set(path.clone());
        file.write_all(config.to_string().as_bytes())?;
        Ok(path)
    }

    /// Returns when the work is over as far as its tools are concerned: it named its end, or a call
    /// was its end.
    pub(super) async fn over(&self) {
        self.granted.0.over.cancelled().await;
    }

    pub(super) fn is_over(&self) -> bool {
        self.granted.0.over.is_cancelled()
    }

    /// The end of the run, when a call was it.
    pub(super) fn broken(&self, usage: Usage) -> Option<WorkEnd> {
        self.granted.0.fatal.get().map(|error| ToolSession::end_by(error, usage))
    }

    /// Lets nobody call any more, and returns when what was begun has ended.
    pub async fn close(&self) {
        self.grants.revoke(&self.hash);
        // A check that is under way has nobody left who waits for it.
        if let Some(files) = self.granted.session().run().and_then(|run| run.workspace.as_ref()) {
            files.end();
        }
        self.granted.0.under_way.close();
        self.granted.0.under_way.wait().await;
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.grants.revoke(&self.hash);
        let Some(path) = self.config.get() else { return };
        let folder = path.parent().unwrap_or(path);
        if let Err(error) = std::fs::remove_dir_all(folder) {
            tracing::warn!(folder = %folder.display(), %error, "a run's configuration stays behind");
        }
    }
}
