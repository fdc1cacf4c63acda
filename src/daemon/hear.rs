//! The board's news: changes that wake playbooks, and answers that parked claims wait for.

use super::beliefs::Open;
use super::commands;
use super::conversation::answer_of;
use super::dispatcher::Dispatcher;
use super::guards::{self, News};
use super::progress;
use super::recovery::Resume;
use crate::board::BoardError;
use crate::domain::{
    Activity, ActivityId, ActivityQuery, BoardEvent, Claim, Cursor, Entity, Exchange, Occurrence,
    OccurrenceId, OccurrenceState, Parked, Playbook, Reason, TaskId, Timestamp, Trigger,
};
use crate::ledger::KeptAnswer;
use crate::schedule::Fits;
use std::collections::BTreeSet;
use std::sync::Arc;

/// At most so many rows of activity are looked at in one tick; the rest waits for the next.
const ROWS_MAX: usize = 5_000;

/// A change on a task.
#[derive(Clone, Copy)]
struct Change<'a> {
    row: &'a Activity,
    task: TaskId,
    /// What agents did there by themselves, where one of them made the change.
    exchange: Option<&'a Exchange>,
}

impl Dispatcher {
    /// Wakes the playbooks that wait for what happened on the board since the last look.
    pub(super) async fn hear(&mut self) {
        if self.beliefs.only_here {
            // Others hear it, and wake who is to be woken.
            return;
        }
        let listeners: Vec<Arc<Playbook>> = self
            .beliefs
            .books
            .values()
            .filter(|book| !book.playbook.on.events.is_empty())
            .filter(|book| book.armed && book.switch.paused.is_none() && !self.beliefs.stopped)
            .map(|book| Arc::clone(&book.playbook))
            .collect();
        if let Err(error) = self.listen(&listeners).await {
            tracing::warn!(%error, "the board's news could not be read; the next tick tries again");
        }
    }

    async fn listen(&mut self, listeners: &[Arc<Playbook>]) -> Result<(), Trouble> {
        let latest = self.parts.board.latest_activity().await?;
        let known = self.parts.ledger.board_cursor().await?;
        let heard = known.as_ref().and_then(|cursor| cursor.0.parse().ok()).map(ActivityId);
        // News from before the first look is no news.
        let counts = !listeners.is_empty() || self.has_several_agents();
        let Some(mut heard) = heard.filter(|heard| *heard != latest) else {
            return self.move_cursor((known.as_ref(), heard), latest).await;
        };
        let first = heard;
        let mut news = News::new(&self.parts).await?;
        let mut woken = BTreeSet::new();
        for _ in 0..ROWS_MAX / 1_000 {
            let query =
                ActivityQuery { after: Some(heard), limit: 1_000, ..ActivityQuery::default() };
            let page = self.parts.board.activity(&query).await?;
            for row in &page.items {
                heard = heard.max(row.id);
                let Some(task) = row.task.filter(|_| !progress::is_about(row)) else { continue };
                let writer = news.writer(&self.parts, row).await?;
                if writer.is_none() {
                    commands::heed(&self.parts, &news, row, task).await?;
                }
                if !counts {
                    continue;
                }
                let exchange = guards::count(&self.parts, task, row, writer.as_ref()).await?;
                let change = Change { row, task, exchange: exchange.as_ref() };
                for playbook in listeners {
                    let wanted = playbook.on.events.iter().any(|event| is_event(*event, row));
                    // Nobody is woken by what their own agent wrote, under whatever playbook.
                    let is_own = writer.as_ref().is_some_and(|writer| writer.is_own(playbook));
                    if wanted && !is_own {
                        self.wake_by(playbook, &change, &mut woken).await?;
                    }
                }
            }
            if page.next.is_none() {
                break;
            }
        }
        self.move_cursor((known.as_ref(), Some(first)), heard).await
    }

    /// Up to there it was heard. Where another daemon has moved the cursor meanwhile, theirs stays: what
    /// is heard twice wakes nobody twice.
    async fn move_cursor(
        &self,
        (known, from): (Option<&Cursor>, Option<ActivityId>),
        to: ActivityId,
    ) -> Result<(), Trouble> {
        if from != Some(to) {
            self.parts.ledger.move_board_cursor(known, &Cursor(to.0.to_string())).await?;
        }
        Ok(())
    }

    /// One occurrence for each playbook and task, however many changes a tick saw.
    async fn wake_by(
        &mut self,
        playbook: &Arc<Playbook>,
        change: &Change<'_>,
        woken: &mut BTreeSet<(String, i64)>,
    ) -> Result<(), Trouble> {
        let Change { row, task, exchange } = *change;
        if !woken.insert((playbook.name.to_string(), task.0)) {
            return Ok(());
        }
        let id = OccurrenceId::new(format!("{}/event/{}", playbook.name, row.id));
        if self.parts.ledger.knows_occurrence(&id).await? {
            return Ok(());
        }
        let selects = playbook.select.is_some();
        let occurrence = Occurrence {
            id: id.clone(),
            playbook: playbook.name.clone(),
            trigger: Trigger::Event,
            planned: row.at,
            // With a selection the whole playbook wakes and its `[select]` decides.
            task: None,
            decided: self.parts.clock.wall(),
            state: OccurrenceState::Queued,
            covers: None,
            status: None,
        };
        if let Some((reason, detail)) = self.is_far_enough(playbook, task, exchange).await? {
            return self.refuse_to_wake(playbook, task, occurrence, (reason, &detail)).await;
        }
        if selects && self.is_waiting_already(playbook) {
            return Ok(());
        }
        if exchange.is_some() && !selects {
            let depth = self.parts.ledger.depth(task).await?;
            if depth > 0 {
                self.parts.ledger.wake_at_depth(&id, depth).await?;
            }
        }
        self.parts.ledger.put_occurrence(&occurrence).await?;
        self.beliefs.open.insert(id, Open::new(occurrence, Some(Arc::clone(playbook))));
        Ok(())
    }

    fn is_waiting_already(&self, playbook: &Playbook) -> bool {
        self.beliefs.open.values().any(|open| {
            open.occurrence.playbook == playbook.name
                && open.occurrence.task.is_none()
                && open.occurrence.state == OccurrenceState::Queued
        })
    }

    /// Parked claims: answered ones go on, overdue ones go back, also while their playbook is
    /// paused. While everything is stopped nothing is begun, and a hand-back is a run too.
    pub(super) async fn see_to_parked(&mut self) {
        let claims = match self.parts.ledger.claims().await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(%error, "the claims could not be read");
                return;
            }
        };
        let now = self.parts.clock.wall();
        self.close_forsaken_proposals().await;
        for claim in claims.into_iter().filter(|claim| claim.parked.is_some()) {
            let book = self.beliefs.books.get(&claim.playbook);
            let is_paused = book.is_some_and(|book| book.switch.paused.is_some());
            let waits = self.beliefs.stopped || self.beliefs.takes_nothing_new();
            if waits || !self.has_slot() || self.is_at_work(&claim) {
                continue;
            }
            if let Err(error) = self.see_to(&claim, now, is_paused).await {
                tracing::warn!(task = %claim.task, %error, "a waiting task could not be looked at");
            }
        }
    }

    /// Whether the day's budget lasts for going on; until it does an answer waits.
    async fn may_spend(&self, claim: &Claim) -> bool {
        let Some(playbook) = self.parts.playbook(&claim.playbook) else { return true };
        !matches!(super::budget::missing(&self.parts, &playbook).await, Ok(Some(_)))
    }

    pub(super) fn is_at_work(&self, claim: &Claim) -> bool {
        self.beliefs.workers.values().any(|worker| worker.task == Some(claim.task))
    }

    /// What people said to a question, if anything.
    async fn answer_to(
        &self,
        claim: &Claim,
        parked: &Parked,
    ) -> Result<Option<KeptAnswer>, BoardError> {
        let said = self.parts.journal.answers_to(claim, parked).await?;
        if said.is_empty() {
            return Ok(None);
        }
        Ok(answer_of(claim, parked, said, &self.parts.board.people().await?))
    }

    async fn see_to(
        &mut self,
        claim: &Claim,
        now: Timestamp,
        is_paused: bool,
    ) -> Result<(), Trouble> {
        let Some(parked) = &claim.parked else { return Ok(()) };
        if claim.assistant.is_some() {
            self.see_to_assistants_question(claim, now).await;
            return Ok(());
        }
        if claim.staged.is_some() {
            Box::pin(self.see_to_proposals(claim)).await?;
            return Ok(());
        }
        let resume =
            |answer, give_up| Resume { answer, give_up, ..Resume::of(claim, claim.attempt) };
        let is_overdue = parked.until <= now;
        let asked = || format!("asked at {}", super::brief::text_of(parked.since));
        let took_over = self.parts.journal.look(claim).await?;
        let fits = self.fits_named(&claim.playbook) == Fits::Here;
        let resume = if let Some((reason, detail)) = took_over {
            resume(None, Some((reason, detail)))
        } else {
            match self.answer_to(claim, parked).await? {
                // Another daemon hears it, too, and goes on better than this one could.
                Some(_) if !fits || self.is_left_to_its_files(claim).await => {
                    if !is_overdue {
                        return Ok(());
                    }
                    resume(None, Some((Reason::NotThisDaemon, asked())))
                }
                Some(answer) if !is_paused && self.may_spend(claim).await => {
                    // Before the claim is taken up: the run that hears it may end with its daemon.
                    self.parts.ledger.keep_answer(claim, &answer).await?;
                    resume(Some(answer), None)
                }
                // It was answered; what has run out is the patience with the pause.
                Some(_) if is_overdue => resume(None, Some((Reason::Paused, asked()))),
                None if is_overdue => resume(None, Some((Reason::AnswerOverdue, asked()))),
                _ => return Ok(()),
            }
        };
        self.resume(claim, resume).await;
        Ok(())
    }
}

/// Whether a change is such an event.
fn is_event(event: BoardEvent, row: &Activity) -> bool {
    let on_task = matches!(row.entity, Entity::Task(_));
    match event {
        BoardEvent::TaskCreated => on_task && row.field == "created",
        BoardEvent::TaskStatusChanged => on_task && row.field == "status",
        BoardEvent::TaskAssigned => on_task && row.field == "assignee" && !row.after.is_null(),
        BoardEvent::TaskChanged => on_task && row.field != "created" && row.field != "deleted",
        BoardEvent::CommentAdded => {
            matches!(row.entity, Entity::Comment(_)) && row.field == "created"
        }
    }
}

/// What may go wrong while listening.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("the board could not be read: {0}")]
    Board(#[from] BoardError),
    #[error("{0}")]
    Ledger(#[from] crate::ledger::LedgerError),
    #[error("{0}")]
    Claim(#[from] crate::ledger::ClaimError),
}
