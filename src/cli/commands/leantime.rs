//! Commands that set up a Leantime: it is tried before `rota init` writes anything, and its agents get
//! users of their own.

use super::Session;
use super::files::CONFIG;
use super::inspect::doctor_page;
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{AddAgent, AgentAdded, Health, KeyFrom, LeantimeStart};
use crate::cli::args::leantime::LeantimeCommand;
use crate::cli::page::{Page, Style};
use crate::cli::{environment, secret};
use secrecy::ExposeSecret;
use serde_json::json;
use std::path::Path;

impl Session<'_> {
    /// Tries a Leantime for a configuration that is not there yet: its text, if it can be used.
    pub(super) async fn try_leantime(
        &self,
        dir: &Path,
        url: &str,
        key: Option<KeyFrom>,
    ) -> Result<Option<String>, Failure> {
        let there = dir.join(CONFIG);
        if there.exists() {
            let message = format!("{} is there already: nothing was written", there.display());
            return Err(Failure::new(FailureKind::Refused, message).hint(
                "write the table [board] of docs/leantime.md into it, or name another folder",
            ));
        }
        let key = match key {
            Some(key) => key,
            None => match environment::leantime_key_variable() {
                Some(name) => KeyFrom::Env(name.to_owned()),
                None => KeyFrom::Typed(secret::ask("API key or access token of Leantime")?),
            },
        };
        let start = LeantimeStart { folder: dir.to_owned(), url: url.to_owned(), key };
        let started = self.house.leantime_start(&start).await?;
        if started.config.is_none() {
            let mut found = started.findings.iter().filter(|f| f.health == Health::Fail);
            let message = format!("{url} cannot be the board as it is: nothing was written");
            let mut failure = Failure::new(FailureKind::Refused, message);
            if let Some(worst) = found.next() {
                failure.causes = vec![format!("{}: {}", worst.what, worst.found)];
                failure = failure.hint(worst.advice.clone());
            }
            return Err(failure);
        }
        if !self.output.is_json() {
            self.output.remark(&doctor_page(&started.findings));
        }
        Ok(started.config)
    }

    /// `rota leantime …`.
    pub(super) async fn leantime(&self, command: &LeantimeCommand) -> Result<u8, Failure> {
        let LeantimeCommand::AddAgent(args) = command;
        let agent = args.agent()?;
        let added = self.house.add_agent(&self.place, &agent).await?;
        let document = json!({
            "name": agent.name,
            "user": added.user,
            "role": agent.role.to_string(),
            "projects": added.projects,
            "keyFile": added.file.as_ref().map(|file| file.display().to_string()),
            "key": added.key.as_ref().map(ExposeSecret::expose_secret),
            "configured": added.is_configured,
            "lines": added.lines,
        });
        self.output.result(&document, &page(&agent, &added))?;
        Ok(0)
    }
}

fn page(agent: &AddAgent, added: &AgentAdded) -> Page {
    let mut page = Page::new();
    let projects = added.projects.join(", ");
    let what = format!("{} ({}) in {projects}", agent.name, agent.role);
    match added.user {
        Some(user) => {
            page.line(Style::Good, "made").add(Style::Plain, &format!(" user {user}, {what}"))
        }
        None => page.line(Style::Warn, "would make").add(Style::Plain, &format!(" a user: {what}")),
    };
    if let Some(file) = &added.file {
        let told = if added.user.is_some() { "its key is in" } else { "its key would be in" };
        page.line(Style::Plain, &format!("{told} {}", file.display()));
    }
    if let (Some(key), Some(name)) = (&added.key, &agent.variable) {
        page.line(Style::Plain, &format!("its key, which is not shown again; put it into {name}:"));
        page.line(Style::Bold, &format!("  {}", key.expose_secret()));
    }
    let head = match (added.is_configured, added.user) {
        (true, _) => "rota.toml says by now:",
        (false, Some(_)) => "add to rota.toml:",
        (false, None) => "rota.toml would say:",
    };
    page.gap().line(Style::Bold, head);
    for line in added.lines.lines() {
        page.line(Style::Plain, &format!("  {line}"));
    }
    page.gap();
    for line in USERS {
        page.line(Style::Dim, line);
    }
    page
}

/// What whoever makes such a user should know.
const USERS: [&str; 5] = [
    "A running daemon reads rota.toml at its next start.",
    "Users of API keys do not show in Leantime's pickers and get no mail: people hand work to this agent",
    "by a tag, or let Rota assign it. To have it in the pickers, invite a regular user in Leantime",
    "instead, make a token on its server (php bin/leantime auth:create-bearer-token --email=ADDRESS",
    "--name=rota), and write user and key into [board.agents] by hand.",
];
