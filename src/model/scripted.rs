//! A model that reads its answers from a file, and says so.

use super::{Exchange, Model, ModelError, Reply};
use async_trait::async_trait;
use std::path::Path;

/// A strict script.
#[derive(Debug)]
pub struct ScriptedModel {
    name: String,
}

impl ScriptedModel {
    /// Reads a script. `name` is for people (`scripted:NAME`).
    ///
    /// # Errors
    /// A text with line and column.
    pub fn from_toml(name: &str, _text: &str) -> Result<Self, String> {
        Ok(Self { name: name.to_owned() })
    }

    /// Reads a script from a file.
    ///
    /// # Errors
    /// A text that names the file.
    pub fn from_file(_path: &Path) -> Result<Self, String> {
        todo!()
    }
}

#[async_trait]
impl Model for ScriptedModel {
    fn describe(&self) -> String {
        format!("scripted:{}", self.name)
    }
    async fn exchange(&self, _: &Exchange) -> Result<Reply, ModelError> {
        todo!()
    }
}
