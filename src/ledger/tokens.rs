//! Personal tokens and service keys: made, shown once, checked, rotated, revoked.
//!
//! A secret has 256 bits of chance, so one round of SHA-256 keeps it (there is nothing to guess
//! that a slow hash would protect), and hashes are compared in constant time. A personal token is
//! `rota_{id}_{secret}`; a service key is `lt_{name}_{secret}`, as Leantime writes its own. Both are
//! found by the part that is not secret.

use super::records::{self, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{NewToken, Timestamp, Token, TokenId, TokenKind, to_delta};
use crate::store::Batch;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// Longer texts are not looked at.
const TOKEN_BYTES_MAX: usize = 256;
/// At most so many tokens are kept, revoked ones included.
const TOKENS_MAX: usize = 10_000;
/// A use is noted when the last noted one is older.
const USE_NOTED: Duration = Duration::from_hours(1);
/// The longest time in which a rotated token's old secret still counts.
pub const OVERLAP_MAX: Duration = Duration::from_hours(30 * 24);

/// A token as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    token: Token,
    /// SHA-256 of the whole text, in hex.
    hash: String,
    /// The one before, as long as it still counts.
    #[serde(default)]
    previous: Option<Previous>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Previous {
    hash: String,
    until: Timestamp,
}

/// A token with its secret, which is shown once and not kept.
#[derive(Debug)]
pub struct Issued {
    /// Whose it is and what it may do.
    pub token: Token,
    /// The whole text that a client sends.
    pub secret: SecretString,
}

/// Why a token does not count.
#[derive(Debug, thiserror::Error)]
pub enum TokenRefusal {
    /// It is not one of ours, or its secret is wrong: nobody is told which.
    #[error("there is no such token")]
    Unknown,
    /// It was revoked.
    #[error("the token {name} was revoked")]
    Revoked {
        /// What it is called.
        name: String,
    },
    /// Its time is over.
    #[error("the token {name} expired")]
    Expired {
        /// What it is called.
        name: String,
    },
    /// Local state could not be read.
    #[error(transparent)]
    Failed(#[from] LedgerError),
}

impl Ledger {
    /// Makes a token. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`]: a name that cannot be one, or a service key of that name counts.
    pub async fn issue_token(&self, new: NewToken, by: &str) -> Result<Issued> {
        let name = new.name.trim().to_owned();
        if let Some(expected) = new.name_fault() {
            return Err(conflict(&name, expected));
        }
        if self.tokens().await?.len() >= TOKENS_MAX {
            let (what, size) = ("the list of tokens".to_owned(), TOKENS_MAX + 1);
            return Err(LedgerError::TooLarge { what, size, max: TOKENS_MAX });
        }
        let detail = format!("{} for user {}, role {:?}", name, new.person, new.role);
        for _ in 0..TRIES_MAX {
            let id = TokenId::new(short(&self.entropy.nonce()));
            let secret = self.new_secret(new.kind, &id, &name);
            let token = Token {
                id: id.clone(),
                kind: new.kind,
                name: name.clone(),
                person: new.person,
                role: new.role,
                tools: new.tools.clone(),
                projects: new.projects.clone(),
                created: self.clock.wall(),
                by: by.to_owned(),
                expires: new.expires,
                revoked: None,
                last_used: None,
            };
            let kept = Kept { token, hash: hash_of(&secret), previous: None };
            let batch = records::create(Batch::new(), &keys::token(&id), &kept)?;
            let batch = match new.kind {
                TokenKind::Personal => batch,
                TokenKind::Service => self.take_name(batch, &name, &id).await?,
            };
            let (audited, _) = self.audit_batch(by, "create-token", &detail).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(Issued { token: kept.token, secret });
            }
        }
        Err(contended("the tokens"))
    }

    /// Every token, also revoked and expired ones, in the order of their ids.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let all: Vec<(String, Record<Kept>)> =
            records::scan_all(self.store.as_ref(), keys::TOKEN, TOKENS_MAX).await?;
        Ok(all.into_iter().map(|(_, record)| record.value.token).collect())
    }

    /// From now on it does not count, whichever of its secrets is sent. Revoking it again changes
    /// nothing. A token is named by its id, or a service key by its name.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn revoke_token(&self, which: &str, by: &str) -> Result<Token> {
        let now = self.clock.wall();
        let kept = self
            .change_token(which, by, "revoke-token", |kept| {
                kept.token.revoked.get_or_insert(now);
                kept.previous = None;
            })
            .await?;
        Ok(kept.token)
    }

    /// Gives it another secret; the old one still counts for `overlap`.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::Conflict`] when it does not count any more, or the
    /// overlap is longer than [`OVERLAP_MAX`].
    pub async fn rotate_token(&self, which: &str, overlap: Duration, by: &str) -> Result<Issued> {
        if overlap > OVERLAP_MAX {
            return Err(conflict(which, "the old secret may count for 30 days at most"));
        }
        let found = self.find_token(which).await?;
        let token = &found.value.token;
        let now = self.clock.wall();
        if !token.counts(now) {
            return Err(conflict(which, "it was revoked or has expired; make a new one"));
        }
        let secret = self.new_secret(token.kind, &token.id, &token.name);
        let hash = hash_of(&secret);
        let until = now + to_delta(overlap);
        let kept = self
            .change_token(which, by, "rotate-token", |kept| {
                let old = std::mem::replace(&mut kept.hash, hash.clone());
                kept.previous = (!overlap.is_zero()).then_some(Previous { hash: old, until });
            })
            .await?;
        Ok(Issued { token: kept.token, secret })
    }

    /// Whose token this is. A use is noted, at most once an hour.
    ///
    /// # Errors
    /// [`TokenRefusal`]; that a token was revoked or has expired is told only to whoever has its
    /// secret.
    pub async fn check_token(
        &self,
        presented: &SecretString,
    ) -> std::result::Result<Token, TokenRefusal> {
        let text = presented.expose_secret();
        let found = match which_of(text) {
            Some(Which::Id(id)) => self.read::<Kept>(&keys::token(&TokenId::new(id))).await?,
            Some(Which::Name(name)) => self.token_named(name).await?,
            None => None,
        };
        let found = found.map(|record| record.value);
        let hash = hash_of(presented);
        let now = self.clock.wall();
        // Somebody unknown is compared too, with a hash that nothing has.
        let nothing = "-".repeat(hash.len());
        let current = found.as_ref().map_or(nothing.as_str(), |kept| &kept.hash);
        let previous = found.as_ref().and_then(|kept| kept.previous.as_ref());
        let older = previous.filter(|old| now < old.until).map_or(nothing.as_str(), |p| &p.hash);
        let fits =
            hash.as_bytes().ct_eq(current.as_bytes()) | hash.as_bytes().ct_eq(older.as_bytes());
        let Some(kept) = found.filter(|_| bool::from(fits)) else {
            return Err(TokenRefusal::Unknown);
        };
        let name = kept.token.name.clone();
        if kept.token.revoked.is_some() {
            return Err(TokenRefusal::Revoked { name });
        }
        if !kept.token.counts(now) {
            return Err(TokenRefusal::Expired { name });
        }
        self.note_use(&kept, now).await;
        Ok(kept.token)
    }

    /// Whether a token counts now, by its id.
    pub async fn token_counts(&self, id: &TokenId) -> Result<bool> {
        Ok(self.counting_token(id).await?.is_some())
    }

    /// A token by its id, if it counts now.
    pub async fn counting_token(&self, id: &TokenId) -> Result<Option<Token>> {
        let found = self.read::<Kept>(&keys::token(id)).await?;
        let token = found.map(|found| found.value.token);
        Ok(token.filter(|token| token.counts(self.clock.wall())))
    }

    /// A token by its id, if it counts now with the secret that has this hash; a use is noted. Of a
    /// rotated one the secret before counts as long as it was given.
    pub async fn token_with_secret(&self, id: &TokenId, hash: &str) -> Result<Option<Token>> {
        let Some(found) = self.read::<Kept>(&keys::token(id)).await? else { return Ok(None) };
        let (kept, now) = (found.value, self.clock.wall());
        let previous = kept.previous.as_ref().filter(|previous| now < previous.until);
        let is_known = kept.hash == hash || previous.is_some_and(|previous| previous.hash == hash);
        if !is_known || !kept.token.counts(now) {
            return Ok(None);
        }
        self.note_use(&kept, now).await;
        Ok(Some(kept.token))
    }

    /// That a use cannot be noted keeps nobody out.
    async fn note_use(&self, kept: &Kept, now: Timestamp) {
        let is_fresh = kept.token.last_used.is_some_and(|last| now - last < to_delta(USE_NOTED));
        if is_fresh {
            return;
        }
        let key = keys::token(&kept.token.id);
        let noted = async {
            let Some(found) = self.read::<Kept>(&key).await? else { return Ok(()) };
            let mut new = found.value.clone();
            new.token.last_used = Some(now);
            let batch = records::replace(Batch::new(), &key, &new, Some(&found))?;
            self.try_commit(batch).await.map(|_| ()).map_err(LedgerError::from)
        };
        let noted: Result<()> = noted.await;
        if let Err(error) = noted {
            tracing::debug!(token = %kept.token.id, %error, "its use was not noted");
        }
    }

    async fn change_token(
        &self,
        which: &str,
        by: &str,
        what: &str,
        change: impl Fn(&mut Kept),
    ) -> Result<Kept> {
        for _ in 0..TRIES_MAX {
            let found = self.find_token(which).await?;
            let mut kept = found.value.clone();
            change(&mut kept);
            let key = keys::token(&kept.token.id);
            let batch = records::replace(Batch::new(), &key, &kept, Some(&found))?;
            let detail = format!("{} ({})", kept.token.name, kept.token.id);
            let (audited, _) = self.audit_batch(by, what, &detail).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(kept);
            }
        }
        Err(contended("the tokens"))
    }

    /// By its id, or a service key by its name.
    async fn find_token(&self, which: &str) -> Result<Record<Kept>> {
        let which = which.trim();
        let by_id = self.read::<Kept>(&keys::token(&TokenId::new(which))).await?;
        if let Some(found) = by_id {
            return Ok(found);
        }
        let found = self.token_named(which).await?;
        found.ok_or_else(|| LedgerError::NotFound { what: format!("token {which}") })
    }

    /// The service key that has this name, or had it last.
    async fn token_named(&self, name: &str) -> Result<Option<Record<Kept>>> {
        let Some(id) = self.read::<TokenId>(&keys::token_name(name)).await? else {
            return Ok(None);
        };
        self.read(&keys::token(&id.value)).await
    }

    /// A name is free again once its key does not count any more.
    async fn take_name(&self, batch: Batch, name: &str, id: &TokenId) -> Result<Batch> {
        let key = keys::token_name(name);
        let taken: Option<Record<TokenId>> = self.read(&key).await?;
        if let Some(taken) = &taken {
            let kept: Option<Record<Kept>> = self.read(&keys::token(&taken.value)).await?;
            let now = self.clock.wall();
            if kept.is_some_and(|kept| kept.value.token.counts(now)) {
                return Err(conflict(
                    name,
                    "there is a service key of that name; rotate it, or revoke it first",
                ));
            }
        }
        Ok(records::replace(batch, &key, id, taken.as_ref())?)
    }

    fn new_secret(&self, kind: TokenKind, id: &TokenId, name: &str) -> SecretString {
        // Four times 64 bits.
        let chance: String = (0..4).map(|_| self.entropy.nonce()).collect();
        SecretString::from(match kind {
            TokenKind::Personal => format!("rota_{id}_{chance}"),
            TokenKind::Service => format!("lt_{name}_{chance}"),
        })
    }
}

/// By what a token is found.
enum Which<'a> {
    Id(&'a str),
    Name(&'a str),
}

/// The part of a token's text that is not secret.
fn which_of(text: &str) -> Option<Which<'_>> {
    if text.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let before = |rest: &'_ str| rest.rsplit_once('_').map_or(0, |(which, _)| which.len());
    if let Some(rest) = text.strip_prefix("rota_") {
        return Some(Which::Id(&rest[..before(rest)]));
    }
    text.strip_prefix("lt_").map(|rest| Which::Name(&rest[..before(rest)]))
}

fn hash_of(secret: &SecretString) -> String {
    keys::sha256(secret.expose_secret().as_bytes())
}

fn short(nonce: &str) -> String {
    nonce.chars().take(12).collect()
}

fn conflict(which: &str, why: &str) -> LedgerError {
    let shown: String = which.chars().filter(|c| !c.is_control()).take(80).collect();
    LedgerError::Conflict { what: format!("token {shown:?}"), why: why.to_owned() }
}
