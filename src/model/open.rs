//! Which model: the room's options, and the choice between adapters.

use super::Model;
use super::anthropic::Anthropic;
use super::openai::OpenAi;
use super::scripted::ScriptedModel;
use crate::domain::is_loopback;
use std::path::PathBuf;
use std::sync::Arc;

pub use super::server::ServerOptions;

/// What answers.
#[derive(Clone, Debug)]
pub enum ModelOptions {
    /// A script that plays the model.
    Scripted {
        /// The script's file.
        script: PathBuf,
    },
    /// A server.
    Server {
        /// What it speaks.
        wire: Wire,
        /// How it is reached.
        options: Box<ServerOptions>,
    },
}

impl ModelOptions {
    /// Whether nobody said what its use costs; a script says so itself.
    pub fn is_unpriced(&self) -> bool {
        matches!(self, Self::Server { options, .. } if options.price.is_none())
    }
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// `OpenAI`'s Chat Completions.
    Completions,
    /// Anthropic's Messages.
    Messages,
}

impl Wire {
    /// The members of a request that are ours to write.
    pub fn reserved(self) -> &'static [&'static str] {
        match self {
            Self::Completions => super::openai::RESERVED,
            Self::Messages => super::anthropic::RESERVED,
        }
    }
}

/// Opens a model; nothing is sent.
///
/// # Errors
/// A text for people, without a secret.
pub fn open(options: &ModelOptions) -> Result<Arc<dyn Model>, String> {
    Ok(match options {
        ModelOptions::Scripted { script } => Arc::new(ScriptedModel::from_file(script)?),
        ModelOptions::Server { wire: Wire::Completions, options } => {
            Arc::new(OpenAi::new(options.as_ref().clone())?)
        }
        ModelOptions::Server { wire: Wire::Messages, options } => {
            Arc::new(Anthropic::new(options.as_ref().clone())?)
        }
    })
}

/// Whether an address may be a server's base; what is expected, if not.
///
/// # Errors
/// What is expected.
pub fn check_url(text: &str) -> Result<(), String> {
    super::server::base(text).map(|_| ())
}

/// Whether what is sent to an address can be read on the way: plain HTTP to another machine.
pub fn is_exposed(text: &str) -> bool {
    super::server::base(text)
        .is_ok_and(|url| url.scheme() == "http" && !url.host_str().is_some_and(is_loopback))
}
