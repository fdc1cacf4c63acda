//! State of other versions. The rows in the fixtures are as the versions of then wrote them, and are never
//! changed: what they mean is read as it was meant. What a later version wrote beside what is known here refuses
//! nothing.

use super::{Fixture, TASK, ask, at, ledger, on_both_stores, queued, taken};
use rota::domain::{
    Delivery, EffectResult, Fence, OccurrenceState, PersonId, Phase, PlaybookName, Reason, Run,
    RunId, RunState, StatusId, TaskId, Trigger, Value,
};
use rota::ledger::{Acquire, ClaimError, RunFilter, TokenRefusal};
use rota::store::Batch;
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;

on_both_stores! {
    runs_of_the_first_ledger_are_read_and_finished
    claims_of_the_first_ledger_end_with_their_life_and_their_fences_go_on
    occurrences_of_the_first_ledger_are_read_and_begun
    messages_of_the_first_ledger_are_told_and_none_is_told_twice
    tokens_of_their_first_version_count_with_all_that_they_were_given
    whoever_was_signed_in_by_the_first_pages_signs_in_again
    members_of_a_later_version_refuse_nothing_and_go_where_a_record_is_written_anew
}

/// Runs, claims, occurrences, effects and messages.
const FIRST: &str = include_str!("../../fixtures/ledger/first.json");
/// Tokens, and sessions of clients and of people.
const TOKENS: &str = include_str!("../../fixtures/ledger/tokens.json");

/// The ended run, and the one under way.
const ENDED: &str = "r-aaaaaaaaaaaa";
const RUNNING: &str = "r-bbbbbbbbbbbb";

/// The store holds these rows, each changed so.
async fn holds(f: &Fixture, fixture: &str, change: fn(&mut Json)) {
    let rows: BTreeMap<String, Json> = serde_json::from_str(fixture).unwrap();
    for (key, mut value) in rows {
        change(&mut value);
        f.store.commit(Batch::new().put(key, value.to_string())).await.unwrap();
    }
}

/// As it was written.
fn as_it_was(_: &mut Json) {}

fn worker() -> PlaybookName {
    PlaybookName::new("ai-worker")
}

fn ids(runs: &[Run]) -> Vec<&str> {
    runs.iter().map(|run| run.id.as_str()).collect()
}

async fn runs_of_the_first_ledger_are_read_and_finished(f: Fixture) {
    holds(&f, FIRST, as_it_was).await;
    let ledger = ledger(&f, "d/l");
    let all = ledger.runs(&RunFilter::default(), 9).await.unwrap();
    assert_eq!(ids(&all), [RUNNING, ENDED]);
    let ended = &all[1];
    assert_eq!((ended.state, ended.reason), (RunState::Succeeded, Some(Reason::Done)));
    assert_eq!((ended.task, ended.fence, ended.ended), (Some(TASK), Some(Fence(3)), Some(at(70))));
    assert_eq!((ended.usage.tokens_in, ended.usage.tokens_cached), (1_200, 0));
    assert!(ended.daemon.is_none() && ended.settle_from.is_none() && ended.left.is_none());
    assert!(ended.reviewer.is_none() && ended.by.is_none() && ended.looked_at.is_none());

    let id = RunId::new(ENDED);
    let lines = ledger.transcript(&id, 0, 9).await.unwrap();
    assert_eq!((lines[0].line.text.as_str(), &lines[0].line.data), ("I begin.", &Value::Null));
    let effects = ledger.effects(&id).await.unwrap();
    assert_eq!((effects[0].tool.as_str(), effects[0].bulk.as_ref()), ("editTask", None));
    let Some(EffectResult::Done { inverse: Some(inverse), .. }) = &effects[0].result else {
        panic!("it can be put back: {effects:?}")
    };
    assert_eq!(inverse.tool, "editTask");
    let definition = ledger.definition(&ended.definition).await.unwrap();
    assert_eq!(definition.as_deref(), Some("agent = \"AI-Worker\"\n"));

    let over = Run {
        state: RunState::Interrupted,
        reason: Some(Reason::Interrupted),
        ended: Some(at(200)),
        ..all[0].clone()
    };
    ledger.finish_run(&over, Vec::new()).await.unwrap();
    assert!(ledger.running().await.unwrap().is_empty());
    let filter = RunFilter { state: Some(RunState::Interrupted), ..RunFilter::default() };
    assert_eq!(ids(&ledger.runs(&filter, 9).await.unwrap()), [RUNNING]);
}

async fn claims_of_the_first_ledger_end_with_their_life_and_their_fences_go_on(f: Fixture) {
    holds(&f, FIRST, as_it_was).await;
    let ledger = ledger(&f, "d/l");
    let claims = ledger.claims().await.unwrap();
    let phases: Vec<_> = claims.iter().map(|claim| (claim.task, claim.phase)).collect();
    assert_eq!(phases, [(TASK, Phase::Working), (TaskId(43), Phase::Parked)]);
    let working = &claims[0];
    assert_eq!(working.wrote.assignee, Some(Some(PersonId(9))));
    assert!(working.assistant.is_none() && working.marker.is_none() && working.staged.is_none());
    assert!(working.before.comment.is_none() && working.untold.is_empty());
    let parked = claims[1].parked.as_ref().unwrap();
    assert_eq!((parked.question.as_str(), parked.comment), ("Which colour?", None));

    // Its holder is an earlier life of this daemon.
    let over = ledger.begin_life().await.unwrap();
    let over: Vec<_> = over.iter().map(|claim| (claim.task, claim.phase, claim.fence)).collect();
    assert_eq!(over, [(TASK, Phase::Working, Fence(4))]);
    let anew = ledger.acquire(ask("r-new")).await.unwrap();
    assert_eq!(anew.claim.fence, Fence(5), "no fence comes twice");
    let (before, wrote) = (&anew.claim.before, &anew.claim.wrote);
    assert_eq!((before.assignee, before.status), (Some(PersonId(2)), Some(StatusId(3))));
    assert_eq!(wrote.status, Some(StatusId(4)), "the board may show it still");
    let waits = ledger.acquire(Acquire { task: TaskId(43), ..ask("r-other") }).await;
    assert!(matches!(waits, Err(ClaimError::Parked)), "{waits:?}");
    let free = ledger.acquire(Acquire { task: TaskId(44), ..ask("r-free") }).await.unwrap();
    assert_eq!(free.claim.fence, Fence(2));
}

async fn occurrences_of_the_first_ledger_are_read_and_begun(f: Fixture) {
    holds(&f, FIRST, as_it_was).await;
    let ledger = ledger(&f, "d/l");
    let all = ledger.occurrences(&worker(), 9).await.unwrap();
    let ran =
        OccurrenceState::Ran { runs: vec![RunId::new(ENDED)], reason: Reason::Done, at: at(70) };
    let skipped = OccurrenceState::Skipped { reason: Reason::Overlap };
    let states: Vec<_> = all.iter().map(|one| (one.trigger, one.state.clone())).collect();
    assert_eq!(
        states,
        [
            (Trigger::Manual, OccurrenceState::Queued),
            (Trigger::Cron, skipped),
            (Trigger::Cron, ran)
        ]
    );
    assert!(all.iter().all(|one| one.covers.is_none() && one.status.is_none()));
    assert_eq!(ledger.watermark(&worker()).await.unwrap(), Some(at(60)));
    let open = ledger.open_occurrences().await.unwrap();
    assert_eq!((open.len(), &open[0]), (1, &all[0]));
    assert_eq!(ledger.begin_occurrence(&open[0].id).await.unwrap(), OccurrenceState::Queued);
    let begun = ledger.occurrence(&open[0].id).await.unwrap().unwrap();
    assert_eq!(begun.state, OccurrenceState::Running);
}

async fn messages_of_the_first_ledger_are_told_and_none_is_told_twice(f: Fixture) {
    holds(&f, FIRST, as_it_was).await;
    let ledger = ledger(&f, "d/l");
    let waiting = queued(&ledger).await;
    assert_eq!((waiting.len(), waiting[0].key.as_str()), (1, "waits"));
    assert!(matches!(waiting[0].delivery, Delivery::Pending { attempts: 2, .. }), "{waiting:?}");
    assert!(waiting[0].body.asks.is_empty() && waiting[0].body.mentions.is_empty());
    assert!(!waiting[0].is_alarm && !waiting[0].replaces && waiting[0].receipt.parts.is_empty());
    let all = ledger.notices(9, None).await.unwrap();
    let keys: Vec<&str> = all.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["waits", "given up", "told"]);
    assert_eq!(ledger.notices(9, Some(&RunId::new(ENDED))).await.unwrap().len(), 1);

    ledger.notice_sent("waits", &taken(90)).await.unwrap();
    assert!(queued(&ledger).await.is_empty());
    assert!(!ledger.retry_letter("told").await.unwrap(), "it was told");
    assert!(ledger.retry_letter("given up").await.unwrap());
    assert_eq!(queued(&ledger).await[0].key, "given up");
}

async fn tokens_of_their_first_version_count_with_all_that_they_were_given(f: Fixture) {
    holds(&f, TOKENS, as_it_was).await;
    let ledger = ledger(&f, "d/l");
    let laptop = SecretString::from("rota_aaaaaaaaaaaa_first");
    let token = ledger.check_token(&laptop).await.unwrap();
    assert_eq!((token.name.as_str(), token.person), ("laptop", PersonId(1)));
    assert!(token.projects.is_empty() && token.tools.is_empty(), "for all, as it was");
    let key = ledger.check_token(&SecretString::from("lt_ci_second")).await.unwrap();
    assert_eq!(key.tools, ["get*"]);
    let lost = ledger.check_token(&SecretString::from("rota_cccccccccccc_third")).await;
    assert!(matches!(lost, Err(TokenRefusal::Revoked { .. })), "{lost:?}");
    assert_eq!(ledger.tokens().await.unwrap().len(), 3);
    ledger.rotate_token("ci", Duration::ZERO, "Ada").await.unwrap();
    let before = ledger.check_token(&SecretString::from("lt_ci_second")).await;
    assert!(matches!(before, Err(TokenRefusal::Unknown)), "{before:?}");

    // A client goes on in the session that it began with the version of then.
    let session = ledger.outside_session("s-1").await.unwrap().unwrap();
    assert_eq!(session.owner, "token aaaaaaaaaaaa");
    ledger.forget_outside_session("s-1").await.unwrap();
    assert!(ledger.outside_session("s-1").await.unwrap().is_none());
}

async fn whoever_was_signed_in_by_the_first_pages_signs_in_again(f: Fixture) {
    holds(&f, TOKENS, as_it_was).await;
    let ledger = ledger(&f, "d/l");
    // When they were used last, and by which secret of a token, those do not say.
    for secret in ["pppppppppppp-fourth", "qqqqqqqqqqqq-fifth"] {
        let session = ledger.page_session(&SecretString::from(secret)).await.unwrap();
        assert!(session.is_none(), "{secret}: {session:?}");
    }
    assert!(ledger.page_sessions().await.unwrap().is_empty());
    let link = SecretString::from("llllllllllll-sixth");
    assert_eq!(ledger.take_page_link(&link).await.unwrap(), Some(PersonId(1)));
    let secret = ledger.begin_page_session(PersonId(1), None, "Ada").await.unwrap();
    assert!(ledger.page_session(&secret).await.unwrap().is_some());
    assert_eq!(ledger.page_sessions().await.unwrap().len(), 1);
}

/// As a later version might have written it.
fn with_more(value: &mut Json) {
    let Json::Object(members) = value else { return };
    if members.is_empty() {
        return;
    }
    for inner in ["token", "session", "effect"] {
        if let Some(Json::Object(inner)) = members.get_mut(inner) {
            inner.insert("later".to_owned(), json!(1));
        }
    }
    members.insert("later".to_owned(), json!({ "what": ["is", "not", "known"] }));
}

async fn members_of_a_later_version_refuse_nothing_and_go_where_a_record_is_written_anew(
    f: Fixture,
) {
    holds(&f, FIRST, with_more).await;
    holds(&f, TOKENS, with_more).await;
    let ledger = ledger(&f, "d/l");
    let all = ledger.runs(&RunFilter::default(), 9).await.unwrap();
    assert_eq!(ids(&all), [RUNNING, ENDED]);
    assert_eq!(ledger.effects(&RunId::new(ENDED)).await.unwrap().len(), 1);
    assert_eq!(ledger.claims().await.unwrap().len(), 2);
    assert_eq!(ledger.occurrences(&worker(), 9).await.unwrap().len(), 3);
    assert_eq!(queued(&ledger).await.len(), 1);
    let laptop = SecretString::from("rota_aaaaaaaaaaaa_first");
    assert_eq!(ledger.check_token(&laptop).await.unwrap().name, "laptop");
    assert!(ledger.outside_session("s-1").await.unwrap().is_some());

    let over = Run { state: RunState::Cancelled, ended: Some(at(200)), ..all[0].clone() };
    ledger.finish_run(&over, Vec::new()).await.unwrap();
    let is_kept = async |run: &str| {
        let row = f.store.get(&format!("run/{run}")).await.unwrap().unwrap();
        String::from_utf8(row.value).unwrap().contains("\"later\"")
    };
    assert!(is_kept(ENDED).await, "what was only read stays as it was written");
    // Which is why going back asks for the backup of then.
    assert!(!is_kept(RUNNING).await, "what is written anew holds what this version knows");
}
