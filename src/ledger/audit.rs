//! The audit log: what people did to the daemon, each entry bound to the one before by its hash. A
//! second chain of the same kind has an entry for each run that ended, with the hashes of its record (its
//! claim among it) and of its journal of effects.
//!
//! A chain shows that an entry was changed, removed or put in between. It does not keep somebody
//! who can write the whole store from writing a new chain; for that, keep the export elsewhere.

use super::records::{self, Found, PAGE, Record, contended};
use super::{Ledger, Result, TRIES_MAX, keys};
use crate::domain::{Effect, EffectResult, Run, RunId, Timestamp};
use crate::store::{Batch, StoreError};
use serde::{Deserialize, Serialize};

/// More of an entry's texts is not kept.
const TEXT_CHARS_MAX: usize = 1_000;

/// A chain's rows: its entries, its end, and where it begins since its oldest entries were forgotten.
pub(super) struct Chain {
    prefix: &'static str,
    head: &'static str,
    base: &'static str,
    name: &'static str,
}

/// What people did.
const ACTS: Chain = Chain {
    prefix: keys::AUDIT,
    head: keys::AUDIT_HEAD,
    base: "audit-base",
    name: "the audit log",
};
/// How runs ended.
const ENDINGS: Chain = Chain {
    prefix: keys::ENDING,
    head: keys::ENDING_HEAD,
    base: keys::ENDING_BASE,
    name: "the chain of runs",
};

/// One entry; its hash covers the entry before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number, from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What was done, in a word: `arm`, `pause`, `revoke`, …
    pub what: String,
    /// The particulars; never a secret.
    pub detail: String,
    /// The hash of the entry before; zeros before the first.
    pub previous: String,
    /// SHA-256 of this entry, in hex.
    pub hash: String,
    /// The run whose end this is, and the hashes of what is recorded of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<Covers>,
}

/// What an entry about a run's end covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covers {
    /// The run.
    pub run: RunId,
    /// SHA-256 of its record.
    pub record: String,
    /// SHA-256 of its journal.
    pub journal: String,
    /// So many effects are journaled.
    pub effects: u32,
    /// The numbers of those of which it was not known then what came of them.
    pub open: Vec<u32>,
}

/// What the verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditVerdict {
    /// The chain is whole.
    Intact {
        /// How many entries.
        entries: u64,
    },
    /// It is not.
    Broken {
        /// The first entry that does not fit.
        at: u64,
        /// Of which chain, or of whose records.
        of: String,
        /// What does not fit.
        why: String,
    },
    /// What can be compared of it fits. A newer Rota wrote the rest, and is to be asked about that.
    Newer {
        /// How many entries, with those.
        entries: u64,
        /// What could not be compared, chain by chain.
        unread: Vec<Unread>,
    },
}

/// What of a chain could not be compared, for a newer Rota wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Which chain.
    pub of: String,
    /// So many entries cannot be read here: neither what they say is compared, nor that the entry after
    /// each follows it.
    pub entries: u64,
    /// Of so many runs the record, or some of the effects, cannot: they are not compared with the entry.
    pub runs: u64,
    /// The first entry of either sort.
    pub first: u64,
}

/// How what is recorded of a run stands to the entry of its end.
enum Compared {
    AsItWas,
    Changed(String),
    ByNewer,
}

/// The end of the chain.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    number: u64,
    hash: String,
}

impl AuditEntry {
    /// The hash that the entry should have. Its texts are hashed as JSON, so that no text can be
    /// moved from one field to the next.
    fn expected_hash(&self) -> String {
        let at = self.at.timestamp_millis();
        let fields = (self.number, at, &self.who, &self.what, &self.detail, &self.previous);
        let json = match &self.covers {
            None => serde_json::to_vec(&fields),
            Some(covers) => serde_json::to_vec(&(fields, covers)),
        };
        keys::sha256(&json.unwrap_or_default())
    }
}

impl Ledger {
    /// Appends an entry.
    pub async fn audit(&self, who: &str, what: &str, detail: &str) -> Result<AuditEntry> {
        for _ in 0..TRIES_MAX {
            let (batch, entry) = self.audit_batch(who, what, detail).await?;
            if self.try_commit(batch).await? {
                return Ok(entry);
            }
        }
        Err(contended("the audit log"))
    }

    /// The latest entries, newest first, at most `limit`; those before the entry of this number, where one
    /// is given.
    pub async fn audit_log(&self, limit: usize, before: Option<u64>) -> Result<Vec<AuditEntry>> {
        let head: Option<Record<Head>> = self.read(keys::AUDIT_HEAD).await?;
        let last = head.map_or(0, |head| head.value.number);
        let last = before.map_or(last, |before| last.min(before.saturating_sub(1)));
        let begin = last.saturating_sub(u64::try_from(limit).unwrap_or(u64::MAX));
        let after = keys::audit(begin);
        let limit = usize::try_from(last - begin).unwrap_or(limit);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let entries = records::scan(self.store.as_ref(), keys::AUDIT, Some(&after), limit).await?;
        Ok(entries.into_iter().rev().map(|(_, record)| record.value).collect())
    }

    /// Walks both chains, compares their ends with what was noted when they were written, and what is
    /// recorded of runs with the hashes in their entries.
    pub async fn verify(&self) -> Result<AuditVerdict> {
        let (mut all, mut newer) = (0, Vec::new());
        for chain in [&ACTS, &ENDINGS] {
            match self.verify_while_it_moves(chain).await? {
                AuditVerdict::Intact { entries } => all += entries,
                AuditVerdict::Newer { entries, unread } => {
                    all += entries;
                    newer.extend(unread);
                }
                broken @ AuditVerdict::Broken { .. } => return Ok(broken),
            }
        }
        Ok(if newer.is_empty() {
            AuditVerdict::Intact { entries: all }
        } else {
            AuditVerdict::Newer { entries: all, unread: newer }
        })
    }

    /// What was forgotten in time while somebody looked is no break.
    async fn verify_while_it_moves(&self, chain: &Chain) -> Result<AuditVerdict> {
        let first = |base: Option<Record<Head>>| base.map_or(0, |base| base.value.number);
        loop {
            let before = first(self.base_of(chain).await?);
            let verdict = self.verify_chain(chain).await?;
            let is_broken = matches!(verdict, AuditVerdict::Broken { .. });
            if !is_broken || first(self.base_of(chain).await?) == before {
                return Ok(verdict);
            }
        }
    }

    async fn verify_chain(&self, chain: &Chain) -> Result<AuditVerdict> {
        // The end first: entries that are appended meanwhile come after it.
        let head: Option<Record<Head>> = self.read(chain.head).await?;
        let (last, hash) = head.map_or((0, zeros()), |head| (head.value.number, head.value.hash));
        let base = self.base_of(chain).await?.map_or_else(Head::none, |base| base.value);
        let first = base.number;
        let mut walk = Walk::after(base);
        // `None`: a newer Rota wrote the last one, and nobody here knows its hash.
        let mut hash_at_last = if last == first { walk.previous.clone() } else { Some(zeros()) };
        let mut after = Some(chain.key(first));
        loop {
            let page: Vec<(String, Found<AuditEntry>)> =
                records::scan_found(self.store.as_ref(), chain.prefix, after.as_deref(), PAGE)
                    .await?;
            let Some((key, _)) = page.last() else { break };
            after = Some(key.clone());
            for (key, found) in page {
                let entry = match found {
                    Found::Known(record) => Some(record.value),
                    Found::Newer => None,
                    Found::Nothing => continue,
                };
                let of = || chain.name.to_owned();
                if let Some(why) = walk.fault(chain, &key, entry.as_ref()) {
                    return Ok(AuditVerdict::Broken { at: walk.number, of: of(), why });
                }
                if let Some(covers) = entry.as_ref().and_then(|entry| entry.covers.as_ref()) {
                    match self.compare(covers).await? {
                        Compared::AsItWas => {}
                        Compared::ByNewer => walk.leave_run(),
                        Compared::Changed(why) => {
                            let of = format!("run {}", covers.run);
                            return Ok(AuditVerdict::Broken { at: walk.number, of, why });
                        }
                    }
                }
                if walk.number == last {
                    hash_at_last.clone_from(&walk.previous);
                }
            }
        }
        let of = chain.name.to_owned();
        if walk.number < last || hash_at_last.is_some_and(|at_last| at_last != hash) {
            let why = "the end of the chain is missing".to_owned();
            return Ok(AuditVerdict::Broken { at: walk.number.min(last), of, why });
        }
        let entries = walk.number - first;
        Ok(match walk.newer {
            Some(first) => {
                let unread = Unread { of, entries: walk.unread, runs: walk.runs, first };
                AuditVerdict::Newer { entries, unread: vec![unread] }
            }
            None => AuditVerdict::Intact { entries },
        })
    }

    /// Whether a run's records are as they were when it ended. Of one that was forgotten in time there is
    /// nothing to compare.
    async fn compare(&self, covers: &Covers) -> Result<Compared> {
        let run = match self.find::<Run>(&keys::run(&covers.run)).await? {
            Found::Nothing => return Ok(Compared::AsItWas),
            Found::Newer => return Ok(Compared::ByNewer),
            Found::Known(record) => record.value,
        };
        if record_hash(&run) != covers.record {
            return Ok(Compared::Changed("its record was changed".to_owned()));
        }
        let (effects, has_newer) = self.effects_and_newer(&covers.run).await?;
        if has_newer {
            return Ok(Compared::ByNewer);
        }
        let is_whole = u32::try_from(effects.len()) == Ok(covers.effects);
        if is_whole && journal_hash(&effects, &covers.open) == covers.journal {
            return Ok(Compared::AsItWas);
        }
        Ok(Compared::Changed("its journal of effects was changed".to_owned()))
    }

    /// Adds the entry of a run's end to the commit that ends it.
    pub(super) async fn ending_batch(&self, batch: Batch, run: &Run) -> Result<Batch> {
        let effects = self.effects(&run.id).await?;
        let is_open = |e: &&Effect| matches!(e.result, None | Some(EffectResult::Unknown));
        let open: Vec<u32> = effects.iter().filter(is_open).map(|e| e.mark.seq).collect();
        let covers = Covers {
            run: run.id.clone(),
            record: record_hash(run),
            journal: journal_hash(&effects, &open),
            effects: u32::try_from(effects.len()).unwrap_or(u32::MAX),
            open,
        };
        let new = (run.playbook.as_str(), "run", "", Some(covers));
        let (ended, _) = self.appended(&ENDINGS, new).await?;
        Ok(batch.and(ended))
    }

    /// Forgets the oldest entries about runs that ended before this instant, at most so many; the chain
    /// begins after them then.
    pub(super) async fn forget_endings(&self, before: Timestamp, rows: usize) -> Result<usize> {
        let base = self.base_of(&ENDINGS).await?;
        let first = base.as_ref().map_or(0, |base| base.value.number);
        let after = ENDINGS.key(first);
        let page: Vec<(String, Record<AuditEntry>)> =
            records::scan(self.store.as_ref(), ENDINGS.prefix, Some(&after), rows).await?;
        // Past one that only a newer Rota can read nothing is forgotten: it would be left without a chain.
        let past: Vec<_> = (first + 1..)
            .zip(page)
            .take_while(|(number, (_, entry))| {
                entry.value.number == *number && entry.value.at < before
            })
            .map(|(_, entry)| entry)
            .collect();
        let Some((_, last)) = past.last() else { return Ok(0) };
        let new = Head { number: last.value.number, hash: last.value.hash.clone() };
        let batch = records::replace(Batch::new(), ENDINGS.base, &new, base.as_ref())?;
        let batch =
            past.iter().fold(batch, |batch, (key, entry)| records::remove(batch, key, entry));
        Ok(if self.try_commit(batch).await? { past.len() } else { 0 })
    }

    async fn base_of(&self, chain: &Chain) -> Result<Option<Record<Head>>> {
        self.read(chain.base).await
    }

    /// An entry for a commit that must be audited or not happen.
    pub(super) async fn audit_batch(
        &self,
        who: &str,
        what: &str,
        detail: &str,
    ) -> std::result::Result<(Batch, AuditEntry), StoreError> {
        self.appended(&ACTS, (who, what, detail, None)).await
    }

    async fn appended(
        &self,
        chain: &Chain,
        (who, what, detail, covers): (&str, &str, &str, Option<Covers>),
    ) -> std::result::Result<(Batch, AuditEntry), StoreError> {
        let head: Option<Record<Head>> = records::get(self.store.as_ref(), chain.head).await?;
        let (number, previous) = head
            .as_ref()
            .map_or((1, zeros()), |head| (head.value.number + 1, head.value.hash.clone()));
        let text = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect();
        let (who, what, detail) = (text(who), text(what), text(detail));
        let (at, hash) = (self.clock.wall(), String::new());
        let mut entry = AuditEntry { number, at, who, what, detail, previous, hash, covers };
        entry.hash = entry.expected_hash();
        let new = Head { number, hash: entry.hash.clone() };
        let batch = records::create(Batch::new(), &chain.key(number), &entry)?;
        let batch = records::replace(batch, chain.head, &new, head.as_ref())?;
        Ok((batch, entry))
    }
}

/// How far a chain was walked.
struct Walk {
    /// The number of the last entry.
    number: u64,
    /// Its hash; `None`: only a newer Rota knows it.
    previous: Option<String>,
    /// So many entries cannot be read here.
    unread: u64,
    /// Of so many runs what is recorded cannot.
    runs: u64,
    /// The first entry of either sort.
    newer: Option<u64>,
}

impl Walk {
    /// From where the chain begins.
    fn after(base: Head) -> Self {
        Self { number: base.number, previous: Some(base.hash), unread: 0, runs: 0, newer: None }
    }

    /// What is recorded of the run that the last entry is about cannot be compared here.
    fn leave_run(&mut self) {
        self.runs += 1;
        self.newer.get_or_insert(self.number);
    }

    /// Goes on to the next entry, `None` being one that cannot be read; why it does not fit, if so.
    fn fault(&mut self, chain: &Chain, key: &str, entry: Option<&AuditEntry>) -> Option<String> {
        self.number += 1;
        let number = entry.map_or(self.number, |entry| entry.number);
        if number != self.number || key != chain.key(self.number) {
            return Some("an entry is missing or was put in".to_owned());
        }
        let Some(entry) = entry else {
            self.unread += 1;
            self.newer.get_or_insert(number);
            self.previous = None;
            return None;
        };
        if self.previous.as_ref().is_some_and(|previous| entry.previous != *previous) {
            return Some("it does not follow the entry before".to_owned());
        }
        if entry.expected_hash() != entry.hash {
            return Some("it was changed".to_owned());
        }
        self.previous = Some(entry.hash.clone());
        None
    }
}

impl Chain {
    fn key(&self, number: u64) -> String {
        format!("{}{}", self.prefix, keys::number(number))
    }
}

impl Head {
    fn none() -> Self {
        Self { number: 0, hash: zeros() }
    }
}

/// A run's record: what does not change once it has ended, in a form that later versions keep.
fn record_hash(run: &Run) -> String {
    let times = (run.started.timestamp_millis(), run.ended.map(|at| at.timestamp_millis()));
    let what = (&run.id, &run.playbook, &run.definition, &run.occurrence, run.task, run.fence);
    let how =
        (run.attempt, run.state.as_str(), run.reason, &run.detail, &run.outcome, &run.summary);
    let usage = run.usage;
    let used = (usage.tokens_in, usage.tokens_out, usage.cost_micros, usage.turns);
    keys::sha256(&serde_json::to_vec(&(what, how, times, used)).unwrap_or_default())
}

/// A run's journal; of effects that were open when it ended only what was intended.
fn journal_hash(effects: &[Effect], open: &[u32]) -> String {
    let lines = effects.iter().map(|effect| {
        let result = effect.result.as_ref().filter(|_| !open.contains(&effect.mark.seq));
        let what = (effect.mark.seq, effect.actor, &effect.tool, &effect.bulk, &effect.args);
        let under = (effect.claimed, effect.fence, effect.intended.timestamp_millis());
        serde_json::to_string(&(what, under, result)).unwrap_or_default()
    });
    keys::sha256(lines.collect::<Vec<_>>().join("\n").as_bytes())
}

fn zeros() -> String {
    "0".repeat(64)
}
