//! C9: two daemons that share a Leantime and no store race for its tickets.

use super::{LABELS, WORKER};
use crate::support::office::{Home, Life, Office, unlimited};
use async_trait::async_trait;
use rota::clock::{Entropy as _, SeededEntropy};
use rota::domain::*;
use rota::model::{Exchange, Message, Model, ModelError, Reply};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Tickets of the race; `ROTA_FULL=1` runs for all of them.
const TICKETS: usize = 500;
const FEWER: usize = 120;

fn tickets() -> usize {
    if std::env::var_os("ROTA_FULL").is_some() { TICKETS } else { FEWER }
}

/// Who is at work where, seen by those who work.
#[derive(Debug, Default)]
struct AtWork {
    now: BTreeMap<i64, &'static str>,
    /// How often each ticket was worked at.
    often: BTreeMap<i64, usize>,
    /// Two were at work at one ticket.
    together: Vec<i64>,
}

/// Comments twice, then is done; and looks around each time.
#[derive(Debug)]
struct Worker {
    name: &'static str,
    at_work: Arc<Mutex<AtWork>>,
}

/// The number of the task that a prompt is about.
fn ticket_of(exchange: &Exchange) -> i64 {
    let Some(Message::User(prompt)) = exchange.messages.first() else { panic!("no prompt") };
    let rest = prompt.split("\nTask ").nth(1).expect("a task in the prompt");
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[async_trait]
impl Model for Worker {
    fn describe(&self) -> String {
        format!("worker:{}", self.name)
    }

    async fn exchange(&self, exchange: &Exchange) -> Result<Reply, ModelError> {
        let ticket = ticket_of(exchange);
        let turn =
            exchange.messages.iter().filter(|m| matches!(m, Message::Assistant { .. })).count();
        let mut at_work = self.at_work.lock().unwrap();
        if turn == 0 {
            *at_work.often.entry(ticket).or_default() += 1;
        }
        if at_work.now.insert(ticket, self.name).is_some_and(|other| other != self.name) {
            at_work.together.push(ticket);
        }
        let call = if turn < 2 {
            let text = format!("{} works at it, {turn}", self.name);
            let args = json!({ "module": "ticket", "entityId": ticket, "text": text });
            ("addComment", args)
        } else {
            at_work.now.remove(&ticket);
            ("finish", json!({ "outcome": "ready", "summary": "It works now." }))
        };
        let args = serde_json::from_value(call.1).unwrap();
        let call = ToolCall { tool: call.0.to_owned(), args };
        Ok(Reply { calls: vec![(format!("call-{turn}"), call)], ..Reply::default() })
    }
}

struct Race {
    office: Office,
    homes: [Home; 2],
    lives: [Life; 2],
    at_work: Arc<Mutex<AtWork>>,
    tickets: Vec<i64>,
}

impl Race {
    async fn new(count: usize, sees_markers: bool) -> Self {
        let mut office = Office::new(unlimited()).await;
        office.slots = 8;
        office.playbook("ai-worker", WORKER, LABELS);
        let tickets = (0..count).map(|number| office.ticket(&format!("Number {number}"))).collect();
        let at_work: Arc<Mutex<AtWork>> = Arc::default();
        let homes = ["laptop", "server"].map(|name| office.home(name));
        let start = async |home: &Home| {
            let worker = Worker { name: home.name, at_work: Arc::clone(&at_work) };
            let model: Arc<dyn Model> = Arc::new(worker);
            office.start_with(home, &model, office.board(home, |_| {}), sees_markers).await
        };
        let lives = [start(&homes[0]).await, start(&homes[1]).await];
        Self { office, homes, lives, at_work, tickets }
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c9_of_two_daemons_that_share_only_the_board_one_works_at_each_ticket_and_the_other_leaves_no_trace()
 {
    let race = Race::new(tickets(), true).await;
    race.run().await;
    let mut lost = 0;
    for ticket in &race.tickets {
        let runs = race.runs(*ticket).await;
        let by = |state| runs.iter().filter(|run| run.state == state).collect::<Vec<_>>();
        let (won, refused) = (by(RunState::Succeeded), by(RunState::Refused));
        assert_eq!((won.len(), won.len() + refused.len()), (1, runs.len()), "{runs:#?}");
        let races = refused.iter().filter(|run| run.reason == Some(Reason::LostRace));
        lost += races.count();
        let comments = race.office.comments(*ticket);
        assert_eq!(comments.len(), 4, "announced, worked at, handed over: {comments:#?}");
        assert!(comments[0].contains(won[0].id.as_str()), "{comments:#?}");
        assert_eq!(race.office.markers(*ticket), 0, "{comments:#?}");
        let column = |name| race.office.column(*ticket, name);
        assert_eq!(column("status"), "2");
        assert_eq!(column("editorId"), race.office.hugo.to_string());
        for life in &race.lives {
            let claim = life.claim(*ticket).await;
            assert!(claim.is_none_or(|claim| claim.holder.is_none()));
        }
    }
    let at_work = race.at_work.lock().unwrap();
    assert!(at_work.together.is_empty(), "at once: {:?}", at_work.together);
    assert!(at_work.often.values().all(|often| *often == 1), "{:?}", at_work.often);
    println!("{} tickets, {lost} races lost after a marker was written", race.tickets.len());
    assert!(lost > 0, "nobody raced");
    race.office.is_careful();
}

/// The test of the test above: daemons that see no markers work at the same tickets.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_daemons_that_ignore_markers_work_at_one_ticket_at_once_and_the_race_sees_it() {
    let race = Race::new(16, false).await;
    race.run().await;
    let at_work = race.at_work.lock().unwrap();
    let twice = at_work.often.values().filter(|often| **often > 1).count();
    assert!(twice > 0 && !at_work.together.is_empty(), "{at_work:#?}");
}
