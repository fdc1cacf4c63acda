//! The board over a Leantime, played by the fake: what the suite of boards cannot ask, since it knows
//! nothing of a server that lies, refuses, is slow, and has people at it.

mod changes;
mod claims_first;
mod counted;
mod identities;
mod limits;
mod meanwhile;
mod nouns;
mod rounds;
mod server;
mod texts;
mod troubles;
mod unknown;
mod versions;

use crate::support::leantime::{FakeLeantime, Options as Fake, Role};
use rota::board::leantime::LeantimeBoard;
use rota::board::leantime::notebook::{MemoryNotebook, Notebook};
use rota::board::leantime::options::{Credential, Options};
use rota::board::{Board, Tasks};
use rota::clock::ManualClock;
use rota::domain::{
    Activity, ActivityId, ActivityQuery, BoardName, Mark, NewTask, PersonId, ProjectId, RunId,
    Stamp, Task, TaskEdit, from_millis,
};
use std::sync::Arc;
use std::time::Duration;

/// A server with a person and an agent in one project, and the board as the agent sees it.
struct Scene {
    fake: FakeLeantime,
    clock: Arc<ManualClock>,
    notes: Arc<dyn Notebook>,
    options: Options,
    board: LeantimeBoard,
    hugo: i64,
    agent: PersonId,
    project: ProjectId,
}

impl Scene {
    async fn new(fake: Fake) -> Self {
        Self::with(fake, |_| {}).await
    }

    async fn with(fake: Fake, change: impl FnOnce(&mut Options)) -> Self {
        let zone = fake.zone;
        let fake = FakeLeantime::start(fake).await;
        let hugo = fake.add_person("Hugo", "Human", Role::Editor);
        let project = fake.add_project("Orchestra", &[hugo]);
        let (agent, key) = fake.add_key("AI-Agent", Role::Editor, &[project]);
        let mut options = Options::new(fake.url(), Credential::read(&key).unwrap());
        options.zone = zone;
        options.requests_per_minute = 1_000_000;
        options.look_every = Duration::ZERO;
        options.user = Some(PersonId(agent));
        change(&mut options);
        let clock = Arc::new(ManualClock::at(from_millis(1_790_000_000_000)));
        let notes: Arc<dyn Notebook> = Arc::new(MemoryNotebook::default());
        let board = open(&options, &notes, &clock);
        let (agent, project) = (PersonId(agent), ProjectId(project));
        Self { fake, clock, notes, options, board, hugo, agent, project }
    }

    /// The same board after a restart.
    fn reopen(&mut self) {
        self.board = open(&self.options, &self.notes, &self.clock);
    }

    fn by(&self) -> Stamp {
        Stamp::by(self.agent)
    }

    fn marked(&self, seq: u32) -> Stamp {
        Stamp { mark: Some(mark(seq)), ..self.by() }
    }

    async fn task(&self, headline: &str) -> Task {
        let new = NewTask::new(self.project, headline);
        self.board.add_task(&self.by(), new).await.unwrap().after
    }

    async fn edit(&self, task: &Task, edit: TaskEdit) -> rota::board::Result<Task> {
        Ok(self.board.edit_task(&self.by(), task.id, &[edit]).await?.after)
    }

    async fn rows_after(&self, row: ActivityId) -> Vec<Activity> {
        use rota::board::History;
        let query = ActivityQuery { after: Some(row), limit: 1_000, ..ActivityQuery::default() };
        self.board.activity(&query).await.unwrap().items
    }

    async fn latest(&self) -> ActivityId {
        use rota::board::History;
        self.board.latest_activity().await.unwrap()
    }

    fn is_careful(&self) {
        let violations = self.fake.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

fn open(options: &Options, notes: &Arc<dyn Notebook>, clock: &Arc<ManualClock>) -> LeantimeBoard {
    let (notes, clock) = (Arc::clone(notes), Arc::clone(clock));
    LeantimeBoard::open(options.clone(), notes, BoardName::new("main"), clock).unwrap()
}

/// A server that counts no requests.
fn unlimited() -> Fake {
    Fake { rate_per_minute: Some(1_000_000), ..Fake::default() }
}

fn mark(seq: u32) -> Mark {
    Mark { run: RunId::new("r-000000000001"), seq }
}

#[tokio::test]
async fn a_board_says_who_it_is_and_what_it_cannot_do() {
    let s = Scene::new(unlimited()).await;
    let about = s.board.about().await.unwrap();
    assert_eq!((about.me.id, about.me.name.as_str()), (s.agent, "AI-Agent"));
    assert_eq!((about.version.as_deref(), about.is_api_user), (Some("3.9.8"), true));
    let can = s.board.capabilities();
    assert!(!can.fencing && !can.marks && !can.actors && can.blockers && !can.steps);
    s.is_careful();
}
