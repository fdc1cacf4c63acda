//! The commands, each in a few lines: what was typed, a call, the answer.

mod ask;
mod backup;
pub(super) mod bridge;
mod files;
mod inspect;
mod leantime;
mod long;
mod mcp;
mod migrate;
mod serve;
mod service;
mod stop;
mod transfer;

use super::args::Command;
use super::args::operate::{playbooks_call, status_call};
use super::args::outside::open_call;
use super::output::Output;
use crate::app::failure::Failure;
use crate::app::house::{House, Place};
use std::sync::Arc;

/// What every command needs.
pub struct Session<'a> {
    /// The house behind the commands.
    pub house: Arc<dyn House>,
    /// Where configuration and state are.
    pub place: Place,
    /// Where results and remarks go.
    pub output: &'a Output,
}

impl Session<'_> {
    /// Does a command and says what went wrong, if anything did; the exit code.
    pub async fn perform(&self, command: &Command) -> u8 {
        self.run(command).await.unwrap_or_else(|failure| {
            self.output.failure(&failure);
            failure.kind.exit_code()
        })
    }

    async fn run(&self, command: &Command) -> Result<u8, Failure> {
        let zone = self.place.zone.as_deref();
        match command {
            Command::Demo { serve } => self.demo(*serve).await,
            Command::Init(args) => self.init(args).await,
            Command::Serve { .. } => self.serve().await,
            Command::RunOnce(args) => self.ask(args.call(zone)?).await,
            Command::Check { paths } => self.check(paths).await,
            Command::Next(args) => self.ask(args.call(zone)?).await,
            Command::Why(args) => self.ask(args.call(zone)?).await,
            Command::Runs(runs) => self.ask(runs.call()).await,
            Command::Claims(claims) => self.ask(claims.call()).await,
            Command::Review(review) => self.ask(review.call()?).await,
            Command::Report(report) => self.ask(report.call()).await,
            Command::Audit(audit) => self.audit(&audit.call()).await,
            Command::Outbox(outbox) => self.ask(outbox.call()).await,
            Command::Playbooks => self.ask(playbooks_call()).await,
            Command::Arm(args) => self.ask(args.call("armPlaybook")).await,
            Command::Pause(args) => self.ask(args.call("pausePlaybook")).await,
            Command::Resume(args) => self.ask(args.call("resumePlaybook")).await,
            Command::StopAll { reason } => self.stop_all(reason).await,
            Command::StartAll => self.start_all().await,
            Command::Status => self.ask(status_call()).await,
            Command::Daemons(daemons) => self.ask(daemons.call()).await,
            Command::Task(task) => self.ask(task.call()?).await,
            Command::Project(project) => self.ask(project.call()?).await,
            Command::Milestone(milestone) => self.ask(milestone.call()).await,
            Command::Member(member) => self.ask(member.call()).await,
            Command::Sprint(sprint) => self.ask(sprint.call()).await,
            Command::Person(person) => self.ask(person.call()).await,
            Command::Board(board) => self.transfer(board.options()).await,
            Command::Service(service) => self.service(service).await,
            Command::Migrate(args) => self.migrate(args).await,
            Command::Backup { file } => self.backup(file).await,
            Command::Restore { file, .. } => self.restore(file.as_deref()).await,
            Command::Mcp(args) => self.mcp(args).await,
            Command::Bridge(args) => bridge::carry(args).await,
            Command::Leantime(command) => self.leantime(command).await,
            Command::Token(token) => self.ask(token.call()).await,
            Command::Open => self.ask(open_call()).await,
            Command::Sessions(sessions) => self.ask(sessions.call()).await,
            Command::Upstream(upstream) => self.upstream(upstream).await,
            Command::Doctor(args) => self.doctor(args).await,
            Command::Schema { kind } => self.schema(*kind),
            Command::Completions { shell } => self.completions(*shell),
            Command::Man { dir } => self.man(dir.as_deref()),
        }
    }
}
