//! What waits for a person is told to them in Slack, with buttons: hand-overs, questions, proposals.
//!
//! It is read from the ledger, again and again, and each is told once by its key: whatever breaks off is
//! told later.

use super::parts::Parts;
use super::{reviews, telling};
use crate::digest;
use crate::domain::{
    Ask, Body, Channel, Mention, Notice, Person, PersonKind, TaskId, WaitKind, Waiting,
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
    let mut timer = tokio::time::interval(parts.settings.tick.min(EVERY));
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        asked.look(&parts).await;
    }
}

impl Asked {
    /// Stores a notice for everything that waits and was not told.
    pub(super) async fn look(&self, parts: &Parts) {
        let Some(to) = &parts.settings.reviews else { return };
        let waiting = match reviews::waiting(parts).await {
            Ok(waiting) => waiting,
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
    format!("waits:{}:{}:{:?}:{since}", waiting.task, waiting.run, waiting.kind)
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
    let text = text_of(
        waiting,
        parts.settings.links.task(waiting.task).url.as_deref().unwrap_or_default(),
    );
    let ask = Ask { task: waiting.task, kind: waiting.kind, run: waiting.run.clone() };
    let slack = payloads(&text, std::slice::from_ref(&ask));
    let body = Body { text, slack, mentions, asks: vec![ask], ..Body::default() };
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
    let (task, from) = (waiting.task, &waiting.from);
    let headline = digest::one_line(&waiting.headline);
    let what = match waiting.kind {
        WaitKind::HandOver => format!("{from} handed over task {task}: {headline}"),
        WaitKind::Question => format!("{from} asks about task {task}: {headline}"),
        WaitKind::Proposals => format!("{from} proposes changes of task {task}: {headline}"),
        WaitKind::Unverified => format!(
            "{from} says that task {task} is done, and its journal does not show it: {headline}"
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
        let value = json!({"task": task, "run": ask.run.as_str(), "decision": decision});
        let mut button = json!({
            "type": "button",
            "action_id": format!("rota_{decision}"),
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
        WaitKind::HandOver | WaitKind::Proposals | WaitKind::Unverified => vec![
            button("approve", "Approve", Some("primary")),
            button("request_changes", "Request changes", None),
            button("snooze", "Snooze", None),
        ],
    };
    json!({"type": "actions", "block_id": format!("rota-{task}-{}", ask.run), "elements": elements})
}
