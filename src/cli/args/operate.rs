//! Commands that run, stop, explain and arm.

use crate::app::failure::Failure;
use crate::app::house::Need;
use crate::cli::call::{Args as CallArgs, Call, View};
use crate::cli::instant::Instant;
use crate::cli::{detail, overview};
use crate::daemon::control::{DryRun, FOLLOW};
use crate::domain::{RunState, Value};
use clap::{Args, Subcommand};

/// `rota run-once`.
#[derive(Debug, Args)]
pub struct RunOnceArgs {
    /// The playbook
    pub playbook: String,
    /// Only this task, past `[select]`, not past the gates
    #[arg(long, value_name = "ID")]
    pub task: Option<i64>,
    /// Change nothing: print every write as `field: from → to`, and the messages
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: let `command` and `acp` runners run, in a throw-away worktree
    #[arg(long, requires = "dry_run")]
    pub execute: bool,
    /// As if it were this instant
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<Instant>,
    /// A value for the templates, under `set`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// End with 5 when there was nothing to do
    #[arg(long)]
    pub exit_code: bool,
}

/// `rota next`.
#[derive(Debug, Args)]
pub struct NextArgs {
    /// Only of this playbook
    pub playbook: Option<String>,
    /// At most so many of a playbook
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub count: u32,
    /// From this instant [default: now]
    #[arg(long, value_name = "INSTANT")]
    pub from: Option<Instant>,
    /// Until this instant
    #[arg(long, value_name = "INSTANT")]
    pub to: Option<Instant>,
}

/// `rota why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// A task's number or a playbook's name
    #[arg(value_name = "TASK|PLAYBOOK")]
    pub subject: String,
    /// At this instant [default: now]
    #[arg(long, value_name = "INSTANT")]
    pub at: Option<Instant>,
}

/// `rota arm`, `rota pause`, `rota resume`.
#[derive(Debug, Args)]
pub struct PlaybookArgs {
    /// The playbook
    pub playbook: String,
}

/// `rota runs …`.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// The latest runs
    #[command(after_help = "Example:\n  rota runs list --task 42 --in-state failed")]
    List {
        /// Only of this playbook
        #[arg(long, value_name = "NAME")]
        playbook: Option<String>,
        /// Only at this task
        #[arg(long, value_name = "ID")]
        task: Option<i64>,
        /// Only in this state (running, succeeded, failed, …)
        #[arg(long, value_name = "STATE", value_parser = run_state)]
        in_state: Option<RunState>,
        /// At most so many
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20,
              value_parser = clap::value_parser!(u32).range(1..=1_000))]
        count: u32,
    },
    /// Everything about a run: prompt, transcript, effects, cost
    #[command(
        after_help = "Examples:\n  rota runs show r-7k2m9qhtx3ab\n  rota runs show r-7k2m9qhtx3ab --effects-before 201"
    )]
    Show {
        /// The run
        run: String,
        /// At most so many of its effects, the latest (default 200)
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=1_000))]
        effects: Option<u32>,
        /// Only effects before the one of this number
        #[arg(long, value_name = "NUMBER")]
        effects_before: Option<u32>,
    },
    /// What a run does, while it does it
    #[command(after_help = "Example:\n  rota runs follow r-7k2m9qhtx3ab")]
    Follow {
        /// The run
        run: String,
    },
    /// Stop a run; its claim is handed back
    #[command(after_help = "Example:\n  rota runs stop r-7k2m9qhtx3ab")]
    Stop {
        /// The run
        run: String,
    },
    /// Put back what a run changed; what somebody else changed since stays
    #[command(after_help = "Example:\n  rota runs undo r-7k2m9qhtx3ab --dry-run")]
    Undo {
        /// The run
        run: String,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

/// `rota claims …`.
#[derive(Debug, Subcommand)]
pub enum ClaimsCommand {
    /// Claims that are held or parked
    #[command(after_help = "Example:\n  rota claims list")]
    List,
    /// Take a claim away from its holder: raises the fence and is audited
    #[command(after_help = "Example:\n  rota claims release 42 --reason \"the agent is stuck\"")]
    Release {
        /// The task
        task: i64,
        /// Why; it is written down
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

impl RunOnceArgs {
    /// The call it makes.
    pub fn call(&self, zone: Option<&str>) -> Result<Call, Failure> {
        let set = self.set.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
        let set = Some(Value::Map(set.collect())).filter(|_| !self.set.is_empty());
        let args = CallArgs::new()
            .with("playbook", Some(self.playbook.as_str()))
            .with("task", self.task)
            .with("set", set)
            .with_instant("at", self.at, zone)?;
        Ok(Call {
            tool: "runPlaybook",
            args: args.into_value(),
            need: if self.dry_run { Need::Rehearse } else { Need::Act },
            dry_run: self.dry_run.then_some(DryRun { execute: self.execute }),
            view: View::Run { tell_nothing: self.exit_code },
        })
    }
}

impl NextArgs {
    /// The call it makes.
    pub fn call(&self, zone: Option<&str>) -> Result<Call, Failure> {
        let args = CallArgs::new()
            .with("playbook", self.playbook.as_deref())
            .with("count", Some(self.count))
            .with_instant("from", self.from, zone)?
            .with_instant("to", self.to, zone)?;
        Ok(Call::look("nextOccurrences", args, OCCURRENCES))
    }
}

impl WhyArgs {
    /// The call it makes.
    pub fn call(&self, zone: Option<&str>) -> Result<Call, Failure> {
        let args = CallArgs::new()
            .with("subject", Some(self.subject.as_str()))
            .with_instant("at", self.at, zone)?;
        Ok(Call::look("whyNot", args, View::Detail(detail::why)))
    }
}

impl PlaybookArgs {
    /// The call of `armPlaybook`, `pausePlaybook` or `resumePlaybook`.
    pub fn call(&self, tool: &'static str) -> Call {
        let args = CallArgs::new().with("playbook", Some(self.playbook.as_str()));
        Call { view: View::Detail(overview::switch), ..Call::act(tool, args) }
    }
}

impl RunsCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        let of = |run: &str| CallArgs::new().with("run", Some(run));
        match self {
            Self::List { playbook, task, in_state, count } => {
                let args = CallArgs::new()
                    .with("playbook", playbook.as_deref())
                    .with("task", *task)
                    .with("state", in_state.map(RunState::as_str))
                    .with("limit", Some(*count));
                Call::look("listRuns", args, RUNS)
            }
            Self::Show { run, effects, effects_before } => {
                let args = of(run).with("effects", *effects);
                let args = args.with("effectsBefore", *effects_before);
                Call::look("showRun", args, View::Detail(detail::run))
            }
            Self::Follow { run } => Call::look(FOLLOW, of(run), View::Story),
            Self::Stop { run } => Call::act("stopRun", of(run)),
            Self::Undo { run, dry_run: true } => {
                Call::look("undoRun", of(run).with("dryRun", Some(true)), UNDONE)
            }
            Self::Undo { run, .. } => Call { view: UNDONE, ..Call::act("undoRun", of(run)) },
        }
    }
}

const UNDONE: View = View::Table {
    columns: &[
        ("SEQ", "seq"),
        ("TOOL", "tool"),
        ("ENTITY", "entity"),
        ("STATE", "state"),
        ("REASON", "reason"),
        ("DETAIL", "detail"),
    ],
    empty: "the run wrote nothing",
};

const OCCURRENCES: View = View::Table {
    columns: &[("WHEN", "local"), ("ZONE", "zone"), ("PLAYBOOK", "playbook"), ("NOTE", "note")],
    empty: "nothing is coming; playbooks without a trigger run by hand only",
};

const RUNS: View = View::Table {
    columns: &[
        ("RUN", "id"),
        ("PLAYBOOK", "playbook"),
        ("TASK", "task"),
        ("STATE", "state"),
        ("REASON", "reason"),
        ("STARTED", "started"),
        ("SUMMARY", "summary"),
    ],
    empty: "no runs",
};

impl ClaimsCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        match self {
            Self::List => Call::look("listClaims", CallArgs::new(), CLAIMS),
            Self::Release { task, reason } => {
                let args =
                    CallArgs::new().with("task", Some(*task)).with("reason", Some(reason.as_str()));
                let view = View::Detail(overview::released);
                Call { view, ..Call::act("releaseClaim", args) }
            }
        }
    }
}

const CLAIMS: View = View::Table {
    columns: &[
        ("TASK", "task"),
        ("PHASE", "phase"),
        ("PLAYBOOK", "playbook"),
        ("RUN", "run"),
        ("FENCE", "fence"),
        ("HOLDER", "by"),
    ],
    empty: "no claims",
};

/// `rota status`.
pub fn status_call() -> Call {
    Call::look("getStatus", CallArgs::new(), View::Detail(overview::status))
}

/// `rota playbooks`.
pub fn playbooks_call() -> Call {
    Call::look("listPlaybooks", CallArgs::new(), View::Detail(overview::playbooks))
}

/// `rota stop-all`, to a daemon.
pub fn stop_all_call(reason: &str) -> Call {
    Call::act("stopAll", CallArgs::new().with("reason", Some(reason)))
}

/// `rota start-all`, to a daemon.
pub fn start_all_call() -> Call {
    Call::act("startAll", CallArgs::new())
}

/// `key=value`, with a key that templates can name.
fn pair(text: &str) -> Result<(String, String), String> {
    const EXPECTED: &str = "expected KEY=VALUE with a key of letters, digits and _";
    let (key, value) = text.split_once('=').ok_or(EXPECTED)?;
    let named = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if named { Ok((key.to_owned(), value.to_owned())) } else { Err(EXPECTED.to_owned()) }
}

fn run_state(text: &str) -> Result<RunState, String> {
    serde_json::from_value(text.into()).map_err(|_| {
        "expected one of running, succeeded, nothing_to_do, refused, failed, timed_out, stalled, \
         yielded, claim_lost, unverified, waiting, interrupted, cancelled"
            .to_owned()
    })
}
