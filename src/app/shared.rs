//! A house that is opened for whoever asks for as long as somebody does: other processes become its
//! clients over the control socket, as if it were a daemon.

use super::front::Front;
use super::{failures, open};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::Place;
use crate::daemon::Wake;
use crate::daemon::control::server::ControlServer;
use crate::daemon::control::{Answer, AnswerError, Answered, ControlLimits, Progress, ToolRequest};
use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

struct Shared {
    front: Arc<Front>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

/// Takes the lock, and lets others in over the socket until it is closed.
pub(super) async fn open(place: &Place) -> Result<Arc<dyn Answer>, Failure> {
    crate::runner::process::adopt_orphans();
    let opened = open::house(place, open::Speak::Held).await?;
    let name = opened.parts.settings.daemon.clone();
    let front = Arc::new(opened.start_front(Wake::ByHand).await?);
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let server = ControlServer::bind(&place.state, name.as_str(), ControlLimits::default())
        .await
        .map_err(|error| {
        Failure::new(FailureKind::State, "the control socket cannot be opened").because(&error)
    })?;
    server.spawn(Arc::clone(&front) as _, stop.clone(), &tracker);
    Ok(Arc::new(Shared { front, stop, tracker }))
}

#[async_trait]
impl Answer for Shared {
    async fn answer(
        &self,
        request: ToolRequest,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        self.front.answer(request, progress).await
    }

    async fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        self.front.close().await;
        let exported = self.front.daemon.export().await;
        if let Err(error) = exported.map_err(|error| failures::not_exported(&error)) {
            tracing::warn!(%error, "the last export was not written");
        }
    }
}
