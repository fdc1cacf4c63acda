//! Commands that set up a Leantime as the board.

use super::team::RoleWord;
use crate::app::failure::Failure;
use crate::app::house::{AddAgent, KeyFrom};
use crate::domain::Role;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// `rota init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where to
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// The board is the Leantime at this address; it is tried first
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub leantime: Option<String>,
    /// Where its key is, `env:NAME` or `file:PATH` [default: `LEANTIME_API_KEY` or `LEANTIME_API_TOKEN`,
    /// else it is asked for]
    #[arg(long, value_name = "WHERE", value_parser = key_from, requires = "leantime")]
    pub key_from: Option<KeyFrom>,
}

/// `rota leantime …`.
#[derive(Debug, Subcommand)]
pub enum LeantimeCommand {
    /// Make a user for an agent, with a key of its own, and name it in rota.toml
    ///
    /// What the agent writes then bears its name. It takes an admin's key, which is used once and not
    /// kept.
    #[command(
        after_help = "Examples:\n  rota leantime add-agent AI-Worker --project Website --dry-run\n  \
                            rota leantime add-agent AI-Worker --project Website \
                            --admin-key-from env:LEANTIME_ADMIN_KEY"
    )]
    AddAgent(AddAgentArgs),
}

/// `rota leantime add-agent`.
#[derive(Debug, Args)]
pub struct AddAgentArgs {
    /// The agent, as playbooks name it
    pub name: String,
    /// A project that it works in, by name or number; may be repeated
    #[arg(short, long = "project", value_name = "PROJECT", required = true)]
    pub projects: Vec<String>,
    /// What it may do
    #[arg(long, value_enum, default_value = "editor")]
    pub role: RoleWord,
    /// Where an admin's key is, `env:NAME` or `file:PATH` [default: the key of `[board]`]
    #[arg(long, value_name = "WHERE", value_parser = key_from)]
    pub admin_key_from: Option<KeyFrom>,
    /// Keep the key in no file: show it once, to be put into this variable
    #[arg(long, value_name = "NAME")]
    pub key_env: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

impl AddAgentArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// A usage failure: the variable has no name that can be set.
    pub fn agent(&self) -> Result<AddAgent, Failure> {
        if let Some(name) = self.key_env.as_deref().filter(|name| !is_variable(name)) {
            return Err(Failure::usage(format!("{name:?} is no name of a variable")));
        }
        let role = match self.role {
            RoleWord::Readonly => Role::Readonly,
            RoleWord::Commenter => Role::Commenter,
            RoleWord::Editor => Role::Editor,
            RoleWord::Manager => Role::Manager,
            RoleWord::Admin => Role::Admin,
            RoleWord::Owner => Role::Owner,
        };
        Ok(AddAgent {
            name: self.name.clone(),
            role,
            projects: self.projects.clone(),
            admin: self.admin_key_from.clone(),
            variable: self.key_env.clone(),
            dry_run: self.dry_run,
        })
    }
}

fn is_variable(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.len() <= 128 && name.chars().all(fits)
}

/// `env:NAME` or `file:PATH`. What is neither may be a key, so it is not repeated.
fn key_from(text: &str) -> Result<KeyFrom, &'static str> {
    match text.split_once(':') {
        Some(("env", name)) if is_variable(name) => Ok(KeyFrom::Env(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Ok(KeyFrom::File(PathBuf::from(path))),
        _ => Err("expected env:NAME or file:PATH; a key itself is never typed here"),
    }
}
