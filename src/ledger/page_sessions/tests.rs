//! How sessions begin, are renewed and end.

use super::*;
use crate::clock::{ManualClock, SeededEntropy};
use crate::domain::StoreTime;
use crate::domain::{BoardName, DaemonId, LifeId, from_millis};
use crate::ledger::LedgerOptions;
use crate::store::memory::MemoryStore;
use crate::store::{Row, Store, StoreError, Versioned};
use std::sync::Arc;

fn ledger() -> (Arc<ManualClock>, Ledger) {
    let clock = Arc::new(ManualClock::at(from_millis(1_000_000)));
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
    (Arc::clone(&clock), over(store, clock))
}

fn over(store: Arc<dyn Store>, clock: Arc<ManualClock>) -> Ledger {
    let options = LedgerOptions {
        board: BoardName::new("b"),
        daemon: DaemonId::new("d"),
        life: LifeId::new("l"),
        margin: Duration::ZERO,
        epoch: 0,
    };
    let entropy = Arc::new(SeededEntropy::new(7));
    Ledger::new(store, clock, entropy, options)
}

/// A store whose disk is full.
#[derive(Debug)]
struct Full(Arc<MemoryStore>);

#[async_trait::async_trait]
impl Store for Full {
    async fn get(&self, key: &str) -> crate::store::Result<Option<Versioned>> {
        self.0.get(key).await
    }

    async fn commit(&self, _: Batch) -> crate::store::Result<()> {
        Err(StoreError::Failed("the disk is full".into()))
    }

    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> crate::store::Result<Vec<Row>> {
        self.0.scan(prefix, after, limit).await
    }

    async fn now(&self) -> crate::store::Result<StoreTime> {
        self.0.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.0.now_at_most()
    }
}

async fn begun(ledger: &Ledger) -> SecretString {
    ledger.begin_page_session(PersonId(1), None, "Ada").await.unwrap()
}

#[tokio::test]
async fn a_link_counts_once_and_for_five_minutes() {
    let (clock, ledger) = ledger();
    let link = ledger.make_page_link(PersonId(1), "Ada").await.unwrap();
    let wrong = SecretString::from(format!("{}x", link.expose_secret()));
    assert_eq!(ledger.take_page_link(&wrong).await.unwrap(), None);
    assert_eq!(ledger.take_page_link(&link).await.unwrap(), Some(PersonId(1)));
    assert_eq!(ledger.take_page_link(&link).await.unwrap(), None, "it was used");
    let late = ledger.make_page_link(PersonId(1), "Ada").await.unwrap();
    clock.advance(LINK_LIFE);
    assert_eq!(ledger.take_page_link(&late).await.unwrap(), None, "it is too old");
}

/// The session of a secret, and the secret after it.
async fn seen(ledger: &Ledger, secret: &SecretString) -> Option<(PageSession, Option<String>)> {
    let (session, next) = ledger.page_session(secret).await.unwrap()?;
    Some((session, next.map(|next| next.expose_secret().to_owned())))
}

#[tokio::test]
async fn a_secret_is_renewed_while_it_is_used_and_the_one_before_ends_soon_after() {
    let (clock, ledger) = ledger();
    let first = begun(&ledger).await;
    let (session, next) = seen(&ledger, &first).await.unwrap();
    assert_eq!((session.person, next), (PersonId(1), None));
    clock.advance(RENEWED_AFTER);
    let (again, next) = seen(&ledger, &first).await.unwrap();
    assert_eq!(again.id, session.id, "it is the same session");
    let next = next.unwrap();
    assert_ne!(next, first.expose_secret());
    // The answer may never arrive: whoever has the one before is given the same one, however late.
    for _ in 0..3 {
        clock.advance(Duration::from_hours(1));
        assert_eq!(seen(&ledger, &first).await.unwrap().1.as_ref(), Some(&next));
    }
    let next = SecretString::from(next);
    assert!(seen(&ledger, &next).await.is_some(), "now it was seen");
    let (_, more) = seen(&ledger, &first).await.unwrap();
    assert!(more.is_none(), "what a page asked for meanwhile is answered, and renews nothing");
    clock.advance(OVERLAP);
    assert!(seen(&ledger, &first).await.is_none());
    assert!(seen(&ledger, &next).await.is_some());
    ledger.end_page_session(&next).await.unwrap();
    assert!(seen(&ledger, &next).await.is_none(), "signed out");
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_after_a_week_in_any_case() {
    let (clock, ledger) = ledger();
    let idle = begun(&ledger).await;
    clock.advance(RENEWED_AFTER.saturating_sub(Duration::from_secs(1)));
    assert!(seen(&ledger, &idle).await.is_some());
    clock.advance(IDLE_MAX.saturating_sub(Duration::from_secs(1)));
    assert!(seen(&ledger, &idle).await.is_some(), "it was used less than twelve hours ago");
    clock.advance(IDLE_MAX + RENEWED_AFTER);
    assert!(seen(&ledger, &idle).await.is_none());
    let mut used = begun(&ledger).await;
    let steps = SESSION_LIFE.as_secs() / 3_600 - 1;
    for hour in 0..steps {
        clock.advance(Duration::from_hours(1));
        let (_, next) = seen(&ledger, &used).await.unwrap_or_else(|| panic!("{hour}"));
        used = next.map_or(used, SecretString::from);
    }
    clock.advance(Duration::from_hours(1));
    assert!(seen(&ledger, &used).await.is_none());
}

#[tokio::test]
async fn one_person_has_so_many_sessions_and_may_end_them_all() {
    let (clock, ledger) = ledger();
    let other = ledger.begin_page_session(PersonId(2), None, "Bob").await.unwrap();
    let mut own = Vec::new();
    for _ in 0..SESSIONS_OF_ONE_MAX + 5 {
        clock.advance(Duration::from_secs(1));
        own.push(begun(&ledger).await);
    }
    assert!(seen(&ledger, &own[4]).await.is_none(), "the oldest made room");
    assert!(seen(&ledger, &own[5]).await.is_some());
    assert_eq!(ledger.page_sessions().await.unwrap().len(), SESSIONS_OF_ONE_MAX + 1);
    let (one, _) = seen(&ledger, &own[5]).await.unwrap();
    assert_eq!(ledger.end_page_sessions(PersonId(2), Some(&one.id), "Bob").await.unwrap(), 0);
    assert_eq!(ledger.end_page_sessions(PersonId(1), Some(&one.id), "Ada").await.unwrap(), 1);
    let rest = ledger.end_page_sessions(PersonId(1), None, "Ada").await.unwrap();
    assert_eq!(rest, SESSIONS_OF_ONE_MAX - 1);
    assert!(seen(&ledger, own.last().unwrap()).await.is_none());
    assert!(seen(&ledger, &other).await.is_some(), "another's stay");
}

#[tokio::test]
async fn no_secret_is_kept() {
    let (_, ledger) = ledger();
    let (link, session) =
        (ledger.make_page_link(PersonId(1), "Ada").await.unwrap(), begun(&ledger).await);
    let rows = ledger.store.scan("", None, 100).await.unwrap();
    assert!(rows.len() >= 4);
    for row in rows {
        let text = format!("{} {}", row.key, String::from_utf8_lossy(&row.value));
        for secret in [&link, &session] {
            let (_, chance) = secret.expose_secret().split_once('-').unwrap();
            assert!(!text.contains(chance), "{text}");
        }
    }
}

#[tokio::test]
async fn where_nothing_can_be_written_nobody_is_kept_out() {
    let clock = Arc::new(ManualClock::at(from_millis(1_000_000)));
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
    let secret = begun(&over(Arc::clone(&store) as _, Arc::clone(&clock))).await;
    let full = over(Arc::new(Full(store)), Arc::clone(&clock));
    clock.advance(RENEWED_AFTER);
    let (session, next) = seen(&full, &secret).await.unwrap();
    assert_eq!((session.person, next), (PersonId(1), None));
}
