//! Six daemons work at one board beside each other, and everything dies: daemons by `kill -9`, their
//! database again and again, and once for good, so that its standby takes over. Then the checker judges:
//! each claim had one winner, each task was done once, and nothing that was written down is lost.
//!
//! `ROTA_SEED` chooses what goes wrong and when, `ROTA_FULL=1` asks for 5,000 tasks.

mod court;
mod fleet;
mod pair;
mod planted;
mod storm;
mod testimony;

use super::evidence::Known;
use super::kills::Random;
use super::{asked, say};
use crate::support::rota::{Rota, look_for};
use court::acquit_many;
use fleet::Fleet;
use pair::Pair;
use rota::clock::SystemClock;
use rota::domain::PlaybookName;
use std::collections::BTreeSet;
use std::time::Duration;
use storm::{Fault, Storm, index};

const SEED: u64 = 20_261_130;
const DAEMONS: usize = 6;
const TASKS: usize = 120;
const TASKS_FULL: usize = 5_000;
/// So many daemons are left when one is killed.
const LEFT_MIN: usize = 3;
/// How long nothing may come of all of them.
const PATIENCE: Duration = Duration::from_mins(4);

/// What tasks for agents are marked with.
const TAG: &str = "AI-Suitable";
/// What the work says at its task.
const WORK: &str = "THE WORK";

const CONFIG: &str = r#"
timezone = "Europe/Berlin"
arm = "auto"
[people]
me = "Ada"
[daemon]
id = "DAEMON"
tick = "2s"
drain = "30s"
slots = 4
[claims]
lease = "6s"
renew = "2s"
margin = "1s"
[board]
kind = "postgres"
url = { env = "ROTA_POSTGRES_URL" }
schema = "SCHEMA"
connections = 4
[store]
kind = "postgres"
url = { env = "ROTA_POSTGRES_URL" }
schema = "SCHEMA"
connections = 3
[models.worker]
kind = "scripted"
script = "model.toml"
"#;

/// Two playbooks want the same tasks, and several daemons run each of them at once.
const PLAYBOOKS: [&str; 2] = ["early", "late"];
const PACE: Duration = Duration::from_secs(2);
const WAKES: &str = "[on]\ncron = \"*/2 * * * * *\"\noverlap = \"allow\"\n";

const WORKER: &str = r#"
description = "Takes a task, adds a subtask and a comment, and hands over."
agent = "AI-Worker"
WAKES
[select]
status = "kind:new"
tags = { any = ["AI-Suitable"] }
assignee = "none"
limit = 4
[claim]
[work]
runner = "model"
model = "worker"
prompt = "crash.md.hbs"
tools = ["addSubtask", "addComment", "finish"]
[outcome.ready]
status = "kind:waiting"
assign = "{{task.author}}"
comment = "hand-over.md.hbs"
[scope]
write = "claimed"
max = { addSubtask = 1, addComment = 1 }
[limits]
attempts = 50
backoff = "1s..1s"
concurrent = 40
"#;

/// What earlier attempts did stands in the prompt; the script is chosen by it.
const PROMPT: &str = "task_id: {{task.id}}\n{{#each earlier}}did {{tool}} at {{entity}}\n{{/each}}";

/// The model takes its time, so that daemons die while it works.
const SCRIPT: &str = r#"
[[conversation]]
match = ["did addSubtask at task", "did addComment at comment"]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "All there." } }]

[[conversation]]
match = ["did addSubtask at task"]
[[conversation.turn]]
call = [{ tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "THE WORK" } }]
[[conversation.turn]]
wait_ms = 300
call = [{ tool = "finish", args = { outcome = "ready", summary = "All there." } }]

[[conversation]]
match = []
[[conversation.turn]]
wait_ms = 300
call = [{ tool = "addSubtask", args = { parentTicket = "${task_id}", headline = "A part" } }]
[[conversation.turn]]
wait_ms = 300
call = [{ tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "THE WORK" } }]
[[conversation.turn]]
wait_ms = 300
call = [{ tool = "finish", args = { outcome = "ready", summary = "All there." } }]
"#;

/// The phase of each claim that is held, and the daemon that holds it.
const HOLDERS: &str = r#"
select distinct substring(value from '"phase":"([a-z]+)"'),
    substring(value from '"holder":."daemon":"([^"]+)"')
from (select convert_from(value, 'UTF8') as value from ledger where key like 'claim/%') as claims
where value like '%"holder":{"daemon":%'"#;

/// How much is under way, by what the ledger keeps open.
const OPEN: &str = "select count(*) from ledger where key like 'occurrence-open/%' \
    or key like 'held/%' or key like 'orphan/%' or key like 'intent-open/%' \
    or key like 'runs-state/running/%'";

/// The playbooks' files; they wake by themselves, or only by hand.
fn playbooks(wakes: &str) -> Vec<(String, String)> {
    let text = WORKER.replace("WAKES\n", wakes);
    PLAYBOOKS.iter().map(|name| (format!("agents/{name}.toml"), text.clone())).collect()
}

/// A daemon's folder, the same for all but for its name.
fn folder(name: &str, pair: &Pair) -> Rota {
    let rota = Rota::new().with_env("ROTA_POSTGRES_URL", &pair.url());
    let config = CONFIG.replace("DAEMON", name).replace("SCHEMA", pair.schema());
    rota.write("rota.toml", &config);
    for (path, text) in playbooks(WAKES) {
        rota.write(&path, &text);
    }
    rota.write("templates/crash.md.hbs", PROMPT);
    rota.write("model.toml", SCRIPT);
    rota
}

/// Everybody, and what was done to them.
struct Scene {
    // Before the database that they use.
    fleet: Fleet,
    pair: Pair,
    tasks: usize,
    restarts: usize,
    promotions: usize,
}

impl Scene {
    /// `None` where there is no PostgreSQL.
    fn new(tasks: usize) -> Option<Self> {
        let pair = Pair::begin()?;
        let names = (1..=DAEMONS).map(|number| format!("d{number}"));
        let folders: Vec<(String, Rota)> = names
            .map(|name| {
                let rota = folder(&name, &pair);
                (name, rota)
            })
            .collect();
        let (_, first) = &folders[0];
        first.run(["check"]).ok();
        first.run(["project", "add", "Web"]).ok();
        pair.add_tasks(tasks, TAG);
        let fleet = Fleet::of(folders);
        Some(Self { fleet, pair, tasks, restarts: 0, promotions: 0 })
    }

    /// How many tasks wait for a person's review.
    fn done(&self) -> usize {
        self.pair.ask("select count(*) from tasks where status_kind = 3").parse().unwrap()
    }

    /// The phases of claims, and who holds them.
    fn holders(&self) -> BTreeSet<(String, String)> {
        let answer = self.pair.ask(HOLDERS);
        let pairs = answer.lines().filter_map(|line| line.split_once('|'));
        pairs.map(|(phase, daemon)| (phase.to_owned(), daemon.to_owned())).collect()
    }

    fn tend(&mut self) {
        let held = if self.fleet.waits_for_others() {
            self.holders().into_iter().map(|(_, daemon)| daemon).collect()
        } else {
            BTreeSet::new()
        };
        self.fleet.tend(&held);
    }

    /// Waits for something while daemons are looked after; tells how everything stands when it does not
    /// come.
    #[track_caller]
    fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let found = look_for(PATIENCE, || {
            self.tend();
            look(self)
        });
        found.unwrap_or_else(|| {
            let undone = "select id, status_kind, assignee from tasks \
                          where status_kind <> 3 and parent is null order by id limit 20";
            let claims = "select convert_from(value, 'UTF8') from ledger \
                          where key like 'claim/%' and key in (select replace(key, 'held/', 'claim/') \
                          from ledger where key like 'held/%') limit 20";
            panic!(
                "{what} never happened: {} of {} tasks are done; not done (task, kind of status, \
                 assignee):\n{}\nclaims:\n{}\n{}",
                self.done(),
                self.tasks,
                self.pair.ask(undone),
                self.pair.ask(claims),
                self.fleet.tails()
            )
        })
    }

    /// Lets a fault happen.
    fn suffers(&mut self, fault: Fault, random: &mut Random) {
        match fault {
            Fault::Kill => {
                let victim = self.until("a daemon at work", |scene| scene.victim(random));
                // The first is replaced by others, and any other in half of the cases.
                let others_first = self.fleet.kills == 0 || random.below(2) == 0;
                self.fleet.kill(&victim, others_first);
            }
            Fault::Restart => {
                self.fleet.storms += 1;
                self.pair.restart();
                self.restarts += 1;
            }
            Fault::Promotion => {
                self.fleet.storms += 1;
                self.pair.promote();
                self.promotions += 1;
            }
        }
    }

    /// One that works at a task, while enough others are there.
    fn victim(&self, random: &mut Random) -> Option<String> {
        let ready = self.fleet.ready();
        if ready.len() <= LEFT_MIN {
            return None;
        }
        let holders = self.holders().into_iter();
        let at_work =
            holders.filter(|(phase, daemon)| phase == "working" && ready.contains(daemon));
        let mut names: Vec<String> = at_work.map(|(_, daemon)| daemon).collect();
        (!names.is_empty()).then(|| names.swap_remove(index(random, names.len())))
    }

    /// Until every task is done and all has gone wrong that was to go wrong.
    fn works(&mut self, storm: &mut Storm) {
        loop {
            let done = self.done();
            while let Some(fault) = storm.due(done) {
                self.suffers(fault, &mut storm.random);
            }
            if done == self.tasks {
                return;
            }
            self.until("one task more that is done", |scene| (scene.done() > done).then_some(()));
        }
    }

    /// All are back, nothing wakes any more, what is open comes to its end, and they end in good order.
    fn comes_to_rest(&mut self) {
        self.until("that all daemons are there", |scene| scene.fleet.is_whole().then_some(()));
        self.fleet.read_again(&playbooks(""));
        self.until("rest", |scene| (scene.pair.ask(OPEN) == "0").then_some(()));
        self.fleet.end();
    }

    fn known(&self) -> Known {
        Known {
            paces: PLAYBOOKS.iter().map(|name| (PlaybookName::new(*name), PACE)).collect(),
            kills: self.fleet.kills,
            several: true,
            ..Known::default()
        }
    }
}

#[test]
fn six_daemons_that_die_beside_a_database_that_dies_do_every_task_once() {
    let seed = asked("ROTA_SEED").and_then(|text| text.parse().ok()).unwrap_or(SEED);
    let tasks = if asked("ROTA_FULL").is_some() { TASKS_FULL } else { TASKS };
    let clock = SystemClock::shared();
    let begun = clock.boot();
    let Some(mut scene) = Scene::new(tasks) else { return };
    let mut storm = Storm::of(seed, tasks);
    scene.until("that all daemons are there", |scene| scene.fleet.is_whole().then_some(()));
    scene.works(&mut storm);
    scene.comes_to_rest();
    let testimony = scene.pair.testimony(scene.known());
    acquit_many(&testimony);
    let (kills, restarts, taken_over) = (scene.fleet.kills, scene.restarts, testimony.taken_over());
    let evidence = &testimony.evidence;
    say(&format!(
        "{tasks} tasks by {DAEMONS} daemons in {} lives, {kills} kills, {restarts} restarts and {} \
         promotion of the database (seed {seed}): {} claims, {} runs, {taken_over} taken over from \
         another daemon, {} occurrences, {} effects, {} rows of activity, {} entries of the chain, in {:?}",
        scene.fleet.lives,
        scene.promotions,
        testimony.winners().len(),
        evidence.runs.len(),
        evidence.occurrences.len(),
        evidence.effects.values().map(Vec::len).sum::<usize>(),
        evidence.activity.len(),
        testimony.endings.len(),
        clock.boot().saturating_sub(begun),
    ));
    assert!(kills >= 6 && restarts >= 1 && scene.promotions == 1, "{kills} {restarts}");
    assert!(scene.fleet.lives > DAEMONS + 1, "nobody came back");
    assert!(taken_over >= 1, "nobody took anything over");
}
