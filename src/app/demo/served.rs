//! The demo's house, left up after its day: pages and tools, until somebody ends it.

use super::Stage;
use super::story::Story;
use crate::app::failure::Failure;
use crate::app::http::Http;
use crate::app::open::Opened;
use crate::app::outside::Outside;
use crate::clock::Clock as _;
use crate::daemon::Daemon;
use crate::daemon::signals::{self, Signal};
use crate::domain::Principal;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The simulated clock goes on at this pace, as the machine's own does.
const STEP: Duration = Duration::from_secs(1);
/// How long whoever is being answered is waited for.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// What is needed to serve once the day is over: where it is served is taken before the day begins.
pub(super) struct Served {
    http: Http,
    outside: Arc<Outside>,
    me: Principal,
}

impl Served {
    pub(super) async fn of(opened: &Opened) -> Result<Self, Failure> {
        let (outside, me) = (opened.outside(), opened.me.clone());
        Ok(Self { http: Http::bind(opened).await?, outside, me })
    }

    /// Serves until the system wants us to end.
    pub(super) async fn stay(
        self,
        daemon: &Arc<Daemon>,
        stage: &Stage,
        story: &mut Story,
    ) -> Result<(), Failure> {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let mut signals = signals::listen(&tracker, stop.clone())
            .map_err(|error| Failure::internal("cannot listen for signals").because(&error))?;
        let _stop = stop.clone().drop_guard();
        let address = self.http.spawn(daemon, &CancellationToken::new(), &stop, &tracker);
        let link = self.outside.link(&self.me).await;
        let link = link.map_err(|error| Failure::internal(error.message))?;
        let at = stage.clock.wall();
        story.frame(at, &format!("ready addr={address}")).await;
        for line in link.text.lines() {
            story.frame(at, line).await;
        }
        story.frame(at, "Ctrl-C ends it, and nothing is kept.").await;
        let mut pace = tokio::time::interval(STEP);
        pace.tick().await;
        loop {
            tokio::select! {
                signal = signals.recv() => match signal {
                    Some(Signal::Reload) => {}
                    Some(Signal::Drain | Signal::StopNow) | None => break,
                },
                _ = pace.tick() => stage.clock.advance(STEP),
            }
        }
        stop.cancel();
        tracker.close();
        // Who is not answered by then is not waited for: all of it goes anyway.
        let _ = tokio::time::timeout(CLOSE_TIME, tracker.wait()).await;
        Ok(())
    }
}
