//! A child that is talked with over its pipes.

use super::super::signs::{Overrun, Signs, Watch};
use super::{GRACE, Kept, PIPES_MAX, Start, end, pump, signal_group, spawn, sweep, tags_of};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How a child ended that was talked with.
#[derive(Debug)]
pub(in super::super) struct Talked<T> {
    /// What came of the talk; `None` where it had to be broken off.
    pub said: Option<T>,
    /// Why it had to end, if it did not by itself.
    pub overrun: Option<Overrun>,
    pub stderr: Kept,
}

/// Starts a child and talks with it, until the talk ends or its run has to end. Then `cancel` is
/// cancelled, and the talk has a moment to end well; whatever happens, nothing of the child is left.
pub(in super::super) async fn converse<T, F: Future<Output = T>>(
    start: Start<'_>,
    (signs, watch, stop): (&Signs, &mut Watch, &CancellationToken),
    cancel: &CancellationToken,
    talk: impl FnOnce(ChildStdin, ChildStdout) -> F,
) -> std::io::Result<Talked<T>> {
    let mut child = spawn(&start)?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let stderr = child.stderr().take();
    let (Some(stdin), Some(stdout)) = (child.stdin().take(), child.stdout().take()) else {
        return Err(std::io::ErrorKind::BrokenPipe.into());
    };
    let err = Mutex::new(Kept::default());
    let listen = pump(stderr, &err, signs);
    let mut talking = Box::pin(talk(stdin, stdout));
    tokio::pin!(listen);
    let (mut listening, mut has_exited) = (true, false);
    let (mut overrun, mut until) = (None, None);
    let said = loop {
        let last_moment = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            said = &mut talking => break Some(said),
            () = &mut listen, if listening => listening = false,
            _ = child.inner_mut().wait(), if !has_exited => {
                has_exited = true;
                until = Some(Instant::now() + PIPES_MAX);
            }
            over = signs.overrun(watch, stop), if overrun.is_none() => {
                overrun = Some(over);
                cancel.cancel();
                until = Some(Instant::now() + GRACE);
            }
            () = last_moment => break None,
        }
    };
    // Its standard input is closed by this: most agents end then.
    drop(talking);
    let ending = async {
        if !has_exited && tokio::time::timeout(PIPES_MAX, child.inner_mut().wait()).await.is_err() {
            end(child.as_mut(), group).await;
        }
        signal_group(group, Signal::SIGKILL);
        sweep(tags_of(std::slice::from_ref(start.run)), BTreeSet::new()).await;
    };
    tokio::pin!(ending);
    loop {
        tokio::select! {
            () = &mut ending => break,
            () = &mut listen, if listening => listening = false,
        }
    }
    if listening {
        let _ = tokio::time::timeout(PIPES_MAX, &mut listen).await;
    }
    let mut stderr = std::mem::take(&mut *err.lock().unwrap_or_else(PoisonError::into_inner));
    stderr.end_line(signs);
    Ok(Talked { said, overrun, stderr })
}
