//! Who is signed in to the pages, and the links by which somebody signs in once.
//!
//! A secret has 256 bits of chance and is kept as its SHA-256; hashes are compared in constant time. What a
//! browser has is renewed while it is used. Whether an answer arrives nobody knows: until the next secret
//! was seen, the one before counts and brings the same next one, which only whoever has the one before can
//! work out. It counts for a moment after that, because a page asks for several things at once.

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
/// So many sessions one person has at most; the one unused for longest makes room.
pub const SESSIONS_OF_ONE_MAX: usize = 20;
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
    /// SHA-256 of that token's secret: where it does not count any more, the session is over.
    #[serde(default)]
    pub token_hash: Option<String>,
    /// What stands in every form: a page of another site cannot know it.
    pub mark: String,
    /// When they signed in.
    pub begun: Timestamp,
    /// When it was last used, to the quarter of an hour: each use would be a write.
    #[serde(default)]
    pub used: Timestamp,
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
    /// The one after, until its browser has shown that it has it.
    #[serde(default)]
    next: Option<Next>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Previous {
    hash: String,
    until: Timestamp,
}

/// A secret that is worked out of the one before and of this salt.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Next {
    salt: String,
    hash: String,
}

impl Next {
    fn after(id: &str, secret: &SecretString, salt: String) -> Self {
        let hash = hash_of(&Self::secret(id, secret, &salt));
        Self { salt, hash }
    }

    fn secret(id: &str, before: &SecretString, salt: &str) -> SecretString {
        let text = format!("{salt} {}", before.expose_secret());
        SecretString::from(format!("{id}-{}", keys::sha256(text.as_bytes())))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Link {
    hash: String,
    person: PersonId,
    made: Timestamp,
}

/// Which of a session's secrets somebody has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Previous,
    Current,
    Next,
}

impl Kept {
    fn counts(&self, now: Timestamp) -> bool {
        // A use is noted when the last noted one is older than a quarter of an hour.
        let idle_max = IDLE_MAX + RENEWED_AFTER;
        now < self.session.used + to_delta(idle_max)
            && now < self.session.begun + to_delta(SESSION_LIFE)
    }

    fn which(&self, secret: &SecretString, now: Timestamp) -> Option<Which> {
        let previous = self.previous.as_ref().filter(|previous| now < previous.until);
        let known = [
            (Some(&self.hash), Which::Current),
            (self.next.as_ref().map(|next| &next.hash), Which::Next),
            (previous.map(|previous| &previous.hash), Which::Previous),
        ];
        known
            .into_iter()
            .find(|(hash, _)| hash.is_some_and(|hash| fits(secret, hash)))
            .map(|(_, w)| w)
    }

    /// The same after somebody came with this secret; `None`: nothing is to be noted.
    fn after(
        &self,
        secret: &SecretString,
        which: Which,
        now: Timestamp,
        salt: String,
    ) -> Option<Self> {
        let session = PageSession { used: now, ..self.session.clone() };
        match (which, &self.next) {
            (Which::Next, Some(next)) => {
                let until = now + to_delta(OVERLAP);
                let previous = Some(Previous { hash: self.hash.clone(), until });
                Some(Self { session, hash: next.hash.clone(), since: now, previous, next: None })
            }
            (Which::Current, None) if now >= self.since + to_delta(RENEWED_AFTER) => {
                let next = Some(Next::after(&self.session.id, secret, salt));
                Some(Self { session, next, ..self.clone() })
            }
            _ if now >= self.session.used + to_delta(RENEWED_AFTER) => {
                Some(Self { session, ..self.clone() })
            }
            _ => None,
        }
    }

    /// What a browser with this secret is to have from now on, if that is another one.
    fn renewed(&self, secret: &SecretString, which: Which) -> Option<SecretString> {
        let next = self.next.as_ref().filter(|_| which == Which::Current)?;
        Some(Next::secret(&self.session.id, secret, &next.salt))
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
            let batch =
                self.without_old(batch, keys::PAGE_LINK, (is_over, |l| l.made), |_| false).await?;
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

    /// Somebody signs in, by a link or with a token: a new session with a new secret, which is in the
    /// answer and nowhere else.
    pub async fn begin_page_session(
        &self,
        person: PersonId,
        token: Option<(&TokenId, &SecretString)>,
        by: &str,
    ) -> Result<SecretString> {
        let now = self.clock.wall();
        for _ in 0..TRIES_MAX {
            let (id, secret) = self.page_secret();
            let session = PageSession {
                id: id.clone(),
                person,
                token: token.map(|(token, _)| token.clone()),
                token_hash: token.map(|(_, secret)| hash_of(secret)),
                mark: self.chance(),
                begun: now,
                used: now,
            };
            let hash = hash_of(&secret);
            let kept = Kept { session, hash, since: now, previous: None, next: None };
            let batch = records::create(Batch::new(), &keys::page_session(&id), &kept)?;
            let is_over = |kept: &Kept| !kept.counts(now);
            let is_theirs = |kept: &Kept| kept.session.person == person;
            let old = (is_over, |kept: &Kept| kept.session.used);
            let batch = self.without_old(batch, keys::PAGE_SESSION, old, is_theirs).await?;
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
    /// unknown or over. That a use, or the next secret, cannot be noted keeps nobody out.
    pub async fn page_session(
        &self,
        secret: &SecretString,
    ) -> Result<Option<(PageSession, Option<SecretString>)>> {
        let Some(id) = id_of(secret) else { return Ok(None) };
        let key = keys::page_session(id);
        let Some(found) = self.read::<Kept>(&key).await? else { return Ok(None) };
        let (kept, now) = (&found.value, self.clock.wall());
        let Some(which) = kept.which(secret, now).filter(|_| kept.counts(now)) else {
            return Ok(None);
        };
        let session = kept.session.clone();
        let Some(after) = kept.after(secret, which, now, self.chance()) else {
            return Ok(Some((session, kept.renewed(secret, which))));
        };
        let batch = records::replace(Batch::new(), &key, &after, Some(&found))?;
        let next = match self.try_commit(batch).await {
            Ok(true) => after.renewed(secret, which),
            // Another request was quicker: its answer brings the next secret, or the next request does.
            Ok(false) => None,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, session = %session.id, "a session could not be renewed");
                None
            }
        };
        Ok(Some((session, next)))
    }

    /// Sessions that are not over by their age, those used last first.
    pub async fn page_sessions(&self) -> Result<Vec<PageSession>> {
        let now = self.clock.wall();
        let all: Vec<(String, Record<Kept>)> =
            records::scan_all(self.store.as_ref(), keys::PAGE_SESSION, 2 * KEPT_MAX).await?;
        let kept = all.into_iter().map(|(_, found)| found.value).filter(|kept| kept.counts(now));
        let mut sessions: Vec<PageSession> = kept.map(|kept| kept.session).collect();
        sessions.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.id.cmp(&b.id)));
        Ok(sessions)
    }

    /// Ends somebody's sessions wherever they are signed in, or one of them; how many.
    pub async fn end_page_sessions(
        &self,
        person: PersonId,
        which: Option<&str>,
        by: &str,
    ) -> Result<usize> {
        for _ in 0..TRIES_MAX {
            let all: Vec<(String, Record<Kept>)> =
                records::scan_all(self.store.as_ref(), keys::PAGE_SESSION, 2 * KEPT_MAX).await?;
            let theirs = all.iter().filter(|(_, found)| {
                let session = &found.value.session;
                session.person == person && which.is_none_or(|which| session.id == which)
            });
            let theirs: Vec<_> = theirs.collect();
            if theirs.is_empty() {
                return Ok(0);
            }
            let batch = theirs
                .iter()
                .fold(Batch::new(), |batch, (key, found)| records::remove(batch, key, found));
            let detail = format!("user {person}, {} sessions", theirs.len());
            let (audited, _) = self.audit_batch(by, "end-sessions", &detail).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(theirs.len());
            }
        }
        Err(contended("the sessions of pages"))
    }

    /// A session by its name, while it lasts: whoever asks so was let in by its secret before.
    pub async fn page_session_named(&self, id: &str) -> Result<Option<PageSession>> {
        let found = self.read::<Kept>(&keys::page_session(id)).await?;
        let now = self.clock.wall();
        Ok(found.filter(|found| found.value.counts(now)).map(|found| found.value.session))
    }

    /// Somebody signs out; the session may be over already.
    pub async fn end_page_session(&self, secret: &SecretString) -> Result<()> {
        let Some(id) = id_of(secret) else { return Ok(()) };
        let key = keys::page_session(id);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Kept>(&key).await? else { return Ok(()) };
            if found.value.which(secret, self.clock.wall()).is_none() {
                return Ok(());
            }
            if self.try_commit(records::remove(Batch::new(), &key, &found)).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Also removes those that are over, and the oldest where there would be too many: in all, or of
    /// the one person whose they are.
    async fn without_old<T: serde::de::DeserializeOwned>(
        &self,
        mut batch: Batch,
        prefix: &str,
        (is_over, since): (impl Fn(&T) -> bool, impl Fn(&T) -> Timestamp),
        is_theirs: impl Fn(&T) -> bool,
    ) -> Result<Batch> {
        let all: Vec<(String, Record<T>)> =
            records::scan_all(self.store.as_ref(), prefix, 2 * KEPT_MAX).await?;
        let (over, mut live): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, found)| is_over(&found.value));
        live.sort_by_key(|(_, found)| since(&found.value));
        let (theirs, others): (Vec<_>, Vec<_>) =
            live.iter().partition(|(_, found)| is_theirs(&found.value));
        let surplus = (theirs.len() + 1).saturating_sub(SESSIONS_OF_ONE_MAX);
        let mut surplus: Vec<_> = theirs.into_iter().take(surplus).collect();
        let still = (live.len() + 1).saturating_sub(surplus.len() + KEPT_MAX);
        surplus.extend(others.into_iter().take(still));
        for (key, found) in over.iter().chain(surplus) {
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
mod tests;
