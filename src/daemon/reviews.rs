//! The review queue: what waits for a person, and what they decide.
//!
//! A hand-over is written down with the end of its run, and waits as long as its task has the status in
//! which it was left and nobody has decided; a question waits while its claim is parked. A decision is
//! written down before the board shows it, the first one stands, and what broke off is finished later.

use super::assistants::{is_of, name_of, of_claim, of_tool};
use super::brief::text_of;
use super::by_rota::edit_params;
use super::dispatcher::failed;
use super::parts::Parts;
use crate::board::BoardError;
use crate::domain::{
    CommentId, CommentQuery, CommentTarget, Decided, HandOver, Initiative, Occurrence,
    OccurrenceId, OccurrenceState, PersonKind, Phase, Principal, Project, Reason, Run, StatusId,
    StatusKind, Task, TaskEdit, TaskId, Trigger, Value, Verdict, WaitItem, WaitKind, Waiting,
};
use crate::ledger::LedgerError;
use crate::tools::Context;
use crate::tools::desk::{AnswerAsk, Answered, DecideAsk, DeskError, Ruling};

/// So often a decision is written anew when somebody changed the task meanwhile.
const TRIES_MAX: u32 = 5;
/// The label of tasks that somebody has to work at again, where a project has it.
const CHANGES_REQUESTED: &str = "Changes Requested";

/// Questions, and work that was handed over.
pub(super) async fn waiting(parts: &Parts) -> Result<Vec<Waiting>, DeskError> {
    let mut all = questions(parts).await?;
    for hand_over in parts.ledger.open_hand_overs().await.map_err(failed)? {
        let task = match parts.board.task(hand_over.task).await {
            Ok(task) => Some(task),
            Err(BoardError::NotFound { .. }) => {
                let gone = parts.ledger.forget_hand_over(hand_over.task, &hand_over.run).await;
                gone.map_err(failed)?;
                None
            }
            Err(error) => return Err(of_board(error)),
        };
        // What somebody moved was decided so. It may come back, as from a run that gives up.
        let waits = |task: &Task| hand_over.decided.is_some() || task.status == hand_over.status;
        if let Some(task) = task.filter(waits) {
            let kind = match hand_over.unverified {
                Some(_) => WaitKind::Unverified,
                None => WaitKind::HandOver,
            };
            all.push(Waiting {
                from: hand_over.from,
                run: Some(hand_over.run),
                text: match hand_over.unverified {
                    Some(missing) => format!("{}\n\n{missing}", hand_over.summary),
                    None => hand_over.summary,
                },
                ..Waiting::new(WaitItem::Task(task.id), kind, hand_over.since).about(&task)
            });
        }
    }
    Ok(all)
}

/// Questions that nobody has answered.
async fn questions(parts: &Parts) -> Result<Vec<Waiting>, DeskError> {
    let mut open = Vec::new();
    for claim in parts.ledger.claims().await.map_err(of_claim)? {
        let Some(parked) = claim.parked.as_ref().filter(|_| claim.staged.is_none()) else {
            continue;
        };
        if parts.journal.answer_to(&claim, parked).await.map_err(of_board)?.is_some() {
            continue;
        }
        let task = match parts.board.task(claim.task).await {
            Ok(task) => task,
            Err(BoardError::NotFound { .. }) => continue,
            Err(error) => return Err(of_board(error)),
        };
        let new = Waiting::new(WaitItem::Task(task.id), WaitKind::Question, parked.since);
        open.push(Waiting {
            from: name_of(&claim),
            run: Some(claim.run.clone()),
            until: Some(parked.until),
            text: parked.question.clone(),
            ..new.about(&task)
        });
    }
    Ok(open)
}

/// Whether somebody has decided about what a run handed over.
pub(super) async fn is_decided(parts: &Parts, run: &Run) -> Result<bool, LedgerError> {
    let Some(task) = run.task else { return Ok(false) };
    let last = parts.ledger.hand_over(task).await?;
    Ok(last.is_some_and(|last| last.run == run.id && last.decided.is_some()))
}

/// Decides about work that was handed over.
pub(super) async fn decide(parts: &Parts, ask: DecideAsk) -> Result<Ruling, DeskError> {
    is_a_persons(&ask.context.principal)?;
    let id = ask.task;
    let task = parts.board.task(id).await.map_err(of_board)?;
    let project = parts.board.project(task.project).await.map_err(of_board)?;
    let last = parts.ledger.hand_over(id).await.map_err(failed)?;
    let Some(hand_over) = last else { return Err(nothing_waits(id)) };
    ask.seen.holds(&WaitItem::Task(id), Some(&hand_over.run), hand_over.since)?;
    if let Some(first) = hand_over.decided.as_ref().filter(|first| first.written) {
        return Ok(repeated(&hand_over, first));
    }
    if hand_over.decided.is_none() && task.status != hand_over.status {
        return Err(nothing_waits(id));
    }
    let key = ask.context.principal.key();
    let own = hand_over.assistant.as_ref().is_some_and(|assistant| assistant.principal == key);
    if own && !ask.context.is_by_hand {
        return Err(not_your_own(id));
    }
    let new = decision(parts, &ask).await?;
    if ask.dry_run {
        let status = status_after(&project, new.verdict)?;
        let what = format!("would: {}", told(&hand_over, &new, &project, status));
        return Ok(Ruling { task: id, run: hand_over.run, decision: new, repeated: false, what });
    }
    // Refused before it is written down, or not at all.
    status_after(&project, new.verdict)?;
    let stands = parts.ledger.decide_review(id, &hand_over.run, new.clone()).await;
    let stands = stands.map_err(failed)?;
    let (decided, what) = write(parts, &stands, &ask.context).await?;
    Ok(Ruling { task: id, run: stands.run, repeated: decided != new, what, decision: decided })
}

async fn decision(parts: &Parts, ask: &DecideAsk) -> Result<Decided, DeskError> {
    let person = &ask.context.principal.person;
    Ok(Decided {
        verdict: ask.verdict,
        comment: ask.comment.clone(),
        by: person.id,
        name: person.name.clone(),
        at: parts.clock.wall(),
        after: parts.journal.last_comment(ask.task).await.map_err(of_board)?,
        written: false,
    })
}

/// Shows a decision on the board, with the rights of this principal; what was shown before something
/// broke off is not repeated. The decision, and what it does.
pub(super) async fn write(
    parts: &Parts,
    hand_over: &HandOver,
    context: &Context,
) -> Result<(Decided, String), DeskError> {
    let Some(decided) = hand_over.decided.clone() else {
        return Err(nothing_waits(hand_over.task));
    };
    // No claim stands in the way of a person's decision.
    let context = Context { is_by_hand: true, ..context.clone() };
    let task = parts.board.task(hand_over.task).await.map_err(of_board)?;
    let project = parts.board.project(task.project).await.map_err(of_board)?;
    let status = status_after(&project, decided.verdict)?;
    let text = comment_of(hand_over, &decided);
    if !was_said(parts, hand_over.task, &decided, &text).await? {
        let args = Value::map([
            ("module", Value::from("ticket")),
            ("entityId", hand_over.task.0.into()),
            ("text", text.into()),
        ]);
        parts.tools.call("addComment", args, &context).await.map_err(of_tool)?;
    }
    let mut edits = vec![TaskEdit::Status(status)];
    if decided.verdict == Verdict::ChangesRequested {
        // Whose turn it is: the assistant's user again, or nobody's until the playbook takes it.
        let whose = hand_over.assistant.as_ref().map(|assistant| assistant.person);
        edits.push(TaskEdit::Assignee(whose));
    }
    let stands = move_on(parts, hand_over, status, &edits, &context).await?;
    if stands && decided.verdict == Verdict::ChangesRequested {
        queue_rework(parts, hand_over, &decided, status).await?;
    }
    let what = if stands {
        told(hand_over, &decided, &project, status)
    } else {
        "somebody moved the task meanwhile; that stays".to_owned()
    };
    parts.ledger.review_written(hand_over.task, &hand_over.run).await.map_err(failed)?;
    Ok((decided, what))
}

/// Moves a task on from where it was left, unless somebody else has moved it meanwhile: theirs stays.
/// Whether it is where the decision wants it.
async fn move_on(
    parts: &Parts,
    hand_over: &HandOver,
    status: StatusId,
    edits: &[TaskEdit],
    context: &Context,
) -> Result<bool, DeskError> {
    let id = hand_over.task;
    for _ in 0..TRIES_MAX {
        let task = parts.board.task(id).await.map_err(of_board)?;
        if task.status != hand_over.status {
            return Ok(task.status == status);
        }
        let changes = edits.iter().filter(|edit| edit.inverse(&task).is_some()).cloned();
        let changes: Vec<TaskEdit> = changes.collect();
        if changes.is_empty() {
            return Ok(true);
        }
        let args = Value::map([
            ("id", Value::from(id.0)),
            ("params", edit_params(&changes)),
            ("expectedRevision", i64::try_from(task.revision).unwrap_or(i64::MAX).into()),
        ]);
        match parts.tools.call("editTask", args, context).await {
            Ok(_) => return Ok(true),
            Err(error) if error.reason() == Reason::RevisionConflict => {}
            Err(error) => return Err(of_tool(error)),
        }
    }
    Err(DeskError::Refused {
        reason: Reason::RevisionConflict,
        message: format!("task {id} changes all the time; the decision stands and is tried again"),
    })
}

/// The playbook takes the task again, with what was said.
async fn queue_rework(
    parts: &Parts,
    hand_over: &HandOver,
    decided: &Decided,
    status: StatusId,
) -> Result<(), DeskError> {
    let Some(playbook) = &hand_over.rework else { return Ok(()) };
    let occurrence = Occurrence {
        id: OccurrenceId::new(format!("{playbook}@rework/{}", hand_over.run)),
        playbook: playbook.clone(),
        trigger: Trigger::Rework,
        planned: decided.at,
        task: Some(hand_over.task),
        decided: decided.at,
        state: OccurrenceState::Queued,
        covers: None,
        status: Some(status),
    };
    if parts.ledger.knows_occurrence(&occurrence.id).await.map_err(failed)? {
        return Ok(());
    }
    parts.ledger.put_occurrence(&occurrence).await.map_err(failed)
}

/// How often changes of a task were asked for, by its runs, and the last findings: a reviewer's, or
/// what a person said.
pub(super) async fn rounds(parts: &Parts, task: TaskId, runs: &[Run]) -> (u32, Option<String>) {
    let is_rework = |run: &&Run| run.outcome.is_some() && run.reason == Some(Reason::SentBack);
    let last = runs.iter().find(is_rework);
    let decided = parts.ledger.hand_over(task).await.unwrap_or_default();
    let by_person = decided.and_then(|hand_over| hand_over.decided).filter(|decided| {
        let is_later = last.is_none_or(|run| run.ended.is_some_and(|end| end < decided.at));
        is_later && decided.verdict == Verdict::ChangesRequested
    });
    let round = runs.iter().filter(is_rework).count() + usize::from(by_person.is_some());
    let findings = match by_person {
        Some(decided) => Some(format!("{}: {}", decided.name, decided.comment)),
        None => last.map(|run| run.summary.clone()),
    };
    (u32::try_from(round).unwrap_or(u32::MAX), findings)
}

/// Answers a question: the comment of a person on the task is the answer.
pub(super) async fn answer(parts: &Parts, ask: AnswerAsk) -> Result<Answered, DeskError> {
    is_a_persons(&ask.context.principal)?;
    let id = ask.task;
    let claim = parts.ledger.claim(id).await.map_err(of_claim)?;
    let claim = claim.filter(|claim| claim.phase == Phase::Parked && claim.staged.is_none());
    let asked = claim.and_then(|claim| claim.parked.clone().map(|parked| (claim, parked)));
    let Some((claim, parked)) = asked else {
        return Err(DeskError::NotFound(format!("no question is open about task {id}")));
    };
    ask.seen.holds(&WaitItem::Task(id), Some(&claim.run), parked.since)?;
    if is_of(&claim, &ask.context.principal) && !ask.context.is_by_hand {
        return Err(not_your_own(id));
    }
    let before = parts.journal.answer_to(&claim, &parked).await.map_err(of_board)?;
    let answered = |answer: String, repeated| Answered {
        task: id,
        question: parked.question.clone(),
        answer,
        repeated,
        until: parked.until,
    };
    if let Some(first) = before {
        return Ok(answered(first.text, true));
    }
    if ask.dry_run {
        return Ok(answered(ask.text, false));
    }
    let args = Value::map([
        ("module", Value::from("ticket")),
        ("entityId", id.0.into()),
        ("text", ask.text.as_str().into()),
    ]);
    let context = Context { is_by_hand: true, ..ask.context.clone() };
    parts.tools.call("addComment", args, &context).await.map_err(of_tool)?;
    // On some boards all that is written through us is written by one user, an agent: that this is a
    // person's is known here. Of two who answer at once the earlier comment counts, as the board has them.
    let query = CommentQuery {
        on: Some(CommentTarget::Task(id)),
        after: parked.comment,
        limit: 1_000,
        ..CommentQuery::default()
    };
    let said = parts.board.comments(&query).await.map_err(of_board)?.items;
    let own = said.iter().find(|comment| comment.text.trim() == ask.text.trim());
    if let Some(own) = own {
        parts.ledger.note_answer(id, claim.fence, own.id).await.map_err(of_claim)?;
    }
    let now = parts.ledger.claim(id).await.map_err(of_claim)?.unwrap_or(claim);
    let first = match &now.parked {
        Some(parked) => parts.journal.answer_to(&now, parked).await.map_err(of_board)?,
        None => None,
    };
    let first = first.map_or(ask.text.clone(), |first| first.text);
    let repeated = first.trim() != ask.text.trim();
    Ok(answered(first, repeated))
}

/// Only people decide: in their own name, and not for a program.
pub(super) fn is_a_persons(principal: &Principal) -> Result<(), DeskError> {
    if principal.by == Initiative::Person && principal.person.kind == PersonKind::Person {
        return Ok(());
    }
    let message = "only people decide: use a person's token, or `rota review` at a terminal";
    Err(DeskError::Refused { reason: Reason::TokenRefused, message: message.to_owned() })
}

pub(super) fn not_your_own(task: TaskId) -> DeskError {
    DeskError::Refused {
        reason: Reason::TokenRefused,
        message: format!(
            "an assistant of yours handed task {task} over or asks about it, and does not decide itself; \
             do it on the board or at a terminal, with `rota review`"
        ),
    }
}

fn nothing_waits(task: TaskId) -> DeskError {
    DeskError::NotFound(format!(
        "task {task} does not wait for a decision; listReviews says what does"
    ))
}

fn repeated(hand_over: &HandOver, first: &Decided) -> Ruling {
    let what = match first.verdict {
        Verdict::Approved => "approved it",
        Verdict::ChangesRequested => "asked for changes",
    };
    let what = format!("{} {what} at {}", first.name, text_of(first.at));
    let (task, run) = (hand_over.task, hand_over.run.clone());
    Ruling { task, run, decision: first.clone(), repeated: true, what }
}

fn status_after(project: &Project, verdict: Verdict) -> Result<StatusId, DeskError> {
    let (status, kind) = match verdict {
        Verdict::Approved => (project.status_of_kind(StatusKind::Done), "done"),
        Verdict::ChangesRequested => {
            let named = project.status_named(CHANGES_REQUESTED);
            (named.or_else(|| project.status_of_kind(StatusKind::New)), "new")
        }
    };
    status.map(|status| status.id).ok_or_else(|| DeskError::Refused {
        reason: Reason::UnknownStatus,
        message: format!("project {:?} has no status of the kind {kind}", project.name),
    })
}

/// What a decision does, for people.
fn told(hand_over: &HandOver, decided: &Decided, project: &Project, to: StatusId) -> String {
    let label = project.status(to).map_or_else(|| to.to_string(), |status| status.label.clone());
    let id = hand_over.task;
    match &hand_over.rework {
        Some(playbook) if decided.verdict == Verdict::ChangesRequested => {
            format!("task {id} goes to {label:?}, and {playbook} works at it again")
        }
        _ => format!("task {id} goes to {label:?}"),
    }
}

/// What stands on the task about it.
pub(super) fn comment_of(hand_over: &HandOver, decided: &Decided) -> String {
    let what = match decided.verdict {
        Verdict::Approved => "approves this",
        Verdict::ChangesRequested => "asks for changes",
    };
    let said = match decided.comment.as_str() {
        "" => String::new(),
        comment => format!(":\n\n{comment}"),
    };
    format!("**{}** {what} (run `{}`){said}", decided.name, hand_over.run)
}

/// Whether the comment about a decision was written before something broke off.
pub(super) async fn was_said(
    parts: &Parts,
    task: TaskId,
    decided: &Decided,
    text: &str,
) -> Result<bool, DeskError> {
    was_written(parts, task, Some(decided.after), text).await.map_err(of_board)
}

/// Whether one of the first comments after that one has this text: by whomever, for on some boards all
/// that is written through us is written by one user.
pub(super) async fn was_written(
    parts: &Parts,
    task: TaskId,
    after: Option<CommentId>,
    text: &str,
) -> Result<bool, BoardError> {
    let query = CommentQuery {
        on: Some(CommentTarget::Task(task)),
        after,
        limit: 100,
        ..CommentQuery::default()
    };
    let said = parts.board.comments(&query).await?;
    Ok(said.items.iter().any(|comment| comment.text.trim() == text.trim()))
}

pub(super) fn of_board(error: BoardError) -> DeskError {
    match error {
        BoardError::NotFound { .. } => DeskError::NotFound(error.to_string()),
        error => super::assistants::of_board(error),
    }
}
