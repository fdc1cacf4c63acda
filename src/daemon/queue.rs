//! Everything that waits for a person, in one list, and what people do with it besides deciding about
//! work: put it off, take note, pass it on, arm, grant, release.

use super::assistants::{self, Assistants};
use super::books::why_not_armed;
use super::brief::text_of;
use super::budget;
use super::by_rota::edit_params;
use super::dispatcher::failed;
use super::look::civil_midnight;
use super::parts::Parts;
use super::reviews::{is_a_persons, of_board};
use super::{proposals, reviews};
use crate::board::BoardError;
use crate::domain::{
    Claim, Fence, Phase, Principal, Reason, Task, TaskEdit, TaskId, Timestamp, Value, WaitItem,
    WaitKind, Waiting,
};
use crate::ledger::{ClaimError, QueueNote, ReleaseAsked, Settled};
use crate::tools::Context;
use crate::tools::desk::{DeskError, Tend, TendAsk};

/// Something is put off no longer than that.
const SNOOZE_MAX: chrono::TimeDelta = chrono::TimeDelta::days(90);

/// All of it: what is put off last, else longest first.
pub(super) async fn waiting(parts: &Parts) -> Result<Vec<Waiting>, DeskError> {
    let mut all = reviews::waiting(parts).await?;
    all.extend(proposals::waiting(parts).await?);
    all.extend(releases(parts).await?);
    all.extend(of_playbooks(parts).await?);
    let now = parts.clock.wall();
    let mut open = Vec::new();
    for waiting in all {
        let note = parts.ledger.queue_note(&waiting.item, waiting.since).await.map_err(failed)?;
        // What was granted goes by itself once it is done.
        if note.decided.as_ref().is_none_or(|decided| decided.approved) {
            open.push(noted(waiting, note, now));
        }
    }
    open.sort_by(|a, b| {
        let place = |w: &Waiting| (w.snoozed, w.since, w.item.clone());
        place(a).cmp(&place(b))
    });
    Ok(open)
}

fn noted(waiting: Waiting, note: QueueNote, now: Timestamp) -> Waiting {
    Waiting {
        owner: note.owner.or(waiting.owner),
        snoozed: note.snoozed.filter(|until| *until > now),
        was_snoozed: note.snoozed.filter(|until| *until <= now),
        seen_by: note.seen_by,
        ..waiting
    }
}

/// Claims that somebody asked to be taken away, as long as they are held.
async fn releases(parts: &Parts) -> Result<Vec<Waiting>, DeskError> {
    let mut open = Vec::new();
    for asked in parts.ledger.releases_asked().await.map_err(failed)? {
        let claim = match parts.ledger.claim(asked.task).await {
            // It is asked of whoever can read what is asked for.
            Err(error) if error.is_of_newer() => continue,
            claim => claim.map_err(assistants::of_claim)?,
        };
        let is_meant = claim.is_some_and(|c| c.fence == asked.fence && c.phase != Phase::Free);
        let task = if is_meant { there(parts.board.task(asked.task).await)? } else { None };
        let Some(task) = task else {
            parts.ledger.forget_release(asked.task).await.map_err(failed)?;
            continue;
        };
        let new = Waiting::new(WaitItem::Release(task.id), WaitKind::Release, asked.at);
        open.push(Waiting { from: asked.by, text: asked.reason, ..new.about(&task) });
    }
    Ok(open)
}

fn there(read: Result<Task, BoardError>) -> Result<Option<Task>, DeskError> {
    match read {
        Ok(task) => Ok(Some(task)),
        Err(BoardError::NotFound { .. }) => Ok(None),
        Err(error) => Err(of_board(error)),
    }
}

/// Playbooks that wait to be armed, and those that have used up their day.
async fn of_playbooks(parts: &Parts) -> Result<Vec<Waiting>, DeskError> {
    let mut open = Vec::new();
    let midnight = civil_midnight(parts.clock.wall(), parts.settings.zone);
    for playbook in parts.playbooks() {
        let item = |item, kind, since, text: String| Waiting {
            headline: playbook.name.to_string(),
            from: format!("the playbook {}", playbook.name),
            text,
            ..Waiting::new(item, kind, since)
        };
        let switch = parts.ledger.playbook_switch(&playbook.name).await.map_err(failed)?;
        let why = why_not_armed(&playbook, &switch);
        if playbook.on.wakes() && !parts.settings.arms_itself && !why.is_empty() {
            let name = WaitItem::Arming(playbook.name.clone());
            let since = parts.ledger.unarmed_since(&playbook.hash).await.map_err(failed)?;
            open.push(item(name, WaitKind::Arming, since, why.join("; ")));
        } else if switch.paused.is_none()
            && let Some(why) = budget::missing(parts, &playbook).await.map_err(failed)?
        {
            let name = WaitItem::Budget(playbook.name.clone());
            // Used up once more it waits anew: what was decided before was about less.
            let granted = budget::granted(parts, &playbook.name).await.map_err(failed)?;
            let since = midnight + chrono::TimeDelta::seconds(i64::from(granted));
            open.push(item(name, WaitKind::Budget, since, why));
        }
    }
    Ok(open)
}

/// What was done with something that waits.
struct Done {
    what: String,
    repeated: bool,
}

/// Does something with what waits. The dispatcher is asked by whoever calls, where it has to act.
pub(super) async fn tend(parts: &Parts, ask: &TendAsk) -> Result<Tended, DeskError> {
    is_a_persons(&ask.context.principal)?;
    if let WaitItem::Task(task) = &ask.item {
        not_ones_own(parts, *task, &ask.context).await?;
    }
    let all = waiting(parts).await?;
    let Some(waiting) = all.into_iter().find(|waiting| waiting.item == ask.item) else {
        return gone(parts, ask).await;
    };
    let (item, since) = (&waiting.item, waiting.since);
    ask.seen.holds(item, waiting.run.as_ref(), since)?;
    let now = parts.clock.wall();
    let name = ask.context.principal.person.name.clone();
    let note = async |change: &(dyn Fn(&mut QueueNote) + Sync)| {
        if ask.dry_run {
            return Ok(QueueNote::of(since));
        }
        parts.ledger.note_queue(item, since, change).await.map_err(failed)
    };
    let done = match &ask.how {
        Tend::Snooze(until) => {
            if *until <= now || *until > now + SNOOZE_MAX {
                return Err(refused("until: expected an instant to come, within 90 days"));
            }
            note(&|note| note.snoozed = Some(*until)).await?;
            Done { what: format!("{item} is put off until {}", text_of(*until)), repeated: false }
        }
        Tend::Acknowledge => {
            let see = |note: &mut QueueNote| {
                note.seen_by.get_or_insert_with(|| name.clone());
            };
            let first = note(&see).await?.seen_by.unwrap_or_else(|| name.clone());
            let repeated = first != name;
            Done { what: format!("{first} has seen {item}; nobody else is told of it"), repeated }
        }
        Tend::PassOn(person) => {
            let person = parts.board.person(*person).await.map_err(of_board)?;
            if !ask.dry_run && matches!(waiting.kind, WaitKind::HandOver | WaitKind::Unverified) {
                assign(parts, &waiting, person.id, &ask.context).await?;
            }
            note(&|note| {
                note.owner = Some(person.id);
                note.snoozed = None;
            })
            .await?;
            Done {
                what: format!("it is {}'s turn to look at {item}", person.name),
                repeated: false,
            }
        }
        Tend::Settle(approved) => return Box::pin(settle(parts, ask, &waiting, *approved)).await,
    };
    Ok(Tended::Done(shown(item, &done)))
}

/// An assistant does not put off, or take note of, what it left to people itself.
async fn not_ones_own(parts: &Parts, task: TaskId, context: &Context) -> Result<(), DeskError> {
    if context.is_by_hand {
        return Ok(());
    }
    let key = context.principal.key();
    let hand_over = parts.ledger.hand_over(task).await.map_err(failed)?;
    let handed = hand_over.and_then(|it| it.assistant).map(|assistant| assistant.principal);
    let claim = parts.ledger.claim(task).await.map_err(assistants::of_claim)?;
    let asks = claim.is_some_and(|claim| assistants::is_of(&claim, &context.principal));
    if asks || handed.is_some_and(|handed| handed == key) {
        return Err(reviews::not_your_own(task));
    }
    Ok(())
}

/// What came of it.
pub(super) enum Tended {
    /// All was done.
    Done(Value),
    /// It was granted: a playbook is still to be armed by the dispatcher.
    Granted(Value),
}

impl Tended {
    pub(super) fn answer(self) -> Value {
        match self {
            Self::Done(answer) | Self::Granted(answer) => answer,
        }
    }
}

/// The first decision stands; what it grants is for the dispatcher.
async fn settle(
    parts: &Parts,
    ask: &TendAsk,
    waiting: &Waiting,
    approved: bool,
) -> Result<Tended, DeskError> {
    let (item, since) = (&waiting.item, waiting.since);
    if let WaitItem::Task(task) = item {
        let message = format!("what waits at task {task} is decided by approve, reject or answer");
        return Err(refused(&message));
    }
    let by = &ask.context.principal.person.name;
    let new =
        Settled { approved, by: by.clone(), at: parts.clock.wall(), comment: ask.comment.clone() };
    let what = match (approved, item) {
        (false, _) => format!("{item} is refused"),
        (true, WaitItem::Arming(name)) => format!("{name} is armed"),
        (true, WaitItem::Budget(name)) => format!("{name} has its budget of the day once more"),
        (true, WaitItem::Release(task)) => format!("the claim of task {task} is taken away"),
        (true, WaitItem::Task(_)) => String::new(),
    };
    if ask.dry_run {
        let done = Done { what: format!("would: {what}"), repeated: false };
        return Ok(Tended::Done(shown(item, &done)));
    }
    let note = parts.ledger.note_queue(item, since, |note| {
        note.decided.get_or_insert_with(|| new.clone());
    });
    let note = note.await.map_err(failed)?;
    let stands = note.decided.unwrap_or_else(|| new.clone());
    let done =
        if stands == new { Done { what, repeated: false } } else { said_before(item, &stands) };
    if !stands.approved {
        if let WaitItem::Release(task) = item {
            // Whoever asks again asks anew.
            parts.ledger.forget_release(*task).await.map_err(failed)?;
        }
        return Ok(Tended::Done(shown(item, &done)));
    }
    // Also where somebody granted it before: that broke off, or it would not wait.
    match item {
        WaitItem::Budget(name) => budget::grant(parts, name, by).await?,
        WaitItem::Release(task) => {
            let asked = parts.ledger.releases_asked().await.map_err(failed)?;
            let fence = asked.iter().find(|it| it.task == *task).map(|it| it.fence);
            let reason = format!("asked for; {by} agreed. {}", ask.comment);
            release(parts, *task, fence, (reason.trim_end(), by)).await?;
        }
        WaitItem::Arming(_) | WaitItem::Task(_) => {}
    }
    Ok(Tended::Granted(shown(item, &done)))
}

fn said_before(item: &WaitItem, first: &Settled) -> Done {
    let word = if first.approved { "granted" } else { "refused" };
    let what = format!("{} has {word} {item} at {}", first.by, text_of(first.at));
    Done { what, repeated: true }
}

/// It does not wait any more: what was decided, if somebody did.
async fn gone(parts: &Parts, ask: &TendAsk) -> Result<Tended, DeskError> {
    let item = &ask.item;
    let last = parts.ledger.last_queue_note(item).await.map_err(failed)?;
    match last.and_then(|note| note.decided) {
        Some(first) => Ok(Tended::Done(shown(item, &said_before(item, &first)))),
        None => Err(DeskError::NotFound(format!(
            "{item} does not wait for anybody; listReviews says what does"
        ))),
    }
}

fn shown(item: &WaitItem, done: &Done) -> Value {
    Value::map([
        ("item", Value::from(item.to_string())),
        ("what", done.what.as_str().into()),
        ("repeated", done.repeated.into()),
    ])
}

fn refused(message: &str) -> DeskError {
    DeskError::Refused { reason: Reason::InvalidArguments, message: message.to_owned() }
}

/// The reviewer is the task's assignee: with the rights of whoever passes it on.
async fn assign(
    parts: &Parts,
    waiting: &Waiting,
    to: crate::domain::PersonId,
    context: &Context,
) -> Result<(), DeskError> {
    let Some(task) = waiting.task else { return Ok(()) };
    let edits = [TaskEdit::Assignee(Some(to))];
    let args = Value::map([("id", Value::from(task.0)), ("params", edit_params(&edits))]);
    let context = Context { is_by_hand: true, ..context.clone() };
    parts.tools.call("editTask", args, &context).await.map_err(assistants::of_tool)?;
    Ok(())
}

/// Takes a claim away: the one with this fence, if one is named.
pub(super) async fn release(
    parts: &Parts,
    task: TaskId,
    fence: Option<Fence>,
    said: (&str, &str),
) -> Result<Claim, DeskError> {
    let revoked = parts.ledger.revoke_if(task, fence, said).await;
    let claim = revoked.map_err(|error| match error {
        ClaimError::Store(source) => DeskError::Failed {
            what: "the claim could not be released".to_owned(),
            source: Some(Box::new(source)),
        },
        other => DeskError::NotFound(format!("task {task}: {other}")),
    })?;
    if claim.assistant.is_some() {
        // Nobody works under it who would have to stop first.
        Assistants::new(parts).hand_back(&claim).await?;
    }
    Ok(claim)
}

/// Somebody who may not take a claim away asks whoever may.
pub(super) async fn ask_release(
    parts: &Parts,
    task: TaskId,
    reason: &str,
    principal: &Principal,
) -> Result<Value, DeskError> {
    let claim = parts.ledger.claim(task).await.map_err(assistants::of_claim)?;
    let Some(claim) = claim.filter(|claim| claim.phase != Phase::Free) else {
        return Err(DeskError::NotFound(format!("nobody holds task {task}")));
    };
    let asked = ReleaseAsked {
        task,
        fence: claim.fence,
        reason: reason.to_owned(),
        by: principal.person.name.clone(),
        at: parts.clock.wall(),
    };
    let before = parts.ledger.ask_release(&asked).await.map_err(failed)?;
    let repeated = before.is_some();
    let first = before.unwrap_or(asked);
    let item = WaitItem::Release(task);
    let what = format!("{item} waits for somebody with the role manager (asked by {})", first.by);
    Ok(shown(&item, &Done { what, repeated }))
}
