//! How a playbook works: `[work]` and `[[step]]`.

use super::Value;
use serde::{Deserialize, Serialize};

/// How a playbook works.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Plain steps, no model.
    Steps(Vec<Step>),
    /// A program: prompt on stdin, result from exit status or a last JSON line.
    Command {
        /// Program and arguments; each is a template.
        command: Vec<String>,
        /// The template of the prompt.
        prompt: String,
        /// Names of environment variables it gets beside the basic ones.
        env: Vec<String>,
    },
    /// An agent that speaks the Agent Client Protocol on its standard input and output.
    Acp {
        /// Program and arguments; each is a template.
        command: Vec<String>,
        /// The template of the prompt.
        prompt: String,
        /// Names of environment variables it gets beside the basic ones.
        env: Vec<String>,
        /// How its requests for permission are answered.
        permissions: Permissions,
    },
    /// A language model in a loop of turns.
    Model {
        /// `[models.NAME]` of `rota.toml`.
        model: String,
        /// The template of the prompt.
        prompt: String,
    },
}

impl Work {
    /// What is started for it: program and arguments, and the names of its variables; `None` where
    /// nothing is.
    pub fn program(&self) -> Option<(&[String], &[String])> {
        match self {
            Self::Command { command, env, .. } | Self::Acp { command, env, .. } => {
                Some((command, env))
            }
            Self::Steps(_) | Self::Model { .. } => None,
        }
    }
}

/// How an agent's requests for permission are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permissions {
    /// What the playbook allows is allowed: the run's own tools, its checks, files in its workspace.
    #[default]
    Playbook,
    /// Nothing is allowed.
    Deny,
    /// Everything is allowed: the sandbox alone keeps the agent in.
    Allow,
}

/// One plain step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Once per item of this list, as `item`.
    pub each: Option<String>,
    /// Only when this CEL expression holds.
    pub when: Option<String>,
    /// The tool.
    pub tool: String,
    /// Its arguments; texts are templates.
    pub args: Value,
    /// Never twice for the same key (a template), across restarts.
    pub once: Option<String>,
}
