//! What waits for a person is told to them in Slack, with buttons: hand-overs, questions, proposals.
//!
//! It is read from the ledger, again and again, and each is told once by its key: whatever breaks off is
//! told later.

use super::parts::Parts;
use super::{queue, telling};
use crate::digest;
use crate::domain::{
    Ask, Body, Channel, Mention, Notice, Person, PersonKind, RunId, TaskId, WaitKind, Waiting,
};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::Mutex;

/// How often it is looked for at least.
const EVERY: Duration = Duration::from_secs(30);
/// More of what was done or asked is not shown; the task has it.
const TEXT_CHARS_MAX: usize = 2_000;
/// At most so many blocks stand in a message of Slack's.
const BLOCKS_MAX: usize = 50;
/// At most so many keys are remembered as told.
const REMEMBERED_MAX: usize = 10_000;

/// What was told already; the ledger knows it, too.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<BTreeSet<String>>);

/// Looks again and again, until it is dropped.
pub(super) async fn keep(parts: std::sync::Arc<Parts>, asked: std::sync::Arc<Asked>) {
    if parts.settings.reviews.is_none() {
        return;
    }
    let mut timer = super::upkeep::timer(parts.settings.tick.min(EVERY));
    loop {
        timer.tick().await;
        asked.look(&parts).await;
    }
}

impl Asked {
    /// Stores a notice for everything that waits and was not told.
    pub(super) async fn look(&self, parts: &Parts) {
        let Some(to) = &parts.settings.reviews else { return };
        let waiting: Vec<Waiting> = match queue::waiting(parts).await {
            // What somebody put off was told.
            Ok(all) => all.into_iter().filter(|waiting| waiting.snoozed.is_none()).collect(),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                return tracing::warn!(error, "what waits for people could not be read");
            }
        };
        let mut told = self.0.lock().await;
        let keys: BTreeSet<String> = waiting.iter().map(key).collect();
        told.retain(|key| keys.contains(key));
        let new: Vec<&Waiting> = waiting.iter().filter(|w| !told.contains(&key(w))).collect();
        if new.is_empty() {
            return;
        }
        let people = match parts.board.people().await {
            Ok(people) => people,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                return tracing::warn!(error, "who is to be told of what waits could not be read");
            }
        };
        let notices = new.iter().map(|waiting| notice(parts, to, waiting, &people)).collect();
        match parts.ledger.enqueue(notices).await {
            Ok(()) if told.len() < REMEMBERED_MAX => told.extend(new.into_iter().map(key)),
            Ok(()) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "what waits for people could not be told");
            }
        }
    }
}

/// The same thing that waits has the same key.
fn key(waiting: &Waiting) -> String {
    let since = waiting.since.timestamp_millis();
    let run = waiting.run.as_ref().map(RunId::as_str).unwrap_or_default();
    let again = waiting.was_snoozed.map(|until| format!(":{}", until.timestamp_millis()));
    let again = again.unwrap_or_default();
    format!("waits:{}:{run}:{:?}:{since}{again}", waiting.item, waiting.kind)
}

fn notice(parts: &Parts, to: &Channel, waiting: &Waiting, people: &[Person]) -> Notice {
    let owner = people.iter().find(|person| Some(person.id) == waiting.owner);
    let mentions = owner
        .filter(|person| person.kind == PersonKind::Person)
        .map(|person| Mention {
            name: person.name.clone(),
            email: person.email.clone(),
            slack: slack_id(parts, person),
        })
        .into_iter()
        .collect();
    let url = waiting.task.and_then(|task| parts.settings.links.task(task).url);
    let text = text_of(waiting, url.as_deref().unwrap_or_default());
    // What is about no run's work is decided at a terminal.
    let ask = waiting.task.zip(waiting.run.clone());
    let ask =
        ask.map(|(task, run)| Ask { task, kind: waiting.kind, run, since: Some(waiting.since) });
    let asks: Vec<Ask> = ask.into_iter().collect();
    let slack = payloads(&text, &asks);
    let body = Body { text, slack, mentions, asks, ..Body::default() };
    telling::notice(parts, &key(waiting), to, body)
}

fn slack_id(parts: &Parts, person: &Person) -> Option<String> {
    let same = |one: &str, other: &str| one.trim().to_lowercase() == other.trim().to_lowercase();
    let is_meant = |named: &String| {
        same(named, &person.name) || person.email.as_deref().is_some_and(|own| same(own, named))
    };
    let mut known = parts.settings.slack_people.iter();
    known.find(|(_, named)| is_meant(named)).map(|(id, _)| id.clone())
}

fn text_of(waiting: &Waiting, url: &str) -> String {
    let (item, from) = (&waiting.item, &waiting.from);
    let headline = digest::one_line(&waiting.headline);
    let what = match waiting.kind {
        WaitKind::HandOver => format!("{from} handed over task {item}: {headline}"),
        WaitKind::Question => format!("{from} asks about task {item}: {headline}"),
        WaitKind::Proposals => format!("{from} proposes changes of task {item}: {headline}"),
        WaitKind::Unverified => format!(
            "{from} says that task {item} is done, and its journal does not show it: {headline}"
        ),
        WaitKind::Arming => format!("{from} waits to be armed: `rota review approve {item}`"),
        WaitKind::Budget => {
            format!("{from} has used up its day; once more: `rota review approve {item}`")
        }
        WaitKind::Release => format!(
            "{from} asks to take a claim away: {headline}; if you agree: `rota review approve {item}`"
        ),
    };
    let chars = waiting.text.trim().chars().count();
    let mut said: String = waiting.text.trim().chars().take(TEXT_CHARS_MAX).collect();
    if chars > TEXT_CHARS_MAX {
        let _ = write!(said, " … ({} more characters)", chars - TEXT_CHARS_MAX);
    }
    [what, said, url.to_owned()]
        .into_iter()
        .filter(|part| !part.trim().is_empty())
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// A text with buttons for what it asks to be decided; without payloads where Slack's limits leave no
/// room: then the text is sent, and says nothing of buttons.
pub(super) fn payloads(text: &str, asks: &[Ask]) -> Vec<String> {
    let Ok(messages) = digest::slack_of_text(text) else { return Vec::new() };
    let mut payloads: Vec<String> = messages.iter().map(digest::blocks::Message::to_json).collect();
    let Some(last) = payloads.last_mut() else { return payloads };
    let Ok(mut value) = serde_json::from_str::<Json>(last) else { return payloads };
    if let Some(blocks) = value.get_mut("blocks").and_then(Json::as_array_mut) {
        // One place is left for those who are mentioned.
        let room = BLOCKS_MAX.saturating_sub(blocks.len() + 1);
        blocks.extend(asks.iter().take(room.min(10)).map(buttons));
    }
    *last = value.to_string();
    payloads
}

/// What may be done about something that waits.
fn buttons(ask: &Ask) -> Json {
    let TaskId(task) = ask.task;
    let button = |decision: &str, text: &str, style: Option<&str>| {
        let mut value = json!({"task": task, "run": ask.run.as_str(), "decision": decision});
        if let Some(since) = ask.since {
            value["since"] = json!(since);
        }
        let mut button = json!({
            "type": "button",
            // Once in a message, also in one that tells of several things that wait.
            "action_id": format!("rota_{decision}_{task}_{}", ask.run),
            "text": {"type": "plain_text", "text": text},
            "value": value.to_string(),
        });
        if let Some(style) = style {
            button["style"] = json!(style);
        }
        button
    };
    let elements = match ask.kind {
        WaitKind::Question => {
            vec![button("answer", "Answer", Some("primary")), button("snooze", "Snooze", None)]
        }
        // The others have no run, and are never asked here.
        WaitKind::HandOver
        | WaitKind::Proposals
        | WaitKind::Unverified
        | WaitKind::Arming
        | WaitKind::Budget
        | WaitKind::Release => vec![
            button("approve", "Approve", Some("primary")),
            button("request_changes", "Request changes", None),
            button("snooze", "Snooze", None),
        ],
    };
    json!({"type": "actions", "block_id": format!("rota-{task}-{}", ask.run), "elements": elements})
}
