//! A run's workspace as its tools see it: what looks at files blocks beside the daemon's threads, what
//! asks git or runs a check starts a program in the sandbox, and everything ends with the run.

use super::super::signs::Signs;
use super::room::Workspace;
use super::tree::{Patience, Tree};
use super::{WorkspaceError, look};
use crate::tools::code::{
    Blame, BlameAsk, Changes, CheckEnd, Code, CodeError, DiffAsk, Found, History, ListAsk, Listing,
    LogAsk, Passage, ReadAsk, SearchAsk,
};
use async_trait::async_trait;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long somebody looks at files.
const LOOK_TIME: Duration = Duration::from_secs(10);
/// How often a run shows that it lives while it waits for a program.
const PULSE: Duration = Duration::from_secs(1);

/// The files of a run's workspace. It keeps nobody out of the workspace: that is the run's own.
#[derive(Clone, Debug)]
pub struct Files {
    workspace: Weak<Workspace>,
    signs: Signs,
    stop: CancellationToken,
    until: Instant,
}

impl Files {
    /// For a run that may last so long from now on, and is told to stop by `stop`.
    pub fn new(
        workspace: &Arc<Workspace>,
        signs: &Signs,
        stop: &CancellationToken,
        time: Duration,
    ) -> Self {
        // A limit beyond what the timer can hold is no limit.
        let time = time.min(Duration::from_hours(24 * 36_500));
        Self {
            workspace: Arc::downgrade(workspace),
            signs: signs.clone(),
            stop: stop.child_token(),
            until: Instant::now() + time,
        }
    }

    fn workspace(&self) -> Result<Arc<Workspace>, CodeError> {
        let there = self.workspace.upgrade().filter(|_| !self.stop.is_cancelled());
        there.ok_or(CodeError::Stopped)
    }

    /// Waits for something that has its own end, which is no silence of the run's.
    async fn alive<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            self.signs.alive();
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(PULSE) => {}
            }
        }
    }

    /// Looks at files; whoever does not wait any more ends it.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Tree, &Patience) -> Result<T, CodeError> + Send + 'static,
    ) -> Result<T, CodeError> {
        let tree = Tree::new(self.workspace()?.folder());
        let stop = self.stop.child_token();
        let _gone = stop.clone().drop_guard();
        let patience = Patience { until: Instant::now() + LOOK_TIME, stop };
        let looking = tokio::task::spawn_blocking(move || look(&tree, &patience));
        let looked = self.alive(looking).await;
        looked.map_err(|error| CodeError::Failed(format!("it broke off: {error}")))?
    }
}

#[async_trait]
impl Code for Files {
    async fn head(&self) -> Option<String> {
        self.workspace().ok()?.head(&self.stop).await
    }

    async fn target_head(&self) -> Option<String> {
        self.workspace().ok()?.standing().target.clone()
    }

    async fn list(&self, ask: ListAsk) -> Result<Listing, CodeError> {
        self.look(move |tree, patience| look::list(tree, &ask, patience)).await
    }

    async fn read(&self, ask: ReadAsk) -> Result<Passage, CodeError> {
        self.look(move |tree, patience| look::read(tree, &ask, patience)).await
    }

    async fn search(&self, ask: SearchAsk) -> Result<Found, CodeError> {
        self.look(move |tree, patience| look::search(tree, &ask, patience)).await
    }

    async fn diff(&self, ask: DiffAsk) -> Result<Changes, CodeError> {
        let workspace = self.workspace()?;
        self.alive(workspace.diff(&ask, &self.stop)).await
    }

    async fn log(&self, ask: LogAsk) -> Result<History, CodeError> {
        let workspace = self.workspace()?;
        self.alive(workspace.log(&ask, &self.stop)).await
    }

    async fn blame(&self, ask: BlameAsk) -> Result<Blame, CodeError> {
        let workspace = self.workspace()?;
        self.alive(workspace.blame(&ask, &self.stop)).await
    }

    async fn lines(&self, file: &str) -> Result<Option<u64>, CodeError> {
        let path = file.to_owned();
        let counted = self.look(move |tree, patience| look::count(tree, &path, patience)).await;
        let Err(CodeError::NotFound(why)) = counted else { return counted.map(Some) };
        let workspace = self.workspace()?;
        if self.alive(workspace.was_there(file, &self.stop)).await {
            return Ok(None);
        }
        Err(CodeError::NotFound(why))
    }

    fn checks(&self) -> Vec<String> {
        let Ok(workspace) = self.workspace() else { return Vec::new() };
        workspace.checks().map(str::to_owned).collect()
    }

    async fn check(&self, name: &str) -> Result<CheckEnd, CodeError> {
        let workspace = self.workspace()?;
        let left = self.until.saturating_duration_since(Instant::now());
        match self.alive(workspace.check(name, left, &self.stop)).await {
            Ok(Some(end)) => Ok(end),
            Ok(None) => Err(CodeError::NotFound("there is no such check".to_owned())),
            Err(WorkspaceError::Stopped) => Err(CodeError::Stopped),
            Err(error) => Err(CodeError::Failed(error.to_string())),
        }
    }

    fn end(&self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::signs::Watch;
    use super::*;
    use crate::domain::{DayBudget, Limits};

    #[tokio::test(start_paused = true)]
    async fn a_run_that_waits_for_a_check_is_not_silent() {
        let (signs, _shown) = Signs::channel(1);
        let stop = CancellationToken::new();
        let hour = Duration::from_hours(1);
        let until = Instant::now() + hour;
        let files = Files { workspace: Weak::new(), signs: signs.clone(), stop, until };
        let limits = Limits {
            turns: 1,
            tokens: 1,
            cost_micros: None,
            time: hour,
            idle: Duration::from_secs(5),
            attempts: 1,
            backoff_min: hour,
            backoff_max: hour,
            concurrent: 1,
            runs_per_day: None,
            day: DayBudget::default(),
        };
        let mut watch = Watch::start(&limits);
        let stop = CancellationToken::new();
        tokio::select! {
            () = files.alive(tokio::time::sleep(Duration::from_mins(10))) => {}
            overrun = signs.overrun(&mut watch, &stop) => panic!("{overrun:?}"),
        }
        assert!(matches!(files.list(ListAsk::default()).await, Err(CodeError::Stopped)));
    }
}
