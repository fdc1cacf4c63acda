//! What waits too long for a person: others are told, step by step, until somebody decides, takes note,
//! puts it off, or the task changes. What nobody ever decides about leaves the list.

use super::parts::Parts;
use super::queue;
use super::warnings;
use crate::domain::{ActivityQuery, Channel, PersonKind, WaitItem, WaitKind, Waiting, to_delta};
use crate::ledger::LedgerError;
use crate::tools::desk::DeskError;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked at.
const EVERY: Duration = Duration::from_mins(1);
/// So soon after it began to wait a change of its task is still part of what came before.
const SETTLING: chrono::TimeDelta = chrono::TimeDelta::minutes(2);

/// Why somebody was not told now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Desk(#[from] DeskError),
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    #[error("{0}")]
    Board(#[from] crate::board::BoardError),
}

/// Looks until it is dropped.
pub(super) async fn keep(parts: Arc<Parts>) {
    let mut timer = super::upkeep::timer(EVERY);
    loop {
        timer.tick().await;
        look(&parts).await;
    }
}

/// Tells who has to be told by now.
pub(super) async fn look(parts: &Parts) {
    let rules = &parts.settings.review;
    if rules.decide_within.is_none() && rules.expire_after.is_none() {
        return;
    }
    let all = match queue::waiting(parts).await {
        Ok(all) => all,
        Err(error) => return tracing::warn!(%error, "what waits for a person could not be read"),
    };
    for waiting in all {
        if let Err(error) = see_to(parts, &waiting).await {
            tracing::warn!(item = %waiting.item, %error, "nobody was told that it waits too long");
        }
    }
}

async fn see_to(parts: &Parts, waiting: &Waiting) -> Result<(), Trouble> {
    let rules = &parts.settings.review;
    if waiting.snoozed.is_some() || is_decided(parts, waiting).await? {
        return Ok(());
    }
    let age = parts.clock.wall() - waiting.since;
    if rules.expire_after.is_some_and(|after| age >= to_delta(after)) && expires(waiting) {
        return expire(parts, waiting).await;
    }
    let Some(within) = rules.decide_within.map(to_delta) else { return Ok(()) };
    if waiting.seen_by.is_some() || age < within {
        return Ok(());
    }
    let note = parts.ledger.queue_note(&waiting.item, waiting.since).await?;
    // Whoever passed it on has looked at it.
    if note.owner.is_some() {
        return Ok(());
    }
    let step = usize::try_from(note.escalated).unwrap_or(usize::MAX);
    let Some(to) = rules.escalate.get(step) else { return Ok(()) };
    let due = within * i32::try_from(step + 1).unwrap_or(i32::MAX);
    if age < due || is_looked_at(parts, waiting).await? {
        return Ok(());
    }
    tell(parts, waiting, to, &format!("step {step}"), &text(waiting, rules.escalate.len() - step))
        .await?;
    // Told twice it is the same notice: its key says which step it was.
    let next = note.escalated + 1;
    let noted = parts.ledger.note_queue(&waiting.item, waiting.since, |note| {
        note.escalated = note.escalated.max(next);
    });
    noted.await?;
    Ok(())
}

/// Whether somebody has decided, and the board does not show it yet.
async fn is_decided(parts: &Parts, waiting: &Waiting) -> Result<bool, Trouble> {
    let WaitItem::Task(task) = &waiting.item else { return Ok(false) };
    let hand_over = parts.ledger.hand_over(*task).await?;
    Ok(hand_over.is_some_and(|it| Some(&it.run) == waiting.run.as_ref() && it.decided.is_some()))
}

/// Whether somebody who is no agent has acted on the task since it began to wait. At a claim that is to
/// end its holder acts all the time.
async fn is_looked_at(parts: &Parts, waiting: &Waiting) -> Result<bool, Trouble> {
    let Some(task) = waiting.task.filter(|_| waiting.kind != WaitKind::Release) else {
        return Ok(false);
    };
    let since = waiting.since + SETTLING;
    if parts.board.task(task).await?.modified <= since {
        return Ok(false);
    }
    let people = parts.board.people().await?;
    let query = ActivityQuery {
        task: Some(task),
        from: Some(since),
        limit: 200,
        ..ActivityQuery::default()
    };
    let is_agent = |id| people.iter().any(|p| p.id == id && p.kind == PersonKind::Agent);
    let rows = parts.board.activity(&query).await?.items;
    Ok(rows.iter().any(|row| row.mark.is_none() && !row.actor.is_some_and(is_agent)))
}

fn text(waiting: &Waiting, steps_left: usize) -> String {
    let item = &waiting.item;
    let what = match waiting.kind {
        WaitKind::HandOver | WaitKind::Unverified => "work waits for a decision",
        WaitKind::Question => "a question waits for an answer",
        WaitKind::Proposals => "proposed writes wait for a decision",
        WaitKind::Arming => "a playbook waits to be armed",
        WaitKind::Release => "a claim is to be taken away",
        WaitKind::Budget => "a playbook has used up the budget of the day",
    };
    let next = if steps_left > 1 { " Otherwise the next is told." } else { "" };
    format!(
        "{what}: {} ({item}), since {}. `rota review list` shows it; decide, or say that you have seen \
         it: `rota review seen {item}`.{next}",
        waiting.headline,
        super::brief::text_of(waiting.since)
    )
}

async fn tell(
    parts: &Parts,
    waiting: &Waiting,
    to: &Channel,
    step: &str,
    text: &str,
) -> Result<(), Trouble> {
    let since = super::brief::text_of(waiting.since);
    let key = format!("escalated:{}:{since}:{step}", waiting.item);
    let told = warnings::to(parts, &key, std::slice::from_ref(to), text);
    Ok(parts.ledger.enqueue(told).await?)
}

/// Whether it leaves the list by itself: questions and proposals have an end of their own.
fn expires(waiting: &Waiting) -> bool {
    matches!(waiting.kind, WaitKind::HandOver | WaitKind::Unverified | WaitKind::Release)
}

/// Nobody decided: it leaves the list, and its task stays as it is.
async fn expire(parts: &Parts, waiting: &Waiting) -> Result<(), Trouble> {
    let last = parts.settings.review.escalate.last().cloned().unwrap_or(Channel::Stdout);
    let text = format!(
        "nobody decided about {} ({}), which has waited since {}: it is taken off the list, and the \
         task stays where it is.",
        waiting.headline,
        waiting.item,
        super::brief::text_of(waiting.since)
    );
    tell(parts, waiting, &last, "expired", &text).await?;
    match (&waiting.item, &waiting.run) {
        (WaitItem::Task(task), Some(run)) => parts.ledger.forget_hand_over(*task, run).await?,
        (WaitItem::Release(task), _) => parts.ledger.forget_release(*task).await?,
        _ => {}
    }
    Ok(())
}
