//! C9: two daemons that share a Leantime and no store race for its tickets.

use super::{LABELS, WORKER};
use crate::support::leantime::FakeLeantime;
use crate::support::office::{Between, Life, Office, unlimited};
use async_trait::async_trait;
use rota::clock::{Entropy as _, SeededEntropy};
use rota::domain::*;
use rota::model::{Call, Exchange, Heard, Message, Model, ModelError, Reply};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Tickets of the race, and of each of its starts: at each, both begin with the same ones.
const TICKETS: usize = 500;
/// So many waves without markers are tried until somebody is seen to work twice.
const WAVES_MAX: usize = 10;
const WAVE: usize = 25;
/// Tickets with a person among them; `ROTA_FULL=1` takes as many as above.
const WITH_PERSON: usize = 100;
/// A person does something once in so many questions and writes of the daemons.
const WHIM: u64 = 25;

/// Who is at work where, seen by those who work.
#[derive(Debug, Default)]
struct AtWork {
    now: BTreeMap<i64, &'static str>,
    /// How often each ticket was begun.
    often: BTreeMap<i64, usize>,
    /// Two were at work at one ticket.
    together: Vec<i64>,
}

/// Comments so often, then is done; and looks around each time.
#[derive(Debug)]
struct Worker {
    name: &'static str,
    words: usize,
    at_work: Arc<Mutex<AtWork>>,
    begun: AtomicUsize,
    /// The number of each conversation, by its prompt.
    known: Mutex<BTreeMap<String, usize>>,
}

/// The number of the task that a prompt is about.
fn ticket_of(prompt: &str) -> i64 {
    let rest = prompt.split("\nTask ").nth(1).expect("a task in the prompt");
    rest.split(' ').next().unwrap().parse().unwrap()
}

impl Worker {
    fn conversation(&self, prompt: &str) -> usize {
        let mut known = self.known.lock().unwrap();
        let next = || self.begun.fetch_add(1, Ordering::SeqCst);
        *known.entry(prompt.to_owned()).or_insert_with(next)
    }
}

#[async_trait]
impl Model for Worker {
    fn describe(&self) -> String {
        format!("worker:{}", self.name)
    }

    async fn exchange(&self, exchange: &Exchange, _: &Heard<'_>) -> Result<Reply, ModelError> {
        let Some(Message::User(prompt)) = exchange.messages.first() else { panic!("no prompt") };
        let (ticket, conversation) = (ticket_of(prompt), self.conversation(prompt));
        let said = exchange.messages.iter().filter(|m| matches!(m, Message::Assistant { .. }));
        let turn = said.count();
        let mut at_work = self.at_work.lock().unwrap();
        if turn == 0 {
            *at_work.often.entry(ticket).or_default() += 1;
        }
        if at_work.now.insert(ticket, self.name).is_some_and(|other| other != self.name) {
            at_work.together.push(ticket);
        }
        let (tool, args) = if turn < self.words {
            let text = format!("works: {} {conversation}", self.name);
            ("addComment", json!({ "module": "ticket", "entityId": ticket, "text": text }))
        } else {
            at_work.now.remove(&ticket);
            ("finish", json!({ "outcome": "ready", "summary": "It works now." }))
        };
        let args = serde_json::from_value(args).unwrap();
        let call = Call::new(format!("call-{turn}"), tool, args);
        Ok(Reply { calls: vec![call], ..Reply::default() })
    }
}

struct Race {
    office: Arc<Office>,
    lives: [Life; 2],
    at_work: Arc<Mutex<AtWork>>,
    tickets: Vec<i64>,
}

/// A person who does something now and then, by a seed.
struct Person {
    office: Arc<Office>,
    tickets: Vec<i64>,
    chance: SeededEntropy,
    done: AtomicUsize,
}

impl Person {
    fn below(&self, most: usize) -> usize {
        usize::try_from(self.chance.next_u64() % most as u64).unwrap()
    }

    fn act(&self) {
        if !self.chance.next_u64().is_multiple_of(WHIM) {
            return;
        }
        self.done.fetch_add(1, Ordering::SeqCst);
        let (ticket, hugo) = (self.tickets[self.below(self.tickets.len())], self.office.hugo);
        let fake = &self.office.fake;
        let person = fake.as_person(hugo);
        match self.below(8) {
            0 => person.edit(ticket, "status", json!([3, 1, 2][self.below(3)])),
            1 => person.edit(
                ticket,
                "editorId",
                json!(["", hugo.to_string().as_str()][self.below(2)]),
            ),
            2 => unmark(fake, hugo, ticket),
            3 => drop(person.comment(ticket, "stop")),
            4 => forge(fake, hugo, ticket),
            5 => person.edit(ticket, "headline", json!(format!("Changed {}", self.below(1_000)))),
            6 => person.edit(ticket, "tags", json!("AI-Suitable,AI-Stop")),
            // As if nobody had ever taken it: whoever comes next is welcome.
            _ => {
                unmark(fake, hugo, ticket);
                person.edit(ticket, "status", json!(3));
                person.edit(ticket, "editorId", json!(""));
            }
        }
    }
}

/// Takes all announcements away.
fn unmark(fake: &FakeLeantime, hugo: i64, ticket: i64) {
    let is_marked =
        |comment: &Json| comment["text"].as_str().unwrap_or_default().contains("<!-- rota");
    for comment in fake.comments("ticket", ticket).iter().filter(|comment| is_marked(comment)) {
        fake.as_person(hugo).delete_comment(comment["id"].as_i64().unwrap());
    }
}

/// Writes what looks like a marker.
fn forge(fake: &FakeLeantime, hugo: i64, ticket: i64) {
    let ends = (fake.now() + chrono::TimeDelta::seconds(20)).format("%Y-%m-%dT%H:%M:%SZ");
    let text = format!("Mine.<!-- rota r-ffffffffffff until {ends} -->");
    fake.as_person(hugo).comment(ticket, &text);
}

impl Race {
    async fn new(count: usize, words: usize, is_blind: bool, seed: Option<u64>) -> Self {
        let mut office = Office::new(unlimited()).await;
        office.slots = 8;
        office.playbook("ai-worker", WORKER, LABELS);
        let tickets: Vec<i64> =
            (0..count).map(|number| office.ticket(&format!("Number {number}"))).collect();
        let office = Arc::new(office);
        let person = seed.map(|seed| {
            let (office, tickets) = (Arc::clone(&office), tickets.clone());
            let chance = SeededEntropy::new(seed);
            let person = Person { office, tickets, chance, done: AtomicUsize::new(0) };
            Arc::new(move || person.act()) as Arc<dyn Fn() + Send + Sync>
        });
        let at_work: Arc<Mutex<AtWork>> = Arc::default();
        let start = async |name: &'static str| {
            let (at_work, begun, known) =
                (Arc::clone(&at_work), AtomicUsize::new(0), Mutex::default());
            let model: Arc<dyn Model> = Arc::new(Worker { name, words, at_work, begun, known });
            let home = office.home(name);
            let between = Between { is_blind, person: person.clone(), ..Between::default() };
            office.start_with(&home, &model, office.board(&home, |_| {}), between).await
        };
        let lives = [start("laptop").await, start("server").await];
        Self { office, lives, at_work, tickets }
    }

    /// Both take what there is, at the same time, until nothing is left.
    async fn run(&self) {
        loop {
            let [one, two] = &self.lives;
            let (one, two) = tokio::join!(one.run("ai-worker"), two.run("ai-worker"));
            if one.tasks.is_empty() && two.tasks.is_empty() {
                return;
            }
        }
    }

    async fn runs(&self, ticket: i64) -> Vec<Run> {
        let mut runs = self.lives[0].runs(ticket).await;
        runs.extend(self.lives[1].runs(ticket).await);
        runs
    }

    async fn is_free(&self, ticket: i64) -> bool {
        let mut is_free = true;
        for life in &self.lives {
            is_free &= life.claim(ticket).await.is_none_or(|claim| claim.holder.is_none());
        }
        is_free
    }
}

/// Every ticket of a race was worked at once, and whoever lost one left no trace. How many were lost
/// after a marker had been written.
async fn lost_without_a_trace(race: &Race) -> usize {
    let mut lost = 0;
    for ticket in &race.tickets {
        let runs = race.runs(*ticket).await;
        let by = |state| runs.iter().filter(|run| run.state == state).collect::<Vec<_>>();
        let (won, refused) = (by(RunState::Succeeded), by(RunState::Refused));
        assert_eq!((won.len(), won.len() + refused.len()), (1, runs.len()), "{runs:#?}");
        lost += refused.iter().filter(|run| run.reason == Some(Reason::LostRace)).count();
        let comments = race.office.comments(*ticket);
        assert_eq!(comments.len(), 3, "announced, worked at, handed over: {comments:#?}");
        assert!(comments[0].contains(won[0].id.as_str()), "{comments:#?}");
        assert_eq!(race.office.markers(*ticket), 0, "{comments:#?}");
        let column = |name| race.office.column(*ticket, name);
        assert_eq!(column("status"), "2");
        assert_eq!(column("editorId"), race.office.hugo.to_string());
        assert!(race.is_free(*ticket).await);
    }
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c9_of_two_daemons_that_share_only_the_board_one_works_at_each_ticket_and_the_other_leaves_no_trace()
 {
    let mut lost = 0;
    for _ in 0..TICKETS / WAVE {
        let race = Race::new(WAVE, 1, false, None).await;
        race.run().await;
        lost += lost_without_a_trace(&race).await;
        let at_work = race.at_work.lock().unwrap();
        assert!(at_work.together.is_empty(), "at once: {:?}", at_work.together);
        assert!(at_work.often.values().all(|often| *often == 1), "{:?}", at_work.often);
        race.office.is_careful();
    }
    println!("{TICKETS} tickets, {lost} races were lost after a marker was written");
    assert!(lost > 0, "nobody raced");
}

/// The tickets at which two worked in turns: what one wrote stands among what the other did.
fn mixed(race: &Race) -> Vec<i64> {
    let is_mixed = |ticket: &&i64| {
        let comments = race.office.comments(**ticket);
        let mut workers: Vec<&str> =
            comments.iter().filter_map(|text| text.strip_prefix("works: ")).collect();
        workers.dedup();
        workers.len() != workers.iter().collect::<BTreeSet<_>>().len()
    };
    race.tickets.iter().filter(is_mixed).copied().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c9_with_a_person_who_edits_at_random_no_two_daemons_work_at_one_ticket_in_turns() {
    let is_full = std::env::var_os("ROTA_FULL").is_some();
    let tickets = if is_full { TICKETS } else { WITH_PERSON };
    let (mut runs, mut yielded) = (0, 0);
    for seed in 0..tickets / WAVE {
        let race = Race::new(WAVE, 3, false, Some(seed as u64)).await;
        race.run().await;
        // What was forged has ended by then.
        race.office.advance(Duration::from_mins(1));
        race.run().await;
        // A hand-back that an edit of the person's came in between of is done at the next look.
        for life in &race.lives {
            life.work().await;
        }
        assert_eq!(mixed(&race), [0_i64; 0], "seed {seed}");
        for ticket in &race.tickets {
            let comments = race.office.fake.comments("ticket", *ticket);
            let is_own = |comment: &&Json| comment["userId"] == race.office.agent;
            let own = comments.iter().filter(is_own);
            let texts: Vec<&str> = own.filter_map(|comment| comment["text"].as_str()).collect();
            assert!(!texts.iter().any(|text| text.contains("<!--")), "seed {seed}: {texts:#?}");
            let editor = race.office.column(*ticket, "editorId");
            assert_ne!(editor, race.office.agent.to_string(), "seed {seed}: {ticket} {texts:#?}");
            assert!(race.is_free(*ticket).await, "seed {seed}: {ticket}");
            let all = race.runs(*ticket).await;
            runs += all.len();
            yielded += all.iter().filter(|run| run.state == RunState::Yielded).count();
        }
        race.office.is_careful();
    }
    println!("{tickets} tickets, {runs} runs, of which {yielded} gave way to a person");
    assert!(yielded > 0, "no person was in the way");
}

/// The test of the tests above: daemons that see no markers work at the same tickets.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_daemons_that_ignore_markers_work_at_one_ticket_at_once_and_the_race_sees_it() {
    let (mut twice, mut together, mut in_turns) = (0, 0, 0);
    // How often depends on the machine: most waves have some of each.
    for _ in 0..WAVES_MAX {
        let race = Race::new(WAVE, 3, true, None).await;
        race.run().await;
        in_turns += mixed(&race).len();
        let at_work = race.at_work.lock().unwrap();
        twice += at_work.often.values().filter(|often| **often > 1).count();
        together += at_work.together.len();
        if twice > 0 && together > 0 && in_turns > 0 {
            return;
        }
    }
    panic!("{twice} worked at twice, {together} at once, {in_turns} in turns");
}
