//! Where the programs of runs reach the tools of their runs: an endpoint `/mcp` of its own, on this
//! machine alone, at a port that is free. It knows run tokens and nobody else, is opened when the
//! first program needs it, and works the same in a daemon and in a command without one.

use crate::clock::{Clock, Entropy};
use crate::domain::{Role, Value};
use crate::mcp::http::{Behind, Gate, HttpOptions, KeptSession, SessionError, SessionKeeper};
use crate::mcp::{
    self, About, Access, CallError, Called, Caller, Calls, Denied, Handler, Limits, News,
    NewsError, Seals,
};
use crate::runner::grant::Entrance;
use crate::runner::{Door, Granted, Grants};
use crate::web::Server;
use async_trait::async_trait;
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The id of a run's caller begins so.
const RUN: &str = "run ";
/// Requests of one run in a minute.
const RATE: u32 = 1_200;

/// The endpoint of this process.
pub(super) struct RunDoor {
    grants: Arc<Grants>,
    clock: Arc<dyn Clock>,
    seals: Seals,
    limits: Limits,
    /// What only the programs of runs may read: what an earlier life left there goes.
    private: Option<PathBuf>,
    opened: OnceCell<(Entrance, DropGuard)>,
}

impl std::fmt::Debug for RunDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunDoor").field("grants", &self.grants).finish_non_exhaustive()
    }
}

impl RunDoor {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
        limits: Limits,
        private: Option<PathBuf>,
    ) -> Self {
        let seals = Seals::new(entropy);
        Self { grants: Arc::default(), clock, seals, limits, private, opened: OnceCell::new() }
    }

    async fn serve(&self) -> std::io::Result<(Entrance, DropGuard)> {
        if let Some(private) = &self.private {
            match tokio::fs::remove_dir_all(private).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let program = std::env::current_exe()?;
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let server = Server::bind(any).await.map_err(|error| error.source)?;
        let entrance = Entrance { address: server.address(), program };
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let runs = Arc::new(Runs { grants: Arc::clone(&self.grants) });
        let handler = Handler::for_http(
            Arc::clone(&runs) as _,
            Arc::clone(&self.clock),
            self.seals.clone(),
            self.limits,
        );
        let options = HttpOptions {
            required_role: Role::Readonly,
            rate_per_minute: RATE,
            // The way is short, and older clients are among the agents.
            streams_resume: false,
            ..HttpOptions::default()
        };
        let behind = Behind {
            handler,
            gate: Gate::new(Arc::clone(&runs) as _, options, Arc::clone(&self.clock)),
            sessions: Arc::clone(&runs) as _,
            news: runs as _,
            metrics: None,
        };
        let routes = mcp::http::router(behind, &stop, &tracker);
        server.spawn(routes, Arc::new(|| true), stop.clone(), &tracker);
        tracing::debug!(address = %entrance.address, "the tools of runs are served");
        Ok((entrance, stop.drop_guard()))
    }
}

#[async_trait]
impl Door for RunDoor {
    async fn open(&self) -> std::io::Result<Entrance> {
        self.opened.get_or_try_init(|| self.serve()).await.map(|(entrance, _)| entrance.clone())
    }

    fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }
}

/// Whoever comes through: the programs of runs.
struct Runs {
    grants: Arc<Grants>,
}

fn caller(run: Granted) -> Caller {
    let (principal, zone) = run.session().who();
    Caller {
        id: format!("{RUN}{}", run.run()),
        principal: principal.clone(),
        zone,
        tools: Vec::new(),
        projects: Vec::new(),
        selection: mcp::Selection::default(),
        run: Some(run),
    }
}

#[async_trait]
impl Access for Runs {
    async fn caller(&self, credential: &SecretString) -> Result<Caller, Denied> {
        self.grants.find(credential).map(caller).ok_or(Denied::Unknown)
    }

    async fn anybody(&self) -> Result<Caller, Denied> {
        Err(Denied::Unknown)
    }

    async fn still_counts(&self, caller: &str) -> bool {
        caller.strip_prefix(RUN).is_some_and(|run| self.grants.counts(run))
    }
}

#[async_trait]
impl Calls for Runs {
    async fn call(
        &self,
        caller: &Caller,
        tool: &str,
        args: Value,
        _: mpsc::Sender<String>,
    ) -> Result<Called, CallError> {
        match &caller.run {
            Some(run) => Ok(run.call(tool.to_owned(), args).await?.into()),
            None => Err(CallError::of("token_refused", "only runs are served here")),
        }
    }
}

/// A run's session ends with its run: none outlives a restart.
#[async_trait]
impl SessionKeeper for Runs {
    async fn load(&self, _: &str) -> Result<Option<KeptSession>, SessionError> {
        Ok(None)
    }

    async fn keep(&self, _: &KeptSession) -> Result<(), SessionError> {
        Ok(())
    }

    async fn subscribe(&self, _: &str, _: &str, _: bool) -> Result<(), SessionError> {
        Ok(())
    }

    async fn forget(&self, _: &str) -> Result<(), SessionError> {
        Ok(())
    }
}

/// Runs are told of no changes.
#[async_trait]
impl News for Runs {
    async fn since(&self, last: Option<i64>) -> Result<(BTreeSet<About>, i64), NewsError> {
        Ok((BTreeSet::new(), last.unwrap_or(0)))
    }

    async fn sees(&self, _: &Caller, _: mcp::About) -> bool {
        false
    }

    async fn sees_run(&self, _: &Caller, _: Option<&str>) -> bool {
        false
    }
}
