//! Work that takes long: it shows how far it is, and stops between two steps when it is asked to.

use super::Session;
use super::ask::interrupted;
use crate::app::failure::Failure;
use crate::cli::progress::Counting;
use crate::daemon::signals::{self, Signal};
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

impl Session<'_> {
    /// Begins such work, with what it tells each step by and what asks it to stop, and waits for it. Steps are
    /// shown as they come.
    pub(super) async fn until_done<'a, S: Copy + Default, R>(
        &'a self,
        begin: impl FnOnce(watch::Sender<S>, CancellationToken) -> BoxFuture<'a, Result<R, Failure>>,
        mut show: impl FnMut(&Counting, S) -> Result<(), Failure>,
    ) -> Result<R, Failure> {
        let (tracker, over) = (TaskTracker::new(), CancellationToken::new());
        let mut signals = signals::listen(&tracker, over.clone())
            .map_err(|error| Failure::internal("cannot listen for signals").because(&error))?;
        let _over = over.drop_guard();
        let (tell, mut told) = watch::channel(S::default());
        let stop = CancellationToken::new();
        let counting = Counting::start(self.output);
        let mut work = begin(tell, stop.clone());
        loop {
            tokio::select! {
                biased;
                signal = signals.recv() => match signal {
                    Some(Signal::Drain) => {
                        self.remark("stopping after what is under way; once more to stop at once");
                        stop.cancel();
                    }
                    Some(Signal::StopNow) => return Err(interrupted(false)),
                    Some(Signal::Reload) | None => {}
                },
                Ok(()) = told.changed() => {
                    let seen = *told.borrow_and_update();
                    show(&counting, seen)?;
                }
                done = &mut work => return done,
            }
        }
    }
}
