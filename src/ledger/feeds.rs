//! Secret addresses at which somebody's calendar can be read: one for each person.
//!
//! The secret has 256 bits of chance and is kept as its SHA-256; hashes are compared in constant time. It
//! opens the one calendar and nothing else, and a new one ends the one before.

use super::records::{self, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{PersonId, Timestamp};
use crate::store::Batch;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

/// Longer texts are not looked at.
const SECRET_BYTES_MAX: usize = 128;

/// An address as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    /// SHA-256 of the whole secret, in hex.
    hash: String,
    created: Timestamp,
}

impl Ledger {
    /// Since when somebody's calendar has an address; `None`: it has none.
    pub async fn feed_since(&self, person: PersonId) -> Result<Option<Timestamp>> {
        let found: Option<Record<Kept>> = self.read(&keys::feed(person)).await?;
        Ok(found.map(|found| found.value.created))
    }

    /// Gives somebody's calendar an address; the one before ends. The secret is in the answer and
    /// nowhere else.
    pub async fn make_feed(&self, person: PersonId, by: &str) -> Result<SecretString> {
        let key = keys::feed(person);
        let chance: String = (0..4).map(|_| self.entropy.nonce()).collect();
        let secret = SecretString::from(format!("{person}-{chance}"));
        for _ in 0..TRIES_MAX {
            let found: Option<Record<Kept>> = self.read(&key).await?;
            let kept = Kept { hash: hash_of(&secret), created: self.clock.wall() };
            let batch = records::replace(Batch::new(), &key, &kept, found.as_ref())?;
            let detail = format!("calendar of user {person}");
            let (audited, _) = self.audit_batch(by, "make-calendar-address", &detail).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(secret);
            }
        }
        Err(contended(key))
    }

    /// From now on somebody's calendar has no address; whether it had one.
    pub async fn end_feed(&self, person: PersonId, by: &str) -> Result<bool> {
        let key = keys::feed(person);
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Kept>(&key).await? else { return Ok(false) };
            let batch = records::remove(Batch::new(), &key, &found);
            let detail = format!("calendar of user {person}");
            let (audited, _) = self.audit_batch(by, "end-calendar-address", &detail).await?;
            if self.try_commit(batch.and(audited)).await? {
                return Ok(true);
            }
        }
        Err(contended(key))
    }

    /// Whose calendar a secret opens; `None` for any that opens none: nobody is told why.
    pub async fn feed_of(&self, secret: &SecretString) -> Result<Option<PersonId>> {
        let text = secret.expose_secret();
        if text.len() > SECRET_BYTES_MAX {
            return Ok(None);
        }
        let person = text.split_once('-').and_then(|(person, _)| person.parse().ok().map(PersonId));
        let found: Option<Record<Kept>> = match person {
            Some(person) => self.read(&keys::feed(person)).await?,
            None => None,
        };
        let hash = hash_of(secret);
        // One that is unknown is compared too, with a hash that nothing has.
        let nothing = "-".repeat(hash.len());
        let known = found.as_ref().map_or(nothing.as_str(), |found| found.value.hash.as_str());
        let fits = bool::from(hash.as_bytes().ct_eq(known.as_bytes()));
        Ok(person.filter(|_| fits))
    }
}

fn hash_of(secret: &SecretString) -> String {
    keys::sha256(secret.expose_secret().as_bytes())
}
