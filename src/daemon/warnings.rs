//! Notices that something is wrong, and somebody has to see to it.

use super::brief::text_of;
use super::parts::Parts;
use super::telling::{alarmed, notice, text_body};
use crate::domain::{Channel, Exchange, Notice, Playbook, TaskId};
use std::collections::BTreeSet;

/// Told to these channels, at any hour unless their readers want it otherwise.
pub(super) fn to(parts: &Parts, key: &str, channels: &[Channel], text: &str) -> Vec<Notice> {
    let warning = |to| {
        let told = notice(parts, key, to, text_body(text.to_owned()));
        Notice { is_alarm: true, ..told }
    };
    channels.iter().map(warning).collect()
}

/// A playbook paused itself.
pub(super) fn of_pause(parts: &Parts, playbook: &Playbook, why: &str) -> Vec<Notice> {
    let (at, name) = (text_of(parts.clock.wall()), &playbook.name);
    let text = format!(
        "{name} has paused itself: {why}. `rota why {name}` tells more; `rota resume {name}` lets it go on."
    );
    to(parts, &format!("paused:{name}:{at}"), &playbook.on_failure.to, &text)
}

/// Agents that answered each other were stopped.
pub(super) fn of_ping_pong(
    parts: &Parts,
    playbook: &Playbook,
    task: TaskId,
    exchange: &Exchange,
    detail: &str,
) -> Vec<Notice> {
    let text = format!(
        "{} does not go on at task {task}: {detail}. `rota why {task}` tells more; whatever a person \
         writes on the task lets agents go on.",
        playbook.name
    );
    to(parts, &format!("ping-pong:{task}:{}", exchange.first), &alarmed(playbook), &text)
}

/// Local state was restored from an export: told to every channel that playbooks tell failures to.
pub(super) fn of_restore(parts: &Parts, restored: &crate::ledger::export::Restored) -> Vec<Notice> {
    let exported = restored.exported.map_or_else(|| "nothing".to_owned(), text_of);
    let text = format!(
        "Local state could not be opened and was restored from the export of {exported} ({} rows). \
         Everything is stopped: look at the board, then `rota start-all`.",
        restored.rows
    );
    let channels: BTreeSet<Channel> =
        parts.playbooks().iter().flat_map(|playbook| playbook.on_failure.to.clone()).collect();
    let channels: Vec<Channel> = channels.into_iter().collect();
    to(parts, &format!("restored:{}", restored.epoch), &channels, &text)
}
