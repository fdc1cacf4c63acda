//! What an assistant's claim shows on the board: its announcement, and how the task is left.
//!
//! As with runs, all of it goes through the tools and their journal, as actor `rota`.

use super::{Assistants, InHand, of_board, of_claim, of_ledger, of_tool};
use crate::board::BoardError;
use crate::daemon::announce::found;
use crate::daemon::by_hand as playbook;
use crate::daemon::by_rota::edit_params;
use crate::daemon::earlier;
use crate::daemon::receipt;
use crate::domain::{
    Claim, Effect, EffectActor, EffectResult, EndKind, HandOver, Initiative, Mode, NewMarker,
    Person, PersonId, PersonKind, Phase, Principal, Reason, Role, Run, RunState, StatusId,
    StatusKind, Task, TaskEdit, Value, Wrote,
};
use crate::ledger::ClaimError;
use crate::schedule::put_back;
use crate::tools::desk::{DeskError, Leave};
use crate::tools::{Context, Progress, RunContext, ToolError, ToolResult, Trust};
use std::sync::Arc;

/// The tag of a task that an agent works at.
const AGENT_TAG: &str = "AI-Agent";
/// So often a hand-over is tried again when somebody changed something else meanwhile.
const TRIES_MAX: u32 = 5;

/// How a claim ends, and how its task is left.
pub(super) struct Ending {
    pub state: RunState,
    pub how: EndKind,
    pub reason: Reason,
    pub detail: String,
    pub comment: String,
    pub leave: Leave,
}

/// How it was left.
pub(super) enum Left {
    /// So.
    As(Box<Claim>, Ending),
    /// Somebody else is at it.
    ByOthers,
}

impl Ending {
    /// What a holder asks for who gives a task up.
    fn asked(name: &str, comment: &str, leave: Leave, receipt: &str) -> Self {
        let (state, reason, last) = match leave {
            Leave::PutBack => {
                (RunState::Cancelled, Reason::Cancelled, "hands this task back.".to_owned())
            }
            Leave::Review => {
                let last = format!("hands this over for review.\n\n{receipt}");
                (RunState::Succeeded, Reason::HandedOver, last)
            }
        };
        let comment = format!("{}\n\n**{name}** {last}", comment.trim());
        let (how, detail) = (EndKind::Released, String::new());
        Self { state, how, reason, detail, comment, leave }
    }

    /// The record, with why it ends; it goes on until that is written to the board.
    fn noted_in(&self, run: Run) -> Run {
        Run { reason: Some(self.reason), detail: self.detail.clone(), ..run }
    }
}

impl Assistants<'_> {
    /// How a claim ends that its holder gives up so.
    pub(super) async fn ending_as_asked(&self, hand: &InHand, leave: Leave) -> Ending {
        let receipt = receipt::of_assistant(self.parts, &hand.run).await;
        Ending::asked(&super::name_of(&hand.held.claim), &hand.run.summary, leave, &receipt)
    }

    /// Shows a claim on the board and reads it back; what fails half-way is put back.
    pub(super) async fn show(
        &self,
        mut hand: InHand,
        task: &Task,
        principal: &Principal,
    ) -> Result<Claim, DeskError> {
        match self.announce(&mut hand, task, principal).await {
            Ok(()) => Ok(hand.held.claim),
            Err(error) => {
                let mut is_back = self.put_back(&hand).await;
                if is_back.is_ok() {
                    is_back = self.unmark(&hand.held.claim).await;
                }
                // What could not be put back is an ended claim that a daemon sees to later.
                let how = if is_back.is_ok() { EndKind::Released } else { EndKind::Expired };
                self.end(hand, how, Reason::LostRace).await;
                Err(error)
            }
        }
    }

    async fn announce(
        &self,
        hand: &mut InHand,
        task: &Task,
        principal: &Principal,
    ) -> Result<(), DeskError> {
        let person = &principal.person;
        let project = self.parts.board.project(task.project).await.map_err(of_board)?;
        let progress = project.status_of_kind(StatusKind::InProgress).map(|status| status.id);
        let status = progress.ok_or_else(|| DeskError::Refused {
            reason: Reason::UnknownStatus,
            message: format!("project {:?} has no status for work in progress", project.name),
        })?;
        let is_tagged = person.kind == PersonKind::Agent && !task.has_tag(AGENT_TAG);
        // What an ended claim left there that was never handed back is ours to put back.
        let claim = &hand.held.claim;
        let (before, left) = found(task, &claim.before, &claim.wrote);
        let mut tags: Vec<String> = is_tagged.then(|| AGENT_TAG.to_owned()).into_iter().collect();
        tags.extend(left);
        let wrote =
            Wrote { assignee: Some(Some(person.id)), status: Some(status), tags: tags.clone() };
        let ledger = &self.parts.ledger;
        let (name, run) = (super::name_of(&hand.held.claim), hand.run.id.clone());
        let comment = format!(
            "**{name}** takes this task (run `{run}`).\n\nTo stop it: assign the task to somebody \
             else, change its status, or add the tag `AI-Stop`. Whatever you do wins."
        );
        let announced = ledger.advance(&mut hand.held, Phase::Announced, Some(before), None);
        announced.await.map_err(of_claim)?;
        let is_marked = self.mark(hand, task, &comment).await?;
        let written = ledger.advance(&mut hand.held, Phase::Announced, None, Some(wrote));
        written.await.map_err(of_claim)?;
        let fence = hand.held.claim.fence;
        self.parts.board.raise_fence(task.id, fence).await.map_err(of_board)?;
        let mut edits = vec![TaskEdit::Assignee(Some(person.id)), TaskEdit::Status(status)];
        edits.extend(tags.into_iter().map(TaskEdit::AddTag));
        let edited = self.edit(hand, task, &edits, Some(task.revision)).await;
        edited.map_err(|error| match error.reason() {
            Reason::RevisionConflict => lost_race(task),
            _ => of_tool(error),
        })?;
        if !is_marked {
            self.comment(hand, task, comment).await.map_err(of_tool)?;
        }
        let now = self.parts.board.task(task.id).await.map_err(of_board)?;
        if now.assignee != Some(person.id) || now.status != status {
            return Err(lost_race(task));
        }
        ledger.advance(&mut hand.held, Phase::Working, None, None).await.map_err(of_claim)
    }

    /// Leaves a task as the ending says, and ends the claim. What the board does not take now is an
    /// ended claim that a daemon sees to later.
    pub(super) async fn leave(&self, mut hand: InHand, ending: Ending) -> Result<Left, DeskError> {
        let ledger = &self.parts.ledger;
        match ledger.begin_hand_back(&mut hand.held).await {
            Ok(true) => {}
            Ok(false) => return Ok(Left::ByOthers),
            Err(error) => {
                if matches!(error, ClaimError::Store(_)) {
                    // Whether it has begun is unknown, and nobody would go on: the next look does.
                    self.end_claim(&mut hand, EndKind::Expired, Reason::LeaseExpired).await;
                }
                return Err(of_claim(error));
            }
        }
        let ending = match self.write_ending(&mut hand, ending).await {
            Ok(ending) => ending,
            Err(error) => {
                self.end_claim(&mut hand, EndKind::Expired, Reason::LeaseExpired).await;
                return Err(error);
            }
        };
        let run = Run {
            state: ending.state,
            ended: Some(self.parts.clock.wall()),
            ..ending.noted_in(hand.run.clone())
        };
        // The record first: whoever finds the claim free finds the run ended, and what it handed over.
        let finished = match self.hand_over_of(&hand, &run, &ending).await {
            Ok(Some(hand_over)) => {
                let finished = ledger.finish_handed_over(&run, Vec::new(), &hand_over).await;
                finished.map_err(of_ledger)
            }
            Ok(None) => ledger.finish_run(&run, Vec::new()).await.map_err(of_ledger),
            Err(error) => Err(error),
        };
        if let Err(error) = finished {
            self.end_claim(&mut hand, EndKind::Expired, Reason::StoreFailed).await;
            return Err(error);
        }
        if let Err(error) = self.unmark(&hand.held.claim).await {
            tracing::warn!(
                run = %run.id, error = &error as &dyn std::error::Error,
                "its marker is not closed and ends by itself"
            );
        }
        self.end_claim(&mut hand, ending.how, ending.reason).await;
        self.parts.tell("ended", Some(&run.id), format!("{} ({})", run.state, ending.reason));
        Ok(Left::As(Box::new(hand.held.claim), ending))
    }

    /// What waits for a person from now on, if anything does: nothing where somebody has moved or
    /// removed the task already.
    async fn hand_over_of(
        &self,
        hand: &InHand,
        run: &Run,
        ending: &Ending,
    ) -> Result<Option<HandOver>, DeskError> {
        if ending.leave != Leave::Review || ending.reason != Reason::HandedOver {
            return Ok(None);
        }
        let claim = &hand.held.claim;
        let task = match self.parts.board.task(claim.task).await {
            Ok(task) => task,
            Err(BoardError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(of_board(error)),
        };
        if task.status != self.review_status(&task).await? {
            return Ok(None);
        }
        Ok(Some(HandOver {
            task: claim.task,
            run: run.id.clone(),
            from: super::name_of(claim),
            rework: None,
            assistant: claim.assistant.clone(),
            status: task.status,
            since: run.ended.unwrap_or(run.started),
            summary: run.summary.clone(),
            unverified: None,
            decided: None,
        }))
    }

    /// Writes to the board how it ends; how it ended indeed.
    async fn write_ending(&self, hand: &mut InHand, ending: Ending) -> Result<Ending, DeskError> {
        let ledger = &self.parts.ledger;
        if hand.run.settle_from.is_none() {
            let last = earlier::last_seq(self.parts, &hand.run).await.map_err(of_ledger)?;
            hand.run.settle_from = Some(last);
        }
        hand.run.fence = Some(hand.held.claim.fence);
        // Before anything shows: whatever breaks off, the rest is done as it was asked for.
        hand.run = ending.noted_in(hand.run.clone());
        ledger.update_run(&hand.run).await.map_err(of_ledger)?;
        let (id, fence) = (hand.held.claim.task, hand.held.claim.fence);
        let task = match self.parts.board.raise_fence(id, fence).await {
            Ok(()) => self.parts.board.task(id).await,
            Err(error) => Err(error),
        };
        let task = match task {
            Ok(task) => task,
            // Nothing of it shows any more.
            Err(BoardError::NotFound { .. }) => return Ok(ending),
            Err(error) => return Err(of_board(error)),
        };
        let found = match ending.leave {
            Leave::PutBack => None,
            Leave::Review => self.hand_over(hand, &task).await?,
        };
        let ending = match found {
            Some(found) => self.giving_way(hand, found, &hand.run.summary).await,
            None => ending,
        };
        if ending.leave == Leave::PutBack {
            self.put_back(hand).await?;
        }
        if !self.has_said_so(&hand.run).await? {
            self.comment(hand, &task, ending.comment.clone()).await.map_err(of_tool)?;
        }
        Ok(ending)
    }

    /// The status in which a task waits for a person's review.
    pub(super) async fn review_status(&self, task: &Task) -> Result<StatusId, DeskError> {
        let project = self.parts.board.project(task.project).await.map_err(of_board)?;
        let mut waiting = project.statuses.iter().filter(|s| s.kind == StatusKind::Waiting);
        let named = waiting.clone().find(|s| s.label.to_lowercase().contains("review"));
        let status = named.or_else(|| waiting.next()).map(|status| status.id);
        status.ok_or_else(|| DeskError::Refused {
            reason: Reason::UnknownStatus,
            message: format!(
                "project {:?} has no status in which tasks wait; release with the outcome put_back",
                project.name
            ),
        })
    }

    /// Leaves a task in that status, unless a person came first: what they did.
    async fn hand_over(
        &self,
        hand: &InHand,
        task: &Task,
    ) -> Result<Option<(Reason, String)>, DeskError> {
        let mut task = task.clone();
        for _ in 0..TRIES_MAX {
            // Read before the look: whatever a person does after this, the look or the revision tells.
            if let Some(found) = self.took_over(&hand.held.claim).await? {
                return Ok(Some(found));
            }
            let mut edits = vec![TaskEdit::Status(self.review_status(&task).await?)];
            edits.extend(hand.run.reviewer.map(|reviewer| TaskEdit::Assignee(Some(reviewer))));
            edits.retain(|edit| edit.inverse(&task).is_some());
            if edits.is_empty() {
                return Ok(None);
            }
            match self.edit(hand, &task, &edits, Some(task.revision)).await {
                Ok(_) => return Ok(None),
                Err(error) if error.reason() == Reason::RevisionConflict => {
                    task = self.task(task.id).await?;
                }
                Err(error) => return Err(of_tool(error)),
            }
        }
        Err(lost_race(&task))
    }

    /// Puts back those fields that are still as the claim left them.
    async fn put_back(&self, hand: &InHand) -> Result<(), DeskError> {
        let claim = &hand.held.claim;
        let task = match self.parts.board.task(claim.task).await {
            Ok(task) => task,
            Err(BoardError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(of_board(error)),
        };
        let edits = put_back(claim, &task);
        if edits.is_empty() {
            return Ok(());
        }
        self.edit(hand, &task, &edits, Some(task.revision)).await.map(|_| ()).map_err(of_tool)
    }

    /// Ends a claim that came to nothing, with its record.
    pub(super) async fn end(&self, mut hand: InHand, how: EndKind, reason: Reason) {
        self.end_claim(&mut hand, how, reason).await;
        if how == EndKind::Expired {
            return;
        }
        let run = Run {
            state: RunState::Refused,
            reason: Some(reason),
            ended: Some(self.parts.clock.wall()),
            ..hand.run
        };
        self.parts.tell("ended", Some(&run.id), format!("{} ({reason})", run.state));
        if let Err(error) = self.parts.ledger.finish_run(&run, Vec::new()).await {
            tracing::warn!(run = %run.id, %error, "the end of a claim was not written down");
        }
    }

    async fn end_claim(&self, hand: &mut InHand, how: EndKind, reason: Reason) {
        match self.parts.ledger.end(&mut hand.held, how, reason).await {
            Ok(()) | Err(ClaimError::Lost { .. }) => {}
            Err(error) => {
                // The lease ends by itself.
                tracing::warn!(task = %hand.held.claim.task, %error, "a claim was not released");
            }
        }
    }

    /// Whether the comment at the end was written before something broke off.
    async fn has_said_so(&self, run: &Run) -> Result<bool, DeskError> {
        let effects = self.parts.ledger.effects(&run.id).await.map_err(of_ledger)?;
        let is_it = |effect: &Effect| {
            let is_done = matches!(effect.result, Some(EffectResult::Done { .. }));
            let is_late = run.settle_from.is_some_and(|from| effect.mark.seq > from);
            is_done && is_late && effect.tool == "addComment" && effect.actor == EffectActor::Rota
        };
        Ok(effects.iter().any(is_it))
    }

    async fn edit(
        &self,
        hand: &InHand,
        task: &Task,
        edits: &[TaskEdit],
        revision: Option<u64>,
    ) -> Result<ToolResult, ToolError> {
        let args = Value::map([("id", Value::from(task.id.0)), ("params", edit_params(edits))]);
        self.as_rota(hand, "editTask", args, revision).await
    }

    pub(super) async fn comment(
        &self,
        hand: &InHand,
        task: &Task,
        text: String,
    ) -> Result<ToolResult, ToolError> {
        self.as_rota(hand, "addComment", comment_args(task, text), None).await
    }

    async fn as_rota(
        &self,
        hand: &InHand,
        tool: &str,
        args: Value,
        revision: Option<u64>,
    ) -> Result<ToolResult, ToolError> {
        let context = self.context_of_rota(hand, revision, None).await?;
        self.parts.tools.call(tool, args, &context).await
    }

    /// The context of what the daemon itself writes for a claim.
    pub(super) async fn context_of_rota(
        &self,
        hand: &InHand,
        revision: Option<u64>,
        marker: Option<NewMarker>,
    ) -> Result<Context, ToolError> {
        let run = self.run_context(hand, EffectActor::Rota);
        let person = self.actor(hand).await?;
        let by = Initiative::Rota(hand.run.id.clone());
        Ok(Context {
            principal: Principal { person, by },
            zone: self.parts.settings.zone,
            only_projects: Vec::new(),
            progress: Progress::default(),
            is_by_hand: false,
            is_of_daemon: false,
            run: Some(RunContext { revision, marker, ..run }),
        })
    }

    /// The board user of the claim. What the daemon writes for it is no question of their role: a task
    /// goes back also after they have lost it.
    async fn actor(&self, hand: &InHand) -> Result<Person, ToolError> {
        let assistant = hand.held.claim.assistant.as_ref();
        let id = assistant.map_or(PersonId(0), |assistant| assistant.person);
        let people = self.parts.board.people().await;
        let people =
            people.map_err(|e| ToolError::fatal(Reason::BoardUnavailable, e.to_string()))?;
        let found = people.into_iter().find(|person| person.id == id);
        let person = found.unwrap_or_else(|| Person {
            id,
            name: assistant.map(|a| a.name.clone()).unwrap_or_default(),
            email: None,
            kind: PersonKind::Agent,
            role: Role::Editor,
        });
        Ok(Person { role: person.role.max(Role::Editor), ..person })
    }

    /// The context of writes under a claim.
    pub(super) fn run_context(&self, hand: &InHand, actor: EffectActor) -> RunContext {
        let (claim, parts) = (&hand.held.claim, self.parts);
        let name = super::name_of(claim);
        RunContext {
            run: hand.run.id.clone(),
            playbook: Arc::new(playbook::of(playbook::ASSISTANT, &name, parts.settings.zone)),
            task: Some(claim.task),
            claim: Some((claim.task, claim.fence)),
            projects: Vec::new(),
            trust: Trust::window(hand.held.trust.clone(), Arc::clone(&parts.clock)),
            actor,
            mode: Mode::Live,
            revision: None,
            marker: None,
            once: None,
            applies: None,
            workspace: None,
            tally: Arc::clone(&hand.tally),
            span: tracing::Span::none(),
        }
    }
}

pub(super) fn comment_args(task: &Task, text: String) -> Value {
    Value::map([
        ("module", Value::from("ticket")),
        ("entityId", task.id.0.into()),
        ("text", text.into()),
    ])
}

fn lost_race(task: &Task) -> DeskError {
    let message = format!("somebody else wrote to task {} at the same moment", task.id);
    DeskError::Refused { reason: Reason::LostRace, message }
}
