//! The workspaces of runs: made before the work, kept over its attempts, removed when the task is
//! done.

use super::attempt::template_trouble;
use super::books::why_not_armed;
use super::earlier;
use super::independence::author_run;
use super::parts::Parts;
use super::worker::{Worker, store_trouble};
use crate::domain::{
    DaemonId, LookedAt, Phase, Playbook, PlaybookName, ProjectId, Reason, RunId, RunState,
    StatusKind, Task, TaskId, Usage, Value, Work, WorkspaceSource,
};
use crate::fault::names_secret;
use crate::ledger::LedgerError;
use crate::runner::grant::PRIVATE;
use crate::runner::workspace::{Ask, Files, Origin, Record, Workspace, WorkspaceError, judge};
use crate::runner::{Grant, Signs, ToolSession, WorkEnd};
use crate::template;
use crate::tools::Code;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name by which a command's arguments speak of the file that leads to the run's tools.
const CONFIG: &str = "mcp_config";
/// The name by which they speak of where those are.
const URL: &str = "mcp_url";
/// At most so many tasks are asked for each time: boards count requests.
const LOOKS_MAX: usize = 10;

fn ended(error: &WorkspaceError) -> WorkEnd {
    let (state, reason) = error.state();
    WorkEnd::ended(state, reason, error.to_string(), Usage::default())
}

/// For what a task's workspace is, among all boards.
fn identifier(parts: &Parts, task: TaskId) -> String {
    format!("{}-{task}", parts.settings.board)
}

impl Worker {
    /// The task's workspace, where the playbook asks for one. A rehearsal has none.
    pub(super) async fn workspace(&self) -> Result<Option<Arc<Workspace>>, WorkEnd> {
        let playbook = &self.job.playbook;
        let (Some(rules), Some(workspaces), Some(task)) =
            (&playbook.workspace, &self.parts.workspaces, self.job.task)
        else {
            return Ok(None);
        };
        let origin = rules.source.as_ref().map(|source| self.origin(source)).transpose()?;
        let identifier = identifier(&self.parts, task);
        let ask = Ask {
            run: &self.run.id,
            identifier: &identifier,
            task,
            playbook,
            origin: origin.as_ref(),
            follows: self.follows().await?,
            now: self.parts.clock.wall(),
        };
        let made = workspaces.prepare(&ask, &self.job.halt.token()).await;
        let workspace = made.map_err(|error| ended(&error))?;
        let (name, level) = (workspace.name(), workspace.level());
        self.note(&format!("it works in workspace {name}, sandbox {level}")).await;
        if let Some(note) = &workspace.standing().note {
            self.note(&format!("workspace {name}: {note}")).await;
        }
        Ok(Some(Arc::new(workspace)))
    }

    /// What is to be known of a workspace whose files are not those that a run before this one left: they
    /// are at the daemon that carried it out.
    pub(super) async fn files_elsewhere(&self) -> Option<String> {
        if !self.parts.ledger.is_shared() {
            return None;
        }
        let before = earlier::runs_before(&self.parts, &self.run).await.unwrap_or_default();
        let last = before.first()?;
        let own = self.parts.settings.daemon.configured();
        let daemon = last.daemon.as_ref().map(DaemonId::configured).filter(|it| *it != own)?;
        let text = format!(
            "the files that run {} left are at daemon {daemon}: this workspace begins without them",
            last.id
        );
        self.note(&text).await;
        Some(text)
    }

    /// What the run's tools see of its workspace.
    pub(super) fn files(&self, workspace: &Arc<Workspace>, signs: &Signs) -> Arc<dyn Code> {
        let time = self.job.playbook.limits.time;
        Arc::new(Files::new(workspace, signs, &self.job.halt.token(), time))
    }

    pub(super) fn origin(&self, source: &WorkspaceSource) -> Result<Origin, WorkEnd> {
        let context = self.brief.value();
        let fill = |text: &String| template::fill_text(text, &context);
        let filled = |text: &String| fill(text).map_err(|error| template_trouble(&error));
        let repository =
            if source.is_path { source.repository.clone() } else { filled(&source.repository)? };
        let reference = source.reference.as_ref().map(filled).transpose()?;
        let rules = self.job.playbook.workspace.iter().flat_map(|rules| &rules.repositories);
        let of_team = self.parts.workspaces.iter().flat_map(|w| &w.options().repositories);
        let allowed: Vec<String> = rules.chain(of_team).cloned().collect();
        let playbook = Path::new(&self.job.playbook.path);
        judge(source, &repository, reference.as_deref(), &allowed, playbook)
            .map_err(|error| ended(&error))
    }

    /// What a reviewer looks at. What a person works at goes on in its repository: the
    /// workspace follows it there. What an agent works at is in the workspace itself.
    pub(super) async fn work_to_review(
        &self,
        workspace: &Workspace,
    ) -> Result<Option<(LookedAt, Option<String>)>, WorkEnd> {
        let Some(workspaces) = self.parts.workspaces.as_ref().filter(|_| self.job.task.is_some())
        else {
            return Ok(None);
        };
        let store = |error| store_trouble(&error);
        let source = self.job.playbook.workspace.as_ref().and_then(|rules| rules.source.as_ref());
        if source.is_none() {
            return Ok(None);
        }
        let follows = self.follows().await?;
        let seen = self.rounds_before().await.map_err(store)?.and_then(|before| before.commit);
        let stop = self.job.halt.token();
        let followed = workspaces.follow(workspace, follows, seen.as_deref(), &stop).await;
        let followed = followed.map_err(|error| ended(&error))?;
        if let Some(note) = &followed.note {
            self.note(note).await;
        }
        let looked_at = LookedAt { commit: followed.commit, pushed: followed.pushed };
        Ok(Some((looked_at, followed.note)))
    }

    /// Whether this is a look at what somebody pushes: what an agent works at is in the workspace.
    async fn follows(&self) -> Result<bool, WorkEnd> {
        let Some(task) = self.job.task.filter(|_| self.job.playbook.reviews()) else {
            return Ok(false);
        };
        let author = author_run(&self.parts, task, &self.run.playbook).await;
        Ok(author.map_err(|error| store_trouble(&error))?.is_none())
    }

    /// The values of the variables that `work.env` names.
    pub(super) fn environment(&self, signs: &Signs) -> Vec<(String, String)> {
        let Some((_, env)) = self.job.playbook.work.program() else { return Vec::new() };
        let known = &self.parts.settings.environment;
        // Nobody is given what another program signs by.
        let playbooks = self.parts.playbooks();
        let webhooks = || playbooks.iter().filter_map(|playbook| playbook.on.webhook.as_ref());
        let env = env.iter().filter(|name| !webhooks().any(|webhook| webhook.secret == **name));
        let env: Vec<_> =
            env.filter_map(|name| Some((name.clone(), known.get(name)?.clone()))).collect();
        for (name, value) in env.iter().filter(|(name, _)| names_secret(&name.to_lowercase())) {
            signs.hide(name, value.clone().into());
        }
        env
    }

    /// A run token for a program that may call the run's tools, and the file that leads it there.
    pub(super) async fn grant(
        &self,
        session: &ToolSession,
        signs: &Signs,
        workspace: Option<&Workspace>,
    ) -> Result<(Option<Grant>, Option<PathBuf>), WorkEnd> {
        let playbook = &self.job.playbook;
        let names_them = |word: &String| word.contains(CONFIG) || word.contains(URL);
        let wants = match &playbook.work {
            Work::Acp { .. } => true,
            Work::Command { command, .. } => {
                !playbook.tools.is_empty() || command.iter().any(names_them)
            }
            Work::Steps(_) | Work::Model { .. } => false,
        };
        let Some(door) = self.parts.door.as_ref().filter(|_| wants) else {
            return Ok((None, None));
        };
        let failed = |error: std::io::Error| {
            let detail = format!("the run's tools cannot be served: {error}");
            WorkEnd::ended(RunState::Failed, Reason::CommandFailed, detail, Usage::default())
        };
        if let (Some(workspaces), Some(workspace)) = (&self.parts.workspaces, workspace) {
            workspaces.check_grant(workspace).map_err(|error| ended(&error))?;
        }
        let entrance = door.open().await.map_err(failed)?;
        let entropy = self.parts.entropy.as_ref();
        let grant =
            door.grants().grant(session.clone(), signs, entrance, entropy).map_err(failed)?;
        let private = match (workspace, &self.parts.settings.state) {
            (Some(workspace), _) => workspace.given(),
            (None, Some(state)) => state.join(PRIVATE),
            // A rehearsal that is executed has no state: a run's name cannot be guessed.
            (None, None) => std::env::temp_dir(),
        };
        let config = grant.write_config(&private).map_err(failed)?;
        Ok((Some(grant), Some(config)))
    }

    /// The prompt.
    pub(super) fn compose(&self) -> Result<String, WorkEnd> {
        match &self.job.playbook.work {
            Work::Model { prompt, .. }
            | Work::Command { prompt, .. }
            | Work::Acp { prompt, .. }
                if !prompt.is_empty() =>
            {
                self.render(prompt)
            }
            _ => Ok(String::new()),
        }
    }

    /// Program and arguments.
    pub(super) fn command(
        &self,
        grant: Option<&Grant>,
        config: Option<&Path>,
    ) -> Result<Vec<String>, WorkEnd> {
        let Some((command, _)) = self.job.playbook.work.program() else { return Ok(Vec::new()) };
        let mut context = self.brief.value();
        if let Value::Map(map) = &mut context {
            let path = config.map(|path| path.display().to_string()).unwrap_or_default();
            map.insert(CONFIG.to_owned(), path.into());
            map.insert(URL.to_owned(), grant.map(Grant::url).unwrap_or_default().into());
        }
        let filled = command.iter().map(|part| template::fill_text(part, &context));
        filled.collect::<Result<Vec<_>, _>>().map_err(|error| template_trouble(&error))
    }

    /// Where a program is started that has no workspace.
    pub(super) fn folder(&self) -> PathBuf {
        let here = || PathBuf::from(".");
        self.parts.settings.state.clone().map_or_else(here, |state| state.join("work"))
    }
}

/// A workspace as templates see it.
pub(super) async fn files_of(
    workspace: &Workspace,
    files: &Arc<dyn Code>,
    note: Option<String>,
) -> Value {
    let note = note.or_else(|| workspace.standing().note.clone());
    Value::map([
        ("branch", Value::from(workspace.branch())),
        ("head", files.head().await.into()),
        ("target", files.target_head().await.into()),
        ("note", note.into()),
    ])
}

/// Sees to the workspaces that nobody uses: what is half made is cleared away, and those whose tasks
/// are done go. `turn` is whose turn it is to be looked at.
pub(super) async fn tend(parts: &Parts, turn: &mut usize) {
    let Some(workspaces) = &parts.workspaces else { return };
    let cleared = workspaces.clear_half_made().await;
    if cleared > 0 {
        tracing::info!(cleared, "workspaces that were left half made are gone");
    }
    let mut records = workspaces.list();
    records.retain(|record| record.identifier == identifier(parts, record.task));
    records.sort_by_key(|record| record.task);
    if records.is_empty() {
        return;
    }
    let from = *turn % records.len();
    records.rotate_left(from);
    records.truncate(LOOKS_MAX);
    *turn = from + records.len();
    if let Err(error) = remove_done(parts, &records).await {
        // Their tasks may be done or not: they stay until the board answers.
        tracing::warn!(%error, "workspaces could not be looked after");
    }
}

async fn remove_done(parts: &Parts, records: &[Record]) -> crate::board::Result<()> {
    let projects: BTreeMap<ProjectId, _> =
        parts.board.projects().await?.into_iter().map(|project| (project.id, project)).collect();
    let is_done = |task: &Task| {
        projects.get(&task.project).is_some_and(|p| p.kind_of(task.status) == StatusKind::Done)
    };
    for record in records {
        match parts.board.task(record.task).await {
            Ok(task) if is_done(&task) => remove(parts, record).await,
            // Of one that is gone nobody said that it is done.
            Ok(_) | Err(crate::board::BoardError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn remove(parts: &Parts, record: &Record) {
    let Some(workspaces) = &parts.workspaces else { return };
    // A run that has not ended may come back to it.
    let claim = parts.ledger.claim(record.task).await;
    if !claim.is_ok_and(|claim| claim.is_none_or(|claim| claim.phase == Phase::Free)) {
        return;
    }
    let playbook = parts.playbook(&PlaybookName::new(record.playbook.clone()));
    match may_run_hooks(parts, playbook.as_deref()).await {
        Ok(true) => {}
        Ok(false) => {
            // With whatever its hook is to save.
            let why = "its last hook may not run now (not armed, or everything is stopped)";
            return tracing::warn!(task = %record.task, "a workspace stays: {why}");
        }
        Err(error) => return tracing::warn!(%error, "a workspace stays: state cannot be read"),
    }
    let run = removing(&record.identifier);
    match workspaces.remove(record, playbook.as_deref(), &run).await {
        Ok(true) => tracing::info!(task = %record.task, "its task is done: a workspace is gone"),
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(task = %record.task, %error, "a workspace could not be removed");
        }
    }
}

/// As which run the hooks of a removal are started, so that the next start finds what they left.
pub(super) fn removing(identifier: &str) -> RunId {
    RunId::new(format!("w-{identifier}"))
}

/// Whether a playbook's last hook may run: nothing is started while everything is stopped, nor what
/// nobody has armed as it stands now.
async fn may_run_hooks(parts: &Parts, playbook: Option<&Playbook>) -> Result<bool, LedgerError> {
    if parts.stopped().await?.is_some() {
        return Ok(false);
    }
    let has_hook = |playbook: &&Playbook| {
        let rules = playbook.workspace.as_ref();
        rules.is_some_and(|rules| rules.hooks.before_remove.is_some())
    };
    let Some(playbook) = playbook.filter(has_hook) else { return Ok(true) };
    let switch = parts.ledger.playbook_switch(&playbook.name).await?;
    Ok(why_not_armed(playbook, &switch).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_second_try_cannot_mend_is_refused_and_the_rest_is_tried_again() {
        let refused = WorkspaceError::Refused("no".into());
        let busy = WorkspaceError::Busy("main-1".into());
        assert_eq!(ended(&refused).state, RunState::Refused);
        assert!(!ended(&refused).state.may_retry());
        assert!(ended(&busy).state.may_retry());
    }
}
