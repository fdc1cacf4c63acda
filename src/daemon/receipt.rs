//! The receipt under a hand-over: what the attempts at a task used together, what shows that they did
//! it, and how to put it back.

use super::cost;
use super::parts::Parts;
use crate::digest::one_line;
use crate::domain::{Effect, EffectActor, EffectResult, Run, Usage, Value, show_money};
use crate::runner::WorkEnd;
use std::collections::BTreeMap;
use std::time::Duration;

/// Of what was offered as evidence so much is told; the rest is counted.
const EVIDENCE_MAX: usize = 10;
/// So much of a piece of evidence.
const EVIDENCE_CHARS_MAX: usize = 300;
/// So many pieces stand in the record of a run.
const KEPT_MAX: usize = 50;
/// So much of all of them, in bytes.
const KEPT_BYTES_MAX: usize = 8 * 1_024;
/// What tells how many were left out takes so much of it.
const LEFT_OUT_BYTES: usize = 64;
/// A longer address is a text as any other; one that was cut would lead elsewhere.
const ADDRESS_BYTES_MAX: usize = 2_048;

/// What templates see as `receipt`: `{ used, checks, evidence, left_out, writes, undo }`.
pub(super) async fn of(parts: &Parts, run: &Run, before: &[Run], end: &WorkEnd) -> Value {
    let mut usage = end.usage;
    let own = parts.ledger.effects(&run.id).await.unwrap_or_default();
    let checks = passed(&own);
    // The latest first: so they are put back.
    let mut written = vec![(run.id.clone(), writes(&own))];
    for earlier in before {
        usage = usage.plus(earlier.usage);
        let effects = parts.ledger.effects(&earlier.id).await.unwrap_or_default();
        written.push((earlier.id.clone(), writes(&effects)));
    }
    let sum = written.iter().map(|(_, count)| count).sum();
    let undo = written.into_iter().filter(|(_, count)| *count > 0);
    let undo: Vec<String> = undo.map(|(run, _)| format!("rota runs undo {run}")).collect();
    let money = money(parts, run, usage);
    let evidence: Vec<Value> =
        end.evidence.iter().take(EVIDENCE_MAX).map(|piece| told(piece).into()).collect();
    let count = |n: usize| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
    Value::map([
        ("used", Value::from(used(before.len() + 1, usage, money))),
        ("checks", checks.into()),
        ("left_out", count(end.evidence.len().saturating_sub(EVIDENCE_MAX))),
        ("evidence", Value::List(evidence)),
        ("writes", count(sum)),
        ("undo", undo.join("; ").into()),
    ])
}

/// The same for an assistant's hand-over, as a line of its comment: what it used nobody knows, but how
/// long it held the task.
pub(super) async fn of_assistant(parts: &Parts, run: &Run) -> String {
    let effects = parts.ledger.effects(&run.id).await.unwrap_or_default();
    let held = (parts.clock.wall() - run.started).num_milliseconds();
    let (id, held) = (&run.id, time(u64::try_from(held).unwrap_or(0)));
    let undo = match writes(&effects) {
        0 => String::new(),
        _ => format!(" To put it back: `rota runs undo {id}`."),
    };
    format!(
        "Run `{id}` ({held} since the claim). Everything it did, with each value before and after: \
         `rota runs show {id}`.{undo}"
    )
}

/// `2 attempts, 4 min, 12 turns, 8100 tokens, 0.12 EUR`: what is nothing is left out, and money that
/// nobody knows is said to be unknown.
fn used(attempts: usize, usage: Usage, money: Option<String>) -> String {
    let mut parts = Vec::new();
    if attempts > 1 {
        parts.push(format!("{attempts} attempts"));
    }
    parts.push(time(usage.elapsed_ms));
    let tokens = usage.tokens_in.saturating_add(usage.tokens_out);
    if usage.turns > 0 {
        let word = if usage.turns == 1 { "turn" } else { "turns" };
        parts.push(format!("{} {word}", usage.turns));
    }
    if tokens > 0 {
        parts.push(format!("{tokens} tokens"));
    }
    parts.extend(money);
    parts.join(", ")
}

fn time(elapsed_ms: u64) -> String {
    let span = Duration::from_millis(elapsed_ms);
    match span.as_secs() {
        0 => "under a second".to_owned(),
        seconds @ 1..60 => format!("{seconds} s"),
        seconds => format!("{} min", (seconds + 30) / 60),
    }
}

/// Money for people; `None`: it was none.
pub(super) fn money(parts: &Parts, run: &Run, usage: Usage) -> Option<String> {
    let playbook = parts.playbook(&run.playbook)?;
    let definition = cost::definition_of(parts, &playbook);
    let is_known = definition.knows(&usage);
    match usage.cost_micros {
        0 if is_known => None,
        0 => Some("its cost is not known".to_owned()),
        micros => Some(show_money(micros, &parts.settings.currency)),
    }
}

/// The checks whose last time in this run was a success.
fn passed(effects: &[Effect]) -> Vec<String> {
    let mut last = BTreeMap::new();
    for effect in effects.iter().filter(|effect| effect.tool == crate::domain::RUN_CHECK) {
        if let Some(name) = effect.args.get("name").and_then(Value::as_text) {
            last.insert(name.to_owned(), super::evidence::has_passed(effect));
        }
    }
    last.into_iter().filter(|(_, passed)| *passed).map(|(name, _)| name).collect()
}

/// What stands in the record of a run of what it offered as evidence.
pub(super) fn kept(evidence: &[String]) -> Vec<String> {
    let pieces =
        evidence.iter().map(|piece| whole_address(piece).unwrap_or_else(|| one_line(piece)));
    let pieces: Vec<String> = pieces.filter(|piece| !piece.is_empty()).collect();
    let mut room = KEPT_BYTES_MAX - LEFT_OUT_BYTES;
    let mut kept = Vec::new();
    for piece in pieces.iter().take(KEPT_MAX) {
        let Some(left) = room.checked_sub(piece.len()) else { break };
        room = left;
        kept.push(piece.clone());
    }
    let left_out = pieces.len() - kept.len();
    if left_out > 0 {
        kept.push(format!("… and {left_out} more"));
    }
    kept
}

fn whole_address(piece: &str) -> Option<String> {
    let piece = piece.trim();
    let is_address = ["https://", "http://"].iter().any(|scheme| piece.starts_with(scheme))
        && piece.chars().all(|c| c.is_ascii_graphic());
    (is_address && piece.len() <= ADDRESS_BYTES_MAX).then(|| piece.to_owned())
}

/// A piece of evidence, as one line.
fn told(piece: &str) -> String {
    let line = one_line(piece);
    match line.char_indices().nth(EVIDENCE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// How many effects of an agent stand on the board.
fn writes(effects: &[Effect]) -> usize {
    let is_done = |effect: &&Effect| matches!(effect.result, Some(EffectResult::Done { .. }));
    let own = effects.iter().filter(|effect| effect.actor == EffectActor::Agent);
    own.filter(is_done).filter(|effect| !effect.is_beside_board()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_one_line_without_what_is_nothing() {
        let usage = Usage {
            tokens_in: 8_000,
            tokens_out: 100,
            turns: 12,
            elapsed_ms: 4 * 60_000,
            ..Usage::default()
        };
        assert_eq!(
            used(2, usage, Some("0.12 EUR".to_owned())),
            "2 attempts, 4 min, 12 turns, 8100 tokens, 0.12 EUR"
        );
        assert_eq!(used(1, Usage { elapsed_ms: 900, ..Usage::default() }, None), "under a second");
        let one = Usage { turns: 1, tokens_out: 5, elapsed_ms: 2_000, ..Usage::default() };
        assert_eq!(used(1, one, None), "2 s, 1 turn, 5 tokens");
    }

    #[test]
    fn evidence_is_one_line_in_bounds() {
        assert_eq!(told("a\n\n# b"), "a # b");
        assert_eq!(told(&"é".repeat(1_000)).chars().count(), EVIDENCE_CHARS_MAX + 1);
        let many = kept(&vec!["a".to_owned(); 99]);
        assert_eq!(many.len(), KEPT_MAX + 1);
        assert_eq!(many[KEPT_MAX], "… and 49 more");
        let long = kept(&vec!["é".repeat(9_000); 99]);
        assert!(long[0].chars().count() < 1_100, "{}", long[0]);
        assert!(long.concat().len() <= KEPT_BYTES_MAX, "{}", long.concat().len());
        let last = format!("… and {} more", 99 - (long.len() - 1));
        assert!(long.len() > 2 && long[long.len() - 1] == last, "{long:?}");
        let address = |bytes: usize| format!("https://example.org/{}", "a".repeat(bytes - 20));
        let (whole, longer) = (address(ADDRESS_BYTES_MAX), address(ADDRESS_BYTES_MAX + 1));
        let addresses = kept(&[format!(" {whole}"), longer]);
        assert!(addresses[0] == whole && addresses[1].contains('…'), "{addresses:?}");
        assert_eq!(kept(&[" ".to_owned(), "a\nb".to_owned()]), ["a b"]);
    }
}
