//! Whether every planned instant of the last days is accounted for: an audit of the ledger that reads
//! and changes nothing.

use super::books;
use crate::domain::{Occurrence, Playbook, PlaybookName, Timestamp};
use crate::ledger::{Ledger, LedgerError};
use crate::schedule::{Discrepancy, Timetable, account};

/// At most so many records of a playbook are looked at, the latest.
const RECORDS_MAX: usize = 10_000;

/// What was found in the records of some playbooks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Planned instants that a record accounts for.
    pub instants: u64,
    /// What does not add up, and where first.
    pub wrong: u64,
    /// The first of these.
    pub first: Option<(PlaybookName, Discrepancy)>,
    /// Playbooks of which only the latest records were looked at.
    pub cut: Vec<PlaybookName>,
}

impl Accounts {
    /// Looks at the instants after `since` up to where each playbook has been accounted.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn of<'a>(
        ledger: &Ledger,
        playbooks: impl IntoIterator<Item = &'a Playbook>,
        since: Timestamp,
    ) -> Result<Self, LedgerError> {
        let mut accounts = Self::default();
        for playbook in playbooks {
            accounts.add(ledger, playbook, since).await?;
        }
        Ok(accounts)
    }

    async fn add(
        &mut self,
        ledger: &Ledger,
        playbook: &Playbook,
        since: Timestamp,
    ) -> Result<(), LedgerError> {
        let name = &playbook.name;
        let Ok(Some(timetable)) = Timetable::new(&playbook.on, name) else { return Ok(()) };
        // Instants before an edit are nobody's; what was never looked at is not due yet.
        let print = books::fingerprint(&playbook.on);
        let Some(began) = ledger.timetable_began(name, &print).await? else { return Ok(()) };
        let Some(until) = ledger.watermark(name).await? else { return Ok(()) };
        let records = ledger.occurrences(name, RECORDS_MAX).await?;
        let mut from = since.max(began);
        if records.len() == RECORDS_MAX
            && let Some(oldest) = records.last().filter(|oldest| oldest.planned > from)
        {
            from = oldest.planned;
            self.cut.push(name.clone());
        }
        let from = records.iter().fold(from, |from, record| from.max(reach(record, from)));
        let found = account(&timetable, from, until, &records);
        self.instants += found.instants;
        self.wrong += found.found;
        let first = found.discrepancies.into_iter().next();
        self.first = self.first.take().or(first.map(|first| (name.clone(), first)));
        Ok(())
    }
}

/// How far a record that begins before `from` accounts for what comes after it.
fn reach(record: &Occurrence, from: Timestamp) -> Timestamp {
    let last = record.covers.map_or(record.planned, |covers| covers.last);
    if record.planned <= from { last.max(from) } else { from }
}
