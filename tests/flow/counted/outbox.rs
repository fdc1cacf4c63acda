//! The outbox of a channel that fails: what waits rises, and drains.

use super::counting;
use crate::support::counted::Counted;
use crate::support::daemon::{ADA, Life, Team};
use crate::support::mailbox::{Mailbox, Turn};
use rota::clock::Clock as _;
use rota::domain::{Body, Channel, Delivery, Notice, Receipt};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

async fn tell(team: &Team, life: &Life, keys: &[&str]) {
    let created = team.clock.wall();
    let notice = |key: &&str| Notice {
        key: (*key).to_owned(),
        to: Channel::Slack("ops".into()),
        body: Body { text: (*key).to_owned(), ..Body::default() },
        created,
        delivery: Delivery::Pending { attempts: 0, not_before: created, last_error: None },
        replaces: false,
        revision: 0,
        place: 0,
        parts: 0,
        receipt: Receipt::default(),
        is_alarm: false,
    };
    life.ledger.enqueue(keys.iter().map(notice).collect()).await.unwrap();
}

/// What waits for Slack, since how many seconds, and what was given up.
async fn outbox(counted: &Counted, life: &Life) -> (u64, f64, u64) {
    life.daemon.measure().await;
    let waiting = counted.count("rota_outbox_waiting{channel=\"slack\"}");
    let oldest = counted.sample("rota_outbox_oldest_seconds").floor();
    (waiting, oldest, counted.count("rota_outbox_given_up"))
}

fn parts(counted: &Counted, result: &str) -> u64 {
    counted.count(&format!("rota_notices_total{{channel=\"slack\",result=\"{result}\"}}"))
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_channel_that_fails_is_told_until_it_is_delivered_or_given_up() {
    let counted = Counted::begin();
    let mut team = Team::new().await;
    let to_ops = Mailbox::new(Duration::ZERO);
    team.channels.insert(Channel::Slack("ops".into()), Arc::clone(&to_ops) as _);
    let life = counting(&team).await;
    assert_eq!(outbox(&counted, &life).await, (0, 0.0, 0));
    to_ops.will([Turn::Pass]);
    tell(&team, &life, &["1", "2"]).await;
    life.daemon.deliver().await;
    tell(&team, &life, &["3"]).await;
    team.clock.advance(Duration::from_secs(5));
    assert_eq!(outbox(&counted, &life).await, (3, 5.0, 0));
    assert_eq!((parts(&counted, "failed"), parts(&counted, "delivered")), (1, 0));
    team.clock.advance(Duration::from_mins(1));
    life.daemon.deliver().await;
    assert_eq!(outbox(&counted, &life).await, (0, 0.0, 0));
    assert_eq!((parts(&counted, "failed"), parts(&counted, "delivered")), (1, 3));

    to_ops.will([Turn::Refuse]);
    tell(&team, &life, &["4"]).await;
    life.daemon.deliver().await;
    assert_eq!(outbox(&counted, &life).await, (0, 0.0, 1));
    assert_eq!(parts(&counted, "given_up"), 1);
    let ada = team.person(ADA).await;
    life.call(&ada, "retryOutbox", json!({})).await.unwrap();
    life.daemon.deliver().await;
    assert_eq!(outbox(&counted, &life).await, (0, 0.0, 0));
    assert_eq!((parts(&counted, "given_up"), parts(&counted, "delivered")), (1, 4));
    life.stop().await;
}
