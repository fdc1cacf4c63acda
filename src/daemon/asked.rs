//! What is asked of the daemon: how it stands, and the digest. Nothing is sent, and no window is used up.

use super::assistants::of_claim;
use super::brief::{plain, text_of};
use super::budget;
use super::dispatcher::failed;
use super::parts::Parts;
use super::seams::Reports;
use super::sharing;
use crate::digest::{self, AgentWork, CollectError, DIGEST_TEMPLATE, Digest, DigestRequest};
use crate::domain::{CostBy, PlaybookName, Timestamp, Value};
use crate::tools::desk::{DeskError, DigestAsk};

/// At most so many messages that wait, or were given up, are counted.
const COUNTED_MAX: usize = 1_000;
/// The name in the window of a digest that nobody sends.
const ASKED: &str = "(asked)";

/// What happened since then, and what is coming.
pub(super) async fn digest(parts: &Parts, ask: &DigestAsk) -> Result<Value, DeskError> {
    let now = ask.now.unwrap_or_else(|| parts.clock.wall());
    let playbook = PlaybookName::new(ASKED);
    let request = DigestRequest {
        playbook,
        now,
        zone: ask.zone,
        since: ask.since,
        projects: ask.projects.clone(),
        links: parts.settings.links.clone(),
        agents: AgentWork::default(),
    };
    let agents = super::agent_work::agent_work(parts, &request, &[CostBy::Playbook]).await?;
    let request = DigestRequest { agents, ..request };
    let collected = digest::collect(parts.board.as_ref(), &request).await;
    let digest = collected.map_err(|error| match error {
        error @ CollectError::UnknownProject(_) => DeskError::NotFound(error.to_string()),
        error => DeskError::Failed {
            what: "the digest could not be made".to_owned(),
            source: Some(Box::new(error)),
        },
    })?;
    let mut value = digest.to_value();
    if let Value::Map(map) = &mut value {
        // It is the key of a message that is sent once; this is none.
        map.remove("window");
        if ask.rendered {
            map.insert("message".to_owned(), rendered(parts, &digest));
        }
    }
    Ok(value)
}

/// The message that channels would be sent: its text, and what Slack is sent, one payload a message; or what is wrong with
/// the team's template.
fn rendered(parts: &Parts, digest: &Digest) -> Value {
    let reports = Reports { templates: parts.templates() };
    match digest::render(digest, &reports, DIGEST_TEMPLATE) {
        Ok(body) => Value::map([("text", Value::from(body.text)), ("slack", body.slack.into())]),
        Err(error) => Value::map([("fault", error.to_string())]),
    }
}

/// What the daemon is doing: since when, runs, slots, outbox.
pub(super) async fn status(
    parts: &Parts,
    since: Timestamp,
    scheduling: bool,
) -> Result<Value, DeskError> {
    let running = parts.ledger.running().await.map_err(failed)?;
    let open = parts.ledger.open_occurrences().await.map_err(failed)?;
    let settings = &parts.settings;
    let stopped = parts.stopped().await.map_err(failed)?;
    let queues = parts.ledger.queues(COUNTED_MAX).await.map_err(failed)?;
    let waiting = queues.iter().map(|queue| queue.waiting).sum::<usize>();
    let dead = parts.ledger.count_dead_letters(COUNTED_MAX).await.map_err(failed)?;
    // What is under way is under way at all of them.
    let others = sharing::others(parts).await.map_err(failed)?;
    let others = others.iter().filter(|other| sharing::takes_work(other));
    let slots = others.map(|other| other.record.slots).fold(settings.slots, u32::saturating_add);
    let count = |count: usize| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
    let (_, newer) = parts.ledger.claims_and_newer().await.map_err(of_claim)?;
    let newer = newer.into_iter().map(|task| Value::map([("task", Value::Int(task.0))])).collect();
    let (budget, left) = budget::team(parts).await.map_err(failed)?;
    let amount = |amount: Option<u64>| Value::from(amount.and_then(|n| i64::try_from(n).ok()));
    Ok(Value::map([
        ("daemon", Value::from(settings.daemon.as_str())),
        ("life", settings.life.as_str().into()),
        ("since", text_of(since).into()),
        ("zone", settings.zone.name().into()),
        ("slots", slots.into()),
        ("scheduling", scheduling.into()),
        ("stopped", stopped.map(|s| format!("by {}: {}", s.by, s.reason)).into()),
        ("runs", plain(&running)),
        ("occurrences", plain(&open)),
        ("notices_waiting", count(waiting)),
        ("dead_letters", count(dead)),
        ("claims_of_newer", Value::List(newer)),
        ("left_alone", count(parts.ledger.left_alone())),
        ("currency", settings.currency.as_str().into()),
        ("budget_cost_micros", amount(budget.cost_micros)),
        ("budget_cost_micros_left", amount(left.cost_micros)),
        ("budget_tokens", amount(budget.tokens)),
        ("budget_tokens_left", amount(left.tokens)),
        ("budgets", Value::List(budget::of_day(parts).await.map_err(failed)?)),
    ]))
}
