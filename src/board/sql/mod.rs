//! A board in a SQL database: SQLite in a file, or PostgreSQL that many daemons share.
//!
//! There is one set of queries. One transaction writes at a time, and sees everything that was written
//! before it; others read meanwhile. What is said to one of the databases alone is in `dialect`, and
//! the tables are in `schema*.sql` and `postgres_*.sql`. Opening does no work that grows with the board.

mod calendar;
mod columns;
mod comments;
mod dialect;
mod directory;
mod goals;
mod history;
mod memo;
mod milestones;
pub mod moving;
mod people;
mod plan;
mod projects;
mod session;
mod sprints;
mod stored;
mod tasks;
mod text;
mod time;
mod traces;
mod unclosed;

use super::{BatchError, Board, BoardError, Capabilities, OneWrite, Result, Wrote, check, write};
use crate::clock::Clock;
use crate::domain::{BoardName, EffectState, Fence, Mark, Stamp, TaskId, Timestamp};
use crate::postgres::Cluster;
use async_trait::async_trait;
use dialect::{Connection, Database};
use directory::Directory;
use memo::Memo;
use session::SqlSession;
use std::path::Path;
use std::sync::Arc;

/// A board in a SQLite file or in a PostgreSQL. Several may have the same one open, also in several
/// processes.
#[derive(Debug)]
pub struct SqlBoard {
    name: BoardName,
    clock: Arc<dyn Clock>,
    database: Database,
    directory: Directory,
    memo: Memo,
}

impl SqlBoard {
    /// Opens the file, creating it and its folder where missing.
    ///
    /// [`BoardError::Unusable`]: the file is damaged, of a newer schema or of another program;
    /// then it was not touched.
    pub async fn open(path: &Path, name: BoardName, clock: Arc<dyn Clock>) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| BoardError::Unusable {
                what: format!("the board's folder {} cannot be made", folder.display()),
                source: Some(Box::new(error)),
            })?;
        }
        let database = Database::file(path).await?;
        let (directory, memo) = (Directory::default(), Memo::beside(path));
        Ok(Self { name, clock, database, directory, memo })
    }

    /// Opens the board of a team in a PostgreSQL, creating its schema and tables where missing; several
    /// may begin so at once. The connections are this board's own, and end with [`SqlBoard::close`].
    ///
    /// [`BoardError::Unusable`]: a newer program made the tables, or nobody is let in;
    /// [`BoardError::Unavailable`]: nobody answers.
    pub async fn shared(cluster: Cluster, name: BoardName, clock: Arc<dyn Clock>) -> Result<Self> {
        let database = Database::shared(cluster).await?;
        let (directory, memo) = (Directory::default(), Memo::of_nothing());
        Ok(Self { name, clock, database, directory, memo })
    }

    /// The version of the tables in a PostgreSQL that this program knows.
    pub fn steps() -> i64 {
        dialect::newest()
    }

    /// Copies the board in a file, as one instant has it, into a file that is not there yet; others may work
    /// at it meanwhile, also other processes.
    pub async fn copy(from: &Path, to: &Path) -> Result<()> {
        dialect::copy(from, to).await
    }

    /// Waits for what is under way and lets go of the database.
    pub async fn close(&self) {
        self.database.close().await;
    }

    async fn session(&self) -> Result<SqlSession> {
        self.database.write().await.map(SqlSession::new)
    }

    async fn reader(&self) -> Result<Connection> {
        self.database.reader().await
    }

    /// A reader for which the board stands still.
    async fn snapshot(&self) -> Result<Connection> {
        self.database.snapshot().await
    }

    fn now(&self) -> Timestamp {
        check::whole(self.clock.wall())
    }

    fn scope(&self) -> String {
        format!("sql {}", self.name)
    }
}

#[async_trait]
impl Board for SqlBoard {
    fn name(&self) -> BoardName {
        self.name.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            fencing: true,
            marks: true,
            actors: true,
            blockers: true,
            steps: true,
            labels: true,
            goal_boards: true,
            project_roles: true,
        }
    }

    async fn directory(&self) -> Result<super::Directory> {
        let kept = self.kept().await?;
        Ok(super::Directory { projects: kept.projects, people: kept.people })
    }

    async fn raise_fence(&self, task: TaskId, fence: Fence) -> Result<()> {
        check::fence(fence)?;
        let mut tries = 0;
        loop {
            let once = async {
                let mut session = self.session().await?;
                traces::raise_fence(session.connection(), task, fence).await?;
                session.commit().await
            };
            match once.await {
                Err(error) if dialect::again(&error, &mut tries) => {}
                done => return done,
            }
        }
    }

    async fn effect_of(&self, mark: &Mark) -> Result<EffectState> {
        let mut reader = self.reader().await?;
        Ok(match traces::trace(&mut reader, mark).await? {
            Some(trace) => EffectState::Applied(trace.entity),
            None => EffectState::Absent,
        })
    }

    fn measure(&self) {
        self.database.measure();
    }

    async fn write_all(
        &self,
        writes: &[(Stamp, OneWrite)],
    ) -> std::result::Result<Vec<Wrote>, BatchError> {
        let mut tries = 0;
        loop {
            let once = async {
                let mut session = self.session().await?;
                let wrote = write::write_all(&mut session, self.now(), writes).await?;
                session.commit().await?;
                Ok::<_, BatchError>(wrote)
            };
            match once.await {
                Err(failed) if dialect::again(&failed.error, &mut tries) => {}
                done => return done,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{People, Projects, Tasks};
    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::{
        NewPerson, NewProject, NewTask, PersonId, PersonKind, Role, Stamp, TaskEdit, TaskQuery,
        from_millis,
    };

    #[tokio::test]
    async fn a_full_disk_is_no_lasting_failure_and_leaves_no_half_task() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(from_millis(0)));
        let path = folder.path().join("board.db");
        let board = SqlBoard::open(&path, BoardName::new("main"), clock).await.unwrap();
        let by = Stamp::by(PersonId(1));
        let (kind, role) = (PersonKind::Person, Role::Editor);
        let ann = NewPerson { name: "Ann".into(), email: None, kind, role };
        board.add_person(&by, ann).await.unwrap();
        let new = NewProject { name: "Alpha".into(), details: String::new(), statuses: Vec::new() };
        let alpha = board.add_project(&by, new).await.unwrap().after.id;
        let limit = |pages: u32| sqlx::AssertSqlSafe(format!("pragma max_page_count = {pages}"));
        sqlx::raw_sql(limit(120)).execute(board.database.file_writer().unwrap()).await.unwrap();
        let long = NewTask::new(alpha, "One").with(TaskEdit::Description("x".repeat(60_000)));
        let mut added = 0;
        let error = loop {
            match board.add_task(&by, long.clone()).await {
                Ok(_) => added += 1,
                Err(error) => break error,
            }
            assert!(added < 100, "the disk never fills");
        };
        assert!(error.is_transient() && error.to_string().contains("full"), "{error}");
        assert_eq!(board.tasks(&TaskQuery::default()).await.unwrap().items.len(), added);
        sqlx::raw_sql(limit(1_000_000))
            .execute(board.database.file_writer().unwrap())
            .await
            .unwrap();
        board.add_task(&by, long).await.unwrap();
    }

    #[tokio::test]
    async fn a_transaction_that_the_database_ended_by_itself_is_not_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(from_millis(0)));
        let path = folder.path().join("board.db");
        let board = SqlBoard::open(&path, BoardName::new("main"), clock).await.unwrap();
        let mut session = board.session().await.unwrap();
        // As it does when the disk is full.
        dialect::query("rollback").execute(session.connection()).await.unwrap();
        drop(session);
        let (kind, role) = (PersonKind::Person, Role::Editor);
        let ann = NewPerson { name: "Ann".into(), email: None, kind, role };
        board.add_person(&Stamp::by(PersonId(1)), ann).await.unwrap();
        assert_eq!(board.people().await.unwrap().len(), 1);
    }
}
