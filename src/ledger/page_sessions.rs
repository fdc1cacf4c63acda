//! Who is signed in to the pages, and the links by which somebody signs in once.
//!
//! A secret has 256 bits of chance and is kept as its SHA-256; hashes are compared in constant time. What a
//! browser has is renewed while it is used: the secret before it still counts for a moment, because a
//! page asks for several things at once.

use super::records::{self, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{PersonId, Timestamp, TokenId, to_delta};
use crate::store::Batch;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// A link that nobody used for so long does not count any more.
pub const LINK_LIFE: Duration = Duration::from_mins(5);
/// A session that nobody used for so long is over.
pub const IDLE_MAX: Duration = Duration::from_hours(12);
/// A session is over then, however it was used.
pub const SESSION_LIFE: Duration = Duration::from_hours(7 * 24);
/// A secret is renewed when it is older.
pub const RENEWED_AFTER: Duration = Duration::from_mins(15);
/// The secret before still counts for so long.
const OVERLAP: Duration = Duration::from_mins(1);
/// At most so many are kept of each; the oldest make room.
const KEPT_MAX: usize = 1_000;
/// Longer texts are not looked at.
const SECRET_BYTES_MAX: usize = 128;

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageSession {
    /// Its name: not secret, the same as long as it lasts.
    pub id: String,
    /// Who it is.
    pub person: PersonId,
    /// The token that they signed in with, with which it ends; `None`: they came by a link.
    pub token: Option<TokenId>,
    /// What stands in every form: a page of another site cannot know it.
    pub mark: String,
    /// When they signed in.
    pub begun: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    session: PageSession,
    /// SHA-256 of the whole secret, in hex.
    hash: String,
    /// Since when that is it.
    since: Timestamp,
    /// The one before.
    previous: Option<Previous>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Previous {
    hash: String,
    until: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Link {
    hash: String,
    person: PersonId,
    made: Timestamp,
}

impl Kept {
    fn counts(&self, now: Timestamp) -> bool {
        now < self.since + to_delta(IDLE_MAX) && now < self.session.begun + to_delta(SESSION_LIFE)
    }
}

impl Ledger {
    /// Makes a link by which somebody signs in once, within [`LINK_LIFE`]. Its secret is in the answer
    /// and nowhere else.
    pub async fn make_page_link(&self, person: PersonId, by: &str) -> Result<SecretString> {
        let now = self.clock.wall();
        let is_over = |link: &Link| now >= link.made + to_delta(LINK_LIFE);
        for _ in 0..TRIES_MAX {
            let (id, secret) = self.page_secret();
            let link = Link { hash: hash_of(&secret), person, made: now };
            let batch = records::create(Batch::new(), &keys::page_link(&id), &link)?;
            let batch = self.without_old(batch, keys::PAGE_LINK, (is_over, |l| l.made)).await?;
            let detail = format!("user {person}");
            let (audited, _) = self.audit_batch(by, "make-sign-in-link", &detail).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(secret);
            }
        }
        Err(contended("the links"))
    }

    /// Uses a link up; who signs in by it. `None` for one that is unknown, used or too old: nobody is
    /// told which.
    pub async fn take_page_link(&self, secret: &SecretString) -> Result<Option<PersonId>> {
        let Some(id) = id_of(secret) else { return Ok(None) };
        let key = keys::page_link(id);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Link>(&key).await? else { return Ok(None) };
            let link = &found.value;
            let is_old = self.clock.wall() >= link.made + to_delta(LINK_LIFE);
            if is_old || !fits(secret, &link.hash) {
                return Ok(None);
            }
            if self.try_commit(records::remove(Batch::new(), &key, &found)).await? {
                return Ok(Some(link.person));
            }
        }
        Err(contended(key))
    }

    /// Somebody signs in: a new session with a new secret, which is in the answer and nowhere else.
    pub async fn begin_page_session(
        &self,
        (person, token): (PersonId, Option<TokenId>),
        by: &str,
    ) -> Result<SecretString> {
        let now = self.clock.wall();
        for _ in 0..TRIES_MAX {
            let (id, secret) = self.page_secret();
            let (mark, token) = (self.chance(), token.clone());
            let session = PageSession { id: id.clone(), person, token, mark, begun: now };
            let kept = Kept { session, hash: hash_of(&secret), since: now, previous: None };
            let batch = records::create(Batch::new(), &keys::page_session(&id), &kept)?;
            let is_over = |kept: &Kept| !kept.counts(now);
            let batch = self.without_old(batch, keys::PAGE_SESSION, (is_over, |k| k.since)).await?;
            let detail = match &kept.session.token {
                Some(token) => format!("user {person}, by token {token}"),
                None => format!("user {person}, by a link"),
            };
            let (audited, _) = self.audit_batch(by, "sign-in", &detail).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(secret);
            }
        }
        Err(contended("the sessions of pages"))
    }

    /// The session of a secret, with the next secret where it is time for one. `None` for one that is
    /// unknown or over.
    pub async fn page_session(
        &self,
        secret: &SecretString,
    ) -> Result<Option<(PageSession, Option<SecretString>)>> {
        let Some(id) = id_of(secret) else { return Ok(None) };
        let key = keys::page_session(id);
        let Some(found) = self.read::<Kept>(&key).await? else { return Ok(None) };
        let (kept, now) = (&found.value, self.clock.wall());
        let is_current = fits(secret, &kept.hash);
        let previous = kept.previous.as_ref().filter(|previous| now < previous.until);
        if !kept.counts(now) || !(is_current || previous.is_some_and(|p| fits(secret, &p.hash))) {
            return Ok(None);
        }
        let session = kept.session.clone();
        if !is_current || now < kept.since + to_delta(RENEWED_AFTER) {
            return Ok(Some((session, None)));
        }
        let next = SecretString::from(format!("{id}-{}", self.chance()));
        let previous = Some(Previous { hash: kept.hash.clone(), until: now + to_delta(OVERLAP) });
        let renewed = Kept { hash: hash_of(&next), since: now, previous, ..kept.clone() };
        let batch = records::replace(Batch::new(), &key, &renewed, Some(&found))?;
        // Where another request was quicker, that one brings the next secret.
        let is_ours = self.try_commit(batch).await?;
        Ok(Some((session, is_ours.then_some(next))))
    }

    /// A session by its name, while it lasts: whoever asks so was let in by its secret before.
    pub async fn page_session_named(&self, id: &str) -> Result<Option<PageSession>> {
        let found = self.read::<Kept>(&keys::page_session(id)).await?;
        let now = self.clock.wall();
        Ok(found.filter(|found| found.value.counts(now)).map(|found| found.value.session))
    }

    /// Somebody signs out everywhere: how many sessions of theirs ended.
    pub async fn end_page_sessions_of(&self, person: PersonId, by: &str) -> Result<usize> {
        for _ in 0..TRIES_MAX {
            let all: Vec<(String, Record<Kept>)> =
                records::scan_all(self.store.as_ref(), keys::PAGE_SESSION, 2 * KEPT_MAX).await?;
            let own = all.iter().filter(|(_, found)| found.value.session.person == person);
            let (mut batch, mut ended) = (Batch::new(), 0);
            for (key, found) in own {
                batch = records::remove(batch, key, found);
                ended += 1;
            }
            let detail = format!("user {person}, {ended} sessions");
            let (audited, _) = self.audit_batch(by, "sign-out-everywhere", &detail).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(ended);
            }
        }
        Err(contended("the sessions of pages"))
    }

    /// Somebody signs out; the session may be over already.
    pub async fn end_page_session(&self, secret: &SecretString) -> Result<()> {
        let Some(id) = id_of(secret) else { return Ok(()) };
        let key = keys::page_session(id);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Kept>(&key).await? else { return Ok(()) };
            let kept = &found.value;
            let previous = kept.previous.as_ref();
            if !fits(secret, &kept.hash) && !previous.is_some_and(|p| fits(secret, &p.hash)) {
                return Ok(());
            }
            if self.try_commit(records::remove(Batch::new(), &key, &found)).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Also removes those that are over, and the oldest where there would be too many.
    async fn without_old<T: serde::de::DeserializeOwned>(
        &self,
        mut batch: Batch,
        prefix: &str,
        (is_over, since): (impl Fn(&T) -> bool, impl Fn(&T) -> Timestamp),
    ) -> Result<Batch> {
        let all: Vec<(String, Record<T>)> =
            records::scan_all(self.store.as_ref(), prefix, 2 * KEPT_MAX).await?;
        let (over, mut live): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, found)| is_over(&found.value));
        live.sort_by_key(|(_, found)| since(&found.value));
        let surplus = (live.len() + 1).saturating_sub(KEPT_MAX);
        for (key, found) in over.iter().chain(live.iter().take(surplus)) {
            batch = records::remove(batch, key, found);
        }
        Ok(batch)
    }

    /// A name and a secret that begins with it.
    fn page_secret(&self) -> (String, SecretString) {
        let id = self.entropy.nonce();
        let secret = SecretString::from(format!("{id}-{}", self.chance()));
        (id, secret)
    }

    /// Four times 64 bits.
    fn chance(&self) -> String {
        (0..4).map(|_| self.entropy.nonce()).collect()
    }
}

fn id_of(secret: &SecretString) -> Option<&str> {
    let text = secret.expose_secret();
    let (id, _) = text.split_once('-').filter(|_| text.len() <= SECRET_BYTES_MAX)?;
    id.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(id)
}

fn hash_of(secret: &SecretString) -> String {
    keys::sha256(secret.expose_secret().as_bytes())
}

fn fits(secret: &SecretString, hash: &str) -> bool {
    bool::from(hash_of(secret).as_bytes().ct_eq(hash.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, SeededEntropy};
    use crate::domain::{BoardName, DaemonId, LifeId, from_millis};
    use crate::ledger::LedgerOptions;
    use crate::store::memory::MemoryStore;
    use std::sync::Arc;

    fn ledger() -> (Arc<ManualClock>, Ledger) {
        let clock = Arc::new(ManualClock::at(from_millis(1_000_000)));
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
        let options = LedgerOptions {
            board: BoardName::new("b"),
            daemon: DaemonId::new("d"),
            life: LifeId::new("l"),
            margin: Duration::ZERO,
            epoch: 0,
        };
        let entropy = Arc::new(SeededEntropy::new(7));
        (Arc::clone(&clock), Ledger::new(store, clock, entropy, options))
    }

    async fn begun(ledger: &Ledger) -> SecretString {
        ledger.begin_page_session((PersonId(1), None), "Ada").await.unwrap()
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

    #[tokio::test]
    async fn a_secret_is_renewed_while_it_is_used_and_the_one_before_ends_soon_after() {
        let (clock, ledger) = ledger();
        let first = begun(&ledger).await;
        let (session, next) = ledger.page_session(&first).await.unwrap().unwrap();
        assert_eq!((session.person, next.is_none()), (PersonId(1), true));
        clock.advance(RENEWED_AFTER);
        let (again, next) = ledger.page_session(&first).await.unwrap().unwrap();
        assert_eq!(again, session, "it is the same session");
        let next = next.unwrap();
        assert_ne!(next.expose_secret(), first.expose_secret());
        let (_, more) = ledger.page_session(&first).await.unwrap().unwrap();
        assert!(more.is_none(), "what a page asks for meanwhile is answered, and renews nothing");
        clock.advance(OVERLAP);
        assert!(ledger.page_session(&first).await.unwrap().is_none());
        assert!(ledger.page_session(&next).await.unwrap().is_some());
        ledger.end_page_session(&next).await.unwrap();
        assert!(ledger.page_session(&next).await.unwrap().is_none(), "signed out");
    }

    #[tokio::test]
    async fn a_session_ends_when_nobody_uses_it_and_after_a_week_in_any_case() {
        let (clock, ledger) = ledger();
        let idle = begun(&ledger).await;
        clock.advance(IDLE_MAX);
        assert!(ledger.page_session(&idle).await.unwrap().is_none());
        let mut used = begun(&ledger).await;
        let steps = SESSION_LIFE.as_secs() / 3_600 - 1;
        for hour in 0..steps {
            clock.advance(Duration::from_hours(1));
            let (_, next) =
                ledger.page_session(&used).await.unwrap().unwrap_or_else(|| panic!("{hour}"));
            used = next.unwrap();
        }
        clock.advance(Duration::from_hours(1));
        assert!(ledger.page_session(&used).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn whoever_signs_out_everywhere_is_signed_in_nowhere_and_others_are() {
        let (clock, ledger) = ledger();
        let (first, second) = (begun(&ledger).await, begun(&ledger).await);
        let other = ledger.begin_page_session((PersonId(2), None), "Bob").await.unwrap();
        let (session, _) = ledger.page_session(&first).await.unwrap().unwrap();
        assert_eq!(ledger.page_session_named(&session.id).await.unwrap(), Some(session.clone()));
        assert_eq!(ledger.end_page_sessions_of(PersonId(1), "Ada").await.unwrap(), 2);
        for secret in [&first, &second] {
            assert!(ledger.page_session(secret).await.unwrap().is_none());
        }
        assert_eq!(ledger.page_session_named(&session.id).await.unwrap(), None);
        let (others, _) = ledger.page_session(&other).await.unwrap().unwrap();
        clock.advance(IDLE_MAX);
        assert_eq!(ledger.page_session_named(&others.id).await.unwrap(), None, "nobody used it");
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
}
