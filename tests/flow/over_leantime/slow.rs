//! A Leantime that takes ten requests a minute, as those before 3.9.7 do: slow, and nothing fails.

use super::{LABELS, WORKER};
use crate::support::leantime::Options as Fake;
use crate::support::office::{Between, Office};
use crate::support::playbooks::QUICK;
use crate::support::stepped::Stepped;
use rota::domain::*;
use rota::model::Model;
use rota::model::scripted::ScriptedModel;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Playbooks, each with its tag.
const PLAYBOOKS: [(&str, &str); 3] =
    [("ai-worker", "AI-Suitable"), ("ai-writer", "Docs"), ("ai-tester", "Test")];
const TICKETS: usize = 30;
/// A lease is 60 s and is renewed every 20: with less than this left, a renewal is late.
const LEFT_MIN: Duration = Duration::from_secs(35);

#[tokio::test]
async fn at_ten_requests_a_minute_three_playbooks_work_off_thirty_tickets_and_no_renewal_is_late() {
    let stepped = Stepped::begin();
    let fake = Fake { rate_per_minute: Some(10), ..Fake::default() };
    let office = Office::new(fake).await;
    let tickets: Vec<i64> = (0..TICKETS)
        .map(|number| {
            let ticket = office.ticket(&format!("Number {number}"));
            let (_, tag) = PLAYBOOKS[number % PLAYBOOKS.len()];
            office.fake.as_person(office.hugo).edit(ticket, "tags", json!(tag));
            ticket
        })
        .collect();
    for (name, tag) in PLAYBOOKS {
        let on = ("[select]", "[on]\nevery = \"2m\"\n[select]");
        let tag = format!("\"{tag}\"");
        let replace = [LABELS, &[("\"AI-Suitable\"", tag.as_str()), on]].concat();
        office.playbook(name, WORKER, &replace);
    }
    let home = office.home("laptop");
    let model: Arc<dyn Model> = Arc::new(ScriptedModel::from_toml("worker", QUICK).unwrap());
    let board = office.board(&home, |options| options.requests_per_minute = 120);
    let life = office.start_by_itself(&home, &model, board, Between::default());
    let life = Box::pin(stepped.until(&office, life)).await;
    let is_done = |ticket: &&i64| office.column(**ticket, "status") == "2";
    let (mut minutes, mut progress) = (0_u64, Vec::new());
    while progress.last() != Some(&TICKETS) {
        assert!(minutes < 120, "it took too long: {progress:?}");
        stepped
            .pass(&office, Duration::from_mins(10), async || {
                for claim in life.ledger.claims().await.unwrap() {
                    let held = life.ledger.holding(claim.task).await.unwrap();
                    let left =
                        held.filter(|(claim, _)| claim.holder.is_some()).map(|(_, left)| left);
                    assert!(
                        left.is_none_or(|left| left >= LEFT_MIN),
                        "a renewal is late: {left:?} {:?} {:?} now {:?}",
                        claim.task,
                        claim.phase,
                        office.fake.now()
                    );
                }
                false
            })
            .await;
        minutes += 10;
        progress.push(tickets.iter().filter(is_done).count());
    }
    let mut runs = Vec::new();
    for ticket in &tickets {
        runs.extend(life.runs(*ticket).await);
    }
    let failed: Vec<_> = runs.iter().filter(|run| run.state != RunState::Succeeded).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(runs.len(), TICKETS);
    let (requests, _) = office.fake.requests();
    let refused = office.fake.asked().iter().filter(|asked| asked.status == Some(429)).count();
    println!(
        "{minutes} minutes, {requests} requests, {refused} refused; every 10 minutes: {progress:?}"
    );
    assert!(progress.windows(2).all(|two| two[0] < two[1]), "it stood still: {progress:?}");
    assert!(refused <= 2, "{refused} requests were refused: the limit is learned once");
    office.is_careful();
}
