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
use crate::cron::Odd;
use crate::domain::{
    Channel, Fence, HandOver, Playbook, PlaybookName, Principal, RunId, Staging, TaskId, Timestamp,
    Value, WaitItem, Waiting, Work,
};
use crate::ledger::stop;
use crate::schedule::{AHEAD_MAX, Forecast, Timetable, forecast};
use crate::tools::desk::{
    AnswerAsk, Answered, ClaimAsk, CostAsk, DecideAsk, Desk, DeskError, DigestAsk, Hold,
    NextRequest, QuestionAsk, ReleaseAsk, Reviews, Ruling, RunReport, RunRequest, Standing, Switch,
    TendAsk, UndoAsk,
};
use async_trait::async_trait;
use chrono::TimeDelta;
use std::sync::PoisonError;
use tokio::sync::oneshot;

/// Coming occurrences of a playbook that are told when nobody says how many.
const NEXT_COUNT: usize = 10;
/// Whoever waits for a run waits so long at most for its messages to be told.
const POST_MAX: std::time::Duration = std::time::Duration::from_secs(30);
/// At most so many are told in one answer, the earliest.
const NEXT_MAX: usize = 10_000;

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

    /// Whether a playbook would run if its time came now.
    async fn readiness(&self, playbook: &Playbook) -> Result<Readiness, DeskError> {
        let switch = self.parts.ledger.playbook_switch(&playbook.name).await;
        let switch = switch.map_err(super::dispatcher::failed)?;
        let stopped = self.parts.stopped().await.map_err(super::dispatcher::failed)?.is_some();
        Ok(if stopped {
            Readiness::Stopped
        } else if switch.paused.is_some() {
            Readiness::Paused
        } else if self.parts.settings.arms_itself
            || super::books::why_not_armed(playbook, &switch).is_empty()
        {
            Readiness::Armed
        } else {
            Readiness::NotArmed
        })
    }

    /// What comes of one playbook, and whether it would run then.
    async fn next_of(
        &self,
        name: &PlaybookName,
        request: &NextRequest,
    ) -> Result<Vec<Coming>, DeskError> {
        let Some(playbook) = self.parts.playbook(name) else {
            return Err(DeskError::NotFound(format!("there is no playbook {name}")));
        };
        let timetable = Timetable::new(&playbook.on, name).map_err(|error| DeskError::Failed {
            what: format!("{name}: its timetable cannot be read"),
            source: Some(Box::new(error)),
        })?;
        let Some(timetable) = timetable else { return Ok(Vec::new()) };
        let from = match request.from {
            Some(from) => from,
            None => self.accounted_until(name, &timetable).await?,
        };
        let count = request.count.unwrap_or(if request.to.is_some() { 1_000 } else { NEXT_COUNT });
        let coming = forecast(&timetable, from, request.to, count);
        let readiness = self.readiness(&playbook).await?;
        let of_playbook = |instant| Coming { playbook: name.clone(), instant, readiness };
        Ok(coming.into_iter().map(of_playbook).collect())
    }
}

/// One coming occurrence.
struct Coming {
    playbook: PlaybookName,
    instant: Forecast,
    readiness: Readiness,
}

impl Coming {
    fn shown(&self) -> Value {
        let Self { playbook, instant, readiness } = self;
        let of_instant = match (&instant.odd, instant.outside_hours) {
            (_, true) => "outside hours: skipped",
            (Some(odd), _) => odd_text(*odd),
            (None, _) => "",
        };
        let notes = [readiness.note(), of_instant];
        let notes: Vec<&str> = notes.into_iter().filter(|n| !n.is_empty()).collect();
        Value::map([
            ("playbook", Value::from(playbook.as_str())),
            ("planned", text_of(instant.planned).into()),
            ("local", instant.local.format("%a %Y-%m-%d %H:%M:%S %Z").to_string().into()),
            ("zone", instant.local.timezone().name().into()),
            ("starts", text_of(instant.starts).into()),
            ("outside_hours", instant.outside_hours.into()),
            ("state", readiness.word().into()),
            ("note", notes.join("; ").into()),
        ])
    }
}

/// Keeps the earliest of them; says how many are left out.
fn keep_earliest(coming: &mut Vec<Coming>) -> usize {
    coming.sort_by(|a, b| (a.instant.planned, &a.playbook).cmp(&(b.instant.planned, &b.playbook)));
    let left_out = coming.len().saturating_sub(NEXT_MAX);
    coming.truncate(NEXT_MAX);
    left_out
}

/// Whether a playbook would run if its time came now; the first hindrance, in the order in which
/// they are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Armed,
    Stopped,
    Paused,
    NotArmed,
}

impl Readiness {
    fn word(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::NotArmed => "not_armed",
        }
    }

    fn note(self) -> &'static str {
        match self {
            Self::Armed => "",
            Self::Stopped => "everything is stopped: skipped unless that is lifted by then",
            Self::Paused => "paused: skipped unless it is resumed by then",
            Self::NotArmed => "not armed: skipped unless it is armed by then",
        }
    }
}

impl Daemon {
    /// Up to where a playbook's instants are behind it: those that wait for their jitter still come,
    /// and after the clock was set back those that have their records come no more.
    async fn accounted_until(
        &self,
        name: &PlaybookName,
        timetable: &Timetable,
    ) -> Result<Timestamp, DeskError> {
        let until = timetable.due_until(self.parts.clock.wall());
        let mark = self.parts.ledger.watermark(name).await.map_err(super::dispatcher::failed)?;
        Ok(mark.filter(|mark| *mark - until <= AHEAD_MAX).map_or(until, |mark| mark.max(until)))
    }
}

impl Daemon {
    /// Since when a playbook's timetable holds, and up to when its instants have their records.
    async fn accounted(
        &self,
        playbook: &Playbook,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), DeskError> {
        let (ledger, name) = (&self.parts.ledger, &playbook.name);
        let print = super::books::fingerprint(&playbook.on);
        let since =
            ledger.timetable_began(name, &print).await.map_err(super::dispatcher::failed)?;
        let until = ledger.watermark(name).await.map_err(super::dispatcher::failed)?;
        Ok((since, until))
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
        let names = match &request.playbook {
            Some(name) => vec![name.clone()],
            None => self.parts.playbooks().iter().map(|playbook| playbook.name.clone()).collect(),
        };
        let (mut coming, mut left_out) = (Vec::new(), 0);
        for name in &names {
            coming.extend(self.next_of(name, &request).await?);
            if coming.len() > 2 * NEXT_MAX {
                left_out += keep_earliest(&mut coming);
            }
        }
        left_out += keep_earliest(&mut coming);
        let items = coming.iter().map(Coming::shown).collect();
        let mut answer = vec![("items", Value::List(items))];
        if left_out > 0 {
            // A moment before it: what is left out may have the same instant.
            let before = |last: &Coming| text_of(last.instant.planned - TimeDelta::seconds(1));
            let last = coming.last().map(before).unwrap_or_default();
            let left_out = i64::try_from(left_out).unwrap_or(i64::MAX);
            let hint = format!(
                "{left_out} later ones are left out: name a playbook, ask for fewer of each (-n 1), \
                 or go on with --from {last}"
            );
            answer.extend([("left_out", Value::from(left_out)), ("hint", hint.into())]);
        }
        Ok(Value::map(answer))
    }

    async fn cost(&self, ask: CostAsk) -> Result<Value, DeskError> {
        super::cost::cost(&self.parts, ask).await
    }

    async fn playbooks(&self) -> Result<Value, DeskError> {
        let mut items = Vec::new();
        for playbook in self.parts.playbooks() {
            let switch = self.parts.ledger.playbook_switch(&playbook.name).await;
            let switch = switch.map_err(super::dispatcher::failed)?;
            let missing = super::books::why_not_armed(&playbook, &switch);
            let next = Timetable::new(&playbook.on, &playbook.name).ok().flatten();
            let (next, since, until) = match next {
                Some(table) => {
                    let next = table.after(self.accounted_until(&playbook.name, &table).await?);
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

/// What is odd about an instant around which the clock is set.
fn odd_text(odd: Odd) -> &'static str {
    match odd {
        Odd::Gap => "the clock skips the planned time: the first instant after it",
        Odd::FoldFirst => "this local time comes twice: the first",
        Odd::FoldSecond => "this local time comes twice: the second",
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
