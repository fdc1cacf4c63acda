//! One seed: the trouble, the calm after it, and the verdict.

use super::machines::{House, Machine, SLOTS};
use super::people::Crowd;
use super::world::{Planted, World};
use crate::support::daemon::{WEBSITE, WORKER, people, project};
use crate::support::playbooks::{WORKER as WORKER_PLAYBOOK, changed};
use rota::board::overlay::Overlay;
use rota::clock::{Clock, SeededEntropy};
use rota::domain::*;
use rota::ledger::{Ledger, LedgerOptions};
use rota::store::memory::MemoryStore;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// So many moments of trouble, some seconds apart.
const MOMENTS: u64 = 32;
/// Everything has to come to rest within so many half minutes.
const PATIENCE: u32 = 240;

/// How a seed ended.
#[derive(Debug)]
pub struct Ending {
    pub violations: Vec<String>,
    pub story: String,
    pub fingerprint: u64,
    pub steps: u64,
    pub runs: u64,
    pub lives: u64,
}

/// Takes tasks every half minute, and may ask.
fn worker_playbook() -> String {
    let on = "agent = \"AI-Worker\"\n\n[on]\nevery = \"30s\"\n";
    let changes = [
        ("agent = \"AI-Worker\"\n", on),
        ("limit = 50", "limit = 10"),
        ("\"3d\"", "\"10m\""),
        ("[scope]\nmax = { addComment = 3 }\n\n", ""),
        ("concurrent = 50\n", "concurrent = 50\ntime = \"5m\"\n"),
        ("\"stdout\"", "\"slack:ops\""),
        ("pause_after = 5\n", ""),
    ];
    changed(WORKER_PLAYBOOK, &changes)
}

/// The playbooks' folder, which all seeds read.
fn folder() -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        for name in ["agents", "templates", "state"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let path = folder.path().join("agents/ai-worker.toml");
        std::fs::write(path, worker_playbook()).unwrap();
        folder
    });
    folder.path().to_owned()
}

/// Plays a seed to its end.
pub async fn play(seed: u64, planted: Planted) -> Ending {
    let world = World::new(seed, planted);
    let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
    let board = Arc::new(Overlay::empty(BoardName::new("main"), Arc::clone(&clock)));
    people(board.as_ref()).await;
    project(board.as_ref()).await;
    let house = House {
        world: Arc::clone(&world),
        store: Arc::new(MemoryStore::new(clock)),
        board,
        folder: folder(),
        tasks: TaskTracker::new(),
    };
    let project = house.board.project(WEBSITE).await.unwrap();
    let review = project.status_named("Ready for Review").unwrap().id;
    {
        let mut judge = world.judge();
        judge.review = Some(review);
        judge.slots = Some(SLOTS as usize);
    }
    let statuses = project.statuses.iter().map(|status| status.id).collect();
    let mut crowd = Crowd { house: house.clone(), statuses, tasks: Vec::new() };
    let mut machines: Vec<Machine> =
        ["one", "two", "three"].iter().map(|name| Machine::start(name, &house)).collect();
    for _ in 0..4 {
        crowd.add_task().await;
    }
    trouble(&world, &mut machines, &mut crowd).await;
    calm(&house, &mut machines, &crowd).await;
    let judge = world.judge();
    Ending {
        violations: judge.violations.clone(),
        story: judge.story(),
        fingerprint: judge.fingerprint(),
        steps: judge.steps,
        runs: judge.runs.len() as u64,
        lives: judge.lives.values().sum(),
    }
}

async fn trouble(world: &World, machines: &mut [Machine], crowd: &mut Crowd) {
    let weather = world.weather;
    for _ in 0..MOMENTS {
        tokio::time::sleep(Duration::from_millis(world.below(20_000))).await;
        for machine in machines.iter_mut() {
            if machine.is_dead() {
                if world.below(3) == 0 {
                    machine.restart();
                }
            } else if world.strikes(weather.crash) {
                machine.kill();
            } else if world.strikes(weather.freeze) {
                machine.stop();
            } else if world.below(3) == 0 {
                machine.go_on();
            }
            if world.strikes(weather.clock_step) {
                let wrong = i64::try_from(world.below(1_200_000)).unwrap() - 600_000;
                machine.set_wrong_by(wrong);
            }
        }
        if world.strikes(weather.suspend) {
            let by = Duration::from_secs(world.below(200));
            world.note(|| format!("all machines sleep for {by:?}"));
            world.truth.sleep_through(by);
        }
        if world.strikes(weather.person) {
            crowd.act().await;
        }
    }
}

/// The trouble ends; what is eligible has to be done, what is to be told has to be told.
async fn calm(house: &House, machines: &mut [Machine], crowd: &Crowd) {
    let world = &house.world;
    world.note(|| "the trouble ends".to_owned());
    world.calm_down();
    for machine in machines.iter_mut() {
        machine.set_wrong_by(0);
        if machine.is_dead() {
            machine.restart();
        }
        machine.go_on();
    }
    let ledger = reader(house);
    let mut answered = BTreeSet::new();
    let mut left = Vec::new();
    for _ in 0..PATIENCE {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let claims = ledger.claims().await.unwrap();
        let parked = claims.iter().filter(|claim| claim.phase == Phase::Parked);
        let asked: Vec<TaskId> = parked
            .filter(|claim| answered.insert((claim.task, claim.fence)))
            .map(|claim| claim.task)
            .collect();
        crowd.answer(&asked).await;
        left = what_is_left(house, &ledger, crowd).await;
        if left.is_empty() {
            break;
        }
    }
    let mut judge = world.judge();
    judge.violations.extend(left.into_iter().map(|what| format!("never at rest: {what}")));
}

/// A ledger that only reads.
fn reader(house: &House) -> Ledger {
    let options = LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new("reader"),
        life: LifeId::new("reader"),
        margin: Duration::from_secs(5),
        epoch: 0,
    };
    let clock = Arc::clone(&house.world.clock) as _;
    let store = Arc::clone(&house.store) as _;
    Ledger::new(store, clock, Arc::new(SeededEntropy::new(0)), options)
}

async fn what_is_left(house: &House, ledger: &Ledger, crowd: &Crowd) -> Vec<String> {
    let mut left = Vec::new();
    for claim in ledger.claims().await.unwrap() {
        left.push(format!("the claim of {} is {:?}", claim.task, claim.phase));
    }
    for claim in ledger.orphans().await.unwrap() {
        left.push(format!("the claim of {} was not seen to", claim.task));
    }
    let runs: Vec<Run> = house.world.judge().runs.values().cloned().collect();
    for run in runs {
        if run.state == RunState::Running {
            left.push(format!("run {} is under way", run.id));
        }
        for effect in ledger.open_intents(&run.id).await.unwrap() {
            left.push(format!("nobody knows what became of {}", effect.mark));
        }
    }
    for id in &crowd.tasks {
        let task = house.board.task(*id).await.unwrap();
        left.extend(task_is_left(house, ledger, &task).await);
    }
    let judge = house.world.judge();
    let untold = judge.notices.iter().filter(|key| !judge.is_told(key));
    left.extend(untold.map(|key| format!("{key} was not told")));
    left
}

async fn task_is_left(house: &House, ledger: &Ledger, task: &Task) -> Option<String> {
    let project = house.board.project(WEBSITE).await.unwrap();
    let kind = project.status(task.status).unwrap().kind;
    if task.assignee == Some(WORKER) {
        return Some(format!("{} is still the agent's, {kind:?}", task.id));
    }
    let is_eligible =
        kind == StatusKind::New && task.assignee.is_none() && !task.has_tag("AI-Stop");
    if !is_eligible {
        return None;
    }
    let decisions = ledger.decisions_about_task(task.id, None).await.unwrap();
    let last = decisions.first().map(|decision| decision.reason);
    if last == Some(Reason::AttemptsUsedUp) {
        return None;
    }
    Some(format!("{} is eligible and was not done ({last:?})", task.id))
}
