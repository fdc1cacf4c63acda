//! The review queue: what waits for a person, and what they decide.
//!
//! The queue is no list of its own that could go astray: a hand-over waits while its task has a status
//! that waits and nobody has decided, a question while its claim is parked. A decision is written down
//! before the board shows it, the first one stands, and whoever decides again finishes what broke off.

use super::announce::edit_params;
use super::assistants::{is_of, name_of};
use super::brief::text_of;
use super::dispatcher::failed;
use super::parts::Parts;
use crate::board::BoardError;
use crate::domain::{
    Claim, CommentQuery, CommentTarget, Decided, Initiative, Occurrence, OccurrenceId,
    OccurrenceState, PersonKind, Phase, Principal, Project, Reason, Run, StatusId, StatusKind,
    Task, TaskEdit, TaskId, TaskOrder, TaskQuery, Trigger, Value, Verdict, WaitKind, Waiting,
};
use crate::ledger::{LedgerError, RunFilter};
use crate::tools::Context;
use crate::tools::desk::{AnswerAsk, Answered, DecideAsk, DeskError, Ruling};

/// So many of a task's latest runs are looked through for the one that handed it over.
const RUNS_MAX: usize = 32;
/// Tasks asked for at a time.
const PAGE: usize = 1_000;
/// So often a decision is written anew when somebody changed the task meanwhile.
const TRIES_MAX: u32 = 5;
/// The label of tasks that somebody has to work at again, where a project has it.
const CHANGES_REQUESTED: &str = "Changes Requested";

/// Everything that waits for a person, longest first.
pub(super) async fn waiting(parts: &Parts) -> Result<Vec<Waiting>, DeskError> {
    let mut all = questions(parts).await?;
    let mut query = TaskQuery {
        kinds_of_status: vec![StatusKind::Waiting],
        order: TaskOrder::Id,
        limit: PAGE,
        ..TaskQuery::default()
    };
    loop {
        let page = parts.board.tasks(&query).await.map_err(of_board)?;
        for task in &page.items {
            if all.iter().any(|waiting| waiting.task == task.id) {
                continue;
            }
            if let Some(run) = undecided(parts, task.id).await? {
                all.push(handed_over(parts, task, &run).await?);
            }
        }
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    all.sort_by_key(|waiting| (waiting.since, waiting.task));
    Ok(all)
}

/// Questions that nobody has answered.
async fn questions(parts: &Parts) -> Result<Vec<Waiting>, DeskError> {
    let mut open = Vec::new();
    for claim in parts.ledger.claims().await.map_err(of_claims)? {
        let Some(parked) = &claim.parked else { continue };
        if parts.journal.answer_to(&claim, parked).await.map_err(of_board)?.is_some() {
            continue;
        }
        let task = match parts.board.task(claim.task).await {
            Ok(task) => task,
            Err(BoardError::NotFound { .. }) => continue,
            Err(error) => return Err(of_board(error)),
        };
        open.push(Waiting {
            task: claim.task,
            headline: task.headline,
            kind: WaitKind::Question,
            from: name_of(&claim),
            run: claim.run.clone(),
            owner: task.assignee,
            since: parked.since,
            until: Some(parked.until),
            text: parked.question.clone(),
        });
    }
    Ok(open)
}

/// The run that handed a task over, if nobody has decided about it.
async fn undecided(parts: &Parts, task: TaskId) -> Result<Option<Run>, DeskError> {
    let Some(run) = hand_over_of(parts, task).await? else { return Ok(None) };
    let decided = is_decided(parts, &run).await.map_err(failed)?;
    Ok(Some(run).filter(|_| !decided))
}

/// Whether what a run handed over waits for nobody any more.
pub(super) async fn is_decided(parts: &Parts, run: &Run) -> Result<bool, LedgerError> {
    let Some(task) = run.task else { return Ok(false) };
    let decided = parts.ledger.reviewed(task).await?;
    Ok(decided.is_some_and(|decided| decided.run == run.id))
}

/// The last run that handed a task over.
async fn hand_over_of(parts: &Parts, task: TaskId) -> Result<Option<Run>, DeskError> {
    let filter = RunFilter { task: Some(task), ..RunFilter::default() };
    let runs = parts.ledger.runs(&filter, RUNS_MAX).await.map_err(failed)?;
    Ok(runs.into_iter().find(|run| run.reason == Some(Reason::HandedOver) && run.ended.is_some()))
}

async fn handed_over(parts: &Parts, task: &Task, run: &Run) -> Result<Waiting, DeskError> {
    let claim = parts.ledger.claim(task.id).await.map_err(of_claims)?;
    let claim = claim.filter(|claim| claim.run == run.id);
    Ok(Waiting {
        task: task.id,
        headline: task.headline.clone(),
        kind: WaitKind::HandOver,
        from: claim.map_or_else(|| format!("the playbook {}", run.playbook), |c| name_of(&c)),
        run: run.id.clone(),
        owner: task.assignee,
        since: run.ended.unwrap_or(run.started),
        until: None,
        text: run.summary.clone(),
    })
}

/// Decides about work that was handed over.
pub(super) async fn decide(parts: &Parts, ask: DecideAsk) -> Result<Ruling, DeskError> {
    is_a_persons(&ask.context.principal)?;
    let id = ask.task;
    let task = parts.board.task(id).await.map_err(of_board)?;
    let project = parts.board.project(task.project).await.map_err(of_board)?;
    let first = parts.ledger.reviewed(id).await.map_err(failed)?;
    let Some(run) = hand_over_of(parts, id).await? else { return Err(nothing_waits(&task)) };
    let first = first.filter(|first| first.run == run.id);
    if let Some(first) = first.as_ref().filter(|first| first.written) {
        return Ok(repeated(first.clone()));
    }
    if first.is_none() && project.kind_of(task.status) != StatusKind::Waiting {
        return Err(nothing_waits(&task));
    }
    let claim = parts.ledger.claim(id).await.map_err(of_claims)?;
    let claim = claim.filter(|claim| claim.run == run.id);
    if claim.as_ref().is_some_and(|claim| !may_decide(claim, &ask.context)) {
        return Err(not_your_own(id));
    }
    let principal = &ask.context.principal;
    let new = Decided {
        task: id,
        run: run.id.clone(),
        verdict: ask.verdict,
        comment: ask.comment.clone(),
        by: principal.person.id,
        name: principal.person.name.clone(),
        at: parts.clock.wall(),
        written: false,
    };
    let status = status_after(&project, new.verdict)?;
    if ask.dry_run {
        let what = format!("would: {}", told(parts, &new, &run, &project, status));
        return Ok(Ruling { decision: new, repeated: false, what });
    }
    let stands = parts.ledger.review(new.clone()).await.map_err(failed)?;
    let is_new = stands.run == new.run && stands.at == new.at && stands.by == new.by;
    let status = status_after(&project, stands.verdict)?;
    write(parts, &stands, &run, claim.as_ref(), status, &ask.context).await?;
    parts.ledger.review_written(id, &run.id).await.map_err(failed)?;
    let what = told(parts, &stands, &run, &project, status);
    Ok(Ruling { repeated: !is_new, what, decision: stands })
}

/// Shows a decision on the board; what was shown before something broke off is not repeated.
async fn write(
    parts: &Parts,
    decided: &Decided,
    run: &Run,
    claim: Option<&Claim>,
    status: StatusId,
    context: &Context,
) -> Result<(), DeskError> {
    let text = comment_of(decided);
    if !was_said(parts, decided, &text).await? {
        let args = Value::map([
            ("module", Value::from("ticket")),
            ("entityId", decided.task.0.into()),
            ("text", text.into()),
        ]);
        parts.tools.call("addComment", args, context).await.map_err(super::assistants::of_tool)?;
    }
    let is_known = parts.playbook(&run.playbook).is_some();
    let mut edits = vec![TaskEdit::Status(status)];
    if decided.verdict == Verdict::ChangesRequested {
        // Whose turn it is: the assistant's person again, or nobody's until the playbook takes it.
        match claim.and_then(|claim| claim.assistant.as_ref()) {
            Some(assistant) => edits.push(TaskEdit::Assignee(Some(assistant.person))),
            None if is_known => edits.push(TaskEdit::Assignee(None)),
            None => {}
        }
    }
    edit(parts, decided.task, edits, context).await?;
    if decided.verdict == Verdict::ChangesRequested && is_known {
        queue_rework(parts, decided, run).await?;
    }
    Ok(())
}

/// Moves a task out of waiting, unless somebody else has done so meanwhile: theirs stays.
async fn edit(
    parts: &Parts,
    id: TaskId,
    edits: Vec<TaskEdit>,
    context: &Context,
) -> Result<(), DeskError> {
    for _ in 0..TRIES_MAX {
        let task = parts.board.task(id).await.map_err(of_board)?;
        let project = parts.board.project(task.project).await.map_err(of_board)?;
        if project.kind_of(task.status) != StatusKind::Waiting {
            return Ok(());
        }
        let changes = edits.iter().filter(|edit| edit.inverse(&task).is_some()).cloned();
        let changes: Vec<TaskEdit> = changes.collect();
        if changes.is_empty() {
            return Ok(());
        }
        let args = Value::map([
            ("id", Value::from(id.0)),
            ("params", edit_params(&changes)),
            ("expectedRevision", i64::try_from(task.revision).unwrap_or(i64::MAX).into()),
        ]);
        match parts.tools.call("editTask", args, context).await {
            Ok(_) => return Ok(()),
            Err(error) if error.reason() == Reason::RevisionConflict => {}
            Err(error) => return Err(super::assistants::of_tool(error)),
        }
    }
    Err(DeskError::Refused {
        reason: Reason::RevisionConflict,
        message: format!("task {id} changes all the time; decide again, and the decision stands"),
    })
}

/// The playbook takes the task again, with what was said.
async fn queue_rework(parts: &Parts, decided: &Decided, run: &Run) -> Result<(), DeskError> {
    let occurrence = Occurrence {
        id: OccurrenceId::new(format!("{}@rework/{}", run.playbook, run.id)),
        playbook: run.playbook.clone(),
        trigger: Trigger::Rework,
        planned: decided.at,
        task: Some(decided.task),
        decided: decided.at,
        state: OccurrenceState::Queued,
        covers: None,
    };
    if parts.ledger.occurrence(&occurrence.id).await.map_err(failed)?.is_some() {
        return Ok(());
    }
    parts.ledger.put_occurrence(&occurrence).await.map_err(failed)
}

/// How often changes of a task were asked for, by its runs, and the last findings: a reviewer's, or
/// what a person said.
pub(super) async fn rounds(parts: &Parts, task: TaskId, runs: &[Run]) -> (u32, Option<String>) {
    let is_rework = |run: &&Run| run.outcome.is_some() && run.reason == Some(Reason::SentBack);
    let last = runs.iter().find(is_rework);
    let decided = parts.ledger.reviewed(task).await.unwrap_or_default();
    let by_person = decided.filter(|decided| {
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
    let claim = parts.ledger.claim(id).await.map_err(of_claims)?;
    let claim = claim.filter(|claim| claim.phase == Phase::Parked);
    let asked = claim.and_then(|claim| claim.parked.clone().map(|parked| (claim, parked)));
    let Some((claim, parked)) = asked else {
        return Err(DeskError::NotFound(format!("no question is open about task {id}")));
    };
    if !may_decide(&claim, &ask.context) {
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
    let said = parts.tools.call("addComment", args, &ask.context).await;
    said.map_err(super::assistants::of_tool)?;
    // Of two who answer at once the earlier comment counts, by the board's own order.
    let first = parts.journal.answer_to(&claim, &parked).await.map_err(of_board)?;
    let first = first.map_or(ask.text.clone(), |first| first.text);
    let repeated = first.trim() != ask.text.trim();
    Ok(answered(first, repeated))
}

/// Only people decide: in their own name, and not for a program.
fn is_a_persons(principal: &Principal) -> Result<(), DeskError> {
    if principal.by == Initiative::Person && principal.person.kind == PersonKind::Person {
        return Ok(());
    }
    let message = "only people decide: use a person's token, or `rota review` at a terminal";
    Err(DeskError::Refused { reason: Reason::TokenRefused, message: message.to_owned() })
}

/// Whoever handed it over or asks does not decide, but for the person at their own terminal.
fn may_decide(claim: &Claim, context: &Context) -> bool {
    context.is_by_hand || !is_of(claim, &context.principal)
}

fn not_your_own(task: TaskId) -> DeskError {
    DeskError::Refused {
        reason: Reason::TokenRefused,
        message: format!(
            "an assistant of yours handed task {task} over or asks about it, and does not decide itself; \
             do it on the board or at a terminal, with `rota review`"
        ),
    }
}

fn nothing_waits(task: &Task) -> DeskError {
    DeskError::NotFound(format!(
        "task {} does not wait for a decision; listReviews says what does",
        task.id
    ))
}

fn repeated(first: Decided) -> Ruling {
    let at = text_of(first.at);
    let what = match first.verdict {
        Verdict::Approved => "approved it",
        Verdict::ChangesRequested => "asked for changes",
    };
    let what = format!("{} {what} at {at}", first.name);
    Ruling { decision: first, repeated: true, what }
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
fn told(parts: &Parts, decided: &Decided, run: &Run, project: &Project, to: StatusId) -> String {
    let label = project.status(to).map_or_else(|| to.to_string(), |status| status.label.clone());
    let id = decided.task;
    match decided.verdict {
        Verdict::ChangesRequested if parts.playbook(&run.playbook).is_some() => {
            format!("task {id} goes to {label:?}, and {} works at it again", run.playbook)
        }
        _ => format!("task {id} goes to {label:?}"),
    }
}

/// What stands on the task about it.
fn comment_of(decided: &Decided) -> String {
    let what = match decided.verdict {
        Verdict::Approved => "approves this",
        Verdict::ChangesRequested => "asks for changes",
    };
    let said = match decided.comment.as_str() {
        "" => String::new(),
        comment => format!(":\n\n{comment}"),
    };
    format!("**{}** {what} (run `{}`){said}", decided.name, decided.run)
}

/// Whether the comment about a decision was written before something broke off.
async fn was_said(parts: &Parts, decided: &Decided, text: &str) -> Result<bool, DeskError> {
    let query = CommentQuery {
        on: Some(CommentTarget::Task(decided.task)),
        latest_first: true,
        limit: 100,
        ..CommentQuery::default()
    };
    let said = parts.board.comments(&query).await.map_err(of_board)?;
    Ok(said.items.iter().any(|comment| comment.text.trim() == text.trim()))
}

fn of_claims(error: crate::ledger::ClaimError) -> DeskError {
    super::assistants::of_claim(error)
}

fn of_board(error: BoardError) -> DeskError {
    match error {
        BoardError::NotFound { .. } => DeskError::NotFound(error.to_string()),
        error => super::assistants::of_board(error),
    }
}
