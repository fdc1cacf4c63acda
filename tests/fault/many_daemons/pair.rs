//! The database that the daemons share: a PostgreSQL and its hot standby, each commit on both before it
//! is acknowledged; it dies and comes back, and at last for good, when the standby takes over.

use super::testimony::Testimony;
use crate::fault::evidence::Known;
use crate::support::postgres::{Server, Team};
use crate::support::rota::look_for;
use rota::board::Board;
use rota::board::sql::SqlBoard;
use rota::clock::SystemClock;
use rota::domain::{BoardName, NewTask, Stamp, TaskEdit};
use rota::store::Store;
use rota::store::postgres::PostgresStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long the standby may take to follow again.
const PATIENCE: Duration = Duration::from_mins(2);

pub struct Pair {
    team: Team,
    primary: Server,
    standby: Server,
    is_promoted: bool,
    runtime: Runtime,
}

impl Pair {
    /// Both, with a schema for a team; `None` where there is no PostgreSQL, which is said.
    pub fn begin() -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let primary = runtime.block_on(Server::start())?;
        let team = primary.team();
        let standby = runtime.block_on(primary.standby());
        // It looks for its primary, which comes back in a moment, more often than every five seconds.
        standby.psql("alter system set wal_retrieve_retry_interval = '200ms'");
        standby.psql("select pg_reload_conf()");
        let pair = Self { team, primary, standby, is_promoted: false, runtime };
        assert_eq!(pair.primary.psql("show synchronous_commit"), "on");
        assert!(pair.is_followed(), "what is acknowledged is on both");
        Some(pair)
    }

    /// As daemons are told it: both hosts.
    pub fn url(&self) -> String {
        self.team.url_at(&[self.primary.port(), self.standby.port()])
    }

    /// The team's schema.
    pub fn schema(&self) -> &str {
        self.team.schema_name()
    }

    /// Asks the one that takes writes, in the team's schema: a line for each row.
    #[track_caller]
    pub fn ask(&self, sql: &str) -> String {
        self.current().psql(&format!("set search_path = {}; {sql}", self.schema()))
    }

    fn current(&self) -> &Server {
        if self.is_promoted { &self.standby } else { &self.primary }
    }

    /// Whether each commit waits for the standby.
    fn is_followed(&self) -> bool {
        let sql = "select count(*) from pg_stat_replication where state = 'streaming' \
                   and sync_state = 'sync'";
        self.primary.psql(sql) == "1"
    }

    /// It dies at once and comes back.
    pub fn restart(&self) {
        self.runtime.block_on(self.current().restart());
        if !self.is_promoted {
            let follows = || self.is_followed().then_some(());
            assert!(look_for(PATIENCE, follows).is_some(), "the standby does not follow any more");
        }
    }

    /// It dies at once and for good, and the standby takes over.
    pub fn promote(&mut self) {
        assert!(!self.is_promoted, "there is one standby");
        self.runtime.block_on(async {
            self.primary.stop().await;
            self.standby.promote().await;
        });
        self.is_promoted = true;
    }

    /// Somebody adds so many tasks for agents.
    pub fn add_tasks(&self, tasks: usize, tag: &str) {
        self.runtime.block_on(async {
            let shared = self.board().await;
            let board: &dyn Board = &shared;
            let people = board.people().await.unwrap();
            let ada = people.iter().find(|person| person.name == "Ada").unwrap().id;
            let project = board.projects().await.unwrap()[0].id;
            for number in 1..=tasks {
                let new = NewTask::new(project, format!("Do part {number}"))
                    .with(TaskEdit::AddTag(tag.to_owned()))
                    .with(TaskEdit::AcceptanceCriteria("done".to_owned()));
                board.add_task(&Stamp::by(ada), new).await.unwrap();
            }
            shared.close().await;
        });
    }

    async fn board(&self) -> SqlBoard {
        let cluster = self.team.cluster_at(&[self.current().port()], 2);
        let (name, clock) = (BoardName::new("main"), SystemClock::shared());
        SqlBoard::shared(cluster, name, clock).await.unwrap()
    }

    /// Everything that board and ledger hold.
    pub fn testimony(&self, known: Known) -> Testimony {
        self.runtime.block_on(async {
            let cluster = self.team.cluster_at(&[self.current().port()], 4);
            let store: Arc<dyn Store> = Arc::new(PostgresStore::open(cluster).await.unwrap());
            let board = self.board().await;
            let testimony = Testimony::read(&store, &board, known).await;
            drop(store);
            board.close().await;
            testimony
        })
    }
}
