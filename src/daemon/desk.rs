//! The daemon as tools see it: questions become events, answers come back.

use super::Daemon;
use super::assistants::Assistants;
use super::brief::text_of;
use super::event::Event;
use super::letters;
use super::proposals;
use super::queue::{self, Tended};
use super::reviews;
use super::why;
use crate::domain::{
    Channel, Fence, HandOver, PlaybookName, Principal, RunId, Staging, TaskId, Timestamp, Value,
    WaitItem, Waiting, Work,
};
use crate::ledger::stop;
use crate::schedule::Timetable;
use crate::tools::desk::{
    AnswerAsk, Answered, ClaimAsk, CostAsk, DecideAsk, Desk, DeskError, DigestAsk, Hold,
    NextRequest, QuestionAsk, ReleaseAsk, Reviews, Ruling, RunReport, RunRequest, Standing, Switch,
    TendAsk, UndoAsk,
};
use async_trait::async_trait;
use std::sync::PoisonError;
use tokio::sync::oneshot;

/// Whoever waits for a run waits so long at most for its messages to be told.
const POST_MAX: std::time::Duration = std::time::Duration::from_secs(30);

impl Daemon {
    pub(super) async fn ask<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T, DeskError>>) -> Event,
    ) -> Result<T, DeskError> {
        let (reply, answer) = oneshot::channel();
        if self.events.send(make(reply)).await.is_err() {
            return Err(gone());
        }
        answer.await.map_err(|_| gone())?
    }

    async fn set_stop(&self, stopped: bool, by: &str, reason: &str) -> Result<Value, DeskError> {
        let now = self.parts.clock.wall();
        if let Some(state) = &self.parts.settings.state {
            let done = if stopped { stop::set(state, by, reason, now) } else { stop::clear(state) };
            done.map_err(|source| DeskError::Failed {
                what: "the stop file could not be changed".to_owned(),
                source: Some(Box::new(source)),
            })?;
        }
        let record =
            stopped.then(|| stop::Stopped { by: by.into(), reason: reason.into(), at: Some(now) });
        self.parts.ledger.set_stopped(record, by).await.map_err(super::dispatcher::failed)?;
        let why = stopped.then(|| format!("{by}: {reason}"));
        if self.events.send(Event::Stopped(why)).await.is_err() {
            return Err(gone());
        }
        Ok(Value::map([
            ("stopped", Value::from(stopped)),
            ("by", by.into()),
            ("reason", reason.into()),
        ]))
    }

    /// Decides about what is proposed, and waits until it is carried out.
    async fn decide_proposals(
        &self,
        staging: Staging,
        ask: DecideAsk,
    ) -> Result<Ruling, DeskError> {
        let (task, dry_run) = (staging.task, ask.dry_run);
        let ruling = proposals::decide(&self.parts, staging, ask).await?;
        if dry_run {
            return Ok(ruling);
        }
        let waits = match self.ask(|reply| Event::Decided { task, reply }).await {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        proposals::told(&self.parts, ruling, waits).await
    }
}

fn gone() -> DeskError {
    DeskError::Failed { what: "the daemon has ended".to_owned(), source: None }
}

#[async_trait]
impl Desk for Daemon {
    async fn run_playbook(&self, request: RunRequest) -> Result<RunReport, DeskError> {
        let report = self.ask(|reply| Event::Run { request, reply }).await;
        // Whoever waited for the run may read its message next: it is on its way by now.
        self.post.deliver_within(POST_MAX).await;
        report
    }

    async fn stop_run(&self, run: &RunId, by: &str) -> Result<(), DeskError> {
        let (run, by) = (run.clone(), by.to_owned());
        self.ask(|reply| Event::StopRun { run, by, reply }).await
    }

    async fn why(&self, subject: &str, at: Option<Timestamp>) -> Result<Value, DeskError> {
        why::why(&self.parts, subject, at).await
    }

    async fn next(&self, request: NextRequest) -> Result<Value, DeskError> {
        self.coming(&request).await
    }

    async fn cost(&self, ask: CostAsk) -> Result<Value, DeskError> {
        super::cost::cost(&self.parts, ask).await
    }

    async fn playbooks(&self) -> Result<Value, DeskError> {
        let (now, mut items) = (self.parts.clock.wall(), Vec::new());
        for playbook in self.parts.playbooks() {
            let switch = self.parts.ledger.playbook_switch(&playbook.name).await;
            let switch = switch.map_err(super::dispatcher::failed)?;
            let missing = super::books::why_not_armed(&playbook, &switch);
            let next = Timetable::new(&playbook.on, &playbook.name).ok().flatten();
            let (next, since, until) = match next {
                Some(table) => {
                    let next =
                        table.after(self.accounted_until(&playbook.name, &table, now).await?);
                    let (since, until) = self.accounted(&playbook).await?;
                    (next, since, until)
                }
                None => (None, None, None),
            };
            items.push(Value::map([
                ("name", Value::from(playbook.name.as_str())),
                ("description", playbook.description.as_str().into()),
                ("agent", playbook.agent.as_str().into()),
                ("runner", runner_name(&playbook.work).into()),
                ("armed", missing.is_empty().into()),
                ("arm_reasons", missing.into()),
                ("paused", switch.paused.is_some().into()),
                ("next", next.map(text_of).into()),
                ("since", since.map(text_of).into()),
                ("until", until.map(text_of).into()),
                ("path", playbook.path.as_str().into()),
                ("definition", playbook.hash.as_str().into()),
                ("rights", super::brief::plain(&crate::playbook::rights(&playbook).lines())),
            ]));
        }
        let library = self.parts.library.lock().unwrap_or_else(PoisonError::into_inner);
        let faults: Vec<String> = library.faults().iter().map(ToString::to_string).collect();
        Ok(Value::map([("items", Value::List(items)), ("faults", faults.into())]))
    }

    async fn definition(&self, playbook: &PlaybookName) -> Result<Option<String>, DeskError> {
        Ok(self.parts.playbook(playbook).map(|playbook| playbook.source.clone()))
    }

    async fn set_playbook(
        &self,
        playbook: &PlaybookName,
        switch: Switch,
        by: &str,
    ) -> Result<Value, DeskError> {
        let (playbook, by) = (playbook.clone(), by.to_owned());
        self.ask(|reply| Event::Switch { playbook, switch, by, reply }).await
    }

    async fn stop_all(&self, by: &str, reason: &str) -> Result<Value, DeskError> {
        self.set_stop(true, by, reason).await
    }

    async fn start_all(&self, by: &str) -> Result<Value, DeskError> {
        self.set_stop(false, by, "").await
    }

    async fn release_claim(
        &self,
        task: TaskId,
        reason: &str,
        by: &str,
    ) -> Result<Value, DeskError> {
        let claim = queue::release(&self.parts, task, None, (reason, by)).await?;
        let _ = self.events.try_send(Event::Tick(None));
        Ok(super::brief::plain(&claim))
    }

    async fn claim_task(&self, ask: ClaimAsk) -> Result<Hold, DeskError> {
        Box::pin(Assistants::new(&self.parts).claim(ask)).await
    }

    async fn renew_claim(
        &self,
        task: TaskId,
        fence: Fence,
        minutes: Option<u32>,
        principal: &Principal,
    ) -> Result<Hold, DeskError> {
        Assistants::new(&self.parts).renew(task, fence, minutes, principal).await
    }

    async fn release_task(&self, ask: ReleaseAsk) -> Result<Hold, DeskError> {
        Box::pin(Assistants::new(&self.parts).release(ask)).await
    }

    async fn standing(
        &self,
        task: TaskId,
        principal: &Principal,
        would_change: bool,
    ) -> Result<Standing, DeskError> {
        Box::pin(Assistants::new(&self.parts).standing(task, principal, would_change)).await
    }

    async fn keep_claim(&self, task: TaskId, principal: &Principal) -> Result<(), DeskError> {
        Assistants::new(&self.parts).keep(task, principal).await
    }

    async fn undo_run(&self, ask: UndoAsk) -> Result<Value, DeskError> {
        super::undo::undo(&self.parts, &ask).await
    }

    async fn digest(&self, ask: DigestAsk) -> Result<Value, DeskError> {
        super::asked::digest(&self.parts, &ask).await
    }

    async fn outbox(&self, latest: usize, begin: &str) -> Result<Value, DeskError> {
        letters::outbox(&self.parts, latest, begin).await
    }

    async fn retry_outbox(
        &self,
        key: Option<&str>,
        channel: Option<&Channel>,
    ) -> Result<Value, DeskError> {
        letters::retry(&self.parts, key, channel).await
    }

    async fn status(&self) -> Result<Value, DeskError> {
        super::asked::status(&self.parts, self.since, self.scheduling).await
    }
}

#[async_trait]
impl Reviews for Daemon {
    async fn waiting(&self) -> Result<Vec<Waiting>, DeskError> {
        queue::waiting(&self.parts).await
    }

    async fn ask_person(&self, ask: QuestionAsk) -> Result<Hold, DeskError> {
        // Not while somebody answers: their answer is to the question that they have seen.
        let _alone = self.parts.deciding.lock().await;
        Box::pin(Assistants::new(&self.parts).ask_person(ask)).await
    }

    async fn left_to_people(
        &self,
        task: TaskId,
        principal: &Principal,
    ) -> Result<Option<HandOver>, DeskError> {
        Assistants::new(&self.parts).left_to_people(task, principal).await
    }

    async fn decide(&self, ask: DecideAsk) -> Result<Ruling, DeskError> {
        if let Some(staging) = proposals::meant(&self.parts, &ask).await? {
            return self.decide_proposals(staging, ask).await;
        }
        let ruling = {
            // What was seen is compared, and decided about, before anybody else decides.
            let _alone = self.parts.deciding.lock().await;
            Box::pin(reviews::decide(&self.parts, ask)).await
        };
        // A playbook that is to work again is looked at now.
        let _ = self.events.try_send(Event::Tick(None));
        ruling
    }

    async fn tend(&self, ask: TendAsk) -> Result<Value, DeskError> {
        // One after the other: what is granted is granted once.
        let alone = self.parts.deciding.lock().await;
        // What is armed is what was read when it was compared with what was seen.
        let definition = match &ask.item {
            WaitItem::Arming(name) => self.parts.playbook(name).map(|book| book.hash.clone()),
            _ => None,
        };
        let done = Box::pin(queue::tend(&self.parts, &ask)).await?;
        drop(alone);
        if let (Tended::Granted(_), WaitItem::Arming(name)) = (&done, &ask.item) {
            let by = ask.context.principal.person.name.as_str();
            self.set_playbook(name, Switch::Arm(definition), by).await?;
        }
        let _ = self.events.try_send(Event::Tick(None));
        Ok(done.answer())
    }

    async fn ask_release(
        &self,
        task: TaskId,
        reason: &str,
        principal: &Principal,
    ) -> Result<Value, DeskError> {
        queue::ask_release(&self.parts, task, reason, principal).await
    }

    async fn proposals(&self, task: TaskId) -> Result<Value, DeskError> {
        proposals::show(&self.parts, task).await
    }

    async fn answer(&self, ask: AnswerAsk) -> Result<Answered, DeskError> {
        let alone = self.parts.deciding.lock().await;
        let answered = Box::pin(reviews::answer(&self.parts, ask)).await;
        drop(alone);
        let _ = self.events.try_send(Event::Tick(None));
        answered
    }
}

fn runner_name(work: &Work) -> &'static str {
    match work {
        Work::Steps(_) => "steps",
        Work::Command { .. } => "command",
        Work::Acp { .. } => "acp",
        Work::Model { .. } => "model",
    }
}
