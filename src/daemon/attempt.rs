//! One attempt: gather, compose the prompt, work under the claim, see how it ended.

use super::brief::{self, Brief};
use super::earlier;
use super::progress;
use super::receipt;
use super::rooms::files_of;
use super::transcript::Transcript;
use super::worker::{Worker, board_trouble};
use crate::crash;
use crate::domain::{
    EffectActor, Gather, Mode, Phase, Reason, RunState, Task, Trigger, Usage, Value, Work,
};
use crate::ledger::LogLine;
use crate::runner::acp::AcpRunner;
use crate::runner::command::CommandRunner;
use crate::runner::model_loop::ModelRunner;
use crate::runner::steps::StepsRunner;
use crate::runner::{Grant, Job, Runner, Signs, SignsEnd, ToolSession, WorkEnd};
use crate::template;
use std::collections::BTreeMap;
use std::sync::Arc;

/// At most so many pages are read for one gathered list.
const PAGES_MAX: usize = 100;
/// Items asked for at a time.
const PAGE: i64 = 200;
/// At most so many earlier runs at a task are looked at.
const RUNS_MAX: usize = 50;
/// So many signs of a run wait to be written down.
const SIGNS_MAX: usize = 256;

impl Worker {
    /// What templates see, as far as it is known before the work.
    pub(super) async fn begin_brief(&mut self, task: Option<&Task>) -> Result<(), WorkEnd> {
        let now = self.job.now.unwrap_or_else(|| self.parts.clock.wall());
        let playbook = Arc::clone(&self.job.playbook);
        let gathered = self.brief.get("gathered").cloned();
        self.brief = Brief::new(now, &playbook, &self.job.set);
        if let Some(gathered) = gathered {
            self.brief.put("gathered", gathered);
        }
        self.brief.put_run(&self.run, playbook.limits.attempts);
        self.put_event().await?;
        let projects = self.parts.board.projects().await.map_err(|e| board_trouble(&e))?;
        let selected = super::by_rota::selected_projects(&playbook, &projects);
        self.brief.put_projects(&projects, &selected);
        self.put_answer();
        if let Some(task) = task {
            self.put_task(task).await?;
        }
        self.put_earlier().await;
        Ok(())
    }

    /// What another program told, where that woke the playbook.
    async fn put_event(&mut self) -> Result<(), WorkEnd> {
        let occurrence = &self.job.occurrence;
        if occurrence.trigger != Trigger::Webhook {
            return Ok(());
        }
        let arrival = self.parts.ledger.arrival(&occurrence.id).await.map_err(|error| {
            let detail = format!("what woke it could not be read: {error}");
            WorkEnd::ended(RunState::Failed, Reason::StoreFailed, detail, Usage::default())
        })?;
        self.brief.put("event", arrival.as_ref().map(brief::describe_arrival));
        Ok(())
    }

    /// The task as it is now.
    pub(super) async fn refresh_brief(&mut self) -> Result<(), WorkEnd> {
        if let Some(task) = self.read_task().await? {
            self.put_task(&task).await?;
        }
        Ok(())
    }

    async fn put_task(&mut self, task: &Task) -> Result<(), WorkEnd> {
        let url = self.parts.settings.links.task(task.id).url;
        let (task, project) = brief::describe(self.parts.board.as_ref(), task, url)
            .await
            .map_err(|error| board_trouble(&error))?;
        self.brief.put("task", task);
        self.brief.put("project", project);
        Ok(())
    }

    /// What runs before this one did at the task, and what a reviewer said.
    async fn put_earlier(&mut self) {
        let Some(task) = self.run.task else { return self.put_earlier_attempts().await };
        let filter =
            crate::ledger::RunFilter { task: Some(task), ..crate::ledger::RunFilter::default() };
        let runs = self.parts.ledger.runs(&filter, RUNS_MAX).await.unwrap_or_default();
        let last =
            runs.iter().find(|run| run.id != self.run.id && run.playbook == self.run.playbook);
        let mut lines = Vec::new();
        for run in earlier::runs_before(&self.parts, &self.run).await.unwrap_or_default() {
            let effects = self.parts.ledger.effects(&run.id).await.unwrap_or_default();
            lines.extend(brief::effect_lines(run.attempt, &effects));
        }
        self.brief.put("earlier", Value::List(lines));
        if let Some(last) = last {
            self.brief.put("previous", describe_run(last));
        }
        self.put_review(task, &runs).await;
    }

    /// What earlier attempts of a run without a task did.
    async fn put_earlier_attempts(&mut self) {
        let runs = earlier::runs_before(&self.parts, &self.run).await.unwrap_or_default();
        let mut lines = Vec::new();
        for run in &runs {
            let effects = self.parts.ledger.effects(&run.id).await.unwrap_or_default();
            lines.extend(brief::effect_lines(run.attempt, &effects));
        }
        self.brief.put("earlier", Value::List(lines));
        if let Some(last) = runs.first() {
            self.brief.put("previous", describe_run(last));
        }
    }

    /// What the run's ending adds for its templates.
    pub(super) async fn put_ending(&mut self, end: &WorkEnd) {
        self.run.outcome.clone_from(&end.outcome);
        self.run.summary.clone_from(&end.summary);
        let before = earlier::runs_before(&self.parts, &self.run).await.unwrap_or_default();
        let done = earlier::done_text(&self.parts, &before, &self.run).await;
        let minutes = self.parts.clock.boot().saturating_sub(self.began).as_secs().div_ceil(60);
        self.brief.put(
            "outcome",
            Value::map([
                ("name", end.outcome.clone().unwrap_or_default()),
                ("summary", end.summary.clone()),
            ]),
        );
        self.brief.put(
            "ended",
            Value::map([
                ("reason", Value::from(end.reason.code())),
                ("text", ended_text(end).into()),
                ("done", done.into()),
                ("left", end.summary.as_str().into()),
                ("minutes", i64::try_from(minutes).unwrap_or(i64::MAX).into()),
                ("attempts", self.run.attempt.into()),
            ]),
        );
        if let Err(error) = self.refresh_brief().await {
            tracing::debug!(run = %self.run.id, detail = %error.detail, "the task could not be read again");
        }
        self.put_findings().await;
        let receipt = receipt::of(&self.parts, &self.run, &before, end).await;
        self.brief.put("receipt", receipt);
    }

    /// One attempt at the work.
    pub(super) async fn attempt(&mut self) -> WorkEnd {
        let (signs, ends) = Signs::channel(SIGNS_MAX);
        let end = match self.prepare(&signs).await {
            Ok((job, session)) => self.work_at(job, session, (signs, ends)).await,
            Err(end) => end,
        };
        self.run.usage = end.usage;
        self.run.evidence = receipt::kept(&end.evidence);
        let end = self.halted_end(end);
        let end = self.say_who_took_over(end).await;
        let end = self.verify(end).await;
        self.note(&format!("the work ended: {} ({}) {}", end.state, end.reason, end.detail)).await;
        end
    }

    /// The guard's refusal only says that the claim is lost; the board says to whom.
    async fn say_who_took_over(&self, end: WorkEnd) -> WorkEnd {
        if end.state != RunState::Yielded {
            return end;
        }
        match self.person_took_over().await {
            Ok(Some((reason, detail))) => WorkEnd { reason, detail, ..end },
            _ => end,
        }
    }

    async fn prepare(&mut self, signs: &Signs) -> Result<(Job, ToolSession), WorkEnd> {
        self.advance(Phase::Working, None, None).await?;
        crash::reached("run.started");
        self.refresh_brief().await?;
        if !self.has_gathered() || !earlier::has_written(&self.parts, &self.run).await {
            let gathered = self.gather().await?;
            self.brief.put("gathered", gathered);
        }
        let workspace = self.workspace().await?;
        let note = self.begin_review(workspace.as_deref()).await?;
        let mut context = self.context(EffectActor::Agent, None).await?;
        if let (Some(run), Some(workspace)) = (&mut context.run, &workspace) {
            let files = self.files(workspace, signs);
            run.tally.begin_findings(self.found_before().await?);
            let note = note.or(self.files_elsewhere().await);
            self.brief.put("workspace", files_of(workspace, &files, note).await);
            run.workspace = Some(files);
        }
        let prompt = self.compose()?;
        self.template = self.template_digest();
        let answered = self.answered().await;
        self.log_prompt(answered.as_ref(), &prompt).await;
        let is_program = self.job.playbook.work.program().is_some();
        if is_program && self.parts.settings.composes_only {
            // What is wrong with it is told by the rehearsal, too.
            self.command(None, None)?;
            return Err(WorkEnd::ended(
                RunState::NothingToDo,
                Reason::RecordedOnly,
                "a rehearsal composes the prompt and stops before the program (see --execute)",
                Usage::default(),
            ));
        }
        let folder = workspace.as_ref().map(|workspace| workspace.folder().to_owned());
        let session = ToolSession::new(Arc::clone(&self.parts.tools), context);
        let (grant, config) = self.grant(&session, signs, workspace.as_deref()).await?;
        let command =
            if is_program { self.command(grant.as_ref(), config.as_deref())? } else { Vec::new() };
        let mut env = self.environment(signs);
        env.extend(grant.iter().flat_map(Grant::environment));
        let job = Job {
            run: self.run.id.clone(),
            playbook: self.bounded(),
            task: self.job.task,
            prompt,
            context: self.brief.value(),
            command,
            env,
            folder: folder.unwrap_or_else(|| self.folder()),
            workspace,
            grant: grant.map(Arc::new),
            answered,
        };
        Ok((job, session))
    }

    fn runner(&self) -> Result<Arc<dyn Runner>, WorkEnd> {
        Ok(match &self.job.playbook.work {
            Work::Steps(_) => Arc::new(StepsRunner::new(
                Arc::new(super::seams::Fills),
                Arc::new(super::seams::Holds),
            )),
            Work::Command { .. } => Arc::new(CommandRunner::new(
                self.parts.settings.environment.iter().map(|(k, v)| (k.clone(), v.clone())),
            )),
            Work::Acp { .. } => Arc::new(AcpRunner::new(
                self.parts.settings.environment.iter().map(|(k, v)| (k.clone(), v.clone())),
            )),
            Work::Model { model, .. } => {
                let known = self.parts.models.get(model).ok_or_else(|| {
                    WorkEnd::ended(
                        RunState::Failed,
                        Reason::ModelFailed,
                        format!("rota.toml defines no model {model:?}"),
                        Usage::default(),
                    )
                })?;
                Arc::new(ModelRunner::new(self.metered(known)))
            }
        })
    }

    async fn work_at(
        &self,
        job: Job,
        session: ToolSession,
        (signs, ends): (Signs, SignsEnd),
    ) -> WorkEnd {
        let runner = match self.runner() {
            Ok(runner) => runner,
            Err(end) => return end,
        };
        if job.playbook.work.program().is_some()
            && let Err(error) = tokio::fs::create_dir_all(&job.folder).await
        {
            let detail = format!("{}: {error}", job.folder.display());
            return WorkEnd::ended(
                RunState::Failed,
                Reason::CommandFailed,
                detail,
                Usage::default(),
            );
        }
        let (teller, heard) = progress::channel();
        let (parts, run) = (Arc::clone(&self.parts), self.run.id.clone());
        let writer = Transcript { parts, run, teller };
        let token = self.job.halt.token();
        let work = async move {
            let end = runner.work(&job, &session, &signs, token).await;
            signs.settle().await;
            drop(signs);
            if let Some(workspace) = &job.workspace {
                workspace.after_run().await;
            }
            end
        };
        tokio::join!(work, writer.write(ends), self.tell_progress(heard)).0
    }

    /// Whether an earlier attempt gathered what steps go by: what is half done is finished as it was begun,
    /// and not planned anew around itself.
    fn has_gathered(&self) -> bool {
        let gathered = self.brief.get("gathered").and_then(Value::as_map);
        let is_there = gathered.is_some_and(|gathered| !gathered.is_empty());
        is_there && matches!(self.job.playbook.work, Work::Steps(_))
    }

    /// Reads what `[gather]` names, to the end of every list.
    async fn gather(&self) -> Result<Value, WorkEnd> {
        let mut gathered = BTreeMap::new();
        if self.job.playbook.gather.is_empty() {
            return Ok(Value::Map(gathered));
        }
        let mut context = self.context(EffectActor::Agent, None).await?;
        if let Some(run) = &mut context.run {
            // Gathering is the daemon's own reading; `tools` lists what the work may call.
            run.actor = EffectActor::Rota;
            run.mode = Mode::Live;
        }
        for (name, gather) in &self.job.playbook.gather {
            let items = self.gather_one(name, gather, &context).await?;
            gathered.insert(name.clone(), items);
        }
        Ok(Value::Map(gathered))
    }

    async fn gather_one(
        &self,
        name: &str,
        gather: &Gather,
        context: &crate::tools::Context,
    ) -> Result<Value, WorkEnd> {
        let trouble = |detail: String| {
            WorkEnd::ended(
                RunState::Failed,
                Reason::GatherFailed,
                format!("gather.{name}: {detail}"),
                Usage::default(),
            )
        };
        if self.parts.tools.kind(&gather.tool) != Some(crate::tools::ToolKind::Read) {
            return Err(trouble(format!("{:?} is no tool that only reads", gather.tool)));
        }
        let mut args = template::fill(&gather.args, &self.brief.value())
            .map_err(|error| template_trouble(&error))?;
        if let Value::Map(map) = &mut args
            && self.has_pages(&gather.tool)
        {
            // As many as a page may hold; the end of the list is found by its cursor.
            map.entry("limit".to_owned()).or_insert(Value::Int(PAGE));
        }
        let mut items = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self.parts.tools.call(&gather.tool, args.clone(), context).await;
            let answer = answer.map_err(|error| trouble(error.to_string()))?.value;
            let Some((list, cursor)) = listed(&answer) else {
                return Ok(super::linked::linked(answer, &self.parts.settings.links));
            };
            items.extend(list);
            if items.len() > gather.limit {
                let limit = gather.limit;
                return Err(trouble(format!("more than {limit} items (gather.{name}.limit)")));
            }
            let Some(cursor) = cursor else { return Ok(Value::List(items)) };
            if let Value::Map(map) = &mut args {
                map.insert("cursor".to_owned(), cursor.into());
            }
        }
        Err(trouble(format!("the list did not end after {PAGES_MAX} pages")))
    }

    /// Whether a tool answers in pages.
    fn has_pages(&self, tool: &str) -> bool {
        let known = self.parts.tools.definition(tool);
        let takes = known.and_then(|tool| tool.input_schema.get("properties"));
        takes.is_some_and(|takes| takes.get("limit").is_some())
    }

    /// A line in the run's transcript.
    pub(super) async fn note(&self, text: &str) {
        self.parts.tell("note", Some(&self.run.id), text.to_owned());
        self.log("note", text).await;
    }

    pub(super) async fn log(&self, kind: &str, text: &str) {
        let line = LogLine::new(self.parts.clock.wall(), kind, text);
        if let Err(error) = self.parts.ledger.log(&self.run.id, &[line]).await {
            tracing::warn!(run = %self.run.id, %error, "the transcript could not be written");
        }
    }
}

/// The items of a list answer and where it goes on; `None` for an answer that is no list.
fn listed(answer: &Value) -> Option<(Vec<Value>, Option<String>)> {
    if let Value::List(items) = answer {
        return Some((items.clone(), None));
    }
    let map = answer.as_map()?;
    let items = map.get("items").and_then(Value::as_list)?;
    let cursor = map.get("next").and_then(Value::as_text).map(str::to_owned);
    Some((items.to_vec(), cursor))
}

pub(super) fn template_trouble(error: &template::TemplateError) -> WorkEnd {
    WorkEnd::ended(RunState::Failed, Reason::TemplateFailed, error.to_string(), Usage::default())
}

fn ended_text(end: &WorkEnd) -> String {
    if end.detail.is_empty() {
        end.reason.text().to_owned()
    } else {
        format!("{}: {}", end.reason.text(), end.detail)
    }
}

fn describe_run(run: &crate::domain::Run) -> Value {
    Value::map([
        ("state", Value::from(run.state.as_str())),
        ("reason", run.reason.map(Reason::code).into()),
        ("detail", run.detail.as_str().into()),
        ("summary", run.summary.as_str().into()),
    ])
}
