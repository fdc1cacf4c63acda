//! The daemons that share the store, for people: which there are, and which take no new work.

use super::Daemon;
use super::brief::text_of;
use super::dispatcher::failed;
use super::event::Event;
use super::parts::Parts;
use super::presence::hashes;
use crate::domain::{DaemonId, PlaybookName, Run, Value};
use crate::ledger::{Drained, KnownDaemon, LedgerError, NEWER, OwnPlaybooks};
use crate::tools::desk::{DeskError, Fleet};
use async_trait::async_trait;

/// How a daemon stands, in a word.
fn state_of(known: &KnownDaemon) -> &'static str {
    match (&known.record.left, known.is_there, &known.drained) {
        (Some(_), _, _) => "left",
        (None, false, _) => "gone",
        (None, true, Some(_)) => "drained",
        (None, true, None) => "there",
    }
}

fn runs_of(daemon: &DaemonId, running: &[Run]) -> Value {
    let own = running.iter().filter(|run| run.daemon.as_ref() == Some(daemon));
    Value::from(i64::try_from(own.count()).unwrap_or(i64::MAX))
}

fn drained_by(drained: Option<&Drained>) -> Value {
    drained.map(|drained| format!("{} at {}", drained.by, text_of(drained.at))).into()
}

/// Which playbooks have another text there than here; `None`: nobody knows, or none has.
fn differing(told: &[OwnPlaybooks], here: &OwnPlaybooks, there: &DaemonId) -> Option<String> {
    let there = told.iter().find(|told| told.daemon == *there)?;
    let is_other = |(name, hash): &(&PlaybookName, &String)| {
        here.hashes.get(*name).is_some_and(|own| own != *hash)
    };
    let names = there.hashes.iter().filter(is_other).map(|(name, _)| name.as_str());
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| format!("differ from {}: {}", here.daemon, names.join(", ")))
}

fn shown(known: &KnownDaemon, running: &[Run], differing: Option<String>) -> Value {
    let record = &known.record;
    let seconds = known.seen_ago.and_then(|ago| i64::try_from(ago.as_secs()).ok());
    let version = if known.is_newer {
        format!("{} (written by {NEWER})", record.version)
    } else {
        record.version.clone()
    };
    let since = (!known.is_newer).then(|| text_of(record.since));
    Value::map([
        ("daemon", Value::from(record.id.as_str())),
        ("state", state_of(known).into()),
        ("runs", runs_of(&record.id, running)),
        ("slots", record.slots.into()),
        ("labels", record.labels.clone().into()),
        ("version", version.into()),
        ("since", since.into()),
        ("seen_seconds_ago", seconds.into()),
        ("drained", drained_by(known.drained.as_ref())),
        ("playbooks", differing.into()),
    ])
}

/// One that shares its store with nobody.
async fn alone(parts: &Parts, daemon: &Daemon, running: &[Run]) -> Result<Value, LedgerError> {
    let (settings, drained) = (&parts.settings, parts.ledger.drained().await?);
    Ok(Value::map([
        ("daemon", Value::from(settings.daemon.as_str())),
        ("state", Value::from(if drained.is_some() { "drained" } else { "there" })),
        ("runs", runs_of(&settings.daemon, running)),
        ("slots", settings.slots.into()),
        ("labels", settings.labels.clone().into()),
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("since", text_of(daemon.since).into()),
        ("seen_seconds_ago", Value::Int(0)),
        ("drained", drained_by(drained.as_ref())),
        ("playbooks", Value::Null),
    ]))
}

#[async_trait]
impl Fleet for Daemon {
    async fn daemons(&self) -> Result<Value, DeskError> {
        let ledger = &self.parts.ledger;
        let running = ledger.running().await.map_err(failed)?;
        let items = if ledger.is_shared() {
            let mut known = ledger.daemons().await.map_err(failed)?;
            // Of a command that has ended there is nothing to say.
            known.retain(|known| known.is_there || !known.record.id.is_by_hand());
            let told = ledger.told_playbooks().await.map_err(failed)?;
            let (daemon, hashes) = (self.parts.settings.daemon.clone(), hashes(&self.parts));
            let here = OwnPlaybooks { daemon, hashes };
            let shown = |known: &KnownDaemon| {
                shown(known, &running, differing(&told, &here, &known.record.id))
            };
            known.iter().map(shown).collect()
        } else if self.scheduling {
            vec![alone(&self.parts, self, &running).await.map_err(failed)?]
        } else {
            Vec::new()
        };
        Ok(Value::map([("items", Value::List(items))]))
    }

    async fn drain_daemon(
        &self,
        daemon: &DaemonId,
        drained: bool,
        by: &str,
    ) -> Result<Value, DeskError> {
        let done = self.parts.ledger.drain_daemon(daemon, drained, by).await;
        let changed = done.map_err(|error| match error {
            LedgerError::NotFound { what } => {
                DeskError::NotFound(format!("there is no {what}; listDaemons says which there are"))
            }
            error => failed(error),
        })?;
        // This one looks at once; the others when they hear of it.
        let _ = self.events.try_send(Event::Tick(None));
        Ok(Value::map([
            ("daemon", Value::from(daemon.as_str())),
            ("drained", drained.into()),
            ("changed", changed.into()),
        ]))
    }
}
