//! A task that does not pass the gates: whoever wrote it is asked, once per revision of the task
//! (`[suitability] when_unsuitable`).

use super::announce::tool_trouble;
use super::dispatcher::Dispatcher;
use super::halt::Halt;
use super::parts::Parts;
use super::rubric;
use super::worker::{Assignment, Worker};
use crate::domain::{
    EffectActor, OccurrenceId, Playbook, Reason, RunState, Task, TaskEdit, TaskId, Usage, Value,
    WhenUnsuitable,
};
use crate::runner::WorkEnd;
use crate::schedule::Refusal;
use crate::tools::{Progress, Tally};
use std::collections::BTreeMap;
use std::sync::Arc;
use tracing::Span;

/// Whether a refusal says that a task is not fit yet, and a person can mend it.
fn is_about_fitness(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NoAcceptanceCriteria
            | Reason::NoEstimate
            | Reason::NoDescription
            | Reason::Unsuitable
    )
}

impl Dispatcher {
    /// Asks about a task that was refused, where the playbook wants that.
    pub(super) async fn clarify(&self, refusal: &Refusal) {
        let Some(task) = refusal.task.filter(|_| is_about_fitness(refusal.reason)) else { return };
        let Some(book) = self.beliefs.books.get(&refusal.playbook) else { return };
        let playbook = Arc::clone(&book.playbook);
        let Some(wanted) = playbook.suitability.when_unsuitable.clone() else { return };
        let open = self.beliefs.open.values().find(|o| o.occurrence.playbook == playbook.name);
        let Some(occurrence) = open.map(|open| open.occurrence.clone()) else { return };
        let Some(found) = self.task_to_ask_about(&playbook, task, &wanted).await else { return };
        let job = Assignment {
            playbook,
            occurrence,
            now: None,
            task: Some(task),
            revision: None,
            run: self.parts.entropy.run_id(),
            attempt: 1,
            resume: None,
            set: BTreeMap::new(),
            told: Progress::default(),
            halt: Arc::new(Halt::default()),
        };
        ask_about(&self.parts, job, &found, &wanted, refusal).await;
    }

    /// The task, unless it was asked about already.
    async fn task_to_ask_about(
        &self,
        playbook: &Playbook,
        task: TaskId,
        wanted: &WhenUnsuitable,
    ) -> Option<Task> {
        let found = self.parts.board.task(task).await.ok()?;
        let is_marked =
            !wanted.add_tags.is_empty() && wanted.add_tags.iter().all(|tag| found.has_tag(tag));
        if is_marked {
            return None;
        }
        match self.parts.ledger.seen(&playbook.name, &key(&found)).await {
            Ok(false) => Some(found),
            Ok(true) => None,
            Err(error) => {
                tracing::warn!(%task, %error, "it cannot be said whether it was asked about");
                None
            }
        }
    }
}

fn key(task: &Task) -> String {
    format!("unsuitable:{}:{}", task.id, task.revision)
}

/// A run of its own, without a claim: the comment and the tags stand in its journal.
async fn ask_about(
    parts: &Arc<Parts>,
    job: Assignment,
    task: &Task,
    wanted: &WhenUnsuitable,
    refusal: &Refusal,
) {
    let run = Worker::new_run(parts, &job, job.run.clone(), 1);
    let occurrence: OccurrenceId = job.occurrence.id.clone();
    let mut worker = Worker {
        span: Span::current(),
        run,
        tally: Arc::new(Tally::new(0, BTreeMap::new())),
        brief: super::brief::Brief::default(),
        held: None,
        unfinished: false,
        inherits: false,
        standing: None,
        announced: None,
        is_withdrawn: false,
        handed_over: None,
        rounds: None,
        unrecorded: Vec::new(),
        template: None,
        budget: None,
        began: parts.clock.boot(),
        parts: Arc::clone(parts),
        job,
    };
    if let Err(error) = worker.record_start().await {
        tracing::error!(%occurrence, %error, "a question about a task could not be recorded");
        return;
    }
    let end = match worker.write_question(task, wanted, refusal).await {
        Ok(()) => WorkEnd::ended(
            RunState::Refused,
            refusal.reason,
            format!("{}; its author was asked", refusal.detail),
            Usage::default(),
        ),
        Err(trouble) => trouble,
    };
    worker.finish_record(&end, Vec::new()).await;
}

impl Worker {
    /// What was judged stays judged where the only change since is our own.
    async fn keep_judgement(&self, before: &Task) {
        let Ok(Some(now)) = self.read_task().await else { return };
        if now.revision != before.revision + 1 {
            return;
        }
        let (parts, playbook) = (&self.parts, &self.job.playbook);
        let kept = rubric::keep_after_own_edit(parts, playbook, before, now.revision).await;
        if let Err(error) = kept {
            tracing::warn!(task = %before.id, %error, "the task is judged once more");
        }
    }

    async fn write_question(
        &mut self,
        task: &Task,
        wanted: &WhenUnsuitable,
        refusal: &Refusal,
    ) -> Result<(), WorkEnd> {
        self.begin_brief(Some(task)).await?;
        let mut missing = vec![refusal.reason.text().to_owned()];
        if refusal.reason == Reason::Unsuitable {
            missing = rubric::missing(&self.parts, &self.job.playbook, task).await;
        }
        self.brief.put("missing", missing);
        if let Some(template) = &wanted.comment {
            let text = self.render(template)?;
            let args = Value::map([
                ("module", Value::from("ticket")),
                ("entityId", task.id.0.into()),
                ("text", text.into()),
            ]);
            let mut context = self.context(EffectActor::Rota, None).await?;
            if let Some(run) = &mut context.run {
                run.once = Some(key(task));
            }
            let asked = self.parts.tools.call("addComment", args, &context).await;
            asked.map_err(|error| tool_trouble(&error))?;
        }
        let tags = wanted.add_tags.iter().filter(|tag| !task.has_tag(tag)).cloned();
        let edits: Vec<TaskEdit> = tags.map(TaskEdit::AddTag).collect();
        if !edits.is_empty() {
            let judged = refusal.reason == Reason::Unsuitable;
            let expected = judged.then_some(task.revision);
            self.edit_task(task, &edits, expected).await.map_err(|error| tool_trouble(&error))?;
            if judged {
                self.keep_judgement(task).await;
            }
        }
        Ok(())
    }
}
