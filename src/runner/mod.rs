//! Whatever can work on a task: plain steps, a program, an ACP agent, a model in a loop of turns.
//!
//! A runner is given a [`Job`] with everything rendered, a [`ToolSession`] through which alone it can
//! touch the board, [`Signs`] to show that it lives, and a token that says stop. It returns how the
//! work ended; it never claims, settles or tells anybody.

pub mod acp;
pub mod command;
pub mod conversation;
pub mod grant;
pub mod model_loop;
pub mod process;
pub mod sandbox;
mod session;
mod signs;
pub mod steps;
mod transcript;
pub mod workspace;

pub use grant::{Door, Grant, Granted, Grants};
pub use sandbox::CONFINE;
pub use session::ToolSession;
pub use signs::{PROMPT, Sign, Signs, SignsEnd};
pub use workspace::{Workspace, Workspaces};

use crate::domain::{Playbook, Reason, RunId, RunState, TaskId, Usage, Value};
use async_trait::async_trait;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the program does when it is started again to supervise a confined program, or to become it:
/// the words after [`CONFINE`], the exit code.
pub fn confined(words: &[std::ffi::OsString]) -> u8 {
    process::confined(words)
}

/// Something that can work.
#[async_trait]
pub trait Runner: Send + Sync + std::fmt::Debug {
    /// Works until the work names its end, a limit is reached, or it is told to stop. Keeps
    /// `limits.time` and `limits.idle` itself.
    async fn work(
        &self,
        job: &Job,
        tools: &ToolSession,
        signs: &Signs,
        stop: CancellationToken,
    ) -> WorkEnd;
}

/// What is to be done, with every template that concerns the runner filled in.
///
/// The environment holds secrets: [`Debug`](fmt::Debug) shows its names, never its values.
#[derive(Clone)]
pub struct Job {
    /// The run.
    pub run: RunId,
    /// Its playbook, with its limits.
    pub playbook: Arc<Playbook>,
    /// The task the run is about.
    pub task: Option<TaskId>,
    /// The prompt, rendered; empty for steps.
    pub prompt: String,
    /// What templates and conditions of steps see: `task`, `project`, `gathered`, `now`, `agent`, …
    pub context: Value,
    /// Program and arguments, rendered; empty but for commands.
    pub command: Vec<String>,
    /// The values of the variables that `work.env` names.
    pub env: Vec<(String, String)>,
    /// The working directory of a program; it exists.
    pub folder: PathBuf,
    /// The task's workspace, where the playbook asks for one: programs are started in its sandbox.
    pub workspace: Option<Arc<Workspace>>,
    /// The run token, where the program may call the run's tools.
    pub grant: Option<Arc<Grant>>,
    /// The conversation to go on with instead of beginning one by the prompt.
    pub answered: Option<conversation::Answered>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Job")
            .field("run", &self.run)
            .field("playbook", &self.playbook.name)
            .field("task", &self.task)
            .field("prompt_bytes", &self.prompt.len())
            .field("program", &self.command.first())
            .field("env", &names)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// How the work ended.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkEnd {
    /// In which state; `Succeeded` when the work says that it is done.
    pub state: RunState,
    /// Why.
    pub reason: Reason,
    /// The outcome that it named.
    pub outcome: Option<String>,
    /// What it said of itself.
    pub summary: String,
    /// What it offered as evidence.
    pub evidence: Vec<String>,
    /// Further values for the outcome's templates.
    pub details: Value,
    /// More about why it ended so, for people; never a secret.
    pub detail: String,
    /// What it used.
    pub usage: Usage,
    /// Where it asks a person: the conversation in which the answer is to go on, if that can be.
    pub conversation: Option<Arc<conversation::Conversation>>,
    /// Whether it went on in the conversation in which a person was asked.
    pub went_on: bool,
}

impl WorkEnd {
    /// It did what it was to do, without naming an outcome.
    pub fn done(summary: impl Into<String>, usage: Usage) -> Self {
        Self {
            state: RunState::Succeeded,
            reason: Reason::Done,
            outcome: None,
            summary: summary.into(),
            evidence: Vec::new(),
            details: Value::Null,
            detail: String::new(),
            usage,
            conversation: None,
            went_on: false,
        }
    }

    /// It ended otherwise.
    pub fn ended(state: RunState, reason: Reason, detail: impl Into<String>, usage: Usage) -> Self {
        Self { state, reason, detail: detail.into(), ..Self::done(String::new(), usage) }
    }

    /// It failed.
    pub(super) fn failed(reason: Reason, detail: impl Into<String>, usage: Usage) -> Self {
        Self::ended(RunState::Failed, reason, detail, usage)
    }

    /// It named its outcome by the tool `finish`.
    pub fn finished(ending: crate::tools::Finished, usage: Usage) -> Self {
        Self {
            outcome: Some(ending.outcome),
            evidence: ending.evidence,
            details: ending.details,
            ..Self::done(ending.summary, usage)
        }
    }

    /// What it says, without what is to be hidden and what can be nothing but a secret.
    #[must_use]
    fn without_secrets(self, signs: &Signs) -> Self {
        let (detail, summary) = (signs.harmless(&self.detail), signs.harmless(&self.summary));
        let evidence = self.evidence.iter().map(|piece| signs.harmless(piece)).collect();
        Self { summary, evidence, detail, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playbook() -> Playbook {
        let (name, text) = crate::playbook::shipped()[0];
        let zone = Some(chrono_tz::UTC);
        let defaults = crate::playbook::Defaults { zone, ..Default::default() };
        crate::playbook::parse(text, name, &defaults).unwrap().playbook
    }

    #[test]
    fn no_value_of_the_environment_is_in_debug() {
        let job = Job {
            run: RunId::new("r-1"),
            playbook: Arc::new(playbook()),
            task: Some(TaskId(7)),
            prompt: "Do it.".into(),
            context: Value::Null,
            command: vec!["worker".into()],
            env: vec![("API_KEY".into(), "hunter2".into())],
            folder: PathBuf::from("."),
            workspace: None,
            grant: None,
            answered: None,
        };
        let shown = format!("{job:?} {job:#?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("API_KEY") && shown.contains("r-1"), "{shown}");
    }
}
