//! The names of everything in the store, in one place, and how names are ordered.
//!
//! A key is made of segments joined by `/`. What people or boards chose is escaped, and replaced by
//! its hash where it is long, so that no name reaches into another's rows or past the longest key.

mod arrivals;
mod daemons;
mod outbox;
mod pages;
mod reviews;
mod waits;

pub(super) use arrivals::arrival;
pub(super) use daemons::{
    DAEMON, DAEMON_PLAYBOOKS, DRAINED, STOP_ASKED, daemon, daemon_of, daemon_playbooks, drained,
    lane, occurrence_at, stop_asked,
};
pub(super) use outbox::{
    DEAD, QUEUE, after_queue, alarm, alarms, dead, place_in_queue, queue, queued, told, told_at,
    told_since,
};
pub(super) use pages::{PAGE_LINK, PAGE_SESSION, page_link, page_session};
pub(super) use reviews::{
    fitness, review, review_open, review_open_prefix, review_overtaken, review_overtaken_prefix,
    review_prefix, review_unwritten, review_unwritten_prefix, rounds, rounds_open,
    rounds_open_prefix, staging, staging_open, staging_open_prefix,
};
pub(super) use waits::{
    budget_more, command, command_prefix, command_taken, command_taker, release_asked,
    release_asked_prefix, unarmed, wait_note,
};

use crate::domain::{
    BoardName, Mark, OccurrenceId, PersonId, PlaybookName, RunId, RunState, TaskId, Timestamp,
    TokenId,
};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Longer segments are replaced by their hash.
const SEGMENT_BYTES_MAX: usize = 96;

pub(super) const HELD: &str = "held/";
pub(super) const ORPHAN: &str = "orphan/";
pub(super) const OCCURRENCE_OPEN: &str = "occurrence-open/";
pub(super) const INTENT_OPEN: &str = "intent-open/";
pub(super) const RUN: &str = "run/";
/// Pending notices as they were listed before each channel had a queue.
pub(super) const DUE: &str = "notice-due/";
pub(super) const SESSION: &str = "session/";
pub(super) const SESSION_AT: &str = "session-at/";
pub(super) const TOKEN: &str = "token/";
pub(super) const PIN: &str = "upstream-pin/";
pub(super) const AUDIT: &str = "audit/";
pub(super) const AUDIT_HEAD: &str = "audit-head";
pub(super) const ENDING: &str = "ending/";
pub(super) const ENDING_HEAD: &str = "ending-head";
pub(super) const ENDING_BASE: &str = "ending-base";
pub(super) const STOPPED: &str = "stopped";
pub(super) const EPOCH: &str = "epoch";
pub(super) const LOST_UNTIL: &str = "lost-until";

/// SHA-256 in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// One segment of a key from any text; different texts give different segments.
pub(super) fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@+".contains(&byte);
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
    // `#` never stands in an escaped segment.
    if out.len() > SEGMENT_BYTES_MAX { format!("#{}", sha256(text.as_bytes())) } else { out }
}

/// An instant so that later ones sort later.
pub(super) fn ascending(at: Timestamp) -> String {
    format!("{:016x}", at.timestamp_millis().cast_unsigned() ^ (1 << 63))
}

/// An instant so that later ones sort earlier: a scan begins with the newest.
pub(super) fn descending(at: Timestamp) -> String {
    format!("{:016x}", !(at.timestamp_millis().cast_unsigned() ^ (1 << 63)))
}

/// A number so that larger ones sort later.
pub(super) fn number(n: u64) -> String {
    format!("{n:020}")
}

pub(super) fn claim(board: &BoardName, task: TaskId) -> String {
    format!("claim/{}/{task}", segment(board.as_str()))
}

/// What was said before a person was asked, while the claim waits.
pub(super) fn conversation(board: &BoardName, task: TaskId) -> String {
    format!("conversation/{}/{task}", segment(board.as_str()))
}

/// What the person answered, until the claim ends.
pub(super) fn answer(board: &BoardName, task: TaskId) -> String {
    format!("answer/{}/{task}", segment(board.as_str()))
}

/// Present while a claim is not free.
pub(super) fn held(board: &BoardName, task: TaskId) -> String {
    format!("{}{task}", held_prefix(board))
}

pub(super) fn held_prefix(board: &BoardName) -> String {
    format!("{HELD}{}/", segment(board.as_str()))
}

/// Present while an ended claim may have left something on the board.
pub(super) fn orphan(board: &BoardName, task: TaskId) -> String {
    format!("{}{task}", orphan_prefix(board))
}

pub(super) fn orphan_prefix(board: &BoardName) -> String {
    format!("{ORPHAN}{}/", segment(board.as_str()))
}

pub(super) fn session(id: &str) -> String {
    format!("{SESSION}{}", segment(id))
}

/// A session's place in the list of all, oldest first.
pub(super) fn session_at(begun: Timestamp, id: &str) -> String {
    format!("{SESSION_AT}{}/{}", ascending(begun), segment(id))
}

pub(super) fn token(id: &TokenId) -> String {
    format!("{TOKEN}{}", segment(id.as_str()))
}

/// What was accepted of a tool of another server.
pub(super) fn pin(tool: &str) -> String {
    format!("{PIN}{}", segment(tool))
}

/// The id of the service key that has this name.
pub(super) fn token_name(name: &str) -> String {
    format!("token-name/{}", segment(name))
}

/// The address of somebody's calendar.
pub(super) fn feed(person: PersonId) -> String {
    format!("feed/{person}")
}

/// What is set aside for runs.
pub(super) const RESERVATION: &str = "reservation/";

pub(super) fn reservation(run: &RunId) -> String {
    format!("{RESERVATION}{}", segment(run.as_str()))
}

/// What one playbook used in a day, or (`None`) all of them.
pub(super) fn spent(playbook: Option<&PlaybookName>, day: chrono::NaiveDate) -> String {
    format!("{}{}", spent_prefix(playbook), day.format("%Y-%m-%d"))
}

/// The days of one playbook, or of all, oldest first.
pub(super) fn spent_prefix(playbook: Option<&PlaybookName>) -> String {
    match playbook {
        Some(playbook) => format!("spent-of/{}/", segment(playbook.as_str())),
        None => "spent/".to_owned(),
    }
}

pub(super) fn watermark(playbook: &PlaybookName) -> String {
    format!("watermark/{}", segment(playbook.as_str()))
}

pub(super) fn cursor(board: &BoardName) -> String {
    format!("cursor/{}", segment(board.as_str()))
}

pub(super) fn occurrence(id: &OccurrenceId) -> String {
    format!("occurrence/{}", segment(id.as_str()))
}

/// Present while an occurrence is not settled; in the order of planning.
pub(super) fn occurrence_open(planned: Timestamp, id: &OccurrenceId) -> String {
    format!("{OCCURRENCE_OPEN}{}/{}", ascending(planned), segment(id.as_str()))
}

/// A playbook's occurrences, newest first.
pub(super) fn occurrences_of(playbook: &PlaybookName) -> String {
    format!("{OCCURRENCES}{}/", segment(playbook.as_str()))
}

pub(super) fn occurrence_of(
    playbook: &PlaybookName,
    planned: Timestamp,
    id: &OccurrenceId,
) -> String {
    format!("{}{}/{}", occurrences_of(playbook), descending(planned), segment(id.as_str()))
}

pub(super) fn run(id: &RunId) -> String {
    format!("{RUN}{}", segment(id.as_str()))
}

/// All runs, newest first.
pub(super) fn runs_all() -> String {
    "runs-all/".to_owned()
}

/// A playbook's runs, newest first.
pub(super) fn runs_of_playbook(playbook: &PlaybookName) -> String {
    format!("runs-of/{}/", segment(playbook.as_str()))
}

/// A task's runs, newest first.
pub(super) fn runs_of_task(board: &BoardName, task: TaskId) -> String {
    format!("runs-task/{}/{task}/", segment(board.as_str()))
}

/// Runs in a state, newest first.
pub(super) fn runs_in_state(state: RunState) -> String {
    format!("runs-state/{}/", state.as_str())
}

/// A run's place in one of the lists above.
pub(super) fn run_in(list: &str, started: Timestamp, id: &RunId) -> String {
    format!("{list}{}/{}", descending(started), segment(id.as_str()))
}

pub(super) fn definition(hash: &str) -> String {
    format!("definition/{}", segment(hash))
}

pub(super) fn transcript(run: &RunId) -> String {
    format!("log/{}/", segment(run.as_str()))
}

/// The number of a transcript's last line.
pub(super) fn transcript_head(run: &RunId) -> String {
    format!("log-head/{}", segment(run.as_str()))
}

/// The numbers of a transcript's lines that hold what the work was told.
pub(super) fn transcript_prompts(run: &RunId) -> String {
    format!("log-prompt/{}", segment(run.as_str()))
}

pub(super) fn effects(run: &RunId) -> String {
    format!("effect/{}/", segment(run.as_str()))
}

pub(super) fn effect(mark: &Mark) -> String {
    format!("{}{}", effects(&mark.run), number(mark.seq.into()))
}

/// Present between the intent of an effect and its result.
pub(super) fn intent_open(mark: &Mark) -> String {
    format!("{}{}", intents_open(&mark.run), number(mark.seq.into()))
}

/// Those of one run.
pub(super) fn intents_open(run: &RunId) -> String {
    format!("{INTENT_OPEN}{}/", segment(run.as_str()))
}

pub(super) fn once(playbook: &PlaybookName, key: &str) -> String {
    format!("once/{}/{}", segment(playbook.as_str()), sha256(key.as_bytes()))
}

/// `once` keys by when they were taken; to forget them in the end.
pub(super) const ONCE_TAKEN: &str = "once-taken/";

pub(super) fn once_taken(at: Timestamp, once: &str) -> String {
    format!("{ONCE_TAKEN}{}/{}", ascending(at), sha256(once.as_bytes()))
}

/// What somebody called under a key of theirs.
pub(super) fn repeat(who: &str, key: &str) -> String {
    repeat_of_hash(&sha256(format!("{}/{}", segment(who), segment(key)).as_bytes()))
}

pub(super) fn repeat_of_hash(hash: &str) -> String {
    format!("repeat/{hash}")
}

/// Such calls, oldest first.
pub(super) const REPEAT_AT: &str = "repeat-at/";

/// A call's place among them.
pub(super) fn repeat_at(at: Timestamp, repeat: &str) -> String {
    let hash = repeat.rsplit_once('/').map_or(repeat, |(_, hash)| hash);
    format!("{REPEAT_AT}{}/{hash}", ascending(at))
}

/// One caller's calls, oldest first.
pub(super) fn repeats_of(caller: &str) -> String {
    format!("repeat-of/{caller}/")
}

/// A call's place among its caller's.
pub(super) fn repeat_of(caller: &str, at: Timestamp, repeat: &str) -> String {
    let hash = repeat.rsplit_once('/').map_or(repeat, |(_, hash)| hash);
    format!("{}{}/{hash}", repeats_of(caller), ascending(at))
}

/// Runs that are forgotten, while rows of theirs are left.
pub(super) const FORGOTTEN: &str = "forgotten/";

pub(super) fn forgotten(run: &RunId) -> String {
    format!("{FORGOTTEN}{}", segment(run.as_str()))
}

/// The definition whose hash is this segment of a key already.
pub(super) fn definition_of_segment(segment: &str) -> String {
    format!("definition/{segment}")
}

pub(super) const DEFINITION_USED: &str = "definition-used/";

/// When a run last started with a definition.
pub(super) fn definition_used(hash: &str) -> String {
    format!("{DEFINITION_USED}{}", segment(hash))
}

pub(super) const OCCURRENCES: &str = "occurrences-of/";
pub(super) const DECISIONS_TASK: &str = "decision-task/";
pub(super) const ROUNDS: &str = "rounds/";
pub(super) const FITNESS: &str = "fitness/";

/// What keeps agents from keeping each other busy.
pub(super) const GUARD: &str = "guard/";

/// Agents' writes on a task since a person acted on it.
pub(super) fn exchange(board: &BoardName, task: TaskId) -> String {
    format!("{GUARD}exchange/{}/{task}", segment(board.as_str()))
}

/// The same, by how often the task changed hands.
pub(super) fn exchange_by_count(board: &BoardName, count: u32, task: TaskId) -> String {
    format!("{}{}/{task}", exchanges_by_count(board), number(count.into()))
}

pub(super) fn exchanges_by_count(board: &BoardName) -> String {
    format!("{GUARD}exchange-by-count/{}/", segment(board.as_str()))
}

/// How deep a task is that agents made.
pub(super) fn delegated(board: &BoardName, task: TaskId) -> String {
    format!("{GUARD}depth/{}/{task}", segment(board.as_str()))
}

/// The same, by how deep it is.
pub(super) fn delegation_by_depth(board: &BoardName, depth: u32, task: TaskId) -> String {
    format!("{}{}/{task}", delegations_by_depth(board), number(depth.into()))
}

pub(super) fn delegations_by_depth(board: &BoardName) -> String {
    format!("{GUARD}by-depth/{}/", segment(board.as_str()))
}

/// How deep the task is that woke an occurrence.
pub(super) fn woken_deep(occurrence: &OccurrenceId) -> String {
    format!("{GUARD}woken/{}", segment(occurrence.as_str()))
}

/// Requests from outside that came, by when they need not be remembered any more.
pub(super) const REQUEST_SEEN: &str = "request-seen/";

pub(super) fn request_seen_until(until: Timestamp) -> String {
    format!("{REQUEST_SEEN}{}/", ascending(until))
}

pub(super) fn request_seen(until: Timestamp, what: &str) -> String {
    format!("{}{}", request_seen_until(until), sha256(what.as_bytes()))
}

pub(super) fn notice(key: &str) -> String {
    format!("notice/{}", sha256(key.as_bytes()))
}

/// All notices, newest first.
pub(super) fn notices_all() -> String {
    "notices-all/".to_owned()
}

/// A run's notices, newest first.
pub(super) fn notices_of(run: &RunId) -> String {
    format!("notices-of/{}/", segment(run.as_str()))
}

/// A notice's place in one of the lists above.
pub(super) fn notice_in(list: &str, created: Timestamp, key: &str) -> String {
    format!("{list}{}/{}", descending(created), sha256(key.as_bytes()))
}

pub(super) fn decisions_task(board: &BoardName, task: TaskId) -> String {
    format!("{DECISIONS_TASK}{}/{task}/", segment(board.as_str()))
}

pub(super) fn decisions_playbook(playbook: &PlaybookName) -> String {
    format!("decision-playbook/{}/", segment(playbook.as_str()))
}

/// The switches of all playbooks.
pub(super) const SWITCH: &str = "switch/";

pub(super) fn switch(playbook: &PlaybookName) -> String {
    format!("{SWITCH}{}", segment(playbook.as_str()))
}

pub(super) fn audit(n: u64) -> String {
    format!("{AUDIT}{}", number(n))
}

/// The parts of all records under a prefix.
pub(super) fn parts_under(prefix: &str) -> String {
    format!("part/{prefix}")
}

/// A part of a value that is too large for one row.
pub(super) fn part(key: &str, index: u32) -> String {
    format!("part/{key}/{index:06}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Channel, DaemonId, from_millis};
    use crate::store::{KEY_BYTES_MAX, QUIET};
    use std::collections::BTreeSet;

    #[test]
    fn different_names_never_share_a_segment_and_none_holds_a_slash() {
        let long = "x".repeat(500);
        let names = ["a", "a/b", "a%2fb", "A", "", "ä", "a b", "#a", long.as_str(), "\0", "a\n"];
        let segments: BTreeSet<_> = names.iter().map(|name| segment(name)).collect();
        assert_eq!(segments.len(), names.len());
        assert!(segments.iter().all(|s| !s.contains('/') && s.len() <= SEGMENT_BYTES_MAX));
    }

    #[test]
    fn what_is_not_announced_begins_as_the_store_knows_it() {
        let (run, channel) = (RunId::new("r"), Channel::Slack("ops".into()));
        let (daemon_of, lane_of) = (daemon(&DaemonId::new("one")), lane(&channel));
        let of_lines = [transcript(&run), transcript_head(&run), transcript_prompts(&run)];
        for key in [daemon_of, lane_of].iter().chain(&of_lines) {
            assert!(QUIET.iter().any(|begin| key.starts_with(begin)), "{key}");
        }
        for key in [drained(&DaemonId::new("one")), stop_asked(&run)] {
            assert!(!QUIET.iter().any(|begin| key.starts_with(begin)), "{key}");
        }
    }

    #[test]
    fn instants_sort_as_they_pass() {
        let instants = [i64::MIN / 2_000_000, -1, 0, 1, 1_795_000_000_000].map(from_millis);
        assert!(instants.map(ascending).is_sorted());
        assert!(instants.map(descending).iter().rev().is_sorted());
    }

    #[test]
    fn the_longest_names_stay_within_the_longest_key() {
        let long = "/".repeat(10_000);
        let (playbook, run) = (PlaybookName::new(&*long), RunId::new(&*long));
        let at = from_millis(0);
        for key in [
            occurrence_of(&playbook, at, &OccurrenceId::new(&*long)),
            run_in(&runs_of_playbook(&playbook), at, &run),
            notice_in(&notices_of(&run), at, &long),
            once(&playbook, &long),
        ] {
            assert!(part(&key, 999_999).len() <= KEY_BYTES_MAX, "{key}");
        }
    }
}
