//! How a workspace comes to be: found again, or made, within the room that there is.

use super::super::sandbox::Confinement;
use super::super::sandbox::proxy::Proxy;
use super::git::{Git, Origin};
use super::place::{self, Found, Place, Record};
use super::room::Workspace;
use super::{Ask, Occupied, Standing, WorkspaceError, Workspaces, clear, folder_name, fresh};
use crate::domain::{SandboxLevel, WorkspaceRules};
use std::path::Path;
use tokio_util::sync::CancellationToken;

impl Workspaces {
    /// A workspace for a run: the one there is, or a new one. Its `before_run` has been run.
    ///
    /// # Errors
    /// When there is none; what was begun is cleared away.
    pub async fn prepare(
        &self,
        ask: &Ask<'_>,
        stop: &CancellationToken,
    ) -> Result<Workspace, WorkspaceError> {
        let Some(rules) = &ask.playbook.workspace else {
            return Err(WorkspaceError::Failed("the playbook asks for no workspace".to_owned()));
        };
        self.check_ability(ask.playbook)?;
        let root = self.root()?;
        let (place, held) = self.occupy(&root, &folder_name(ask.identifier))?;
        let found = place.look()?;
        let workspace = match found {
            Found::Foreign(why) => {
                let why = format!("{}: {why}, and it is left alone", place.tree.display());
                return Err(WorkspaceError::Failed(why));
            }
            Found::Made(record) => self.again(&root, place, held, *record, ask, stop).await?,
            Found::Half => {
                clear(place.clone()).await?;
                self.make(&root, place, held, ask, rules, stop).await?
            }
            Found::Nothing => self.make(&root, place, held, ask, rules, stop).await?,
        };
        if let Some(hook) = &rules.hooks.before_run {
            workspace.hook("before_run", hook, stop).await?;
        }
        Ok(workspace)
    }

    /// The one there is, as it was left; brought forward, where its source names a branch.
    async fn again(
        &self,
        root: &Path,
        place: Place,
        held: Occupied,
        record: Record,
        ask: &Ask<'_>,
        stop: &CancellationToken,
    ) -> Result<Workspace, WorkspaceError> {
        if record.identifier != ask.identifier {
            return Err(WorkspaceError::Failed("it is another task's".to_owned()));
        }
        let wanted = ask.origin.map(|origin| origin.repository.as_str());
        if wanted.is_some() && record.repository.as_deref() != wanted {
            let why = format!(
                "{} was made from another repository; it is kept until its task is done",
                place.tree.display()
            );
            return Err(WorkspaceError::Failed(why));
        }
        let record = Record { used: ask.now, ..record };
        place.write(&record)?;
        let repository = record.repository.as_deref();
        let mut workspace = self.furnish(place.clone(), held, ask, repository).await?;
        let standing = self.freshen(root, &workspace, ask, stop).await?;
        if standing.is_forward {
            // What it is at now is somebody else's work already, and would not be lost with it.
            place.write(&Record { commit: standing.target.clone(), ..record })?;
        }
        workspace.stand(standing);
        Ok(workspace)
    }

    async fn make(
        &self,
        root: &Path,
        place: Place,
        held: Occupied,
        ask: &Ask<'_>,
        rules: &WorkspaceRules,
        stop: &CancellationToken,
    ) -> Result<Workspace, WorkspaceError> {
        let making = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(WorkspaceError::Stopped),
            making = self.making.lock() => making,
        };
        self.make_room(root, ask, stop).await?;
        let made = async {
            place::make_folder(&place.home())?;
            place::make_folder(&place.tmp())?;
            let git = Git { environment: &self.options.environment, run: ask.run, stop };
            let (commit, standing) = if let Some(origin) = ask.origin {
                let (commit, standing) = check_out(&git, root, &place, origin, ask).await?;
                (Some(commit), standing)
            } else {
                place::make_folder(&place.tree)?;
                (None, Standing::default())
            };
            drop(making);
            let repository = ask.origin.map(|origin| origin.repository.clone());
            let mut workspace =
                self.furnish(place.clone(), held, ask, repository.as_deref()).await?;
            workspace.stand(standing);
            if let Some(hook) = &rules.hooks.after_create {
                workspace.hook("after_create", hook, stop).await?;
            }
            place.write(&Record {
                identifier: ask.identifier.to_owned(),
                task: ask.task,
                playbook: ask.playbook.name.to_string(),
                repository,
                commit,
                made: ask.now,
                used: ask.now,
            })?;
            Ok(workspace)
        };
        let made: Result<Workspace, WorkspaceError> = made.await;
        // Whoever has taken its name meanwhile finds it half made, and clears it away too.
        if made.is_err()
            && let Ok((place, _held)) = self.occupy(root, &place.name)
            && let Err(error) = clear(place).await
        {
            tracing::warn!(%error, "a workspace that was begun could not be cleared away");
        }
        made
    }

    /// Makes sure that there is room for one more: the longest unused go first, but none in use and
    /// none with work in it.
    async fn make_room(
        &self,
        root: &Path,
        ask: &Ask<'_>,
        stop: &CancellationToken,
    ) -> Result<(), WorkspaceError> {
        let bytes_max = self.options.bytes_max;
        let mut bytes = bytes_of(root).await;
        if bytes < bytes_max {
            return Ok(());
        }
        for record in self.list() {
            let name = folder_name(&record.identifier);
            let Ok((place, held)) = self.occupy(root, &name) else { continue };
            let (has_work, _held) = self.has_work(&place, held, &record, ask, stop).await;
            if has_work {
                continue;
            }
            tracing::info!(name, "an idle workspace without work goes to make room");
            clear(place).await?;
            bytes = bytes_of(root).await;
            if bytes < bytes_max {
                return Ok(());
            }
        }
        Err(WorkspaceError::Full { bytes, bytes_max })
    }

    /// Whether anything in a workspace would be lost with it. Git is asked within the sandbox: what
    /// lies there may have been changed by an agent.
    async fn has_work(
        &self,
        place: &Place,
        held: Occupied,
        record: &Record,
        ask: &Ask<'_>,
        stop: &CancellationToken,
    ) -> (bool, Option<Occupied>) {
        let Some(commit) = &record.commit else {
            let is_empty = std::fs::read_dir(&place.tree).is_ok_and(|mut all| all.next().is_none());
            return (!is_empty, Some(held));
        };
        // By whatever rules it was made: the strictest there are, or nothing is asked.
        let mut playbook = ask.playbook.clone();
        if let Some(rules) = &mut playbook.workspace {
            rules.sandbox = SandboxLevel::Strict;
            rules.hosts.clear();
        }
        if self.check_ability(&playbook).is_err() {
            return (true, Some(held));
        }
        let ask = Ask { playbook: &playbook, ..*ask };
        let repository = record.repository.as_deref();
        let Ok(workspace) = self.furnish(place.clone(), held, &ask, repository).await else {
            return (true, None);
        };
        // Also what was committed elsewhere, or put aside, and is in no branch of the origin.
        let script = format!(
            "git rev-parse HEAD && git status --porcelain --ignored && git rev-list --max-count=1 \
             --branches --reflog --glob=refs/stash --not --remotes=origin {commit}"
        );
        let said = workspace.ask(&script, stop).await;
        let is_untouched = said.is_ok_and(|said| said.trim() == commit);
        (!is_untouched, Some(workspace.leave()))
    }

    /// What surrounds a program in a workspace.
    pub(super) async fn furnish(
        &self,
        place: Place,
        held: Occupied,
        ask: &Ask<'_>,
        repository: Option<&str>,
    ) -> Result<Workspace, WorkspaceError> {
        let Some(rules) = &ask.playbook.workspace else {
            return Err(WorkspaceError::Failed("the playbook asks for no workspace".to_owned()));
        };
        let is_strict = rules.sandbox == SandboxLevel::Strict;
        let password = uuid::Uuid::new_v4().simple().to_string();
        let proxy = if is_strict && !rules.hosts.is_empty() {
            Some(Proxy::open(rules.hosts.clone(), &password).await?)
        } else {
            None
        };
        let repo = place.repo();
        place::make_folder(&place.given())?;
        let mut read = self.options.read.clone();
        read.push(place.given());
        let mut write = self.options.write.clone();
        write.extend([place.tree.clone(), place.home(), place.tmp()]);
        if repo.is_dir() {
            // Its configuration and hooks are not the agent's.
            let parts = ["objects", "refs", "logs", "worktrees"].map(|part| repo.join(part));
            write.extend(parts);
            read.push(repo);
        }
        if let Some(repository) = repository {
            let root = place.tree.parent().unwrap_or(Path::new("/"));
            let name = format!("{}.git", place::hash(repository));
            read.push(root.join(place::REPOS).join(name).join("objects"));
        }
        let confinement = Confinement {
            level: rules.sandbox,
            read,
            write,
            ports: proxy.iter().map(Proxy::port).collect(),
            is_sealed: self.ability().seals(rules.sandbox),
            limits: self.options.limits,
        };
        Ok(Workspace::new(place, confinement, proxy, &password, held, ask, &self.options))
    }
}

/// Checks a repository out; the commit at which it begins, and how that stands to the rest.
async fn check_out(
    git: &Git<'_>,
    root: &Path,
    place: &Place,
    origin: &Origin,
    ask: &Ask<'_>,
) -> Result<(String, Standing), WorkspaceError> {
    let mirror = git.fetch(root, origin).await?;
    let commit = git.commit(&mirror, origin.reference.as_deref()).await?;
    git.worktree(place, &mirror, origin, &commit, &ask.playbook.agent).await?;
    let standing = fresh::standing(git, &mirror, origin.reference.as_deref()).await?;
    Ok((commit, standing))
}

async fn bytes_of(root: &Path) -> u64 {
    let root = root.to_owned();
    tokio::task::spawn_blocking(move || place::bytes_of(&root)).await.unwrap_or(u64::MAX)
}
