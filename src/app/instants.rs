//! What `rota doctor` says of the ledger: every planned instant of the last days ended as *ran* or
//! *skipped*, and every message was told.

use super::doctor::finding;
use super::{check, open};
use crate::app::house::{Finding, Health, Place};
use crate::clock::{Clock, SystemClock, SystemEntropy};
use crate::config::{Config, StoreConfig};
use crate::daemon::Accounts;
use crate::domain::{BoardName, DaemonId, LifeId, PlaybookName, Timestamp, to_delta};
use crate::ledger::export::needs_restore;
use crate::ledger::{Ledger, LedgerOptions, OwnPlaybooks};
use crate::postgres::PostgresOptions;
use crate::schedule::Discrepancy;
use crate::store::{self, Store, StoreError};
use crate::template::Templates;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// So far back it is looked.
const SPAN: Duration = Duration::from_hours(7 * 24);

/// What is looked at.
const WHAT: &str = "occurrences";

/// At most so many messages are counted.
const MESSAGES_MAX: usize = 1_000;

/// Nothing where there is no ledger yet, or none that could be read before it is restored.
pub(super) async fn examine(place: &Place, config: &Config) -> Vec<Finding> {
    let (clock, life) = (SystemClock::shared(), LifeId::new("doctor"));
    let store = match &config.store {
        StoreConfig::Postgres(named) => shared(named).await,
        StoreConfig::Sled { .. } | StoreConfig::Memory => own(place, config, &life, &clock),
    };
    let store = match store {
        Ok(store) => store,
        Err(findings) => return findings,
    };
    let options = LedgerOptions {
        board: BoardName::new(config.board_name.clone()),
        daemon: DaemonId::new("doctor"),
        life,
        margin: config.claims.margin,
        epoch: 0,
    };
    let ledger = Ledger::new(store, Arc::clone(&clock), Arc::new(SystemEntropy), options);
    let now = clock.wall();
    of_ledger(&ledger, config, now).await
}

/// The store in the state folder; what is to be said where it is not looked at.
fn own(
    place: &Place,
    config: &Config,
    life: &LifeId,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, Vec<Finding>> {
    let options = open::store_options(config);
    let folder = options.folder(&place.state);
    if !folder.exists() || needs_restore(&place.state, &folder) {
        return Err(Vec::new());
    }
    if let Err(moved) = super::moved::refuse(&place.state) {
        let hint = moved.hints.first().map_or("", String::as_str);
        return Err(vec![finding(WHAT, Health::Fail, moved.message, hint)]);
    }
    store::open::open(&options, &place.state, life, Arc::clone(clock)).map_err(|error| {
        vec![match error {
            StoreError::Locked { .. } => {
                finding(WHAT, Health::Ok, "not counted: a daemon has the ledger open", "")
            }
            error => {
                let advice = "see docs/operations.md, \"The ledger is damaged, or gone\"";
                finding(WHAT, Health::Fail, error.to_string(), advice)
            }
        }]
    })
}

/// The store of a server, unless nobody made it yet.
async fn shared(named: &PostgresOptions) -> Result<Arc<dyn Store>, Vec<Finding>> {
    if !super::postgres::has_tables(named, "store").await {
        return Err(Vec::new());
    }
    super::postgres::store(named).await.map_err(|failure| {
        vec![finding(WHAT, Health::Fail, failure.message, "see docs/scaling.md")]
    })
}

/// The same of one that is open.
pub(super) async fn of_ledger(ledger: &Ledger, config: &Config, now: Timestamp) -> Vec<Finding> {
    let (templates, _) = Templates::load(&config.templates, None);
    let playbooks = check::library(config, config.agents.clone(), Arc::new(templates)).all();
    // What was forgotten on purpose is no hole.
    let since = now - to_delta(SPAN.min(config.keep));
    let found = Accounts::of(ledger, playbooks.iter().map(AsRef::as_ref), since).await;
    let instants = match found {
        Ok(found) => told(&found),
        Err(error) => finding(WHAT, Health::Fail, error.to_string(), "see docs/operations.md"),
    };
    let mut findings = vec![instants, messages(ledger).await];
    findings.extend(playbooks_of_daemons(ledger).await);
    findings
}

/// Whether daemons that share the store have the same playbooks; nothing where none told which it has.
async fn playbooks_of_daemons(ledger: &Ledger) -> Vec<Finding> {
    let what = "playbooks of daemons";
    let (told, daemons) = match tokio::try_join!(ledger.told_playbooks(), ledger.daemons()) {
        Ok(found) => found,
        Err(error) => {
            return vec![finding(what, Health::Fail, error.to_string(), "see docs/scaling.md")];
        }
    };
    let is_there = |own: &&OwnPlaybooks| {
        daemons.iter().any(|known| known.is_there && known.record.id == own.daemon)
    };
    let told: Vec<&OwnPlaybooks> = told.iter().filter(is_there).collect();
    if told.len() < 2 {
        return Vec::new();
    }
    let differing = differing(&told);
    if differing.is_empty() {
        return vec![finding(what, Health::Ok, "the same at all that are there", "")];
    }
    let advice = "give all daemons the same files: whichever comes first runs its own";
    differing.into_iter().map(|text| finding(what, Health::Warn, text, advice)).collect()
}

/// Each playbook that has different texts, and at which two daemons.
fn differing(told: &[&OwnPlaybooks]) -> Vec<String> {
    let mut first: BTreeMap<&PlaybookName, (&str, &DaemonId)> = BTreeMap::new();
    let mut found: BTreeMap<&PlaybookName, String> = BTreeMap::new();
    for own in told {
        for (name, hash) in &own.hashes {
            let (known, daemon) = *first.entry(name).or_insert((hash.as_str(), &own.daemon));
            if known != hash {
                let text = format!("playbook {name} differs between {daemon} and {}", own.daemon);
                found.entry(name).or_insert(text);
            }
        }
    }
    found.into_values().collect()
}

/// What could not be told and was given up.
async fn messages(ledger: &Ledger) -> Finding {
    let what = "messages";
    match ledger.count_dead_letters(MESSAGES_MAX).await {
        Ok(0) => finding(what, Health::Ok, "none was given up", ""),
        Ok(count) => {
            let advice = "`rota outbox list` shows them, `rota outbox retry` sends them again";
            finding(what, Health::Warn, format!("{count} could not be told"), advice)
        }
        Err(error) => finding(what, Health::Fail, error.to_string(), "see docs/operations.md"),
    }
}

fn told(found: &Accounts) -> Finding {
    let Some((playbook, first)) = &found.first else {
        let text = format!("{} instants of the last 7 days accounted for", found.instants);
        let cut =
            |text: String, name: &PlaybookName| text + "; of " + name.as_str() + " the latest";
        let text = found.cut.iter().fold(text, cut);
        return finding(WHAT, Health::Ok, text, "");
    };
    let text = format!("{playbook}: {} ({} such places in all)", described(first), found.wrong);
    let advice = "nothing says what became of it: look at the board and the log of that time";
    finding(WHAT, Health::Warn, text, advice)
}

fn described(discrepancy: &Discrepancy) -> String {
    let at = |at: &Timestamp| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    match discrepancy {
        Discrepancy::Hole { first, count } => {
            format!("{count} planned instants without a record, the first {}", at(first))
        }
        Discrepancy::Double { planned, count } => {
            format!("{count} instants recorded twice, from {}", at(planned))
        }
        Discrepancy::Unplanned { planned } => {
            format!("a record of {}, which was not planned", at(planned))
        }
        Discrepancy::Miscounted { planned, said, count } => {
            format!("a record of {} stands for {said} instants and not {count}", at(planned))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(daemon: &str, playbooks: &[(&str, &str)]) -> OwnPlaybooks {
        let hash = |(name, hash): &(&str, &str)| (PlaybookName::new(*name), (*hash).to_owned());
        OwnPlaybooks { daemon: DaemonId::new(daemon), hashes: playbooks.iter().map(hash).collect() }
    }

    #[test]
    fn a_playbook_differs_where_two_daemons_have_different_texts_of_it() {
        let one = has("d1", &[("digest", "a"), ("worker", "b"), ("own", "c")]);
        let two = has("d2", &[("digest", "a"), ("worker", "x")]);
        let three = has("d3", &[("worker", "b")]);
        assert_eq!(differing(&[&one, &three]), [""; 0]);
        assert_eq!(differing(&[&one, &two, &three]), ["playbook worker differs between d1 and d2"]);
    }
}
