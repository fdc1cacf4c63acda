//! A program works: prompt on stdin, progress on stdout, result from a last JSON line or the status.
//!
//! A program ends well with status 0. Its last line on stdout may be a JSON object that names the
//! outcome: `{"outcome": "done", "summary": "…", "evidence": ["…"], "details": {…}, "usage":
//! {"tokens_in": 1, "tokens_out": 2, "cost_micros": 3}}`; all but `outcome` may be left out. Without
//! such a line, status 0 means the outcome `done` where the playbook defines it, or none where it
//! defines no outcomes. A program that has a run token may name its end by the tool `finish` instead:
//! then nothing else that it says or does counts.

use super::process::{self, Exit, Start};
use super::signs::Watch;
use super::{Grant, Job, Runner, Signs, ToolSession, WorkEnd};
use crate::domain::{Reason, Usage, Value};
use async_trait::async_trait;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Of what a failed program said last, so many characters are told.
const SAID_CHARS_MAX: usize = 2_000;
/// A program that has called `finish` ends by itself in this time, or is ended.
const FINISH_GRACE: Duration = Duration::from_secs(10);
/// The longest summary that is kept.
const SUMMARY_CHARS_MAX: usize = 16_000;

/// Runs the program of `work.command`.
#[derive(Debug)]
pub struct CommandRunner {
    basic: BTreeMap<String, String>,
}

impl CommandRunner {
    /// `environment`: the daemon's own; of it only the basic variables are ever passed on.
    pub fn new(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { basic: process::basic(environment) }
    }
}

#[async_trait]
impl Runner for CommandRunner {
    async fn work(
        &self,
        job: &Job,
        tools: &ToolSession,
        signs: &Signs,
        stop: CancellationToken,
    ) -> WorkEnd {
        let mut watch = Watch::start(&job.playbook.limits);
        let Some((program, args)) = job.command.split_first() else {
            let detail = "work.command is empty";
            return WorkEnd::failed(Reason::CommandFailed, detail.to_owned(), Usage::default());
        };
        let grant = job.grant.as_deref();
        // Whoever has named its end is waited for a moment, whoever must not go on is not.
        let ending = stop.child_token();
        let exit = {
            let working = self.exit(job, grant, (program, args), (signs, &mut watch, &ending));
            tokio::pin!(working);
            tokio::select! {
                exit = &mut working => exit,
                () = over(grant, tools) => {
                    ending.cancel();
                    working.await
                }
            }
        };
        if let Some(grant) = grant {
            grant.close().await;
        }
        let usage = Usage { elapsed_ms: watch.elapsed_ms(), ..Usage::default() };
        let end = match exit {
            Ok(exit) => end_of(job, tools, &exit, usage),
            Err(error) => WorkEnd::failed(
                Reason::CommandFailed,
                format!("{program} cannot be started: {error}"),
                usage,
            ),
        };
        let end = grant.and_then(|grant| grant.broken(end.usage)).unwrap_or(end);
        end.without_secrets(signs)
    }
}

impl CommandRunner {
    async fn exit(
        &self,
        job: &Job,
        grant: Option<&Grant>,
        (program, args): (&str, &[String]),
        (signs, watch, stop): (&Signs, &mut Watch, &CancellationToken),
    ) -> std::io::Result<Exit> {
        if let Some(workspace) = &job.workspace {
            let words = (job.command.as_slice(), job.env.as_slice(), job.prompt.as_str());
            return workspace.run_with(grant, words, signs, watch, stop).await;
        }
        let mut env = self.basic.clone();
        env.extend(job.env.iter().cloned());
        let start = Start {
            run: &job.run,
            task: job.task,
            program,
            args,
            env,
            folder: &job.folder,
            input: &job.prompt,
            sweeps: true,
        };
        process::run(start, signs, watch, stop).await
    }
}

/// Returns when a program has to end because its work has.
async fn over(grant: Option<&Grant>, tools: &ToolSession) {
    let Some(grant) = grant else { return std::future::pending().await };
    grant.over().await;
    if tools.finished().is_some() {
        tokio::time::sleep(FINISH_GRACE).await;
    }
}

/// What a program may say at its end.
#[derive(Debug, Default, Deserialize)]
struct Said {
    outcome: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    evidence: Vec<String>,
    #[serde(default)]
    details: Value,
    #[serde(default)]
    usage: SaidUsage,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SaidUsage {
    tokens_in: u64,
    tokens_out: u64,
    cost_micros: u64,
}

fn end_of(job: &Job, tools: &ToolSession, exit: &Exit, mut usage: Usage) -> WorkEnd {
    let said = exit.stdout.last_line.as_deref();
    let said: Option<Said> = said.and_then(|line| serde_json::from_str(line).ok());
    if let Some(said) = &said {
        usage.tokens_in = said.usage.tokens_in;
        usage.tokens_out = said.usage.tokens_out;
        usage.cost_micros = said.usage.cost_micros;
    }
    if let Some(ending) = tools.finished() {
        return WorkEnd::finished(ending, usage);
    }
    if let Some(overrun) = exit.overrun {
        let (state, reason) = overrun.state();
        return WorkEnd::ended(state, reason, last_words(exit), usage);
    }
    if !exit.status.is_some_and(|status| status.success()) {
        let status = exit.status.map_or_else(|| "no status".to_owned(), |s| s.to_string());
        let mut end = WorkEnd::failed(
            Reason::CommandFailed,
            format!("{status}; it said last: {}", last_words(exit)),
            usage,
        );
        end.summary = said.map(|said| clipped(&said.summary)).unwrap_or_default();
        return end;
    }
    let outcomes = &job.playbook.outcomes;
    match said {
        Some(said) if outcomes.contains_key(&said.outcome) => WorkEnd {
            outcome: Some(said.outcome),
            evidence: said.evidence,
            details: said.details,
            ..WorkEnd::done(clipped(&said.summary), usage)
        },
        Some(said) if outcomes.is_empty() && said.outcome == "done" => {
            WorkEnd::done(clipped(&said.summary), usage)
        }
        Some(said) => {
            let names: Vec<&str> = outcomes.keys().map(String::as_str).collect();
            let outcome: String = said.outcome.chars().take(80).collect();
            let detail = format!("it named {outcome:?}; the playbook defines {}", names.join(", "));
            WorkEnd::failed(Reason::UnknownOutcome, detail, usage)
        }
        None if outcomes.contains_key("done") => {
            WorkEnd { outcome: Some("done".to_owned()), ..WorkEnd::done(String::new(), usage) }
        }
        None if outcomes.is_empty() => WorkEnd::done(String::new(), usage),
        None => WorkEnd::failed(
            Reason::NoOutcome,
            "its last line is no JSON object with \"outcome\"".to_owned(),
            usage,
        ),
    }
}

/// What it said last, on stderr or else on stdout.
fn last_words(exit: &Exit) -> String {
    let said = exit.stderr.end_text(SAID_CHARS_MAX);
    let said = if said.is_empty() { exit.stdout.end_text(SAID_CHARS_MAX) } else { said };
    let dropped = exit.stdout.dropped.saturating_add(exit.stderr.dropped);
    if dropped > 0 { format!("{said} ({dropped} bytes of output were not kept)") } else { said }
}

fn clipped(text: &str) -> String {
    text.chars().take(SUMMARY_CHARS_MAX).collect()
}
