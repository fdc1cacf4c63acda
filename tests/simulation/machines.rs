//! The simulated daemons and what happens to them.

use super::board::{SimulatedBoard, Weathered};
use super::model::{SimulatedChannel, SimulatedModel};
use super::store::SimulatedStore;
use super::world::{Link, MachineClock, Planted, Pulse, World};
use crate::support::ingredients::{Ingredients, channels};
use rota::board::Board;
use rota::clock::{Entropy as _, SeededEntropy};
use rota::daemon::{Daemon, Wake};
use rota::domain::{DayBudget, Guards};
use rota::model::Model;
use rota::notify::Notifier;
use rota::store::memory::MemoryStore;
use rota::template::Templates;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// At most so many runs at once, each.
pub const SLOTS: u32 = 2;

/// What outlives every daemon.
#[derive(Clone)]
pub struct House {
    pub world: Arc<World>,
    pub store: Arc<MemoryStore>,
    pub board: Arc<dyn Board>,
    pub folder: PathBuf,
    pub tasks: TaskTracker,
}

/// A machine on which a daemon runs, one life after another.
pub struct Machine {
    pub name: String,
    pub clock: Arc<MachineClock>,
    pub link: Arc<Link>,
    house: House,
    driver: Option<JoinHandle<()>>,
}

impl Machine {
    pub fn start(name: &str, house: &House) -> Self {
        let clock = Arc::new(MachineClock::new(&house.world.truth));
        let link = Link::new(name, 0, &house.world);
        let mut machine =
            Self { name: name.to_owned(), clock, link, house: house.clone(), driver: None };
        machine.restart();
        machine
    }

    /// The next life begins.
    pub fn restart(&mut self) {
        let life = self.link.who.life + 1;
        self.house.world.note(|| format!("{} begins life {life}", self.name));
        self.house.world.judge().lives.insert(self.name.clone(), life);
        self.link = Link::new(&self.name, life, &self.house.world);
        let (house, link, clock) =
            (self.house.clone(), Arc::clone(&self.link), Arc::clone(&self.clock));
        self.driver = Some(self.house.tasks.spawn(live(house, link, clock)));
    }

    /// Its process is killed.
    pub fn kill(&mut self) {
        self.house.world.note(|| format!("{} is killed", self.name));
        self.link.set(Pulse::Dead);
        if let Some(driver) = self.driver.take() {
            driver.abort();
        }
    }

    pub fn is_dead(&self) -> bool {
        self.link.is_dead()
    }

    pub fn stop(&self) {
        self.house.world.note(|| format!("{} stands still", self.name));
        self.link.set(Pulse::Stopped);
    }

    pub fn go_on(&self) {
        self.link.set(Pulse::Beating);
    }

    pub fn set_wrong_by(&self, ms: i64) {
        self.house.world.note(|| format!("{}: the wall clock is wrong by {ms} ms", self.name));
        self.clock.set_wrong_by(ms);
    }
}

/// One life, until it is killed. A daemon that does not start is started again, as by systemd.
async fn live(house: House, link: Arc<Link>, clock: Arc<MachineClock>) {
    loop {
        let parts = ingredients(&house, &link, &clock).parts();
        match Daemon::start(parts, Wake::ByTicks).await {
            Ok(daemon) => loop {
                daemon.tick().await;
                tokio::time::sleep(Duration::from_secs(5)).await;
            },
            Err(error) => {
                house.world.note(|| format!("{} does not start: {error}", link.who.daemon));
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
    }
}

fn ingredients(house: &House, link: &Arc<Link>, clock: &Arc<MachineClock>) -> Ingredients {
    let model: Arc<dyn Model> = Arc::new(SimulatedModel { link: Arc::clone(link) });
    let channel: Arc<dyn Notifier> = Arc::new(SimulatedChannel { link: Arc::clone(link) });
    Ingredients {
        daemon: link.who.daemon.clone(),
        life: link.who.life_name(),
        clock: Arc::clone(clock) as _,
        entropy: Arc::new(SeededEntropy::new(house.world.chance.next_u64())),
        board: Arc::new(SimulatedBoard {
            below: Arc::clone(&house.board),
            watch: Weathered { link: Arc::clone(link) },
        }),
        store: Arc::new(SimulatedStore { link: Arc::clone(link), inner: Arc::clone(&house.store) }),
        folder: house.folder.clone(),
        templates: Some(templates()),
        models: BTreeMap::from([("worker".to_owned(), model)]),
        notifiers: channels().into_iter().map(|c| (c, Arc::clone(&channel))).collect(),
        slots: SLOTS + u32::from(house.world.planted == Planted::OneTooMany),
        labels: Vec::new(),
        arms_itself: true,
        log_time: None,
        budget: DayBudget::default(),
        families: BTreeMap::new(),
        workspaces: None,
        guards: Guards::default(),
        review: rota::domain::ReviewRules::default(),
        recipients: Vec::new(),
        reviews: None,
    }
}

/// What ships, parsed once for all seeds.
fn templates() -> Arc<Templates> {
    static TEMPLATES: OnceLock<Arc<Templates>> = OnceLock::new();
    Arc::clone(TEMPLATES.get_or_init(|| Arc::new(Templates::shipped())))
}
