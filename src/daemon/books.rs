//! What is known about each playbook between two looks: its timetable, whether it is armed, its
//! condition, compiled once.

use super::beliefs::{Beliefs, Book};
use super::condition;
use super::parts::Parts;
use crate::domain::{On, Playbook};
use crate::ledger::{LedgerError, PlaybookSwitch, Timetables};
use crate::playbook::{Rights, is_wider, rights};
use crate::schedule::Timetable;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;

/// How often switches are read where others may change them and it is not heard of, in seconds.
const READ_AGAIN: u64 = 30;
/// Who arms, when `rota.toml` says that playbooks arm themselves.
const BY_CONFIGURATION: &str = "rota.toml (arm = \"auto\")";

/// Reads every playbook's switches again, and compiles what is new. While neither a playbook nor
/// local state has changed, nothing is read.
pub(super) async fn refresh(parts: &Parts, beliefs: &mut Beliefs) -> Result<(), LedgerError> {
    // Before anything is read: what is written meanwhile is read the next time.
    let time = if parts.ledger.is_shared() { parts.clock.boot().as_secs() / READ_AGAIN } else { 0 };
    let seen = Some((parts.ledger.commits(), parts.loads(), time));
    if beliefs.books_seen == seen {
        return Ok(());
    }
    beliefs.books_seen = None;
    let books = &mut beliefs.books;
    let playbooks = parts.playbooks();
    // Of all playbooks at once: there may be thousands, and a store that is far away.
    let switches = parts.ledger.playbook_switches().await?;
    let is_new = |playbook: &&Arc<Playbook>| {
        books.get(&playbook.name).is_none_or(|book| book.playbook.hash != playbook.hash)
    };
    let timetables = if playbooks.iter().filter(is_new).nth(1).is_some() {
        parts.ledger.timetables().await?
    } else {
        Timetables::default()
    };
    // They come sorted by name.
    books.retain(|name, _| playbooks.binary_search_by(|playbook| playbook.name.cmp(name)).is_ok());
    for playbook in playbooks {
        let known = books.get(&playbook.name);
        let same = known.is_some_and(|book| book.playbook.hash == playbook.hash);
        let book = if same { known.cloned() } else { None };
        let book = match book {
            Some(book) => book,
            None => compile(parts, &playbook, &timetables).await?,
        };
        let switch = match switches.of(&playbook.name) {
            Some(switch) => switch,
            None => parts.ledger.playbook_switch(&playbook.name).await?,
        };
        let switch = armed_by_itself(parts, &playbook, &book, switch).await?;
        let known = same && book.switch.armed == switch.armed;
        let armed = if known { book.armed } else { is_armed(&playbook, &switch) };
        books.insert(playbook.name.clone(), Book { armed, switch, ..book });
    }
    beliefs.books_seen = seen;
    Ok(())
}

async fn compile(
    parts: &Parts,
    playbook: &Arc<Playbook>,
    timetables: &Timetables,
) -> Result<Book, LedgerError> {
    // The parser has checked the pattern; what it let pass is at worst never woken by the clock.
    let timetable = Timetable::new(&playbook.on, &playbook.name).ok().flatten().map(Arc::new);
    let now = parts.clock.wall();
    let (name, print) = (&playbook.name, fingerprint(&playbook.on));
    let since = match timetables.since(name, &print, now) {
        Some(since) => since,
        None => parts.ledger.timetable_since(name, &print, now).await?,
    };
    let condition = playbook
        .select
        .as_ref()
        .and_then(|s| s.condition.as_ref())
        .map(|text| condition::compile(text));
    Ok(Book {
        playbook: Arc::clone(playbook),
        timetable,
        since,
        armed: false,
        switch: PlaybookSwitch::default(),
        condition,
        next: None,
    })
}

/// What decides about instants: an edit of anything else leaves them as they are.
pub(super) fn fingerprint(on: &On) -> String {
    let text = format!(
        "{:?} {:?} {} {:?} {:?} {:?}",
        on.cron, on.every, on.zone, on.gap, on.fold, on.jitter
    );
    let mut hex = String::new();
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// A playbook's switches; where `rota.toml` says so, it is armed by that.
async fn armed_by_itself(
    parts: &Parts,
    playbook: &Playbook,
    known: &Book,
    switch: PlaybookSwitch,
) -> Result<PlaybookSwitch, LedgerError> {
    let is_known = known.armed && known.switch.armed == switch.armed;
    if parts.settings.arms_itself && !is_known && !is_armed(playbook, &switch) {
        return arm(parts, playbook, BY_CONFIGURATION).await;
    }
    Ok(switch)
}

/// Accepts a playbook's triggers and rights as they stand.
pub(super) async fn arm(
    parts: &Parts,
    playbook: &Playbook,
    by: &str,
) -> Result<PlaybookSwitch, LedgerError> {
    let rights = serde_json::to_string(&rights(playbook)).unwrap_or_default();
    parts.ledger.arm(&playbook.name, &rights, by).await
}

/// Whether what a person armed covers what the playbook may do now.
fn is_armed(playbook: &Playbook, switch: &PlaybookSwitch) -> bool {
    why_not_armed(playbook, switch).is_empty()
}

/// In which ways a playbook may do more than a person armed; empty: it is armed.
pub(super) fn why_not_armed(playbook: &Playbook, switch: &PlaybookSwitch) -> Vec<String> {
    let Some(armed) = &switch.armed else { return vec!["it was never armed".to_owned()] };
    match serde_json::from_str::<Rights>(armed) {
        Ok(old) => is_wider(&old, &rights(playbook)),
        Err(_) => vec!["what was armed cannot be read".to_owned()],
    }
}
