//! What the daemon itself writes for a run: through the same tools and journal as the agent's own
//! effects, as actor `rota`.

use super::worker::{Worker, board_trouble};
use crate::domain::{
    EffectActor, Initiative, Mode, NewMarker, Playbook, Principal, Project, Task, TaskEdit, Value,
};
use crate::runner::WorkEnd;
use crate::tools::{Context, Progress, RunContext, ToolError, ToolResult, Trust};
use std::sync::Arc;

impl Worker {
    /// The context of the daemon's own writes for this run, or of the run's work.
    pub(super) async fn context(
        &self,
        actor: EffectActor,
        revision: Option<u64>,
    ) -> Result<Context, WorkEnd> {
        let known = self.parts.board.directory().await;
        let known = known.map_err(|error| board_trouble(&error))?;
        let person = self.agent_among(&known.people)?;
        let run = self.run.id.clone();
        let by = match actor {
            EffectActor::Agent => Initiative::Agent(run.clone()),
            EffectActor::Rota => Initiative::Rota(run.clone()),
        };
        let playbook = Arc::clone(&self.job.playbook);
        Ok(Context {
            principal: Principal { person, by },
            zone: playbook.on.zone,
            only_projects: Vec::new(),
            progress: Progress::default(),
            is_by_hand: false,
            is_of_daemon: false,
            run: Some(RunContext {
                run,
                task: self.job.task,
                claim: self.held.as_ref().map(|held| (held.claim.task, held.claim.fence)),
                projects: selected_projects(&playbook, known.projects.values()),
                trust: self.trust(actor),
                actor,
                mode: mode(&playbook, actor),
                revision,
                marker: None,
                once: None,
                applies: None,
                workspace: None,
                tally: Arc::clone(&self.tally),
                span: self.span.clone(),
                playbook,
            }),
        })
    }

    /// Whether the run may still act. Its work may not once it was told to stop; what the daemon has
    /// to write for it then, it may.
    fn trust(&self, actor: EffectActor) -> Trust {
        let halt = Arc::clone(&self.job.halt);
        let is_halted = {
            let halt = Arc::clone(&halt);
            move || actor == EffectActor::Agent && halt.token().is_cancelled()
        };
        let Some(held) = &self.held else {
            // What no claim covers is another's once this daemon is gone for the others, and stays so
            // when it is there again.
            let ledger = Arc::clone(&self.parts.ledger);
            return Trust::when(move || !is_halted() && !halt.is_lost() && ledger.is_there());
        };
        let (window, clock) = (held.trust.clone(), Arc::clone(&self.parts.clock));
        let marker = self.standing.clone();
        Trust::when(move || {
            let boot = clock.boot();
            let is_marked = marker.as_ref().is_none_or(|own| own.is_open(boot));
            !is_halted() && window.is_open(boot) && is_marked
        })
    }

    /// One edit of the run's task, by the daemon.
    pub(super) async fn edit_task(
        &self,
        task: &Task,
        edits: &[TaskEdit],
        revision: Option<u64>,
    ) -> Result<ToolResult, ToolError> {
        let args = Value::map([("id", Value::from(task.id.0)), ("params", edit_params(edits))]);
        self.as_rota("editTask", args, revision).await
    }

    /// One comment on the run's task, by the daemon.
    pub(super) async fn comment(&self, task: &Task, text: String) -> Result<ToolResult, ToolError> {
        self.as_rota("addComment", comment_args(task, text), None).await
    }

    /// The comment that announces the claim, and marks the task for it.
    pub(super) async fn announcement(
        &self,
        task: &Task,
        text: String,
        marker: NewMarker,
    ) -> Result<ToolResult, ToolError> {
        let context = self.context(EffectActor::Rota, None).await;
        let mut context = context.map_err(|end| ToolError::fatal(end.reason, end.detail))?;
        if let Some(run) = &mut context.run {
            run.marker = Some(marker);
        }
        self.parts.tools.call("addComment", comment_args(task, text), &context).await
    }

    /// A write of the outcome: done at once, or where the playbook is staged proposed.
    pub(super) async fn outcome_write(
        &self,
        tool: &str,
        args: Value,
        revision: Option<u64>,
    ) -> Result<ToolResult, ToolError> {
        let context = self.context(EffectActor::Rota, revision).await;
        let mut context = context.map_err(|end| ToolError::fatal(end.reason, end.detail))?;
        if let Some(run) = &mut context.run {
            run.mode = self.job.playbook.mode;
        }
        self.parts.tools.call(tool, args, &context).await
    }

    pub(super) async fn as_rota(
        &self,
        tool: &str,
        args: Value,
        revision: Option<u64>,
    ) -> Result<ToolResult, ToolError> {
        let context = match self.context(EffectActor::Rota, revision).await {
            Ok(context) => context,
            Err(end) => return Err(ToolError::fatal(end.reason, end.detail)),
        };
        self.parts.tools.call(tool, args, &context).await
    }
}

/// What the daemon writes for a staged run is live: its announcement, and how it goes back.
fn mode(playbook: &Playbook, actor: EffectActor) -> Mode {
    match (playbook.mode, actor) {
        (Mode::Staged, EffectActor::Rota) => Mode::Live,
        (mode, _) => mode,
    }
}

/// The projects that `[select]` names; empty when it names none.
pub(super) fn selected_projects<'a>(
    playbook: &Playbook,
    projects: impl IntoIterator<Item = &'a Project>,
) -> Vec<crate::domain::ProjectId> {
    let Some(select) = &playbook.select else { return Vec::new() };
    let is_named = |p: &&Project| {
        let by_name = |name: &String| name.trim().to_lowercase() == p.name.trim().to_lowercase();
        select.projects.iter().any(|name| by_name(name) || name.trim() == p.id.to_string())
    };
    projects.into_iter().filter(is_named).map(|p| p.id).collect()
}

pub(super) fn comment_args(task: &Task, text: String) -> Value {
    Value::map([
        ("module", Value::from("ticket")),
        ("entityId", task.id.0.into()),
        ("text", text.into()),
    ])
}

/// Edits as the arguments of `editTask`.
pub(super) fn edit_params(edits: &[TaskEdit]) -> Value {
    let mut params = std::collections::BTreeMap::new();
    let mut add = Vec::new();
    let mut remove = Vec::new();
    for edit in edits {
        match edit {
            TaskEdit::Assignee(person) => {
                params.insert("editorId".to_owned(), person.map(|p| p.0).into());
            }
            TaskEdit::Status(status) => {
                params.insert("status".to_owned(), status.0.into());
            }
            TaskEdit::AddTag(tag) => add.push(tag.clone()),
            TaskEdit::RemoveTag(tag) => remove.push(tag.clone()),
            // The daemon itself writes nothing else.
            _ => {}
        }
    }
    if !add.is_empty() {
        params.insert("addTags".to_owned(), add.into());
    }
    if !remove.is_empty() {
        params.insert("removeTags".to_owned(), remove.into());
    }
    Value::Map(params)
}
