//! Other MCP servers: how those that are configured are reached. A command becomes a child process; a
//! URL is reached over a bridge, which has all the care for HTTP already.

use crate::clock::{Entropy as _, SystemEntropy};
use crate::config::{Config, UpstreamConfig, UpstreamWay};
use crate::ledger::Ledger;
use crate::mcp::bridge::{self, Auth, Host, Options};
use crate::runner::process::{Served, sweep_left_over_served};
use crate::tools::Outer;
use crate::upstream::pipe::PipedServer;
use crate::upstream::{Pipes, Starter, Upstream};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What may wait between us and a bridge.
const WAITING_BYTES: usize = 64 * 1024;

/// The servers that are configured; none is started yet. What programs of an earlier life with this
/// state folder left behind is ended; whoever calls has the folder alone.
pub(super) async fn outer(config: &Config, ledger: &Arc<Ledger>, state: &Path) -> Outer {
    let mark = mark_of(state);
    let is_program = |it: &UpstreamConfig| matches!(it.way, UpstreamWay::Command { .. });
    if config.upstreams.values().any(is_program) {
        let ended = sweep_left_over_served(&mark).await;
        if ended > 0 {
            tracing::warn!(
                processes = ended,
                "programs of other servers were left over, and ended"
            );
        }
    }
    let servers = config.upstreams.iter().map(|(name, upstream)| {
        let server = PipedServer::new(name, starter(upstream, &mark), upstream.call_time)
            .keeping_its_list(config.mcp.listings.are_kept);
        (name.clone(), Arc::new(server) as Arc<dyn Upstream>)
    });
    Outer::new(servers.collect(), Arc::clone(ledger) as _)
        .searched(config.mcp.listings.are_searched)
}

/// How the marks of all servers begin that are started for a state folder.
fn mark_of(state: &Path) -> String {
    let whole = std::fs::canonicalize(state).unwrap_or_else(|_| state.to_owned());
    let digest = Sha256::digest(whole.as_os_str().as_encoded_bytes());
    let short = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
    format!("upstream-{}-", short.collect::<String>())
}

fn starter(config: &UpstreamConfig, mark: &str) -> Arc<dyn Starter> {
    match &config.way {
        UpstreamWay::Command { command, env } => {
            Arc::new(Program { command: command.clone(), env: env.clone(), mark: mark.to_owned() })
        }
        UpstreamWay::Url { url, token } => Arc::new(Web(Options {
            url: url.clone(),
            token: token.clone(),
            auth: Auth::Bearer,
            ca: None,
            insecure: false,
            logs_troubles: true,
            retries_max: 2,
            retry_delay: Duration::from_millis(250),
        })),
    }
}

#[derive(Debug)]
struct Program {
    command: Vec<String>,
    env: BTreeMap<String, SecretString>,
    /// How the mark of each of its processes begins.
    mark: String,
}

#[async_trait]
impl Starter for Program {
    async fn start(&self) -> io::Result<Pipes> {
        let (program, args) = self.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let env = self.env.iter();
        let env = env.map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
        let mark = format!("{}{}", self.mark, SystemEntropy.nonce());
        let (served, read, write) = Served::start(&mark, program, args, &env.collect())?;
        Ok(Pipes { read: Box::new(read), write: Box::new(write), life: Box::new(served) })
    }
}

#[derive(Debug)]
struct Web(Options);

#[async_trait]
impl Starter for Web {
    async fn start(&self) -> io::Result<Pipes> {
        let (ours, theirs) = tokio::io::duplex(WAITING_BYTES);
        let (read, write) = tokio::io::split(ours);
        let (from_us, mut to_us) = tokio::io::split(theirs);
        let (tell, lines) = mpsc::channel(1);
        let (out, mut told) = mpsc::channel::<Vec<u8>>(1);
        let stop = CancellationToken::new();
        let deaf = stop.child_token();
        let host = Host { lines, out, hung_up: stop.child_token(), deaf: deaf.clone() };
        let tracker = TaskTracker::new();
        tracker.spawn(async move {
            let mut lines = BufReader::new(from_us).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if tell.send(bridge::lines::Line::Text(line)).await.is_err() {
                    return;
                }
            }
        });
        let heard = deaf.clone();
        tracker.spawn(async move {
            let _deaf = heard.drop_guard();
            while let Some(mut line) = told.recv().await {
                bridge::lines::one_line(&mut line);
                if to_us.write_all(&line).await.is_err() {
                    return;
                }
            }
        });
        let (options, life) = (self.0.clone(), stop.clone().drop_guard());
        tracker.spawn(async move {
            let served = bridge::serve(&options, host, Arc::new(SystemEntropy), stop).await;
            if let Err(error) = served {
                tracing::warn!(%error, "a server cannot be reached");
            }
        });
        Ok(Pipes { read: Box::new(read), write: Box::new(write), life: Box::new(life) })
    }
}
