//! What can be typed. Every command has an example in its help; a test walks the tree.

pub mod board;
pub mod bridge;
pub mod daemons;
pub mod leantime;
pub mod migrate;
pub mod operate;
pub mod outbox;
pub mod outside;
pub mod report;
pub mod review;
pub mod service;
pub mod sessions;
pub mod team;
pub mod transfer;

use super::environment::Environment;
use super::logging::{LogFormat, Verbosity};
use super::output::{ColourChoice, Manner, Output};
use crate::app::house::{BoardOf, Place, SchemaKind};
use board::{ProjectCommand, TaskCommand};
use bridge::{BridgeArgs, DoctorArgs};
use clap::{ArgAction, Args, Parser, Subcommand, ValueHint};
use daemons::DaemonsCommand;
use leantime::{InitArgs, LeantimeCommand};
use migrate::MigrateArgs;
use operate::{ClaimsCommand, NextArgs, PlaybookArgs, RunOnceArgs, RunsCommand, WhyArgs};
use outbox::OutboxCommand;
use outside::{McpArgs, TokenCommand, UpstreamCommand};
use report::ReportCommand;
use review::{AuditCommand, ReviewCommand};
use service::ServiceCommand;
use sessions::SessionsCommand;
use std::path::PathBuf;
use team::{MemberCommand, MilestoneCommand, PersonCommand, SprintCommand};
use transfer::BoardCommand;

/// Puts AI agents to work beside people on a team's project board.
#[derive(Debug, Parser)]
#[command(
    name = "rota",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  rota init my-team\n  rota run-once daily-digest --dry-run\n  rota serve\n\n\
                  Exit codes: 0 done, 1 refused or ended otherwise, 2 usage, 3 configuration, \
                  4 board, model or daemon not reachable, 5 nothing to do (with --exit-code), \
                  6 local state unusable, 70 a fault of ours."
)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub globals: Globals,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "For every command")]
pub struct Globals {
    /// The configuration [env: `ROTA_CONFIG`] [default: ./rota.toml, else built-in defaults]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The folder of local state [env: `ROTA_STATE`] [default: ./state]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
    /// How to speak.
    #[command(flatten)]
    pub manner: MannerArgs,
}

/// How to speak.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "For every command")]
pub struct MannerArgs {
    /// Print one JSON document and nothing else
    #[arg(long, global = true)]
    pub json: bool,
    /// Log more (twice: still more)
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Print results and failures only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: ColourChoice,
}

impl Globals {
    /// Where configuration and state are: as typed, else as the environment says, else the
    /// defaults.
    pub fn place(&self, environment: &Environment) -> Place {
        let state = self.state.as_ref().or(environment.state.as_ref());
        Place {
            config: self.config.as_ref().or(environment.config.as_ref()).cloned(),
            is_state_named: state.is_some(),
            state: state.cloned().unwrap_or_else(|| PathBuf::from("./state")),
            zone: environment.zone.clone(),
            board: BoardOf::Configuration,
        }
    }
}

impl MannerArgs {
    /// This process's streams, spoken to so.
    pub fn output(&self, environment: &Environment) -> Output {
        Output::standard(self.manner(environment.no_colour))
    }

    /// How results and remarks are printed.
    pub fn manner(&self, no_colour: bool) -> Manner {
        Manner { json: self.json, quiet: self.quiet, colour: self.color, no_colour }
    }

    /// How much is logged.
    pub fn verbosity(&self, daemon: bool) -> Verbosity {
        Verbosity { more: self.verbose, quiet: self.quiet, daemon }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A sample team's working day in seconds; needs nothing else (the model is scripted)
    #[command(after_help = "Example:\n  rota demo")]
    Demo {
        /// Stay up afterwards
        #[arg(long)]
        serve: bool,
    },
    /// Write a first configuration, playbooks and templates; never overwrites
    #[command(after_help = "Examples:\n  rota init my-team\n  \
                            rota init my-team --leantime https://projects.example.org")]
    Init(InitArgs),
    /// Run the daemon; prints `ready …` when it is up
    ///
    /// SIGTERM and SIGINT let what runs come to an end, within bounds; a second one stops at once.
    /// SIGHUP reads playbooks and templates again.
    #[command(after_help = "Example:\n  rota serve --state /var/lib/rota --log-format json")]
    Serve {
        /// How log lines are written
        #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
        log_format: LogFormat,
    },
    /// One occurrence of a playbook now, through the same path as the clock
    #[command(after_help = "Examples:\n  rota run-once daily-digest --dry-run\n  \
                            rota run-once code-review --task 42 --json")]
    RunOnce(RunOnceArgs),
    /// Check configuration, playbooks and templates; all faults at once
    #[command(after_help = "Examples:\n  rota check\n  rota check agents/code-review.toml")]
    Check {
        /// Only these files or folders
        #[arg(value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
    },
    /// Coming occurrences, in the playbook's zone
    #[command(after_help = "Example:\n  rota next daily-digest -n 5")]
    Next(NextArgs),
    /// Why a task or playbook was, or was not, picked, run, told
    #[command(
        after_help = "Examples:\n  rota why 42\n  rota why daily-digest --at 2026-03-29T08:00"
    )]
    Why(WhyArgs),
    /// Runs: what they did, what they cost
    #[command(subcommand, after_help = "Example:\n  rota runs list --playbook code-review")]
    Runs(RunsCommand),
    /// Claims: which tasks are held, by whom
    #[command(subcommand, after_help = "Example:\n  rota claims list")]
    Claims(ClaimsCommand),
    /// What waits for a person: look at it, approve it, send it back, answer it
    #[command(subcommand, after_help = "Example:\n  rota review list")]
    Review(ReviewCommand),
    /// Messages: what waits for each channel, and what could not be told
    #[command(subcommand, after_help = "Example:\n  rota outbox list")]
    Outbox(OutboxCommand),
    /// Sums over what agents did
    #[command(subcommand, after_help = "Example:\n  rota report cost --by day --since -7d")]
    Report(ReportCommand),
    /// The playbooks: armed or not, paused, when each wakes next, what is faulty
    #[command(after_help = "Example:\n  rota playbooks")]
    Playbooks,
    /// Accept a playbook's triggers and rights as they stand
    #[command(after_help = "Example:\n  rota arm code-review")]
    Arm(PlaybookArgs),
    /// Let a playbook start nothing until it is resumed
    #[command(after_help = "Example:\n  rota pause code-review")]
    Pause(PlaybookArgs),
    /// Let a paused playbook start again
    #[command(after_help = "Example:\n  rota resume code-review")]
    Resume(PlaybookArgs),
    /// Emergency stop: end every run and start none, also after a restart
    ///
    /// It works without a daemon too: the stop is a file in the state folder. All daemons that share the store are
    /// stopped, wherever it is typed.
    #[command(after_help = "Example:\n  rota stop-all --reason \"wrong comments on the board\"")]
    StopAll {
        /// Why, for those who find everything stopped
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Lift the emergency stop
    ///
    /// It is lifted at all daemons that share the store, but where a file STOPPED is in another's state folder.
    #[command(after_help = "Example:\n  rota start-all")]
    StartAll,
    /// The hash chains over what people did and over the ends of runs
    #[command(subcommand, after_help = "Example:\n  rota audit verify")]
    Audit(AuditCommand),
    /// What the daemon is doing
    #[command(after_help = "Example:\n  rota status --json")]
    Status,
    /// The daemons that share the store; letting one take no new work
    #[command(subcommand, after_help = "Example:\n  rota daemons list")]
    Daemons(DaemonsCommand),
    /// The board's tasks
    #[command(
        subcommand,
        after_help = "Example:\n  rota task list --project Website --status open"
    )]
    Task(Box<TaskCommand>),
    /// The board's projects
    #[command(subcommand, after_help = "Example:\n  rota project list")]
    Project(ProjectCommand),
    /// The board's milestones
    #[command(subcommand, after_help = "Example:\n  rota milestone list")]
    Milestone(MilestoneCommand),
    /// Who belongs to which project
    #[command(subcommand, after_help = "Example:\n  rota member list --project Website")]
    Member(MemberCommand),
    /// The sprints of projects
    #[command(subcommand, after_help = "Example:\n  rota sprint list")]
    Sprint(SprintCommand),
    /// Who is on the board, people and agents
    #[command(subcommand, after_help = "Example:\n  rota person list")]
    Person(PersonCommand),
    /// Agents on a Leantime
    #[command(
        subcommand,
        after_help = "Example:\n  rota leantime add-agent AI-Worker --project Website"
    )]
    Leantime(LeantimeCommand),
    /// Copies between this board and another: a Leantime, a SQLite file
    #[command(subcommand, after_help = "Example:\n  rota board export leantime.toml --dry-run")]
    Board(BoardCommand),
    /// Move board and ledger of a state folder to PostgreSQL, or back
    ///
    /// No daemon may run. Broken off, the same command goes on where it stopped. Both ends are compared
    /// before daemons may use the new one, and what was left stays where it is. A password stands better in
    /// `PGPASSWORD`, `~/.pgpass` or `ROTA_POSTGRES_URL` than in what is typed, which others can see.
    #[command(
        after_help = "Examples:\n  rota migrate --to postgres://rota_owner@db1/team --dry-run\n  \
                            ROTA_POSTGRES_URL=… rota migrate --to postgres\n  \
                            rota migrate --to embedded"
    )]
    Migrate(MigrateArgs),
    /// Write ledger and board into one file, while the daemon works on
    ///
    /// The file takes the place of no other. It holds no key of yours: tokens are in it as hashes, and
    /// rota.toml, playbooks and workspaces are not in it.
    #[command(after_help = "Example:\n  rota backup rota-2026-11-30.tar")]
    Backup {
        /// The file to write
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Put a backup into an empty state folder, or go on with a database that was put back
    ///
    /// Everything is stopped then until `rota start-all`. Of FILE: the state folder holds nothing of it yet, and the
    /// next start reads it. With --database: no daemon is at work.
    #[command(
        after_help = "Examples:\n  rota restore rota-2026-11-30.tar --state /var/lib/rota\n  rota restore --database"
    )]
    Restore {
        /// A file that `rota backup` wrote
        #[arg(value_hint = ValueHint::FilePath, required_unless_present = "database")]
        file: Option<PathBuf>,
        /// The database of the store was put back by its own means (`pg_restore`): stop everything, and let
        /// no fence come twice
        #[arg(long, conflicts_with = "file")]
        database: bool,
    },
    /// The daemon as a systemd service, yours or the system's
    #[command(subcommand, after_help = "Example:\n  rota service install --dry-run")]
    Service(ServiceCommand),
    /// Tokens and service keys for clients from outside
    #[command(subcommand, after_help = "Example:\n  rota token create laptop --expires 90d")]
    Token(TokenCommand),
    /// A link by which you sign in to the dashboard, once
    ///
    /// It is for whoever types (`[people] me` of rota.toml), and counts for five minutes.
    #[command(after_help = "Example:\n  rota open")]
    Open,
    /// Who is signed in to the dashboard, and signing them out
    #[command(subcommand, after_help = "Example:\n  rota sessions end")]
    Sessions(SessionsCommand),
    /// Other MCP servers, whose tools playbooks may use once a person accepted them
    #[command(subcommand, after_help = "Example:\n  rota upstream list")]
    Upstream(UpstreamCommand),
    /// MCP server at standard input and output, for Claude Desktop, VS Code, Cursor and others
    ///
    /// It starts in milliseconds and opens nothing before the first tool call. With a daemon it is a
    /// client of that; without one it opens the state folder while calls come.
    #[command(after_help = "Examples:\n  rota mcp --state /var/lib/rota\n  \
                            rota mcp --toolsets tasks,comments,readonly")]
    Mcp(McpArgs),
    /// Carry MCP between standard input and output and a server that speaks it over HTTP
    ///
    /// For clients that know pipes only; it takes the options and variables of Leantime's Node bridge.
    /// The program `leantime-mcp` is this command alone, and takes less memory.
    #[command(
        after_help = "Examples:\n  rota bridge http://127.0.0.1:3001/mcp --token-file token\n  \
                            rota bridge https://board.example.com/mcp --auth-method X-API-Key --ca ca.pem"
    )]
    Bridge(BridgeArgs),
    /// Look at everything the daemon needs, or at an MCP server: each line ok, warn or fail, with what
    /// to do
    #[command(
        after_help = "Examples:\n  rota doctor\n  rota doctor http://127.0.0.1:3001/mcp --token-file token"
    )]
    Doctor(DoctorArgs),
    /// Print a JSON Schema for editors
    #[command(after_help = "Example:\n  rota schema playbook > docs/schema/playbook.json")]
    Schema {
        /// Of what
        #[arg(value_parser = schema_kind)]
        kind: SchemaKind,
    },
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  rota completions bash > ~/.local/share/bash-completion/completions/rota"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for every command
    #[command(
        after_help = "Examples:\n  rota man | man -l -\n  rota man --dir ~/.local/share/man/man1"
    )]
    Man {
        /// Write a page for every command into this folder instead
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

/// `playbook` or `config`.
fn schema_kind(text: &str) -> Result<SchemaKind, String> {
    match text {
        "playbook" => Ok(SchemaKind::Playbook),
        "config" => Ok(SchemaKind::Config),
        _ => Err("expected playbook or config".to_owned()),
    }
}
