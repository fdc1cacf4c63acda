//! A Leantime that tests work on: a real one where `ROTA_TEST_LEANTIME_URL` names it, else the fake.
//!
//! What is done there goes through the interface alone, with the key of an admin
//! (`ROTA_TEST_LEANTIME_KEY`), and stays: it is for a server that holds nothing else. Its zone is UTC,
//! or that of `ROTA_TEST_LEANTIME_ZONE`.

use super::asked::asked;
use super::leantime::{FakeLeantime, Options as Fake, Role as FakeRole};
use rota::board::Projects;
use rota::board::leantime::notebook::MemoryNotebook;
use rota::board::leantime::options::{Credential, Options};
use rota::board::leantime::{LeantimeBoard, Minted};
use rota::clock::SystemClock;
use rota::domain::{BoardName, NewProject, ProjectId, Role, Stamp};
use secrecy::ExposeSecret as _;
use std::sync::Arc;
use std::time::Duration;

/// A real server and an admin's key.
pub fn real() -> Option<(String, String)> {
    Some((asked("ROTA_TEST_LEANTIME_URL")?, asked("ROTA_TEST_LEANTIME_KEY")?))
}

/// A server with somebody who may do everything there.
#[derive(Debug)]
pub struct Server {
    pub url: String,
    key: String,
    /// `None`: it is a real one.
    pub fake: Option<FakeLeantime>,
}

impl Server {
    /// The real one, if there is one.
    pub async fn any() -> Self {
        match real() {
            Some((url, key)) => Self { url, key, fake: None },
            None => Self::fake().await,
        }
    }

    /// The fake, also where there is a real one.
    pub async fn fake() -> Self {
        let options =
            Fake { rate_per_minute: Some(1_000_000), zone: chrono_tz::UTC, ..Fake::default() };
        let fake = FakeLeantime::start(options).await;
        let (_, key) = fake.add_key("Keeper", FakeRole::Owner, &[]);
        Self { url: fake.url(), key, fake: Some(fake) }
    }

    /// With the admin's own key.
    pub fn keeper(&self) -> LeantimeBoard {
        open(self.options(&self.key))
    }

    pub fn options(&self, key: &str) -> Options {
        let mut options = Options::new(&self.url, Credential::read(key).unwrap());
        options.look_every = Duration::ZERO;
        if let (None, Some(zone)) = (&self.fake, asked("ROTA_TEST_LEANTIME_ZONE")) {
            options.zone = zone.parse().unwrap();
        }
        // A real one may have to be waited for now and then.
        options.patience = Duration::from_mins(10);
        // It says itself what it takes.
        options.requests_per_minute = 1_000_000;
        options
    }

    /// A user for a program, under a name that nobody has.
    pub async fn user(&self, name: &str, role: Role, projects: &[ProjectId]) -> Minted {
        self.keeper().mint(&unique(name), role, projects).await.unwrap()
    }

    /// A project under a name that no other has.
    pub async fn project(&self, name: &str) -> ProjectId {
        let board = self.keeper();
        let by = Stamp::by(board.whose(None).await.unwrap().id);
        let new = NewProject { name: unique(name), details: String::new(), statuses: Vec::new() };
        board.add_project(&by, new).await.unwrap().after.id
    }

    /// As one of them sees it.
    pub fn board_of(&self, user: &Minted) -> LeantimeBoard {
        open(self.options(user.key.expose_secret()))
    }

    /// A careful client was seen, as far as that can be seen.
    #[track_caller]
    pub fn is_careful(&self) {
        let violations = self.fake.as_ref().map(FakeLeantime::violations).unwrap_or_default();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

fn open(options: Options) -> LeantimeBoard {
    let (notes, name) = (Arc::new(MemoryNotebook::default()), BoardName::new("main"));
    LeantimeBoard::open(options, notes, name, SystemClock::shared()).unwrap()
}

/// Real servers remember the names of earlier runs.
fn unique(name: &str) -> String {
    format!("{name} {}", &uuid::Uuid::new_v4().simple().to_string()[..8])
}
