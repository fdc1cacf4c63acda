//! What is said to all daemons that share a store, from a place where none of them runs.

use super::{failures, open, people, postgres};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::Place;
use crate::clock::{Clock, Entropy as _, SystemClock, SystemEntropy};
use crate::config::{Config, StoreConfig};
use crate::domain::{BoardName, DaemonId, LifeId, Value};
use crate::ledger::stop::Stopped;
use crate::ledger::{Ledger, LedgerError, LedgerOptions, export};
use crate::store::Store;
use std::sync::Arc;

/// The store that daemons share, if they share one.
async fn shared(place: &Place) -> Result<Option<(Config, Arc<dyn Store>)>, Failure> {
    let config = open::config(place)?;
    let StoreConfig::Postgres(named) = &config.store else { return Ok(None) };
    let store = postgres::store(named).await?;
    Ok(Some((config, store)))
}

/// Its ledger, for whoever types.
fn ledger(config: &Config, store: Arc<dyn Store>) -> Ledger {
    let daemon = config.daemon.id.clone().unwrap_or_else(open::host_name);
    let nonce = SystemEntropy.nonce();
    let options = LedgerOptions {
        board: BoardName::new(config.board_name.clone()),
        daemon: DaemonId::new(daemon).by_hand(&nonce),
        life: LifeId::new(format!("life-{nonce}")),
        margin: config.claims.margin,
        epoch: 0,
    };
    Ledger::new(store, SystemClock::shared(), Arc::new(SystemEntropy), options)
}

fn unsaid(error: &LedgerError) -> Failure {
    let message = "the store that daemons share did not take it";
    Failure::new(FailureKind::Unreachable, message)
        .because(error)
        .hint("`rota doctor` says how the server is")
}

/// Stops everything at all of them (`Some`: why), or lets it start again; whether any share a store.
pub(super) async fn stop(place: &Place, reason: Option<&str>) -> Result<bool, Failure> {
    let Some((config, store)) = shared(place).await? else { return Ok(false) };
    let (by, at) = (people::typist(), SystemClock::new().wall());
    let stopped =
        reason.map(|reason| Stopped { by: by.clone(), reason: reason.to_owned(), at: Some(at) });
    let done = ledger(&config, store).set_stopped(stopped, &by).await;
    done.map_err(|error| unsaid(&error))?;
    Ok(true)
}

/// Begins a new epoch where a database was put back by its own means.
pub(super) async fn new_epoch(place: &Place) -> Result<Value, Failure> {
    let Some((config, store)) = shared(place).await? else {
        let message = "[store] of the configuration is not on PostgreSQL";
        return Err(Failure::new(FailureKind::Usage, message)
            .hint("a state folder is put back with `rota restore FILE`"));
    };
    open::make_state(&place.state)?;
    let ledger = ledger(&config, Arc::clone(&store));
    let daemons = ledger.daemons().await.map_err(|error| unsaid(&error))?;
    if let Some(there) = daemons.iter().find(|known| known.is_there) {
        let id = &there.record.id;
        let message = format!("daemon {id} is at work on this store, or was a moment ago");
        return Err(Failure::new(FailureKind::Refused, message)
            .hint("end all daemons first: one that ended in disorder counts as gone in a minute"));
    }
    let by = people::typist();
    let clock = SystemClock::new();
    let begun = export::begin_epoch(store.as_ref(), &place.state, &by, &clock).await;
    let epoch = begun.map_err(|error| failures::export(&error))?;
    let noted = ledger.audit(&by, "new-epoch", &format!("epoch {epoch}")).await;
    noted.map_err(|error| unsaid(&error))?;
    Ok(Value::map([("epoch", Value::from(epoch)), ("stopped", true.into()), ("by", by.into())]))
}
