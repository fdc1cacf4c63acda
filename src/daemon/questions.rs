//! What a person was asked about a task, and what they answered: for whoever looks at the task.

use super::assistants::{Assistants, name_of};
use super::brief::text_of;
use super::by_hand::ASSISTANT;
use super::dispatcher::failed;
use super::journal::{Asked, comment_of};
use super::parts::Parts;
use super::reviews::of_board;
use crate::domain::{
    Claim, Comment, CommentId, Effect, EffectActor, Parked, Person, Reason, Run, RunState, Value,
};
use crate::tools::desk::DeskError;

/// The question that waits for an answer, or else the last one that was answered; nothing where there is
/// none, or where it is not remembered any more. `runs` are those at the task, the latest first.
pub(super) async fn last(
    parts: &Parts,
    claim: Option<&Claim>,
    runs: &[Run],
) -> Result<Value, DeskError> {
    let Some((claim, parked)) = claim.and_then(|claim| Some((claim, claim.parked.as_ref()?)))
    else {
        return answered(parts, claim, runs).await;
    };
    if claim.staged.is_some() {
        return Ok(Value::Null);
    }
    let answer = parts.journal.answer_to(claim, parked).await.map_err(of_board)?;
    let people = parts.board.people().await.map_err(of_board)?;
    let mut told = told(claim, parked, answer.as_ref().map(|answer| (answer, people.as_slice())));
    if let Value::Map(told) = &mut told {
        told.insert("until".to_owned(), text_of(parked.until).into());
        // It waits with its claim, also where somebody has just answered.
        told.insert("open".to_owned(), true.into());
    }
    Ok(told)
}

/// A question and its answer.
pub(super) fn told(claim: &Claim, parked: &Parked, answer: Option<(&Comment, &[Person])>) -> Value {
    let run = claim.run.as_str();
    shown((run, &name_of(claim)), &parked.question, &text_of(parked.since), answer)
}

fn shown(
    (run, from): (&str, &str),
    question: &str,
    since: &str,
    answer: Option<(&Comment, &[Person])>,
) -> Value {
    let mut map = vec![
        ("run", Value::from(run)),
        ("from", from.into()),
        ("text", question.into()),
        ("since", since.into()),
    ];
    if let Some((answer, people)) = answer {
        let by = people.iter().find(|person| person.id == answer.author);
        map.push(("answer", answer.text.as_str().into()));
        map.push(("answered_by", by.map_or("somebody", |by| by.name.as_str()).into()));
        map.push(("answered", text_of(answer.created).into()));
    }
    Value::map(map)
}

/// The last question that a run at the task went on from.
async fn answered(parts: &Parts, claim: Option<&Claim>, runs: &[Run]) -> Result<Value, DeskError> {
    let waited = |run: &Run| run.state == RunState::Waiting && run.reason == Some(Reason::Waiting);
    let place = runs.iter().position(waited);
    // An assistant goes on in the same run, where what it heard is written down: also for when its claim
    // is over.
    let mut later = runs.iter().take(place.unwrap_or(runs.len()));
    let of_assistant = later.find(|run| run.playbook.as_str() == ASSISTANT).map(|run| &run.id);
    let held = claim.filter(|claim| claim.assistant.is_some()).map(|claim| &claim.run);
    if let Some(run) = held.or(of_assistant)
        && let Some(line) = Assistants::new(parts).last_answer(run).await
        && !line.data.is_null()
    {
        return Ok(line.data);
    }
    let Some(place) = place else { return Ok(Value::Null) };
    // Whatever was said after the next run began is no answer to it.
    let Some(next) = place.checked_sub(1).and_then(|next| runs.get(next)) else {
        return Ok(Value::Null);
    };
    let run = &runs[place];
    let effects = parts.ledger.effects(&run.id).await.map_err(failed)?;
    let Some((effect, comment)) = effects.iter().rev().find_map(asks) else {
        return Ok(Value::Null);
    };
    let (since, asking) = (effect.intended, Some(comment));
    let Some(task) = run.task else { return Ok(Value::Null) };
    let asked = Asked { task, run: &run.id, since, comment: asking, answer: None };
    let said = parts.journal.answers(&asked).await.map_err(of_board)?;
    let Some(answer) = said.first().filter(|answer| answer.created <= next.started) else {
        return Ok(Value::Null);
    };
    let people = parts.board.people().await.map_err(of_board)?;
    let from = format!("the playbook {}", run.playbook);
    let question = effect.args.get("text").and_then(Value::as_text).unwrap_or_default();
    let answer = Some((answer, people.as_slice()));
    Ok(shown((run.id.as_str(), &from), question, &text_of(since), answer))
}

/// The comment by which a run asks: the last one that is written for it.
fn asks(effect: &Effect) -> Option<(&Effect, CommentId)> {
    let is_asking = effect.actor == EffectActor::Rota && effect.tool == "addComment";
    Some((effect, comment_of(effect).filter(|_| is_asking)?))
}
