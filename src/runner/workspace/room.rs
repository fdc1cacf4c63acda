//! A workspace while a run works in it: programs, hooks and checks are started in its sandbox.

use super::super::grant::Grant;
use super::super::process::{self, Exit, Start, wrapped};
use super::super::sandbox::Confinement;
use super::super::sandbox::proxy::Proxy;
use super::super::signs::{Overrun, Signs, Watch};
use super::git::branch_of;
use super::place::Place;
use super::{Ask, CheckEnd, Occupied, Options, Standing, WorkspaceError};
use crate::domain::{Check, RunId, SandboxLevel, TaskId};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Of what a hook said, so many characters are told.
const HOOK_CHARS_MAX: usize = 500;
/// Of what a check said, so many characters are given back.
const CHECK_CHARS_MAX: usize = 16_000;
/// How long a question of ours to a workspace may take.
const ASK_TIME: Duration = Duration::from_secs(30);

/// A workspace that a run works in; nobody else does as long as this is held.
#[derive(Debug)]
pub struct Workspace {
    place: Place,
    confinement: Confinement,
    proxy: Option<Proxy>,
    environment: BTreeMap<String, String>,
    exe: String,
    run: RunId,
    task: TaskId,
    after_run: Option<String>,
    hook_time: Duration,
    checks: BTreeMap<String, Check>,
    standing: Standing,
    /// Whether the run's work is a program: then what is started besides runs beside that.
    has_program: bool,
    held: Occupied,
}

/// A program with what keeps it in.
pub(in super::super) struct Confined {
    program: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Workspace {
    pub(super) fn new(
        place: Place,
        confinement: Confinement,
        proxy: Option<Proxy>,
        password: &str,
        held: Occupied,
        ask: &Ask<'_>,
        options: &Options,
    ) -> Self {
        let environment = environment(&place, &confinement, password, options);
        let rules = ask.playbook.workspace.as_ref();
        Self {
            environment,
            confinement,
            proxy,
            exe: options.exe.clone(),
            run: ask.run.clone(),
            task: ask.task,
            after_run: rules.and_then(|rules| rules.hooks.after_run.clone()),
            hook_time: rules.map_or(ASK_TIME, |rules| rules.hook_time),
            checks: ask.playbook.checks.clone(),
            standing: Standing::default(),
            has_program: ask.playbook.work.program().is_some(),
            place,
            held,
        }
    }

    /// The working directory.
    pub fn folder(&self) -> &Path {
        &self.place.tree
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// How far its programs reach.
    pub fn level(&self) -> SandboxLevel {
        self.confinement.level
    }

    /// The names of its checks.
    pub fn checks(&self) -> impl Iterator<Item = &str> {
        self.checks.keys().map(String::as_str)
    }

    /// How it stands to where its files come from.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    pub(super) fn stand(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// Its own branch.
    pub fn branch(&self) -> String {
        branch_of(&self.place)
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The run is over: its name, still held.
    pub(super) fn leave(self) -> Occupied {
        self.held
    }

    /// A folder for what its programs may read and nobody may change.
    pub fn given(&self) -> PathBuf {
        self.place.given()
    }

    /// A program as it is started in the sandbox, which may be let through to its run's own tools.
    pub(in super::super) fn confined(
        &self,
        words: &[String],
        env: &[(String, String)],
        grant: Option<&Grant>,
    ) -> std::io::Result<Confined> {
        let mut confinement = self.confinement.clone();
        if let Some(grant) = grant {
            confinement.ports.push(grant.port());
            confinement.read.push(grant.program().to_owned());
        }
        let (program, args) = wrapped(&self.exe, &confinement, words)?;
        // What the workspace says of itself is not the playbook's to change.
        let mut all: BTreeMap<String, String> = env.iter().cloned().collect();
        all.extend(self.environment.clone());
        Ok(Confined { program, args, env: all })
    }

    /// Does something as long as the way to the network is open that its programs have.
    pub(in super::super) async fn beside_proxy<T>(
        &self,
        work: impl Future<Output = std::io::Result<T>>,
    ) -> std::io::Result<T> {
        match &self.proxy {
            Some(proxy) => tokio::select! {
                done = work => done,
                () = proxy.serve() => Err(std::io::Error::other("the proxy ended")),
            },
            None => work.await,
        }
    }

    /// Starts a program in the sandbox and stays with it to its end; the run's own program is not there
    /// yet, or not any more.
    async fn run(
        &self,
        words: &[String],
        env: &[(String, String)],
        input: &str,
        signs: &Signs,
        watch: &mut Watch,
        stop: &CancellationToken,
    ) -> std::io::Result<Exit> {
        self.run_with(None, (words, env, input), signs, watch, stop).await
    }

    /// The same beside the run's own program, if it has one.
    pub(super) async fn run_beside(
        &self,
        words: &[String],
        env: &[(String, String)],
        input: &str,
        signs: &Signs,
        watch: &mut Watch,
        stop: &CancellationToken,
    ) -> std::io::Result<Exit> {
        let confined = self.confined(words, env, None)?;
        let start = Start { sweeps: !self.has_program, ..self.start(&confined, input) };
        self.beside_proxy(process::run(start, signs, watch, stop)).await
    }

    /// Starts the run's own program, which may call its run's tools.
    pub(in super::super) async fn run_with(
        &self,
        grant: Option<&Grant>,
        (words, env, input): (&[String], &[(String, String)], &str),
        signs: &Signs,
        watch: &mut Watch,
        stop: &CancellationToken,
    ) -> std::io::Result<Exit> {
        let confined = self.confined(words, env, grant)?;
        let start = self.start(&confined, input);
        self.beside_proxy(process::run(start, signs, watch, stop)).await
    }

    /// How it is started.
    pub(in super::super) fn start<'a>(
        &'a self,
        confined: &'a Confined,
        input: &'a str,
    ) -> Start<'a> {
        Start {
            run: &self.run,
            task: Some(self.task),
            program: &confined.program,
            args: &confined.args,
            env: confined.env.clone(),
            folder: &self.place.tree,
            input,
            sweeps: true,
        }
    }

    async fn shell(
        &self,
        text: &str,
        time: Duration,
        stop: &CancellationToken,
    ) -> Result<Exit, WorkspaceError> {
        let words = ["sh", "-c", text].map(str::to_owned);
        let (signs, _nobody) = Signs::channel(1);
        let mut watch = Watch::of(time);
        let exit = self.run(&words, &[], "", &signs, &mut watch, stop).await?;
        if exit.overrun == Some(Overrun::Stopped) { Err(WorkspaceError::Stopped) } else { Ok(exit) }
    }

    /// Runs a hook.
    pub(super) async fn hook(
        &self,
        name: &'static str,
        text: &str,
        stop: &CancellationToken,
    ) -> Result<(), WorkspaceError> {
        let exit = self.shell(text, self.hook_time, stop).await?;
        if has_passed(&exit) {
            return Ok(());
        }
        let said = exit.stderr.end_text(HOOK_CHARS_MAX);
        let said = if said.is_empty() { exit.stdout.end_text(HOOK_CHARS_MAX) } else { said };
        Err(WorkspaceError::Hook { hook: name, why: format!("{}; {said}", status_of(&exit)) })
    }

    /// Asks something of ours; what was answered, at status 0.
    pub(super) async fn ask(
        &self,
        text: &str,
        stop: &CancellationToken,
    ) -> Result<String, WorkspaceError> {
        let exit = self.shell(text, ASK_TIME, stop).await?;
        if has_passed(&exit) {
            Ok(exit.stdout.end_text(CHECK_CHARS_MAX))
        } else {
            Err(WorkspaceError::Failed(status_of(&exit)))
        }
    }

    /// Runs the playbook's `after_run`, whose failure is only told.
    pub async fn after_run(&self) {
        let Some(hook) = &self.after_run else { return };
        // The run has ended already: there is nothing to stop any more but the hook's own time.
        if let Err(error) = self.hook("after_run", hook, &CancellationToken::new()).await {
            tracing::warn!(run = %self.run, %error, "a hook failed; the run is not concerned");
        }
    }

    /// Runs a check of the playbook by name, in the sandbox, for its own time and no longer than `most`;
    /// `None` when there is none of that name.
    ///
    /// # Errors
    /// When it could not be run at all, or the run was stopped.
    pub async fn check(
        &self,
        name: &str,
        most: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<CheckEnd>, WorkspaceError> {
        let Some(check) = self.checks.get(name) else { return Ok(None) };
        let (signs, _nobody) = Signs::channel(1);
        let mut watch = Watch::of(check.time.min(most));
        let exit = self.run_beside(&check.command, &[], "", &signs, &mut watch, stop).await?;
        if exit.overrun == Some(Overrun::Stopped) {
            return Err(WorkspaceError::Stopped);
        }
        let (out, err) =
            (exit.stdout.end_text(CHECK_CHARS_MAX), exit.stderr.end_text(CHECK_CHARS_MAX));
        let both = [out, err].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
        Ok(Some(CheckEnd {
            passed: has_passed(&exit),
            exit_code: exit.status.filter(|_| exit.overrun.is_none()).and_then(|s| s.code()),
            status: status_of(&exit),
            output: both.join("\n"),
            dropped: exit.stdout.dropped.saturating_add(exit.stderr.dropped),
        }))
    }
}

fn has_passed(exit: &Exit) -> bool {
    exit.overrun.is_none() && exit.status.is_some_and(|status| status.success())
}

fn status_of(exit: &Exit) -> String {
    match (exit.overrun, exit.status) {
        (Some(_), _) => "it took too long and was ended".to_owned(),
        (None, Some(status)) => status.to_string(),
        (None, None) => "no status".to_owned(),
    }
}

/// What a program sees of the environment.
fn environment(
    place: &Place,
    confinement: &Confinement,
    password: &str,
    options: &Options,
) -> BTreeMap<String, String> {
    let mut env = process::basic(options.environment.clone());
    let mut put = |name: &str, value: String| env.insert(name.to_owned(), value);
    let path = |path: &Path| path.display().to_string();
    put("ROTA_WORKSPACE", path(&place.tree));
    put("ROTA_BRANCH", branch_of(place));
    put("TMPDIR", path(&place.tmp()));
    if confinement.level != SandboxLevel::None {
        put("HOME", path(&place.home()));
    }
    if let Some(port) = confinement.ports.first() {
        let proxy = format!("http://rota:{password}@127.0.0.1:{port}");
        put("HTTPS_PROXY", proxy.clone());
        put("https_proxy", proxy);
    }
    env
}
