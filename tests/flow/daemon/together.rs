//! A fact and what people are told of it are one: after a commit that failed there are both or none.

use super::outbox::notice;
use super::playbooks::{BREAKS_OFF, QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{Life, Team};
use crate::support::mailbox::{Mailbox, Turn};
use crate::support::playbooks::changed;
use crate::support::refusing::Refusing;
use rota::clock::Clock as _;
use rota::domain::*;
use std::sync::Arc;
use std::time::Duration;

async fn team(replace: &[(&str, &str)], scripts: &[&str]) -> (Team, Arc<Refusing>) {
    let mut team = Team::new().await;
    team.playbook("ai-worker", &changed(WORKER_PLAYBOOK, replace));
    team.model("worker", scripts);
    let store = Refusing::over(&team.store);
    team.store = Arc::clone(&store) as _;
    (team, store)
}

async fn told(life: &Life, key: &str) -> usize {
    let notices = life.ledger.notices(100, None).await.unwrap();
    notices.iter().filter(|notice| notice.key.starts_with(key)).count()
}

#[tokio::test(start_paused = true)]
async fn a_playbook_that_pauses_itself_has_said_so_or_is_not_paused() {
    let once = [("attempts = 3", "attempts = 1"), ("pause_after = 5", "pause_after = 2")];
    let (team, store) = team(&once, &[BREAKS_OFF; 3]).await;
    let life = team.start().await;
    let paused = async || {
        let switch = life.ledger.playbook_switch(&PlaybookName::new("ai-worker")).await.unwrap();
        switch.paused.is_some()
    };
    team.task("One").await;
    life.run("ai-worker").await;
    assert!(!paused().await);
    store.refuse("paused:ai-worker");
    team.task("Two").await;
    life.run("ai-worker").await;
    assert_eq!((paused().await, told(&life, "paused:").await), (false, 0), "neither of both");
    store.take_all();
    team.task("Three").await;
    life.run("ai-worker").await;
    assert_eq!((paused().await, told(&life, "paused:").await), (true, 1));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_occurrence_is_over_when_what_it_came_to_is_told_and_not_before() {
    let (team, store) = team(&[], &[QUICK]).await;
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    store.refuse("report:ai-worker");
    life.run("ai-worker").await;
    assert_eq!(life.the_run(task).await.reason, Some(Reason::HandedOver));
    let open = life.ledger.open_occurrences().await.unwrap();
    assert_eq!((open.len(), told(&life, "report:").await), (1, 0), "{open:#?}");
    drop(life);
    store.take_all();
    let life = team.start().await;
    life.work().await;
    assert!(life.ledger.open_occurrences().await.unwrap().is_empty());
    assert_eq!(told(&life, "report:").await, 1);
    assert_eq!(life.runs(task).await.len(), 1, "the work itself is done once");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_given_up_with_the_alarm_about_it_or_waits_on() {
    let (mut team, store) = team(&[], &[]).await;
    let (ops, log) = (Channel::Slack("ops".into()), Channel::File("log".into()));
    let (to_ops, to_log) = (Mailbox::new(Duration::ZERO), Mailbox::new(Duration::ZERO));
    team.channels.insert(ops.clone(), Arc::clone(&to_ops) as _);
    team.channels.insert(log, Arc::clone(&to_log) as _);
    let life = team.start().await;
    to_ops.always(Turn::Refuse);
    store.refuse("dead-letters:");
    life.ledger.enqueue(vec![notice(&ops, "1", "1", team.clock.wall())]).await.unwrap();
    life.daemon.deliver().await;
    let dead = async || life.ledger.dead_letters(9).await.unwrap().len();
    assert_eq!((dead().await, told(&life, "dead-letters:").await), (0, 0));
    assert_eq!(life.ledger.queue(&ops, 9).await.unwrap().len(), 1, "it waits");
    store.take_all();
    team.clock.advance(Duration::from_mins(1));
    life.daemon.deliver().await;
    life.daemon.deliver().await;
    assert_eq!((dead().await, told(&life, "dead-letters:").await), (1, 1));
    assert_eq!(to_log.texts().len(), 1);
    life.stop().await;
}
