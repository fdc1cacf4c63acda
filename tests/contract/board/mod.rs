//! The contract of the board, held against every adapter: SQLite, PostgreSQL, the overlay over nothing,
//! the overlay over SQLite, and Leantime, played by a fake.

mod activity;
mod batch;
mod calendar;
mod deletion;
mod goals;
mod input;
mod leantime;
mod markers;
mod marks;
mod marks_of_nouns;
mod nouns;
mod overlay;
mod pages;
mod postgres;
mod postgres_faults;
mod postgres_plans;
mod races;
mod random;
mod random_nouns;
mod shared;
mod sprints;
mod sqlite;
mod sqlite_nouns;
mod texts;
mod time;
mod timers;
mod writes;

use crate::support::numbers::Numbers;
use crate::support::postgres::{Team, schema};
use rota::board::overlay::Overlay;
use rota::board::sql::SqlBoard;
use rota::board::{Board, BoardError, Result};
use rota::clock::ManualClock;
use rota::domain::{
    Activity, ActivityQuery, BoardName, Fence, Mark, NewPerson, NewProject, NewTask, PersonId,
    PersonKind, ProjectId, Role, RunId, Stamp, Task, TaskEdit, TaskId, TaskQuery, Timestamp,
    from_millis,
};
use std::sync::Arc;
use std::time::Duration;

/// Runs each case for every adapter.
macro_rules! contract {
    ($($case:ident)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $case() {
                super::$case(crate::contract::board::World::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test] async fn $case() {
                if let Some(world) = crate::contract::board::World::postgres().await {
                    super::$case(world).await;
                }
            })*
        }
        mod overlay_empty {
            $(#[tokio::test] async fn $case() {
                super::$case(crate::contract::board::World::overlay_empty().await).await;
            })*
        }
        mod overlay_sqlite {
            $(#[tokio::test] async fn $case() {
                super::$case(crate::contract::board::World::overlay_sqlite().await).await;
            })*
        }
        mod leantime {
            $(#[tokio::test] async fn $case() {
                crate::contract::board::leantime::hold(stringify!($case), super::$case).await;
            })*
        }
    };
}
use contract;
use random::everything as random_everything;

/// Noon of an ordinary day.
pub(crate) fn noon() -> Timestamp {
    from_millis(1_790_000_000_000)
}

/// So many days after an ordinary Monday.
pub(crate) fn day(days: i64) -> chrono::NaiveDate {
    chrono::NaiveDate::from_ymd_opt(2026, 9, 21).unwrap() + chrono::TimeDelta::days(days)
}

/// A board with three people and two projects.
pub(crate) struct World {
    pub(crate) board: Arc<dyn Board>,
    /// The board below, where there is one: what is written to it before the overlay is written to
    /// is seen through the overlay.
    pub(crate) below: Option<Arc<dyn Board>>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ann: PersonId,
    pub(crate) bob: PersonId,
    pub(crate) alpha: ProjectId,
    pub(crate) beta: ProjectId,
    pub(crate) folder: tempfile::TempDir,
    /// Whose board it is, in a PostgreSQL.
    pub(crate) team: Option<Team>,
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(noon())));
        let path = folder.path().join("board.db");
        let board = SqlBoard::open(&path, BoardName::new("main"), clock.clone()).await.unwrap();
        Self::furnished(Arc::new(board), clock, folder).await
    }

    /// `None` where there is no PostgreSQL.
    pub(crate) async fn postgres() -> Option<Self> {
        let team = schema().await?;
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(noon())));
        let name = BoardName::new("main");
        let board = SqlBoard::shared(team.cluster(4), name, clock.clone()).await.unwrap();
        let world = Self::furnished(Arc::new(board), clock, folder).await;
        Some(Self { team: Some(team), ..world })
    }

    /// The same board, as another daemon has it open.
    pub(crate) async fn beside(&self) -> Arc<dyn Board> {
        let (name, clock) = (BoardName::new("main"), self.clock.clone());
        let path = self.folder.path().join("board.db");
        let board = match &self.team {
            Some(team) => SqlBoard::shared(team.cluster(4), name, clock).await.unwrap(),
            None => SqlBoard::open(&path, name, clock).await.unwrap(),
        };
        Arc::new(board)
    }

    /// What keeps the numbers of a PostgreSQL as a file would give them.
    pub(crate) async fn numbers(&self) -> Option<Numbers> {
        match &self.team {
            Some(team) => Some(Numbers::of(team).await),
            None => None,
        }
    }

    pub(crate) async fn overlay_empty() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(noon())));
        let board = Overlay::empty(BoardName::new("main"), clock.clone());
        Self::furnished(Arc::new(board), clock, folder).await
    }

    pub(crate) async fn overlay_sqlite() -> Self {
        let world = Self::sqlite().await;
        let board = Arc::new(Overlay::over(world.board.clone(), world.clock.clone()));
        Self { below: Some(world.board), board, ..world }
    }

    async fn furnished(
        board: Arc<dyn Board>,
        clock: Arc<ManualClock>,
        folder: tempfile::TempDir,
    ) -> Self {
        let first = Stamp::by(PersonId(0));
        let mut people = Vec::new();
        for name in ["Ann", "Bob", "Cleo"] {
            people.push(board.add_person(&first, person(name)).await.unwrap().after.id);
        }
        let by = Stamp::by(people[0]);
        let alpha = board.add_project(&by, project("Alpha")).await.unwrap().after.id;
        let beta = board.add_project(&by, project("Beta")).await.unwrap().after.id;
        let (ann, bob) = (people[0], people[1]);
        Self { board, below: None, clock, ann, bob, alpha, beta, folder, team: None }
    }

    /// The board below, where there is one.
    pub(crate) fn low(&self) -> &Arc<dyn Board> {
        self.below.as_ref().unwrap_or(&self.board)
    }

    pub(crate) fn by(&self) -> Stamp {
        Stamp::by(self.ann)
    }

    pub(crate) fn marked(&self, seq: u32) -> Stamp {
        Stamp { mark: Some(mark(seq)), ..self.by() }
    }

    pub(crate) fn fenced(&self, task: TaskId, fence: u64) -> Stamp {
        Stamp { claim: Some((task, Fence(fence))), ..self.by() }
    }

    pub(crate) fn pass(&self) {
        self.clock.advance(Duration::from_secs(1));
    }

    /// A task in Alpha.
    pub(crate) async fn task(&self, headline: &str) -> Task {
        self.add(NewTask::new(self.alpha, headline)).await.unwrap()
    }

    pub(crate) async fn add(&self, new: NewTask) -> Result<Task> {
        Ok(self.board.add_task(&self.by(), new).await?.after)
    }

    /// A task that may be on the board below.
    pub(crate) async fn add_below(&self, new: NewTask) -> Task {
        let board = self.below.as_ref().unwrap_or(&self.board);
        board.add_task(&self.by(), new).await.unwrap().after
    }

    pub(crate) async fn edit(&self, id: TaskId, edits: &[TaskEdit]) -> Result<Task> {
        Ok(self.board.edit_task(&self.by(), id, edits).await?.after)
    }

    pub(crate) async fn find(&self, query: TaskQuery) -> Vec<TaskId> {
        self.board.tasks(&query).await.unwrap().items.iter().map(|task| task.id).collect()
    }

    /// All rows of activity after this one.
    pub(crate) async fn rows_after(&self, row: rota::domain::ActivityId) -> Vec<Activity> {
        let query = ActivityQuery { after: Some(row), limit: 1_000, ..ActivityQuery::default() };
        self.board.activity(&query).await.unwrap().items
    }
}

pub(crate) fn person(name: &str) -> NewPerson {
    NewPerson { name: name.into(), email: None, kind: PersonKind::Person, role: Role::Editor }
}

pub(crate) fn project(name: &str) -> NewProject {
    NewProject { name: name.into(), details: String::new(), statuses: Vec::new() }
}

pub(crate) fn mark(seq: u32) -> Mark {
    Mark { run: RunId::new("r-000000000001"), seq }
}

#[track_caller]
pub(crate) fn malformed<T: std::fmt::Debug>(answer: Result<T>) {
    match answer {
        Err(BoardError::Malformed(what)) => assert!(what.contains("expected"), "{what}"),
        other => panic!("expected Malformed, got {other:?}"),
    }
}

#[track_caller]
pub(crate) fn conflict<T: std::fmt::Debug>(answer: Result<T>) {
    match answer {
        Err(BoardError::Conflict(what)) => assert!(!what.is_empty()),
        other => panic!("expected Conflict, got {other:?}"),
    }
}

#[track_caller]
pub(crate) fn not_found<T: std::fmt::Debug>(answer: Result<T>) {
    match answer {
        Err(BoardError::NotFound { what }) => assert!(!what.is_empty()),
        other => panic!("expected NotFound, got {other:?}"),
    }
}
