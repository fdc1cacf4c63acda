//! The bridge between a pipe and a server.

use crate::app::failure::{Failure, FailureKind};
use crate::cli::args::bridge::BridgeArgs;
use crate::clock::SystemEntropy;
use crate::daemon::signals;
use crate::mcp::bridge::{self, BridgeError, Host};
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// `rota bridge`. No configuration is read: what it needs stands on its line.
pub(in crate::cli) async fn carry(args: &BridgeArgs) -> Result<u8, Failure> {
    let options = args.options()?;
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let _ended = stop.clone().drop_guard();
    let mut signals = signals::listen(&tracker, stop.clone())
        .map_err(|error| Failure::internal("cannot listen for signals").because(&error))?;
    let host = host().map_err(|error| Failure::internal("no pipe").because(&error))?;
    let entropy = Arc::new(SystemEntropy);
    let serving = bridge::serve(&options, host, entropy, stop.clone());
    tokio::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        _ = signals.recv() => {
            stop.cancel();
            serving.await
        }
    };
    served.map(|()| 0).map_err(|error| match error {
        BridgeError::Client(_) => {
            Failure::new(FailureKind::Unreachable, error.to_string()).because(&error)
        }
        _ => Failure::usage(error.to_string()),
    })
}

/// The pipe, without the buffers that the standard streams have: each message is one write.
fn host() -> io::Result<Host> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    Host::start(input, output)
}
