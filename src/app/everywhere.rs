//! What is said to all daemons that share a store, from a place where none of them runs.

use super::{failures, open, people, postgres};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::Place;
use crate::clock::{Clock as _, Entropy as _, ServerClock, SystemClock, SystemEntropy};
use crate::config::{Config, StoreConfig};
use crate::domain::{BoardName, DaemonId, LifeId, Value};
use crate::ledger::stop::Stopped;
use crate::ledger::{KnownDaemon, Ledger, LedgerError, LedgerOptions, export};
use crate::postgres::PostgresOptions;
use crate::store::postgres::PostgresStore;
use std::sync::Arc;

/// The store that daemons share, and the clock of its server: what is noted there is noted by that one.
struct Shared {
    store: Arc<PostgresStore>,
    clock: Arc<ServerClock>,
    ledger: Ledger,
}

impl Shared {
    /// With a ledger for whoever types.
    async fn open(config: &Config, named: &PostgresOptions) -> Result<Self, Failure> {
        let (store, clock) = postgres::store_and_clock(named, &SystemClock::shared()).await?;
        let store = Arc::new(store);
        let daemon = config.daemon.id.clone().unwrap_or_else(open::host_name);
        let nonce = SystemEntropy.nonce();
        let options = LedgerOptions {
            board: BoardName::new(config.board_name.clone()),
            daemon: DaemonId::new(daemon).by_hand(&nonce),
            life: LifeId::new(format!("life-{nonce}")),
            margin: config.claims.margin,
            epoch: 0,
        };
        let entropy = Arc::new(SystemEntropy);
        let ledger =
            Ledger::new(Arc::clone(&store) as _, Arc::clone(&clock) as _, entropy, options);
        Ok(Self { store, clock, ledger })
    }
}

fn unsaid(error: &LedgerError) -> Failure {
    let message = "the store that daemons share did not take it";
    if error.is_of_newer() {
        return Failure::new(FailureKind::State, message)
            .because(error)
            .hint("start the newer program: what it wrote is left to it");
    }
    Failure::new(FailureKind::Unreachable, message)
        .because(error)
        .hint("`rota doctor` says how the server is")
}

/// Stops everything at all of them (`Some`: why), or lets it start again; whether any share a store.
pub(super) async fn stop(place: &Place, reason: Option<&str>) -> Result<bool, Failure> {
    let config = open::config(place)?;
    let StoreConfig::Postgres(named) = &config.store else { return Ok(false) };
    let shared = Shared::open(&config, named).await?;
    let (by, at) = (people::typist(), shared.clock.wall());
    let stopped =
        reason.map(|reason| Stopped { by: by.clone(), reason: reason.to_owned(), at: Some(at) });
    let done = shared.ledger.set_stopped(stopped, &by).await;
    done.map_err(|error| unsaid(&error))?;
    Ok(true)
}

/// Begins a new epoch where a database was put back by its own means.
pub(super) async fn new_epoch(place: &Place) -> Result<Value, Failure> {
    let config = open::config(place)?;
    let StoreConfig::Postgres(named) = &config.store else {
        let message = "[store] of the configuration is not on PostgreSQL";
        return Err(Failure::new(FailureKind::Usage, message)
            .hint("a state folder is put back with `rota restore FILE`"));
    };
    open::make_state(&place.state)?;
    // The copy may say nothing of a daemon of this place that is at work all the same.
    let folder = open::store_options(&config).folder(&place.state);
    let life = LifeId::new(format!("restore-{}", SystemEntropy.nonce()));
    let _lock = postgres::lock(&folder, &life, &SystemClock::shared())?;
    let Shared { store, clock, ledger } = Shared::open(&config, named).await?;
    let daemons = ledger.daemons().await.map_err(|error| unsaid(&error))?;
    if let Some(there) = daemons.iter().find(|known| known.is_there) {
        let id = &there.record.id;
        let message = format!("daemon {id} is at work on this store, or was a moment ago");
        return Err(Failure::new(FailureKind::Refused, message)
            .hint("end all daemons first: one that ended in disorder counts as gone in a minute"));
    }
    let by = people::typist();
    let begun = export::begin_epoch(&*store, &place.state, &by, &clock).await;
    let epoch = begun.map_err(|error| failures::export(&error))?;
    let noted = ledger.audit(&by, "new-epoch", &format!("epoch {epoch}")).await;
    noted.map_err(|error| unsaid(&error))?;
    // One that came between the look and the commit goes on in the epoch before.
    let came: Vec<KnownDaemon> = ledger.daemons().await.unwrap_or_default();
    let came = came.into_iter().filter(|known| known.is_there);
    let came: Vec<String> = came.map(|known| known.record.id.to_string()).collect();
    Ok(Value::map([
        ("epoch", Value::from(epoch)),
        ("stopped", true.into()),
        ("by", by.into()),
        ("at_work", came.into()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn what_a_newer_rota_wrote_is_no_server_that_is_away() {
        let (key, source) = ("stopped".to_owned(), "rota is 2".into());
        let failure = unsaid(&LedgerError::Store(StoreError::Newer { key, source }));
        assert_eq!((failure.kind, failure.kind.exit_code()), (FailureKind::State, 6));
        assert!(failure.hints[0].contains("start the newer program"), "{failure:?}");
        let failure = unsaid(&LedgerError::Store(StoreError::Failed("it is away".into())));
        assert_eq!(failure.kind, FailureKind::Unreachable);
    }
}
