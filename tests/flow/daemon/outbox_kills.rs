//! A thousand notices, and whoever carries them dies again and again: none is lost, none comes twice by
//! its key, and none overtakes another.

use super::outbox::notice;
use crate::support::daemon::Team;
use crate::support::mailbox::{Deaths, Mailbox, Turn};
use rota::clock::Clock as _;
use rota::domain::Channel;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const NOTICES: usize = 1_000;

/// Random numbers that a seed repeats (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What is told to a channel: keys, each with the texts of its parts.
type Said = BTreeMap<Channel, Vec<(String, Vec<String>)>>;

fn said(channels: &[Channel]) -> Said {
    let mut said = Said::new();
    for n in 0..NOTICES {
        let channel = channels[n % channels.len()].clone();
        // Some have several parts.
        let parts = (0..=n % 3).map(|part| format!("{n}.{part}")).collect();
        said.entry(channel).or_default().push((format!("fact {n}"), parts));
    }
    said
}

/// Whoever knows keys and parts hears each once, in the order in which they were said; how many came
/// again.
fn heard(channel: &Channel, mailbox: &Mailbox, said: &[(String, Vec<String>)]) -> usize {
    let mut repeated = 0;
    let mut seen: Vec<(String, usize, String)> = Vec::new();
    for taken in mailbox.taken() {
        let one = (taken.key, taken.part, taken.text);
        if seen.contains(&one) {
            assert_eq!(seen.last(), Some(&one), "only what was under way comes again");
            repeated += 1;
        } else {
            seen.push(one);
        }
    }
    let expected: Vec<_> = said
        .iter()
        .flat_map(|(key, parts)| {
            parts.iter().enumerate().map(|(nth, text)| (key.clone(), nth, text.clone()))
        })
        .collect();
    assert_eq!(seen, expected, "{channel}");
    repeated
}

#[test]
fn of_a_thousand_notices_none_is_lost_and_none_comes_twice_by_its_key_however_often_one_dies() {
    let outer = runtime();
    let mut team = outer.block_on(Team::new());
    let channels = [Channel::Stdout, Channel::File("log".into()), Channel::Slack("ops".into())];
    let deaths: Arc<Deaths> = Arc::default();
    let mailbox = || Mailbox::among(Duration::ZERO, &deaths);
    let mailboxes: BTreeMap<Channel, Arc<Mailbox>> =
        channels.iter().map(|channel| (channel.clone(), mailbox())).collect();
    for (channel, mailbox) in &mailboxes {
        team.channels.insert(channel.clone(), Arc::clone(mailbox) as _);
    }
    let said = said(&channels);
    let mut left: Vec<_> = said
        .iter()
        .flat_map(|(channel, all)| all.iter().map(move |(key, parts)| (channel, key, parts)))
        .map(|(channel, key, parts)| notice(channel, key, &parts.join("|"), team.clock.wall()))
        .collect();
    let order: BTreeMap<&str, usize> = said
        .values()
        .flat_map(|all| all.iter().enumerate().map(|(nth, (key, _))| (key.as_str(), nth)))
        .collect();
    left.sort_by_key(|notice| order[notice.key.as_str()]);
    let mut random = Random(20_261_130);
    let mut kills = 0;
    loop {
        let life = runtime();
        let is_done = life.block_on(async {
            let life = team.start().await;
            // A few more facts; also those that were stored and not told yet are stored again.
            let count = left.len().min(20);
            let some: Vec<_> = left.drain(..count).collect();
            life.ledger.enqueue(some.clone()).await.unwrap();
            life.ledger.enqueue(some).await.unwrap();
            let victim = &mailboxes[&channels[usize::try_from(random.below(3)).unwrap()]];
            let mut turns = vec![Turn::Take; usize::try_from(random.below(25)).unwrap()];
            let dies_after = random.below(2) == 0;
            turns.push(if dies_after { Turn::DieAfter } else { Turn::DieBefore });
            victim.will(turns);
            tokio::select! {
                () = deaths.now.notified() => {
                    kills += 1;
                    false
                }
                _ = life.daemon.deliver() => {
                    let waits = life.ledger.queues(9).await.unwrap();
                    left.is_empty() && waits.is_empty()
                }
            }
        });
        // Whoever is at work is gone at once, with everything that was not written down.
        life.shutdown_timeout(Duration::from_secs(10));
        if is_done {
            break;
        }
    }
    let after = deaths.after.load(Ordering::SeqCst);
    println!("{NOTICES} notices, {kills} kills, {after} of them after a part was taken");
    assert!(kills >= 20, "{kills} kills");
    let repeated = mailboxes.iter().map(|(channel, it)| heard(channel, it, &said[channel])).sum();
    // On each lane one part is under way at a time.
    assert!(
        (after..=kills * channels.len()).contains::<usize>(&repeated),
        "{after} {kills} {repeated}"
    );
}
