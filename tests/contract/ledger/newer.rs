//! What a newer Rota wrote on the same store: whatever is done here, each such row stays byte for byte as it
//! is, and everything else goes on.

use super::{
    Fixture, TASK, a_notice, a_run, an_occurrence, ask, at, ledger, on_both_stores, queued,
};
use rota::domain::*;
use rota::ledger::{
    Acquire, ClaimError, CommandGiven, Enrolment, InRow, Ledger, LogLine, RunFilter, export,
};
use rota::store::watched::WatchedStore;
use rota::store::{Batch, Store, StoreError};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

on_both_stores! {
    records_in_a_newer_format_stay_with_all_their_places
    words_that_are_not_known_stay_as_they_are
    beside_newer_rows_everything_else_goes_on
    a_task_whose_claim_is_newer_is_claimed_again_once_its_record_can_be_read
    no_commit_changes_what_was_found_to_be_newer
    what_stops_or_pauses_does_so_whoever_can_read_it
    large_records_in_a_newer_format_keep_their_parts
}

/// The families of keys, and in each a place that what is done below comes to.
#[rustfmt::skip]
const FAMILIES: &[(&str, &str)] = &[
    ("answer/", "main/42"), ("arrival/", "ai-worker@2"), ("audit-base", ""), ("audit-head", ""),
    ("audit/", "00000000000000000001"), ("budget-more/", "2026-11-18"), ("claim/", "main/42"),
    ("command-taken/", "main/00000000000000000007"), ("command-taker/", "main/00000000000000000007"), ("command/", "main/00000000000000000007"),
    ("conversation/", "main/42"), ("cursor/", "main"), ("daemon-drained/", "d"),
    ("daemon-playbooks/", "d"), ("daemon/", "newer"), ("decision-playbook/", "ai-worker/00000000000000000001"),
    ("decision-task/", "main/42/00000000000000000001"), ("definition-used/", "hash"),
    ("definition/", "hash"), ("effect/", "r-own/00000000000000000001"), ("ending-base", ""),
    ("ending-head", ""), ("ending/", "00000000000000000001"), ("epoch", ""), ("feed/", "1"),
    ("fitness/", "ai-worker/main/42"), ("forgotten/", "r-gone"), ("guard/", "exchange/main/42"),
    ("held/", "main/77"), ("intent-open/", "r-own/00000000000000000001"), ("log-head/", "r-newer"), ("log-prompt/", "r-newer"),
    ("log/", "r-newer/00000000000000000001"), ("lost-until", ""), ("notice-alarm/", "slack:team/0000000000000001/x"),
    ("notice-dead/", "x"), ("notice-due/", "8000000000000000/x"), ("notice-lane/", "slack:team"),
    ("notice-queue/", "slack:team/0000000000000001/x"), ("notice-told/", "slack:team/8000000000000000/x"),
    ("notice/", "7c4a345722b40acbdc121843d43b674e9f7c50201f26b4b915931b4f2a73d3d0"),
    ("notices-all/", "7ffffe5e11a88ca7/x"), ("notices-of/", "r-own/7ffffe5e11a88ca7/x"),
    ("occurrence-at/", "ai-worker@2"), ("occurrence-open/", "8000000000000000/x"),
    ("occurrence/", "ai-worker@2"), ("occurrences-of/", "ai-worker/7ffffe5e11a88ca7/x"),
    ("once-taken/", "8000000000000000/x"), ("once/", "ai-worker/x"), ("orphan/", "main/42"),
    ("page-link/", "x"), ("page-session/", "x"), ("part/", "claim/main/42/000000"),
    ("release-asked/", "main/42"), ("repeat-at/", "8000000000000000/x"), ("repeat-of/", "x/8000000000000000/x"),
    ("repeat/", "x"), ("request-seen/", "8000000000000000/x"), ("reservation/", "r-newer"),
    ("review-open/", "main/42"), ("review-overtaken/", "main/42/r-newer"), ("review-unwritten/", "main/42"),
    ("review/", "main/42"), ("rounds-open/", "main/42"), ("rounds/", "main/42"), ("run/", "r-newer"),
    ("runs-all/", "7ffffe5e11a88ca7/r-newer"), ("runs-of/", "ai-worker/7ffffe5e11a88ca7/r-newer"),
    ("runs-state/", "running/7ffffe5e11a88ca7/r-newer"), ("runs-task/", "main/42/7ffffe5e11a88ca7/r-newer"),
    ("session-at/", "8000000000000000/s-1"), ("session/", "s-1"), ("spent-of/", "ai-worker/2026-11-18"),
    ("spent/", "2026-11-18"), ("staging-open/", "main/42"), ("staging/", "main/42"),
    ("stop-asked/", "r-newer"), ("stopped", ""), ("switch/", "ai-worker"), ("timetable/", "ai-worker"),
    ("token-name/", "ci"), ("token/", "aaaaaaaaaaaa"), ("unarmed/", "hash"), ("upstream-pin/", "x"),
    ("wait-note/", "main/x"), ("watermark/", "ai-worker"), ("x-of-tomorrow/", "main/42"),
];

fn worker() -> PlaybookName {
    PlaybookName::new("ai-worker")
}

fn team() -> Channel {
    Channel::Slack("team".into())
}

/// As a newer program writes what an older one is to leave alone.
pub(super) fn newer() -> String {
    json!({ "rota": 2, "at": "2026-01-01T00:00:00Z", "what": { "is": ["not", "known"] } })
        .to_string()
}

pub(super) fn as_a_daemon() -> Enrolment {
    let (version, labels) = ("0.1.0".to_owned(), Vec::new());
    Enrolment { version, labels, slots: 4, since: at(0), lease: Duration::from_mins(1) }
}

/// Every row, by its key.
async fn rows(store: &dyn Store) -> BTreeMap<String, Vec<u8>> {
    let rows = store.scan("", None, 10_000).await.unwrap();
    rows.into_iter().map(|row| (row.key, row.value)).collect()
}

/// What these rows have become.
pub(super) async fn now(
    f: &Fixture,
    planted: &BTreeMap<String, Vec<u8>>,
) -> BTreeMap<String, Vec<u8>> {
    let mut all = rows(f.store.as_ref()).await;
    all.retain(|key, _| planted.contains_key(key));
    all
}

pub(super) async fn plant(f: &Fixture, planted: &BTreeMap<String, Vec<u8>>) {
    for (key, value) in planted {
        f.store.commit(Batch::new().put(key, value.clone())).await.unwrap();
    }
}

/// What is done from time to time, whatever comes of each: sweeping, telling, forgetting.
async fn keeps_house(ledger: &Ledger) {
    let _ = ledger.enroll(&as_a_daemon()).await;
    let _ = ledger.stay(&as_a_daemon()).await;
    let _ = (ledger.begin_life().await, ledger.expire().await);
    let _ = (ledger.orphans().await, ledger.overdue_parked(at(1_000_000_000)).await);
    let _ = (ledger.give_back_left_over().await, ledger.give_back_of(|_| true).await);
    let _ =
        (ledger.waiting_channels().await, ledger.queues(9).await, ledger.queue(&team(), 9).await);
    let _ = (ledger.first_alarm(&team()).await, ledger.dead_letters(9).await);
    let _ = (ledger.open_occurrences().await, ledger.running().await, ledger.commands().await);
    let _ =
        (ledger.unconcluded(9).await, ledger.stops_asked().await, ledger.releases_asked().await);
    let _ = (ledger.open_hand_overs().await, ledger.open_stagings().await);
    let _ = (ledger.exchanges_of(0).await, ledger.deeper_than(0).await, ledger.tokens().await);
    let _ = (ledger.page_sessions().await, ledger.verify().await, ledger.audit_log(9, None).await);
    let _ = (ledger.forget_daemons().await, ledger.told_playbooks().await);
    for _ in 0..100 {
        if ledger.prune(at(1_000_000_000), 1_000).await.is_ok_and(|pruned| pruned.is_through) {
            break;
        }
    }
    let _ = ledger.leave().await;
}

/// What is done about things of the same names, whatever comes of each.
async fn acts(ledger: &Ledger) {
    let (run, occurrence) = (a_run("r-own", "ai-worker", 1), an_occurrence("ai-worker", 2));
    let _ = ledger.put_occurrence(&occurrence).await;
    let _ = ledger.begin_occurrence(&occurrence.id).await;
    if let Ok(mut held) = ledger.acquire(ask("r-own")).await {
        let _ = ledger.renew(&mut held).await;
        let _ = ledger.end(&mut held, EndKind::Released, Reason::Done).await;
    }
    let _ = ledger.start_run(&run, "agent = \"AI-Worker\"\n").await;
    let _ = ledger.log(&run.id, &[LogLine::new(at(2), "note", "I begin.")]).await;
    let over = Run { state: RunState::Cancelled, ended: Some(at(3)), ..run.clone() };
    let _ = ledger.finish_run(&over, vec![a_notice("of the run", 3)]).await;
    let skipped = OccurrenceState::Skipped { reason: Reason::Interrupted };
    let _ = ledger.settle_occurrence(&occurrence.id, skipped, &[], Some(InRow::Failure)).await;
    let newer = RunId::new("r-newer");
    let _ = (ledger.ask_stop(&newer, "Ada").await, ledger.forget_stop(&newer).await);
    let _ = ledger.give_back_budget(&newer).await;
    let _ = (ledger.pause(&worker(), "Ada", "lunch").await, ledger.resume(&worker(), "Ada").await);
    let _ = (ledger.set_stopped(None, "Ada").await, ledger.audit("Ada", "look", "").await);
    let _ = ledger.timetable_since(&worker(), "another", at(4)).await;
    let _ = ledger.take_lane(&team(), Duration::from_secs(9)).await;
    let _ = ledger.leave_lane(&team()).await;
    let given = CommandGiven {
        comment: CommentId(7),
        task: TASK,
        author: PersonId(1),
        agent: None,
        word: "stop".to_owned(),
        at: at(5),
        fence: None,
        handed: None,
    };
    let _ = (ledger.put_command(&given).await, ledger.take_command(CommentId(7)).await);
    let _ = ledger.enqueue(vec![a_notice("waits", 6)]).await;
    let _ = ledger.keep_outside_session("s-1", "somebody", "{}").await;
    let _ = ledger.request_comes("a request", at(9)).await;
    let _ = ledger.begin_repeatable("somebody", "key", "call").await;
    let _ = ledger.tell_playbooks(BTreeMap::new()).await;
    let _ = ledger.drain_daemon(&DaemonId::new("d"), false, "Ada").await;
    let (mark, to) = (worker(), at(7));
    let _ = ledger.record_occurrences(&mark, to, None, vec![an_occurrence("ai-worker", 2)]).await;
    let decision = Decision {
        playbook: worker(),
        task: Some(TASK),
        reason: Reason::Paused,
        detail: String::new(),
        run: None,
        at: at(8),
    };
    let _ = ledger.decide(decision.clone()).await;
    let _ = ledger.decide(Decision { task: None, ..decision }).await;
}

#[tokio::test]
async fn a_newer_row_of_each_family_of_keys_stays_as_it_is() {
    let f = super::memory();
    for (family, place) in FAMILIES {
        let key = format!("{family}{place}");
        let planted = BTreeMap::from([(key.clone(), newer().into_bytes())]);
        // What other families left is in nobody's way.
        for old in rows(f.store.as_ref()).await.into_keys() {
            f.store.commit(Batch::new().delete(old)).await.unwrap();
        }
        plant(&f, &planted).await;
        for life in ["d/1", "d/2"] {
            let ledger = ledger(&f, life);
            keeps_house(&ledger).await;
            acts(&ledger).await;
            f.clock.advance(Duration::from_hours(1));
            keeps_house(&ledger).await;
        }
        assert_eq!(now(&f, &planted).await, planted, "{key}");
    }
}

/// What begins a key anywhere in the source of the keys.
fn families() -> Vec<String> {
    let sources = [
        include_str!("../../../src/ledger/keys.rs"),
        include_str!("../../../src/ledger/keys/arrivals.rs"),
        include_str!("../../../src/ledger/keys/daemons.rs"),
        include_str!("../../../src/ledger/keys/outbox.rs"),
        include_str!("../../../src/ledger/keys/pages.rs"),
        include_str!("../../../src/ledger/keys/reviews.rs"),
        include_str!("../../../src/ledger/keys/waits.rs"),
    ];
    let mut found = Vec::new();
    for source in sources {
        let source = source.split("#[cfg(test)]").next().unwrap();
        // Every other piece stands between quotes.
        for text in source.split('"').skip(1).step_by(2) {
            let word: String =
                text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            let rest = &text[word.len()..];
            if word.len() > 1 && (rest.is_empty() || rest.starts_with('/')) {
                found.push(if rest.is_empty() { word } else { format!("{word}/") });
            }
        }
    }
    found
}

#[test]
fn no_family_of_keys_is_missing_from_the_table() {
    let found = families();
    assert!(found.len() > 60, "{found:?}");
    for family in found {
        assert!(FAMILIES.iter().any(|(known, _)| *known == family), "{family} is not in the table");
    }
}

/// The rows of the first ledger, each record changed so.
fn first(change: impl Fn(&mut serde_json::Map<String, Json>)) -> BTreeMap<String, Vec<u8>> {
    let mut all: BTreeMap<String, Json> =
        serde_json::from_str(include_str!("../../fixtures/ledger/first.json")).unwrap();
    let tokens: BTreeMap<String, Json> =
        serde_json::from_str(include_str!("../../fixtures/ledger/tokens.json")).unwrap();
    all.extend(tokens);
    // Places by which the first version listed what waits are adopted, and say nothing of a format.
    all.retain(|key, _| !key.starts_with("notice-due/"));
    for value in all.values_mut() {
        if let Json::Object(members) = value
            && !members.is_empty()
        {
            change(members);
        }
    }
    all.into_iter().map(|(key, value)| (key, value.to_string().into_bytes())).collect()
}

async fn records_in_a_newer_format_stay_with_all_their_places(f: Fixture) {
    let mut planted = first(|members| {
        members.insert("rota".to_owned(), json!(2));
        members.insert("later".to_owned(), json!({ "what": 1 }));
    });
    // Up to where instants are recorded is no record of a newer format.
    planted.remove("watermark/ai-worker");
    plant(&f, &planted).await;
    let one = ledger(&f, "d/2");
    keeps_house(&one).await;
    acts(&one).await;
    f.clock.advance(Duration::from_hours(400 * 24));
    keeps_house(&one).await;
    assert_eq!(now(&f, &planted).await, planted);
    let folder = tempfile::tempdir().unwrap();
    let store = WatchedStore::new(Arc::clone(&f.store));
    let file = export::export_path(folder.path());
    export::export(&store, &file, 0, f.clock.as_ref()).await.unwrap();
    let exported = std::fs::read_to_string(file).unwrap();
    for key in planted.keys() {
        assert!(exported.contains(key.as_str()), "{key} is not in the export");
    }
}

async fn words_that_are_not_known_stay_as_they_are(f: Fixture) {
    let planted = first(|members| {
        for member in ["phase", "state", "delivery", "effect", "token", "session", "handshake"] {
            if members.contains_key(member) {
                members.insert(member.to_owned(), json!({ "pondering": ["since", 7] }));
            }
        }
    });
    let planted: BTreeMap<_, _> = planted
        .into_iter()
        .filter(|(_, value)| String::from_utf8_lossy(value).contains("pondering"))
        .collect();
    assert!(planted.len() > 10, "{planted:?}");
    plant(&f, &planted).await;
    let one = ledger(&f, "d/2");
    for _ in 0..2 {
        keeps_house(&one).await;
        acts(&one).await;
        f.clock.advance(Duration::from_hours(400 * 24));
    }
    assert_eq!(now(&f, &planted).await, planted);
}

async fn beside_newer_rows_everything_else_goes_on(f: Fixture) {
    let planted = first(|members| {
        members.insert("rota".to_owned(), json!(2));
    });
    plant(&f, &planted).await;
    let one = ledger(&f, "d/2");
    assert!(one.begin_life().await.unwrap().is_empty() && one.expire().await.unwrap().is_empty());
    let free = TaskId(99);
    let held = one.acquire(Acquire { task: free, ..ask("r-own") }).await.unwrap();
    let (claims, newer) = one.claims_and_newer().await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.task).collect::<Vec<_>>(), [held.claim.task]);
    assert_eq!(newer, [TASK, TaskId(43)]);
    for task in newer {
        let taken = one.acquire(Acquire { task, ..ask("r-other") }).await;
        let Err(ClaimError::Lost { reason: Reason::AlreadyClaimed, detail }) = taken else {
            panic!("{taken:?}")
        };
        assert!(detail.contains("a newer Rota"), "{detail}");
    }
    let run = Run { task: Some(free), ..a_run("r-own", "p", 500) };
    one.start_run(&run, "text").await.unwrap();
    let all = one.runs(&RunFilter::default(), 9).await.unwrap();
    assert_eq!((all.len(), one.running().await.unwrap().len()), (1, 1));
    let occurrence = an_occurrence("p", 500);
    one.put_occurrence(&occurrence).await.unwrap();
    assert_eq!(one.open_occurrences().await.unwrap(), [occurrence]);
    one.enqueue(vec![a_notice("of its own", 500)]).await.unwrap();
    assert_eq!(one.waiting_channels().await.unwrap(), [team()]);
    assert_eq!(queued(&one).await.len(), 1);
    assert!(one.tokens().await.unwrap().is_empty());
    assert!(one.left_alone() > 5, "{}", one.left_alone());
}

async fn a_task_whose_claim_is_newer_is_claimed_again_once_its_record_can_be_read(f: Fixture) {
    let one = ledger(&f, "d/1");
    let mut held = one.acquire(ask("r-1")).await.unwrap();
    let readable = f.store.get("claim/main/42").await.unwrap().unwrap().value;
    f.store.commit(Batch::new().put("claim/main/42", newer())).await.unwrap();
    // The holder learns it, and acts no more.
    let lost = one.check_fence(TASK, held.claim.fence, &held.claim.run).await;
    assert!(matches!(lost, Err(ClaimError::Lost { .. })), "{lost:?}");
    let lost = one.renew(&mut held).await;
    assert!(matches!(lost, Err(ClaimError::Lost { .. })) && held.trust.is_lost(), "{lost:?}");
    assert!(one.acquire(ask("r-2")).await.is_err());
    f.clock.advance(Duration::from_hours(1));
    assert!(one.acquire(ask("r-2")).await.is_err(), "however long it takes");
    f.store.commit(Batch::new().put("claim/main/42", readable)).await.unwrap();
    let next = one.acquire(ask("r-3")).await.unwrap();
    assert_eq!(next.claim.fence, Fence(2));
}

async fn no_commit_changes_what_was_found_to_be_newer(f: Fixture) {
    let one = ledger(&f, "d/1");
    plant(&f, &BTreeMap::from([("claim/main/42".to_owned(), newer().into_bytes())])).await;
    assert!(one.claim(TASK).await.is_err());
    for batch in [
        Batch::new().delete("claim/main/42"),
        Batch::new().put("claim/main/42", "{}"),
        Batch::new().put("beside", "{}").delete("claim/main/42"),
    ] {
        let refused = one.store().commit(batch).await;
        assert!(matches!(refused, Err(StoreError::Newer { .. })), "{refused:?}");
    }
    assert!(f.store.get("beside").await.unwrap().is_none(), "nothing of such a commit happens");
    // It was written anew by whoever may: what is read then counts.
    f.store.commit(Batch::new().delete("claim/main/42")).await.unwrap();
    one.store().commit(Batch::new().put("claim/main/42", "{}")).await.unwrap();
}

async fn what_stops_or_pauses_does_so_whoever_can_read_it(f: Fixture) {
    let one = ledger(&f, "d/1");
    let keys = ["stopped", "switch/ai-worker", "stop-asked/r-1", "daemon-drained/d"];
    let planted = keys.map(|key| (key.to_owned(), newer().into_bytes()));
    let planted = BTreeMap::from(planted);
    plant(&f, &planted).await;
    assert_eq!(one.stopped().await.unwrap().unwrap().by, "a newer Rota");
    let switch = one.playbook_switch(&worker()).await.unwrap();
    assert_eq!(switch.paused.unwrap().by, "a newer Rota");
    assert_eq!(one.stops_asked().await.unwrap()[0].run.as_str(), "r-1");
    assert_eq!(one.drained().await.unwrap().unwrap().by, "a newer Rota");
    one.forget_stop(&RunId::new("r-1")).await.unwrap();
    let refused = one.set_stopped(None, "Ada").await.unwrap_err();
    assert!(refused.is_of_newer(), "{refused:?}");
    assert_eq!(now(&f, &planted).await, planted);
}

async fn large_records_in_a_newer_format_keep_their_parts(f: Fixture) {
    let one = ledger(&f, "d/1");
    let run = a_run("r-own", "p", 1);
    one.start_run(&run, "text").await.unwrap();
    let line = LogLine::new(at(2), "note", "long ".repeat(4_000));
    one.log(&run.id, &[line]).await.unwrap();
    let over = Run { state: RunState::Cancelled, ended: Some(at(3)), ..run.clone() };
    one.finish_run(&over, Vec::new()).await.unwrap();
    // The same line as a newer program writes it, cut in the same way.
    let own = "log/r-own/00000000000000000001";
    let all = rows(f.store.as_ref()).await;
    let parts: Vec<&str> =
        all.keys().map(String::as_str).filter(|key| key.starts_with("part/log/")).collect();
    assert!(parts.len() > 1, "{parts:?}");
    let text: Vec<u8> = parts.iter().flat_map(|part| all[*part].clone()).collect();
    let mut members: Json = serde_json::from_slice(&text).unwrap();
    members["rota"] = json!(2);
    let text = members.to_string();
    let (head, tail) = text.split_at(7_000);
    let cuts: Vec<&str> = std::iter::once(head)
        .chain(tail.as_bytes().chunks(7_000).map(|cut| std::str::from_utf8(cut).unwrap()))
        .collect();
    let sum = sha256(&text);
    let mut planted =
        BTreeMap::from([(own.to_owned(), format!("#{} {sum}", cuts.len()).into_bytes())]);
    for (index, cut) in cuts.iter().enumerate() {
        planted.insert(format!("part/{own}/{index:06}"), cut.as_bytes().to_vec());
    }
    plant(&f, &planted).await;
    assert!(one.transcript(&run.id, 0, 9).await.unwrap().is_empty());
    f.clock.advance(Duration::from_hours(400 * 24));
    for _ in 0..2 {
        keeps_house(&one).await;
    }
    assert!(one.run("r-own").await.unwrap().is_none(), "the run itself is forgotten");
    assert_eq!(now(&f, &planted).await, planted);
}

pub(super) fn sha256(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    use std::fmt::Write as _;
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
