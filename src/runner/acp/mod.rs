//! An agent works that speaks the Agent Client Protocol, version 1: we start it, open a session with
//! the run's own tools, prompt, watch what it shows, and answer what it asks leave for.
//!
//! It ends its work by the tool `finish`, over MCP. Where it asks a person and can load a session again, the
//! answer is the next prompt in the same session. An agent that ends its turn without it is
//! reminded once, in the same session. Neither files nor terminals are offered to it by the
//! protocol: it works with its own, inside the workspace's sandbox.

mod lines;
mod permissions;
mod shown;
mod turns;

use super::conversation::{Answered, Conversation};
use super::process::{self, Kept, Start, Talked};
use super::signs::Watch;
use super::{Grant, Job, Runner, Signs, ToolSession, WorkEnd};
use crate::domain::{Permissions, Reason, Usage, Work};
use async_trait::async_trait;
use permissions::Policy;
use shown::Shown;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use turns::{Earlier, Said, Talk};

/// Of what a failed agent said last, so many characters are told.
const SAID_CHARS_MAX: usize = 2_000;

/// Runs the agent of `work.command`.
#[derive(Debug)]
pub struct AcpRunner {
    basic: BTreeMap<String, String>,
}

impl AcpRunner {
    /// `environment`: the daemon's own; of it only the basic variables are ever passed on.
    pub fn new(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { basic: process::basic(environment) }
    }

    async fn talk(
        &self,
        job: &Job,
        grant: &Arc<Grant>,
        shown: &Arc<Shown>,
        (signs, watch, stop): (&Signs, &mut Watch, &CancellationToken),
    ) -> std::io::Result<Talked<Said>> {
        let cancel = CancellationToken::new();
        let talk = Talk {
            prompt: job.prompt.clone(),
            earlier: earlier(job),
            folder: std::fs::canonicalize(&job.folder)?,
            turns_max: job.playbook.limits.turns,
            grant: Arc::clone(grant),
            policy: policy(job, grant).await,
            shown: Arc::clone(shown),
            cancel: cancel.clone(),
        };
        let watching = (signs, watch, stop);
        if let Some(workspace) = &job.workspace {
            let confined = workspace.confined(&job.command, &job.env, Some(grant))?;
            let start = workspace.start(&confined, "");
            let talked =
                process::converse(start, watching, &cancel, |to, from| talk.with(to, from));
            return workspace.beside_proxy(talked).await;
        }
        let (program, args) = job.command.split_first().ok_or(std::io::ErrorKind::NotFound)?;
        let mut env = self.basic.clone();
        env.extend(job.env.iter().cloned());
        let (run, folder) = (&job.run, job.folder.as_path());
        let start =
            Start { run, task: job.task, program, args, env, folder, input: "", sweeps: true };
        process::converse(start, watching, &cancel, |to, from| talk.with(to, from)).await
    }
}

/// The session in which was asked, and what is said in it.
fn earlier(job: &Job) -> Option<Earlier> {
    let Answered { conversation: Conversation::Session { id, cost_micros }, told } =
        job.answered.as_ref()?
    else {
        return None;
    };
    Some(Earlier { id: id.clone(), told: told.clone(), cost_micros: *cost_micros })
}

async fn policy(job: &Job, grant: &Grant) -> Policy {
    let permissions = match &job.playbook.work {
        Work::Acp { permissions, .. } => *permissions,
        _ => Permissions::Deny,
    };
    Policy {
        permissions,
        tools: grant.tool_names().await,
        checks: job.playbook.checks.values().map(|check| check.command.clone()).collect(),
        workspace: job.workspace.as_ref().map(|workspace| workspace.folder().to_owned()),
    }
}

#[async_trait]
impl Runner for AcpRunner {
    async fn work(
        &self,
        job: &Job,
        tools: &ToolSession,
        signs: &Signs,
        stop: CancellationToken,
    ) -> WorkEnd {
        let mut watch = Watch::start(&job.playbook.limits);
        let Some(grant) = &job.grant else {
            let detail = "an ACP agent needs the run's tools over HTTP, which are not served here";
            return WorkEnd::failed(Reason::CommandFailed, detail.to_owned(), Usage::default());
        };
        let shown = Arc::new(Shown::new(signs.clone(), job.playbook.limits.cost_micros));
        let talked = self.talk(job, grant, &shown, (signs, &mut watch, &stop)).await;
        grant.close().await;
        shown.flush();
        let mut usage = shown.usage();
        usage.elapsed_ms = watch.elapsed_ms();
        let end = match talked {
            Ok(talked) => end_of(tools, grant, &shown, talked, usage),
            Err(error) => {
                let program = job.command.first().map_or("", String::as_str);
                let detail = format!("{program} cannot be started: {error}");
                WorkEnd::failed(Reason::CommandFailed, detail, usage)
            }
        };
        let session = shown.session().filter(|_| job.asks(&end));
        let conversation =
            session.map(|(id, cost_micros)| Conversation::Session { id, cost_micros });
        let conversation = conversation.map(Arc::new);
        let went_on = shown.is_loaded();
        WorkEnd { conversation, went_on, ..end.without_secrets(signs) }
    }
}

fn end_of(
    tools: &ToolSession,
    grant: &Grant,
    shown: &Shown,
    talked: Talked<Said>,
    usage: Usage,
) -> WorkEnd {
    if let Some(end) = grant.broken(usage) {
        return end;
    }
    if let Some(ending) = tools.finished() {
        return WorkEnd::finished(ending, usage);
    }
    if let Some(overrun) = talked.overrun {
        let (state, reason) = overrun.state();
        return WorkEnd::ended(state, reason, last_words(&talked.stderr), usage);
    }
    if let Some(spent) = shown.spent() {
        return WorkEnd::failed(Reason::BudgetSpent, spent, usage);
    }
    let detail = |what: &str| {
        let last = last_words(&talked.stderr);
        if last.is_empty() { what.to_owned() } else { format!("{what}; it said last: {last}") }
    };
    match talked.said {
        Some(Said::Silent) => {
            WorkEnd::failed(Reason::NoOutcome, "it was reminded once".to_owned(), usage)
        }
        Some(Said::TurnsSpent(turns)) => {
            WorkEnd::failed(Reason::BudgetSpent, format!("limits.turns: {turns}"), usage)
        }
        Some(Said::Stopped(why)) => WorkEnd::failed(Reason::ModelFailed, detail(&why), usage),
        Some(Said::Broken(why)) => WorkEnd::failed(Reason::CommandFailed, detail(&why), usage),
        None => WorkEnd::failed(
            Reason::CommandFailed,
            detail("it ended in the middle of its work"),
            usage,
        ),
    }
}

fn last_words(stderr: &Kept) -> String {
    stderr.end_text(SAID_CHARS_MAX)
}
