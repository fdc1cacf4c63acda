//! A house that is opened for whoever asks for as long as somebody does: other processes become its
//! clients over the control socket, as if it were a daemon.
//!
//! Calls from here and from over there are counted alike, and only who counts them all decides when
//! the house is let go: when none is under way and none came for a while, or at once when a daemon
//! asks for it. Whoever calls later is told that the call was not begun, and finds the next house.

use super::front::Front;
use super::{failures, open};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::Place;
use crate::daemon::Wake;
use crate::daemon::control::server::ControlServer;
use crate::daemon::control::{
    Answer, AnswerError, Answered, ControlLimits, ErrorKind, LET_GO, Progress, ToolRequest,
};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The house is let go when nobody called for so long.
const IDLE: Duration = Duration::from_secs(2);
/// So long we stay away from a folder for which a daemon asked: longer than its tries are apart.
const AWAY: Duration = Duration::from_millis(200);

/// Takes the lock, and lets others in over the socket until it is let go.
pub(super) async fn open(place: &Place) -> Result<Arc<dyn Answer>, Failure> {
    crate::runner::process::adopt_orphans();
    let opened = open::house(place, open::Speak::Held, Wake::ByHand).await?;
    let name = opened.parts.settings.daemon.clone();
    let front = Arc::new(opened.start_front(Wake::ByHand).await?);
    let server = ControlServer::bind(&place.state, name.as_str(), ControlLimits::default())
        .await
        .map_err(|error| {
        Failure::new(FailureKind::State, "the control socket cannot be opened").because(&error)
    })?;
    let (callers, stop, usage) = (TaskTracker::new(), CancellationToken::new(), Usage::default());
    let usage = Arc::new(usage);
    let counted = Counted { front: Arc::clone(&front), usage: Arc::clone(&usage) };
    server.spawn(Arc::new(counted), stop.clone(), &callers);
    let house = Mutex::new(Some(Running { front, stop, callers }));
    let shared = Arc::new(Shared { house, usage, watching: TaskTracker::new() });
    let watched = Arc::clone(&shared);
    shared.watching.spawn(async move {
        watched.usage.until_unused().await;
        watched.let_go().await;
    });
    Ok(shared)
}

struct Shared {
    /// `None` once it has been let go.
    house: Mutex<Option<Running>>,
    usage: Arc<Usage>,
    watching: TaskTracker,
}

struct Running {
    front: Arc<Front>,
    stop: CancellationToken,
    callers: TaskTracker,
}

impl Shared {
    /// Ends what runs and gives everything back; whoever calls meanwhile waits for that.
    async fn let_go(&self) {
        let mut house = self.house.lock().await;
        let Some(Running { front, stop, callers }) = house.take() else { return };
        stop.cancel();
        callers.close();
        callers.wait().await;
        front.close().await;
        let exported = front.daemon.export().await;
        if let Err(error) = exported.map_err(|error| failures::not_exported(&error)) {
            tracing::warn!(%error, "the last export was not written");
        }
        drop(front);
        if self.usage.is_wanted() {
            tokio::time::sleep(AWAY).await;
        }
    }
}

#[async_trait]
impl Answer for Shared {
    async fn answer(
        &self,
        request: ToolRequest,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        let Some(_use) = self.usage.begin() else {
            // Not before the folder is free.
            drop(self.house.lock().await);
            return Err(let_go());
        };
        let front = self.house.lock().await.as_ref().map(|house| Arc::clone(&house.front));
        match front {
            Some(front) => front.answer(request, progress).await,
            None => Err(let_go()),
        }
    }

    async fn close(&self) {
        self.usage.end_now();
        self.let_go().await;
        self.watching.close();
        self.watching.wait().await;
    }
}

/// The house as those see it who come over the socket.
struct Counted {
    front: Arc<Front>,
    usage: Arc<Usage>,
}

#[async_trait]
impl Answer for Counted {
    async fn answer(
        &self,
        request: ToolRequest,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        if request.tool == LET_GO {
            self.usage.want();
            return Ok(Answered::default());
        }
        let Some(_use) = self.usage.begin() else { return Err(let_go()) };
        self.front.answer(request, progress).await
    }
}

fn let_go() -> AnswerError {
    AnswerError::of(ErrorKind::NotBegun, "", "the state folder was just let go")
}

/// Who uses the house.
#[derive(Default)]
struct Usage(watch::Sender<Use>);

#[derive(Clone, Copy, Default)]
struct Use {
    under_way: usize,
    begun: u64,
    /// A daemon wants the folder.
    wanted: bool,
    /// No call is begun any more.
    over: bool,
}

/// A call under way, however it ends.
struct Call<'a>(&'a Usage);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|now| now.under_way = now.under_way.saturating_sub(1));
    }
}

impl Usage {
    /// `None` when the house is being let go.
    fn begin(&self) -> Option<Call<'_>> {
        let begin = |now: &mut Use| {
            if !now.over {
                (now.under_way, now.begun) = (now.under_way + 1, now.begun.wrapping_add(1));
            }
            !now.over
        };
        self.0.send_if_modified(begin).then(|| Call(self))
    }

    fn want(&self) {
        self.0.send_modify(|now| now.wanted = true);
    }

    fn is_wanted(&self) -> bool {
        self.0.borrow().wanted
    }

    fn end_now(&self) {
        self.0.send_modify(|now| now.over = true);
    }

    /// Until nothing is under way, and nobody came for a while or somebody wants the folder. From
    /// then on nothing is begun.
    async fn until_unused(&self) {
        let mut seen = self.0.subscribe();
        loop {
            let at_rest = |now: &Use| now.over || now.under_way == 0;
            let Ok(last) = seen.wait_for(at_rest).await.map(|now| *now) else { return };
            if !last.wanted && !last.over {
                let changed = |now: &Use| now.over || now.wanted || now.begun != last.begun;
                if tokio::time::timeout(IDLE, seen.wait_for(changed)).await.is_ok() {
                    continue;
                }
            }
            let end = |now: &mut Use| {
                now.over |= now.under_way == 0 && now.begun == last.begun;
                now.over
            };
            if self.0.send_if_modified(end) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the house is let go within this time.
    async fn ends_in(usage: &Usage, time: Duration) -> bool {
        tokio::time::timeout(time, usage.until_unused()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_house_is_let_go_when_nobody_called_for_a_while() {
        let usage = Usage::default();
        drop(usage.begin().unwrap());
        assert!(!ends_in(&usage, IDLE / 2).await);
        assert!(ends_in(&usage, IDLE * 2).await);
        assert!(usage.begin().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_under_way_keeps_it_however_long_and_another_begins_the_time_anew() {
        let usage = Usage::default();
        let call = usage.begin().unwrap();
        usage.want();
        assert!(!ends_in(&usage, IDLE * 100).await, "not while a call is under way");
        drop(call);
        assert!(ends_in(&usage, Duration::from_millis(1)).await, "a daemon waits for it");
        let usage = Usage::default();
        let calling = async {
            for _ in 0..10 {
                tokio::time::sleep(IDLE / 2).await;
                drop(usage.begin().expect("it is in use"));
            }
        };
        tokio::select! {
            biased;
            () = calling => {}
            () = usage.until_unused() => panic!("let go while it was in use"),
        }
        assert!(ends_in(&usage, IDLE * 2).await);
    }
}
