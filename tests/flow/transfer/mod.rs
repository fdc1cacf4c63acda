//! One board copied onto another: there and back, broken off at every write, and again later.

mod broken_off;
mod later;
pub mod sample;
pub mod seen;
mod there_and_back;

use crate::support::leantime::{FakeLeantime, Options as Fake, Role as FakeRole};
use rota::board::Board;
use rota::board::leantime::LeantimeBoard;
use rota::board::leantime::notebook::{MemoryNotebook, Notebook};
use rota::board::leantime::options::{Credential, Options as Leantime};
use rota::board::sql::SqlBoard;
use rota::clock::{Clock, ManualClock};
use rota::domain::{BoardName, PersonId, from_millis};
use rota::store::Store;
use rota::store::memory::MemoryStore;
use rota::transfer::{Count, Ends, Kind, Options, Pair, Report, Step, copy};
use sample::Sample;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A board with a sample of everything, a Leantime, and the store that knows what is what.
struct Scene {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
    fake: FakeLeantime,
    notes: Arc<dyn Notebook>,
    leantime: Leantime,
    rota: PersonId,
    home: Arc<dyn Board>,
    sample: Sample,
}

/// One end of a copy: the board, its name, and who writes there.
#[derive(Clone)]
struct End(Arc<dyn Board>, &'static str, PersonId);

impl Scene {
    async fn new() -> Self {
        Self::with(Fake { rate_per_minute: Some(1_000_000), ..Fake::default() }).await
    }

    async fn with(fake: Fake) -> Self {
        let fake = Fake { zone: chrono_tz::UTC, ..fake };
        let fake = FakeLeantime::start(fake).await;
        let (rota, key) = fake.add_key("Rota", FakeRole::Admin, &[]);
        let mut leantime = Leantime::new(fake.url(), Credential::read(&key).unwrap());
        leantime.requests_per_minute = 1_000_000;
        leantime.look_every = Duration::ZERO;
        let clock = Arc::new(ManualClock::at(from_millis(1_790_000_000_000)));
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
        let notes: Arc<dyn Notebook> = Arc::new(MemoryNotebook::default());
        let home = sqlite(&folder, "home", &clock).await;
        let sample = Sample::put_onto(home.as_ref()).await;
        let rota = PersonId(rota);
        Self { folder, clock, store, fake, notes, leantime, rota, home, sample }
    }

    async fn sqlite(&self, name: &'static str) -> Arc<dyn Board> {
        sqlite(&self.folder, name, &self.clock).await
    }

    /// The Leantime, as a process sees it that has just begun.
    fn leantime(&self) -> Arc<dyn Board> {
        let (notes, clock) = (Arc::clone(&self.notes), Arc::clone(&self.clock));
        let name = BoardName::new("main");
        Arc::new(LeantimeBoard::open(self.leantime.clone(), notes, name, clock).unwrap())
    }

    fn home(&self) -> End {
        End(Arc::clone(&self.home), "home", self.sample.ann)
    }

    fn there(&self) -> End {
        End(self.leantime(), "there", self.rota)
    }

    fn ends(&self, source: &End, target: &End) -> Ends {
        Ends {
            source: Arc::clone(&source.0),
            target: Arc::clone(&target.0),
            store: Arc::clone(&self.store),
            pair: Pair::of(source.1, target.1),
            writer: target.2,
            names: (source.1.to_owned(), target.1.to_owned()),
        }
    }

    async fn copy(&self, source: &End, target: &End) -> Report {
        self.copy_as(source, target, options()).await
    }

    async fn copy_as(&self, source: &End, target: &End, options: Options) -> Report {
        let ends = self.ends(source, target);
        copy(ends, options, nobody(), CancellationToken::new()).await.unwrap()
    }

    fn is_careful(&self) {
        let violations = self.fake.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

async fn sqlite(
    folder: &tempfile::TempDir,
    name: &'static str,
    clock: &Arc<ManualClock>,
) -> Arc<dyn Board> {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let path = folder.path().join(format!("{name}.db"));
    Arc::new(SqlBoard::open(&path, BoardName::new(name), clock).await.unwrap())
}

fn options() -> Options {
    Options { adds_people: true, pause: Duration::from_millis(1), ..Options::default() }
}

fn nobody() -> watch::Sender<Step> {
    watch::channel(Step::default()).0
}

fn count(report: &Report, noun: Kind) -> &Count {
    report.counts.iter().find(|count| count.noun == noun).unwrap()
}

/// It came to its end.
#[track_caller]
fn whole(report: Report) -> Report {
    assert_eq!(report.ended_early, None, "{report:#?}");
    report
}
